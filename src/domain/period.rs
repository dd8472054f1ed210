//! The stretch of days a statement covers, counted from the day it was scheduled for.

use std::fmt;

use crate::domain::date::{Date, shifted};

/// Which days a statement covers, as a rule names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Period {
    /// The whole month before the scheduled day's.
    #[default]
    PreviousMonth,
    /// Monday to Sunday of the week before the scheduled day's.
    PreviousWeek,
    /// From the first of the scheduled day's month up to that day.
    MonthToDate,
    /// The thirty days that end with the scheduled day.
    ThirtyDays,
}

impl Period {
    /// Every period with the words for it.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("previous month", Self::PreviousMonth),
        ("previous week", Self::PreviousWeek),
        ("month to date", Self::MonthToDate),
        ("30 days", Self::ThirtyDays),
    ];

    /// Returns the days it means for a statement scheduled for `scheduled_on`.
    pub fn days(self, scheduled_on: Date) -> Interval {
        let first_of_month = scheduled_on.first_of_month();
        match self {
            Self::PreviousMonth => {
                let to = shifted(first_of_month, -1);
                Interval { from: to.first_of_month(), to }
            }
            Self::PreviousWeek => {
                let monday = shifted(scheduled_on, -i32::from(scheduled_on.weekday().to_monday_zero_offset()));
                Interval { from: shifted(monday, -7), to: shifted(monday, -1) }
            }
            Self::MonthToDate => Interval { from: first_of_month, to: scheduled_on },
            Self::ThirtyDays => Interval { from: shifted(scheduled_on, -29), to: scheduled_on },
        }
    }
}

/// The days from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

impl fmt::Display for Interval {
    /// Writes `2026-10-01/2026-10-31`. Source: ISO 8601, time intervals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_period_is_counted_from_the_scheduled_day() {
        for (words, scheduled_on, expected) in [
            ("previous month", date(2026, 11, 2), "2026-10-01/2026-10-31"),
            ("previous month", date(2028, 3, 31), "2028-02-01/2028-02-29"),
            ("previous month", date(2027, 1, 1), "2026-12-01/2026-12-31"),
            ("previous week", date(2026, 11, 2), "2026-10-26/2026-11-01"), // A Monday.
            ("previous week", date(2026, 11, 8), "2026-10-26/2026-11-01"), // The Sunday after it.
            ("previous week", date(2027, 1, 1), "2026-12-21/2026-12-27"),
            ("month to date", date(2026, 11, 1), "2026-11-01/2026-11-01"),
            ("month to date", date(2028, 2, 29), "2028-02-01/2028-02-29"),
            ("30 days", date(2028, 3, 1), "2028-02-01/2028-03-01"),
            ("30 days", date(2027, 3, 1), "2027-01-31/2027-03-01"),
        ] {
            let period = Period::WORDS.iter().find(|(own, _)| *own == words).unwrap().1;
            assert_eq!(period.days(scheduled_on).to_string(), expected, "{words} from {scheduled_on}");
        }
    }
}
