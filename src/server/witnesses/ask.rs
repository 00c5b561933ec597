use ledger::Reader;
use ledger::witness::{AddCheckpoint, PolicyWitness, accept, parse_size};
use std::io::Read;

/// A cosignature that holds.
pub struct Cosigned {
    pub line: String,
    pub seconds: u64,
}

/// No answer of a witness is longer.
const MAX_ANSWER: u64 = 64 << 10;

/// A witness may tell another size once more while somebody else submits to it too.
const ATTEMPTS: usize = 3;

/// Asks one witness to cosign `note`, which is of `size`, believing that it cosigned `old`
/// last. An error says in words what operators are shown.
pub fn ask(
    client: &reqwest::blocking::Client,
    reader: &Reader,
    witness: &PolicyWitness,
    note: &str,
    size: u64,
    mut old: u64,
) -> Result<Cosigned, String> {
    let url = witness.url.as_ref().ok_or("the policy names no URL")?;
    let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
    for _ in 0..ATTEMPTS {
        let proof = reader
            .consistency_proof(old, size)
            .map_err(|_| ahead(old, size))?;
        let request = AddCheckpoint {
            old,
            proof,
            note: note.to_owned(),
        };
        let answer = client
            .post(&url)
            .body(request.to_text())
            .send()
            .map_err(|error| format!("no answer: {}", error.without_url()))?;
        let status = answer.status();
        let mut text = String::new();
        answer
            .take(MAX_ANSWER)
            .read_to_string(&mut text)
            .map_err(|error| format!("the answer broke off: {error}"))?;
        match status.as_u16() {
            200 => {
                let (line, seconds) = accept(note, &text, &witness.key)
                    .ok_or("the answer holds no cosignature of its key")?;
                return Ok(Cosigned { line, seconds });
            }
            409 => match parse_size(text.trim_end_matches('\n')) {
                Some(told) if told > size => return Err(ahead(told, size)),
                Some(told) if told != old => old = told,
                _ => return Err("409: another root at the same size".to_owned()),
            },
            400 => return Err("400: it calls the request malformed".to_owned()),
            403 => return Err("403: it has another key for this log".to_owned()),
            404 => return Err("404: it does not know this log; its operator adds it".to_owned()),
            422 => {
                return Err("422: it has seen another history of this log".to_owned());
            }
            other => return Err(format!("it answered {other}")),
        }
    }
    Err("its latest size changes at every attempt".to_owned())
}

fn ahead(told: u64, size: u64) -> String {
    format!("it has cosigned {told} entries, this log holds {size}: this copy was rolled back")
}
