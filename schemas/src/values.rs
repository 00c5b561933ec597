use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Why a text is not the value it should be. Never holds the text itself: it may be private.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("a {what} must be {rule}")]
    Malformed {
        what: &'static str,
        rule: &'static str,
    },
}

/// Gives a text-like value its serde, `Display` and schema from `FromStr` and `as_text`.
macro_rules! text_value {
    ($type:ident, $pattern:literal, $doc:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.as_text())
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.as_text())
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Parsed where it stands in the input: a `Cow` would be copied first.
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $doc })
            }
        }
    };
}
pub(crate) use text_value;

/// A text of so many ASCII characters, without an allocation: each body holds several.
pub(crate) struct Ascii<const N: usize>(pub [u8; N]);

impl<const N: usize> std::ops::Deref for Ascii<N> {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII was written")
    }
}

/// A SHA-256 digest, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    pub const ZERO: Hash = Hash([0; 32]);

    pub(crate) fn as_text(&self) -> Ascii<64> {
        let mut text = [0; 64];
        hex::encode_to_slice(self.0, &mut text).expect("two digits for each byte");
        Ascii(text)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fault = ValueError::Malformed {
            what: "hash",
            rule: "64 lower-case hex digits",
        };
        if text.len() != 64 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(fault);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| fault)?;
        Ok(Hash(bytes))
    }
}
text_value!(Hash, "^[0-9a-f]{64}$", "SHA-256 as lower-case hex");

/// A handle: what ids of actors, rules and classes are made of. Never a person's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// Long enough for any staff number or host name, short enough for a syslog header.
    pub const MAX_BYTES: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn as_text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let sound = (1..=Self::MAX_BYTES).contains(&text.len())
            && plain(text.as_bytes()[0])
            && text
                .bytes()
                .all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
        if !sound {
            let rule = "1 to 64 of a-z 0-9 . _ - and begin with a letter or digit";
            return Err(ValueError::Malformed { what: "name", rule });
        }
        Ok(Name(text.into()))
    }
}
text_value!(Name, "^[a-z0-9][a-z0-9._-]{0,63}$", "a handle");

/// A short line written by a machine (a model's name, a file path, a version, a rule id).
///
/// What people write belongs into sealed content: a label lives as long as the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Box<str>);

impl Label {
    pub const MAX_CHARS: usize = 256;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest label to any text: control characters become spaces, the end is cut.
    pub fn lossy(text: &str) -> Label {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(Self::MAX_CHARS)
            .collect();
        if line.is_empty() {
            Label("-".into())
        } else {
            Label(line.into())
        }
    }

    fn as_text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        // Most are ASCII, and checked in a fraction of the time, many bytes at once: to the end.
        let plain = |plain, byte: u8| plain & (0x20..0x7f).contains(&byte);
        let sound = if text.bytes().fold(true, plain) {
            (1..=Self::MAX_CHARS).contains(&text.len())
        } else {
            text.chars().count() <= Self::MAX_CHARS && !text.chars().any(char::is_control)
        };
        if !sound {
            let rule = "1 to 256 characters on one line, without control characters";
            return Err(ValueError::Malformed {
                what: "label",
                rule,
            });
        }
        Ok(Label(text.into()))
    }
}
text_value!(Label, "^[^\\p{Cc}]{1,256}$", "a short line");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_back_exactly_and_only_in_lower_case() {
        let text = "0f".repeat(32);
        assert_eq!(text.parse::<Hash>().expect("sound").to_string(), text);
        assert!(text.to_uppercase().parse::<Hash>().is_err());
        assert!("0f".parse::<Hash>().is_err());
    }

    #[test]
    fn names_and_labels_refuse_what_could_break_a_line() {
        for bad in ["", "A", "-a", "a b", "山田", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err());
        }
        for bad in ["", "a\nb", "a\u{0}b", &"x".repeat(257)] {
            assert!(bad.parse::<Label>().is_err());
            assert!(Label::lossy(bad).as_str().parse::<Label>().is_ok());
        }
    }
}
