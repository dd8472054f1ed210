//! What is over leaves the database in small steps: first into the archive, then out of the tables.
//!
//! What the guarantee rests on is never touched: messages with their keys, items with the steps they claim, the first days of
//! rules, baselines, marks, acts, links, and whatever is not done with. Only the newest run and the newest attempt keep their rows
//! whatever became of them, so that no id is given twice.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::date::Timestamp;
use crate::store::archive::{Extent, append, fault};
use crate::store::digest::{Hash, text_digest};
use crate::store::outbox::recipients;
use crate::store::search::{attempts, message_items};
use crate::store::{Store, StoreError, timestamp};

/// How many rows one step moves, at most.
const ROWS_STEP: usize = 1_000;
/// How many bytes of mails one step moves; the last one may go beyond.
const MAIL_BYTES_STEP: usize = 4 << 20;

/// How many traces one step takes away, at most; they are small.
const TRACES_STEP: usize = 10_000;
/// The traces of months before the first from which decisions are still here. The newest run's month stays, since the next run goes on
/// with it.
const IDLE_TRACES: &str = "month < (select min(
        cast(strftime('%Y', started_at_ms / 1000, 'unixepoch') as integer) * 12
        + cast(strftime('%m', started_at_ms / 1000, 'unixepoch') as integer) - 1)
    from run where decisions_archived = 0 or id = (select max(id) from run))";

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Decisions.
    pub decisions: u64,
    /// Firings.
    pub firings: u64,
    /// Runs that had made no mail.
    pub runs: u64,
    /// Texts of mails, with their attempts.
    pub mails: u64,
}

impl Moved {
    /// Adds what another step moved.
    pub fn add(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.firings += other.firings;
        self.runs += other.runs;
        self.mails += other.mails;
    }
}

/// What one step is to move: the lines for the archive, and how the same leaves the tables.
#[derive(Debug, Default)]
struct Step {
    /// `decisions` or `mails`, with the month: `decisions-2026-11`.
    name: String,
    lines: String,
    moved: Moved,
    removals: Vec<Removal>,
    /// Nothing older than asked for is left after it.
    is_last: bool,
}

/// What can be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Decisions, with firings, and runs that made no mail.
    Decisions,
    /// Texts of mails that are done with, and attempts.
    Mails,
}

/// What leaves the tables, and how many rows that must be.
#[derive(Debug)]
enum Removal {
    /// Decisions of a run up to and with this one.
    Decisions { run_id: i64, upto: [String; 4], count: usize },
    /// A run's firing, and the run itself where no mail and no act names it; none of its decisions is left.
    Run { run_id: i64 },
    /// Traces of months of which no run has decisions here any more, so many of them.
    Traces { count: usize },
    /// A firing without a run.
    Firing { mode: String, rule_id: String, local_time: String },
    /// A mail's text and attempts, if it stands as it was read.
    Mail { id: i64, state: String, state_at_ms: i64, digest: Hash },
    /// No text of a done mail is left in a run.
    Mails { run_id: i64 },
}

impl Step {
    fn line(&mut self, value: &Value) {
        self.lines.push_str(&value.to_string());
        self.lines.push('\n');
    }

    fn is_full(&self) -> bool {
        self.removals.len() >= ROWS_STEP
            || (self.moved.decisions + self.moved.firings) as usize >= ROWS_STEP
            || self.lines.len() >= MAIL_BYTES_STEP
    }

    /// Takes the month of the first thing in it; returns whether `at_ms` lies in the same one.
    fn takes(&mut self, kind: &str, at_ms: i64) -> bool {
        let name = format!("{kind}-{}", timestamp(at_ms).strftime("%Y-%m"));
        if self.name.is_empty() {
            self.name.clone_from(&name);
        }
        self.name == name
    }
}

