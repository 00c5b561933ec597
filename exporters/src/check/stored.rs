//! One line of what a receiver stored, as far as it can be trusted to be ours.
//!
//! Receivers write a syslog header in their own way, so only what stands from our structured
//! data on is read: `[daicho@PEN chain="…" seq="…" …] MSG`. A line of a file or request is read
//! as it was written: `{"chain":"…","hash":"…","sig":"…","entry":{…}}`, or with
//! `"reduced":true,"body":N` before the entry.
//!
//! A receiver that was killed within a line writes on behind it when it is back: the cut message
//! and the next one stand in one line, and each is judged.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemas::{Envelope, Event, EventId, Hash};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a stored line is.
pub(super) enum Line {
    /// Nothing of daicho's.
    Other,
    /// Begins like ours and cannot be read on: what is wrong.
    Torn(&'static str),
    Stored(Box<Stored>),
}

/// A message whose params could be read. What [`Stored::fault`] is silent about agrees in
/// itself; who made it only a signature says.
pub(super) struct Stored {
    pub chain: String,
    pub seq: u64,
    pub hash: Hash,
    pub prev: Hash,
    pub sig: [u8; 64],
    pub reduced: bool,
    /// Which of the forms that the receiver was told in, where the receiver kept the header's
    /// PROCID: only copies of one form are the same bytes.
    pub epoch: Option<u64>,
    /// MSG is in another format than the entry's own: only `sha` speaks for it.
    pub translated: bool,
    /// SHA-256 of all that was read, which is alike in each copy.
    pub digest: Hash,
    /// In a whole message that agrees with its params.
    pub event: Option<Event>,
    pub fault: Option<Fault>,
}

/// What a message shows about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Truncated,
    Altered(&'static str),
}

/// How our structured data begins.
pub(super) const ELEMENT: &str = "[daicho@";

/// How many elements behind a cut one are tried: what a message quotes looks like one too.
const MAX_TRIED: usize = 8;

impl Line {
    /// What a line holds: one message, or a cut one and the sound one that was written behind it.
    pub fn all(line: &str) -> (Line, Option<Line>) {
        let mut first = Line::parse(line);
        if matches!(&first, Line::Other) || first.is_sound() {
            return (first, None);
        }
        let written = line.starts_with(NDJSON);
        let mark = if written { NDJSON } else { ELEMENT };
        let marks: Vec<usize> = line
            .match_indices(mark)
            .map(|(at, _)| at)
            .take(1 + MAX_TRIED)
            .collect();
        // The header of a message stands before its mark, behind the mark of the cut one.
        let rests = marks
            .windows(2)
            .map(|pair| if written { pair[1] } else { pair[0] + 1 });
        let behind = rests
            .map(|at| Line::parse(&line[at..]))
            .find(Line::is_sound);
        if let (Line::Stored(stored), Some(_)) = (&mut first, &behind) {
            stored.fault = Some(Fault::Truncated);
        }
        (first, behind)
    }

    fn is_sound(&self) -> bool {
        matches!(self, Line::Stored(stored) if stored.fault.is_none())
    }

    fn parse(line: &str) -> Line {
        if line.starts_with(NDJSON) {
            return match ndjson(line) {
                Some(stored) => Line::Stored(Box::new(stored)),
                None => Line::Torn("it is cut, or no line of this format"),
            };
        }
        let Some(start) = line.find(ELEMENT) else {
            return Line::Other;
        };
        let element = &line[start..];
        let Some((params, rest)) = params(element) else {
            return Line::Torn("its structured data is cut or broken");
        };
        match stored(element, &params, rest) {
            Some(stored) => Line::Stored(Box::new(Stored {
                epoch: epoch(&line[..start]),
                ..stored
            })),
            None => Line::Torn("its structured data lacks params, or they have no sense"),
        }
    }
}

/// PROCID, where what stands before our structured data ends as in RFC 5424: `PROCID SP MSGID SP`.
fn epoch(header: &str) -> Option<u64> {
    header.split_ascii_whitespace().nth_back(1)?.parse().ok()
}

/// How every line of a file begins.
const NDJSON: &str = "{\"chain\":";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    chain: Cow<'a, str>,
    hash: Hash,
    sig: Cow<'a, str>,
    #[serde(default)]
    reduced: bool,
    /// What nothing here is compared with: the whole is elsewhere.
    #[serde(default, rename = "body")]
    _body: Option<u64>,
    #[serde(borrow)]
    entry: &'a RawValue,
}

/// What of an entry is there however much it leaves out.
#[derive(Deserialize)]
struct Frame {
    seq: u64,
    id: EventId,
    prev: Hash,
}

