//! Events from outside: one JSON object each, checked field by field before anything is
//! appended.
//!
//! ```json
//! {"kind":"agent.registered","actor":"user:s001","data":{…},
//!  "id":"<uuid v7>","class":"auth","session":"…","occurred":"…Z",
//!  "content":[{"name":"note","media":"text/plain","text":"…"}],"person":"s001"}
//! ```
//! `person` is whose the content is, so that it can be erased alone: a staff number or another handle.
//! One that reads like a name is refused here, for every door that erases refuses it too.

use crate::commands::consent::as_a_name;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate};
use ledger::{Content, Receipt, Submission};
use schemas::{Actor, Class, Data, EnvelopeError, Event, EventId, Label, Name, Timestamp};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Names the rule that a text breaks: no personal data and no secret may stand in `data`.
pub type Guard<'a> = dyn Fn(&str) -> Option<String> + 'a;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken<'a> {
    id: Option<EventId>,
    kind: String,
    class: Option<Class>,
    actor: Actor,
    session: Option<Label>,
    occurred: Option<Timestamp>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    content: Vec<TakenContent>,
    person: Option<Name>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakenContent {
    name: Name,
    media: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Why a line is not an event. Holds no value of the line.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("line {line} is not an event: {reason}")]
    Malformed { line: usize, reason: String },
    #[error("line {line}")]
    Data {
        line: usize,
        #[source]
        source: EnvelopeError,
    },
    #[error(
        "line {line}: {field} holds what rule {rule} keeps out of the log; put it into content"
    )]
    Private {
        line: usize,
        field: String,
        rule: String,
    },
    #[error("line {line}: kind {kind} is written by the ledger itself")]
    Reserved { line: usize, kind: &'static str },
    #[error("the input is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("the input holds no event")]
    Empty,
}

/// Reads NDJSON; empty lines are passed over. All lines, or the first fault.
pub fn read_lines(
    input: &[u8],
    guard: &Guard<'_>,
    new_id: impl Fn() -> EventId,
) -> Result<Vec<Submission>, IntakeError> {
    let text = std::str::from_utf8(input).map_err(|e| IntakeError::NotUtf8(e.valid_up_to()))?;
    let mut submissions = Vec::new();
    for (i, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        submissions.push(read_event(line, i + 1, guard, &new_id)?);
    }
    if submissions.is_empty() {
        Err(IntakeError::Empty)
    } else {
        Ok(submissions)
    }
}

/// Reads one JSON object, however it is laid out.
pub fn read_event(
    text: &str,
    line: usize,
    guard: &Guard<'_>,
    new_id: impl Fn() -> EventId,
) -> Result<Submission, IntakeError> {
    let malformed = |reason: String| IntakeError::Malformed { line, reason };
    let taken: Taken =
        serde_json::from_str(text).map_err(|error| malformed(schemas::json_fault(&error)))?;
    let data = Data::parse(&taken.kind, taken.data.get())
        .map_err(|source| IntakeError::Data { line, source })?;
    if matches!(
        data,
        Data::LedgerCreated(_)
            | Data::LedgerCheckpoint(_)
            | Data::LedgerRecovered(_)
            | Data::KeyRotated(_)
            | Data::RetentionExpired(_)
            | Data::HoldPlaced(_)
            | Data::HoldReleased(_)
            | Data::ErasureExtended(_)
            | Data::ErasureCompleted(_)
            | Data::ErasureRefused(_)
            | Data::WitnessCosigned(_)
            | Data::ReportIssued(_)
            | Data::ReportDelivered(_)
            | Data::ProtectionChecked(_)
    ) {
        return Err(IntakeError::Reserved {
            line,
            kind: data.kind(),
        });
    }
    let private = |(field, rule)| IntakeError::Private { line, field, rule };
    let found = Look::at(taken.data.get(), guard)
        .map_err(|error| malformed(schemas::json_fault(&error)))?;
    if let Some((path, rule)) = found {
        return Err(private((format!("data{path}"), rule)));
    }
    if let Some(rule) = taken.session.as_ref().and_then(|s| guard(s.as_str())) {
        return Err(private(("session".to_owned(), rule)));
    }
    let person = taken.person.as_ref().map(as_a_name);
    if let Some(rule) = person.and_then(|person| guard(&person)) {
        return Err(private(("person".to_owned(), rule)));
    }
    let content = taken
        .content
        .into_iter()
        .map(|c| c.take(&malformed))
        .collect::<Result<_, _>>()?;
    Ok(Submission {
        event: Event {
            id: taken.id.unwrap_or_else(new_id),
            class: taken.class.unwrap_or_else(|| data.default_class()),
            actor: taken.actor,
            session: taken.session,
            occurred: taken.occurred,
            data,
        },
        content,
        person: taken.person,
    })
}

