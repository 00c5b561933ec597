//! Which results are the same weakness, in this scan and the next.
//!
//! SHA-256 over these lines, each ended by LF (no value can hold one):
//! ```text
//! daicho/finding/v1
//! project: <name>
//! scanner: <the driver's name>
//! rule: <rule id>
//! path: <path in the project>
//! anchor: snippet <SHA-256 of the normalised snippet>
//! ordinal: <how many equal ones stand before it in the file, from 0>
//! ```
//! `anchor` is the first of these that the report gives:
//! - `snippet <hex>`: the region's own text, each line with its runs of white space as one
//!   space and none at its ends, empty lines left out, lines joined by LF;
//! - `partial <hex>`: SHA-256 over the tool's own fingerprints, `<name>=<value>` LF each,
//!   sorted by name;
//! - `rule`: the rule and the path alone.
//!
//! Line numbers are left out, so a finding stays itself when code above it grows; so is the
//! message, whose wording changes with the scanner's version; so is the CWE, which scanners
//! map anew more often than they rename rules. The snippet comes before the tool's own
//! fingerprints because these are not stable for every tool.
//!
//! **Secrets.** A digest of a line that holds a password can be guessed at for as long as the
//! log lives. For weaknesses about credentials the quoted texts are cut out of the snippet
//! (and out of the message) first.

use super::path::RepoPath;
use crate::once::sha256;
use schemas::{Hash, Label, Name};
use std::collections::BTreeMap;

/// What holds a result in its place when lines move.
#[derive(Clone, PartialEq, Eq)]
pub enum Anchor {
    /// The region's text. Source code: never shown, only digested.
    Snippet(String),
    /// The tool's own fingerprints by name.
    Partial(BTreeMap<String, String>),
    /// Nothing but the rule and the file.
    Rule,
}

/// CWE-798 and its neighbours: the weakness is that a secret stands in the source.
const CREDENTIALS: &[&str] = &[
    "CWE-256", "CWE-257", "CWE-259", "CWE-260", "CWE-312", "CWE-321", "CWE-522", "CWE-540",
    "CWE-547", "CWE-615", "CWE-798",
];

/// Does a result of this weakness quote a secret?
pub fn quotes_a_secret(cwe: &[Label]) -> bool {
    cwe.iter().any(|cwe| CREDENTIALS.contains(&cwe.as_str()))
}

impl Anchor {
    /// The line of the fingerprint, without its key.
    pub fn digest(&self, secret: bool) -> String {
        match self {
            Anchor::Snippet(text) if secret => {
                format!(
                    "snippet {}",
                    sha256(normalised(&without_quoted(text)).as_bytes())
                )
            }
            Anchor::Snippet(text) => format!("snippet {}", sha256(normalised(text).as_bytes())),
            Anchor::Partial(own) => {
                let lines = own.iter().map(|(name, value)| format!("{name}={value}\n"));
                format!("partial {}", sha256(lines.collect::<String>().as_bytes()))
            }
            Anchor::Rule => "rule".to_owned(),
        }
    }
}

/// Where a result stands, apart from its line.
pub struct Place<'a> {
    pub project: &'a Name,
    pub scanner: &'a Label,
    pub rule: &'a Label,
    pub path: &'a RepoPath,
}

pub fn fingerprint(place: &Place, anchor: &str, ordinal: u64) -> Hash {
    let Place {
        project,
        scanner,
        rule,
        path,
    } = place;
    let text = format!(
        "daicho/finding/v1\nproject: {project}\nscanner: {scanner}\nrule: {rule}\npath: {path}\n\
         anchor: {anchor}\nordinal: {ordinal}\n"
    );
    sha256(text.as_bytes())
}

fn normalised(snippet: &str) -> String {
    let lines = snippet.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ")
    });
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Cuts out what stands between quotes. A quote that is not closed hides the rest of its
/// line, so that a cut snippet shows less, never more.
pub fn without_quoted(text: &str) -> String {
    let mut kept = String::new();
    let mut open: Option<char> = None;
    let mut escaped = false;
    for c in text.chars() {
        match open {
            _ if c == '\n' => {
                open = None;
                escaped = false;
                kept.push(c);
            }
            None => {
                if matches!(c, '"' | '\'' | '`') {
                    open = Some(c);
                }
                kept.push(c);
            }
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => {
                open = None;
                kept.push('…');
                kept.push(c);
            }
            Some(_) => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(snippet: &str, secret: bool) -> String {
        Anchor::Snippet(snippet.to_owned()).digest(secret)
    }

    #[test]
    fn indentation_and_empty_lines_do_not_matter_but_words_do() {
        assert_eq!(of("  a  =\tb\n\n  c\r\n", false), of("a = b\nc", false));
        assert_ne!(of("a = b", false), of("a = c", false));
        assert_ne!(of("ab", false), of("a b", false));
    }

    #[test]
    fn a_quoted_secret_does_not_enter_the_fingerprint() {
        let cut = without_quoted("password = \"hunter\\\"2\" # 'x'\nkey = 'abc");
        assert_eq!(cut, "password = \"…\" # '…'\nkey = '");
        assert_eq!(of("p = 'one'", true), of("p = 'two'", true));
        assert_ne!(of("p = 'one'", false), of("p = 'two'", false));
        assert!(quotes_a_secret(&[Label::lossy("CWE-259")]));
        assert!(!quotes_a_secret(&[Label::lossy("CWE-89")]));
    }

    #[test]
    fn the_fingerprint_is_that_of_its_documented_bytes() {
        let (project, label): (Name, _) = ("shop".parse().unwrap(), Label::lossy);
        let path = RepoPath::parse("a/b.py", None).unwrap();
        let place = Place {
            project: &project,
            scanner: &label("Bandit"),
            rule: &label("B608"),
            path: &path,
        };
        let snippet = sha256(b"x = 1");
        let text = format!(
            "daicho/finding/v1\nproject: shop\nscanner: Bandit\nrule: B608\npath: a/b.py\n\
             anchor: snippet {snippet}\nordinal: 2\n"
        );
        let found = fingerprint(&place, &of(" x  = 1\n", false), 2);
        assert_eq!(found, sha256(text.as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_is_never_kept(before in "[a-z =]{0,20}", secret in "[A-Z0-9]{4,20}") {
            for quote in ['"', '\'', '`'] {
                let closed = without_quoted(&format!("{before}{quote}{secret}{quote}"));
                let open = without_quoted(&format!("{before}{quote}{secret}"));
                proptest::prop_assert!(!closed.contains(&secret) && !open.contains(&secret));
            }
        }
    }
}
