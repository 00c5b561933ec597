use super::keys::KeySpan;
use crate::report::Positions;
use schemas::Hash;
use serde::Serialize;

/// What a bundle proves, and what it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    pub origin: String,
    pub keys: Vec<KeySpan>,
    pub size: u64,
    pub root: Option<Hash>,
    pub entries: u64,
    pub positions: Positions,
    /// Empty as soon as anything is wrong.
    pub proven: Vec<Statement>,
    pub not_proven: Vec<Statement>,
    pub wrong: Vec<String>,
}

/// Something that is so, or that nothing here shows to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    pub what: String,
    /// Of what is proven: by what and by whom. Of what is not: why not.
    pub why: String,
}

/// Runs of positions that a line has room for.
const RUNS: usize = 12;

impl Report {
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The positions, as far as a line has room for them.
    pub fn brief_positions(&self) -> String {
        match self.positions.brief(RUNS) {
            (shown, 0) => shown,
            (shown, more) => format!("{shown} and {more} more runs"),
        }
    }

    pub(super) fn proves(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.proven.push(Statement { what, why });
    }

    pub(super) fn leaves_open(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (what.into(), why.into());
        self.not_proven.push(Statement { what, why });
    }

    pub(super) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }
}
