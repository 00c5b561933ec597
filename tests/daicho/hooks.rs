//! Claude Code's hooks, as the documented JSON over HTTP and through `daicho hook`.

use crate::privacy::upstream;
use crate::world::{Ledger, Ran, World, cannot_run, daicho, has, hook_event, run};
use serde_json::{Value, json};

const CARD: &str = "5555-5555-5555-4444";

fn push(id: &str) -> Value {
    hook_event(
        "PreToolUse",
        &json!({ "tool_name": "Bash", "tool_use_id": id,
                "tool_input": { "command": "git push origin main", "description": "Push" } }),
    )
}

fn reason(answer: &Value) -> String {
    let output = &answer["hookSpecificOutput"];
    format!(
        "{} {}",
        output["permissionDecision"], output["permissionDecisionReason"]
    )
}

#[test]
fn an_outward_use_of_a_tool_waits_for_somebody_s_signature_and_goes_once() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("hooks", "ssh-keygen is not there");
    }
    let world = World::new();
    world.tell(&hook_event("SessionStart", &json!({ "source": "startup" })));
    let held = world.tell(&push("toolu_01"));
    assert!(reason(&held).starts_with("\"deny\""), "{held}");

    let waiting = world
        .ledger
        .run(&["--json", "approvals", "list", "--state", "requested"])
        .lines();
    let approval = waiting[0]["approval"].as_str().unwrap().to_owned();
    assert!(reason(&held).contains(&approval));
    assert_eq!(waiting[0]["requester"], "agent:dev");
    let shown = world.ledger.run(&["approvals", "show", &approval]).ok();
    assert!(shown.contains("git push origin main"), "{shown}");

    let key = world.ledger.approver("s002");
    world.approve(&approval, &key);

    let mut other = push("toolu_02");
    other["tool_input"]["command"] = "git push origin main --force".into();
    assert!(reason(&world.tell(&other)).contains("held as draft"));
    let go = world.tell(&push("toolu_03"));
    assert!(reason(&go).starts_with("\"allow\""), "{go}");
    assert!(reason(&world.tell(&push("toolu_04"))).contains("held as draft"));
    let mut done = push("toolu_03");
    done["hook_event_name"] = "PostToolUse".into();
    done["tool_response"] = json!({ "stdout": "ok", "stderr": "" });
    assert_eq!(world.tell(&done), json!({}));
    let kinds = world.kinds();
    for once in [
        "session.started",
        "approval.granted",
        "action.released",
        "action.executed",
    ] {
        assert_eq!(
            kinds.iter().filter(|kind| *kind == once).count(),
            1,
            "{once} {kinds:?}"
        );
    }
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}

#[test]
fn prohibited_text_is_stopped_and_stands_in_no_file() {
    let world = World::new();
    let prompt = hook_event(
        "UserPromptSubmit",
        &json!({ "prompt": format!("pay with {CARD}") }),
    );
    let answer = world.tell(&prompt);
    assert_eq!(answer["decision"], "block");
    assert!(!answer.to_string().contains("5555"));
    world.nowhere(CARD);
}

#[test]
fn who_has_no_token_is_turned_away_and_what_is_no_call_is_refused() {
    let world = World::new();
    assert_eq!(world.hook("dca_wrong", push("t").to_string()).0, 401);
    assert_eq!(world.hook(&world.token, "{}".to_owned()).0, 400);
    assert_eq!(world.hook(&world.token, "{".to_owned()).0, 400);
    let big = format!(
        "{{\"hook_event_name\":\"Stop\",\"x\":\"{}\"}}",
        "a".repeat(33 << 20)
    );
    assert_eq!(world.hook(&world.token, big).0, 413);
    assert_eq!(
        world.server.get("/hooks/claude-code").status().as_u16(),
        405
    );
    assert_eq!(world.server.get("/hooks/codex").status().as_u16(), 404);
    let kinds = world.kinds();
    assert!(
        kinds.contains(&"auth.failed".to_owned()) && !kinds.contains(&"hook.reported".to_owned())
    );
}

