//! A syslog receiver of the demo's own: RFC 6587 octet counting over TCP.

use anyhow::Context;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No message of ours is longer.
const MAX_OCTETS: usize = 65_536;

#[derive(Default)]
struct Shelf {
    messages: Mutex<Vec<String>>,
    grown: Condvar,
}

pub struct Receiver {
    address: SocketAddr,
    shelf: Arc<Shelf>,
}

impl Receiver {
    pub fn start() -> anyhow::Result<Receiver> {
        let listener =
            TcpListener::bind("127.0.0.1:0").context("the syslog receiver has no port")?;
        let address = listener.local_addr()?;
        let shelf: Arc<Shelf> = Arc::default();
        let theirs = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&theirs);
                std::thread::spawn(move || receive(stream, &shelf));
            }
        });
        Ok(Receiver { address, shelf })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits until so many messages have come. Gives those that are there.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        let mut messages = self
            .shelf
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while messages.len() < count {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                break;
            };
            let waited = self.shelf.grown.wait_timeout(messages, left);
            messages = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        messages.clone()
    }
}

/// Reads messages until the sender leaves or says something that is no frame.
fn receive(stream: TcpStream, shelf: &Shelf) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = Vec::new();
        let digits = reader.by_ref().take(8).read_until(b' ', &mut length);
        let length = String::from_utf8_lossy(&length).trim_end().parse();
        let (Ok(_), Ok(length)) = (digits, length) else {
            return;
        };
        if !(1..=MAX_OCTETS).contains(&length) {
            return;
        }
        let mut message = vec![0; length];
        if reader.read_exact(&mut message).is_err() {
            return;
        }
        let mut messages = shelf
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        messages.push(String::from_utf8_lossy(&message).into_owned());
        shelf.grown.notify_all();
    }
}
