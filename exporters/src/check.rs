//! What a receiver stored, judged: is it all there, whole, once, and ours?
//!
//! The receiver's file is read once and line by line. What is remembered does not grow with
//! it: which positions were seen (as runs), the newest [`REMEMBERED`] messages, the first
//! [`report::SHOWN`] faults of each kind. A copy that comes later than that is checked in itself.
//!
//! **Who vouches.** Each message carries its hash, its predecessor's and the entry's
//! signature. With the log's `--vkey` the signatures are checked; with the ledger at hand,
//! every hash is compared. With neither a forger who rewrites a message and all its params
//! is found only by the chain, and the report says so.
//!
//! **Where it begins and ends.** Only the ledger knows. With it at hand every position that was
//! not stored shows: before the last that was as a gap, after it as the tail, which may still be
//! on its way. Without it a file may be one of several, and its first position is told as such.

mod checkpoints;
mod report;
mod stored;

pub use checkpoints::checkpoints;
pub use report::{Chain, Faults, Gap, Place, Report, Torn, Vouched};

use ledger::note::VerifierKey;
use ledger::{ReadError, Reader, signature};
use schemas::{Data, Event, Hash};
use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead};
use stored::{Fault, Line, Stored};

/// More than the largest window that any transport sends again.
const REMEMBERED: usize = 1 << 18;

/// A message is at most 65,536 octets; a receiver adds its own header.
const MAX_LINE: u64 = 256 << 10;

/// Each log is a chain; so many are no SIEM's, but a forger's.
const MAX_CHAINS: usize = 64;

/// What the auditor brings.
#[derive(Default)]
pub struct Trust {
    pub vkey: Option<VerifierKey>,
    pub ledger: Option<Reader>,
}

/// Reads what a receiver stored, to the end.
pub fn check(file: impl BufRead, trust: &Trust) -> io::Result<Report> {
    let mut checker = Checker {
        trust,
        report: Report::default(),
        newest: HashMap::new(),
        order: VecDeque::new(),
    };
    for_each_line(file, |line| checker.take(line))?;
    Ok(checker.finish())
}

/// What of a message its neighbours and copies are held against.
struct Kept {
    hash: Hash,
    prev: Hash,
    digest: Hash,
    reduced: bool,
    epoch: Option<u64>,
}

impl Stored {
    fn kept(&self) -> Kept {
        Kept {
            hash: self.hash,
            prev: self.prev,
            digest: self.digest,
            reduced: self.reduced,
            epoch: self.epoch,
        }
    }
}

struct Checker<'a> {
    trust: &'a Trust,
    report: Report,
    newest: HashMap<(String, u64), Kept>,
    order: VecDeque<(String, u64)>,
}

