//! The history a plan needs, read from the outbox.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use compact_str::CompactString;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension};

use crate::domain::date::{Date, ISO, Timestamp, days_between, shifted};
use crate::domain::id::{CustomerId, DocumentNumber, LevelId, RuleId};
use crate::domain::money::Currency;
use crate::outbox::state::State;
use crate::plan::history::{History, MailKind, Occasion, PastMail, Standing, Step};
use crate::store::{StoreError, holds, suppressions, timestamp};

/// Whether what is queued counts as history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It does: it is about to be sent.
    Counts,
    /// It does not: what would be planned if it were not there.
    LeftOut,
}

/// Reads what runs of `mode` have done so far. On which day a mail left is told by the clocks of `zone`.
///
/// # Errors
/// Why the database could not be read.
pub fn history(connection: &Connection, mode: &str, queue: Queue, zone: &TimeZone) -> Result<History, StoreError> {
    let mut history = mails_and_starts(connection, mode, queue, i64::MAX, zone)?;
    history.holds = Arc::new(holds::in_force(connection)?);
    history.suppressions = Arc::new(suppressions::all(connection)?);
    Ok(history)
}

/// Reads what runs of `mode` before `run_id` had done, and the holds that stood at its start. Mails stand as they do now, and
/// suppressions are those of now: what they were then is not kept.
///
/// # Errors
/// Why the database could not be read.
pub fn history_before(
    connection: &Connection,
    mode: &str,
    run_id: i64,
    at: Timestamp,
    zone: &TimeZone,
) -> Result<History, StoreError> {
    let mut history = mails_and_starts(connection, mode, Queue::Counts, run_id, zone)?;
    history.holds = Arc::new(holds::in_force_at(connection, at)?);
    history.suppressions = Arc::new(suppressions::all(connection)?);
    Ok(history)
}

fn mails_and_starts(
    connection: &Connection,
    mode: &str,
    queue: Queue,
    before: i64,
    zone: &TimeZone,
) -> Result<History, StoreError> {
    let mut history = History::default();
    let mut departures = Departures::new(connection, zone);
    let mut statement = connection.prepare("select rule_id, started_on from rule_start where mode = ?1")?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        history.add_start(RuleId::new(row.get::<_, String>(0)?), date(&row.get::<_, String>(1)?)?);
    }

    let columns = "item.rule_id, item.document, item.level_id, item.level_repeat, message.state, message.as_of,
            message.id, message.run_id, message.state_at_ms";
    let mut statement = connection.prepare(&format!("select {columns} {FROM_STEPS} and message.run_id < ?2"))?;
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
            on: departures.day(state, date(&row.get::<_, String>(5)?)?, row.get(6)?, row.get(7)?, row.get(8)?)?,
        };
        history.add_step(RuleId::new(row.get::<_, String>(0)?), DocumentNumber::new(row.get::<_, String>(1)?), step);
    }

    add_occasions(connection, mode, queue, before, &mut history)?;
    add_mails(connection, mode, queue, before, &mut departures, &mut history)?;
    Ok(history)
}

/// The items of reminders that take a step on their rule's ladder, in the mode ?1.
const FROM_STEPS: &str = "from message_item as item join message on message.id = item.message_id
        where item.mode = ?1 and item.claimed = 1 and message.kind = 'reminder'";

/// Tells on which day a mail left: on that of its run, or as many days later as it waited, be it for a person's word, for the
/// end of quiet hours or for a server.
struct Departures<'c> {
    connection: &'c Connection,
    zone: &'c TimeZone,
    /// On which day a run was, and when that day ended.
    runs: HashMap<i64, (Date, Timestamp)>,
}

impl<'c> Departures<'c> {
    fn new(connection: &'c Connection, zone: &'c TimeZone) -> Self {
        Self { connection, zone, runs: HashMap::new() }
    }

