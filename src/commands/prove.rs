use crate::cli::{Cli, Prove};
use crate::commands::read_covering;
use crate::outcome::{Done, Failure, Outcome};
use anyhow::Context;
use std::io::Write;

pub fn run(cli: &Cli, args: &Prove) -> Done {
    let mut out = std::io::stdout().lock();
    let reader = read_covering(&cli.data, args.seq)?;
    let proof = reader.prove(args.seq).map_err(|error| {
        Failure::new(error, "give a position below the size of the newest checkpoint (`daicho key show`, `checkpoint`)")
    })?;
    let text = if cli.json {
        let path: Vec<String> = proof.path.iter().map(ToString::to_string).collect();
        format!(
            "{}\n",
            serde_json::json!({ "index": proof.seq, "path": path, "checkpoint": proof.checkpoint })
        )
    } else {
        proof.to_text()
    };
    match &args.output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?,
        None => out.write_all(text.as_bytes())?,
    }
    Ok(Outcome::Well)
}
