//! The command form of a hook: what stands on standard input goes to the server, its answer
//! to standard output.
//!
//! Exit codes are the client's contract here: 0, the answer counts; 2, a prompt or a use of a
//! tool is stopped, for nobody could say that it may go on; 1, anything else went unrecorded.

pub mod capture;
pub mod defeats;
mod install;
pub mod settings;
pub mod system;

use crate::cli::{Cli, Hook, HookAction};
use crate::outcome::{Done, Failure, Outcome, say};
use crate::tell::{Server, token_in};
use anyhow::Context;
use schemas::kinds::hooks::HookEvent;
use std::io::Read;
use zeroize::Zeroizing;

pub fn run(cli: &Cli, args: &Hook) -> Done {
    match &args.action {
        Some(HookAction::Install(install)) => install::run(cli, args, install),
        Some(HookAction::Headers) => {
            let token = token_in(&args.token_env)?;
            let bearer = format!("Bearer {}", token.as_str());
            say!("{}", serde_json::json!({ "Authorization": bearer }));
            Ok(Outcome::Well)
        }
        Some(HookAction::Token) => {
            say!("{}", token_in(&args.token_env)?.as_str());
            Ok(Outcome::Well)
        }
        None => {
            let told = read()?;
            let server = || Server::at(&args.url, &args.token_env, args.timeout);
            match server().and_then(|server| server.tell(settings::HOOK, &told)) {
                Ok(answer) => {
                    // `{}` says nothing; some events take any output as text for the model.
                    if answer.trim() != "{}" {
                        say!("{}", answer.trim_end());
                    }
                    Ok(Outcome::Well)
                }
                Err(failure) if is_decided(&told) => Err(failure),
                Err(failure) => {
                    eprintln!("warning: this event was not recorded: {:#}", failure.fault);
                    Ok(Outcome::Wrong)
                }
            }
        }
    }
}

/// More than any tool's result; the server has a limit of its own.
const MOST_BYTES: u64 = 64 << 20;

fn read() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut told = Zeroizing::new(Vec::new());
    let stdin = std::io::stdin().lock();
    let read = stdin.take(MOST_BYTES + 1).read_to_end(&mut told);
    read.context("standard input cannot be read")?;
    if told.len() as u64 > MOST_BYTES {
        let help = "the client should send one event";
        return Err(Failure::msg("the event is longer than 64 MiB", help));
    }
    Ok(told)
}

/// What cannot be read may be anything: it is stopped.
fn is_decided(told: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Named {
        hook_event_name: String,
    }
    let named: Option<Named> = serde_json::from_slice(told).ok();
    named.is_none_or(|named| HookEvent::named(&named.hook_event_name).is_decided())
}
