//! What a client waits for at each hook: the command form from its start to its end, beside a
//! program that does nothing.

use super::figures::{Figures, Run};
use super::served::{Served, this_program};
use crate::outcome::Failure;
use anyhow::{Context, ensure};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TOKEN_ENV: &str = "DAICHO_BENCH_TOKEN";

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("hook: a program from its start to its end");
    let served = Served::start(&scratch.join("hook"), "http://127.0.0.1:9")?;
    let url = format!("http://{}", served.address);
    let told = json!({
        "session_id": "7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11", "cwd": "/home/dev/shop",
        "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": "Read",
        "tool_use_id": "toolu_bench", "tool_input": { "file_path": "/home/dev/shop/orders.py" },
    });
    let told = told.to_string();
    let (mut nothing, mut hooks) = (Vec::new(), Vec::new());
    let start = Instant::now();
    // In turns, so that whatever else this machine does meets both.
    while start.elapsed() < Duration::from_secs(seconds) || hooks.is_empty() {
        nothing.push(once(does_nothing(), b"")?);
        let mut hook = this_program()?;
        hook.args(["hook", "--url", &url, "--token-env", TOKEN_ENV]);
        hook.env(TOKEN_ENV, served.token.reveal());
        hooks.push(once(hook, told.as_bytes())?);
    }
    for (what, latencies) in [("nothing", nothing), ("daicho hook, recorded", hooks)] {
        let run = Run {
            events: latencies.len() as u64,
            took: latencies.iter().sum(),
            latencies,
        };
        figures.run(what, run);
    }
    Ok(())
}

fn does_nothing() -> Command {
    if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/C", "exit"]);
        return command;
    }
    Command::new("true")
}

fn once(mut program: Command, told: &[u8]) -> anyhow::Result<Duration> {
    let name = program.get_program().to_owned();
    let begun = Instant::now();
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{} cannot be started", name.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // One that does nothing reads nothing either.
        let _ = input.write_all(told);
    }
    let status = child.wait()?;
    let took = begun.elapsed();
    ensure!(status.success(), "{} ended with {status}", name.display());
    Ok(took)
}
