//! Writing a run: its decisions and messages, in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use rusqlite::{CachedStatement, Connection, OptionalExtension};

use crate::domain::date::{Date, Timestamp};
use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::outbox::state::State;
use crate::store::bodies;
use crate::store::chain::{OpenLink, RunPart, add_link};
use crate::store::decisions::trace_id;
use crate::store::digest::{Body, DecisionFacts, Hash, ItemFacts, MessageFacts, decision, message, read_run};
use crate::store::files::{self, FileOwner, FileRow};
use crate::store::texts::{GenerationText, keep};
use crate::store::thread::thread;
use crate::store::{Store, StoreError};

/// The mode in which mails are composed and never leave.
const DRY: &str = "dry";

pub(crate) const INSERT_MESSAGE: &str =
    "insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name,
        currency, total, level_id, level_repeat, as_of, state, reason, detail, sender_id, envelope_from, subject,
        queued_at_ms, next_attempt_at_ms, state_at_ms, kind, occasion, give_up_after_ms, header_id, digest)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
        ?24, ?25, ?26)";

/// What [`INSERT_MESSAGE`] goes on with where a message takes another's place. Not always: for a statement that may find half of
/// its work in vain SQLite keeps a copy of every page that it changes.
const IN_ITS_PLACE: &str = "on conflict (message_key) do update set run_id = excluded.run_id, rule_id = excluded.rule_id,
        rule_revision = excluded.rule_revision, level_id = excluded.level_id, level_repeat = excluded.level_repeat,
        customer_name = excluded.customer_name, total = excluded.total, as_of = excluded.as_of, state = excluded.state,
        reason = excluded.reason, detail = excluded.detail, sender_id = excluded.sender_id,
        envelope_from = excluded.envelope_from, subject = excluded.subject, queued_at_ms = excluded.queued_at_ms,
        next_attempt_at_ms = excluded.next_attempt_at_ms, attempt_count = 0, state_at_ms = excluded.state_at_ms,
        give_up_after_ms = excluded.give_up_after_ms, header_id = excluded.header_id,
        digest = excluded.digest, text_digest = null";

pub(crate) const INSERT_RECIPIENT: &str =
    "insert into message_recipient (message_id, position, role, address) values (?1, ?2, ?3, ?4)";
pub(crate) const INSERT_ITEM: &str =
    "insert into message_item (message_id, document, mode, rule_id, level_id, level_repeat, open, claimed)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(crate) const INSERT_DECISION: &str =
    "insert into decision (run_id, rule_id, customer_id, currency, document, verdict, reason, message_id, yields_to, trace_id, digest)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// What is known of a run when it starts.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// The day it decides for.
    pub as_of: Date,
    /// The one rule it runs; `None`: all.
    pub rule_id: Option<String>,
    /// `live`, `redirect` or `dry`.
    pub mode: &'static str,
    /// The hash of everything it ran with.
    pub generation: String,
    /// The texts that this is a hash of, to be kept once.
    pub texts: Arc<[GenerationText]>,
    /// When it started.
    pub started_at: Timestamp,
    /// The day that counts as the first of rules that have not run before.
    pub rules_start_on: Date,
    /// Who asked for it; `None`: its schedule.
    pub person: Option<String>,
    /// The one subject it was asked for, as JSON; `None`: everybody.
    pub only_subject: Option<String>,
}

/// An item of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// The document's number.
    pub document: String,
    /// The level it is reminded at.
    pub level_id: String,
    /// Which repeat of the level.
    pub level_repeat: u32,
    /// What is open of it, as an exact decimal.
    pub open: String,
}

/// A message as composed, or as blocked.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// Its key.
    pub message_key: String,
    /// Its rule.
    pub rule_id: String,
    /// The rule's text at that time, as a hash.
    pub rule_revision: String,
    /// To whom.
    pub customer_id: String,
    /// The customer's name at that time.
    pub customer_name: String,
    /// The currency of its items.
    pub currency: String,
    /// What its items leave open together, as an exact decimal.
    pub total: String,
    /// The level that leads; empty where the message is about an occasion.
    pub level_id: String,
    /// Which repeat of it.
    pub level_repeat: u32,
    /// `reminder`, `statement` or `notice`.
    pub kind: &'static str,
    /// The period or event it is about; empty for a reminder.
    pub occasion: String,
    /// `blocked`, `waiting` or `queued`.
    pub state: State,
    /// Why it is blocked or waits.
    pub reason: Option<&'static str>,
    /// The fault's own words.
    pub detail: Option<String>,
    /// The sender profile.
    pub sender_id: String,
    /// The sender's address in the envelope; `None` while blocked.
    pub envelope_from: Option<String>,
    /// The Message-ID, without brackets; `None` while blocked.
    pub header_id: Option<String>,
    /// The subject; `None` while blocked.
    pub subject: Option<String>,
    /// Whom it goes to.
    pub recipients: Vec<Recipient>,
    /// Its items.
    pub items: Vec<ItemRow>,
    /// The exact bytes, and what they were made from; `None` while blocked.
    pub body: Option<Body>,
    /// How long after it was queued it is given up; `None`: as config.yaml says.
    pub give_up_after: Option<Duration>,
    /// The files it carries.
    pub files: Vec<FileRow>,
}

