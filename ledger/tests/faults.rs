//! The system fails, at every call in turn: what was acknowledged is there, and rests on
//! nothing that a power loss could take. Runs `examples/steady.rs` under strace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use ledger::verify::{Trust, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

#[path = "../../tests/daicho/world/cannot_run.rs"]
mod cannot_run;

/// False, and said, where calls cannot be traced: a container without ptrace, or no strace.
fn can_trace(test: &str) -> bool {
    let traced = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status();
    let can = traced.is_ok_and(|status| status.success());
    if !can {
        cannot_run::cannot_run(test, "strace does not work here");
    }
    can
}

fn steady() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let steady = profile.join("examples/steady");
    assert!(
        steady.exists(),
        "cargo builds it with `--examples`, or when all tests are run"
    );
    steady
}

/// What one run said.
struct Run {
    acknowledged: BTreeMap<String, String>,
    said: String,
    finished: bool,
    trace: String,
}

const TRACED: &str = "trace=openat,mkdir,rename,unlink,chmod,pread64,write,fsync,fdatasync";

/// What may fail, and how: no space, a broken disk; no handle for what is opened.
const FAULTS: [(&str, &[&str]); 9] = [
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("write", &["EIO", "ENOSPC"]),
    ("rename", &["EIO", "ENOSPC"]),
    ("mkdir", &["EIO", "ENOSPC"]),
    ("chmod", &["EIO", "ENOSPC"]),
    ("openat", &["EIO", "ENOSPC", "EMFILE"]),
    ("pread64", &["EIO"]),
    ("unlink", &["EIO", "ENOSPC"]),
];

fn run(dir: &Path, inject: Option<String>) -> Run {
    let trace = dir.with_extension("trace");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-y",
        "-s",
        "16",
        "-e",
        "signal=none",
        "-e",
        TRACED,
    ]);
    if let Some(inject) = inject {
        command.arg("-e").arg(format!("inject={inject}"));
    }
    let output = command
        .arg("-o")
        .arg(&trace)
        .arg(steady())
        .arg(dir)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let acknowledged = said
        .split_inclusive('\n')
        .filter_map(|line| {
            line.strip_prefix("new ")
                .or(line.strip_prefix("known "))?
                .strip_suffix('\n')?
                .split_once(' ')
        })
        .map(|(id, place)| (id.to_owned(), place.to_owned()))
        .collect();
    Run {
        acknowledged,
        said,
        finished: output.status.success(),
        trace: std::fs::read_to_string(trace).unwrap(),
    }
}

/// After any fault a plain start goes on, repeats what was submitted, and has lost nothing.
fn check_next_start(dir: &Path, before: &BTreeMap<String, String>, what: &str) -> Run {
    let next = run(dir, None);
    assert!(next.finished, "{what}: {}", next.said);
    // One bucket lives, the other has ended, and nothing is left of how.
    let keys: Vec<_> = std::fs::read_dir(dir.join("keys/content/auth"))
        .unwrap()
        .map(|key| key.unwrap().path())
        .collect();
    assert_eq!(keys.len(), 1, "{what}: {keys:?}");
    for (id, place) in before {
        assert_eq!(next.acknowledged.get(id), Some(place), "{what}: {id}");
    }
    let report = verify(dir, &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean(), "{what}: {:#?}", report.findings);
    // The next run has compared what it could read of each; here from the disk alone.
    let reader = ledger::Reader::open(dir).unwrap();
    for entry in reader.entries(0..u64::MAX).map(|entry| entry.unwrap()) {
        for content in entry.content() {
            let lives = keys[0].ends_with(format!("{}.key", content.bucket.month));
            let opened = reader.content(content);
            assert_eq!(opened.is_ok(), lives, "{what}: {}", entry.seq());
        }
    }
    next
}

/// How often a fault can strike: the most calls of one kind that one thread makes.
fn calls(call: &str) -> usize {
    let dir = TempDir::new().unwrap();
    let trace = run(&dir.path().join("data"), None).trace;
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in trace.lines() {
        if let Some((pid, rest)) = line.split_once(' ')
            && rest.trim_start().starts_with(&format!("{call}("))
        {
            *counts.entry(pid).or_default() += 1;
        }
    }
    counts
        .into_values()
        .max()
        .expect("every kind of call is made")
}

/// A few at a time: each waits for the disk more than it works.
fn each<T: Sync>(strikes: &[T], strike: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = strikes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    strike(one);
                }
            });
        }
    });
}

