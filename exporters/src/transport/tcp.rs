//! A socket that is never silently dead, and plain TCP on it.

use super::{CONNECT_TIMEOUT, PEER_TIMEOUT, Peer, TICK, TransportError, Wire};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A connected socket whose writes return every [`TICK`], so that a receiver that takes
/// nothing can neither hold up a stop nor hide that it has gone.
pub(super) struct Socket {
    pub stream: TcpStream,
    /// As errors show it.
    pub to: String,
    /// How long connecting took: about one round trip.
    pub round_trip: Duration,
    stop: Arc<AtomicBool>,
}

impl Socket {
    pub fn dial(route: &Peer, stop: &Arc<AtomicBool>) -> Result<Socket, TransportError> {
        let to = match route.host.contains(':') {
            true => format!("[{}]:{}", route.host, route.port),
            false => format!("{}:{}", route.host, route.port),
        };
        let unresolved = |reason: String| TransportError::Unresolved {
            to: to.clone(),
            reason,
        };
        let addresses: Vec<_> = (route.host.as_str(), route.port)
            .to_socket_addrs()
            .map_err(|e| unresolved(e.to_string()))?
            .collect();
        let mut last = None;
        for address in addresses {
            if stop.load(Ordering::Relaxed) {
                return Err(TransportError::Stopped);
            }
            let began = Instant::now();
            let opened = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT);
            match opened.and_then(|stream| prepared(stream).map(|stream| (stream, began.elapsed())))
            {
                Ok((stream, round_trip)) => {
                    return Ok(Socket {
                        stream,
                        to,
                        round_trip,
                        stop: Arc::clone(stop),
                    });
                }
                Err(source) => last = Some(source),
            }
        }
        match last {
            Some(source) => Err(TransportError::Unreachable { to, source }),
            None => Err(unresolved("no address".to_owned())),
        }
    }

    pub fn stopped(&self) -> Result<(), TransportError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(TransportError::Stopped),
            false => Ok(()),
        }
    }

    pub fn broken(&self, source: io::Error) -> TransportError {
        let to = self.to.clone();
        match source.kind() {
            ErrorKind::UnexpectedEof => TransportError::Closed { to },
            // It has taken nothing for so long, or is gone without a word.
            ErrorKind::TimedOut => TransportError::Unanswered {
                to,
                seconds: PEER_TIMEOUT.as_secs(),
            },
            _ => TransportError::Broken { to, source },
        }
    }

    fn read_now(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, TransportError> {
        self.stream
            .set_nonblocking(true)
            .map_err(|e| self.broken(e))?;
        let read = self.stream.read(buffer);
        self.stream
            .set_nonblocking(false)
            .map_err(|e| self.broken(e))?;
        match read {
            Ok(0) => Err(TransportError::Closed {
                to: self.to.clone(),
            }),
            Ok(n) => Ok(Some(n)),
            Err(e) if is_pause(&e) => Ok(None),
            Err(e) => Err(self.broken(e)),
        }
    }

    /// Reads what comes within `patience`, or only what is there already.
    pub fn read(
        &mut self,
        patience: Option<Duration>,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, TransportError> {
        self.acknowledge_at_once();
        match patience {
            Some(patience) => self.read_within(patience, buffer),
            None => self.read_now(buffer),
        }
    }

    /// A receiver that answers each message by a small write of its own is held up 40 ms at a
    /// time by Nagle's algorithm while this side delays its acknowledgements. The option does
    /// not last, so it is set again before every read; where there is none, answers are slow.
    fn acknowledge_at_once(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
    }

    /// `patience` is cut to 1 ms at least.
    fn read_within(
        &mut self,
        patience: Duration,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, TransportError> {
        let patience = patience.max(Duration::from_millis(1));
        self.stream
            .set_read_timeout(Some(patience))
            .map_err(|e| self.broken(e))?;
        match self.stream.read(buffer) {
            Ok(0) => Err(TransportError::Closed {
                to: self.to.clone(),
            }),
            Ok(n) => Ok(Some(n)),
            Err(e) if is_pause(&e) => Ok(None),
            Err(e) => Err(self.broken(e)),
        }
    }
}

/// Whether a call came back for want of something to do, not for a fault. What Windows says of a
/// call that waited in vain says on Unix that the connection is given up.
pub(super) fn is_pause(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => true,
        ErrorKind::TimedOut => cfg!(windows),
        _ => false,
    }
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(TICK))?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(PEER_TIMEOUT)
            .with_interval(PEER_TIMEOUT / 3),
    )?;
    // Keepalive is silent while bytes wait for their acknowledgement; this is not. It also
    // ends a connection whose receiver has taken nothing for that long: it is tried anew.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(PEER_TIMEOUT))?;
    Ok(stream)
}

/// Plain TCP.
pub(super) struct Tcp {
    socket: Socket,
    heard: Vec<u8>,
}

impl Tcp {
    pub fn new(socket: Socket) -> Tcp {
        let heard = Vec::new();
        Tcp { socket, heard }
    }
}

impl Wire for Tcp {
    fn to(&self) -> &str {
        &self.socket.to
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.hear(None)?;
            match self.socket.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if is_pause(&e) => self.socket.stopped()?,
                Err(e) => return Err(self.socket.broken(e)),
            }
        }
        Ok(())
    }

    fn hear(&mut self, patience: Option<Duration>) -> Result<(), TransportError> {
        let mut buffer = [0; 4_096];
        if let Some(read) = self.socket.read(patience, &mut buffer)? {
            self.heard.extend_from_slice(&buffer[..read]);
        }
        Ok(())
    }

    fn heard(&mut self) -> &mut Vec<u8> {
        &mut self.heard
    }

    fn close(&mut self) {
        // The receiver reads to the end and sees a whole stream. If it is gone, so be it.
        let _ = self.socket.stream.shutdown(Shutdown::Write);
    }
}
