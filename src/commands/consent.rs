//! Who lets which of their data be sent, and what for.

use crate::cli::{Cli, Consent, ConsentOf};
use crate::commands::{read, word};
use crate::config::Config;
use crate::desk::Desk;
use crate::intake::moment;
use crate::masking::{self, Guard};
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use anyhow::Context;
use ledger::clock::{Clock, SystemClock};
use schemas::kinds::people::{ConsentGiven, ConsentWithdrawn};
use schemas::{Data, DataClass, Name};

pub fn run(cli: &Cli, args: &Consent) -> Done {
    match args {
        Consent::List => list(cli),
        Consent::Give { of, until } => {
            let mut desk = Desk::open(&cli.data)?;
            let until = until.as_deref().map(moment).transpose();
            let until = until.context("--until")?;
            if until.is_some_and(|until| until <= desk.door.now()) {
                return Err(Failure::msg(
                    "--until is past",
                    "give a time to come, or leave it out",
                ));
            }
            let (subject, purpose, data_class) = named(&desk, of)?;
            let given = ConsentGiven {
                subject,
                purpose,
                data_class,
                until,
            };
            record(cli, &mut desk, given)
        }
        Consent::Withdraw { of } => {
            let mut desk = Desk::open(&cli.data)?;
            let (subject, purpose, data_class) = named(&desk, of)?;
            let known = desk
                .views
                .consents
                .read(|c| c.consent(&subject, &purpose, data_class).is_some());
            if !known {
                return Err(Failure::msg(
                    format!("no consent of {subject} to {purpose} for {data_class} is in the log"),
                    "`daicho consent list` shows every one",
                ));
            }
            let withdrawn = ConsentWithdrawn {
                subject,
                purpose,
                data_class,
            };
            record(cli, &mut desk, withdrawn)
        }
    }
}

fn named(desk: &Desk, of: &ConsentOf) -> Result<(Name, Name, DataClass), Failure> {
    Ok((
        person(&of.person, &desk.config)?,
        of.purpose.parse().context("--purpose")?,
        word(&of.class).context("--class")?,
    ))
}

/// Someone by staff number or tag: what the log keeps for ever is nobody's name.
pub fn person(text: &str, config: &Config) -> Result<Name, Failure> {
    let help = "give a staff number or a keyed tag as `events` shows it, never a name";
    let handle: Name = text
        .parse()
        .map_err(|_| Failure::msg("the person is given by no staff number and no tag", help))?;
    let masker = masking::alone(config.masking.clone())?;
    if !masker.text(&as_a_name(&handle)).spans.is_empty() {
        return Err(Failure::msg("the person's handle reads like a name", help));
    }
    Ok(handle)
}

/// Refuses what would stand in the log for ever in clear, and is personal data or a secret.
pub fn in_clear<'a>(
    guard: &Guard,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<(), Failure> {
    match texts.into_iter().find_map(|text| guard.rule(text)) {
        None => Ok(()),
        Some(rule) => Err(Failure::msg(
            format!("a field holds what rule {rule} keeps out of the log"),
            "give numbers and handles, as case 2026-17 and staff number s001; nothing was recorded",
        )),
    }
}

/// A handle as it would be written if it were a name: 担当: Yamada Taro.
pub fn as_a_name(handle: &Name) -> String {
    let words = handle.as_str().split(['.', '_', '-']).map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    format!("担当: {}", words.collect::<Vec<_>>().join(" "))
}

fn record(cli: &Cli, desk: &mut Desk, data: impl Into<Data>) -> Done {
    let event = desk.door.event(desk.door.operator(), data);
    let receipts = desk.append(vec![event])?;
    let seq = receipts[0].seq;
    if cli.json {
        say!("{}", serde_json::json!({ "seq": seq }));
    } else {
        say!("recorded at {seq}");
    }
    Ok(Outcome::Well)
}

fn list(cli: &Cli) -> Done {
    let views = Views::open(read(&cli.data)?)?;
    let now = SystemClock.now();
    views.consents.read(|consents| {
        for (person, purpose, class, consent) in consents.iter() {
            let in_force = consent.is_in_force(now);
            if cli.json {
                let line = serde_json::json!({
                    "person": person, "purpose": purpose, "class": class, "in_force": in_force,
                    "given": consent.given, "until": consent.until, "position": consent.position,
                });
                say!("{line}");
                continue;
            }
            let until = match consent.until {
                None => "until withdrawn".to_owned(),
                Some(until) if in_force => format!("until {until}"),
                Some(until) => format!("ended {until}"),
            };
            say!(
                "{:<20} {:<16} {:<10} {until}, given at {}",
                person.as_str(),
                purpose.as_str(),
                class.as_str(),
                consent.position
            );
        }
        std::io::Result::Ok(())
    })?;
    views.save();
    Ok(Outcome::Well)
}
