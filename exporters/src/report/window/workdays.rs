//! Japan's working days: no weekend, no national holiday (Act on National Holidays, 国民の祝日に関する
//! 法律, Act No. 178 of 1948, as in force since 2022), and no day on which the company is closed.

use super::WindowError;
use chrono::{Datelike, NaiveDate, Weekday};
use schemas::{Month, Timestamp};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A day of every year, written `12-29`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayOfYear {
    month: u32,
    day: u32,
}

/// Days of the year on which the company is closed, whatever day of the week they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ClosedDays(BTreeSet<DayOfYear>);

impl Default for ClosedDays {
    /// 29 December to 3 January, as offices are closed (Act No. 91 of 1988, art. 1).
    fn default() -> ClosedDays {
        let days = [(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)];
        let days = days.map(|(month, day)| DayOfYear { month, day });
        ClosedDays(days.into())
    }
}

impl FromStr for DayOfYear {
    type Err = WindowError;
    fn from_str(text: &str) -> Result<DayOfYear, WindowError> {
        let parse = || {
            let (month, day) = text.split_once('-')?;
            let two = |t: &str| (t.len() == 2).then(|| t.parse::<u32>().ok()).flatten();
            let (month, day) = (two(month)?, two(day)?);
            // A leap year has every day that a year can have.
            NaiveDate::from_ymd_opt(2028, month, day)?;
            Some(DayOfYear { month, day })
        };
        parse().ok_or(WindowError::Day)
    }
}

impl fmt::Display for DayOfYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

/// Midnight of the first working day, on the clock of whoever works. A company that is closed for
/// a whole month has none: then the month's first day.
pub(super) fn first(month: Month, closed: &ClosedDays) -> Timestamp {
    let mut days = month.start().to_chrono().date_naive().iter_days();
    let found = days
        .by_ref()
        .take_while(|day| day.and_hms_opt(0, 0, 0).map(at) < Some(month.end()))
        .find(|&day| works(day, closed));
    let midnight = found.and_then(|day| day.and_hms_opt(0, 0, 0));
    midnight.map_or(month.start(), at)
}

fn at(time: chrono::NaiveDateTime) -> Timestamp {
    Timestamp::from_micros(time.and_utc().timestamp_micros())
}

fn works(day: NaiveDate, closed: &ClosedDays) -> bool {
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let of_year = DayOfYear {
        month: day.month(),
        day: day.day(),
    };
    !weekend && !is_holiday(day) && !closed.0.contains(&of_year)
}

/// Art. 3: named days, the day in lieu of one that is a Sunday, and a day between two of them.
fn is_holiday(day: NaiveDate) -> bool {
    if is_named(day) {
        return true;
    }
    let before = |day: NaiveDate| day.pred_opt();
    // Par. 2: the nearest day after the Sunday that is no named one.
    let in_lieu = std::iter::successors(before(day), |&day| before(day))
        .take_while(|&day| is_named(day))
        .any(|day| day.weekday() == Weekday::Sun);
    // Par. 3.
    let between = before(day).is_some_and(is_named) && day.succ_opt().is_some_and(is_named);
    in_lieu || between
}

/// Art. 2.
fn is_named(date: NaiveDate) -> bool {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let monday = |nth: u32| date.weekday() == Weekday::Mon && (day - 1) / 7 + 1 == nth;
    match month {
        1 => day == 1 || monday(2),
        2 => day == 11 || day == 23,
        3 => equinox(year, 20.8431) == Some(day),
        4 => day == 29,
        5 => (3..=5).contains(&day),
        7 => monday(3),
        8 => day == 11,
        9 => monday(3) || equinox(year, 23.2488) == Some(day),
        10 => monday(2),
        11 => day == 3 || day == 23,
        _ => false,
    }
}

/// The day of March or September on which the sun crosses the equator in Japan, of the years 1980 to
/// 2099: the usual formula of the Hydrographic Department (海上保安庁水路部 暦計算研究会, 新こよみ便利帳).
/// The day that counts is announced a year ahead; the two have not differed so far.
fn equinox(year: i32, base: f64) -> Option<u32> {
    let years = (1980..=2099).contains(&year).then_some(year - 1980)?;
    let day = base + 0.242_194 * f64::from(years) - f64::from(years / 4);
    Some(day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Cabinet Office lists them (国民の祝日について, 内閣府), those in lieu and between included.
    const LISTED: [(i32, &str); 6] = [
        (
            2022,
            "01-01 01-10 02-11 02-23 03-21 04-29 05-03 05-04 05-05 07-18 08-11 09-19 09-23 10-10 11-03 11-23",
        ),
        (
            2023,
            "01-01 01-02 01-09 02-11 02-23 03-21 04-29 05-03 05-04 05-05 07-17 08-11 09-18 09-23 10-09 11-03 11-23",
        ),
        (
            2024,
            "01-01 01-08 02-11 02-12 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-22 09-23 10-14 11-03 11-04 11-23",
        ),
        (
            2025,
            "01-01 01-13 02-11 02-23 02-24 03-20 04-29 05-03 05-04 05-05 05-06 07-21 08-11 09-15 09-23 10-13 11-03 11-23 11-24",
        ),
        (
            2026,
            "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23",
        ),
        (
            2027,
            "01-01 01-11 02-11 02-23 03-21 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23",
        ),
    ];

    #[test]
    fn holidays_are_those_that_the_cabinet_office_lists() {
        for (year, listed) in LISTED {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).expect("a day");
            let days = first.iter_days().take_while(|day| day.year() == year);
            let found = days.filter(|&day| is_holiday(day));
            let found: Vec<String> = found.map(|day| day.format("%m-%d").to_string()).collect();
            assert_eq!(found.join(" "), listed, "{year}");
        }
    }

    #[test]
    fn a_month_begins_to_work_after_weekends_holidays_and_closed_days() {
        let first = |month: &str, closed: &ClosedDays| {
            let day = super::first(month.parse().expect("a month"), closed);
            day.to_string()[..10].to_owned()
        };
        let usual = ClosedDays::default();
        for (month, day) in [
            ("2026-12", "2026-12-01"),
            // The 1st is a Sunday.
            ("2026-11", "2026-11-02"),
            // To the 3rd closed; 2027-01-04 is a Monday.
            ("2027-01", "2027-01-04"),
            // The 1st a Saturday, the 3rd to the 5th holidays of the week, the 2nd a Sunday.
            ("2027-05", "2027-05-06"),
            // 2030-05-01 and 02 are days of work between weekends and holidays.
            ("2030-05", "2030-05-01"),
        ] {
            assert_eq!(first(month, &usual), day);
        }
        let open = ClosedDays(BTreeSet::new());
        assert_eq!(first("2026-01", &open), "2026-01-02");
        assert_eq!(first("2026-01", &usual), "2026-01-05");
        let ever = (1..=31).map(|day| DayOfYear { month: 12, day });
        assert_eq!(first("2026-12", &ClosedDays(ever.collect())), "2026-12-01");
        for bad in ["2-29", "02-30", "13-01", "12/29", ""] {
            assert!(bad.parse::<DayOfYear>().is_err(), "{bad}");
        }
    }
}
