//! Other systems' logs: senders that others wrote, git itself, files. Each line is sealed once, as
//! it came, and the entry says nothing that is anybody's.

use crate::world::{Ledger, Ran, Server, cannot_run, daicho, has, wait_for, walk};
use agents::ingest::messages;
use ledger::Reader;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const NAME: &str = "桐島聡一郎";
const USER: &str = "kirishima.soichiro";

/// A ledger with one source more, and the port where it listens.
fn listening(class: &str, more: &str) -> (Ledger, u16) {
    let ledger = Ledger::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    ledger.configure(|text| {
        format!(
            "{text}\n[[ingest]]\nsource = 'fw'\nclass = '{class}'\nlisten = '127.0.0.1:{port}'\n\
             utc_offset = '+09:00'\n{more}\n"
        )
    });
    (ledger, port)
}

/// What was taken in, in order: of each entry its data, and its content.
fn ingested(ledger: &Ledger) -> Vec<(Value, Vec<u8>)> {
    let reader = Reader::open(&ledger.dir).unwrap();
    let entries = ledger.events("log.ingested");
    entries
        .into_iter()
        .map(|entry| {
            let seq = entry["seq"].as_u64().unwrap();
            let content = reader.entry(seq).unwrap().content()[0].clone();
            assert_eq!(content.name.as_str(), "lines");
            (entry["data"].clone(), reader.content(&content).unwrap())
        })
        .collect()
}

fn lines(ledger: &Ledger) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (data, content) in ingested(ledger) {
        let messages = messages(&content).unwrap();
        assert_eq!(data["lines"], messages.len());
        all.extend(messages.iter().map(|message| message.to_vec()));
    }
    all
}

fn contents(ledger: &Ledger) -> Vec<u8> {
    ingested(ledger)
        .into_iter()
        .flat_map(|(_, content)| content)
        .collect()
}

