//! All that is recorded of one mail: its rows as they are, the texts it was made with, and the links that cover it.
//!
//! Rows are read with every column they have, so that what a later release records is shown without a change here.

use std::path::PathBuf;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Map, Value, json};

use crate::domain::hex::hexadecimal;
use crate::store::archived::find_mail;
use crate::store::chain::{COLUMNS, Link};
use crate::store::{StoreError, timestamp};

/// What is recorded of one mail.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The name of the installation.
    pub instance: String,
    /// The database's own id.
    pub database_id: String,
    /// The message's row.
    pub message: Map<String, Value>,
    /// Whom it goes to.
    pub recipients: Vec<Value>,
    /// Its items.
    pub items: Vec<Value>,
    /// The files it carries, with their SHA-256 in hex and whose papers they are.
    pub files: Vec<Value>,
    /// The decisions it came of.
    pub decisions: Vec<Value>,
    /// Its run's row.
    pub run: Map<String, Value>,
    /// The firing that the run was made for, where there was one.
    pub firing: Option<Value>,
    /// Every attempt to send it, in order.
    pub attempts: Vec<Value>,
    /// What people did with it and with its run, in order.
    pub acts: Vec<Value>,
    /// The exact bytes.
    pub bytes: Option<Vec<u8>>,
    /// The rows of the ledger it was made from, as JSON.
    pub input: Option<String>,
    /// Whether its text has left the database.
    pub is_archived: bool,
    /// The files of its generation.
    pub texts: Vec<EvidenceText>,
    /// The link of the mail; `None`: it is older than the chain, or a copy that no link covers yet.
    pub link: Option<Value>,
    /// The link behind its last attempt; `None` where there is none, or no attempt.
    pub attempts_link: Option<Value>,
}

/// A file that a mail's generation was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceText {
    /// Its path in the workspace.
    pub path: String,
    /// Its SHA-256, in hex.
    pub hash: String,
    /// The text, where it is kept.
    pub bytes: Option<Vec<u8>>,
    /// Whether it should be.
    pub is_kept: bool,
}

/// Returns the id of the message that a person means: by its id, its key, or its Message-ID with or without brackets.
///
/// # Errors
/// The database cannot be read.
pub fn find(reader: &Connection, named: &str) -> Result<Option<i64>, StoreError> {
    let named = named.trim().trim_start_matches('<').trim_end_matches('>');
    if let Ok(id) = named.parse::<i64>() {
        let known = reader.query_row("select id from message where id = ?1", (id,), |row| row.get(0)).optional()?;
        if known.is_some() {
            return Ok(known);
        }
    }
    // The key stands before the sign, whatever the sender's domain is by now.
    let key = named.split('@').next().unwrap_or(named);
    Ok(reader.query_row("select id from message where message_key = ?1", (key,), |row| row.get(0)).optional()?)
}

