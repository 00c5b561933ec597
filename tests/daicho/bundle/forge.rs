//! Bundles that no daicho wrote: a log signed here, entry by entry, with any key.

use crate::world::ORIGIN;
use base64::{Engine, engine::general_purpose::STANDARD};
use curve25519_dalek::Scalar;
use ed25519_dalek::{Signer, SigningKey};
use ledger::Checkpoint;
use ledger::tree::{Tree, leaf_hash};
use schemas::kinds::defence::DrillCompleted;
use schemas::kinds::ledger::{KeyRotated, LedgerCreated, RotationReason};
use schemas::{Data, Envelope, Event, EventId, Hash, Timestamp};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;

pub type Members = BTreeMap<String, Vec<u8>>;

/// Signs whatever it is given.
#[derive(Clone, Copy)]
pub enum Forger {
    Seed(u8),
    /// Under the key of the neutral point the signature (1, 0) holds for every message, for
    /// whoever does not look at the key.
    Weak,
    /// A real key, and an R of small order: holds by the equation alone.
    SmallR(u8),
}

const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

impl Forger {
    fn public(self) -> [u8; 32] {
        match self {
            Forger::Seed(seed) | Forger::SmallR(seed) => SigningKey::from_bytes(&[seed; 32])
                .verifying_key()
                .to_bytes(),
            Forger::Weak => NEUTRAL,
        }
    }

    fn sign(self, message: &[u8]) -> [u8; 64] {
        match self {
            Forger::Seed(seed) => SigningKey::from_bytes(&[seed; 32]).sign(message).to_bytes(),
            Forger::Weak => [NEUTRAL, [0; 32]].concat().try_into().unwrap(),
            Forger::SmallR(seed) => {
                let secret = SigningKey::from_bytes(&[seed; 32]).to_scalar();
                let hash = Sha512::new()
                    .chain_update(NEUTRAL)
                    .chain_update(self.public())
                    .chain_update(message);
                let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
                [NEUTRAL, (k * secret).to_bytes()]
                    .concat()
                    .try_into()
                    .unwrap()
            }
        }
    }

    fn signed_key(self) -> ([u8; 4], Vec<u8>) {
        let key = [&[1][..], &self.public()].concat();
        let digest = Sha256::new()
            .chain_update(ORIGIN)
            .chain_update("\n")
            .chain_update(&key)
            .finalize();
        ([digest[0], digest[1], digest[2], digest[3]], key)
    }

    pub fn vkey(self) -> String {
        let (id, key) = self.signed_key();
        format!("{ORIGIN}+{}+{}", hex::encode(id), STANDARD.encode(key))
    }

    pub fn note(self, text: &str) -> String {
        let signature = self.sign(text.as_bytes());
        let line = STANDARD.encode([&self.signed_key().0[..], &signature].concat());
        format!("{text}\n— {ORIGIN} {line}\n")
    }
}

/// A log as its signers would have it.
pub struct Forged {
    pub signers: Vec<Forger>,
    /// Who signs the checkpoint.
    pub last: Forger,
    /// Positions of key.rotated entries and the keys that they name.
    pub rotations: Vec<(u64, Forger)>,
    /// What the log says instead, at this position and in this body.
    pub twist: fn(u64, String) -> String,
    /// What its checkpoint says beyond three lines.
    pub more: &'static str,
}

impl Forged {
    /// A log of eight entries whose key becomes another after entry 4.
    pub fn rotated(a: Forger, b: Forger) -> Forged {
        Forged {
            signers: vec![a, a, a, a, a, b, b, b],
            last: b,
            rotations: vec![(4, b)],
            ..Forged::of(a)
        }
    }

    pub fn of(one: Forger) -> Forged {
        Forged {
            signers: vec![one; 6],
            last: one,
            rotations: Vec::new(),
            twist: |_, body| body,
            more: "",
        }
    }

    /// A bundle of some of its entries.
    pub fn bundle(&self, template: &Members, positions: &[u64]) -> Members {
        let (mut tree, mut prev, mut lines) = (Tree::default(), Hash::ZERO, Vec::new());
        for (seq, signer) in (0..).zip(&self.signers) {
            let rotated = self.rotations.iter().find(|(at, _)| *at == seq);
            let data: Data = match rotated {
                _ if seq == 0 => LedgerCreated {
                    origin: ORIGIN.parse().unwrap(),
                    vkey: self.signers[0].vkey().parse().unwrap(),
                }
                .into(),
                Some((_, next)) => KeyRotated {
                    vkey: next.vkey().parse().unwrap(),
                    reason: RotationReason::Scheduled,
                }
                .into(),
                None => DrillCompleted {
                    drill: "restore".parse().unwrap(),
                    passed: true,
                    duration_seconds: 5,
                }
                .into(),
            };
            let at = Timestamp::from_micros(1_790_000_000_000_000 + seq as i64);
            let event = Event::new(
                EventId::new(at, [seq as u8; 10]),
                "service:ledger".parse().unwrap(),
                data,
            );
            let body = Envelope {
                seq,
                at,
                event,
                content: Vec::new(),
                prev,
            }
            .to_body()
            .unwrap();
            let body = (self.twist)(seq, String::from_utf8(body).unwrap()).into_bytes();
            prev = leaf_hash(&body);
            tree.push(prev);
            let message = [format!("daicho/entry/v1\n{ORIGIN}\n").as_bytes(), &prev.0].concat();
            let signature = STANDARD.encode(signer.sign(&message));
            lines.push([&body, &b"\t"[..], signature.as_bytes()].concat());
        }
        let size = tree.size();
        let line = |seq: &u64| {
            let path = tree.inclusion_proof(*seq, size).unwrap();
            let path = path
                .iter()
                .map(|hash| format!("\t{}", STANDARD.encode(hash.0)));
            let path = path.collect::<String>() + "\n";
            [&lines[*seq as usize][..], path.as_bytes()].concat()
        };
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree.root(),
        };
        let mut members = template.clone();
        members
            .retain(|name, _| ["FORMAT.md", "verify.html", "verify.py"].contains(&name.as_str()));
        members.insert("entries".into(), positions.iter().flat_map(line).collect());
        members.insert(
            "checkpoint".into(),
            self.last
                .note(&(checkpoint.to_text() + self.more))
                .into_bytes(),
        );
        members
    }
}
