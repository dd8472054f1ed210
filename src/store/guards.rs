//! What the guards ask: how many mails a rule usually makes, and how many of a run were refused.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::date::Timestamp;
use crate::store::acts::{ActRow, add_act};
use crate::store::{RunTransaction, Store, StoreError, timestamp};

/// Who is on record for what the program does by itself.
pub const PROGRAM: &str = "dunlin";

/// The runs of a rule that decided for one day, as far as they tell what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleDay {
    /// How many there were.
    pub run_count: u64,
    /// How many mails the rule had in them, blocked ones left out.
    pub message_count: u64,
    /// When the last of them started.
    pub last_run_at: Timestamp,
}

/// How the servers answered to the mails of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// How many were accepted.
    pub accepted: u64,
    /// How many were refused.
    pub refused: u64,
}

impl RunTransaction<'_> {
    /// Notes how many mails a rule had in this run.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn add_rule_run(&mut self, rule_id: &str, message_count: u64) -> Result<(), StoreError> {
        let insert = "insert into rule_run (mode, rule_id, run_id, message_count) values (?1, ?2, ?3, ?4)";
        let values = (self.mode(), rule_id, self.run_id(), message_count.cast_signed());
        self.connection().prepare_cached(insert)?.execute(values)?;
        Ok(())
    }
}

impl Store {
    /// Holds back what a run has queued, since too much of it is refused; returns how many mails that are. Recorded as an
    /// act of the program, like the one of a person; copies that a person asked for go all the same.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn halt(&self, run_id: i64, detail: String, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let update = "update message set state = 'waiting', reason = 'refusals', next_attempt_at_ms = null, state_at_ms = ?2
                where run_id = ?1 and state = 'queued' and is_copy = 0";
            let changed = connection.execute(update, (run_id, now.as_millisecond()))?;
            if changed > 0 {
                connection.execute("update run set stopped_at_ms = ?2 where id = ?1", (run_id, now.as_millisecond()))?;
                let (act, run_id) = ("stop", Some(run_id));
                add_act(connection, now, &ActRow { person: PROGRAM, act, run_id, message_id: None, detail: Some(detail) })?;
            }
            Ok(changed)
        })
        .await
    }
}

/// Returns how servers answered to the mails of a run since a person last let it go.
///
/// # Errors
/// Why the database could not be read.
pub fn answers(connection: &Connection, run_id: i64) -> Result<Answers, StoreError> {
    let select = "select coalesce(sum(state = 'accepted'), 0), coalesce(sum(state = 'refused'), 0) from message
        where run_id = ?1 and state in ('accepted', 'refused')
            and state_at_ms >= coalesce((select max(at_ms) from act where run_id = ?1 and act = 'start'), 0)";
    let mut statement = connection.prepare_cached(select)?;
    Ok(statement.query_row((run_id,), |row| {
        let count = |place| Ok::<_, rusqlite::Error>(row.get::<_, i64>(place)?.unsigned_abs());
        Ok(Answers { accepted: count(0)?, refused: count(1)? })
    })?)
}

/// Returns the numbers of mails of a rule's last `limit` runs that had any, before the run `before`, newest first. `ids` are the
/// rule's own id and those it had.
///
/// # Errors
/// Why the database could not be read.
pub fn counts_with_mails(
    connection: &Connection,
    mode: &str,
    ids: &[&str],
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<u64>, StoreError> {
    let select = "select run_id, message_count from rule_run where mode = ?1 and rule_id = ?2 and message_count > 0
        and (?3 is null or run_id < ?3) order by run_id desc limit ?4";
    let mut statement = connection.prepare_cached(select)?;
    let mut found: Vec<(i64, u64)> = Vec::new();
    for id in ids {
        let rows = statement
            .query_map((mode, id, before, limit as i64), |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found.into_iter().take(limit).map(|(_, count)| count).collect())
}

/// How many runs are looked at, at most, to find the last days of a rule: one that runs every few minutes has many in a day.
const RUNS_LOOKED_AT: i64 = 10_000;

/// Returns the last days that a rule decided for, newest first, at most `limit`.
///
/// # Errors
/// Why the database could not be read.
pub fn last_days_of(connection: &Connection, mode: &str, rule_id: &str, limit: usize) -> Result<Vec<RuleDay>, StoreError> {
    let select = "select as_of, started_at_ms, message_count from rule_run join run on run.id = run_id
        where rule_run.mode = ?1 and rule_run.rule_id = ?2 order by run_id desc limit ?3";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((mode, rule_id, RUNS_LOOKED_AT))?;
    let mut days: Vec<RuleDay> = Vec::new();
    let mut last_as_of = String::new();
    while let Some(row) = rows.next()? {
        let (as_of, message_count) =
            (row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?, row.get::<_, i64>(2)?.unsigned_abs());
        if let Some(day) = days.last_mut().filter(|_| as_of == last_as_of) {
            day.run_count += 1;
            day.message_count += message_count;
            continue;
        }
        if days.len() == limit {
            break;
        }
        last_as_of = as_of.to_owned();
        days.push(RuleDay { run_count: 1, message_count, last_run_at: timestamp(row.get(1)?) });
    }
    Ok(days)
}

/// A scheduled time of a rule that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedFiring {
    /// The scheduled local time.
    pub local_time: String,
    /// By whose clock.
    pub time_zone: String,
    /// Why: `skip`, `too_old`, `superseded`.
    pub reason: String,
    /// When that was decided.
    pub decided_at: Timestamp,
}

/// Returns a rule's last firing, if it was left out.
///
/// # Errors
/// Why the database could not be read.
pub fn last_firing_missed(connection: &Connection, mode: &str, rule_id: &str) -> Result<Option<MissedFiring>, StoreError> {
    let select = "select local_time, time_zone, coalesce(reason, ''), decided_at_ms, outcome from firing
        where mode = ?1 and rule_id = ?2 order by local_time desc limit 1";
    let last = connection
        .prepare_cached(select)?
        .query_row((mode, rule_id), |row| {
            let firing = MissedFiring {
                local_time: row.get(0)?,
                time_zone: row.get(1)?,
                reason: row.get(2)?,
                decided_at: timestamp(row.get(3)?),
            };
            Ok((firing, row.get::<_, String>(4)?))
        })
        .optional()?;
    Ok(last.filter(|(_, outcome)| outcome == "missed").map(|(firing, _)| firing))
}
