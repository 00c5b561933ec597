//! The rules by which personal data becomes masks and prohibited data stops a call.
//!
//! ```text
//! text ─▶ views (normal.rs: widths, escapes, base64, breaks; every character keeps its place)
//!      ─▶ rules (rules.rs: secrets, numbers, mailboxes, addresses, then names)
//!      ─▶ resolve (resolve.rs: one find per place)
//!      ─▶ replace
//! ```
//! A body (body.rs) is a JSON text: its strings are masked one by one, in order, and written
//! back into the bytes that came; everything else stays as it was.
//!
//! A mask is a function of the value, its kind and the policy: no counter, no randomness, no
//! vault. The same value has the same mask for ever, and masking a masked text changes nothing.

pub mod body;
mod chars;
mod evidence;
pub(crate) mod json;
mod lexicon;
mod memo;
mod normal;
pub mod pdf;
mod policy;
mod replace;
mod resolve;
mod roster;
mod rule_set;
mod rules;
mod silence;
mod tags;

pub use body::{BodyError, Dialect, MaskedBody, Media};
pub use evidence::Evidence;
pub use memo::Effort;
pub use policy::{EmailMask, MediaRule, Policy, PolicyError};
pub use roster::{Roster, RosterError};
pub use silence::{Day, Silence};
pub use tags::{StreamTag, TagKey};

use replace::{Replaced, replaced};
use resolve::{Hit, resolve};
use rules::customer_list::{self, CustomerList};
use rules::{Asked, RULES};
use schemas::kinds::traffic::RuleCount;
use schemas::{Hash, Name, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use silence::Words;
use std::collections::BTreeMap;
use std::sync::{Arc, Once};

/// What a find is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SpanKind {
    Person,
    Address,
    Phone,
    Email,
    MyNumber,
    Card,
    Bank,
    Secret,
    Insider,
}

impl SpanKind {
    /// Never handled at all: its presence blocks.
    pub fn is_prohibited(self) -> bool {
        self >= SpanKind::MyNumber
    }

    pub fn word(self) -> &'static str {
        match self {
            SpanKind::Person => "PERSON",
            SpanKind::Address => "ADDRESS",
            SpanKind::Phone => "PHONE",
            SpanKind::Email => "EMAIL",
            SpanKind::MyNumber => "MYNUMBER",
            SpanKind::Card => "CARD",
            SpanKind::Bank => "BANK",
            SpanKind::Secret => "SECRET",
            SpanKind::Insider => "INSIDER",
        }
    }

    /// Which of two overlapping finds stands: the lower.
    fn rank(self) -> u8 {
        match self {
            SpanKind::Secret => 0,
            SpanKind::MyNumber | SpanKind::Card | SpanKind::Bank => 1,
            SpanKind::Insider => 2,
            SpanKind::Email => 3,
            SpanKind::Phone => 4,
            SpanKind::Address => 5,
            SpanKind::Person => 6,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Allow,
    Block,
}

/// One replacement: scalars `start..end` of the original.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    #[serde(rename = "type")]
    pub kind: SpanKind,
    pub rule: &'static str,
    pub evidence: Evidence,
    pub replacement: String,
}

/// A text as it may leave, or the word that it may not.
#[derive(Serialize)]
pub struct Masked {
    pub verdict: Verdict,
    pub masked: String,
    pub spans: Vec<Span>,
    /// Why it may not: prohibited values per rule, and the persons of a customer list, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<RuleCount>,
}

/// The rules under one policy, with the key of the tags.
///
/// Of a policy with periods of silence it holds all of them to be in force until it is told
/// [what time it is](Masker::at). What is found is a function of the text, the policy and that.
#[derive(Clone)]
pub struct Masker {
    policy: Arc<Policy>,
    /// The operator's words, and then those of each period.
    words: Arc<[Words]>,
    /// Places of the periods that hold.
    silent: Arc<[usize]>,
    roster: Option<Arc<Roster>>,
    digest: Hash,
    key: TagKey,
    memo: Arc<memo::Memo>,
}

/// Reads the word lists on another core, while this one goes on to what is asked for before them.
fn prepare() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let lists = || {
            rules::address::prepare();
            lexicon::lexicon();
        };
        // Without a thread they are read when they are asked for.
        let _ = std::thread::Builder::new().spawn(lists);
    });
}

