use super::There;
use crate::mcp::message::{self, Call, Message};
use crate::outcome::Failure;
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tool's name, which Claude Code is given as `mcp__NAME__permission_prompt`.
const TOOL: &str = "permission_prompt";

/// The ledger's permission prompt, in the middle of another server's tools. A tool of that name which
/// the server has itself is hidden.
pub struct Prompt {
    there: There,
    /// As the ledger describes it.
    tool: Value,
    /// Requests for the list of tools that are not answered yet, by the client's id as JSON.
    listing: Mutex<HashSet<String>>,
}

impl Prompt {
    /// Asks the ledger how it describes its tool.
    pub async fn open(there: There) -> Result<Prompt, Failure> {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let listed = there.say(list).await?;
        let tools = listed["result"]["tools"].as_array();
        let tool = tools.and_then(|tools| tools.iter().find(|tool| tool["name"] == TOOL));
        Ok(Prompt {
            tool: tool
                .cloned()
                .context("this daicho has no permission prompt")?,
            there,
            listing: Mutex::default(),
        })
    }

    /// The question for a permission, if a client's message is one.
    pub fn question(&self, message: &Message) -> Option<Call> {
        match message {
            Message::Call(call) if call.tool() == TOOL => return Some(call.clone()),
            message if message.method() == Some("tools/list") => {
                let id = message.asks().map(Value::to_string);
                self.listing().extend(id);
            }
            message => {
                if let Some(id) = message.takes_back() {
                    self.listing().remove(&id.to_string());
                }
            }
        }
        None
    }

    /// Permission, or none: what cannot be asked is not permitted.
    pub async fn answer(&self, call: Call) -> Value {
        match self.there.say(call.message.clone()).await {
            Ok(answer) => answer,
            Err(failure) => {
                let why = format!("{:#}; nothing was permitted", failure.fault);
                let denied = json!({ "behavior": "deny", "message": why });
                call.done(&denied.to_string())
            }
        }
    }

    /// Adds the tool to the end of a list of tools.
    pub fn offer(&self, message: &mut Value) {
        let Some(id) = message::answers(message) else {
            return;
        };
        if !self.listing().remove(&id.to_string()) {
            return;
        }
        let Some(result) = message.get_mut("result") else {
            return;
        };
        let last = result["nextCursor"].is_null();
        if let Some(tools) = result.get_mut("tools").and_then(Value::as_array_mut) {
            tools.retain(|tool| tool["name"] != TOOL);
            if last {
                tools.push(self.tool.clone());
            }
        }
    }

    fn listing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
