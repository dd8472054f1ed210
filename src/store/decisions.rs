//! Stored decisions of one customer, with their traces: for whoever asks later why there was no mail.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::date::{Date, Timestamp};
use crate::store::{StoreError, timestamp};

/// A decision as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredDecision {
    /// Its run.
    pub run: i64,
    /// The rule.
    pub rule: String,
    /// The currency; empty where there is none.
    pub currency: String,
    /// The document or event; empty where the subject is the account.
    pub document: String,
    /// `due`, `blocked` or `declined`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// The rule that it stands back for.
    pub yields_to: Option<String>,
    /// The message it led to.
    pub message: Option<i64>,
    /// What its "no" rested on, as [`crate::plan::trace`] writes it; `None` where the reason says everything, or a release before kept
    /// none.
    #[serde(skip)]
    pub trace: Option<String>,
}

/// A run as far as its decisions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidingRun {
    /// Its id.
    pub id: i64,
    /// The day it decided for.
    pub as_of: String,
    /// `live`, `redirect` or `dry`.
    pub mode: String,
    /// The one rule it ran; `None`: all.
    pub rule_id: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// The scheduled local time that it was made for, if it was made for one.
    pub local_time: Option<String>,
    /// Whether its decisions have left the database.
    pub is_archived: bool,
}

const RUN: &str = "select id, as_of, run.mode, run.rule_id, started_at_ms, local_time, decisions_archived
    from run left join firing on firing.run_id = run.id";

fn run(row: &rusqlite::Row<'_>) -> rusqlite::Result<DecidingRun> {
    Ok(DecidingRun {
        id: row.get(0)?,
        as_of: row.get(1)?,
        mode: row.get(2)?,
        rule_id: row.get(3)?,
        started_at: timestamp(row.get(4)?),
        local_time: row.get(5)?,
        is_archived: row.get(6)?,
    })
}

/// Returns a run.
///
/// # Errors
/// Why the database could not be read.
pub fn deciding_run(connection: &Connection, id: i64) -> Result<Option<DecidingRun>, StoreError> {
    Ok(connection.query_row(&format!("{RUN} where id = ?1"), (id,), run).optional()?)
}

/// Returns the runs that decided for a day, the newest first.
///
/// # Errors
/// Why the database could not be read.
pub fn runs_of_day(connection: &Connection, mode: &str, as_of: Date) -> Result<Vec<DecidingRun>, StoreError> {
    let mut statement = connection.prepare(&format!("{RUN} where as_of = ?1 and run.mode = ?2 order by id desc"))?;
    let rows = statement.query_map((as_of.to_string(), mode), run)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns what a run decided about a customer.
///
/// # Errors
/// Why the database could not be read.
pub fn decisions_of(connection: &Connection, run_id: i64, customer_id: &str) -> Result<Vec<StoredDecision>, StoreError> {
    // Rule by rule, as the primary key stands: a run has a million decisions, and this reads a handful.
    let select = "with recursive rule (id) as (
            select min(rule_id) from decision where run_id = ?1
            union all
            select (select min(rule_id) from decision where run_id = ?1 and rule_id > rule.id) from rule where rule.id is not null)
        select decision.rule_id, currency, document, verdict, reason, yields_to, message_id, trace.text
        from rule join decision on run_id = ?1 and decision.rule_id = rule.id and customer_id = ?2
            left join trace on trace.id = trace_id
        order by decision.rule_id, currency, document";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((run_id, customer_id), |row| {
        Ok(StoredDecision {
            run: run_id,
            rule: row.get(0)?,
            currency: row.get(1)?,
            document: row.get(2)?,
            verdict: row.get(3)?,
            reason: row.get(4)?,
            yields_to: row.get(5)?,
            message: row.get(6)?,
            trace: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the id under which a trace is kept for the month of `at`; it is added where it is not there yet.
pub(crate) fn trace_id(connection: &Connection, text: &str, at: Timestamp) -> Result<i64, StoreError> {
    let (hash, month) = (Sha256::digest(text.as_bytes()), month(at));
    let hash = &hash[..16];
    let known = connection
        .prepare_cached("select id from trace where month = ?1 and hash = ?2")?
        .query_row((month, hash), |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection.prepare_cached("insert into trace (month, hash, text) values (?1, ?2, ?3)")?.execute((month, hash, text))?;
    Ok(connection.last_insert_rowid())
}

/// Returns the month of an instant in UTC, as `trace.month` counts them.
pub(crate) fn month(at: Timestamp) -> i64 {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}
