use super::streams::Streams;
use crate::mcp::Proxy;
use crate::mcp::message::Message;
use schemas::Name;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep};

/// After so long without a word from its client a session is over.
const IDLE: Duration = Duration::from_secs(30 * 60);

const LOOK_AT_IDLE: Duration = Duration::from_secs(60);

/// What a server that was left may take to end what it was asked.
const PARTING: Duration = Duration::from_secs(5);

/// One agent's session with one tool server.
pub struct Session {
    pub agent: Name,
    pub streams: Arc<Streams>,
    proxy: Arc<Proxy>,
    leave: Notify,
    /// The client's last word.
    used: Mutex<Instant>,
}

impl Session {
    pub fn new(agent: Name, streams: Arc<Streams>, proxy: Arc<Proxy>) -> Session {
        Session {
            agent,
            streams,
            proxy,
            leave: Notify::new(),
            used: Mutex::new(Instant::now()),
        }
    }

    pub fn id(&self) -> &str {
        &self.proxy.session
    }

    /// The tool server's name.
    pub fn server(&self) -> &str {
        &self.proxy.name
    }

    pub async fn say(&self, message: Message) {
        self.touch();
        if let Some(id) = message.takes_back() {
            self.streams.forget(id);
        }
        self.proxy.client_says(message).await;
    }

    pub fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Its client's last word, if it waits for nothing.
    pub fn idle_since(&self) -> Option<Instant> {
        let idle = self.proxy.is_idle() && !self.streams.is_listened_to();
        idle.then(|| *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is over; what its server was asked is waited for a moment.
    pub fn leave(&self) {
        self.leave.notify_one();
    }

    /// Carries what the server says, until one of the two goes; then records the end.
    pub async fn live(&self, said: mpsc::Receiver<Value>) {
        let left = async {
            self.left().await;
            self.proxy.server.part(PARTING).await;
            // What it said last is on its way.
            sleep(PARTING).await;
        };
        tokio::select! {
            () = self.proxy.hear(said) => {}
            () = left => {}
        }
        self.proxy.server.part(Duration::ZERO).await;
        self.proxy.server_ended().await;
        self.streams.close();
        if let Err(failure) = self.proxy.end().await {
            tracing::warn!("the end of a session was not recorded: {:#}", failure.fault);
        }
    }

    async fn left(&self) {
        let mut looks = interval(LOOK_AT_IDLE);
        loop {
            tokio::select! {
                () = self.leave.notified() => return,
                _ = looks.tick() => {
                    if self.idle_since().is_some_and(|since| since.elapsed() >= IDLE) {
                        return;
                    }
                }
            }
        }
    }
}
