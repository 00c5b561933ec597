//! The end of content, holds and erasures: what people have decided is done here, by whoever holds
//! the ledger. Nothing else in the program ends anything.

pub mod erasure;

use crate::config;
use crate::outcome::Failure;
use crate::policies;
use crate::roster;
use crate::views::Views;
use agents::approvals::draft::CONTENT;
use agents::approvals::view::{Approval, State};
use agents::retention::RetentionPolicy;
use agents::retention::matter::{Decided, HoldAct, HoldTerms, Matter, agreed, approvers};
use agents::retention::plan::{Facts, Row, Stamped, Step, Trusted};
use agents::retention::seen::SeenTime;
use anyhow::Context;
use erasure::When;
use ledger::timestamp::{Authority, Token, pairs};
use ledger::{
    AppendError, Appender, Buckets, Content, Disposal, ExpireError, HoldError, Placement, Reader,
    Submission,
};
use schemas::kinds::acting::SubjectKind;
use schemas::kinds::records::HoldReleased;
use schemas::{Actor, BucketId, Data, EventId, Hash, Label, Period, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A request to end a bucket is over so long after its cooling time: it is asked anew then.
const AFTER_COOLING: Period = Period::Days(30);

/// Something that was done, and where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    pub act: Act,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bucket: Option<BucketId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hold: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub erasure: Option<EventId>,
    pub approval: EventId,
    pub seq: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Two people are asked whether the bucket may end.
    Asked,
    Ended,
    Placed,
    Released,
    /// One person's content of the bucket is erased.
    Erased,
    /// It reaches what came for the person after the request.
    Extended,
    /// It is not, and the log says why.
    Refused,
    /// All that it names had gone before, and nothing else is there.
    Over,
}

/// What the log says, and who is trusted with the time.
pub struct Records<'a> {
    pub reader: &'a Reader,
    pub views: &'a Views,
    pub authority: Option<&'a Authority>,
    /// The log's time.
    pub now: Timestamp,
}

