//! Who goes first where there are too few processors: whoever records, before whoever tells.

/// Added to nice(2): a tenth of the share of a thread that is not nice, where both want all.
/// More would have a busy machine starve its SIEM.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// A scheduler lets a thread that runs go on for milliseconds, nice or not, before one that wakes up: after
/// so many entries an exporter's yields, or who appends would wait as long.
pub(super) const AT_ONCE: u64 = 8;

/// Of this thread and those that it starts. On Linux alone nice(2) means a thread, not the process.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(fault) = rustix::process::nice(NICE) {
        tracing::debug!("exporters run at no lower priority: {fault}");
    }
}
