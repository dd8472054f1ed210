//! Holds that people set: whom, why, until when, and what became of them.
//!
//! One that is set takes back what is queued in the same transaction, so that nothing of it leaves afterwards. One whose day
//! has passed is ended by the next run for customers, which also sees whether a promise was kept.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use crate::domain::date::{Date, Timestamp};
use crate::domain::hold::{HoldKind, HoldTerm, Holds};
use crate::domain::id::{CustomerId, DocumentNumber};
use crate::store::acts::{ActRow, add_act};
use crate::store::history::date;
use crate::store::outbox::free_steps;
use crate::store::{RunTransaction, Store, StoreError, timestamp};

/// Whom a hold is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldSubject {
    /// A customer, with all invoices.
    Customer(String),
    /// An invoice.
    Invoice(String),
}

impl std::fmt::Display for HoldSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer {id}"),
            Self::Invoice(number) => write!(f, "invoice {number}"),
        }
    }
}

/// A hold as it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// Whom it is on.
    pub subject: HoldSubject,
    /// Why, in one word.
    pub kind: HoldKind,
    /// The last day it holds.
    pub until: Date,
    /// Why, in the person's words.
    pub reason: String,
}

/// What became of a promise whose day has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is open any more.
    Kept,
    /// It is still open.
    Broken,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
        }
    }
}

/// A hold as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// Its id.
    pub id: i64,
    /// Whom it is on.
    pub subject: HoldSubject,
    /// Why, in one word.
    pub kind: HoldKind,
    /// The last day it holds.
    pub until: Date,
    /// Why, in the words of who set it.
    pub reason: String,
    /// Who set it.
    pub person: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was ended; `None`: it was not.
    pub ended_at: Option<Timestamp>,
    /// Who ended it; `None`: it ended by itself, or has not.
    pub ended_by: Option<String>,
    /// What became of a promise whose day has passed.
    pub outcome: Option<Outcome>,
    /// Who has taken note of a broken promise.
    pub settled_by: Option<String>,
}

/// What a person's end of a hold came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedHold {
    /// It holds no longer.
    Done(HoldView),
    /// It was a promise, broken; the person has taken note of it.
    Settled(HoldView),
    /// There is no such hold.
    Missing,
    /// It has ended before.
    Over,
}

const COLUMNS: &str = "id, kind, customer_id, document, until, reason, person, created_at_ms, ended_at_ms, ended_by, outcome,
    settled_by";

