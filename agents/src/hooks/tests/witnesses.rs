//! What the gateway, hooks and telemetry tell of the same uses of tools.

use super::*;
use schemas::kinds::traffic::{ToolCalled, ToolReturned};

/// What the gateway, the client and its telemetry tell of one session.
struct Turns(World);

const SESSION: &str = "7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11";

impl Turns {
    fn traffic(&self, data: impl Into<Data>) -> u64 {
        let agent = Actor::Agent("dev".parse().unwrap());
        let event = Event::new(self.0.appender.new_id(), agent, data);
        let event = event.in_session(Some(Label::lossy(SESSION)));
        self.0.appender.append(vec![event.into()]).unwrap()[0].seq
    }

    fn called(&self, tool_use: &str) -> u64 {
        self.traffic(ToolCalled {
            call: self.0.appender.new_id(),
            tool: Label::lossy("Read"),
            tool_use: Label::lossy(tool_use),
            arguments_sha256: Hash::ZERO,
        })
    }

    fn returned(&self, tool_use: &str) -> u64 {
        self.traffic(ToolReturned {
            call: self.0.appender.new_id(),
            tool_use: Label::lossy(tool_use),
            result_sha256: Hash::ZERO,
            is_error: false,
        })
    }

    fn hooked(&self, tool_use: &str, prompt: &str) -> u64 {
        let tool = json!({ "tool_name": "Read", "tool_use_id": tool_use, "tool_input": {}, "prompt_id": prompt });
        self.0.tell(&event("PreToolUse", tool));
        self.0.reader.size() - 1
    }

    /// All that happens in a use which every witness sees.
    fn used(&self, tool_use: &str, prompt: &str) {
        self.called(tool_use);
        self.hooked(tool_use, prompt);
        self.returned(tool_use);
    }

    fn prompted(&self, prompt: &str) {
        let typed = json!({ "prompt": "go on", "prompt_id": prompt });
        self.0.tell(&event("UserPromptSubmit", typed));
    }

    fn raised_by(&self, act: impl FnOnce()) -> Vec<(String, Vec<u64>)> {
        let before = self.0.reader.size();
        act();
        let entries = self.0.reader.entries(before..self.0.reader.size());
        let raised = entries.filter_map(|entry| match entry.unwrap().data() {
            Data::AlertRaised(raised) => {
                Some((raised.detector.to_string(), raised.positions.clone()))
            }
            _ => None,
        });
        raised.collect()
    }

    fn ended(&self) -> Vec<(String, Vec<u64>)> {
        let end = event("SessionEnd", json!({ "reason": "other" }));
        self.raised_by(|| drop(self.0.tell(&end)))
    }

    /// What a server finds when it looks, so many hours later.
    fn overdue(&self, hours: i64) -> Vec<(String, Vec<u64>)> {
        let now = self.0.reader.head().at.micros() + hours * 3_600_000_000;
        let now = Timestamp::from_micros(now);
        self.raised_by(|| {
            let overdue = self.0.witnesses.read(|uses| uses.overdue(now));
            self.0.appender.append(overdue).unwrap();
            self.0.index.catch_up().unwrap();
        })
    }

    fn newest(&self) -> u64 {
        self.0.reader.size() - 1
    }

    fn stop(&self) -> Vec<(String, Vec<u64>)> {
        let stop = event("Stop", json!({ "stop_hook_active": false }));
        self.raised_by(|| drop(self.0.tell(&stop)))
    }

    /// Claude Code's telemetry: name, number, prompt and, of a tool, its use.
    fn telemetry(&self, records: &[(&str, u64, &str, Option<&str>)]) -> Vec<(String, Vec<u64>)> {
        let body = Capture::new(export(records).to_string().into_bytes());
        let agent = "dev".parse().unwrap();
        let export = crate::telemetry::Export::read(&agent, &body, &self.0.masker).unwrap();
        assert_eq!((export.sessions.len(), export.rejected), (1, 0));
        self.raised_by(|| {
            self.0.appender.append(export.submissions).unwrap();
            self.0.index.catch_up().unwrap();
            let (agent, session) = (Actor::Agent(agent), Label::lossy(SESSION));
            let shown = self.0.witnesses.read(|uses| uses.shown(&agent, &session));
            self.0.appender.append(shown).unwrap();
            self.0.index.catch_up().unwrap();
        })
    }
}

