use super::answer::Answer;
use super::call::Call;
use super::cut::Cuts;
use super::ids::{Part, part_id, word, word_or_digest};
use super::sse;
use crate::masking::{Dialect, Masker};
use ledger::{Content, Submission};
use schemas::kinds::rules::RuleViolated;
use schemas::kinds::traffic::{FailedOutcome, ModelFailed, ModelResponded, ToolCalled};
use schemas::{Hash, Label};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Takes in what comes back from a provider, and says in the end what it was.
pub struct Recorder {
    call: Call,
    status: Option<u16>,
    media: Label,
    streaming: bool,
    bytes: Zeroizing<Vec<u8>>,
    first_byte_micros: Option<u64>,
}

/// How an exchange with a provider came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The answer came to its own end.
    Whole,
    /// It broke off, or there was none after the request had gone out.
    Broke,
    /// The agent did not wait for it.
    ClientGone,
    /// There was no connection: nothing was sent.
    Unreachable,
}

/// An answer longer than can be recorded whole; it must not be passed on either.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {} bytes", Recorder::LIMIT)]
pub struct TooLong;

/// `tool.called` events of one answer; `model.responded` counts all of them.
const MOST_TOOLS: usize = 1_000;

impl Recorder {
    /// Held in memory until the answer ends. The longest answers of today are below 1 MB.
    pub const LIMIT: usize = 64 << 20;

    pub(super) fn new(call: Call) -> Recorder {
        Recorder {
            call,
            status: None,
            media: Label::lossy("application/octet-stream"),
            streaming: false,
            bytes: Zeroizing::default(),
            first_byte_micros: None,
        }
    }

    /// The head of the answer: its status and `content-type`.
    pub fn head(&mut self, status: u16, content_type: Option<&str>) {
        self.status = Some(status);
        let media = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        self.streaming = media.eq_ignore_ascii_case("text/event-stream");
        if let Some(media) = word(media) {
            self.media = media;
        }
    }

    /// Does the answer come as a stream of events?
    pub fn is_streaming(&self) -> bool {
        self.streaming
    }

