//! Content ends and is erased between two tellings of the same entries.

use crate::bad_input::places::faketime;
use crate::common::rsyslog::Rsyslog;
use crate::retention::{
    JANUARY, MARCH, approve, at, at_with, january, of_class, pass, serve, there,
};
use crate::world::{Ledger, ORIGIN, Server, cannot_run, wait_for, walk};
use serde_json::Value;
use std::collections::BTreeMap;

const FORMATS: [&str; 5] = ["json", "rfc5424", "ocsf", "cef", "leef"];

/// What a bucket held that ends, and what a person is who is forgotten. They stand nowhere but in what is sealed.
const ENDS: &str = "山田太郎の住所録";
const ERASED: &str = "佐藤花子の面談記録";
const PERSON: &str = "c-4711";

/// Two days after MARCH, when all that had to be waited for is over.
const LATER: &str = "2026-03-07 14:00:00";

/// Files in each format for one telling.
fn tables(telling: &str) -> String {
    let table = |format: &str| {
        format!(
            "\n[[export]]\nname = '{telling}-{format}'\ntransport = 'file'\ndirectory = '{telling}-{format}'\nformat = '{format}'\n"
        )
    };
    FORMATS.map(table).concat()
}

/// All receivers have all there is.
fn told(server: &Server) {
    wait_for("all receivers have everything", || {
        let rows = server.json("/api/v1/export");
        let size = server.size();
        let rows = rows.as_array().unwrap();
        rows.iter()
            .all(|row| row["confirmed"].as_u64() == Some(size))
    });
}

fn written(ledger: &Ledger, telling: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let of = |format: &'static str| {
        let files = walk(&ledger.dir.join(format!("{telling}-{format}")));
        let bytes = files.iter().flat_map(|file| std::fs::read(file).unwrap());
        (format, bytes.collect())
    };
    FORMATS.map(of).into()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let ascii: String = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    let bytes = String::from_utf8_lossy(bytes).to_lowercase();
    bytes.contains(text) || bytes.contains(&ascii)
}

/// A receiver is told the same of an entry before and after what it refers to has gone, octet for octet: the export reads
/// no content, so that nothing of it can lack, and nothing of it can leave either.
#[test]
fn what_has_ended_or_was_erased_is_told_as_it_was_before() {
    if !there("receivers") {
        return;
    }
    let Some(library) = faketime() else {
        return cannot_run("receivers", "no libfaketime (package faketime)");
    };
    let Some(mut rsyslog) = Rsyslog::relp(None, "") else {
        return;
    };
    rsyslog.answer_after_writing();
    let (ledger, keys) = january();
    let ends = of_class("api", "s-1", ENDS);
    let mut erased = of_class("operation", "s-1", ERASED);
    erased["person"] = PERSON.into();
    let events = format!("{ends}\n{erased}\n");
    at_with(&ledger, JANUARY, &["append"], events.as_bytes()).ok();
    ledger.configure(|text| {
        let relp = format!(
            "\n[[export]]\nname = 'hq'\ntransport = 'relp'\nhost = '127.0.0.1'\nport = {}\n",
            rsyslog.port
        );
        text + &relp + &tables("before")
    });

    // Everything is told while it is there, and the end of it while it ends.
    let server = serve(&ledger, &library, MARCH);
    let asked = || ledger.events("approval.requested");
    wait_for("the question", || asked().len() == 1);
    told(&server);
    let early = server.size();
    let shown = |seq: &Value| at(&ledger, MARCH, &["show", &seq.to_string(), "--content"]);
    let drills = ledger.events("drill.completed");
    assert!(shown(&drills[2]["seq"]).ok().contains(ENDS));
    assert!(shown(&drills[3]["seq"]).ok().contains(ERASED));
    let approval = asked()[0]["data"]["approval"].clone();
    approve(&ledger, MARCH, approval.as_str().unwrap(), &keys);
    at(&ledger, MARCH, &["retention", "run"]).ok();
    assert_eq!(server.stop(), 0);
    pass(&ledger, 25);
    let server = serve(&ledger, &library, LATER);
    wait_for("the end", || ledger.events("retention.expired").len() == 1);
    wait_for("its files", || {
        walk(&ledger.dir.join("content/api")).is_empty()
    });
    let wish = [
        "--json", "erasure", "request", "--case", "2026-17", "--person", PERSON,
    ];
    let why = ["--basis", "appi-35", "--reason", "本人の請求"];
    let asked = at(&ledger, LATER, &[&wish[..], &why].concat()).lines();
    let approval = asked[0]["approval"].as_str().unwrap();
    approve(&ledger, LATER, approval, &keys);
    wait_for("the erasure", || {
        ledger.events("erasure.completed").len() == 1
    });
    told(&server);
    assert_eq!(server.stop(), 0);
    for drill in &drills {
        let shown = shown(&drill["seq"]);
        assert_eq!(shown.code, 2, "its content is gone: {shown:?}");
    }

    // A receiver that begins now is told the same as one that was there all the time.
    ledger.configure(|text| text + &tables("after"));
    let server = serve(&ledger, &library, "2026-03-07 15:00:00");
    told(&server);
    assert_eq!(server.stop(), 0);
    let (before, after) = (written(&ledger, "before"), written(&ledger, "after"));
    for format in FORMATS {
        assert!(before[format] == after[format], "{format} differs");
        assert!(before[format].len() > 1_000);
        for text in [ENDS, ERASED, PERSON] {
            assert!(!holds(&before[format], text), "{format}: {text}");
        }
    }
    // So is one that is told once more, by an answer for each: a copy that differs would be called altered.
    let last = (early - 1).to_string();
    let again = ["export", "replay", "hq", "--from", "0", "--to", &last];
    ledger.run(&again).ok();
    for (stored, copies) in [(rsyslog.stored_now(), early), (before["json"].clone(), 0)] {
        let file = ledger.beside("stored");
        std::fs::write(&file, stored).unwrap();
        let file = file.display().to_string();
        let ran = ledger.run(&["export", "check", &file, "--ledger", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let chain = &report["chains"][ORIGIN];
        assert_eq!(ran.code, 0, "{report}");
        assert_eq!(chain["entries"], chain["ledger_entries"], "{report}");
        assert!(chain["duplicates"].as_u64() >= Some(copies), "{report}");
    }
}
