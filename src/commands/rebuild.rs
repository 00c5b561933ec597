use crate::cli::Cli;
use crate::commands::read;
use crate::outcome::{Done, Failure, Outcome};
use crate::views::Views;
use anyhow::Context;
use ledger::Index;
use std::io::Write;

pub fn run(cli: &Cli) -> Done {
    let mut out = std::io::stdout().lock();
    let reader = read(&cli.data)?;
    let index = reader.layout().index();
    if index.is_dir() {
        // Not from under a server: its own index would go on in files without a name.
        if !Index::open(reader.clone())?.is_kept() {
            return Err(held());
        }
        std::fs::remove_dir_all(&index)
            .with_context(|| format!("{} cannot be removed", index.display()))?;
    }
    let views = Views::open(reader)?;
    if !views.is_kept() {
        return Err(held());
    }
    for (name, cursor, digest) in views.digests()? {
        if cli.json {
            writeln!(
                out,
                "{}",
                serde_json::json!({ "view": name, "cursor": cursor, "sha256": digest })
            )?;
        } else {
            writeln!(out, "{name:<12} {cursor:>10} entries  {digest}")?;
        }
    }
    views.save();
    Ok(Outcome::Well)
}

fn held() -> Failure {
    Failure::msg(
        "the index is held by another process",
        "stop `daicho serve` and try again",
    )
}
