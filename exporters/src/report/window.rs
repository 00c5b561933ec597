//! Months as a company counts them, and the hours in which its people work.

mod hours;
mod workdays;

pub use hours::Hours;
pub use workdays::{ClosedDays, DayOfYear};

use schemas::{Month, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;
use std::str::FromStr;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// How far the company's clock is before UTC, as `+09:00`. No rules of summer time: a company
/// that has one reports in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Offset {
    minutes: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("an offset from UTC must be +HH:MM or -HH:MM, at most 14 hours, as +09:00")]
    Offset,
    #[error("working hours must be as \"mon-fri 09:00-18:00\"; a night is \"mon-sun 22:00-06:00\"")]
    Hours,
    #[error("a period must be a month as 2026-11, or two as 2026-10..2026-12")]
    Period,
    #[error("a period must have at most 120 months")]
    TooLong,
    #[error("a day of the year must be as 12-29")]
    Day,
}

impl Offset {
    fn micros(self) -> i64 {
        i64::from(self.minutes) * MINUTE
    }

    /// What the company's clock shows, written as if it were UTC.
    pub fn local(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.micros().saturating_add(self.micros()))
    }

    pub fn month(self, at: Timestamp) -> Month {
        self.local(at).month()
    }

    /// The moment at which the first working day of a month begins here.
    pub fn first_working_day(self, month: Month, closed: &ClosedDays) -> Timestamp {
        self.utc(workdays::first(month, closed))
    }

    /// The moment at which the company's clock shows this.
    fn utc(self, local: Timestamp) -> Timestamp {
        Timestamp::from_micros(local.micros().saturating_sub(self.micros()))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let minutes = self.minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl FromStr for Offset {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Offset, WindowError> {
        let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (_, Some(rest)) => (-1, rest),
            _ => return Err(WindowError::Offset),
        };
        let minutes = clock(rest).ok_or(WindowError::Offset)?;
        if minutes > 14 * 60 {
            return Err(WindowError::Offset);
        }
        Ok(Offset {
            minutes: sign * minutes,
        })
    }
}

/// Minutes of a `HH:MM`.
fn clock(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |t: &str| {
        let digits = t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| t.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 24 && minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

/// One month or several in a row, by the company's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Written")]
pub struct Window {
    pub from: Month,
    pub to: Month,
    #[serde(rename = "utc_offset")]
    pub offset: Offset,
}

/// A window as a file has it, which anyone may have written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: Month,
    to: Month,
    utc_offset: Offset,
}

impl TryFrom<Written> for Window {
    type Error = WindowError;
    fn try_from(written: Written) -> Result<Window, WindowError> {
        Window::new(written.from, written.to, written.utc_offset)
    }
}

impl Window {
    pub fn month(month: Month, offset: Offset) -> Window {
        Window {
            from: month,
            to: month,
            offset,
        }
    }

    /// As `2026-11` or `2026-10..2026-12`.
    pub fn parse(text: &str, offset: Offset) -> Result<Window, WindowError> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let month = |text: &str| text.parse::<Month>().map_err(|_| WindowError::Period);
        Window::new(month(from)?, month(to)?, offset)
    }

    fn new(from: Month, to: Month, offset: Offset) -> Result<Window, WindowError> {
        let window = Window { from, to, offset };
        if window.from > window.to {
            return Err(WindowError::Period);
        }
        // A hundred years of months would be counted one by one.
        if window.months().count() > MOST_MONTHS {
            return Err(WindowError::TooLong);
        }
        Ok(window)
    }

    /// The first moment.
    pub fn since(&self) -> Timestamp {
        self.offset.utc(self.from.start())
    }

    /// The first moment after it.
    pub fn until(&self) -> Timestamp {
        self.offset.utc(self.to.end())
    }

    pub fn holds(&self, at: Timestamp) -> bool {
        (self.since()..self.until()).contains(&at)
    }

    /// Every month of it, as far as [`MOST_MONTHS`] and one more.
    pub fn months(&self) -> impl Iterator<Item = Month> {
        let to = self.to;
        let months = std::iter::successors(Some(self.from), |month| Some(month.end().month()));
        months
            .take_while(move |month| *month <= to)
            .take(MOST_MONTHS + 1)
    }

    /// The month before its first.
    pub fn before(&self) -> Window {
        let day = Timestamp::from_micros(self.from.start().micros() - DAY);
        Window::month(day.month(), self.offset)
    }
}

const MOST_MONTHS: usize = 120;

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        if self.to != self.from {
            write!(f, "..{}", self.to)?;
        }
        Ok(())
    }
}

macro_rules! as_text {
    ($($type:ident)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
as_text!(Offset Hours DayOfYear);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("sound")
    }

    #[test]
    fn a_month_of_tokyo_begins_nine_hours_earlier() {
        let tokyo: Offset = "+09:00".parse().expect("sound");
        let window = Window::parse("2026-11", tokyo).expect("sound");
        assert_eq!(window.since(), at("2026-10-31T15:00:00.000000Z"));
        assert_eq!(window.until(), at("2026-11-30T15:00:00.000000Z"));
        assert!(window.holds(window.since()) && !window.holds(window.until()));
        assert_eq!(tokyo.month(window.since()).to_string(), "2026-11");
        assert_eq!(window.before().to_string(), "2026-10");
        let year = Window::parse("2026-01..2026-12", tokyo).expect("sound");
        assert_eq!(year.months().count(), 12);
        assert_eq!(year.before().to_string(), "2025-12");
    }

    #[test]
    fn a_window_that_is_read_is_one_that_could_be_written() {
        let read = |from: &str, to: &str| {
            let text = format!(r#"{{"from":"{from}","to":"{to}","utc_offset":"+09:00"}}"#);
            serde_json::from_str::<Window>(&text)
        };
        let window = read("2026-10", "2026-12").expect("sound");
        let written = serde_json::to_string(&window).expect("plain values");
        assert_eq!(serde_json::from_str::<Window>(&written).ok(), Some(window));
        assert!(read("2026-12", "2026-11").is_err());
        assert!(read("1970-01", "9999-12").is_err());
    }

    #[test]
    fn what_is_no_period_no_offset_and_no_hours_is_refused() {
        for bad in [
            "2026-12..2026-11",
            "2026",
            "",
            "2026-11..",
            "1970-01..9999-12",
        ] {
            assert!(Window::parse(bad, Offset::default()).is_err(), "{bad}");
        }
        for bad in ["09:00", "+9:00", "+15:00", "+09:60", "JST"] {
            assert!(bad.parse::<Offset>().is_err(), "{bad}");
        }
        for bad in [
            "mon-fri",
            "mon-fri 09:00",
            "foo 09:00-18:00",
            "mon 9-18",
            "mon 09:00-09:00",
        ] {
            assert!(bad.parse::<Hours>().is_err(), "{bad}");
        }
    }
}
