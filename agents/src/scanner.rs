//! Findings of any scanner, and the patches proposed for them.
