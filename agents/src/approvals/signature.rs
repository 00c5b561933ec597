//! Signatures by the approver's own SSH key (OpenSSH, PROTOCOL.sshsig): made here, or by
//! `ssh-keygen -Y sign`; checked here, or by `ssh-keygen -Y verify`.
//!
//! Only Ed25519, in a file, an agent, or FIDO hardware (`sk-ssh-ed25519@openssh.com`, PROTOCOL.u2f;
//! somebody has to have touched it). Checked strictly: one encoding, no weak key, no second
//! signature that fits the same statement, so that everyone who checks an entry comes to one
//! answer. That is why ECDSA, in hardware or not, and RSA are no approver's keys.

use super::statement::{SignedDecision, Statement};
use crate::once::sha256;
use ed25519_dalek::VerifyingKey;
use schemas::Label;
use schemas::kinds::acting::SignatureText;
use ssh_key::private::Ed25519Keypair;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use zeroize::Zeroizing;

/// A signature made for another purpose with the same key does not count here.
pub const NAMESPACE: &str = "daicho-approval@v1";

/// An approver's public key, as `ssh-ed25519 AAAA…`, without comment: a comment is often a
/// person's name, and the log keeps it for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproverKey {
    label: Label,
    bytes: [u8; 32],
    /// FIDO's name for what the key is for; `None` for a key that is in no hardware.
    application: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("this is not an OpenSSH public key; give one line as in id_ed25519.pub")]
    Unreadable,
    #[error(
        "approvers sign with Ed25519 keys only; make one with `ssh-keygen -t ed25519`, or \
         `-t ed25519-sk` in hardware"
    )]
    NotEd25519,
    #[error("this key is weak: signatures under it prove nothing; make another")]
    Weak,
}

impl ApproverKey {
    /// Reads the line of a `.pub` file, or what `user.activated` holds.
    pub fn parse(text: &str) -> Result<ApproverKey, KeyFault> {
        let key = PublicKey::from_openssh(text.trim()).map_err(|_| KeyFault::Unreadable)?;
        ApproverKey::from_data(key.key_data())
    }

    fn from_data(data: &KeyData) -> Result<ApproverKey, KeyFault> {
        let (public, application) = match data {
            KeyData::Ed25519(public) => (public, None),
            KeyData::SkEd25519(sk) => (sk.public_key(), Some(sk.application().to_owned())),
            _ => return Err(KeyFault::NotEd25519),
        };
        let point = VerifyingKey::from_bytes(&public.0).map_err(|_| KeyFault::Weak)?;
        if point.is_weak() {
            return Err(KeyFault::Weak);
        }
        let text = PublicKey::new(data.clone(), "").to_openssh();
        let text = text.map_err(|_| KeyFault::Unreadable)?;
        let label = text.trim().parse().map_err(|_| KeyFault::Unreadable)?;
        Ok(ApproverKey {
            label,
            bytes: public.0,
            application,
        })
    }

    /// Is the secret in FIDO hardware, which nothing here can make sign?
    pub fn is_hardware(&self) -> bool {
        self.application.is_some()
    }

    pub fn label(&self) -> &Label {
        &self.label
    }
}

/// The approver could not sign. What the key file holds is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the key file is not an OpenSSH private key")]
    KeyUnreadable,
    #[error("approvers sign with Ed25519 keys only; make one with `ssh-keygen -t ed25519`")]
    KeyNotEd25519,
    #[error("the key file only names a key in hardware; OpenSSH has to sign with it")]
    KeyInHardware,
    #[error("the key file is encrypted; its passphrase is needed")]
    PassphraseMissing,
    #[error("the passphrase does not open the key file")]
    PassphraseWrong,
    #[error("the key could not sign")]
    KeyFailed,
}

