use crate::class::Class;
use crate::time::Month;
use crate::values::{Ascii, Hash, Label, Name, ValueError, text_value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Where content lives: one retention class in one month, written `operation/2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId {
    pub class: Class,
    pub month: Month,
}

impl BucketId {
    fn as_text(&self) -> String {
        format!("{}/{}", self.class, self.month)
    }
}

impl FromStr for BucketId {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fault = ValueError::Malformed {
            what: "bucket",
            rule: "CLASS/YYYY-MM, as operation/2026-11",
        };
        let (class, month) = text.split_once('/').ok_or_else(|| fault.clone())?;
        Ok(BucketId {
            class: class.parse().map_err(|_| fault.clone())?,
            month: month.parse().map_err(|_| fault.clone())?,
        })
    }
}
text_value!(
    BucketId,
    "^[a-z0-9][a-z0-9._-]{0,63}/[0-9]{4}-(0[1-9]|1[0-2])$",
    "class and month"
);

/// Whose a content is, in one bucket: the id of the key that seals it, which is chance. Nobody can
/// be told from it, and the same person has another in every bucket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataSubject(pub [u8; 16]);

impl DataSubject {
    fn as_text(&self) -> Ascii<32> {
        let mut text = [0; 32];
        hex::encode_to_slice(self.0, &mut text).expect("two digits for each byte");
        Ascii(text)
    }
}

impl fmt::Debug for DataSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataSubject({self})")
    }
}

impl FromStr for DataSubject {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fault = ValueError::Malformed {
            what: "subject",
            rule: "32 lower-case hex digits",
        };
        if text.len() != 32 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(fault);
        }
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| fault)?;
        Ok(DataSubject(bytes))
    }
}
text_value!(
    DataSubject,
    "^[0-9a-f]{32}$",
    "id of the key that seals one person's content of a bucket"
);

/// An entry's promise about content kept beside the log.
///
/// It commits to the *sealed* bytes, so that anyone can check them without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentRef {
    /// What the content is to its event: `request`, `payload`, `response`, `patch` …
    pub name: Name,
    pub media: Label,
    pub bucket: BucketId,
    /// SHA-256 of the sealed bytes.
    pub sealed: Hash,
    /// Length of the sealed bytes.
    pub sealed_bytes: u64,
    /// Length of the content itself.
    pub plain_bytes: u64,
    /// Whose it is. Absent where it is no one person's: the bucket's own key seals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<DataSubject>,
}
