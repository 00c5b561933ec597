//! Evidence bundles: chosen entries and what proves them, in one zip for an outside auditor.
//!
//! ```text
//! FORMAT.md  verify.html  verify.py      how to check, for people and for machines
//! entries                                body TAB base64(signature) *(TAB base64(hash)) LF
//! checkpoint                             the signed note that every path of hashes leads to
//! checkpoint.tsr                         an RFC 3161 token over it
//! released/<seq>/<name>                  content as the officer releases it
//! sealed/<seq>/<name>                    the sealed bytes of it, which the entry commits to
//! ```
//! Nothing in a bundle is believed because it is in the bundle: proof goes from the bytes of a
//! body by hash and path to the root of the checkpoint, and from there to whoever signed it.
//! What was chosen is not said: where positions follow each other nothing is missing, and of
//! more than that no choice could be proven to be whole.

mod check;
mod evidence;
mod keys;
mod report;
mod write;
pub mod zip;

pub use check::{Trust, check};
pub use keys::KeySpan;
pub use report::{Report, Statement};
pub use write::{Released, Wanted, WriteError, write};

const VERIFY_PY: &str = include_str!("bundle/verify.py");
const VERIFY_HTML: &str = include_str!("bundle/verify.html");

/// What every bundle holds so that it can be read without daicho.
const PAPERS: [(&str, &str); 3] = [
    ("FORMAT.md", ledger::FORMAT),
    ("verify.html", VERIFY_HTML),
    ("verify.py", VERIFY_PY),
];

const ENTRIES: &str = "entries";
const CHECKPOINT: &str = "checkpoint";
const TOKEN: &str = "checkpoint.tsr";

fn content_member(kind: &str, seq: u64, name: &str) -> String {
    format!("{kind}/{seq:020}/{name}")
}
