use super::*;
use crate::approvals::signature::{generate, sign};
use crate::approvals::statement::Verdict;
use crate::approvals::view::State;
use crate::approvals::{decide, statement};
use crate::masking::{Policy, TagKey};
use ledger::clock::SystemClock;
use ledger::{AppendError, Appender, Index, Options, Reader, View};
use schemas::kinds::people::UserActivated;
use schemas::{Hash, Period};
use serde_json::json;
use zeroize::Zeroizing;

mod drafts;
mod permissions;
mod witnesses;

const CARD: &str = "5555-5555-5555-4444";

/// A ledger with one approver, and what a hook is decided on.
struct World {
    _dir: tempfile::TempDir,
    appender: Appender,
    reader: Reader,
    index: Index,
    drafts: View<Drafts>,
    approvals: View<Approvals>,
    witnesses: View<Witnesses>,
    masker: Masker,
    policy: ToolPolicy,
    key: Zeroizing<String>,
    approvers_needed: u64,
    now: Timestamp,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
        let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
        let mut index = Index::in_memory(reader.clone());
        let (drafts, approvals, witnesses) = (index.add(), index.add(), index.add());
        let (key, public) = generate().unwrap();
        let activated = UserActivated {
            user: "s002".parse().unwrap(),
            approver_key: Some(public.label().clone()),
        };
        let operator = Actor::Service("operator".parse().unwrap());
        let event = Event::new(appender.new_id(), operator, activated);
        appender.append(vec![event.into()]).unwrap();
        let now = appender.now();
        World {
            _dir: dir,
            appender,
            reader,
            index,
            drafts,
            approvals,
            witnesses,
            masker: Masker::new(Policy::default(), TagKey::new([1; 32])).unwrap(),
            policy: ToolPolicy::default(),
            key,
            approvers_needed: 1,
            now,
        }
    }

    fn decide(&self, body: &Value) -> Decided {
        self.decide_of(Client::ClaudeCode, body)
    }

    fn decide_of(&self, client: Client, body: &Value) -> Decided {
        let body = Capture::new(body.to_string().into_bytes());
        let id = self.appender.new_id();
        let call = HookCall::read(id, "dev".parse().unwrap(), client, &body).unwrap();
        let seen = call.look(&body, &self.masker).unwrap();
        self.decided(&seen)
    }

    fn decided(&self, seen: &Seen<'_>) -> Decided {
        self.index.catch_up().unwrap();
        let terms = Terms {
            policy: Hash::ZERO,
            deadline: self.now.after(Period::Days(7)).unwrap(),
            approvers_needed: self.approvers_needed,
        };
        self.drafts.read(|drafts| {
            self.approvals.read(|approvals| {
                self.witnesses.read(|witnesses| {
                    seen.decide(&Surroundings {
                        policy: &self.policy,
                        drafts,
                        approvals,
                        witnesses,
                        terms,
                        asked: None,
                        calls: 3,
                        now: self.now,
                    })
                })
            })
        })
    }

    fn append(&self, decided: Decided) -> Result<Value, AppendError> {
        self.appender.append(decided.batch).map(|_| decided.answer)
    }

    fn tell(&self, body: &Value) -> Value {
        self.append(self.decide(body)).unwrap()
    }

    fn kinds(&self) -> Vec<&'static str> {
        let entries = self.reader.entries(2..u64::MAX);
        entries.map(|entry| entry.unwrap().kind()).collect()
    }

    fn newest(&self) -> Data {
        let last = self.reader.size() - 1;
        self.reader.entry(last).unwrap().data().clone()
    }

    fn signed(&self, verdict: Verdict) {
        self.index.catch_up().unwrap();
        let by = "user:s002".parse().unwrap();
        let planned = self.approvals.read(|approvals| {
            let mut waiting = approvals.all();
            let waiting = waiting.find(|a| a.state(self.now) == State::Requested);
            let waiting = waiting.unwrap().approval;
            let text = statement(approvals, waiting, &by, verdict, self.now).unwrap();
            let (key, signature) = sign(&text, self.key.as_bytes(), None).unwrap();
            decide(approvals, text, &key, signature, self.now).unwrap()
        });
        self.appender.append(vec![planned]).unwrap();
    }
}

fn event(name: &str, more: Value) -> Value {
    let mut event = json!({
        "session_id": "7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11", "cwd": "/home/dev/shop",
        "transcript_path": "/home/dev/.claude/projects/shop/7f3c.jsonl",
        "permission_mode": "default", "hook_event_name": name,
    });
    event
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    event
}

fn bash(command: &str, id: &str) -> Value {
    event(
        "PreToolUse",
        json!({ "tool_name": "Bash", "tool_use_id": id, "tool_input": { "command": command, "timeout": 5000.0 } }),
    )
}

fn after(command: &str, id: &str) -> Value {
    let mut after = bash(command, id);
    after["hook_event_name"] = "PostToolUse".into();
    after["tool_response"] = json!({ "stdout": "done" });
    after
}

fn verdict(answer: &Value) -> (&str, &str) {
    let output = &answer["hookSpecificOutput"];
    (
        output["permissionDecision"].as_str().unwrap_or(""),
        output["permissionDecisionReason"].as_str().unwrap_or(""),
    )
}

