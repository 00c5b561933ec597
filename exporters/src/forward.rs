//! Follows the log for one destination: its cursor, its retries, its state.