impl Masker {
    pub fn new(policy: Policy, key: TagKey) -> Result<Masker, PolicyError> {
        policy.check()?;
        prepare();
        let digest = policy.digest();
        let mut words = vec![Words::of_the_operator(&policy.insider_keywords)?];
        for silence in &policy.silence {
            words.push(Words::of(silence)?);
        }
        Ok(Masker {
            silent: (0..policy.silence.len()).collect(),
            policy: Arc::new(policy),
            words: words.into(),
            roster: None,
            digest,
            key,
            memo: Arc::default(),
        })
    }

    /// The same rules with the periods of silence that hold at a time, and the same memory.
    pub fn at(&self, now: Timestamp) -> Masker {
        let mut there = self.clone();
        if !self.policy.silence.is_empty() {
            there.silent = silence::holding(&self.policy.silence, now).into();
        }
        there
    }

    /// Places of the periods of silence that it holds to be in force: what was found under
    /// others does not count.
    pub fn silent(&self) -> &[usize] {
        &self.silent
    }

    /// The same, with the people of a roster.
    pub fn with_roster(self, roster: Arc<Roster>) -> Masker {
        let digest = Masker::version(self.policy.digest(), Some(roster.tag()));
        Masker {
            roster: Some(roster),
            digest,
            ..self
        }
    }

    /// The same, with nothing remembered, counting what it does where another counts it.
    pub fn counting(self, effort: Arc<Effort>) -> Masker {
        Masker {
            memo: Arc::new(memo::Memo::counting(effort)),
            ..self
        }
    }

    /// What the bodies so far took.
    pub fn effort(&self) -> &Arc<Effort> {
        &self.memo.effort
    }

    /// What names a policy together with the roster that is in force beside it.
    pub fn version(policy: Hash, roster: Option<Hash>) -> Hash {
        let Some(roster) = roster else { return policy };
        let mut hash = Sha256::new();
        hash.update(b"daicho/masking+roster/v1\n");
        hash.update(policy.0);
        hash.update(roster.0);
        Hash(hash.finalize().into())
    }

    /// The digest of the policy in force.
    pub fn policy(&self) -> Hash {
        self.digest
    }

    /// Masks one document.
    pub fn text(&self, text: &str) -> Masked {
        let chars: Vec<char> = text.chars().collect();
        let hits = self.hits(&chars, &mut rules::person::Known::default());
        let mut customers = CustomerList::default();
        let finds = hits
            .iter()
            .map(|hit| (hit.kind, hit.start..hit.end, hit.value.as_str()));
        customers.add(&chars, finds);
        let prohibited = hits.iter().filter(|hit| hit.kind.is_prohibited());
        let blocks = counts(prohibited.map(|hit| hit.rule).chain(self.listed(customers)));
        let verdict = if blocks.is_empty() {
            Verdict::Allow
        } else {
            Verdict::Block
        };
        Masked {
            verdict,
            masked: match hits.as_slice() {
                [] => text.to_owned(),
                hits => replaced(&chars, hits),
            },
            spans: hits
                .into_iter()
                .map(|hit| Span {
                    start: hit.start,
                    end: hit.end,
                    kind: hit.kind,
                    rule: hit.rule,
                    evidence: hit.evidence,
                    replacement: hit.replacement,
                })
                .collect(),
            blocks,
        }
    }

    /// Cuts prohibited values out of a text that is to be stored, and counts them per rule.
    pub fn cut(&self, text: &str) -> (String, Vec<RuleCount>) {
        let chars: Vec<char> = text.chars().collect();
        let hits = self.prohibited(&chars);
        (
            replaced(&chars, &hits),
            counts(hits.iter().map(|hit| hit.rule)),
        )
    }

