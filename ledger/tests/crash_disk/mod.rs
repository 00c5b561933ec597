//! A disk with a cache: it knows what was synced, and when the power goes it keeps that and
//! whatever part of the rest the dice say.

use ledger::disk::{Disk, DiskFile, LocalDisk};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// xorshift64*: one seed, one run.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }
}

/// How the chosen call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is the last: nothing after it reaches the disk.
    Power,
    /// It fails once with EIO. A sync that fails has dropped what it should have written, as
    /// Linux does: a later sync of the same bytes succeeds, and they are not there.
    Error,
    /// A write takes half of its bytes and fails; the power is lost.
    ShortWrite,
}

/// What is at a name when the power goes.
#[derive(Clone)]
struct Node {
    /// The bytes that are on the disk for certain.
    durable: Vec<u8>,
    /// Bytes that the cache has dropped without writing them: from here on, until they are
    /// written again, no sync makes them durable.
    dropped_from: Option<usize>,
    readonly: bool,
}

/// A name that was made or unmade, and that its directory has not been synced for.
enum Renaming {
    Made(PathBuf, usize),
    Moved(PathBuf, PathBuf),
    Gone(PathBuf),
}

#[derive(Default)]
struct State {
    calls: u64,
    struck: bool,
    dead: bool,
    nodes: Vec<Node>,
    /// Where each node can be read now.
    now: BTreeMap<PathBuf, usize>,
    /// What a directory says after a power loss.
    durable: BTreeMap<PathBuf, usize>,
    unsynced: Vec<Renaming>,
}

impl State {
    /// All bytes of a file, durable or not.
    fn cached(&self, node: usize) -> io::Result<Vec<u8>> {
        match self.now.iter().find(|(_, n)| **n == node) {
            Some((path, _)) => std::fs::read(path),
            None => Ok(self.nodes[node].durable.clone()),
        }
    }
}

pub struct CrashDisk {
    dir: PathBuf,
    when: u64,
    fault: Fault,
    state: Arc<Mutex<State>>,
}

impl CrashDisk {
    /// What is there now counts as durable.
    pub fn over(dir: &Path, when: u64, fault: Fault) -> CrashDisk {
        let mut state = State::default();
        for path in files(dir) {
            state.nodes.push(Node {
                durable: std::fs::read(&path).unwrap(),
                dropped_from: None,
                readonly: std::fs::metadata(&path).unwrap().permissions().readonly(),
            });
            state.now.insert(path, state.nodes.len() - 1);
        }
        state.durable = state.now.clone();
        CrashDisk {
            dir: dir.to_owned(),
            when,
            fault,
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub fn struck(&self) -> bool {
        self.state.lock().unwrap().struck
    }

    pub fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        (state.dead, state.struck) = (false, true);
    }

    /// Counts a call. The checkpoint is written on a thread of its own, at its own time: its
    /// calls are not counted, so that the same seed strikes the same call.
    fn call(&self, path: &Path) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Err(io::Error::from_raw_os_error(5));
        }
        let counted = !path.to_string_lossy().contains("checkpoint") && path != self.dir;
        state.calls += u64::from(counted);
        let strikes = counted && !state.struck && state.calls == self.when;
        if strikes {
            state.struck = true;
            state.dead = self.fault != Fault::Error;
        }
        Ok((state, strikes))
    }

    /// A call that does nothing when it is the one that fails.
    fn plain(&self, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        match self.call(path)? {
            (_, true) => Err(io::Error::from_raw_os_error(5)),
            (state, false) => Ok(state),
        }
    }

    /// The power goes. Leaves in the directory what a disk could hold now.
    pub fn cut_power(&self, dice: &mut Dice) {
        let mut state = self.state.lock().unwrap();
        state.dead = true;
        // Names reach a disk in order, and stop anywhere.
        let kept = dice.below(state.unsynced.len() as u64 + 1) as usize;
        let unsynced: Vec<Renaming> = state.unsynced.drain(..).take(kept).collect();
        for renaming in unsynced {
            renaming.apply(&mut state.durable);
        }
        let cached: Vec<Vec<u8>> = (0..state.nodes.len())
            .map(|node| state.cached(node).unwrap_or_default())
            .collect();
        for path in files(&self.dir) {
            // The lock belongs to the process, not to the record.
            if !path.starts_with(self.dir.join("lock")) {
                remove(&path);
            }
        }
        for (path, node) in &state.durable {
            let Node {
                durable,
                dropped_from,
                readonly,
            } = &state.nodes[*node];
            let cached = &cached[*node];
            let writable = dropped_from.unwrap_or(cached.len()).max(durable.len());
            let bytes = torn(durable, &cached[..writable.min(cached.len())], dice);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            let mut permissions = std::fs::metadata(path).unwrap().permissions();
            permissions.set_readonly(*readonly);
            std::fs::set_permissions(path, permissions).unwrap();
        }
    }
}

const SECTOR: usize = 512;

