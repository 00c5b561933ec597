//! Findings of any scanner, and the patches proposed for them.
//!
//! A finding is what events say about one weakness, from `finding.reported` to
//! `finding.closed`; nothing is edited and what was refuted stays. To take in a scanner that
//! does not write SARIF, make a [`sarif::Scan`] of what it writes: everything behind that is
//! the same for all.

pub mod findings;
pub mod fingerprint;
pub mod patch;
pub mod path;
pub mod sarif;
pub mod scan;
