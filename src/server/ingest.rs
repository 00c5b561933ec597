//! Listeners for other systems' logs: syslog over TCP (RFC 6587) and TLS (RFC 5425), or lines of
//! any form.
//!
//! ```text
//! connections, a thread each ─▶ queue ─▶ one collector ─▶ log.ingested: 1 MiB, or what came in a second
//! ```
//! Where the ledger is slow the queue is full, connections are not read, and senders wait. Plain
//! syslog has no answers, so a sender takes for delivered what the system has taken from it: what
//! stands in socket buffers, the queue and the open batch is lost with the process. A stop that is
//! asked for closes the listeners first and records what has been read; a sender that does not pause
//! is cut off, and what the ledger refuses then is gone.
//!
//! | a sender that | gets |
//! |---|---|
//! | says nothing, or little | its connection stays open; what it began waits in memory, 128 KiB at most |
//! | never ends a line | pieces of it are recorded |
//! | does not finish its TLS handshake | closed after [`PATIENCE`] |
//! | is one too many | waits in the system's queue until another has gone |
//! | goes in the middle of a message | what came of it is recorded, as a piece |

use super::Node;
use crate::config::{IngestConfig, IngestTls};
use crate::outcome::Failure;
use agents::ingest::{Batch, Frames, Source};
use anyhow::{Context, bail};
use ledger::Appender;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// How long a thread may not notice that it should stop, or that somebody wants to be heard.
const TICK: Duration = Duration::from_millis(200);

/// For a TLS handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a stop, for what has arrived and was not read.
const LAST_READS: Duration = Duration::from_secs(2);

/// A batch that is not full is recorded when it is this old.
const FLUSH: Duration = Duration::from_secs(1);

/// Between two attempts to record a batch.
const RETRY: Duration = Duration::from_secs(1);

/// Connections of one source. Each holds what is read at once, and a message that has not ended:
/// some 160 MiB where all of them send nothing but beginnings of the longest.
const MOST: usize = 512;

/// What is read at once, and what waits for the collector: of so many reads.
const READ_BYTES: usize = 64 << 10;
const QUEUE: usize = 32;

/// Says whether a word must not stand in the log.
pub type IsPrivate<'a> = dyn Fn(&str) -> bool + Sync + 'a;

/// One source that is listened for.
pub struct Listener {
    source: Source,
    /// Taken by whoever runs it, and closed with it.
    socket: Mutex<Option<TcpListener>>,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    pub status: Status,
}

/// What operators see.
#[derive(Default)]
pub struct Status {
    /// Recorded, and so durable.
    pub lines: AtomicU64,
    pub bytes: AtomicU64,
    pub connections: AtomicUsize,
    /// The newest batch waits because the ledger could not take it.
    pub waits: AtomicBool,
}

impl Listener {
    /// `None` where nothing is to be listened for.
    pub fn bind(config: &IngestConfig, data: &Path) -> Result<Option<Listener>, Failure> {
        let Some(listen) = &config.listen else {
            return Ok(None);
        };
        let name = &config.source.name;
        let help = || format!("correct [[ingest]] {name} in daicho.toml");
        let tls = tls_of(config, data).map_err(|error| Failure::new(error, help()))?;
        let socket = TcpListener::bind(listen)
            .with_context(|| format!("{listen} cannot be listened on for {name}"))
            .map_err(|error| Failure::new(error, help()))?;
        Ok(Some(Listener::new(config.source.clone(), socket, tls)?))
    }

