mod sign;

use crate::approvals::{Decided, Line, Whole, WholeError, age, lines, preview, whole};
use crate::cli::{Approvals, Cli, Decide};
use crate::commands::{hold, patch, read, retention, word};
use crate::desk::Desk;
use crate::door::append_failed;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use agents::approvals::statement::{SignedDecision, Verdict};
use agents::approvals::view::State;
use agents::approvals::{decide, statement};
use anyhow::Context;
use ledger::Content;
use ledger::clock::{Clock, SystemClock};
use schemas::{Actor, EventId, Label};
use std::path::Path;

pub fn run(cli: &Cli, args: &Approvals) -> Done {
    match args {
        Approvals::List { state } => list(cli, state.as_deref()),
        Approvals::Show { approval } => show(cli, approval),
        Approvals::Approve(args) => decided(cli, args, Verdict::Approve),
        Approvals::Deny(args) => decided(cli, args, Verdict::Deny),
        Approvals::Evidence { approval, output } => evidence(cli, approval, output),
    }
}

fn list(cli: &Cli, state: Option<&str>) -> Done {
    let state = state.map(word).transpose().context("--state")?;
    for line in listed(cli, state)? {
        print(cli.json, &line)?;
    }
    Ok(Outcome::Well)
}

/// With previews, which are recorded; where nothing can be, without.
fn listed(cli: &Cli, state: Option<State>) -> Result<Vec<Line>, Failure> {
    let desk = match Desk::open(&cli.data) {
        Ok(desk) => desk,
        Err(failure) => {
            let views = Views::open(read(&cli.data)?)?;
            eprintln!(
                "note: without previews, because that somebody looks cannot be recorded: {:#}",
                failure.fault
            );
            return Ok(lines(&views, state, SystemClock.now()));
        }
    };
    let mut listed = lines(&desk.views, state, desk.now());
    let masker = desk.masker()?;
    let at = (&desk.views, &desk.reader);
    preview(&mut listed, at, &masker, &desk.door).map_err(append_failed)?;
    Ok(listed)
}

fn print(json: bool, line: &Line) -> Result<(), Failure> {
    if json {
        say!("{}", serde_json::to_string(line)?);
        return Ok(());
    }
    let row = &line.row;
    let what = match &line.tool {
        Some(tool) => tool.to_string(),
        None => row.subject.id.to_string(),
    };
    say!(
        "{}  {:<9}  {}  {:>6}  {} {what}  asked by {}",
        row.approval,
        row.state.to_string(),
        row.progress(),
        age(row.age_seconds),
        row.subject.kind,
        row.requester,
    );
    if let Some(preview) = &line.preview {
        say!("    {preview}");
    }
    match line.changed.as_deref() {
        None => {}
        Some([]) => say!("    the same as the last of this agent and tool"),
        Some(paths) => say!("    changed since the last: {}", paths.join(", ")),
    }
    for differs in line.masked_diff.iter().flatten() {
        say!("      {differs}");
    }
    Ok(())
}

/// What would be approved, in full: the digest is of these bytes.
fn show(cli: &Cli, approval: &str) -> Done {
    let approval: EventId = approval.parse().context("APPROVAL")?;
    let desk = Desk::open(&cli.data)?;
    let mut listed = lines(&desk.views, None, desk.now());
    listed.retain(|line| line.row.approval == approval);
    let line = listed.pop().ok_or_else(|| unknown(approval))?;
    let opened = whole(line, (&desk.views, &desk.reader), &desk.door);
    let opened = opened.map_err(|error| match error {
        WholeError::Append(error) => append_failed(error),
        other @ WholeError::NotWhatIsAsked => {
            Failure::new(other, "deny it, and find out who made it")
        }
        other => Failure::new(other, "run `daicho verify`"),
    })?;
    if cli.json {
        say!("{}", serde_json::to_string(&opened)?);
        return Ok(Outcome::Well);
    }
    let Whole {
        line,
        content,
        diff,
    } = opened;
    let row = &line.row;
    print(false, &line)?;
    say!("  deadline      {}", row.deadline);
    say!("  sha256        {}", row.arguments_sha256);
    if let Some(base) = row.base_sha256 {
        say!("  base sha256   {base}");
    }
    for (what, who) in [
        ("approved by", &row.approved_by),
        ("denied by", &row.denied_by),
        ("withdrawn", &row.withdrawn),
    ] {
        who.iter().for_each(|actor| say!("  {what:<12}  {actor}"));
    }
    if let Some(content) = content {
        say!("\n{content}");
    }
    match diff.as_deref() {
        None => {}
        Some("") => say!("\nthe same as the last draft of this agent and tool"),
        Some(diff) => say!(
            "\nsince the last draft of this agent and tool:\n{}",
            diff.trim_end()
        ),
    }
    Ok(Outcome::Well)
}

