//! Business days: which days are neither weekend nor holiday, and the days counted by them.
//!
//! It knows no file: `crate::config` reads calendar files and hands over the holidays (docs/decisions/0017). Easter is
//! computed here; nothing else is known of any country.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use thiserror::Error;

use crate::domain::date::{Days, shifted};

/// The longest run of days without a business day that a calendar may have.
pub const CLOSED_DAYS_MAX: u32 = 31;
/// The most holidays of one calendar.
pub const HOLIDAYS_MAX: usize = 5_000;
/// The years in which recurring holidays are looked at for runs that are too long.
const YEARS_CHECKED: std::ops::RangeInclusive<i16> = 1970..=2169;

/// On which day of which years a holiday falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HolidayDay {
    /// This day alone.
    On(Date),
    /// This day of every year that `years` takes in; 29 February in leap years only.
    Every {
        /// The month, 1 to 12.
        month: i8,
        /// The day of the month, 1 to 31.
        day: i8,
        /// In which years.
        years: Years,
    },
    /// So many days after Easter Sunday (negative: before).
    Easter {
        /// The days from Easter Sunday.
        offset: i32,
        /// In which years.
        years: Years,
    },
}

/// Some of the years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Years {
    /// The first; `None`: since ever.
    pub from: Option<i16>,
    /// The last; `None`: for ever.
    pub until: Option<i16>,
    /// Every so many years from `from` on, at least 1.
    pub step: i16,
}

impl Default for Years {
    fn default() -> Self {
        Self { from: None, until: None, step: 1 }
    }
}

impl Years {
    fn has(self, year: i16) -> bool {
        let since = i32::from(year) - i32::from(self.from.unwrap_or(0));
        self.from.is_none_or(|from| year >= from)
            && self.until.is_none_or(|until| year <= until)
            && since % i32::from(self.step.max(1)) == 0
    }
}

/// A day on which nobody works, and what people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holiday {
    /// When it is.
    pub day: HolidayDay,
    /// Its name: `Christmas Day`.
    pub name: String,
}

/// The days on which nobody works. The default one has none: every day is a business day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    weekend: Vec<Weekday>,
    dated: BTreeMap<Date, String>,
    yearly: BTreeMap<(i8, i8), Vec<(Years, String)>>,
    easter: BTreeMap<i32, Vec<(Years, String)>>,
}

/// A calendar by which nobody ever works.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CalendarFault {
    /// The weekend takes the whole week.
    #[error("A weekend of all seven days leaves no business day")]
    NoWeek,
    /// Weekends and holidays join to a run that is too long.
    #[error("There is no business day from {first} for more than {CLOSED_DAYS_MAX} days")]
    ClosedTooLong {
        /// The first day of the run.
        first: Date,
    },
}

impl Calendar {
    /// Returns the calendar with this weekend and these holidays. Where two fall on one day, the first names it.
    ///
    /// # Errors
    /// `NoWeek` or `ClosedTooLong`: what moves to the next business day must find one.
    pub fn new(weekend: &[Weekday], holidays: Vec<Holiday>) -> Result<Self, CalendarFault> {
        let mut calendar = Self::default();
        for day in weekend {
            if !calendar.weekend.contains(day) {
                calendar.weekend.push(*day);
            }
        }
        if calendar.weekend.len() == 7 {
            return Err(CalendarFault::NoWeek);
        }
        for Holiday { day, name } in holidays {
            match day {
                HolidayDay::On(date) => drop(calendar.dated.entry(date).or_insert(name)),
                HolidayDay::Every { month, day, years } => {
                    calendar.yearly.entry((month, day)).or_default().push((years, name));
                }
                HolidayDay::Easter { offset, years } => calendar.easter.entry(offset).or_default().push((years, name)),
            }
        }
        calendar.check_runs()?;
        Ok(calendar)
    }

    /// Returns whether people work on `date`.
    pub fn is_business_day(&self, date: Date) -> bool {
        self.why_not(date).is_none()
    }

    /// Returns why `date` is no business day: the holiday's name, or `weekend`; `None` where it is one.
    pub fn why_not(&self, date: Date) -> Option<&str> {
        let named = |list: &'_ [(Years, String)]| list.iter().position(|(years, _)| years.has(date.year()));
        if let Some(name) = self.dated.get(&date) {
            return Some(name);
        }
        if let Some(list) = self.yearly.get(&(date.month(), date.day()))
            && let Some(place) = named(list)
        {
            return Some(&list[place].1);
        }
        if !self.easter.is_empty() {
            let offset = easter_sunday(date.year()).map(|easter| crate::domain::date::days_between(easter, date));
            if let Some(list) = offset.and_then(|offset| self.easter.get(&offset))
                && let Some(place) = named(list)
            {
                return Some(&list[place].1);
            }
        }
        self.weekend.contains(&date.weekday()).then_some("weekend")
    }

