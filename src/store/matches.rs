//! What persons said that bank lines pay: applied once, undone on their word, and ended by the run that finds it in the books.
//!
//! One that is applied takes back the reminders that are queued for its invoices in the same transaction, so that none of
//! them leaves afterwards.

use rusqlite::{Connection, OptionalExtension, Row};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::bank::{AppliedMatch, BankLine, MatchPart};
use crate::domain::date::Timestamp;
use crate::domain::money::{Currency, plain};
use crate::matching::Class;
use crate::matching::books::Standing;
use crate::store::acts::{ActRow, add_act};
use crate::store::history::date;
use crate::store::holds::take_back;
use crate::store::{RunTransaction, Store, StoreError, timestamp};

/// A match as it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMatch {
    /// The bank line.
    pub line: BankLine,
    /// Whose invoices it pays.
    pub customer: String,
    /// The invoices, in the order in which the money goes to them.
    pub parts: Vec<MatchPart>,
    /// The marks of the customer's payments that the books have.
    pub known: Vec<String>,
    /// What it had been proposed as.
    pub class: Class,
    /// When the books should show it.
    pub expected_by: Timestamp,
}

/// What became of applying matches: all of them, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// They are applied.
    Done {
        /// Their ids.
        ids: Vec<i64>,
        /// How many reminders were taken back.
        withdrawn: usize,
        /// How many are on the wire and end by themselves.
        under_way: usize,
    },
    /// A line had been applied before.
    Taken {
        /// The line's id.
        line: String,
        /// The match it is in.
        id: i64,
    },
}

/// What became of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchOutcome {
    /// The books show it.
    Booked,
    /// A person undid it.
    Undone,
}

/// A match as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchView {
    /// Its id.
    pub id: i64,
    /// The bank line.
    pub line: BankLine,
    /// Whose invoices it pays.
    pub customer: String,
    /// The invoices with what goes to each.
    pub parts: Vec<MatchPart>,
    /// What it had been proposed as.
    pub class: Class,
    /// Who applied it.
    pub person: String,
    /// When.
    pub applied_at: Timestamp,
    /// When the books should show it.
    pub expected_by: Timestamp,
    /// What became of it; `None`: it stands.
    pub outcome: Option<MatchOutcome>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who undid it.
    pub ended_by: Option<String>,
}

/// What a person's undoing of a match came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoneMatch {
    /// It counts no longer.
    Done(Box<MatchView>),
    /// There is no such match.
    Missing,
    /// It has ended before.
    Over(MatchOutcome),
}

impl Store {
    /// Applies matches, and withdraws what waits or is queued as reminders for their invoices: all of it, or nothing.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn apply_matches(&self, matches: Vec<NewMatch>, person: String, now: Timestamp) -> Result<Applied, StoreError> {
        self.write(move |connection| {
            for new in &matches {
                let select = "select id from bank_match where line = ?1 and (outcome is null or outcome = 'booked')";
                if let Some(id) = connection.prepare_cached(select)?.query_row((&new.line.id,), |row| row.get(0)).optional()? {
                    return Ok(Applied::Taken { line: new.line.id.clone(), id });
                }
            }
            let (mut ids, mut withdrawn, mut under_way) = (Vec::with_capacity(matches.len()), 0, 0);
            for new in &matches {
                let id = insert(connection, new, &person, now)?;
                let (back, left) = take_reminders_back(connection, new, now)?;
                ids.push(id);
                withdrawn += back;
                under_way += left;
            }
            Ok(Applied::Done { ids, withdrawn, under_way })
        })
        .await
    }

    /// Undoes a match that stands, on a person's word.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn undo_match(&self, id: i64, person: String, now: Timestamp) -> Result<UndoneMatch, StoreError> {
        self.write(move |connection| {
            let Some(mut view) = views(connection, "id = ?1", id)?.pop() else { return Ok(UndoneMatch::Missing) };
            if let Some(outcome) = view.outcome {
                return Ok(UndoneMatch::Over(outcome));
            }
            let update = "update bank_match set outcome = 'undone', ended_at_ms = ?2, ended_by = ?3 where id = ?1";
            connection.execute(update, (id, now.as_millisecond(), &person))?;
            (view.outcome, view.ended_at, view.ended_by) = (Some(MatchOutcome::Undone), Some(now), Some(person.clone()));
            let detail = Some(detail(id, &view.line, &view.customer, &view.parts));
            add_act(connection, now, &ActRow { person: &person, act: "undo_match", run_id: None, message_id: None, detail })?;
            Ok(UndoneMatch::Done(Box::new(view)))
        })
        .await
    }
}

