//! A real rsyslog on a port of this machine, owned by the test.

use super::{cannot_run, wait_for};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Debian's place, and wherever the path leads.
const PROGRAMS: &[&str] = &["/usr/sbin/rsyslogd", "rsyslogd"];

/// One message as rsyslog understood it, and as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub header: String,
    pub structured_data: String,
    /// Whether the message's text was JSON to rsyslog.
    pub json: bool,
    pub raw: String,
}

impl Received {
    /// A param of our structured data, un-escaped.
    pub fn param(&self, name: &str) -> String {
        let start = format!(" {name}=\"");
        let at = self.structured_data.find(&start).expect("param") + start.len();
        let rest = &self.structured_data[at..];
        rest[..rest.find('"').expect("end")].to_owned()
    }

    pub fn seq(&self) -> u64 {
        self.param("seq").parse().expect("a position")
    }
}

/// The TLS side of a receiver: which driver, and whom it lets in.
pub struct TlsSide<'a> {
    pub driver: &'a str,
    pub ca: &'a Path,
    pub certificate: &'a Path,
    pub key: &'a Path,
    /// A name or a fingerprint; `None` lets in everyone.
    pub permitted_peer: Option<&'a str>,
}

pub struct Rsyslog {
    dir: TempDir,
    pub port: u16,
    program: PathBuf,
    settings: String,
    input: String,
    ruleset: &'static str,
    /// Each start writes a file of its own: what was cut off by a kill stays apart.
    starts: u32,
    /// A whole configuration, instead of one made of the parts above.
    whole: Option<String>,
    /// It takes what processor time others leave.
    aside: bool,
    child: Option<Child>,
}

impl Rsyslog {
    /// `None`, with a line that says why, where there is no rsyslog; a failure under CI.
    pub fn start(tls: Option<TlsSide>) -> Option<Rsyslog> {
        let input = r#"input(type="imtcp" address="127.0.0.1""#;
        Rsyslog::listening(settings(tls), input)
    }

