//! What tests of reports begin with: a log told as days, kinds and data.

use super::facts::{Facts, Moment};
use super::known::{Approval, Decision};
use super::window::Window;
use super::{Basis, Head, Verification};
use schemas::{ContentRef, Data, Event, EventId, Hash, Timestamp};
use serde_json::{Value, json};

pub const HASH: &str = "abababababababababababababababababababababababababababababababab";

/// A day, or a day and a time of UTC; a kind; its data. Beside those, `by` is who did it and
/// `content` a bucket that content goes to.
pub type Step<'s> = (&'s str, &'s str, Value);

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An id that a test can name again.
pub fn id(number: u8) -> EventId {
    EventId::new(at("2026-11-01T00:00:00.000000Z"), [number; 10])
}

/// Of November 2026.
pub fn basis(size: usize) -> Basis {
    Basis {
        organisation: "株式会社サンプル商事".to_owned(),
        log: "ledger.example.co.jp/daicho".to_owned(),
        head: Head {
            size: size as u64,
            root: Hash([9; 32]),
            at: at("2026-12-01T00:00:00.000000Z"),
        },
        verification: Verification::NotRun,
        period: Some(Window::parse("2026-11", Default::default()).unwrap()),
        begun: None,
        hours: None,
        rules: None,
        folded: None,
        program: "daicho 0.0.0".to_owned(),
    }
}

pub fn folded(basis: &Basis, steps: &[Step]) -> Facts {
    let mut facts = Facts::new(basis).unwrap();
    for (position, (day, kind, data)) in steps.iter().enumerate() {
        let time = match day.len() {
            10 => at(&format!("{day}T09:00:00.000000Z")),
            _ => at(day),
        };
        let mut content: Vec<ContentRef> = Vec::new();
        let mut data = data.clone();
        let mut beside = |key: &str| data.as_object_mut().unwrap().remove(key);
        if let Some(bucket) = beside("content") {
            let reference = json!({
                "name": "note", "media": "text/plain", "bucket": bucket, "sealed": HASH,
                "sealed_bytes": 9, "plain_bytes": 5,
            });
            content.push(serde_json::from_value(reference).unwrap());
        }
        let actor = beside("by").unwrap_or_else(|| json!("user:s001"));
        let actor = actor.as_str().unwrap().parse().unwrap();
        let data = Data::parse(kind, &data.to_string()).unwrap_or_else(|e| panic!("{kind}: {e}"));
        let event = Event::new(EventId::new(time, [position as u8; 10]), actor, data);
        facts.take(position as u64, time, &event, &content);
    }
    facts
}

/// Asked at this time, granted so many seconds later.
pub fn granted(number: u8, asked: &str, seconds: i64) -> Approval {
    let position = u64::from(number) * 2;
    let asked = at(asked);
    let answered = Moment {
        position: position + 1,
        at: Timestamp::from_micros(asked.micros() + seconds * 1_000_000),
    };
    Approval {
        approval: id(number),
        subject: "action".to_owned(),
        requester: "agent:cfo".to_owned(),
        requested: Moment {
            position,
            at: asked,
        },
        deadline: at("2026-12-31T00:00:00.000000Z"),
        needed: 1,
        state: "granted",
        answered: Some(answered),
        decisions: vec![Decision {
            approver: "user:s001".to_owned(),
            approves: true,
            moment: answered,
        }],
        used: None,
    }
}
