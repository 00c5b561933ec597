//! Ways to a receiver: what is said (RELP, or frames with a length before them, RFC 6587) over
//! what carries it (TCP, or TLS, RFC 5425).
//!
//! RELP answers every message. Frames alone have no acknowledgement: that bytes were written
//! says that this machine's kernel has them, nothing more. A receiver that is killed has lost
//! what was in its and our socket buffers although every write succeeded. What follows from
//! that (a window that is sent again after every break) is [`crate::forward`]'s business; here
//! a break is noticed as early as it can be: what a receiver says is read before every write.
//!
//! A file on this machine is another way: what is in it and synced is there. So is a request
//! over HTTP, whose answer covers all messages in it. The host's own syslog takes datagrams from
//! its socket, and answers as little as plain frames do.
//!
//! There is no UDP, which loses without telling anyone, and no framing by line ends, which
//! is one unescaped line feed away from a forged message.

mod file;
mod framed;
mod http;
#[cfg(unix)]
mod local;
mod relp;
mod tcp;
mod tls;

pub use http::{Collector, Endpoint, Url};
pub use tls::{Fingerprint, Names, SelfSigned, names, self_signed};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How the messages get to where they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Peer(Peer),
    Files(Files),
    Endpoint(Endpoint),
    Local(Local),
}

/// The syslog of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Whose it is, somebody has to say: what lies at /dev/log may drop what is over its rate.
    pub socket: PathBuf,
}

/// Where a receiver is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
    /// `None` is plain TCP: for a receiver on this machine or behind a tunnel.
    pub tls: Option<Tls>,
    pub protocol: Protocol,
}

/// Files that someone else reads and takes away: one message a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub directory: PathBuf,
    /// With which their names begin: the destination's.
    pub prefix: String,
    /// The next file begins before one grows beyond this.
    pub max_bytes: u64,
}

/// What is said to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Messages with their length before them, and no answer.
    Framed,
    /// At most `window` messages are without their answer.
    Relp { window: usize },
}

/// How both ends of a TLS connection are known. Files are read anew at every connect, so
/// that a renewed certificate needs no restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM file of the authorities that may vouch for the receiver; the public ones if absent.
    pub authority: Option<PathBuf>,
    /// The name in the receiver's certificate, where it is not the host's.
    pub server_name: Option<String>,
    /// The one certificate that the receiver may show: then neither authority nor name is asked.
    pub fingerprint: Option<Fingerprint>,
    /// PEM files of our own certificate chain and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What a receiver shows to hold already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The entry after the last that is there.
    pub position: u64,
    /// The last message, which has to be the log's.
    pub last: Vec<u8>,
}

/// One connection, used by one thread.
pub trait Connection: Send {
    /// What is there already, where that can be seen.
    fn held(&self) -> Option<Held> {
        None
    }

    /// The next message is that of the entry at `position`. Called once, before any other.
    fn begin(&mut self, _position: u64) -> Result<(), TransportError> {
        Ok(())
    }

    /// Appends a message in this protocol's frame, which is sent next.
    fn frame(&mut self, message: &[u8], out: &mut Vec<u8>);

    /// Hands framed messages to the kernel, as soon as the receiver has room for them. `Ok`
    /// promises no more than that.
    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError>;

    /// Takes in what the receiver has said. Fails if it has closed the connection or said what
    /// the protocol has no place for.
    fn listen(&mut self) -> Result<(), TransportError>;

    /// The same, for as long as it has `patience` at least: time to hang up on what was sent.
    fn linger(&mut self, _patience: Duration) -> Result<(), TransportError> {
        self.listen()
    }

    /// How many messages at most are worth framing for one `send`.
    fn batch(&self) -> usize;

    /// After how many bytes they are sent.
    fn batch_bytes(&self) -> usize {
        64 << 10
    }

    /// How many of this connection's messages the receiver has answered for, from the first
    /// on without a hole; `None` where the protocol has no answers. Holds after a fault too.
    fn answered(&self) -> Option<u64>;

    /// Whether a fault of this connection says something about the first message that is not
    /// answered for, rather than about the receiver.
    fn blames(&self, _fault: &TransportError) -> bool {
        self.answered().is_some()
    }

    /// What the receiver said to a message, where it answers.
    fn answer(&self) -> Option<String> {
        None
    }

