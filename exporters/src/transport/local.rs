//! The syslog of this host, by its socket: one message a datagram, and no answer.
//!
//! What a receiver has not read is lost when it dies, as with plain TCP, and is sent again the
//! same way; that it has gone shows at the next message.

use super::{Connection, Local, PEER_TIMEOUT, TICK, TransportError};
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use syslog::{Logger, LoggerBackend};

pub(super) struct Socket {
    backend: LoggerBackend,
    /// As errors show it.
    to: String,
    stop: Arc<AtomicBool>,
}

impl Socket {
    pub fn open(local: &Local, stop: &Arc<AtomicBool>) -> Result<Socket, TransportError> {
        let to = local.socket.display().to_string();
        let opened = syslog::unix_custom((), &local.socket);
        let Logger { backend, .. } = opened.map_err(|error| TransportError::NoSyslog {
            to: to.clone(),
            reason: error.to_string(),
        })?;
        // A receiver that takes nothing must not hold up a stop.
        let set = match &backend {
            LoggerBackend::Unix(socket) => socket.set_write_timeout(Some(TICK)),
            LoggerBackend::UnixStream(socket) => socket.get_ref().set_write_timeout(Some(TICK)),
            _ => Ok(()),
        };
        let stop = Arc::clone(stop);
        let mut socket = Socket { backend, to, stop };
        set.map_err(|source| socket.broken(source))?;
        socket.listen()?;
        Ok(socket)
    }

    fn broken(&self, source: io::Error) -> TransportError {
        let to = self.to.clone();
        TransportError::Broken { to, source }
    }

    fn say(&mut self, message: &[u8]) -> Result<(), TransportError> {
        let since = Instant::now();
        loop {
            self.listen()?;
            match self.backend.write(message) {
                Ok(said) if said == message.len() => return Ok(()),
                Ok(_) => return Err(self.broken(ErrorKind::WriteZero.into())),
                Err(error) if is_pause(&error) && since.elapsed() < PEER_TIMEOUT => {}
                Err(error) if is_pause(&error) => {
                    return Err(TransportError::Unanswered {
                        to: self.to.clone(),
                        seconds: PEER_TIMEOUT.as_secs(),
                    });
                }
                Err(error) => return Err(self.broken(error)),
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// A message's length stands before it on its way to [`Connection::send`], and stays here.
const LENGTH: usize = 4;

impl Connection for Socket {
    fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        // The format's messages are far shorter than 4 GiB.
        out.extend_from_slice(&(message.len() as u32).to_le_bytes());
        out.extend_from_slice(message);
    }

    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError> {
        let mut rest = frames;
        while let Some((length, behind)) = rest.split_first_chunk::<LENGTH>() {
            let length = u32::from_le_bytes(*length) as usize;
            let (message, next) = behind.split_at(length.min(behind.len()));
            self.say(message)?;
            rest = next;
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), TransportError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(TransportError::Stopped),
            false => Ok(()),
        }
    }

    fn batch(&self) -> usize {
        64
    }

    fn answered(&self) -> Option<u64> {
        None
    }

    fn close(&mut self) {}
}