    /// The next bytes of the body; `micros` since the request went out.
    pub fn push(&mut self, chunk: &[u8], micros: u64) -> Result<(), TooLong> {
        self.first_byte_micros.get_or_insert(micros);
        if chunk.len() > Self::LIMIT - self.bytes.len() {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// What may be said to a client that hears nothing, in its API's own form. Nothing in the middle
    /// of an event. It is ours: it belongs to no answer, and is not pushed here.
    pub fn ping(&self) -> Option<&'static [u8]> {
        let ping = match self.call.dialect() {
            Dialect::Anthropic => sse::PING,
            Dialect::OpenAiChat | Dialect::OpenAiResponses => sse::COMMENT,
        };
        (self.streaming && sse::is_between(&self.bytes)).then_some(ping)
    }

    /// Everything that the ledger must know before the agent may see a clean end.
    pub fn end(&self, end: End, micros: u64, masker: &Masker) -> Vec<Submission> {
        let mut answer = if self.streaming {
            Answer::from_stream(&self.bytes, self.call.dialect())
        } else {
            Answer::from_body(&self.bytes, self.call.dialect())
        };
        let mut cuts = Cuts::new(masker);
        cuts.answer(&mut answer);
        let content = self.content(&answer, cuts.counts.is_empty());

        // Of what is kept: beside an answer from which a number was cut, the digest of the whole
        // would tell the number to whoever tries them all.
        let kept = content.first().map(digest);
        let last = match self.outcome(end, &answer) {
            None => {
                let kept = kept.unwrap_or_else(|| sha256(&[]));
                self.responded(&answer, kept, micros, masker).into()
            }
            Some(outcome) => schemas::Data::from(ModelFailed {
                call: self.call.id,
                outcome,
                status: self.status,
                input_tokens: answer.facts.input_tokens,
                output_tokens: answer.facts.output_tokens,
                cache_read_tokens: answer.facts.cache_read_tokens,
                cache_creation_tokens: answer.facts.cache_creation_tokens,
                body_bytes: self.bytes.len() as u64,
                response_sha256: kept,
                duration_micros: Some(micros),
            }),
        };
        let event = self.call.event(part_id(self.call.id, &Part::End), last);
        let mut batch = vec![Submission {
            event,
            content,
            person: None,
        }];
        batch.extend(self.tools_called(&answer, masker));
        batch.extend(cuts.counts.into_iter().map(|(rule, count)| {
            let id = part_id(self.call.id, &Part::Violated(rule.as_str()));
            let violated = RuleViolated {
                rule,
                call: Some(self.call.id),
                position: None,
                count,
            };
            self.call.event(id, violated).into()
        }));
        batch
    }

    /// The end of a call whose answer could not be looked at in time. An agent may have seen most of
    /// it, so all of it is sealed, under a name of its own: whoever asks to be shown it is told that
    /// nothing was cut. Its words are no words of the log, tokens neither: they stand in what the
    /// rules have not read.
    pub fn unscanned(&self, micros: u64) -> Submission {
        let content = self.kept("unscanned", self.media.clone(), self.bytes.to_vec());
        let failed = ModelFailed {
            call: self.call.id,
            outcome: FailedOutcome::Unscanned,
            status: self.status,
            input_tokens: None,
            output_tokens: None,
            cache_read_tokens: None,
            cache_creation_tokens: None,
            body_bytes: self.bytes.len() as u64,
            // Of what no rule has read it would tell a number to whoever tries them all.
            response_sha256: None,
            duration_micros: Some(micros),
        };
        let id = part_id(self.call.id, &Part::End);
        Submission {
            event: self.call.event(id, failed),
            content,
            person: None,
        }
    }

    /// What went wrong, if the answer is not a whole and good one.
    fn outcome(&self, end: End, answer: &Answer) -> Option<FailedOutcome> {
        let good = self
            .status
            .is_some_and(|status| (200..300).contains(&status));
        match end {
            End::Unreachable => Some(FailedOutcome::Unreachable),
            // The message was whole; only the connection did not outlive it.
            _ if good && answer.stopped && !answer.failed => None,
            End::Broke => Some(FailedOutcome::UpstreamBroke),
            End::ClientGone => Some(FailedOutcome::ClientGone),
            End::Whole if !good || answer.failed => Some(FailedOutcome::UpstreamError),
            End::Whole if self.streaming => Some(FailedOutcome::UpstreamBroke),
            End::Whole => None,
        }
    }

    fn responded(
        &self,
        answer: &Answer,
        kept: Hash,
        micros: u64,
        masker: &Masker,
    ) -> ModelResponded {
        let facts = &answer.facts;
        let label = |text: &Option<String>| word(&masker.cut(text.as_deref()?).0);
        ModelResponded {
            call: self.call.id,
            status: self.status.unwrap_or_default(),
            model: label(&facts.model),
            response_id: label(&facts.id),
            stop_reason: label(&facts.stop_reason),
            input_tokens: facts.input_tokens,
            output_tokens: facts.output_tokens,
            cache_read_tokens: facts.cache_read_tokens,
            cache_creation_tokens: facts.cache_creation_tokens,
            tool_calls: answer.tools.len() as u64,
            body_bytes: self.bytes.len() as u64,
            response_sha256: kept,
            first_byte_micros: self.first_byte_micros.unwrap_or(micros),
            duration_micros: micros,
        }
    }

    /// The bytes as they came; where something was cut, what the rest of them amounts to.
    fn content(&self, answer: &Answer, untouched: bool) -> Vec<Content> {
        let (media, bytes) = match &answer.message {
            _ if untouched => (self.media.clone(), self.bytes.to_vec()),
            serde_json::Value::String(text) if answer.others.is_empty() => {
                (Label::lossy("text/plain"), text.clone().into_bytes())
            }
            message => {
                let whole = serde_json::json!({ "message": message, "events": answer.others });
                let shown = if answer.others.is_empty() {
                    message
                } else {
                    &whole
                };
                (
                    Label::lossy("application/json"),
                    shown.to_string().into_bytes(),
                )
            }
        };
        self.kept("response", media, bytes)
    }

    /// Nothing, where no byte came.
    fn kept(&self, name: &str, media: Label, bytes: Vec<u8>) -> Vec<Content> {
        if self.bytes.is_empty() {
            return Vec::new();
        }
        let name = name.parse().expect("a literal name is sound");
        vec![Content { name, media, bytes }]
    }

    fn tools_called(&self, answer: &Answer, masker: &Masker) -> Vec<Submission> {
        let called = |(index, tool): (usize, &super::answer::ToolUse)| {
            let arguments = Cuts::new(masker).arguments(&tool.arguments);
            let called = ToolCalled {
                call: self.call.id,
                tool: word_or_digest(&masker.cut(&tool.name).0),
                tool_use: word_or_digest(&masker.cut(&tool.id).0),
                arguments_sha256: sha256(arguments.as_bytes()),
            };
            let id = part_id(self.call.id, &Part::ToolCalled(index));
            self.call.event(id, called).into()
        };
        answer
            .tools
            .iter()
            .take(MOST_TOOLS)
            .enumerate()
            .map(called)
            .collect()
    }
}

fn digest(content: &Content) -> Hash {
    sha256(&content.bytes)
}

fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}
