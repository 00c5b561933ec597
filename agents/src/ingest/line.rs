//! What a line says of itself: its form, and as far as that goes its time, host and channel. No
//! more is read, and nothing is changed; what is not understood is text.
//!
//! | form | begins with | time | host | channel |
//! |---|---|---|---|---|
//! | `rfc5424` | `<34>1 ` | TIMESTAMP | HOSTNAME | |
//! | `rfc3164` | `<34>` | `Nov 30 09:00:00` in the source's zone, or RFC 3339 as rsyslog forwards it | the word behind it | |
//! | `windows_json` | an object with `Channel` (NXLog) or `winlog.channel` (Winlogbeat) | `EventTime`, `@timestamp` | `Hostname`, `host.name`, `winlog.computer_name` | `Channel` |
//! | `windows_xml` | `<Event ` | `SystemTime` | `Computer` | `Channel` |
//! | `json` | `{` | `@timestamp`, or the first time in it | | |
//! | `text` | | the first time in it | | |
//!
//! Windows events are recognised inside of a syslog message too: so NXLog forwards them.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeZone};
use schemas::Timestamp;
use schemas::kinds::records::LineForm;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A time is looked for no further on, for any text may hold one.
const LOOKED_AT_BYTES: usize = 512;

/// Whose line it is, so without `Debug` as the line itself.
pub struct Said<'a> {
    pub form: LineForm,
    pub at: Option<Timestamp>,
    pub host: Option<Cow<'a, str>>,
    pub channel: Option<Cow<'a, str>>,
}

/// Reads a message that came at `now`; times without a zone are of this one. Of what is not
/// UTF-8, as far as it is.
pub fn read(message: &[u8], now: Timestamp, zone: FixedOffset) -> Said<'_> {
    let text = match std::str::from_utf8(message) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&message[..error.valid_up_to()]).unwrap_or_default(),
    };
    let Some((said, body)) = syslog(text, now, zone) else {
        return event(text, zone).unwrap_or_else(|| Said {
            form: LineForm::Text,
            at: any_time(text, zone),
            host: None,
            channel: None,
        });
    };
    match event(body, zone) {
        // What the event says comes first: a forwarder's header may be its own.
        Some(inner) if inner.form != LineForm::Json => Said {
            at: inner.at.or(said.at),
            host: inner.host.or(said.host),
            ..inner
        },
        _ => said,
    }
}

/// The header of a syslog message, and what follows it.
fn syslog(text: &str, now: Timestamp, zone: FixedOffset) -> Option<(Said<'_>, &str)> {
    let (pri, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_pri = (1..=3).contains(&pri.len()) && pri.bytes().all(|b| b.is_ascii_digit());
    if !is_pri || pri.parse::<u16>().ok()? > 191 {
        return None;
    }
    if let Some(rest) = rest.strip_prefix("1 ") {
        let mut words = rest.splitn(6, ' ');
        let (time, host) = (words.next()?, words.next());
        let (_app, _proc, _msgid) = (words.next(), words.next(), words.next());
        let body = words.next().map_or("", structured_data);
        let said = Said {
            form: LineForm::Rfc5424,
            at: rfc3339(time),
            host: named(host),
            channel: None,
        };
        return Some((said, body));
    }
    let (at, rest) = match rest.split_once(' ') {
        Some((time, after)) if rfc3339(time).is_some() => (rfc3339(time), after),
        _ => match without_year(rest, now, zone) {
            Some((at, after)) => (Some(at), after),
            None => (None, rest),
        },
    };
    let (host, rest) = match at {
        Some(_) => rest
            .split_once(' ')
            .map_or((None, rest), |(h, r)| (Some(h), r)),
        None => (None, rest),
    };
    let body = rest.split_once(": ").map_or(rest, |(_tag, body)| body);
    let said = Said {
        form: LineForm::Rfc3164,
        at,
        host: named(host),
        channel: None,
    };
    Some((said, body))
}

fn named(host: Option<&str>) -> Option<Cow<'_, str>> {
    let host = host.filter(|host| !host.is_empty() && *host != "-");
    host.map(Cow::Borrowed)
}

/// What stands behind structured data (RFC 5424 §6.3).
fn structured_data(text: &str) -> &str {
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('-') {
        rest = after;
    }
    while rest.starts_with('[') {
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == ']' && !quoted && !escaped;
            quoted ^= *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        match end {
            Some((end, _)) => rest = &rest[end + 1..],
            None => return "",
        }
    }
    rest.trim_start_matches(' ').trim_start_matches('\u{feff}')
}

