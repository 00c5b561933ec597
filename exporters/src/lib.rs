//! Out of the log: every event to the SIEM, and reports that people sign.

pub mod format;
pub mod forward;
pub mod report;
pub mod transport;
