//! The erasure of one person's content of a bucket: the key that seals it, and it alone, is
//! destroyed. Interrupted anywhere it has not begun, or the next start completes it.
//!
//! ```text
//! marker durable → erasure.completed durable → key overwritten and removed → marker removed
//! ```
//! The marker, `<subject>.erasing` beside the key, holds the id of the event, as that of a bucket's
//! end does. The sealed bytes stay in their packs: entries commit to them, and nobody can open them.

use crate::append::{Agreed, AppendError, Appender, Guard, Receipt};
use crate::buckets::{Buckets, Spared};
use crate::content::ContentError;
use crate::disk::{Disk, LocalDisk};
use crate::expire::{ExpireError, destroy, entries, io_at};
use crate::hold::HoldError;
use crate::layout::Layout;
use crate::marker;
use crate::projection::Projection;
use crate::reader::{ReadError, Reader};
use schemas::kinds::records::{ErasureCompleted, ErasureExtended, SubjectKey};
use schemas::{Actor, BucketId, Event, EventId, Name};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    Spared(#[from] Spared),
    #[error("the person's content grows faster than it can be counted")]
    Behind,
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the log could not be read for what the key seals")]
    Read(#[from] ReadError),
    #[error("what is there of the key cannot be told")]
    Key(#[source] ContentError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Disk(#[from] ExpireError),
}

/// On whose word one key is destroyed. What its certificate says beside this follows from the log.
#[derive(Debug, Clone)]
pub struct Erasing {
    pub erasure: EventId,
    pub key: SubjectKey,
    pub actor: Actor,
    pub approvals: Vec<EventId>,
    pub approvers: Vec<Actor>,
    pub agreed: Agreed,
}

/// The key that seals it is overwritten and removed.
const DESTROYED: &str = "subject-key-destroyed";

/// So is its file, which does not open: a whole copy elsewhere may.
const UNOPENABLE: &str = "unopenable-key-destroyed";

/// Nothing was there to destroy. From the certificate on nothing opens what was under the key,
/// wherever that comes from.
pub const NO_KEY: &str = "no-key-there";

/// Content may come while it is counted.
const TRIES: usize = 8;
const STALE: &str = "the person's content has grown meanwhile";

/// Keys of one person's content in buckets that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonKeys {
    pub theirs: Vec<SubjectKey>,
    /// Those that may be theirs or another's.
    pub unread: Vec<UnreadKey>,
}

/// A key of which nobody can tell whose it is: its file alone would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadKey {
    pub key: SubjectKey,
    pub fault: KeyFault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// Its file is not there.
    Gone,
    /// It does not open under its bucket's key, or that key is gone.
    Unopenable,
}

impl std::fmt::Display for KeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeyFault::Gone => "is gone",
            KeyFault::Unopenable => "does not open",
        })
    }
}

impl Reader {
    /// The keys of a person's content, as far as their files tell. Needs the buckets' keys.
    pub fn keys_of(&self, buckets: &Buckets, person: &Name) -> Result<PersonKeys, ContentError> {
        let mut keys = PersonKeys::default();
        self.each_owner(buckets, |key, owner| match owner {
            Ok(owner) if owner == *person => keys.theirs.push(key),
            Ok(_) => {}
            Err(fault) => keys.unread.push(UnreadKey { key, fault }),
        })?;
        Ok(keys)
    }

    /// Keys of persons of which nobody can tell any more whose they are.
    pub fn unread_keys(&self, buckets: &Buckets) -> Result<Vec<UnreadKey>, ContentError> {
        let mut unread = Vec::new();
        self.each_owner(buckets, |key, owner| {
            unread.extend(owner.err().map(|fault| UnreadKey { key, fault }));
        })?;
        Ok(unread)
    }

    /// By the log, not by what lies in `keys/`: what is missing there is told, and a key that no entry
    /// names has sealed nothing that anybody was told of.
    fn each_owner(
        &self,
        buckets: &Buckets,
        mut take: impl FnMut(SubjectKey, Result<Name, KeyFault>),
    ) -> Result<(), ContentError> {
        let living = buckets.all().filter(|(_, bucket)| bucket.ended.is_none());
        for (id, bucket) in living {
            let left = bucket.subjects.iter().filter(|(_, o)| o.erased.is_none());
            for (subject, _) in left {
                let owner = self.shared.content.whose(id, subject)?;
                let (bucket, subject) = (BucketId::clone(id), *subject);
                take(SubjectKey { bucket, subject }, owner);
            }
        }
        Ok(())
    }
}

impl Appender {
    /// Records that what one key seals is erased, and destroys the key; if a request names it and no
    /// hold or duty keeps it. Both are asked of the log itself, and once more where places are given:
    /// there is no other way to write an `erasure.completed`. Who has to approve is the caller's to
    /// know.
    ///
    /// What the person has from then on is sealed under another key, in the same bucket too.
    pub fn erase(&self, erasing: &Erasing) -> Result<Receipt, EraseError> {
        let _one_at_a_time = self.ending();
        for _ in 0..TRIES {
            match self.try_to_erase(erasing) {
                Err(EraseError::Append(AppendError::Refused { fault, .. })) if &*fault == STALE => {
                }
                done => return done,
            }
        }
        Err(EraseError::Behind)
    }

