//! The organisation, clock and hours of a report: those that were adopted, not those that a file
//! on some host happens to say.

use crate::outcome::Failure;
use crate::policies::{self, Adoption, Policies};
use anyhow::Context;
use exporters::report::{Adopted, Rules};
use ledger::Reader;

/// The adoption that counts for a report of the first `size` entries: the one in force there, or the
/// first of all where none had been adopted by then.
pub fn at(policies: &Policies, size: u64) -> Option<Adoption> {
    let all = policies.all(Rules::POLICY);
    let earlier = all.iter().rev().find(|adoption| adoption.position < size);
    earlier.or(all.first()).copied()
}

pub fn read(reader: &Reader, adoption: Adoption) -> Result<(Rules, Adopted), Failure> {
    let text = policies::read(reader, Rules::POLICY, adoption)?;
    // The parser's message may quote the text.
    let rules = serde_json::from_str(&text).ok();
    let rules = rules.context("this program cannot read the report policy of that head")?;
    let Adoption {
        position, digest, ..
    } = adoption;
    Ok((rules, Adopted { position, digest }))
}
