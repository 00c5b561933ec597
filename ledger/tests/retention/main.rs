//! How content ends, in a real ledger: a bucket when its time has come, one person's when somebody asks
//! for it. Nothing goes that is held or has to be kept, nothing else goes with it, and nothing goes
//! without a certificate that the log bears out.
#![allow(clippy::unwrap_used)]

mod certificates;
mod ends;
mod erasure;
mod keys;
mod later;
mod owners;
mod persons;
mod races;
mod returned;
mod world;