impl Store {
    /// Moves the oldest of what was over before `before` into the archive; returns what, and whether it was the last.
    ///
    /// # Errors
    /// The archive cannot be written, or the database; then nothing has left it.
    pub async fn prune(&self, kept: Kept, folder: &Path, before: Timestamp) -> Result<(Moved, bool), StoreError> {
        let (reader, folder) = (self.reader()?, folder.to_owned());
        // Reading and the archive's own disk are not the writer's business: sending goes on meanwhile.
        let prepared = tokio::task::spawn_blocking(move || -> Result<_, StoreError> {
            let step = match kept {
                Kept::Decisions => decisions_step(&reader, before.as_millisecond())?,
                Kept::Mails => mails_step(&reader, before.as_millisecond())?,
            };
            if step.removals.is_empty() || step.lines.is_empty() {
                return Ok((step, None));
            }
            let database_id: String = reader.query_row("select database_id from home", (), |row| row.get(0))?;
            // Two databases never write one file, not even where one was copied from the other.
            let name = format!("{}.{}.jsonl", step.name, &database_id[..8.min(database_id.len())]);
            let known = extent(&reader, &name)?;
            let failed = |source| StoreError::File { path: folder.join(&name), source };
            let extent = append(&folder, &name, known.as_ref(), &step.lines).map_err(failed)?;
            Ok((step, Some((name, extent))))
        });
        let (step, written) = prepared.await.map_err(|error| StoreError::Commit(error.to_string()))??;
        let done = (step.moved, step.is_last);
        if step.removals.is_empty() {
            return Ok(done);
        }
        self.write(move |connection| {
            for removal in &step.removals {
                remove(connection, removal)?;
            }
            if let Some((name, extent)) = written {
                let insert = "insert into archive (file, bytes, checksum) values (?1, ?2, ?3)
                    on conflict do update set bytes = excluded.bytes, checksum = excluded.checksum";
                connection.execute(insert, (name, extent.bytes.cast_signed(), extent.checksum))?;
            }
            Ok(())
        })
        .await?;
        Ok(done)
    }
}

fn extent(reader: &Connection, name: &str) -> Result<Option<Extent>, StoreError> {
    let row = |row: &rusqlite::Row<'_>| Ok(Extent { bytes: row.get::<_, i64>(0)?.unsigned_abs(), checksum: row.get(1)? });
    Ok(reader.query_row("select bytes, checksum from archive where file = ?1", (name,), row).optional()?)
}

/// Returns what is wrong with the files of the archive that are still in their folder.
///
/// # Errors
/// The database or a file cannot be read.
pub fn archive_faults(reader: &Connection, folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut statement = reader.prepare("select file from archive order by file")?;
    let names: Vec<String> = statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut faults = Vec::new();
    for name in names.into_iter().filter(|name| folder.join(name).exists()) {
        let Some(known) = extent(reader, &name)? else { continue };
        let failed = |source| StoreError::File { path: folder.join(&name), source };
        faults.extend(fault(folder, &name, &known).map_err(failed)?);
    }
    Ok(faults)
}

/// A run as the archive tells it.
struct OldRun {
    id: i64,
    started_at_ms: i64,
    view: Value,
    is_needed: bool,
}

fn decisions_step(reader: &Connection, before_ms: i64) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut statement = reader.prepare_cached(
        "select id, started_at_ms, as_of, rule_id, mode, generation, finished_at_ms, person, only_subject,
            exists (select 1 from message where run_id = run.id) or exists (select 1 from act where run_id = run.id)
                or id = (select max(id) from run)
        from run where decisions_archived = 0 and started_at_ms < ?1 and finished_at_ms is not null order by id",
    )?;
    let mut rows = statement.query((before_ms,))?;
    while let Some(row) = rows.next()? {
        let run = OldRun {
            id: row.get(0)?,
            started_at_ms: row.get(1)?,
            view: json!({ "run": {
                "id": row.get::<_, i64>(0)?, "started_at": timestamp(row.get(1)?), "as_of": row.get::<_, String>(2)?,
                "rule": row.get::<_, Option<String>>(3)?, "mode": row.get::<_, String>(4)?,
                "generation": row.get::<_, String>(5)?, "finished_at": row.get::<_, Option<i64>>(6)?.map(timestamp),
                "person": row.get::<_, Option<String>>(7)?, "only": row.get::<_, Option<String>>(8)?,
            }}),
            is_needed: row.get(9)?,
        };
        if !step.takes("decisions", run.started_at_ms) || !add_run(reader, &mut step, &run)? || step.is_full() {
            return Ok(step);
        }
    }
    drop(rows);
    let mut statement = reader.prepare_cached(
        "select mode, rule_id, local_time, time_zone, scheduled_at_ms, reason, decided_at_ms from firing
        where run_id is null and decided_at_ms < ?1 order by decided_at_ms limit ?2",
    )?;
    let mut rows = statement.query((before_ms, ROWS_STEP as i64))?;
    while let Some(row) = rows.next()? {
        if step.is_full() || !step.takes("decisions", row.get(6)?) {
            return Ok(step);
        }
        let (mode, rule_id, local_time): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        step.line(&json!({ "firing": {
            "mode": mode, "rule": rule_id, "local_time": local_time, "time_zone": row.get::<_, String>(3)?,
            "scheduled_at": timestamp(row.get(4)?), "reason": row.get::<_, Option<String>>(5)?, "run": null,
        }}));
        step.moved.firings += 1;
        step.removals.push(Removal::Firing { mode, rule_id, local_time });
    }
    if step.moved.firings >= ROWS_STEP as u64 {
        return Ok(step);
    }
    // They are in the archive with the decisions that rested on them, so they only go.
    let select = format!("select count(*) from (select 1 from trace where {IDLE_TRACES} limit ?1)");
    let idle: i64 = reader.prepare_cached(&select)?.query_row((TRACES_STEP as i64,), |row| row.get(0))?;
    if idle > 0 {
        step.removals.push(Removal::Traces { count: TRACES_STEP });
    }
    step.is_last = idle < TRACES_STEP as i64;
    Ok(step)
}

