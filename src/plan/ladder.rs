//! One item on the ladder of a reminder rule: which level, if any, is due for it.
//!
//! A level is due when `due date + offset <= as_of`, never `==`, so that nothing is lost while nobody ran the
//! rule. A level before the due date lapses once that date has passed, repeats included: its text ("will be due") would
//! be untrue. An item climbs at most one step a day, however often the rule runs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::domain::date::{Date, DayUnit, days_between, shifted};
use crate::plan::history::{Standing, Step};
use crate::plan::reason::DeclineReason;
use crate::rule::{Climb, Level, Reminder, Start};
use crate::schedule::Calendar;

/// The step an item is due for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueStep {
    /// The level's place in the ladder, from 0.
    pub level: u16,
    /// 0 for the first mail at the level, 1 for its first repeat.
    pub repeat: u16,
}

/// At which age, in days since the due date, each level of a ladder is due.
///
/// Levels in business days are due at another age for nearly every due date; a ledger has few of those, so each is counted once.
#[derive(Debug)]
pub struct LevelsDue<'a> {
    reminder: &'a Reminder,
    calendar: &'a Calendar,
    /// The same for every due date.
    fixed: Option<Rc<[i32]>>,
    counted: RefCell<HashMap<Date, Rc<[i32]>>>,
}

impl<'a> LevelsDue<'a> {
    /// Returns those of `reminder`, by the business days of `calendar`.
    pub fn new(reminder: &'a Reminder, calendar: &'a Calendar) -> Self {
        let is_fixed = reminder.levels.iter().all(|level| level.unit == DayUnit::Calendar);
        let fixed = is_fixed.then(|| reminder.levels.iter().map(|level| level.offset).collect());
        Self { reminder, calendar, fixed, counted: RefCell::default() }
    }

    /// Returns them for an item that is due on `due_on`.
    pub fn on(&self, due_on: Date) -> Rc<[i32]> {
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let age = |level: &Level| match level.unit {
            DayUnit::Calendar => level.offset,
            DayUnit::Business => days_between(due_on, self.calendar.add_business_days(due_on, level.offset)),
        };
        let count = || self.reminder.levels.iter().map(age).collect();
        self.counted.borrow_mut().entry(due_on).or_insert_with(count).clone()
    }
}

/// What the ladder says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// A step is due.
    Due(DueStep),
    /// None is, and why.
    No(DeclineReason),
}

/// Returns the step an item with these past `steps` is due for on `as_of`, `age` days after its due date (`None` where
/// it has none), under a rule that first ran `rule_age` days before. `levels_due` holds the age at which each level is due.
///
/// Ages come as numbers, since both are the same for many calls: a million items under five rules cost no calendar.
pub fn rung<'h>(
    reminder: &Reminder,
    age: Option<i32>,
    levels_due: &[i32],
    steps: impl Iterator<Item = &'h Step>,
    rule_age: i32,
    as_of: Date,
) -> Rung {
    rung_after(reminder, age, levels_due, &Past::of(&reminder.levels, steps), rule_age, as_of)
}

/// Answers as [`rung`] does, of a past that is summed up already.
pub(crate) fn rung_after(
    reminder: &Reminder,
    age: Option<i32>,
    levels_due: &[i32],
    past: &Past,
    rule_age: i32,
    as_of: Date,
) -> Rung {
    let Some(age) = age else { return Rung::No(DeclineReason::DueDateMissing) };
    let levels = &reminder.levels;
    if let Some(reason) = past.open_question {
        return Rung::No(reason);
    }

    // Backlog: what the item was due for before the rule first ran.
    let age_at_start = age - rule_age;
    let backlog = levels_due.iter().rposition(|due| *due < age_at_start);
    let (mut done, mut baseline) = (past.reached.map(|reached| usize::from(reached.step.level)), false);
    if reminder.start == Start::FromNow && backlog > done {
        (done, baseline) = (backlog, true);
    }

    // A level that repeats is repeated until the next level's day has come, or it lapses.
    let is_lapsed = |level: &Level| level.offset < 0 && age > 0;
    let next = done.map_or(0, |done| done + 1);
    if let (Some(reached), false) = (past.reached, baseline) {
        let level = &levels[usize::from(reached.step.level)];
        let is_over = is_lapsed(level) || levels_due.get(next).is_some_and(|due| *due <= age);
        if let (Some(repeat), false) = (level.repeat, is_over) {
            if u32::from(reached.step.repeat) >= repeat.at_most {
                return Rung::No(if next < levels.len() { DeclineReason::NotYetDue } else { DeclineReason::LadderFinished });
            }
            if as_of < shifted(reached.on, repeat.every.count()) {
                return Rung::No(DeclineReason::NotYetDue);
            }
            return Rung::Due(DueStep { repeat: reached.step.repeat + 1, ..reached.step });
        }
    }

    let enters_by_age = reminder.start == Start::ToAge && past.reached.is_none() && backlog.is_some();
    let candidate = if reminder.climb == Climb::ToAge || enters_by_age {
        levels_due.iter().rposition(|due| *due <= age).filter(|level| *level >= next && !is_lapsed(&levels[*level]))
    } else {
        let first = (next..levels.len()).find(|level| !is_lapsed(&levels[*level]));
        first.filter(|level| levels_due[*level] <= age)
    };
    match candidate {
        // A second run of the same day would send the next level on the heels of the one before.
        Some(_) if past.reached.is_some_and(|reached| reached.on >= as_of) => Rung::No(DeclineReason::NotYetDue),
        // A ladder has at most 50 levels (rule/check).
        Some(level) => Rung::Due(DueStep { level: level as u16, repeat: 0 }),
        None if baseline => Rung::No(DeclineReason::Backlog),
        None if next >= levels.len() => Rung::No(DeclineReason::LadderFinished),
        None => Rung::No(DeclineReason::NotYetDue),
    }
}

