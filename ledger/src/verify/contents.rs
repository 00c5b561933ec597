//! Sealed content held against the entries that commit to it. Needs no key.

use super::{Check, Finding, Found, MAX_FINDINGS, VerifyError, io_at};
use crate::buckets::Buckets;
use crate::content::{Walk, pack_header, pack_number};
use crate::expire::Tally;
use crate::layout::Layout;
use crate::marker;
use schemas::kinds::records::{ErasureCompleted, ErasureExtended, RetentionExpired, SubjectKey};
use schemas::{BucketId, ContentRef, Data, DataSubject, Envelope, EventId, Hash};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What entries say of one bucket: digest → length, the first position that names it, and whose it
/// is.
type Promised = HashMap<Hash, (u64, u64, Option<DataSubject>)>;

#[derive(Default)]
pub struct Contents {
    promised: BTreeMap<BucketId, Promised>,
    /// Rules and holds, up to the entry before.
    buckets: Buckets,
    /// Buckets whose end an entry states, and keys of persons that one says are destroyed; by the
    /// first that does.
    ended: HashMap<BucketId, (u64, EventId)>,
    erased: HashMap<(BucketId, DataSubject), EventId>,
    /// Where people decided something, and where it was done.
    pub decisions: Vec<u64>,
    /// What is wrong with these statements: position, what was expected, what was found.
    unsound: Vec<(u64, BucketId, String, String)>,
    /// Entries that state another length than an earlier one for the same sealed bytes.
    at_odds: Vec<(BucketId, u64, u64, u64)>,
}

impl Contents {
    pub fn collect(&mut self, envelope: &Envelope) {
        for reference in &envelope.content {
            let bucket = self.promised.entry(reference.bucket.clone()).or_default();
            let stated = (reference.sealed_bytes, envelope.seq, reference.subject);
            let (length, _, subject) = *bucket.entry(reference.sealed).or_insert(stated);
            if subject != reference.subject {
                self.unsound(envelope.seq, reference, "one key for equal sealed bytes");
            } else if let Some(subject) = subject
                && let Some(seq) = self.erased(&reference.bucket, subject)
            {
                let erased = format!("content under no key that entry {seq} says is destroyed");
                self.unsound(envelope.seq, reference, &erased);
            }
            if length != reference.sealed_bytes && self.at_odds.len() < MAX_FINDINGS {
                let bucket = reference.bucket.clone();
                self.at_odds
                    .push((bucket, envelope.seq, length, reference.sealed_bytes));
            }
        }
        if is_decision(&envelope.event.data) {
            self.decisions.push(envelope.seq);
        }
        match &envelope.event.data {
            Data::RetentionExpired(expired) => {
                self.certificate(envelope, expired);
                let certificate = (envelope.seq, envelope.event.id);
                self.ended
                    .entry(expired.bucket.clone())
                    .or_insert(certificate);
            }
            Data::ErasureExtended(extended) => self.extension(envelope.seq, extended),
            Data::ErasureCompleted(completed) => {
                self.erasure(envelope, completed);
                let key = (completed.bucket.clone(), completed.subject);
                self.erased.entry(key).or_insert(envelope.event.id);
            }
            _ => {}
        }
        let (seq, at) = (envelope.seq, envelope.at);
        self.buckets
            .take(seq, at, &envelope.event, &envelope.content);
    }

    fn erased(&self, bucket: &BucketId, subject: DataSubject) -> Option<u64> {
        self.buckets.get(bucket)?.subjects.get(&subject)?.erased
    }

    fn unsound(&mut self, seq: u64, reference: &ContentRef, expected: &str) {
        if self.unsound.len() < MAX_FINDINGS {
            let found = reference.sealed.to_string();
            let unsound = (seq, reference.bucket.clone(), expected.to_owned(), found);
            self.unsound.push(unsound);
        }
    }

    /// A request reaches what came after it only until it is carried out.
    fn extension(&mut self, seq: u64, extended: &ErasureExtended) {
        let Err(spared) = self.buckets.may_extend(extended) else {
            return;
        };
        if let Some(SubjectKey { bucket, .. }) = extended.keys.first()
            && self.unsound.len() < MAX_FINDINGS
        {
            let expected = "keys that this request may reach".to_owned();
            let unsound = (seq, bucket.clone(), expected, spared.to_string());
            self.unsound.push(unsound);
        }
    }

