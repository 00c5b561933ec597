use super::{Ledger, Server, daicho, walk};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// A ledger that is served, and an agent of it: `dev`, with its token.
pub struct World {
    pub ledger: Ledger,
    pub server: Server,
    pub token: String,
}

impl World {
    pub fn new() -> World {
        World::with("")
    }

    /// With these lines at the end of daicho.toml.
    pub fn with(config: &str) -> World {
        let ledger = Ledger::new();
        ledger.configure(|text| text + config);
        let token = ledger.register("dev");
        let server = ledger.serve();
        World {
            ledger,
            server,
            token,
        }
    }

    /// With a provider, as both kinds of it, at this address.
    pub fn before(provider: &str) -> World {
        let ledger = Ledger::new();
        ledger.configure(|text| before(&text, provider));
        let token = ledger.register("dev");
        let server = serve_gateway(&ledger.dir);
        World {
            ledger,
            server,
            token,
        }
    }

    /// A hook's body under some token; the status, and what was answered.
    pub fn hook(&self, token: &str, body: String) -> (u16, Value) {
        let url = self.server.url("/hooks/claude-code");
        let sent = self.server.client.post(url).bearer_auth(token);
        let answer = sent.body(body).send().unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().unwrap())
    }

    /// A hook of this agent's.
    #[track_caller]
    pub fn tell(&self, event: &Value) -> Value {
        let (status, answer) = self.hook(&self.token, event.to_string());
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.ledger.events(kind)
    }

    pub fn kinds(&self) -> Vec<String> {
        let listed = self.ledger.run(&["--json", "events"]).lines();
        let kind = |entry: &Value| entry["kind"].as_str().unwrap().to_owned();
        listed.iter().map(kind).collect()
    }

    /// The number of the newest draft that waits.
    pub fn waiting(&self) -> Option<String> {
        let rows = ["--json", "approvals", "list", "--state", "requested"];
        let rows = self.ledger.run(&rows).lines();
        let approval = |row: &Value| row["approval"].as_str().unwrap().to_owned();
        rows.last().map(approval)
    }

    /// By `s002`, whose key this is.
    #[track_caller]
    pub fn approve(&self, approval: &str, key: &str) {
        let by = ["--by", "user:s002", "--key", key];
        let approve = [&["approvals", "approve", approval][..], &by].concat();
        self.ledger.run(&approve).ok();
    }

    /// No file of the ledger holds this text as it is.
    #[track_caller]
    pub fn nowhere(&self, text: &str) {
        let read = |path: PathBuf| Ok((std::fs::read(&path)?, path));
        // A server may put a new file in the place of an old one meanwhile: then look again.
        let files = loop {
            let files: io::Result<Vec<_>> = walk(&self.ledger.dir).into_iter().map(read).collect();
            match files {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                files => break files.unwrap(),
            }
        };
        for (bytes, path) in files {
            let kept = String::from_utf8_lossy(&bytes);
            assert!(!kept.contains(text), "{}", path.display());
        }
    }
}

/// A daicho.toml whose providers are at this address.
pub fn before(config: &str, provider: &str) -> String {
    let anthropic = config.replace("https://api.anthropic.com", provider);
    anthropic.replace("https://api.openai.com", provider)
}

/// A server that has keys of both providers.
pub fn serve_gateway(dir: &Path) -> Server {
    let mut command = daicho(dir);
    for variable in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"] {
        command.env(variable, "provider-key-of-nobody");
    }
    Server::start(dir, command)
}

/// A hook event as Claude Code sends it, of one session.
pub fn hook_event(name: &str, more: &Value) -> Value {
    let mut event = json!({
        "session_id": "7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11", "cwd": "/home/dev/shop",
        "transcript_path": "/home/dev/.claude/projects/shop/7f3c.jsonl",
        "permission_mode": "default", "hook_event_name": name,
    });
    let fields = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(fields);
    event
}
