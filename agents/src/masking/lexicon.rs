//! The word lists behind names, parsed once when first asked for; `gazetteer` has those of places.
//!
//! `lexicon/build.py` writes them from public dictionaries; `lexicon/NOTICE` holds the
//! notices that accompany every copy. All keys are folded like the normalised text.

mod gazetteer;
pub(super) mod romaji;

pub(super) use gazetteer::{PREFECTURES, PREFECTURES_LATIN, gazetteer, is_prefecture};

use super::chars::{is_han, is_hiragana, is_kana, one_of};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::sync::OnceLock;

/// The longest surname of the lists, in characters.
const LONGEST_SURNAME: usize = 11;

/// What is known of a family name.
#[derive(Clone, Copy)]
pub(super) struct Surname {
    /// Katakana.
    pub reading: &'static str,
    /// Also a prefecture or a municipality: alone it is no evidence of a person.
    pub place: bool,
}

// The keys are ours: nobody outside can choose them to collide, so a fast hash will do.
pub(super) struct Lexicon {
    /// First characters of surnames → lengths of the surnames that begin so, a bit each.
    heads: FxHashMap<(char, char), u16>,
    /// The same by the first character alone, where that is one of the basic plane.
    firsts: Vec<u16>,
    surnames: FxHashMap<&'static str, Surname>,
    given: FxHashMap<&'static str, &'static str>,
    words: FxHashSet<&'static str>,
    traps: FxHashSet<&'static str>,
    surname_kana: FxHashSet<&'static str>,
    given_kana: FxHashSet<&'static str>,
    romanised: OnceLock<Romanised>,
    /// Katakana and Latin forms of names from elsewhere, with their first letter.
    foreign_given: FxHashMap<String, char>,
    foreign_surname: FxHashMap<String, char>,
    /// Chinese and Korean family names of one character, with their first letter.
    continental: FxHashMap<&'static str, char>,
    /// First letters of Chinese given names, by their first character.
    pinyin: FxHashMap<char, char>,
    votes: OnceLock<Votes>,
}

/// The usual first letter of a name that begins with a character.
struct Votes {
    given: FxHashMap<char, char>,
    surname: FxHashMap<char, char>,
}

/// The readings in Latin letters: built when a text first asks, which Japanese ones never do.
struct Romanised {
    surnames: FxHashSet<String>,
    /// Surnames that are places too.
    places: FxHashSet<String>,
    given: FxHashSet<String>,
}

/// English words that are also romanised names: capitalised at a sentence's start they prove nothing.
const ENGLISH: &str = "a age am an are ask auto bad ban bar base be can cake came care case chase come cone copy cure date \
    dear demo do doe done due each ebook edge fan fare fee file fire fit five for fuse game gate go goto had hat have he her here \
    hi home hose hot how i ice in issue it item jan june keep key kit kite last line link list logo main make man many map mar mark \
    may me media mega memo menu mine mode more most move much name near need new nice nine no node nor not note now of on one open or \
    our out page pair pan pipe phone plan rate raw read ready region remote repo rice rise role rose route run safe sake same san sari sea see \
    send sent set she ship shoe show side sign site size so some sore sue suite sun sure take tape tan ten the then there these \
    they time to token tokyo tone too top tune two type unit uni use uri user was we were when yes you your made man men mono none sun mon tue wed thu fri sat \
    kyoto osaka nagoya sapporo fukuoka kobe yokohama hiroshima chiba saitama nara sendai japan asia sales tea team toy via view van \
    data error info debug total amount order invoice customer contract status city street address sushi karate tsunami origin master \
    all everyone everybody there folks team guys friend friends colleague sensei service support hiring manager reader office note house store station hotel tower todo open some iso tokio fuji kanji kana";

pub(super) fn lexicon() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(Lexicon::parse)
}