    /// The same for the certificate of one person's content: it was requested, nothing kept it, and
    /// the figures are those of the entries under this key.
    fn erasure(&mut self, envelope: &Envelope, completed: &ErasureCompleted) {
        let (bucket, subject) = (completed.bucket.clone(), completed.subject);
        let key = SubjectKey { bucket, subject };
        let mut unsound = |expected: String, found: String| {
            if self.unsound.len() < MAX_FINDINGS {
                let unsound = (envelope.seq, key.bucket.clone(), expected, found);
                self.unsound.push(unsound);
            }
        };
        if let Err(spared) = self.buckets.may_erase(completed.erasure, &key) {
            let expected = "content that may be erased".to_owned();
            unsound(expected, spared.to_string());
        }
        let contents = self.promised.get(&key.bucket).into_iter().flatten();
        let theirs = contents.filter(|(_, (_, _, of))| *of == Some(subject));
        let contents = theirs.map(|(digest, (len, ..))| (*digest, *len)).collect();
        let entries = self.buckets.owned(&key).map_or(0, |owned| owned.entries);
        let is = Tally::of(entries, &contents);
        let stated = Tally::from(completed);
        if stated != is {
            unsound(is.to_string(), stated.to_string());
        }
    }

    /// Holds a certificate against what the log said by then: a bucket ends when it is due and
    /// nothing holds it, and the figures are those of the entries.
    fn certificate(&mut self, envelope: &Envelope, expired: &RetentionExpired) {
        let bucket = &expired.bucket;
        let mut unsound = |expected: String, found: String| {
            if self.unsound.len() < MAX_FINDINGS {
                let unsound = (envelope.seq, bucket.clone(), expected, found);
                self.unsound.push(unsound);
            }
        };
        match self.buckets.may_end(bucket, envelope.at) {
            Err(kept) => unsound("a bucket that may end".to_owned(), kept.to_string()),
            Ok((period, due)) => {
                if (period, due) != (expired.period, expired.due) {
                    let found = format!("{}, due {}", expired.period, expired.due);
                    unsound(format!("{period}, due {due}"), found);
                }
            }
        }
        let contents = self.promised.get(bucket).into_iter().flatten();
        let contents = contents
            .map(|(digest, (len, ..))| (*digest, *len))
            .collect();
        let entries = self.buckets.get(bucket).map_or(0, |bucket| bucket.entries);
        let is = Tally::of(entries, &contents);
        let stated = Tally::from(expired);
        if stated != is {
            unsound(is.to_string(), stated.to_string());
        }
    }

