//! The directory that patches are proposed for and applied to.

use super::diff::{Diff, HunkFault};
use crate::once::sha256;
use crate::scanner::path::RepoPath;
use schemas::Hash;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// What a person can review, and memory can hold twice.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// A project's directory. Every path below it is walked without following a symlink.
pub struct Tree {
    root: PathBuf,
}

/// Something about a file that a patch names. The path is the patch's own.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("the project's directory cannot be read")]
    Root(#[source] io::Error),
    #[error("{path} must not be changed by a patch: {reason}")]
    Forbidden { path: RepoPath, reason: Forbidden },
    #[error("{path} could not be {what}")]
    Io {
        path: RepoPath,
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{path}: {fault}; make the patch anew from the files as they are")]
    Hunk { path: RepoPath, fault: HunkFault },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("it is part of git's or daicho's own records")]
    Records,
    #[error("it is or lies behind a symlink")]
    Symlink,
    #[error("it is not a plain file")]
    NotAFile,
    #[error("it is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("its name means another file on some systems")]
    Ambiguous,
}

/// A file and the digests of what it is and what it becomes; zeros for a file that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Becoming {
    pub path: RepoPath,
    pub base: Hash,
    pub result: Hash,
}

/// A patch worked out in memory on the files as they are.
pub struct WorkedOut {
    pub files: Vec<Becoming>,
    /// In the order of `files`; `None` is a file that goes.
    pub contents: Vec<Option<Vec<u8>>>,
}

impl Tree {
    pub fn open(root: &Path) -> Result<Tree, TreeError> {
        let root = fs::canonicalize(root).map_err(TreeError::Root)?;
        if !root.is_dir() {
            let kind = io::ErrorKind::NotADirectory;
            return Err(TreeError::Root(kind.into()));
        }
        Ok(Tree { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path's place, after each part of it was looked at; and what is there.
    pub(super) fn place(&self, path: &RepoPath) -> Result<(PathBuf, Option<Metadata>), TreeError> {
        let forbidden = |reason| TreeError::Forbidden {
            path: path.clone(),
            reason,
        };
        let mut place = self.root.clone();
        let mut found = None;
        let mut parts = path.as_str().split('/').peekable();
        while let Some(part) = parts.next() {
            check_name(part).map_err(forbidden)?;
            place.push(part);
            found = match fs::symlink_metadata(&place) {
                Ok(metadata) => Some(metadata),
                Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                Err(source) => {
                    return Err(TreeError::Io {
                        path: path.clone(),
                        what: "looked at",
                        source,
                    });
                }
            };
            let Some(metadata) = &found else {
                continue;
            };
            let wanted = match parts.peek() {
                Some(_) => metadata.is_dir(),
                None => metadata.is_file(),
            };
            if metadata.is_symlink() {
                return Err(forbidden(Forbidden::Symlink));
            }
            if !wanted {
                return Err(forbidden(Forbidden::NotAFile));
            }
        }
        Ok((place, found))
    }

    pub(super) fn read(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, TreeError> {
        let (place, metadata) = self.place(path)?;
        let Some(metadata) = metadata else {
            return Ok(None);
        };
        if metadata.len() > MAX_FILE_BYTES {
            return Err(TreeError::Forbidden {
                path: path.clone(),
                reason: Forbidden::TooLarge,
            });
        }
        let bytes = fs::read(place).map_err(|source| TreeError::Io {
            path: path.clone(),
            what: "read",
            source,
        })?;
        Ok(Some(bytes))
    }

    pub(super) fn digest(&self, path: &RepoPath) -> Result<Hash, TreeError> {
        Ok(digest(self.read(path)?.as_deref()))
    }

    /// The digest of a patch's base, as the files are now.
    pub fn base_of(&self, diff: &Diff) -> Result<Hash, TreeError> {
        let files = diff.files.iter().map(|file| {
            let digest = self.digest(&file.path)?;
            Ok((&file.path, digest))
        });
        let files: Vec<_> = files.collect::<Result<_, TreeError>>()?;
        Ok(files_sha256(files.into_iter()))
    }

    /// Applies a patch to the files as they are, in memory.
    pub fn work_out(&self, diff: &Diff) -> Result<WorkedOut, TreeError> {
        let mut worked_out = WorkedOut {
            files: Vec::new(),
            contents: Vec::new(),
        };
        for file in &diff.files {
            let old = self.read(&file.path)?;
            let new = file
                .apply(old.as_deref())
                .map_err(|fault| TreeError::Hunk {
                    path: file.path.clone(),
                    fault,
                })?;
            worked_out.files.push(Becoming {
                path: file.path.clone(),
                base: digest(old.as_deref()),
                result: digest(new.as_deref()),
            });
            worked_out.contents.push(new);
        }
        Ok(worked_out)
    }
}

impl WorkedOut {
    pub fn base_sha256(&self) -> Hash {
        base_sha256(&self.files)
    }

    pub fn result_sha256(&self) -> Hash {
        result_sha256(&self.files)
    }
}

pub(super) fn base_sha256(files: &[Becoming]) -> Hash {
    files_sha256(files.iter().map(|file| (&file.path, file.base)))
}

pub(super) fn result_sha256(files: &[Becoming]) -> Hash {
    files_sha256(files.iter().map(|file| (&file.path, file.result)))
}

/// SHA-256 over `<sha256>  <path>` LF for each file, the lines sorted by their bytes: what
/// `sha256sum FILES | LC_ALL=C sort | sha256sum` says while all of them are there.
fn files_sha256<'a>(files: impl Iterator<Item = (&'a RepoPath, Hash)>) -> Hash {
    let mut lines: Vec<String> = files
        .map(|(path, hash)| format!("{hash}  {path}\n"))
        .collect();
    lines.sort();
    sha256(lines.concat().as_bytes())
}

fn digest(bytes: Option<&[u8]>) -> Hash {
    bytes.map_or(Hash::ZERO, sha256)
}

/// The directory in which a patch is prepared.
pub(super) const STAGING: &str = ".daicho-apply";

fn check_name(part: &str) -> Result<(), Forbidden> {
    // Windows and macOS find `.git` under all of these names as well.
    let plain = part.to_lowercase();
    let plain = plain.trim_end_matches(['.', ' ']);
    let short = plain.strip_prefix("git~");
    let is_short = short.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    if plain == ".git" || plain == STAGING || is_short {
        return Err(Forbidden::Records);
    }
    // A stream or a drive, a name that loses its end, a character that git's own check of
    // `.git` had to learn about (CVE-2014-9390).
    let ignorable = |c: char| {
        matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if part.contains(':') || part.ends_with(['.', ' ']) || part.contains(ignorable) {
        return Err(Forbidden::Ambiguous);
    }
    Ok(())
}
