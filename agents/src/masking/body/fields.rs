//! What each value of a request is: text, a reference, ciphertext, media, a credential.
//!
//! A key that stands in no list below is text, and is masked: a field that a provider adds
//! tomorrow is safe before anybody has read about it. The lists name what would break if it
//! were edited, and what no rule can read.

use super::super::json::{self, Kind, Node};
use super::{BodyError, Dialect};

/// How a value is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// In a form of the provider's making: the lists below apply.
    Protocol,
    /// In a form of the caller's making (a tool's input): every string is text, every key its label.
    Free,
    /// JSON Schema: words that the provider reads as such stay.
    Schema,
    /// Names something that stands elsewhere: an id, a tool. Never edited; a prohibited value blocks.
    Reference,
    /// A whole that the provider signed. Never edited; a prohibited value blocks.
    Signed,
    /// Ciphertext or a signature: random by nature. Never edited; blocks if it is none.
    Sealed,
    /// An image, a document, a sound in base64.
    Media,
    /// The address of a file that the provider fetches: text, and media that no rule reads.
    Address,
    /// The id of a file that the provider has: a reference, and media that no rule reads.
    FileId,
    /// A secret by its place. Blocks.
    Credential,
}

/// Strings, and lists of strings, that name something elsewhere, and words with a fixed choice.
/// What ends in `_id` or `_ids` is one too.
const REFERENCES: &[&str] = &[
    "id",
    "type",
    "role",
    "model",
    "name",
    "tool_name",
    "toolset_name",
    "server_name",
    "mcp_server_name",
    "server_label",
    "namespace",
    "exclude_tools",
    "clear_tool_inputs",
    "allowed_tools",
    "tool_names",
    "tool_choice",
    "version",
    "container",
    "conversation",
    "fingerprint",
    "fallback_credit_token",
    "media_type",
    "status",
    "stop_reason",
    "betas",
    "inference_geo",
    "service_tier",
    "speed",
    "size",
    "voice",
];

/// Words of JSON Schema that the provider reads.
const SCHEMA_WORDS: &[&str] = &[
    "type", "required", "$ref", "$schema", "$id", "$anchor", "format", "pattern",
];

/// What is known of an object before its values are looked at.
#[derive(Clone, Copy, Default)]
struct Facts<'t> {
    kind: Option<&'t str>,
    role: Option<&'t str>,
    /// Says in which form the bytes beside it are.
    media: bool,
}

fn key_of<'t>(text: &'t str, node: &Node) -> &'t str {
    // As written: a key that hides behind escapes is no key of the protocol, so it is masked.
    node.key
        .map_or("", |(start, end)| &text[start + 1..end - 1])
}

fn string_of<'t>(text: &'t str, node: &Node) -> &'t str {
    if node.kind == Kind::String {
        &text[node.start + 1..node.end - 1]
    } else {
        ""
    }
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
pub(super) fn modes(
    text: &str,
    nodes: &[Node],
    dialect: Option<Dialect>,
) -> Result<Vec<Mode>, BodyError> {
    let facts = facts(text, nodes)?;
    let mut modes: Vec<Mode> = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let holder = node.parent.map(|parent| &nodes[parent]);
        let place = Place {
            key: key_of(text, node),
            value: node.kind,
            facts: node.parent.map_or(Facts::default(), |p| facts[p]),
            // An element of a list is held by the key of the list.
            holder: holder.map_or("", |holder| match holder.key {
                Some(_) => key_of(text, holder),
                None => holder.parent.map_or("", |list| key_of(text, &nodes[list])),
            }),
            top: holder.is_some_and(|holder| holder.parent.is_none()),
            dialect,
        };
        let mode = match node.parent.map_or(Mode::Protocol, |p| modes[p]) {
            Mode::Protocol if node.key.is_some() => place.protocol(),
            Mode::Free if place.is_media() => Mode::Media,
            Mode::Schema => place.schema(),
            Mode::Signed if place.is_sealed() => Mode::Sealed,
            // References are strings; an object with such a key is looked into like any other.
            Mode::Reference if node.kind == Kind::Object => Mode::Protocol,
            same => same,
        };
        modes.push(match mode {
            Mode::Protocol if facts[index].kind == Some("compaction") => Mode::Signed,
            Mode::Protocol | Mode::Free | Mode::Address if is_data_url(string_of(text, node)) => {
                Mode::Media
            }
            mode => mode,
        });
    }
    Ok(modes)
}

