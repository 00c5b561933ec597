use schemas::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What a figure counts. Its words are those of ledger/FORMAT.md, §10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Query {
    /// `entry`, or what entries together tell of: `approval`, `finding`, `incident`, `call`, …
    pub of: &'static str,
    /// Entries of these kinds alone; none: of any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<&'static str>,
    /// Elements of this list of an entry, instead of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What has to be so.
    #[serde(rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub filter: BTreeMap<&'static str, String>,
    /// `count`, `sum`, `max`, `median`, `cost`.
    pub take: &'static str,
    /// Of this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
}

impl Query {
    pub fn of(what: &'static str) -> Query {
        Query {
            of: what,
            kinds: Vec::new(),
            each: None,
            since: None,
            until: None,
            filter: BTreeMap::new(),
            take: "count",
            field: None,
        }
    }

    /// Entries of these kinds.
    pub fn kinds(kinds: &[&'static str]) -> Query {
        Query {
            kinds: kinds.to_vec(),
            ..Query::of("entry")
        }
    }

    pub fn each(self, list: &'static str) -> Query {
        Query {
            each: Some(list),
            ..self
        }
    }

    pub fn when(mut self, field: &'static str, is: impl ToString) -> Query {
        self.filter.insert(field, is.to_string());
        self
    }

    pub fn take(self, take: &'static str, field: &'static str) -> Query {
        Query {
            take,
            field: Some(field),
            ..self
        }
    }

    pub fn between(self, since: Timestamp, until: Timestamp) -> Query {
        Query {
            since: Some(since),
            until: Some(until),
            ..self
        }
    }

    pub fn until(self, until: Timestamp) -> Query {
        Query {
            until: Some(until),
            ..self
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "{}({field})", self.take)?,
            None => f.write_str(self.take)?,
        }
        write!(f, " of {}", self.of)?;
        if !self.kinds.is_empty() {
            write!(f, " {}", self.kinds.join("|"))?;
        }
        if let Some(each) = self.each {
            write!(f, " each {each}")?;
        }
        for (field, is) in &self.filter {
            write!(f, " {field}={is}")?;
        }
        if let Some(since) = self.since {
            write!(f, " since {since}")?;
        }
        if let Some(until) = self.until {
            write!(f, " until {until}")?;
        }
        Ok(())
    }
}
