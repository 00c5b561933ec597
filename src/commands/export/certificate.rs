//! `daicho export certificate`: what a receiver that pins our certificate has to be told.

use super::destination;
use crate::cli::{Cli, ExportCertificate};
use crate::config::Config;
use crate::files;
use crate::outcome::{Done, Failure, Outcome, say};
use anyhow::Context;
use exporters::forward::Destination;
use exporters::transport::{self, SelfSigned};
use ledger::Layout;
use std::io;
use std::path::Path;

pub fn run(cli: &Cli, args: &ExportCertificate) -> Done {
    let config = Config::load(&Layout::new(&cli.data))?;
    let destination = destination(&config, &args.destination)?;
    let route = destination.route(&cli.data);
    let Some((chain, key)) = route.tls().and_then(|tls| tls.client.as_ref()) else {
        return Err(Failure::msg(
            "this receiver is shown no certificate of ours",
            "name client_certificate_file and client_key_file in its [[export]] table of daicho.toml",
        ));
    };
    if args.create {
        create(destination, chain, key)?;
    }
    let names = transport::names(chain)
        .map_err(|error| Failure::new(error, "make one with --create, or put yours there"))?;
    let sha1 = names.sha1.map(|sha1| sha1.to_string());
    if cli.json {
        let names = serde_json::json!({
            "certificate": chain.display().to_string(),
            "sha256": names.sha256.to_string(),
            "sha1": sha1,
        });
        say!("{names}");
        return Ok(Outcome::Well);
    }
    say!("certificate {}", chain.display());
    say!("fingerprint {}", names.sha256);
    if let Some(sha1) = sha1 {
        say!("            {sha1} (for a receiver that knows no other)");
    }
    Ok(Outcome::Well)
}

/// The key first: a certificate without its key would look like one that is ready.
fn create(destination: &Destination, chain: &Path, key: &Path) -> Result<(), Failure> {
    let named = destination.form().header().and_then(|h| h.hostname());
    let made = transport::self_signed(named.unwrap_or("daicho"));
    let SelfSigned {
        certificate,
        key: secret,
    } = made.context("no certificate could be made")?;
    if chain.exists() {
        return Err(there(chain));
    }
    for (path, text) in [(key, secret), (chain, certificate)] {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
        }
        match files::create(path, text.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(there(path)),
            made => made.with_context(|| format!("{} cannot be written", path.display()))?,
        }
    }
    Ok(())
}

fn there(path: &Path) -> Failure {
    Failure::msg(
        format!("{} is there already", path.display()),
        "nothing was written over: leave --create out to see its fingerprint, or move both files away",
    )
}