/// As Claude Code sends it (http/json); a number is a text there, as the mapping of Protocol Buffers has it.
fn export(records: &[(&str, u64, &str, Option<&str>)]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let records: Vec<Value> = records
        .iter()
        .map(|(name, sequence, prompt, tool_use)| {
            let mut attributes = vec![
                text("session.id", SESSION),
                text("event.name", name),
                text("prompt.id", prompt),
                json!({ "key": "event.sequence", "value": { "intValue": sequence.to_string() } }),
            ];
            if let Some(tool_use) = tool_use {
                attributes.push(text("tool_use_id", tool_use));
                attributes.push(text("tool_name", "Read"));
            }
            json!({ "timeUnixNano": "1795968000000000000",
                "body": { "stringValue": format!("claude_code.{name}") }, "attributes": attributes })
        })
        .collect();
    json!({ "resourceLogs": [{ "resource": { "attributes": [text("service.name", "claude-code")] },
        "scopeLogs": [{ "scope": { "name": "com.anthropic.claude_code.events" }, "logRecords": records }] }] })
}

fn alerts<const N: usize>(of: [(&str, &[u64]); N]) -> Vec<(String, Vec<u64>)> {
    of.map(|(detector, at)| (detector.to_owned(), at.to_vec()))
        .into()
}

#[test]
fn what_one_witness_saw_and_the_other_did_not_is_an_alert_once() {
    let turns = Turns(World::new());
    turns.called("toolu_0");
    assert_eq!(turns.stop(), [], "before there was a hook");
    turns.prompted("p1");
    turns.used("toolu_1", "p1");
    turns.called("srvtoolu_1");
    assert_eq!(turns.stop(), []);
    let (bare, past) = (turns.called("toolu_2"), turns.hooked("toolu_3", "p2"));
    let expected = alerts([("past-the-gateway", &[past]), ("without-a-hook", &[bare])]);
    assert_eq!(turns.stop(), expected);
    assert_eq!(turns.stop(), [], "told of once");
    let (kept, forged) = (turns.called("toolu_5"), turns.returned("toolu_6"));
    turns.hooked("toolu_5", "p3");
    let expected = alerts([("without-a-call", &[forged]), ("without-a-result", &[kept])]);
    assert_eq!(turns.stop(), expected);
    let inner = json!({ "tool_name": "Read", "tool_use_id": "toolu_4", "tool_input": {}, "agent_id": "a1" });
    turns.0.tell(&event("PreToolUse", inner));
    assert_eq!(turns.stop(), [], "its answer may be on its way");
    turns.called("toolu_4");
    assert_eq!(turns.stop(), [], "and has come");
}

#[test]
fn a_result_of_what_was_called_before_a_resumed_session_is_no_forgery() {
    let turns = Turns(World::new());
    let start = json!({ "source": "resume" });
    turns.0.tell(&event("SessionStart", start));
    turns.returned("toolu_1");
    assert_eq!(turns.stop(), []);
}

#[test]
fn telemetry_is_held_against_what_was_called_once_it_has_passed() {
    let turns = Turns(World::new());
    turns.prompted("p1");
    turns.used("toolu_1", "p1");
    let first = [
        ("user_prompt", 0, "p1", None),
        ("tool_result", 1, "p1", Some("toolu_1")),
    ];
    assert_eq!(turns.telemetry(&first), []);
    // Of the second, telemetry never tells; of the third, nobody else does.
    let silent = turns.called("toolu_2");
    turns.hooked("toolu_2", "p1");
    turns.returned("toolu_2");
    assert_eq!(turns.stop(), []);
    assert_eq!(
        turns.telemetry(&[("tool_result", 2, "p1", Some("toolu_3"))]),
        []
    );
    let alone = turns.0.reader.size() - 1;
    turns.prompted("p2");
    turns.used("toolu_4", "p2");
    assert_eq!(turns.stop(), [], "whose telemetry is on its way");
    let expected = alerts([
        ("past-the-gateway", &[alone]),
        ("without-telemetry", &[silent]),
    ]);
    assert_eq!(turns.telemetry(&[("user_prompt", 3, "p2", None)]), expected);
    assert_eq!(
        turns.telemetry(&[("tool_result", 4, "p2", Some("toolu_4"))]),
        []
    );
    turns.prompted("p3");
    assert_eq!(
        turns.telemetry(&[("user_prompt", 5, "p3", None)]),
        [],
        "told of once"
    );
}

