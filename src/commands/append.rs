use crate::cli::{Append, Cli};
use crate::door::Door;
use crate::intake;
use crate::outcome::{Done, Failure, Outcome};
use anyhow::Context;
use std::io::Read;

/// Events that one call to the ledger takes together.
const BATCH: usize = 256;

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
    let door = Door::open(&cli.data)?;
    // All lines are read before the first is appended: bad input changes nothing.
    let guard = door.guard()?;
    let submissions = intake::read_lines(&input, &guard, || door.new_id()).map_err(|error| {
        Failure::new(error, "nothing was appended; a line is {\"kind\",\"actor\",\"data\"} and optionally id, class, session, occurred, content")
    })?;
    for batch in submissions.chunks(BATCH) {
        for receipt in door.append(batch.to_vec())? {
            if cli.json {
                println!("{}", intake::receipt_json(&receipt));
            } else {
                let was = if receipt.new {
                    ""
                } else {
                    "  (recorded before)"
                };
                println!("{:>8}  {}{was}", receipt.seq, receipt.id);
            }
        }
    }
    Ok(Outcome::Well)
}
