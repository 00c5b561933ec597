//! `keys/ledger.key`: the log's signing key, or where it is kept.
//!
//! ```text
//! PRIVATE+KEY+name+hash+base64(01 ‖ seed)                       plain
//! {"vkey":…,"kept":{"passphrase":{"argon2id":{…},"sealed":…}}}  under a passphrase
//! {"vkey":…,"kept":{"system":{"sealed":…}}}                     under the system's protection
//! {"vkey":…,"kept":{"token":{"token":…,"key":…}}}               on a PKCS #11 token
//! ```

mod passphrase;
mod system;

use crate::disk::{self, Disk, LocalDisk};
use crate::layout::Layout;
use crate::note::{KeyError, SignerKey, VerifierKey};
use crate::signer::Signer;
use passphrase::Sealed;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Longer than any of its forms.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// A signing key as it rests. The public half is readable in every form.
#[derive(Clone)]
pub struct KeyFile {
    vkey: VerifierKey,
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    Plain(Box<SignerKey>),
    Passphrase(Sealed),
    System(system::Sealed),
    Token(TokenKey),
}

/// A key that never leaves its PKCS #11 token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// The token's label.
    pub token: String,
    /// The label of the key pair on it.
    pub key: String,
}

/// What a key file needs before it signs.
pub enum Needs<'a> {
    Nothing,
    Passphrase,
    Token(&'a TokenKey),
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("it is not a key file: {0}")]
    Malformed(&'static str),
    #[error("it is not a key file: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a key that is there cannot sign.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnlockError {
    #[error("the key is under a passphrase and none is given")]
    NoPassphrase,
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    #[error("what opens the key cannot be had: {0}")]
    NotGiven(String),
    #[error("the key file is not sound: {0}")]
    Unsound(&'static str),
    #[error("the system's protection does not open the key: {0}")]
    System(String),
    #[error("the key is on a PKCS #11 token, and {0}")]
    Token(String),
    #[error("the token's key is {found}, and the key file says {expected}")]
    OtherKey { expected: String, found: String },
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl UnlockError {
    pub fn remedy(&self) -> &'static str {
        match self {
            UnlockError::NoPassphrase => {
                "type it at a terminal, or name the file that holds it: [key] passphrase_file in daicho.toml"
            }
            UnlockError::NotGiven(_) => "see [key] in daicho.toml",
            UnlockError::WrongPassphrase => {
                "give the right one; without it nothing is signed, while reading and verifying work"
            }
            UnlockError::Unsound(_) => "restore keys/ledger.key from its backup",
            UnlockError::System(_) => {
                "run as the user, on the machine, that protected it; or restore keys/ledger.key from its backup"
            }
            UnlockError::Token(_) => {
                "attach the token and see [key] module and pin_file; reading and verifying work without it"
            }
            UnlockError::OtherKey { .. } => "attach the right token, or correct its key's label",
            UnlockError::NoRandomness => "see the system's own fault and try again",
        }
    }
}

/// Makes what rests in a key file sign: asks for a passphrase, or talks to a token.
pub trait Unlock: Send + Sync {
    fn unlock(&self, file: &KeyFile) -> Result<Arc<dyn Signer>, UnlockError>;
}

/// Opens what needs nothing from anybody.
pub struct NoSecrets;

impl Unlock for NoSecrets {
    fn unlock(&self, file: &KeyFile) -> Result<Arc<dyn Signer>, UnlockError> {
        match file.needs() {
            Needs::Token(_) => Err(UnlockError::Token("no module is named".to_owned())),
            _ => file.open(None),
        }
    }
}

/// A key that signs, with the file that it rests in.
pub struct HeldKey {
    pub file: KeyFile,
    pub signer: Arc<dyn Signer>,
}

impl HeldKey {
    pub fn plain(key: SignerKey) -> HeldKey {
        HeldKey {
            file: KeyFile::plain(&key),
            signer: Arc::new(key),
        }
    }
}

impl KeyFile {
    fn of(key: &SignerKey, kept: Kept) -> KeyFile {
        let vkey = key.verifier().clone();
        KeyFile { vkey, kept }
    }

    pub fn plain(key: &SignerKey) -> KeyFile {
        KeyFile::of(key, Kept::Plain(Box::new(key.clone())))
    }

    pub fn under_passphrase(key: &SignerKey, passphrase: &str) -> Result<KeyFile, UnlockError> {
        let sealed = Sealed::new(key, passphrase)?;
        Ok(KeyFile::of(key, Kept::Passphrase(sealed)))
    }

    /// Under what the operating system protects this user's secrets with.
    pub fn under_system(key: &SignerKey) -> Result<KeyFile, UnlockError> {
        let sealed = system::Sealed::new(key).map_err(UnlockError::System)?;
        Ok(KeyFile::of(key, Kept::System(sealed)))
    }

    pub fn on_token(vkey: VerifierKey, place: TokenKey) -> KeyFile {
        let kept = Kept::Token(place);
        KeyFile { vkey, kept }
    }

    pub fn verifier(&self) -> &VerifierKey {
        &self.vkey
    }

    /// How the key is kept, in one word.
    pub fn way(&self) -> &'static str {
        match &self.kept {
            Kept::Plain(_) => "plain",
            Kept::Passphrase(_) => "passphrase",
            Kept::System(_) => "system",
            Kept::Token(_) => "token",
        }
    }

    pub fn needs(&self) -> Needs<'_> {
        match &self.kept {
            Kept::Plain(_) | Kept::System(_) => Needs::Nothing,
            Kept::Passphrase(_) => Needs::Passphrase,
            Kept::Token(place) => Needs::Token(place),
        }
    }

    /// The secret half, where it is on this host.
    pub fn secret(&self, passphrase: Option<&str>) -> Result<SignerKey, UnlockError> {
        match &self.kept {
            Kept::Plain(key) => Ok(SignerKey::clone(key)),
            Kept::Passphrase(sealed) => {
                sealed.open(&self.vkey, passphrase.ok_or(UnlockError::NoPassphrase)?)
            }
            Kept::System(sealed) => sealed.open(&self.vkey).map_err(UnlockError::System),
            Kept::Token(_) => Err(UnlockError::Token("never leaves it".to_owned())),
        }
    }

    pub fn open(&self, passphrase: Option<&str>) -> Result<Arc<dyn Signer>, UnlockError> {
        Ok(Arc::new(self.secret(passphrase)?))
    }

    pub fn parse(text: &str) -> Result<KeyFile, KeyFileError> {
        if !text.starts_with('{') {
            return Ok(KeyFile::plain(&SignerKey::parse(text)?));
        }
        // The parser's own message could show a part of the file.
        let malformed = KeyFileError::Malformed;
        let written: Written =
            serde_json::from_str(text).map_err(|_| malformed("its JSON is of another form"))?;
        let kept = match written.kept {
            WrittenKept::Passphrase(sealed) => Kept::Passphrase(sealed),
            WrittenKept::System(sealed) => Kept::System(sealed),
            WrittenKept::Token(place) => Kept::Token(place),
        };
        let vkey = written.vkey.parse()?;
        Ok(KeyFile { vkey, kept })
    }

    fn to_text(&self) -> Zeroizing<String> {
        let kept = match self.kept.clone() {
            Kept::Plain(key) => return key.to_text(),
            Kept::Passphrase(sealed) => WrittenKept::Passphrase(sealed),
            Kept::System(sealed) => WrittenKept::System(sealed),
            Kept::Token(place) => WrittenKept::Token(place),
        };
        let written = Written {
            vkey: self.vkey.to_string(),
            kept,
        };
        let json = serde_json::to_string(&written).expect("strings and numbers are JSON");
        Zeroizing::new(json + "\n")
    }

    pub fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
        let mut text = Zeroizing::new(String::new());
        let file = std::fs::File::open(path)?;
        file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
        KeyFile::parse(&text)
    }

    /// Replaces a key file whole and durably; its owner alone can read it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        self.write_to(&LocalDisk, path)
    }

    pub(crate) fn write_to(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk::replace(disk, path, self.to_text().as_bytes(), true)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    vkey: String,
    kept: WrittenKept,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenKept {
    Passphrase(Sealed),
    System(system::Sealed),
    Token(TokenKey),
}

/// The two files of a ledger's signing key. A rotation makes the next key durable first, then
/// the entry that names it, and only then puts it in the place of the old, which is gone with
/// that: after a crash at any point the log says which of the two is in force.
pub(crate) struct KeyFiles<'a>(pub &'a Layout, pub &'a dyn Disk);

impl KeyFiles<'_> {
    pub fn write_next(&self, file: &KeyFile) -> io::Result<()> {
        file.write_to(self.1, &self.0.next_log_key())
    }

    /// The next key is in force: nothing signs with the old one any more.
    pub fn promote_next(&self) -> io::Result<()> {
        self.1.rename(&self.0.next_log_key(), &self.0.log_key())?;
        self.1.sync_dir(&self.0.keys())
    }

    /// A next key that no entry names has signed nothing.
    pub fn drop_next(&self) -> io::Result<()> {
        disk::remove_if_there(self.1, &self.0.next_log_key())
    }
}

#[cfg(test)]
mod tests;
