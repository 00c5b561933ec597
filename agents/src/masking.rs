//! Stand-in until the masking rules are merged: the same names, two literal rules.
#![allow(dead_code)]

use crate::capture::Capture;
use schemas::Hash;
use schemas::kinds::traffic::{MaskTag, RuleCount};

pub enum Dialect {
    Anthropic,
    OpenAi,
}

pub struct MaskedBody {
    pub payload: Option<Vec<u8>>,
    pub stored: Vec<u8>,
    pub masks: Vec<RuleCount>,
    pub blocks: Vec<RuleCount>,
    pub tags: Vec<MaskTag>,
}

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is not JSON")]
    NotJson,
}

pub struct Masker;

impl Masker {
    pub fn body(&self, capture: &Capture, _: Dialect) -> Result<MaskedBody, BodyError> {
        serde_json::from_slice::<serde::de::IgnoredAny>(capture.raw())
            .map_err(|_| BodyError::NotJson)?;
        let text = std::str::from_utf8(capture.raw()).map_err(|_| BodyError::NotJson)?;
        let (stored, blocks) = self.cut(text);
        let count = text.matches("山田太郎").count() as u64;
        let masks = if count == 0 {
            vec![]
        } else {
            vec![RuleCount {
                rule: "name".parse().expect("a name"),
                count,
            }]
        };
        let tags = masks
            .iter()
            .map(|m| MaskTag {
                rule: m.rule.clone(),
                tag: schemas::Label::lossy("00"),
                count,
            })
            .collect();
        let payload = blocks
            .is_empty()
            .then(|| stored.replace("山田太郎", "Y.T.").into_bytes());
        Ok(MaskedBody {
            payload,
            stored: stored.into_bytes(),
            masks,
            blocks,
            tags,
        })
    }

    pub fn cut(&self, text: &str) -> (String, Vec<RuleCount>) {
        const KEY: &str = "sk-ant-api03-";
        let mut out = String::new();
        let (mut rest, mut count) = (text, 0);
        while let Some(at) = rest.find(KEY) {
            out.push_str(&rest[..at]);
            out.push_str("[cut]");
            let end = rest[at..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)))
                .unwrap_or(rest.len() - at);
            rest = &rest[at + end..];
            count += 1;
        }
        out.push_str(rest);
        let counts = if count == 0 {
            vec![]
        } else {
            vec![RuleCount {
                rule: "secret".parse().expect("a name"),
                count,
            }]
        };
        (out, counts)
    }

    pub fn policy(&self) -> Hash {
        Hash::ZERO
    }
}