/// Adds a run's decisions as far as the step has room, and the run once they are all in; returns whether they are.
fn add_run(reader: &Connection, step: &mut Step, run: &OldRun) -> Result<bool, StoreError> {
    let room = ROWS_STEP.saturating_sub(step.moved.decisions as usize);
    let mut statement = reader.prepare_cached(
        "select rule_id, customer_id, currency, document, verdict, reason, message_id, yields_to, trace.text
        from decision left join trace on trace.id = trace_id where run_id = ?1
        order by run_id, rule_id, customer_id, currency, document limit ?2",
    )?;
    let mut rows = statement.query((run.id, room as i64 + 1))?;
    let (mut upto, mut count) = (None, 0);
    while let Some(row) = rows.next()? {
        if count == room {
            // There are more of them; the run stays until the last.
            step.removals.extend(upto.map(|upto| Removal::Decisions { run_id: run.id, upto, count }));
            return Ok(false);
        }
        let key: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        step.line(&json!({ "decision": {
            "run": run.id, "rule": key[0], "customer": key[1], "currency": key[2], "document": key[3],
            "verdict": row.get::<_, String>(4)?, "reason": row.get::<_, String>(5)?, "mail": row.get::<_, Option<i64>>(6)?,
            "yields_to": row.get::<_, Option<String>>(7)?, "trace": row.get::<_, Option<String>>(8)?,
        }}));
        (upto, count) = (Some(key), count + 1);
        step.moved.decisions += 1;
    }
    step.removals.extend(upto.map(|upto| Removal::Decisions { run_id: run.id, upto, count }));
    let mut statement =
        reader.prepare_cached("select mode, rule_id, local_time, time_zone, scheduled_at_ms from firing where run_id = ?1")?;
    let mut rows = statement.query((run.id,))?;
    while let Some(row) = rows.next()? {
        step.line(&json!({ "firing": {
            "mode": row.get::<_, String>(0)?, "rule": row.get::<_, String>(1)?, "local_time": row.get::<_, String>(2)?,
            "time_zone": row.get::<_, String>(3)?, "scheduled_at": timestamp(row.get(4)?), "reason": null, "run": run.id,
        }}));
        step.moved.firings += 1;
    }
    step.line(&run.view);
    step.moved.runs += u64::from(!run.is_needed);
    step.removals.push(Removal::Run { run_id: run.id });
    Ok(true)
}

