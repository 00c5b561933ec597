use super::{Answer, given};
use crate::server::Node;
use crate::server::api::{Wanted, page};
use ledger::verify::faults as faults_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Entries in one answer: a model reads them.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 200;

pub async fn search(node: Node, arguments: Value) -> Answer {
    let mut wanted: Wanted = given(arguments)?;
    wanted.limit = Some(wanted.limit.unwrap_or(PAGE).min(LONGEST_PAGE));
    let page = page(node, wanted).await;
    page.map_err(|fault| fault.to_string())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Position of the first entry, from 0.
    from: u64,
    /// Position after the last; at most 10000 after `from`.
    to: u64,
}

const MOST: u64 = 10_000;

/// What is wrong is named by its position; what does not end in a fault is proven.
pub fn verify(node: &Node, arguments: Value) -> Answer {
    let Range { from, to } = given(arguments)?;
    let reader = &node.reader;
    let size = reader.size();
    if from >= to || to > size || to - from > MOST {
        return Err(format!(
            "a range is from < to, at most {MOST} entries, and the ledger holds {size}"
        ));
    }
    let keys = reader.keys();
    let mut faults = Vec::new();
    let mut fault = |seq: u64, what: String| {
        if faults.len() < 16 {
            faults.push(json!({ "seq": seq, "fault": what }));
        }
    };
    // Read from the file, and held against the hash that it had when it was written.
    for (seq, unsound) in faults_of(reader, from..to) {
        fault(seq, unsound.to_string());
    }
    let note = reader.checkpoint();
    let covers = match keys.open(note.as_bytes()) {
        Ok(checkpoint) => match reader.root_at(checkpoint.size) {
            Ok(root) if root == checkpoint.root => checkpoint.size,
            _ => {
                fault(from, "the checkpoint promises another history".to_owned());
                0
            }
        },
        Err(error) => {
            fault(from, error.to_string());
            0
        }
    };
    let verified = faults.is_empty() && covers >= to;
    Ok(json!({
        "verified": verified,
        "from": from,
        "to": to,
        "faults": faults,
        "covered": covers.clamp(from, to) - from,
        "checkpoint": &*note,
        "not_checked": "the rest of the ledger, and that this checkpoint is the one others were shown: `daicho verify`",
    }))
}
