use crate::cli::{Cli, Report, ReportFormat, ReportLanguage, RetentionReport as Args};
use crate::commands::read;
use crate::commands::verify::{check, trust};
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome};
use anyhow::Context;
use exporters::report::retention::{Retention, RetentionReport};
use exporters::report::{Basis, Head, Language, Verification};
use ledger::{Index, Layout};
use schemas::kinds::records::ReportIssued;
use schemas::{Hash, Label};
use sha2::{Digest, Sha256};
use std::io::Write;

pub fn run(cli: &Cli, args: &Report) -> Done {
    let Report::Retention(args) = args;
    let config = Config::load(&Layout::new(&cli.data))?;
    let (door, _) = Door::open(&cli.data)?;
    let (report, outcome) = retention(cli, args, &config, &door)?;
    let json = cli.json || args.format == ReportFormat::Json;
    let (text, media) = match (json, args.language) {
        (true, _) => (report.to_json(), "application/json"),
        (false, ReportLanguage::Ja) => (report.to_html(Language::Japanese), "text/html; lang=ja"),
        (false, ReportLanguage::En) => (report.to_html(Language::English), "text/html; lang=en"),
    };
    match &args.output {
        Some(path) => std::fs::write(path, &text)
            .with_context(|| format!("{} cannot be written", path.display()))?,
        None => std::io::stdout().write_all(text.as_bytes())?,
    }
    let issued = ReportIssued {
        report: RetentionReport::NAME.parse().context("the report's name")?,
        period: None,
        head: report.head_size(),
        report_sha256: Hash(Sha256::digest(&text).into()),
        media: Label::lossy(media),
    };
    let receipts = door
        .append(vec![door.event(door.operator(), issued)])
        .map_err(append_failed)?;
    eprintln!("recorded as report.issued at {}", receipts[0].seq);
    Ok(outcome)
}

/// Figures of exactly the head that was verified.
fn retention(
    cli: &Cli,
    args: &Args,
    config: &Config,
    door: &Door,
) -> Result<(RetentionReport, Outcome), Failure> {
    let trust = trust(args.vkey.as_deref(), &args.checkpoint)?;
    let checked = check(cli, &trust)?;
    let reader = read(&cli.data)?;
    let mut index = Index::in_memory(reader.clone());
    let view = index.add::<Retention>();
    index.catch_up_to(checked.entries)?;
    let now = door.now();
    let basis = Basis {
        organisation: config.report.organisation.clone(),
        log: reader.origin().to_owned(),
        head: Head::of(&checked),
        verification: Verification::of(&checked, &trust, now),
        generated: now,
        program: concat!("daicho ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let report =
        view.read(|retention| RetentionReport::new(retention, &config.retention, basis))?;
    Ok((
        report,
        if checked.is_clean() {
            Outcome::Well
        } else {
            Outcome::Wrong
        },
    ))
}
