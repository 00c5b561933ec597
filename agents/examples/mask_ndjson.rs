//! Masks `{"id","text"}` lines from stdin and writes `{"id","verdict","masked","spans"}` lines,
//! so that the rules can be measured against labelled text.

use agents::masking::{Masker, Policy, TagKey};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};

#[derive(Deserialize)]
struct Document {
    id: String,
    text: String,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    #[serde(flatten)]
    masked: agents::masking::Masked,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let masker = Masker::new(Policy::default(), TagKey::new([0; 32]))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let Document { id, text } = serde_json::from_str(&line?)?;
        let masked = masker.text(&text);
        serde_json::to_writer(&mut out, &Answer { id, masked })?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
