use crate::cli::{Agents, Cli};
use crate::commands::{consent, period_from, read, word};
use crate::desk::Desk;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::views::Views;
use agents::registry::{self, RegistryError, issue_token};
use anyhow::Context;
use schemas::kinds::agents::{
    AgentReason, AgentRegistered, AgentReleased, AgentRetired, AgentSuspended, AgentUpdated,
};
use schemas::{Data, Name, Period, Timestamp};

pub fn run(cli: &Cli, args: &Agents) -> Done {
    match args {
        Agents::List => list(cli),
        Agents::Register {
            agent,
            role,
            data_class,
            person,
            model,
            valid,
        } => {
            let agent: Name = agent.parse().context("AGENT")?;
            let desk = Desk::open(&cli.data)?;
            allowed(desk.views.agents.read(|agents| agents.may_register(&agent)))?;
            let token = issue_token()?;
            let data = AgentRegistered {
                role: role
                    .as_ref()
                    .map_or(Ok(agent.clone()), |role| role.parse())
                    .context("--role")?,
                agent,
                data_class: word(data_class).context("--data-class")?,
                token_sha256: token.digest(),
                token_until: until(&desk, *valid),
                model: model
                    .as_ref()
                    .map(|model| model.parse())
                    .transpose()
                    .context("--model")?,
                person: person_of(person, &desk)?,
            };
            record(cli, desk, data, Some(token.reveal()))
        }
        Agents::Set {
            agent,
            role,
            data_class,
            person,
        } => {
            let agent: Name = agent.parse().context("AGENT")?;
            let desk = Desk::open(&cli.data)?;
            let data_class = data_class.as_deref().map(word).transpose();
            let data = AgentUpdated {
                agent: agent.clone(),
                role: role
                    .as_deref()
                    .map(str::parse)
                    .transpose()
                    .context("--role")?,
                data_class: data_class.context("--data-class")?,
                token_sha256: None,
                token_until: None,
                model: None,
                person: person_of(person, &desk)?,
            };
            if data.role.is_none() && data.data_class.is_none() && data.person.is_none() {
                return Err(Failure::msg(
                    "nothing to change",
                    "see `daicho agents set --help`",
                ));
            }
            let may_change = |agents: &registry::Agents| agents.may_change(&agent).map(|_| ());
            allowed(desk.views.agents.read(may_change))?;
            record(cli, desk, data, None)
        }
        Agents::Token { agent, valid } => {
            let agent: Name = agent.parse().context("AGENT")?;
            let desk = Desk::open(&cli.data)?;
            allowed(
                desk.views
                    .agents
                    .read(|agents| agents.may_change(&agent).map(|_| ())),
            )?;
            let token = issue_token()?;
            let token_sha256 = Some(token.digest());
            let data = AgentUpdated {
                agent,
                role: None,
                data_class: None,
                token_sha256,
                token_until: until(&desk, *valid),
                model: None,
                person: None,
            };
            record(cli, desk, data, Some(token.reveal()))
        }
        Agents::Suspend { agent, reason } => {
            let (agent, reason) = named(agent, reason)?;
            let desk = Desk::open(&cli.data)?;
            allowed(desk.views.agents.read(|agents| agents.may_suspend(&agent)))?;
            record(cli, desk, AgentSuspended { agent, reason }, None)
        }
        Agents::Release { agent, reason } => {
            let (agent, reason) = named(agent, reason)?;
            let desk = Desk::open(&cli.data)?;
            allowed(desk.views.agents.read(|agents| agents.may_release(&agent)))?;
            record(cli, desk, AgentReleased { agent, reason }, None)
        }
        Agents::Retire { agent, reason } => {
            let (agent, reason) = named(agent, reason)?;
            let desk = Desk::open(&cli.data)?;
            allowed(
                desk.views
                    .agents
                    .read(|agents| agents.may_change(&agent).map(|_| ())),
            )?;
            record(cli, desk, AgentRetired { agent, reason }, None)
        }
    }
}

/// When a token made now ends.
fn until(desk: &Desk, valid: Option<Period>) -> Option<Timestamp> {
    valid.map(|valid| period_from(desk.now(), valid))
}

fn named(agent: &str, reason: &str) -> anyhow::Result<(Name, AgentReason)> {
    Ok((
        agent.parse().context("AGENT")?,
        word(reason).context("--reason")?,
    ))
}

fn person_of(person: &Option<String>, desk: &Desk) -> Result<Option<Name>, Failure> {
    let person = person.as_deref();
    person
        .map(|text| consent::person(text, &desk.config))
        .transpose()
}

fn allowed(checked: Result<(), RegistryError>) -> Result<(), Failure> {
    checked.map_err(|error| {
        Failure::new(
            error,
            "`daicho agents list` shows every agent and its state",
        )
    })
}

/// Records the change, then shows the token: a token that nobody recorded opens nothing.
fn record(cli: &Cli, mut desk: Desk, data: impl Into<Data>, token: Option<&str>) -> Done {
    let event = desk.door.event(desk.door.operator(), data);
    let receipts = desk.append(vec![event])?;
    let seq = receipts[0].seq;
    match (cli.json, token) {
        (true, _) => say!("{}", serde_json::json!({ "seq": seq, "token": token })),
        (false, None) => say!("recorded at {seq}"),
        (false, Some(token)) => {
            say!("{token}");
            eprintln!(
                "recorded at {seq}; the token is shown this once: give it to the agent as its API key"
            );
        }
    }
    Ok(Outcome::Well)
}

fn list(cli: &Cli) -> Done {
    let views = Views::open(read(&cli.data)?)?;
    views.agents.read(|agents| {
        for agent in agents.iter() {
            if cli.json {
                say!("{}", serde_json::to_string(agent)?);
                continue;
            }
            let standing = format!("{:?}", agent.standing).to_lowercase();
            let last = agent
                .last_call
                .map_or_else(|| "never called".to_owned(), |at| format!("last call {at}"));
            let until = agent.token_until;
            let until = until.map_or_else(String::new, |until| format!(", token until {until}"));
            say!(
                "{:<20} {standing:<10} role {:<12} class {:<9} {:>8} calls  {last}{until}",
                agent.name.as_str(),
                agent.role.as_str(),
                agent.data_class.as_str(),
                agent.calls
            );
        }
        anyhow::Ok(())
    })?;
    views.save();
    Ok(Outcome::Well)
}
