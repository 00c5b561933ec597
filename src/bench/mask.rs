//! `daicho mask` as a program: one line from its start to its end, and what it holds in memory once
//! the word lists are read.

use super::figures::{Figures, Run};
use super::served::this_program;
use crate::outcome::Failure;
use anyhow::{Context, ensure};
use serde_json::json;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// A name, an address and a number: the lists of names and places are read.
const LINE: &str =
    "山田太郎様（東京都千代田区丸の内1-2-3）、お電話は 03-5555-0142 までお願いします。";
/// So many answers fill the program's buffer: it has written some when it waits for more.
const LINES: usize = 200;

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("mask: a program from its start to its end, and what it holds");
    let mut latencies = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) || latencies.is_empty() {
        latencies.push(once(scratch)?);
    }
    let run = Run {
        events: latencies.len() as u64,
        took: latencies.iter().sum(),
        latencies,
    };
    figures.run("daicho mask, one line", run);
    if let Some(kib) = held(scratch)? {
        figures.count("peak RSS, word lists read", kib >> 10, "MB");
    }
    Ok(())
}

/// A ledger that is none: the policy is the default.
fn program(scratch: &Path) -> anyhow::Result<Command> {
    let mut command = this_program()?;
    command.arg("--data").arg(scratch.join("mask")).arg("mask");
    Ok(command)
}

fn spawn(mut command: Command) -> anyhow::Result<(Child, ChildStdin)> {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().context("this program cannot be started")?;
    let stdin = child.stdin.take().context("its input is a pipe")?;
    Ok((child, stdin))
}

fn once(scratch: &Path) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let (child, mut stdin) = spawn(program(scratch)?)?;
    stdin.write_all(LINE.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let took = begun.elapsed();
    ensure!(output.status.success(), "mask ended with {}", output.status);
    Ok(took)
}

/// The most memory of a program that has masked and waits for more, in KiB, where the system tells
/// it.
fn held(scratch: &Path) -> anyhow::Result<Option<u64>> {
    let mut command = program(scratch)?;
    command.arg("--ndjson");
    let (mut child, mut stdin) = spawn(command)?;
    let line = json!({ "id": 1, "text": LINE });
    for _ in 0..LINES {
        writeln!(stdin, "{line}")?;
    }
    let mut stdout = child.stdout.take().context("its output is a pipe")?;
    stdout.read_exact(&mut [0])?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    drop(stdin);
    stdout.read_to_end(&mut Vec::new())?;
    ensure!(child.wait()?.success(), "mask ended with an error");
    let status = status.unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix("kB"));
    Ok(kib.and_then(|kib| kib.trim().parse().ok()))
}
