//! Senders with a certificate: openssl, rsyslog.

use super::{NAME, contents, ingested, is_sealed, lines, listening, recorded};
use crate::world::{Ledger, cannot_run, has, wait_for};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

struct Pki {
    dir: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new(dir: &Path) -> Pki {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("ca.pem"), issuer.pem()).unwrap();
        Pki {
            dir: dir.to_owned(),
            issuer,
        }
    }

    fn issue(&self, name: &str) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.at(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.at(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn at(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }
}

/// A source over TLS that wants certificates of its senders.
fn over_tls() -> (Ledger, u16, Pki) {
    let place = tempfile::TempDir::new().unwrap().keep();
    let pki = Pki::new(&place);
    for name in ["localhost", "sender"] {
        pki.issue(name);
    }
    let more = format!(
        "certificate_file = '{}'\nkey_file = '{}'\nclient_ca_file = '{}'",
        pki.at("localhost.pem"),
        pki.at("localhost.key"),
        pki.at("ca.pem")
    );
    let (ledger, port) = listening("network", &more);
    (ledger, port, pki)
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn over_tls_openssl_is_heard_with_a_certificate_and_not_without() {
    if !has("openssl", "version") {
        return cannot_run("ingest", "there is no openssl");
    }
    let (ledger, port, pki) = over_tls();
    let server = ledger.serve();
    let to = format!("127.0.0.1:{port}");
    let (certificate, key, authority) =
        (pki.at("sender.pem"), pki.at("sender.key"), pki.at("ca.pem"));
    let client = |own: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error"]);
        command.args([
            "-connect",
            &to,
            "-servername",
            "localhost",
            "-CAfile",
            &authority,
        ]);
        command.args(own);
        command
    };
    let line = |n: u32| format!("<34>1 2026-11-30T00:00:0{n}Z vpn01 ike - - - up {n}\n");
    crate::world::run(client(&[]), line(1).as_bytes());
    for version in ["-tls1_2", "-tls1_3"] {
        let own = ["-cert", &certificate, "-key", &key, version];
        crate::world::run(client(&own), line(2).as_bytes());
    }
    // Who speaks no TLS, and who does not end what it begins.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(line(3).as_bytes()).unwrap();
    let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    wait_for("two lines", || recorded(&server) == 2);
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_eq!(server.stop(), 0);
    drop(silent);
    assert_eq!(contents(&ledger), line(2).repeat(2).into_bytes());
}

/// A real rsyslog that reads a file and forwards it. Killed when dropped.
struct Rsyslog {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Rsyslog {
    fn forwarding(file: &Path, action: &str) -> Option<Rsyslog> {
        let program = ["/usr/sbin/rsyslogd", "rsyslogd"];
        let program = program.into_iter().find(|program| has(program, "-v"))?;
        let dir = tempfile::TempDir::new().unwrap();
        let config = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\")\nmodule(load=\"imfile\")\n\
             input(type=\"imfile\" File=\"{file}\" Tag=\"fw\" ruleset=\"out\")\n\
             ruleset(name=\"out\") {{ {action} }}\n",
            dir = dir.path().display(),
            file = file.display(),
        );
        let path = dir.path().join("rsyslog.conf");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(program);
        command
            .arg("-n")
            .arg("-f")
            .arg(&path)
            .arg("-i")
            .arg(dir.path().join("pid"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Some(Rsyslog {
            child: command.spawn().unwrap(),
            _dir: dir,
        })
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rsyslog_forwards_a_file_over_tls_by_octet_count_and_over_tcp_by_line() {
    const LINES: usize = 20_000;
    let (over_tls, tls_port, pki) = over_tls();
    let (over_tcp, tcp_port) = listening("network", "");
    let text: String = (0..LINES)
        .map(|n| {
            format!(
                "{n:06} deny tcp 10.0.0.{} -> 192.0.2.1:443 {NAME}\n",
                n % 256
            )
        })
        .collect();
    let file = over_tls.beside("firewall.log");
    std::fs::write(&file, &text).unwrap();
    let forward = format!(
        "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{tls_port}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" \
         template=\"RSYSLOG_SyslogProtocol23Format\" StreamDriver=\"ossl\" StreamDriverMode=\"1\" \
         StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"localhost\" \
         StreamDriver.CAFile=\"{ca}\" StreamDriver.CertFile=\"{certificate}\" StreamDriver.KeyFile=\"{key}\")\n\
         action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{tcp_port}\" protocol=\"tcp\" template=\"RSYSLOG_TraditionalForwardFormat\")",
        ca = pki.at("ca.pem"),
        certificate = pki.at("sender.pem"),
        key = pki.at("sender.key"),
    );
    let servers = [over_tls.serve(), over_tcp.serve()];
    let Some(rsyslog) = Rsyslog::forwarding(&file, &forward) else {
        return cannot_run(
            "ingest",
            "there is no rsyslogd (packages rsyslog, rsyslog-openssl)",
        );
    };
    for server in servers {
        wait_for("every line", || recorded(&server) == LINES as u64);
        assert_eq!(server.stop(), 0);
    }
    drop(rsyslog);
    for (ledger, form) in [(&over_tls, "rfc5424"), (&over_tcp, "rfc3164")] {
        let came = lines(ledger);
        assert_eq!(came.len(), LINES);
        for (line, sent) in came.iter().zip(text.lines()) {
            assert!(
                line.trim_ascii_end().ends_with(sent.as_bytes()),
                "{}",
                String::from_utf8_lossy(line)
            );
        }
        let all = ingested(ledger);
        assert!(all.iter().all(|(data, _)| data["forms"][0]["form"] == form));
        // Batches: many lines to an entry.
        assert!(all.len() < LINES / 100, "{} entries", all.len());
        is_sealed(ledger, &[NAME]);
        ledger.verify();
    }
}
