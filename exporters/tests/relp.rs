//! RELP to a real rsyslog, through its deaths and returns, and to receivers that break.
#![allow(clippy::unwrap_used)]

mod common;

use common::pki::Authority;
use common::rsyslog::{Rsyslog, TlsSide};
use common::{Ledger, ORIGIN, destination, wait_for, wait_for_error};
use exporters::check::{Gap, Trust, check};
use exporters::forward::Destination;
use schemas::Data;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const WINDOW: u64 = 128;

fn relp(port: u16) -> Destination {
    destination(&format!(
        "transport = 'relp'\nhost = '127.0.0.1'\nport = {port}"
    ))
}

#[test]
fn the_cursor_follows_the_answers() {
    let Some(rsyslog) = Rsyslog::relp(None, "") else {
        return;
    };
    let ledger = Ledger::with(1_000);
    let forwarder = ledger.follow(relp(rsyslog.port));
    wait_for("every answer", || {
        (forwarder.status().confirmed == 1_001).then_some(())
    });
    ledger.append(1);
    wait_for("the answer to one", || {
        (forwarder.status().confirmed == 1_002).then_some(())
    });
    assert_eq!(rsyslog.all_up_to(1_001).len(), 1_002);
    let status = forwarder.status();
    assert_eq!(
        (status.sent, status.resent, status.connections),
        (1_002, 0, 1)
    );
    // What is on disk is what was answered.
    forwarder.stop();
    let cursor = std::fs::read_to_string(ledger.data_dir().join("export/hq.cursor")).unwrap();
    assert!(cursor.contains("\"position\":1002,"), "{cursor}");
}

/// rsyslog's queue is in memory: what it answered for and had not written dies with it. Here
/// its queue is none, so that an answer comes after the file was written.
#[test]
fn nothing_is_lost_to_kills_and_terminations_under_load() {
    const LAST: u64 = 30_000;
    let Some(mut rsyslog) = Rsyslog::relp(None, "") else {
        return;
    };
    rsyslog.answer_after_writing();
    let ledger = Ledger::with(10_000);
    let forwarder = ledger.follow(relp(rsyslog.port));
    for (round, at) in [2_000, 9_000, 16_000, 23_000].into_iter().enumerate() {
        wait_for("the stream to be under way", || {
            (rsyslog.count() >= at).then_some(())
        });
        match round % 2 {
            0 => rsyslog.kill(),
            _ => rsyslog.terminate(),
        }
        ledger.append(5_000);
        wait_for_error(&forwarder, "127.0.0.1");
        rsyslog.start_again();
    }
    rsyslog.all_up_to(LAST);
    let status = wait_for("the last answers", || {
        let status = forwarder.status();
        (status.confirmed == LAST + 1).then_some(status)
    });
    assert!(status.connections >= 5, "{status:?}");
    let duplicates = rsyslog.count() as u64 - LAST - 1;
    assert!(duplicates <= 4 * WINDOW, "{duplicates} duplicates");
    assert!(status.resent <= 4 * WINDOW, "{status:?}");
    eprintln!("{duplicates} duplicates, {} sent again", status.resent);

    // The receiver's own file says the same to whoever holds the key, and what is taken out
    // of it or put into it shows.
    let trust = Trust {
        vkey: Some(ledger.reader.key_in_force()),
        ledger: None,
    };
    let stored = rsyslog.stored();
    let report = check(&stored[..], &trust).unwrap();
    let chain = &report.chains[ORIGIN];
    assert!(report.is_clean(), "{chain:?}");
    assert_eq!(
        (chain.first, chain.last, chain.entries),
        (0, LAST, LAST + 1)
    );
    let mut lines: Vec<_> = stored.split_inclusive(|b| *b == b'\n').collect();
    lines.remove(77);
    let report = check(&lines.concat()[..], &trust).unwrap();
    assert_eq!(
        report.chains[ORIGIN].gaps.first,
        [Gap {
            first: 77,
            last: 77
        }]
    );
}

