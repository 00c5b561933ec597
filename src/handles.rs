//! How many files and connections this process may have open.

/// As many as the system lets it: a service manager's usual 1,024 are too few for 500 streams, each of
/// which is a connection of its client and one to the provider. More than that is for an administrator.
#[cfg(unix)]
pub fn use_all() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    // Where that is refused, as on macOS without a maximum, the limit stays what it was.
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn use_all() {}
