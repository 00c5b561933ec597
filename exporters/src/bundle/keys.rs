use ledger::note::VerifierKey;
use schemas::{Data, Envelope};
use serde::Serialize;

/// The log's keys, each with the first entry that it signs. Entry 0 names the first; a
/// `key.rotated` entry, still signed by the key before, names the next.
pub struct Keys(Vec<(u64, VerifierKey)>);

/// A key and the entry from which on it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySpan {
    pub from: u64,
    pub vkey: String,
}

impl Keys {
    /// From entries in the order of their positions.
    pub fn of<'a>(entries: impl Iterator<Item = &'a Envelope>) -> Result<Keys, String> {
        let mut keys: Vec<(u64, VerifierKey)> = Vec::new();
        for entry in entries {
            let (vkey, from) = match &entry.event.data {
                Data::LedgerCreated(created) if entry.seq == 0 => (&created.vkey, 0),
                Data::KeyRotated(rotated) if entry.seq > 0 => (&rotated.vkey, entry.seq + 1),
                _ if keys.is_empty() => break,
                _ => continue,
            };
            let key = vkey.as_str().parse::<VerifierKey>();
            let key =
                key.map_err(|error| format!("entry {}: its vkey is unsound: {error}", entry.seq))?;
            if keys
                .first()
                .is_some_and(|(_, first)| first.name() != key.name())
            {
                return Err(format!(
                    "entry {}: its vkey has another name than the log's",
                    entry.seq
                ));
            }
            if keys.iter().any(|(_, known)| *known == key) {
                return Err(format!(
                    "entry {}: its vkey has been the log's before",
                    entry.seq
                ));
            }
            keys.push((from, key));
        }
        match keys.is_empty() {
            true => {
                Err("entry 0, which names the log's first key, is not the first entry".to_owned())
            }
            false => Ok(Keys(keys)),
        }
    }

    /// The key of a checkpoint of which all entries that introduce one are known.
    pub fn newest(&self) -> &VerifierKey {
        &self.0[self.0.len() - 1].1
    }

    /// The key of the entry at this position.
    pub fn at(&self, position: u64) -> &VerifierKey {
        let after = self.0.partition_point(|(from, _)| *from <= position);
        &self.0[after - 1].1
    }

    pub fn origin(&self) -> &str {
        self.0[0].1.name()
    }

    pub fn first_of(&self, key: &VerifierKey) -> Option<u64> {
        self.0
            .iter()
            .find(|(_, known)| known == key)
            .map(|(from, _)| *from)
    }

    pub fn spans(&self) -> Vec<KeySpan> {
        let span = |(from, key): &(u64, VerifierKey)| KeySpan {
            from: *from,
            vkey: key.to_string(),
        };
        self.0.iter().map(span).collect()
    }
}
