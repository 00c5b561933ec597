//! Which key of a log signs what.

use super::forge::{Forged, Forger, Members};
use super::judges::{Question, all_say};
use super::{Sample, keep, members};
use crate::world::drill;
use exporters::bundle::zip;

#[test]
fn keys_are_followed_and_none_signs_out_of_its_span() {
    let sample = Sample::new();
    let template = members(&sample.full());
    let (a, b) = (Forger::Seed(1), Forger::Seed(2));
    let rotated = || Forged::rotated(a, b);
    let everything: Vec<u64> = (0..8).collect();
    let mut questions = Vec::new();
    let mut ask = |name: &str, members: Members, code: i32, vkey: Option<Forger>| {
        let path = keep(&sample.ledger, name, &zip::write(&members).unwrap());
        let vkey = vkey.map(Forger::vkey);
        questions.push((
            Question {
                vkey,
                ..sample.ask(name, &path)
            },
            code,
        ));
    };
    ask(
        "a rotated log",
        rotated().bundle(&template, &everything),
        0,
        None,
    );
    ask(
        "parts of it",
        rotated().bundle(&template, &[0, 2, 4, 6]),
        0,
        None,
    );
    ask(
        "its old key",
        rotated().bundle(&template, &[0, 4, 6]),
        0,
        Some(a),
    );
    ask(
        "its new key",
        rotated().bundle(&template, &[0, 4, 6]),
        0,
        Some(b),
    );
    ask(
        "one key",
        Forged::of(a).bundle(&template, &[0, 3]),
        0,
        Some(a),
    );
    ask(
        "a third key",
        rotated().bundle(&template, &[0, 4, 6]),
        1,
        Some(Forger::Seed(3)),
    );
    ask(
        "the rotation left out",
        rotated().bundle(&template, &[0, 2, 6]),
        1,
        None,
    );
    ask(
        "the rotation left out before an old entry",
        rotated().bundle(&template, &[0, 2]),
        1,
        None,
    );
    let signed = |at: usize, by: Forger| {
        let mut log = rotated();
        log.signers[at] = by;
        log.bundle(&template, &[0, 2, 4, 6])
    };
    ask("the old key after its end", signed(6, a), 1, None);
    ask("the new key before its time", signed(2, b), 1, None);
    ask("a rotation by the new key", signed(4, b), 1, None);
    let last = |last: Forger| Forged { last, ..rotated() };
    ask(
        "a checkpoint by the old key",
        last(a).bundle(&template, &everything),
        1,
        None,
    );
    let back = Forged {
        rotations: vec![(4, b), (6, a)],
        last: a,
        signers: vec![a, a, a, a, a, b, b, a],
        ..rotated()
    };
    ask(
        "a key that comes back",
        back.bundle(&template, &everything),
        1,
        None,
    );
    ask(
        "a weak key",
        Forged::of(Forger::Weak).bundle(&template, &[0, 3]),
        1,
        None,
    );
    let small = Forged {
        signers: vec![a, a, a, Forger::SmallR(1), a, a],
        ..Forged::of(a)
    };
    ask(
        "a signature with a small R",
        small.bundle(&template, &[0, 3]),
        1,
        None,
    );
    let weak = Forged::rotated(a, Forger::Weak);
    ask(
        "a weak key later on",
        weak.bundle(&template, &everything),
        1,
        None,
    );
    // Its own keys sign what a log must not say.
    type Twist = fn(u64, String) -> String;
    let twists: [(&str, Twist); 6] = [
        ("a prev of another entry", |seq, body| match seq {
            3 => body.replace(&body[body.len() - 20..], &format!("{}\"}}", "1".repeat(18))),
            _ => body,
        }),
        ("an entry 0 that follows something", |seq, body| match seq {
            0 => body.replace(&"0".repeat(64), &"1".repeat(64)),
            _ => body,
        }),
        ("a time that runs back", |seq, body| match seq {
            3 => body.replacen("\"at\":\"20", "\"at\":\"19", 1),
            _ => body,
        }),
        ("a key twice in a body", |seq, body| match seq {
            3 => body.replacen("\"kind\":", "\"kind\":\"agent.retired\",\"kind\":", 1),
            _ => body,
        }),
        ("white space in a body", |seq, body| match seq {
            3 => body.replacen(':', ": ", 1),
            _ => body,
        }),
        ("a position of another entry", |seq, body| match seq {
            3 => body.replacen("\"seq\":3", "\"seq\":4", 1),
            _ => body,
        }),
    ];
    for (name, twist) in twists {
        let twisted = Forged {
            twist,
            ..Forged::of(a)
        };
        ask(name, twisted.bundle(&template, &[0, 1, 2, 3]), 1, None);
    }
    let longer = Forged {
        more: "more\n",
        ..Forged::of(a)
    };
    ask(
        "a checkpoint of four lines",
        longer.bundle(&template, &[0, 3]),
        1,
        None,
    );
    // And by daicho's own hand: both keys are the log's, the old one no longer signs.
    sample.ledger.run(&["key", "rotate"]).ok();
    let new = sample.ledger.run(&["key", "show"]).ok().trim().to_owned();
    sample.ledger.append(&[drill("failover")]);
    let own = sample.bundle("own.zip", &["--kind", "drill.completed"]);
    let own = |name: &str| sample.ask(name, &own);
    questions.push((own("the key before daicho rotated").vkey(&sample.vkey), 0));
    questions.push((own("the key after it").vkey(&new).kept(&sample.head()), 0));
    questions.push((own("no key of it").vkey(&a.vkey()), 1));
    all_say(&questions);
}
