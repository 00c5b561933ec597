//! `daicho report explain`: the entries behind one figure.

use crate::cli::{Cli, ReportExplain};
use crate::commands::read;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::reports::{Form, ReportFile};
use serde_json::json;

pub fn run(cli: &Cli, args: &ReportExplain) -> Done {
    let file = ReportFile::read(&args.file)?;
    let reader = read(&cli.data)?;
    file.of_log(&reader)?;
    if let Some(fault) = file.head_fault(&reader)? {
        return Err(Failure::msg(fault, "run `daicho report verify`"));
    }
    let report = file.again(&reader)?;
    let Some(figure) = report.figure(&args.figure) else {
        let help = "figures' ids are in the JSON, in the CSV, and in the page's table of positions";
        return Err(Failure::msg("the report has no figure of this id", help));
    };
    if cli.json {
        say!("{}", serde_json::to_string(figure)?);
    } else {
        say!("figure       {}", figure.id);
        say!("value        {}", figure.value);
        say!("query        {}", figure.query);
        say!("entries      {}", figure.positions.len());
    }
    for position in figure.positions.iter() {
        let entry = reader.entry(position)?;
        let (at, kind, actor) = (entry.at(), entry.kind(), entry.actor());
        if cli.json {
            let told = json!({ "seq": position, "at": at, "kind": kind, "actor": actor });
            say!("{told}");
        } else {
            say!("{position:>8}  {at}  {kind}  {actor}");
        }
    }
    // Pages of another font are other bytes: of PDF only `report verify` says what that means.
    if file.form != Form::Pdf && file.like(&report, &reader)? != file.bytes {
        eprintln!("warning: the file is not what the log gives: run `daicho report verify`");
        return Ok(Outcome::Wrong);
    }
    Ok(Outcome::Well)
}
