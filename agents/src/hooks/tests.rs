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
fn an_outward_action_goes_once_as_it_was_granted() {
    let world = World::new();
    let (deny, reason) = (world.tell(&bash("git push", "toolu_1")), "");
    assert_eq!(
        world.kinds(),
        ["hook.reported", "action.drafted", "approval.requested"]
    );
    let Data::ApprovalRequested(asked) = world.newest() else {
        panic!("{reason}")
    };
    assert_eq!(verdict(&deny).0, "deny");
    assert!(verdict(&deny).1.contains(&asked.approval.to_string()));
    // What the approver reads is what the digest is of.
    let drafted = world.reader.entry(3).unwrap();
    let content = world.reader.content(&drafted.content()[0]).unwrap();
    assert_eq!(crate::once::sha256(&content), asked.arguments_sha256);
    assert_eq!(
        String::from_utf8(content).unwrap(),
        r#"{"arguments":{"command":"git push","timeout":5000},"directory":"/home/dev/shop","tool":"Bash"}"#
    );

    let again = world.tell(&bash("git push", "toolu_2"));
    assert!(verdict(&again).1.contains("still waits"));
    assert_eq!(world.kinds().len(), 4, "no second draft of the same");

    world.signed(Verdict::Approve);
    let changed = world.tell(&bash("git push --force", "toolu_3"));
    assert!(verdict(&changed).1.contains("held as draft"));
    let mut elsewhere = bash("git push", "toolu_4");
    elsewhere["cwd"] = "/home/dev/other".into();
    assert!(verdict(&world.tell(&elsewhere)).1.contains("held as draft"));

    // Two at once: the log lets one go.
    let (first, second) = (
        world.decide(&bash("git push", "toolu_5")),
        world.decide(&bash("git push", "toolu_6")),
    );
    assert_eq!(verdict(&world.append(first).unwrap()).0, "allow");
    assert!(matches!(
        world.append(second),
        Err(AppendError::Conflict { .. })
    ));
    assert_eq!(world.kinds().last(), Some(&"action.released"));
    let spent = world.tell(&bash("git push", "toolu_6"));
    assert!(verdict(&spent).1.contains("held as draft"));

    world.tell(&after("git push", "toolu_5"));
    assert_eq!(world.kinds().last(), Some(&"action.executed"));
    let size = world.reader.size();
    world.tell(&after("git push", "toolu_5"));
    assert_eq!(world.reader.size(), size + 1, "it ended once");
}

#[test]
fn what_was_changed_after_it_was_let_go_is_a_violation() {
    let world = World::new();
    world.tell(&bash("git push", "toolu_1"));
    world.signed(Verdict::Approve);
    world.tell(&bash("git push", "toolu_2"));
    world.tell(&after("git push --mirror", "toolu_2"));
    let kinds = world.kinds();
    assert_eq!(kinds[kinds.len() - 2..], ["action.failed", "rule.violated"]);
}

#[test]
fn a_denied_draft_stays_denied_and_one_whose_time_has_come_is_asked_anew() {
    let mut world = World::new();
    world.tell(&bash("git push", "toolu_1"));
    world.signed(Verdict::Deny);
    let size = world.reader.size();
    assert!(
        verdict(&world.tell(&bash("git push", "toolu_2")))
            .1
            .contains("was denied")
    );
    assert_eq!(world.reader.size(), size + 1);
    world.now = world.now.after(Period::Days(8)).unwrap();
    assert!(
        verdict(&world.tell(&bash("git push", "toolu_3")))
            .1
            .contains("held as draft")
    );
    let mut late = World::new();
    late.tell(&bash("git push", "toolu_1"));
    late.signed(Verdict::Approve);
    late.now = late.now.after(Period::Days(8)).unwrap();
    assert!(
        verdict(&late.tell(&bash("git push", "toolu_2")))
            .1
            .contains("held as draft")
    );
}

