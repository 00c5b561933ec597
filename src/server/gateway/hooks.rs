//! `/hooks/…`: what clients tell of their agents, answered in their own form.
//!
//! | event | where it cannot be recorded |
//! |---|---|
//! | a prompt, a use of a tool | 200, and the answer says no: of another status an older client thinks nothing |
//! | any other | 503: it has happened already |
//!
//! A caller without a token gets 401, what is no hook's call 400 (recorded as `request.refused`), and
//! a long body that finds no room 429 or 529. Clients that are set up by `daicho hook install` stop at all of them.

use super::Gateway;
use super::body::BODY_LIMIT;
use super::fault::Fault;
use super::patience::{Late, Turn, in_time};
use crate::commands::period_from;
use crate::outcome::Failure;
use crate::server::Node;
use agents::approvals::draft::Terms;
use agents::approvals::view::{Approvals, State};
use agents::capture::Capture;
use agents::gateway::Provider;
use agents::hooks::{Client, HookCall, HookError, Seen, Surroundings, Unscanned};
use agents::limits::Asking;
use axum::extract::{self, Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ledger::AppendError;
use schemas::kinds::traffic::RefusalReason;
use schemas::{Actor, EventId, Label, Name};
use serde_json::{Value, json};
use std::sync::Arc;

pub fn routes() -> Router<Node> {
    Router::new()
        .route("/claude-code", post(claude_code))
        .route("/mcp", post(mcp))
        .route("/mcp/drafts/{approval}", get(draft))
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
}

/// A fault is written as this provider writes it: Claude Code knows the form.
const SHAPE: Provider = Provider::Anthropic;

/// As a refusal names where it was.
const DOOR: &str = "hooks";

const NO_PLACE: &str = "daicho has more to do than it can do in time: try again later";

async fn claude_code(extract::State(node): extract::State<Node>, request: Request) -> Response {
    told(node, Client::ClaudeCode, request).await
}

/// Of `daicho mcp`: the same events, answered in plain words.
async fn mcp(extract::State(node): extract::State<Node>, request: Request) -> Response {
    told(node, Client::Mcp, request).await
}

async fn told(node: Node, client: Client, request: Request) -> Response {
    let id = node.appender.new_id();
    match answered(node, id, client, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(fault) => fault.into_response(id, SHAPE),
    }
}

/// What a part of this server tells of an agent that it knows, and the answer; or why there is
/// none.
pub async fn tell(node: Node, agent: Name, client: Client, told: Value) -> Result<Value, String> {
    let id = node.appender.new_id();
    let gateway = &node.gateway;
    let asking = gateway.asking_to_tell(id, &agent, DOOR);
    let place = gateway.at_work(&gateway.hooks, &asking).await;
    let place = place.map_err(|fault| fault.told().1)?;
    let body = Capture::new(told.to_string().into_bytes());
    if body.len_bytes() > BODY_LIMIT as u64 {
        return Err(Fault::too_large(BODY_LIMIT).told().1);
    }
    let answer = decided(node, asking, client, body, place).await;
    answer.map_err(|fault| fault.told().1)
}

/// A text without what may never be kept.
pub fn cut(node: &Node, text: &str) -> String {
    node.gateway.masker().cut(text).0
}

/// The state of a draft that this agent asked for.
pub fn state(node: &Node, agent: &Name, approval: &str) -> Option<State> {
    let now = node.now();
    node.views.approvals.read(|approvals| {
        let asked = approvals.find(approval.parse().ok()?)?;
        (asked.requester == Actor::Agent(agent.clone())).then(|| asked.state(now))
    })
}

/// The state of a draft of the caller's own.
async fn draft(
    extract::State(node): extract::State<Node>,
    Path(approval): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let agent = match node.gateway.caller(&parts).await {
        Ok(agent) => agent,
        Err(fault) => return fault.into_response(node.appender.new_id(), SHAPE),
    };
    match state(&node, &agent, &approval) {
        Some(state) => Json(json!({ "state": state })).into_response(),
        None => Fault::no_hook().into_response(node.appender.new_id(), SHAPE),
    }
}

async fn wrong_method(extract::State(node): extract::State<Node>) -> Response {
    Fault::wrong_method().into_response(node.appender.new_id(), SHAPE)
}

async fn not_found(extract::State(node): extract::State<Node>) -> Response {
    Fault::no_hook().into_response(node.appender.new_id(), SHAPE)
}

async fn answered(
    node: Node,
    id: EventId,
    client: Client,
    request: Request,
) -> Result<Value, Fault> {
    let (parts, body) = request.into_parts();
    let agent = node.gateway.caller(&parts).await?;
    let gateway = &node.gateway;
    let asking = gateway.asking_to_tell(id, &agent, DOOR);
    let (body, held) = gateway.read_told(&asking, &parts.headers, body).await?;
    let place = match gateway.at_work(&gateway.hooks, &asking).await {
        Ok(place) => place,
        Err(fault) => {
            let (call, _) = read(gateway, &asking, client, body).await?;
            return match call.event.is_decided() {
                true => Ok(HookCall::unrecorded(call.event, client, id, NO_PLACE)),
                false => Err(fault),
            };
        }
    };
    decided(node, asking, client, body, (place, held)).await
}

/// Off the runtime's own threads: a body may be 32 MB, and none of the rules is at work yet.
async fn read(
    gateway: &Gateway,
    asking: &Asking,
    client: Client,
    body: Capture,
) -> Result<(HookCall, Capture), Fault> {
    let (id, agent) = (asking.call, asking.agent.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let call = HookCall::read(id, agent, client, &body);
        call.map(|call| (call, body))
    });
    match reading.await.map_err(|_| Fault::internal())? {
        Ok(read) => Ok(read),
        Err(error) => Err(gateway.no_call(asking, &error).await),
    }
}

