//! Why a find is held to be what it is.

use serde::{Serialize, Serializer};
use std::fmt;

/// The form of what was found, and the sign beside it: `surname lexicon + さん`.
///
/// Words of the program, and names of the policy's periods of silence, so that none can ever hold
/// a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    form: &'static str,
    sign: Option<&'static str>,
}

impl Evidence {
    pub(super) const fn of(form: &'static str) -> Evidence {
        Evidence { form, sign: None }
    }

    pub(super) const fn with(self, sign: &'static str) -> Evidence {
        Evidence {
            form: self.form,
            sign: Some(sign),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Some(sign) => write!(f, "{} + {sign}", self.form),
            None => f.write_str(self.form),
        }
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
