//! One target under libFuzzer, which is told by coverage where to look: see `fuzz/run`.
#![no_main]

use std::sync::LazyLock;
use targets::{TARGETS, Target};

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let chosen = TARGETS.iter().find(|(target, _)| *target == name);
    chosen.expect("FUZZ_TARGET names a target").1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    CHOSEN(bytes);
});
