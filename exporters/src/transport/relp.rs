//! RELP: syslog in which the receiver answers for every message.
//!
//! ```text
//! FRAME = TXNR SP COMMAND SP DATALEN [SP DATA] LF        DATALEN 0 has neither SP nor DATA
//!
//! > 1 open 82 relp_version=0\nrelp_software=daicho,…\ncommands=syslog
//! < 1 rsp 93 200 OK\nrelp_version=0\nrelp_software=librelp,…\ncommands=syslog
//! > 2 syslog 123 <110>1 …
//! < 2 rsp 6 200 OK
//! > 3 close 0
//! < 3 rsp 0
//! < 0 serverclose 0
//! ```
//! Numbers count the frames of one connection from 1 and begin again after 999999999; number
//! 0 is a hint that wants no answer. A receiver that goes in peace hints `serverclose`. What
//! has no answer when a connection ends is sent again on the next.
//!
//! **What an answer says:** that the message is in the receiver's queue. Not that it is whole
//! (a receiver may cut it and still say 200), nor that it is on a disk: `len`, `sha` and the
//! checkpoints among the messages show that.

mod frame;

use super::{CONNECT_TIMEOUT, Connection, TICK, TransportError, Wire};
use frame::Frame;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LAST_NUMBER: u32 = 999_999_999;

/// How long a receiver may hold all answers back before the connection counts as dead: as
/// long as the reference sender waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// How long taking leave may hold up a stop.
const LEAVE: Duration = Duration::from_millis(500);

/// The receiver's answers are shown, not stored.
const MAX_SHOWN_CHARS: usize = 120;

pub(super) struct Relp {
    wire: Box<dyn Wire>,
    stop: Arc<AtomicBool>,
    window: usize,
    /// The number of the next frame.
    next: u32,
    /// One for each message without its place in `answered`, oldest first: is it answered?
    waiting: VecDeque<bool>,
    answered: u64,
    /// The number of our `close`, whose answer is empty.
    leaving: Option<u32>,
    /// What the receiver said to the first message.
    said: String,
    /// The newest answer, or when there began to be something to answer.
    since: Instant,
}

impl Relp {
    pub fn open(
        wire: Box<dyn Wire>,
        window: usize,
        stop: &Arc<AtomicBool>,
    ) -> Result<Relp, TransportError> {
        let mut relp = Relp {
            wire,
            stop: Arc::clone(stop),
            window,
            next: 1,
            waiting: VecDeque::with_capacity(window),
            answered: 0,
            leaving: None,
            said: String::new(),
            since: Instant::now(),
        };
        let offers = concat!(
            "relp_version=0\nrelp_software=daicho,",
            env!("CARGO_PKG_VERSION"),
            "\ncommands=syslog"
        );
        let mut hello = Vec::new();
        relp.put("open", offers.as_bytes(), &mut hello);
        relp.wire.write(&hello)?;
        relp.await_welcome().map_err(|fault| match fault {
            // Who hangs up on the first words may not speak RELP, or not with this client.
            TransportError::Closed { to } => TransportError::NotRelp {
                to,
                reason: "it hung up instead of answering".to_owned(),
            },
            other => other,
        })?;
        Ok(relp)
    }

    fn await_welcome(&mut self) -> Result<(), TransportError> {
        let began = Instant::now();
        loop {
            let heard = self.wire.hear(Some(TICK));
            if let Some(frame) = self.next_frame()? {
                if frame.command == "serverclose" {
                    let to = self.wire.to().to_owned();
                    return Err(TransportError::Closed { to });
                }
                if frame.number != 1 || frame.command != "rsp" {
                    return Err(self.not_relp("its first words answer nothing".to_owned()));
                }
                if !frame.is_ok() {
                    return Err(self.rejected(&frame));
                }
                let offers = String::from_utf8_lossy(&frame.data).into_owned();
                let command = |line: &str| {
                    let mut offered = line.strip_prefix("commands=").unwrap_or("").split(',');
                    offered.any(|command| command == "syslog")
                };
                return match offers.lines().any(command) {
                    true => Ok(()),
                    false => Err(self.not_relp("it does not take syslog".to_owned())),
                };
            }
            heard?;
            self.check_patience(began, CONNECT_TIMEOUT)?;
        }
    }

    fn put(&mut self, command: &str, data: &[u8], out: &mut Vec<u8>) {
        let number = self.next;
        self.next = after(number);
        frame::put(number, command, data, out);
    }

    /// The next whole frame of what was heard.
    fn next_frame(&mut self) -> Result<Option<Frame>, TransportError> {
        match Frame::parse(self.wire.heard()) {
            Ok(None) => Ok(None),
            Ok(Some((frame, octets))) => {
                self.wire.heard().drain(..octets);
                Ok(Some(frame))
            }
            Err(reason) => Err(self.not_relp(reason.to_owned())),
        }
    }

