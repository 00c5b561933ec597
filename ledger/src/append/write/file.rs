//! The file in use: begun, written to, read back, sealed.

use super::{Drafted, Writer};
use crate::append::{AppendError, stopped_by};
use crate::disk::{Disk, DiskFile};
use crate::log_file::LogFile;
use crate::tree::leaf_hash;
use std::fs::File;
use std::io;
use std::path::PathBuf;

pub(super) struct ActiveFile {
    first_seq: u64,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    pub len: u64,
}

impl ActiveFile {
    /// Goes on with the last file, unless it is sealed.
    pub fn reopen(last: &LogFile, disk: &dyn Disk) -> io::Result<Option<ActiveFile>> {
        // Asked by its mode: who may do anything would be let to write to a sealed file.
        if std::fs::metadata(&last.path)?.permissions().readonly() {
            return Ok(None);
        }
        Ok(Some(ActiveFile {
            first_seq: last.first_seq,
            path: last.path.to_path_buf(),
            file: disk.reopen(&last.path)?,
            len: last.end,
        }))
    }
}

impl Writer {
    /// Writes the lines and makes them durable. Gives where they begin and, for a new file,
    /// what readers need of it.
    pub(super) fn append(
        &mut self,
        base: u64,
        lines: &[u8],
    ) -> Result<(u64, Option<LogFile>), AppendError> {
        if let Some(active) = &mut self.file {
            active
                .file
                .append(lines)
                .map_err(|e| stopped_by("writing", &active.path, &e))?;
            self.shared
                .appending
                .at_disk(|| active.file.sync_data())
                .map_err(|e| stopped_by("syncing", &active.path, &e))?;
            let start = active.len;
            active.len += lines.len() as u64;
            return Ok((start, None));
        }
        // A file gets its name only when its first commit is durable in it, so every file in
        // the log begins with a whole entry.
        let (path, unnamed) = (
            self.shared.layout.log_file(base),
            self.shared.layout.log().join("new"),
        );
        let disk = &*self.disk;
        let create = || {
            let mut file = disk.create(&unnamed, false)?;
            file.append(lines)?;
            file.sync_all()?;
            if path.exists() {
                return Err(std::io::ErrorKind::AlreadyExists.into());
            }
            disk.rename(&unnamed, &path)?;
            disk.sync_dir(&self.shared.layout.log())?;
            Ok((file, File::open(&path)?))
        };
        let (file, reading) = create().map_err(|e| stopped_by("beginning", &path, &e))?;
        let begun = LogFile::begun(base, &path, reading);
        self.file = Some(ActiveFile {
            first_seq: base,
            path,
            file,
            len: lines.len() as u64,
        });
        Ok((0, Some(begun)))
    }

    /// Derives the leaf hashes again from what the file holds: one flipped bit in memory
    /// must not be signed for ever.
    pub(super) fn check_durable(
        &self,
        start: u64,
        lines: &[u8],
        drafted: &[Drafted],
        offsets: &[u64],
    ) -> Result<(), AppendError> {
        let active = self.file.as_ref().expect("just written");
        let mut bytes = vec![0; lines.len()];
        active
            .file
            .read_exact_at(&mut bytes, start)
            .map_err(|e| stopped_by("reading back", &active.path, &e))?;
        for (drafted, offset) in drafted.iter().zip(offsets) {
            let offset = *offset as usize;
            let body = &bytes[offset..offset + drafted.body.len()];
            if leaf_hash(body) != drafted.leaf {
                let fault = std::io::Error::other("the file does not hold what was written");
                return Err(stopped_by("reading back", &active.path, &fault));
            }
        }
        Ok(())
    }

    /// Ends the file in use before entry `next`: read-only from here on.
    pub fn seal(&mut self, next: u64) -> Result<(), AppendError> {
        let Some(active) = self.file.take() else {
            return Ok(());
        };
        let seal = || {
            active.file.sync_data()?;
            // A file system without such a right must not end the writing at every full file.
            if let Err(error) = self.disk.set_readonly(&active.path) {
                tracing::warn!(path = %active.path.display(), %error, "a full log file stays writable");
            }
            active.file.sync_all()
        };
        seal().map_err(|e| stopped_by("sealing", &active.path, &e))?;
        self.full = Some((active.first_seq, next));
        Ok(())
    }
}
