//! The rule set of gitleaks 8.30.1, as data: who issues which form of credential.
//!
//! `gitleaks.toml` is theirs, unchanged (its licence is beside it); a newer one is put in its
//! place whole. A rule is tried only around its keywords, and its pattern is compiled when the
//! first of them is seen: most programs' lives end without most of them.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::{Captures, Regex, RegexBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

/// A credential in a text, and the rule that knows it.
pub(super) struct Leak {
    pub place: Range<usize>,
    pub id: &'static str,
}

/// Of what an issuer did not shape: `token = …`. Our own labels, which read Japanese too and
/// know what is no value, stand in its place.
const OURS: &str = "generic-api-key";

/// How far a match may begin before a keyword of its rule, and end behind it, in bytes.
const BEFORE: usize = 256;
const BEHIND: usize = 2_048;

#[derive(Deserialize)]
struct RuleSet {
    rules: Vec<Rule>,
    allowlist: Allowlist,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    regex: Option<String>,
    /// Rules for certain files do not concern a text without a name.
    path: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    /// Bits for a character that the value must have at least (Shannon).
    #[serde(default)]
    entropy: f64,
    #[serde(rename = "secretGroup", default)]
    group: usize,
    #[serde(default)]
    allowlists: Vec<Allowlist>,
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

/// What is no credential although it has the form of one.
#[derive(Deserialize)]
struct Allowlist {
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(rename = "regexTarget", default)]
    target: Target,
    #[serde(default)]
    condition: Condition,
    #[serde(skip)]
    compiled: OnceLock<Vec<Regex>>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Target {
    #[default]
    Secret,
    Match,
    Line,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Condition {
    #[default]
    Or,
    And,
}

struct Book {
    set: RuleSet,
    keywords: AhoCorasick,
    /// Which rule each keyword belongs to.
    of: Vec<usize>,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    let mut set: RuleSet =
        toml::from_str(include_str!("gitleaks.toml")).expect("the rule set is tested");
    set.rules
        .retain(|rule| rule.id != OURS && rule.path.is_none() && rule.regex.is_some());
    let (mut words, mut of) = (Vec::new(), Vec::new());
    for (index, rule) in set.rules.iter().enumerate() {
        words.extend(rule.keywords.iter());
        of.resize(words.len(), index);
    }
    let keywords = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(&words)
        .expect("the rule set is tested");
    Book { set, keywords, of }
});

/// The credentials in a text, rule by rule.
pub(super) fn leaks(text: &str) -> Vec<Leak> {
    let book = &*BOOK;
    let mut around: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
    for keyword in book.keywords.find_overlapping_iter(text) {
        let windows = around.entry(book.of[keyword.pattern()]).or_default();
        let window = window(text.as_bytes(), keyword.range());
        match windows.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => windows.push(window),
        }
    }
    let mut found = Vec::new();
    for (rule, windows) in around {
        let rule = &book.set.rules[rule];
        for window in windows {
            rule.find(text, window, &book.set.allowlist, &mut found);
        }
    }
    found
}

/// Around a keyword, as far as a match may reach, and on to the next white space: a value that
/// is cut would be another value.
fn window(text: &[u8], keyword: Range<usize>) -> Range<usize> {
    let start = keyword.start.saturating_sub(BEFORE);
    let end = (keyword.end + BEHIND).min(text.len());
    let more = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes
            .take(BEFORE)
            .take_while(|b| !b.is_ascii_whitespace())
            .count()
    };
    start - more(&mut text[..start].iter().rev())..end + more(&mut text[end..].iter())
}

impl Rule {
    fn find(
        &'static self,
        text: &str,
        window: Range<usize>,
        everywhere: &Allowlist,
        found: &mut Vec<Leak>,
    ) {
        let pattern = || self.regex.as_deref().and_then(compiled);
        let Some(regex) = self.compiled.get_or_init(pattern) else {
            return;
        };
        let within = &text.as_bytes()[window.clone()];
        for captures in regex.captures_iter(within) {
            let Some(secret) = self.secret(&captures) else {
                continue;
            };
            let value = &within[secret.clone()];
            let allowed = |list: &Allowlist| list.allows(value, &captures, within);
            if entropy(value) < self.entropy
                || allowed(everywhere)
                || self.allowlists.iter().any(allowed)
            {
                continue;
            }
            found.push(Leak {
                place: window.start + secret.start..window.start + secret.end,
                id: &self.id,
            });
        }
    }

    /// The group that the rule names, else the first that holds something, else the whole.
    fn secret(&self, captures: &Captures) -> Option<Range<usize>> {
        let groups = if self.group > 0 {
            self.group..self.group + 1
        } else {
            1..captures.len()
        };
        groups
            .filter_map(|n| captures.get(n))
            .find(|group| !group.is_empty())
            .or(captures.get(0))
            .map(|group| group.range())
    }
}

