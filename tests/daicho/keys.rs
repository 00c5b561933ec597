//! The signing key: replaced while everybody works, kept under a passphrase, or on a token
//! that it never leaves.

use crate::format::second_verifier;
use crate::oracle::{Question, logcheck};
use crate::world::{Ledger, Ran, cannot_run, daicho, drill, has, ndjson, run, say};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn vkeys(ledger: &Ledger) -> Vec<String> {
    let keys = ledger.run(&["key", "history", "--json"]).lines();
    let vkey = |key: &Value| key["vkey"].as_str().unwrap().to_owned();
    keys.iter().map(vkey).collect()
}

fn show(ledger: &Ledger) -> String {
    ledger.run(&["key", "show"]).ok().trim().to_owned()
}

/// Both verifiers accept the log under each of these keys, and under no stranger's.
fn verifies(ledger: &Ledger, vkeys: &[String]) {
    let stranger = show(&Ledger::new());
    for (vkey, code) in vkeys.iter().map(|vkey| (vkey, 0)).chain([(&stranger, 1)]) {
        let ran = ledger.run(&["verify", "--vkey", vkey]);
        assert_eq!(ran.code, code, "{vkey}: {ran:?}");
        match second_verifier(&ledger.dir, &["--vkey", vkey]) {
            Some(second) => assert_eq!(second.code, code, "{vkey}: {second:?}"),
            None => cannot_run("keys", "no python3 with the package cryptography"),
        }
    }
}

#[test]
fn a_running_server_gets_a_new_key_and_no_producer_notices() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let told = ledger.run(&["key", "rotate", "--json"]).lines().remove(0);
    assert_eq!(told["seq"], 2);
    assert_eq!(
        (&told["kept"], &told["was"]),
        (&json!("plain"), &json!("plain"))
    );

    let server = ledger.serve();
    let before = ledger.beside("before");
    std::fs::write(&before, server.text("/log/checkpoint")).unwrap();
    let over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::SeqCst) {
                let event = server.post("application/json", drill("restore").to_string());
                let answer = event.send().unwrap();
                assert!(answer.status().is_success(), "{answer:?}");
                sent += 1;
            }
            sent
        });
        for reason in ["scheduled", "leaked", "custody"] {
            let ran = ledger.run(&["key", "rotate", "--reason", reason]);
            let vkey = show(&ledger);
            assert!(ran.ok().contains(&vkey));
        }
        over.store(true, Ordering::SeqCst);
        producer.join().unwrap()
    });
    say(&format!(
        "keys: 3 rotations among {sent} appends, none refused"
    ));

    // Nobody else may do it, and what cannot be done changes nothing.
    let keys = vkeys(&ledger);
    assert_eq!(keys.len(), 5);
    let rotate = || server.client.post(server.url("/api/v1/key/rotate"));
    assert_eq!(rotate().body("{}").send().unwrap().status().as_u16(), 401);
    let asked = rotate()
        .bearer_auth(&server.token)
        .body("{\"reason\":\"boredom\"}");
    assert_eq!(asked.send().unwrap().status().as_u16(), 400);
    let forged = json!({
        "kind": "key.rotated", "actor": "user:s001",
        "data": { "vkey": show(&Ledger::new()), "reason": "scheduled" },
    });
    let forged = server.post("application/json", forged.to_string()).send();
    assert!(forged.unwrap().status().is_client_error());
    assert_eq!(
        ledger.run(&["key", "rotate", "--reason", "boredom"]).code,
        2
    );
    ledger
        .run(&["key", "protect"])
        .refused(&["holds", "stop that process"]);
    assert_eq!(vkeys(&ledger), keys);

    // Go's own code reads the log: the newest checkpoint and the one from before.
    if logcheck().is_some() {
        let proofs = ledger.beside("proofs");
        std::fs::create_dir(&proofs).unwrap();
        let proof = server.text("/api/v1/proofs/1");
        std::fs::write(proofs.join("1.tlog-proof"), proof).unwrap();
        let body = ledger.run(&["events", "--json", "--from", "1", "--limit", "1"]);
        std::fs::write(proofs.join("1.body"), body.ok().trim_end()).unwrap();
        let judge = Question {
            url: server.url("/log"),
            vkey: &keys.join(" "),
            proofs: &proofs,
            olds: vec![before],
            mirror: None,
        };
        judge.ask().ok();
    } else {
        cannot_run("keys", "no go");
    }
    assert_eq!(server.stop(), 0);
    let report = ledger.verify();
    let signs = report["keys"].as_array().unwrap();
    assert!(signs.len() == 5 && signs.iter().all(|key| key["signed"] == true));
    verifies(&ledger, &keys);

    // A copy is verified too, and made again into a ledger that goes on.
    let copy = ledger.beside("copy");
    ledger
        .run(&["backup", copy.to_str().unwrap(), "--with-keys"])
        .ok();
    let restored = Ledger::none();
    let from = ["restore", copy.to_str().unwrap(), "--vkey", &keys[2]];
    restored.run(&from).ok();
    restored.append(&[drill("restore")]);
    verifies(&restored, &keys);
}

