//! The re-check: what is queued is planned again on the receivables as they are now, and withdrawn where the answer
//! is another one.
//!
//! Not only paid invoices count: a new tag, a hold, another address, a changed rule or a broken one all show in the
//! plan, and a message stays only if the plan would make the very same one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::domain::date::{Date, Timestamp};
use crate::domain::id::CustomerId;
use crate::domain::ledger::Ledger;
use crate::domain::money::plain;
use crate::engine::attach::Attachments;
use crate::engine::compose::Composer;
use crate::engine::deliver::{Recheck, Rechecked};
use crate::engine::generation::RunGenerations;
use crate::engine::only::Only;
use crate::engine::reading::{Reading, Unread, look, read_beside, stale_at};
use crate::engine::run::mode_word;
use crate::engine::workspace::Workspace;
use crate::plan::history::{MailKind, PastMail};
use crate::plan::{Matter, PlannedMessage, Question, plan_each};
use crate::port::Pending;
use crate::rule::RuleSet;
use crate::source::csv::FileChange;
use crate::store::outbox::{leftover, leftover_runs, leftovers};
use crate::store::{Queue, Store, StoreError, history};

/// What a re-check did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecheckCounts {
    /// Messages withdrawn.
    pub withdrawn: usize,
    /// Messages that stay queued.
    pub kept: usize,
}

/// The day that messages are planned for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanDay {
    /// This one: a person plays it.
    Fixed(Date),
    /// The day it is by the clock of each message's rule.
    Present,
}

impl PlanDay {
    /// Returns the day for what a run of `rule`, or of all rules, has queued.
    pub(crate) fn of(self, workspace: &Workspace, rule: Option<&str>, now: Timestamp) -> Date {
        match self {
            Self::Fixed(day) => day,
            Self::Present => workspace.day_of(rule, now),
        }
    }
}

/// Withdraws every queued message that a plan of `day` over `ledger` would not make just so.
///
/// # Errors
/// Why the store could not be read or written.
pub async fn recheck(
    generations: &RunGenerations,
    ledger: &Ledger,
    day: PlanDay,
    store: &Store,
    now: Timestamp,
) -> Result<RecheckCounts, StoreError> {
    let (stale, kept) = judge(generations, ledger, day, &store.reader()?, now)?;
    let counts = RecheckCounts { withdrawn: stale.len(), kept };
    store.withdraw(stale, "no_longer_due", now).await?;
    Ok(counts)
}

/// Returns the queued messages that a plan would not make just so, and how many others there are.
fn judge(
    generations: &RunGenerations,
    ledger: &Ledger,
    day: PlanDay,
    reader: &Connection,
    now: Timestamp,
) -> Result<(Vec<i64>, usize), StoreError> {
    let mode = mode_word(&generations.current().config.mode);
    // One view for all of it: what came into the queue after the history was read would be in its own way.
    let reader = reader.unchecked_transaction()?;
    let runs = leftover_runs(&reader, mode)?;
    if runs.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let mut past = history(&reader, mode, Queue::LeftOut, generations.current().config.time_zone.zone())?;
    let mut stale = Vec::new();
    let mut kept_count = 0;
    // Each message is judged by the rules its own run ran, in the generation it ran with and for the subject it ran for: a rule
    // saved since is not what was decided by, and a mail about one invoice was meant to be about that one. What stays of an
    // earlier run stands before what later ones queued, so that two runs do not both mail a customer on one day. And by the day
    // that run was scheduled for: a statement for October is still one for October in November.
    for (place, run) in runs.iter().enumerate() {
        let workspace = &*generations.of_run(run.id);
        let as_of = match (day, run.asked_for) {
            // A person plays the day they gave, whoever sends it.
            (PlanDay::Present, Some(asked)) => asked,
            _ => day.of(workspace, run.only_rule.as_deref(), now),
        };
        let mut rules = workspace.rules.clone();
        rules.rules.retain(|rule| run.only_rule.as_deref().is_none_or(|id| rule.id.as_str() == id));
        let only = match run.only_subject.as_deref().map(serde_json::from_str::<Only>) {
            None => None,
            Some(only) => match only.ok().and_then(|only| only.scope(ledger)) {
                Some(scope) => Some(scope),
                None => {
                    // Its customer or invoice has gone from the ledger: nothing is due of it.
                    leftovers(&reader, run.id, |id| stale.push(id))?;
                    continue;
                }
            },
        };
        let question = Question { as_of, scheduled_on: run.scheduled_on, only, own_run: Some(run.id) };
        // What is attached does not tell whether a mail is still due.
        let attachments = Attachments::left_out();
        let is_last = place + 1 == runs.len();
        let (mut due, mut kept) = (HashSet::new(), Vec::new());
        // Customer by customer, since a plan of all of them takes more memory than the whole of sending.
        plan_each(&rules, ledger, &past, question, |plan, fresh| {
            let composer = Composer { workspace, rules: &rules, ledger, plan, now, attachments: &attachments };
            let Some(message) = leftover(&reader, run.id, &composer.key(fresh))? else { return Ok(()) };
            let is_the_same = plain(fresh.total, fresh.currency) == message.total
                && fresh.sender(&rules).as_str() == message.sender_id
                && composer.compose(fresh, &[]).is_ok_and(|composed| composed.recipients == message.recipients);
            if is_the_same {
                due.insert(message.id);
                // Only a later run's messages ask for it.
                kept.extend(past_mail(fresh, &rules, ledger, as_of, run.id).filter(|_| !is_last));
            }
            Ok::<(), StoreError>(())
        })?;
        kept_count += due.len();
        leftovers(&reader, run.id, |id| {
            if !due.contains(&id) {
                stale.push(id);
            }
        })?;
        kept.into_iter().for_each(|(customer, mail)| past.add_mail(customer, mail));
    }
    Ok((stale, kept_count))
}

