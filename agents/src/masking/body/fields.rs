//! What each value of a request is: of the caller's making, of the provider's, or not to be touched.

use super::super::json::{self, Kind, Node};
use super::{BodyError, Dialect};

/// How a value is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Of the provider's making: the list of what is not touched applies.
    Protocol,
    /// Of the caller's making (a tool's input): every string is a value, every key its label.
    Free,
    /// JSON Schema: words that the provider reads as such stay.
    Schema,
    /// Never edited; something prohibited in it blocks.
    Guarded,
    /// Ciphertext, signatures, media: not read.
    Opaque,
}

fn key_of<'t>(text: &'t str, node: &Node) -> &'t str {
    // As written: a key that hides behind escapes is no key of the protocol, so it is masked.
    node.key
        .map_or("", |(start, end)| &text[start + 1..end - 1])
}

/// The key that labels a value: its own, or that of the list it stands in.
pub(super) fn label(text: &str, nodes: &[Node], node: &Node) -> Option<String> {
    let holder = node.parent.map(|p| &nodes[p]);
    let (start, end) = node
        .key
        .or_else(|| holder.filter(|h| h.kind == Kind::Array).and_then(|h| h.key))?;
    let key: String = json::decode(text, start, end)
        .chars
        .into_iter()
        .filter(|c| !matches!(c, '"' | '\n'))
        .collect();
    (key.chars().count() <= 64).then_some(key)
}

/// The mode of every node, in one pass: parents stand before their children.
pub(super) fn modes(text: &str, nodes: &[Node], dialect: Dialect) -> Result<Vec<Mode>, BodyError> {
    let mut types: Vec<Option<&str>> = vec![None; nodes.len()];
    let mut siblings: Vec<bool> = vec![false; nodes.len()];
    for node in nodes {
        let Some(parent) = node.parent else { continue };
        match key_of(text, node) {
            "type" if types[parent].is_some() => {
                return Err(BodyError::DuplicateType { offset: node.start });
            }
            "type" => {
                types[parent] = Some(if node.kind == Kind::String {
                    &text[node.start + 1..node.end - 1]
                } else {
                    ""
                })
            }
            "format" | "media_type" => siblings[parent] = true,
            _ => {}
        }
    }
    let mut modes = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let parent = node.parent.map_or(Mode::Protocol, |p| modes[p]);
        let kind = node.parent.and_then(|p| types[p]).unwrap_or("");
        let beside_media = node.parent.is_some_and(|p| siblings[p]);
        let depth_one = node.parent.is_some_and(|p| nodes[p].parent.is_none());
        let mut mode = match parent {
            Mode::Guarded | Mode::Opaque => parent,
            Mode::Free => free(key_of(text, node), kind, beside_media),
            Mode::Schema => schema(key_of(text, node)),
            Mode::Protocol if node.key.is_some() => protocol(
                key_of(text, node),
                kind,
                beside_media,
                depth_one,
                node.kind,
                dialect,
            ),
            Mode::Protocol => Mode::Protocol,
        };
        if mode == Mode::Protocol && types[index] == Some("compaction") {
            mode = Mode::Guarded;
        }
        if node.kind == Kind::String && is_media(&text[node.start + 1..node.end - 1]) {
            mode = Mode::Opaque;
        }
        modes.push(mode);
    }
    Ok(modes)
}

fn protocol(
    key: &str,
    kind: &str,
    beside_media: bool,
    depth_one: bool,
    value: Kind,
    dialect: Dialect,
) -> Mode {
    match key {
        "signature" | "encrypted_content" | "encrypted_index" | "encrypted_stdout" => Mode::Opaque,
        "data"
            if matches!(kind, "redacted_thinking" | "base64")
                || (kind.is_empty() && beside_media) =>
        {
            Mode::Opaque
        }
        "thinking" if kind == "thinking" => Mode::Guarded,
        "id" | "name" | "type" | "model" | "role" | "media_type" | "cache_control"
        | "container" | "betas" | "inference_geo" | "service_tier" | "speed" | "status"
        | "safety_identifier" | "prompt_cache_key" | "user" | "tool_choice" => Mode::Guarded,
        "metadata" if dialect == Dialect::Anthropic => Mode::Guarded,
        key if key.ends_with("_id") => Mode::Guarded,
        // A tool's input is the caller's; the Responses API calls its list of messages so too.
        "input" if !(dialect == Dialect::OpenAi && depth_one) => Mode::Free,
        "arguments" | "input_examples" | "metadata" => Mode::Free,
        "input_schema" | "parameters" | "schema" if value == Kind::Object => Mode::Schema,
        _ => Mode::Protocol,
    }
}

fn free(key: &str, kind: &str, beside_media: bool) -> Mode {
    match key {
        "data" if kind == "base64" && beside_media => Mode::Opaque,
        _ => Mode::Free,
    }
}

fn schema(key: &str) -> Mode {
    match key {
        "type" | "required" | "$ref" | "$schema" | "$id" | "format" | "pattern" => Mode::Guarded,
        _ => Mode::Schema,
    }
}

/// `data:image/png;base64,…`.
fn is_media(raw: &str) -> bool {
    raw.starts_with("data:")
        && raw.as_bytes()[..raw.len().min(120)]
            .windows(8)
            .any(|w| w == b";base64,")
}
