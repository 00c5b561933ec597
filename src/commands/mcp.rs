//! An MCP tool server behind daicho, on standard input and output: each call is decided and
//! recorded before the server hears of it, each result recorded before the client does.
//!
//! ```text
//! client ─▶ line ─▶ tools/call? tell, decide ─▶ server
//! client ◀─ line ◀─ its result? tell         ◀─ server
//! ```
//! What is held as a draft runs once it is granted: within `--wait`, or when the agent calls it
//! again. Everything that is no call of a tool passes.

mod message;

use crate::cli::Mcp;
use crate::outcome::{Done, Failure, Outcome};
use crate::tell::Server;
use anyhow::{Context, anyhow};
use message::{Call, Message, next_line};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For one answer of `daicho serve`.
const TIMEOUT_SECONDS: u64 = 25;

/// Calls at a time: each has a thread while it is decided.
const MOST_CALLS: usize = 256;

/// Between two looks at a draft that is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

const LOOK_AT_CHILD: Duration = Duration::from_millis(20);

/// What a server that was left may take to end by itself.
const PARTING: Duration = Duration::from_secs(5);

pub fn run(args: &Mcp) -> Done {
    if !message::is_name(&args.name) {
        let help = "letters, digits, `-` and `_`, 64 at most, and no `__`";
        return Err(Failure::msg("--name is no name of a server", help));
    }
    let daicho = Server::at(&args.url, &args.token_env, TIMEOUT_SECONDS)?;
    let mut child = start(args)?;
    let (to_server, from_server) = (child.stdin.take(), child.stdout.take());
    let from_server = from_server.context("the server has no output")?;
    let proxy = Arc::new(Proxy {
        daicho,
        name: args.name.clone(),
        session: session()?,
        directory: std::env::current_dir().map_or(Value::Null, |dir| json!(dir.to_string_lossy())),
        wait: Duration::from_secs(args.wait),
        server: Mutex::new(to_server),
        child: Mutex::new(child),
        calls: Mutex::default(),
        client: Mutex::new(std::io::stdout()),
    });
    if let Err(failure) = proxy.tell("SessionStart", json!({ "source": "startup" })) {
        proxy.part(Duration::ZERO);
        return Err(failure);
    }
    let theirs = Arc::clone(&proxy);
    std::thread::spawn(move || theirs.read_client(std::io::stdin()));
    let read = proxy.read_server(from_server);
    if read.is_err() {
        // It may go on writing to nobody for ever.
        proxy.part(Duration::ZERO);
    }
    let ended = proxy.ended();
    proxy.leave_none_waiting();
    // It is over in any case; what the log lacks then is an end.
    if let Err(failure) = proxy.tell("SessionEnd", json!({ "reason": "other" })) {
        eprintln!("warning: the end was not recorded: {:#}", failure.fault);
    }
    read.context("the server's output cannot be read")?;
    match ended {
        Ok(status) if status.success() => Ok(Outcome::Well),
        Ok(status) => Err(Failure::msg(
            format!("the tool server ended with {status}"),
            "see what it printed",
        )),
        Err(error) => Err(anyhow!(error).into()),
    }
}

fn start(args: &Mcp) -> Result<Child, Failure> {
    let (program, arguments) = args.command.split_first().context("no COMMAND")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // Whoever holds the token speaks as the agent.
    command.env_remove(&args.token_env);
    let started = command.spawn();
    started.map_err(|error| {
        let fault = anyhow!(error).context(format!("{} cannot be started", program.display()));
        Failure::new(fault, "give the program's path after `--`")
    })
}

fn session() -> Result<String, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("the system gives no randomness")?;
    Ok(format!("mcp-{}", hex::encode(random)))
}

struct Proxy {
    daicho: Server,
    name: String,
    session: String,
    directory: Value,
    wait: Duration,
    /// `None` once the client has gone.
    server: Mutex<Option<ChildStdin>>,
    child: Mutex<Child>,
    /// By the client's id, as JSON.
    calls: Mutex<HashMap<String, State>>,
    client: Mutex<std::io::Stdout>,
}

enum State {
    /// The server has not heard of it; and need not, once the client has taken it back.
    Decided {
        taken_back: bool,
    },
    Running(Call),
}

/// What becomes of a call.
enum Ruling {
    Run(Call),
    Refused(String),
}

impl Proxy {
    fn read_client(self: Arc<Self>, from: impl Read) {
        let mut from = BufReader::new(from);
        while let Ok(Some(line)) = next_line(&mut from) {
            match Message::of_client(&line) {
                Message::Call(call) => self.begin(call),
                Message::Other(value) => {
                    if let Some(id) = message::takes_back(&value) {
                        self.take_back(id);
                    }
                    self.send_server(&value);
                }
                Message::Unsound(answer) => self.send_client(&answer),
            }
        }
        self.part(PARTING);
    }

    /// Decided in a thread of its own: one that waits holds up no other.
    fn begin(self: &Arc<Self>, call: Call) {
        if self.calls().len() >= MOST_CALLS {
            return self.send_client(&call.failed("too many calls at a time; try again later"));
        }
        let key = call.id.to_string();
        let state = State::Decided { taken_back: false };
        if let Some(before) = self.calls().insert(key.clone(), state) {
            let twice = call.unsound("another call with this id is not answered yet");
            self.calls().insert(key, before);
            return self.send_client(&twice);
        }
        let proxy = Arc::clone(self);
        std::thread::spawn(move || match proxy.decide(call.clone()) {
            Ruling::Run(call) => proxy.run(call),
            Ruling::Refused(reason) => {
                proxy.calls().remove(&call.id.to_string());
                proxy.send_client(&call.failed(&reason));
            }
        });
    }

