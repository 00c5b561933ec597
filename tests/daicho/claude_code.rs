//! The real Claude Code, as `daicho hook install` sets it up: its hooks, its calls to the model and its
//! telemetry come here, and a provider that follows a script stands behind. Nothing else is asked for.

#[cfg(target_os = "linux")]
mod private_etc;

use crate::hooks::capture;
use crate::world::{Ran, World, cannot_run, has, provider, run, wait_for};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Invented.
const NAME: &str = "桐島聡一郎";
const CARD: &str = "5555-5555-5555-4444";

/// The word of a prompt that has the script ask for what is outward.
const OUTWARD: &str = "publish-it";

/// The word of one that has it ask for what the client's own rules want somebody's word for.
const MAKES: &str = "make-it";

type Asked = Arc<Mutex<Vec<Value>>>;

/// The client's own program for this system, which tests/install-sdks fetched.
fn client() -> Option<PathBuf> {
    let packages =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/node_modules/@anthropic-ai");
    let packages = std::fs::read_dir(packages).ok()?.flatten();
    let programs = packages.map(|package| package.path().join("claude"));
    programs.into_iter().find(|program| program.is_file())
}

/// Asks for one command, and is done when it has a result.
fn turn(body: &Value, number: usize) -> (Value, &'static str) {
    let said = body["messages"].to_string();
    let answered = body["messages"]
        .as_array()
        .and_then(|messages| messages.last()?["content"].as_array())
        .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"));
    let offered = body["tools"]
        .as_array()
        .is_some_and(|tools| !tools.is_empty());
    if answered || !offered {
        return (json!({ "type": "text", "text": "All done." }), "end_turn");
    }
    let command = match (said.contains(OUTWARD), said.contains(MAKES)) {
        (true, _) => "git push origin main",
        (_, true) => "touch made.txt",
        (false, false) => "cat notes.txt",
    };
    let used = json!({
        "type": "tool_use", "id": format!("toolu_01scripted{number:04}"), "name": "Bash",
        "input": { "command": command, "description": "Read" },
    });
    (used, "tool_use")
}

fn stream(body: &Value, number: usize) -> String {
    let (block, reason) = turn(body, number);
    let mut begun = block.clone();
    let delta = match block["type"] == "text" {
        true => {
            begun["text"] = "".into();
            json!({ "type": "text_delta", "text": block["text"] })
        }
        false => {
            begun["input"] = json!({});
            json!({ "type": "input_json_delta", "partial_json": block["input"].to_string() })
        }
    };
    let head = json!({
        "id": format!("msg_01scripted{number:04}"), "type": "message", "role": "assistant",
        "model": body["model"], "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 9, "output_tokens": 1 },
    });
    let events = [
        json!({ "type": "message_start", "message": head }),
        json!({ "type": "content_block_start", "index": 0, "content_block": begun }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null },
                "usage": { "output_tokens": 5 } }),
        json!({ "type": "message_stop" }),
    ];
    let event = |data: &Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    events.iter().map(event).collect()
}

/// The provider's address, and the bodies that it was asked with.
fn scripted() -> (String, Asked) {
    let asked: Asked = Arc::default();
    let heard = Arc::clone(&asked);
    let messages = move |body: Bytes| {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let mut heard = heard.lock().unwrap();
        let answer = stream(&body, heard.len());
        heard.push(body);
        std::future::ready(([("content-type", "text/event-stream")], answer))
    };
    let app = Router::new().route("/v1/messages", post(messages));
    (provider(app), asked)
}

/// A host on which `daicho hook install` was run, and nothing else.
struct Host {
    world: World,
    client: PathBuf,
    settings: PathBuf,
    asked: Asked,
    provider: String,
    /// Whoever is asked for an address that is not this machine's.
    outside: TcpListener,
}

impl Host {
    fn new(client: PathBuf) -> Host {
        let (provider, asked) = scripted();
        let world = World::before(&provider);
        let managed = world.ledger.beside("managed");
        let place = managed.display().to_string();
        let url = world.server.url("");
        let install = ["hook", "install", "--yes", "--dir", &place, "--url", &url];
        world.ledger.run(&install).ok();
        let work = world.ledger.beside("work");
        std::fs::create_dir(&work).unwrap();
        std::fs::write(work.join("notes.txt"), format!("担当は{NAME}さんです。\n")).unwrap();
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        outside.set_nonblocking(true).unwrap();
        Host {
            settings: managed.join("managed-settings.d/daicho.json"),
            world,
            client,
            asked,
            provider,
            outside,
        }
    }

