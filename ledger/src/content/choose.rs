//! Which of the recent contents a new one is packed against.

use super::delta::Delta;
use super::edits::common_start;
use super::pack::{Against, Frame};
use super::recent::{Reading, Tip};
use schemas::Hash;
use std::sync::Arc;

/// What a content is packed against, and what reading it will take.
pub struct Choice<'a> {
    pub delta: Delta<'a>,
    pub against: Against,
    pub before: Vec<Arc<Frame>>,
    pub reading: Reading,
    pub step: Reading,
    /// What the newest on the way to it is beside.
    pub beside: Hash,
}

/// Chooses among tips, the newest first, each with its frame when that is in no pack yet: the
/// conversation that the content goes on with, or the newest content of all, for what is
/// masked comes right after what it was. `None`: it is stored whole.
pub fn choose<'a>(tips: &'a [(&Tip, Option<Arc<Frame>>)], plain: &'a [u8]) -> Option<Choice<'a>> {
    let newest = tips.first()?;
    let alike = |(tip, _): &&(&Tip, _)| common_start(&tip.plain, plain);
    let alike = tips.iter().rev().max_by_key(alike)?;
    let mut best = Delta::between(&alike.0.plain, plain, usize::MAX).map(|delta| (alike, delta));
    if newest.0.sent.digest != alike.0.sent.digest {
        let most = best.as_ref().map_or(usize::MAX, |(_, delta)| delta.cost());
        let other = Delta::between(&newest.0.plain, plain, most).map(|delta| (newest, delta));
        best = other.or(best);
    }
    let ((base, frame), delta) = best?;
    let mut choice = Choice {
        against: Against {
            base: base.sent.digest,
            beside: Hash::ZERO,
        },
        before: frame.iter().cloned().collect(),
        reading: base.reading,
        step: Reading {
            steps: 1,
            work: delta.work(),
        },
        beside: base.beside,
        delta,
    };
    let (other, frame) = newest;
    // What is read beside another is read by itself.
    if other.sent.digest != base.sent.digest
        && other.beside == Hash::ZERO
        && choice.delta.put_beside(&other.plain)
    {
        choice.beside = other.sent.digest;
        choice.against.beside = choice.beside;
        choice.before.extend(frame.clone());
        choice.step = choice.step.and(if other.base == base.beside {
            other.last_step
        } else {
            other.reading
        });
    }
    choice.reading = choice.reading.and(choice.step);
    choice.reading.fits().then_some(choice)
}
