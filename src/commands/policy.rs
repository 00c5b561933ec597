//! Policies in force, what daicho.toml would change in them, and the change itself.

use crate::cli::{Cli, Policy};
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome, say};
use crate::policies::{self, Adoption, CONTENT, POLICIES, Text};
use crate::retention::{decide_by, policy_digest};
use crate::views::Views;
use agents::retention::matter::{Decided, Matter};
use ledger::buckets::{self, due};
use ledger::{Layout, Reader, Submission};
use schemas::kinds::records::RetentionExtended;
use schemas::{BucketId, Data, EventId, Name, Timestamp};

/// One policy beside what daicho.toml says.
struct Compared {
    wanted: Text,
    in_force: Option<Adoption>,
    /// Lines of a unified diff; empty where daicho.toml is in force.
    diff: Vec<String>,
}

impl Compared {
    fn changes(&self) -> bool {
        self.in_force.map(|adopted| adopted.digest) != Some(self.wanted.digest)
    }
}

pub fn run(cli: &Cli, args: &Policy) -> Done {
    let config = Config::load(&Layout::new(&cli.data))?;
    let (door, reader) = Door::open(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let compared = compare(&config, &views, &reader, &door)?;
    views.catch_up()?;
    views.save();
    for policy in &compared {
        show(cli, policy)?;
    }
    let changed: Vec<&Compared> = compared.iter().filter(|c| c.changes()).collect();
    match args.action {
        None if changed.is_empty() => Ok(Outcome::Well),
        None => {
            eprintln!("note: `daicho policy adopt` puts the changes in force");
            Ok(Outcome::Wrong)
        }
        Some(_) => adopt(cli, &config, (&door, &views), &changed),
    }
}

fn adopt(
    cli: &Cli,
    config: &Config,
    (door, views): (&Door, &Views),
    changed: &[&Compared],
) -> Done {
    policies::sound(config)?;
    if changed.is_empty() {
        eprintln!("note: daicho.toml is in force already; nothing was recorded");
        return Ok(Outcome::Well);
    }
    let now = door.now();
    let (mut batch, mut adopted, mut waiting) = (Vec::new(), Vec::new(), None);
    for policy in changed {
        let previous = policy.in_force.map(|adopted| adopted.digest);
        let mut approvals = Vec::new();
        if let (buckets::POLICY, Some(previous)) = (policy.wanted.policy, previous) {
            let followed = views.buckets.read(|b| config.retention.may_follow(b));
            followed.map_err(|error| Failure::new(error, "nothing was recorded"))?;
            let matter = Matter::adoption(&policy.wanted.json, previous);
            match decided(views, &matter, now) {
                Ok(approval) => approvals.push(approval),
                Err(Some(asked)) => {
                    waiting = Some(asked);
                    continue;
                }
                Err(None) => {
                    let approval = door.new_id();
                    let (digest, by) = (policy_digest(views), door.operator());
                    let deadline = decide_by(&config.approvals, now);
                    let asked = views.approvals.read(|approvals| {
                        matter.ask(approvals, approval, by, digest, deadline, now)
                    })?;
                    batch.push(asked);
                    waiting = Some(approval);
                    continue;
                }
            }
        }
        adopted.push((policy.wanted.policy, batch.len()));
        batch.push(policies::adoption(
            door,
            &policy.wanted,
            previous,
            approvals,
        )?);
        if policy.wanted.policy == buckets::POLICY {
            batch.extend(lengthened(config, views, door));
        }
    }
    let longer: Vec<BucketId> = batch.iter().filter_map(extended).collect();
    let receipts = door.append(batch).map_err(append_failed)?;
    for (policy, at) in &adopted {
        let seq = receipts[*at].seq;
        if cli.json {
            say!("{}", serde_json::json!({ "policy": policy, "seq": seq }));
        } else {
            say!("{policy} adopted, recorded at {seq}");
        }
    }
    if !cli.json && !longer.is_empty() {
        let longer: Vec<String> = longer.iter().map(BucketId::to_string).collect();
        say!(
            "kept longer, as recorded by retention.extended: {}",
            longer.join(", ")
        );
    }
    if !cli.json && !adopted.is_empty() {
        eprintln!("new sessions are under it from now on; sessions that began keep their masks");
    }
    let Some(approval) = waiting else {
        return Ok(Outcome::Well);
    };
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "policy": buckets::POLICY, "approval": approval })
        );
    } else {
        say!("retention waits for two people: daicho approvals show {approval}");
        eprintln!("`daicho policy adopt` puts it in force once they have approved");
    }
    Ok(Outcome::Wrong)
}

