//! A provider request, masked in place: the strings that hold what people wrote are edited
//! inside the bytes that came; keys, order, white space, numbers and everything untouched
//! stay byte for byte, so that caches that live on equal prefixes keep living.
//!
//! What is not touched is a short list (blocks that the provider signed, ids, names of tools,
//! media), not what is: a field that nobody knew yet is masked.

use super::json::{self, Decoded, Fault, Kind, Node};
use super::resolve::Hit;
use super::rules::person::Known;
use super::{Masker, counts, rule_name};
use crate::capture::Capture;
use schemas::Label;
use schemas::kinds::traffic::{MaskTag, RuleCount};
use std::collections::BTreeMap;

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Anthropic,
    OpenAi,
}

/// A request that was masked, or that must not leave.
///
/// Holds raw text in `stored`: neither `Debug` nor `Serialize`.
pub struct MaskedBody {
    /// The bytes that may leave; `None` when something prohibited is in them.
    pub payload: Option<Vec<u8>>,
    /// What came, with prohibited values cut out: what may be sealed. The same bytes where nothing was.
    pub stored: Vec<u8>,
    /// Replacements per rule, sorted.
    pub masks: Vec<RuleCount>,
    /// Prohibited values per rule, sorted; empty unless blocked.
    pub blocks: Vec<RuleCount>,
    /// The distinct masked values as keyed tags, sorted.
    pub tags: Vec<MaskTag>,
}

/// Why a body could not be masked; it must not leave then. Never holds what was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is not UTF-8 (byte {offset})")]
    NotUtf8 { offset: usize },
    #[error("the body is not JSON (byte {offset})")]
    NotJson { offset: usize },
    #[error("the body is nested deeper than any request needs")]
    TooDeep,
    /// Two `type` keys in one object: which one the provider believes is its choice, not ours.
    #[error("an object of the body has two keys `type` (byte {offset})")]
    DuplicateType { offset: usize },
}

/// How a value is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Of the provider's making: the list of what is not touched applies.
    Protocol,
    /// Of the caller's making (a tool's input): every string is a value, every key its label.
    Free,
    /// JSON Schema: words that the provider reads as such stay.
    Schema,
    /// Never edited; something prohibited in it blocks.
    Guarded,
    /// Ciphertext, signatures, media: not read.
    Opaque,
}

/// A value this long is prose: its key no longer labels it.
const LONGEST_LABELLED: usize = 200;
/// Fewer digits are no number that any rule knows.
const FEWEST_DIGITS: usize = 6;

impl Masker {
    /// Masks the strings of a provider request where they stand.
    pub fn body(&self, capture: &Capture, dialect: Dialect) -> Result<MaskedBody, BodyError> {
        let bytes = capture.raw();
        let text = std::str::from_utf8(bytes).map_err(|e| BodyError::NotUtf8 {
            offset: e.valid_up_to(),
        })?;
        let nodes = json::read(bytes).map_err(|fault| match fault {
            Fault::At(offset) => BodyError::NotJson { offset },
            Fault::TooDeep => BodyError::TooDeep,
        })?;
        let modes = modes(text, &nodes, dialect)?;
        let mut work = Work::default();
        let mut known = Known::default();
        for (node, &mode) in nodes.iter().zip(&modes) {
            if mode == Mode::Opaque {
                continue;
            }
            if let Some((start, end)) = node.key {
                self.guard(text, start, end, &mut work);
            }
            match node.kind {
                Kind::String if mode == Mode::Guarded => {
                    self.guard(text, node.start, node.end, &mut work)
                }
                Kind::String => {
                    let label = (mode == Mode::Free)
                        .then(|| label(text, &nodes, node))
                        .flatten();
                    self.string(text, node, label.as_deref(), &mut known, &mut work);
                }
                Kind::Number => self.number(text, &nodes, node, &mut work),
                _ => {}
            }
        }
        let blocked = !work.blocks.is_empty();
        Ok(MaskedBody {
            payload: (!blocked).then(|| edited(bytes, &work.masked)),
            stored: edited(bytes, &work.cut),
            masks: counts(work.masks.into_iter()),
            blocks: counts(work.blocks.into_iter()),
            tags: work
                .tags
                .into_iter()
                .map(|((rule, tag), count)| MaskTag {
                    rule: rule_name(rule),
                    tag,
                    count,
                })
                .collect(),
        })
    }

