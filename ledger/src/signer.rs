use crate::note::{SignerKey, VerifierKey};

/// Whoever signs for a log: a key in this process, or a device that keeps its key to itself.
/// Called from several threads at once.
pub trait Signer: Send + Sync {
    fn verifier(&self) -> &VerifierKey;
    /// Ed25519 over the whole message.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// Nothing was signed. A ledger whose signer fails stops writing, as after a failed sync.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the signing key cannot be used: {reason}")]
pub struct SignError {
    pub reason: String,
}

impl Signer for SignerKey {
    fn verifier(&self) -> &VerifierKey {
        SignerKey::verifier(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(SignerKey::sign(self, message))
    }
}
