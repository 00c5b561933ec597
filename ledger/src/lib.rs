//! daicho-ledger
