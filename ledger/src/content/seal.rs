//! How content is sealed.
//!
//! ```text
//! sealed  = against ‖ boxed
//! boxed   = AES-256-GCM-SIV(seal key, nonce, packed, aad)                          RFC 8452
//! against = base digest[32] ‖ beside digest[32]; zeros where there is none
//! nonce   = base digest[0:12]
//! aad     = "daicho/content/v1" LF origin LF bucket LF [subject LF] against
//! tag     = HMAC-SHA-256(tag key, plain): equal content is known by it, in memory only
//! seal key, tag key, wrap key = HMAC-SHA-256(key, "seal" | "tag" | "wrap")
//!
//! key     = the bucket's, or one person's in it: 32 bytes of chance each
//! subject = HMAC-SHA-256(the person's key, "id")[0:16]
//! file of a person's key = AES-256-GCM-SIV(wrap key of the bucket's, nonce of zeros, key ‖ person,
//!                                          "daicho/subject/v1" LF origin LF bucket LF subject)
//! ```
//! Nothing else in it is chance: equal content packed against the same has equal sealed bytes under
//! one key, and tells nothing across keys. The nonce repeats, which this cipher allows: it
//! tells that two messages are equal, and no more.

use super::pack::Against;
use super::{ContentError, io_at, unsynced};
use crate::disk::{self, Disk};
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac};
use schemas::{BucketId, DataSubject, Name};
use sha2::Sha256;
use std::io;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// Under which key a content is sealed: its bucket's own, or that of one person's content in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Under {
    pub bucket: BucketId,
    pub subject: Option<DataSubject>,
}

impl Under {
    pub fn own(bucket: &BucketId) -> Under {
        Under {
            bucket: bucket.clone(),
            subject: None,
        }
    }
}

/// A key that seals content. Neither `Debug` nor `Serialize`; wiped when dropped.
pub struct ContentKey {
    pub under: Under,
    seal: Zeroizing<[u8; 32]>,
    tag: Zeroizing<[u8; 32]>,
    wrap: Zeroizing<[u8; 32]>,
}

/// A person's key of one bucket, as it lies in its file, and whose it is.
pub struct Wrapped {
    pub key: ContentKey,
    pub person: Name,
}

impl ContentKey {
    /// Reads a bucket's key; `None` where there is none.
    pub fn read(bucket: &BucketId, path: &Path) -> Result<Option<ContentKey>, ContentError> {
        let Some(mut bytes) = read_if_there(path)? else {
            return Ok(None);
        };
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        bytes.zeroize();
        let key = Zeroizing::new(key.map_err(|_| wrong(bucket, path))?);
        Ok(Some(ContentKey::derive(Under::own(bucket), &key)))
    }

    /// Makes the key of a bucket that nothing was ever sealed in. It is durable before it seals
    /// anything.
    pub fn make(
        bucket: &BucketId,
        path: &Path,
        disk: &dyn Disk,
    ) -> Result<ContentKey, ContentError> {
        let key = random(path)?;
        write(path, disk, &*key)?;
        Ok(ContentKey::derive(Under::own(bucket), &key))
    }

    fn derive(under: Under, key: &[u8; 32]) -> ContentKey {
        ContentKey {
            under,
            seal: Zeroizing::new(hmac(key, b"seal")),
            tag: Zeroizing::new(hmac(key, b"tag")),
            wrap: Zeroizing::new(hmac(key, b"wrap")),
        }
    }

    /// Makes a key for one person's content of this key's bucket. Nothing derives it: once its file
    /// is destroyed nobody makes it again, whoever holds the bucket's. `place` says where it lies.
    pub fn make_for(
        &self,
        origin: &str,
        person: &Name,
        disk: &dyn Disk,
        place: impl FnOnce(&DataSubject) -> std::path::PathBuf,
    ) -> Result<ContentKey, ContentError> {
        let key = random(Path::new("the system's randomness"))?;
        let subject = id_of(&key);
        let path = place(&subject);
        let named = Zeroizing::new([&key[..], person.as_str().as_bytes()].concat());
        let payload = Payload {
            msg: &named,
            aad: &self.wrap_aad(origin, &subject),
        };
        let boxed = self.wrapping().encrypt(&Nonce::default(), payload);
        let boxed = boxed.map_err(|_| wrong(&self.under.bucket, &path))?;
        write(&path, disk, &boxed)?;
        Ok(self.of_subject(subject, &key))
    }

