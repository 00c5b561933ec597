//! Names in Latin letters: Taro Yamada, YAMADA Taro, Yamada-san, Hi Taro.

use super::super::sought::Sought;
use super::super::spelt;
use super::shape::{Name, Part};
use super::{Names, Scene};
use crate::masking::chars::one_of;
use crate::masking::lexicon::{PREFECTURES_LATIN, is_english, lexicon, romaji};
use crate::masking::normal::View;
use regex_automata::Input;
use regex_automata::meta::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Words after or before which one name stands alone.
pub(in crate::masking::rules) static BEFORE: Sought = Sought::new(|| {
    r"(?:(?i:\b(?:hi|hello|hey|dear|thanks|thank you|thx|cheers|yours|signed|notary|witness|guarantor|attended by|reported by|welcome|congrats|congratulations|cheers|regards|best|sincerely|ask|asked|tell|told|met|cc|attn|ping|mr|ms|mrs|miss|dr|prof|name is|i am|i'm|my name is|by))[,.:]?(?: (?:Mr|Ms|Mrs|Miss|Dr|Prof)\.?)?(?: \n?|\n)|@|\b(?:TODO|FIXME|HACK|NOTE|XXX)\()([A-Z][a-z]{1,15}|[A-Z]{2,12})\b".into()
});
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&spelt(&format!(
        r"\b([A-Za-z][a-z]{{1,15}}|[A-Z]{{2,12}}){CALLS}"
    )))
    .expect("patterns are constants and tested")
});
/// How somebody is called, behind the name.
pub(in crate::masking::rules) static CALLED: Sought = Sought::new(|| CALLS.into());
const CALLS: &str = r"[- ](?i:san|sama|kun|chan|sensei|senpai|shi)\b";
/// What people do and places do not, behind the name.
pub(in crate::masking::rules) static ACTS: Sought = Sought::new(|| {
    r" (?:has (?:concerns|asked|agreed|approved|confirmed|already|not yet)|said|says|asked|mentioned|replied|agreed|approved|told|thinks|wants|promised|confirmed|called|wrote|will (?:visit|join|attend|send|call|follow|handle|reply|be (?:out|away|late))|is (?:on leave|away|out of|sick|off|late|responsible|in charge)|and I)\b".into()
});
static HONORED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&spelt(r"\b([A-Z][a-z]{1,15}|[A-Z]{2,12})(?: ([A-Z][a-z]{1,15}|[A-Z]{2,12}))? ?(?:様|さん|氏|くん|ちゃん|先生|殿|部長|課長|社長|さま)"))
    .expect("patterns are constants and tested")
});

/// Letters of a word that can be one of a pair.
const LONGEST_WORD: usize = 21;

pub(super) fn find(scene: &Scene, names: &mut Names) {
    pairs(scene, names);
    for hit in BEFORE.captures_iter(scene.view) {
        if let Some(word) = hit.get(1) {
            beside_words(scene, names, hit.whole, word, false);
        }
    }
    called(scene, names);
    for hit in ACTS.find_iter(scene.view) {
        if let Some(word) = capitalised(scene.view, hit.start) {
            beside_words(scene, names, word.start..hit.end, word, false);
        }
    }
    bare(scene, names);
    honored(scene, names);
}

/// Two capitalised words side by side: Yamada Taro, Yamada, Taro, with an initial between them.
fn pairs(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let chars = &view.chars;
    let inside = |c: &char| c.is_ascii_alphabetic() || matches!(c, '\'' | '’' | '-');
    let mut from = 0;
    for gap in 1..chars.len().saturating_sub(1) {
        if !matches!(chars[gap], ' ' | '\n') || !chars[gap + 1].is_ascii_uppercase() {
            continue;
        }
        let comma = chars[gap] == ' ' && chars[gap - 1] == ',';
        let first_end = gap - usize::from(comma);
        // From the first capital within reach on.
        let behind = chars[from.min(first_end)..first_end].iter().rev();
        let reach = behind.take(LONGEST_WORD).take_while(|c| inside(c)).count();
        let word = &chars[first_end - reach..first_end];
        let Some(capital) = word.iter().position(char::is_ascii_uppercase) else {
            continue;
        };
        let start = first_end - reach + capital;
        let initial = matches!(chars.get(gap + 2..), Some(['.', ' ', ..]));
        let second = gap + 1 + 3 * usize::from(initial);
        let rest = chars.get(second..).unwrap_or_default().iter();
        let length = rest.take(LONGEST_WORD).take_while(|c| inside(c)).count();
        let capital = chars.get(second).is_some_and(char::is_ascii_uppercase);
        if first_end - start < 2 || length < 2 || !capital {
            continue;
        }
        let end = second + length;
        let stands = edges(view, start, end);
        let (one, other) = (view.slice(start, first_end), view.slice(second, end));
        if stands && is_pair(one, other, comma) && scene.is_open(start, end) {
            names.add(two(view, start, first_end, second, end));
            from = end;
        } else {
            from = second;
        }
    }
}

