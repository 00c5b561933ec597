//! Lists of people that are masked wherever they stand.

mod csv;

use crate::cli::{Cli, Roster as Args};
use crate::commands::read;
use crate::desk::Desk;
use crate::masking::tag_key;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::policies::CONTENT;
use crate::retention::Records;
use crate::roster::{self, NONE, POLICY};
use crate::views::Views;
use agents::masking::Roster;
use anyhow::Context;
use ledger::{Content, Layout};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Label, Name};
use std::path::Path;
use zeroize::Zeroizing;

pub fn run(cli: &Cli, args: &Args) -> Done {
    let layout = Layout::new(&cli.data);
    match args {
        Args::List => list(cli, &layout),
        Args::Load { file, name } => load(cli, &layout, file, name),
        Args::Remove { all: true, .. } => {
            let mut desk = Desk::open(&cli.data)?;
            adopt(cli, &mut desk, &layout, "", true)
        }
        Args::Remove { name, .. } => {
            let name = name.as_deref().context("NAME, or --all")?;
            let mut desk = Desk::open(&cli.data)?;
            let before = text(&desk, &layout)?;
            let left = without(&before, name);
            if left.len() == before.len() {
                return Err(Failure::msg(
                    "no list of this name is loaded",
                    "`daicho roster list` shows every one",
                ));
            }
            adopt(cli, &mut desk, &layout, &left, true)
        }
    }
}

fn load(cli: &Cli, layout: &Layout, file: &Path, name: &str) -> Done {
    let name: Name = name.parse().context("--name")?;
    let help =
        "columns name (required), kana, romaji, phone, email; surname first, a space, given name";
    let bytes =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let people = csv::people(&Zeroizing::new(bytes)).map_err(|error| Failure::new(error, help))?;
    let lines: String = people
        .iter()
        .map(|person| format!("{name}\t{}\n", person.as_str()))
        .collect();
    let lines = Zeroizing::new(lines);
    // This list's own numbers first: those of all lists together would name another line.
    Roster::new(&lines, &tag_key(layout)?).map_err(|error| Failure::new(error, help))?;
    let mut desk = Desk::open(&cli.data)?;
    let before = text(&desk, layout)?;
    let kept = without(&before, name.as_str());
    // Who is on the old list and not on the new one is to be forgotten.
    let replaces = kept.len() < before.len();
    let all = Zeroizing::new(format!("{}{}", kept.as_str(), lines.as_str()));
    adopt(cli, &mut desk, layout, &all, replaces)
}

/// Lines of every list but one.
fn without(text: &str, name: &str) -> Zeroizing<String> {
    let other = |line: &&str| line.split('\t').next() != Some(name);
    Zeroizing::new(text.split_inclusive('\n').filter(other).collect())
}

fn text(desk: &Desk, layout: &Layout) -> Result<Zeroizing<String>, Failure> {
    let adopted = desk.views.policies.read(|p| p.in_force(POLICY));
    let roster = match adopted {
        Some(adopted) => roster::read(&desk.reader, adopted, &tag_key(layout)?)?,
        None => None,
    };
    let text = roster.map(|roster| roster.text().to_owned());
    Ok(Zeroizing::new(text.unwrap_or_default()))
}

fn adopt(cli: &Cli, desk: &mut Desk, layout: &Layout, text: &str, destroys: bool) -> Done {
    let destroys = destroys || roster::is_half_removed(layout);
    let digest = if text.is_empty() {
        NONE
    } else {
        let made = Roster::new(text, &tag_key(layout)?);
        let help = "load fewer people; see --help";
        made.map_err(|error| Failure::new(error, help))?.tag()
    };
    let previous = desk.views.policies.read(|p| p.in_force(POLICY));
    let previous = previous.map(|adopted| adopted.digest);
    if previous.unwrap_or(NONE) == digest {
        eprintln!("note: that is so already; nothing was recorded");
        return Ok(Outcome::Well);
    }
    if destroys {
        not_held(desk)?;
    }
    let adopted = PolicyAdopted {
        policy: POLICY.parse()?,
        digest,
        previous,
        approvals: Vec::new(),
        periods: None,
        must_keep: None,
    };
    let mut submission = desk.door.event(desk.door.operator(), adopted);
    if digest != NONE {
        submission.content.push(Content {
            name: CONTENT.parse()?,
            media: Label::lossy("application/octet-stream"),
            bytes: roster::seal(layout, text, destroys)?,
        });
    }
    let receipts = desk.append(vec![submission])?;
    if destroys {
        // What was placed or asked for meanwhile: the key stays, and a later run takes it.
        not_held(desk)?;
        roster::destroy_old_key(layout)?;
    }
    let seq = receipts[0].seq;
    if cli.json {
        say!("{}", serde_json::json!({ "seq": seq, "digest": digest }));
    } else {
        say!("recorded at {seq}");
        if destroys {
            eprintln!(
                "what was loaded before can be read by nobody; a running server forgets it with the next call"
            );
        }
    }
    Ok(Outcome::Well)
}

/// The end of a roster's key ends content before its bucket's time: not under a hold.
fn not_held(desk: &Desk) -> Result<(), Failure> {
    let records = Records {
        reader: &desk.reader,
        views: &desk.views,
        authority: None,
        now: desk.now(),
    };
    if let Some(approval) = records.hold_asked_for()? {
        return Err(Failure::msg(
            format!(
                "a hold waits for a decision (approval {approval}), and no list ends until there is one"
            ),
            "see `daicho approvals show`; then run this again",
        ));
    }
    let adopted = desk.views.policies.read(|p| p.all(POLICY).to_vec());
    for adoption in adopted {
        for content in desk.reader.entry(adoption.position)?.content() {
            let bucket = &content.bucket;
            let holds = desk.views.buckets.read(|buckets| buckets.held_by(bucket));
            if let Some(hold) = holds.first() {
                let fault =
                    format!("an earlier list lies in bucket {bucket}, which hold {hold} keeps");
                return Err(Failure::msg(
                    fault,
                    "see `daicho hold list`; nothing was changed",
                ));
            }
        }
    }
    Ok(())
}

/// Counts only: who is on a list is shown to nobody.
fn list(cli: &Cli, layout: &Layout) -> Done {
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    if let Some(adopted) = views.policies.read(|p| p.in_force(POLICY))
        && let Some(roster) = roster::read(&reader, adopted, &tag_key(layout)?)?
    {
        for (name, people) in roster.counts() {
            if cli.json {
                let line = serde_json::json!({
                    "roster": name, "people": people, "position": adopted.position,
                });
                say!("{line}");
            } else {
                say!(
                    "{name:<20} {people:>8} people, adopted at {}",
                    adopted.position
                );
            }
        }
    }
    views.save();
    Ok(Outcome::Well)
}
