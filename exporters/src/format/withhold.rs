//! What one destination is not told of an entry.

use schemas::Data;
use serde_json::Value;

/// Stands in the place of a withheld text where a format cannot do without.
const WITHHELD: &str = "withheld";

/// Parts of a body that may be withheld; who, what and when may not.
const PARTS: [&str; 4] = ["session", "occurred", "data", "content"];

/// Paths into an entry's body: `session`, `content`, `data`, or a field of some kind's data,
/// as `data.tags`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Withhold(Vec<String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "withhold: {0:?} is no part of an entry; give \"session\", \"occurred\", \"content\", \"data\" or a field of the data, as \"data.tags\""
)]
pub struct WithholdError(String);

impl Withhold {
    /// A path that no kind has would withhold nothing, and nobody would notice.
    pub fn new(mut paths: Vec<String>) -> Result<Withhold, WithholdError> {
        let known = |path: &String| match path.strip_prefix("data.") {
            Some(field) => is_field(field),
            None => PARTS.contains(&path.as_str()),
        };
        if let Some(odd) = paths.iter().find(|path| !known(path)) {
            return Err(WithholdError(odd.clone()));
        }
        paths.sort();
        paths.dedup();
        Ok(Withhold(paths))
    }

    pub(super) fn paths(&self) -> &[String] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the parts out; true if there was one.
    pub(super) fn remove_from(&self, body: &mut Value) -> bool {
        self.each(body, |part, name| part.shift_remove(name).is_some())
    }

    /// The same, but that a text leaves a word in its place.
    pub(super) fn blank_in(&self, body: &mut Value) -> bool {
        self.each(body, |part, name| match part.get_mut(name) {
            Some(Value::String(text)) => {
                *text = WITHHELD.to_owned();
                true
            }
            _ => part.shift_remove(name).is_some(),
        })
    }

    fn each(
        &self,
        body: &mut Value,
        mut take: impl FnMut(&mut serde_json::Map<String, Value>, &str) -> bool,
    ) -> bool {
        let mut taken = false;
        for path in &self.0 {
            let (part, name) = match path.strip_prefix("data.") {
                Some(field) => (body.get_mut("data"), field),
                None => (Some(&mut *body), path.as_str()),
            };
            if let Some(part) = part.and_then(Value::as_object_mut) {
                taken |= take(part, name);
            }
        }
        taken
    }
}

fn is_field(field: &str) -> bool {
    Data::KINDS.iter().any(|kind| {
        let schema = Data::json_schema(kind);
        let fields = schema.as_ref().and_then(|s| s.get("properties"));
        fields.is_some_and(|fields| fields.get(field).is_some())
    })
}
