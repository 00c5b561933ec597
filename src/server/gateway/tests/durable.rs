//! What leaves is durable before: a disk that keeps a call waiting keeps the provider waiting.

use super::*;
use ledger::disk::{Disk, DiskFile, LocalDisk};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex};

/// What becomes of bytes that are to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Pass,
    Wait,
    Fail,
}

/// A disk that does as it is told, and says whether anybody waits for it.
struct Told {
    syncs: Mutex<Syncs>,
    changed: Condvar,
    waiting: AtomicBool,
}

struct ToldDisk(Arc<Told>);

struct ToldFile {
    file: Box<dyn DiskFile>,
    told: Arc<Told>,
}

impl Told {
    fn new() -> Arc<Told> {
        Arc::new(Told {
            syncs: Mutex::new(Syncs::Pass),
            changed: Condvar::new(),
            waiting: AtomicBool::new(false),
        })
    }

    fn tell(&self, syncs: Syncs) {
        *self.syncs.lock().unwrap() = syncs;
        self.changed.notify_all();
    }

    fn sync(&self) -> io::Result<()> {
        let mut syncs = self.syncs.lock().unwrap();
        while *syncs == Syncs::Wait {
            self.waiting.store(true, Ordering::SeqCst);
            syncs = self.changed.wait(syncs).unwrap();
        }
        match *syncs {
            Syncs::Fail => Err(io::Error::other("the disk is broken")),
            _ => Ok(()),
        }
    }

    fn file(self: &Arc<Told>, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let told = Arc::clone(self);
        Box::new(ToldFile { file, told })
    }
}

impl DiskFile for ToldFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.told.sync()?;
        self.file.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.told.sync()?;
        self.file.sync_all()
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl Disk for ToldDisk {
    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.0.file(LocalDisk.create(path, private)?))
    }
    fn reopen(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.0.file(LocalDisk.reopen(path)?))
    }
    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        LocalDisk.overwrite(path, bytes)
    }
    fn rewrite(&self, path: &Path, offset: u64) -> io::Result<()> {
        self.0.sync()?;
        LocalDisk.rewrite(path, offset)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
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
        LocalDisk.sync_dir(path)
    }
}

async fn world_on_a_disk(told: &Arc<Told>) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let upstream = Arc::new(Scripted::default());
    let routes = crate::demo::upstream::routes(Arc::clone(&upstream));
    let base = format!("http://{}", serve(routes).await);
    let options = Options {
        clock: clock.clone(),
        disk: Arc::new(ToldDisk(Arc::clone(told))),
        ..Options::default()
    };
    let rest = (
        base,
        LimitPolicy::default(),
        Patience::USUAL,
        Capacity::default(),
    );
    world_on(options, dir, clock, upstream, rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_before_the_disk_has_it() {
    for streaming in [false, true] {
        let told = Told::new();
        let world = world_on_a_disk(&told).await;
        told.tell(Syncs::Wait);
        let call = tokio::spawn(world.post("/v1/messages", ask("plain", streaming)).send());
        while !told.waiting.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Far longer than it takes to reach the provider.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.hits(), 0);
        assert!(!call.is_finished());
        told.tell(Syncs::Pass);
        let answer = call.await.unwrap().unwrap();
        assert_eq!((answer.status().as_u16(), world.hits()), (200, 1));
        answer.bytes().await.unwrap();
        world.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_where_the_disk_does_not_take_it() {
    let told = Told::new();
    let world = world_on_a_disk(&told).await;
    told.tell(Syncs::Fail);
    for streaming in [false, true] {
        let (status, kind, message) = error_of(world.message(ask("plain", streaming)).await).await;
        assert_eq!((status, kind.as_str()), (503, "api_error"));
        assert!(message.contains("nothing was sent"), "{message}");
    }
    assert_eq!(world.hits(), 0);
}
