use crate::{BucketId, EventId, Hash, Label, Name, Period, Timestamp};

facts! {
    HoldPlaced { hold: EventId, case: Name, scope: Vec<Label>, approvals: Vec<EventId>, }
    HoldReleased { hold: EventId, case: Name, approvals: Vec<EventId>, }
    RetentionExtended { bucket: BucketId, period: Period, due: Option<Timestamp>, }
    RetentionExpired { bucket: BucketId, due: Timestamp, entries: u64, sealed_bytes: u64, content_sha256: Hash, method: Name, approvals: Vec<EventId>, }
    ErasureRequested { erasure: EventId, subject_tag: Label, basis: Name, }
    ErasureCompleted { erasure: EventId, contents: u64, method: Name, }
    /// Someone read sealed content.
    ContentRevealed { position: u64, name: Name, purpose: Name, }
    ReportIssued { report: Name, period: Option<Label>, head: u64, report_sha256: Hash, media: Label, }
    BackupCompleted { destination: Label, size: u64, root: Hash, }
    /// A log of another system. Content `lines`: the original bytes.
    LogIngested { source: Name, lines: u64, lines_sha256: Hash, first: Option<Timestamp>, last: Option<Timestamp>, }
}
