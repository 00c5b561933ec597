//! Uses of tools that reach outside: other people, other hosts, files beyond the workspace.
//!
//! | kind | what |
//! |---|---|
//! | `mail` `calendar` `chat` `publish` `payment` `delete` | MCP tools by the words of their names; programs of a command line |
//! | `push` | `git push` and its like |
//! | `send` | an HTTP request that carries data to another host |
//! | `delete` | also files outside the workspace |
//!
//! It is a list, not a boundary: see [`shell`].

mod line;
mod path;
mod shell;

use serde_json::Value;
use shell::Shell;

/// Counts up when this file changes what it finds: a policy's digest names it.
pub(super) const VERSION: u32 = 1;

/// The kind of an outward use; `None` where nothing says that it is one.
pub(super) fn outward(tool: &str, input: &Value, cwd: Option<&str>) -> Option<&'static str> {
    let shell = match tool {
        "Bash" => Shell::Posix,
        "PowerShell" => Shell::Power,
        _ => return tool.strip_prefix("mcp__").and_then(by_name),
    };
    let line = input.get("command")?.as_str()?;
    line::outward(line, shell, cwd)
}

/// Lists are words in one text: they are read more often than they are searched.
fn is_one_of(word: &str, list: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// Verbs that need no object, by kind. The first that fits.
const VERBS: &[(&str, &str)] = &[
    (
        "payment",
        "pay charge refund purchase checkout buy transfer payout",
    ),
    ("mail", "send reply forward"),
    ("calendar", "invite schedule reschedule rsvp"),
    ("chat", "post comment react dm notify"),
    (
        "publish",
        "publish unpublish deploy tweet toot upload share merge push submit",
    ),
    ("delete", "delete remove destroy drop purge trash"),
];

/// Objects that a verb of change makes outward.
const OBJECTS: &[(&str, &str)] = &[
    ("payment", "payment invoice order subscription"),
    (
        "calendar",
        "event events meeting appointment invitation calendar",
    ),
    ("chat", "message reaction channel"),
    ("publish", "issue pull release gist page repository"),
];

const CHANGES: &str =
    "create update insert add edit set cancel move respond accept decline open close place";

/// An MCP tool by its name after `mcp__`: `server__create_event`, `server__sendMail`.
fn by_name(name: &str) -> Option<&'static str> {
    let name = name.split_once("__").map_or(name, |(_, tool)| tool);
    let words = words(name);
    let has = |list: &str| words.iter().any(|word| is_one_of(word, list));
    let of = |table: &[(&'static str, &str)]| {
        table
            .iter()
            .find(|(_, list)| has(list))
            .map(|(kind, _)| *kind)
    };
    // What it is about says more of its kind than the verb: `send_message` is chat.
    let object = of(OBJECTS);
    match of(VERBS) {
        Some("mail") => Some(object.unwrap_or("mail")),
        Some(kind) => Some(kind),
        None => object.filter(|_| has(CHANGES)),
    }
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        lower = c.is_lowercase();
        if c.is_alphanumeric() {
            let last = words.len() - 1;
            words[last].extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests;
