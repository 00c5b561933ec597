use super::{Money, Price};
use ledger::{Entry, Projection};
use schemas::kinds::traffic::FailedOutcome;
use schemas::{Actor, Data, EventId, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What agents, and the persons for whom they work, have used.
#[derive(Default, Serialize, Deserialize)]
pub struct Spent {
    /// By agent, for whom it works.
    persons: BTreeMap<Name, Name>,
    open: BTreeMap<EventId, Open>,
    agents: BTreeMap<Name, Used>,
    users: BTreeMap<Name, Used>,
}

/// A call whose end the log does not hold yet, and that a provider counts tokens of.
#[derive(Serialize, Deserialize)]
struct Open {
    model: Option<Label>,
    bytes: u64,
    streaming: bool,
    /// A prompt: what the provider does not count is counted by bytes.
    prompt: bool,
}

/// Of the newest minute, day and month in which there was anything.
#[derive(Default, Serialize, Deserialize)]
pub struct Used {
    minute: Timestamp,
    requests: u64,
    day: Timestamp,
    of_day: BTreeMap<String, Tokens>,
    month: Timestamp,
    of_month: BTreeMap<String, Tokens>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_creation: u64,
}

/// Where a provider's count is missing, so many bytes are a token: Japanese text has three.
const BYTES_OF_TEXT: u64 = 3;

/// … and in a stream, where each comes in an event of its own.
const BYTES_OF_STREAM: u64 = 100;

/// Models counted apart; a client that invents names must not make the state grow.
const MOST_MODELS: usize = 200;

/// Stands for models beyond those, and for a call that named none: it has no price.
const OTHERS: &str = "";

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn start(at: Timestamp, length: i64) -> Timestamp {
    Timestamp::from_micros(at.micros() - at.micros() % length)
}

pub(super) fn minute_end(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(start(now, MINUTE).micros() + MINUTE)
}

pub(super) fn day_end(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(start(now, DAY).micros() + DAY)
}

type ByModel = BTreeMap<String, Tokens>;

pub(super) fn total(period: Option<&ByModel>) -> u64 {
    let all = period.into_iter().flat_map(BTreeMap::values);
    all.fold(0, |sum, t| {
        let parts = [t.input, t.output, t.cache_read, t.cache_creation];
        parts.into_iter().fold(sum, u64::saturating_add)
    })
}

/// In millionths; what has no price costs nothing, for such a call is refused where a cost is
/// limited.
pub(super) fn cost<'p>(period: Option<&ByModel>, price: impl Fn(&str) -> Option<&'p Price>) -> u64 {
    let mut sum: u128 = 0;
    for (model, tokens) in period.into_iter().flatten() {
        let Some(price) = price(model) else { continue };
        let parts = [
            (tokens.input, price.input),
            (tokens.output, price.output),
            (tokens.cache_read, price.cache_read.unwrap_or(price.input)),
            (
                tokens.cache_creation,
                price.cache_creation.unwrap_or(price.input),
            ),
        ];
        for (tokens, Money(million)) in parts {
            sum += u128::from(tokens) * u128::from(million);
        }
    }
    u64::try_from(sum / 1_000_000).unwrap_or(u64::MAX)
}

impl Used {
    pub fn requests(&self, now: Timestamp) -> u64 {
        if self.minute == start(now, MINUTE) {
            self.requests
        } else {
            0
        }
    }

    /// Tokens by model.
    pub fn day(&self, now: Timestamp) -> Option<&ByModel> {
        (self.day == start(now, DAY)).then_some(&self.of_day)
    }

    pub fn month(&self, now: Timestamp) -> Option<&ByModel> {
        (self.month == now.month().start()).then_some(&self.of_month)
    }

    fn request(&mut self, at: Timestamp) {
        let minute = start(at, MINUTE);
        self.requests = if self.minute == minute {
            self.requests + 1
        } else {
            1
        };
        self.minute = minute;
    }

    fn tokens(&mut self, at: Timestamp, model: &str, tokens: Tokens) {
        let (day, month) = (start(at, DAY), at.month().start());
        for (began, starts, by_model) in [
            (&mut self.day, day, &mut self.of_day),
            (&mut self.month, month, &mut self.of_month),
        ] {
            if *began != starts {
                *began = starts;
                by_model.clear();
            }
            let known = by_model.contains_key(model) || by_model.len() < MOST_MODELS;
            let model = if known { model } else { OTHERS };
            by_model.entry(model.to_owned()).or_default().add(tokens);
        }
    }
}

