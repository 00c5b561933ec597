use crate::cli::{Cli, Scan};
use crate::desk::Desk;
use crate::outcome::{Done, Failure, Outcome, say};
use agents::scanner::sarif::Sarif;
use agents::scanner::scan::{ScanOptions, plan_scan};
use anyhow::Context;
use schemas::kinds::scanner::ScanOutcome;

pub fn run(cli: &Cli, args: &Scan) -> Done {
    let bytes = std::fs::read(&args.sarif)
        .with_context(|| format!("{} cannot be read", args.sarif.display()))?;
    let root = std::path::absolute(&args.path).context("PATH")?;
    let sarif = Sarif::parse(&bytes, root.to_str()).map_err(|error| {
        Failure::new(
            error,
            "nothing was recorded; write the report as SARIF 2.1.0",
        )
    })?;
    let mut desk = Desk::open(&cli.data)?;
    let actor = args.by.parse().context("--by")?;
    let project = args.project.parse().context("--project")?;
    let options = ScanOptions {
        actor: &actor,
        project: &project,
        whole_project: args.whole_project,
        is_removed: &|path| !root.join(path).exists(),
    };
    let plan = desk
        .views
        .findings
        .read(|findings| plan_scan(&sarif, findings, &options, &mut || desk.door.new_id()));
    desk.append(plan.submissions)?;
    let mut complete = true;
    for summary in plan.summaries {
        complete &= summary.completed.outcome == ScanOutcome::Complete;
        if cli.json {
            say!("{}", serde_json::to_string(&summary)?);
            continue;
        }
        let done = &summary.completed;
        say!(
            "{}: {} results, {} new, {} known, {} reopened, {} gone",
            summary.scanner,
            done.results,
            done.reported,
            done.known,
            done.reopened,
            done.gone
        );
        for path in summary.not_run {
            say!("  NOT SCANNED  {path}");
        }
    }
    if !complete {
        return Err(Failure::msg(
            "the scanner did not finish its work",
            "what it found is recorded; what it did not see is not clean",
        ));
    }
    Ok(Outcome::Well)
}
