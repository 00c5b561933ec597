mod curve;
mod field;
mod lanes;
mod table;
mod vector;

use crate::note::VerifierKey;
use crate::signer::{SignError, Signer};
use schemas::Hash;
pub(crate) use table::{KeyTable, Sums};

/// What stands before the leaf hash in what is signed. It keeps an entry's signature from
/// ever being one of a checkpoint.
fn prefix(origin: &str) -> Vec<u8> {
    [b"daicho/entry/v1\n", origin.as_bytes(), b"\n"].concat()
}

/// What an entry's signature covers: `daicho/entry/v1 LF origin LF leaf hash (32 bytes)`.
fn message(origin: &str, leaf: &Hash) -> Vec<u8> {
    let mut message = prefix(origin);
    message.extend(leaf.0);
    message
}

pub(crate) fn sign(signer: &dyn Signer, leaf: &Hash) -> Result<[u8; 64], SignError> {
    signer.sign(&message(signer.verifier().name(), leaf))
}

/// The one rule for a valid signature: RFC 8032 as `verify_strict` has it (canonical `s`,
/// no small-order `A` or `R`, cofactorless equation), so that no two verifiers disagree.
pub fn holds(key: &VerifierKey, leaf: &Hash, signature: &[u8; 64]) -> bool {
    key.holds(&message(key.name(), leaf), signature)
}
