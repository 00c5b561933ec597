//! Witnesses: ours and another author's cosign our log, and refuse what a witness must.

use crate::world::{Ledger, ORIGIN, cannot_run, drill, run, wait_for};
use ledger::Checkpoint;
use ledger::note::SignerKey;
use ledger::tree::{Tree, leaf_hash};
use ledger::witness::AddCheckpoint;
use reqwest::blocking::Client;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;

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
        let media = answer.headers().get("content-type").cloned();
        let (status, text) = (answer.status().as_u16(), answer.text().unwrap());
        assert_eq!(
            media.unwrap() == "text/x.tlog.size",
            status == 409,
            "{text}"
        );
        (status, text)
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

/// A log that nobody keeps: its key and the tree of its entries.
struct Made {
    key: SignerKey,
    tree: Tree,
}

impl Made {
    fn new() -> Made {
        Made {
            key: SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap(),
            tree: Tree::default(),
        }
    }

    /// What the tree becomes with these entries, and the request for the growth.
    fn grown(&self, entries: &[String]) -> (Tree, String) {
        let mut tree = self.tree.clone();
        for entry in entries {
            tree.push(leaf_hash(entry.as_bytes()));
        }
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: tree.size(),
            root: tree.root(),
        };
        let old = self.tree.size();
        let request = AddCheckpoint {
            old,
            proof: tree.consistency_proof(old, tree.size()).unwrap(),
            note: checkpoint.sign(&self.key),
        };
        (tree, request.to_text())
    }
}

/// A witness's state file that knows a made log.
fn knows(place: &Ledger, log: &Made) -> PathBuf {
    let state = place.beside("witness.toml");
    let file = state.to_str().unwrap();
    let init = ["witness", "init", "--name", "w.example/1", file];
    place.run(&init).ok();
    let vkey = log.key.verifier().to_string();
    place
        .run(&["witness", "add-log", file, "--vkey", &vkey])
        .ok();
    state
}

fn ask(client: &Client, url: &str, body: &str) -> (u16, String) {
    let answer = client.post(format!("{url}/add-checkpoint"));
    let answer = answer.body(body.to_owned()).send().unwrap();
    (answer.status().as_u16(), answer.text().unwrap())
}

#[test]
fn of_two_histories_that_are_posted_at_once_one_is_cosigned() {
    const ASKING: usize = 8;
    const ROUNDS: u64 = 20;
    let (place, mut log) = (Ledger::none(), Made::new());
    let state = knows(&place, &log);
    let (witness, url) = ours(&state, "127.0.0.1:0");
    let client = Client::builder().no_proxy().build().unwrap();
    let mut won = [0, 0];
    for round in 0..ROUNDS {
        let forks = ["this", "that"].map(|side| {
            let entries = (0..=round).map(|entry| format!("{side} {round} {entry}"));
            log.grown(&entries.collect::<Vec<_>>())
        });
        let barrier = Barrier::new(ASKING);
        let answers: Vec<(usize, (u16, String))> = std::thread::scope(|scope| {
            let asking = |number: usize| {
                let side = (number + round as usize) % 2;
                let (body, barrier, client, url) = (&forks[side].1, &barrier, &client, &url);
                scope.spawn(move || {
                    barrier.wait();
                    (side, ask(client, url, body))
                })
            };
            let all: Vec<_> = (0..ASKING).map(asking).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let cosigned: Vec<_> = answers.iter().filter(|(_, a)| a.0 == 200).collect();
        assert_eq!(cosigned.len(), 1, "{answers:?}");
        // Who comes after the first is told the size, which is both histories' own.
        let size = forks[0].0.size();
        let told = (409, format!("{size}\n"));
        let mut others = answers.iter().filter(|(_, a)| a.0 != 200);
        assert!(others.all(|(_, answer)| *answer == told), "{answers:?}");
        let side = cosigned[0].0;
        won[side] += 1;
        // And with that size the other history is refused for ever.
        let again = |side: usize| {
            let request = AddCheckpoint::parse(forks[side].1.as_bytes()).unwrap();
            let (old, proof) = (size, Vec::new());
            ask(
                &client,
                &url,
                &AddCheckpoint {
                    old,
                    proof,
                    ..request
                }
                .to_text(),
            )
            .0
        };
        assert_eq!((again(side), again(1 - side)), (200, 422));
        log.tree = forks.into_iter().nth(side).unwrap().0;
    }
    drop(witness);
    let (_witness, url) = ours(&state, "127.0.0.1:0");
    let (_, next) = log.grown(&["next".to_owned()]);
    assert_eq!(ask(&client, &url, &next).0, 200, "{won:?}");
}

#[test]
fn a_witness_whose_state_cannot_be_written_cosigns_nothing_until_it_is_started_again() {
    let (place, mut log) = (Ledger::none(), Made::new());
    let state = knows(&place, &log);
    let (witness, url) = ours(&state, "127.0.0.1:0");
    let client = Client::builder().no_proxy().build().unwrap();
    let (tree, first) = log.grown(&["first".to_owned()]);
    assert_eq!(ask(&client, &url, &first).0, 200);
    log.tree = tree;
    let kept = std::fs::read(&state).unwrap();

    // Where its new state would be written first is a directory.
    let obstacle = place.beside("witness.toml.new");
    std::fs::create_dir(&obstacle).unwrap();
    let (_, second) = log.grown(&["second".to_owned()]);
    let stopped = |body: &str| {
        let (status, text) = ask(&client, &url, body);
        assert_eq!(status, 500, "{text}");
        assert!(!text.contains('—'), "a cosignature: {text}");
    };
    stopped(&second);
    std::fs::remove_dir(&obstacle).unwrap();
    stopped(&second);
    stopped(&first);
    assert_eq!(std::fs::read(&state).unwrap(), kept);

    drop(witness);
    let (_witness, url) = ours(&state, "127.0.0.1:0");
    assert_eq!(ask(&client, &url, &second).0, 200);
}

#[test]
fn without_its_quorum_a_log_that_goes_on_records_and_the_alarm_stands() {
    let ledger = Ledger::new();
    let (state, vkey) = made(&ledger);
    let (witness, url) = ours(&state, "127.0.0.1:0");
    configure(&ledger, &vkey, &url, "go-on");
    let server = ledger.serve();
    let quorum = |met: u32| {
        let line = format!("daicho_witness_quorum {met}\n");
        server.text("/metrics").contains(&line)
    };
    wait_for("a quorum", || quorum(1));
    drop(witness);
    let append = || {
        let event = server.post("application/json", drill("restore").to_string());
        assert_eq!(event.send().unwrap().status().as_u16(), 200);
    };
    append();
    wait_for("the outage is noticed", || quorum(0));
    let alerts = || {
        let told = server.json("/api/v1/events?kind=alert.raised");
        told["entries"].as_array().unwrap().clone()
    };
    wait_for("an alert", || !alerts().is_empty());
    for _ in 0..3 {
        append();
        assert!(server.get("/readyz").status().is_success());
        assert!(quorum(0));
        assert_eq!(ledger.run(&["witness", "status"]).code, 1);
    }
    let alert = &alerts()[0]["entry"]["data"];
    assert_eq!(alert["detector"], "witness-quorum", "{alert}");

    let (_witness, _) = ours(&state, url.trim_start_matches("http://"));
    wait_for("the quorum is back", || quorum(1));
    ledger.run(&["witness", "status"]).ok();
    assert_eq!(alerts().len(), 1, "one outage, one alert");
    assert_eq!(server.stop(), 0);
    ledger.verify();
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
