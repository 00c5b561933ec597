//! The projection of approvals: what waits, what was decided, and which decisions count.

use super::signature::ApproverKey;
use super::statement::{SignedDecision, Verdict};
use ledger::{Entry, Projection};
use schemas::kinds::acting::{ApprovalRequested, NotifyChannel, NotifyOutcome, Subject};
use schemas::{Actor, Data, Event, EventId, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name under which `policy.adopted` puts approval rules in force.
pub const POLICY: &str = "approvals";

/// Every approval that the log knows, and the keys of those who may decide.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Approvals {
    origin: Option<Label>,
    policy: Option<Hash>,
    /// From `user.activated`; a deactivated user has no key.
    keys: BTreeMap<Name, Label>,
    /// From `agent.registered` and `agent.updated`: whom each agent works for.
    persons: BTreeMap<Name, Name>,
    approvals: BTreeMap<EventId, Approval>,
}

/// One request and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    pub approval: EventId,
    pub subject: Subject,
    pub arguments_sha256: Hash,
    pub base_sha256: Option<Hash>,
    pub requester: Actor,
    /// Who wrote the request, which may be another than its requester. May not approve either.
    pub asked_by: Actor,
    /// Whom these two, as far as they are agents, worked for when it was asked. They may deny it.
    pub works_for: Vec<Name>,
    pub policy: Hash,
    pub requested: Timestamp,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
    /// Those that count, in the order of the log.
    pub decisions: Vec<Decision>,
    /// Grants whose signer lost the key before anything was done on them: they count no more.
    pub withdrawn: Vec<Decision>,
    /// Where what it allows was done, or begun.
    pub used: Option<u64>,
    /// How approvers were told, or could not be, in the order of the log.
    pub notified: Vec<(NotifyChannel, NotifyOutcome)>,
    /// `approval.expired` is in the log.
    pub expired: bool,
    /// Positions of decisions in the log that do not count, and why.
    pub refused: Vec<(u64, String)>,
    /// Positions behind this approval.
    pub positions: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub approver: Actor,
    pub key: Label,
    pub verdict: Verdict,
    pub seq: u64,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Requested,
    Granted,
    Denied,
    Expired,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// A line of `daicho approvals list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub approval: EventId,
    pub state: State,
    pub subject: Subject,
    pub requester: Actor,
    pub arguments_sha256: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_sha256: Option<Hash>,
    pub age_seconds: u64,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
    pub approved_by: Vec<Actor>,
    pub denied_by: Vec<Actor>,
    /// Whose grant counts no more, because the key that signed it is no longer theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Actor>,
    pub positions: Vec<u64>,
}

impl Row {
    /// How far it has come: `1 of 2` have approved.
    pub fn progress(&self) -> String {
        format!("{} of {}", self.approved_by.len(), self.approvers_needed)
    }
}

impl Projection for Approvals {
    const NAME: &'static str = "approvals";
    const VERSION: u32 = 6;

    fn fold(&mut self, entry: &Entry) {
        self.take(entry.seq(), entry.at(), entry.event());
    }
}

impl Approval {
    pub fn state(&self, now: Timestamp) -> State {
        if self.decisions.iter().any(|d| d.verdict == Verdict::Deny) {
            State::Denied
        } else if self.approved() >= self.approvers_needed {
            State::Granted
        } else if self.expired || now > self.deadline {
            State::Expired
        } else {
            State::Requested
        }
    }

    /// How many have approved: each a person of their own, with a key of their own.
    pub fn approved(&self) -> u64 {
        let granted = |d: &&Decision| d.verdict == Verdict::Approve;
        self.decisions.iter().filter(granted).count() as u64
    }

    fn row(&self, now: Timestamp) -> Row {
        let by = |verdict| {
            let decisions = self.decisions.iter().filter(move |d| d.verdict == verdict);
            decisions.map(|d| d.approver.clone()).collect()
        };
        let age_micros = now.micros().saturating_sub(self.requested.micros());
        Row {
            approval: self.approval,
            state: self.state(now),
            subject: self.subject.clone(),
            requester: self.requester.clone(),
            arguments_sha256: self.arguments_sha256,
            base_sha256: self.base_sha256,
            age_seconds: u64::try_from(age_micros).unwrap_or(0) / 1_000_000,
            deadline: self.deadline,
            approvers_needed: self.approvers_needed,
            approved_by: by(Verdict::Approve),
            denied_by: by(Verdict::Deny),
            withdrawn: self.withdrawn.iter().map(|d| d.approver.clone()).collect(),
            positions: self.positions.clone(),
        }
    }
}