    pub fn new(
        source: Source,
        socket: TcpListener,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Listener, Failure> {
        let address = socket.local_addr().context("a listener has no address")?;
        Ok(Listener {
            source,
            socket: Mutex::new(Some(socket)),
            address,
            tls,
            status: Status::default(),
        })
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Records what comes until it is told to stop, or the ledger takes no more.
    pub fn run(&self, appender: &Appender, is_private: &IsPrivate<'_>, stop: &AtomicBool) {
        let socket = self
            .socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(socket) = socket else { return };
        let (sender, receiver) = sync_channel(QUEUE);
        let over = AtomicBool::new(false);
        let ends = Ends { stop, over: &over };
        std::thread::scope(|scope| {
            scope.spawn(move || self.accept(scope, socket, sender, ends));
            self.collect(&receiver, appender, is_private, stop);
            over.store(true, Relaxed);
            // Whoever waits for room in the queue has nothing to wait for.
            drop(receiver);
        });
    }

    fn accept<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        socket: TcpListener,
        queue: SyncSender<Batch>,
        ends: Ends<'scope>,
    ) {
        let name = &self.source.name;
        if let Err(error) = socket.set_nonblocking(true) {
            tracing::error!(%name, %error, "nothing is listened for");
            return;
        }
        let mut asked = None;
        loop {
            if ends.asked() {
                let asked = asked.get_or_insert_with(Instant::now);
                if ends.over.load(Relaxed) || asked.elapsed() >= LAST_READS {
                    return;
                }
            }
            let full = self.status.connections.load(Relaxed) >= MOST;
            let accepted = if full { None } else { Some(socket.accept()) };
            match accepted {
                Some(Ok((stream, _))) => {
                    self.status.connections.fetch_add(1, Relaxed);
                    let queue = queue.clone();
                    let hear = move || {
                        if let Err(error) = self.hear(stream, &queue, ends) {
                            // Who it was is personal data at times, and the system's to tell.
                            tracing::debug!(%name, %error, "a connection has ended");
                        }
                        self.status.connections.fetch_sub(1, Relaxed);
                    };
                    let thread = std::thread::Builder::new().name(format!("ingest-{name}"));
                    if let Err(error) = thread.spawn_scoped(scope, hear) {
                        self.status.connections.fetch_sub(1, Relaxed);
                        tracing::error!(%name, %error, "no connection can be taken");
                    }
                }
                Some(Err(error)) if !is_pause(&error) && !is_of_the_sender(&error) => {
                    tracing::error!(%name, %error, "no connection can be taken");
                    std::thread::sleep(RETRY);
                }
                Some(Err(error)) if is_of_the_sender(&error) => {}
                // Whoever had connected before the stop is heard: `logger` is gone by then.
                _ if asked.is_some() => return,
                _ => std::thread::sleep(TICK),
            }
        }
    }

    /// Reads one connection to its end.
    fn hear(&self, stream: TcpStream, queue: &SyncSender<Batch>, ends: Ends<'_>) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // A host that was switched off says no goodbye.
        let alive = TcpKeepalive::new().with_time(Duration::from_secs(60));
        SockRef::from(&stream).set_tcp_keepalive(&alive)?;
        let wire = Wire {
            stream,
            ends,
            asked: None,
            until: self.tls.as_ref().map(|_| Instant::now() + PATIENCE),
        };
        match &self.tls {
            None => self.read(wire, |wire, buffer| wire.read(buffer), queue, ends),
            Some(tls) => {
                let session = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
                let read = |tls: &mut StreamOwned<ServerConnection, Wire>, buffer: &mut [u8]| {
                    let read = tls.read(buffer);
                    if !tls.conn.is_handshaking() {
                        tls.sock.until = None;
                    }
                    read
                };
                self.read(StreamOwned::new(session, wire), read, queue, ends)
            }
        }
    }

    fn read<W>(
        &self,
        mut wire: W,
        read: impl Fn(&mut W, &mut [u8]) -> io::Result<usize>,
        queue: &SyncSender<Batch>,
        ends: Ends<'_>,
    ) -> io::Result<()> {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; READ_BYTES]);
        let zone = self.source.zone;
        let ended = loop {
            match read(&mut wire, &mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    let (mut batch, now) = (Batch::default(), now());
                    let take = |message: agents::ingest::Message<'_>| {
                        batch.take(&message, now, zone);
                    };
                    frames.push(&buffer[..count], take);
                    if !batch.is_empty() && queue.send(batch).is_err() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing has come for a while: then all that had come is read.
                Err(error) if is_pause(&error) && ends.asked() => break Ok(()),
                Err(error) if is_pause(&error) => {}
                Err(error) => break Err(error),
            }
        };
        let mut batch = Batch::default();
        frames.end(|message| batch.take(&message, now(), zone));
        if !batch.is_empty() {
            let _ = queue.send(batch);
        }
        ended
    }

    fn collect(
        &self,
        queue: &Receiver<Batch>,
        appender: &Appender,
        is_private: &IsPrivate<'_>,
        stop: &AtomicBool,
    ) {
        let (mut batch, mut due) = (Batch::default(), None::<Instant>);
        loop {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            let ended = match queue.recv_timeout(left.unwrap_or(FLUSH)) {
                Ok(more) => {
                    batch.append(more);
                    due.get_or_insert_with(|| Instant::now() + FLUSH);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            let is_due = due.is_some_and(|due| due <= Instant::now());
            if (ended || is_due || batch.is_full()) && !batch.is_empty() {
                due = None;
                let full = std::mem::take(&mut batch);
                if !self.record(full, appender, is_private, stop) {
                    return;
                }
            }
            if ended {
                return;
            }
        }
    }

    /// Tries until it is recorded. False where it never will be.
    fn record(
        &self,
        batch: Batch,
        appender: &Appender,
        is_private: &IsPrivate<'_>,
        stop: &AtomicBool,
    ) -> bool {
        let (name, lines, bytes) = (&self.source.name, batch.lines(), batch.len_bytes());
        let submission = batch.into_submission(&self.source, appender.new_id(), is_private);
        loop {
            let error = match appender.append(vec![submission.clone()]) {
                Ok(_) => {
                    self.status.lines.fetch_add(lines, Relaxed);
                    self.status.bytes.fetch_add(bytes, Relaxed);
                    self.status.waits.store(false, Relaxed);
                    return true;
                }
                Err(error) => error,
            };
            if appender.stopped().is_some() || !error.is_retryable() || stop.load(Relaxed) {
                tracing::error!(%name, lines, %error, "not recorded, and their senders are not told");
                return false;
            }
            if !self.status.waits.swap(true, Relaxed) {
                tracing::error!(%name, lines, %error, "not recorded yet: nothing more is read");
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// Why a connection is not read on.
#[derive(Clone, Copy)]
struct Ends<'a> {
    stop: &'a AtomicBool,
    /// Nobody takes what is read.
    over: &'a AtomicBool,
}

impl Ends<'_> {
    fn asked(&self) -> bool {
        self.stop.load(Relaxed) || self.over.load(Relaxed)
    }
}

/// A connection with an end: also below a TLS session, whose handshake a sender could draw out.
struct Wire<'a> {
    stream: TcpStream,
    ends: Ends<'a>,
    asked: Option<Instant>,
    /// Of the handshake.
    until: Option<Instant>,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = Instant::now();
        if self.ends.asked() && now >= *self.asked.get_or_insert(now) + LAST_READS {
            return Err(io::Error::new(
                ErrorKind::ConnectionAborted,
                "the listener stops",
            ));
        }
        if self.until.is_some_and(|until| now >= until) {
            let late = "its TLS handshake took too long";
            return Err(io::Error::new(ErrorKind::ConnectionAborted, late));
        }
        self.stream.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_of_the_sender(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// What times without a year are near to.
fn now() -> schemas::Timestamp {
    use ledger::clock::Clock;
    ledger::clock::SystemClock.now()
}

/// Runs every listener of a server until it stops.
pub fn run(node: &Node, stop: &AtomicBool) {
    let is_private = |text: &str| node.guard.rule(text).is_some();
    std::thread::scope(|scope| {
        for listener in node.listeners.iter() {
            scope.spawn(|| listener.run(&node.appender, &is_private, stop));
        }
    });
}

/// Would a start find what this source's TLS needs?
pub fn check(config: &IngestConfig, data: &Path) -> anyhow::Result<()> {
    tls_of(config, data).map(drop)
}

fn tls_of(config: &IngestConfig, data: &Path) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let tls = config.tls.as_ref();
    tls.map(|tls| server_config(tls, data)).transpose()
}

fn server_config(tls: &IngestTls, data: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&data.join(file))? {
                roots.add(certificate)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key_file = data.join(&tls.key_file);
    let key = PrivateKeyDer::from_pem_file(&key_file)
        .with_context(|| format!("{} holds no private key in PEM", key_file.display()))?;
    let chain = certificates(&data.join(&tls.certificate_file))?;
    let config = builder
        .with_single_cert(chain, key)
        .with_context(|| format!("{} is no key of its certificate", key_file.display()))?;
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.with_context(|| format!("{} cannot be read", file.display()))?;
    if found.is_empty() {
        bail!("{} holds no certificate in PEM", file.display());
    }
    Ok(found)
}
