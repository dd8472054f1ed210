//! Where receivables come from: adapters that turn somebody else's files into a [`crate::domain::ledger::Ledger`].
//!
//! A source reads everything or nothing: a ledger with a bad row could send a reminder for a paid invoice. It must
//! not decide anything, and it must not guess: what can be read two ways is a problem with its place.

pub mod bank;
pub mod csv;
pub mod field;
