//! How far a destination is known to have come: `export/<name>.cursor`, one JSON object.
//!
//! ```text
//! {"v":1,"position":90210,               "leaf":"<64 hex>","epoch":1,"form":"<64 hex>","chain":"example.com/log"}
//! ```
//! Lost, it costs duplicates: everything is sent again. So it may lag behind, and is never
//! ahead. `leaf` is the hash of the entry before `position`: a log that has another one there
//! is not the log that the receiver holds.
//!
//! What changes as it moves has a fixed place in the first sector, and is written over there: a
//! write of one sector happens or does not. A file that is replaced instead costs the file system
//! two commits of its journal each time, which an append's own sync may have to wait for.

use super::window::Place;
use schemas::{Hash, Name};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VERSION: u8 = 1;

/// Beyond the window, a killed process sends at most so many again.
const WRITE_ENTRIES: u64 = 1_000;

/// And a machine without power what was sent since so long.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    #[error("{path}: the cursor cannot be read or written", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{path}: not a cursor of this program ({reason}); move it away to send everything again", path = path.display()
    )]
    Malformed { path: PathBuf, reason: String },
    #[error(
        "{path}: another forwarder follows this destination; stop it, or name another destination", path = path.display()
    )]
    Busy { path: PathBuf },
    #[error(
        "{path}: this cursor belongs to the log {found}, not to {chain}; name another destination, or move it away to send everything again", path = path.display()
    )]
    OtherLog {
        path: PathBuf,
        found: String,
        chain: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    v: u8,
    chain: String,
    position: u64,
    leaf: Hash,
    /// PROCID of every message. Counts the forms that this destination has seen.
    epoch: u64,
    form: Hash,
}

impl State {
    /// Only the digits of `position` and `leaf` differ between two of the same epoch.
    fn written(&self) -> io::Result<String> {
        let State {
            v,
            position,
            leaf,
            epoch,
            form,
            chain,
        } = self;
        let chain = serde_json::to_string(chain)?;
        let position = format!("{position},");
        Ok(format!(
            "{{\"v\":{v},\"position\":{position:<21}\"leaf\":\"{leaf}\",\"epoch\":{epoch},\"form\":\"{form}\",\"chain\":{chain}}}\n"
        ))
    }
}

/// One destination's cursor, in memory and on disk.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    file: File,
    state: State,
    /// The position that is in the file, and the one that is on disk.
    written: u64,
    durable: u64,
    flushed: Instant,
    /// Held while the cursor is. Beside it, because opening replaces the cursor itself.
    _lock: File,
}

impl Cursor {
    /// Reads the cursor or begins one. A changed form begins a new epoch: its bytes differ
    /// from those that were sent before, and a receiver should know why.
    pub fn open(
        data_dir: &Path,
        name: &Name,
        chain: &str,
        form: Hash,
        now: Instant,
    ) -> Result<Cursor, CursorError> {
        let path = path_of(data_dir, name);
        let lock = lock(&path)?;
        let state = match fs::read(&path) {
            Ok(bytes) => resumed(&path, &bytes, chain, form)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => State {
                v: VERSION,
                chain: chain.to_owned(),
                position: 0,
                leaf: Hash::ZERO,
                epoch: 1,
                form,
            },
            Err(source) => return Err(CursorError::File { path, source }),
        };
        // The epoch is durable before a byte is sent under it.
        let made = state
            .written()
            .and_then(|text| replace(&path, text.as_bytes()))
            .and_then(|()| File::options().write(true).open(&path));
        let file = match made {
            Ok(file) => file,
            Err(source) => return Err(CursorError::File { path, source }),
        };
        Ok(Cursor {
            written: state.position,
            durable: state.position,
            state,
            path,
            file,
            flushed: now,
            _lock: lock,
        })
    }

    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    pub fn place(&self) -> Place {
        Place {
            position: self.state.position,
            leaf: self.state.leaf,
        }
    }

    /// Moves on, in memory: [`Cursor::flush_if_due`] makes it durable.
    pub fn advance(&mut self, to: Place) {
        if to.position > self.state.position {
            self.state.position = to.position;
            self.state.leaf = to.leaf;
        }
    }

    pub fn flush_if_due(&mut self, now: Instant) -> Result<(), CursorError> {
        let position = self.state.position;
        let rested = now.saturating_duration_since(self.flushed) >= FLUSH_AFTER;
        if rested && position > self.durable {
            return self.flush(now);
        }
        match position - self.written >= WRITE_ENTRIES {
            true => self.write().map_err(|source| self.fault(source)),
            false => Ok(()),
        }
    }

    /// What is in the file outlives this process; after this also the machine's power.
    pub fn flush(&mut self, now: Instant) -> Result<(), CursorError> {
        self.flushed = now;
        let flushed = self.write().and_then(|()| self.file.sync_data());
        flushed.map_err(|source| self.fault(source))?;
        self.durable = self.state.position;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        // What fails is due again when as much has been added, not at the next entry.
        self.written = self.state.position;
        let text = self.state.written()?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }

    fn fault(&self, source: io::Error) -> CursorError {
        let path = self.path.clone();
        CursorError::File { path, source }
    }
}

/// The epoch under which messages of this form are sent, without taking the cursor.
pub(super) fn epoch_under(data_dir: &Path, name: &Name, form: Hash) -> Result<u64, CursorError> {
    Ok(seen(data_dir, name)?.map_or(1, |state| {
        let next = u64::from(state.form != form);
        state.epoch.saturating_add(next)
    }))
}

/// How far the cursor is on disk, without taking it.
pub(super) fn position(data_dir: &Path, name: &Name) -> Result<u64, CursorError> {
    Ok(seen(data_dir, name)?.map_or(0, |state| state.position))
}

