//! One run: read the ledger, re-check what is left over, plan, compose, commit, send.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use crate::config::Mode;
use crate::domain::date::{Date, Timestamp};
use crate::domain::id::SenderId;
use crate::domain::ledger::Ledger;
use crate::engine::attach::{Attachments, fetch};
use crate::engine::compose::Composer;
use crate::engine::deliver::{Delivery, DeliveryEnd, DeliveryProgress, DeliveryReport};
use crate::engine::recheck::{LedgerRecheck, LedgerState, RecheckCounts, recheck};
use crate::engine::view::LEVEL_DUE;
use crate::engine::workspace::Workspace;
use crate::outbox::state::State;
use crate::plan::reason::DeclineReason;
use crate::plan::{Plan, Verdict, plan};
use crate::port::{Clock, Transport};
use crate::rule::RuleSet;
use crate::store::firings::FiringRow;
use crate::store::outbox::state_counts;
use crate::store::{DecisionRow, Queue, RunRow, RunTransaction, Store, StoreError, history};

/// What a run decided and stored, before anything was sent.
#[derive(Debug)]
pub struct Committed {
    /// The run's id.
    pub run_id: i64,
    /// What was decided.
    pub plan: Arc<Plan>,
    /// Queued messages of earlier runs that were withdrawn, since the ledger says otherwise now.
    pub withdrawn: usize,
    /// Messages of earlier runs still queued, which this run sends too.
    pub left_over: usize,
}

/// How many messages of a run stand in each state, all ten named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts(pub BTreeMap<&'static str, u64>);

/// Is told, while a run composes, how many messages are done and how many there are.
pub type ComposeProgress = dyn Fn(usize, usize) + Send + Sync;

/// The parts a run needs besides the workspace.
#[derive(Clone)]
pub struct Parts {
    /// The outbox.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// One transport for every server.
    pub transports: Vec<Arc<dyn Transport>>,
}

/// Returns the word for a mode in the store.
pub fn mode_word(mode: &Mode) -> &'static str {
    match mode {
        Mode::Live => "live",
        Mode::Redirect { .. } => "redirect",
        Mode::Dry => "dry",
    }
}

/// Returns the mode whose mails are a run's history: a dry run asks what would go now, so it looks at the real one.
pub fn history_mode(mode: &Mode) -> &'static str {
    match mode {
        Mode::Live | Mode::Dry => "live",
        Mode::Redirect { .. } => "redirect",
    }
}

/// What a run is to decide about.
#[derive(Clone, Debug)]
pub struct Order {
    /// The rules to run, of the workspace's generation.
    pub rules: Arc<RuleSet>,
    /// The one rule among them that was asked for; `None`: all.
    pub only_rule: Option<String>,
    /// The receivables.
    pub ledger: Arc<Ledger>,
    /// The day to decide for.
    pub as_of: Date,
    /// The day the run was scheduled for, which a statement's period is counted from; `as_of` unless a firing is made up for.
    pub scheduled_on: Date,
    /// What it is run for.
    pub cause: Cause,
}

/// What a run is made for.
#[derive(Clone, Debug)]
pub enum Cause {
    /// A person asked.
    Person(String),
    /// Its rule's schedule.
    Schedule(FiringRow),
}

/// Turns what was under way when the last process died into `unknown`, and returns how many mails there were. To be
/// called once, before anything is sent.
///
/// # Errors
/// Why it could not be stored.
pub async fn recover(parts: &Parts) -> Result<usize, StoreError> {
    parts.store.recover(parts.clock.now()).await
}

/// Decides and stores a run: after this, what is due is in the outbox, and nothing has been sent.
///
/// Queued messages of earlier runs that a plan of now would not make just so are withdrawn first, and may be planned anew.
///
/// # Errors
/// Why nothing was stored; `Decided` where the firing it is for has been decided before.
pub async fn commit(
    workspace: Arc<Workspace>,
    order: Order,
    parts: &Parts,
    report: Arc<ComposeProgress>,
) -> Result<Committed, StoreError> {
    let Order { rules, only_rule, ledger, as_of, scheduled_on: _, cause } = order;
    let (store, now) = (&parts.store, parts.clock.now());
    let mode = mode_word(&workspace.config.mode);

    let left = settle_leftovers(&workspace, &ledger, as_of, parts).await?;

    let past = history(&store.reader()?, history_mode(&workspace.config.mode), Queue::Counts)?;
    let plan = Arc::new(plan(&rules, &ledger, &past, as_of));
    drop(past);

    // A run for a day long past must not make everything since then look new: what goes to customers starts today. A
    // rehearsal plays its days as they are given.
    let rules_start_on = if workspace.is_live() { workspace.today(now).max(as_of) } else { as_of };
    let generation = workspace.generation.clone();
    let (person, firing) = match cause {
        Cause::Person(person) => (Some(person), None),
        Cause::Schedule(firing) => (None, Some(firing)),
    };
    let row = RunRow { as_of, rule_id: only_rule, mode, generation, started_at: now, rules_start_on, person, only_subject: None };
    let in_run = plan.clone();
    // Programs are asked before the transaction, which waits for nobody.
    let bare = Attachments::left_out();
    let composer = Composer { workspace: &workspace, rules: &rules, ledger: &ledger, plan: &plan, now, attachments: &bare };
    let attachments = fetch(&composer).await;
    let (run_id, ()) = store
        .write_run(row, move |run| {
            let composer =
                Composer { workspace: &workspace, rules: &rules, ledger: &ledger, plan: &in_run, now, attachments: &attachments };
            store_plan(run, &composer, &*report)?;
            firing.map_or(Ok(()), |firing| run.add_firing(&firing))
        })
        .await?;
    Ok(Committed { run_id, plan, withdrawn: left.withdrawn, left_over: left.kept })
}

