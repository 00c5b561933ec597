//! Transcripts of Claude Code's sessions, for the time before daicho: JSON Lines, one object a
//! line with `type`, `uuid`, `parentUuid`, `sessionId`, `timestamp` and mostly a `message` as the
//! Messages API has it.
//!
//! What a transcript says is its file's word, and whoever takes it in vouches for that: each line
//! is an event of its own kind, which says who. It is the agent's all the same, so that holds on an
//! agent or its person cover it. Witnesses, sessions and agents' figures are made of what was
//! seen, and know nothing of it. A line that comes again is the same entry.

use crate::capture::Capture;
use crate::gateway::ids::word;
use crate::hooks::Client;
use crate::masking::{BodyError, MaskedBody, Masker};
use crate::once::{name, once, sha256};
use ledger::{Content, Submission};
use schemas::kinds::hooks::TranscriptImported;
use schemas::kinds::records::LogIngested;
use schemas::{Actor, Event, EventId, Hash, Label, Name, Timestamp};
use serde_json::Value;
use std::fmt::Display;

/// Bytes of one line. A client's own requests are no longer.
pub const MOST_BYTES: usize = 16 << 20;

/// Uses of tools that one line names; it is the first of them that are linked.
const MOST_USES: usize = 256;

/// Who says what of whose transcript, and by which rules it is looked at.
pub struct Import<'m> {
    pub importer: Actor,
    pub agent: Name,
    pub masker: &'m Masker,
}

/// A line that is recorded as what it is: text that no client wrote so.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the line is no JSON object with a `type`")]
    NoLine,
}

/// A whole file, once its lines are in.
pub struct File {
    pub lines: u64,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Times that its lines say.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

impl Import<'_> {
    /// The id of a line, by its bytes alone.
    pub fn id(&self, line: &Capture) -> EventId {
        once("transcript.imported", &[&self.agent, &sha256(line.raw())])
    }

    /// One line, without its line end. What is no line of a transcript is kept too.
    pub fn line(&self, line: &Capture) -> (Submission, Option<LineFault>) {
        match self.sound(line) {
            Ok(submission) => (submission, None),
            Err(fault) => (self.unsound(line), Some(fault)),
        }
    }

    fn sound(&self, line: &Capture) -> Result<Submission, LineFault> {
        let MaskedBody { stored, blocks, .. } = self.masker.told(line)?;
        let said: Value = serde_json::from_slice(line.raw()).map_err(|_| LineFault::NoLine)?;
        let entry = &said["type"];
        if !entry.is_string() {
            return Err(LineFault::NoLine);
        }
        let message = &said["message"];
        let imported = TranscriptImported {
            entry: Some(self.plain(entry).unwrap_or_else(|| Label::lossy("other"))),
            uuid: self.plain(&said["uuid"]),
            parent: self.plain(&said["parentUuid"]),
            model: self.plain(&message["model"]),
            inner: said["isSidechain"] == true,
            tool_uses: self.tool_uses(message),
            found: blocks,
            ..self.nothing(line)
        };
        let mut event = self.event(line, imported);
        event = event.in_session(self.plain(&said["sessionId"]));
        event.occurred = said["timestamp"].as_str().and_then(moment);
        Ok(self.with_content(event, "application/json", stored))
    }

    fn unsound(&self, line: &Capture) -> Submission {
        let (text, found) = self.masker.cut(&String::from_utf8_lossy(line.raw()));
        let imported = TranscriptImported {
            found,
            ..self.nothing(line)
        };
        let event = self.event(line, imported);
        self.with_content(event, "text/plain", text.into_bytes())
    }

    fn nothing(&self, line: &Capture) -> TranscriptImported {
        TranscriptImported {
            by: self.importer.clone(),
            client: name(Client::ClaudeCode.word()),
            entry: None,
            uuid: None,
            parent: None,
            model: None,
            inner: false,
            tool_uses: Vec::new(),
            line_bytes: line.len_bytes(),
            found: Vec::new(),
            masking: self.masker.policy(),
        }
    }

    fn event(&self, line: &Capture, imported: TranscriptImported) -> Event {
        let agent = Actor::Agent(self.agent.clone());
        Event::new(self.id(line), agent, imported)
    }

    fn with_content(&self, event: Event, media: &str, bytes: Vec<u8>) -> Submission {
        let content = Content {
            name: name("line"),
            media: Label::lossy(media),
            bytes,
        };
        Submission {
            event,
            content: vec![content],
            person: None,
        }
    }

    /// Uses of tools that a message asks for or brings the result of.
    fn tool_uses(&self, message: &Value) -> Vec<Label> {
        let blocks = message["content"].as_array().into_iter().flatten();
        let id = |block: &Value| match block["type"].as_str()? {
            "tool_use" => self.plain(&block["id"]),
            "tool_result" => self.plain(&block["tool_use_id"]),
            _ => None,
        };
        blocks.filter_map(id).take(MOST_USES).collect()
    }

    /// A machine's word that is nobody's: the log holds it for ever.
    fn plain(&self, text: &Value) -> Option<Label> {
        let text = word(text.as_str()?)?;
        let found = self.masker.text(text.as_str());
        found.spans.is_empty().then_some(text)
    }

