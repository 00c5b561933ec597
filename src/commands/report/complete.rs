//! What an earlier run of the same command has recorded and did not write, or not all of it: it
//! failed then, or was killed. The names that it had taken, `FILE.<number>.part`, say under which ids
//! the log has it.

use super::fetch::{issued, put};
use crate::cli::Cli;
use crate::commands::{read, read_covering};
use crate::count::counted;
use crate::outcome::{Failure, Outcome};
use crate::reports::{IssuedReport, IssuedReports, Places, Soundness, Wish};
use schemas::Hash;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Writes what is missing. `None` where there is nothing to complete.
pub fn run(cli: &Cli, wish: &Wish, paths: &[PathBuf]) -> Result<Option<Outcome>, Failure> {
    let missing = paths.iter().filter(|path| !path.exists());
    let attempts: BTreeSet<u64> = missing.flat_map(|path| Places::left(path)).collect();
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
        let pairs = || paths.iter().zip(documents.iter().copied());
        // A file of something else that has the name stays, and is told like any other.
        let fits = pairs().all(|(path, one)| !path.exists() || is(path, one));
        if documents.len() < paths.len() || !fits {
            continue;
        }
        let left: Vec<_> = pairs().filter(|(path, _)| !path.exists()).collect();
        let names: Vec<PathBuf> = left.iter().map(|(path, _)| path.to_path_buf()).collect();
        let mut places = Places::take(&names, true)?;
        places.are_recorded();
        let newest = left
            .iter()
            .map(|(_, one)| one.seq)
            .max()
            .unwrap_or_default();
        let reader = read_covering(&cli.data, newest)?;
        for (nth, (_, one)) in left.iter().enumerate() {
            put(cli, &reader, one, (&places, nth))?;
        }
        for path in paths {
            // It tells nothing any more.
            let _ = Places::give_up(path, attempt);
        }
        let seqs: Vec<String> = left.iter().map(|(_, one)| one.seq.to_string()).collect();
        eprintln!(
            "written: what an earlier run had recorded as report.issued at {}, of {}. Nothing was issued anew: --force does",
            seqs.join(", "),
            counted(documents.first().map_or(0, |one| one.head), "entry")
        );
        let soundness = Soundness::of(&reader, documents.iter().copied());
        return Ok(Some(soundness.outcome()));
    }
    Ok(None)
}

/// Is this file what the log records there?
fn is(path: &Path, one: &IssuedReport) -> bool {
    let bytes = std::fs::read(path);
    bytes.is_ok_and(|bytes| Hash(Sha256::digest(&bytes).into()) == one.sha256)
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
