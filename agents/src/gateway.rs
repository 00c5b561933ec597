//! One call to a provider: captured, decided, masked, recorded, then sent.
