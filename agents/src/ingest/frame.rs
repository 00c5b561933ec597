//! Where messages begin and end in a stream (RFC 6587), and how they stand in content.
//!
//! ```text
//! on the wire   length SP "<" …            octet counting (§3.4.1); the length is that of "<" …
//!               … LF                       anything else ends with its line (§3.4.2)
//! in content    length SP message          a counted one, and whatever would be misread as a line
//!               message LF                 any other
//! length        1 to 10 digits, the first of them not 0
//! ```
//! On the wire each message says for itself which it is, until one that begins with `<` has ended
//! with its line: from then on all are lines. Else whoever gets a number into a log line could
//! have the lines behind it read as its message. A text that begins with a number is a line
//! everywhere, for a syslog message begins with `<`.

/// What is longer comes in pieces: a sender that never ends its line must not fill the memory.
/// Windows' own events have at most 64 KiB.
pub const MOST_MESSAGE_BYTES: usize = 128 << 10;

/// The digits of a length, and the space behind them.
const MOST_HEAD_BYTES: usize = 11;

/// One message, or a piece of one. Raw text: it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Without what frames it.
    pub bytes: &'a [u8],
    pub frame: Frame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Line,
    Counted,
    /// Of a message whose end never came, or that is too long to be held.
    Piece,
}

impl Message<'_> {
    /// Appends it as it stands in content.
    pub fn write(&self, to: &mut Vec<u8>) {
        let as_line = self.frame == Frame::Line && counted(self.bytes).is_none();
        if !as_line {
            to.extend_from_slice(format!("{} ", self.bytes.len()).as_bytes());
        }
        to.extend_from_slice(self.bytes);
        if as_line {
            to.push(b'\n');
        }
    }
}

/// The messages of a content, each without its frame; `None` where it is none of ours.
pub fn messages(content: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut all, mut rest) = (Vec::new(), content);
    while !rest.is_empty() {
        let (message, after) = match counted(rest) {
            Some((head, len)) => rest.get(head..)?.split_at_checked(len)?,
            None => {
                let end = memchr::memchr(b'\n', rest)?;
                (&rest[..end], &rest[end + 1..])
            }
        };
        all.push(message);
        rest = after;
    }
    Some(all)
}

/// The length of the head, and the length that it states.
fn counted(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..MOST_HEAD_BYTES).contains(&digits)
        || bytes[0] == b'0'
        || bytes.get(digits) != Some(&b' ')
    {
        return None;
    }
    let len = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    Some((digits + 1, len))
}

/// What stands at the beginning of what has come.
enum Head {
    Counted {
        head: usize,
        len: usize,
    },
    Line,
    /// More has to come before it can be told.
    Unknown,
}

impl Head {
    fn of(bytes: &[u8]) -> Head {
        if let Some((head, len)) = counted(bytes) {
            return match bytes.get(head) {
                Some(b'<') => Head::Counted { head, len },
                Some(_) => Head::Line,
                None => Head::Unknown,
            };
        }
        let digits = |byte: &u8| byte.is_ascii_digit();
        if bytes.len() < MOST_HEAD_BYTES && bytes.iter().all(digits) && bytes[0] != b'0' {
            Head::Unknown
        } else {
            Head::Line
        }
    }
}

/// Takes one connection's stream apart. Holds at most one message and what was read with it.
#[derive(Default)]
pub struct Frames {
    waiting: Vec<u8>,
    /// So many of the waiting bytes hold no line end.
    searched: usize,
    within: Within,
    /// The sender ends its messages with lines.
    lines: bool,
}

/// What a piece was given out of.
#[derive(Default, Clone, Copy)]
enum Within {
    #[default]
    Nothing,
    Line,
    /// So many bytes are still to come.
    Counted(usize),
}