/// The decision about one subject.
#[derive(Clone, Debug)]
pub struct DecisionRow<'a> {
    /// The rule.
    pub rule_id: &'a str,
    /// The customer.
    pub customer_id: &'a str,
    /// The currency, empty where there is none.
    pub currency: &'a str,
    /// The document, empty where the subject is the customer.
    pub document: &'a str,
    /// `due`, `blocked` or `declined`.
    pub verdict: &'static str,
    /// Why.
    pub reason: &'a str,
    /// The message it led to.
    pub message_id: Option<i64>,
    /// The rule that it stands back for.
    pub yields_to: Option<&'a str>,
    /// What its "no" rested on; see [`crate::plan::trace`].
    pub trace: Option<&'a str>,
}

/// A run being written; nothing of it is seen before it is whole.
pub struct RunTransaction<'c> {
    connection: &'c Connection,
    run_id: i64,
    row: RunRow,
    statements: Statements<'c>,
    /// The digests of the messages added so far, by id.
    digests: BTreeMap<i64, Hash>,
}

/// What a run says to SQLite over and over.
struct Statements<'c> {
    message_of_key: CachedStatement<'c>,
    claimed_by_another: CachedStatement<'c>,
    insert_message: CachedStatement<'c>,
    insert_recipient: CachedStatement<'c>,
    insert_item: CachedStatement<'c>,
    insert_decision: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        Ok(Self {
            message_of_key: connection.prepare_cached("select id, state from message where message_key = ?1")?,
            claimed_by_another: connection.prepare_cached(
                "select 1 from message_item where mode = ?1 and document = ?2 and rule_id = ?3 and level_id = ?4
                    and level_repeat = ?5 and claimed = 1 and message_id is not ?6",
            )?,
            insert_message: connection.prepare_cached(INSERT_MESSAGE)?,
            insert_recipient: connection.prepare_cached(INSERT_RECIPIENT)?,
            insert_item: connection.prepare_cached(INSERT_ITEM)?,
            insert_decision: connection.prepare_cached(INSERT_DECISION)?,
        })
    }
}

impl Store {
    /// Writes a run: `fill` adds its decisions and messages; all of it is stored, or nothing. Returns the run's id
    /// with what `fill` returned.
    ///
    /// # Errors
    /// What `fill` returned, or why nothing could be stored.
    pub async fn write_run<T: Send + 'static>(
        &self,
        row: RunRow,
        fill: impl FnOnce(&mut RunTransaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(i64, T), StoreError> {
        let row_started_at = row.started_at;
        self.write(move |connection| {
            let link = OpenLink::begin(connection, row_started_at)?;
            keep(connection, &row.generation, &row.texts)?;
            let insert = "insert into run (as_of, rule_id, mode, generation, started_at_ms, person, only_subject)
                values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let values = (
                row.as_of.to_string(),
                &row.rule_id,
                row.mode,
                &row.generation,
                row.started_at.as_millisecond(),
                &row.person,
                &row.only_subject,
            );
            connection.execute(insert, values)?;
            let run_id = connection.last_insert_rowid();
            let statements = Statements::prepare(connection)?;
            let mut run = RunTransaction { connection, run_id, row, statements, digests: BTreeMap::new() };
            let result = fill(&mut run)?;
            let part = RunPart { run_id, run_digest: read_run(connection, run_id)?, messages: run.digests };
            link.end(connection, row_started_at, Some(part))?;
            finish_runs(connection, Some(run_id), row_started_at)?;
            Ok((run_id, result))
        })
        .await
    }

    /// Notes that the queues of all runs have drained, but for runs that wait for a person.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub async fn finish_runs(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            // What was sent is in the chain at once, and not only with the next run.
            if finish_runs(connection, None, now)? > 0 { add_link(connection, now) } else { Ok(()) }
        })
        .await
    }
}

/// Notes of one run, or of all, that nothing of it is left to send, and returns of how many. One that found nothing due is
/// finished at once.
fn finish_runs(connection: &Connection, run_id: Option<i64>, now: Timestamp) -> Result<usize, StoreError> {
    let update = "update run set finished_at_ms = ?1 where finished_at_ms is null and (?2 is null or id = ?2) and not exists (
        select 1 from message where run_id = run.id and state in ('waiting', 'queued', 'sending') and mode <> 'dry')";
    Ok(connection.prepare_cached(update)?.execute((now.as_millisecond(), run_id))?)
}

