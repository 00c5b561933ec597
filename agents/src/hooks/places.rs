use super::event::{Client, HookCall};
use schemas::Name;
use schemas::kinds::hooks::HookEvent;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where uses of tools are about to happen, as their hooks said. A permission prompt names the
/// use and neither its session nor its directory: they are found here.
///
/// In memory alone. Where it is not known (no hook, or a restart in between) a prompt has no
/// directory, and what is granted for it is granted for none.
#[derive(Default)]
pub struct Places(Mutex<VecDeque<Place>>);

/// Holds what a client said: neither `Debug` nor `Serialize`.
struct Place {
    agent: Name,
    tool_use: String,
    session: Option<String>,
    directory: Option<String>,
}

/// A prompt follows its hook within a moment.
const MOST: usize = 1_024;

/// Longer than any id or path that a client has: what is longer is not remembered.
const LONGEST_BYTES: usize = 4_096;

impl Places {
    /// Remembers what a hook says of a use.
    pub fn note(&self, call: &HookCall) {
        let Some(tool_use) = &call.tool_use else {
            return;
        };
        if call.client != Client::ClaudeCode || call.event != HookEvent::PreToolUse {
            return;
        }
        let said = [
            Some(tool_use),
            call.session.as_ref(),
            call.directory.as_ref(),
        ];
        if said
            .into_iter()
            .flatten()
            .any(|text| text.len() > LONGEST_BYTES)
        {
            return;
        }
        let mut places = self.places();
        if places.len() == MOST {
            places.pop_front();
        }
        places.push_back(Place {
            agent: call.agent.clone(),
            tool_use: tool_use.clone(),
            session: call.session.clone(),
            directory: call.directory.clone(),
        });
    }

    /// Puts a prompt where its use is.
    pub fn find(&self, call: &mut HookCall) {
        if call.client != Client::PermissionPrompt {
            return;
        }
        let places = self.places();
        let of_it = |place: &&Place| {
            place.agent == call.agent && Some(&place.tool_use) == call.tool_use.as_ref()
        };
        if let Some(place) = places.iter().rev().find(of_it) {
            call.session = place.session.clone();
            call.directory = place.directory.clone();
        }
    }

    fn places(&self) -> MutexGuard<'_, VecDeque<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