/// What of a file's unsynced bytes a disk could hold: none, a beginning, or all of their
/// length with sectors that were never written.
fn torn(durable: &[u8], cached: &[u8], dice: &mut Dice) -> Vec<u8> {
    let more = cached.len().saturating_sub(durable.len());
    let len = match dice.below(4) {
        0 => 0,
        1 => more,
        _ => dice.below(more as u64 + 1) as usize,
    };
    let mut bytes = cached[..durable.len() + len].to_vec();
    if dice.below(2) == 0 {
        for sector in
            (durable.len() / SECTOR..bytes.len().div_ceil(SECTOR)).filter(|_| dice.below(3) == 0)
        {
            let end = bytes.len().min((sector + 1) * SECTOR);
            bytes[durable.len().max(sector * SECTOR).min(end)..end].fill(0);
        }
    }
    bytes
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

impl Renaming {
    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Renaming::Made(path, node) => {
                names.insert(path, node);
            }
            Renaming::Moved(from, to) => {
                if let Some(node) = names.remove(&from) {
                    names.insert(to, node);
                }
            }
            Renaming::Gone(path) => {
                names.remove(&path);
            }
        }
    }

    fn directory(&self) -> Option<&Path> {
        match self {
            Renaming::Made(path, _) | Renaming::Moved(_, path) | Renaming::Gone(path) => {
                path.parent()
            }
        }
    }
}

struct CrashFile {
    disk: CrashDisk,
    path: PathBuf,
    node: usize,
    file: Box<dyn DiskFile>,
}

impl CrashDisk {
    fn same(&self) -> CrashDisk {
        CrashDisk {
            dir: self.dir.clone(),
            when: self.when,
            fault: self.fault,
            state: Arc::clone(&self.state),
        }
    }

    fn file(&self, path: &Path, node: usize, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CrashFile {
            disk: self.same(),
            path: path.to_owned(),
            node,
            file,
        })
    }
}

impl Disk for CrashDisk {
    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.plain(path)?;
        let file = LocalDisk.create(path, private)?;
        let node = state.nodes.len();
        state.nodes.push(Node {
            durable: Vec::new(),
            dropped_from: None,
            readonly: false,
        });
        state.now.insert(path.to_owned(), node);
        state.unsynced.push(Renaming::Made(path.to_owned(), node));
        Ok(self.file(path, node, file))
    }

    fn reopen(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let node = self.plain(path)?.now[path];
        Ok(self.file(path, node, LocalDisk.reopen(path)?))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.plain(path)?;
        LocalDisk.overwrite(path, bytes)?;
        let node = state.now[path];
        state.nodes[node].durable = std::fs::read(path)?;
        Ok(())
    }

    fn rewrite(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut state = self.plain(path)?;
        LocalDisk.rewrite(path, offset)?;
        let node = state.now[path];
        let node = &mut state.nodes[node];
        if node.dropped_from.is_some_and(|from| from as u64 >= offset) {
            node.dropped_from = None;
        }
        let reach = node.dropped_from.unwrap_or(usize::MAX);
        let cached = std::fs::read(path)?;
        node.durable = cached[..reach.min(cached.len())].to_vec();
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // A directory without a durable file in it is of no account, and one with such a file
        // is synced by who made it: `faults.rs` holds the calls to that.
        let _state = self.plain(path)?;
        LocalDisk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.plain(to)?;
        LocalDisk.rename(from, to)?;
        let renaming = || Renaming::Moved(from.to_owned(), to.to_owned());
        renaming().apply(&mut state.now);
        state.unsynced.push(renaming());
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.plain(to)?;
        LocalDisk.link(from, to)?;
        let node = state.now[from];
        let made = || Renaming::Made(to.to_owned(), node);
        made().apply(&mut state.now);
        state.unsynced.push(made());
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.plain(path)?;
        LocalDisk.remove(path)?;
        let gone = || Renaming::Gone(path.to_owned());
        gone().apply(&mut state.now);
        state.unsynced.push(gone());
        Ok(())
    }

    fn set_readonly(&self, path: &Path) -> io::Result<()> {
        let mut state = self.plain(path)?;
        LocalDisk.set_readonly(path)?;
        let node = state.now[path];
        state.nodes[node].readonly = true;
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.plain(path)?;
        let (synced, unsynced): (Vec<_>, Vec<_>) = std::mem::take(&mut state.unsynced)
            .into_iter()
            .partition(|renaming| renaming.directory() == Some(path));
        state.unsynced = unsynced;
        for renaming in synced {
            renaming.apply(&mut state.durable);
        }
        Ok(())
    }
}

impl DiskFile for CrashFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (_state, strikes) = self.disk.call(&self.path)?;
        if strikes {
            let short = if self.disk.fault == Fault::Error {
                0
            } else {
                bytes.len() / 2
            };
            self.file.append(&bytes[..short])?;
            return Err(io::Error::from_raw_os_error(28));
        }
        self.file.append(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, strikes) = self.disk.call(&self.path)?;
        let cached = state.cached(self.node)?;
        let node = &mut state.nodes[self.node];
        if strikes {
            if self.disk.fault == Fault::Error {
                node.dropped_from = Some(node.durable.len());
            }
            return Err(io::Error::from_raw_os_error(5));
        }
        let reach = node.dropped_from.unwrap_or(cached.len());
        if reach > node.durable.len() {
            node.durable = cached[..reach].to_vec();
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}
