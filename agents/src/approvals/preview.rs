//! What an approver sees of a draft: one masked line, and what differs from the last draft of the
//! same agent and tool, masked and a few lines of it in a list, in full where it is shown.

use super::draft::CONTENT;
use crate::masking::Masker;
use crate::once::{name, once};
use crate::scanner::patch::diff::visible;
use ledger::Submission;
use schemas::kinds::records::ContentRevealed;
use schemas::{Actor, Event};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Characters of a preview. The rest is for `approvals show`.
const PREVIEW_CHARS: usize = 100;

/// Bytes that are looked at for a preview: all that can be in it, and what stands around it.
const PREVIEW_READS_BYTES: usize = 16_384;

/// What may be half a value where a text was cut: more than any rule finds of a person's.
const CUT_CHARS: usize = 256;

/// Lines of a difference in a list.
const DIFF_LINES: usize = 8;

/// A draft's arguments, each by its path. Holds what people wrote: neither `Debug` nor
/// `Serialize`.
pub struct Reading {
    fields: BTreeMap<String, Field>,
}

/// A value as it is shown. A text is shown as it is, all else as JSON: what it was tells `1` from
/// `"1"`.
#[derive(PartialEq, Eq)]
struct Field {
    text: String,
    is_text: bool,
}

impl Field {
    fn of(value: &Value) -> Field {
        match value {
            Value::String(text) => Field {
                text: text.clone(),
                is_text: true,
            },
            other => Field {
                text: other.to_string(),
                is_text: false,
            },
        }
    }

    /// As it is shown beside another side.
    fn beside(&self, other: Option<&Field>) -> String {
        let alike = other.is_some_and(|other| other.text == self.text);
        match self.is_text && alike {
            true => Value::from(self.text.as_str()).to_string(),
            false => self.text.clone(),
        }
    }
}

impl Reading {
    /// `None` for bytes that are no draft's.
    pub fn of(canonical: &[u8]) -> Option<Reading> {
        let Value::Object(mut whole) = serde_json::from_slice(canonical).ok()? else {
            return None;
        };
        let mut fields = BTreeMap::new();
        walk(String::new(), &whole.remove("arguments")?, &mut fields);
        if let Some(directory @ Value::String(_)) = whole.remove("directory") {
            fields.insert(DIRECTORY.to_owned(), Field::of(&directory));
        }
        Some(Reading { fields })
    }

    /// One line of the arguments as the masking rules let them be seen, cut to a line.
    pub fn line(&self, masker: &Masker) -> String {
        one_line(&self.masked(masker, |path| path != DIRECTORY))
    }

    /// What differs as the masking rules let it be seen, cut to a few lines. The sides are masked
    /// whole and then compared, for what stands around a value tells what it is: none where all
    /// that differs is masked, or stands further down.
    pub fn masked_diff(&self, before: &Reading, masker: &Masker) -> Vec<String> {
        let sides = [before, self].map(|side| visible(side.masked(masker, |_| true).as_bytes()));
        let [old, new] = &sides;
        let mut options = diffy::DiffOptions::new();
        let patch = options.set_context_len(0).create_patch(old, new);
        let lines = patch.hunks().iter().flat_map(|hunk| hunk.lines());
        let signed = lines.filter_map(|line| match line {
            diffy::Line::Context(_) => None,
            diffy::Line::Delete(text) => Some(format!("-{}", text.trim_end())),
            diffy::Line::Insert(text) => Some(format!("+{}", text.trim_end())),
        });
        let mut shown: Vec<String> = signed.map(|line| cut(line.replace('\t', " "))).collect();
        let more = shown.len().saturating_sub(DIFF_LINES);
        if more > 0 {
            shown.truncate(DIFF_LINES);
            shown.push(format!("… {more} more"));
        }
        shown
    }

    /// The beginning of the arguments, each below its path, masked before anything is cut to a
    /// line: half a number is found by no rule.
    fn masked(&self, masker: &Masker, shows: impl Fn(&str) -> bool) -> String {
        let (mut text, mut is_whole) = (String::new(), true);
        for (path, value) in self.fields.iter().filter(|(path, _)| shows(path)) {
            if text.len() >= PREVIEW_READS_BYTES {
                is_whole = false;
                break;
            }
            let (value, colon) = (&value.text, if path.is_empty() { "" } else { ": " });
            let end = value.floor_char_boundary(PREVIEW_READS_BYTES);
            is_whole &= end == value.len();
            let _ = writeln!(text, "{path}{colon}{}", &value[..end]);
        }
        let mut masked = masker.text(&text).masked;
        if !is_whole && let Some((end, _)) = masked.char_indices().nth_back(CUT_CHARS) {
            masked.truncate(end);
        }
        masked
    }

