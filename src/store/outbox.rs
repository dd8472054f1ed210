//! The outbox on its way to the servers: what is to be sent, and what became of it.

use std::time::Duration;

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension};

use crate::domain::date::{Date, Timestamp};
use crate::domain::id::{SenderId, ServerId};
use crate::domain::mailbox::Recipient;
use crate::outbox::attempt::Attempt;
use crate::outbox::retry::{Entry, Next};
use crate::outbox::state::State;
use crate::plan::key::MessageKey;
use crate::port::Outgoing;
use crate::store::bodies;
use crate::store::digest::{self, AttemptFacts};
use crate::store::history::date;
use crate::store::runs::{ItemRow, role_of};
use crate::store::status::IS_OPEN;
use crate::store::{Store, StoreError, timestamp};

pub(crate) const TO_SENDING: &str = "update message set state = 'sending', state_at_ms = ?2 where id = ?1 and state = 'queued'";
pub(crate) const TO_NEXT: &str =
    "update message set state = ?2, next_attempt_at_ms = ?3, state_at_ms = ?4, attempt_count = attempt_count + 1
    where id = ?1 and state = ?5";
pub(crate) const INSERT_ATTEMPT: &str = "insert into attempt (message_id, server_id, started_at_ms, duration_ms, stage, outcome,
        reply_code, reply_enhanced, reply_text, fault, recipients_refused, digest)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its id.
    pub id: i64,
    /// Its run.
    pub run_id: i64,
    /// The sender profile, which names the servers.
    pub sender_id: SenderId,
    /// What its next state depends on.
    pub entry: Entry,
}

/// A run with queued messages, as far as a fresh plan needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftoverRun {
    /// Its id.
    pub id: i64,
    /// The one rule that it ran; `None`: all.
    pub only_rule: Option<String>,
    /// The one subject that it was asked for, as JSON; `None`: everybody.
    pub only_subject: Option<String>,
    /// The day that a person gave it; `None`: a firing's run is of the present day.
    pub asked_for: Option<Date>,
    /// The day it was scheduled for, which a statement's period is counted from.
    pub scheduled_on: Date,
}

/// A queued message as far as a fresh plan can contradict it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its id.
    pub id: i64,
    /// What its items left open together.
    pub total: String,
    /// The sender profile.
    pub sender_id: String,
    /// Whom it goes to.
    pub recipients: Vec<Recipient>,
}

impl Store {
    /// Turns what was under way when the last process died into `unknown`, and returns how many there were.
    ///
    /// Only right at the start, while the lock is held and nothing is being sent (invariant 5).
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn recover(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |connection| Ok(connection.execute(&recover_update(), (now.as_millisecond(),))?)).await
    }

    /// Makes it durable that a message may be about to leave. Only a `queued` one may.
    ///
    /// # Errors
    /// Why it could not be stored; a message in another state is `NotQueued`.
    pub async fn record_sending(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.write_step(move |connection| match connection.prepare_cached(TO_SENDING)?.execute((id, now.as_millisecond()))? {
            1 => Ok(()),
            _ => Err(StoreError::NotQueued { id }),
        })
        .await?;
        self.own().insert(id);
        Ok(())
    }

    /// Appends an attempt and puts the message where it leads. Returns `false`, the attempt kept, where the message was
    /// withdrawn, given up, stopped or closed while the attempt went on and nothing of it had left.
    ///
    /// A result counts only for the state that this process gave the message: `sending` where it recorded that, else
    /// `queued`. Where locks do not work and two processes send, neither undoes what the other has under way.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn record_attempt(&self, id: i64, attempt: Attempt, next: Next, now: Timestamp) -> Result<bool, StoreError> {
        let from = if self.own().contains(&id) { State::Sending } else { State::Queued };
        let is_recorded = self.write_step(move |connection| {
            let next_ms = next.next_attempt_at.map(Timestamp::as_millisecond);
            let values = (id, next.state.as_str(), next_ms, now.as_millisecond(), from.as_str());
            let is_recorded = connection.prepare_cached(TO_NEXT)?.execute(values)? == 1;
            if !is_recorded {
                let select = "select state from message where id = ?1";
                let state: String = connection.query_row(select, (id,), |row| row.get(0))?;
                match State::parse(&state) {
                    Some(State::Withdrawn | State::Exhausted | State::Cancelled | State::Waiting) => {}
                    _ => {
                        return Err(StoreError::Corrupt {
                            value: format!("message {id}: {state}"),
                            expected: "a message being sent",
                        });
                    }
                }
            }
            insert_attempt(connection, id, &attempt)?;
            if is_recorded && next.state.is_replaceable() {
                free_steps(connection, id)?;
            }
            Ok(is_recorded)
        });
        let is_recorded = is_recorded.await?;
        self.own().remove(&id);
        Ok(is_recorded)
    }

    /// Withdraws queued messages that are no longer due.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn withdraw(&self, ids: Vec<i64>, reason: &'static str, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            let update = "update message set state = 'withdrawn', reason = ?2, next_attempt_at_ms = null, state_at_ms = ?3
                where id = ?1 and state = 'queued'";
            for id in ids {
                if connection.prepare_cached(update)?.execute((id, reason, now.as_millisecond()))? == 1 {
                    free_steps(connection, id)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Makes due at once what waits only because its server could not be reached or took nothing from us: whoever
    /// starts a run has mended something. What a server put off keeps its time.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn hasten(&self, mode: &'static str, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            let update = "update message set next_attempt_at_ms = ?2
                where state = 'queued' and mode = ?1 and next_attempt_at_ms > ?2 and exists (
                    select 1 from attempt where attempt.id = (select max(id) from attempt where message_id = message.id)
                        and (outcome = 'server_fault' or stage in ('connect', 'tls', 'greeting', 'hello', 'auth')))";
            connection.execute(update, (mode, now.as_millisecond()))?;
            Ok(())
        })
        .await
    }

    /// Gives up the queued messages whose time has run out: that of their rule, or `give_up_after` where it has none.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn exhaust(&self, mode: &'static str, give_up_after: Duration, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let select = "select id from message where state = 'queued' and mode = ?1
                and queued_at_ms + coalesce(give_up_after_ms, ?2) < ?3";
            let mut statement = connection.prepare_cached(select)?;
            let usual_ms = i64::try_from(give_up_after.as_millis()).unwrap_or(i64::MAX);
            let rows = statement.query_map((mode, usual_ms, now.as_millisecond()), |row| row.get(0))?;
            let ids: Vec<i64> = rows.collect::<Result<_, _>>()?;
            let update = "update message set state = 'exhausted', next_attempt_at_ms = null, state_at_ms = ?2 where id = ?1";
            for id in &ids {
                connection.prepare_cached(update)?.execute((id, now.as_millisecond()))?;
                free_steps(connection, *id)?;
            }
            Ok(ids.len())
        })
        .await
    }
}

