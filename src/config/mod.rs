//! config.yaml: who sends, through which servers, from which ledger. A text in; a [`Config`] or all its problems out.
//!
//! Reading it opens no connection and needs no secret: a password is kept as a [`SecretRef`] until somebody sends, so
//! that a configuration can be checked on a machine that has none. It knows no rule.

mod account;
mod calendar;
mod columns;
mod company;
mod daemon;
mod dkim;
mod document;
mod keys;
mod ledger;
mod pattern;
mod read;
mod redirect;
mod retention;
mod secret;
mod server;
mod settings;

pub use account::{Auth, AuthProof, Oauth2, OauthClient, OauthClientProof, OauthWay};
pub use calendar::keys::calendar_schema;
pub use calendar::{CALENDAR_FILES_MAX, CalendarSettings, ReadCalendar};
pub use columns::NamedColumn;
pub use daemon::Daemon;
pub use dkim::{DKIM_KEYS_MAX, DkimKey};
pub use document::{DOCUMENT_BYTES_MAX, DOCUMENTS_MAX, Document, DocumentOf, DocumentSource, DocumentUrl};
pub use keys::{KEYS, Key, reference, schema};
pub use pattern::{Gap, Pattern};
pub use read::{ConfigNames, calendar_settings, names, read};
pub use redirect::{Allowed, Redirect};
pub use retention::Retention;
pub use secret::{SECRET_BYTES_MAX, SecretRef, SecretSource, Secrets, SystemSecrets};
pub use server::CA_FILE_BYTES_MAX;
pub use settings::{Alerts, Bank, CaFile, Config, Freshness, Mode, Retry, Role, RunGuard, Server};

#[cfg(test)]
mod tests;
