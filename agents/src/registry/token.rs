use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::Hash;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A bearer token of an agent. Neither `Debug` nor `Serialize`; wiped when dropped.
pub struct Token(Zeroizing<String>);

#[derive(Debug, thiserror::Error)]
#[error("the system gives no randomness for a token")]
pub struct NoRandomness;

/// So that a token in the wrong place is recognised, by people and by scanners of secrets.
const PREFIX: &str = "dct_";

/// What is longer is not one of ours, and is not worth hashing.
const MAX_BYTES: usize = 512;

/// A new token: 256 bits of the system's randomness.
pub fn issue_token() -> Result<Token, NoRandomness> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|_| NoRandomness)?;
    Ok(Token(Zeroizing::new(format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(*random)
    ))))
}

impl Token {
    /// What a client presented. `None` where it cannot be a token at all.
    pub fn presented(text: &str) -> Option<Token> {
        let sound =
            (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Token(Zeroizing::new(text.to_owned())))
    }

    /// What the log keeps of it.
    pub fn digest(&self) -> Hash {
        Hash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// For the one moment when it is handed to whoever asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
