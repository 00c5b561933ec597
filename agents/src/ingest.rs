//! Logs of other systems that the company must keep: lines as they came, sealed byte for byte, many
//! to one entry. What the entry itself says of them lives as long as the log, so it is counts,
//! times and names of channels; hosts, users and addresses stay in the content.
//!
//! ```text
//! connection ─▶ Frames ─▶ Message ─▶ Batch ─▶ log.ingested, content `lines`
//! file, git  ───────────▶
//! ```
//! Nothing is cut out of them, as it is out of what agents say: an original that was changed is no
//! evidence of what another system has logged. Who may read it is a matter of the bucket's key.

mod batch;
mod frame;
mod line;

pub use batch::{Batch, FULL_BYTES, Reached, Source};
pub use frame::{Frame, Frames, MOST_MESSAGE_BYTES, Message, messages};
pub use line::{Said, read};
