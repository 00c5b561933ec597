use super::keys::Keys;
use super::manifest::{Chosen, Manifest};
use super::{
    CHECKPOINT, ENTRIES, MANIFEST, PAPERS, PROOF_HEADER, PROOFS, ROLES, TOKEN, older_member, zip,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::note::Note;
use ledger::proof::Proof;
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
    /// One for each entry.
    pub proofs: Vec<Proof>,
    pub keys: Keys,
    pub checkpoint: Vec<u8>,
    pub older: Vec<Older>,
    pub token: Option<&'a [u8]>,
}

/// A line of the log.
pub struct Signed {
    pub envelope: Envelope,
    pub leaf: Hash,
    pub signature: [u8; 64],
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

/// An older checkpoint and the way from it to the bundle's own.
pub struct Older {
    pub role: &'static str,
    pub note: Vec<u8>,
    pub consistency: Vec<Hash>,
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
        let proofs = read_proofs(member(PROOFS)?)?;
        if proofs.len() != entries.len() {
            return Err(format!(
                "{PROOFS} holds {} proofs for {} entries",
                proofs.len(),
                entries.len()
            ));
        }
        let mut older = Vec::new();
        for role in ROLES {
            let (note, path) = (
                older_member(role, "checkpoint"),
                older_member(role, "consistency"),
            );
            if !members.contains_key(&note) && !members.contains_key(&path) {
                continue;
            }
            let consistency = read_hashes(member(&path)?)
                .ok_or_else(|| format!("{path}: a line is not a hash in base64"))?;
            older.push(Older {
                role,
                note: member(&note)?.to_vec(),
                consistency,
            });
        }
        Ok(Evidence {
            chosen: manifest.chosen,
            keys: Keys::of(entries.iter().map(|entry| &entry.envelope))?,
            entries,
            proofs,
            checkpoint: member(CHECKPOINT)?.to_vec(),
            older,
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
    let fixed = [MANIFEST, ENTRIES, PROOFS, CHECKPOINT, TOKEN];
    let older = |role: &&str| {
        ["checkpoint", "consistency"]
            .iter()
            .any(|what| older_member(role, what) == name)
    };
    fixed.contains(&name)
        || PAPERS.iter().any(|(paper, _)| *paper == name)
        || ROLES.iter().any(older)
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

fn read_entries(bytes: &[u8]) -> Result<Vec<Signed>, String> {
    let text = bytes
        .strip_suffix(b"\n")
        .ok_or(format!("{ENTRIES}: its last line has no end"))?;
    let mut entries: Vec<Signed> = Vec::new();
    for (number, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let at = |fault: &dyn std::fmt::Display| format!("{ENTRIES}: line {number}: {fault}");
        let (body, signature) = line::split(text).map_err(|fault| at(&fault))?;
        let envelope = Envelope::from_body(body).map_err(|fault| at(&fault))?;
        if entries
            .last()
            .is_some_and(|before| before.seq() >= envelope.seq)
        {
            return Err(at(&"its position is not after that of the line before"));
        }
        entries.push(Signed {
            envelope,
            leaf: leaf_hash(body),
            signature,
        });
    }
    Ok(entries)
}

fn read_proofs(bytes: &[u8]) -> Result<Vec<Proof>, String> {
    let fault = |fault: &dyn std::fmt::Display| format!("{PROOFS}: {fault}");
    let text = std::str::from_utf8(bytes).map_err(|error| fault(&error))?;
    let blocks = text
        .strip_suffix("\n\n")
        .ok_or_else(|| fault(&"it does not end with an empty line"))?;
    let read = |block: &str| {
        let whole = format!("{PROOF_HEADER}{block}\n\n");
        let proof = Proof::parse(&whole).map_err(|error| fault(&error))?;
        if proof.to_text() != whole {
            return Err(fault(&"a proof is not in its one form"));
        }
        Ok(proof)
    };
    blocks.split("\n\n").map(read).collect()
}

fn read_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let hash = |line: &str| {
        Some(Hash(
            STANDARD
                .decode(line.strip_suffix('\n')?)
                .ok()?
                .try_into()
                .ok()?,
        ))
    };
    text.split_inclusive('\n').map(hash).collect()
}
