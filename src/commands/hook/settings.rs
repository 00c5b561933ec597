//! Claude Code's managed settings, as far as daicho writes them: one file of its own beside
//! whatever else the administrator has there.

use super::system::System;
use serde_json::{Map, Value, json};

/// The oldest Claude Code that stops where a hook fails (`onFailure`).
pub const OLDEST: &str = "2.1.295";

/// The file that is daicho's alone, below the managed settings' directory, all of which is read.
pub const FILE: &str = "managed-settings.d/daicho.json";

/// Where the server takes what Claude Code's hooks say.
pub const HOOK: &str = "/hooks/claude-code";

/// Where it takes their telemetry.
const TELEMETRY: &str = "/otlp/v1/logs";

pub fn hook_url(url: &str) -> String {
    format!("{}{HOOK}", url.trim_end_matches('/'))
}

/// Claude Code's own credentials: it leaves them empty in the headers of hooks (seen in 2.1.330).
pub const WITHHELD: [&str; 2] = ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"];

/// Switches that have the client ask another provider, and not `ANTHROPIC_BASE_URL` (all that 2.1.330
/// has). What is managed counts before a user's environment: written as off, they stay off.
pub const SWITCHES: [&str; 6] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
];

/// How agents reach the server.
pub struct Wanted<'a> {
    pub system: System,
    pub url: &'a str,
    /// Environment variable that holds an agent's token.
    pub token_env: &'a str,
    /// This program, for the events that take no HTTP.
    pub program: &'a str,
    /// Collector of telemetry (OTLP over HTTP) in daicho's own place.
    pub telemetry: Option<&'a str>,
}

/// Events whose hooks take HTTP.
const OVER_HTTP: &[&str] = &[
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "Notification",
    "UserPromptSubmit",
    "UserPromptExpansion",
    "SessionEnd",
    "Stop",
    "StopFailure",
    "SubagentStart",
    "SubagentStop",
    "PreCompact",
    "PostCompact",
    "PreModelSwitch",
    "PostModelSwitch",
    "PermissionRequest",
    "PermissionDenied",
    "TeammateIdle",
    "TaskCreated",
    "TaskCompleted",
    "Elicitation",
    "ElicitationResult",
    "ConfigChange",
    "InstructionsLoaded",
    "CwdChanged",
    "FileChanged",
    "DirectoryAdded",
];

/// Those that run a command only. Not asked for: `WorktreeCreate` and `WorktreeRemove`, whose
/// hooks do the work in the client's place, and `MessageDisplay`, which repeats each piece of
/// an answer that the gateway has whole.
const BY_COMMAND: &[&str] = &["SessionStart", "Setup"];

/// Seconds that the client waits for an answer.
const PATIENCE: u64 = 30;

pub fn settings(wanted: &Wanted<'_>) -> Value {
    let Wanted {
        system,
        url,
        token_env,
        program,
        telemetry,
    } = wanted;
    let url = url.trim_end_matches('/');
    let quoted = system.quoted(program);
    let http = json!([{ "hooks": [{
        "type": "http",
        "url": hook_url(url),
        "headers": { "Authorization": format!("Bearer ${token_env}") },
        "allowedEnvVars": [token_env],
        "timeout": PATIENCE,
        "onFailure": "block",
    }]}]);
    // With `args` no shell reads it: on Windows that would be one or another.
    let command = json!([{ "hooks": [{
        "type": "command",
        "command": program,
        "args": ["hook", "--url", url, "--token-env", token_env],
        "timeout": PATIENCE,
        "onFailure": "block",
    }]}]);
    let mut hooks = Map::new();
    for (events, hook) in [(OVER_HTTP, http), (BY_COMMAND, command)] {
        hooks.extend(
            events
                .iter()
                .map(|event| ((*event).to_owned(), hook.clone())),
        );
    }
    let mut env = json!({
        "ANTHROPIC_BASE_URL": format!("{url}/anthropic"),
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
    });
    for switch in SWITCHES {
        env[switch] = "0".into();
    }
    let mut settings = json!({
        "env": null,
        "hooks": hooks,
        "allowManagedHooksOnly": true,
        "allowedHttpHookUrls": [format!("{url}/*")],
        "httpHookAllowedEnvVars": [token_env],
        "requiredMinimumVersion": OLDEST,
        // The key that the client shows to the gateway: one variable is enough, and it stands in no
        // file of settings.
        "apiKeyHelper": format!("{quoted} hook token --token-env {token_env}"),
        // Else each address that WebFetch asks for goes to the provider past the gateway.
        "skipWebFetchPreflight": true,
    });
    if let Some(collector) = telemetry {
        env["OTEL_METRICS_EXPORTER"] = "otlp".into();
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = (*collector).into();
    } else {
        env["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] = format!("{url}{TELEMETRY}").into();
        // What it prints goes with each export; a token has no place in a file of settings.
        let headers = format!("{quoted} hook headers --token-env {token_env}");
        settings["otelHeadersHelper"] = headers.into();
    }
    settings["env"] = env;
    settings
}

/// Keys at the top of a file that daicho did not write.
pub fn foreign(file: &Value) -> Vec<String> {
    let ours = settings(&Wanted {
        system: System::HERE,
        url: "",
        token_env: "",
        program: "",
        telemetry: None,
    });
    let keys = file.as_object().into_iter().flat_map(Map::keys);
    keys.filter(|key| ours.get(key.as_str()).is_none())
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_path_has_spaces_is_named_as_its_system_reads_it() {
        let windows = r"C:\Program Files\daicho\daicho.exe";
        for (system, program, quoted) in [
            (System::Windows, windows, format!("\"{windows}\"")),
            (System::Linux, "/opt/d 1/daicho", "'/opt/d 1/daicho'".into()),
            (System::MacOs, "/opt/d 1/daicho", "'/opt/d 1/daicho'".into()),
        ] {
            let written = settings(&Wanted {
                system,
                url: "http://ledger.test:7420/",
                token_env: "DAICHO_TOKEN",
                program,
                telemetry: None,
            });
            let hook = &written["hooks"]["SessionStart"][0]["hooks"][0];
            let args = [
                "hook",
                "--url",
                "http://ledger.test:7420",
                "--token-env",
                "DAICHO_TOKEN",
            ];
            assert_eq!(
                (&hook["command"], &hook["args"]),
                (&json!(program), &json!(args))
            );
            let line = |what: &str| format!("{quoted} hook {what} --token-env DAICHO_TOKEN");
            assert_eq!(written["apiKeyHelper"], line("token"));
            assert_eq!(written["otelHeadersHelper"], line("headers"));
        }
    }
}
