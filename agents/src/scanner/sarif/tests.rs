use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const BANDIT: &[u8] = include_bytes!("../../../tests/fixtures/vulnerable.sarif");

fn parse(value: &Value) -> Result<Sarif, SarifError> {
    Sarif::parse(&serde_json::to_vec(value).unwrap(), Some("/srv/shop"))
}

fn document() -> Value {
    serde_json::from_slice(BANDIT).unwrap()
}

fn fault(change: impl FnOnce(&mut Value)) -> SarifError {
    let mut changed = document();
    change(&mut changed["runs"][0]);
    match parse(&changed) {
        Err(fault) => fault,
        Ok(_) => panic!("the change should be refused"),
    }
}

#[test]
fn bandits_own_report_is_read_whole() {
    let sarif = Sarif::parse(BANDIT, None).unwrap();
    let [scan] = &sarif.scans[..] else {
        panic!("one scanner ran");
    };
    assert_eq!(scan.scanner.as_str(), "Bandit");
    assert!(scan.complete && scan.errors == 0 && scan.version.is_some());
    assert_eq!((scan.found.len(), scan.covered.len()), (9, 4));
    let sql = scan.found.iter().find(|f| f.rule.as_str() == "B608");
    let sql = sql.unwrap();
    assert_eq!((sql.path.as_str(), sql.line), ("shop/orders.py", Some(9)));
    assert_eq!(sql.cwe, [Label::lossy("CWE-89")]);
    let rated = (sql.severity, sql.confidence);
    assert_eq!(rated, (Severity::Medium, Confidence::Low));
    assert!(matches!(&sql.anchor, Anchor::Snippet(text) if text.contains("SELECT")));
}

#[test]
fn a_fault_names_the_run_the_result_and_the_field_and_shows_nothing() {
    let wrong = fault(|run| run["results"][3]["message"]["text"] = json!(["secret"]));
    let text = "runs[0].results[3].message.text must be a string";
    assert_eq!(wrong.to_string(), text);
    let wrong = fault(|run| {
        let place = &mut run["results"][2]["locations"][0]["physicalLocation"];
        place["region"]["startLine"] = json!("secret");
    });
    let text = "runs[0].results[2].locations[0].physicalLocation.region.startLine must be a \
                whole number from 0";
    assert_eq!(wrong.to_string(), text);
    let wrong = fault(|run| {
        let place = &mut run["results"][0]["locations"][0]["physicalLocation"];
        place["artifactLocation"]["uri"] = json!("../../secret");
    });
    let text = "the path at runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri \
                leaves the project with `..`";
    assert_eq!(wrong.to_string(), text);
    let wrong = fault(|run| run["results"][1]["kind"] = json!("secret"));
    assert!(!wrong.to_string().contains("secret"));
    let wrong = fault(|run| run["results"] = json!({}));
    assert_eq!(wrong.to_string(), "runs[0].results must be an array");
    let wrong = fault(|run| run["tool"] = json!({}));
    let text = "runs[0].tool.driver.name must be the scanner's name";
    assert_eq!(wrong.to_string(), text);
}

#[test]
fn what_is_not_sarif_is_refused() {
    let read = |bytes: &[u8]| Sarif::parse(bytes, None).err().unwrap();
    assert!(matches!(
        read(b"{\"version\": "),
        SarifError::NotJson { .. }
    ));
    assert!(matches!(read(b"\xff"), SarifError::NotJson { .. }));
    for other in [
        "[]",
        "{}",
        "null",
        "{\"version\": 2}",
        "{\"version\": \"2.0.0\", \"runs\": []}",
    ] {
        assert_eq!(read(other.as_bytes()), SarifError::OtherVersion);
    }
    let runs = read(b"{\"version\": \"2.1.0\"}");
    assert_eq!(runs.to_string(), "runs must be an array");
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes()), SarifError::NotJson { .. }));
    let large = vec![b' '; MAX_BYTES + 1];
    assert!(matches!(read(&large), SarifError::TooLarge { .. }));
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(BANDIT);
    assert!(Sarif::parse(&marked, None).is_ok());
}

#[test]
fn absolute_paths_inside_the_project_become_relative() {
    let mut changed = document();
    let place = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation";
    let place = changed.pointer_mut(place).unwrap();
    *place = json!({"uri": "file:///srv/shop/a%20b.py"});
    assert_eq!(
        parse(&changed).unwrap().scans[0].found[0].path.as_str(),
        "a b.py"
    );
    let place = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation";
    *changed.pointer_mut(place).unwrap() = json!({"uri": "a.py", "uriBaseId": "SRC"});
    changed["runs"][0]["originalUriBaseIds"] = json!({"SRC": {"uri": "file:///srv/shop/src/"}});
    assert_eq!(
        parse(&changed).unwrap().scans[0].found[0].path.as_str(),
        "src/a.py"
    );
    *changed.pointer_mut(place).unwrap() = json!({"index": 0});
    changed["runs"][0]["artifacts"] = json!([{"location": {"uri": "listed.py"}}]);
    let sarif = parse(&changed).unwrap();
    assert_eq!(sarif.scans[0].found[0].path.as_str(), "listed.py");
    *changed.pointer_mut(place).unwrap() = json!({"uri": "/etc/passwd"});
    assert!(matches!(parse(&changed), Err(SarifError::Path { .. })));
}