fn insert(connection: &Connection, new: &NewMatch, person: &str, now: Timestamp) -> Result<i64, StoreError> {
    let NewMatch { line, customer, parts, known, class, expected_by } = new;
    let statement = "insert into bank_match (line, booked_on, amount, currency, payer, account, reference, customer_id, class,
            known, expected_by_ms, person, applied_at_ms)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) returning id";
    let known = serde_json::to_string(known).expect("a list of texts");
    let values = rusqlite::params![
        line.id,
        line.booked_on.to_string(),
        line.amount.to_string(),
        line.currency.as_str(),
        line.payer,
        line.account,
        line.reference,
        customer,
        class_word(*class),
        known,
        expected_by.as_millisecond(),
        person,
        now.as_millisecond(),
    ];
    let id: i64 = connection.prepare_cached(statement)?.query_row(values, |row| row.get(0))?;
    let insert = "insert into bank_match_part (match_id, place, invoice, amount, settled_before) values (?1, ?2, ?3, ?4, ?5)";
    for (place, part) in parts.iter().enumerate() {
        let settled = part.settled_before.map(|settled| settled.to_string());
        let values = (id, place as i64, &part.invoice, part.amount.to_string(), settled);
        connection.prepare_cached(insert)?.execute(values)?;
    }
    let detail = Some(detail(id, line, customer, parts));
    add_act(connection, now, &ActRow { person, act: "match", run_id: None, message_id: None, detail })?;
    Ok(id)
}

/// Returns what an act says of a match.
fn detail(id: i64, line: &BankLine, customer: &str, parts: &[MatchPart]) -> String {
    let parts: Vec<String> =
        parts.iter().map(|part| format!("{} of {}", plain(part.amount, line.currency), part.invoice)).collect();
    let amount = plain(line.amount, line.currency);
    format!(
        "bank line {} of {}, {amount} {}, pays {} for customer {customer} (match {id})",
        line.id,
        line.booked_on,
        line.currency,
        parts.join(", ")
    )
}

/// Withdraws the reminders for the invoices of a match; returns how many, and how many are on the wire.
fn take_reminders_back(connection: &Connection, new: &NewMatch, now: Timestamp) -> Result<(usize, usize), StoreError> {
    let select = "select id, state from message where state in ('waiting', 'queued', 'sending') and mode <> 'dry'
        and kind = 'reminder' and exists (select 1 from message_item where message_id = message.id and document = ?1)";
    let (mut back, mut under_way) = (Vec::new(), 0);
    for part in &new.parts {
        let mut statement = connection.prepare_cached(select)?;
        let mut rows = statement.query((&part.invoice,))?;
        while let Some(row) = rows.next()? {
            match row.get::<_, String>(1)?.as_str() {
                "sending" => under_way += 1,
                _ => back.push(row.get::<_, i64>(0)?),
            }
        }
    }
    back.sort_unstable();
    back.dedup();
    take_back(connection, back.iter().copied(), "no_longer_due", now)?;
    Ok((back.len(), under_way))
}

impl RunTransaction<'_> {
    /// Ends the matches that the books have come to show, and lowers what they had settled where they have taken it back:
    /// `judge` says how matches stand. Returns those that ended now.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn end_matches(&mut self, judge: impl FnOnce(&[AppliedMatch]) -> Standing) -> Result<Vec<i64>, StoreError> {
        let (connection, now) = (self.connection(), self.started_at());
        let standing = judge(&standing_matches(connection)?);
        for id in &standing.shown {
            let update = "update bank_match set outcome = 'booked', ended_at_ms = ?2 where id = ?1 and outcome is null";
            connection.prepare_cached(update)?.execute((id, now.as_millisecond()))?;
        }
        for (id, invoice, settled) in &standing.lowered {
            let update = "update bank_match_part set settled_before = ?3 where match_id = ?1 and invoice = ?2";
            connection.prepare_cached(update)?.execute((id, invoice, settled.to_string()))?;
        }
        Ok(standing.shown)
    }
}

/// Returns the matches that stand, and of their customers those that the books have shown since the first of them was applied,
/// in the order in which they were applied.
///
/// # Errors
/// Why the database could not be read.
pub fn standing_matches(connection: &Connection) -> Result<Vec<AppliedMatch>, StoreError> {
    if !is_there(connection)? {
        return Ok(Vec::new());
    }
    let select = "select id, line, booked_on, amount, currency, payer, account, reference, customer_id, known, applied_at_ms,
            outcome is not null
        from bank_match as own where outcome is null or outcome = 'booked' and ended_at_ms >=
            (select min(applied_at_ms) from bank_match where customer_id = own.customer_id and outcome is null)
        order by id";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let known: String = row.get(9)?;
        let known = serde_json::from_str(&known)
            .map_err(|_| StoreError::Corrupt { value: known.chars().take(60).collect(), expected: "a list of payments" })?;
        found.push(AppliedMatch {
            id,
            line: line(row)?,
            customer: row.get(8)?,
            parts: parts(connection, id)?,
            known,
            applied_at: timestamp(row.get(10)?),
            is_booked: row.get(11)?,
        });
    }
    Ok(found)
}

