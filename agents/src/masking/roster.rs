//! Lists of people that the company keeps (employees, customers): who stands on one is masked
//! wherever they stand, without any other evidence.
//!
//! A roster is a text of lines `list TAB name TAB kana TAB romaji`, the surname first in each
//! and a space behind it. It holds names: neither `Debug` nor `Serialize`.

use super::chars::{is_han, is_katakana, one_of};
use super::lexicon::{self, fold, lexicon, romaji};
use super::tags::TagKey;
use aho_corasick::{AhoCorasick, MatchKind};
use rustc_hash::FxHashMap;
use schemas::Hash;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// More are no roster of a company that runs this on one machine.
const MOST_PEOPLE: usize = 20_000;

/// The people of every list, ready to be found.
pub struct Roster {
    text: Zeroizing<String>,
    tag: Hash,
    counts: BTreeMap<String, u64>,
    people: Vec<Person>,
    full: Option<AhoCorasick>,
    /// Of each pattern: whose it is, and how long its surname is.
    full_of: Vec<(usize, usize)>,
    single: Option<AhoCorasick>,
    /// Of each pattern: the letter that stands for it.
    single_of: Vec<char>,
    /// Surname and given name in one spelling: whose they are.
    latin: FxHashMap<(String, String), usize>,
    /// Whether a word among them is not of Japanese sounds: then capitals are looked up too.
    foreign: bool,
}

/// The letters of a surname and a given name.
#[derive(Clone, Copy)]
struct Person {
    surname: char,
    given: char,
}

/// Why a text is no roster. Says where, never who.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    #[error("person {0} has no space between surname and given name")]
    OneWord(usize),
    #[error("person {0} has a surname or a given name of more than 24 characters, or an empty one")]
    WrongLength(usize),
    #[error("the reading of person {0} is not surname and given name in kana")]
    WrongKana(usize),
    #[error("the Latin spelling of person {0} is not surname and given name")]
    WrongLatin(usize),
    #[error("{0} people; at most {MOST_PEOPLE} are allowed")]
    TooMany(usize),
    #[error("the patterns of the roster are too many")]
    TooLarge,
}

/// A full name, in whichever way it is written, at characters of a text.
pub(super) struct Listed {
    pub start: usize,
    pub end: usize,
    /// Where the first word ends and the second begins.
    pub parts: [(usize, usize, char); 2],
}

impl Roster {
    pub fn new(text: &str, key: &TagKey) -> Result<Roster, RosterError> {
        let mut roster = Roster {
            text: Zeroizing::new(text.to_owned()),
            tag: Hash(key.fingerprint([b"daicho/roster/v1", text.as_bytes(), b"", b""])),
            counts: BTreeMap::new(),
            people: Vec::new(),
            full: None,
            full_of: Vec::new(),
            single: None,
            single_of: Vec::new(),
            latin: FxHashMap::default(),
            foreign: false,
        };
        let count = text.lines().count();
        if count > MOST_PEOPLE {
            return Err(RosterError::TooMany(count));
        }
        let (mut full, mut single) = (Vec::new(), BTreeMap::new());
        for (index, line) in text.lines().enumerate() {
            roster.take(index, line, &mut full, &mut single)?;
        }
        let automaton = |patterns: Vec<String>| {
            let mut builder = AhoCorasick::builder();
            let built = builder
                .match_kind(MatchKind::LeftmostLongest)
                .build(patterns);
            built.map(Some).map_err(|_| RosterError::TooLarge)
        };
        if !full.is_empty() {
            roster.full = automaton(full)?;
            roster.single_of = single.values().copied().collect();
            roster.single = automaton(single.into_keys().collect())?;
        }
        Ok(roster)
    }

