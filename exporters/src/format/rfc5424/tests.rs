use super::*;
use crate::format::ocsf::Version;
use crate::format::{Before, Form, MIN_MAX_OCTETS};
use proptest::prelude::*;
use schemas::kinds::ledger::LedgerCreated;
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::traffic::PromptSubmitted;
use schemas::{Actor, EventId, Hash, Timestamp};
use schemas::{Data, Envelope, Event};
use std::str::FromStr;

const ORIGIN: &str = "example.com/log";

/// An entry's parts, made without a ledger.
struct Made {
    envelope: Envelope,
    body: Vec<u8>,
    chain: String,
}

impl Made {
    fn new(data: impl Into<Data>, session: Option<&str>) -> Made {
        let id = EventId::new(Timestamp::from_micros(1_795_305_600_000_000), [7; 10]);
        let actor: Actor = "agent:cfo".parse().expect("sound");
        let session = session.map(|s| s.parse().expect("sound"));
        let envelope = Envelope {
            seq: 41,
            at: "2026-11-22T00:00:00.000001Z".parse().expect("sound"),
            event: Event::new(id, actor, data).in_session(session),
            content: vec![],
            prev: Hash([0xab; 32]),
        };
        Made {
            body: envelope.to_body().expect("fits"),
            envelope,
            chain: ORIGIN.to_owned(),
        }
    }

    fn view(&self) -> EntryView<'_> {
        let mut leaf = Sha256::new_with_prefix([0]);
        leaf.update(&self.body);
        EntryView {
            chain: &self.chain,
            seq: self.envelope.seq,
            at: self.envelope.at,
            event: &self.envelope.event,
            body: &self.body,
            leaf: Hash(leaf.finalize().into()),
            prev: self.envelope.prev,
            signature: &[0x5a; 64],
            before: Some(Before {
                id: self.envelope.event.id,
                kind: "prompt.submitted",
            }),
        }
    }
}

fn prompt(model: &str) -> PromptSubmitted {
    PromptSubmitted {
        call: EventId::new(Timestamp::from_micros(0), [1; 10]),
        provider: "anthropic".parse().expect("sound"),
        operation: "messages".parse().expect("sound"),
        path: None,
        model: Some(model.parse().expect("sound")),
        streaming: true,
        messages: 3,
        body_bytes: 2_048,
    }
}

fn form(max_octets: usize) -> Form {
    told(Format::Json, Some("ledger.example"), 32_473, max_octets).expect("sound")
}

fn told(
    format: Format,
    host: Option<&str>,
    number: u32,
    max_octets: usize,
) -> Result<Form, FormError> {
    let header = Header::new(host.map(str::to_owned), number)?;
    Form::syslog(format, header, max_octets)
}

fn text(message: Vec<u8>) -> String {
    String::from_utf8(message).expect("messages are UTF-8")
}

/// What the module's documentation tells a receiver to do to check `hash`.
fn restored(msg: &str) -> Vec<u8> {
    let mut units: Vec<u16> = vec![];
    let mut chars = msg.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.push(c as u16);
            continue;
        }
        let escape = chars.next().expect("an escape has a letter");
        let digits: String = match escape {
            'u' => chars.by_ref().take(4).collect(),
            _ => String::new(),
        };
        match u16::from_str_radix(&digits, 16) {
            Ok(unit) if unit >= 0x7f => units.push(unit),
            _ => units.extend(format!("\\{escape}{digits}").encode_utf16()),
        }
    }
    String::from_utf16(&units).expect("pairs").into_bytes()
}

#[test]
fn a_message_says_what_it_is_of() {
    let made = Made::new(prompt("claude-4"), Some("s-1"));
    insta::assert_snapshot!(text(form(8_000).message(&made.view(), 1)));
}

#[test]
fn authentication_has_its_own_facility() {
    let data = AuthSucceeded {
        subject: "user:e1024".parse().expect("sound"),
        method: "token".parse().expect("sound"),
    };
    let message = text(form(8_000).message(&Made::new(data, None).view(), 1));
    assert!(message.starts_with("<86>1 2026-11-22T00:00:00.000001Z ledger.example daicho 1 "));
}

#[test]
fn every_kind_fits_a_message_id() {
    for kind in Data::KINDS {
        assert!(kind.len() <= 32 && kind.bytes().all(|b| (33..=126).contains(&b)));
    }
}

#[test]
fn text_outside_ascii_travels_escaped_and_comes_back() {
    let made = Made::new(prompt("試験\u{1f600}\\u00e9\"モデル"), Some("会議 ]\\\"="));
    let message = text(form(8_000).message(&made.view(), 1));
    assert!(message.bytes().all(|b| (b' '..=b'~').contains(&b)));
    let msg = &message[message.find(" {").expect("MSG") + 1..];
    assert_eq!(restored(msg), made.body);
}

