//! What others have seen of the log: auditors, witnesses, time stamping authorities.

use super::Trust;
use crate::bundle::evidence::Evidence;
use crate::bundle::report::Report;
use crate::bundle::{CHECKPOINT, TOKEN};
use ledger::Checkpoint;
use ledger::note::Note;
use ledger::timestamp::Token;
use schemas::Timestamp;

pub fn check(evidence: &Evidence, head: &Checkpoint, trust: &Trust, report: &mut Report) {
    // It was read before.
    let Ok(note) = Note::parse(evidence.checkpoint) else {
        return;
    };
    kept(&note, head, trust, report);
    witnesses(&note, head, trust, report);
    policy(&note, evidence, head, trust, report);
    time(evidence, head, trust, report);
}

fn kept(note: &Note, head: &Checkpoint, trust: &Trust, report: &mut Report) {
    let (size, text) = (head.size, note.unverified_text());
    let same = |kept: &Vec<u8>| Note::parse(kept).is_ok_and(|kept| kept.unverified_text() == text);
    if trust.checkpoints.iter().any(same) {
        report.proves(
            format!("the log is the one whose checkpoint of size {size} you have kept"),
            "it is the one that all paths here lead to",
        );
    } else if !trust.checkpoints.is_empty() {
        report.wrong(format!(
            "the checkpoint here, of size {size}, is none that you gave: ask for a bundle made \
             with --checkpoint and yours; who cannot make one has another history"
        ));
    }
}

/// The end of the year 9999, in seconds: what is beyond is no time.
const MAX_SECONDS: u64 = 253_402_300_799;

fn witnesses(note: &Note, head: &Checkpoint, trust: &Trust, report: &mut Report) {
    let of_policy = trust.policy.iter().flat_map(|policy| &policy.witnesses);
    let of_policy = of_policy.map(|witness| (&witness.key, false));
    let named = trust.witnesses.iter().map(|key| (key, true));
    for (key, must) in named.chain(of_policy) {
        let (name, size) = (key.name(), head.size);
        match key.cosigned(note) {
            Ok(Some(seconds)) if seconds <= MAX_SECONDS => {
                let at = Timestamp::from_micros(seconds as i64 * 1_000_000);
                report.proves(
                    format!("the witness {name} saw the first {size} entries of this log at {at}"),
                    "its cosignature on the checkpoint, under the key that you gave",
                );
            }
            Ok(None) if must => {
                report.wrong(format!(
                    "the witness {name} has not cosigned the checkpoint"
                ));
            }
            Ok(None) => {}
            _ => report.wrong(format!("the cosignature of {name} does not hold")),
        }
    }
}

fn policy(note: &Note, evidence: &Evidence, head: &Checkpoint, trust: &Trust, report: &mut Report) {
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
    let size = head.size;
    match policy.has_quorum(note) {
        true => report.proves(
            format!("the policy's quorum has cosigned the first {size} entries"),
            "the cosignatures of its witnesses",
        ),
        false => report.wrong("the policy's quorum has not cosigned the checkpoint"),
    }
}

fn time(evidence: &Evidence, head: &Checkpoint, trust: &Trust, report: &mut Report) {
    let size = head.size;
    let Some(response) = evidence.token else {
        return match &trust.authority {
            Some(_) => report.wrong("no time stamp is here, and you gave an authority"),
            None => report.leaves_open(
                "when the entries were written",
                "their times are by the ledger's own clock; no authority's time stamp is here",
            ),
        };
    };
    let token = Token::parse(response).and_then(|token| {
        token.covers(evidence.checkpoint)?;
        let newest = evidence.entries.last();
        newest.map_or(Ok(()), |entry| token.is_not_before(entry.envelope.at))?;
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
            format!(
                "{subject} signed a token over {CHECKPOINT} that says so; give --tsa-ca to check \
                 who that is"
            ),
        ),
    }
}
