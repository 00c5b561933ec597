//! How a program beside an agent tells `daicho serve` what the agent does, with the agent's token.

use crate::outcome::Failure;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// The agent's token, in the environment variable of this name.
pub fn token_in(token_env: &str) -> Result<Zeroizing<String>, Failure> {
    let token = std::env::var(token_env).map(Zeroizing::new);
    token.map_err(|_| {
        Failure::msg(
            format!("the environment variable {token_env} holds no token"),
            "set it to the token that `daicho agents register` printed, or name another with --token-env",
        )
    })
}

/// A server, and who speaks to it.
pub struct Server {
    url: String,
    token: Zeroizing<String>,
    client: Client,
}

impl Server {
    /// `token_env` names the environment variable that holds the agent's token.
    pub fn at(url: &str, token_env: &str, timeout_seconds: u64) -> Result<Server, Failure> {
        let token = token_in(token_env)?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(timeout_seconds))
            .build()?;
        Ok(Server {
            url: url.trim_end_matches('/').to_owned(),
            token,
            client,
        })
    }

    /// What the server answers to a JSON text.
    pub fn tell(&self, path: &str, told: &[u8]) -> Result<String, Failure> {
        let sent = self.client.post(format!("{}{path}", self.url));
        let sent = sent.header("content-type", "application/json");
        self.ask(sent.body(told.to_vec()))
    }

    /// What the ledger's own tools (`/mcp`) answer to a message.
    pub fn say(&self, message: &Value) -> Result<Value, Failure> {
        let sent = self.client.post(format!("{}/mcp", self.url));
        let sent = sent.header("accept", "application/json, text/event-stream");
        Ok(serde_json::from_str(&self.ask(sent.json(message))?)?)
    }

    pub fn get(&self, path: &str) -> Result<String, Failure> {
        self.ask(self.client.get(format!("{}{path}", self.url)))
    }

    fn ask(&self, request: RequestBuilder) -> Result<String, Failure> {
        // The cause names hosts and ports, never what was sent.
        let answer = request
            .bearer_auth(self.token.as_str())
            .send()
            .map_err(|error| {
                let fault = anyhow::Error::new(error.without_url());
                let fault = fault.context(format!("daicho at {} does not answer", self.url));
                Failure::new(
                    fault,
                    "see whether `daicho serve` runs there; until then nothing goes on",
                )
            })?;
        let status = answer.status();
        let text = answer.text()?;
        if status.is_success() {
            return Ok(text);
        }
        let told: Option<Value> = serde_json::from_str(&text).ok();
        let message = told
            .as_ref()
            .and_then(|told| told["error"]["message"].as_str());
        let message = message.unwrap_or("no reason given");
        Err(Failure::msg(
            format!(
                "daicho at {} refused the event ({status}): {message}",
                self.url
            ),
            "see the reason; the operator of daicho can tell more",
        ))
    }
}