/// Each place with each error. What is opened is for the most part read, and by the loader of
/// programs: every third of those, with one error after the other.
fn strikes(call: &str, errors: &[&'static str]) -> Vec<(usize, &'static str)> {
    let places = 1..=calls(call);
    if call == "openat" {
        let errors = errors.iter().copied().cycle();
        return places.step_by(3).zip(errors).collect();
    }
    let each = |when| errors.iter().map(move |error| (when, *error));
    places.flat_map(each).collect()
}

#[test]
fn a_failing_call_stops_the_writer_and_loses_nothing_acknowledged() {
    if !can_trace("failing calls of the ledger") {
        return;
    }
    for (call, errors) in FAULTS {
        each(&strikes(call, errors), |(when, error)| {
            let what = format!("{call} fails with {error} at {when}");
            let parent = TempDir::new().unwrap();
            let dir = parent.path().join("data");
            let faulty = run(&dir, Some(format!("{call}:error={error}:when={when}")));
            // A bucket's key that could not be written is another file at the next attempt, and
            // a known entry that could not be read has changed nothing.
            let said = |part| faulty.said.contains(part);
            let harmless = said("content cannot be sealed") || said("cannot be read from");
            assert!(!said("went on") || harmless, "{what}: {}", faulty.said);
            check_next_start(&dir, &faulty.acknowledged, &what);
        });
    }
}

#[test]
fn a_kill_at_any_call_then_another_loses_nothing_and_leaves_nothing_in_the_cache() {
    if !can_trace("kills of the ledger") {
        return;
    }
    let calls_of = FAULTS.map(|(call, _)| call);
    for call in calls_of
        .into_iter()
        .filter(|call| *call != "openat" && *call != "pread64")
    {
        let places: Vec<usize> = (1..=calls(call)).collect();
        each(&places, |&when| {
            let what = format!("killed at {call} {when}");
            let parent = TempDir::new().unwrap();
            let dir = parent.path().join("data");
            let mut cache = Cache::default();
            let mut acknowledged = BTreeMap::new();
            let killed = run(&dir, Some(format!("{call}:signal=KILL:when={when}")));
            cache.follow(&dir, &killed.trace, &what);
            acknowledged.extend(killed.acknowledged);
            if when % 3 == 0 {
                let again = 1 + when % 5;
                let killed = run(&dir, Some(format!("fdatasync:signal=KILL:when={again}")));
                cache.follow(&dir, &killed.trace, &what);
                acknowledged.extend(killed.acknowledged);
            }
            let next = check_next_start(&dir, &acknowledged, &what);
            cache.follow(&dir, &next.trace, &what);
        });
    }
}

/// What a power loss could take: written bytes and new names that nobody has synced.
#[derive(Default)]
struct Cache {
    bytes: BTreeSet<PathBuf>,
    names: BTreeSet<PathBuf>,
}

impl Cache {
    /// Follows the calls of a run. At each acknowledgement the cache may hold only what no
    /// answer rests on.
    fn follow(&mut self, dir: &Path, trace: &str, what: &str) {
        let mut begun = BTreeMap::<&str, String>::new();
        for line in trace.lines() {
            let Some((pid, rest)) = line.split_once(' ') else {
                continue;
            };
            let rest = rest.trim_start();
            if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
                begun.insert(pid, start.to_owned());
                continue;
            }
            let call = match rest
                .strip_prefix("<... ")
                .and_then(|r| r.split_once(" resumed>"))
            {
                Some((_, end)) => begun.remove(pid).unwrap_or_default() + end,
                None => rest.to_owned(),
            };
            self.call(dir, &call, what);
        }
    }

    fn call(&mut self, dir: &Path, call: &str, what: &str) {
        let Some((call, result)) = call.rsplit_once(" = ") else {
            return;
        };
        if result.starts_with('-') || result.starts_with('?') {
            return;
        }
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        let quoted: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        let handle = |text: &str| {
            let path = text.split_once('<')?.1.split_once('>')?.0;
            Some(PathBuf::from(path)).filter(|p| p.starts_with(dir) || dir.parent() == Some(p))
        };
        match name {
            // The content of a known entry was durable before its line; what lies behind it in
            // the pack may not be.
            "write"
                if quoted
                    .first()
                    .is_some_and(|said| said.starts_with("known ")) =>
            {
                self.check(dir, what, Some("pack"));
            }
            "write" if quoted.first().is_some_and(|said| said.starts_with("new ")) => {
                self.check(dir, what, None);
            }
            "write" => self.bytes.extend(handle(arguments)),
            "openat" if arguments.contains("O_CREAT") => self.names.extend(handle(result)),
            "mkdir" => {
                self.names.insert(PathBuf::from(quoted[0]));
            }
            "rename" => {
                let (from, to) = (Path::new(quoted[0]), PathBuf::from(quoted[1]));
                self.names.remove(from);
                if self.bytes.remove(from) {
                    self.bytes.insert(to.clone());
                }
                self.names.insert(to);
            }
            "unlink" => {
                self.bytes.remove(Path::new(quoted[0]));
                self.names.insert(PathBuf::from(quoted[0]));
            }
            "fsync" | "fdatasync" => {
                if let Some(synced) = handle(arguments) {
                    self.bytes.remove(&synced);
                    self.names.retain(|name| name.parent() != Some(&synced));
                }
            }
            _ => {}
        }
    }

    fn check(&self, dir: &Path, what: &str, except: Option<&str>) {
        // The checkpoint follows a moment later, and says less until then; the rest is no
        // part of the record.
        let spared = ["lock", "lock.pid", "checkpoint", "log/new"];
        // A name that something gets only until it is whole: nothing is read under it.
        let unfinished = |path: &Path| path.extension().is_some_and(|e| e == "new");
        let lost: Vec<_> = self
            .bytes
            .union(&self.names)
            .filter(|path| !spared.iter().any(|spared| **path == dir.join(spared)))
            .filter(|path| !unfinished(path))
            .filter(|path| !path.starts_with(dir.join("index")))
            .filter(|path| except.is_none() || path.extension().and_then(|e| e.to_str()) != except)
            .collect();
        assert!(
            lost.is_empty(),
            "{what}: acknowledged while only in the cache: {lost:?}"
        );
    }
}
