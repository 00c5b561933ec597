//! Reads SARIF 2.1.0 (OASIS), as far as it says what was found, where, and what was not
//! looked at. Tools add properties freely, so unknown ones are passed over; a property that is
//! used must have its right type, else the whole file is refused with the place and nothing is
//! recorded. Faults never show what the file says: it quotes source code.
//!
//! **Silence is not safety.** A run is complete only if it has `results`, every invocation
//! says that it succeeded, and no notification is an error. Bandit reports a file it cannot
//! parse as such a notification under a run that calls itself successful.

mod node;
mod weakness;

use super::fingerprint::Anchor;
use super::path::{PathFault, RepoPath, path_of_uri};
use node::Node;
use schemas::kinds::scanner::{Confidence, Severity};
use schemas::{Hash, Label};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A report larger than this is one of many projects at once.
pub const MAX_BYTES: usize = 64 << 20;
const MAX_RUNS: usize = 64;
pub const MAX_RESULTS: usize = 100_000;
const MAX_FILES: usize = 200_000;
/// Messages are cut here: some scanners print whole data flows into them.
const MAX_MESSAGE_CHARS: usize = 8_192;

/// A report: what each scanner in it saw.
pub struct Sarif {
    pub sha256: Hash,
    /// Runs of one scanner taken together, in the order of the file.
    pub scans: Vec<Scan>,
}

/// What one scanner saw.
pub struct Scan {
    pub scanner: Label,
    pub version: Option<Label>,
    pub found: Vec<Found>,
    /// Files that the report says were looked at, with their digest where it gives one.
    pub covered: BTreeMap<RepoPath, Option<Hash>>,
    pub not_run: BTreeSet<RepoPath>,
    /// Errors that the scanner reported, with or without a file.
    pub errors: u64,
    pub complete: bool,
}

/// One result. Without `Debug`: message and anchor quote source code.
pub struct Found {
    pub rule: Label,
    pub path: RepoPath,
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub cwe: Vec<Label>,
    pub severity: Severity,
    pub confidence: Confidence,
    pub message: String,
    pub anchor: Anchor,
    pub standing: Standing,
}

/// What a result says about its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The weakness is there.
    Present,
    /// It is there, and a comment in the source says not to report it.
    Suppressed,
    /// All is well there, or what was there is gone.
    Passed,
}

/// The report cannot be taken in; nothing of it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SarifError {
    #[error("the report has {bytes} bytes; the limit is {MAX_BYTES}. Scan fewer files at once")]
    TooLarge { bytes: usize },
    #[error("the report is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("this is not SARIF 2.1.0: the report's `version` says otherwise or is missing")]
    OtherVersion,
    #[error("{at} must be {rule}")]
    Wrong { at: String, rule: &'static str },
    #[error("{at} has {count} items; the limit is {limit}")]
    TooMany {
        at: String,
        count: usize,
        limit: usize,
    },
    #[error("the path at {at} {fault}")]
    Path { at: String, fault: PathFault },
}

impl Sarif {
    /// `root` is the scanned directory as the scanner saw it: absolute paths in the report are
    /// made relative to it, and those outside of it are refused.
    pub fn parse(bytes: &[u8], root: Option<&str>) -> Result<Sarif, SarifError> {
        if bytes.len() > MAX_BYTES {
            return Err(SarifError::TooLarge { bytes: bytes.len() });
        }
        // .NET tools write a byte order mark.
        let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value: Value = serde_json::from_slice(json).map_err(|e| SarifError::NotJson {
            line: e.line(),
            column: e.column(),
        })?;
        let document = Node::root(&value);
        let version = document.get("version").ok().and_then(|v| v.text().ok()?);
        if version != Some("2.1.0") {
            return Err(SarifError::OtherVersion);
        }
        let runs = document.get("runs")?;
        if !runs.is_there() {
            return Err(runs.wrong("an array"));
        }
        let mut scans: Vec<Scan> = Vec::new();
        let mut results = 0;
        for run in runs.items(MAX_RUNS)? {
            let scan = Run::new(&run, root)?.scan()?;
            results += scan.found.len();
            if results > MAX_RESULTS {
                return Err(SarifError::TooMany {
                    at: "runs[].results".to_owned(),
                    count: results,
                    limit: MAX_RESULTS,
                });
            }
            match scans.iter_mut().find(|s| s.scanner == scan.scanner) {
                Some(same) => same.join(scan),
                None => scans.push(scan),
            }
        }
        Ok(Sarif {
            sha256: crate::once::sha256(bytes),
            scans,
        })
    }
}

