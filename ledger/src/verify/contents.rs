//! Sealed content held against the entries that commit to it. Needs no key.

use super::{Check, Finding, Found, MAX_FINDINGS, VerifyError, io_at};
use crate::content::{Walk, pack_header, pack_number};
use crate::layout::Layout;
use schemas::{BucketId, Data, Envelope, Hash};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What entries say of one bucket: digest → length and the first position that names it.
type Promised = HashMap<Hash, (u64, u64)>;

#[derive(Default)]
pub struct Contents {
    buckets: BTreeMap<BucketId, Promised>,
    /// Buckets whose end an entry states.
    ended: HashSet<BucketId>,
    /// Entries that state another length than an earlier one for the same sealed bytes.
    at_odds: Vec<(BucketId, u64, u64, u64)>,
}

impl Contents {
    pub fn collect(&mut self, envelope: &Envelope) {
        for reference in &envelope.content {
            let bucket = self.buckets.entry(reference.bucket.clone()).or_default();
            let stated = (reference.sealed_bytes, envelope.seq);
            let (length, _) = *bucket.entry(reference.sealed).or_insert(stated);
            if length != reference.sealed_bytes && self.at_odds.len() < MAX_FINDINGS {
                let bucket = reference.bucket.clone();
                self.at_odds
                    .push((bucket, envelope.seq, length, reference.sealed_bytes));
            }
        }
        if let Data::RetentionExpired(expired) = &envelope.event.data {
            self.ended.insert(expired.bucket.clone());
        }
    }

    /// Reads every pack. Gives the number of sound contents.
    pub fn check(
        mut self,
        layout: &Layout,
        found: &mut Found,
        step: &mut impl FnMut(u64),
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
        for (bucket, dir) in buckets(layout, found)? {
            let mut promised = self.buckets.remove(&bucket).unwrap_or_default();
            sound += check_bucket(layout, &bucket, &dir, &mut promised, found, step)?;
            self.buckets.insert(bucket, promised);
        }
        for (bucket, promised) in self.buckets {
            if self.ended.contains(&bucket) {
                continue;
            }
            let mut missing: Vec<_> = promised.into_iter().collect();
            missing.sort_by_key(|(_, (_, seq))| *seq);
            for (digest, (_, seq)) in missing {
                found.push(Finding {
                    check: Check::Content,
                    seq: Some(seq),
                    file: format!("content/{bucket}"),
                    offset: None,
                    expected: format!("sealed content {digest}"),
                    found: "none of this digest, and no retention.expired".to_owned(),
                });
            }
        }
        Ok(sound)
    }
}

fn check_bucket(
    layout: &Layout,
    bucket: &BucketId,
    dir: &Path,
    promised: &mut Promised,
    found: &mut Found,
    step: &mut impl FnMut(u64),
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
        let walk = Walk::new(&header).on(&path, |frame| {
            step(frame.end() - frame.offset);
            let digest = frame.digest;
            if !seen.insert(digest) {
                let expected = "each content once in a bucket".to_owned();
                let again = format!("{digest} again");
                found.push(finding(Check::Content, frame.offset, expected, again));
                return;
            }
            match promised.remove(&digest) {
                Some((length, _)) if length == frame.sealed_bytes() => sound += 1,
                Some((length, _)) => {
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
