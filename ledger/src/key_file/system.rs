//! The operating system's own protection of a user's secrets: DPAPI on Windows. Elsewhere a
//! file that its owner alone can read is what the system offers.

use crate::note::{SignerKey, VerifierKey};
use serde::{Deserialize, Serialize};

/// A seed that this user, on this machine, can open.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    sealed: String,
}

#[cfg(windows)]
impl Sealed {
    pub fn new(key: &SignerKey) -> Result<Sealed, String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let entropy = key.verifier().to_string();
        let scope = windows_dpapi::Scope::User;
        let sealed = windows_dpapi::encrypt_data(key.seed(), scope, Some(entropy.as_bytes()));
        let sealed = sealed.map_err(|error| error.to_string())?;
        Ok(Sealed {
            sealed: STANDARD.encode(sealed),
        })
    }

    pub fn open(&self, vkey: &VerifierKey) -> Result<SignerKey, String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let no_key = || "what it holds is not the key that the file names".to_owned();
        let sealed = STANDARD.decode(&self.sealed).map_err(|_| no_key())?;
        let (scope, entropy) = (windows_dpapi::Scope::User, vkey.to_string());
        let seed = windows_dpapi::decrypt_data(&sealed, scope, Some(entropy.as_bytes()));
        let seed = zeroize::Zeroizing::new(seed.map_err(|error| error.to_string())?);
        let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| no_key())?;
        let key = SignerKey::from_seed(vkey.name(), seed).map_err(|_| no_key())?;
        (key.verifier() == vkey).then_some(key).ok_or_else(no_key)
    }
}

#[cfg(not(windows))]
impl Sealed {
    pub fn new(_key: &SignerKey) -> Result<Sealed, String> {
        Err("this system has none but the file's mode; use a passphrase".to_owned())
    }

    pub fn open(&self, _vkey: &VerifierKey) -> Result<SignerKey, String> {
        Err("it was protected on Windows".to_owned())
    }
}

#[cfg(all(test, windows))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_sealed_it_opens_for_the_same_key_only() {
        let key = SignerKey::generate("example.com/daicho").unwrap().unwrap();
        let sealed = Sealed::new(&key).unwrap();
        assert!(!sealed.sealed.contains(&hex::encode(key.seed())));
        let opened = sealed.open(key.verifier()).unwrap();
        assert_eq!(opened.verifier(), key.verifier());
        let other = SignerKey::generate("example.com/daicho").unwrap().unwrap();
        assert!(sealed.open(other.verifier()).is_err());
        let mut torn = sealed.clone();
        torn.sealed.truncate(torn.sealed.len() / 2);
        assert!(torn.open(key.verifier()).is_err());
    }
}
