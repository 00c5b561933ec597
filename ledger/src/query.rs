//! Finding entries by what they are about: bitmaps of positions, one per word.

use crate::entry::Entry;
use crate::projection::{Projection, View};
use crate::reader::{ReadError, Reader};
use roaring::RoaringTreemap;
use schemas::{Actor, Class, Label, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which positions hold which kind, actor, session and class.
#[derive(Default, Serialize, Deserialize)]
pub struct Positions {
    size: u64,
    kinds: BTreeMap<String, RoaringTreemap>,
    actors: BTreeMap<String, RoaringTreemap>,
    sessions: BTreeMap<String, RoaringTreemap>,
    classes: BTreeMap<String, RoaringTreemap>,
}

impl Projection for Positions {
    const NAME: &'static str = "positions";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        let seq = entry.seq();
        let mark = |map: &mut BTreeMap<String, RoaringTreemap>, word: &str| match map.get_mut(word)
        {
            Some(bitmap) => {
                bitmap.insert(seq);
            }
            None => {
                map.insert(word.to_owned(), RoaringTreemap::from_iter([seq]));
            }
        };
        mark(&mut self.kinds, entry.kind());
        mark(&mut self.actors, &entry.actor().to_string());
        mark(&mut self.classes, entry.class().as_str());
        if let Some(session) = entry.session() {
            mark(&mut self.sessions, session.as_str());
        }
        self.size = seq + 1;
    }
}

impl Positions {
    /// How many entries there are of each kind.
    pub fn kind_counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.kinds
            .iter()
            .map(|(kind, positions)| (kind.as_str(), positions.len()))
    }

    pub fn of_kind(&self, kind: &str) -> RoaringTreemap {
        self.kinds.get(kind).cloned().unwrap_or_default()
    }
}

/// Which entries are wanted. An empty filter wants all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub kinds: Vec<String>,
    pub actor: Option<Actor>,
    pub session: Option<Label>,
    pub class: Option<Class>,
    /// Ledger time, inclusive.
    pub since: Option<Timestamp>,
    /// Ledger time, exclusive.
    pub until: Option<Timestamp>,
    /// Positions from here on.
    pub from: u64,
    /// Positions up to this one, and with it.
    pub to: Option<u64>,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
    pub limit: Option<usize>,
}

/// The positions of the entries that a filter wants, in order.
pub fn find(
    reader: &Reader,
    view: &View<Positions>,
    filter: &Filter,
) -> Result<Vec<u64>, ReadError> {
    let size = view.cursor();
    let start = match filter.since {
        Some(since) => first_at_or_after(reader, since, size)?,
        None => 0,
    };
    let end = match filter.until {
        Some(until) => first_at_or_after(reader, until, size)?,
        None => size,
    };
    let end = filter.to.map_or(end, |to| end.min(to.saturating_add(1)));
    let mut wanted = RoaringTreemap::new();
    wanted.insert_range(start.max(filter.from)..end.max(start));
    view.read(|positions| {
        if !filter.kinds.is_empty() {
            let mut any = RoaringTreemap::new();
            for kind in &filter.kinds {
                any |= positions.of_kind(kind);
            }
            wanted &= any;
        }
        let mut narrow = |map: &BTreeMap<String, RoaringTreemap>, word: Option<String>| {
            if let Some(word) = word {
                match map.get(&word) {
                    Some(bitmap) => wanted &= bitmap,
                    None => wanted.clear(),
                }
            }
        };
        narrow(
            &positions.actors,
            filter.actor.as_ref().map(ToString::to_string),
        );
        narrow(
            &positions.sessions,
            filter.session.as_ref().map(ToString::to_string),
        );
        narrow(
            &positions.classes,
            filter.class.as_ref().map(ToString::to_string),
        );
    });
    let limit = filter.limit.unwrap_or(usize::MAX);
    Ok(if filter.newest_first {
        wanted.iter().rev().take(limit).collect()
    } else {
        wanted.iter().take(limit).collect()
    })
}

/// Time never runs back in a log, so a position is found by halving.
fn first_at_or_after(reader: &Reader, time: Timestamp, size: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if reader.entry(middle)?.at() < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