    fn string(
        &self,
        text: &str,
        node: &Node,
        label: Option<&str>,
        known: &mut Known,
        work: &mut Work,
    ) {
        let decoded = json::decode(text, node.start, node.end);
        // A key is a label, as it is in a JSON text: `"assignee": "…"`.
        let mut document: Vec<char> = Vec::new();
        if let Some(label) = label.filter(|_| decoded.chars.len() <= LONGEST_LABELLED) {
            document.extend(format!("\"{label}\": \"").chars());
        }
        let lead = document.len();
        document.extend(&decoded.chars);
        if lead > 0 {
            document.push('"');
        }
        for hit in self.hits(&document, known) {
            let start = hit.start.max(lead) - lead;
            let end = hit.end.min(lead + decoded.chars.len()).max(lead) - lead;
            if start < end {
                work.replace(&decoded, start, end, &hit);
                if !hit.kind.is_prohibited() {
                    let tag = self.key.tag(hit.rule, &hit.value);
                    *work.tags.entry((hit.rule, tag)).or_default() += 1;
                }
            }
        }
    }

    /// A string that is never edited in what leaves.
    fn guard(&self, text: &str, start: usize, end: usize, work: &mut Work) {
        // No prohibited value is shorter; most keys are.
        if end - start < 10 {
            return;
        }
        let decoded = json::decode(text, start, end);
        for hit in self.prohibited(&decoded.chars) {
            work.replace(&decoded, hit.start, hit.end, &hit);
        }
    }

    /// A card number does not become harmless by losing its quotation marks.
    fn number(&self, text: &str, nodes: &[Node], node: &Node, work: &mut Work) {
        if node.end - node.start < FEWEST_DIGITS {
            return;
        }
        let label = label(text, nodes, node).unwrap_or_default();
        let document: Vec<char> = format!("\"{label}\": {}", &text[node.start..node.end])
            .chars()
            .collect();
        if let Some(hit) = self.prohibited(&document).first() {
            let word = format!("\"{}\"", hit.replacement).into_bytes();
            work.blocks.push(hit.rule);
            work.cut.push((node.start, node.end, word));
        }
    }
}

/// Edits so far: byte ranges of the body and what stands there instead.
#[derive(Default)]
struct Work {
    masked: Vec<(usize, usize, Vec<u8>)>,
    cut: Vec<(usize, usize, Vec<u8>)>,
    masks: Vec<&'static str>,
    blocks: Vec<&'static str>,
    tags: BTreeMap<(&'static str, Label), u64>,
}

impl Work {
    fn replace(&mut self, decoded: &Decoded, start: usize, end: usize, hit: &Hit) {
        let mut bytes = Vec::with_capacity(hit.replacement.len());
        json::encode(&hit.replacement, decoded.escaped, &mut bytes);
        let edit = (decoded.places[start], decoded.places[end], bytes);
        if hit.kind.is_prohibited() {
            self.blocks.push(hit.rule);
            self.cut.push(edit);
        } else {
            self.masks.push(hit.rule);
            self.masked.push(edit);
        }
    }
}

fn edited(bytes: &[u8], edits: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (start, end, replacement) in edits {
        out.extend_from_slice(&bytes[at..*start]);
        out.extend_from_slice(replacement);
        at = *end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

fn key_of<'t>(text: &'t str, node: &Node) -> &'t str {
    // As written: a key that hides behind escapes is no key of the protocol, so it is masked.
    node.key
        .map_or("", |(start, end)| &text[start + 1..end - 1])
}

/// The key that labels a value: its own, or that of the list it stands in.
fn label(text: &str, nodes: &[Node], node: &Node) -> Option<String> {
    let holder = node.parent.map(|p| &nodes[p]);
    let (start, end) = node
        .key
        .or_else(|| holder.filter(|h| h.kind == Kind::Array).and_then(|h| h.key))?;
    let key: String = json::decode(text, start, end)
        .chars
        .into_iter()
        .filter(|c| !matches!(c, '"' | '\n'))
        .collect();
    (key.chars().count() <= 64).then_some(key)
}

/// The mode of every node, in one pass: parents stand before their children.
fn modes(text: &str, nodes: &[Node], dialect: Dialect) -> Result<Vec<Mode>, BodyError> {
    let mut types: Vec<Option<&str>> = vec![None; nodes.len()];
    let mut siblings: Vec<bool> = vec![false; nodes.len()];
    for node in nodes {
        let Some(parent) = node.parent else { continue };
        match key_of(text, node) {
            "type" if types[parent].is_some() => {
                return Err(BodyError::DuplicateType { offset: node.start });
            }
            "type" => {
                types[parent] = Some(if node.kind == Kind::String {
                    &text[node.start + 1..node.end - 1]
                } else {
                    ""
                })
            }
            "format" | "media_type" => siblings[parent] = true,
            _ => {}
        }
    }
    let mut modes = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let parent = node.parent.map_or(Mode::Protocol, |p| modes[p]);
        let kind = node.parent.and_then(|p| types[p]).unwrap_or("");
        let beside_media = node.parent.is_some_and(|p| siblings[p]);
        let depth_one = node.parent.is_some_and(|p| nodes[p].parent.is_none());
        let mut mode = match parent {
            Mode::Guarded | Mode::Opaque => parent,
            Mode::Free => free(key_of(text, node), kind, beside_media),
            Mode::Schema => schema(key_of(text, node)),
            Mode::Protocol if node.key.is_some() => protocol(
                key_of(text, node),
                kind,
                beside_media,
                depth_one,
                node.kind,
                dialect,
            ),
            Mode::Protocol => Mode::Protocol,
        };
        if mode == Mode::Protocol && types[index] == Some("compaction") {
            mode = Mode::Guarded;
        }
        if node.kind == Kind::String && is_media(&text[node.start + 1..node.end - 1]) {
            mode = Mode::Opaque;
        }
        modes.push(mode);
    }
    Ok(modes)
}

