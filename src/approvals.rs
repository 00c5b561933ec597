//! What approvers see of what waits: rows, the masked preview of each, what changed since the last.
//! Nothing sealed is read before the log says that it is shown.

use crate::count::counted;
use crate::door::Door;
use crate::views::Views;
use agents::approvals::draft::CONTENT;
use agents::approvals::preview::{Reading, previewed};
use agents::approvals::signature::ApproverKey;
use agents::approvals::statement::Verdict;
use agents::approvals::view::{Row, State};
use agents::masking::Masker;
use agents::retention::matter::{ErasureTerms, Matter, end_id};
use agents::scanner::patch::diff::visible;
use agents::scanner::patch::follow_decisions;
use ledger::{AppendError, ContentError, ReadError, Reader, Submission};
use schemas::kinds::acting::{Subject, SubjectKind};
use schemas::{Actor, EventId, Hash, Label, Name, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A row with what an approver wants to know at once.
#[derive(Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub row: Row,
    /// What the action would be done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Label>,
    /// What it would do, masked and cut to a line; a patch's paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// Which arguments differ from the last draft of the same agent and tool, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// A few lines of the difference, masked; none where all of it is masked or further down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_diff: Option<Vec<String>>,
}

/// Oldest request first, without anything that is sealed; `None` for every state.
pub fn lines(views: &Views, state: Option<State>, now: Timestamp) -> Vec<Line> {
    let rows = views.approvals.read(|approvals| approvals.rows(state, now));
    views.drafts.read(|drafts| {
        views.findings.read(|findings| {
            let line = |row: Row| {
                let subject = row.subject.id;
                if let Some(about) = about(views, &row.subject) {
                    return Line {
                        tool: None,
                        preview: Some(about),
                        changed: None,
                        masked_diff: None,
                        row,
                    };
                }
                let paths = findings.patch(subject).map(|patch| {
                    let paths: Vec<&str> = patch.paths.iter().map(Label::as_str).collect();
                    paths.join(" · ")
                });
                Line {
                    tool: drafts.find(subject).map(|draft| draft.tool.clone()),
                    preview: paths,
                    changed: None,
                    masked_diff: None,
                    row,
                }
            };
            rows.into_iter().map(line).collect()
        })
    })
}

/// What a request about rules, a hold or the end of a bucket is about: nothing of it is sealed.
fn about(views: &Views, subject: &Subject) -> Option<String> {
    match subject.kind {
        SubjectKind::Retention => views.buckets.read(|buckets| {
            let mut all = buckets.all();
            let (id, bucket) = all.find(|(id, _)| end_id(id) == subject.id)?;
            let due = bucket.due.map(|due| due.to_string()).unwrap_or_default();
            Some(format!(
                "the end of {id}, due {due}, {}",
                counted(bucket.entries, "entry")
            ))
        }),
        SubjectKind::Erasure => {
            let case = subject.name.as_ref()?;
            let keys = views
                .buckets
                .read(|b| Some(b.erasure(subject.id)?.keys.len()))?;
            Some(format!(
                "the erasure of one person's content ({keys} of its keys), case {case}"
            ))
        }
        SubjectKind::Hold => Some(format!("a hold, case {}", subject.name.as_ref()?)),
        SubjectKind::Policy => Some(format!("the rules of {}", subject.name.as_ref()?)),
        SubjectKind::Action | SubjectKind::Patch | SubjectKind::Phase => None,
    }
}

/// Adds to each draft that waits what it would do; that somebody looks is recorded first.
pub fn preview(
    lines: &mut [Line],
    (views, reader): (&Views, &Reader),
    masker: &Masker,
    door: &Door,
) -> Result<(), AppendError> {
    let waiting: Vec<(&mut Line, Pair)> = lines
        .iter_mut()
        .filter(|line| line.row.state == State::Requested)
        .filter_map(|line| {
            let pair = pair(views, line.row.subject.id)?;
            Some((line, pair))
        })
        .collect();
    let mut positions: Vec<u64> = waiting
        .iter()
        .flat_map(|(_, pair)| [Some(pair.at), pair.last])
        .flatten()
        .collect();
    positions.sort_unstable();
    positions.dedup();
    if positions.is_empty() {
        return Ok(());
    }
    let viewer = door.operator();
    let looks = positions.iter().map(|at| previewed(*at, &viewer));
    door.append(looks.collect())?;
    for (line, pair) in waiting {
        // What has ended by its retention cannot be shown; the row stands without it.
        let Some(draft) = sealed(reader, pair.at) else {
            continue;
        };
        line.preview = Some(draft.line(masker));
        let Some(last) = pair.last.and_then(|at| sealed(reader, at)) else {
            continue;
        };
        line.changed = Some(draft.changed(&last, masker));
        line.masked_diff = Some(draft.masked_diff(&last, masker));
    }
    Ok(())
}

/// What an action would be done with.
pub fn tool(views: &Views, action: EventId) -> Option<Label> {
    views
        .drafts
        .read(|drafts| Some(drafts.find(action)?.tool.clone()))
}

/// One draft's preview for whoever is told that it waits; that it leaves is recorded first.
pub fn summary(
    action: EventId,
    (views, reader): (&Views, &Reader),
    masker: &Masker,
    viewer: &Actor,
    record: impl FnOnce(Vec<Submission>) -> Result<(), AppendError>,
) -> Result<Option<String>, AppendError> {
    let Some(pair) = pair(views, action) else {
        return Ok(None);
    };
    record(vec![previewed(pair.at, viewer)])?;
    Ok(sealed(reader, pair.at).map(|draft| draft.line(masker)))
}

