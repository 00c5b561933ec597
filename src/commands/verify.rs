use crate::cli::{Cli, Verify};
use crate::commands::read_policy;
use crate::count::counted;
use crate::outcome::{Done, Failure, Outcome};
use crate::timestamp::read_authority;
use agents::retention::audit::Audit;
use anyhow::Context;
use exporters::check::checkpoints;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger::Layout;
use ledger::note::{KeyError, Note};
use ledger::verify::{
    Check, CheckedCheckpoint, Finding, Report, Trust, VerifyError, entries_at, verify, verify_while,
};
use ledger::witness::{Policy, PolicyLog};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

pub fn run(cli: &Cli, args: &Verify) -> Done {
    let mut trust = trust(args.vkey.as_deref(), &args.checkpoint)?;
    trust.authority = args.tsa_ca.as_deref().map(read_authority).transpose()?;
    let mut report = check(cli, &trust)?;
    if let Some(path) = &args.policy {
        let policy = read_policy(path, "its lines are log, witness, group and quorum")?;
        report
            .findings
            .extend(missed(cli, &policy, &trust, &report));
    }
    print(cli.json, &report)?;
    Ok(if report.is_clean() {
        Outcome::Well
    } else {
        Outcome::Wrong
    })
}

/// Ends of content, erasures, holds and rules that two people have not signed for. A log that is not sound
/// otherwise says nothing about it; a key that came back is beside the log.
fn unsigned(data: &Path, report: &Report) -> Result<Vec<Finding>, Failure> {
    if report.findings.iter().any(|f| f.check != Check::Erasure) {
        return Ok(Vec::new());
    }
    let (mut audit, mut findings) = (Audit::default(), Vec::new());
    entries_at(data, &report.decisions, |entry, file, offset| {
        if let Some(act) = audit.take(entry) {
            findings.push(Finding {
                check: Check::Retention,
                seq: Some(entry.seq()),
                file: file.to_owned(),
                offset: Some(offset),
                expected: "the signatures of two approvers for exactly this".to_owned(),
                found: format!("{act} without them"),
            });
        }
    })
    .map_err(failed)?;
    Ok(findings)
}

