//! What must hold of every reader of bytes, whatever the bytes. A target asserts it and says
//! whether the bytes were accepted; `fuzz/run` looks for bytes that break it, and the test
//! below holds the seeds, and everything that once broke something, to it on every system.

mod checkpoint;
mod entry_body;
mod entry_bundle;
mod evidence_bundle;
mod foreign_lines;
mod key;
mod log_line;
mod masked_body;
mod masking;
mod masking_cost;
mod note;
mod policy;
mod tile_path;
mod time_stamp;
mod tlog_proof;
mod transcript;
mod witness_request;

use ledger::note::SignerKey;

pub type Target = fn(&[u8]) -> bool;

pub const TARGETS: &[(&str, Target)] = &[
    ("entry_body", entry_body::check),
    ("log_line", log_line::check),
    ("key", key::check),
    ("note", note::check),
    ("checkpoint", checkpoint::check),
    ("tile_path", tile_path::check),
    ("entry_bundle", entry_bundle::check),
    ("tlog_proof", tlog_proof::check),
    ("witness_request", witness_request::check),
    ("policy", policy::check),
    ("time_stamp", time_stamp::check),
    ("evidence_bundle", evidence_bundle::check),
    ("masking", masking::check),
    ("masking_cost", masking_cost::check),
    ("masked_body", masked_body::check),
    ("transcript", transcript::check),
    ("foreign_lines", foreign_lines::check),
];

/// Whoever signs in the seeds.
fn signer() -> SignerKey {
    SignerKey::from_seed("example.com/daicho", &[7; 32]).expect("a sound name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_seeds_and_their_nearest_neighbours_hold() {
        for (name, target) in TARGETS {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("corpus")
                .join(name);
            let mut accepted = 0;
            for seed in std::fs::read_dir(&seeds).expect("a target has seeds") {
                let bytes = std::fs::read(seed.expect("a file").path()).expect("a file");
                accepted += usize::from(target(&bytes));
                // Signatures are slow to check; a few hundred places are enough here.
                for at in (0..bytes.len()).step_by(bytes.len() / 400 + 1) {
                    target(&bytes[..at]);
                    for bit in [0, 3, 7] {
                        let mut near = bytes.clone();
                        near[at] ^= 1 << bit;
                        target(&near);
                    }
                }
            }
            assert!(accepted > 0, "{name} has no seed that is accepted");
        }
    }
}
