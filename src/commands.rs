//! One file per command.

mod agents;
mod append;
mod approvals;
mod backup;
mod bundle;
pub mod consent;
mod doctor;
mod erasure;
pub mod events;
mod export;
mod findings;
mod hold;
pub mod hook;
mod import;
mod ingest;
mod init;
mod key;
mod licences;
mod mask;
mod mcp;
mod patch;
mod policy;
mod prove;
mod rebuild;
mod report;
mod retention;
mod roster;
mod scan;
mod serve;
mod show;
mod timestamp;
mod users;
pub mod verify;
mod verify_bundle;
mod witness;

use crate::cli::{Cli, Command};
use crate::outcome::{Done, Failure};
use ledger::{OpenError, Reader};
use schemas::{Period, Timestamp};
use std::path::Path;
use std::time::{Duration, Instant};

pub fn run(cli: &Cli) -> Done {
    match &cli.command {
        Command::Demo(args) => crate::demo::run(args.once),
        Command::Init(args) => init::run(cli, args),
        Command::Serve(args) => serve::run(cli, args),
        Command::Append(args) => append::run(cli, args),
        Command::Events(args) => events::run(cli, args),
        Command::Show(args) => show::run(cli, args),
        Command::Verify(args) => verify::run(cli, args),
        Command::Prove(args) => prove::run(cli, args),
        Command::Bundle(args) => bundle::run(cli, args),
        Command::VerifyBundle(args) => verify_bundle::run(cli, args),
        Command::Key(args) => key::run(cli, args),
        Command::Rebuild => rebuild::run(cli),
        Command::Hook(args) => hook::run(cli, args),
        Command::Mcp(args) => mcp::run(args),
        Command::Import(args) => import::run(cli, args),
        Command::Ingest(args) => ingest::run(cli, args),
        Command::Mask(args) => mask::run(cli, args),
        Command::Scan(args) => scan::run(cli, args),
        Command::Findings(args) => findings::run(cli, args),
        Command::Patch(args) => patch::run(cli, args),
        Command::Approvals(args) => approvals::run(cli, args),
        Command::Agents(args) => agents::run(cli, args),
        Command::Users(args) => users::run(cli, args),
        Command::Consent(args) => consent::run(cli, args),
        Command::Policy(args) => policy::run(cli, args),
        Command::Retention(args) => retention::run(cli, args),
        Command::Hold(args) => hold::run(cli, args),
        Command::Erasure(args) => erasure::run(cli, args),
        Command::Roster(args) => roster::run(cli, args),
        Command::Report(args) => report::run(cli, args),
        Command::Export(args) => export::run(cli, args),
        Command::Licences => licences::run(),
        Command::Doctor => doctor::run(cli),
        Command::Backup(args) => backup::run(cli, args),
        Command::Restore(args) => backup::restore(cli, args),
        Command::Witness(args) => witness::run(cli, args),
        Command::Timestamp(args) => timestamp::run(cli, args),
        Command::Bench(args) => {
            let scratch = args
                .scratch
                .join(format!("daicho-bench-{}", std::process::id()));
            let done = crate::bench::run(&scratch, cli.json, args);
            let _ = std::fs::remove_dir_all(scratch);
            done
        }
    }
}

/// Opens a ledger for reading only.
fn read(data: &Path) -> Result<Reader, Failure> {
    Reader::open(data).map_err(open_failed)
}

/// Opens a ledger for reading only, with `seq` under its checkpoint: a server writes that one a
/// moment after it has answered. Where none comes, whoever asks for a proof is told.
fn read_covering(data: &Path, seq: u64) -> Result<Reader, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        let reader = read(data)?;
        let waits = (reader.covered()..reader.size()).contains(&seq);
        if !waits || Instant::now() >= until {
            return Ok(reader);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ten times what a server lets its checkpoint's file lag.
const PATIENCE: Duration = Duration::from_secs(2);

/// A C2SP tlog-policy file.
pub fn read_policy(path: &Path, help: &'static str) -> Result<ledger::witness::Policy, Failure> {
    use anyhow::Context;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    text.parse().map_err(|error: ledger::witness::PolicyError| {
        let fault = anyhow::Error::new(error).context(format!("{} is no policy", path.display()));
        Failure::new(fault, help)
    })
}

pub fn open_failed(error: OpenError) -> Failure {
    let help = error.remedy();
    Failure::new(error, help)
}

/// A word of one of the closed lists, as `high` or `granted`.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    let error = |_| {
        anyhow::anyhow!(
            "{:?} is not one of its words; see --help",
            schemas::Label::lossy(text).as_str()
        )
    };
    serde_json::from_value(text.into()).map_err(error)
}

/// A deadline: now and a period; "forever" is as far as timestamps go.
pub fn period_from(now: Timestamp, period: Period) -> Timestamp {
    now.after(period)
        .unwrap_or(Timestamp::from_micros(i64::MAX))
}
