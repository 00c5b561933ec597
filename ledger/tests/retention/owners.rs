//! Whose content is whose, in the end.

use crate::world::{World, actor, id, name};
use ledger::{AppendError, Submission};
use schemas::kinds::agents::AgentRegistered;
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::traffic::ToolReturned;
use schemas::{Data, DataClass, Event, Hash};

/// A user's own traffic is theirs, an agent's is of whom it acts for, as whoever opened the ledger says.
#[test]
fn content_is_of_whoever_its_actor_acts_for_where_its_kind_says_so() {
    let world = World::new();
    world.appender.acting_for(|actor| {
        Ok(match actor.id().as_str() {
            "cfo" => Some("s007".parse().expect("a name")),
            "lost" => return Err("a line is damaged".to_owned()),
            _ => None,
        })
    });
    let of = |actor: &str, data: Data| {
        let event = Event::new(world.appender.new_id(), actor.parse().unwrap(), data);
        let mut submission = world.submission("api", None, "text");
        submission.event = event;
        let receipts = world.appender.append(vec![submission])?;
        Ok::<_, AppendError>(world.reader.entry(receipts[0].seq).unwrap().content()[0].subject)
    };
    let prompt = || {
        Data::from(schemas::kinds::traffic::ToolReturned {
            call: id(1),
            tool_use: "t".parse().unwrap(),
            result_sha256: Hash::ZERO,
            is_error: false,
        })
    };
    let login = || {
        Data::from(AuthSucceeded {
            subject: "user:e1".parse().unwrap(),
            method: name("token"),
        })
    };
    let cfo = of("agent:cfo", prompt()).unwrap();
    assert!(cfo.is_some());
    let user = of("user:s001", prompt()).unwrap();
    assert!(user.is_some() && user != cfo);
    assert_eq!(of("user:s007", prompt()).unwrap(), cfo);
    assert_eq!(of("agent:desk", prompt()).unwrap(), None);
    assert_eq!(of("service:x", prompt()).unwrap(), None);
    assert_eq!(of("user:s001", login()).unwrap(), None);
    // Whose it is cannot be said: it is not sealed as nobody's.
    let lost = of("agent:lost", prompt());
    assert!(matches!(lost, Err(AppendError::Refused { .. })), "{lost:?}");
    assert_eq!(world.keys("s007").len(), 1);
}

fn registered(world: &World, person: &str) -> Submission {
    let data = AgentRegistered {
        agent: name("desk"),
        role: name("clerk"),
        data_class: DataClass::Internal,
        model: None,
        token_sha256: Hash([1; 32]),
        token_until: None,
        person: Some(name(person)),
    };
    Event::new(world.appender.new_id(), actor(), data).into()
}

fn written(world: &World, text: &str) -> Submission {
    let data = ToolReturned {
        call: id(7),
        tool_use: "t".parse().unwrap(),
        result_sha256: Hash([2; 32]),
        is_error: false,
    };
    let desk = "agent:desk".parse().unwrap();
    let mut submission = world.submission("operation", None, text);
    submission.event = Event::new(world.appender.new_id(), desk, data);
    submission
}

/// From the registration on, in the same batch and in one that waits behind it.
#[test]
fn what_an_agent_writes_is_its_persons_from_its_registration_on() {
    let world = World::new();
    // Whoever opened the ledger lags behind for ever: only the batch tells.
    world.appender.acting_for(|_| Ok(None));
    let batch = vec![
        written(&world, "before"),
        registered(&world, "s001"),
        written(&world, "after"),
    ];
    let receipts = world.appender.append(batch).unwrap();
    let subject = |at: usize| {
        let entry = world.reader.entry(receipts[at].seq).unwrap();
        entry.content()[0].subject
    };
    assert!(subject(0).is_none() && subject(2).is_some());
    assert_eq!(world.keys("s001").len(), 1);

    // Sealed before the registration has its place, and placed after it: sealed anew, and nobody is told.
    let world = world.again();
    let reader = world.reader.clone();
    world.appender.acting_for(move |_| {
        let entries = (0..reader.size())
            .rev()
            .map(|seq| reader.entry(seq).unwrap());
        let mut persons = entries.filter_map(|entry| match entry.data() {
            Data::AgentRegistered(fact) => Some(fact.person.clone()),
            _ => None,
        });
        Ok(persons.next().flatten())
    });
    for round in 0..50 {
        let person = format!("s1{round:02}");
        let (sender, receiver) = std::sync::mpsc::channel();
        for submission in [registered(&world, &person), written(&world, &person)] {
            let sender = sender.clone();
            world.appender.append_then(vec![submission], move |result| {
                sender.send(result.unwrap()[0].seq).unwrap();
            });
        }
        receiver.recv().unwrap();
        let seq = receiver.recv().unwrap();
        let reference = world.reader.entry(seq).unwrap().content()[0].clone();
        let theirs = world.keys(&person);
        assert_eq!(theirs.len(), 1);
        assert_eq!(reference.subject, Some(theirs[0].subject));
        assert_eq!(world.read(seq).unwrap(), person.as_bytes());
    }
    world.check();
}
