//! `daicho timestamp`: one time stamp, now or by hand.

use crate::cli::{Cli, Timestamp};
use crate::config::Config;
use crate::count::counted;
use crate::door::{Door, append_failed};
use crate::files;
use crate::outcome::{Done, Failure, Outcome};
use crate::timestamp::{Client, due, take_in};
use anyhow::Context;
use ledger::timestamp::{Query, Token};
use ledger::{Layout, Reader};
use std::io::Write;
use std::path::{Path, PathBuf};

const HELP: &str = "see [timestamp] in daicho.toml: url, ca_file and policy are the authority's";

pub fn run(cli: &Cli, args: &Timestamp) -> Done {
    let layout = Layout::new(&cli.data);
    let config = Config::load(&layout)?;
    let none = || Failure::msg("no time-stamping authority is configured", HELP);
    let client = Client::open(&config.timestamp, layout.dir())?.ok_or_else(none)?;
    match (&args.request, &args.response) {
        (Some(request), None) => write_query(cli, &client, request),
        (Some(request), Some(response)) => {
            let (query, note) = read_query(request)?;
            let response = read(response)?;
            let token = query.answered_by(&response, &note, &client.authority);
            let token = token.map_err(|error| Failure::new(error, HELP))?;
            take(cli, &note, &response, &token)
        }
        _ if !client.has_url() => Err(Failure::msg(
            "[timestamp] names no url",
            "name one, or carry a query there and its answer back: --request, then --response",
        )),
        _ => {
            let note = due(&crate::commands::read(&cli.data)?)?;
            let asked = client.ask(&note);
            let (response, token) = asked.map_err(|error| {
                let fault = error.context("the authority gave no time stamp that holds");
                Failure::new(fault, HELP)
            })?;
            take(cli, &note, &response, &token)
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?)
}

/// Beside a query the note that it is about: the log may have grown when the answer comes.
fn note_of(request: &Path) -> PathBuf {
    let mut name = request.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

fn write_query(cli: &Cli, client: &Client, request: &Path) -> Done {
    let note = due(&crate::commands::read(&cli.data)?)?;
    let query = client.query(&note)?.to_der();
    for (path, bytes) in [(note_of(request), &note), (request.to_owned(), &query)] {
        files::replace(&path, bytes, false)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    let (request, note) = (request.display(), note_of(request));
    if cli.json {
        let line = serde_json::json!({ "request": request.to_string(), "checkpoint": note });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "query        {request}")?;
        writeln!(out, "about        {}", note.display())?;
    }
    Ok(Outcome::Well)
}

fn read_query(request: &Path) -> Result<(Query, Vec<u8>), Failure> {
    let query = Query::from_der(&read(request)?).map_err(|error| {
        let fault = anyhow::Error::new(error).context(request.display().to_string());
        Failure::new(
            fault,
            "name the file that `daicho timestamp --request` wrote",
        )
    })?;
    Ok((query, read(&note_of(request))?))
}

fn take(cli: &Cli, note: &[u8], response: &[u8], token: &Token) -> Done {
    let (door, reader): (Door, Reader) = Door::open(&cli.data)?;
    let taken = take_in(&reader, note, response, token, door.now());
    let (timestamped, new) = taken.map_err(|error| Failure::new(error, HELP))?;
    if !new {
        return Err(Failure::msg(
            "this checkpoint has a time stamp already",
            "nothing was recorded since; ask again when the log has grown",
        ));
    }
    let mut out = std::io::stdout().lock();
    let size = timestamped.size;
    let receipts = door
        .append(vec![door.event(door.operator(), timestamped)])
        .map_err(append_failed)?;
    let (time, by, seq) = (token.time, &token.subject, receipts[0].seq);
    if cli.json {
        let line = serde_json::json!({
            "size": size, "time": time, "authority": by, "policy": token.policy, "recorded": seq,
        });
        writeln!(out, "{line}")?;
    } else {
        let entries = counted(size, "entry");
        writeln!(out, "time stamp   {entries} existed at {time} by {by}")?;
        writeln!(out, "policy       {}", token.policy)?;
        writeln!(out, "recorded as checkpoint.timestamped at {seq}")?;
    }
    Ok(Outcome::Well)
}
