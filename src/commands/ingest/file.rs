//! Files that grow, and exports that are written once. A file is known by the bytes that were
//! taken in, whatever it is called: one that was renamed goes on where it was, one that was begun
//! anew under its old name is another.

use super::Taking;
use crate::masking;
use crate::outcome::Failure;
use agents::ingest::{Batch, FULL_BYTES, Reached};
use agents::masking::{StreamTag, TagKey};
use anyhow::Context;
use schemas::Label;
use schemas::kinds::records::FileReached;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Of an export, where its form can be told.
const BEGINNING: u64 = 4_096;

/// How far files of a source have been taken in: places, and the tags of all bytes before.
pub struct Known {
    key: TagKey,
    places: BTreeMap<u64, BTreeSet<Label>>,
}

impl Known {
    pub fn of(taking: &Taking) -> Result<Known, Failure> {
        let mut places = BTreeMap::<u64, BTreeSet<Label>>::new();
        for ingested in taking.before() {
            if let Some(file) = ingested?.file {
                places.entry(file.bytes).or_default().insert(file.tag);
            }
        }
        let key = masking::tag_key(taking.desk.reader.layout())?;
        Ok(Known { key, places })
    }

    /// The furthest place of the file up to which it has been taken in, and its tag there.
    fn reached(&self, file: &mut File) -> std::io::Result<(u64, StreamTag)> {
        let (mut tag, mut at) = (self.key.stream(), 0);
        let mut reached = (0, tag.clone());
        let mut buffer = vec![0; FULL_BYTES];
        for (place, tags) in &self.places {
            while at < *place {
                let most = buffer.len().min((place - at) as usize);
                let count = read(file, &mut buffer[..most])?;
                if count == 0 {
                    return Ok(reached);
                }
                tag.update(&buffer[..count]);
                at += count as u64;
            }
            if tags.contains(&tag.tag()) {
                reached = (at, tag.clone());
            }
        }
        Ok(reached)
    }
}

/// Takes in what a file has beyond what is known of it.
pub fn take(taking: &mut Taking, path: &Path, known: &mut Known) -> Result<(), Failure> {
    let unread = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(unread)?;
    let (mut at, mut tag) = known.reached(&mut file).with_context(unread)?;
    taking.told.known = at;
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
        places.insert(reached.tag.clone());
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
