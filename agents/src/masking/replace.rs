//! A document with its finds replaced, and the way back.

use super::chars::push;
use super::resolve::Hit;
use super::rules::person::Lesson;
use std::ops::Range;

pub(super) fn replaced(chars: &[char], hits: &[Hit]) -> String {
    let mut out = String::with_capacity(chars.len());
    let mut at = 0;
    for hit in hits {
        push(&mut out, &chars[at..hit.start]);
        out.push_str(&hit.replacement);
        at = hit.end;
    }
    push(&mut out, &chars[at..]);
    out
}

/// A masked document that knows where each of its characters came from.
pub(super) struct Replaced {
    pub chars: Vec<char>,
    /// Scalars of the original; [`MASK`] for those of a mask.
    places: Vec<u32>,
    masks: Vec<Mask>,
}

/// A mask's characters, and the scalars of the original that it stands for.
struct Mask {
    at: Range<usize>,
    of: Range<usize>,
}

const MASK: u32 = u32::MAX;

impl Replaced {
    pub fn new(chars: &[char], hits: &[Hit]) -> Replaced {
        let mut masked = Replaced {
            chars: Vec::with_capacity(chars.len()),
            places: Vec::with_capacity(chars.len()),
            masks: Vec::with_capacity(hits.len()),
        };
        let mut at = 0;
        for hit in hits {
            masked.keep(chars, at, hit.start);
            let begin = masked.chars.len();
            masked.chars.extend(hit.replacement.chars());
            masked.masks.push(Mask {
                at: begin..masked.chars.len(),
                of: hit.start..hit.end,
            });
            masked.places.resize(masked.chars.len(), MASK);
            at = hit.end;
        }
        masked.keep(chars, at, chars.len());
        masked
    }

    fn keep(&mut self, chars: &[char], start: usize, end: usize) {
        self.chars.extend(&chars[start..end]);
        self.places.extend(start as u32..end as u32);
    }

    /// Where `start..end` stood in the original, if it touches no mask.
    fn place(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let place = |at: usize| self.places.get(at).filter(|&&at| at != MASK);
        let (first, last) = (
            *place(start)? as usize,
            *place(end.checked_sub(1)?)? as usize,
        );
        // Masks in between would make the places jump.
        (last + start + 1 == first + end).then_some((first, last + 1))
    }

    /// A hit at its place in the original. One that grows over a mask takes in what the mask
    /// stands for; one inside of a mask, as in a mailbox's domain, changes what `hits` made of it.
    pub fn hit(&self, hit: Hit, hits: &[Hit]) -> Option<Hit> {
        let from = self.masks.partition_point(|mask| mask.at.end <= hit.start);
        let to = self.masks.partition_point(|mask| mask.at.start < hit.end);
        let touched = &self.masks[from..to.max(from)];
        let Some((first, last)) = touched.first().zip(touched.last()) else {
            let (start, end) = self.place(hit.start, hit.end)?;
            return Some(Hit { start, end, ..hit });
        };
        // What of a mask stands outside stays beside the new one.
        let lead = first.at.start.min(hit.start)..hit.start;
        let rest = hit.end..last.at.end.max(hit.end);
        let start = match self.places[hit.start] {
            MASK => first.of.start,
            at => at as usize,
        };
        let end = match self.places[hit.end - 1] {
            MASK => last.of.end,
            at => at as usize + 1,
        };
        let text = |range: Range<usize>| self.chars[range].iter().collect::<String>();
        let replacement = text(lead) + &hit.replacement + &text(rest);
        let inside = first.at.start <= hit.start && hit.end <= first.at.end;
        if inside && !hit.kind.is_prohibited() {
            let mask = &hits[from];
            return (mask.replacement != replacement).then(|| Hit {
                replacement,
                ..mask.clone()
            });
        }
        Some(Hit {
            start,
            end,
            replacement,
            ..hit
        })
    }

    /// A lesson at its place in the original; nowhere if a mask is part of it.
    pub fn lesson(&self, mut lesson: Lesson) -> Lesson {
        let place = |start, end| self.place(start, end).unwrap_or((0, 0));
        (lesson.start, lesson.end) = place(lesson.start, lesson.end);
        for word in &mut lesson.words {
            (word.0, word.1) = place(word.0, word.1);
        }
        lesson
    }
}