    fn take(
        &mut self,
        index: usize,
        line: &str,
        full: &mut Vec<String>,
        single: &mut BTreeMap<String, char>,
    ) -> Result<(), RosterError> {
        let number = index + 1;
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        let (list, name, kana, latin) = (column(), column(), column(), column());
        let (surname, given) = pair(name).ok_or(RosterError::OneWord(number))?;
        let sound = |word: &str| (1..=24).contains(&word.chars().count());
        if !sound(surname) || !sound(given) {
            return Err(RosterError::WrongLength(number));
        }
        let is_kana = |word: &str| word.chars().all(|c| is_katakana(katakana(c)));
        let reading = match kana {
            "" => None,
            kana => Some(
                pair(kana)
                    .filter(|(a, b)| is_kana(a) && is_kana(b))
                    .ok_or(RosterError::WrongKana(number))?,
            ),
        };
        let is_latin = |word: &str| word.chars().all(|c| c.is_ascii_alphabetic());
        let latin_pair = match latin {
            "" => None,
            latin => Some(
                pair(latin)
                    .filter(|(a, b)| is_latin(a) && is_latin(b))
                    .ok_or(RosterError::WrongLatin(number))?,
            ),
        };
        // The company's own reading decides; the lists of the program know what is left out.
        let letter = |latin: Option<&str>, kana: Option<&str>, known: char| {
            let latin = latin.and_then(|word| word.chars().next());
            let spelt = kana.and_then(lexicon::initial);
            latin
                .map(|c| c.to_ascii_uppercase())
                .or(spelt)
                .unwrap_or(known)
        };
        let person = Person {
            surname: letter(
                latin_pair.map(|s| s.0),
                reading.map(|r| r.0),
                lexicon().surname_initial(surname),
            ),
            given: letter(
                latin_pair.map(|s| s.1),
                reading.map(|r| r.1),
                lexicon().given_initial(given),
            ),
        };
        let at = self.people.len();
        self.people.push(person);
        *self.counts.entry(list.to_owned()).or_default() += 1;
        for (surname, given) in [Some((surname, given)), reading].into_iter().flatten() {
            full.push(normal(&format!("{surname}{given}")));
            self.full_of.push((at, surname.chars().count()));
        }
        for (word, letter) in [(surname, person.surname), (given, person.given)] {
            single.entry(normal(word)).or_insert(letter);
        }
        let spelt =
            reading.map(|(a, b)| (romaji::of_kana(&normal(a)), romaji::of_kana(&normal(b))));
        let is_romaji = |word: &str| is_romaji(&word.chars().collect::<Vec<_>>());
        self.foreign |= latin_pair.is_some_and(|(a, b)| !is_romaji(a) || !is_romaji(b));
        let given = latin_pair.map(|(a, b)| {
            let spelling = |word: &str| spelling(&word.chars().collect::<Vec<_>>());
            (spelling(a), spelling(b))
        });
        for pair in [spelt, given].into_iter().flatten() {
            self.latin.insert(pair, at);
        }
        Ok(())
    }

    /// Its lines, to be sealed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A keyed digest: which roster it is, and nothing of who is on it.
    pub fn tag(&self) -> Hash {
        self.tag
    }

    /// How many people each list has.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Full names in kanji or kana.
    pub(super) fn full(&self, chars: &[char], folded: &Folded) -> Vec<Listed> {
        let found = folded.found(&self.full);
        let listed = found.into_iter().filter_map(|(pattern, first, end)| {
            let (person, surname) = self.full_of[pattern];
            let person = self.people[person];
            let one = folded.place(first, first + surname);
            let two = folded.place(first + surname, end);
            let (start, end) = (one.0, two.1);
            // タロウ in a longer word of katakana, 森一 in 森一族: part of another word.
            let same = |c: char, like: fn(char) -> bool| like(c) && like(chars[start]);
            let short = end - start < 3;
            let goes_on = |c: &char| same(*c, is_katakana) || (short && same(*c, is_han));
            let before = start.checked_sub(1).and_then(|at| chars.get(at));
            let whole = !before.is_some_and(goes_on) && !chars.get(end).is_some_and(goes_on);
            whole.then_some(Listed {
                start,
                end,
                parts: [(one.0, one.1, person.surname), (two.0, two.1, person.given)],
            })
        });
        listed.collect()
    }

    /// Surnames and given names alone, which need a witness.
    pub(super) fn single(&self, folded: &Folded) -> Vec<(usize, usize, char)> {
        let found = folded.found(&self.single);
        let single = found.into_iter().map(|(pattern, first, end)| {
            let (start, end) = folded.place(first, end);
            (start, end, self.single_of[pattern])
        });
        single.collect()
    }

