//! Business days as scripts count them: which days are such is told by the floor above, through a trait.

use jiff::civil::Weekday;
use rhai::{Engine, EvalAltResult, INT, Position};

use crate::domain::date::{Date, days_between};
use crate::script::values::Outcome;

/// The most business days that `add_business_days` moves by, either way: about four years.
pub const BUSINESS_DAYS_MAX: i64 = 1_000;
/// The most days of the calendar that one call looks at.
const DAYS_LOOKED_AT_MAX: i64 = 4_000;

/// Tells which days are business days. `schedule` has the calendar, and no neighbour may know another.
pub trait BusinessDays: Send + Sync {
    /// Returns whether `day` is neither weekend nor holiday.
    fn is_business_day(&self, day: Date) -> bool;
}

/// Monday to Friday, without holidays.
#[derive(Clone, Copy, Debug)]
pub struct WorkingWeek;

impl BusinessDays for WorkingWeek {
    fn is_business_day(&self, day: Date) -> bool {
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
    }
}

/// Registers `is_business_day`, `add_business_days` and `business_days_between` over a calendar.
pub(crate) fn register(engine: &mut Engine, days: std::sync::Arc<dyn BusinessDays>) {
    let own = days.clone();
    engine.register_fn("is_business_day", move |day: Date| own.is_business_day(day));
    let own = days.clone();
    engine.register_fn("add_business_days", move |day: Date, count: INT| moved(&*own, day, count));
    engine.register_fn("business_days_between", move |from: Date, to: Date| counted(&*days, from, to));
}

/// Returns the day `count` business days after `day`, before it where negative. 0 moves to the next business day, unless
/// it is one.
fn moved(days: &dyn BusinessDays, day: Date, count: INT) -> Outcome<Date> {
    if !(-BUSINESS_DAYS_MAX..=BUSINESS_DAYS_MAX).contains(&count) {
        return Err(refusal(format!("{count} business days are more than {BUSINESS_DAYS_MAX}")));
    }
    let step = |day: Date| if count < 0 { day.yesterday() } else { day.tomorrow() }.ok();
    let (mut at, mut left) = (day, count.abs());
    if left == 0 && days.is_business_day(day) {
        return Ok(day);
    }
    for _ in 0..DAYS_LOOKED_AT_MAX {
        at = step(at).ok_or_else(|| refusal(format!("{day} moved by {count} business days leaves the calendar")))?;
        if days.is_business_day(at) {
            left -= 1;
        }
        if left <= 0 && days.is_business_day(at) {
            return Ok(at);
        }
    }
    Err(refusal(format!("There are no {count} business days within {DAYS_LOOKED_AT_MAX} days of {day}")))
}

/// Returns how many business days lie after `from` up to and including `to`; negative where `to` comes first.
fn counted(days: &dyn BusinessDays, from: Date, to: Date) -> Outcome<INT> {
    let span = i64::from(days_between(from, to));
    if span.abs() > DAYS_LOOKED_AT_MAX {
        return Err(refusal(format!("{from} and {to} are more than {DAYS_LOOKED_AT_MAX} days apart")));
    }
    let (mut day, last, sign) = if span < 0 { (to, from, -1) } else { (from, to, 1) };
    let mut count = 0;
    while day < last {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
        count += INT::from(days.is_business_day(day));
    }
    Ok(sign * count)
}

fn refusal(message: String) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(message.into(), Position::NONE))
}
