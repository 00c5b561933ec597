//! kill -9 at random moments under load, with readers that check every proof they are given:
//! what was acknowledged is there, where it was said to be, and every promise that was seen
//! before still holds. `DAICHO_KILL_SECONDS=600` goes on for ten minutes.

use crate::world::{Dice, Ledger, Server, daicho, drill, ndjson, say, wait_for, with_content};
use ledger::Checkpoint;
use ledger::note::VerifierKey;
use ledger::proof::Proof;
use schemas::Hash;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 50;
const PRODUCERS: u64 = 4;
const READERS: u64 = 2;

/// What producers sent and what they were told, over all rounds.
#[derive(Default)]
struct Told {
    /// id → receipt.
    acknowledged: HashMap<String, Value>,
    /// id → the content of its event.
    texts: HashMap<String, String>,
    /// Batches that were sent and not answered: nobody knows of them.
    open: Vec<Vec<Value>>,
    /// Signed checkpoints as they were served.
    checkpoints: Vec<String>,
    /// size → root, of every checkpoint that a proof came with.
    roots: HashMap<u64, Hash>,
    proofs: u64,
}

/// What the rounds did, for the line at the end.
#[derive(Default)]
struct Counts {
    torn: u64,
    killed_while_starting: u64,
    recorded_unanswered: u64,
    /// Packs that end in a part of a frame.
    packs: HashSet<PathBuf>,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_at_any_moment() {
    let mut dice = Dice::thrown("kill");
    let ledger = Ledger::new();
    let told = Mutex::new(Told::default());
    let mut counts = Counts::default();
    let key: VerifierKey = ledger.run(&["key", "show"]).ok().parse().unwrap();
    let seconds = std::env::var("DAICHO_KILL_SECONDS").map_or(0, |s| s.parse().unwrap());
    let (begun, mut round) = (Instant::now(), 0);
    while round < ROUNDS || begun.elapsed() < Duration::from_secs(seconds) {
        round += 1;
        let mut fresh = Vec::new();
        if dice.below(5) == 0 {
            // A start is killed too: recovery must be able to begin again.
            let mut child = daicho(&ledger.dir);
            child.args(["serve", "--listen", "127.0.0.1:0"]);
            let mut child = child
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(dice.below(150)));
            child.kill().unwrap();
            child.wait().unwrap();
            counts.killed_while_starting += 1;
        } else {
            let server = ledger.serve();
            fresh = load_until_killed(server, &mut dice, &told, &key);
        }
        let tails = if dice.below(3) == 0 {
            tear(&ledger, &mut dice, &mut counts)
        } else {
            Vec::new()
        };
        counts.torn += tails.len() as u64;
        verify_with_checkpoints(&ledger, &told.lock().unwrap());

        let server = ledger.serve();
        is_accounted_for(&server, &tails);
        are_there(&server, &told.lock().unwrap(), &fresh);
        resend(
            &server,
            &mut dice,
            &mut told.lock().unwrap(),
            &fresh,
            &mut counts,
        );
        if dice.below(2) == 0 {
            assert_eq!(server.stop(), 0, "round {round}");
        } else {
            server.kill();
        }
        ledger.verify();
    }
    let server = ledger.serve();
    let told = told.into_inner().unwrap();
    let all: Vec<String> = told.acknowledged.keys().cloned().collect();
    are_there(&server, &told, &all);
    drop(server);
    hold(&ledger, &told);
    let (opened, deltas) = come_back(&ledger, &told);
    let report = ledger.verify();
    say(&format!(
        "kill: {round} rounds, {} proofs checked over {} roots, {} events acknowledged, {opened} contents opened ({deltas} packed against others), {} recorded and never answered, {} torn tails, {} torn packs, {} starts killed, {} entries in {} files",
        told.proofs,
        told.roots.len(),
        all.len(),
        counts.recorded_unanswered,
        counts.torn,
        counts.packs.len(),
        counts.killed_while_starting,
        report["entries"],
        report["files"],
    ));
    assert!(
        all.len() as u64 > ROUNDS * 5 && told.proofs > ROUNDS,
        "too little load to mean anything"
    );
    assert!(deltas > ROUNDS, "conversations were not gone on with");
}

