//! The words of a schedule about business days: on which one of the month it runs, or where to it moves.

use std::fmt;
use std::num::NonZeroU8;

/// The highest count of `on: 3rd business day`: no month has more business days of a five-day week.
pub const NTH_MAX: u8 = 23;

/// Which days of an expression fire, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusinessDays {
    /// All, on their own day.
    #[default]
    Any,
    /// Only those that fall on this day of their month.
    On(DayOfMonth),
    /// All, but from a day that is no business day they go elsewhere.
    Shift(Shift),
}

/// One business day of each month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOfMonth {
    /// The first, second, third … one, up to [`NTH_MAX`]; a month without so many has none.
    BusinessDay(NonZeroU8),
    /// The last one.
    LastBusinessDay,
}

impl DayOfMonth {
    /// The words a rule may use, in the order of the documentation; any other count stands for `3rd`.
    pub const WORDS: [&str; 3] = ["first business day", "last business day", "3rd business day"];

    /// Reads `first business day`, `last business day` or `3rd business day`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(" business day")? {
            "first" => Some(Self::BusinessDay(NonZeroU8::MIN)),
            "last" => Some(Self::LastBusinessDay),
            nth => {
                let count: NonZeroU8 = nth.get(..nth.len().checked_sub(2)?)?.parse().ok()?;
                let is_right = count.get() <= NTH_MAX && nth == format!("{count}{}", ordinal_ending(count.get()));
                is_right.then_some(Self::BusinessDay(count))
            }
        }
    }
}

impl fmt::Display for DayOfMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BusinessDay(NonZeroU8::MIN) => f.write_str("first business day"),
            Self::BusinessDay(nth) => write!(f, "{nth}{} business day", ordinal_ending(nth.get())),
            Self::LastBusinessDay => f.write_str("last business day"),
        }
    }
}

fn ordinal_ending(count: u8) -> &'static str {
    match (count % 10, count % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    }
}

/// Where to a firing goes from a day that is no business day, at the same time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// To the business day before.
    Before,
    /// To the business day after.
    After,
    /// It is left out.
    Skip,
}

impl Shift {
    /// The words a rule may use, with what they mean, in the order of the documentation.
    pub const WORDS: [(&str, Self); 3] = [("before", Self::Before), ("after", Self::After), ("skip", Self::Skip)];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Skip => "skip",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_the_month_is_read_as_it_is_written() {
        for text in [
            "first business day",
            "last business day",
            "2nd business day",
            "3rd business day",
            "11th business day",
            "23rd business day",
        ] {
            assert_eq!(DayOfMonth::parse(text).map(|day| day.to_string()).as_deref(), Some(text));
        }
        assert_eq!(DayOfMonth::parse("1st business day"), DayOfMonth::parse("first business day"));
        for text in [
            "24th business day",
            "0th business day",
            "3th business day",
            "first day",
            "business day",
            "ß business day",
            "+3rd business day",
        ] {
            assert_eq!(DayOfMonth::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_listed_word_is_read() {
        assert!(DayOfMonth::WORDS.iter().all(|word| DayOfMonth::parse(word).is_some()));
        assert!(Shift::WORDS.iter().all(|(word, shift)| shift.as_str() == *word));
    }
}
