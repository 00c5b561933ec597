//! What would end when, and what keeps it.

use super::matter::{Decided, Matter, approvers, end_id};
use super::seen::SeenTime;
use super::{APPROVERS, RetentionPolicy};
use crate::approvals::view::{Approval, Approvals, State};
use ledger::buckets::{Bucket, Kept};
use ledger::{Buckets, Tally};
use schemas::kinds::records::TimeSource;
use schemas::{Actor, BucketId, EventId, Hash, Name, Period, Timestamp};
use serde::Serialize;

/// What an authority has said, if one is configured: its newest time stamp on this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped {
    pub time: Timestamp,
    /// SHA-256 of its answer.
    pub token: Hash,
}

/// By which clock a bucket may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// An authority is configured: what it has said last, if anything.
    Authority(Option<Stamped>),
    /// None is: the log's own time.
    Log,
}

/// Everything that decides, as the log has it.
pub struct Facts<'a> {
    pub buckets: &'a Buckets,
    pub approvals: &'a Approvals,
    pub seen: &'a SeenTime,
    pub policy: &'a RetentionPolicy,
    pub trusted: Trusted,
    /// The log's time.
    pub now: Timestamp,
}

/// A bucket as an officer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub bucket: BucketId,
    pub state: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Entries with content in it, and the positions of the first and the last.
    pub entries: u64,
    pub first: u64,
    pub last: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<Held>,
    /// The request to end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<EventId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Actor>,
    /// When the cooling time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooled: Option<Timestamp>,
    /// What is known of the time, beside the host's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// Position of its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
}

/// Whose time has to say that the cooling time is over, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The newest time stamp of the authority, if there is one.
    Authority { stamped: Option<Timestamp> },
    /// How much the log has seen pass since the request, of how much.
    Log { seen_seconds: i64, of_seconds: i64 },
}

/// A hold that keeps a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub hold: EventId,
    pub case: Name,
}

impl Row {
    /// Is anything of it done before its end, as far as the log tells?
    pub fn is_ending(&self) -> bool {
        matches!(
            self.state,
            Stage::Due | Stage::Asked | Stage::Denied | Stage::Cooling | Stage::Ready
        )
    }

    /// Holds that only the keys of the bucket tell of are on it too.
    pub fn hold(&mut self, holds: Vec<EventId>, buckets: &Buckets) {
        if !holds.is_empty() {
            self.state = Stage::Held;
        }
        self.held_by.extend(cases(holds, buckets));
    }
}

fn cases(holds: Vec<EventId>, buckets: &Buckets) -> impl Iterator<Item = Held> {
    let held = |hold| {
        let case = buckets.hold(hold)?.case.clone();
        Some(Held { hold, case })
    };
    holds.into_iter().filter_map(held)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It still takes content.
    Open,
    Kept,
    /// No rule names its class.
    NoRule,
    Held,
    /// Its time has come, and nobody was asked yet.
    Due,
    /// Two people are asked.
    Asked,
    Denied,
    /// They have agreed, and the time in which it can be stopped runs.
    Cooling,
    /// It ends with the next run.
    Ready,
    Ended,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// What a run does about one bucket that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Ask,
    Wait,
    End {
        approval: EventId,
        approvers: Vec<Actor>,
        time: TimeSource,
        token: Option<Hash>,
    },
}

