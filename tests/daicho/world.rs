//! What every test here stands on: a data directory, the real binary, a server that dies
//! with its guard, and events to give it.

use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("data");
        let ledger = Ledger {
            _parent: parent,
            dir,
        };
        ledger.run(&["init", "--origin", origin]).ok();
        ledger
    }

    /// A copy to do something to.
    pub fn copy(&self) -> Ledger {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("data");
        for path in walk(&self.dir) {
            let to = dir.join(path.strip_prefix(&self.dir).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&path, &to).unwrap();
        }
        Ledger {
            _parent: parent,
            dir,
        }
    }

    /// A path beside the data directory, for what the test keeps.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.with_file_name(name)
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

/// A running `daicho serve`. Killed when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    pub token: String,
    pub client: Client,
}

impl Server {
    /// Starts the server that `command` (which names binary and data directory) describes,
    /// and waits until it says where it listens.
    #[track_caller]
    pub fn start(data: &Path, mut command: Command) -> Server {
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (said, hear) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        // The guard first, so that a server that says nothing is killed too.
        let mut server = Server {
            child,
            address: String::new(),
            token: std::fs::read_to_string(data.join("keys/operator.token"))
                .map_or(String::new(), |token| token.trim().to_owned()),
            client: Client::builder()
                .no_proxy()
                .timeout(DEADLINE)
                .build()
                .unwrap(),
        };
        let until = Instant::now() + DEADLINE;
        while server.address.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let line = hear.recv_timeout(left).expect("the server starts");
            if let Some((_, url)) = line.split_once("http://") {
                server.address = url.trim_end_matches('/').to_owned();
            }
        }
        // The first answer: from here on a signal finds its handler.
        server.text("/healthz");
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().unwrap()
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        self.get(path).error_for_status().unwrap().text().unwrap()
    }

    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    /// A request that appends, with the operator's token.
    pub fn post(&self, media: &str, body: impl Into<reqwest::blocking::Body>) -> RequestBuilder {
        let request = self.client.post(self.url("/api/v1/events"));
        request
            .bearer_auth(&self.token)
            .header("content-type", media)
            .body(body)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its end awaited. Gives the exit code.
    pub fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        let mut code = None;
        wait_for("the server ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// Numbers from one seed (splitmix64), so that a failure can be repeated.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A seed from DAICHO_TEST_SEED, else a new one. It is printed either way.
    pub fn thrown(test: &str) -> Dice {
        let seed = std::env::var("DAICHO_TEST_SEED")
            .ok()
            .map(|s| s.parse().unwrap());
        let seed = seed.unwrap_or_else(|| u64::from(rand_u32()));
        say(&format!(
            "{test}: seed {seed} (DAICHO_TEST_SEED={seed} repeats it)"
        ));
        Dice(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A UUID of version 7, as producers make them.
    pub fn id(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let time = 0x019a_b000_0000_u64 + (a >> 40);
        format!(
            "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
            time >> 16,
            time & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}

fn rand_u32() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Says something on standard error past the harness, which hides what passing tests print.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A test that cannot run says why on one line. CI must have what it lacks.
#[track_caller]
pub fn cannot_run(test: &str, why: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty());
    assert!(
        !required,
        "{test} cannot run: {why} (tests/run installs what it can)"
    );
    say(&format!("not run: {test}: {why}"));
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
