use super::ids::{Part, part_id};
use ledger::{Entry, Projection, Submission};
use schemas::kinds::traffic::{FailedOutcome, ModelFailed};
use schemas::{Actor, Data, Event, EventId, Label};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Calls whose end the log does not hold yet.
#[derive(Default, Serialize, Deserialize)]
pub struct OpenCalls {
    calls: BTreeMap<EventId, Caller>,
}

#[derive(Serialize, Deserialize)]
struct Caller {
    actor: Actor,
    session: Option<Label>,
}

impl OpenCalls {
    pub fn count(&self) -> usize {
        self.calls.len()
    }
}

impl Projection for OpenCalls {
    const NAME: &'static str = "open-calls";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::PromptSubmitted(fact) => {
                let (actor, session) = (entry.actor().clone(), entry.session().cloned());
                self.calls.insert(fact.call, Caller { actor, session });
            }
            Data::PayloadBlocked(fact) => drop(self.calls.remove(&fact.call)),
            Data::ModelResponded(fact) => drop(self.calls.remove(&fact.call)),
            Data::ModelFailed(fact) => drop(self.calls.remove(&fact.call)),
            _ => {}
        }
    }
}

/// What a start appends before it takes new calls: each call that was open when the process
/// died ends with an outcome that nobody knows. Appending it twice records it once.
pub fn close_open_calls(open: &OpenCalls) -> Vec<Submission> {
    let close = |(call, caller): (&EventId, &Caller)| {
        let failed = ModelFailed {
            call: *call,
            outcome: FailedOutcome::Unknown,
            status: None,
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_creation_tokens: None,
            body_bytes: 0,
            response_sha256: None,
            duration_micros: None,
        };
        Event::new(part_id(*call, &Part::End), caller.actor.clone(), failed)
            .in_session(caller.session.clone())
            .into()
    };
    open.calls.iter().map(close).collect()
}
