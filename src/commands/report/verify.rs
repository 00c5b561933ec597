//! `daicho report verify`: is this file what the log says it is?

use crate::cli::{Cli, ReportVerify};
use crate::commands::read;
use crate::commands::verify::{check, trust};
use crate::config::Config;
use crate::count::counted;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::policies::Policies;
use crate::reports::sign::{self, Signed};
use crate::reports::{Form, PROOF, ReportFile, beside, rules};
use crate::timestamp::{Client, read_authority};
use anyhow::Context;
use exporters::report::model::Report;
use ledger::note::VerifierKey;
use ledger::timestamp::{Token, TokenError};
use ledger::{Layout, Projection, Reader};
use schemas::Data;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was found of a file.
#[derive(Serialize)]
struct Checked {
    report: String,
    sha256: String,
    /// Entries that the report is of.
    head: u64,
    /// Where `report.issued` has this digest.
    issued: Vec<u64>,
    /// `holds`, `absent`, `broken`.
    signature: &'static str,
    /// Of the signature: `holds`, `absent`, `broken`; `unchecked` where no authority is known.
    time_stamp: &'static str,
    /// `same`, `other`, `not_compared`.
    figures: &'static str,
    notes: Vec<String>,
    /// What is wrong; nothing is, where it is empty.
    findings: Vec<String>,
}

pub fn run(cli: &Cli, args: &ReportVerify) -> Done {
    let file = ReportFile::read(&args.file)?;
    let mut checked = Checked {
        report: file.stamp.report.clone(),
        sha256: file.sha256.to_string(),
        head: file.stamp.basis.head.size,
        issued: Vec::new(),
        signature: "absent",
        time_stamp: "absent",
        figures: "not_compared",
        notes: Vec::new(),
        findings: Vec::new(),
    };
    if args.offline {
        let key = args.vkey.as_deref().unwrap_or_default();
        let key: VerifierKey = key.parse().context("--vkey")?;
        let note = "without the ledger figures are not computed again";
        checked.notes.push(note.to_owned());
        signature(cli, args, &file, (&[key], None), &mut checked)?;
        if checked.signature == "absent" {
            let fault = "there is no signature to check: no FILE.tlog-proof";
            return Err(Failure::msg(fault, "name it with --proof"));
        }
    } else {
        against_log(cli, args, &file, &mut checked)?;
    }
    print(cli.json, &checked)?;
    match checked.findings.is_empty() {
        false => Ok(Outcome::Wrong),
        true if args.offline || checked.figures == "same" => Ok(Outcome::Well),
        // What was not compared is not verified.
        true => Err(Failure::msg(
            "the file's figures were not held against the log",
            "verify the JSON of the same report, or use the daicho (and the font) that made this file",
        )),
    }
}

fn against_log(
    cli: &Cli,
    args: &ReportVerify,
    file: &ReportFile,
    checked: &mut Checked,
) -> Result<(), Failure> {
    let trust = trust(args.vkey.as_deref(), &args.checkpoint)?;
    let verified = check(cli, &trust)?;
    let reader = read(&cli.data)?;
    file.of_log(&reader)?;
    if !verified.is_clean() {
        let count = verified.findings.len() as u64 + verified.findings_omitted;
        let faults = counted(count, "fault");
        let fault = format!("the log itself has {faults}: see `daicho verify`");
        checked.findings.push(fault);
    }
    if !verified.key_given {
        let note = "the log's key is the one that it names itself: --vkey holds it against one kept elsewhere";
        checked.notes.push(note.to_owned());
    }
    let note = "taken from the file, for no log has it: what the key and the checkpoints were held against";
    checked.notes.push(note.to_owned());
    let policies = issued(&reader, file, checked)?;
    ruled(&reader, &policies, file, checked)?;
    let keys: Vec<VerifierKey> = verified
        .keys
        .iter()
        .filter_map(|key| key.vkey.parse().ok())
        .collect();
    signature(cli, args, file, (&keys, Some(&reader)), checked)?;
    match file.head_fault(&reader)? {
        Some(fault) => checked.findings.push(fault),
        None => figures(&reader, file, checked)?,
    }
    Ok(())
}

/// Where the log records this very file.
fn issued(reader: &Reader, file: &ReportFile, checked: &mut Checked) -> Result<Policies, Failure> {
    let mut policies = Policies::default();
    for entry in reader.entries(0..reader.size()) {
        // What cannot be read is among the log's faults already.
        let Ok(entry) = entry else { continue };
        policies.fold(&entry);
        let Data::ReportIssued(told) = entry.data() else {
            continue;
        };
        if told.report_sha256 != file.sha256 {
            continue;
        }
        checked.issued.push(entry.seq());
        let (head, report) = (file.stamp.basis.head.size, &file.stamp.report);
        if told.head != head || told.report.as_str() != report {
            let seq = entry.seq();
            let fault = format!("entry {seq} issued it as another report, or of another head");
            checked.findings.push(fault);
        }
    }
    if checked.issued.is_empty() {
        let fault = "no report.issued of this digest is in the log: the file was changed after it was issued, or was never issued";
        checked.findings.push(fault.to_owned());
    }
    Ok(policies)
}

