//! Periods of silence before a disclosure: for so long a text that holds one of the period's
//! words does not leave, whatever stands beside the word.
//!
//! A period is made of whole days in Japan (UTC+9), where the exchange that it is about is, its
//! first and its last among them: what is disclosed on the last day is public everywhere on the
//! next.

use super::policy::PolicyError;
use super::rules::insider;
use super::{Evidence, normal};
use chrono::NaiveDate;
use regex::{Regex, RegexBuilder};
use schemas::{Name, Timestamp};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Japan has one offset, and no summer time.
const JST_MICROS: i64 = 9 * 3_600 * 1_000_000;

/// A period of silence, as `[[masking.silence]]` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Stands in the log where a text was blocked, so it tells nothing that is silent.
    pub name: Name,
    /// Its first day; without one it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// Its last day, the one of the disclosure.
    pub until: Day,
    pub keywords: Vec<String>,
}

impl Silence {
    fn holds(&self, now: Timestamp) -> bool {
        let today = Day::of(now);
        self.from.is_none_or(|from| from <= today) && today <= self.until
    }

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let name = || self.name.as_str().to_owned();
        if self.keywords.is_empty() {
            return Err(PolicyError::SilentOnNothing { name: name() });
        }
        if self.from.is_some_and(|from| from > self.until) {
            return Err(PolicyError::EndsBeforeItBegins { name: name() });
        }
        match rule(&self.name).parse::<Name>() {
            Ok(_) => Ok(()),
            Err(_) => Err(PolicyError::SilenceNameTooLong { name: name() }),
        }
    }
}

/// A day in Japan, written `2026-11-13`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    fn of(now: Timestamp) -> Day {
        let there = Timestamp::from_micros(now.micros().saturating_add(JST_MICROS));
        Day(there.to_chrono().date_naive())
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        let text = String::deserialize(deserializer)?;
        let form = "a day is written in quotation marks, as \"2026-11-13\"";
        match text.parse() {
            // One day has one text: the policy's digest is over it.
            Ok(day) if Day(day).0.to_string() == text => Ok(Day(day)),
            _ => Err(Error::custom(form)),
        }
    }
}

/// Words that block wherever they stand: the operator's own list, or those of a period.
pub(super) struct Words {
    pub rule: &'static str,
    pub evidence: Evidence,
    pub regex: Regex,
}

impl Words {
    pub fn of_the_operator(keywords: &[String]) -> Result<Words, PolicyError> {
        Ok(Words {
            rule: insider::NAME,
            evidence: Evidence::of("word of the operator's list"),
            regex: any_of(keywords)?,
        })
    }

    pub fn of(silence: &Silence) -> Result<Words, PolicyError> {
        Ok(Words {
            rule: interned(rule(&silence.name)),
            evidence: Evidence::of("period of silence")
                .with(interned(silence.name.as_str().to_owned())),
            regex: any_of(&silence.keywords)?,
        })
    }
}

/// Places of the periods that hold now.
pub(super) fn holding(silences: &[Silence], now: Timestamp) -> Vec<usize> {
    let all = silences.iter().enumerate();
    all.filter(|(_, silence)| silence.holds(now))
        .map(|(place, _)| place)
        .collect()
}

/// What a period's finds are counted as, beside the rule's own name before the point.
fn rule(name: &Name) -> String {
    format!("{}.{}", insider::NAME, name.as_str())
}

/// Any of these words as the rules see a text: in any width and case.
fn any_of(keywords: &[String]) -> Result<Regex, PolicyError> {
    let spelled = |word: &String| {
        let chars: Vec<char> = word.trim().chars().collect();
        regex::escape(normal::spelled(&chars).trim())
    };
    // Longer ones first: of two that begin alike the first would hide the other.
    let mut words: Vec<String> = keywords.iter().map(spelled).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let built = RegexBuilder::new(&words.join("|"))
        .case_insensitive(true)
        .build();
    built.map_err(|_| PolicyError::TooManyWords)
}

