//! Looking into the outbox: lists and single messages for people.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::domain::date::{Date, Timestamp};
use crate::domain::mailbox::Recipient;
use crate::outbox::attempt::{Outcome, Stage};
use crate::outbox::diagnosis::{Diagnosis, diagnose};
use crate::outbox::state::State;
use crate::store::outbox::{items, recipients};
use crate::store::{StoreError, timestamp};

/// Which messages are meant; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageFilter {
    /// Those with these ids; empty: by the rest.
    pub ids: Vec<i64>,
    /// One run's.
    pub run_id: Option<i64>,
    /// One customer's.
    pub customer_id: Option<String>,
    /// One rule's.
    pub rule_id: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<State>,
    /// Decided for this day or a later one.
    pub from: Option<Date>,
    /// Decided for this day or an earlier one.
    pub until: Option<Date>,
    /// With this text in an item's number, the subject, the customer's id or name, an address, or the message key; case does
    /// not matter.
    pub text: Option<String>,
}

/// An item as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct ItemView {
    /// The document's number.
    pub document: String,
    /// The level it is reminded at.
    pub level: String,
    /// Which repeat of the level.
    pub repeat: u32,
    /// What was open of it.
    pub open: String,
}

/// An attempt as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    /// Its number among all attempts.
    pub id: i64,
    /// The server.
    pub server: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration_ms: i64,
    /// The furthest stage reached.
    pub stage: String,
    /// How it ended.
    pub outcome: String,
    /// The reply's code.
    pub code: Option<u16>,
    /// The reply's enhanced code.
    pub enhanced: Option<String>,
    /// The reply's whole text.
    pub reply: Option<String>,
    /// What went wrong where no reply tells.
    pub fault: Option<String>,
    /// Recipients refused while others were taken.
    pub recipients_refused: Option<serde_json::Value>,
    /// What the reply or the fault means and what to do about it, where that is known.
    pub diagnosis: Option<Diagnosis>,
}

/// A message as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct MessageView {
    /// Its id.
    pub id: i64,
    /// Its key.
    pub message_key: String,
    /// Its run.
    pub run: i64,
    /// Its rule.
    pub rule: String,
    /// The customer's id.
    pub customer: String,
    /// The customer's name.
    pub customer_name: String,
    /// `reminder`, `statement` or `notice`.
    pub kind: String,
    /// The period or event it is about; empty for a reminder.
    pub occasion: String,
    /// The level that leads; empty but for a reminder.
    pub level: String,
    /// Which repeat of it.
    pub repeat: u32,
    /// The items' numbers.
    pub items: Vec<String>,
    /// The currency.
    pub currency: String,
    /// What the items left open together.
    pub total: String,
    /// Whom it goes to (role `to`).
    pub to: Vec<String>,
    /// Where it stands.
    pub state: String,
    /// Why it is blocked or withdrawn.
    pub reason: Option<String>,
    /// The fault's own words.
    pub detail: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The day it was decided for.
    pub as_of: String,
    /// `live`, `redirect` or `dry`.
    pub mode: String,
    /// Since when it is in its state.
    pub state_at: Timestamp,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
}

/// Hands the messages that `filter` lets through to `take`, newest first, `limit` at most.
///
/// # Errors
/// Why the database could not be read.
pub fn messages(
    connection: &Connection,
    filter: &MessageFilter,
    limit: Option<u32>,
    mut take: impl FnMut(MessageView),
) -> Result<(), StoreError> {
    let (conditions, values) = conditions(filter);
    let select = format!(
        "select id, message_key, run_id, rule_id, customer_id, customer_name, level_id, level_repeat, currency, total,
            state, reason, detail, subject, as_of, mode, state_at_ms, next_attempt_at_ms, attempt_count, kind, occasion
        from message where {conditions} order by id desc limit {}",
        limit.map_or(-1, i64::from)
    );
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        take(MessageView {
            id,
            message_key: row.get(1)?,
            run: row.get(2)?,
            rule: row.get(3)?,
            customer: row.get(4)?,
            customer_name: row.get(5)?,
            kind: row.get(19)?,
            occasion: row.get(20)?,
            level: row.get(6)?,
            repeat: row.get(7)?,
            items: items(connection, id)?.into_iter().map(|item| item.document).collect(),
            currency: row.get(8)?,
            total: row.get(9)?,
            to: addressed(recipients(connection, id)?),
            state: row.get(10)?,
            reason: row.get(11)?,
            detail: row.get(12)?,
            subject: row.get(13)?,
            as_of: row.get(14)?,
            mode: row.get(15)?,
            state_at: timestamp(row.get(16)?),
            next_attempt_at: row.get::<_, Option<i64>>(17)?.map(timestamp),
            attempts: row.get(18)?,
        });
    }
    Ok(())
}