fn mails_step(reader: &Connection, before_ms: i64) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut statement =
        reader.prepare_cached("select id, started_at_ms from run where mails_archived = 0 and started_at_ms < ?1 order by id")?;
    let mut mails = reader.prepare_cached(
        "select id, message_key, rule_id, customer_id, customer_name, currency, total, kind, level_id, level_repeat, occasion,
            as_of, state, reason, state_at_ms, sender_id, envelope_from, subject, mode, bytes, input
        from message join message_body on message_id = id
        where run_id = ?1 and state_at_ms < ?2 and (mode = 'dry' or state in ('accepted', 'withdrawn', 'cancelled')) order by id",
    )?;
    let mut runs = statement.query((before_ms,))?;
    while let Some(run) = runs.next()? {
        let (run_id, started_at_ms): (i64, i64) = (run.get(0)?, run.get(1)?);
        let mut rows = mails.query((run_id, before_ms))?;
        while let Some(row) = rows.next()? {
            if step.is_full() || !step.takes("mails", started_at_ms) {
                return Ok(step);
            }
            let id: i64 = row.get(0)?;
            let text = |place: usize| row.get::<_, Option<String>>(place);
            let (bytes, input): (Vec<u8>, Option<String>) = (row.get(19)?, row.get(20)?);
            let recipients: Vec<String> =
                recipients(reader, id)?.into_iter().map(|recipient| recipient.address.to_string()).collect();
            step.line(&json!({ "mail": {
                "id": id, "key": text(1)?, "run": run_id, "mode": text(18)?, "rule": text(2)?, "customer": text(3)?,
                "customer_name": text(4)?, "currency": text(5)?, "total": text(6)?, "kind": text(7)?, "level": text(8)?,
                "repeat": row.get::<_, i64>(9)?, "occasion": text(10)?, "as_of": text(11)?, "state": text(12)?,
                "reason": text(13)?, "state_at": timestamp(row.get(14)?), "sender": text(15)?, "envelope_from": text(16)?,
                "subject": text(17)?, "recipients": recipients, "items": message_items(reader, id)?,
                "attempts": attempts(reader, id)?, "input": input, "eml": String::from_utf8_lossy(&bytes),
            }}));
            step.moved.mails += 1;
            let digest = text_digest(&bytes, input.as_deref());
            step.removals.push(Removal::Mail { id, state: row.get(12)?, state_at_ms: row.get(14)?, digest });
        }
        step.removals.push(Removal::Mails { run_id });
        if step.is_full() {
            return Ok(step);
        }
    }
    step.is_last = true;
    Ok(step)
}

/// Takes rows out of the tables; anything that is not as it was read stops the whole step.
fn remove(connection: &Connection, removal: &Removal) -> Result<(), StoreError> {
    let changed = || StoreError::Commit("what was to be archived has changed meanwhile".to_owned());
    match removal {
        Removal::Decisions { run_id, upto: [rule_id, customer_id, currency, document], count } => {
            let delete = "delete from decision where run_id = ?1
                and (rule_id, customer_id, currency, document) <= (?2, ?3, ?4, ?5)";
            let values = (run_id, rule_id, customer_id, currency, document);
            let deleted = connection.prepare_cached(delete)?.execute(values)?;
            if deleted == *count { Ok(()) } else { Err(changed()) }
        }
        Removal::Run { run_id } => {
            connection.prepare_cached("delete from firing where run_id = ?1")?.execute((run_id,))?;
            connection.prepare_cached("update run set decisions_archived = 1 where id = ?1")?.execute((run_id,))?;
            let delete = "delete from run where id = ?1 and id < (select max(id) from run)
                and not exists (select 1 from message where run_id = run.id)
                and not exists (select 1 from act where run_id = run.id)";
            connection.prepare_cached(delete)?.execute((run_id,))?;
            Ok(())
        }
        Removal::Traces { count } => {
            let delete = format!("delete from trace where id in (select id from trace where {IDLE_TRACES} limit ?1)");
            connection.prepare_cached(&delete)?.execute((*count as i64,))?;
            Ok(())
        }
        Removal::Firing { mode, rule_id, local_time } => {
            let delete = "delete from firing where mode = ?1 and rule_id = ?2 and local_time = ?3 and run_id is null";
            connection.prepare_cached(delete)?.execute((mode, rule_id, local_time))?;
            Ok(())
        }
        Removal::Mail { id, state, state_at_ms, digest } => {
            let delete = "delete from message_body where message_id = ?1
                and exists (select 1 from message where id = ?1 and state = ?2 and state_at_ms = ?3)";
            if connection.prepare_cached(delete)?.execute((id, state, state_at_ms))? != 1 {
                return Err(changed());
            }
            // By which the mail's own digest goes on being checked.
            let update = "update message set text_digest = ?2 where id = ?1 and digest is not null";
            connection.prepare_cached(update)?.execute((id, digest))?;
            // The newest attempt stays, so that no id is given twice.
            let delete = "delete from attempt where message_id = ?1 and id < (select max(id) from attempt)";
            connection.prepare_cached(delete)?.execute((id,))?;
            Ok(())
        }
        Removal::Mails { run_id } => {
            let update = "update run set mails_archived = 1 where id = ?1 and not exists (
                select 1 from message join message_body on message_id = message.id where message.run_id = run.id)";
            connection.prepare_cached(update)?.execute((run_id,))?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
