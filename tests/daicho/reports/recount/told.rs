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

    fn before<'l>(&'l self, until: &'l str) -> impl DoubleEndedIterator<Item = &'l Value> + Clone {
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
            let escalated =
                |e: &&Value| e["kind"] == "incident.escalated" && e["data"]["incident"] == id;
            let raised = self.before(until).rfind(escalated);
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
            let ends: Vec<(&Value, &Value)> = ends.collect();
            let ids = ends.iter().map(|(opened, _)| &opened["data"]["incident"]);
            let all = ids.flat_map(|id| self.about("incident", id, until));
            let all = all.collect();
            return (Log::times(query, ends).0, all);
        }
        let all = found.iter();
        let all = all.map(|opened| self.about("incident", &opened["data"]["incident"], until));
        (found.len() as u64, all.flatten().collect())
    }

    /// Every entry that names this in that field.
    fn about(&self, field: &str, id: &Value, until: &str) -> BTreeSet<u64> {
        let all = self.before(until).filter(|e| e["data"][field] == *id);
        all.map(|entry| entry["seq"].as_u64().unwrap()).collect()
    }

    /// A decision of this log counts where it was asked for and its signature is not the one that
    /// the test invents.
    pub(super) fn counts(&self, decision: &Value) -> bool {
        let asked = self.entries.iter().any(|entry| {
            entry["kind"] == "approval.requested"
                && entry["data"]["approval"] == decision["data"]["approval"]
        });
        asked && text(&decision["data"], "signature") != super::super::months::NO_SIGNATURE
    }

    pub(super) fn approvals(&self, query: &Value) -> Found {
        let until = query["until"].as_str().unwrap();
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
                .filter(|entry| self.counts(entry))
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
        let (mut positions, mut count) = (BTreeSet::new(), 0);
        for reported in self
            .before(until)
            .filter(|entry| entry["kind"] == "finding.reported")
        {
            let of = self
                .before(until)
                .filter(|e| e["data"]["finding"] == reported["data"]["finding"]);
            let rated = of.clone().rfind(|e| e["kind"] == "finding.rated");
            let mut states = of.filter(|e| e["kind"] != "finding.rated");
            let state = match text(states.next_back().unwrap(), "kind") {
                "finding.reported" => "open",
                kind => kind.strip_prefix("finding.").unwrap(),
            };
            let severity = text(&rated.unwrap_or(reported)["data"], "severity");
            let live = ["open", "verified", "reopened"].contains(&state);
            let fits = filter["state"].as_str().is_none_or(|is| is == state)
                && filter["severity"]
                    .as_str()
                    .unwrap()
                    .split('|')
                    .any(|is| is == severity)
                && (filter["live"].is_null() || live);
            if fits {
                positions.extend(self.about("finding", &reported["data"]["finding"], until));
                count += 1;
            }
        }
        (count, positions)
    }

    /// Users, agents, vendors, secrets by the newest entry about each.
    pub(super) fn standing(&self, query: &Value) -> Found {
        let (of, until) = (text(query, "of"), query["until"].as_str().unwrap());
        let all: Vec<&Value> = self
            .before(until)
            .filter(|e| !e["data"][of].is_null())
            .collect();
        let names: BTreeSet<&str> = all.iter().map(|e| text(&e["data"], of)).collect();
        let (mut positions, mut count) = (BTreeSet::new(), 0);
        for name in names {
            let last = |kinds: &[&str]| {
                let mut of_kinds = all
                    .iter()
                    .rev()
                    .filter(|e| kinds.contains(&text(e, "kind")));
                of_kinds.find(|e| text(&e["data"], of) == name).copied()
            };
            let is = |entry: Option<&'_ Value>, kind: &str| {
                entry
                    .filter(|e| e["kind"] == kind)
                    .map(|e| e["seq"].as_u64().unwrap())
            };
            let found: Option<Vec<u64>> = match of {
                "user" => {
                    let newest = last(&["user.activated", "user.deactivated"]);
                    is(newest, "user.activated").map(|seq| vec![seq])
                }
                "agent" => {
                    let newest = last(&["agent.registered", "agent.retired"]);
                    is(newest, "agent.registered").map(|seq| vec![seq])
                }
                "vendor" => last(&["vendor.reviewed"]).and_then(|newest| {
                    let wanted = text(&query["where"], "state").split('|');
                    let fits = wanted
                        .into_iter()
                        .any(|w| w == text(&newest["data"], "outcome"));
                    fits.then(|| vec![newest["seq"].as_u64().unwrap()])
                }),
                _ => {
                    let seq = |kind: &str| is(last(&[kind, "secret.revoked"]), kind);
                    seq("secret.registered")
                        .zip(seq("secret.rotated"))
                        .map(|(a, b)| vec![a, b])
                }
            };
            if let Some(found) = found {
                positions.extend(found);
                count += 1;
            }
        }
        (count, positions)
    }

    /// Of the periods that were adopted before: months and years of it, or days.
    pub(super) fn kept(&self, query: &Value) -> Found {
        let until = query["until"].as_str().unwrap();
        let all: Vec<&Value> = self.before(until).collect();
        let adopted = |before: u64| {
            let adopted = all.iter().filter(|e| e["kind"] == "policy.adopted");
            let mut adopted = adopted.filter(|e| e["data"]["policy"] == "retention");
            adopted.rfind(|e| e["seq"].as_u64().unwrap() < before)
        };
        let short = |period: &Value| match period.as_str().unwrap() {
            "P1Y" => false,
            "P30D" => true,
            other => panic!("{other}"),
        };
        let too_short = query["where"]["kept"] == "under-six-months";
        let of = |policy: &Value| policy["data"]["periods"]["operation"].clone();
        let rule = adopted(u64::MAX).filter(|rule| short(&of(rule)) == too_short);
        let mut found: BTreeSet<u64> = rule
            .map(|rule| rule["seq"].as_u64().unwrap())
            .into_iter()
            .collect();
        if too_short {
            let contents = all
                .iter()
                .flat_map(|e| e["content"].as_array().into_iter().flatten());
            let buckets: BTreeSet<&str> = contents.map(|content| text(content, "bucket")).collect();
            for bucket in buckets
                .into_iter()
                .filter(|bucket| bucket.starts_with("operation/"))
            {
                let ended = all
                    .iter()
                    .any(|e| e["kind"] == "retention.expired" && e["data"]["bucket"] == bucket);
                let opened = self.opened(bucket);
                // One that opened before any rule has the first.
                let first = all
                    .iter()
                    .find(|e| e["kind"] == "policy.adopted" && e["data"]["policy"] == "retention");
                let rule = adopted(opened).or(first);
                if !ended && rule.is_some_and(|rule| short(&of(rule))) {
                    found.insert(opened);
                }
            }
        }
        (found.len() as u64, found)
    }

    /// The tests' holds are on a class, and on what there was of it and what came.
    pub(super) fn hold(&self, query: &Value) -> Found {
        let placed = self
            .entries
            .iter()
            .find(|e| e["data"]["hold"] == query["where"]["hold"]);
        let placed = placed.unwrap();
        let class = &placed["data"]["scope"]["class"];
        let contents = self.entries.iter().filter(|entry| entry["class"] == *class);
        let contents = contents.flat_map(|entry| entry["content"].as_array().into_iter().flatten());
        let buckets: BTreeSet<&str> = contents.map(|content| text(content, "bucket")).collect();
        let opened = buckets.iter().map(|bucket| self.opened(bucket));
        let positions = opened.chain([placed["seq"].as_u64().unwrap()]);
        (buckets.len() as u64, positions.collect())
    }
}