#[test]
fn a_policy_that_is_adopted_decides_at_once() {
    let world = World::new();
    let ask = |text: String| text.replace("outward = \"draft\"", "outward = \"ask\"");
    world.ledger.configure(ask);
    assert!(reason(&world.tell(&push("t1"))).contains("held as draft"));
    let diff = world.ledger.run(&["policy"]);
    assert!(diff.out.contains("tools.outward"), "{diff:?}");
    world.ledger.run(&["policy", "adopt"]).ok();
    assert!(reason(&world.tell(&push("t2"))).starts_with("\"ask\""));
}

#[test]
fn rules_for_a_class_of_data_decide_by_agent_role_and_tool_once_they_are_adopted() {
    let world = World::new();
    let classes = ["internal", "mail", "ec", "personal", "generated"];
    let register = |agent: &str, args: &[&str]| {
        let args = [&["--json", "agents", "register", agent][..], args].concat();
        let told = world.ledger.run(&args).lines();
        told[0]["token"].as_str().unwrap().to_owned()
    };
    let tokens = classes.map(|class| register(class, &["--class", class]));
    let secretary = register("secretary", &["--class", "ec", "--role", "secretary"]);
    let said = |token: &str, event: &Value| reason(&world.hook(token, event.to_string()).1);
    for (number, token) in tokens.iter().enumerate() {
        let held = said(token, &push(&format!("before-{number}")));
        assert!(held.contains("outward-push"), "{held}");
    }
    let rule = |class: &str, then: &str| {
        format!("\n[[tools.rule]]\ntool = \"*\"\nclass = \"{class}\"\nthen = \"{then}\"\n")
    };
    let expected = ["allow", "deny", "ask", "draft", "defer"];
    // The mail's rule first: what is of two classes is decided by the first that fits.
    let order = [1, 0, 2, 3, 4];
    let rules: String = order
        .iter()
        .map(|&at| rule(classes[at], expected[at]))
        .collect();
    let more = "\n[[classes.rule]]\nclass = \"mail\"\nrole = \"secretary\"\n\
                \n[[classes.rule]]\nclass = \"mail\"\ntool = \"mcp__mail__*\"\n";
    world.ledger.configure(|text| text + &rules + more);
    let held = said(&tokens[0], &push("not-yet"));
    assert!(held.contains("still waits"), "{held}");
    let diff = world.ledger.run(&["policy"]);
    assert!(diff.out.contains("tools.rule"), "{diff:?}");
    world.ledger.run(&["policy", "adopt"]).ok();
    let word = |said: &str| said.split(' ').next().unwrap().to_owned();
    for ((class, token), verdict) in classes.iter().zip(&tokens).zip(expected) {
        let answer = said(token, &push(&format!("after-{class}")));
        // To the client a draft is a denial that names it.
        let told = if verdict == "draft" { "deny" } else { verdict };
        assert_eq!(word(&answer), format!("\"{told}\""), "{class}: {answer}");
        assert_eq!(
            answer.contains("still waits as draft"),
            ["draft", "defer"].contains(&verdict)
        );
    }
    let verdicts: Vec<String> = (world.events("hook.reported").iter().rev().take(5).rev())
        .map(|told| told["data"]["verdict"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(verdicts, expected);
    let answer = said(&secretary, &push("s"));
    assert!(answer.contains("rule-1"), "by its role: {answer}");
    let read = |tool: &str| {
        let told = json!({ "tool_name": tool, "tool_use_id": tool, "tool_input": {} });
        said(&tokens[2], &hook_event("PreToolUse", &told))
    };
    let answer = read("mcp__mail__read");
    assert!(answer.contains("rule-1"), "by the tool: {answer}");
    let answer = read("mcp__files__read");
    assert!(answer.contains("rule-3"), "{answer}");
    world.ledger.verify();
}

impl World {
    /// `daicho hook` with an event on its standard input.
    fn command(&self, url: &str, event: &Value) -> Ran {
        let mut command = daicho(&self.ledger.dir);
        command.args(["hook", "--url", url]);
        command.env("DAICHO_TOKEN", &self.token);
        run(command, event.to_string().as_bytes())
    }
}

#[test]
fn the_command_form_answers_as_http_does_and_stops_what_nobody_can_decide() {
    let world = World::new();
    let url = world.server.url("");
    let held: Value = serde_json::from_str(&world.command(&url, &push("t1")).ok()).unwrap();
    assert!(reason(&held).starts_with("\"deny\""), "{held}");
    let started = hook_event("SessionStart", &json!({ "source": "startup" }));
    assert_eq!(
        world.command(&url, &started).ok(),
        "",
        "nothing for the model to read"
    );
    let bad = world.command(&url, &json!({ "event": "?" }));
    bad.refused(&["hook_event_name", "400"]);

    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = format!("http://{gone}");
    world
        .command(&gone, &push("t2"))
        .refused(&["does not answer", &gone]);
    let prompt = hook_event("UserPromptSubmit", &json!({ "prompt": CARD }));
    let stopped = world.command(&gone, &prompt);
    assert!(!stopped.err.contains("5555"));
    stopped.refused(&["does not answer"]);
    let passed = world.command(&gone, &started);
    assert!(
        passed.code == 1 && passed.err.contains("not recorded"),
        "{passed:?}"
    );

    let mut without = daicho(&world.ledger.dir);
    without
        .args(["hook", "--url", &url])
        .env_remove("DAICHO_TOKEN");
    run(without, push("t3").to_string().as_bytes()).refused(&["DAICHO_TOKEN"]);
}

#[test]
fn managed_settings_are_shown_written_and_taken_away_and_others_are_left_alone() {
    let ledger = Ledger::none();
    let dir = ledger.beside("claude-code");
    let path = dir.join("managed-settings.d/daicho.json");
    let place = dir.display().to_string();
    let install =
        |more: &[&str]| ledger.run(&[&["hook", "install", "--dir", &place], more].concat());

    let shown = install(&[]);
    assert!(
        shown.code == 1 && shown.out.contains("+true") && !path.exists(),
        "{shown:?}"
    );
    install(&["--yes", "--token-env", "ANTHROPIC_API_KEY"]).refused(&["ANTHROPIC_API_KEY empty"]);
    let shown = install(&["--yes", "--telemetry", "http://collector.test:4318"]).ok();
    assert!(shown.contains("requiredMinimumVersion"), "{shown}");
    let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let hook = &written["hooks"]["PreToolUse"][0]["hooks"][0];
    assert_eq!(hook["url"], "http://127.0.0.1:7420/hooks/claude-code");
    assert_eq!(hook["onFailure"], "block");
    let start = &written["hooks"]["SessionStart"][0]["hooks"][0];
    assert_eq!(start["type"], "command");
    assert_eq!(start["args"][0], "hook");
    assert_eq!(
        written["env"]["ANTHROPIC_BASE_URL"],
        "http://127.0.0.1:7420/anthropic"
    );
    assert_eq!(written["env"]["CLAUDE_CODE_ENABLE_TELEMETRY"], "1");
    assert_eq!(written["allowManagedHooksOnly"], true);

    let same = install(&["--yes", "--telemetry", "http://collector.test:4318"]);
    assert!(same.err.contains("so already"), "{same:?}");
    let moved = install(&["--yes", "--url", "http://ledger.test:7420/"]).ok();
    assert!(
        moved.contains("-\"http://127.0.0.1:7420/anthropic\""),
        "{moved}"
    );
    assert!(
        moved.contains("+\"http://ledger.test:7420/anthropic\""),
        "{moved}"
    );
    // Telemetry goes to daicho itself, with a token that stands in no file.
    let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let telemetry = &written["env"]["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"];
    assert_eq!(telemetry, "http://ledger.test:7420/otlp/v1/logs");
    let helper = written["otelHeadersHelper"].as_str().unwrap();
    assert!(
        helper.ends_with(" hook headers --token-env DAICHO_TOKEN"),
        "{helper}"
    );
    let key = written["apiKeyHelper"].as_str().unwrap();
    assert!(
        key.ends_with(" hook token --token-env DAICHO_TOKEN"),
        "{key}"
    );
    let mut token = daicho(&ledger.dir);
    token
        .args(["hook", "token", "--token-env", "T"])
        .env("T", "dt_1");
    assert_eq!(run(token, b"").ok(), "dt_1\n");
    let mut headers = daicho(&ledger.dir);
    headers
        .args(["hook", "headers", "--token-env", "T"])
        .env("T", "dt_1");
    assert_eq!(
        run(headers, b"").ok(),
        "{\"Authorization\":\"Bearer dt_1\"}\n"
    );

    let foreign = dir.join("managed-settings.d/ours.json");
    std::fs::write(&foreign, "{\"model\":\"x\"}").unwrap();
    let shown = install(&["--remove"]);
    assert!(shown.code == 1 && shown.out.contains("-true") && path.exists());
    install(&["--remove", "--yes"]).ok();
    assert!(!path.exists() && foreign.exists());

    std::fs::write(&path, "{\"model\":\"x\",\"hooks\":{}}").unwrap();
    install(&["--yes"]).refused(&["did not write: model"]);
    std::fs::write(&path, "{").unwrap();
    install(&["--remove", "--yes"]).refused(&["no settings file"]);
}

/// What `doctor` says of the capture.
pub fn capture(ledger: &Ledger) -> (bool, String) {
    let rows = ledger.run(&["--json", "doctor"]);
    let rows = rows.out.lines().map(serde_json::from_str::<Value>);
    let mut rows = rows.map(Result::unwrap);
    let row = rows.find(|row| row["check"] == "capture").unwrap();
    let text = row["text"].as_str().unwrap().to_owned();
    (row["well"].as_bool().unwrap(), text)
}

#[test]
fn doctor_tells_of_sessions_that_pass_the_gateway_by() {
    let world = World::new();
    world.tell(&hook_event(
        "UserPromptSubmit",
        &json!({ "prompt": "hello" }),
    ));
    assert!(capture(&world.ledger).0);
    world.tell(&hook_event(
        "Stop",
        &json!({ "stop_hook_active": false, "last_assistant_message": "hi" }),
    ));
    let (well, text) = capture(&world.ledger);
    assert!(!well && text.contains("1 session had answers"), "{text}");
}

#[test]
fn doctor_tells_of_sessions_without_hooks_also_where_no_session_has_any() {
    let world = World::before(&upstream());
    let ask = |path: &str, header: &str, session: &str| {
        let body = json!({ "model": "m", "max_tokens": 9,
                           "messages": [{ "role": "user", "content": "hello" }] });
        let request = world.server.client.post(world.server.url(path));
        let request = request.bearer_auth(&world.token).header(header, session);
        request.json(&body).send().unwrap();
    };
    // Another client of another provider names its sessions too, and has no such hooks.
    ask("/openai/v1/chat/completions", "session_id", "s-1");
    assert_eq!(world.events("prompt.submitted")[0]["session"], "s-1");
    let nothing = (true, "no hook has reported".to_owned());
    assert_eq!(capture(&world.ledger), nothing);
    ask("/anthropic/v1/messages", "x-no-session", "s-2");
    assert_eq!(capture(&world.ledger), nothing);
    for session in ["s-3", "s-4", "s-3"] {
        let header = "x-claude-code-session-id";
        ask("/anthropic/v1/messages", header, session);
    }
    let (well, text) = capture(&world.ledger);
    assert!(!well && text.starts_with("2 sessions called"), "{text}");
}

impl World {
    /// What the permission prompt's tool says, as Claude Code reads it: one block of text.
    #[track_caller]
    fn permission(&self, arguments: &Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": { "name": "permission_prompt", "arguments": arguments } });
        let request = self.server.client.post(self.server.url("/mcp"));
        let request = request.bearer_auth(&self.token);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("content-type", "application/json");
        let answer: Value = request
            .body(call.to_string())
            .send()
            .unwrap()
            .json()
            .unwrap();
        let result = &answer["result"];
        assert_eq!(result["isError"], false, "{answer}");
        assert!(result["structuredContent"].is_null());
        let [block] = result["content"].as_array().unwrap().as_slice() else {
            panic!("{answer}")
        };
        serde_json::from_str(block["text"].as_str().unwrap()).unwrap()
    }
}

#[test]
fn a_headless_client_asks_the_permission_prompt_and_goes_on_once_somebody_has_signed() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("permission prompt", "ssh-keygen is not there");
    }
    let rule = "\n[[tools.rule]]\ntool = \"Bash\"\nthen = \"ask\"\n";
    let world = World::with(rule);
    let key = world.ledger.approver("s002");
    let input =
        json!({ "command": "git push origin main", "description": "Push", "timeout": 5000 });
    let asks = |id: &str| json!({ "tool_name": "Bash", "input": input, "tool_use_id": id });
    // The client's hook leaves it to whoever sits there; the client asks the tool instead.
    let mut hook = push("toolu_1");
    hook["tool_input"] = input.clone();
    assert!(reason(&world.tell(&hook)).starts_with("\"ask\""));
    let held = world.permission(&asks("toolu_1"));
    let approval = world.waiting().unwrap();
    assert_eq!(held["behavior"], "deny");
    assert!(
        held["message"].as_str().unwrap().contains(&approval),
        "{held}"
    );
    let shown = world.ledger.run(&["approvals", "show", &approval]).ok();
    assert!(shown.contains("/home/dev/shop"), "{shown}");
    world.approve(&approval, &key);

    hook["tool_use_id"] = "toolu_2".into();
    assert!(reason(&world.tell(&hook)).starts_with("\"ask\""));
    let go = json!({ "behavior": "allow", "updatedInput": input });
    assert_eq!(world.permission(&asks("toolu_2")), go);
    hook["hook_event_name"] = "PostToolUse".into();
    world.tell(&hook);
    assert_eq!(world.events("action.executed").len(), 1);
    let released = &world.events("action.released")[0];
    assert_eq!(released["data"]["tool_use"], "toolu_2");
    assert_eq!(released["session"], hook["session_id"]);

    // What is no question, and what may never be handled, is no permission.
    for (wrong, part) in [
        (json!({}), "the arguments do not fit"),
        (
            json!({ "tool_name": "Bash", "input": "ls" }),
            "the arguments do not fit",
        ),
        (
            json!({ "tool_name": "Bash", "input": { "command": CARD } }),
            "card",
        ),
    ] {
        let no = world.permission(&wrong);
        assert_eq!(no["behavior"], "deny");
        let message = no["message"].as_str().unwrap();
        assert!(message.contains(part) && !message.contains("5555"), "{no}");
    }
    world.nowhere(CARD);
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}

