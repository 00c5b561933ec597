//! A document with its finds replaced, and the way back.

use super::resolve::Hit;
use super::rules::person::Lesson;

pub(super) fn replaced(chars: &[char], hits: &[Hit]) -> String {
    let mut out = String::with_capacity(chars.len() * 3);
    let mut at = 0;
    for hit in hits {
        out.extend(&chars[at..hit.start]);
        out.push_str(&hit.replacement);
        at = hit.end;
    }
    out.extend(&chars[at..]);
    out
}

/// A masked document that knows where each of its characters came from.
pub(super) struct Replaced {
    pub chars: Vec<char>,
    /// Scalars of the original; [`MASK`] for those of a mask.
    places: Vec<u32>,
}

const MASK: u32 = u32::MAX;

impl Replaced {
    pub fn new(chars: &[char], hits: &[Hit]) -> Replaced {
        let mut masked = Replaced {
            chars: Vec::with_capacity(chars.len()),
            places: Vec::with_capacity(chars.len()),
        };
        let mut at = 0;
        for hit in hits {
            masked.keep(chars, at, hit.start);
            masked.chars.extend(hit.replacement.chars());
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

    /// A hit at its place in the original.
    pub fn hit(&self, hit: Hit) -> Option<Hit> {
        let (start, end) = self.place(hit.start, hit.end)?;
        Some(Hit { start, end, ..hit })
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