/// Lines that are recorded, as operators see it.
fn recorded(server: &Server) -> u64 {
    metric(server, "daicho_ingest_lines")
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = server.text("/metrics");
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{source=\"fw\"}} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Nothing of it stands anywhere outside sealed content.
fn is_sealed(ledger: &Ledger, words: &[&str]) {
    for path in walk(&ledger.dir) {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for word in words {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
    }
}

fn logger(port: u16, args: &[&str], text: &str) {
    let mut command = Command::new("logger");
    command.args([
        "--tcp",
        "--server",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "-t",
        "vpn",
    ]);
    let status = command.args(args).arg(text).status().unwrap();
    assert!(status.success());
}

#[test]
fn what_logger_sends_in_each_form_is_sealed_as_it_came() {
    if !has("logger", "--version") {
        return cannot_run("ingest", "there is no logger(1) (package bsdutils)");
    }
    let (ledger, port) = listening("network", "");
    let server = ledger.serve();
    let text = |n: u32| format!("login {n} of {USER} ({NAME}) from 203.0.113.7");
    logger(port, &["--rfc5424=notq,nohost"], &text(1));
    logger(port, &["--rfc3164"], &text(2));
    logger(port, &["--rfc5424", "--octet-count"], &text(3));
    wait_for("three lines", || recorded(&server) == 3);
    assert_eq!(metric(&server, "daicho_ingest_waits"), 0);
    assert_eq!(server.stop(), 0);

    let lines = lines(&ledger);
    // Three connections, and nobody says which is heard first.
    for n in 1..=3 {
        let mut of = lines.iter().map(|line| String::from_utf8_lossy(line));
        assert!(
            of.any(|line| line.starts_with('<') && line.ends_with(&text(n))),
            "{n}"
        );
    }
    let mut forms = BTreeMap::new();
    for (data, _) in ingested(&ledger) {
        assert!(
            data["first"].is_string() && data["source"] == "fw",
            "{data}"
        );
        for form in data["forms"].as_array().unwrap() {
            let sum = forms
                .entry(form["form"].as_str().unwrap().to_owned())
                .or_insert(0);
            *sum += form["lines"].as_u64().unwrap();
        }
    }
    let expected = [("rfc3164".to_owned(), 1), ("rfc5424".to_owned(), 2)];
    assert_eq!(forms, BTreeMap::from(expected));
    let entry = &ledger.events("log.ingested")[0];
    assert_eq!(
        (&entry["class"], &entry["actor"]),
        (&json!("network"), &json!("service:ingest"))
    );
    is_sealed(&ledger, &[NAME, USER, "203.0.113.7"]);
    ledger.verify();
}

#[test]
fn bytes_of_any_kind_are_kept_and_a_stop_records_what_has_come() {
    let (ledger, port) = listening("auth", "");
    let server = ledger.serve();
    let mut one = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let endless = vec![b'x'; 300 << 10];
    let stream = [
        b"8 <1>a\nb\n <13>Nov 30 09:00:00 pc \xff\xfe\0\r\n\n".as_slice(),
        &endless,
    ]
    .concat();
    one.write_all(&stream).unwrap();
    // Each is one entry at least: the other connections do not wait for this one.
    let mut two = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let xml = "<Event xmlns='x'><System><TimeCreated SystemTime='2026-11-30T00:00:00Z'/>\
               <Channel>Security</Channel><Computer>pc-kirishima</Computer></System></Event>";
    let json =
        r#"{"EventTime":"2026-11-30 09:00:01","Hostname":"dc01","Channel":"桐島","EventID":4624}"#;
    writeln!(two, "{xml}\n{json}").unwrap();
    drop(two);
    let idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half.write_all(b"<13>half a line").unwrap();
    wait_for("all connections", || {
        metric(&server, "daicho_ingest_connections") == 3
    });
    wait_for("whole lines and pieces", || recorded(&server) == 7);
    // Sent and gone, perhaps before anybody has looked who is there.
    let mut late = TcpStream::connect(("127.0.0.1", port)).unwrap();
    late.write_all(b"<13>the last\n").unwrap();
    drop(late);
    assert_eq!(server.stop(), 0);
    drop((one, idle, half));

    let lines = lines(&ledger);
    let of = |wanted: &[u8]| lines.iter().filter(|line| *line == wanted).count();
    assert_eq!(of(b"<13>Nov 30 09:00:00 pc \xff\xfe\0\r"), 1);
    assert_eq!(
        (of(b""), of(b"<1>a\nb\n "), of(b"<13>half a line")),
        (1, 1, 1)
    );
    assert_eq!((of(xml.as_bytes()), of(json.as_bytes())), (1, 1));
    let pieces: Vec<u8> = lines
        .iter()
        .filter(|line| line.starts_with(b"xx"))
        .flatten()
        .copied()
        .collect();
    assert_eq!(pieces, endless);
    let all = ingested(&ledger);
    let sum = |field: &str| {
        all.iter()
            .filter_map(|(data, _)| data[field].as_u64())
            .sum::<u64>()
    };
    assert_eq!((sum("lines"), sum("pieces")), (10, 4));
    assert_eq!(of(b"<13>the last"), 1);
    let channels: Vec<&Value> = all
        .iter()
        .filter_map(|(data, _)| data.get("channels"))
        .collect();
    assert_eq!(channels, [&json!(["Security"])]);
    is_sealed(&ledger, &["桐島", "pc-kirishima"]);
    ledger.verify();
}

/// The key of the bucket is gone: nothing can be recorded, so nothing more is read, and whoever
/// sends has to wait. With the key everything goes on, and no line is missing.
#[test]
fn a_ledger_that_cannot_record_makes_senders_wait_and_loses_nothing() {
    const LINES: usize = 200_000;
    let (ledger, port) = listening("network", "");
    let server = ledger.serve();
    let mut first = TcpStream::connect(("127.0.0.1", port)).unwrap();
    writeln!(first, "<13>the first").unwrap();
    wait_for("the first line", || recorded(&server) == 1);
    drop(first);
    assert_eq!(server.stop(), 0);
    let key = walk(&ledger.dir.join("keys/content/network")).remove(0);
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();

    let server = ledger.serve();
    let sending = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        for n in 0..LINES {
            writeln!(
                stream,
                "<13>1 2026-11-30T00:00:00Z fw filter - - - {n:06} {}",
                "x".repeat(200)
            )
            .unwrap();
        }
    });
    wait_for("the ledger waits", || {
        metric(&server, "daicho_ingest_waits") == 1
    });
    assert_eq!((recorded(&server), key.exists()), (0, false));
    assert!(!sending.is_finished(), "50 MB have gone into some buffer");
    std::fs::write(&key, kept).unwrap();
    sending.join().unwrap();
    wait_for("all lines", || recorded(&server) == LINES as u64);
    assert_eq!(server.stop(), 0);
    let lines = lines(&ledger);
    assert_eq!(lines.len(), LINES + 1);
    for (n, line) in lines[1..].iter().enumerate() {
        assert!(line.starts_with(
            format!("<13>1 2026-11-30T00:00:00Z fw filter - - - {n:06} x").as_bytes()
        ));
    }
    ledger.verify();
}

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

fn git(repo: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(repo).args(args);
    for (name, value) in [
        ("GIT_AUTHOR_NAME", NAME),
        ("GIT_AUTHOR_EMAIL", "kirishima.soichiro@example.com"),
        ("GIT_COMMITTER_NAME", NAME),
        ("GIT_COMMITTER_EMAIL", "kirishima.soichiro@example.com"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ] {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn commit(repo: &Path, message: &str) -> String {
    git(repo, &["commit", "-q", "--allow-empty", "-m", message]);
    git(repo, &["rev-parse", "HEAD"])
}

#[track_caller]
fn told(ran: Ran) -> Value {
    serde_json::from_str(&ran.ok()).unwrap()
}

/// The commits in the ledger, in order, each held against its id by git itself.
fn commits(ledger: &Ledger, repo: &Path) -> Vec<String> {
    let content = contents(ledger);
    let (mut rest, mut ids) = (&content[..], Vec::new());
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let head = std::str::from_utf8(&rest[..end]).unwrap().to_owned();
        let words: Vec<&str> = head.split(' ').collect();
        assert_eq!(words[1], "commit");
        let len: usize = words[2].parse().unwrap();
        let body = &rest[end + 1..end + 1 + len];
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(repo)
            .args(["hash-object", "-t", "commit", "--stdin"]);
        assert_eq!(crate::world::run(command, body).ok().trim(), words[0]);
        ids.push(words[0].to_owned());
        rest = &rest[end + 2 + len..];
    }
    ids
}

#[test]
fn a_repository_s_history_is_taken_in_once_whatever_happens_to_it() {
    let ledger = Ledger::new();
    let repo = ledger.beside("shop");
    std::fs::create_dir(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main"]);
    let repo_arg = repo.display().to_string();
    let ingest = |more: &[&str]| {
        let args = ["--json", "ingest", "git", "--repo", &repo_arg];
        ledger.run(&[&args[..], more].concat())
    };
    ingest(&[]).refused(&["git has failed", "HEAD"]);
    let mut expected: Vec<String> = (0..3)
        .map(|n| commit(&repo, &format!("変更 {n}")))
        .collect();
    git(&repo, &["checkout", "-q", "-b", "side"]);
    let side = commit(&repo, "side");
    git(&repo, &["checkout", "-q", "main"]);
    let first = told(ingest(&[]));
    assert_eq!((&first["commits"], &first["known"]), (&json!(3), &json!(0)));
    assert_eq!(commits(&ledger, &repo), expected);

    let entries = ledger.verify()["entries"].clone();
    let again = told(ingest(&[]));
    assert_eq!((&again["commits"], &again["known"]), (&json!(0), &json!(3)));
    assert_eq!(ledger.verify()["entries"], entries);

    // A merge brings what was beside; with --all also what nobody has merged. Beside a server too.
    let server = ledger.serve();
    git(&repo, &["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    expected.extend([side, git(&repo, &["rev-parse", "HEAD"])]);
    assert_eq!(told(ingest(&[]))["commits"], 2);
    git(&repo, &["checkout", "-q", "-b", "open"]);
    let open = commit(&repo, "open");
    git(&repo, &["checkout", "-q", "main"]);
    assert_eq!(told(ingest(&[]))["commits"], 0);
    assert_eq!(told(ingest(&["--all"]))["commits"], 1);
    expected.push(open);
    assert_eq!(server.stop(), 0);
    assert_eq!(commits(&ledger, &repo), expected);

    // Rewritten and forgotten: what was there stays here, and what is new comes in.
    git(&repo, &["branch", "-q", "-D", "open"]);
    git(
        &repo,
        &[
            "commit",
            "-q",
            "--amend",
            "--allow-empty",
            "-m",
            "rewritten",
        ],
    );
    git(&repo, &["reflog", "expire", "--expire=now", "--all"]);
    git(&repo, &["gc", "-q", "--prune=now"]);
    // What is not here is not asked for elsewhere: the repository would name the program.
    let ran = ledger.beside("ran");
    let uploadpack = format!("touch '{}'; git-upload-pack", ran.display());
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", repo_arg.as_str()),
        ("remote.origin.uploadpack", &uploadpack),
        ("protocol.file.allow", "always"),
    ] {
        git(&repo, &["config", key, value]);
    }
    let rewritten = told(ingest(&[]));
    assert!(!ran.exists());
    assert!(
        rewritten["notes"][0]
            .as_str()
            .unwrap()
            .contains("rewritten"),
        "{rewritten}"
    );
    assert_eq!(told(ingest(&[]))["commits"], 0);
    let kept = contents(&ledger);
    for id in &expected {
        let there = kept
            .windows(40)
            .filter(|window| *window == id.as_bytes())
            .count();
        assert!(there >= 1, "{id}");
    }

    let entry = &ledger.events("log.ingested")[0];
    assert_eq!(
        (&entry["class"], &entry["data"]["hosts"]),
        (&json!("change"), &json!(1))
    );
    assert_eq!(
        entry["data"]["forms"],
        json!([{ "form": "commit", "lines": 3 }])
    );
    assert!(entry["data"]["first"].is_string());
    is_sealed(&ledger, &[NAME, USER, "変更"]);
    ledger.verify();
}

#[test]
fn a_repository_hides_no_commit_behind_a_graft() {
    let ledger = Ledger::new();
    let repo = ledger.beside("shop");
    std::fs::create_dir(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main"]);
    let all: Vec<String> = (0..3)
        .map(|n| commit(&repo, &format!("変更 {n}")))
        .collect();
    std::fs::write(repo.join(".git/info/grafts"), format!("{}\n", all[1])).unwrap();
    assert_eq!(git(&repo, &["rev-list", "HEAD"]).lines().count(), 2);
    let repo_arg = repo.display().to_string();
    let ingested = told(ledger.run(&["--json", "ingest", "git", "--repo", &repo_arg]));
    assert_eq!(ingested["commits"], 3);
    assert_eq!(commits(&ledger, &repo), all);
}

#[test]
fn a_file_is_taken_in_once_where_it_was_left_and_byte_for_byte() {
    let ledger = Ledger::new();
    ledger.configure(|text| format!("{text}\n[[ingest]]\nsource = 'proxy'\nclass = 'network'\n"));
    let path = ledger.beside("proxy.log");
    let ingest = |path: &Path| {
        let path = path.display().to_string();
        ledger.run(&["--json", "ingest", "file", "--source", "proxy", &path])
    };
    let line = |n: usize| {
        format!(
            "2026-11-30T00:00:{:02}Z {n} {USER} \u{e000}{}\n",
            n % 60,
            "y".repeat(n % 300)
        )
    };
    let mut bytes: Vec<u8> = (0..20_000).map(line).collect::<String>().into_bytes();
    bytes.extend_from_slice(b"\xff\xfe no end");
    std::fs::write(&path, &bytes).unwrap();
    let first = told(ingest(&path));
    assert_eq!(
        (&first["lines"], &first["bytes"]),
        (&json!(20_001), &json!(bytes.len()))
    );
    assert!(first["entries"].as_u64().unwrap() > 2, "{first}");
    assert!(contents(&ledger) == bytes, "byte for byte");
    let state = ledger.state();
    assert_eq!(told(ingest(&path))["known"], bytes.len());
    assert_eq!(ledger.state(), state);

    // It has grown, under another name, beside a server.
    let server = ledger.serve();
    let more = b" here\n2026-11-30 more\n";
    bytes.extend_from_slice(more);
    let renamed = ledger.beside("proxy.log.1");
    std::fs::write(&renamed, &bytes).unwrap();
    assert_eq!(told(ingest(&renamed))["bytes"], more.len());
    assert!(contents(&ledger) == bytes);
    assert_eq!(server.stop(), 0);
    // Begun anew under the old one.
    std::fs::write(&path, b"another\n").unwrap();
    let anew = told(ingest(&path));
    assert_eq!((&anew["bytes"], &anew["known"]), (&json!(8), &json!(0)));
    bytes.extend_from_slice(b"another\n");
    assert!(contents(&ledger) == bytes);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(told(ingest(&path))["entries"], 0);
    is_sealed(&ledger, &[USER]);
    ledger.verify();
}

/// The log alone says how far a file has come, so neither a kill nor a second run beside the first
/// leaves a byte out or takes one in twice.
#[test]
fn a_run_that_is_killed_or_not_alone_leaves_nothing_out_and_doubles_nothing() {
    let ledger = Ledger::new();
    ledger.configure(|text| format!("{text}\n[[ingest]]\nsource = 'proxy'\nclass = 'network'\n"));
    let path = ledger.beside("proxy.log");
    let line = |n: usize| format!("2026-11-30T00:00:00Z {n} {}\n", "z".repeat(n % 400));
    let bytes: Vec<u8> = (0..40_000).map(line).collect::<String>().into_bytes();
    std::fs::write(&path, &bytes).unwrap();
    let server = ledger.serve();
    let start = || {
        let mut command = daicho(&ledger.dir);
        command
            .args(["ingest", "file", "--source", "proxy"])
            .arg(&path);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let entries = || ledger.events("log.ingested").len();
    for least in [1, 3] {
        let mut run = start();
        wait_for("some entries", || {
            entries() >= least || run.try_wait().unwrap().is_some()
        });
        let _ = run.kill();
        run.wait().unwrap();
    }
    let mut both = [start(), start()];
    for run in &mut both {
        assert!(run.wait().unwrap().success());
    }
    assert!(contents(&ledger) == bytes, "every byte, once, in its place");
    assert!(entries() > 5);
    assert_eq!(server.stop(), 0);
    ledger.verify();
}

#[test]
fn usage_exports_go_into_api_and_what_nobody_can_place_is_refused() {
    let ledger = Ledger::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = ledger.beside(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let csv = write(
        "usage.csv",
        b"\xef\xbb\xbfusage_date_utc,model,api_key,tokens\n2026-11-29,claude-x,k1,1200\n",
    );
    let json_ = write(
        "usage.json",
        b"{\"data\":[{\"start_time\":\"2026-11-29T00:00:00Z\"}]}",
    );
    let binary = write("usage.xlsx", b"PK\x03\x04\0\0\0\0");
    let ran = ledger.run(&["--json", "ingest", "usage", &csv, &json_]);
    assert_eq!(ran.ok().lines().count(), 2);
    let entries = ledger.events("log.ingested");
    assert!(entries.iter().all(|entry| entry["class"] == "api"));
    assert_eq!(entries[0]["data"]["first"], "2026-11-29T00:00:00.000000Z");
    assert_eq!(
        entries[1]["data"]["forms"],
        json!([{ "form": "json", "lines": 1 }])
    );

    let before = ledger.state();
    ledger
        .run(&["ingest", "usage", &binary])
        .refused(&["usage.xlsx is neither CSV nor JSON"]);
    ledger
        .run(&["ingest", "usage", "/nowhere/u.csv"])
        .refused(&["/nowhere/u.csv"]);
    ledger
        .run(&["ingest", "file", "--source", "proxy", &csv])
        .refused(&["no [[ingest]] of source proxy"]);
    ledger
        .run(&["ingest", "git", "--repo", "/nowhere"])
        .refused(&["git has failed"]);
    assert_eq!(ledger.state(), before);

    // A port that is in use, and half a table, stop the start before anything is written.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = '{}'", taken.local_addr().unwrap());
    for (more, part) in [
        (listen.as_str(), "cannot be listened on"),
        (
            "listen = '127.0.0.1:0'\ncertificate_file = '/nowhere/c'\nkey_file = '/nowhere/k'",
            "/nowhere/k",
        ),
        ("key_file = '/nowhere/k'", "go together"),
    ] {
        ledger.configure(|text| {
            format!("{text}\n[[ingest]]\nsource = 'fw'\nclass = 'network'\n{more}\n")
        });
        let before = ledger.state();
        ledger
            .run(&["serve", "--listen", "127.0.0.1:0"])
            .refused(&[part]);
        assert_eq!(ledger.state(), before);
        ledger.configure(|text| {
            text.split("\n[[ingest]]\nsource = 'fw'")
                .next()
                .unwrap()
                .to_owned()
        });
    }
}
