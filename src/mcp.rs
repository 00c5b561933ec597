//! MCP, between a client and a tool server: what becomes of each message, whatever carries it.
//!
//! ```text
//! client ─▶ client_says ─ tools/call? tell, decide ─▶ tool server
//! client ◀─ server_says ─ its result? tell         ◀─ tool server
//! ```
//! Each call is decided and recorded before the server hears of it, each result recorded before
//! the client does. What is held as a draft runs once it is granted: within [`Proxy::wait`], or
//! when the agent calls it again. What reads a resource or fills in a prompt is like a call
//! (`message::LIKE_CALLS`), and so is what a person or a model answers the server's own question
//! (`questions`); everything else passes.
//!
//! | carried by | client | tool server | the ledger |
//! |---|---|---|---|
//! | `daicho mcp` | standard input and output | a child process | a server's `/hooks/mcp` |
//! | `/mcp/{server}` | streamable HTTP | a child process, or streamable HTTP | here |

mod child;
pub mod message;
mod questions;

pub use child::Child;

use crate::outcome::Failure;
use futures_util::future::BoxFuture;
use message::{Call, Message};
use questions::Questions;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Requests that are not answered yet: each holds what it asks.
const MOST_ASKED: usize = 256;

/// Between two looks at a draft that is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// For what a server that has ended had said before.
const DRAIN: Duration = Duration::from_secs(1);

/// Where calls are decided and recorded.
pub trait Ledger: Send + Sync {
    /// What is told in a hook's form, and the answer to it.
    fn tell(&self, told: Value) -> BoxFuture<'_, Result<Value, Failure>>;

    /// The word for a draft's state; `None` where nobody can tell now.
    fn draft<'a>(&'a self, approval: &'a str) -> BoxFuture<'a, Option<String>>;
}

pub trait Client: Send + Sync {
    fn send(&self, message: Value) -> BoxFuture<'_, ()>;
}

pub trait ToolServer: Send + Sync {
    fn send(&self, message: Value) -> BoxFuture<'_, ()>;

    /// Nobody asks it any more; it may take this long to end by itself.
    fn part(&self, patience: Duration) -> BoxFuture<'_, ()>;

    /// Returns once it has ended by itself.
    fn gone(&self) -> BoxFuture<'_, ()>;
}

/// One session of a client with a tool server.
pub struct Proxy {
    /// The server's name in rules and records.
    pub name: String,
    pub session: String,
    /// Where the client works; null where that is not known.
    pub directory: Value,
    /// How long a call may wait for its draft to be decided.
    pub wait: Duration,
    pub ledger: Box<dyn Ledger>,
    pub client: Arc<dyn Client>,
    pub server: Arc<dyn ToolServer>,
    pub asked: Asked,
}

/// The client's requests that are not answered yet.
#[derive(Default)]
pub struct Asked(Mutex<Open>);

#[derive(Default)]
struct Open {
    /// By the client's id, as JSON.
    requests: HashMap<String, State>,
    /// Calls whose result is asked for later, by the id that the server gave them.
    tasks: HashMap<String, Call>,
    questions: Questions,
    /// The tool server has ended.
    ended: bool,
}

enum State {
    /// No call of a tool.
    Passed,
    /// The server has not heard of it; and need not, once the client has taken it back.
    Deciding {
        taken_back: bool,
    },
    Running(Call),
}

/// What becomes of a call.
enum Ruling {
    Run(Call),
    Refused(String),
}

const ENDED: &str = "the tool server has ended";

impl Proxy {
    /// Nothing goes on before this is recorded.
    pub async fn start(&self) -> Result<(), Failure> {
        let told = self.tell("SessionStart", json!({ "source": "startup" }));
        told.await.map(drop)
    }

    /// It is over in any case; what the log lacks then is an end.
    pub async fn end(&self) -> Result<(), Failure> {
        let told = self.tell("SessionEnd", json!({ "reason": "other" }));
        told.await.map(drop)
    }

    pub async fn client_says(self: &Arc<Self>, message: Message) {
        match message {
            Message::Call(call) => self.begin(call).await,
            Message::Other(message) => self.pass(message).await,
            Message::Unsound(answer) => self.client.send(answer).await,
        }
    }

    async fn pass(self: &Arc<Self>, message: Value) {
        let message = match message {
            Value::Array(batch) => {
                let (answers, others): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .partition(|one| message::answers(one).is_some());
                for answer in answers {
                    self.answer(answer).await;
                }
                if others.is_empty() {
                    return;
                }
                Value::Array(others)
            }
            answer if message::answers(&answer).is_some() => return self.answer(answer).await,
            other => other,
        };
        if let Some(id) = message::takes_back(&message) {
            self.take_back(id).await;
        }
        let mut entered = Vec::new();
        for one in message::each(&message) {
            let Some(id) = message::asks(one) else {
                continue;
            };
            let state = match self.later(one) {
                Some(call) => State::Running(call.under(id)),
                None => State::Passed,
            };
            if let Err(why) = self.enter(id, state) {
                // A batch goes whole or not at all.
                for id in entered {
                    self.asked().requests.remove(&id);
                }
                let refused = message::error(id, message::SERVER_ERROR, why);
                return self.client.send(refused).await;
            }
            entered.push(id.to_string());
        }
        self.server.send(message).await;
    }

