//! What a person decides about messages and runs, stored with who decided it: for all of them, or none.

use rusqlite::{Connection, OptionalExtension};

use serde::{Deserialize, Serialize};

use crate::domain::date::Timestamp;
use crate::message;
use crate::outbox::intervention::{Intervention, RESENT};
use crate::outbox::state::State;
use crate::store::acts::{ActRow, add_act};
use crate::store::digest::read_message;
use crate::store::search::{MessageFilter, messages};
use crate::store::{Store, StoreError, bodies};

/// A message that a person means, and where it stands; `None` where there is no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meant {
    /// Its id.
    pub id: i64,
    /// Its state before.
    pub state: Option<State>,
}

/// What became of an intervention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervened {
    /// It was done with all of these, by id; none where the filter let nothing through.
    Done(Vec<Meant>),
    /// Nothing was changed, since these are in states that do not allow it, or are not there.
    Refused(Vec<Meant>),
}

/// Where a run stands, as far as an act needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steered {
    /// It was done with so many messages; so many more are under way and end by themselves.
    Done {
        /// How many were changed.
        changed: usize,
        /// How many are `sending`.
        under_way: usize,
    },
    /// There is no such run.
    Missing,
    /// A person closed it.
    Closed,
    /// It ran in another mode than the present one.
    OtherMode,
}

/// What is done with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// What waits is queued, due in a minute: a sender that is at work leaves it alone until it is re-checked (`free`).
    Start,
    /// What is queued waits.
    Stop,
    /// What waits or is queued is cancelled, and nothing of it can be started any more.
    Close,
}

impl Store {
    /// Does what a person decided with every chosen message, or changes nothing if one of them does not allow it.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn intervene(
        &self,
        intervention: Intervention,
        chosen: MessageFilter,
        person: String,
        now: Timestamp,
    ) -> Result<Intervened, StoreError> {
        self.write(move |connection| {
            let meant = meant(connection, &chosen)?;
            let is_misfit = |meant: &&Meant| meant.state.is_none_or(|state| !intervention.states().contains(&state));
            if intervention.next().is_none()
                && let Some(archived) = meant.iter().find(|meant| !has_bytes(connection, meant.id).unwrap_or(true))
                && !is_misfit(&archived)
            {
                return Err(StoreError::Archived { id: archived.id });
            }
            let misfits: Vec<Meant> = meant.iter().filter(is_misfit).copied().collect();
            if !misfits.is_empty() {
                return Ok(Intervened::Refused(misfits));
            }
            for Meant { id, .. } in &meant {
                let detail = match intervention.next() {
                    Some(next) => {
                        put(connection, *id, next, intervention.reason(), now)?;
                        None
                    }
                    None => Some(format!("as mail {}", copy(connection, *id, now)?)),
                };
                let (act, message_id) = (intervention.as_str(), Some(*id));
                add_act(connection, now, &ActRow { person: &person, act, run_id: None, message_id, detail })?;
            }
            Ok(Intervened::Done(meant))
        })
        .await
    }

    /// Does with a run of this mode what a person decided.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn steer(
        &self,
        steer: Steer,
        mode: &'static str,
        run_id: i64,
        person: String,
        now: Timestamp,
    ) -> Result<Steered, StoreError> {
        self.write(move |connection| {
            let select = "select mode, closed_at_ms is not null from run where id = ?1";
            let run: Option<(String, bool)> =
                connection.query_row(select, (run_id,), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match run {
                None => return Ok(Steered::Missing),
                Some((_, true)) => return Ok(Steered::Closed),
                Some((own, _)) if own != mode => return Ok(Steered::OtherMode),
                Some(_) => {}
            }
            let now_ms = now.as_millisecond();
            let (act, messages, run) = match steer {
                Steer::Start => (
                    "start",
                    "update message set state = 'queued', reason = case is_copy when 1 then 'resent' end, queued_at_ms = ?2, next_attempt_at_ms = ?2 + 60000,
                        state_at_ms = ?2 where run_id = ?1 and state = 'waiting' and mode <> 'dry'",
                    "update run set stopped_at_ms = null, finished_at_ms = null where id = ?1 and ?2 is not null",
                ),
                Steer::Stop => (
                    "stop",
                    "update message set state = 'waiting', reason = 'stopped', next_attempt_at_ms = null, state_at_ms = ?2
                        where run_id = ?1 and state = 'queued'",
                    "update run set stopped_at_ms = ?2 where id = ?1",
                ),
                Steer::Close => (
                    "close",
                    "update message set state = 'cancelled', reason = 'by_person', next_attempt_at_ms = null, state_at_ms = ?2
                        where run_id = ?1 and state in ('waiting', 'queued')",
                    "update run set closed_at_ms = ?2 where id = ?1",
                ),
            };
            let changed = connection.execute(messages, (run_id, now_ms))?;
            let select = "select count(*) from message where run_id = ?1 and state = 'sending'";
            let under_way = connection.query_row(select, (run_id,), |row| row.get::<_, i64>(0))? as usize;
            // Where nothing is there to do, nothing was done; but a run may be closed whatever is left of it.
            if changed > 0 || steer == Steer::Close {
                connection.execute(run, (run_id, now_ms))?;
                let detail = Some(format!("{changed} mails"));
                add_act(connection, now, &ActRow { person: &person, act, run_id: Some(run_id), message_id: None, detail })?;
            }
            Ok(Steered::Done { changed, under_way })
        })
        .await
    }
}

