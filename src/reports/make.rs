//! Makes the report that a basis names, from the log alone.

use crate::outcome::Failure;
use crate::policies::{self, Policies};
use agents::approvals::statement::Verdict;
use agents::approvals::view::{self, Approvals};
use agents::limits::LimitPolicy;
use agents::scanner::findings::{Findings, State};
use anyhow::Context;
use exporters::report::facts::{Facts, Moment};
use exporters::report::known::{Approval, Decision, Finding, Known, Price, Prices};
use exporters::report::model::Report;
use exporters::report::retention::Retention;
use exporters::report::transfers::{Transfers, VendorPolicy, Vendors};
use exporters::report::{
    Basis, ReportError, access, approvals, controls, incidents, monthly, retention, transfers,
};
use ledger::{Index, Projection, Reader, View};
use schemas::{Hash, Timestamp};

/// The report of this name. Whoever has the log and the same basis gets the same.
pub fn make(reader: &Reader, name: &str, basis: Basis) -> Result<Report, Failure> {
    // What the basis says of the log is found out, not believed.
    let begun = basis.begun.map(|_| reader.entry(0)).transpose()?;
    let begun = begun.map(|first| first.at());
    let basis = Basis { begun, ..basis };
    match name {
        retention::NAME => {
            let mut fold = Retention::default();
            each(reader, &basis, |entry| fold.fold(entry))?;
            let folded = basis.folded.map(|_| ledger::digest_of(&fold)).transpose()?;
            Ok(retention::report(&fold, Basis { folded, ..basis })?)
        }
        transfers::NAME => {
            let mut fold = Transfers::new(&basis).map_err(unfit)?;
            let mut policies = Policies::default();
            each(reader, &basis, |entry| {
                fold.fold(entry);
                policies.fold(entry);
            })?;
            let (vendors, adopted) = vendors(reader, &policies, &basis)?;
            Ok(transfers::report(&fold, &vendors, adopted, basis)?)
        }
        name => {
            let mut fold = Facts::new(&basis).map_err(unfit)?;
            let known = known(reader, &mut fold, &basis)?;
            let made = match name {
                monthly::NAME => monthly::report(&fold, &known, basis),
                approvals::NAME => approvals::report(&fold, &known, basis),
                access::NAME => access::report(&fold, basis),
                incidents::NAME => incidents::report(&fold, basis),
                controls::NAME => controls::report(&fold, &known, basis),
                _ => {
                    let help = "this program makes others, or is older: see `daicho report --help`";
                    return Err(Failure::msg("there is no report of this name", help));
                }
            };
            Ok(made?)
        }
    }
}

/// The same report of retention from what was folded for an earlier one and is kept in the index:
/// only what is new is read. `None` where that is of a later head.
pub fn from_kept(reader: &Reader, basis: &Basis) -> Result<Option<Report>, Failure> {
    let mut index = Index::open_apart(reader.clone(), retention::NAME)?;
    let view = index.add::<Retention>();
    let (begun, size) = (view.cursor(), basis.head.size);
    if begun > size {
        return Ok(None);
    }
    index
        .catch_up_to(size)
        .map_err(|error| Failure::new(error, "run `daicho verify`"))?;
    if begun < size
        && let Err(error) = index.save()
    {
        tracing::warn!(%error, "the index of retention was not saved");
    }
    Ok(Some(
        view.read(|fold| retention::report(fold, basis.clone()))?,
    ))
}

/// Where the index keeps what was folded for retention reports of a log that was verified.
const VERIFIED: &str = "retention-verified";

/// The report of retention of a log that was verified, folded whole. It says what was folded, and
/// that may be kept for a later report to go on from.
pub fn anew(reader: &Reader, basis: Basis, keep: bool) -> Result<Report, Failure> {
    let mut index = match keep {
        true => Index::open_apart(reader.clone(), VERIFIED)?,
        false => Index::in_memory(reader.clone()),
    };
    let view = index.add_anew();
    up_to_head(&index, &view, basis)
}

/// The report of retention from what was folded for an earlier one, if that is what the log says of
/// it: of so many entries, with this digest. `None` where it is not kept any more, or is another.
pub fn going_on(
    reader: &Reader,
    basis: Basis,
    since: u64,
    folded: Hash,
) -> Result<Option<Report>, Failure> {
    let mut index = Index::open_apart(reader.clone(), VERIFIED)?;
    let view = index.add();
    if view.cursor() != since || view.read(ledger::digest_of::<Retention>)? != folded {
        return Ok(None);
    }
    up_to_head(&index, &view, basis).map(Some)
}

fn up_to_head(index: &Index, view: &View<Retention>, basis: Basis) -> Result<Report, Failure> {
    index
        .catch_up_to(basis.head.size)
        .map_err(|error| Failure::new(error, "run `daicho verify`"))?;
    if let Err(error) = index.save() {
        tracing::warn!(%error, "no later report can go on from this one: what was folded is not kept");
    }
    view.read(|fold| {
        let folded = Some(ledger::digest_of(fold)?);
        Ok(retention::report(fold, Basis { folded, ..basis })?)
    })
}

