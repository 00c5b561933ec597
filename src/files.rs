use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file whole and durably; nobody but its owner can read it if it is private.
pub fn replace(path: &Path, bytes: &[u8], private: bool) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private; // the directory's ACL decides
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&fresh, path)?;
    // Windows has no such call: NTFS journals names.
    #[cfg(unix)]
    {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Makes a file whole and durably; what is there already is never written over.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Takes the name, so that the replacement replaces nothing of anybody's.
    File::options().write(true).create_new(true).open(path)?;
    let made = replace(path, bytes, true);
    if made.is_err() {
        let _ = std::fs::remove_file(path);
    }
    made
}
