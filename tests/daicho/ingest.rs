//! Other systems' logs: senders that others wrote, git itself, files. Each line is sealed once, as
//! it came, and the entry says nothing that is anybody's.

mod runs;
mod syslog;
mod tls;

use crate::world::{Ledger, Server, walk};
use agents::ingest::messages;
use ledger::Reader;
use serde_json::Value;
use std::net::TcpListener;

const NAME: &str = "桐島聡一郎";
const USER: &str = "kirishima.soichiro";

/// A ledger with one source more, and the port where it listens.
fn listening(class: &str, more: &str) -> (Ledger, u16) {
    let ledger = Ledger::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    ledger.configure(|text| {
        format!(
            "{text}\n[[ingest]]\nsource = 'fw'\nclass = '{class}'\nlisten = '127.0.0.1:{port}'\n\
             utc_offset = '+09:00'\n{more}\n"
        )
    });
    (ledger, port)
}

/// What was taken in, in order: of each entry its data, and its content.
fn ingested(ledger: &Ledger) -> Vec<(Value, Vec<u8>)> {
    let reader = Reader::open(&ledger.dir).unwrap();
    let entries = ledger.events("log.ingested");
    entries
        .into_iter()
        .map(|entry| {
            let seq = entry["seq"].as_u64().unwrap();
            let content = reader.entry(seq).unwrap().content()[0].clone();
            assert_eq!(content.name.as_str(), "lines");
            (entry["data"].clone(), reader.content(&content).unwrap())
        })
        .collect()
}

fn lines(ledger: &Ledger) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (data, content) in ingested(ledger) {
        let messages = messages(&content).unwrap();
        assert_eq!(data["lines"], messages.len());
        all.extend(messages.iter().map(|message| message.to_vec()));
    }
    all
}

fn contents(ledger: &Ledger) -> Vec<u8> {
    ingested(ledger)
        .into_iter()
        .flat_map(|(_, content)| content)
        .collect()
}

/// Lines that are recorded, as operators see it.
fn recorded(server: &Server) -> u64 {
    metric(server, "daicho_ingest_lines")
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = server.text("/metrics");
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{source=\"fw\"}} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Nothing of it stands anywhere outside sealed content.
fn is_sealed(ledger: &Ledger, words: &[&str]) {
    for path in walk(&ledger.dir) {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for word in words {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
    }
}
