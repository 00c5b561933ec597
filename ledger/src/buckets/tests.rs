use super::*;
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::records::{HoldReleased, RetentionExpired, RetentionExtended, TimeSource};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Hash, Label};

/// A log in memory.
#[derive(Default)]
struct Log {
    buckets: Buckets,
    size: u64,
}

fn bucket(text: &str) -> BucketId {
    text.parse().expect("sound")
}

fn period(text: &str) -> Period {
    text.parse().expect("sound")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("sound")
}

fn id(n: u8) -> EventId {
    EventId::derived(Hash([n; 32]))
}

impl Log {
    fn take(&mut self, event: Event, contents: &[&str]) {
        let content: Vec<ContentRef> = contents
            .iter()
            .map(|text| ContentRef {
                name: "request".parse().expect("sound"),
                media: "text/plain".parse().expect("sound"),
                bucket: bucket(text),
                sealed: Hash([self.size as u8; 32]),
                sealed_bytes: 10,
                plain_bytes: 10,
                subject: None,
            })
            .collect();
        let time = Timestamp::from_micros(self.size as i64 * 1_000_000);
        self.buckets.take(self.size, time, &event, &content);
        self.size += 1;
    }

    fn fact(&mut self, data: impl Into<Data>) {
        let actor = "service:test".parse().expect("sound");
        self.take(Event::new(id(self.size as u8), actor, data), &[]);
    }

    /// Somebody has done something in a session, with content in this bucket.
    fn content(&mut self, actor: &str, session: &str, of: &str) {
        let data = AuthSucceeded {
            subject: "user:e1".parse().expect("sound"),
            method: "token".parse().expect("sound"),
        };
        let event = Event::new(id(self.size as u8), actor.parse().expect("sound"), data);
        let session: Label = session.parse().expect("sound");
        self.take(event.in_session(Some(session)), &[of]);
    }

    fn adopt(&mut self, rules: &[(&str, &str)]) {
        let periods = rules
            .iter()
            .map(|(class, text)| (class.parse().expect("sound"), period(text)));
        self.fact(PolicyAdopted {
            policy: POLICY.parse().expect("sound"),
            digest: Hash::ZERO,
            previous: None,
            approvals: Vec::new(),
            periods: Some(periods.collect()),
            must_keep: None,
        });
    }

    fn extend(&mut self, of: &str, by: &str) {
        let (bucket, period) = (bucket(of), period(by));
        let due = due(&bucket, period);
        self.fact(RetentionExtended {
            bucket,
            period,
            due,
        });
    }

    fn place(&mut self, hold: u8, scope: HoldScope, buckets: &[&str]) {
        self.fact(HoldPlaced {
            hold: id(hold),
            case: "c-1".parse().expect("sound"),
            scope,
            buckets: buckets.iter().map(|text| bucket(text)).collect(),
            approvals: Vec::new(),
            approvers: Vec::new(),
        });
    }

    fn release(&mut self, hold: u8) {
        self.fact(HoldReleased {
            hold: id(hold),
            case: "c-1".parse().expect("sound"),
            approvals: Vec::new(),
            approvers: Vec::new(),
        });
    }

    fn due(&self, of: &str) -> Option<String> {
        let due = self.buckets.get(&bucket(of)).expect("there").due?;
        Some(due.to_string()[..10].to_owned())
    }

    fn held(&self, of: &str) -> Vec<EventId> {
        self.buckets.held_by(&bucket(of))
    }
}

fn of_session(session: &str) -> HoldScope {
    HoldScope {
        session: Some(session.parse().expect("sound")),
        ..HoldScope::default()
    }
}

#[test]
fn each_class_is_kept_as_the_company_asks_before_anybody_changes_it() {
    let periods: Vec<_> = default_periods()
        .into_iter()
        .map(|(class, period)| (class.to_string(), period.to_string()))
        .collect();
    let asked = [
        ("api", "P30D"),
        ("auth", "P1Y"),
        ("change", "forever"),
        ("ledger", "forever"),
        ("network", "P1Y"),
        ("operation", "P1Y"),
    ];
    let asked = asked.map(|(class, period)| (class.to_owned(), period.to_owned()));
    assert_eq!(periods, asked);
}

