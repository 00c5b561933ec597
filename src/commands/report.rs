mod complete;
mod explain;
mod fetch;
mod verify;

use crate::cli::{Cli, PeriodReport, Report, ReportCommon, ReportLanguage};
use crate::commands::verify::notes;
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure};
use crate::policies;
use crate::reports::{ALWAYS, Form, Issuer, Outside, Places, Wish};
use crate::timestamp::Client;
use crate::views::Views;
use anyhow::Context;
use exporters::report::{
    Language, Rules, access, approvals, controls, incidents, monthly, retention, transfers,
};
use ledger::Layout;
use std::io::Write;
use std::path::PathBuf;

pub fn run(cli: &Cli, args: &Report) -> Done {
    match args {
        Report::Retention(args) => {
            let wish = wish(cli, retention::NAME, None, &args.common)?;
            let continued = args.continued;
            issue(cli, Wish { continued, ..wish }, &args.common)
        }
        Report::Transfers(args) => period(cli, transfers::NAME, args),
        Report::Monthly(args) => period(cli, monthly::NAME, args),
        Report::Approvals(args) => period(cli, approvals::NAME, args),
        Report::Access(args) => period(cli, access::NAME, args),
        Report::Incidents(args) => period(cli, incidents::NAME, args),
        Report::Controls(args) => period(cli, controls::NAME, args),
        Report::List => fetch::list(cli),
        Report::Fetch(args) => fetch::run(cli, args),
        Report::Verify(args) => verify::run(cli, args),
        Report::Explain(args) => explain::run(cli, args),
    }
}

fn period(cli: &Cli, name: &'static str, args: &PeriodReport) -> Done {
    let wish = wish(cli, name, Some(&args.month), &args.common)?;
    issue(cli, wish, &args.common)
}

/// The report that is asked for, in its first form.
fn wish(
    cli: &Cli,
    name: &str,
    month: Option<&str>,
    common: &ReportCommon,
) -> Result<Wish, Failure> {
    Ok(Wish {
        report: name.to_owned(),
        month: month.map(str::to_owned),
        formats: vec![if cli.json { Form::Json } else { common.format }],
        languages: vec![match common.language {
            ReportLanguage::Ja => Language::Japanese,
            ReportLanguage::En => Language::English,
        }],
        head: common.head,
        vkey: common.vkey.clone(),
        unverified: common.unverified,
        continued: false,
        checkpoints: outside(&common.checkpoint)?,
        attempt: None,
    })
}

/// Has whoever holds the ledger issue a report, and writes it down.
fn issue(cli: &Cli, mut wish: Wish, common: &ReportCommon) -> Done {
    // Before anything is recorded: what cannot be written is not issued.
    let mut paths: Vec<PathBuf> = common.output.iter().cloned().collect();
    if let (Some(page), [Form::Html]) = (&common.output, &wish.formats[..]) {
        let evidence = page.with_extension("json");
        if evidence != *page {
            wish.formats.push(Form::Json);
            paths.push(evidence);
        }
    }
    if !common.force
        && let Some(outcome) = complete::run(cli, &wish, &paths)?
    {
        return Ok(outcome);
    }
    let mut places = Places::take(&paths, common.force).map_err(|fault| {
        let help = "choose another -o; --force replaces what is there";
        Failure::new(fault, help)
    })?;
    wish.attempt = (!paths.is_empty()).then(|| places.number());
    let config = Config::load(&Layout::new(&cli.data))?;
    let (door, reader) = Door::open(&cli.data)?;
    let issued = match &door {
        Door::Here(appender) => {
            let views = Views::open(reader.clone())?;
            let pending = views.policies.read(|p| policies::pending(p, &config));
            if pending.contains(&Rules::POLICY) {
                eprintln!(
                    "warning: daicho.toml changes [report], which is not adopted: what was adopted \
                     goes on; `daicho policy adopt` puts it in force"
                );
            }
            let client = Client::open(&config.timestamp, &cli.data)?;
            let issuer = Issuer {
                appender,
                reader: &reader,
                views: &views,
                config: &config.report,
                client: client.as_ref(),
                by: door.operator(),
                wanted: ALWAYS,
            };
            let id = |form, language| wish.id(form, language).unwrap_or_else(|| door.new_id());
            let issued = issuer.issue(&wish, &wish.documents(), id);
            views.save();
            issued
        }
        Door::Server { .. } => door.issue_report(&wish).map_err(append_failed),
    };
    // Who failed may have recorded it: then the same command writes it the next time.
    if issued.is_ok() || complete::is_recorded(cli, &wish) {
        places.are_recorded();
    }
    let issued = issued?;
    let seqs: Vec<String> = issued.documents.iter().map(|d| d.seq.to_string()).collect();
    eprintln!("recorded as report.issued at {}", seqs.join(", "));
    for note in &issued.notes {
        eprintln!("warning: {note}");
    }
    for (nth, document) in issued.documents.iter().enumerate() {
        if common.output.is_none() {
            std::io::stdout().write_all(&document.bytes)?;
            continue;
        }
        let token = document.token();
        let filled = places.fill(nth, &document.bytes, &document.proof, token.as_deref());
        filled.map_err(|fault| {
            let help = format!(
                "it is issued: the same command writes it, or `daicho report fetch {} -o FILE`",
                document.seq
            );
            Failure::new(fault, help)
        })?;
    }
    Ok(issued.soundness.outcome())
}

/// Checkpoints that were kept elsewhere, as they travel to whoever verifies.
fn outside(paths: &[PathBuf]) -> Result<Vec<Outside>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let read = notes(path).with_context(|| format!("{} cannot be read", path.display()))?;
        all.extend(read.into_iter().map(|note| Outside {
            name: path.display().to_string(),
            // What is no text is no note, and the check says so.
            note: String::from_utf8_lossy(&note).into_owned(),
        }));
    }
    Ok(all)
}
