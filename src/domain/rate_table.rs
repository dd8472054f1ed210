//! Rates that change on days: a table with its source, and the days it answers for.
//!
//! A table never answers for a day it was not made for: before its first rate and after the last day it was checked for
//! there is no rate, so that an old one is never taken in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use thiserror::Error;

use crate::domain::date::Date;

/// A rate, from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// The first day it holds.
    pub from: Date,
    /// Percent a year; may be negative.
    pub percent: Decimal,
}

/// Rates of one kind, such as those of a central bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTable {
    /// The word it is asked for by: `ecb`.
    pub name: String,
    /// What the rates are, in a sentence.
    pub title: String,
    /// Who publishes them.
    pub source: String,
    /// The file it was read from.
    pub file: String,
    /// The rates, the oldest first; never empty.
    pub steps: Vec<RateStep>,
    /// The last day for which the table was checked.
    pub valid_to: Date,
}

/// Why there is no rate for a day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RateFault {
    /// The day is before the first rate.
    #[error("The rates `{table}` begin on {first}; there is none for {day}")]
    Before {
        /// The table.
        table: String,
        /// The first day it has a rate for.
        first: Date,
        /// The day that was asked for.
        day: Date,
    },
    /// The day is after the last one that the table was checked for.
    #[error(
        "The rates `{table}` were checked up to {last}; there is none for {day}: add the rates since then, and a later `valid_to`"
    )]
    After {
        /// The table.
        table: String,
        /// The last day it was checked for.
        last: Date,
        /// The day that was asked for.
        day: Date,
    },
}

impl RateTable {
    /// Returns what every fault about a day after its last one begins with.
    pub fn ended_words(&self) -> String {
        format!("The rates `{}` were checked up to {}", self.name, self.valid_to)
    }

    /// Returns the percent a year that hold on a day.
    ///
    /// # Errors
    /// The table does not answer for that day.
    pub fn on(&self, day: Date) -> Result<Decimal, RateFault> {
        let table = || self.name.clone();
        if day > self.valid_to {
            return Err(RateFault::After { table: table(), last: self.valid_to, day });
        }
        let count = self.steps.partition_point(|step| step.from <= day);
        match count.checked_sub(1) {
            Some(last) => Ok(self.steps[last].percent),
            None => {
                Err(RateFault::Before { table: table(), first: self.steps.first().map_or(self.valid_to, |step| step.from), day })
            }
        }
    }

    /// Returns the days after `from` up to `to` on which another rate begins.
    pub fn changes(&self, from: Date, to: Date) -> impl Iterator<Item = Date> + '_ {
        self.steps.iter().map(|step| step.from).filter(move |day| from < *day && *day <= to)
    }
}

/// The tables of a workspace, by name.
pub type RateTables = BTreeMap<String, Arc<RateTable>>;

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use rust_decimal::dec;

    #[test]
    fn a_day_outside_the_table_has_no_rate_and_never_an_old_one() {
        let step = |from, percent| RateStep { from, percent };
        let table = RateTable {
            name: "bank".into(),
            title: "Rates".into(),
            source: "The bank".into(),
            file: "rates/bank.yaml".into(),
            steps: vec![step(date(2024, 1, 1), dec!(3.62)), step(date(2024, 7, 1), dec!(-0.88))],
            valid_to: date(2024, 12, 31),
        };
        for (day, expected) in [
            (date(2024, 1, 1), dec!(3.62)),
            (date(2024, 6, 30), dec!(3.62)),
            (date(2024, 7, 1), dec!(-0.88)),
            (date(2024, 12, 31), dec!(-0.88)),
        ] {
            assert_eq!(table.on(day), Ok(expected), "{day}");
        }
        let fault = |day| table.on(day).unwrap_err().to_string();
        assert_eq!(fault(date(2023, 12, 31)), "The rates `bank` begin on 2024-01-01; there is none for 2023-12-31");
        assert_eq!(
            fault(date(2025, 1, 1)),
            "The rates `bank` were checked up to 2024-12-31; there is none for 2025-01-01: add the rates since then, and a later `valid_to`"
        );
        assert!(fault(date(2025, 1, 1)).starts_with(&table.ended_words()));
        assert_eq!(table.changes(date(2024, 1, 1), date(2024, 12, 31)).collect::<Vec<_>>(), [date(2024, 7, 1)]);
        assert_eq!(table.changes(date(2024, 7, 1), date(2024, 12, 31)).count(), 0);
    }
}
