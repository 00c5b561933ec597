//! One file per command.

mod append;
mod events;
mod export;
mod init;
mod key;
mod prove;
mod rebuild;
mod report;
mod serve;
mod show;
mod verify;

use crate::cli::{Cli, Command};
use crate::outcome::{Done, Failure};
use ledger::{OpenError, Reader};
use std::path::Path;

pub fn run(cli: &Cli) -> Done {
    match &cli.command {
        Command::Init(args) => init::run(cli, args),
        Command::Serve(args) => serve::run(cli, args),
        Command::Append(args) => append::run(cli, args),
        Command::Events(args) => events::run(cli, args),
        Command::Show(args) => show::run(cli, args),
        Command::Verify(args) => verify::run(cli, args),
        Command::Prove(args) => prove::run(cli, args),
        Command::Key(args) => key::run(cli, args),
        Command::Rebuild => rebuild::run(cli),
        Command::Report(args) => report::run(cli, args),
        Command::Export(args) => export::run(cli, args),
        Command::Bench(args) => {
            let scratch = args
                .scratch
                .join(format!("daicho-bench-{}", std::process::id()));
            let done = crate::bench::run(&scratch, cli.json, args.quick);
            let _ = std::fs::remove_dir_all(scratch);
            done
        }
    }
}

/// Opens a ledger for reading only.
fn read(data: &Path) -> Result<Reader, Failure> {
    Reader::open(data).map_err(open_failed)
}

pub fn open_failed(error: OpenError) -> Failure {
    let help = error.remedy();
    Failure::new(error, help)
}