    /// Returns `date` if it is a business day, otherwise the last one before it.
    pub fn business_day_on_or_before(&self, date: Date) -> Date {
        self.nearest(date, -1)
    }

    /// Returns `date` if it is a business day, otherwise the first one after it.
    pub fn business_day_on_or_after(&self, date: Date) -> Date {
        self.nearest(date, 1)
    }

    /// Returns the `count`-th business day after `date`, or before it where `count` is negative; 0 is `date` itself.
    ///
    /// At most a hundred years' worth of days are counted ([`Days::MAX`]).
    pub fn add_business_days(&self, date: Date, count: i32) -> Date {
        let step = count.signum();
        let most = count.unsigned_abs().min(Days::MAX.count().unsigned_abs());
        (0..most).fold(date, |day, _| self.nearest(shifted(day, step), step))
    }

    /// Returns how many business days lie after `from` up to and including `to`; negative where `to` is earlier.
    ///
    /// What [`Calendar::add_business_days`] adds to a business day, this counts. At most a hundred years are counted.
    pub fn business_days_between(&self, from: Date, to: Date) -> i32 {
        let span = crate::domain::date::days_between(from, to);
        let step = span.signum();
        let days = span.abs().min(Days::MAX.count());
        let is_business_day = |count: &i32| self.is_business_day(shifted(from, count * step));
        step * (1..=days).filter(is_business_day).count() as i32
    }

    /// Returns the `nth` business day (from 1) of the month that `date` lies in, or `None` where it has not so many.
    pub fn business_day_of_month(&self, date: Date, nth: u8) -> Option<Date> {
        let first = date.first_of_month();
        let days = (0..i32::from(date.days_in_month())).map(|count| shifted(first, count));
        days.filter(|day| self.is_business_day(*day)).nth(usize::from(nth.checked_sub(1)?))
    }

    /// Returns the last business day of the month that `date` lies in, or `None` where it has none.
    pub fn last_business_day_of_month(&self, date: Date) -> Option<Date> {
        let last = self.business_day_on_or_before(date.last_of_month());
        (last.month() == date.month() && self.is_business_day(last)).then_some(last)
    }

    /// Returns the last day that is a holiday of its own year only; `None` where all come again.
    pub fn last_dated(&self) -> Option<Date> {
        self.dated.keys().next_back().copied()
    }

    /// Walks day by day to a business day. `check_runs` has seen to it that one is near.
    fn nearest(&self, date: Date, step: i32) -> Date {
        let mut days = (0..=CLOSED_DAYS_MAX as i32).map(|count| shifted(date, count * step));
        days.find(|day| self.is_business_day(*day)).unwrap_or(date)
    }

    /// Looks at every run of closed days that a holiday is part of.
    fn check_runs(&self) -> Result<(), CalendarFault> {
        let yearly = YEARS_CHECKED.flat_map(|year| {
            let fixed = self.yearly.keys().filter_map(move |(month, day)| Date::new(year, *month, *day).ok());
            let easter = easter_sunday(year).into_iter();
            fixed.chain(easter.flat_map(|easter| self.easter.keys().map(move |offset| shifted(easter, *offset))))
        });
        for day in self.dated.keys().copied().chain(yearly) {
            let closed = |step: i32| {
                let days = (0..=CLOSED_DAYS_MAX as i32).map(move |count| shifted(day, count * step));
                days.take_while(|day| !self.is_business_day(*day)).count() as u32
            };
            let (before, after) = (closed(-1), closed(1));
            // The day itself is in both.
            if before + after > CLOSED_DAYS_MAX + 1 {
                return Err(CalendarFault::ClosedTooLong { first: shifted(day, 1 - before as i32) });
            }
        }
        Ok(())
    }
}

/// Returns Easter Sunday of `year` in the Gregorian calendar, or `None` before it was introduced.
///
/// Source: the anonymous Gregorian computus (Meeus/Jones/Butcher).
pub fn easter_sunday(year: i16) -> Option<Date> {
    if year < 1583 {
        return None;
    }
    let year_number = i32::from(year);
    let golden = year_number % 19;
    let (century, rest) = (year_number / 100, year_number % 100);
    let (leap_centuries, century_rest) = (century / 4, century % 4);
    let lunar_correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - leap_centuries - lunar_correction + 15) % 30;
    let weekday = (32 + 2 * century_rest + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let days = epact + weekday - 7 * late + 114;
    Date::new(year, (days / 31) as i8, (days % 31 + 1) as i8).ok()
}

#[cfg(test)]
mod tests;