fn ndjson(line: &str) -> Option<Stored> {
    let written: Written = serde_json::from_str(line).ok()?;
    let frame: Frame = serde_json::from_str(written.entry.get()).ok()?;
    let mut stored = Stored {
        chain: written.chain.into_owned(),
        seq: frame.seq,
        hash: written.hash,
        prev: frame.prev,
        sig: BASE64_STANDARD
            .decode(written.sig.as_bytes())
            .ok()?
            .try_into()
            .ok()?,
        reduced: written.reduced,
        epoch: None,
        translated: false,
        digest: Hash(Sha256::digest(line).into()),
        event: None,
        fault: None,
    };
    if !stored.reduced {
        match whole(written.entry.get(), &stored, frame.id) {
            Ok(event) => stored.event = Some(event),
            Err(what) => stored.fault = Some(Fault::Altered(what)),
        }
    }
    Some(stored)
}

fn stored(element: &str, params: &BTreeMap<&str, String>, rest: &str) -> Option<Stored> {
    let param = |name: &str| params.get(name).map(String::as_str);
    let msg = rest.strip_prefix(' ').unwrap_or(rest);
    let mut stored = Stored {
        chain: param("chain")?.to_owned(),
        seq: param("seq")?.parse().ok()?,
        hash: param("hash")?.parse().ok()?,
        prev: param("prev")?.parse().ok()?,
        sig: BASE64_STANDARD
            .decode(param("sig")?)
            .ok()?
            .try_into()
            .ok()?,
        reduced: param("reduced") == Some("1"),
        epoch: None,
        translated: param("format").is_some(),
        digest: Hash(Sha256::digest(element).into()),
        event: None,
        fault: None,
    };
    let len: usize = param("len")?.parse().ok()?;
    let (id, sha) = (param("id")?, param("sha")?);
    stored.fault = match msg.len() {
        shorter if shorter < len => Some(Fault::Truncated),
        _ if hex::encode(Sha256::digest(msg)) != sha => Some(Fault::Altered("sha")),
        _ if stored.reduced || stored.translated => None,
        _ => match whole(msg, &stored, id.parse().ok()?) {
            Ok(event) => {
                stored.event = Some(event);
                None
            }
            Err(param) => Some(Fault::Altered(param)),
        },
    };
    Some(stored)
}

/// The event of a whole message, or which param it contradicts.
fn whole(msg: &str, stored: &Stored, id: EventId) -> Result<Event, &'static str> {
    let body = restored(msg).ok_or("hash")?;
    let leaf = Sha256::new_with_prefix([0]).chain_update(&body).finalize();
    if stored.hash != Hash(leaf.into()) {
        return Err("hash");
    }
    let envelope = Envelope::from_body(body.as_bytes()).map_err(|_| "hash")?;
    if envelope.seq != stored.seq {
        return Err("seq");
    }
    if envelope.prev != stored.prev {
        return Err("prev");
    }
    match envelope.event.id == id {
        true => Ok(envelope.event),
        false => Err("id"),
    }
}

/// The params of the element that `text` begins with, un-escaped, and what is after it.
pub(super) fn params(text: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut found = BTreeMap::new();
    let mut rest = &text[text.find([' ', ']'])?..];
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return Some((found, after));
        }
        rest = rest.strip_prefix(' ')?;
        let (name, value) = rest.split_once("=\"")?;
        // RFC 5424 §6.3.3: such a name is none, but the header of another message.
        if name.contains([' ', '"', ']']) {
            return None;
        }
        let mut read = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    c @ ('"' | '\\' | ']') => read.push(c),
                    c => read.extend(['\\', c]),
                },
                (_, c) => read.push(c),
            }
        };
        // Twice the same name would be read in two ways.
        if found.insert(name, read).is_some() {
            return None;
        }
        rest = &value[end + 1..];
    }
}

/// The body of which MSG is the ASCII form: every `\uXXXX` from `\u007f` upwards undone.
pub(super) fn restored(msg: &str) -> Option<String> {
    if !msg.contains("\\u") {
        return Some(msg.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(msg.len());
    let mut chars = msg.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        let escape = chars.next()?;
        if escape != 'u' {
            units.push(u16::from(b'\\'));
            units.extend(escape.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        let digits: String = chars.by_ref().take(4).collect();
        match u16::from_str_radix(&digits, 16) {
            Ok(unit) if unit >= 0x7f => units.push(unit),
            _ => units.extend("\\u".encode_utf16().chain(digits.encode_utf16())),
        }
    }
    String::from_utf16(&units).ok()
}
