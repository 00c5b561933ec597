use crate::cli::{Cli, Init};
use crate::config;
use crate::outcome::{Done, Failure, Outcome};
use ledger::clock::SystemClock;
use ledger::{CreateError, Layout};

pub fn run(cli: &Cli, args: &Init) -> Done {
    let vkey = ledger::create(&cli.data, &args.origin, &SystemClock).map_err(|error| {
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
    config::write_default(&Layout::new(&cli.data))?;
    if cli.json {
        println!(
            "{}",
            serde_json::json!({ "origin": args.origin, "vkey": vkey.to_string() })
        );
    } else {
        println!("ledger   {}", cli.data.display());
        println!("origin   {}", args.origin);
        println!("vkey     {vkey}");
        println!("Give the vkey to whoever will verify: auditors, the parent company, its SIEM.");
    }
    Ok(Outcome::Well)
}
