//! A scan with findings, a patch that is approved and applied, and one that is denied.

use super::{act, line};
use crate::demo::day;
use crate::demo::stage::Stage;
use crate::outcome::Failure;
use agents::approvals::signature::{ApproverKey, generate, sign};
use agents::approvals::statement::Verdict;
use agents::approvals::view::POLICY;
use agents::approvals::{decide, statement};
use agents::scanner::findings::Filter;
use agents::scanner::patch::apply::{ApplyRequest, apply};
use agents::scanner::patch::tree::Tree;
use agents::scanner::patch::{Terms, follow_decisions, propose};
use agents::scanner::sarif::Sarif;
use agents::scanner::scan::{ScanOptions, plan_scan};
use anyhow::{Context, anyhow};
use schemas::kinds::people::UserActivated;
use schemas::{Actor, EventId, Hash, Period};
use std::path::PathBuf;
use zeroize::Zeroizing;

pub fn scan(stage: &mut Stage) -> Result<(), Failure> {
    act(5, "A code scan, and two patches that wait for a human");
    let project = write_project(stage)?;
    let findings = report_findings(stage)?;
    let key = approver(stage)?;
    let tree = Tree::open(&project)?;

    let good = propose_patch(stage, &tree, findings[1], day::GOOD_PATCH)?;
    decision(stage, good, Verdict::Approve, &key)?;
    let outcome = apply_patch(stage, &tree, good, day::GOOD_PATCH).context("the approved patch")?;
    line("applied", format!("#{} to {}", outcome.0, outcome.1));
    match apply_patch(stage, &tree, good, day::GOOD_PATCH) {
        Err(refused) => line("again", format!("refused: {refused}")),
        Ok(_) => return Err(anyhow!("a patch was applied twice").into()),
    }
    let poor = propose_patch(stage, &tree, findings[0], day::POOR_PATCH)?;
    decision(stage, poor, Verdict::Deny, &key)?;
    match apply_patch(stage, &tree, poor, day::POOR_PATCH) {
        Err(refused) => line("apply", format!("refused: {refused}")),
        Ok(_) => return Err(anyhow!("a denied patch was applied").into()),
    }
    Ok(())
}

fn write_project(stage: &Stage) -> Result<PathBuf, Failure> {
    let project = stage.dir.with_file_name("project");
    let (path, text) = day::SOURCE;
    let file = project.join(path);
    std::fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
    std::fs::write(file, text)?;
    Ok(project)
}

/// The findings' ids, gravest first.
fn report_findings(stage: &Stage) -> Result<Vec<EventId>, Failure> {
    let sarif = Sarif::parse(day::SARIF.as_bytes(), None)?;
    let (actor, project) = ("service:scanner".parse()?, "orders".parse()?);
    let options = ScanOptions {
        actor: &actor,
        project: &project,
        whole_project: true,
        is_removed: &|_| false,
    };
    let new_id = &mut || stage.node.appender.new_id();
    let plan = stage
        .node
        .views
        .findings
        .read(|findings| plan_scan(&sarif, findings, &options, new_id));
    stage.append(plan.submissions)?;
    let now = stage.node.appender.now();
    let rows = stage
        .node
        .views
        .findings
        .read(|findings| findings.rows(&Filter::default(), now));
    for row in &rows {
        let cwe: Vec<&str> = row.cwe.iter().map(|cwe| cwe.as_str()).collect();
        line(
            "finding",
            format!(
                "{} {}:{}  {}",
                row.rule,
                row.path,
                row.line.unwrap_or_default(),
                cwe.join(" ")
            ),
        );
    }
    Ok(rows.iter().map(|row| row.finding).collect())
}

/// The approver's own key. A real one never leaves its owner.
fn approver(stage: &Stage) -> Result<Zeroizing<String>, Failure> {
    let (private, public): (Zeroizing<String>, ApproverKey) = generate()?;
    let data = UserActivated {
        user: "s002".parse()?,
        approver_key: Some(public.label().clone()),
    };
    stage.record("service:operator", data)?;
    Ok(private)
}

fn propose_patch(
    stage: &Stage,
    tree: &Tree,
    finding: EventId,
    diff: &str,
) -> Result<EventId, Failure> {
    let views = &stage.node.views;
    let now = stage.node.appender.now();
    let terms = Terms {
        proposer: "agent:cto".parse()?,
        policy: views
            .policies
            .read(|p| p.in_force(POLICY))
            .map_or(Hash::ZERO, |adopted| adopted.digest),
        deadline: now.after(Period::Days(7)).context("a week from now")?,
        approvers_needed: 1,
    };
    let new_id = &mut || stage.node.appender.new_id();
    let proposal = views.findings.read(|findings| {
        views.approvals.read(|approvals| {
            propose(
                finding,
                diff.as_bytes(),
                tree,
                terms,
                findings,
                approvals,
                new_id,
                now,
            )
        })
    })?;
    let seq = stage.append(proposal.submissions)?;
    line(
        "proposed",
        format!(
            "#{seq} by agent:cto, patch sha256 {}",
            &proposal.patch_sha256.to_string()[..16]
        ),
    );
    Ok(proposal.approval)
}

fn decision(stage: &Stage, approval: EventId, verdict: Verdict, key: &str) -> Result<(), Failure> {
    let views = &stage.node.views;
    let now = stage.node.appender.now();
    let approver: Actor = "user:s002".parse()?;
    let stated = views
        .approvals
        .read(|approvals| statement(approvals, approval, &approver, verdict, now))?;
    let (public, signature) = sign(&stated, key.as_bytes(), None)?;
    let decided = views
        .approvals
        .read(|approvals| decide(approvals, stated, &public, signature, now))?;
    let seq = stage.append(vec![decided])?;
    let word = if verdict == Verdict::Approve {
        "granted"
    } else {
        "denied"
    };
    line(
        word,
        format!("#{seq} by user:s002, signed with an SSH key over exactly this patch"),
    );
    let follow = views.findings.read(|f| {
        views
            .approvals
            .read(|a| follow_decisions(f, a, &approver, now))
    });
    if !follow.is_empty() {
        stage.append(follow)?;
    }
    Ok(())
}

fn apply_patch(
    stage: &Stage,
    tree: &Tree,
    approval: EventId,
    diff: &str,
) -> anyhow::Result<(u64, String)> {
    let views = &stage.node.views;
    let actor: Actor = "service:operator".parse()?;
    let outcome = views.findings.read(|findings| {
        views.approvals.read(|approvals| {
            let now = stage.node.appender.now();
            let request = ApplyRequest {
                approval,
                diff: diff.as_bytes(),
                tree,
                findings,
                approvals,
                actor: &actor,
                now,
            };
            apply(&request, |submission| {
                Ok(stage.node.appender.append(vec![submission])?[0])
            })
        })
    })?;
    views.catch_up()?;
    Ok((outcome.seq, outcome.paths.join(" ")))
}
