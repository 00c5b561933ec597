//! Holds, ends, erasures and producers at once: whichever comes first is what counts.

use crate::ends::sample;
use crate::world::{LATE, World, bucket, of_bucket, of_session, packs, text};
use ledger::buckets::Spared;
use ledger::disk::{Disk, DiskFile, LocalDisk};
use ledger::{Agreed, AppendError, EraseError, ExpireError, Options};
use schemas::Data;
use schemas::kinds::people::{DeactivationReason, UserDeactivated};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A hold, an end and producers at once, in any order: whichever comes first is what counts.
#[test]
fn of_a_hold_and_an_end_that_race_one_comes_first_and_the_other_knows() {
    let (mut held, mut ended) = (0, 0);
    for round in 0..24 {
        let world = sample();
        world.turn_to(LATE);
        let (hold, end) = std::thread::scope(|threads| {
            let place = || world.hold(1, of_session("s-1"));
            let (hold, end);
            if round % 2 == 0 {
                hold = threads.spawn(place);
                end = threads.spawn(|| world.end(&bucket()));
            } else {
                end = threads.spawn(|| world.end(&bucket()));
                hold = threads.spawn(place);
            }
            for _ in 0..4 {
                world.in_session("s-1", "march");
            }
            (hold.join().unwrap(), end.join().unwrap())
        });
        let receipt = hold.unwrap();
        let entry = world.reader.entry(receipt.seq).unwrap();
        let Data::HoldPlaced(placed) = entry.data() else {
            panic!("{entry:?}");
        };
        let covers = placed.buckets.contains(&bucket());
        match end {
            Ok(end) => {
                ended += 1;
                assert!(end.seq < receipt.seq && !covers, "{placed:?}");
            }
            Err(error) => {
                held += 1;
                assert!(covers, "{error}");
                assert_eq!(packs(world.dir.path()), 1);
            }
        }
        world.check();
    }
    println!("retention: {held} held, {ended} ended");
}

/// A hold, an erasure and the person at work, at once and in any order: whichever comes first is what
/// counts, and nothing that is recorded after the certificate is lost.
#[test]
fn of_a_hold_and_an_erasure_that_race_one_comes_first_and_the_other_knows() {
    let (mut held, mut erased) = (0, 0);
    for round in 0..24 {
        let world = World::new();
        world.content("api", Some("s001"), &text("first"));
        let keys = world.keys("s001");
        world.request(1, &keys);
        let (hold, erasure, written) = std::thread::scope(|threads| {
            let place = || world.hold(1, of_bucket(&keys[0].bucket));
            let erase = || world.erase(1, &keys[0]);
            let write = |n: i32| {
                let submission = world.submission("api", Some("s001"), &text(&n.to_string()));
                let receipts = world.appender.append(vec![submission]).unwrap();
                (receipts[0].seq, n)
            };
            let (hold, erasure);
            if round % 2 == 0 {
                hold = threads.spawn(place);
                erasure = threads.spawn(erase);
            } else {
                erasure = threads.spawn(erase);
                hold = threads.spawn(place);
            }
            let written: Vec<_> = (0..6).map(write).collect();
            (hold.join().unwrap(), erasure.join().unwrap(), written)
        });
        let hold = hold.unwrap();
        match erasure {
            Ok(certificate) => {
                erased += 1;
                assert!(certificate.seq < hold.seq);
                for (seq, n) in written {
                    let read = world.read(seq);
                    match seq < certificate.seq {
                        true => assert!(read.is_err()),
                        false => assert_eq!(read.unwrap(), text(&n.to_string()).as_bytes()),
                    }
                }
            }
            Err(EraseError::Spared(Spared::Held { .. }) | EraseError::Append(_)) => {
                held += 1;
                for (seq, n) in written {
                    assert_eq!(world.read(seq).unwrap(), text(&n.to_string()).as_bytes());
                }
                assert!(world.file_of(&keys[0]).exists());
            }
            Err(error) => panic!("{error}"),
        }
        world.check();
    }
    println!("erasure: {held} held, {erased} erased");
}

