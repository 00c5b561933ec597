//! What a bundle proves, to whoever brings nothing, a key, a checkpoint or witnesses.

mod others;

use super::evidence::{Evidence, Proof, Signed};
use super::report::Report;
use super::{PAPERS, content_member};
use ledger::Checkpoint;
use ledger::note::VerifierKey;
use ledger::timestamp::Authority;
use ledger::tree::roots;
use ledger::witness::{CosignerKey, Policy};
use schemas::{ContentRef, Hash};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the auditor brings. Where nothing is brought the bundle vouches for itself, and the
/// report says so.
#[derive(Default)]
pub struct Trust {
    /// The log's key as it was published elsewhere.
    pub vkey: Option<VerifierKey>,
    /// Checkpoints kept elsewhere: where each is from, and the signed note.
    pub checkpoints: Vec<(String, Vec<u8>)>,
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
    let head = evidence.open(evidence.checkpoint);
    let head = head.map_err(|fault| format!("checkpoint: {fault}"))?;
    report.size = head.size;
    report.root = Some(head.root);

    let mut known = BTreeMap::from([(head.size, head.root)]);
    entries(&evidence, &head, &mut known, report);
    keys(&evidence, trust, report);
    completeness(&evidence, report);
    others::check(&evidence, &head, known, trust, report)?;
    contents(&evidence, report);
    papers(&evidence, report);
    report.leaves_open(
        "that what the entries say is true",
        "a log proves what was recorded and in which order, not that it was so",
    );
    Ok(())
}

/// The roots that the log had, by its size then.
type Known = BTreeMap<u64, Hash>;

/// Does the proof lead to the checkpoint? Then it shows what the root was when its entry was
/// the last.
fn proves(proof: &Proof, head: &Checkpoint, known: &mut Known) -> bool {
    match roots(proof.leaf, proof.seq, head.size, &proof.path) {
        Some((then, whole)) if whole == head.root => {
            known.insert(proof.seq + 1, then);
            true
        }
        _ => false,
    }
}

fn entries(evidence: &Evidence, head: &Checkpoint, known: &mut Known, report: &mut Report) {
    let mut before: Option<&Signed> = None;
    for entry in &evidence.entries {
        let (seq, leaf) = (entry.seq(), entry.proof.leaf);
        let mut wrong = |fault: &str| report.wrong(format!("entry {seq}: {fault}"));
        if !proves(&entry.proof, head, known) {
            wrong("its proof does not lead to the checkpoint's root");
        }
        if !ledger::signature::holds(evidence.keys.at(seq), &leaf, &entry.signature) {
            wrong("its signature does not hold under the key of its position");
        }
        if let Some(before) = before {
            if before.seq() + 1 == seq && entry.envelope.prev != before.proof.leaf {
                wrong("`prev` is not the hash of the entry before");
            }
            if entry.envelope.at < before.envelope.at {
                wrong("its time is before that of the entry before");
            }
        }
        let chosen = evidence.chosen.from..=evidence.chosen.to;
        if !chosen.contains(&seq) && !entry.introduces_a_key() {
            wrong("it is not what the manifest says was chosen");
        }
        before = Some(entry);
    }
    let (count, positions) = (report.entries, report.brief_positions());
    let (log, size, key) = (&report.origin, head.size, evidence.keys.at(head.size));
    let what = format!(
        "{count} entries ({positions}) are in the log {log} at these positions, exactly as they \
         are here"
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
            let key = evidence.keys.at(report.size);
            report.leaves_open(
                "that the key is that of the log's owner",
                format!(
                    "the bundle names it itself; compare it with the one you were given: {key}"
                ),
            );
        }
    }
}

fn completeness(evidence: &Evidence, report: &mut Report) {
    let (chosen, runs) = (
        &evidence.chosen,
        report.positions.ranges().collect::<Vec<_>>(),
    );
    for (first, last) in runs.iter().filter(|(first, last)| first < last) {
        report.proves(
            format!("nothing is missing from entry {first} to entry {last}"),
            "every position between them is here",
        );
    }
    let positions = evidence.entries.iter().map(Signed::seq);
    match (chosen.missing(positions), &chosen.only) {
        (0, _) => {}
        (_, Some(_)) => report.leaves_open(
            format!("that these are all entries of: {chosen}"),
            "that is the sender's statement, which nobody signed; only a range without a gap \
             shows that nothing was left out",
        ),
        (count, None) => report.wrong(format!(
            "{count} entries are missing: the manifest says {chosen}"
        )),
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
