use super::*;
use ledger::clock::SystemClock;
use ledger::{Appender, Index, Options};
use schemas::kinds::agents::AgentRegistered;
use schemas::kinds::traffic::{FailedOutcome, ModelFailed, ModelResponded, PromptSubmitted};
use schemas::{Data, DataClass, Event};

struct Ledger {
    _dir: tempfile::TempDir,
    appender: Appender,
    index: Index,
    spent: ledger::View<Spent>,
}

fn ledger() -> Ledger {
    let dir = tempfile::tempdir().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    let mut index = Index::in_memory(reader);
    let spent = index.add();
    Ledger {
        _dir: dir,
        appender,
        index,
        spent,
    }
}

fn agent() -> Actor {
    "agent:cfo".parse().unwrap()
}

impl Ledger {
    fn append(&self, actor: &str, data: impl Into<Data>) {
        let event = Event::new(self.appender.new_id(), actor.parse().unwrap(), data);
        self.appender.append(vec![event.into()]).unwrap();
        self.index.catch_up().unwrap();
    }

    fn asked(&self, operation: &str, bytes: u64, streaming: bool) -> EventId {
        let call = self.appender.new_id();
        let prompt = PromptSubmitted {
            call,
            provider: "anthropic".parse().unwrap(),
            operation: operation.parse().unwrap(),
            path: None,
            model: Some("claude-a".parse().unwrap()),
            streaming,
            messages: 1,
            body_bytes: bytes,
        };
        self.append("agent:cfo", prompt);
        call
    }

    fn answered(&self, call: EventId, tokens: [Option<u64>; 4], bytes: u64) {
        let responded = ModelResponded {
            call,
            status: 200,
            model: None,
            response_id: None,
            stop_reason: None,
            input_tokens: tokens[0],
            output_tokens: tokens[1],
            cache_read_tokens: tokens[2],
            cache_creation_tokens: tokens[3],
            tool_calls: 0,
            body_bytes: bytes,
            response_sha256: Hash::ZERO,
            first_byte_micros: 0,
            duration_micros: 0,
        };
        self.append("agent:cfo", responded);
    }

    fn failed(&self, call: EventId, outcome: FailedOutcome, status: Option<u16>, bytes: u64) {
        let failed = ModelFailed {
            call,
            outcome,
            status,
            input_tokens: None,
            output_tokens: Some(1),
            cache_read_tokens: None,
            cache_creation_tokens: None,
            body_bytes: bytes,
            response_sha256: None,
            duration_micros: None,
        };
        self.append("agent:cfo", failed);
    }

    fn total(&self) -> u64 {
        let now = self.appender.now();
        let total = |spent: &Spent| spent::total(spent.of(&agent()).and_then(|u| u.month(now)));
        self.spent.read(total)
    }
}

#[test]
fn tokens_are_the_providers_count_or_follow_from_bytes() {
    let ledger = ledger();
    let call = ledger.asked("messages", 9_000, false);
    ledger.answered(call, [Some(10), Some(20), Some(30), Some(40)], 500);
    assert_eq!(ledger.total(), 100);
    // A chat's stream that was not asked for its usage.
    let call = ledger.asked("chat.completions", 300, true);
    ledger.answered(call, [None; 4], 5_000);
    assert_eq!(ledger.total(), 100 + 100 + 50);
    // A stream that the client left had counted only its beginning.
    let call = ledger.asked("messages", 300, true);
    ledger.failed(call, FailedOutcome::ClientGone, Some(200), 1_000);
    assert_eq!(ledger.total(), 250 + 100 + 10);
    // What the provider refused or never saw, and a count, cost nothing.
    let call = ledger.asked("messages", 9_000, false);
    ledger.failed(call, FailedOutcome::UpstreamError, Some(529), 90);
    let call = ledger.asked("messages", 9_000, false);
    ledger.failed(call, FailedOutcome::Unreachable, None, 0);
    let call = ledger.asked("count_tokens", 9_000, false);
    ledger.answered(call, [Some(3_000), None, None, None], 30);
    assert_eq!(ledger.total(), 360);
    let now = ledger.appender.now();
    let later = spent::minute_end(now);
    let requests = |now| {
        let used = |spent: &Spent| spent.of(&agent()).unwrap().requests(now);
        ledger.spent.read(used)
    };
    assert_eq!(requests(later), 0);
}

