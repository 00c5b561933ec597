//! The walk over every line: form, position, chain, time, signature.

use super::checkpoints::Promises;
use super::contents::Contents;
use super::keys::{Keys, other_key};
use super::lines::{Checked, Chunk, Signatures, body_of, check_lines};
use super::tokens::Tokens;
use super::{Check, Finding, Found, Trust, VerifyError, Walked, io_at};
use crate::layout::{Layout, LogFiles};
use crate::note::VerifierKey;
use crate::ordered::Ordered;
use crate::scan::{LogLines, Piece};
use crate::tree::Frontier;
use schemas::kinds::ledger::LedgerRecovered;
use schemas::{Data, Envelope, Hash, Label, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// The key that entry 0 names.
pub fn founding_key(
    layout: &Layout,
    trust: &Trust,
    found: &mut Found,
) -> Result<Option<VerifierKey>, VerifyError> {
    let path = layout.log_file(0);
    let named = match LogLines::open(&path) {
        Ok(mut lines) => match lines.next_piece().map_err(io_at(&path))? {
            Some(Piece::Line { line, .. }) => named_key(line),
            _ => None,
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_at(&path)(error)),
    };
    if named.is_none() {
        let expected = trust.vkey.as_ref().map(ToString::to_string);
        let expected = expected.unwrap_or("ledger.created with a sound vkey".to_owned());
        found.push(other_key(
            layout.shown(&path),
            expected,
            "no sound key".to_owned(),
        ));
    }
    Ok(named)
}

fn named_key(line: &[u8]) -> Option<VerifierKey> {
    // The body alone: a signature that cannot be read is a finding of its own.
    let body = body_of(line);
    match Envelope::from_body(body).ok()?.event.data {
        Data::LedgerCreated(created) => {
            let key: VerifierKey = created.vkey.as_str().parse().ok()?;
            (key.name() == created.origin.as_str()).then_some(key)
        }
        _ => None,
    }
}

pub fn total_bytes(layout: &Layout) -> Result<u64, VerifyError> {
    let LogFiles { files, .. } = layout.log_files().map_err(io_at(&layout.log()))?;
    Ok(files
        .iter()
        .filter_map(|(_, path)| std::fs::metadata(path).ok())
        .map(|m| m.len())
        .sum())
}

/// State carried from entry to entry.
struct Walk<'a> {
    keys: &'a mut Keys,
    signatures: Arc<Signatures>,
    promises: &'a mut Promises,
    contents: &'a mut Contents,
    tokens: &'a mut Tokens,
    found: &'a mut Found,
    frontier: Frontier,
    expected_seq: u64,
    prev: Hash,
    newest: Timestamp,
    /// A tail of the file before, still to be accounted for by the next entry.
    tail: Option<(LedgerRecovered, u64)>,
}

pub fn walk(
    layout: &Layout,
    keys: &mut Keys,
    promises: &mut Promises,
    contents: &mut Contents,
    tokens: &mut Tokens,
    found: &mut Found,
    step: &mut impl FnMut(u64) -> Result<(), VerifyError>,
) -> Result<Walked, VerifyError> {
    let LogFiles { files, strays } = layout.log_files().map_err(io_at(&layout.log()))?;
    for stray in &strays {
        let shown = layout.shown(stray);
        if stray.file_name().is_some_and(|name| name == "new") {
            found.notes.push(format!(
                "{shown}: a commit in the making, or one that nobody was told about; the next start removes it"
            ));
        } else {
            found.push(file_name(
                shown,
                "files named <20 digits>.ndjson".to_owned(),
                "another name".to_owned(),
            ));
        }
    }
    let log_bytes = total_bytes(layout)?;
    let mut walk = Walk {
        signatures: Arc::new(Signatures::under(keys.newest(), log_bytes)),
        keys,
        promises,
        contents,
        tokens,
        found,
        frontier: Frontier::default(),
        expected_seq: 0,
        prev: Hash::ZERO,
        newest: Timestamp::default(),
        tail: None,
    };
    let count = files.len() as u64;
    for (i, (first_seq, path)) in files.iter().enumerate() {
        let next = files.get(i + 1).map(|(_, path)| path.as_path());
        walk.file(layout, *first_seq, path, next, step)?;
    }
    if let Some((tail, position)) = walk.tail.take() {
        let shown = format!(
            "{} at byte {}: {} bytes",
            tail.file, tail.offset, tail.tail_bytes
        );
        // Which of the two it is only the lock could tell, and a reader that takes it, even
        // shared and for a moment, makes a starting writer fail.
        walk.found.notes.push(format!(
            "{shown} are no entry: entry {position} is being written, or was cut off before anybody was told of it and the next start accounts for it"
        ));
    }
    Ok(Walked {
        frontier: walk.frontier,
        newest: walk.newest,
        files: count,
    })
}

fn file_name(file: String, expected: String, found: String) -> Finding {
    Finding {
        check: Check::FileName,
        seq: None,
        file,
        offset: None,
        expected,
        found,
    }
}

