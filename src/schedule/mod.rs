//! When a rule runs: cron expressions, time zones, and what becomes of a run that was missed.
//!
//! Pure text functions: they know neither YAML nor a clock. The rule floor reads the node and places the faults;
//! the instant to search from is an argument.

mod calendar;
mod cron;
mod firing;
mod zone;

pub use calendar::Calendar;
pub use cron::{CRON_CHARACTERS_MAX, Cron, CronFault};
pub use firing::Firing;
pub use zone::{TimeZoneName, ZoneFault};

/// What becomes of runs that fell due while the daemon was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last of them is made up for, once.
    #[default]
    Latest,
    /// Each is made up for, in order.
    All,
}

impl Missed {
    /// The words a rule may use, in the order of the documentation.
    pub const WORDS: [&str; 3] = ["skip", "latest", "all"];

    /// Reads one of [`Missed::WORDS`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "skip" => Some(Self::Skip),
            "latest" => Some(Self::Latest),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// Which one of the cron expression's days in a month is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOfMonth {
    /// The first day of the month that is neither weekend nor holiday.
    FirstBusinessDay,
    /// The last such day.
    LastBusinessDay,
}

impl DayOfMonth {
    /// The words a rule may use, in the order of the documentation.
    pub const WORDS: [&str; 2] = ["first business day", "last business day"];

    /// Reads one of [`DayOfMonth::WORDS`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "first business day" => Some(Self::FirstBusinessDay),
            "last business day" => Some(Self::LastBusinessDay),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_word_is_read_and_no_other() {
        assert_eq!(Missed::WORDS.map(Missed::parse), [Some(Missed::Skip), Some(Missed::Latest), Some(Missed::All)]);
        assert_eq!(Missed::parse("Latest"), None);
        let days = [Some(DayOfMonth::FirstBusinessDay), Some(DayOfMonth::LastBusinessDay)];
        assert_eq!(DayOfMonth::WORDS.map(DayOfMonth::parse), days);
        assert_eq!(DayOfMonth::parse("first day"), None);
    }
}
