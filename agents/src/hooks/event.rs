//! A call as the client sends it: read as far as it must be understood.

use crate::capture::Capture;
use crate::masking::BodyError;
use schemas::kinds::hooks::HookEvent;
use schemas::{EventId, Name};
use serde_json::Value;

/// Who tells of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Its own program, in its own form.
    ClaudeCode,
    /// `daicho mcp`, which stands before a tool server and does itself what it is answered.
    Mcp,
    /// Claude Code again, where its own rules want somebody's word and nobody sits before it
    /// (`--permission-prompt-tool`).
    PermissionPrompt,
}

impl Client {
    /// The word that the log has for it.
    pub fn word(self) -> &'static str {
        match self {
            Client::ClaudeCode | Client::PermissionPrompt => "claude-code",
            Client::Mcp => "mcp",
        }
    }
}

/// One call of a hook. Holds what people wrote: neither `Debug` nor `Serialize`.
pub struct HookCall {
    pub id: EventId,
    pub agent: Name,
    pub(super) client: Client,
    pub event: HookEvent,
    /// The client's word for an event that is not known here.
    pub(super) named: Option<String>,
    pub(super) session: Option<String>,
    /// The working directory.
    pub(super) directory: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) subagent: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) source: Option<String>,
    /// As a proxy before a tool server names that.
    server: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) tool_use: Option<String>,
    pub(super) input: Value,
}

/// Why a body is no call of a hook. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is not a JSON object with a `hook_event_name`")]
    NoEvent,
    #[error("`{0}` is missing, or is no text")]
    Field(&'static str),
}

impl HookCall {
    pub fn read(
        id: EventId,
        agent: Name,
        client: Client,
        body: &Capture,
    ) -> Result<HookCall, HookError> {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(body.raw()) else {
            return Err(HookError::NoEvent);
        };
        let mut text = |field: &'static str| match fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(HookError::Field(field)),
        };
        let named = text("hook_event_name")?.ok_or(HookError::NoEvent)?;
        let event = HookEvent::named(&named);
        let (mut source, mut input) = (None, Value::Null);
        for field in ["source", "reason", "trigger", "notification_type"] {
            source = source.or(text(field)?);
        }
        let call = HookCall {
            id,
            agent,
            client,
            event,
            named: (event == HookEvent::Unknown).then_some(named),
            session: text("session_id")?,
            directory: text("cwd")?,
            prompt: text("prompt_id")?,
            subagent: text("agent_id")?,
            mode: text("permission_mode")?,
            source,
            server: None,
            tool: text("tool_name")?,
            tool_use: text("tool_use_id")?,
            input: Value::Null,
        };
        if let Some(given) = fields.remove("tool_input") {
            input = given;
        }
        let server = fields
            .get("mcp_server")
            .and_then(|server| server.get("name"));
        let server = server.and_then(Value::as_str).map(str::to_owned);
        if (call.event == HookEvent::PreToolUse || call.prompts()) && call.tool.is_none() {
            return Err(HookError::Field("tool_name"));
        }
        Ok(HookCall {
            server,
            input,
            ..call
        })
    }

    /// The tool server that a proxy is about to stand before, or to let a call through to; of a use
    /// the tool's own name says it, and what has none is a server without a name.
    pub fn tool_server(&self) -> Option<&str> {
        if self.client != Client::Mcp {
            return None;
        }
        match self.event {
            HookEvent::SessionStart => self.server.as_deref(),
            HookEvent::PreToolUse => {
                let tool = self.tool.as_deref().unwrap_or_default();
                let named = tool
                    .strip_prefix("mcp__")
                    .and_then(|tool| tool.split_once("__"));
                Some(named.map_or("", |(server, _)| server))
            }
            _ => None,
        }
    }

    /// An agent asks for approval of a use beforehand; nothing is let go by that.
    pub(super) fn asks_first(&self) -> bool {
        self.client == Client::Mcp && self.event == HookEvent::PermissionRequest
    }

    /// The client waits for a word of permission, or of none.
    pub(super) fn prompts(&self) -> bool {
        self.client == Client::PermissionPrompt
    }

    /// Must the client wait for a word before it goes on?
    pub fn is_decided(&self) -> bool {
        self.event.is_decided()
    }
}