impl Allowlist {
    fn allows(&self, secret: &[u8], captures: &Captures, text: &[u8]) -> bool {
        // With files' names among what must all hold, it never holds here.
        if self.condition == Condition::And && !self.paths.is_empty() {
            return false;
        }
        let whole = captures.get(0).map_or(0..0, |m| m.range());
        let target = match self.target {
            Target::Secret => secret,
            Target::Match => &text[whole],
            Target::Line => line(text, whole),
        };
        let regexes = self
            .compiled
            .get_or_init(|| self.regexes.iter().filter_map(|r| compiled(r)).collect());
        let matched = regexes.iter().any(|regex| regex.is_match(target));
        let lower = String::from_utf8_lossy(secret).to_ascii_lowercase();
        let stopped = self.stopwords.iter().any(|word| lower.contains(word));
        match self.condition {
            Condition::Or => matched || stopped,
            Condition::And => {
                (self.regexes.is_empty() || matched) && (self.stopwords.is_empty() || stopped)
            }
        }
    }
}

fn line(text: &[u8], place: Range<usize>) -> &[u8] {
    let ends = |b: &u8| *b == b'\n';
    let start = text[..place.start].iter().rposition(ends);
    let end = text[place.end..].iter().position(ends);
    let (start, end) = (
        start.map_or(0, |at| at + 1),
        end.map_or(text.len(), |at| place.end + at),
    );
    &text[start..end]
}

/// Go's patterns know letters and digits of ASCII only, and take a brace that counts nothing
/// for itself.
fn compiled(pattern: &str) -> Option<Regex> {
    static BRACE: LazyLock<regex::Regex> =
        LazyLock::new(|| super::pattern(r"\\.|\{(?:\d+(?:,\d*)?\})?"));
    let escaped = BRACE.replace_all(pattern, |part: &regex::Captures| match &part[0] {
        "{" => r"\{".to_owned(),
        part => part.to_owned(),
    });
    RegexBuilder::new(&escaped).unicode(false).build().ok()
}

/// Shannon's, in bits for a character.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let share = |count: &u32| f64::from(*count) / value.len() as f64;
    let seen = counts.iter().filter(|count| **count > 0).map(share);
    seen.map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_set_can_be_used() {
        let book = &*BOOK;
        assert!(book.set.rules.len() > 200);
        for rule in &book.set.rules {
            let id = &rule.id;
            assert!(compiled(rule.regex.as_deref().expect(id)).is_some(), "{id}");
            assert!(!rule.keywords.is_empty(), "{id}");
            for pattern in rule.allowlists.iter().flat_map(|list| &list.regexes) {
                assert!(compiled(pattern).is_some(), "{id}: {pattern}");
            }
        }
        for pattern in &book.set.allowlist.regexes {
            assert!(compiled(pattern).is_some(), "{pattern}");
        }
    }

    /// Made up, in the forms that the issuers document.
    #[test]
    fn credentials_of_many_issuers_are_known_and_look_alikes_are_not() {
        let known = [
            (
                "adafruit_key = 'q8x3v_k2n7w0z5b1m6c4t9r2y8p3d7f1'",
                "adafruit-api-key",
            ),
            (
                "DIGITALOCEAN=doo_v1_8f3a1c9e7b2d4f6a0c5e8b1d3f7a9c2e4b6d8f0a1c3e5b7d9f2a4c6e8b0d1f3a",
                "digitalocean-access-token",
            ),
            (
                "ops_eyJzaWduSW5BZGRyZXNzIjoibXkuMXBhc3N3b3JkLmNvbSIsInVzZXJBdXRoIjp7Im1ldGhvZCI6IlNSUGctNDA5NiIsImFsZyI6IlBCRVMyZy1IUzI1NiIsIml0ZXJhdGlvbnMiOjY1MDAwMCwic2FsdCI6IkdrOTJ4UWFhN1YzbU5wTDBySHpZd1EifSwiZW1haWwiOiJxN3ZrM20xcEAxcGFzc3dvcmRzZXJ2aWNlYWNjb3VudHMuY29tIiwic3JwWCI6IjhiMWUifQ",
                "1password-service-account-token",
            ),
            (
                "heroku = 0f9d3b7a-4c21-4e8f-9a6d-2b7c5e1f8d40",
                "heroku-api-key",
            ),
        ];
        for (text, id) in known {
            assert!(leaks(text).iter().any(|leak| leak.id == id), "{id}");
        }
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "heroku = ${HEROKU_API_KEY}",
            "adafruit is a shop",
        ] {
            assert!(leaks(text).is_empty(), "{text}");
        }
    }
}
