//! The projection of findings: what is known of each weakness, and of the patches for it.

use ledger::{Entry, Projection};
use schemas::kinds::scanner::{
    CheckOutcome, CloseReason, Confidence, FindingReported, PatchProposed, Severity,
};
use schemas::{Actor, Data, Event, EventId, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every finding and patch that the log knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Findings {
    findings: BTreeMap<EventId, Finding>,
    patches: BTreeMap<EventId, Patch>,
}

/// ```text
/// open ─ verified ─ refuted ─ suppressed     any of these to any other: a person may think again
///   └──────┴── closed (fixed, gone, merged, duplicate) ── reopened
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    Verified,
    Refuted,
    Suppressed,
    Closed,
    Reopened,
}

impl State {
    /// Somebody still has to do something about it.
    pub fn is_live(self) -> bool {
        matches!(self, State::Open | State::Verified | State::Reopened)
    }
}

/// One weakness. Also a line of `daicho findings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub finding: EventId,
    pub state: State,
    pub severity: Severity,
    pub confidence: Confidence,
    pub project: Name,
    pub scanner: Label,
    pub rule: Label,
    pub path: Label,
    /// Where it stood when it was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub cwe: Vec<Label>,
    pub fingerprint: Hash,
    pub reported: Timestamp,
    /// When its state changed last.
    pub changed: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<CloseReason>,
    /// A suppression ends here by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How often it came back.
    pub reopened: u64,
    pub patches: Vec<EventId>,
    /// Positions behind this finding; the first is the report, whose content `message` says
    /// what is wrong.
    pub positions: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchState {
    Proposed,
    Approved,
    Rejected,
    /// Claimed by `patch.applied`. Whether the claim had a grant behind it is for the
    /// projection of approvals to say.
    Applied,
}

/// A unified diff proposed for a finding; its bytes are content `patch` of the first position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    pub patch: EventId,
    pub finding: EventId,
    pub state: PatchState,
    pub patch_sha256: Hash,
    pub base_sha256: Hash,
    pub paths: Vec<Label>,
    pub proposer: Actor,
    pub proposed: Timestamp,
    pub checks: Vec<(Name, CheckOutcome)>,
    /// The one application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    pub positions: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub seq: u64,
    pub at: Timestamp,
    pub approval: EventId,
    pub result_sha256: Hash,
}

/// Which findings are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub min_severity: Option<Severity>,
    /// Empty is every state.
    pub states: Vec<State>,
    pub project: Option<Name>,
}

impl Finding {
    /// A suppression that has run out is an open finding again.
    pub fn state(&self, now: Timestamp) -> State {
        match (self.state, self.until) {
            (State::Suppressed, Some(until)) if now > until => State::Open,
            (state, _) => state,
        }
    }
}

impl Projection for Findings {
    const NAME: &'static str = "findings";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        self.take(entry.seq(), entry.at(), entry.event());
    }
}

impl Findings {
    pub fn find(&self, finding: EventId) -> Option<&Finding> {
        self.findings.get(&finding)
    }

    pub fn all(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values()
    }

    pub fn patch(&self, patch: EventId) -> Option<&Patch> {
        self.patches.get(&patch)
    }

    pub fn patches(&self) -> impl Iterator<Item = &Patch> {
        self.patches.values()
    }

    /// Worst first, then by place; the state as of `now`.
    pub fn rows(&self, filter: &Filter, now: Timestamp) -> Vec<Finding> {
        let mut rows: Vec<Finding> = self
            .all()
            .map(|finding| Finding {
                state: finding.state(now),
                ..finding.clone()
            })
            .filter(|row| {
                filter
                    .min_severity
                    .is_none_or(|least| row.severity >= least)
            })
            .filter(|row| filter.states.is_empty() || filter.states.contains(&row.state))
            .filter(|row| filter.project.as_ref().is_none_or(|p| row.project == *p))
            .collect();
        rows.sort_by(|a, b| {
            let worst = (b.severity, b.confidence).cmp(&(a.severity, a.confidence));
            worst.then_with(|| (&a.path, a.line, a.finding).cmp(&(&b.path, b.line, b.finding)))
        });
        rows
    }