impl Approvals {
    pub fn find(&self, approval: EventId) -> Option<&Approval> {
        self.approvals.get(&approval)
    }

    pub fn all(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.values()
    }

    /// Oldest request first; `None` for every state.
    pub fn rows(&self, state: Option<State>, now: Timestamp) -> Vec<Row> {
        let mut rows: Vec<Row> = self.all().map(|approval| approval.row(now)).collect();
        rows.retain(|row| state.is_none_or(|state| row.state == state));
        rows.sort_by_key(|row| row.positions.first().copied());
        rows
    }

    /// The log's own name, which every statement carries.
    pub fn origin(&self) -> Option<&Label> {
        self.origin.as_ref()
    }

    pub fn policy_in_force(&self) -> Option<Hash> {
        self.policy
    }

    /// Could everybody who granted it still sign with the key that they signed with? Asked where a
    /// grant is acted on for longer than its deadline (`register` takes back what is not used by then).
    pub fn bear_out(&self, asked: &Approval) -> bool {
        let granted = asked.decisions.iter();
        let mut granted = granted.filter(|d| d.verdict == Verdict::Approve);
        granted
            .all(|d| matches!(&d.approver, Actor::User(user) if self.key_of(user) == Some(&d.key)))
    }

    /// The key that `user.activated` registered for this user.
    pub fn key_of(&self, user: &Name) -> Option<&Label> {
        self.keys.get(user)
    }

