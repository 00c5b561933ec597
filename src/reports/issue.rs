//! Issues reports: of a head that was verified, recorded with their digest, signed.
//!
//! ```text
//! rules adopted → (retention) files' protection read back and recorded → log verified → made
//!   → report.issued, which holds the basis → signature → time stamp, where an authority is asked
//! ```
//! The record comes before the document: one that nobody could write down was still issued, and
//! `daicho report fetch` makes it again from the log; one without a record never leaves.

use super::make::{anew, going_on};
use super::since::{self, Since};
use super::{Form, Soundness, from_kept, issued, make, rules, schedule, sign};
use crate::commands::verify::check_while;
use crate::config;
use crate::config::Config;
use crate::count::counted;
use crate::door::{Door, append_failed};
use crate::outcome::Failure;
use crate::policies::{self, Text};
use crate::protection;
use crate::timestamp::Client;
use crate::views::Views;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::report::model::Report;
use exporters::report::window::{Offset, Window};
use exporters::report::{Adopted, Basis, Head, KINDS, Language, Rules, Verification, retention};
use ledger::verify::Trust;
use ledger::{Appender, Content, Reader, Submission};
use schemas::kinds::records::ReportIssued;
use schemas::{Actor, Event, EventId, Hash, Label, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A report that is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// One of [`KINDS`].
    pub report: String,
    /// As `2026-11` or `2026-10..2026-12`; of `retention` none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    /// Each in each language; JSON, which has both, once.
    #[serde(default = "html")]
    pub formats: Vec<Form>,
    #[serde(default = "japanese")]
    pub languages: Vec<Language>,
    /// Of the first so many entries; absent: of all that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
    /// The log's key as it was published elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vkey: Option<String>,
    /// Do not verify the log first; the report says that it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// Of `retention`: check what came after the newest report over a verified log, and go on from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
    /// Checkpoints kept elsewhere, to verify against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<Outside>,
    /// What whoever asks knows it by: by this what was recorded is found again. Never used twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    pub name: String,
    pub note: String,
}

fn html() -> Vec<Form> {
    vec![Form::Html]
}

fn japanese() -> Vec<Language> {
    vec![Language::Japanese]
}

impl Wish {
    pub fn documents(&self) -> Vec<(Form, Language)> {
        let mut all: Vec<(Form, Language)> = Vec::new();
        for &form in &self.formats {
            for &language in &self.languages {
                let language = match form {
                    Form::Json => Language::Japanese,
                    _ => language,
                };
                if !all.contains(&(form, language)) {
                    all.push((form, language));
                }
            }
        }
        all
    }

    /// The id of a document's record, where it has one of its own.
    pub fn id(&self, form: Form, language: Language) -> Option<EventId> {
        let attempt = self.attempt?;
        let (report, month) = (&self.report, self.month.as_deref().unwrap_or_default());
        let (ending, language) = (form.ending(), language.tag());
        let of = format!("{attempt}\n{report}\n{month}\n{ending}\n{language}");
        Some(schedule::once("report.attempt", &of))
    }

    fn trust(&self) -> Result<Trust, Failure> {
        let mut trust = crate::commands::verify::trust(self.vkey.as_deref(), &[])?;
        let notes = self.checkpoints.iter();
        trust.checkpoints = notes
            .map(|outside| (outside.name.clone(), outside.note.clone().into_bytes()))
            .collect();
        Ok(trust)
    }

    /// What was wrong with it from the beginning, before anything is done.
    fn check(&self) -> Result<(), Failure> {
        let help = "see `daicho report --help`";
        if !KINDS.contains(&self.report.as_str()) {
            return Err(Failure::msg("there is no report of this name", help));
        }
        window(self.month.as_deref(), Offset::default())?;
        let whole = self.report == retention::NAME && self.head.is_none() && !self.unverified;
        if self.continued && !(whole && self.vkey.is_none() && self.checkpoints.is_empty()) {
            let fault = "only the retention report of the log's head goes on from an earlier one, and is held against no key or checkpoint";
            return Err(Failure::msg(fault, help));
        }
        match (self.report.as_str(), &self.month) {
            (retention::NAME, Some(_)) => {
                Err(Failure::msg("the retention report is of no month", help))
            }
            (retention::NAME, None) | (_, Some(_)) => Ok(()),
            (_, None) => Err(Failure::msg(
                "this report is of months",
                "name one with --month, as 2026-11",
            )),
        }
    }
}

