//! The keys of a ledger's content, read when they are needed and made when there is none yet.

use super::seal::{ContentKey, Under, Wrapped};
use super::{ContentError, ContentStore, Recorded, create_dirs, io_at, lock};
use crate::destroyed::Destroyed;
use crate::erase::KeyFault;
use schemas::{BucketId, ContentRef, DataSubject, Name};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Keys by whose they are.
type Persons = HashMap<Name, Arc<ContentKey>>;

/// What is known of them.
#[derive(Default)]
pub struct Keys {
    keys: HashMap<Under, Arc<ContentKey>>,
    /// Whose keys a bucket has, by person; read whole before anything of a person is sealed there.
    persons: HashMap<BucketId, Persons>,
    /// Keys that seal nothing any more, because what they have sealed is being erased.
    retired: HashSet<DataSubject>,
    /// Those that the log says are destroyed: they open nothing either, should they come back.
    destroyed: HashSet<Destroyed>,
}

impl Keys {
    /// A key, if it was read; never one that the log says is destroyed, nor one that lies wrapped
    /// under such.
    fn known(&self, under: &Under) -> Result<Option<Arc<ContentKey>>, ContentError> {
        let bucket = || under.bucket.clone();
        if self.destroyed.contains(&Destroyed::of(&under.bucket)) {
            return Err(ContentError::Ended { bucket: bucket() });
        }
        let person = under.subject.map(Destroyed::of_person);
        if person.is_some_and(|key| self.destroyed.contains(&key)) {
            return Err(ContentError::Erased { bucket: bucket() });
        }
        Ok(self.keys.get(under).cloned())
    }

    fn of_person(&self, bucket: &BucketId, person: &Name) -> Option<Arc<ContentKey>> {
        self.persons.get(bucket)?.get(person).cloned()
    }

    /// What was read of a bucket's directory, but for what was retired meanwhile.
    fn take_persons(&mut self, bucket: &BucketId, mut read: Persons) {
        let is_retired = |key: &ContentKey| key.under.subject.is_some_and(|s| self.is_retired(s));
        read.retain(|_, key| !is_retired(key));
        self.persons.entry(bucket.clone()).or_insert(read);
    }

    fn is_retired(&self, subject: DataSubject) -> bool {
        self.retired.contains(&subject) || self.destroyed.contains(&Destroyed::of_person(subject))
    }

    pub fn forget(&mut self, bucket: &BucketId) {
        self.keys.retain(|under, _| under.bucket != *bucket);
        self.persons.remove(bucket);
    }

    pub fn forget_subject(&mut self, bucket: &BucketId, subject: DataSubject) {
        self.retired.insert(subject);
        let is_theirs = |under: &Under| under.subject == Some(subject) && under.bucket == *bucket;
        self.keys.retain(|under, _| !is_theirs(under));
        if let Some(persons) = self.persons.get_mut(bucket) {
            persons.retain(|_, key| !is_theirs(&key.under));
        }
    }
}

impl ContentStore {
    /// From here on nothing is sealed under this person's key: what they have next in the bucket
    /// is under another, and what is sealed under this one and has no place in the log yet gets none.
    pub fn retire(&self, bucket: &BucketId, subject: DataSubject) {
        lock(&self.keys).forget_subject(bucket, subject);
    }

    /// The log says that these are.
    pub fn are_destroyed(&self, keys: impl Iterator<Item = Destroyed>) {
        lock(&self.keys).destroyed.extend(keys);
    }

    pub(super) fn check_living(&self, under: &Under) -> Result<(), ContentError> {
        match under.subject {
            Some(subject) if lock(&self.keys).is_retired(subject) => {
                let bucket = under.bucket.clone();
                Err(ContentError::Erasing { bucket })
            }
            _ => Ok(()),
        }
    }

    /// Is this sealed under a key that seals nothing any more?
    pub fn is_retired(&self, reference: &ContentRef) -> bool {
        reference
            .subject
            .is_some_and(|subject| lock(&self.keys).is_retired(subject))
    }

    /// The key that a content is sealed under.
    pub(super) fn key_of(&self, reference: &ContentRef) -> Result<Arc<ContentKey>, ContentError> {
        let bucket = &reference.bucket;
        let Some(subject) = reference.subject else {
            return self.key(bucket, None);
        };
        let under = Under {
            bucket: bucket.clone(),
            subject: Some(subject),
        };
        if let Some(key) = lock(&self.keys).known(&under)? {
            return Ok(key);
        }
        let path = self.layout.subject_key(bucket, &subject);
        let own = self.key(bucket, None)?;
        let Some(read) = own.read_for(&self.origin, &subject, &path)? else {
            return Err(ContentError::NoSubjectKey {
                bucket: bucket.clone(),
                path: path.display().to_string(),
            });
        };
        let key = Arc::new(read.key);
        let mut keys = lock(&self.keys);
        keys.known(&under)?;
        // Being erased: it must not stay in the memory.
        if !keys.is_retired(subject) {
            keys.keys.insert(under, Arc::clone(&key));
        }
        Ok(key)
    }

