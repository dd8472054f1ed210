//! The mails a reminder goes on from: earlier ones about the same invoice, as their Message-IDs.

use rusqlite::Connection;

use crate::store::StoreError;

/// Returns the Message-IDs of the reminders about one of `documents` that were accepted in `mode`, the oldest first,
/// without brackets: of the document that was reminded of last. A mail about several goes on from one conversation alone.
///
/// Every rule's reminders count: to the reader, a friendly one and a firm one of the same invoice are one conversation.
///
/// Source: RFC 5322 §3.6.4, which advises against `References` made from several parents.
///
/// # Errors
/// Why the database could not be read.
pub fn thread(connection: &Connection, mode: &str, documents: &[&str]) -> Result<Vec<String>, StoreError> {
    let select = "select state_at_ms, message.id, coalesce(header_id,
            message_key || '@' || substr(envelope_from, instr(envelope_from, '@') + 1))
        from message_item as item join message on message.id = item.message_id
        where item.mode = ?1 and item.document = ?2 and item.claimed = 1 and kind = 'reminder' and state = 'accepted'";
    let mut statement = connection.prepare_cached(select)?;
    let mut newest: Vec<((i64, i64), String)> = Vec::new();
    for document in documents {
        let rows = statement.query_map((mode, document), |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        let mut mails: Vec<((i64, i64), String)> = rows.collect::<Result<_, _>>()?;
        // Not by SQLite, which would make a table to sort in for each of a hundred thousand documents.
        mails.sort_unstable();
        if mails.last().map(|(at, _)| at) > newest.last().map(|(at, _)| at) {
            newest = mails;
        }
    }
    Ok(newest.into_iter().map(|(_, id)| id).collect())
}