/// A document that is recorded and signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    pub format: Form,
    pub language: Language,
    pub media: String,
    /// Where the log records it.
    pub seq: u64,
    pub sha256: Hash,
    #[serde(with = "in_base64")]
    pub bytes: Vec<u8>,
    /// Its detached signature: a C2SP tlog-proof.
    pub proof: String,
    /// An authority's word on when the signature existed (RFC 3161), base64 of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Document {
    pub fn token(&self) -> Option<Vec<u8>> {
        self.token
            .as_ref()
            .and_then(|text| STANDARD.decode(text).ok())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Issue {
    pub report: String,
    /// Entries that it is of.
    pub head: u64,
    pub soundness: Soundness,
    pub documents: Vec<Document>,
    /// What is missing and was asked for.
    #[serde(default)]
    pub notes: Vec<String>,
}

mod in_base64 {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

/// Whoever holds the ledger.
pub struct Issuer<'a> {
    pub appender: &'a Appender,
    pub reader: &'a Reader,
    pub views: &'a Views,
    /// Of what is policy in it only what was adopted counts.
    pub config: &'a config::Report,
    /// Who says when a signature existed.
    pub client: Option<&'a Client>,
    pub by: Actor,
    /// A verification under way ends when this says so, and nothing is issued.
    pub wanted: &'a (dyn Fn() -> bool + Sync),
}

/// Wanted to the end.
pub const ALWAYS: &(dyn Fn() -> bool + Sync) = &|| true;

/// How long a checkpoint may lag the entries that were verified.
const PATIENCE: Duration = Duration::from_secs(20);

impl Issuer<'_> {
    /// `id` gives the event's id of a document: one that says what it is of makes the document one
    /// that is issued once.
    pub fn issue(
        &self,
        wish: &Wish,
        documents: &[(Form, Language)],
        id: impl Fn(Form, Language) -> EventId,
    ) -> Result<Issue, Failure> {
        wish.check()?;
        if documents.is_empty() {
            let help = "see `daicho report --help`";
            return Err(Failure::msg("no form or no language is asked for", help));
        }
        let trust = wish.trust()?;
        within(wish.head, self.reader.size())?;
        self.lived(wish)?;
        self.adopt_rules()?;
        let since = match wish.continued {
            true => Some(Since::newest(self.reader, self.views)?),
            false => None,
        };
        // An earlier head is of an earlier state.
        if wish.report == retention::NAME && wish.head.is_none() {
            let read = protection::read(self.reader.layout(), self.appender.now())?;
            self.append(vec![self.event(read)])?;
        }
        let checked = match wish.unverified || wish.continued {
            false => Some(check_while(
                self.reader.layout().dir(),
                &trust,
                self.wanted,
            )?),
            true => None,
        };
        let newest = match &checked {
            Some(checked) => {
                let last = checked.entries.saturating_sub(1);
                self.reader.wait_beyond(last, PATIENCE);
                Head::of(checked)
            }
            None => self.reader.head().into(),
        };
        let head = head(self.reader, wish.head, newest)?;
        let (rules, adopted) = self.rules(head.size)?;
        let basis = Basis {
            organisation: rules.organisation.clone(),
            log: self.reader.origin().to_owned(),
            head,
            begun: Some(self.reader.entry(0)?.at()),
            verification: match (&checked, &since) {
                (Some(checked), _) => Verification::of(checked, &trust),
                (None, Some(since)) => since.check(self.reader, head.size)?,
                (None, None) => Verification::NotRun,
            },
            period: window(wish.month.as_deref(), rules.utc_offset)?,
            hours: wish.month.as_ref().and(rules.hours),
            rules: Some(adopted),
            folded: None,
            program: PROGRAM.to_owned(),
        };
        let report = self.make(wish, basis, since.as_ref())?;
        let (mut batch, mut made) = (Vec::new(), Vec::new());
        for &(form, language) in documents {
            let bytes = issued::write(&report, form, language, self.config, self.reader)?;
            let fact = ReportIssued {
                report: report.report.parse().context("the report's name")?,
                period: period_label(&report.basis),
                head: head.size,
                report_sha256: Hash(Sha256::digest(&bytes).into()),
                media: Label::lossy(&form.media(language)),
            };
            let mut submission: Submission =
                Event::new(id(form, language), self.by.clone(), fact.clone()).into();
            submission.content.push(Content {
                name: issued::BASIS.parse()?,
                media: Label::lossy("application/json"),
                bytes: serde_json::to_vec(&report.basis)?,
            });
            batch.push(submission);
            made.push((form, language, bytes, fact));
        }
        let soundness = (&report.basis.verification).into();
        let receipts = self.append(batch)?;
        let mut issue = Issue {
            report: wish.report.clone(),
            head: head.size,
            soundness,
            documents: Vec::new(),
            notes: Vec::new(),
        };
        for ((format, language, bytes, fact), receipt) in made.into_iter().zip(receipts) {
            let seq = receipt.seq;
            let proof = sign::proof(self.reader, seq)?;
            let token = self.stamp(&proof, seq, &mut issue.notes);
            issue.documents.push(Document {
                format,
                language,
                media: fact.media.as_str().to_owned(),
                seq,
                sha256: fact.report_sha256,
                bytes,
                proof,
                token: token.map(|token| STANDARD.encode(token)),
            });
        }
        Ok(issue)
    }

    /// What is kept beside the log is part of no verification: whoever may write there could change
    /// it. A report that says "verified" takes its figures from the log alone, one that goes on from
    /// it has the digest of what it goes on from out of the log, and all else says that nobody has
    /// verified.
    fn make(&self, wish: &Wish, basis: Basis, since: Option<&Since>) -> Result<Report, Failure> {
        let (reader, name) = (self.reader, wish.report.as_str());
        if name != retention::NAME {
            return make(reader, name, basis);
        }
        match (&basis.verification, since) {
            (Verification::NotRun, _) => match from_kept(reader, &basis)? {
                Some(report) => Ok(report),
                None => make(reader, name, basis),
            },
            (Verification::Continued { .. }, Some(since)) => {
                let going_on = going_on(reader, basis, since.size, since.folded)?;
                going_on.ok_or_else(|| {
                    let fault = format!(
                        "what was folded for report {} is not kept as the log has its digest",
                        since.report
                    );
                    Failure::msg(fault, since::NONE)
                })
            }
            (Verification::Clean { .. }, _) => anew(reader, basis, wish.head.is_none()),
            _ => make(reader, name, basis),
        }
    }

    /// When a signature existed, if somebody is there to say so. Without it the report is issued
    /// and signed all the same, and that it has none is told.
    pub fn stamp(&self, proof: &str, seq: u64, notes: &mut Vec<String>) -> Option<Vec<u8>> {
        let now = self.appender.now();
        sign::stamp(self.client, self.reader, (seq, proof), now).unwrap_or_else(|note| {
            tracing::warn!("{note}");
            notes.push(note);
            None
        })
    }

    /// Of a period that was over before the log began, or has not begun, every figure would be zero
    /// and say nothing.
    fn lived(&self, wish: &Wish) -> Result<(), Failure> {
        self.views.catch_up()?;
        let in_force = self.views.policies.read(|p| p.in_force(Rules::POLICY));
        let offset = match in_force {
            Some(adoption) => rules::read(self.reader, adoption)?.0.utc_offset,
            None => self.config.utc_offset,
        };
        let Some(period) = window(wish.month.as_deref(), offset)? else {
            return Ok(());
        };
        let (begun, now) = (self.reader.entry(0)?.at(), self.appender.now());
        let help = "name a month in which the log was there, as --month 2026-11";
        if period.until() <= begun {
            let fault = format!("the log begins at {begun}: it holds nothing of {period}");
            return Err(Failure::msg(fault, help));
        }
        if period.since() > now {
            let fault = format!("{period} has not begun: it is {now}");
            return Err(Failure::msg(fault, help));
        }
        Ok(())
    }

    /// Organisation, clock and hours are in force the first time that a report needs them, like
    /// every policy that nobody has adopted yet.
    fn adopt_rules(&self) -> Result<(), Failure> {
        self.views.catch_up()?;
        if self
            .views
            .policies
            .read(|p| p.in_force(Rules::POLICY))
            .is_some()
        {
            return Ok(());
        }
        let mut config = Config::default();
        config.report.put(self.config.rules());
        let text = Text::of(&config, Rules::POLICY)?;
        let door = Door::Here(self.appender.clone());
        self.append(vec![policies::adoption(&door, &text, None, Vec::new())?])?;
        self.views.catch_up()?;
        Ok(())
    }

    fn rules(&self, size: u64) -> Result<(Rules, Adopted), Failure> {
        let adoption = self
            .views
            .policies
            .read(|policies| rules::at(policies, size));
        let adoption = adoption.context("the rules for reports were not adopted")?;
        rules::read(self.reader, adoption)
    }

    fn event(&self, data: impl Into<schemas::Data>) -> Submission {
        Event::new(self.appender.new_id(), self.by.clone(), data).into()
    }

    fn append(&self, batch: Vec<Submission>) -> Result<Vec<ledger::Receipt>, Failure> {
        self.appender.append(batch).map_err(append_failed)
    }
}

