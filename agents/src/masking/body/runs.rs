//! Prohibited values that are split over strings which read on: two blocks of text, a list of
//! strings, two messages of one speaker. Such a value blocks, and every piece of it is cut
//! from what is stored.

use super::super::json::{self, Decoded, Kind, Node};
use super::super::memo::{Noted, Seen};
use super::super::rules::person::Known;
use super::super::{Masker, SpanKind};
use super::Work;
use super::fields::Mode;
use std::sync::Arc;

/// How much of each end of a long string can be part of a value that is split.
const EDGE: usize = 256;
/// How far into its string what is labelled in the one before may begin.
const LABEL: usize = 16;

/// A string that may read on, and where.
struct Piece<'t> {
    node: usize,
    /// The list that it stands in, and its place there.
    list: Option<(usize, usize)>,
    message: Option<Message<'t>>,
}

/// The message whose content it is or is part of.
#[derive(Clone, Copy)]
struct Message<'t> {
    list: usize,
    at: usize,
    role: &'t str,
    /// Nothing of the content stands before it; after it.
    first: bool,
    last: bool,
}

impl Piece<'_> {
    fn reads_on(&self, from: &Piece) -> bool {
        let after = |(list, at): (usize, usize)| (list, at + 1);
        if self.list.is_some() && self.list == from.list.map(after) {
            return true;
        }
        matches!((from.message, self.message), (Some(from), Some(next))
            if (from.list, from.at + 1) == (next.list, next.at)
                && from.role == next.role
                && from.last
                && next.first)
    }

    /// What somebody says, not what a program lists: numbers below each other are no longer number.
    fn is_prose(&self) -> bool {
        self.message
            .is_some_and(|message| !matches!(message.role, "tool" | "function"))
    }
}

/// The pieces of a body in order.
fn pieces<'t>(text: &'t str, nodes: &[Node], modes: &[Mode]) -> Vec<Piece<'t>> {
    let mut places = vec![0; nodes.len()];
    let mut lengths = vec![0; nodes.len()];
    let mut roles = vec![""; nodes.len()];
    let key = |node: &Node| {
        node.key
            .map_or("", |(start, end)| &text[start + 1..end - 1])
    };
    for (index, node) in nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        if nodes[parent].kind == Kind::Array {
            places[index] = lengths[parent];
            lengths[parent] += 1;
        } else if node.kind == Kind::String && key(node) == "role" {
            roles[parent] = &text[node.start..node.end];
        }
    }
    let list_of = |index: usize| {
        let parent = nodes[index].parent?;
        (nodes[parent].kind == Kind::Array).then_some((parent, places[index]))
    };
    let message_of = |index: usize, first: bool, last: bool| {
        let holder = nodes[index].parent?;
        let (list, at) = list_of(holder)?;
        (key(&nodes[index]) == "content").then_some(Message {
            list,
            at,
            role: roles[holder].trim_matches('"'),
            first,
            last,
        })
    };
    let piece = |(index, node): (usize, &Node)| {
        let text = matches!(modes[index], Mode::Protocol | Mode::Free);
        if node.kind != Kind::String || !text {
            return None;
        }
        let list = match key(node) {
            "" => list_of(index),
            "text" => list_of(node.parent?),
            _ => None,
        };
        let message = match list {
            Some((list, at)) => message_of(list, at == 0, at + 1 == lengths[list]),
            None => message_of(index, true, true),
        };
        (list.is_some() || message.is_some()).then_some(Piece {
            node: index,
            list,
            message,
        })
    };
    nodes.iter().enumerate().filter_map(piece).collect()
}

impl Masker {
    pub(super) fn runs(&self, text: &str, nodes: &[Node], modes: &[Mode], work: &mut Work) {
        let pieces = pieces(text, nodes, modes);
        let alone = work.cut.len();
        for run in pieces.chunk_by(|from, next| next.reads_on(from)) {
            if run.len() > 1 {
                self.run(text, nodes, run, alone, work);
            }
        }
    }