#[test]
fn a_due_date_is_fixed_where_a_bucket_opens_and_only_ever_moves_away() {
    let mut log = Log::default();
    log.adopt(&[("api", "P30D"), ("auth", "P1Y"), ("change", "forever")]);
    for of in ["api/2026-01", "auth/2026-01", "change/2026-01"] {
        log.content("agent:cfo", "s", of);
    }
    assert_eq!(log.due("api/2026-01").as_deref(), Some("2026-03-03"));
    assert_eq!(log.due("auth/2026-01").as_deref(), Some("2027-02-01"));
    assert_eq!(log.due("change/2026-01"), None);

    // Shorter, or without the class: only for what opens from here on.
    log.adopt(&[("api", "P1D"), ("change", "P1D")]);
    for of in [
        "api/2026-01",
        "api/2026-02",
        "auth/2026-02",
        "change/2026-01",
    ] {
        log.content("agent:cfo", "s", of);
    }
    assert_eq!(log.due("api/2026-01").as_deref(), Some("2026-03-03"));
    assert_eq!(log.due("api/2026-02").as_deref(), Some("2026-03-02"));
    assert_eq!(log.due("auth/2026-01").as_deref(), Some("2027-02-01"));
    assert_eq!(log.due("change/2026-01"), None);
    let far = at("2099-01-01T00:00:00.000000Z");
    let no_rule = log.buckets.may_end(&bucket("auth/2026-02"), far);
    assert!(matches!(no_rule, Err(Kept::NoRule { .. })));
    let forever = log.buckets.may_end(&bucket("change/2026-01"), far);
    assert!(matches!(forever, Err(Kept::Forever { .. })));

    // An extension that is none changes nothing, also where somebody has written it.
    for (of, by) in [
        ("api/2026-01", "P1D"),
        ("change/2026-01", "P1D"),
        ("auth/2026-02", "P1D"),
        ("auth/2031-01", "P9Y"),
    ] {
        log.extend(of, by);
    }
    assert_eq!(log.due("api/2026-01").as_deref(), Some("2026-03-03"));
    assert_eq!(log.due("change/2026-01"), None);
    assert_eq!(log.due("auth/2026-02"), None);
    assert!(log.buckets.get(&bucket("auth/2031-01")).is_none());
    log.extend("api/2026-01", "P2M");
    assert_eq!(log.due("api/2026-01").as_deref(), Some("2026-04-01"));
    log.extend("api/2026-01", "forever");
    assert_eq!(log.due("api/2026-01"), None);

    // What opened before any rule named its class gets the first that does.
    log.adopt(&[("auth", "P2Y")]);
    assert_eq!(log.due("auth/2026-02").as_deref(), Some("2028-03-01"));
}

#[test]
fn what_two_holds_cover_is_held_until_both_are_released_and_new_content_with_it() {
    let mut log = Log::default();
    log.adopt(&[("api", "P30D")]);
    log.content("agent:cfo", "s-1", "api/2026-01");
    log.place(101, of_session("s-1"), &["api/2026-01"]);
    let of_actor = HoldScope {
        actor: Some("agent:cfo".parse().expect("sound")),
        ..HoldScope::default()
    };
    log.place(102, of_actor, &["api/2026-01"]);
    let now = at("2027-01-01T00:00:00.000000Z");
    let kept = log.buckets.may_end(&bucket("api/2026-01"), now);
    let holds = vec![id(101), id(102)];
    assert_eq!(
        kept,
        Err(Kept::Held {
            bucket: bucket("api/2026-01"),
            holds
        })
    );

    log.content("agent:other", "s-1", "api/2026-02");
    log.content("agent:cfo", "s-2", "api/2026-03");
    log.content("agent:other", "s-2", "api/2026-04");
    assert_eq!(log.held("api/2026-02"), [id(101)]);
    assert_eq!(log.held("api/2026-03"), [id(102)]);
    assert_eq!(log.held("api/2026-04"), []);

    log.release(101);
    assert_eq!(log.held("api/2026-01"), [id(102)]);
    log.content("agent:other", "s-1", "api/2026-05");
    assert_eq!(log.held("api/2026-05"), [], "it was released");
    log.release(102);
    assert!(log.buckets.may_end(&bucket("api/2026-01"), now).is_ok());
    // The same hold again, or one that was never placed: nothing.
    log.place(101, of_session("s-1"), &["api/2026-01"]);
    log.release(77);
    assert_eq!(log.held("api/2026-01"), []);
}

