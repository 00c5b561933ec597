//! Names in Latin letters: Taro Yamada, YAMADA Taro, Yamada-san, Hi Taro.

use super::shape::{Name, Part};
use super::{Names, Scene};
use crate::masking::lexicon::{is_english, lexicon, romaji};
use crate::masking::normal::View;
use regex::Regex;
use std::sync::LazyLock;

static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(r"([A-Z][A-Za-z'’-]{1,20})(,? |\n)(?:[A-Z]\. )?([A-Z][A-Za-z'’-]{1,20})")
});
/// Words after or before which one name stands alone.
static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"(?:(?i:\b(?:hi|hello|hey|dear|thanks|thank you|cheers|regards|best|sincerely|ask|asked|tell|told|met|cc|attn|ping|mr|ms|mrs|miss|dr|prof|name is|i am|i'm|my name is|by))[,.:]?(?: (?:Mr|Ms|Mrs|Miss|Dr|Prof)\.?)?(?: \n?|\n)|@|\b(?:TODO|FIXME|HACK|NOTE|XXX)\()([A-Z][a-z]{1,15}|[A-Z]{2,12})\b",
    )
});
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"\b([A-Za-z][a-z]{1,15}|[A-Z]{2,12})(?: [A-Z][a-z]+)?(?:-| )(?i:san|sama|kun|chan|sensei|senpai|shi)\b",
    )
});
static HONORED: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"\b([A-Z][a-z]{1,15}|[A-Z]{2,12})(?: ([A-Z][a-z]{1,15}|[A-Z]{2,12}))? ?(?:様|さん|氏|くん|ちゃん|先生|殿|部長|課長|社長|さま)",
    )
});

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut from = 0;
    while let Some(hit) = PAIR.captures_at(&view.text, from) {
        let (Some(first), Some(second)) = (hit.get(1), hit.get(3)) else {
            break;
        };
        let comma = hit.get(2).is_some_and(|m| m.as_str().starts_with(','));
        let (start, end) = (view.at_byte(first.start()), view.at_byte(second.end()));
        let stands = edges(view, start, end);
        if stands && is_pair(first.as_str(), second.as_str(), comma) && scene.is_open(start, end) {
            names.add(two(
                view,
                start,
                view.at_byte(first.end()),
                view.at_byte(second.start()),
                end,
            ));
            from = second.end();
        } else {
            from = second.start();
        }
    }
    for regex in [&*BEFORE, &*AFTER] {
        for hit in regex.captures_iter(&view.text) {
            let Some(word) = hit.get(1) else { continue };
            let (start, end) = (view.at_byte(word.start()), view.at_byte(word.end()));
            // A greeting or -san vouches for what only sounds like a name.
            let greeting = hit
                .get(0)
                .is_some_and(|m| m.as_str().starts_with(['H', 'D', 'h', 'd']))
                && word.len() >= 4;
            let honored = std::ptr::eq(regex, &*AFTER) || greeting;
            // `@Name 日本語`: a mention in a chat; decorators of code are followed by code.
            let mention = hit.get(0).is_some_and(|m| m.as_str().starts_with('@'))
                && view.get(view.at_byte(word.end())) == Some(' ')
                && view
                    .get(view.at_byte(word.end()) + 1)
                    .is_some_and(|c| !c.is_ascii());
            let decorator = hit.get(0).is_some_and(|m| m.as_str().starts_with('@'))
                && !mention
                && (view.get(view.at_byte(word.end())) == Some('(')
                    || word.as_str().bytes().all(|b| b.is_ascii_uppercase()));
            let capital = word.as_str().starts_with(|c: char| c.is_ascii_uppercase());
            let known = mention
                || is_known(word.as_str()) && !decorator
                || honored && capital && is_japanese(word.as_str());
            if known && edges(view, start, end) && scene.is_open(start, end) {
                names.add(one(view, start, end));
            }
        }
    }
    for hit in HONORED.captures_iter(&view.text) {
        let Some(first) = hit.get(1) else { continue };
        let (start, gap) = (view.at_byte(first.start()), view.at_byte(first.end()));
        match hit.get(2) {
            Some(second) if scene.is_open(start, view.at_byte(second.end())) => {
                names.add(two(
                    view,
                    start,
                    gap,
                    view.at_byte(second.start()),
                    view.at_byte(second.end()),
                ));
            }
            None if scene.is_open(start, gap)
                && (is_known(first.as_str()) || is_japanese(first.as_str())) =>
            {
                names.add(one(view, start, gap))
            }
            _ => {}
        }
    }
}

