//! The log's own checkpoints, out of what a receiver stored: whoever holds them is a witness.

use super::for_each_line;
use super::stored::{ELEMENT, Line, params};
use ledger::Checkpoint;
use schemas::Data;
use schemas::kinds::ledger::LedgerCheckpoint;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::io::{self, BufRead};

/// More than one, so that a forged line among them does not stand for all.
const NEWEST_CHECKPOINTS: usize = 16;

/// The newest checkpoints among what a receiver stored in daicho's JSON or OCSF, as the signed
/// notes that the log gave. Whether their signatures hold is for whoever checks the log by them.
pub fn checkpoints(file: impl BufRead) -> io::Result<Vec<String>> {
    let mut notes = BTreeSet::new();
    for_each_line(file, |line| {
        if !line.contains("ledger.checkpoint") {
            return;
        }
        let Some((origin, seen)) = checkpoint(line).or_else(|| of_ocsf(line)) else {
            return;
        };
        let text = Checkpoint {
            origin: origin.clone(),
            size: seen.size,
            root: seen.root,
        }
        .to_text();
        let note = format!("{text}\n— {origin} {}\n", seen.signature);
        notes.insert((seen.size, note));
        if notes.len() > NEWEST_CHECKPOINTS {
            notes.pop_first();
        }
    })?;
    Ok(notes.into_iter().map(|(_, note)| note).collect())
}

/// In the entry's own words, with its log's origin.
fn checkpoint(line: &str) -> Option<(String, LedgerCheckpoint)> {
    let (first, behind) = Line::all(line);
    let Line::Stored(stored) = behind.unwrap_or(first) else {
        return None;
    };
    match stored.event?.data {
        Data::LedgerCheckpoint(seen) => Some((stored.chain, seen)),
        _ => None,
    }
}

/// Of an OCSF event, what says what it is of.
#[derive(Deserialize)]
struct Ocsf {
    metadata: Metadata,
    unmapped: Unmapped,
}

#[derive(Deserialize)]
struct Metadata {
    event_code: String,
    log_name: String,
}

#[derive(Deserialize)]
struct Unmapped {
    daicho: Own,
}

#[derive(Deserialize)]
struct Own {
    data: Box<RawValue>,
}

/// The checkpoint that an OCSF event holds, with its log's origin: in a line of its own, or behind
/// our structured data.
fn of_ocsf(line: &str) -> Option<(String, LedgerCheckpoint)> {
    let text = match line.find(ELEMENT) {
        Some(start) if !line.starts_with('{') => params(&line[start..])?.1,
        _ => line,
    };
    let event: Ocsf = serde_json::from_str(text).ok()?;
    let Metadata {
        event_code,
        log_name,
    } = event.metadata;
    match Data::parse(&event_code, event.unmapped.daicho.data.get()) {
        Ok(Data::LedgerCheckpoint(seen)) => Some((log_name, seen)),
        _ => None,
    }
}
