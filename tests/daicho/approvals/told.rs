//! How approvers hear: a webhook that Python's own server takes, a command of the shell.

use super::{FAR, Office, requested};
use crate::world::{Server, cannot_run, daicho, receiver, wait_for};
use serde_json::{Value, json};

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().map(serde_json::from_str);
    whole.map_while(Result::ok).collect()
}

#[test]
fn approvers_are_told_by_webhook_and_command_once_and_again_where_that_failed() {
    let office = Office::new("", &[]);
    let Some((mut refusing, port)) = receiver(&office.ledger.beside("posted"), 503) else {
        return cannot_run("approvals", "python3 is not there");
    };
    let kept = office.ledger.beside("kept");
    let config = |port: u16, summary: &str| {
        let settings = format!(
            "[notify]\nwebhook_file = 'approvals.url'\nattempts = 2\nsummary = '{summary}'\n\
             command = ['sh', '-c', 'cat >> \"$0\"; echo >> \"$0\"; env > \"$0.env\"', '{}']\n",
            kept.display()
        );
        std::fs::write(office.ledger.dir.join("daicho.toml"), settings).unwrap();
        let url = format!("http://127.0.0.1:{port}/hooks/s3cret\n");
        std::fs::write(office.ledger.dir.join("approvals.url"), url).unwrap();
    };
    config(port, "none");
    let mut command = daicho(&office.ledger.dir);
    command.env("ANTHROPIC_API_KEY", "sk-invented");
    let server = Server::start(&office.ledger.dir, command);
    let mail = json!({ "to": "山田太郎 <taro@example.co.jp>", "body": "山田太郎様" });
    let (verdict, _) = office.asks(&server, "mcp__mail__send", mail.clone());
    assert_eq!(verdict, "deny");
    let told = || office.entries("approval.notified");
    wait_for("both channels have come to an end", || told().len() == 2);
    let by = |channel: &str| {
        let told = told();
        let of = |entry: &&Value| entry["data"]["channel"] == channel;
        told.iter()
            .rfind(of)
            .map(|entry| entry["data"].clone())
            .unwrap()
    };
    assert_eq!(by("command")["outcome"], "delivered");
    assert_eq!(
        (&by("webhook")["outcome"], &by("webhook")["attempts"]),
        (&json!("given_up"), &json!(2))
    );
    let posted = office.ledger.beside("posted");
    assert_eq!(
        (lines(&posted).len(), lines(&kept).len()),
        (2, 1),
        "as often as was tried"
    );
    let message = &lines(&kept)[0];
    assert_eq!(message["approval"], by("command")["approval"]);
    assert_eq!(
        (&message["tool"], &message["requester"]),
        (&json!("mcp__mail__send"), &json!("agent:dev"))
    );
    assert!(message.get("summary").is_none(), "{message}");
    let surroundings = std::fs::read_to_string(office.ledger.beside("kept.env")).unwrap();
    assert!(!surroundings.contains("sk-invented"), "{surroundings}");

    let metrics = server.text("/metrics");
    for line in [
        "daicho_notify_delivered{channel=\"command\"} 1",
        "daicho_notify_failed_attempts{channel=\"webhook\"} 2",
        "daicho_notify_given_up{channel=\"webhook\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    let doctor = office.ledger.run(&["doctor"]).out;
    let wrong = doctor
        .lines()
        .find(|line| line.contains("approvers"))
        .unwrap();
    assert!(
        wrong.starts_with("WRONG") && wrong.contains("by webhook"),
        "{wrong}"
    );
    assert!(!metrics.contains("s3cret") && !doctor.contains("s3cret"));
    assert_eq!(server.stop(), 0);
    refusing.kill().unwrap();
    refusing.wait().unwrap();

    // Asked while nobody served; and the channel that failed works again.
    std::fs::remove_file(&posted).unwrap();
    let (mut taking, port) = receiver(&office.ledger.beside("posted"), 204).unwrap();
    config(port, "masked");
    office.ledger.append(&[requested(1, &"22".repeat(32), FAR)]);
    let server = office.ledger.serve();
    wait_for("each is told what it does not know", || told().len() == 5);
    let posted = lines(&posted);
    assert_eq!(
        (posted.len(), lines(&kept).len()),
        (2, 2),
        "the command was told of one already"
    );
    let summary = posted
        .iter()
        .find_map(|message| message["summary"].as_str());
    assert!(summary.unwrap().contains("Y.T.様"), "{posted:?}");
    assert!(
        posted
            .iter()
            .all(|message| !message.to_string().contains("山田"))
    );
    assert_eq!(server.stop(), 0);
    let server = office.ledger.serve();
    assert_eq!(
        office
            .asks(&server, "mcp__mail__send", json!({ "to": "x" }))
            .0,
        "deny"
    );
    wait_for("only what is new is told", || told().len() == 7);
    assert_eq!(server.stop(), 0);
    taking.kill().unwrap();
    taking.wait().unwrap();
    office.ledger.verify();
}