impl TakenContent {
    fn take(self, malformed: &dyn Fn(String) -> IntakeError) -> Result<Content, IntakeError> {
        let bytes = match (self.text, self.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => STANDARD
                .decode(base64)
                .map_err(|_| malformed("content is not canonical base64".to_owned()))?,
            _ => return Err(malformed("content has either text or base64".to_owned())),
        };
        Ok(Content {
            name: self.name,
            media: self.media,
            bytes,
        })
    }
}

/// Looks at every string of a JSON value where it stands, without building the value.
struct Look<'g> {
    guard: &'g Guard<'g>,
    /// The first string that breaks a rule: the keys and places that lead to it, the last first.
    found: Option<(Vec<String>, String)>,
}

impl Look<'_> {
    /// Where the first string is that breaks a rule, and which.
    fn at(json: &str, guard: &Guard<'_>) -> serde_json::Result<Option<(String, String)>> {
        let mut look = Look { guard, found: None };
        look.deserialize(&mut serde_json::Deserializer::from_str(json))?;
        Ok(look.found.map(|(mut path, rule)| {
            path.reverse();
            (path.concat(), rule)
        }))
    }

    fn below<E>(
        &mut self,
        step: impl FnOnce() -> String,
        value: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let already = self.found.is_some();
        value(self)?;
        if let (false, Some((path, _))) = (already, &mut self.found) {
            path.push(step());
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Look<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.found.is_none()
            && let Some(rule) = (self.guard)(text)
        {
            self.found = Some((Vec::new(), rule));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut more = true;
        for place in 0.. {
            let step = || format!("[{place}]");
            self.below(step, |look| {
                more = items.next_element_seed(look)?.is_some();
                Ok(())
            })?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = fields.next_key()? {
            self.below(|| format!(".{key}"), |look| fields.next_value_seed(look))?;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Copied only where it is escaped.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

/// The JSON that [`read_event`] reads back to the same submission.
pub fn to_json(submission: &Submission) -> serde_json::Value {
    let event = &submission.event;
    let content: Vec<_> = submission
        .content
        .iter()
        .map(|content| TakenContent {
            name: content.name.clone(),
            media: content.media.clone(),
            text: None,
            base64: Some(STANDARD.encode(&content.bytes)),
        })
        .collect();
    serde_json::json!({
        "id": event.id, "kind": event.data.kind(), "class": event.class, "actor": event.actor,
        "session": event.session, "occurred": event.occurred, "data": event.data, "content": content,
        "person": submission.person,
    })
}

/// What the ledger answers for one event.
#[derive(Serialize, Deserialize)]
pub struct ReceiptJson {
    pub seq: u64,
    pub id: EventId,
    pub leaf: schemas::Hash,
    pub at: Timestamp,
    pub new: bool,
}

impl From<&Receipt> for ReceiptJson {
    fn from(r: &Receipt) -> ReceiptJson {
        ReceiptJson {
            seq: r.seq,
            id: r.id,
            leaf: r.leaf,
            at: r.at,
            new: r.new,
        }
    }
}

impl From<ReceiptJson> for Receipt {
    fn from(r: ReceiptJson) -> Receipt {
        Receipt {
            seq: r.seq,
            id: r.id,
            leaf: r.leaf,
            at: r.at,
            new: r.new,
        }
    }
}

pub fn receipt_json(receipt: &Receipt) -> String {
    serde_json::json!(ReceiptJson::from(receipt)).to_string()
}

#[derive(Debug, thiserror::Error)]
#[error("not a time: give RFC 3339, as 2026-11-22T09:00:00+09:00, or a day, as 2026-11-22 (UTC)")]
pub struct NotAMoment;

/// A time as people type it.
pub fn moment(text: &str) -> Result<Timestamp, NotAMoment> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Timestamp::from_micros(time.timestamp_micros()));
    }
    let day: NaiveDate = text.parse().map_err(|_| NotAMoment)?;
    let start = day.and_hms_opt(0, 0, 0).ok_or(NotAMoment)?.and_utc();
    Ok(Timestamp::from_micros(start.timestamp_micros()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn id() -> EventId {
        EventId::new(Timestamp::from_micros(1), [0; 10])
    }

    fn read(line: &str) -> Result<Vec<Submission>, IntakeError> {
        let guard = |text: &str| text.contains('@').then(|| "email".to_owned());
        read_lines(line.as_bytes(), &guard, id)
    }

    const SOUND: &str = r#"{"kind":"drill.completed","actor":"user:s001","data":{"drill":"restore","passed":true,"duration_seconds":5},"content":[{"name":"note","media":"text/plain","text":"メモ"}]}"#;

    #[test]
    fn an_event_is_read_and_written_back() {
        let submissions = read(SOUND).unwrap();
        assert_eq!(submissions[0].content[0].bytes, "メモ".as_bytes());
        let again = read(&to_json(&submissions[0]).to_string()).unwrap();
        assert_eq!(again[0].event, submissions[0].event);
    }

    #[test]
    fn each_fault_is_named_with_its_line_and_without_its_values() {
        for (input, part) in [
            ("", "no event"),
            ("{", "line 1 is not an event: cut off"),
            (&format!("{SOUND}\n\n{{\"kind\":1}}"), "line 3"),
            (
                &SOUND.replace("drill.completed", "drill.begun"),
                "drill.begun is not a kind",
            ),
            (
                &SOUND.replace("\"passed\"", "\"past\""),
                "unknown field past",
            ),
            (&SOUND.replace("\"actor\"", "\"who\""), "unknown field who"),
            (&SOUND.replace("user:s001", "山田"), "wrong type or form"),
            (&SOUND.replace("restore", "Taro@x"), "wrong type or form"),
            (
                &SOUND.replace("\"text\":\"メモ\"", "\"base64\":\"?\""),
                "base64",
            ),
            (
                r#"{"kind":"ledger.recovered","actor":"user:s","data":{"file":"f","offset":1,"tail_bytes":1,"tail_sha256":"0000000000000000000000000000000000000000000000000000000000000000"}}"#,
                "written by the ledger itself",
            ),
            (
                r#"{"kind":"backup.completed","actor":"user:s","data":{"destination":"taro@example.com","size":1,"root":"0000000000000000000000000000000000000000000000000000000000000000"}}"#,
                "data.destination holds what rule email",
            ),
        ] {
            let error = match read(input) {
                Err(error) => error,
                Ok(_) => panic!("{input}"),
            };
            let shown = format!("{:#}", anyhow::Error::new(error));
            assert!(shown.contains(part), "{shown}");
            assert!(
                !shown.contains("山田") && !shown.contains("taro@"),
                "{shown}"
            );
        }
        assert!(matches!(
            read_lines(b"\xff", &|_| None, id),
            Err(IntakeError::NotUtf8(0))
        ));
    }

    #[test]
    fn whose_content_is_is_told_by_a_handle_and_never_by_a_name() {
        let of = |person: &str| {
            SOUND.replace(
                "\"content\"",
                &format!("\"person\":\"{person}\",\"content\""),
            )
        };
        let read = |line: &str| {
            let guard = |text: &str| text.contains("Yamada Taro").then(|| "person".to_owned());
            read_lines(line.as_bytes(), &guard, id)
        };
        let person = read(&of("s001")).unwrap()[0].person.clone();
        assert_eq!(person, Some("s001".parse().unwrap()));
        for handle in ["yamada.taro", "yamada-taro", "yamada_taro"] {
            let Err(error) = read(&of(handle)) else {
                panic!("{handle} is taken")
            };
            let shown = error.to_string();
            assert!(shown.contains("person holds what rule person"), "{shown}");
            assert!(!shown.contains("yamada"), "{shown}");
        }
    }

    #[test]
    fn every_string_of_data_is_looked_at_and_named_by_its_place() {
        let guard = |text: &str| text.contains('@').then(|| "email".to_owned());
        let look = |json: &str| Look::at(json, &guard).unwrap().map(|(path, _)| path);
        for (json, place) in [
            (r#""a@b""#, ""),
            (
                r#"{"a":1,"b":[true,null,-1,1.5,{"c":["x","y@"]}],"d":"z@"}"#,
                ".b[4].c[1]",
            ),
            (r#"["","x",["\u0040"]]"#, "[2][0]"),
            (r#"{"k\n":{"":"@"}}"#, ".k\n."),
        ] {
            assert_eq!(look(json).as_deref(), Some(place), "{json}");
        }
        assert_eq!(look(r#"{"@":[["a"],{"b":18446744073709551615}]}"#), None);
    }

    #[test]
    fn moments_are_days_or_rfc_3339() {
        assert_eq!(
            moment("2026-11-22").unwrap().to_string(),
            "2026-11-22T00:00:00.000000Z"
        );
        assert_eq!(
            moment("2026-11-22T09:00:00+09:00").unwrap().to_string(),
            "2026-11-22T00:00:00.000000Z"
        );
        assert!(moment("yesterday").is_err());
    }
}
