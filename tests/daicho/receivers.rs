//! Receivers that fail in every way that receivers are known to: each shows where an operator looks (`export status`,
//! the API behind it, `/metrics`), and what comes of it is as promised.

mod certificates;
mod clocks;
mod ended;
mod reach;
mod sizes;
mod stuck;
mod two;

use crate::world::{Ledger, Ran, Server, drill, wait_for};
use serde_json::{Value, json};

/// A ledger that is served, and the receivers that it tells.
struct Told {
    ledger: Ledger,
    server: Server,
}

impl Told {
    /// With these `[[export]]` tables.
    fn to(tables: &[String]) -> Told {
        Told::by(Ledger::new(), tables)
    }

    fn by(ledger: Ledger, tables: &[String]) -> Told {
        ledger.configure(|text| {
            let tables = tables
                .iter()
                .map(|table| format!("\n[[export]]\n{table}\n"));
            text + &tables.collect::<String>()
        });
        let server = ledger.serve();
        Told { ledger, server }
    }

    fn post(&self, events: &[Value]) {
        let body = crate::world::ndjson(events);
        let answer = self.server.post("application/x-ndjson", body).send();
        let answer = answer.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status} {}", answer.text().unwrap());
    }

    fn add(&self, count: usize) {
        let events: Vec<_> = (0..count).map(|n| drill(&format!("drill-{n}"))).collect();
        self.post(&events);
    }

    /// As a person reads it, and as a program does.
    fn status(&self, name: &str) -> (String, Value) {
        let text = self.ledger.run(&["export", "status"]).ok();
        let at = text
            .lines()
            .position(|line| line == name)
            .expect("a receiver");
        let lines = text.lines().skip(at + 1);
        let told = lines.take_while(|line| line.starts_with(' '));
        let rows = self.server.json("/api/v1/export");
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["destination"] == name);
        (
            told.map(|line| format!("{line}\n")).collect(),
            row.expect("a receiver").clone(),
        )
    }

    /// The receiver's figure in the metrics.
    fn metric(&self, figure: &str, name: &str) -> Option<u64> {
        let start = format!("daicho_export_{figure}{{destination=\"{name}\"}} ");
        self.figure(&start)
    }

    fn figure(&self, start: &str) -> Option<u64> {
        let text = self.server.text("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(start))?;
        Some(line.parse().unwrap())
    }

    /// The fault is told in words, counted by its word, and in the metrics.
    #[track_caller]
    fn shows(&self, name: &str, fault: &str, words: &str) -> Value {
        let start = format!("daicho_export_faults{{destination=\"{name}\",fault=\"{fault}\"}} ");
        let mut last = Value::Null;
        wait_for(&format!("{name}: {fault}, {words}"), || {
            let (text, row) = self.status(name);
            let line = |key: &str, part: &str| {
                let mut lines = text.lines().map(str::trim_start);
                lines.any(|line| line.starts_with(key) && line.contains(part))
            };
            let told = line("last_error", words)
                && line("faults", &format!("{fault} "))
                && row["last_error"]
                    .as_str()
                    .is_some_and(|error| error.contains(words))
                && row["faults"][fault].as_u64() >= Some(1)
                && self.figure(&start) >= Some(1);
            if row != last && !told {
                eprintln!("{row}");
            }
            last = row;
            told
        });
        last
    }

    /// A figure is in all three, at `least` at least.
    #[track_caller]
    fn counts(&self, name: &str, figure: &str, least: u64) {
        wait_for(&format!("{name}: {figure} of {least}"), || {
            let (text, row) = self.status(name);
            let told = |line: &str| {
                let mut words = line.split_whitespace();
                words.next() == Some(figure)
                    && words
                        .next()
                        .is_some_and(|value| value.parse().is_ok_and(|value: u64| value >= least))
            };
            text.lines().any(told)
                && row[figure].as_u64() >= Some(least)
                && self.metric(figure, name) >= Some(least)
        });
    }

    /// Everything is handed over, and answered for where there are answers.
    #[track_caller]
    fn arrives(&self, name: &str) -> Value {
        let mut row = Value::Null;
        wait_for(&format!("{name}: everything"), || {
            row = self.status(name).1;
            let size = self.server.size();
            row["connected"] == true
                && row["position"].as_u64() >= Some(size)
                && row["unanswered"].as_u64().unwrap_or_default() == 0
        });
        assert_eq!(self.metric("connected", name), Some(1));
        row
    }

    /// What `export check` makes of a receiver's file, with the ledger at hand.
    fn check(&self, stored: &[u8]) -> (Ran, Value) {
        let file = self.ledger.beside("stored");
        std::fs::write(&file, stored).unwrap();
        let file = file.display().to_string();
        let ran = self
            .ledger
            .run(&["export", "check", &file, "--ledger", "--json"]);
        let report = serde_json::from_str(&ran.out).unwrap_or_default();
        (ran, report)
    }

    /// The receiver's file holds every entry, each as the ledger has it.
    #[track_caller]
    fn stores_all(&self, stored: impl Fn() -> Vec<u8>) -> Value {
        let mut report = Value::Null;
        wait_for("the receiver has stored everything", || {
            let (ran, now) = self.check(&stored());
            report = now["chains"][crate::world::ORIGIN].clone();
            ran.code == 0 && report["entries"] == report["ledger_entries"]
        });
        report
    }
}

/// An event whose body is about `octets` long.
fn long(octets: usize) -> Value {
    let positions: Vec<_> = (100_000..100_000 + octets.saturating_sub(330) / 7).collect();
    json!({
        "kind": "secret.leaked", "actor": "user:s001",
        "data": { "secret": "provider-key", "positions": positions },
    })
}