/// The name at `start`, where a label says that one stands.
pub(super) fn at(view: &View, start: usize, firm: bool) -> Option<Name> {
    let word = |from: usize| {
        let mut end = from;
        while view
            .get(end)
            .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '\'' | '-' | '’'))
        {
            end += 1;
        }
        (end > from + 1).then_some(end)
    };
    let first_end = word(start)?;
    let first = view.slice(start, first_end);
    let comma = view.get(first_end) == Some(',') && view.get(first_end + 1) == Some(' ');
    let second_at = first_end + 1 + usize::from(comma);
    if view.get(second_at - 1) == Some(' ')
        && let Some(second_end) = word(second_at)
        && !view
            .get(second_end)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
    {
        let second = view.slice(second_at, second_end);
        let capital = |w: &str| w.starts_with(|c: char| c.is_ascii_uppercase());
        let known = is_known(first) || is_known(second);
        let sound =
            is_pair(first, second, comma) || firm && known && capital(first) && capital(second);
        return sound.then(|| two(view, start, first_end, second_at, second_end));
    }
    let closed = !view.get(first_end).is_some_and(|c| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '.' | '/' | '(' | ':')
    });
    (closed
        && firm
        && first.len() >= 3
        && first.chars().any(|c| c.is_ascii_lowercase())
        && is_known(first)
        && first.starts_with(|c: char| c.is_ascii_uppercase()))
    .then(|| one(view, start, first_end))
}

/// Not inside an identifier, a path or a longer name.
fn edges(view: &View, start: usize, end: usize) -> bool {
    !view.before(start).is_some_and(|c| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | '\\' | '&')
    }) && !view
        .get(end)
        .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '/'))
}

fn is_known(word: &str) -> bool {
    let lexicon = lexicon();
    word.len() >= 2
        && (lexicon.is_given_romaji(word)
            || lexicon.is_surname_romaji(word)
            || lexicon.is_foreign_given(word)
            || lexicon.is_foreign_surname(word))
}

/// Sounds Japanese and is no English word.
fn is_japanese(word: &str) -> bool {
    let lower = word.to_lowercase();
    !is_english(&lower) && romaji::is_plausible(&lower)
}

fn is_pair(first: &str, second: &str, comma: bool) -> bool {
    let lexicon = lexicon();
    let given = |w: &str| lexicon.is_given_romaji(w) || lexicon.is_foreign_given(w);
    let surname = |w: &str| lexicon.is_surname_romaji(w) || lexicon.is_foreign_surname(w);
    if comma {
        return surname(first) && given(second);
    }
    if (given(first) && surname(second)) || (surname(first) && given(second)) {
        return true;
    }
    // One known and one that only sounds Japanese: YAMADA Tomoharu, Kana Uemori.
    let sounds = |w: &str| w.len() >= 4 && is_japanese(w);
    (lexicon.is_surname_romaji(first)
        && sounds(second)
        && first.chars().all(|c| c.is_ascii_uppercase()))
        || (lexicon.is_given_romaji(first) && first.len() >= 4 && sounds(second))
        || (lexicon.is_surname_romaji(second) && second.len() >= 4 && sounds(first))
}

fn one(view: &View, start: usize, end: usize) -> Name {
    Name {
        start,
        end,
        parts: vec![part(view, start, end)],
    }
}

fn two(view: &View, start: usize, gap: usize, second: usize, end: usize) -> Name {
    Name {
        start,
        end,
        parts: vec![part(view, start, gap), part(view, second, end)],
    }
}

fn part(view: &View, start: usize, end: usize) -> Part {
    let initial = view.get(start).map_or('X', |c| c.to_ascii_uppercase());
    Part {
        start,
        end,
        initial,
    }
}
