use super::keys::Keys;
use super::manifest::{Chosen, Manifest};
use super::{CHECKPOINT, COSIGNED, ENTRIES, MANIFEST, OLDER_PROOFS, PAPERS, STAMPED, TOKEN, zip};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::note::Note;
use ledger::tree::leaf_hash;
use ledger::{Checkpoint, line};
use schemas::{ContentRef, Data, Envelope, Hash};
use std::collections::{BTreeMap, BTreeSet};

/// A bundle that could be read: every part has its form. Nothing is proven yet.
pub struct Evidence<'a> {
    members: BTreeMap<String, &'a [u8]>,
    pub chosen: Chosen,
    /// By position.
    pub entries: Vec<Signed>,
    /// Of entries that are not here, the last ones of older checkpoints.
    pub older_proofs: Vec<Proof>,
    pub keys: Keys,
    pub checkpoint: &'a [u8],
    pub cosigned: Option<&'a [u8]>,
    pub stamped: Option<&'a [u8]>,
    pub token: Option<&'a [u8]>,
}

/// A line of the log.
pub struct Signed {
    pub envelope: Envelope,
    pub signature: [u8; 64],
    pub proof: Proof,
}

/// Where a leaf is, and the hashes beside its way to the root.
pub struct Proof {
    pub seq: u64,
    pub leaf: Hash,
    pub path: Vec<Hash>,
}

impl Signed {
    pub fn seq(&self) -> u64 {
        self.envelope.seq
    }

    pub fn introduces_a_key(&self) -> bool {
        matches!(
            self.envelope.event.data,
            Data::LedgerCreated(_) | Data::KeyRotated(_)
        )
    }
}

impl<'a> Evidence<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Evidence<'a>, String> {
        let members = zip::read(bytes).map_err(|fault| format!("the zip: {fault}"))?;
        if let Some(stray) = members.keys().find(|name| !known(name)) {
            return Err(format!(
                "{stray}: no file of this name belongs into a bundle"
            ));
        }
        let member = |name: &str| {
            members
                .get(name)
                .copied()
                .ok_or_else(|| format!("{name} is missing"))
        };
        for (name, _) in PAPERS {
            member(name)?;
        }
        let manifest: Manifest = serde_json::from_slice(member(MANIFEST)?)
            .map_err(|fault| format!("{MANIFEST}: {fault}"))?;
        if manifest.bundle != Manifest::VERSION {
            return Err(format!(
                "{MANIFEST}: this program reads bundles of version {}",
                Manifest::VERSION
            ));
        }
        if serde_json::to_vec(&manifest).ok().as_deref() != members.get(MANIFEST).copied() {
            return Err(format!("{MANIFEST}: it is not in its one form"));
        }
        let entries = read_entries(member(ENTRIES)?)?;
        let older_proofs = members.get(OLDER_PROOFS);
        let older_proofs = older_proofs.map_or(Ok(Vec::new()), |text| read_older_proofs(text))?;
        Ok(Evidence {
            chosen: manifest.chosen,
            keys: Keys::of(entries.iter().map(|entry| &entry.envelope))?,
            entries,
            older_proofs,
            checkpoint: member(CHECKPOINT)?,
            cosigned: members.get(COSIGNED).copied(),
            stamped: members.get(STAMPED).copied(),
            token: members.get(TOKEN).copied(),
            members,
        })
    }

    /// A note of this log, signed by the key of its size.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, String> {
        let text = Note::parse(note)
            .map_err(|fault| fault.to_string())?
            .unverified_text();
        let claimed = Checkpoint::parse(text).map_err(|fault| fault.to_string())?;
        if claimed.size == 0 {
            return Err("a checkpoint of no entries promises nothing".to_owned());
        }
        Checkpoint::open(note, self.keys.at(claimed.size)).map_err(|fault| fault.to_string())
    }

    pub fn member(&self, name: &str) -> Option<&'a [u8]> {
        self.members.get(name).copied()
    }

    /// Of which contents there is something here.
    pub fn contents(&self) -> BTreeSet<(u64, String)> {
        let places = self.members.keys().filter_map(|name| content_place(name));
        places.map(|(seq, name)| (seq, name.to_owned())).collect()
    }

    pub fn reference(&self, seq: u64, name: &str) -> Option<&ContentRef> {
        let at = self.entries.binary_search_by_key(&seq, Signed::seq).ok()?;
        let mut contents = self.entries[at].envelope.content.iter();
        contents.find(|reference| reference.name.as_str() == name)
    }
}

