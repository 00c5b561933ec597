use crate::masking::MASKER;
use std::time::{Duration, Instant};

/// Shorter bytes say too little of what repeats.
const FEWEST: usize = 16;
/// Bytes of the shorter text; the longer has eight times as many.
const SHORT: usize = 2 << 10;
/// Eight times the text may take four times more than in proportion. A quadratic rule takes eight.
const MOST: u32 = 8 * 4;
/// A busy machine is slow for a while, a rule that costs too much always.
const LOOKS: usize = 8;

/// Masking any text that repeats takes time in proportion to its length.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    if text.len() < FEWEST {
        return false;
    }
    let short = text.repeat(SHORT.div_ceil(text.len()));
    let long = short.repeat(8);
    let time = |text: &str| {
        let begun = Instant::now();
        let _ = MASKER.text(text);
        begun.elapsed()
    };
    let mut least = [Duration::MAX; 2];
    for _ in 0..LOOKS {
        least = [time(&short).min(least[0]), time(&long).min(least[1])];
        if least[1] < least[0] * MOST {
            return true;
        }
    }
    panic!(
        "{least:?} for {} bytes and eight times as many, of {text:?}",
        short.len()
    );
}