#[test]
fn rules_are_found_in_extensions_by_index_by_id_and_by_the_parents_id() {
    let rule =
        |id: &str, score: &str| json!({"id": id, "properties": {"security-severity": score}});
    let result = |reference: Value| {
        let mut result = json!({"message": {"text": "m"}});
        for (name, value) in reference.as_object().unwrap() {
            result[name] = value.clone();
        }
        result
    };
    let sarif = json!({"version": "2.1.0", "runs": [{"tool": {
    "driver": {"name": "CodeQL", "rules": [rule("d", "1.0")]},
    "extensions": [{"name": "queries", "rules": [rule("e", "9.5"), rule("f", "7.5")]}]},
    "results": [
        result(json!({"ruleIndex": 0})),
        result(json!({"rule": {"index": 0, "toolComponent": {"index": 0}}})),
        result(json!({"ruleId": "f"})),
        result(json!({"ruleId": "f/2"})),
        result(json!({"ruleId": "unknown"})),
        result(json!({})),
    ]}]});
    let sarif = parse(&sarif).unwrap();
    let found = &sarif.scans[0].found;
    let rated: Vec<(&str, Severity)> = found
        .iter()
        .map(|f| (f.rule.as_str(), f.severity))
        .collect();
    use Severity::*;
    let expected = [
        ("d", Low),
        ("e", Critical),
        ("f", High),
        ("f/2", High),
        ("unknown", Medium),
        ("-", Medium),
    ];
    assert_eq!(rated, expected);
    assert_eq!(found[0].path.as_str(), ".");
}

#[test]
fn a_message_by_id_is_filled_in_and_bounded() {
    let sarif = |template: &str, argument: &str| {
        let rule = json!({"id": "r", "messageStrings": {"default": {"text": template}}});
        let message = json!({"id": "default", "arguments": [argument, "two"]});
        json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "T", "rules": [rule]}},
            "results": [{"ruleId": "r", "message": message}]}]})
    };
    let read = |value: &Value| parse(value).unwrap().scans.remove(0).found.remove(0);
    let short = read(&sarif("{0} and {1}", "one"));
    assert_eq!(short.message, "one and two");
    let long = read(&sarif(&"{0}".repeat(10_000), &"x".repeat(100_000)));
    assert_eq!(long.message.chars().count(), MAX_MESSAGE_CHARS);
}

#[test]
fn a_tools_own_fingerprint_serves_where_there_is_no_snippet() {
    let sarif = |bag: &str, value: &str| {
        let result = json!({"message": {"text": "m"}, bag: {"hash/v1": value}});
        json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "T"}},
            "results": [result]}]})
    };
    let read = |value: &Value| parse(value).unwrap().scans.remove(0).found.remove(0).anchor;
    let partial = read(&sarif("partialFingerprints", "39fa:1"));
    assert!(matches!(&partial, Anchor::Partial(own) if own["hash/v1"] == "39fa:1"));
    assert!(read(&sarif("fingerprints", "39fa:1")) == partial);
    let locked = read(&sarif("fingerprints", "requires login"));
    assert!(matches!(locked, Anchor::Rule));
}

#[test]
fn two_runs_of_one_scanner_are_one_scan_and_the_worse_outcome_holds() {
    let mut twice = document();
    let mut second = twice["runs"][0].clone();
    second["invocations"][0]["executionSuccessful"] = json!(false);
    twice["runs"].as_array_mut().unwrap().push(second);
    let sarif = parse(&twice).unwrap();
    assert_eq!(sarif.scans.len(), 1);
    assert_eq!(sarif.scans[0].found.len(), 18);
    assert!(!sarif.scans[0].complete);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>(), text in ".*") {
        let _ = Sarif::parse(&bytes, None);
        let _ = Sarif::parse(text.as_bytes(), Some(&text));
    }

    /// A real report with one value anywhere replaced by one of another type.
    #[test]
    fn no_value_in_the_wrong_place_makes_the_reader_panic(place in any::<prop::sample::Index>(),
        kind in 0usize..7, text in ".*", root in proptest::option::of("/[a-z/]*")) {
        let mut document = document();
        let mut pointers = Vec::new();
        collect(&document, String::new(), &mut pointers);
        let pointer = place.get(&pointers);
        let value = [json!(null), json!(true), json!(-1), json!(1e300), json!(text), json!([[]]),
            json!({"a": {}})];
        *document.pointer_mut(pointer).unwrap() = value[kind].clone();
        let bytes = serde_json::to_vec(&document).unwrap();
        let _ = Sarif::parse(&bytes, root.as_deref());
    }

    #[test]
    fn a_report_cut_anywhere_is_refused(cut in 0usize..15_000) {
        prop_assume!(cut < BANDIT.len() - 2);
        prop_assert!(Sarif::parse(&BANDIT[..cut], None).is_err());
    }
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{at}/{index}"), pointers);
            }
        }
        Value::Object(members) => {
            for (name, item) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(item, format!("{at}/{name}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(at);
}
