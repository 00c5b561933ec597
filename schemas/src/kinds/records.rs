use crate::kinds::acting::{NotifyChannel, NotifyOutcome};
use crate::{
    Actor, BucketId, Class, DataSubject, Event, EventId, Hash, Label, Month, Name, Period,
    Timestamp,
};

facts! {
    /// Content in the scope does not end, whatever its rule says. Content `reason`: why.
    HoldPlaced {
        hold: EventId,
        /// Number of the case that it is for.
        case: Name,
        scope: HoldScope,
        /// Buckets that had content in the scope when the hold was placed. What comes later is
        /// held by the scope itself.
        buckets: Vec<BucketId>,
        approvals: Vec<EventId>,
        approvers: Vec<Actor>,
    }
    HoldReleased { hold: EventId, case: Name, approvals: Vec<EventId>, approvers: Vec<Actor>, }
    /// Which entries a hold is about: those that fit everything that is given.
    #[derive(Default)]
    HoldScope {
        bucket: Option<BucketId>,
        session: Option<Label>,
        actor: Option<Actor>,
        /// A user, and every agent that was registered to act for them.
        person: Option<Name>,
        kind: Option<Name>,
        class: Option<Class>,
        /// The ledger's time, from here on.
        since: Option<Timestamp>,
        /// The ledger's time, before this.
        until: Option<Timestamp>,
    }
    /// A bucket that exists is kept longer. An entry that would shorten its time changes nothing.
    RetentionExtended { bucket: BucketId, period: Period, due: Option<Timestamp>, }
    /// The certificate of a bucket's end: what it held, by which rule, on whose word, and how.
    RetentionExpired {
        bucket: BucketId,
        due: Timestamp,
        period: Period,
        /// Entries with content in the bucket.
        entries: u64,
        /// Distinct contents.
        contents: u64,
        sealed_bytes: u64,
        /// SHA-256 over the digests of all sealed contents (32 bytes each), in ascending order.
        content_sha256: Hash,
        /// `key-destroyed`, or `no-key-there`: only the files were removed.
        method: Name,
        /// Who says that the time had come.
        time: TimeSource,
        /// SHA-256 of the authority's answer (`tokens/….tsr`).
        token: Option<Hash>,
        approvals: Vec<EventId>,
        approvers: Vec<Actor>,
    }
    /// Somebody asks that one person's content be erased: what these keys seal, and nothing else.
    /// Who it is stands in the sealed content of the request for approval, whose subject this is.
    ErasureRequested {
        erasure: EventId,
        /// Number of the case.
        case: Name,
        /// On what law or agreement the request rests, as `appi-35`.
        basis: Name,
        keys: Vec<SubjectKey>,
        /// Keys of which nobody could tell whose they are: their files are gone, or do not open. What
        /// they seal is not reached.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unread: Vec<SubjectKey>,
        /// What comes for the person until the request is carried out is asked for with it
        /// (`erasure.extended`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        later: bool,
        /// How many entries were looked through for the keys: content of entries from here on is later.
        /// Absent, that of entries after this one.
        reached: Option<u64>,
    }
    /// Keys of the same person that content came under after they were looked for and before the request
    /// was carried out: it reaches them too.
    ErasureExtended {
        erasure: EventId,
        keys: Vec<SubjectKey>,
        /// As in the request.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unread: Vec<SubjectKey>,
    }
    /// The key of one person's content in one bucket.
    #[derive(Hash, PartialOrd, Ord)]
    SubjectKey { bucket: BucketId, subject: DataSubject, }
    /// The certificate: what one of these keys sealed, up to here, and that the key is destroyed.
    ErasureCompleted {
        erasure: EventId,
        bucket: BucketId,
        subject: DataSubject,
        /// Entries with content under the key.
        entries: u64,
        /// Distinct contents.
        contents: u64,
        sealed_bytes: u64,
        /// SHA-256 over the digests of these sealed contents (32 bytes each), in ascending order.
        content_sha256: Hash,
        /// What became of the key: `subject-key-destroyed`, `unopenable-key-destroyed` (the file did not
        /// open) or `no-key-there` (nothing was destroyed; from here on nothing opens it, wherever a key
        /// comes from).
        method: Name,
        approvals: Vec<EventId>,
        approvers: Vec<Actor>,
    }
    /// Why content is not erased, in one bucket or in all.
    ErasureRefused {
        erasure: EventId,
        bucket: Option<BucketId>,
        reason: Refusal,
        /// The holds in force on it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holds: Vec<EventId>,
        /// The duty to keep it, as the adopted rules name it.
        duty: Option<Label>,
        /// Who was asked, where people have refused it.
        approval: Option<EventId>,
    }
    /// Someone read sealed content.
    ContentRevealed { position: u64, name: Name, purpose: Name, }
    /// Content `basis`: what beside the log it was made from, so that it can be made again.
    ReportIssued { report: Name, period: Option<Label>, head: u64, report_sha256: Hash, media: Label, }
    /// What the schedule issued of a month was handed on, or could not be and nobody goes on trying.
    ReportDelivered {
        report: Name,
        month: Month,
        channel: NotifyChannel,
        outcome: NotifyOutcome,
        attempts: u64,
    }
    /// How the files of the record are kept from being written to, as the system was asked.
    ProtectionChecked {
        store: StoreKind,
        level: ProtectionLevel,
        /// Full files of the log.
        log: FilesRead,
        /// Full packs of sealed content.
        content: FilesRead,
    }
    /// What was read back of files that nothing writes to any more.
    FilesRead {
        files: u64,
        /// Nobody may write to them, as their mode says.
        read_only: u64,
        /// The system's own flag refuses it to everybody.
        immutable: u64,
        /// Neither could be asked.
        unread: u64,
    }
    BackupCompleted { destination: Label, size: u64, root: Hash, }
    /// Lines of another system's log. Content `lines`: the original bytes.
    LogIngested {
        /// What they come from, as the configuration names it.
        source: Name,
        lines: u64,
        /// SHA-256 of a file whose lines are events of their own. Absent where the lines are sealed
        /// here: whoever may have guessed a short text could tell from it that it was there.
        lines_sha256: Option<Hash>,
        /// The earliest and the latest time that the lines themselves state.
        first: Option<Timestamp>,
        last: Option<Timestamp>,
        /// How many lines were recognised as what.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        forms: Vec<LogForm>,
        /// Distinct hosts that the lines name; of commits, authors.
        hosts: Option<u64>,
        /// Of Windows events.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        channels: Vec<Label>,
        /// Lines that are only a part of a message: its sender went before its end, or it was longer
        /// than what is taken as one.
        pieces: Option<u64>,
        /// Of a file, how far it has been taken in.
        file: Option<FileReached>,
        /// Commits from which each one that was taken in of this source can be reached.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tips: Vec<Name>,
    }
    LogForm { form: LineForm, lines: u64, }
    FileReached {
        /// Bytes from the file's beginning on.
        bytes: u64,
        /// HMAC-SHA-256 of these bytes under the key of masks' tags, 16 bytes in hex: the file is
        /// known by it to whoever holds the key.
        tag: Label,
    }
}

