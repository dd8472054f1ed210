//! The files that mails carry: which customer's mail carried which bytes.
//!
//! Written with the message and never changed; what a later run composes in its place takes its place here too. The rows stay when
//! the text of a mail goes to the archive, since a file is a customer's for as long as it is remembered that they had it.

use rusqlite::{Connection, OptionalExtension};

use crate::store::StoreError;

/// A file that a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Its name.
    pub name: String,
    /// The name of the ZIP it is in; `None`: it is attached itself.
    pub packed_in: Option<String>,
    /// Its content type.
    pub content_type: String,
    /// How many bytes it has.
    pub byte_count: u64,
    /// Their SHA-256.
    pub hash: [u8; 32],
    /// The id of the customer whose paper it is; `None`: made for the mail, or shared by all.
    pub customer_id: Option<String>,
}

/// The customer whose paper a file is by an earlier message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOwner {
    /// The customer's id.
    pub customer_id: String,
    /// The message that carried it.
    pub message_id: i64,
}

/// Adds the files of a message.
pub(crate) fn add(connection: &Connection, message_id: i64, files: &[FileRow]) -> Result<(), StoreError> {
    let insert = "insert into message_file (message_id, position, name, packed_in, content_type, byte_count, hash, customer_id)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    for (position, file) in files.iter().enumerate() {
        let values = (
            message_id,
            position as i64,
            &file.name,
            &file.packed_in,
            &file.content_type,
            file.byte_count as i64,
            file.hash.as_slice(),
            &file.customer_id,
        );
        connection.prepare_cached(insert)?.execute(values)?;
    }
    Ok(())
}

/// Returns the other customer whose paper the file with that hash is, by a message that went or may go: one of `mode`, or a live one.
///
/// What was blocked, or was withdrawn or cancelled before a server had heard of it, carried nothing anywhere.
pub(crate) fn other_owner(
    connection: &Connection,
    mode: &str,
    hash: &[u8; 32],
    customer_id: &str,
) -> Result<Option<FileOwner>, StoreError> {
    let select = "select message_file.customer_id, message.id from message_file join message on message.id = message_id
        where hash = ?1 and message_file.customer_id is not null and message_file.customer_id <> ?2
            and message.mode in (?3, 'live') and state <> 'blocked'
            and (state not in ('withdrawn', 'cancelled') or attempt_count > 0) limit 1";
    let owner = |row: &rusqlite::Row<'_>| Ok(FileOwner { customer_id: row.get(0)?, message_id: row.get(1)? });
    Ok(connection.prepare_cached(select)?.query_row((hash.as_slice(), customer_id, mode), owner).optional()?)
}

/// Returns the files that a message carries, in order.
///
/// # Errors
/// Why the database could not be read.
pub fn files(connection: &Connection, message_id: i64) -> Result<Vec<FileRow>, StoreError> {
    let select = "select name, packed_in, content_type, byte_count, hash, customer_id from message_file
        where message_id = ?1 order by position";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map((message_id,), |row| {
        Ok(FileRow {
            name: row.get(0)?,
            packed_in: row.get(1)?,
            content_type: row.get(2)?,
            byte_count: row.get::<_, i64>(3)? as u64,
            hash: row.get(4)?,
            customer_id: row.get(5)?,
        })
    })?;
    rows.collect::<Result<_, _>>().map_err(StoreError::from)
}
