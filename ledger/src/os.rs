//! What the two operating systems do differently, each with its counterpart beside it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Reads exactly `buffer.len()` bytes at `offset`, without moving a shared position.
#[cfg(unix)]
pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a new name in a directory durable. Windows has no such call: NTFS journals names.
#[cfg(unix)]
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(windows)]
pub fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Takes away the right to write, which is the last thing done to a file of the record.
pub fn set_readonly(path: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(path, permissions)
}

/// Removes a file, read-only or immutable or neither.
#[cfg(unix)]
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Where the flag is not the reason, or cannot be lifted, the first error is the one to tell.
            set_immutable(path, false).map_err(|_| error)?;
            std::fs::remove_file(path)
        }
        removed => removed,
    }
}

#[cfg(windows)]
pub fn remove(path: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    permissions.set_readonly(false);
    std::fs::set_permissions(path, permissions)?;
    std::fs::remove_file(path)
}

/// Has a file the flag that `chattr +i` sets? Nobody writes to it then or removes it, root too, before
/// the flag is lifted. A file system that knows no flags has none set.
#[cfg(target_os = "linux")]
pub fn is_immutable(path: &Path) -> io::Result<bool> {
    use rustix::fs::{IFlags, ioctl_getflags};
    use rustix::io::Errno;
    match ioctl_getflags(&File::open(path)?) {
        Ok(flags) => Ok(flags.contains(IFlags::IMMUTABLE)),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Elsewhere no flag is known that refuses the administrator too.
#[cfg(not(target_os = "linux"))]
pub fn is_immutable(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| false)
}

/// Sets that flag or lifts it, durably: as root, with CAP_LINUX_IMMUTABLE, on a file system that knows it.
#[cfg(target_os = "linux")]
pub fn set_immutable(path: &Path, immutable: bool) -> io::Result<()> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let file = File::open(path)?;
    let mut flags = ioctl_getflags(&file)?;
    if flags.contains(IFlags::IMMUTABLE) == immutable {
        return Ok(());
    }
    flags.set(IFlags::IMMUTABLE, immutable);
    ioctl_setflags(&file, flags)?;
    file.sync_all()
}

#[cfg(not(target_os = "linux"))]
pub fn set_immutable(_path: &Path, _immutable: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A new file will be one that only its owner can read. On Windows the directory's ACL decides.
pub fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(windows)]
    let _ = options;
}

/// A directory that only its owner can enter, with its parents.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
