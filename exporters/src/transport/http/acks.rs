//! Splunk's indexer acknowledgement: each batch is given a number, and the collector is asked
//! later which of them are indexed.
//!
//! ```text
//! < {"text":"Success","code":0,"ackId":7}
//! > POST /services/collector/ack?channel=<uuid>   {"acks":[7]}
//! < {"acks":{"7":true}}
//! ```

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub(super) const CHANNEL: &str = "x-splunk-request-channel";

/// How often the collector is asked.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// How long a batch may go without being indexed before all that waits is sent again.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// So many batches may wait; more would be as many duplicates after a break.
const MAX_WAITING: usize = 64;

pub(super) struct Acks {
    channel: String,
    /// Oldest first: the collector's number, how many messages, is it indexed?
    waiting: VecDeque<(u64, u64, bool)>,
    /// When the collector was asked, and when the oldest began to wait.
    asked: Instant,
    since: Instant,
}

impl Acks {
    /// A channel of its own for each connection: numbers of two of them never meet.
    pub fn new() -> Result<Acks, String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| e.to_string())?;
        // RFC 9562: version 4.
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        let hex = hex::encode(random);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        Ok(Acks {
            channel: parts.join("-"),
            waiting: VecDeque::new(),
            asked: Instant::now(),
            since: Instant::now(),
        })
    }

    pub fn channel(&self) -> HeaderValue {
        HeaderValue::from_str(&self.channel).expect("hex digits are a header")
    }

    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    pub fn is_late(&self) -> bool {
        !self.waiting.is_empty() && self.since.elapsed() > PATIENCE
    }

    /// A batch was taken in: its number is in the answer.
    pub fn wait_for(&mut self, answer: &[u8], messages: u64) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Numbered {
            #[serde(rename = "ackId")]
            number: u64,
        }
        let numbered: Numbered = serde_json::from_slice(answer).map_err(|_| {
            "the answer has no ackId: enable acknowledgements for this token, or set acks = false"
                .to_owned()
        })?;
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push_back((numbered.number, messages, false));
        Ok(())
    }

    /// What to ask now, and where; nothing if it is too early or nothing waits.
    pub fn question(&mut self, url: &Url) -> Option<(Url, Vec<u8>)> {
        if self.waiting.is_empty() || self.asked.elapsed() < INTERVAL {
            return None;
        }
        self.asked = Instant::now();
        let open = self.waiting.iter().filter(|(_, _, indexed)| !indexed);
        let numbers: Vec<_> = open.map(|(number, ..)| number).collect();
        let mut url = url.clone();
        url.set_path("/services/collector/ack");
        url.set_query(Some(&format!("channel={}", self.channel)));
        Some((url, json!({"acks": numbers}).to_string().into_bytes()))
    }

    /// How many more messages are indexed, from the oldest on without a hole.
    pub fn answer(&mut self, answer: &[u8]) -> Result<u64, String> {
        #[derive(Deserialize)]
        struct Answer {
            acks: BTreeMap<String, bool>,
        }
        let answer: Answer = serde_json::from_slice(answer)
            .map_err(|_| "the answer about acknowledgements is not one".to_owned())?;
        for (number, _, indexed) in &mut self.waiting {
            *indexed |= answer.acks.get(&number.to_string()) == Some(&true);
        }
        let mut messages = 0;
        while let Some((_, count, true)) = self.waiting.front() {
            messages += count;
            self.waiting.pop_front();
            self.since = Instant::now();
        }
        Ok(messages)
    }
}