impl Checker<'_> {
    fn take(&mut self, line: &str) {
        self.report.lines += 1;
        let (first, behind) = Line::all(line);
        self.take_one(first);
        if let Some(behind) = behind {
            self.take_one(behind);
        }
    }

    fn take_one(&mut self, line: Line) {
        let stored = match line {
            Line::Other => {
                self.report.other += 1;
                return;
            }
            Line::Torn(why) => return self.torn(why),
            Line::Stored(stored) => *stored,
        };
        let known = self.report.chains.contains_key(&stored.chain);
        if !known && self.report.chains.len() >= MAX_CHAINS {
            return self.torn("it names one chain too many");
        }
        self.judge(stored);
    }

    fn torn(&mut self, why: &'static str) {
        let line = self.report.lines;
        self.report.torn.add(Torn { line, why });
    }

    fn judge(&mut self, stored: Stored) {
        let chain = self.report.chains.entry(stored.chain.clone()).or_default();
        let place = |why: &str| Place {
            seq: stored.seq,
            line: self.report.lines,
            why: why.to_owned(),
        };
        match stored.fault {
            Some(Fault::Truncated) => {
                return chain.truncated.add(place("MSG is shorter than len"));
            }
            Some(Fault::Altered(param)) => {
                return chain
                    .altered
                    .add(place(&format!("it does not agree with {param}")));
            }
            None => {}
        }
        if let Err(why) = vouch(self.trust, chain, &stored) {
            return chain.forged.add(place(why));
        }
        let at = |seq| (stored.chain.clone(), seq);
        if let Some(first) = self.newest.get_mut(&at(stored.seq)) {
            let one_form = first.reduced == stored.reduced && first.epoch == stored.epoch;
            match (first.hash == stored.hash, one_form) {
                // A whole message and a reduced one of the same entry are two forms of it; so are
                // those of before and after the destination was told to be told otherwise.
                (true, false) => {
                    chain.duplicates += 1;
                    if first.epoch != stored.epoch {
                        *first = stored.kept();
                    }
                }
                (true, true) if first.digest == stored.digest => chain.duplicates += 1,
                (true, true) => chain.altered.add(place("it differs from an earlier copy")),
                (false, _) => chain
                    .forged
                    .add(place("its hash is not that of an earlier copy")),
            }
            return;
        }
        let before = stored
            .seq
            .checked_sub(1)
            .and_then(|seq| self.newest.get(&at(seq)));
        let after = stored
            .seq
            .checked_add(1)
            .and_then(|seq| self.newest.get(&at(seq)));
        if before.is_some_and(|before| before.hash != stored.prev) {
            return chain
                .forged
                .add(place("prev is not the hash of the entry before"));
        }
        if after.is_some_and(|after| after.prev != stored.hash) {
            return chain
                .forged
                .add(place("its hash is not prev of the entry after"));
        }
        match chain.seen.insert(stored.seq) {
            true => {
                chain.reduced += u64::from(stored.reduced);
                chain.translated += u64::from(stored.translated);
            }
            false => chain.duplicates += 1,
        }
        let kept = stored.kept();
        let key = (stored.chain, stored.seq);
        self.order.push_back(key.clone());
        self.newest.insert(key, kept);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.newest.remove(&oldest);
        }
    }

    fn finish(mut self) -> Report {
        for (origin, chain) in &mut self.report.chains {
            chain.first = chain.seen.min().unwrap_or_default();
            chain.last = chain.seen.max().unwrap_or_default();
            chain.entries = chain.seen.len();
            let ledger = self.trust.ledger.as_ref();
            let ledger = ledger.filter(|ledger| ledger.origin() == origin);
            chain.ledger_entries = ledger.map(Reader::size);
            // Whatever a receiver is told begins with the log.
            let mut next = ledger.map_or(chain.first, |_| 0);
            for seq in &chain.seen {
                if seq > next {
                    chain.gaps.add(Gap {
                        first: next,
                        last: seq - 1,
                    });
                }
                next = seq + 1;
            }
            let rest = chain.ledger_entries.filter(|size| *size > next);
            chain.tail = rest.map(|size| Gap {
                first: next,
                last: size - 1,
            });
            chain.vouched = match (ledger, &self.trust.vkey) {
                (Some(_), _) => Vouched::Ledger,
                (_, Some(key)) if key.name() == origin => Vouched::Key,
                _ => Vouched::Nothing,
            };
        }
        self.report
    }
}

/// Holds a message against what the auditor brought.
fn vouch(trust: &Trust, chain: &mut Chain, stored: &Stored) -> Result<(), &'static str> {
    let of_chain = |name: &str| name == stored.chain;
    if let Some(ledger) = trust.ledger.as_ref().filter(|l| of_chain(l.origin())) {
        return match ledger.leaf(stored.seq) {
            Err(ReadError::Beyond { .. }) => Err("the ledger has no such entry"),
            Err(_) => Err("the ledger cannot be read there"),
            Ok(leaf) if leaf != stored.hash => Err("the ledger has another entry there"),
            Ok(_) => {
                let keys = ledger.keys();
                match signature::holds(keys.at(stored.seq), &stored.hash, &stored.sig) {
                    true => Ok(()),
                    false => Err("its signature does not hold"),
                }
            }
        };
    }
    let Some(vkey) = trust.vkey.as_ref().filter(|key| of_chain(key.name())) else {
        return Ok(());
    };
    if chain.keys.is_empty() {
        chain.keys.push((0, vkey.clone()));
    }
    let key = chain.key(stored.seq).unwrap_or(vkey);
    if !signature::holds(key, &stored.hash, &stored.sig) {
        return Err("its signature does not hold");
    }
    // Signed by the key in force: the next one is named by who may name it.
    if let Some(next) = stored.event.as_ref().and_then(successor)
        && next.name() == stored.chain
        && !chain.keys.iter().any(|(_, key)| *key == next)
    {
        chain.keys.push((stored.seq.saturating_add(1), next));
        chain.keys.sort_by_key(|(first, _)| *first);
    }
    Ok(())
}

fn successor(event: &Event) -> Option<VerifierKey> {
    match &event.data {
        Data::KeyRotated(rotated) => rotated.vkey.as_str().parse().ok(),
        _ => None,
    }
}

/// Lines as text; what no message can be is read as far as a message could go.
fn for_each_line(mut file: impl BufRead, mut each: impl FnMut(&str)) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut file, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let end = line.trim_ascii_end().len();
        if end > 0 {
            each(&String::from_utf8_lossy(&line[..end]));
        }
    }
}

#[cfg(test)]
mod tests;