/// What turns every mail on the wire into one of which nobody knows; finds them by their index. A mode whose mails never leave
/// has none there.
pub(crate) fn recover_update() -> String {
    format!(
        "update message set state = 'unknown', reason = 'interrupted', next_attempt_at_ms = null, state_at_ms = ?1
        where {IS_OPEN} and state = 'sending' and mode in ('live', 'redirect')"
    )
}

/// Returns up to `limit` queued messages of a sender that are due, the longest due first, without those in `under_way`.
///
/// # Errors
/// Why the database could not be read.
pub fn queued(
    connection: &Connection,
    mode: &str,
    sender: &SenderId,
    now: Timestamp,
    under_way: &[i64],
    limit: usize,
) -> Result<Vec<Queued>, StoreError> {
    let select = "select id, queued_at_ms, attempt_count, give_up_after_ms, run_id from message
        where state = 'queued' and mode = ?1 and sender_id = ?2 and next_attempt_at_ms <= ?3
        order by next_attempt_at_ms, id limit ?4";
    let mut statement = connection.prepare_cached(select)?;
    let values = (mode, sender.as_str(), now.as_millisecond(), (limit + under_way.len()) as i64);
    let rows = statement.query_map(values, |row| {
        Ok(Queued {
            id: row.get(0)?,
            run_id: row.get(4)?,
            sender_id: sender.clone(),
            entry: Entry {
                queued_at: timestamp(row.get(1)?),
                attempt_count: row.get(2)?,
                give_up_after: row.get::<_, Option<i64>>(3)?.map(|span| Duration::from_millis(span.unsigned_abs())),
                spread: row.get::<_, i64>(0)?.unsigned_abs(),
            },
        })
    })?;
    let mut found = Vec::new();
    for row in rows {
        let row = row?;
        if !under_way.contains(&row.id) && found.len() < limit {
            found.push(row);
        }
    }
    Ok(found)
}

/// Returns when the first queued message of a sender is due, those in `under_way` left out; `None` where none is queued.
///
/// # Errors
/// Why the database could not be read.
pub fn earliest(
    connection: &Connection,
    mode: &str,
    sender: &SenderId,
    under_way: &[i64],
) -> Result<Option<Timestamp>, StoreError> {
    let select = "select id, next_attempt_at_ms from message where state = 'queued' and mode = ?1 and sender_id = ?2
        order by next_attempt_at_ms, id limit ?3";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((mode, sender.as_str(), under_way.len() as i64 + 1))?;
    while let Some(row) = rows.next()? {
        if !under_way.contains(&row.get(0)?) {
            return Ok(Some(timestamp(row.get(1)?)));
        }
    }
    Ok(None)
}

