use crate::cli::{Append, Cli};
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::intake;
use crate::masking::{self, Guard};
use crate::outcome::{Done, Failure, Outcome};
use crate::retention;
use crate::views::Views;
use anyhow::Context;
use ledger::{Layout, Submission};
use std::io::{Read, Write};

/// Events that one call to the ledger takes together …
const BATCH: usize = 256;

/// … with at most so much content, unless one event alone has more: a server takes 32 MiB
/// of base64.
const BATCH_CONTENT_BYTES: usize = 16 << 20;

pub fn run(cli: &Cli, args: &Append) -> Done {
    let mut input = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin()
            .read_to_end(&mut input)
            .context("standard input cannot be read")?;
    } else {
        input = std::fs::read(&args.file)
            .with_context(|| format!("{} cannot be read", args.file.display()))?;
    }
    let (door, reader) = Door::open(&cli.data)?;
    // All lines are read before the first is appended: bad input changes nothing.
    let layout = Layout::new(&cli.data);
    let masker = masking::of_ledger(&layout, &Config::load(&layout)?)?;
    let guard = Guard::of_this_host(masker);
    let guard = |text: &str| guard.rule(text);
    let submissions = intake::read_lines(&input, &guard, || door.new_id()).map_err(|error| {
        Failure::new(error, "nothing was appended; a line is {\"kind\",\"actor\",\"data\"} and optionally id, class, session, occurred, content, person")
    })?;
    // A server asks its own views; here nobody else would.
    if let Door::Here(_) = door
        && let Some(fault) = retention::adopts(&submissions)
    {
        return Err(Failure::msg(fault, "`daicho policy adopt` writes it"));
    }
    let is_someones = |s: &Submission| !s.content.is_empty() && s.event.data.is_its_actors();
    if submissions.iter().any(is_someones) {
        Views::open(reader)?.name_persons(&door);
    }
    let mut out = std::io::stdout().lock();
    let (all, mut done) = (submissions.len(), 0);
    while done < all {
        let batch = first_batch(&submissions[done..]);
        let receipts = door.append(batch.to_vec()).map_err(|error| {
            let failure = append_failed(error);
            Failure {
                fault: match done {
                    0 => failure.fault,
                    _ => failure.fault.context(format!(
                        "the first {done} of {all} events are appended, no other"
                    )),
                },
                ..failure
            }
        })?;
        done += batch.len();
        for receipt in receipts {
            if cli.json {
                writeln!(out, "{}", intake::receipt_json(&receipt))?;
            } else {
                let was = if receipt.new {
                    ""
                } else {
                    "  (recorded before)"
                };
                writeln!(out, "{:>8}  {}{was}", receipt.seq, receipt.id)?;
            }
        }
    }
    Ok(Outcome::Well)
}

/// What one call takes of the events that are left: at least one.
fn first_batch(left: &[Submission]) -> &[Submission] {
    let mut bytes = 0;
    let fits = |submission: &&Submission| {
        let content = submission.content.iter().map(|content| content.bytes.len());
        bytes += content.sum::<usize>();
        bytes <= BATCH_CONTENT_BYTES
    };
    let count = left.iter().take(BATCH).take_while(fits).count();
    &left[..count.max(1)]
}
