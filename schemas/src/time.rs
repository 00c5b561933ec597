use crate::values::{Ascii, ValueError, text_value};
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeZone, Timelike, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A moment in UTC with microseconds, written `2026-11-22T00:00:00.000001Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

/// 1970-01-01 to 9999-12-31: four digits of year, so that the text sorts as the time does.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// Microseconds since 1970-01-01; outside the years 1970 to 9999 the nearest end of them.
    pub fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros.clamp(0, LAST_MICROS))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn to_chrono(self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.0)
            .single()
            .expect("micros were clamped to years 1970 to 9999")
    }

    pub fn month(self) -> Month {
        let date = self.to_chrono();
        Month {
            year: date.year() as u16,
            month: date.month() as u8,
        }
    }

    pub(crate) fn as_text(&self) -> Ascii<27> {
        let time = self.to_chrono();
        let (date, clock) = (time.date_naive(), time.time());
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let fields = [
            (0..4, date.year_ce().1),
            (5..7, date.month()),
            (8..10, date.day()),
            (11..13, clock.hour()),
            (14..16, clock.minute()),
            (17..19, clock.second()),
            (20..26, clock.nanosecond() / 1_000),
        ];
        for (place, mut number) in fields {
            for digit in text[place].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        Ascii(text)
    }
}

impl FromStr for Timestamp {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let rule = "RFC 3339 in UTC with six digits of fraction, as 2026-11-22T00:00:00.000001Z";
        let fault = ValueError::Malformed {
            what: "timestamp",
            rule,
        };
        // One moment has one text, so that bodies have one form.
        one_form(text).ok_or(fault)
    }
}

/// Reads the one form that a moment has: every entry has two, so without chrono's tolerance
/// for other forms, and without writing it anew to compare.
fn one_form(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 27] = text.as_bytes().try_into().ok()?;
    for (byte, form) in bytes.iter().zip(b"0000-00-00T00:00:00.000000Z") {
        let fits = match form {
            b'0' => byte.is_ascii_digit(),
            mark => byte == mark,
        };
        if !fits {
            return None;
        }
    }
    let number = |from: usize, to: usize| {
        let digits = bytes[from..to].iter();
        digits.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let date = NaiveDate::from_ymd_opt(number(0, 4) as i32, number(5, 7), number(8, 10))?;
    // A leap second has no number of its own: it would be read back as the second after.
    let time = date.and_hms_micro_opt(hour, minute, second, number(20, 26))?;
    let micros = time.and_utc().timestamp_micros();
    (second < 60 && (0..=LAST_MICROS).contains(&micros)).then_some(Timestamp(micros))
}
text_value!(
    Timestamp,
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$",
    "UTC with microseconds"
);

/// A calendar month in UTC, written `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: u16,
    month: u8,
}

impl Month {
    pub fn start(self) -> Timestamp {
        let start = Utc
            .with_ymd_and_hms(self.year.into(), self.month.into(), 1, 0, 0, 0)
            .single()
            .expect("a month was checked when it was made");
        Timestamp(start.timestamp_micros())
    }

    /// The first moment after the month.
    pub fn end(self) -> Timestamp {
        self.start().after_months(1)
    }

    fn as_text(&self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

impl Timestamp {
    fn after_months(self, months: u32) -> Timestamp {
        match self.to_chrono().checked_add_months(Months::new(months)) {
            Some(time) => Timestamp::from_micros(time.timestamp_micros()),
            None => Timestamp(LAST_MICROS),
        }
    }

    /// The moment at which something that began now has lived for `period`; `None` is never.
    pub fn after(self, period: Period) -> Option<Timestamp> {
        match period {
            Period::Forever => None,
            Period::Days(days) => Some(Timestamp::from_micros(
                self.0.saturating_add(i64::from(days) * 86_400_000_000),
            )),
            Period::Months(months) => Some(self.after_months(months)),
        }
    }
}

impl FromStr for Month {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fault = ValueError::Malformed {
            what: "month",
            rule: "YYYY-MM, as 2026-11",
        };
        let (year, month) = text.split_once('-').ok_or_else(|| fault.clone())?;
        let digits = |t: &str, n| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(fault);
        }
        let parsed = Month {
            year: year.parse().map_err(|_| fault.clone())?,
            month: month.parse().map_err(|_| fault.clone())?,
        };
        if !(1970..=9999).contains(&parsed.year) || !(1..=12).contains(&parsed.month) {
            return Err(fault);
        }
        Ok(parsed)
    }
}
text_value!(
    Month,
    "^[0-9]{4}-(0[1-9]|1[0-2])$",
    "a calendar month in UTC"
);

