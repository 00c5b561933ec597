//! Copies of the ledger elsewhere, and back.

use crate::cli::{Backup, Cli, Restore};
use crate::commands::open_failed;
use crate::commands::verify::trust;
use crate::copy::{self, Copied, Keys};
use crate::count::counted;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome};
use anyhow::Context;
use ledger::verify::{Check, Finding, Report, Trust, verify};
use ledger::{KeyFile, Layout, Reader};
use schemas::Label;
use schemas::kinds::records::BackupCompleted;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn run(cli: &Cli, args: &Backup) -> Done {
    let (from, to) = (Layout::new(&cli.data), Layout::new(&args.destination));
    // First, so that nothing is copied that could not be recorded.
    let (door, reader) = Door::open(&cli.data)?;
    copy::make_dir(to.dir())?;
    if is_within(to.dir(), from.dir())? {
        return Err(Failure::msg(
            "the destination lies in the ledger itself",
            "name a directory on another disk or machine",
        ));
    }
    let _one = only_one(&to)?;
    // Before the files are listed: what it promises is on disk already.
    let note = reader.checkpoint();
    let history = reader.keys();
    if let Ok(kept) = std::fs::read(to.checkpoint()) {
        let kept = history.open(&kept).map_err(|error| {
            let fault = anyhow::Error::new(error).context(format!(
                "{} is no backup of this ledger",
                to.dir().display()
            ));
            Failure::new(
                fault,
                "name an empty directory, or the one that its backups go to",
            )
        })?;
        // The ledger has been rolled back: its only whole copy must not be touched.
        if kept.size > reader.size() {
            let lost = kept.size - reader.size();
            return Err(Failure::msg(
                format!(
                    "the backup is newer than this ledger (size {} > {}): this ledger lacks {}",
                    kept.size,
                    reader.size(),
                    counted(lost, "entry")
                ),
                "restore it with `daicho restore` into an empty directory, and keep this one as evidence",
            ));
        }
    }
    let keys = if args.with_keys {
        Keys::Taken
    } else {
        Keys::Left
    };
    let copied = copy::bring_up(&from, &to, keys).map_err(|error| {
        Failure::new(
            error,
            "free space or name another destination; what is copied stays and is gone on with",
        )
    })?;
    let brought = Trust {
        vkey: Some(history.founding().clone()),
        checkpoints: vec![(
            "this ledger's checkpoint".to_owned(),
            note.as_bytes().to_vec(),
        )],
        ..Trust::default()
    };
    let report = check(to.dir(), &brought)?;
    if !report.is_clean() {
        return tell_unsound(&report, "the copy");
    }
    // A backup would bring back what has ended and who was erased since the last one: by keys that
    // it was given then, whatever it is given now.
    let copy = Reader::open(to.dir()).map_err(open_failed)?;
    let not_cleared = |error| {
        let help = "see who owns the path; the copy still holds what has ended or was erased";
        Failure::new(error, help)
    };
    // Without a key nobody can read what is there, and a place that nothing is removed from serves.
    let ended = match to.content_keys().exists() {
        true => ledger::clear_ended(&copy).map_err(not_cleared)?,
        false => Vec::new(),
    };
    let erased = ledger::clear_erased(&copy).map_err(not_cleared)?;
    for bucket in ended {
        eprintln!("note: {bucket} has ended, and so has its content there");
    }
    for key in erased {
        let bucket = key.bucket;
        eprintln!("note: content of one person in {bucket} is erased, and so is its key there");
    }
    drop(copy);
    let key = KeyFile::read(&to.log_key()).ok().filter(|_| args.with_keys);
    if key.is_some_and(|key| key.verifier().to_string() != report.vkey) {
        return Err(Failure::msg(
            "the signing key was rotated while it was copied: the copy's key is not its log's",
            "run the same command again; what is copied stays and is gone on with",
        ));
    }
    copy::write_checkpoint(&to, note.as_bytes())?;
    let name = to
        .dir()
        .file_name()
        .map(|n| n.to_string_lossy().into_owned());
    let label = args
        .label
        .clone()
        .or(name)
        .unwrap_or_else(|| "backup".to_owned());
    let completed = BackupCompleted {
        destination: Label::lossy(&label),
        size: report.entries,
        root: report.root,
    };
    let receipts = door
        .append(vec![door.event(door.operator(), completed)])
        .map_err(append_failed)?;
    tell(cli.json, &report, &copied, Some(receipts[0].seq))?;
    Ok(Outcome::Well)
}

