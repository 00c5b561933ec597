//! Follows the log for one destination: its cursor, its retries, its state.

mod backoff;
mod cursor;
mod destination;
mod window;

pub use cursor::CursorError;
pub use destination::{Destination, DestinationError};
