//! The history of a repository, commit by commit, by git itself. What is kept of a commit is what
//! `git cat-file --batch` prints: its id, and the bytes whose hash the id is, so that whoever holds
//! the content can check it against any clone. Names and messages stay in there.

use super::Taking;
use crate::outcome::Failure;
use agents::ingest::{Batch, Reached};
use anyhow::{Context, anyhow, bail};
use schemas::{Name, Timestamp};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

/// One entry names so many tips at most, for a body has 65,535 bytes.
const MOST_TIPS: usize = 800;

/// A commit is its headers and its message.
const MOST_BYTES: u64 = 16 << 20;

const HELP: &str = "see what git says; --repo names the repository";

/// Takes in every commit that is new. Gives what is worth a note.
pub fn take(taking: &mut Taking, repo: &Path, all: bool) -> Result<Vec<String>, Failure> {
    let git = Git { repo };
    let failed = |error: anyhow::Error| Failure::new(error, HELP);
    let mut notes = Vec::new();
    if git
        .say(&["rev-parse", "--is-shallow-repository"])
        .map_err(failed)?
        == "true"
    {
        notes.push("the repository is shallow: its history begins where it was cut off".to_owned());
    }
    // The newest entry of the source names what it and all before it have taken in. The others'
    // tips are asked for too, for a history that is rewritten loses its newest commits.
    let (mut tips, mut before, mut known) = (BTreeSet::new(), BTreeSet::new(), 0);
    for ingested in taking.before() {
        let (ingested, _) = ingested?;
        let named = ingested.tips.iter().map(|tip| tip.as_str().to_owned());
        if known == 0 {
            tips.extend(named.clone());
        }
        known += if ingested.tips.is_empty() {
            0
        } else {
            ingested.lines
        };
        before.extend(named);
    }
    taking.told.known = known;
    let mut objects = Objects::open(&git).map_err(failed)?;
    let (mut here, mut lost) = (String::new(), 0);
    for tip in &before {
        if objects.has(tip).map_err(failed)? {
            here.push_str(&format!("^{tip}\n"));
        } else if tips.contains(tip) {
            lost += 1;
        }
    }
    if lost > 0 {
        notes.push(format!(
            "{lost} of {} commits that were the newest are not in this repository: its history was rewritten, or the source has another repository too",
            tips.len()
        ));
    }
    let (mut list, listing) = git.list(all, &here).map_err(failed)?;
    let mut batch = Batch::default();
    let mut line = String::new();
    loop {
        line.clear();
        let ended = list.read_line(&mut line).map_err(|e| failed(e.into()))? == 0;
        if (ended || batch.is_full()) && !batch.is_empty() {
            record(taking, std::mem::take(&mut batch), &tips)?;
        }
        if ended {
            break;
        }
        let mut ids = line.split_whitespace();
        let id = ids
            .next()
            .context("git lists an empty line")
            .map_err(failed)?;
        let commit = objects.read(id).map_err(failed)?;
        let (at, author) = told(&commit);
        batch.take_commit(&commit, at, &author);
        for parent in ids {
            tips.remove(parent);
        }
        tips.insert(id.to_owned());
    }
    listing.end().map_err(failed)?;
    Ok(notes)
}

fn record(taking: &mut Taking, batch: Batch, tips: &BTreeSet<String>) -> Result<(), Failure> {
    if tips.len() > MOST_TIPS {
        return Err(Failure::msg(
            format!(
                "{} lines of history are open at once, and one entry names {MOST_TIPS}",
                tips.len()
            ),
            "take in HEAD alone, without --all",
        ));
    }
    let tips: Result<Vec<Name>, _> = tips.iter().map(|tip| tip.parse()).collect();
    let tips = tips.map_err(|error| Failure::new(error, HELP))?;
    taking.record(batch, Reached::Commits(tips))
}

/// When a commit was made, and who wrote it.
fn told(commit: &[u8]) -> (Option<Timestamp>, String) {
    let headers = commit
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.is_empty());
    let (mut at, mut author) = (None, String::new());
    for line in headers {
        let line = String::from_utf8_lossy(line);
        if let Some(who) = line.strip_prefix("author ") {
            author = who.rsplit_once("> ").map_or(who, |(who, _)| who).to_owned();
        } else if let Some(who) = line.strip_prefix("committer ") {
            let seconds = who
                .rsplit_once("> ")
                .and_then(|(_, time)| time.split(' ').next());
            let seconds: Option<i64> = seconds.and_then(|seconds| seconds.parse().ok());
            let micros = seconds.and_then(|seconds| seconds.checked_mul(1_000_000));
            at = micros
                .filter(|micros| *micros > 0)
                .map(Timestamp::from_micros);
        }
    }
    (at, author)
}

struct Git<'a> {
    repo: &'a Path,
}

