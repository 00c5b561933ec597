//! What kanji that no list has look like: 栗生沢 ends as surnames end, 検図 as nothing but words do.

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// Of the surnames of the lists one in twenty looks less like one, of the nouns two in three do.
const LEAST: u32 = 5;

/// Whether kanji could be a surname or a given name, by the first of them and the last.
pub(super) fn is_name_like(text: &str) -> bool {
    let (surname, given) = sums(text);
    surname >= LEAST || given >= LEAST
}

/// Whether a given name of the lists is one at first sight: the lists hold many that are seldom given.
pub(super) fn is_given_like(text: &str) -> bool {
    sums(text).1 > LEAST
}

fn sums(text: &str) -> (u32, u32) {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return (0, 0);
    };
    let last = chars.next_back().unwrap_or(first);
    let (head, tail) = (likeness(first), likeness(last));
    (head[0] + tail[1], head[2] + tail[3])
}

/// How much rather a kanji begins, ends a surname, begins, ends a given name than a word, each from
/// 0 to 7, 3 being as much; 8 for what is no kanji of the lists.
pub(super) fn likeness(c: char) -> [u32; 4] {
    static LIKENESS: LazyLock<FxHashMap<char, [u32; 4]>> = LazyLock::new(|| {
        let line = |line: &str| {
            let (kanji, digits) = line.split_once('\t')?;
            let mut digits = digits.chars().filter_map(|c| c.to_digit(10));
            let [a, b, c, d] = std::array::from_fn(|_| digits.next().unwrap_or(0));
            Some((kanji.chars().next()?, [a, b, c, d]))
        };
        include_str!("../../lexicon/likeness.tsv")
            .lines()
            .filter_map(line)
            .collect()
    });
    LIKENESS.get(&c).copied().unwrap_or([8; 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kanji_that_end_names_tell_names_from_words() {
        for name in ["栗生沢", "嘉手苅", "雪谷", "莉々花"] {
            assert!(is_name_like(name), "{name}");
        }
        for word in ["検図", "再診", "誤配"] {
            assert!(!is_name_like(word), "{word}");
        }
    }
}
