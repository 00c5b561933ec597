use super::*;
use crate::scanner::findings::Filter;
use schemas::Timestamp;
use schemas::kinds::scanner::{FindingRefuted, FindingSuppressed, Severity, SuppressReason};
use serde_json::{Value, json};

const BANDIT: &[u8] = include_bytes!("../../../tests/fixtures/vulnerable.sarif");
const INCOMPLETE: &[u8] = include_bytes!("../../../tests/fixtures/incomplete.sarif");

/// A log in memory, whose every event has another id.
#[derive(Default)]
struct World {
    findings: Findings,
    events: Vec<Event>,
    ids: u8,
}

fn now() -> Timestamp {
    "2026-11-22T00:00:00.000000Z".parse().unwrap()
}

impl World {
    fn scan(&mut self, sarif: &[u8]) -> ScanSummary {
        self.scan_with(sarif, false, &|_| false)
    }

    fn scan_with(
        &mut self,
        sarif: &[u8],
        whole_project: bool,
        is_removed: &dyn Fn(&str) -> bool,
    ) -> ScanSummary {
        let sarif = Sarif::parse(sarif, None).unwrap();
        let options = ScanOptions {
            actor: &"service:scanner".parse().unwrap(),
            project: &"shop".parse().unwrap(),
            whole_project,
            is_removed,
        };
        let (ids, events) = (&mut self.ids, self.events.len());
        let mut plan = plan_scan(&sarif, &self.findings, &options, &mut || {
            *ids = ids.wrapping_add(1);
            EventId::derived(crate::once::sha256(&[*ids, (events % 251) as u8]))
        });
        for submission in plan.submissions {
            self.take(submission.event);
        }
        plan.summaries.remove(0)
    }

    fn take(&mut self, event: Event) {
        let known = self.events.iter().any(|e| e.id == event.id);
        assert!(!known, "{} has an id twice", event.data.kind());
        self.findings.take(self.events.len() as u64, now(), &event);
        self.events.push(event);
        self.check();
    }

    /// The view that a rebuild gives is the one that is live.
    fn check(&self) {
        let mut rebuilt = Findings::default();
        for (seq, event) in self.events.iter().enumerate() {
            rebuilt.take(seq as u64, now(), event);
        }
        let live = serde_json::to_string(&self.findings).unwrap();
        assert_eq!(live, serde_json::to_string(&rebuilt).unwrap());
        let read: Findings = serde_json::from_str(&live).unwrap();
        assert_eq!(live, serde_json::to_string(&read).unwrap());
    }

    fn states(&self) -> Vec<State> {
        let rows = self.findings.rows(&Filter::default(), now());
        rows.iter().map(|row| row.state).collect()
    }

    fn append(&mut self, data: impl Into<Data>) {
        self.ids = self.ids.wrapping_add(1);
        let id = EventId::derived(crate::once::sha256(&[self.ids, 255, 255]));
        self.take(Event::new(id, "user:1042".parse().unwrap(), data));
    }
}

/// A report of one file, with these snippets by line.
fn report(results: &[(u64, &str)]) -> Value {
    let results: Vec<Value> = results
        .iter()
        .map(|(line, snippet)| {
            json!({"ruleId": "R1", "message": {"text": "m"}, "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": "a.py"},
                "region": {"startLine": line, "snippet": {"text": snippet}}}}]})
        })
        .collect();
    json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "T"}},
        "artifacts": [{"location": {"uri": "a.py"}}], "results": results}]})
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