    /// `claude -p` with a prompt.
    fn prompted(&self, prompt: &str, settings: &Path) -> Ran {
        let mut command = Command::new(&self.client);
        command.args(["-p", prompt, "--settings"]).arg(settings);
        command.args(["--allowedTools", "Bash"]);
        self.ran(command)
    }

    /// The same, and what was installed stands where this system's administrator puts it.
    #[cfg(target_os = "linux")]
    fn prompted_as_managed(&self, prompt: &str, etc: &private_etc::Etc) -> Ran {
        let mut command = etc.command(Path::new("env"));
        // Whoever starts the client would have another provider asked.
        command.arg("CLAUDE_CODE_USE_BEDROCK=1").arg(&self.client);
        command.args(["-p", prompt, "--allowedTools", "Bash"]);
        self.ran(command)
    }

    fn ran(&self, mut command: Command) -> Ran {
        let beside = |name: &str| self.world.ledger.beside(name);
        let outside = format!("http://{}", self.outside.local_addr().unwrap());
        command
            .current_dir(beside("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", beside("home"))
            .env("CLAUDE_CONFIG_DIR", beside("config"))
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            .env("DAICHO_TOKEN", &self.world.token)
            .env("HTTPS_PROXY", &outside)
            .env("HTTP_PROXY", &outside)
            .env("NO_PROXY", "127.0.0.1");
        run(command, b"")
    }

    fn bodies(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect()
    }

    /// Events of a kind whose `field` is this, in their order.
    fn of(&self, kind: &str, field: &str, value: &str) -> Vec<Value> {
        let events = self.world.events(kind).into_iter();
        events
            .filter(|event| event["data"][field] == value)
            .collect()
    }

    /// Adopts other rules than those of the start.
    fn rules(&self, change: impl FnOnce(String) -> String) {
        self.world.ledger.configure(change);
        self.world.ledger.run(&["policy", "adopt"]).ok();
    }

    /// Has git do something where the agent works.
    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=agent", "-c", "user.email=agent@localhost"])
            .args(args)
            .current_dir(self.world.ledger.beside("work"));
        run(command, b"").ok();
    }

    /// The newest session is over for telemetry, too.
    fn told(&self, tool_use: &str) {
        wait_for("the telemetry", || {
            let told = self.of("telemetry.reported", "tool_use", tool_use);
            told.iter()
                .any(|told| told["data"]["event"] == "tool_result")
        });
    }
}

