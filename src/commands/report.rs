use crate::cli::{Cli, Report, ReportCommon, ReportFormat, ReportLanguage, TransferFormat};
use crate::cli::{RetentionReport as RetentionArgs, TransferReport as TransferArgs};
use crate::commands::read;
use crate::commands::verify::{check, trust};
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome};
use crate::policies::{self, Policies};
use anyhow::Context;
use exporters::report::retention::{Retention, RetentionReport};
use exporters::report::transfers::{TransferReport, Transfers, VendorPolicy, Vendors};
use exporters::report::{Basis, Head, Language, Verification};
use ledger::{Index, Layout, Projection, Reader, View};
use schemas::kinds::records::ReportIssued;
use schemas::{Hash, Label, Month};
use sha2::{Digest, Sha256};
use std::io::Write;

pub fn run(cli: &Cli, args: &Report) -> Done {
    match args {
        Report::Retention(args) => retention(cli, args),
        Report::Transfers(args) => transfers(cli, args),
    }
}

fn retention(cli: &Cli, args: &RetentionArgs) -> Done {
    let figures = Figures::<Retention>::open(cli, &args.common)?;
    let periods = &figures.config.retention.periods;
    let basis = figures.basis.clone();
    let report = figures
        .view
        .read(|retention| RetentionReport::new(retention, periods, basis))?;
    let language = figures.language;
    let (text, media) = if cli.json || args.format == ReportFormat::Json {
        (report.to_json(), "application/json".to_owned())
    } else {
        (report.to_html(language), of_language("text/html", language))
    };
    figures.issue(RetentionReport::NAME, None, &text, &media)
}

fn transfers(cli: &Cli, args: &TransferArgs) -> Done {
    let month: Month = args.month.parse().context("--month")?;
    let figures = Figures::<Transfers>::open(cli, &args.common)?;
    let adopted = figures
        .policies
        .read(|policies| policies.before("vendors", month.end()));
    let (vendors, policy): (Vendors, _) = match adopted {
        None => (Vendors::default(), None),
        Some(adopted) => {
            let text = policies::read(&figures.reader, "vendors", adopted)?;
            let vendors = serde_json::from_str(&text)
                .context("this program cannot read the vendors policy of that month")?;
            let (position, digest) = (adopted.position, adopted.digest);
            (vendors, Some(VendorPolicy { position, digest }))
        }
    };
    let basis = figures.basis.clone();
    let report = figures
        .view
        .read(|transfers| TransferReport::new(transfers, month, &vendors, policy, basis))?;
    let language = figures.language;
    let format = if cli.json {
        TransferFormat::Json
    } else {
        args.format
    };
    let (text, media) = match format {
        TransferFormat::Json => (report.to_json(), "application/json".to_owned()),
        TransferFormat::Md => (
            report.to_markdown(language),
            of_language("text/markdown", language),
        ),
        TransferFormat::Csv => (report.to_csv(language), of_language("text/csv", language)),
    };
    let period = Label::lossy(&month.to_string());
    figures.issue(TransferReport::NAME, Some(period), &text, &media)
}

fn of_language(media: &str, language: Language) -> String {
    let language = match language {
        Language::Japanese => "ja",
        Language::English => "en",
    };
    format!("{media}; lang={language}")
}

/// Figures of exactly the head that was verified, and what a report of them is written with.
struct Figures<'c, P> {
    config: Config,
    door: Door,
    reader: Reader,
    view: View<P>,
    policies: View<Policies>,
    basis: Basis,
    language: Language,
    common: &'c ReportCommon,
    outcome: Outcome,
}

impl<'c, P: Projection> Figures<'c, P> {
    fn open(cli: &Cli, common: &'c ReportCommon) -> Result<Figures<'c, P>, Failure> {
        let config = Config::load(&Layout::new(&cli.data))?;
        let (door, _) = Door::open(&cli.data)?;
        let trust = trust(common.vkey.as_deref(), &common.checkpoint)?;
        let checked = check(cli, &trust)?;
        let reader = read(&cli.data)?;
        let mut index = Index::in_memory(reader.clone());
        let (view, policies) = (index.add::<P>(), index.add::<Policies>());
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
        // What is reported is what is in force, not what the file may say by now.
        let settled = policies.read(|p| policies::settle(p, &reader, config, &door))?;
        settled.tell();
        Ok(Figures {
            config: settled.config,
            door,
            reader,
            view,
            policies,
            basis,
            language: match common.language {
                ReportLanguage::Ja => Language::Japanese,
                ReportLanguage::En => Language::English,
            },
            common,
            outcome: if checked.is_clean() {
                Outcome::Well
            } else {
                Outcome::Wrong
            },
        })
    }

    /// Writes the report, then records what was written.
    fn issue(self, name: &str, period: Option<Label>, text: &str, media: &str) -> Done {
        match &self.common.output {
            Some(path) => std::fs::write(path, text)
                .with_context(|| format!("{} cannot be written", path.display()))?,
            None => std::io::stdout().write_all(text.as_bytes())?,
        }
        let issued = ReportIssued {
            report: name.parse().context("the report's name")?,
            period,
            head: self.basis.head.size,
            report_sha256: Hash(Sha256::digest(text).into()),
            media: Label::lossy(media),
        };
        let receipts = self
            .door
            .append(vec![self.door.event(self.door.operator(), issued)])
            .map_err(append_failed)?;
        eprintln!("recorded as report.issued at {}", receipts[0].seq);
        Ok(self.outcome)
    }
}
