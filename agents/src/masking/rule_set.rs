//! Which rules these are. A policy's version names them beside the settings, so that what was
//! masked by other rules is not said to be masked by these.

/// The number of the rules, and the digest of what they make of fixed texts: where they find or
/// write something else, both change. A number stands for one behaviour for ever, once a ledger
/// has run under it.
pub(super) const RULE_SET: (u32, &str) = (6, "ab81f0475a690bdd0ad188a180478daa");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::masker;
    use sha2::{Digest, Sha256};

    /// Every hole of a text holds a name, in the form that the hole stands for or one near it.
    fn filled(line: &str, [surnames, given]: &[Vec<Vec<&str>>; 2], next: &mut usize) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, hole)) = rest.split_once('{') {
            text.push_str(before);
            let Some((hole, after)) = hole.split_once('}') else {
                break;
            };
            // Other names with each hole, and each with many: the steps are primes.
            *next += 1;
            let surname = &surnames[*next * 7 % surnames.len()];
            let given = &given[*next * 11 % given.len()];
            let name = match hole.trim_start_matches(|c: char| c.is_ascii_digit()) {
                "L" => surname[2].to_owned(),
                "G" => given[2].to_owned(),
                "S" => format!("{} {}", surname[2], given[2]),
                "N" => format!("{}\n{}", surname[2], given[2]),
                "K" | "H" | "h" => format!("{} {}", surname[3], given[3]),
                "k" => surname[3].to_owned(),
                "R" | "r" | "U" => format!("{} {}", given[4], surname[4]),
                "l" | "g" | "e" => surname[4].to_owned(),
                _ => format!("{}{}", surname[2], given[2]),
            };
            text.push_str(&name);
            rest = after;
        }
        text + rest
    }

    fn texts() -> Vec<String> {
        let lines = || include_str!("../../tests/people/names.tsv").lines();
        let people = ["surname", "given"].map(|kind| {
            let cells = lines().map(|line| line.split('\t').collect::<Vec<_>>());
            cells.filter(|cells| cells.get(1) == Some(&kind)).collect()
        });
        let mut next = 0;
        [
            include_str!("../../tests/people/texts.txt"),
            include_str!("../../tests/people/texts-cd.txt"),
            include_str!("../../tests/people/clean.txt"),
            include_str!("../../tests/people/clean-cd.txt"),
            include_str!("../../tests/rules.txt"),
        ]
        .into_iter()
        .flat_map(str::lines)
        .filter(|line| !line.starts_with("# "))
        .map(|line| filled(line, &people, &mut next).replace('⏎', "\n"))
        .collect()
    }

    #[test]
    fn other_masks_are_another_rule_set() {
        let masker = masker();
        let mut hash = Sha256::new();
        let mut rules = std::collections::BTreeSet::new();
        for text in texts() {
            let found = masker.text(&text);
            hash.update(format!("{:?} {}\n", found.verdict, found.masked));
            for span in &found.spans {
                hash.update(format!("{} {}-{}\n", span.rule, span.start, span.end));
            }
            let blocks = found.blocks.iter().map(|b| b.rule.as_str().to_owned());
            rules.extend(found.spans.iter().map(|s| s.rule.to_owned()).chain(blocks));
        }
        assert_eq!(rules.len(), 10, "a rule that finds nothing: {rules:?}");
        let masks = hex::encode(&hash.finalize()[..16]);
        let (number, pinned) = RULE_SET;
        let next = number + 1;
        assert!(
            masks == pinned,
            "the rules mask these texts otherwise than rule set {number} does. If that is meant, \
             the line in agents/src/masking/rule_set.rs becomes\n\n    \
             pub(super) const RULE_SET: (u32, &str) = ({next}, \"{masks}\");\n\n\
             or keeps {number} if that number was in no release yet."
        );
    }
}