/// Nothing else is in a bundle: what no rule reads could pass for evidence.
fn known(name: &str) -> bool {
    let fixed = [
        MANIFEST,
        ENTRIES,
        CHECKPOINT,
        OLDER_PROOFS,
        COSIGNED,
        STAMPED,
        TOKEN,
    ];
    fixed.contains(&name)
        || PAPERS.iter().any(|(paper, _)| *paper == name)
        || content_place(name).is_some()
}

/// `sealed/<seq>/<name>` and `released/<seq>/<name>`.
fn content_place(member: &str) -> Option<(u64, &str)> {
    let ["sealed" | "released", digits, name] = member.split('/').collect::<Vec<_>>()[..] else {
        return None;
    };
    let seq: u64 = digits
        .parse()
        .ok()
        .filter(|seq| format!("{seq:020}") == digits)?;
    Some((seq, name))
}

/// Each of a file's lines, read so.
fn read_lines<T>(
    name: &str,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    if bytes.last().is_some_and(|last| *last != b'\n') {
        return Err(format!("{name}: its last line has no end"));
    }
    let lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
    let read = |(number, line): (u64, &[u8])| {
        read(&line[..line.len() - 1]).map_err(|fault| format!("{name}: line {number}: {fault}"))
    };
    lines.map(read).collect()
}

fn read_entries(bytes: &[u8]) -> Result<Vec<Signed>, String> {
    let entries = read_lines(ENTRIES, bytes, |text| {
        let tab = text.iter().rposition(|byte| *byte == b'\t');
        let (text, path) = text.split_at(tab.ok_or("it has no TAB")?);
        let (body, signature) = line::split(text).map_err(|fault| fault.to_string())?;
        let envelope = Envelope::from_body(body).map_err(|fault| fault.to_string())?;
        let proof = Proof {
            seq: envelope.seq,
            leaf: leaf_hash(body),
            path: read_path(&path[1..])?,
        };
        Ok(Signed {
            envelope,
            signature,
            proof,
        })
    })?;
    match entries.windows(2).find(|two| two[0].seq() >= two[1].seq()) {
        None => Ok(entries),
        Some(two) => Err(format!("{ENTRIES}: entry {} is out of order", two[1].seq())),
    }
}

fn read_older_proofs(bytes: &[u8]) -> Result<Vec<Proof>, String> {
    read_lines(OLDER_PROOFS, bytes, |line| {
        let fields: Vec<_> = line.splitn(3, |byte| *byte == b'\t').collect();
        let [digits, leaf, path] = fields[..] else {
            return Err("it is not position, TAB, leaf, TAB, path".to_owned());
        };
        let seq = std::str::from_utf8(digits).ok().and_then(|digits| {
            let seq: u64 = digits.parse().ok()?;
            (seq.to_string() == digits).then_some(seq)
        });
        Ok(Proof {
            seq: seq.ok_or("its position is no number")?,
            leaf: read_hash(leaf)?,
            path: read_path(path)?,
        })
    })
}

/// Hashes with one space between them.
fn read_path(text: &[u8]) -> Result<Vec<Hash>, String> {
    match text {
        [] => Ok(Vec::new()),
        _ => text.split(|byte| *byte == b' ').map(read_hash).collect(),
    }
}

fn read_hash(text: &[u8]) -> Result<Hash, String> {
    let hash = STANDARD
        .decode(text)
        .ok()
        .and_then(|raw| raw.try_into().ok());
    hash.map(Hash)
        .ok_or_else(|| "a hash of its path is not one in base64".to_owned())
}