/// Returns the first day after `as_of` on which the ladder may say something else of an item whose past stays as it is;
/// [`Date::MAX`] where none does. The rule has run before.
pub(crate) fn lasts_until(reminder: &Reminder, age: Option<i32>, levels_due: &[i32], past: &Past, as_of: Date) -> Date {
    let Some(age) = age else { return Date::MAX };
    // Levels before the due date lapse on the day after it.
    let turns = levels_due.iter().copied().chain([1]).filter(|turn| *turn > age).min();
    let turn = turns.map_or(Date::MAX, |turn| shifted(as_of, turn - age));
    let Some(Reached { step, on }) = past.reached else { return turn };
    let repeat = reminder.levels[usize::from(step.level)].repeat.map(|repeat| shifted(on, repeat.every.count()));
    let days = [Some(shifted(on, 1)), repeat, Some(turn)].into_iter().flatten();
    days.filter(|day| *day > as_of).min().unwrap_or(Date::MAX)
}

/// The furthest step a server took, or a person closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) step: DueStep,
    pub(crate) on: Date,
}

/// What is on record of an item, as far as the ladder asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) reached: Option<Reached>,
    /// A later step whose mail is neither accepted nor out of the world.
    pub(crate) open_question: Option<DeclineReason>,
}

impl Past {
    pub(crate) fn of<'h>(levels: &[Level], steps: impl Iterator<Item = &'h Step>) -> Self {
        let mut past = Self::default();
        for step in steps {
            // A step of a level that the rule no longer has says nothing about those it has; `check` warns of it.
            let Some(level) = levels.iter().position(|level| level.id == step.level || level.formerly.contains(&step.level))
            else {
                continue;
            };
            // Ladders have at most 50 levels and a repeat count at most 100 (rule/check), so both fit.
            let here = DueStep { level: level as u16, repeat: u16::try_from(step.repeat).unwrap_or(u16::MAX) };
            match step.standing {
                // What a person closed is over: the item goes on to the next level.
                Standing::Accepted | Standing::Cancelled => past.reach(here, step.on),
                Standing::UnderWay => past.ask(DeclineReason::UnderWay),
                Standing::Unknown => past.ask(DeclineReason::OutcomeUnknown),
                Standing::Refused => past.ask(DeclineReason::Refused),
            }
        }
        past
    }

    /// Notes a step as taken; the furthest one counts.
    pub(crate) fn reach(&mut self, step: DueStep, on: Date) {
        if self.reached.is_none_or(|reached| reached.step < step) {
            self.reached = Some(Reached { step, on });
        }
    }

    fn ask(&mut self, reason: DeclineReason) {
        self.open_question = self.open_question.max(Some(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::date::{DayUnit, Days};
    use crate::domain::id::{LevelId, TemplateName};
    use crate::rule::{ForEach, Repeat};
    use jiff::civil::{Weekday, date};

    const DUE: Date = date(2026, 3, 31);

    fn level(id: &str, offset: i32) -> Level {
        Level {
            id: LevelId::new(id),
            formerly: vec![],
            offset,
            unit: DayUnit::Calendar,
            template: TemplateName::new(id),
            to: None,
            cc: None,
            bcc: None,
            from: None,
            repeat: None,
        }
    }

    /// The ladder of the product page: −3, 7, 21, 30 days, the last repeated every 14 days, twice.
    fn ladder(climb: Climb, start: Start) -> Reminder {
        let mut levels = vec![level("upcoming", -3), level("first", 7), level("second", 21), level("final", 30)];
        levels[3].repeat = Some(Repeat { every: Days::new(14).unwrap(), at_most: 2 });
        Reminder { for_each: ForEach::Customer, minimum: vec![], levels, climb, start }
    }

    fn step(level: &str, repeat: u32, standing: Standing, on: i32) -> Step {
        Step { level: LevelId::new(level), repeat, standing, on: shifted(DUE, on) }
    }

    /// Days are counted from the due date; the answer is `level#repeat` or the reason.
    fn ask(reminder: &Reminder, steps: &[Step], started: i32, as_of: i32) -> String {
        let calendar = Calendar::default();
        let due = LevelsDue::new(reminder, &calendar);
        match rung(reminder, Some(as_of), &due.on(DUE), steps.iter(), as_of - started, shifted(DUE, as_of)) {
            Rung::Due(step) => format!("{}#{}", reminder.levels[step.level as usize].id, step.repeat),
            Rung::No(reason) => reason.as_str().to_owned(),
        }
    }

    #[test]
    fn a_new_item_enters_at_the_first_level_that_is_still_true() {
        let rule = ladder(Climb::OneAtATime, Start::FromNow);
        for (as_of, expected) in [
            (-4, "not_yet_due"),
            (-3, "upcoming#0"),
            (0, "upcoming#0"),
            (1, "not_yet_due"), // Overdue starts the day after: "will be due" has lapsed.
            (6, "not_yet_due"),
            (7, "first#0"),
            (40, "first#0"), // One at a time, however old.
        ] {
            assert_eq!(ask(&rule, &[], -100, as_of), expected, "day {as_of}");
        }
    }

    #[test]
    fn the_backlog_of_the_first_run_follows_start() {
        for (start, as_of, expected) in [
            (Start::FromNow, 25, "backlog"),
            (Start::FromNow, 21, "second#0"), // Reached on the very day of the first run: new.
            (Start::FromNow, -3, "upcoming#0"),
            (Start::FirstLevel, 25, "first#0"),
            (Start::ToAge, 25, "second#0"),
            (Start::ToAge, 5, "not_yet_due"), // The age asks for `upcoming`, which has lapsed.
            (Start::ToAge, 400, "final#0"),
        ] {
            assert_eq!(ask(&ladder(Climb::OneAtATime, start), &[], as_of, as_of), expected, "{start:?} on day {as_of}");
        }
        // Days later the baseline still holds, and the next stage is new.
        let from_now = ladder(Climb::OneAtATime, Start::FromNow);
        assert_eq!(ask(&from_now, &[], 25, 29), "backlog");
        assert_eq!(ask(&from_now, &[], 25, 30), "final#0");
        assert_eq!(ask(&from_now, &[], 31, 500), "backlog");
    }

    #[test]
    fn levels_climb_after_acceptance_only() {
        let one = ladder(Climb::OneAtATime, Start::FromNow);
        let by_age = ladder(Climb::ToAge, Start::FromNow);
        let first = [step("first", 0, Standing::Accepted, 7)];
        assert_eq!(ask(&one, &first, -100, 20), "not_yet_due");
        assert_eq!(ask(&one, &first, -100, 21), "second#0");
        assert_eq!(ask(&one, &first, -100, 35), "second#0");
        assert_eq!(ask(&by_age, &first, -100, 35), "final#0");
        for (standing, expected) in [
            (Standing::UnderWay, "under_way"),
            (Standing::Unknown, "outcome_unknown"),
            (Standing::Refused, "refused"),
            (Standing::Cancelled, "second#0"),
        ] {
            assert_eq!(ask(&one, &[step("first", 0, standing, 7)], -100, 35), expected);
        }
    }

    #[test]
    fn a_repeated_level_counts_from_the_mail_before_and_ends() {
        let rule = ladder(Climb::OneAtATime, Start::FromNow);
        let mut steps = vec![step("final", 0, Standing::Accepted, 32)];
        assert_eq!(ask(&rule, &steps, -100, 45), "not_yet_due");
        assert_eq!(ask(&rule, &steps, -100, 46), "final#1");
        steps.push(step("final", 1, Standing::Accepted, 46));
        assert_eq!(ask(&rule, &steps, -100, 60), "final#2");
        steps.push(step("final", 2, Standing::Accepted, 60));
        assert_eq!(ask(&rule, &steps, -100, 400), "ladder_finished");
    }

    #[test]
    fn a_repeated_level_before_the_due_date_lapses_with_it() {
        let mut rule = ladder(Climb::OneAtATime, Start::FromNow);
        rule.levels[0].repeat = Some(Repeat { every: Days::new(2).unwrap(), at_most: 9 });
        let steps = [step("upcoming", 0, Standing::Accepted, -3)];
        for (as_of, expected) in [
            (-2, "not_yet_due"),
            (-1, "upcoming#1"),
            (0, "upcoming#1"), // On the due date itself "will be due" is still true.
            (1, "not_yet_due"),
            (6, "not_yet_due"),
            (7, "first#0"),
        ] {
            assert_eq!(ask(&rule, &steps, -100, as_of), expected, "day {as_of}");
        }
        // Where no level follows, the ladder ends with it.
        rule.levels.truncate(1);
        assert_eq!(ask(&rule, &steps, -100, 1), "ladder_finished");
    }

    #[test]
    fn an_item_climbs_one_step_a_day() {
        let repeat = Some(Repeat { every: Days::new(1).unwrap(), at_most: 9 });
        for (climb, as_of, reached, expected) in [
            (Climb::OneAtATime, 40, step("first", 0, Standing::Accepted, 40), "not_yet_due"),
            (Climb::OneAtATime, 40, step("first", 0, Standing::Accepted, 39), "second#0"),
            (Climb::OneAtATime, 40, step("first", 0, Standing::Cancelled, 40), "not_yet_due"),
            (Climb::ToAge, 30, step("second", 0, Standing::Accepted, 30), "not_yet_due"),
            (Climb::ToAge, 30, step("second", 0, Standing::Accepted, 29), "final#0"),
            // A day before the last step, as a replay of the past asks for it.
            (Climb::OneAtATime, 40, step("first", 0, Standing::Accepted, 41), "not_yet_due"),
            (Climb::OneAtATime, 40, step("final", 0, Standing::Accepted, 40), "not_yet_due"),
            (Climb::OneAtATime, 40, step("final", 0, Standing::Accepted, 39), "final#1"),
        ] {
            let mut rule = ladder(climb, Start::FirstLevel);
            rule.levels[3].repeat = repeat;
            assert_eq!(
                ask(&rule, std::slice::from_ref(&reached), -100, as_of),
                expected,
                "{climb:?} on day {as_of} after {reached:?}"
            );
        }
    }

    #[test]
    fn a_renamed_level_keeps_its_history() {
        let mut rule = ladder(Climb::OneAtATime, Start::FromNow);
        let steps = [step("friendly", 0, Standing::Accepted, 7)];
        assert_eq!(ask(&rule, &steps, -100, 21), "first#0", "an unknown id says nothing");
        rule.levels[1].formerly.push(LevelId::new("friendly"));
        assert_eq!(ask(&rule, &steps, -100, 21), "second#0");
    }

    #[test]
    fn business_days_are_counted_from_the_due_date() {
        let week = Calendar::new(&[Weekday::Saturday, Weekday::Sunday], vec![]).unwrap();
        let mut rule = ladder(Climb::OneAtATime, Start::FromNow);
        rule.levels.truncate(3);
        rule.levels.iter_mut().zip([-2, 1, 5]).for_each(|(level, offset)| {
            (level.unit, level.offset) = (DayUnit::Business, offset);
        });
        let due = LevelsDue::new(&rule, &week);
        // Tuesday, Friday and Saturday.
        assert_eq!(*due.on(date(2026, 3, 31)), [-4, 1, 7]);
        assert_eq!(*due.on(date(2026, 3, 27)), [-2, 3, 7]);
        assert_eq!(*due.on(date(2026, 3, 28)), [-2, 2, 6]);
        // Due on a Friday, the first level is due on Monday and not on the weekend.
        let friday = date(2026, 3, 27);
        for (age, expected) in [(2, Rung::No(DeclineReason::NotYetDue)), (3, Rung::Due(DueStep { level: 1, repeat: 0 }))] {
            let found = rung(&rule, Some(age), &due.on(friday), [].iter(), 100, shifted(friday, age));
            assert_eq!(found, expected, "day {age}");
        }
    }

    #[test]
    fn without_a_due_date_nothing_is_ever_due() {
        let rule = ladder(Climb::ToAge, Start::ToAge);
        assert_eq!(rung(&rule, None, &[], [].iter(), 0, DUE), Rung::No(DeclineReason::DueDateMissing));
    }
}