#[test]
fn lost_telemetry_is_an_alert_and_no_use_is_missed_for_it() {
    let turns = Turns(World::new());
    turns.prompted("p1");
    assert_eq!(turns.telemetry(&[("user_prompt", 0, "p1", None)]), []);
    turns.used("toolu_1", "p1");
    assert_eq!(turns.stop(), []);
    turns.prompted("p2");
    let raised = turns.telemetry(&[("user_prompt", 3, "p2", None)]);
    assert_eq!(
        raised,
        alerts([("telemetry-gap", &[turns.0.reader.size() - 2])])
    );
    // The client was started again and counts from the beginning.
    assert_eq!(
        turns.telemetry(&[("tool_result", 0, "p2", Some("toolu_9"))]),
        []
    );
}

#[test]
fn telemetry_that_comes_after_its_sessions_end_is_compared_all_the_same() {
    let turns = Turns(World::new());
    turns.prompted("p1");
    turns.used("toolu_1", "p1");
    assert_eq!(turns.stop(), []);
    assert_eq!(turns.ended(), []);
    // A client exports when it leaves: after its last hook.
    let last = [
        ("user_prompt", 0, "p1", None),
        ("tool_result", 1, "p1", Some("toolu_1")),
    ];
    assert_eq!(turns.telemetry(&last), []);
    let raised = turns.telemetry(&[("tool_result", 2, "p1", Some("toolu_2"))]);
    assert_eq!(
        raised,
        alerts([("past-the-gateway", &[turns.newest() - 1])])
    );
    assert_eq!(
        turns.telemetry(&[("tool_decision", 3, "p1", Some("toolu_2"))]),
        [],
        "told of once"
    );
    assert_eq!(turns.overdue(2), []);
}

#[test]
fn what_telemetry_told_too_late_is_an_alert_of_its_own() {
    let turns = Turns(World::new());
    turns.prompted("p1");
    turns.used("toolu_1", "p1");
    let silent = turns.newest() - 2;
    assert_eq!(turns.telemetry(&[("user_prompt", 0, "p1", None)]), []);
    assert_eq!(turns.stop(), []);
    turns.prompted("p2");
    let missed = alerts([("without-telemetry", &[silent])]);
    assert_eq!(turns.telemetry(&[("user_prompt", 1, "p2", None)]), missed);
    // It was on its way, and so was what nobody here can compare any more.
    for late in ["toolu_1", "toolu_0"] {
        let raised = turns.telemetry(&[("tool_result", 2, "p1", Some(late))]);
        assert_eq!(raised, alerts([("late-telemetry", &[turns.newest() - 1])]));
    }
    turns.prompted("p3");
    assert_eq!(turns.telemetry(&[("user_prompt", 3, "p3", None)]), []);
}

#[test]
fn telemetry_of_a_session_that_no_hook_told_of_is_an_alert_once() {
    let turns = Turns(World::new());
    assert_eq!(turns.telemetry(&[("user_prompt", 0, "p1", None)]), []);
    let used = |n, tool_use| turns.telemetry(&[("tool_result", n, "p1", Some(tool_use))]);
    let expected = alerts([("telemetry-without-hooks", &[turns.newest() + 1])]);
    assert_eq!(used(1, "toolu_1"), expected);
    assert_eq!(used(2, "toolu_2"), []);
    // Once there is a hook, it is a session like any other.
    turns.prompted("p2");
    turns.used("toolu_3", "p2");
    assert_eq!(turns.stop(), []);
}

