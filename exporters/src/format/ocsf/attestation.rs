//! OCSF 1.9's profile `record_integrity`: what an entry proves, in the places that OCSF has for it.
//!
//! | attribute | is |
//! |---|---|
//! | `authority_uid`, `chain_uid` | the log's origin, which is also its keys' name |
//! | `fingerprint` | the entry's leaf hash |
//! | `prev_event` | `metadata.uid` and `type_uid` of the event before and its leaf hash; absent of the first |
//! | `signatures` | that the leaf hash is signed, and how |
//!
//! OCSF would have the event itself hashed as it is sent. What the log hashed and signed is the
//! entry, which no receiver's form changes: `serialization` says so (99, Other), and `raw_data`
//! holds the entry's body wherever this destination is told all of it. SHA-256 of a zero byte and
//! `raw_data` is `fingerprint.value`. `digital_signature` has no attribute for the signature's own
//! bytes: they are `unmapped.daicho.sig`, and FORMAT.md §4 says what they sign.

use super::{EntryView, OTHER, row, type_uid};
use schemas::Hash;
use serde_json::{Value, json};

const SHA_256: u64 = 3;
const HEX: u64 = 1;

/// RFC 6962 §2.1.
const LEAF: &str = "a zero byte and the daicho entry's body";
const SIGNED: &str = "daicho/entry/v1";

pub(super) fn of(entry: &EntryView) -> Value {
    let mut attestation = json!({
        "authority_uid": entry.chain,
        "chain_uid": entry.chain,
        "fingerprint": fingerprint(entry.leaf),
    });
    if let Some(before) = entry.before {
        let (_, class, activity, _) = row(before.kind);
        attestation["prev_event"] = json!({
            "uid": before.id,
            "type_uid": type_uid(*class, *activity),
            "fingerprint": fingerprint(entry.prev),
        });
    }
    attestation["signatures"] = json!([{
        "algorithm_id": OTHER,
        "algorithm": "Ed25519",
        "serialization_id": OTHER,
        "serialization": SIGNED,
        "digest": fingerprint(entry.leaf),
    }]);
    attestation
}

fn fingerprint(hash: Hash) -> Value {
    json!({
        "algorithm_id": SHA_256,
        "encoding_id": HEX,
        "serialization_id": OTHER,
        "serialization": LEAF,
        "value": hash,
    })
}
