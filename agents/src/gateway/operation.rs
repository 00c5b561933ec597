use crate::masking::Dialect;
use schemas::Name;

/// Whose API a call speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    Anthropic,
    OpenAi,
}

/// What a request asks of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Messages,
    CountTokens,
    ChatCompletions,
    Responses,
    /// A path that the operator has listed: any method, with a body of JSON or none.
    Other(Provider),
}

impl Provider {
    pub const ALL: [Provider; 2] = [Provider::Anthropic, Provider::OpenAi];

    /// As events, addresses and the configuration say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Anthropic => "anthropic",
            Provider::OpenAi => "openai",
        }
    }

    pub fn name(self) -> Name {
        self.as_str().parse().expect("a literal name is sound")
    }
}

impl Operation {
    pub fn provider(self) -> Provider {
        match self {
            Operation::Messages | Operation::CountTokens => Provider::Anthropic,
            Operation::ChatCompletions | Operation::Responses => Provider::OpenAi,
            Operation::Other(provider) => provider,
        }
    }

    pub(super) fn name(self) -> Name {
        let name = match self {
            Operation::Messages => "messages",
            Operation::CountTokens => "count_tokens",
            Operation::ChatCompletions => "chat.completions",
            Operation::Responses => "responses",
            Operation::Other(_) => "other",
        };
        name.parse().expect("a literal name is sound")
    }

    pub(super) fn dialect(self) -> Dialect {
        match self {
            Operation::Messages
            | Operation::CountTokens
            | Operation::Other(Provider::Anthropic) => Dialect::Anthropic,
            Operation::ChatCompletions | Operation::Other(Provider::OpenAi) => Dialect::OpenAiChat,
            Operation::Responses => Dialect::OpenAiResponses,
        }
    }
}
