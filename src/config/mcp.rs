use crate::mcp::message::is_name;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// A tool server that agents reach at `/mcp/{name}`.
#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub struct McpServer {
    pub at: McpAt,
    /// How long a call may wait for its draft to be decided.
    pub wait: Duration,
}

pub enum McpAt {
    /// A program, started once for each session.
    Command {
        program: String,
        arguments: Vec<String>,
        /// Variables of our own environment that it is given.
        env: Vec<String>,
    },
    /// Over streamable HTTP.
    Url {
        url: String,
        /// Environment variable that holds its bearer token.
        key_env: Option<String>,
        key_file: Option<PathBuf>,
    },
}

/// The name of a tool server: its tool `send` is `mcp__NAME__send` in rules and records.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct McpName(String);

impl McpName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for McpName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<McpName, &'static str> {
        match is_name(&name) {
            true => Ok(McpName(name)),
            false => Err(
                "a tool server's name has letters, digits, `-` and `_`, 64 at most, and no `__`",
            ),
        }
    }
}

impl std::borrow::Borrow<str> for McpName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    command: Option<Vec<String>>,
    #[serde(default)]
    env: Vec<String>,
    url: Option<String>,
    key_env: Option<String>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    wait_seconds: u64,
}

impl TryFrom<Written> for McpServer {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<McpServer, &'static str> {
        let Written {
            command,
            env,
            url,
            key_env,
            key_file,
            wait_seconds,
        } = written;
        let keyed = key_env.is_some() || key_file.is_some();
        let at = match (command, url) {
            (Some(command), None) => {
                let mut words = command.into_iter();
                let program = words.next().ok_or("command names no program")?;
                if keyed {
                    return Err("key_env and key_file belong to a url; a command is given env");
                }
                McpAt::Command {
                    program,
                    arguments: words.collect(),
                    env,
                }
            }
            (None, Some(url)) => {
                if !env.is_empty() {
                    return Err("env belongs to a command");
                }
                if key_env.is_some() && key_file.is_some() {
                    return Err("either key_env or key_file");
                }
                McpAt::Url {
                    url,
                    key_env,
                    key_file,
                }
            }
            _ => return Err("a tool server has either a command or a url"),
        };
        let wait = Duration::from_secs(wait_seconds);
        Ok(McpServer { at, wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_tool_server_is_a_command_or_a_url_and_nothing_of_the_other() {
        let read = |text: &str| toml::from_str::<BTreeMap<McpName, McpServer>>(text);
        for sound in [
            "[a]\ncommand = ['x', 'y']\nenv = ['TOKEN']\nwait_seconds = 5",
            "[a-1]\nurl = 'https://x/'\nkey_env = 'K'",
        ] {
            assert!(read(sound).is_ok(), "{sound}");
        }
        for unsound in [
            "[a]",
            "[a]\ncommand = []",
            "[a]\ncommand = ['x']\nurl = 'https://x/'",
            "[a]\ncommand = ['x']\nkey_env = 'K'",
            "[a]\nurl = 'https://x/'\nenv = ['K']",
            "[a]\nurl = 'https://x/'\nkey_env = 'K'\nkey_file = 'k'",
            "[a]\nurl = 'https://x/'\nheaders = 1",
            "[a__b]\nurl = 'https://x/'",
        ] {
            assert!(read(unsound).is_err(), "{unsound}");
        }
    }
}
