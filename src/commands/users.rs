use crate::cli::{Cli, Users};
use crate::commands::{read, word};
use crate::desk::Desk;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use agents::approvals::signature::ApproverKey;
use anyhow::Context;
use ledger::query::{Filter, find};
use schemas::Data;
use schemas::kinds::people::{UserActivated, UserDeactivated};

pub fn run(cli: &Cli, args: &Users) -> Done {
    match args {
        Users::List => list(cli),
        Users::Activate { user, key } => {
            let approver_key = match key {
                Some(path) => {
                    let text = std::fs::read_to_string(path)
                        .with_context(|| format!("{} cannot be read", path.display()))?;
                    let key = ApproverKey::parse(&text).map_err(|error| {
                        Failure::new(
                            error,
                            "give the .pub file; the private key never leaves its owner",
                        )
                    })?;
                    Some(key.label().clone())
                }
                None => None,
            };
            let user = user.parse().context("USER")?;
            record(cli, UserActivated { user, approver_key })
        }
        Users::Deactivate { user, reason } => {
            let user = user.parse().context("USER")?;
            record(
                cli,
                UserDeactivated {
                    user,
                    reason: word(reason).context("--reason")?,
                },
            )
        }
    }
}

fn record(cli: &Cli, data: impl Into<Data>) -> Done {
    let mut desk = Desk::open(&cli.data)?;
    let event = desk.door.event(desk.door.operator(), data);
    let receipts = desk.append(vec![event])?;
    say!("recorded at {}", receipts[0].seq);
    Ok(Outcome::Well)
}

/// The newest state of each user, oldest change first.
fn list(cli: &Cli) -> Done {
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let kinds = ["user.activated", "user.deactivated"]
        .map(str::to_owned)
        .to_vec();
    let mut users = std::collections::BTreeMap::new();
    for seq in find(
        &reader,
        &views.positions,
        &Filter {
            kinds,
            ..Filter::default()
        },
    )? {
        match reader.entry(seq)?.data() {
            Data::UserActivated(active) => users.insert(
                active.user.clone(),
                (seq, true, active.approver_key.clone()),
            ),
            Data::UserDeactivated(left) => users.insert(left.user.clone(), (seq, false, None)),
            _ => None,
        };
    }
    for (user, (seq, active, key)) in users {
        if cli.json {
            say!(
                "{}",
                serde_json::json!({ "user": user, "active": active, "approver_key": key, "seq": seq })
            );
        } else {
            let state = if active { "active" } else { "left" };
            let key = key.map_or_else(|| "no approver's key".to_owned(), |key| key.to_string());
            say!("{user:<20} {state:<8} {key}");
        }
    }
    views.save();
    Ok(Outcome::Well)
}
