//! What defeats the capture of Claude Code: found in its settings on this host, and in the log.

use super::defeats::{self, ANOTHER_PROVIDER, KEY_HELPER, Said};
use super::settings::{FILE, OLDEST, SWITCHES, WITHHELD, Wanted, settings};
use super::system::System;
use crate::count::counted;
use agents::gateway::Provider;
use agents::hooks::Client;
use ledger::Reader;
use schemas::kinds::hooks::HookEvent;
use schemas::{Data, Label};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `doctor` tells; `Err` is wrong.
type Seen = Result<String, String>;

/// The settings in a directory, and the program that reads them, if it is on this host; and what its
/// users' `own` say.
pub fn on_this_host(dir: &Path, version: Option<&str>, own: &[Said]) -> Seen {
    let path = dir.join(FILE);
    let ours = match (std::fs::read_to_string(&path), version) {
        (Ok(text), _) => text,
        (Err(_), None) => return Ok("not on this host".to_owned()),
        (Err(_), Some(version)) => {
            return Err(format!(
                "{version} is on this host and not behind daicho; see `daicho hook install`"
            ));
        }
    };
    let ours: Value = serde_json::from_str(&ours)
        .map_err(|_| format!("{} is no JSON, so it is ignored", path.display()))?;
    let mut wrong = missing(&ours);
    for other in others(dir) {
        let text = std::fs::read_to_string(&other).unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(value) => wrong.extend(
                (defeats::managed(&ours, &value).iter())
                    .map(|what| format!("{} sets {what}", other.display())),
            ),
            Err(_) => wrong.push(format!("{} is no JSON, so it is ignored", other.display())),
        }
    }
    for (place, said) in own {
        let found = defeats::by_user(&ours, said);
        wrong.extend(found.iter().map(|what| format!("{place} sets {what}")));
    }
    if let Some(version) = version.filter(|version| older(version, OLDEST)) {
        wrong.push(format!(
            "version {version} goes on where a hook fails; {OLDEST} is the oldest that stops"
        ));
    }
    if wrong.is_empty() {
        let base = ours["env"]["ANTHROPIC_BASE_URL"]
            .as_str()
            .unwrap_or_default();
        let version = version.unwrap_or("the program is not on the path");
        return Ok(format!("behind {base}; {version}"));
    }
    Err(wrong.join("; "))
}

/// What the file lacks of what would be written.
fn missing(ours: &Value) -> Vec<String> {
    let wanted = settings(&Wanted {
        system: System::HERE,
        url: "",
        token_env: "",
        program: "",
        telemetry: None,
    });
    let events = wanted["hooks"].as_object().into_iter().flatten();
    let blocks = |event: &str| {
        let hooks = ours["hooks"][event][0]["hooks"].as_array();
        hooks.is_some_and(|hooks| hooks.iter().any(|hook| hook["onFailure"] == "block"))
    };
    let mut wrong: Vec<String> = events
        .filter(|(event, _)| !blocks(event))
        .map(|(event, _)| format!("no hook for {event} that stops where it fails"))
        .collect();
    for key in [
        "allowManagedHooksOnly",
        "requiredMinimumVersion",
        "skipWebFetchPreflight",
    ] {
        if ours[key] != wanted[key] {
            wrong.push(format!("{key} is not {}", wanted[key]));
        }
    }
    let helper = ours["apiKeyHelper"].as_str().unwrap_or_default();
    if !helper.contains(" hook token ") {
        wrong.push(format!("apiKeyHelper is not daicho's ({KEY_HELPER})"));
    }
    let allowed = ours["httpHookAllowedEnvVars"].as_array();
    for variable in allowed.into_iter().flatten().filter_map(Value::as_str) {
        if WITHHELD.contains(&variable) {
            wrong.push(format!(
                "hooks show no token: {variable} is left empty in their headers"
            ));
        }
    }
    if !ours["env"]["ANTHROPIC_BASE_URL"].is_string() {
        wrong.push("no ANTHROPIC_BASE_URL".to_owned());
    }
    let open = SWITCHES.into_iter();
    let mut open = open.filter(|switch| ours["env"][switch] != wanted["env"][switch]);
    if let Some(switch) = open.next() {
        wrong.push(format!(
            "users may set {switch} ({ANOTHER_PROVIDER}): write the file anew by `daicho hook install`"
        ));
    }
    wrong
}

/// Managed files beside daicho's.
fn others(dir: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(dir.join("managed-settings.d"));
    let listed = listed
        .into_iter()
        .flatten()
        .flatten()
        .map(|item| item.path());
    let mut files: Vec<PathBuf> = listed
        .chain([dir.join("managed-settings.json")])
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .filter(|path| path.exists() && !path.ends_with(FILE))
        .collect();
    files.sort();
    files
}

/// What `claude --version` says: `2.1.330 (Claude Code)`.
pub fn version() -> Option<String> {
    let said = Command::new("claude").arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().next()?;
    Some(version.to_owned())
}

fn older(version: &str, than: &str) -> bool {
    let parts = |text: &str| -> Vec<u64> {
        let numbers = text
            .split(['.', '-', '+'])
            .map_while(|part| part.parse().ok());
        numbers.collect()
    };
    parts(version) < parts(than)
}

/// Entries that are looked at: enough for weeks of a team, and a second's work.
const NEWEST: u64 = 100_000;