/// The approval that a change of retention rests on; else the request that waits, if there is one.
fn decided(views: &Views, matter: &Matter, now: Timestamp) -> Result<EventId, Option<EventId>> {
    views
        .approvals
        .read(|approvals| match matter.decided(approvals, now) {
            Decided::Granted(asked) => Ok(asked.approval),
            Decided::Waiting(asked) | Decided::Denied(asked) => Err(Some(asked.approval)),
            Decided::NotAsked => Err(None),
        })
}

fn extended(submission: &Submission) -> Option<BucketId> {
    match &submission.event.data {
        Data::RetentionExtended(extended) => Some(extended.bucket.clone()),
        _ => None,
    }
}

/// What exists is kept longer where the new rules say so.
fn lengthened(config: &Config, views: &Views, door: &Door) -> Vec<Submission> {
    let periods = &config.retention.periods;
    views.buckets.read(|buckets| {
        let longer = buckets.all().filter_map(|(id, bucket)| {
            let period = *periods.get(&id.class)?;
            bucket
                .is_lengthened_by(id, period)
                .then(|| RetentionExtended {
                    bucket: id.clone(),
                    period,
                    due: due(id, period),
                })
        });
        longer
            .map(|fact| door.event(door.operator(), fact))
            .collect()
    })
}

fn compare(
    config: &Config,
    views: &Views,
    reader: &Reader,
    door: &Door,
) -> Result<Vec<Compared>, Failure> {
    let mut compared = Vec::new();
    for policy in POLICIES {
        compared.push(Compared {
            wanted: Text::of(config, policy)?,
            in_force: views.policies.read(|policies| policies.in_force(policy)),
            diff: Vec::new(),
        });
    }
    // What is sealed is shown only once that is recorded.
    let content: Name = CONTENT.parse()?;
    let changed = compared.iter().filter(|policy| policy.changes());
    let sealed: Vec<u64> = changed
        .filter_map(|c| c.in_force)
        .map(|a| a.position)
        .collect();
    if !sealed.is_empty() {
        let contents = sealed.iter().map(|&position| (position, &content));
        door.record_reveals(contents, "policy-diff")
            .map_err(append_failed)?;
    }
    for policy in compared.iter_mut().filter(|policy| policy.changes()) {
        let (name, after) = (policy.wanted.policy, &policy.wanted.json);
        let before = match policy.in_force {
            None => Ok("{}".to_owned()),
            Some(adopted) => policies::read(reader, name, adopted),
        };
        policy.diff = match before {
            Ok(before) => policies::diff(name, &before, after)?,
            // Its bucket may have expired: then all of the new text is new.
            Err(failure) => {
                eprintln!("warning: {:#}; all of the new text is shown", failure.fault);
                policies::diff(name, "{}", after)?
            }
        };
        if policy.diff.is_empty() && policy.in_force.is_some() {
            let rules = "@@ the settings are equal; the rules inside this program changed @@";
            policy.diff.push(rules.to_owned());
        }
    }
    Ok(compared)
}

fn show(cli: &Cli, policy: &Compared) -> std::io::Result<()> {
    let (name, wanted) = (policy.wanted.policy, policy.wanted.digest);
    if cli.json {
        let line = serde_json::json!({
            "policy": name, "in_force": policy.in_force, "configured": wanted,
            "changes": policy.changes(), "diff": policy.diff,
        });
        say!("{line}");
        return Ok(());
    }
    match policy.in_force {
        Some(adopted) if !policy.changes() => {
            say!(
                "{name:<10} in force since {}, adopted at {}, digest {}",
                adopted.at,
                adopted.position,
                adopted.digest
            );
            return Ok(());
        }
        Some(adopted) => say!(
            "--- {name} in force, adopted at {}, digest {}",
            adopted.position,
            adopted.digest
        ),
        None => say!("--- {name} is not adopted yet"),
    }
    say!("+++ {name} in daicho.toml, digest {wanted}");
    for line in &policy.diff {
        say!("{line}");
    }
    Ok(())
}
