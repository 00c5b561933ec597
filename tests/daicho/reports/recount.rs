//! A second way to every figure: straight from the raw lines of the log, by each figure's own
//! query, without a type, a projection or a helper of the program.

mod told;

use crate::world::Ledger;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub struct Log {
    entries: Vec<Value>,
    /// Prompts and payloads by call.
    prompts: BTreeMap<String, usize>,
    payloads: BTreeMap<String, usize>,
    head_at: String,
    offset_minutes: i64,
    hours: Option<String>,
}

/// Every value under this key, wherever it stands.
pub fn each(value: &Value, key: &str, take: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| {
            if name == key && (!inner.is_array() && key != "figure" || inner.is_object()) {
                take(inner);
            }
            each(inner, key, take);
        }),
        Value::Array(items) => items.iter().for_each(|item| each(item, key, take)),
        _ => {}
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

type Found = (u64, BTreeSet<u64>);

/// Figures that one rule counts, and how many of them were above zero.
pub type Counted = BTreeMap<String, usize>;

/// What a query asks, without the words that it asks for.
fn family(query: &Value) -> String {
    let list = |value: &Value| value.as_array().map_or(0, Vec::len);
    let kinds = match list(&query["kinds"]) {
        0 => String::new(),
        1 => query["kinds"][0].as_str().unwrap().to_owned(),
        _ => "several kinds".to_owned(),
    };
    let fields = query["where"].as_object().into_iter().flatten();
    let fields: Vec<&str> = fields.map(|(field, _)| field.as_str()).collect();
    let (take, of) = (text(query, "take"), text(query, "of"));
    let (field, each) = (text(query, "field"), text(query, "each"));
    format!(
        "{take}({field}) of {of} {kinds} each {each} where {}",
        fields.join(" ")
    )
}

impl Log {
    pub fn read(ledger: &Ledger, basis: &Value) -> Log {
        let head = usize::try_from(basis["head"]["size"].as_u64().unwrap()).unwrap();
        let mut entries = Vec::new();
        for file in ledger.logs() {
            let lines = std::fs::read_to_string(file).unwrap();
            for line in lines.lines().take(head - entries.len()) {
                let body = line.split('\t').next().unwrap();
                entries.push(serde_json::from_str::<Value>(body).unwrap());
            }
        }
        assert_eq!(entries.len(), head);
        let by_call = |kind: &str| {
            let of_kind = entries
                .iter()
                .enumerate()
                .filter(|(_, e)| e["kind"] == kind);
            of_kind
                .map(|(i, e)| (text(&e["data"], "call").to_owned(), i))
                .collect()
        };
        let offset = basis["period"]["utc_offset"].as_str().unwrap_or("+00:00");
        let (hours, minutes) = offset[1..].split_once(':').unwrap();
        let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
        Log {
            prompts: by_call("prompt.submitted"),
            payloads: by_call("payload.masked"),
            head_at: text(&basis["head"], "at").to_owned(),
            offset_minutes: minutes,
            hours: basis["hours"].as_str().map(str::to_owned),
            entries,
        }
    }

    /// Counts every figure again; gives how many of each family were above zero.
    pub fn recount(&self, report: &Value) -> Counted {
        let (mut ids, mut counted) = (BTreeSet::new(), Counted::new());
        each(report, "figure", &mut |figure| {
            let id = text(figure, "id");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            let (value, positions) = self.answer(&figure["query"]);
            assert_eq!(figure["value"], value, "{figure}");
            let written = ranges(&positions);
            assert_eq!(figure["positions"], written, "{figure}");
            *counted.entry(family(&figure["query"])).or_default() += usize::from(value > 0);
        });
        counted
    }

    fn answer(&self, query: &Value) -> Found {
        match text(query, "of") {
            "entry" => self.entries_of(query),
            "content" => self.contents(query),
            "call" => self.calls(query),
            "incident" => self.incidents(query),
            "approval" => self.approvals(query),
            "finding" => self.findings(query),
            "hold" => self.hold(query),
            "key" => self.keys(query),
            "user" | "agent" | "vendor" | "secret" => self.standing(query),
            "rule" => self.kept(query),
            "fault" => (0, BTreeSet::new()),
            other => panic!("nobody knows how to count {other}"),
        }
    }

    fn within(&self, query: &Value, at: &str) -> bool {
        let (since, until) = (text(query, "since"), query["until"].as_str());
        at >= since && until.is_none_or(|until| at < until)
    }

    fn wanted(&self, query: &Value, index: usize) -> bool {
        let entry = &self.entries[index];
        let kinds = query["kinds"].as_array();
        let kind = kinds.is_none_or(|kinds| kinds.contains(&entry["kind"]));
        let filter = query["where"].as_object();
        let of_item = |field: &str| !query["each"].is_null() && field == "rule";
        kind && self.within(query, text(entry, "at"))
            && filter
                .into_iter()
                .flatten()
                .all(|(field, is)| of_item(field) || self.word(index, field, is.as_str().unwrap()))
    }

