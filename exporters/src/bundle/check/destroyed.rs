//! What the entries here say of keys that are destroyed: nothing is sealed under one afterwards, and
//! nothing that was is shown any more.

use crate::bundle::evidence::Evidence;
use crate::bundle::report::Report;
use schemas::{BucketId, ContentRef, Data, DataSubject};
use std::collections::BTreeMap;

/// A bucket's key, or that of one person's content of it.
type Key = (BucketId, Option<DataSubject>);

pub fn check(evidence: &Evidence, report: &mut Report) {
    let mut gone: BTreeMap<Key, u64> = BTreeMap::new();
    for entry in &evidence.entries {
        let seq = entry.seq();
        for reference in &entry.envelope.content {
            let [own, _] = keys(reference);
            if let (Some(_), Some(certificate)) = (own.1, gone.get(&own)) {
                report.wrong(format!(
                    "entry {seq}: content under a key that entry {certificate} says is destroyed"
                ));
            }
        }
        let key = match &entry.envelope.event.data {
            Data::RetentionExpired(expired) => (expired.bucket.clone(), None),
            Data::ErasureCompleted(erased) => (erased.bucket.clone(), Some(erased.subject)),
            _ => continue,
        };
        gone.entry(key).or_insert(seq);
    }
    for (seq, name) in evidence.contents() {
        let reference = evidence.reference(seq, &name);
        let certificate = reference.and_then(|r| keys(r).iter().find_map(|key| gone.get(key)));
        if let Some(certificate) = certificate {
            report.wrong(format!(
                "{name} of entry {seq}: it was released, and entry {certificate} says that its key is destroyed"
            ));
        }
    }
    for ((bucket, person), seq) in &gone {
        let whose = match person {
            Some(_) => format!("one person's content of {bucket}"),
            None => format!("{bucket}"),
        };
        report.proves(
            format!("entry {seq} says that the key of {whose} is destroyed"),
            "no reader of this log opens what was sealed under it, and nothing of that is here",
        );
    }
    if !gone.is_empty() {
        report.leaves_open(
            "that no copy is left of a key that was destroyed",
            "the log says what was done where it was kept",
        );
    }
}

/// Either of them destroyed, nobody opens it.
fn keys(reference: &ContentRef) -> [Key; 2] {
    let bucket = &reference.bucket;
    [(bucket.clone(), reference.subject), (bucket.clone(), None)]
}