#[test]
fn a_restart_between_a_hook_and_its_prompt_asks_nobody_again() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("hooks", "ssh-keygen is not there");
    }
    let world = World::new();
    let push = json!({ "command": "git push origin main" });
    let used = |world: &World, id: &str| {
        let told = json!({ "tool_name": "Bash", "tool_use_id": id, "tool_input": push });
        world.tell(&hook_event("PreToolUse", &told))["hookSpecificOutput"].clone()
    };
    let key = world.ledger.approver("s002");
    used(&world, "t1");
    world.approve(&world.waiting().unwrap(), &key);
    assert_eq!(used(&world, "t2")["permissionDecision"], "allow");
    let World {
        ledger,
        server,
        token,
    } = world;
    assert_eq!(server.stop(), 0);
    let server = ledger.serve();
    let world = World {
        ledger,
        server,
        token,
    };
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "permission_prompt",
        "arguments": { "tool_name": "Bash", "input": push, "tool_use_id": "t2" },
    } });
    let post = world.server.client.post(world.server.url("/mcp"));
    let post = post.header("accept", "application/json, text/event-stream");
    let answer: Value = post
        .bearer_auth(&world.token)
        .json(&asked)
        .send()
        .unwrap()
        .json()
        .unwrap();
    let said = answer["result"]["content"][0]["text"].as_str().unwrap();
    let said: Value = serde_json::from_str(said).unwrap();
    assert_eq!(said, json!({ "behavior": "allow", "updatedInput": push }));
    assert_eq!(world.events("action.drafted").len(), 1);
    world.ledger.verify();
}
