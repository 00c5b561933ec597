mod bad_input;
mod calls;
mod current;
mod durable;
mod failures;
mod limits;
mod openai;
mod pings;
mod room;
mod sdk;
mod shares;
mod slow_rules;

use super::body::{BODY_LIMIT, NotRead, Reading};
use super::*;
use crate::demo::upstream::{Received, SECRET, Scripted};
use crate::views::Views;
use agents::classes::ClassPolicy;
use agents::gateway::OpenCalls;
use agents::limits::LimitPolicy;
use agents::masking::{Masker, Policy, TagKey};
use agents::registry::{Token, issue_token};
use axum::body::Body;
use futures_util::StreamExt;
use ledger::clock::{Clock, SystemClock};
use ledger::{Entry, Index, Options, Reader};
use schemas::kinds::agents::AgentRegistered;
use schemas::kinds::traffic::PayloadBlocked;
use schemas::{Data, DataClass, Event, Hash, Label, Timestamp};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

const PROVIDER_KEY: &str = "provider-key-0123456789";

/// The host's clock, off by as much as a test says.
struct OffClock(AtomicI64);

impl Clock for OffClock {
    fn now(&self) -> Timestamp {
        let off = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().micros() + off)
    }
}

/// A ledger, a gateway before it and a scripted provider behind it, in this process.
struct World {
    _dir: tempfile::TempDir,
    appender: Appender,
    reader: Reader,
    views: Arc<Views>,
    clock: Arc<OffClock>,
    upstream: Arc<Scripted>,
    /// `http://127.0.0.1:PORT/anthropic`
    base: String,
    /// `http://127.0.0.1:PORT/openai`
    openai: String,
    upstream_base: String,
    token: Token,
    http: reqwest::Client,
    gateway: Arc<Gateway>,
}

fn masker() -> Masker {
    Masker::new(Policy::default(), TagKey::new([1; 32])).unwrap()
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn world() -> World {
    world_watched(|_, _| Scripted::default()).await
}

/// With these limits in force.
async fn world_limited(limits: &str) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let upstream = Arc::new(Scripted::default());
    let routes = crate::demo::upstream::routes(Arc::clone(&upstream));
    let base = format!("http://{}", serve(routes).await);
    let limits = limits.replace("UPSTREAM", base.trim_start_matches("http://"));
    let limits: LimitPolicy = toml::from_str(&limits).unwrap();
    limits.check().unwrap();
    world_of(dir, clock, upstream, base, limits).await
}

async fn world_watched(script: impl FnOnce(PathBuf, Arc<OffClock>) -> Scripted) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let upstream = Arc::new(script(dir.path().to_owned(), Arc::clone(&clock)));
    let upstream_base = format!(
        "http://{}",
        serve(crate::demo::upstream::routes(Arc::clone(&upstream))).await
    );
    world_before(dir, clock, upstream, upstream_base).await
}

async fn world_before(
    dir: tempfile::TempDir,
    clock: Arc<OffClock>,
    upstream: Arc<Scripted>,
    upstream_base: String,
) -> World {
    world_of(dir, clock, upstream, upstream_base, LimitPolicy::default()).await
}

async fn world_of(
    dir: tempfile::TempDir,
    clock: Arc<OffClock>,
    upstream: Arc<Scripted>,
    upstream_base: String,
    limits: LimitPolicy,
) -> World {
    let patience = Patience::USUAL;
    world_with(dir, clock, upstream, (upstream_base, limits, patience)).await
}

async fn world_with(
    dir: tempfile::TempDir,
    clock: Arc<OffClock>,
    upstream: Arc<Scripted>,
    (upstream_base, limits, patience): (String, LimitPolicy, Patience),
) -> World {
    let rest = (upstream_base, limits, patience, Capacity::default());
    world_holding(dir, clock, upstream, rest).await
}

async fn world_holding(
    dir: tempfile::TempDir,
    clock: Arc<OffClock>,
    upstream: Arc<Scripted>,
    rest: (String, LimitPolicy, Patience, Capacity),
) -> World {
    let options = Options {
        clock: clock.clone(),
        ..Options::default()
    };
    world_on(options, dir, clock, upstream, rest).await
}

