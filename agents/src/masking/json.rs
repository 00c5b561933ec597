//! JSON as bytes with places: enough of a reader to edit strings where they stand.
//!
//! It reads RFC 8259 strictly, so that the provider's reader cannot see a string where this one
//! saw none, and keeps no values, only where they begin and end.

mod text;

pub(in crate::masking) use text::{Decoded, decode, encode};

/// Deeper nesting is refused: no request needs it, and a reader upstream may give up at less.
const DEEPEST: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Literal,
}

/// One value; children follow their parent.
pub(super) struct Node {
    pub kind: Kind,
    /// Byte range, quotation marks included.
    pub start: usize,
    pub end: usize,
    pub parent: Option<usize>,
    /// Byte range of its key, quotation marks included.
    pub key: Option<(usize, usize)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Something else stands at this byte.
    At(usize),
    TooDeep,
}

/// Every value of one JSON text, in order.
pub(super) fn read(text: &[u8]) -> Result<Vec<Node>, Fault> {
    let mut reader = Reader { text, at: 0 };
    let mut nodes: Vec<Node> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut key = None;
    reader.space();
    loop {
        // A value stands here.
        let start = reader.at;
        let kind = reader.value_kind()?;
        let index = nodes.len();
        nodes.push(Node {
            kind,
            start,
            end: start,
            parent: open.last().copied(),
            key: key.take(),
        });
        match kind {
            Kind::Object | Kind::Array => {
                if open.len() >= DEEPEST {
                    return Err(Fault::TooDeep);
                }
                reader.at += 1;
                reader.space();
                let close = if kind == Kind::Object { b'}' } else { b']' };
                if reader.peek() == Some(close) {
                    reader.at += 1;
                    nodes[index].end = reader.at;
                } else {
                    open.push(index);
                    if kind == Kind::Object {
                        key = Some(reader.key()?);
                    }
                    continue;
                }
            }
            Kind::String => reader.string()?,
            Kind::Number => reader.number()?,
            Kind::Literal => reader.literal()?,
        }
        nodes[index].end = reader.at;
        // After a value: the next one, or the end of what holds it.
        loop {
            reader.space();
            let Some(&holder) = open.last() else {
                return if reader.at == text.len() {
                    Ok(nodes)
                } else {
                    Err(Fault::At(reader.at))
                };
            };
            let object = nodes[holder].kind == Kind::Object;
            match reader.peek() {
                Some(b',') => {
                    reader.at += 1;
                    reader.space();
                    if object {
                        key = Some(reader.key()?);
                    }
                    break;
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ => return Err(Fault::At(reader.at)),
            }
            reader.at += 1;
            nodes[holder].end = reader.at;
            open.pop();
        }
    }
}

/// Whether some object of a JSON text has a key twice: readers disagree on which value counts.
pub(crate) fn has_twin_keys(text: &[u8]) -> bool {
    let (Ok(nodes), Ok(text)) = (read(text), std::str::from_utf8(text)) else {
        return false;
    };
    let mut keys = std::collections::HashSet::new();
    nodes.iter().any(|node| match (node.parent, node.key) {
        (Some(parent), Some((start, end))) => {
            !keys.insert((parent, decode(text, start, end).chars))
        }
        _ => false,
    })
}

/// Every string that stands under this key, however deep.
pub(crate) fn strings_under(text: &str, key: &str) -> Vec<String> {
    let string = |(start, end): (usize, usize)| -> String {
        decode(text, start, end).chars.into_iter().collect()
    };
    let under = |node: &Node| node.key.is_some_and(|said| string(said) == key);
    let nodes = read(text.as_bytes()).unwrap_or_default();
    let strings = nodes.iter().filter(|node| node.kind == Kind::String);
    let found = strings.filter(|node| under(node));
    found.map(|node| string((node.start, node.end))).collect()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value_kind(&self) -> Result<Kind, Fault> {
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f' | b'n') => Ok(Kind::Literal),
            _ => Err(Fault::At(self.at)),
        }
    }

    fn key(&mut self) -> Result<(usize, usize), Fault> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(Fault::At(self.at));
        }
        self.string()?;
        let end = self.at;
        self.space();
        if self.peek() != Some(b':') {
            return Err(Fault::At(self.at));
        }
        self.at += 1;
        self.space();
        Ok((start, end))
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let run = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            // All of them before it is asked which: that is done many at a time.
            let is_control = |b: &u8| *b < 0x20;
            if rest[..run].iter().fold(false, |any, b| any | is_control(b)) {
                let control = rest.iter().position(is_control);
                return Err(Fault::At(self.at + control.unwrap_or(run)));
            }
            self.at += run;
            if rest.get(run) == Some(&b'"') {
                self.at += 1;
                return Ok(());
            }
            self.at += match rest.get(run + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u')
                    if rest
                        .get(run + 2..run + 6)
                        .is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    6
                }
                _ => return Err(Fault::At(self.at)),
            };
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(Fault::At(self.at))
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn literal(&mut self) -> Result<(), Fault> {
        for word in ["true", "false", "null"] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        Err(Fault::At(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_serde_refuses_is_refused_and_what_it_reads_is_read() {
        for text in [
            "{}",
            "[]",
            "\"a\"",
            "-0.5e+3",
            "[1,2,{\"a\":[null,true,false]}]",
            " { \"a\" : \"\\u00e9\\n\" } ",
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            "\"\\x\"",
            "\"\u{1}\"",
            "nul",
            "[1 2]",
            "{1:2}",
            "\"a",
            "[1]]",
            "-",
            "1e",
        ] {
            let ours = read(text.as_bytes()).is_ok();
            assert_eq!(
                ours,
                serde_json::from_str::<serde_json::Value>(text).is_ok(),
                "{text}"
            );
        }
    }

    #[test]
    fn keys_that_stand_twice_are_seen_behind_their_escapes() {
        assert!(has_twin_keys(br#"{"a":[{"b":1,"c":2,"\u0062":3}]}"#));
        assert!(!has_twin_keys(br#"{"a":[{"a":1},{"a":2}]}"#));
    }

    #[test]
    fn strings_under_a_key_are_found_however_deep_and_however_written() {
        let text = r#"{"a":"1","b":[{"a":"2","a":"3"},"a"],"\u0061":"\u0034","c":{"a":{"a":5}}}"#;
        assert_eq!(strings_under(text, "a"), ["1", "2", "3", "4"]);
        assert!(strings_under("no JSON", "a").is_empty());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert_eq!(read(deep.as_bytes()).err(), Some(Fault::TooDeep));
        assert!(read(("[".repeat(100) + &"]".repeat(100)).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