    fn decide(&self, call: Call) -> Ruling {
        let deadline = Instant::now() + self.wait;
        loop {
            let answer = match self.tell("PreToolUse", call.told(&self.name)) {
                Ok(answer) => answer,
                Err(failure) => {
                    let why = format!("{:#}; it was not run", failure.fault);
                    return Ruling::Refused(why);
                }
            };
            let reason = answer["reason"].as_str().unwrap_or("no reason given");
            match answer["verdict"].as_str() {
                Some("pass" | "allow") => {
                    let arguments = &answer["arguments"];
                    return Ruling::Run(match arguments.is_null() {
                        true => call,
                        false => call.with(arguments.clone()),
                    });
                }
                Some("draft") if self.is_decided_until(deadline, &answer["approval"]) => {}
                _ => return Ruling::Refused(reason.to_owned()),
            }
        }
    }

    /// Waits for a decision on a draft.
    fn is_decided_until(&self, deadline: Instant, approval: &Value) -> bool {
        let Some(approval) = approval.as_str() else {
            return false;
        };
        while Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
            let state = self.daicho.get(&format!("/hooks/mcp/drafts/{approval}"));
            let state = state.ok().and_then(|text| serde_json::from_str(&text).ok());
            match state {
                Some(state) if state_of(&state) == "requested" => {}
                // What it is now, the decision says.
                Some(_) => return true,
                // The server may be on its way back.
                None => {}
            }
        }
        false
    }

    fn run(&self, call: Call) {
        let key = call.id.to_string();
        let message = call.message.clone();
        {
            let mut calls = self.calls();
            if let Some(State::Decided { taken_back: true }) = calls.get(&key) {
                calls.remove(&key);
                return;
            }
            calls.insert(key, State::Running(call));
        }
        self.send_server(&message);
    }

    fn take_back(&self, id: &Value) {
        if let Some(State::Decided { taken_back }) = self.calls().get_mut(&id.to_string()) {
            *taken_back = true;
        }
    }

    fn read_server(&self, from: impl Read) -> std::io::Result<()> {
        let mut from = BufReader::new(from);
        while let Some(line) = next_line(&mut from)? {
            let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                eprintln!("warning: the tool server wrote what is no message; it was left out");
                continue;
            };
            let running = message::answers(&message).and_then(|id| self.end(id));
            match running {
                Some(call) => self.returned(&call, &message),
                None => self.send_client(&message),
            }
        }
        Ok(())
    }

    fn end(&self, id: &Value) -> Option<Call> {
        let (mut calls, key) = (self.calls(), id.to_string());
        match calls.remove(&key)? {
            State::Running(call) => Some(call),
            // An answer to what the server was not asked.
            waiting @ State::Decided { .. } => {
                calls.insert(key, waiting);
                None
            }
        }
    }

    fn returned(&self, call: &Call, message: &Value) {
        let (event, told) = call.told_with(&self.name, message);
        match self.tell(event, told) {
            Ok(_) => self.send_client(message),
            Err(failure) => {
                let why = format!(
                    "it ran, and its result is withheld because it was not recorded: {:#}",
                    failure.fault
                );
                self.send_client(&call.failed(&why));
            }
        }
    }

    /// The server has ended: what it was asked is not known to be done.
    fn leave_none_waiting(&self) {
        let left: Vec<Call> = self
            .calls()
            .drain()
            .filter_map(|(_, state)| match state {
                State::Running(call) => Some(call),
                State::Decided { .. } => None,
            })
            .collect();
        for call in left {
            let lost = call.failed("the tool server ended; what it did of this is not known");
            self.returned(&call, &lost);
        }
    }

    fn tell(&self, event: &str, mut told: Value) -> Result<Value, Failure> {
        told["hook_event_name"] = event.into();
        told["session_id"] = self.session.as_str().into();
        told["cwd"] = self.directory.clone();
        let answer = self
            .daicho
            .tell("/hooks/mcp", told.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer)?)
    }

    fn send_server(&self, message: &Value) {
        let mut server = lock(&self.server);
        if let Some(server) = &mut *server {
            // One that does not listen any more is about to end.
            let _ = writeln!(server, "{message}").and_then(|()| server.flush());
        }
    }

    fn send_client(&self, message: &Value) {
        let mut client = lock(&self.client);
        let _ = writeln!(client, "{message}").and_then(|()| client.flush());
    }

    /// The client has gone: so may the server, in its own time.
    fn part(&self, patience: Duration) {
        lock(&self.server).take();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(lock(&self.child).try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_AT_CHILD);
        }
        let _ = lock(&self.child).kill();
    }

    /// Waits without keeping [`Proxy::part`] from its child.
    fn ended(&self) -> std::io::Result<ExitStatus> {
        loop {
            if let Some(status) = lock(&self.child).try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK_AT_CHILD);
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, State>> {
        lock(&self.calls)
    }
}

fn state_of(answer: &Value) -> &str {
    answer["state"].as_str().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
