//! What the log, the provider and the agents say of the same calls.

use super::agents::{Told, message, without_pings};
use super::upstream::Heard;
use crate::world::{Ledger, walk};
use ledger::{Entry, Reader};
use schemas::kinds::traffic::FailedOutcome;
use schemas::{Data, EventId};
use std::collections::{BTreeSet, HashMap};

/// The log, call by call.
#[derive(Default)]
pub struct Account {
    /// How many entries were taken in.
    pub seen: u64,
    calls: HashMap<EventId, Recorded>,
    /// By the number in the model's name.
    numbers: HashMap<u64, EventId>,
    open: BTreeSet<EventId>,
    pub unknown: u64,
}

/// What the log has of a call.
#[derive(Default)]
struct Recorded {
    /// Position, and the byte of the log at which its line ends.
    payload: Option<(u64, u64)>,
    end: Option<u64>,
    blocked: bool,
}

impl Account {
    /// Takes in what is new. After a start no call is open, and none ends twice.
    pub fn after_a_start(&mut self, ledger: &Ledger) {
        let reader = Reader::open(&ledger.dir).unwrap();
        let starts = starts_of_files(ledger);
        for entry in reader.entries(self.seen..u64::MAX) {
            let entry = entry.unwrap();
            let end = || {
                let (file, offset) = reader.place_of(entry.seq()).unwrap();
                let file = file.rsplit('/').next().unwrap();
                // Body, TAB, 64 bytes in Base64, LF.
                starts[file] + offset + entry.body().len() as u64 + 90
            };
            self.take(&entry, end);
            self.seen = entry.seq() + 1;
        }
        assert!(self.open.is_empty(), "open after a start: {:?}", self.open);
    }

    fn take(&mut self, entry: &Entry, end: impl Fn() -> u64) {
        match entry.data() {
            Data::PromptSubmitted(prompt) => {
                let model = prompt.model.as_ref().unwrap().as_str();
                let number = model.strip_prefix("m-").unwrap().parse().unwrap();
                assert!(
                    self.numbers.insert(number, prompt.call).is_none(),
                    "twice: {number}"
                );
                self.open.insert(prompt.call);
                self.calls.insert(prompt.call, Recorded::default());
            }
            Data::PayloadMasked(masked) => {
                let call = self.calls.get_mut(&masked.call).unwrap();
                call.payload = Some((entry.seq(), end()));
            }
            Data::PayloadBlocked(blocked) => {
                self.ends(blocked.call, entry);
                self.calls.get_mut(&blocked.call).unwrap().blocked = true;
            }
            Data::ModelResponded(responded) => self.ends(responded.call, entry),
            Data::ModelFailed(failed) => {
                self.ends(failed.call, entry);
                self.unknown += u64::from(failed.outcome == FailedOutcome::Unknown);
            }
            _ => {}
        }
    }

    fn ends(&mut self, call: EventId, entry: &Entry) {
        assert!(
            self.open.remove(&call),
            "{call} ends at {} and is not open",
            entry.seq()
        );
        self.calls.get_mut(&call).unwrap().end = Some(entry.seq());
    }

    /// Every byte that the provider received stands in a record that was there before it. Gives
    /// how many requests were looked at, and how many bytes.
    pub fn is_all_that_left(&self, ledger: &Ledger, heard: &[Heard]) -> (usize, usize) {
        let reader = Reader::open(&ledger.dir).unwrap();
        let (mut bytes, mut twice) = (0, BTreeSet::new());
        for one in heard {
            let number = one.number;
            assert!(twice.insert(number), "{number} was sent twice");
            let call = self.numbers.get(&number);
            let call = call.unwrap_or_else(|| panic!("{number} left and is not recorded"));
            let payload = self.calls[call].payload;
            let (seq, end) = payload.unwrap_or_else(|| panic!("{number} has no payload"));
            assert!(
                end <= one.log_bytes,
                "{number} left before {seq} was written"
            );
            let payload = content(&reader, seq, "payload");
            let same = if one.whole {
                payload == one.body
            } else {
                payload.starts_with(&one.body)
            };
            assert!(same, "{number} left otherwise than {seq} says");
            bytes += one.body.len();
        }
        (heard.len(), bytes)
    }

    /// What agents were told is so. Gives how many clean ends were compared with their records.
    pub fn agrees_with(&self, ledger: &Ledger, told: &[Told], heard: &[Heard]) -> usize {
        let reader = Reader::open(&ledger.dir).unwrap();
        let heard: HashMap<u64, &Heard> = heard.iter().map(|one| (one.number, one)).collect();
        let mut compared = 0;
        for one in told {
            let (number, left) = (one.number, heard.get(&one.number));
            assert!(
                !(one.prohibited && left.is_some()),
                "{number} was prohibited"
            );
            if one.status == Some(403) {
                assert!(self.calls[&self.numbers[&number]].blocked, "{number}");
            }
            let Some(clean) = &one.clean else { continue };
            if let Some(message) = message(clean).filter(|_| one.call.is_none()) {
                let unsent = message.contains("nothing was sent");
                assert!(!(unsent && left.is_some()), "{number} was sent: {message}");
                continue;
            }
            // A clean end is told once it is in the log; and it is what the provider said.
            let call: EventId = one.call.as_ref().unwrap().parse().unwrap();
            assert_eq!(self.numbers[&number], call);
            let end = self.calls[&call].end.unwrap();
            let clean = without_pings(clean);
            assert!(
                content(&reader, end, "response") == clean,
                "{number} at {end}"
            );
            let said = left.unwrap().said.as_ref();
            assert!(
                said.is_none_or(|said| *said == clean),
                "{number} was told otherwise"
            );
            compared += 1;
        }
        compared
    }
}

fn content(reader: &Reader, seq: u64, name: &str) -> Vec<u8> {
    let entry = reader.entry(seq).unwrap();
    let found = entry
        .content()
        .iter()
        .find(|content| content.name.as_str() == name);
    reader
        .content(found.unwrap_or_else(|| panic!("{seq} has no {name}")))
        .unwrap()
}

/// The log's files by name, each with the bytes before it.
fn starts_of_files(ledger: &Ledger) -> HashMap<String, u64> {
    let mut before = 0;
    let mut starts = HashMap::new();
    for path in log_files(&ledger.dir.join("log")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        starts.insert(name, before);
        before += std::fs::metadata(&path).unwrap().len();
    }
    starts
}

/// Files that have their name: before the first commit to one is durable it has none.
pub fn log_files(log: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = walk(log);
    files.retain(|path| path.extension().is_some_and(|end| end == "ndjson"));
    files
}