#[test]
fn two_who_ask_at_once_ask_the_same() {
    let world = World::new();
    let (one, two) = (
        world.decide(&bash("git push", "toolu_1")),
        world.decide(&bash("git push", "toolu_2")),
    );
    world.append(one).unwrap();
    let asked = world.append(two);
    assert!(asked.is_ok(), "the same draft twice is recorded once");
    let kinds = world.kinds();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "action.drafted")
            .count(),
        1
    );
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
fn a_deferred_use_is_a_draft_that_a_resumed_session_goes_on_with() {
    let mut world = World::new();
    world.policy = toml::from_str("outward = 'defer'").unwrap();
    let push = bash("git push", "toolu_1");
    let deferred = world.tell(&push);
    let (word, reason) = verdict(&deferred);
    assert_eq!(word, "defer");
    assert!(reason.contains("held as draft"), "{reason}");
    let resume = "claude -p --resume 7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11";
    assert!(reason.contains(resume), "{reason}");
    // Resumed too early it stops again, and nobody is asked twice.
    assert_eq!(verdict(&world.tell(&push)).0, "defer");
    let kinds = world.kinds();
    let drafts = kinds.iter().filter(|kind| **kind == "action.drafted");
    assert_eq!(drafts.count(), 1);
    world.signed(Verdict::Approve);
    assert_eq!(verdict(&world.tell(&push)).0, "allow");
    world.tell(&after("git push", "toolu_1"));
    assert_eq!(world.kinds().last(), Some(&"action.executed"));
    // Denied, it does not stop again: the agent hears why.
    world.tell(&bash("git push --tags", "toolu_2"));
    world.signed(Verdict::Deny);
    let (word, reason) = (
        world.tell(&bash("git push --tags", "toolu_2")),
        "was denied",
    );
    assert_eq!(verdict(&word).0, "deny");
    assert!(verdict(&word).1.contains(reason));
}