fn facts<'t>(text: &'t str, nodes: &[Node]) -> Result<Vec<Facts<'t>>, BodyError> {
    let mut facts = vec![Facts::default(); nodes.len()];
    for node in nodes {
        let Some(parent) = node.parent else { continue };
        let facts = &mut facts[parent];
        match key_of(text, node) {
            // Behind escapes it is a second name for the same key.
            key if key == "type" || (key.contains('\\') && is_hidden_type(text, node)) => {
                if facts.kind.is_some() {
                    return Err(BodyError::DuplicateType { offset: node.start });
                }
                facts.kind = Some(if key == "type" {
                    string_of(text, node)
                } else {
                    ""
                });
            }
            "role" => facts.role = Some(string_of(text, node)),
            "format" | "media_type" => facts.media = true,
            _ => {}
        }
    }
    Ok(facts)
}

fn is_hidden_type(text: &str, node: &Node) -> bool {
    node.key.is_some_and(|(start, end)| {
        json::decode(text, start, end)
            .chars
            .into_iter()
            .eq("type".chars())
    })
}

/// Where a value with a key stands.
struct Place<'t> {
    key: &'t str,
    value: Kind,
    /// Of the object that holds it.
    facts: Facts<'t>,
    /// The key of that object, or of the list that the object is in.
    holder: &'t str,
    /// In the request itself.
    top: bool,
    /// `None`: of no provider.
    dialect: Option<Dialect>,
}

impl Place<'_> {
    fn protocol(&self) -> Mode {
        let kind = self.facts.kind.unwrap_or_default();
        let string = self.value == Kind::String;
        match self.key {
            // What a client tells of its agent.
            key if self.dialect.is_none() => match key {
                "hook_event_name" | "tool_name" => Mode::Reference,
                key if string && key.ends_with("_id") => Mode::Reference,
                _ => Mode::Free,
            },
            _ if self.is_sealed() => Mode::Sealed,
            _ if self.is_media() => Mode::Media,
            _ if self.is_credential() => Mode::Credential,
            _ if self.is_address() => Mode::Address,
            "file_id" if string => Mode::FileId,
            "thinking" if kind == "thinking" => Mode::Signed,
            // Whoever speaks, unless it is a function that answers.
            "name" if self.holder == "messages" && string => match self.facts.role {
                Some("function" | "tool") => Mode::Reference,
                _ => Mode::Free,
            },
            "token" if self.holder == "fallback_credit_token" => Mode::Reference,
            // The caller's own names for people and conversations; the provider looks nothing up by them.
            "user_id" if self.holder == "metadata" => Mode::Protocol,
            // A tool's input is the caller's; the Responses API calls its list of messages so too.
            "input" if !(self.dialect == Some(Dialect::OpenAiResponses) && self.top) => Mode::Free,
            "metadata" if self.dialect != Some(Dialect::Anthropic) => Mode::Free,
            "arguments" | "input_examples" | "variables" | "attributes" | "env" => Mode::Free,
            "input_schema" | "output_schema" | "parameters" | "schema"
                if self.value == Kind::Object =>
            {
                Mode::Schema
            }
            key if self.value != Kind::Object
                && (REFERENCES.contains(&key) || key.ends_with("_id") || key.ends_with("_ids")) =>
            {
                Mode::Reference
            }
            _ => Mode::Protocol,
        }
    }

    fn is_sealed(&self) -> bool {
        self.value == Kind::String
            && match self.key {
                "signature" | "encrypted_content" | "encrypted_index" | "encrypted_stdout" => true,
                "data" => self.facts.kind == Some("redacted_thinking"),
                _ => false,
            }
    }

    fn is_media(&self) -> bool {
        self.value == Kind::String
            && match self.key {
                "data" => match self.facts.kind {
                    Some("base64") => true,
                    kind => kind.is_none() && (self.facts.media || self.holder == "input_audio"),
                },
                "file_data" => true,
                "result" => self.facts.kind == Some("image_generation_call"),
                _ => false,
            }
    }

    fn is_address(&self) -> bool {
        self.value == Kind::String
            && match self.key {
                "url" => {
                    self.holder == "image_url"
                        || (self.holder == "source" && self.facts.kind == Some("url"))
                }
                "image_url" | "file_url" => true,
                _ => false,
            }
    }

    /// What opens a server for the provider: it is sent by intent, and still is a secret that
    /// neither the provider nor the ledger may hold.
    fn is_credential(&self) -> bool {
        match self.key {
            "authorization_token" => true,
            "authorization" | "headers" => self.facts.kind == Some("mcp"),
            "value" => self.holder == "domain_secrets",
            _ => false,
        }
    }

    fn schema(&self) -> Mode {
        match self.key {
            "default" | "const" | "enum" | "example" | "examples" => Mode::Free,
            // A property may have such a name; what describes it is an object.
            key if SCHEMA_WORDS.contains(&key) && self.value != Kind::Object => Mode::Reference,
            _ => Mode::Schema,
        }
    }
}

/// `data:image/png;base64,…`.
fn is_data_url(raw: &str) -> bool {
    raw.starts_with("data:")
        && raw.as_bytes()[..raw.len().min(120)]
            .windows(8)
            .any(|w| w == b";base64,")
}