/// A signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    #[error("the signature is not in the one form that PROTOCOL.sshsig and base64 allow")]
    Malformed,
    #[error("the signature was made for another namespace than {NAMESPACE}")]
    WrongNamespace,
    #[error("the signature is not of an Ed25519 key")]
    NotEd25519,
    #[error("the signature is of another key than the approver's")]
    OtherKey,
    #[error("the hardware signed without anybody's touch; make the key without no-touch-required")]
    Untouched,
    #[error("the signature does not fit the statement")]
    Forged,
    #[error("statement_sha256 is not the digest of the statement that the fields give")]
    OtherStatement,
}

/// Signs with an OpenSSH private key file's bytes.
pub fn sign(
    statement: &Statement,
    private_key: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<(ApproverKey, SignatureText), SignError> {
    let mut key = PrivateKey::from_openssh(private_key).map_err(|_| SignError::KeyUnreadable)?;
    // Asked before the passphrase: nobody should type one for a key that cannot be used.
    match key.algorithm() {
        Algorithm::Ed25519 => {}
        Algorithm::SkEd25519 => return Err(SignError::KeyInHardware),
        _ => return Err(SignError::KeyNotEd25519),
    }
    if key.is_encrypted() {
        let passphrase = passphrase.ok_or(SignError::PassphraseMissing)?;
        key = key
            .decrypt(passphrase)
            .map_err(|_| SignError::PassphraseWrong)?;
    }
    let text = statement.text();
    let signed = key.sign(NAMESPACE, HashAlg::Sha512, text.as_bytes());
    let signed = signed.map_err(|_| SignError::KeyFailed)?;
    let public = ApproverKey::from_data(key.public_key().key_data());
    let public = public.map_err(|_| SignError::KeyFailed)?;
    let signature = encode(&signed).map_err(|_| SignError::KeyFailed)?;
    Ok((public, signature))
}

/// A new key pair, as `ssh-keygen -t ed25519` makes one without passphrase: for a play or a
/// test. An approver's own key is made by its owner and never seen here.
pub fn generate() -> Result<(Zeroizing<String>, ApproverKey), SignError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| SignError::KeyFailed)?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let private = key
        .to_openssh(LineEnding::LF)
        .map_err(|_| SignError::KeyFailed)?;
    let public = ApproverKey::from_data(key.public_key().key_data());
    Ok((private, public.map_err(|_| SignError::KeyFailed)?))
}

/// The file that `ssh-keygen -Y sign` writes, as an entry holds it.
pub fn from_armour(armoured: &str) -> Result<SignatureText, SignatureFault> {
    let signature = SshSig::from_pem(armoured.trim().as_bytes());
    encode(&signature.map_err(|_| SignatureFault::Malformed)?)
}

/// The file that `ssh-keygen -Y verify -s` reads.
pub fn to_armour(signature: &SignatureText) -> Result<String, SignatureFault> {
    decode(signature)?;
    Ok(armour(signature))
}

/// Does this key's signature cover this statement?
pub fn verify(
    statement: &Statement,
    key: &ApproverKey,
    signature: &SignatureText,
) -> Result<(), SignatureFault> {
    let signed = decode(signature)?;
    if signed.namespace() != NAMESPACE {
        return Err(SignatureFault::WrongNamespace);
    }
    let by = ApproverKey::from_data(signed.public_key());
    if by.map_err(|_| SignatureFault::NotEd25519)? != *key {
        return Err(SignatureFault::OtherKey);
    }
    let expected = match key.application {
        None => Algorithm::Ed25519,
        Some(_) => Algorithm::SkEd25519,
    };
    if signed.signature().algorithm() != expected {
        return Err(SignatureFault::NotEd25519);
    }
    let message = SshSig::signed_data(NAMESPACE, signed.hash_alg(), statement.text().as_bytes());
    let message = message.map_err(|_| SignatureFault::Malformed)?;
    let (raw, message) = match &key.application {
        None => (signed.signature_bytes(), message),
        Some(application) => {
            let bytes = signed.signature_bytes();
            let split = bytes.split_at_checked(ed25519_dalek::SIGNATURE_LENGTH);
            let (raw, said) = split.ok_or(SignatureFault::Malformed)?;
            (raw, by_hardware(application, said, &message)?)
        }
    };
    let raw = ed25519_dalek::Signature::from_slice(raw);
    let raw = raw.map_err(|_| SignatureFault::Malformed)?;
    // Not `PublicKey::verify` of the same crate, which accepts small-order points.
    let point = VerifyingKey::from_bytes(&key.bytes).map_err(|_| SignatureFault::OtherKey)?;
    point
        .verify_strict(&message, &raw)
        .map_err(|_| SignatureFault::Forged)
}

