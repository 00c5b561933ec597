//! A real syslog-ng beside a real rsyslog, owned by the test.

use super::{cannot_run, wait_for};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Where tests/install-syslog-ng unpacks it, seen from this crate or from the workspace.
fn unpacked() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of = |base: &Path| base.join("tests/.tools/syslog-ng");
    match of(here).exists() {
        true => of(here),
        false => of(&here.join("..")),
    }
}

pub struct SyslogNg {
    dir: TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl SyslogNg {
    /// With this configuration, in which `{dir}` and `{port}` are filled in. `None`, with a line that
    /// says why, where there is no syslog-ng; a failure under CI.
    pub fn start(configuration: &str) -> Option<SyslogNg> {
        let root = unpacked();
        if !root.join("usr/sbin/syslog-ng").exists() {
            cannot_run("syslog-ng", "it is not there (tests/install-syslog-ng)");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let dir = TempDir::new().unwrap();
        let filled = configuration
            .replace("{dir}", &dir.path().display().to_string())
            .replace("{port}", &port.to_string());
        std::fs::write(dir.path().join("conf"), filled).unwrap();
        let mut receiver = SyslogNg {
            dir,
            port,
            child: None,
        };
        receiver.start_again();
        Some(receiver)
    }

    pub fn start_again(&mut self) {
        let (root, dir) = (unpacked(), self.dir.path());
        let lib = |path: &str| root.join(path).display().to_string();
        let libraries = [
            lib("usr/lib/syslog-ng"),
            lib("usr/lib/x86_64-linux-gnu"),
            lib("lib/x86_64-linux-gnu"),
        ];
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new(root.join("usr/sbin/syslog-ng"))
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .args(["--foreground", "--no-caps", "--stderr"])
            .arg(format!("--module-path={}", lib("usr/lib/syslog-ng/3.38")))
            .arg("--cfgfile")
            .arg(dir.join("conf"))
            .arg("--persist-file")
            .arg(dir.join("persist"))
            .arg("--pidfile")
            .arg(dir.join("pid"))
            .arg("--control")
            .arg(dir.join("ctl"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_for("syslog-ng to listen", || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().unwrap()
            {
                let log = std::fs::read_to_string(self.dir.path().join("log"));
                panic!("syslog-ng ended with {status}: {}", log.unwrap_or_default());
            }
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM, and the end that the receiver makes of it.
    pub fn terminate(&mut self) {
        if let Some(mut child) = self.child.take() {
            let ended = Command::new("kill").arg(child.id().to_string()).status();
            assert!(ended.unwrap().success());
            child.wait().unwrap();
        }
    }

    /// What its file holds.
    pub fn stored(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join("stored")).unwrap_or_default()
    }
}

impl Drop for SyslogNg {
    fn drop(&mut self) {
        self.kill();
    }
}
