use super::{too_long, with_id};
use crate::world::{Ledger, daicho, drill, ndjson, run, walk};
use serde_json::json;

#[test]
fn every_bad_command_is_refused_with_its_reason_and_changes_nothing() {
    let ledger = Ledger::new();
    ledger.append(&[with_id(drill("restore"))]);
    let before = ledger.state();
    let append = |input: &[u8]| ledger.run_with(&["append"], input);
    append(b"").refused(&["no event"]);
    append(b"{\"kind\":").refused(&["line 1", "cut off"]);
    append(&[drill("a").to_string().as_bytes(), b"\n\xff\n"].concat())
        .refused(&["not UTF-8 at byte"]);
    append(ndjson(&[drill("a"), json!({ "kind": 1 })]).as_bytes()).refused(&["line 2"]);
    append(ndjson(&[drill("a"), too_long()]).as_bytes()).refused(&["65535"]);
    append(with_id(drill("failover")).to_string().as_bytes())
        .refused(&["stands for another event, at 1"]);
    let missing = ledger.beside("missing");
    let missing = missing.to_str().unwrap();
    for (args, parts) in [
        (vec!["append", missing], vec!["missing", "No such file"]),
        (vec!["show", "99"], vec!["no entry 99: the log holds 2"]),
        (vec!["prove", "99"], vec!["no entry 99"]),
        (vec!["events", "--kind", "drill.begun"], vec!["drill.begun"]),
        (vec!["events", "--actor", "nobody"], vec!["--actor"]),
        (
            vec!["events", "--since", "yesterday"],
            vec!["--since", "not a time"],
        ),
        (vec!["verify", "--vkey", "nonsense"], vec!["vkey"]),
        (vec!["verify", "--checkpoint", missing], vec!["missing"]),
        (
            vec!["init", "--origin", "example.com/again"],
            vec!["already holds a ledger"],
        ),
        (vec!["serve", "--listen", "nowhere"], vec!["nowhere"]),
    ] {
        ledger.run(&args).refused(&parts);
    }
    for args in [
        &["nonsense"][..],
        &["show", "first"],
        &["append", "--colour"],
    ] {
        let ran = ledger.run(args);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    assert_eq!(ledger.state(), before);
    // More events than one commit takes: it says how many are appended, and shows which.
    let mut events = vec![drill("restore"); 300];
    events[290] = too_long();
    let ran = append(ndjson(&events).as_bytes());
    assert_eq!((ran.code, ran.out.lines().count()), (2, 256), "{}", ran.err);
    let said = "the first 256 of 300 events are appended, no other: event";
    assert!(
        ran.err.contains(said) && ran.err.contains("\nhelp:  "),
        "{}",
        ran.err
    );
    assert_eq!(ledger.verify()["entries"], 258);
}

#[test]
fn a_directory_without_a_ledger_is_named_and_stays_as_it_was() {
    let ledger = Ledger::new();
    for (name, make) in [("nothing", false), ("empty", true)] {
        let dir = ledger.beside(name);
        if make {
            std::fs::create_dir(&dir).unwrap();
        }
        for args in [
            &["append"][..],
            &["events"],
            &["show", "0"],
            &["verify"],
            &["prove", "0"],
            &["key", "show"],
            &["rebuild"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let mut command = daicho(&dir);
            command.args(args);
            let input = drill("restore").to_string();
            run(command, input.as_bytes()).refused(&["holds no ledger", name]);
        }
        assert_eq!(dir.exists(), make, "{name}");
        assert!(walk(&dir).is_empty(), "{name}: {:?}", walk(&dir));
    }
    for origin in ["", "two words", "a+b", "x\ny"] {
        let dir = ledger.beside("wrong-origin");
        let mut command = daicho(&dir);
        command.args(["init", "--origin", origin]);
        run(command, b"").refused(&["cannot be an origin"]);
        assert!(walk(&dir).is_empty(), "{origin:?}");
    }
}