/// What is `held` is kept as long as the rules are at work, which may be longer than they are
/// waited for.
async fn decided(
    node: Node,
    asking: Asking,
    client: Client,
    body: Capture,
    held: impl Send + 'static,
) -> Result<Value, Fault> {
    let id = asking.call;
    let (call, body) = read(&node.gateway, &asking, client, body).await?;
    if let Some(server) = call.tool_server() {
        node.gateway.may_use(&call.agent, server).await?;
    }
    let (event, gateway) = (call.event, Arc::clone(&node.gateway));
    let recorded = match node.withheld() {
        Some(why) => Err(Unrecorded::Withheld(why)),
        None => {
            let unscanned = call.unscanned(&body);
            let recorded = in_time(gateway.patience.rules, move |turn| {
                let recorded = record(&node, call, &body, turn);
                drop(held);
                recorded
            });
            match recorded.await {
                Ok(recorded) => recorded,
                Err(late) => Err(gateway.unscanned(unscanned, late).await),
            }
        }
    };
    let why = match recorded {
        Ok(answer) => return Ok(answer),
        Err(Unrecorded::Unsound(error)) => return Err(gateway.no_call(&asking, &error).await),
        Err(why) => why,
    };
    if event.is_decided() {
        return Ok(HookCall::unrecorded(event, client, id, &why.told()));
    }
    Err(Fault::untold(&why.told()))
}

impl Gateway {
    /// What was told is no call of a hook.
    async fn no_call(&self, asking: &Asking, error: &HookError) -> Fault {
        let refused = self.refuse(asking, RefusalReason::Malformed).await;
        refused.err().unwrap_or_else(|| Fault::no_call(error))
    }

    /// Records that a hook was refused because nobody could look at it in time.
    async fn unscanned(&self, call: Unscanned, late: Late) -> Unrecorded {
        tracing::error!(?late, "a hook could not be looked at in time");
        let rules = Arc::clone(&self.rules);
        let now = self.appender.now();
        let record = move || {
            let masking = rules.masker(now).policy();
            vec![call.record(masking, rules.tools().digest())]
        };
        match self.append(record).await {
            Ok(()) => Unrecorded::Unscanned,
            Err(error) => Unrecorded::Append(error),
        }
    }
}

