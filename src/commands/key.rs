use crate::cli::{Cli, Key};
use crate::commands::read;
use crate::outcome::{Done, Outcome};

pub fn run(cli: &Cli, args: &Key) -> Done {
    let Key::Show = args;
    let reader = read(&cli.data)?;
    if cli.json {
        println!(
            "{}",
            serde_json::json!({ "origin": reader.origin(), "vkey": reader.key().to_string() })
        );
    } else {
        println!("{}", reader.key());
    }
    Ok(Outcome::Well)
}
