//! What a bundle proves, to whoever brings nothing, a key, a checkpoint or witnesses.

mod destroyed;
mod others;

use super::evidence::{Evidence, Signed};
use super::report::Report;
use super::{PAPERS, content_member};
use ledger::Checkpoint;
use ledger::note::VerifierKey;
use ledger::timestamp::Authority;
use ledger::tree::check_inclusion;
use ledger::witness::{CosignerKey, Policy};
use schemas::{ContentRef, Hash};
use sha2::{Digest, Sha256};

/// What the auditor brings, each of which the bundle has to bear out. Where nothing is brought
/// the bundle vouches for itself, and the report says so.
#[derive(Default)]
pub struct Trust {
    /// The log's key as it was published elsewhere.
    pub vkey: Option<VerifierKey>,
    /// Checkpoints kept elsewhere, as signed notes: the bundle's is one of them.
    pub checkpoints: Vec<Vec<u8>>,
    /// Witnesses that must have cosigned.
    pub witnesses: Vec<CosignerKey>,
    pub policy: Option<Policy>,
    /// Whose word on time is taken.
    pub authority: Option<Authority>,
}

/// Checks everything in a bundle. Reads no file and asks nobody.
pub fn check(zip: &[u8], trust: &Trust) -> Report {
    let mut report = Report::default();
    if let Err(fault) = examine(zip, trust, &mut report) {
        report.wrong(fault);
    }
    if !report.is_sound() {
        report.proven.clear();
    }
    report
}

/// An error is where nothing more can be said.
fn examine(zip: &[u8], trust: &Trust, report: &mut Report) -> Result<(), String> {
    let evidence = Evidence::read(zip)?;
    report.origin = evidence.keys.origin().to_owned();
    report.keys = evidence.keys.spans();
    report.positions = evidence.entries.iter().map(Signed::seq).collect();
    report.entries = report.positions.len();
    let head = evidence.open()?;
    report.size = head.size;
    report.root = Some(head.root);

    entries(&evidence, &head, report);
    keys(&evidence, trust, report);
    others::check(&evidence, &head, trust, report);
    contents(&evidence, report);
    destroyed::check(&evidence, report);
    papers(&evidence, report);
    report.leaves_open(
        "that what the entries say is true",
        "a log proves what was recorded and in which order, not that it was so",
    );
    Ok(())
}

fn entries(evidence: &Evidence, head: &Checkpoint, report: &mut Report) {
    // What entry 0 follows: nothing, at no time.
    let (mut next, mut prev, mut earliest) = (0, Hash::ZERO, None);
    for entry in &evidence.entries {
        let (seq, leaf, at) = (entry.seq(), entry.leaf, entry.envelope.at);
        let mut wrong = |fault: &str| report.wrong(format!("entry {seq}: {fault}"));
        if !check_inclusion(leaf, seq, head.size, &entry.path, &head.root) {
            wrong("its path does not lead to the checkpoint's root");
        }
        if !ledger::signature::holds(evidence.keys.at(seq), &leaf, &entry.signature) {
            wrong("its signature does not hold under the key of its position");
        }
        if seq == next && entry.envelope.prev != prev {
            wrong("`prev` is not the hash of the entry before");
        }
        if earliest.is_some_and(|earliest| at < earliest) {
            wrong("its time is before that of the entry before");
        }
        (next, prev, earliest) = (seq.saturating_add(1), leaf, Some(at));
    }
    let (count, positions) = (report.entries, report.brief_positions());
    let (log, size, key) = (&report.origin, head.size, evidence.keys.newest());
    let what = format!(
        "{count} entries ({positions}) are in the log {log} at these positions, exactly as they \
         are here, and none is missing from one end of a range to the other"
    );
    let why = format!(
        "their hashes lead to the root of its first {size} entries; the log's key signed that \
         root, and each entry the key in force there: {key}"
    );
    report.proves(what, why);
}

fn keys(evidence: &Evidence, trust: &Trust, report: &mut Report) {
    for span in report.keys.clone().into_iter().skip(1) {
        let (from, vkey, named) = (span.from, span.vkey, span.from - 1);
        report.proves(
            format!("from entry {from} on the log's key is {vkey}"),
            format!("entry {named} says so, signed by the key before it"),
        );
    }
    match &trust.vkey {
        Some(key) => match evidence.keys.first_of(key) {
            Some(from) => report.proves(
                "the key that you gave is the log's",
                format!("its key history has it from entry {from} on"),
            ),
            None => report.wrong(format!("the key that you gave was never the log's: {key}")),
        },
        None => {
            let key = evidence.keys.newest();
            report.leaves_open(
                "that the key is that of the log's owner",
                format!(
                    "the bundle names it itself; compare it with the one you were given: {key}"
                ),
            );
        }
    }
}

fn contents(evidence: &Evidence, report: &mut Report) {
    for (seq, name) in evidence.contents() {
        let what = format!("{name} of entry {seq}");
        let member = |kind: &str| evidence.member(&content_member(kind, seq, &name));
        let (Some(sealed), Some(plain), Some(reference)) = (
            member("sealed"),
            member("released"),
            evidence.reference(seq, &name),
        ) else {
            report.wrong(format!(
                "{what}: its entry, its sealed or its released bytes are missing"
            ));
            continue;
        };
        if !is_sealed_as(reference, sealed) {
            report.wrong(format!(
                "{what}: the sealed bytes are not those of the entry"
            ));
        }
        if reference.plain_bytes != plain.len() as u64 {
            let len = reference.plain_bytes;
            report.wrong(format!("{what}: the entry says that it has {len} bytes"));
        }
        report.proves(
            format!("the sealed bytes of {what} are the ones that were recorded"),
            "the entry holds their SHA-256",
        );
        // AES-GCM-SIV does not commit to its key.
        report.leaves_open(
            format!(
                "that {} is what was sealed",
                content_member("released", seq, &name)
            ),
            "that is the statement of whoever released it; the entry holds its length only, and \
             whoever makes a key can make sealed bytes that open to two texts",
        );
    }
}

fn is_sealed_as(reference: &ContentRef, sealed: &[u8]) -> bool {
    let digest = Hash(Sha256::digest(sealed).into());
    (reference.sealed, reference.sealed_bytes) == (digest, sealed.len() as u64)
}

/// Whoever reads on with what is in the bundle should know where it is from.
fn papers(evidence: &Evidence, report: &mut Report) {
    for (name, text) in PAPERS {
        if evidence.member(name) != Some(text.as_bytes()) {
            report.leaves_open(
                format!("that {name} in the bundle is the published one"),
                "this version of daicho has another; take it from whoever publishes daicho",
            );
        }
    }
}
