//! Policies in force, what daicho.toml would change in them, and the change itself.

use crate::cli::{Cli, Policy};
use crate::config::Config;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome, say};
use crate::policies::{self, Adoption, CONTENT, POLICIES, Text};
use crate::views::Views;
use ledger::{Layout, Reader};
use schemas::Name;

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
        Some(_) => adopt(cli, &config, &door, &changed),
    }
}

fn adopt(cli: &Cli, config: &Config, door: &Door, changed: &[&Compared]) -> Done {
    policies::sound(config)?;
    if changed.is_empty() {
        eprintln!("note: daicho.toml is in force already; nothing was recorded");
        return Ok(Outcome::Well);
    }
    let mut batch = Vec::new();
    for policy in changed {
        let previous = policy.in_force.map(|adopted| adopted.digest);
        batch.push(policies::adoption(door, &policy.wanted, previous)?);
    }
    let receipts = door.append(batch).map_err(append_failed)?;
    for (policy, receipt) in changed.iter().zip(&receipts) {
        let (policy, seq) = (policy.wanted.policy, receipt.seq);
        if cli.json {
            say!("{}", serde_json::json!({ "policy": policy, "seq": seq }));
        } else {
            say!("{policy} adopted, recorded at {seq}");
        }
    }
    if !cli.json {
        eprintln!("new sessions are under it from now on; sessions that began keep their masks");
    }
    Ok(Outcome::Well)
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