/// Returns the runs of `mode` that have queued messages, the oldest first.
///
/// # Errors
/// Why the database could not be read.
pub fn leftover_runs(connection: &Connection, mode: &str) -> Result<Vec<LeftoverRun>, StoreError> {
    // A firing's name begins with its day; a run that a person asked for is of its own day.
    let select = "select id, rule_id, only_subject, as_of,
            (select substr(local_time, 1, 10) from firing where firing.run_id = run.id limit 1)
        from run where id in (select run_id from message where state = 'queued' and mode = ?1) order by id";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((mode,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let as_of = date(&row.get::<_, String>(3)?)?;
        let fired_on: Option<String> = row.get(4)?;
        found.push(LeftoverRun {
            id: row.get(0)?,
            only_rule: row.get(1)?,
            only_subject: row.get(2)?,
            asked_for: fired_on.is_none().then_some(as_of),
            scheduled_on: fired_on.map_or(Ok(as_of), |day| date(&day))?,
        });
    }
    Ok(found)
}

/// Which queued messages the re-check before sending looks at: those that a plan made, not the copies that a person asked for.
const LEFT_OVER: &str = "run_id = ?1 and state = 'queued' and is_copy = 0";

/// Hands the id of every queued message of a run that a plan made to `take`.
///
/// # Errors
/// Why the database could not be read.
pub fn leftovers(connection: &Connection, run_id: i64, mut take: impl FnMut(i64)) -> Result<(), StoreError> {
    let select = format!("select id from message where {LEFT_OVER} order by id");
    let mut statement = connection.prepare_cached(&select)?;
    let mut rows = statement.query((run_id,))?;
    while let Some(row) = rows.next()? {
        take(row.get(0)?);
    }
    Ok(())
}

/// Returns the queued message of a run that a plan made under a key, `None` where there is none.
///
/// # Errors
/// Why the database could not be read.
pub fn leftover(connection: &Connection, run_id: i64, key: &MessageKey) -> Result<Option<Leftover>, StoreError> {
    let select = format!("select id, total, sender_id from message where message_key = ?2 and {LEFT_OVER}");
    let mut statement = connection.prepare_cached(&select)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let Some((id, total, sender_id)) = statement.query_row((run_id, key.as_str()), read).optional()? else { return Ok(None) };
    Ok(Some(Leftover { id, total, sender_id, recipients: recipients(connection, id)? }))
}

