use super::SarifError;
use serde_json::Value;

/// A place in the document that knows where it is, so that a fault can name it without
/// showing what stands there.
#[derive(Clone)]
pub(super) struct Node<'v> {
    value: Option<&'v Value>,
    at: String,
}

impl<'v> Node<'v> {
    pub(super) fn root(value: &'v Value) -> Node<'v> {
        Node {
            value: Some(value),
            at: String::new(),
        }
    }

    /// A property; absent, like null, is a node that holds nothing.
    pub(super) fn get(&self, name: &'static str) -> Result<Node<'v>, SarifError> {
        let value = match self.value {
            None => None,
            Some(Value::Object(members)) => members.get(name).filter(|v| !v.is_null()),
            Some(_) => return Err(self.wrong("an object")),
        };
        let dot = if self.at.is_empty() { "" } else { "." };
        Ok(Node {
            value,
            at: format!("{}{dot}{name}", self.at),
        })
    }

    /// Where something could have been.
    pub(super) fn nothing(&self) -> Node<'v> {
        Node {
            value: None,
            at: self.at.clone(),
        }
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    pub(super) fn is_there(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn wrong(&self, rule: &'static str) -> SarifError {
        SarifError::Wrong {
            at: self.at.clone(),
            rule,
        }
    }

    pub(super) fn text(&self) -> Result<Option<&'v str>, SarifError> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong("a string")),
        }
    }

    pub(super) fn flag(&self) -> Result<Option<bool>, SarifError> {
        match self.value {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong("true or false")),
        }
    }

    /// A whole number from 0; -1 is how SARIF says "none".
    pub(super) fn whole(&self) -> Result<Option<u64>, SarifError> {
        match self.value {
            None => Ok(None),
            Some(Value::Number(n)) if n.as_i64() == Some(-1) => Ok(None),
            Some(Value::Number(n)) if n.is_u64() => Ok(n.as_u64()),
            Some(_) => Err(self.wrong("a whole number from 0")),
        }
    }

    pub(super) fn index(&self) -> Result<Option<usize>, SarifError> {
        Ok(self.whole()?.and_then(|n| usize::try_from(n).ok()))
    }

    /// A number, or a string that is one: `security-severity` is written as a string.
    pub(super) fn score(&self) -> Result<Option<f64>, SarifError> {
        let score = match self.value {
            None => return Ok(None),
            Some(Value::Number(n)) => n.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let score = score.filter(|score| (0.0..=10.0).contains(score));
        let rule = "a number from 0 to 10";
        score.map(Some).ok_or_else(|| self.wrong(rule))
    }

    /// The items of an array; absent is none.
    pub(super) fn items(&self, limit: usize) -> Result<Vec<Node<'v>>, SarifError> {
        let items = match self.value {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong("an array")),
        };
        if items.len() > limit {
            return Err(SarifError::TooMany {
                at: self.at.clone(),
                count: items.len(),
                limit,
            });
        }
        let node = |(index, value)| Node {
            value: Some(value),
            at: format!("{}[{index}]", self.at),
        };
        Ok(items.iter().enumerate().map(node).collect())
    }

    pub(super) fn item(&self, index: usize) -> Option<Node<'v>> {
        let value = self.value?.as_array()?.get(index)?;
        Some(Node {
            value: Some(value),
            at: format!("{}[{index}]", self.at),
        })
    }

    /// The members of a property bag, whose names are the tool's own.
    pub(super) fn members(&self) -> Result<Vec<(&'v str, &'v Value)>, SarifError> {
        match self.value {
            None => Ok(Vec::new()),
            Some(Value::Object(members)) => {
                Ok(members.iter().map(|(k, v)| (k.as_str(), v)).collect())
            }
            Some(_) => Err(self.wrong("an object")),
        }
    }
}
