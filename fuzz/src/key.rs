use ledger::note::{SignerKey, VerifierKey};
use ledger::witness::CosignerKey;

/// A key has one text, secret or public, of the log or of a witness; never two readings.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let public = text.parse::<VerifierKey>();
    if let Ok(key) = &public {
        assert_eq!(key.to_string(), text.trim_end());
        assert!(text.contains(key.name()));
        // Another author's reading of the same specification; it takes weak keys too.
        assert!(signed_note::StandardVerifier::new(text.trim_end()).is_ok());
    }
    let witness = text.parse::<CosignerKey>();
    if let Ok(key) = &witness {
        assert_eq!(key.to_string(), text.trim_end());
    }
    assert!(public.is_err() || witness.is_err());
    let secret = SignerKey::parse(text);
    if let Ok(key) = &secret {
        assert_eq!(key.to_text().trim_end(), text.trim_end());
        assert_eq!(
            key.verifier().to_string().parse().as_ref(),
            Ok(key.verifier())
        );
    }
    public.is_ok() || witness.is_ok() || secret.is_ok()
}