#[test]
fn a_message_that_is_too_long_loses_its_data_and_says_so() {
    let created = LedgerCreated {
        origin: ORIGIN.parse().expect("sound"),
        vkey: "台".repeat(256).parse().expect("sound"),
    };
    let made = Made::new(created, Some("s-1"));
    assert!(!text(form(8_000).message(&made.view(), 1)).contains("reduced="));
    insta::assert_snapshot!(text(form(2_048).message(&made.view(), 1)));
}

#[test]
fn a_reduced_message_fits_the_smallest_receiver() {
    let mut made = Made::new(prompt(&"台".repeat(256)), Some(&"\u{1f600}".repeat(256)));
    made.envelope.seq = u64::MAX;
    made.envelope.event.class = "c".repeat(64).parse().expect("sound");
    made.envelope.event.actor = format!("service:{}", "a".repeat(64))
        .parse()
        .expect("sound");
    made.envelope.event.occurred = Some(made.envelope.at);
    made.body = made.envelope.to_body().expect("fits");
    made.chain = "x".repeat(MAX_CHAIN_OCTETS);
    for format in [
        Format::Json,
        Format::Ocsf(Version::V1_8),
        Format::Ocsf(Version::V1_9),
        Format::Cef,
        Format::Leef,
    ] {
        let host = "h".repeat(255);
        let form = told(format, Some(&host), u32::MAX, MIN_MAX_OCTETS).expect("sound");
        form.check_chain(&made.chain).expect("fits");
        let message = text(form.message(&made.view(), u64::MAX));
        assert!(message.len() <= MIN_MAX_OCTETS, "{}", message.len());
        let whole = made.body.len();
        let said = format!(" reduced=\"1\" body=\"{whole}\"] {{\"v\":1,");
        assert!(message.contains(&said), "{message}");
    }
}

#[test]
fn a_form_that_would_break_a_header_is_refused() {
    let long = "h".repeat(256);
    for host in ["", "a b", "ホスト", "a\n", &long] {
        let refused = told(Format::Json, Some(host), 1, 8_000);
        assert_eq!(refused, Err(FormError::Hostname));
    }
    let refused = |number, octets| told(Format::Json, None, number, octets).expect_err("refused");
    assert_eq!(refused(0, 8_000), FormError::EnterpriseNumber);
    assert_eq!(refused(1, 480), FormError::MaxOctets(480));
    let refused = form(8_000).check_chain(&"台".repeat(256));
    assert_eq!(refused, Err(FormError::Chain(768)));
}

/// The params of our element, as a parser that is not ours read them.
fn sd(parsed: &syslog_rfc5424::SyslogMessage, name: &str) -> Option<String> {
    parsed.sd.find_tuple("daicho@32473", name).cloned()
}

proptest! {
    #[test]
    fn parsers_that_are_not_ours_read_the_same(
        model in "[^\\p{Cc}]{1,256}", session in "[^\\p{Cc}]{1,256}", chain in "[^\\p{Cc}]{1,64}",
        max_octets in MIN_MAX_OCTETS..4_096usize,
    ) {
        let mut made = Made::new(prompt(&model), Some(&session));
        made.chain = chain.clone();
        let view = made.view();
        let message = form(max_octets).message(&view, 3);
        prop_assert!(message.len() <= max_octets);
        prop_assert_eq!(&message, &form(max_octets).message(&view, 3));
        let message = text(message);

        let strict = syslog_rfc5424::SyslogMessage::from_str(&message).expect("RFC 5424");
        prop_assert_eq!(strict.severity as u8, 6);
        prop_assert_eq!(strict.facility as u8, 13);
        prop_assert_eq!(strict.hostname.as_deref(), Some("ledger.example"));
        prop_assert_eq!(strict.appname.as_deref(), Some("daicho"));
        prop_assert_eq!(strict.msgid.as_deref(), Some("prompt.submitted"));
        prop_assert_eq!(strict.timestamp_nanos, Some(1_000));
        prop_assert_eq!(sd(&strict, "chain"), Some(chain));
        prop_assert_eq!(sd(&strict, "seq"), Some("41".to_owned()));
        prop_assert_eq!(sd(&strict, "hash"), Some(view.leaf.to_string()));
        prop_assert_eq!(sd(&strict, "len"), Some(strict.msg.len().to_string()));
        prop_assert_eq!(sd(&strict, "sha"), Some(hex::encode(Sha256::digest(&strict.msg))));
        if sd(&strict, "reduced").is_none() {
            prop_assert_eq!(restored(&strict.msg), made.body);
        }

        let loose = syslog_loose::parse_message(&message, syslog_loose::Variant::RFC5424);
        prop_assert_eq!(loose.msgid, Some("prompt.submitted"));
        prop_assert_eq!(loose.msg, &strict.msg);
        prop_assert_eq!(loose.structured_data[0].id, "daicho@32473");
    }
}
