use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An `/etc` that only commands run in it see, in a mount namespace of their own: this machine's, and
/// in it a directory of managed settings. Nothing of it outlives the command.
pub struct Etc {
    dir: PathBuf,
    unshare: &'static [&'static str],
}

/// What is bound over `/etc` names what was there by where that is bound to first.
const ENTER: &str = r#"set -eu
mount --rbind /etc "$1/real"
mount --rbind "$1/etc" /etc
shift
exec "$@""#;

/// As root, and as a user who is root in a namespace of their own.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];

impl Etc {
    /// In a directory of the test's own; or why this host lets nobody have it.
    pub fn new(dir: &Path, managed: &Path) -> Result<Etc, String> {
        let (etc, real) = (dir.join("etc"), dir.join("real"));
        for dir in [&etc, &real] {
            std::fs::create_dir_all(dir).unwrap();
        }
        for item in std::fs::read_dir("/etc").unwrap().flatten() {
            let name = item.file_name();
            if name != "claude-code" {
                std::os::unix::fs::symlink(real.join(&name), etc.join(&name)).unwrap();
            }
        }
        std::os::unix::fs::symlink(managed, etc.join("claude-code")).unwrap();
        let mut why = String::new();
        for unshare in WAYS {
            let dir = dir.to_owned();
            let etc = Etc { dir, unshare };
            let mut look = etc.command(Path::new("ls"));
            look.arg("/etc/claude-code/managed-settings.d")
                .stdin(Stdio::null());
            match look.output() {
                Ok(seen) if seen.status.success() && !seen.stdout.is_empty() => return Ok(etc),
                Ok(seen) => why = String::from_utf8_lossy(&seen.stderr).into_owned(),
                Err(error) => why = format!("unshare: {error}"),
            }
        }
        let why = why.lines().next().unwrap_or_default();
        Err(format!("no mount namespace can be had: {why}"))
    }

    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(self.unshare).args(["sh", "-c", ENTER, "sh"]);
        command.arg(&self.dir).arg(program);
        command
    }
}
