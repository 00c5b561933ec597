//! Every call by which a ledger changes what is on the disk, or makes it durable. Reading goes
//! past it: what a test wants to see failing, torn or lost is what was written.

use crate::os;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where a ledger is written. The tests put one in its place that loses what was not synced.
pub trait Disk: Send + Sync {
    /// A new file to append to. A private one can be read by its owner only.
    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there, to append to.
    fn reopen(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Writes over the beginning of a file, durably.
    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Writes the bytes of a file from `offset` on once more, as they are, and makes them durable.
    /// After a failed sync they may be in the cache only, and counted there as written: no
    /// later sync would write them, this does.
    fn rewrite(&self, path: &Path, offset: u64) -> io::Result<()>;
    /// A directory that only its owner can enter, with its parents.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; `AlreadyExists` where something has that name.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn set_readonly(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that grows. It is read back through the same handle: a process that has run out of
/// handles must not stop the ledger.
pub trait DiskFile: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes the bytes durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes the bytes durable, and the right to write.
    fn sync_all(&self) -> io::Result<()>;
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

const REWRITE_BYTES: usize = 1 << 20;

/// The files of this host.
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true);
        if private {
            os::private(&mut options);
        }
        Ok(Box::new(options.open(path)?))
    }

    fn reopen(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        Ok(Box::new(file))
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rewrite(&self, path: &Path, mut offset: u64) -> io::Result<()> {
        // Without `append`: it would write at the end, wherever it is told to.
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let end = file.metadata()?.len();
        let mut buffer = vec![0; REWRITE_BYTES];
        while offset < end {
            let len = REWRITE_BYTES.min((end - offset) as usize);
            os::read_exact_at(&file, &mut buffer[..len], offset)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&buffer[..len])?;
            offset += len as u64;
        }
        file.sync_all()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        os::create_private_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        os::remove(path)
    }

    fn set_readonly(&self, path: &Path) -> io::Result<()> {
        os::set_readonly(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        os::sync_dir(path)
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        os::read_exact_at(self, buffer, offset)
    }
}

/// Writes a small file whole and durably, under another name first: a crash leaves what was
/// there or what is there now, and never a part. Its directory is left to be synced.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8], private: bool) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    remove_if_there(disk, &fresh)?;
    let mut file = disk.create(&fresh, private)?;
    file.append(bytes)?;
    file.sync_all()?;
    disk.rename(&fresh, path)
}

pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
