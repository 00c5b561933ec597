//! An approved patch is applied: once, whole, and to exactly the files it was approved for.
//!
//! Files and log cannot change in one step, so the order decides what a crash leaves:
//!
//! 1. The patch is worked out in memory and prepared beside the files, durably
//!    ([`journal`](super::journal)). A crash here leaves nothing but the preparation.
//! 2. `patch.applied` is appended. Its id follows from the approval, so the log takes it once:
//!    of two that try, one gets a conflict, and whoever is first has the claim.
//! 3. The files are replaced, each by a rename. A crash here leaves a claim and a preparation;
//!    running again finishes it from there, without a second claim. A failure takes back what
//!    was replaced so far.
//! 4. The preparation is removed. From now on a run finds a claim and no preparation and
//!    refuses, even if somebody has put the old files back.
//!
//! Rejected: writing first and recording afterwards. A crash in between leaves a change that
//! the log knows nothing about, and a second run that cannot tell.

use super::diff::{Diff, DiffError};
use super::journal::{Cause, Halted, Journal};
use super::tree::{self, Tree, TreeError};
use crate::approvals::rule::NotGranted;
use crate::approvals::view::{Approval, Approvals, Decision};
use crate::once::{once, sha256};
use crate::scanner::findings::{Applied, Findings, Patch};
use crate::scanner::path::RepoPath;
use ledger::{AppendError, Receipt, Submission};
use schemas::kinds::scanner::PatchApplied;
use schemas::{Actor, Event, EventId, Hash, Timestamp};
use std::fs::File;
use std::io;

/// What to apply, where, and on whose word. The projections must have caught up with the log.
pub struct ApplyRequest<'a> {
    pub approval: EventId,
    /// The bytes of content `patch`, as the log keeps them.
    pub diff: &'a [u8],
    pub tree: &'a Tree,
    pub findings: &'a Findings,
    pub approvals: &'a Approvals,
    pub actor: &'a Actor,
    pub now: Timestamp,
}

/// The files are what the patch makes of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    pub patch: EventId,
    /// Position of `patch.applied`.
    pub seq: u64,
    pub result_sha256: Hash,
    pub paths: Vec<String>,
    /// An earlier run had the claim; this one finished its work.
    pub finished_earlier_run: bool,
}

/// The patch was not applied. Except where it says so, no file is changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    NotGranted(#[from] NotGranted),
    #[error("approval {approval} is not about a patch that this log knows")]
    NotAPatch { approval: EventId },
    #[error("patch {patch} was applied at {seq}; propose a new one to change the files again")]
    AppliedAlready { patch: EventId, seq: u64 },
    #[error("{seq} claims the patch before approval {approval} was granted; nothing is written")]
    ClaimedBeforeGranted { approval: EventId, seq: u64 },
    #[error("{proposer} proposed this patch and approved it; someone else must approve")]
    ApprovedByProposer { proposer: Actor },
    #[error("the patch's bytes are not those that the log names ({expected})")]
    OtherPatch { expected: Hash },
    #[error(
        "the files are not those that the patch was approved for (now {found}, then {expected}); \
         propose it again for the files as they are"
    )]
    BaseMoved { found: Hash, expected: Hash },
    #[error(
        "the run for approval {approval} was interrupted in this directory; finish it first \
         by applying it again"
    )]
    Unfinished { approval: EventId },
    #[error("another run applies a patch in this directory; wait until it has ended")]
    Busy,
    #[error(
        "what was prepared for this patch does not agree with the log; restore the files, \
         remove `.daicho-apply` and propose the patch again"
    )]
    JournalDiffers,
    #[error(transparent)]
    Diff(#[from] DiffError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("the patch could not be prepared in the project's directory")]
    Prepare(#[source] io::Error),
    #[error("the log did not take `patch.applied`: {0}")]
    NotRecorded(#[source] AppendError),
    #[error(
        "{path} was changed while the patch was being applied; {}. The log holds the claim: \
         put the file back and apply again",
        left(*undone)
    )]
    ChangedMeanwhile { path: RepoPath, undone: bool },
    #[error(
        "{path} could not be replaced; {}. The log holds the claim: remove the cause and apply \
         again",
        left(*undone)
    )]
    Replace {
        path: RepoPath,
        undone: bool,
        #[source]
        source: io::Error,
    },
}

