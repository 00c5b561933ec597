//! Files that grow, and exports that are written once. A file is known by the bytes that were
//! taken in, whatever it is called: one that was renamed goes on where it was, one that was begun
//! anew under its old name is another.

use super::Taking;
use crate::masking;
use crate::outcome::Failure;
use agents::ingest::{Batch, FULL_BYTES, Reached};
use agents::masking::{StreamTag, TagKey};
use anyhow::Context;
use ledger::Buckets;
use schemas::kinds::records::{FileReached, SubjectKey};
use schemas::{ContentRef, Label};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Of an export, where its form can be told.
const BEGINNING: u64 = 4_096;

/// How far files of a source have been taken in: places, the tags of all bytes before, and whether
/// an erasure of the person for whom this run takes files in would reach what ends there.
pub struct Known {
    key: TagKey,
    places: BTreeMap<u64, BTreeMap<Label, bool>>,
}

/// What of a file has been taken in.
struct Before {
    bytes: u64,
    tag: StreamTag,
    /// Of these the ones that are not sealed as the person's.
    not_theirs: u64,
}

impl Known {
    pub fn of(taking: &Taking) -> Result<Known, Failure> {
        let theirs = taking.persons_keys()?;
        let buckets = taking.desk.views.buckets.read(Buckets::clone);
        let is_reached = |reference: &ContentRef| {
            let bucket = reference.bucket.clone();
            let key = reference
                .subject
                .map(|subject| SubjectKey { bucket, subject });
            let ended = buckets
                .get(&reference.bucket)
                .is_some_and(|b| b.ended.is_some());
            let erased = |key: &SubjectKey| buckets.owned(key).is_some_and(|o| o.erased.is_some());
            ended || key.is_some_and(|key| erased(&key) || theirs.contains(&key))
        };
        let mut places = BTreeMap::<u64, BTreeMap<Label, bool>>::new();
        for before in taking.before() {
            let (ingested, content) = before?;
            let Some(file) = ingested.file else { continue };
            let is_theirs = content.iter().all(is_reached);
            let tags = places.entry(file.bytes).or_default();
            // Of two parts that end there one may be somebody else's.
            let known = tags.entry(file.tag).or_insert(is_theirs);
            *known &= is_theirs;
        }
        let key = masking::tag_key(taking.desk.reader.layout())?;
        Ok(Known { key, places })
    }

    /// The furthest place of the file up to which it has been taken in.
    fn before(&self, file: &mut File) -> std::io::Result<Before> {
        let (mut tag, mut at) = (self.key.stream(), 0);
        let mut before = Before {
            bytes: 0,
            tag: tag.clone(),
            not_theirs: 0,
        };
        let mut buffer = vec![0; FULL_BYTES];
        for (place, tags) in &self.places {
            while at < *place {
                let most = buffer.len().min((place - at) as usize);
                let count = read(file, &mut buffer[..most])?;
                if count == 0 {
                    return Ok(before);
                }
                tag.update(&buffer[..count]);
                at += count as u64;
            }
            if let Some(is_theirs) = tags.get(&tag.tag()) {
                let more = at - before.bytes;
                let not_theirs = before.not_theirs + if *is_theirs { 0 } else { more };
                before = Before {
                    bytes: at,
                    tag: tag.clone(),
                    not_theirs,
                };
            }
        }
        Ok(before)
    }
}

/// Takes in what a file has beyond what is known of it.
pub fn take(taking: &mut Taking, path: &Path, known: &mut Known) -> Result<(), Failure> {
    let unread = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(unread)?;
    let before = known.before(&mut file).with_context(unread)?;
    let (mut at, mut tag) = (before.bytes, before.tag);
    taking.told.known = at;
    if taking.person.is_some() {
        taking.told.not_theirs = before.not_theirs;
    }
    file.seek(SeekFrom::Start(at)).with_context(unread)?;
    let (mut waiting, mut ended) = (Vec::with_capacity(FULL_BYTES), false);
    while !ended {
        let start = waiting.len();
        waiting.resize(FULL_BYTES, 0);
        let count = fill(&mut file, &mut waiting[start..]).with_context(unread)?;
        waiting.truncate(start + count);
        ended = waiting.len() < FULL_BYTES;
        // Whole lines, where there are any; at the end all there is.
        let lines = waiting.iter().rposition(|byte| *byte == b'\n');
        let lines = lines.map(|end| end + 1);
        let end = match lines {
            Some(end) if !ended => end,
            _ => waiting.len(),
        };
        if end == 0 {
            break;
        }
        let part = &waiting[..end];
        tag.update(part);
        at += part.len() as u64;
        let mut batch = Batch::default();
        batch.take_lines(part, taking.desk.now(), taking.source.zone);
        let reached = FileReached {
            bytes: at,
            tag: tag.tag(),
        };
        let places = known.places.entry(at).or_default();
        places.insert(reached.tag.clone(), taking.person.is_some());
        taking.record(batch, Reached::File(reached))?;
        waiting.drain(..end);
    }
    Ok(())
}

/// A usage export is CSV or JSON in UTF-8: another file was meant, if this is neither.
pub fn is_export(path: &Path) -> Result<(), Failure> {
    let unread = || format!("{} cannot be read", path.display());
    let mut start = Vec::new();
    let file = File::open(path).with_context(unread)?;
    file.take(BEGINNING)
        .read_to_end(&mut start)
        .with_context(unread)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    let start = start.trim_ascii_start();
    let head = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let is_csv = head.iter().any(|b| matches!(b, b',' | b';' | b'\t')) && !head.contains(&0);
    if start.is_empty() || matches!(start[0], b'{' | b'[') || is_csv {
        return Ok(());
    }
    Err(Failure::msg(
        format!("{} is neither CSV nor JSON in UTF-8", path.display()),
        "name the file that the provider's console exported, or take another file in with `daicho ingest file`",
    ))
}

fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match read(file, &mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

fn read(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