/// Variant kanji → the usual one. Never changes what a text says, only how it is looked up.
pub(super) fn fold(c: char) -> char {
    // Of the characters that every Japanese text is full of, each has its place in a table.
    static COMMON: OnceLock<Vec<char>> = OnceLock::new();
    static RARE: OnceLock<FxHashMap<char, char>> = OnceLock::new();
    const FIRST: usize = 0x3400;
    const LAST: usize = 0x9FFF;
    if !is_han(c) {
        return c;
    }
    let pair = |line: &str| {
        let (from, to) = line.split_once('\t')?;
        Some((from.chars().next()?, to.chars().next()?))
    };
    let pairs = || {
        include_str!("lexicon/variants.tsv")
            .lines()
            .filter_map(pair)
    };
    if (FIRST..=LAST).contains(&(c as usize)) {
        let common = COMMON.get_or_init(|| {
            let all = FIRST as u32..=LAST as u32;
            let mut table: Vec<char> = all.filter_map(char::from_u32).collect();
            for (from, to) in pairs() {
                if let Some(c) = (from as usize)
                    .checked_sub(FIRST)
                    .and_then(|at| table.get_mut(at))
                {
                    *c = to;
                }
            }
            table
        });
        return common[c as usize - FIRST];
    }
    let rare = RARE.get_or_init(|| pairs().collect());
    rare.get(&c).copied().unwrap_or(c)
}

impl Lexicon {
    fn parse() -> Lexicon {
        let mut surnames = FxHashMap::with_capacity_and_hasher(12_000, Default::default());
        for line in include_str!("lexicon/surnames.tsv").lines() {
            let mut cells = line.split('\t');
            if let (Some(name), Some(reading)) = (cells.next(), cells.next()) {
                let place = cells.next().is_some();
                surnames.insert(name, Surname { reading, place });
            }
        }
        let mut given = FxHashMap::with_capacity_and_hasher(80_000, Default::default());
        given.extend(
            include_str!("lexicon/given.tsv")
                .lines()
                .filter_map(|line| line.split_once('\t')),
        );
        let mut words = FxHashSet::with_capacity_and_hasher(57_000, Default::default());
        words.extend(include_str!("lexicon/words.txt").lines());
        let (mut foreign_given, mut foreign_surname, mut continental) = (
            FxHashMap::default(),
            FxHashMap::default(),
            FxHashMap::default(),
        );
        let mut pinyin = FxHashMap::default();
        for line in include_str!("lexicon/foreign.tsv").lines() {
            let mut cells = line.split('\t');
            let (Some(kind), Some(name), Some(latin)) = (cells.next(), cells.next(), cells.next())
            else {
                continue;
            };
            let Some(initial) = latin.chars().next() else {
                continue;
            };
            let table = match kind {
                "given" => &mut foreign_given,
                "surname" => &mut foreign_surname,
                "hanzi" => {
                    pinyin.extend(name.chars().next().map(|c| (c, initial)));
                    continue;
                }
                _ => {
                    continental.entry(name).or_insert(initial);
                    continue;
                }
            };
            table.entry(name.to_string()).or_insert(initial);
            table.entry(latin.to_lowercase()).or_insert(initial);
        }
        let mut heads: FxHashMap<_, u16> = FxHashMap::default();
        for name in surnames.keys().chain(continental.keys()) {
            let mut chars = name.chars();
            if let Some(first) = chars.next() {
                let length = name.chars().count().min(LONGEST_SURNAME);
                *heads.entry((first, '\0')).or_default() |= 1 << length;
                *heads
                    .entry((first, chars.next().unwrap_or('\0')))
                    .or_default() |= 1 << length;
            }
        }
        let first = |c: u32| char::from_u32(c).and_then(|c| heads.get(&(c, '\0')));
        let firsts = (0..=u32::from(u16::MAX)).map(|c| first(c).copied().unwrap_or(0));
        let firsts = firsts.collect();
        // Many names have one reading: a table for all names would be mostly air.
        let mut surname_kana = FxHashSet::default();
        for surname in surnames.values() {
            surname_kana.insert(surname.reading);
        }
        let mut given_kana = FxHashSet::default();
        for reading in given.values() {
            given_kana.insert(*reading);
        }
        Lexicon {
            heads,
            firsts,
            romanised: OnceLock::new(),
            votes: OnceLock::new(),
            words,
            traps: include_str!("lexicon/traps.txt").lines().collect(),
            surname_kana,
            given_kana,
            surnames,
            given,
            foreign_given,
            foreign_surname,
            continental,
            pinyin,
        }
    }

