//! What a tool server asks its client. An answer that a person typed or a model wrote is decided and
//! recorded before the server hears it, like a call; others pass (pings, workspace roots).

use super::message::{self, Call};
use super::{MOST_ASKED, Proxy, Ruling};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// By the server's id, as JSON: the tool that an answer is like a call of, if it is.
#[derive(Default)]
pub struct Questions(HashMap<String, Option<&'static str>>);

impl Questions {
    /// A message of the server's that answers nothing. `Err` is what it is told instead of being asked for.
    pub fn note(&mut self, message: &Value) -> Result<(), Value> {
        if let Some(id) = message::takes_back(message) {
            self.0.remove(&id.to_string());
        }
        let Some(id) = message::asks(message) else {
            return Ok(());
        };
        if self.0.len() >= MOST_ASKED {
            let why = "too many questions at a time; ask again later";
            return Err(message::error(id, message::SERVER_ERROR, why));
        }
        self.0
            .insert(id.to_string(), message::answered_like(message));
        Ok(())
    }

    fn take(&mut self, answer: &Value) -> Option<Option<&'static str>> {
        self.0.remove(&message::answers(answer)?.to_string())
    }
}

impl Proxy {
    pub(super) async fn answer(self: &Arc<Self>, message: Value) {
        // What the server has not asked for, or no longer, it is not told.
        let Some(like) = self.asked().questions.take(&message) else {
            return;
        };
        let Some(tool) = like else {
            return self.server.send(message).await;
        };
        let id = message["id"].clone();
        let Some(call) = Call::answering(tool, message) else {
            let why = "the system gives no randomness";
            return self.server.send(message::error(&id, -32_603, why)).await;
        };
        let proxy = Arc::clone(self);
        tokio::spawn(async move {
            match proxy.decide(call.clone()).await {
                Ruling::Run(call) => {
                    proxy.server.send(call.message.clone()).await;
                    // Nobody answers an answer: what there is to record is that it was given.
                    proxy.note(&call, &json!({ "result": {} })).await;
                }
                Ruling::Refused(reason) => proxy.server.send(call.failed(&reason)).await,
            }
        });
    }
}
