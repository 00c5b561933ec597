//! Time stamps beside the log: each is of a checkpoint that the log keeps, and none that an
//! entry names is missing.

use super::{Check, CheckedCheckpoint, CheckedToken, Finding, Found, VerifyError, io_at};
use crate::Checkpoint;
use crate::layout::Layout;
use crate::note::Note;
use crate::timestamp::{Authority, Pair, Token, TokenError, pairs};
use schemas::kinds::ledger::CheckpointTimestamped;
use schemas::{Data, Envelope, Timestamp};
use std::collections::{HashSet, VecDeque};
use std::io::ErrorKind;

/// The pairs in `tokens/`, and what the entries say of them.
#[derive(Default)]
pub struct Tokens {
    /// By size, smallest first: not reached yet.
    ahead: VecDeque<Pair>,
    /// With the time of the newest entry that each covers.
    reached: Vec<(Pair, Timestamp)>,
    /// Of each entry that names one.
    named: Vec<(u64, CheckpointTimestamped)>,
}

impl Tokens {
    /// What lies there. Its notes go to `promises`, with every other checkpoint.
    pub fn collect(
        layout: &Layout,
        promises: &mut Vec<(String, Vec<u8>)>,
        found: &mut Found,
    ) -> Result<Tokens, VerifyError> {
        let all = pairs(layout).map_err(io_at(&layout.tokens()))?;
        for stray in &all.strays {
            found.push(Finding {
                check: Check::FileName,
                ..token(
                    layout.shown(stray),
                    "<20 digits>.checkpoint and <20 digits>.tsr".to_owned(),
                    "another name".to_owned(),
                )
            });
        }
        for path in &all.unanswered {
            let shown = layout.shown(path);
            found.notes.push(format!(
                "{shown}: no authority's answer is beside it; unless an entry names one, none came"
            ));
        }
        for path in &all.orphans {
            let expected = "the checkpoint that it stamps beside it".to_owned();
            found.push(token(layout.shown(path), expected, "none".to_owned()));
        }
        for pair in &all.whole {
            let shown = layout.shown(&pair.checkpoint);
            let note = std::fs::read(&pair.checkpoint).map_err(io_at(&pair.checkpoint))?;
            // Its signature and root are the business of whoever keeps promises.
            let size = Note::parse(&note)
                .ok()
                .and_then(|note| Checkpoint::parse(note.unverified_text()).ok())
                .map(|checkpoint| checkpoint.size);
            if let Some(size) = size.filter(|size| *size != pair.size) {
                let expected = format!("a checkpoint of size {}", pair.size);
                found.push(token(
                    shown.clone(),
                    expected,
                    format!("one of size {size}"),
                ));
            }
            promises.push((shown, note));
        }
        Ok(Tokens {
            ahead: all.whole.into(),
            ..Tokens::default()
        })
    }

    /// Called with every entry, and how many there are with it.
    pub fn pass(&mut self, size: u64, envelope: &Envelope) {
        while self.ahead.front().is_some_and(|pair| pair.size <= size) {
            let reached = self.ahead.pop_front().map(|pair| (pair, envelope.at));
            self.reached.extend(reached);
        }
        if let Data::CheckpointTimestamped(data) = &envelope.event.data {
            self.named.push((envelope.seq, data.clone()));
        }
    }

    /// Reads each response, and holds it against its checkpoint, the log's time, the
    /// authority where the auditor names one, and the entry that names it.
    pub fn conclude(
        self,
        layout: &Layout,
        authority: Option<&Authority>,
        checkpoints: &[CheckedCheckpoint],
        found: &mut Found,
    ) -> Result<Vec<CheckedToken>, VerifyError> {
        for (seq, named) in &self.named {
            let pair = Pair::of(layout, named.size);
            let expected = format!("the time stamp {} of {}", named.token, named.time);
            let there = match pair.read() {
                Ok((response, digest)) if digest == named.token => match Token::parse(&response) {
                    Ok(token) if token.time != named.time => format!("one of {}", token.time),
                    // One that cannot be read is found below.
                    _ => continue,
                },
                Ok((_, digest)) => digest.to_string(),
                Err(error) if error.kind() == ErrorKind::NotFound => "no such file".to_owned(),
                Err(error) => return Err(io_at(&pair.response)(error)),
            };
            found.push(Finding {
                seq: Some(*seq),
                ..token(layout.shown(&pair.response), expected, there)
            });
        }
        let kept = checkpoints.iter().filter(|checkpoint| checkpoint.kept);
        let kept: HashSet<&str> = kept.map(|checkpoint| checkpoint.source.as_str()).collect();
        let mut checked = Vec::new();
        // Those beyond the log are found as checkpoints that promise more than there is.
        let beyond = self.ahead.into_iter().map(|pair| (pair, None));
        let reached = self.reached.into_iter().map(|(pair, at)| (pair, Some(at)));
        for (pair, recorded) in reached.chain(beyond) {
            let shown = layout.shown(&pair.response);
            let (response, _) = pair.read().map_err(io_at(&pair.response))?;
            let note = std::fs::read(&pair.checkpoint).map_err(io_at(&pair.checkpoint))?;
            let read = Token::parse(&response).and_then(|token| {
                token.covers(&note)?;
                recorded.map_or(Ok(()), |at| token.is_not_before(at))?;
                authority.map_or(Ok(()), |authority| authority.vouches_for(&token))?;
                Ok(token)
            });
            match read {
                Err(error) => found.push(token(shown, expected(&error), error.to_string())),
                Ok(token) => checked.push(CheckedToken {
                    source: shown,
                    size: pair.size,
                    time: token.time,
                    authority: token.subject,
                    authority_checked: authority.is_some(),
                    kept: kept.contains(layout.shown(&pair.checkpoint).as_str()),
                }),
            }
        }
        if authority.is_some() && checked.is_empty() {
            let note = "no time stamp of the given authority is kept".to_owned();
            found.notes.push(note);
        }
        Ok(checked)
    }
}

fn expected(error: &TokenError) -> String {
    match error {
        TokenError::OtherData => "a token for the checkpoint beside it".to_owned(),
        TokenError::TooEarly { .. } => "a time that its entries allow".to_owned(),
        TokenError::Untrusted { .. } => "a token of the given authority".to_owned(),
        _ => "a sound time stamp".to_owned(),
    }
}

fn token(file: String, expected: String, found: String) -> Finding {
    Finding {
        check: Check::Token,
        seq: None,
        file,
        offset: None,
        expected,
        found,
    }
}
