use super::say;

/// Numbers from one seed (splitmix64), so that a failure can be repeated.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A seed from DAICHO_TEST_SEED, else a new one. It is printed either way.
    pub fn thrown(test: &str) -> Dice {
        let seed = std::env::var("DAICHO_TEST_SEED")
            .ok()
            .map(|s| s.parse().unwrap());
        let seed = seed.unwrap_or_else(|| u64::from(rand_u32()));
        say(&format!(
            "{test}: seed {seed} (DAICHO_TEST_SEED={seed} repeats it)"
        ));
        Dice(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A UUID of version 7, as producers make them.
    pub fn id(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let time = 0x019a_b000_0000_u64 + (a >> 40);
        format!(
            "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
            time >> 16,
            time & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}

fn rand_u32() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}