/// What the policy asks for and is not there.
fn missed(cli: &Cli, policy: &Policy, trust: &Trust, report: &Report) -> Vec<Finding> {
    let finding = |check, file: String, expected: &str, found: &str| Finding {
        check,
        seq: None,
        file,
        offset: None,
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let mut findings = Vec::new();
    // A key that the log only names does not vouch for it.
    let signs = |log: &PolicyLog| {
        let vkey = log.key.to_string();
        report.keys.iter().any(|key| key.vkey == vkey && key.signed)
    };
    if !policy.logs.is_empty() && !policy.logs.iter().any(signs) {
        let expected = "a log of the policy";
        findings.push(finding(Check::Key, "log".into(), expected, &report.vkey));
    }
    let mut notes = trust.checkpoints.clone();
    if notes.is_empty() {
        let path = Layout::new(&cli.data).cosigned();
        // An absent file has no cosignature.
        let note = std::fs::read(path).unwrap_or_default();
        notes.push(("checkpoint.cosigned".to_owned(), note));
    }
    for (file, note) in notes {
        if !Note::parse(&note).is_ok_and(|note| policy.has_quorum(&note)) {
            let expected = "cosignatures of the policy's quorum";
            findings.push(finding(
                Check::Checkpoint,
                file,
                expected,
                "too few that hold",
            ));
        }
    }
    findings
}

/// What the auditor gives on the command line.
pub fn trust(vkey: Option<&str>, checkpoints: &[PathBuf]) -> Result<Trust, Failure> {
    let unfit = |error: KeyError| {
        let fault = anyhow::Error::new(error).context("--vkey");
        Failure::new(fault, "give it as `daicho key show` prints it")
    };
    let vkey = vkey.map(str::parse).transpose().map_err(unfit)?;
    let mut trust = Trust {
        vkey,
        ..Trust::default()
    };
    for path in checkpoints {
        let read = notes(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let named = read
            .into_iter()
            .map(|note| (path.display().to_string(), note));
        trust.checkpoints.extend(named);
    }
    Ok(trust)
}

/// No note is as long.
const MAX_NOTE: u64 = 1 << 20;

/// A note, or the newest of those in what a SIEM stored.
pub fn notes(path: &Path) -> std::io::Result<Vec<Vec<u8>>> {
    let mut start = Vec::new();
    File::open(path)?.take(MAX_NOTE).read_to_end(&mut start)?;
    if Note::parse(&start).is_err() {
        let stored = checkpoints(BufReader::new(File::open(path)?))?;
        if !stored.is_empty() {
            return Ok(stored.into_iter().map(String::into_bytes).collect());
        }
    }
    // Whatever is wrong with it, the check says.
    Ok(vec![start])
}

/// Verifies, with a bar on the terminal, whether two people have signed for what needs it
/// included.
pub fn check(cli: &Cli, trust: &Trust) -> Result<Report, Failure> {
    audited(&cli.data, walk(cli, trust)?)
}

/// The same where nobody watches, as long as it is wanted.
pub fn check_while(
    data: &Path,
    trust: &Trust,
    wanted: &dyn Fn() -> bool,
) -> Result<Report, Failure> {
    let report = verify_while(data, trust, |_| wanted()).map_err(failed)?;
    audited(data, report)
}

fn audited(data: &Path, mut report: Report) -> Result<Report, Failure> {
    let unsigned = unsigned(data, &report)?;
    report.findings.extend(unsigned);
    Ok(report)
}

fn walk(cli: &Cli, trust: &Trust) -> Result<Report, Failure> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    let style = ProgressStyle::with_template("verifying {bar:40} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.context("a template")?);
    let report = verify(&cli.data, trust, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    report.map_err(failed)
}

fn failed(error: VerifyError) -> Failure {
    let help = match &error {
        VerifyError::NoLedger { .. } => "name the ledger's directory with --data",
        VerifyError::Stopped => "run it again",
        VerifyError::Io { .. } => "check that the file exists and may be read",
    };
    Failure::new(error, help)
}

/// Older time stamps are counted: the newest says when the most existed.
const NEWEST_TOKENS: usize = 3;

fn print(json: bool, report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        return writeln!(out);
    }
    writeln!(out, "origin       {}", report.origin)?;
    writeln!(out, "key          {}", report.vkey)?;
    for key in report.keys.iter().filter(|_| report.keys.len() > 1) {
        writeln!(out, "signs        from entry {}: {}", key.first, key.vkey)?;
    }
    writeln!(
        out,
        "entries      {} in {}, the newest of {}",
        report.entries,
        counted(report.files, "file"),
        report.newest
    )?;
    writeln!(out, "root         {}", report.root)?;
    writeln!(out, "contents     {} sealed and sound", report.contents)?;
    let stamped = |c: &&CheckedCheckpoint| c.kept && c.source.starts_with("tokens/");
    for checkpoint in report.checkpoints.iter().filter(|c| !stamped(c)) {
        let verdict = if checkpoint.kept { "kept" } else { "BROKEN" };
        writeln!(
            out,
            "checkpoint   {} of size {}: {verdict}",
            checkpoint.source, checkpoint.size
        )?;
    }
    let older = report.tokens.len().saturating_sub(NEWEST_TOKENS);
    for token in &report.tokens[older..] {
        let checked = if token.authority_checked {
            ""
        } else {
            ": authority not checked (--tsa-ca)"
        };
        let existed = if token.kept {
            "existed"
        } else {
            "of another history existed"
        };
        let (size, time, by) = (token.size, token.time, &token.authority);
        writeln!(
            out,
            "time stamp   {} {existed} at {time} by {by}{checked}",
            counted(size, "entry")
        )?;
    }
    if older > 0 {
        writeln!(out, "time stamp   and {older} older ones")?;
    }
    for note in &report.notes {
        writeln!(out, "note         {note}")?;
    }
    for finding in &report.findings {
        writeln!(out, "WRONG        {finding}")?;
    }
    if report.findings_omitted > 0 {
        writeln!(out, "WRONG        and {} more", report.findings_omitted)?;
    }
    match report.findings.len() as u64 + report.findings_omitted {
        0 => writeln!(
            out,
            "verified: every entry, link, signature, root, checkpoint and content"
        ),
        count => writeln!(out, "NOT VERIFIED: {}", counted(count, "finding")),
    }
}