/// Whether organisation, clock and hours are those that were adopted.
fn ruled(
    reader: &Reader,
    policies: &Policies,
    file: &ReportFile,
    checked: &mut Checked,
) -> Result<(), Failure> {
    let basis = &file.stamp.basis;
    let adoption = rules::at(policies, basis.head.size);
    let told = basis.rules.map(|rules| (rules.position, rules.digest));
    if told != adoption.map(|adopted| (adopted.position, adopted.digest)) {
        let fault = "the rules of organisation, clock and hours are not those that were adopted for its head";
        checked.findings.push(fault.to_owned());
        return Ok(());
    }
    let Some(adoption) = adoption else {
        return Ok(());
    };
    match rules::read(reader, adoption) {
        Ok((rules, _)) if rules.made(basis) => {}
        Ok(_) => {
            let position = adoption.position;
            let fault = format!(
                "organisation, clock or hours are not those that were adopted at {position}"
            );
            checked.findings.push(fault);
        }
        // An auditor without keys.
        Err(failure) => {
            let note = format!(
                "organisation, clock and hours are taken from the file: {:#}",
                failure.fault
            );
            checked.notes.push(note);
        }
    }
    Ok(())
}

/// The detached signature, if there is one, under any of these keys. The checkpoint that it signs
/// is a promise: a log that does not keep it was rewritten or rolled back since.
fn signature(
    cli: &Cli,
    args: &ReportVerify,
    file: &ReportFile,
    (keys, reader): (&[VerifierKey], Option<&Reader>),
    checked: &mut Checked,
) -> Result<(), Failure> {
    let path: PathBuf = args
        .proof
        .clone()
        .unwrap_or_else(|| beside(&args.file, PROOF));
    if args.proof.is_none() && !path.try_exists()? {
        checked
            .notes
            .push("no FILE.tlog-proof: no signature was checked".to_owned());
        return Ok(());
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let mut fault = "no key is known to check it under".to_owned();
    for key in keys {
        match sign::open(&text, key) {
            Ok(signed) if signed.report_sha256 != file.sha256 => {
                fault = format!("it signs another file, issued at {}", signed.seq);
            }
            Ok(signed) if signed.report != file.stamp.report => {
                fault = "it signs another report".to_owned();
            }
            Ok(signed) => {
                checked.signature = "holds";
                if let Some(reader) = reader {
                    kept(reader, &signed, checked)?;
                }
                let (seq, size) = (signed.seq, signed.size);
                let note = format!(
                    "signed: entry {seq}, under a checkpoint of {} by {}",
                    counted(size, "entry"),
                    key.name()
                );
                checked.notes.push(note);
                return stamped(
                    cli,
                    args,
                    &path,
                    (text.as_bytes(), reader),
                    signed.seq,
                    checked,
                );
            }
            Err(reason) => fault = reason,
        }
    }
    checked.signature = "broken";
    checked
        .findings
        .push(format!("the signature does not hold: {fault}"));
    Ok(())
}

/// An authority's word on when the signature existed, if it lies beside it.
fn stamped(
    cli: &Cli,
    args: &ReportVerify,
    proof: &Path,
    (signature, reader): (&[u8], Option<&Reader>),
    seq: u64,
    checked: &mut Checked,
) -> Result<(), Failure> {
    let path = beside(proof, ".tsr");
    let response = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        response => response.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let authority = match &args.tsa_ca {
        Some(path) => Some(read_authority(path)?),
        None if args.offline => None,
        None => {
            let config = Config::load(&Layout::new(&cli.data))?;
            Client::open(&config.timestamp, &cli.data)?.map(|client| client.authority)
        }
    };
    let holds = || {
        let token = Token::parse(&response)?;
        token.covers(signature)?;
        if let Some(authority) = &authority {
            authority.vouches_for(&token)?;
        }
        Ok::<_, TokenError>(token)
    };
    // One that the log does not hold any more is a finding already.
    let recorded = reader.and_then(|reader| reader.entry(seq).ok());
    let checked_token = holds().and_then(|token| {
        if let Some(entry) = recorded {
            token.is_not_before(entry.at())?;
        }
        Ok(token)
    });
    match checked_token {
        Ok(token) => {
            checked.time_stamp = if authority.is_some() {
                "holds"
            } else {
                "unchecked"
            };
            let (time, by) = (token.time, &token.subject);
            let unknown = match authority {
                Some(_) => "",
                None => ": authority not checked (--tsa-ca)",
            };
            let note = format!("the signature existed at {time} by {by}{unknown}");
            checked.notes.push(note);
        }
        Err(error) => {
            checked.time_stamp = "broken";
            let fault = format!("the signature's time stamp does not hold: {error}");
            checked.findings.push(fault);
        }
    }
    Ok(())
}

/// Whether the log still holds what the signature is about.
fn kept(reader: &Reader, signed: &Signed, checked: &mut Checked) -> Result<(), Failure> {
    let (size, held) = (signed.size, reader.size());
    if size > held {
        let fault = format!(
            "the signature's checkpoint is of {}, and the log has {held}: entries were lost",
            counted(size, "entry")
        );
        checked.findings.push(fault);
    } else if reader.root_at(size)? != signed.root {
        let fault = format!(
            "the log's first {size} entries are not those of the signature's checkpoint: it was rewritten"
        );
        checked.findings.push(fault);
    } else if !checked.issued.contains(&signed.seq) {
        let fault = format!(
            "the signature is about entry {}, which does not issue this file",
            signed.seq
        );
        checked.findings.push(fault);
    }
    Ok(())
}

/// What the log gives at the report's head, beside what the file says.
fn figures(reader: &Reader, file: &ReportFile, checked: &mut Checked) -> Result<(), Failure> {
    let report = file.again(reader)?;
    let again = match file.like(&report, reader) {
        Ok(again) => again,
        // Digest and signature stand without it.
        Err(failure) if file.form == Form::Pdf => {
            let note = format!("the pages were not made again: {:#}", failure.fault);
            checked.notes.push(note);
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    if again == file.bytes {
        checked.figures = "same";
        return Ok(());
    }
    let program = concat!("daicho ", env!("CARGO_PKG_VERSION"));
    let version = file.stamp.version != report.version;
    let other = version || file.stamp.basis.program != program;
    let differences = match file.form {
        Form::Json if !version => differing(&report, &file.text),
        _ if other => {
            let note = "made by another version of daicho, whose figures this one does not compute";
            checked.notes.push(note.to_owned());
            return Ok(());
        }
        Form::Pdf if font(&file.text) != font(&String::from_utf8_lossy(&again)) => {
            let note = "made with another font than this host's: its pages cannot be compared";
            checked.notes.push(note.to_owned());
            return Ok(());
        }
        Form::Pdf => vec!["its pages or its evidence are not what the log gives".to_owned()],
        _ => {
            let own = again.split(|byte| *byte == b'\n');
            let theirs = file.bytes.split(|byte| *byte == b'\n');
            let same = own.zip(theirs).take_while(|(a, b)| a == b).count();
            vec![format!("line {} is not what the log gives", same + 1)]
        }
    };
    checked.figures = "other";
    checked.findings.extend(differences);
    Ok(())
}

/// The digest of the font that a PDF was made with, as its metadata say.
fn font(pdf: &str) -> Option<&str> {
    pdf.split_once("daicho-font:")?.1.get(..64)
}

/// Differences told one by one.
const MOST: usize = 10;

/// Figures of a JSON report that the log gives otherwise.
fn differing(report: &Report, text: &str) -> Vec<String> {
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    let mut theirs = BTreeMap::new();
    collect(&said, &mut theirs);
    let mut found = Vec::new();
    for figure in report.figures() {
        let own = serde_json::to_value(figure).unwrap_or_default();
        match theirs.remove(&figure.id) {
            None => found.push(format!("{}: missing from the file", figure.id)),
            Some(value) if *value != own => {
                found.push(format!("{}: the log gives {}", figure.id, figure.value));
            }
            Some(_) => {}
        }
    }
    found.extend(
        theirs
            .keys()
            .map(|_| "a figure that the log does not give".to_owned()),
    );
    if found.is_empty() {
        found.push("its words or order are not what the log gives".to_owned());
    }
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

fn collect<'v>(value: &'v Value, all: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Object(map) => {
            if let Some(figure) = map.get("figure")
                && let Some(id) = figure.get("id").and_then(Value::as_str)
            {
                all.insert(id.to_owned(), figure);
            }
            map.values().for_each(|value| collect(value, all));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, all)),
        _ => {}
    }
}

fn print(json: bool, checked: &Checked) -> Result<(), Failure> {
    if json {
        say!("{}", serde_json::to_string(checked)?);
        return Ok(());
    }
    say!(
        "report       {} of {}",
        schemas::Label::lossy(&checked.report).as_str(),
        counted(checked.head, "entry")
    );
    say!("sha256       {}", checked.sha256);
    let issued: Vec<String> = checked.issued.iter().map(ToString::to_string).collect();
    if !issued.is_empty() {
        say!("issued       report.issued at {}", issued.join(", "));
    }
    say!("signature    {}", checked.signature);
    say!("time stamp   {}", checked.time_stamp);
    say!("figures      {}", checked.figures);
    for note in &checked.notes {
        say!("note         {note}");
    }
    for finding in &checked.findings {
        say!("WRONG        {finding}");
    }
    match checked.findings.len() {
        0 if checked.figures == "same" => say!("verified"),
        0 => say!("figures were not compared"),
        count => say!("NOT VERIFIED: {}", counted(count, "finding")),
    }
    Ok(())
}