    /// The paths of what is new, gone or another than before; masked, for a path is the agent's
    /// word too.
    pub fn changed(&self, before: &Reading, masker: &Masker) -> Vec<String> {
        let paths = self.differing(before);
        let shown = paths.map(|(path, ..)| match path {
            "" => "arguments".to_owned(),
            path => one_line(&masker.text(path).masked),
        });
        shown.collect()
    }

    /// The same in full, as lines of a unified diff under each path. Empty where nothing differs.
    pub fn diff(&self, before: &Reading) -> String {
        let mut text = String::new();
        for (path, old, new) in self.differing(before) {
            let _ = writeln!(text, "@@ {path} @@");
            let sides = (
                old.map(|side| side.beside(new)),
                new.map(|side| side.beside(old)),
            );
            match sides {
                (Some(old), Some(new)) if old.contains('\n') || new.contains('\n') => {
                    let patch = diffy::create_patch(&old, &new).to_string();
                    // Without the names of files that there are none of.
                    for line in patch.lines().skip(2) {
                        let _ = writeln!(text, "{line}");
                    }
                }
                (old, new) => {
                    for (sign, side) in [('-', old), ('+', new)] {
                        for line in side.iter().flat_map(|side| side.split('\n')) {
                            let _ = writeln!(text, "{sign}{line}");
                        }
                    }
                }
            }
        }
        visible(text.as_bytes())
    }

    fn differing<'r>(
        &'r self,
        before: &'r Reading,
    ) -> impl Iterator<Item = (&'r str, Option<&'r Field>, Option<&'r Field>)> {
        let gone = before
            .fields
            .keys()
            .filter(|path| !self.fields.contains_key(*path));
        let mut paths: Vec<&String> = self.fields.keys().chain(gone).collect();
        paths.sort();
        let sides = paths.into_iter().map(|path| {
            let (old, new) = (before.fields.get(path), self.fields.get(path));
            (path.as_str(), old, new)
        });
        sides.filter(|(_, old, new)| old != new)
    }
}

const DIRECTORY: &str = "working directory";

/// Every value by its path; what holds nothing is a value too, or it could come and go unseen.
fn walk(path: String, value: &Value, fields: &mut BTreeMap<String, Field>) {
    let below = |step: &str| match path.as_str() {
        "" => step.to_owned(),
        path => format!("{path}.{step}"),
    };
    match value {
        Value::Object(object) if !object.is_empty() => {
            object
                .iter()
                .for_each(|(key, value)| walk(below(&key_text(key)), value, fields));
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().enumerate();
            items.for_each(|(at, value)| walk(below(&format!("[{at}]")), value, fields));
        }
        value => drop(fields.insert(path, Field::of(value))),
    }
}

/// A key that could be taken for another path, or for a name of ours, is written as JSON.
fn key_text(key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => Value::from(key).to_string(),
    }
}

fn one_line(text: &str) -> String {
    let shown = visible(text.as_bytes());
    let words: Vec<&str> = shown
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    cut(words.join(" · ").replace('\t', " "))
}

