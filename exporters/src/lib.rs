//! Out of the log: every event to the SIEM, and reports that people sign.
//!
//! Who only reads holds a `Reader`: nothing in this crate can append. What an export or a
//! report concludes ([`forward::Status`], a report's digest) the program records.

pub mod bundle;
pub mod check;
pub mod format;
pub mod forward;
pub mod report;
pub mod transport;