fn revocation() -> UserDeactivated {
    UserDeactivated {
        user: "s002".parse().unwrap(),
        reason: DeactivationReason::Left,
    }
}

/// Who asked whether people agree saw so much of the log.
fn agreed(seen: u64) -> Agreed {
    Agreed {
        seen,
        shaken_by: |data| matches!(data, Data::UserDeactivated(_)),
    }
}

fn is_shaken(error: &AppendError) -> bool {
    error.to_string().contains("user.deactivated, came after")
}

/// One who agreed leaves after the last look and before the certificate: then there is none.
#[test]
fn nothing_ends_on_the_word_of_whoever_lost_their_key_since_the_last_look() {
    let world = sample();
    world.content("auth", Some("s001"), &text("theirs"));
    let keys = world.keys("s001");
    world.request(1, &keys);
    world.turn_to(LATE);
    let seen = world.reader.size();
    world.write(revocation());
    let Err(ExpireError::Append(error)) = world.end_if(&bucket(), agreed(seen)) else {
        panic!("it ended");
    };
    assert!(is_shaken(&error), "{error}");
    let Err(EraseError::Append(error)) = world.erase_if(1, &keys[0], agreed(seen)) else {
        panic!("it was erased");
    };
    assert!(is_shaken(&error), "{error}");
    assert!(world.bucket_key().exists() && world.file_of(&keys[0]).exists());
    // Whoever has seen it, and still finds two people, goes on.
    world.end_if(&bucket(), agreed(seen + 1)).unwrap();
    world.erase_if(1, &keys[0], agreed(seen + 1)).unwrap();
    world.check();
}

#[test]
fn of_a_revocation_and_an_end_that_race_one_comes_first_and_the_other_knows() {
    let (mut kept, mut ended) = (0, 0);
    for round in 0..24 {
        let world = sample();
        world.turn_to(LATE);
        let seen = world.reader.size();
        let (revoked, end) = std::thread::scope(|threads| {
            let revoke = || world.write(revocation());
            let end = || world.end_if(&bucket(), agreed(seen));
            let (revoked, end) = match round % 2 {
                0 => (threads.spawn(revoke), threads.spawn(end)),
                _ => {
                    let end = threads.spawn(end);
                    (threads.spawn(revoke), end)
                }
            };
            (revoked.join().unwrap(), end.join().unwrap())
        });
        match end {
            Ok(end) => {
                ended += 1;
                assert!(end.seq < revoked, "{} < {revoked}", end.seq);
            }
            Err(ExpireError::Append(error)) => {
                kept += 1;
                assert!(is_shaken(&error), "{error}");
                assert!(world.bucket_key().exists());
            }
            Err(error) => panic!("{error}"),
        }
        world.check();
    }
    println!("revocation: {kept} kept, {ended} ended");
}

/// A disk that one call waits at, until a test lets it go on.
struct Gate {
    is_here: fn(&Path) -> bool,
    armed: Mutex<Option<Sender<()>>>,
    opened: Mutex<Receiver<()>>,
    /// Nobody came to open it.
    forgotten: AtomicBool,
}

/// Only a fault makes anybody wait as long.
const FORGOTTEN: Duration = Duration::from_secs(600);

impl Gate {
    fn new(is_here: fn(&Path) -> bool) -> (Arc<Gate>, Sender<()>) {
        let (open, opened) = channel();
        let gate = Gate {
            is_here,
            armed: Mutex::default(),
            opened: Mutex::new(opened),
            forgotten: AtomicBool::new(false),
        };
        (Arc::new(gate), open)
    }

    /// From here on the next call there waits; the receiver hears of it.
    fn arm(&self) -> Receiver<()> {
        let (reached, hears) = channel();
        *self.armed.lock().unwrap() = Some(reached);
        hears
    }

