//! Where an approver's signature comes from: a key file, the ssh-agent, or hardware.

use crate::approvals;
use crate::cli::Decide;
use crate::desk::Desk;
use crate::openssh;
use crate::outcome::Failure;
use agents::approvals::signature::{ApproverKey, SignError, from_armour, sign};
use agents::approvals::statement::Statement;
use anyhow::Context;
use schemas::Actor;
use schemas::kinds::acting::SignatureText;
use std::path::Path;
use zeroize::Zeroizing;

/// Environment variable for the passphrase of an approver's key, where no terminal is at hand.
const PASSPHRASE: &str = "DAICHO_KEY_PASSPHRASE";

/// Signs as the arguments say. Whether the signature counts is asked afterwards.
pub fn signed(
    desk: &Desk,
    stated: &Statement,
    args: &Decide,
) -> Result<(ApproverKey, SignatureText), Failure> {
    match &args.key {
        Some(file) => signed_by_file(desk, stated, file),
        None if args.agent || openssh::has_agent() => {
            let key = registered(desk, &stated.approver)?;
            let armoured = openssh::sign_by_agent(&stated.text(), key.label())?;
            Ok((key, taken_in(&armoured)?))
        }
        None => {
            let help = "give --key FILE, or start an ssh-agent and `ssh-add` the key";
            Err(Failure::msg("there is no key to sign with", help))
        }
    }
}

fn signed_by_file(
    desk: &Desk,
    stated: &Statement,
    file: &Path,
) -> Result<(ApproverKey, SignatureText), Failure> {
    let private =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let private = Zeroizing::new(private);
    let signed = match sign(stated, &private, None) {
        Err(SignError::PassphraseMissing) => {
            sign(stated, &private, Some(passphrase(file)?.as_bytes()))
        }
        Err(SignError::KeyInHardware) => {
            let armoured = openssh::sign_by_file(&stated.text(), file)?;
            return Ok((registered(desk, &stated.approver)?, taken_in(&armoured)?));
        }
        signed => signed,
    };
    signed.map_err(|error| Failure::new(error, "nothing was recorded"))
}

fn registered(desk: &Desk, approver: &Actor) -> Result<ApproverKey, Failure> {
    approvals::registered(&desk.views, approver).ok_or_else(|| {
        let fault = format!("{approver} has no approver's key in this log");
        Failure::msg(fault, "register one with `daicho users activate --key`")
    })
}

fn taken_in(armoured: &str) -> Result<SignatureText, Failure> {
    let help = "nothing was recorded; see what `ssh-keygen -Y sign` writes";
    from_armour(armoured).map_err(|error| Failure::new(error, help))
}

fn passphrase(key: &Path) -> Result<Zeroizing<String>, Failure> {
    if let Ok(passphrase) = std::env::var(PASSPHRASE) {
        return Ok(Zeroizing::new(passphrase));
    }
    let asked = rpassword::prompt_password(format!("passphrase of {}: ", key.display()));
    let help = format!("type it at a terminal, or set {PASSPHRASE}");
    asked.map(Zeroizing::new).map_err(|error| {
        Failure::new(
            anyhow::Error::new(error).context("the key is encrypted"),
            help,
        )
    })
}