/// Lets the mails go that a run holds back for a person, but for those that the ledger of `as_of` shows to be no longer
/// due. Returns how many were released and how many of them withdrawn.
///
/// # Errors
/// Why nothing was stored.
pub async fn approve(
    workspace: &Workspace,
    run_id: i64,
    ledger: &Ledger,
    as_of: Date,
    parts: &Parts,
) -> Result<(usize, usize), StoreError> {
    let now = parts.clock.now();
    let released = parts.store.approve(mode_word(&workspace.config.mode), run_id, now).await?;
    let left = settle_leftovers(workspace, ledger, as_of, parts).await?;
    Ok((released, left.withdrawn))
}

/// Goes through what earlier runs left queued: gives up what is too old, withdraws what is no longer due, and makes due
/// at once what only waits for a server.
async fn settle_leftovers(
    workspace: &Workspace,
    ledger: &Ledger,
    as_of: Date,
    parts: &Parts,
) -> Result<RecheckCounts, StoreError> {
    let (mode, now) = (mode_word(&workspace.config.mode), parts.clock.now());
    let queued_before = now.saturating_sub(workspace.retry_policy().give_up_after).unwrap_or(Timestamp::MIN);
    parts.store.exhaust(mode, queued_before, now).await?;
    let counts = recheck(workspace, ledger, as_of, &parts.store, now).await?;
    parts.store.hasten(mode, now).await?;
    Ok(counts)
}

/// Sends what is queued until the queue has drained, `stop` becomes true, or nothing can be sent. While it waits, what
/// is queued is held against the ledger of `as_of` again whenever its files change.
///
/// # Errors
/// The store cannot be read.
pub async fn send(
    workspace: &Arc<Workspace>,
    parts: &Parts,
    as_of: Date,
    read_from: LedgerState,
    stop: watch::Receiver<bool>,
    report: &mut (dyn FnMut(&DeliveryProgress) + Send),
) -> Result<DeliveryReport, StoreError> {
    if workspace.config.mode == Mode::Dry {
        parts.store.finish_runs(parts.clock.now()).await?;
        return Ok(DeliveryReport { end: DeliveryEnd::Drained, ended: BTreeMap::new(), server_faults: Vec::new() });
    }
    let routes = workspace.config.senders.iter().map(|sender| (sender.id.clone(), sender.servers.clone()));
    let delivery = Delivery {
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        transports: parts.transports.clone(),
        routes: routes.collect::<BTreeMap<SenderId, _>>(),
        policy: workspace.retry_policy(),
        mode: mode_word(&workspace.config.mode),
        recheck: Box::new(LedgerRecheck::new(workspace.clone(), parts.store.clone(), as_of, read_from)),
    };
    let done = delivery.deliver(stop, report).await?;
    if done.end == DeliveryEnd::Drained {
        parts.store.finish_runs(parts.clock.now()).await?;
    }
    Ok(done)
}

/// Returns how the messages of a run stand, every state named.
///
/// # Errors
/// The store cannot be read.
pub fn counts(store: &Store, run_id: i64) -> Result<Counts, StoreError> {
    let mut counts: BTreeMap<&'static str, u64> = State::ALL.into_iter().map(|state| (state.as_str(), 0)).collect();
    for (state, count) in state_counts(&store.reader()?, Some(run_id))? {
        counts.insert(state.as_str(), count);
    }
    Ok(Counts(counts))
}

/// Writes every decision and message of a plan into the run's transaction.
fn store_plan(run: &mut RunTransaction<'_>, composer: &Composer<'_>, report: &ComposeProgress) -> Result<(), StoreError> {
    let (plan, rules, config) = (composer.plan, composer.rules, &composer.workspace.config);
    let due_count = plan.messages.iter().filter(|message| message.blocked.is_none()).count() as u64;
    let is_beyond_guard = config.run_guard_messages.is_some_and(|most| due_count > most);

    let mut stored: Vec<(Option<i64>, State, Option<&'static str>)> = Vec::new();
    for (done, message) in plan.messages.iter().enumerate() {
        let waits = if config.mode == Mode::Dry {
            Some("dry")
        } else if is_beyond_guard {
            Some("run_guard")
        } else if message.reminder(rules).approve {
            Some("approval")
        } else {
            None
        };
        // Only what the decision needs is kept: the bytes of a hundred thousand mails do not stay in memory.
        let row = composer.row(message, waits);
        stored.push((run.add_message(&row)?, row.state, row.reason));
        if done % 64 == 0 || done + 1 == plan.messages.len() {
            report(done + 1, plan.messages.len());
        }
    }

    for (rule, rule_plan) in rules.rules.iter().zip(&plan.rules) {
        if crate::plan::reminder(rule).is_none() {
            continue;
        }
        run.add_rule_start(rule.id.as_str())?;
        for decision in &rule_plan.decisions {
            let (verdict, reason, message_id) = match decision.verdict {
                Verdict::Declined(reason) => ("declined", reason.as_str(), None),
                Verdict::Message(place) => match stored[place as usize] {
                    (None, ..) => ("declined", DeclineReason::UnderWay.as_str(), None),
                    (id, State::Blocked, reason) => ("blocked", reason.unwrap_or_default(), id),
                    (id, ..) => ("due", LEVEL_DUE, id),
                },
            };
            run.add_decision(&DecisionRow {
                rule_id: rule.id.as_str(),
                customer_id: composer.ledger.customer(decision.customer).id.as_str(),
                currency: decision.currency.as_ref().map_or("", |currency| currency.as_str()),
                document: decision.document.map_or("", |document| composer.ledger.document(document).number.as_str()),
                verdict,
                reason,
                message_id,
            })?;
        }
    }
    Ok(())
}
