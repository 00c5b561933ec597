//! What happened in a period and in the months before it, counted by what it is about.
//!
//! One fold for every report of a period. Entries of one window, kind and words are one *group*:
//! its positions, and the sums of its numbers. A figure adds up the groups that its query wants,
//! so its memory is that of the different words, not of the entries.

mod answer;
pub mod kinds;
mod standing;

pub use answer::{before_the_log, not_recorded};

use super::incidents::Incidents;
use super::window::{Hours, Window};
use super::{Basis, Positions, ReportError};
use kinds::{LASTING, LISTED, Shape, shape};
use ledger::buckets::{self, Buckets, Periods};
use roaring::RoaringTreemap;
use schemas::kinds::traffic::PromptSubmitted;
use schemas::{Actor, ContentRef, Data, Event, EventId, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standing::Standing;
use std::collections::{BTreeMap, BTreeSet};

/// Months beside the period.
pub const BEFORE: usize = 3;

/// The window that holds everything before the period's end, of kinds that stay in force.
pub const EVER: usize = usize::MAX;

/// Stands for a word that an entry does not have.
pub const NONE: &str = "-";

/// The place and time of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub position: u64,
    pub at: Timestamp,
}

/// The fold.
pub struct Facts {
    /// The period, then the months before it, the newest first.
    windows: Vec<Window>,
    hours: Option<Hours>,
    begun: Option<Timestamp>,
    size: u64,
    groups: BTreeMap<Group, Tally>,
    /// Calls whose end the log does not hold yet.
    calls: BTreeMap<EventId, Call>,
    /// Whom agents work for.
    persons: BTreeMap<Name, Name>,
    incidents: Incidents,
    /// The newest periods of retention.
    periods: Option<(Moment, Periods)>,
    buckets: Buckets,
    standing: Standing,
    /// Kinds of which there is any entry before the period's end.
    seen: BTreeSet<&'static str>,
    /// What is told one by one, of the period alone.
    events: Vec<Happened>,
}

type Words = Vec<(&'static str, String)>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    window: usize,
    kind: &'static str,
    each: Option<&'static str>,
    words: Words,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    positions: RoaringTreemap,
    sums: BTreeMap<&'static str, u64>,
}

struct Call {
    position: u64,
    model: Option<Label>,
    /// Asks for an answer, not for a count of tokens alone.
    answer: bool,
}

/// One entry of a kind that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    pub moment: Moment,
    pub kind: &'static str,
    pub actor: String,
    /// Its words, as the log has them.
    pub what: String,
}

impl Call {
    fn of(position: u64, fact: &PromptSubmitted) -> Call {
        Call {
            position,
            model: fact.model.clone(),
            // A count of tokens uses none of them.
            answer: fact.operation.as_str() != "count_tokens",
        }
    }
}

impl Facts {
    /// Of a report's period. Needs one.
    pub fn new(basis: &Basis) -> Result<Facts, ReportError> {
        let period = basis.period.ok_or(ReportError::NoPeriod)?;
        let before = std::iter::successors(Some(period.before()), |month| Some(month.before()));
        let windows = std::iter::once(period).chain(before.take(BEFORE));
        Ok(Facts {
            windows: windows.collect(),
            hours: basis.hours,
            begun: basis.begun,
            size: 0,
            groups: BTreeMap::new(),
            calls: BTreeMap::new(),
            persons: BTreeMap::new(),
            incidents: Incidents::default(),
            periods: None,
            buckets: Buckets::default(),
            standing: Standing::default(),
            seen: BTreeSet::new(),
            events: Vec::new(),
        })
    }

    /// Takes in an entry; what comes after the period changes nothing.
    pub fn fold(&mut self, entry: &ledger::Entry) {
        self.take(entry.seq(), entry.at(), entry.event(), entry.content());
    }

