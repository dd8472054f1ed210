//! Simple interest on a sum that shrinks, at rates that change: line by line, exact, rounded where it is said.
//!
//! Interest never bears interest. Every choice that laws and contracts make differently (how days are counted, where cents are
//! rounded, whether the rate follows the table) is a field of [`Terms`], and nothing here knows a law.

use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::Decimal;
use thiserror::Error;

use crate::domain::date::{Date, day_number, shifted};
use crate::domain::money::{Currency, half_up};
use crate::domain::rate_table::{RateFault, RateTable};

/// The most lines of one computation: rates of half-years over a century, and some hundred payments.
pub const LINES_MAX: usize = 1_000;

/// How days become parts of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayCount {
    /// Every day is a 365th of a year.
    Actual365,
    /// A day is a 366th in a leap year, else a 365th.
    ActualActual,
    /// Every month has 30 days and a year 360: day 31 counts as day 30. Source: ISDA 2006 definitions, section 4.16(g), "30E/360".
    Thirty360,
}

/// Where an amount is rounded to the currency's minor unit, a half away from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The interest of one day, which is then taken as often as there are days.
    Day,
    /// Each line.
    Line,
    /// The sum alone; lines are shown so that they add up to it.
    End,
}

/// Which rate of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateOf {
    /// Each day the one in force: it changes in the middle of a delay.
    EachDay,
    /// That of the first day, to the end.
    FirstDay,
}

/// Percent a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Always the same.
    Fixed(Decimal),
    /// Points above a table's rate. A sum below zero is no interest.
    Table {
        /// The table.
        table: Arc<RateTable>,
        /// Percentage points above it.
        points: Decimal,
        /// Which of its rates.
        of: RateOf,
    },
}

/// How interest is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Percent a year.
    pub rate: Rate,
    /// The most percent a year.
    pub rate_at_most: Option<Decimal>,
    /// How days are counted.
    pub day_count: DayCount,
    /// Where cents are rounded.
    pub rounding: Rounding,
}

/// What bears interest, from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The first day.
    pub from: Date,
    /// How much, in major units; zero or less bears none.
    pub amount: Decimal,
}

/// The interest of days with one sum and one rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterestLine {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// How many days, as they are counted.
    pub days: i32,
    /// What bears interest.
    pub principal: Decimal,
    /// Percent a year.
    pub percent: Decimal,
    /// How many days a year has.
    pub year_days: u32,
    /// The interest, in the currency's minor units.
    pub amount: Decimal,
}

/// Interest with its lines, which add up to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Line by line, in the order of days.
    pub lines: Vec<InterestLine>,
    /// The sum of the lines.
    pub amount: Decimal,
}

/// Why interest cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterestFault {
    /// There is no rate for a day.
    #[error(transparent)]
    Rate(#[from] RateFault),
    /// An amount leaves the range of exact decimals.
    #[error("The interest is too large to be computed")]
    TooLarge,
    /// There are more lines than anybody can follow.
    #[error("The interest has more than {LINES_MAX} lines")]
    TooManyLines,
}

impl Terms {
    /// Returns the interest from `from` to `to`, both days included; none where `to` is earlier.
    ///
    /// `principals` are in the order of days; before the first there is no principal.
    ///
    /// # Errors
    /// There is no rate for a day, or the figures leave their bounds.
    pub fn interest(
        &self,
        principals: &[Principal],
        from: Date,
        to: Date,
        currency: Currency,
    ) -> Result<Interest, InterestFault> {
        let mut lines: Vec<InterestLine> = Vec::new();
        let starts = self.starts(principals, from, to);
        for (start, end) in starts.iter().zip(starts.iter().skip(1).map(|next| shifted(*next, -1)).chain([to])) {
            let place = principals.partition_point(|principal| principal.from <= *start);
            let principal = place.checked_sub(1).map_or(Decimal::ZERO, |place| principals[place].amount);
            if principal <= Decimal::ZERO {
                continue;
            }
            let (percent, year_days) = (self.percent(from, *start, end)?, self.year_days(*start));
            let days = self.days(*start, end);
            match lines.last_mut() {
                // A table may state a rate again that did not change.
                Some(last)
                    if (last.principal, last.percent, last.year_days) == (principal, percent, year_days)
                        && shifted(last.to, 1) == *start =>
                {
                    (last.to, last.days) = (end, last.days + days);
                }
                _ => {
                    let amount = Decimal::ZERO;
                    lines.push(InterestLine { from: *start, to: end, days, principal, percent, year_days, amount });
                }
            }
        }
        // The 31st has no days of its own where months have thirty.
        lines.retain(|line| line.days != 0);
        if lines.len() > LINES_MAX {
            return Err(InterestFault::TooManyLines);
        }
        self.fill(&mut lines, currency.minor_digits())?;
        let amount = sum(lines.iter().map(|line| line.amount))?;
        Ok(Interest { lines, amount })
    }