impl RunTransaction<'_> {
    /// Returns the run's id.
    pub fn run_id(&self) -> i64 {
        self.run_id
    }

    /// Returns its mode's word.
    pub(crate) fn mode(&self) -> &'static str {
        self.row.mode
    }

    /// Returns when it started.
    pub(crate) fn started_at(&self) -> Timestamp {
        self.row.started_at
    }

    /// Returns the Message-IDs of the mails that a reminder about these documents goes on from; see [`thread()`].
    ///
    /// # Errors
    /// Why the database could not be read.
    pub fn thread(&self, mode: &str, documents: &[&str]) -> Result<Vec<String>, StoreError> {
        thread(self.connection, mode, documents)
    }

    /// Returns the other customer whose paper a file of this message is by what earlier messages carried, these of this run included.
    ///
    /// # Errors
    /// Why the database could not be read.
    pub(crate) fn other_owner(&self, row: &MessageRow) -> Result<Option<(FileRow, FileOwner)>, StoreError> {
        for file in &row.files {
            let Some(customer) = &file.customer_id else { continue };
            if let Some(owner) = files::other_owner(self.connection, self.row.mode, &file.hash, customer)? {
                return Ok(Some((file.clone(), owner)));
            }
        }
        Ok(None)
    }

    /// Returns the connection it is written through.
    pub(crate) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Notes that `rule_id` has run; the day of its first run stays.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn add_rule_start(&mut self, rule_id: &str) -> Result<(), StoreError> {
        let insert = "insert into rule_start (mode, rule_id, started_on) values (?1, ?2, ?3) on conflict do nothing";
        self.connection.prepare_cached(insert)?.execute((self.row.mode, rule_id, self.row.rules_start_on.to_string()))?;
        Ok(())
    }

    /// Notes what was there when a notice rule first ran. A rehearsal that sends nothing leaves nothing behind, and a
    /// run for one subject alone has not seen the rest.
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn add_baseline(&mut self, rule_id: &str, occasions: impl Iterator<Item = CompactString>) -> Result<(), StoreError> {
        if self.row.mode == DRY || self.row.only_subject.is_some() {
            return Ok(());
        }
        let insert = "insert into notice_baseline (mode, rule_id, subject) values (?1, ?2, ?3) on conflict do nothing";
        let mut insert = self.connection.prepare_cached(insert)?;
        // The row without a subject says that there was a first run, even where nothing was there.
        for occasion in std::iter::once(CompactString::default()).chain(occasions) {
            insert.execute((self.row.mode, rule_id, occasion.as_str()))?;
        }
        Ok(())
    }

    /// Adds a decision.
    ///
    /// # Errors
    /// A second decision about one subject, or why it could not be stored.
    pub fn add_decision(&mut self, row: &DecisionRow<'_>) -> Result<(), StoreError> {
        let trace_id = row.trace.map(|text| trace_id(self.connection, text, self.row.started_at)).transpose()?;
        let facts = DecisionFacts {
            run_id: self.run_id,
            rule_id: row.rule_id,
            customer_id: row.customer_id,
            currency: row.currency,
            document: row.document,
            verdict: row.verdict,
            reason: row.reason,
            message_id: row.message_id,
            yields_to: row.yields_to,
            trace: row.trace,
        };
        self.statements.insert_decision.execute((
            self.run_id,
            row.rule_id,
            row.customer_id,
            row.currency,
            row.document,
            row.verdict,
            row.reason,
            row.message_id,
            row.yields_to,
            trace_id,
            decision(&facts),
        ))?;
        Ok(())
    }

    /// Adds a message and returns its id, or `None` where one with its key, or with one of its steps, is there
    /// already and may have left. One that certainly never left is replaced (its attempts stay).
    ///
    /// # Errors
    /// Why it could not be stored.
    pub fn add_message(&mut self, row: &MessageRow) -> Result<Option<i64>, StoreError> {
        let known: Option<(i64, String)> =
            self.statements.message_of_key.query_row((&row.message_key,), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((_, state)) = &known {
            let is_replaceable = State::parse(state).is_some_and(State::is_replaceable) || self.row.mode == DRY;
            if !is_replaceable {
                return Ok(None);
            }
        }
        // What is only composed takes no step: the next dry run composes it again.
        let claimed = row.state != State::Blocked && self.row.mode != DRY;
        // Asked before anything is written. The index would say so too, but in the middle, and end the run.
        if claimed && let Some(document) = self.claimed_by_another(row, known.as_ref().map(|(id, _)| *id))? {
            tracing::warn!(message_key = row.message_key, document, "A message was not added, since a step of it has one");
            return Ok(None);
        }
        if let Some((id, _)) = &known {
            // What an earlier run's link was made of stays; this run's own is made below.
            let insert = "insert into message_replaced (run_id, message_id, digest)
                select run_id, id, digest from message where id = ?1 and run_id <> ?2 and digest is not null
                on conflict do nothing";
            self.connection.prepare_cached(insert)?.execute((id, self.run_id))?;
            for table in ["message_body", "message_recipient", "message_item", "message_file"] {
                self.connection.prepare_cached(&format!("delete from {table} where message_id = ?1"))?.execute((id,))?;
            }
        }
        let as_of = self.row.as_of.to_string();
        let give_up_after_ms = row.give_up_after.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        let digest = self.digest_of(row, &as_of, give_up_after_ms);
        let now_ms = self.row.started_at.as_millisecond();
        let queued_at_ms = (row.state == State::Queued).then_some(now_ms);
        let values = rusqlite::params![
            row.message_key,
            self.run_id,
            self.row.mode,
            row.rule_id,
            row.rule_revision,
            row.customer_id,
            row.customer_name,
            row.currency,
            row.total,
            row.level_id,
            row.level_repeat,
            as_of,
            row.state.as_str(),
            row.reason,
            row.detail,
            row.sender_id,
            row.envelope_from,
            row.subject,
            queued_at_ms,
            queued_at_ms,
            now_ms,
            row.kind,
            row.occasion,
            give_up_after_ms,
            row.header_id,
            digest,
        ];
        let id = match known {
            None => {
                self.statements.insert_message.execute(values)?;
                self.connection.last_insert_rowid()
            }
            Some((id, _)) => {
                self.connection.prepare_cached(&format!("{INSERT_MESSAGE} {IN_ITS_PLACE}"))?.execute(values)?;
                id
            }
        };
        self.digests.insert(id, digest);
        if let Some(body) = &row.body {
            bodies::add(self.connection, id, body.bytes(), body.input())?;
        }
        files::add(self.connection, id, &row.files)?;
        for (position, recipient) in row.recipients.iter().enumerate() {
            let values = (id, position as i64, role_word(recipient.role), recipient.address.as_str());
            self.statements.insert_recipient.execute(values)?;
        }
        for item in &row.items {
            self.statements.insert_item.execute((
                id,
                &item.document,
                self.row.mode,
                &row.rule_id,
                &item.level_id,
                item.level_repeat,
                &item.open,
                claimed,
            ))?;
        }
        Ok(Some(id))
    }

    /// Returns the digest of a message of this run.
    fn digest_of(&self, row: &MessageRow, as_of: &str, give_up_after_ms: Option<i64>) -> Hash {
        let facts = MessageFacts {
            run_id: self.run_id,
            message_key: &row.message_key,
            mode: self.row.mode,
            rule_id: &row.rule_id,
            rule_revision: &row.rule_revision,
            customer_id: &row.customer_id,
            customer_name: &row.customer_name,
            currency: &row.currency,
            total: &row.total,
            level_id: &row.level_id,
            level_repeat: row.level_repeat,
            kind: row.kind,
            occasion: &row.occasion,
            as_of,
            detail: row.detail.as_deref(),
            sender_id: &row.sender_id,
            envelope_from: row.envelope_from.as_deref(),
            header_id: row.header_id.as_deref(),
            subject: row.subject.as_deref(),
            give_up_after_ms,
            is_copy: false,
        };
        // As the database gives them back.
        let mut items: Vec<&ItemRow> = row.items.iter().collect();
        items.sort_unstable_by(|a, b| a.document.cmp(&b.document));
        let items = items.into_iter().map(|item| ItemFacts {
            document: &item.document,
            mode: self.row.mode,
            rule_id: &row.rule_id,
            level_id: &item.level_id,
            level_repeat: item.level_repeat,
            open: &item.open,
        });
        message(&facts, &row.recipients, items, row.body.as_ref().map(Body::digest))
    }

    /// Returns the first document of a message whose step another message than `id` has taken.
    fn claimed_by_another<'m>(&mut self, message: &'m MessageRow, id: Option<i64>) -> Result<Option<&'m str>, StoreError> {
        for item in &message.items {
            let values = (self.row.mode, &item.document, &message.rule_id, &item.level_id, item.level_repeat, id);
            if self.statements.claimed_by_another.exists(values)? {
                return Ok(Some(&item.document));
            }
        }
        Ok(None)
    }
}

/// Returns the word for a role in `message_recipient`.
pub(crate) fn role_word(role: RecipientRole) -> &'static str {
    match role {
        RecipientRole::To => "to",
        RecipientRole::Cc => "cc",
        RecipientRole::Bcc => "bcc",
    }
}

/// Returns what a word in `message_recipient` stands for.
pub(crate) fn role_of(word: &str) -> RecipientRole {
    match word {
        "cc" => RecipientRole::Cc,
        "bcc" => RecipientRole::Bcc,
        _ => RecipientRole::To,
    }
}
