//! What the licences of data by others ask to be shown with every copy.

use crate::outcome::{Done, Outcome, say};
use agents::notices::NOTICES;

pub fn run() -> Done {
    for notice in NOTICES {
        let rule = "=".repeat(notice.of.chars().count());
        say!("{}\n{rule}\n\n{}\n", notice.of, notice.text.trim_end());
    }
    Ok(Outcome::Well)
}
