//! The masker as this ledger configures it.

use crate::config::{Config, write_private};
use crate::outcome::Failure;
use crate::policies::{self, Text};
use crate::views::Views;
use crate::{cli, commands, roster};
use agents::approvals::signature::to_armour;
use agents::masking::{Masker, Policy, TagKey};
use anyhow::Context;
use ledger::clock::{Clock, SystemClock};
use ledger::{Layout, Reader};
use schemas::Timestamp;
use schemas::kinds::acting::SignatureText;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The masker of a ledger under the policy of its configuration.
pub fn of_ledger(layout: &Layout, config: &Config) -> Result<Masker, Failure> {
    build(config.masking.clone(), tag_key(layout)?)
}

/// The same, with the roster that is in force beside it.
pub fn in_force(reader: &Reader, views: &Views, config: &Config) -> Result<Masker, Failure> {
    let layout = reader.layout();
    let masker = of_ledger(layout, config)?;
    let Some(adopted) = views.policies.read(|p| p.in_force(roster::POLICY)) else {
        return Ok(masker);
    };
    let roster = roster::read(reader, adopted, &tag_key(layout)?)?;
    Ok(match roster {
        Some(roster) => masker.with_roster(roster),
        None => masker,
    })
}

/// The rules of whoever masks by hand beside a ledger, now: those in force there with its roster,
/// or the configured ones where none is, or where a change is to be tried.
///
/// What cannot be read there is a failure: masked by other rules it might leave.
pub fn by_hand(data: &Path, configured: bool) -> Result<Masker, Failure> {
    let layout = Layout::new(data);
    let mut config = Config::load(&layout)?;
    if configured || !layout.log().is_dir() {
        // Who names a ledger is told where there is none.
        if !configured && data != Path::new(cli::DATA) {
            eprintln!(
                "note: there is no ledger in {}; masked by its daicho.toml or the default policy, without a roster",
                data.display()
            );
        }
        return alone(config.masking);
    }
    let help = "--configured masks as daicho.toml says, without the roster";
    let mut here = || {
        let reader = Reader::open(data).map_err(commands::open_failed)?;
        let views = Views::open(reader.clone())?;
        if let Some(adopted) = views.policies.read(|p| p.in_force(MASKING)) {
            let wanted = Text::of(&config, MASKING)?;
            if adopted.digest != wanted.digest {
                config.put(MASKING, &policies::read(&reader, MASKING, adopted)?)?;
                // A program of other rules makes another digest of equal settings: no change.
                if config.masking.digest() != wanted.digest {
                    let waits = policies::waiting(&[MASKING]);
                    waits.inspect(|waits| eprintln!("note: {waits}"));
                }
            }
        }
        let masker = in_force(&reader, &views, &config)?;
        views.save();
        Ok(masker.at(SystemClock.now().max(reader.head().at)))
    };
    here().map_err(|failure: Failure| Failure {
        help: Some(match failure.help {
            Some(remedy) => format!("{remedy}; {help}"),
            None => help.to_owned(),
        }),
        ..failure
    })
}

const MASKING: &str = "masking";

/// The key that a ledger's tags are made under.
pub fn tag_key(layout: &Layout) -> Result<TagKey, Failure> {
    let path = layout.keys().join("mask.key");
    if !path.exists() {
        let mut fresh = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *fresh).context("the system gives no randomness for a key")?;
        write_private(&path, &*fresh)?;
    }
    let bytes = Zeroizing::new(
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?,
    );
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
        Failure::msg(
            format!("{} is not a key of 32 bytes", path.display()),
            "restore it from a backup: with another key the same value has another tag",
        )
    })?;
    Ok(TagKey::new(key))
}

/// A masker without a ledger, now: the same masks, and tags that are thrown away.
pub fn alone(policy: Policy) -> Result<Masker, Failure> {
    Ok(build(policy, TagKey::new([0; 32]))?.at(SystemClock.now()))
}

