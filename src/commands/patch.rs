use crate::approvals::follow;
use crate::cli::{Cli, Patch, PatchApply, PatchPropose};
use crate::commands::period_from;
use crate::desk::Desk;
use crate::door::Door;
use crate::outcome::{Done, Failure, Outcome, say};
use agents::approvals::view::POLICY;
use agents::scanner::patch::apply::{ApplyRequest, apply};
use agents::scanner::patch::tree::Tree;
use agents::scanner::patch::{Terms, propose};
use anyhow::Context;
use schemas::{EventId, Hash};

pub fn run(cli: &Cli, args: &Patch) -> Done {
    match args {
        Patch::Propose(args) => run_propose(cli, args),
        Patch::Apply(args) => run_apply(cli, args),
    }
}

fn run_propose(cli: &Cli, args: &PatchPropose) -> Done {
    let diff = std::fs::read(&args.diff)
        .with_context(|| format!("{} cannot be read", args.diff.display()))?;
    let tree = Tree::open(&args.dir)?;
    let mut desk = Desk::open(&cli.data)?;
    let now = desk.now();
    let terms = Terms {
        proposer: args.by.parse().context("--by")?,
        policy: desk
            .views
            .policies
            .read(|p| p.in_force(POLICY))
            .map_or(Hash::ZERO, |adopted| adopted.digest),
        deadline: period_from(now, desk.config.approvals.deadline),
        approvers_needed: desk.config.approvals.approvers_needed,
    };
    let finding: EventId = args.finding.parse().context("FINDING")?;
    let proposal = desk.views.findings.read(|findings| {
        desk.views.approvals.read(|approvals| {
            propose(
                finding,
                &diff,
                &tree,
                terms,
                findings,
                approvals,
                &mut || desk.door.new_id(),
                now,
            )
        })
    });
    let proposal = proposal.map_err(|error| Failure::new(error, "nothing was recorded"))?;
    desk.append(proposal.submissions)?;
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "patch": proposal.patch, "approval": proposal.approval,
                "patch_sha256": proposal.patch_sha256, "base_sha256": proposal.base_sha256 })
        );
    } else {
        say!("patch     {}", proposal.patch);
        say!("approval  {}", proposal.approval);
        say!(
            "Someone else decides: daicho approvals show {}",
            proposal.approval
        );
    }
    Ok(Outcome::Well)
}

fn run_apply(cli: &Cli, args: &PatchApply) -> Done {
    let mut desk = Desk::open(&cli.data)?;
    let approval: EventId = args.approval.parse().context("APPROVAL")?;
    let tree = Tree::open(&args.dir)?;
    let actor = args.by.parse().context("--by")?;
    let subject = desk
        .views
        .approvals
        .read(|a| a.find(approval).map(|found| found.subject.id));
    let proposed = subject.and_then(|id| {
        desk.views
            .findings
            .read(|f| f.patch(id)?.positions.first().copied())
    });
    let unknown = || {
        Failure::msg(
            format!("approval {approval} is not about a patch of this log"),
            "see `daicho approvals list`",
        )
    };
    let entry = desk.reader.entry(proposed.ok_or_else(unknown)?)?;
    let content = entry
        .content()
        .iter()
        .find(|content| content.name.as_str() == "patch")
        .ok_or_else(unknown)?;
    let diff = desk.reader.content(content)?;
    let outcome = desk.views.findings.read(|findings| {
        desk.views.approvals.read(|approvals| {
            let request = ApplyRequest {
                approval,
                diff: &diff,
                tree: &tree,
                findings,
                approvals,
                actor: &actor,
                now: desk.now(),
            };
            apply(&request, |submission| {
                Ok(desk.door.append(vec![submission])?[0])
            })
        })
    });
    let outcome = outcome.map_err(|error| {
        Failure::new(
            error,
            "see `daicho approvals show`, and the state of the files",
        )
    })?;
    settle(&mut desk)?;
    if cli.json {
        say!("{}", serde_json::to_string(&outcome)?);
    } else {
        say!("applied, recorded at {}", outcome.seq);
        outcome.paths.iter().for_each(|path| say!("  {path}"));
    }
    Ok(Outcome::Well)
}

/// Records what decisions mean for patches.
pub fn settle(desk: &mut Desk) -> Result<(), Failure> {
    let now = desk.now();
    let actor = Door::operator(&desk.door);
    let batch = follow(&desk.views, &actor, now);
    if !batch.is_empty() {
        desk.append(batch)?;
    }
    Ok(())
}
