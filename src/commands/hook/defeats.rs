//! What takes Claude Code out from behind daicho: said in settings, or in the environment that it
//! starts in.
//!
//! What managed settings say counts before all else, so a user's own settings and environment defeat
//! only what daicho's file leaves open. `NO_PROXY` is none of these by itself: daicho is no forward
//! proxy, and the client asks it by its address.

use super::settings::SWITCHES;
use reqwest::Url;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Where something is said, as it is told; and the settings, or the environment as their `env`.
pub type Said = (String, Value);

/// Where a user's own settings may stand, and the environment of this process.
pub fn own() -> Vec<Said> {
    let of_user = std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    let of_user = of_user.or_else(|| Some(std::env::home_dir()?.join(".claude")));
    let user = of_user.map(|dir| dir.join("settings.json"));
    let here =
        ["settings.json", "settings.local.json"].map(|name| PathBuf::from(".claude").join(name));
    let files = user.into_iter().chain(here).filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some((
            path.display().to_string(),
            serde_json::from_str(&text).ok()?,
        ))
    });
    let env: Map<String, Value> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_str()?.into())))
        .collect();
    let environment = (
        "the environment".to_owned(),
        serde_json::json!({ "env": env }),
    );
    files.chain([environment]).collect()
}

/// What other managed settings say against daicho's: they are merged, and may come after.
pub fn managed(ours: &Value, other: &Value) -> Vec<String> {
    let differs = |key: &str| !other[key].is_null() && other[key] != ours[key];
    let keys = [
        (
            "disableAllHooks",
            other["disableAllHooks"] == true,
            "no hook runs",
        ),
        (
            "allowManagedHooksOnly",
            differs("allowManagedHooksOnly"),
            "hooks of others run too",
        ),
        (
            "requiredMinimumVersion",
            differs("requiredMinimumVersion"),
            "clients go on where a hook fails",
        ),
        ("apiKeyHelper", differs("apiKeyHelper"), KEY_HELPER),
        (
            "otelHeadersHelper",
            differs("otelHeadersHelper"),
            "telemetry shows no token",
        ),
        (
            "skipWebFetchPreflight",
            differs("skipWebFetchPreflight"),
            "addresses go to the provider past daicho",
        ),
    ];
    let keys = keys.into_iter().filter(|(_, found, _)| *found);
    let keys = keys.map(|(key, _, why)| told(key, why));
    keys.chain(variables(ours, other, true)).collect()
}

/// What a user's own settings or environment say that daicho's settings do not keep them from.
pub fn by_user(ours: &Value, other: &Value) -> Vec<String> {
    let helps = !other["apiKeyHelper"].is_null() && ours["apiKeyHelper"].is_null();
    let helps = helps.then(|| told("apiKeyHelper", KEY_HELPER));
    helps
        .into_iter()
        .chain(variables(ours, other, false))
        .collect()
}

/// A program that makes the key which the client shows to the model.
pub const KEY_HELPER: &str = "another program makes the key: daicho does not know who calls, and a \
                              provider's own key opens the way past it";

pub const ANOTHER_PROVIDER: &str = "the model is asked at another provider, past daicho";

fn told(what: &str, why: &str) -> String {
    format!("{what} ({why})")
}

/// Where the model would be asked: other providers, once their switch is on, and a socket that takes
/// the place of every address.
const ADDRESSES: &[&str] = &[
    "ANTHROPIC_BEDROCK_BASE_URL",
    "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
    "ANTHROPIC_VERTEX_BASE_URL",
    "ANTHROPIC_FOUNDRY_BASE_URL",
    "ANTHROPIC_FOUNDRY_RESOURCE",
    "ANTHROPIC_AWS_BASE_URL",
    "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
    "ANTHROPIC_UNIX_SOCKET",
];

/// What daicho's file sets itself, and why another value is wrong.
const SET: &[(&str, &str)] = &[
    ("ANTHROPIC_BASE_URL", "the model is asked past daicho"),
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "a witness is missing"),
    ("OTEL_LOGS_EXPORTER", "a witness is missing"),
    (
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "telemetry goes elsewhere",
    ),
];

/// Of a variable that is managed another value is found wrong; one of a user's own counts where
/// daicho's file says nothing of it.
fn variables(ours: &Value, other: &Value, managed: bool) -> Vec<String> {
    let (ours, env) = (&ours["env"], &other["env"]);
    let counts = |name: &str| {
        let open = managed || ours[name].is_null();
        text(&env[name]).filter(|said| open && text(&ours[name]).as_ref() != Some(said))
    };
    let is_on = |name: &str| counts(name).is_some_and(|said| !is_off(&said));
    let mut found = Vec::new();
    let mut say = |name: &str, why: &str| found.push(told(&format!("env.{name}"), why));
    for (name, why) in SET {
        if counts(name).is_some() {
            say(name, why);
        }
    }
    for name in SWITCHES.iter().filter(|name| is_on(name)) {
        say(name, ANOTHER_PROVIDER);
    }
    for name in ADDRESSES.iter().filter(|name| counts(name).is_some()) {
        say(name, "an address that is not daicho's");
    }
    if is_on("CLAUDE_CODE_SIMPLE") {
        say("CLAUDE_CODE_SIMPLE", "hooks may be left out, as by --bare");
    }
    let proxy = text(&ours["ANTHROPIC_BASE_URL"]).and_then(|base| proxy(&base, env));
    if let Some(proxy) = proxy {
        say(
            proxy,
            "what daicho would mask goes through that proxy first; name daicho's host in NO_PROXY",
        );
    }
    found
}

