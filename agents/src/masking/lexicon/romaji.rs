//! Romanisation: Hepburn of a reading, and one canonical spelling for the many in use.

pub fn of_kana_char(c: char) -> Option<&'static str> {
    Some(match c {
        'ア' | 'ァ' => "a",
        'イ' | 'ィ' => "i",
        'ウ' | 'ゥ' => "u",
        'エ' | 'ェ' => "e",
        'オ' | 'ォ' => "o",
        'カ' => "ka",
        'キ' => "ki",
        'ク' => "ku",
        'ケ' => "ke",
        'コ' => "ko",
        'ガ' => "ga",
        'ギ' => "gi",
        'グ' => "gu",
        'ゲ' => "ge",
        'ゴ' => "go",
        'サ' => "sa",
        'シ' => "shi",
        'ス' => "su",
        'セ' => "se",
        'ソ' => "so",
        'ザ' => "za",
        'ジ' => "ji",
        'ズ' => "zu",
        'ゼ' => "ze",
        'ゾ' => "zo",
        'タ' => "ta",
        'チ' => "chi",
        'ツ' => "tsu",
        'テ' => "te",
        'ト' => "to",
        'ダ' => "da",
        'ヂ' => "ji",
        'ヅ' => "zu",
        'デ' => "de",
        'ド' => "do",
        'ナ' => "na",
        'ニ' => "ni",
        'ヌ' => "nu",
        'ネ' => "ne",
        'ノ' => "no",
        'ハ' => "ha",
        'ヒ' => "hi",
        'フ' => "fu",
        'ヘ' => "he",
        'ホ' => "ho",
        'バ' => "ba",
        'ビ' => "bi",
        'ブ' => "bu",
        'ベ' => "be",
        'ボ' => "bo",
        'パ' => "pa",
        'ピ' => "pi",
        'プ' => "pu",
        'ペ' => "pe",
        'ポ' => "po",
        'マ' => "ma",
        'ミ' => "mi",
        'ム' => "mu",
        'メ' => "me",
        'モ' => "mo",
        'ヤ' => "ya",
        'ユ' => "yu",
        'ヨ' => "yo",
        'ラ' => "ra",
        'リ' => "ri",
        'ル' => "ru",
        'レ' => "re",
        'ロ' => "ro",
        'ワ' => "wa",
        'ヰ' => "i",
        'ヱ' => "e",
        'ヲ' => "o",
        'ン' => "n",
        'ヴ' => "v",
        _ => return None,
    })
}

/// Canonical spelling of a katakana reading.
pub fn of_kana(kana: &str) -> String {
    let mut out = String::new();
    let mut double = false;
    for c in kana.chars() {
        match c {
            'ー' => continue,
            'ッ' => {
                double = true;
                continue;
            }
            'ャ' | 'ュ' | 'ョ' => {
                if out.ends_with('i') {
                    out.pop();
                }
                // shi + ya = sha, chi + ya = cha, ji + ya = ja: without the y.
                if !(out.ends_with("sh") || out.ends_with("ch") || out.ends_with('j')) {
                    out.push('y');
                }
                out.push(match c {
                    'ャ' => 'a',
                    'ュ' => 'u',
                    _ => 'o',
                });
            }
            _ => {
                let Some(syllable) = of_kana_char(c) else {
                    continue;
                };
                if std::mem::take(&mut double) {
                    out.extend(syllable.chars().next());
                }
                out.push_str(syllable);
            }
        }
    }
    canonical(&out)
}

/// One spelling for `Satou`, `Satoh`, `Sato`, `Sitiro`, `Shichiro`, `Jumbo`, `Jun'ichi`.
pub fn canonical(lower: &str) -> String {
    let mut text: String = lower.chars().filter(char::is_ascii_lowercase).collect();
    let mut pairs = pairs(&text);
    for (from, to) in VARIANTS {
        if pairs & pair(from.as_bytes()) != 0 && text.contains(from) {
            text = text.replace(from, to);
            pairs = self::pairs(&text);
        }
    }
    // `oh` is a long o unless a vowel follows (Ohara is o + hara either way).
    let mut at = 0;
    while let Some(long) = text[at..].find("oh").map(|found| at + found + 1) {
        let vowel_next = text[long + 1..].starts_with(['a', 'i', 'u', 'e', 'o', 'y']);
        if !vowel_next {
            text.remove(long);
        }
        at = long;
    }
    text
}

/// Whether the canonical spelling of a word can be that of a reading: cheaper to say than it is.
pub fn may_be_reading(lower: &str) -> bool {
    let letters = || lower.bytes().filter(u8::is_ascii_lowercase);
    // No spelling is replaced by one that ends otherwise, nor takes these letters away.
    letters()
        .next_back()
        .is_some_and(|last| b"aiueonhv".contains(&last))
        && !letters().any(|letter| matches!(letter, b'l' | b'q' | b'x'))
}

/// Spellings of one sound, and the one that is kept; replaced in this order.
const VARIANTS: [(&str, &str); 24] = [
    ("sha", "sya"),
    ("shu", "syu"),
    ("sho", "syo"),
    ("shi", "si"),
    ("tch", "cch"),
    ("cha", "tya"),
    ("chu", "tyu"),
    ("cho", "tyo"),
    ("chi", "ti"),
    ("tsu", "tu"),
    ("fu", "hu"),
    ("jya", "zya"),
    ("jyu", "zyu"),
    ("jyo", "zyo"),
    ("ja", "zya"),
    ("ju", "zyu"),
    ("jo", "zyo"),
    ("ji", "zi"),
    ("mb", "nb"),
    ("mp", "np"),
    ("mm", "nm"),
    ("ou", "o"),
    ("oo", "o"),
    ("uu", "u"),
];

/// Which of the pairs of letters that [`VARIANTS`] begin with a word holds, a bit each: most hold none.
fn pairs(word: &str) -> u32 {
    let pairs = word.as_bytes().windows(2).map(pair);
    pairs.fold(0, |all, pair| all | pair)
}

fn pair(letters: &[u8]) -> u32 {
    match letters {
        [b's', b'h', ..] => 1,
        [b't', b'c', ..] => 1 << 1,
        [b'c', b'h', ..] => 1 << 2,
        [b't', b's', ..] => 1 << 3,
        [b'f', b'u', ..] => 1 << 4,
        [b'j', b'y' | b'a' | b'u' | b'o' | b'i', ..] => 1 << 5,
        [b'm', b'b' | b'p' | b'm', ..] => 1 << 6,
        [b'o', b'u' | b'o', ..] => 1 << 7,
        [b'u', b'u', ..] => 1 << 8,
        _ => 0,
    }
}

/// Can be read as Japanese syllables.
pub fn is_plausible(lower: &str) -> bool {
    let text = canonical(lower);
    let bytes = text.as_bytes();
    let vowel = |b: u8| b"aiueo".contains(&b);
    let mut i = 0;
    while i < bytes.len() {
        let b = bytes[i];
        let syllabic = b == b'n' && bytes.get(i + 1).is_none_or(|n| !vowel(*n) && *n != b'y');
        let doubled = bytes.get(i + 1) == Some(&b) && b"kstp".contains(&b);
        if vowel(b) || syllabic || doubled {
            i += 1;
        } else {
            if !b"kgsztdnhbpmyrw".contains(&b) {
                return false;
            }
            i += 1;
            if bytes.get(i) == Some(&b'y') {
                i += 1;
            }
            if !bytes.get(i).copied().is_some_and(vowel) {
                return false;
            }
            i += 1;
        }
    }
    bytes.len() >= 3
}
