//! What people decide: statements, signatures, and a projection of what waits.
