use super::failures::MOST_A_MINUTE;
use super::*;
use ledger::clock::SystemClock;
use ledger::{Appender, Index, Options, Reader, View};
use schemas::Event;
use schemas::kinds::agents::{AgentReleased, AgentRetired, AgentSuspended, SessionStarted};
use schemas::kinds::people::AuthFailed;

struct Fixture {
    _dir: tempfile::TempDir,
    appender: Appender,
    index: Index,
    agents: View<Agents>,
    reader: Reader,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    let mut index = Index::in_memory(reader.clone());
    let agents = index.add::<Agents>();
    Fixture {
        _dir: dir,
        appender,
        index,
        agents,
        reader,
    }
}

impl Fixture {
    fn append(&self, data: impl Into<Data>) {
        let event = Event::new(self.appender.new_id(), "user:s001".parse().unwrap(), data)
            .in_session(Some(Label::lossy("s1")));
        self.appender.append(vec![event.into()]).unwrap();
        self.index.catch_up().unwrap();
    }

    fn holder(&self, token: &Token) -> Result<String, AuthFailure> {
        self.agents.read(|agents| {
            agents
                .holder(token, self.appender.now())
                .map(|a| a.name.to_string())
                .map_err(|(reason, _)| reason)
        })
    }
}

fn registered(name: &str, token: &Token) -> AgentRegistered {
    AgentRegistered {
        agent: name.parse().unwrap(),
        role: "cfo".parse().unwrap(),
        data_class: DataClass::Internal,
        token_sha256: token.digest(),
        token_until: None,
        model: None,
        person: None,
    }
}

#[test]
fn a_token_opens_the_door_of_its_agent_until_it_is_suspended_or_retired() {
    let f = fixture();
    let (token, reason) = (issue_token().unwrap(), AgentReason::Requested);
    let agent: Name = "cfo".parse().unwrap();
    assert_eq!(f.holder(&token), Err(AuthFailure::Unknown));
    f.append(registered("cfo", &token));
    assert_eq!(f.holder(&token), Ok("cfo".to_owned()));
    f.append(AgentSuspended {
        agent: agent.clone(),
        reason,
    });
    assert_eq!(f.holder(&token), Err(AuthFailure::Suspended));
    f.append(AgentReleased {
        agent: agent.clone(),
        reason,
    });
    assert_eq!(f.holder(&token), Ok("cfo".to_owned()));
    f.append(AgentRetired {
        agent: agent.clone(),
        reason,
    });
    f.append(AgentReleased {
        agent: agent.clone(),
        reason,
    });
    assert_eq!(
        f.holder(&token),
        Err(AuthFailure::Retired),
        "retired is for ever"
    );
    let again = issue_token().unwrap();
    f.append(registered("cfo", &again));
    assert_eq!(f.holder(&again), Ok("cfo".to_owned()));
    assert_eq!(f.holder(&token), Err(AuthFailure::Unknown));
}

#[test]
fn a_new_token_takes_the_place_of_the_old_one() {
    let f = fixture();
    let (old, new) = (issue_token().unwrap(), issue_token().unwrap());
    f.append(registered("cfo", &old));
    f.append(AgentUpdated {
        agent: "cfo".parse().unwrap(),
        role: None,
        data_class: Some(DataClass::Mail),
        token_sha256: Some(new.digest()),
        token_until: None,
        model: None,
        person: None,
    });
    assert_eq!(f.holder(&old), Err(AuthFailure::Unknown));
    assert_eq!(f.holder(&new), Ok("cfo".to_owned()));
}

#[test]
fn a_token_of_two_agents_is_nobody_s() {
    let f = fixture();
    let (both, own) = (issue_token().unwrap(), issue_token().unwrap());
    f.append(registered("cfo", &both));
    f.append(registered("coo", &both));
    assert_eq!(f.holder(&both), Err(AuthFailure::Shared));
    // One of them gets another: now it is the other's alone.
    f.append(AgentUpdated {
        agent: "coo".parse().unwrap(),
        role: None,
        data_class: None,
        token_sha256: Some(own.digest()),
        token_until: None,
        model: None,
        person: None,
    });
    assert_eq!(f.holder(&both), Ok("cfo".to_owned()));
    assert_eq!(f.holder(&own), Ok("coo".to_owned()));
}

