//! What happens around agents: what they say is captured, masked, recorded and answered;
//! what they want to do outside waits for a human; what scanners find is tracked to its end.

pub mod approvals;
pub mod capture;
pub mod classes;
pub mod gateway;
pub mod hooks;
pub mod ingest;
pub mod limits;
pub mod masking;
pub mod notices;
mod once;
mod pattern;
pub mod registry;
pub mod retention;
pub mod scanner;
pub mod telemetry;
pub mod transcript;
