//! A producer that submits the same events in every run and says what was acknowledged.
//! The tests of faults run it on a system whose calls fail, or kill it.

use ledger::clock::SystemClock;
use ledger::tree::leaf_hash;
use ledger::{Content, Options, Submission};
use schemas::kinds::agents::AgentRetired;
use schemas::{Event, EventId};
use std::error::Error;
use std::path::PathBuf;

const BATCHES: u64 = 6;

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
            bytes: format!("content {number}").into_bytes(),
        })
    });
    Ok(Submission {
        event: Event::new(id, "user:s001".parse()?, data),
        content: content.into_iter().collect::<Result<_, _>>()?,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: steady DIR")?);
    match ledger::create(&dir, "example.com/daicho", &SystemClock) {
        Ok(_) | Err(ledger::CreateError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let options = Options {
        file_bytes: 1_500,
        ..Options::default()
    };
    let (appender, _reader) = ledger::open(&dir, options)?;
    for batch in 0..BATCHES {
        let two = vec![
            submission(batch * 2, true)?,
            submission(batch * 2 + 1, false)?,
        ];
        match appender.append(two.clone()) {
            Ok(receipts) => {
                for receipt in receipts {
                    let word = if receipt.new { "new" } else { "known" };
                    println!("{word} {} {} {}", receipt.id, receipt.seq, receipt.leaf);
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
