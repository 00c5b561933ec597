//! Planted personal data and secrets: after a day of calls, blocks, errors and reports they
//! stand in no file but sealed content, no log line, no export, no page; what is prohibited
//! not even in sealed content.

use crate::world::{Ledger, Server, daicho, overwrite, provider, wait_for, walk};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::io::Read;
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Invented. May be sealed, and may not stand anywhere else.
const PERSONAL: [&str; 5] = [
    "桐島聡一郎",
    "桐島",
    "090-5555-0163",
    "soichiro.kirishima",
    "神田小川町三丁目7番1号",
];

/// Invented. May not even be sealed.
const PROHIBITED: [&str; 4] = [
    "123456789018",
    "4111 1111 1111 1111",
    "sk-ant-api03-Qw3rTy9UiOp2As5DfGh7JkLzXc1VbNm4Qw8ErTy6Ui0OpAs3DfGh5JkLz9XcVbNm2Qw7ErTyUiOpAsDf1GhJkLzXc-ZxCvBnMaAA",
    "業績予想の下方修正",
];

const PROVIDER_KEY: &str = "provider-key-that-nobody-may-see-4711";

/// A provider that repeats what it was asked, and once lets a key slip into its answer.
pub fn upstream() -> String {
    let answer = |body: &Value, leak: bool| {
        let asked = body["messages"][0]["content"].as_str().unwrap_or_default();
        let text = if leak {
            PROHIBITED[2].to_owned()
        } else {
            format!("「{asked}」ですね。")
        };
        json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                "content": [{ "type": "text", "text": text }], "usage": { "input_tokens": 1, "output_tokens": 1 } })
    };
    let messages = post(async move |Json(body): Json<Value>| {
        let leak = body["model"] == "leaks";
        Json(answer(&body, leak))
    });
    let app = Router::new()
        .route("/v1/messages", messages)
        .route("/", get(async || "up"));
    provider(app)
}

/// Takes whatever comes, as a SIEM does.
fn siem() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let received: Arc<Mutex<Vec<u8>>> = Arc::default();
    let shelf = Arc::clone(&received);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                shelf.lock().unwrap().extend(&buffer[..count]);
            }
        }
    });
    (port, received)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let ascii: String = text
        .encode_utf16()
        .map(|unit| {
            if unit < 0x80 {
                char::from(unit as u8).to_string()
            } else {
                format!("\\u{unit:04x}")
            }
        })
        .collect();
    let compact: String = text.chars().filter(|c| *c != ' ' && *c != '-').collect();
    [text, &ascii, &compact].iter().any(|form| {
        bytes
            .windows(form.len())
            .any(|window| window == form.as_bytes())
    })
}

#[track_caller]
fn clean(what: &str, bytes: &[u8], planted: &[&str]) {
    for text in planted {
        assert!(
            !holds(bytes, text),
            "{what} holds a planted value ({} bytes)",
            text.len()
        );
    }
}

