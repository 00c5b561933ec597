//! Keyed tags: the same value can be linked across events, and cannot be read or enumerated.
//!
//! A plain hash would not do: there are only 10¹⁰ phone numbers to try.

use hmac::{Hmac, KeyInit, Mac};
use schemas::Label;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the HMAC that a tag keeps.
const TAG_BYTES: usize = 16;

/// The key of all tags. Destroyed, no tag can be linked to a value any more.
#[derive(Clone)]
pub struct TagKey(Zeroizing<[u8; 32]>);

impl TagKey {
    pub fn new(bytes: [u8; 32]) -> TagKey {
        TagKey(Zeroizing::new(bytes))
    }

    /// The tag of a rule's value in its normal form.
    pub(super) fn tag(&self, rule: &str, value: &str) -> Label {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(rule.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        Label::lossy(&hex::encode(&mac.finalize().into_bytes()[..TAG_BYTES]))
    }
}

impl TagKey {
    /// The key of a memo: like a tag, it can be compared and not read.
    pub(super) fn fingerprint(&self, parts: [&[u8]; 4]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of any length");
        // No rule's name begins so: a fingerprint is never a tag.
        mac.update(&[0]);
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The tag of a stream's bytes up to any place of it.
#[derive(Clone)]
pub struct StreamTag(Hmac<Sha256>);

impl TagKey {
    pub fn stream(&self) -> StreamTag {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of any length");
        // Nor does a rule's name begin so.
        mac.update(&[1]);
        StreamTag(mac)
    }
}

impl StreamTag {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn tag(&self) -> Label {
        let mac = self.0.clone().finalize().into_bytes();
        Label::lossy(&hex::encode(&mac[..TAG_BYTES]))
    }
}

/// A value without the spaces and breaks that writing put into it.
pub(super) fn squeeze(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_key_rule_and_value() {
        let key = TagKey::new([7; 32]);
        let tag = key.tag("phone", "09012345678");
        assert_eq!(tag, TagKey::new([7; 32]).tag("phone", "09012345678"));
        assert_ne!(tag, TagKey::new([8; 32]).tag("phone", "09012345678"));
        assert_ne!(tag, key.tag("person", "09012345678"));
        assert_eq!(tag.as_str().len(), 32);
    }
}