    /// Takes in one event at its place in the log. An event that does not fit the state of its
    /// finding is kept among the positions and changes nothing else.
    pub(crate) fn take(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match &event.data {
            Data::FindingReported(reported) => self.report(seq, at, reported),
            Data::FindingVerified(v) => {
                self.change(v.finding, seq, at, |f| f.move_to(State::Verified));
            }
            Data::FindingRefuted(r) => {
                self.change(r.finding, seq, at, |f| f.move_to(State::Refuted));
            }
            Data::FindingRated(rated) => self.change(rated.finding, seq, at, |f| {
                f.severity = rated.severity;
                f.confidence = rated.confidence;
                true
            }),
            Data::FindingMerged(merged) => {
                self.change(merged.finding, seq, at, |f| f.close(CloseReason::Merged))
            }
            Data::FindingSuppressed(suppressed) => {
                self.change(suppressed.finding, seq, at, |f| {
                    let moved = f.move_to(State::Suppressed);
                    if moved {
                        f.until = suppressed.until;
                    }
                    moved
                });
            }
            Data::FindingClosed(closed) => {
                self.change(closed.finding, seq, at, |f| f.close(closed.reason));
            }
            Data::FindingReopened(reopened) => self.change(reopened.finding, seq, at, |f| {
                let back = f.state == State::Closed;
                if back {
                    f.state = State::Reopened;
                    f.closed = None;
                    f.reopened += 1;
                }
                back
            }),
            Data::PatchProposed(proposed) => self.propose(seq, at, proposed),
            Data::PatchChecked(checked) => self.patch_change(checked.patch, seq, |patch| {
                patch.checks.push((checked.check.clone(), checked.outcome));
            }),
            Data::PatchApproved(approved) => self.patch_change(approved.patch, seq, |patch| {
                if patch.state == PatchState::Proposed {
                    patch.state = PatchState::Approved;
                }
            }),
            Data::PatchRejected(rejected) => self.patch_change(rejected.patch, seq, |patch| {
                if patch.state != PatchState::Applied {
                    patch.state = PatchState::Rejected;
                }
            }),
            Data::PatchApplied(applied) => self.patch_change(applied.patch, seq, |patch| {
                patch.state = PatchState::Applied;
                patch.applied.get_or_insert(Applied {
                    seq,
                    at,
                    approval: applied.approval,
                    result_sha256: applied.result_sha256,
                });
            }),
            _ => {}
        }
    }

    fn report(&mut self, seq: u64, at: Timestamp, reported: &FindingReported) {
        let finding = Finding {
            finding: reported.finding,
            state: State::Open,
            severity: reported.severity,
            confidence: reported.confidence,
            project: reported.project.clone(),
            scanner: reported.scanner.clone(),
            rule: reported.rule.clone(),
            path: reported.path.clone(),
            line: reported.line,
            cwe: reported.cwe.clone(),
            fingerprint: reported.fingerprint,
            reported: at,
            changed: at,
            closed: None,
            until: None,
            reopened: 0,
            patches: Vec::new(),
            positions: Vec::new(),
        };
        let known = self.findings.entry(reported.finding).or_insert(finding);
        known.positions.push(seq);
    }

    fn propose(&mut self, seq: u64, at: Timestamp, proposed: &PatchProposed) {
        let patch = Patch {
            patch: proposed.patch,
            finding: proposed.finding,
            state: PatchState::Proposed,
            patch_sha256: proposed.patch_sha256,
            base_sha256: proposed.base_sha256,
            paths: proposed.paths.clone(),
            proposer: proposed.proposer.clone(),
            proposed: at,
            checks: Vec::new(),
            applied: None,
            positions: Vec::new(),
        };
        let known = self.patches.entry(proposed.patch).or_insert(patch);
        known.positions.push(seq);
        if let Some(finding) = self.findings.get_mut(&proposed.finding) {
            finding.positions.push(seq);
            if !finding.patches.contains(&proposed.patch) {
                finding.patches.push(proposed.patch);
            }
        }
    }

    fn change(
        &mut self,
        finding: EventId,
        seq: u64,
        at: Timestamp,
        change: impl FnOnce(&mut Finding) -> bool,
    ) {
        if let Some(finding) = self.findings.get_mut(&finding) {
            finding.positions.push(seq);
            if change(finding) {
                finding.changed = at;
            }
        }
    }

    fn patch_change(&mut self, patch: EventId, seq: u64, change: impl FnOnce(&mut Patch)) {
        if let Some(patch) = self.patches.get_mut(&patch) {
            patch.positions.push(seq);
            change(patch);
            if let Some(finding) = self.findings.get_mut(&patch.finding) {
                finding.positions.push(seq);
            }
        }
    }
}

impl Finding {
    /// Judgements are about what is there; a closed finding has to come back first.
    fn move_to(&mut self, state: State) -> bool {
        let moves = self.state != State::Closed;
        if moves {
            self.state = state;
            self.until = None;
        }
        moves
    }

    fn close(&mut self, reason: CloseReason) -> bool {
        let closes = self.state != State::Closed;
        if closes {
            self.state = State::Closed;
            self.closed = Some(reason);
            self.until = None;
        }
        closes
    }
}
