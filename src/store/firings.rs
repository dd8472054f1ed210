//! Firings: which scheduled times of which rules have been decided, and how.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::domain::date::Timestamp;
use crate::store::{RunTransaction, Store, StoreError};

/// One scheduled time of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiringRow {
    /// `live`, `redirect` or `dry`.
    pub mode: &'static str,
    /// The rule.
    pub rule_id: String,
    /// The schedule, as the rule writes it.
    pub schedule: String,
    /// The scheduled local time: `2027-03-28T02:30`. A firing is known by it.
    pub local_time: String,
    /// By whose clock.
    pub time_zone: String,
    /// The instant it falls on.
    pub scheduled_at: Timestamp,
}

/// How far a rule's firings are decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleMark {
    /// The schedule it was decided under.
    pub schedule: String,
    /// The last local time decided.
    pub decided_until: String,
}

impl RunTransaction<'_> {
    /// Notes that this run is the one of `firing`.
    ///
    /// # Errors
    /// `Decided` where the firing has a run or was left out before, or why it could not be stored.
    pub fn add_firing(&mut self, firing: &FiringRow) -> Result<(), StoreError> {
        let (run_id, now) = (self.run_id(), self.started_at());
        decide(self.connection(), firing, "ran", None, Some(run_id), now)
    }
}

impl Store {
    /// Notes missed firings, each with its reason, and moves their rules' marks on. One that was decided before stays.
    ///
    /// # Errors
    /// Why it could not be stored; then none of them is.
    pub async fn leave_out(&self, firings: Vec<(FiringRow, &'static str)>, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            for (firing, reason) in &firings {
                match decide(connection, firing, "missed", Some(reason), None, now) {
                    Ok(()) | Err(StoreError::Decided { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
        .await
    }

    /// Sets the marks from which rules' firings count, whatever they were; all of them, or none.
    ///
    /// # Errors
    /// Why they could not be stored.
    pub async fn set_marks(&self, mode: &'static str, marks: Vec<(String, ScheduleMark)>) -> Result<(), StoreError> {
        self.write(move |connection| marks.iter().try_for_each(|(rule_id, mark)| set_mark(connection, mode, rule_id, mark))).await
    }
}

/// Returns how far the firings of every rule are decided that was ever looked at, by its id.
///
/// # Errors
/// Why the database could not be read.
pub fn marks(connection: &Connection, mode: &str) -> Result<BTreeMap<String, ScheduleMark>, StoreError> {
    let mut statement = connection.prepare("select rule_id, schedule, decided_until from rule_schedule where mode = ?1")?;
    let rows = statement
        .query_map((mode,), |row| Ok((row.get(0)?, ScheduleMark { schedule: row.get(1)?, decided_until: row.get(2)? })))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn decide(
    connection: &Connection,
    firing: &FiringRow,
    outcome: &str,
    reason: Option<&str>,
    run_id: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert =
        "insert into firing (mode, rule_id, local_time, time_zone, scheduled_at_ms, outcome, reason, run_id, decided_at_ms)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict do nothing";
    let inserted = connection.prepare_cached(insert)?.execute((
        firing.mode,
        &firing.rule_id,
        &firing.local_time,
        &firing.time_zone,
        firing.scheduled_at.as_millisecond(),
        outcome,
        reason,
        run_id,
        now.as_millisecond(),
    ))?;
    let mark = ScheduleMark { schedule: firing.schedule.clone(), decided_until: firing.local_time.clone() };
    set_mark(connection, firing.mode, &firing.rule_id, &mark)?;
    if inserted == 0 { Err(StoreError::Decided { local_time: firing.local_time.clone() }) } else { Ok(()) }
}

fn set_mark(connection: &Connection, mode: &str, rule_id: &str, mark: &ScheduleMark) -> Result<(), StoreError> {
    let insert = "insert into rule_schedule (mode, rule_id, schedule, decided_until) values (?1, ?2, ?3, ?4)
        on conflict (mode, rule_id) do update set schedule = excluded.schedule, decided_until = excluded.decided_until";
    connection.prepare_cached(insert)?.execute((mode, rule_id, &mark.schedule, &mark.decided_until))?;
    Ok(())
}
