use crate::{Actor, EventId, Hash, Label, Name};

facts! {
    /// One scanner's report is taken in. Two projects of one ledger may have equal paths.
    ScanStarted { scan: EventId, project: Name, scanner: Label, scanner_version: Option<Label>, input_sha256: Hash, }
    ScanCompleted {
        scan: EventId,
        outcome: ScanOutcome,
        results: u64,
        /// Findings that the log did not know.
        reported: u64,
        /// Results whose finding the log knows already.
        known: u64,
        reopened: u64,
        /// Findings closed because a file that was looked at no longer shows them.
        gone: u64,
        /// Results that the source itself suppresses: counted, never dropped silently.
        suppressed: u64,
        /// Results that say that all is well, or that a weakness is absent.
        passed: u64,
        covered: u64,
        /// Errors that the scanner met: files, or whole steps, that it did not look at.
        not_run: u64,
    }
    FileCovered { scan: EventId, path: Label, coverage: Coverage, file_sha256: Option<Hash>, }
    /// Content `message`: the scanner's words, sealed.
    FindingReported {
        /// Derived from the fingerprint: the same weakness is one finding for ever.
        finding: EventId,
        scan: EventId,
        project: Name,
        scanner: Label,
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
    FindingClosed { finding: EventId, reason: CloseReason, scan: Option<EventId>, commit: Option<Label>, }
    FindingReopened { finding: EventId, scan: Option<EventId>, }
    /// Content `patch`: the unified diff.
    PatchProposed {
        patch: EventId,
        finding: EventId,
        /// SHA-256 of the diff's bytes.
        patch_sha256: Hash,
        /// SHA-256 over the sorted `<sha256>  <path>` lines of the files it changes; 64 zeros
        /// for a file that is not there.
        base_sha256: Hash,
        paths: Vec<Label>,
        proposer: Actor,
    }
    PatchChecked { patch: EventId, check: Name, outcome: CheckOutcome, log_sha256: Option<Hash>, }
    PatchApproved { patch: EventId, approval: EventId, }
    PatchRejected { patch: EventId, approval: Option<EventId>, }
    /// Its id follows from the approval, so the log holds it once. Written before the first
    /// file changes; `result_sha256` is the digest of the files afterwards, as `base_sha256`.
    PatchApplied { patch: EventId, approval: EventId, patch_sha256: Hash, base_sha256: Hash, result_sha256: Hash, }
    DisclosureOpened { disclosure: EventId, finding: EventId, }
    DisclosureClosed { disclosure: EventId, finding: EventId, }
}

words! {
    Severity { Info, Low, Medium, High, Critical, }
    Confidence { Low, Medium, High, }
    ScanOutcome { Complete, Incomplete, Failed, }
    Coverage { Scanned, NotRun, }
    SuppressReason { FalsePositive, RiskAccepted, UsedInTests, Duplicate, }
    CloseReason { Fixed, Gone, Merged, Duplicate, }
    CheckOutcome { Passed, Failed, Error, NotRun, }
}
