use super::*;
use crate::format::EntryView;
use crate::format::ocsf::Version;
use crate::format::rfc5424::Header;
use crate::format::{Form, Format};
use ledger::clock::SystemClock;
use ledger::{Options, Reader};
use schemas::kinds::people::AuthSucceeded;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A ledger of ten entries, and its messages as a receiver writes them.
struct Sent {
    _dir: TempDir,
    appender: ledger::Appender,
    reader: Reader,
    lines: Vec<String>,
}

impl Sent {
    fn new() -> Sent {
        let dir = TempDir::new().expect("a directory");
        ledger::create(dir.path(), "example.com/log", &SystemClock).expect("creates");
        let (appender, reader) = ledger::open(dir.path(), Options::default()).expect("opens");
        for n in 1..10 {
            let data = AuthSucceeded {
                subject: format!("user:e{n}").parse().expect("sound"),
                method: "token".parse().expect("sound"),
            };
            let actor = "service:desk".parse().expect("sound");
            let event = Event::new(appender.new_id(), actor, data);
            let session = Some("会議 \"]\\".parse().expect("sound"));
            appender
                .append(vec![event.in_session(session).into()])
                .expect("appends");
        }
        let lines = (0..10).map(|seq| line(&reader, seq)).collect();
        Sent {
            _dir: dir,
            appender,
            reader,
            lines,
        }
    }

    /// With the event that carries the checkpoint of size 10.
    fn checkpointed(&mut self) -> &[String] {
        let event = self.appender.checkpoint_event();
        self.appender.append(vec![event]).expect("appends");
        self.lines.push(line(&self.reader, 10));
        &self.lines
    }

    fn key(&self) -> Trust {
        Trust {
            vkey: Some(self.reader.key_in_force()),
            ledger: None,
        }
    }

    fn ledger(&self) -> Trust {
        Trust {
            vkey: None,
            ledger: Some(self.reader.clone()),
        }
    }
}

fn line(reader: &Reader, seq: u64) -> String {
    line_in(reader, seq, (32_473, Format::Json), 1)
}

fn line_in(reader: &Reader, seq: u64, (number, format): (u32, Format), epoch: u64) -> String {
    let header = Header::new(None, number).expect("sound");
    let form = Form::syslog(format, header, 8_000).expect("sound");
    let entry = reader.entry(seq).expect("reads");
    let message = form.message(&EntryView::of(reader.origin(), &entry, None), epoch);
    String::from_utf8(message).expect("ASCII")
}

fn checked(lines: &[String], trust: &Trust) -> (Report, Chain) {
    let text = lines.join("\n");
    let mut report = check(text.as_bytes(), trust).expect("reads");
    let chain = report.chains.remove("example.com/log").unwrap_or_default();
    (report, chain)
}

/// How many gaps, truncated, altered, forged.
fn faults(lines: &[String], trust: &Trust) -> [u64; 4] {
    let (_, chain) = checked(lines, trust);
    [
        chain.gaps.count,
        chain.truncated.count,
        chain.altered.count,
        chain.forged.count,
    ]
}

#[test]
fn what_came_whole_is_clean_whatever_its_order_and_however_often() {
    let sent = Sent::new();
    let mut lines = sent.lines.clone();
    lines.extend_from_slice(&sent.lines[3..]);
    lines.swap(4, 6);
    lines.push("<13>1 - host cron - - - nothing of ours".to_owned());
    for trust in [Trust::default(), sent.key(), sent.ledger()] {
        let (report, chain) = checked(&lines, &trust);
        assert!(report.is_clean() && chain.is_clean(), "{chain:?}");
        assert_eq!((chain.first, chain.last, chain.entries), (0, 9, 10));
        assert_eq!((chain.duplicates, report.other), (7, 1));
    }
}

#[test]
fn what_is_sent_again_in_another_form_is_a_copy_and_no_fault() {
    let sent = Sent::new();
    let mut lines = sent.lines.clone();
    let later = [(61_999, Format::Json), (61_999, Format::Cef)];
    for (epoch, form) in (2..).zip(later) {
        lines.extend((3..10).map(|seq| line_in(&sent.reader, seq, form, epoch)));
    }
    for trust in [Trust::default(), sent.key(), sent.ledger()] {
        let (_, chain) = checked(&lines, &trust);
        assert!(chain.is_clean() && chain.duplicates == 14, "{chain:?}");
    }
    // Of one form two that differ are no copies of each other.
    let told = |seq| line_in(&sent.reader, seq, (32_473, Format::Cef), 1);
    let mut lines: Vec<_> = (0..10).map(told).collect();
    let (head, msg) = lines[5].split_once("] ").expect("MSG");
    let other = msg.replace("user:e5", "user:e6");
    let digest = |msg: &str| hex::encode(Sha256::digest(msg));
    let altered = format!("{}] {other}", head.replace(&digest(msg), &digest(&other)));
    lines.push(altered);
    assert_eq!(faults(&lines, &sent.key()), [0, 0, 1, 0]);
    // Nor of what a receiver has no header of.
    let bare = |line: &String| line[line.find("[daicho@").expect("SD")..].to_owned();
    let bare: Vec<_> = lines.iter().map(bare).collect();
    assert_eq!(faults(&bare, &sent.key()), [0, 0, 1, 0]);
}

