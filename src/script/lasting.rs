//! For how long a simple condition answers as it does, while the ledger's figures stay as they are.
//!
//! Most of a condition does not look at the day, and what does (`days_overdue > 10`, `due_on <= as_of - 14`) turns on one day that
//! can be told beforehand. A forecast need not ask again before it. Too early a day costs a question, too late a one a mail,
//! so whatever is not understood lasts until tomorrow; `condition::tests` holds every answer against the days themselves.

use std::cmp::Ordering;

use crate::domain::date::{Date, days_between, shifted};
use crate::script::fast::{Day, Number, Test, Text, View, Whole};

impl Test {
    /// Returns the first day after the view's on which the condition may answer otherwise; [`Date::MAX`] where none does.
    pub(crate) fn lasts_until(&self, view: &View<'_>) -> Date {
        match self {
            Self::Not(test) => test.lasts_until(view),
            Self::All(tests) => joined(tests, view, false),
            Self::Any(tests) => joined(tests, view, true),
            Self::Same(left, _, right) => left.lasts_until(view).min(right.lasts_until(view)),
            Self::Whole(left, _, right) => match (left, right) {
                (Whole::DaysOverdue, Whole::Literal(_)) => turns(view, right.value(view) - left.value(view)),
                (Whole::Literal(_), Whole::DaysOverdue) => turns(view, left.value(view) - right.value(view)),
                (Whole::Literal(_), Whole::Literal(_)) | (Whole::DaysOverdue, Whole::DaysOverdue) => Date::MAX,
            },
            Self::Number(left, _, right) if left.moves() || right.moves() => tomorrow(view),
            Self::Day(left, _, right) => match (left.value(view), right.value(view)) {
                (Some(Some(moving)), Some(Some(fixed))) if left.moves() && !right.moves() => meeting(view, moving, fixed),
                (Some(Some(fixed)), Some(Some(moving))) if right.moves() && !left.moves() => meeting(view, moving, fixed),
                (Some(_), Some(_)) => Date::MAX,
                // A day beyond the calendar: rhai tells what comes of it.
                _ => tomorrow(view),
            },
            Self::Constant(_) | Self::Disputed | Self::CreditNote | Self::Number(..) | Self::Text(..) | Self::Tagged(_) => {
                Date::MAX
            }
            Self::Holds { .. } | Self::Starts { .. } | Self::Ends { .. } | Self::OneOf(..) => Date::MAX,
        }
    }
}

impl Number {
    /// Returns whether it changes from day to day by itself.
    fn moves(&self) -> bool {
        matches!(self, Self::Whole(Whole::DaysOverdue) | Self::Overdue)
    }
}

impl Day {
    /// Returns whether it moves with the day that is asked about.
    fn moves(&self) -> bool {
        match self {
            Self::AsOf => true,
            Self::Moved(day, _) => day.moves(),
            Self::Nothing | Self::Literal(_) | Self::Issued | Self::Due => false,
        }
    }
}

/// Returns how long `&&` (decided by a false part) or `||` (by a true one) lasts: as long as any part that decides it, or
/// else as long as all parts. A part that stands before it and can fail has to stay as it is as well, since its fault would be the answer.
fn joined(tests: &[Test], view: &View<'_>, decides: bool) -> Date {
    let (mut decided, mut sound_until) = (None, Date::MAX);
    for test in tests {
        let until = test.lasts_until(view).min(sound_until);
        match test.holds(view) {
            // What fails now fails the whole, unless it is not come to.
            None => break,
            Some(holds) if holds == decides => decided = decided.max(Some(until)),
            Some(_) => {}
        }
        if test.can_fail() {
            sound_until = until;
        }
    }
    decided.unwrap_or_else(|| tests.iter().map(|test| test.lasts_until(view)).min().unwrap_or(Date::MAX))
}

impl Test {
    /// Returns whether there are documents or days of which it has no answer: a column that is not there, a day beyond the calendar.
    fn can_fail(&self) -> bool {
        match self {
            Self::Not(test) => test.can_fail(),
            Self::All(tests) | Self::Any(tests) => tests.iter().any(Self::can_fail),
            Self::Same(left, _, right) => left.can_fail() || right.can_fail(),
            Self::Day(left, _, right) => [left, right].into_iter().any(|day| matches!(day, Day::Moved(..))),
            Self::Text(left, _, right) => left.can_fail() || right.can_fail(),
            Self::Tagged(text) => text.can_fail(),
            Self::Holds { text, part } | Self::Starts { text, part } | Self::Ends { text, part } => {
                text.can_fail() || part.can_fail()
            }
            Self::OneOf(text, texts) => text.can_fail() || texts.iter().any(Text::can_fail),
            Self::Constant(_) | Self::Disputed | Self::CreditNote | Self::Whole(..) | Self::Number(..) => false,
        }
    }
}

impl Text {
    fn can_fail(&self) -> bool {
        matches!(self, Self::InvoiceAttribute(_) | Self::CustomerAttribute(_))
    }
}

/// Returns the day on which days overdue, which are `ahead` short of a number, may compare otherwise with it. An item
/// without a due date is never overdue by a day more.
fn turns(view: &View<'_>, ahead: i64) -> Date {
    if view.document.due_on.is_none() {
        return Date::MAX;
    }
    in_days(view, ahead)
}

/// Returns the day on which a day that moves along meets a fixed one, or leaves it behind.
fn meeting(view: &View<'_>, moving: Date, fixed: Date) -> Date {
    in_days(view, i64::from(days_between(moving, fixed)))
}

/// Returns the day on which two that are `ahead` days apart and come closer by one a day may compare otherwise.
fn in_days(view: &View<'_>, ahead: i64) -> Date {
    match ahead.cmp(&0) {
        Ordering::Less => Date::MAX,
        Ordering::Equal => tomorrow(view),
        Ordering::Greater => i32::try_from(ahead).map_or(Date::MAX, |ahead| shifted(view.as_of, ahead)),
    }
}

fn tomorrow(view: &View<'_>) -> Date {
    shifted(view.as_of, 1)
}
