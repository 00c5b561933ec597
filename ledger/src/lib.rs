//! The memory of daicho: one append-only log, chained, signed and in a Merkle tree, with
//! its large and private content sealed beside it.
//!
//! One way in ([`Appender`]), one way out ([`Reader`]). To hold an [`Entry`] is to know
//! that it is durable and hashed. FORMAT.md beside this crate holds the whole format.

mod append;
mod appending;
pub mod buckets;
pub mod checkpoint;
pub mod clock;
mod content;
mod create;
mod destroyed;
pub mod disk;
mod entry;
mod erase;
mod expire;
mod fresh_id;
mod history;
mod hold;
mod ids;
mod key_file;
mod layout;
mod leftover;
pub mod line;
mod lock;
mod log_file;
mod marker;
pub mod note;
mod open;
mod ordered;
mod os;
mod outline;
mod projection;
pub mod proof;
mod publish;
pub mod query;
mod reader;
mod rows;
mod scan;
pub mod signature;
mod signer;
pub mod tile;
pub mod timestamp;
pub mod tree;
pub mod verify;
pub mod witness;

/// The whole format, for whoever writes a second verifier.
pub const FORMAT: &str = include_str!("../FORMAT.md");

pub use append::{ActsFor, Agreed, AppendError, Appender, Content, Receipt, Submission};
pub use buckets::Buckets;
pub use checkpoint::Checkpoint;
pub use content::{Ahead, ContentError};
pub use create::{CreateError, create, create_under};
pub use entry::Entry;
pub use erase::{EraseError, Erasing, KeyFault, NO_KEY, PersonKeys, UnreadKey, clear_erased};
pub use expire::{Disposal, ExpireError, Tally, clear_ended};
pub use fresh_id::fresh_id;
pub use history::{KeyHistory, RotationFault};
pub use hold::{HoldError, Placement};
pub use key_file::{
    HeldKey, KeyFile, KeyFileError, Needs, NoSecrets, TokenKey, Unlock, UnlockError,
};
pub use layout::Layout;
pub use leftover::clear_leftover_keys;
pub use open::{OpenError, Options, open};
pub use os::{is_immutable, set_immutable};
pub use projection::{Index, IndexError, Projection, View, digest_of};
pub use reader::{Entries, Head, ReadError, Reader};
pub use signer::{SignError, Signer};
