//! Where the use of a tool is that a permission prompt is about. A prompt names the use and neither
//! its session nor its directory: both were told by the use's own hook, and stand in the log.

use super::Labels;
use super::event::HookCall;
use super::witnesses::Witnesses;
use crate::masking::Masker;
use ledger::Entry;
use schemas::{Actor, Label};
use serde_json::Value;

impl Witnesses {
    /// Where the newest hook stands in the log that an agent's use was told by before it happened.
    pub fn hook_of(&self, agent: &Actor, tool_use: &Label) -> Option<u64> {
        self.of_agent(agent)
            .filter_map(|session| session.hook_of(tool_use))
            .max()
    }
}

impl HookCall {
    /// The use that a prompt is about, as the log names it; of no other call.
    pub fn prompted_use(&self, masker: &Masker) -> Option<Label> {
        self.prompts()
            .then(|| Labels::linked(&self.tool_use, masker))?
    }

    /// Puts a prompt where the use's hook was, which sealed what it was `told`. Where that cannot be
    /// read any more the prompt has no directory, and what is granted for it is granted for none.
    pub fn put(&mut self, hook: &Entry, told: &[u8]) {
        let told: Value = serde_json::from_slice(told).unwrap_or_default();
        self.session = hook.session().map(|session| session.as_str().to_owned());
        self.directory = told["cwd"].as_str().map(str::to_owned);
    }
}
