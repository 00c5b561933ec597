//! Files of one message a line, for a shipper that reads them where they lie:
//!
//! ```text
//! <directory>/<destination>-<epoch>-<position of the first line, 20 digits>.ndjson
//! ```
//! The files themselves say how far they have come: a start cuts a line that a crash left torn,
//! counts the lines, and goes on behind the last. So nothing is written twice, unless someone
//! took the files away before the cursor knew of them. A line is never changed: what is cut and
//! written again is the same bytes at the same place. Who reads the files removes them, the one
//! that is written to as well: the next line is in a new one.

use super::{Connection, Files, Held, TransportError};
use memchr::{memchr_iter, memrchr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much and how long may be written without being on the disk.
const SYNC_BYTES: u64 = 4 << 20;
const SYNC_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    files: Files,
    epoch: u64,
    held: Option<Held>,
    /// The file that is written to, and its length.
    open: Option<(PathBuf, File, u64)>,
    /// The entry of the next message, and of those that are framed and not written.
    next: u64,
    framed: u64,
    /// Messages of this connection: written, and of these on the disk.
    written: u64,
    synced: u64,
    unsynced_bytes: u64,
    synced_at: Instant,
}

impl Writer {
    /// Finds what is there, and cuts what a crash left of a line.
    pub fn open(files: &Files, epoch: u64) -> Result<Writer, TransportError> {
        let mut writer = Writer {
            files: files.clone(),
            epoch,
            held: None,
            open: None,
            next: 0,
            framed: 0,
            written: 0,
            synced: 0,
            unsynced_bytes: 0,
            synced_at: Instant::now(),
        };
        let directory = &files.directory;
        fs::create_dir_all(directory).map_err(|e| disk(directory, e))?;
        let mut firsts = writer.firsts().map_err(|e| disk(directory, e))?;
        while let Some(first) = firsts.pop() {
            let path = writer.path(first);
            let found = resume(&path).map_err(|e| disk(&path, e))?;
            if let Some(found) = found {
                writer.held = Some(Held {
                    position: first.saturating_add(found.lines),
                    last: found.last,
                });
                writer.open = Some((path, found.file, found.len));
                break;
            }
        }
        Ok(writer)
    }

    fn path(&self, first: u64) -> PathBuf {
        let (prefix, epoch) = (&self.files.prefix, self.epoch);
        let name = format!("{prefix}-{epoch}-{first:020}.ndjson");
        self.files.directory.join(name)
    }

    /// First positions of the files of this epoch, in order.
    fn firsts(&self) -> io::Result<Vec<u64>> {
        let start = format!("{}-{}-", self.files.prefix, self.epoch);
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&self.files.directory)? {
            let name = entry?.file_name();
            let digits = name
                .to_str()
                .and_then(|name| name.strip_prefix(&start)?.strip_suffix(".ndjson"));
            firsts.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// A new file, whose name is durable before its first line is.
    fn begin_file(&mut self, first: u64) -> Result<(), TransportError> {
        let path = self.path(first);
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let opened = options.open(&path).and_then(|file| {
            sync_directory(&self.files.directory)?;
            Ok(file)
        });
        let file = opened.map_err(|e| disk(&path, e))?;
        self.open = Some((path, file, 0));
        Ok(())
    }

    /// Whether the file that is written to is still the one that its name leads to. One that
    /// somebody took away, renamed or cut takes lines as before, and nobody reads them there.
    fn is_there(&self) -> bool {
        self.open
            .as_ref()
            .is_none_or(|(path, _, len)| fs::metadata(path).is_ok_and(|there| there.len() == *len))
    }

    /// What is on the disk is answered for, if whoever reads the files can find it.
    fn sync(&mut self) -> Result<(), TransportError> {
        if let Some((path, file, _)) = &self.open {
            file.sync_data().map_err(|e| disk(path, e))?;
            if self.synced < self.written && !self.is_there() {
                return Err(TransportError::Taken { path: path.clone() });
            }
        }
        self.synced = self.written;
        self.unsynced_bytes = 0;
        self.synced_at = Instant::now();
        Ok(())
    }
}

impl Connection for Writer {
    fn held(&self) -> Option<Held> {
        self.held.clone()
    }

    fn begin(&mut self, position: u64) -> Result<(), TransportError> {
        self.next = position;
        if self
            .held
            .take()
            .is_some_and(|held| held.position == position)
        {
            return Ok(());
        }
        // Whoever reads the files has taken some away: what follows is not behind the rest.
        self.begin_file(position)
    }

    fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(message);
        out.push(b'\n');
        self.framed += 1;
    }

    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError> {
        let bytes = frames.len() as u64;
        if !self.is_there() {
            // Fails where that took lines along which are not answered for.
            self.sync()?;
            self.open = None;
        }
        let full = |len: u64| len > 0 && len.saturating_add(bytes) > self.files.max_bytes;
        if self.open.as_ref().is_none_or(|(_, _, len)| full(*len)) {
            self.sync()?;
            self.begin_file(self.next)?;
        }
        if let Some((path, file, len)) = &mut self.open {
            file.write_all(frames).map_err(|e| disk(path, e))?;
            *len += bytes;
        }
        self.next += self.framed;
        self.written += std::mem::take(&mut self.framed);
        self.unsynced_bytes += bytes;
        match self.unsynced_bytes >= SYNC_BYTES {
            true => self.sync(),
            false => Ok(()),
        }
    }