    /// Takes leave as the protocol wants it. What was sent and not answered may still be lost.
    fn close(&mut self);
}

/// What carries bytes, in order and both ways.
trait Wire: Send {
    /// The receiver, as errors show it.
    fn to(&self) -> &str;

    /// Hands bytes to the kernel and takes in what the receiver says meanwhile.
    fn write(&mut self, bytes: &[u8]) -> Result<(), TransportError>;

    /// Takes in what the receiver says within `patience`, or has said already. What came
    /// before a fault is in [`Wire::heard`] all the same.
    fn hear(&mut self, patience: Option<Duration>) -> Result<(), TransportError>;

    /// What was taken in, for the protocol to drain.
    fn heard(&mut self) -> &mut Vec<u8>;

    fn close(&mut self);
}

/// Why there is no connection, or no longer one. All of it may pass, so all of it is tried
/// again; the message is for whoever can help.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("{to}: the name leads to no address ({reason}); check host and the name service")]
    Unresolved { to: String, reason: String },
    #[error("{to}: no connection; check that the receiver runs and that no firewall is in between")]
    Unreachable { to: String, source: std::io::Error },
    #[error("{to}: the connection broke")]
    Broken { to: String, source: std::io::Error },
    #[error("{to}: the receiver closed the connection")]
    Closed { to: String },
    #[error(
        "{to}: something answered with {bytes} bytes, which a syslog receiver never does; check host and port"
    )]
    Spoke { to: String, bytes: usize },
    #[error("{path}: {what} cannot be read ({reason})", path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error(
        "{0:?} is no host name or address that a certificate can be checked for; set server_name"
    )]
    ServerName(String),
    #[error(
        "{to}: the receiver's certificate is not accepted for {name} ({reason}); check ca_file and server_name, or server_fingerprint"
    )]
    Untrusted {
        to: String,
        name: String,
        reason: String,
    },
    #[error(
        "{to}: the receiver ended TLS ({reason}); check the client certificate and what the receiver permits"
    )]
    Refused { to: String, reason: String },
    #[error("{to}: TLS failed ({reason}); check that this port speaks TLS")]
    Handshake { to: String, reason: String },
    #[error("{to}: no answer to the TLS handshake within {seconds} s")]
    Silent { to: String, seconds: u64 },
    #[error("{to}: this is no RELP receiver ({reason}); check host, port and transport")]
    NotRelp { to: String, reason: String },
    #[error("{to}: the receiver refuses with {answer:?}; its own log says why")]
    Rejected { to: String, answer: String },
    #[error("{to}: no answer for {seconds} s; check that the receiver is not stuck")]
    Unanswered { to: String, seconds: u64 },
    #[error("{path}: cannot be written; check the place, its owner and its free space", path = path.display())]
    Disk {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: was taken away while it was written; what was not on the disk before is written again", path = path.display())]
    Taken { path: PathBuf },
    #[error("{to}: the receiver takes this entry never ({answer}); its own log says why")]
    Unfit {
        to: String,
        too_large: bool,
        answer: String,
    },
    #[error("{to}: the receiver lets nobody in with this token ({answer}); check token_file")]
    Forbidden { to: String, answer: String },
    #[error("{to}: the receiver is busy ({answer})")]
    Busy {
        to: String,
        answer: String,
        retry_after: Option<std::time::Duration>,
    },
    #[error("{to}: no answer of such an endpoint ({reason}); check url and transport")]
    NotHttp { to: String, reason: String },
    #[error("{to}: no syslog socket ({reason}); check that a syslog service runs there")]
    NoSyslog { to: String, reason: String },
    /// The forwarder is being stopped; no fault.
    #[error("stopped")]
    Stopped,
}