/// Every root that a reader was told, and that of every checkpoint served, is the log's own at that
/// size.
fn hold(ledger: &Ledger, told: &Told) {
    let reader = ledger::Reader::open(&ledger.dir).unwrap();
    let served = told.checkpoints.iter().map(|note| {
        let (text, _) = note.split_once("\n\n").unwrap();
        let checkpoint = Checkpoint::parse(&format!("{text}\n")).unwrap();
        (checkpoint.size, checkpoint.root)
    });
    let roots = told.roots.iter().map(|(size, root)| (*size, *root));
    for (size, root) in roots.chain(served) {
        assert_eq!(reader.root_at(size).unwrap(), root, "the root at {size}");
    }
}

/// Every acknowledged content is exactly what was sent. Gives how many there are, and how many
/// of them are packed against another.
fn come_back(ledger: &Ledger, told: &Told) -> (u64, u64) {
    let reader = ledger::Reader::open(&ledger.dir).unwrap();
    let (mut opened, mut deltas) = (0, 0);
    for (id, text) in &told.texts {
        let Some(receipt) = told.acknowledged.get(id) else {
            continue;
        };
        let entry = reader.entry(receipt["seq"].as_u64().unwrap()).unwrap();
        let content = &entry.content()[0];
        assert!(reader.content(content).unwrap() == text.as_bytes(), "{id}");
        opened += 1;
        deltas += u64::from(reader.sealed(content).unwrap()[..32] != [0; 32]);
    }
    (opened, deltas)
}

/// Producers append until the server is gone. Gives the ids that were acknowledged.
fn load_until_killed(
    server: Server,
    dice: &mut Dice,
    told: &Mutex<Told>,
    key: &VerifierKey,
) -> Vec<String> {
    let fresh = Mutex::new(Vec::new());
    let answered = AtomicU64::new(0);
    let moment = Duration::from_micros(dice.below(100_000));
    std::thread::scope(|scope| {
        for number in 0..PRODUCERS {
            let mut dice = Dice(dice.next());
            let (server, fresh, answered) = (&server, &fresh, &answered);
            scope.spawn(move || {
                // Odd producers send batches, one of each sort with content.
                while let Some(receipts) =
                    send(server, batch(&mut dice, number), number % 2 == 1, told)
                {
                    answered.fetch_add(1, Ordering::Relaxed);
                    let mut fresh = fresh.lock().unwrap();
                    for receipt in receipts {
                        let id = receipt["id"].as_str().unwrap().to_owned();
                        told.lock()
                            .unwrap()
                            .acknowledged
                            .insert(id.clone(), receipt);
                        fresh.push(id);
                    }
                }
            });
        }
        for _ in 0..READERS {
            let mut dice = Dice(dice.next());
            let server = &server;
            scope.spawn(move || while read(server, &mut dice, told, key).is_some() {});
        }
        wait_for("the first answer", || answered.load(Ordering::Relaxed) > 0);
        let checkpoint = server.text("/log/checkpoint");
        told.lock().unwrap().checkpoints.push(checkpoint);
        std::thread::sleep(moment);
        // By its id: the guard is what the producers work with.
        let killed = std::process::Command::new("kill")
            .args(["-KILL", &server.pid().to_string()])
            .status();
        assert!(killed.unwrap().success());
    });
    server.kill();
    fresh.into_inner().unwrap()
}

/// Asks for an entry and its proof, and holds both against the checkpoint that comes with
/// them and all that came before. `None` when the server does not answer any more.
fn read(server: &Server, dice: &mut Dice, told: &Mutex<Told>, key: &VerifierKey) -> Option<()> {
    let get = |path: &str| server.try_text(path);
    let promised = told.lock().unwrap().roots.keys().copied().max();
    let size = get("/log/checkpoint")?.lines().nth(1)?.parse().unwrap();
    assert!(promised <= Some(size), "{size} entries after {promised:?}");
    let seq = dice.below(size);
    let shown: Value = serde_json::from_str(&get(&format!("/api/v1/events/{seq}"))?).unwrap();
    let proof = Proof::parse(&get(&format!("/api/v1/proofs/{seq}"))?).unwrap();
    let body = shown["entry"].to_string();
    let checkpoint = proof.check(body.as_bytes(), key).unwrap();
    let mut told = told.lock().unwrap();
    let root = *told.roots.entry(checkpoint.size).or_insert(checkpoint.root);
    assert_eq!(root, checkpoint.root, "two roots at {}", checkpoint.size);
    told.proofs += 1;
    Some(())
}

