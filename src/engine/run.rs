//! One run: read the ledger, re-check what is left over, plan, compose, commit, send.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;
use rusqlite::Connection;
use rust_decimal::Decimal;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::config::Mode;
use crate::domain::date::Date;
use crate::domain::id::{RuleId, SenderId};
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::engine::attach::{Attachments, Reach, fetch, foreign_words, named};
use crate::engine::compose::Composer;
use crate::engine::deliver::{Delivery, DeliveryEnd, DeliveryProgress, DeliveryReport, OnAttempt, Recheck};
use crate::engine::doubt::is_doubtful;
use crate::engine::generation::RunGenerations;
use crate::engine::guard::{USUAL_RUNS_MAX, usual};
use crate::engine::only::Only;
use crate::engine::recheck::{LedgerRecheck, LedgerState, PlanDay, RecheckCounts, recheck};
use crate::engine::side_by_side::side_by_side;
use crate::engine::signing::Signing;
use crate::engine::view::due_reason;
use crate::engine::workspace::Workspace;
use crate::matching::books::standing;
use crate::outbox::attempt::Attempt;
use crate::outbox::state::State;
use crate::plan::occasion::Occasions;
use crate::plan::reason::{BlockReason, DeclineReason};
use crate::plan::trace::trace;
use crate::plan::{Decision, Plan, PlannedMessage, Question, Subject, Verdict, plan, plan_within};
use crate::port::{Clock, Transport};
use crate::rule::{RuleKind, RuleSet};
use crate::store::firings::FiringRow;
use crate::store::guards::counts_with_mails;
use crate::store::holds::{HoldSubject, HoldView, Outcome};
use crate::store::home::doubt_until;
use crate::store::status::run_counts;
use crate::store::{DecisionRow, MessageRow, Queue, RunRow, RunTransaction, Store, StoreError, history};

/// How many mails a thread composes before it hands them over.
const COMPOSED_TOGETHER: usize = 16;

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
    /// Holds whose day this run found passed.
    pub ended_holds: Vec<HoldView>,
    /// Matches that this run found in the books.
    pub booked_matches: Vec<i64>,
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
    /// The keys that mails are signed with.
    pub signing: Arc<Signing>,
}

/// Returns the word for a mode in the store.
pub fn mode_word(mode: &Mode) -> &'static str {
    match mode {
        Mode::Live => "live",
        Mode::Redirect(_) => "redirect",
        Mode::Dry => "dry",
    }
}

/// Returns the mode whose mails are a run's history: a dry run asks what would go now, so it looks at the real one.
pub fn history_mode(mode: &Mode) -> &'static str {
    match mode {
        Mode::Live | Mode::Dry => "live",
        Mode::Redirect(_) => "redirect",
    }
}

/// What a run is to decide about.
#[derive(Clone, Debug)]
pub struct Order {
    /// The rules to run, of the workspace's generation.
    pub rules: Arc<RuleSet>,
    /// The one rule among them that was asked for; `None`: all.
    pub only_rule: Option<String>,
    /// The one subject that was asked for; `None`: everybody.
    pub only: Option<Only>,
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

/// Whether a run counts as its rules' first one, from which `start: from_now` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleStarts {
    /// It does.
    Noted,
    /// It does not: it was about one subject alone.
    LeftOut,
}

/// Turns what was under way when the last process died into `unknown`, and returns how many mails there were. To be
/// called once, before anything is sent.
///
/// Where the database is away from home, what a rehearsal left queued is withdrawn besides: its recipients were decided elsewhere.
///
/// # Errors
/// Why it could not be stored.
pub async fn recover(parts: &Parts) -> Result<usize, StoreError> {
    let now = parts.clock.now();
    let withdrawn = parts.store.withdraw_rehearsed(now).await?;
    if withdrawn > 0 {
        tracing::warn!(count = withdrawn, "Mails of rehearsals were withdrawn, since the database is not at home");
    }
    parts.store.recover(now).await
}

