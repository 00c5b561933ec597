//! Everything at once: agents, the provider, the disk and daicho itself are cut at random, under
//! parallel calls of all three APIs. Afterwards every byte that the provider received stands in
//! the log, in a record that was there before it; every call has one end; what agents were told
//! is so; and the log verifies. `DAICHO_CHAOS_SECONDS=600` goes on for ten minutes.
//!
//! That what is written is also durable before anything leaves is shown where the disk is played
//! (`ledger/tests/power.rs`); here the provider's word and the log's length are compared.

mod account;
mod agents;
mod upstream;

use crate::world::{Dice, Disk, Ledger, Server, before, cannot_run, has, say, serve_gateway};
use account::{Account, log_files};
use agents::Told;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use upstream::Heard;

const ANTHROPIC: &str = "/v1/messages";
const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

const AGENTS: usize = 12;

/// The disk's size while it is not full.
const MEGABYTES: u64 = 4_096;

/// What both ends wrote down, over all rounds.
pub struct Shelf {
    seed: u64,
    log: PathBuf,
    numbers: AtomicU64,
    heard: Mutex<Vec<Heard>>,
    told: Mutex<Vec<Told>>,
    over: AtomicBool,
}

impl Shelf {
    fn put(&self, heard: Heard) -> usize {
        let mut all = self.heard.lock().unwrap();
        all.push(heard);
        all.len() - 1
    }

    fn said(&self, index: usize, answer: Vec<u8>) {
        self.heard.lock().unwrap()[index].said = Some(answer);
    }

    /// How long the log is now.
    fn log_bytes(&self) -> u64 {
        let len = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        log_files(&self.log).iter().map(len).sum()
    }
}

/// What happens to daicho in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed,
    /// In the middle of a system call: what it was to do is done or not.
    KilledAt(&'static str),
    /// The disk says once that it could not make something durable.
    SyncFails,
    DiskFull,
    Stopped,
}

impl Fault {
    /// Of those that this host lets us bring about.
    fn thrown(dice: &mut Dice, disk: bool, tracer: bool) -> Fault {
        let calls = ["fdatasync", "sendto", "writev", "write"];
        match dice.below(8) {
            2 | 3 if tracer => Fault::KilledAt(calls[dice.below(calls.len() as u64) as usize]),
            4 if tracer => Fault::SyncFails,
            5 | 6 if disk => Fault::DiskFull,
            7 => Fault::Stopped,
            _ => Fault::Killed,
        }
    }
}

/// A tracer at a running server, which strikes once. `None` where there can be none.
fn trace(server: &Server, call: &str, strike: &str, when: u64) -> Option<Child> {
    let pid = server.pid().to_string();
    let inject = format!("inject={call}:{strike}:when={when}");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid, "-e"]);
    strace.arg(format!("trace={call}")).args(["-e", &inject]);
    strace.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = strace.spawn().ok()?;
    let status = format!("/proc/{pid}/status");
    loop {
        let traced = std::fs::read_to_string(&status).unwrap_or_default();
        let tracer = traced
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        match tracer.map(str::trim) {
            Some("0") if child.try_wait().unwrap().is_some() => return None,
            Some("0") => std::thread::sleep(Duration::from_millis(2)),
            _ => return Some(child),
        }
    }
}

/// One round of work with one fault in it, to the server's end.
fn round(
    server: Server,
    token: &str,
    shelf: &Shelf,
    disk: Option<&Disk>,
    fault: Fault,
    dice: &mut Dice,
) {
    let stop = AtomicBool::new(false);
    let pause = |dice: &mut Dice| Duration::from_millis(200 + dice.below(1_200));
    let mut tracer = match fault {
        Fault::KilledAt(call) => trace(&server, call, "signal=KILL", 1 + dice.below(60)),
        Fault::SyncFails => trace(&server, "fdatasync", "error=EIO", 1 + dice.below(60)),
        _ => None,
    };
    std::thread::scope(|scope| {
        for _ in 0..AGENTS {
            scope.spawn(|| agents::work(&server, token, shelf, &stop));
        }
        std::thread::sleep(pause(dice));
        if let (Fault::DiskFull, Some(disk)) = (fault, disk) {
            disk.leave(dice.below(200_000));
            std::thread::sleep(pause(dice));
        }
        if fault == Fault::Stopped {
            let pid = server.pid().to_string();
            let sent = Command::new("kill").args(["-TERM", &pid]).status();
            assert!(sent.unwrap().success());
            std::thread::sleep(pause(dice));
        } else {
            kill(&server);
        }
        stop.store(true, Ordering::Relaxed);
    });
    server.kill();
    if let Some(tracer) = &mut tracer {
        let _ = tracer.wait();
    }
    if let Some(disk) = disk {
        disk.grow(MEGABYTES);
    }
}

/// By its id: the guard is what the agents work with.
fn kill(server: &Server) {
    let pid = server.pid().to_string();
    // It may be gone already.
    let _ = Command::new("kill")
        .args(["-KILL", &pid])
        .stderr(Stdio::null())
        .status();
}

#[test]
fn whatever_is_cut_every_byte_that_left_was_recorded_before_it() {
    let mut dice = Dice::thrown("chaos");
    let seconds = std::env::var("DAICHO_CHAOS_SECONDS").map_or(60, |s| s.parse().unwrap());
    let disk = Disk::new(MEGABYTES);
    if disk.is_none() {
        cannot_run(
            "chaos on a full disk",
            "this user may not mount a file system",
        );
    }
    let tracer = has("strace", "-V");
    if !tracer {
        cannot_run("chaos in system calls", "no strace");
    }
    let place = disk
        .as_ref()
        .map_or(std::env::temp_dir(), |disk| disk.at.clone());
    let ledger = Ledger::made_in(&place);
    let shelf = Arc::new(Shelf {
        seed: dice.next(),
        log: ledger.dir.join("log"),
        numbers: AtomicU64::new(1),
        heard: Mutex::default(),
        told: Mutex::default(),
        over: AtomicBool::new(false),
    });
    let provider = upstream::start(Arc::clone(&shelf));
    ledger.configure(|text| before(&text, &provider));
    let token = ledger.register("dev");

    let mut account = Account::default();
    let mut faults = std::collections::BTreeMap::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let fault = Fault::thrown(&mut dice, disk.is_some(), tracer);
        let server = serve_gateway(&ledger.dir);
        account.after_a_start(&ledger);
        round(server, &token, &shelf, disk.as_ref(), fault, &mut dice);
        ledger.verify();
        *faults.entry(fault).or_insert(0) += 1;
    }
    shelf.over.store(true, Ordering::Relaxed);
    assert_eq!(serve_gateway(&ledger.dir).stop(), 0);
    account.after_a_start(&ledger);
    ledger.verify();
    let (heard, told) = (shelf.heard.lock().unwrap(), shelf.told.lock().unwrap());
    let (requests, bytes) = account.is_all_that_left(&ledger, &heard);
    let clean = account.agrees_with(&ledger, &told, &heard);
    say(&format!(
        "chaos: {} calls, {requests} reached the provider ({bytes} bytes), {clean} answers compared, {} outcomes unknown, {} entries; {faults:?}",
        told.len(),
        account.unknown,
        account.seen,
    ));
    assert!(
        requests > 50 && clean > 20 && account.unknown > 0,
        "too little to mean anything"
    );
}
