use super::{DETECTORS, GAP, HOOKLESS, LATE, NO_CALL, NO_HOOK, NO_RESULT, PAST, UNSEEN};
use ledger::Entry;
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::hooks::TelemetryReported;
use schemas::{Label, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Uses of tools in one session of an agent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::hooks) struct Session {
    /// When anything was last told of it.
    pub newest: Timestamp,
    /// A hook told of it. Of one that telemetry alone tells of nothing is held.
    pub hooked: bool,
    /// Its end was told of.
    pub over: bool,
    /// It goes on from one that began elsewhere, whose uses nobody here knows.
    pub resumed: bool,
    uses: BTreeMap<Label, Used>,
    /// Where each prompt was first told of; of those that telemetry has passed no more.
    prompts: BTreeMap<Label, u64>,
    /// Telemetry has passed a prompt: one that is not held may be one that it has passed.
    passed: bool,
    /// The next number of its telemetry, once there is any.
    next: Option<u64>,
    /// Uses were given up: one that is not held may have been one of them.
    forgot: bool,
    /// That no hook told of it has been noticed.
    noticed: bool,
    /// What telemetry has shown to be missing, and nobody was told of: detector and position.
    untold: Vec<(String, u64)>,
}

/// One use of a tool: where each witness stands in the log.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::hooks) struct Used {
    pub answer: Option<u64>,
    pub hook: Option<u64>,
    pub result: Option<u64>,
    telemetry: Option<u64>,
    pub prompt: Option<Label>,
    /// By an agent inside the agent, which may go on when its turn ends.
    pub inner: bool,
    /// Its turn has ended: only telemetry may still tell of it.
    ended: bool,
    /// Telemetry was held against it: it is kept until the next prompt, for what comes late.
    compared: bool,
}

/// What is over, and so how much is to have been told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::hooks) enum Turn {
    /// The turn: agents inside the agent may go on.
    Ended,
    /// The session, and everything in it.
    Over,
    /// Nothing that anybody said, but nothing has happened for long.
    Quiet,
}

/// Uses and prompts of one session that are held: a turn of more is compared as far as it is held.
const MOST_USES: usize = 4_096;

impl Session {
    /// Of a use in a session that goes on.
    pub fn hook_of(&self, tool_use: &Label) -> Option<u64> {
        self.uses.get(tool_use).filter(|_| !self.over)?.hook
    }

    /// What is missing of uses that nobody was told of yet: by which detector, and where the use was
    /// seen.
    pub fn missing(&self, turn: Turn) -> Vec<(&'static str, u64)> {
        let mut found = Vec::new();
        // Telemetry has told of the session, and will not tell of this use.
        let untold = turn == Turn::Quiet && self.next.is_some();
        for used in self.uses.values() {
            if let (true, Some(at)) = (untold, used.unseen()) {
                found.push((UNSEEN, at));
            }
            if used.ended {
                continue;
            }
            let outer = !used.inner || turn != Turn::Ended;
            match (used.answer, used.hook, used.result) {
                (None, Some(at), _) if outer => found.push((PAST, at)),
                (None, None, Some(at)) if outer && !self.resumed => found.push((NO_CALL, at)),
                (Some(at), None, _) => found.push((NO_HOOK, at)),
                // Where nobody asks the model again, no result is due.
                (Some(at), Some(_), None) if outer && turn == Turn::Ended => {
                    found.push((NO_RESULT, at));
                }
                _ => {}
            }
        }
        found
    }

    /// What telemetry has shown to be missing.
    pub fn untold(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = |by: &String| DETECTORS.iter().find(|(detector, _)| detector == by);
        let untold = self.untold.iter();
        untold.filter_map(move |(by, at)| Some((named(by)?.0, *at)))
    }

    /// An alert was recorded: nobody is told of the same again.
    pub fn raised(&mut self, raised: &AlertRaised) {
        let detector = raised.detector.as_str();
        let is_told = |at: &u64| raised.positions.contains(at);
        self.untold
            .retain(|(by, at)| by != detector || !is_told(at));
        for used in self.uses.values_mut() {
            let seen = [used.answer, used.hook, used.result];
            if seen.iter().flatten().any(is_told) {
                used.compared |= detector == UNSEEN;
                used.ended |= [PAST, NO_CALL, NO_HOOK, NO_RESULT].contains(&detector);
            }
        }
    }

    /// The use of that name, if there is room for another.
    pub fn used(&mut self, tool_use: &Label) -> Option<&mut Used> {
        if self.uses.len() >= MOST_USES && !self.uses.contains_key(tool_use) {
            let before = self.uses.len();
            self.uses.retain(|_, used| !used.ended);
            self.forgot = true;
            if self.uses.len() == before {
                return None;
            }
        }
        Some(self.uses.entry(tool_use.clone()).or_default())
    }

