use super::*;
use crate::report::model::Report;
use crate::report::window::Window;
use crate::report::{Format, Head, Language, Verification};
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
        response_sha256: None,
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
fn folded(basis: &Basis) -> Transfers {
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
    let mut transfers = Transfers::new(basis).unwrap();
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

fn basis(month: &str) -> Basis {
    Basis {
        organisation: "株式会社サンプル商事".to_owned(),
        log: "ledger.example.co.jp/daicho".to_owned(),
        head: Head {
            size: 12,
            root: Hash([9; 32]),
            at: at("2026-11-01T00:00:00.000000Z"),
        },
        verification: Verification::NotRun,
        period: Some(Window::parse(month, Default::default()).unwrap()),
        begun: None,
        hours: None,
        rules: None,
        folded: None,
        program: "daicho 0.0.0".to_owned(),
    }
}

fn made(basis: Basis) -> Result<Report, ReportError> {
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
    report(&folded(&basis), &vendors, Some(policy), basis)
}

#[test]
fn every_figure_is_of_its_month_and_class_and_names_its_positions() {
    let october = made(basis("2026-10")).unwrap();
    insta::assert_snapshot!("json", october.to_json());
    for (name, language) in [
        ("japanese", Language::Japanese),
        ("english", Language::English),
    ] {
        insta::assert_snapshot!(name, october.write(Format::Markdown, language));
        let csv = format!("{name}_csv");
        insta::assert_snapshot!(csv, october.write(Format::Csv, language));
    }
    let november = made(basis("2026-11")).unwrap();
    assert_eq!(november.figures().count(), 0);
    let page = november.write(Format::Markdown, Language::English);
    assert!(page.contains("No call was cleared or refused") && page.contains("| refused |"));
    // Both months together have what each has.
    let both = made(basis("2026-10..2026-11")).unwrap();
    assert_eq!(both.figures().count(), october.figures().count());
}

#[test]
fn figures_of_another_head_or_of_no_period_are_refused() {
    let mut other = basis("2026-10");
    other.head.size += 1;
    assert!(matches!(made(other), Err(ReportError::OtherHead { .. })));
    let mut whole = basis("2026-10");
    whole.period = None;
    assert_eq!(Transfers::new(&whole).unwrap_err(), ReportError::NoPeriod);
}
