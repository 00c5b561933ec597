//! Any order of appends, repetitions, restarts and crashes, against a model that only
//! remembers what was answered.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::verify::{Trust, verify};
use ledger::{AppendError, Appender, Content, Options, Reader, Receipt, Submission};
use proptest::prelude::*;
use schemas::kinds::agents::{AgentReason, AgentRetired};
use schemas::{Data, Event, EventId};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum Step {
    /// How many events, and which of a few contents each has.
    Append(usize, u8),
    Repeat(prop::sample::Index),
    Conflict(prop::sample::Index),
    Restart,
    /// Killed after the last answer; bytes of no commit lie behind what was whole.
    Kill(Tail),
    /// Killed inside a commit, of which only this share of the bytes came down.
    KillInside(usize, u8),
}

#[derive(Debug, Clone)]
enum Tail {
    None,
    Log(Vec<u8>),
    Pack(Vec<u8>),
    Unnamed(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>().prop_filter("LF", |b| *b != b'\n'), 1..60);
    let tail = prop_oneof![
        Just(Tail::None),
        bytes().prop_map(Tail::Log),
        bytes().prop_map(Tail::Pack),
        bytes().prop_map(Tail::Unnamed),
    ];
    prop_oneof![
        3 => (1..5_usize, any::<u8>()).prop_map(|(n, content)| Step::Append(n, content)),
        1 => any::<prop::sample::Index>().prop_map(Step::Repeat),
        1 => any::<prop::sample::Index>().prop_map(Step::Conflict),
        1 => Just(Step::Restart),
        2 => tail.prop_map(Step::Kill),
        2 => (1..5_usize, 0..=100_u8).prop_map(|(n, share)| Step::KillInside(n, share)),
    ]
}

struct World {
    dir: TempDir,
    open: Option<(Appender, Reader)>,
    answered: Vec<(Submission, Receipt)>,
}

impl World {
    fn new() -> World {
        let dir = TempDir::new().unwrap();
        ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
        let open = Some(start(dir.path()));
        World {
            dir,
            open,
            answered: Vec::new(),
        }
    }

    fn appender(&self) -> &Appender {
        &self.open.as_ref().unwrap().0
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(count, content) => {
                let batch = batch(self.appender(), count, content);
                let receipts = self.appender().append(batch.clone()).unwrap();
                assert!(receipts.iter().all(|receipt| receipt.new));
                self.answered.extend(batch.into_iter().zip(receipts));
            }
            Step::Repeat(which) if !self.answered.is_empty() => {
                let (submission, receipt) = which.get(&self.answered);
                let again = self.appender().append(vec![submission.clone()]).unwrap()[0];
                assert_eq!(
                    again,
                    Receipt {
                        new: false,
                        ..*receipt
                    }
                );
            }
            Step::Conflict(which) if !self.answered.is_empty() => {
                let (submission, receipt) = which.get(&self.answered);
                let mut other = submission.clone();
                other.event.actor = "user:s999".parse().unwrap();
                let mixed = vec![batch(self.appender(), 1, 0).remove(0), other];
                let error = self.appender().append(mixed).unwrap_err();
                let at = receipt.seq;
                assert!(matches!(error, AppendError::Conflict { seq, .. } if seq == at));
            }
            Step::Repeat(_) | Step::Conflict(_) => {}
            Step::Restart => {
                self.open = None;
                self.open = Some(start(self.dir.path()));
            }
            Step::Kill(tail) => {
                let image = image(self.dir.path());
                let log = newest(&image.path().join("log"));
                match tail {
                    Tail::None => {}
                    Tail::Log(bytes) => add(&log, &bytes),
                    Tail::Unnamed(bytes) => add(&image.path().join("log/new"), &bytes),
                    Tail::Pack(bytes) => {
                        let buckets = image.path().join("content/auth");
                        if buckets.is_dir() {
                            add(&newest(&newest(&buckets)), &bytes);
                        }
                    }
                }
                self.wake_in(image);
            }
            Step::KillInside(count, share) => self.kill_inside(count, share),
        }
    }

    fn kill_inside(&mut self, count: usize, share: u8) {
        let before = newest(&self.dir.path().join("log"));
        let whole = before.metadata().unwrap().len();
        let checkpoint = std::fs::read(self.dir.path().join("checkpoint")).unwrap();
        let batch = batch(self.appender(), count, share);
        let receipts = self.appender().append(batch.clone()).unwrap();
        let image = image(self.dir.path());
        std::fs::write(image.path().join("checkpoint"), checkpoint).unwrap();
        let after = newest(&image.path().join("log"));
        let part = |bytes: &[u8], from: usize| {
            bytes[..from + (bytes.len() - from) * usize::from(share) / 100].to_vec()
        };
        let bytes = std::fs::read(&after).unwrap();
        if after.file_name() == before.file_name() {
            std::fs::write(&after, part(&bytes, whole as usize)).unwrap();
        } else {
            std::fs::remove_file(&after).unwrap();
            std::fs::write(image.path().join("log/new"), part(&bytes, 0)).unwrap();
        }
        self.wake_in(image);
        // Nobody was told of this commit: what of it came down whole is recorded, and a
        // repetition completes it.
        let again = self.appender().append(batch.clone()).unwrap();
        for (first, again) in receipts.iter().zip(&again) {
            assert!(
                again.new
                    || again
                        == &Receipt {
                            new: false,
                            ..*first
                        }
            );
        }
        self.answered
            .extend(batch.into_iter().zip(again).map(|(s, mut receipt)| {
                receipt.new = true;
                (s, receipt)
            }));
    }

    fn wake_in(&mut self, image: TempDir) {
        self.open = None;
        self.dir = image;
        self.open = Some(start(self.dir.path()));
    }

    fn check(&self) {
        let reader = &self.open.as_ref().unwrap().1;
        for (submission, receipt) in &self.answered {
            let entry = reader.entry(receipt.seq).unwrap();
            assert_eq!(
                (entry.id(), entry.leaf(), entry.at()),
                (receipt.id, receipt.leaf, receipt.at)
            );
            assert_eq!(entry.event(), &submission.event);
            for (content, reference) in submission.content.iter().zip(entry.content()) {
                assert_eq!(reader.content(reference).unwrap(), content.bytes);
            }
        }
        let own = (0..reader.size())
            .filter(|seq| {
                let entry = reader.entry(*seq).unwrap();
                matches!(
                    entry.data(),
                    Data::LedgerCreated(_) | Data::LedgerRecovered(_)
                )
            })
            .count();
        assert_eq!(reader.size() as usize, self.answered.len() + own);
        let report = verify(self.dir.path(), &Trust::default(), |_| {}).unwrap();
        assert!(report.is_clean(), "{:#?}", report.findings);
    }
}

