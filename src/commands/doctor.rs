//! What an operator would look at by hand: says what is so, and what is wrong.

use crate::cli::Cli;
use crate::commands::hook::system::System;
use crate::commands::hook::{capture, defeats};
use crate::config::Config;
use crate::count::counted;
use crate::door::address_file;
use crate::outcome::{Done, Outcome};
use crate::policies;
use crate::protection;
use crate::reports::{schedule, taken};
use crate::server::notify::webhook;
use crate::server::{self, news};
use crate::timestamp::Client;
use crate::views::Views;
use agents::approvals::notify::untold;
use ledger::clock::{Clock, SystemClock};
use ledger::{KeyFile, Layout, Reader};
use schemas::Timestamp;
use schemas::kinds::acting::{NotifyChannel, NotifyOutcome};
use schemas::kinds::records::ProtectionLevel;
use std::fs::TryLockError;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Below this the next full day may not find its place.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;

/// A clock this far behind the newest entry stops the next start.
const CLOCK_TOLERANCE_MICROS: i64 = 10_000_000;

/// What was looked at. `Err` is wrong, `Ok` is told.
type Seen = Result<String, String>;

pub fn run(cli: &Cli) -> Done {
    let layout = Layout::new(&cli.data);
    let mut checks: Vec<(&str, Seen)> = Vec::new();
    let config = Config::load(&layout).map_err(|failure| format!("{:#}", failure.fault));
    let parses = || "daicho.toml is understood".to_owned();
    checks.push((
        "configuration",
        config.as_ref().map(|_| parses()).map_err(Clone::clone),
    ));
    let reader = Reader::open(&cli.data);
    let log = reader
        .as_ref()
        .map(|reader| format!("{}, chained", counted(reader.size(), "entry")));
    checks.push((
        "log",
        log.map_err(|error| format!("{error}; {}", error.remedy())),
    ));
    if let Ok(reader) = &reader {
        checks.push(("clock", clock(reader)));
        checks.push(("checkpoint", checkpoint(reader)));
        checks.push(("signing key", signing_key(reader, &layout)));
    }
    checks.push(("keys", private(&layout, config.as_ref().ok())));
    let immutable = config.as_ref().is_ok_and(|c| c.protection.immutable);
    checks.push(("protection", protection(&layout, immutable)));
    checks.push(("space", space(layout.dir())));
    checks.push(("writer", writer(&layout)));
    if let Ok(config) = &config {
        checks.push(("provider key", provider_keys(config)));
        if let Ok(reader) = &reader {
            checks.push(("bucket keys", bucket_keys(reader)));
            checks.push(("policies", in_force(reader, config)));
            checks.push(("approvers", approvers(reader, config)));
            checks.push(("time stamps", time_stamps(reader, config)));
            checks.push(("reports", scheduled(reader, config)));
        }
        checks.push(("receivers", receivers(&layout, config)));
        checks.push(("tool servers", tool_servers(config)));
        checks.push(("sources", sources(&layout, config)));
    }
    let version = capture::version();
    let own = defeats::own();
    let settings = capture::on_this_host(
        Path::new(System::HERE.managed_dir()),
        version.as_deref(),
        &own,
    );
    checks.push(("claude code", settings));
    if let Ok(reader) = &reader {
        checks.push(("capture", capture::in_the_log(reader)));
    }
    let wrong = checks.iter().filter(|(_, seen)| seen.is_err()).count();
    let mut out = std::io::stdout().lock();
    for (name, seen) in &checks {
        let (well, text) = match seen {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        if cli.json {
            let line = serde_json::json!({ "check": name, "well": well, "text": text });
            writeln!(out, "{line}")?;
        } else {
            writeln!(
                out,
                "{}  {name:<14} {text}",
                if well { "ok   " } else { "WRONG" }
            )?;
        }
    }
    Ok(if wrong == 0 {
        Outcome::Well
    } else {
        Outcome::Wrong
    })
}

fn provider_keys(config: &Config) -> Seen {
    let (keys, without) = config.keys().map_err(|f| format!("{:#}", f.fault))?;
    let there: Vec<_> = keys.keys().map(|provider| provider.as_str()).collect();
    Ok(match there.as_slice() {
        [] => format!("the gateway would be closed: {}", without.join("; ")),
        there => format!("there for {}", there.join(" and ")),
    })
}

fn tool_servers(config: &Config) -> Seen {
    for (name, server) in &config.mcp {
        server::check_mcp(server).map_err(|why| format!("[mcp.{}] {why}", name.as_str()))?;
    }
    Ok(match config.mcp.len() {
        0 => "none is configured".to_owned(),
        count => format!("{count} configured"),
    })
}

fn sources(layout: &Layout, config: &Config) -> Seen {
    for one in &config.ingest {
        let name = &one.source.name;
        server::ingest::check(one, layout.dir())
            .map_err(|error| format!("[[ingest]] {name}: {error:#}"))?;
    }
    let listening = config.ingest.iter().filter(|one| one.listen.is_some());
    Ok(match config.ingest.len() {
        0 => "no other system's log is kept here".to_owned(),
        all => format!(
            "{all} configured, {} of them listened for",
            listening.count()
        ),
    })
}

fn clock(reader: &Reader) -> Seen {
    let (now, newest) = (SystemClock.now(), reader.head().at);
    if now.micros() < newest.micros().saturating_sub(CLOCK_TOLERANCE_MICROS) {
        return Err(format!(
            "{now} is before the newest entry of {newest}: set it right"
        ));
    }
    Ok(format!("{now}, the newest entry is of {newest}"))
}

fn checkpoint(reader: &Reader) -> Seen {
    let note = reader.checkpoint();
    let checkpoint = reader.keys().open(note.as_bytes());
    let checkpoint = checkpoint.map_err(|error| error.to_string())?;
    match reader.root_at(checkpoint.size) {
        Ok(root) if root == checkpoint.root => Ok(format!(
            "covers {} of {}",
            checkpoint.size,
            counted(reader.size(), "entry")
        )),
        Ok(_) => Err(format!(
            "of size {}: its root is not the log's",
            checkpoint.size
        )),
        Err(error) => {
            let entries = counted(checkpoint.size, "entry");
            Err(format!("promises {entries}: {error}"))
        }
    }
}

/// Does the key file hold the key in force, and how?
fn signing_key(reader: &Reader, layout: &Layout) -> Seen {
    let in_force = reader.key_in_force();
    let next = layout.next_log_key();
    if next.exists() {
        let next = next.display();
        return Err(format!(
            "{next} is left of a rotation that was cut off; the next start ends it"
        ));
    }
    let file = KeyFile::read(&layout.log_key());
    let file = file.map_err(|error| format!("keys/ledger.key cannot be read: {error}"))?;
    if *file.verifier() != in_force {
        return Err(format!(
            "keys/ledger.key is {}, and the log is signed by {in_force}",
            file.verifier()
        ));
    }
    Ok(match file.way() {
        "plain" => "in force; plain, its owner's alone".to_owned(),
        "token" => "in force; on a PKCS #11 token".to_owned(),
        "passphrase" => "in force; under a passphrase".to_owned(),
        _ => "in force; under the system's protection".to_owned(),
    })
}

/// Can what is sealed be read?
fn bucket_keys(reader: &Reader) -> Seen {
    let views = Views::open(reader.clone()).map_err(|failure| format!("{:#}", failure.fault))?;
    let (lost, unread, all) = views.buckets.read(|buckets| {
        let lost = reader.without_key(buckets);
        (lost, reader.unread_keys(buckets), buckets.all().count())
    });
    let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
    if lost.is_empty() {
        let unread = unread.map_err(|error| format!("keys/content: {error}"))?;
        return match unread.first() {
            None => Ok(format!(
                "there for {}, but for those that ended",
                counted(all, "bucket")
            )),
            Some(first) => Err(format!(
                "{} keys of persons do not open, of {} the first: what is sealed under them cannot be \
                 read, and nobody knows whom an erasure of them would be of; put them back from a backup \
                 that was made --with-keys",
                unread.len(),
                first.key.bucket
            )),
        };
    }
    Err(format!(
        "gone from keys/content for {}: what is sealed there cannot be read, and nothing more is \
         recorded there; put them back from a backup that was made --with-keys",
        lost.join(", ")
    ))
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut paths = vec![dir.to_owned()];
    for item in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match item.file_type() {
            Ok(kind) if kind.is_dir() => paths.extend(below(&item.path())),
            _ => paths.push(item.path()),
        }
    }
    paths
}

