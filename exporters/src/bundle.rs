//! Evidence bundles: chosen entries and what proves them, in one zip for an outside auditor.
//!
//! ```text
//! FORMAT.md  verify.html  verify.py      how to check, for people and for machines
//! manifest.json                          {"bundle":1,"chosen":{…}}: what the sender says was chosen
//! entries.ndjson                         lines as in the log: body TAB base64(signature) LF
//! proofs                                 of each entry, in order: the middle of a C2SP tlog-proof
//! checkpoint                             the signed note that every proof leads to
//! older/<role>.checkpoint                an older one: cosigned, stamped, or kept by the auditor
//! older/<role>.consistency               RFC 6962 proof that the log has only grown since
//! older/stamped.tsr                      RFC 3161 token over that older note
//! released/<seq>/<name>                  content as the officer releases it
//! sealed/<seq>/<name>                    the sealed bytes of it, which the entry commits to
//! ```
//! Nothing in a bundle is believed because it is in the bundle: proof goes from the bytes of a
//! body by hash and path to the root of a checkpoint, and from there to whoever signed it.

mod check;
mod evidence;
mod keys;
mod manifest;
mod report;
mod write;
pub mod zip;

pub use check::{Trust, check};
pub use keys::KeySpan;
pub use manifest::{Chosen, Manifest};
pub use report::{Report, Statement};
pub use write::{Released, Stamped, Wanted, WriteError, write};

const VERIFY_PY: &str = include_str!("bundle/verify.py");
const VERIFY_HTML: &str = include_str!("bundle/verify.html");

/// What every bundle holds so that it can be read without daicho.
const PAPERS: [(&str, &str); 3] = [
    ("FORMAT.md", ledger::FORMAT),
    ("verify.html", VERIFY_HTML),
    ("verify.py", VERIFY_PY),
];

const MANIFEST: &str = "manifest.json";
const ENTRIES: &str = "entries.ndjson";
const PROOFS: &str = "proofs";
const CHECKPOINT: &str = "checkpoint";
const TOKEN: &str = "older/stamped.tsr";

/// What a proof lacks at its beginning, and the checkpoint at its end, to be a file of its own.
const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1\n";

fn content_member(kind: &str, seq: u64, name: &str) -> String {
    format!("{kind}/{seq:020}/{name}")
}

/// Why an older checkpoint is in a bundle.
const ROLES: [&str; 3] = ["cosigned", "kept", "stamped"];

fn older_member(role: &str, what: &str) -> String {
    format!("older/{role}.{what}")
}