/// What FIDO hardware signs (PROTOCOL.u2f): SHA-256 of the application, flags, counter, SHA-256 of
/// the message. `said` is what it said of itself: one byte of flags, four of the counter.
fn by_hardware(application: &str, said: &[u8], message: &[u8]) -> Result<Vec<u8>, SignatureFault> {
    /// Somebody touched it.
    const USER_PRESENT: u8 = 0x01;
    let [flags, _, _, _, _] = said else {
        return Err(SignatureFault::Malformed);
    };
    if flags & USER_PRESENT == 0 {
        return Err(SignatureFault::Untouched);
    }
    let (application, message) = (sha256(application.as_bytes()), sha256(message));
    Ok([&application.0, said, &message.0].concat())
}

impl SignedDecision {
    /// Checks the entry's signature against the key that the entry names. Whether that key is
    /// the approver's is the log's to say.
    pub fn verify(&self) -> Result<ApproverKey, SignatureFault> {
        let key = ApproverKey::parse(self.approver_key.as_str());
        let key = key.map_err(|_| SignatureFault::NotEd25519)?;
        if *key.label() != self.approver_key {
            return Err(SignatureFault::Malformed);
        }
        if self.statement.sha256() != self.statement_sha256 {
            return Err(SignatureFault::OtherStatement);
        }
        verify(&self.statement, &key, &self.signature)?;
        Ok(key)
    }

    /// The three files with which anyone checks this decision without daicho.
    pub fn evidence(&self) -> Result<Evidence, SignatureFault> {
        let approver = &self.statement.approver;
        Ok(Evidence {
            statement: self.statement.text(),
            signature: to_armour(&self.signature)?,
            allowed_signers: format!(
                "{approver} namespaces=\"{NAMESPACE}\" {}\n",
                self.approver_key
            ),
            command: format!(
                "ssh-keygen -Y verify -f allowed_signers -I {approver} -n {NAMESPACE} \
                 -s statement.sig < statement"
            ),
        })
    }
}

/// A decision taken out of the log, for `ssh-keygen`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    pub statement: String,
    pub signature: String,
    pub allowed_signers: String,
    pub command: String,
}

fn encode(signature: &SshSig) -> Result<SignatureText, SignatureFault> {
    let pem = signature.to_pem(LineEnding::LF);
    let pem = pem.map_err(|_| SignatureFault::Malformed)?;
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    SignatureText::new(base64).ok_or(SignatureFault::Malformed)
}

fn decode(text: &SignatureText) -> Result<SshSig, SignatureFault> {
    let signature = SshSig::from_pem(armour(text));
    let signature = signature.map_err(|_| SignatureFault::Malformed)?;
    // Reserved bytes, or loose base64, would be room for a second text of one signature.
    let sound = signature.version() == SshSig::VERSION && signature.reserved().is_empty();
    if !sound || encode(&signature)? != *text {
        return Err(SignatureFault::Malformed);
    }
    Ok(signature)
}

/// PROTOCOL.sshsig: base64 in lines of at most 76 characters; OpenSSH writes 70.
fn armour(text: &SignatureText) -> String {
    let mut armoured = "-----BEGIN SSH SIGNATURE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // `SignatureText` is ASCII, so every byte is a boundary.
        let (line, after) = rest.split_at(rest.len().min(70));
        armoured.push_str(line);
        armoured.push('\n');
        rest = after;
    }
    armoured.push_str("-----END SSH SIGNATURE-----\n");
    armoured
}