fn start(dir: &Path) -> (Appender, Reader) {
    let options = Options {
        file_bytes: 2_500,
        ..Options::default()
    };
    ledger::open(dir, options).unwrap()
}

fn batch(appender: &Appender, count: usize, content: u8) -> Vec<Submission> {
    let new = |i: usize| {
        let id: EventId = appender.new_id();
        let data = AgentRetired {
            agent: format!("agent-{i}").parse().unwrap(),
            reason: AgentReason::Requested,
        };
        let contents = (0..content % 3).map(|part| Content {
            name: "request".parse().unwrap(),
            media: "text/plain".parse().unwrap(),
            bytes: vec![content % 8, part, i as u8],
        });
        Submission {
            event: Event::new(id, "user:s001".parse().unwrap(), data),
            content: contents.collect(),
            person: None,
        }
    };
    (0..count).map(new).collect()
}

/// What a killed process leaves: the files as they are while it runs.
fn image(dir: &Path) -> TempDir {
    let image = TempDir::new().unwrap();
    let mut dirs = vec![dir.to_owned()];
    while let Some(from) = dirs.pop() {
        for item in std::fs::read_dir(&from).unwrap() {
            let path = item.unwrap().path();
            let to = image.path().join(path.strip_prefix(dir).unwrap());
            if path.is_dir() {
                std::fs::create_dir(to).unwrap();
                dirs.push(path);
            } else if path.extension().is_none_or(|e| e != "new") {
                std::fs::copy(path, to).unwrap();
            }
        }
    }
    image
}

fn newest(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    files
        .filter(|path| path.file_name().is_some_and(|name| name != "new"))
        .max()
        .unwrap()
}

#[allow(clippy::permissions_set_readonly_false)]
fn add(path: &Path, bytes: &[u8]) {
    let mut all = std::fs::read(path).unwrap_or_default();
    if let Ok(metadata) = path.metadata() {
        let mut permissions = metadata.permissions();
        if permissions.readonly() {
            return; // nobody writes there, so nothing is torn there
        }
        permissions.set_readonly(false);
    }
    all.extend_from_slice(bytes);
    std::fs::write(path, all).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_answered_stays_through_any_order_of_steps(steps in prop::collection::vec(step(), 1..14)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check();
        }
    }
}
