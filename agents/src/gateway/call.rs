use super::beside::{Beside, Looked, together};
use super::ids::{Part, part_id, word, word_or_digest};
use super::operation::Operation;
use super::recorder::Recorder;
use super::request::{Summary, models_named, new_tool_results, tools_used};
use crate::capture::Capture;
use crate::classes::{Asked, Ruled};
use crate::limits::Models;
use crate::masking::{BodyError, Dialect, MaskedBody, Masker};
use ledger::{Ahead, AppendError, Appender, Content, Submission};
use schemas::kinds::traffic::{
    ClassRuling, LimitReached, MaskTag, PayloadBlocked, PayloadMasked, PromptSubmitted,
    RefusalReason, RuleCount, ToolReturned,
};
use schemas::{Actor, Class, Data, Event, EventId, Hash, Label, Name};
use sha2::{Digest, Sha256};
use std::thread;

/// A request as it came: who asks, what for, and where it would go.
#[derive(Debug, Clone)]
pub struct Call {
    /// Ties the events of one call together; also the id of its `prompt.submitted`.
    pub id: EventId,
    pub agent: Name,
    session: Option<Label>,
    operation: Operation,
    /// Method and path, as the record names them.
    path: Option<Label>,
    destination: Label,
    beside: Beside,
    /// What the rules for classes of data are asked; without it nothing is ruled by class.
    asked: Option<Asked>,
    /// What its model is held against.
    models: Option<Models>,
    instead_of: Option<Hash>,
}

/// Why a body cannot be a call. Nothing was recorded, and nothing will leave.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is not a JSON object")]
    NotAnObject,
    #[error("an answer in the background would come past the record")]
    Background,
    /// A limit that only the body shows.
    #[error("a limit is reached")]
    Limit(Box<LimitReached>),
}

impl AdmitError {
    /// As the log says it; a limit has an event of its own.
    pub fn reason(&self) -> Option<RefusalReason> {
        match self {
            AdmitError::Body(_) | AdmitError::NotAnObject => Some(RefusalReason::Malformed),
            AdmitError::Background => Some(RefusalReason::Background),
            AdmitError::Limit(_) => None,
        }
    }
}

/// A call that the rules have decided on, and what is to be recorded of it before anything
/// else happens.
pub struct Admission {
    call: Call,
    batch: Vec<Submission>,
    decision: Decision,
    /// The request as it came, sealed; only recording takes anything of it.
    ahead: Option<Ahead>,
}

enum Decision {
    Clear {
        payload: Vec<u8>,
        withheld: Vec<usize>,
    },
    Block(Vec<RuleCount>, Option<String>),
}

/// What the ledger holds durably now.
pub enum Recorded {
    Cleared(Box<Cleared>),
    Refused(Refusal),
}

/// A call that may leave: its prompt and its exact payload are durable in the ledger.
pub struct Cleared {
    call: Call,
    payload: Vec<u8>,
    withheld: Vec<usize>,
}

/// A call that must not leave, by these rules. Recorded as `payload.blocked`.
#[derive(Debug)]
pub struct Refusal {
    pub call: EventId,
    pub reasons: Vec<RuleCount>,
    /// What to do, where the class of the data is why.
    class: Option<String>,
}