impl Records<'_> {
    /// Every bucket, and what would end when.
    pub fn plan(&self) -> Result<Vec<Row>, Failure> {
        // Dates and holds follow from the log; the cooling time stands in the policy's sealed text,
        // which an auditor without keys cannot read.
        let policy = self.in_force(ledger::buckets::POLICY);
        let policy = policy.unwrap_or_else(|_| {
            let policy = RetentionPolicy::default();
            let cooling = policy.cooling.to_string();
            tracing::warn!(
                cooling,
                "the policy cannot be read here: this cooling time is assumed"
            );
            policy
        });
        let mut rows = self.look(&policy, |facts| facts.rows())?;
        let buckets = self.views.buckets.read(Buckets::clone);
        for row in &mut rows {
            if row.is_ending() {
                let holds = self.reader.holds_on_owners(&buckets, &row.bucket);
                row.hold(holds.map_err(hold_failed)?, &buckets);
            }
        }
        Ok(rows)
    }

    fn facts<T>(&self, look: impl FnOnce(&Facts) -> T) -> Result<T, Failure> {
        let policy: RetentionPolicy = self.in_force(ledger::buckets::POLICY)?;
        self.look(&policy, look)
    }

    fn look<T>(
        &self,
        policy: &RetentionPolicy,
        look: impl FnOnce(&Facts) -> T,
    ) -> Result<T, Failure> {
        let trusted = self.trusted()?;
        let views = self.views;
        Ok(views.buckets.read(|buckets| {
            views.approvals.read(|approvals| {
                views.seen.read(|seen| {
                    look(&Facts {
                        buckets,
                        approvals,
                        seen,
                        policy,
                        trusted,
                        now: self.now,
                    })
                })
            })
        }))
    }

    /// A policy as it was adopted; what the program has by itself where none is.
    fn in_force<T: Default + serde::de::DeserializeOwned>(
        &self,
        policy: &str,
    ) -> Result<T, Failure> {
        match self.views.policies.read(|p| p.in_force(policy)) {
            None => Ok(T::default()),
            Some(adopted) => {
                let text = policies::read(self.reader, policy, adopted)?;
                let read = serde_json::from_str(&text).ok();
                Ok(read.with_context(|| format!("this program cannot read the {policy} policy"))?)
            }
        }
    }

    /// The newest time stamp that holds: it is on this log, and the authority's own.
    fn trusted(&self) -> Result<Trusted, Failure> {
        let Some(authority) = self.authority else {
            // To take the authority out of daicho.toml is not to need one any more.
            return Ok(match self.views.seen.read(SeenTime::was_stamped) {
                true => Trusted::Authority(None),
                false => Trusted::Log,
            });
        };
        let layout = self.reader.layout();
        let pairs = pairs(layout).context("tokens/ cannot be read")?;
        let newest = pairs.whole.iter().rev().find_map(|pair| {
            let (response, digest) = pair.read().ok()?;
            let note = std::fs::read(&pair.checkpoint).ok()?;
            let token = Token::parse(&response).ok()?;
            token.covers(&note).ok()?;
            authority.vouches_for(&token).ok()?;
            self.reader.keys().open(&note).ok()?;
            let time = token.time;
            Some(Stamped {
                time,
                token: digest,
            })
        });
        Ok(Trusted::Authority(newest))
    }

    /// The terms of a request, from its own content.
    fn terms<T: DeserializeOwned>(&self, asked: &Approval) -> Result<T, Failure> {
        let read = || {
            let position = asked.positions.first().context("it has no position")?;
            let entry = self.reader.entry(*position)?;
            let mut contents = entry.content().iter();
            let reference = contents.find(|c| c.name.as_str() == CONTENT);
            let reference = reference.context("it has no content")?;
            let terms = serde_json::from_slice(&self.reader.content(reference)?);
            // The parser's message may quote the text.
            terms.ok().context("its content is not of its kind")
        };
        read().map_err(|error: anyhow::Error| {
            let approval = asked.approval;
            let fault = error.context(format!(
                "what approval {approval} is about cannot be read, and nothing ends until it can"
            ));
            Failure::new(fault, "see `daicho verify`; then run this again")
        })
    }

    /// A request to place a hold on which nothing was done yet: nothing ends meanwhile.
    pub fn hold_asked_for(&self) -> Result<Option<EventId>, Failure> {
        for asked in self.hold_requests() {
            if self.terms::<HoldTerms>(&asked)?.act == HoldAct::Place {
                return Ok(Some(asked.approval));
            }
        }
        Ok(None)
    }

    /// Requests about holds that wait for a decision, or were granted and not done.
    fn hold_requests(&self) -> Vec<Approval> {
        self.views.approvals.read(|approvals| {
            let open = approvals.all().filter(|asked| {
                let state = asked.state(self.now);
                asked.subject.kind == SubjectKind::Hold
                    && asked.used.is_none()
                    && matches!(state, State::Requested | State::Granted)
            });
            open.cloned().collect()
        })
    }

    /// Buckets with the text of what is in force: without it nobody could go on.
    fn in_use(&self) -> Result<BTreeSet<BucketId>, Failure> {
        let adopted: Vec<_> = self.views.policies.read(|policies| {
            let all = policies::POLICIES.into_iter().chain([roster::POLICY]);
            all.filter_map(|policy| policies.in_force(policy)).collect()
        });
        let mut buckets = BTreeSet::new();
        for adoption in adopted {
            let entry = self.reader.entry(adoption.position)?;
            buckets.extend(entry.content().iter().map(|c| c.bucket.clone()));
        }
        Ok(buckets)
    }
}

/// Does what people have decided.
pub struct Keeper<'a> {
    pub appender: &'a Appender,
    pub records: Records<'a>,
}