    /// Two Latin words side by side, in either order, in any usual spelling.
    pub(super) fn latin(&self, chars: &[char]) -> Vec<Listed> {
        let mut found = Vec::new();
        if self.latin.is_empty() {
            return found;
        }
        let digit = |at: Option<usize>| {
            at.and_then(|at| chars.get(at))
                .is_some_and(char::is_ascii_digit)
        };
        let mut before: Option<(usize, usize)> = None;
        let mut at = 0;
        while at < chars.len() {
            if !chars[at].is_ascii_alphabetic() {
                at += 1;
                continue;
            }
            let run = chars[at..].iter().take_while(|c| c.is_ascii_alphabetic());
            let end = at + run.count();
            let whole = !digit(at.checked_sub(1)) && !digit(Some(end));
            let here = (whole && self.may_be_listed(&chars[at..end])).then_some((at, end));
            if let (Some(first), Some(second)) = (before, here)
                && is_between(&chars[first.1..second.0])
                && let Some((one, two)) = self.letters(
                    &spelling(&chars[first.0..first.1]),
                    &spelling(&chars[second.0..second.1]),
                )
            {
                found.push(Listed {
                    start: first.0,
                    end: second.1,
                    parts: [(first.0, first.1, one), (second.0, second.1, two)],
                });
            }
            before = here;
            at = end;
        }
        found
    }

    /// Most words of a text are no name of this roster by a look at their letters.
    fn may_be_listed(&self, word: &[char]) -> bool {
        (2..=24).contains(&word.len())
            && (is_romaji(word) || (self.foreign && word[0].is_ascii_uppercase()))
    }

    fn letters(&self, first: &str, second: &str) -> Option<(char, char)> {
        let of = |surname: &str, given: &str| {
            let key = (surname.to_owned(), given.to_owned());
            self.latin.get(&key).map(|&person| self.people[person])
        };
        match (of(first, second), of(second, first)) {
            (Some(person), _) => Some((person.surname, person.given)),
            (None, Some(person)) => Some((person.given, person.surname)),
            (None, None) => None,
        }
    }
}

/// What may stand between the two words of one name.
fn is_between(chars: &[char]) -> bool {
    matches!(chars, [' ' | '.' | '_' | '-' | '\n'] | [',', ' '])
}

/// The spelling under which a Latin word is looked up: one for all ways to write the same
/// Japanese sounds, itself for any other word.
fn spelling(word: &[char]) -> String {
    let lower: String = word.iter().map(char::to_ascii_lowercase).collect();
    if is_romaji(word) {
        romaji::canonical(&lower)
    } else {
        lower
    }
}

/// Whether a word has the form of Japanese in Latin letters: syllables that end in a vowel or n.
fn is_romaji(word: &[char]) -> bool {
    let lower = |c: &char| c.to_ascii_lowercase();
    let vowel = |c: char| one_of!("aiueo", c);
    let pairs = word.windows(2).all(|two| {
        let (a, b) = (lower(&two[0]), lower(&two[1]));
        let joins = a == b || one_of!("nmh", a) || one_of!("yhs", b);
        vowel(a) || vowel(b) || joins || (a == 't' && b == 'c')
    });
    let last = word.last().map(lower);
    let ends = last.is_some_and(|c| vowel(c) || one_of!("nmh", c));
    pairs && ends && !word.iter().map(lower).any(|c| one_of!("lqvx", c))
}

fn pair(name: &str) -> Option<(&str, &str)> {
    let (surname, given) = name.split_once(' ')?;
    (!given.contains(' ')).then_some((surname, given))
}

fn katakana(c: char) -> char {
    lexicon::katakana_char(c)
}

/// As a text is looked up: usual kanji, katakana.
fn normal(text: &str) -> String {
    text.chars().map(|c| katakana(fold(c))).collect()
}

/// A text as it is looked up: usual kanji, katakana, and no single space or break between two
/// characters of Japanese, where a name may be split.
pub(super) struct Folded {
    text: String,
    /// Where each of its characters begins, and its end.
    bytes: Vec<usize>,
    /// Where each of them stands in the original.
    places: Vec<usize>,
}

impl Folded {
    pub fn of(chars: &[char]) -> Folded {
        let mut folded = Folded {
            text: String::with_capacity(chars.len() * 3),
            bytes: Vec::with_capacity(chars.len() + 1),
            places: Vec::with_capacity(chars.len()),
        };
        let wide = |at: Option<usize>| {
            let c = at.and_then(|at| chars.get(at));
            c.is_some_and(|c| !c.is_ascii())
        };
        for (at, &c) in chars.iter().enumerate() {
            if matches!(c, ' ' | '\n') && wide(at.checked_sub(1)) && wide(Some(at + 1)) {
                continue;
            }
            folded.bytes.push(folded.text.len());
            folded.places.push(at);
            folded.text.push(katakana(fold(c)));
        }
        folded.bytes.push(folded.text.len());
        folded
    }

