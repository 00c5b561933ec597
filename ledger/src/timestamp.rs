//! RFC 3161: what somebody else's clock says of a checkpoint.
//!
//! ```text
//! query    = TimeStampReq: SHA-256 of the signed note, a nonce, the certificate is asked for
//! response = TimeStampResp: status, and a token: CMS SignedData over TSTInfo
//! ```
//! No network here: whoever asks brings the response.

mod asn1;
mod authority;
mod pair;
mod query;
mod token;

pub use authority::{Authority, AuthorityError};
pub use pair::{Pair, Pairs, keep, newest, pairs};
pub use query::{Query, QueryError};
pub use token::{Token, TokenError};

/// How far the authority's clock and the ledger's may be apart, in microseconds: five minutes.
/// Clocks that are kept drift by less; what differs by more is wrong on one of the two sides.
pub const TOLERANCE_MICROS: i64 = 300_000_000;
