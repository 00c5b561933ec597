//! A closed log of a given size: what it takes to verify it, to open it and to ask it something.

use super::append::{event_of, remove};
use super::figures::{Figures, Measure};
use crate::outcome::Failure;
use ledger::query::{Filter, Positions, find};
use ledger::verify::{Trust, follow_chain, verify};
use ledger::{Appender, Index, Options, Reader};
use schemas::{Actor, Label};
use std::path::Path;
use std::time::Instant;

const PRODUCERS: u64 = 4;
const BATCH: u64 = 256;

/// Entries of one session, and so at most of one answer.
const SESSION: u64 = 1_000;

/// Sessions that are asked for, spread over the log.
const QUERIES: u64 = 25;

pub fn run(scratch: &Path, entries: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading(&format!("a log of {entries} entries of 1 KiB"));
    let dir = scratch.join("log");
    ledger::create(&dir, "example.com/bench", &ledger::clock::SystemClock)?;
    let (appender, _) = ledger::open(&dir, Options::default())?;
    let measure = Measure::begin();
    write(&appender, entries)?;
    drop(appender);
    figures.rate("write, 4 producers, batches of 256", entries, measure.end());

    let measure = Measure::begin();
    let chain = follow_chain(&dir)?;
    figures.rate("chain and tree alone", chain.size, measure.end());
    let measure = Measure::begin();
    let report = verify(&dir, &Trust::default(), |_| {})?;
    figures.rate("verify, every signature", report.entries, measure.end());
    let sound = chain.broken_at.is_none() && chain.root == report.root;
    if !report.is_clean() || !sound {
        return Err(Failure::msg(
            "the log that the bench wrote does not verify",
            "report this",
        ));
    }

    let measure = Measure::begin();
    let opened = ledger::open(&dir, Options::default())?;
    figures.time("open to write, from outlines", measure.end());
    drop(opened);
    remove(&Reader::open(&dir)?.layout().index());
    let measure = Measure::begin();
    let reader = Reader::open(&dir)?;
    figures.time("open to read, every file read", measure.end());

    let mut index = Index::in_memory(reader.clone());
    let positions = index.add::<Positions>();
    let measure = Measure::begin();
    let folded = index.catch_up()?;
    figures.rate("fold into an index of positions", folded, measure.end());
    let mut took = Vec::new();
    for query in 0..QUERIES {
        let session = entries / SESSION * query / QUERIES;
        let asked = Instant::now();
        let filter = Filter {
            kinds: vec!["file.covered".to_owned()],
            actor: Some(actor(session)?),
            session: Some(name(session)),
            since: Some(reader.entry(reader.size() / 10)?.at()),
            until: Some(reader.head().at),
            limit: Some(SESSION as usize),
            ..Filter::default()
        };
        for seq in find(&reader, &positions, &filter)? {
            reader.entry(seq)?;
        }
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    figures.time("query by kind, actor, session, time", (median, None));
    drop((index, positions, reader));
    remove(&dir);
    Ok(())
}

/// Sessions follow one another as they do in a log; 32 agents hold them in turn.
pub(super) fn write(appender: &Appender, entries: u64) -> anyhow::Result<()> {
    let produce = |producer: u64| {
        for first in (0..entries / PRODUCERS).step_by(BATCH as usize) {
            let numbers = first..(first + BATCH).min(entries / PRODUCERS);
            let events = numbers.map(|number| {
                let session = (number * PRODUCERS + producer) / SESSION;
                let event = event_of(appender, actor(session)?, name(session));
                anyhow::Ok(event)
            });
            appender.append(events.collect::<Result<_, _>>()?)?;
        }
        anyhow::Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..PRODUCERS)
            .map(|p| scope.spawn(move || produce(p)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

fn actor(session: u64) -> anyhow::Result<Actor> {
    Ok(format!("agent:bench-{}", session % 32).parse()?)
}

fn name(session: u64) -> Label {
    Label::lossy(&format!("session-{session}"))
}
