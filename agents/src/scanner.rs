//! Findings of any scanner, and the patches proposed for them.
pub mod submission;
