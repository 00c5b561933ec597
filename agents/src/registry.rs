//! Who may speak: agents and their tokens, as a projection of the log.
