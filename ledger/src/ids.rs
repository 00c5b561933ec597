//! Which ids stand in the log, and where: each may stand there once.

use crate::layout::Layout;
use crate::outline::OutlinedIds;
use crate::scan::{LogLines, Piece, skim};
use schemas::EventId;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

/// The ids of one file, and where each stands.
pub type Taken = HashMap<EventId, u64>;

/// The ids of the whole log: those of outlined files stay on disk, behind a filter each.
pub struct Ids {
    layout: Layout,
    /// Of full files, oldest first.
    full: Vec<FullFile>,
    /// Of the file in use.
    newest: Taken,
    /// What was looked up last: repetitions come together.
    loaded: VecDeque<(u64, Vec<(EventId, u64)>)>,
}

enum FullFile {
    Held { first_seq: u64, ids: Arc<Taken> },
    Outlined(OutlinedIds),
}

/// Files whose ids are kept once they had to be looked up.
const LOADED: usize = 4;

impl Ids {
    pub fn new(layout: Layout) -> Ids {
        Ids {
            layout,
            full: Vec::new(),
            newest: Taken::new(),
            loaded: VecDeque::new(),
        }
    }

    /// Where an id stands, if it does.
    pub fn find(&mut self, id: &EventId) -> io::Result<Option<u64>> {
        if let Some(seq) = self.newest.get(id) {
            return Ok(Some(*seq));
        }
        let key = Filter::key(id);
        for file in self.full.iter().rev() {
            match file {
                FullFile::Held { ids, .. } => {
                    if let Some(seq) = ids.get(id) {
                        return Ok(Some(*seq));
                    }
                }
                FullFile::Outlined(file) if file.may_hold(id, key) => {
                    let ids = load(&mut self.loaded, file, &self.layout)?;
                    if let Ok(at) = ids.binary_search_by_key(id, |(id, _)| *id) {
                        return Ok(Some(ids[at].1));
                    }
                }
                FullFile::Outlined(_) => {}
            }
        }
        Ok(None)
    }

    pub fn insert(&mut self, id: EventId, seq: u64) {
        self.newest.insert(id, seq);
    }

    /// The file in use is full: what stands from `next` on will be in another.
    pub fn end_file(&mut self, first_seq: u64, next: u64) -> Arc<Taken> {
        let later = self.newest.extract_if(|_, seq| *seq >= next).collect();
        let ids = Arc::new(std::mem::replace(&mut self.newest, later));
        self.full.push(FullFile::Held {
            first_seq,
            ids: Arc::clone(&ids),
        });
        ids
    }

    pub fn push_outlined(&mut self, ids: OutlinedIds) {
        self.full.push(FullFile::Outlined(ids));
    }

    /// The ids of a file that was held have gone to disk.
    pub fn outlined(&mut self, outlined: OutlinedIds) {
        let held = self.full.iter_mut().find(|file| {
            matches!(file, FullFile::Held { first_seq, .. } if *first_seq == outlined.first_seq)
        });
        if let Some(held) = held {
            *held = FullFile::Outlined(outlined);
        }
    }

    /// Full files whose ids are in memory.
    pub fn held(&self) -> impl Iterator<Item = (u64, Arc<Taken>)> {
        self.full.iter().filter_map(|file| match file {
            FullFile::Held { first_seq, ids } => Some((*first_seq, Arc::clone(ids))),
            FullFile::Outlined(_) => None,
        })
    }
}

fn load<'a>(
    loaded: &'a mut VecDeque<(u64, Vec<(EventId, u64)>)>,
    file: &OutlinedIds,
    layout: &Layout,
) -> io::Result<&'a [(EventId, u64)]> {
    let at = loaded
        .iter()
        .position(|(first, _)| *first == file.first_seq);
    let found = match at.and_then(|at| loaded.remove(at)) {
        Some(found) => found,
        None => {
            let ids = match file.load() {
                Some(ids) => ids,
                None => from_log(layout, file.first_seq)?,
            };
            (file.first_seq, ids)
        }
    };
    loaded.truncate(LOADED - 1);
    loaded.push_front(found);
    Ok(&loaded[0].1)
}

/// The ids of a log file as it stands there, for an outline that has been damaged since.
fn from_log(layout: &Layout, first_seq: u64) -> io::Result<Vec<(EventId, u64)>> {
    let mut lines = LogLines::open(&layout.log_file(first_seq))?;
    let mut ids = Vec::new();
    while let Some(Piece::Line { line, .. }) = lines.next_piece()? {
        let (_, _, skimmed) = skim(line).map_err(io::Error::other)?;
        ids.push((skimmed.id, skimmed.seq));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// A set of ids that is small, and wrong about one in 2,000 of those that are not in it (Bloom).
pub struct Filter(Box<[u64]>);

/// Of 16 bits for each id; so four ids share a word.
const PROBES: u64 = 6;

impl Filter {
    pub fn of<'a>(ids: impl ExactSizeIterator<Item = &'a EventId>) -> Filter {
        let mut filter = Filter(vec![0; Filter::words_for(ids.len())].into());
        for id in ids {
            for bit in filter.bits(Filter::key(id)) {
                filter.0[bit / 64] |= 1 << (bit % 64);
            }
        }
        filter
    }

    fn words_for(count: usize) -> usize {
        count.div_ceil(4).max(1)
    }

    pub fn bytes_for(count: usize) -> usize {
        Filter::words_for(count) * 8
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub fn from_bytes(bytes: &[u8]) -> Filter {
        let words = bytes.as_chunks().0.iter();
        Filter(words.map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Two numbers in which every bit of the id has a part: a filter is written to disk, so this
    /// may not change.
    pub fn key(id: &EventId) -> (u64, u64) {
        let (halves, _) = id.as_bytes().as_chunks::<8>();
        let [high, low] = [halves[0], halves[1]].map(u64::from_le_bytes);
        let first = mixed(high ^ mixed(low));
        (first, mixed(first ^ low) | 1)
    }

    pub fn may_hold(&self, key: (u64, u64)) -> bool {
        self.bits(key)
            .all(|bit| self.0[bit / 64] & (1 << (bit % 64)) != 0)
    }

    fn bits(&self, (first, step): (u64, u64)) -> impl Iterator<Item = usize> + use<> {
        let count = self.0.len() as u64 * 64;
        (0..PROBES)
            .map(move |probe| (first.wrapping_add(probe.wrapping_mul(step)) % count) as usize)
    }
}

/// The finaliser of MurmurHash3.
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}