#[test]
fn a_gap_is_named_by_its_ends() {
    let sent = Sent::new();
    let mut lines = sent.lines.clone();
    lines.drain(3..6);
    let (_, chain) = checked(&lines, &sent.key());
    assert_eq!(chain.gaps.first, [Gap { first: 3, last: 5 }]);
    assert!(!chain.is_clean());
}

#[test]
fn a_beginning_or_an_end_that_lacks_shows_to_who_holds_the_ledger() {
    let sent = Sent::new();
    let gap = |first, last| Gap { first, last };
    let (_, chain) = checked(&sent.lines[5..], &sent.ledger());
    assert_eq!(
        (&chain.gaps.first[..], &chain.tail),
        (&[gap(0, 4)][..], &None)
    );
    assert!(!chain.is_clean());
    let (_, chain) = checked(&sent.lines[..5], &sent.ledger());
    assert_eq!((chain.gaps.count, &chain.tail), (0, &Some(gap(5, 9))));
    assert!(!chain.is_clean());
    // Nobody else can tell it from a file among several.
    for trust in [Trust::default(), sent.key()] {
        for (part, first, last) in [(&sent.lines[5..], 5, 9), (&sent.lines[..5], 0, 4)] {
            let (_, chain) = checked(part, &trust);
            assert!(chain.is_clean() && chain.tail.is_none(), "{chain:?}");
            assert_eq!((chain.first, chain.last), (first, last));
        }
    }
}

#[test]
fn what_was_cut_is_told_from_what_was_altered() {
    let sent = Sent::new();
    let with = |change: &dyn Fn(&mut String)| {
        let mut lines = sent.lines.clone();
        change(&mut lines[5]);
        faults(&lines, &Trust::default())
    };
    assert_eq!(with(&|line| line.truncate(line.len() - 9)), [1, 1, 0, 0]);
    assert_eq!(
        with(&|line| *line = line.replace("user:e5", "user:e6")),
        [1, 0, 1, 0]
    );
    assert_eq!(
        with(&|line| *line = line.replace(" seq=\"5\"", " seq=\"50\"")),
        [1, 0, 1, 0]
    );
    // Cut inside of the structured data: no position can be believed.
    let mut lines = sent.lines.clone();
    lines[5].truncate(150);
    let (report, _) = checked(&lines, &Trust::default());
    assert_eq!(report.torn.count, 1);
}

/// What a receiver has that was killed while it wrote `cut`, and went on behind that.
fn joined(cut: &str, octets: usize, next: &str) -> String {
    format!("{}{next}", &cut[..octets])
}

#[test]
fn a_message_behind_a_cut_one_is_judged_by_itself() {
    let sent = Sent::new();
    let (cut, next) = (&sent.lines[5], &sent.lines[6]);
    let element = cut.find("[daicho@").expect("ours");
    for octets in element + 8..cut.len() {
        let line = joined(cut, octets, next);
        // Neither has come again: the cut one alone is not there.
        let mut lines = sent.lines.clone();
        lines.splice(5..7, [line.clone()]);
        for trust in [Trust::default(), sent.key(), sent.ledger()] {
            let (report, chain) = checked(&lines, &trust);
            let found = [chain.gaps.count, chain.altered.count, chain.forged.count];
            assert_eq!(found, [1, 0, 0], "{octets}");
            assert_eq!(chain.truncated.count + report.torn.count, 1, "{octets}");
        }
        // Both have.
        lines.extend_from_slice(&sent.lines[5..7]);
        let (report, chain) = checked(&lines, &sent.ledger());
        assert_eq!((chain.entries, chain.duplicates), (10, 1), "{octets}");
        assert_eq!(
            chain.gaps.count + chain.altered.count + chain.forged.count,
            0
        );
        assert!(!report.is_clean() || !chain.is_clean());
    }
    // Cut twice before it.
    let twice = joined(cut, cut.len() - 9, &joined(cut, cut.len() - 20, next));
    let mut lines = sent.lines.clone();
    lines.push(twice);
    let (_, chain) = checked(&lines, &sent.ledger());
    assert_eq!(
        (chain.entries, chain.duplicates, chain.truncated.count),
        (10, 1, 1)
    );
    // What was altered and quotes a message is altered all the same.
    let quoting = next.replace("user:e6", "user:[daicho@32473 chain=");
    assert_eq!(faults(&[quoting], &Trust::default())[2], 1);
}

