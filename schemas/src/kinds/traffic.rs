use crate::{Actor, DataClass, EventId, Hash, Label, Name};

facts! {
    /// What an agent asked, before masking. Content `request`: the body with prohibited
    /// values cut out, sealed. Of a call that was refused by `unscanned` no more is kept, or known,
    /// than its provider, its operation and its length.
    PromptSubmitted {
        /// Ties the events of one call together; the id of its `prompt.submitted`.
        call: EventId,
        provider: Name,
        operation: Name,
        /// Method and path, where the operation is `other`.
        path: Option<Label>,
        model: Option<Label>,
        streaming: bool,
        messages: u64,
        body_bytes: u64,
    }
    /// What leaves. Content `payload`: the exact bytes.
    PayloadMasked {
        call: EventId,
        /// Host and port that receive the payload.
        destination: Label,
        policy: Hash,
        /// The policy that the session had, where this program cannot apply it any more.
        instead_of: Option<Hash>,
        /// By which class of data it may leave.
        class: Option<ClassRuling>,
        payload_sha256: Hash,
        body_bytes: u64,
        /// Replacements per rule; empty when the payload is what came.
        masks: Vec<RuleCount>,
        /// Images, sounds and files that left as they were, per kind: no rule can read them.
        media: Vec<RuleCount>,
        /// The distinct masked values, each as a keyed tag, so that the same value can be
        /// linked and cannot be read.
        tags: Vec<MaskTag>,
        /// Distinct values beyond those listed; all of them stand in content `tags`.
        tags_omitted: u64,
    }
    /// What was refused, and by which rules. Never the text. By `unscanned` where the rules failed or
    /// came to no end in time; those that follow it within a second are counted in `request.refused`.
    PayloadBlocked {
        call: EventId,
        destination: Label,
        policy: Hash,
        instead_of: Option<Hash>,
        class: Option<ClassRuling>,
        reasons: Vec<RuleCount>,
    }
    /// What the rules for classes of data say of one call.
    ClassRuling {
        class: DataClass,
        handling: Handling,
        /// Digest of these rules.
        policy: Hash,
        /// Position of the consent that it rests on.
        consent: Option<u64>,
    }
    /// How often one rule applied.
    RuleCount { rule: Name, count: u64, }
    /// HMAC-SHA-256 of a value's normal form under the mask key, first 16 bytes as hex.
    MaskTag { rule: Name, tag: Label, count: u64, }
    /// The provider's answer. Content `response`: the bytes as they came, prohibited values cut out.
    ModelResponded {
        call: EventId,
        status: u16,
        model: Option<Label>,
        response_id: Option<Label>,
        stop_reason: Option<Label>,
        /// Without those read from a cache.
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cache_read_tokens: Option<u64>,
        cache_creation_tokens: Option<u64>,
        tool_calls: u64,
        body_bytes: u64,
        /// Of content `response`.
        response_sha256: Hash,
        first_byte_micros: u64,
        duration_micros: u64,
    }
    /// No whole answer: what is known of it. Content `response`: what came, if anything did,
    /// prohibited values cut out. Where the outcome is `unscanned` it is content `unscanned`
    /// instead: every byte that came, for no rule has read it.
    ModelFailed {
        call: EventId,
        outcome: FailedOutcome,
        status: Option<u16>,
        /// As far as the provider had counted.
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cache_read_tokens: Option<u64>,
        cache_creation_tokens: Option<u64>,
        body_bytes: u64,
        /// Of the content, if there is any and the rules have looked at it.
        response_sha256: Option<Hash>,
        duration_micros: Option<u64>,
    }
    /// A call was refused by a limit: nothing of it was kept, and nothing was sent. Where there was no
    /// room for it, those that follow it within a second are counted in `request.refused`.
    LimitReached {
        /// The id that the call would have had.
        call: EventId,
        provider: Name,
        limit: LimitKind,
        /// Whose limit it is: the agent's, the person's for whom agents work, or the gateway's own.
        of: Actor,
        /// Digest of the limits, or of the gateway's capacity.
        policy: Hash,
        /// Of requests, of tokens, of calls, of bytes, or of money in millionths.
        allowed: Option<u64>,
        used: Option<u64>,
        model: Option<Label>,
        destination: Label,
        /// When the period ends that the limit is for.
        retry_after_seconds: Option<u64>,
    }
    /// Requests of an agent were refused unread: nothing of them was kept, sent or believed. The first
    /// is recorded at once, by an event of its own where more is to be said of it; those that follow
    /// it are counted together, once a second.
    RequestRefused {
        /// Where they came to: the provider whose API it is, or `hooks`, `telemetry`, `mcp`.
        door: Name,
        reason: RefusalReason,
        /// Requests that this entry stands for: of this agent, door and reason, since the one before.
        count: u64,
    }
    ToolCalled {
        call: EventId,
        tool: Label,
        tool_use: Label,
        arguments_sha256: Hash,
    }
    ToolReturned {
        call: EventId,
        tool_use: Label,
        result_sha256: Hash,
        is_error: bool,
    }
}

words! {
    /// How data of a class is handled, the stricter the later.
    Handling {
        /// Sent, masked.
        Mask,
        /// Sent if nothing in it is of one person.
        Aggregate,
        /// Sent with the person's recorded consent.
        Consent,
        /// Never sent.
        Never,
    }
    LimitKind {
        RequestsPerMinute,
        TokensPerDay,
        TokensPerMonth,
        CostPerDay,
        CostPerMonth,
        /// The model is not among those allowed.
        Models,
        /// The destination is not among those allowed.
        Upstreams,
        /// The tool server is not among those allowed: `provider` is `mcp`, `destination` its name.
        ToolServers,
        /// A cost is limited, and nobody has said what the model costs.
        Price,
        /// A budget holds, and what the call uses is counted nowhere: a batch, or what names no model.
        Uncounted,
        /// Calls in flight at the gateway: the agent's share of them, or all (`of` is `service:gateway`).
        /// Hooks or telemetry at work, where `provider` is `hooks` or `telemetry`.
        CallsInFlight,
        /// Bytes of bodies that it holds in memory, the same way.
        HeldBytes,
    }
    /// Why a request was not read.
    RefusalReason {
        /// Longer than anything that is taken there.
        TooLong,
        /// It did not come in time.
        TooSlow,
        BrokenOff,
        /// Compressed, or of another media type than is read there.
        Encoded,
        /// Not what is read there: no JSON object, or without what it has to say.
        Malformed,
        /// Its query could carry a text past the rules.
        Query,
        /// Its answer would come past the record, fetched by another request.
        Background,
        /// The rules for texts failed, or came to no end with it in time.
        Unscanned,
        /// There was no place for it, or no memory: it came after a `limit.reached` of the same agent and door.
        NoRoom,
    }
    FailedOutcome {
        /// The provider answered with an error, passed on unchanged.
        UpstreamError,
        /// No connection, or none in time: nothing was sent.
        Unreachable,
        /// The answer broke off.
        UpstreamBroke,
        /// The agent went away; the call upstream was cancelled.
        ClientGone,
        /// The answer came, and the rules came to no end with it in time: it is sealed as it came,
        /// and no agent saw it end well.
        Unscanned,
        /// daicho died with the call open: what the provider did is not known.
        Unknown,
    }
}
