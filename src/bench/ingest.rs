//! Lines of other systems over TCP, sealed and durable: what a firewall's log takes.

use super::append::{fresh, remove};
use super::figures::{Figures, Measure};
use crate::outcome::Failure;
use crate::server::ingest::Listener;
use agents::ingest::Source;
use anyhow::Context;
use chrono::FixedOffset;
use ledger::Reader;
use schemas::Class;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const SENDERS: [u64; 2] = [1, 16];

/// Lines that a sender hands to the system at once.
const TOGETHER: u64 = 200;

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("lines of a firewall over TCP, about 250 bytes each, sealed in batches");
    for senders in SENDERS {
        let (dir, appender, reader) = fresh(scratch, &format!("ingest-{senders}"))?;
        let socket = TcpListener::bind("127.0.0.1:0").context("no port of this host")?;
        let source = Source {
            name: "firewall".parse().context("a literal name")?,
            class: Class::network(),
            zone: FixedOffset::east_opt(0).context("no offset is one")?,
        };
        let listener = Listener::new(source, socket, None)?;
        let (stop, measure) = (AtomicBool::new(false), Measure::begin());
        let sent = std::thread::scope(|scope| {
            let running = scope.spawn(|| listener.run(&appender, &|_| false, &stop));
            let until = Instant::now() + Duration::from_secs(seconds);
            let address = listener.address();
            let senders: Vec<_> = (0..senders)
                .map(|sender| scope.spawn(move || send(address, sender, until)))
                .collect();
            let sent = senders.into_iter().map(|sender| match sender.join() {
                Ok(sent) => sent,
                Err(_) => Ok(0),
            });
            let sent = sent.sum::<std::io::Result<u64>>();
            // What is sent is taken before the clock stops: a sender's word is no record.
            let taken = || listener.status.lines.load(Relaxed);
            while sent.as_ref().is_ok_and(|sent| taken() < *sent) && !running.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Relaxed);
            sent
        });
        let sent = sent.context("a sender could not send")?;
        let taken = listener.status.lines.load(Relaxed);
        if taken != sent {
            let fault = format!("{sent} lines were sent and {taken} recorded");
            return Err(Failure::msg(fault, "report this"));
        }
        let bytes = listener.status.bytes.load(Relaxed);
        let what = format!("{senders} senders");
        figures.lines(&what, taken, bytes, sealed_bytes(&reader)?, measure.end());
        drop((appender, reader));
        remove(&dir);
    }
    Ok(())
}

fn sealed_bytes(reader: &Reader) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in reader.entries(0..reader.size()) {
        sum += entry?.content().iter().map(|c| c.sealed_bytes).sum::<u64>();
    }
    Ok(sum)
}

/// Sends until the time is over. Gives how many lines that were.
fn send(to: SocketAddr, sender: u64, until: Instant) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(to)?;
    let (mut lines, mut text) = (0, String::new());
    // Addresses and ports that do not repeat as a constant would.
    let mut dice = sender.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while Instant::now() < until {
        text.clear();
        for _ in 0..TOGETHER {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [a, b, c, d, e, f, ..] = dice.to_be_bytes();
            let (from, port) = (u16::from_be_bytes([c, d]), u16::from_be_bytes([e, f]));
            let _ = writeln!(
                text,
                "<134>1 2026-11-30T00:{:02}:{:02}.{port:06}Z fw{sender:02} filter - - - action=allow proto=tcp \
                 src=10.{a}.{b}.{c}:{from} dst=192.0.2.{d}:443 rule=outbound-web policy=default bytes_sent={from} \
                 bytes_received={port} duration=0.{f:03} session={dice:016x}",
                a % 60,
                b % 60
            );
        }
        stream.write_all(text.as_bytes())?;
        lines += TOGETHER;
    }
    Ok(lines)
}