/// Something was refused for lack of `parts`, and whoever only reads does not notice.
#[track_caller]
fn is_locked(ledger: &Ledger, ran: Ran, parts: &[&str]) {
    ran.refused(parts);
    ledger.verify();
    ledger.run(&["events"]).ok();
    ledger.run(&["show", "0"]).ok();
    ledger.run(&["prove", "0"]).ok();
    show(ledger);
}

fn configure(ledger: &Ledger, line: &str) {
    let path = ledger.dir.join("daicho.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text.replace("[key]\n", &format!("[key]\n{line}\n"))).unwrap();
}

fn secret(path: &Path, text: &str) -> String {
    std::fs::write(path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn under_a_passphrase_the_key_signs_for_nobody_who_lacks_it() {
    let ledger = Ledger::new();
    let plain = std::fs::read_to_string(ledger.dir.join("keys/ledger.key")).unwrap();
    let seed = plain.trim_end().splitn(5, '+').nth(4).unwrap();
    let words = secret(&ledger.beside("words"), "correct horse battery staple");
    let short = secret(&ledger.beside("short"), "hunter2");
    let event = ndjson(&[drill("restore")]);
    let append = |ledger: &Ledger| ledger.run_with(&["append"], event.as_bytes());

    ledger
        .run(&["key", "protect"])
        .refused(&["no new passphrase"]);
    let weak = ["key", "protect", "--passphrase-file", &short];
    ledger.run(&weak).refused(&["fewer than 12 characters"]);
    append(&ledger).ok();
    let protect = ["key", "protect", "--passphrase-file", &words];
    assert!(ledger.run(&protect).ok().contains("passphrase (was plain)"));
    for file in crate::world::walk(&ledger.dir) {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(seed), "the seed lies in {}", file.display());
    }
    let lacking = ["under a passphrase", "passphrase_file"];
    is_locked(&ledger, append(&ledger), &lacking);
    is_locked(&ledger, ledger.run(&["key", "rotate"]), &lacking);
    assert!(ledger.run(&["doctor"]).ok().contains("under a passphrase"));

    configure(&ledger, "passphrase_file = \"../words\"");
    append(&ledger).ok();
    std::fs::write(ledger.beside("words"), "correct horse battery stable\n").unwrap();
    is_locked(&ledger, append(&ledger), &["does not open the key"]);
    std::fs::remove_file(ledger.beside("words")).unwrap();
    is_locked(&ledger, append(&ledger), &["words: "]);
    secret(&ledger.beside("words"), "correct horse battery staple");

    // The next key is under the same passphrase, made by whoever holds the ledger.
    let server = ledger.serve();
    let rotated = ledger.run(&["key", "rotate", "--json"]).lines().remove(0);
    assert_eq!(rotated["kept"], "passphrase");
    assert_eq!(server.stop(), 0);
    append(&ledger).ok();

    // The service manager hands it over.
    let bare = ledger.copy();
    let text = std::fs::read_to_string(bare.dir.join("daicho.toml")).unwrap();
    let text = text.replace("passphrase_file = \"../words\"\n", "");
    std::fs::write(bare.dir.join("daicho.toml"), text).unwrap();
    is_locked(&bare, append(&bare), &lacking);
    let credentials = bare.beside("credentials");
    std::fs::create_dir(&credentials).unwrap();
    secret(
        &credentials.join("daicho-passphrase"),
        "correct horse battery staple",
    );
    let mut command = daicho(&bare.dir);
    command
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .arg("append");
    run(command, event.as_bytes()).ok();

    // A file that asks for everything gets nothing.
    let path = bare.dir.join("keys/ledger.key");
    let text = std::fs::read_to_string(&path).unwrap();
    let greedy = text.replace("\"memory_kib\":65536", "\"memory_kib\":4000000000");
    assert_ne!(text, greedy);
    std::fs::write(&path, greedy).unwrap();
    let mut command = daicho(&bare.dir);
    command
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .arg("append");
    is_locked(&bare, run(command, event.as_bytes()), &["1 GiB"]);
    std::fs::write(&path, "{\"vkey\":").unwrap();
    is_locked(&bare, append(&bare), &["not readable as one"]);
    std::fs::remove_file(&path).unwrap();
    is_locked(&bare, append(&bare), &["signing key is not at"]);

    // Another passphrase, then none.
    let other = secret(&ledger.beside("other"), "a dozen other words");
    ledger
        .run(&["key", "protect", "--passphrase-file", &other])
        .ok();
    is_locked(&ledger, append(&ledger), &["does not open the key"]);
    configure(&ledger, "");
    secret(&ledger.beside("words"), "a dozen other words");
    let kept = ledger
        .run(&["key", "unprotect", "--json"])
        .lines()
        .remove(0);
    assert_eq!(kept, json!({ "kept": "plain", "was": "passphrase" }));
    std::fs::remove_file(ledger.beside("words")).unwrap();
    append(&ledger).ok();
    verifies(&ledger, &vkeys(&ledger));
    #[cfg(not(windows))]
    ledger
        .run(&["key", "protect", "--system"])
        .refused(&["use a passphrase"]);
}

/// A SoftHSM of the test's own.
struct Token {
    conf: PathBuf,
    tokens: PathBuf,
    pin: PathBuf,
}

const PIN: &str = "4321";

impl Token {
    fn module() -> Option<&'static str> {
        let places = [
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/lib64/pkcs11/libsofthsm2.so",
        ];
        let there = places.into_iter().find(|place| Path::new(place).exists());
        there.filter(|_| has("softhsm2-util", "--version"))
    }

    fn new(ledger: &Ledger) -> Token {
        let token = Token {
            conf: ledger.beside("softhsm2.conf"),
            tokens: ledger.beside("tokens"),
            pin: ledger.beside("pin"),
        };
        std::fs::create_dir(&token.tokens).unwrap();
        let conf = format!("directories.tokendir = {}\n", token.tokens.display());
        std::fs::write(&token.conf, conf).unwrap();
        secret(&token.pin, PIN);
        let mut make = Command::new("softhsm2-util");
        make.args(["--init-token", "--free", "--label", "daicho"]);
        make.args(["--so-pin", "12345678", "--pin", PIN]);
        run(token.known_to(make), b"").ok();
        token
    }

    fn known_to(&self, mut command: Command) -> Command {
        command.env("SOFTHSM2_CONF", &self.conf);
        command
    }

    fn run(&self, ledger: &Ledger, args: &[&str], input: &str) -> Ran {
        let mut command = self.known_to(daicho(&ledger.dir));
        command.args(args);
        run(command, input.as_bytes())
    }
}

#[test]
fn a_key_on_a_token_signs_and_never_leaves_it() {
    let Some(module) = Token::module() else {
        return cannot_run("token", "no softhsm2");
    };
    let ledger = Ledger::none();
    let token = Token::new(&ledger);
    let event = ndjson(&[drill("restore")]);
    let pin = token.pin.to_str().unwrap();
    let init = [
        "init",
        "--origin",
        crate::world::ORIGIN,
        "--token",
        "daicho",
    ];
    let init = [&init[..], &["--token-key", "log-1", "--module", module]].concat();
    token.run(&ledger, &init, "").refused(&["no PIN is given"]);
    token
        .run(&ledger, &[&init[..], &["--pin-file", pin]].concat(), "")
        .ok();
    token
        .run(&ledger, &[&init[..], &["--pin-file", pin]].concat(), "")
        .refused(&["already holds a ledger"]);
    token.run(&ledger, &["append"], &event).ok();
    let kept = std::fs::read_to_string(ledger.dir.join("keys/ledger.key")).unwrap();
    assert!(kept.contains("\"key\":\"log-1\"") && !kept.contains("PRIVATE"));

    // In a server, whose rate is the token's; and to the next key on the token while it runs.
    let server = crate::world::Server::start(&ledger.dir, token.known_to(daicho(&ledger.dir)));
    let events: Vec<Value> = (0..2_000).map(|_| drill("restore")).collect();
    let begun = Instant::now();
    let sent = server.post("application/x-ndjson", ndjson(&events)).send();
    assert!(sent.unwrap().status().is_success());
    let rate = 2_000.0 / begun.elapsed().as_secs_f64();
    say(&format!(
        "token: {rate:.0} entries/s in one batch, signed by SoftHSM"
    ));
    ledger
        .run(&["key", "rotate"])
        .refused(&["no place for the next"]);
    let next = ["key", "rotate", "--token", "daicho", "--token-key", "log-2"];
    assert!(ledger.run(&next).ok().contains("stays on its token"));
    ledger.run_with(&["append"], event.as_bytes()).ok();
    assert_eq!(server.stop(), 0);

    // To a file and back again.
    assert!(token.run(&ledger, &["key", "protect"], "").code == 2);
    let back = ["key", "rotate", "--file", "--reason", "custody"];
    token.run(&ledger, &back, "").ok();
    ledger.run_with(&["append"], event.as_bytes()).ok();
    let again = ["key", "rotate", "--token", "daicho", "--token-key", "log-1"];
    // A key that has been in force is over for this log.
    token
        .run(&ledger, &again, "")
        .refused(&["has been in force before"]);
    let third = ["key", "rotate", "--token", "daicho", "--token-key", "log-3"];
    token.run(&ledger, &third, "").ok();
    token.run(&ledger, &["append"], &event).ok();
    assert_eq!(vkeys(&ledger).len(), 4);
    verifies(&ledger, &vkeys(&ledger));

    // Each thing that can be missing is named, and nothing that only reads misses it.
    let append = |ledger: &Ledger| token.run(ledger, &["append"], &event);
    secret(&token.pin, "1111");
    is_locked(&ledger, append(&ledger), &["the PIN is not the token's"]);
    std::fs::remove_file(&token.pin).unwrap();
    is_locked(&ledger, append(&ledger), &["pin: "]);
    secret(&token.pin, PIN);
    let renamed = kept.replace("log-1", "log-9");
    let path = ledger.dir.join("keys/ledger.key");
    let sound = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, sound.replace("log-3", "log-9")).unwrap();
    is_locked(
        &ledger,
        append(&ledger),
        &["holds no Ed25519 key \"log-9\""],
    );
    std::fs::write(&path, sound.replace("log-3", "log-2")).unwrap();
    is_locked(&ledger, append(&ledger), &["the token's key is"]);
    std::fs::write(&path, renamed).unwrap();
    is_locked(&ledger, append(&ledger), &["this log is signed by"]);
    std::fs::write(&path, sound).unwrap();
    let config = ledger.dir.join("daicho.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(module, "/nowhere.so")).unwrap();
    is_locked(&ledger, append(&ledger), &["/nowhere.so cannot be loaded"]);
    std::fs::write(&config, text).unwrap();
    append(&ledger).ok();

    // Pulled out while it serves, and put back: nothing more is acknowledged until the next start.
    let server = crate::world::Server::start(&ledger.dir, token.known_to(daicho(&ledger.dir)));
    let aside = ledger.beside("aside");
    std::fs::rename(&token.tokens, &aside).unwrap();
    let refused = server.post("application/json", drill("restore").to_string());
    let refused = refused.send().unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert!(
        refused
            .text()
            .unwrap()
            .contains("the signing key cannot be used")
    );
    std::fs::rename(&aside, &token.tokens).unwrap();
    assert!(!server.get("/readyz").status().is_success());
    drop(server);
    append(&ledger).ok();
    ledger.verify();

    std::fs::remove_dir_all(&token.tokens).unwrap();
    std::fs::create_dir(&token.tokens).unwrap();
    is_locked(
        &ledger,
        append(&ledger),
        &["no token \"daicho\" is attached"],
    );
}