#[test]
fn every_witness_of_the_real_client_names_the_same_use_and_nothing_private_leaves() {
    let Some(client) = client() else {
        return cannot_run("claude code", "tests/install-sdks was not run");
    };
    let host = Host::new(client);
    let done = host.prompted(
        &format!("{NAME}さんについて notes.txt で調べて"),
        &host.settings,
    );
    assert!(done.code == 0 && done.out.contains("All done."), "{done:?}");
    let bodies = host.bodies();
    assert_eq!(bodies.len(), 2, "one call, and one with the result");
    assert!(bodies.iter().all(|body| !body.contains(NAME)), "{bodies:?}");
    assert!(
        bodies[1].contains("tool_result") && bodies[1].contains("担当は"),
        "{bodies:?}"
    );

    let tool_use = "toolu_01scripted0000";
    host.told(tool_use);
    let answer = host.of("tool.called", "tool_use", tool_use);
    let result = host.of("tool.returned", "tool_use", tool_use);
    assert_eq!((answer.len(), result.len()), (1, 1));
    let events = |kind: &str| -> Vec<String> {
        let told = host.of(kind, "tool_use", tool_use).into_iter();
        told.map(|told| told["data"]["event"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(events("hook.reported"), ["pre_tool_use", "post_tool_use"]);
    assert_eq!(
        events("telemetry.reported"),
        ["tool_decision", "tool_result"]
    );
    let hooks = host.of("hook.reported", "tool_use", tool_use);
    let order = [&answer[0], &hooks[0], &hooks[1], &result[0]].map(|event| event["seq"].as_u64());
    assert!(order.is_sorted(), "{order:?}");
    // One session, by whatever told of it.
    let session = &answer[0]["session"];
    assert!(session.is_string());
    let telemetry = host.of("telemetry.reported", "tool_use", tool_use);
    for told in [&hooks[0], &result[0], &telemetry[0]] {
        assert_eq!(&told["session"], session);
    }
    for (kind, event) in [
        ("hook.reported", "session_start"),
        ("hook.reported", "user_prompt_submit"),
        ("hook.reported", "stop"),
        ("hook.reported", "session_end"),
        ("telemetry.reported", "user_prompt"),
        ("telemetry.reported", "api_request"),
    ] {
        assert_eq!(
            &host.of(kind, "event", event)[0]["session"],
            session,
            "{event}"
        );
    }
    assert_eq!(host.world.events("session.ended").len(), 1);
    let raised = host.world.events("alert.raised");
    assert!(raised.is_empty(), "{raised:?}");
    assert!(host.world.events("auth.failed").is_empty());
    host.world.nowhere(NAME);

    // What may never leave does not leave the client.
    let stopped = host.prompted(&format!("card {CARD}"), &host.settings);
    assert_eq!(host.bodies().len(), 2, "{stopped:?}");
    let prompts = host.of("hook.reported", "event", "user_prompt_submit");
    assert_eq!(prompts[1]["data"]["verdict"], "deny");
    assert!(!stopped.out.contains("All done."), "{stopped:?}");
    host.world.nowhere(CARD);

    // What is outward waits for somebody; the model is told so, and goes on.
    let held = host.prompted(OUTWARD, &host.settings);
    assert!(held.out.contains("All done."), "{held:?}");
    let draft = host.world.waiting().unwrap();
    assert_eq!(host.world.events("action.drafted").len(), 1);
    let bodies = host.bodies();
    assert!(
        bodies.len() == 4 && bodies[3].contains(&draft),
        "{bodies:?}"
    );
    let raised = host.world.events("alert.raised");
    assert!(raised.is_empty(), "{raised:?}");

    let asked = host.outside.accept();
    assert!(asked.is_err(), "something else was asked for: {asked:?}");
    assert_eq!(host.world.server.stop(), 0);
    host.world.ledger.verify();
}

#[test]
fn a_real_client_that_reaches_the_model_past_the_gateway_is_seen_by_its_hooks() {
    let Some(client) = client() else {
        return cannot_run("claude code", "tests/install-sdks was not run");
    };
    let host = Host::new(client);
    let text = std::fs::read_to_string(&host.settings).unwrap();
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    settings["env"]["ANTHROPIC_BASE_URL"] = host.provider.clone().into();
    let past = host.world.ledger.beside("past.json");
    std::fs::write(&past, settings.to_string()).unwrap();
    let done = host.prompted("What do the notes say?", &past);
    assert!(done.out.contains("All done."), "{done:?}");
    assert!(host.world.events("prompt.submitted").is_empty());
    let raised = host.world.events("alert.raised");
    let past = |raised: &&Value| raised["data"]["detector"] == "past-the-gateway";
    let raised = raised.iter().find(past).expect("an alert");
    let hook = host.of("hook.reported", "event", "pre_tool_use");
    let positions = raised["data"]["positions"].as_array().unwrap();
    assert!(positions.contains(&hook[0]["seq"]), "{raised} {hook:?}");
    host.world.ledger.verify();
}

#[test]
fn a_real_client_without_hooks_is_found_by_doctor_although_no_other_has_any() {
    let Some(client) = client() else {
        return cannot_run("claude code", "tests/install-sdks was not run");
    };
    let host = Host::new(client);
    let mut command = Command::new(&host.client);
    command.args(["--bare", "-p", "What do the notes say?", "--settings"]);
    command.arg(&host.settings);
    let done = host.ran(command);
    assert!(done.code == 0 && done.out.contains("All done."), "{done:?}");
    assert!(host.world.events("hook.reported").is_empty(), "{done:?}");
    assert!(!host.bodies().is_empty());
    let (well, text) = capture(&host.world.ledger);
    assert!(!well && text.starts_with("1 session called"), "{text}");
}

#[test]
fn a_real_client_that_was_stopped_with_a_draft_goes_on_with_it_once_when_resumed() {
    let Some(client) = client() else {
        return cannot_run("claude code", "tests/install-sdks was not run");
    };
    for program in ["git", "ssh-keygen"] {
        if !has(program, "-?") {
            return cannot_run("claude code", &format!("{program} is not there"));
        }
    }
    let host = Host::new(client);
    host.rules(|text| text.replace("outward = \"draft\"", "outward = \"defer\""));
    let key = host.world.ledger.approver("s002");
    let remote = host.world.ledger.beside("remote.git");
    let place = remote.display().to_string();
    host.git(&["init", "--quiet", "--initial-branch=main"]);
    host.git(&["init", "--quiet", "--bare", &place]);
    host.git(&["remote", "add", "origin", &place]);
    host.git(&["add", "notes.txt"]);
    host.git(&["commit", "--quiet", "--message=notes"]);
    let pushed = || remote.join("refs/heads/main").exists();

    let stopped = host.prompted(OUTWARD, &host.settings);
    assert!(!stopped.out.contains("All done."), "{stopped:?}");
    let uses = || host.of("hook.reported", "event", "pre_tool_use");
    assert_eq!(uses().len(), 1, "{stopped:?}");
    assert_eq!(uses()[0]["data"]["verdict"], "defer");
    let session = uses()[0]["session"].as_str().unwrap().to_owned();
    let resumed = || {
        let mut command = Command::new(&host.client);
        command.args(["-p", "--resume", &session, "--settings"]);
        command.arg(&host.settings);
        command.args(["--allowedTools", "Bash"]);
        host.ran(command)
    };
    // Too early it stops again, and nobody is asked twice.
    let early = resumed();
    assert!(!early.out.contains("All done."), "{early:?}");
    assert_eq!(host.world.events("action.drafted").len(), 1);
    assert_eq!((host.bodies().len(), pushed()), (1, false));

    host.world.approve(&host.world.waiting().unwrap(), &key);
    let done = resumed();
    assert!(done.code == 0 && done.out.contains("All done."), "{done:?}");
    assert!(pushed(), "{done:?}");
    let verdicts: Vec<String> = (uses().iter())
        .map(|used| used["data"]["verdict"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(verdicts, ["defer", "defer", "allow"]);
    assert!(uses().iter().all(|used| used["session"] == session));
    for once in ["action.drafted", "action.released", "action.executed"] {
        assert_eq!(host.world.events(once).len(), 1, "{once}");
    }
    let bodies = host.bodies();
    assert!(bodies.last().unwrap().contains("tool_result"), "{bodies:?}");
    let raised = host.world.events("alert.raised");
    assert!(raised.is_empty(), "{raised:?}");
    assert_eq!(host.world.server.stop(), 0);
    host.world.ledger.verify();
}

#[test]
fn a_real_client_asks_the_permission_prompt_where_its_own_rules_want_somebodys_word() {
    let Some(client) = client() else {
        return cannot_run("claude code", "tests/install-sdks was not run");
    };
    if !has("ssh-keygen", "-?") {
        return cannot_run("claude code", "ssh-keygen is not there");
    }
    let host = Host::new(client);
    let key = host.world.ledger.approver("s002");
    let servers = host.world.ledger.beside("mcp.json");
    let daicho = json!({ "mcpServers": { "daicho": {
        "type": "http", "url": host.world.server.url("/mcp"),
        "headers": { "Authorization": "Bearer ${DAICHO_TOKEN}" },
    } } });
    std::fs::write(&servers, daicho.to_string()).unwrap();
    let prompted = || {
        let mut command = Command::new(&host.client);
        command
            .args(["-p", MAKES, "--settings"])
            .arg(&host.settings);
        command.arg("--mcp-config").arg(&servers);
        command.args(["--permission-prompt-tool", "mcp__daicho__permission_prompt"]);
        host.ran(command)
    };
    let made = host.world.ledger.beside("work").join("made.txt");
    // The client's own hook of that name is told of the same, and decides nothing.
    let asked = || {
        let mut asked = host.of("hook.reported", "event", "permission_request");
        asked.retain(|asked| asked["data"]["verdict"] != "pass");
        asked
    };

    let held = prompted();
    assert!(held.code == 0 && held.out.contains("All done."), "{held:?}");
    let draft = host.world.waiting().expect("a draft");
    let bodies = host.bodies();
    assert!(bodies.last().unwrap().contains(&draft), "{bodies:?}");
    assert!(!made.exists());
    assert_eq!(asked().len(), 1);
    assert_eq!(asked()[0]["data"]["verdict"], "draft");

    host.world.approve(&draft, &key);
    let done = prompted();
    assert!(done.code == 0 && done.out.contains("All done."), "{done:?}");
    assert!(made.exists(), "{done:?}");
    assert_eq!(asked()[1]["data"]["verdict"], "allow");
    for once in ["action.drafted", "action.released", "action.executed"] {
        assert_eq!(host.world.events(once).len(), 1, "{once}");
    }
    // Once: what is to happen again is another draft.
    std::fs::remove_file(&made).unwrap();
    prompted();
    assert!(!made.exists());
    assert_eq!(host.world.events("action.drafted").len(), 2);
    let raised = host.world.events("alert.raised");
    assert!(raised.is_empty(), "{raised:?}");
    assert_eq!(host.world.server.stop(), 0);
    host.world.ledger.verify();
}

/// Settings whose hooks leave a mark, and whose key comes from a program that leaves one.
#[cfg(target_os = "linux")]
fn marking(mark: &Path, base: &str) -> Value {
    let touch = |what: &str| format!("touch '{}-{what}'", mark.display());
    let hook = |event: &str| json!([{ "hooks": [{ "type": "command", "command": touch(event) }] }]);
    json!({
        "hooks": {
            "SessionStart": hook("SessionStart"),
            "UserPromptSubmit": hook("UserPromptSubmit"),
            "PreToolUse": hook("PreToolUse"),
        },
        "apiKeyHelper": format!("{}; echo a-key-of-another", touch("apiKeyHelper")),
        "env": { "ANTHROPIC_BASE_URL": base, "CLAUDE_CODE_ENABLE_TELEMETRY": "0" },
    })
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_managed_counts_before_what_a_user_says_and_no_hook_but_daichos_runs() {
    let Some(client) = client() else {
        return cannot_run("managed settings", "tests/install-sdks was not run");
    };
    let host = Host::new(client);
    let managed = host.world.ledger.beside("managed");
    let etc = match private_etc::Etc::new(&host.world.ledger.beside("private"), &managed) {
        Ok(etc) => etc,
        Err(why) => return cannot_run("managed settings", &why),
    };
    let config = host.world.ledger.beside("config");
    std::fs::create_dir_all(&config).unwrap();
    let mark = host.world.ledger.beside("mark");
    let user = marking(&mark, &host.provider).to_string();
    std::fs::write(config.join("settings.json"), user).unwrap();
    let marks = || -> Vec<String> {
        let items = std::fs::read_dir(mark.parent().unwrap()).unwrap().flatten();
        let names = items.map(|item| item.file_name().into_string().unwrap());
        let mut marks: Vec<String> = names.filter(|name| name.starts_with("mark-")).collect();
        marks.sort();
        marks
    };

    let done = host.prompted_as_managed("What do the notes say?", &etc);
    assert!(done.code == 0 && done.out.contains("All done."), "{done:?}");
    assert_eq!(marks(), [""; 0], "{done:?}");
    let tool_use = "toolu_01scripted0000";
    host.told(tool_use);
    let hooks = |event: &str| host.of("hook.reported", "event", event).len();
    for event in ["session_start", "user_prompt_submit", "pre_tool_use"] {
        assert_eq!(hooks(event), 1, "{event}");
    }
    assert_eq!(host.of("tool.called", "tool_use", tool_use).len(), 1);
    assert_eq!(
        host.bodies().len(),
        host.world.events("prompt.submitted").len()
    );
    assert!(host.world.events("auth.failed").is_empty());

    // Without that one word in it the same hooks run, beside daicho's.
    let file = managed.join("managed-settings.d/daicho.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    settings["allowManagedHooksOnly"] = false.into();
    std::fs::write(&file, settings.to_string()).unwrap();
    let done = host.prompted_as_managed("What do the notes say?", &etc);
    assert!(done.code == 0 && done.out.contains("All done."), "{done:?}");
    let ran = [
        "mark-PreToolUse",
        "mark-SessionStart",
        "mark-UserPromptSubmit",
    ];
    assert_eq!(marks(), ran, "{done:?}");
    assert_eq!(hooks("pre_tool_use"), 2);
    assert_eq!(host.world.server.stop(), 0);
    host.world.ledger.verify();
}