    /// What is said of the file that the lines came from. Whoever takes the same file in later adds
    /// nothing but their own word for it.
    pub fn file(&self, file: &File) -> Submission {
        let ingested = LogIngested {
            source: name("claude-code.transcript"),
            lines: file.lines,
            lines_sha256: Some(file.sha256),
            first: file.first,
            last: file.last,
            forms: Vec::new(),
            hosts: None,
            channels: Vec::new(),
            pieces: None,
            file: None,
            tips: Vec::new(),
        };
        let of = [&self.importer as &dyn Display, &self.agent, &file.sha256];
        let id = once("transcript.file", &of);
        Event::new(id, self.importer.clone(), ingested).into()
    }
}

/// RFC 3339 in UTC, with as many digits of fraction as a client likes (JavaScript: three).
fn moment(text: &str) -> Option<Timestamp> {
    let utc = text.strip_suffix('Z')?;
    let (seconds, fraction) = utc.split_once('.').unwrap_or((utc, ""));
    let fraction = fraction.get(..6).unwrap_or(fraction);
    format!("{seconds}.{fraction:0<6}Z").parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::masking::{Policy, TagKey};
    use schemas::Data;

    const CARD: &str = "5555-5555-5555-4444";

    fn told(line: &[u8]) -> (Submission, TranscriptImported, Option<LineFault>) {
        let masker = Masker::new(Policy::default(), TagKey::new([1; 32])).unwrap();
        let import = Import {
            importer: "user:s001".parse().unwrap(),
            agent: "dev".parse().unwrap(),
            masker: &masker,
        };
        let (submission, fault) = import.line(&Capture::new(line.to_vec()));
        let Data::TranscriptImported(imported) = submission.event.data.clone() else {
            panic!()
        };
        (submission, imported, fault)
    }

    #[test]
    fn a_line_is_its_agent_s_in_its_importer_s_word_with_its_own_time_and_links() {
        let line = format!(
            r#"{{"parentUuid":"a","isSidechain":true,"type":"assistant","uuid":"b","sessionId":"7f3c","timestamp":"2026-01-02T03:04:05.678Z",
            "message":{{"model":"claude-x","content":[{{"type":"text","text":"card {CARD}"}},{{"type":"tool_use","id":"toolu_1","name":"Bash","input":{{}}}},
            {{"type":"tool_result","tool_use_id":"toolu_0","content":"x"}}]}}}}"#
        );
        let (submission, imported, fault) = told(line.as_bytes());
        assert!(fault.is_none());
        assert_eq!(submission.event.actor.to_string(), "agent:dev");
        assert_eq!(imported.by.to_string(), "user:s001");
        assert_eq!(submission.event.session.unwrap().as_str(), "7f3c");
        let occurred = submission.event.occurred.unwrap().to_string();
        assert_eq!(occurred, "2026-01-02T03:04:05.678000Z");
        let uses: Vec<&str> = imported.tool_uses.iter().map(Label::as_str).collect();
        assert_eq!(uses, ["toolu_1", "toolu_0"]);
        assert_eq!(imported.entry.unwrap().as_str(), "assistant");
        assert_eq!(imported.parent.unwrap().as_str(), "a");
        assert!(imported.inner && imported.found[0].count == 1);
        let kept = String::from_utf8(submission.content[0].bytes.clone()).unwrap();
        assert!(
            kept.contains("claude-x") && !kept.contains("5555"),
            "{kept}"
        );
    }

    #[test]
    fn what_is_no_line_is_kept_as_text_and_named() {
        let cut_off = format!(r#"{{"type":"user","message":"{CARD}"#);
        for (line, fault) in [
            (cut_off.as_bytes(), "not JSON"),
            (b"\xff\xfe", "not UTF-8"),
            (b"[1]", "no JSON object"),
            (br#"{"message":{}}"#, "no JSON object"),
            (br#"{"type":7}"#, "no JSON object"),
        ] {
            let (submission, imported, named) = told(line);
            let named = named.unwrap().to_string();
            assert!(named.contains(fault), "{named}");
            assert_eq!((imported.entry, submission.event.session), (None, None));
            assert_eq!(submission.content[0].media.as_str(), "text/plain");
            let kept = String::from_utf8_lossy(&submission.content[0].bytes).into_owned();
            assert!(!kept.contains("5555"), "{kept}");
        }
        let person = br#"{"type":"taro.yamada@example.com","sessionId":"taro.yamada@example.com"}"#;
        let (submission, imported, _) = told(person);
        assert_eq!(submission.event.session, None);
        assert_eq!(imported.entry.unwrap().as_str(), "other");
    }

    #[test]
    fn the_same_line_is_the_same_entry_and_another_is_another() {
        let (one, same, other) = (
            told(b"{\"type\":\"a\"}"),
            told(b"{\"type\":\"a\"}"),
            told(b"{\"type\":\"b\"}"),
        );
        assert_eq!(one.0.event, same.0.event);
        assert_ne!(one.0.event.id, other.0.event.id);
        for (text, moment_) in [
            ("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05.000000Z")),
            (
                "2026-01-02T03:04:05.1234567Z",
                Some("2026-01-02T03:04:05.123456Z"),
            ),
            ("2026-01-02T03:04:05+09:00", None),
            ("yesterday", None),
            ("Z", None),
        ] {
            let read = moment(text).map(|at| at.to_string());
            assert_eq!(read.as_deref(), moment_, "{text}");
        }
    }
}
