//! What several entries together tell of: approvals, findings, incidents, holds.

use super::{Found, Log, text};
use serde_json::Value;
use std::collections::BTreeSet;

fn seconds(from: &str, to: &str) -> u64 {
    let micros = |text: &str| {
        let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        time.timestamp_micros()
    };
    u64::try_from(micros(to) - micros(from)).unwrap() / 1_000_000
}

impl Log {
    /// Times of pairs: the lower median, or the longest.
    fn times(query: &Value, pairs: Vec<(&Value, &Value)>) -> Found {
        let took = pairs
            .iter()
            .map(|(from, to)| seconds(text(from, "at"), text(to, "at")));
        let mut took: Vec<u64> = took.collect();
        took.sort_unstable();
        let index = match text(query, "take") {
            "median" => (took.len() - 1) / 2,
            _ => took.len() - 1,
        };
        let both = pairs.iter().flat_map(|(from, to)| [from, to]);
        (
            took[index],
            both.map(|entry| entry["seq"].as_u64().unwrap()).collect(),
        )
    }

    fn before<'l>(&'l self, until: &'l str) -> impl Iterator<Item = &'l Value> + Clone {
        self.entries
            .iter()
            .filter(move |entry| text(entry, "at") < until)
    }

    pub(super) fn incidents(&self, query: &Value) -> Found {
        if let Some(id) = query["where"]["incident"].as_str() {
            let opened = self.entries.iter().find(|entry| {
                entry["kind"] == "incident.opened" && entry["data"]["incident"] == id
            });
            let opened = opened.unwrap();
            let alerts = opened["data"]["alerts"].as_array().unwrap().len() as u64;
            return (alerts, BTreeSet::from([opened["seq"].as_u64().unwrap()]));
        }
        let until = query["until"].as_str().unwrap();
        let about = |id: &str, kind: &str| {
            let id = id.to_owned();
            self.before(until)
                .filter(move |e| e["data"]["incident"] == *id)
                .find(|e| e["kind"] == kind)
        };
        let mut found = Vec::new();
        for opened in self
            .before(until)
            .filter(|entry| entry["kind"] == "incident.opened")
        {
            let id = text(&opened["data"], "incident");
            let raised = self
                .before(until)
                .filter(|e| e["kind"] == "incident.escalated");
            let raised = raised.filter(|e| e["data"]["incident"] == id).last();
            let severity = &raised.unwrap_or(opened)["data"]["severity"];
            let is = &query["where"]["severity"];
            let open = query["where"]["state"] != "open" || about(id, "incident.closed").is_none();
            if (is.is_null() || is == severity)
                && open
                && text(opened, "at") >= text(query, "since")
            {
                found.push(opened);
            }
        }
        if matches!(text(query, "take"), "median" | "max") {
            let kind = format!("incident.{}", text(query, "field"));
            let ends = found.iter().filter_map(|opened| {
                Some((*opened, about(text(&opened["data"], "incident"), &kind)?))
            });
            return Log::times(query, ends.collect());
        }
        let positions: BTreeSet<u64> = found.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
        (positions.len() as u64, positions)
    }

    /// Every grant of this log is sound, so what counts is what is there.
    pub(super) fn approvals(&self, query: &Value) -> Found {
        let until = query["until"].as_str().unwrap();
        if query["where"]["decisions"] == "refused" {
            return (0, BTreeSet::new());
        }
        let now = until.min(self.head_at.as_str());
        let (mut positions, mut pairs) = (BTreeSet::new(), Vec::new());
        for asked in self
            .before(until)
            .filter(|entry| entry["kind"] == "approval.requested")
        {
            let data = &asked["data"];
            let subject = &query["where"]["subject"];
            if !subject.is_null() && *subject != data["subject"]["kind"] {
                continue;
            }
            let decided: Vec<&Value> = self
                .before(until)
                .filter(|entry| entry["data"]["approval"] == data["approval"])
                .filter(|entry| {
                    ["approval.granted", "approval.denied"].contains(&text(entry, "kind"))
                })
                .collect();
            let denied = decided
                .iter()
                .find(|entry| entry["kind"] == "approval.denied");
            let needed = usize::try_from(data["approvers_needed"].as_u64().unwrap()).unwrap();
            let granted = decided
                .iter()
                .filter(|entry| entry["kind"] == "approval.granted");
            let (state, answer) = match (denied, granted.clone().nth(needed - 1)) {
                (Some(denied), _) => ("denied", Some(*denied)),
                (None, Some(granted)) => ("granted", Some(*granted)),
                _ if now > text(data, "deadline") => ("expired", None),
                _ => ("requested", None),
            };
            if let Some(answer) = answer.filter(|answer| self.within(query, text(answer, "at"))) {
                pairs.push((asked, answer));
            }
            if query["where"]["state"] != state {
                continue;
            }
            let (when, seq) = match answer {
                Some(answer) => (text(answer, "at"), answer["seq"].as_u64().unwrap()),
                None if state == "expired" => {
                    (text(data, "deadline"), asked["seq"].as_u64().unwrap())
                }
                None => (text(asked, "at"), asked["seq"].as_u64().unwrap()),
            };
            if state == "requested" || self.within(query, when) {
                positions.insert(seq);
            }
        }
        match text(query, "take") {
            "median" | "max" => Log::times(query, pairs),
            _ => (positions.len() as u64, positions),
        }
    }

    pub(super) fn findings(&self, query: &Value) -> Found {
        let until = query["until"].as_str().unwrap();
        let filter = &query["where"];
        let mut positions = BTreeSet::new();
        for reported in self
            .before(until)
            .filter(|entry| entry["kind"] == "finding.reported")
        {
            let of = self
                .before(until)
                .filter(|e| e["data"]["finding"] == reported["data"]["finding"]);
            let state = match text(of.last().unwrap(), "kind") {
                "finding.reported" => "open",
                kind => kind.strip_prefix("finding.").unwrap(),
            };
            let severity = text(&reported["data"], "severity");
            let live = ["open", "verified", "reopened"].contains(&state);
            let fits = filter["state"].as_str().is_none_or(|is| is == state)
                && filter["severity"]
                    .as_str()
                    .unwrap()
                    .split('|')
                    .any(|is| is == severity)
                && (filter["live"].is_null() || live);
            if fits {
                positions.insert(reported["seq"].as_u64().unwrap());
            }
        }
        (positions.len() as u64, positions)
    }

    /// The test's hold is on class `operation`.
    pub(super) fn hold(&self, query: &Value) -> Found {
        let placed = self
            .entries
            .iter()
            .find(|e| e["data"]["hold"] == query["where"]["hold"]);
        let placed = placed.unwrap();
        assert_eq!(placed["data"]["scope"]["class"], "operation");
        let contents = self
            .entries
            .iter()
            .filter(|entry| entry["class"] == "operation");
        let contents = contents.flat_map(|entry| entry["content"].as_array().into_iter().flatten());
        let buckets: BTreeSet<&str> = contents.map(|content| text(content, "bucket")).collect();
        (
            buckets.len() as u64,
            BTreeSet::from([placed["seq"].as_u64().unwrap()]),
        )
    }
}
