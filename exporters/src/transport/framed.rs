//! Messages with their length before them (RFC 6587 §3.4.1, RFC 5425 §4.3):
//!
//! ```text
//! MSG-LEN SP SYSLOG-MSG MSG-LEN SP SYSLOG-MSG …
//! ```
//! The receiver never says a word.

use super::{Connection, TransportError, Wire};
use std::time::Duration;

pub(super) struct Framed {
    wire: Box<dyn Wire>,
}

impl Framed {
    pub fn new(wire: Box<dyn Wire>) -> Framed {
        Framed { wire }
    }
}

impl Connection for Framed {
    /// The length is that of the message as it is sent.
    fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(message.len().to_string().as_bytes());
        out.push(b' ');
        out.extend_from_slice(message);
    }

    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError> {
        self.listen()?;
        self.wire.write(frames)
    }

    fn listen(&mut self) -> Result<(), TransportError> {
        self.hear(None)
    }

    fn linger(&mut self, patience: Duration) -> Result<(), TransportError> {
        self.hear(Some(patience))
    }

    fn batch(&self) -> usize {
        usize::MAX
    }

    fn answered(&self) -> Option<u64> {
        None
    }

    fn close(&mut self) {
        self.wire.close();
    }
}

impl Framed {
    fn hear(&mut self, patience: Option<Duration>) -> Result<(), TransportError> {
        self.wire.hear(patience)?;
        match self.wire.heard().len() {
            0 => Ok(()),
            bytes => Err(TransportError::Spoke {
                to: self.wire.to().to_owned(),
                bytes,
            }),
        }
    }
}
