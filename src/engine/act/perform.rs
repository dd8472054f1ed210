//! The one place that performs acts.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::date::{Date, Timestamp};
use crate::domain::hold::HoldKind;
use crate::domain::id::RuleId;
use crate::domain::ledger::Ledger;
use crate::domain::mailbox::is_address;
use crate::engine::act::apply::{apply, undo};
use crate::engine::act::{Act, ActFault, Done, RunDone};
use crate::engine::agenda::still_to_fire;
use crate::engine::generation::RunGenerations;
use crate::engine::home::{Since, doubt_until};
use crate::engine::only::Only;
use crate::engine::reading::{Unread, read_beside};
use crate::engine::recheck::PlanDay;
use crate::engine::retention::prune;
use crate::engine::run::{Cause, ComposeProgress, Order, Parts, commit, mode_word, settle_leftovers};
use crate::engine::workspace::Workspace;
use crate::outbox::intervention::Intervention;
use crate::rule::RuleSet;
use crate::store::adopt::Adopted;
use crate::store::holds::{EndedHold, HoldSubject, NewHold};
use crate::store::person::{Intervened, Meant, Steer, Steered};
use crate::store::search::MessageFilter;
use crate::store::status::run_counts;

/// The longest reason a person may give for a hold or a suppression, in characters.
pub const REASON_CHARACTERS_MAX: usize = 500;

/// What acts are performed with.
#[derive(Clone)]
pub struct Context {
    /// The generation of now, and those of runs that are being sent.
    pub generations: Arc<RunGenerations>,
    /// Rules that are broken or gone and so are not to run, though the last good generation has them.
    pub paused: BTreeSet<RuleId>,
    /// Whether rules fire by themselves here.
    pub schedules: Schedules,
    /// The outbox, open for writing, and the time. No act sends: servers are not needed.
    pub parts: Parts,
    /// The ledger as of the act's day, where it has been read already.
    pub ledger: Option<Arc<Ledger>>,
    /// Is told how composing goes on.
    pub report: Arc<ComposeProgress>,
}

impl Context {
    /// Returns what an act needs where no daemon runs.
    pub fn alone(workspace: Arc<Workspace>, parts: Parts) -> Self {
        Self {
            generations: RunGenerations::new(workspace),
            paused: BTreeSet::new(),
            schedules: Schedules::Idle,
            parts,
            ledger: None,
            report: Arc::new(|_, _| {}),
        }
    }
}

/// Whether rules fire by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedules {
    /// A daemon keeps them: a rule that fires later today is a rival of one that a person runs now.
    Kept,
    /// Nobody does: what is not run by hand does not run.
    Idle,
}

/// Performs an act for a person, and records it with its effect. What it queues is not sent here: whoever delivers, does
/// so after it.
///
/// # Errors
/// Why nothing was done.
pub async fn perform(context: &Context, act: Act, person: &str) -> Result<Done, ActFault> {
    let now = context.parts.clock.now();
    match act {
        Act::Run { rule, only, as_of } => run(context, rule, only, as_of, person).await,
        Act::StartRun { run, as_of } => start(context, run, as_of, person).await,
        Act::StopRun { run } => match steer(context, Steer::Stop, run, person, now).await? {
            (0, _) => Err(ActFault::NothingQueued { run }),
            (stopped, under_way) => Ok(Done::StopRun { run, stopped, under_way }),
        },
        Act::CloseRun { run } => {
            let (cancelled, under_way) = steer(context, Steer::Close, run, person, now).await?;
            context.parts.store.finish_runs(now).await?;
            Ok(Done::CloseRun { run, cancelled, under_way })
        }
        Act::Intervene { intervention, chosen } => intervene(context, intervention, chosen, person).await,
        Act::AddHold { subject, kind, until, reason } => add_hold(context, &subject, kind, until, &reason, person).await,
        Act::EndHold { hold } => match context.parts.store.end_hold(hold, person.to_owned(), now).await? {
            EndedHold::Done(hold) => Ok(Done::EndHold { hold, settled: false }),
            EndedHold::Settled(hold) => Ok(Done::EndHold { hold, settled: true }),
            EndedHold::Missing => Err(ActFault::HoldMissing { hold }),
            EndedHold::Over => Err(ActFault::HoldOver { hold }),
        },
        Act::Suppress { address, reason } => suppress(context, address, &reason, person).await,
        Act::Unsuppress { address } => match context.parts.store.unsuppress(address.clone(), person.to_owned(), now).await? {
            true => Ok(Done::Unsuppress { address }),
            false => Err(ActFault::NotSuppressed { address }),
        },
        Act::ApplyMatches { choices } => apply(context, choices, person).await,
        Act::UndoMatch { id } => undo(context, id, person).await,
        Act::Adopt { since } => adopt(context, since, person, now).await,
        Act::Prune => match &context.generations.current().config.retention {
            Some(retention) => Ok(Done::Prune(prune(&context.generations.current(), retention, &context.parts).await?)),
            None => Err(ActFault::NoRetention),
        },
        Act::Reload | Act::Status => Err(ActFault::NoDaemon),
    }
}