    /// Lengths of the surnames, Japanese or continental, with which `chars` begin, a bit each;
    /// `text` are the same.
    pub fn surnames_at(&self, chars: &[char], text: &str) -> u16 {
        let [first, rest @ ..] = chars else { return 0 };
        let lengths = match self.firsts.get(*first as usize) {
            Some(lengths) => *lengths,
            None => self.heads.get(&(*first, '\0')).copied().unwrap_or(0),
        };
        if lengths == 0 {
            return 0;
        }
        let longer = match rest.first() {
            Some(second) => self.heads.get(&(*first, *second)).copied().unwrap_or(0) & !0b11,
            None => 0,
        };
        let mut found = 0;
        let mut end = 0;
        let lengths = lengths & 0b10 | longer;
        for (i, c) in chars.iter().take(LONGEST_SURNAME).enumerate() {
            if !(is_han(*c) || is_kana(*c)) || lengths >> (i + 1) == 0 {
                break;
            }
            end += c.len_utf8();
            let word = &text[..end];
            if lengths >> (i + 1) & 1 == 1
                && (self.surnames.contains_key(word) || self.continental.contains_key(word))
            {
                found |= 1 << (i + 1);
            }
        }
        found
    }

    pub fn surname(&self, text: &str) -> Option<Surname> {
        self.surnames.get(text).copied()
    }

    pub fn continental(&self, text: &str) -> Option<char> {
        self.continental.get(text).copied()
    }

    pub fn given(&self, text: &str) -> Option<&'static str> {
        self.given.get(text).copied()
    }

    /// A common noun or place that is nobody's given name.
    pub fn is_word(&self, text: &str) -> bool {
        self.words.contains(text)
    }

    /// A noun that looks like surname and given name.
    pub fn is_trap(&self, text: &str) -> bool {
        self.traps.contains(text)
    }

    /// `kana` in either syllabary.
    pub fn is_surname_kana(&self, kana: &str) -> bool {
        self.surname_kana.contains(&*katakana(kana))
    }

    pub fn is_given_kana(&self, kana: &str) -> bool {
        self.given_kana.contains(&*katakana(kana))
    }

    fn romanised(&self) -> &Romanised {
        self.romanised.get_or_init(|| {
            let places = self.surnames.values().filter(|s| s.place);
            Romanised {
                surnames: self
                    .surname_kana
                    .iter()
                    .map(|k| romaji::of_kana(k))
                    .collect(),
                places: places.map(|s| romaji::of_kana(s.reading)).collect(),
                given: self.given_kana.iter().map(|k| romaji::of_kana(k)).collect(),
            }
        })
    }

    fn votes(&self) -> &Votes {
        self.votes.get_or_init(|| Votes {
            given: vote(self.given.iter().map(|(name, reading)| (*name, *reading))),
            surname: vote(self.surnames.iter().map(|(name, s)| (*name, s.reading))),
        })
    }

    /// Whether a Latin word is the reading of a surname, and of a given name.
    pub fn readings(&self, word: &str) -> (bool, bool) {
        let lower = word.to_lowercase();
        if !romaji::may_be_reading(&lower) || is_english(&lower) {
            return (false, false);
        }
        let reading = romaji::canonical(&lower);
        let romanised = self.romanised();
        let surname = romanised.surnames.contains(&reading);
        (surname, romanised.given.contains(&reading))
    }

    pub fn is_surname_romaji(&self, word: &str) -> bool {
        self.readings(word).0
    }

    pub fn is_place_romaji(&self, lower: &str) -> bool {
        romaji::may_be_reading(lower) && self.romanised().places.contains(&romaji::canonical(lower))
    }

    pub fn is_given_romaji(&self, word: &str) -> bool {
        self.readings(word).1
    }

    pub fn is_foreign_given(&self, word: &str) -> bool {
        self.foreign_given.contains_key(&*lower(word))
    }

    pub fn is_foreign_surname(&self, word: &str) -> bool {
        self.foreign_surname.contains_key(&*lower(word))
    }

    /// The first letter of a name, as its reading begins; `X` when there is no reading.
    pub fn surname_initial(&self, text: &str) -> char {
        let lower = lower(text);
        self.continental(text)
            .or_else(|| self.surname(text).and_then(|s| initial(s.reading)))
            .or_else(|| self.foreign_surname.get(&*lower).copied())
            .or_else(|| self.foreign_given.get(&*lower).copied())
            .or_else(|| initial(text))
            .or_else(|| self.votes().surname.get(&text.chars().next()?).copied())
            .unwrap_or('X')
    }

    /// The first letter of the given name that follows a Chinese or Korean family name.
    pub fn continental_initial(&self, given: &str) -> char {
        given
            .chars()
            .next()
            .and_then(|c| self.pinyin.get(&c).copied())
            .unwrap_or_else(|| self.given_initial(given))
    }

    pub fn given_initial(&self, text: &str) -> char {
        let lower = lower(text);
        self.foreign_given
            .get(&*lower)
            .or_else(|| self.foreign_surname.get(&*lower))
            .copied()
            .or_else(|| self.given(text).and_then(initial))
            .or_else(|| initial(text))
            .or_else(|| self.votes().given.get(&text.chars().next()?).copied())
            .unwrap_or('X')
    }
}

