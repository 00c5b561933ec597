//! Reports that nobody asks for: on the first working day of Japan, once, whatever died meanwhile.

use super::verify;
use crate::bad_input::places::faketime;
use crate::timestamp::tsa::{Door, HONEST, Tsa};
use crate::world::{
    Ledger, Server, cannot_run, daicho, drill, has, overwrite, receiver, run, wait_for, walk,
    with_content,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Hosts whose clock says something else.
struct Hosts {
    library: PathBuf,
    ledger: Ledger,
}

impl Hosts {
    fn since(time: &str) -> Option<Hosts> {
        let hosts = Hosts {
            library: faketime()?,
            ledger: Ledger::none(),
        };
        let mut command = hosts.at(time);
        command.args(["init", "--origin", "example.com/daicho"]);
        run(command, b"").ok();
        let mut command = hosts.at(time);
        command.arg("append");
        run(command, drill("restore").to_string().as_bytes()).ok();
        Some(hosts)
    }

    fn at(&self, time: &str) -> Command {
        let mut command = daicho(&self.ledger.dir);
        command.env("LD_PRELOAD", &self.library).env("TZ", "UTC");
        command.env("FAKETIME", format!("@{time}"));
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    fn serve(&self, time: &str) -> Server {
        Server::start(&self.ledger.dir, self.at(time))
    }

    fn configure(&self, more: &str) {
        let text = format!(
            "[report]\norganisation = '株式会社サンプル商事'\nutc_offset = '+09:00'\n\
             [report.schedule]\nlanguages = ['ja', 'en']\n{more}\n"
        );
        std::fs::write(self.ledger.dir.join("daicho.toml"), text).unwrap();
    }

    fn entries(&self, kind: &str) -> Vec<Value> {
        let listed = ["--json", "events", "--kind", kind];
        self.ledger.run(&listed).lines()
    }

    fn names(&self) -> Vec<String> {
        let files = walk(&self.ledger.dir.join("reports"));
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(name).collect()
    }
}

/// One bit of what is sealed: the log can be started, and does not verify.
fn bend_a_pack(ledger: &Ledger) {
    let pack = ledger.packs().remove(0);
    let mut bytes = std::fs::read(&pack).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    overwrite(&pack, &bytes);
}

/// What is not sound is issued, says so, and is told to whoever is told anything.
#[test]
fn a_report_of_a_log_that_is_not_sound_says_so_to_everybody() {
    let Some(hosts) = Hosts::since("2026-10-05 12:00:00") else {
        return cannot_run("schedule", "no libfaketime (package faketime)");
    };
    let kept = hosts.ledger.beside("posted");
    let Some((mut taking, port)) = receiver(&kept, 204) else {
        return cannot_run("schedule", "python3 is not there");
    };
    hosts.configure(&format!(
        "formats = ['json']\nwebhook = 'http://127.0.0.1:{port}/'"
    ));
    let mut command = hosts.at("2026-10-06 12:00:00");
    command.arg("append");
    let event = with_content(drill("restore"), "本文");
    run(command, event.to_string().as_bytes()).ok();
    bend_a_pack(&hosts.ledger);
    let doctor = |time: &str| {
        let mut command = hosts.at(time);
        command.args(["--json", "doctor"]);
        let told = run(command, b"").out;
        let lines = told.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut lines: Vec<Value> = lines.collect();
        lines.retain(|line| line["check"] == "reports");
        lines.remove(0)
    };
    let young = doctor("2026-10-20 12:00:00");
    assert_eq!(young["well"], true, "{young}");
    let late = doctor("2026-11-04 12:00:00");
    let told = late["text"].as_str().unwrap();
    assert!(
        late["well"] == false && told.contains("monthly of 2026-10 is due"),
        "{late}"
    );
    let server = hosts.serve("2026-11-02 01:00:00");
    wait_for("it is handed on", || {
        hosts.entries("report.delivered").len() == 1
    });
    assert_eq!(server.stop(), 0);
    let alerts = hosts.entries("alert.raised");
    let alert = alerts
        .iter()
        .find(|a| a["data"]["detector"] == "report-schedule");
    assert_eq!(alert.expect("one is raised")["data"]["severity"], "high");
    let message = &posted(&kept)[0];
    assert_eq!(message["soundness"], json!({ "state": "unsound" }));
    let done = doctor("2026-11-04 12:00:00");
    let told = done["text"].as_str().unwrap();
    assert!(
        done["well"] == true && told.contains("monthly of 2026-10") && told.contains("handed on"),
        "{done}"
    );
    taking.kill().unwrap();
    taking.wait().unwrap();
}

/// Whoever completes a report asks the authority then: without that it would have no time stamp for ever.
#[test]
fn a_completed_report_is_stamped() {
    let Some(hosts) = Hosts::since("2026-10-05 12:00:00") else {
        return cannot_run("schedule", "no libfaketime (package faketime)");
    };
    if !has("openssl", "version") || !has("faketime", "--version") {
        return cannot_run("schedule", "no openssl, or no faketime");
    }
    let tsa = std::sync::Arc::new(Tsa::without_signer());
    tsa.issue(HONEST, Some("2026-11-01 00:00:00"));
    let answering = std::sync::Arc::clone(&tsa);
    let door = Door::open(Box::new(move |query| {
        let at = Some("2026-11-02 02:00:00");
        (200, answering.reply(HONEST, query, at))
    }));
    hosts.configure("formats = ['json']");
    let server = hosts.serve("2026-11-02 01:58:00");
    let all = ["monthly-2026-10.json", "monthly-2026-10.json.tlog-proof"];
    wait_for("the month is written", || hosts.names() == all);
    server.kill();
    let dir = hosts.ledger.dir.join("reports");
    let document = dir.join("monthly-2026-10.json");
    std::fs::remove_file(&document).unwrap();
    std::fs::remove_file(dir.join("monthly-2026-10.json.tlog-proof")).unwrap();
    std::fs::write(dir.join("monthly-2026-10.json.4711.part"), b"").unwrap();
    hosts.configure(&format!(
        "formats = ['json']\n[timestamp]\nurl = '{}'\nca_file = '{}'",
        door.url,
        tsa.ca().display()
    ));
    let server = hosts.serve("2026-11-02 02:00:00");
    wait_for("it is completed", || document.exists());
    assert_eq!(server.stop(), 0);
    let told = verify(&hosts.ledger, &document, &[]).lines().remove(0);
    assert_eq!(told["time_stamp"], "holds", "{told}");
}

fn posted(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect()
}

#[test]
fn a_month_is_issued_on_its_first_working_day_once_and_handed_on_when_somebody_takes_it() {
    let Some(hosts) = Hosts::since("2026-10-05 12:00:00") else {
        return cannot_run("schedule", "no libfaketime (package faketime)");
    };
    let kept = hosts.ledger.beside("posted");
    let Some((mut refusing, port)) = receiver(&kept, 503) else {
        return cannot_run("schedule", "python3 is not there");
    };
    let webhook = |port| {
        hosts.configure("webhook_file = 'reports.url'\nattempts = 2");
        let url = format!("http://127.0.0.1:{port}/s3cret\n");
        std::fs::write(hosts.ledger.dir.join("reports.url"), url).unwrap();
    };
    webhook(port);
    // In Tokyo it is Sunday, 1 November, a minute before midnight: nothing yet; then Monday.
    let server = hosts.serve("2026-11-01 14:59:57");
    let documents = [
        "monthly-2026-10.en.html",
        "monthly-2026-10.ja.html",
        "monthly-2026-10.json",
    ];
    let all: Vec<String> = documents
        .iter()
        .flat_map(|name| [(*name).to_owned(), format!("{name}.tlog-proof")])
        .collect();
    wait_for("the month is written", || hosts.names() == all);
    let issued = hosts.entries("report.issued");
    assert_eq!(issued.len(), 3);
    for entry in &issued {
        assert!(
            entry["at"].as_str().unwrap() >= "2026-11-01T15:00:00",
            "{entry}"
        );
        assert_eq!(entry["actor"], "service:schedule");
        assert_eq!(entry["data"]["period"], "2026-10 +09:00");
    }
    // Nobody takes it: tried as often as configured, told, and no append waits for that.
    wait_for("nobody takes it", || {
        hosts.entries("report.delivered").len() == 1
    });
    let told = &hosts.entries("report.delivered")[0]["data"];
    assert_eq!(
        (&told["outcome"], &told["attempts"], &told["month"]),
        (&json!("given_up"), &json!(2), &json!("2026-10"))
    );
    let metrics = server.text("/metrics");
    for line in [
        "daicho_report_issued 1",
        "daicho_report_undelivered_attempts 2",
        "daicho_report_given_up 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    assert!(!metrics.contains("s3cret"));
    assert_eq!(server.stop(), 0);
    refusing.kill().unwrap();
    refusing.wait().unwrap();

    // The next server: nothing is made twice, and somebody takes it.
    std::fs::remove_file(&kept).unwrap();
    let (mut taking, port) = receiver(&kept, 204).unwrap();
    webhook(port);
    let server = hosts.serve("2026-11-02 09:00:00");
    wait_for("it is taken", || {
        hosts.entries("report.delivered").len() == 2
    });
    assert_eq!(server.stop(), 0);
    assert_eq!(
        hosts.entries("report.delivered")[1]["data"]["outcome"],
        "delivered"
    );
    let messages = posted(&kept);
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message["soundness"], json!({ "state": "sound" }));
    assert_eq!(
        (&message["event"], &message["report"], &message["month"]),
        (
            &json!("report.issued"),
            &json!("monthly"),
            &json!("2026-10")
        )
    );
    // What was received is the document, and proves itself without this host.
    let key = hosts.ledger.run(&["key", "show"]).ok().trim().to_owned();
    let received = message["documents"].as_array().unwrap();
    assert_eq!(received.len(), 3);
    for document in received {
        let name = document["name"].as_str().unwrap();
        let here = hosts.ledger.dir.join("reports").join(name);
        let bytes = base64(document["bytes"].as_str().unwrap());
        assert_eq!(bytes, std::fs::read(&here).unwrap(), "{name}");
        let there = hosts.ledger.beside(name);
        std::fs::write(&there, &bytes).unwrap();
        let proof = hosts.ledger.beside(&format!("{name}.tlog-proof"));
        std::fs::write(proof, document["proof"].as_str().unwrap()).unwrap();
        let told = verify(&Ledger::none(), &there, &["--offline", "--vkey", &key]);
        assert_eq!(told.lines()[0]["signature"], "holds", "{name}");
        let told = verify(&hosts.ledger, &here, &[]).lines().remove(0);
        assert_eq!(told["figures"], "same", "{told}");
    }
    assert_eq!(hosts.entries("report.issued").len(), 3);

    // Off over two ends of a month and the turn of the year: both are made up for at the start.
    let server = hosts.serve("2027-01-04 01:00:00");
    wait_for("what was missed", || {
        hosts.entries("report.delivered").len() == 4
    });
    assert_eq!(server.stop(), 0);
    let names = hosts.names();
    for month in ["2026-10", "2026-11", "2026-12"] {
        assert!(
            names.contains(&format!("monthly-{month}.ja.html")),
            "{names:?}"
        );
    }
    assert_eq!(hosts.entries("report.issued").len(), 9);
    assert_eq!(posted(&kept).len(), 3);
    taking.kill().unwrap();
    taking.wait().unwrap();
    hosts.ledger.verify();
}

fn base64(text: &str) -> Vec<u8> {
    let mut command = Command::new("base64");
    command.arg("-d");
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let feeding =
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output.stdout
}

#[test]
fn a_report_that_was_recorded_and_not_written_is_written_by_the_next_server() {
    let Some(hosts) = Hosts::since("2026-10-05 12:00:00") else {
        return cannot_run("schedule", "no libfaketime (package faketime)");
    };
    hosts.configure("");
    let server = hosts.serve("2026-11-02 01:00:00");
    wait_for("the month is written", || hosts.names().len() == 6);
    server.kill();
    // As if it had died between the record and the files: the names were taken, no more.
    let dir = hosts.ledger.dir.join("reports");
    let page = dir.join("monthly-2026-10.ja.html");
    let bytes = std::fs::read(&page).unwrap();
    std::fs::remove_file(&page).unwrap();
    std::fs::remove_file(dir.join("monthly-2026-10.ja.html.tlog-proof")).unwrap();
    std::fs::write(dir.join("monthly-2026-10.ja.html.4711.part"), b"<!DOC").unwrap();
    // One that somebody took away on purpose stays away.
    std::fs::remove_file(dir.join("monthly-2026-10.en.html")).unwrap();
    // Of a process that died before, too.
    std::fs::write(dir.join("monthly-2026-10.ja.html.1.part"), b"").unwrap();
    // And one whose report was never recorded.
    std::fs::write(dir.join("monthly-2026-11.ja.html.4711.part"), b"").unwrap();
    let server = hosts.serve("2026-11-02 02:00:00");
    wait_for("it is completed", || {
        page.exists() && hosts.names().iter().all(|name| !name.ends_with(".part"))
    });
    assert_eq!(server.stop(), 0);
    assert_eq!(std::fs::read(&page).unwrap(), bytes);
    assert_eq!(
        verify(&hosts.ledger, &page, &[]).lines()[0]["signature"],
        "holds"
    );
    assert!(!dir.join("monthly-2026-10.en.html").exists());
    assert_eq!(hosts.entries("report.issued").len(), 3);
}

#[test]
fn a_schedule_that_cannot_be_followed_is_told_and_stops_nothing() {
    let Some(hosts) = Hosts::since("2026-10-05 12:00:00") else {
        return cannot_run("schedule", "no libfaketime (package faketime)");
    };
    for (wrong, part) in [
        ("reports = ['weekly']", "none of"),
        ("formats = []", "formats is empty"),
        ("closed_days = ['12-32']", "as 12-29"),
        ("webhook = 'ftp://example.com'", "[report.schedule]"),
    ] {
        hosts.configure(wrong);
        let mut command = hosts.at("2026-10-06 12:00:00");
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let ran = run(command, b"");
        assert!(ran.code == 2 && ran.err.contains(part), "{wrong}: {ran:?}");
    }
    // Something of somebody else's has the name.
    hosts.configure("formats = ['json']");
    let taken = hosts.ledger.dir.join("reports/monthly-2026-10.json");
    std::fs::create_dir_all(taken.parent().unwrap()).unwrap();
    std::fs::write(&taken, b"mine").unwrap();
    let server = hosts.serve("2026-11-02 01:00:00");
    wait_for("it is told", || hosts.entries("alert.raised").len() == 1);
    let alert = &hosts.entries("alert.raised")[0]["data"];
    assert_eq!(alert["detector"], "report-schedule");
    assert!(
        server
            .text("/metrics")
            .contains("daicho_report_failed_attempts 1")
    );
    hosts.ledger.append(&[drill("goes-on")]);
    assert_eq!(server.stop(), 0);
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    assert_eq!(hosts.entries("report.issued"), [Value::Null; 0]);
}
