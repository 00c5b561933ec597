//! What one scanner's report changes in the log.
//!
//! - A result whose fingerprint the log does not know: `finding.reported`. Its id follows from
//!   the fingerprint, so the log itself holds a weakness once.
//! - One that was closed as fixed or gone, and is there again: `finding.reopened`.
//! - A live finding that this scanner no longer sees: `finding.closed` as gone, but only if
//!   the scan is complete and looked at that file, or the file is no more. A scan that ended
//!   early, or looked elsewhere, says nothing about what it did not see.
//! - What a person refuted or suppressed stays so, seen or not.
//!
//! A batch is appended whole or not at all. If another report came in between, the log calls
//! an id of this one a conflict: catch the projection up and plan again.

use super::findings::{Finding, Findings, State};
use super::fingerprint::{Place, fingerprint, quotes_a_secret, without_quoted};
use super::path::RepoPath;
use super::sarif::{Found, Sarif, Scan, Standing};
use crate::once::once;
use ledger::{Content, Submission};
use schemas::kinds::scanner::{
    CloseReason, Coverage, FileCovered, FindingClosed, FindingReopened, FindingReported,
    ScanCompleted, ScanOutcome, ScanStarted,
};
use schemas::{Actor, Data, Event, EventId, Hash, Label, Name};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Who takes a report in, for which project, and what it says about files it does not name.
pub struct ScanOptions<'a> {
    pub actor: &'a Actor,
    pub project: &'a Name,
    /// The caller vouches that the scanner looked at the whole project, for reports that do
    /// not list the files.
    pub whole_project: bool,
    /// Is this file of the project no more? (`|_| false` when the project is not at hand.)
    pub is_removed: &'a dyn Fn(&str) -> bool,
}

/// What to append, and what it will say.
pub struct ScanPlan {
    pub submissions: Vec<Submission>,
    pub summaries: Vec<ScanSummary>,
}

/// What one scanner's run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanSummary {
    pub scanner: Label,
    #[serde(flatten)]
    pub completed: ScanCompleted,
    /// Files that the scanner did not look at.
    pub not_run: Vec<Label>,
}

/// Plans everything that a report changes: one scan for each scanner in it.
pub fn plan_scan(
    sarif: &Sarif,
    findings: &Findings,
    options: &ScanOptions,
    new_id: &mut dyn FnMut() -> EventId,
) -> ScanPlan {
    let mut plan = ScanPlan {
        submissions: Vec::new(),
        summaries: Vec::new(),
    };
    for scan in &sarif.scans {
        let planner = Planner {
            id: new_id(),
            scan,
            findings,
            options,
        };
        planner.plan(sarif.sha256, new_id, &mut plan);
    }
    plan
}

struct Planner<'a> {
    id: EventId,
    scan: &'a Scan,
    findings: &'a Findings,
    options: &'a ScanOptions<'a>,
}

/// A result and the finding that it is.
struct Identified<'a> {
    finding: EventId,
    fingerprint: Hash,
    found: &'a Found,
}