impl Git<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        // Inside of a hook these name the repository that the hook is of.
        for name in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        ] {
            command.env_remove(name);
        }
        // What an id stands for, not what somebody has put in its place.
        command.env("GIT_NO_REPLACE_OBJECTS", "1");
        command.env("GIT_GRAFT_FILE", "/dev/null");
        command.args(["-c", "core.commitGraph=false"]);
        // An object that is not here is not asked for elsewhere: the repository would say by which
        // program.
        command.env("GIT_ALLOW_PROTOCOL", "none");
        command.env("GIT_NO_LAZY_FETCH", "1");
        command.arg("-C").arg(self.repo).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        command
    }

    fn start(
        &self,
        args: &[&str],
    ) -> anyhow::Result<(Running, ChildStdin, BufReader<ChildStdout>)> {
        let mut child = self.command(args).spawn().context("git cannot be run")?;
        let stdin = child.stdin.take().context("git takes no input")?;
        let stdout = child.stdout.take().context("git gives no output")?;
        let stderr = child.stderr.take().context("git says no faults")?;
        let said = Some(std::thread::spawn(move || last_words(stderr)));
        Ok((Running { child, said }, stdin, BufReader::new(stdout)))
    }

    /// The one line that git answers.
    fn say(&self, args: &[&str]) -> anyhow::Result<String> {
        let (running, stdin, mut stdout) = self.start(args)?;
        drop(stdin);
        let mut said = String::new();
        stdout.read_to_string(&mut said)?;
        running.end()?;
        Ok(said.trim().to_owned())
    }

    /// Every commit with its parents, parents first, but for what is known.
    fn list(&self, all: bool, known: &str) -> anyhow::Result<(BufReader<ChildStdout>, Running)> {
        let from = if all { "--all" } else { "HEAD" };
        let args = [
            "rev-list",
            "--reverse",
            "--topo-order",
            "--parents",
            from,
            "--stdin",
        ];
        let (running, mut stdin, stdout) = self.start(&args)?;
        // git reads them all before it lists anything.
        let written = stdin.write_all(known.as_bytes());
        drop(stdin);
        match written {
            Ok(()) => Ok((stdout, running)),
            Err(error) => {
                running.end()?;
                Err(error.into())
            }
        }
    }
}

/// A git that is waited for, also where its output is not read to the end.
struct Running {
    child: Child,
    said: Option<JoinHandle<Vec<u8>>>,
}

/// What it says is read while it works: a full pipe would hold it up for ever.
fn last_words(mut stderr: impl Read) -> Vec<u8> {
    const MOST: usize = 4 << 10;
    let (mut last, mut piece) = (Vec::new(), [0; MOST]);
    while let Ok(read @ 1..) = stderr.read(&mut piece) {
        last.extend_from_slice(&piece[..read]);
        let more = last.len().saturating_sub(MOST);
        last.drain(..more);
    }
    last
}

impl Running {
    fn end(mut self) -> anyhow::Result<()> {
        let said = self.said.take().and_then(|said| said.join().ok());
        let said = said.unwrap_or_default();
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let said = said.trim().replace('\n', "; ");
        Err(anyhow!("git has failed: {said}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `git cat-file --batch`, asked for one object after the other.
struct Objects {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _running: Running,
}

impl Objects {
    fn open(git: &Git<'_>) -> anyhow::Result<Objects> {
        let (running, stdin, stdout) = git.start(&["cat-file", "--batch"])?;
        Ok(Objects {
            stdin,
            stdout,
            _running: running,
        })
    }

    fn has(&mut self, id: &str) -> anyhow::Result<bool> {
        Ok(self.ask(id)?.is_some())
    }

    fn read(&mut self, id: &str) -> anyhow::Result<Vec<u8>> {
        self.ask(id)?
            .with_context(|| format!("git lists commit {id} and does not have it"))
    }

    /// What git prints of a commit; `None` where it has none of this id.
    fn ask(&mut self, id: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.stdin.write_all(format!("{id}\n").as_bytes())?;
        self.stdin.flush()?;
        let mut printed = Vec::new();
        self.stdout.read_until(b'\n', &mut printed)?;
        let head = String::from_utf8_lossy(&printed).into_owned();
        let mut words = head.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(_), Some("missing"), _) => Ok(None),
            (Some(said), Some("commit"), Some(len)) if said == id => {
                let len: u64 = len.parse().context("git states no length")?;
                if len > MOST_BYTES {
                    bail!("commit {id} has {len} bytes, and at most {MOST_BYTES} are taken in");
                }
                // With the line end behind it.
                printed.resize(printed.len() + len as usize + 1, 0);
                self.stdout.read_exact(&mut printed[head.len()..])?;
                Ok(Some(printed))
            }
            _ => bail!("git has no commit {id}"),
        }
    }
}
