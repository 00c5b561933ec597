//! The command form of a hook: what stands on standard input goes to the server, its answer
//! to standard output.
//!
//! Exit codes are the client's contract here: 0, the answer counts; 2, a prompt or a use of a
//! tool is stopped, for nobody could say that it may go on; 1, anything else went unrecorded.

pub mod capture;
mod install;
pub mod settings;

use crate::cli::{Cli, Hook, HookAction};
use crate::outcome::{Done, Failure, Outcome, say};
use anyhow::Context;
use schemas::kinds::hooks::HookEvent;
use std::io::Read;
use std::time::Duration;
use zeroize::Zeroizing;

pub fn run(cli: &Cli, args: &Hook) -> Done {
    match &args.action {
        Some(HookAction::Install(install)) => install::run(cli, args, install),
        None => {
            let told = read()?;
            match tell(args, &told) {
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

fn tell(args: &Hook, told: &[u8]) -> Result<String, Failure> {
    let token = std::env::var(&args.token_env).map(Zeroizing::new);
    let token = token.map_err(|_| {
        Failure::msg(
            format!("the environment variable {} holds no token", args.token_env),
            "set it to the token that `daicho agents register` printed, or name another with --token-env",
        )
    })?;
    let client = reqwest::blocking::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(args.timeout))
        .build()?;
    let url = settings::hook_url(&args.url);
    let sent = client.post(&url).bearer_auth(token.as_str());
    let sent = sent.header("content-type", "application/json");
    // The cause names hosts and ports, never what was sent.
    let answer = sent.body(told.to_vec()).send().map_err(|error| {
        let fault = anyhow::Error::new(error.without_url());
        let fault = fault.context(format!("daicho at {} does not answer", args.url));
        Failure::new(
            fault,
            "see whether `daicho serve` runs there; until then nothing goes on",
        )
    })?;
    let status = answer.status();
    let text = answer.text()?;
    if status.is_success() {
        return Ok(text);
    }
    let told: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let message = told
        .as_ref()
        .and_then(|told| told["error"]["message"].as_str());
    let message = message.unwrap_or("no reason given");
    Err(Failure::msg(
        format!(
            "daicho at {} refused the event ({status}): {message}",
            args.url
        ),
        "see the reason; the operator of daicho can tell more",
    ))
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
