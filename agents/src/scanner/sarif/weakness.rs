//! How bad a result is, how sure the scanner is, and which weakness it is.
//!
//! Tools say it in different places; the nearest to the result and the most exact wins:
//!
//! | | severity, first that is there | confidence, first that is there |
//! |---|---|---|
//! | 1 | `result.properties.issue_severity` (Bandit: LOW, MEDIUM, HIGH) | `result.properties.issue_confidence`, `.confidence` |
//! | 2 | `security-severity` of result, then rule: 0 to 10, cut as GitHub does | `rule.properties.precision` (CodeQL), `.confidence` |
//! | 3 | `rule.properties.problem.severity` (CodeQL) | medium |
//! | 4 | `result.level`, else the rule's default level, else `warning` | |

use super::SarifError;
use super::node::Node;
use schemas::Label;
use schemas::kinds::scanner::{Confidence, Severity};

/// More than this is a list, not a weakness.
const MAX_CWE: usize = 8;

pub(super) fn severity(result: &Node, rule: &Node) -> Result<Severity, SarifError> {
    let (own, of_rule) = (result.get("properties")?, rule.get("properties")?);
    if let Some(severity) = word(&own.get("issue_severity")?).and_then(|w| match w.as_str() {
        "critical" => Some(Severity::Critical),
        "high" => Some(Severity::High),
        "medium" => Some(Severity::Medium),
        "low" => Some(Severity::Low),
        // Bandit's UNDEFINED says nothing; the level may.
        _ => None,
    }) {
        return Ok(severity);
    }
    for properties in [&own, &of_rule] {
        if let Some(score) = properties.get("security-severity")?.score()? {
            return Ok(match score {
                score if score >= 9.0 => Severity::Critical,
                score if score >= 7.0 => Severity::High,
                score if score >= 4.0 => Severity::Medium,
                score if score > 0.0 => Severity::Low,
                _ => Severity::Info,
            });
        }
    }
    let level = result.get("level")?;
    let default = rule.get("defaultConfiguration")?.get("level")?;
    let problem = of_rule.get("problem.severity")?;
    let words = [
        word(&problem),
        level.text()?.map(str::to_owned),
        default.text()?.map(str::to_owned),
    ];
    match words.into_iter().flatten().next().as_deref() {
        Some("error") => Ok(Severity::High),
        None | Some("warning") => Ok(Severity::Medium),
        Some("note" | "recommendation") => Ok(Severity::Low),
        Some("none") => Ok(Severity::Info),
        Some(_) => Err(level.wrong("none, note, warning or error")),
    }
}

pub(super) fn confidence(result: &Node, rule: &Node) -> Result<Confidence, SarifError> {
    let (own, of_rule) = (result.get("properties")?, rule.get("properties")?);
    let places = [
        own.get("issue_confidence")?,
        own.get("confidence")?,
        of_rule.get("precision")?,
        of_rule.get("confidence")?,
    ];
    for place in places {
        match word(&place) {
            Some(w) if w == "very-high" || w == "high" => return Ok(Confidence::High),
            Some(w) if w == "medium" => return Ok(Confidence::Medium),
            Some(w) if w == "low" => return Ok(Confidence::Low),
            _ => {}
        }
    }
    Ok(Confidence::Medium)
}