fn protocol(
    key: &str,
    kind: &str,
    beside_media: bool,
    depth_one: bool,
    value: Kind,
    dialect: Dialect,
) -> Mode {
    match key {
        "signature" | "encrypted_content" | "encrypted_index" | "encrypted_stdout" => Mode::Opaque,
        "data"
            if matches!(kind, "redacted_thinking" | "base64")
                || (kind.is_empty() && beside_media) =>
        {
            Mode::Opaque
        }
        "thinking" if kind == "thinking" => Mode::Guarded,
        "id" | "name" | "type" | "model" | "role" | "media_type" | "cache_control"
        | "container" | "betas" | "inference_geo" | "service_tier" | "speed" | "status"
        | "safety_identifier" | "prompt_cache_key" | "user" | "tool_choice" => Mode::Guarded,
        "metadata" if dialect == Dialect::Anthropic => Mode::Guarded,
        key if key.ends_with("_id") => Mode::Guarded,
        // A tool's input is the caller's; the Responses API calls its list of messages so too.
        "input" if !(dialect == Dialect::OpenAi && depth_one) => Mode::Free,
        "arguments" | "input_examples" | "metadata" => Mode::Free,
        "input_schema" | "parameters" | "schema" if value == Kind::Object => Mode::Schema,
        _ => Mode::Protocol,
    }
}

fn free(key: &str, kind: &str, beside_media: bool) -> Mode {
    match key {
        "data" if kind == "base64" && beside_media => Mode::Opaque,
        _ => Mode::Free,
    }
}

fn schema(key: &str) -> Mode {
    match key {
        "type" | "required" | "$ref" | "$schema" | "$id" | "format" | "pattern" => Mode::Guarded,
        _ => Mode::Schema,
    }
}

/// `data:image/png;base64,…`.
fn is_media(raw: &str) -> bool {
    raw.starts_with("data:")
        && raw.as_bytes()[..raw.len().min(120)]
            .windows(8)
            .any(|w| w == b";base64,")
}

#[cfg(test)]
mod tests {
    use super::super::tests::masker;
    use super::*;
    use proptest::prelude::*;

