//! What is about to be written, made durable before anything is changed.
//!
//! ```text
//! <root>/.daicho-apply/new-0 …   what each file becomes, in the order of the journal
//! <root>/.daicho-apply/old-0 …   what it was, to go back
//! <root>/.daicho-apply/journal   written last: its presence says that all the others are whole
//! ```
//! The journal is text:
//! ```text
//! daicho apply v1
//! approval: <id>
//! file: <sha256 before> <sha256 after> <path>
//! ```
//! Nothing in it is believed as such. Its two columns of digests must give `base_sha256` and
//! `result_sha256` of the log's `patch.applied`.

use super::tree::{Becoming, STAGING, Tree, WorkedOut};
use crate::once::sha256;
use crate::scanner::path::RepoPath;
use schemas::{EventId, Hash};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "daicho apply v1";

/// A prepared patch on disk.
pub(super) struct Journal {
    directory: PathBuf,
    pub approval: EventId,
    pub files: Vec<Becoming>,
}

/// A replacement could not be finished. `undone` is false if files are left changed.
pub(super) struct Halted {
    pub path: RepoPath,
    pub cause: Cause,
    pub undone: bool,
}

pub(super) enum Cause {
    /// Neither what the patch was made for nor what it makes.
    Changed,
    Io(io::Error),
    Tree(super::tree::TreeError),
}

