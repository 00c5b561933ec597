use super::given;
use crate::server::Node;
use crate::server::gateway::tell;
use agents::hooks::Client;
use schemars::JsonSchema;
use schemas::Name;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What Claude Code gives to its `--permission-prompt-tool`.
#[derive(Deserialize, JsonSchema)]
pub struct Prompted {
    /// The tool that is about to be used.
    tool_name: String,
    /// Its arguments.
    input: Map<String, Value>,
    /// Names this use, as the model's answer does.
    tool_use_id: Option<String>,
}

/// Its answer is read as permission or none: what is wrong with a question is no permission.
pub async fn prompt(node: Node, agent: Name, arguments: Value) -> Value {
    match decided(node, agent, arguments).await {
        Ok(answer) => answer,
        Err(why) => json!({ "behavior": "deny", "message": why }),
    }
}

async fn decided(node: Node, agent: Name, arguments: Value) -> Result<Value, String> {
    let Prompted {
        tool_name,
        input,
        tool_use_id,
    } = given(arguments)?;
    let told = json!({
        "hook_event_name": "PermissionRequest",
        "tool_name": tool_name,
        "tool_input": input,
        "tool_use_id": tool_use_id,
    });
    tell(node, agent, Client::PermissionPrompt, told).await
}
