//! The rules by which personal data becomes masks and prohibited data stops a call.
