//! Content: what is large, private, and must be able to end. Kept beside the log in
//! buckets of one class and one month, sealed under the bucket's own key, or under one of its own
//! for each person whose it is.

mod ahead;
mod choose;
mod delta;
mod edits;
mod keys;
mod pack;
mod read;
mod recent;
mod seal;
mod varint;
mod walk;

pub use ahead::Ahead;
pub(crate) use pack::{pack_header, pack_number};
pub(crate) use walk::Walk;

use crate::append::Content;
use crate::destroyed::Destroyed;
use crate::disk::Disk;
use crate::layout::Layout;
use crate::reader::{ReadError, Reader};
use ahead::Waiting;
use keys::Keys;
use pack::{Against, BucketPacks, Frame, MOST_BOX_BYTES, OpenPack, Place};
use read::Text;
use recent::{MOST_BASE_BYTES, Reading, Recent, Sent, Tip};
use schemas::{BucketId, ContentRef, DataSubject, Hash, Month, Name};
use seal::{ContentKey, Under};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use zeroize::Zeroizing;

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error(
        "the key of bucket {bucket} is not at {path}: its content has ended or the key was lost"
    )]
    NoKey { bucket: BucketId, path: String },
    #[error(
        "the key of bucket {bucket} is gone from {path}, and entry {seq} has content there: no other key is made for it"
    )]
    KeyLost {
        bucket: BucketId,
        path: String,
        seq: u64,
    },
    #[error("whether bucket {bucket} has content cannot be read from the log")]
    Unread {
        bucket: BucketId,
        #[source]
        source: Box<ReadError>,
    },
    #[error(
        "the key of one person's content of bucket {bucket} is not at {path}: it was erased, or the key was lost"
    )]
    NoSubjectKey { bucket: BucketId, path: String },
    #[error("bucket {bucket} has ended, and no key opens it, wherever that comes from")]
    Ended { bucket: BucketId },
    #[error(
        "what this person has in bucket {bucket} is being erased: sealed anew it can be recorded"
    )]
    Erasing { bucket: BucketId },
    #[error(
        "content of one person in bucket {bucket}: it was erased, and no key opens it, wherever that comes from"
    )]
    Erased { bucket: BucketId },
    #[error("the key at {path}, of bucket {bucket}, is not whole or not of this place")]
    WrongKey { bucket: BucketId, path: String },
    #[error("content {digest} is not in bucket {bucket}")]
    Missing { bucket: BucketId, digest: Hash },
    #[error("content {digest} of bucket {bucket} does not open under the bucket's key")]
    Unopenable { bucket: BucketId, digest: Hash },
    #[error("one content of {len_bytes} bytes is longer than 4 GiB")]
    TooLarge { len_bytes: u64 },
    #[error("{path} could not be made durable; the next start tries again")]
    Unsynced {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// The promise about a content, and its sealed bytes when they are not in a pack yet.
pub(crate) struct Sealed {
    pub reference: ContentRef,
    tag: [u8; 32],
    frame: Option<Arc<Frame>>,
}

impl Sealed {
    /// What there is to write.
    pub fn len_bytes(&self) -> usize {
        self.frame.as_ref().map_or(0, |frame| frame.boxed.len())
    }
}

/// All content of one ledger.
pub(crate) struct ContentStore {
    layout: Layout,
    disk: Arc<dyn Disk>,
    origin: String,
    keys: Mutex<Keys>,
    /// Held while a key is made: a bucket has one, and so has a person in it. Whoever needs none made
    /// does not wait for the disk.
    making: Mutex<()>,
    packs: Mutex<HashMap<BucketId, BucketPacks>>,
    /// Buckets that this run has settled, and the pack that it has begun in each.
    open: Mutex<HashMap<BucketId, Option<OpenPack>>>,
    recent: Mutex<Recent>,
    ahead: Mutex<Waiting>,
    /// Buckets whose packs this run has read before it seals into them.
    recalled: Mutex<HashMap<BucketId, Recalled>>,
    /// A pack is closed when it has grown to this.
    pack_bytes: u64,
}

/// What a content is likely to be like, and so is compared with before it is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kin {
    /// The recent contents of its bucket: the next may be like this one in its turn.
    Recent,
    /// Nothing: a megabyte of another system's lines goes on from none before, and would push
    /// conversations out of the memory.
    Nothing,
}

