//! How content is sealed.
//!
//! ```text
//! sealed  = against ‖ boxed
//! boxed   = AES-256-GCM-SIV(seal key, nonce, packed, aad)                          RFC 8452
//! against = base digest[32] ‖ beside digest[32]; zeros where there is none
//! nonce   = base digest[0:12]
//! aad     = "daicho/content/v1" LF origin LF bucket LF against
//! tag     = HMAC-SHA-256(tag key, plain): equal content is known by it, in memory only
//! seal key, tag key = HMAC-SHA-256(bucket key, "seal" | "tag")
//! ```
//! Nothing in it is chance: equal content packed against the same has equal sealed bytes inside
//! a bucket, and tells nothing across buckets. The nonce repeats, which this cipher allows: it
//! tells that two messages are equal, and no more.

use super::pack::Against;
use super::{ContentError, io_at, unsynced};
use crate::disk::{self, Disk};
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac};
use schemas::BucketId;
use sha2::Sha256;
use std::io;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// The key of one bucket. Neither `Debug` nor `Serialize`; wiped when dropped.
pub struct BucketKey {
    seal: Zeroizing<[u8; 32]>,
    tag: Zeroizing<[u8; 32]>,
}

impl BucketKey {
    /// Reads a bucket's key; `None` where there is none.
    pub fn read(bucket: &BucketId, path: &Path) -> Result<Option<BucketKey>, ContentError> {
        let mut bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(io_at(path))?,
        };
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        bytes.zeroize();
        let wrong = |_| ContentError::WrongKey {
            bucket: bucket.clone(),
            path: path.display().to_string(),
        };
        let key = Zeroizing::new(key.map_err(wrong)?);
        Ok(Some(BucketKey::derive(&key)))
    }

    /// Makes the key of a bucket that nothing was ever sealed in. It is durable before it seals
    /// anything.
    pub fn make(path: &Path, disk: &dyn Disk) -> Result<BucketKey, ContentError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|e| io_at(path)(io::Error::other(e)))?;
        disk::replace(disk, path, &*key, true).map_err(io_at(path))?;
        let dir = path.parent().expect("a key lies in a directory");
        disk.sync_dir(dir).map_err(unsynced(dir))?;
        Ok(BucketKey::derive(&key))
    }

    fn derive(key: &[u8; 32]) -> BucketKey {
        let derived = |label: &[u8]| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
            mac.update(label);
            Zeroizing::new(mac.finalize().into_bytes().into())
        };
        BucketKey {
            seal: derived(b"seal"),
            tag: derived(b"tag"),
        }
    }

    /// What equal content has in common, for whoever holds the key.
    pub fn tag(&self, plain: &[u8]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.tag).expect("HMAC takes keys of any length");
        mac.update(plain);
        mac.finalize().into_bytes().into()
    }

    /// `None` when it is longer than the cipher takes.
    pub fn seal(
        &self,
        origin: &str,
        bucket: &BucketId,
        against: &Against,
        packed: &[u8],
    ) -> Option<Vec<u8>> {
        let payload = Payload {
            msg: packed,
            aad: &aad(origin, bucket, against),
        };
        self.cipher().encrypt(&nonce(against), payload).ok()
    }

    /// `None` when these bytes were not sealed under this key, here, against these.
    pub fn open(
        &self,
        origin: &str,
        bucket: &BucketId,
        against: &Against,
        boxed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: boxed,
            aad: &aad(origin, bucket, against),
        };
        let packed = self.cipher().decrypt(&nonce(against), payload).ok()?;
        Some(Zeroizing::new(packed))
    }

    fn cipher(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new_from_slice(&*self.seal).expect("the key is 32 bytes")
    }
}

fn nonce(against: &Against) -> Nonce {
    let nonce: &[u8; 12] = against.base.0.first_chunk().expect("32 bytes");
    Nonce::from(*nonce)
}

fn aad(origin: &str, bucket: &BucketId, against: &Against) -> Vec<u8> {
    let place = format!("daicho/content/v1\n{origin}\n{bucket}\n");
    [place.as_bytes(), &against.to_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Hash;

    #[test]
    fn what_is_sealed_opens_under_its_key_in_its_place_against_its_base_only() {
        let key = BucketKey::derive(&[1; 32]);
        let here: BucketId = "operation/2026-11".parse().expect("sound");
        let there: BucketId = "operation/2026-12".parse().expect("sound");
        let base = Against {
            base: Hash([7; 32]),
            beside: Hash::ZERO,
        };
        let packed = "同じ内容".as_bytes();
        let boxed = key.seal("o", &here, &base, packed).expect("seals");
        assert_eq!(key.seal("o", &here, &base, packed), Some(boxed.clone()));
        let opened = key.open("o", &here, &base, &boxed).expect("opens");
        assert_eq!(&opened[..], packed);
        assert!(key.open("o", &there, &base, &boxed).is_none());
        assert!(key.open("p", &here, &base, &boxed).is_none());
        for other in [(Hash::ZERO, Hash::ZERO), (base.base, Hash([8; 32]))] {
            let other = Against {
                base: other.0,
                beside: other.1,
            };
            assert!(key.open("o", &here, &other, &boxed).is_none());
        }
        let other = BucketKey::derive(&[2; 32]);
        assert!(other.open("o", &here, &base, &boxed).is_none());
        for cut in 0..boxed.len() {
            assert!(key.open("o", &here, &base, &boxed[..cut]).is_none());
        }
    }
}
