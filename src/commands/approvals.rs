use crate::cli::{Approvals, Cli, Decide};
use crate::commands::{patch, read, word};
use crate::desk::Desk;
use crate::door::append_failed;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use agents::approvals::signature::{SignError, sign};
use agents::approvals::statement::{SignedDecision, Verdict};
use agents::approvals::view::Row;
use agents::approvals::{decide, draft, statement};
use agents::scanner::patch::diff::visible;
use anyhow::Context;
use ledger::clock::{Clock, SystemClock};
use ledger::{Content, Reader};
use schemas::{Actor, EventId, Label};
use std::path::Path;
use zeroize::Zeroizing;

/// Environment variable for the passphrase of an approver's key, where no terminal is at hand.
const PASSPHRASE: &str = "DAICHO_KEY_PASSPHRASE";

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
    let views = Views::open(read(&cli.data)?)?;
    for row in views
        .approvals
        .read(|approvals| approvals.rows(state, SystemClock.now()))
    {
        print(cli.json, &row)?;
    }
    views.save();
    Ok(Outcome::Well)
}

fn print(json: bool, row: &Row) -> Result<(), Failure> {
    if json {
        say!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    let hours = row.age_seconds / 3_600;
    say!(
        "{}  {:<9} {:>4} h  {} {}  asked by {}  sha256 {}",
        row.approval,
        format!("{:?}", row.state).to_lowercase(),
        hours,
        row.subject.kind,
        row.subject.id,
        row.requester,
        &row.arguments_sha256.to_string()[..16]
    );
    Ok(())
}

/// What would be approved, in full: the digest is of these bytes.
fn show(cli: &Cli, approval: &str) -> Done {
    let approval: EventId = approval.parse().context("APPROVAL")?;
    let desk = Desk::open(&cli.data)?;
    let rows = desk
        .views
        .approvals
        .read(|approvals| approvals.rows(None, desk.door.now()));
    let row = rows
        .into_iter()
        .find(|row| row.approval == approval)
        .ok_or_else(|| unknown(approval))?;
    print(cli.json, &row)?;
    if cli.json {
        return Ok(Outcome::Well);
    }
    say!("  deadline      {}", row.deadline);
    say!("  sha256        {}", row.arguments_sha256);
    if let Some(base) = row.base_sha256 {
        say!("  base sha256   {base}");
    }
    for (what, who) in [
        ("approved by", &row.approved_by),
        ("denied by", &row.denied_by),
    ] {
        who.iter().for_each(|actor| say!("  {what:<12}  {actor}"));
    }
    let at = desk
        .views
        .findings
        .read(|findings| findings.patch(row.subject.id)?.positions.first().copied())
        .map(|at| (at, "patch"));
    let draft = desk
        .views
        .drafts
        .read(|drafts| Some((drafts.find(row.subject.id)?.position, draft::CONTENT)));
    if let Some((at, name)) = at.or(draft) {
        desk.door
            .record_reveal(&desk.reader.entry(at)?, "approval")
            .map_err(append_failed)?;
        say!("\n{}", visible(&content(&desk.reader, at, name)?));
    }
    Ok(Outcome::Well)
}

fn content(reader: &Reader, seq: u64, name: &str) -> Result<Vec<u8>, Failure> {
    let entry = reader.entry(seq)?;
    match entry
        .content()
        .iter()
        .find(|content| content.name.as_str() == name)
    {
        Some(reference) => Ok(reader.content(reference)?),
        None => Err(Failure::msg(
            format!("entry {seq} has no content {name}"),
            "run `daicho verify`",
        )),
    }
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
    let now = desk.door.now();
    let refused = "nothing was recorded; `daicho approvals show` tells the state";
    let stated = desk
        .views
        .approvals
        .read(|approvals| statement(approvals, approval, &approver, verdict, now));
    let stated = stated.map_err(|error| Failure::new(error, refused))?;
    // Before the key is opened: nobody signs what was not shown.
    if !cli.json {
        eprintln!("{}", stated.text());
    }
    let private = std::fs::read(&args.key)
        .with_context(|| format!("{} cannot be read", args.key.display()))?;
    let private = Zeroizing::new(private);
    let (key, signature) = match sign(&stated, &private, None) {
        Err(SignError::PassphraseMissing) => {
            sign(&stated, &private, Some(passphrase(&args.key)?.as_bytes()))
        }
        signed => signed,
    }
    .map_err(|error| Failure::new(error, "nothing was recorded"))?;
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
    patch::settle(&mut desk)?;
    let word = if verdict == Verdict::Approve {
        "granted"
    } else {
        "denied"
    };
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "approval": approval, "verdict": word, "seq": receipts[0].seq })
        );
    } else {
        say!("{word}, signed and recorded at {}", receipts[0].seq);
    }
    Ok(Outcome::Well)
}

fn passphrase(key: &Path) -> Result<Zeroizing<String>, Failure> {
    if let Ok(passphrase) = std::env::var(PASSPHRASE) {
        return Ok(Zeroizing::new(passphrase));
    }
    let asked = rpassword::prompt_password(format!("passphrase of {}: ", key.display()));
    let help = format!("type it at a terminal, or set {PASSPHRASE}");
    asked.map(Zeroizing::new).map_err(|error| {
        Failure::new(
            anyhow::Error::new(error).context("the key is encrypted"),
            help,
        )
    })
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
