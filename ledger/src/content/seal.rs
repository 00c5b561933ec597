//! How content is sealed.
//!
//! ```text
//! plain   = what was given
//! packed  = zstd(plain)
//! sealed  = 01 ‖ nonce[12] ‖ AES-256-GCM-SIV(seal key, nonce, packed, aad)
//! nonce   = HMAC-SHA-256(nonce key, plain)[0:12]
//! aad     = "daicho/content/v1" LF origin LF bucket
//! seal key, nonce key = HMAC-SHA-256(bucket key, "seal" | "nonce")
//! ```
//! The nonce follows from the content, so equal content has equal sealed bytes inside a
//! bucket and tells nothing across buckets (RFC 8452 allows what repeats of a nonce remain).

use super::{ContentError, io_at, unsynced};
use crate::disk::{self, Disk};
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac};
use schemas::{BucketId, Hash};
use sha2::Sha256;
use std::io::{self, Read};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

const VERSION: u8 = 0x01;
const NONCE_BYTES: usize = 12;

/// zstd's own default: prompts shrink to a third at some 400 MB/s.
const COMPRESSION_LEVEL: i32 = 3;

/// The key of one bucket. Neither `Debug` nor `Serialize`; wiped when dropped.
pub struct BucketKey {
    seal: Zeroizing<[u8; 32]>,
    nonce: Zeroizing<[u8; 32]>,
}

impl BucketKey {
    /// Reads a bucket's key, or makes it. A new key is durable before it seals anything.
    pub fn load(
        bucket: &BucketId,
        path: &Path,
        make: Option<&dyn Disk>,
    ) -> Result<BucketKey, ContentError> {
        match std::fs::read(path) {
            Ok(mut bytes) => {
                let key = <[u8; 32]>::try_from(bytes.as_slice());
                bytes.zeroize();
                let wrong = |_| ContentError::WrongKey {
                    bucket: bucket.clone(),
                    path: path.display().to_string(),
                };
                Ok(BucketKey::derive(&Zeroizing::new(key.map_err(wrong)?)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(disk) = make else {
                    return Err(ContentError::NoKey {
                        bucket: bucket.clone(),
                        path: path.display().to_string(),
                    });
                };
                let mut key = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *key).map_err(|e| io_at(path)(io::Error::other(e)))?;
                disk::replace(disk, path, &*key, true).map_err(io_at(path))?;
                let dir = path.parent().expect("a key lies in a directory");
                disk.sync_dir(dir).map_err(unsynced(dir))?;
                Ok(BucketKey::derive(&key))
            }
            Err(error) => Err(io_at(path)(error)),
        }
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
            nonce: derived(b"nonce"),
        }
    }

    pub fn seal(
        &self,
        origin: &str,
        bucket: &BucketId,
        plain: &[u8],
    ) -> Result<Vec<u8>, ContentError> {
        let packed =
            zstd::bulk::compress(plain, COMPRESSION_LEVEL).map_err(|source| ContentError::Io {
                path: "memory (compression)".to_owned(),
                source,
            })?;
        let packed = Zeroizing::new(packed);
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.nonce).expect("HMAC takes keys of any length");
        mac.update(plain);
        let digest = mac.finalize().into_bytes();
        let nonce: [u8; NONCE_BYTES] = *digest.first_chunk().expect("32 bytes");
        let payload = Payload {
            msg: &packed,
            aad: &aad(origin, bucket),
        };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| ContentError::TooLarge {
                len_bytes: plain.len() as u64,
            })?;
        if u32::try_from(sealed.len() + 1 + NONCE_BYTES).is_err() {
            return Err(ContentError::TooLarge {
                len_bytes: plain.len() as u64,
            });
        }
        Ok([&[VERSION], &nonce[..], &sealed].concat())
    }

    pub fn open(
        &self,
        origin: &str,
        bucket: &BucketId,
        sealed: &[u8],
        digest: Hash,
        plain_bytes: u64,
    ) -> Result<Vec<u8>, ContentError> {
        let unopenable = || ContentError::Unopenable {
            bucket: bucket.clone(),
            digest,
        };
        let rest = sealed.strip_prefix(&[VERSION]).ok_or_else(unopenable)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(unopenable)?;
        let payload = Payload {
            msg: sealed,
            aad: &aad(origin, bucket),
        };
        let packed = self
            .cipher()
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| unopenable())?;
        let packed = Zeroizing::new(packed);
        // The entry states the length, so that no bomb can be unpacked; and memory grows with
        // what is there, not with what is stated.
        let mut plain = Vec::new();
        zstd::stream::read::Decoder::with_buffer(&packed[..])
            .and_then(|unpacked| {
                unpacked
                    .take(plain_bytes.saturating_add(1))
                    .read_to_end(&mut plain)
            })
            .map_err(|_| unopenable())?;
        if plain.len() as u64 != plain_bytes {
            return Err(unopenable());
        }
        Ok(plain)
    }

    fn cipher(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new_from_slice(&*self.seal).expect("the key is 32 bytes")
    }
}

fn aad(origin: &str, bucket: &BucketId) -> Vec<u8> {
    format!("daicho/content/v1\n{origin}\n{bucket}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_seals_alike_in_its_bucket_and_opens_nowhere_else() {
        let key = BucketKey::derive(&[1; 32]);
        let here: BucketId = "operation/2026-11".parse().expect("sound");
        let there: BucketId = "operation/2026-12".parse().expect("sound");
        let plain = "同じ内容".repeat(100).into_bytes();
        let sealed = key.seal("o", &here, &plain).expect("seals");
        assert_eq!(sealed, key.seal("o", &here, &plain).expect("seals"));
        let length = plain.len() as u64;
        assert_eq!(
            key.open("o", &here, &sealed, Hash::ZERO, length)
                .expect("opens"),
            plain
        );
        assert!(key.open("o", &there, &sealed, Hash::ZERO, length).is_err());
        assert!(key.open("p", &here, &sealed, Hash::ZERO, length).is_err());
        for wrong in [0, length - 1, length + 1, u64::MAX - 1, u64::MAX] {
            assert!(key.open("o", &here, &sealed, Hash::ZERO, wrong).is_err());
        }
        let other = BucketKey::derive(&[2; 32]);
        assert!(other.open("o", &here, &sealed, Hash::ZERO, length).is_err());
        for cut in 0..sealed.len() {
            assert!(
                key.open("o", &here, &sealed[..cut], Hash::ZERO, length)
                    .is_err()
            );
        }
    }
}
