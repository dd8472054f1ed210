//! When a rule runs: from a cron expression, a zone and a calendar to instants, through both clock changes of the year.
//!
//! An expression names local times, as the clock on the wall shows them; each is one firing (docs/decisions/0016):
//! one that comes twice fires the first time, one that does not come fires at the first moment after the gap, together
//! with all others of that gap. Days are chosen and moved by the calendar before that. It reads no clock.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::domain::date::shifted;
use crate::schedule::{BusinessDays, Calendar, Cron, DayOfMonth, Shift};

/// The most firings that are computed at once.
pub const FIRINGS_MAX: usize = 1_000;
/// The most days of an expression that are looked at for one that the calendar allows, and how many years ahead.
const DAYS_TRIED_MAX: usize = 500;
const YEARS_TRIED_MAX: i16 = 60;

/// One time at which a rule is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The scheduled local time, after any shift: what the firing is known by.
    pub local: DateTime,
    /// The instant it falls on.
    pub at: Zoned,
    /// Why it is not when the cron expression says, in words for people; empty where it is.
    pub notes: Vec<String>,
}

/// Everything that decides when something fires.
#[derive(Clone, Copy, Debug)]
pub struct Timetable<'a> {
    /// At which local times.
    pub cron: &'a Cron,
    /// By whose clock.
    pub zone: &'a TimeZone,
    /// Which days, or where to a firing moves from a closed day.
    pub days: BusinessDays,
    /// Which days are closed.
    pub calendar: &'a Calendar,
}

/// A local time that an expression and the calendar give, and the day the expression means, before any shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Planned {
    local: DateTime,
    meant: Date,
}

/// A stretch of local time that does not come: from `start` up to `end`, which comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    start: DateTime,
    end: DateTime,
    at: Timestamp,
}

impl Timetable<'_> {
    /// Returns the first firing whose local time is after `after`, or `None` where there is none within the calendar.
    ///
    /// Firings ascend strictly, both in local time and in instant. Where the calendar leaves out one day of the expression
    /// after another, hundreds of them are tried, sixty years ahead at most.
    pub fn next_after(&self, after: DateTime) -> Option<Firing> {
        // A local time inside a gap stands before the one firing that all times of the gap share.
        let searched_from = match gap_at(self.zone, after) {
            Some(gap) => second_before(gap.start)?,
            None => after,
        };
        let planned = self.next_planned(searched_from)?;
        let mut notes = Vec::new();
        if planned.local.date() != planned.meant {
            let why = self.calendar.why_not(planned.meant).unwrap_or("left out");
            notes.push(format!("{} is {why}: moved to {}", day_words(planned.meant), day_words(planned.local.date())));
        }
        if let Some(gap) = gap_at(self.zone, planned.local) {
            notes.push(self.gap_words(gap, planned.local));
            return Some(Firing { local: gap.end, at: gap.at.to_zoned(self.zone.clone()), notes });
        }
        let ambiguous = self.zone.to_ambiguous_zoned(planned.local);
        if ambiguous.is_ambiguous() {
            notes.push(format!("{} comes twice on this day (clocks go back): the first time counts", time_words(planned.local)));
        }
        // `compatible` takes the first of two; gaps are dealt with above.
        let at = ambiguous.compatible().ok()?;
        Some(Firing { local: planned.local, at, notes })
    }

    /// Returns the firings whose local time is after `after` and whose instant is `until` at the latest, in order, at most
    /// `limit` of them and never more than [`FIRINGS_MAX`].
    pub fn between(&self, after: DateTime, until: Timestamp, limit: usize) -> Vec<Firing> {
        let mut last = after;
        let next = || {
            let firing = self.next_after(last)?;
            last = firing.local;
            (firing.at.timestamp() <= until).then_some(firing)
        };
        std::iter::from_fn(next).take(limit.min(FIRINGS_MAX)).collect()
    }

    /// Returns the first local time after `after` that expression and calendar give, whether it comes or not.
    fn next_planned(&self, after: DateTime) -> Option<Planned> {
        match self.days {
            BusinessDays::Any => self.cron.next_after(after).map(Planned::as_written),
            BusinessDays::On(day) => self.next_on(day, after),
            BusinessDays::Shift(Shift::Skip) => self.next_open(after),
            BusinessDays::Shift(shift) => self.next_shifted(shift, after),
        }
    }

    /// Finds the first local time on the one day of its month that is wanted.
    fn next_on(&self, wanted: DayOfMonth, after: DateTime) -> Option<Planned> {
        let (mut after, last_year) = (after, after.year().saturating_add(YEARS_TRIED_MAX));
        for _ in 0..DAYS_TRIED_MAX {
            let local = self.cron.next_after(after).filter(|local| local.year() <= last_year)?;
            let date = local.date();
            let day = match wanted {
                DayOfMonth::BusinessDay(nth) => self.calendar.business_day_of_month(date, nth.get()),
                DayOfMonth::LastBusinessDay => self.calendar.last_business_day_of_month(date),
            };
            after = match day {
                Some(day) if day == date => return Some(Planned::as_written(local)),
                Some(day) if day > date => second_before(day.to_datetime(Time::midnight()))?,
                _ => end_of(date.last_of_month()),
            };
        }
        None
    }

    /// Finds the first local time on a business day.
    fn next_open(&self, after: DateTime) -> Option<Planned> {
        let (mut after, last_year) = (after, after.year().saturating_add(YEARS_TRIED_MAX));
        for _ in 0..DAYS_TRIED_MAX {
            let local = self.cron.next_after(after).filter(|local| local.year() <= last_year)?;
            if self.calendar.is_business_day(local.date()) {
                return Some(Planned::as_written(local));
            }
            after = end_of(local.date());
        }
        None
    }

    /// Finds the first local time with those of closed days moved to the business day before or after.
    ///
    /// On a business day fire its own times and those of the closed days next to it, each time of day once.
    fn next_shifted(&self, shift: Shift, after: DateTime) -> Option<Planned> {
        let mut day = self.calendar.business_day_on_or_after(after.date());
        // From here on the times of `day` count, this one left out.
        let mut past = if day == after.date() { Some(after.time()) } else { None };
        // The first turn looks at the day itself, the second at the next day on which anything fires.
        for _ in 0..3 {
            let meant = |date: Date| {
                let from = match past {
                    Some(time) => date.to_datetime(time),
                    None => second_before(date.to_datetime(Time::midnight()))?,
                };
                let local = self.cron.next_after(from).filter(|local| local.date() == date)?;
                Some(Planned { local: day.to_datetime(local.time()), meant: date })
            };
            let step = if shift == Shift::Before { 1 } else { -1 };
            let closed = (1..).map(|count| shifted(day, count * step)).take_while(|date| !self.calendar.is_business_day(*date));
            // Of two at one time of day, `min_by_key` keeps the first: the day's own.
            let dates: Vec<Date> = std::iter::once(day).chain(closed.take(crate::schedule::CLOSED_DAYS_MAX as usize)).collect();
            if let Some(found) = dates.iter().filter_map(|date| meant(*date)).min_by_key(|planned| planned.local) {
                return Some(found);
            }
            let last = dates.iter().max().copied().unwrap_or(day);
            let next = self.cron.next_after(end_of(last))?.date();
            day = match shift {
                Shift::Before => self.calendar.business_day_on_or_before(next),
                Shift::After | Shift::Skip => self.calendar.business_day_on_or_after(next),
            };
            past = None;
        }
        None
    }

    /// Says which times of a gap fire at its end.
    fn gap_words(&self, gap: Gap, first: DateTime) -> String {
        // Samoa left out a whole day.
        if gap.start.date() != gap.end.date() && first.date() < gap.end.date() {
            return format!("{} does not exist in this time zone", day_words(first.date()));
        }
        let has_more = self.next_planned(first).is_some_and(|next| next.local < gap.end);
        let time = time_words(first);
        match has_more {
            true => format!("{time} and later times do not exist on this day (clocks go forward)"),
            false => format!("{time} does not exist on this day (clocks go forward)"),
        }
    }
}