/// How long a class is kept: `P30D`, `P12M`, `P1Y` (ISO 8601, one unit) or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    Days(u32),
    Months(u32),
    Forever,
}

impl Period {
    fn as_text(&self) -> String {
        match self {
            Period::Days(days) => format!("P{days}D"),
            Period::Months(months) if months % 12 == 0 => format!("P{}Y", months / 12),
            Period::Months(months) => format!("P{months}M"),
            Period::Forever => "forever".to_owned(),
        }
    }
}

impl FromStr for Period {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "forever" {
            return Ok(Period::Forever);
        }
        let rule = "P<n>D, P<n>M, P<n>Y with n from 1 to 1200 years, or forever";
        let fault = ValueError::Malformed {
            what: "period",
            rule,
        };
        let inner = text.strip_prefix('P').ok_or_else(|| fault.clone())?;
        let (digits, unit) = inner
            .split_at_checked(inner.len().saturating_sub(1))
            .ok_or_else(|| fault.clone())?;
        let count: u32 = digits.parse().map_err(|_| fault.clone())?;
        match unit {
            _ if count == 0 || !digits.bytes().all(|b| b.is_ascii_digit()) => Err(fault),
            "D" if count <= 438_000 => Ok(Period::Days(count)),
            "M" if count <= 14_400 => Ok(Period::Months(count)),
            "Y" if count <= 1_200 => Ok(Period::Months(count * 12)),
            _ => Err(fault),
        }
    }
}
text_value!(
    Period,
    "^(P[1-9][0-9]*[DMY]|forever)$",
    "how long a class is kept"
);

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    #[test]
    fn one_moment_has_one_text() {
        let text = "2026-11-22T00:00:00.000001Z";
        assert_eq!(text.parse::<Timestamp>().expect("sound").to_string(), text);
        for other in [
            "2026-11-22T00:00:00Z",
            "2026-11-22T09:00:00.000001+09:00",
            "2026-11-22t00:00:00.000001z",
            "1969-12-31T00:00:00.000000Z",
        ] {
            assert!(other.parse::<Timestamp>().is_err(), "{other}");
        }
    }

    proptest! {
        /// Against chrono, which reads and writes RFC 3339 in all its forms.
        #[test]
        fn the_one_form_is_that_of_rfc_3339(micros in 0..=LAST_MICROS) {
            let time = Timestamp(micros);
            let text = time.to_chrono().to_rfc3339_opts(SecondsFormat::Micros, true);
            prop_assert_eq!(time.to_string(), &*text);
            prop_assert_eq!(text.parse::<Timestamp>(), Ok(time));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{6}[Zz]?"
        ) {
            let told = DateTime::parse_from_rfc3339(&text).ok();
            let told = told.map(|time| Timestamp(time.timestamp_micros())).filter(|time| {
                let written = time.to_chrono().to_rfc3339_opts(SecondsFormat::Micros, true);
                (0..=LAST_MICROS).contains(&time.0) && written == text
            });
            prop_assert_eq!(text.parse::<Timestamp>().ok(), told);
        }
    }

    #[test]
    fn periods_end_on_the_calendar() {
        let start: Timestamp = "2024-02-29T00:00:00.000000Z".parse().expect("sound");
        let year: Period = "P1Y".parse().expect("sound");
        assert_eq!(
            start.after(year).expect("ends").to_string(),
            "2025-02-28T00:00:00.000000Z"
        );
        assert_eq!(start.after(Period::Forever), None);
        assert_eq!("P24M".parse::<Period>().expect("sound").to_string(), "P2Y");
        for bad in [
            "P0D",
            "P",
            "",
            "30D",
            "P1W",
            "P-1D",
            "P99999999Y",
            "P+1D",
            "P年",
        ] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let december: Month = "2026-12".parse().expect("sound");
        assert_eq!(december.end().to_string(), "2027-01-01T00:00:00.000000Z");
        assert_eq!(december.start().month(), december);
        for bad in ["2026-13", "2026-0", "26-01", "2026-1", "+026-01"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