/// Decides and stores a run: after this, what is due is in the outbox, and nothing has been sent.
///
/// Queued messages of earlier runs that a plan of now would not make just so are withdrawn first, and may be planned anew.
///
/// # Errors
/// Why nothing was stored; `Decided` where the firing it is for has been decided before.
pub async fn commit(
    generations: &RunGenerations,
    workspace: Arc<Workspace>,
    order: Order,
    parts: &Parts,
    report: Arc<ComposeProgress>,
) -> Result<Committed, StoreError> {
    let Order { rules, only_rule, only, ledger, as_of, scheduled_on, cause } = order;
    let (store, now) = (&parts.store, parts.clock.now());
    let mode = mode_word(&workspace.config.mode);

    let day = match &cause {
        Cause::Person(_) => PlanDay::Fixed(as_of),
        Cause::Schedule(_) => PlanDay::Present,
    };
    let left = settle_leftovers(generations, &ledger, day, parts).await?;

    let reader = store.reader()?;
    let past = history(&reader, history_mode(&workspace.config.mode), Queue::Counts, workspace.config.time_zone.zone())?;
    let doubt_until = if workspace.is_live() { doubt_until(&reader)? } else { None };
    drop(reader);
    let scope = only.as_ref().map(|only| only.scope(&ledger));
    let plan = Arc::new(match scope {
        // It is not in this ledger: no rule has anything to say of it.
        Some(None) => plan(&rules.of(Vec::new()), &ledger, &past, as_of),
        Some(Some(scope)) => {
            plan_within(&rules, &ledger, &past, Question { scheduled_on, only: Some(scope), ..Question::on(as_of) })
        }
        None => plan_within(&rules, &ledger, &past, Question { scheduled_on, ..Question::on(as_of) }),
    });
    drop(past);

    // A run for a day long past must not make everything since then look new: what goes to customers starts today. A
    // rehearsal plays its days as they are given.
    let rules_start_on = if workspace.is_live() { workspace.today(now).max(as_of) } else { as_of };
    let generation = workspace.generation.clone();
    let (person, firing) = match cause {
        Cause::Person(person) => (Some(person), None),
        Cause::Schedule(firing) => (None, Some(firing)),
    };
    let row = RunRow {
        as_of,
        rule_id: only_rule,
        mode,
        generation,
        texts: workspace.texts.clone(),
        started_at: now,
        rules_start_on,
        person: person.clone(),
        only_subject: only.as_ref().map(Only::to_json),
    };
    let (in_run, decided_with) = (plan.clone(), workspace.clone());
    let starts = if only.is_none() { RuleStarts::Noted } else { RuleStarts::LeftOut };
    // Programs are asked before the transaction, which waits for nobody.
    let bare = Attachments::left_out();
    let composer = Composer { workspace: &workspace, rules: &rules, ledger: &ledger, plan: &plan, now, attachments: &bare };
    let attachments = fetch(&composer, Reach::All, None).await;
    let (is_live, judged) = (workspace.is_live(), ledger.clone());
    let (run_id, (ended_holds, booked_matches)) = store
        .write_run(row, move |run| {
            let composer =
                Composer { workspace: &workspace, rules: &rules, ledger: &ledger, plan: &in_run, now, attachments: &attachments };
            store_plan(run, &composer, starts, doubt_until, &*report)?;
            if let Some(person) = &person {
                run.add_asked(person, None)?;
            }
            if let Some(firing) = &firing {
                run.add_firing(firing)?;
            }
            // A rehearsal plays its days as they are given, and ends nothing.
            if !is_live {
                return Ok((Vec::new(), Vec::new()));
            }
            let ended_holds = run.end_holds(as_of, |subject| outcome(subject, &judged, as_of))?;
            Ok((ended_holds, run.end_matches(|matches| standing(&judged, matches))?))
        })
        .await?;
    for hold in &ended_holds {
        match hold.outcome {
            Some(Outcome::Broken) => tracing::warn!(hold_id = hold.id, "A promise to pay was broken; reminding goes on"),
            _ => tracing::info!(hold_id = hold.id, kind = hold.kind.as_str(), "A hold has ended by itself"),
        }
    }
    if !booked_matches.is_empty() {
        tracing::info!(count = booked_matches.len(), "Payments that were matched are in the books now");
    }
    if !plan.messages.is_empty() {
        generations.keep(run_id, decided_with);
    }
    Ok(Committed { run_id, plan, withdrawn: left.withdrawn, left_over: left.kept, ended_holds, booked_matches })
}

