//! The acts of the demo, in order.

use super::day::{self, Scene};
use super::stage::{PATIENCE, Stage, copy_record};
use super::tell::{act, line, short};
use crate::outcome::{Failure, say};
use crate::reports;
use agents::registry::issue_token;
use anyhow::{Context, anyhow};
use exporters::report::window::{Offset, Window};
use exporters::report::{
    Basis, Format, Head, Language, Verification, controls, monthly, retention,
};
use ledger::verify::{Trust, verify as verify_log};
use schemas::kinds::agents::AgentRegistered;
use schemas::kinds::people::ConsentGiven;
use schemas::kinds::traffic::RuleCount;
use schemas::{Data, DataClass};
use std::time::Duration;

mod review;

pub use review::scan;

pub fn open(stage: &Stage) {
    say!("台帳 daicho: a working day, recorded");
    act(1, "A new ledger");
    line("origin", stage.node.reader.origin());
    line("vkey", format!("{}", stage.node.reader.key_in_force()));
    line("data", stage.dir.display().to_string());
}

pub fn people(stage: &mut Stage) -> Result<(), Failure> {
    act(2, "Eleven role agents and a secretary get tokens");
    for (agent, data_class) in day::AGENTS {
        let token = issue_token()?;
        stage.record(
            "service:operator",
            AgentRegistered {
                agent: agent.parse()?,
                role: agent.parse()?,
                data_class,
                token_sha256: token.digest(),
                token_until: None,
                model: Some("claude-scripted".parse()?),
                person: match data_class {
                    DataClass::Mail => Some(day::SECRETARY_OF.parse()?),
                    _ => None,
                },
            },
        )?;
        stage.tokens.insert(agent, token);
    }
    let consent = ConsentGiven {
        subject: day::SECRETARY_OF.parse()?,
        purpose: "secretary".parse()?,
        data_class: DataClass::Mail,
        until: None,
    };
    let consent = stage.record(&format!("user:{}", day::SECRETARY_OF), consent)?;
    let names: Vec<&str> = day::AGENTS.iter().map(|(agent, _)| *agent).collect();
    line("agents", names.join(" "));
    line(
        "recorded",
        "the SHA-256 of each token; the tokens themselves are kept nowhere",
    );
    line(
        "consent",
        format!(
            "#{consent}: {} lets the secretary send mail",
            day::SECRETARY_OF
        ),
    );
    Ok(())
}

fn body(scene: &Scene) -> serde_json::Value {
    serde_json::json!({
        "model": "claude-scripted", "max_tokens": 1024, "stream": scene.streaming,
        "messages": [{ "role": "user", "content": scene.prompt }],
    })
}

pub fn work(stage: &mut Stage) -> Result<(), Failure> {
    act(
        3,
        "The day's prompts: what came, what left, what was recorded",
    );
    for scene in &day::WORK {
        let before = stage.node.reader.size();
        let (status, _) = stage.call(stage.token(scene.agent)?, &body(scene))?;
        if status != 200 {
            return Err(anyhow!("the gateway answered {status} to {}", scene.agent).into());
        }
        let sent = stage
            .model
            .received()
            .pop()
            .context("the model received nothing")?;
        let sent: serde_json::Value = serde_json::from_slice(&sent.body)?;
        let left = sent["messages"][0]["content"].as_str().unwrap_or_default();
        line(scene.agent, format!("came  {}", short(scene.prompt)));
        if left == scene.prompt {
            line("", "left  unchanged, byte for byte");
        } else {
            line("", format!("left  {}", short(left)));
        }
        line("", format!("log   {}", recorded(stage, before)?));
    }
    Ok(())
}

/// The kinds that were recorded since, with what was masked or blocked.
fn recorded(stage: &Stage, since: u64) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for entry in stage.node.reader.entries(since..u64::MAX) {
        let entry = entry?;
        let detail = match entry.data() {
            Data::PayloadMasked(masked) => counts(&masked.masks),
            Data::PayloadBlocked(blocked) => counts(&blocked.reasons),
            _ => String::new(),
        };
        parts.push(format!("#{} {}{detail}", entry.seq(), entry.kind()));
    }
    Ok(parts.join("  "))
}

fn counts(rules: &[RuleCount]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let rules: Vec<String> = rules
        .iter()
        .map(|rule| format!("{} {}", rule.count, rule.rule))
        .collect();
    format!(" ({})", rules.join(", "))
}

