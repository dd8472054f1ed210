//! The chain: one link for each run and for each end of sending, in the transaction of what it is about.
//!
//! A link holds digests over the run's row, its decisions and messages, and over what was appended since the link before:
//! attempts, acts, copies of mails. Its hash takes in all of that and the hash before, so that a later change of anything
//! changes every hash from there on. Links are never changed and never leave the database. What they are checked by is in
//! `verify`.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::date::Timestamp;
use crate::store::StoreError;
use crate::store::digest::{Digester, Hash, RowsDigester, hash_at};

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) id: i64,
    pub(crate) run_id: Option<i64>,
    pub(crate) at_ms: i64,
    pub(crate) run_digest: Option<Hash>,
    pub(crate) decision_count: i64,
    pub(crate) decision_digest: Option<Hash>,
    pub(crate) message_count: i64,
    pub(crate) message_digest: Option<Hash>,
    pub(crate) last_message: i64,
    pub(crate) last_attempt: i64,
    pub(crate) last_act: i64,
    pub(crate) copy_digest: Option<Hash>,
    pub(crate) attempt_digest: Option<Hash>,
    pub(crate) act_digest: Option<Hash>,
    /// As it is stored.
    pub(crate) hash: Hash,
}

/// The columns of a link, in the order in which [`Link::read`] takes them.
pub(crate) const COLUMNS: &str = "id, run_id, at_ms, run_digest, decision_count, decision_digest, message_count,
    message_digest, last_message, last_attempt, last_act, copy_digest, attempt_digest, act_digest, hash";

impl Link {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get(0)?,
            run_id: row.get(1)?,
            at_ms: row.get(2)?,
            run_digest: hash_at(row, 3)?,
            decision_count: row.get(4)?,
            decision_digest: hash_at(row, 5)?,
            message_count: row.get(6)?,
            message_digest: hash_at(row, 7)?,
            last_message: row.get(8)?,
            last_attempt: row.get(9)?,
            last_act: row.get(10)?,
            copy_digest: hash_at(row, 11)?,
            attempt_digest: hash_at(row, 12)?,
            act_digest: hash_at(row, 13)?,
            hash: hash_at(row, 14)?.unwrap_or_default(),
        })
    }

    /// Returns the hash that it should have behind a link with the hash `before`.
    pub(crate) fn hash_behind(&self, before: &Hash) -> Hash {
        let mut digester = Digester::new("link");
        digester.bytes(before);
        digester.number(self.id);
        digester.optional_number(self.run_id);
        let numbers = [self.at_ms, self.decision_count, self.message_count, self.last_message, self.last_attempt, self.last_act];
        numbers.into_iter().for_each(|number| digester.number(number));
        let digests = [
            &self.run_digest,
            &self.decision_digest,
            &self.message_digest,
            &self.copy_digest,
            &self.attempt_digest,
            &self.act_digest,
        ];
        digests.into_iter().for_each(|digest| digester.optional(digest.as_ref().map(Hash::as_slice)));
        digester.finish()
    }

    fn insert(&self, connection: &Connection) -> Result<(), StoreError> {
        let insert =
            format!("insert into link ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)");
        connection.prepare_cached(&insert)?.execute(rusqlite::params![
            self.id,
            self.run_id,
            self.at_ms,
            self.run_digest,
            self.decision_count,
            self.decision_digest,
            self.message_count,
            self.message_digest,
            self.last_message,
            self.last_attempt,
            self.last_act,
            self.copy_digest,
            self.attempt_digest,
            self.act_digest,
            self.hash,
        ])?;
        Ok(())
    }
}

/// What a run adds to the chain.
pub(crate) struct RunPart {
    pub(crate) run_id: i64,
    pub(crate) run_digest: Option<Hash>,
    /// The digests of its messages, by id.
    pub(crate) messages: BTreeMap<i64, Hash>,
}

/// A link that is being made: from before a run is written until it is.
pub(crate) struct OpenLink {
    before: Link,
    copies: RowsDigester,
}

