mod check;
mod explain;
mod place;
mod source;

use crate::cli::{Cli, Mask};
use crate::masking;
use crate::outcome::{Done, Failure, Outcome};
use agents::masking::{Masked, Masker, Verdict};
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use source::Text;
use std::io::{BufRead, Read, Write};
use std::path::Path;

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
    let masker = masking::by_hand(&cli.data, args.configured)?;
    if args.check {
        return check::check(&masker, &args.files, cli.json);
    }
    if args.ndjson {
        return lines(&masker);
    }
    let file = match args.files.as_slice() {
        [] => None,
        [file] => Some(file.as_path()),
        _ => {
            return Err(Failure::msg(
                "more than one file to mask",
                "mask them one by one; --check looks through many",
            ));
        }
    };
    let Text { text, encoding } = read(file)?;
    if args.explain && !cli.json {
        return explain::explain(&text, encoding, &masker.text(&text));
    }
    // What is found nothing in leaves byte for byte, so it has to be UTF-8 as it stands.
    if encoding != "UTF-8" && !cli.json {
        return Err(Failure::msg(
            format!("the text is {encoding}, and masked text is UTF-8"),
            "convert it first, as with iconv; --explain and --check read it as it is",
        ));
    }
    plain(cli, &masker, &text)
}

fn read(file: Option<&Path>) -> Result<Text, Failure> {
    let help = "give text, converted first if need be, as with iconv";
    match file {
        Some(path) => source::read(path)
            .map_err(|fault| Failure::new(anyhow!("{} {fault}", path.display()), help)),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            source::text_of(&bytes)
                .map_err(|fault| Failure::new(anyhow!("standard input {fault}"), help))
        }
    }
}

fn plain(cli: &Cli, masker: &Masker, text: &str) -> Done {
    let masked = masker.text(text);
    let mut out = std::io::stdout().lock();
    let blocked = masked.verdict == Verdict::Block;
    if cli.json {
        writeln!(out, "{}", serde_json::to_string(&masked)?)?;
    } else if !blocked {
        out.write_all(masked.masked.as_bytes())?;
    }
    if blocked && !cli.json {
        eprintln!(
            "blocked: the text holds what must not leave ({})",
            reasons(&masked)
        );
    }
    Ok(if blocked {
        Outcome::Wrong
    } else {
        Outcome::Well
    })
}

/// The rules that a text breaks.
fn reasons(masked: &Masked) -> String {
    let rules: Vec<&str> = masked.blocks.iter().map(|b| b.rule.as_str()).collect();
    rules.join(", ")
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