impl Planner<'_> {
    fn plan(&self, input_sha256: Hash, new_id: &mut dyn FnMut() -> EventId, plan: &mut ScanPlan) {
        let scan = self.scan;
        let mut completed = ScanCompleted {
            scan: self.id,
            outcome: match scan.complete {
                true => ScanOutcome::Complete,
                false => ScanOutcome::Incomplete,
            },
            results: scan.found.len() as u64,
            reported: 0,
            known: 0,
            reopened: 0,
            gone: 0,
            suppressed: 0,
            passed: 0,
            covered: scan.covered.len() as u64,
            not_run: scan.errors,
        };
        let mut add = |id, data: Data| plan.submissions.push(self.event(id, data).into());

        let started = ScanStarted {
            scan: self.id,
            project: self.options.project.clone(),
            scanner: scan.scanner.clone(),
            scanner_version: scan.version.clone(),
            input_sha256,
        };
        add(self.id, started.into());
        for (path, coverage, file_sha256) in self.files() {
            let covered = FileCovered {
                scan: self.id,
                path: path.label().clone(),
                coverage,
                file_sha256,
            };
            add(new_id(), covered.into());
        }

        let identified = self.identified();
        completed.passed = completed.results - identified.len() as u64;
        let mut seen = HashSet::new();
        for result in identified {
            // Reported or not, it is in the source: it cannot be gone.
            let first = seen.insert(result.finding);
            if result.found.standing == Standing::Suppressed {
                completed.suppressed += 1;
                continue;
            }
            match self.findings.find(result.finding) {
                None if first => {
                    completed.reported += 1;
                    plan.submissions.push(self.reported(&result));
                }
                Some(known) if first && comes_back(known) => {
                    completed.reopened += 1;
                    plan.submissions.push(self.reopened(known).into());
                }
                _ => completed.known += 1,
            }
        }
        let covered: HashSet<&str> = scan.covered.keys().map(RepoPath::as_str).collect();
        for finding in self.findings.all() {
            if self.is_gone(finding, &seen, &covered) {
                completed.gone += 1;
                plan.submissions.push(self.gone(finding).into());
            }
        }

        let end = self.event(new_id(), completed.clone().into());
        plan.submissions.push(end.into());
        plan.summaries.push(ScanSummary {
            scanner: scan.scanner.clone(),
            completed,
            not_run: scan.not_run.iter().map(|p| p.label().clone()).collect(),
        });
    }

    fn files(&self) -> impl Iterator<Item = (&RepoPath, Coverage, Option<Hash>)> {
        let covered = self.scan.covered.iter();
        let covered = covered.map(|(path, digest)| (path, Coverage::Scanned, *digest));
        let not_run = self.scan.not_run.iter();
        covered.chain(not_run.map(|path| (path, Coverage::NotRun, None)))
    }

    /// Gives each result that is in the source its finding. Equal ones in one file are told
    /// apart by their order; the same rule twice at the same place is one finding.
    fn identified(&self) -> Vec<Identified<'_>> {
        let found = self.scan.found.iter();
        // What passed is not there, so it must not push the ordinals of others on.
        let mut found: Vec<&Found> = found.filter(|f| f.standing != Standing::Passed).collect();
        found.sort_by_key(|found| (found.line, found.column));
        let mut equals: HashMap<(&Label, &RepoPath, String), Equals> = HashMap::new();
        let mut identified = Vec::with_capacity(found.len());
        for found in found {
            let Found { rule, path, .. } = found;
            let anchor = found.anchor.digest(quotes_a_secret(&found.cwe));
            let equals = equals.entry((rule, path, anchor.clone())).or_default();
            let ordinal = equals.ordinal_of(found.line, found.column);
            let place = Place {
                project: self.options.project,
                scanner: &self.scan.scanner,
                rule,
                path,
            };
            let fingerprint = fingerprint(&place, &anchor, ordinal);
            identified.push(Identified {
                finding: EventId::derived(fingerprint),
                fingerprint,
                found,
            });
        }
        identified
    }

    fn reported(&self, result: &Identified) -> Submission {
        let found = result.found;
        let message = match quotes_a_secret(&found.cwe) {
            true => without_quoted(&found.message),
            false => found.message.clone(),
        };
        let reported = FindingReported {
            finding: result.finding,
            scan: self.id,
            project: self.options.project.clone(),
            scanner: self.scan.scanner.clone(),
            rule: found.rule.clone(),
            path: found.path.label().clone(),
            line: found.line,
            cwe: found.cwe.clone(),
            severity: found.severity,
            confidence: found.confidence,
            fingerprint: result.fingerprint,
        };
        Submission {
            event: self.event(result.finding, reported.into()),
            content: vec![Content {
                name: crate::once::name("message"),
                media: Label::lossy("text/plain; charset=utf-8"),
                bytes: message.into_bytes(),
            }],
            person: None,
        }
    }

    fn reopened(&self, known: &Finding) -> Event {
        let (finding, scan) = (known.finding, Some(self.id));
        let id = once("finding.reopened", &[&finding, &known.reopened]);
        self.event(id, FindingReopened { finding, scan }.into())
    }

    fn is_gone(&self, finding: &Finding, seen: &HashSet<EventId>, covered: &HashSet<&str>) -> bool {
        let path = finding.path.as_str();
        let of_this_scanner = finding.project == *self.options.project
            && finding.scanner == self.scan.scanner
            && finding.state.is_live();
        // The cheap questions first: the last one may ask the disk.
        of_this_scanner
            && self.scan.complete
            && !seen.contains(&finding.finding)
            && (self.options.whole_project
                || covered.contains(path)
                || (self.options.is_removed)(path))
    }

    fn gone(&self, known: &Finding) -> Event {
        let closed = FindingClosed {
            finding: known.finding,
            reason: CloseReason::Gone,
            scan: Some(self.id),
            commit: None,
        };
        let id = once("finding.closed", &[&known.finding, &known.reopened]);
        self.event(id, closed.into())
    }

    fn event(&self, id: EventId, data: Data) -> Event {
        Event::new(id, self.options.actor.clone(), data)
    }
}

/// The results of one file that have the same rule and anchor.
#[derive(Default)]
struct Equals {
    count: u64,
    /// By line and column.
    placed: HashMap<(u64, Option<u64>), u64>,
}

impl Equals {
    fn ordinal_of(&mut self, line: Option<u64>, column: Option<u64>) -> u64 {
        let next = self.count;
        let ordinal = match line {
            Some(line) => *self.placed.entry((line, column)).or_insert(next),
            None => next,
        };
        self.count += u64::from(ordinal == next);
        ordinal
    }
}

/// What somebody said is the same as another stays closed when it is seen again.
fn comes_back(known: &Finding) -> bool {
    known.state == State::Closed
        && matches!(known.closed, Some(CloseReason::Fixed | CloseReason::Gone))
}

#[cfg(test)]
mod tests;