    /// The same over RELP; `more` are settings of its input.
    pub fn relp(tls: Option<TlsSide>, more: &str) -> Option<Rsyslog> {
        let secured = tls.map_or(String::new(), |tls| {
            format!(
                r#"tls="on" tls.caCert="{ca}" tls.myCert="{certificate}" tls.myPrivKey="{key}" tls.authMode="name" tls.permittedPeer=["{peer}"]"#,
                ca = tls.ca.display(),
                certificate = tls.certificate.display(),
                key = tls.key.display(),
                peer = tls.permitted_peer.unwrap_or("*"),
            )
        });
        let input = format!(r#"input(type="imrelp" address="127.0.0.1" {secured} {more}"#);
        let settings =
            "global(maxMessageSize=\"128k\" net.enableDNS=\"off\")\nmodule(load=\"imrelp\")\n";
        Rsyslog::listening(settings.to_owned(), &input)
    }

    /// With a configuration of its own, in which `{dir}` and `{port}` are filled in.
    pub fn configured(whole: &str) -> Option<Rsyslog> {
        Rsyslog::made(String::new(), "", Some(whole))
    }

    /// The same, as far from here as a machine of its own: it takes what processor time others leave,
    /// and writes to no disk that others write to.
    pub fn configured_aside(whole: &str) -> Option<Rsyslog> {
        let mut rsyslog = Rsyslog::configured(whole)?;
        rsyslog.kill();
        if let Ok(dir) = TempDir::new_in("/dev/shm") {
            rsyslog.dir = dir;
        }
        rsyslog.aside = true;
        rsyslog.start_again();
        Some(rsyslog)
    }

    fn listening(settings: String, input: &str) -> Option<Rsyslog> {
        Rsyslog::made(settings, input, None)
    }

    fn made(settings: String, input: &str, whole: Option<&str>) -> Option<Rsyslog> {
        let runs = |program: &&&str| Command::new(program).arg("-v").output().is_ok();
        let Some(program) = PROGRAMS.iter().find(runs) else {
            cannot_run(
                "rsyslog",
                "it is not there (packages rsyslog, rsyslog-relp, rsyslog-gnutls, rsyslog-openssl)",
            );
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut rsyslog = Rsyslog {
            dir: TempDir::new().unwrap(),
            port: free.local_addr().unwrap().port(),
            program: program.into(),
            settings,
            input: input.to_owned(),
            ruleset: "",
            starts: 0,
            whole: whole.map(str::to_owned),
            aside: false,
            child: None,
        };
        drop(free);
        rsyslog.start_again();
        Some(rsyslog)
    }

    pub fn start_again(&mut self) {
        self.starts += 1;
        let dir = self.dir.path();
        let mut config = self.settings.clone();
        write!(
            config,
            r#"
global(workDirectory="{dir}")
module(load="mmjsonparse")
template(name="seen" type="string" string="%pri% %timestamp:::date-rfc3339% %hostname% %app-name% %procid% %msgid%\t%structured-data%\t%parsesuccess%\t%rawmsg%\n")
ruleset(name="in"{ruleset}) {{
  action(type="mmjsonparse" cookie="")
  action(type="omfile" file="{dir}/seen.{starts}" template="seen")
  action(type="omfile" file="{dir}/stored" template="RSYSLOG_SyslogProtocol23Format")
}}
{input} port="{port}" ruleset="in")
"#,
            input = self.input,
            ruleset = self.ruleset,
            dir = dir.display(),
            starts = self.starts,
            port = self.port,
        )
        .unwrap();
        if let Some(whole) = &self.whole {
            config = whole
                .replace("{dir}", &dir.display().to_string())
                .replace("{port}", &self.port.to_string());
        }
        let file = dir.join("rsyslog.conf");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.join("rsyslog.log")).unwrap();
        let mut command = Command::new(&self.program);
        if self.aside {
            command = Command::new("chrt");
            command.args(["--idle", "0"]).arg(&self.program);
        }
        let child = command
            .arg("-n")
            .arg("-f")
            .arg(&file)
            .arg("-i")
            .arg(dir.join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_for("rsyslog to listen", || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().unwrap()
            {
                let log = std::fs::read_to_string(self.dir.path().join("rsyslog.log"));
                panic!("rsyslog ended with {status}: {}", log.unwrap_or_default());
            }
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// SIGKILL: whatever it held in memory is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// As many octets as it takes of a message. Starts anew.
    pub fn take_at_most(&mut self, octets: &str) {
        self.kill();
        self.settings = self.settings.replace("128k", octets);
        self.start_again();
    }

    /// Without a queue, and without a buffer before the file: an answer is given for what is
    /// written. Starts anew.
    pub fn answer_after_writing(&mut self) {
        self.kill();
        self.ruleset = r#" queue.type="direct""#;
        self.start_again();
    }

    /// SIGTERM, and the end that the receiver makes of it.
    pub fn terminate(&mut self) {
        self.signal("-TERM");
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// As `kill` names signals.
    pub fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let mut kill = Command::new("kill");
            let sent = kill.args([name, &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
        }
    }

    /// A file in the directory that it works in.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What an operator's file of this receiver holds, over all starts.
    pub fn stored(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join("stored")).unwrap()
    }

    /// The same, while it may not be there yet.
    pub fn stored_now(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join("stored")).unwrap_or_default()
    }

    /// Whole lines written so far, over all starts.
    pub fn count(&self) -> usize {
        self.files()
            .map(|text| text.bytes().filter(|b| *b == b'\n').count())
            .sum()
    }

    fn files(&self) -> impl Iterator<Item = String> {
        (1..=self.starts).map(|start| {
            let file = self.dir.path().join(format!("seen.{start}"));
            let bytes = std::fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// Everything that was received whole, in order.
    pub fn received(&self) -> Vec<Received> {
        let mut all = Vec::new();
        for text in self.files() {
            for line in text
                .split_inclusive('\n')
                .filter_map(|l| l.strip_suffix('\n'))
            {
                let mut parts = line.splitn(4, '\t').map(str::to_owned);
                let mut part = || parts.next().expect("four parts");
                all.push(Received {
                    header: part(),
                    structured_data: part(),
                    json: part() == "OK",
                    raw: part(),
                });
            }
        }
        all
    }

    /// Waits until positions up to `last` are all here, then gives each position's first
    /// message. Checks that these came in order and that later ones are the same bytes.
    pub fn all_up_to(&self, last: u64) -> BTreeMap<u64, Received> {
        let whole = last as usize + 1;
        wait_for("every position", || {
            if self.count() < whole {
                return None;
            }
            let mut seen = BTreeMap::new();
            for message in self.received() {
                let seq = message.seq();
                match seen.get(&seq) {
                    None => {
                        assert_eq!(seq, seen.len() as u64, "a position was passed over");
                        seen.insert(seq, message);
                    }
                    Some(first) => assert_eq!(first, &message, "a duplicate differs"),
                }
            }
            (seen.len() == whole).then_some(seen)
        })
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.kill();
    }
}

fn settings(tls: Option<TlsSide>) -> String {
    let common = r#"global(maxMessageSize="128k" net.enableDNS="off")"#;
    let Some(tls) = tls else {
        return format!("{common}\nmodule(load=\"imtcp\")\n");
    };
    let auth = match tls.permitted_peer {
        Some(peer) => {
            let by = if peer.starts_with("SHA1:") {
                "fingerprint"
            } else {
                "name"
            };
            format!(r#"streamDriver.authMode="x509/{by}" permittedPeer=["{peer}"]"#)
        }
        None => r#"streamDriver.authMode="anon""#.to_owned(),
    };
    format!(
        r#"{common}
global(defaultNetstreamDriver="{driver}" defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1" {auth})
"#,
        driver = tls.driver,
        ca = tls.ca.display(),
        certificate = tls.certificate.display(),
        key = tls.key.display(),
    )
}