/// Returns the matches that stand, or all there ever were.
///
/// # Errors
/// Why the database could not be read.
pub fn matches(connection: &Connection, all: bool) -> Result<Vec<MatchView>, StoreError> {
    if !is_there(connection)? {
        return Ok(Vec::new());
    }
    views(connection, if all { "?1 = 0" } else { "outcome is null and ?1 = 0" }, 0)
}

/// Returns the bank lines that are applied, by id, with their matches.
///
/// # Errors
/// Why the database could not be read.
pub fn applied_lines(connection: &Connection) -> Result<Vec<(String, i64)>, StoreError> {
    pairs(connection, "select line, id from bank_match where outcome is null or outcome = 'booked'")
}

/// Returns the accounts that customers paid from before, by what was applied.
///
/// # Errors
/// Why the database could not be read.
pub fn known_accounts(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let select =
        "select distinct account, customer_id from bank_match where account <> '' and (outcome is null or outcome = 'booked')
        order by account, customer_id";
    pairs(connection, select)
}

fn pairs<T: rusqlite::types::FromSql>(connection: &Connection, select: &str) -> Result<Vec<(String, T)>, StoreError> {
    if !is_there(connection)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(select)?;
    Ok(statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Returns how many matches stand that the books should have shown by now.
///
/// # Errors
/// Why the database could not be read.
pub fn unbooked_matches(connection: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    if !is_there(connection)? {
        return Ok(0);
    }
    let select = "select count(*) from bank_match where outcome is null and expected_by_ms < ?1";
    let count = connection.prepare_cached(select)?.query_row((now.as_millisecond(),), |row| row.get::<_, i64>(0))?;
    Ok(count.unsigned_abs())
}

/// Returns whether the database has come so far: one of an earlier release that only looks are taken at has no matches.
fn is_there(connection: &Connection) -> Result<bool, StoreError> {
    let select = "select count(*) from sqlite_schema where name = 'bank_match'";
    Ok(connection.prepare_cached(select)?.query_row((), |row| row.get::<_, i64>(0))? == 1)
}

fn views(connection: &Connection, condition: &str, value: i64) -> Result<Vec<MatchView>, StoreError> {
    let select = format!(
        "select id, line, booked_on, amount, currency, payer, account, reference, customer_id, class, person, applied_at_ms,
            expected_by_ms, outcome, ended_at_ms, ended_by from bank_match where {condition} order by id"
    );
    let mut statement = connection.prepare_cached(&select)?;
    let mut rows = statement.query((value,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let corrupt = |value: String, expected| StoreError::Corrupt { value, expected };
        let outcome = match row.get::<_, Option<String>>(13)?.as_deref() {
            None => None,
            Some("booked") => Some(MatchOutcome::Booked),
            Some("undone") => Some(MatchOutcome::Undone),
            Some(other) => return Err(corrupt(other.to_owned(), "what became of a match")),
        };
        let class = match row.get::<_, String>(9)?.as_str() {
            "certain" => Class::Certain,
            "doubtful" => Class::Doubtful,
            other => return Err(corrupt(other.to_owned(), "how sure a match was")),
        };
        found.push(MatchView {
            id,
            line: line(row)?,
            customer: row.get(8)?,
            parts: parts(connection, id)?,
            class,
            person: row.get(10)?,
            applied_at: timestamp(row.get(11)?),
            expected_by: timestamp(row.get(12)?),
            outcome,
            ended_at: row.get::<_, Option<i64>>(14)?.map(timestamp),
            ended_by: row.get(15)?,
        });
    }
    Ok(found)
}

fn class_word(class: Class) -> &'static str {
    if class == Class::Certain { "certain" } else { "doubtful" }
}

/// Reads a bank line whose columns begin with the second.
fn line(row: &Row<'_>) -> Result<BankLine, StoreError> {
    let code: String = row.get(4)?;
    Ok(BankLine {
        id: row.get(1)?,
        booked_on: date(&row.get::<_, String>(2)?)?,
        amount: amount(row.get(3)?)?,
        currency: Currency::parse(&code).ok_or(StoreError::Corrupt { value: code, expected: "a currency" })?,
        payer: row.get(5)?,
        account: row.get(6)?,
        reference: row.get(7)?,
    })
}

fn parts(connection: &Connection, id: i64) -> Result<Vec<MatchPart>, StoreError> {
    let select = "select invoice, amount, settled_before from bank_match_part where match_id = ?1 order by place";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((id,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let settled_before = row.get::<_, Option<String>>(2)?.map(amount).transpose()?;
        found.push(MatchPart { invoice: row.get(0)?, amount: amount(row.get(1)?)?, settled_before });
    }
    Ok(found)
}

fn amount(text: String) -> Result<Decimal, StoreError> {
    Decimal::from_str_exact(&text).map_err(|_| StoreError::Corrupt { value: text, expected: "an amount" })
}
