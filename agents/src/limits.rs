//! Limits on agents' traffic: how much, with which models, to which providers and tool servers.
//!
//! An agent has its own limits, and the person for whom it works has some for all of their
//! agents together. What was used is read from the log ([`Spent`]); a call is asked about
//! before its body is read, and about its model once that is known. A budget is checked when a
//! call begins: calls in flight may end above it, the next one is refused.

mod money;
mod spent;

pub use money::Money;
pub use spent::{Spent, Tokens, Used};

use crate::pattern::fits;
use schemas::kinds::traffic::{LimitKind, LimitReached};
use schemas::{Actor, EventId, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `[limits]` in daicho.toml. The default limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitPolicy {
    /// Of every agent; what its own table says comes first, field by field.
    pub each_agent: Limits,
    /// Of every person.
    pub each_user: Limits,
    pub agent: BTreeMap<Name, Limits>,
    pub user: BTreeMap<Name, Limits>,
    /// What models cost; the first that fits.
    pub price: Vec<Price>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_day: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_month: Option<Money>,
    /// Names of models; `*` stands for anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<Label>>,
    /// Host and port of providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstreams: Option<Vec<Label>>,
    /// Tool servers behind `/mcp/{name}` and `daicho mcp --name`, as in `models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_servers: Option<Vec<Label>>,
}

/// Of a million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// As in `models`.
    pub model: Label,
    pub input: Money,
    pub output: Money,
    /// Absent: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_creation: Option<Money>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitPolicyError {
    #[error("[limits] limits a cost, and no [[limits.price]] says what a model costs")]
    NoPrice,
}

/// A call that is about to be taken in, or a use of a tool server.
#[derive(Debug, Clone)]
pub struct Asking {
    pub call: EventId,
    pub provider: Name,
    /// Host and port of a provider, or the name of a tool server.
    pub destination: Label,
    pub agent: Name,
    /// For whom the agent works.
    pub person: Option<Name>,
}

/// What a call's body is held against, once its model is known.
#[derive(Debug, Clone)]
pub struct Models {
    policy: Arc<LimitPolicy>,
    asking: Asking,
}

impl LimitPolicy {
    pub fn check(&self) -> Result<(), LimitPolicyError> {
        let costs = self.all().any(Limits::limits_cost);
        if costs && self.price.is_empty() {
            return Err(LimitPolicyError::NoPrice);
        }
        Ok(())
    }

    /// SHA-256 over the JSON of the settings.
    pub fn digest(&self) -> Hash {
        // Names, numbers and strings in a fixed order: writing them cannot fail.
        Hash(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into())
    }

    /// Nothing is limited: nothing need be counted.
    pub fn is_empty(&self) -> bool {
        self.all().all(|limits| *limits == Limits::default())
    }

    fn all(&self) -> impl Iterator<Item = &Limits> {
        let each = [&self.each_agent, &self.each_user];
        let named = self.agent.values().chain(self.user.values());
        each.into_iter().chain(named)
    }

    /// The limits that a call is under, and whose they are.
    fn over(&self, asking: &Asking) -> Vec<(Actor, Limits)> {
        let own = |named: Option<&Limits>, each: &Limits| match named {
            Some(named) => named.or(each),
            None => each.clone(),
        };
        let agent = own(self.agent.get(&asking.agent), &self.each_agent);
        let mut over = vec![(Actor::Agent(asking.agent.clone()), agent)];
        if let Some(person) = &asking.person {
            let user = own(self.user.get(person), &self.each_user);
            over.push((Actor::User(person.clone()), user));
        }
        over
    }

    /// Whether a call may go where it would go.
    pub fn destination(&self, asking: &Asking) -> Result<(), Box<LimitReached>> {
        for (of, limits) in self.over(asking) {
            let allowed = limits.upstreams.as_ref();
            if allowed.is_some_and(|allowed| !allowed.contains(&asking.destination)) {
                return Err(Box::new(self.reached(asking, of, LimitKind::Upstreams)));
            }
        }
        Ok(())
    }