fn build(policy: Policy, key: TagKey) -> Result<Masker, Failure> {
    Masker::new(policy, key)
        .map_err(|error| Failure::new(error, "correct [masking] in daicho.toml"))
}

/// Keeps personal data and secrets out of the log's `data`.
pub struct Guard {
    masker: Arc<Masker>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    clean: Mutex<Clean>,
}

/// Texts that were found clean: sessions, models and paths come again and again.
#[derive(Default)]
struct Clean {
    /// The periods of silence that held then.
    silent: Vec<usize>,
    texts: HashSet<Box<str>>,
}

/// How the base64 of every OpenSSH signature begins (PROTOCOL.sshsig).
const SSHSIG: &str = "U1NIU0lH";

/// At this many the memory of clean texts begins anew.
const REMEMBERED: usize = 4_096;

impl Guard {
    /// By the clock of the ledger that it stands before.
    pub fn new(masker: Arc<Masker>, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Guard {
        Guard {
            masker,
            now: Box::new(now),
            clean: Mutex::default(),
        }
    }

    /// For one command.
    pub fn of_this_host(masker: Masker) -> Guard {
        Guard::new(Arc::new(masker), || SystemClock.now())
    }

    /// The rule that keeps a text out, if one does.
    pub fn rule(&self, text: &str) -> Option<String> {
        if is_plain(text) {
            return None;
        }
        let clean = || self.clean.lock().unwrap_or_else(PoisonError::into_inner);
        let masker = self.masker.at((self.now)());
        if clean().of(&masker).contains(text) {
            return None;
        }
        if let Some(span) = masker.text(text).spans.first() {
            return Some(span.rule.to_string());
        }
        let mut clean = clean();
        let texts = clean.of(&masker);
        if texts.len() == REMEMBERED {
            texts.clear();
        }
        texts.insert(text.into());
        None
    }
}

impl Clean {
    /// What was clean under the periods that hold now.
    fn of(&mut self, masker: &Masker) -> &mut HashSet<Box<str>> {
        if self.silent != masker.silent() {
            self.silent = masker.silent().to_vec();
            self.texts.clear();
        }
        &mut self.texts
    }
}

/// Digests, ids and signatures, and words too short and too poor in digits to be anybody's.
fn is_plain(text: &str) -> bool {
    // One in 2,500 signatures by chance holds what reads like a name: `…9QPno/Ume/TzDE0…`.
    let signature = || SignatureText::new(text.to_owned());
    if text.starts_with(SSHSIG) && signature().is_some_and(|text| to_armour(&text).is_ok()) {
        return true;
    }
    let hex = text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let word =
        text.len() < 16 && digits < 7 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
    hex || word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It holds /Ume/, which is a given name.
    const SIGNATURE: &str = "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgGZ6rJoU6ckG533leyKL0Je5C1Nl0CwlvgIRpYiy1QkMAAAASZGFpY2hvLWFwcHJvdmFsQHYxAAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5AAAAQBRn/R8RMRC51g15nQYrIkk9QPno/Ume/TzDE0GvBnsmcaVIFtzyMBQnBuWrv/at+bHJdU3uR/Wcs4zc8nKPK0o=";

    #[test]
    fn no_signature_is_kept_out_for_a_name_that_chance_wrote_into_it() {
        let guard = Guard::of_this_host(alone(Policy::default()).unwrap());
        let found = guard.masker.text(SIGNATURE);
        assert_eq!(found.spans[0].rule, "person", "the rules see it no more");
        assert_eq!(guard.rule(SIGNATURE), None);
        // What only begins like one is read like anything else.
        for text in [&SIGNATURE[..200], "U1NIU0lH", "U1NIU0lHAAAAAQ=="] {
            let said = format!("{text} 山田太郎様");
            assert_eq!(guard.rule(&said).as_deref(), Some("person"));
        }
        let cut = &SIGNATURE[..SIGNATURE.len() - 24];
        assert_eq!(guard.rule(cut).as_deref(), Some("person"));
    }
}
