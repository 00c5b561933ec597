//! The program's side of the signing key: where its passphrase or PIN comes from, and how the
//! next key is made.

use crate::config::{Config, KeyConfig};
use crate::pkcs11::{Module, TokenSigner};
use ledger::note::SignerKey;
use ledger::{
    AppendError, Appender, HeldKey, KeyFile, KeyFileError, Layout, Needs, Options, Signer,
    TokenKey, Unlock, UnlockError,
};
use schemas::Actor;
use schemas::kinds::ledger::RotationReason;
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// What systemd calls the files of `LoadCredential=`.
const PASSPHRASE_CREDENTIAL: &str = "daicho-passphrase";
const PIN_CREDENTIAL: &str = "daicho-pin";

type Secret = Zeroizing<String>;

/// Opens a ledger's key. What was typed is kept for the next key of this process's life, as the
/// key itself is.
pub struct Keyring {
    layout: Layout,
    /// Settings from elsewhere than `daicho.toml`, which a new ledger does not have.
    settings: Option<KeyConfig>,
    passphrase: Mutex<Option<Secret>>,
    pin: Mutex<Option<Secret>>,
}

/// Where the next key is to be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// Kept as the one in force is.
    AsNow,
    /// In a file of this host.
    File,
    Token(TokenKey),
}

/// A wish to put another key in force.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    pub reason: RotationReason,
    pub place: Place,
}

/// The key that is in force now.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rotated {
    /// The entry that names it; it signs what follows.
    pub seq: u64,
    pub vkey: String,
    /// How it is kept, and how the old one was.
    pub kept: String,
    pub was: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("the key in force cannot be read")]
    Present(#[source] KeyFileError),
    #[error("the next key cannot be made")]
    Next(#[source] UnlockError),
    #[error("the key in force is on a token, and no place for the next is named")]
    WhichPlace,
    #[error(transparent)]
    Append(AppendError),
}

impl RotateError {
    pub fn remedy(&self) -> &'static str {
        match self {
            RotateError::Present(_) => "see `daicho doctor`",
            RotateError::Next(error) => error.remedy(),
            RotateError::WhichPlace => {
                "name the next key with --token and --token-key, or --file for one on this host"
            }
            RotateError::Append(error) => crate::door::append_remedy(error),
        }
    }
}

impl Keyring {
    pub fn of(data: &Path) -> Keyring {
        Keyring {
            layout: Layout::new(data),
            settings: None,
            passphrase: Mutex::default(),
            pin: Mutex::default(),
        }
    }

    /// For a ledger that has no configuration yet.
    pub fn with(data: &Path, settings: KeyConfig) -> Keyring {
        Keyring {
            settings: Some(settings),
            ..Keyring::of(data)
        }
    }

    /// How the ledger is opened for writing.
    pub fn options(self: &Arc<Self>) -> Options {
        Options {
            unlock: Arc::clone(self) as Arc<dyn Unlock>,
            ..Options::default()
        }
    }

    /// Makes a key and puts it in force.
    pub fn rotate(
        &self,
        appender: &Appender,
        actor: Actor,
        wish: &Rotation,
    ) -> Result<Rotated, RotateError> {
        let present = KeyFile::read(&self.layout.log_key()).map_err(RotateError::Present)?;
        let next = match (&wish.place, present.needs()) {
            (Place::Token(place), _) => self.on_token(present.verifier().name(), place),
            (Place::AsNow, Needs::Token(_)) => return Err(RotateError::WhichPlace),
            _ => self.in_file(&present),
        };
        let next = next.map_err(RotateError::Next)?;
        let (vkey, kept) = (next.file.verifier().to_string(), next.file.way().to_owned());
        let receipt = appender.rotate(actor, wish.reason, next);
        let seq = receipt.map_err(RotateError::Append)?.seq;
        let was = present.way().to_owned();
        Ok(Rotated {
            seq,
            vkey,
            kept,
            was,
        })
    }

    /// A new key, kept as the present one; after a token under the passphrase that is
    /// configured, else plain.
    fn in_file(&self, present: &KeyFile) -> Result<HeldKey, UnlockError> {
        let name = present.verifier().name();
        let key = SignerKey::generate(name).ok_or(UnlockError::NoRandomness)?;
        let key = key.map_err(|_| UnlockError::NoRandomness)?;
        let file = match present.way() {
            "system" => KeyFile::under_system(&key)?,
            "token" if !self.has_configured_passphrase()? => KeyFile::plain(&key),
            "passphrase" | "token" => KeyFile::under_passphrase(&key, &self.passphrase()?)?,
            _ => KeyFile::plain(&key),
        };
        let signer = Arc::new(key);
        Ok(HeldKey { file, signer })
    }

