//! What people did: one line for each act, written in the transaction of its effect.

use rusqlite::Connection;
use serde::Serialize;

use crate::domain::date::Timestamp;
use crate::store::digest::{self, ActFacts};
use crate::store::{RunTransaction, StoreError, timestamp};

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActRow<'a> {
    /// Who.
    pub(crate) person: &'a str,
    /// What: `run`, `start`, `stop`, `close`, `renew`, `cancel`, `accept`, `resend`.
    pub(crate) act: &'static str,
    /// With which run.
    pub(crate) run_id: Option<i64>,
    /// With which message.
    pub(crate) message_id: Option<i64>,
    /// What else there is to know.
    pub(crate) detail: Option<String>,
}

/// An act as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub person: String,
    /// What.
    pub act: String,
    /// What else there is to know.
    pub detail: Option<String>,
}

impl RunTransaction<'_> {
    /// Notes that a person asked for this run.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn add_asked(&mut self, person: &str, detail: Option<String>) -> Result<(), StoreError> {
        let (run_id, now) = (Some(self.run_id()), self.started_at());
        add_act(self.connection(), now, &ActRow { person, act: "run", run_id, message_id: None, detail })
    }
}

/// Writes an act down; to be called in the transaction of what it did.
pub(crate) fn add_act(connection: &Connection, now: Timestamp, act: &ActRow<'_>) -> Result<(), StoreError> {
    let insert = "insert into act (at_ms, person, act, run_id, message_id, detail, digest) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let facts = ActFacts {
        at_ms: now.as_millisecond(),
        person: act.person,
        act: act.act,
        run_id: act.run_id,
        message_id: act.message_id,
        detail: act.detail.as_deref(),
    };
    let values = (facts.at_ms, facts.person, facts.act, facts.run_id, facts.message_id, facts.detail, digest::act(&facts));
    connection.prepare_cached(insert)?.execute(values)?;
    Ok(())
}

/// Returns what people did with a run, in order.
///
/// # Errors
/// Why the database could not be read.
pub fn acts_of_run(connection: &Connection, run_id: i64) -> Result<Vec<ActView>, StoreError> {
    acts(connection, "select at_ms, person, act, detail from act where run_id = ?1 order by id", run_id)
}

/// Returns what people did with a message, in order.
///
/// # Errors
/// Why the database could not be read.
pub fn acts_of_message(connection: &Connection, message_id: i64) -> Result<Vec<ActView>, StoreError> {
    acts(connection, "select at_ms, person, act, detail from act where message_id = ?1 order by id", message_id)
}

fn acts(connection: &Connection, select: &str, id: i64) -> Result<Vec<ActView>, StoreError> {
    let mut statement = connection.prepare_cached(select)?;
    let view = |row: &rusqlite::Row<'_>| {
        Ok(ActView { at: timestamp(row.get(0)?), person: row.get(1)?, act: row.get(2)?, detail: row.get(3)? })
    };
    Ok(statement.query_map((id,), view)?.collect::<Result<_, _>>()?)
}
