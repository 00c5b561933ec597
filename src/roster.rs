//! The company's rosters: lists of people, sealed in the log under a key of their own, so that
//! they can be destroyed before their bucket's time has come.
//!
//! A change is an adoption of the policy `roster` whose digest is the roster's keyed tag; 64
//! zeros say that there is none any more.

use crate::config::write_private;
use crate::outcome::Failure;
use crate::policies::{Adoption, CONTENT};
use aes_gcm_siv::aead::{Aead, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use agents::masking::{Roster, TagKey};
use anyhow::{Context, anyhow};
use ledger::{Layout, Reader};
use schemas::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The name under which rosters are adopted.
pub const POLICY: &str = "roster";

/// The digest that says that there is no roster.
pub const NONE: Hash = Hash::ZERO;

const REMEDY: &str = "load it again after `daicho roster remove --all`, or restore keys/roster.key";

/// The roster of an adoption.
pub fn read(
    reader: &Reader,
    adopted: Adoption,
    key: &TagKey,
) -> Result<Option<Arc<Roster>>, Failure> {
    if adopted.digest == NONE {
        return Ok(None);
    }
    let opened = || {
        let entry = reader.entry(adopted.position)?;
        let mut contents = entry.content().iter();
        let reference = contents.find(|content| content.name.as_str() == CONTENT);
        let sealed = reader.content(reference.context("the event has no content")?)?;
        let text = open(reader.layout(), &sealed)?;
        anyhow::Ok(Roster::new(&text, key)?)
    };
    let roster = opened().map_err(|fault| {
        let at = adopted.position;
        Failure::new(
            fault.context(format!("the roster adopted at {at} cannot be read")),
            REMEDY,
        )
    })?;
    Ok(Some(Arc::new(roster)))
}

/// Seals a roster's text; `fresh` under a new key, which is not the ledger's until
/// [`destroy_old_key`].
pub fn seal(layout: &Layout, text: &str, fresh: bool) -> Result<Vec<u8>, Failure> {
    let path = if fresh { next(layout) } else { current(layout) };
    if fresh && path.exists() {
        std::fs::remove_file(&path).context("keys/roster.next.key cannot be removed")?;
    }
    if !path.exists() {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).context("the system gives no randomness for a key")?;
        write_private(&path, &*key)?;
    }
    // The nonce may repeat: without one, equal rosters are seen to be equal, and no more.
    let sealed = cipher(&path)?.encrypt(&Nonce::default(), text.as_bytes());
    Ok(sealed.map_err(|_| anyhow!("a roster of this length cannot be sealed"))?)
}

fn open(layout: &Layout, sealed: &[u8]) -> anyhow::Result<Zeroizing<String>> {
    // The next key is there alone if a removal stopped half way.
    for path in [current(layout), next(layout)] {
        if let Ok(cipher) = cipher(&path)
            && let Ok(text) = cipher.decrypt(&Nonce::default(), sealed)
        {
            return Ok(Zeroizing::new(String::from_utf8(text)?));
        }
    }
    Err(anyhow!("its key is not there any more"))
}

/// Ends every roster that was sealed before: the next key takes the old one's place, or none.
pub fn destroy_old_key(layout: &Layout) -> Result<(), Failure> {
    let (current, next) = (current(layout), next(layout));
    let done = if next.exists() {
        std::fs::rename(&next, &current)
    } else if current.exists() {
        std::fs::remove_file(&current)
    } else {
        Ok(())
    };
    done.with_context(|| format!("{} cannot be destroyed", current.display()))?;
    Ok(())
}

/// A removal stopped before it destroyed the old key: whoever writes next does.
pub fn is_half_removed(layout: &Layout) -> bool {
    next(layout).exists()
}

fn cipher(path: &Path) -> anyhow::Result<Aes256GcmSiv> {
    let key = Zeroizing::new(std::fs::read(path)?);
    Aes256GcmSiv::new_from_slice(&key).map_err(|_| anyhow!("{} is no key", path.display()))
}

fn current(layout: &Layout) -> PathBuf {
    layout.keys().join("roster.key")
}

fn next(layout: &Layout) -> PathBuf {
    layout.keys().join("roster.next.key")
}
