//! C2SP tlog-cosignature, cosignature/v1: who saw a checkpoint, and when.
//!
//! ```text
//! vkey      = name "+" hex(keyid) "+" base64(0x04 ‖ public key)
//! signature = uint64 timestamp (big endian) ‖ Ed25519(key, message)
//! message   = "cosignature/v1" LF "time " timestamp LF checkpoint text
//! ```

use crate::note::{KeyError, Note, NoteError, key_id, sound_name};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// C2SP signed-note: signature type of timestamped Ed25519 cosignatures.
const COSIGNATURE: u8 = 0x04;

/// Go's integers are signed: a time beyond this could be read in two ways.
const MAX_TIME: u64 = i64::MAX as u64;

/// The public half of a witness.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey {
    name: String,
    id: [u8; 4],
    public: VerifyingKey,
}

impl CosignerKey {
    fn new(name: &str, public: VerifyingKey) -> Result<CosignerKey, KeyError> {
        if !sound_name(name) {
            return Err(KeyError::WrongName);
        }
        if public.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(CosignerKey {
            name: name.to_owned(),
            id: key_id(name, COSIGNATURE, public.as_bytes()),
            public,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// When this witness saw the note's text: the newest of its cosignatures, each of which
    /// has to hold. `None` when it has not cosigned.
    pub fn cosigned(&self, note: &Note<'_>) -> Result<Option<u64>, NoteError> {
        let mut newest = None;
        for bytes in note.signatures_of(&self.name, self.id) {
            let wrong = || NoteError::WrongSignature(self.name.clone());
            let (time, signature) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
            let signature: &[u8; 64] = signature.try_into().map_err(|_| wrong())?;
            let time = u64::from_be_bytes(*time);
            if time == 0 || time > MAX_TIME {
                return Err(wrong());
            }
            self.public
                .verify_strict(
                    &message(note.unverified_text(), time),
                    &ed25519_dalek::Signature::from_bytes(signature),
                )
                .map_err(|_| wrong())?;
            newest = newest.max(Some(time));
        }
        Ok(newest)
    }
}

fn message(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[COSIGNATURE][..], self.bytes()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({self})")
    }
}

/// Name, key id and the 32 bytes of a key in text. The base64 may hold a `+`, so this splits
/// from the left.
fn split(text: &str) -> Result<(&str, &str, Zeroizing<[u8; 32]>), KeyError> {
    let mut parts = text.trim_end().splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Malformed);
    };
    let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyError::WrongBase64)?);
    let Some((&COSIGNATURE, bytes)) = key.split_first() else {
        return Err(KeyError::WrongType);
    };
    let bytes = bytes.try_into().map_err(|_| KeyError::WrongType)?;
    Ok((name, id, Zeroizing::new(bytes)))
}

impl FromStr for CosignerKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, public) = split(text)?;
        let public = VerifyingKey::from_bytes(&public).map_err(|_| KeyError::WrongType)?;
        let key = CosignerKey::new(name, public)?;
        if hex::encode(key.id) != id {
            return Err(KeyError::WrongHash);
        }
        Ok(key)
    }
}

/// The secret half of a witness. Neither `Debug` nor `Serialize`; wiped when dropped.
pub struct Cosigner {
    key: CosignerKey,
    secret: SigningKey,
}

impl Cosigner {
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Cosigner, KeyError> {
        let secret = SigningKey::from_bytes(seed);
        let key = CosignerKey::new(name, secret.verifying_key())?;
        Ok(Cosigner { key, secret })
    }

    /// `PRIVATE+KEY+name+hash+base64(04 ‖ seed)`.
    pub fn parse(text: &str) -> Result<Cosigner, KeyError> {
        let rest = text.strip_prefix("PRIVATE+KEY+");
        let (name, id, seed) = split(rest.ok_or(KeyError::Malformed)?)?;
        let signer = Cosigner::from_seed(name, &seed)?;
        if hex::encode(signer.key.id) != id {
            return Err(KeyError::WrongHash);
        }
        Ok(signer)
    }

    pub fn to_text(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new(vec![COSIGNATURE]);
        key.extend_from_slice(self.secret.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(&*key));
        let (name, id) = (&self.key.name, hex::encode(self.key.id));
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{id}+{}\n", *encoded))
    }

    pub fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// The signature line over a checkpoint's text. Seconds outside 1 to 2^63-1 become the
    /// nearest of them: 0 would say that no time is claimed.
    pub fn cosign(&self, text: &str, seconds: u64) -> String {
        let time = seconds.clamp(1, MAX_TIME);
        let mut signed = self.key.id.to_vec();
        signed.extend(time.to_be_bytes());
        signed.extend(self.secret.sign(&message(text, time)).to_bytes());
        format!("— {} {}\n", self.key.name, STANDARD.encode(signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VKEY: &str = "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";
    const TEXT: &str = "example.com/daicho\n1000\n+lAdkdKvGCSBInW09Qt1gE+1YDSZU5i7a1Azj5+SLu8=\n";
    const LINE: &str = "— witness.example/w1 JLXZ/gAAAABqsTuA+aKJ0fICvrYGhHbEGO8HvrzMVNTBAX51x9YW0z31YXQq1vi53r1UORcuCwGk3BLYjCRbyZu3IQHWWWyflNnuCQ==\n";

    #[test]
    fn a_cosignature_agrees_with_the_golden_vector() {
        let cosigner = Cosigner::from_seed("witness.example/w1", &[9; 32]).expect("a name");
        assert_eq!(cosigner.key().to_string(), VKEY);
        assert_eq!(VKEY.parse(), Ok(cosigner.key().clone()));
        assert_eq!(cosigner.cosign(TEXT, 1_790_000_000), LINE);
        let again = Cosigner::parse(&cosigner.to_text()).expect("its own text");
        assert_eq!(again.key(), cosigner.key());

        let note = format!("{TEXT}\n{LINE}");
        let note = Note::parse(note.as_bytes()).expect("a note");
        assert_eq!(cosigner.key().cosigned(&note), Ok(Some(1_790_000_000)));
        let other = Cosigner::from_seed("witness.example/w1", &[8; 32]).expect("a name");
        assert_eq!(other.key().cosigned(&note), Ok(None));
        let forged = format!("{}\n{LINE}", TEXT.replace("1000", "1001"));
        let forged = Note::parse(forged.as_bytes()).expect("a note");
        assert!(cosigner.key().cosigned(&forged).is_err());
    }

    #[test]
    fn a_weak_or_a_log_s_key_is_no_witness() {
        let weak = STANDARD.encode([&[COSIGNATURE, 1][..], &[0; 31]].concat());
        let weak = format!("w+00000000+{weak}");
        assert_eq!(weak.parse::<CosignerKey>(), Err(KeyError::Weak));
        let log = "example.com/daicho+f39861c3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
        assert_eq!(log.parse::<CosignerKey>(), Err(KeyError::WrongType));
        let other = VKEY.replace("24b5", "24b6");
        assert_eq!(other.parse::<CosignerKey>(), Err(KeyError::WrongHash));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}", key in "[a-z]{1,3}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}") {
            let _ = text.parse::<CosignerKey>();
            let _ = key.parse::<CosignerKey>();
            let _ = Cosigner::parse(&format!("PRIVATE+KEY+{text}"));
        }
    }
}