impl Frames {
    /// Takes bytes as they came, and gives each message that they end.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Message<'_>)) {
        self.waiting.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(taken) = self.next(at, &mut each) {
            at += taken;
            self.searched = 0;
        }
        self.waiting.drain(..at);
    }

    /// The stream has ended: what is left is a piece.
    pub fn end(self, mut each: impl FnMut(Message<'_>)) {
        let bytes = match (self.within, self.head(&self.waiting)) {
            (Within::Nothing, Head::Counted { head, .. }) => &self.waiting[head..],
            _ => &self.waiting[..],
        };
        if !bytes.is_empty() {
            each(Message {
                bytes,
                frame: Frame::Piece,
            });
        }
    }

    fn head(&self, bytes: &[u8]) -> Head {
        if self.lines || bytes.is_empty() {
            Head::Line
        } else {
            Head::of(bytes)
        }
    }

    /// Gives the message that begins here, if it has come; and how many bytes it took.
    fn next(&mut self, at: usize, each: &mut impl FnMut(Message<'_>)) -> Option<usize> {
        let rest = &self.waiting[at..];
        if rest.is_empty() {
            return None;
        }
        let within = match self.within {
            Within::Nothing => match self.head(rest) {
                Head::Unknown => return None,
                Head::Line => None,
                Head::Counted { head, len } if len <= MOST_MESSAGE_BYTES => {
                    let bytes = rest.get(head..head + len)?;
                    let frame = Frame::Counted;
                    each(Message { bytes, frame });
                    return Some(head + len);
                }
                Head::Counted { head, len } => {
                    self.within = Within::Counted(len);
                    return Some(head);
                }
            },
            Within::Line => None,
            Within::Counted(left) => Some(left),
        };
        if let Some(left) = within {
            let take = left.min(MOST_MESSAGE_BYTES);
            let bytes = rest.get(..take)?;
            let frame = Frame::Piece;
            each(Message { bytes, frame });
            self.within = match left - take {
                0 => Within::Nothing,
                left => Within::Counted(left),
            };
            return Some(take);
        }
        let end = memchr::memchr(b'\n', &rest[self.searched..]).map(|end| self.searched + end);
        match end {
            Some(end) if end <= MOST_MESSAGE_BYTES => {
                let piece = matches!(self.within, Within::Line);
                let frame = if piece { Frame::Piece } else { Frame::Line };
                // The end of a line whose pieces are out may be nothing but its end.
                if !(piece && end == 0) {
                    let bytes = &rest[..end];
                    self.lines |= bytes.first() == Some(&b'<');
                    each(Message { bytes, frame });
                }
                self.within = Within::Nothing;
                Some(end + 1)
            }
            None if rest.len() <= MOST_MESSAGE_BYTES => {
                self.searched = rest.len();
                None
            }
            _ => {
                let bytes = &rest[..MOST_MESSAGE_BYTES];
                let frame = Frame::Piece;
                each(Message { bytes, frame });
                self.within = Within::Line;
                Some(MOST_MESSAGE_BYTES)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(stream: &[u8], cuts: &[usize]) -> Vec<(Vec<u8>, Frame)> {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        let mut take = |message: Message<'_>| all.push((message.bytes.to_vec(), message.frame));
        let mut at = 0;
        for cut in cuts.iter().copied().chain([stream.len()]) {
            let cut = cut.clamp(at, stream.len());
            frames.push(&stream[at..cut], &mut take);
            assert!(frames.waiting.len() <= MOST_MESSAGE_BYTES + MOST_HEAD_BYTES + cut - at);
            at = cut;
        }
        frames.end(&mut take);
        all
    }

    fn shown(stream: &[u8]) -> Vec<(String, Frame)> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let all = framed(stream, &[]).into_iter();
        all.map(|(bytes, frame)| (text(bytes), frame)).collect()
    }

    #[test]
    fn lines_and_counted_messages_may_follow_each_other_on_one_connection() {
        use Frame::{Counted, Line, Piece};
        let one = |text: &str, frame| (text.to_owned(), frame);
        assert_eq!(
            shown(b"a\n5 <2>b\n{\"c\":1}\r\n\n2026 is a year\n3 <4>5 <5>e"),
            [
                one("a", Line),
                one("<2>b\n", Counted),
                one("{\"c\":1}\r", Line),
                one("", Line),
                one("2026 is a year", Line),
                one("<4>", Counted),
                one("<5>e", Piece),
            ]
        );
        // A length that is none: a line.
        for line in ["0 <1>", "01 <1>", "12345678901 <1>x", "7", "7 ", "-1 <1>"] {
            assert_eq!(shown(format!("{line}\n").as_bytes()), [one(line, Line)]);
        }
        // Nobody's text takes the lines behind it with it.
        assert_eq!(
            shown(b"<1>a\n9999999999 <2>b\n7 <3>c\n5 <4>"),
            [
                one("<1>a", Line),
                one("9999999999 <2>b", Line),
                one("7 <3>c", Line),
                one("5 <4>", Piece),
            ]
        );
        // What has begun with a number and not ended is all there.
        assert_eq!(shown(b"1732925400 fw01"), [one("1732925400 fw01", Piece)]);
        assert_eq!(shown(b"12"), [one("12", Piece)]);
        assert_eq!(shown(b""), []);
    }

    #[test]
    fn what_never_ends_comes_in_pieces_and_loses_no_byte() {
        let long = vec![b'x'; 3 * MOST_MESSAGE_BYTES + 7];
        let all = framed(&[&long[..], b"\n<1>next\n"].concat(), &[]);
        let (pieces, last) = all.split_at(all.len() - 1);
        assert!(pieces.iter().all(|(_, frame)| *frame == Frame::Piece));
        let joined: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        assert_eq!(joined, long);
        assert_eq!(last, [(b"<1>next".to_vec(), Frame::Line)]);

        let counted = [b"999999 <".as_slice(), &long[..999_998.min(long.len())]].concat();
        let all = framed(&counted, &[]);
        let joined: Vec<u8> = all.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        assert_eq!(joined, counted[7..]);
    }

    proptest! {
        /// However the network cuts a stream, it is the same messages; and what stands in content
        /// is read back as them.
        #[test]
        fn any_cut_gives_the_same_messages_and_content_gives_them_back(
            parts in proptest::collection::vec(prop_oneof![
                Just(b"<13>a\n".to_vec()),
                Just(b"7 <1>a\nb\n".to_vec()),
                Just(b"12 no count\n".to_vec()),
                Just(b"200000 <".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..40),
            ], 0..12),
            cuts in proptest::collection::vec(0_usize..300, 0..8),
        ) {
            let stream = parts.concat();
            let mut cuts = cuts;
            cuts.sort_unstable();
            let whole = framed(&stream, &[]);
            prop_assert_eq!(&framed(&stream, &cuts), &whole);
            let mut content = Vec::new();
            for (bytes, frame) in &whole {
                Message { bytes, frame: *frame }.write(&mut content);
            }
            let read: Vec<Vec<u8>> = messages(&content).unwrap().iter().map(|m| m.to_vec()).collect();
            let given: Vec<Vec<u8>> = whole.into_iter().map(|(bytes, _)| bytes).collect();
            prop_assert_eq!(read, given);
        }
    }
}
