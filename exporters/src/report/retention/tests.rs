use super::*;
use crate::report::model::Report;
use crate::report::{Basis, Format, Head, Language, ReportError, Stamp, Verification};
use ledger::buckets::default_periods;
use schemas::kinds::ledger::LedgerCreated;
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::records::{
    FilesRead, HoldPlaced, HoldReleased, HoldScope, ProtectionLevel, RetentionExpired,
    RetentionExtended, StoreKind, TimeSource,
};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{EventId, Hash};

fn at(text: &str) -> Timestamp {
    text.parse().expect("sound")
}

fn id(n: u8) -> EventId {
    EventId::new(at("2026-09-01T00:00:00.000000Z"), [n; 10])
}

fn event(class: &str, data: impl Into<Data>) -> Event {
    let mut event = Event::new(id(1), "service:daicho".parse().expect("sound"), data);
    event.class = class.parse().expect("sound");
    event
}

fn auth() -> AuthSucceeded {
    AuthSucceeded {
        subject: "user:e1024".parse().expect("sound"),
        method: "token".parse().expect("sound"),
    }
}

fn content(bucket: &str, sealed: u8, sealed_bytes: u64) -> ContentRef {
    ContentRef {
        name: "request".parse().expect("sound"),
        media: "application/json".parse().expect("sound"),
        bucket: bucket.parse().expect("sound"),
        sealed: Hash([sealed; 32]),
        sealed_bytes,
        plain_bytes: sealed_bytes,
        subject: None,
    }
}

/// Three months of a small log, with something of everything.
fn folded() -> Retention {
    let mut retention = Retention::default();
    let mut take = |seq, time: &str, event: Event, content: &[ContentRef]| {
        retention.take(seq, at(time), &event, content);
    };
    let created = LedgerCreated {
        origin: "ledger.example.co.jp/daicho".parse().expect("sound"),
        vkey: "vkey".parse().expect("sound"),
    };
    take(
        0,
        "2026-09-01T00:00:00.000000Z",
        event("ledger", created),
        &[],
    );
    let september = [
        content("operation/2026-09", 1, 40_000),
        content("operation/2026-09", 2, 1_200),
    ];
    take(
        1,
        "2026-09-02T01:00:00.000001Z",
        event("operation", auth()),
        &september,
    );
    take(
        2,
        "2026-09-02T01:00:01.000000Z",
        event("operation", auth()),
        &september[..1],
    );
    let rules = PolicyAdopted {
        policy: "retention".parse().expect("sound"),
        digest: Hash([8; 32]),
        previous: None,
        approvals: vec![],
        periods: Some(default_periods()),
        must_keep: None,
    };
    take(3, "2026-09-03T00:00:00.000000Z", event("auth", rules), &[]);
    take(
        4,
        "2026-09-04T00:00:00.000000Z",
        event("api", auth()),
        &[content("api/2026-09", 3, 900)],
    );
    take(
        5,
        "2026-10-05T00:00:00.000000Z",
        event("api", auth()),
        &[content("api/2026-10", 4, 700)],
    );
    take(
        6,
        "2026-10-06T00:00:00.000000Z",
        event("mail", auth()),
        &[content("mail/2026-10", 5, 64)],
    );
    let expired = RetentionExpired {
        bucket: "api/2026-09".parse().expect("sound"),
        due: at("2026-10-31T00:00:00.000000Z"),
        entries: 1,
        sealed_bytes: 900,
        content_sha256: Hash([9; 32]),
        method: "key-destroyed".parse().expect("sound"),
        period: "P30D".parse().expect("sound"),
        contents: 1,
        time: TimeSource::Log,
        token: None,
        approvals: vec![],
        approvers: vec![],
    };
    take(
        7,
        "2026-11-02T00:00:00.000000Z",
        event("ledger", expired),
        &[],
    );
    let hold = |hold, case: &str, scope| HoldPlaced {
        hold: id(hold),
        case: case.parse().expect("sound"),
        scope,
        buckets: vec!["mail/2026-10".parse().expect("sound")],
        approvals: vec![],
        approvers: vec![],
    };
    let of_class = HoldScope {
        class: Some("mail".parse().expect("sound")),
        actor: Some("service:daicho".parse().expect("sound")),
        ..HoldScope::default()
    };
    let (first, second) = (
        hold(8, "case-2026-17", of_class.clone()),
        hold(9, "case-2026-18", of_class),
    );
    take(
        8,
        "2026-11-03T00:00:00.000000Z",
        event("ledger", first),
        &[],
    );
    take(
        9,
        "2026-11-03T01:00:00.000000Z",
        event("ledger", second),
        &[],
    );
    let released = HoldReleased {
        hold: id(9),
        case: "case-2026-18".parse().expect("sound"),
        approvals: vec![],
        approvers: vec![],
    };
    take(
        10,
        "2026-11-04T00:00:00.000000Z",
        event("ledger", released),
        &[],
    );
    let extended = RetentionExtended {
        bucket: "operation/2026-09".parse().expect("sound"),
        period: "P3Y".parse().expect("sound"),
        due: Some(at("2029-10-01T00:00:00.000000Z")),
    };
    take(
        11,
        "2026-11-05T00:00:00.000000Z",
        event("ledger", extended),
        &[],
    );
    let read = |files, read_only, immutable| FilesRead {
        files,
        read_only,
        immutable,
        unread: 0,
    };
    let protection = ProtectionChecked {
        store: StoreKind::Local,
        level: ProtectionLevel::ReadOnly,
        log: read(3, 3, 3),
        content: read(2, 2, 1),
    };
    take(
        12,
        "2026-11-06T00:00:00.000000Z",
        event("ledger", protection),
        &[],
    );
    retention
}