pub fn restore(cli: &Cli, args: &Restore) -> Done {
    let to = Layout::new(&cli.data);
    let empty = match std::fs::read_dir(to.dir()) {
        Ok(mut items) => items.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !empty {
        return Err(Failure::msg(
            format!("{} is not an empty directory", to.dir().display()),
            "name a new one with --data; what is there is never written over",
        ));
    }
    // Before anything is written: is it sound, and is it all?
    let trust = trust(args.vkey.as_deref(), &args.checkpoint)?;
    let from = Layout::new(&args.source);
    let mut report = verify(&args.source, &trust, |_| {})
        .map_err(|error| Failure::new(error, "name the directory that `daicho backup` wrote"))?;
    // What is restored is cleared of them.
    report.findings.retain(|f| f.check != Check::Erasure);
    if !report.is_clean() {
        return tell_unsound(&report, "the backup");
    }
    // Elsewhere first: under its own name it is whole or not there.
    let beside = beside(to.dir())?;
    let part = Layout::new(&beside);
    let copied = copy::bring_up(&from, &part, Keys::Taken)
        .map_err(|error| Failure::new(error, "free space, or remove what lies at the path"))?;
    let report = check(&beside, &trust)?;
    if !report.is_clean() {
        // Not gone on with: what is wrong in it would stay.
        std::fs::remove_dir_all(&beside)
            .with_context(|| format!("{} cannot be removed", beside.display()))?;
        return tell_unsound(&report, "the copy");
    }
    copy::write_checkpoint(&part, &std::fs::read(from.checkpoint())?)?;
    // What has ended since the backup was made is not brought back.
    let reader = Reader::open(&beside).map_err(open_failed)?;
    let not_cleared = |error| Failure::new(error, "free space, or see who owns the path");
    let cleared = ledger::clear_ended(&reader).map_err(not_cleared)?;
    let erased = ledger::clear_erased(&reader).map_err(not_cleared)?;
    drop(reader);
    if to.dir().exists() {
        std::fs::remove_dir(to.dir())?;
    }
    std::fs::rename(&beside, to.dir()).with_context(|| {
        format!(
            "{} cannot be named {}",
            beside.display(),
            to.dir().display()
        )
    })?;
    copy::sync_dir(to.dir().parent())?;
    tell(cli.json, &report, &copied, None)?;
    for bucket in cleared {
        eprintln!("note: {bucket} has ended, and its content was not restored");
    }
    for key in erased {
        let bucket = key.bucket;
        eprintln!("note: content of one person in {bucket} is erased, and was not restored");
    }
    if !to.log_key().exists() {
        eprintln!(
            "note: the backup holds no keys; restore keys/ from where they are kept before serving"
        );
    }
    Ok(Outcome::Well)
}

/// Verifies a copy whose own checkpoint is written last, so may not be there yet.
fn check(dir: &Path, trust: &Trust) -> Result<Report, Failure> {
    let mut report = verify(dir, trust, |_| {})
        .map_err(|error| Failure::new(error, "see the cause; the copy is not complete"))?;
    // Keys of persons who were erased since the copy had them: destroyed next, by what is verified.
    report.findings.retain(|f| f.check != Check::Erasure);
    let not_yet = |f: &Finding| f.check == Check::Checkpoint && f.file == "checkpoint";
    if !Layout::new(dir).checkpoint().exists() {
        report.findings.retain(|finding| !not_yet(finding));
    }
    Ok(report)
}

fn tell(
    json: bool,
    report: &Report,
    copied: &Copied,
    recorded: Option<u64>,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let line = serde_json::json!({
            "entries": report.entries, "root": report.root,
            "copied_bytes": copied.bytes, "copied_files": copied.files, "recorded": recorded,
        });
        return writeln!(out, "{line}");
    }
    writeln!(out, "entries      {}", report.entries)?;
    writeln!(out, "root         {}", report.root)?;
    writeln!(
        out,
        "copied       {} in {}",
        counted(copied.bytes, "byte"),
        counted(copied.files, "file")
    )?;
    match recorded {
        Some(seq) => writeln!(out, "verified, and recorded as backup.completed at {seq}"),
        None => writeln!(
            out,
            "verified: every entry, link, signature, root and content"
        ),
    }
}

fn tell_unsound(report: &Report, what: &str) -> Done {
    for finding in &report.findings {
        eprintln!("WRONG        {finding}");
    }
    eprintln!(
        "{what} is NOT sound: {}; keep it as evidence",
        counted(report.findings.len(), "finding")
    );
    Ok(Outcome::Wrong)
}

/// Two backups into one directory would write over each other, and so would a server there.
fn only_one(to: &Layout) -> Result<File, Failure> {
    let path = to.dir().join("lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::msg(
            format!("another process holds {}", path.display()),
            "wait until it ends",
        )),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn is_within(inner: &Path, outer: &Path) -> std::io::Result<bool> {
    Ok(inner.canonicalize()?.starts_with(outer.canonicalize()?))
}

/// Where a directory is made before it gets its name.
fn beside(dir: &Path) -> Result<PathBuf, Failure> {
    let mut name = dir
        .file_name()
        .context("--data names a directory")?
        .to_owned();
    name.push(".restoring");
    Ok(dir.with_file_name(name))
}