impl Store {
    /// Makes due at once what a start of this run at `started_at` has queued, now that it is re-checked.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn free(&self, run_id: i64, started_at: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            let update = "update message set next_attempt_at_ms = ?2 where run_id = ?1 and state = 'queued' and queued_at_ms = ?2
                and next_attempt_at_ms = ?2 + 60000";
            connection.execute(update, (run_id, started_at.as_millisecond()))?;
            Ok(())
        })
        .await
    }
}

fn has_bytes(connection: &Connection, id: i64) -> Result<bool, StoreError> {
    let select = "select exists (select 1 from message_body where message_id = ?1)";
    Ok(connection.prepare_cached(select)?.query_row((id,), |row| row.get(0))?)
}

fn put(connection: &Connection, id: i64, next: State, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    let update = "update message set state = ?2, reason = ?3, next_attempt_at_ms = null, state_at_ms = ?4 where id = ?1";
    connection.prepare_cached(update)?.execute((id, next.as_str(), reason, now.as_millisecond()))?;
    if next.is_replaceable() {
        // Its steps are free: another message, or this one composed anew, may take them.
        connection.prepare_cached("update message_item set claimed = 0 where message_id = ?1")?.execute((id,))?;
    }
    Ok(())
}

/// Queues a copy of a message and returns the copy's id. It takes no step, and is of no occasion: the first one was.
fn copy(connection: &Connection, id: i64, now: Timestamp) -> Result<i64, StoreError> {
    // `.` follows `-`: the index on keys finds the copies there are.
    let select = "select message_key, (select count(*) from message as other
            where other.message_key > message.message_key || '-' and other.message_key < message.message_key || '.'),
        input from message join message_body on message_id = id where id = ?1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (key, copies, input): (String, i64, Option<String>) = connection.prepare_cached(select)?.query_row((id,), row)?;
    let bytes = bodies::bytes(connection, id)?.unwrap_or_default();
    let key = format!("{key}-{}", copies + 1);
    let insert = "insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency,
            total, level_id, level_repeat, as_of, state, reason, sender_id, envelope_from, subject, queued_at_ms,
            next_attempt_at_ms, state_at_ms, kind, header_id, is_copy)
        select ?2, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency, total, level_id, level_repeat,
            as_of, 'queued', ?3, sender_id, replace(envelope_from, message_key, ?2), subject, ?4, ?4, ?4, kind,
            replace(header_id, message_key, ?2), 1 from message where id = ?1 returning id";
    let copied: i64 = connection.prepare_cached(insert)?.query_row((id, &key, RESENT, now.as_millisecond()), |row| row.get(0))?;
    let bytes = message::copy(&bytes, &key, now);
    bodies::add(connection, copied, &bytes, input.as_deref())?;
    for insert in [
        "insert into message_recipient (message_id, position, role, address)
            select ?2, position, role, address from message_recipient where message_id = ?1",
        "insert into message_item (message_id, document, mode, rule_id, level_id, level_repeat, open, claimed)
            select ?2, document, mode, rule_id, level_id, level_repeat, open, 0 from message_item where message_id = ?1",
        "insert into message_file (message_id, position, name, packed_in, content_type, byte_count, hash, customer_id)
            select ?2, position, name, packed_in, content_type, byte_count, hash, customer_id from message_file where message_id = ?1",
    ] {
        connection.prepare_cached(insert)?.execute((id, copied))?;
    }
    let digest = read_message(connection, copied)?.map(|message| message.computed);
    connection.execute("update message set digest = ?2 where id = ?1", (copied, digest))?;
    Ok(copied)
}

/// Returns the chosen messages as they stand, sorted by id, each once.
fn meant(connection: &Connection, chosen: &MessageFilter) -> Result<Vec<Meant>, StoreError> {
    // What was named by its id and is not there must be said.
    let mut ids = chosen.ids.clone();
    if ids.is_empty() {
        messages(connection, chosen, None, |message| ids.push(message.id))?;
    }
    ids.sort_unstable();
    ids.dedup();
    let mut statement = connection.prepare_cached("select state from message where id = ?1")?;
    ids.into_iter()
        .map(|id| {
            let word: Option<String> = statement.query_row((id,), |row| row.get(0)).optional()?;
            let state = word
                .map(|word| State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" }))
                .transpose()?;
            Ok(Meant { id, state })
        })
        .collect()
}