#[test]
fn a_person_is_the_user_and_every_agent_that_was_registered_for_them() {
    use schemas::kinds::agents::{AgentRegistered, AgentUpdated};
    let mut log = Log::default();
    let registered = |agent: &str, person: Option<&str>| AgentRegistered {
        agent: agent.parse().expect("sound"),
        role: "secretary".parse().expect("sound"),
        data_class: schemas::DataClass::Mail,
        token_sha256: Hash::ZERO,
        token_until: None,
        model: None,
        person: person.map(|person| person.parse().expect("sound")),
    };
    log.fact(registered("one", Some("s001")));
    log.fact(registered("two", None));
    let scope = HoldScope {
        person: Some("s001".parse().expect("sound")),
        ..HoldScope::default()
    };
    log.place(101, scope, &[]);
    log.content("agent:one", "s", "api/2026-01");
    log.content("user:s001", "s", "api/2026-02");
    log.content("agent:two", "s", "api/2026-03");
    log.fact(AgentUpdated {
        agent: "two".parse().expect("sound"),
        role: None,
        data_class: None,
        token_sha256: None,
        token_until: None,
        model: None,
        person: Some("s001".parse().expect("sound")),
    });
    log.content("agent:two", "s", "api/2026-04");
    log.content("service:s001", "s", "api/2026-05");
    for (of, held) in [(1, true), (2, true), (3, false), (4, true), (5, false)] {
        let of = format!("api/2026-0{of}");
        assert_eq!(!log.held(&of).is_empty(), held, "{of}");
    }
}

#[test]
fn a_query_holds_what_fits_all_of_it() {
    let mut log = Log::default();
    let scope = HoldScope {
        class: Some("auth".parse().expect("sound")),
        kind: Some("auth.succeeded".parse().expect("sound")),
        since: Some(Timestamp::from_micros(2_000_000)),
        until: Some(Timestamp::from_micros(4_000_000)),
        ..HoldScope::default()
    };
    log.place(101, scope, &[]);
    for n in 1..6 {
        log.content("agent:cfo", "s", &format!("auth/2026-0{n}"));
    }
    let held: Vec<bool> = (1..6)
        .map(|n| !log.held(&format!("auth/2026-0{n}")).is_empty())
        .collect();
    assert_eq!(held, [false, true, true, false, false]);
    let one = HoldScope {
        bucket: Some(bucket("auth/2026-05")),
        ..HoldScope::default()
    };
    log.place(102, one, &["auth/2026-05"]);
    assert_eq!(log.held("auth/2026-05"), [id(102)]);
}

#[test]
fn what_has_ended_has_ended() {
    let mut log = Log::default();
    log.adopt(&[("api", "P30D")]);
    log.content("agent:cfo", "s", "api/2026-01");
    log.fact(RetentionExpired {
        bucket: bucket("api/2026-01"),
        due: at("2026-03-03T00:00:00.000000Z"),
        period: period("P30D"),
        entries: 1,
        contents: 1,
        sealed_bytes: 10,
        content_sha256: Hash::ZERO,
        method: "key-destroyed".parse().expect("sound"),
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
    });
    log.extend("api/2026-01", "forever");
    let now = at("2027-01-01T00:00:00.000000Z");
    let ended = log.buckets.may_end(&bucket("api/2026-01"), now);
    assert!(matches!(ended, Err(Kept::Ended { seq: 2, .. })));
    assert_eq!(log.due("api/2026-01").as_deref(), Some("2026-03-03"));
}