fn unknown(approval: EventId) -> Failure {
    Failure::msg(
        format!("this log does not know approval {approval}"),
        "see `daicho approvals list`",
    )
}

fn decided(cli: &Cli, args: &Decide, verdict: Verdict) -> Done {
    let approval: EventId = args.approval.parse().context("APPROVAL")?;
    let approver: Actor = args.by.parse().context("--by")?;
    let mut desk = Desk::open(&cli.data)?;
    let now = desk.now();
    let refused = "nothing was recorded; `daicho approvals show` tells the state";
    let stated = desk
        .views
        .approvals
        .read(|approvals| statement(approvals, approval, &approver, verdict, now));
    let stated = stated.map_err(|error| Failure::new(error, refused))?;
    // Before the key is opened: nobody signs what was not shown.
    if !cli.json {
        let (approved, needed) = desk.progress(approval);
        eprintln!("{}\n{approved} of {needed} have approved", stated.text());
    }
    let (key, signature) = sign::signed(&desk, &stated, args)?;
    let decision = desk
        .views
        .approvals
        .read(|approvals| decide(approvals, stated, &key, signature, now));
    let mut decision = decision.map_err(|error| Failure::new(error, refused))?;
    if let Some(reason) = &args.reason {
        decision.content.push(Content {
            name: "reason".parse()?,
            media: Label::lossy("text/plain"),
            bytes: reason.clone().into_bytes(),
        });
    }
    let receipts = desk.append(vec![decision])?;
    let decided = Decided::at(receipts[0].seq, verdict, approval, &desk.views);
    let decided = decided.map_err(|fault| Failure::msg(fault, "see `daicho approvals show`"))?;
    patch::settle(&mut desk)?;
    let deeds = hold::settle(&desk)?;
    if cli.json {
        say!("{}", serde_json::to_string(&decided)?);
    } else {
        let Decided {
            verdict,
            seq,
            approved,
            needed,
            ..
        } = decided;
        say!("{verdict}, signed and recorded at {seq}; {approved} of {needed} have approved");
        retention::told(cli, &deeds)?;
    }
    Ok(Outcome::Well)
}

impl Desk {
    /// How many have approved, of how many.
    fn progress(&self, approval: EventId) -> (u64, u64) {
        self.views.approvals.read(|approvals| {
            let found = approvals.find(approval);
            found.map_or((0, 0), |found| (found.approved(), found.approvers_needed))
        })
    }
}

/// Files with which `ssh-keygen -Y verify` checks each decision, without daicho.
fn evidence(cli: &Cli, approval: &str, output: &Path) -> Done {
    let approval: EventId = approval.parse().context("APPROVAL")?;
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let positions = views
        .approvals
        .read(|approvals| {
            approvals
                .find(approval)
                .map(|found| found.positions.clone())
        })
        .ok_or_else(|| unknown(approval))?;
    for seq in positions {
        let entry = reader.entry(seq)?;
        let Some(signed) = SignedDecision::of(entry.data()) else {
            continue;
        };
        let evidence = signed.evidence()?;
        let dir = output.join(seq.to_string());
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("{} cannot be made", dir.display()))?;
        for (name, text) in [
            ("statement", evidence.statement),
            ("statement.sig", evidence.signature),
            ("allowed_signers", evidence.allowed_signers),
        ] {
            let path = dir.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        say!("cd {} && {}", dir.display(), evidence.command);
    }
    Ok(Outcome::Well)
}