#[test]
fn every_event_is_recorded_and_an_unknown_one_under_its_own_name() {
    let world = World::new();
    for known in HookEvent::ALL {
        if *known != HookEvent::Unknown {
            let tool = json!({ "tool_name": "Read", "tool_input": {} });
            assert_eq!(world.tell(&event(&format!("{known:?}"), tool)), json!({}));
            let entry = world.reader.entries(2..u64::MAX);
            let told = entry.filter_map(|entry| match entry.unwrap().data() {
                Data::HookReported(told) => Some(told.event),
                _ => None,
            });
            assert_eq!(told.last(), Some(*known));
        }
    }
    let later = event(
        "PreTelepathy",
        json!({ "thought": "hm", "source": "startup" }),
    );
    assert_eq!(world.tell(&later), json!({}));
    let Data::HookReported(told) = world.newest() else {
        panic!()
    };
    assert_eq!(told.event, HookEvent::Unknown);
    assert_eq!(told.named.unwrap().as_str(), "PreTelepathy");
    assert_eq!(told.source.unwrap().as_str(), "startup");
    let kinds = world.kinds();
    assert!(kinds.contains(&"session.started") && kinds.contains(&"session.ended"));
}

#[test]
fn what_may_never_be_handled_is_stopped_before_it_is_sent_and_kept_nowhere() {
    let world = World::new();
    let prompt = event(
        "UserPromptSubmit",
        json!({ "prompt": format!("book it on {CARD} for 山田太郎") }),
    );
    let answer = world.tell(&prompt);
    assert_eq!(answer["decision"], "block");
    assert_eq!(answer["hookSpecificOutput"]["suppressOriginalPrompt"], true);
    assert!(answer["reason"].as_str().unwrap().contains("card ×1"));
    let told = world.tell(&bash(&format!("echo {CARD} > x"), "toolu_1"));
    assert_eq!(verdict(&told).0, "deny");
    // Where nothing can be stopped any more it is recorded without the value.
    let read = event(
        "PostToolUse",
        json!({ "tool_name": "Read", "tool_use_id": "toolu_2", "tool_input": {},
                "tool_response": { "my_number": 123456789018_u64, "text": CARD } }),
    );
    assert_eq!(world.tell(&read), json!({}));
    let Data::HookReported(seen) = world.newest() else {
        panic!()
    };
    assert_eq!(seen.found.len(), 2, "{:?}", seen.found);
    for entry in world.reader.entries(2..u64::MAX) {
        let entry = entry.unwrap();
        let sealed = world.reader.content(&entry.content()[0]).unwrap();
        for text in [entry.body(), &sealed] {
            let text = String::from_utf8_lossy(text).into_owned();
            assert!(
                !text.contains(CARD) && !text.contains("123456789018"),
                "{text}"
            );
        }
        assert!(!String::from_utf8_lossy(entry.body()).contains("山田"));
    }
    assert!(!answer.to_string().contains("5555") && !told.to_string().contains("5555"));
    // Names are the gateway's to mask: the prompt passes.
    let name = event(
        "UserPromptSubmit",
        json!({ "prompt": "山田太郎様に返信して" }),
    );
    assert_eq!(world.tell(&name), json!({}));
}

#[test]
fn rules_of_the_operator_decide_in_the_client_s_words() {
    let mut world = World::new();
    world.policy = toml::from_str(
        "[[rule]]\ntool = 'Bash'\nargument = 'npm *'\nthen = 'allow'\n\
         [[rule]]\ntool = 'WebFetch'\npersonal = true\nthen = 'deny'\n\
         [[rule]]\ntool = 'WebFetch'\nthen = 'ask'\n\
         [[rule]]\ntool = 'Task'\nthen = 'defer'\n",
    )
    .unwrap();
    assert_eq!(verdict(&world.tell(&bash("npm publish", "t"))).0, "allow");
    let fetch = |prompt: &str| {
        let input = json!({ "url": "https://example.com", "prompt": prompt });
        event(
            "PreToolUse",
            json!({ "tool_name": "WebFetch", "tool_input": input }),
        )
    };
    assert_eq!(verdict(&world.tell(&fetch("the price of tea"))).0, "ask");
    let personal = world.tell(&fetch("連絡先は 090-1234-5678 の山田様"));
    assert_eq!(verdict(&personal).0, "deny");
    assert!(verdict(&personal).1.contains("rule-2"));
    let task = event(
        "PreToolUse",
        json!({ "tool_name": "Task", "tool_input": {} }),
    );
    assert_eq!(verdict(&world.tell(&task)).0, "defer");
}

#[test]
fn what_is_no_call_of_a_hook_is_refused() {
    let read = |text: &str| {
        let body = Capture::new(text.as_bytes().to_vec());
        let id = EventId::new(Timestamp::from_micros(1_800_000_000_000_000), [1; 10]);
        HookCall::read(id, "dev".parse().unwrap(), Client::ClaudeCode, &body).err()
    };
    for text in [
        "",
        "[]",
        "{}",
        "{\"hook_event_name\":",
        "{\"hook_event_name\":null}",
    ] {
        assert!(matches!(read(text), Some(HookError::NoEvent)), "{text}");
    }
    for text in [
        r#"{"hook_event_name":"PreToolUse"}"#,
        r#"{"hook_event_name":"Stop","session_id":4}"#,
    ] {
        assert!(matches!(read(text), Some(HookError::Field(_))), "{text}");
    }
    assert!(read(r#"{"hook_event_name":"Stop"}"#).is_none());
}