impl Facts<'_> {
    /// Every bucket, by class and month.
    pub fn rows(&self) -> Vec<Row> {
        self.buckets
            .all()
            .map(|(id, bucket)| self.row(id, bucket))
            .collect()
    }

    fn row(&self, id: &BucketId, bucket: &Bucket) -> Row {
        let held_by = self.buckets.held_by(id);
        let may_end = self.buckets.may_end(id, self.now);
        let asked = self.newest_request(id);
        let cooled = asked.and_then(|asked| asked.requested.after(self.policy.cooling));
        let state = match (may_end, asked) {
            (Err(Kept::Ended { .. }), _) => Stage::Ended,
            (Err(Kept::Held { .. }), _) => Stage::Held,
            _ if id.month >= self.now.month() => Stage::Open,
            (Err(Kept::NoRule { .. }), _) => Stage::NoRule,
            (Err(_), _) => Stage::Kept,
            (Ok(_), None) => Stage::Due,
            (Ok(_), Some(asked)) => match asked.state(self.now) {
                State::Denied => Stage::Denied,
                State::Requested => Stage::Asked,
                State::Expired => Stage::Due,
                State::Granted if self.time_has_come(asked, bucket.due).is_some() => Stage::Ready,
                State::Granted => Stage::Cooling,
            },
        };
        let is_asked = matches!(
            state,
            Stage::Asked | Stage::Denied | Stage::Cooling | Stage::Ready
        );
        let asked = asked.filter(|_| is_asked);
        Row {
            bucket: id.clone(),
            state,
            period: bucket.period,
            due: bucket.due,
            entries: bucket.entries,
            first: bucket.first,
            last: bucket.last,
            held_by: cases(held_by, self.buckets).collect(),
            approval: asked.map(|asked| asked.approval),
            approved_by: asked.map(approvers).unwrap_or_default(),
            cooled: asked.and(cooled),
            clock: asked
                .zip(cooled)
                .map(|(asked, cooled)| self.clock(asked, cooled)),
            ended: bucket.ended,
        }
    }

    fn clock(&self, asked: &Approval, cooled: Timestamp) -> Clock {
        match self.trusted {
            Trusted::Authority(stamped) => Clock::Authority {
                stamped: stamped.map(|stamped| stamped.time),
            },
            Trusted::Log => Clock::Log {
                seen_seconds: self.seen.since(asked.approval) / 1_000_000,
                of_seconds: (cooled.micros() - asked.requested.micros()) / 1_000_000,
            },
        }
    }

    fn newest_request(&self, id: &BucketId) -> Option<&Approval> {
        let (subject, not_before) = (end_id(id), self.may_be_asked(id));
        let in_force = self.approvals.policy_in_force();
        let of_it = self.approvals.all().filter(|asked| {
            asked.subject.id == subject
                && asked.approvers_needed >= APPROVERS
                && asked.requested >= not_before
                && asked.used.is_none()
                && in_force.is_none_or(|policy| policy == asked.policy)
                && self.now <= asked.deadline
        });
        of_it.max_by_key(|asked| asked.requested)
    }

    /// From when on a request to end a bucket counts: it is due, and the last hold on it was
    /// released. Whoever agreed before did not know of what the hold was for.
    pub fn may_be_asked(&self, id: &BucketId) -> Timestamp {
        let due = self.buckets.get(id).and_then(|bucket| bucket.due);
        self.released(id).max(due.unwrap_or_default())
    }

    fn released(&self, id: &BucketId) -> Timestamp {
        let of_it = self
            .buckets
            .holds()
            .filter(|(_, hold)| hold.buckets.contains(id));
        let released = of_it.filter_map(|(_, hold)| hold.released);
        released.map(|moment| moment.at).max().unwrap_or_default()
    }

    /// What is to be done about a bucket that is due and not held.
    pub fn step(&self, id: &BucketId, rule: (Period, Timestamp), tally: &Tally) -> Step {
        let matter = Matter::end(id, rule, tally, self.may_be_asked(id));
        match matter.decided(self.approvals, self.now) {
            Decided::NotAsked => Step::Ask,
            Decided::Waiting(_) | Decided::Denied(_) => Step::Wait,
            Decided::Granted(asked) => match self.time_has_come(asked, Some(rule.1)) {
                None => Step::Wait,
                Some((time, token)) => Step::End {
                    approval: asked.approval,
                    approvers: approvers(asked),
                    time,
                    token,
                },
            },
        }
    }

    /// Who says that the bucket is due and the cooling time over. The host's clock alone never
    /// does: it must also be said by an authority, or the log must have seen the cooling time pass.
    fn time_has_come(
        &self,
        asked: &Approval,
        due: Option<Timestamp>,
    ) -> Option<(TimeSource, Option<Hash>)> {
        let due = due?;
        let cooled = asked.requested.after(self.policy.cooling)?;
        if self.now < due.max(cooled) {
            return None;
        }
        match self.trusted {
            Trusted::Authority(stamped) => {
                let stamped = stamped.filter(|stamped| stamped.time >= due.max(cooled))?;
                Some((TimeSource::Authority, Some(stamped.token)))
            }
            Trusted::Log => {
                let cooling = cooled.micros() - asked.requested.micros();
                let passed = self.seen.since(asked.approval) >= cooling;
                passed.then_some((TimeSource::Log, None))
            }
        }
    }
}
