//! The history a plan needs, read from the outbox.

use std::sync::Arc;

use compact_str::CompactString;
use rusqlite::Connection;

use crate::domain::date::{Date, ISO, Timestamp};
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::domain::money::Currency;
use crate::outbox::state::State;
use crate::plan::history::{History, MailKind, Occasion, PastMail, Standing, Step};
use crate::store::{StoreError, holds, suppressions};

/// Whether what is queued counts as history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It does: it is about to be sent.
    Counts,
    /// It does not: what would be planned if it were not there.
    LeftOut,
}

/// Reads what runs of `mode` have done so far.
///
/// # Errors
/// Why the database could not be read.
pub fn history(connection: &Connection, mode: &str, queue: Queue) -> Result<History, StoreError> {
    let mut history = mails_and_starts(connection, mode, queue, i64::MAX)?;
    history.holds = Arc::new(holds::in_force(connection)?);
    history.suppressions = Arc::new(suppressions::all(connection)?);
    Ok(history)
}

/// Reads what runs of `mode` before `run_id` had done, and the holds that stood at its start. Mails stand as they do now, and
/// suppressions are those of now: what they were then is not kept.
///
/// # Errors
/// Why the database could not be read.
pub fn history_before(connection: &Connection, mode: &str, run_id: i64, at: Timestamp) -> Result<History, StoreError> {
    let mut history = mails_and_starts(connection, mode, Queue::Counts, run_id)?;
    history.holds = Arc::new(holds::in_force_at(connection, at)?);
    history.suppressions = Arc::new(suppressions::all(connection)?);
    Ok(history)
}

fn mails_and_starts(connection: &Connection, mode: &str, queue: Queue, before: i64) -> Result<History, StoreError> {
    let mut history = History::default();
    let mut statement = connection.prepare("select rule_id, started_on from rule_start where mode = ?1")?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        history.add_start(RuleId::new(row.get::<_, String>(0)?), date(&row.get::<_, String>(1)?)?);
    }

    let select = "select item.rule_id, item.document, item.level_id, item.level_repeat, message.state, message.as_of
        from message_item as item join message on message.id = item.message_id
        where item.mode = ?1 and item.claimed = 1 and message.kind = 'reminder' and message.run_id < ?2";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode, before))?;
    while let Some(row) = rows.next()? {
        let state = state(row.get(4)?)?;
        if state == State::Queued && queue != Queue::Counts {
            continue;
        }
        let Some(standing) = standing(state) else { continue };
        let step = Step {
            level: LevelId::new(row.get::<_, String>(2)?),
            repeat: row.get(3)?,
            standing,
            on: date(&row.get::<_, String>(5)?)?,
        };
        history.add_step(RuleId::new(row.get::<_, String>(0)?), DocumentNumber::new(row.get::<_, String>(1)?), step);
    }

    add_occasions(connection, mode, queue, before, &mut history)?;
    add_mails(connection, mode, queue, before, &mut history)?;
    Ok(history)
}

/// Reads the last mail to every customer, of each rule, currency and kind, and whose are blocked. Notices keep nobody away. Of what
/// is queued or on the wire nobody knows on which day it will have left. A copy counts as the mail it is a copy of.
fn add_mails(connection: &Connection, mode: &str, queue: Queue, before: i64, history: &mut History) -> Result<(), StoreError> {
    // With `max` alone, SQLite takes the other columns from the row that has it.
    let select = "select customer_id, rule_id, currency, kind, max(as_of), run_id, state in ('queued', 'sending') as is_queued
        from message
        where mode = ?1 and kind in ('reminder', 'statement') and is_copy = 0
            and state in ('waiting', 'queued', 'sending', 'accepted', 'unknown') and (?2 or state <> 'queued') and run_id < ?3
        group by customer_id, rule_id, currency, kind, is_queued";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode, queue == Queue::Counts, before))?;
    while let Some(row) = rows.next()? {
        let mail = PastMail {
            rule: RuleId::new(row.get::<_, String>(1)?),
            currency: currency(row.get(2)?)?,
            kind: if row.get::<_, String>(3)? == "statement" { MailKind::Statement } else { MailKind::Reminder },
            on: date(&row.get::<_, String>(4)?)?,
            is_queued: row.get(6)?,
            run: Some(row.get(5)?),
        };
        history.add_mail(CustomerId::new(row.get::<_, String>(0)?), mail);
    }
    let select = "select rule_id, customer_id, currency from message
        where mode = ?1 and kind = 'reminder' and state = 'blocked' and run_id < ?2";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode, before))?;
    while let Some(row) = rows.next()? {
        let customer = CustomerId::new(row.get::<_, String>(1)?);
        history.add_blocked(RuleId::new(row.get::<_, String>(0)?), customer, currency(row.get(2)?)?);
    }
    Ok(())
}

fn currency(code: String) -> Result<Currency, StoreError> {
    Currency::parse(&code).ok_or(StoreError::Corrupt { value: code, expected: "a currency" })
}

/// Reads what statements and notices there are, and what was there before notices first ran.
fn add_occasions(
    connection: &Connection,
    mode: &str,
    queue: Queue,
    before: i64,
    history: &mut History,
) -> Result<(), StoreError> {
    let select = "select rule_id, customer_id, currency, occasion, state from message
        where mode = ?1 and occasion <> '' and run_id < ?2";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode, before))?;
    while let Some(row) = rows.next()? {
        let state = state(row.get(4)?)?;
        if state == State::Queued && queue != Queue::Counts {
            continue;
        }
        let Some(standing) = standing(state) else { continue };
        let currency = currency(row.get(2)?)?;
        let customer = CustomerId::new(row.get::<_, String>(1)?);
        let occasion = Occasion { customer, currency, name: CompactString::new(row.get::<_, String>(3)?) };
        history.add_occasion(RuleId::new(row.get::<_, String>(0)?), occasion, standing);
    }
    let mut statement = connection.prepare("select rule_id, subject from notice_baseline where mode = ?1")?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        history.add_baseline(RuleId::new(row.get::<_, String>(0)?), CompactString::new(row.get::<_, String>(1)?));
    }
    Ok(())
}

fn state(word: String) -> Result<State, StoreError> {
    State::parse(&word).ok_or(StoreError::Corrupt { value: word, expected: "a state" })
}

/// Returns what a message's state means for its items or occasion, `None` where it means nothing.
fn standing(state: State) -> Option<Standing> {
    match state {
        State::Accepted => Some(Standing::Accepted),
        State::Waiting | State::Queued | State::Sending => Some(Standing::UnderWay),
        State::Unknown => Some(Standing::Unknown),
        State::Refused => Some(Standing::Refused),
        State::Cancelled => Some(Standing::Cancelled),
        State::Blocked | State::Exhausted | State::Withdrawn => None,
    }
}

/// Reads a day as the store writes it.
pub(crate) fn date(text: &str) -> Result<Date, StoreError> {
    Date::strptime(ISO, text).map_err(|_| StoreError::Corrupt { value: text.to_owned(), expected: "a date" })
}