/// Returns the items of a message.
///
/// # Errors
/// Why the database could not be read.
pub(crate) fn items(connection: &Connection, id: i64) -> Result<Vec<ItemRow>, StoreError> {
    let select = "select document, level_id, level_repeat, open from message_item where message_id = ?1 order by document";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((id,), |row| {
        Ok(ItemRow { document: row.get(0)?, level_id: row.get(1)?, level_repeat: row.get(2)?, open: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the recipients of a message, in the order of its header.
///
/// # Errors
/// Why the database could not be read.
pub(crate) fn recipients(connection: &Connection, id: i64) -> Result<Vec<Recipient>, StoreError> {
    let mut statement =
        connection.prepare_cached("select role, address from message_recipient where message_id = ?1 order by position")?;
    let rows = statement.query_map((id,), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found = Vec::new();
    for row in rows {
        let (role, address) = row?;
        found.push(Recipient { address: CompactString::new(address), role: role_of(&role) });
    }
    Ok(found)
}

/// Returns a message as it goes over the wire, `None` where it has no bytes.
///
/// # Errors
/// Why the database could not be read.
pub fn outgoing(connection: &Connection, id: i64) -> Result<Option<Outgoing>, StoreError> {
    let Some(bytes) = bodies::bytes(connection, id)? else { return Ok(None) };
    // One look for both: a mail has seldom more than one recipient.
    let select = "select envelope_from, role, address from message left join message_recipient on message_id = message.id
        where message.id = ?1 order by position";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((id,))?;
    let (mut envelope_from, mut recipients) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        let text = |place| row.get_ref(place)?.as_str_or_null().map_err(rusqlite::Error::from);
        if envelope_from.is_none() {
            envelope_from = Some(CompactString::new(text(0)?.unwrap_or_default()));
        }
        if let (Some(role), Some(address)) = (text(1)?, text(2)?) {
            recipients.push(Recipient { address: CompactString::new(address), role: role_of(role) });
        }
    }
    Ok(envelope_from.map(|envelope_from| Outgoing { envelope_from, recipients, signatures: Vec::new(), bytes }))
}

/// A message that a server was handed, as far as rates count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The server; `None` where the process died before it could say.
    pub server: Option<ServerId>,
    /// The sender profile.
    pub sender: SenderId,
    /// When the attempt ended.
    pub at: Timestamp,
}

/// Returns what `servers` were handed since `since`, in no order: what rates must count, in whatever mode it was, since a server
/// counts what is redirected too. An attempt that ended before MAIL is none of it.
///
/// # Errors
/// Why the database could not be read.
pub fn recently_handed<'s>(
    connection: &Connection,
    servers: impl IntoIterator<Item = &'s ServerId>,
    since: Timestamp,
) -> Result<Vec<Handed>, StoreError> {
    let servers: Vec<&str> = servers.into_iter().map(ServerId::as_str).collect();
    let servers = serde_json::Value::from(servers).to_string();
    // What a crash cut off has no attempt; it counts from when it was found.
    let select = "select server_id, sender_id, started_at_ms + duration_ms from attempt join message on message.id = message_id
            where server_id in (select value from json_each(?2)) and started_at_ms + duration_ms >= ?1
                and started_at_ms >= ?1 - 86400000
                and stage not in ('connect', 'tls', 'greeting', 'hello', 'auth')
        union all
        select null, sender_id, state_at_ms from message
            where mode in ('live', 'redirect') and state = 'unknown' and reason = 'interrupted' and state_at_ms >= ?1";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((since.as_millisecond(), servers), |row| {
        let server: Option<String> = row.get(0)?;
        let sender: String = row.get(1)?;
        Ok(Handed { server: server.map(ServerId::new), sender: SenderId::new(sender), at: timestamp(row.get(2)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns how many messages of all runs stand in each state, states without any left out. Walks every message; for one
/// run see `status::run_counts`.
///
/// # Errors
/// Why the database could not be read.
pub fn state_counts(connection: &Connection) -> Result<Vec<(State, u64)>, StoreError> {
    let select = "select state, count(*) from message group by state";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let mut counts = Vec::new();
    for row in rows {
        let (word, count) = row?;
        let state = State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" })?;
        counts.push((state, count as u64));
    }
    counts.sort_unstable();
    Ok(counts)
}

/// Returns whether a message of `mode` and one of these senders is queued.
///
/// # Errors
/// Why the database could not be read.
pub fn has_queued<'s>(
    connection: &Connection,
    mode: &str,
    senders: impl IntoIterator<Item = &'s SenderId>,
) -> Result<bool, StoreError> {
    let select = "select exists (select 1 from message where state = 'queued' and mode = ?1 and sender_id = ?2)";
    let mut statement = connection.prepare_cached(select)?;
    for sender in senders {
        if statement.query_row((mode, sender.as_str()), |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the runs with messages that are waiting, queued or being sent.
///
/// # Errors
/// Why the database could not be read.
pub fn runs_with_mails_left(connection: &Connection) -> Result<Vec<i64>, StoreError> {
    let select = "select id from run where finished_at_ms is null and exists (
        select 1 from message where run_id = run.id and state in ('waiting', 'queued', 'sending'))";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Lets the steps of a message that never left be taken by another.
pub(crate) fn free_steps(connection: &Connection, id: i64) -> Result<(), StoreError> {
    connection.prepare_cached("update message_item set claimed = 0 where message_id = ?1")?.execute((id,))?;
    Ok(())
}

fn insert_attempt(connection: &Connection, id: i64, attempt: &Attempt) -> Result<(), StoreError> {
    let reply = attempt.reply.as_ref();
    let enhanced = reply.and_then(|reply| reply.enhanced).map(|(class, subject, detail)| format!("{class}.{subject}.{detail}"));
    let refused: Vec<serde_json::Value> = attempt
        .recipients_refused
        .iter()
        .map(|(address, reply)| serde_json::json!({ "address": address, "code": reply.code, "text": reply.text }))
        .collect();
    let refused = (!refused.is_empty()).then(|| serde_json::Value::from(refused).to_string());
    let facts = AttemptFacts {
        message_id: id,
        server_id: attempt.server.as_str(),
        started_at_ms: attempt.started_at.as_millisecond(),
        duration_ms: attempt.duration.as_millis() as i64,
        stage: attempt.stage.as_str(),
        outcome: attempt.outcome.as_str(),
        reply_code: reply.map(|reply| reply.code.into()),
        reply_enhanced: enhanced.as_deref(),
        reply_text: reply.map(|reply| reply.text.as_str()),
        fault: attempt.fault.as_deref(),
        recipients_refused: refused.as_deref(),
    };
    connection.prepare_cached(INSERT_ATTEMPT)?.execute(rusqlite::params![
        id,
        facts.server_id,
        facts.started_at_ms,
        facts.duration_ms,
        facts.stage,
        facts.outcome,
        facts.reply_code,
        facts.reply_enhanced,
        facts.reply_text,
        facts.fault,
        facts.recipients_refused,
        digest::attempt(&facts),
    ])?;
    Ok(())
}
