use schemas::{Actor, Class, Envelope, Label, Timestamp};
use serde::{Deserialize, Serialize};

/// What the sender says a bundle is. Nobody signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub bundle: u8,
    pub chosen: Chosen,
}

impl Manifest {
    /// The `bundle` of every manifest.
    pub const VERSION: u8 = 1;

    pub fn of(chosen: Chosen) -> Manifest {
        Manifest {
            bundle: Self::VERSION,
            chosen,
        }
    }
}

/// What every chosen entry has in common, as the sender says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Positions, both included.
    pub from: u64,
    pub to: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kind: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Ledger time, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Ledger time, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Chosen {
    pub fn fits(&self, entry: &Envelope) -> bool {
        let event = &entry.event;
        (self.from..=self.to).contains(&entry.seq)
            && (self.kind.is_empty() || self.kind.iter().any(|kind| kind == event.data.kind()))
            && self
                .actor
                .as_ref()
                .is_none_or(|actor| *actor == event.actor)
            && self
                .session
                .as_ref()
                .is_none_or(|session| event.session.as_ref() == Some(session))
            && self
                .class
                .as_ref()
                .is_none_or(|class| *class == event.class)
            && self.since.is_none_or(|since| since <= entry.at)
            && self.until.is_none_or(|until| entry.at < until)
    }

    /// Is every entry of the positions meant? Then whether one is missing can be seen.
    pub fn is_whole_range(&self) -> bool {
        let Chosen {
            from: _,
            to: _,
            kind,
            actor,
            session,
            class,
            since,
            until,
        } = self;
        kind.is_empty()
            && actor.is_none()
            && session.is_none()
            && class.is_none()
            && since.is_none()
            && until.is_none()
    }
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "positions {} to {}", self.from, self.to)?;
        let mut also = |what: &str, value: Option<String>| match value {
            Some(value) => write!(f, ", {what} {value}"),
            None => Ok(()),
        };
        also(
            "kind",
            (!self.kind.is_empty()).then(|| self.kind.join(" or ")),
        )?;
        also("actor", self.actor.as_ref().map(ToString::to_string))?;
        also("session", self.session.as_ref().map(ToString::to_string))?;
        also("class", self.class.as_ref().map(ToString::to_string))?;
        also("since", self.since.map(|at| at.to_string()))?;
        also("until", self.until.map(|at| at.to_string()))
    }
}