fn cut(line: String) -> String {
    match line.char_indices().nth(PREVIEW_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Plans `content.revealed` for a draft's preview: once per draft, however often it is listed.
pub fn previewed(position: u64, viewer: &Actor) -> Submission {
    let revealed = ContentRevealed {
        position,
        name: name(CONTENT),
        purpose: name("approval-preview"),
    };
    let id = once("approval.previewed", &[&position, viewer]);
    Event::new(id, viewer.clone(), revealed).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::approvals::draft::Action;
    use crate::masking::{Policy, TagKey};
    use proptest::prelude::*;
    use schemas::Label;
    use serde_json::json;

    fn reading(arguments: &Value) -> Reading {
        let action = Action::new(Label::lossy("Bash"), arguments, Some("/w")).unwrap();
        Reading::of(action.canonical()).unwrap()
    }

    fn masker() -> Masker {
        Masker::new(Policy::default(), TagKey::new([0; 32])).unwrap()
    }

    #[test]
    fn a_preview_is_one_masked_line() {
        let mail = json!({
            "to": ["山田太郎 <taro@example.co.jp>"], "subject": "お見積り",
            "body": "山田太郎様\n\nお電話は 03-5555-1234 まで。\u{1b}[2J".to_owned() + &"あ".repeat(300),
        });
        let line = reading(&mail).line(&masker());
        for raw in ["山田", "taro", "1234", "\n", "\u{1b}"] {
            assert!(!line.contains(raw), "{line}");
        }
        assert!(line.starts_with("body: Y.T.様 · "), "{line}");
        assert!(line.ends_with('…') && line.chars().count() == 101, "{line}");
        let push = json!({ "command": "git push origin main", "description": "Push" });
        let line = reading(&push).line(&masker());
        assert_eq!(line, "command: git push origin main · description: Push");
    }

    #[test]
    fn what_differs_is_shown_by_its_path_and_nothing_else() {
        let before = reading(&json!({
            "to": ["a", "b"], "subject": "Friday", "body": "one\ntwo\nthree\n", "cc": {},
        }));
        let after = reading(&json!({
            "to": ["a", "c"], "subject": "Friday", "body": "one\n2\nthree\n", "bcc": "x",
        }));
        assert_eq!(
            after.changed(&before, &masker()),
            ["bcc", "body", "cc", "to.[1]"]
        );
        insta::assert_snapshot!(after.diff(&before), @r"
        @@ bcc @@
        +x
        @@ body @@
        @@ -1,3 +1,3 @@
         one
        -two
        +2
         three
        @@ cc @@
        -{}
        @@ to.[1] @@
        -b
        +c
        ");
        assert_eq!(after.diff(&after), "");
        let (number, text) = (reading(&json!({ "n": 1 })), reading(&json!({ "n": "1" })));
        assert_eq!(text.diff(&number), "@@ n @@\n-1\n+\"1\"\n");
    }

    #[test]
    fn what_differs_is_masked_as_a_whole_before_it_is_compared() {
        let mail = |name: &str, phone: &str, yen: u64| {
            let body = format!("{name}様\n\nお電話は {phone} まで。\nprice: {yen} yen\n");
            reading(&json!({ "subject": "お見積り\u{1b}[2J", "body": body }))
        };
        let before = mail("山田太郎", "03-5555-1234", 48_000);
        let differs = |after: &Reading| after.masked_diff(&before, &masker());
        let dearer = mail("山田太郎", "03-5555-1234", 52_000);
        assert_eq!(differs(&dearer), ["-price: 48000 yen", "+price: 52000 yen"]);
        assert_eq!(differs(&before), [""; 0]);
        // Where only who or what is masked differs, nobody learns of it more than that.
        let others = mail("山口太一", "03-5555-4321", 48_000);
        let shown = differs(&others).concat();
        for raw in ["山田", "山口", "1234", "4321"] {
            assert!(!shown.contains(raw), "{shown}");
        }
        let text = |lines: usize| reading(&json!({ "body": "x\n".repeat(lines) }));
        let long = text(40).masked_diff(&text(1), &masker());
        assert_eq!((long.len(), long[8].as_str()), (9, "… 31 more"));
        let wide = reading(&json!({ "body": "あ".repeat(300) }));
        assert!(wide.masked_diff(&text(1), &masker())[2].ends_with('…'));
    }

    #[test]
    fn half_a_value_where_a_long_draft_is_cut_is_not_shown() {
        // The number stands where the reading ends.
        for back in 0..20 {
            let filler = "x\n".repeat((PREVIEW_READS_BYTES - back) / 2);
            let draft = |phone: &str| reading(&json!({ "b": format!("{filler}{phone}") }));
            let (one, other) = (draft("03-5555-7788"), draft("03-5555-9966"));
            let shown = one.masked_diff(&other, &masker()).concat();
            assert!(!shown.contains(['7', '9']), "{shown}");
        }
    }

    #[test]
    fn another_directory_is_a_difference_and_no_argument_can_pose_as_one() {
        let arguments = json!({ "command": "git push" });
        let at = |directory| {
            let action = Action::new(Label::lossy("Bash"), &arguments, Some(directory)).unwrap();
            Reading::of(action.canonical()).unwrap()
        };
        let diff = at("/w/other").diff(&at("/w"));
        assert_eq!(diff, "@@ working directory @@\n-/w\n+/w/other\n");
        let posing = reading(&json!({ "working directory": "/safe", "a.b": 1, "a": { "b": 2 } }));
        let paths: Vec<&String> = posing.fields.keys().collect();
        assert_eq!(
            paths,
            [
                "\"a.b\"",
                "\"working directory\"",
                "a.b",
                "working directory"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_draft_makes_a_preview_panic_or_longer_than_its_line(
            key in ".{0,30}", text in ".{0,400}", bytes in any::<Vec<u8>>(),
        ) {
            let _ = Reading::of(&bytes);
            let one = reading(&json!({ &*key: &*text }));
            let other = reading(&json!({ &*text: [&*key] }));
            let line = one.line(&masker());
            prop_assert!(line.chars().count() <= PREVIEW_CHARS + 1 && !line.contains('\n'));
            let _ = (one.changed(&other, &masker()), one.diff(&other));
            let differs = one.masked_diff(&other, &masker());
            prop_assert!(differs.len() <= DIFF_LINES + 1);
            prop_assert!(differs.iter().all(|l| l.chars().count() <= PREVIEW_CHARS + 1));
            prop_assert!(differs.iter().all(|l| !l.contains(['\n', '\r'])));
            prop_assert_eq!(one.diff(&one), "");
        }
    }
}