/// What an earlier run has left in a bucket.
struct Recalled {
    /// The newest contents that others may go on from, the newest first, and under whose key each
    /// is, where the log was asked as far back.
    newest: Arc<[Newest]>,
    /// Each is done once, and who waits for one waits for no other's.
    under: HashMap<Option<DataSubject>, Arc<OnceLock<()>>>,
}

struct Newest {
    digest: Hash,
    place: Place,
    under: Option<Option<DataSubject>>,
}

/// What sealing asks of the log.
pub(crate) trait Recorded {
    /// The first entry with content in a bucket: where there is one, its key is never made anew.
    fn first_in(&self, bucket: &BucketId) -> Result<Option<u64>, ReadError>;
    /// Under whose key contents of a bucket are, of the newest entries.
    fn newest_in(&self, bucket: &BucketId) -> Owners;
}

pub(crate) type Owners = HashMap<Hash, Option<DataSubject>>;

impl Recorded for Reader {
    fn first_in(&self, bucket: &BucketId) -> Result<Option<u64>, ReadError> {
        Reader::first_in(self, bucket)
    }

    fn newest_in(&self, bucket: &BucketId) -> Owners {
        Reader::newest_in(self, bucket)
    }
}

const PACK_BYTES: u64 = 256 << 20;

/// Conversations that a start finds again under one key, the newest of the bucket.
const RECALLED: usize = 16;

/// Contents of a bucket that are looked at for it: those of the key, and those that nothing says
/// it of, for the entry that names them is too far back.
const TRIED: usize = 128;

impl ContentStore {
    pub fn new(layout: Layout, disk: Arc<dyn Disk>, origin: &str) -> ContentStore {
        ContentStore {
            layout,
            disk,
            origin: origin.to_owned(),
            keys: Mutex::default(),
            making: Mutex::default(),
            packs: Mutex::default(),
            open: Mutex::default(),
            recent: Mutex::default(),
            ahead: Mutex::default(),
            recalled: Mutex::default(),
            pack_bytes: PACK_BYTES,
        }
    }

    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Compresses and seals what is new in a content. What equals an earlier content under the same
    /// key is that one again: nothing is shared between persons. Makes the bucket's key when it is
    /// the bucket's first, and a person's when it is theirs.
    pub fn seal(
        &self,
        bucket: &BucketId,
        person: Option<&Name>,
        content: &Content,
        kin: Kin,
        log: &dyn Recorded,
    ) -> Result<Sealed, ContentError> {
        let key = self.key_to_seal(bucket, person, log)?;
        self.recall(&key, log)?;
        let plain = &content.bytes;
        let tag = key.tag(plain);
        let equal = lock(&self.recent).equal(&tag);
        let equal = equal.and_then(|sent| Some((self.written(bucket, &sent)?, sent)));
        let (frame, sent) = match equal {
            Some(known) => known,
            None => {
                let ahead = lock(&self.ahead).remove(&tag);
                let (frame, tip) = match ahead {
                    Some(sealed) => sealed,
                    None => self.seal_new(&key, plain, kin)?,
                };
                let sent = tip.sent.clone();
                self.remember(tag, tip, kin)?;
                (Some(frame), sent)
            }
        };
        Ok(Sealed {
            reference: ContentRef {
                name: content.name.clone(),
                media: content.media.clone(),
                bucket: bucket.clone(),
                sealed: sent.digest,
                sealed_bytes: sent.sealed_bytes,
                plain_bytes: plain.len() as u64,
                subject: key.under.subject,
            },
            tag,
            frame,
        })
    }