fn basis(size: u64, verification: Verification) -> Basis {
    Basis {
        organisation: "株式会社サンプル・ホールディングス 情報システム本部".to_owned(),
        log: "ledger.example.co.jp/daicho".to_owned(),
        head: Head {
            size,
            root: Hash([0xc4; 32]),
            at: at("2026-12-01T00:00:00.000000Z"),
        },
        verification,
        period: None,
        begun: None,
        hours: None,
        rules: None,
        folded: None,
        program: "daicho 0.1.0".to_owned(),
    }
}

fn made(verification: Verification) -> Report {
    report(&folded(), basis(13, verification)).expect("same head")
}

fn clean() -> Verification {
    Verification::Clean {
        key_given: true,
        outside_checkpoints: 2,
    }
}

#[test]
fn every_figure_of_the_report_names_its_query_and_its_positions() {
    insta::assert_snapshot!(made(clean()).to_json());
}

#[test]
fn the_page_is_the_same_bytes_in_each_language() {
    for (name, language) in [
        ("japanese", Language::Japanese),
        ("english", Language::English),
    ] {
        insta::assert_snapshot!(name, made(clean()).write(Format::Html, language));
    }
}

#[test]
fn a_log_with_faults_or_unchecked_is_not_called_clean() {
    let positions = [3, 4, 9].into_iter().collect();
    let faults = made(Verification::Faults {
        count: 3,
        positions,
    });
    let page = faults.write(Format::Html, Language::English);
    assert!(page.contains("Faults found: 3") && page.contains("At positions 3-4, 9"));
    assert!(faults.to_json().contains(r#""positions": "3-4,9""#));
    let unchecked = made(Verification::NotRun);
    let japanese = unchecked.write(Format::Html, Language::Japanese);
    assert!(japanese.contains("検証は行われていません"));
    for page in [page, unchecked.write(Format::Html, Language::English)] {
        assert!(!page.contains("No alteration"));
    }
}

#[test]
fn a_month_that_is_over_keeps_its_figures_and_not_what_was_counted() {
    let retention = folded();
    let class = &retention.classes[&"operation".parse().expect("sound")];
    let september = class.buckets.values().next().expect("there");
    assert_eq!((september.contents, september.sealed_bytes), (2, 41_200));
    // The log has come to November: nothing more is sealed there.
    assert_eq!(september.sealed.len(), 0);
    let october = &retention.classes[&"mail".parse().expect("sound")];
    let october = october.buckets.values().next().expect("there");
    assert_eq!((october.contents, october.sealed.len()), (1, 1));
}

#[test]
fn figures_of_another_head_are_refused() {
    let other = report(&folded(), basis(14, clean()));
    let (folded, head) = (13, 14);
    assert_eq!(other, Err(ReportError::OtherHead { folded, head }));
}

#[test]
fn a_page_loads_nothing_and_cannot_be_written_into() {
    let mut hostile = basis(13, clean());
    let evil = "</title><script src=https://x.example/></script>\"'&-->|`daicho-report:AAAA\n=1+1";
    hostile.organisation = evil.to_owned();
    let report = report(&folded(), hostile).expect("same head");
    for language in [Language::Japanese, Language::English] {
        let page = report.write(Format::Html, language);
        for foreign in [
            "<script",
            "src=",
            "url(",
            "@import",
            "<link",
            "<img",
            "href=\"http",
        ] {
            let found = page.replace("src=https://x.example", "").contains(foreign);
            assert!(!found, "{foreign}");
        }
        // Whatever stands in it, each form says what it was made from.
        for format in [Format::Json, Format::Html, Format::Csv, Format::Markdown] {
            let text = report.write(format, language);
            let (stamp, form) = Stamp::read(&text).expect("its own stamp");
            assert_eq!((stamp.basis, form), (report.basis.clone(), format));
            assert!(format == Format::Json || stamp.language == Some(language));
        }
    }
    assert!(Stamp::read("").is_err() && Stamp::read("{}").is_err());
    assert!(Stamp::read("<!DOCTYPE html>daicho-report:AAAA").is_err());
}

#[test]
fn a_projection_comes_back_from_its_snapshot() {
    let json = serde_json::to_string(&folded()).expect("writes");
    let back: Retention = serde_json::from_str(&json).expect("reads");
    assert_eq!(back, folded());
}

/// A log of years: large figures, scattered positions, long names, a failed check.
fn crowded() -> Report {
    let mut retention = folded();
    let long = "a-class-that-someone-configured-with-as-long-a-name-as-it-may-be";
    for seq in 13..200_013 {
        let class = if seq % 3 == 0 { "operation" } else { long };
        let bucket = format!("{class}/20{}-0{}", 27 + seq % 7, 1 + seq % 9);
        let mut item = content(&bucket, 0, 987_654_321_012);
        item.sealed = Hash([(seq % 251) as u8; 32]);
        let time = at("2034-12-31T23:59:59.999999Z");
        retention.take(seq, time, &event(class, auth()), &[item]);
    }
    let positions = (0..200_000).step_by(7).collect();
    let mut basis = basis(
        200_013,
        Verification::Faults {
            count: 28_572,
            positions,
        },
    );
    basis.organisation =
        "株式会社とても長い名前の子会社を多数持つ持株会社における情報システム統括本部内部監査室"
            .repeat(3);
    basis.head.at = at("2035-01-01T00:00:00.000000Z");
    report(&retention, basis).expect("same head")
}

#[test]
fn a_crowded_page_stays_readable_and_its_evidence_whole() {
    let report = crowded();
    assert!(report.write(Format::Html, Language::English).len() < 600_000);
    assert!(report.to_json().len() > 1_000_000);
    let mut ids: Vec<&str> = report.figures().map(|figure| figure.id.as_str()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is one figure's");
}

/// For people who change the page: writes both to a directory of their choice.
#[test]
fn pages_can_be_looked_at() {
    let Some(dir) = std::env::var_os("DAICHO_PAGES") else {
        return;
    };
    let dir = std::path::Path::new(&dir);
    for (name, language) in [("ja", Language::Japanese), ("en", Language::English)] {
        for (case, report) in [("plain", made(clean())), ("crowded", crowded())] {
            let file = dir.join(format!("retention.{case}.{name}.html"));
            std::fs::write(file, report.write(Format::Html, language)).expect("writes");
        }
    }
}
