//! A scanner's real report, a patch, a decision: bandit finds, OpenSSH judges the signature.

use crate::world::{Ledger, cannot_run, has, ssh_key};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

const SOURCE: &str =
    "import subprocess\n\n\ndef show(path):\n    subprocess.call('cat ' + path, shell=True)\n";
const PATCH: &str = "--- a/tool.py\n+++ b/tool.py\n@@ -2,4 +2,4 @@\n \n \n def show(path):\n-    subprocess.call('cat ' + path, shell=True)\n+    subprocess.call(['cat', path])\n";

fn field(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap().to_owned()
}

#[test]
fn from_a_scanner_s_finding_to_an_approved_patch_that_applies_once() {
    let test = "review";
    if !has("ssh-keygen", "-?") {
        return cannot_run(test, "ssh-keygen is not there");
    }
    let ledger = Ledger::new();
    let (project, keys) = (ledger.beside("project"), ledger.beside("keys"));
    std::fs::create_dir(&project).unwrap();
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(project.join("tool.py"), SOURCE).unwrap();
    let sarif = ledger.beside("bandit.sarif");
    let bandit = Command::new("bandit")
        .args(["-q", "-r", ".", "-f", "sarif", "-o"])
        .arg(&sarif)
        .current_dir(&project)
        .stderr(Stdio::null())
        .status();
    if bandit.is_err() || !sarif.exists() {
        return cannot_run(test, "bandit with its SARIF formatter is not there");
    }
    let (project, sarif) = (project.display().to_string(), sarif.display().to_string());
    let summary = ledger
        .run(&["--json", "scan", &project, "--sarif", &sarif])
        .lines();
    assert!(summary[0]["reported"].as_u64() >= Some(1), "{summary:?}");
    let again = ledger
        .run(&["--json", "scan", &project, "--sarif", &sarif])
        .lines();
    assert_eq!(
        again[0]["reported"], 0,
        "a known weakness is one finding for ever"
    );

    let findings = ledger.run(&["--json", "findings"]).lines();
    let found = findings.iter().find(|row| row["rule"] == "B602").unwrap();
    assert_eq!(
        (&found["severity"], &found["confidence"], &found["cwe"][0]),
        (&"high".into(), &"high".into(), &"CWE-78".into())
    );
    assert_eq!(
        ledger.run(&["findings", "--severity", "high"]).code,
        1,
        "an open finding above the limit"
    );

    let (mine, theirs) = (ssh_key(&keys.join("s001")), ssh_key(&keys.join("s002")));
    ledger
        .run(&["users", "activate", "s001", "--key", &format!("{mine}.pub")])
        .ok();
    ledger
        .run(&[
            "users",
            "activate",
            "s002",
            "--key",
            &format!("{theirs}.pub"),
        ])
        .ok();
    let diff = ledger.beside("fix.patch").display().to_string();
    std::fs::write(&diff, PATCH).unwrap();
    let finding = field(found, "finding");
    let proposal = ledger
        .run(&[
            "--json",
            "patch",
            "propose",
            &finding,
            "--diff",
            &diff,
            "--dir",
            &project,
            "--by",
            "user:s001",
        ])
        .lines();
    let approval = field(&proposal[0], "approval");

    let apply = ["patch", "apply", &approval, "--dir", &project];
    ledger.run(&apply).refused(&["not granted"]);
    let requester = [
        "approvals",
        "approve",
        &approval,
        "--by",
        "user:s001",
        "--key",
        &mine,
    ];
    ledger
        .run(&requester)
        .refused(&["user:s001 asked for this approval"]);
    let foreign = [
        "approvals",
        "approve",
        &approval,
        "--by",
        "user:s002",
        "--key",
        &mine,
    ];
    ledger
        .run(&foreign)
        .refused(&["not the one registered for user:s002"]);
    ledger
        .run(&[
            "approvals",
            "approve",
            &approval,
            "--by",
            "user:s002",
            "--key",
            &theirs,
        ])
        .ok();
    assert_eq!(
        ledger
            .run(&["--json", "approvals", "list", "--state", "granted"])
            .lines()
            .len(),
        1
    );

    std::fs::write(format!("{project}/tool.py"), SOURCE.replace("show", "shaw")).unwrap();
    ledger
        .run(&apply)
        .refused(&["not those that the patch was approved for"]);
    std::fs::write(format!("{project}/tool.py"), SOURCE).unwrap();
    ledger.run(&apply).ok();
    let patched = std::fs::read_to_string(format!("{project}/tool.py")).unwrap();
    assert!(patched.contains("['cat', path]") && !patched.contains("shell=True"));
    ledger.run(&apply).refused(&["was applied at"]);

    let evidence = ledger.beside("evidence").display().to_string();
    let command = ledger
        .run(&["approvals", "evidence", &approval, "--output", &evidence])
        .ok();
    let judged = |command: &str| {
        Command::new("sh")
            .args(["-c", command])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(
        judged(command.trim()),
        "OpenSSH accepts the signature in the entry"
    );
    let statement = crate::world::walk(Path::new(&evidence))
        .into_iter()
        .find(|p| p.ends_with("statement"))
        .unwrap();
    let text = std::fs::read_to_string(&statement).unwrap();
    std::fs::write(
        &statement,
        text.replace("decision: approve", "decision: deny"),
    )
    .unwrap();
    assert!(!judged(command.trim()), "and no other statement under it");
    ledger.verify();
}

#[test]
fn the_demo_plays_its_day_and_ends() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
    command.args(["demo", "--once"]);
    let out = crate::world::run(command, b"").ok();
    for part in [
        "left  Y.T.様（03-5555-****、****@example.co.jp）",
        "403 permission_error",
        "in order",
        "found      entry",
        "retention.ja.html",
    ] {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
}
