//! Managed settings, written or taken away after they were shown.

use super::settings::{FILE, WITHHELD, Wanted, foreign, settings};
use super::system::System;
use crate::cli::{Cli, Hook, HookInstall};
use crate::files;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::policies;
use anyhow::Context;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

pub fn run(cli: &Cli, hook: &Hook, args: &HookInstall) -> Done {
    let managed = || PathBuf::from(System::HERE.managed_dir());
    let path = args.dir.clone().unwrap_or_else(managed).join(FILE);
    if !args.remove && WITHHELD.contains(&hook.token_env.as_str()) {
        return Err(Failure::msg(
            format!(
                "Claude Code would leave {} empty in its hooks' headers",
                hook.token_env
            ),
            "put the token into a variable that is not the client's own; the key of the model is \
             taken from it too",
        ));
    }
    let program = std::env::current_exe().context("the program's own path is not known")?;
    let wanted = (!args.remove).then(|| {
        settings(&Wanted {
            system: System::HERE,
            url: &hook.url,
            token_env: &hook.token_env,
            program: &program.display().to_string(),
            telemetry: args.telemetry.as_deref(),
        })
    });
    let before = read(&path)?;
    if let Some(keys) = before.as_ref().map(foreign).filter(|keys| !keys.is_empty()) {
        return Err(Failure::msg(
            format!(
                "{} holds what daicho did not write: {}",
                path.display(),
                keys.join(", ")
            ),
            "put that into a file of its own beside it; nothing was changed",
        ));
    }
    let text = |settings: &Option<Value>| {
        let shown = settings.as_ref().map(together);
        shown.map_or("{}".to_owned(), |shown| shown.to_string())
    };
    let lines = policies::diff("settings", &text(&before), &text(&wanted))?;
    if cli.json {
        say!("{}", serde_json::json!({ "file": path, "changes": lines }));
    } else {
        say!("{}", path.display());
        lines.iter().for_each(|line| say!("{line}"));
    }
    if lines.is_empty() {
        eprintln!("note: it is so already; nothing was changed");
        return Ok(Outcome::Well);
    }
    if !args.yes && !asked()? {
        eprintln!("note: nothing was changed; --yes does it without a question");
        return Ok(Outcome::Wrong);
    }
    write(&path, wanted.as_ref())?;
    eprintln!("note: sessions of Claude Code that begin from now on are under it");
    Ok(Outcome::Well)
}

/// For the eye: events whose hooks are the same, said once.
fn together(settings: &Value) -> Value {
    let mut groups: Vec<(String, &Value)> = Vec::new();
    for (event, hook) in settings["hooks"].as_object().into_iter().flatten() {
        match groups.iter_mut().find(|(_, same)| *same == hook) {
            Some((events, _)) => *events = format!("{events}, {event}"),
            None => groups.push((event.clone(), hook)),
        }
    }
    let groups = groups.into_iter();
    let mut shown = settings.clone();
    shown["hooks"] = groups
        .map(|(events, hook)| (events, hook.clone()))
        .collect();
    shown
}

/// `None` where there is no file.
fn read(path: &Path) -> Result<Option<Value>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let value = serde_json::from_str(&text).ok().filter(Value::is_object);
    value.map(Some).ok_or_else(|| {
        Failure::msg(
            format!("{} is no settings file", path.display()),
            "Claude Code ignores it as it is: look at it, then delete it",
        )
    })
}

fn asked() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("Write this? [y/N] ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "yes"))
}

fn write(path: &Path, wanted: Option<&Value>) -> Result<(), Failure> {
    let dir = path.parent().expect("the file stands in a directory");
    let done = match wanted {
        Some(settings) => std::fs::create_dir_all(dir).and_then(|()| {
            let text = format!("{settings:#}\n");
            // Every user's client reads it; none may write it.
            files::replace(path, text.as_bytes(), false)
        }),
        None => std::fs::remove_file(path).inspect(|()| {
            // Only where it is empty: whatever else stands there is not daicho's.
            let _ = std::fs::remove_dir(dir);
        }),
    };
    done.map_err(|error| {
        let fault = anyhow::Error::new(error);
        let fault = fault.context(format!("{} cannot be changed", path.display()));
        Failure::new(
            fault,
            "run it as the administrator of this host (root), or see --dir",
        )
    })
}
