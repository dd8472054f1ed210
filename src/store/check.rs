//! Whether a database is whole: for a bounded time at each start, thoroughly when asked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Serialize;

use crate::store::{StoreError, check_owner, open_plain_reader};

/// How long a start may take to look the database through. What is not reached by then is left to `dunlin store check`.
/// Measured: docs/decisions/0030.
const START_TIME_MAX: Duration = Duration::from_secs(10);
/// After how many of SQLite's operations the time is looked at.
const OPERATIONS_STEP: i32 = 1_000;
/// How many faults are told.
const FAULTS_MAX: usize = 10;
/// The table that holds nearly all bytes of a large database.
const BODIES: &str = "message_body";

/// What a thorough check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What is wrong, the first of it; empty where all is well.
    pub faults: Vec<String>,
    /// How many messages there are.
    pub messages: u64,
    /// How large the file is.
    pub bytes: u64,
}

/// Refuses a damaged database, before anything is changed in it. Looks as long as a start may take: at what the guarantee
/// rests on first, at the mails' texts last.
pub(crate) fn at_start(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let begun = Instant::now();
    connection.progress_handler(OPERATIONS_STEP, Some(move || begun.elapsed() > START_TIME_MAX))?;
    let looked = look_quickly(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match looked {
        Ok(faults) => damage(path, faults),
        Err(StoreError::Sql(error)) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            tracing::info!("The database was not looked through to its end at the start; `dunlin store check` does");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn look_quickly(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let select = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'
        order by name = ?1, name <> 'message_item', name <> 'message', rootpage";
    let mut statement = connection.prepare(select)?;
    let tables: Vec<String> = statement.query_map((BODIES,), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut faults = Vec::new();
    for table in tables {
        // A name of our own migrations: it needs no quoting.
        faults.extend(pragma_faults(connection, &format!("pragma quick_check({table})"))?);
    }
    Ok(faults)
}

/// Looks through all of a database, indexes and references among it.
///
/// # Errors
/// It is not there, is none of ours, or cannot be read at all.
pub fn whole(path: &Path) -> Result<Checked, StoreError> {
    let connection = open_plain_reader(path)?;
    let bytes = fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    match faults(&connection, path) {
        Ok(faults) => {
            let messages = connection.query_row("select count(*) from message", (), |row| row.get::<_, i64>(0));
            Ok(Checked { faults, messages: messages.map_or(0, i64::unsigned_abs), bytes })
        }
        Err(StoreError::Damaged { words, .. }) => Ok(Checked { faults: vec![words], messages: 0, bytes }),
        Err(error) => Err(error),
    }
}

/// Returns everything that is wrong with a database, the first of it.
pub(crate) fn faults(connection: &Connection, path: &Path) -> Result<Vec<String>, StoreError> {
    let damaged = |error: StoreError| match error {
        StoreError::Sql(error) | StoreError::Open { source: error, .. } if is_damage(&error) => {
            StoreError::Damaged { path: path.to_owned(), words: error.to_string() }
        }
        other => other,
    };
    let look = || -> Result<Vec<String>, StoreError> {
        if check_owner(connection, path)? == 0 {
            return Err(StoreError::NotOurs { path: path.to_owned() });
        }
        let mut faults = pragma_faults(connection, "pragma integrity_check(10)")?;
        faults.extend(reference_faults(connection)?);
        faults.extend(own_faults(connection)?);
        faults.truncate(FAULTS_MAX);
        Ok(faults)
    };
    look().map_err(damaged)
}

/// Returns an error that names the damage, if there is any.
pub(crate) fn damage(path: &Path, faults: Vec<String>) -> Result<(), StoreError> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(StoreError::Damaged { path: path.to_owned(), words: faults.join("; ").chars().take(400).collect() })
}

/// Returns whether SQLite says that the file is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn pragma_faults(connection: &Connection, pragma: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(pragma)?;
    let mut rows = statement.query(())?;
    let mut faults = Vec::new();
    loop {
        match rows.next() {
            Ok(Some(row)) => faults.push(row.get::<_, String>(0)?),
            Ok(None) => break,
            // The damage is such that even looking ends.
            Err(error) if is_damage(&error) => {
                faults.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    faults.retain(|fault| fault != "ok");
    Ok(faults)
}

fn reference_faults(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("select \"table\", parent, count(*) from pragma_foreign_key_check() group by 1, 2")?;
    let words = |row: &rusqlite::Row<'_>| {
        let (table, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{count} rows of `{table}` name a row of `{parent}` that is not there"))
    };
    let faults = statement.query_map((), words)?;
    Ok(faults.collect::<Result<_, _>>()?)
}

/// Returns what no constraint of SQL holds: a mail that may go has its bytes and its recipients.
fn own_faults(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let select = "select count(*) from message where state in ('waiting', 'queued', 'sending') and (
        not exists (select 1 from message_body where message_id = id)
        or not exists (select 1 from message_recipient where message_id = id))";
    let count: i64 = connection.query_row(select, (), |row| row.get(0))?;
    let mails = (count > 0).then(|| format!("{count} mails are to be sent and have no text or no recipient"));
    // A backup of an earlier release has none.
    let has_traces: bool = connection.prepare("select 1 from pragma_table_info('trace')")?.exists(())?;
    let select = "select count(*) from decision where trace_id is not null
        and not exists (select 1 from trace where trace.id = trace_id)";
    let count: i64 = if has_traces { connection.query_row(select, (), |row| row.get(0))? } else { 0 };
    let traces = (count > 0).then(|| format!("{count} rows of `decision` name a row of `trace` that is not there"));
    Ok(mails.into_iter().chain(traces).collect())
}

#[cfg(test)]
mod tests;
