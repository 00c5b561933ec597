use crate::values::{Name, ValueError, text_value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Who acted: `user:ID`, `agent:ID` or `service:ID`. An ID is a handle or staff number,
/// never a person's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    User(Name),
    Agent(Name),
    Service(Name),
}

impl Actor {
    pub fn id(&self) -> &Name {
        match self {
            Actor::User(id) | Actor::Agent(id) | Actor::Service(id) => id,
        }
    }

    fn as_text(&self) -> String {
        let family = match self {
            Actor::User(_) => "user:",
            Actor::Agent(_) => "agent:",
            Actor::Service(_) => "service:",
        };
        [family, self.id().as_str()].concat()
    }
}

impl FromStr for Actor {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let rule = "user:ID, agent:ID or service:ID, where ID is 1 to 64 of a-z 0-9 . _ -";
        let fault = ValueError::Malformed {
            what: "actor",
            rule,
        };
        let (family, id) = text.split_once(':').ok_or_else(|| fault.clone())?;
        let id: Name = id.parse().map_err(|_| fault.clone())?;
        match family {
            "user" => Ok(Actor::User(id)),
            "agent" => Ok(Actor::Agent(id)),
            "service" => Ok(Actor::Service(id)),
            _ => Err(fault),
        }
    }
}
text_value!(
    Actor,
    "^(user|agent|service):[a-z0-9][a-z0-9._-]{0,63}$",
    "who acted"
);