impl Keeper<'_> {
    /// What people have decided on and nothing else has to be waited for: holds, then erasures.
    pub fn settle(&self) -> Result<Vec<Deed>, Failure> {
        let mut deeds = self.settle_holds()?;
        deeds.extend(self.settle_erasures(When::First)?);
        Ok(deeds)
    }

    /// Holds first, so that nothing ends that was to be held; then asks for what is due, and ends
    /// what two people have agreed to.
    pub fn run(&self) -> Result<Vec<Deed>, Failure> {
        let mut deeds = self.settle_holds()?;
        // A key that could not be removed yesterday lives on, whatever its certificate says.
        for bucket in self.appender.finish_ends().map_err(end_failed)? {
            tracing::warn!(%bucket, "what was left of an ended bucket is removed");
        }
        self.finish_erasures()?;
        let records = &self.records;
        if let Some(approval) = records.hold_asked_for()? {
            let fault = format!(
                "a hold waits for a decision (approval {approval}), and nothing ends until there is one"
            );
            return Err(Failure::msg(
                fault,
                "see `daicho approvals show`; then run this again",
            ));
        }
        deeds.extend(self.settle_erasures(When::Always)?);
        let in_use = records.in_use()?;
        let due = records.facts(|facts| {
            let mut due = Vec::new();
            for (id, _) in facts.buckets.all() {
                if let Ok(rule) = facts.buckets.may_end(id, facts.now)
                    && id.month < facts.now.month()
                    && !in_use.contains(id)
                {
                    due.push((id.clone(), rule));
                }
            }
            due
        })?;
        for (bucket, rule) in due {
            let buckets = records.views.buckets.read(Buckets::clone);
            let holds = records.reader.holds_on_owners(&buckets, &bucket);
            if !holds.map_err(hold_failed)?.is_empty() {
                continue;
            }
            let tally = records.reader.tally(&buckets, &bucket)?;
            match records.facts(|facts| facts.step(&bucket, rule, &tally))? {
                Step::Wait => {}
                Step::Ask => {
                    let not_before = records.facts(|facts| facts.may_be_asked(&bucket))?;
                    let matter = Matter::end(&bucket, rule, &tally, not_before);
                    let policy: RetentionPolicy = records.in_force(ledger::buckets::POLICY)?;
                    let cooled = records.now.after(policy.cooling);
                    let deadline = cooled.and_then(|cooled| cooled.after(AFTER_COOLING));
                    let Some(deadline) = deadline else { continue };
                    let (approval, seq) = self.ask(&matter, service(), deadline)?;
                    deeds.push(Deed {
                        act: Act::Asked,
                        bucket: Some(bucket),
                        hold: None,
                        erasure: None,
                        approval,
                        seq,
                    });
                }
                Step::End {
                    approval,
                    approvers,
                    time,
                    token,
                } => {
                    // To read a month takes its time: what was asked and decided meanwhile counts. What
                    // comes after this, the guard of the certificate looks at.
                    let agreed = agreed(records.reader.size());
                    records.views.catch_up()?;
                    deeds.extend(self.settle_holds()?);
                    if records.hold_asked_for()?.is_some() {
                        return Ok(deeds);
                    }
                    let step = records.facts(|facts| facts.step(&bucket, rule, &tally))?;
                    if !matches!(step, Step::End { approval: still, .. } if still == approval) {
                        continue;
                    }
                    let disposal = Disposal {
                        bucket: bucket.clone(),
                        actor: service(),
                        time,
                        token,
                        approvals: vec![approval],
                        approvers,
                        agreed,
                    };
                    let receipt = match self.appender.expire(disposal) {
                        Ok(receipt) => receipt,
                        // A hold, a longer rule or somebody else came first: the next run sees it.
                        Err(
                            ExpireError::Kept(_)
                            | ExpireError::Open { .. }
                            | ExpireError::Append(AppendError::Refused { .. }),
                        ) => continue,
                        Err(error) => return Err(end_failed(error)),
                    };
                    deeds.push(Deed {
                        act: Act::Ended,
                        bucket: Some(bucket),
                        hold: None,
                        erasure: None,
                        approval,
                        seq: receipt.seq,
                    });
                }
            }
            records.views.catch_up()?;
        }
        Ok(deeds)
    }

    fn ask(
        &self,
        matter: &Matter,
        requester: Actor,
        deadline: Timestamp,
    ) -> Result<(EventId, u64), Failure> {
        let records = &self.records;
        let policy = policy_digest(records.views);
        let approval = self.appender.new_id();
        let asked = records.views.approvals.read(|approvals| {
            matter.ask(
                approvals,
                approval,
                requester,
                policy,
                deadline,
                records.now,
            )
        })?;
        let receipts = self.appender.append(vec![asked]);
        let receipts = receipts.map_err(crate::door::append_failed)?;
        Ok((approval, receipts[0].seq))
    }

    /// Places and releases the holds that two people have agreed to.
    pub fn settle_holds(&self) -> Result<Vec<Deed>, Failure> {
        let (mut deeds, mut failed) = (Vec::new(), None);
        for asked in self.records.hold_requests() {
            match self.settle_hold(&asked) {
                Ok(deed) => deeds.extend(deed),
                // One that fails keeps no other from being placed.
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or(Ok(deeds), Err)
    }

    fn settle_hold(&self, asked: &Approval) -> Result<Option<Deed>, Failure> {
        let terms: HoldTerms = self.records.terms(asked)?;
        let (views, now, matter) = (self.records.views, self.records.now, Matter::hold(&terms));
        let granted = match terms.act {
            HoldAct::Place => matter.is_granted_by(asked, now).then(|| approvers(asked)),
            HoldAct::Release => {
                views
                    .approvals
                    .read(|approvals| match matter.decided(approvals, now) {
                        Decided::Granted(granted) if granted.approval == asked.approval => {
                            Some(approvers(granted))
                        }
                        _ => None,
                    })
            }
        };
        let Some(approvers) = granted else {
            return Ok(None);
        };
        let reason = Content {
            name: "reason".parse()?,
            media: Label::lossy("text/plain"),
            bytes: terms.reason.clone().into_bytes(),
        };
        let approvals = vec![asked.approval];
        let (act, receipt) = match terms.act {
            HoldAct::Place => {
                let placement = Placement {
                    actor: service(),
                    hold: terms.hold,
                    case: terms.case.clone(),
                    scope: terms.scope.clone(),
                    approvals,
                    approvers,
                    content: vec![reason],
                };
                (Act::Placed, self.appender.hold(&placement))
            }
            HoldAct::Release => {
                let released = HoldReleased {
                    hold: terms.hold,
                    case: terms.case.clone(),
                    approvals,
                    approvers,
                };
                let receipt = self.appender.release(service(), released, vec![reason]);
                (Act::Released, receipt)
            }
        };
        let receipt = match receipt {
            Ok(receipt) => receipt,
            // Somebody was first.
            Err(HoldError::Placed { .. } | HoldError::NotInForce { .. }) => return Ok(None),
            Err(error) => return Err(hold_failed(error)),
        };
        views.catch_up()?;
        Ok(Some(Deed {
            act,
            bucket: None,
            hold: Some(terms.hold),
            erasure: None,
            approval: asked.approval,
            seq: receipt.seq,
        }))
    }
}

/// Why a batch from outside may not change how long content is kept, if it would.
pub fn unapproved(views: &Views, batch: &[Submission], now: Timestamp) -> Option<&'static str> {
    let changes = adoptions(batch);
    if changes.is_empty() {
        return None;
    }
    let stale = views.catch_up().is_err();
    let in_force = views.policies.read(|p| p.in_force(ledger::buckets::POLICY));
    let sound = |submission: &Submission| {
        let Data::PolicyAdopted(adopted) = &submission.event.data else {
            return false;
        };
        // What was approved is the text, and what counts are the periods beside it.
        let text = submission
            .content
            .iter()
            .find(|c| c.name.as_str() == policies::CONTENT);
        let Some(text) = text.and_then(|text| std::str::from_utf8(&text.bytes).ok()) else {
            return false;
        };
        let policy: Option<RetentionPolicy> = serde_json::from_str(text).ok();
        let (Some(policy), Some(in_force)) = (policy, in_force) else {
            return false;
        };
        let granted = views.approvals.read(|approvals| {
            match Matter::adoption(text, in_force.digest).decided(approvals, now) {
                Decided::Granted(granted) => Some(granted.approval),
                _ => None,
            }
        });
        adopted.digest == Hash(Sha256::digest(text).into())
            && adopted.previous == Some(in_force.digest)
            && adopted.periods.as_ref() == Some(&policy.periods)
            && adopted.must_keep.clone().unwrap_or_default() == policy.must_keep
            && granted.is_some_and(|granted| adopted.approvals == [granted])
    };
    let fault = "a change of how long content is kept needs the approval of two people";
    (stale || changes.len() > 1 || !changes.into_iter().all(sound)).then_some(fault)
}

