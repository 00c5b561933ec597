use schemas::Hash;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// Digests that were counted, each by its first half: 17 bytes in a snapshot, not 66. Two contents
/// that share it take 2^64 tries to make, and would be counted as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(BTreeSet<[u8; HALF]>);

const HALF: usize = 16;

impl Seen {
    /// False for one that was there.
    pub fn insert(&mut self, digest: &Hash) -> bool {
        let (half, _) = digest.0.split_first_chunk::<HALF>().expect("32 bytes");
        self.0.insert(*half)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let halves: Vec<[u8; HALF]> = self.0.iter().copied().collect();
        serializer.serialize_bytes(halves.as_flattened())
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        struct Halves;
        impl<'de> Visitor<'de> for Halves {
            type Value = Seen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("halves of digests, one after the other")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Seen, E> {
                match bytes.as_chunks() {
                    (halves, []) => Ok(Seen(halves.iter().copied().collect())),
                    _ => Err(E::invalid_length(bytes.len(), &self)),
                }
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Seen, E> {
                self.visit_bytes(&bytes)
            }
            /// As forms without byte strings have them.
            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Seen, A::Error> {
                let mut all = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    all.push(byte);
                }
                self.visit_byte_buf(all)
            }
        }
        deserializer.deserialize_byte_buf(Halves)
    }
}