impl Tokens {
    fn add(&mut self, more: Tokens) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_creation = self.cache_creation.saturating_add(more.cache_creation);
    }
}

impl Spent {
    pub fn of(&self, actor: &Actor) -> Option<&Used> {
        match actor {
            Actor::Agent(agent) => self.agents.get(agent),
            Actor::User(user) => self.users.get(user),
            Actor::Service(_) => None,
        }
    }

    fn works_for(&mut self, agent: &Name, person: Option<&Name>) {
        if let Some(person) = person {
            self.persons.insert(agent.clone(), person.clone());
        }
    }

    fn each(&mut self, agent: &Name, mut note: impl FnMut(&mut Used)) {
        note(self.agents.entry(agent.clone()).or_default());
        if let Some(person) = self.persons.get(agent) {
            note(self.users.entry(person.clone()).or_default());
        }
    }

    /// A call that ended: what the provider counted, else what the bytes suggest.
    fn end(&mut self, agent: &Name, at: Timestamp, call: EventId, counted: Counted) {
        let Some(open) = self.open.remove(&call) else {
            return;
        };
        let [input, output, cache_read, cache_creation] = counted.tokens;
        let by_bytes = |bytes: u64, of_token: u64| if open.prompt { bytes / of_token } else { 0 };
        let of_token = if open.streaming {
            BYTES_OF_STREAM
        } else {
            BYTES_OF_TEXT
        };
        let answered = by_bytes(counted.bytes, of_token);
        let tokens = Tokens {
            input: input.unwrap_or_else(|| by_bytes(open.bytes, BYTES_OF_TEXT)),
            output: match output {
                Some(output) if counted.whole => output,
                // A stream that breaks off has counted only its beginning.
                begun => begun.unwrap_or(0).max(answered),
            },
            cache_read: cache_read.unwrap_or(0),
            cache_creation: cache_creation.unwrap_or(0),
        };
        let model = open.model.as_ref().map_or(OTHERS, Label::as_str);
        self.each(agent, |used| used.tokens(at, model, tokens));
    }
}

/// What the end of a call says of its tokens.
struct Counted {
    /// Input, output, read from a cache, put into it.
    tokens: [Option<u64>; 4],
    /// Counted to the end.
    whole: bool,
    /// Of the answer.
    bytes: u64,
}

impl Projection for Spent {
    const NAME: &'static str = "spent";
    const VERSION: u32 = 2;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::AgentRegistered(fact) => self.works_for(&fact.agent, fact.person.as_ref()),
            Data::AgentUpdated(fact) => self.works_for(&fact.agent, fact.person.as_ref()),
            _ => {}
        }
        let Actor::Agent(agent) = entry.actor() else {
            return;
        };
        let at = entry.at();
        match entry.data() {
            Data::PromptSubmitted(fact) => {
                self.each(agent, |used| used.request(at));
                // A count of tokens is no use of them.
                if fact.operation.as_str() != "count_tokens" {
                    let open = Open {
                        model: fact.model.clone(),
                        bytes: fact.body_bytes,
                        streaming: fact.streaming,
                        prompt: fact.operation.as_str() != "other" || fact.model.is_some(),
                    };
                    self.open.insert(fact.call, open);
                }
            }
            Data::PayloadBlocked(fact) => drop(self.open.remove(&fact.call)),
            Data::ModelResponded(fact) => {
                let counted = Counted {
                    tokens: [
                        fact.input_tokens,
                        fact.output_tokens,
                        fact.cache_read_tokens,
                        fact.cache_creation_tokens,
                    ],
                    whole: true,
                    bytes: fact.body_bytes,
                };
                self.end(agent, at, fact.call, counted);
            }
            Data::ModelFailed(fact) => {
                let refused = fact.status.is_some_and(|status| status >= 300);
                if refused || fact.outcome == FailedOutcome::Unreachable {
                    self.open.remove(&fact.call);
                    return;
                }
                let counted = Counted {
                    tokens: [
                        fact.input_tokens,
                        fact.output_tokens,
                        fact.cache_read_tokens,
                        fact.cache_creation_tokens,
                    ],
                    whole: false,
                    bytes: fact.body_bytes,
                };
                self.end(agent, at, fact.call, counted);
            }
            _ => {}
        }
    }
}
