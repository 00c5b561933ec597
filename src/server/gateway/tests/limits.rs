//! Limits: who has used how much, and what a client hears when it is enough.

use super::*;
use schemas::kinds::traffic::{LimitKind, LimitReached};

impl World {
    async fn as_agent(&self, token: &Token, body: String) -> reqwest::Response {
        let request = self.http.post(format!("{}/v1/messages", self.base));
        let request = request.bearer_auth(token.reveal()).body(body);
        request.send().await.unwrap()
    }

    pub(super) fn reached(&self) -> Vec<LimitReached> {
        let reached = |entry: Entry| match entry.data() {
            Data::LimitReached(fact) => Some(fact.clone()),
            _ => None,
        };
        self.entries().into_iter().filter_map(reached).collect()
    }

    /// To 5 s after the beginning of the next minute.
    fn next_minute(&self) {
        let now = self.clock.now().micros();
        let ahead = 65_000_000 - now % 60_000_000;
        self.clock.0.fetch_add(ahead, Ordering::SeqCst);
    }
}

fn person(of: &str) -> schemas::Actor {
    of.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_under_a_rush_and_passes_with_the_minute() {
    let world = world_limited("[each_agent]\nrequests_per_minute = 3").await;
    world.next_minute();
    let rush = (0..12).map(|_| world.message(ask("plain", false)));
    let answers = futures_util::future::join_all(rush).await;
    let (good, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status() == 200);
    assert_eq!((good.len(), refused.len(), world.hits()), (3, 9, 3));
    for answer in refused {
        assert!(!answer.headers().contains_key("x-should-retry"));
        let after: u64 = answer.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&after), "{after}");
        let (status, kind, message) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (429, "rate_limit_error"));
        assert!(message.contains("agent:cfo has used 3 of 3 requests"));
    }
    let reached = world.reached();
    assert_eq!(reached.len(), 9, "each is recorded");
    assert_eq!(reached[0].limit, LimitKind::RequestsPerMinute);
    assert_eq!((reached[0].allowed, reached[0].used), (Some(3), Some(3)));
    world.next_minute();
    assert_eq!(world.message(ask("plain", false)).await.status(), 200);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_budget_is_of_all_their_agents_together() {
    let limits = "[each_user]\ntokens_per_day = 60\n[user.s002]\ntokens_per_day = 1000000";
    let world = world_limited(limits).await;
    let tokens = [0; 3].map(|_| issue_token().unwrap());
    let of = [("hr", "s001"), ("mail", "s001"), ("ec", "s002")];
    for ((name, user), token) in of.into_iter().zip(&tokens) {
        world.register_for(name, token, Some(user));
    }
    let call = |token| world.as_agent(token, ask("plain", true));
    for token in &tokens[..2] {
        let answer = call(token).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
    for token in &tokens[..2] {
        let answer = call(token).await;
        assert_eq!(answer.headers()["x-should-retry"], "false");
        assert!(answer.headers().contains_key("retry-after"));
        let (status, kind, message) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (429, "billing_error"));
        assert!(message.contains("user:s001") && message.contains("of 60 tokens"));
    }
    let answer = call(&tokens[2]).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    let reached = world.reached();
    assert_eq!(reached.len(), 2);
    assert_eq!(reached[0].of, person("user:s001"));
    assert!(reached[0].used >= reached[0].allowed);

    // The same from the log alone.
    let mut index = Index::in_memory(world.reader.clone());
    let spent = index.add::<agents::limits::Spent>();
    index.catch_up().unwrap();
    let json = |view: &ledger::View<agents::limits::Spent>| {
        view.read(|spent| serde_json::to_string(spent).unwrap())
    };
    world.views.catch_up().unwrap();
    assert_eq!(json(&spent), json(&world.views.spent));
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_is_limited_by_the_price_table_for_both_providers() {
    let limits = "[each_agent]\ncost_per_month = 0.004\n[[price]]\nmodel = 'claude-*'\ninput = 30.0\noutput = 60\n\
                  [[price]]\nmodel = 'gpt-plain'\ninput = 30.0\noutput = 60";
    let world = world_limited(limits).await;
    let gpt = |model: &str| {
        let body = format!(r#"{{"model":"{model}","input":"明日の会議の案内を"}}"#);
        let request = world.http.post(format!("{}/v1/responses", world.openai));
        request.bearer_auth(world.token.reveal()).body(body).send()
    };
    let answer = gpt("gpt-unpriced").await.unwrap();
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("no price"));
    let first = world.message(ask("plain", false)).await;
    assert_eq!(first.status(), 200);
    assert_eq!(gpt("gpt-plain").await.unwrap().status(), 200);
    let answer = gpt("gpt-plain").await.unwrap();
    assert_eq!(answer.status(), 429);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "insufficient_quota");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("this month's budget"), "{message}");
    let kinds: Vec<_> = world.reached().iter().map(|fact| fact.limit).collect();
    assert_eq!(kinds, [LimitKind::Price, LimitKind::CostPerMonth]);
    assert_eq!(world.hits(), 2);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_upstreams_are_those_that_are_allowed() {
    let limits = "[each_agent]\nmodels = ['claude-plain']\nupstreams = ['UPSTREAM']\n[agent.away]\nupstreams = ['api.example.com:443']";
    let world = world_limited(limits).await;
    let token = issue_token().unwrap();
    world.register("away", &token);
    assert_eq!(world.message(ask("plain", false)).await.status(), 200);
    for body in [ask("opus", false), r#"{"messages":[]}"#.to_owned()] {
        let answer = world.message(body).await;
        assert_eq!(answer.headers()["x-should-retry"], "false");
        let (status, kind, message) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (403, "permission_error"));
        assert!(message.contains("agent:cfo may not use the model"));
    }
    let answer = world.as_agent(&token, ask("plain", false)).await;
    let (status, _, message) = error_of(answer).await;
    assert!(status == 403 && message.contains("may not use the provider"));
    let list = world.http.get(format!("{}/v1/models", world.base));
    let answer = list.bearer_auth(token.reveal()).send().await.unwrap();
    assert_eq!(error_of(answer).await.0, 403);
    let reached = world.reached();
    let kinds: Vec<_> = reached.iter().map(|fact| fact.limit).collect();
    use LimitKind::{Models, Upstreams};
    assert_eq!(kinds, [Models, Models, Upstreams, Upstreams]);
    let model = reached[0].model.as_ref().unwrap();
    assert_eq!(model.as_str(), "claude-opus");
    assert_eq!(world.hits(), 1);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_that_a_call_names_is_one_that_is_allowed() {
    let world = world_limited("[each_agent]\nmodels = ['claude-plain', 'claude-haiku-*']").await;
    let with = |more: &str| ask("plain", false).replacen('{', &format!("{{{more},"), 1);
    let batch = |model: &str| {
        let request = |model: &str| {
            format!(r#"{{"custom_id":"{model}","params":{{"model":"{model}","messages":[]}}}}"#)
        };
        let requests = [request("claude-plain"), request(model)].join(",");
        format!(r#"{{"requests":[{requests}]}}"#)
    };
    let (messages, batches) = ("/v1/messages", "/v1/listed/batches");
    let fallback = |model: &str| with(&format!(r#""fallbacks":[{{"model":"{model}"}}]"#));
    let advisor = |model: &str| {
        let tool = format!(r#"{{"type":"advisor_20260301","name":"advisor","model":"{model}"}}"#);
        with(&format!(r#""tools":[{tool}]"#))
    };
    for (path, body) in [
        (messages, fallback("claude-haiku-5")),
        (messages, advisor("claude-haiku-5")),
        (batches, batch("claude-haiku-5")),
    ] {
        let answer = world.post(path, body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{body}");
    }
    for (path, body) in [
        (messages, fallback("claude-opus")),
        (messages, advisor("claude-opus")),
        (batches, batch("claude-opus")),
        // The same name, written otherwise.
        (batches, batch("claude-opu\\u0073")),
    ] {
        let answer = world.post(path, body.clone()).send().await.unwrap();
        let (status, kind, message) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (403, "permission_error"), "{body}");
        assert!(message.contains("may not use the model claude-opus"));
    }
    let of = |one: &LimitReached| (one.limit, one.model.as_ref().unwrap().to_string());
    let reached: Vec<_> = world.reached().iter().map(of).collect();
    assert_eq!(
        reached,
        vec![(LimitKind::Models, "claude-opus".to_owned()); 4]
    );
    assert_eq!(world.hits(), 3);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_budget_cannot_count_does_not_leave_under_one() {
    let world = world_limited("[each_agent]\ntokens_per_day = 1000").await;
    let asked = ask("plain", false);
    let batch = r#"{"model":"claude-plain","requests":[]}"#;
    for (path, body) in [
        ("/v1/listed/batches", batch),
        ("/v1/listed/jobs", r#"{"input_file_id":"file-1"}"#),
    ] {
        let answer = world.post(path, body).send().await.unwrap();
        let (status, kind, message) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (403, "permission_error"), "{path}");
        assert!(message.contains("agent:cfo has a budget"), "{message}");
    }
    let kinds: Vec<_> = world.reached().iter().map(|one| one.limit).collect();
    assert_eq!(kinds, [LimitKind::Uncounted; 2]);
    assert_eq!(world.hits(), 0);
    // What is there already can be fetched and ended.
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        let url = format!("{}/v1/listed/results", world.base);
        let request = world.http.request(method, url);
        let answer = request.bearer_auth(world.token.reveal()).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    // What names its model is counted, by its bytes where the answer says no number.
    let long = asked.replace("明日の", &"あ".repeat(1_100));
    let answer = world.post("/v1/listed/complete", long).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    let answer = world.message(asked).await;
    let (status, _, message) = error_of(answer).await;
    assert!(
        status == 429 && message.contains("of 1000 tokens"),
        "{message}"
    );
    world.check();
}
