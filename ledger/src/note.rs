//! C2SP signed-note: a text, and who vouches for it.
//!
//! ```text
//! note    = text LF 1*("— " keyname " " base64(keyid[4] ‖ signature) LF)
//! keyid   = SHA-256(keyname ‖ 0x0A ‖ sigtype ‖ public key)[0:4]
//! vkey    = keyname "+" hex(keyid) "+" base64(sigtype ‖ public key)
//! ```

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// C2SP signed-note: signature type of Ed25519.
const ED25519: u8 = 0x01;

/// C2SP signed-note: a verifier accepts at least 16 signatures; more than this is no note.
const MAX_SIGNATURES: usize = 100;

const MAX_NOTE_BYTES: usize = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key has the form name+hash+base64")]
    Malformed,
    #[error("the key's name is empty or holds a space or +")]
    WrongName,
    #[error("the key's base64 is not canonical")]
    WrongBase64,
    #[error(
        "the key is not an Ed25519 key of the type that is due (01 signs, 04 cosigns; 32 bytes)"
    )]
    WrongType,
    #[error("the key's hash is not that of its name and bytes")]
    WrongHash,
    #[error("the key is a point of small order: anyone could sign under it")]
    Weak,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    #[error("no signature of {0} is on the note")]
    NotSigned(String),
    #[error("the note's signature by {0} does not match its text")]
    WrongSignature(String),
}

pub(crate) fn sound_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

pub(crate) fn key_id(name: &str, sigtype: u8, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', sigtype])
        .chain_update(public)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The text form of any public key, sound or not.
pub(crate) fn vkey_of(name: &str, public: &[u8; 32]) -> String {
    let (id, key) = (
        hex::encode(key_id(name, ED25519, public)),
        STANDARD.encode([&[ED25519], &public[..]].concat()),
    );
    format!("{name}+{id}+{key}")
}

/// A C2SP verifier key: who signs, and how to check it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, public: VerifyingKey) -> Result<VerifierKey, KeyError> {
        if !sound_name(name) {
            return Err(KeyError::WrongName);
        }
        if public.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(VerifierKey {
            name: name.to_owned(),
            id: key_id(name, ED25519, public.as_bytes()),
            public,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The key of this name with these 32 bytes.
    pub fn from_public(name: &str, public: &[u8; 32]) -> Result<VerifierKey, KeyError> {
        let public = VerifyingKey::from_bytes(public).map_err(|_| KeyError::WrongType)?;
        VerifierKey::new(name, public)
    }

    /// Whether this is the key's signature over the message, strictly.
    pub fn holds(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.public.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&vkey_of(&self.name, self.public.as_bytes()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The base64 may hold a `+`, so split from the left.
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Malformed);
        };
        let key = STANDARD.decode(key).map_err(|_| KeyError::WrongBase64)?;
        let Some((&ED25519, public)) = key.split_first() else {
            return Err(KeyError::WrongType);
        };
        let public: [u8; 32] = public.try_into().map_err(|_| KeyError::WrongType)?;
        let verifier = VerifierKey::from_public(name, &public)?;
        if hex::encode(verifier.id) != id {
            return Err(KeyError::WrongHash);
        }
        Ok(verifier)
    }
}

/// The secret half. Neither `Debug` nor `Serialize`; wiped when dropped.
#[derive(Clone)]
pub struct SignerKey {
    verifier: VerifierKey,
    secret: SigningKey,
    /// The same secret in the hands of a library that signs in half the time. Ed25519 leaves no
    /// choice in a signature, so the bytes are the same. What is valid, dalek alone says.
    quick: Arc<Ed25519KeyPair>,
}

impl SignerKey {
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<SignerKey, KeyError> {
        let secret = SigningKey::from_bytes(seed);
        let quick = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        Ok(SignerKey {
            verifier: VerifierKey::new(name, secret.verifying_key())?,
            secret,
            quick: Arc::new(quick),
        })
    }

    /// A new key; `None` where the system gives no randomness.
    pub fn generate(name: &str) -> Option<Result<SignerKey, KeyError>> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).ok()?;
        Some(SignerKey::from_seed(name, &seed))
    }

    /// The form that Go's x/mod uses: `PRIVATE+KEY+name+hash+base64(01 ‖ seed)`.
    pub fn parse(text: &str) -> Result<SignerKey, KeyError> {
        let rest = text
            .trim_end()
            .strip_prefix("PRIVATE+KEY+")
            .ok_or(KeyError::Malformed)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Malformed);
        };
        let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyError::WrongBase64)?);
        let Some((&ED25519, seed)) = key.split_first() else {
            return Err(KeyError::WrongType);
        };
        let seed: &[u8; 32] = seed.try_into().map_err(|_| KeyError::WrongType)?;
        let signer = SignerKey::from_seed(name, seed)?;
        if hex::encode(signer.verifier.id) != id {
            return Err(KeyError::WrongHash);
        }
        Ok(signer)
    }

    pub fn to_text(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new(vec![ED25519]);
        key.extend_from_slice(self.secret.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(&*key));
        Zeroizing::new(format!(
            "PRIVATE+KEY+{}+{}+{}\n",
            self.verifier.name,
            hex::encode(self.verifier.id),
            *encoded
        ))
    }

    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.quick.sign(message);
        signature.as_ref().try_into().expect("64 bytes")
    }

    /// The note's signature line for a text that ends with a line end.
    pub fn sign_note(&self, text: &str) -> String {
        signed_text(text, &self.verifier, &self.sign(text.as_bytes()))
    }
}

