//! Figures of this machine at this moment: medians and 99th percentiles, printed and never
//! asserted. The load generator runs on the same cores.

mod append;
mod figures;
mod gateway;
mod hook;
mod http;
mod ingest;
mod log;
mod mask;
mod report;
mod served;
mod streams;

use crate::cli::{Bench, Benched};
use crate::outcome::{Done, Outcome};
use figures::Figures;
use std::path::Path;

/// Runs the benches in fresh directories below `scratch`.
pub fn run(scratch: &Path, json: bool, args: &Bench) -> Done {
    let seconds = if args.quick { 1 } else { 4 };
    let entries = match (args.entries, args.quick) {
        (Some(entries), _) => entries,
        (None, true) => 20_000,
        (None, false) => 200_000,
    };
    let mut figures = Figures::new(json);
    for part in [
        Benched::Append,
        Benched::Http,
        Benched::Gateway,
        Benched::Streams,
        Benched::Hook,
        Benched::Mask,
        Benched::Ingest,
        Benched::Log,
        Benched::Report,
    ] {
        if args.only.is_some_and(|only| only != part) {
            continue;
        }
        match part {
            Benched::Append => append::run(scratch, seconds, &mut figures)?,
            Benched::Http => http::run(scratch, seconds, &mut figures)?,
            Benched::Gateway => gateway::run(scratch, seconds, &mut figures)?,
            Benched::Streams => streams::run(scratch, seconds, &mut figures)?,
            Benched::Hook => hook::run(scratch, seconds, &mut figures)?,
            Benched::Mask => mask::run(scratch, seconds, &mut figures)?,
            Benched::Ingest => ingest::run(scratch, seconds, &mut figures)?,
            Benched::Log => log::run(scratch, entries, &mut figures)?,
            Benched::Report => report::run(scratch, entries, &mut figures)?,
        }
    }
    figures.finish();
    Ok(Outcome::Well)
}
