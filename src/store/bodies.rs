//! The bytes of mails in the database; large ones are read in place, so that one copy of them is in memory while they are sent.

use std::sync::Arc;

use rusqlite::{Connection, MAIN_DB, OptionalExtension};

use crate::store::StoreError;
use crate::store::digest::Body;

/// From how many bytes on a mail is large. SQLite copies what it gives; of a small mail that costs less than to open its place.
const LARGE_BYTES: usize = 1 << 20;

/// Adds the text of a message and what it was made from.
pub(crate) fn add(connection: &Connection, message_id: i64, body: &Body) -> Result<(), StoreError> {
    let insert = "insert into message_body (message_id, bytes, input) values (?1, ?2, ?3)";
    connection.prepare_cached(insert)?.execute((message_id, body.bytes(), body.input()))?;
    Ok(())
}

/// Returns the text of a message, `None` where it has none.
pub(crate) fn bytes(connection: &Connection, message_id: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
    let select = "select length(bytes) from message_body where message_id = ?1";
    let length: Option<i64> = connection.prepare_cached(select)?.query_row((message_id,), |row| row.get(0)).optional()?;
    let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else { return Ok(None) };
    if length < LARGE_BYTES {
        let select = "select bytes from message_body where message_id = ?1";
        let bytes: Option<Vec<u8>> = connection.prepare_cached(select)?.query_row((message_id,), |row| row.get(0)).optional()?;
        return Ok(bytes.map(Arc::from));
    }
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let place = connection.blob_open(MAIN_DB, "message_body", "bytes", message_id, true)?;
    let own = Arc::get_mut(&mut bytes).expect("nobody else has it yet");
    place.read_at_exact(own, 0)?;
    Ok(Some(bytes))
}
