//! Calendar dates without time or zone, and the spans of days that rules speak of.

use std::fmt;

pub use jiff::Timestamp;
pub use jiff::civil::Date;

/// The form every command, file and JSON line uses: `2026-11-21` (ISO 8601).
pub const ISO: &str = "%Y-%m-%d";

/// A whole number of days, 0 to 36,500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(u16);

impl Days {
    /// The longest span a rule may name: a hundred years.
    pub const MAX: Self = Self(36_500);

    /// Returns `count` days, or `None` beyond [`Days::MAX`].
    pub const fn new(count: u32) -> Option<Self> {
        if count <= Self::MAX.0 as u32 { Some(Self(count as u16)) } else { None }
    }

    /// Reads `3 days` or `1 day`.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.trim().split_once(char::is_whitespace)?;
        let count: u32 = count.bytes().all(|byte| byte.is_ascii_digit()).then(|| count.parse().ok())??;
        matches!(unit.trim(), "day" | "days").then(|| Self::new(count))?
    }

    /// Returns the number of days.
    pub fn count(self) -> i32 {
        i32::from(self.0)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "day" } else { "days" })
    }
}

/// Which days a span counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayUnit {
    /// All of them.
    #[default]
    Calendar,
    /// Those on which people work.
    Business,
}

/// A number of days of one sort: `3 days`, `5 business days`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySpan {
    /// How many.
    pub days: Days,
    /// Of which.
    pub unit: DayUnit,
}

impl DaySpan {
    /// Reads `3 days`, `1 day`, `5 business days` or `1 business day`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(days) = Days::parse(text) {
            return Some(Self { days, unit: DayUnit::Calendar });
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let [count, "business", unit] = words[..] else { return None };
        Some(Self { days: Days::parse(&format!("{count} {unit}"))?, unit: DayUnit::Business })
    }
}

impl From<Days> for DaySpan {
    fn from(days: Days) -> Self {
        Self { days, unit: DayUnit::Calendar }
    }
}

impl fmt::Display for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.days.0 == 1 { "day" } else { "days" };
        match self.unit {
            DayUnit::Calendar => write!(f, "{} {unit}", self.days.0),
            DayUnit::Business => write!(f, "{} business {unit}", self.days.0),
        }
    }
}

/// Returns `date` moved by `days` (negative: earlier), held at the ends of the calendar (years −9999 to 9999).
pub fn shifted(date: Date, days: i32) -> Date {
    date.saturating_add(jiff::Span::new().days(days))
}

/// Returns the days from `from` to `to`, negative where `to` is earlier.
pub fn days_between(from: Date, to: Date) -> i32 {
    // Day numbers are cheaper than a calendar difference, and planning asks this for every invoice.
    day_number(to) - day_number(from)
}

/// Returns the proleptic Gregorian day number, day 0 being 1970-01-01.
///
/// Source: the "days from civil" algorithm over 400-year eras of 146,097 days.
pub fn day_number(date: Date) -> i32 {
    let (month, day) = (i32::from(date.month()), i32::from(date.day()));
    let year = i32::from(date.year()) - i32::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn day_numbers_agree_with_the_calendar_over_two_centuries() {
        let (mut day, mut number) = (date(1899, 12, 31), day_number(date(1899, 12, 31)));
        assert_eq!(day_number(date(1970, 1, 1)), 0);
        while day < date(2101, 1, 1) {
            day = day.tomorrow().unwrap();
            number += 1;
            assert_eq!(day_number(day), number, "{day}");
        }
    }

    #[test]
    fn spans_of_days_have_one_spelling() {
        assert_eq!(Days::parse("3 days").map(Days::count), Some(3));
        assert_eq!(Days::parse("1 day").map(Days::count), Some(1));
        assert_eq!(Days::parse("0 days").map(Days::count), Some(0));
        for bad in ["3", "-3 days", "+3 days", "3 weeks", "days", "3.5 days", "99999 days"] {
            assert_eq!(Days::parse(bad), None, "{bad}");
            assert_eq!(DaySpan::parse(bad), None, "{bad}");
        }
        for text in ["3 days", "1 day", "5 business days", "1 business day"] {
            assert_eq!(DaySpan::parse(text).map(|span| span.to_string()).as_deref(), Some(text));
        }
        for bad in ["business days", "5 business", "5 business weeks", "five business days", "5 days business"] {
            assert_eq!(DaySpan::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_shift_crosses_leap_days_and_stops_at_the_ends() {
        assert_eq!(shifted(date(2028, 2, 28), 1), date(2028, 2, 29));
        assert_eq!(shifted(date(2028, 3, 1), -1), date(2028, 2, 29));
        assert_eq!(shifted(Date::MAX, 5), Date::MAX);
    }
}