/// A rule's name is a word of the program. That of a period, which is the operator's, becomes
/// one once in a process: each as long as a name, and as many as were ever adopted.
fn interned(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use crate::masking::body::Dialect;
    use crate::masking::{Masker, Policy, TagKey, Verdict};

    /// As `daicho.toml` has it, from a `[masking]` of its own.
    fn policy(silence: &str) -> Result<Policy, toml::de::Error> {
        toml::from_str(&format!("[[silence]]\n{silence}"))
    }

    fn masker() -> Masker {
        let silence = "name = 'q3'\nfrom = '2026-10-01'\nuntil = '2026-11-13'\nkeywords = ['中間決算', 'Falcon']";
        Masker::new(policy(silence).expect("sound"), TagKey::new([1; 32])).expect("sound")
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    /// The moments around both ends, in Japan's days, and whether they are silent.
    const MOMENTS: [(&str, bool); 5] = [
        ("2026-09-30T14:59:59.999999Z", false),
        ("2026-09-30T15:00:00.000000Z", true),
        ("2026-11-01T00:00:00.000000Z", true),
        ("2026-11-13T14:59:59.999999Z", true),
        ("2026-11-13T15:00:00.000000Z", false),
    ];

    #[test]
    fn its_words_block_from_its_first_day_to_its_last_and_no_longer() {
        let masker = masker();
        for (moment, silent) in MOMENTS {
            for text in ["中間決算の資料を要約して", "about ｆａｌｃｏｎ's plan"]
            {
                let found = masker.at(time(moment)).text(text);
                assert_eq!(found.verdict == Verdict::Block, silent, "{moment} {text}");
            }
            // No word of a longer word, and what is always inside information stays so.
            let falcons = masker.at(time(moment)).text("falconry and falcon2");
            assert_eq!(falcons.spans.len(), usize::from(silent));
            let secret = "未公表ですが、当社は来月に株式分割を行います。";
            assert_eq!(masker.at(time(moment)).text(secret).verdict, Verdict::Block);
        }
        // Who does not say when it is, is told nothing that may be silent.
        assert_eq!(masker.text("中間決算").verdict, Verdict::Block);
    }

    #[test]
    fn a_find_names_the_period_and_counts_for_the_rule() {
        let found = masker().at(time(MOMENTS[2].0)).text("中間決算です");
        assert_eq!(found.spans[0].rule, "insider.q3");
        assert_eq!(
            found.spans[0].evidence.to_string(),
            "period of silence + q3"
        );
        let counts: Vec<_> = found.blocks.iter().map(|b| b.rule.as_str()).collect();
        assert_eq!(counts, ["insider", "insider.q3"]);
    }

    #[test]
    fn what_was_remembered_on_one_day_is_not_said_on_another() {
        let masker = masker();
        let body = r#"{"messages":[{"role":"user","content":"中間決算の資料"},
            {"role":"user","content":[{"type":"document","source":{"type":"base64","data":"5Lit6ZaT5rG6566X"}}]}]}"#;
        let body = Capture::new(body.as_bytes().to_vec());
        let leaves = |moment: &str| {
            let masker = masker.at(time(moment));
            let masked = masker.body(&body, Dialect::Anthropic).expect("sound");
            masked.payload.is_some()
        };
        for (moment, silent) in MOMENTS.into_iter().chain(MOMENTS) {
            assert_eq!(leaves(moment), !silent, "{moment}");
        }
        // One policy throughout: a session that began under it goes on under it.
        let [before, within] = [0, 2].map(|n| masker.at(time(MOMENTS[n].0)).policy());
        assert_eq!(before, within);
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for unsound in [
            "name = 'q3'\nkeywords = ['決算']",
            "name = 'q3'\nuntil = '2026-11-13'",
            "name = 'q3'\nuntil = '2026-11-31'\nkeywords = ['決算']",
            "name = 'q3'\nuntil = '2026-11-3'\nkeywords = ['決算']",
            "name = '決算'\nuntil = '2026-11-13'\nkeywords = ['決算']",
            "name = 'q3'\nuntil = '2026-11-13'\nkeywords = ['決算']\ntill = '2026-11-14'",
        ] {
            assert!(policy(unsound).is_err(), "{unsound}");
        }
        let faults = [
            "name = 'q3'\nuntil = '2026-11-13'\nkeywords = []",
            "name = 'q3'\nuntil = '2026-11-13'\nkeywords = ['決']",
            "name = 'q3'\nuntil = '2026-11-13'\nkeywords = ['決算', '\u{200b}\u{200b}\u{200b}']",
            "name = 'q3'\nfrom = '2026-11-14'\nuntil = '2026-11-13'\nkeywords = ['決算']",
        ]
        .map(|text| policy(text).expect("it can be read").check().err());
        let name = || "q3".to_owned();
        assert_eq!(
            faults,
            [
                Some(PolicyError::SilentOnNothing { name: name() }),
                Some(PolicyError::KeywordTooShort { position: 0 }),
                Some(PolicyError::KeywordTooShort { position: 1 }),
                Some(PolicyError::EndsBeforeItBegins { name: name() }),
            ]
        );
    }
}
