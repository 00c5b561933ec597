use super::*;
use crate::report::{Head, Verification};
use schemas::kinds::rules::VendorReviewed;
use schemas::kinds::traffic::{
    Handling, ModelFailed, PayloadBlocked, PayloadMasked, PromptSubmitted,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(n: u8) -> EventId {
    EventId::new(at("2026-09-01T00:00:00.000000Z"), [n; 10])
}

fn counts(rules: &[(&str, u64)]) -> Vec<RuleCount> {
    let count = |(rule, count): &(&str, u64)| RuleCount {
        rule: rule.parse().unwrap(),
        count: *count,
    };
    rules.iter().map(count).collect()
}

fn prompt(n: u8) -> Data {
    let provider = "anthropic".parse().unwrap();
    let operation = "messages".parse().unwrap();
    PromptSubmitted {
        call: id(n),
        provider,
        operation,
        path: None,
        model: None,
        streaming: false,
        messages: 1,
        body_bytes: 100,
    }
    .into()
}

fn ruling(class: DataClass, consent: Option<u64>) -> Option<ClassRuling> {
    Some(ClassRuling {
        class,
        handling: Handling::Mask,
        policy: Hash([7; 32]),
        consent,
    })
}

fn masked(n: u8, class: Option<ClassRuling>, masks: &[(&str, u64)]) -> Data {
    PayloadMasked {
        call: id(n),
        destination: Label::lossy("api.anthropic.com:443"),
        policy: Hash([1; 32]),
        instead_of: None,
        class,
        payload_sha256: Hash([2; 32]),
        body_bytes: 90,
        masks: counts(masks),
        media: Vec::new(),
        tags: Vec::new(),
        tags_omitted: 0,
    }
    .into()
}

fn failed(n: u8, outcome: FailedOutcome) -> Data {
    ModelFailed {
        call: id(n),
        outcome,
        status: None,
        input_tokens: None,
        output_tokens: None,
        cache_read_tokens: None,
        cache_creation_tokens: None,
        body_bytes: 0,
        duration_micros: None,
    }
    .into()
}

fn reviewed(outcome: ReviewOutcome) -> Data {
    VendorReviewed {
        vendor: "anthropic".parse().unwrap(),
        outcome,
        country: None,
        report_sha256: None,
    }
    .into()
}

/// Two months: mail with a consent, a call that never left, a refusal, one from before classes.
fn folded() -> Transfers {
    let blocked = PayloadBlocked {
        call: id(3),
        destination: Label::lossy("api.anthropic.com:443"),
        policy: Hash([1; 32]),
        instead_of: None,
        class: ruling(DataClass::Mail, None),
        reasons: counts(&[("class.mail", 1)]),
    };
    let october = [
        reviewed(ReviewOutcome::Accepted),
        prompt(1),
        masked(
            1,
            ruling(DataClass::Mail, Some(0)),
            &[("person", 2), ("email", 1)],
        ),
        prompt(2),
        masked(2, ruling(DataClass::Mail, Some(0)), &[("person", 1)]),
        failed(2, FailedOutcome::Unreachable),
        prompt(3),
        blocked.into(),
        prompt(4),
        masked(4, None, &[]),
    ];
    // The end of a call counts for the month in which its payload left.
    let november = [
        failed(1, FailedOutcome::UpstreamBroke),
        reviewed(ReviewOutcome::Refused),
    ];
    let mut transfers = Transfers::default();
    let times = [
        ("2026-10-31T23:59:00.000000Z", &october[..]),
        ("2026-11-01T00:00:00.000000Z", &november),
    ];
    let mut seq = 0;
    for (time, all) in times {
        for data in all {
            let actor = "agent:desk".parse().unwrap();
            transfers.take(seq, at(time), &Event::new(id(0), actor, data.clone()));
            seq += 1;
        }
    }
    transfers
}

fn report(month: &str) -> TransferReport {
    let transfers = folded();
    let basis = Basis {
        organisation: "株式会社サンプル商事".to_owned(),
        log: "ledger.example.co.jp/daicho".to_owned(),
        head: Head {
            size: transfers.size,
            root: Hash([9; 32]),
            at: at("2026-11-01T00:00:00.000000Z"),
        },
        verification: Verification::NotRun,
        generated: at("2026-11-02T00:00:00.000000Z"),
        program: "daicho 0.0.0".to_owned(),
    };
    let vendor = Vendor {
        company: "Anthropic PBC".to_owned(),
        country: "US".to_owned(),
        basis: Some(TransferBasis::EquivalentMeasures),
        retention: "P30D".to_owned(),
        measures: String::new(),
    };
    let vendors = BTreeMap::from([("anthropic".parse().unwrap(), vendor)]);
    let policy = VendorPolicy {
        position: 4,
        digest: Hash([4; 32]),
    };
    let month = month.parse().unwrap();
    TransferReport::new(&transfers, month, &vendors, Some(policy), basis).unwrap()
}

#[test]
fn every_figure_is_of_its_month_and_class_and_names_its_positions() {
    insta::assert_snapshot!("json", report("2026-10").to_json());
    insta::assert_snapshot!(
        "japanese",
        report("2026-10").to_markdown(Language::Japanese)
    );
    insta::assert_snapshot!("english", report("2026-10").to_markdown(Language::English));
    let november = report("2026-11");
    assert!(november.vendors[0].classes.is_empty());
    let review = november.vendors[0].review.unwrap();
    assert_eq!(review.outcome, ReviewOutcome::Refused);
}

#[test]
fn figures_of_another_head_are_refused() {
    let mut basis = report("2026-10").basis;
    basis.head.size += 1;
    let made = TransferReport::new(
        &folded(),
        "2026-10".parse().unwrap(),
        &Vendors::new(),
        None,
        basis,
    );
    assert!(matches!(made, Err(ReportError::OtherHead { .. })));
}