impl Planned {
    fn as_written(local: DateTime) -> Self {
        Self { local, meant: local.date() }
    }
}

/// Returns the local time up to which all firings lie in the past at `now`: what a rule seen for the first time starts from.
///
/// It is what the clock on the wall shows; in the second pass of an hour that comes twice it is the end of that hour,
/// whose local times have all fired in the first pass.
pub fn past_until(now: Timestamp, zone: &TimeZone) -> DateTime {
    let local = zone.to_datetime(now);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Fold { before, after } if zone.to_offset(now) == after => {
            let change = transition(zone, now, before).unwrap_or(now);
            second_before(before.to_datetime(change)).unwrap_or(local).max(local)
        }
        _ => local,
    }
}

/// Returns the gap that the local time `local` lies in.
fn gap_at(zone: &TimeZone, local: DateTime) -> Option<Gap> {
    let AmbiguousOffset::Gap { before, after } = zone.to_ambiguous_timestamp(local).offset() else { return None };
    // Read with the offset from before the change, a time of the gap lies after the change, by less than the gap.
    let at = transition(zone, before.to_timestamp(local).ok()?, before)?;
    Some(Gap { start: before.to_datetime(at), end: after.to_datetime(at), at })
}

/// Returns the instant at which the offset `before` ended, at or before `instant`.
fn transition(zone: &TimeZone, instant: Timestamp, before: Offset) -> Option<Timestamp> {
    let later = instant.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
    // The last change is the one; a zone may list changes of its abbreviation alone, hence the look at the offset.
    let mut changes = zone.preceding(later).map(|change| change.timestamp()).take(4);
    changes.find(|at| at.checked_sub(jiff::SignedDuration::from_secs(1)).is_ok_and(|at| zone.to_offset(at) == before))
}

/// Returns the second before; expressions name whole minutes, so nothing lies between.
fn second_before(local: DateTime) -> Option<DateTime> {
    local.checked_sub(jiff::SignedDuration::from_secs(1)).ok()
}

/// Returns the last second of a day; expressions name whole minutes, so nothing of the day lies after it.
pub fn end_of(date: Date) -> DateTime {
    date.to_datetime(jiff::civil::time(23, 59, 59, 0))
}

fn day_words(date: Date) -> String {
    date.strftime("%a %-d %b").to_string()
}

fn time_words(local: DateTime) -> String {
    local.strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests;
