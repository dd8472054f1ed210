//! The bytes of mails in the database; large ones are written and read in place, so that one copy of them is in memory.

use std::sync::Arc;

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB};

use crate::store::StoreError;
use crate::store::digest::{Hash, TextDigester};

/// From how many bytes on a mail is large. SQLite copies what it takes and gives; of a small mail that costs less than to open
/// its place.
const LARGE_BYTES: usize = 1 << 20;
/// How many bytes of a large mail are read at once where it is only looked through.
const CHUNK_BYTES: usize = 64 * 1024;

/// Adds the text of a message and what it was made from.
pub(crate) fn add(connection: &Connection, message_id: i64, bytes: &[u8], input: Option<&str>) -> Result<(), StoreError> {
    if bytes.len() < LARGE_BYTES {
        let insert = "insert into message_body (message_id, input, bytes) values (?1, ?2, ?3)";
        connection.prepare_cached(insert)?.execute((message_id, input, bytes))?;
        return Ok(());
    }
    let insert = "insert into message_body (message_id, input, bytes) values (?1, ?2, zeroblob(?3))";
    connection.prepare_cached(insert)?.execute((message_id, input, bytes.len() as i64))?;
    let mut place = place(connection, message_id, Access::Write)?;
    place.write_all_at(bytes, 0)?;
    Ok(place.close()?)
}

/// Returns the text of a message, `None` where it has none.
pub(crate) fn bytes(connection: &Connection, message_id: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
    let select = "select length(bytes), case when length(bytes) < ?2 then bytes end from message_body where message_id = ?1";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((message_id, LARGE_BYTES as i64))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    if let Some(bytes) = row.get_ref(1)?.as_blob_or_null().map_err(rusqlite::Error::from)? {
        return Ok(Some(Arc::from(bytes)));
    }
    let length = usize::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let place = place(connection, message_id, Access::Read)?;
    let own = Arc::get_mut(&mut bytes).expect("nobody else has it yet");
    place.read_at_exact(own, 0)?;
    Ok(Some(bytes))
}

/// Returns the digest of a message's text and input as they are here, `None` where it has no text.
pub(crate) fn digest(connection: &Connection, message_id: i64) -> Result<Option<Hash>, StoreError> {
    let select =
        "select input, length(bytes), case when length(bytes) < ?2 then bytes end from message_body where message_id = ?1";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query((message_id, LARGE_BYTES as i64))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let from_sql = rusqlite::Error::from;
    let input = row.get_ref(0)?.as_str_or_null().map_err(from_sql)?;
    let length = usize::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
    let mut digester = TextDigester::begin(length);
    match row.get_ref(2)?.as_blob_or_null().map_err(from_sql)? {
        Some(bytes) => digester.part(bytes),
        None => {
            let place = place(connection, message_id, Access::Read)?;
            let mut chunk = vec![0; CHUNK_BYTES];
            for offset in (0..length).step_by(CHUNK_BYTES) {
                let count = CHUNK_BYTES.min(length - offset);
                place.read_at_exact(&mut chunk[..count], offset)?;
                digester.part(&chunk[..count]);
            }
        }
    }
    Ok(Some(digester.finish(input)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn place(connection: &Connection, message_id: i64, access: Access) -> rusqlite::Result<Blob<'_>> {
    connection.blob_open(MAIN_DB, "message_body", "bytes", message_id, access == Access::Read)
}
