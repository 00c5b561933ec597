use crate::{Hash, Name, Timestamp};

facts! {
    SecretRegistered { secret: Name, kind: SecretKind, fingerprint_sha256: Hash, expires: Option<Timestamp>, }
    SecretRotated { secret: Name, fingerprint_sha256: Hash, expires: Option<Timestamp>, }
    SecretLeaked { secret: Name, positions: Vec<u64>, }
    SecretRevoked { secret: Name, reason: RevokeReason, }
}

words! {
    SecretKind { ProviderKey, AgentToken, ApproverKey, LogKey, Other, }
    RevokeReason { Rotated, Leaked, Unused, Requested, }
}
