//! How the outbox stands, for whoever looks often: health page, metrics, the socket.
//!
//! Every query here costs what is open, never what has been sent in the years before: an index holds the open states
//! alone. So nothing here counts `accepted`, `withdrawn` or `cancelled`; attempts tell of those.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::outbox::state::State;
use crate::store::{StoreError, timestamp};

/// The states a message does not stay in for good: it goes on by itself, or a person or the next run moves it.
pub const OPEN_STATES: [State; 7] =
    [State::Blocked, State::Waiting, State::Queued, State::Sending, State::Refused, State::Exhausted, State::Unknown];

/// The messages in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenMessages {
    /// The state, one of [`OPEN_STATES`].
    pub state: State,
    /// How many there are.
    pub count: u64,
    /// Since when the oldest is in it; for `queued`, since when it waits, attempts notwithstanding. `None`: there is none.
    pub oldest_at: Option<Timestamp>,
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// Its id.
    pub id: i64,
    /// The one rule it ran; `None`: all.
    pub rule: Option<String>,
    /// The day it decided for.
    pub as_of: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When its queue had drained; `None`: it has not.
    pub finished_at: Option<Timestamp>,
    /// How many of its messages stand in each state, states without any left out.
    pub counts: Vec<(State, u64)>,
}

/// The condition of the index `message_open`, word for word: SQLite uses the index only for a query that says the same. It
/// holds the open states but for `queued`, which has an index of its own.
pub(crate) const IS_OPEN: &str = "state <> 'queued' and state <> 'accepted' and state <> 'withdrawn' and state <> 'cancelled'";

/// Returns how many messages of a mode stand in each of [`OPEN_STATES`], and since when.
///
/// # Errors
/// Why the database could not be read.
pub fn open_messages(connection: &Connection, mode: &str) -> Result<Vec<OpenMessages>, StoreError> {
    let mut statement = connection.prepare_cached(&open_messages_select())?;
    let mut rows = statement.query((mode,))?;
    let mut found = OPEN_STATES.map(|state| OpenMessages { state, count: 0, oldest_at: None });
    while let Some(row) = rows.next()? {
        let word: String = row.get(0)?;
        let Some(place) = found.iter_mut().find(|open| open.state.as_str() == word) else {
            return Err(StoreError::Corrupt { value: word, expected: "an open state" });
        };
        place.count = row.get::<_, i64>(1)?.unsigned_abs();
        place.oldest_at = row.get::<_, Option<i64>>(2)?.map(timestamp);
    }
    Ok(found.into())
}

fn open_messages_select() -> String {
    format!(
        "select state, count(*), min(state_at_ms) from message where mode = ?1 and {IS_OPEN} group by state
        union all select 'queued', count(*), min(queued_at_ms) from message where mode = ?1 and state = 'queued'"
    )
}

/// The messages of one run that stand in one state, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOfRun {
    /// The run.
    pub run_id: i64,
    /// `waiting`, `refused` or `unknown`.
    pub state: State,
    /// Why they were stopped, if they were: `stopped` by a person, or `refusals`.
    pub reason: Option<String>,
    /// How many there are.
    pub count: u64,
}

/// The messages of one rule that stand in one state, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOfRule {
    /// The rule.
    pub rule_id: String,
    /// `blocked` or `exhausted`.
    pub state: State,
    /// Why they are blocked.
    pub reason: Option<String>,
    /// How many there are.
    pub count: u64,
}

/// Returns the messages of a mode that wait for a person's word, run by run.
///
/// # Errors
/// Why the database could not be read.
pub fn open_of_runs(connection: &Connection, mode: &str) -> Result<Vec<OpenOfRun>, StoreError> {
    let select = format!(
        "select run_id, state, case when state = 'waiting' and reason in ('stopped', 'refusals') then reason end, count(*)
        from message where mode = ?1 and {IS_OPEN} and state in ('waiting', 'refused', 'unknown') group by 1, 2, 3 order by 1, 2, 3"
    );
    let mut statement = connection.prepare_cached(&select)?;
    let mut rows = statement.query((mode,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(OpenOfRun { run_id: row.get(0)?, state: state(row.get(1)?)?, reason: row.get(2)?, count: count(row.get(3)?) });
    }
    Ok(found)
}

/// Returns the messages of a mode that could not be composed or were given up, rule by rule. What its rule's last run for
/// everybody found no longer due, and so did not replace, is left out.
///
/// # Errors
/// Why the database could not be read.
pub fn open_of_rules(connection: &Connection, mode: &str) -> Result<Vec<OpenOfRule>, StoreError> {
    let select = format!(
        "select rule_id, state, case state when 'blocked' then reason end, count(*) from message
        where mode = ?1 and {IS_OPEN} and state in ('blocked', 'exhausted') and state_at_ms >= coalesce((
            select started_at_ms from run where run.id =
                (select max(run_id) from rule_run where rule_run.mode = ?1 and rule_run.rule_id = message.rule_id)), 0)
        group by 1, 2, 3 order by 1, 2, 3"
    );
    let mut statement = connection.prepare_cached(&select)?;
    let mut rows = statement.query((mode,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(OpenOfRule {
            rule_id: row.get(0)?,
            state: state(row.get(1)?)?,
            reason: row.get(2)?,
            count: count(row.get(3)?),
        });
    }
    Ok(found)
}

fn state(word: String) -> Result<State, StoreError> {
    State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" })
}

fn count(count: i64) -> u64 {
    count.unsigned_abs()
}

/// The newest run of a mode.
const LAST_RUN: &str =
    "select id, rule_id, as_of, started_at_ms, finished_at_ms from run where mode = ?1 order by id desc limit 1";
/// Counts a run's messages over the index of its run; `state_counts`, which may be asked for all runs, walks every message.
const RUN_COUNTS: &str = "select state, count(*) from message where run_id = ?1 group by state";

/// Returns the last run of a mode, if there was one.
///
/// # Errors
/// Why the database could not be read.
pub fn last_run(connection: &Connection, mode: &str) -> Result<Option<LastRun>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(LastRun {
            id: row.get(0)?,
            rule: row.get(1)?,
            as_of: row.get(2)?,
            started_at: timestamp(row.get(3)?),
            finished_at: row.get::<_, Option<i64>>(4)?.map(timestamp),
            counts: Vec::new(),
        })
    };
    let Some(run) = connection.prepare_cached(LAST_RUN)?.query_row((mode,), read).optional()? else { return Ok(None) };
    Ok(Some(LastRun { counts: run_counts(connection, run.id)?, ..run }))
}

/// Returns how many messages of a run stand in each state, states without any left out.
///
/// # Errors
/// Why the database could not be read.
pub fn run_counts(connection: &Connection, run_id: i64) -> Result<Vec<(State, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(RUN_COUNTS)?;
    let mut rows = statement.query((run_id,))?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(0)?;
        let state = State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" })?;
        counts.push((state, row.get::<_, i64>(1)?.unsigned_abs()));
    }
    counts.sort_unstable();
    Ok(counts)
}

#[cfg(test)]
mod tests;
