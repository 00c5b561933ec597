use crate::cli::{Cli, Show};
use crate::commands::read;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::ContentError;
use std::io::Write;

pub fn run(cli: &Cli, args: &Show) -> Done {
    let reader = read(&cli.data)?;
    let entry = reader
        .entry(args.seq)
        .map_err(|error| Failure::new(error, "`daicho events` lists what is there"))?;
    let mut contents = Vec::new();
    if args.content && !entry.content().is_empty() {
        let (door, _) = Door::open(&cli.data)?;
        door.record_reveal(&entry, "show").map_err(append_failed)?;
        for reference in entry.content() {
            let plain = reader.content(reference).map_err(|error| {
                let help = match error {
                    ContentError::Erased { .. } | ContentError::Ended { .. } => {
                        "the entry and its proofs stay valid; `daicho erasure list --all` and `daicho retention plan` say what is gone"
                    }
                    _ => {
                        "the entry and its proofs stay valid; `daicho verify` says whether it was lost: then it is in a backup, its key in one that was made --with-keys"
                    }
                };
                Failure::new(error, help)
            })?;
            contents.push((reference, plain));
        }
    }
    let mut out = std::io::stdout().lock();
    if cli.json {
        let body: serde_json::Value = serde_json::from_slice(entry.body())?;
        let opened: Vec<_> = contents
            .iter()
            .map(|(reference, plain)| match std::str::from_utf8(plain) {
                Ok(text) => serde_json::json!({ "name": reference.name, "text": text }),
                Err(_) => {
                    serde_json::json!({ "name": reference.name, "base64": STANDARD.encode(plain) })
                }
            })
            .collect();
        let signature = STANDARD.encode(entry.signature());
        let mut shown =
            serde_json::json!({ "entry": body, "leaf": entry.leaf(), "signature": signature });
        if args.content {
            shown["content"] = opened.into();
        }
        writeln!(out, "{shown}")?;
        return Ok(Outcome::Well);
    }
    writeln!(
        out,
        "{}",
        serde_json::to_string_pretty(&serde_json::from_slice::<serde_json::Value>(entry.body())?)?
    )?;
    writeln!(out, "leaf       {}", entry.leaf())?;
    writeln!(out, "signature  {}", STANDARD.encode(entry.signature()))?;
    for (reference, plain) in contents {
        writeln!(
            out,
            "\n--- {} ({}, {} bytes)",
            reference.name, reference.media, reference.plain_bytes
        )?;
        out.write_all(&plain)?;
        writeln!(out)?;
    }
    Ok(Outcome::Well)
}