pub fn forbidden(stage: &mut Stage) -> Result<(), Failure> {
    act(4, "What must never leave");
    for (what, scene) in &day::FORBIDDEN {
        let (before, asked) = (stage.node.reader.size(), stage.model.received().len());
        let (status, answer) = stage.call(stage.token(scene.agent)?, &body(scene))?;
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        if status != 403 || stage.model.received().len() != asked {
            return Err(anyhow!("{what} was not stopped: the gateway answered {status}").into());
        }
        line(
            scene.agent,
            format!(
                "sent {what}: {status} {}",
                answer["error"]["type"].as_str().unwrap_or_default()
            ),
        );
        line(
            "",
            short(answer["error"]["message"].as_str().unwrap_or_default()),
        );
        line("", format!("log   {}", recorded(stage, before)?));
    }
    line("model", "received none of the three");
    Ok(())
}

pub fn siem(stage: &Stage) -> Result<(), Failure> {
    act(6, "The parent company's SIEM");
    stage.append(vec![stage.node.appender.checkpoint_event()])?;
    let size = stage.node.reader.size();
    let messages = stage.siem.wait_for(usize::try_from(size)?, PATIENCE);
    let in_order = messages
        .iter()
        .enumerate()
        .all(|(i, m)| m.contains(&format!(" seq=\"{i}\"")));
    if messages.len() as u64 != size || !in_order {
        return Err(anyhow!(
            "the SIEM has {} of {size} entries, in order: {in_order}",
            messages.len()
        )
        .into());
    }
    line(
        "received",
        format!("{size} of {size} entries by RFC 5424, in order, a checkpoint among them"),
    );
    line("", short(messages.last().context("no message")?));
    Ok(())
}

pub fn verify(stage: &Stage) -> Result<(), Failure> {
    act(
        7,
        "An auditor verifies: the files and the public key, nothing else",
    );
    let trust = || Trust {
        vkey: Some(stage.node.reader.keys().founding().clone()),
        ..Trust::default()
    };
    wait_for_checkpoint(stage)?;
    let report = verify_log(&stage.dir, &trust(), |_| {})?;
    if !report.is_clean() {
        return Err(anyhow!(
            "the demo's own log does not verify: {:?}",
            report.findings.first()
        )
        .into());
    }
    line(
        "verified",
        format!(
            "{} entries, {} sealed contents, root {}",
            report.entries,
            report.contents,
            &report.root.to_string()[..16]
        ),
    );
    let copy = stage.dir.with_file_name("copy-with-one-flipped-bit");
    copy_record(&stage.dir, &copy)?;
    let file = copy.join("log/00000000000000000000.ndjson");
    let mut bytes = std::fs::read(&file)?;
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes)?;
    let report = verify_log(&copy, &trust(), |_| {})?;
    let finding = report
        .findings
        .first()
        .context("a flipped bit went unseen")?;
    line("flipped", format!("one bit of a copy, at byte {at}"));
    line("found", finding.to_string());
    line(
        "",
        format!(
            "and {} findings that follow from it",
            report.findings.len() - 1
        ),
    );
    Ok(())
}

/// The checkpoint file follows a moment behind the log.
fn wait_for_checkpoint(stage: &Stage) -> Result<(), Failure> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let newest = stage.node.reader.checkpoint();
    while std::fs::read_to_string(stage.dir.join("checkpoint"))? != *newest {
        if std::time::Instant::now() > deadline {
            return Err(anyhow!("the checkpoint was not published").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub fn report(stage: &Stage) -> Result<(), Failure> {
    act(8, "The compliance officer's reports");
    let trust = Trust {
        vkey: Some(stage.node.reader.keys().founding().clone()),
        ..Trust::default()
    };
    let checked = verify_log(&stage.dir, &trust, |_| {})?;
    let month = checked.newest.month();
    for (name, period) in [
        (retention::NAME, None),
        (monthly::NAME, Some(Window::month(month, Offset::default()))),
        (
            controls::NAME,
            Some(Window::month(month, Offset::default())),
        ),
    ] {
        let basis = Basis {
            organisation: "株式会社サンプル商事".to_owned(),
            log: stage.node.reader.origin().to_owned(),
            head: Head::of(&checked),
            verification: Verification::of(&checked, &trust),
            period,
            begun: Some(stage.node.reader.entry(0)?.at()),
            hours: None,
            rules: None,
            folded: None,
            program: reports::PROGRAM.to_owned(),
        };
        let report = reports::make(&stage.node.reader, name, basis)?;
        for (form, language, ending) in [
            (Format::Json, Language::English, "json"),
            (Format::Html, Language::Japanese, "ja.html"),
            (Format::Html, Language::English, "en.html"),
        ] {
            let path = stage.dir.with_file_name(format!("{name}.{ending}"));
            std::fs::write(&path, report.write(form, language))?;
            line("written", path.display().to_string());
        }
    }
    Ok(())
}

pub fn close(stage: &Stage, took: Duration) {
    act(9, "The console");
    line("open", format!("http://{}/", stage.address));
    line("took", format!("{:.1} s", took.as_secs_f64()));
}