fn left(undone: bool) -> &'static str {
    match undone {
        true => "what was replaced before it is taken back",
        false => "other files of the patch stay replaced",
    }
}

/// Applies the patch of an approval. `record` appends to the log and waits until it is durable.
pub fn apply(
    request: &ApplyRequest,
    record: impl FnOnce(Submission) -> Result<Receipt, AppendError>,
) -> Result<Outcome, ApplyError> {
    let (approval, tree) = (request.approval, request.tree);
    let unknown = NotGranted::Unknown { approval };
    let asked = request.approvals.find(approval).ok_or(unknown)?;
    let patch = request.findings.patch(asked.subject.id);
    let patch = patch.ok_or(ApplyError::NotAPatch { approval })?;

    let _lock = lock(tree)?;
    let journal = Journal::find(tree).map_err(ApplyError::Prepare)?;
    // Whether a journal counts is for the log to say: without a claim nothing was replaced.
    let claimed = |journal: &Journal| {
        let of = |p: &&Patch| p.applied.is_some_and(|a| a.approval == journal.approval);
        request.findings.patches().find(of)
    };
    let interrupted = journal.and_then(|journal| Some((claimed(&journal)?.patch, journal)));
    match (interrupted, patch.applied) {
        (Some((of, journal)), Some(applied))
            if of == patch.patch && journal.approval == approval =>
        {
            let base = Some(patch.base_sha256);
            let (approvals, arguments) = (request.approvals, patch.patch_sha256);
            // The claim was made in time; what has passed since does not undo it.
            let granted =
                approvals.was_granted(approval, patch.patch, arguments, base, applied.at)?;
            check_approvers(granted, patch)?;
            if granted.decisions.iter().any(|d| d.seq > applied.seq) {
                let seq = applied.seq;
                return Err(ApplyError::ClaimedBeforeGranted { approval, seq });
            }
            finish(request, patch, applied, &journal)
        }
        (Some((_, journal)), _) => Err(ApplyError::Unfinished {
            approval: journal.approval,
        }),
        (None, Some(applied)) => Err(ApplyError::AppliedAlready {
            patch: patch.patch,
            seq: applied.seq,
        }),
        (None, None) => begin(request, patch, record),
    }
}

fn begin(
    request: &ApplyRequest,
    patch: &Patch,
    record: impl FnOnce(Submission) -> Result<Receipt, AppendError>,
) -> Result<Outcome, ApplyError> {
    let (approval, tree) = (request.approval, request.tree);
    let base = Some(patch.base_sha256);
    let (approvals, arguments) = (request.approvals, patch.patch_sha256);
    let granted = approvals.is_granted(approval, patch.patch, arguments, base, request.now)?;
    check_approvers(granted, patch)?;
    if sha256(request.diff) != patch.patch_sha256 {
        let expected = patch.patch_sha256;
        return Err(ApplyError::OtherPatch { expected });
    }
    let diff = Diff::parse(request.diff)?;
    // Asked before the hunks are: that they happen to fit other files too does not matter.
    check_base(patch, tree.base_of(&diff)?)?;
    let worked_out = tree.work_out(&diff)?;
    check_base(patch, worked_out.base_sha256())?;
    let result_sha256 = worked_out.result_sha256();

    let journal = Journal::write(tree, approval, worked_out).map_err(ApplyError::Prepare)?;
    let applied = PatchApplied {
        patch: patch.patch,
        approval,
        patch_sha256: patch.patch_sha256,
        base_sha256: patch.base_sha256,
        result_sha256,
    };
    let id = once("patch.applied", &[&approval]);
    let mut event = Event::new(id, request.actor.clone(), applied);
    // Two runs differ in it, so the second one's event is another one: a conflict.
    event.occurred = Some(request.now);
    let seq = match record(event.into()) {
        Ok(receipt) if receipt.new => receipt.seq,
        Ok(receipt) => {
            Journal::clear(tree).map_err(ApplyError::Prepare)?;
            return Err(ApplyError::AppliedAlready {
                patch: patch.patch,
                seq: receipt.seq,
            });
        }
        Err(error) => {
            // After `Stopped` nobody knows yet whether the claim is in the log. The journal
            // waits: the next run asks the log.
            if !matches!(error, AppendError::Stopped { .. }) {
                Journal::clear(tree).map_err(ApplyError::Prepare)?;
            }
            return Err(ApplyError::NotRecorded(error));
        }
    };
    replace(tree, &journal)?;
    Ok(outcome(patch, seq, result_sha256, false))
}

