use crate::{Hash, Label, Name, Timestamp};

facts! {
    /// Entry 0 of every log.
    LedgerCreated {
        /// C2SP checkpoint origin and key name.
        origin: Label,
        /// C2SP verifier key: `<origin>+<8 hex>+<base64>`.
        vkey: Label,
    }
    /// A signed promise about the entries before this one, in the log itself, so that every
    /// receiver of the log holds one.
    LedgerCheckpoint { size: u64, root: Hash, signature: Label, }
    /// Signed by the old key: entries after this one are signed by the new.
    KeyRotated { vkey: Label, reason: RotationReason, }
    WitnessCosigned { witness: Label, size: u64, root: Hash, signature: Label, cosigned: Timestamp, }
    /// An authority said when the checkpoint of this size existed (RFC 3161).
    CheckpointTimestamped {
        size: u64,
        /// SHA-256 of the authority's response as it is kept.
        token: Hash,
        /// The authority's time.
        time: Timestamp,
    }
    ExportDelivered { destination: Name, first: u64, last: u64, }
    ExportDegraded { destination: Name, position: u64, reason: DegradedReason, }
    ExportGap { destination: Name, first: u64, last: u64, }
    /// A start found bytes after the last whole entry that nobody was told about.
    LedgerRecovered {
        file: Label,
        /// Where the bytes begin that no entry is in.
        offset: u64,
        tail_bytes: u64,
        tail_sha256: Hash,
    }
}

words! {
    RotationReason { Scheduled, Leaked, Algorithm, Custody, }
    DegradedReason { TooLarge, Refused, Unreachable, }
}