/// Returns why an act on what earlier runs left can do nothing where nothing has run yet.
pub fn without_database(act: &Act) -> ActFault {
    match act {
        Act::Run { .. } | Act::AddHold { .. } | Act::Suppress { .. } | Act::ApplyMatches { .. } | Act::Reload | Act::Status => {
            ActFault::NoDaemon
        }
        Act::UndoMatch { id } => ActFault::MatchMissing { id: *id },
        Act::EndHold { hold } => ActFault::HoldMissing { hold: *hold },
        Act::Unsuppress { address } => ActFault::NotSuppressed { address: address.clone() },
        Act::Adopt { .. } | Act::Prune => ActFault::NoDatabase,
        Act::StartRun { run, .. } | Act::StopRun { run } | Act::CloseRun { run } => ActFault::RunMissing { run: *run },
        Act::Intervene { chosen, .. } if chosen.ids.is_empty() => ActFault::NothingMatches,
        Act::Intervene { intervention, chosen } => {
            let misfits = chosen.ids.iter().map(|id| Meant { id: *id, state: None }).collect();
            ActFault::Misfits { intervention: *intervention, misfits }
        }
    }
}

async fn run(
    context: &Context,
    only_rule: Option<String>,
    only: Option<String>,
    as_of: Option<Date>,
    person: &str,
) -> Result<Done, ActFault> {
    let (workspace, parts) = (context.generations.current(), &context.parts);
    let today = workspace.today(parts.clock.now());
    let as_of = as_of.unwrap_or(today);
    if workspace.is_live() && as_of > today {
        return Err(ActFault::DayToCome { as_of });
    }
    let mut rules: RuleSet = workspace.rules.clone();
    rules.rules.retain(|rule| !context.paused.contains(&rule.id));
    if let Some(rule) = only_rule.as_deref().filter(|id| context.paused.iter().any(|paused| paused.as_str() == *id)) {
        return Err(ActFault::RulePaused { rule: rule.to_owned() });
    }
    if let Some(id) = &only_rule {
        rules.rules.retain(|rule| rule.id.as_str() == id);
        if rules.rules.is_empty() {
            return Err(ActFault::RuleUnknown { rule: id.clone() });
        }
        if context.schedules == Schedules::Kept {
            rules = rules.against(still_to_fire(&workspace, &context.paused, parts.clock.now()));
        }
    }
    let ledger = ledger(context, as_of).await?;
    let only = only.map(|name| Only::find(&ledger, &name)).transpose()?;
    let order = Order {
        rules: Arc::new(rules),
        only_rule,
        only,
        ledger,
        as_of,
        scheduled_on: as_of,
        cause: Cause::Person(person.to_owned()),
    };
    let committed = commit(&context.generations, workspace, order, parts, context.report.clone()).await?;
    let counts = run_counts(&parts.store.reader()?, committed.run_id)?;
    Ok(Done::Run(RunDone {
        run: committed.run_id,
        as_of,
        counts: counts.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect(),
        declined: committed.plan.declined_count(),
        left_over: committed.left_over,
        withdrawn: committed.withdrawn,
        ended_holds: committed.ended_holds,
        booked_matches: committed.booked_matches,
    }))
}

/// Sets a hold on somebody who is in the ledger, and takes back what was to go to them.
async fn add_hold(
    context: &Context,
    subject: &str,
    kind: HoldKind,
    until: Date,
    reason: &str,
    person: &str,
) -> Result<Done, ActFault> {
    let (workspace, parts) = (context.generations.current(), &context.parts);
    let now = parts.clock.now();
    let today = workspace.today(now);
    if until < today {
        return Err(ActFault::HoldPast { until });
    }
    let reason = given_reason(reason)?;
    let subject = match Only::find(&*ledger_to_look_at(context, today).await?, subject)? {
        Only::Customer(id) => HoldSubject::Customer(id),
        Only::Invoice(number) => HoldSubject::Invoice(number),
    };
    let hold = NewHold { subject: subject.clone(), kind, until, reason };
    let (hold, withdrawn, under_way) = parts.store.add_hold(hold, person.to_owned(), now).await?;
    Ok(Done::AddHold { hold, subject, kind, until, withdrawn, under_way })
}

