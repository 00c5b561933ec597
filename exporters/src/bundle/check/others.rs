//! What others have seen of the log: auditors, witnesses, time stamping authorities.

use super::{Known, Trust, proves};
use crate::bundle::evidence::{Evidence, Signed};
use crate::bundle::report::Report;
use crate::bundle::{COSIGNED, OLDER_PROOFS, STAMPED, TOKEN};
use ledger::Checkpoint;
use ledger::note::Note;
use ledger::timestamp::Token;
use schemas::Timestamp;

/// A checkpoint in the bundle.
struct Seen<'a> {
    note: &'a [u8],
    size: u64,
}

pub fn check(
    evidence: &Evidence,
    head: &Checkpoint,
    mut known: Known,
    trust: &Trust,
    report: &mut Report,
) -> Result<(), String> {
    for proof in &evidence.older_proofs {
        if !proves(proof, head, &mut known) {
            let seq = proof.seq;
            report.wrong(format!(
                "{OLDER_PROOFS}: that of entry {seq} does not lead to the checkpoint's root"
            ));
        }
    }
    let mut seen = vec![Seen {
        note: evidence.checkpoint,
        size: head.size,
    }];
    for (name, note) in [(COSIGNED, evidence.cosigned), (STAMPED, evidence.stamped)] {
        let Some(note) = note else { continue };
        let old = evidence.open(note);
        let old = old.map_err(|fault| format!("{name}: {fault}"))?;
        let size = old.size;
        if known.get(&size) != Some(&old.root) {
            return Err(format!(
                "{name}: the log did not grow from it to the checkpoint"
            ));
        }
        report.proves(
            format!("the log has only grown since its checkpoint of size {size} ({name})"),
            "the proof of its last entry, which gives both roots; the log's key signed both",
        );
        seen.push(Seen { note, size });
    }
    for (source, note) in &trust.checkpoints {
        kept(evidence, head, &known, source, note, report);
    }
    witnesses(evidence, &seen, trust, report);
    policy(evidence, &seen, trust, report);
    time(evidence, trust, report);
    Ok(())
}

/// A checkpoint that the auditor has kept: does the log still keep it?
fn kept(
    evidence: &Evidence,
    head: &Checkpoint,
    known: &Known,
    source: &str,
    note: &[u8],
    report: &mut Report,
) {
    // Before its signature: the bundle need not hold the key of a later time.
    if claimed_size(note) > Some(head.size) {
        return report.not_done(format!(
            "{source} is newer than the bundle; ask for a new one"
        ));
    }
    let mine = match evidence.open(note) {
        Ok(mine) => mine,
        Err(fault) => return report.wrong(format!("{source}: {fault}")),
    };
    let size = mine.size;
    match known.get(&size) {
        Some(root) if *root == mine.root => report.proves(
            format!("the log has only grown since your checkpoint {source} of size {size}"),
            "the proof of its last entry, which gives both roots",
        ),
        Some(_) => report.wrong(format!(
            "{source}: the log has another history than this checkpoint of size {size}"
        )),
        None => report.not_done(format!(
            "{source} (size {size}) cannot be compared with this bundle; ask for one made with \
             --checkpoint and this file"
        )),
    }
}

fn claimed_size(note: &[u8]) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    Some(Checkpoint::parse(note.unverified_text()).ok()?.size)
}

fn witnesses(evidence: &Evidence, seen: &[Seen], trust: &Trust, report: &mut Report) {
    let of_policy = trust.policy.iter().flat_map(|policy| &policy.witnesses);
    let of_policy = of_policy.map(|witness| (&witness.key, false));
    let named = trust.witnesses.iter().map(|key| (key, true));
    for (key, must) in named.chain(of_policy) {
        let (name, mut cosigned) = (key.name(), false);
        for Seen { note, size } in seen {
            let Ok(note) = Note::parse(note) else {
                continue;
            };
            let seconds = match key.cosigned(&note) {
                Ok(Some(seconds)) => seconds,
                Ok(None) => continue,
                Err(_) => {
                    report.wrong(format!("the cosignature of {name} does not hold"));
                    continue;
                }
            };
            cosigned = true;
            let at = i64::try_from(seconds.saturating_mul(1_000_000));
            let at = Timestamp::from_micros(at.unwrap_or(i64::MAX));
            let covered = evidence
                .entries
                .partition_point(|entry: &Signed| entry.seq() < *size);
            report.proves(
                format!(
                    "the witness {name} saw the first {size} entries of this log at {at}: \
                     {covered} of the entries here are among them"
                ),
                "its cosignature on the checkpoint of that size, under the key that you gave",
            );
        }
        if must && !cosigned {
            report.wrong(format!(
                "the witness {name} has cosigned none of the checkpoints here"
            ));
        }
    }
}

fn policy(evidence: &Evidence, seen: &[Seen], trust: &Trust, report: &mut Report) {
    let Some(policy) = &trust.policy else {
        if trust.witnesses.is_empty() {
            report.leaves_open(
                "that everybody is shown the same log",
                "no witness was named; whoever holds the log's key could sign a second history",
            );
        }
        return;
    };
    let mut logs = policy.logs.iter();
    if !policy.logs.is_empty() && !logs.any(|log| evidence.keys.first_of(&log.key).is_some()) {
        report.wrong("the log's key is none of the policy's");
    }
    let quorum = |seen: &&Seen| Note::parse(seen.note).is_ok_and(|note| policy.has_quorum(&note));
    match seen.iter().filter(quorum).map(|seen| seen.size).max() {
        Some(size) => report.proves(
            format!("the policy's quorum has cosigned the first {size} entries"),
            "the cosignatures of its witnesses",
        ),
        None => report.wrong("no checkpoint here has the cosignatures of the policy's quorum"),
    }
}

fn time(evidence: &Evidence, trust: &Trust, report: &mut Report) {
    let Some(response) = evidence.token else {
        return report.leaves_open(
            "when the entries were written",
            "their times are by the ledger's own clock; no time stamping authority's token is here",
        );
    };
    let Some(stamped) = evidence.stamped else {
        return report.wrong(format!("{TOKEN} is not a token over {STAMPED}"));
    };
    let size = claimed_size(stamped).unwrap_or(0);
    let covered = evidence
        .entries
        .iter()
        .rev()
        .find(|entry| entry.seq() < size);
    let token = Token::parse(response).and_then(|token| {
        token.covers(stamped)?;
        covered.map_or(Ok(()), |entry| token.is_not_before(entry.envelope.at))?;
        let mut authority = trust.authority.iter();
        authority.try_for_each(|authority| authority.vouches_for(&token))?;
        Ok(token)
    });
    match token {
        Err(fault) => report.wrong(format!("{TOKEN}: {fault}")),
        Ok(Token { time, subject, .. }) if trust.authority.is_some() => report.proves(
            format!("the first {size} entries existed at {time}"),
            format!("the token of {subject}, whom the authority that you gave certified"),
        ),
        Ok(Token { time, subject, .. }) => report.leaves_open(
            format!("that the first {size} entries existed at {time}"),
            format!("{subject} signed a token that says so; give --tsa-ca to check who that is"),
        ),
    }
}