    /// Reads every pack. Gives the number of sound contents.
    pub fn check(
        mut self,
        layout: &Layout,
        found: &mut Found,
        step: &mut impl FnMut(u64) -> Result<(), VerifyError>,
    ) -> Result<u64, VerifyError> {
        let mut sound = 0;
        for (bucket, seq, expected, stated) in self.at_odds {
            found.push(Finding {
                check: Check::Content,
                seq: Some(seq),
                file: format!("content/{bucket}"),
                offset: None,
                expected: format!("{expected} bytes, as an earlier entry states"),
                found: stated.to_string(),
            });
        }
        for (seq, bucket, expected, stated) in self.unsound {
            found.push(Finding {
                check: Check::Retention,
                seq: Some(seq),
                file: format!("content/{bucket}"),
                offset: None,
                expected,
                found: stated,
            });
        }
        for (bucket, dir) in buckets(layout, found)? {
            let mut promised = self.promised.remove(&bucket).unwrap_or_default();
            let there = check_bucket(layout, &bucket, &dir, &mut promised, found, step)?;
            if there > 0 && self.ended.contains_key(&bucket) {
                found.notes.push(format!(
                    "content/{bucket}: {there} contents are still there although the bucket has ended; the next start removes what an interrupted end left, `daicho retention run` what came back, and a backup has to be cleared by hand"
                ));
            }
            sound += there;
            self.promised.insert(bucket, promised);
        }
        // A copy for others holds no keys at all; with the log's key all others belong there too.
        let has_keys = layout.log_key().exists();
        for (bucket, promised) in self.promised {
            if let Some((seq, id)) = self.ended.get(&bucket) {
                let (key, marker) = (layout.bucket_key(&bucket), layout.bucket_ending(&bucket));
                destroyed(layout, &key, (*seq, Some(id)), &marker, found);
                continue;
            }
            if has_keys && !layout.bucket_key(&bucket).exists() {
                found.push(Finding {
                    check: Check::Content,
                    seq: self.buckets.get(&bucket).map(|bucket| bucket.first),
                    file: layout.shown(&layout.bucket_key(&bucket)),
                    offset: None,
                    expected: format!("the key of bucket {bucket}"),
                    found: "none, and no retention.expired: its content cannot be read".to_owned(),
                });
            }
            let subjects = self.buckets.get(&bucket).map(|bucket| &bucket.subjects);
            for (subject, owned) in subjects.into_iter().flatten() {
                let path = layout.subject_key(&bucket, subject);
                match owned.erased {
                    Some(seq) => {
                        let id = self.erased.get(&(bucket.clone(), *subject));
                        let marker = layout.subject_erasing(&bucket, subject);
                        destroyed(layout, &path, (seq, id), &marker, found);
                    }
                    None if has_keys && !path.exists() => found.push(Finding {
                        check: Check::Content,
                        seq: Some(owned.first),
                        file: layout.shown(&path),
                        offset: None,
                        expected: format!("the key of one person's content of bucket {bucket}"),
                        found: "none, and no erasure.completed: unauthorised loss".to_owned(),
                    }),
                    None => {}
                }
            }
            let mut missing: Vec<_> = promised.into_iter().collect();
            missing.sort_by_key(|(_, (_, seq, _))| *seq);
            for (digest, (_, seq, _)) in missing {
                found.push(Finding {
                    check: Check::Content,
                    seq: Some(seq),
                    file: format!("content/{bucket}"),
                    offset: None,
                    expected: format!("sealed content {digest}"),
                    found: "none of this digest, and no retention.expired: unauthorised loss"
                        .to_owned(),
                });
            }
        }
        Ok(sound)
    }
}

/// A key is gone once its certificate is recorded, unless what was begun goes on.
fn destroyed(
    layout: &Layout,
    key: &Path,
    (seq, id): (u64, Option<&EventId>),
    marker: &Path,
    found: &mut Found,
) {
    if !key.exists() {
        return;
    }
    let shown = layout.shown(key);
    if id.is_some_and(|id| marker::names(marker, id)) {
        found.notes.push(format!(
            "{shown} is still there although entry {seq} says that it is destroyed: the next start completes what was interrupted"
        ));
    } else if key.exists() {
        // The marker goes after the key, so one that has neither now was destroyed meanwhile.
        found.push(Finding {
            check: Check::Erasure,
            seq: Some(seq),
            file: shown,
            offset: None,
            expected: "no key: the entry says that it is destroyed".to_owned(),
            found:
                "a key that came back, with a copy of keys/ say; `daicho retention run` destroys it"
                    .to_owned(),
        });
    }
}

/// Is this needed to tell who has approved what, and what was done on it?
fn is_decision(data: &Data) -> bool {
    matches!(
        data,
        Data::LedgerCreated(_)
            | Data::UserActivated(_)
            | Data::UserDeactivated(_)
            | Data::PolicyAdopted(_)
            | Data::ApprovalRequested(_)
            | Data::ApprovalGranted(_)
            | Data::ApprovalDenied(_)
            | Data::ApprovalExpired(_)
            | Data::ActionReleased(_)
            | Data::PatchApplied(_)
            | Data::HoldPlaced(_)
            | Data::HoldReleased(_)
            | Data::RetentionExpired(_)
            | Data::ErasureRequested(_)
            | Data::ErasureCompleted(_)
    )
}