/// A Windows event, or other JSON.
fn event(text: &str, zone: FixedOffset) -> Option<Said<'_>> {
    let text = text.trim_start();
    if text.starts_with("<Event ") || text.starts_with("<Event>") {
        return Some(Said {
            form: LineForm::WindowsXml,
            at: attribute(text, "SystemTime").and_then(rfc3339),
            host: named(element(text, "Computer")),
            channel: named(element(text, "Channel")),
        });
    }
    if !text.starts_with('{') {
        return None;
    }
    let event: Json = serde_json::from_str(text.trim_end()).ok()?;
    let winlog: Winlog = inner(event.winlog).unwrap_or_default();
    // Anything may have a channel; an event of Windows has a number.
    let own = event.event_id.is_some().then(|| inner(event.channel));
    let channel = own.flatten().or_else(|| inner(winlog.channel));
    let at = [event.at, event.event_time, event.received_time];
    let at = at.into_iter().flatten().find_map(|time| {
        let time: Cow<'_, str> = inner(Some(time))?;
        moment(&time, zone)
    });
    let host = inner::<Cow<'_, str>>(event.hostname)
        .or_else(|| inner::<Host>(event.host).and_then(|host| inner(host.name)))
        .or_else(|| inner(winlog.computer_name));
    Some(match channel {
        Some(channel) => Said {
            form: LineForm::WindowsJson,
            at,
            host: host.filter(|host: &Cow<'_, str>| !host.is_empty()),
            channel: Some(channel),
        },
        None => Said {
            form: LineForm::Json,
            at: at.or_else(|| any_time(text, zone)),
            host: None,
            channel: None,
        },
    })
}

/// Raw, for what has these names elsewhere may be anything.
#[derive(Deserialize)]
struct Json<'a> {
    #[serde(borrow, rename = "@timestamp")]
    at: Option<&'a RawValue>,
    #[serde(borrow, rename = "EventTime")]
    event_time: Option<&'a RawValue>,
    #[serde(borrow, rename = "EventReceivedTime")]
    received_time: Option<&'a RawValue>,
    #[serde(borrow, rename = "Hostname")]
    hostname: Option<&'a RawValue>,
    #[serde(borrow, rename = "EventID")]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "Channel")]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    host: Option<&'a RawValue>,
    #[serde(borrow)]
    winlog: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Winlog<'a> {
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    computer_name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Host<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

fn inner<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(value?.get()).ok()
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let rest = &text[start..];
    rest.find("</").map(|end| &rest[..end])
}

fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("{name}="))? + name.len() + 1;
    let rest = &text[start..];
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(value, _)| value)
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    stamp(time.timestamp_micros())
}

fn stamp(micros: i64) -> Option<Timestamp> {
    // A device without a clock says 1970, and is not believed.
    (micros > 0).then(|| Timestamp::from_micros(micros))
}