#[test]
fn planted_personal_data_and_secrets_stand_in_no_file_log_line_export_or_page() {
    let ledger = Ledger::new();
    let (port, exported) = siem();
    let config = std::fs::read_to_string(ledger.dir.join("daicho.toml")).unwrap();
    let config = config.replace("https://api.anthropic.com", &upstream())
        + &format!(
            "\n[[export]]\nname = \"siem\"\ntransport = \"tcp\"\nhost = \"127.0.0.1\"\nport = {port}\n"
        );
    overwrite(&ledger.dir.join("daicho.toml"), config.as_bytes());
    let token = ledger
        .run(&["agents", "register", "cfo"])
        .ok()
        .trim()
        .to_owned();

    // The server's own words go to a file, all of them.
    let words = ledger.beside("stderr");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 2>\"$0\""]).arg(&words);
    command
        .arg(daicho(&ledger.dir).get_program())
        .arg("--data")
        .arg(&ledger.dir);
    command
        .env("DAICHO_LOG", "trace")
        .env("ANTHROPIC_API_KEY", PROVIDER_KEY);
    let server = Server::start(&ledger.dir, command);
    let call = |text: &str, model: &str, stream: bool| {
        let body = json!({ "model": model, "max_tokens": 9, "stream": stream,
                           "messages": [{ "role": "user", "content": text }] });
        let request = server
            .client
            .post(server.url("/anthropic/v1/messages"))
            .header("x-api-key", &token);
        let answer = request.json(&body).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };

    let personal = format!(
        "{}様（{}、{}@example.co.jp）のご住所は東京都千代田区{}です。{}様に連絡してください。",
        PERSONAL[0], PERSONAL[2], PERSONAL[3], PERSONAL[4], PERSONAL[1]
    );
    let (status, answer) = call(&personal, "m", false);
    assert_eq!(status, 200, "{answer}");
    clean("the answer to the agent", answer.as_bytes(), &PERSONAL);
    for text in [
        format!("マイナンバーは {} です。", PROHIBITED[0]),
        format!("カード番号は {} です。", PROHIBITED[1]),
        format!("鍵は {} です。", PROHIBITED[2]),
        format!(
            "未公表の{}について、発表まで口外しないでください。",
            PROHIBITED[3]
        ),
    ] {
        let (status, answer) = call(&format!("{text}{personal}"), "m", false);
        assert_eq!(status, 403, "{answer}");
        clean(
            "a refusal",
            answer.as_bytes(),
            &[&PERSONAL[..], &PROHIBITED].concat(),
        );
    }
    let (status, _) = call("鍵の形を教えてください。", "leaks", false);
    assert_eq!(status, 200);
    let broken = format!("{{\"messages\": \"{personal}{}", PROHIBITED[2]);
    let request = server
        .client
        .post(server.url("/anthropic/v1/messages"))
        .header("x-api-key", &token);
    let answer = request.body(broken).send().unwrap();
    assert_eq!(answer.status(), 400);
    clean(
        "an error",
        &answer.bytes().unwrap(),
        &[&PERSONAL[..], &PROHIBITED].concat(),
    );
    let event = json!({ "kind": "backup.completed", "actor": "user:s001",
        "data": { "destination": format!("{}様方", PERSONAL[0]), "size": 1, "root": "0".repeat(64) } });
    let answer = server
        .post("application/json", event.to_string())
        .send()
        .unwrap();
    assert_eq!(answer.status(), 400);
    clean("a refused event", &answer.bytes().unwrap(), &PERSONAL);

    let size = server.json("/api/v1/events?limit=1")["size"]
        .as_u64()
        .unwrap();
    wait_for("the views and the SIEM have it all", || {
        let status = &server.json("/api/v1/export")[0];
        status["lag_entries"] == 0
            && server.json("/api/v1/events?limit=1")["size"].as_u64() >= Some(size)
    });
    let all: Vec<&str> = [&PERSONAL[..], &PROHIBITED, &[PROVIDER_KEY, &token]].concat();
    for page in [
        "/",
        "/metrics",
        "/api/v1/events",
        "/api/v1/export",
        "/log/checkpoint",
        "/log/tile/entries/000.p/5",
    ] {
        clean(page, &server.get(page).bytes().unwrap(), &all);
    }
    clean("the export", &exported.lock().unwrap(), &all);
    assert!(!exported.lock().unwrap().is_empty());
    server.stop();

    let newest = ledger
        .run(&["--json", "events", "--newest", "--limit", "1"])
        .lines();
    let month = newest[0]["at"].as_str().unwrap()[..7].to_owned();
    for name in [
        "retention",
        "transfers",
        "monthly",
        "approvals",
        "access",
        "incidents",
        "controls",
    ] {
        for format in ["html", "json", "csv", "md"] {
            let mut args = vec!["report", name, "--format", format];
            if name != "retention" {
                args.extend(["--month", &month]);
            }
            let report = ledger.run(&args).ok();
            clean(&format!("{name} as {format}"), report.as_bytes(), &all);
        }
    }
    let bundle = ledger.beside("bundle.zip");
    ledger.run(&["bundle", "-o", bundle.to_str().unwrap()]).ok();
    clean("a bundle", &std::fs::read(bundle).unwrap(), &all);
    let events = ledger.run(&["events", "--json"]).ok();
    clean("events", events.as_bytes(), &all);
    clean(
        "verify",
        ledger.run(&["verify", "--json"]).ok().as_bytes(),
        &all,
    );
    let words = std::fs::read(words).unwrap();
    assert!(!words.is_empty(), "the server was asked to say everything");
    clean("the server's log lines", &words, &all);
    for path in walk(&ledger.dir) {
        clean(
            &path.display().to_string(),
            &std::fs::read(&path).unwrap(),
            &all,
        );
    }
    // Sealed content holds what the agent said, and nothing that is prohibited.
    let mut opened = String::new();
    for seq in 0..size {
        opened.push_str(&ledger.run(&["show", &seq.to_string(), "--content"]).ok());
    }
    assert!(
        opened.contains(PERSONAL[0]),
        "what may be sealed is there for those who may read it"
    );
    clean(
        "opened content",
        opened.as_bytes(),
        &[&PROHIBITED[..], &[PROVIDER_KEY, &token]].concat(),
    );
    assert!(
        events.contains("rule.violated"),
        "a secret that came back is told"
    );
}
