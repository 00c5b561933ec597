use crate::cli::{Cli, Init};
use crate::commands::read;
use crate::config;
use crate::outcome::{Done, Failure, Outcome};
use ledger::clock::SystemClock;
use ledger::{CreateError, Layout};
use std::io::Write;

pub fn run(cli: &Cli, args: &Init) -> Done {
    let mut out = std::io::stdout().lock();
    let layout = Layout::new(&cli.data);
    let made = match ledger::create(&cli.data, &args.origin, &SystemClock) {
        Err(CreateError::Exists { .. }) if !config::is_complete(&layout) => {
            // An earlier run was interrupted after entry 0: the rest is made now.
            let reader = read(&cli.data)?;
            if reader.origin() == args.origin {
                Ok(reader.key().clone())
            } else {
                let path = cli.data.display().to_string();
                Err(CreateError::Exists { path })
            }
        }
        made => made,
    };
    let vkey = made.map_err(|error| {
        let help = match &error {
            CreateError::Exists { .. } => {
                "name another directory with --data, or use the ledger that is there"
            }
            CreateError::WrongOrigin { .. } => {
                "choose a name like a URL without scheme; it can never be changed"
            }
            CreateError::Io { .. } | CreateError::NoRandomness => {
                "check that the directory is writable and has space"
            }
        };
        Failure::new(error, help)
    })?;
    config::write_default(&layout)?;
    if cli.json {
        writeln!(
            out,
            "{}",
            serde_json::json!({ "origin": args.origin, "vkey": vkey.to_string() })
        )?;
    } else {
        writeln!(out, "ledger   {}", cli.data.display())?;
        writeln!(out, "origin   {}", args.origin)?;
        writeln!(out, "vkey     {vkey}")?;
        writeln!(
            out,
            "Give the vkey to whoever will verify: auditors, the parent company, its SIEM."
        )?;
    }
    Ok(Outcome::Well)
}
