use super::keys::Keys;
use super::{CHECKPOINT, ENTRIES, PAPERS, TOKEN, zip};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::tree::leaf_hash;
use ledger::{Checkpoint, line};
use schemas::{ContentRef, Envelope, Hash};
use std::collections::{BTreeMap, BTreeSet};

/// A bundle that could be read: every part has its form. Nothing is proven yet.
pub struct Evidence<'a> {
    members: BTreeMap<String, &'a [u8]>,
    /// By position.
    pub entries: Vec<Signed>,
    pub keys: Keys,
    pub checkpoint: &'a [u8],
    pub token: Option<&'a [u8]>,
}

/// A line of the log, and the hashes beside the way from its leaf to the root.
pub struct Signed {
    pub envelope: Envelope,
    pub leaf: Hash,
    pub signature: [u8; 64],
    pub path: Vec<Hash>,
}

impl Signed {
    pub fn seq(&self) -> u64 {
        self.envelope.seq
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
        let entries = read_entries(member(ENTRIES)?)?;
        Ok(Evidence {
            keys: Keys::of(entries.iter().map(|entry| &entry.envelope))?,
            entries,
            checkpoint: member(CHECKPOINT)?,
            token: members.get(TOKEN).copied(),
            members,
        })
    }

    /// The checkpoint, if it is of this log and signed by its newest key.
    pub fn open(&self) -> Result<Checkpoint, String> {
        let head = Checkpoint::open(self.checkpoint, self.keys.newest());
        let head = head.map_err(|fault| format!("{CHECKPOINT}: {fault}"))?;
        // C2SP lets a text go on, with what nobody here would read.
        match self
            .checkpoint
            .starts_with((head.to_text() + "\n").as_bytes())
        {
            true => Ok(head),
            false => Err(format!("{CHECKPOINT}: it has more than three lines")),
        }
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
    [ENTRIES, CHECKPOINT, TOKEN].contains(&name)
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

fn read_entries(bytes: &[u8]) -> Result<Vec<Signed>, String> {
    if bytes.last() != Some(&b'\n') {
        return Err(format!("{ENTRIES}: its last line has no end"));
    }
    let lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
    let read = |(number, line): (u64, &[u8])| {
        let entry = read_entry(&line[..line.len() - 1]);
        entry.map_err(|fault| format!("{ENTRIES}: line {number}: {fault}"))
    };
    let entries: Vec<Signed> = lines.map(read).collect::<Result<_, _>>()?;
    match entries.windows(2).find(|two| two[0].seq() >= two[1].seq()) {
        None => Ok(entries),
        Some(two) => Err(format!("{ENTRIES}: entry {} is out of order", two[1].seq())),
    }
}

fn read_entry(line: &[u8]) -> Result<Signed, String> {
    let tab = |(at, byte): (usize, &u8)| (*byte == b'\t').then_some(at);
    // Body and signature are a line of the log.
    let second = line.iter().enumerate().filter_map(tab).nth(1);
    let (text, path) = line.split_at(second.unwrap_or(line.len()));
    let (body, signature) = line::split(text).map_err(|fault| fault.to_string())?;
    let hashes = path.split(|byte| *byte == b'\t').skip(1);
    Ok(Signed {
        envelope: Envelope::from_body(body).map_err(|fault| fault.to_string())?,
        leaf: leaf_hash(body),
        signature,
        path: hashes.map(read_hash).collect::<Result<_, _>>()?,
    })
}

fn read_hash(text: &[u8]) -> Result<Hash, String> {
    let hash = STANDARD
        .decode(text)
        .ok()
        .and_then(|raw| raw.try_into().ok());
    hash.map(Hash)
        .ok_or_else(|| "a hash of its path is not one in base64".to_owned())
}
