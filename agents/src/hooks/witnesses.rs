//! Four witnesses of one use of a tool: the model's answer, the client's hook, the result in the
//! next request to the model, and the client's telemetry. All name it alike; what one saw and
//! another did not is an alert.
//!
//! | alert | seen | not seen | where it is compared |
//! |---|---|---|---|
//! | `past-the-gateway` | hook, or telemetry | answer | end of turn, or once telemetry is past it |
//! | `without-a-call` | result | answer, hook | end of turn, unless the session was resumed |
//! | `without-a-hook` | answer | hook | end of turn |
//! | `without-a-result` | answer, hook | result | end of turn |
//! | `without-telemetry` | answer, hook | telemetry | once telemetry is past it |
//! | `telemetry-gap` | a number of telemetry's | the number before it | at once |
//!
//! A turn ends with `Stop`: by then the gateway has recorded the answer, because no client sees
//! its end before. A hook never sees a call that the client refused as malformed, so a missing
//! hook weighs less than a missing answer, which means that the model was reached past the
//! gateway. Telemetry lags by seconds and may be lost; it has passed a prompt when it tells of
//! the next one, and sessions without any are not held to it.

use super::event::Client;
use crate::gateway::sessions::SILENCE;
use crate::once::{name, once};
use ledger::{Entry, Projection, Submission};
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::hooks::{HookEvent, HookReported, TelemetryReported};
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Label, Period, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Uses of tools in sessions that have hooks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Witnesses {
    sessions: BTreeMap<(Actor, Label), Session>,
    /// Those that fell silent are looked for once a day: of a client that was killed nobody hears an
    /// end.
    next_look: Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Session {
    /// When anything was last told of it.
    newest: Timestamp,
    uses: BTreeMap<Label, Seen>,
    /// Where each prompt was first told of.
    prompts: BTreeMap<Label, u64>,
    /// The next number of its telemetry, once there is any.
    next: Option<u64>,
    /// Uses were given up: one that is not held may have been one of them.
    forgot: bool,
    /// It goes on from one that began elsewhere, whose uses nobody here knows.
    resumed: bool,
    /// What telemetry has shown to be missing, and nobody was told of: detector and position.
    untold: Vec<(String, u64)>,
}

/// Where each witness stands in the log.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    answer: Option<u64>,
    hook: Option<u64>,
    result: Option<u64>,
    telemetry: Option<u64>,
    prompt: Option<Label>,
    /// By an agent inside the agent, which may go on when its turn ends.
    inner: bool,
    /// Its turn has ended: only telemetry may still tell of it.
    ended: bool,
}

/// Uses and prompts of one session that are held: a turn of more is compared as far as it is held.
const MOST_USES: usize = 4_096;
/// Positions that one alert names; it is the first of them that matter.
const MOST_POSITIONS: usize = 256;

const PAST: &str = "past-the-gateway";
const UNSEEN: &str = "without-telemetry";
const GAP: &str = "telemetry-gap";

impl Witnesses {
    /// Plans an alert for each witness that is missing in the turn that ends now.
    pub(super) fn missing(&self, agent: &Actor, session: &Label) -> Vec<Submission> {
        let held = self.sessions.get(&(agent.clone(), session.clone()));
        let uses = || held.into_iter().flat_map(|held| held.uses.values());
        let of_turn = || uses().filter(|seen| !seen.ended);
        let outer = || of_turn().filter(|seen| !seen.inner);
        let only_hook = outer().filter_map(|seen| seen.hook.filter(|_| seen.answer.is_none()));
        let only_answer = of_turn().filter_map(|seen| seen.answer.filter(|_| seen.hook.is_none()));
        let resumed = held.is_some_and(|held| held.resumed);
        let only_result = outer().filter_map(|seen| {
            let result = seen.result.filter(|_| !resumed);
            result.filter(|_| seen.answer.or(seen.hook).is_none())
        });
        let no_result = outer().filter_map(|seen| {
            let answer = seen.answer.filter(|_| seen.hook.is_some());
            answer.filter(|_| seen.result.is_none())
        });
        let alerts = [
            alert(PAST, Severity::High, only_hook, agent),
            alert("without-a-call", Severity::High, only_result, agent),
            alert("without-a-hook", Severity::Low, only_answer, agent),
            alert("without-a-result", Severity::Low, no_result, agent),
        ];
        let in_session = |event: Event| event.in_session(Some(session.clone())).into();
        alerts.into_iter().flatten().map(in_session).collect()
    }