    /// Is this field of the entry that word?
    fn word(&self, index: usize, field: &str, is: &str) -> bool {
        let entry = &self.entries[index];
        let data = &entry["data"];
        let of_call = |calls: &BTreeMap<String, usize>, field: &str| {
            let found = calls
                .get(text(data, "call"))
                .map(|&i| &self.entries[i]["data"]);
            found
                .and_then(|data| data[field].as_str())
                .unwrap_or("-")
                .to_owned()
        };
        let some = |list: &str| {
            let empty = data[list].as_array().is_none_or(Vec::is_empty);
            if empty { "none" } else { "some" }.to_owned()
        };
        let found = match field {
            "actor" | "class" => text(entry, field).to_owned(),
            "bucket" => {
                let contents = entry["content"].as_array().into_iter().flatten();
                return contents.into_iter().any(|content| content["bucket"] == is);
            }
            "call.model" => of_call(&self.prompts, "model"),
            "call.provider" => of_call(&self.prompts, "provider"),
            "call.asks" => match of_call(&self.prompts, "operation").as_str() {
                "count_tokens" => "count".to_owned(),
                _ => "answer".to_owned(),
            },
            "call.price" => match self.prices(text(data, "call")) {
                Some(_) => "known".to_owned(),
                None => "none".to_owned(),
            },
            "decision" if self.counts(entry) => "counts".to_owned(),
            "decision" => "refused".to_owned(),
            "agent.person" => self.person(index),
            "tokens" if data["output_tokens"].is_null() => "uncounted".to_owned(),
            "tokens" => "counted".to_owned(),
            "hours" => self.hours(text(entry, "at")).to_owned(),
            "masks" | "media" | "reasons" | "found" => some(field),
            path => {
                let found = path.split('.').fold(data, |value, field| &value[field]);
                match found {
                    Value::String(text) => text.clone(),
                    Value::Null => "-".to_owned(),
                    other => other.to_string(),
                }
            }
        };
        found == is
    }

    fn person(&self, index: usize) -> String {
        let actor = text(&self.entries[index], "actor");
        let agent = actor.strip_prefix("agent:").unwrap_or_default();
        let earlier = self.entries[..index].iter().rev();
        let names = |entry: &&Value| {
            let kind = text(entry, "kind");
            matches!(kind, "agent.registered" | "agent.updated")
                && entry["data"]["agent"] == agent
                && entry["data"]["person"].is_string()
        };
        let person = earlier.clone().find(names);
        person
            .map_or("-", |entry| text(&entry["data"], "person"))
            .to_owned()
    }