/// A line with all that would be approved.
#[derive(Serialize)]
pub struct Whole {
    #[serde(flatten)]
    pub line: Line,
    /// What the digest is of, as a terminal can show it. Absent where the log holds nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What changed since the last draft of the same agent and tool, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// Opens what a line is about; that it is shown is recorded first.
pub fn whole(
    line: Line,
    (views, reader): (&Views, &Reader),
    door: &Door,
) -> Result<Whole, WholeError> {
    let subject = line.row.subject.id;
    let draft = pair(views, subject);
    let patch = views
        .findings
        .read(|findings| findings.patch(subject)?.positions.first().copied());
    let (at, name) = match (patch, draft) {
        (Some(at), _) => (Some(at), "patch"),
        (None, Some(draft)) => (Some(draft.at), CONTENT),
        // Rules, buckets and holds: what is asked stands in the request itself.
        (None, None) => (line.row.positions.first().copied(), CONTENT),
    };
    let last = draft.and_then(|pair| pair.last);
    let name: Name = name.parse().expect("a literal name is sound");
    let shown = at.into_iter().chain(last).map(|at| (at, &name));
    door.record_reveals(shown, "approval")?;
    let content = at.and_then(|at| content(reader, at, name.as_str()).transpose());
    let content = content.transpose()?;
    // Whoever decides signs the digest: other bytes beside it would be a trap.
    let row = &line.row;
    let asked = row.arguments_sha256;
    if patch.is_none()
        && draft.is_none()
        && content
            .as_ref()
            .is_some_and(|bytes| Hash(Sha256::digest(bytes).into()) != asked)
    {
        return Err(WholeError::NotWhatIsAsked);
    }
    if row.subject.kind == SubjectKind::Erasure && !names_its_keys(row, content.as_deref()) {
        return Err(WholeError::NotWhatIsAsked);
    }
    // The last one's content may have ended since.
    let last = last.and_then(|at| sealed(reader, at));
    let both = content.as_deref().and_then(Reading::of).zip(last);
    Ok(Whole {
        line,
        content: content.map(|bytes| visible(&bytes)),
        diff: both.map(|(draft, last)| draft.diff(&last)),
    })
}

/// The digest of an erasure's keys stands in clear, for verifiers: of other keys than those that are
/// shown it would be a trap too.
fn names_its_keys(row: &Row, content: Option<&[u8]>) -> bool {
    let terms = content.and_then(|bytes| serde_json::from_slice::<ErasureTerms>(bytes).ok());
    terms.is_some_and(|terms| Matter::erasure(&terms).is_asked_in(&row.subject, row.base_sha256))
}

#[derive(Debug, thiserror::Error)]
pub enum WholeError {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("what lies beside this request is not what would be signed: do not approve it")]
    NotWhatIsAsked,
}

/// What became of a decision that was recorded.
#[derive(Serialize)]
pub struct Decided {
    pub approval: EventId,
    /// `granted` or `denied`.
    pub verdict: &'static str,
    pub seq: u64,
    /// How many have approved, of how many.
    pub approved: u64,
    pub needed: u64,
}

impl Decided {
    /// Of the entry at this position. Why it counts for nothing, where the deadline passed on the way,
    /// or another decision came first.
    pub fn at(
        seq: u64,
        verdict: Verdict,
        approval: EventId,
        views: &Views,
    ) -> Result<Decided, String> {
        views.approvals.read(|approvals| {
            let found = approvals.find(approval);
            let mut refused = found.into_iter().flat_map(|found| &found.refused);
            if let Some((_, why)) = refused.find(|(at, _)| *at == seq) {
                return Err(format!(
                    "recorded at {seq}, and it counts for nothing: {why}"
                ));
            }
            let progress = found.map(|found| (found.approved(), found.approvers_needed));
            let (approved, needed) = progress.unwrap_or_default();
            let verdict = match verdict {
                Verdict::Approve => "granted",
                Verdict::Deny => "denied",
            };
            Ok(Decided {
                approval,
                verdict,
                seq,
                approved,
                needed,
            })
        })
    }
}

/// The key that the log has for an approver: whatever signs has to be that one.
pub fn registered(views: &Views, approver: &Actor) -> Option<ApproverKey> {
    let key = views.approvals.read(|approvals| match approver {
        Actor::User(user) => approvals.key_of(user).cloned(),
        Actor::Agent(_) | Actor::Service(_) => None,
    });
    ApproverKey::parse(key?.as_str()).ok()
}

/// What decisions mean for patches, to be recorded.
pub fn follow(views: &Views, by: &Actor, now: Timestamp) -> Vec<Submission> {
    views.findings.read(|findings| {
        views
            .approvals
            .read(|approvals| follow_decisions(findings, approvals, by, now))
    })
}

/// Where a draft's arguments lie, and those of the last one of the same agent and tool.
#[derive(Clone, Copy)]
struct Pair {
    at: u64,
    last: Option<u64>,
}

fn pair(views: &Views, action: EventId) -> Option<Pair> {
    views.drafts.read(|drafts| {
        let draft = drafts.find(action)?;
        let last = draft.last.and_then(|last| drafts.find(last));
        Some(Pair {
            at: draft.position,
            last: last.map(|last| last.position),
        })
    })
}

fn sealed(reader: &Reader, at: u64) -> Option<Reading> {
    Reading::of(&content(reader, at, CONTENT).ok()??)
}

/// `None` where the entry has no such content.
fn content(reader: &Reader, at: u64, name: &str) -> Result<Option<Vec<u8>>, WholeError> {
    let entry = reader.entry(at)?;
    let reference = entry.content().iter().find(|c| c.name.as_str() == name);
    let opened = reference.map(|reference| reader.content(reference));
    Ok(opened.transpose()?)
}

/// How long ago, in the largest unit of which there is one.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let told = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 864_000].map(age);
        assert_eq!(
            told,
            [
                "0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "10 d"
            ]
        );
    }
}
