//! Evidence bundles: chosen entries and what proves them, in one zip for an outside auditor.
//!
//! ```text
//! FORMAT.md  verify.html  verify.py      how to check, for people and for machines
//! manifest.json                          {"bundle":1,"chosen":{…}}: what the sender says was chosen
//! entries                                body TAB base64(signature) TAB base64 hashes LF
//! checkpoint                             the signed note that every proof leads to
//! older/proofs                           position TAB leaf hash TAB base64 hashes LF
//! older/cosigned.checkpoint              an older note, with cosignatures
//! older/stamped.checkpoint               another, and in older/stamped.tsr an RFC 3161 token over it
//! released/<seq>/<name>                  content as the officer releases it
//! sealed/<seq>/<name>                    the sealed bytes of it, which the entry commits to
//! ```
//! Nothing in a bundle is believed because it is in the bundle: proof goes from the bytes of a
//! body by hash and path to the root of a checkpoint, and from there to whoever signed it. The
//! path of entry n - 1 also gives the root that the log had when it had n entries: so the proof
//! that the log has grown from an older checkpoint is the proof of the last entry of that one,
//! and `older/proofs` has those whose entries are not here.

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
const ENTRIES: &str = "entries";
const CHECKPOINT: &str = "checkpoint";
const OLDER_PROOFS: &str = "older/proofs";
const COSIGNED: &str = "older/cosigned.checkpoint";
const STAMPED: &str = "older/stamped.checkpoint";
const TOKEN: &str = "older/stamped.tsr";

fn content_member(kind: &str, seq: u64, name: &str) -> String {
    format!("{kind}/{seq:020}/{name}")
}