    /// A key on a token; made there if it is not there yet.
    pub fn on_token(&self, origin: &str, place: &TokenKey) -> Result<HeldKey, UnlockError> {
        let (module, pin) = self.token()?;
        let signer = TokenSigner::make(module, pin.clone(), origin, place)?;
        self.remember_pin(pin);
        let file = KeyFile::on_token(signer.verifier().clone(), place.clone());
        let signer = Arc::new(signer);
        Ok(HeldKey { file, signer })
    }

    /// The settings, and the directory that their paths are in.
    fn settings(&self) -> Result<KeyConfig, UnlockError> {
        if let Some(settings) = &self.settings {
            return Ok(settings.clone());
        }
        let config = Config::load(&self.layout);
        let config = config.map_err(|failure| unreadable(format!("{:#}", failure.fault)))?;
        Ok(config.key)
    }

    /// The passphrase of the key that is there, from wherever it can be had.
    pub fn passphrase(&self) -> Result<Secret, UnlockError> {
        if let Some(known) = &*lock(&self.passphrase) {
            return Ok(known.clone());
        }
        let file = self.settings()?.passphrase_file;
        self.secret(
            file,
            PASSPHRASE_CREDENTIAL,
            "passphrase of the signing key: ",
        )?
        .ok_or(UnlockError::NoPassphrase)
    }

    /// Whether somebody has configured where the passphrase is.
    pub fn has_configured_passphrase(&self) -> Result<bool, UnlockError> {
        let file = self.settings()?.passphrase_file;
        Ok(file.is_some() || credential(PASSPHRASE_CREDENTIAL).is_some())
    }

    fn token(&self) -> Result<(Module, Secret), UnlockError> {
        let settings = self.settings()?;
        let module = settings.module.ok_or(UnlockError::Token(
            "daicho.toml names no [key] module".to_owned(),
        ))?;
        let module = Module::load(&self.layout.dir().join(module))?;
        if let Some(known) = &*lock(&self.pin) {
            return Ok((module, known.clone()));
        }
        let pin = self
            .secret(settings.pin_file, PIN_CREDENTIAL, "PIN of the token: ")?
            .ok_or(UnlockError::Token("no PIN is given".to_owned()))?;
        Ok((module, pin))
    }

    fn remember_pin(&self, pin: Secret) {
        *lock(&self.pin) = Some(pin);
    }

    /// From the file that is configured, else from the service manager, else typed unseen.
    fn secret(
        &self,
        file: Option<PathBuf>,
        name: &str,
        prompt: &str,
    ) -> Result<Option<Secret>, UnlockError> {
        let file = file.map(|file| self.layout.dir().join(file));
        if let Some(path) = file.or_else(|| credential(name)) {
            return read_secret(&path).map(Some);
        }
        // A command whose output goes elsewhere must not wait for somebody who is not there.
        if !std::io::stderr().is_terminal() {
            return Ok(None);
        }
        let typed = rpassword::prompt_password(prompt);
        Ok(typed.ok().map(Zeroizing::new))
    }
}

impl Unlock for Keyring {
    fn unlock(&self, file: &KeyFile) -> Result<Arc<dyn Signer>, UnlockError> {
        match file.needs() {
            Needs::Nothing => file.open(None),
            Needs::Passphrase => {
                let passphrase = self.passphrase()?;
                let signer = file.open(Some(passphrase.as_str()))?;
                *lock(&self.passphrase) = Some(passphrase);
                Ok(signer)
            }
            Needs::Token(place) => {
                let (module, pin) = self.token()?;
                let signer = TokenSigner::find(module, pin.clone(), file.verifier(), place)?;
                self.remember_pin(pin);
                Ok(Arc::new(signer))
            }
        }
    }
}

/// The first line of a file that holds a secret.
pub fn read_secret(path: &Path) -> Result<Secret, UnlockError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| unreadable(format!("{}: {error}", path.display())))?;
    let text = Zeroizing::new(text);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(unreadable(format!("{} is empty", path.display())));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn credential(name: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let path = PathBuf::from(dir).join(name);
    path.exists().then_some(path)
}

fn unreadable(what: String) -> UnlockError {
    UnlockError::NotGiven(what)
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