    /// Keeps in memory what was sealed, or read again: nothing of what is erased. Asked under the
    /// lock that `forget_subject` takes after the key was retired, so that neither misses the
    /// other.
    fn remember(&self, tag: [u8; 32], tip: Tip, kin: Kin) -> Result<(), ContentError> {
        let mut recent = lock(&self.recent);
        self.check_living(&tip.under)?;
        recent.add_tag(tag, tip.sent.clone());
        if kin == Kin::Recent {
            recent.add_tip(tip);
        }
        Ok(())
    }

    fn seal_new(
        &self,
        key: &ContentKey,
        plain: &[u8],
        kin: Kin,
    ) -> Result<(Arc<Frame>, Tip), ContentError> {
        let under = &key.under;
        let tips = match kin {
            Kin::Recent => lock(&self.recent).tips(under, plain.len()),
            Kin::Nothing => Vec::new(),
        };
        let tips: Vec<_> = tips
            .iter()
            .filter_map(|tip| Some((&**tip, self.written(&under.bucket, &tip.sent)?)))
            .collect();
        let choice = choose::choose(&tips, plain);
        let packed = match &choice {
            Some(choice) => choice.delta.pack(),
            None => delta::pack_whole(plain),
        };
        let packed = packed.map_err(|source| ContentError::Io {
            path: "memory (compression)".to_owned(),
            source,
        })?;
        let against = choice.as_ref().map_or(Against::NOTHING, |c| c.against);
        let boxed = key
            .seal(&self.origin, &against, &packed)
            .filter(|boxed| boxed.len() <= MOST_BOX_BYTES)
            .ok_or(ContentError::TooLarge {
                len_bytes: plain.len() as u64,
            })?;
        let before = choice.as_ref().map_or(Vec::new(), |c| c.before.clone());
        let frame = Arc::new(Frame::new(against, boxed, before));
        let whole = Reading {
            steps: 1,
            work: plain.len() as u64,
        };
        let tip = Tip {
            under: under.clone(),
            sent: Sent::of(&frame),
            plain: Zeroizing::new(plain.to_vec()),
            reading: choice.as_ref().map_or(whole, |c| c.reading),
            last_step: choice.as_ref().map_or(whole, |c| c.step),
            base: against.base,
            beside: choice.as_ref().map_or(Hash::ZERO, |c| c.beside),
            goes_on: choice.as_ref().is_some_and(|c| c.delta.goes_on()),
        };
        Ok((frame, tip))
    }

    /// Can an entry rely on what was sealed earlier? It is in a pack (`None`), or whoever has
    /// it in hand shares it; else it belonged to a batch that was refused.
    fn written(&self, bucket: &BucketId, sent: &Sent) -> Option<Option<Arc<Frame>>> {
        let known = lock(&self.packs)
            .get(bucket)
            .is_some_and(|packs| packs.get(&sent.digest).is_some());
        if known {
            return Some(None);
        }
        sent.frame.upgrade().map(Some)
    }

    /// Reads what an earlier run has stored in a bucket, once, before anything is sealed into
    /// it, and opens the newest conversations under this key, so that they are gone on with.
    fn recall(&self, key: &ContentKey, log: &dyn Recorded) -> Result<(), ContentError> {
        let Under { bucket, subject } = &key.under;
        let (newest, once) = {
            let mut recalled = lock(&self.recalled);
            let found = match recalled.get_mut(bucket) {
                Some(found) => found,
                None => {
                    let newest = self.newest(bucket, log)?;
                    let under = HashMap::new();
                    let found = Recalled { newest, under };
                    recalled.entry(bucket.clone()).or_insert(found)
                }
            };
            let once = found.under.entry(*subject).or_default();
            (Arc::clone(&found.newest), Arc::clone(once))
        };
        once.get_or_init(|| self.open_newest(key, &newest));
        Ok(())
    }

