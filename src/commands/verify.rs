use crate::cli::{Cli, Verify};
use crate::outcome::{Done, Failure, Outcome};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger::verify::{Report, Trust, VerifyError, verify};
use std::io::Write;

pub fn run(cli: &Cli, args: &Verify) -> Done {
    let vkey = match &args.vkey {
        Some(text) => Some(text.parse().map_err(|error| {
            Failure::new(
                anyhow::Error::new::<ledger::note::KeyError>(error),
                "give it as `daicho key show` prints it",
            )
        })?),
        None => None,
    };
    let mut checkpoints = Vec::new();
    for path in &args.checkpoint {
        let note =
            std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        checkpoints.push((path.display().to_string(), note));
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    bar.set_style(
        ProgressStyle::with_template("verifying {bar:40} {bytes}/{total_bytes} {eta}")
            .context("a template")?,
    );
    let report = verify(&cli.data, &Trust { vkey, checkpoints }, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| {
        let help = match &error {
            VerifyError::NoLedger { .. } => "name the ledger's directory with --data",
            VerifyError::Io { .. } => "check that the file exists and may be read",
        };
        Failure::new(error, help)
    })?;
    print(cli.json, &report)?;
    Ok(if report.is_clean() {
        Outcome::Well
    } else {
        Outcome::Wrong
    })
}

fn print(json: bool, report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        return writeln!(out);
    }
    writeln!(out, "origin       {}", report.origin)?;
    writeln!(out, "key          {}", report.vkey)?;
    writeln!(
        out,
        "entries      {} in {} files, the newest of {}",
        report.entries, report.files, report.newest
    )?;
    writeln!(out, "root         {}", report.root)?;
    writeln!(out, "contents     {} sealed and sound", report.contents)?;
    for checkpoint in &report.checkpoints {
        let verdict = if checkpoint.kept { "kept" } else { "BROKEN" };
        writeln!(
            out,
            "checkpoint   {} of size {}: {verdict}",
            checkpoint.source, checkpoint.size
        )?;
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
        1 => writeln!(out, "NOT VERIFIED: 1 finding"),
        count => writeln!(out, "NOT VERIFIED: {count} findings"),
    }
}