/// Nobody but the owner may read a key, or enter where keys lie.
fn private(layout: &Layout, config: Option<&Config>) -> Seen {
    let mut paths = below(&layout.keys());
    // What opens the signing key is as good as the key.
    let opens = config.map(|config| [&config.key.passphrase_file, &config.key.pin_file]);
    let opens = opens.into_iter().flatten().flatten();
    paths.extend(opens.map(|path| layout.dir().join(path)));
    #[cfg(unix)]
    for path in &paths {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mode = mode.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(format!(
                "{path} has mode {mode:o}: others can get at it; chmod go="
            ));
        }
    }
    if !layout.log_key().exists() {
        return Err("keys/ledger.key is not there: nothing can be recorded".to_owned());
    }
    Ok(format!(
        "{} files and directories, their owner's alone",
        paths.len()
    ))
}

/// What keeps full files from being written to: their mode (L0), or the system's flag (L1).
fn protection(layout: &Layout, immutable: bool) -> Seen {
    let failed = |error: anyhow::Error| format!("{error:#}");
    let now = SystemClock.now();
    let read = protection::read(layout, now).map_err(failed)?;
    let files = read.log.files + read.content.files;
    let told = format!(
        "{} full log files, {} full packs of content",
        read.log.files, read.content.files
    );
    match read.level {
        _ if files == 0 => Ok("no log file is full yet".to_owned()),
        ProtectionLevel::Unproven => {
            let unread = read.log.unread + read.content.unread;
            Err(format!("{unread} of {told} cannot be asked"))
        }
        ProtectionLevel::Writable => {
            let path = protection::writable(layout, now).map_err(failed)?;
            let path = path.unwrap_or_default();
            Err(format!(
                "{} is full and not read-only: chmod a-w",
                path.display()
            ))
        }
        ProtectionLevel::ReadOnly if immutable => Err(format!(
            "{} of {told} are immutable, and [protection] asks it of all: `daicho serve` sets the flag, as root, where the file system knows it",
            read.log.immutable + read.content.immutable
        )),
        ProtectionLevel::ReadOnly => Ok(format!("L0, read-only: {told}")),
        ProtectionLevel::Immutable => Ok(format!("L1, immutable: {told}")),
    }
}

