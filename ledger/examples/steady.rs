//! A producer that submits the same events in every run, says what was acknowledged, and ends
//! the content of a month that is over. The tests of faults run it on a system whose calls
//! fail, or kill it.

use ledger::buckets::Kept;
use ledger::clock::{Clock, SystemClock};
use ledger::note::SignerKey;
use ledger::tree::leaf_hash;
use ledger::{
    Agreed, Appender, Content, ContentError, Disposal, ExpireError, HeldKey, Options, Reader,
    Submission,
};
use schemas::kinds::agents::AgentRetired;
use schemas::kinds::ledger::RotationReason;
use schemas::kinds::records::TimeSource;
use schemas::kinds::rules::PolicyAdopted;
use schemas::{BucketId, Event, EventId, Hash, Timestamp};
use std::error::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCHES: u64 = 6;

/// So many batches are of an earlier month.
const EARLY: u64 = 2;

/// The host's clock as it was forty days ago.
struct Early;

impl Clock for Early {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().micros() - 40 * 86_400_000_000)
    }
}

/// A conversation that grows: each content holds the one before and a little more.
fn text(number: u64) -> Vec<u8> {
    let lines = (0..250 + number * 10).map(|line| {
        let mark = leaf_hash(&line.to_be_bytes());
        format!("{line:>4} {mark}\n")
    });
    lines.collect::<String>().into_bytes()
}

/// What ends the early month's content by now.
fn rule() -> Result<Submission, Box<dyn Error>> {
    let data = PolicyAdopted {
        policy: "retention".parse()?,
        digest: Hash::ZERO,
        previous: None,
        approvals: Vec::new(),
        periods: Some([("auth".parse()?, "P1D".parse()?)].into()),
        must_keep: None,
    };
    let id = EventId::derived(leaf_hash(b"rule"));
    Ok(Event::new(id, "user:s001".parse()?, data).into())
}

fn submission(number: u64, content: bool) -> Result<Submission, Box<dyn Error>> {
    let data = AgentRetired {
        agent: format!("agent-{number}").parse()?,
        reason: schemas::kinds::agents::AgentReason::Requested,
    };
    // Always the same id, so that a later run repeats what an earlier one has tried.
    let id = EventId::derived(leaf_hash(&number.to_be_bytes()));
    let content = content.then(|| {
        Ok::<_, Box<dyn Error>>(Content {
            name: "request".parse()?,
            media: "text/plain".parse()?,
            bytes: text(number),
        })
    });
    Ok(Submission {
        event: Event::new(id, "user:s001".parse()?, data),
        content: content.into_iter().collect::<Result<_, _>>()?,
        person: None,
    })
}

/// Every run puts another key in force on its way.
fn rotate(appender: &ledger::Appender) -> Result<(), Box<dyn Error>> {
    let next = SignerKey::generate("example.com/daicho").ok_or("no randomness")??;
    let (actor, reason) = ("user:s001".parse()?, RotationReason::Scheduled);
    match appender.rotate(actor, reason, HeldKey::plain(next)) {
        Ok(_) => println!("rotated"),
        Err(error) => {
            println!("failed {error}");
            return Err(error.into());
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: steady DIR")?);
    match ledger::create(&dir, "example.com/daicho", &Early) {
        Ok(_) | Err(ledger::CreateError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let early = Early.now().month();
    // Time in a ledger never runs back: an earlier run may have come further.
    let reader = ledger::Reader::open(&dir)?;
    if reader.entry(reader.size() - 1)?.at() <= Early.now() {
        let opened = open(&dir, Arc::new(Early))?;
        opened.0.append(vec![rule()?])?;
        submit(&opened, 0..EARLY)?;
    }
    drop(reader);
    let opened = open(&dir, Arc::new(SystemClock))?;
    submit(&opened, 0..BATCHES)?;
    let disposal = Disposal {
        bucket: BucketId {
            class: "auth".parse()?,
            month: early,
        },
        actor: "user:s001".parse()?,
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
        agreed: Agreed::WHATEVER_COMES,
    };
    match opened.0.expire(disposal) {
        Ok(_) | Err(ExpireError::Kept(Kept::Ended { .. })) => {}
        Err(error) => return Err(error.into()),
    }
    println!("ended");
    Ok(())
}

type Opened = (Appender, Reader);

fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Opened, ledger::OpenError> {
    let options = Options {
        clock,
        file_bytes: 1_500,
        ..Options::default()
    };
    ledger::open(dir, options)
}

fn submit((appender, reader): &Opened, batches: Range<u64>) -> Result<(), Box<dyn Error>> {
    for batch in batches {
        if batch == BATCHES / 2 {
            rotate(appender)?;
        }
        let two = vec![
            submission(batch * 2, true)?,
            submission(batch * 2 + 1, false)?,
        ];
        match appender.append(two.clone()) {
            Ok(receipts) => {
                for receipt in &receipts {
                    let word = if receipt.new { "new" } else { "known" };
                    println!("{word} {} {} {}", receipt.id, receipt.seq, receipt.leaf);
                }
                let content = reader.entry(receipts[0].seq)?.content()[0].clone();
                match reader.content(&content) {
                    Ok(plain) if plain == text(batch * 2) => {}
                    Err(ContentError::Ended { .. }) => {}
                    other => return Err(format!("another content came back: {other:?}").into()),
                }
            }
            Err(error) => {
                println!("failed {error}");
                // A failed call is never tried again: the next answer is the same.
                if appender.append(two).is_ok() {
                    println!("went on");
                }
                return Err(error.into());
            }
        }
    }
    Ok(())
}