    /// Whom those who ask for an approval worked for then, or work for now.
    pub(super) fn persons_behind<'a>(
        &'a self,
        asked: &'a Approval,
    ) -> impl Iterator<Item = &'a Name> {
        let asking = [&asked.requester, &asked.asked_by];
        let now = asking.into_iter().filter_map(|asker| self.person_of(asker));
        asked.works_for.iter().chain(now)
    }

    fn person_of(&self, actor: &Actor) -> Option<&Name> {
        match actor {
            Actor::Agent(agent) => self.persons.get(agent),
            Actor::User(_) | Actor::Service(_) => None,
        }
    }

    /// Takes in one event at its place in the log.
    pub(crate) fn take(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match &event.data {
            Data::LedgerCreated(created) => {
                self.origin.get_or_insert_with(|| created.origin.clone());
            }
            Data::PolicyAdopted(adopted) => {
                if adopted.policy.as_str() == POLICY {
                    self.policy = Some(adopted.digest);
                }
                self.use_all(&adopted.approvals, seq, at);
            }
            Data::HoldPlaced(placed) => self.use_all(&placed.approvals, seq, at),
            Data::HoldReleased(released) => self.use_all(&released.approvals, seq, at),
            Data::RetentionExpired(expired) => self.use_all(&expired.approvals, seq, at),
            Data::ErasureCompleted(completed) => self.use_all(&completed.approvals, seq, at),
            Data::UserActivated(activated) => {
                // A key that could not sign an approval is no key, and takes the old one away.
                let key = activated.approver_key.as_ref();
                let key = key.and_then(|key| ApproverKey::parse(key.as_str()).ok());
                let key = key.map(|key| key.label().clone());
                self.register(&activated.user, key, (seq, at));
            }
            Data::AgentRegistered(agent) => {
                // A name that comes back works for whom it is registered for now, or for nobody.
                self.persons.remove(&agent.agent);
                self.works_for(&agent.agent, agent.person.as_ref());
            }
            Data::AgentUpdated(agent) => self.works_for(&agent.agent, agent.person.as_ref()),
            Data::UserDeactivated(deactivated) => self.register(&deactivated.user, None, (seq, at)),
            Data::ApprovalRequested(requested) => self.request(seq, at, event, requested),
            Data::ApprovalGranted(_) | Data::ApprovalDenied(_) => self.decision(seq, at, event),
            Data::ApprovalExpired(expired) => {
                if let Some(approval) = self.approvals.get_mut(&expired.approval) {
                    approval.positions.push(seq);
                    // Nobody can end another's approval early by saying that it is over.
                    approval.expired |= at > approval.deadline;
                }
            }
            Data::ApprovalNotified(told) => {
                if let Some(approval) = self.approvals.get_mut(&told.approval) {
                    approval.notified.push((told.channel, told.outcome));
                    approval.positions.push(seq);
                }
            }
            Data::ActionReleased(released) => self.use_up(released.approval, seq, at),
            Data::PatchApplied(applied) => self.use_up(applied.approval, seq, at),
            _ => {}
        }
    }

    /// The key that a user signs with from here on. What another key of theirs granted, and
    /// nobody has acted on, counts no more: whoever took the key away did not trust it. A
    /// denial stands, because it lets nothing happen.
    fn register(&mut self, user: &Name, key: Option<Label>, (seq, at): (u64, Timestamp)) {
        let approver = Actor::User(user.clone());
        for approval in self.approvals.values_mut() {
            let Approval {
                decisions,
                withdrawn,
                positions,
                ..
            } = approval;
            let taken_away = |d: &Decision| {
                d.approver == approver
                    && d.verdict == Verdict::Approve
                    && Some(&d.key) != key.as_ref()
            };
            if approval.used.is_some()
                || at > approval.deadline
                || !decisions.iter().any(taken_away)
            {
                continue;
            }
            withdrawn.extend(decisions.extract_if(.., |d| taken_away(d)));
            positions.push(seq);
        }
        match key {
            Some(key) => self.keys.insert(user.clone(), key),
            None => self.keys.remove(user),
        };
    }

    fn works_for(&mut self, agent: &Name, person: Option<&Name>) {
        if let Some(person) = person {
            self.persons.insert(agent.clone(), person.clone());
        }
    }

    /// Something was done on a grant: what becomes of its approvers' keys later is no matter.
    fn use_up(&mut self, approval: EventId, seq: u64, at: Timestamp) {
        if let Some(approval) = self.approvals.get_mut(&approval)
            && approval.state(at) == State::Granted
        {
            approval.used.get_or_insert(seq);
        }
    }

    fn use_all(&mut self, approvals: &[EventId], seq: u64, at: Timestamp) {
        for &approval in approvals {
            self.use_up(approval, seq, at);
        }
    }

    fn request(&mut self, seq: u64, at: Timestamp, event: &Event, asked: &ApprovalRequested) {
        let asking = [&asked.requester, &event.actor];
        let works_for: BTreeSet<&Name> = asking
            .into_iter()
            .filter_map(|asker| self.person_of(asker))
            .collect();
        // The first request has the id; a second one with other arguments changes nothing.
        let request = Approval {
            approval: asked.approval,
            subject: asked.subject.clone(),
            arguments_sha256: asked.arguments_sha256,
            base_sha256: asked.base_sha256,
            requester: asked.requester.clone(),
            asked_by: event.actor.clone(),
            works_for: works_for.into_iter().cloned().collect(),
            policy: asked.policy,
            requested: at,
            deadline: asked.deadline,
            // Zero would be granted before anyone looked.
            approvers_needed: asked.approvers_needed.max(1),
            decisions: Vec::new(),
            withdrawn: Vec::new(),
            used: None,
            notified: Vec::new(),
            expired: false,
            refused: Vec::new(),
            positions: vec![seq],
        };
        self.approvals.entry(asked.approval).or_insert(request);
    }

    fn decision(&mut self, seq: u64, at: Timestamp, event: &Event) {
        let Some(signed) = SignedDecision::of(&event.data) else {
            return;
        };
        let counts = self.counts(&signed, &event.actor, at);
        let Some(approval) = self.approvals.get_mut(&signed.statement.approval) else {
            return;
        };
        approval.positions.push(seq);
        match counts {
            Ok(()) => approval.decisions.push(Decision {
                approver: signed.statement.approver,
                key: signed.approver_key,
                verdict: signed.statement.verdict,
                seq,
                at,
            }),
            Err(reason) => approval.refused.push((seq, reason.to_string())),
        }
    }
}
