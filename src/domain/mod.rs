//! The words of receivables: money, dates, customers, documents, and the ledger that holds them.
//!
//! Everything above stands on this floor. It must not know a clock, a file, a socket, a database or a script;
//! values come in as arguments and go out as values.

pub mod ageing;
pub mod bank;
pub mod company;
pub mod customer;
pub mod date;
pub mod document;
pub mod header;
pub mod hex;
pub mod hold;
pub mod iban;
pub mod id;
pub mod interest;
pub mod late_payment;
pub mod ledger;
pub mod mailbox;
pub mod money;
pub mod pay_url;
pub mod percent;
pub mod period;
pub mod problem;
pub mod rate_table;
pub mod secret;
pub mod statement;
pub mod variable;
