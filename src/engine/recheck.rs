//! The re-check: what is queued is planned again on the receivables as they are now, and withdrawn where the answer
//! is another one.
//!
//! Not only paid invoices count: a new tag, a hold, another address, a changed rule or a broken one all show in the
//! plan, and a message stays only if the plan would make the very same one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::date::{Date, Timestamp};
use crate::domain::ledger::Ledger;
use crate::domain::money::plain;
use crate::engine::attach::Attachments;
use crate::engine::compose::Composer;
use crate::engine::deliver::{Recheck, Rechecked};
use crate::engine::run::mode_word;
use crate::engine::workspace::Workspace;
use crate::plan::{PlannedMessage, plan};
use crate::port::Pending;
use crate::source::csv::FileChange;
use crate::store::outbox::{Leftover, leftovers};
use crate::store::{Queue, Store, StoreError, history};

/// What a re-check did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecheckCounts {
    /// Messages withdrawn.
    pub withdrawn: usize,
    /// Messages that stay queued.
    pub kept: usize,
}

/// Withdraws every queued message that a plan of `as_of` over `ledger` would not make just so.
///
/// # Errors
/// Why the store could not be read or written.
pub async fn recheck(
    workspace: &Workspace,
    ledger: &Ledger,
    as_of: Date,
    store: &Store,
    now: Timestamp,
) -> Result<RecheckCounts, StoreError> {
    let mode = mode_word(&workspace.config.mode);
    let reader = store.reader()?;
    let queued = leftovers(&reader, mode)?;
    if queued.is_empty() {
        return Ok(RecheckCounts::default());
    }
    let past = history(&reader, mode, Queue::LeftOut(as_of))?;
    drop(reader);
    // Each message is judged by the rules its own run ran: a run of one rule did not weigh it against the others.
    let mut by_rules: BTreeMap<Option<&str>, Vec<&Leftover>> = BTreeMap::new();
    for message in &queued {
        by_rules.entry(message.only_rule.as_deref()).or_default().push(message);
    }
    let mut stale = Vec::new();
    for (only_rule, messages) in by_rules {
        let mut rules = workspace.rules.clone();
        rules.rules.retain(|rule| only_rule.is_none_or(|id| rule.id.as_str() == id));
        let plan = plan(&rules, ledger, &past, as_of);
        // What is attached does not tell whether a mail is still due.
        let attachments = Attachments::left_out();
        let composer = Composer { workspace, rules: &rules, ledger, plan: &plan, now, attachments: &attachments };
        let planned: HashMap<String, &PlannedMessage> =
            plan.messages.iter().map(|message| (composer.key(message).to_string(), message)).collect();
        let is_still_due = |message: &Leftover| {
            let Some(fresh) = planned.get(&message.message_key) else { return false };
            let Ok(composed) = composer.compose(fresh) else { return false };
            plain(fresh.total, fresh.currency) == message.total
                && fresh.sender(&rules).as_str() == message.sender_id
                && composed.recipients == message.recipients
        };
        stale.extend(messages.into_iter().filter(|message| !is_still_due(message)).map(|message| message.id));
    }
    let counts = RecheckCounts { withdrawn: stale.len(), kept: queued.len() - stale.len() };
    store.withdraw(stale, "no_longer_due", now).await?;
    Ok(counts)
}

/// How the ledger's files stood when a ledger was read from them. Taken before the reading, so that a change made
/// meanwhile shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerState(Option<Vec<FileChange>>);

impl LedgerState {
    /// Returns how the files of a workspace's ledger stand now.
    pub fn of(workspace: &Workspace) -> Self {
        Self(workspace.ledger_changes().ok())
    }
}

/// The re-check while a run is under way: reads the ledger again once its files have changed.
pub(crate) struct LedgerRecheck {
    workspace: Arc<Workspace>,
    store: Arc<Store>,
    as_of: Date,
    /// How the files stood when they were last read.
    seen: Mutex<LedgerState>,
}

impl LedgerRecheck {
    /// Returns a re-check for a run whose ledger was read from files that stood like `read_from`.
    pub(crate) fn new(workspace: Arc<Workspace>, store: Arc<Store>, as_of: Date, read_from: LedgerState) -> Self {
        Self { workspace, store, as_of, seen: Mutex::new(read_from) }
    }
}

impl Recheck for LedgerRecheck {
    fn recheck(&self, now: Timestamp) -> Pending<'_, Result<Rechecked, StoreError>> {
        Box::pin(async move {
            let changes = LedgerState::of(&self.workspace);
            if changes.0.is_some() && *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == changes {
                return Ok(Rechecked::Unchanged);
            }
            let (workspace, as_of) = (self.workspace.clone(), self.as_of);
            let read = tokio::task::spawn_blocking(move || workspace.read_ledger(as_of, &mut |_, _| {})).await;
            let Ok(Ok(ledger)) = read else {
                tracing::error!("The ledger has changed and cannot be read; nothing is sent until it can");
                return Ok(Rechecked::Unreadable);
            };
            let counts = recheck(&self.workspace, &ledger, self.as_of, &self.store, now).await?;
            if counts.withdrawn > 0 {
                tracing::warn!(count = counts.withdrawn, "Mails withdrawn, since the ledger has changed while they waited");
            }
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = changes;
            Ok(Rechecked::Changed)
        })
    }
}
