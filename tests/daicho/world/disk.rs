use rustix::fs::statvfs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own, unmounted when dropped.
pub struct Disk {
    pub at: PathBuf,
    _dir: tempfile::TempDir,
}

impl Disk {
    /// `None` where this user may not mount.
    pub fn new(megabytes: u64) -> Option<Disk> {
        let dir = tempfile::TempDir::new().unwrap();
        let mounted = mount(dir.path(), &format!("size={megabytes}m"));
        let at = dir.path().to_owned();
        mounted.then_some(Disk { at, _dir: dir })
    }

    /// Leaves so much room and no more: the disk is full in a moment, without a byte of ballast.
    pub fn leave(&self, bytes: u64) {
        let all = statvfs(&self.at).unwrap();
        let used = (all.f_blocks - all.f_bfree) * all.f_frsize;
        // What is written meanwhile may not fit any more: then it is as full as it can be.
        let _ = mount(&self.at, &format!("remount,size={}", used + bytes));
    }

    pub fn grow(&self, megabytes: u64) {
        assert!(mount(&self.at, &format!("remount,size={megabytes}m")));
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
    mount.output().is_ok_and(|tried| tried.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that a failed test leaves behind still holds it for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
