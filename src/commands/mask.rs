use crate::cli::{Cli, Mask};
use crate::config::Config;
use crate::masking;
use crate::outcome::{Done, Failure, Outcome};
use agents::masking::{Masked, Masker, Verdict};
use anyhow::{Context, anyhow};
use ledger::Layout;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read, Write};

#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    text: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a serde_json::Value,
    #[serde(flatten)]
    masked: &'a Masked,
}

pub fn run(cli: &Cli, args: &Mask) -> Done {
    let config = Config::load(&Layout::new(&cli.data))?;
    let masker = masking::alone(config.masking)?;
    if args.ndjson {
        lines(&masker)
    } else {
        text(cli, &masker)
    }
}

fn text(cli: &Cli, masker: &Masker) -> Done {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::new(
                anyhow!(error).context("standard input is not UTF-8 text"),
                "convert it first, as with iconv",
            )
        })?;
    let masked = masker.text(&text);
    let mut out = std::io::stdout().lock();
    let blocked = masked.verdict == Verdict::Block;
    if cli.json {
        writeln!(out, "{}", serde_json::to_string(&masked)?)?;
    } else if !blocked {
        out.write_all(masked.masked.as_bytes())?;
    }
    if blocked && !cli.json {
        let mut rules: Vec<String> = masked
            .spans
            .iter()
            .filter(|s| s.kind.is_prohibited())
            .map(|s| s.rule.to_string())
            .collect();
        rules.dedup();
        eprintln!(
            "blocked: the text holds what must not leave ({})",
            rules.join(", ")
        );
    }
    Ok(if blocked {
        Outcome::Wrong
    } else {
        Outcome::Well
    })
}

/// One document a line, so that labelled corpora can judge the rules.
fn lines(masker: &Masker) -> Done {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (i, line) in std::io::stdin().lock().lines().enumerate() {
        let at = i + 1;
        let line = line.with_context(|| format!("line {at} is not UTF-8"))?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&line).map_err(|error| {
            let fault = anyhow!(
                "line {at} is not {{\"id\",\"text\"}}: {}",
                schemas::json_fault(&error)
            );
            Failure::new(fault, "give one JSON object with id and text per line")
        })?;
        let masked = masker.text(&line.text);
        serde_json::to_writer(
            &mut out,
            &Answer {
                id: &line.id,
                masked: &masked,
            },
        )?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(Outcome::Well)
}
