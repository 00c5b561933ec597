//! Connections: how many there are, and how long a client may take to say what it wants.
//!
//! | a client that | gets |
//! |---|---|
//! | begins a head and does not end it, or says nothing | closed after 75 s |
//! | takes nothing of its answer | closed after [`READER`] |
//! | sends more than 100 headers, or some 400 KB of them | 431 |
//! | is one too many | waits in the system's queue until another has gone |
//! | has begun a head when the server stops | is not waited for |
//! | is being answered when the server stops | cut off once its grace is over |
//!
//! The first three and a client that takes nothing are counted ([`Faults`]): whose agent it was nobody
//! knows.
//!
//! axum's own server has none of these limits. HTTP/1.1 only: over plain TCP no client speaks
//! anything else unasked.

mod faults;
mod outlet;

pub use faults::{Fault, Faults};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use outlet::Outlet;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A client that takes nothing of what it is sent for so long is no reader any more.
pub const READER: Duration = Duration::from_secs(600);

/// Connections open at once, idle ones too. What is in flight at the gateway has one each, so it has
/// fewer places than this (`[gateway] calls`).
pub const CONNECTIONS: usize = 2_048;

/// How long clients are waited for, and how many of them at a time.
#[derive(Clone, Copy)]
struct Patience {
    /// From the end of one request, or from the connection's begin, to the end of the next head.
    head: Duration,
    reader: Duration,
    /// After a stop, for what is being answered then.
    grace: Duration,
    /// Connections open at once, idle ones too.
    most: usize,
}

impl Patience {
    fn usual(grace: Duration) -> Patience {
        Patience {
            head: Duration::from_secs(75),
            reader: READER,
            grace,
            most: CONNECTIONS,
        }
    }
}

/// Where the system has no more handles, some will come free; and between two looks at whether a
/// connection is still at work.
const BREATH: Duration = Duration::from_millis(100);

/// Looks after which a connection without a request is given up: what was answered has gone out.
const LAST_LOOKS: usize = 10;

/// Serves until it is told to stop, and then until every request that has begun is answered, or the
/// `grace` is over: then every connection is closed, whatever is asked on it. Handlers find who
/// called as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
    faults: Arc<Faults>,
) {
    serve_with(listener, routes, stop, Patience::usual(grace), faults).await;
}

async fn serve_with(
    listener: TcpListener,
    routes: Router,
    stop: impl Future<Output = ()>,
    patience: Patience,
    faults: Arc<Faults>,
) {
    let places = Arc::new(Semaphore::new(patience.most));
    let (ending, ends) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                let (routes, ends, faults) = (routes.clone(), ends.clone(), Arc::clone(&faults));
                tokio::spawn(async move {
                    let fault = converse(stream, address, routes, ends, patience).await;
                    if let Some(fault) = fault {
                        faults.count(fault);
                    }
                    drop(place);
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop((listener, ends));
    let _ = ending.send(());
    ending.closed().await;
}

/// It went away before it was heard.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    routes: Router,
    mut ends: watch::Receiver<()>,
    patience: Patience,
) -> Option<Fault> {
    // What is written goes out at once: a piece of a stream does not wait until the client has
    // acknowledged the one before (RFC 896), which it may put off for 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection may delay what it writes");
    }
    // Whether anything was heard since the last answer.
    let heard = Arc::new(AtomicBool::new(false));
    let stream = Outlet::new(stream, patience.reader, Arc::clone(&heard));
    let routes = TowerToHyperService::new(routes);
    // Held by every request that is being answered.
    let work = Arc::new(());
    let at_work = Arc::clone(&work);
    let of_answer = Arc::clone(&heard);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        let (answer, work) = (routes.call(request), Arc::clone(&at_work));
        let heard = Arc::clone(&of_answer);
        async move {
            let answer = answer.await;
            answer.map(|answer| {
                answer.map(|body| Answer {
                    body,
                    heard,
                    _work: work,
                })
            })
        }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = ends.changed() => {
            connection.as_mut().graceful_shutdown();
            let mut over = pin!(tokio::time::sleep(patience.grace));
            let mut looks = 0;
            loop {
                tokio::select! {
                    served = connection.as_mut() => break served,
                    () = over.as_mut() => {
                        tracing::warn!(client = %address, "the grace of a stop is over: a client was cut off");
                        break Ok(());
                    }
                    () = tokio::time::sleep(BREATH) => {}
                }
                // One of them is the service's own.
                let idle = Arc::strong_count(&work) == 2;
                looks = if idle { looks + 1 } else { 0 };
                if looks == LAST_LOOKS {
                    break Ok(());
                }
            }
        }
    };
    let error = served.err()?;
    tracing::debug!(%error, "a connection broke");
    Fault::of(&error, heard.load(Ordering::Relaxed))
}

