use crate::cli::Cli;
use crate::commands::read;
use crate::outcome::{Done, Failure, Outcome};
use crate::views::Views;
use anyhow::Context;

pub fn run(cli: &Cli) -> Done {
    let reader = read(&cli.data)?;
    let index = reader.layout().index();
    if index.is_dir() {
        std::fs::remove_dir_all(&index)
            .with_context(|| format!("{} cannot be removed", index.display()))?;
    }
    let views = Views::open(reader)?;
    if !views.is_kept() {
        return Err(Failure::msg(
            "the index is held by another process",
            "stop `daicho serve` and try again",
        ));
    }
    for (name, cursor, digest) in views.digests()? {
        if cli.json {
            println!(
                "{}",
                serde_json::json!({ "view": name, "cursor": cursor, "sha256": digest })
            );
        } else {
            println!("{name:<12} {cursor:>10} entries  {digest}");
        }
    }
    views.save();
    Ok(Outcome::Well)
}