/// Goes through what earlier runs left queued: gives up what is too old, withdraws what is no longer due, and makes due
/// at once what only waits for a server.
pub(crate) async fn settle_leftovers(
    generations: &RunGenerations,
    ledger: &Ledger,
    day: PlanDay,
    parts: &Parts,
) -> Result<RecheckCounts, StoreError> {
    let workspace = generations.current();
    let (mode, now) = (mode_word(&workspace.config.mode), parts.clock.now());
    parts.store.exhaust(mode, workspace.retry_policy().give_up_after, now).await?;
    let counts = recheck(generations, ledger, day, &parts.store, now).await?;
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
    let recheck =
        LedgerRecheck::new(RunGenerations::new(workspace.clone()), parts.store.clone(), PlanDay::Fixed(as_of), read_from);
    let (wake, on_attempt) = (Arc::new(Notify::new()), Arc::new(|_: &Attempt| {}));
    let sending = Sending { recheck: Arc::new(recheck), wake, on_attempt };
    send_with(workspace, parts, sending, stop, report).await
}

/// What goes on beside a delivery.
pub struct Sending {
    /// Asked now and then while sending goes on.
    pub recheck: Arc<dyn Recheck>,
    /// Rung when something new was queued.
    pub wake: Arc<Notify>,
    /// Is told of every attempt.
    pub on_attempt: Arc<OnAttempt>,
}

