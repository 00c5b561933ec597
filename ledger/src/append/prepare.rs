//! Events with their content sealed, known to fit and still without a place. Producers make them, each
//! on a thread of its own; the committer seals anew what is another's by the time it gets its place.

use super::{AppendError, Content, stopped_with};
use crate::content::{ContentError, Kin, Sealed};
use crate::reader::{Reader, Shared};
use schemas::{Actor, BucketId, ContentRef, Data, Event, Name, Unplaced};
use std::sync::Arc;

/// An event whose content is sealed and whose body is known to fit.
pub struct Prepared {
    pub event: Event,
    pub sealed: Vec<Sealed>,
    pub body: Unplaced,
    pub whose: Whose,
    /// As it came; empty where nothing could make it another's.
    content: Vec<Content>,
}

/// Whose the content is.
pub struct Whose {
    pub person: Option<Name>,
    /// That of the actor, by what the first `asked_at` entries say.
    pub is_its_actors: bool,
    pub asked_at: u64,
}

impl Prepared {
    pub fn seal(
        shared: &Arc<Shared>,
        bucket: &BucketId,
        event: Event,
        content: Vec<Content>,
        whose: Whose,
    ) -> Result<Prepared, AppendError> {
        let person = whose.person.as_ref();
        let (sealed, body) = seal(shared, bucket, &event, &content, person)?;
        let may_change =
            person.is_some() || whose.is_its_actors && matches!(event.actor, Actor::Agent(_));
        Ok(Prepared {
            event,
            sealed,
            body,
            whose,
            content: if may_change { content } else { Vec::new() },
        })
    }

    /// The same under the key that this person has now.
    pub fn seal_anew(
        &mut self,
        shared: &Arc<Shared>,
        person: Option<Name>,
    ) -> Result<(), AppendError> {
        let Some(first) = self.sealed.first() else {
            return Ok(());
        };
        let bucket = first.reference.bucket.clone();
        let (event, content) = (&self.event, &self.content);
        (self.sealed, self.body) = seal(shared, &bucket, event, content, person.as_ref())?;
        self.whose.person = person;
        Ok(())
    }

    pub fn references(&self) -> Vec<ContentRef> {
        references(&self.sealed)
    }
}

fn references(sealed: &[Sealed]) -> Vec<ContentRef> {
    sealed.iter().map(|one| one.reference.clone()).collect()
}

fn seal(
    shared: &Arc<Shared>,
    bucket: &BucketId,
    event: &Event,
    content: &[Content],
    person: Option<&Name>,
) -> Result<(Vec<Sealed>, Unplaced), AppendError> {
    let kin = match event.data {
        Data::LogIngested(_) => Kin::Nothing,
        _ => Kin::Recent,
    };
    let reader = Reader {
        shared: Arc::clone(shared),
    };
    let seal = |content: &Content| {
        loop {
            match shared.content.seal(bucket, person, content, kin, &reader) {
                // Its person was erased in between: there is another key now, or is about to be.
                Err(ContentError::Erasing { .. }) => {}
                sealed => return sealed,
            }
        }
    };
    let sealed: Result<Vec<_>, _> = content.iter().map(seal).collect();
    let sealed = sealed.map_err(|error| match error {
        // As every failed sync: trying again could succeed without having synced.
        ContentError::Unsynced { .. } => shared.stop(stopped_with(&error)),
        error => AppendError::Content(Arc::new(error)),
    })?;
    match Unplaced::of(event, &references(&sealed)) {
        Ok(body) => Ok((sealed, body)),
        Err(reason) => Err(AppendError::Unfit {
            id: event.id,
            reason: Arc::new(reason),
        }),
    }
}
