//! The days of a case: dates as they are, or counted from its first day: `day 8`.

use crate::domain::date::{Date, ISO, days_between, shifted};
use crate::yaml::{self, Node, Problems};

/// Day 1 of a case that does not say: a Monday.
const FIRST: Date = Date::constant(2026, 3, 2);
/// The farthest that a day may be from the first, in days.
const DISTANCE_MAX: i32 = 3_660;

/// Counts days from the first day of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    first: Date,
}

impl Default for Days {
    fn default() -> Self {
        Self { first: FIRST }
    }
}

impl Days {
    /// Counts from `first`, which is day 1.
    pub fn from(first: Date) -> Self {
        Self { first }
    }

    /// Returns day 1.
    pub fn first(self) -> Date {
        self.first
    }

    /// Returns which day of the case a date is: 1 for the first.
    pub fn number(self, date: Date) -> i32 {
        days_between(self.first, date) + 1
    }

    /// Reads `2026-03-09` or `day 8`.
    pub fn parse(self, text: &str) -> Option<Date> {
        if let Some(number) = text.strip_prefix("day ") {
            let number: i32 = number.trim().parse().ok()?;
            return (number.abs() <= DISTANCE_MAX).then(|| shifted(self.first, number - 1));
        }
        Date::strptime(ISO, text).ok()
    }

    /// Returns a reader of days.
    pub(crate) fn reader(self) -> impl Fn(&Node, &mut Problems<'_>) -> Option<Date> {
        move |node, problems| {
            let text = yaml::text(node, problems)?;
            let day = self.parse(&text);
            if day.is_none() {
                problems.error_hint(node.span, format!("`{text}` is not a day"), "write `2026-03-09`, or `day 8`");
            }
            day
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_is_a_date_or_a_number_from_the_first() {
        let days = Days::from(date(2026, 12, 30));
        for (text, expected) in [
            ("day 1", Some(date(2026, 12, 30))),
            ("day 4", Some(date(2027, 1, 2))),
            ("day 0", Some(date(2026, 12, 29))),
            ("day -28", Some(date(2026, 12, 1))),
            ("2027-02-03", Some(date(2027, 2, 3))),
            ("day 99999", None),
            ("day", None),
            ("8", None),
            ("3.2.2027", None),
        ] {
            assert_eq!(days.parse(text), expected, "{text}");
        }
        assert_eq!(days.number(date(2027, 1, 2)), 4);
    }
}