impl Store {
    /// Sets a hold, and withdraws what waits or is queued for whom it is on: reminders, and with a customer's pause every
    /// mail. Returns its id, how many were withdrawn, and how many are on the wire and end by themselves.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn add_hold(&self, hold: NewHold, person: String, now: Timestamp) -> Result<(i64, usize, usize), StoreError> {
        self.write(move |connection| {
            let (customer, document) = match &hold.subject {
                HoldSubject::Customer(id) => (Some(id), None),
                HoldSubject::Invoice(number) => (None, Some(number)),
            };
            let insert = "insert into hold (kind, customer_id, document, until, reason, person, created_at_ms)
                values (?1, ?2, ?3, ?4, ?5, ?6, ?7) returning id";
            let until = hold.until.to_string();
            let values = (hold.kind.as_str(), customer, document, &until, &hold.reason, &person, now.as_millisecond());
            let id: i64 = connection.query_row(insert, values, |row| row.get(0))?;
            let detail = Some(format!("{} on {} until {until} (hold {id})", hold.kind.as_str(), hold.subject));
            add_act(connection, now, &ActRow { person: &person, act: "hold", run_id: None, message_id: None, detail })?;
            let is_silence = hold.kind == HoldKind::Pause && customer.is_some();
            let select = "select id, state from message where state in ('waiting', 'queued', 'sending') and mode <> 'dry'
                and (kind = 'reminder' or ?3) and (customer_id = ?1
                    or exists (select 1 from message_item where message_id = message.id and document = ?2))";
            let mut statement = connection.prepare(select)?;
            let rows = statement
                .query_map((customer, document, is_silence), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
            let found: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
            let (under_way, open): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, state)| state == "sending");
            take_back(connection, open.iter().map(|(id, _)| *id), "held", now)?;
            Ok((id, open.len(), under_way.len()))
        })
        .await
    }

    /// Ends a hold on a person's word; of a broken promise it notes that somebody has seen to it.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn end_hold(&self, id: i64, person: String, now: Timestamp) -> Result<EndedHold, StoreError> {
        self.write(move |connection| {
            let select = format!("select {COLUMNS} from hold where id = ?1");
            let Some(hold) = connection.query_row(&select, (id,), |row| Ok(view(row))).optional()? else {
                return Ok(EndedHold::Missing);
            };
            let mut hold = hold?;
            let is_open_question = hold.outcome == Some(Outcome::Broken) && hold.settled_by.is_none();
            if hold.ended_at.is_some() && !is_open_question {
                return Ok(EndedHold::Over);
            }
            let update = if is_open_question {
                hold.settled_by = Some(person.clone());
                "update hold set settled_by = ?2 where id = ?1 and ?3 is not null"
            } else {
                (hold.ended_at, hold.ended_by) = (Some(now), Some(person.clone()));
                "update hold set ended_by = ?2, ended_at_ms = ?3 where id = ?1"
            };
            connection.execute(update, (id, &person, now.as_millisecond()))?;
            let detail = Some(format!("{} on {} (hold {id})", hold.kind.as_str(), hold.subject));
            add_act(connection, now, &ActRow { person: &person, act: "end_hold", run_id: None, message_id: None, detail })?;
            Ok(if is_open_question { EndedHold::Settled(hold) } else { EndedHold::Done(hold) })
        })
        .await
    }
}

impl RunTransaction<'_> {
    /// Ends every hold whose day lies before `as_of`, and looks at promises that were broken: `judge` says what became of the
    /// promise of a subject. Returns the holds that ended now.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn end_holds(
        &mut self,
        as_of: Date,
        mut judge: impl FnMut(&HoldSubject) -> Outcome,
    ) -> Result<Vec<HoldView>, StoreError> {
        let (connection, now) = (self.connection(), self.started_at());
        let standing = read(connection, "ended_at_ms is null and until < ?1", &as_of.to_string())?;
        let mut ended = Vec::with_capacity(standing.len());
        for mut hold in standing {
            hold.outcome = (hold.kind == HoldKind::Promise).then(|| judge(&hold.subject));
            hold.ended_at = Some(now);
            let update = "update hold set ended_at_ms = ?2, outcome = ?3 where id = ?1";
            let outcome = hold.outcome.map(Outcome::as_str);
            connection.prepare_cached(update)?.execute((hold.id, now.as_millisecond(), outcome))?;
            ended.push(hold);
        }
        // A promise that is kept late is kept.
        for hold in read(connection, "outcome = 'broken' and settled_by is null and until < ?1", &as_of.to_string())? {
            if judge(&hold.subject) == Outcome::Kept {
                connection.prepare_cached("update hold set outcome = 'kept' where id = ?1")?.execute((hold.id,))?;
            }
        }
        Ok(ended)
    }
}

/// Withdraws messages that are not on the wire, and frees their steps.
pub(crate) fn take_back(
    connection: &Connection,
    ids: impl Iterator<Item = i64>,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = "update message set state = 'withdrawn', reason = ?2, next_attempt_at_ms = null, state_at_ms = ?3
        where id = ?1 and state in ('waiting', 'queued')";
    for id in ids {
        if connection.prepare_cached(update)?.execute((id, reason, now.as_millisecond()))? == 1 {
            free_steps(connection, id)?;
        }
    }
    Ok(())
}

