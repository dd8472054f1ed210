//! A database that is away from home: what that means for sending, and how it ends.
//!
//! A copy of a database must not mail customers, and an old state of it must not mail them again. So while the database is not
//! where it belongs, the mode is never `live`, whatever config.yaml says: mails go to `redirect_to`, or nowhere. A person
//! ends that with `dunlin adopt`. Source: docs/decisions/0029.

use std::sync::Arc;

use serde::Serialize;

use crate::config::{Mode, Redirect};
use crate::domain::date::{Date, Timestamp};
use crate::engine::workspace::Workspace;
use crate::store::home::differences;
use crate::store::{Store, StoreError};

pub use crate::store::adopt::Since;
pub use crate::store::home::{Difference, HOST_VARIABLE};

/// A database that is not at home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Away {
    /// In what.
    pub differences: Vec<Difference>,
    /// Where mails go meanwhile; `None`: nowhere.
    pub redirect_to: Option<String>,
}

impl Away {
    /// Returns what is so, and what follows, in a sentence or two.
    pub fn words(&self) -> String {
        let differences: Vec<String> = self.differences.iter().map(ToString::to_string).collect();
        let follows = match &self.redirect_to {
            Some(to) => format!("every mail goes to {to}"),
            None => "no mail is sent".to_owned(),
        };
        format!("The database is not at home. {}. No customer gets anything: {follows}", differences.join(". "))
    }

    /// Returns the same without an address, for the health page.
    pub fn public_words(&self) -> String {
        let kinds: Vec<&str> = self.differences.iter().map(kind_words).collect();
        format!("The database is not at home: {}", kinds.join(", "))
    }
}

fn kind_words(difference: &Difference) -> &'static str {
    match difference {
        Difference::Instance { .. } => "another instance",
        Difference::Host { .. } => "another machine",
        Difference::Path { .. } => "another path",
        Difference::Backup { .. } => "a backup",
        Difference::File => "another file",
        Difference::Older { .. } => "an older state",
        Difference::OtherSeal => "another database than before",
        Difference::NoSeal => "no seal",
    }
}

impl Workspace {
    /// Looks whether the database is at home, and changes the mode where it is not.
    pub fn seen_at_home(mut self) -> Self {
        // What cannot be read is told by whoever needs it; nothing is sent without opening it.
        let found = differences(&self.database_path(), &self.config.instance).unwrap_or_default();
        if found.is_empty() {
            return self;
        }
        let mode = match (&self.config.mode, &self.config.redirect) {
            (Mode::Live | Mode::Redirect(_), Some(redirect)) => {
                // Nobody is allowed: a copy's list may be the copied one.
                Mode::Redirect(Redirect { to: redirect.to.clone(), allow: Vec::new() })
            }
            _ => Mode::Dry,
        };
        let redirect_to = match &mode {
            Mode::Redirect(redirect) => Some(redirect.to.to_string()),
            Mode::Live | Mode::Dry => None,
        };
        self.config.mode = mode;
        self.away = Some(Away { differences: found, redirect_to });
        self
    }

    /// Opens the store for writing; refused where it has strayed since the workspace was loaded, for then the mode is wrong.
    pub(crate) fn open_store(&self, now: Timestamp) -> Result<Arc<Store>, StoreError> {
        let store = Store::open(&self.database_path(), &self.config.instance, now)?;
        if self.away.is_none() && !store.differences().is_empty() {
            return Err(StoreError::Strayed { path: self.database_path() });
        }
        Ok(Arc::new(store))
    }
}

/// Returns the day up to which what came due may have gone unrecorded, if the database is adopted at `now`: the latest day
/// that it is anywhere.
pub(crate) fn doubt_until(now: Timestamp) -> Date {
    /// The clocks that are furthest ahead.
    const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(14);
    now.saturating_add(AHEAD).unwrap_or(now).to_zoned(jiff::tz::TimeZone::UTC).date()
}
