use schemas::{BucketId, DataSubject};
use std::io;
use std::path::{Path, PathBuf};

/// Where everything of one ledger lies below its data directory.
///
/// ```text
/// daicho.toml                      configuration
/// checkpoint                       the newest published checkpoint, a signed note
/// checkpoint.cosigned              the newest that witnesses have cosigned
/// log/<first seq, 20 digits>.ndjson
/// tokens/<size, 20 digits>.checkpoint and .tsr   what an authority stamped, and its answer
/// content/<class>/<YYYY-MM>/<n, 8 digits>.pack
/// keys/ledger.key                  signs the log, or says what does; ledger.next.key during a
///                                  rotation; keys/content/<class>/<YYYY-MM>.key one per bucket, and
///                                  <YYYY-MM>/<subject>.key one per person with content in it
/// index/                           views/ of projections, outlines/ of full log files: delete it and
///                                  it is built again
/// lock, lock.pid                   the one writer
/// ```
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub fn new(dir: impl Into<PathBuf>) -> Layout {
        Layout { dir: dir.into() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("daicho.toml")
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }

    /// The newest checkpoint that witnesses have cosigned.
    pub fn cosigned(&self) -> PathBuf {
        self.dir.join("checkpoint.cosigned")
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub fn content(&self) -> PathBuf {
        self.dir.join("content")
    }

    /// What a time-stamping authority said of checkpoints.
    pub fn tokens(&self) -> PathBuf {
        self.dir.join("tokens")
    }

    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// Where projections are kept.
    pub(crate) fn views(&self) -> PathBuf {
        self.index().join("views")
    }

    /// Where outlines of full log files are kept.
    pub(crate) fn outlines(&self) -> PathBuf {
        self.index().join("outlines")
    }

    pub(crate) fn outline(&self, first_seq: u64) -> PathBuf {
        self.outlines().join(format!("{first_seq:020}"))
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn lock_pid(&self) -> PathBuf {
        self.dir.join("lock.pid")
    }

    pub fn log_key(&self) -> PathBuf {
        self.keys().join("ledger.key")
    }

    /// Where a rotation puts the next key until it is in force.
    pub fn next_log_key(&self) -> PathBuf {
        self.keys().join("ledger.next.key")
    }

    pub(crate) fn log_file(&self, first_seq: u64) -> PathBuf {
        self.log().join(format!("{first_seq:020}.ndjson"))
    }

    pub(crate) fn bucket(&self, bucket: &BucketId) -> PathBuf {
        self.content()
            .join(bucket.class.as_str())
            .join(bucket.month.to_string())
    }

    /// Where the keys of buckets lie, and of single persons' content in them.
    pub fn content_keys(&self) -> PathBuf {
        self.keys().join("content")
    }

    pub(crate) fn bucket_key(&self, bucket: &BucketId) -> PathBuf {
        let class = self.content_keys().join(bucket.class.as_str());
        class.join(format!("{}.key", bucket.month))
    }

    /// Where the keys of single persons' content of a bucket lie.
    pub(crate) fn subject_keys(&self, bucket: &BucketId) -> PathBuf {
        self.bucket_key(bucket).with_extension("")
    }

    pub(crate) fn subject_key(&self, bucket: &BucketId, subject: &DataSubject) -> PathBuf {
        self.subject_keys(bucket).join(format!("{subject}.key"))
    }

    /// Says that what this key seals is being erased.
    pub(crate) fn subject_erasing(&self, bucket: &BucketId, subject: &DataSubject) -> PathBuf {
        self.subject_key(bucket, subject).with_extension("erasing")
    }

    /// Says that the bucket is being ended.
    pub(crate) fn bucket_ending(&self, bucket: &BucketId) -> PathBuf {
        self.bucket_key(bucket).with_extension("ending")
    }

    /// The log files, and whatever else lies among them.
    pub(crate) fn log_files(&self) -> io::Result<LogFiles> {
        let (mut files, mut strays) = (Vec::new(), Vec::new());
        for item in std::fs::read_dir(self.log())? {
            let path = item?.path();
            let name = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            let digits = name
                .strip_suffix(".ndjson")
                .filter(|d| d.len() == 20 && d.bytes().all(|b| b.is_ascii_digit()));
            match digits.and_then(|d| d.parse().ok()) {
                Some(first) => files.push((first, path)),
                None => strays.push(path),
            }
        }
        files.sort();
        strays.sort();
        Ok(LogFiles { files, strays })
    }

    /// A path as findings and errors name it: below the data directory, with `/`.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.dir).unwrap_or(path);
        below
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// What lies in `log/`.
pub(crate) struct LogFiles {
    /// By the position that each one's name states.
    pub files: Vec<(u64, PathBuf)>,
    pub strays: Vec<PathBuf>,
}