    /// Records that a request reaches keys which it does not name, for content came under them after it
    /// and before anything was done on it; both are asked once more where places are given. Whose they
    /// are is the caller's to know.
    pub fn extend_erasure(
        &self,
        actor: Actor,
        extended: ErasureExtended,
    ) -> Result<Receipt, EraseError> {
        let (buckets, reached) = self.buckets()?;
        buckets.may_extend(&extended)?;
        let asked = extended.clone();
        let event = Event::new(self.new_id(), actor, extended);
        let guard = Guard::new(buckets, reached, move |buckets, _| {
            let help = "see `daicho erasure list`";
            let may = buckets.may_extend(&asked);
            may.map_err(|spared| AppendError::refused(&spared.to_string(), help))
        });
        Ok(self.append_guarded(event.into(), guard)?)
    }

    fn try_to_erase(&self, erasing: &Erasing) -> Result<Receipt, EraseError> {
        let SubjectKey { bucket, subject } = &erasing.key;
        let (buckets, reached) = self.buckets()?;
        buckets.may_erase(erasing.erasure, &erasing.key)?;
        let holds = self.reader().holds_on_owner(&buckets, &erasing.key)?;
        if !holds.is_empty() {
            let bucket = bucket.clone();
            return Err(Spared::Held { bucket, holds }.into());
        }
        let tally = self.reader().tally_of(&buckets, &erasing.key)?;
        let owner = self.shared().content.whose(bucket, subject);
        let method = match owner.map_err(EraseError::Key)? {
            Ok(_) => DESTROYED,
            Err(KeyFault::Unopenable) => UNOPENABLE,
            Err(KeyFault::Gone) => NO_KEY,
        };
        let completed = ErasureCompleted {
            erasure: erasing.erasure,
            bucket: bucket.clone(),
            subject: *subject,
            entries: tally.entries,
            contents: tally.contents,
            sealed_bytes: tally.sealed_bytes,
            content_sha256: tally.content_sha256,
            method: method.parse().expect("a literal name is sound"),
            approvals: erasing.approvals.clone(),
            approvers: erasing.approvers.clone(),
        };
        let event = Event::new(self.new_id(), erasing.actor.clone(), completed);
        let id = event.id;
        let (key, erasure, shared) = (
            erasing.key.clone(),
            erasing.erasure,
            Arc::clone(self.shared()),
        );
        let guard = Guard::new(buckets, reached, move |buckets, _| {
            let help = "see `daicho erasure list`";
            let refused = |fault: &str| AppendError::refused(fault, help);
            let may = buckets.may_erase(erasure, &key);
            may.map_err(|spared| refused(&spared.to_string()))?;
            if buckets.owned(&key).map_or(0, |owned| owned.entries) != tally.entries {
                return Err(refused(STALE));
            }
            // Here, where places are given: what comes after the certificate is not under this key.
            shared.content.retire(&key.bucket, key.subject);
            Ok(())
        });
        let guard = guard.resting_on(erasing.agreed);
        let (layout, disk) = (self.layout(), self.disk());
        let marker = marker_of(layout, &erasing.key);
        marker::put(disk, &marker, id)?;
        let receipt = match self.append_guarded(event.into(), guard) {
            Ok(receipt) => receipt,
            // Nothing tells whether it is on the disk: the next start asks the log.
            Err(error @ AppendError::Stopped { .. }) => return Err(error.into()),
            Err(error) => {
                marker::remove(disk, &marker)?;
                return Err(error.into());
            }
        };
        self.shared().content.forget_subject(bucket, *subject);
        shred(layout, disk, &erasing.key)?;
        Ok(receipt)
    }

    /// Destroys keys whose erasure is recorded and that are there all the same: they could not be
    /// removed then, or came back with copies of `keys/`. Gives them.
    pub fn finish_erasures(&self) -> Result<Vec<SubjectKey>, EraseError> {
        let _one_at_a_time = self.ending();
        let (layout, disk) = (self.layout(), self.disk());
        // What is not recorded may be on the disk all the same, if the ledger has stopped: its
        // marker stays.
        let (buckets, _) = self.buckets()?;
        let left = buckets.erased().filter(|key| is_left(layout, key));
        let mut finished = Vec::new();
        for key in left {
            self.shared()
                .content
                .forget_subject(&key.bucket, key.subject);
            shred(layout, disk, &key)?;
            finished.push(key);
        }
        Ok(finished)
    }
}

/// Destroys the keys that a copy still holds of what its own log says is erased; gives them. A backup
/// would bring the person back otherwise. Nobody may be writing there.
pub fn clear_erased(reader: &Reader) -> Result<Vec<SubjectKey>, ExpireError> {
    let (layout, mut buckets) = (reader.layout(), Buckets::default());
    for entry in reader.entries(0..reader.size()) {
        buckets.fold(&entry?);
    }
    let mut cleared = Vec::new();
    for key in buckets.erased() {
        if is_left(layout, &key) {
            shred(layout, &LocalDisk, &key)?;
            cleared.push(key);
        }
    }
    Ok(cleared)
}

