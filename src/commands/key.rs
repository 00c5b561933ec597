//! `daicho key`: the log's signing key.

use crate::cli::{Cli, Key, OnToken, Protect, Rotate};
use crate::commands::{open_failed, read, word};
use crate::door::{Door, append_failed};
use crate::keyring::{Keyring, Place, RotateError, Rotation, read_secret};
use crate::outcome::{Done, Failure, Outcome, say};
use anyhow::Context;
use ledger::{HeldKey, KeyFile, Layout, TokenKey, UnlockError};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Below this a passphrase is guessed, whatever it is stretched with.
const MIN_PASSPHRASE_CHARS: usize = 12;

pub fn run(cli: &Cli, args: &Key) -> Done {
    match args {
        Key::Show => show(cli),
        Key::History => history(cli),
        Key::Rotate(args) => rotate(cli, args),
        Key::Protect(args) => protect(cli, args),
        Key::Unprotect => keep(cli, |_, key| Ok(KeyFile::plain(key))),
    }
}

fn show(cli: &Cli) -> Done {
    let reader = read(&cli.data)?;
    let vkey = reader.key_in_force();
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "origin": reader.origin(), "vkey": vkey.to_string() })
        );
    } else {
        say!("{vkey}");
    }
    Ok(Outcome::Well)
}

fn history(cli: &Cli) -> Done {
    let mut out = std::io::stdout().lock();
    for (first, key) in read(&cli.data)?.keys().iter() {
        if cli.json {
            let line = serde_json::json!({ "first": first, "vkey": key.to_string() });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "from entry {first}  {key}")?;
        }
    }
    Ok(Outcome::Well)
}

fn rotate(cli: &Cli, args: &Rotate) -> Done {
    let place = match token_key(&args.on_token) {
        Some(place) => Place::Token(place),
        None if args.file => Place::File,
        None => Place::AsNow,
    };
    let reason = word(&args.reason).context("--reason")?;
    let keyring = Arc::new(Keyring::of(&cli.data));
    let (door, _) = Door::open_with(&cli.data, &keyring)?;
    let rotated = door.rotate(&keyring, &Rotation { reason, place });
    let rotated = rotated.map_err(|error| match error {
        RotateError::Append(error) => append_failed(error),
        error => {
            let help = error.remedy();
            Failure::new(error, help)
        }
    })?;
    if cli.json {
        say!("{}", serde_json::json!(rotated));
    } else {
        say!("vkey     {}", rotated.vkey);
        say!("kept     {}", rotated.kept);
        let old = match rotated.was.as_str() {
            "token" => "which stays on its token: remove it there",
            _ => "which is gone",
        };
        let seq = rotated.seq;
        say!("recorded as key.rotated at {seq}, signed by the old key, {old}");
        say!("Give the vkey to whoever verifies, and to each witness: `daicho witness add-log`.");
    }
    Ok(Outcome::Well)
}

fn protect(cli: &Cli, args: &Protect) -> Done {
    if args.system {
        return keep(cli, |_, key| KeyFile::under_system(key).map_err(locked));
    }
    keep(cli, |keyring, key| {
        let passphrase = match &args.passphrase_file {
            Some(path) => read_secret(path).map_err(locked)?,
            None => new_passphrase(keyring)?,
        };
        if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(Failure::msg(
                format!("the passphrase has fewer than {MIN_PASSPHRASE_CHARS} characters"),
                "choose a longer one, as five random words",
            ));
        }
        KeyFile::under_passphrase(key, &passphrase).map_err(locked)
    })
}

/// Writes the key file in another form. The ledger is held meanwhile: a server that rotates
/// would write it too.
fn keep(
    cli: &Cli,
    form: impl Fn(&Keyring, &ledger::note::SignerKey) -> Result<KeyFile, Failure>,
) -> Done {
    let keyring = Arc::new(Keyring::of(&cli.data));
    let opened = ledger::open(&cli.data, keyring.options()).map_err(open_failed)?;
    let path = Layout::new(&cli.data).log_key();
    let present =
        KeyFile::read(&path).map_err(|error| Failure::new(error, "see `daicho doctor`"))?;
    let passphrase = match present.way() {
        "passphrase" => Some(keyring.passphrase().map_err(locked)?),
        "token" => {
            let help = "the token protects it; `daicho key rotate --file` goes back to a file";
            return Err(Failure::msg("the key is on a PKCS #11 token", help));
        }
        _ => None,
    };
    let key = present
        .secret(passphrase.as_ref().map(|p| p.as_str()))
        .map_err(locked)?;
    let file = form(&keyring, &key)?;
    file.write(&path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    drop(opened);
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "kept": file.way(), "was": present.way() })
        );
    } else {
        say!("kept     {} (was {})", file.way(), present.way());
        if present.way() == "plain" && file.way() != "plain" {
            say!(
                "What lay plain on this disk may still be found there, or in a backup: `daicho key rotate` gives a key that never did."
            );
        }
    }
    Ok(Outcome::Well)
}

/// For a plain key from where the server will look for it, else typed twice.
fn new_passphrase(keyring: &Keyring) -> Result<Zeroizing<String>, Failure> {
    let present = keyring.has_configured_passphrase().map_err(locked)?;
    if present {
        return keyring.passphrase().map_err(locked);
    }
    if !std::io::stderr().is_terminal() {
        return Err(Failure::msg(
            "no new passphrase is given",
            "type it at a terminal, or name a file with --passphrase-file",
        ));
    }
    let typed = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let passphrase = typed("new passphrase of the signing key: ")?;
    if typed("again: ")? != passphrase {
        return Err(Failure::msg("the two are not the same", "try again"));
    }
    Ok(passphrase)
}

pub fn locked(error: UnlockError) -> Failure {
    let help = error.remedy();
    Failure::new(error, help)
}

pub fn token_key(args: &OnToken) -> Option<TokenKey> {
    Some(TokenKey {
        token: args.token.clone()?,
        key: args.token_key.clone()?,
    })
}

/// The key of a new ledger, where it is on a token.
pub fn on_token(
    keyring: &Keyring,
    origin: &str,
    args: &OnToken,
) -> Result<Option<HeldKey>, Failure> {
    let held = token_key(args).map(|place| keyring.on_token(origin, &place));
    held.transpose().map_err(locked)
}
