//! Content that is sealed while it is still being decided whether it will be kept: compressing
//! needs nothing but its bytes, so it goes on beside what looks at them.

use super::pack::Frame;
use super::recent::Tip;
use super::{ContentError, ContentStore, Kin, Recorded, lock};
use crate::reader::Shared;
use schemas::{BucketId, Name};
use std::collections::HashMap;
use std::sync::Arc;

/// What is sealed and in no batch yet, by its tag.
pub(super) type Waiting = HashMap<[u8; 32], (Arc<Frame>, Tip)>;

/// Sealed bytes that wait for a batch with this content. Nothing of them is written before,
/// and nothing is packed against them; dropped, it forgets what no batch has taken.
#[must_use = "what is sealed ahead is forgotten when this is dropped"]
pub struct Ahead {
    shared: Arc<Shared>,
    tag: [u8; 32],
}

impl Ahead {
    pub(crate) fn new(shared: Arc<Shared>, tag: [u8; 32]) -> Ahead {
        Ahead { shared, tag }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        lock(&self.shared.content.ahead).remove(&self.tag);
    }
}

impl ContentStore {
    /// Gives the tag by which it waits; `None` where an equal content is stored already.
    pub fn seal_ahead(
        &self,
        bucket: &BucketId,
        person: Option<&Name>,
        plain: &[u8],
        log: &dyn Recorded,
    ) -> Result<Option<[u8; 32]>, ContentError> {
        let key = self.key_to_seal(bucket, person, log)?;
        self.recall(&key, log)?;
        let tag = key.tag(plain);
        if lock(&self.recent).equal(&tag).is_some() {
            return Ok(None);
        }
        let sealed = self.seal_new(&key, plain, Kin::Recent)?;
        // As `remember`: nothing of what is erased meanwhile.
        let mut ahead = lock(&self.ahead);
        self.check_living(&key.under)?;
        ahead.insert(tag, sealed);
        Ok(Some(tag))
    }
}
