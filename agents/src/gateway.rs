//! One call to a provider: captured, decided, masked, recorded, then sent.
//!
//! Each stage of a call is a type, and the next stage cannot be reached without it:
//!
//! ```text
//! Capture ─ Call::admit ─▶ Admission ─ record ─▶ Recorded::Cleared(Cleared)  ─▶ payload, Recorder
//!                                           └──▶ Recorded::Refused(Refusal)      nothing leaves
//! ```
//! A [`Cleared`] exists only after the ledger has answered that `prompt.submitted` and
//! `payload.masked` are durable; it is the only holder of bytes that may leave. Every cleared
//! call ends with exactly one `model.responded` or `model.failed`: the id of that event
//! follows from the call's, so a second end would be a conflict. Calls that were open when
//! the process died are found by [`OpenCalls`] and ended by [`close_open_calls`].
//!
//! Nothing here knows HTTP, a runtime or a clock: times come in as arguments.

mod answer;
mod beside;
mod call;
mod cut;
pub(crate) mod ids;
mod open_calls;
mod operation;
mod recorder;
mod request;
pub(crate) mod sessions;
mod sse;
mod unscanned;

pub use beside::{Beside, Looked};
pub use call::{Admission, AdmitError, Call, Cleared, Recorded, Refusal};
pub use open_calls::{OpenCalls, close_open_calls};
pub use operation::{Operation, Provider};
pub use recorder::{End, Recorder, TooLong};
pub use sessions::Sessions;
pub use unscanned::{Unscanned, unscanned};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