/// The receiver that the reference page warns of: default sizes, and 200 for what it cut.
#[test]
fn a_receiver_that_cuts_and_says_200_is_found_out() {
    let Some(mut rsyslog) = Rsyslog::relp(None, "") else {
        return;
    };
    rsyslog.take_at_most("1k");
    let ledger = Ledger::with(0);
    for _ in 0..20 {
        let mut event = ledger.prompt();
        let Data::PromptSubmitted(prompt) = &mut event.data else {
            panic!("a prompt")
        };
        prompt.path = Some("台".repeat(200).parse().unwrap());
        ledger.appender.append(vec![event.into()]).unwrap();
    }
    let forwarder = ledger.follow(relp(rsyslog.port));
    wait_for("every answer", || {
        (forwarder.status().confirmed == 21).then_some(())
    });
    let cut = wait_for("every line", || {
        let report = check(&rsyslog.stored()[..], &Trust::default()).unwrap();
        let chain = report.chains.get(ORIGIN)?;
        (chain.entries + chain.truncated.count == 21).then_some(chain.truncated.count)
    });
    assert_eq!(cut, 20, "prompts are longer than that, entry 0 is not");
}

#[test]
fn relp_over_tls_knows_both_ends() {
    let authority = Authority::new();
    let receiver = authority.issue("receiver.example");
    let sender = authority.issue("ledger.example");
    let stranger = authority.issue("stranger.example");
    let Some(rsyslog) = Rsyslog::relp(
        Some(TlsSide {
            driver: "",
            ca: &authority.certificate(),
            certificate: &receiver.certificate,
            key: &receiver.key,
            permitted_peer: Some("ledger.example"),
        }),
        "",
    ) else {
        return;
    };
    let to = |client: &common::pki::Identity, name: &str| {
        destination(&format!(
            "transport = 'relp-tls'\nhost = '127.0.0.1'\nport = {}\nca_file = '{}'\nserver_name = '{name}'\n\
             client_certificate_file = '{}'\nclient_key_file = '{}'",
            rsyslog.port,
            authority.certificate().display(),
            client.certificate.display(),
            client.key.display()
        ))
    };
    let ledger = Ledger::with(300);
    let refused = ledger.follow(to(&stranger, "receiver.example"));
    wait_for_error(&refused, "127.0.0.1");
    refused.stop();
    let wary = ledger.follow(to(&sender, "another.example"));
    wait_for_error(&wary, "is not accepted for another.example");
    wary.stop();
    assert_eq!(rsyslog.count(), 0);
    let forwarder = ledger.follow(to(&sender, "receiver.example"));
    wait_for("every answer", || {
        (forwarder.status().confirmed == 301).then_some(())
    });
    rsyslog.all_up_to(300);
}

/// The receiver's side of one RELP connection.
struct Peer {
    stream: BufReader<TcpStream>,
}

impl Peer {
    fn accept(listener: &TcpListener) -> Peer {
        let (stream, _) = listener.accept().unwrap();
        // Or an answer that waits for the acknowledgement of another is lost with the break.
        stream.set_nodelay(true).unwrap();
        let mut peer = Peer {
            stream: BufReader::new(stream),
        };
        let (number, command, _) = peer.read().unwrap();
        assert_eq!((number, command.as_str()), (1, "open"));
        peer.answer(1, "200 OK\nrelp_version=0\ncommands=syslog");
        peer
    }

    /// `None` at the end.
    fn read(&mut self) -> Option<(u32, String, String)> {
        let mut word = || {
            let mut bytes = Vec::new();
            self.stream.read_until(b' ', &mut bytes).ok()?;
            Some(String::from_utf8(bytes).unwrap().trim_end().to_owned())
        };
        let (number, command, length) = (word()?, word()?, word()?);
        let mut data = vec![0; length.parse::<usize>().ok()? + 1];
        self.stream.read_exact(&mut data).ok()?;
        assert_eq!(data.pop(), Some(b'\n'));
        let data = String::from_utf8(data).unwrap();
        Some((number.parse().unwrap(), command, data))
    }