/// Returns the conditions that a filter comes to, with their values: only those that matter, so that an index serves them.
fn conditions(filter: &MessageFilter) -> (String, Vec<Value>) {
    let mut conditions = vec!["true".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    let list = |words: serde_json::Value| Value::from(words.to_string());
    if !filter.ids.is_empty() {
        add("id in (select value from json_each(?))", list(filter.ids.as_slice().into()));
    }
    if let Some(run_id) = filter.run_id {
        add("run_id = ?", run_id.into());
    }
    if let Some(customer_id) = &filter.customer_id {
        add("customer_id = ?", customer_id.clone().into());
    }
    if let Some(rule_id) = &filter.rule_id {
        add("rule_id = ?", rule_id.clone().into());
    }
    if !filter.states.is_empty() {
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        add("state in (select value from json_each(?))", list(states.into()));
    }
    if let Some(from) = filter.from {
        add("as_of >= ?", from.to_string().into());
    }
    if let Some(until) = filter.until {
        add("as_of <= ?", until.to_string().into());
    }
    if let Some(text) = &filter.text {
        let own = ["message_key", "subject", "customer_id", "customer_name"].map(|column| format!("{column} like ? escape '\\'"));
        let others = [("message_item", "document"), ("message_recipient", "address")].map(|(table, column)| {
            format!("exists (select 1 from {table} where message_id = id and {column} like ? escape '\\')")
        });
        add(&format!("({} or {})", own.join(" or "), others.join(" or ")), pattern(text).into());
    }
    (conditions.join(" and "), values)
}

/// Returns the items of a message for people.
///
/// # Errors
/// Why the database could not be read.
pub fn message_items(connection: &Connection, id: i64) -> Result<Vec<ItemView>, StoreError> {
    let view = |row: crate::store::ItemRow| ItemView {
        document: row.document,
        level: row.level_id,
        repeat: row.level_repeat,
        open: row.open,
    };
    Ok(items(connection, id)?.into_iter().map(view).collect())
}

/// Returns the exact bytes of a message, `None` while it has none.
///
/// # Errors
/// Why the database could not be read.
pub fn message_bytes(connection: &Connection, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let select = "select bytes from message_body where message_id = ?1";
    Ok(connection.prepare_cached(select)?.query_row((id,), |row| row.get(0)).optional()?)
}

/// Returns the attempts to send a message, in order.
///
/// # Errors
/// Why the database could not be read.
pub fn attempts(connection: &Connection, id: i64) -> Result<Vec<AttemptView>, StoreError> {
    let select = "select server_id, started_at_ms, duration_ms, stage, outcome, reply_code, reply_enhanced, reply_text, fault,
            recipients_refused, id
        from attempt where message_id = ?1 order by id";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((id,), |row| {
        Ok(AttemptView {
            id: row.get(10)?,
            server: row.get(0)?,
            started_at: timestamp(row.get(1)?),
            duration_ms: row.get(2)?,
            stage: row.get(3)?,
            outcome: row.get(4)?,
            code: row.get(5)?,
            enhanced: row.get(6)?,
            reply: row.get(7)?,
            fault: row.get(8)?,
            recipients_refused: row.get::<_, Option<String>>(9)?.and_then(|text| serde_json::from_str(&text).ok()),
            diagnosis: None,
        })
    })?;
    let mut found: Vec<AttemptView> = rows.collect::<Result<_, _>>()?;
    for attempt in found.iter_mut().filter(|attempt| attempt.outcome != Outcome::Accepted.as_str()) {
        let words = attempt.reply.as_deref().or(attempt.fault.as_deref()).unwrap_or_default();
        attempt.diagnosis = diagnose(Stage::parse(&attempt.stage), attempt.code, attempt.enhanced.as_deref(), words);
    }
    Ok(found)
}

/// Returns the pattern of `like` that stands for a text anywhere, its own signs without meaning.
fn pattern(text: &str) -> String {
    let plain = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{plain}%")
}

fn addressed(recipients: Vec<Recipient>) -> Vec<String> {
    let is_to = |recipient: &Recipient| recipient.role == crate::domain::mailbox::RecipientRole::To;
    recipients.into_iter().filter(is_to).map(|recipient| recipient.address.to_string()).collect()
}