enum Unrecorded {
    Unsound(HookError),
    Withheld(&'static str),
    Append(AppendError),
    Views(Failure),
    /// Nothing but that it was told: the rules came to no end with it in time.
    Unscanned,
}

impl Unrecorded {
    /// The reason goes to the operator's log: it can hold paths.
    fn told(&self) -> String {
        match self {
            Unrecorded::Withheld(why) => return (*why).to_owned(),
            Unrecorded::Append(error) => tracing::error!(%error, "a hook could not be recorded"),
            Unrecorded::Views(failure) => {
                tracing::error!(error = %failure.fault, "a hook could not be decided");
            }
            Unrecorded::Unscanned => return "the masking rules did not end in time".to_owned(),
            Unrecorded::Unsound(_) => tracing::error!("a hook could not be decided"),
        }
        "the ledger cannot record what this is about".to_owned()
    }
}

/// Decisions that came first, before one is given up: each is one entry of another call.
const MOST_RACES: usize = 16;

/// Looks, decides and appends, off the runtime's own threads. Decided again where another
/// decision came first: the log takes one of two that draw on the same grant, and says of a second
/// record that would be the same that it has it already.
fn record(
    node: &Node,
    mut call: HookCall,
    body: &Capture,
    turn: &Turn,
) -> Result<Value, Unrecorded> {
    let masker = node.gateway.masker();
    if let Some(tool_use) = call.prompted_use(&masker) {
        place(node, &mut call, &tool_use)?;
    }
    let seen = call.look(body, &masker).map_err(Unrecorded::Unsound)?;
    let mut races = 0;
    loop {
        // A decision waits for everything that the log holds.
        let caught_up = node.views.catch_up();
        caught_up.map_err(|error| Unrecorded::Views(error.into()))?;
        let decided = decide(node, &node.gateway, &seen);
        if races == 0 && !turn.take() {
            return Err(Unrecorded::Unscanned);
        }
        match node.appender.append(decided.batch) {
            // The first is the hook's own record.
            Ok(receipts) if receipts.first().is_none_or(|own| own.new) => {
                return Ok(decided.answer);
            }
            Ok(_) => races += 1,
            Err(AppendError::Conflict { .. }) if races < MOST_RACES => races += 1,
            Err(error) => return Err(Unrecorded::Append(error)),
        }
    }
}

/// Puts a prompt where its use is, as the log says: the process that took the use's hook may have
/// been another one.
fn place(node: &Node, call: &mut HookCall, tool_use: &Label) -> Result<(), Unrecorded> {
    let caught_up = node.views.catch_up();
    caught_up.map_err(|error| Unrecorded::Views(error.into()))?;
    let agent = Actor::Agent(call.agent.clone());
    let uses = &node.views.tool_uses;
    let hook = uses.read(|uses| uses.hook_of(&agent, tool_use));
    if let Some(hook) = hook.and_then(|hook| node.reader.entry(hook).ok()) {
        let told = hook
            .content()
            .iter()
            .find(|kept| kept.name.as_str() == "hook");
        let told = told.and_then(|told| node.reader.content(told).ok());
        call.put(&hook, &told.unwrap_or_default());
    }
    Ok(())
}

fn decide(node: &Node, gateway: &Gateway, seen: &Seen<'_>) -> agents::hooks::Decided {
    let (tools, approvals) = (gateway.rules.tools(), gateway.rules.approvals());
    let now = node.now();
    let calls = node.views.agents.read(|agents| {
        let agent = agents.agent(seen.agent())?;
        agent.sessions.get(seen.session()?).copied()
    });
    let asked = gateway.rules.asked(seen.agent(), now);
    let terms = |view: &Approvals| Terms {
        policy: view.policy_in_force().unwrap_or(approvals.digest()),
        deadline: period_from(now, approvals.deadline),
        approvers_needed: approvals.approvers_needed,
    };
    let (drafts, uses) = (&node.views.drafts, &node.views.tool_uses);
    drafts.read(|drafts| {
        node.views.approvals.read(|approvals| {
            uses.read(|witnesses| {
                seen.decide(&Surroundings {
                    policy: &tools,
                    drafts,
                    approvals,
                    witnesses,
                    terms: terms(approvals),
                    asked: asked.as_ref(),
                    calls: calls.unwrap_or(0),
                    now,
                })
            })
        })
    })
}
