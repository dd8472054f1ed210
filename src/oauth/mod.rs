//! Access tokens (OAuth 2) for accounts on mail servers: asks a token server for them, keeps them while they are good, and
//! gives them to whoever signs in ([`crate::port::TokenSource`]).
//!
//! Pure parts, by name: [`settings`] (an account, resolved), `assertion` (signed claims), [`service_account`] (Google's key
//! file), `answer` (what a token server said). With sockets: `exchange` (one request). [`source`] joins them: one request for
//! all who ask at once, early refresh, one more where a token was refused; `keeper` keeps a refresh token that was replaced.
//!
//! A token is in memory alone: never in a log, a file, the database or an error. A refresh token is in the operator's own
//! file. No redirect is followed, and nothing is sent in plain text but to this machine.

mod answer;
pub mod assertion;
mod exchange;
mod keeper;
pub mod service_account;
pub mod settings;
pub mod source;