/// As agents write it: RFC 3339, or without a zone.
fn moment(text: &str, zone: FixedOffset) -> Option<Timestamp> {
    if let Some(at) = rfc3339(text) {
        return Some(at);
    }
    let naive = |text: &str, form| NaiveDateTime::parse_from_str(text, form).ok();
    let local = naive(text, "%Y-%m-%d %H:%M:%S%.f")
        .or_else(|| naive(text, "%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        })?;
    let at = zone.from_local_datetime(&local).single()?;
    stamp(at.timestamp_micros())
}

/// `Nov 30 09:00:00 ` (RFC 3164 §4.1.2), in the year in which it is nearest to now; and the rest.
fn without_year(text: &str, now: Timestamp, zone: FixedOffset) -> Option<(Timestamp, &str)> {
    const LEN: usize = "Nov 30 09:00:00".len();
    let (time, rest) = text.split_at_checked(LEN)?;
    let rest = rest.strip_prefix(' ')?;
    let year = now.to_chrono().with_timezone(&zone).year();
    let candidates = (year - 1..=year + 1).filter_map(|year| {
        let text = format!("{year} {time}");
        let local = NaiveDateTime::parse_from_str(&text, "%Y %b %e %H:%M:%S").ok()?;
        let at = zone.from_local_datetime(&local).single()?;
        stamp(at.timestamp_micros())
    });
    let nearest = candidates.min_by_key(|at| at.micros().abs_diff(now.micros()))?;
    Some((nearest, rest))
}

/// The first time that a text states.
fn any_time(text: &str, zone: FixedOffset) -> Option<Timestamp> {
    let bytes = &text.as_bytes()[..text.len().min(LOOKED_AT_BYTES)];
    let is_date = |bytes: &[u8]| {
        let form = b"0000-00-00".iter().zip(bytes);
        form.into_iter().all(|(form, byte)| match form {
            b'-' => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    let start = bytes.windows(10).position(is_date)?;
    let rest = &text[start..];
    let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | '+' | 'T' | 'Z');
    let word = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
    let date_and_time = rest.get(..19).unwrap_or_default();
    rfc3339(word)
        .or_else(|| moment(word, zone).filter(|_| word.len() > 10))
        .or_else(|| moment(date_and_time, zone))
        .or_else(|| moment(&rest[..10], zone))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-30T00:30:00.000000Z";

    fn said(line: &str) -> (LineForm, String, String, String) {
        let tokyo = FixedOffset::east_opt(9 * 3_600).unwrap();
        let said = read(line.as_bytes(), NOW.parse().unwrap(), tokyo);
        let text = |text: Option<Cow<'_, str>>| text.map_or("-".to_owned(), Cow::into_owned);
        let at = said.at.map_or("-".to_owned(), |at| at.to_string());
        (said.form, at, text(said.host), text(said.channel))
    }

    #[track_caller]
    fn check(line: &str, form: LineForm, at: &str, host: &str, channel: &str) {
        let expected = (form, at.to_owned(), host.to_owned(), channel.to_owned());
        assert_eq!(said(line), expected, "{line}");
    }

    #[test]
    fn syslog_of_both_rfcs_says_when_and_where() {
        use LineForm::{Rfc3164, Rfc5424, Text};
        let at = "2026-11-30T00:00:00.123456Z";
        check(
            "<34>1 2026-11-30T09:00:00.123456+09:00 fw01 app - - - down",
            Rfc5424,
            at,
            "fw01",
            "-",
        );
        check("<34>1 - - - - - -", Rfc5424, "-", "-", "-");
        check("<34>1", Rfc3164, "-", "-", "-");
        check(
            "<34>Nov 30 09:00:00 fw01 %ASA-6: built",
            Rfc3164,
            "2026-11-30T00:00:00.000000Z",
            "fw01",
            "-",
        );
        check(
            "<34>Nov  3 09:00:00 fw01 x: y",
            Rfc3164,
            "2026-11-03T00:00:00.000000Z",
            "fw01",
            "-",
        );
        // Near the turn of the year the nearest one is meant.
        check(
            "<34>Jan  1 00:00:00 fw01 x: y",
            Rfc3164,
            "2026-12-31T15:00:00.000000Z",
            "fw01",
            "-",
        );
        check(
            "<34>2026-11-30T09:00:00+09:00 fw01 x: y",
            Rfc3164,
            "2026-11-30T00:00:00.000000Z",
            "fw01",
            "-",
        );
        check("<34>no time at all", Rfc3164, "-", "-", "-");
        for none in ["<192>x", "<>x", "<1", "<1234>x", "<a>x"] {
            check(none, Text, "-", "-", "-");
        }
    }

    #[test]
    fn windows_events_are_known_by_what_the_usual_agents_write() {
        use LineForm::{Json, WindowsJson, WindowsXml};
        let at = "2026-11-30T00:00:00.000000Z";
        let nxlog = r#"{"EventTime":"2026-11-30 09:00:00","Hostname":"dc01","EventID":4624,"Channel":"Security","Message":"ログオン"}"#;
        check(nxlog, WindowsJson, at, "dc01", "Security");
        check(
            &format!("<14>1 2026-11-30T09:00:01+09:00 relay nx - - [x@1 a=\"\\\"]\"] {nxlog}"),
            WindowsJson,
            at,
            "dc01",
            "Security",
        );
        check(
            &format!("<14>Nov 30 09:00:01 relay nx[1]: {nxlog}"),
            WindowsJson,
            at,
            "dc01",
            "Security",
        );
        let beat = r#"{"@timestamp":"2026-11-30T00:00:00.000Z","host":{"name":"pc7"},"winlog":{"channel":"Microsoft-Windows-PowerShell/Operational","computer_name":"PC7"}}"#;
        check(
            beat,
            WindowsJson,
            at,
            "pc7",
            "Microsoft-Windows-PowerShell/Operational",
        );
        let xml = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><TimeCreated SystemTime='2026-11-30T00:00:00.0000000Z'/><Channel>System</Channel><Computer>dc01</Computer></System></Event>";
        check(xml, WindowsXml, at, "dc01", "System");
        check(
            r#"{"time":"2026-11-30T00:00:00Z","user":"taro"}"#,
            Json,
            at,
            "-",
            "-",
        );
        check(
            r#"{"Channel":7,"host":"x","winlog":[]}"#,
            Json,
            "-",
            "-",
            "-",
        );
        check(r#"{"Channel":"dm.taro"}"#, Json, "-", "-", "-");
    }

    #[test]
    fn any_other_text_may_state_a_time() {
        use LineForm::Text;
        check(
            "2026-11-30,claude-x,120,35",
            Text,
            "2026-11-29T15:00:00.000000Z",
            "-",
            "-",
        );
        check(
            "id,2026-11-30 09:00:00,5",
            Text,
            "2026-11-30T00:00:00.000000Z",
            "-",
            "-",
        );
        check(
            "[2026-11-30T00:00:00Z] up",
            Text,
            "2026-11-30T00:00:00.000000Z",
            "-",
            "-",
        );
        check("電話 0312345678, 2026-99-99", Text, "-", "-", "-");
        check(r#"{"cut off":"#, Text, "-", "-", "-");
        let tokyo = FixedOffset::east_opt(9 * 3_600).unwrap();
        let said = read(
            b"<34>1 2026-11-30T00:00:00Z fw01 a - - - \xff\xfe",
            NOW.parse().unwrap(),
            tokyo,
        );
        assert_eq!(
            (said.form, said.host.as_deref()),
            (LineForm::Rfc5424, Some("fw01"))
        );
    }
}