    /// Pattern, and the first character of each match and the one after its last.
    fn found(&self, automaton: &Option<AhoCorasick>) -> Vec<(usize, usize, usize)> {
        // Matches begin and end at characters: pattern and text are UTF-8.
        let at = |byte| self.bytes.partition_point(|&b| b < byte);
        let matches = automaton.iter().flat_map(|a| a.find_iter(&self.text));
        matches
            .map(|hit| (hit.pattern().as_usize(), at(hit.start()), at(hit.end())))
            .collect()
    }

    /// Characters of the original.
    fn place(&self, first: usize, end: usize) -> (usize, usize) {
        (self.places[first], self.places[end - 1] + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Masker;
    use super::super::tests::masker;
    use super::*;
    use std::sync::Arc;

    const TEXT: &str = "employees\t鰕原 鷲司\tエビハラ シュウジ\tEbihara Shuji\n\
                        employees\t髙𠮷 凪紗\tたかよし なぎさ\t\n\
                        customers\t一口 巴\t\t\n\
                        customers\tペック ジョン\t\tPeck John\n";

    fn roster(text: &str) -> Result<Roster, RosterError> {
        Roster::new(text, &TagKey::new([1; 32]))
    }

    #[test]
    fn who_is_listed_is_masked_wherever_they_stand_and_however_they_are_written() {
        let roster = Arc::new(roster(TEXT).expect("sound"));
        let (without, with) = (masker(), masker().with_roster(roster));
        for (text, want) in [
            ("鰕原鷲司の件", "E.S.の件"),
            ("本日は鰕原　鷲司が参ります", "本日はE.S.が参ります"),
            ("高吉凪紗と髙𠮷 凪紗", "T.N.とT.N."),
            ("エビハラシュウジの件", "E.S.の件"),
            ("ｴﾋﾞﾊﾗ ｼｭｳｼﾞの件", "E.S.の件"),
            ("えびはら しゅうじは", "E.S.は"),
            ("担当は鰕原\n鷲司です", "担当はE.S.です"),
            ("file ebihara_shuuji.txt", "file E.S..txt"),
            ("see Shuji Ebihara", "see S.E."),
            ("EBIHARA, Syuji", "E.S."),
            ("met John Peck", "met J.P."),
            ("鷲司さんへ", "S.さんへ"),
        ] {
            assert_eq!(with.text(text).masked, want);
            assert_eq!(with.text(want).masked, want, "masked again");
        }
        for text in [
            "鰕原の工場",
            "アエビハラシュウジン",
            "一口で食べる",
            "ebihara1 shuji",
        ] {
            assert_eq!(with.text(text).masked, without.text(text).masked, "{text}");
        }
        assert_ne!(with.policy(), without.policy());
    }

    #[test]
    fn another_roster_is_another_version_and_no_digest_of_names() {
        let one = roster(TEXT).expect("sound");
        let other = Roster::new(TEXT, &TagKey::new([2; 32])).expect("sound");
        assert_ne!(one.tag(), other.tag(), "keyed");
        assert_eq!(one.tag(), roster(one.text()).expect("sound").tag());
        assert_eq!(one.counts().get("employees"), Some(&2));
        let version = Masker::version(Hash([1; 32]), Some(one.tag()));
        assert_ne!(version, Masker::version(Hash([1; 32]), Some(other.tag())));
        assert_eq!(Masker::version(Hash([1; 32]), None), Hash([1; 32]));
    }

    #[test]
    fn what_is_no_person_is_named_by_its_place() {
        for (text, error) in [
            ("l\t山田太郎", RosterError::OneWord(1)),
            ("l\t山田 太郎\nl\t山田 ", RosterError::WrongLength(2)),
            ("l\t山田 太郎\tYamada Taro", RosterError::WrongKana(1)),
            ("l\t山田 太郎\t\tヤマダ タロウ", RosterError::WrongLatin(1)),
        ] {
            assert_eq!(roster(text).err(), Some(error));
        }
        let many = "l\t山田 太郎\n".repeat(MOST_PEOPLE + 1);
        assert!(matches!(roster(&many).err(), Some(RosterError::TooMany(_))));
    }
}