fn check_bucket(
    layout: &Layout,
    bucket: &BucketId,
    dir: &Path,
    promised: &mut Promised,
    found: &mut Found,
    step: &mut impl FnMut(u64) -> Result<(), VerifyError>,
) -> Result<u64, VerifyError> {
    let mut seen: HashSet<Hash> = HashSet::new();
    let (mut sound, mut unnamed, mut first_unnamed) = (0, 0, None);
    for path in sorted(dir)? {
        let shown = layout.shown(&path);
        let Some(number) = pack_number(&path) else {
            found.push(stray(shown, "files named <8 digits>.pack"));
            continue;
        };
        let header = pack_header(bucket, number);
        let finding = |check, offset, expected: String, found: String| Finding {
            check,
            seq: None,
            file: shown.clone(),
            offset: Some(offset),
            expected,
            found,
        };
        let mut start = Vec::new();
        let file = std::fs::File::open(&path).map_err(io_at(&path))?;
        file.take(header.len() as u64)
            .read_to_end(&mut start)
            .map_err(io_at(&path))?;
        let sound_before = sound;
        let mut stopped = None;
        let walk = Walk::new(&header).on(&path, |frame| {
            if stopped.is_some() {
                return;
            }
            stopped = step(frame.end() - frame.offset).err();
            let digest = frame.digest;
            if !seen.insert(digest) {
                let expected = "each content once in a bucket".to_owned();
                let again = format!("{digest} again");
                found.push(finding(Check::Content, frame.offset, expected, again));
                return;
            }
            match promised.remove(&digest) {
                Some((length, ..)) if length == frame.sealed_bytes() => sound += 1,
                Some((length, ..)) => {
                    let expected = format!("{length} bytes, as the entry states");
                    let is = frame.sealed_bytes().to_string();
                    found.push(finding(Check::Content, frame.offset, expected, is));
                }
                None => {
                    unnamed += 1;
                    first_unnamed
                        .get_or_insert_with(|| format!("{shown} at byte {}", frame.offset));
                }
            }
        });
        let fault = walk.map_err(io_at(&path))?;
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        // A power loss leaves what never reached the disk to be read as NUL; what an entry names
        // did reach it, and what stands before that in the same file.
        let torn = start.contains(&0) && sound == sound_before;
        if !torn && !header.as_bytes().starts_with(&start) {
            let expected = format!("the header {:?}", header.trim_end());
            found.push(finding(Check::FileName, 0, expected, "another".to_owned()));
        }
        if let Some(fault) = fault {
            found.notes.push(format!(
                "{shown} at byte {}: {} bytes are no whole content: a commit that nobody was told about",
                fault.offset, fault.tail_bytes
            ));
        }
    }
    if let Some(first) = first_unnamed {
        found.notes.push(if promised.is_empty() {
            format!("content/{bucket}: {unnamed} contents that no entry names, the first in {first}: written by a commit that did not finish")
        } else {
            format!("content/{bucket}: {unnamed} contents that no entry names, the first in {first}: what is missing was changed there, or is packed against what was")
        });
    }
    Ok(sound)
}

/// The bucket directories, and findings for what else lies among them.
fn buckets(layout: &Layout, found: &mut Found) -> Result<Vec<(BucketId, PathBuf)>, VerifyError> {
    let mut buckets = Vec::new();
    let root = layout.content();
    if !root.is_dir() {
        return Ok(buckets);
    }
    for class in sorted(&root)? {
        if !class.is_dir() {
            found.push(stray(
                layout.shown(&class),
                "directories named after classes",
            ));
            continue;
        }
        for dir in sorted(&class)? {
            let name = |path: &Path| {
                path.file_name()
                    .map(|n| n.to_string_lossy().into_owned())
                    .unwrap_or_default()
            };
            match format!("{}/{}", name(&class), name(&dir)).parse() {
                Ok(bucket) if dir.is_dir() => buckets.push((bucket, dir)),
                _ => found.push(stray(
                    layout.shown(&dir),
                    "directories named <class>/<YYYY-MM>",
                )),
            }
        }
    }
    Ok(buckets)
}

pub fn total_bytes(layout: &Layout) -> Result<u64, VerifyError> {
    let mut total = 0;
    for (_, dir) in buckets(layout, &mut Found::default())? {
        total += sorted(&dir)?
            .iter()
            .filter_map(|p| std::fs::metadata(p).ok())
            .map(|m| m.len())
            .sum::<u64>();
    }
    Ok(total)
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    let items = std::fs::read_dir(dir).map_err(io_at(dir))?;
    let mut paths: Vec<_> = items
        .map(|item| item.map(|i| i.path()))
        .collect::<Result<_, _>>()
        .map_err(io_at(dir))?;
    paths.sort();
    Ok(paths)
}

fn stray(file: String, expected: &str) -> Finding {
    Finding {
        check: Check::FileName,
        seq: None,
        file,
        offset: None,
        expected: expected.to_owned(),
        found: "another name".to_owned(),
    }
}
