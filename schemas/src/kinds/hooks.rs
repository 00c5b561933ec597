use super::traffic::RuleCount;
use crate::{Actor, EventId, Hash, Label, Name};

facts! {
    /// A client told what its agent does, and was answered. Content `hook`: what it said, with
    /// prohibited values cut out, sealed.
    HookReported {
        /// Also the id of this event.
        hook: EventId,
        /// Whose form it has, as `claude-code`.
        client: Name,
        event: HookEvent,
        /// The client's own word for an event that this program does not know.
        named: Option<Label>,
        /// Ties the events of one prompt together.
        prompt: Option<Label>,
        /// The agent inside the agent, where one acts.
        subagent: Option<Label>,
        tool: Option<Label>,
        /// Names one use of a tool, as the model's answer does.
        tool_use: Option<Label>,
        /// How the client asks for permission, as `default` or `bypassPermissions`.
        mode: Option<Label>,
        /// Why it happened, in the client's word: `startup`, `clear`, `user_settings`.
        source: Option<Label>,
        body_bytes: u64,
        /// Prohibited values in what it said, per rule.
        found: Vec<RuleCount>,
        verdict: HookVerdict,
        /// What decided: `prohibited`, `rule-<n>`, `outward-<kind>`; `unscanned` where the rules for
        /// texts came to no end in time: then nothing of what it said is kept.
        by: Option<Name>,
        /// The draft that it was held as, or was let go by.
        action: Option<EventId>,
        /// Rules for texts.
        masking: Hash,
        /// Rules for tools.
        policy: Hash,
    }
    /// A client's telemetry told of one event: a log record of OpenTelemetry. Content `record`: the
    /// record, with prohibited values cut out, sealed.
    TelemetryReported {
        client: Name,
        /// The client's own word, as `tool_result`.
        event: Label,
        /// Counts the events of a session: what is missing between two was lost.
        sequence: Option<u64>,
        prompt: Option<Label>,
        tool: Option<Label>,
        tool_use: Option<Label>,
        body_bytes: u64,
        /// Prohibited values in what it said, per rule.
        found: Vec<RuleCount>,
        /// Rules for texts.
        masking: Hash,
    }
    /// A line of the actor's transcript was taken in afterwards: nobody here saw it happen, and it
    /// is the importer who says so. Content `line`: the line, with prohibited values cut out, sealed.
    TranscriptImported {
        /// The importer.
        by: Actor,
        client: Name,
        /// The client's word for its kind, as `assistant`; absent where it is no line of a
        /// transcript, and kept as text.
        entry: Option<Label>,
        /// The client's own id of it, and of the line that it follows.
        uuid: Option<Label>,
        parent: Option<Label>,
        model: Option<Label>,
        /// Uses of tools that it asks for, or brings the results of.
        tool_uses: Vec<Label>,
        /// By an agent inside the agent.
        inner: bool,
        line_bytes: u64,
        /// Prohibited values in it, per rule.
        found: Vec<RuleCount>,
        /// Rules for texts.
        masking: Hash,
    }
}

words! {
    /// Claude Code's hook events.
    HookEvent {
        PreToolUse, PostToolUse, PostToolUseFailure, PostToolBatch, Notification,
        UserPromptSubmit, UserPromptExpansion, SessionStart, SessionEnd, Stop, StopFailure,
        SubagentStart, SubagentStop, PreCompact, PostCompact, PreModelSwitch, PostModelSwitch,
        PermissionRequest, PermissionDenied, Setup, TeammateIdle, TaskCreated, TaskCompleted,
        Elicitation, ElicitationResult, ConfigChange, WorktreeCreate, WorktreeRemove,
        InstructionsLoaded, CwdChanged, FileChanged, DirectoryAdded, MessageDisplay,
        /// One that this program does not know.
        Unknown,
    }
    /// What the client was answered.
    HookVerdict {
        /// Nothing: its own rules go on.
        Pass,
        Allow,
        /// Ask whoever sits before it.
        Ask,
        /// Held as a draft, and stopped until somebody resumes the session.
        Defer,
        Deny,
        /// Held as a draft, and denied for now.
        Draft,
    }
}

impl HookEvent {
    /// By the client's word: `PreToolUse`.
    pub fn named(word: &str) -> HookEvent {
        let known = HookEvent::ALL.iter().find(|event| event.word() == word);
        *known.unwrap_or(&HookEvent::Unknown)
    }

    /// The client's word.
    pub fn word(self) -> String {
        format!("{self:?}")
    }

    /// Does the client wait for a word before it goes on, and can it be stopped?
    pub fn is_decided(self) -> bool {
        use HookEvent::{PreToolUse, UserPromptExpansion, UserPromptSubmit};
        matches!(self, PreToolUse | UserPromptSubmit | UserPromptExpansion)
    }
}