    fn newest(&self, bucket: &BucketId, log: &dyn Recorded) -> Result<Arc<[Newest]>, ContentError> {
        let mut leaves = {
            let mut packs = lock(&self.packs);
            let packs = packs.entry(bucket.clone()).or_default();
            packs.load(&self.layout, bucket)?;
            packs.leaves()
        };
        // A short one that nothing was packed against is an answer, or a note.
        leaves.retain(|(_, place)| place.may_go_on());
        if leaves.is_empty() {
            return Ok(Arc::default());
        }
        let owners = log.newest_in(bucket);
        let newest = leaves.into_iter().take(TRIED);
        let newest = newest.map(|(digest, place)| Newest {
            digest,
            place,
            under: owners.get(&digest).copied(),
        });
        Ok(newest.collect())
    }

    fn open_newest(&self, key: &ContentKey, newest: &[Newest]) {
        let may_open = |n: &&Newest| n.under.is_none_or(|under| under == key.under.subject);
        let mut opened = Vec::new();
        for Newest { digest, place, .. } in newest.iter().filter(may_open) {
            if opened.len() == RECALLED {
                break;
            }
            // What does not open is another's, or damaged, and is not packed against; whoever
            // reads it will be told.
            let mut beside = Text::default();
            let limit = MOST_BASE_BYTES as u64;
            let Ok(text) = self.restore(key, *digest, limit, &mut beside) else {
                continue;
            };
            opened.push((*digest, *place, text, beside));
        }
        for (digest, place, text, beside) in opened.into_iter().rev() {
            let tag = key.tag(&text.plain);
            let tip = Tip {
                under: key.under.clone(),
                sent: Sent {
                    digest,
                    sealed_bytes: place.sealed_bytes(),
                    frame: Weak::new(),
                },
                plain: text.plain,
                reading: text.reading.and(beside.reading),
                last_step: text.last_step,
                base: place.against.base,
                beside: beside.digest,
                goes_on: false,
            };
            // Erased meanwhile: who seals under this key is told.
            let _ = self.remember(tag, tip, Kin::Recent);
        }
    }

