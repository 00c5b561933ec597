//! Server-sent events, as the HTML standard §9.2.6 reads them: lines end with LF, CR or CRLF,
//! a blank line ends an event, comments and unknown fields are passed over.

/// Anthropic's own sign of life, which its clients pass over.
pub(super) const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// For APIs that have none: a comment, which every reader of event streams passes over. One line:
/// an empty one after it would be an empty event to readers that remember an id (openai-python).
pub(super) const COMMENT: &[u8] = b": ping\n";

/// A stream, taken apart.
pub(super) struct Events<'a> {
    /// The data of every event that was ended by a blank line.
    pub events: Vec<Vec<u8>>,
    /// The lines that a reader passes over: comments, ids, fields of nobody's.
    pub asides: Vec<u8>,
    /// The bytes after the last event.
    pub tail: &'a [u8],
}

pub(super) fn events(bytes: &[u8]) -> Events<'_> {
    let mut rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut tail = rest;
    let (mut events, mut data, mut asides) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((line, after)) = next_line(rest) {
        rest = after;
        if line.is_empty() {
            if data.pop().is_some() {
                events.push(std::mem::take(&mut data));
            }
            tail = rest;
        } else if let Some(value) = field(line, b"data") {
            data.extend_from_slice(value);
            data.push(b'\n');
        } else if field(line, b"event").is_none() {
            asides.extend_from_slice(line);
            asides.push(b'\n');
        }
    }
    Events {
        events,
        asides,
        tail,
    }
}

fn next_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
    let crlf = bytes[end..].starts_with(b"\r\n");
    Some((&bytes[..end], &bytes[end + 1 + usize::from(crlf)..]))
}

/// Does a stream stand between two events, or at its very beginning? What is put in there becomes
/// part of neither.
pub(super) fn is_between(bytes: &[u8]) -> bool {
    // A line end, and an empty line before it. Behind a CR its LF may still come.
    let before = bytes
        .strip_suffix(b"\r\n")
        .or_else(|| bytes.strip_suffix(b"\n"));
    bytes.is_empty()
        || before.is_some_and(|before| before.ends_with(b"\n") || before.ends_with(b"\r"))
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_events_is_after_an_empty_line_with_any_line_ends() {
        for between in ["", "data: a\n\n", "data: a\r\n\r\n", "data: a\r\n\n"] {
            assert!(is_between(between.as_bytes()), "{between:?}");
        }
        for within in [
            "d",
            "data: a",
            "data: a\n",
            "data: a\r",
            "data: a\r\n",
            "data: a\r\n\r",
            "\u{feff}",
        ] {
            assert!(!is_between(within.as_bytes()), "{within:?}");
        }
        // What stands there is read as an event, or as nothing, of its own.
        for ping in [PING, COMMENT] {
            let stream = [b"data: a\r\n\r\n", ping, b"data: b\n\n"].concat();
            let data = events(&stream).events;
            assert!(data.first().is_some_and(|data| data == b"a"), "{data:?}");
            assert!(data.last().is_some_and(|data| data == b"b"), "{data:?}");
        }
    }

    #[test]
    fn line_ends_comments_and_split_data_are_read_as_the_standard_says() {
        let stream = b"\xEF\xBB\xBFevent: a\r\ndata: {\"a\":\rdata:1}\n\n: comment\nid: 7\n\ndata\n\ndata: cut";
        let read = events(stream);
        assert_eq!(read.events, [b"{\"a\":\n1}".to_vec(), b"".to_vec()]);
        assert_eq!(read.asides, b": comment\nid: 7\n");
        assert_eq!(read.tail, b"data: cut");
    }
}