#[test]
fn a_cost_is_the_sum_over_models_and_kinds_of_tokens() {
    let policy: LimitPolicy = serde_json::from_value(serde_json::json!({
        "each_agent": { "cost_per_day": 0.5 },
        "price": [
            { "model": "claude-a", "input": 10, "output": 50.5, "cache_read": 1 },
            { "model": "*", "input": 1, "output": 1 },
        ],
    }))
    .unwrap();
    let tokens = Tokens {
        input: 1_000_000,
        output: 2_000_000,
        cache_read: 500_000,
        cache_creation: 100_000,
    };
    let used = BTreeMap::from([("claude-a".to_owned(), tokens), ("b".to_owned(), tokens)]);
    let cost = spent::cost(Some(&used), |model| policy.price(model));
    assert_eq!(Money(cost).to_string(), "116.10");
    let text = serde_json::to_string(&policy).unwrap();
    let again: LimitPolicy = serde_json::from_str(&text).unwrap();
    assert_eq!(again.digest(), policy.digest());
}

#[test]
fn a_policy_that_cannot_be_kept_is_none() {
    let read = |json: &str| serde_json::from_str::<LimitPolicy>(json);
    let costly = read(r#"{"user":{"s001":{"cost_per_day":1}}}"#).unwrap();
    assert_eq!(costly.check(), Err(LimitPolicyError::NoPrice));
    for bad in [
        r#"{"each_agent":{"cost_per_day":-1}}"#,
        r#"{"each_agent":{"tokens":1}}"#,
        r#"{"each_agent":{"requests_per_minute":1.5}}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert!(LimitPolicy::default().is_empty());
}

#[test]
fn an_agents_own_line_comes_before_everyones() {
    let policy: LimitPolicy = serde_json::from_str(
        r#"{"each_agent":{"requests_per_minute":1,"models":["a*"]},"agent":{"cfo":{"models":["b"]}}}"#,
    )
    .unwrap();
    let policy = Arc::new(policy);
    let ledger = ledger();
    let registered = AgentRegistered {
        agent: "cfo".parse().unwrap(),
        role: "cfo".parse().unwrap(),
        data_class: DataClass::Internal,
        token_sha256: Hash::ZERO,
        token_until: None,
        model: None,
        person: Some("s001".parse().unwrap()),
    };
    ledger.append("user:s000", registered);
    let asking = Asking {
        call: ledger.appender.new_id(),
        provider: "anthropic".parse().unwrap(),
        destination: "api.test:443".parse().unwrap(),
        agent: "cfo".parse().unwrap(),
        person: Some("s001".parse().unwrap()),
    };
    let models = policy.models(&asking).unwrap();
    let allowed = |model: &str| models.check(Some(&model.parse().unwrap())).is_ok();
    assert!(allowed("b") && !allowed("a1") && !allowed("b1"));
    assert!(models.check(None).is_err());
    let amounts = |coming: u64| {
        let now = ledger.appender.now();
        let look = |spent: &Spent| policy.amounts(&asking, spent, |_| coming, now);
        ledger.spent.read(look)
    };
    assert!(amounts(0).is_ok());
    let reached = amounts(1).unwrap_err();
    assert_eq!(
        (reached.limit, reached.of),
        (LimitKind::RequestsPerMinute, agent())
    );
    let text = explain(&amounts(1).unwrap_err());
    assert!(
        text.contains("has used 1 of 1 requests in this minute"),
        "{text}"
    );
    assert_eq!(policy.agent.len(), 1);
}
