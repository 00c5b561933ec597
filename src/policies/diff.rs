//! A change of policy, field by field and in words.

use crate::outcome::Failure;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a field decides, by the beginning of its path; the first that fits.
const WORDS: [(&str, &str); 32] = [
    ("masking.email", "what of a mailbox's local part is masked"),
    (
        "masking.insider_keywords",
        "words that keep a text from leaving",
    ),
    (
        "masking.allow_test_cards",
        "whether card numbers that are published for tests may leave",
    ),
    (
        "masking.media",
        "what becomes of images, sounds and files that no rule can read",
    ),
    (
        "masking.customer_list_at",
        "how many persons with contact data are a list that may not leave",
    ),
    (
        "masking.silence",
        "periods before disclosures in which texts with these words do not leave",
    ),
    ("masking", "how masking finds and writes"),
    ("classes.rule", "which calls hold data of a further class"),
    ("classes.internal", "how the company's own data is handled"),
    ("classes.mail", "how mail and calendars are handled"),
    ("classes.ec", "how data of the shop's customers is handled"),
    ("classes.personal", "how personal data is handled"),
    ("classes.generated", "how generated data is handled"),
    (
        "classes.no_media",
        "with which classes' data no image, sound or file leaves",
    ),
    ("classes", "how classes of data are handled"),
    ("tools.rule", "what becomes of uses of a tool"),
    (
        "tools.approvers",
        "how many people must approve what reaches outside",
    ),
    (
        "tools.outward",
        "what becomes of actions that reach outside",
    ),
    ("tools", "what agents' tools may do"),
    (
        "approvals.deadline",
        "after which an undecided request is over",
    ),
    ("approvals.approvers_needed", "how many people must approve"),
    ("approvals", "how drafts and patches are decided on"),
    ("limits.price", "what models cost"),
    (
        "limits",
        "how much agents and people may use, which models, where",
    ),
    (
        "retention.cooling",
        "how long the end of content can still be stopped",
    ),
    (
        "retention.must_keep",
        "which classes a law or rule asks to keep whatever anybody requests",
    ),
    ("retention", "how long content of this class is kept"),
    ("vendors", "who receives what leaves, and on which terms"),
    ("report.organisation", "whose reports these are"),
    ("report.utc_offset", "whose months a report is of"),
    ("report.hours", "which use a report tells as out of hours"),
    ("report", "what reports are of"),
];

/// Lines of a unified diff without its head: each changed field with what it decides, before
/// and after. Empty where nothing differs.
pub fn diff(policy: &str, before: &str, after: &str) -> Result<Vec<String>, Failure> {
    let (before, after) = (fields(policy, before)?, fields(policy, after)?);
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut lines = Vec::new();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        let words = WORDS.iter().find(|(start, _)| path.starts_with(start));
        let words = words.map_or(String::new(), |(_, words)| format!(": {words}"));
        lines.push(format!("@@ {path}{words} @@"));
        lines.extend(changed('-', old, new));
        lines.extend(changed('+', new, old));
    }
    Ok(lines)
}

/// Values of one side that the other does not have.
fn changed(sign: char, these: Option<&Vec<String>>, those: Option<&Vec<String>>) -> Vec<String> {
    let these = these.into_iter().flatten();
    these
        .filter(|value| those.is_none_or(|those| !those.contains(value)))
        .map(|value| format!("{sign}{value}"))
        .collect()
}

/// Each field by its path, with its values: one, or those of a list.
fn fields(policy: &str, json: &str) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    fn walk(path: String, value: &Value, fields: &mut BTreeMap<String, Vec<String>>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    walk(format!("{path}.{key}"), value, fields);
                }
            }
            Value::Array(items) => {
                let items = items.iter().map(Value::to_string).collect();
                fields.insert(path, items);
            }
            value => drop(fields.insert(path, vec![value.to_string()])),
        }
    }
    let mut found = BTreeMap::new();
    walk(policy.to_owned(), &serde_json::from_str(json)?, &mut found);
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_with_both_sides() {
        let before =
            r#"{"email":"local-part","insider_keywords":["隼","鷹"],"allow_test_cards":false}"#;
        let after = r#"{"email":"last-four","insider_keywords":["鷹","鷲"],"allow_test_cards":false,"new":1}"#;
        assert_eq!(
            diff("masking", before, after).unwrap(),
            [
                "@@ masking.email: what of a mailbox's local part is masked @@",
                "-\"local-part\"",
                "+\"last-four\"",
                "@@ masking.insider_keywords: words that keep a text from leaving @@",
                "-\"隼\"",
                "+\"鷲\"",
                "@@ masking.new: how masking finds and writes @@",
                "+1",
            ]
        );
        assert_eq!(diff("masking", after, after).unwrap(), [""; 0]);
    }
}