/// Sessions of Claude Code whose hooks and model traffic do not both reach this log. It names a
/// session alike to both; other clients of its provider name none.
pub fn in_the_log(reader: &Reader) -> Seen {
    #[derive(Default)]
    struct Session {
        hooks: u64,
        /// An answer of the model came to its end.
        turns: u64,
        calls: u64,
    }
    let mut sessions: BTreeMap<Label, Session> = BTreeMap::new();
    for entry in reader.entries(reader.size().saturating_sub(NEWEST)..reader.size()) {
        let entry = entry.map_err(|error| error.to_string())?;
        let Some(session) = entry.session() else {
            continue;
        };
        match entry.data() {
            Data::HookReported(told) if told.client.as_str() == Client::ClaudeCode.word() => {
                let session = sessions.entry(session.clone()).or_default();
                session.hooks += 1;
                session.turns += u64::from(told.event == HookEvent::Stop);
            }
            Data::PromptSubmitted(sent)
                if sent.provider.as_str() == Provider::Anthropic.as_str() =>
            {
                sessions.entry(session.clone()).or_default().calls += 1;
            }
            _ => {}
        }
    }
    let count = |what: fn(&Session) -> bool| sessions.values().filter(|s| what(s)).count();
    let past = count(|session| session.turns > 0 && session.calls == 0);
    let bare = count(|session| session.calls > 0 && session.hooks == 0);
    let mut wrong = Vec::new();
    if past > 0 {
        wrong.push(format!(
            "{} had answers of the model that did not come through the gateway",
            counted(past, "session")
        ));
    }
    if bare > 0 {
        wrong.push(format!(
            "{} called the model without hooks (--bare, or another client)",
            counted(bare, "session")
        ));
    }
    match (wrong.is_empty(), count(|session| session.hooks > 0)) {
        (false, _) => Err(wrong.join("; ")),
        (true, 0) => Ok("no hook has reported".to_owned()),
        (true, hooked) => Ok(format!(
            "{}, seen by hooks and gateway",
            counted(hooked, "session")
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dir(files: &[(&str, Value)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("managed-settings.d")).unwrap();
        for (name, value) in files {
            std::fs::write(dir.path().join(name), value.to_string()).unwrap();
        }
        dir
    }

    fn written() -> Value {
        settings(&Wanted {
            system: System::HERE,
            url: "http://127.0.0.1:7420",
            token_env: "DAICHO_TOKEN",
            program: "/usr/bin/daicho",
            telemetry: None,
        })
    }

    #[test]
    fn each_thing_that_defeats_capture_is_named() {
        let well = dir(&[
            (FILE, written()),
            ("managed-settings.json", json!({ "model": "x" })),
        ]);
        let on_this_host = |dir: &Path, version| on_this_host(dir, version, &[]);
        let seen = on_this_host(well.path(), Some("2.1.330"));
        assert_eq!(
            seen.unwrap(),
            "behind http://127.0.0.1:7420/anthropic; 2.1.330"
        );
        assert!(
            on_this_host(well.path(), Some("2.1.30"))
                .unwrap_err()
                .contains("2.1.295")
        );
        assert!(on_this_host(well.path(), Some("2.1.295")).is_ok());

        let socket = json!({ "env": { "ANTHROPIC_UNIX_SOCKET": "/tmp/s" } });
        let own = [("the environment".to_owned(), socket)];
        let seen = super::on_this_host(well.path(), None, &own).unwrap_err();
        assert!(seen.contains("the environment sets env.ANTHROPIC_UNIX_SOCKET"));

        let none = dir(&[]);
        assert!(on_this_host(none.path(), None).is_ok());
        assert!(
            on_this_host(none.path(), Some("2.1.330"))
                .unwrap_err()
                .contains("hook install")
        );

        let mut lacking = written();
        lacking["hooks"]
            .as_object_mut()
            .unwrap()
            .remove("PreToolUse");
        lacking["hooks"]["Stop"][0]["hooks"][0]["onFailure"] = "continue".into();
        lacking["allowManagedHooksOnly"] = false.into();
        lacking["httpHookAllowedEnvVars"] = json!(["ANTHROPIC_AUTH_TOKEN"]);
        lacking["apiKeyHelper"] = "make-a-key".into();
        lacking["env"]["CLAUDE_CODE_USE_VERTEX"] = Value::Null;
        let seen = on_this_host(dir(&[(FILE, lacking)]).path(), None).unwrap_err();
        let all = [
            "PreToolUse",
            "Stop",
            "allowManagedHooksOnly",
            "ANTHROPIC_AUTH_TOKEN",
            "apiKeyHelper",
            "CLAUDE_CODE_USE_VERTEX",
        ];
        for what in all {
            assert!(seen.contains(what), "{seen}");
        }

        for (other, what) in [
            (json!({ "disableAllHooks": true }), "disableAllHooks"),
            (
                json!({ "env": { "ANTHROPIC_BASE_URL": "https://x.test" } }),
                "ANTHROPIC_BASE_URL",
            ),
            (
                json!({ "env": { "CLAUDE_CODE_SIMPLE": "1" } }),
                "CLAUDE_CODE_SIMPLE",
            ),
            (
                json!({ "requiredMinimumVersion": "1.0.0" }),
                "requiredMinimumVersion",
            ),
            (json!("{"), "is no JSON"),
        ] {
            let files = [
                (FILE, written()),
                ("managed-settings.d/zz.json", other.clone()),
            ];
            let dir = dir(&files);
            if other.is_string() {
                std::fs::write(dir.path().join("managed-settings.d/zz.json"), "{").unwrap();
            }
            let seen = on_this_host(dir.path(), None).unwrap_err();
            assert!(seen.contains(what) && seen.contains("zz.json"), "{seen}");
        }
    }
}