static TURN: AtomicU64 = AtomicU64::new(0);

/// What a producer's conversation is at a turn: all of the turn before, and a line.
fn conversation(number: u64, turn: u64) -> String {
    let lines = (0..100 + turn).map(|line| {
        let mark = hex::encode(Sha256::digest(format!("{number} {line}")));
        format!("{line} {mark}\n")
    });
    lines.collect()
}

fn batch(dice: &mut Dice, number: u64) -> Vec<Value> {
    let count = if number % 2 == 1 {
        1 + dice.below(12)
    } else {
        1
    };
    let event = |dice: &mut Dice| {
        let mut event = drill("restore");
        event["id"] = json!(dice.id());
        event["session"] = json!(format!("producer-{number}"));
        if number < 2 {
            return event;
        }
        // A conversation goes on, or the contents are equal to another: stored once, promised
        // each time.
        let text = match dice.below(2) {
            0 => conversation(number, TURN.fetch_add(1, Ordering::Relaxed) % 400),
            _ => format!("{} ", dice.below(20)).repeat(1 + dice.below(4_000) as usize % 400 * 10),
        };
        with_content(event, &text)
    };
    (0..count).map(|_| event(dice)).collect()
}

/// Sends a batch. `None` when the server did not answer any more.
fn send(
    server: &Server,
    events: Vec<Value>,
    lines: bool,
    told: &Mutex<Told>,
) -> Option<Vec<Value>> {
    for event in &events {
        if let Some(text) = event["content"][0]["text"].as_str() {
            let id = event["id"].as_str().unwrap().to_owned();
            told.lock().unwrap().texts.insert(id, text.to_owned());
        }
    }
    let request = if lines {
        server.post("application/x-ndjson", ndjson(&events))
    } else {
        server.post("application/json", events[0].to_string())
    };
    let answer = request.send().ok().and_then(|answer| {
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json::<Value>().ok()
    });
    match answer {
        Some(Value::Array(receipts)) => Some(receipts),
        Some(receipt) => Some(vec![receipt]),
        None => {
            told.lock().unwrap().open.push(events);
            None
        }
    }
}