impl Walk<'_> {
    fn file(
        &mut self,
        layout: &Layout,
        first_seq: u64,
        path: &Path,
        next: Option<&Path>,
        step: &mut impl FnMut(u64) -> Result<(), VerifyError>,
    ) -> Result<(), VerifyError> {
        let shown = layout.shown(path);
        if first_seq != self.expected_seq {
            let expected = format!("{:020}.ndjson", self.expected_seq);
            self.found.push(file_name(
                shown.clone(),
                expected,
                format!("{first_seq:020}.ndjson"),
            ));
        }
        let mut lines = LogLines::open_before(path, &shown, next).map_err(io_at(path))?;
        let (mut checks, mut spare) = (Ordered::new(), Vec::<Chunk>::new());
        let (mut place, covered) = (self.expected_seq, self.promises.largest);
        let mut any = false;
        let (mut ended, mut rotates) = (false, false);
        loop {
            if !ended && !rotates {
                let mut chunk = spare.pop().unwrap_or_default();
                let durable = |place| next.is_some() || place < covered;
                ended = chunk
                    .fill(&mut lines, &mut place, durable)
                    .map_err(io_at(path))?;
                // What follows may be signed by another key, which is known when this is checked.
                rotates = chunk.rotates;
                let signatures = Arc::clone(&self.signatures);
                checks.give(move || (check_lines(&mut chunk, &signatures), chunk));
                if !checks.is_full() && !rotates {
                    continue;
                }
            }
            let Some((checked, chunk)) = checks.take() else {
                break;
            };
            rotates &= !chunk.rotates;
            if let Some(more) = self.signatures.after(chunk.bytes.len() as u64) {
                self.signatures = Arc::new(more);
            }
            any |= !checked.is_empty();
            for item in checked {
                self.entry(&shown, item);
            }
            step(chunk.bytes.len() as u64)?;
            if let Some((offset, tail_bytes, tail_sha256)) = chunk.tail {
                let file = Label::lossy(&shown);
                self.tail = Some((
                    LedgerRecovered {
                        file,
                        offset,
                        tail_bytes,
                        tail_sha256,
                    },
                    self.expected_seq,
                ));
            }
            spare.push(chunk);
        }
        if !any {
            let none = "no whole line".to_owned();
            self.found.push(file_name(
                shown,
                "at least one entry in a file".to_owned(),
                none,
            ));
        }
        Ok(())
    }

    /// Holds one entry against its place.
    fn entry(&mut self, file: &str, checked: Checked) {
        let place = self.expected_seq;
        let offset = checked.offset;
        let finding = |check, seq, expected: String, found: String| Finding {
            check,
            seq: Some(seq),
            file: file.to_owned(),
            offset: Some(offset),
            expected,
            found,
        };
        let tail = self.tail.take();
        match checked.envelope {
            Err((check, reason)) => {
                self.found.push(finding(
                    check,
                    place,
                    "an entry of this format".to_owned(),
                    reason,
                ));
                if let Some(tail) = tail {
                    self.unaccounted(tail);
                }
                self.expected_seq = place + 1;
            }
            Ok(envelope) => {
                let seq = envelope.seq;
                if seq != place {
                    self.found.push(finding(
                        Check::Seq,
                        place,
                        place.to_string(),
                        seq.to_string(),
                    ));
                }
                if envelope.prev != self.prev {
                    self.found.push(finding(
                        Check::Chain,
                        seq,
                        self.prev.to_string(),
                        envelope.prev.to_string(),
                    ));
                }
                if envelope.at < self.newest {
                    let expected = format!("not before {}", self.newest);
                    self.found
                        .push(finding(Check::Time, seq, expected, envelope.at.to_string()));
                }
                if checked.signed {
                    self.keys.has_signed(self.frontier.size());
                } else {
                    let expected =
                        "an Ed25519 signature of the log's key over this body".to_owned();
                    self.found.push(finding(
                        Check::Signature,
                        seq,
                        expected,
                        "one that does not hold".to_owned(),
                    ));
                }
                match (tail, &envelope.event.data) {
                    (Some((tail, _)), Data::LedgerRecovered(recovered)) if *recovered == tail => {}
                    (Some(tail), _) => self.unaccounted(tail),
                    (None, Data::LedgerRecovered(_)) => {
                        let expected = "a torn tail before it, as it states".to_owned();
                        self.found
                            .push(finding(Check::Tail, seq, expected, "none".to_owned()));
                    }
                    (None, _) => {}
                }
                self.contents.collect(&envelope);
                self.tokens.pass(self.frontier.size() + 1, &envelope);
                if let Data::LedgerCheckpoint(checkpoint) = &envelope.event.data {
                    self.promises.check_entry(
                        &self.frontier,
                        checkpoint,
                        self.keys,
                        |check, expected, found| {
                            self.found.push(finding(check, seq, expected, found));
                        },
                    );
                }
                // Nobody but the key in force names the next one.
                if let Data::KeyRotated(rotated) = &envelope.event.data
                    && checked.signed
                {
                    if let Err(fault) = self.keys.rotate(self.frontier.size(), rotated) {
                        let expected = "a sound key of this log's origin, used for the first time";
                        self.found.push(finding(
                            Check::Key,
                            seq,
                            expected.to_owned(),
                            fault.to_string(),
                        ));
                    }
                    self.signatures = Arc::new(Signatures::under(self.keys.newest(), 0));
                }
                self.newest = self.newest.max(envelope.at);
                // After a gap the walk goes on from what is there: one gap is one finding.
                self.expected_seq = seq.saturating_add(1);
            }
        }
        self.prev = checked.leaf;
        self.frontier.push(checked.leaf);
        self.promises.pass(&self.frontier, checked.leaf, self.keys);
    }

    fn unaccounted(&mut self, (tail, position): (LedgerRecovered, u64)) {
        self.found.push(Finding {
            check: Check::Tail,
            seq: Some(position),
            file: tail.file.to_string(),
            offset: Some(tail.offset),
            expected: "the end of the file, or ledger.recovered as the next entry".to_owned(),
            found: format!("{} bytes that are no entry", tail.tail_bytes),
        });
    }
}
