//! What a server does about requests: it shows them to approvers, takes what they decide, and says
//! when they are over.

use super::Node;
use super::work::pause;
use crate::approvals::{self, Decided, Line, Whole, WholeError, follow, registered};
use crate::door::Door;
use agents::approvals::rule::Refused;
use agents::approvals::signature::from_armour;
use agents::approvals::statement::{Statement, Verdict};
use agents::approvals::view::State;
use agents::approvals::{decide, expire, statement};
use ledger::{AppendError, IndexError};
use schemas::{Actor, EventId};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks. The time is looked at, never slept away: a clock that was set, or a host
/// that was suspended, is noticed at the next look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// In one commit: a server may have been down while thousands went by.
const MOST_AT_ONCE: usize = 256;

/// Records `approval.expired` for each request whose deadline went by undecided, those that did
/// while no server ran among them.
///
/// Time is the log's own ([`Node::now`]), which never runs back: what was over once stays over. A
/// host's clock that jumps ahead ends requests early, and approves nothing.
pub fn run(node: &Node, stop: &AtomicBool) {
    let actor = Actor::Service("approvals".parse().expect("a literal name is sound"));
    let (mut told, mut failing) = (HashSet::<EventId>::new(), false);
    while !stop.load(Ordering::Relaxed) {
        let now = node.now();
        let mut over = node.views.approvals.read(|a| expire(a, &actor, now));
        // The view may not know yet what the log does.
        over.retain(|submission| !told.contains(&submission.event.id));
        for batch in over.chunks(MOST_AT_ONCE) {
            let ids = batch.iter().map(|submission| submission.event.id);
            match node.appender.append(batch.to_vec()) {
                Ok(_) => {
                    told.extend(ids);
                    failing = false;
                }
                // Somebody else has said it in other words; what that counts for, the fold says.
                Err(AppendError::Conflict { id, .. }) => {
                    told.insert(id);
                    break;
                }
                Err(error) => {
                    if !failing {
                        tracing::error!(%error, "the end of a request could not be recorded");
                    }
                    failing = true; // once per outage
                    break;
                }
            }
        }
        pause(stop, LOOK_AGAIN);
    }
}

/// With previews of what waits, for who has shown the operator's token.
pub fn shown(node: &Node, state: Option<State>) -> Result<Vec<Line>, AppendError> {
    let mut lines = approvals::lines(&node.views, state, node.now());
    let masker = node.gateway.masker();
    let door = Door::Here(node.appender.clone());
    approvals::preview(&mut lines, (&node.views, &node.reader), &masker, &door)?;
    Ok(lines)
}

/// One in full; `None` where the log does not know it.
pub fn whole(node: &Node, approval: EventId) -> Result<Option<Whole>, WholeError> {
    let mut lines = approvals::lines(&node.views, None, node.now());
    lines.retain(|line| line.row.approval == approval);
    let door = Door::Here(node.appender.clone());
    let opened = lines
        .pop()
        .map(|line| approvals::whole(line, (&node.views, &node.reader), &door));
    opened.transpose()
}

/// Why a decision does not stand.
#[derive(Debug, thiserror::Error)]
pub enum NotDecided {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("{0}")]
    Ignored(String),
}

/// What an approver has to sign, if this one may decide at all.
pub fn stated(
    node: &Node,
    approval: EventId,
    approver: &Actor,
    verdict: Verdict,
) -> Result<Statement, NotDecided> {
    node.views.catch_up()?;
    let now = node.now();
    let read = node
        .views
        .approvals
        .read(|approvals| statement(approvals, approval, approver, verdict, now));
    Ok(read?)
}

/// Records a decision that its approver has signed, and what follows from it. Holds and erasures
/// [`super::retention`] sees to by itself.
pub fn decided(
    node: &Node,
    approval: EventId,
    approver: &Actor,
    verdict: Verdict,
    armoured: &str,
) -> Result<Decided, NotDecided> {
    let stated = stated(node, approval, approver, verdict)?;
    let key = registered(&node.views, approver).ok_or_else(|| Refused::ApproverUnregistered {
        approver: approver.clone(),
    })?;
    let signature = from_armour(armoured).map_err(Refused::from)?;
    let now = node.now();
    let decision = node
        .views
        .approvals
        .read(|approvals| decide(approvals, stated, &key, signature, now));
    let receipts = node.appender.append(vec![decision?])?;
    node.views.catch_up()?;
    let decided = Decided::at(receipts[0].seq, verdict, approval, &node.views);
    let decided = decided.map_err(NotDecided::Ignored)?;
    // By whom the command would record it: whoever comes second says the same.
    let by = Door::Here(node.appender.clone()).operator();
    let follows = follow(&node.views, &by, node.now());
    if !follows.is_empty()
        && let Err(error) = node.appender.append(follows)
    {
        // The decision stands, and nothing relies on this; the next one says it again.
        tracing::error!(%error, "what a decision means for a patch could not be recorded");
    }
    Ok(decided)
}