#[test]
fn a_session_without_an_end_of_its_turn_is_compared_when_it_ends_or_has_been_quiet() {
    // Interrupted: no `Stop`, and the client left.
    let turns = Turns(World::new());
    turns.prompted("p1");
    turns.used("toolu_1", "p1");
    let past = turns.hooked("toolu_2", "p1");
    // Nobody asks the model again, so no result is due.
    turns.called("toolu_3");
    turns.hooked("toolu_3", "p1");
    assert_eq!(turns.ended(), alerts([("past-the-gateway", &[past])]));
    assert_eq!(turns.overdue(48), []);

    // Killed: neither.
    let turns = Turns(World::new());
    turns.prompted("p1");
    turns.used("toolu_1", "p1");
    assert_eq!(turns.telemetry(&[("user_prompt", 0, "p1", None)]), []);
    assert_eq!(turns.stop(), []);
    let unseen = turns.newest() - 4;
    let past = turns.hooked("toolu_2", "p2");
    assert_eq!(turns.overdue(0), [], "it may be at work");
    let expected = alerts([
        ("past-the-gateway", &[past]),
        ("without-telemetry", &[unseen]),
    ]);
    assert_eq!(turns.overdue(2), expected);
    assert_eq!(turns.overdue(2), [], "told of once");
}

#[test]
fn telemetry_is_recorded_once_and_without_what_is_prohibited() {
    let world = World::new();
    let agent = "dev".parse().unwrap();
    let mut told = export(&[("user_prompt", 0, "p1", None)]);
    let attributes = &mut told["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"];
    let said = json!({ "key": "prompt", "value": { "stringValue": format!("pay with {CARD}") } });
    attributes.as_array_mut().unwrap().push(said);
    let other = json!({ "body": { "stringValue": "http.server.request" } });
    let records = &mut told["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    records.as_array_mut().unwrap().push(other);
    let body = Capture::new(told.to_string().into_bytes());
    for new in [true, false] {
        let export = crate::telemetry::Export::read(&agent, &body, &world.masker).unwrap();
        assert_eq!(export.rejected, 1);
        let receipts = world.appender.append(export.submissions).unwrap();
        assert!(receipts.iter().all(|receipt| receipt.new == new));
    }
    let Data::TelemetryReported(told) = world.newest() else {
        panic!("{:?}", world.newest());
    };
    assert_eq!(
        (told.event.as_str(), told.sequence),
        ("user_prompt", Some(0))
    );
    assert_eq!(told.found.len(), 1);
    let entry = world.reader.entry(world.reader.size() - 1).unwrap();
    let content = world.reader.content(&entry.content()[0]).unwrap();
    let content = String::from_utf8(content).unwrap();
    assert!(
        !content.contains("4444") && content.contains("pay with"),
        "{content}"
    );
}

#[test]
fn what_is_no_export_of_logs_is_refused() {
    let world = World::new();
    let read = |body: &str| {
        let body = Capture::new(body.as_bytes().to_vec());
        crate::telemetry::Export::read(&"dev".parse().unwrap(), &body, &world.masker)
            .map(|read| (read.submissions.len(), read.rejected))
            .map_err(|error| error.to_string())
    };
    let form = "the body is not a JSON object with `resourceLogs` (OTLP over HTTP, http/json)";
    for body in ["", "[]", "{}", "\n\u{1}\u{12}", r#"{"resourceLogs":{}}"#] {
        assert_eq!(read(body), Err(form.to_owned()), "{body}");
    }
    assert_eq!(
        read(r#"{"resourceLogs":[{"scopeLogs":7},null,{}]}"#),
        Ok((0, 0))
    );
    let odd = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"claude_code.x"},"attributes":[{"key":"event.sequence"},{"key":"session.id","value":{"arrayValue":{}}},9]},3]}]}]}"#;
    assert_eq!(read(odd), Ok((1, 1)));
}