pub(crate) fn complete(
    layout: &Layout,
    disk: &dyn Disk,
    is_recorded: impl FnMut(&EventId) -> io::Result<bool>,
) -> Result<(), ExpireError> {
    let shred = |key: &SubjectKey| shred(layout, disk, key);
    marker::settle(disk, markers(layout)?, is_recorded, shred)
}

fn is_left(layout: &Layout, key: &SubjectKey) -> bool {
    layout.subject_key(&key.bucket, &key.subject).exists() || marker_of(layout, key).exists()
}

fn marker_of(layout: &Layout, key: &SubjectKey) -> PathBuf {
    layout.subject_erasing(&key.bucket, &key.subject)
}

fn shred(layout: &Layout, disk: &dyn Disk, key: &SubjectKey) -> Result<(), ExpireError> {
    let path = layout.subject_key(&key.bucket, &key.subject);
    destroy(disk, &path).map_err(io_at(&path))?;
    marker::remove(disk, &marker_of(layout, key))
}

/// Keys that an erasure was begun for.
fn markers(layout: &Layout) -> Result<Vec<(SubjectKey, PathBuf)>, ExpireError> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let mut found = Vec::new();
    for class in entries(&layout.content_keys())? {
        for month in entries(&class)? {
            let bucket = name(&class).zip(name(&month));
            let bucket = bucket.map(|(class, month)| format!("{class}/{month}").parse());
            // A bucket's own key is a file of another name.
            let Some(Ok(bucket)) = bucket else { continue };
            for path in entries(&month)? {
                let subject = name(&path);
                let subject = subject.and_then(|n| n.strip_suffix(".erasing")?.parse().ok());
                if let Some(subject) = subject {
                    let bucket = schemas::BucketId::clone(&bucket);
                    found.push((SubjectKey { bucket, subject }, path));
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::{Content, Options, Submission};
    use schemas::kinds::people::AuthSucceeded;
    use schemas::kinds::records::{RetentionExpired, TimeSource};
    use schemas::{Data, Hash, Timestamp};

    /// Everybody sees the certificate before the key is destroyed, and before whoever wrote it is told.
    #[test]
    fn from_its_certificate_on_nobody_opens_what_a_key_has_sealed() {
        let dir = tempfile::TempDir::new().expect("a directory");
        crate::create(dir.path(), "example.com/daicho", &SystemClock).expect("creates");
        let (appender, reader) = crate::open(dir.path(), Options::default()).expect("opens");
        let actor: Actor = "user:s001".parse().expect("an actor");
        let content = |person: Option<&str>| {
            let data = AuthSucceeded {
                subject: "user:e1".parse().expect("a subject"),
                method: "token".parse().expect("a method"),
            };
            let content = Content {
                name: "note".parse().expect("a name"),
                media: "text/plain".parse().expect("a type"),
                bytes: b"one".to_vec(),
            };
            let submission = Submission {
                event: Event::new(appender.new_id(), actor.clone(), data),
                content: vec![content],
                person: person.map(|person| person.parse().expect("a name")),
            };
            let receipt = appender.append(vec![submission]).expect("appends")[0];
            let entry = reader.entry(receipt.seq).expect("reads");
            entry.content()[0].clone()
        };
        let (theirs, nobodys) = (content(Some("s002")), content(None));
        let append = |data: Data| {
            let (buckets, reached) = appender.buckets().expect("reads");
            let event = Event::new(appender.new_id(), actor.clone(), data);
            let guard = Guard::new(buckets, reached, |_, _| Ok(()));
            appender
                .append_guarded(event.into(), guard)
                .expect("appends");
        };
        let (bucket, method) = (&theirs.bucket, DESTROYED.parse().expect("a name"));
        assert!(reader.content(&theirs).is_ok());
        append(Data::ErasureCompleted(ErasureCompleted {
            erasure: appender.new_id(),
            bucket: bucket.clone(),
            subject: theirs.subject.expect("a person's"),
            entries: 1,
            contents: 1,
            sealed_bytes: theirs.sealed_bytes,
            content_sha256: Hash::ZERO,
            method,
            approvals: Vec::new(),
            approvers: Vec::new(),
        }));
        let read = reader.content(&theirs);
        assert!(matches!(read, Err(ContentError::Erased { .. })), "{read:?}");
        assert!(reader.content(&nobodys).is_ok());
        append(Data::RetentionExpired(RetentionExpired {
            bucket: bucket.clone(),
            due: Timestamp::default(),
            period: "P30D".parse().expect("a period"),
            entries: 2,
            contents: 2,
            sealed_bytes: 0,
            content_sha256: Hash::ZERO,
            method: DESTROYED.parse().expect("a name"),
            time: TimeSource::Log,
            token: None,
            approvals: Vec::new(),
            approvers: Vec::new(),
        }));
        let read = reader.content(&nobodys);
        assert!(matches!(read, Err(ContentError::Ended { .. })), "{read:?}");
    }
}