#[test]
fn a_token_ends_at_its_time_and_not_before() {
    let f = fixture();
    let (token, now) = (issue_token().unwrap(), f.appender.now());
    let until = Timestamp::from_micros(now.micros() + 1_000_000);
    f.append(AgentRegistered {
        token_until: Some(until),
        ..registered("cfo", &token)
    });
    let at = |time: Timestamp| {
        let reason = |agents: &Agents| agents.holder(&token, time).err().map(|(why, _)| why);
        f.agents.read(reason)
    };
    assert_eq!(at(now), None);
    assert_eq!(at(until), Some(AuthFailure::Expired));
    assert_eq!(
        at(Timestamp::from_micros(i64::MAX)),
        Some(AuthFailure::Expired)
    );
}

#[test]
fn a_leaked_token_does_not_come_back_with_its_agent() {
    let f = fixture();
    let (old, new) = (issue_token().unwrap(), issue_token().unwrap());
    let agent: Name = "cfo".parse().unwrap();
    f.append(registered("cfo", &old));
    f.append(AgentSuspended {
        agent: agent.clone(),
        reason: AgentReason::TokenLeaked,
    });
    f.append(AgentReleased {
        agent: agent.clone(),
        reason: AgentReason::Cleared,
    });
    assert_eq!(f.holder(&old), Err(AuthFailure::Suspended));
    let leaked = f.agents.read(|a| a.may_release(&agent));
    assert_eq!(leaked, Err(RegistryError::Leaked(agent.clone())));
    f.append(AgentUpdated {
        agent: agent.clone(),
        role: None,
        data_class: None,
        token_sha256: Some(new.digest()),
        token_until: None,
        model: None,
        person: None,
    });
    f.append(AgentReleased {
        agent,
        reason: AgentReason::Replaced,
    });
    assert_eq!(f.holder(&old), Err(AuthFailure::Unknown));
    assert_eq!(f.holder(&new), Ok("cfo".to_owned()));
}

#[test]
fn a_change_that_makes_no_sense_is_named() {
    let f = fixture();
    let agent: Name = "cfo".parse().unwrap();
    let check = |look: fn(&Agents, &Name) -> Option<RegistryError>| {
        f.agents.read(|agents| look(agents, &agent))
    };
    assert_eq!(
        check(|a, n| a.may_suspend(n).err()),
        Some(RegistryError::Unknown(agent.clone()))
    );
    f.append(registered("cfo", &issue_token().unwrap()));
    assert_eq!(
        check(|a, n| a.may_register(n).err()),
        Some(RegistryError::Registered(agent.clone()))
    );
    assert_eq!(
        check(|a, n| a.may_release(n).err()),
        Some(RegistryError::Active(agent.clone()))
    );
    assert_eq!(check(|a, n| a.may_suspend(n).err()), None);
}

#[test]
fn the_log_never_holds_a_token() {
    let f = fixture();
    let token = issue_token().unwrap();
    f.append(registered("cfo", &token));
    f.append(SessionStarted {
        agent: "cfo".parse().unwrap(),
        client: None,
        policy: None,
    });
    for entry in f.reader.entries(0..u64::MAX) {
        let body = String::from_utf8(entry.unwrap().body().to_vec()).unwrap();
        assert!(!body.contains(token.reveal()));
    }
    assert!(token.reveal().starts_with("dct_") && token.reveal().len() == 47);
    assert!(
        f.agents
            .read(|a| a.agent(&"cfo".parse().unwrap()).unwrap().sessions.len())
            == 1
    );
}

#[test]
fn failed_attempts_cannot_flood_the_log() {
    let mut failures = Failures::default();
    let mut admit = |source: &str, method: &str, reason, second: i64| {
        let failed = AuthFailed {
            subject: None,
            method: method.parse().unwrap(),
            reason,
            source: Some(Label::lossy(source)),
        };
        failures.admit(&failed, Timestamp::from_micros(second * 1_000_000))
    };
    let (home, token) = ("192.0.2.1", "agent-token");
    assert_eq!(admit(home, token, AuthFailure::Unknown, 0), Some(0));
    assert_eq!(admit(home, token, AuthFailure::Unknown, 59), None);
    assert_eq!(admit(home, token, AuthFailure::Missing, 59), Some(1));
    // A wrong token hides no forged signature.
    let signature = "approver-signature";
    assert_eq!(admit(home, signature, AuthFailure::Unknown, 59), Some(0));
    assert_eq!(admit(home, signature, AuthFailure::Unknown, 59), None);
    assert_eq!(admit(home, token, AuthFailure::Unknown, 60), Some(1));
    let recorded = (0..10_000)
        .filter(|i| {
            let source = format!("2001:db8::{i}");
            admit(&source, token, AuthFailure::Unknown, 120).is_some()
        })
        .count();
    assert_eq!(recorded, MOST_A_MINUTE);
    // All those tokens leave room for a signature.
    assert!(admit(home, signature, AuthFailure::Unknown, 120).is_some());
}