/// Reads all that is recorded of a message; what has left the database is looked for in these files of the archive. `None` where
/// there is no such message.
///
/// # Errors
/// The database or a file of the archive cannot be read.
pub fn evidence(reader: &Connection, id: i64, archive: &[PathBuf]) -> Result<Option<Evidence>, StoreError> {
    let view = reader.unchecked_transaction()?;
    let Some(Value::Object(message)) = one(&view, "select * from message where id = ?1", id)? else { return Ok(None) };
    let run_id = message["run_id"].as_i64().unwrap_or_default();
    let run = match one(&view, "select * from run where id = ?1", run_id)? {
        Some(Value::Object(run)) => run,
        _ => Map::new(),
    };
    let select = "select bytes, input from message_body where message_id = ?1";
    let body: Option<(Vec<u8>, Option<String>)> =
        view.query_row(select, (id,), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let attempts = "select * from attempt where message_id = ?1 order by id";
    let (mut bytes, mut input) = body.map_or((None, None), |(bytes, input)| (Some(bytes), input));
    let mut decisions = all(
        &view,
        "select decision.*, trace.text as trace from decision left join trace on trace.id = trace_id
            where run_id = ?1 and message_id = ?2",
        (run_id, id),
    )?;
    let mut attempts = all(&view, attempts, (id,))?;
    let is_archived = bytes.is_none() && (!message["text_digest"].is_null() || run.get("mails_archived") == Some(&json!(1)));
    let lacks_decision = decisions.is_empty() && message["is_copy"] != 1;
    if is_archived || lacks_decision {
        let mut archived = find_mail(&view, archive, id)?;
        if lacks_decision {
            decisions.extend(archived.decision);
        }
        if let Some(mail) = archived.mail.as_mut().filter(|_| is_archived) {
            bytes = mail["eml"].as_str().map(|eml| eml.as_bytes().to_vec());
            input = mail["input"].as_str().map(str::to_owned);
            attempts = mail["attempts"].as_array_mut().map(std::mem::take).unwrap_or_default();
        }
    }
    let generation = message_generation(&run);
    let last_attempt = attempts.last().and_then(|attempt| attempt["id"].as_i64());
    let by_run = format!("select {COLUMNS} from link where run_id = ?1");
    let by_message = format!("select {COLUMNS} from link where last_message >= ?1 order by id limit 1");
    let by_attempt = format!("select {COLUMNS} from link where last_attempt >= ?1 order by id limit 1");
    let link = match message["is_copy"] == 1 {
        true => link(&view, &by_message, id)?,
        false => link(&view, &by_run, run_id)?,
    };
    Ok(Some(Evidence {
        instance: view.query_row("select id from instance", (), |row| row.get(0))?,
        database_id: view.query_row("select database_id from home", (), |row| row.get(0))?,
        recipients: all(&view, "select role, address from message_recipient where message_id = ?1 order by position", (id,))?,
        items: all(&view, "select document, level_id, level_repeat, open from message_item where message_id = ?1", (id,))?,
        files: all(
            &view,
            "select name, packed_in, content_type, byte_count, lower(hex(hash)) as sha256, customer_id from message_file
                where message_id = ?1 order by position",
            (id,),
        )?,
        decisions,
        firing: one(&view, "select * from firing where run_id = ?1", run_id)?,
        run,
        attempts_link: last_attempt.map(|id| self::link(&view, &by_attempt, id)).transpose()?.flatten(),
        attempts,
        acts: all(&view, "select * from act where message_id = ?1 or run_id = ?2 order by id", (id, run_id))?,
        bytes,
        input,
        is_archived,
        texts: texts(&view, &generation)?,
        link: link.filter(|_| !message["digest"].is_null()),
        message,
    }))
}

fn message_generation(run: &Map<String, Value>) -> String {
    run.get("generation").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(view: &Connection, generation: &str) -> Result<Vec<EvidenceText>, StoreError> {
    let select = "select path, generation_text.hash, bytes, is_kept from generation_text
        left join text on text.hash = generation_text.hash where generation = ?1 order by path";
    let mut statement = view.prepare(select)?;
    let row = |row: &Row<'_>| Ok(EvidenceText { path: row.get(0)?, hash: row.get(1)?, bytes: row.get(2)?, is_kept: row.get(3)? });
    Ok(statement.query_map((generation,), row)?.collect::<Result<_, _>>()?)
}

/// Returns a link with the hash of the one before.
fn link(view: &Connection, select: &str, id: i64) -> Result<Option<Value>, StoreError> {
    let Some(link) = view.query_row(select, (id,), Link::read).optional()? else { return Ok(None) };
    let before = format!("select {COLUMNS} from link where id = ?1");
    let before = view.query_row(&before, (link.id - 1,), Link::read).optional()?;
    let mut value = one(view, "select * from link where id = ?1", link.id)?.unwrap_or_default();
    value["hash_before"] = before.map(|before| hexadecimal(&before.hash)).into();
    Ok(Some(value))
}

fn one(view: &Connection, select: &str, id: i64) -> Result<Option<Value>, StoreError> {
    Ok(all(view, select, (id,))?.into_iter().next())
}

fn all(view: &Connection, select: &str, values: impl rusqlite::Params) -> Result<Vec<Value>, StoreError> {
    let mut statement = view.prepare(select)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map(values, |row| object(row, &names))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns a row as JSON: digests in hex, instants as people write them.
fn object(row: &Row<'_>, names: &[String]) -> Result<Value, rusqlite::Error> {
    let mut object = Map::new();
    for (place, name) in names.iter().enumerate() {
        let stem = name.strip_suffix("_ms").filter(|stem| stem.ends_with("at"));
        let value = match row.get_ref(place)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) if stem.is_some() => timestamp(number).to_string().into(),
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => json!(number),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
            ValueRef::Blob(bytes) => hexadecimal(bytes).into(),
        };
        object.insert(stem.unwrap_or(name).to_owned(), value);
    }
    Ok(Value::Object(object))
}
