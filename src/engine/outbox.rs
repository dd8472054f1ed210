//! The outbox, for faces: lists, single mails and counts. What a person decides about mails is an act (`engine::act`).

use rusqlite::Connection;

use crate::domain::id::{RuleId, SenderId};
use crate::domain::mailbox::Recipient;
use crate::engine::workspace::Workspace;
use crate::outbox::state::State;
use crate::store::acts::acts_of_message;
use crate::store::outbox::{recipients, state_counts};
use crate::store::search::{attempts, message_bytes, message_items, messages};
use crate::store::{Store, open_reader};

pub use crate::store::StoreError;
pub use crate::store::acts::ActView;
pub use crate::store::person::Meant;
pub use crate::store::search::{AttemptView, ItemView, MessageFilter, MessageView};

/// One mail with everything that is kept of it.
#[derive(Clone, Debug)]
pub struct MessageFile {
    /// What lists show of it.
    pub message: MessageView,
    /// Its items.
    pub items: Vec<ItemView>,
    /// Everybody it goes to.
    pub recipients: Vec<Recipient>,
    /// Every attempt to send it, in order.
    pub attempts: Vec<AttemptView>,
    /// Its exact bytes; `None` while it is blocked.
    pub bytes: Option<Vec<u8>>,
    /// What people did with it, in order.
    pub acts: Vec<ActView>,
}

/// A view of a workspace's outbox.
#[derive(Debug)]
pub struct Outbox(Connection);

impl Outbox {
    /// Opens the outbox of a workspace; `None` where nothing has run yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open(workspace: &Workspace) -> Result<Option<Self>, StoreError> {
        Ok(open_reader(&workspace.database_path())?.map(Self))
    }

    /// Hands the mails that `filter` lets through to `take`, newest first, `limit` at most.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn list(&self, filter: &MessageFilter, limit: Option<u32>, take: impl FnMut(MessageView)) -> Result<(), StoreError> {
        messages(&self.0, filter, limit, take)
    }

    /// Returns one mail with everything that is kept of it, `None` where there is none with that id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find(&self, id: i64) -> Result<Option<MessageFile>, StoreError> {
        let mut found = None;
        let filter = MessageFilter { ids: vec![id], ..MessageFilter::default() };
        self.list(&filter, None, |message| found = Some(message))?;
        let Some(message) = found else { return Ok(None) };
        Ok(Some(MessageFile {
            message,
            items: message_items(&self.0, id)?,
            recipients: recipients(&self.0, id)?,
            attempts: attempts(&self.0, id)?,
            bytes: message_bytes(&self.0, id)?,
            acts: acts_of_message(&self.0, id)?,
        }))
    }
}

/// Returns how many messages are queued, of all runs.
///
/// # Errors
/// The database cannot be read.
pub fn queued_count(store: &Store) -> Result<u64, StoreError> {
    let counts = state_counts(&store.reader()?)?;
    Ok(counts.into_iter().find(|(state, _)| *state == State::Queued).map_or(0, |(_, count)| count))
}

/// Returns whether anything is queued that can be sent: a mail of this mode, from a sender that there is.
///
/// # Errors
/// The database cannot be read.
pub fn has_queued<'s>(store: &Store, mode: &str, senders: impl IntoIterator<Item = &'s SenderId>) -> Result<bool, StoreError> {
    crate::store::outbox::has_queued(&store.reader()?, mode, senders)
}

/// Returns the ids of the rules that have run in `mode`, sorted.
///
/// # Errors
/// The database cannot be read.
pub fn rules_that_ran(store: &Store, mode: &str) -> Result<Vec<RuleId>, StoreError> {
    crate::store::rules_that_ran(&store.reader()?, mode)
}

/// Returns the runs with messages that are waiting, queued or being sent.
///
/// # Errors
/// The database cannot be read.
pub fn runs_with_mails_left(store: &Store) -> Result<Vec<i64>, StoreError> {
    crate::store::outbox::runs_with_mails_left(&store.reader()?)
}
