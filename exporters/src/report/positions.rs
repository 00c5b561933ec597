use roaring::RoaringTreemap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
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
        let mut positions = self.0.iter().peekable();
        std::iter::from_fn(move || {
            let first = positions.next()?;
            let mut last = first;
            while let Some(next) = positions.next_if(|&next| next == last + 1) {
                last = next;
            }
            Some((first, last))
        })
    }

    /// The first runs as text, and how many more there are: what a page has room for.
    pub fn brief(&self, runs: usize) -> (String, usize) {
        let mut ranges = self.ranges();
        let shown: Vec<String> = ranges.by_ref().take(runs).map(written).collect();
        (shown.join(", "), ranges.count())
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
}