/// Yamada-san, Taro Yamada sama: the letters, spaces and hyphens around how somebody is called.
fn called(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let bytes = view.text.as_bytes();
    let inside = |b: &&u8| b.is_ascii_alphabetic() || matches!(b, b' ' | b'-');
    let mut look = |run: Range<usize>| {
        for hit in AFTER.captures_iter(Input::new(&view.text).range(run)) {
            if let (Some(whole), Some(word)) = (hit.get_match(), hit.get_group(1)) {
                beside_words(scene, names, whole.range(), word.range(), true);
            }
        }
    };
    if view.folds() {
        return look(0..bytes.len());
    }
    let mut done = 0;
    for &at in CALLED.begins(view) {
        let at = at as usize;
        if at >= done {
            let start = at - bytes[done..at].iter().rev().take_while(inside).count();
            done = at + bytes[at..].iter().take_while(inside).count();
            look(start..done);
        }
    }
}

/// The word of a capital and two to fifteen small letters that ends at byte `end`.
fn capitalised(view: &View, end: usize) -> Option<Range<usize>> {
    let bytes = &view.text.as_bytes()[..end];
    let small = bytes.iter().rev().take_while(|b| b.is_ascii_lowercase());
    let start = end.checked_sub(small.count() + 1)?;
    let joined = start
        .checked_sub(1)
        .is_some_and(|at| bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_');
    let fits = (3..=16).contains(&(end - start)) && bytes[start].is_ascii_uppercase();
    (fits && !joined).then_some(start..end)
}

/// Taro様, Taro Yamada さん.
fn honored(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for wide in view.wide_runs() {
        // No two words with a space on either side reach further.
        const REACH: usize = 40;
        let before = view.chars[..wide.start].iter().rev();
        let latin = |c: &&char| c.is_ascii_alphabetic() || **c == ' ';
        let reach = before.take(REACH).take_while(latin).count();
        if reach < 2 || !one_of!("様さ氏くち先殿部課社", view.chars[wide.start]) {
            continue;
        }
        let range = view.byte_of(wide.start - reach)..view.byte_of(wide.start + 4);
        let text = Input::new(&view.text).range(range);
        let Some(hit) = HONORED.captures_iter(text).next() else {
            continue;
        };
        let Some(first) = hit.get_group(1) else {
            continue;
        };
        let (start, gap) = (view.at_byte(first.start), view.at_byte(first.end));
        let word = &view.text[first.range()];
        match hit.get_group(2) {
            Some(second) if scene.is_open(start, view.at_byte(second.end)) => {
                let (second, end) = (view.at_byte(second.start), view.at_byte(second.end));
                names.add(two(view, start, gap, second, end));
            }
            None if scene.is_open(start, gap) && (is_known(word) || is_japanese(word)) => {
                names.add(one(view, start, gap))
            }
            _ => {}
        }
    }
}

/// A name beside words, bytes of the text, that only a name stands before or after.
fn beside_words(
    scene: &Scene,
    names: &mut Names,
    whole: Range<usize>,
    word: Range<usize>,
    called: bool,
) {
    let view = scene.view;
    let (start, end) = (view.at_byte(word.start), view.at_byte(word.end));
    let (whole, word) = (&view.text[whole], &view.text[word]);
    // A greeting or -san vouches for what only sounds like a name.
    let greeting = !whole.starts_with(['@', 'T', 'F', 'N', 'X']) && word.len() >= 4;
    let honored = called || greeting;
    // `@Name 日本語`: a mention in a chat; decorators of code are followed by code.
    let at = whole.starts_with('@');
    let mention =
        at && view.get(end) == Some(' ') && view.get(end + 1).is_some_and(|c| !c.is_ascii());
    let decorator = at
        && !mention
        && (view.get(end) == Some('(') || word.bytes().all(|b| b.is_ascii_uppercase()));
    let capital = word.starts_with(|c: char| c.is_ascii_uppercase());
    let known = mention || is_known(word) && !decorator || honored && capital && is_japanese(word);
    if known && edges(view, start, end) && scene.is_open(start, end) {
        names.add(one(view, start, end));
    }
}

/// Please ask Norina or Kitagawa about it: a known name in a sentence, neither place nor brand.
fn bare(scene: &Scene, names: &mut Names) {
    const SHORTEST_BARE: usize = 4;
    const LONGEST_BARE: usize = 15;
    const BRANDS: &str = "toyota honda suzuki mazda yamaha kawasaki matsuda toshiba hitachi fujitsu nikon shimano bandai nissan mitsubishi kirin asahi daikin nomura mitsui sumitomo yasuda";
    let view = scene.view;
    let chars = &view.chars;
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut ends = 0;
    for start in 0..chars.len() {
        if !chars[start].is_ascii_uppercase() || joins(view.before(start)) {
            continue;
        }
        let small = chars[start + 1..].iter().take(LONGEST_BARE);
        let end = start + 1 + small.take_while(|c| c.is_ascii_lowercase()).count();
        if end < start + SHORTEST_BARE || joins(view.get(end)) {
            continue;
        }
        let word = view.slice(start, end);
        // Beside another capitalised word it is a part of that name: Suzuki Motor, Hotel Kitano.
        let beside = ends + 1 == start && ends > 0
            || view.get(end) == Some(' ')
                && view.get(end + 1).is_some_and(|c| c.is_ascii_uppercase());
        ends = end;
        let sentence = view.before(start).is_none_or(|c| one_of!(" \n(", c))
            && view.get(end).is_none_or(|c| one_of!(" ,.\n)?!':;", c))
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
        if sentence
            && !beside
            && lexicon().readings(word) != (false, false)
            && romaji::is_plausible(&lower)
            && !lexicon().is_place_romaji(&lower)
            && !is_place(word)
            && !BRANDS.split(' ').any(|brand| brand == lower)
            && !is_somewhere(view, start, end)
            && scene.is_open(start, end)
        {
            names.add(one(view, start, end));
        }
    }
}

/// Kawasaki warehouse, near Arashiyama: what stands beside it makes it a place.
fn is_somewhere(view: &View, start: usize, end: usize) -> bool {
    const SITES: &str = " warehouse depot store shop branch station plant factory office hotel line river castle park port airport street area region site center centre university hospital school ";
    const NEAR: [&str; 6] = [
        " in ",
        " near ",
        " via ",
        " around ",
        " visit ",
        " walked to ",
    ];
    let rest = view.slice(end, (end + 12).min(view.len()));
    let word = rest.strip_prefix(' ').unwrap_or_default();
    let word = word.split(|c: char| !c.is_ascii_lowercase()).next();
    let site = word.is_some_and(|w| w.len() > 2 && SITES.contains(&format!(" {w} ")));
    let ahead = view.slice(start.saturating_sub(11), start);
    site || NEAR.iter().any(|near| ahead.ends_with(near))
}

/// 、Kazuhitoにも: a Latin word in a Japanese sentence that something is said of, told or asked.
fn spoken_of(view: &View, start: usize, end: usize) -> bool {
    let apart = |c: char| !c.is_ascii() || matches!(c, ' ' | '\n' | '"' | ',' | '(');
    view.before(start).is_none_or(apart)
        && view.get(end).is_some_and(|c| one_of!("がはもとに", c))
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
        let sound = is_pair(first, second, comma) && (capital(second) || is_known(second))
            || firm && known && capital(first) && capital(second);
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
        && (lexicon.readings(word) != (false, false)
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
    let (one, other) = (lexicon.readings(first), lexicon.readings(second));
    let given = |w: &str, (_, given): (bool, bool)| given || lexicon.is_foreign_given(w);
    let surname = |w: &str, (surname, _): (bool, bool)| surname || lexicon.is_foreign_surname(w);
    if comma {
        return surname(first, one) && given(second, other);
    }
    if (given(first, one) && surname(second, other))
        || (surname(first, one) && given(second, other))
    {
        return true;
    }
    // One known and one that only sounds Japanese: YAMADA Tomoharu, Kana Uemori.
    let sounds = |w: &str| w.len() >= 4 && is_japanese(w) && !is_place(w);
    // Makika Nirekizawa: no list has either, but both sound like nothing else.
    if sounds(first) && sounds(second) && first.len() + second.len() >= 12 {
        return true;
    }
    (one.0 && sounds(second) && first.chars().all(|c| c.is_ascii_uppercase()))
        || (one.1 && first.len() >= 4 && sounds(second))
        || (other.0 && sounds(first))
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
