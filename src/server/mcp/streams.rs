//! Which stream of a client a message goes on.
//!
//! An answer goes where its request came from, and so does progress that is reported on it.
//! Everything else goes to the newest listener; where nobody listens, to the newest request that
//! waits; and where nothing waits, it is kept for who comes next.

use super::fault::Fault;
use crate::mcp::Client;
use crate::mcp::message::answers;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Messages that a client has not taken yet, before its server has to wait.
const AHEAD: usize = 128;

#[derive(Default)]
pub struct Streams(Mutex<Open>);

#[derive(Default)]
struct Open {
    /// By the client's id, as JSON.
    requests: HashMap<String, Waiting>,
    /// Requests so far.
    count: u64,
    /// The newest last.
    listeners: Vec<Sender<Value>>,
    kept: VecDeque<Value>,
    closed: bool,
}

struct Waiting {
    number: u64,
    progress: Option<Value>,
    to: Sender<Value>,
}

impl Streams {
    /// The stream of one request.
    pub fn expect(&self, id: &Value, progress: Option<&Value>) -> Result<Receiver<Value>, Fault> {
        let mut open = self.open();
        let (to, stream) = mpsc::channel(AHEAD);
        let key = id.to_string();
        if open.closed {
            return Err(Fault::over());
        }
        if open.requests.contains_key(&key) {
            return Err(Fault::twice(id));
        }
        open.count += 1;
        let (number, progress) = (open.count, progress.cloned());
        let waiting = Waiting {
            number,
            progress,
            to,
        };
        open.requests.insert(key, waiting);
        Ok(stream)
    }

    /// A stream of what is no answer.
    pub fn listen(&self) -> Result<Receiver<Value>, Fault> {
        let mut open = self.open();
        if open.closed {
            return Err(Fault::over());
        }
        let (to, stream) = mpsc::channel(AHEAD);
        for message in open.kept.drain(..) {
            // As many are kept as there is room for.
            let _ = to.try_send(message);
        }
        open.listeners.push(to);
        Ok(stream)
    }

    /// Nobody waits for the answer any more.
    pub fn forget(&self, id: &Value) {
        self.open().requests.remove(&id.to_string());
    }

    /// Ends what is listened to. Each request is still answered, if only by an error.
    pub fn close(&self) {
        let mut open = self.open();
        open.closed = true;
        open.listeners.clear();
    }

    pub fn is_listened_to(&self) -> bool {
        self.open().listeners.iter().any(|to| !to.is_closed())
    }

    /// Where a message goes; `None` where it was kept, or is for nobody.
    fn way(&self, message: &Value) -> Option<Sender<Value>> {
        let mut open = self.open();
        if let Some(id) = answers(message) {
            return open
                .requests
                .remove(&id.to_string())
                .map(|waiting| waiting.to);
        }
        let reports = message["method"] == "notifications/progress";
        let token = reports.then(|| &message["params"]["progressToken"]);
        let about =
            |waiting: &&Waiting| !waiting.to.is_closed() && waiting.progress.as_ref() == token;
        if let Some(waiting) = token.and_then(|_| open.requests.values().find(about)) {
            return Some(waiting.to.clone());
        }
        open.listeners.retain(|to| !to.is_closed());
        let waiting = open
            .requests
            .values()
            .filter(|waiting| !waiting.to.is_closed());
        let newest = waiting.max_by_key(|waiting| waiting.number);
        let to = open.listeners.last().or(newest.map(|waiting| &waiting.to));
        if let Some(to) = to {
            return Some(to.clone());
        }
        if open.kept.len() < AHEAD {
            open.kept.push_back(message.clone());
        } else {
            tracing::warn!("a tool server says much and nobody listens; some of it was left out");
        }
        None
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client for Streams {
    fn send(&self, mut message: Value) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Some(to) = self.way(&message) {
                match to.send(message).await {
                    Ok(()) => return,
                    // It went away meanwhile. An answer finds no second way.
                    Err(returned) => message = returned.0,
                }
            }
        })
    }
}
