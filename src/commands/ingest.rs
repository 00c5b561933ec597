//! Logs of other systems that are taken in by hand or by a timer: files, and git's history. How
//! far each has come is told by the log itself, so a repetition takes in what is new.

mod file;
mod git;

use crate::cli::{Cli, Ingest as Args};
use crate::commands::consent;
use crate::config;
use crate::count::counted;
use crate::desk::Desk;
use crate::door::append_failed;
use crate::masking::Guard;
use crate::outcome::{Done, Failure, Outcome, say};
use agents::ingest::{Batch, Reached, Source};
use ledger::{Buckets, ReadError};
use schemas::kinds::records::{LogIngested, SubjectKey};
use schemas::{Class, ContentRef, Data, Name};
use serde_json::json;

pub fn run(cli: &Cli, args: &Args) -> Done {
    let desk = Desk::open(&cli.data)?;
    let (name, class) = match args {
        Args::Git { source, .. } => (source, Some(Class::change())),
        Args::Usage { source, .. } => (source, Some(Class::api())),
        Args::File { source, .. } => (source, None),
    };
    let person = match args {
        Args::File { person, .. } | Args::Usage { person, .. } => person.as_deref(),
        Args::Git { .. } => None,
    };
    let person = person.map(|person| consent::person(person, &desk.config));
    let mut taking = Taking {
        person: person.transpose()?,
        guard: Guard::of_this_host(desk.masker()?),
        source: config::ingest::source(&desk.config.ingest, name, class)?,
        desk,
        told: Told::default(),
    };
    match args {
        Args::Git { repo, all, .. } => {
            let notes = git::take(&mut taking, repo, *all)?;
            taking.say(cli, &repo.display().to_string(), "commits", &notes);
        }
        Args::File { files, .. } | Args::Usage { files, .. } => {
            let mut known = file::Known::of(&taking)?;
            for path in files {
                if matches!(args, Args::Usage { .. }) {
                    file::is_export(path)?;
                }
                file::take(&mut taking, path, &mut known)?;
                taking.say(cli, &path.display().to_string(), "lines", &[]);
                taking.told = Told::default();
            }
        }
    }
    Ok(Outcome::Well)
}

/// One run over one source.
struct Taking {
    desk: Desk,
    source: Source,
    guard: Guard,
    /// Whose all of it is.
    person: Option<Name>,
    told: Told,
}

/// What is told of one file or repository.
#[derive(Default)]
struct Told {
    entries: u64,
    lines: u64,
    bytes: u64,
    /// Bytes, or commits, that had been taken in before.
    known: u64,
    /// Of these bytes that are not sealed as the person's whom `--person` names.
    not_theirs: u64,
}

impl Taking {
    fn record(&mut self, batch: Batch, reached: Reached) -> Result<(), Failure> {
        let (lines, bytes) = (batch.lines(), batch.len_bytes());
        let is_private = |text: &str| self.guard.rule(text).is_some();
        let mut part = batch.into_part(&self.source, reached, is_private);
        part.person = self.person.clone();
        let receipts = self.desk.door.append(vec![part]).map_err(|error| {
            let failure = append_failed(error);
            let before = format!("recorded before: {}", counted(self.told.entries, "entry"));
            Failure {
                fault: failure.fault.context(before),
                ..failure
            }
        })?;
        // Another run may have been faster, with the same part.
        if receipts.iter().any(|receipt| receipt.new) {
            self.told.entries += 1;
            self.told.lines += lines;
            self.told.bytes += bytes;
        }
        Ok(())
    }

    /// Under which keys content is the person's.
    fn persons_keys(&self) -> Result<Vec<SubjectKey>, Failure> {
        let Some(person) = &self.person else {
            return Ok(Vec::new());
        };
        let buckets = self.desk.views.buckets.read(Buckets::clone);
        let keys = self
            .desk
            .reader
            .keys_of(&buckets, person)
            .map_err(|error| Failure::new(error, "make keys/content readable to this program"))?;
        Ok(keys.theirs)
    }

    /// What was taken in of this source, the newest first.
    fn before(
        &self,
    ) -> impl Iterator<Item = Result<(LogIngested, Vec<ContentRef>), ReadError>> + '_ {
        let positions = &self.desk.views.positions;
        let positions = positions.read(|positions| positions.of_kind("log.ingested"));
        let entries = positions.into_iter().rev();
        entries.filter_map(|seq| match self.desk.reader.entry(seq) {
            Ok(entry) => match entry.data() {
                Data::LogIngested(data) if data.source == self.source.name => {
                    Some(Ok((data.clone(), entry.content().to_vec())))
                }
                _ => None,
            },
            Err(error) => Some(Err(error)),
        })
    }

    fn say(&self, cli: &Cli, from: &str, what: &str, notes: &[String]) {
        let (source, told) = (&self.source, &self.told);
        if cli.json {
            let told = json!({
                "from": from, "source": source.name, "class": source.class, what: told.lines,
                "bytes": told.bytes, "entries": told.entries, "known": told.known,
                "not_theirs": told.not_theirs, "notes": notes,
            });
            say!("{told}");
            self.say_not_theirs(from);
            return;
        }
        let known = if what == "lines" { "bytes" } else { what };
        say!(
            "{from}: {} of {} in {} of class {}; {} {known} known before",
            counted(told.lines, what.trim_end_matches('s')),
            counted(told.bytes, "byte"),
            counted(told.entries, "entry"),
            source.class,
            told.known
        );
        for note in notes {
            eprintln!("note: {note}");
        }
        self.say_not_theirs(from);
    }

    /// Whoever asks for the person's erasure would look for it in vain.
    fn say_not_theirs(&self, from: &str) {
        let (bytes, class) = (self.told.not_theirs, &self.source.class);
        if bytes > 0 {
            eprintln!(
                "warning: {bytes} bytes of {from} were taken in before, and not as this person's: an erasure \
                 does not reach them, they go when their bucket of class {class} ends (`daicho retention plan` \
                 says when). What is new is the person's from here on"
            );
        }
    }
}