/// As the client reads a switch.
fn is_off(said: &str) -> bool {
    matches!(
        said.trim().to_lowercase().as_str(),
        "" | "0" | "false" | "no" | "off"
    )
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The variable that leads what is for daicho through a proxy. Over TLS that reads nothing of it.
fn proxy(base: &str, env: &Value) -> Option<&'static str> {
    let base = Url::parse(base).ok()?;
    let host = base.host_str()?;
    let set = |name: &&str| text(&env[*name]).is_some_and(|said| !said.is_empty());
    let excepted = ["no_proxy", "NO_PROXY"].map(|name| text(&env[name]));
    let excepted = excepted.iter().flatten().any(|list| {
        let mut listed = list.split([',', ' ']).map(str::trim);
        listed.any(|one| one == "*" || is_of(host, one))
    });
    let proxies = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];
    let proxy = proxies.into_iter().find(set);
    proxy.filter(|_| base.scheme() == "http" && !excepted)
}

/// Whether a host is the one that is listed, or in that domain.
fn is_of(host: &str, listed: &str) -> bool {
    let listed = listed.trim_start_matches(['*', '.']);
    let listed = match listed.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => listed,
    };
    let within = host.strip_suffix(listed);
    !listed.is_empty() && within.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::hook::settings::{Wanted, settings};
    use crate::commands::hook::system::System;
    use serde_json::json;

    fn ours() -> Value {
        settings(&Wanted {
            system: System::HERE,
            url: "http://daicho.example.co.jp:7420",
            token_env: "DAICHO_TOKEN",
            program: "/usr/bin/daicho",
            telemetry: None,
        })
    }

    fn is_told(found: &[String], what: &str) -> bool {
        found
            .iter()
            .any(|told| told.starts_with(&format!("{what} (")))
    }

    #[test]
    fn each_setting_and_variable_that_leads_past_daicho_is_told() {
        let ours = ours();
        let env = |name: &str, value: &str| json!({ "env": { name: value } });
        for (other, what) in [
            (json!({ "disableAllHooks": true }), "disableAllHooks"),
            (json!({ "apiKeyHelper": "make-a-key" }), "apiKeyHelper"),
            (json!({ "otelHeadersHelper": "x" }), "otelHeadersHelper"),
            (
                json!({ "skipWebFetchPreflight": false }),
                "skipWebFetchPreflight",
            ),
            (
                env("ANTHROPIC_BASE_URL", "https://x.test"),
                "env.ANTHROPIC_BASE_URL",
            ),
            (env("OTEL_LOGS_EXPORTER", "none"), "env.OTEL_LOGS_EXPORTER"),
        ] {
            let found = managed(&ours, &other);
            assert!(found.len() == 1 && is_told(&found, what), "{found:?}");
            // What a user says does not count beside it.
            assert!(by_user(&ours, &other).is_empty(), "{what}");
        }
        for name in ADDRESSES.iter().chain(&["CLAUDE_CODE_SIMPLE"]) {
            let told = [by_user, managed].map(|look| look(&ours, &env(name, "1")));
            for found in told {
                let what = format!("env.{name}");
                assert!(found.len() == 1 && is_told(&found, &what), "{found:?}");
            }
        }
        // Written as off they stay off, but for another file beside daicho's.
        let mut open = ours.clone();
        for name in SWITCHES {
            let what = format!("env.{name}");
            assert!(by_user(&ours, &env(name, "1")).is_empty(), "{name}");
            assert!(is_told(&managed(&ours, &env(name, "1")), &what), "{name}");
            open["env"][name] = Value::Null;
            assert!(is_told(&by_user(&open, &env(name, "1")), &what), "{name}");
            assert!(by_user(&open, &env(name, "false")).is_empty(), "{name}");
        }
        // Where daicho's file leaves it open, anybody's counts.
        let helper = json!({ "apiKeyHelper": "make-a-key" });
        open["apiKeyHelper"] = Value::Null;
        assert!(is_told(&by_user(&open, &helper), "apiKeyHelper"));
        assert!(managed(&ours, &ours).is_empty() && by_user(&ours, &ours).is_empty());
    }

    #[test]
    fn a_proxy_before_daicho_is_told_where_it_could_read_what_is_not_masked_yet() {
        let ours = ours();
        let told = |env: Value| !by_user(&ours, &json!({ "env": env })).is_empty();
        assert!(told(json!({ "HTTP_PROXY": "http://proxy:1" })));
        assert!(told(
            json!({ "https_proxy": "http://proxy:1", "NO_PROXY": "localhost" })
        ));
        for excepted in [
            "*",
            "a,daicho.example.co.jp",
            ".example.co.jp",
            "daicho.example.co.jp:7420",
        ] {
            let env = json!({ "HTTP_PROXY": "http://proxy:1", "NO_PROXY": excepted });
            assert!(!told(env), "{excepted}");
        }
        assert!(told(
            json!({ "HTTP_PROXY": "http://proxy:1", "no_proxy": "ple.co.jp" })
        ));
        assert!(!told(json!({ "NO_PROXY": "daicho.example.co.jp" })));
        let mut over_tls = ours.clone();
        over_tls["env"]["ANTHROPIC_BASE_URL"] = "https://daicho.example.co.jp/anthropic".into();
        let found = by_user(
            &over_tls,
            &json!({ "env": { "HTTP_PROXY": "http://proxy:1" } }),
        );
        assert!(found.is_empty(), "{found:?}");
    }
}