/// Whoever asks for an approval cannot give it; whoever made the patch cannot either, even if
/// somebody else asked.
fn check_approvers(granted: &Approval, patch: &Patch) -> Result<(), ApplyError> {
    let by_proposer = |d: &Decision| d.approver == patch.proposer;
    if granted.decisions.iter().any(by_proposer) {
        let proposer = patch.proposer.clone();
        return Err(ApplyError::ApprovedByProposer { proposer });
    }
    Ok(())
}

fn check_base(patch: &Patch, found: Hash) -> Result<(), ApplyError> {
    let expected = patch.base_sha256;
    match found == expected {
        true => Ok(()),
        false => Err(ApplyError::BaseMoved { found, expected }),
    }
}

/// Goes on where an earlier run stopped behind its claim.
fn finish(
    request: &ApplyRequest,
    patch: &Patch,
    applied: Applied,
    journal: &Journal,
) -> Result<Outcome, ApplyError> {
    let same = tree::base_sha256(&journal.files) == patch.base_sha256
        && tree::result_sha256(&journal.files) == applied.result_sha256;
    if !same {
        return Err(ApplyError::JournalDiffers);
    }
    replace(request.tree, journal)?;
    Ok(outcome(patch, applied.seq, applied.result_sha256, true))
}

fn replace(tree: &Tree, journal: &Journal) -> Result<(), ApplyError> {
    journal.replace(tree).map_err(|halted| {
        let Halted {
            path,
            cause,
            undone,
        } = halted;
        match cause {
            Cause::Changed => ApplyError::ChangedMeanwhile { path, undone },
            Cause::Io(source) => ApplyError::Replace {
                path,
                undone,
                source,
            },
            Cause::Tree(error) => ApplyError::Replace {
                path,
                undone,
                source: io::Error::other(error),
            },
        }
    })?;
    Journal::clear(tree).map_err(ApplyError::Prepare)
}

fn outcome(patch: &Patch, seq: u64, result_sha256: Hash, finished_earlier_run: bool) -> Outcome {
    let paths = patch.paths.iter().map(|path| path.as_str().to_owned());
    Outcome {
        patch: patch.patch,
        seq,
        result_sha256,
        paths: paths.collect(),
        finished_earlier_run,
    }
}

/// One run at a time in one directory. Given back when the process ends, however it ends.
struct Lock(#[cfg_attr(not(unix), allow(dead_code))] Option<File>);

#[cfg(unix)]
fn lock(tree: &Tree) -> Result<Lock, ApplyError> {
    let directory = File::open(tree.root()).map_err(ApplyError::Prepare)?;
    match directory.try_lock() {
        Ok(()) => Ok(Lock(Some(directory))),
        Err(std::fs::TryLockError::WouldBlock) => Err(ApplyError::Busy),
        Err(std::fs::TryLockError::Error(source)) => Err(ApplyError::Prepare(source)),
    }
}

#[cfg(unix)]
impl Drop for Lock {
    /// Closing is not enough: a child that another thread is just starting holds a copy of
    /// the descriptor until it becomes its own program.
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            let _ = directory.unlock();
        }
    }
}

/// Windows locks no directories. There the ledger's own lock, which lets one process write,
/// keeps runs apart.
#[cfg(not(unix))]
fn lock(_tree: &Tree) -> Result<Lock, ApplyError> {
    Ok(Lock(None))
}

#[cfg(test)]
mod tests;
