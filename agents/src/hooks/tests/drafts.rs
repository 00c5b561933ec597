//! What is held until somebody has signed, and goes once.

use super::*;

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
