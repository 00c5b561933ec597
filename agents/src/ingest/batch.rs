//! Lines that become one entry.

use super::frame::{Frame, MOST_MESSAGE_BYTES, Message};
use super::line::{Said, read};
use crate::once::{name, once};
use chrono::FixedOffset;
use ledger::{Content, Submission};
use schemas::kinds::records::{FileReached, LineForm, LogForm, LogIngested};
use schemas::{Actor, Class, Event, EventId, Label, Name, Timestamp};
use std::collections::{BTreeSet, HashSet};

/// A batch of so much takes no more. A million lines a minute are five such a second; from here on
/// compression does not gain by more.
pub const FULL_BYTES: usize = 1 << 20;

/// Channels that one entry names; there are a handful that anybody forwards.
const MOST_CHANNELS: usize = 32;

/// Where lines come from, and where they go.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: Name,
    pub class: Class,
    /// Of times that name no zone.
    pub zone: FixedOffset,
}

/// Collects lines: at most [`FULL_BYTES`] and one message more, if its user asks whether it is full.
#[derive(Default)]
pub struct Batch {
    content: Vec<u8>,
    lines: u64,
    pieces: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    forms: [u64; LineForm::ALL.len()],
    hosts: HashSet<Box<str>>,
    channels: BTreeSet<Box<str>>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.content.len() >= FULL_BYTES
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub fn len_bytes(&self) -> u64 {
        self.content.len() as u64
    }

    /// One message of a connection, as its frame was.
    pub fn take(&mut self, message: &Message<'_>, now: Timestamp, zone: FixedOffset) {
        message.write(&mut self.content);
        self.pieces += u64::from(message.frame == Frame::Piece);
        self.hear(&read(message.bytes, now, zone));
    }

    /// A piece of a file: whole lines, or what there is of one that is too long. The bytes are the
    /// content as they are.
    pub fn take_lines(&mut self, bytes: &[u8], now: Timestamp, zone: FixedOffset) {
        self.content.extend_from_slice(bytes);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let start = &line[..line.len().min(MOST_MESSAGE_BYTES)];
            self.hear(&read(start, now, zone));
        }
    }

    /// A commit as git keeps it: when it was committed, and who wrote it.
    pub fn take_commit(&mut self, bytes: &[u8], at: Option<Timestamp>, author: &str) {
        self.content.extend_from_slice(bytes);
        self.hear(&Said {
            form: LineForm::Commit,
            at,
            host: Some(author.into()),
            channel: None,
        });
    }

    fn hear(&mut self, said: &Said<'_>) {
        self.lines += 1;
        self.forms[said.form as usize] += 1;
        self.span(said.at, said.at);
        if let Some(host) = &said.host
            && !self.hosts.contains(&**host)
        {
            self.hosts.insert((&**host).into());
        }
        if let Some(channel) = &said.channel
            && self.channels.len() < MOST_CHANNELS
            && is_channel(channel)
            && !self.channels.contains(&**channel)
        {
            self.channels.insert((&**channel).into());
        }
    }

    fn span(&mut self, first: Option<Timestamp>, last: Option<Timestamp>) {
        self.first = self.first.or(first).min(first.or(self.first));
        self.last = self.last.max(last);
    }

    /// What another has collected comes behind.
    pub fn append(&mut self, more: Batch) {
        if self.is_empty() {
            *self = more;
            return;
        }
        self.content.extend_from_slice(&more.content);
        self.lines += more.lines;
        self.pieces += more.pieces;
        self.span(more.first, more.last);
        for (sum, more) in self.forms.iter_mut().zip(more.forms) {
            *sum += more;
        }
        self.hosts.extend(more.hosts);
        let room = MOST_CHANNELS.saturating_sub(self.channels.len());
        self.channels.extend(more.channels.into_iter().take(room));
    }

    /// The entry that these lines are, under an id of its own. `is_private` says whether a channel
    /// must not stand in the log.
    pub fn into_submission(
        self,
        source: &Source,
        id: EventId,
        is_private: impl Fn(&str) -> bool,
    ) -> Submission {
        self.into_entry(source, id, None, is_private)
    }

    /// The same of a file or repository, which says how far it has come. The id follows from that:
    /// two that take in the same at the same time record it once.
    pub fn into_part(
        self,
        source: &Source,
        reached: Reached,
        is_private: impl Fn(&str) -> bool,
    ) -> Submission {
        let id = reached.id(source);
        self.into_entry(source, id, Some(reached), is_private)
    }

    fn into_entry(
        self,
        source: &Source,
        id: EventId,
        reached: Option<Reached>,
        is_private: impl Fn(&str) -> bool,
    ) -> Submission {
        let channels = self.channels.iter().filter(|channel| !is_private(channel));
        let forms = LineForm::ALL.iter().zip(self.forms);
        let forms = forms.filter(|(_, lines)| *lines > 0);
        let (file, tips) = match reached {
            None => (None, Vec::new()),
            Some(Reached::File(file)) => (Some(file), Vec::new()),
            Some(Reached::Commits(tips)) => (None, tips),
        };
        let ingested = LogIngested {
            source: source.name.clone(),
            lines: self.lines,
            lines_sha256: None,
            first: self.first,
            last: self.last,
            forms: forms
                .map(|(form, lines)| LogForm { form: *form, lines })
                .collect(),
            hosts: (!self.hosts.is_empty()).then_some(self.hosts.len() as u64),
            channels: channels.map(|channel| Label::lossy(channel)).collect(),
            pieces: (self.pieces > 0).then_some(self.pieces),
            file,
            tips,
        };
        let mut event = Event::new(id, Actor::Service(name("ingest")), ingested);
        event.class = source.class.clone();
        Submission {
            event,
            content: vec![Content {
                name: name("lines"),
                media: Label::lossy("text/plain"),
                bytes: self.content,
            }],
            person: None,
        }
    }
}

