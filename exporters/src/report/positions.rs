use roaring::RoaringTreemap;
use schemas::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The positions of the entries that a figure was counted from, written `0-3,7`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Positions(RoaringTreemap);

impl Eq for Positions {}

impl Positions {
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter()
    }

    /// Runs without a gap, each as its first and last position.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        let runs = self.0.bitmaps().flat_map(|(high, low)| {
            let (mut low, high) = (low.iter(), u64::from(high) << 32);
            let runs = std::iter::from_fn(move || low.next_range());
            runs.map(move |run| (high | u64::from(*run.start()), high | u64::from(*run.end())))
        });
        let mut runs = runs.peekable();
        std::iter::from_fn(move || {
            let (first, mut last) = runs.next()?;
            while let Some((_, end)) = runs.next_if(|&(next, _)| next - 1 == last) {
                last = end;
            }
            Some((first, last))
        })
    }

    /// Whether a file spells them out. Of more runs it says how many entries they are, the first and
    /// the last, and a digest: whoever has the log counts them again, and a file of millions of
    /// positions is one that nobody opens.
    fn are_spelt(&self) -> bool {
        self.ranges().nth(SPELT).is_none()
    }

    fn summary(&self) -> Summary {
        let mut digest = Sha256::new();
        let mut buffer = Vec::with_capacity(BUFFER);
        for position in self.0.iter() {
            buffer.extend(position.to_be_bytes());
            if buffer.len() >= BUFFER {
                digest.update(&buffer);
                buffer.clear();
            }
        }
        digest.update(&buffer);
        Summary {
            count: self.len(),
            first: self.0.min().unwrap_or_default(),
            last: self.0.max().unwrap_or_default(),
            sha256: Hash(digest.finalize().into()),
        }
    }

    /// As the evidence has them: spelt out, or their summary.
    pub(super) fn evidence<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.are_spelt() {
            true => self.serialize(serializer),
            false => self.summary().serialize(serializer),
        }
    }

    /// The same as one cell of text.
    pub(super) fn cell(&self) -> String {
        match self.are_spelt() {
            true => self.to_string(),
            false => self.summary().to_string(),
        }
    }

    /// The first runs as text, and how many more there are: what a page has room for.
    pub fn brief(&self, runs: usize) -> (String, usize) {
        let mut ranges = self.ranges();
        let shown: Vec<String> = ranges.by_ref().take(runs).map(written).collect();
        (shown.join(", "), ranges.count())
    }
}

/// Runs of positions that a file spells out.
const SPELT: usize = 4_096;

const BUFFER: usize = 64 << 10;

/// What tells positions from any others, where they are too many to be spelt out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub count: u64,
    pub first: u64,
    pub last: u64,
    /// Over the positions, ascending, each as 8 bytes, the most significant first.
    pub sha256: Hash,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            count,
            first,
            last,
            sha256,
        } = self;
        write!(f, "{count} of {first}-{last}, sha256 {sha256}")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("positions must be as 0-3,7: ascending, and at most {MOST} of them")]
pub struct PositionsError;

/// Read from a file that anyone may have written: what it asks for is bounded.
const MOST: u64 = 10_000_000;

impl FromStr for Positions {
    type Err = PositionsError;
    fn from_str(text: &str) -> Result<Positions, PositionsError> {
        let mut positions = RoaringTreemap::new();
        let number = |text: &str| text.parse::<u64>().map_err(|_| PositionsError);
        for run in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            let (first, last) = (number(first)?, number(last)?);
            let long = last.checked_sub(first).ok_or(PositionsError)?;
            if long >= MOST || positions.len() + long >= MOST {
                return Err(PositionsError);
            }
            positions.insert_range(first..=last);
        }
        Ok(Positions(positions))
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Positions, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

fn written((first, last): (u64, u64)) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", written(range))?;
        }
        Ok(())
    }
}

impl Serialize for Positions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromIterator<u64> for Positions {
    fn from_iter<I: IntoIterator<Item = u64>>(positions: I) -> Positions {
        Positions(positions.into_iter().collect())
    }
}

impl From<RoaringTreemap> for Positions {
    fn from(positions: RoaringTreemap) -> Positions {
        Positions(positions)
    }
}

impl From<&RoaringTreemap> for Positions {
    fn from(positions: &RoaringTreemap) -> Positions {
        Positions(positions.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(positions: &[u64]) -> Positions {
        positions.iter().copied().collect()
    }

    #[test]
    fn runs_are_written_by_their_ends() {
        assert_eq!(of(&[]).to_string(), "");
        assert_eq!(of(&[7]).to_string(), "7");
        assert_eq!(of(&[3, 0, 1, 2, 7, 9, 10]).to_string(), "0-3,7,9-10");
        assert_eq!(of(&[u64::MAX - 1, u64::MAX]).ranges().count(), 1);
        // Bitmaps within meet at every 65,536 and every 2^32.
        let edge = 1 << 32;
        let long: Positions = (edge - 200_000..edge + 200_000).collect();
        assert_eq!(long.to_string(), "4294767296-4295167295");
        for text in ["", "7", "0-3,7,9-10"] {
            assert_eq!(
                text.parse::<Positions>().map(|p| p.to_string()),
                Ok(text.into())
            );
        }
        for bad in ["x", "3-1", "1-", "0-18446744073709551615"] {
            assert!(bad.parse::<Positions>().is_err(), "{bad}");
        }
        assert_eq!(of(&[0, 2, 4, 6]).brief(2), ("0, 2".to_owned(), 2));
    }

    #[test]
    fn a_file_of_very_many_positions_has_their_digest() {
        #[derive(Serialize)]
        struct Evidence(#[serde(serialize_with = "Positions::evidence")] Positions);
        let written = |runs: u64| {
            let positions: Positions = (0..runs).map(|n| n * 2).collect();
            serde_json::to_value(Evidence(positions)).expect("plain values")
        };
        let spelt = written(SPELT as u64);
        assert!(
            spelt
                .as_str()
                .is_some_and(|text| text.starts_with("0,2,4,"))
        );
        let more = SPELT as u64 + 1;
        let bytes: Vec<u8> = (0..more).flat_map(|n| (n * 2).to_be_bytes()).collect();
        let digest = hex::encode(Sha256::digest(bytes));
        let summary =
            serde_json::json!({ "count": more, "first": 0, "last": 8192, "sha256": digest });
        assert_eq!(written(more), summary);
        // One run is one run, however long.
        let long: Positions = (0..100_000).collect();
        assert_eq!(long.cell(), "0-99999");
    }
}