    /// Returns the day of a message that was decided for `as_of` and has been in `state` since `state_at_ms`.
    fn day(&mut self, state: State, as_of: Date, id: i64, run_id: i64, state_at_ms: i64) -> Result<Date, StoreError> {
        if !matches!(state, State::Accepted | State::Unknown) {
            return Ok(as_of);
        }
        let (started_on, ended_at) = self.run(run_id)?;
        if timestamp(state_at_ms) < ended_at {
            return Ok(as_of);
        }
        // A person may have said only later what became of it.
        let select = "select max(started_at_ms + duration_ms) from attempt
            where message_id = ?1 and outcome in ('accepted', 'unknown')";
        let attempt_ms: Option<i64> = self.connection.prepare_cached(select)?.query_row((id,), |row| row.get(0))?;
        let left_on = timestamp(attempt_ms.unwrap_or(state_at_ms)).to_zoned(self.zone.clone()).date();
        Ok(shifted(as_of, days_between(started_on, left_on).max(0)))
    }

    fn run(&mut self, id: i64) -> Result<(Date, Timestamp), StoreError> {
        if let Some(known) = self.runs.get(&id) {
            return Ok(*known);
        }
        let select = "select started_at_ms from run where id = ?1";
        let started_ms: Option<i64> = self.connection.prepare_cached(select)?.query_row((id,), |row| row.get(0)).optional()?;
        let started_at = started_ms.map_or(Timestamp::MAX, timestamp).to_zoned(self.zone.clone());
        let ended_at = started_at.end_of_day().map_or(Timestamp::MAX, |end| end.timestamp());
        let found = (started_at.date(), ended_at);
        self.runs.insert(id, found);
        Ok(found)
    }
}

/// Reads the last mail to every customer, of each rule, currency and kind, and whose are blocked. Notices keep nobody away. Of what
/// is queued or on the wire nobody knows on which day it will have left. A copy counts as the mail it is a copy of.
fn add_mails(
    connection: &Connection,
    mode: &str,
    queue: Queue,
    before: i64,
    departures: &mut Departures<'_>,
    history: &mut History,
) -> Result<(), StoreError> {
    let select = "select customer_id, rule_id, currency, kind, as_of, run_id, state, id, state_at_ms from message
        where mode = ?1 and kind in ('reminder', 'statement') and is_copy = 0
            and state in ('waiting', 'queued', 'sending', 'accepted', 'unknown') and (?2 or state <> 'queued') and run_id < ?3";
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((mode, queue == Queue::Counts, before))?;
    while let Some(row) = rows.next()? {
        let (state, run_id) = (state(row.get(6)?)?, row.get(5)?);
        let mail = PastMail {
            rule: RuleId::new(row.get::<_, String>(1)?),
            currency: currency(row.get(2)?)?,
            kind: if row.get::<_, String>(3)? == "statement" { MailKind::Statement } else { MailKind::Reminder },
            on: departures.day(state, date(&row.get::<_, String>(4)?)?, row.get(7)?, run_id, row.get(8)?)?,
            is_queued: matches!(state, State::Queued | State::Sending),
            run: Some(run_id),
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

/// Returns the ids of the rules that have run in `mode`, sorted.
///
/// # Errors
/// Why the database could not be read.
pub fn rules_that_ran(connection: &Connection, mode: &str) -> Result<Vec<RuleId>, StoreError> {
    let mut statement = connection.prepare("select rule_id from rule_start where mode = ?1 order by rule_id")?;
    let rows = statement.query_map((mode,), |row| Ok(RuleId::new(row.get::<_, String>(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the ids that the history of `mode` stands under: of every rule that has run or sent, with its levels that have sent.
///
/// # Errors
/// Why the database could not be read.
pub fn ids_on_record(connection: &Connection, mode: &str) -> Result<BTreeMap<RuleId, BTreeSet<LevelId>>, StoreError> {
    let mut found: BTreeMap<_, BTreeSet<_>> =
        rules_that_ran(connection, mode)?.into_iter().map(|id| (id, BTreeSet::new())).collect();
    let mut statement =
        connection.prepare(&format!("select distinct item.rule_id, item.level_id, message.state {FROM_STEPS}"))?;
    let mut rows = statement.query((mode,))?;
    while let Some(row) = rows.next()? {
        if standing(state(row.get(2)?)?).is_some() {
            let levels = found.entry(RuleId::new(row.get::<_, String>(0)?)).or_default();
            levels.insert(LevelId::new(row.get::<_, String>(1)?));
        }
    }
    Ok(found)
}

/// Reads a day as the store writes it.
pub(crate) fn date(text: &str) -> Result<Date, StoreError> {
    Date::strptime(ISO, text).map_err(|_| StoreError::Corrupt { value: text.to_owned(), expected: "a date" })
}

#[cfg(test)]
mod tests;