/// How far a source has been taken in, so that nothing else has to remember it.
pub enum Reached {
    File(FileReached),
    Commits(Vec<Name>),
}

impl Reached {
    fn id(&self, source: &Source) -> EventId {
        match self {
            Reached::File(file) => {
                once("log.ingested.file", &[&source.name, &file.bytes, &file.tag])
            }
            Reached::Commits(tips) => {
                let tips: Vec<&str> = tips.iter().map(Name::as_str).collect();
                once("log.ingested.commits", &[&source.name, &tips.join(" ")])
            }
        }
    }
}

/// Channels are named by whoever writes the software: `Security`,
/// `Microsoft-Windows-PowerShell/Operational`.
fn is_channel(text: &str) -> bool {
    let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'_' | b' ' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(part)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Frames, messages};
    use super::*;
    use schemas::Data;

    const NOW: &str = "2026-11-30T00:30:00.000000Z";

    fn source() -> Source {
        Source {
            name: "dc".parse().unwrap(),
            class: Class::auth(),
            zone: FixedOffset::east_opt(0).unwrap(),
        }
    }

    fn batch(stream: &[u8]) -> Batch {
        let (mut frames, mut batch) = (Frames::default(), Batch::default());
        let now = NOW.parse().unwrap();
        let zone = source().zone;
        frames.push(stream, |message| batch.take(&message, now, zone));
        frames.end(|message| batch.take(&message, now, zone));
        batch
    }

    fn told(batch: Batch) -> (Submission, LogIngested) {
        let id = EventId::new(Timestamp::from_micros(1), [0; 10]);
        let submission = batch.into_submission(&source(), id, |text| text.contains("yamada"));
        let Data::LogIngested(ingested) = submission.event.data.clone() else {
            panic!()
        };
        (submission, ingested)
    }

    #[test]
    fn the_entry_counts_and_the_content_is_what_came() {
        let stream = b"<34>1 2026-11-30T00:00:02Z fw01 a - - - login taro.yamada from 10.0.0.7\n\
            <34>1 2026-11-30T00:00:01Z fw02 a - - - \xff\xfe\n\
            {\"EventID\":4624,\"Channel\":\"Security\",\"Hostname\":\"pc-yamada\"}\n\
            {\"EventID\":4624,\"Channel\":\"yamada\",\"Hostname\":\"pc2\"}\n\
            {\"EventID\":4624,\"Channel\":\"not one: \xe5\xb1\xb1\",\"Hostname\":\"pc2\"}\n\
            unfinished";
        let first = stream.iter().position(|b| *b == b'\n').unwrap() + 1;
        let mut both = batch(&stream[..first]);
        both.append(batch(&stream[first..]));
        let (submission, ingested) = told(both);
        let forms: Vec<_> = ingested.forms.iter().map(|f| (f.form, f.lines)).collect();
        let expected = [
            (LineForm::Rfc5424, 2),
            (LineForm::WindowsJson, 3),
            (LineForm::Text, 1),
        ];
        assert_eq!(forms, expected);
        assert_eq!((ingested.lines, ingested.pieces), (6, Some(1)));
        assert_eq!(ingested.hosts, Some(4));
        let channels: Vec<&str> = ingested.channels.iter().map(Label::as_str).collect();
        assert_eq!(channels, ["Security"]);
        let times = [ingested.first, ingested.last].map(|at| at.unwrap().to_string());
        assert!(times[0].ends_with("00:00:01.000000Z") && times[1].ends_with("00:00:02.000000Z"));
        assert_eq!(submission.event.class, Class::auth());
        let data = serde_json::to_string(&submission.event.data).unwrap();
        assert!(
            !data.contains("yamada") && !data.contains("10.0.0.7"),
            "{data}"
        );

        let content = &submission.content[0].bytes;
        let end = stream.len() - "unfinished".len();
        assert_eq!(content[..end], stream[..end]);
        assert_eq!(&content[end..], b"10 unfinished");
        assert_eq!(messages(content).unwrap().len(), 6);
    }

    #[test]
    fn what_a_part_reached_is_its_id() {
        let part = |bytes, tag: &str| {
            let mut batch = Batch::default();
            batch.take_lines(b"a\nb", NOW.parse().unwrap(), source().zone);
            let tag = Label::lossy(tag);
            let reached = Reached::File(FileReached { bytes, tag });
            batch.into_part(&source(), reached, |_| false)
        };
        assert_eq!(part(3, "00").event, part(3, "00").event);
        assert_ne!(part(3, "00").event.id, part(4, "00").event.id);
        assert_ne!(part(3, "00").event.id, part(3, "01").event.id);
        let Data::LogIngested(ingested) = part(3, "00").event.data else {
            panic!()
        };
        assert_eq!(ingested.lines, 2);
    }
}