    /// The call whose result this asks for.
    fn later(&self, message: &Value) -> Option<Call> {
        let task = message::asks_for_task(message)?;
        self.asked().tasks.get(task).cloned()
    }

    fn enter(&self, id: &Value, state: State) -> Result<(), &'static str> {
        let mut asked = self.asked();
        if asked.ended {
            return Err(ENDED);
        }
        if asked.requests.len() >= MOST_ASKED {
            return Err("too many requests at a time; try again later");
        }
        match asked.requests.entry(id.to_string()) {
            Entry::Occupied(_) => Err("another request with this id is not answered yet"),
            Entry::Vacant(place) => {
                place.insert(state);
                Ok(())
            }
        }
    }

    /// Decided in a task of its own: one that waits holds up no other.
    async fn begin(self: &Arc<Self>, call: Call) {
        let state = State::Deciding { taken_back: false };
        let entered = match call.wants_task() && self.asked().tasks.len() >= MOST_ASKED {
            true => Err("too many tasks whose result was not asked for; ask for some first"),
            false => self.enter(&call.id, state),
        };
        if let Err(why) = entered {
            return self.client.send(call.refused(why)).await;
        }
        let proxy = Arc::clone(self);
        tokio::spawn(async move {
            match proxy.decide(call.clone()).await {
                Ruling::Run(call) => proxy.run(call).await,
                Ruling::Refused(reason) => {
                    proxy.asked().requests.remove(&call.id.to_string());
                    proxy.client.send(call.failed(&reason)).await;
                }
            }
        });
    }

    async fn decide(&self, call: Call) -> Ruling {
        let deadline = Instant::now() + self.wait;
        loop {
            let answer = match self.tell("PreToolUse", call.told(&self.name)).await {
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
                Some("draft")
                    if self
                        .is_decided_until(deadline, &answer["approval"], &call)
                        .await => {}
                _ => return Ruling::Refused(reason.to_owned()),
            }
        }
    }

    /// Waits for a decision on a draft.
    async fn is_decided_until(&self, deadline: Instant, approval: &Value, call: &Call) -> bool {
        let Some(approval) = approval.as_str() else {
            return false;
        };
        while Instant::now() < deadline && self.is_wanted(call) {
            sleep(LOOK_AGAIN.min(deadline - Instant::now())).await;
            match self.ledger.draft(approval).await.as_deref() {
                Some("requested") => {}
                // What it is now, the decision says.
                Some(_) => return true,
                // The ledger may be on its way back.
                None => {}
            }
        }
        false
    }

    fn is_wanted(&self, call: &Call) -> bool {
        let asked = self.asked();
        let state = asked.requests.get(&call.id.to_string());
        !asked.ended && matches!(state, Some(State::Deciding { taken_back: false }))
    }

    async fn run(&self, call: Call) {
        let (key, message) = (call.id.to_string(), call.message.clone());
        let (late, wanted) = {
            let mut asked = self.asked();
            let state = asked.requests.remove(&key);
            let wanted = matches!(state, Some(State::Deciding { taken_back: false }));
            if wanted && !asked.ended {
                asked.requests.insert(key, State::Running(call));
                (None, true)
            } else {
                (Some(call), wanted)
            }
        };
        match late {
            None => self.server.send(message).await,
            // It was let go, so the record says how that ended.
            Some(call) => {
                let lost = call.failed(
                    "the tool server has ended, or the call was taken back; it was not run",
                );
                match wanted {
                    true => self.returned(&call, &lost).await,
                    false => self.note(&call, &lost).await,
                }
            }
        }
    }

    /// What was asked is no longer wanted. A server need not answer it then, so the record is
    /// closed here; what it answers all the same is told to nobody.
    async fn take_back(&self, id: &Value) {
        let running = {
            let mut asked = self.asked();
            let Open {
                requests, tasks, ..
            } = &mut *asked;
            match requests.remove(&id.to_string()) {
                Some(State::Deciding { .. }) => {
                    let state = State::Deciding { taken_back: true };
                    requests.insert(id.to_string(), state);
                    None
                }
                // The question for a result is taken back, not the call.
                Some(State::Running(call)) if tasks.values().any(|task| task.is(&call)) => None,
                Some(State::Running(call)) => Some(call),
                Some(State::Passed) | None => None,
            }
        };
        if let Some(call) = running {
            let lost = call.failed("taken back while it ran; what was done of it is not known");
            self.note(&call, &lost).await;
        }
    }

    /// Records how a call ended whose client does not want to know.
    async fn note(&self, call: &Call, answer: &Value) {
        if let Err(failure) = self.tell_of(call, answer).await {
            tracing::warn!("the end of a call was not recorded: {:#}", failure.fault);
        }
    }

    /// Returns when the server says no more.
    pub async fn hear(&self, mut said: mpsc::Receiver<Value>) {
        // A program that it has started may hold its output open for ever.
        let ended = async {
            self.server.gone().await;
            sleep(DRAIN).await;
        };
        tokio::pin!(ended);
        loop {
            tokio::select! {
                message = said.recv() => match message {
                    Some(message) => self.server_says(message).await,
                    None => return,
                },
                () = &mut ended => return,
            }
        }
    }

    async fn server_says(&self, message: Value) {
        // A result inside of a batch is a result.
        let messages = match message {
            Value::Array(batch) => batch,
            one => vec![one],
        };
        for message in messages {
            let Some(id) = message::answers(&message) else {
                let noted = self.asked().questions.note(&message);
                match noted {
                    Ok(()) => self.client.send(message).await,
                    Err(refused) => self.server.send(refused).await,
                }
                continue;
            };
            match self.answered(id) {
                Some(State::Running(call)) if self.is_put_off(&call, &message) => {
                    self.client.send(message).await;
                }
                Some(State::Running(call)) => self.returned(&call, &message).await,
                Some(_) => self.client.send(message).await,
                // Nobody asked, or nobody wants to know any more.
                None => {}
            }
        }
    }

    /// Only a promise came, of a result that is asked for by itself.
    fn is_put_off(&self, call: &Call, message: &Value) -> bool {
        let promised = message::promises_task(message).filter(|_| call.wants_task());
        let Some(task) = promised else {
            return false;
        };
        self.asked().tasks.insert(task.to_owned(), call.clone());
        true
    }

    fn answered(&self, id: &Value) -> Option<State> {
        match self.asked().requests.entry(id.to_string()) {
            // An answer to what the server was not asked.
            Entry::Occupied(place) if matches!(place.get(), State::Deciding { .. }) => None,
            Entry::Occupied(place) => Some(place.remove()),
            Entry::Vacant(_) => None,
        }
    }

    async fn returned(&self, call: &Call, message: &Value) {
        self.asked().tasks.retain(|_, task| !task.is(call));
        match self.tell_of(call, message).await {
            Ok(_) => self.client.send(message.clone()).await,
            Err(failure) => {
                let why = format!(
                    "it ran, and its result is withheld because it was not recorded: {:#}",
                    failure.fault
                );
                self.client.send(call.failed(&why)).await;
            }
        }
    }

    /// The server has ended: what it was asked is not known to be done.
    pub async fn server_ended(&self) {
        let left: Vec<(String, State)> = {
            let mut asked = self.asked();
            asked.ended = true;
            // Those that are being decided hear it from their own task.
            let told = |_: &String, state: &mut State| !matches!(state, State::Deciding { .. });
            let mut left: Vec<_> = asked.requests.extract_if(told).collect();
            // A result that is asked for right now is among them once.
            let running = |task: &Call| {
                let is = |(_, state): &(String, State)| matches!(state, State::Running(call) if call.is(task));
                left.iter().any(is)
            };
            let tasks: Vec<_> = asked
                .tasks
                .drain()
                .filter(|(_, task)| !running(task))
                .collect();
            left.extend(
                tasks
                    .into_iter()
                    .map(|(id, call)| (id, State::Running(call))),
            );
            left
        };
        for (id, state) in left {
            match state {
                State::Running(call) => {
                    let lost =
                        call.failed("the tool server ended; what it did of this is not known");
                    self.returned(&call, &lost).await;
                }
                State::Passed | State::Deciding { .. } => {
                    let id = serde_json::from_str(&id).unwrap_or_default();
                    let lost = message::error(&id, message::SERVER_ERROR, ENDED);
                    self.client.send(lost).await;
                }
            }
        }
    }

    /// Nothing is asked, or waited for.
    pub fn is_idle(&self) -> bool {
        self.asked().requests.is_empty()
    }

    async fn tell_of(&self, call: &Call, answer: &Value) -> Result<Value, Failure> {
        let (event, told) = call.told_with(&self.name, answer);
        self.tell(event, told).await
    }

    async fn tell(&self, event: &str, mut told: Value) -> Result<Value, Failure> {
        told["hook_event_name"] = event.into();
        told["session_id"] = self.session.as_str().into();
        told["cwd"] = self.directory.clone();
        told["mcp_server"] = json!({ "name": self.name });
        self.ledger.tell(told).await
    }

    fn asked(&self) -> MutexGuard<'_, Open> {
        self.asked.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
