use crate::{Actor, EventId, Hash, Label, Name};

facts! {
    ScanStarted { scan: EventId, scanner: Label, scanner_version: Option<Label>, input_sha256: Hash, }
    ScanCompleted { scan: EventId, outcome: ScanOutcome, results: u64, reported: u64, known: u64, not_run: u64, }
    FileCovered { scan: EventId, path: Label, file_sha256: Option<Hash>, }
    /// Content `message`: the scanner's words, sealed.
    FindingReported {
        /// Derived from the fingerprint: the same weakness is one finding for ever.
        finding: EventId,
        scan: EventId,
        rule: Label,
        path: Label,
        line: Option<u64>,
        /// As `CWE-89`.
        cwe: Vec<Label>,
        severity: Severity,
        confidence: Confidence,
        fingerprint: Hash,
    }
    FindingVerified { finding: EventId, method: Label, evidence_sha256: Option<Hash>, }
    FindingRefuted { finding: EventId, method: Label, evidence_sha256: Option<Hash>, }
    FindingRated { finding: EventId, severity: Severity, confidence: Confidence, cvss: Option<Label>, }
    FindingMerged { finding: EventId, into: EventId, }
    FindingSuppressed { finding: EventId, reason: SuppressReason, until: Option<crate::Timestamp>, }
    FindingClosed { finding: EventId, reason: CloseReason, commit: Option<Label>, }
    FindingReopened { finding: EventId, scan: Option<EventId>, }
    /// Content `patch`: the unified diff.
    PatchProposed {
        patch: EventId,
        finding: EventId,
        /// SHA-256 of the diff's bytes.
        patch_sha256: Hash,
        /// SHA-256 over the sorted `<sha256>  <path>` lines of the files it changes.
        base_sha256: Hash,
        paths: Vec<Label>,
        proposer: Actor,
    }
    PatchChecked { patch: EventId, check: Name, outcome: CheckOutcome, log_sha256: Option<Hash>, }
    PatchApproved { patch: EventId, approval: EventId, }
    PatchRejected { patch: EventId, approval: Option<EventId>, }
    PatchApplied { patch: EventId, approval: EventId, patch_sha256: Hash, base_sha256: Hash, result_sha256: Hash, }
    DisclosureOpened { disclosure: EventId, finding: EventId, }
    DisclosureClosed { disclosure: EventId, finding: EventId, }
}

words! {
    Severity { Info, Low, Medium, High, Critical, }
    Confidence { Low, Medium, High, }
    ScanOutcome { Complete, Incomplete, Failed, }
    SuppressReason { FalsePositive, RiskAccepted, UsedInTests, Duplicate, }
    CloseReason { Fixed, Gone, Merged, Duplicate, }
    CheckOutcome { Passed, Failed, Error, NotRun, }
}
