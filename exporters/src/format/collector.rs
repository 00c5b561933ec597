//! What Splunk's HTTP Event Collector wants around an event:
//!
//! ```text
//! {"time":1795305600.000001,"host":"ledger.example","source":"example.com/log","sourcetype":"daicho:json","event":{…}}
//! ```
//! `time` is the entry's, so that what is sent again is indexed at the same moment.

use super::{EntryView, Format};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub host: Option<String>,
}

impl Event {
    pub fn around(&self, entry: &EntryView, format: Format, told: &str) -> Vec<u8> {
        let text = |text: &str| serde_json::to_string(text).expect("a string is JSON");
        let micros = entry.at.micros();
        let host = self
            .host
            .as_ref()
            .map(|host| format!("\"host\":{},", text(host)));
        let event = match format {
            Format::Json | Format::Ocsf(_) => told.to_owned(),
            Format::Cef | Format::Leef => text(told),
        };
        format!(
            "{{\"time\":{}.{:06},{}\"source\":{},\"sourcetype\":\"daicho:{}\",\"event\":{event}}}",
            micros / 1_000_000,
            micros % 1_000_000,
            host.unwrap_or_default(),
            text(entry.chain),
            format.word(),
        )
        .into_bytes()
    }
}
