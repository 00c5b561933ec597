//! A report's detached signature: a C2SP tlog-proof of its `report.issued`.
//!
//! The log's key signs the checkpoint, the path leads from it to the entry, and the entry, which
//! the proof carries, has the file's SHA-256. So a report is signed by whatever holds the key
//! (a file, a passphrase, a token), and a signature cannot be made without a record of it.

use crate::outcome::Failure;
use crate::timestamp::Client;
use ledger::Reader;
use ledger::note::VerifierKey;
use ledger::proof::Proof;
use schemas::{Data, Envelope, Hash, Timestamp};

/// The signature of the report that the entry at `seq` records.
pub fn proof(reader: &Reader, seq: u64) -> Result<String, Failure> {
    let failed = |error: ledger::ReadError| {
        let help = "the report is recorded: `daicho report fetch` gives it with its signature, \
                    once a checkpoint covers it";
        Failure::new(error, help)
    };
    let body = reader.entry(seq).map_err(failed)?.body().to_vec();
    let signed = Proof {
        extra: Some(body),
        ..reader.prove(seq).map_err(failed)?
    };
    Ok(signed.to_text())
}

/// An authority's word on when a signature existed, where somebody is there to be asked; the fault
/// in words where that one does not say it. `now` is what no time stamp may be after.
pub fn stamp(
    client: Option<&Client>,
    reader: &Reader,
    (seq, proof): (u64, &str),
    now: Timestamp,
) -> Result<Option<Vec<u8>>, String> {
    let Some(client) = client.filter(|client| client.has_url()) else {
        return Ok(None);
    };
    let stamped = || {
        let (response, token) = client.ask(proof.as_bytes())?;
        token.is_not_before(reader.entry(seq)?.at())?;
        token.is_not_after(now)?;
        anyhow::Ok(response)
    };
    let told = |error| format!("no time stamp on the signature of {seq}: {error:#}");
    stamped().map(Some).map_err(told)
}

/// What a proof says of a report, held against the key alone.
#[derive(Debug)]
pub struct Signed {
    pub seq: u64,
    /// Of the checkpoint that is signed.
    pub size: u64,
    pub root: Hash,
    pub report: String,
    pub report_sha256: Hash,
}

/// The entry that a proof carries, if it is proven under this key.
pub fn open(text: &str, key: &VerifierKey) -> Result<Signed, String> {
    let proof = Proof::parse(text).map_err(|error| error.to_string())?;
    let body = proof.extra.clone().ok_or("it carries no entry")?;
    let checkpoint = proof.check(&body, key).map_err(|error| error.to_string())?;
    let envelope = Envelope::from_body(&body).map_err(|_| "its entry cannot be read")?;
    let Data::ReportIssued(issued) = envelope.event.data else {
        return Err("its entry issues no report".to_owned());
    };
    if envelope.seq != proof.seq {
        return Err("its entry is of another position".to_owned());
    }
    Ok(Signed {
        seq: proof.seq,
        size: checkpoint.size,
        root: checkpoint.root,
        report: issued.report.to_string(),
        report_sha256: issued.report_sha256,
    })
}
