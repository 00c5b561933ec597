//! Names in Latin letters: Taro Yamada, YAMADA Taro, Yamada-san, Hi Taro.

use super::shape::{Name, Part};
use super::{Names, Scene};
use crate::masking::lexicon::{PREFECTURES_LATIN, is_english, lexicon, romaji};
use crate::masking::normal::View;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(r"([A-Z][A-Za-z'’-]{1,20})(,? |\n)(?:[A-Z]\. )?([A-Z][A-Za-z'’-]{1,20})")
});
/// Words after or before which one name stands alone.
static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"(?:(?i:\b(?:hi|hello|hey|dear|thanks|thank you|thx|cheers|yours|signed|notary|witness|guarantor|attended by|reported by|welcome|congrats|congratulations|cheers|regards|best|sincerely|ask|asked|tell|told|met|cc|attn|ping|mr|ms|mrs|miss|dr|prof|name is|i am|i'm|my name is|by))[,.:]?(?: (?:Mr|Ms|Mrs|Miss|Dr|Prof)\.?)?(?: \n?|\n)|@|\b(?:TODO|FIXME|HACK|NOTE|XXX)\()([A-Z][a-z]{1,15}|[A-Z]{2,12})\b",
    )
});
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"\b([A-Za-z][a-z]{1,15}|[A-Z]{2,12})(?: [A-Z][a-z]+)?(?:-| )(?i:san|sama|kun|chan|sensei|senpai|shi)\b",
    )
});
/// What people do and places do not.
static ACTS: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"\b([A-Z][a-z]{2,15}) (?:has (?:concerns|asked|agreed|approved|confirmed|already|not yet)|said|says|asked|mentioned|replied|agreed|approved|told|thinks|wants|promised|confirmed|called|wrote|will (?:visit|join|attend|send|call|follow|handle|reply|be (?:out|away|late))|is (?:on leave|away|out of|sick|off|late|responsible|in charge)|and I)\b",
    )
});
static HONORED: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"\b([A-Z][a-z]{1,15}|[A-Z]{2,12})(?: ([A-Z][a-z]{1,15}|[A-Z]{2,12}))? ?(?:様|さん|氏|くん|ちゃん|先生|殿|部長|課長|社長|さま)",
    )
});

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let runs = runs(view);
    if runs.is_empty() {
        return;
    }
    for run in &runs {
        pairs(scene, names, run);
    }
    for regex in [&*BEFORE, &*AFTER, &*ACTS] {
        for run in &runs {
            beside_words(scene, names, run, regex);
        }
    }
    bare(scene, names, &runs);
    let japanese = !view.text.is_ascii();
    for hit in HONORED.captures_iter(if japanese { &view.text } else { "" }) {
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

/// The stretches, as bytes, in which names in Latin letters and the words around them lie whole:
/// those with two letters side by side.
fn runs(view: &View) -> Vec<Range<usize>> {
    let letters = |w: &[u8]| w[0].is_ascii_alphabetic() && w[1].is_ascii_alphabetic();
    // K and S in another case among them.
    let latin = |c: &char| c.is_ascii() || matches!(c, '’' | 'ſ' | '\u{212A}');
    let mut runs = Vec::new();
    let mut at = 0;
    while at < view.len() {
        let rest = &view.chars[at..];
        let start = at + rest.iter().take_while(|c| !latin(c)).count();
        let rest = &view.chars[start..];
        at = start + rest.iter().take_while(|c| latin(c)).count();
        let run = view.byte_of(start)..view.byte_of(at);
        let bytes = &view.text.as_bytes()[run.clone()];
        runs.extend(bytes.windows(2).any(letters).then_some(run));
    }
    runs
}

fn pairs(scene: &Scene, names: &mut Names, run: &Range<usize>) {
    let view = scene.view;
    let text = &view.text[run.clone()];
    let at = |byte: usize| view.at_byte(run.start + byte);
    let mut from = 0;
    while let Some(hit) = PAIR.captures_at(text, from) {
        let (Some(first), Some(second)) = (hit.get(1), hit.get(3)) else {
            break;
        };
        let comma = hit.get(2).is_some_and(|m| m.as_str().starts_with(','));
        let (start, end) = (at(first.start()), at(second.end()));
        let stands = edges(view, start, end);
        if stands && is_pair(first.as_str(), second.as_str(), comma) && scene.is_open(start, end) {
            names.add(two(view, start, at(first.end()), at(second.start()), end));
            from = second.end();
        } else {
            from = second.start();
        }
    }
}

/// A name beside a word that only a name stands before or after.
fn beside_words(scene: &Scene, names: &mut Names, run: &Range<usize>, regex: &Regex) {
    let view = scene.view;
    let at = |byte: usize| view.at_byte(run.start + byte);
    for hit in regex.captures_iter(&view.text[run.clone()]) {
        let Some(word) = hit.get(1) else { continue };
        let (start, end) = (at(word.start()), at(word.end()));
        // A greeting or -san vouches for what only sounds like a name.
        let greeting = hit
            .get(0)
            .is_some_and(|m| !m.as_str().starts_with(['@', 'T', 'F', 'N', 'X']))
            && word.len() >= 4;
        let honored = std::ptr::eq(regex, &*AFTER) || greeting;
        // `@Name 日本語`: a mention in a chat; decorators of code are followed by code.
        let mention = hit.get(0).is_some_and(|m| m.as_str().starts_with('@'))
            && view.get(at(word.end())) == Some(' ')
            && view.get(at(word.end()) + 1).is_some_and(|c| !c.is_ascii());
        let decorator = hit.get(0).is_some_and(|m| m.as_str().starts_with('@'))
            && !mention
            && (view.get(at(word.end())) == Some('(')
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

/// Please ask Norina or Kitagawa about it: a known name in a sentence, neither place nor brand.
fn bare(scene: &Scene, names: &mut Names, runs: &[Range<usize>]) {
    const BRANDS: &str = "toyota honda suzuki mazda yamaha kawasaki matsuda toshiba hitachi fujitsu nikon shimano bandai nissan mitsubishi kirin asahi daikin nomura mitsui sumitomo yasuda";
    static WORD: LazyLock<Regex> = LazyLock::new(|| super::super::pattern(r"\b[A-Z][a-z]{3,14}\b"));
    let view = scene.view;
    let mut ends = 0;
    let words = runs.iter().flat_map(|run| {
        let hits = WORD.find_iter(&view.text[run.clone()]);
        hits.map(move |hit| (run.start, hit))
    });
    for (begin, hit) in words {
        let (start, end) = (
            view.at_byte(begin + hit.start()),
            view.at_byte(begin + hit.end()),
        );
        let word = hit.as_str();
        // Beside another capitalised word it is a part of that name: Suzuki Motor, Hotel Kitano.
        let beside = ends + 1 == start && ends > 0
            || view.get(end) == Some(' ')
                && view.get(end + 1).is_some_and(|c| c.is_ascii_uppercase());
        ends = end;
        let sentence = view.before(start).is_none_or(|c| " \n(".contains(c))
            && view.get(end).is_none_or(|c| " ,.\n)?!':;".contains(c))
            || spoken_of(view, start, end);
        let sentence = sentence
            && !(view.get(end) == Some('.')
                && view.get(end + 1).is_some_and(|c| !c.is_whitespace()));
        let lower = word.to_lowercase();
        // Four letters at the head of a sentence are as often English: Take care.
        let inner = start >= 2
            && view.before(start) == Some(' ')
            && (view.chars[start - 2].is_ascii_lowercase() || view.chars[start - 2] == ',');
        if word.len() == 4 && !inner {
            continue;
        }
        let known = lexicon().is_given_romaji(word) || lexicon().is_surname_romaji(word);
        if sentence
            && !beside
            && known
            && romaji::is_plausible(&lower)
            && !lexicon().is_place_romaji(&lower)
            && !is_place(word)
            && !BRANDS.split(' ').any(|brand| brand == lower)
            && scene.is_open(start, end)
        {
            names.add(one(view, start, end));
        }
    }
}

/// 、Kazuhitoにも: a Latin word in a Japanese sentence that something is said of, told or asked.
fn spoken_of(view: &View, start: usize, end: usize) -> bool {
    let apart = |c: char| !c.is_ascii() || matches!(c, ' ' | '\n' | '"' | ',' | '(');
    view.before(start).is_none_or(apart)
        && view.get(end).is_some_and(|c| "がはもとに".contains(c))
        && end - start >= 4
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

fn is_place(word: &str) -> bool {
    PREFECTURES_LATIN
        .iter()
        .any(|place| place.eq_ignore_ascii_case(word))
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
    let sounds = |w: &str| w.len() >= 4 && is_japanese(w) && !is_place(w);
    // Makika Nirekizawa: no list has either, but both sound like nothing else.
    if sounds(first) && sounds(second) && first.len() + second.len() >= 12 {
        return true;
    }
    (lexicon.is_surname_romaji(first)
        && sounds(second)
        && first.chars().all(|c| c.is_ascii_uppercase()))
        || (lexicon.is_given_romaji(first) && first.len() >= 4 && sounds(second))
        || (lexicon.is_surname_romaji(second) && sounds(first))
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
