use crate::layout::Layout;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;

/// The right to write: held by one process, released by the system when it ends, however
/// it ends.
pub struct WriterLock {
    _file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("process {} holds {path}", pid.map_or("of unknown id".to_owned(), |p| p.to_string()))]
    Held { path: String, pid: Option<u32> },
    #[error("{path} cannot be locked")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

impl WriterLock {
    pub fn take(layout: &Layout) -> Result<WriterLock, LockError> {
        let path = layout.lock();
        let shown = path.display().to_string();
        let io = |source| LockError::Io {
            path: shown.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: shown,
                    pid: holder(layout),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // Beside the lock, not in it: on Windows nobody else can read a locked file.
        std::fs::write(layout.lock_pid(), std::process::id().to_string()).map_err(io)?;
        Ok(WriterLock { _file: file })
    }
}

/// The process that writes to this ledger, if one says so.
pub fn holder(layout: &Layout) -> Option<u32> {
    std::fs::read_to_string(layout.lock_pid())
        .ok()?
        .trim()
        .parse()
        .ok()
}