    fn masked(json: &str) -> MaskedBody {
        masker()
            .body(&Capture::new(json.as_bytes().to_vec()), Dialect::Anthropic)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    fn payload(json: &str) -> String {
        String::from_utf8(masked(json).payload.expect("allowed")).expect("UTF-8")
    }

    fn request(messages: &[String]) -> String {
        let messages: Vec<String> = messages
            .iter()
            .map(|m| {
                format!(
                    r#"{{"role":"user","content":{}}}"#,
                    serde_json::to_string(m).expect("a string")
                )
            })
            .collect();
        format!(r#"{{"model":"m","messages":[{}"#, messages.join(","))
    }

    #[test]
    fn a_nothing_found_body_is_byte_identical() {
        let json = "{ \"model\" :\"claude\",\"max_tokens\":1e3,\n \"messages\":[{\"role\":\"user\",\"content\":\"\\u4f1a\\u8b70\\/\\n 5\"}] }\n";
        assert_eq!(payload(json), json);
        assert_eq!(masked(json).stored, json.as_bytes());
    }

    #[test]
    fn only_the_value_changes_and_escapes_keep_their_style() {
        assert_eq!(
            payload(r#"{"messages":[{"content":"\u5c71\u7530\u592a\u90ce\u69d8 \u002b 東"}]}"#),
            r#"{"messages":[{"content":"Y.T.\u69d8 \u002b 東"}]}"#
        );
        assert_eq!(
            payload(r#"{"content":"\u6a2a\u6d5c\u5e02\u897f\u533a\u9ad8\u5cf61-2-3"}"#),
            r#"{"content":"\u795e\u5948\u5ddd\u770c"}"#
        );
    }

    #[test]
    fn tool_inputs_are_read_with_their_keys_as_labels() {
        assert_eq!(
            payload(
                r#"{"messages":[{"content":[{"type":"tool_use","id":"山田さん","name":"山田さん","input":{"name":"山田太郎","assignee":"中村","to":["鈴木"]}}]}]}"#
            ),
            r#"{"messages":[{"content":[{"type":"tool_use","id":"山田さん","name":"山田さん","input":{"name":"Y.T.","assignee":"N.","to":["S."]}}]}]}"#
        );
    }

    #[test]
    fn what_the_provider_signed_is_never_edited() {
        let json = r#"{"messages":[{"content":[{"type":"thinking","thinking":"山田さんは","signature":"山田さん"},{"type":"redacted_thinking","data":"山田さん"},{"content":"山田さん","type":"compaction"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"山田さん"}}]}]}"#;
        assert_eq!(payload(json), json);
    }

    #[test]
    fn prohibited_values_block_and_are_cut_from_what_is_stored() {
        for json in [
            r#"{"messages":[{"content":"カード 4111-1111-1111-1111 です"}]}"#,
            r#"{"messages":[{"content":[{"type":"thinking","thinking":"カード 4111-1111-1111-1111 です"}]}]}"#,
            r#"{"messages":[{"content":[{"type":"tool_use","input":{"pan":4111111111111111}}]}]}"#,
            r#"{"messages":[{"content":[{"type":"tool_use","input":{"4111111111111111":1}}]}]}"#,
        ] {
            let body = masked(json);
            assert!(body.payload.is_none());
            assert_eq!(body.blocks.len(), 1);
            let stored = String::from_utf8(body.stored).expect("UTF-8");
            assert!(stored.contains("[CUT:CARD]") && !stored.contains("1111"));
            assert!(serde_json::from_str::<serde_json::Value>(&stored).is_ok());
        }
    }

    #[test]
    fn a_name_spreads_to_later_strings_only() {
        assert_eq!(
            payload(
                r#"{"messages":[{"content":"小林が来た"},{"content":"小林さん"},{"content":"小林が来た"}]}"#
            ),
            r#"{"messages":[{"content":"小林が来た"},{"content":"K.さん"},{"content":"K.が来た"}]}"#
        );
    }

    #[test]
    fn one_value_has_one_tag_however_it_was_written() {
        let body =
            masked(r#"{"a":"090-1234-5678","b":"０９０１２３４５６７８","c":"090-1234-5679"}"#);
        let mut counts: Vec<u64> = body.tags.iter().map(|t| t.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
        assert_eq!(body.masks.iter().map(|m| m.count).sum::<u64>(), 3);
    }

    #[test]
    fn bad_bodies_are_refused_without_their_text() {
        let refused = |bytes: &[u8]| {
            masker()
                .body(&Capture::new(bytes.to_vec()), Dialect::Anthropic)
                .err()
        };
        assert_eq!(
            refused(b"{\"a\":\xff}"),
            Some(BodyError::NotUtf8 { offset: 5 })
        );
        assert_eq!(
            refused(b"{\"a\":x}"),
            Some(BodyError::NotJson { offset: 5 })
        );
        assert_eq!(
            refused("[".repeat(500).as_bytes()),
            Some(BodyError::TooDeep)
        );
        assert!(matches!(
            refused(br#"{"type":"text","type":"compaction"}"#),
            Some(BodyError::DuplicateType { .. })
        ));
    }

    #[test]
    fn arguments_stay_json_inside_their_string() {
        let json = r#"{"messages":[{"tool_calls":[{"function":{"name":"f","arguments":"{\"to\":\"hanako@example.jp\",\"note\":\"a\\nyamada@example.jp\",\"name\":\"山田太郎\"}"}}]}]}"#;
        let body = masker()
            .body(&Capture::new(json.as_bytes().to_vec()), Dialect::OpenAi)
            .unwrap_or_else(|e| panic!("{e}"));
        let value: serde_json::Value =
            serde_json::from_slice(&body.payload.expect("allowed")).expect("JSON");
        let inner = value["messages"][0]["tool_calls"][0]["function"]["arguments"]
            .as_str()
            .expect("a string");
        let inner: serde_json::Value = serde_json::from_str(inner).expect("JSON inside");
        assert_eq!(inner["to"], "****@example.jp");
        assert_eq!(inner["note"], "a\n****@example.jp");
        assert_eq!(inner["name"], "Y.T.");
    }

    /// Texts made of what the rules look for, and of what they must leave alone.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("山田太郎"),
            Just("佐藤"),
            Just("様"),
            Just("さん"),
            Just("です。"),
            Just("担当："),
            Just("、"),
            Just("\n"),
            Just(" "),
            Just("090-1234-5678"),
            Just("taro@example.jp"),
            Just("横浜市西区高島1-2-3"),
            Just("石川県"),
            Just("Taro Yamada"),
            Just("Y.T."),
            Just("会議は3階"),
            Just("\\u5c71\\u7530"),
            Just("5bGx55Sw5aSq6YOO"),
            Just("〒100-0001"),
            Just("氏名,年齢"),
            Just("\u{200B}"),
            Just("\"name\":\""),
            Just("ヤマダ タロウ"),
            Just("1"),
            Just("の"),
            Just("東京都"),
        ];
        let mark = prop_oneof![
            Just("、"),
            Just("。"),
            Just("\n"),
            Just("さん、"),
            Just("様\n"),
            Just(" / ")
        ];
        proptest::collection::vec((piece, mark), 0..12).prop_map(|pieces| {
            pieces
                .into_iter()
                .flat_map(|(piece, mark)| [piece, mark])
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_request_that_grew_keeps_its_masked_prefix(messages in proptest::collection::vec(texts(), 1..5), more in proptest::collection::vec(texts(), 1..4)) {
            let short = request(&messages);
            let long = request(&[messages, more].concat());
            let (a, b) = (masked(&(short + "]}")).payload, masked(&(long + "]}")).payload);
            if let (Some(a), Some(b)) = (a, b) {
                prop_assert!(b.starts_with(&a[..a.len() - 2]));
            }
        }

        #[test]
        fn masking_is_idempotent(pieces in proptest::collection::vec(texts(), 0..4)) {
            // Apart: what is masked beside a letter opens an edge where there was none.
            let text = pieces.join("\n");
            let once = masker().text(&text);
            if once.verdict == super::super::Verdict::Allow {
                let twice = masker().text(&once.masked);
                prop_assert_eq!(twice.masked, once.masked);
            }
        }

        #[test]
        fn spans_are_sound_and_masked_is_the_text_with_them_replaced(text in any::<String>(), more in texts()) {
            let text = text + &more;
            let found = masker().text(&text);
            let chars: Vec<char> = text.chars().collect();
            let (mut out, mut at) = (String::new(), 0);
            for span in &found.spans {
                prop_assert!(at <= span.start && span.start < span.end && span.end <= chars.len());
                prop_assert!(!span.replacement.contains(['"', '\\']));
                out.extend(&chars[at..span.start]);
                out.push_str(&span.replacement);
                at = span.end;
            }
            out.extend(&chars[at..]);
            prop_assert_eq!(out, found.masked);
        }

        #[test]
        fn a_masked_body_is_json_with_the_same_shape(text in texts(), other in any::<String>()) {
            let json = serde_json::json!({"messages": [{"content": text}, {"content": other}], "n": 1.5}).to_string();
            let body = masked(&json);
            for bytes in [Some(body.stored), body.payload].into_iter().flatten() {
                let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
                prop_assert_eq!(value["messages"].as_array().map(Vec::len), Some(2));
            }
        }
    }

    #[test]
    fn a_megabyte_of_one_thing_takes_bounded_time() {
        for unit in [
            "a",
            "0-",
            "山",
            "ア",
            "\\u",
            "%E5",
            "&#",
            "1 ",
            "(",
            "東京都",
            "山田様",
            "様",
            "アア・",
            "4111",
            "ー",
            "\n",
            "Taro ",
        ] {
            let text = unit.repeat(200_000 / unit.len());
            let begin = std::time::Instant::now();
            let _ = masker().text(&text);
            assert!(
                begin.elapsed().as_secs() < 10,
                "{unit:?} took {:?}",
                begin.elapsed()
            );
        }
    }
}
