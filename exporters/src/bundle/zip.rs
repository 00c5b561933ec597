//! A zip file that has one form: stored members in the order of their names, no extra field,
//! no comment, no date, nothing before, between or behind. No two readers can see two things
//! in it, nothing in it grows when it is unpacked, and no name leads out of a directory. It is
//! byte for byte what Python's `zipfile` writes, so that verify.py tells by writing it anew.

use std::collections::BTreeMap;

/// A bundle is read whole. Beyond this it is better given as a copy of the ledger.
pub const MAX_BYTES: usize = 512 << 20;

/// Counts in a zip without its 64-bit extension are uint16.
const MAX_MEMBERS: usize = u16::MAX as usize;

const MAX_NAME: usize = 255;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";

/// Bytes of a member's local header before its name.
const LOCAL_LEN: usize = 30;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    #[error(
        "the bundle would be longer than {MAX_BYTES} bytes, or hold more than {MAX_MEMBERS} files"
    )]
    TooLarge,
    #[error("{0:?} is no name of a member")]
    Name(String),
    #[error("it is not the one form of a zip that a bundle has, from byte {at} on")]
    Form { at: usize },
    #[error("{name} is damaged: its CRC-32 is another, or it is cut off")]
    Damaged { name: String },
    #[error("{name} stands after a name that it should stand before, or twice")]
    Order { name: String },
}

pub fn write<'a>(
    members: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>,
) -> Result<Vec<u8>, ZipError> {
    let (mut zip, mut directory) = (Vec::new(), Directory::default());
    for (name, bytes) in members {
        if !sound(name) {
            return Err(ZipError::Name(name.clone()));
        }
        if zip.len() + bytes.len() > MAX_BYTES || directory.count == MAX_MEMBERS {
            return Err(ZipError::TooLarge);
        }
        let facts = facts(name, bytes);
        directory.add(name, &facts, zip.len());
        zip.extend([&LOCAL[..], &facts, name.as_bytes(), bytes].concat());
    }
    let end = directory.end(zip.len());
    zip.extend(end);
    if zip.len() > MAX_BYTES {
        return Err(ZipError::TooLarge);
    }
    Ok(zip)
}

/// The members by their names. What is read is exactly what `write` makes of it.
pub fn read(zip: &[u8]) -> Result<BTreeMap<String, &[u8]>, ZipError> {
    if zip.len() > MAX_BYTES {
        return Err(ZipError::TooLarge);
    }
    let (mut members, mut directory, mut at) = (BTreeMap::new(), Directory::default(), 0);
    while zip[at..].starts_with(LOCAL) {
        let form = || ZipError::Form { at };
        let header = zip[at..].first_chunk::<LOCAL_LEN>().ok_or_else(form)?;
        let size = u32::from_le_bytes([header[18], header[19], header[20], header[21]]) as usize;
        let name_end = at + LOCAL_LEN + usize::from(u16::from_le_bytes([header[26], header[27]]));
        let name = zip
            .get(at + LOCAL_LEN..name_end)
            .and_then(|name| std::str::from_utf8(name).ok());
        let name = name.filter(|name| sound(name)).ok_or_else(form)?.to_owned();
        let Some(bytes) = zip[name_end..].get(..size) else {
            return Err(ZipError::Damaged { name });
        };
        let facts = facts(&name, bytes);
        if facts[..10] != header[4..14] || facts[14..] != header[18..] {
            return Err(ZipError::Form { at });
        }
        if facts[..] != header[4..] {
            return Err(ZipError::Damaged { name });
        }
        if members
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err(ZipError::Order { name });
        }
        if directory.count == MAX_MEMBERS {
            return Err(ZipError::TooLarge);
        }
        directory.add(&name, &facts, at);
        members.insert(name, bytes);
        at = name_end + size;
    }
    if zip[at..] != directory.end(at) {
        return Err(ZipError::Form { at });
    }
    Ok(members)
}

/// `a-z A-Z 0-9 . _ -`, and `/` between parts that begin with a letter or digit.
fn sound(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    name.len() <= MAX_NAME && name.split('/').all(part)
}

/// What the local header and the directory both say of a member, from "version needed" to the
/// length of the extra field: APPNOTE.TXT 4.3.7 and 4.3.12.
fn facts(name: &str, bytes: &[u8]) -> [u8; 26] {
    // Version 2.0, no flags, stored, 1980-01-01 00:00.
    let mut facts = [0; 26];
    facts[..10].copy_from_slice(&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]);
    let size = (bytes.len() as u32).to_le_bytes();
    facts[10..14].copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    facts[14..18].copy_from_slice(&size);
    facts[18..22].copy_from_slice(&size);
    facts[22..24].copy_from_slice(&(name.len() as u16).to_le_bytes());
    facts
}

#[derive(Default)]
struct Directory {
    bytes: Vec<u8>,
    count: usize,
}

impl Directory {
    fn add(&mut self, name: &str, facts: &[u8; 26], offset: usize) {
        self.bytes.extend(CENTRAL);
        self.bytes.extend([20, 3]); // made by version 2.0, on Unix
        self.bytes.extend(facts);
        self.bytes.extend([0; 6]); // no comment, disk 0
        self.bytes.extend((0o600_u32 << 16).to_le_bytes());
        self.bytes.extend((offset as u32).to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.count += 1;
    }

    /// The directory and the record that ends a zip.
    fn end(self, offset: usize) -> Vec<u8> {
        let (count, len) = ((self.count as u16).to_le_bytes(), self.bytes.len() as u32);
        let mut bytes = self.bytes;
        bytes.extend(END);
        bytes.extend([0; 4]);
        bytes.extend([count, count].concat());
        bytes.extend(len.to_le_bytes());
        bytes.extend((offset as u32).to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
        let name = "[a-zA-Z0-9][a-z0-9._-]{0,8}(/[0-9][a-z.]{0,4}){0,2}";
        prop::collection::btree_map(name, prop::collection::vec(any::<u8>(), 0..40), 0..5)
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written_and_any_other_byte_is_found(
            members in members(), at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index
        ) {
            let zip = write(&members).expect("small");
            let read_again = read(&zip).expect("its own form");
            prop_assert!(read_again.into_iter().eq(members.iter().map(|(n, b)| (n.clone(), b.as_slice()))));
            let mut flipped = zip.clone();
            flipped[at.index(zip.len())] ^= 1 << bit;
            prop_assert!(read(&flipped).is_err());
            prop_assert!(read(&zip[..cut.index(zip.len())]).is_err());
            prop_assert!(read(&[&zip[..], b"\n"].concat()).is_err());
            prop_assert!(read(&[b"\n", &zip[..]].concat()).is_err());
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), tail in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
            let _ = read(&[&LOCAL[..], &tail].concat());
        }
    }

    #[test]
    fn no_name_leads_elsewhere_or_means_two_things() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "a\\b",
            "C:x",
            ".hidden",
            "é",
            "a\0b",
        ] {
            let members = BTreeMap::from([(bad.to_owned(), Vec::new())]);
            assert_eq!(write(&members), Err(ZipError::Name(bad.to_owned())));
        }
    }
}