/// Returns a message as one that is about to leave and keeps others away; notices keep nobody away.
fn past_mail(
    message: &PlannedMessage,
    rules: &RuleSet,
    ledger: &Ledger,
    on: Date,
    run_id: i64,
) -> Option<(CustomerId, PastMail)> {
    let kind = match message.matter {
        Matter::Reminder { .. } => MailKind::Reminder,
        Matter::Statement { .. } => MailKind::Statement,
        Matter::Notice { .. } => return None,
    };
    let rule = message.rule(rules).id.clone();
    let mail = PastMail { rule, currency: message.currency, kind, on, is_queued: true, run: Some(run_id) };
    Some((ledger.customer(message.customer).id.clone(), mail))
}

/// A reading of the ledger as far as it tells how long it holds: when it was, and how the files stood. Taken before the
/// reading, so that a change made meanwhile shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerState(Option<(Vec<FileChange>, Timestamp)>);

impl LedgerState {
    /// Returns the state of a ledger that was never read: the first re-check reads it, whatever its files look like.
    pub fn unread() -> Self {
        Self(None)
    }

    /// Returns the state of a ledger that was read at an instant from files that stood so.
    pub fn read(files: Vec<FileChange>, at: Timestamp) -> Self {
        Self(Some((files, at)))
    }

    /// Returns how the files of a workspace's ledger stand at `now`.
    pub fn of(workspace: &Workspace, now: Timestamp) -> Self {
        Self(workspace.ledger_changes().ok().map(|files| (files, now)))
    }
}

/// What a re-check knows of the reading that everything queued was last held against.
#[derive(Debug)]
struct Seen {
    /// Its files and its instant; `None`: there was none, and nothing may go.
    reading: LedgerState,
    /// From when on it no longer tells what is due.
    holds_until: Timestamp,
    /// Whether something was queued that was decided on another one.
    is_forgotten: bool,
}

impl Seen {
    fn holds(&self, now: Timestamp) -> bool {
        // A reading from the future is one from before the clock was set back.
        self.reading.0.as_ref().is_some_and(|(_, read_at)| *read_at <= now && now < self.holds_until)
    }
}

/// The re-check while a run is under way: reads the ledger again once its files have changed, another day has begun or
/// the last reading is older than `ledger.recheck_after`.
pub struct LedgerRecheck {
    generations: Arc<RunGenerations>,
    store: Arc<Store>,
    day: PlanDay,
    seen: Arc<Mutex<Seen>>,
    /// Is told of each look, or why there may be no reading.
    on_look: Box<OnLook>,
}

/// Is told of each look of a re-check at the ledger: it can be decided by, or why not.
pub type OnLook = dyn Fn(Result<(), &Unread>) + Send + Sync;

/// Makes a re-check read the ledger again: something was queued that was decided on another reading.
#[derive(Clone, Debug)]
pub struct ForgetLedger(Arc<Mutex<Seen>>);

impl ForgetLedger {
    /// Forgets what was read.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_forgotten = true;
    }
}