/// Why a batch may not be appended by hand, if it would change how long content is kept.
pub fn adopts(batch: &[Submission]) -> Option<&'static str> {
    let fault = "how long content is kept is not changed by an appended event";
    (!adoptions(batch).is_empty()).then_some(fault)
}

fn adoptions(batch: &[Submission]) -> Vec<&Submission> {
    let adopts = |submission: &&Submission| {
        matches!(&submission.event.data, Data::PolicyAdopted(adopted)
            if adopted.policy.as_str() == ledger::buckets::POLICY)
    };
    batch.iter().filter(adopts).collect()
}

/// The rules that decisions are made under.
pub fn policy_digest(views: &Views) -> Hash {
    let adopted = views
        .policies
        .read(|p| p.in_force(agents::approvals::view::POLICY));
    adopted.map_or(Hash::ZERO, |adopted| adopted.digest)
}

/// Until when a decision that is asked for now can be made.
pub fn decide_by(approvals: &config::Approvals, now: Timestamp) -> Timestamp {
    crate::commands::period_from(now, approvals.deadline)
}

fn service() -> Actor {
    Actor::Service("retention".parse().expect("a literal name is sound"))
}

fn end_failed(error: ExpireError) -> Failure {
    match error {
        ExpireError::Append(error) => crate::door::append_failed(error),
        error => Failure::new(error, "see `daicho retention plan`, and `daicho verify`"),
    }
}

fn hold_failed(error: HoldError) -> Failure {
    match error {
        HoldError::Append(error @ AppendError::Unfit { .. }) => {
            let help =
                "the hold covers too many buckets for one entry: place several, by class or time";
            Failure::new(error, help)
        }
        HoldError::Append(error) => crate::door::append_failed(error),
        error => Failure::new(error, "see `daicho hold list`"),
    }
}