/// A report that is due for longer than this is late: nobody serves, or it fails.
const LATE_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What the schedule has done, and what it should have.
fn scheduled(reader: &Reader, config: &Config) -> Seen {
    let Some(schedule) = &config.report.schedule else {
        return Ok("none is scheduled".to_owned());
    };
    let views = Views::open(reader.clone()).map_err(|failure| format!("{:#}", failure.fault))?;
    let founded = reader.entry(0).map_err(|error| error.to_string())?.at();
    let (offset, now) = (config.report.utc_offset, SystemClock.now());
    views.issued.read(|issued| {
        let a_day_ago = Timestamp::from_micros(now.micros().saturating_sub(LATE_MICROS));
        let standing = schedule::standing(schedule, offset, issued, (founded, a_day_ago));
        let mut wrong = Vec::new();
        for schedule::Due { report, month, .. } in &standing.late {
            wrong.push(format!(
                "{report} of {month} is due since more than a day and not issued: see the server's log"
            ));
        }
        for (month, report) in &standing.given_up {
            wrong.push(format!(
                "{report} of {month} is issued, and nobody took it from the webhook: see [report.schedule] in daicho.toml"
            ));
        }
        let dir = reader.layout().dir().join(&schedule.directory);
        for name in unwritten(&dir) {
            wrong.push(format!(
                "{name} was cut off, and the server's next start completes it or gives its name back"
            ));
        }
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        let Some(newest) = standing.newest else {
            return Ok("scheduled, and nothing was due yet".to_owned());
        };
        let month = schedule::month_of(newest, offset);
        let (report, at) = (&newest.report, newest.at);
        let told = format!("the newest is {report} of {month}, issued at {at}");
        let mut tried = issued.tried(report.as_str(), month);
        Ok(match tried.any(|outcome| outcome == NotifyOutcome::Delivered) {
            true => format!("{told}, and handed on"),
            false => told,
        })
    })
}

/// Documents whose names were taken by somebody who is not at it any more.
fn unwritten(dir: &Path) -> Vec<String> {
    let a_day_ago = SystemTime::now().checked_sub(Duration::from_secs(24 * 3_600));
    let items = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let old = items.filter(|item| {
        let changed = item.metadata().and_then(|meta| meta.modified()).ok();
        changed
            .zip(a_day_ago)
            .is_some_and(|(changed, then)| changed < then)
    });
    let names = old.filter_map(|item| {
        let name = item.file_name();
        let (of, _) = taken(name.to_str()?)?;
        (!dir.join(of).exists()).then(|| of.to_owned())
    });
    names.collect()
}

#[cfg(unix)]
fn space(dir: &Path) -> Seen {
    let at = rustix::fs::statvfs(dir).map_err(|error| error.to_string())?;
    let free = at.f_bavail.saturating_mul(at.f_frsize);
    let text = format!("{} MiB free", free >> 20);
    if free < LITTLE_SPACE_BYTES {
        Err(text)
    } else {
        Ok(text)
    }
}

#[cfg(not(unix))]
fn space(_: &Path) -> Seen {
    Ok("not looked at on this system".to_owned())
}

