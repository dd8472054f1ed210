//! The agenda: up to which local time each rule's firings are decided, when the next one comes, and which are due now.
//!
//! A firing is decided once: it runs, or it is left out with a reason, and either is stored before the mark moves on. What
//! cannot be decided yet (the ledger cannot be read, the rule is paused) stays before the mark and is decided later, by the
//! rule's policy for missed runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use jiff::civil::DateTime;

use crate::domain::date::{Date, Timestamp};
use crate::domain::id::RuleId;
use crate::engine::workspace::Workspace;
use crate::rule::Rule;
use crate::rule::schedule::RuleSchedule;
use crate::schedule::{Fate, Firing};
use crate::store::firings::{ScheduleMark, marks};
use crate::store::{Store, StoreError};

pub use crate::store::firings::FiringRow;

/// How far a mark may lie ahead of the clock before it is taken for the trace of a clock that ran ahead: a day and a
/// change of the clock.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(26);

/// How a local time is written in the database.
const LOCAL: &str = "%Y-%m-%dT%H:%M";

/// A rule's place in the agenda.
#[derive(Clone, Debug)]
struct Entry {
    /// The schedule as the rule writes it.
    schedule: String,
    decided_until: DateTime,
    next: Option<Firing>,
}

/// What is to become of the firings of one rule that have come.
#[derive(Clone, Debug, Default)]
pub struct DueRule {
    /// The rule.
    pub rule_id: String,
    /// The firings that run now, in order, each with the day it was scheduled for.
    pub to_run: Vec<(FiringRow, Date)>,
    /// Those that do not, and why.
    pub left_out: Vec<(FiringRow, &'static str)>,
}

/// When every rule of a generation fires next.
#[derive(Debug, Default)]
pub struct Agenda {
    entries: BTreeMap<RuleId, Entry>,
}

impl Agenda {
    /// Takes up the rules of a generation. A rule seen for the first time, or with another schedule than before, counts
    /// from now; every other one goes on where it was.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn follow(
        &mut self,
        workspace: &Workspace,
        mode: &'static str,
        store: &Store,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut entries, mut anew) = (BTreeMap::new(), Vec::new());
        let known = marks(&store.reader()?, mode)?;
        for (rule, schedule) in scheduled(workspace) {
            let usual = &workspace.config.time_zone;
            let (text, present) = (schedule.text(usual), schedule.first_mark(now, usual));
            let mark = std::iter::once(&rule.id).chain(&rule.formerly).find_map(|id| known.get(id.as_str()));
            let until = mark.filter(|mark| mark.schedule == text).and_then(|mark| parse(&mark.decided_until));
            let is_ahead = until.is_some_and(|until| is_ahead(until, present));
            if let (Some(until), true) = (until, is_ahead) {
                tracing::error!(
                    rule_id = %rule.id, decided_until = %until,
                    "The clock was ahead: firings were decided that have not come; the rule counts from now again"
                );
            }
            let decided_until = until.filter(|_| !is_ahead).unwrap_or_else(|| {
                anew.push((rule.id.to_string(), ScheduleMark { schedule: text.clone(), decided_until: write(present) }));
                present
            });
            let next = schedule.next_after(decided_until, usual, &workspace.calendar);
            entries.insert(rule.id.clone(), Entry { schedule: text, decided_until, next });
        }
        if !anew.is_empty() {
            store.set_marks(mode, anew).await?;
        }
        self.entries = entries;
        Ok(())
    }

    /// Returns whether firings were decided that are far from having come: the clock was ahead and was set back. Then the
    /// rules are to be followed anew.
    pub fn is_ahead(&self, workspace: &Workspace, now: Timestamp) -> bool {
        scheduled(workspace).any(|(rule, schedule)| {
            let entry = self.entries.get(&rule.id);
            entry.is_some_and(|entry| is_ahead(entry.decided_until, schedule.first_mark(now, &workspace.config.time_zone)))
        })
    }

    /// Returns when the first firing comes, rules in `but` left aside.
    pub fn next_at(&self, but: &BTreeSet<RuleId>) -> Option<Timestamp> {
        let entries = self.entries.iter().filter(|(id, _)| !but.contains(*id));
        entries.filter_map(|(_, entry)| Some(entry.next.as_ref()?.at.timestamp())).min()
    }

    /// Returns every rule's next firing.
    pub fn next_firings(&self) -> impl Iterator<Item = (&RuleId, &Firing)> {
        self.entries.iter().filter_map(|(id, entry)| Some((id, entry.next.as_ref()?)))
    }

    /// Returns what is to become of the firings that have come at `now`, rule by rule, rules in `but` left aside.
    pub fn due(&self, workspace: &Workspace, mode: &'static str, but: &BTreeSet<RuleId>, now: Timestamp) -> Vec<DueRule> {
        let mut due = Vec::new();
        for (rule, schedule) in scheduled(workspace).filter(|(rule, _)| !but.contains(&rule.id)) {
            let Some(entry) = self.entries.get(&rule.id) else { continue };
            if entry.next.as_ref().is_none_or(|next| next.at.timestamp() > now) {
                continue;
            }
            let (usual, calendar) = (&workspace.config.time_zone, &workspace.calendar);
            let row = |firing: &Firing| FiringRow {
                mode,
                rule_id: rule.id.to_string(),
                schedule: entry.schedule.clone(),
                local_time: write(firing.local),
                time_zone: schedule.zone(usual).to_string(),
                scheduled_at: firing.at.timestamp(),
            };
            let mut decided = DueRule { rule_id: rule.id.to_string(), ..DueRule::default() };
            for (firing, fate) in schedule.due(entry.decided_until, now, usual, calendar) {
                match fate {
                    Fate::Run => decided.to_run.push((row(&firing), firing.local.date())),
                    Fate::Missed(reason) => decided.left_out.push((row(&firing), reason.as_str())),
                }
            }
            due.push(decided);
        }
        due
    }

    /// Notes that a firing is decided and stored: the rule's next one comes after it.
    pub fn decided(&mut self, workspace: &Workspace, firing: &FiringRow) {
        let id = RuleId::new(&firing.rule_id);
        let rule = scheduled(workspace).find(|(rule, _)| rule.id == id);
        let (Some(entry), Some((_, schedule))) = (self.entries.get_mut(&id), rule) else { return };
        if let Some(until) = parse(&firing.local_time).filter(|_| entry.schedule == firing.schedule) {
            entry.decided_until = until.max(entry.decided_until);
            entry.next = schedule.next_after(entry.decided_until, &workspace.config.time_zone, &workspace.calendar);
        }
    }
}

