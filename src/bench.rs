//! Figures of this machine at this moment: medians and 99th percentiles, printed and never
//! asserted. The load generator runs on the same cores.

mod append;
mod figures;
mod gateway;
mod http;
mod verify;

use crate::outcome::{Done, Outcome};
use figures::Figures;
use std::path::Path;

/// Runs every bench in fresh directories below `scratch`.
pub fn run(scratch: &Path, json: bool, quick: bool) -> Done {
    let seconds = if quick { 1 } else { 4 };
    let mut figures = Figures::new(json);
    append::run(scratch, seconds, &mut figures)?;
    http::run(scratch, seconds, &mut figures)?;
    gateway::run(scratch, seconds, &mut figures)?;
    verify::run(scratch, if quick { 20_000 } else { 200_000 }, &mut figures)?;
    figures.finish();
    Ok(Outcome::Well)
}