async fn world_on(
    options: Options,
    dir: tempfile::TempDir,
    clock: Arc<OffClock>,
    upstream: Arc<Scripted>,
    (upstream_base, limits, patience, capacity): (String, LimitPolicy, Patience, Capacity),
) -> World {
    ledger::create(dir.path(), "example.com/daicho", &*clock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), options).unwrap();
    let views = Arc::new(Views::open(reader.clone()).unwrap());
    let token = issue_token().unwrap();
    let rules = InForce::new(
        reader.clone(),
        &views,
        TagKey::new([1; 32]),
        Arc::new(masker()),
        ClassPolicy::default(),
        limits,
    );
    let gateway = Gateway::new(appender.clone(), rules, Arc::clone(&views), capacity);
    let gateway = Arc::new(Gateway {
        patience,
        ..gateway
    });
    let side = |provider, header| {
        let key = ProviderKey::new(PROVIDER_KEY).unwrap();
        let to = Upstream::new(provider, &upstream_base, key, header).unwrap();
        let to = to.passing(vec!["/v1/listed/*".into()]);
        routes(Side::new(Arc::clone(&gateway), Arc::new(to)))
    };
    let app = Router::new()
        .nest("/anthropic", side(Provider::Anthropic, KeyHeader::XApiKey))
        .nest("/openai", side(Provider::OpenAi, KeyHeader::Bearer));
    let address = serve(app).await;
    let (base, openai) = (
        format!("http://{address}/anthropic"),
        format!("http://{address}/openai"),
    );
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let world = World {
        _dir: dir,
        appender,
        reader,
        views,
        clock,
        upstream,
        base,
        openai,
        upstream_base,
        token,
        http,
        gateway,
    };
    world.register("cfo", &world.token);
    world
}

impl World {
    fn register(&self, name: &str, token: &Token) {
        self.register_for(name, token, None);
    }

    fn register_for(&self, name: &str, token: &Token, person: Option<&str>) {
        self.append(AgentRegistered {
            agent: name.parse().unwrap(),
            role: "cfo".parse().unwrap(),
            data_class: DataClass::Internal,
            token_sha256: token.digest(),
            token_until: None,
            model: None,
            person: person.map(|person| person.parse().unwrap()),
        });
    }

    fn append(&self, data: impl Into<Data>) {
        self.append_unseen(data);
        self.views.catch_up().unwrap();
    }

    /// The views do not know of it.
    fn append_unseen(&self, data: impl Into<Data>) {
        let event = Event::new(self.appender.new_id(), "user:s001".parse().unwrap(), data);
        self.appender.append(vec![event.into()]).unwrap();
    }

    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.base))
            .bearer_auth(self.token.reveal())
            .header("content-type", "application/json")
            .header("anthropic-version", "2026-10-21")
            .body(body)
    }

    async fn message(&self, body: impl Into<reqwest::Body>) -> reqwest::Response {
        self.post("/v1/messages", body).send().await.unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        self.reader
            .entries(0..u64::MAX)
            .map(Result::unwrap)
            .collect()
    }

    /// Kinds of everything since the agent was registered.
    fn kinds(&self) -> Vec<&'static str> {
        self.entries()[2..].iter().map(Entry::kind).collect()
    }

    /// The newest entry of a kind, once there are so many of them.
    fn wait_for(&self, kind: &str, count: usize) -> Entry {
        loop {
            let size = self.reader.size();
            let found: Vec<_> = self
                .entries()
                .into_iter()
                .filter(|e| e.kind() == kind)
                .collect();
            if found.len() >= count {
                return found.last().unwrap().clone();
            }
            assert!(
                self.reader.wait_beyond(size, Duration::from_secs(20)) > size,
                "no {kind} came"
            );
        }
    }

    fn content(&self, entry: &Entry, name: &str) -> Vec<u8> {
        content(&self.reader, entry, name)
    }

    fn hits(&self) -> usize {
        self.upstream.received().len()
    }

    /// Nothing private in any line of the log, and nothing prohibited in any content.
    fn check(&self) {
        for entry in self.entries() {
            let line = String::from_utf8(entry.body().to_vec()).unwrap();
            for private in [self.token.reveal(), PROVIDER_KEY, SECRET, "山田太郎"] {
                assert!(!line.contains(private), "{line}");
            }
            for reference in entry.content() {
                let kept =
                    String::from_utf8_lossy(&self.reader.content(reference).unwrap()).into_owned();
                assert!(
                    !kept.contains(SECRET) && !kept.contains(PROVIDER_KEY),
                    "{kept}"
                );
            }
        }
        let mut index = Index::in_memory(self.reader.clone());
        let open = index.add::<OpenCalls>();
        index.catch_up().unwrap();
        assert_eq!(open.read(OpenCalls::count), 0, "every call has an end");
    }
}

fn content(reader: &Reader, entry: &Entry, name: &str) -> Vec<u8> {
    let found = entry
        .content()
        .iter()
        .find(|content| content.name.as_str() == name);
    reader
        .content(found.unwrap_or_else(|| panic!("{} has no {name}", entry.kind())))
        .unwrap()
}

fn ask(word: &str, streaming: bool) -> String {
    format!(
        r#"{{ "model": "claude-{word}" , "stream":{streaming}, "max_tokens": 10,"messages":[{{"role":"user","content":"明日の会議の案内を"}}] }}"#
    )
}

async fn error_of(response: reqwest::Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let id = response.headers()["request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body["type"], "error");
    assert_eq!(body["request_id"], id);
    let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
    (status, text("type"), text("message"))
}