/// A word in lower case; kanji and kana have none.
fn lower(word: &str) -> Cow<'_, str> {
    match word.chars().all(|c| is_han(c) || is_kana(c)) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(word.to_lowercase()),
    }
}

pub(super) fn is_english(lower: &str) -> bool {
    static WORDS: OnceLock<FxHashSet<&'static str>> = OnceLock::new();
    WORDS
        .get_or_init(|| ENGLISH.split_ascii_whitespace().collect())
        .contains(lower)
}

/// The most frequent first letter per first character.
fn vote(names: impl Iterator<Item = (&'static str, &'static str)>) -> FxHashMap<char, char> {
    let mut counts: FxHashMap<char, FxHashMap<char, u32>> = FxHashMap::default();
    for (name, reading) in names {
        if let (Some(first), Some(letter)) = (name.chars().next(), initial(reading)) {
            *counts.entry(first).or_default().entry(letter).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .filter_map(|(first, letters)| {
            // The letter breaks a tie, so that the same name has the same mask in every process.
            let best = letters.into_iter().max_by_key(|&(letter, n)| (n, letter))?;
            Some((first, best.0))
        })
        .collect()
}

/// Hepburn letter of the first kana, or the Latin letter itself.
pub(super) fn initial(reading: &str) -> Option<char> {
    let mut chars = reading.chars();
    let first = chars.next()?;
    if matches!(first, 'ウ' | 'う') && chars.next().is_some_and(|c| one_of!("ィェォぃぇぉ", c))
    {
        return Some('W');
    }
    if first.is_ascii_alphabetic() {
        return Some(first.to_ascii_uppercase());
    }
    romaji::of_kana_char(katakana_char(first))?
        .chars()
        .next()
        .map(|c| c.to_ascii_uppercase())
}

pub(super) fn katakana_char(c: char) -> char {
    match c {
        'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
        _ => c,
    }
}

pub(super) fn katakana(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hiragana) {
        Cow::Owned(text.chars().map(katakana_char).collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_give_hepburn_initials() {
        for (kanji, letter) in [
            ("山田", 'Y'),
            ("渋谷", 'S'),
            ("千葉", 'C'),
            ("藤井", 'F'),
            ("津田", 'T'),
        ] {
            assert_eq!(lexicon().surname_initial(kanji), letter);
        }
        assert_eq!(lexicon().given_initial("太郎"), 'T');
        assert_eq!(lexicon().given_initial("ジョージ"), 'G');
        assert_eq!(lexicon().given_initial("☃"), 'X');
    }

    #[test]
    fn spellings_of_one_reading_meet() {
        for (a, b) in [
            ("satou", "sato"),
            ("satoh", "sato"),
            ("shinichi", "sinichi"),
            ("jun'ichi", "junichi"),
            ("ohno", "ono"),
        ] {
            assert_eq!(romaji::canonical(a), romaji::canonical(b));
        }
        assert!(lexicon().is_surname_romaji("Yamada") && lexicon().is_given_romaji("Shinichiro"));
        assert!(!lexicon().is_given_romaji("Made"));
        assert!(!lexicon().is_given_romaji("uri"));
        let readings = lexicon().romanised();
        for reading in readings.surnames.iter().chain(&readings.given) {
            assert!(romaji::may_be_reading(reading), "{reading}");
        }
        assert!(romaji::is_plausible("kobayashi") && !romaji::is_plausible("status"));
    }
}
