//! Which checkpoint a bundle proves its entries by: there is one in it.

use super::write_failed;
use crate::outcome::Failure;
use anyhow::Context;
use exporters::bundle::WriteError;
use ledger::timestamp::pairs;
use ledger::{Checkpoint, Reader};
use std::cmp::Reverse;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::Path;

/// A signed note of this log, and what an authority answered about its bytes.
pub struct Signed {
    pub size: u64,
    pub note: Vec<u8>,
    pub token: Option<Vec<u8>>,
}

impl Signed {
    /// `None` where the log, as it is now, is not the one that this is about.
    fn read(reader: &Reader, note: Vec<u8>, token: Option<Vec<u8>>) -> Option<Signed> {
        let Checkpoint { size, root, .. } = reader.keys().open(&note).ok()?;
        let same = size <= reader.covered() && reader.root_at(size).ok()? == root;
        same.then_some(Signed { size, note, token })
    }

    /// How many others stand for it; among equals a time stamp says more, and the older more
    /// than the newer one.
    fn worth(&self) -> (u8, bool, Reverse<u64>) {
        let signatures = self.note.split(|byte| *byte == b'\n');
        let signatures = signatures.filter(|line| line.starts_with("— ".as_bytes()));
        let (cosigned, stamped) = (signatures.count() > 1, self.token.is_some());
        let others = u8::from(cosigned) + u8::from(stamped);
        (others, stamped, Reverse(self.size))
    }
}

/// The one that the auditor has kept.
pub fn brought(reader: &Reader, path: &Path) -> Result<Signed, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let note = read(path)?;
    let Ok(Checkpoint { size, .. }) = reader.keys().open(&note) else {
        return Err(Failure::msg(
            format!("{} is no checkpoint of this log", path.display()),
            "give the file that the auditor kept, a note that the log's key signed",
        ));
    };
    let mut stamped = stamped(reader, size..=size)?.into_iter();
    let token = stamped
        .find(|one| one.note == note)
        .and_then(|one| one.token);
    Signed::read(reader, note, token).ok_or_else(|| write_failed(WriteError::OtherLog { size }))
}

/// Of those that cover this entry the one for which the most others stand.
pub fn best(reader: &Reader, last: u64) -> Result<Signed, Failure> {
    let covering = last.saturating_add(1)..=u64::MAX;
    let mut all = stamped(reader, covering.clone())?;
    match std::fs::read(reader.layout().cosigned()) {
        Ok(note) => all.extend(Signed::read(reader, note, None)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::from(error)),
    }
    let newest = reader.checkpoint().to_string().into_bytes();
    all.extend(Signed::read(reader, newest, None));
    let covering = all.into_iter().filter(|one| covering.contains(&one.size));
    let best = covering.max_by_key(Signed::worth);
    best.ok_or_else(|| {
        Failure::msg(
            format!("no checkpoint covers entry {last}"),
            "run `daicho verify`",
        )
    })
}

/// Those of these sizes that an authority has stamped.
fn stamped(reader: &Reader, sizes: RangeInclusive<u64>) -> Result<Vec<Signed>, Failure> {
    let mut all = Vec::new();
    let pairs = pairs(reader.layout())?.whole.into_iter();
    for pair in pairs.filter(|pair| sizes.contains(&pair.size)) {
        let (note, (token, _)) = (std::fs::read(&pair.checkpoint)?, pair.read()?);
        all.extend(Signed::read(reader, note, Some(token)));
    }
    Ok(all)
}
