//! Was what ends or erases content, changes its rules or holds it signed for by two people? Asked again of
//! the log, by whoever verifies it.

use super::APPROVERS;
use super::matter::{Matter, approvers, end_id, keys_sha256};
use crate::approvals::view::{Approval, Approvals, State};
use ledger::buckets::{Duties, POLICY, Periods};
use ledger::{Entry, Projection, Tally};
use schemas::kinds::acting::SubjectKind;
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Actor, Data, EventId, Hash, Timestamp};
use std::collections::BTreeMap;

/// Goes over the entries that tell who approved what (`ledger::verify::Report::decisions`), in
/// their order.
#[derive(Default)]
pub struct Audit {
    approvals: Approvals,
    rules: Option<(Periods, Duties)>,
    /// Which keys each request names: the first of an erasure, as for whoever erases.
    erasures: BTreeMap<EventId, Hash>,
}

impl Audit {
    /// Takes in the next entry; says what was done there that two people had not signed for.
    pub fn take(&mut self, entry: &Entry) -> Option<&'static str> {
        let unsigned = self.unsigned(entry);
        if let Data::PolicyAdopted(adopted) = entry.data()
            && adopted.policy.as_str() == POLICY
        {
            self.rules = rules(adopted).or(self.rules.take());
        }
        if let Data::ErasureRequested(asked) = entry.data() {
            let keys = keys_sha256(&asked.keys, asked.later, asked.reached);
            self.erasures.entry(asked.erasure).or_insert(keys);
        }
        self.approvals.fold(entry);
        unsigned
    }

    fn unsigned(&self, entry: &Entry) -> Option<&'static str> {
        let at = entry.at();
        let (act, signed) = match entry.data() {
            Data::RetentionExpired(expired) => {
                let tally = Tally::from(expired);
                let rule = (expired.period, expired.due);
                let matter = Matter::end(&expired.bucket, rule, &tally, Timestamp::default());
                let of = |asked: &Approval| {
                    asked.subject.kind == SubjectKind::Retention
                        && asked.subject.id == end_id(&expired.bucket)
                        && asked.requested >= expired.due
                        && asked.arguments_sha256 == matter.sha256()
                };
                let by = (&expired.approvals[..], &expired.approvers[..]);
                ("the end of a bucket", self.signed(by, at, of))
            }
            Data::HoldPlaced(placed) => {
                let by = (&placed.approvals[..], &placed.approvers[..]);
                ("a hold", self.signed(by, at, of_hold(placed.hold)))
            }
            Data::HoldReleased(released) => {
                let by = (&released.approvals[..], &released.approvers[..]);
                let signed = self.signed(by, at, of_hold(released.hold));
                ("the release of a hold", signed)
            }
            Data::ErasureCompleted(completed) => {
                // The keys that were requested are those that were signed for, and whether later ones
                // are; the certificate's is one of either, as `ledger::verify` asks.
                let keys = self.erasures.get(&completed.erasure);
                let of = |asked: &&Approval| {
                    asked.subject.kind == SubjectKind::Erasure
                        && asked.subject.id == completed.erasure
                        && keys.is_some()
                        && asked.base_sha256.as_ref() == keys
                        && asked.approvers_needed >= APPROVERS
                        && asked.state(at) == State::Granted
                        && self.approvals.bear_out(asked)
                };
                // One request may be of several buckets, and of what was held when it was granted.
                let mut asked = completed.approvals.iter();
                let granted = asked.find_map(|id| self.approvals.find(*id).filter(of));
                let by_them = |asked: &Approval| approvers(asked) == completed.approvers;
                ("an erasure", granted.is_some_and(by_them))
            }
            Data::PolicyAdopted(adopted) if adopted.policy.as_str() == POLICY => {
                // The first adoption, and one that leaves every rule as it was, need nobody.
                let changes = self.rules.is_some() && self.rules != rules(adopted);
                let of = |asked: &Approval| {
                    asked.subject.kind == SubjectKind::Policy
                        && asked.arguments_sha256 == adopted.digest
                        && asked.base_sha256 == adopted.previous
                };
                let granted = |id: &EventId| self.granted(*id, at, of).is_some();
                let signed = adopted.approvals.iter().any(granted);
                ("a change of retention", !changes || signed)
            }
            _ => return None,
        };
        (!signed).then_some(act)
    }

    fn signed(
        &self,
        (approvals, named): (&[EventId], &[Actor]),
        at: Timestamp,
        of: impl Fn(&Approval) -> bool,
    ) -> bool {
        let granted = approvals.iter().find_map(|id| self.granted(*id, at, &of));
        granted.is_some_and(|asked| approvers(asked) == named)
    }

    /// The approval, if two people have granted it, and nothing was done on it before.
    fn granted(
        &self,
        approval: EventId,
        at: Timestamp,
        of: impl Fn(&Approval) -> bool,
    ) -> Option<&Approval> {
        self.approvals.find(approval).filter(|asked| {
            asked.state(at) == State::Granted
                && asked.approvers_needed >= APPROVERS
                && asked.used.is_none()
                && at <= asked.deadline
                && of(asked)
        })
    }
}

/// What of an adoption is in clear.
fn rules(adopted: &PolicyAdopted) -> Option<(Periods, Duties)> {
    let duties = adopted.must_keep.clone().unwrap_or_default();
    Some((adopted.periods.clone()?, duties))
}

fn of_hold(hold: EventId) -> impl Fn(&Approval) -> bool {
    move |asked| asked.subject.kind == SubjectKind::Hold && asked.subject.id == hold
}