    /// Reads a person's key of this key's bucket; `None` where there is none.
    pub fn read_for(
        &self,
        origin: &str,
        subject: &DataSubject,
        path: &Path,
    ) -> Result<Option<Wrapped>, ContentError> {
        let Some(boxed) = read_if_there(path)? else {
            return Ok(None);
        };
        let wrong = || wrong(&self.under.bucket, path);
        let payload = Payload {
            msg: &boxed,
            aad: &self.wrap_aad(origin, subject),
        };
        let named = self.wrapping().decrypt(&Nonce::default(), payload);
        let named = Zeroizing::new(named.map_err(|_| wrong())?);
        let (key, person) = named.split_first_chunk::<32>().ok_or_else(wrong)?;
        let person = std::str::from_utf8(person)
            .ok()
            .and_then(|p| p.parse().ok());
        let person = person
            .filter(|_| id_of(key) == *subject)
            .ok_or_else(wrong)?;
        Ok(Some(Wrapped {
            key: self.of_subject(*subject, key),
            person,
        }))
    }

    fn of_subject(&self, subject: DataSubject, key: &[u8; 32]) -> ContentKey {
        let under = Under {
            bucket: self.under.bucket.clone(),
            subject: Some(subject),
        };
        ContentKey::derive(under, key)
    }

    fn wrapping(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new_from_slice(&*self.wrap).expect("the key is 32 bytes")
    }

    fn wrap_aad(&self, origin: &str, subject: &DataSubject) -> Vec<u8> {
        let bucket = &self.under.bucket;
        format!("daicho/subject/v1\n{origin}\n{bucket}\n{subject}").into_bytes()
    }

    /// What equal content has in common, for whoever holds the key.
    pub fn tag(&self, plain: &[u8]) -> [u8; 32] {
        hmac(&self.tag, plain)
    }

    /// `None` when it is longer than the cipher takes.
    pub fn seal(&self, origin: &str, against: &Against, packed: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload {
            msg: packed,
            aad: &self.aad(origin, against),
        };
        self.cipher().encrypt(&nonce(against), payload).ok()
    }

    /// `None` when these bytes were not sealed under this key, here, against these.
    pub fn open(
        &self,
        origin: &str,
        against: &Against,
        boxed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: boxed,
            aad: &self.aad(origin, against),
        };
        let packed = self.cipher().decrypt(&nonce(against), payload).ok()?;
        Some(Zeroizing::new(packed))
    }

    fn cipher(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new_from_slice(&*self.seal).expect("the key is 32 bytes")
    }

    fn aad(&self, origin: &str, against: &Against) -> Vec<u8> {
        let bucket = &self.under.bucket;
        let mut place = format!("daicho/content/v1\n{origin}\n{bucket}\n");
        if let Some(subject) = &self.under.subject {
            place.push_str(&format!("{subject}\n"));
        }
        [place.as_bytes(), &against.to_bytes()].concat()
    }
}

/// The id of a person's key: whoever holds the key can say that it is this one.
fn id_of(key: &[u8; 32]) -> DataSubject {
    let id = hmac(key, b"id");
    DataSubject(*id.first_chunk().expect("32 bytes"))
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn random(path: &Path) -> Result<Zeroizing<[u8; 32]>, ContentError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|e| io_at(path)(io::Error::other(e)))?;
    Ok(key)
}

fn write(path: &Path, disk: &dyn Disk, bytes: &[u8]) -> Result<(), ContentError> {
    disk::replace(disk, path, bytes, true).map_err(io_at(path))?;
    let dir = path.parent().expect("a key lies in a directory");
    disk.sync_dir(dir).map_err(unsynced(dir))
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, ContentError> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some).map_err(io_at(path)),
    }
}