    fn answer(&mut self, number: u32, text: &str) {
        let frame = format!("{number} rsp {} {text}\n", text.len());
        self.stream.get_mut().write_all(frame.as_bytes()).unwrap();
    }
}

/// No more is under way than the window holds, and the next goes out as answers come.
#[test]
fn a_receiver_that_answers_nothing_has_exactly_a_window() {
    for (more, window) in [("", 128_u64), ("window = 10", 10)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ledger = Ledger::with(1_000);
        let forwarder = ledger.follow(destination(&format!(
            "transport = 'relp'\nhost = '127.0.0.1'\nport = {port}\n{more}"
        )));
        let mut peer = Peer::accept(&listener);
        let has_exactly = |peer: &mut Peer, numbers: std::ops::Range<u64>| {
            for number in numbers {
                let read = peer
                    .read()
                    .map(|(number, command, _)| (u64::from(number), command));
                assert_eq!(read, Some((number, "syslog".to_owned())));
            }
            let socket = peer.stream.get_ref();
            socket
                .set_read_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            assert_eq!(peer.read(), None, "more than the window holds");
            peer.stream.get_ref().set_read_timeout(None).unwrap();
            wait_for("the count", || {
                (forwarder.status().unanswered == Some(window)).then_some(())
            });
        };
        // `open` was number 1.
        has_exactly(&mut peer, 2..2 + window);
        for number in 2..2 + window as u32 {
            peer.answer(number, "200 OK");
        }
        has_exactly(&mut peer, 2 + window..2 + 2 * window);
    }
}

#[test]
fn an_entry_that_breaks_the_receiver_is_sent_reduced_and_recorded() {
    for refuses in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ledger = Ledger::with(9);
        let forwarder = ledger.follow(relp(listener.local_addr().unwrap().port()));
        let mut seen = Vec::new();
        let mut connections = 0;
        // The receiver cannot take position 4 whole; the event that says so is position 10.
        while seen.len() < 11 {
            connections += 1;
            let mut peer = Peer::accept(&listener);
            while seen.len() < 11
                && let Some((number, _, message)) = peer.read()
            {
                if message.contains(" seq=\"4\"") && !message.contains(" reduced=\"1\" body=\"") {
                    if refuses {
                        peer.answer(number, "500 too much for me");
                    }
                    break;
                }
                peer.answer(number, "200 OK");
                seen.push(message);
            }
        }
        assert_eq!(connections, 4, "three breaks, then the reduced form");
        for (seq, message) in seen.iter().enumerate() {
            assert!(message.contains(&format!(" seq=\"{seq}\"")), "{message}");
            assert_eq!(message.contains(" reduced=\"1\" body=\""), seq == 4);
        }
        assert!(seen[4].contains(&format!(" hash=\"{}\"", ledger.leaf(4))));
        let entry = ledger.reader.entry(10).unwrap();
        let Data::ExportDegraded(degraded) = &entry.event().data else {
            panic!("{}", entry.kind())
        };
        assert_eq!(degraded.position, 4);
        forwarder.stop();
    }
}

#[test]
fn what_does_not_speak_relp_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ledger = Ledger::with(1);
    let forwarder = ledger.follow(relp(listener.local_addr().unwrap().port()));
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    wait_for_error(&forwarder, "this is no RELP receiver");
    drop(listener.accept().unwrap());
    wait_for_error(&forwarder, "127.0.0.1");
    let (stream, _) = listener.accept().unwrap();
    let mut peer = BufReader::new(stream);
    peer.read_until(b'\n', &mut Vec::new()).unwrap();
    peer.get_mut()
        .write_all(b"1 rsp 13 500 no thanks\n")
        .unwrap();
    wait_for_error(&forwarder, "no thanks");
}