impl Journal {
    /// Writes everything down, durably. The project's own files are not touched.
    pub(super) fn write(
        tree: &Tree,
        approval: EventId,
        worked_out: WorkedOut,
    ) -> io::Result<Journal> {
        Journal::clear(tree)?;
        let directory = tree.root().join(STAGING);
        fs::create_dir(&directory)?;
        let journal = Journal {
            directory,
            approval,
            files: worked_out.files,
        };
        for (index, content) in worked_out.contents.iter().enumerate() {
            let (place, metadata) = tree
                .place(&journal.files[index].path)
                .map_err(io::Error::other)?;
            if metadata.is_some() {
                // A copy, not a link: what others write into the file stays out of it.
                fs::copy(&place, journal.old(index))?;
                if sha256(&fs::read(journal.old(index))?) != journal.files[index].base {
                    let meanwhile = "a file was changed while the patch was being prepared";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, meanwhile));
                }
                File::open(journal.old(index))?.sync_all()?;
            }
            if let Some(content) = content {
                let mut file = File::create_new(journal.new_file(index))?;
                file.write_all(content)?;
                if let Some(metadata) = metadata {
                    file.set_permissions(metadata.permissions())?;
                }
                file.sync_all()?;
            }
        }
        let unfinished = journal.directory.join("journal.part");
        let mut file = File::create_new(&unfinished)?;
        file.write_all(journal.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(unfinished, journal.directory.join("journal"))?;
        sync_directory(&journal.directory)?;
        sync_directory(tree.root())?;
        Ok(journal)
    }

    /// The journal that an interrupted run left; `None` if it left none that is whole.
    pub(super) fn find(tree: &Tree) -> io::Result<Option<Journal>> {
        let directory = tree.root().join(STAGING);
        let is_real = fs::symlink_metadata(&directory).is_ok_and(|found| found.is_dir());
        if !is_real {
            return Ok(None);
        }
        match fs::read_to_string(directory.join("journal")) {
            Ok(text) => Ok(Journal::parse(directory, &text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Removes what was prepared. The journal goes first: without it the rest means nothing.
    pub(super) fn clear(tree: &Tree) -> io::Result<()> {
        let directory = tree.root().join(STAGING);
        match fs::symlink_metadata(&directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
            Ok(found) if !found.is_dir() => {
                let planted = ".daicho-apply is not a directory; remove it";
                return Err(io::Error::new(io::ErrorKind::NotADirectory, planted));
            }
            Ok(_) => {}
        }
        match fs::remove_file(directory.join("journal")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => sync_directory(&directory)?,
        }
        fs::remove_dir_all(&directory)?;
        sync_directory(tree.root())
    }

    fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\napproval: {}\n", self.approval);
        for Becoming { path, base, result } in &self.files {
            text += &format!("file: {base} {result} {path}\n");
        }
        text
    }

    fn parse(directory: PathBuf, text: &str) -> Option<Journal> {
        let mut lines = text.lines();
        (lines.next()? == FIRST_LINE).then_some(())?;
        let approval = lines.next()?.strip_prefix("approval: ")?.parse().ok()?;
        let file = |line: &str| {
            let (base, rest) = line.strip_prefix("file: ")?.split_once(' ')?;
            let (result, path) = rest.split_once(' ')?;
            Some(Becoming {
                path: RepoPath::parse(path, None).ok()?,
                base: base.parse().ok()?,
                result: result.parse().ok()?,
            })
        };
        Some(Journal {
            directory,
            approval,
            files: lines.map(file).collect::<Option<_>>()?,
        })
    }

    /// Puts every file in its place, all or none; files that are there already are passed over,
    /// so an interrupted run is finished by running again.
    pub(super) fn replace(&self, tree: &Tree) -> Result<(), Halted> {
        let mut replaced = Vec::new();
        let mut made = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            // Looked at again just before: whoever wrote to the file meanwhile keeps it.
            let cause = match tree.digest(&file.path) {
                Ok(now) if now == file.result => continue,
                Ok(now) if now == file.base => match self.replace_one(tree, index, &mut made) {
                    Ok(()) => {
                        replaced.push(index);
                        continue;
                    }
                    Err(error) => Cause::Io(error),
                },
                Ok(_) => Cause::Changed,
                Err(error) => Cause::Tree(error),
            };
            return Err(Halted {
                path: file.path.clone(),
                cause,
                undone: self.undo(tree, &replaced, &made),
            });
        }
        for file in &self.files {
            // The content is where it should be; that its name is durable is the system's
            // promise to keep if it cannot be asked.
            if let Some(parent) = tree.root().join(file.path.as_str()).parent() {
                let _ = sync_directory(parent);
            }
        }
        Ok(())
    }

    fn replace_one(&self, tree: &Tree, index: usize, made: &mut Vec<PathBuf>) -> io::Result<()> {
        let file = &self.files[index];
        let place = tree.root().join(file.path.as_str());
        if file.result == Hash::ZERO {
            return fs::remove_file(place);
        }
        if sha256(&fs::read(self.new_file(index))?) != file.result {
            let lost = "what the patch makes of the file is not what was prepared";
            return Err(io::Error::new(io::ErrorKind::InvalidData, lost));
        }
        make_parents(tree.root(), &place, made)?;
        fs::rename(self.new_file(index), place)
    }

    /// Takes back what this run replaced. The new content goes back to where it was prepared,
    /// so that the run can be repeated.
    fn undo(&self, tree: &Tree, replaced: &[usize], made: &[PathBuf]) -> bool {
        let mut undone = true;
        for &index in replaced.iter().rev() {
            let file = &self.files[index];
            let place = tree.root().join(file.path.as_str());
            let back = || {
                if file.result != Hash::ZERO {
                    fs::rename(&place, self.new_file(index))?;
                }
                if file.base != Hash::ZERO {
                    fs::copy(self.old(index), &place)?;
                    File::open(&place)?.sync_all()?;
                }
                io::Result::Ok(())
            };
            undone &= back().is_ok();
        }
        for directory in made.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
        undone
    }

    fn new_file(&self, index: usize) -> PathBuf {
        self.directory.join(format!("new-{index}"))
    }

    fn old(&self, index: usize) -> PathBuf {
        self.directory.join(format!("old-{index}"))
    }
}

/// Makes the directories above a new file, and remembers which.
fn make_parents(root: &Path, place: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let above = place.ancestors().skip(1).take_while(|dir| *dir != root);
    let missing: Vec<&Path> = above.take_while(|dir| !dir.exists()).collect();
    for directory in missing.into_iter().rev() {
        fs::create_dir(directory)?;
        made.push(directory.to_owned());
    }
    Ok(())
}

#[cfg(unix)]
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows cannot open a directory to sync it; NTFS journals renames itself.
#[cfg(not(unix))]
pub(super) fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