    fn pass(&self, path: &Path) {
        if !(self.is_here)(path) {
            return;
        }
        let reached = self.armed.lock().unwrap().take();
        if let Some(reached) = reached {
            let _ = reached.send(());
            let opened = self.opened.lock().unwrap().recv_timeout(FORGOTTEN);
            self.forgotten.fetch_or(opened.is_err(), Ordering::SeqCst);
        }
    }

    fn world(self: &Arc<Gate>) -> World {
        let disk: Arc<dyn Disk> = Arc::new(Gated(Arc::clone(self)));
        World::with(|options| Options { disk, ..options })
    }
}

struct Gated(Arc<Gate>);

impl Disk for Gated {
    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn DiskFile>> {
        LocalDisk.create(path, private)
    }
    fn reopen(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        LocalDisk.reopen(path)
    }
    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        LocalDisk.overwrite(path, bytes)
    }
    fn rewrite(&self, path: &Path, offset: u64) -> io::Result<()> {
        LocalDisk.rewrite(path, offset)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.pass(path);
        LocalDisk.create_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.link(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        LocalDisk.remove(path)
    }
    fn set_readonly(&self, path: &Path) -> io::Result<()> {
        LocalDisk.set_readonly(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.pass(path);
        LocalDisk.sync_dir(path)
    }
}

/// Sealed under a key that is destroyed before its entry gets a place: sealed anew there. No producer is
/// told, whatever it does with errors.
#[test]
fn what_was_sealed_before_an_erasure_and_placed_after_it_is_sealed_anew() {
    let mut after = 0;
    for _ in 0..40 {
        let (gate, open) = Gate::new(|path| {
            path.ends_with("content/auth/2026-01") && !path.ends_with("keys/content/auth/2026-01")
        });
        let world = gate.world();
        world.content("api", Some("s001"), &text("first"));
        let key = world.keys("s001").remove(0);
        world.request(1, std::slice::from_ref(&key));
        // The committer waits for the disk: what comes now is in its queue, sealed.
        let hears = gate.arm();
        let (sender, answers) = channel();
        let append = |submission| {
            let sender = sender.clone();
            world.appender.append_then(vec![submission], move |result| {
                let _ = sender.send(result.map(|receipts| receipts[0].seq));
            });
        };
        append(world.submission("auth", None, "opens a bucket"));
        hears.recv().unwrap();
        let certificate = std::thread::scope(|threads| {
            let erasure = threads.spawn(|| world.erase(1, &key));
            while !world.file_of(&key).with_extension("erasing").exists() {
                std::thread::yield_now();
            }
            (0..1_000).for_each(|_| std::thread::yield_now());
            append(world.submission("api", Some("s001"), &text("second")));
            open.send(()).unwrap();
            erasure.join().unwrap().unwrap()
        });
        answers.recv().unwrap().unwrap();
        let seq = answers.recv().unwrap().unwrap();
        assert!(!gate.forgotten.load(Ordering::SeqCst));
        assert_eq!(world.read(seq).is_ok(), seq > certificate.seq);
        world.check();
        after += usize::from(seq > certificate.seq);
        if after == 3 {
            return;
        }
    }
    assert!(after > 0, "no round in which the content came second");
}

/// A person's first key is synced to the disk before it seals anything: nobody else waits for that.
#[test]
fn whose_key_is_made_waits_for_the_disk_and_nobody_else_does() {
    let (gate, open) = Gate::new(|path| path.ends_with("keys/content/api/2026-01"));
    let world = gate.world();
    world.content("api", Some("s001"), "one");
    world.content("auth", None, "one");
    let hears = gate.arm();
    std::thread::scope(|threads| {
        let first = threads.spawn(|| world.content("api", Some("s002"), "first"));
        hears.recv().unwrap();
        let others = [
            world.content("api", Some("s001"), "two"),
            world.content("api", None, "nobody's"),
            world.content("auth", None, "elsewhere"),
        ];
        open.send(()).unwrap();
        let first = first.join().unwrap();
        assert!(others.iter().all(|other| *other < first));
    });
    assert!(!gate.forgotten.load(Ordering::SeqCst), "somebody waited");
    world.check();
}
