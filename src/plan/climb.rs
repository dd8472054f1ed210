//! One item's way up the ladder, for reading: every level with its day, what became of it, and which step comes next.
//!
//! Facts beside the decision, never a second one: which step is due, today or later, is asked of [`rung`] alone.

use serde::Serialize;

use crate::domain::date::{Date, days_between, shifted};
use crate::domain::document::Document;
use crate::plan::history::{RuleHistory, Standing, Step};
use crate::plan::ladder::{LevelsDue, Rung, rung};
use crate::rule::{Level, Reminder, Start};

/// How many days the next step is looked for; a repeat may be a hundred days off, and what is further helps nobody today.
pub const STEP_DAYS_MAX: i32 = 400;

/// What became of a level for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelStanding {
    /// A server took its mail.
    Reached,
    /// Its mail is in the outbox.
    UnderWay,
    /// Nobody knows whether its mail arrived.
    Unknown,
    /// The server refused its mail.
    Refused,
    /// A person closed its mail.
    Cancelled,
    /// It is due.
    Due,
    /// Its day was there before the rule first ran.
    Backlog,
    /// It comes before the due date, which has passed.
    Lapsed,
    /// A later level was reached without it.
    Passed,
    /// Its day has come; it waits for the one before it, or for something else than its day.
    Waits,
    /// Its day has not come.
    Ahead,
}

impl LevelStanding {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Reached => "sent",
            Self::UnderWay => "its mail is in the outbox",
            Self::Unknown => "nobody knows whether its mail arrived",
            Self::Refused => "the server refused its mail",
            Self::Cancelled => "a person closed its mail",
            Self::Due => "due",
            Self::Backlog => "was before the rule first ran",
            Self::Lapsed => "lapsed: the due date has passed",
            Self::Passed => "passed over",
            Self::Waits => "its day has come",
            Self::Ahead => "still to come",
        }
    }
}

/// A level of an item's ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LevelFact {
    /// Its id.
    pub level: String,
    /// The day it is due on, business days counted.
    pub on: Date,
    /// What became of it.
    pub standing: LevelStanding,
    /// The day its last mail was decided for, where it has one.
    pub last_on: Option<Date>,
    /// How many repeats of it went.
    pub repeats: u32,
    /// How many repeats it has at most.
    pub repeats_at_most: u32,
}

/// A step that an item will be due for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepAhead {
    /// The level.
    pub level: String,
    /// 0 for the first mail at it.
    pub repeat: u16,
    /// The first day it is due.
    pub on: Date,
}

/// An item, as its ladder is asked about it.
pub(crate) struct Climber<'a> {
    pub(crate) reminder: &'a Reminder,
    pub(crate) levels_due: &'a LevelsDue<'a>,
    pub(crate) past: &'a RuleHistory<'a>,
    pub(crate) document: &'a Document,
    pub(crate) as_of: Date,
}

impl Climber<'_> {
    /// Returns every level with its day; none without a due date.
    pub(crate) fn levels(&self) -> Vec<LevelFact> {
        let Some(due_on) = self.document.due_on else { return Vec::new() };
        let (ages, age) = (self.levels_due.on(due_on), days_between(due_on, self.as_of));
        let reached =
            self.reminder.levels.iter().rposition(|level| {
                self.steps(level).any(|step| matches!(step.standing, Standing::Accepted | Standing::Cancelled))
            });
        let due = self.step_on(self.as_of).map(|(level, _)| level);
        let fact = |(place, level): (usize, &Level)| {
            let last = self.steps(level).max_by_key(|step| step.repeat);
            let is_backlog = self.reminder.start == Start::FromNow && ages[place] < age - self.rule_age(self.as_of);
            let standing = match last.map(|step| step.standing) {
                _ if due == Some(place) => LevelStanding::Due,
                Some(Standing::Accepted) => LevelStanding::Reached,
                Some(Standing::UnderWay) => LevelStanding::UnderWay,
                Some(Standing::Unknown) => LevelStanding::Unknown,
                Some(Standing::Refused) => LevelStanding::Refused,
                Some(Standing::Cancelled) => LevelStanding::Cancelled,
                None if level.offset < 0 && age > 0 => LevelStanding::Lapsed,
                None if is_backlog => LevelStanding::Backlog,
                None if reached.is_some_and(|reached| place < reached) => LevelStanding::Passed,
                None if ages[place] <= age => LevelStanding::Waits,
                None => LevelStanding::Ahead,
            };
            LevelFact {
                level: level.id.to_string(),
                on: shifted(due_on, ages[place]),
                standing,
                last_on: last.map(|step| step.on),
                repeats: last.map_or(0, |step| step.repeat),
                repeats_at_most: level.repeat.map_or(0, |repeat| repeat.at_most),
            }
        };
        self.reminder.levels.iter().enumerate().map(fact).collect()
    }

    /// Returns the next step after today, if nothing else is in its way and nothing goes before.
    pub(crate) fn next(&self) -> Option<StepAhead> {
        (1..=STEP_DAYS_MAX).map(|days| shifted(self.as_of, days)).find_map(|on| {
            let (level, repeat) = self.step_on(on)?;
            Some(StepAhead { level: self.reminder.levels[level].id.to_string(), repeat, on })
        })
    }

    fn step_on(&self, day: Date) -> Option<(usize, u16)> {
        let due_on = self.document.due_on?;
        let steps = self.past.steps(&self.document.number);
        let age = days_between(due_on, day);
        match rung(self.reminder, Some(age), &self.levels_due.on(due_on), steps, self.rule_age(day), day) {
            Rung::Due(step) => Some((usize::from(step.level), step.repeat)),
            Rung::No(_) => None,
        }
    }

    /// Returns the days since the rule first ran; where it never did, it first runs today.
    fn rule_age(&self, day: Date) -> i32 {
        days_between(self.past.started_on().unwrap_or(self.as_of), day)
    }

    fn steps<'s>(&'s self, level: &'s Level) -> impl Iterator<Item = &'s Step> {
        let steps = self.past.steps(&self.document.number);
        steps.filter(|step| level.id == step.level || level.formerly.contains(&step.level))
    }
}