words! {
    StoreKind {
        /// Files of this host. Nothing but their modes and flags protects them.
        Local,
    }
    /// What every full file was found to have.
    ProtectionLevel {
        /// No file is full, or one could not be asked.
        Unproven,
        /// A full file may be written to.
        Writable,
        ReadOnly,
        Immutable,
    }
    /// What a line of a log was recognised as.
    LineForm {
        Rfc5424,
        Rfc3164,
        WindowsJson,
        WindowsXml,
        Json,
        Commit,
        Text,
    }
    Refusal {
        /// A hold is in force: it is looked at again when that is released.
        Held,
        /// A law or rule asks that the class be kept.
        Duty,
        /// Whoever was asked has said no.
        Denied,
        /// All that was named had gone by other ways, and nothing else was found: the request is over.
        NothingLeft,
    }
    TimeSource {
        /// A time-stamping authority (RFC 3161).
        Authority,
        /// The log's own time, as far as it was seen to pass.
        Log,
    }
}

impl FilesRead {
    /// The least that all of them were found to have.
    pub fn level(&self) -> ProtectionLevel {
        if self.files == 0 || self.unread > 0 {
            ProtectionLevel::Unproven
        } else if self.immutable == self.files {
            ProtectionLevel::Immutable
        } else if self.read_only == self.files {
            ProtectionLevel::ReadOnly
        } else {
            ProtectionLevel::Writable
        }
    }
}

impl HoldScope {
    /// True for a scope that names nothing, and so everything.
    pub fn is_empty(&self) -> bool {
        *self == HoldScope::default()
    }

    /// Is the content of this event in the scope, as far as its bucket is not asked?
    /// `acts_for` says whether an actor is registered to act for a person.
    pub fn covers(
        &self,
        at: Timestamp,
        event: &Event,
        acts_for: impl Fn(&Actor, &Name) -> bool,
    ) -> bool {
        let person = |person: &Name| {
            matches!(&event.actor, Actor::User(user) if user == person)
                || acts_for(&event.actor, person)
        };
        self.session
            .as_ref()
            .is_none_or(|s| event.session.as_ref() == Some(s))
            && self
                .actor
                .as_ref()
                .is_none_or(|actor| event.actor == *actor)
            && self.person.as_ref().is_none_or(person)
            && self
                .kind
                .as_ref()
                .is_none_or(|kind| event.data.kind() == kind.as_str())
            && self
                .class
                .as_ref()
                .is_none_or(|class| event.class == *class)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }
}

impl std::fmt::Display for HoldScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut between = "";
        let mut part = |word: &str, value: Option<&dyn std::fmt::Display>| {
            let Some(value) = value else { return Ok(()) };
            write!(f, "{between}{word} {value}")?;
            between = ", ";
            Ok(())
        };
        macro_rules! parts {
            ($($field:ident)*) => {
                $(part(stringify!($field), self.$field.as_ref().map(|v| v as _))?;)*
            };
        }
        parts!(bucket session actor person kind class since until);
        Ok(())
    }
}
