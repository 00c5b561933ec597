//! A privacy officer's request over HTTP: the same two signatures, and once however often it is sent.

use super::{PERSON, approve, ledger, show, sound, there};
use crate::world::{Server, wait_for};
use serde_json::{Value, json};

fn post(server: &Server, token: &str, body: &Value) -> (u16, Value) {
    let request = server.client.post(server.url("/api/v1/erasures"));
    let request = request.bearer_auth(token).body(body.to_string());
    let answer = request.send().unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_str(&answer.text().unwrap()).unwrap(),
    )
}

#[test]
fn an_officer_asks_for_an_erasure_over_the_api_and_two_people_decide() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let server = ledger.serve();
    let token = server.token.clone();
    let id = "018f0000-0000-7000-8000-00000000c0de";
    let wish = json!({ "erasure": id, "person": PERSON, "case": "2026-17", "basis": "appi-35",
        "reason": "本人の請求", "by": "user:s009" });
    let with = |change: &[(&str, Value)]| {
        let mut other = wish.clone();
        for (field, value) in change {
            other[*field] = value.clone();
        }
        other
    };
    assert_eq!(post(&server, "wrong", &wish).0, 401);
    for (change, status, part) in [
        (with(&[("person", json!("c-1"))]), 409, "no content"),
        (
            with(&[("person", json!("yamada.taro"))]),
            422,
            "staff number",
        ),
        (with(&[("case", json!("090-1234-5678"))]), 422, "rule"),
        (with(&[("reason", json!(" "))]), 409, "reason"),
        (
            with(&[(
                "keys",
                json!([{ "bucket": "api/2026-01", "subject": "0".repeat(32) }]),
            )]),
            409,
            "person, or of keys",
        ),
        (with(&[("month", json!("x"))]), 400, "month"),
        (json!({ "person": PERSON }), 400, "case"),
    ] {
        let (code, told) = post(&server, &token, &change);
        let told = told.to_string();
        assert!(code == status && told.contains(part), "{code} {told}");
    }
    assert_eq!(ledger.events("erasure.requested"), [] as [Value; 0]);

    // At once from several places, and later once more: one request.
    let answers: Vec<(u16, Value)> = std::thread::scope(|threads| {
        let asks: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| post(&server, &token, &wish)))
            .collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    let again = post(&server, &token, &wish);
    let news = answers.iter().filter(|(code, _)| *code == 201).count();
    assert_eq!((news, again.0), (1, 200), "{answers:?}");
    for (code, told) in answers.iter().chain([&again]) {
        assert_eq!(told["new"], json!(*code == 201));
        for field in ["erasure", "approval", "seq", "keys", "deadline"] {
            assert_eq!(told[field], again.1[field], "{field}");
        }
    }
    assert_eq!(ledger.events("erasure.requested").len(), 1);
    assert_eq!(again.1["erasure"], json!(id));
    for other in [
        with(&[("reason", json!("別の請求"))]),
        with(&[("person", json!("c-9999"))]),
        with(&[("by", json!("user:s010"))]),
    ] {
        let (code, told) = post(&server, &token, &other);
        assert_eq!(code, 409, "{told}");
        assert!(told["error"].as_str().unwrap().contains("in other words"));
    }

    // Whoever asked does not decide; two others do.
    let approval = again.1["approval"].as_str().unwrap();
    let own = ledger.approver("s009");
    let args = [
        "approvals",
        "approve",
        approval,
        "--by",
        "user:s009",
        "--key",
        &own,
    ];
    assert_ne!(ledger.run(&args).code, 0);
    approve(&ledger, approval, &keys);
    wait_for("the erasure", || {
        ledger.events("erasure.completed").len() == 2
    });
    show(&ledger, seqs[0]).refused(&["it was erased"]);
    let rows = server.json("/api/v1/erasures");
    let rows = rows.as_array().unwrap();
    assert!(
        rows.iter()
            .all(|row| row["method"] == "subject-key-destroyed"),
        "{rows:?}"
    );
    // It stays what it was, whoever sends it again.
    assert_eq!(post(&server, &token, &wish), again);
    assert_eq!(server.stop(), 0);
    sound(&ledger);
}
