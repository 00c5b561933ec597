//! HTTP POST of one JSON object (RFC 9110); 2xx is taken as delivered, a redirect is not.

use super::{Channel, NotSent};
use crate::outcome::Failure;
use crate::server::work::TICK;
use anyhow::Context;
use reqwest::blocking::Client;
use reqwest::{Url, redirect};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

pub struct Webhook {
    client: Client,
    /// Often a secret by itself: it stands in no message of ours.
    url: Url,
}

/// An address, or a file that holds it, and the section of daicho.toml that says so.
#[derive(Clone, Copy)]
pub struct Configured<'c> {
    pub section: &'static str,
    pub webhook: Option<&'c str>,
    pub webhook_file: Option<&'c Path>,
}

impl Webhook {
    pub fn open(
        configured: Configured<'_>,
        data: &Path,
        timeout: Duration,
    ) -> Result<Option<Webhook>, Failure> {
        let Some(url) = address(configured, data)? else {
            return Ok(None);
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .build()?;
        Ok(Some(Webhook { client, url }))
    }
}

/// Where the webhook is, if there is one.
pub fn address(configured: Configured<'_>, data: &Path) -> Result<Option<Url>, Failure> {
    let section = configured.section;
    let help = format!("correct [{section}] webhook or webhook_file in daicho.toml");
    let text = match (configured.webhook, configured.webhook_file) {
        (Some(_), Some(_)) => {
            let fault = format!("[{section}] has both webhook and webhook_file");
            return Err(Failure::msg(fault, "leave one of them out"));
        }
        (Some(url), None) => url.to_owned(),
        (None, Some(path)) => {
            let path = data.join(path);
            std::fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))
                .map_err(|fault| Failure::new(fault, help.clone()))?
        }
        (None, None) => return Ok(None),
    };
    let url = Url::parse(text.trim()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let fault = format!("the webhook's address in [{section}] is no http or https URL");
    url.map(Some).ok_or_else(|| Failure::msg(fault, help))
}

impl Channel for Webhook {
    fn send(&self, message: &[u8], stop: &AtomicBool) -> Result<(), NotSent> {
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("user-agent", concat!("daicho/", env!("CARGO_PKG_VERSION")))
            .body(message.to_vec());
        let (sender, receiver) = sync_channel(1);
        // A server that ends does not wait for somebody else's.
        std::thread::spawn(move || drop(sender.send(request.send().map(|answer| answer.status()))));
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Ok(status)) if status.is_success() => return Ok(()),
                Ok(Ok(status)) => return Err(NotSent::Failed(format!("it answered {status}"))),
                Ok(Err(error)) => {
                    let error = anyhow::Error::new(error.without_url());
                    return Err(NotSent::Failed(format!("{error:#}")));
                }
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                    return Err(NotSent::Stopped);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(NotSent::Failed("the request did not end".to_owned()));
                }
            }
        }
    }
}
