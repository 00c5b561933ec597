mod checkpoint;

use crate::cli::{Bundle, Cli};
use crate::commands::events::filter;
use crate::commands::read;
use crate::door::{Door, append_failed};
use crate::files;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use anyhow::Context;
use exporters::bundle::{Released, Report, Trust, Wanted, WriteError, check, write};
use ledger::Reader;
use ledger::query::find;
use schemas::Name;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

pub fn run(cli: &Cli, args: &Bundle) -> Done {
    if args.output.exists() {
        return Err(Failure::msg(
            format!("{} exists already", args.output.display()),
            "name another file; a bundle is never written over",
        ));
    }
    let releases = args
        .release
        .iter()
        .map(|text| release(text))
        .collect::<Result<BTreeSet<_>, _>>()?;
    let reader = read(&cli.data)?;
    let mut wanted = wanted(&reader, args)?;
    for (seq, _) in &releases {
        if !wanted.positions.contains(seq) {
            return Err(Failure::msg(
                format!("--release {seq}: entry {seq} is not among the chosen entries"),
                "choose it too, or leave its content out",
            ));
        }
    }
    wanted.released = reveal(cli, &reader, &releases)?;
    let zip = write(&reader, &wanted).map_err(write_failed)?;
    // Nobody gets what does not prove itself.
    let trust = Trust {
        vkey: Some(reader.key_in_force()),
        ..Trust::default()
    };
    let report = check(&zip, &trust);
    if !report.is_sound() {
        return Err(Failure::msg(
            format!(
                "the ledger does not prove these entries: {}",
                report.wrong.join("; ")
            ),
            "run `daicho verify`",
        ));
    }
    files::create(&args.output, &zip)
        .with_context(|| format!("{} cannot be written", args.output.display()))?;
    tell(cli, args, &report, &zip);
    Ok(Outcome::Well)
}

fn tell(cli: &Cli, args: &Bundle, report: &Report, zip: &[u8]) {
    let digest = hex::encode(Sha256::digest(zip));
    if cli.json {
        let told = serde_json::json!({
            "file": args.output, "bytes": zip.len(), "sha256": digest, "entries": report.entries,
            "positions": report.positions, "size": report.size, "root": report.root, "keys": report.keys,
        });
        return say!("{told}");
    }
    say!(
        "entries      {} ({})",
        report.entries,
        report.brief_positions()
    );
    say!("checkpoint   of size {}", report.size);
    say!("sha256       {digest}");
    say!(
        "written and checked: {}, {} bytes",
        args.output.display(),
        zip.len()
    );
}

/// Everything but the content: it is opened when all else is known to be there.
fn wanted(reader: &Reader, args: &Bundle) -> Result<Wanted, Failure> {
    let mut filter = filter(&args.filter)?;
    let brought = args.checkpoint.as_deref();
    let brought = brought.map(|path| checkpoint::brought(reader, path));
    let brought = brought.transpose()?;
    let covered = brought.as_ref().map_or(reader.covered(), |one| one.size);
    if let Some(beyond) = filter.to.filter(|to| *to >= covered) {
        return Err(Failure::msg(
            format!("--to {beyond}: the checkpoint covers the entries below {covered}"),
            "name a position below that, or take a newer checkpoint: there is one in a moment",
        ));
    }
    filter.to = filter.to.or(covered.checked_sub(1));
    let views = Views::open(reader.clone())?;
    let found = find(reader, &views.positions, &filter)?;
    let Some(&last) = found.last() else {
        return Err(Failure::msg(
            format!("no entry below {covered} has all that was asked for"),
            "`daicho events` with the same options lists what there is",
        ));
    };
    let checkpoint = match brought {
        Some(one) => one,
        None => checkpoint::best(reader, last)?,
    };
    let mut positions = BTreeSet::from_iter(found);
    positions.insert(0);
    let rotations = views.positions.read(|view| view.of_kind("key.rotated"));
    positions.extend(rotations.iter().take_while(|seq| *seq < checkpoint.size));
    views.save();
    Ok(Wanted {
        positions,
        checkpoint: checkpoint.note,
        token: checkpoint.token,
        released: Vec::new(),
    })
}

fn release(text: &str) -> Result<(u64, Name), Failure> {
    let parsed = text
        .split_once(':')
        .and_then(|(seq, name)| Some((seq.parse().ok()?, name.parse().ok()?)));
    parsed.ok_or_else(|| {
        Failure::msg(
            format!(
                "--release {:?} is not SEQ:NAME",
                schemas::Label::lossy(text).as_str()
            ),
            "`daicho show SEQ` says which contents an entry has, as in 41:request",
        )
    })
}

/// Opens content, after that was recorded.
fn reveal(
    cli: &Cli,
    reader: &Reader,
    releases: &BTreeSet<(u64, Name)>,
) -> Result<Vec<Released>, Failure> {
    if releases.is_empty() {
        return Ok(Vec::new());
    }
    let mut references = Vec::new();
    for (seq, name) in releases {
        let entry = reader.entry(*seq)?;
        let mut named = entry
            .content()
            .iter()
            .filter(|reference| reference.name == *name);
        let Some(reference) = named.next() else {
            return Err(write_failed(WriteError::NoContent {
                seq: *seq,
                name: name.clone(),
            }));
        };
        references.push((*seq, reference.clone()));
    }
    let (door, _) = Door::open(&cli.data)?;
    let names = references
        .iter()
        .map(|(seq, reference)| (*seq, &reference.name));
    door.record_reveals(names, "bundle")
        .map_err(append_failed)?;
    let open = |(seq, reference): (u64, schemas::ContentRef)| {
        let plain = reader.content(&reference).map_err(|error| {
            Failure::new(
                error,
                "leave it out: without its key nobody reads it any more",
            )
        })?;
        Ok(Released {
            seq,
            name: reference.name,
            plain,
        })
    };
    references.into_iter().map(open).collect()
}

fn write_failed(error: WriteError) -> Failure {
    let help = match &error {
        WriteError::Read(_) | WriteError::Content { .. } | WriteError::NoCheckpoint(_) => {
            "run `daicho verify`"
        }
        WriteError::NoContent { .. } => "`daicho show SEQ` says which contents an entry has",
        WriteError::OtherLog { .. } => {
            "if the auditor's checkpoint is of this log, entries are missing here: run `daicho verify --checkpoint` with it"
        }
        WriteError::Zip(_) => {
            "choose fewer entries or contents, or give a copy of the ledger (`daicho backup`)"
        }
    };
    Failure::new(error, help)
}
