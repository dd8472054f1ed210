//! Addresses that nothing is sent to, on a person's word; and those that a server does not know, for a person to decide.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::domain::date::Timestamp;
use crate::domain::mailbox::Suppressions;
use crate::store::acts::{ActRow, add_act};
use crate::store::holds::take_back;
use crate::store::{Store, StoreError, timestamp};

/// The enhanced code of an address that does not exist. Source: RFC 3463 §3.2.
const UNKNOWN_MAILBOX: &str = "5.1.1";

/// An address that nothing is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionView {
    /// The address, in small letters.
    pub address: String,
    /// Why, in the words of who suppressed it.
    pub reason: String,
    /// Who.
    pub person: String,
    /// When.
    pub created_at: Timestamp,
}

/// An address that a server refused for good as unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownAddress {
    /// The address, as it was written to.
    pub address: String,
    /// When it was refused last.
    pub refused_at: Timestamp,
}

impl Store {
    /// Suppresses an address, and withdraws what waits or is queued for it. Returns how many mails that were, or `None` where
    /// it is suppressed already.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn suppress(
        &self,
        address: String,
        reason: String,
        person: String,
        now: Timestamp,
    ) -> Result<Option<usize>, StoreError> {
        self.write(move |connection| {
            let form = Suppressions::form(&address);
            let insert = "insert into suppression (address, reason, person, created_at_ms) values (?1, ?2, ?3, ?4)
                on conflict do nothing";
            if connection.execute(insert, (&form, &reason, &person, now.as_millisecond()))? == 0 {
                return Ok(None);
            }
            let detail = Some(form.clone());
            add_act(connection, now, &ActRow { person: &person, act: "suppress", run_id: None, message_id: None, detail })?;
            let select = "select id, address from message join message_recipient on message_id = id
                where state in ('waiting', 'queued') and message.mode <> 'dry'";
            let mut statement = connection.prepare(select)?;
            let mut rows = statement.query(())?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                if Suppressions::form(&row.get::<_, String>(1)?) == form {
                    ids.push(row.get(0)?);
                }
            }
            take_back(connection, ids.iter().copied(), "suppressed", now)?;
            Ok(Some(ids.len()))
        })
        .await
    }

    /// Lets mail go to an address again. Returns whether it was suppressed.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn unsuppress(&self, address: String, person: String, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let form = Suppressions::form(&address);
            let is_done = connection.execute("delete from suppression where address = ?1", (&form,))? > 0;
            if is_done {
                let detail = Some(form);
                add_act(connection, now, &ActRow { person: &person, act: "unsuppress", run_id: None, message_id: None, detail })?;
            }
            Ok(is_done)
        })
        .await
    }
}

/// Returns all suppressed addresses, as decisions need them.
///
/// # Errors
/// Why the database could not be read.
pub(crate) fn all(connection: &Connection) -> Result<Suppressions, StoreError> {
    let mut suppressions = Suppressions::default();
    suppressed(connection)?.iter().for_each(|view| suppressions.add(&view.address));
    Ok(suppressions)
}

/// Returns all suppressed addresses, sorted.
///
/// # Errors
/// Why the database could not be read.
pub fn suppressed(connection: &Connection) -> Result<Vec<SuppressionView>, StoreError> {
    let mut statement = connection.prepare("select address, reason, person, created_at_ms from suppression order by address")?;
    let rows = statement.query_map((), |row| {
        Ok(SuppressionView { address: row.get(0)?, reason: row.get(1)?, person: row.get(2)?, created_at: timestamp(row.get(3)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the addresses that a server refused for good as unknown and nobody has suppressed, sorted. Walks all attempts.
///
/// # Errors
/// Why the database could not be read.
pub fn unknown_addresses(connection: &Connection) -> Result<Vec<UnknownAddress>, StoreError> {
    // A mail to several is refused for those it names; one to a single address names nobody.
    let select = "select refused.address, max(started_at_ms) from (
            select json_extract(one.value, '$.address') as address, started_at_ms
                from attempt, json_each(attempt.recipients_refused) as one
                where recipients_refused is not null and json_extract(one.value, '$.text') like ?1 || ' %'
            union all
            select message_recipient.address, started_at_ms from attempt
                join message_recipient on message_recipient.message_id = attempt.message_id
                where reply_enhanced = ?1 and stage = 'rcpt_to' and outcome = 'refused' and 1 = (
                    select count(*) from message_recipient as other where other.message_id = attempt.message_id)
        ) as refused group by refused.address order by refused.address";
    let suppressions = all(connection)?;
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.query((UNKNOWN_MAILBOX,))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let address: String = row.get(0)?;
        if !suppressions.has(&address) {
            found.push(UnknownAddress { address, refused_at: timestamp(row.get(1)?) });
        }
    }
    Ok(found)
}

/// Returns how many mails of a mode are blocked, since every address they would go to is suppressed.
///
/// # Errors
/// Why the database could not be read.
pub fn suppressed_mails(connection: &Connection, mode: &str) -> Result<u64, StoreError> {
    let select = "select count(*) from message where mode = ?1 and state = 'blocked' and reason = 'suppressed'";
    Ok(connection.prepare_cached(select)?.query_row((mode,), |row| row.get::<_, i64>(0))?.unsigned_abs())
}
