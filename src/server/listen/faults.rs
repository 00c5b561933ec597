use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections that ended by their client's fault before anybody knew whose agent it was, counted:
/// there is nobody to record them of.
#[derive(Default)]
pub struct Faults([AtomicU64; Fault::ALL.len()]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// More headers than are read, or longer ones: 431.
    HeadTooLarge,
    /// It began a head and did not end it in time.
    HeadTooSlow,
    /// What it said is no HTTP.
    HeadMalformed,
    /// It took nothing of its answer.
    AnswerNotTaken,
}

impl Fault {
    pub const ALL: [Fault; 4] = [
        Fault::HeadTooLarge,
        Fault::HeadTooSlow,
        Fault::HeadMalformed,
        Fault::AnswerNotTaken,
    ];

    /// As the metrics say it.
    pub fn word(self) -> &'static str {
        match self {
            Fault::HeadTooLarge => "head_too_large",
            Fault::HeadTooSlow => "head_too_slow",
            Fault::HeadMalformed => "head_malformed",
            Fault::AnswerNotTaken => "answer_not_taken",
        }
    }

    /// What ended a connection, if it was the client's fault. `begun`: something was heard since
    /// the last answer, for one that is only idle is closed after the same time.
    pub fn of(error: &hyper::Error, begun: bool) -> Option<Fault> {
        if error.is_parse_too_large() {
            return Some(Fault::HeadTooLarge);
        }
        if error.is_timeout() {
            return begun.then_some(Fault::HeadTooSlow);
        }
        if error.is_parse() {
            return Some(Fault::HeadMalformed);
        }
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>());
        let deaf = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut);
        deaf.then_some(Fault::AnswerNotTaken)
    }
}

impl Faults {
    pub fn count(&self, fault: Fault) {
        self.0[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counted(&self, fault: Fault) -> u64 {
        self.0[fault as usize].load(Ordering::Relaxed)
    }
}
