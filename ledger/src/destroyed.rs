//! Which keys the log says are destroyed: nobody seals or opens anything under them, should they come
//! back with an old copy of `keys/`.

use crate::history::before_data;
use memchr::memmem::Finder;
use schemas::{BucketId, Data, DataSubject};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// One of them: a person's by its subject, a bucket's by the first 16 bytes of SHA-256 of a line that
/// names it, so that all are as long in an outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Destroyed(pub [u8; 16]);

impl Destroyed {
    /// The key whose certificate this is.
    pub fn by(data: &Data) -> Option<Destroyed> {
        match data {
            Data::RetentionExpired(expired) => Some(Destroyed::of(&expired.bucket)),
            Data::ErasureCompleted(completed) => Some(Destroyed::of_person(completed.subject)),
            _ => None,
        }
    }

    pub fn of(bucket: &BucketId) -> Destroyed {
        let digest = Sha256::digest(format!("daicho/bucket/v1\n{bucket}\n"));
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Destroyed(id)
    }

    pub fn of_person(subject: DataSubject) -> Destroyed {
        Destroyed(subject.0)
    }
}

/// Whether a line may hold a certificate that a key is destroyed, without parsing it. Never false for
/// one.
pub(crate) fn may_destroy(line: &[u8]) -> bool {
    static KINDS: LazyLock<[Finder; 2]> = LazyLock::new(|| {
        let kinds: [&[u8]; 2] = [
            br#""kind":"retention.expired""#,
            br#""kind":"erasure.completed""#,
        ];
        kinds.map(Finder::new)
    });
    let front = before_data(line);
    KINDS.iter().any(|kind| kind.find(front).is_some())
}