impl Call {
    /// `session` is the agent's own name for the conversation; it becomes part of the log if
    /// it looks like a machine's word.
    pub fn new(
        id: EventId,
        agent: Name,
        session: Option<&str>,
        operation: Operation,
        destination: Label,
    ) -> Call {
        Call {
            id,
            agent,
            session: session.and_then(word),
            operation,
            path: None,
            destination,
            beside: Beside::default(),
            asked: None,
            models: None,
            instead_of: None,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.operation.dialect()
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    pub(super) fn destination(&self) -> &Label {
        &self.destination
    }

    pub fn session(&self) -> Option<&Label> {
        self.session.as_ref()
    }

    /// Has the call ruled by the classes of data that it may hold.
    pub fn of_class(self, asked: Asked) -> Call {
        Call {
            asked: Some(asked),
            ..self
        }
    }

    /// Has the call's model held against what is allowed.
    pub fn of_models(self, models: Option<Models>) -> Call {
        Call { models, ..self }
    }

    /// Says that the session's own policy cannot be applied any more.
    pub fn instead_of(self, policy: Option<Hash>) -> Call {
        Call {
            instead_of: policy,
            ..self
        }
    }

    /// An operation that its path says.
    pub fn at(self, method: &str, path: &str) -> Call {
        Call {
            path: Some(Label::lossy(&format!("{method} {path}"))),
            ..self
        }
    }

    /// With what leaves beside the body.
    pub fn beside(self, beside: Beside) -> Call {
        Call { beside, ..self }
    }

    pub(super) fn event(&self, id: EventId, data: impl Into<Data>) -> Event {
        Event::new(id, Actor::Agent(self.agent.clone()), data).in_session(self.session.clone())
    }

    /// Applies the rules to the body: what leaves, what is stored, or why neither.
    pub fn admit(mut self, body: &Capture, masker: &Masker) -> Result<Admission, AdmitError> {
        let Looked {
            blocks: beside,
            withheld,
        } = self.beside.look(masker);
        // What the agent calls its session becomes a word of the log, if it is one.
        self.session = self
            .session
            .filter(|session| masker.text(session.as_str()).spans.is_empty());
        let other = matches!(self.operation, Operation::Other(_));
        let (masked, summary) = if other && body.len_bytes() == 0 {
            (MaskedBody::empty(), Summary::default())
        } else {
            let summary = body.text().ok();
            let summary = summary.and_then(|text| Summary::of(text, self.dialect()));
            (
                masker.body(body, self.dialect())?,
                summary.ok_or(AdmitError::NotAnObject)?,
            )
        };
        if summary.background {
            return Err(AdmitError::Background);
        }
        self.within_models(&summary, body, masker)
            .map_err(AdmitError::Limit)?;
        let model = summary.model.as_deref();
        let model = model.map(|model| model_word(model, masker));
        let prompt = PromptSubmitted {
            call: self.id,
            provider: self.operation.provider().name(),
            operation: self.operation.name(),
            path: self
                .path
                .take()
                .filter(|path| masker.text(path.as_str()).spans.is_empty()),
            model,
            streaming: summary.streaming,
            messages: summary.messages,
            body_bytes: body.len_bytes(),
        };
        let MaskedBody {
            payload,
            stored,
            masks,
            blocks,
            tags,
            media,
        } = masked;
        let blocks = together([blocks, beside]);
        let mut batch = vec![Submission {
            event: self.event(self.id, prompt),
            content: json("request", stored).into_iter().collect(),
            person: None,
        }];
        let (class, denied) = match &self.asked {
            None => (None, None),
            Some(asked) => {
                // What no rule can read may show anyone.
                let finds = [masks.as_slice(), &media].concat();
                let Ruled { ruling, denied } = asked.rule(|| tools_used(body.raw()), &finds);
                (Some(ruling), denied)
            }
        };
        let decision = match (payload, denied) {
            (Some(payload), None) if blocks.is_empty() => {
                let policy = masker.policy();
                batch.push(self.payload_masked(&payload, policy, class, (masks, media), tags));
                batch.extend(self.tools_returned(&payload));
                Decision::Clear { payload, withheld }
            }
            (_, denied) => {
                let (by_class, remedy) = denied.map_or((Vec::new(), None), |denied| {
                    (denied.reasons, Some(denied.remedy))
                });
                let blocks = [by_class, blocks].concat();
                let blocked = PayloadBlocked {
                    call: self.id,
                    destination: self.destination.clone(),
                    policy: masker.policy(),
                    instead_of: self.instead_of,
                    class,
                    reasons: blocks.clone(),
                };
                batch.push(self.event(part_id(self.id, &Part::Payload), blocked).into());
                Decision::Block(blocks, remedy)
            }
        };
        Ok(Admission {
            call: self,
            batch,
            decision,
            ahead: None,
        })
    }

    /// Whether it may ask every model that it names, and what it will use is counted.
    fn within_models(
        &self,
        summary: &Summary,
        body: &Capture,
        masker: &Masker,
    ) -> Result<(), Box<LimitReached>> {
        let Some(models) = &self.models else {
            return Ok(());
        };
        let check = |model: &String| models.check(Some(&model_word(model, masker)));
        if !matches!(self.operation, Operation::Other(_)) {
            let model = summary.model.as_ref();
            model.map_or_else(|| models.check(None), check)?;
            return summary.more_models.iter().try_for_each(check);
        }
        let text = body.text().unwrap_or_default();
        models_named(text).iter().try_for_each(check)?;
        let path = self.path.as_ref().map_or("", Label::as_str);
        let is_batch = path.split('/').any(|part| part == "batches");
        match body.len_bytes() > 0 && (is_batch || summary.model.is_none()) {
            true => models.uncounted(),
            false => Ok(()),
        }
    }

    /// The same, and beside it the request is sealed as it came: mostly nothing is cut from it.
    pub fn admit_to(
        self,
        body: &Capture,
        masker: &Masker,
        appender: &Appender,
    ) -> Result<Admission, AdmitError> {
        if body.len_bytes() < LONG {
            return self.admit(body, masker);
        }
        thread::scope(|scope| {
            // The class that `prompt.submitted` has; in another bucket nobody would ask for it.
            let actor = Actor::Agent(self.agent.clone());
            let seal = move || appender.seal_ahead(&Class::operation(), &actor, body.raw());
            let sealing = thread::Builder::new().spawn_scoped(scope, seal);
            let admission = self.admit(body, masker);
            let ahead = sealing.ok().and_then(|sealing| sealing.join().ok()?);
            Ok(Admission {
                ahead,
                ..admission?
            })
        })
    }

    pub(super) fn payload_masked(
        &self,
        payload: &[u8],
        policy: Hash,
        class: Option<ClassRuling>,
        (masks, media): (Vec<RuleCount>, Vec<RuleCount>),
        tags: Vec<MaskTag>,
    ) -> Submission {
        let mut content: Vec<Content> = json("payload", payload.to_vec()).into_iter().collect();
        let listed = tags_that_fit(&tags);
        let tags_omitted = (tags.len() - listed) as u64;
        if tags_omitted > 0 {
            let all = serde_json::to_vec(&tags).expect("tags are plain values");
            content.extend(json("tags", all));
        }
        let masked = PayloadMasked {
            call: self.id,
            destination: self.destination.clone(),
            policy,
            instead_of: self.instead_of,
            class,
            payload_sha256: Hash(Sha256::digest(payload).into()),
            body_bytes: payload.len() as u64,
            masks,
            media,
            tags: tags.into_iter().take(listed).collect(),
            tags_omitted,
        };
        Submission {
            event: self.event(part_id(self.id, &Part::Payload), masked),
            content,
            person: None,
        }
    }

    // Of the payload, not of the request: the digest of a short raw result could be searched
    // until the phone number in it is found.
    fn tools_returned(&self, payload: &[u8]) -> impl Iterator<Item = Submission> {
        new_tool_results(payload, self.dialect())
            .into_iter()
            .enumerate()
            .map(|(index, result)| {
                let returned = ToolReturned {
                    call: self.id,
                    tool_use: word_or_digest(&result.tool_use),
                    result_sha256: result.sha256,
                    is_error: result.is_error,
                };
                self.event(part_id(self.id, &Part::ToolReturned(index)), returned)
                    .into()
            })
    }
}

/// Bytes of a request that are worth another thread.
const LONG: u64 = 4 << 10;

/// Bytes of a body (65,535 at most) that its list of tags may fill; masks, names and the
/// envelope need the rest.
const TAG_BYTES: usize = 40_000;

fn tags_that_fit(tags: &[MaskTag]) -> usize {
    let mut left = TAG_BYTES;
    tags.iter()
        .take_while(|tag| {
            // {"rule":"…","tag":"…","count":…},  with a count of 20 digits
            let bytes = 52 + tag.rule.as_str().len() + 6 * tag.tag.as_str().len();
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        })
        .count()
}

impl Admission {
    /// Appends what was decided and gives the next stage once that is durable. Sealing happens
    /// on the caller's thread, `done` is called from another.
    pub fn record(
        self,
        appender: &Appender,
        done: impl FnOnce(Result<Recorded, AppendError>) + Send + 'static,
    ) {
        let Admission {
            call,
            batch,
            decision,
            ahead,
        } = self;
        appender.append_then(batch, move |result| {
            done(result.map(|_receipts| match decision {
                Decision::Clear { payload, withheld } => Recorded::Cleared(Box::new(Cleared {
                    call,
                    payload,
                    withheld,
                })),
                Decision::Block(reasons, class) => Recorded::Refused(Refusal {
                    call: call.id,
                    reasons,
                    class,
                }),
            }))
        });
        drop(ahead); // taken or not: all is sealed
    }
}

impl Cleared {
    /// The headers that must stay here, by their position in [`Beside`].
    pub fn withheld(&self) -> &[usize] {
        &self.withheld
    }

    /// The bytes that leave, and who records what comes back.
    pub fn into_parts(self) -> (Vec<u8>, Recorder) {
        (self.payload, Recorder::new(self.call))
    }
}

impl Refusal {
    /// What the agent is told: which rules, how often, what to do. Never the text.
    pub fn message(&self) -> String {
        let rules: Vec<_> = self
            .reasons
            .iter()
            .map(|r| format!("{} ×{}", r.rule, r.count))
            .collect();
        let rules = if rules.is_empty() {
            "policy".to_owned()
        } else {
            rules.join(", ")
        };
        if let Some(remedy) = &self.class {
            return format!(
                "refused before anything left ({rules}): {remedy}; the record of this refusal is \
                 call {}",
                self.call
            );
        }
        format!(
            "refused before anything left: the request holds data that may never be sent ({rules}). \
             Remove those values and send the request again; the record of this refusal is call {}",
            self.call
        )
    }
}

/// A model as the log has it.
fn model_word(model: &str, masker: &Masker) -> Label {
    word_or_digest(&masker.cut(model).0)
}

/// Nothing, where there is no byte to keep.
fn json(name: &str, bytes: Vec<u8>) -> Option<Content> {
    (!bytes.is_empty()).then(|| Content {
        name: name.parse().expect("a literal name is sound"),
        media: Label::lossy("application/json"),
        bytes,
    })
}
