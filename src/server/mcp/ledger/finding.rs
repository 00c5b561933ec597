use super::{Answer, given};
use crate::server::Node;
use crate::server::gateway::cut;
use agents::scanner::fingerprint::{Anchor, Place, fingerprint, quotes_a_secret};
use agents::scanner::path::RepoPath;
use agents::scanner::sarif::{Found, Sarif, Scan, Standing};
use agents::scanner::scan::{ScanOptions, plan_scan};
use ledger::AppendError;
use schemars::JsonSchema;
use schemas::kinds::scanner::{Confidence, Severity};
use schemas::{Actor, Data, EventId, Hash, Label, Name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// As `daicho scan --project` names it.
    project: String,
    /// What kind of weakness: one word for one kind, in every report.
    rule: String,
    /// Of the file, from the project's directory.
    path: String,
    line: Option<u64>,
    /// The lines that show it; they tell it from others in the file, and are not stored.
    snippet: Option<String>,
    severity: Severity,
    #[serde(default = "medium")]
    confidence: Confidence,
    /// As `CWE-89`.
    #[serde(default)]
    cwe: Vec<String>,
    /// What is wrong, and why; stored sealed.
    message: String,
}

fn medium() -> Confidence {
    Confidence::Medium
}

/// Reports that came first, before one is given up.
const MOST_RACES: usize = 16;

/// A scan of one result. It says nothing of what it did not see: nothing is closed by it.
pub fn report(node: &Node, agent: Name, arguments: Value) -> Answer {
    let mut reported: Reported = given(arguments)?;
    if let Some(why) = node.withheld() {
        return Err(why.to_owned());
    }
    reported.message = cut(node, &reported.message);
    reported.snippet = reported.snippet.map(|snippet| cut(node, &snippet));
    let project: Name = word(node, "project", &reported.project)?;
    let actor = Actor::Agent(agent);
    let (sarif, finding) = sarif(node, &actor, &project, reported)?;
    let options = ScanOptions {
        actor: &actor,
        project: &project,
        whole_project: false,
        is_removed: &|_| false,
    };
    let mut races = 0;
    loop {
        let caught_up = node.views.catch_up();
        caught_up.map_err(|_| "the ledger cannot be read now: try again later".to_owned())?;
        let mut new_id = || node.appender.new_id();
        let plan = node
            .views
            .findings
            .read(|f| plan_scan(&sarif, f, &options, &mut new_id));
        let planned = |what: fn(&Data) -> bool| {
            plan.submissions
                .iter()
                .any(|planned| what(&planned.event.data))
        };
        let state = if planned(|data| matches!(data, Data::FindingReported(_))) {
            "new"
        } else if planned(|data| matches!(data, Data::FindingReopened(_))) {
            "reopened"
        } else {
            "known"
        };
        match node.appender.append(plan.submissions) {
            Ok(_) => return Ok(json!({ "finding": finding, "state": state })),
            Err(AppendError::Conflict { .. }) if races < MOST_RACES => races += 1,
            Err(error) => {
                tracing::error!(%error, "a finding could not be recorded");
                return Err("the ledger cannot record it: try again later".to_owned());
            }
        }
    }
}

/// A report of one result, and the finding that it is.
fn sarif(
    node: &Node,
    actor: &Actor,
    project: &Name,
    reported: Reported,
) -> Result<(Sarif, EventId), String> {
    let bytes = serde_json::to_vec(&reported).unwrap_or_default();
    let path: Label = word(node, "path", &reported.path)?;
    let path = RepoPath::parse(path.as_str(), None).map_err(|fault| format!("path {fault}"))?;
    let cwe = reported.cwe.iter().map(|cwe| word(node, "cwe", cwe));
    let found = Found {
        rule: word(node, "rule", &reported.rule)?,
        path,
        line: reported.line,
        column: None,
        cwe: cwe.collect::<Result<_, _>>()?,
        severity: reported.severity,
        confidence: reported.confidence,
        message: reported.message,
        anchor: reported.snippet.map_or(Anchor::Rule, Anchor::Snippet),
        standing: Standing::Present,
    };
    let scanner = Label::lossy(&actor.to_string());
    let place = Place {
        project,
        scanner: &scanner,
        rule: &found.rule,
        path: &found.path,
    };
    let anchor = found.anchor.digest(quotes_a_secret(&found.cwe));
    let finding = EventId::derived(fingerprint(&place, &anchor, 0));
    let scan = Scan {
        scanner,
        version: None,
        found: vec![found],
        covered: BTreeMap::new(),
        not_run: BTreeSet::new(),
        errors: 0,
        complete: false,
    };
    let sarif = Sarif {
        sha256: Hash(Sha256::digest(bytes).into()),
        scans: vec![scan],
    };
    Ok((sarif, finding))
}

/// A word that the log may hold for ever.
fn word<T: std::str::FromStr>(node: &Node, field: &str, text: &str) -> Result<T, String> {
    if let Some(rule) = node.guard.rule(text) {
        return Err(format!(
            "{field} holds what rule {rule} keeps out of the log"
        ));
    }
    text.parse()
        .map_err(|_| format!("{field} is too long, or holds what no name holds"))
}
