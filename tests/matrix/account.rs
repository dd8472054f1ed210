//! The comparison: what the database says against what the server has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dunlin::store::verify::verify;
use rusqlite::{Connection, OpenFlags};

use crate::ledger::Taken;

/// A message as the database has it.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: i64,
    pub key: String,
    pub customer: String,
    pub state: String,
    pub bytes: Vec<u8>,
    pub recipients: BTreeSet<String>,
    /// Attempts that ended in `accepted`.
    pub accepted_attempts: i64,
    /// Attempts that ended in `refused`, with a 5yz.
    pub refused_attempts: i64,
}

/// What the database says.
#[derive(Debug)]
pub struct Books {
    pub messages: Vec<Message>,
    /// What SQLite finds wrong with the file.
    integrity: String,
    /// What of the record is not as it was written.
    chain: Vec<String>,
}

impl Books {
    pub fn read(path: &Path) -> Self {
        // Not read-only: a process that died before it had ever switched to WAL leaves a journal to roll back.
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let has_tables: bool =
            connection.query_row("select count(*) > 0 from sqlite_schema where name = 'message'", (), |row| row.get(0)).unwrap();
        let integrity = connection.query_row("pragma integrity_check", (), |row| row.get(0)).unwrap();
        if !has_tables {
            return Self { messages: vec![], integrity, chain: vec![] };
        }
        let select = "select id, message_key, customer_id, state, coalesce(bytes, x''),
            (select coalesce(group_concat(address), '') from message_recipient where message_id = message.id),
            (select count(*) from attempt where message_id = message.id and outcome = 'accepted'),
            (select count(*) from attempt where message_id = message.id and outcome = 'refused' and reply_code >= 500)
            from message left join message_body on message_id = message.id order by id";
        let mut statement = connection.prepare(select).unwrap();
        let rows = statement.query_map((), |row| {
            Ok(Message {
                id: row.get(0)?,
                key: row.get(1)?,
                customer: row.get(2)?,
                state: row.get(3)?,
                bytes: row.get(4)?,
                recipients: row.get::<_, String>(5)?.split(',').map(str::to_owned).collect(),
                accepted_attempts: row.get(6)?,
                refused_attempts: row.get(7)?,
            })
        });
        let messages = rows.unwrap().map(Result::unwrap).collect();
        let verified = verify(path, None, &[], None, &mut |_, _| {}).unwrap().unwrap();
        let chain = verified.faults.into_iter().map(|fault| format!("{fault:?}")).collect();
        Self { messages, integrity, chain }
    }

    /// Returns whether nothing is left to send.
    pub fn is_drained(&self) -> bool {
        !self.messages.iter().any(|message| message.state == "queued" || message.state == "sending")
    }
}

/// Returns everything in which the books and the server's ledger contradict each other, or a promise is broken.
///
/// `customers` is how many mails there must be, `renewed` are the keys of unknown outcome that a person gave back: those alone
/// may come twice.
pub fn disagreements(customers: usize, books: &Books, taken: &[Taken], renewed: &BTreeSet<String>) -> Vec<String> {
    let mut faults = vec![];
    let mut fault = |text: String| faults.push(text);
    if books.integrity != "ok" {
        fault(format!("the database is damaged: {}", books.integrity));
    }
    books.chain.iter().for_each(|words| fault(format!("the chain does not hold: {words}")));
    let mut ledger: BTreeMap<&str, Vec<&Taken>> = BTreeMap::new();
    for mail in taken {
        // A mail without a key tells the operator something, and is no message of a rule.
        if let Some(key) = &mail.key {
            ledger.entry(key).or_default().push(mail);
        }
    }
    for (key, mails) in &ledger {
        if mails.len() > 1 && !(mails.len() == 2 && renewed.contains(*key)) {
            fault(format!("{key} was taken {} times", mails.len()));
        }
        if !books.messages.iter().any(|message| message.key == *key) {
            fault(format!("{key} was taken, and the database does not know it"));
        }
    }
    for message in &books.messages {
        let Message { key, state, .. } = message;
        let mails = ledger.get(&**key).map_or(&[][..], Vec::as_slice);
        match state.as_str() {
            "accepted" if mails.is_empty() => fault(format!("{key} is `accepted`, and the server does not have it")),
            "accepted" if message.accepted_attempts != 1 && !renewed.contains(key) => {
                fault(format!("{key} is `accepted` after {} accepted attempts", message.accepted_attempts));
            }
            "accepted" | "unknown" => {}
            "refused" if message.refused_attempts == 0 => fault(format!("{key} is `refused`, and no attempt was")),
            "refused" if mails.is_empty() => {}
            _ => fault(format!("{key} is `{state}` at the end, and the server has it {} times", mails.len())),
        }
        if renewed.contains(key) {
            continue;
        }
        for mail in mails {
            if mail.bytes != message.bytes {
                fault(format!(
                    "{key}: the server has other bytes than the database ({} and {})",
                    mail.bytes.len(),
                    message.bytes.len()
                ));
            }
            if mail.recipients.iter().cloned().collect::<BTreeSet<_>>() != message.recipients {
                fault(format!("{key}: went to {:?} instead of {:?}", mail.recipients, message.recipients));
            }
        }
    }
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &books.messages {
        *rows.entry(&message.customer).or_default() += 1;
    }
    if rows.len() != customers || rows.values().any(|count| *count != 1) {
        fault(format!("{} customers have a message each, of {customers}: {rows:?}", rows.len()));
    }
    faults
}