    /// The key to seal a person's content of a bucket under; of no one person's, the bucket's.
    pub(super) fn key_to_seal(
        &self,
        bucket: &BucketId,
        person: Option<&Name>,
        log: &dyn Recorded,
    ) -> Result<Arc<ContentKey>, ContentError> {
        let own = self.key(bucket, Some(log))?;
        let Some(person) = person else {
            return Ok(own);
        };
        let known = || lock(&self.keys).of_person(bucket, person);
        if let Some(key) = known() {
            return Ok(key);
        }
        let _one_at_a_time = lock(&self.making);
        let is_read = lock(&self.keys).persons.contains_key(bucket);
        if !is_read {
            let read = self.read_persons(&own)?;
            lock(&self.keys).take_persons(bucket, read);
        }
        if let Some(key) = known() {
            return Ok(key);
        }
        let dir = self.layout.subject_keys(bucket);
        create_dirs(&*self.disk, self.layout.dir(), &dir)?;
        let key = own.make_for(&self.origin, person, &*self.disk, |subject| {
            self.layout.subject_key(bucket, subject)
        })?;
        let key = Arc::new(key);
        let mut keys = lock(&self.keys);
        // Ended meanwhile: nothing is sealed there any more.
        keys.known(&Under::own(bucket))?;
        let persons = keys.persons.entry(bucket.clone()).or_default();
        persons.insert(person.clone(), Arc::clone(&key));
        keys.keys.insert(key.under.clone(), Arc::clone(&key));
        Ok(key)
    }

    fn read_persons(&self, own: &ContentKey) -> Result<Persons, ContentError> {
        let bucket = &own.under.bucket;
        let dir = self.layout.subject_keys(bucket);
        let mut persons = Persons::new();
        let subjects = subjects(&dir)?;
        if !subjects.is_empty() {
            // A killed run may have left their names unsynced.
            create_dirs(&*self.disk, self.layout.dir(), &dir)?;
        }
        for subject in subjects {
            if lock(&self.keys).is_retired(subject) {
                continue;
            }
            if let Some(Wrapped { key, person }) = self.persons_key(own, &subject)? {
                persons.insert(person, Arc::new(key));
            }
        }
        Ok(persons)
    }

    /// None also for one that is damaged, or half destroyed: it opens nothing and is nobody's, and
    /// must not stop whoever else has content in the bucket. Who reads that content is told.
    fn persons_key(
        &self,
        own: &ContentKey,
        subject: &DataSubject,
    ) -> Result<Option<Wrapped>, ContentError> {
        let path = self.layout.subject_key(&own.under.bucket, subject);
        match own.read_for(&self.origin, subject, &path) {
            Err(ContentError::WrongKey { .. }) => Ok(None),
            read => read,
        }
    }

    /// Whose a key is. Its file alone says so: of one that is gone or does not open nobody can tell.
    pub fn whose(
        &self,
        bucket: &BucketId,
        subject: &DataSubject,
    ) -> Result<Result<Name, KeyFault>, ContentError> {
        let path = self.layout.subject_key(bucket, subject);
        let read = match self.key(bucket, None) {
            Ok(own) => own.read_for(&self.origin, subject, &path),
            Err(error) => Err(error),
        };
        match read {
            Ok(Some(read)) => Ok(Ok(read.person)),
            Ok(None) => Ok(Err(KeyFault::Gone)),
            Err(ContentError::NoKey { .. } | ContentError::WrongKey { .. }) => {
                let is_there = path.try_exists().map_err(io_at(&path))?;
                Ok(Err(match is_there {
                    true => KeyFault::Unopenable,
                    false => KeyFault::Gone,
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// A bucket's key. Who seals may make it, where nothing was ever sealed under another: what
    /// was would be lost for good, and nobody told.
    pub(super) fn key(
        &self,
        bucket: &BucketId,
        log: Option<&dyn Recorded>,
    ) -> Result<Arc<ContentKey>, ContentError> {
        let under = Under::own(bucket);
        if let Some(key) = lock(&self.keys).known(&under)? {
            return Ok(key);
        }
        let path = self.layout.bucket_key(bucket);
        let shown = || path.display().to_string();
        if log.is_some() {
            // The key's directories, also those that a killed run has left unsynced, and a key in
            // them.
            let dir = path.parent().expect("a key lies in a directory");
            create_dirs(&*self.disk, self.layout.dir(), dir)?;
        }
        let mut read = ContentKey::read(bucket, &path)?;
        if read.is_none() {
            // Before the lock: the log may be long, and others seal into other buckets.
            let first = match log {
                Some(log) => log
                    .first_in(bucket)
                    .map_err(|source| ContentError::Unread {
                        bucket: bucket.clone(),
                        source: Box::new(source),
                    })?,
                None => {
                    return Err(ContentError::NoKey {
                        bucket: bucket.clone(),
                        path: shown(),
                    });
                }
            };
            if let Some(seq) = first {
                // Others may have made it, and recorded what they sealed, since it was looked for.
                read = ContentKey::read(bucket, &path)?;
                if read.is_none() {
                    return Err(ContentError::KeyLost {
                        bucket: bucket.clone(),
                        path: shown(),
                        seq,
                    });
                }
            }
        }
        // Also for one that is there: whoever makes it may not have made it durable yet.
        let _one_at_a_time = lock(&self.making);
        let known = lock(&self.keys).known(&under)?;
        let key = match (known, read) {
            (Some(key), _) => return Ok(key),
            (None, Some(key)) => key,
            (None, None) => ContentKey::make(bucket, &path, &*self.disk)?,
        };
        let (key, mut keys) = (Arc::new(key), lock(&self.keys));
        // Ended meanwhile.
        keys.known(&under)?;
        keys.keys.insert(under, Arc::clone(&key));
        Ok(key)
    }
}

/// Whose keys lie in a directory, by their names.
fn subjects(dir: &Path) -> Result<Vec<DataSubject>, ContentError> {
    let items = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        items => items.map_err(io_at(dir))?,
    };
    let mut subjects = Vec::new();
    for item in items {
        let path = item.map_err(io_at(dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let subject = name.and_then(|name| name.strip_suffix(".key"));
        subjects.extend(subject.and_then(|subject| subject.parse::<DataSubject>().ok()));
    }
    subjects.sort();
    Ok(subjects)
}