#[test]
fn a_line_of_a_file_behind_a_cut_one_is_judged_by_itself() {
    let sent = Sent::new();
    let of = |seq| {
        let entry = sent.reader.entry(seq).expect("reads");
        let line =
            Form::line(Format::Json).message(&EntryView::of(sent.reader.origin(), &entry, None), 1);
        String::from_utf8(line).expect("JSON").trim_end().to_owned()
    };
    let (cut, next) = (of(5), of(6));
    let (report, chain) = checked(&[joined(&cut, cut.len() - 9, &next)], &sent.ledger());
    assert_eq!((report.torn.count, chain.first, chain.entries), (1, 6, 1));
}

/// A message made anew, with every param right but the signature.
fn forged(line: &str) -> String {
    let (head, msg) = line.split_once("] {").expect("MSG");
    let msg = format!("{{{}", msg.replace("user:e5", "user:e7"));
    let mut head = head.to_owned();
    let mut set = |name: &str, value: String| {
        let start = head.find(&format!(" {name}=\"")).expect("param") + name.len() + 3;
        let end = start + head[start..].find('"').expect("end");
        head.replace_range(start..end, &value);
    };
    let body = stored::restored(&msg).expect("JSON");
    let leaf = Sha256::new_with_prefix([0]).chain_update(body).finalize();
    set("hash", hex::encode(leaf));
    set("sha", hex::encode(Sha256::digest(&msg)));
    format!("{head}] {msg}")
}

#[test]
fn a_forger_is_found_by_the_chain_the_key_and_the_ledger() {
    let sent = Sent::new();
    let mut lines = sent.lines.clone();
    lines[5] = forged(&lines[5]);
    assert_ne!(lines[5], sent.lines[5]);
    // Without a key: the entry after it names another hash.
    assert_eq!(faults(&lines, &Trust::default())[3], 1);
    for trust in [sent.key(), sent.ledger()] {
        assert_eq!(faults(&lines, &trust), [1, 0, 0, 1]);
    }
    // A second version beside the true one.
    let mut lines = sent.lines.clone();
    lines.push(forged(&sent.lines[5]));
    for trust in [Trust::default(), sent.key(), sent.ledger()] {
        assert_eq!(faults(&lines, &trust), [0, 0, 0, 1]);
    }
}

#[test]
fn another_log_of_the_same_name_is_forged_to_who_holds_the_key() {
    let (sent, other) = (Sent::new(), Sent::new());
    assert_eq!(faults(&other.lines, &Trust::default()), [0; 4]);
    assert_eq!(faults(&other.lines, &sent.key())[3], 10);
    assert_eq!(faults(&other.lines, &sent.ledger())[3], 10);
}

#[test]
fn checkpoints_come_back_as_the_notes_that_the_log_signed() {
    let mut sent = Sent::new();
    let stored = sent.checkpointed().join("\n");
    let notes = checkpoints(stored.as_bytes()).expect("reads");
    assert_eq!(notes.len(), 1);
    let opened = ledger::Checkpoint::open(notes[0].as_bytes(), &sent.reader.key_in_force());
    let opened = opened.expect("the signature holds");
    assert_eq!(opened.size, 10);
    assert_eq!(opened.root, sent.reader.root_at(10).expect("a root"));
    let of = |stored: String| checkpoints(stored.as_bytes()).expect("reads");
    assert_eq!(of(sent.lines[..10].join("\n")).len(), 0);
    // OCSF is read too, over syslog and in lines; CEF and LEEF are not.
    let entry = sent.reader.entry(10).expect("reads");
    let view = EntryView::of(sent.reader.origin(), &entry, None);
    for (format, held) in [
        (Format::Json, true),
        (Format::Ocsf(Version::V1_8), true),
        (Format::Ocsf(Version::V1_9), true),
        (Format::Cef, false),
        (Format::Leef, false),
    ] {
        let message = Form::line(format).message(&view, 1);
        let message = String::from_utf8(message).expect("UTF-8");
        for stored in [message, line_in(&sent.reader, 10, (32_473, format), 1)] {
            let expected = if held { &notes[..] } else { &[] };
            assert_eq!(of(stored), expected, "{format:?}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..700usize) {
        let mut text = b"[daicho@1 chain=\"a\" seq=\"1\" hash=\"".to_vec();
        text.truncate(cut % 40);
        text.extend(bytes);
        let _ = check(&text[..], &Trust::default()).expect("reads");
    }
}
