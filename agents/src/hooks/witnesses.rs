//! Two witnesses of one use of a tool: the model's answer, which the gateway recorded, and the
//! client's hook. Both name it alike; what one saw and the other did not is an alert.
//!
//! Compared where a turn ends (`Stop`): by then the gateway has recorded the answer, because
//! no client sees its end before. A hook never sees a call that the client refused as
//! malformed, so a missing hook weighs less than a missing answer, which means that the model
//! was reached past the gateway.

use super::event::Client;
use crate::once::{name, once};
use ledger::{Entry, Projection, Submission};
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::hooks::{HookEvent, HookReported};
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Label};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Uses of tools in turns that have not ended, of sessions that have hooks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Witnesses {
    sessions: BTreeMap<(Actor, Label), BTreeMap<Label, Seen>>,
}

/// Where each witness stands in the log.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    answer: Option<u64>,
    hook: Option<u64>,
    /// By an agent inside the agent, which may go on when its turn ends.
    inner: bool,
}

/// Uses of one session that are held: a turn of more is compared as far as it is held.
const MOST_USES: usize = 4_096;
/// Positions that one alert names; it is the first of them that matter.
const MOST_POSITIONS: usize = 256;

impl Witnesses {
    /// Plans an alert for each witness that is missing in the turn that ends now.
    pub(super) fn missing(&self, agent: &Actor, session: &Label) -> Vec<Submission> {
        let uses = self.sessions.get(&(agent.clone(), session.clone()));
        let uses = || uses.into_iter().flatten();
        let past = |seen: &Seen| seen.hook.filter(|_| seen.answer.is_none() && !seen.inner);
        let only_hook = uses().filter_map(|(_, seen)| past(seen));
        let only_answer =
            uses().filter_map(|(_, seen)| seen.answer.filter(|_| seen.hook.is_none()));
        let past = alert("past-the-gateway", Severity::High, only_hook, agent);
        let bare = alert("without-a-hook", Severity::Low, only_answer, agent);
        let in_session = |event: Event| event.in_session(Some(session.clone())).into();
        past.into_iter().chain(bare).map(in_session).collect()
    }

    fn seen(&mut self, entry: &Entry, tool_use: &Label) -> Option<&mut Seen> {
        let key = (entry.actor().clone(), entry.session()?.clone());
        let uses = self.sessions.get_mut(&key)?;
        if uses.len() >= MOST_USES && !uses.contains_key(tool_use) {
            return None;
        }
        Some(uses.entry(tool_use.clone()).or_default())
    }

    fn told(&mut self, entry: &Entry, told: &HookReported) {
        let Some(session) = entry.session() else {
            return;
        };
        // A proxy before a tool server gives each call a name of its own.
        if told.client.as_str() != Client::ClaudeCode.word() {
            return;
        }
        let key = (entry.actor().clone(), session.clone());
        match told.event {
            HookEvent::SessionEnd => drop(self.sessions.remove(&key)),
            // What was alone was told of; what an inner agent does may still meet its answer.
            HookEvent::Stop => {
                if let Some(uses) = self.sessions.get_mut(&key) {
                    uses.retain(|_, seen| seen.inner && seen.answer.is_none());
                }
            }
            _ => {
                self.sessions.entry(key).or_default();
            }
        }
        if let (HookEvent::PreToolUse, Some(tool_use)) = (told.event, &told.tool_use)
            && let Some(seen) = self.seen(entry, tool_use)
        {
            seen.hook = Some(entry.seq());
            seen.inner = told.subagent.is_some();
        }
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
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::ToolCalled(fact) if !is_of_the_provider(&fact.tool_use) => {
                if let Some(seen) = self.seen(entry, &fact.tool_use) {
                    seen.answer = Some(entry.seq());
                }
            }
            Data::HookReported(fact) => self.told(entry, fact),
            _ => {}
        }
    }
}