    /// Plans an alert for each witness that telemetry has shown to be missing.
    pub fn shown(&self, agent: &Actor, session: &Label) -> Vec<Submission> {
        let held = self.sessions.get(&(agent.clone(), session.clone()));
        let of = |detector: &'static str, severity| {
            let untold = held.into_iter().flat_map(|held| &held.untold);
            let positions = untold.filter(|(by, _)| by == detector).map(|(_, at)| *at);
            alert(detector, severity, positions, agent)
        };
        let alerts = [
            of(PAST, Severity::High),
            of(UNSEEN, Severity::Low),
            of(GAP, Severity::Low),
        ];
        let in_session = |event: Event| event.in_session(Some(session.clone())).into();
        alerts.into_iter().flatten().map(in_session).collect()
    }

    pub(super) fn of_agent(&self, agent: &Actor) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.iter();
        sessions.filter_map(move |((by, _), session)| (by == agent).then_some(session))
    }

    fn session(&mut self, entry: &Entry) -> Option<&mut Session> {
        let key = (entry.actor().clone(), entry.session()?.clone());
        let held = self.sessions.get_mut(&key)?;
        held.newest = entry.at();
        Some(held)
    }

    fn forget_silent(&mut self, at: Timestamp) {
        if at < self.next_look {
            return;
        }
        self.next_look = at.after(Period::Days(1)).unwrap_or(at);
        let ends = |held: &Session| held.newest.after(SILENCE);
        self.sessions
            .retain(|_, held| ends(held).is_none_or(|ends| ends > at));
    }

    fn hooked(&mut self, entry: &Entry, told: &HookReported) {
        let Some(session) = entry.session() else {
            return;
        };
        // A proxy before a tool server gives each call a name of its own.
        if told.client.as_str() != Client::ClaudeCode.word() {
            return;
        }
        let key = (entry.actor().clone(), session.clone());
        if told.event == HookEvent::SessionEnd {
            self.sessions.remove(&key);
            return;
        }
        // One whose first hook is that of its end of turn: what came before it had no hooks yet.
        if told.event == HookEvent::Stop {
            if let Some(held) = self.sessions.get_mut(&key) {
                held.stop();
            }
            return;
        }
        let held = self.sessions.entry(key).or_default();
        held.newest = entry.at();
        held.prompted(entry, told.prompt.as_ref());
        if told.event == HookEvent::SessionStart {
            let source = told.source.as_ref().map(Label::as_str);
            held.resumed |= matches!(source, Some("resume" | "fork"));
        }
        if let (HookEvent::PreToolUse, Some(tool_use)) = (told.event, &told.tool_use)
            && let Some(seen) = held.seen(tool_use)
        {
            seen.hook = Some(entry.seq());
            seen.inner = told.subagent.is_some();
            seen.prompt = seen.prompt.take().or(told.prompt.clone());
        }
    }

    /// An alert of these was recorded: nobody is told of it again.
    fn raised(&mut self, entry: &Entry, raised: &AlertRaised) {
        let (Some(session), Some(agent)) = (entry.session(), &raised.subject) else {
            return;
        };
        if let Some(held) = self.sessions.get_mut(&(agent.clone(), session.clone())) {
            let told = |(by, at): &(String, u64)| {
                by == raised.detector.as_str() && raised.positions.contains(at)
            };
            held.untold.retain(|one| !told(one));
        }
    }
}

impl Session {
    pub(super) fn hook_of(&self, tool_use: &Label) -> Option<u64> {
        self.uses.get(tool_use)?.hook
    }

    fn seen(&mut self, tool_use: &Label) -> Option<&mut Seen> {
        if self.uses.len() >= MOST_USES && !self.uses.contains_key(tool_use) {
            let before = self.uses.len();
            self.uses.retain(|_, seen| !seen.ended);
            self.forgot = true;
            if self.uses.len() == before {
                return None;
            }
        }
        Some(self.uses.entry(tool_use.clone()).or_default())
    }

    fn prompted(&mut self, entry: &Entry, prompt: Option<&Label>) {
        if let Some(prompt) = prompt
            && self.prompts.len() < MOST_USES
        {
            let first = self.prompts.entry(prompt.clone());
            first.or_insert(entry.seq());
        }
    }

    /// What was alone was told of; what an inner agent does may still meet its answer.
    fn stop(&mut self) {
        let telemetry = self.next.is_some();
        self.uses.retain(|_, seen| {
            let waits = seen.inner && seen.answer.is_none();
            seen.ended |= !waits;
            waits || telemetry
        });
        self.forgot |= !telemetry;
    }

