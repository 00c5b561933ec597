//! Stands in for `ledger::Submission` until that crate has it.
use schemas::{Event, Label, Name};

pub struct Content {
    pub name: Name,
    pub media: Label,
    pub bytes: Vec<u8>,
}

pub struct Submission {
    pub event: Event,
    pub content: Vec<Content>,
}

impl From<Event> for Submission {
    fn from(event: Event) -> Submission {
        Submission {
            event,
            content: Vec::new(),
        }
    }
}