    /// Whether a tool server may be used; it is the `destination`.
    pub fn tool_server(&self, asking: &Asking) -> Result<(), Box<LimitReached>> {
        let name = asking.destination.as_str();
        for (of, limits) in self.over(asking) {
            let allowed = limits.tool_servers.as_ref();
            if allowed.is_some_and(|allowed| !allowed.iter().any(|one| fits(one.as_str(), name))) {
                return Err(Box::new(self.reached(asking, of, LimitKind::ToolServers)));
            }
        }
        Ok(())
    }

    /// Whether anything is left for a call, beside those `coming` that the log does not hold
    /// yet.
    pub fn amounts(
        &self,
        asking: &Asking,
        spent: &Spent,
        coming: impl Fn(&Actor) -> u64,
        now: Timestamp,
    ) -> Result<(), Box<LimitReached>> {
        for (of, limits) in self.over(asking) {
            let used = spent.of(&of);
            let requests = used.map_or(0, |used| used.requests(now)) + coming(&of);
            let (day, month) = (
                used.and_then(|used| used.day(now)),
                used.and_then(|used| used.month(now)),
            );
            let tokens = |period| spent::total(period);
            let cost = |period| Money(spent::cost(period, |model| self.price(model)));
            let minute_ends = spent::minute_end(now);
            let (day_ends, month_ends) = (spent::day_end(now), now.month().end());
            use LimitKind::*;
            let checks = [
                (
                    RequestsPerMinute,
                    limits.requests_per_minute,
                    requests,
                    minute_ends,
                ),
                (TokensPerDay, limits.tokens_per_day, tokens(day), day_ends),
                (
                    TokensPerMonth,
                    limits.tokens_per_month,
                    tokens(month),
                    month_ends,
                ),
                (
                    CostPerDay,
                    limits.cost_per_day.map(|money| money.0),
                    cost(day).0,
                    day_ends,
                ),
                (
                    CostPerMonth,
                    limits.cost_per_month.map(|money| money.0),
                    cost(month).0,
                    month_ends,
                ),
            ];
            for (kind, allowed, used, ends) in checks {
                if allowed.is_some_and(|allowed| used >= allowed) {
                    let left = ends.micros().saturating_sub(now.micros()).max(0) as u64;
                    return Err(Box::new(LimitReached {
                        allowed,
                        used: Some(used),
                        retry_after_seconds: Some(left.div_ceil(1_000_000).max(1)),
                        ..self.reached(asking, of, kind)
                    }));
                }
            }
        }
        Ok(())
    }

    /// What the body of this call is held against, if anything.
    pub fn models(self: &Arc<Self>, asking: &Asking) -> Option<Models> {
        let over = self.over(asking);
        let any = |(_, limits): &(Actor, Limits)| limits.models.is_some() || limits.is_budget();
        over.iter().any(any).then(|| Models {
            policy: Arc::clone(self),
            asking: asking.clone(),
        })
    }

    /// What a model costs; the first price that fits.
    pub fn price(&self, model: &str) -> Option<&Price> {
        self.price
            .iter()
            .find(|price| fits(price.model.as_str(), model))
    }

    fn reached(&self, asking: &Asking, of: Actor, limit: LimitKind) -> LimitReached {
        LimitReached {
            call: asking.call,
            provider: asking.provider.clone(),
            limit,
            of,
            policy: self.digest(),
            allowed: None,
            used: None,
            model: None,
            destination: asking.destination.clone(),
            retry_after_seconds: None,
        }
    }
}

impl Models {
    /// Whether a call may ask this model, by the name that the log has for it: what is no word
    /// there fits no pattern but `*`. A call that names no model asks for an unknown one.
    pub fn check(&self, model: Option<&Label>) -> Result<(), Box<LimitReached>> {
        let name = model.map_or("", Label::as_str);
        for (of, limits) in self.policy.over(&self.asking) {
            let models = limits.models.as_ref();
            let allowed =
                models.is_none_or(|allowed| allowed.iter().any(|one| fits(one.as_str(), name)));
            let priced = !limits.limits_cost() || self.policy.price(name).is_some();
            let kind = match (allowed, priced) {
                (false, _) => LimitKind::Models,
                (true, false) => LimitKind::Price,
                (true, true) => continue,
            };
            return Err(Box::new(LimitReached {
                model: model.cloned(),
                ..self.policy.reached(&self.asking, of, kind)
            }));
        }
        Ok(())
    }

