//! `daicho serve` in a process of its own, as an operator runs it, so that its memory is its own.

use super::append::remove;
use crate::config::write_default;
use crate::outcome::Failure;
use agents::registry::{Token, issue_token};
use anyhow::Context;
use ledger::{Layout, Options};
use schemas::kinds::agents::AgentRegistered;
use schemas::{DataClass, Event};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Served {
    server: Child,
    /// Host and port.
    pub address: String,
    /// Of the one agent that there is.
    pub token: Token,
    dir: PathBuf,
}

impl Served {
    /// A fresh ledger in `dir`, before a provider at this URL.
    pub fn start(dir: &Path, provider: &str) -> Result<Served, Failure> {
        ledger::create(dir, "example.com/bench", &ledger::clock::SystemClock)?;
        write_default(&Layout::new(dir))?;
        let config = dir.join("daicho.toml");
        let text = std::fs::read_to_string(&config)?;
        std::fs::write(&config, text.replace("https://api.anthropic.com", provider))?;
        let token = register(dir)?;
        let server = this_program()?
            .arg("--data")
            .arg(dir)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("ANTHROPIC_API_KEY", "bench")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("daicho cannot be started")?;
        let mut served = Served {
            server,
            address: String::new(),
            token,
            dir: dir.to_owned(),
        };
        let output = served.server.stdout.take().context("no output")?;
        let mut said = BufReader::new(output).lines();
        let first = said.next().context("the server says nothing")?;
        let first = first.context("its output cannot be read")?;
        let (_, address) = first.split_once("http://").context("no address")?;
        served.address = address.trim_end_matches('/').to_owned();
        // What else it says nobody wants, but it must be able to say it.
        std::thread::spawn(move || said.for_each(drop));
        Ok(served)
    }

    /// What the server's process holds in memory, and the most that it ever held, in KiB; `None`
    /// where the system does not tell.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let status = format!("/proc/{}/status", self.server.id());
        let status = std::fs::read_to_string(status).ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        Some((kib("VmRSS:")?, kib("VmHWM:")?))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        remove(&self.dir);
    }
}

pub fn this_program() -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    Ok(Command::new(program))
}

fn register(dir: &Path) -> anyhow::Result<Token> {
    let (appender, _) = ledger::open(dir, Options::default())?;
    let token = issue_token()?;
    let data = AgentRegistered {
        agent: "bench".parse()?,
        role: "bench".parse()?,
        data_class: DataClass::Internal,
        token_sha256: token.digest(),
        token_until: None,
        model: None,
        person: None,
    };
    let event = Event::new(appender.new_id(), "service:operator".parse()?, data);
    appender.append(vec![event.into()])?;
    Ok(token)
}