#[test]
fn every_result_of_a_real_report_becomes_a_finding() {
    let mut world = World::default();
    let summary = world.scan(BANDIT);
    assert_eq!(summary.completed.outcome, ScanOutcome::Complete);
    let counts = (summary.completed.results, summary.completed.reported);
    assert_eq!(counts, (9, 9));
    let rows = world.findings.rows(&Filter::default(), now());
    let lines: Vec<String> = rows
        .iter()
        .map(|r| {
            let cwe: Vec<&str> = r.cwe.iter().map(Label::as_str).collect();
            let line = r.line.unwrap();
            let (severity, confidence) = (r.severity, r.confidence);
            format!(
                "{severity} {confidence} {} {} {}:{line}",
                r.rule,
                cwe.join(","),
                r.path
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_log_holds_no_word_of_the_source() {
    let mut world = World::default();
    world.scan(BANDIT);
    let data: Vec<String> = world
        .events
        .iter()
        .map(|event| serde_json::to_string(&event.data).unwrap())
        .collect();
    for word in ["correct-horse", "password:", "SELECT", "pickle.loads"] {
        assert!(!data.iter().any(|data| data.contains(word)), "{word}");
    }
}

#[test]
fn a_hard_coded_password_is_cut_out_of_the_sealed_message() {
    let sarif = Sarif::parse(BANDIT, None).unwrap();
    let options = ScanOptions {
        actor: &"service:scanner".parse().unwrap(),
        project: &"shop".parse().unwrap(),
        whole_project: false,
        is_removed: &|_| false,
    };
    let mut ids = 0;
    let plan = plan_scan(&sarif, &Findings::default(), &options, &mut || {
        ids += 1;
        EventId::derived(Hash([ids; 32]))
    });
    let contents = plan.submissions.iter().flat_map(|s| &s.content);
    let messages: Vec<&str> = contents
        .map(|content| std::str::from_utf8(&content.bytes).unwrap())
        .collect();
    assert_eq!(messages.len(), 9);
    assert!(messages.contains(&"Possible hardcoded password: '…'"));
}

#[test]
fn a_second_scan_of_the_same_source_reports_nothing_new() {
    let mut world = World::default();
    world.scan(BANDIT);
    let again = world.scan(BANDIT).completed;
    assert_eq!((again.reported, again.known, again.gone), (0, 9, 0));
    assert!(world.states().iter().all(|state| *state == State::Open));
}

#[test]
fn a_finding_stays_itself_when_lines_move() {
    let mut world = World::default();
    world.scan(&bytes(&report(&[(3, "x = eval(y)\n")])));
    let moved = world.scan(&bytes(&report(&[(90, "    x  = eval(y)\n")])));
    assert_eq!((moved.completed.known, moved.completed.gone), (1, 0));
}

#[test]
fn two_equal_lines_in_one_file_are_two_findings_and_one_place_is_one() {
    let mut world = World::default();
    let twice = report(&[(3, "eval(y)"), (9, "eval(y)"), (9, "eval(y)")]);
    let first = world.scan(&bytes(&twice)).completed;
    assert_eq!((first.reported, first.known), (2, 1));
    let fixed = world.scan(&bytes(&report(&[(9, "eval(y)")]))).completed;
    assert_eq!((fixed.known, fixed.gone), (1, 1));
}

#[test]
fn what_a_complete_scan_no_longer_sees_is_closed_and_comes_back() {
    let mut world = World::default();
    let (bad, good) = (bytes(&report(&[(3, "eval(y)")])), bytes(&report(&[])));
    world.scan(&bad);
    for cycle in 0..3 {
        assert_eq!(world.scan(&good).completed.gone, 1);
        assert_eq!(world.states(), [State::Closed]);
        assert_eq!(world.scan(&good).completed.gone, 0);
        let back = world.scan(&bad).completed;
        assert_eq!((back.reopened, back.reported), (1, 0), "cycle {cycle}");
        assert_eq!(world.states(), [State::Reopened]);
    }
    let row = world.findings.rows(&Filter::default(), now()).remove(0);
    assert_eq!((row.reopened, row.positions.len()), (3, 7));
}

#[test]
fn a_scan_that_ended_early_closes_nothing() {
    let mut world = World::default();
    world.scan(&bytes(&report(&[(3, "eval(y)")])));
    let failed = json!([{"executionSuccessful": false}]);
    let error = json!([{"executionSuccessful": true,
        "toolConfigurationNotifications": [{"level": "error", "message": {"text": "m"}}]}]);
    for invocations in [failed, error] {
        let mut early = report(&[]);
        early["runs"][0]["invocations"] = invocations;
        let early = world.scan(&bytes(&early)).completed;
        assert_eq!((early.outcome, early.gone), (ScanOutcome::Incomplete, 0));
    }
    let mut none = report(&[]);
    none["runs"][0].as_object_mut().unwrap().remove("results");
    let none = world.scan(&bytes(&none)).completed;
    assert_eq!((none.outcome, none.gone), (ScanOutcome::Incomplete, 0));
    assert_eq!(world.states(), [State::Open]);
}

#[test]
fn a_file_that_bandit_could_not_parse_makes_the_scan_incomplete() {
    let mut world = World::default();
    let summary = world.scan(INCOMPLETE);
    assert_eq!(summary.completed.outcome, ScanOutcome::Incomplete);
    assert_eq!(summary.completed.not_run, 1);
    let not_run: Vec<&str> = summary.not_run.iter().map(Label::as_str).collect();
    assert_eq!(not_run, ["shop/broken.py"]);
    let covered = world.events.iter().filter_map(|event| match &event.data {
        Data::FileCovered(covered) => Some((covered.path.as_str(), covered.coverage)),
        _ => None,
    });
    let covered: Vec<_> = covered.collect();
    assert_eq!(covered.len(), 5);
    assert!(covered.contains(&("shop/prices.py", Coverage::Scanned)));
    assert!(covered.contains(&("shop/broken.py", Coverage::NotRun)));
}

#[test]
fn a_file_that_was_not_looked_at_keeps_its_findings_until_it_is_removed() {
    let mut world = World::default();
    world.scan(&bytes(&report(&[(3, "eval(y)")])));
    let mut elsewhere = report(&[]);
    elsewhere["runs"][0]["artifacts"][0]["location"]["uri"] = json!("b.py");
    assert_eq!(world.scan(&bytes(&elsewhere)).completed.gone, 0);
    let removed = world.scan_with(&bytes(&elsewhere), false, &|path| path == "a.py");
    assert_eq!(removed.completed.gone, 1);

    let mut world = World::default();
    world.scan(&bytes(&report(&[(3, "eval(y)")])));
    let whole = world.scan_with(&bytes(&elsewhere), true, &|_| false);
    assert_eq!(whole.completed.gone, 1);
}

#[test]
fn another_scanner_or_project_closes_nothing() {
    let mut world = World::default();
    world.scan(&bytes(&report(&[(3, "eval(y)")])));
    let mut other = report(&[]);
    other["runs"][0]["tool"]["driver"]["name"] = json!("U");
    assert_eq!(world.scan(&bytes(&other)).completed.gone, 0);
    assert_eq!(world.states(), [State::Open]);
}

#[test]
fn what_a_person_decided_outlives_the_next_scan() {
    let mut world = World::default();
    let (bad, good) = (bytes(&report(&[(3, "eval(y)")])), bytes(&report(&[])));
    world.scan(&bad);
    let finding = world.findings.all().next().unwrap().finding;
    let until = Some(Timestamp::from_micros(now().micros() + 1_000_000));
    let reason = SuppressReason::RiskAccepted;
    world.append(FindingSuppressed {
        finding,
        reason,
        until,
    });
    for sarif in [&bad, &good, &bad] {
        world.scan(sarif);
        assert_eq!(world.states(), [State::Suppressed]);
    }
    let later = Timestamp::from_micros(now().micros() + 2_000_000);
    let rows = world.findings.rows(&Filter::default(), later);
    assert_eq!(rows[0].state, State::Open);

    let (method, evidence_sha256) = (Label::lossy("read"), None);
    world.append(FindingRefuted {
        finding,
        method,
        evidence_sha256,
    });
    world.scan(&good);
    world.scan(&bad);
    assert_eq!(world.states(), [State::Refuted]);
}

#[test]
fn a_suppression_in_the_source_is_counted_and_closes_nothing() {
    let mut world = World::default();
    let mut marked = report(&[(3, "eval(y)"), (5, "exec(y)")]);
    let suppressed = json!([{"kind": "inSource"}]);
    marked["runs"][0]["results"][1]["suppressions"] = suppressed.clone();
    let first = world.scan(&bytes(&marked)).completed;
    assert_eq!((first.reported, first.suppressed), (1, 1));
    marked["runs"][0]["results"][0]["suppressions"] = suppressed;
    let second = world.scan(&bytes(&marked)).completed;
    assert_eq!((second.gone, second.suppressed), (0, 2));
    assert_eq!(world.states(), [State::Open]);
    // A suppression that was turned down is none.
    marked["runs"][0]["results"][1]["suppressions"][0]["status"] = json!("rejected");
    assert_eq!(world.scan(&bytes(&marked)).completed.reported, 1);
}

#[test]
fn results_that_say_all_is_well_are_counted_as_passed() {
    let mut world = World::default();
    let mut mixed = report(&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]);
    for (index, kind) in ["pass", "notApplicable", "informational", "open"]
        .iter()
        .enumerate()
    {
        mixed["runs"][0]["results"][index]["kind"] = json!(kind);
    }
    mixed["runs"][0]["results"][4]["baselineState"] = json!("absent");
    let completed = world.scan(&bytes(&mixed)).completed;
    assert_eq!((completed.passed, completed.reported), (4, 1));
}

#[test]
fn the_list_is_cut_by_severity_and_state() {
    let mut world = World::default();
    world.scan(BANDIT);
    let count = |filter: &Filter| world.findings.rows(filter, now()).len();
    let high = Filter {
        min_severity: Some(Severity::High),
        ..Filter::default()
    };
    assert_eq!(count(&high), 2);
    let closed = Filter {
        states: vec![State::Closed, State::Refuted],
        ..Filter::default()
    };
    assert_eq!(count(&closed), 0);
    let elsewhere = Filter {
        project: Some("other".parse().unwrap()),
        ..Filter::default()
    };
    assert_eq!(count(&elsewhere), 0);
}

#[test]
fn a_row_is_json_that_a_program_can_read() {
    let mut world = World::default();
    let mut one = report(&[(3, "eval(y)")]);
    one["runs"][0]["results"][0]["taxa"] = json!([{"id": "CWE-95"}]);
    world.scan(&bytes(&one));
    let rows = world.findings.rows(&Filter::default(), now());
    insta::assert_json_snapshot!(rows);
}

proptest::proptest! {
    /// Whatever a file goes through, a finding is live exactly while the last scan saw it.
    #[test]
    fn a_finding_is_live_while_it_is_seen(
        scans in proptest::collection::vec(proptest::collection::vec(0usize..4, 0..5), 1..6)
    ) {
        let mut world = World::default();
        let snippets = ["eval(a)", "exec(b)", "open(c)", "os(d)"];
        for scan in &scans {
            let lines = scan.iter().enumerate();
            let results: Vec<(u64, &str)> = lines
                .map(|(line, which)| (line as u64 + 1, snippets[*which]))
                .collect();
            let completed = world.scan(&bytes(&report(&results))).completed;
            let live = world.findings.all().filter(|f| f.state.is_live()).count();
            proptest::prop_assert_eq!(live, results.len());
            let seen = completed.reported + completed.known + completed.reopened;
            proptest::prop_assert_eq!(seen, results.len() as u64);
        }
    }
}
