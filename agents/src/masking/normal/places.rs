//! Characters, each knowing the scalars of the original that it stands for.

use std::ops::Range;

/// One character and the scalars `from..to` of the original that it stands for.
#[derive(Clone, Copy)]
pub(super) struct Glyph {
    pub c: char,
    pub from: u32,
    pub to: u32,
}

/// A text, each of its characters knowing what it stands for.
#[derive(Default)]
pub(super) struct Spelled {
    pub chars: Vec<char>,
    pub places: Places,
}

/// Most characters stand for one scalar each, side by side: a place is kept where that changes.
#[derive(Default)]
pub(super) struct Places {
    runs: Vec<Run>,
}

/// The characters from `at` on, until the next run: the one `n` further stands for
/// `from + n..to + n`.
#[derive(Clone, Copy)]
struct Run {
    at: u32,
    from: u32,
    to: u32,
}

impl Spelled {
    pub fn with_capacity(length: usize) -> Spelled {
        Spelled {
            chars: Vec::with_capacity(length),
            places: Places::default(),
        }
    }

    pub fn push(&mut self, glyph: Glyph) {
        self.places.begin(self.chars.len(), glyph.from, glyph.to);
        self.chars.push(glyph.c);
    }

    /// Characters side by side, the first of which stands for `from..to`.
    pub fn extend(&mut self, chars: &[char], from: u32, to: u32) {
        if !chars.is_empty() {
            self.places.begin(self.chars.len(), from, to);
            self.chars.extend_from_slice(chars);
        }
    }

    /// A part of another text, its characters standing for the same.
    pub fn extend_from(&mut self, other: &Spelled, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let run = other.places.run_of(at);
            let next = other.places.runs.get(run + 1).map(|run| run.at as usize);
            let end = next.unwrap_or(range.end).min(range.end);
            let (from, to) = other.places.runs[run].at(at);
            self.extend(&other.chars[at..end], from, to);
            at = end;
        }
    }

    /// The last character becomes another, and stands for what was read up to `to`.
    pub fn stretch(&mut self, c: char, to: u32) {
        let Some(last) = self.chars.len().checked_sub(1) else {
            return;
        };
        let (from, _) = self.places.of(last);
        self.chars.truncate(last);
        self.places.runs.pop_if(|run| run.at as usize == last);
        self.push(Glyph { c, from, to });
    }

    /// Characters that stand side by side, and what the first of them stands for.
    pub fn stretches(&self) -> impl Iterator<Item = (&[char], u32, u32)> {
        let runs = &self.places.runs;
        runs.iter().enumerate().map(|(n, run)| {
            let end = runs
                .get(n + 1)
                .map_or(self.chars.len(), |next| next.at as usize);
            (&self.chars[run.at as usize..end], run.from, run.to)
        })
    }
}

impl Places {
    /// The scalars behind one character.
    pub fn of(&self, at: usize) -> (u32, u32) {
        self.runs[self.run_of(at)].at(at)
    }

    /// The first of so many characters that stands for scalars up to `to` or beyond.
    pub fn reaching(&self, to: u32, length: usize) -> usize {
        let next = self.runs.partition_point(|run| run.to < to);
        let end = self.runs.get(next).map_or(length, |run| run.at as usize);
        let before = next.checked_sub(1).and_then(|run| self.runs.get(run));
        before
            .map_or(end, |run| (run.at + (to - run.to)) as usize)
            .min(end)
    }

    /// Those behind each of a range.
    pub fn iter(&self, range: Range<usize>) -> impl Iterator<Item = (u32, u32)> {
        let mut run = self
            .runs
            .partition_point(|run| run.at as usize <= range.start);
        range.map(move |at| {
            let next = self.runs.get(run);
            run += usize::from(next.is_some_and(|next| next.at as usize <= at));
            self.runs[run - 1].at(at)
        })
    }

    fn begin(&mut self, at: usize, from: u32, to: u32) {
        if self.runs.last().map(|run| run.at(at)) != Some((from, to)) {
            let at = at as u32;
            self.runs.push(Run { at, from, to });
        }
    }

    fn run_of(&self, at: usize) -> usize {
        self.runs.partition_point(|run| run.at as usize <= at) - 1
    }
}

impl Run {
    fn at(&self, at: usize) -> (u32, u32) {
        let further = at as u32 - self.at;
        (self.from + further, self.to + further)
    }
}