fn writer(layout: &Layout) -> Seen {
    let path = layout.dir().join("lock");
    let Ok(file) = std::fs::File::open(&path) else {
        return Ok("nobody has written yet".to_owned());
    };
    match file.try_lock_shared() {
        Ok(()) => Ok("nobody writes now".to_owned()),
        Err(TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(layout.dir().join("lock.pid")).unwrap_or_default();
            Ok(format!("process {} writes", pid.trim()))
        }
        Err(TryLockError::Error(error)) => Err(error.to_string()),
    }
}

/// How many intervals an entry may wait: one missed attempt is no fault.
const INTERVALS: u64 = 3;

/// The newest one that is kept. An authority that has long been silent is noticed here.
fn time_stamps(reader: &Reader, config: &Config) -> Seen {
    let (layout, config) = (reader.layout(), &config.timestamp);
    Client::open(config, layout.dir()).map_err(|failure| format!("{:#}", failure.fault))?;
    let newest = ledger::timestamp::newest(layout).map_err(|error| error.to_string())?;
    let (size, told) = match newest {
        Some((size, token)) => {
            let time = token
                .map_err(|error| format!("of size {size}: {error}"))?
                .time;
            let entries = counted(size, "entry");
            (size, format!("the newest covers {entries}, of {time}"))
        }
        None => (0, "none is kept".to_owned()),
    };
    if size > reader.size() {
        return Err(format!("{told}; this log has lost entries"));
    }
    if config.url.is_none() {
        return Ok(format!("{told}; no authority is asked"));
    }
    let limit = INTERVALS.saturating_mul(config.interval_seconds.max(1));
    let now = SystemClock.now().micros() / 1_000_000;
    let waiting = news(reader, size..reader.size()).map_or(0, |at| now - at.micros() / 1_000_000);
    if waiting > i64::try_from(limit).unwrap_or(i64::MAX) {
        let minutes = waiting / 60;
        return Err(format!(
            "{told}; what came after waits since {minutes} minutes"
        ));
    }
    Ok(told)
}

/// Is what daicho.toml says what payloads are masked and held by?
fn in_force(reader: &Reader, config: &Config) -> Seen {
    let views = Views::open(reader.clone()).map_err(|failure| format!("{:#}", failure.fault))?;
    let pending = views.policies.read(|p| policies::pending(p, config));
    match policies::waiting(&pending) {
        None => Ok("daicho.toml is in force".to_owned()),
        Some(waiting) => Err(waiting),
    }
}

/// Does anybody wait for people who could not be told?
fn approvers(reader: &Reader, config: &Config) -> Seen {
    let webhook = webhook::address(config.notify.address(), reader.layout().dir());
    let webhook = webhook.map_err(|failure| format!("{:#}", failure.fault))?;
    let channels = [
        (NotifyChannel::Webhook, webhook.is_some()),
        (NotifyChannel::Command, !config.notify.command.is_empty()),
    ];
    let views = Views::open(reader.clone()).map_err(|failure| format!("{:#}", failure.fault))?;
    let now = SystemClock.now();
    let mut told = Vec::new();
    for (channel, _) in channels.into_iter().filter(|(_, configured)| *configured) {
        let given_up = (channel, NotifyOutcome::GivenUp);
        let lost = views.approvals.read(|approvals| {
            let untold = untold(approvals, channel, now);
            untold
                .filter(|asked| asked.notified.contains(&given_up))
                .count()
        });
        if lost > 0 {
            return Err(format!(
                "{lost} requests wait, and approvers could not be told by {channel}: correct \
                 [notify] and start the server again; `daicho approvals list --state requested`"
            ));
        }
        told.push(channel.to_string());
    }
    Ok(match told.as_slice() {
        [] => "are told by nothing; see [notify]".to_owned(),
        told => format!("are told by {}", told.join(" and ")),
    })
}

fn receivers(layout: &Layout, config: &Config) -> Seen {
    if config.export.is_empty() {
        return Ok("none is configured".to_owned());
    }
    let Ok(address) = std::fs::read_to_string(address_file(layout)) else {
        return Ok(format!(
            "{} configured; no server runs",
            config.export.len()
        ));
    };
    let ask = || -> reqwest::Result<Vec<serde_json::Value>> {
        let client = reqwest::blocking::Client::builder().no_proxy().build()?;
        client
            .get(format!("http://{address}/api/v1/export"))
            .send()?
            .json()
    };
    let rows = ask().map_err(|_| format!("the server at {address} does not answer"))?;
    let lost: Vec<String> = rows
        .iter()
        .filter(|row| row["connected"] != true)
        .map(|row| row["destination"].as_str().unwrap_or("?").to_owned())
        .collect();
    if lost.is_empty() {
        return Ok(format!("{} connected", rows.len()));
    }
    Err(format!(
        "not connected: {}; see `daicho export status`",
        lost.join(", ")
    ))
}