    /// Hears, and gives every answer to its message; answers that came before a fault count.
    fn hear(&mut self, patience: Option<Duration>) -> Result<(), TransportError> {
        let heard = self.wire.hear(patience);
        while let Some(frame) = self.next_frame()? {
            self.take(&frame)?;
        }
        heard
    }

    /// Hears for as long as there are answers.
    fn hear_out(&mut self) -> Result<(), TransportError> {
        loop {
            let before = self.answered;
            self.hear(None)?;
            if self.answered == before {
                return Ok(());
            }
        }
    }

    fn take(&mut self, frame: &Frame) -> Result<(), TransportError> {
        if frame.command == "serverclose" {
            let to = self.wire.to().to_owned();
            return Err(TransportError::Closed { to });
        }
        // Other hints ask for nothing.
        if frame.number == 0 || Some(frame.number) == self.leaving {
            return Ok(());
        }
        let oldest = before(self.next, self.waiting.len());
        let place = distance(oldest, frame.number);
        if self.waiting.get(place) != Some(&false) {
            return Err(self.not_relp(format!("number {} was not waiting", frame.number)));
        }
        if frame.command != "rsp" {
            return Err(self.not_relp("it answers with another command".to_owned()));
        }
        if !frame.is_ok() {
            return Err(self.rejected(frame));
        }
        if self.said.is_empty() {
            self.said = shown(frame);
        }
        self.waiting[place] = true;
        while self.waiting.front() == Some(&true) {
            self.waiting.pop_front();
            self.answered += 1;
            self.since = Instant::now();
        }
        Ok(())
    }

    fn check_patience(&self, since: Instant, patience: Duration) -> Result<(), TransportError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(TransportError::Stopped);
        }
        match since.elapsed() > patience {
            true => Err(TransportError::Unanswered {
                to: self.wire.to().to_owned(),
                seconds: patience.as_secs(),
            }),
            false => Ok(()),
        }
    }

    fn not_relp(&self, reason: String) -> TransportError {
        let to = self.wire.to().to_owned();
        TransportError::NotRelp { to, reason }
    }

    fn rejected(&self, frame: &Frame) -> TransportError {
        TransportError::Rejected {
            to: self.wire.to().to_owned(),
            answer: shown(frame),
        }
    }
}

impl Connection for Relp {
    fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        self.put("syslog", message, out);
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push_back(false);
    }

    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError> {
        self.hear(None)?;
        while self.waiting.len() > self.window {
            self.hear(Some(TICK))?;
            self.check_patience(self.since, ANSWER_TIMEOUT)?;
        }
        self.wire.write(frames).map_err(|fault| {
            // What the receiver said before it broke says more, and each answer counts.
            self.hear_out().err().unwrap_or(fault)
        })
    }

    /// A receiver that is stuck shows here too, however little it was sent.
    fn listen(&mut self) -> Result<(), TransportError> {
        self.hear(None)?;
        match self.waiting.is_empty() {
            true => Ok(()),
            false => self.check_patience(self.since, ANSWER_TIMEOUT),
        }
    }

    /// Half of the window is written while the receiver works on the other. Where it cannot
    /// be told to send answers at once, a frame of ours is what brings the next answer.
    fn batch(&self) -> usize {
        match cfg!(target_os = "linux") {
            true => (self.window / 2).max(1),
            false => 1,
        }
    }

    fn answered(&self) -> Option<u64> {
        Some(self.answered)
    }

    fn answer(&self) -> Option<String> {
        Some(self.said.clone())
    }

    fn close(&mut self) {
        let mut leave = Vec::new();
        frame::put(self.next, "close", b"", &mut leave);
        self.leaving = Some(self.next);
        let began = Instant::now();
        let mut there = self.wire.write(&leave).is_ok();
        // Until the receiver's own leave, before which the last answers come: each of them
        // saves a duplicate.
        while there && began.elapsed() < LEAVE {
            there = self.hear(Some(LEAVE / 10)).is_ok();
        }
        self.wire.close();
    }
}

fn shown(frame: &Frame) -> String {
    let text = String::from_utf8_lossy(&frame.data);
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

fn after(number: u32) -> u32 {
    number % LAST_NUMBER + 1
}

/// The number that comes `steps` before `number`.
fn before(number: u32, steps: usize) -> u32 {
    let steps = (steps % LAST_NUMBER as usize) as u32;
    match number > steps {
        true => number - steps,
        false => number + LAST_NUMBER - steps,
    }
}

/// How many steps lead from `from` to `to`.
fn distance(from: u32, to: u32) -> usize {
    match to >= from {
        true => (to - from) as usize,
        false => (to + (LAST_NUMBER - from)) as usize,
    }
}

#[cfg(test)]
mod tests;