    fn listen(&mut self) -> Result<(), TransportError> {
        match self.synced < self.written && self.synced_at.elapsed() >= SYNC_AFTER {
            true => self.sync(),
            false => Ok(()),
        }
    }

    fn batch(&self) -> usize {
        usize::MAX
    }

    fn answered(&self) -> Option<u64> {
        Some(self.synced)
    }

    fn blames(&self, _fault: &TransportError) -> bool {
        false
    }

    fn answer(&self) -> Option<String> {
        let (path, ..) = self.open.as_ref()?;
        Some(format!("written to {}", path.display()))
    }

    fn close(&mut self) {
        // Lines that are not synced are counted again from the file at the next start.
        let _ = self.sync();
    }
}

/// What is in a file that ends in a whole line.
struct Found {
    file: File,
    len: u64,
    lines: u64,
    last: Vec<u8>,
}

/// Cuts what is behind the last whole line. A file that has none is removed.
fn resume(path: &Path) -> io::Result<Option<Found>> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let (mut lines, mut len, mut read) = (0, 0, 0);
    let mut last = Vec::new();
    // The line that the chunks so far end in.
    let mut open: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let got = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let bytes = &chunk[..got];
        lines += memchr_iter(b'\n', bytes).count() as u64;
        match memrchr(b'\n', bytes) {
            None => open.extend_from_slice(bytes),
            Some(end) => {
                len = read + end as u64 + 1;
                match memrchr(b'\n', &bytes[..end]) {
                    Some(before) => last = bytes[before + 1..end].to_vec(),
                    None => {
                        open.extend_from_slice(&bytes[..end]);
                        last = std::mem::take(&mut open);
                    }
                }
                open = bytes[end + 1..].to_vec();
            }
        }
        read += got as u64;
    }
    if lines == 0 {
        drop(file);
        fs::remove_file(path)?;
        return Ok(None);
    }
    if len < read {
        tracing::info!(path = %path.display(), bytes = read - len, "a line that was not whole is cut, and written again");
        file.set_len(len)?;
    }
    // What is counted is on the disk, also if the process before died before it was.
    file.sync_all()?;
    Ok(Some(Found {
        file,
        len,
        lines,
        last,
    }))
}

/// Elsewhere a directory cannot be opened as a file; there the file is all there is.
fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

fn disk(path: &Path, source: io::Error) -> TransportError {
    let path = path.to_owned();
    TransportError::Disk { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(dir: &Path) -> Writer {
        let files = Files {
            directory: dir.to_owned(),
            prefix: "hq".to_owned(),
            max_bytes: 1 << 20,
        };
        Writer::open(&files, 3).expect("opens")
    }

    fn write(writer: &mut Writer, message: &[u8]) {
        let mut frames = Vec::new();
        writer.frame(message, &mut frames);
        writer.send(&frames).expect("writes");
    }

    #[test]
    fn a_line_that_a_crash_tore_is_cut_wherever_it_was_torn() {
        let long = vec![b'x'; (1 << 20) - 70_000];
        for torn in 0..40 {
            let dir = tempfile::tempdir().expect("a directory");
            let mut first = writer(dir.path());
            first.begin(7).expect("begins");
            write(&mut first, b"{\"seq\":7}");
            write(&mut first, &long);
            first.close();
            let path = dir.path().join("hq-3-00000000000000000007.ndjson");
            let len = fs::metadata(&path).expect("there").len();
            let half = vec![b'y'; torn * 1_701];
            let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
            file.write_all(&half).expect("writes");
            let mut second = writer(dir.path());
            let held = second.held().expect("held");
            assert_eq!((held.position, &held.last), (9, &long));
            assert_eq!(fs::metadata(&path).expect("there").len(), len);
            second.begin(9).expect("begins");
            write(&mut second, b"{\"seq\":9}");
            second.close();
            assert_eq!(writer(dir.path()).held().expect("held").position, 10);
        }
    }

    #[test]
    fn a_file_without_a_whole_line_gives_way_to_the_one_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut first = writer(dir.path());
        first.begin(0).expect("begins");
        write(&mut first, b"{\"seq\":0}");
        first.close();
        let torn = dir.path().join("hq-3-00000000000000000001.ndjson");
        fs::write(&torn, b"{\"se").expect("writes");
        // Another epoch's and another destination's files are not looked at.
        fs::write(dir.path().join("hq-2-00000000000000000009.ndjson"), b"x\n").expect("writes");
        fs::write(dir.path().join("hq2-3-00000000000000000009.ndjson"), b"x\n").expect("writes");
        let held = writer(dir.path()).held().expect("held");
        assert_eq!((held.position, held.last), (1, b"{\"seq\":0}".to_vec()));
        assert!(!torn.exists());
    }
}
