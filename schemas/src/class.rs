use crate::values::{Name, ValueError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A retention class: which rule decides how long an event's content lives.
///
/// The six built-in classes have periods by default; more may be configured.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Class(Name);

macro_rules! built_in {
    ($($function:ident $text:literal),*) => {
        impl Class {
            pub const BUILT_IN: &[&str] = &[$($text),*];
            $(pub fn $function() -> Class {
                Class($text.parse().expect("a literal name is sound"))
            })*
        }
    };
}
built_in!(
    operation "operation",
    auth "auth",
    api "api",
    change "change",
    network "network",
    ledger "ledger"
);

impl Class {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Class {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Class)
    }
}

/// What kind of data an agent works with; decides what may leave, and how.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DataClass {
    Internal,
    Mail,
    Ec,
    Personal,
    Generated,
}

impl DataClass {
    pub const ALL: [DataClass; 5] = [
        DataClass::Internal,
        DataClass::Mail,
        DataClass::Ec,
        DataClass::Personal,
        DataClass::Generated,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            DataClass::Internal => "internal",
            DataClass::Mail => "mail",
            DataClass::Ec => "ec",
            DataClass::Personal => "personal",
            DataClass::Generated => "generated",
        }
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
