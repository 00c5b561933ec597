//! A patch for a finding: proposed, decided on by a person, applied once.
//!
//! Proposing works the patch out on the files as they are, so that nobody is asked about one
//! that does not apply; the approval then binds the digest of the diff and of its base.

pub mod apply;
pub mod diff;
mod journal;
pub mod tree;

use super::findings::{Findings, Patch, PatchState};
use crate::approvals::view::{Approvals, State};
use crate::approvals::{Request, RequestError, request};
use crate::once::{name, once, sha256};
use diff::{Change, Diff, DiffError};
use ledger::{Content, Submission};
use schemas::kinds::acting::{Subject, SubjectKind};
use schemas::kinds::scanner::{PatchApproved, PatchProposed, PatchRejected};
use schemas::{Actor, Event, EventId, Hash, Label, Timestamp};
use tree::{Tree, TreeError};

/// Who proposes, and under which rules it is decided.
#[derive(Debug, Clone)]
pub struct Terms {
    pub proposer: Actor,
    pub policy: Hash,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
}

/// What to append, and what it is about.
pub struct Proposal {
    pub patch: EventId,
    pub approval: EventId,
    pub patch_sha256: Hash,
    pub base_sha256: Hash,
    pub result_sha256: Hash,
    pub changes: Vec<(Label, Change)>,
    /// `patch.proposed` and `approval.requested`.
    pub submissions: Vec<Submission>,
}

/// Nothing was proposed.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    #[error("this log does not know finding {finding}; see `daicho findings`")]
    FindingUnknown { finding: EventId },
    #[error("finding {finding} is closed; there is nothing to patch")]
    FindingClosed { finding: EventId },
    #[error(transparent)]
    Diff(#[from] DiffError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("the patch leaves the files as they are")]
    ChangesNothing,
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Plans a patch for a finding, and the request to approve it.
#[expect(clippy::too_many_arguments, reason = "each is another source of facts")]
pub fn propose(
    finding: EventId,
    diff: &[u8],
    tree: &Tree,
    terms: Terms,
    findings: &Findings,
    approvals: &Approvals,
    new_id: &mut dyn FnMut() -> EventId,
    now: Timestamp,
) -> Result<Proposal, ProposeError> {
    let known = findings.find(finding);
    let known = known.ok_or(ProposeError::FindingUnknown { finding })?;
    if known.state == super::findings::State::Closed {
        return Err(ProposeError::FindingClosed { finding });
    }
    let parsed = Diff::parse(diff)?;
    let worked_out = tree.work_out(&parsed)?;
    let (base_sha256, result_sha256) = (worked_out.base_sha256(), worked_out.result_sha256());
    if base_sha256 == result_sha256 {
        return Err(ProposeError::ChangesNothing);
    }
    let (patch, approval) = (new_id(), new_id());
    let patch_sha256 = sha256(diff);
    let files = parsed.files.iter();
    let changes: Vec<(Label, Change)> = files
        .map(|file| (file.path.label().clone(), file.change))
        .collect();
    let proposed = PatchProposed {
        patch,
        finding,
        patch_sha256,
        base_sha256,
        paths: changes.iter().map(|(path, _)| path.clone()).collect(),
        proposer: terms.proposer.clone(),
    };
    let proposed = Submission {
        event: Event::new(patch, terms.proposer.clone(), proposed),
        content: vec![Content {
            name: name("patch"),
            media: Label::lossy("text/x-diff"),
            bytes: diff.to_vec(),
        }],
        person: None,
    };
    let asked = Request {
        subject: Subject {
            kind: SubjectKind::Patch,
            id: patch,
            name: None,
        },
        arguments_sha256: patch_sha256,
        base_sha256: Some(base_sha256),
        requester: terms.proposer,
        policy: terms.policy,
        deadline: terms.deadline,
        approvers_needed: terms.approvers_needed,
    };
    let requested = request(approvals, approval, asked, now)?;
    Ok(Proposal {
        patch,
        approval,
        patch_sha256,
        base_sha256,
        result_sha256,
        changes,
        submissions: vec![proposed, requested],
    })
}

/// Plans `patch.approved` and `patch.rejected` for what people have decided meanwhile.
///
/// They say in the patch's own history what follows from the decisions; nothing relies on
/// them. Safe to plan at any time: each has the one id of its patch and approval.
pub fn follow_decisions(
    findings: &Findings,
    approvals: &Approvals,
    actor: &Actor,
    now: Timestamp,
) -> Vec<Submission> {
    let mut planned = Vec::new();
    for asked in approvals.all() {
        let open = |patch: &&Patch| {
            patch.state == PatchState::Proposed && patch.patch_sha256 == asked.arguments_sha256
        };
        let Some(patch) = findings.patch(asked.subject.id).filter(open) else {
            continue;
        };
        let (patch, approval) = (patch.patch, asked.approval);
        let id = once("patch.decided", &[&patch, &approval]);
        let event = match asked.state(now) {
            State::Granted => Event::new(id, actor.clone(), PatchApproved { patch, approval }),
            State::Denied => {
                let approval = Some(approval);
                Event::new(id, actor.clone(), PatchRejected { patch, approval })
            }
            State::Requested | State::Expired => continue,
        };
        planned.push(event.into());
    }
    planned
}
