//! One agent's share of the gateway, and what a client hears where there is no room.

use super::*;
use schemas::kinds::traffic::LimitKind;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

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