    pub(super) fn take(&mut self, seq: u64, at: Timestamp, event: &Event, content: &[ContentRef]) {
        self.size = seq + 1;
        if at >= self.period().until() {
            return;
        }
        let moment = Moment { position: seq, at };
        self.incidents.take(moment, &event.data);
        self.standing.take(moment, &event.data);
        self.buckets.take(seq, at, event, content);
        match &event.data {
            Data::AgentRegistered(fact) => self.works_for(&fact.agent, fact.person.as_ref()),
            Data::AgentUpdated(fact) => self.works_for(&fact.agent, fact.person.as_ref()),
            Data::PolicyAdopted(fact) if fact.policy.as_str() == buckets::POLICY => {
                if let Some(periods) = &fact.periods {
                    self.periods = Some((moment, periods.clone()));
                }
            }
            _ => {}
        }
        let joined = self.joined(seq, at, event);
        let kind = event.data.kind();
        self.seen.insert(kind);
        let window = self.windows.iter().position(|window| window.holds(at));
        let ever = LASTING.contains(&kind);
        if window.is_none() && !ever {
            return;
        }
        // A kind's data are plain values: writing them cannot fail.
        let data = serde_json::to_value(&event.data).unwrap_or_default();
        let Shape { words, sums, lists } = shape(kind);
        let actor = ("actor", event.actor.to_string());
        let mut said: Words = vec![actor.clone()];
        said.extend(words.iter().map(|&field| (field, word(&data, field))));
        let some = |list: &&'static str| match items(&data, list).is_empty() {
            true => (*list, "none".to_owned()),
            false => (*list, "some".to_owned()),
        };
        said.extend(lists.iter().map(some));
        said.extend(joined);
        if ever {
            self.add(EVER, kind, None, said.clone(), seq, Vec::new());
        }
        let Some(window) = window else { return };
        self.add(window, kind, None, said, seq, numbers(&data, sums));
        for &list in lists {
            for item in items(&data, list) {
                let words = vec![actor.clone(), ("rule", word(item, "rule"))];
                let sums = numbers(item, &["count"]);
                self.add(window, kind, Some(list), words, seq, sums);
            }
        }
        if window == 0
            && let Some((_, fields)) = LISTED.iter().find(|(listed, _)| *listed == kind)
        {
            let words = fields.iter().map(|field| word(&data, field));
            let words: Vec<String> = words.filter(|word| word != NONE).collect();
            self.events.push(Happened {
                moment,
                kind,
                actor: event.actor.to_string(),
                what: words.join(" "),
            });
        }
    }

    /// What an entry's own data do not say of it: whose call it belongs to, and when it was.
    fn joined(&mut self, seq: u64, at: Timestamp, event: &Event) -> Words {
        let model = |model: Option<&Label>| model.map_or(NONE, Label::as_str).to_owned();
        let asked = match &event.data {
            Data::PromptSubmitted(fact) => {
                let call = Call::of(seq, fact);
                let asked = (call.model.clone(), call.answer);
                self.calls.insert(fact.call, call);
                Some(asked)
            }
            Data::ModelResponded(fact) => self.ended(fact.call),
            Data::ModelFailed(fact) => self.ended(fact.call),
            Data::PayloadBlocked(fact) => {
                self.calls.remove(&fact.call);
                return Words::new();
            }
            _ => return Words::new(),
        };
        let person = match &event.actor {
            Actor::Agent(agent) => self.persons.get(agent).map(ToString::to_string),
            _ => None,
        };
        let (asked, answer) = asked.unwrap_or((None, true));
        let asks = if answer { "answer" } else { "count" };
        let mut words = vec![
            ("call.model", model(asked.as_ref())),
            ("call.asks", asks.to_owned()),
            ("agent.person", person.unwrap_or_else(|| NONE.to_owned())),
        ];
        let counted = |tokens: Option<u64>| match tokens {
            Some(_) => ("tokens", "counted".to_owned()),
            None => ("tokens", "uncounted".to_owned()),
        };
        match &event.data {
            Data::ModelResponded(fact) => words.push(counted(fact.output_tokens)),
            Data::ModelFailed(fact) => words.push(counted(fact.output_tokens)),
            _ => {
                if let Some(hours) = self.hours {
                    let within = hours.hold(self.period().offset.local(at));
                    words.push((
                        "hours",
                        if within { "within" } else { "outside" }.to_owned(),
                    ));
                }
            }
        }
        words
    }

    /// What a call asked for that ends here.
    fn ended(&mut self, call: EventId) -> Option<(Option<Label>, bool)> {
        let call = self.calls.remove(&call)?;
        Some((call.model, call.answer))
    }

    fn works_for(&mut self, agent: &Name, person: Option<&Name>) {
        if let Some(person) = person {
            self.persons.insert(agent.clone(), person.clone());
        }
    }

    fn add(
        &mut self,
        window: usize,
        kind: &'static str,
        each: Option<&'static str>,
        words: Words,
        seq: u64,
        sums: Vec<(&'static str, u64)>,
    ) {
        let group = Group {
            window,
            kind,
            each,
            words,
        };
        let tally = self.groups.entry(group).or_default();
        tally.positions.insert(seq);
        for (field, number) in sums {
            let sum = tally.sums.entry(field).or_default();
            *sum = sum.saturating_add(number);
        }
    }

    pub fn period(&self) -> &Window {
        // Made with one at least.
        self.windows.first().expect("a period was given")
    }

    /// The period, then the months before it.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    pub(super) fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// The retention rules in force at the period's end, and where they were adopted.
    pub fn periods(&self) -> Option<&(Moment, Periods)> {
        self.periods.as_ref()
    }

    /// Every bucket of content as it is at the period's end.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// Of the period, the oldest first.
    pub fn events<'f>(&'f self, kinds: &'f [&str]) -> impl Iterator<Item = &'f Happened> {
        let wanted = |event: &&Happened| kinds.contains(&event.kind);
        self.events.iter().filter(wanted)
    }

    /// Calls without an end: their positions.
    pub fn open_calls(&self) -> Positions {
        self.calls.values().map(|call| call.position).collect()
    }

    pub fn folded(&self) -> u64 {
        self.size
    }
}

/// A word of an entry's data, at a path like `subject.kind`.
fn word(data: &Value, path: &str) -> String {
    let found = path
        .split('.')
        .try_fold(data, |value, field| value.get(field));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(bool)) => bool.to_string(),
        _ => NONE.to_owned(),
    }
}

fn items<'d>(data: &'d Value, list: &str) -> &'d [Value] {
    data.get(list)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn numbers(data: &Value, fields: &[&'static str]) -> Vec<(&'static str, u64)> {
    let number = |&field: &&'static str| Some((field, data.get(field)?.as_u64()?));
    fields.iter().filter_map(number).collect()
}
