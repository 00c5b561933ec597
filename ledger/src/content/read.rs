//! Reading a content: from the whole one that it goes back to, edit by edit.

use super::delta::{self, Unsound};
use super::pack::{self, Against, Place};
use super::recent::{MOST_BASE_BYTES, Reading};
use super::seal::ContentKey;
use super::{ContentError, ContentStore, lock};
use schemas::{BucketId, ContentRef, Hash};
use zeroize::Zeroizing;

/// A content that is read, step by step.
#[derive(Default)]
pub struct Text {
    pub digest: Hash,
    pub plain: Zeroizing<Vec<u8>>,
    /// All steps so far, and the last of them.
    pub reading: Reading,
    pub last_step: Reading,
}

impl ContentStore {
    pub fn read(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
        let (bucket, digest) = (&reference.bucket, &reference.sealed);
        let key = self.key_of(reference)?;
        let mut text = self.restore(&key, *digest, reference.plain_bytes, &mut Text::default())?;
        if text.plain.len() as u64 != reference.plain_bytes {
            return Err(unopenable(bucket, digest));
        }
        Ok(std::mem::take(&mut *text.plain))
    }

    /// What the entry commits to: what it is packed against, and the box.
    pub fn sealed(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
        let (bucket, digest) = (&reference.bucket, &reference.sealed);
        let place = self.find(bucket, digest)?;
        let boxed = self.boxed(bucket, digest, &place)?;
        Ok([&place.against.to_bytes()[..], &boxed].concat())
    }

    /// Opens a content of at most `limit` bytes, from the whole one that it goes back to.
    pub(super) fn restore(
        &self,
        key: &ContentKey,
        digest: Hash,
        limit: u64,
        beside: &mut Text,
    ) -> Result<Text, ContentError> {
        let mut text = Text::default();
        self.advance(key, &mut text, digest, limit, Some(beside))?;
        Ok(text)
    }

    /// Reads on to another content: from the one that is there, if it leads to that one.
    fn advance(
        &self,
        key: &ContentKey,
        text: &mut Text,
        to: Hash,
        limit: u64,
        mut beside: Option<&mut Text>,
    ) -> Result<(), ContentError> {
        let bucket = &key.under.bucket;
        let mut chain = Vec::new();
        let mut next = to;
        while next != text.digest && next != Hash::ZERO {
            let place = self.find(bucket, &next)?;
            chain.push((next, place));
            next = place.against.base;
            let steps = chain.len() as u32;
            if !text.reading.and(Reading { steps, work: 0 }).fits() {
                return Err(unopenable(bucket, &to));
            }
        }
        for (digest, place) in chain.into_iter().rev() {
            let unsound = |_: Unsound| unopenable(bucket, &digest);
            let against = place.against;
            let boxed = self.boxed(bucket, &digest, &place)?;
            let packed = key
                .open(&self.origin, &against, &boxed)
                .ok_or_else(|| unsound(Unsound))?;
            // The entry states the length, so that no bomb can be unpacked on its account.
            let most = MOST_BASE_BYTES as u64;
            let limit = if digest == to { limit } else { most };
            let work = if against == Against::NOTHING {
                let whole = delta::unpack_whole(&packed, limit).map_err(unsound)?;
                text.plain = Zeroizing::new(whole);
                text.plain.len() as u64
            } else {
                let beside = match (&mut beside, against.beside) {
                    _ if against.base == Hash::ZERO => return Err(unsound(Unsound)),
                    (_, Hash::ZERO) => None,
                    (Some(beside), other) => {
                        self.advance(key, beside, other, most, None)?;
                        Some(&beside.plain[..])
                    }
                    (None, _) => return Err(unsound(Unsound)),
                };
                delta::apply(&mut text.plain, beside, &packed, limit).map_err(unsound)?
            };
            text.last_step = Reading { steps: 1, work };
            text.reading = text.reading.and(text.last_step);
            text.digest = digest;
            // A whole content may be as long as its entry says.
            if text.reading.steps > 1 && !text.reading.fits() {
                return Err(unopenable(bucket, &to));
            }
        }
        Ok(())
    }

    fn boxed(
        &self,
        bucket: &BucketId,
        digest: &Hash,
        place: &Place,
    ) -> Result<Vec<u8>, ContentError> {
        let boxed = place.read(&self.layout, bucket)?;
        if pack::digest(&place.against, &boxed) == *digest {
            return Ok(boxed);
        }
        Err(ContentError::Missing {
            bucket: bucket.clone(),
            digest: *digest,
        })
    }

    /// Where a content lies. Looks again on disk once, for readers of a live log.
    fn find(&self, bucket: &BucketId, digest: &Hash) -> Result<Place, ContentError> {
        let mut packs = lock(&self.packs);
        let known = packs.entry(bucket.clone()).or_default();
        if known.get(digest).is_none() {
            known.load(&self.layout, bucket)?;
        }
        known.get(digest).ok_or_else(|| ContentError::Missing {
            bucket: bucket.clone(),
            digest: *digest,
        })
    }
}

fn unopenable(bucket: &BucketId, digest: &Hash) -> ContentError {
    ContentError::Unopenable {
        bucket: bucket.clone(),
        digest: *digest,
    }
}
