//! Transcripts of the time before daicho.

use crate::world::{Ledger, Ran, World};
use ledger::Reader;
use serde_json::{Value, json};

const CARD: &str = "5555-5555-5555-4444";
const NAME: &str = "桐島聡一郎";

fn line(kind: &str, uuid: &str, message: &Value) -> String {
    let line = json!({
        "parentUuid": null, "isSidechain": false, "cwd": "/home/dev/shop", "sessionId": "7f3c1c8e",
        "version": "2.1.330", "type": kind, "uuid": uuid, "timestamp": "2026-01-02T03:04:05.678Z",
        "message": message,
    });
    format!("{line}\n")
}

fn transcript() -> String {
    let used = json!({ "role": "assistant", "model": "claude-x", "content": [
        { "type": "tool_use", "id": "toolu_1", "name": "Bash", "input": { "command": "ls" } } ] });
    let result = json!({ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "toolu_1", "content": format!("card {CARD}") } ] });
    let summary = json!({ "type": "summary", "summary": "一覧", "leafUuid": "u3" });
    [
        line(
            "user",
            "u1",
            &json!({ "role": "user", "content": format!("{NAME}さんへ") }),
        ),
        line("assistant", "u2", &used),
        line("user", "u3", &result),
        format!("\n{{\"type\":\"user\",\"message\":\"{CARD}\n"),
        format!("{summary}\n"),
    ]
    .concat()
}

fn import(ledger: &Ledger, text: &str) -> Ran {
    import_by("user:s001", ledger, text)
}

fn import_by(importer: &str, ledger: &Ledger, text: &str) -> Ran {
    let path = ledger.beside("session.jsonl");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let by = ["--agent", "dev", "--by", importer];
    ledger.run(&[&["--json", "import", "transcript", &path][..], &by].concat())
}

#[track_caller]
fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"))
}

#[test]
fn each_line_is_imported_once_sealed_and_marked_and_a_bad_one_is_named() {
    let world = World::new();
    // Beside the server, and then with the ledger to itself.
    let World { ledger, server, .. } = world;
    let text = transcript();
    let first = import(&ledger, &text);
    assert_eq!(first.code, 1, "{first:?}");
    assert!(first.err.contains("session.jsonl:5: "), "{first:?}");
    let said = told(&first);
    assert_eq!((&said["lines"], &said["imported"]), (&json!(5), &json!(5)));
    assert_eq!(said["sessions"], json!(["7f3c1c8e"]));
    assert_eq!(said["faults"][0]["line"], 5);
    assert!(!format!("{first:?}").contains("5555"));

    let lines = ledger.events("transcript.imported");
    assert_eq!(lines.len(), 5);
    let by = |line: &Value| line["actor"] == "agent:dev" && line["data"]["by"] == "user:s001";
    assert!(lines.iter().all(by));
    assert_eq!(lines[0]["occurred"], "2026-01-02T03:04:05.678000Z");
    assert_eq!(lines[1]["data"]["tool_uses"], json!(["toolu_1"]));
    assert_eq!(lines[2]["data"]["found"][0]["count"], 1);
    assert!(lines[3]["data"]["entry"].is_null() && lines[3]["session"].is_null());
    let file = &ledger.events("log.ingested")[0]["data"];
    assert_eq!(
        (&file["lines"], &file["lines_sha256"]),
        (&said["lines"], &said["sha256"])
    );
    // What nobody saw here is no witness, and no session of the gateway's.
    for kind in ["alert.raised", "session.started", "hook.reported"] {
        assert_eq!(ledger.events(kind), [] as [Value; 0]);
    }

    let entries = ledger.verify()["entries"].clone();
    let again = told(&import(&ledger, &text));
    assert_eq!(
        (&again["imported"], &again["known"]),
        (&json!(0), &json!(5))
    );
    assert_eq!(ledger.verify()["entries"], entries);
    // Somebody else vouches for the same file: their word for it is all that is new.
    let other = told(&import_by("user:s002", &ledger, &text));
    assert_eq!(
        (&other["imported"], &other["known"]),
        (&json!(0), &json!(5))
    );
    let files = ledger.events("log.ingested");
    let by: Vec<&Value> = files.iter().map(|file| &file["actor"]).collect();
    assert_eq!(by, ["user:s001", "user:s002"]);
    assert_eq!(files[1]["data"], files[0]["data"]);
    assert_eq!(ledger.events("transcript.imported").len(), 5);

    assert_eq!(server.stop(), 0);
    let more = text + &line("user", "u4", &json!({ "role": "user", "content": "次" }));
    let more = told(&import(&ledger, &more));
    assert_eq!((&more["imported"], &more["known"]), (&json!(1), &json!(5)));
    assert_eq!(ledger.events("log.ingested").len(), 3);

    // Sealed, and as it came but for what may never be kept.
    let reader = Reader::open(&ledger.dir).unwrap();
    let kept = |line: &Value| {
        let entry = reader.entry(line["seq"].as_u64().unwrap()).unwrap();
        String::from_utf8(reader.content(&entry.content()[0]).unwrap()).unwrap()
    };
    assert_eq!(
        format!("{}\n", kept(&lines[0])),
        transcript().lines().next().unwrap().to_owned() + "\n"
    );
    assert!(lines.iter().all(|line| !kept(line).contains("5555")));
    for path in crate::world::walk(&ledger.dir) {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains(CARD) && !text.contains(NAME),
            "{}",
            path.display()
        );
    }
    ledger.verify();
}

#[test]
fn a_file_that_is_not_there_or_empty_changes_nothing() {
    let ledger = Ledger::new();
    // The first use adopts the policies.
    assert_eq!(import(&ledger, "").code, 0);
    let before = ledger.state();
    let nowhere = ["import", "transcript", "/nowhere/x.jsonl", "--agent", "dev"];
    ledger.run(&nowhere).refused(&["/nowhere/x.jsonl"]);
    assert_eq!(import(&ledger, "\n").code, 0);
    assert_eq!(ledger.state(), before);
}