/// The body of an answer: until it has gone out, its connection is at work.
struct Answer {
    body: Body,
    /// Of its connection; what comes next is another request's.
    heard: Arc<AtomicBool>,
    _work: Arc<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.heard.store(false, Ordering::Relaxed);
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::routing::get;
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    const ASKED: &str = "GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n";

    const BRIEF: Duration = Duration::from_millis(200);

    /// Longer than any of these tests may take.
    const LONG: Duration = Duration::from_secs(30);

    /// That wait for nobody's head, and for other things as long as usual.
    fn brief(most: usize) -> Patience {
        Patience {
            head: BRIEF,
            most,
            ..Patience::usual(LONG)
        }
    }

    /// A server for a test, and how to stop it.
    async fn server(
        patience: Patience,
    ) -> (SocketAddr, oneshot::Sender<()>, impl Future<Output = ()>) {
        counted(patience, Arc::default()).await
    }

    async fn counted(
        patience: Patience,
        faults: Arc<Faults>,
    ) -> (SocketAddr, oneshot::Sender<()>, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let told =
            |ConnectInfo(address): ConnectInfo<SocketAddr>| async move { address.to_string() };
        let slowly = || async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            "done"
        };
        let endless = || async {
            let piece = Bytes::from(vec![b'x'; 60_000]);
            let pieces = futures_util::stream::repeat(piece).map(Ok::<_, io::Error>);
            Body::from_stream(pieces)
        };
        let never = || async { std::future::pending::<()>().await };
        let routes = Router::new()
            .route("/", get(told))
            .route("/slow", get(slowly))
            .route("/endless", get(endless))
            .route("/never", get(never));
        let stop_asked = async move { drop(stopped.await) };
        let serving = tokio::spawn(serve_with(listener, routes, stop_asked, patience, faults));
        let ended = async move { serving.await.unwrap() };
        (address, stop, ended)
    }

    async fn said(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Until the server has had enough.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_does_not_end_its_head_is_not_waited_for() {
        let (address, _stop, _ended) = server(brief(8)).await;
        for head in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: localhost\r\nx: "] {
            assert_eq!(said(address, head).await, "", "{head:?}");
        }
        // One that says what it wants is answered, and its connection is not kept for ever.
        let answer = said(address, &ASKED.replace("{}", "")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("127.0.0.1:"),
            "{answer}"
        );
        // A byte now and then does not count as patience earned.
        let mut drip = TcpStream::connect(address).await.unwrap();
        let mut closed = false;
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            closed |= drip.write_all(b"G").await.is_err();
        }
        assert!(closed, "a dripping head is still waited for");
    }

    #[tokio::test]
    async fn a_flood_of_headers_is_refused() {
        let (address, _stop, _ended) = server(brief(8)).await;
        let flood = |count: usize, bytes: usize| {
            let line = format!("x-a: {}\r\n", "a".repeat(bytes));
            format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", line.repeat(count))
        };
        for (count, bytes) in [(101, 1), (50, 20_000), (1, 1 << 20)] {
            let answer = said(address, &flood(count, bytes)).await;
            // Or the connection is reset: more came than anybody read.
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
                "{answer}"
            );
        }
        assert!(
            said(address, &flood(90, 1))
                .await
                .starts_with("HTTP/1.1 200")
        );
    }

    #[tokio::test]
    async fn what_clients_do_wrong_is_counted_and_what_they_may_do_is_not() {
        let faults = Arc::new(Faults::default());
        let patience = Patience {
            reader: BRIEF,
            ..brief(8)
        };
        let (address, _stop, _ended) = counted(patience, Arc::clone(&faults)).await;
        let counts = || Fault::ALL.map(|fault| faults.counted(fault));
        // Answered, idle until it is closed, and gone: nobody's fault.
        said(address, &ASKED.replace("{}", "")).await;
        said(address, "").await;
        drop(TcpStream::connect(address).await.unwrap());
        assert_eq!(counts(), [0; 4]);
        said(address, "GET / HTTP/1.1\r\nx: ").await;
        // The second head of a connection, after an answer.
        let mut second = deaf(address, "").await;
        second.read_exact(&mut [0; 12]).await.unwrap();
        second.write_all(b"GET /").await.unwrap();
        let _ = second.read_to_end(&mut Vec::new()).await;
        let flood = "x: y\r\n".repeat(200);
        said(address, &format!("GET / HTTP/1.1\r\n{flood}\r\n")).await;
        said(address, "\u{16}\u{3}\u{1} is no HTTP\r\n\r\n").await;
        let _deaf = deaf(address, "endless").await;
        // A connection is counted when it is over, which its client sees first.
        let all = async {
            while counts() != [1, 2, 1, 1] {
                tokio::time::sleep(BRIEF / 10).await;
            }
        };
        let seen = tokio::time::timeout(LONG, all).await;
        assert!(seen.is_ok(), "{:?}", counts());
    }

    #[tokio::test]
    async fn one_too_many_waits_for_its_place() {
        let (address, _stop, _ended) = server(brief(2)).await;
        let idle = [
            TcpStream::connect(address).await,
            TcpStream::connect(address).await,
        ];
        assert!(
            said(address, &ASKED.replace("{}", ""))
                .await
                .starts_with("HTTP/1.1 200")
        );
        drop(idle);
    }

    #[tokio::test]
    async fn a_stop_waits_for_answers_and_not_for_idle_connections() {
        let (address, stop, ended) = server(Patience::usual(LONG)).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let asked = ASKED.replace("{}", "slow");
        stream.write_all(asked.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(stop);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        ended.await;
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err());
    }

    /// Clients that ask for this and take nothing of it.
    async fn deaf(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let asked = ASKED.replace("{}", path);
        stream.write_all(asked.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_loses_its_connection() {
        let patience = Patience {
            reader: BRIEF,
            most: 1,
            ..Patience::usual(LONG)
        };
        let (address, _stop, _ended) = server(patience).await;
        let mut deaf = deaf(address, "endless").await;
        // It holds the only place, until it is given up.
        let next = tokio::time::timeout(LONG, said_once(address)).await;
        assert!(next.unwrap().starts_with("HTTP/1.1 200"));
        // What had been on its way, and no clean end.
        let mut seen = Vec::new();
        let read = tokio::time::timeout(LONG, deaf.read_to_end(&mut seen)).await;
        let _ = read.expect("the connection is closed");
        assert!(!seen.ends_with(b"0\r\n\r\n"));
    }

    /// A request that wants no other after it.
    async fn said_once(address: SocketAddr) -> String {
        said(
            address,
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        )
        .await
    }

    #[tokio::test]
    async fn a_stop_ends_within_its_grace_whatever_clients_do() {
        let patience = Patience {
            grace: BRIEF,
            ..Patience::usual(LONG)
        };
        let (address, stop, ended) = server(patience).await;
        let clients = [deaf(address, "endless").await, deaf(address, "never").await];
        let mut sips = deaf(address, "endless").await;
        let sipping = tokio::spawn(async move {
            let mut byte = [0];
            while sips.read(&mut byte).await.is_ok_and(|count| count > 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(stop);
        let ended = tokio::time::timeout(LONG, ended).await;
        assert!(ended.is_ok(), "a client holds up the stop");
        sipping.abort();
        drop(clients);
    }
}
