//! Transcripts of the time before daicho.

mod lines;

use crate::cli::{Cli, Import as Args};
use crate::count::counted;
use crate::desk::Desk;
use crate::door::append_failed;
use crate::outcome::{Done, Failure, Outcome, say};
use agents::capture::Capture;
use agents::transcript::{File, Import, MOST_BYTES};
use anyhow::Context;
use ledger::{AppendError, Submission};
use lines::{Line, Lines};
use schemas::{Actor, EventId, Hash, Name, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// Lines that are appended together, with at most so many bytes.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 8 << 20;

pub fn run(cli: &Cli, args: &Args) -> Done {
    let Args::Transcript { files, agent, by } = args;
    let importer: Actor = by.parse().context("--by")?;
    let agent: Name = agent.parse().context("--agent")?;
    let desk = Desk::open(&cli.data)?;
    let masker = desk.masker()?;
    let mut known = known(&desk)?;
    let mut outcome = Outcome::Well;
    for path in files {
        let import = Import {
            importer: importer.clone(),
            agent: agent.clone(),
            masker: &masker,
        };
        let mut told = Told::default();
        let read = take(&desk, &import, path, &mut known, &mut told);
        let fault = |failure: Failure| Failure {
            fault: failure.fault.context(format!(
                "{}: imported before: {}",
                path.display(),
                counted(told.imported, "line")
            )),
            ..failure
        };
        told.sha256 = Some(read.map_err(fault)?);
        told.say(cli, path);
        if !told.faults.is_empty() {
            outcome = Outcome::Wrong;
        }
    }
    Ok(outcome)
}

/// What is told of one file.
#[derive(Default)]
struct Told {
    lines: u64,
    imported: u64,
    known: u64,
    sessions: BTreeSet<String>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Line and reason; never what stands there.
    faults: Vec<(u64, String)>,
    sha256: Option<Hash>,
}

impl Told {
    fn say(&self, cli: &Cli, path: &Path) {
        for (line, why) in &self.faults {
            eprintln!("{}:{line}: {why}", path.display());
        }
        let sessions: Vec<&String> = self.sessions.iter().collect();
        if cli.json {
            let fault = |(line, why): &(u64, String)| json!({ "line": line, "why": why });
            let told = json!({
                "file": path.display().to_string(), "sha256": self.sha256,
                "lines": self.lines, "imported": self.imported, "known": self.known,
                "sessions": sessions, "first": self.first, "last": self.last,
                "faults": self.faults.iter().map(fault).collect::<Vec<_>>(),
            });
            say!("{told}");
            return;
        }
        let time = |at: Option<Timestamp>| at.map_or("?".to_owned(), |at| at.to_string());
        say!(
            "{}: {} of {}, {} to {}: {} imported, {} known before, {} no lines of a transcript",
            path.display(),
            counted(self.lines, "line"),
            counted(sessions.len(), "session"),
            time(self.first),
            time(self.last),
            self.imported,
            self.known,
            self.faults.len()
        );
    }
}

/// Lines that the log holds already.
fn known(desk: &Desk) -> Result<BTreeSet<EventId>, Failure> {
    let positions = desk
        .views
        .positions
        .read(|p| p.of_kind("transcript.imported"));
    let mut known = BTreeSet::new();
    for seq in positions {
        known.insert(desk.reader.entry(seq)?.id());
    }
    Ok(known)
}

/// Takes in one file, line by line. Gives its digest.
fn take(
    desk: &Desk,
    import: &Import<'_>,
    path: &Path,
    known: &mut BTreeSet<EventId>,
    told: &mut Told,
) -> Result<Hash, Failure> {
    let file =
        std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut lines = Lines::new(file, MOST_BYTES);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(line) = lines
        .next()
        .with_context(|| format!("{} cannot be read", path.display()))?
    {
        told.lines += 1;
        let line = match line {
            Line::Whole(bytes) => Capture::new(bytes),
            Line::TooLong => {
                let why = format!(
                    "more than {MOST_BYTES} bytes: not imported; only the file's digest has it"
                );
                told.faults.push((lines.number(), why));
                continue;
            }
        };
        let (submission, fault) = import.line(&line);
        if let Some(fault) = fault {
            let why = format!("{fault}; kept as text");
            told.faults.push((lines.number(), why));
        }
        let event = &submission.event;
        told.sessions
            .extend(event.session.as_ref().map(ToString::to_string));
        told.first = told
            .first
            .or(event.occurred)
            .min(event.occurred.or(told.first));
        told.last = told.last.max(event.occurred);
        if !known.insert(event.id) {
            told.known += 1;
            continue;
        }
        bytes += line.len_bytes() as usize;
        batch.push(submission);
        if batch.len() == BATCH || bytes > BATCH_BYTES {
            append(desk, std::mem::take(&mut batch), told)?;
            bytes = 0;
        }
    }
    append(desk, batch, told)?;
    let sha256 = lines.sha256();
    let file = import.file(&File {
        lines: told.lines,
        sha256,
        first: told.first,
        last: told.last,
    });
    if told.lines > 0 {
        append_once(desk, vec![file])?;
    }
    Ok(sha256)
}

fn append(desk: &Desk, batch: Vec<Submission>, told: &mut Told) -> Result<(), Failure> {
    let all = batch.len() as u64;
    let new = append_once(desk, batch)?;
    told.imported += new;
    told.known += all - new;
    Ok(())
}

/// Leaves out what another import has recorded meanwhile. Gives how many are new.
fn append_once(desk: &Desk, mut batch: Vec<Submission>) -> Result<u64, Failure> {
    while !batch.is_empty() {
        match desk.door.append(batch.clone()) {
            Ok(receipts) => return Ok(receipts.iter().filter(|receipt| receipt.new).count() as u64),
            Err(AppendError::Conflict { id, .. }) => batch.retain(|one| one.event.id != id),
            Err(error) => return Err(append_failed(error)),
        }
    }
    Ok(0)
}
