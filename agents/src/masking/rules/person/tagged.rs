//! What no rule decides is decided by a small linear model.
//!
//! Where surname, given name or the shape of one can stand, `candidates` offers spans; `features`
//! says what is seen of each: the characters around it, what the word lists know of it, the kind
//! of line. A weight of one byte per hashed feature adds up to a score, in whole numbers, so that
//! every machine decides the same. `training` holds how the weights came to be.

mod candidates;
mod features;
#[cfg(test)]
mod training;

use super::shape::{self, Name, Part};
use super::weigh::{is_keyed_else, may_stand};
use super::{Names, Scene};
use crate::masking::chars::is_han;
use crate::masking::lexicon::lexicon;
use crate::masking::normal::View;
use candidates::Candidate;

/// A weight for each hash of a feature.
const WEIGHTS: &[u8; 1 << features::BITS] = include_bytes!("tagged/model.bin");

/// Scores above it are names. Below it each name more costs several masks too many.
const THRESHOLD: i32 = 20;

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut lines = features::Lines::default();
    let mut best: Option<(i32, Candidate)> = None;
    candidates::each(view, |candidate| {
        let covered = names.covers(candidate.start, candidate.end);
        if covered || !scene.is_open(candidate.start, candidate.end) {
            return;
        }
        let stands = match view.chars[candidate.start] {
            c if is_han(c) => may_stand(view, names, candidate.start, candidate.end),
            _ => !is_keyed_else(view, candidate.start),
        };
        if !stands {
            return;
        }
        let mut score = 0;
        lines.see(view, &candidate, |feature| {
            score += i32::from(WEIGHTS[feature] as i8);
        });
        if score <= THRESHOLD {
            return;
        }
        match &best {
            Some((rival, taken)) if candidate.start < taken.end => {
                if score > *rival {
                    best = Some((score, candidate));
                }
            }
            _ => {
                if let Some((_, sure)) = best.replace((score, candidate)) {
                    names.add(name(view, &sure));
                }
            }
        }
    });
    if let Some((_, sure)) = best {
        names.add(name(view, &sure));
    }
}

/// The candidate as a name, its words as far as they can be told apart.
fn name(view: &View, candidate: &Candidate) -> Name {
    let &Candidate { start, end, .. } = candidate;
    if let Some((_, name)) = shape::read(view, start, end) {
        return name;
    }
    let surname = |start: usize, end: usize| Part {
        start,
        end,
        initial: lexicon().surname_initial(view.slice(start, end)),
    };
    let mut parts = vec![surname(start, candidate.first)];
    if candidate.second < end {
        let initial = lexicon().given_initial(view.slice(candidate.second, end));
        parts.push(Part {
            start: candidate.second,
            end,
            initial,
        });
    }
    Name { start, end, parts }
}