/// Returns the rules that have a firing left on the day it is by their clocks, rules in `but` left aside: what they are about to
/// send is weighed against what goes now.
pub fn still_to_fire(workspace: &Workspace, but: &BTreeSet<RuleId>, now: Timestamp) -> Vec<Rule> {
    let rules = scheduled(workspace).filter(|(rule, _)| !but.contains(&rule.id));
    rules.filter(|(_, schedule)| fires_later_today(workspace, schedule, now)).map(|(rule, _)| rule.clone()).collect()
}

/// Returns whether a schedule has a firing after `now` left on the day it is by its clock.
pub(crate) fn fires_later_today(workspace: &Workspace, schedule: &RuleSchedule, now: Timestamp) -> bool {
    let usual = &workspace.config.time_zone;
    let next = schedule.next_after(schedule.first_mark(now, usual), usual, &workspace.calendar);
    next.is_some_and(|next| next.local.date() == now.to_zoned(schedule.zone(usual).zone().clone()).date())
}

fn is_ahead(decided_until: DateTime, present: DateTime) -> bool {
    decided_until.duration_since(present) > AHEAD_MAX
}

fn scheduled(workspace: &Workspace) -> impl Iterator<Item = (&Rule, &RuleSchedule)> {
    workspace.rules.rules.iter().filter_map(|rule| Some((rule, rule.schedule.as_ref()?)))
}

fn write(local: DateTime) -> String {
    local.strftime(LOCAL).to_string()
}

fn parse(text: &str) -> Option<DateTime> {
    DateTime::strptime(LOCAL, text).ok()
}
