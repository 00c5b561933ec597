use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;

/// An amount of the currency that prices are in, in millionths: sums of it are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub u64);

const MILLION: f64 = 1_000_000.0;

/// Above it a floating number no longer holds every millionth.
const MOST: f64 = 9_000_000_000.0;

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let amount = f64::deserialize(deserializer)?;
        if !(0.0..=MOST).contains(&amount) {
            return Err(D::Error::custom("an amount must be from 0 to 9000000000"));
        }
        Ok(Money((amount * MILLION).round() as u64))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / MILLION)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.0.div_ceil(10_000);
        write!(f, "{}.{:02}", cents / 100, cents % 100)
    }
}
