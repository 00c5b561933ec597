//! Legal holds.

use crate::cli::{Cli, Hold, HoldPlace, HoldRelease};
use crate::commands::{consent, read};
use crate::desk::Desk;
use crate::door::Door;
use crate::intake::moment;
use crate::masking::Guard;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::retention::{Deed, Keeper, Records, decide_by, policy_digest};
use crate::views::Views;
use agents::retention::matter::{HoldAct, HoldTerms, Matter};
use anyhow::Context;
use ledger::buckets;
use schemas::kinds::records::HoldScope;
use schemas::{Actor, BucketId, EventId, Label};
use std::str::FromStr;

pub fn run(cli: &Cli, args: &Hold) -> Done {
    match args {
        Hold::Place(args) => place(cli, args),
        Hold::Release(args) => release(cli, args),
        Hold::List { all } => list(cli, *all),
    }
}

fn scope(args: &HoldPlace) -> Result<HoldScope, Failure> {
    fn value<T: FromStr>(text: &Option<String>, of: &'static str) -> Result<Option<T>, Failure>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        Ok(text.as_deref().map(str::parse).transpose().context(of)?)
    }
    if let Some(kind) = &args.kind
        && !schemas::Data::KINDS.contains(&kind.as_str())
    {
        let fault = format!("{} is not a kind", Label::lossy(kind));
        return Err(Failure::msg(fault, "see schemas/json for every kind"));
    }
    let time = |text: &Option<String>| text.as_deref().map(moment).transpose();
    let scope = HoldScope {
        bucket: value(&args.bucket, "--bucket")?,
        session: value(&args.session, "--session")?,
        actor: value(&args.actor, "--actor")?,
        person: value(&args.person, "--person")?,
        kind: value(&args.kind, "--kind")?,
        class: value(&args.class, "--class")?,
        since: time(&args.since).context("--since")?,
        until: time(&args.until).context("--until")?,
    };
    if scope.is_empty() {
        let fault = "a hold has to name what it holds";
        return Err(Failure::msg(
            fault,
            "give at least one of --bucket, --session, --actor, --person, --kind, --class, --since, --until",
        ));
    }
    Ok(scope)
}

fn place(cli: &Cli, args: &HoldPlace) -> Done {
    let scope = scope(args)?;
    let mut desk = Desk::open(&cli.data)?;
    let guard = Guard::of_this_host(desk.masker()?);
    let scoped = [&args.session, &args.actor, &args.by];
    let scoped = scoped.into_iter().filter_map(|text| text.as_deref());
    consent::in_clear(&guard, scoped.chain([&*args.case]))?;
    let covered = desk.reader.in_scope(&scope)?;
    // Who is in the log is held by whatever handle they have there.
    if let (Some(person), true) = (&args.person, covered.is_empty()) {
        consent::person(person, &desk.config)?;
    }
    if covered.is_empty() && !args.future {
        let fault = format!("no content in this log fits {scope}: the hold would hold nothing");
        let ended = |bucket: &BucketId| desk.views.buckets.read(|b| b.get(bucket)?.ended);
        let help = match scope.bucket.as_ref().and_then(ended) {
            Some(_) => "that bucket has ended already; nothing of it is left to be held",
            None => "see the spelling; --future places it for what is still to come",
        };
        return Err(Failure::msg(fault, help));
    }
    let terms = HoldTerms {
        act: HoldAct::Place,
        hold: desk.door.new_id(),
        case: args.case.parse().context("--case")?,
        scope,
        reason: args.reason.clone(),
    };
    if !cli.json {
        let buckets: Vec<String> = covered.iter().map(BucketId::to_string).collect();
        say!("hold      {}", terms.hold);
        say!("scope     {}", terms.scope);
        say!(
            "covers    {}",
            match buckets.is_empty() {
                true => "nothing yet".to_owned(),
                false => buckets.join(", "),
            }
        );
    }
    ask(cli, &mut desk, &terms, args.by.as_deref())
}

fn release(cli: &Cli, args: &HoldRelease) -> Done {
    let hold: EventId = args.hold.parse().context("HOLD")?;
    let mut desk = Desk::open(&cli.data)?;
    let found = desk
        .views
        .buckets
        .read(|buckets| buckets.hold(hold).cloned());
    let help = "see `daicho hold list`";
    let found = found.ok_or_else(|| Failure::msg(format!("this log has no hold {hold}"), help))?;
    if let Some(released) = found.released {
        let fault = format!("hold {hold} was released already, at {}", released.seq);
        return Err(Failure::msg(fault, help));
    }
    let terms = HoldTerms {
        act: HoldAct::Release,
        hold,
        case: found.case,
        scope: found.scope,
        reason: args.reason.clone(),
    };
    ask(cli, &mut desk, &terms, args.by.as_deref())
}

/// Two people decide; what they decide is done as soon as the second has signed.
fn ask(cli: &Cli, desk: &mut Desk, terms: &HoldTerms, by: Option<&str>) -> Done {
    if terms.reason.trim().is_empty() {
        return Err(Failure::msg(
            "a hold needs a reason",
            "say why with --reason",
        ));
    }
    let requester: Actor = match by {
        Some(by) => by.parse().context("--by")?,
        None => desk.door.operator(),
    };
    let (approval, now) = (desk.door.new_id(), desk.now());
    let (policy, deadline) = (
        policy_digest(&desk.views),
        decide_by(&desk.config.approvals, now),
    );
    let asked = desk.views.approvals.read(|approvals| {
        Matter::hold(terms).ask(approvals, approval, requester, policy, deadline, now)
    })?;
    let seq = desk.append(vec![asked])?[0].seq;
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "hold": terms.hold, "approval": approval, "seq": seq })
        );
    } else {
        say!("approval  {approval}, recorded at {seq}");
        say!("Two people decide until {deadline}: daicho approvals show {approval}");
    }
    Ok(Outcome::Well)
}

fn list(cli: &Cli, all: bool) -> Done {
    let reader = read(&cli.data)?;
    let views = Views::open(reader)?;
    let holds: Vec<(EventId, buckets::Hold)> = views.buckets.read(|buckets| {
        let wanted = buckets
            .holds()
            .filter(|(_, hold)| all || hold.released.is_none());
        wanted.map(|(id, hold)| (id, hold.clone())).collect()
    });
    for (id, hold) in holds {
        if cli.json {
            say!(
                "{}",
                serde_json::json!({ "hold": id, "case": hold.case, "scope": hold.scope,
                    "buckets": hold.buckets, "placed": hold.placed, "released": hold.released })
            );
            continue;
        }
        let state = match hold.released {
            Some(released) => format!("released at {}", released.seq),
            None => "in force".to_owned(),
        };
        say!(
            "{id}  case {}  {state}, placed at {}",
            hold.case,
            hold.placed.seq
        );
        say!("    scope    {}", hold.scope);
        let buckets: Vec<String> = hold.buckets.iter().map(BucketId::to_string).collect();
        say!(
            "    covers   {}",
            match buckets.is_empty() {
                true => "nothing yet".to_owned(),
                false => buckets.join(", "),
            }
        );
    }
    views.save();
    Ok(Outcome::Well)
}

/// Does what was decided on holds and erasures. Where a server holds the ledger, it does so by itself.
pub fn settle(desk: &Desk) -> Result<Vec<Deed>, Failure> {
    let Door::Here(appender) = &desk.door else {
        return Ok(Vec::new());
    };
    let keeper = Keeper {
        appender,
        records: Records {
            reader: &desk.reader,
            views: &desk.views,
            authority: None, // no time is asked for these
            now: desk.now(),
        },
    };
    keeper.settle()
}
