//! What surrounds a ledger, as `doctor` sees it.
#![cfg(unix)]

use crate::world::{Ledger, drill, ndjson, wait_for, with_content};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_sound_ledger_is_well_and_each_fault_is_named() {
    let ledger = Ledger::new();
    ledger.append(&[with_content(drill("restore"), "記録")]);
    ledger.run(&["doctor"]).ok();
    let server = ledger.serve();
    let told = ledger.run(&["doctor"]).ok();
    assert!(
        told.contains(&format!("process {} writes", server.pid())),
        "{told}"
    );
    drop(server);

    let wrong = |part: &str| {
        let ran = ledger.run(&["doctor"]);
        let named = ran
            .out
            .lines()
            .any(|l| l.starts_with("WRONG") && l.contains(part));
        assert!(ran.code == 1 && named, "{part}: {ran:?}");
    };
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = ledger.dir.join("keys/ledger.key");
    mode(&key, 0o644);
    wrong("ledger.key has mode 644");
    mode(&key, 0o600);
    let config = ledger.dir.join("daicho.toml");
    let sound = std::fs::read(&config).unwrap();
    std::fs::write(&config, "[server]\nport = 1\n").unwrap();
    wrong("configuration");
    std::fs::write(&config, "[masking]\nallow_test_cards = true\n").unwrap();
    wrong("daicho.toml changes masking, which is not adopted");
    std::fs::write(&config, "[mcp.x]\ncommand = ['/nowhere/x']\n").unwrap();
    wrong("[mcp.x] /nowhere/x is not found");
    std::fs::write(&config, "[mcp.x]\nurl = 'http://example.com/mcp'\n").unwrap();
    wrong("[mcp.x] http://example.com/mcp cannot be an upstream");
    let source = "[[ingest]]\nsource = 'fw'\nclass = 'network'\nlisten = '127.0.0.1:0'\n";
    let files = "certificate_file = '/nowhere/c'\nkey_file = '/nowhere/k'\n";
    std::fs::write(&config, format!("{source}{files}")).unwrap();
    wrong("[[ingest]] fw: /nowhere/k");
    std::fs::write(&config, sound).unwrap();
    let bucket = crate::world::walk(&ledger.dir.join("keys/content/operation")).remove(0);
    let kept = std::fs::read(&bucket).unwrap();
    std::fs::remove_file(&bucket).unwrap();
    wrong("gone from keys/content for operation/");
    let note = with_content(drill("again"), "本文");
    ledger
        .run_with(&["append"], ndjson(&[note]).as_bytes())
        .refused(&["is gone from", "put the key back"]);
    let verified = ledger.run(&["verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    std::fs::write(&bucket, kept).unwrap();
    mode(&bucket, 0o600);
    let checkpoint = ledger.dir.join("checkpoint");
    std::fs::remove_file(&checkpoint).unwrap();
    wrong("checkpoint");
}

#[test]
fn the_metrics_say_how_far_the_views_are_behind_the_log() {
    let ledger = Ledger::new();
    let server = ledger.serve();
    let figure = |name: &str| {
        let text = server.text("/metrics");
        let told = text.lines().find_map(|line| line.strip_prefix(name));
        told.unwrap().trim().parse::<u64>().unwrap()
    };
    for _ in 0..5 {
        let events: Vec<_> = (0..2_000).map(|_| drill("restore")).collect();
        let sent = server.post("application/x-ndjson", ndjson(&events)).send();
        assert!(sent.unwrap().status().is_success());
        assert!(figure("daicho_projection_lag_entries ") <= figure("daicho_entries "));
    }
    wait_for("the views", || {
        figure("daicho_projection_lag_entries ") == 0
    });
    // What the views say is of all entries then.
    assert!(figure("daicho_entries ") > 10_000);
    let drills = "daicho_kind_entries{kind=\"drill.completed\"} ";
    assert_eq!(figure(drills), 10_000);
    assert_eq!(server.stop(), 0);
}