    /// Writes what is not there yet and makes it durable: one fdatasync per pack touched. What
    /// a content is packed against stands before it, also when its own batch was refused.
    pub fn store<'a>(
        &self,
        sealed: impl Iterator<Item = &'a Sealed> + Clone,
    ) -> Result<(), ContentError> {
        let mut open = lock(&self.open);
        // All are synced: what was opened in a month that is over is closed, and read-only.
        let month = sealed.clone().map(|item| item.reference.bucket.month).max();
        open.retain(|bucket, _| month.is_none_or(|month| bucket.month >= month));
        for item in sealed {
            let bucket = &item.reference.bucket;
            if !open.contains_key(bucket) {
                pack::settle(&self.layout, &self.disk, bucket)?;
                open.insert(bucket.clone(), None);
            }
            let mut frames: Vec<&Arc<Frame>> = item.frame.iter().collect();
            let mut next = 0;
            while let Some(frame) = frames.get(next) {
                let before = &frame.before;
                frames.extend(before);
                next += 1;
            }
            // Readers who look for new frames wait meanwhile: none is met half-written.
            let mut packs = lock(&self.packs);
            let known = packs.entry(bucket.clone()).or_default();
            for frame in frames.into_iter().rev() {
                if known.get(&frame.digest).is_some() {
                    continue;
                }
                let pack = open.get_mut(bucket).expect("settled above");
                if let Some(full) = pack.take_if(|pack| pack.len() >= self.pack_bytes) {
                    full.close()?;
                }
                let pack = match pack {
                    Some(pack) => pack,
                    None => pack.insert(OpenPack::create(&self.layout, &self.disk, bucket)?),
                };
                // Known to others before it is durable; a failed sync stops the writer, so that
                // nobody relies on it.
                pack.append(bucket, known, frame)?;
            }
        }
        open.values_mut().flatten().try_for_each(OpenPack::sync)
    }

    /// Closes what a run that was killed has left open of a month that is over. Not doing it harms
    /// nothing: whoever asks how files are protected is told.
    pub fn close_before(&self, month: Month) {
        let dirs = |dir: &Path| {
            let items = std::fs::read_dir(dir).into_iter().flatten().flatten();
            let names = items.map(|item| item.file_name().to_string_lossy().into_owned());
            names.collect::<Vec<_>>()
        };
        let root = self.layout.content();
        for class in dirs(&root) {
            for name in dirs(&root.join(&class)) {
                let Ok(bucket) = format!("{class}/{name}").parse::<BucketId>() else {
                    continue;
                };
                if bucket.month >= month || pack::are_closed(&self.layout, &bucket) {
                    continue;
                }
                if let Err(error) = pack::settle(&self.layout, &self.disk, &bucket) {
                    tracing::warn!(%bucket, %error, "its packs are not closed");
                }
                // A system without read-only files: each start would write all of them again.
                if !pack::are_closed(&self.layout, &bucket) {
                    return;
                }
            }
        }
    }

    /// Is what was recorded as `was` the same as what is about to be? Equal sealed bytes say
    /// so; others are opened, for another month, another base or another release of the
    /// compressor gives the same content other bytes. When the older has ended, its form and
    /// length are all that is left to go by.
    pub fn same(&self, was: &ContentRef, is: &Sealed) -> bool {
        let new = &is.reference;
        if (&was.name, &was.media, was.plain_bytes) != (&new.name, &new.media, new.plain_bytes) {
            return false;
        }
        if was.sealed == new.sealed {
            return true;
        }
        match (self.read(was), self.key_of(new)) {
            (Ok(was), Ok(key)) => key.tag(&was) == is.tag,
            _ => (&was.bucket, was.subject) != (&new.bucket, new.subject),
        }
    }

    /// A bucket has ended.
    pub fn forget(&self, bucket: &BucketId) {
        let is_in = |under: &Under| under.bucket == *bucket;
        lock(&self.recent).forget(is_in);
        lock(&self.ahead).retain(|_, (_, tip)| !is_in(&tip.under));
        lock(&self.recalled).remove(bucket);
        lock(&self.open).remove(bucket);
        lock(&self.packs).remove(bucket);
        lock(&self.keys).forget(bucket);
    }

    /// What one person has in a bucket is erased: its key and its text leave the memory.
    pub fn forget_subject(&self, bucket: &BucketId, subject: DataSubject) {
        let is_theirs = |under: &Under| under.subject == Some(subject) && under.bucket == *bucket;
        // The key first: what is still being sealed under it asks before it is remembered.
        self.retire(bucket, subject);
        self.are_destroyed(std::iter::once(Destroyed::of_person(subject)));
        lock(&self.recent).forget(is_theirs);
        lock(&self.ahead).retain(|_, (_, tip)| !is_theirs(&tip.under));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn unsynced(path: &std::path::Path) -> impl FnOnce(io::Error) -> ContentError + use<> {
    let path = path.display().to_string();
    move |source| ContentError::Unsynced { path, source }
}

pub(crate) fn io_at(path: &std::path::Path) -> impl FnOnce(io::Error) -> ContentError + use<> {
    let path = path.display().to_string();
    move |source| ContentError::Io { path, source }
}

/// Creates a directory and its parents below `root`, durably. What is there already may be
/// so in the cache only, left by a run that was killed.
pub(crate) fn create_dirs(
    disk: &dyn Disk,
    root: &std::path::Path,
    dir: &std::path::Path,
) -> Result<(), ContentError> {
    disk.create_dir(dir).map_err(io_at(dir))?;
    disk.sync_dir(dir).map_err(unsynced(dir))?;
    let mut parent = dir;
    while let Some(above) = parent.parent().filter(|above| above.starts_with(root)) {
        disk.sync_dir(above).map_err(unsynced(above))?;
        parent = above;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