fn seen(data_dir: &Path, name: &Name) -> Result<Option<State>, CursorError> {
    let path = path_of(data_dir, name);
    match fs::read(&path) {
        Ok(bytes) => {
            let state = serde_json::from_slice(&bytes).map_err(|e| CursorError::Malformed {
                path,
                reason: e.to_string(),
            })?;
            Ok(Some(state))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CursorError::File { path, source }),
    }
}

fn path_of(data_dir: &Path, name: &Name) -> PathBuf {
    data_dir.join("export").join(format!("{name}.cursor"))
}

/// Two senders at one cursor would each move it past what the other has not sent.
fn lock(cursor: &Path) -> Result<File, CursorError> {
    let path = cursor.with_extension("lock");
    let opened = cursor
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| File::create(&path));
    let file = match opened {
        Ok(file) => file,
        Err(source) => return Err(CursorError::File { path, source }),
    };
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CursorError::Busy {
            path: cursor.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(CursorError::File { path, source }),
    }
}

fn resumed(path: &Path, bytes: &[u8], chain: &str, form: Hash) -> Result<State, CursorError> {
    let malformed = |reason: String| CursorError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let mut state: State = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
    if state.v != VERSION {
        return Err(malformed(format!("v={}, expected v={VERSION}", state.v)));
    }
    if state.chain != chain {
        return Err(CursorError::OtherLog {
            path: path.to_owned(),
            found: state.chain,
            chain: chain.to_owned(),
        });
    }
    if state.form != form {
        state.form = form;
        state.epoch = state.epoch.saturating_add(1);
    }
    Ok(state)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().expect("the path was joined from a directory");
    let new = path.with_extension("cursor.new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    // Elsewhere a directory cannot be opened as a file; there the rename is all there is.
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Hash = Hash([1; 32]);

    fn open(dir: &Path, chain: &str, form: Hash) -> Result<Cursor, CursorError> {
        Cursor::open(
            dir,
            &"hq".parse().expect("sound"),
            chain,
            form,
            Instant::now(),
        )
    }

    fn place(position: u64) -> Place {
        Place {
            position,
            leaf: Hash([position as u8; 32]),
        }
    }

    #[test]
    fn a_cursor_comes_back_where_it_was_flushed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("export/hq.cursor");
        let on_disk = || {
            let bytes = fs::read(&file).expect("reads");
            resumed(&file, &bytes, "log", FORM).expect("sound").position
        };
        let mut cursor = open(dir.path(), "log", FORM).expect("opens");
        let now = cursor.flushed;
        cursor.advance(place(999));
        cursor.flush_if_due(now).expect("writes");
        assert_eq!(on_disk(), 0, "neither often nor long enough");
        cursor.advance(place(1_000));
        cursor.advance(place(7));
        cursor.flush_if_due(now).expect("writes");
        assert_eq!(on_disk(), 1_000);
        cursor.advance(place(1_001));
        cursor.flush_if_due(now + FLUSH_AFTER).expect("writes");
        assert_eq!(on_disk(), 1_001);
        drop(cursor);
        let cursor = open(dir.path(), "log", FORM).expect("opens");
        assert_eq!(cursor.place(), place(1_001));
    }

    #[test]
    fn what_is_written_over_keeps_its_place_in_the_first_sector() {
        let dir = tempfile::tempdir().expect("a directory");
        let chain = "log \"台帳\" ".repeat(100);
        let mut cursor = open(dir.path(), &chain, FORM).expect("opens");
        let file = cursor.path.clone();
        let before = fs::read(&file).expect("reads");
        cursor.advance(Place {
            position: u64::MAX,
            leaf: Hash([0xab; 32]),
        });
        cursor.flush(Instant::now()).expect("writes");
        let after = fs::read(&file).expect("reads");
        assert_eq!(before.len(), after.len());
        let differ = before.iter().zip(&after).rposition(|(a, b)| a != b);
        assert!(differ.expect("it has moved") < 512);
        let state = resumed(&file, &after, &chain, FORM).expect("sound");
        assert_eq!(state, cursor.state);
    }

    #[test]
    fn a_restart_keeps_the_epoch_and_another_form_begins_the_next() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(open(dir.path(), "log", FORM).expect("opens").epoch(), 1);
        assert_eq!(open(dir.path(), "log", FORM).expect("opens").epoch(), 1);
        assert_eq!(
            open(dir.path(), "log", Hash::ZERO).expect("opens").epoch(),
            2
        );
        assert_eq!(
            open(dir.path(), "log", Hash::ZERO).expect("opens").epoch(),
            2
        );
    }

    #[test]
    fn a_cursor_that_cannot_be_trusted_stops_the_start() {
        let dir = tempfile::tempdir().expect("a directory");
        open(dir.path(), "log", FORM).expect("opens");
        let path = dir.path().join("export/hq.cursor");
        assert!(matches!(
            open(dir.path(), "other", FORM),
            Err(CursorError::OtherLog { .. })
        ));
        for bytes in [&b""[..], b"{}", b"{\"v\":1", b"\xff", b"null"] {
            fs::write(&path, bytes).expect("writes");
            let refused = open(dir.path(), "log", FORM);
            assert!(matches!(refused, Err(CursorError::Malformed { .. })));
        }
        fs::remove_file(&path).expect("removes");
        fs::create_dir(&path).expect("creates");
        let refused = open(dir.path(), "log", FORM);
        assert!(matches!(refused, Err(CursorError::File { .. })));
    }

    #[test]
    fn one_destination_has_one_sender() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = open(dir.path(), "log", FORM).expect("opens");
        let refused = open(dir.path(), "log", FORM);
        assert!(matches!(refused, Err(CursorError::Busy { .. })));
        drop(held);
        open(dir.path(), "log", FORM).expect("opens");
    }
}
