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
//! | `late-telemetry` | telemetry | | of a use that was compared before, or can be no more |
//! | `telemetry-without-hooks` | telemetry | any hook | once, of a session that no hook told of, or none within days |
//! | `telemetry-gap` | a number of telemetry's | the number before it | at once |
//!
//! A turn ends with `Stop`, or with its session: by then the gateway has recorded the answer, because
//! no client sees its end before. A hook never sees a call that the client refused as malformed, so a
//! missing hook weighs less than a missing answer, which means that the model was reached past the
//! gateway. Telemetry lags by seconds and may be lost; it has passed a prompt when it tells of
//! the next one, and sessions without any are not held to it. What it tells after its session's end
//! is compared at once, for nobody else will tell more.
//!
//! A client that is killed, or that leaves an end out, says neither. So a server looks at sessions
//! that have been quiet for an hour ([`Witnesses::overdue`]): what waits there for a witness waits no
//! longer.

mod session;

use super::event::Client;
use crate::gateway::sessions::SILENCE;
use crate::once::{name, once};
use ledger::{Entry, Projection, Submission};
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::hooks::{HookEvent, HookReported, TelemetryReported};
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Label, Period, Timestamp};
use serde::{Deserialize, Serialize};
use session::{Session, Turn, Used};
use std::collections::BTreeMap;

/// Uses of tools in sessions that have hooks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Witnesses {
    sessions: BTreeMap<(Actor, Label), Session>,
    /// Those that fell silent are looked for once a day: of a client that was killed nobody hears an
    /// end.
    next_look: Timestamp,
}

/// Positions that one alert names; it is the first of them that matter.
const MOST_POSITIONS: usize = 256;

/// A session in which nothing happens for so long has ended, or waits for its user: whatever is to
/// be told of it has been.
const QUIET_MICROS: i64 = 3_600_000_000;

/// Telemetry of a session that has ended is compared with what the session did for so long.
const AFTER_THE_END: Period = Period::Days(1);

const PAST: &str = "past-the-gateway";
const NO_CALL: &str = "without-a-call";
const NO_HOOK: &str = "without-a-hook";
const NO_RESULT: &str = "without-a-result";
const UNSEEN: &str = "without-telemetry";
const LATE: &str = "late-telemetry";
const HOOKLESS: &str = "telemetry-without-hooks";
const GAP: &str = "telemetry-gap";

/// What each says, the gravest first.
const DETECTORS: [(&str, Severity); 8] = [
    (PAST, Severity::High),
    (NO_CALL, Severity::High),
    (HOOKLESS, Severity::Medium),
    (LATE, Severity::Medium),
    (NO_HOOK, Severity::Low),
    (NO_RESULT, Severity::Low),
    (UNSEEN, Severity::Low),
    (GAP, Severity::Low),
];

impl Witnesses {
    /// Plans an alert for each witness that is missing in the turn that ends now, with its session or
    /// without.
    pub(super) fn missing(&self, agent: &Actor, session: &Label, over: bool) -> Vec<Submission> {
        let turn = if over { Turn::Over } else { Turn::Ended };
        let held = self.sessions.get(&(agent.clone(), session.clone()));
        let found = held.map_or(Vec::new(), |held| held.missing(turn));
        alerts(&found, agent, session)
    }

    /// Plans an alert for each witness that telemetry has shown to be missing.
    pub fn shown(&self, agent: &Actor, session: &Label) -> Vec<Submission> {
        let held = self.sessions.get(&(agent.clone(), session.clone()));
        let found = held.map_or(Vec::new(), |held| held.untold().collect());
        alerts(&found, agent, session)
    }

