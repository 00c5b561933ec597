//! One agent's share of the gateway, and what a client hears where there is no room.

use super::*;
use schemas::kinds::traffic::{LimitKind, RefusalReason, RequestRefused};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

async fn world_of_room(capacity: Capacity) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let upstream = Arc::new(Scripted::default());
    let routes = crate::demo::upstream::routes(Arc::clone(&upstream));
    let base = format!("http://{}", serve(routes).await);
    let rest = (base, LimitPolicy::default(), Patience::USUAL, capacity);
    world_holding(dir, clock, upstream, rest).await
}

impl World {
    /// A call whose body states this length and comes but for its last byte.
    async fn stated(&self, length: usize) -> TcpStream {
        let address = self.base.trim_start_matches("http://");
        let address = address.trim_end_matches("/anthropic");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /anthropic/v1/messages HTTP/1.1\r\nhost: {address}\r\n\
             x-api-key: {}\r\ncontent-length: {length}\r\n\r\n",
            self.token.reveal()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; length - 1]).await.unwrap();
        stream
    }

    async fn until(&self, load: (u64, u64)) {
        let reached = async {
            while self.gateway.load() != load {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(waited.is_ok(), "{:?} for {load:?}", self.gateway.load());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_cannot_take_every_place() {
    let world = world_of_room(Capacity {
        calls: 4,
        ..Capacity::default()
    });
    let mut world = world.await;
    let streams = [(); 2].map(|()| world.message(ask("hang", true)));
    let streams = futures_util::future::join_all(streams).await;
    let refused = world.message(ask("plain", false)).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(!refused.headers().contains_key("x-should-retry"));
    let (status, kind, message) = error_of(refused).await;
    assert_eq!((status, kind.as_str()), (429, "rate_limit_error"));
    let reached = world.reached().pop().unwrap();
    assert_eq!(reached.limit, LimitKind::CallsInFlight);
    assert_eq!(reached.of.to_string(), "agent:cfo");
    assert_eq!((reached.allowed, reached.used), (Some(2), Some(2)));
    assert!(message.contains("2 of 2 calls in flight"), "{message}");
    assert!(message.contains(&reached.call.to_string()), "{message}");
    // A list of models needs a place too.
    let models = world.http.get(format!("{}/v1/models", world.base));
    let models = models.bearer_auth(world.token.reveal()).send().await;
    assert_eq!(models.unwrap().status(), 429);

    // The others have theirs, until all are taken.
    let first = std::mem::replace(&mut world.token, issue_token().unwrap());
    world.register("cto", &world.token);
    let more = [(); 2].map(|()| world.message(ask("hang", true)));
    let more = futures_util::future::join_all(more).await;
    assert!(more.iter().all(|answer| answer.status() == 200));
    let mine = std::mem::replace(&mut world.token, issue_token().unwrap());
    world.register("coo", &world.token);
    let (status, kind, _) = error_of(world.message(ask("plain", false)).await).await;
    assert_eq!((status, kind.as_str()), (529, "overloaded_error"));
    let reached = world.reached().pop().unwrap();
    assert_eq!(reached.of.to_string(), "service:gateway");
    assert_eq!((reached.allowed, reached.used), (Some(4), Some(4)));

    drop((streams, more));
    world.gateway.idle().await;
    assert_eq!(world.gateway.load(), (0, 0));
    for token in [first, mine] {
        world.token = token;
        assert_eq!(world.message(ask("plain", false)).await.status(), 200);
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_counted_to_the_last_and_named_only_where_it_stands() {
    let world = world_of_room(Capacity {
        calls: 2,
        ..Capacity::default()
    });
    let world = world.await;
    let stream = world.message(ask("hang", true)).await;
    let (mut named, mut unnamed) = (Vec::new(), 0);
    for _ in 0..20 {
        let (status, _, message) = error_of(world.message(ask("plain", false)).await).await;
        assert_eq!(status, 429);
        match message.split_once("the record of this refusal is call ") {
            Some((_, call)) => named.push(call.to_owned()),
            None => unnamed += 1,
        }
    }
    world.gateway.settle(true);
    let reached = world.reached();
    let recorded: Vec<_> = reached.iter().map(|one| one.call.to_string()).collect();
    assert_eq!(named, recorded);
    let followed = super::bad_input::refusals(&world.entries());
    let no_room = |one: &RequestRefused| one.reason == RefusalReason::NoRoom;
    assert!(unnamed > 0 && followed.iter().all(no_room));
    let followed = followed.iter().map(|one| one.count).sum::<u64>();
    assert_eq!((unnamed, reached.len() as u64 + followed), (followed, 20));
    drop(stream);
    world.gateway.idle().await;
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_together_hold_no_more_than_there_is_room_for() {
    let world = world_of_room(Capacity {
        held_mib: 64,
        ..Capacity::default()
    });
    let world = world.await;
    let length = 20 << 20;
    let waits = world.stated(length).await;
    world.until((1, length as u64)).await;
    // The next would have more than this agent's half on its way.
    let long = "あ".repeat(length / 3);
    let answer = world.message(ask("plain", false).replace("明日の", &long));
    let (status, kind, message) = error_of(answer.await).await;
    assert_eq!((status, kind.as_str()), (429, "rate_limit_error"));
    assert!(
        message.contains("bytes that the gateway holds"),
        "{message}"
    );
    let reached = world.reached().pop().unwrap();
    assert_eq!(reached.limit, LimitKind::HeldBytes);
    assert_eq!(reached.of.to_string(), "agent:cfo");
    assert_eq!(reached.allowed, Some(32 << 20));
    assert!((20 << 20..=32 << 20).contains(&reached.used.unwrap()));
    // One that says no length finds it out on its way.
    let pieces = vec![Ok::<_, std::convert::Infallible>(vec![b' '; 1 << 20]); 20];
    let pieces = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    assert_eq!(error_of(world.message(pieces).await).await.0, 429);
    assert_eq!(world.hits(), 0);
    // What is small goes on.
    assert_eq!(world.message(ask("plain", false)).await.status(), 200);
    drop(waits);
    world.gateway.idle().await;
    assert_eq!(world.gateway.load(), (0, 0));
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_held_until_the_provider_has_it_and_a_stream_as_far_as_it_has_come() {
    let world = world_of_room(Capacity::default()).await;
    let body = format!("{}{}", ask("hang", true), " ".repeat(20 << 20));
    let mut answer = world.message(body).await;
    let mut seen = 0;
    while seen < 400 {
        seen += answer.chunk().await.unwrap().unwrap().len();
    }
    world.until((1, 400)).await;
    drop(answer);
    world.gateway.idle().await;
    assert_eq!(world.gateway.load(), (0, 0));
    world.check();
}

/// More than a connection takes whose client reads none of it.
const LONG_ANSWER: usize = 16 << 20;

/// A provider that answers at length; what is long in it is nothing that rules look at.
async fn verbose() -> String {
    let answer = |length: usize| {
        let message = r#"{"type":"message","content":[{"type":"text","text":"はい"}]}"#;
        let body = format!("{message}{}", " ".repeat(length - message.len()));
        ([("content-type", "application/json")], body)
    };
    let routes = Router::new()
        .route(
            "/v1/messages",
            post(move || async move { answer(LONG_ANSWER) }),
        )
        .route("/v1/models", get(move || async move { answer(LIST_LIMIT) }));
    format!("http://{}", serve(routes).await)
}

impl World {
    /// A client that reads the head of an answer, and no more yet.
    async fn idles(&self, body: &str) -> TcpStream {
        let address = self.base.trim_start_matches("http://");
        let address = address.trim_end_matches("/anthropic");
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
        let asked = format!(
            "POST /anthropic/v1/messages HTTP/1.1\r\nhost: {address}\r\nx-api-key: {}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token.reveal(),
            body.len()
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        // Whoever answered has long gone on to something else.
        let hello = self.http.get(format!("{}/api/hello", self.base));
        assert_eq!(hello.send().await.unwrap().status(), 200);
        stream
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_one_piece_is_held_until_it_was_read_or_its_client_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let world = world_before(dir, clock, Arc::default(), verbose().await).await;
    let length = LONG_ANSWER as u64;
    let mut reader = world.idles(&ask("plain", false)).await;
    assert_eq!(world.gateway.load(), (1, length));
    let gone = world.idles(&ask("plain", false)).await;
    assert_eq!(world.gateway.load(), (2, 2 * length));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read.len() > LONG_ANSWER);
    world.until((1, length)).await;
    drop(gone);
    world.until((0, 0)).await;
    world.check();
}

/// Without a connection, which would take all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_held_as_long_as_its_answer_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let world = world_before(dir, clock, Arc::default(), verbose().await).await;
    let key = ProviderKey::new(PROVIDER_KEY).unwrap();
    let (provider, header) = (Provider::Anthropic, KeyHeader::XApiKey);
    let upstream = Upstream::new(provider, &world.upstream_base, key, header).unwrap();
    let side = Side::new(Arc::clone(&world.gateway), Arc::new(upstream));
    let request = Request::get("/v1/models").header("x-api-key", world.token.reveal());
    let request = request.body(Body::empty()).unwrap();
    let answer = models(State(side), request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(world.gateway.load(), (1, LIST_LIMIT as u64));
    drop(answer);
    assert_eq!(world.gateway.load(), (0, 0));
}
