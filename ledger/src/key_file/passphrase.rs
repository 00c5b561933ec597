use super::UnlockError;
use crate::note::{SignerKey, VerifierKey};
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// RFC 9106 §4, the second recommended choice, in one lane: the lanes are not run at once here.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// What a file may ask for: a crafted one must neither fill the memory nor take for ever.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 64;
const MAX_LANES: u32 = 16;

/// Never used with two messages under one key: each seal draws a salt, so has a key of its own.
const NONCE: [u8; 12] = [0; 12];

/// A seed under a passphrase: AES-256-GCM-SIV(argon2id(passphrase), seed), bound to the vkey.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    argon2id: Cost,
    sealed: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

impl Sealed {
    pub fn new(key: &SignerKey, passphrase: &str) -> Result<Sealed, UnlockError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| UnlockError::NoRandomness)?;
        let argon2id = Cost {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: STANDARD.encode(salt),
        };
        let aad = aad(key.verifier());
        let payload = Payload {
            msg: key.seed(),
            aad: aad.as_bytes(),
        };
        let sealed = argon2id.cipher(passphrase)?;
        let sealed = sealed.encrypt(&Nonce::from(NONCE), payload);
        let sealed = STANDARD.encode(sealed.expect("32 bytes are not too long for the cipher"));
        Ok(Sealed { argon2id, sealed })
    }

    pub fn open(&self, vkey: &VerifierKey, passphrase: &str) -> Result<SignerKey, UnlockError> {
        let sealed = STANDARD.decode(&self.sealed);
        let sealed = sealed.map_err(|_| UnlockError::Unsound("its base64 is not"))?;
        let aad = aad(vkey);
        let payload = Payload {
            msg: &sealed,
            aad: aad.as_bytes(),
        };
        let cipher = self.argon2id.cipher(passphrase)?;
        let seed = cipher.decrypt(&Nonce::from(NONCE), payload);
        let seed = Zeroizing::new(seed.map_err(|_| UnlockError::WrongPassphrase)?);
        let unsound = || UnlockError::Unsound("what it seals is another key");
        let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| unsound())?;
        let key = SignerKey::from_seed(vkey.name(), seed).map_err(|_| unsound())?;
        (key.verifier() == vkey).then_some(key).ok_or_else(unsound)
    }
}

impl Cost {
    fn cipher(&self, passphrase: &str) -> Result<Aes256GcmSiv, UnlockError> {
        if self.memory_kib > MAX_MEMORY_KIB {
            return Err(UnlockError::Unsound(
                "it asks for more than 1 GiB of memory",
            ));
        }
        if self.passes > MAX_PASSES || self.lanes > MAX_LANES {
            return Err(UnlockError::Unsound(
                "it asks for more than 64 passes or 16 lanes",
            ));
        }
        let unfit = |_| UnlockError::Unsound("argon2id takes other parameters");
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32));
        let params = params.map_err(unfit)?;
        let salt = STANDARD.decode(&self.salt);
        let salt = salt.map_err(|_| UnlockError::Unsound("its salt is not base64"))?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &salt, &mut *key)
            .map_err(unfit)?;
        Ok(Aes256GcmSiv::new(&(*key).into()))
    }
}

/// The sealed seed belongs to this public key and to nothing else.
fn aad(vkey: &VerifierKey) -> String {
    format!("daicho/key/v1\n{vkey}\n")
}