    /// Of a call whose use is counted nowhere: a batch, whose answers come later, or what names no
    /// model of its own. It goes where there is no budget.
    pub fn uncounted(&self) -> Result<(), Box<LimitReached>> {
        let over = self.policy.over(&self.asking);
        match over.into_iter().find(|(_, limits)| limits.is_budget()) {
            Some((of, _)) => {
                let reached = self.policy.reached(&self.asking, of, LimitKind::Uncounted);
                Err(Box::new(reached))
            }
            None => Ok(()),
        }
    }
}

impl Limits {
    fn limits_cost(&self) -> bool {
        self.cost_per_day.is_some() || self.cost_per_month.is_some()
    }

    fn is_budget(&self) -> bool {
        let tokens = self.tokens_per_day.is_some() || self.tokens_per_month.is_some();
        tokens || self.limits_cost()
    }

    /// These, and where they say nothing, those.
    fn or(&self, each: &Limits) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute.or(each.requests_per_minute),
            tokens_per_day: self.tokens_per_day.or(each.tokens_per_day),
            tokens_per_month: self.tokens_per_month.or(each.tokens_per_month),
            cost_per_day: self.cost_per_day.or(each.cost_per_day),
            cost_per_month: self.cost_per_month.or(each.cost_per_month),
            models: self.models.clone().or_else(|| each.models.clone()),
            upstreams: self.upstreams.clone().or_else(|| each.upstreams.clone()),
            tool_servers: self
                .tool_servers
                .clone()
                .or_else(|| each.tool_servers.clone()),
        }
    }
}

/// What the client is told: which limit, how much of it is used, what to do.
pub fn explain(reached: &LimitReached) -> String {
    let LimitReached { of, limit, .. } = reached;
    let amount = |unit: &str| {
        let shown = |n: Option<u64>| match limit {
            LimitKind::CostPerDay | LimitKind::CostPerMonth => {
                Money(n.unwrap_or_default()).to_string()
            }
            _ => n.unwrap_or_default().to_string(),
        };
        let (used, allowed) = (shown(reached.used), shown(reached.allowed));
        format!("{of} has used {used} of {allowed} {unit}")
    };
    let model = reached.model.as_ref().map_or("-", Label::as_str);
    let what = match limit {
        LimitKind::RequestsPerMinute => amount("requests in this minute"),
        LimitKind::TokensPerDay => amount("tokens of this day (UTC)"),
        LimitKind::TokensPerMonth => amount("tokens of this month (UTC)"),
        LimitKind::CostPerDay => amount("of this day's budget (UTC)"),
        LimitKind::CostPerMonth => amount("of this month's budget (UTC)"),
        LimitKind::Models => format!("{of} may not use the model {model}"),
        LimitKind::Upstreams => {
            format!("{of} may not use the provider at {}", reached.destination)
        }
        LimitKind::ToolServers => {
            format!("{of} may not use the tool server {}", reached.destination)
        }
        LimitKind::CallsInFlight => amount("calls in flight"),
        LimitKind::HeldBytes => amount("bytes that the gateway holds in memory"),
        LimitKind::Price => format!("{of} has a budget, and the model {model} has no price here"),
        LimitKind::Uncounted => format!(
            "{of} has a budget, and what a batch, or a request that names no model, uses is not counted here"
        ),
    };
    let then = match reached.retry_after_seconds {
        Some(seconds) => format!("try again in {seconds} s, or ask the operator for more"),
        None => "choose another, or ask the operator of this gateway".to_owned(),
    };
    format!("{what}; nothing was sent: {then}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