fn wrong(bucket: &BucketId, path: &Path) -> ContentError {
    ContentError::WrongKey {
        bucket: bucket.clone(),
        path: path.display().to_string(),
    }
}

fn nonce(against: &Against) -> Nonce {
    let nonce: &[u8; 12] = against.base.0.first_chunk().expect("32 bytes");
    Nonce::from(*nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Hash;

    #[test]
    fn what_is_sealed_opens_under_its_key_in_its_place_against_its_base_only() {
        let derived = |bucket: &str, subject: Option<u8>, key: u8| {
            let under = Under {
                bucket: bucket.parse().expect("sound"),
                subject: subject.map(|byte| DataSubject([byte; 16])),
            };
            ContentKey::derive(under, &[key; 32])
        };
        let (here, there) = ("operation/2026-11", "operation/2026-12");
        let key = derived(here, None, 1);
        let base = Against {
            base: Hash([7; 32]),
            beside: Hash::ZERO,
        };
        let packed = "同じ内容".as_bytes();
        let boxed = key.seal("o", &base, packed).expect("seals");
        assert_eq!(key.seal("o", &base, packed), Some(boxed.clone()));
        let opened = key.open("o", &base, &boxed).expect("opens");
        assert_eq!(&opened[..], packed);
        for elsewhere in [
            derived(there, None, 1),
            derived(here, None, 2),
            derived(here, Some(1), 1),
        ] {
            assert!(elsewhere.open("o", &base, &boxed).is_none());
        }
        assert!(key.open("p", &base, &boxed).is_none());
        for other in [(Hash::ZERO, Hash::ZERO), (base.base, Hash([8; 32]))] {
            let other = Against {
                base: other.0,
                beside: other.1,
            };
            assert!(key.open("o", &other, &boxed).is_none());
        }
        for cut in 0..boxed.len() {
            assert!(key.open("o", &base, &boxed[..cut]).is_none());
        }
    }

    #[test]
    fn a_persons_key_opens_in_its_own_file_of_its_own_bucket_only() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let bucket = |bucket: &str| {
            let under = Under::own(&bucket.parse().expect("sound"));
            ContentKey::derive(under, &[1; 32])
        };
        let (here, there) = (bucket("operation/2026-11"), bucket("operation/2026-12"));
        let person: Name = "s001".parse().expect("sound");
        let at = |subject: &DataSubject| dir.path().join(subject.to_string());
        let made = || here.make_for("o", &person, &disk::LocalDisk, at);
        let (one, two) = (made().expect("makes"), made().expect("makes"));
        let [first, second] = [&one, &two].map(|key| key.under.subject.expect("it is a person's"));
        assert_ne!(
            first, second,
            "two keys of one person have nothing in common"
        );
        let read = here.read_for("o", &first, &at(&first)).expect("reads");
        let read = read.expect("it is there");
        assert_eq!((&read.person, &read.key.under), (&person, &one.under));
        let boxed = one.seal("o", &Against::NOTHING, b"text").expect("seals");
        let opened = read.key.open("o", &Against::NOTHING, &boxed);
        assert_eq!(opened.as_deref().map(Vec::as_slice), Some(&b"text"[..]));
        assert!(two.open("o", &Against::NOTHING, &boxed).is_none());
        assert!(here.open("o", &Against::NOTHING, &boxed).is_none());

        assert!(here.read_for("o", &second, &at(&first)).is_err());
        assert!(there.read_for("o", &first, &at(&first)).is_err());
        assert!(here.read_for("p", &first, &at(&first)).is_err());
        let bytes = std::fs::read(at(&first)).expect("reads");
        assert!(!String::from_utf8_lossy(&bytes).contains("s001"));
        std::fs::write(at(&first), &bytes[..bytes.len() - 1]).expect("writes");
        assert!(here.read_for("o", &first, &at(&first)).is_err());
        std::fs::remove_file(at(&first)).expect("removes");
        assert!(
            here.read_for("o", &first, &at(&first))
                .expect("reads")
                .is_none()
        );
    }
}
