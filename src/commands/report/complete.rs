//! What an earlier run of the same command has recorded and did not write: it failed then, or was
//! killed. The name that it had taken, `FILE.<number>.part`, says under which ids the log has it.

use super::fetch::issued;
use crate::cli::Cli;
use crate::commands::read;
use crate::config::Config;
use crate::outcome::{Failure, Outcome};
use crate::reports::{IssuedReport, IssuedReports, Places, Soundness, Wish, again, sign};
use ledger::Layout;
use std::path::PathBuf;

/// Writes it. `None` where there is nothing to complete.
pub fn run(cli: &Cli, wish: &Wish, paths: &[PathBuf]) -> Result<Option<Outcome>, Failure> {
    let Some(first) = paths.first().filter(|path| !path.exists()) else {
        return Ok(None);
    };
    let attempts = Places::left(first);
    if attempts.is_empty() {
        return Ok(None);
    }
    let reader = read(&cli.data)?;
    let all = issued(&reader)?;
    for attempt in attempts {
        let wish = Wish {
            attempt: Some(attempt),
            ..wish.clone()
        };
        let documents = recorded(&wish, &all);
        if documents.len() < paths.len() {
            continue;
        }
        let config = Config::load(&Layout::new(&cli.data))?.report;
        let mut places = Places::take(paths, true)?;
        places.are_recorded();
        for (nth, one) in documents.iter().enumerate() {
            let bytes = again(&reader, one, &config)?;
            places.fill(nth, &bytes, &sign::proof(&reader, one.seq)?, None)?;
        }
        for path in paths {
            // It tells nothing any more.
            let _ = Places::give_up(path, attempt);
        }
        let seqs: Vec<String> = documents.iter().map(|one| one.seq.to_string()).collect();
        eprintln!(
            "written: what an earlier run had recorded as report.issued at {}, of {} entries. Nothing was issued anew: --force does",
            seqs.join(", "),
            documents.first().map_or(0, |one| one.head)
        );
        let soundness = Soundness::of(&reader, documents.iter().copied());
        return Ok(Some(soundness.outcome()));
    }
    Ok(None)
}

/// Does the log have any of it? Not known is taken for yes: a name that stays taken costs nothing.
pub fn is_recorded(cli: &Cli, wish: &Wish) -> bool {
    let all = read(&cli.data).and_then(|reader| issued(&reader));
    all.map_or(true, |all| !recorded(wish, &all).is_empty())
}

fn recorded<'i>(wish: &Wish, all: &'i IssuedReports) -> Vec<&'i IssuedReport> {
    let documents = wish.documents().into_iter();
    let ids = documents.filter_map(|(form, language)| wish.id(form, language));
    ids.filter_map(|id| all.of_id(id)).collect()
}