    /// Everything that the rules find in a document, names of earlier documents included.
    ///
    /// A mask is another neighbour than what it masks, and neighbours are evidence: what was
    /// masked is looked at again until nothing more is found, so that masking it again later
    /// changes nothing.
    fn hits(&self, chars: &[char], known: &mut rules::person::Known) -> Vec<Hit> {
        let mut hits = self.pass(chars, known);
        for _ in 0..MOST_PASSES {
            if hits.is_empty() || hits.iter().any(|hit| hit.kind.is_prohibited()) {
                break;
            }
            let masked = Replaced::new(chars, &hits);
            let before = known.lessons();
            let found = self.pass(&masked.chars, known);
            let taught = known.lessons();
            known.note(before);
            known.note(taught.into_iter().map(|lesson| masked.lesson(lesson)));
            let mut more: Vec<Hit> = Vec::new();
            for hit in found.into_iter().filter_map(|hit| masked.hit(hit, &hits)) {
                // Two that grew over one mask: the other is found again in the next look.
                if more.last().is_none_or(|last| last.end <= hit.start) {
                    more.push(hit);
                }
            }
            if more.is_empty() {
                break;
            }
            // What one of them grew over is a part of it now.
            hits.retain(|hit| {
                let next = more.partition_point(|m| m.end <= hit.start);
                more.get(next).is_none_or(|m| hit.end <= m.start)
            });
            hits.extend(more);
            hits.sort_by_key(|hit| hit.start);
        }
        hits
    }

    /// A customer list's rule, once for each person on it; nothing if they are too few.
    fn listed(&self, customers: CustomerList) -> impl Iterator<Item = &'static str> {
        let length = customers.length();
        let blocks = length >= self.policy.customer_list_at;
        std::iter::repeat_n(customer_list::NAME, if blocks { length } else { 0 })
    }

    /// What the rules find in one look.
    fn pass(&self, chars: &[char], known: &mut rules::person::Known) -> Vec<Hit> {
        let mut hits = Vec::new();
        for view in normal::views(chars) {
            let mut finds = self.formats(&view, |_| true);
            let taken: Vec<(usize, usize)> = finds
                .iter()
                .filter(|find| find.kind != SpanKind::Insider)
                .map(|find| (find.start, find.end))
                .chain(rules::email::masked(&view))
                .collect();
            rules::person::find(&view, &taken, known, self.roster.as_deref(), &mut finds);
            collect(&view, finds, &mut hits);
        }
        resolve(hits)
    }

    /// Only what must never be kept.
    fn prohibited(&self, chars: &[char]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for view in normal::views(chars) {
            let finds = self.formats(&view, SpanKind::is_prohibited);
            collect(&view, finds, &mut hits);
        }
        resolve(hits)
    }

    fn formats(&self, view: &normal::View, wanted: fn(SpanKind) -> bool) -> Vec<rules::Find> {
        let asked = Asked {
            policy: &self.policy,
            words: &self.words,
            silent: &self.silent,
        };
        let mut finds = Vec::new();
        let words = [SpanKind::Address, SpanKind::Insider];
        let all = view.may_join_ascii();
        let asks = |rule: &&rules::Rule| wanted(rule.kind) && (all || words.contains(&rule.kind));
        for rule in RULES.iter().filter(asks) {
            let before = finds.len();
            (rule.find)(view, &asked, &mut finds);
            debug_assert!(
                finds[before..]
                    .iter()
                    .all(|find| find.rule.split('.').next() == Some(rule.name))
            );
        }
        finds
    }
}

/// Looks at a masked document that find something new are rare, and chains of them rarer.
const MOST_PASSES: usize = 4;

/// From a view's characters to scalars of the original.
fn collect(view: &normal::View, finds: Vec<rules::Find>, hits: &mut Vec<Hit>) {
    for find in finds {
        let (start, end) = view.span(find.start, find.end);
        let start = if view.kind == normal::Reading::Plain {
            past_escape(view.original, start)
        } else {
            start
        };
        // What is whole on its line does not grow by the next one.
        let whole = view.kind == normal::Reading::Joined
            && !find.kind.is_prohibited()
            && hits.iter().any(|hit| hit.start < end && start < hit.end);
        if start < end && view.counts(start, end) && !whole {
            hits.push(Hit {
                start,
                end,
                kind: find.kind,
                rule: find.rule,
                evidence: find.evidence,
                replacement: find.replacement,
                value: find.value,
            });
        }
    }
}

