//! Files that are still to be made: their names are taken before anything is recorded, so that a
//! directory that cannot be written to, or a file that is there, costs nothing.
//!
//! ```text
//! NAME.<number>.part   taken, by this process or by one that died
//! NAME                 whole; what stood there before is replaced only if that was asked for
//! ```

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// One report's documents, each with its signature's name.
pub struct Places {
    places: Vec<Place>,
    /// Of this attempt to fill them.
    number: u64,
    replace: bool,
    /// The documents are in the log: what is not filled stays to be completed.
    recorded: bool,
}

struct Place {
    path: PathBuf,
    part: PathBuf,
}

impl Places {
    /// Takes each of these names, and those of their signatures.
    pub fn take(paths: &[PathBuf], replace: bool) -> Result<Places> {
        // Not the process's number: in a container that is the one of the process before.
        let mut number = [0; 8];
        getrandom::fill(&mut number).context("the system gives no randomness for a name")?;
        let mut taken = Places {
            places: Vec::new(),
            number: u64::from_le_bytes(number),
            replace,
            recorded: false,
        };
        for path in paths {
            for path in [path.clone(), beside(path, PROOF), beside(path, TOKEN)] {
                if !replace && path.try_exists().unwrap_or(false) {
                    bail!("{} is there already", path.display());
                }
            }
            let part = part(path, taken.number);
            let made = File::options().write(true).create_new(true).open(&part);
            made.with_context(|| format!("{} cannot be written", path.display()))?;
            taken.places.push(Place {
                path: path.clone(),
                part,
            });
            // After a power loss too it is known what was not finished.
            sync_dir_of(path).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(taken)
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// Attempts that took this name and have not filled it: they go on, or were cut off.
    pub fn left(path: &Path) -> Vec<u64> {
        let items = path.parent().map(|dir| match dir.as_os_str().is_empty() {
            true => Path::new("."),
            false => dir,
        });
        let items = items.and_then(|dir| std::fs::read_dir(dir).ok());
        let names = items.into_iter().flatten().flatten();
        let names = names.map(|item| item.file_name());
        let number = |name: std::ffi::OsString| {
            let (of, number) = taken(name.to_str()?)?;
            (path.file_name()?.to_str()? == of).then_some(number)
        };
        names.filter_map(number).collect()
    }

    /// Gives a name back that an attempt had taken.
    pub fn give_up(path: &Path, number: u64) -> std::io::Result<()> {
        std::fs::remove_file(part(path, number))
    }

    /// From here on a name that cannot be filled stays taken, for whoever completes it.
    pub fn are_recorded(&mut self) {
        self.recorded = true;
    }

    /// Puts a document where its name was taken; its signature first, so that no document is
    /// seen without it.
    pub fn fill(&self, nth: usize, bytes: &[u8], proof: &str, token: Option<&[u8]>) -> Result<()> {
        let place = self.places.get(nth).context("no name was taken for it")?;
        let path = &place.path;
        let proof_path = beside(path, PROOF);
        crate::files::replace(&proof_path, proof.as_bytes(), false)
            .with_context(|| format!("{} cannot be written", proof_path.display()))?;
        let token_path = beside(path, TOKEN);
        match token {
            Some(token) => crate::files::replace(&token_path, token, false)
                .with_context(|| format!("{} cannot be written", token_path.display()))?,
            // One of another signature would be a false witness.
            None => match std::fs::remove_file(&token_path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let told = format!("{} cannot be removed", token_path.display());
                    return Err(anyhow::Error::new(error).context(told));
                }
                _ => {}
            },
        }
        self.put(place, bytes)
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    fn put(&self, Place { path, part }: &Place, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = File::options().write(true).truncate(true).open(part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        if self.replace {
            std::fs::rename(part, path)?;
        } else {
            // A link, unlike a renaming, fails where somebody was first.
            match std::fs::hard_link(part, path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
                Err(_) => std::fs::rename(part, path)?,
                Ok(()) => std::fs::remove_file(part)?,
            }
        }
        sync_dir_of(path)
    }
}

/// Windows has no such call: NTFS journals names.
fn sync_dir_of(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

impl Drop for Places {
    fn drop(&mut self) {
        if self.recorded {
            return;
        }
        for place in &self.places {
            let _ = std::fs::remove_file(&place.part);
        }
    }
}

pub const PROOF: &str = ".tlog-proof";

/// Of the signature: when it existed, in an authority's words (RFC 3161).
pub const TOKEN: &str = ".tlog-proof.tsr";

const PART: &str = ".part";

fn part(path: &Path, number: u64) -> PathBuf {
    beside(path, &format!(".{number}{PART}"))
}

/// The name that a file `NAME.<number>.part` was to have, and the attempt.
pub fn taken(part: &str) -> Option<(&str, u64)> {
    let (name, number) = part.strip_suffix(PART)?.rsplit_once('.')?;
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    Some((name, number.parse().ok().filter(|_| digits)?))
}

/// FILE with something more at its end.
pub fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}
