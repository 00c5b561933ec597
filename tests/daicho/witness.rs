//! Witnesses: ours and another author's cosign our log, and refuse what a witness must.

use crate::world::{Ledger, cannot_run, drill, run, wait_for};
use reqwest::blocking::Client;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running witness. Killed when dropped.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn ours(state: &Path, listen: &str) -> (Running, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
    command.args(["witness", "serve"]).arg(state);
    command.args(["--listen", listen]).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find(|line| line.contains("http://")).unwrap();
    let url = line.split_whitespace().last().unwrap().to_owned();
    (child, url)
}

/// A witness's state file beside the ledger that knows the ledger; and the witness's key.
pub fn made(ledger: &Ledger) -> (PathBuf, String) {
    let state = ledger.beside("witness.toml");
    let file = state.to_str().unwrap();
    let name = ["witness", "init", "--name", "w.example/1", file];
    let vkey = ledger.run(&name).ok().trim().to_owned();
    let log = ledger.run(&["key", "show"]).ok();
    let add = ["witness", "add-log", file, "--vkey", log.trim()];
    ledger.run(&add).ok();
    (state, vkey)
}

pub fn configure(ledger: &Ledger, vkey: &str, url: &str, missed: &str) -> PathBuf {
    let log = ledger.run(&["key", "show"]).ok();
    let policy = format!("log {log}witness w {vkey} {url}\nquorum w\n");
    let path = ledger.dir.join("witness.policy");
    std::fs::write(&path, policy).unwrap();
    let config = ledger.dir.join("daicho.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text
        .replace("# policy = \"w", "policy = \"w")
        .replace("quorum = \"go-on\"", &format!("quorum = \"{missed}\""))
        .replace("interval_seconds = 10", "interval_seconds = 1");
    std::fs::write(&config, text).unwrap();
    path
}

/// Serves the ledger until a quorum has cosigned its first entries, and verifies it.
fn is_cosigned(ledger: &Ledger, policy: &Path) {
    let server = ledger.serve();
    let met = || {
        server
            .text("/metrics")
            .contains("daicho_witness_quorum 1\n")
    };
    wait_for("a quorum", met);
    ledger.run(&["witness", "status"]).ok();
    // Another round, with a consistency proof; then silence: cosigning is no reason to cosign.
    let event = server.post("application/json", drill("restore").to_string());
    assert!(event.send().unwrap().status().is_success());
    let cosigned = || {
        let url = "/api/v1/events?kind=witness.cosigned";
        server.json(url)["entries"].as_array().unwrap().len()
    };
    wait_for("a second cosignature", || cosigned() == 2);
    assert_eq!(server.stop(), 0);
    let path = policy.to_str().unwrap();
    ledger.run(&["verify", "--policy", path]).ok();
    ledger.verify();
    let note = std::fs::read_to_string(ledger.dir.join("checkpoint.cosigned")).unwrap();
    let forged = note.replace("— w.example/1 ", "— w.example/2 ");
    std::fs::write(ledger.dir.join("checkpoint.cosigned"), forged).unwrap();
    assert_eq!(ledger.run(&["verify", "--policy", path]).code, 1);
    std::fs::write(ledger.dir.join("checkpoint.cosigned"), note).unwrap();
}

#[test]
fn our_witness_cosigns_our_log_and_refuses_a_rolled_back_or_forged_one() {
    let ledger = Ledger::new();
    let (state, vkey) = made(&ledger);
    let (witness, url) = ours(&state, "127.0.0.1:0");
    let policy = configure(&ledger, &vkey, &url, "go-on");
    let young = ledger.copy();
    is_cosigned(&ledger, &policy);

    let client = Client::builder().no_proxy().build().unwrap();
    let seen = std::fs::read_to_string(ledger.dir.join("checkpoint.cosigned")).unwrap();
    let size: u64 = seen.lines().nth(1).unwrap().parse().unwrap();
    let (text, signatures) = seen.split_once("\n\n").unwrap();
    let log_line = signatures.lines().next().unwrap();
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(crate::world::ORIGIN));
    let kept = |url: &str| {
        let answer = client.get(format!("{url}/{digest}/checkpoint")).send();
        answer.unwrap().error_for_status().unwrap().text().unwrap()
    };
    assert_eq!(kept(&url), seen);

    // Killed and started again: it knows what it signed.
    drop(witness);
    let (_witness, url) = ours(&state, "127.0.0.1:0");
    assert_eq!(kept(&url), seen);
    let ask = |body: String| {
        let answer = client.post(format!("{url}/add-checkpoint")).body(body);
        let answer = answer.send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    let note = format!("{text}\n\n{log_line}\n");
    let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    assert_eq!(ask(format!("old {size}\n\n{note}")).0, 200, "again");
    assert_eq!(ask(format!("old 0\n\n{note}")), (409, format!("{size}\n")));
    assert_eq!(ask(format!("old {size}\n{hash}\n\n{note}")).0, 422);
    assert_eq!(ask(format!("old {}\n\n{note}", size + 1)).0, 400);
    assert_eq!(ask("rubbish".to_owned()).0, 400);
    let stranger = note.replace("example.com/daicho", "example.com/other");
    assert_eq!(ask(format!("old 0\n\n{stranger}")).0, 404);
    let forged = note.replace(&format!("\n{size}\n"), "\n999\n");
    assert_eq!(ask(format!("old {size}\n\n{forged}")).0, 403);

    // An older copy of the ledger, which could grow another history under the same key.
    let status = |ledger: &Ledger, part: &str| {
        let server = ledger.serve();
        wait_for(part, || {
            let told = server.json("/api/v1/witnesses");
            told["witnesses"][0]["error"].to_string().contains(part)
        });
        let alerts = "/api/v1/events?kind=alert.raised";
        wait_for("an alert", || {
            !server.json(alerts)["entries"]
                .as_array()
                .unwrap()
                .is_empty()
        });
        let asked = ledger.run(&["witness", "status"]);
        assert_eq!(asked.code, 1, "{asked:?}");
    };
    configure(&young, &vkey, &url, "go-on");
    status(&young, "rolled back");
    young.append(&(0..30).map(|_| drill("fork")).collect::<Vec<_>>());
    status(&young, "422");
    assert_eq!(kept(&url).lines().nth(1), seen.lines().nth(1));
}

#[test]
fn a_witness_follows_a_rotation_when_it_is_told_and_knows_the_old_key_no_more() {
    let ledger = Ledger::new();
    let (state, vkey) = made(&ledger);
    let (witness, url) = ours(&state, "127.0.0.1:0");
    configure(&ledger, &vkey, &url, "go-on");
    let server = ledger.serve();
    let quorum = |met: u32| {
        let line = format!("daicho_witness_quorum {met}\n");
        wait_for(&line, || server.text("/metrics").contains(&line));
    };
    quorum(1);
    let old = std::fs::read_to_string(ledger.dir.join("checkpoint.cosigned")).unwrap();
    let old_key = ledger.run(&["key", "show"]).ok();
    ledger.run(&["key", "rotate", "--reason", "leaked"]).ok();
    let error = || server.json("/api/v1/witnesses")["witnesses"][0]["error"].to_string();
    wait_for("a refusal", || error().contains("403"));

    drop(witness);
    let file = state.to_str().unwrap();
    let new_key = ledger.run(&["key", "show"]).ok();
    let add = ["witness", "add-log", file, "--vkey", new_key.trim()];
    ledger.run(&add).ok();
    ledger.run(&add).ok();
    let (_witness, url) = ours(&state, url.trim_start_matches("http://"));
    quorum(1);
    assert_eq!(server.stop(), 0);
    ledger.verify();
    // The policy's log line may name any key that the log has had.
    let policy = ledger.dir.join("witness.policy");
    let told = std::fs::read_to_string(&policy).unwrap();
    assert!(told.contains(old_key.trim()));
    ledger
        .run(&["verify", "--policy", policy.to_str().unwrap()])
        .ok();
    assert_eq!(ledger.serve().stop(), 0);

    let signed = old.lines().take(5).collect::<Vec<_>>().join("\n");
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = client.post(format!("{url}/add-checkpoint"));
    let answer = ask.body(format!("old 0\n\n{signed}\n")).send().unwrap();
    assert_eq!(
        answer.status().as_u16(),
        403,
        "a stolen old key gets nothing"
    );
}

#[test]
fn without_its_quorum_a_log_that_must_stop_acknowledges_nothing() {
    let ledger = Ledger::new();
    let (state, vkey) = made(&ledger);
    let (witness, url) = ours(&state, "127.0.0.1:0");
    configure(&ledger, &vkey, &url, "stop");
    let server = ledger.serve();
    let ready = || server.get("/readyz").status().is_success();
    let append = || {
        let event = server.post("application/json", drill("restore").to_string());
        event.send().unwrap().status().as_u16()
    };
    wait_for("the quorum", ready);
    assert_eq!(append(), 200);
    drop(witness);
    wait_for("the outage is noticed", || append() == 503);
    assert!(!ready());
    let call = server.client.post(server.url("/anthropic/v1/messages"));
    assert_eq!(call.send().unwrap().status().as_u16(), 503);
    let (_witness, _) = ours(&state, url.trim_start_matches("http://"));
    wait_for("the quorum is back", ready);
    assert_eq!(append(), 200);
    assert_eq!(server.stop(), 0);
    ledger.verify();
}

#[test]
fn a_witness_of_another_author_cosigns_our_log() {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/venv-judges/bin");
    let program = venv.join("aics-witness");
    if !program.exists() {
        return cannot_run(
            "witness",
            "no aics-witness: tests/install-judges installs it",
        );
    }
    let ledger = Ledger::new();
    let config = ledger.beside("witness.json");
    let command = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(args[0]).arg("--config").arg(&config);
        command.args(&args[1..]);
        command
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = port.local_addr().unwrap().to_string();
    drop(port);
    let init = ["init", "--name", "w.example/1", "--listen", &listen];
    let said = run(command(&init), b"").ok();
    let vkey = said
        .split_whitespace()
        .find(|w| w.starts_with("w.example/1+"))
        .unwrap();
    let log = ledger.run(&["key", "show"]).ok();
    let add = ["add-log", "--origin", crate::world::ORIGIN, "--vkey"];
    run(command(&[&add[..], &[log.trim()]].concat()), b"").ok();
    let mut serve = command(&["serve"]);
    serve.stdout(Stdio::null()).stderr(Stdio::null());
    let _witness = Running(serve.spawn().unwrap());
    let policy = configure(&ledger, vkey, &format!("http://{listen}"), "go-on");
    is_cosigned(&ledger, &policy);
}