    /// Plans an alert for each witness that is missing where nobody said that anything ended: in
    /// sessions that are quiet by `now`, and for what telemetry has shown.
    pub fn overdue(&self, now: Timestamp) -> Vec<Submission> {
        let planned = self.sessions.iter().flat_map(|((agent, session), held)| {
            let quiet = now.micros() - held.newest.micros() >= QUIET_MICROS;
            let mut found: Vec<_> = held.untold().collect();
            if quiet {
                found.extend(held.missing(Turn::Quiet));
            }
            alerts(&found, agent, session)
        });
        planned.collect()
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
        let ends = |held: &Session| match held.over {
            true => held.newest.after(AFTER_THE_END),
            false => held.newest.after(SILENCE),
        };
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
        // One whose first hook is that of an end: what came before it had no hooks yet.
        if let HookEvent::Stop | HookEvent::SessionEnd = told.event {
            let held = self.sessions.get_mut(&key);
            if let Some(held) = held.filter(|held| held.hooked) {
                held.newest = entry.at();
                held.stop(told.event == HookEvent::SessionEnd);
            }
            return;
        }
        let held = self.sessions.entry(key).or_default();
        held.newest = entry.at();
        (held.hooked, held.over) = (true, false);
        held.prompted(entry, told.prompt.as_ref());
        if told.event == HookEvent::SessionStart {
            let source = told.source.as_ref().map(Label::as_str);
            held.resumed |= matches!(source, Some("resume" | "fork"));
        }
        if let (HookEvent::PreToolUse, Some(tool_use)) = (told.event, &told.tool_use)
            && let Some(used) = held.used(tool_use)
        {
            used.hook = Some(entry.seq());
            used.inner = told.subagent.is_some();
            used.prompt = used.prompt.take().or(told.prompt.clone());
        }
    }

    /// An alert of these was recorded: nobody is told of it again.
    fn raised(&mut self, entry: &Entry, raised: &AlertRaised) {
        let (Some(session), Some(agent)) = (entry.session(), &raised.subject) else {
            return;
        };
        if let Some(held) = self.sessions.get_mut(&(agent.clone(), session.clone())) {
            held.raised(raised);
        }
    }

    /// The use that an entry of the model's traffic tells of, in a session that has hooks.
    fn used(&mut self, entry: &Entry, tool_use: &Label) -> Option<&mut Used> {
        let held = self.session(entry).filter(|held| held.hooked)?;
        held.used(tool_use)
    }

    /// Telemetry of a session that no hook told of is kept in mind for what it says of tools.
    fn told(&mut self, entry: &Entry, told: &TelemetryReported) {
        let Some(session) = entry.session() else {
            return;
        };
        let key = (entry.actor().clone(), session.clone());
        if !self.sessions.contains_key(&key) && told.tool_use.is_none() {
            return;
        }
        let held = self.sessions.entry(key).or_default();
        held.newest = entry.at();
        held.telemetry(entry, told);
    }
}

/// Alerts for what is missing, by detector: where each is told of.
fn alerts(found: &[(&'static str, u64)], agent: &Actor, session: &Label) -> Vec<Submission> {
    let planned = DETECTORS.iter().filter_map(|(detector, severity)| {
        let of = found.iter().filter(|(by, _)| by == detector);
        alert(detector, *severity, of.map(|(_, at)| *at), agent)
    });
    let in_session = |event: Event| event.in_session(Some(session.clone())).into();
    planned.map(in_session).collect()
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
    const VERSION: u32 = 4;

    fn fold(&mut self, entry: &Entry) {
        self.forget_silent(entry.at());
        match entry.data() {
            Data::ToolCalled(fact) if !is_of_the_provider(&fact.tool_use) => {
                if let Some(used) = self.used(entry, &fact.tool_use) {
                    used.answer = Some(entry.seq());
                }
            }
            Data::ToolReturned(fact) if !is_of_the_provider(&fact.tool_use) => {
                if let Some(used) = self.used(entry, &fact.tool_use) {
                    used.result = Some(entry.seq());
                }
            }
            Data::TelemetryReported(fact) => self.told(entry, fact),
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
            let mut held = Session::default();
            (held.newest, held.hooked) = (newest, true);
            witnesses.sessions.insert(key(session), held);
        }
        for n in 6..=30 {
            witnesses.forget_silent(day(n));
        }
        let left: Vec<_> = witnesses.sessions.keys().collect();
        assert_eq!(left, [&key("young")]);
    }
}
