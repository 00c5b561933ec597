use super::*;
use crate::report::tests::{basis, folded, granted};
use crate::report::{Format, Language};

/// Median and longest, each with its positions.
fn times_of(approvals: Vec<Approval>) -> [Option<(u64, Vec<u64>)>; 2] {
    let known = Known {
        approvals,
        ..Known::default()
    };
    let basis = basis(0);
    let report = report(&folded(&basis, &[]), &known, basis).unwrap();
    ["median", "longest"].map(|column| {
        let figure = report.figure(&format!("approvals.action.{column}"))?;
        assert_eq!(figure.unit, Unit::Seconds);
        Some((figure.value, figure.positions.iter().collect()))
    })
}

#[test]
fn times_run_from_a_request_to_the_decision_that_settled_it() {
    let short = granted(0, "2026-11-02T09:00:00.000000Z", 90);
    let long = granted(1, "2026-11-02T10:00:00.000000Z", 4 * 3600);
    let both = vec![0, 1, 2, 3];
    // Of an even number the median is the lower one: a time that was.
    let expected = [Some((90, both.clone())), Some((14_400, both))];
    assert_eq!(times_of(vec![short.clone(), long.clone()]), expected);
    assert_eq!(times_of(vec![long.clone(), short.clone()]), expected);
    let middle = granted(2, "2026-11-03T09:00:00.000000Z", 600);
    let all = vec![0, 1, 2, 3, 4, 5];
    let three = [Some((600, all.clone())), Some((14_400, all))];
    assert_eq!(times_of(vec![short.clone(), long.clone(), middle]), three);
    // A decision counts for the month in which it was made, whenever it was asked for.
    let early = granted(3, "2026-10-31T23:00:00.000000Z", 2 * 3600);
    let late = granted(4, "2026-11-30T23:00:00.000000Z", 2 * 3600);
    let of = vec![6, 7];
    let expected = [Some((7200, of.clone())), Some((7200, of))];
    assert_eq!(times_of(vec![early, late.clone()]), expected);
    assert_eq!(times_of(vec![late]), [None, None]);
}

#[test]
fn times_are_read_as_hours_minutes_and_seconds() {
    let known = Known {
        approvals: vec![
            granted(0, "2026-11-02T09:00:00.000000Z", 90),
            granted(1, "2026-11-02T10:00:00.000000Z", 4 * 3600),
        ],
        ..Known::default()
    };
    let basis = basis(0);
    let report = report(&folded(&basis, &[]), &known, basis).unwrap();
    let page = report.write(Format::Markdown, Language::English);
    for shown in ["| 0:01:30 ", "| 4:00:00 "] {
        assert!(page.contains(shown), "{page}");
    }
}
