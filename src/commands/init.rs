use crate::cli::{Cli, Init};
use crate::commands::{key, read};
use crate::config::{self, KeyConfig};
use crate::keyring::Keyring;
use crate::outcome::{Done, Failure, Outcome};
use ledger::clock::SystemClock;
use ledger::{CreateError, Layout};
use std::io::Write;
use std::path::PathBuf;

pub fn run(cli: &Cli, args: &Init) -> Done {
    let mut out = std::io::stdout().lock();
    let layout = Layout::new(&cli.data);
    let settings = KeyConfig {
        passphrase_file: None,
        module: absolute(&args.module)?,
        pin_file: absolute(&args.pin_file)?,
    };
    let keyring = Keyring::with(&cli.data, settings.clone());
    // A ledger that is there has its key: none is made on a token for nothing.
    let key = match read(&cli.data) {
        Ok(_) => None,
        Err(_) => key::on_token(&keyring, &args.origin, &args.on_token)?,
    };
    let made = match ledger::create_under(&cli.data, &args.origin, key, &SystemClock) {
        Err(CreateError::Exists { .. }) if !config::is_complete(&layout) => {
            // An earlier run was interrupted after entry 0: the rest is made now.
            let reader = read(&cli.data)?;
            if reader.origin() == args.origin {
                Ok(reader.key_in_force())
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
            CreateError::Sign(_) => "attach the token and try again",
        };
        Failure::new(error, help)
    })?;
    config::write_new(&layout, &settings)?;
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

/// As the configuration names it: a server may be started from anywhere.
fn absolute(path: &Option<PathBuf>) -> std::io::Result<Option<PathBuf>> {
    path.as_ref().map(std::path::absolute).transpose()
}