    fn telemetry(&mut self, entry: &Entry, told: &TelemetryReported) {
        if let Some(sequence) = told.sequence {
            // A smaller number is that of a client that was started again.
            if self.next.is_some_and(|next| sequence > next) {
                self.untold.push((GAP.to_owned(), entry.seq()));
                // What is missing now may have been among what was lost.
                self.forgot = true;
                self.uses.retain(|_, seen| !seen.ended);
            }
            self.next = sequence.checked_add(1);
        }
        self.prompted(entry, told.prompt.as_ref());
        if let Some(tool_use) = &told.tool_use
            && (!self.forgot || self.uses.contains_key(tool_use))
            && let Some(seen) = self.seen(tool_use)
        {
            seen.telemetry = seen.telemetry.or(Some(entry.seq()));
            seen.prompt = seen.prompt.take().or(told.prompt.clone());
        }
        if told.event.as_str() == "user_prompt"
            && let Some(prompt) = &told.prompt
        {
            self.passed(prompt);
        }
        self.untold.truncate(MOST_USES);
    }

    /// Telemetry tells of this prompt: of those before it, it has told all that it will.
    fn passed(&mut self, prompt: &Label) {
        let Some(&begun) = self.prompts.get(prompt) else {
            return;
        };
        let prompts = std::mem::take(&mut self.prompts);
        let before = |of: &Label| prompts.get(of).is_none_or(|at| *at < begun);
        let untold = &mut self.untold;
        self.uses.retain(|_, seen| {
            let over = seen.ended || seen.hook.or(seen.answer).is_none();
            if !over || !seen.prompt.as_ref().is_some_and(before) {
                return true;
            }
            match (seen.answer, seen.hook, seen.telemetry) {
                (None, None, Some(at)) => untold.push((PAST.to_owned(), at)),
                (Some(at), Some(_), None) => untold.push((UNSEEN.to_owned(), at)),
                _ => {}
            }
            false
        });
        self.forgot = false;
        self.prompts = prompts;
        self.prompts.retain(|_, at| *at >= begun);
    }
}

fn alert(
    detector: &'static str,
    severity: Severity,
    positions: impl Iterator<Item = u64>,
    agent: &Actor,
) -> Option<Event> {
    let mut positions: Vec<u64> = positions.collect();
    positions.sort_unstable();
    positions.truncate(MOST_POSITIONS);
    // What it rests on makes it that alert: it is raised once.
    let first = positions.first()?;
    let alert = once(detector, &[first]);
    let raised = AlertRaised {
        alert,
        detector: name(detector),
        severity,
        positions,
        subject: Some(agent.clone()),
    };
    Some(Event::new(alert, Actor::Service(name("hooks")), raised))
}

/// The provider runs these itself; no client has a hook for them.
fn is_of_the_provider(tool_use: &Label) -> bool {
    tool_use.as_str().starts_with("srvtoolu_") || tool_use.as_str().starts_with("mcptoolu_")
}

impl Projection for Witnesses {
    const NAME: &'static str = "witnesses-of-tools";
    const VERSION: u32 = 3;

    fn fold(&mut self, entry: &Entry) {
        self.forget_silent(entry.at());
        match entry.data() {
            Data::ToolCalled(fact) if !is_of_the_provider(&fact.tool_use) => {
                let session = self.session(entry);
                if let Some(seen) = session.and_then(|held| held.seen(&fact.tool_use)) {
                    seen.answer = Some(entry.seq());
                }
            }
            Data::ToolReturned(fact) if !is_of_the_provider(&fact.tool_use) => {
                let session = self.session(entry);
                if let Some(seen) = session.and_then(|held| held.seen(&fact.tool_use)) {
                    seen.result = Some(entry.seq());
                }
            }
            Data::TelemetryReported(fact) => {
                if let Some(held) = self.session(entry) {
                    held.telemetry(entry, fact);
                }
            }
            Data::HookReported(fact) => self.hooked(entry, fact),
            Data::AlertRaised(raised) => self.raised(entry, raised),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_fell_silent_is_forgotten_and_others_are_not() {
        let day = |n: i64| Timestamp::from_micros(1_800_000_000_000_000 + n * 86_400_000_000);
        let key = |session| ("agent:dev".parse().unwrap(), Label::lossy(session));
        let mut witnesses = Witnesses::default();
        for (session, newest) in [("old", day(0)), ("young", day(5))] {
            let held = Session {
                newest,
                ..Session::default()
            };
            witnesses.sessions.insert(key(session), held);
        }
        for n in 6..=30 {
            witnesses.forget_silent(day(n));
        }
        let left: Vec<_> = witnesses.sessions.keys().collect();
        assert_eq!(left, [&key("young")]);
    }
}
