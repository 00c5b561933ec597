//! Four words of 64 bits in one: by AVX2 where the processor has it, else word by word. That the
//! processor has it is what holding a `V3` says, so nothing here is unsafe.

use pulp::u64x4;

/// What is done with four words at once. Shifts are by less than 64.
pub trait Vector: Copy {
    fn splat(self, word: u64) -> u64x4;
    fn add(self, a: u64x4, b: u64x4) -> u64x4;
    fn sub(self, a: u64x4, b: u64x4) -> u64x4;
    /// Of the low halves.
    fn mul(self, a: u64x4, b: u64x4) -> u64x4;
    fn and(self, a: u64x4, b: u64x4) -> u64x4;
    fn or(self, a: u64x4, b: u64x4) -> u64x4;
    fn xor(self, a: u64x4, b: u64x4) -> u64x4;
    fn shl(self, a: u64x4, bits: u32) -> u64x4;
    fn shr(self, a: u64x4, bits: u32) -> u64x4;
}

/// Work for whichever vectors there are. All that it calls has to be inlined to become theirs.
pub trait Work {
    type Output;
    fn with<V: Vector>(self, v: V) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Vector, Work, u64x4};
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast, u64x2};

    impl Vector for V3 {
        #[inline(always)]
        fn splat(self, word: u64) -> u64x4 {
            self.splat_u64x4(word)
        }

        #[inline(always)]
        fn add(self, a: u64x4, b: u64x4) -> u64x4 {
            self.wrapping_add_u64x4(a, b)
        }

        #[inline(always)]
        fn sub(self, a: u64x4, b: u64x4) -> u64x4 {
            self.wrapping_sub_u64x4(a, b)
        }

        #[inline(always)]
        fn mul(self, a: u64x4, b: u64x4) -> u64x4 {
            cast(self.avx2._mm256_mul_epu32(cast(a), cast(b)))
        }

        #[inline(always)]
        fn and(self, a: u64x4, b: u64x4) -> u64x4 {
            self.and_u64x4(a, b)
        }

        #[inline(always)]
        fn or(self, a: u64x4, b: u64x4) -> u64x4 {
            self.or_u64x4(a, b)
        }

        #[inline(always)]
        fn xor(self, a: u64x4, b: u64x4) -> u64x4 {
            self.xor_u64x4(a, b)
        }

        #[inline(always)]
        fn shl(self, a: u64x4, bits: u32) -> u64x4 {
            self.shl_u64x4(a, u64x2(bits.into(), 0))
        }

        #[inline(always)]
        fn shr(self, a: u64x4, bits: u32) -> u64x4 {
            self.shr_u64x4(a, u64x2(bits.into(), 0))
        }
    }

    struct Vectorized<W>(V3, W);

    impl<W: Work> NullaryFnOnce for Vectorized<W> {
        type Output = W::Output;

        #[inline(always)]
        fn call(self) -> W::Output {
            self.1.with(self.0)
        }
    }

    pub fn run<W: Work>(work: W) -> W::Output {
        match V3::try_new() {
            Some(v3) => v3.vectorize(Vectorized(v3, work)),
            None => work.with(super::Words),
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use avx2::run;

#[cfg(not(target_arch = "x86_64"))]
pub fn run<W: Work>(work: W) -> W::Output {
    work.with(Words)
}

/// Word by word.
#[derive(Clone, Copy)]
pub struct Words;

#[inline(always)]
fn each(a: u64x4, b: u64x4, op: fn(u64, u64) -> u64) -> u64x4 {
    u64x4(op(a.0, b.0), op(a.1, b.1), op(a.2, b.2), op(a.3, b.3))
}

impl Vector for Words {
    #[inline(always)]
    fn splat(self, word: u64) -> u64x4 {
        u64x4(word, word, word, word)
    }

    #[inline(always)]
    fn add(self, a: u64x4, b: u64x4) -> u64x4 {
        each(a, b, u64::wrapping_add)
    }

    #[inline(always)]
    fn sub(self, a: u64x4, b: u64x4) -> u64x4 {
        each(a, b, u64::wrapping_sub)
    }

    #[inline(always)]
    fn mul(self, a: u64x4, b: u64x4) -> u64x4 {
        each(a, b, |a, b| u64::from(a as u32) * u64::from(b as u32))
    }

    #[inline(always)]
    fn and(self, a: u64x4, b: u64x4) -> u64x4 {
        each(a, b, |a, b| a & b)
    }

    #[inline(always)]
    fn or(self, a: u64x4, b: u64x4) -> u64x4 {
        each(a, b, |a, b| a | b)
    }

    #[inline(always)]
    fn xor(self, a: u64x4, b: u64x4) -> u64x4 {
        each(a, b, |a, b| a ^ b)
    }

    #[inline(always)]
    fn shl(self, a: u64x4, bits: u32) -> u64x4 {
        each(a, self.splat(bits.into()), |a, bits| a << bits)
    }

    #[inline(always)]
    fn shr(self, a: u64x4, bits: u32) -> u64x4 {
        each(a, self.splat(bits.into()), |a, bits| a >> bits)
    }
}