async fn suppress(context: &Context, address: String, reason: &str, person: &str) -> Result<Done, ActFault> {
    let parts = &context.parts;
    if !is_address(&address) {
        return Err(ActFault::NoAddress { address });
    }
    let reason = given_reason(reason)?;
    match parts.store.suppress(address.clone(), reason, person.to_owned(), parts.clock.now()).await? {
        Some(withdrawn) => Ok(Done::Suppress { address, withdrawn }),
        None => Err(ActFault::SuppressedAlready { address }),
    }
}

/// Returns the reason a person gives, on one line.
fn given_reason(reason: &str) -> Result<String, ActFault> {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match reason.chars().count() {
        0 => Err(ActFault::ReasonMissing),
        count if count > REASON_CHARACTERS_MAX => Err(ActFault::ReasonTooLong { count }),
        _ => Ok(reason),
    }
}

/// Lets the mails go that a run holds back, but for those that the ledger shows to be no longer due.
async fn start(context: &Context, run: i64, as_of: Option<Date>, person: &str) -> Result<Done, ActFault> {
    let (workspace, parts) = (context.generations.current(), &context.parts);
    let as_of = as_of.unwrap_or_else(|| workspace.today(parts.clock.now()));
    // Read first: what cannot be held against the ledger is not released.
    let ledger = ledger(context, as_of).await?;
    let now = parts.clock.now();
    let (released, _) = steer(context, Steer::Start, run, person, now).await?;
    if released == 0 {
        return Err(ActFault::NothingWaits { run });
    }
    let left = settle_leftovers(&context.generations, &ledger, PlanDay::Fixed(as_of), parts).await?;
    parts.store.free(run, now).await?;
    Ok(Done::StartRun { run, released, withdrawn: left.withdrawn })
}

async fn steer(context: &Context, steer: Steer, run: i64, person: &str, now: Timestamp) -> Result<(usize, usize), ActFault> {
    let (parts, mode) = (&context.parts, mode_word(&context.generations.current().config.mode));
    match parts.store.steer(steer, mode, run, person.to_owned(), now).await? {
        Steered::Done { changed, under_way } => Ok((changed, under_way)),
        Steered::Missing => Err(ActFault::RunMissing { run }),
        Steered::Closed => Err(ActFault::RunClosed { run }),
        Steered::OtherMode => Err(ActFault::OtherMode { run }),
    }
}

/// Makes the place where the database is its home.
async fn adopt(context: &Context, since: Since, person: &str, now: Timestamp) -> Result<Done, ActFault> {
    let (store, instance) = (&context.parts.store, context.generations.current().config.instance.clone());
    match store.adopt(instance, since, doubt_until(now), person.to_owned(), now).await? {
        Adopted::Done { differences, unknown } => Ok(Done::Adopt { differences, unknown }),
        Adopted::AtHome => Err(ActFault::AtHome),
        Adopted::Lost => Err(ActFault::Lost),
    }
}

async fn intervene(context: &Context, intervention: Intervention, chosen: MessageFilter, person: &str) -> Result<Done, ActFault> {
    if chosen == MessageFilter::default() {
        return Err(ActFault::NothingChosen);
    }
    if intervention == Intervention::Resend && !context.parts.store.differences().is_empty() {
        return Err(ActFault::Away);
    }
    let parts = &context.parts;
    match parts.store.intervene(intervention, chosen, person.to_owned(), parts.clock.now()).await? {
        Intervened::Done(mails) if mails.is_empty() => Err(ActFault::NothingMatches),
        Intervened::Done(mails) => Ok(Done::Intervene { intervention, mails }),
        Intervened::Refused(misfits) => Err(ActFault::Misfits { intervention, misfits }),
    }
}

/// Returns the ledger as of a day however old it is, where it only tells who is meant.
async fn ledger_to_look_at(context: &Context, as_of: Date) -> Result<Arc<Ledger>, ActFault> {
    if let Some(ledger) = &context.ledger {
        return Ok(ledger.clone());
    }
    let workspace = context.generations.current();
    let read = tokio::task::spawn_blocking(move || workspace.read_ledger(as_of, &mut |_, _| {})).await;
    let read = read.map_err(|error| ActFault::Ledger(Unread::Broken(error.to_string())))?;
    Ok(Arc::new(read.map_err(|problems| ActFault::Ledger(Unread::Problems(problems)))?))
}

/// Returns the ledger as of a day: the one at hand, or read now, beside whatever else goes on.
pub(crate) async fn ledger(context: &Context, as_of: Date) -> Result<Arc<Ledger>, ActFault> {
    if let Some(ledger) = &context.ledger {
        return Ok(ledger.clone());
    }
    let workspace = context.generations.current();
    let reading = read_beside(&workspace, as_of, context.parts.clock.now()).await.map_err(ActFault::Ledger)?;
    Ok(reading.ledger)
}