impl OpenLink {
    /// Begins the next link, and the chain where there is none: what was there before is not in it.
    ///
    /// # Errors
    /// Why the database could not be read or written.
    pub(crate) fn begin(connection: &Connection, now: Timestamp) -> Result<Self, StoreError> {
        let before = match last(connection)? {
            Some(link) => link,
            None => begin_chain(connection, now)?,
        };
        let mut copies = RowsDigester::default();
        // Before the run adds its own: since the last link nothing but copies can have come.
        let select = "select id, digest from message where id > ?1 and is_copy = 1 order by id";
        rows(connection, select, before.last_message, &mut copies)?;
        Ok(Self { before, copies })
    }

    /// Ends the link, with what the run is that it is for.
    ///
    /// # Errors
    /// Why the database could not be read or written.
    pub(crate) fn end(self, connection: &Connection, now: Timestamp, run: Option<RunPart>) -> Result<(), StoreError> {
        let Self { before, copies } = self;
        let (mut attempts, mut acts) = (RowsDigester::default(), RowsDigester::default());
        rows(connection, "select id, digest from attempt where id > ?1 order by id", before.last_attempt, &mut attempts)?;
        rows(connection, "select id, digest from act where id > ?1 order by id", before.last_act, &mut acts)?;
        let mut link = Link {
            id: before.id + 1,
            at_ms: now.as_millisecond(),
            copy_digest: copies.finish(),
            attempt_digest: attempts.finish(),
            act_digest: acts.finish(),
            ..highest(connection)?
        };
        if let Some(run) = run {
            let decisions = decisions_of(connection, run.run_id)?;
            let mut messages = RowsDigester::default();
            run.messages.iter().for_each(|(id, digest)| messages.row(*id, Some(digest)));
            link.run_id = Some(run.run_id);
            link.run_digest = run.run_digest;
            (link.decision_count, link.decision_digest) = (decisions.count, decisions.finish());
            (link.message_count, link.message_digest) = (messages.count, messages.finish());
        }
        link.hash = link.hash_behind(&before.hash);
        link.insert(connection)
    }
}

/// Adds a link for what has happened since the last one.
///
/// # Errors
/// Why the database could not be read or written.
pub(crate) fn add_link(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    OpenLink::begin(connection, now)?.end(connection, now, None)
}

/// Returns the last link of the chain, `None` where there is none.
fn last(connection: &Connection) -> Result<Option<Link>, StoreError> {
    let select = format!("select {COLUMNS} from link order by id desc limit 1");
    Ok(connection.prepare_cached(&select)?.query_row((), Link::read).optional()?)
}

/// Writes the first link, which only says what was there before.
fn begin_chain(connection: &Connection, now: Timestamp) -> Result<Link, StoreError> {
    let mut link = Link { id: 1, at_ms: now.as_millisecond(), ..highest(connection)? };
    link.hash = link.hash_behind(&Hash::default());
    link.insert(connection)?;
    Ok(link)
}

/// Returns a link that holds the highest ids there are and nothing else.
fn highest(connection: &Connection) -> Result<Link, StoreError> {
    let select = "select coalesce((select max(id) from message), 0), coalesce((select max(id) from attempt), 0),
        coalesce((select max(id) from act), 0)";
    let row = |row: &Row<'_>| {
        Ok(Link { last_message: row.get(0)?, last_attempt: row.get(1)?, last_act: row.get(2)?, ..Link::default() })
    };
    Ok(connection.prepare_cached(select)?.query_row((), row)?)
}

fn rows(connection: &Connection, select: &str, after: i64, into: &mut RowsDigester) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((after,))?;
    while let Some(row) = rows.next()? {
        into.row(row.get(0)?, row.get_ref(1)?.as_blob_or_null().map_err(rusqlite::Error::from)?);
    }
    Ok(())
}

/// Returns the digest over a run's decisions, in the order of their key.
fn decisions_of(connection: &Connection, run_id: i64) -> Result<RowsDigester, StoreError> {
    let select = "select digest from decision where run_id = ?1 order by run_id, rule_id, customer_id, currency, document";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((run_id,))?;
    let mut decisions = RowsDigester::default();
    while let Some(row) = rows.next()? {
        decisions.row(decisions.count, row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?);
    }
    Ok(decisions)
}
