mod explain;
mod file;
mod sign;
mod verify;

use crate::cli::Cli;
use crate::cli::report::{PeriodReport, Report, ReportCommon, ReportFormat, ReportLanguage};
use crate::commands::read;
use crate::commands::verify::{check, trust};
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome};
use crate::{pdf, reports};
use anyhow::Context;
use exporters::report::window::{Offset, Window};
use exporters::report::{
    Basis, Format, Head, Language, Verification, access, approvals, controls, incidents, model,
    monthly, retention, transfers,
};
use ledger::{Layout, Reader, Submission};
use schemas::kinds::records::ReportIssued;
use schemas::{Hash, Label};
use sha2::{Digest, Sha256};
use std::io::Write;

pub fn run(cli: &Cli, args: &Report) -> Done {
    match args {
        Report::Retention(common) => issue(cli, retention::NAME, None, common),
        Report::Transfers(args) => period(cli, transfers::NAME, args),
        Report::Monthly(args) => period(cli, monthly::NAME, args),
        Report::Approvals(args) => period(cli, approvals::NAME, args),
        Report::Access(args) => period(cli, access::NAME, args),
        Report::Incidents(args) => period(cli, incidents::NAME, args),
        Report::Controls(args) => period(cli, controls::NAME, args),
        Report::Verify(args) => verify::run(cli, args),
        Report::Explain(args) => explain::run(cli, args),
    }
}

fn period(cli: &Cli, name: &'static str, args: &PeriodReport) -> Done {
    issue(cli, name, Some(&args.month), &args.common)
}

/// Makes a report of a head that was verified, writes it, and records what was written.
fn issue(cli: &Cli, name: &'static str, month: Option<&str>, common: &ReportCommon) -> Done {
    let config = Config::load(&Layout::new(&cli.data))?;
    let offset = config.report.utc_offset;
    let period = month.map(|month| Window::parse(month, offset)).transpose();
    let period = period.map_err(|error| Failure::new(error, "give --month as 2026-11"))?;
    let trust = trust(common.vkey.as_deref(), &common.checkpoint)?;
    let (door, own) = Door::open(&cli.data)?;
    let checked = check(cli, &trust)?;
    // Opened after the check: a server may have gone on in between.
    let reader = read(&cli.data)?;
    let basis = Basis {
        organisation: config.report.organisation.clone(),
        log: reader.origin().to_owned(),
        head: head(&reader, common.head, Head::of(&checked))?,
        verification: Verification::of(&checked, &trust),
        period,
        hours: month.and(config.report.hours),
        program: concat!("daicho ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let report = reports::make(&reader, name, basis)?;
    let language = match common.language {
        ReportLanguage::Ja => Language::Japanese,
        ReportLanguage::En => Language::English,
    };
    let format = match common.format {
        _ if cli.json => Some(Format::Json),
        ReportFormat::Json => Some(Format::Json),
        ReportFormat::Html => Some(Format::Html),
        ReportFormat::Csv => Some(Format::Csv),
        ReportFormat::Md => Some(Format::Markdown),
        ReportFormat::Pdf => None,
    };
    let bytes = match format {
        Some(format) => report.write(format, language).into_bytes(),
        None => pdf::render(&report.to_json(), language, &config, reader.layout())?,
    };
    let mut batch = vec![issued(&door, &report, &bytes, format, language)?];
    let mut files = Vec::new();
    match &common.output {
        None => std::io::stdout().write_all(&bytes)?,
        Some(path) => {
            std::fs::write(path, &bytes)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            files.push(path.clone());
            let beside = path.with_extension("json");
            if format == Some(Format::Html) && beside != *path {
                let evidence = report.to_json();
                std::fs::write(&beside, &evidence)
                    .with_context(|| format!("{} cannot be written", beside.display()))?;
                let json = Some(Format::Json);
                batch.push(issued(&door, &report, evidence.as_bytes(), json, language)?);
                files.push(beside);
            }
        }
    }
    let receipts = door.append(batch).map_err(append_failed)?;
    for (path, receipt) in files.iter().zip(&receipts) {
        let proof = sign::proof(cli, &door, &own, receipt.seq)?;
        let beside = sign::beside(path);
        std::fs::write(&beside, proof)
            .with_context(|| format!("{} cannot be written", beside.display()))?;
    }
    let seqs: Vec<String> = receipts
        .iter()
        .map(|receipt| receipt.seq.to_string())
        .collect();
    eprintln!("recorded as report.issued at {}", seqs.join(", "));
    Ok(match checked.is_clean() {
        true => Outcome::Well,
        false => Outcome::Wrong,
    })
}

/// The head that was asked for, or the one that was verified.
fn head(reader: &Reader, asked: Option<u64>, checked: Head) -> Result<Head, Failure> {
    let size = asked.unwrap_or(checked.size);
    let last = size.checked_sub(1).filter(|_| size <= checked.size);
    let Some(last) = last else {
        let fault = format!("--head {size}: the log has {} entries", checked.size);
        return Err(Failure::msg(fault, "give a size from 1 to the log's own"));
    };
    if size == checked.size {
        return Ok(checked);
    }
    Ok(Head {
        size,
        root: reader.root_at(size)?,
        at: reader.entry(last)?.at(),
    })
}

fn issued(
    door: &Door,
    report: &model::Report,
    bytes: &[u8],
    format: Option<Format>,
    language: Language,
) -> Result<Submission, Failure> {
    let media = match format {
        Some(format) => format.media(language),
        None => format!("application/pdf; lang={}", language.tag()),
    };
    let issued = ReportIssued {
        report: report.report.parse().context("the report's name")?,
        period: period_label(&report.basis),
        head: report.basis.head.size,
        report_sha256: Hash(Sha256::digest(bytes).into()),
        media: Label::lossy(&media),
    };
    Ok(door.event(door.operator(), issued))
}

/// As `2026-11`, with the offset where the months are not those of UTC.
fn period_label(basis: &Basis) -> Option<Label> {
    let period = basis.period?;
    let offset = match period.offset == Offset::default() {
        true => String::new(),
        false => format!(" {}", period.offset),
    };
    Some(Label::lossy(&format!("{period}{offset}")))
}