    /// Only the hours of the test's configuration: mon-fri 09:00-18:00.
    fn hours(&self, at: &str) -> &'static str {
        use chrono::{Datelike, Timelike};
        assert_eq!(self.hours.as_deref(), Some("mon-fri 09:00-18:00"));
        let time = chrono::DateTime::parse_from_rfc3339(at).unwrap();
        let local = time.naive_utc() + chrono::Duration::minutes(self.offset_minutes);
        let weekday = local.weekday().num_days_from_monday() < 5;
        match weekday && (9..18).contains(&local.hour()) {
            true => "within",
            false => "outside",
        }
    }

    fn entries_of(&self, query: &Value) -> Found {
        let all = (0..self.entries.len()).filter(|&index| self.wanted(query, index));
        let (mut positions, mut sum, mut cost) = (BTreeSet::new(), 0, 0);
        let (field, rule) = (text(query, "field"), query["where"]["rule"].as_str());
        if text(query, "take") == "newest" {
            let newest = all.max().unwrap();
            let path = format!("/data/{}", field.replace('.', "/"));
            let number = self.entries[newest].pointer(&path).unwrap();
            return (number.as_u64().unwrap(), [newest as u64].into());
        }
        for index in all {
            let data = &self.entries[index]["data"];
            if let Some(list) = query["each"].as_str() {
                let items = data[list].as_array().into_iter().flatten();
                let items = items.filter(|item| rule.is_none_or(|rule| item["rule"] == rule));
                for item in items {
                    positions.insert(index as u64);
                    sum += item["count"].as_u64().unwrap();
                }
                continue;
            }
            match text(query, "take") {
                "cost" => {
                    let prices = self.prices(text(data, "call"));
                    let Some(prices) = prices else { continue };
                    let fields = [
                        "input_tokens",
                        "output_tokens",
                        "cache_read_tokens",
                        "cache_creation_tokens",
                    ];
                    for (field, price) in fields.into_iter().zip(prices) {
                        cost += u128::from(data[field].as_u64().unwrap_or(0)) * price;
                    }
                }
                "distinct" => {
                    if let Some(consent) = data["class"]["consent"].as_u64() {
                        positions.insert(consent);
                    }
                    continue;
                }
                _ => sum += data[field].as_u64().unwrap_or(0),
            }
            positions.insert(index as u64);
        }
        let value = match text(query, "take") {
            "sum" => sum,
            "cost" => u64::try_from(cost / 1_000_000).unwrap(),
            _ => positions.len() as u64,
        };
        (value, positions)
    }

    /// Of the test's configuration, in millionths for a million tokens.
    fn prices(&self, call: &str) -> Option<[u128; 4]> {
        let prompt = &self.entries[*self.prompts.get(call)?];
        match text(&prompt["data"], "model") {
            "model-a" => Some([3_000_000, 15_000_000, 3_000_000, 3_000_000]),
            "model-b-2" => Some([250_000, 1_250_000, 30_000, 300_000]),
            _ => None,
        }
    }

    fn contents(&self, query: &Value) -> Found {
        let (mut sealed, mut positions) = (BTreeMap::new(), BTreeSet::new());
        let (bucket, class) = (
            query["where"]["bucket"].as_str(),
            query["where"]["class"].as_str(),
        );
        let ended: BTreeSet<&str> = self
            .entries
            .iter()
            .filter(|entry| entry["kind"] == "retention.expired")
            .map(|entry| text(&entry["data"], "bucket"))
            .collect();
        let kept = query["where"]["state"] == "kept";
        for (index, entry) in self.entries.iter().enumerate() {
            for content in entry["content"].as_array().into_iter().flatten() {
                let of = text(content, "bucket");
                let fits = bucket.is_none_or(|bucket| bucket == of)
                    && class.is_none_or(|class| of.split('/').next() == Some(class))
                    && !(kept && ended.contains(of));
                if fits {
                    positions.insert(index as u64);
                    sealed.insert(
                        (of, text(content, "sealed")),
                        content["sealed_bytes"].as_u64().unwrap(),
                    );
                }
            }
        }
        let value = match text(query, "take") {
            "sum" => sealed.values().sum(),
            _ => sealed.len() as u64,
        };
        (value, positions)
    }

    /// Where a bucket got its first content.
    fn opened(&self, bucket: &str) -> u64 {
        let has = |entry: &&Value| {
            let mut contents = entry["content"].as_array().into_iter().flatten();
            contents.any(|content| content["bucket"] == bucket)
        };
        let first = self.entries.iter().find(has);
        first.unwrap()["seq"].as_u64().unwrap()
    }

    /// Persons whose content a bucket has, by the first entry with it or by the record of its erasure.
    fn keys(&self, query: &Value) -> Found {
        let bucket = &query["where"]["bucket"];
        let mut first = BTreeMap::new();
        for entry in &self.entries {
            for content in entry["content"].as_array().into_iter().flatten() {
                if let (Some(subject), true) =
                    (content["subject"].as_str(), content["bucket"] == *bucket)
                {
                    first
                        .entry(subject)
                        .or_insert(entry["seq"].as_u64().unwrap());
                }
            }
        }
        if query["where"]["state"] == "erased" {
            let done = |subject: &str| {
                let done = self.entries.iter().find(|entry| {
                    let data = &entry["data"];
                    entry["kind"] == "erasure.completed"
                        && data["subject"] == subject
                        && data["bucket"] == *bucket
                });
                done?["seq"].as_u64()
            };
            let all = first.into_keys();
            first = all
                .filter_map(|subject| Some((subject, done(subject)?)))
                .collect();
        }
        (first.len() as u64, first.into_values().collect())
    }

    fn calls(&self, query: &Value) -> Found {
        if query["where"]["state"] == "open" {
            let ends = ["payload.blocked", "model.responded", "model.failed"];
            let until = text(query, "until");
            let before = self
                .entries
                .iter()
                .filter(|entry| text(entry, "at") < until);
            let ended: BTreeSet<&str> = before
                .clone()
                .filter(|entry| ends.contains(&text(entry, "kind")))
                .map(|entry| text(&entry["data"], "call"))
                .collect();
            let open = before.filter(|entry| {
                entry["kind"] == "prompt.submitted" && !ended.contains(text(&entry["data"], "call"))
            });
            let open: BTreeSet<u64> = open.map(|entry| entry["seq"].as_u64().unwrap()).collect();
            return (open.len() as u64, open);
        }
        let (mut positions, mut bytes) = (BTreeSet::new(), 0);
        for (index, entry) in self.entries.iter().enumerate() {
            let call = text(&entry["data"], "call");
            let payload = self.payloads.get(call).copied();
            let failed =
                entry["kind"] == "model.failed" && entry["data"]["outcome"] == "unreachable";
            let Some(payload) = payload.filter(|_| failed) else {
                continue;
            };
            let of = &self.entries[payload];
            let fits = |field: &str| {
                let is = query["where"][field].as_str().unwrap();
                self.word(payload, field, is)
            };
            if self.within(query, text(of, "at")) && fits("call.provider") && fits("class.class") {
                positions.insert(index as u64);
                bytes += of["data"]["body_bytes"].as_u64().unwrap();
            }
        }
        let value = match text(query, "take") {
            "sum" => bytes,
            _ => positions.len() as u64,
        };
        (value, positions)
    }
}

fn ranges(positions: &BTreeSet<u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &position in positions {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == position => *last = position,
            _ => runs.push((position, position)),
        }
    }
    let written = runs.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    written.collect::<Vec<_>>().join(",")
}