    /// Returns the first day of each stretch with one sum, one rate and one length of year.
    fn starts(&self, principals: &[Principal], from: Date, to: Date) -> Vec<Date> {
        if to < from {
            return Vec::new();
        }
        let is_within = |day: &Date| from < *day && *day <= to;
        let mut starts: BTreeSet<Date> = principals.iter().map(|principal| principal.from).filter(is_within).collect();
        starts.insert(from);
        if let Rate::Table { table, of: RateOf::EachDay, .. } = &self.rate {
            starts.extend(table.changes(from, to));
        }
        if self.day_count == DayCount::ActualActual {
            let new_years = (from.year()..=to.year()).filter_map(|year| Date::new(year, 1, 1).ok());
            starts.extend(new_years.filter(is_within));
        }
        starts.into_iter().collect()
    }

    /// Returns the percent a year of a stretch with one rate.
    fn percent(&self, first: Date, start: Date, end: Date) -> Result<Decimal, RateFault> {
        let percent = match &self.rate {
            Rate::Fixed(percent) => *percent,
            Rate::Table { table, points, of: RateOf::EachDay } => {
                // The table may end in the middle of the stretch; an old rate must not stand for what comes after.
                table.on(end)?;
                table.on(start)? + points
            }
            Rate::Table { table, points, of: RateOf::FirstDay } => table.on(first)? + points,
        };
        Ok(self.rate_at_most.map_or(percent, |most| percent.min(most)).max(Decimal::ZERO))
    }

    fn year_days(&self, day: Date) -> u32 {
        match self.day_count {
            DayCount::ActualActual if day.in_leap_year() => 366,
            DayCount::Actual365 | DayCount::ActualActual => 365,
            DayCount::Thirty360 => 360,
        }
    }

    /// Returns how many days there are from `from` to `to`, both included.
    fn days(&self, from: Date, to: Date) -> i32 {
        let number = |day: Date| match self.day_count {
            DayCount::Actual365 | DayCount::ActualActual => day_number(day),
            DayCount::Thirty360 => 360 * i32::from(day.year()) + 30 * i32::from(day.month()) + i32::from(day.day()).min(30),
        };
        number(to) - number(shifted(from, -1))
    }

    /// Computes the amount of every line.
    fn fill(&self, lines: &mut [InterestLine], digits: u32) -> Result<(), InterestFault> {
        let mut sums = Parts::default();
        let mut before = Decimal::ZERO;
        for line in lines {
            let product = |days: i32| {
                let yearly = line.principal.checked_mul(line.percent)?;
                yearly.checked_mul(Decimal::from(days))
            };
            let part = |days: i32| {
                let mut parts = Parts::default();
                parts.add(line.year_days, product(days).ok_or(InterestFault::TooLarge)?)?;
                parts.rounded(digits)
            };
            line.amount = match self.rounding {
                Rounding::Day => part(1)?.checked_mul(Decimal::from(line.days)).ok_or(InterestFault::TooLarge)?,
                Rounding::Line => part(line.days)?,
                Rounding::End => {
                    sums.add(line.year_days, product(line.days).ok_or(InterestFault::TooLarge)?)?;
                    let so_far = sums.rounded(digits)?;
                    let own = so_far - before;
                    before = so_far;
                    own
                }
            };
        }
        Ok(())
    }
}

impl Interest {
    /// Returns it with no more than `most` in all: what the last lines are over that is taken from them.
    pub fn at_most(mut self, most: Decimal) -> Self {
        let mut left = most.max(Decimal::ZERO);
        for line in &mut self.lines {
            line.amount = line.amount.min(left);
            left -= line.amount;
        }
        self.amount = self.amount.min(most.max(Decimal::ZERO));
        self
    }
}

/// Sums of `principal × percent × days`, apart for each length of a year, so that nothing is divided before the end.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    of_360: Decimal,
    of_365: Decimal,
    of_366: Decimal,
}

impl Parts {
    fn add(&mut self, year_days: u32, product: Decimal) -> Result<(), InterestFault> {
        let part = match year_days {
            360 => &mut self.of_360,
            366 => &mut self.of_366,
            _ => &mut self.of_365,
        };
        *part = part.checked_add(product).ok_or(InterestFault::TooLarge)?;
        Ok(())
    }

    /// Returns the amount, rounded. One division alone: a half is seen as such, whatever the parts.
    fn rounded(self, digits: u32) -> Result<Decimal, InterestFault> {
        let amount = || {
            let (numerator, divisor) = match (self.of_360.is_zero(), self.of_366.is_zero()) {
                (false, _) => (self.of_360, 36_000),
                (true, true) => (self.of_365, 36_500),
                (true, false) => {
                    let over = self.of_365.checked_mul(Decimal::from(366))?;
                    let own = self.of_366.checked_mul(Decimal::from(365))?;
                    (over.checked_add(own)?, 100 * 365 * 366)
                }
            };
            numerator.checked_div(Decimal::from(divisor))
        };
        amount().map(|amount| half_up(amount, digits)).ok_or(InterestFault::TooLarge)
    }
}

fn sum(mut amounts: impl Iterator<Item = Decimal>) -> Result<Decimal, InterestFault> {
    amounts.try_fold(Decimal::ZERO, Decimal::checked_add).ok_or(InterestFault::TooLarge)
}

#[cfg(test)]
mod tests;
