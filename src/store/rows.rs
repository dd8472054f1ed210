//! Rows for the tests of the store; each test changes what it is about.

use std::sync::Arc;

use jiff::civil::date;

use crate::domain::date::Timestamp;
use crate::domain::mailbox::{Recipient, RecipientRole};
use crate::outbox::state::State;
use crate::store::{Body, ItemRow, MessageRow, RunRow};

/// Returns an instant in January 2027, and so many seconds later.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Returns the row of a run of all rules.
pub(crate) fn run_row() -> RunRow {
    RunRow {
        as_of: date(2027, 1, 15),
        rule_id: None,
        mode: "live",
        generation: "g".into(),
        texts: Arc::new([]),
        started_at: at(0),
        rules_start_on: date(2027, 1, 15),
        person: None,
        only_subject: None,
    }
}

/// Returns the row of a reminder about one document, composed whole.
pub(crate) fn message(key: &str, document: &str, state: State) -> MessageRow {
    MessageRow {
        message_key: key.into(),
        rule_id: "overdue".into(),
        rule_revision: "r".into(),
        customer_id: "C1".into(),
        customer_name: "One".into(),
        currency: "EUR".into(),
        total: "5.00".into(),
        level_id: "first".into(),
        level_repeat: 0,
        kind: "reminder",
        occasion: String::new(),
        state,
        reason: None,
        detail: None,
        sender_id: "ar".into(),
        envelope_from: Some("ar@seller.example".into()),
        header_id: None,
        subject: Some("S".into()),
        recipients: vec![Recipient { address: "a@b.example".into(), role: RecipientRole::To }],
        items: vec![ItemRow { document: document.into(), level_id: "first".into(), level_repeat: 0, open: "5.00".into() }],
        body: Some(Body::new(b"Subject: S\r\n\r\nHello\r\n".to_vec(), Some("{}".into()))),
        give_up_after: None,
        files: Vec::new(),
    }
}
