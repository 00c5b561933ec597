use crate::cli::{Cli, VerifyBundle};
use crate::commands::read_policy;
use crate::commands::verify::trust;
use crate::count::counted;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::timestamp::read_authority;
use anyhow::Context;
use exporters::bundle::zip::MAX_BYTES;
use exporters::bundle::{Report, Trust, check};
use ledger::note::KeyError;
use ledger::witness::CosignerKey;
use std::io::Read;

pub fn run(cli: &Cli, args: &VerifyBundle) -> Done {
    let brought = trust(args.vkey.as_deref(), &args.checkpoint)?;
    let witness = |text: &String| {
        text.parse::<CosignerKey>().map_err(|error: KeyError| {
            let fault = anyhow::Error::new(error).context("--witness");
            Failure::new(fault, "give it as `daicho witness init` printed it")
        })
    };
    let policy = args.policy.as_ref();
    let trust = Trust {
        vkey: brought.vkey,
        checkpoints: brought
            .checkpoints
            .into_iter()
            .map(|(_, note)| note)
            .collect(),
        witnesses: args.witness.iter().map(witness).collect::<Result<_, _>>()?,
        authority: args.tsa_ca.as_deref().map(read_authority).transpose()?,
        policy: policy
            .map(|path| read_policy(path, "its lines are log, witness, group and quorum"))
            .transpose()?,
    };
    let mut zip = Vec::new();
    let file = std::fs::File::open(&args.bundle);
    // What is longer is called so by the check.
    file.and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut zip))
        .with_context(|| format!("{} cannot be read", args.bundle.display()))?;
    let report = check(&zip, &trust);
    if cli.json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    match report.is_sound() {
        true => Ok(Outcome::Well),
        false => Ok(Outcome::Wrong),
    }
}

fn print(report: &Report) {
    for said in &report.proven {
        say!("PROVEN       {}\n             by: {}", said.what, said.why);
    }
    for said in &report.not_proven {
        say!(
            "NOT PROVEN   {}\n             because: {}",
            said.what,
            said.why
        );
    }
    for fault in &report.wrong {
        say!("WRONG        {fault}");
    }
    match report.wrong.len() {
        0 => say!("verified: what is called proven above, and nothing else"),
        count => say!(
            "NOT VERIFIED: {}; nothing in this bundle is proven",
            counted(count, "finding")
        ),
    }
}
