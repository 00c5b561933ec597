//! A witness's one file: its key, the logs it knows, the last checkpoint of each.
//!
//! The file is replaced whole and synced before a cosignature leaves: a witness that forgot
//! what it signed could sign two histories.

use crate::outcome::Failure;
use anyhow::Context;
use ledger::Checkpoint;
use ledger::note::VerifierKey;
use ledger::witness::{AddCheckpoint, Cosigner, CosignerKey, Refusal, check, claimed_origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    key: String,
    #[serde(default)]
    logs: BTreeMap<String, Log>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    /// The key that signs, as far as this witness has seen.
    vkey: String,
    /// Keys that the log's operator has said will follow it, in this order. Once a checkpoint
    /// of one is cosigned the earlier ones are over: a stolen old key gets nothing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    successors: Vec<String>,
    /// The last note that was cosigned, with the log's signatures and ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latest: Option<String>,
}

impl Log {
    /// The keys that may sign, the one that does first.
    fn keys(&self) -> Vec<VerifierKey> {
        let keys = [&self.vkey].into_iter().chain(&self.successors);
        keys.filter_map(|vkey| vkey.parse().ok()).collect()
    }
}

/// The state, held by one process.
pub struct Store {
    path: PathBuf,
    state: State,
    cosigner: Cosigner,
    _lock: File,
}

/// Why a request got no cosignature.
pub enum NotCosigned {
    Refused(Refusal),
    /// What is on disk is not known: the witness says nothing more until it is started again.
    NotDurable(io::Error),
}

const HELP: &str = "restore the file from a backup only if this witness has not run since";

pub fn init(path: &Path, name: &str) -> Result<CosignerKey, Failure> {
    let _lock = lock(path)?;
    if path.exists() {
        let fault = format!("{} exists already", path.display());
        return Err(Failure::msg(
            fault,
            "name another file: a new key is another witness",
        ));
    }
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).context("the system gives no randomness for a key")?;
    let cosigner = Cosigner::from_seed(name, &seed).map_err(|error| {
        Failure::new(
            error,
            "choose a name like a URL without scheme, as witness.example.com/w1",
        )
    })?;
    let state = State {
        key: cosigner.to_text().trim_end().to_owned(),
        logs: BTreeMap::new(),
    };
    replace(path, &state).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(cosigner.key().clone())
}

pub fn add_log(path: &Path, vkey: &str) -> Result<(), Failure> {
    let mut store = Store::open(path)?;
    let key: VerifierKey = vkey.parse().map_err(|error| {
        Failure::new(
            anyhow::Error::new(error),
            "give it as `daicho key show` prints it",
        )
    })?;
    let vkey = key.to_string();
    match store.state.logs.get_mut(key.name()) {
        Some(known) if known.vkey == vkey || known.successors.contains(&vkey) => return Ok(()),
        Some(known) => known.successors.push(vkey),
        None => {
            let new = Log {
                vkey,
                successors: Vec::new(),
                latest: None,
            };
            store.state.logs.insert(key.name().to_owned(), new);
        }
    }
    replace(path, &store.state).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

impl Store {
    pub fn open(path: &Path) -> Result<Store, Failure> {
        let lock = lock(path)?;
        let text = std::fs::read_to_string(path).map_err(|error| {
            let error =
                anyhow::Error::new(error).context(format!("{} cannot be read", path.display()));
            Failure::new(error, "make it with `daicho witness init`")
        })?;
        // The parser's own message would show the line, and a line holds the key.
        let no_state = || Failure::msg(format!("{} is no witness's state", path.display()), HELP);
        let state: State = toml::from_str(&text).map_err(|_| no_state())?;
        let cosigner = Cosigner::parse(&state.key).map_err(|_| no_state())?;
        for (origin, log) in &state.logs {
            let key: VerifierKey = log.vkey.parse().map_err(|_| no_state())?;
            let sound = |note: &String| Checkpoint::open(note.as_bytes(), &key).is_ok();
            let of_log = |vkey: &String| {
                let key = vkey.parse::<VerifierKey>();
                key.is_ok_and(|key| key.name() == origin)
            };
            if !log.successors.iter().chain([&log.vkey]).all(of_log)
                || !log.latest.as_ref().is_none_or(sound)
            {
                return Err(no_state());
            }
        }
        Ok(Store {
            path: path.to_owned(),
            state,
            cosigner,
            _lock: lock,
        })
    }

    pub fn key(&self) -> &CosignerKey {
        self.cosigner.key()
    }

    pub fn logs(&self) -> usize {
        self.state.logs.len()
    }

    /// The last cosigned note of a log, by hex(SHA-256(origin)).
    pub fn latest(&self, digest: &str) -> Option<String> {
        use sha2::{Digest, Sha256};
        let wanted = |origin: &String| hex::encode(Sha256::digest(origin)) == digest;
        let (_, log) = self.state.logs.iter().find(|(origin, _)| wanted(origin))?;
        log.latest.clone()
    }

    /// Checks, makes durable, and only then gives the cosignature line. The caller holds the
    /// one lock over all of it.
    pub fn add(&mut self, body: &[u8], seconds: u64) -> Result<String, NotCosigned> {
        let refused = NotCosigned::Refused;
        let request = AddCheckpoint::parse(body).map_err(|e| refused(e.into()))?;
        let origin = claimed_origin(&request).map_err(refused)?;
        let log = self.state.logs.get(&origin);
        let log = log.ok_or(refused(Refusal::UnknownLog))?;
        let mut keys = log.keys();
        let latest = log.latest.as_ref().zip(keys.first());
        let latest = latest.and_then(|(note, key)| Checkpoint::open(note.as_bytes(), key).ok());
        let signs = |key: &VerifierKey| Checkpoint::open(request.note.as_bytes(), key).is_ok();
        let place = keys.iter().position(signs).unwrap_or(0);
        if keys.is_empty() {
            return Err(refused(Refusal::UnknownLog));
        }
        let key = keys.swap_remove(place);
        let new = check(&key, latest.as_ref(), &request).map_err(refused)?;
        let text = ledger::note::Note::parse(request.note.as_bytes())
            .map(|note| note.unverified_text().to_owned())
            .unwrap_or_else(|_| new.to_text());
        let line = self.cosigner.cosign(&text, seconds);
        let before = self.state.logs.get(&origin).cloned();
        if let Some(log) = self.state.logs.get_mut(&origin) {
            // Only what was checked is kept: one line of the log's own, and ours.
            let signed = |line: &&str| {
                let alone = format!("{text}\n{line}\n");
                Checkpoint::open(alone.as_bytes(), &key).is_ok()
            };
            let own = request.note.lines().rfind(signed).unwrap_or_default();
            log.latest = Some(format!("{text}\n{own}\n{line}"));
            if place > 0 {
                log.vkey = key.to_string();
                log.successors.drain(..place);
            }
        }
        if let Err(error) = replace(&self.path, &self.state) {
            if let Some(before) = before {
                self.state.logs.insert(origin, before);
            }
            return Err(NotCosigned::NotDurable(error));
        }
        Ok(line)
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&name)
        .with_context(|| format!("{} cannot be opened", Path::new(&name).display()))?;
    file.try_lock().map_err(|_| {
        let fault = format!("another process holds {}", path.display());
        Failure::msg(fault, "stop it first: one witness, one process")
    })?;
    Ok(file)
}

/// Readable by its owner only: the file holds the key.
fn replace(path: &Path, state: &State) -> io::Result<()> {
    let text = zeroize::Zeroizing::new(toml::to_string(state).map_err(io::Error::other)?);
    crate::files::replace(path, text.as_bytes(), true)
}
