//! Reports: figures from the log, each with the positions behind it.