/// Returns all holds that have not been ended, as decisions need them.
///
/// # Errors
/// Why the database could not be read.
pub(crate) fn in_force(connection: &Connection) -> Result<Holds, StoreError> {
    Ok(terms(read(connection, "ended_at_ms is null and ?1 = ''", "")?))
}

/// Returns all holds that had been set and not ended at an instant, as decisions need them.
///
/// # Errors
/// Why the database could not be read.
pub(crate) fn in_force_at(connection: &Connection, at: Timestamp) -> Result<Holds, StoreError> {
    let mut holds = read(connection, "?1 = ''", "")?;
    holds.retain(|hold| hold.created_at <= at && hold.ended_at.is_none_or(|ended_at| ended_at > at));
    Ok(terms(holds))
}

fn terms(views: Vec<HoldView>) -> Holds {
    let mut holds = Holds::default();
    for hold in views {
        let term = HoldTerm { kind: hold.kind, until: hold.until };
        match hold.subject {
            HoldSubject::Customer(id) => holds.add_customer(CustomerId::new(id), term),
            HoldSubject::Invoice(number) => holds.add_invoice(DocumentNumber::new(number), term),
        }
    }
    holds
}

/// Returns the holds that stand, and promises that were broken and nobody has seen to; with `all` every hold there ever was.
///
/// # Errors
/// Why the database could not be read.
pub fn holds(connection: &Connection, all: bool) -> Result<Vec<HoldView>, StoreError> {
    let open = "(ended_at_ms is null or outcome = 'broken' and settled_by is null) and ?1 = ''";
    read(connection, if all { "?1 = ''" } else { open }, "")
}

/// Returns what [`holds`] does without `all`, and what has ended by itself since the day `since`.
///
/// # Errors
/// Why the database could not be read.
pub fn recent_holds(connection: &Connection, since: Date) -> Result<Vec<HoldView>, StoreError> {
    let condition = "ended_at_ms is null or outcome = 'broken' and settled_by is null or ended_by is null and until >= ?1";
    read(connection, condition, &since.to_string())
}

/// Returns how many promises were broken and nobody has seen to.
///
/// # Errors
/// Why the database could not be read.
pub fn broken_promises(connection: &Connection) -> Result<u64, StoreError> {
    let select = "select count(*) from hold where outcome = 'broken' and settled_by is null";
    Ok(connection.prepare_cached(select)?.query_row((), |row| row.get::<_, i64>(0))?.unsigned_abs())
}

fn read(connection: &Connection, condition: &str, day: &str) -> Result<Vec<HoldView>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("select {COLUMNS} from hold where {condition} order by id"))?;
    let mut rows = statement.query((day,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(view(row)?);
    }
    Ok(found)
}

fn view(row: &Row<'_>) -> Result<HoldView, StoreError> {
    let corrupt = |value: String, expected| StoreError::Corrupt { value, expected };
    let word: String = row.get(1)?;
    let outcome = match row.get::<_, Option<String>>(10)?.as_deref() {
        None => None,
        Some("kept") => Some(Outcome::Kept),
        Some("broken") => Some(Outcome::Broken),
        Some(other) => return Err(corrupt(other.to_owned(), "what became of a promise")),
    };
    Ok(HoldView {
        id: row.get(0)?,
        subject: match (row.get(2)?, row.get::<_, Option<String>>(3)?) {
            (Some(customer), _) => HoldSubject::Customer(customer),
            (None, number) => HoldSubject::Invoice(number.unwrap_or_default()),
        },
        kind: HoldKind::parse(&word).ok_or_else(|| corrupt(word.clone(), "a kind of hold"))?,
        until: date(&row.get::<_, String>(4)?)?,
        reason: row.get(5)?,
        person: row.get(6)?,
        created_at: timestamp(row.get(7)?),
        ended_at: row.get::<_, Option<i64>>(8)?.map(timestamp),
        ended_by: row.get(9)?,
        outcome,
        settled_by: row.get(11)?,
    })
}