/// Every acknowledged event is at its position, with the leaf that was promised.
fn are_there(server: &Server, told: &Told, ids: &[String]) {
    let mut wanted: HashMap<u64, (&str, &Value)> = HashMap::new();
    for id in ids {
        let receipt = &told.acknowledged[id];
        let seq = receipt["seq"].as_u64().unwrap();
        let double = wanted.insert(seq, (id, &receipt["leaf"]));
        assert!(double.is_none(), "position {seq} was promised twice");
    }
    let Some(mut from) = wanted.keys().min().copied() else {
        return;
    };
    while !wanted.is_empty() {
        let page = server.json(&format!("/api/v1/events?from={from}"));
        for shown in page["entries"].as_array().unwrap() {
            let seq = shown["entry"]["seq"].as_u64().unwrap();
            if let Some((id, leaf)) = wanted.remove(&seq) {
                assert_eq!(shown["entry"]["id"], id, "another event at {seq}");
                assert_eq!(&shown["leaf"], leaf, "another entry at {seq}");
            }
        }
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert!(wanted.is_empty(), "acknowledged and not there: {wanted:?}");
}

/// Producers that were not answered, and some that were, send again what they sent.
fn resend(
    server: &Server,
    dice: &mut Dice,
    told: &mut Told,
    fresh: &[String],
    counts: &mut Counts,
) {
    let again = Mutex::new(Told::default());
    for events in std::mem::take(&mut told.open) {
        let receipts = send(server, events, true, &again).expect("an answer");
        counts.recorded_unanswered += receipts.iter().filter(|r| r["new"] == false).count() as u64;
        for receipt in receipts {
            let id = receipt["id"].as_str().unwrap().to_owned();
            told.acknowledged.insert(id, receipt);
        }
    }
    for _ in 0..fresh.len().min(5) {
        let id = &fresh[dice.below(fresh.len() as u64) as usize];
        let receipt = &told.acknowledged[id];
        let shown = server.json(&format!("/api/v1/events/{}", receipt["seq"]));
        // Content is sealed, so only an event without any can be taken from the log again.
        if shown["entry"]["content"].is_array() {
            continue;
        }
        let mut event = shown["entry"].clone();
        for key in ["v", "seq", "at", "prev"] {
            event.as_object_mut().unwrap().remove(key);
        }
        let second = send(server, vec![event], true, &again)
            .expect("an answer")
            .remove(0);
        assert_eq!(second["new"], false);
        for key in ["seq", "id", "leaf", "at"] {
            assert_eq!(second[key], receipt[key]);
        }
    }
}

/// Each checkpoint that was served is a promise for ever. The newest few are held against
/// the log each time; all of them would say the same.
fn verify_with_checkpoints(ledger: &Ledger, told: &Told) {
    let mut args = vec!["verify".to_owned(), "--json".to_owned()];
    for (i, note) in told.checkpoints.iter().rev().take(4).enumerate() {
        let path = ledger.beside(&format!("checkpoint-{i}"));
        std::fs::write(&path, note).unwrap();
        args.extend(["--checkpoint".to_owned(), path.display().to_string()]);
    }
    let ran = ledger.run(&args);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    for checkpoint in report["checkpoints"].as_array().unwrap() {
        assert_eq!(checkpoint["kept"], true, "{checkpoint}");
    }
}

/// A kill leaves whole writes; a power cut leaves parts of them. Ends the newest log file and
/// the newest pack as one does. Gives what `ledger.recovered` must say.
fn tear(ledger: &Ledger, dice: &mut Dice, counts: &mut Counts) -> Vec<Value> {
    // A pack is torn once: a start never writes behind a tail.
    if let Some(pack) = ledger
        .packs()
        .pop()
        .filter(|pack| counts.packs.insert(pack.clone()))
    {
        let whole = std::fs::read(&pack).unwrap();
        // The kill itself may have come before its header was whole.
        let frame = whole
            .iter()
            .position(|b| *b == b'\n')
            .map_or(whole.len(), |lf| lf + 1);
        let cut = frame + dice.below(frame_bytes(&whole[frame..]).max(1)) as usize;
        append_to(&pack, &whole[frame..cut]);
    }
    let path = ledger.logs().pop().unwrap();
    let log = std::fs::read(&path).unwrap();
    let lf = |bytes: &[u8]| bytes.iter().rposition(|b| *b == b'\n');
    let end = lf(&log).expect("a whole entry") + 1;
    let line = &log[lf(&log[..end - 1]).map_or(0, |i| i + 1)..end - 1];
    append_to(&path, &line[..1 + dice.below(line.len() as u64) as usize]);
    let tail = &std::fs::read(&path).unwrap()[end..];
    vec![json!({
        "file": format!("log/{}", path.file_name().unwrap().to_str().unwrap()),
        "offset": end, "tail_bytes": tail.len(), "tail_sha256": hex::encode(Sha256::digest(tail)),
    })]
}

/// The length of a pack's first frame (FORMAT.md §7): two numbers or digests, and the box.
fn frame_bytes(frame: &[u8]) -> u64 {
    let (mut length, mut at) = (0, 0);
    while let Some(byte) = frame.get(at) {
        length |= u64::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    for _ in 0..2 {
        at += if frame.get(at) == Some(&1) { 33 } else { 1 };
    }
    (at as u64 + length).min(frame.len() as u64)
}

fn append_to(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// The newest statements about torn tails are exactly these.
fn is_accounted_for(server: &Server, tails: &[Value]) {
    if tails.is_empty() {
        return;
    }
    let page = server.json("/api/v1/events?kind=ledger.recovered&newest=true&limit=1");
    assert_eq!(page["entries"][0]["entry"]["data"], tails[0]);
}
