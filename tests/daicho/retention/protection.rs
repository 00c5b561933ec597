//! The protection of the log's files, as it is set and as it is proven.

use crate::world::{Ledger, drill};
use serde_json::json;

/// The flag of full files, set for real and read back; taken off again, or nobody could remove them.
struct Immutable(Vec<std::path::PathBuf>);

impl Immutable {
    fn set(paths: Vec<std::path::PathBuf>) -> Result<Immutable, String> {
        let held = Immutable(paths);
        for path in &held.0 {
            chattr("+i", path)?;
        }
        Ok(held)
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = chattr("-i", path);
        }
    }
}

fn chattr(flag: &str, path: &std::path::Path) -> Result<(), String> {
    let ran = std::process::Command::new("chattr")
        .arg(flag)
        .arg(path)
        .output();
    let ran = ran.map_err(|error| format!("chattr cannot be run: {error}"))?;
    match ran.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned()),
    }
}

#[test]
fn the_flag_that_is_set_is_the_protection_that_is_proven() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    // A torn tail ends the first file: the next start begins another, and the first is full.
    let first = ledger.logs().remove(0);
    let mut file = std::fs::File::options().append(true).open(&first).unwrap();
    std::io::Write::write_all(&mut file, b"{\"v\":1,\"seq\":").unwrap();
    drop(file);
    ledger.append(&[drill("restore")]);
    let level = || {
        ledger
            .run(&["report", "retention", "--format", "json"])
            .ok();
        ledger.events("protection.checked").pop().unwrap()["data"].clone()
    };
    let before = level();
    assert_eq!(
        (&before["level"], &before["log"]["immutable"]),
        (&json!("read_only"), &json!(0))
    );
    match Immutable::set(vec![first.clone()]) {
        Err(why) => crate::world::cannot_run("immutable", &why),
        Ok(held) => {
            let told = ledger.run(&["doctor"]).out;
            assert!(told.contains("L1, immutable"), "{told}");
            let read = level();
            assert_eq!(
                (&read["level"], &read["log"]["immutable"]),
                (&json!("immutable"), &json!(1)),
                "{read}"
            );
            // Not even root writes to it, or removes it, and the ledger goes on.
            assert!(std::fs::File::options().append(true).open(&first).is_err());
            assert!(std::fs::remove_file(&first).is_err());
            ledger.append(&[drill("goes-on")]);
            drop(held);
            assert_eq!(level()["level"], "read_only");
        }
    }
    ledger.verify();
}
