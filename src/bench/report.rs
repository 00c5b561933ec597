//! A closed log of a given size: what its reports cost, the first time and again.

use super::append::remove;
use super::figures::{Figures, Measure};
use super::log::write;
use crate::config;
use crate::outcome::Failure;
use crate::reports::{Form, PROGRAM, from_kept, make, write_report};
use anyhow::Context;
use exporters::report::window::{Offset, Window};
use exporters::report::{Basis, Language, Verification, monthly};
use ledger::{Options, Reader};
use std::path::Path;

pub fn run(scratch: &Path, entries: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading(&format!("reports of a log of {entries} entries of 1 KiB"));
    let dir = scratch.join("report");
    ledger::create(&dir, "example.com/bench", &ledger::clock::SystemClock)?;
    let (appender, _) = ledger::open(&dir, Options::default())?;
    write(&appender, entries)?;
    drop(appender);
    let measure = Measure::begin();
    let reader = Reader::open(&dir)?;
    figures.time("open to read", measure.end());
    let head = reader.head();
    let basis = |period| Basis {
        organisation: "-".to_owned(),
        log: reader.origin().to_owned(),
        head: head.into(),
        verification: Verification::NotRun,
        period,
        begun: None,
        hours: None,
        rules: None,
        folded: None,
        program: PROGRAM.to_owned(),
    };
    for what in [
        "retention, the whole log folded",
        "retention, from what is kept",
    ] {
        let measure = Measure::begin();
        let report = from_kept(&reader, &basis(None))?.context("the index is of another log")?;
        let json = report.to_json().len();
        figures.time(&format!("{what}: {} KiB", json >> 10), measure.end());
    }
    let month = Window::month(head.at.month(), Offset::default());
    let measure = Measure::begin();
    let report = make(&reader, monthly::NAME, basis(Some(month)))?;
    figures.time("monthly, the whole log folded", measure.end());
    let measure = Measure::begin();
    let config = config::Report::default();
    match write_report(&report, Form::Pdf, Language::Japanese, &config, &reader) {
        Ok(pdf) => {
            let what = format!("monthly as PDF: {} KiB", pdf.len() >> 10);
            figures.time(&what, measure.end());
        }
        Err(failure) => figures.heading(&format!("no PDF: {:#}", failure.fault)),
    }
    remove(&dir);
    Ok(())
}