    /// `alone` cuts, in order, were made by what each string holds by itself.
    fn run(&self, text: &str, nodes: &[Node], run: &[Piece], alone: usize, work: &mut Work) {
        let strings: Vec<&str> = run
            .iter()
            .map(|piece| &text[nodes[piece.node].start..nodes[piece.node].end])
            .collect();
        let prose = run.iter().all(Piece::is_prose);
        let look = if prose { "prose" } else { "list" };
        let key = self.fingerprint(look, &Known::default(), "", &strings.concat());
        let edges = strings.iter().map(|string| string.len().min(2 * EDGE));
        let seen = self.memo.get(&key, edges.sum());
        if seen.as_ref().is_some_and(|seen| seen.noted.is_empty()) {
            return;
        }
        let joined = Joined::of(text, nodes, run);
        let seen = seen.unwrap_or_else(|| {
            let noted = self.split(&joined, prose);
            let seen = Arc::new(Seen {
                noted,
                ..Seen::default()
            });
            self.memo.put(key, seen.clone());
            seen
        });
        for note in &seen.noted {
            joined.cut(note, alone, work);
        }
    }

    /// What only the joined strings show.
    fn split(&self, joined: &Joined, prose: bool) -> Vec<Noted> {
        let counts = |kind: SpanKind, start: usize, end: usize| match kind {
            SpanKind::Secret => {
                joined.crosses(start, end) || (prose && joined.follows_a_break(start))
            }
            SpanKind::MyNumber => {
                prose && (joined.crosses(start, end) || joined.follows_a_break(start))
            }
            SpanKind::Card | SpanKind::Bank => prose && joined.crosses(start, end),
            _ => false,
        };
        let mut noted = Vec::new();
        for hit in self.prohibited(&joined.chars) {
            let (start, end) = (hit.start, hit.end);
            if counts(hit.kind, start, end) {
                noted.push(self.noted(hit, start, end));
            }
        }
        noted
    }
}

/// The text of a run, each character knowing its string and its place there.
struct Joined {
    chars: Vec<char>,
    places: Vec<Option<(usize, usize)>>,
    strings: Vec<Decoded>,
}

impl Joined {
    fn of(text: &str, nodes: &[Node], run: &[Piece]) -> Joined {
        let mut joined = Joined {
            chars: Vec::new(),
            places: Vec::new(),
            strings: Vec::with_capacity(run.len()),
        };
        for (index, piece) in run.iter().enumerate() {
            let node = &nodes[piece.node];
            let string = json::decode(text, node.start, node.end);
            let length = string.chars.len();
            let (head, tail) = if length > 2 * EDGE {
                (EDGE, length - EDGE)
            } else {
                (length, length)
            };
            for at in (0..head).chain(tail..length) {
                if at == tail {
                    joined.chars.extend(['\n', '\n']);
                    joined.places.extend([None, None]);
                }
                joined.chars.push(string.chars[at]);
                joined.places.push(Some((index, at)));
            }
            joined.strings.push(string);
        }
        joined
    }

    fn crosses(&self, start: usize, end: usize) -> bool {
        let mut strings = self.places[start..end]
            .iter()
            .flatten()
            .map(|place| place.0);
        let first = strings.next();
        strings.any(|string| Some(string) != first)
    }

    /// So near the beginning of its string that its label may stand in the one before.
    fn follows_a_break(&self, start: usize) -> bool {
        matches!(self.places[start], Some((string, at)) if string > 0 && at < LABEL)
    }

    /// Cuts every part of a find out of its string. What was found there already counts once.
    fn cut(&self, note: &Noted, alone: usize, work: &mut Work) {
        let places: Vec<(usize, usize)> = self.places[note.start..note.end]
            .iter()
            .flatten()
            .copied()
            .collect();
        let mut edits = Vec::new();
        for part in places.chunk_by(|a, b| a.0 == b.0) {
            let ((string, from), (_, to)) = (part[0], part[part.len() - 1]);
            edits.push(self.edit(note, string, from, to + 1));
        }
        let known = |edit: &super::Edit| {
            let cuts = &work.cut[..alone];
            let next = cuts.partition_point(|cut| cut.1 <= edit.0);
            cuts.get(next).is_some_and(|cut| cut.0 < edit.1)
        };
        if !edits.iter().any(known) {
            work.blocks.push(note.rule);
        }
        work.cut.extend(edits);
    }

    fn edit(&self, note: &Noted, string: usize, from: usize, to: usize) -> super::Edit {
        let places = &self.strings[string].places;
        (
            places[from],
            places[to],
            note.replacement.clone().into_bytes(),
        )
    }
}