fn unfit(error: ReportError) -> Failure {
    Failure::new(error, "see `daicho report --help`")
}

/// Every entry that the report is of, in order.
fn each(
    reader: &Reader,
    basis: &Basis,
    mut take: impl FnMut(&ledger::Entry),
) -> Result<(), Failure> {
    for entry in reader.entries(0..basis.head.size) {
        take(&entry.map_err(|error| Failure::new(error, "run `daicho verify`"))?);
    }
    Ok(())
}

/// Folds the log into `facts`, and tells what others conclude of it as of the period's end.
fn known(reader: &Reader, facts: &mut Facts, basis: &Basis) -> Result<Known, Failure> {
    let until = facts.period().until();
    let now = until.min(basis.head.at);
    let mut approvals = Approvals::default();
    let mut findings = Findings::default();
    let mut policies = Policies::default();
    each(reader, basis, |entry| {
        facts.fold(entry);
        if entry.at() < until {
            approvals.fold(entry);
            findings.fold(entry);
            policies.fold(entry);
        }
    })?;
    let asked = approvals.all().map(|one| approval(one, now));
    let mut asked: Vec<Approval> = asked.collect();
    asked.sort_by_key(|one| one.requested.position);
    Ok(Known {
        approvals: asked,
        findings: findings.all().map(|one| finding(one, now)).collect(),
        prices: prices(reader, &policies, facts)?,
    })
}

fn approval(one: &view::Approval, now: Timestamp) -> Approval {
    let state = one.state(now);
    let moment = |decision: &view::Decision| Moment {
        position: decision.seq,
        at: decision.at,
    };
    let mut approving = one
        .decisions
        .iter()
        .filter(|d| d.verdict == Verdict::Approve);
    let needed = usize::try_from(one.approvers_needed).unwrap_or(usize::MAX);
    let answered = match state {
        view::State::Denied => one.decisions.iter().find(|d| d.verdict == Verdict::Deny),
        view::State::Granted => approving.nth(needed.saturating_sub(1)),
        _ => None,
    };
    Approval {
        approval: one.approval,
        subject: one.subject.kind.to_string(),
        requester: one.requester.to_string(),
        requested: Moment {
            position: one.positions.first().copied().unwrap_or_default(),
            at: one.requested,
        },
        deadline: one.deadline,
        needed: one.approvers_needed,
        state: match state {
            view::State::Requested => "requested",
            view::State::Granted => "granted",
            view::State::Denied => "denied",
            view::State::Expired => "expired",
        },
        answered: answered.map(moment),
        decisions: one
            .decisions
            .iter()
            .map(|decision| Decision {
                approver: decision.approver.to_string(),
                approves: decision.verdict == Verdict::Approve,
                moment: moment(decision),
            })
            .collect(),
        used: one.used,
    }
}

fn finding(one: &agents::scanner::findings::Finding, now: Timestamp) -> Finding {
    let state = one.state(now);
    Finding {
        finding: one.finding,
        severity: one.severity.to_string(),
        state: match state {
            State::Open => "open",
            State::Verified => "verified",
            State::Refuted => "refuted",
            State::Suppressed => "suppressed",
            State::Closed => "closed",
            State::Reopened => "reopened",
        },
        live: state.is_live(),
        positions: one.positions.clone(),
    }
}

/// Prices that the limits in force at the period's end name, for the models that were asked for.
fn prices(reader: &Reader, policies: &Policies, facts: &Facts) -> Result<Prices, Failure> {
    let Some(adopted) = policies.in_force("limits") else {
        return Ok(Prices::default());
    };
    let text = policies::read(reader, "limits", adopted)?;
    let limits: LimitPolicy = serde_json::from_str(&text)
        .context("this program cannot read the limits policy of that period")?;
    if limits.price.is_empty() {
        return Ok(Prices::default());
    }
    let priced = facts.models().into_iter().filter_map(|model| {
        let price = limits.price(&model)?;
        let input = price.input.0;
        let read = price.cache_read.map_or(input, |price| price.0);
        let written = price.cache_creation.map_or(input, |price| price.0);
        Some((model, Price([input, price.output.0, read, written])))
    });
    Ok(Prices {
        of: priced.collect(),
        adopted: Some((adopted.position, adopted.digest)),
    })
}

fn vendors(
    reader: &Reader,
    policies: &Policies,
    basis: &Basis,
) -> Result<(Vendors, Option<VendorPolicy>), Failure> {
    let until = basis.period.map(|period| period.until());
    let adopted = until.and_then(|until| policies.before("vendors", until));
    let Some(adopted) = adopted else {
        return Ok((Vendors::default(), None));
    };
    let text = policies::read(reader, "vendors", adopted)?;
    let vendors = serde_json::from_str(&text)
        .context("this program cannot read the vendors policy of that period")?;
    let (position, digest) = (adopted.position, adopted.digest);
    Ok((vendors, Some(VendorPolicy { position, digest })))
}