/// Sends what is queued, as [`send`], with the servers of `workspace` and whatever re-check there is.
///
/// # Errors
/// The store cannot be read.
pub async fn send_with(
    workspace: &Workspace,
    parts: &Parts,
    sending: Sending,
    stop: watch::Receiver<bool>,
    report: &mut (dyn FnMut(&DeliveryProgress) + Send),
) -> Result<DeliveryReport, StoreError> {
    if workspace.config.mode == Mode::Dry {
        parts.store.finish_runs(parts.clock.now()).await?;
        return Ok(DeliveryReport {
            end: DeliveryEnd::Drained,
            ended: BTreeMap::new(),
            server_faults: Vec::new(),
            halted: Vec::new(),
        });
    }
    let routes = workspace.config.senders.iter().map(|sender| (sender.id.clone(), sender.servers.clone()));
    let delivery = Delivery {
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        transports: parts.transports.clone(),
        signing: parts.signing.clone(),
        routes: routes.collect::<BTreeMap<SenderId, _>>(),
        rates: workspace.rates(),
        quiet: workspace.quiet(),
        policy: workspace.retry_policy(),
        mode: mode_word(&workspace.config.mode),
        refused_percent: workspace.config.run_guard.refused_percent,
        recheck: sending.recheck,
        wake: sending.wake,
        on_attempt: sending.on_attempt,
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
    for (state, count) in run_counts(&store.reader()?, run_id)? {
        counts.insert(state.as_str(), count);
    }
    Ok(Counts(counts))
}

/// Returns the row as it is, or blocked where it carries a file that is another customer's by what was composed before.
fn own_papers(run: &RunTransaction<'_>, composer: &Composer<'_>, row: MessageRow) -> Result<MessageRow, StoreError> {
    let Some((file, owner)) = run.other_owner(&row)? else { return Ok(row) };
    let name = |id: &str| match composer.ledger.find_customer(id) {
        Some(customer) => named(composer, customer),
        None => id.to_owned(),
    };
    let own = file.customer_id.as_deref().unwrap_or_default();
    let detail = format!(
        "{} (message {})",
        foreign_words(&file.name, &file.hash, &[name(own), name(&owner.customer_id)]),
        owner.message_id
    );
    tracing::error!(message_id = owner.message_id, "A document that another customer's mail carries was refused");
    let (state, reason) = (State::Blocked, Some(BlockReason::DocumentForeign.as_str()));
    Ok(MessageRow {
        state,
        reason,
        detail: Some(detail),
        envelope_from: None,
        header_id: None,
        subject: None,
        recipients: Vec::new(),
        body: None,
        files: Vec::new(),
        ..row
    })
}

/// What became of a planned message in the run's transaction.
enum Stored {
    /// One of its key, or with one of its steps, is under way already.
    UnderWay,
    /// It is stored under this id, and cannot go for this reason.
    Blocked(i64, &'static str),
    /// It is stored under this id.
    Due(i64),
}

/// Writes every decision and message of a plan into the run's transaction.
fn store_plan(
    run: &mut RunTransaction<'_>,
    composer: &Composer<'_>,
    starts: RuleStarts,
    doubt_until: Option<Date>,
    report: &ComposeProgress,
) -> Result<(), StoreError> {
    let (plan, rules, config) = (composer.plan, composer.rules, &composer.workspace.config);
    let counts = due_counts(plan, rules.rules.len());
    let is_beyond_guard = config.run_guard.messages.is_some_and(|most| counts.iter().sum::<u64>() > most);
    let unusual = unusual(run.connection(), composer, &counts)?;

    let waits = |message: &PlannedMessage| {
        if config.mode == Mode::Dry {
            Some("dry")
        } else if doubt_until.is_some_and(|until| is_doubtful(message, plan, rules, composer.ledger, until)) {
            Some("restored")
        } else if is_beyond_guard {
            Some("run_guard")
        } else if unusual.get(usize::from(message.rule)).copied().unwrap_or_default() {
            Some("unusual")
        } else if message.rule(rules).approve {
            Some("approval")
        } else {
            None
        }
    };
    // Asked for here, since the database is this thread's: of each mail that goes on from others, a Message-ID or two.
    let mut threads: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (place, message) in plan.messages.iter().enumerate() {
        let thread = run.thread(history_mode(&config.mode), &composer.threaded(message))?;
        if !thread.is_empty() {
            threads.insert(place, thread);
        }
    }
    let row = |place: usize, message: &PlannedMessage| {
        composer.row(message, waits(message), threads.get(&place).map_or(&[], Vec::as_slice))
    };
    let mut stored: Vec<Stored> = Vec::with_capacity(plan.messages.len());
    // Mails with files may be large: few of them are in memory at once.
    let together = if rules.rules.iter().any(|rule| !rule.attach.is_empty()) { 1 } else { COMPOSED_TOGETHER };
    side_by_side(&plan.messages, together, &row, &mut |row| {
        let row = own_papers(run, composer, row)?;
        // Only what the decision needs is kept: the bytes of a hundred thousand mails do not stay in memory.
        stored.push(match (run.add_message(&row)?, row.state) {
            (None, _) => Stored::UnderWay,
            (Some(id), State::Blocked) => Stored::Blocked(id, row.reason.unwrap_or_default()),
            (Some(id), _) => Stored::Due(id),
        });
        let done = stored.len();
        if done % 64 == 1 || done == plan.messages.len() {
            report(done, plan.messages.len());
        }
        Ok::<(), StoreError>(())
    })?;

    for (place, (rule, rule_plan)) in rules.rules.iter().zip(&plan.rules).enumerate() {
        let mut occasions = Occasions::new(composer.ledger);
        if starts == RuleStarts::Noted {
            run.add_rule_start(rule.id.as_str())?;
            run.add_rule_run(rule.id.as_str(), counts[place])?;
            if rule_plan.takes_baseline {
                let there = rule_plan.decisions.iter().filter(|decision| is_backlog(decision));
                run.add_baseline(rule.id.as_str(), there.filter_map(|decision| occasions.of(decision)))?;
            }
        }
        let is_notice = matches!(rule.kind, RuleKind::Notice(_));
        for (number, decision) in rule_plan.decisions.iter().enumerate() {
            // What is on record already, as a mail or in the baseline, is not recorded again by each of a day's many runs.
            if is_notice && is_on_record(decision) {
                continue;
            }
            let document = match decision.subject {
                Subject::Invoice(document) => composer.ledger.document(document).number.as_str().into(),
                Subject::Payment(_) => occasions.of(decision).unwrap_or_default(),
                Subject::Account | Subject::Customer => CompactString::default(),
            };
            let (verdict, reason, message_id) = match decision.verdict {
                Verdict::Declined(reason) => ("declined", reason.as_str(), None),
                Verdict::Message(place) => match stored[place as usize] {
                    Stored::UnderWay => ("declined", DeclineReason::UnderWay.as_str(), None),
                    Stored::Blocked(id, reason) => ("blocked", reason, Some(id)),
                    Stored::Due(id) => ("due", due_reason(&rule.kind), Some(id)),
                },
            };
            let trace = trace(plan, rules, composer.ledger, place, decision);
            run.add_decision(&DecisionRow {
                rule_id: rule.id.as_str(),
                customer_id: composer.ledger.customer(decision.customer).id.as_str(),
                currency: decision.currency.as_ref().map_or("", |currency| currency.as_str()),
                document: &document,
                verdict,
                reason,
                message_id,
                yields_to: plan.yields_to(place, number).map(RuleId::as_str),
                trace: trace.as_deref(),
            })?;
        }
    }
    Ok(())
}

/// Returns what became of a promise: whether what was promised is still open.
fn outcome(subject: &HoldSubject, ledger: &Ledger, as_of: Date) -> Outcome {
    let is_open = |document: DocumentIndex| ledger.open_on(document, as_of) > Decimal::ZERO;
    let is_broken = match subject {
        HoldSubject::Invoice(number) => ledger.find_document(number).is_some_and(is_open),
        HoldSubject::Customer(id) => ledger.find_customer(id).is_some_and(|customer| {
            let mut documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
            documents.any(|document| ledger.document(document).days_overdue(as_of) > 0 && is_open(document))
        }),
    };
    if is_broken { Outcome::Broken } else { Outcome::Kept }
}

/// Returns how many mails that can go each rule of a plan has.
fn due_counts(plan: &Plan, rule_count: usize) -> Vec<u64> {
    let mut counts = vec![0; rule_count];
    for message in plan.messages.iter().filter(|message| message.blocked.is_none()) {
        counts[usize::from(message.rule)] += 1;
    }
    counts
}

/// Returns of each rule whether its mails, so many as `counts` says, are so many more than usual that they wait for a person.
fn unusual(connection: &Connection, composer: &Composer<'_>, counts: &[u64]) -> Result<Vec<bool>, StoreError> {
    let config = &composer.workspace.config;
    let Some(times) = config.run_guard.times_usual else { return Ok(Vec::new()) };
    let mode = history_mode(&config.mode);
    let judged = composer.rules.rules.iter().zip(counts).map(|(rule, count)| {
        let ids: Vec<&str> = std::iter::once(&rule.id).chain(&rule.formerly).map(RuleId::as_str).collect();
        let usual = usual(&counts_with_mails(connection, mode, &ids, None, USUAL_RUNS_MAX)?);
        Ok(usual.is_some_and(|usual| *count > usual.saturating_mul(times)))
    });
    judged.collect()
}

/// Returns whether a decision says that its event was there before the rule first ran.
fn is_backlog(decision: &Decision) -> bool {
    decision.verdict == Verdict::Declined(DeclineReason::Backlog)
}

/// Returns whether a notice's decision repeats what the outbox or the baseline says.
fn is_on_record(decision: &Decision) -> bool {
    is_backlog(decision) || decision.verdict == Verdict::Declined(DeclineReason::AlreadySent)
}