/// Past an escape that the find begins inside: the `n` of `\nTaro` is no letter of a name, and
/// without it the string inside a string would break.
fn past_escape(original: &[char], start: usize) -> usize {
    let slashes = original[..start]
        .iter()
        .rev()
        .take(64)
        .take_while(|c| **c == '\\')
        .count();
    match original.get(start) {
        Some('n' | 'r' | 't' | 'b' | 'f' | '"' | '\\' | '/') if slashes % 2 == 1 => start + 1,
        Some('u')
            if slashes % 2 == 1
                && original
                    .get(start + 1..start + 5)
                    .is_some_and(|h| h.iter().all(char::is_ascii_hexdigit)) =>
        {
            start + 5
        }
        _ => start,
    }
}

/// What a period of silence finds, `insider.q3`, counts for the rule before the point too.
fn counts(rules: impl Iterator<Item = &'static str>) -> Vec<RuleCount> {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for rule in rules {
        *counts.entry(rule).or_default() += 1;
        if let Some((whole, _)) = rule.split_once('.') {
            *counts.entry(whole).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .map(|(rule, count)| RuleCount {
            rule: rule_name(rule),
            count,
        })
        .collect()
}

fn rule_name(rule: &'static str) -> Name {
    rule.parse()
        .expect("rules have sound names, a test says so")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn masker() -> Masker {
        Masker::new(Policy::default(), TagKey::new([1; 32])).expect("the default is sound")
    }

    pub(super) fn masked(text: &str) -> String {
        masker().text(text).masked
    }

    pub(super) fn unchanged(text: &str) {
        let found = masker().text(text);
        assert_eq!(found.masked, text);
        assert_eq!(found.verdict, Verdict::Allow);
    }

    pub(super) fn blocks(text: &str, kind: SpanKind) {
        let found = masker().text(text);
        assert_eq!(found.verdict, Verdict::Block, "{text}");
        assert!(found.spans.iter().any(|s| s.kind == kind), "{text}");
    }

    pub(super) fn passes(text: &str) {
        let found = masker().text(text);
        let kinds: Vec<_> = found.spans.iter().map(|s| s.kind).collect();
        assert_eq!(found.verdict, Verdict::Allow, "{text} {kinds:?}");
    }

    #[test]
    fn every_rule_has_a_name_that_events_can_carry() {
        for rule in &RULES {
            assert_eq!(rule_name(rule.name).as_str(), rule.name);
        }
        assert_eq!(rule_name(rules::person::NAME).as_str(), "person");
    }

    #[test]
    fn a_cell_behind_a_number_is_a_number_of_its_own() {
        assert_eq!(masked("42,090-1234-5678"), "42,090-1234-****");
        blocks("x,42,5555555555554444,2027", SpanKind::Card);
        blocks("42,123456789018,0", SpanKind::MyNumber);
    }

    #[test]
    fn cutting_takes_only_what_must_not_be_kept() {
        let (text, counts) =
            masker().cut("山田さんのカードは 5555-5555-5555-4444、パスワードは「Xk29!pqLm」");
        assert_eq!(
            text,
            "山田さんのカードは [CUT:CARD]、パスワードは「[CUT:SECRET]」"
        );
        let counts: Vec<_> = counts.iter().map(|c| (c.rule.as_str(), c.count)).collect();
        assert_eq!(counts, [("card", 1), ("secret", 1)]);
        assert_eq!(masker().cut(&text).0, text);
    }

    #[test]
    fn what_a_mask_lets_be_found_takes_the_mask_in() {
        // 熊本県 makes the seven digits before it a postal code; Y. makes a word a password.
        let found = masker().text("41#4444444,423-0142\n熊本県");
        assert_eq!(found.masked, masked(&found.masked));
        blocks("password=huntkoajo2,山田様44u", SpanKind::Secret);
    }

    #[test]
    fn the_officers_own_words_block() {
        let policy = Policy {
            insider_keywords: vec!["プロジェクト雷鳥".into()],
            ..Policy::default()
        };
        let masker = Masker::new(policy, TagKey::new([1; 32])).expect("sound");
        assert_eq!(
            masker.text("プロジェクト雷鳥の進捗").verdict,
            Verdict::Block
        );
        assert_eq!(
            super::tests::masker()
                .text("プロジェクト雷鳥の進捗")
                .verdict,
            Verdict::Allow
        );
    }
}