/// A text that ends with a line end, with one signature line.
pub(crate) fn signed_text(text: &str, by: &VerifierKey, signature: &[u8; 64]) -> String {
    let name = by.name();
    format!("{text}\n— {name} {}\n", note_signature(by, signature))
}

/// base64(keyid ‖ signature), as a signature line carries it.
pub(crate) fn note_signature(verifier: &VerifierKey, signature: &[u8; 64]) -> String {
    let mut signed = verifier.id.to_vec();
    signed.extend(signature);
    STANDARD.encode(signed)
}

/// A parsed note: its text and its signatures, none of them checked yet.
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<(&'a str, [u8; 4], Vec<u8>)>,
}

impl<'a> Note<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Note<'a>, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("longer than 1,000,000 bytes"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Malformed("a control character"));
        }
        let split = note
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no empty line before signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("the last line has no end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let malformed = NoteError::Malformed("a signature line is not `— name base64`");
            let (name, signature) = line
                .strip_prefix("— ")
                .and_then(|rest| rest.split_once(' '))
                .ok_or(malformed.clone())?;
            if !sound_name(name) {
                return Err(malformed);
            }
            let signature = STANDARD
                .decode(signature)
                .map_err(|_| NoteError::Malformed("a signature's base64 is not canonical"))?;
            let (id, signature) = signature
                .split_first_chunk::<4>()
                .filter(|(_, signature)| !signature.is_empty())
                .ok_or(malformed)?;
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::Malformed("more than 100 signatures"));
            }
            signatures.push((name, *id, signature.to_vec()));
        }
        Ok(Note { text, signatures })
    }

    /// The text without its signatures, for what must be read before it can be trusted.
    pub fn unverified_text(&self) -> &'a str {
        self.text
    }

    /// What stands on the note under a signer's name and key id, unchecked.
    pub(crate) fn signatures_of(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let theirs = move |signed: &&(&str, [u8; 4], Vec<u8>)| signed.0 == name && signed.1 == id;
        let signatures = self.signatures.iter().filter(theirs);
        signatures.map(|(_, _, signature)| signature.as_slice())
    }

    /// The text, if this key signed it. Other signers are passed over.
    pub fn verify(&self, key: &VerifierKey) -> Result<&'a str, NoteError> {
        let mut seen = false;
        for signature in self.signatures_of(&key.name, key.id) {
            let wrong = NoteError::WrongSignature(key.name.clone());
            let signature: &[u8; 64] = signature.try_into().map_err(|_| wrong.clone())?;
            if !key.holds(self.text.as_bytes(), signature) {
                return Err(wrong);
            }
            seen = true;
        }
        if seen {
            Ok(self.text)
        } else {
            Err(NoteError::NotSigned(key.name.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// C2SP signed-note's own example.
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    proptest! {
        #[test]
        fn both_libraries_sign_alike(seed: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..300)) {
            use ed25519_dalek::Signer;
            let key = SignerKey::from_seed("example.com/log", &seed).expect("a name");
            prop_assert_eq!(key.sign(&message), key.secret.sign(&message).to_bytes());
        }
    }

    #[test]
    fn the_specification_s_example_verifies() {
        let key: VerifierKey = VKEY.parse().expect("the specification's key");
        assert_eq!(key.to_string(), VKEY);
        let note = Note::parse(NOTE.as_bytes()).expect("a note");
        assert_eq!(note.verify(&key), Ok("This is an example message.\n"));
        let changed = NOTE.replace("example message", "example massage");
        let note = Note::parse(changed.as_bytes()).expect("a note");
        assert_eq!(
            note.verify(&key),
            Err(NoteError::WrongSignature("example.com/foo".to_owned()))
        );
    }

    #[test]
    fn each_wrong_key_is_refused_for_its_own_reason() {
        let weak = STANDARD.encode([&[ED25519, 1][..], &[0; 31]].concat());
        for (text, error) in [
            ("example.com/foo", KeyError::Malformed),
            (
                "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                KeyError::WrongName,
            ),
            (
                "example.com/fob+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                KeyError::WrongHash,
            ),
            (
                "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                KeyError::WrongHash,
            ),
            (
                "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
                KeyError::WrongBase64,
            ),
            (
                "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                KeyError::WrongType,
            ),
            (&format!("example.com/foo+530d903a+{weak}"), KeyError::Weak),
        ] {
            assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_secret_key_survives_its_text() {
        let key = SignerKey::from_seed("example.com/daicho", &[7; 32]).expect("a sound name");
        assert_eq!(
            key.verifier().to_string(),
            "example.com/daicho+f39861c3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
        );
        let again = SignerKey::parse(&key.to_text()).expect("its own text");
        assert_eq!(again.verifier(), key.verifier());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}\n\n— .{0,40}\n") {
            let _ = Note::parse(&bytes);
            let _ = Note::parse(text.as_bytes());
            let _ = text.parse::<VerifierKey>();
        }
    }
}
