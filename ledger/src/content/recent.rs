//! What was sealed lately, in memory: what the next content may be equal to, or packed against.
//! All of it can be forgotten; then the next content of each conversation is stored whole.

use super::pack::{Frame, sealed_bytes};
use super::seal::Under;
use schemas::Hash;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use zeroize::Zeroizing;

/// Shorter content is stored whole: to be like another gains little.
const LEAST_PLAIN_BYTES: usize = 4 << 10;

/// Longer content is not kept to be packed against, and no reader takes a longer base.
pub const MOST_BASE_BYTES: usize = 16 << 20;

/// Memory for the plain text of recent contents; a context of today is half a megabyte.
const MOST_BYTES: usize = 64 << 20;

/// Half as many conversations can go on at the same time.
const MOST_TIPS: usize = 128;

/// Contents that are known by their tag, twice at most; each takes some 100 bytes.
const MOST_TAGS: usize = 1 << 15;

/// Sealed bytes that are in a pack, or on their way to one for as long as someone holds them.
#[derive(Clone)]
pub struct Sent {
    pub digest: Hash,
    pub sealed_bytes: u64,
    pub frame: Weak<Frame>,
}

impl Sent {
    pub fn of(frame: &Arc<Frame>) -> Sent {
        Sent {
            digest: frame.digest,
            sealed_bytes: sealed_bytes(frame.boxed.len()),
            frame: Arc::downgrade(frame),
        }
    }
}

/// A content that others may be packed against: one of the newest of its conversation.
pub struct Tip {
    pub under: Under,
    pub sent: Sent,
    pub plain: Zeroizing<Vec<u8>>,
    /// What reading it takes, all in all, and from its base on.
    pub reading: Reading,
    pub last_step: Reading,
    pub base: Hash,
    /// What the newest of those that lead to it was beside.
    pub beside: Hash,
    /// It goes on from its base, which need not be kept for long.
    pub goes_on: bool,
}

/// What it takes to read a content.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Contents that lead to it.
    pub steps: u32,
    /// Bytes that are written.
    pub work: u64,
}

impl Reading {
    /// Longer chains are not made, and no reader follows them: then one is stored whole.
    const MOST: Reading = Reading {
        steps: 4_096,
        work: 256 << 20,
    };

    pub fn and(self, more: Reading) -> Reading {
        Reading {
            steps: self.steps.saturating_add(more.steps),
            work: self.work.saturating_add(more.work),
        }
    }

    pub fn fits(self) -> bool {
        self.steps <= Reading::MOST.steps && self.work <= Reading::MOST.work
    }
}

#[derive(Default)]
pub struct Recent {
    /// The newest last. A tip serves under its own key only: nothing is packed against what another
    /// seals.
    tips: Vec<Arc<Tip>>,
    /// By what equal content has in common under its key: these, and those before.
    tags: HashMap<[u8; 32], Sent>,
    older_tags: HashMap<[u8; 32], Sent>,
}

impl Recent {
    /// What equal content was sealed to.
    pub fn equal(&self, tag: &[u8; 32]) -> Option<Sent> {
        let sent = self.tags.get(tag).or_else(|| self.older_tags.get(tag));
        sent.cloned()
    }

    /// What a content of this length may be packed against, the newest first.
    pub fn tips(&self, under: &Under, len: usize) -> Vec<Arc<Tip>> {
        let tips = self.tips.iter().rev();
        let here = tips.filter(|tip| fits(len) && tip.under == *under);
        here.cloned().collect()
    }

    /// Nothing that is sealed under these keys stays in the clear.
    pub fn forget(&mut self, under: impl Fn(&Under) -> bool) {
        self.tips.retain(|tip| !under(&tip.under));
    }

    pub fn add_tag(&mut self, tag: [u8; 32], sent: Sent) {
        if self.tags.len() == MOST_TAGS {
            self.older_tags = std::mem::take(&mut self.tags);
        }
        self.tags.insert(tag, sent);
    }

    /// Keeps a content to be packed against. The one that it goes on from stays for a turn, in
    /// case that this one is in a batch that is refused; the one before that is let go.
    pub fn add_tip(&mut self, tip: Tip) {
        if !fits(tip.plain.len()) {
            return;
        }
        let from = self.tips.iter().find(|from| from.sent.digest == tip.base);
        let from = from.filter(|from| tip.goes_on && from.goes_on);
        let before = from.map(|from| from.base);
        let digest = tip.sent.digest;
        self.tips
            .retain(|old| old.sent.digest != digest && Some(old.sent.digest) != before);
        self.tips.push(Arc::new(tip));
        let mut bytes: usize = self.tips.iter().map(|tip| tip.plain.len()).sum();
        let mut tips = self.tips.len();
        self.tips.retain(|tip| {
            let stays = bytes <= MOST_BYTES && tips <= MOST_TIPS;
            if !stays {
                bytes -= tip.plain.len();
                tips -= 1;
            }
            stays
        });
    }
}

fn fits(len: usize) -> bool {
    (LEAST_PLAIN_BYTES..=MOST_BASE_BYTES).contains(&len)
}
