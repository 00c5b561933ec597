//! What the client's permission prompt is answered.

use super::*;

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
