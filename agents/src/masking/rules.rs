//! The rules, in the order in which they look. To add one: a file here, a line in [`RULES`], texts
//! for it in `tests/rules.txt`; `rule_set.rs` says when it is another set of rules.

pub(super) mod address;
pub(super) mod bank;
pub(super) mod card;
pub(super) mod customer_list;
pub(super) mod email;
pub(super) mod insider;
pub(super) mod my_number;
pub(super) mod person;
pub(super) mod phone;
pub(super) mod secret;
pub(super) mod sought;

use super::normal::View;
use super::policy::Policy;
use super::silence::Words;
use super::{Evidence, SpanKind, tags};
use regex::Regex;

/// One thing that a rule found in a view, at characters `start..end` of it.
pub(super) struct Find {
    pub start: usize,
    pub end: usize,
    pub kind: SpanKind,
    pub rule: &'static str,
    pub evidence: Evidence,
    pub replacement: String,
    /// The value in its normal form: the same value gives the same tag, however it was written.
    pub value: String,
}

/// What a rule may ask besides the text.
pub(super) struct Asked<'p> {
    pub policy: &'p Policy,
    /// The operator's words, and then those of each period of silence.
    pub words: &'p [Words],
    /// Places of the periods that hold.
    pub silent: &'p [usize],
}

pub(super) struct Rule {
    /// The name that events carry; never renamed, or old events stop telling what happened.
    pub name: &'static str,
    pub kind: SpanKind,
    pub find: fn(&View, &Asked, &mut Vec<Find>),
}

pub(super) const RULES: [Rule; 8] = [
    Rule {
        name: secret::NAME,
        kind: SpanKind::Secret,
        find: secret::find,
    },
    Rule {
        name: my_number::NAME,
        kind: SpanKind::MyNumber,
        find: my_number::find,
    },
    Rule {
        name: card::NAME,
        kind: SpanKind::Card,
        find: card::find,
    },
    Rule {
        name: bank::NAME,
        kind: SpanKind::Bank,
        find: bank::find,
    },
    Rule {
        name: insider::NAME,
        kind: SpanKind::Insider,
        find: insider::find,
    },
    Rule {
        name: email::NAME,
        kind: SpanKind::Email,
        find: email::find,
    },
    Rule {
        name: phone::NAME,
        kind: SpanKind::Phone,
        find: phone::find,
    },
    Rule {
        name: address::NAME,
        kind: SpanKind::Address,
        find: address::find,
    },
];
// Names come after these and see what they found: `person::find` is called by the pipeline. So is
// `customer_list`, which looks at what all of them found in all documents of a payload.

/// What stands in the place of a prohibited value in everything that is stored.
pub(super) fn cut(kind: SpanKind) -> String {
    format!("[CUT:{}]", kind.word())
}

/// A prohibited value.
pub(super) fn blocked(
    view: &View,
    start: usize,
    end: usize,
    kind: SpanKind,
    rule: &'static str,
    evidence: Evidence,
) -> Find {
    let value = tags::squeeze(view.slice(start, end));
    Find {
        start,
        end,
        kind,
        rule,
        evidence,
        replacement: cut(kind),
        value,
    }
}

/// A pattern that is part of the program: that it compiles is a test's business, not an operator's.
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(&spelt(text)).expect("patterns are constants and tested")
}

fn spelt(pattern: &str) -> String {
    // An edge of a word is one of Latin letters: 山 and A are both letters, and Aさん has an edge inside.
    // The digits of other scripts are ASCII by now, or no number of any rule.
    // The scripts as Unicode has them, with radicals and enclosed letters, compile four times as long.
    pattern
        .replace(
            r"\p{Han}",
            "[々〇\u{3400}-\u{9FFF}\u{F900}-\u{FAFF}\u{20000}-\u{3FFFF}]",
        )
        .replace(r"\p{Hiragana}", "[ぁ-ゖゝ-ゟ]")
        .replace(r"\p{Katakana}", "[ァ-ヺヽ-ヿㇰ-ㇿ]")
        .replace(r"\b", r"(?-u:\b)")
        .replace(r"[^\d", "[^0-9")
        .replace(r"\d", "[0-9]")
}

/// Where `regex` last matches in the `reach` characters before `at`, as the distance to `at`.
pub(super) fn label_before(view: &View, at: usize, reach: usize, regex: &Regex) -> Option<usize> {
    let begin = at.saturating_sub(reach);
    let window = view.slice(begin, at);
    let last = regex.find_iter(window).last()?;
    Some(at - view.at_byte(view.byte_of(begin) + last.end()))
}

/// Where a pattern of digits and their marks matches: characters `start..end` and the text.
///
/// Eight digits or more: only where such runs are is anything read.
pub(super) fn numbers<'v>(
    view: &'v View,
    regex: &'static Regex,
) -> impl Iterator<Item = (usize, usize, &'v str)> {
    view.numbers().iter().flat_map(move |run| {
        regex.find_iter(&view.text[run.clone()]).map(move |hit| {
            let start = view.at_byte(run.start + hit.start());
            (start, view.at_byte(run.start + hit.end()), hit.as_str())
        })
    })
}

/// Digits only, in order.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Neither a longer number nor a part of a word: what may stand around a number of its own.
pub(super) fn stands_alone(view: &View, start: usize, end: usize) -> bool {
    let joins =
        |c: Option<char>| c.is_some_and(|c| super::chars::is_latin(c) || c == '_' || c == '*');
    // Not a comma: no number of any rule is a group of thousands, and a row's cell ends so.
    let mark = |c: Option<char>| c.is_some_and(|c| matches!(c, '-' | '.'));
    let next = |at: usize| view.get(at + 1);
    let before = view.before(start);
    let after = view.get(end);
    !(joins(before)
        || joins(after)
        || (mark(before) && joins(view.before(start.saturating_sub(1))))
        || (after.is_some_and(|c| matches!(c, '-' | '.'))
            && next(end).is_some_and(|c| c.is_ascii_alphanumeric() || c == '*'))
        || (after == Some(' ') && next(end) == Some('*')))
}
