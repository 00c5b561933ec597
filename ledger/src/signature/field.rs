//! Numbers modulo p = 2^255 − 19 in four words of 64 bits. 2^256 is 38 modulo p, so what runs
//! over the four words comes back as 38 times itself, and any four words stand for a number:
//! only [`Number::canonical`] asks which of its two or three texts is the lowest. All values are
//! public: nothing here runs in constant time.

/// p, the lowest word first.
const P: [u64; 4] = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];

#[derive(Debug, Clone, Copy)]
pub struct Number(pub [u64; 4]);

impl Number {
    pub const ZERO: Number = Number([0; 4]);
    pub const ONE: Number = Number([1, 0, 0, 0]);

    pub fn small(number: u32) -> Number {
        Number([number.into(), 0, 0, 0])
    }

    /// The lowest byte first; all 256 bits count.
    pub fn from_bytes(bytes: &[u8; 32]) -> Number {
        let (words, _) = bytes.as_chunks();
        Number(std::array::from_fn(|word| u64::from_le_bytes(words[word])))
    }

    /// The one encoding, the lowest byte first.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.canonical().0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    /// The same number below p.
    #[inline(always)]
    pub fn canonical(&self) -> Number {
        // Four words hold less than 2p + 38.
        let mut words = self.0;
        for _ in 0..2 {
            let (less, under) = difference(&words, &P);
            if !under {
                words = less;
            }
        }
        Number(words)
    }

    pub fn is_zero(&self) -> bool {
        self.canonical().0 == [0; 4]
    }

    #[inline(always)]
    pub fn plus(&self, other: &Number) -> Number {
        let mut sum = self.0;
        let mut over = false;
        for (word, other) in sum.iter_mut().zip(other.0) {
            (*word, over) = word.carrying_add(other, over);
        }
        Number(sum).and_38_times(u64::from(over))
    }

    #[inline(always)]
    pub fn minus(&self, other: &Number) -> Number {
        let (difference, under) = difference(&self.0, &other.0);
        let (mut less, under) = self::difference(&difference, &[38 * u64::from(under), 0, 0, 0]);
        // Once more only from below 38: then all words are full but for 38 in the lowest.
        less[0] = less[0].wrapping_sub(38 * u64::from(under));
        Number(less)
    }

    #[inline(always)]
    pub fn times(&self, other: &Number) -> Number {
        let mut product = [0; 8];
        for low in 0..4 {
            let mut carry = 0;
            for high in 0..4 {
                let word = low + high;
                (product[word], carry) =
                    self.0[low].carrying_mul_add(other.0[high], product[word], carry);
            }
            product[low + 4] = carry;
        }
        let mut folded = [0; 4];
        let mut carry = 0;
        for word in 0..4 {
            (folded[word], carry) = product[word + 4].carrying_mul_add(38, product[word], carry);
        }
        Number(folded).and_38_times(carry)
    }

    /// What ran over the four words, at most 38, comes back.
    #[inline(always)]
    fn and_38_times(self, over: u64) -> Number {
        let mut words = self.0;
        let mut carry;
        (words[0], carry) = words[0].overflowing_add(38 * over);
        for word in &mut words[1..] {
            (*word, carry) = word.carrying_add(0, carry);
        }
        // Once more only from the last 38² of them: then all words are empty but the lowest.
        words[0] = words[0].wrapping_add(38 * u64::from(carry));
        Number(words)
    }

    pub fn negative(&self) -> Number {
        Number::ZERO.minus(self)
    }

    /// Squared so many times.
    fn squared(&self, times: usize) -> Number {
        (0..times).fold(*self, |power, _| power.times(&power))
    }

    /// To the power of 2^250 − 1, whose 250 ones all exponents below begin with.
    fn ones(&self) -> Number {
        let more = |high: &Number, low: &Number, bits| high.squared(bits).times(low);
        let two = more(self, self, 1);
        let five = more(&more(&two, &two, 2), self, 1);
        let ten = more(&five, &five, 5);
        let twenty = more(&ten, &ten, 10);
        let fifty = more(&more(&twenty, &twenty, 20), &ten, 10);
        let hundred = more(&fifty, &fifty, 50);
        more(&more(&hundred, &hundred, 100), &fifty, 50)
    }

    /// Fermat: to the power of p − 2 = 2^5 (2^250 − 1) + 11; of zero, zero.
    pub fn inverse(&self) -> Number {
        let eleven = self.squared(3).times(&self.squared(1)).times(self);
        self.ones().squared(5).times(&eleven)
    }

    /// A root of a number that has one (RFC 8032 §5.1.3).
    pub fn root(&self) -> Number {
        // To the power of (p + 3)/8 = 2^2 (2^250 − 1) + 2, times the root of −1, which is 2 to the
        // power of (p − 1)/4 = 2^3 (2^250 − 1) + 3, where its square is −self.
        let root = self.ones().squared(2).times(&self.squared(1));
        if root.times(&root).bytes() == self.bytes() {
            root
        } else {
            let of_minus_one = Number::small(2).ones().squared(3).times(&Number::small(8));
            root.times(&of_minus_one)
        }
    }
}

/// a − b modulo 2^256, and whether that ran under.
#[inline(always)]
fn difference(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], bool) {
    let mut less = *a;
    let mut under = false;
    for (word, other) in less.iter_mut().zip(b) {
        (*word, under) = word.borrowing_sub(*other, under);
    }
    (less, under)
}

#[cfg(test)]
mod tests;