pub const PROGRAM: &str = concat!("daicho ", env!("CARGO_PKG_VERSION"));

fn window(month: Option<&str>, offset: Offset) -> Result<Option<Window>, Failure> {
    let window = month.map(|month| Window::parse(month, offset)).transpose();
    window.map_err(|error| Failure::new(error, "give --month as 2026-11"))
}

/// A head that the log has.
fn within(asked: Option<u64>, held: u64) -> Result<(), Failure> {
    match asked {
        Some(size) if size == 0 || size > held => {
            let held = counted(held, "entry");
            let fault = format!("--head {size}: the log has {held}");
            Err(Failure::msg(fault, "give a size from 1 to the log's own"))
        }
        _ => Ok(()),
    }
}

/// The head that was asked for, or the one that was verified.
fn head(reader: &Reader, asked: Option<u64>, checked: Head) -> Result<Head, Failure> {
    within(asked, checked.size)?;
    let size = asked.unwrap_or(checked.size);
    if size == checked.size {
        return Ok(checked);
    }
    let at: Timestamp = reader.entry(size - 1)?.at();
    let root = reader.root_at(size)?;
    Ok(Head { size, root, at })
}

/// As `2026-11`, with the offset where the months are not those of UTC.
fn period_label(basis: &Basis) -> Option<Label> {
    let period = basis.period?;
    let offset = match period.offset == Offset::default() {
        true => String::new(),
        false => format!(" {}", period.offset),
    };
    Some(Label::lossy(&format!("{period}{offset}")))
}
