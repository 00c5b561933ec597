use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::Entry;
use crate::note::{KeyError, Note, VerifierKey};
use crate::signature;
use memchr::memmem::Finder;
use schemas::Data;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// Who signs what: the key in force from each position on, first the one that entry 0 names.
///
/// The entry `key.rotated` at r is the last that the old key signs. A checkpoint of size n is
/// signed by the key that signs entry n, so at r + 1 already by the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, String)>", into = "Vec<(u64, String)>")]
pub struct KeyHistory(Vec<(u64, VerifierKey)>);

/// Why a `key.rotated` does not name the next key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotationFault {
    #[error("the entry is not signed by the key in force")]
    NotSigned,
    #[error("it names no sound key: {0}")]
    Unsound(#[from] KeyError),
    #[error("the key's name is not the log's origin")]
    OtherName,
    #[error("the key has been in force before")]
    Used,
}

impl KeyHistory {
    pub(crate) fn founded(key: VerifierKey) -> KeyHistory {
        KeyHistory(vec![(0, key)])
    }

    /// The key that signs the entry at `seq`, and every checkpoint of that size.
    pub fn at(&self, seq: u64) -> &VerifierKey {
        let after = self.0.partition_point(|(first, _)| *first <= seq);
        &self.0[after.max(1) - 1].1
    }

    pub fn founding(&self) -> &VerifierKey {
        &self.0[0].1
    }

    /// The key in force.
    pub fn newest(&self) -> &VerifierKey {
        &self.0[self.0.len() - 1].1
    }

    /// The position of the first entry that this key signs, if it is one of this log.
    pub fn first_of(&self, key: &VerifierKey) -> Option<u64> {
        self.iter()
            .find_map(|(first, known)| (known == key).then_some(first))
    }

    /// Each key with the position of the first entry that it signs.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &VerifierKey)> {
        self.0.iter().map(|(first, key)| (*first, key))
    }

    /// Reads a checkpoint that the key in force at its size has signed.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let claimed = Checkpoint::parse(Note::parse(note)?.unverified_text())?;
        Checkpoint::open(note, self.at(claimed.size))
    }

    /// Goes on to the key that an entry names, where it is a `key.rotated` of the key in force.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), RotationFault> {
        let Data::KeyRotated(rotated) = entry.data() else {
            return Ok(());
        };
        if !signature::holds(self.newest(), &entry.leaf(), entry.signature()) {
            return Err(RotationFault::NotSigned);
        }
        let key = self.successor(rotated.vkey.as_str())?;
        self.rotate(entry.seq(), key);
        Ok(())
    }

    /// The key that a text names, if it may be the next.
    pub(crate) fn successor(&self, vkey: &str) -> Result<VerifierKey, RotationFault> {
        let key: VerifierKey = vkey.parse()?;
        if key.name() != self.founding().name() {
            return Err(RotationFault::OtherName);
        }
        // Or a position would not tell the key, nor a key its position.
        if self.first_of(&key).is_some() {
            return Err(RotationFault::Used);
        }
        Ok(key)
    }

    /// The entry at `seq` has put this successor in force.
    pub(crate) fn rotate(&mut self, seq: u64, successor: VerifierKey) {
        self.0.push((seq.saturating_add(1), successor));
    }
}

/// Kept somewhere, a history is a claim: [`KeyHistory::follow`] makes it again from the
/// entries before each position.
impl TryFrom<Vec<(u64, String)>> for KeyHistory {
    type Error = RotationFault;
    fn try_from(rows: Vec<(u64, String)>) -> Result<Self, RotationFault> {
        let mut rows = rows.into_iter();
        let (0, founding) = rows.next().unwrap_or_default() else {
            return Err(RotationFault::Used);
        };
        let mut history = KeyHistory::founded(founding.parse()?);
        for (first, vkey) in rows {
            let key = history.successor(&vkey)?;
            // Entry 0 names the first key, so the second signs entry 1 at the earliest.
            if history.0.last().is_some_and(|(before, _)| *before >= first) {
                return Err(RotationFault::Used);
            }
            history.0.push((first, key));
        }
        Ok(history)
    }
}

impl From<KeyHistory> for Vec<(u64, String)> {
    fn from(history: KeyHistory) -> Self {
        let text = |(first, key): (u64, VerifierKey)| (first, key.to_string());
        history.0.into_iter().map(text).collect()
    }
}

/// Whether a line may hold a `key.rotated`, without parsing it. Never false for one: in the one
/// form of a body the kind stands within the first bytes, and a string cannot hold a bare `"`.
pub(crate) fn may_rotate(line: &[u8]) -> bool {
    static KIND: LazyLock<Finder> = LazyLock::new(|| Finder::new(br#""kind":"key.rotated""#));
    KIND.find(before_data(line)).is_some()
}

/// The beginning of a line, in which its kind stands.
pub(crate) fn before_data(line: &[u8]) -> &[u8] {
    const KIND_WITHIN: usize = 256;
    &line[..line.len().min(KIND_WITHIN)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignerKey;

    fn key(name: &str, seed: u8) -> VerifierKey {
        let key = SignerKey::from_seed(name, &[seed; 32]).expect("a sound name");
        key.verifier().clone()
    }

    #[test]
    fn a_position_tells_its_key_and_a_kept_history_is_read_back() {
        let mut history = KeyHistory::founded(key("example.com/log", 1));
        history.rotate(4, key("example.com/log", 2));
        history.rotate(5, key("example.com/log", 3));
        for (seq, seed) in [(0, 1), (4, 1), (5, 2), (6, 3), (u64::MAX, 3)] {
            assert_eq!(*history.at(seq), key("example.com/log", seed), "{seq}");
        }
        let kept = serde_json::to_string(&history).expect("JSON");
        assert_eq!(
            serde_json::from_str::<KeyHistory>(&kept).expect("its own"),
            history
        );
        type Rows = Vec<(u64, String)>;
        let rows: Rows = history.into();
        let with = |change: &dyn Fn(&mut Rows)| {
            let mut rows = rows.clone();
            change(&mut rows);
            KeyHistory::try_from(rows)
        };
        assert_eq!(with(&|_| {}).map(|history| history.0.len()), Ok(3));
        for wrong in [
            with(&|rows| rows.clear()),
            with(&|rows| rows[0].0 = 1),
            with(&|rows| rows[2].0 = 5),
            with(&|rows| rows[2].1 = rows[0].1.clone()),
            with(&|rows| rows[2].1 = key("example.com/other", 3).to_string()),
        ] {
            assert!(wrong.is_err(), "{wrong:?}");
        }
    }
}