/// CWE numbers as `CWE-89`: from taxa, from the rule's relationships to taxa, and from tags
/// (`external/cwe/cwe-089`, `CWE-89: SQL injection`).
pub(super) fn cwe(result: &Node, rule: &Node) -> Result<Vec<Label>, SarifError> {
    let mut found: Vec<u32> = Vec::new();
    let mut add = |number: Option<u32>| {
        if let Some(number) = number.filter(|n| !found.contains(n)) {
            found.push(number);
        }
    };
    let mut taxa = result.get("taxa")?.items(256)?;
    for relation in rule.get("relationships")?.items(256)? {
        taxa.push(relation.get("target")?);
    }
    for taxon in taxa {
        let id = taxon.get("id")?.text()?.unwrap_or_default();
        let component = taxon.get("toolComponent")?.get("name")?.text()?;
        let of_cwe = component.is_some_and(|name| name.eq_ignore_ascii_case("cwe"));
        add(cwe_number(id).or_else(|| id.parse().ok().filter(|_| of_cwe)));
    }
    for bag in [result.get("properties")?, rule.get("properties")?] {
        for tag in bag.get("tags")?.items(256)? {
            add(tag.text()?.and_then(cwe_number));
        }
        // Semgrep and others: one text, or a list of them.
        let cwe = bag.get("cwe")?;
        match cwe.items(256) {
            Ok(items) => {
                for item in items {
                    add(item.text().ok().flatten().and_then(cwe_number));
                }
            }
            Err(_) => add(cwe.text().ok().flatten().and_then(cwe_number)),
        }
    }
    found.truncate(MAX_CWE);
    let label = |number| Label::lossy(&format!("CWE-{number}"));
    Ok(found.into_iter().map(label).collect())
}

/// The number behind the first `cwe-`, in any case.
fn cwe_number(text: &str) -> Option<u32> {
    let text = text.to_ascii_lowercase();
    let after = &text[text.find("cwe-")? + 4..];
    let end = after.find(|c: char| !c.is_ascii_digit());
    after[..end.unwrap_or(after.len())]
        .parse()
        .ok()
        .filter(|n| (1..100_000).contains(n))
}

/// A word of a property bag, which is the tool's own: a number there says nothing to us, and
/// is no fault.
fn word(node: &Node) -> Option<String> {
    node.text().ok().flatten().map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rated(result: Value, rule: Value) -> (Severity, Confidence, String) {
        let (result, rule) = (Node::root(&result), Node::root(&rule));
        let cwe = cwe(&result, &rule).unwrap();
        let cwe: Vec<&str> = cwe.iter().map(Label::as_str).collect();
        (
            severity(&result, &rule).unwrap(),
            confidence(&result, &rule).unwrap(),
            cwe.join(","),
        )
    }

    #[test]
    fn each_tools_own_words_are_understood() {
        use Confidence as C;
        use Severity as S;
        let bandit = json!({"level": "error", "properties":
            {"issue_severity": "MEDIUM", "issue_confidence": "LOW"}});
        let rule = json!({"properties": {"tags": ["external/cwe/cwe-089"], "precision": "high"}});
        assert_eq!(
            rated(bandit, rule),
            (S::Medium, C::Low, "CWE-89".to_owned())
        );

        let codeql = json!({"properties": {"security-severity": "9.8", "precision": "very-high",
            "problem.severity": "error", "tags": ["security", "external/cwe/cwe-022"]}});
        let rated_codeql = rated(json!({}), codeql);
        assert_eq!(rated_codeql, (S::Critical, C::High, "CWE-22".to_owned()));

        let semgrep = json!({"defaultConfiguration": {"level": "error"}, "properties":
            {"precision": "very-high", "tags": ["CWE-78: OS Command Injection", "CWE-78"]}});
        let rated_semgrep = rated(json!({}), semgrep);
        assert_eq!(rated_semgrep, (S::High, C::High, "CWE-78".to_owned()));

        let taxa = json!({"level": "note", "taxa": [{"id": "502", "toolComponent": {"name": "CWE"}},
            {"id": "7", "toolComponent": {"name": "OWASP"}}]});
        assert_eq!(
            rated(taxa, json!({})),
            (S::Low, C::Medium, "CWE-502".to_owned())
        );
        assert_eq!(
            rated(json!({}), json!({})),
            (S::Medium, C::Medium, String::new())
        );
        let undefined = json!({"level": "none", "properties": {"issue_severity": "UNDEFINED"}});
        assert_eq!(rated(undefined, json!({})).0, S::Info);
    }
}