impl LedgerRecheck {
    /// Returns a re-check of what was decided on the reading `read_from`.
    pub fn new(generations: Arc<RunGenerations>, store: Arc<Store>, day: PlanDay, read_from: LedgerState) -> Self {
        let holds_until = match &read_from.0 {
            Some((files, read_at)) => holds_until(&generations.current(), day, files, *read_at),
            None => Timestamp::MIN,
        };
        let seen = Seen { reading: read_from, holds_until, is_forgotten: false };
        Self { generations, store, day, seen: Arc::new(Mutex::new(seen)), on_look: Box::new(|_| {}) }
    }

    /// Tells `on_look` of each look at the ledger.
    #[must_use]
    pub fn telling(mut self, on_look: impl Fn(Result<(), &Unread>) + Send + Sync + 'static) -> Self {
        self.on_look = Box::new(on_look);
        self
    }

    /// Returns what makes it read the ledger again.
    pub fn forgetting(&self) -> ForgetLedger {
        ForgetLedger(self.seen.clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, workspace: &Arc<Workspace>, now: Timestamp) -> Result<Option<Reading>, Unread> {
        let looking = workspace.clone();
        let files = tokio::task::spawn_blocking(move || look(&looking, now)).await;
        let files = files.unwrap_or_else(|error| Err(Unread::Broken(error.to_string())))?;
        {
            let mut seen = self.seen();
            let is_same = seen.reading.0.as_ref().is_some_and(|(known, _)| *known == files);
            if is_same && !seen.is_forgotten && seen.holds(now) {
                return Ok(None);
            }
            // Before the reading, so that what is forgotten meanwhile stays forgotten.
            seen.is_forgotten = false;
        }
        read_beside(workspace, self.day.of(workspace, None, now), now).await.map(Some)
    }
}

impl Recheck for LedgerRecheck {
    fn recheck(&self, now: Timestamp) -> Pending<'_, Result<Rechecked, StoreError>> {
        Box::pin(async move {
            let workspace = self.generations.current();
            let looked = self.look(&workspace, now).await;
            (self.on_look)(looked.as_ref().map(|_| ()));
            let Reading { ledger, files } = match looked {
                Ok(Some(reading)) => reading,
                Ok(None) => return Ok(Rechecked::Unchanged),
                Err(unread) => {
                    self.seen().reading = LedgerState::unread();
                    let fault = unread.shown();
                    tracing::error!(fault, "There is no ledger to decide by; nothing is sent until there is");
                    return Ok(Rechecked::Unreadable);
                }
            };
            let rechecked = recheck(&self.generations, &ledger, self.day, &self.store, now).await;
            let counts = rechecked.inspect_err(|_| self.seen().reading = LedgerState::unread())?;
            let mut seen = self.seen();
            seen.holds_until = holds_until(&workspace, self.day, &files, now);
            seen.reading = LedgerState::read(files, now);
            if counts.withdrawn > 0 {
                tracing::warn!(count = counts.withdrawn, "Mails withdrawn, since they are no longer due as they were planned");
            }
            Ok(Rechecked::Changed)
        })
    }

    fn is_due(&self, now: Timestamp) -> bool {
        !self.seen().holds(now)
    }
}

/// Returns from when on a reading of `files` at `read_at` no longer tells what is due: it is older than it may be, so are the
/// files, or another day has begun by some rule's clock.
fn holds_until(workspace: &Workspace, day: PlanDay, files: &[FileChange], read_at: Timestamp) -> Timestamp {
    let old_at = read_at.saturating_add(workspace.config.freshness.recheck_after).unwrap_or(Timestamp::MAX);
    let usual = &workspace.config.time_zone;
    let own = workspace.rules.rules.iter().filter_map(|rule| rule.schedule.as_ref()).map(|schedule| schedule.zone(usual));
    let zones = std::iter::once(usual).chain(own);
    let midnights = zones.filter_map(|zone| {
        let tomorrow = read_at.to_zoned(zone.zone().clone()).date().tomorrow().ok()?;
        Some(tomorrow.to_zoned(zone.zone().clone()).ok()?.timestamp())
    });
    let day_ends_at = match day {
        PlanDay::Present => midnights.min(),
        // A person plays it, however late it gets.
        PlanDay::Fixed(_) => None,
    };
    [stale_at(workspace, files), day_ends_at].into_iter().flatten().fold(old_at, Timestamp::min)
}
