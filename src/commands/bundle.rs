use crate::cli::{Bundle, Cli};
use crate::commands::events::filter;
use crate::commands::read;
use crate::door::{Door, append_failed};
use crate::files;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use anyhow::Context;
use exporters::bundle::{
    Chosen, Released, Report, Stamped, Trust, Wanted, WriteError, check, write,
};
use ledger::note::Note;
use ledger::query::{Filter, find};
use ledger::timestamp::pairs;
use ledger::{Checkpoint, Reader};
use schemas::Name;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::ErrorKind;

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
    let covered = reader.covered();
    if let Some(beyond) = filter.to.filter(|to| *to >= covered) {
        return Err(Failure::msg(
            format!("--to {beyond}: the newest checkpoint covers the entries below {covered}"),
            "name a position below that, or try again in a moment",
        ));
    }
    let to = match (filter.to, covered.checked_sub(1)) {
        (Some(to), _) | (None, Some(to)) => to,
        (None, None) => {
            return Err(Failure::msg(
                "the ledger has no checkpoint",
                "run `daicho verify`",
            ));
        }
    };
    let mut chosen = chosen(&filter, to);
    let views = Views::open(reader.clone())?;
    filter.to = Some(to);
    let found = find(reader, &views.positions, &filter)?;
    if found.is_empty() {
        return Err(Failure::msg(
            format!("there is no entry with {chosen}"),
            "`daicho events` lists what is there",
        ));
    }
    if chosen.only.is_some() && narrows_time_alone(&filter) {
        // The ledger's time does not run back: a span of it is a range, which can be proven.
        (chosen.from, chosen.to) = (found[0], found[found.len() - 1]);
        chosen.only = None;
    }
    let mut positions = BTreeSet::from_iter(found);
    positions.insert(0);
    positions.extend(
        views
            .positions
            .read(|view| view.of_kind("key.rotated"))
            .iter()
            .take_while(|seq| *seq < covered),
    );
    views.save();
    let mut wanted = Wanted {
        chosen,
        positions,
        checkpoint: reader.checkpoint().to_string(),
        ..Wanted::default()
    };
    if let Some(path) = &args.checkpoint {
        let note =
            std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        if size(&note).is_none() {
            return Err(Failure::msg(
                format!("{} is no checkpoint", path.display()),
                "give the file that the auditor kept, a signed note",
            ));
        }
        wanted.kept = Some(note);
    }
    match std::fs::read_to_string(reader.layout().cosigned()) {
        Ok(note) => match size(note.as_bytes()) {
            // The same promise, with more names under it.
            Some(same) if same == covered => wanted.checkpoint = note,
            Some(older) if older < covered => wanted.cosigned = Some(note.into_bytes()),
            // Of a moment after this reader's.
            _ => {}
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::from(error)),
    }
    wanted.stamped = stamped(
        reader,
        covered,
        wanted.positions.last().copied().unwrap_or(0),
    )?;
    Ok(wanted)
}

fn narrows_time_alone(filter: &Filter) -> bool {
    let Filter {
        kinds,
        actor,
        session,
        class,
        ..
    } = filter;
    kinds.is_empty() && actor.is_none() && session.is_none() && class.is_none()
}

/// A choice in the words of a bundle.
fn chosen(filter: &Filter, to: u64) -> Chosen {
    let mut words = Vec::new();
    let mut also = |what: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{what} {value}")));
    };
    let kinds = (!filter.kinds.is_empty()).then(|| filter.kinds.join(" or "));
    also("kind", kinds);
    also("actor", filter.actor.as_ref().map(ToString::to_string));
    also("session", filter.session.as_ref().map(ToString::to_string));
    also("class", filter.class.as_ref().map(ToString::to_string));
    also("since", filter.since.map(|at| at.to_string()));
    also("until", filter.until.map(|at| at.to_string()));
    Chosen {
        from: filter.from,
        to,
        only: (!words.is_empty()).then(|| words.join(", ")),
    }
}

/// The oldest stamped checkpoint that covers all of the bundle, or else the newest.
fn stamped(reader: &Reader, covered: u64, last: u64) -> Result<Option<Stamped>, Failure> {
    let pairs = pairs(reader.layout())?.whole;
    let mut pairs: Vec<_> = pairs.iter().filter(|pair| pair.size <= covered).collect();
    pairs.sort_by_key(|pair| pair.size);
    let all = pairs.iter().find(|pair| pair.size > last);
    let Some(pair) = all.or(pairs.last()) else {
        return Ok(None);
    };
    Ok(Some(Stamped {
        note: std::fs::read(&pair.checkpoint)?,
        token: pair.read()?.0,
    }))
}

/// What a note claims; the bundle is checked when it is whole.
fn size(note: &[u8]) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    Some(Checkpoint::parse(note.unverified_text()).ok()?.size)
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
        WriteError::Read(_) | WriteError::Content { .. } => "run `daicho verify`",
        WriteError::NoContent { .. } => "`daicho show SEQ` says which contents an entry has",
        WriteError::NoCheckpoint(_) => {
            "see which file it is: checkpoint.cosigned, one in tokens/, or the auditor's"
        }
        WriteError::OtherLog { .. } => {
            "if the auditor's checkpoint is of this log, entries are missing here: run `daicho verify --checkpoint` with it"
        }
        WriteError::Zip(_) => {
            "choose fewer entries or contents, or give a copy of the ledger (`daicho backup`)"
        }
    };
    Failure::new(error, help)
}