#[test]
fn a_client_that_does_what_it_was_told_to_hold_is_a_violation() {
    let mut world = World::new();
    world.policy = toml::from_str("outward = 'defer'").unwrap();
    world.tell(&bash("git push", "toolu_1"));
    world.tell(&after("git push", "toolu_1"));
    let Data::RuleViolated(violated) = world.newest() else {
        panic!("{:?}", world.kinds())
    };
    assert_eq!(violated.rule.as_str(), "approval.missing");
    let size = world.reader.size();
    world.tell(&after("git push", "toolu_1"));
    assert_eq!(world.reader.size(), size + 1, "told of once");
    // What was never held is nobody's violation.
    world.tell(&bash("git status", "toolu_2"));
    world.tell(&after("git status", "toolu_2"));
    assert_eq!(world.kinds().last(), Some(&"hook.reported"));
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

#[test]
fn who_asks_first_is_told_how_it_stands_and_nothing_is_let_go_by_that() {
    let world = World::new();
    let told = |event: &str| {
        json!({ "hook_event_name": event, "tool_name": "mcp__mail__send",
                "tool_input": { "to": "board" }, "tool_use_id": "use-1" })
    };
    let ask = || {
        let decided = world.decide_of(Client::Mcp, &told("PermissionRequest"));
        world.append(decided).unwrap()
    };
    let first = ask();
    assert_eq!(first["verdict"], "draft");
    assert_eq!(ask()["approval"], first["approval"]);
    world.signed(Verdict::Approve);
    // As often as it asks.
    for _ in 0..2 {
        let granted = ask();
        assert_eq!(
            (&granted["verdict"], &granted["approval"]),
            (&json!("allow"), &first["approval"])
        );
    }
    assert!(!world.kinds().contains(&"action.released"));
    let goes = world.decide_of(Client::Mcp, &told("PreToolUse"));
    assert_eq!(world.append(goes).unwrap()["verdict"], "allow");
    assert!(world.kinds().contains(&"action.released"));
    // Another client's event of that name asks for nothing.
    assert_eq!(world.tell(&told("PermissionRequest")), json!({}));
}

/// What Claude Code asks of its permission prompt: no session, no directory.
fn prompt(tool: &str, input: &Value, id: &str) -> Value {
    json!({ "hook_event_name": "PermissionRequest", "tool_name": tool, "tool_input": input, "tool_use_id": id })
}

#[test]
fn a_permission_is_a_rule_s_or_somebody_s_and_goes_once() {
    let mut world = World::new();
    world.policy = toml::from_str(
        "[[rule]]\ntool = 'Edit'\nthen = 'allow'\n[[rule]]\ntool = 'Kill*'\nthen = 'deny'\n\
         [[rule]]\ntool = 'WebFetch'\nthen = 'ask'\n",
    )
    .unwrap();
    let ask = |tool: &str, input: &Value, id: &str| {
        let decided = world.decide_of(Client::PermissionPrompt, &prompt(tool, input, id));
        world.append(decided).unwrap()
    };
    let edit = json!({ "file_path": "a", "old_string": "山田太郎", "new_string": "b" });
    let go = json!({ "behavior": "allow", "updatedInput": edit });
    assert_eq!(ask("Edit", &edit, "t1"), go, "with exactly its arguments");
    assert_eq!(ask("KillShell", &json!({}), "t2")["behavior"], "deny");
    let card = json!({ "command": format!("pay {CARD}") });
    let stopped = ask("Edit", &card, "t3").to_string();
    assert!(
        stopped.contains("deny") && !stopped.contains("5555"),
        "{stopped}"
    );
    assert!(!world.kinds().contains(&"action.drafted"));
    // Outward, left to whoever sits there, and not spoken of: nobody sits there.
    for (tool, input) in [
        ("Bash", json!({ "command": "git push origin main" })),
        ("WebFetch", json!({ "url": "https://example.com" })),
        ("Bash", json!({ "command": "make" })),
    ] {
        let held = ask(tool, &input, "t4");
        assert_eq!(held["behavior"], "deny");
        assert!(
            held["message"].as_str().unwrap().contains("held as draft"),
            "{held}"
        );
        world.signed(Verdict::Approve);
        let granted = json!({ "behavior": "allow", "updatedInput": input });
        assert_eq!(ask(tool, &input, "t5"), granted);
        assert_eq!(ask(tool, &input, "t6")["behavior"], "deny", "once");
        world.signed(Verdict::Deny);
    }
    let released = world
        .kinds()
        .iter()
        .filter(|kind| **kind == "action.released")
        .count();
    assert_eq!(released, 3);
    // It is told of as a hook of its client's is.
    let Data::HookReported(told) = told_of(&world) else {
        panic!()
    };
    assert_eq!(
        (told.client.as_str(), told.event),
        ("claude-code", HookEvent::PermissionRequest)
    );
    let unsound = Capture::new(br#"{"hook_event_name":"PermissionRequest"}"#.to_vec());
    let (id, agent) = (world.appender.new_id(), "dev".parse().unwrap());
    assert!(HookCall::read(id, agent, Client::PermissionPrompt, &unsound).is_err());
}

/// As it is where the hook of its use was (`HookCall::put`).
fn prompt_there(command: &str, id: &str) -> Value {
    let mut prompt = bash(command, id);
    prompt["hook_event_name"] = "PermissionRequest".into();
    prompt
}

#[test]
fn one_grant_is_for_the_hook_and_the_prompt_of_one_use_and_for_no_other() {
    let world = World::new();
    let ask = |prompt: &Value| {
        let decided = world.decide_of(Client::PermissionPrompt, prompt);
        let answer = world.append(decided).unwrap();
        answer["behavior"].as_str().unwrap().to_owned()
    };
    world.tell(&bash("git push", "t1"));
    world.signed(Verdict::Approve);
    assert_eq!(verdict(&world.tell(&bash("git push", "t2"))).0, "allow");
    let drafts = || {
        let kinds = world.kinds();
        kinds
            .iter()
            .filter(|kind| **kind == "action.drafted")
            .count()
    };
    // Whatever is not this use in this session with these arguments is asked for by itself.
    let mut elsewhere = prompt_there("git push", "t2");
    elsewhere["session_id"] = "another".into();
    let mut nowhere = prompt_there("git push", "t2");
    nowhere["cwd"] = Value::Null;
    for (number, other) in [
        prompt_there("git push --force", "t2"),
        prompt_there("git push", "t3"),
        elsewhere,
        nowhere,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask(&other), "deny", "{other}");
        assert!(drafts() <= number + 2);
        assert!(!world.kinds().ends_with(&["action.released"]));
    }
    let before = drafts();
    // Two prompts of this use at once: the log has room for one answer.
    let prompt = prompt_there("git push", "t2");
    let twice = [(); 2].map(|()| world.decide_of(Client::PermissionPrompt, &prompt));
    let [first, second] = twice.map(|decided| {
        let receipts = world.appender.append(decided.batch).unwrap();
        (decided.answer["behavior"].clone(), receipts[0].new)
    });
    assert_eq!(first, ("allow".into(), true));
    assert!(
        !second.1,
        "the second record is the first, and is decided again"
    );
    assert_eq!(ask(&prompt), "deny", "once");
    assert_eq!(drafts(), before, "and nobody is asked again for it");
    // Another agent that calls its use so.
    let body = Capture::new(after("git push", "t2").to_string().into_bytes());
    let (id, other) = (world.appender.new_id(), "other".parse().unwrap());
    let call = HookCall::read(id, other, Client::ClaudeCode, &body).unwrap();
    let seen = call.look(&body, &world.masker).unwrap();
    world.append(world.decided(&seen)).unwrap();
    assert!(!world.kinds().contains(&"action.executed"));
    world.tell(&after("git push", "t2"));
    assert!(world.kinds().contains(&"action.executed"));
    assert!(!world.kinds().contains(&"rule.violated"));
    // Over, it permits nothing.
    assert_eq!(ask(&prompt), "deny");
}

#[test]
fn a_grant_that_is_no_longer_enough_permits_nothing() {
    let mut world = World::new();
    world.tell(&bash("git push", "t1"));
    world.signed(Verdict::Approve);
    assert_eq!(verdict(&world.tell(&bash("git push", "t2"))).0, "allow");
    let ask = |world: &World| {
        let prompt = prompt_there("git push", "t2");
        let decided = world.decide_of(Client::PermissionPrompt, &prompt);
        decided.answer["behavior"].clone()
    };
    assert_eq!(ask(&world), "allow");
    world.approvers_needed = 2;
    assert_eq!(ask(&world), "deny");
}

/// The newest hook that was told of.
fn told_of(world: &World) -> Data {
    let entries = world.reader.entries(2..u64::MAX);
    let told = entries.map(|entry| entry.unwrap().data().clone());
    told.filter(|data| matches!(data, Data::HookReported(_)))
        .last()
        .unwrap()
}

#[test]
fn a_permission_is_asked_where_the_log_has_the_hook_of_its_use() {
    let world = World::new();
    let asked = |agent: &str, id: &str, readable: bool| {
        world.index.catch_up().unwrap();
        let body = prompt("Bash", &json!({ "command": "git push" }), id);
        let body = Capture::new(body.to_string().into_bytes());
        let agent: Name = agent.parse().unwrap();
        let (id, client) = (world.appender.new_id(), Client::PermissionPrompt);
        let mut call = HookCall::read(id, agent.clone(), client, &body).unwrap();
        let tool_use = call.prompted_use(&world.masker).unwrap();
        let by = Actor::Agent(agent);
        if let Some(at) = world.witnesses.read(|uses| uses.hook_of(&by, &tool_use)) {
            let hook = world.reader.entry(at).unwrap();
            let told = world.reader.content(&hook.content()[0]).unwrap();
            call.put(&hook, if readable { &told } else { &[] });
        }
        (call.session, call.directory)
    };
    world.tell(&bash("git push", "t1"));
    world.tell(&after("git push", "t2"));
    let (session, directory) = asked("dev", "t1", true);
    assert_eq!(directory.as_deref(), Some("/home/dev/shop"));
    assert!(session.is_some());
    assert_eq!(
        asked("dev", "t1", false),
        (session, None),
        "its key is gone"
    );
    assert_eq!(asked("other", "t1", true), (None, None), "another agent's");
    assert_eq!(
        asked("dev", "t2", true),
        (None, None),
        "not before it happens"
    );
    let mut moved = bash("git push", "t1");
    moved["session_id"] = "another".into();
    moved["cwd"] = "/home/dev/other".into();
    world.tell(&moved);
    let newest = (
        Some("another".to_owned()),
        Some("/home/dev/other".to_owned()),
    );
    assert_eq!(asked("dev", "t1", true), newest);
    world.tell(&event(
        "SessionEnd",
        json!({ "session_id": "another", "reason": "other" }),
    ));
    assert_ne!(asked("dev", "t1", true), newest, "that session is over");
}
