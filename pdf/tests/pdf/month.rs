//! The evidence of reports of a month, from a ledger of its own: three months of calls by an agent
//! and of a model with long names, and controls of every verdict.

use exporters::report::facts::Facts;
use exporters::report::known::{Known, Price, Prices};
use exporters::report::window::Window;
use exporters::report::{Basis, Head, Verification, controls, monthly};
use ledger::clock::Clock;
use ledger::verify::{Trust, verify};
use ledger::{Appender, Options};
use schemas::{Data, Event, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// As long as a handle may be.
pub const AGENT: &str = "agent-of-the-internal-audit-office-for-information-systems-tokyo";
const MODEL: &str =
    "株式会社とても長い名前の会社の情報システム統括本部内部監査室が調整した模型第三版";
const HASH: &str = "abababababababababababababababababababababababababababababababab";

#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn set(&self, to: &str) {
        let to: Timestamp = to.parse().unwrap();
        self.0.store(to.micros(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000, Ordering::SeqCst))
    }
}

fn append(appender: &Appender, actor: &str, kind: &str, data: Value) {
    let data = Data::parse(kind, &data.to_string()).unwrap();
    let event = Event::new(appender.new_id(), actor.parse().unwrap(), data);
    appender.append(vec![event.into()]).unwrap();
}

fn call(appender: &Appender, actor: &str, tokens: u64) {
    let call = appender.new_id();
    let events = [
        (
            "prompt.submitted",
            json!({
                "call": call, "provider": "anthropic", "operation": "messages", "model": MODEL,
                "streaming": true, "messages": 3, "body_bytes": 2_048,
            }),
        ),
        (
            "payload.masked",
            json!({
                "call": call, "destination": "https://api.example.com", "policy": HASH,
                "payload_sha256": HASH, "body_bytes": 2_048, "media": [], "tags": [],
                "tags_omitted": 0, "masks": [{ "rule": "japanese-postal-address-of-a-private-person", "count": 12 }],
            }),
        ),
        (
            "model.responded",
            json!({
                "call": call, "status": 200, "model": MODEL, "input_tokens": tokens,
                "output_tokens": tokens / 3, "cache_read_tokens": tokens * 1_000,
                "cache_creation_tokens": tokens * 7, "tool_calls": 0, "body_bytes": 900,
                "response_sha256": HASH, "first_byte_micros": 1, "duration_micros": 2,
            }),
        ),
    ];
    for (kind, data) in events {
        append(appender, actor, kind, data);
    }
}

/// The JSON of `monthly` and of `controls`.
pub fn evidence() -> [(&'static str, String); 2] {
    let dir = tempfile::tempdir().unwrap();
    let clock = Hands(Arc::default());
    clock.set("2026-09-02T00:00:00.000000Z");
    ledger::create(dir.path(), "ledger.example.co.jp/daicho", &clock).unwrap();
    let options = Options {
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    let (appender, reader) = ledger::open(dir.path(), options).unwrap();
    let registered = json!({
        "agent": AGENT, "role": "cfo", "data_class": "internal", "token_sha256": HASH,
        "person": "s001",
    });
    append(&appender, "user:s001", "agent.registered", registered);
    for (month, calls) in [("09", 3), ("10", 9), ("11", 6)] {
        clock.set(&format!("2026-{month}-05T01:00:00.000000Z"));
        for number in 0..calls {
            call(&appender, &format!("agent:{AGENT}"), 123_456 + number);
            call(&appender, "agent:cfo", 98_765_432);
        }
    }
    // One control that is met and one that is not; most are not evidenced.
    append(
        &appender,
        "user:s001",
        "user.activated",
        json!({ "user": "s001" }),
    );
    let refused = json!({ "vendor": "example", "outcome": "refused" });
    append(&appender, "user:s001", "vendor.reviewed", refused);

    let trust = Trust::default();
    let checked = verify(dir.path(), &trust, |_| {}).unwrap();
    let basis = Basis {
        organisation: "株式会社サンプル・ホールディングス".to_owned(),
        log: "ledger.example.co.jp/daicho".to_owned(),
        head: Head::of(&checked),
        begun: Some(reader.entry(0).unwrap().at()),
        verification: Verification::of(&checked, &trust),
        period: Some(Window::parse("2026-11", Default::default()).unwrap()),
        hours: Some("mon-fri 09:00-18:00".parse().unwrap()),
        rules: None,
        folded: None,
        program: "daicho 0.0.0".to_owned(),
    };
    let mut facts = Facts::new(&basis).unwrap();
    for position in 0..basis.head.size {
        facts.fold(&reader.entry(position).unwrap());
    }
    let price = Price([3_000_000, 15_000_000, 300_000, 3_750_000]);
    let prices = Prices {
        adopted: None,
        of: [(MODEL.to_owned(), price)].into(),
    };
    let known = Known {
        prices,
        ..Known::default()
    };
    let monthly = monthly::report(&facts, &known, basis.clone()).unwrap();
    let controls = controls::report(&facts, &known, basis).unwrap();
    [
        ("monthly", monthly.to_json()),
        ("controls", controls.to_json()),
    ]
}
