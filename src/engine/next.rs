//! When the rules run next: the firings of every rule with a schedule, in order of time. Nothing is stored or run.

use jiff::Zoned;

use crate::domain::date::{Date, Timestamp};
use crate::domain::id::RuleId;
use crate::engine::workspace::Workspace;
use crate::rule::RuleSet;
use crate::rule::schedule::RuleSchedule;
use crate::schedule::FIRINGS_MAX;

/// Which firings to show.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Those after this instant.
    pub from: Timestamp,
    /// Those up to this day of the rule's own zone; `None`: however late.
    pub until: Option<Date>,
    /// At most so many of each rule, and never more than [`FIRINGS_MAX`].
    pub count: usize,
}

/// One firing of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextRun {
    /// The rule.
    pub rule: RuleId,
    /// When it is, with the zone it is scheduled in; its local time is what the firing is known by.
    pub at: Zoned,
    /// Why it is not when the cron expression says; empty where it is.
    pub notes: Vec<String>,
}

/// The next firings, and the rules that have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextRuns {
    /// In order of time, then of rules.
    pub runs: Vec<NextRun>,
    /// The rules with their schedules, in order of ids.
    pub schedules: Vec<(RuleId, RuleSchedule)>,
    /// The rules that have a schedule and nothing in the span.
    pub silent: Vec<RuleId>,
    /// The rules without a schedule.
    pub by_hand: Vec<RuleId>,
}

/// Returns when `rules` run next.
pub fn next_runs(workspace: &Workspace, rules: &RuleSet, span: &Span) -> NextRuns {
    let (usual, calendar) = (&workspace.config.time_zone, &workspace.calendar);
    let mut found = NextRuns::default();
    for rule in &rules.rules {
        let Some(schedule) = &rule.schedule else {
            found.by_hand.push(rule.id.clone());
            continue;
        };
        let after = schedule.first_mark(span.from, usual);
        let firings = schedule.firings_between(after, Timestamp::MAX, usual, calendar, span.count.min(FIRINGS_MAX));
        let wanted = firings.into_iter().take_while(|firing| span.until.is_none_or(|until| firing.local.date() <= until));
        let before = found.runs.len();
        found.runs.extend(wanted.map(|firing| NextRun { rule: rule.id.clone(), at: firing.at, notes: firing.notes }));
        if found.runs.len() == before {
            found.silent.push(rule.id.clone());
        }
        found.schedules.push((rule.id.clone(), schedule.clone()));
    }
    // Stable, so of two at one instant the rule that comes first by id stays first.
    found.runs.sort_by_key(|run| run.at.timestamp());
    found
}
