use super::{DAY, MINUTE, WindowError, clock};
use schemas::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Days of the week and hours of the day, as `mon-fri 09:00-18:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// 0 is Monday.
    days: (u8, u8),
    minutes: (i32, i32),
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Is this moment of the company's own clock within them? A night belongs to the day on
    /// which it begins.
    pub fn hold(&self, local: Timestamp) -> bool {
        let within = |(from, to): (i64, i64), value: i64, end: bool| match from <= to {
            true => from <= value && (value < to || (end && value == to)),
            false => from <= value || value < to || (end && value == to),
        };
        let minute = local.micros().rem_euclid(DAY) / MINUTE;
        let days = (i64::from(self.days.0), i64::from(self.days.1));
        let minutes = (i64::from(self.minutes.0), i64::from(self.minutes.1));
        let since_midnight = minutes.1 < minutes.0 && minute < minutes.1;
        let begun = local.micros().div_euclid(DAY) - i64::from(since_midnight);
        // 1970-01-01 was a Thursday.
        let day = (begun + 3).rem_euclid(7);
        within(days, day, true) && within(minutes, minute, false)
    }
}

impl FromStr for Hours {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<Hours, WindowError> {
        let parse = || {
            let (days, minutes) = text.split_once(' ')?;
            let day = |word: &str| DAYS.iter().position(|day| *day == word);
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let (from, to) = minutes.split_once('-')?;
            let (from, to) = (clock(from)?, clock(to)?);
            (from != to).then_some(Hours {
                days: (day(first)? as u8, day(last)? as u8),
                minutes: (from, to),
            })
        };
        parse().ok_or(WindowError::Hours)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or_default();
        let ((first, last), (from, to)) = (self.days, self.minutes);
        write!(f, "{}", day(first))?;
        if first != last {
            write!(f, "-{}", day(last))?;
        }
        let (fh, fm, th, tm) = (from / 60, from % 60, to / 60, to % 60);
        write!(f, " {fh:02}:{fm:02}-{th:02}:{tm:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("sound")
    }

    #[test]
    fn hours_are_those_of_the_week_and_of_the_day() {
        let office: Hours = "mon-fri 09:00-18:00".parse().expect("sound");
        assert_eq!(office.to_string(), "mon-fri 09:00-18:00");
        // 2026-11-27 is a Friday.
        assert!(office.hold(at("2026-11-27T09:00:00.000000Z")));
        assert!(office.hold(at("2026-11-27T17:59:59.999999Z")));
        assert!(!office.hold(at("2026-11-27T18:00:00.000000Z")));
        assert!(!office.hold(at("2026-11-28T10:00:00.000000Z")));
        let night: Hours = "sat-mon 22:00-06:00".parse().expect("sound");
        assert!(night.hold(at("2026-11-29T23:00:00.000000Z")));
        assert!(night.hold(at("2026-11-30T05:59:00.000000Z")));
        assert!(!night.hold(at("2026-11-30T06:00:00.000000Z")));
        assert!(!night.hold(at("2026-12-01T23:00:00.000000Z")));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let shift: Hours = "mon-fri 22:00-06:00".parse().expect("sound");
        // 2026-11-27 is a Friday: its shift ends on Saturday, and Monday's begins on Monday.
        for (moment, within) in [
            ("2026-11-27T21:59:59.999999Z", false),
            ("2026-11-27T22:00:00.000000Z", true),
            ("2026-11-28T05:59:59.999999Z", true),
            ("2026-11-28T06:00:00.000000Z", false),
            ("2026-11-28T22:00:00.000000Z", false),
            ("2026-11-30T05:59:59.999999Z", false),
            ("2026-11-30T22:00:00.000000Z", true),
        ] {
            assert_eq!(shift.hold(at(moment)), within, "{moment}");
        }
    }
}