impl TransportError {
    /// One word for what went wrong, to count by.
    pub fn word(&self) -> &'static str {
        match self {
            TransportError::Unresolved { .. } => "unresolved",
            TransportError::Unreachable { .. } => "unreachable",
            TransportError::Broken { .. } => "broken",
            TransportError::Closed { .. } => "closed",
            TransportError::Spoke { .. } => "spoke",
            TransportError::File { .. } => "file",
            TransportError::ServerName(_) => "server_name",
            TransportError::Untrusted { .. } => "untrusted",
            TransportError::Refused { .. } => "refused",
            TransportError::Handshake { .. } => "handshake",
            TransportError::Silent { .. } => "silent",
            TransportError::NotRelp { .. } => "not_relp",
            TransportError::Rejected { .. } => "rejected",
            TransportError::Unanswered { .. } => "unanswered",
            TransportError::Disk { .. } => "disk",
            TransportError::Taken { .. } => "taken",
            TransportError::Unfit { .. } => "unfit",
            TransportError::Forbidden { .. } => "forbidden",
            TransportError::Busy { .. } => "busy",
            TransportError::NotHttp { .. } => "not_http",
            TransportError::NoSyslog { .. } => "no_syslog",
            TransportError::Stopped => "stopped",
        }
    }

    /// Whether what was being sent may have arrived before this.
    pub fn comes_late(&self) -> bool {
        matches!(
            self,
            TransportError::Broken { .. }
                | TransportError::Closed { .. }
                | TransportError::Unanswered { .. }
                | TransportError::NotHttp { .. }
                | TransportError::Taken { .. }
        )
    }
}

/// How long a dead peer may go unnoticed. Without it a firewall that forgot the connection
/// costs 15 minutes of retransmissions.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connecting and the handshake may take, each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a blocked call goes without looking at the stop flag.
const TICK: Duration = Duration::from_millis(250);

impl Route {
    /// Opens a connection. `stop` makes this and every later call on it return early; `epoch`
    /// counts the forms that the destination has seen.
    pub fn connect(
        &self,
        stop: &Arc<AtomicBool>,
        epoch: u64,
    ) -> Result<Box<dyn Connection>, TransportError> {
        match self {
            Route::Peer(peer) => peer.connect(stop),
            Route::Files(files) => Ok(Box::new(file::Writer::open(files, epoch)?)),
            Route::Endpoint(endpoint) => Ok(Box::new(http::Http::open(endpoint, stop)?)),
            #[cfg(unix)]
            Route::Local(local) => Ok(Box::new(local::Socket::open(local, stop)?)),
            #[cfg(not(unix))]
            Route::Local(_) => Err(TransportError::NoSyslog {
                to: "this host".to_owned(),
                reason: "this system has none".to_owned(),
            }),
        }
    }

    /// How both ends are known, where that is asked.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Route::Peer(peer) => peer.tls.as_ref(),
            Route::Endpoint(endpoint) => Some(&endpoint.tls),
            Route::Files(_) | Route::Local(_) => None,
        }
    }

    /// The same for a second sender: files that are being written get others beside them.
    pub fn aside(mut self) -> Route {
        if let Route::Files(files) = &mut self {
            // Not the process alone: in a container each run has the same number.
            let run = getrandom::u32().unwrap_or_default();
            files.prefix = format!("{}.again-{}-{run:08x}", files.prefix, std::process::id());
        }
        self
    }

    /// The same, with relative paths under `dir`.
    pub fn under(&self, dir: &Path) -> Route {
        let mut route = self.clone();
        match &mut route {
            Route::Peer(peer) => {
                if let Some(tls) = &mut peer.tls {
                    tls.place_under(dir);
                }
            }
            Route::Files(files) => files.directory = dir.join(&files.directory),
            Route::Local(local) => local.socket = dir.join(&local.socket),
            Route::Endpoint(endpoint) => {
                endpoint.tls.place_under(dir);
                endpoint.token = endpoint.token.as_ref().map(|file| dir.join(file));
            }
        }
        route
    }
}

impl Tls {
    fn place_under(&mut self, dir: &Path) {
        self.authority = self.authority.as_ref().map(|file| dir.join(file));
        let client = self.client.as_ref();
        self.client = client.map(|(chain, key)| (dir.join(chain), dir.join(key)));
    }
}

impl Peer {
    fn connect(&self, stop: &Arc<AtomicBool>) -> Result<Box<dyn Connection>, TransportError> {
        let socket = tcp::Socket::dial(self, stop)?;
        let wire: Box<dyn Wire> = match &self.tls {
            None => Box::new(tcp::Tcp::new(socket)),
            Some(tls) => Box::new(tls::TlsConnection::shake_hands(socket, &self.host, tls)?),
        };
        Ok(match self.protocol {
            Protocol::Framed => Box::new(framed::Framed::new(wire)),
            Protocol::Relp { window } => Box::new(relp::Relp::open(wire, window, stop)?),
        })
    }
}
