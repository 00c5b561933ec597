//! What every test here stands on: a data directory, the real binary, a server that dies
//! with its guard, and events to give it.

mod agent;
mod dice;
#[cfg(unix)]
mod disk;
mod provider;
mod receiver;
mod server;

pub use crate::common::cannot_run::{cannot_run, say};
pub use agent::{World, before, hook_event, serve_gateway};
pub use dice::Dice;
#[cfg(unix)]
pub use disk::Disk;
pub use provider::provider;
pub use receiver::receiver;
use serde_json::{Value, json};
pub use server::Server;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const ORIGIN: &str = "example.com/daicho";

/// How long anything may take before a test gives up: generous, for busy machines.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The binary with nothing of this host's own in its surroundings.
pub fn daicho(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
    command.arg("--data").arg(data).stdin(Stdio::null());
    clean(&mut command);
    command
}

pub fn clean(command: &mut Command) {
    for name in [
        "DAICHO_LOG",
        "ANTHROPIC_API_KEY",
        "SSH_AUTH_SOCK",
        "COLUMNS",
        "RUST_BACKTRACE",
    ] {
        command.env_remove(name);
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    #[track_caller]
    pub fn lines(self) -> Vec<Value> {
        let out = self.ok();
        let parse = |line| serde_json::from_str(line).expect("a line of JSON");
        out.lines().map(parse).collect()
    }

    /// It could not be done: exit code 2, the fault with all of `parts`, then the remedy,
    /// and nothing on standard output.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, 2, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let fault = self.err.lines().any(|line| line.starts_with("error: "));
        assert!(fault, "{self:?}");
        assert!(self.err.contains("\nhelp:  "), "no remedy: {self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        }
    }
}

/// Runs a command to its end with `input` on its standard input.
#[track_caller]
pub fn run(mut command: Command, input: &[u8]) -> Ran {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Who refuses early does not read to the end.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A data directory with a ledger in it.
pub struct Ledger {
    _parent: TempDir,
    pub dir: PathBuf,
}

impl Ledger {
    pub fn new() -> Ledger {
        Ledger::named(ORIGIN)
    }

    pub fn named(origin: &str) -> Ledger {
        let ledger = Ledger::none();
        ledger.run(&["init", "--origin", origin]).ok();
        ledger
    }

    /// One below this directory.
    pub fn made_in(place: &Path) -> Ledger {
        let ledger = Ledger::none_in(place);
        ledger.run(&["init", "--origin", ORIGIN]).ok();
        ledger
    }

    /// A place for a ledger that nobody has made yet.
    pub fn none() -> Ledger {
        Ledger::none_in(&std::env::temp_dir())
    }

    pub fn none_in(place: &Path) -> Ledger {
        let parent = TempDir::new_in(place).unwrap();
        let dir = parent.path().join("data");
        Ledger {
            _parent: parent,
            dir,
        }
    }

    /// A copy to do something to.
    pub fn copy(&self) -> Ledger {
        let copy = Ledger::none();
        for path in walk(&self.dir) {
            let to = copy.dir.join(path.strip_prefix(&self.dir).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&path, &to).unwrap();
        }
        copy
    }

    /// A path beside the data directory, for what the test keeps.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.with_file_name(name)
    }

    /// Changes daicho.toml.
    pub fn configure(&self, change: impl FnOnce(String) -> String) {
        let path = self.dir.join("daicho.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
    }

    /// Entries of one kind, oldest first.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let mut all = self.run(&["--json", "events"]).lines();
        all.retain(|entry| entry["kind"] == kind);
        all
    }

    /// Registers an agent; gives its token.
    pub fn register(&self, agent: &str) -> String {
        let told = self.run(&["--json", "agents", "register", agent]).lines();
        told[0]["token"].as_str().unwrap().to_owned()
    }

    /// Activates a user with a key that OpenSSH makes; gives the key's path.
    pub fn approver(&self, user: &str) -> String {
        let key = ssh_key(&self.beside(user));
        let public = format!("{key}.pub");
        self.run(&["users", "activate", user, "--key", &public])
            .ok();
        key
    }

    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        self.run_with(args, b"")
    }

    #[track_caller]
    pub fn run_with<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Ran {
        let mut command = daicho(&self.dir);
        command.args(args);
        run(command, input)
    }

    /// Appends events by the command; gives the receipts.
    #[track_caller]
    pub fn append(&self, events: &[Value]) -> Vec<Value> {
        self.run_with(&["append", "--json"], ndjson(events).as_bytes())
            .lines()
    }

    /// The whole ledger is sound. Gives the report.
    #[track_caller]
    pub fn verify(&self) -> Value {
        let ran = self.run(&["verify", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).expect("a report");
        assert!(ran.code == 0 && report["findings"] == json!([]), "{ran:?}");
        report
    }

    /// Every file that holds something of the ledger, with its digest: what "nothing was
    /// changed" is about. The index is derived, the locks belong to processes.
    pub fn state(&self) -> BTreeMap<PathBuf, String> {
        let derived = |path: &Path| {
            let name = path.strip_prefix(&self.dir).unwrap();
            name.starts_with("index")
                || ["lock", "lock.pid", "serve.address"]
                    .iter()
                    .any(|f| name == Path::new(f))
        };
        let kept = walk(&self.dir).into_iter().filter(|path| !derived(path));
        kept.map(|path| {
            let digest = hex::encode(Sha256::digest(std::fs::read(&path).unwrap()));
            (path, digest)
        })
        .collect()
    }

    pub fn serve(&self) -> Server {
        Server::start(&self.dir, daicho(&self.dir))
    }

    /// The log files, oldest first.
    pub fn logs(&self) -> Vec<PathBuf> {
        walk(&self.dir.join("log"))
    }

    pub fn packs(&self) -> Vec<PathBuf> {
        walk(&self.dir.join("content"))
    }
}

/// Every file below a directory, sorted.
pub fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(dir).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Writes a file that may be sealed read-only.
pub fn overwrite(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

/// Waits until something is so.
#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An event of a machine's own making, of about 250 bytes.
pub fn drill(name: &str) -> Value {
    json!({
        "kind": "drill.completed", "actor": "user:s001",
        "data": { "drill": name, "passed": true, "duration_seconds": 5 },
    })
}

pub fn with_content(mut event: Value, text: &str) -> Value {
    event["content"] = json!([{ "name": "note", "media": "text/plain", "text": text }]);
    event
}

pub fn ndjson(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// Has OpenSSH make an Ed25519 key, and its public half beside it.
pub fn ssh_key(path: &Path) -> String {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "someone", "-f"])
        .arg(path);
    assert!(command.status().unwrap().success());
    path.display().to_string()
}

/// What a program on the path says of itself, if it is there.
pub fn has(program: &str, arg: &str) -> bool {
    let tried = Command::new(program)
        .arg(arg)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok()
}
