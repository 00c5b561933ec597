//! Wire formats: an entry as the bytes that a receiver stores.