    pub fn prompted(&mut self, entry: &Entry, prompt: Option<&Label>) {
        if let Some(prompt) = prompt
            && self.prompts.len() < MOST_USES
        {
            let first = self.prompts.entry(prompt.clone());
            first.or_insert(entry.seq());
        }
    }

    /// A turn has ended, and its session if it is `over`. What was alone was told of; what an inner
    /// agent does may still meet its answer, and telemetry the turn that ends now.
    pub fn stop(&mut self, over: bool) {
        let before = self.uses.len();
        let due = over || self.next.is_some();
        self.uses.retain(|_, used| due || !used.ended);
        self.forgot |= self.uses.len() < before;
        self.over = over;
        for used in self.uses.values_mut() {
            let waits = !over && used.inner && used.answer.is_none();
            used.ended |= !waits;
            if let (true, Some(at)) = (over, used.alone()) {
                self.untold.push((PAST.to_owned(), at));
                used.compared = true;
            }
        }
        self.untold.truncate(MOST_USES);
    }

    pub fn telemetry(&mut self, entry: &Entry, told: &TelemetryReported) {
        if !self.hooked {
            if told.tool_use.is_some() && !std::mem::replace(&mut self.noticed, true) {
                self.untold.push((HOOKLESS.to_owned(), entry.seq()));
            }
            return;
        }
        if let Some(sequence) = told.sequence {
            // A smaller number is that of a client that was started again.
            if self.next.is_some_and(|next| sequence > next) {
                self.untold.push((GAP.to_owned(), entry.seq()));
                // What is missing now may have been among what was lost.
                self.forgot = true;
                self.uses.retain(|_, used| !used.ended);
            }
            self.next = sequence.checked_add(1);
        }
        let known = |prompt: &Label| self.prompts.contains_key(prompt);
        let old = self.passed && told.prompt.as_ref().is_some_and(|prompt| !known(prompt));
        if let Some(tool_use) = &told.tool_use {
            self.told_of(tool_use, entry.seq(), told.prompt.as_ref(), old);
        }
        // One that it has passed is not the next one.
        if !old || told.event.as_str() == "user_prompt" {
            self.prompted(entry, told.prompt.as_ref());
        }
        if told.event.as_str() == "user_prompt"
            && let Some(prompt) = &told.prompt
        {
            self.passed(prompt);
        }
        self.untold.truncate(MOST_USES);
    }

    /// Telemetry tells of a use, of a prompt that may be an `old` one.
    fn told_of(&mut self, tool_use: &Label, at: u64, prompt: Option<&Label>, old: bool) {
        let (over, forgot) = (self.over, self.forgot);
        if let Some(used) = self.uses.get_mut(tool_use) {
            if used.compared && used.telemetry.is_none() {
                self.untold.push((LATE.to_owned(), at));
            }
            used.telemetry = used.telemetry.or(Some(at));
            used.prompt = used.prompt.take().or(prompt.cloned());
            return;
        }
        // Nobody else tells of it, now or any more; or nobody can say whether anybody has.
        let alone = over && !forgot;
        if old || (over && forgot) {
            self.untold.push((LATE.to_owned(), at));
        } else if forgot {
            return;
        } else if alone {
            self.untold.push((PAST.to_owned(), at));
        }
        if let Some(used) = self.used(tool_use) {
            used.telemetry = Some(at);
            used.prompt = prompt.cloned();
            used.compared = old || over;
            used.ended = over;
        }
    }

    /// Telemetry tells of this prompt: of those before it, it has told all that it will.
    fn passed(&mut self, prompt: &Label) {
        let Some(&begun) = self.prompts.get(prompt) else {
            return;
        };
        let prompts = std::mem::take(&mut self.prompts);
        let before = |of: &Label| prompts.get(of).is_none_or(|at| *at < begun);
        let untold = &mut self.untold;
        self.uses.retain(|_, used| {
            let over = used.ended || used.hook.or(used.answer).is_none();
            if !over || !used.prompt.as_ref().is_some_and(before) {
                return true;
            }
            if used.compared {
                return false;
            }
            if let Some(at) = used.alone() {
                untold.push((PAST.to_owned(), at));
            } else if let Some(at) = used.unseen() {
                untold.push((UNSEEN.to_owned(), at));
            }
            used.compared = true;
            true
        });
        self.passed = true;
        self.forgot = false;
        self.prompts = prompts;
        self.prompts.retain(|_, at| *at >= begun);
    }
}

impl Used {
    /// Where telemetry told of it, if nobody else did.
    fn alone(&self) -> Option<u64> {
        let others = self.answer.or(self.hook);
        self.telemetry
            .filter(|_| others.is_none() && !self.compared)
    }

    /// Where it was answered, if telemetry alone did not tell of it.
    fn unseen(&self) -> Option<u64> {
        let others = self.answer.filter(|_| self.hook.is_some());
        others.filter(|_| self.telemetry.is_none() && !self.compared && self.ended)
    }
}
