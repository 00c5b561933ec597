//! Verification of a closed log, every signature checked.

use super::append::{event, fresh, remove};
use super::figures::Figures;
use crate::outcome::Failure;
use ledger::verify::{Trust, verify};
use std::path::Path;
use std::time::Instant;

pub fn run(scratch: &Path, entries: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("verify: form, chain, tree and every signature");
    let (dir, appender, _) = fresh(scratch, "verify")?;
    for _ in 0..entries / 250 {
        appender.append((0..250).map(|_| event(&appender)).collect())?;
    }
    drop(appender);
    let start = Instant::now();
    let report = verify(&dir, &Trust::default(), |_| {})?;
    let took = start.elapsed();
    if !report.is_clean() {
        return Err(Failure::msg(
            "the log that the bench wrote does not verify",
            "report this",
        ));
    }
    figures.rate(
        &format!("{} entries of 1 KiB", report.entries),
        report.entries,
        took,
    );
    remove(&dir);
    Ok(())
}