impl Scan {
    /// Two runs of one scanner are one look at the project: what only one of them saw is there.
    fn join(&mut self, other: Scan) {
        self.version = self.version.take().or(other.version);
        self.found.extend(other.found);
        for (path, digest) in other.covered {
            let known = self.covered.entry(path).or_default();
            *known = known.or(digest);
        }
        self.not_run.extend(other.not_run);
        self.errors += other.errors;
        self.complete &= other.complete;
        let not_run = &self.not_run;
        self.covered.retain(|path, _| !not_run.contains(path));
    }
}

/// A run and what its results point into.
struct Run<'v> {
    run: Node<'v>,
    root: Option<&'v str>,
    tool: Node<'v>,
    rules: HashMap<&'v str, Node<'v>>,
}

impl<'v> Run<'v> {
    fn new(run: &Node<'v>, root: Option<&'v str>) -> Result<Run<'v>, SarifError> {
        let tool = run.get("tool")?;
        let mut rules = HashMap::new();
        let mut components = vec![tool.get("driver")?];
        components.extend(tool.get("extensions")?.items(1_024)?);
        for component in components {
            for rule in component.get("rules")?.items(MAX_RESULTS)? {
                if let Some(id) = rule.get("id")?.text()? {
                    rules.entry(id).or_insert(rule);
                }
            }
        }
        Ok(Run {
            run: run.clone(),
            root,
            tool,
            rules,
        })
    }

    fn scan(&self) -> Result<Scan, SarifError> {
        let driver = self.tool.get("driver")?;
        let name = driver.get("name")?;
        let scanner = name.text()?.filter(|text| !text.trim().is_empty());
        let scanner = scanner.ok_or_else(|| name.wrong("the scanner's name"))?;
        let version = driver.get("semanticVersion")?.text()?;
        let version = version.or(driver.get("version")?.text()?);

        // SARIF §3.14.23: without `results` the run did not look; an empty array is a clean one.
        let results = self.run.get("results")?;
        let mut scan = Scan {
            scanner: Label::lossy(scanner),
            version: version.map(Label::lossy),
            found: Vec::new(),
            covered: BTreeMap::new(),
            not_run: BTreeSet::new(),
            errors: 0,
            complete: results.is_there(),
        };
        self.invocations(&mut scan)?;
        self.coverage(&mut scan)?;
        for result in results.items(MAX_RESULTS)? {
            scan.found.push(self.found(&result)?);
        }
        Ok(scan)
    }

    fn invocations(&self, scan: &mut Scan) -> Result<(), SarifError> {
        for invocation in self.run.get("invocations")?.items(1_024)? {
            if invocation.get("executionSuccessful")?.flag()? == Some(false) {
                scan.complete = false;
            }
            for list in [
                "toolExecutionNotifications",
                "toolConfigurationNotifications",
            ] {
                for notification in invocation.get(list)?.items(MAX_FILES)? {
                    if notification.get("level")?.text()? != Some("error") {
                        continue;
                    }
                    scan.errors += 1;
                    scan.complete = false;
                    for location in notification.get("locations")?.items(1_024)? {
                        let artifact = location.get("physicalLocation")?.get("artifactLocation")?;
                        // An error about a file elsewhere is still an error of this run.
                        if let Ok(Some(path)) = self.path(&artifact) {
                            scan.not_run.insert(path);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Which files were looked at: the run's artifacts, and what Bandit counted.
    fn coverage(&self, scan: &mut Scan) -> Result<(), SarifError> {
        for artifact in self.run.get("artifacts")?.items(MAX_FILES)? {
            let roles = artifact.get("roles")?.items(64)?;
            let mut target = roles.is_empty();
            for role in roles {
                target |= matches!(role.text()?, Some("analysisTarget" | "resultFile"));
            }
            let Ok(Some(path)) = self.path(&artifact.get("location")?) else {
                continue;
            };
            let digest = artifact.get("hashes")?.get("sha-256")?.text()?;
            let digest = digest.and_then(|hex| hex.to_ascii_lowercase().parse().ok());
            if target {
                scan.covered.insert(path, digest);
            }
        }
        if scan.scanner.as_str() == "Bandit" {
            for (file, _) in self.run.get("properties")?.get("metrics")?.members()? {
                // `_totals` stands among the files.
                if file != "_totals"
                    && let Ok(path) = RepoPath::parse(file, self.root)
                {
                    scan.covered.entry(path).or_default();
                }
            }
        }
        let not_run = &scan.not_run;
        scan.covered.retain(|path, _| !not_run.contains(path));
        Ok(())
    }

    fn found(&self, result: &Node<'v>) -> Result<Found, SarifError> {
        let (rule_id, rule) = self.rule(result)?;
        let place = result.get("locations")?.item(0);
        let place = match &place {
            Some(location) => location.get("physicalLocation")?,
            None => result.get("locations")?.nothing(),
        };
        let path = self.path(&place.get("artifactLocation")?)?;
        let region = place.get("region")?;
        Ok(Found {
            rule: Label::lossy(rule_id.unwrap_or_default()),
            path: path.unwrap_or_else(RepoPath::project),
            line: region.get("startLine")?.whole()?,
            column: region.get("startColumn")?.whole()?,
            cwe: weakness::cwe(result, &rule)?,
            severity: weakness::severity(result, &rule)?,
            confidence: weakness::confidence(result, &rule)?,
            message: message(result, &rule)?,
            anchor: anchor(result, &region)?,
            standing: standing(result)?,
        })
    }

    /// SARIF §3.27.5–7: by `rule` or `ruleIndex`, else by id; `CA1000/1` is a part of `CA1000`.
    fn rule(&self, result: &Node<'v>) -> Result<(Option<&'v str>, Node<'v>), SarifError> {
        let reference = result.get("rule")?;
        let id = match result.get("ruleId")?.text()? {
            Some(id) => Some(id),
            None => reference.get("id")?.text()?,
        };
        let index = match result.get("ruleIndex")?.index()? {
            Some(index) => Some(index),
            None => reference.get("index")?.index()?,
        };
        let extension = reference.get("toolComponent")?.get("index")?.index()?;
        let component = match extension {
            Some(extension) => self.tool.get("extensions")?.item(extension),
            None => Some(self.tool.get("driver")?),
        };
        let rules = component.map(|c| c.get("rules")).transpose()?;
        let by_index = index.and_then(|index| rules?.item(index));
        let by_id = || {
            let id = id?;
            let parent = || self.rules.get(id.rsplit_once('/')?.0);
            self.rules.get(id).or_else(parent).cloned()
        };
        let rule = by_index.or_else(by_id);
        let rule = rule.unwrap_or_else(|| result.nothing());
        let id = match id {
            Some(id) => Some(id),
            None => rule.get("id")?.text()?,
        };
        Ok((id, rule))
    }

    /// An artifact's place in the project; `None` if it names none.
    fn path(&self, artifact: &Node<'v>) -> Result<Option<RepoPath>, SarifError> {
        let mut artifact = artifact.clone();
        let mut uri = artifact.get("uri")?;
        if !uri.is_there()
            && let Some(index) = artifact.get("index")?.index()?
            && let Some(listed) = self.run.get("artifacts")?.item(index)
        {
            artifact = listed.get("location")?;
            uri = artifact.get("uri")?;
        }
        let Some(text) = uri.text()? else {
            return Ok(None);
        };
        let fault = |fault| SarifError::Path {
            at: uri.at().to_owned(),
            fault,
        };
        let path = path_of_uri(text).map_err(fault)?;
        let base = self.base(&artifact)?.map(|base| format!("{base}/{path}"));
        let parsed = match base {
            // A base outside the project is the directory that was scanned.
            Some(joined) => {
                RepoPath::parse(&joined, self.root).or_else(|_| RepoPath::parse(&path, self.root))
            }
            None => RepoPath::parse(&path, self.root),
        };
        parsed.map(Some).map_err(fault)
    }

    /// The directory behind `uriBaseId`, if the run says where that is and the project's own
    /// directory is known, so that both can be compared.
    fn base(&self, artifact: &Node<'v>) -> Result<Option<String>, SarifError> {
        let (Some(id), Some(_)) = (artifact.get("uriBaseId")?.text()?, self.root) else {
            return Ok(None);
        };
        let bases = self.run.get("originalUriBaseIds")?.members()?;
        let base = bases.into_iter().find(|(name, _)| *name == id);
        let uri = base.and_then(|(_, base)| base.get("uri")?.as_str());
        Ok(uri.and_then(|uri| path_of_uri(uri).ok()))
    }
}

fn standing(result: &Node) -> Result<Standing, SarifError> {
    if result.get("baselineState")?.text()? == Some("absent") {
        return Ok(Standing::Passed);
    }
    let kind = result.get("kind")?;
    match kind.text()? {
        None | Some("fail") => {}
        // Undecided by the tool: a person should look, so neither kept quiet nor called well.
        Some("review" | "open") => {}
        Some("pass" | "notApplicable" | "informational") => return Ok(Standing::Passed),
        Some(_) => {
            let rule = "fail, pass, open, review, informational or notApplicable";
            return Err(kind.wrong(rule));
        }
    }
    for suppression in result.get("suppressions")?.items(64)? {
        // §3.35.3: without a status a suppression is accepted.
        if matches!(suppression.get("status")?.text()?, None | Some("accepted")) {
            return Ok(Standing::Suppressed);
        }
    }
    Ok(Standing::Present)
}

/// `text`, or the rule's text that `id` names, with its `{0}` filled in.
fn message(result: &Node, rule: &Node) -> Result<String, SarifError> {
    let message = result.get("message")?;
    let mut text = message.get("text")?.text()?.map(str::to_owned);
    if text.is_none()
        && let Some(id) = message.get("id")?.text()?
    {
        let strings = rule.get("messageStrings")?.members()?;
        let string = strings.into_iter().find(|(name, _)| *name == id);
        let template = string.and_then(|(_, string)| string.get("text")?.as_str());
        text = template.map(cut);
        for (index, argument) in message.get("arguments")?.items(64)?.iter().enumerate() {
            // Bounded as it grows: an argument may itself hold the next placeholder.
            let value = cut(argument.text()?.unwrap_or_default());
            text = text.map(|t| cut(&t.replace(&format!("{{{index}}}"), &value)));
        }
    }
    let markdown = message.get("markdown")?.text()?.map(str::to_owned);
    Ok(cut(&text.or(markdown).unwrap_or_default()))
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// What holds a result in its place when lines move.
fn anchor(result: &Node, region: &Node) -> Result<Anchor, SarifError> {
    if let Some(snippet) = region.get("snippet")?.get("text")?.text()?
        && !snippet.trim().is_empty()
    {
        return Ok(Anchor::Snippet(snippet.to_owned()));
    }
    let mut own = BTreeMap::new();
    for bag in ["partialFingerprints", "fingerprints"] {
        for (name, value) in result.get(bag)?.members()? {
            // Semgrep without an account writes these words for every result.
            if let Some(value) = value.as_str().filter(|v| *v != "requires login") {
                own.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    if own.is_empty() {
        return Ok(Anchor::Rule);
    }
    Ok(Anchor::Partial(own))
}

#[cfg(test)]
mod tests;
