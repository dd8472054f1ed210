//! Work that takes a while and is done one piece after the other, beside the loop: firings, and what people ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::date::Date;
use crate::domain::id::RuleId;
use crate::engine::act::{Answer, Context, Done as ActDone, Schedules, perform};
use crate::engine::agenda::FiringRow;
use crate::engine::door::Asked;
use crate::engine::fire::{FireFault, fire};
use crate::engine::generation::RunGenerations;
use crate::engine::reading::{Unread, read_beside};
use crate::engine::run::{Committed, Counts, Parts, counts};
use crate::engine::workspace::Workspace;
use crate::outbox::state::State;

/// A piece of work.
pub(crate) enum Job {
    /// Run the rules whose firings have come, in the generation that was in force then.
    Fire { workspace: Arc<Workspace>, firings: Vec<(FiringRow, Date)> },
    /// Do what a person asks.
    Act(Box<Asked>),
    /// See whether a ledger that could not be decided by can be again.
    TryLedger,
}

/// What a piece of work led to.
pub(crate) enum Done {
    /// Each firing with its run; `Ok(None)`: it had been decided before.
    Fired(Vec<Fired>),
    /// What a person asked was done, or refused; the person knows.
    Acted {
        /// It was a run.
        has_run: bool,
        /// It gave the database its home.
        is_home_now: bool,
    },
    /// The ledger can be decided by, or not.
    Tried(Result<(), Unread>),
    /// A defect of the program.
    Panicked,
}

/// What became of one firing.
pub(crate) struct Fired {
    pub(crate) firing: FiringRow,
    pub(crate) result: Result<Option<FiredRun>, FireFault>,
}

/// The run that a firing led to.
pub(crate) struct FiredRun {
    pub(crate) run_id: i64,
    /// How its mails stand.
    pub(crate) counts: Counts,
}

impl FiredRun {
    /// Returns how many of its mails are in a state.
    pub(crate) fn count(&self, state: State) -> u64 {
        self.counts.0.get(state.as_str()).copied().unwrap_or_default()
    }
}

impl Done {
    pub(crate) fn panicked(error: &tokio::task::JoinError) -> Self {
        tracing::error!(%error, "Work ended in a panic; nothing of it is stored");
        Self::Panicked
    }
}

/// What work is done with.
pub(crate) struct Work {
    pub(crate) generations: Arc<RunGenerations>,
    pub(crate) parts: Parts,
    /// Rules that nobody may run now.
    pub(crate) paused: BTreeSet<RuleId>,
}

impl Work {
    pub(crate) async fn perform(self, job: Job) -> Done {
        match job {
            Job::Fire { workspace, firings } => {
                let results = fire(&self.generations, &workspace, firings, &self.paused, &self.parts).await;
                let run = |committed: Committed| {
                    let counts = counts(&self.parts.store, committed.run_id);
                    let counts = counts.inspect_err(|error| tracing::error!(%error, "The outbox cannot be read"));
                    FiredRun { run_id: committed.run_id, counts: counts.unwrap_or_else(|_| Counts(Default::default())) }
                };
                let fired = |(firing, result): (_, Result<Option<Committed>, _>)| Fired {
                    firing,
                    result: result.map(|run_of| run_of.map(run)),
                };
                Done::Fired(results.into_iter().map(fired).collect())
            }
            Job::TryLedger => {
                let (current, now) = (self.generations.current(), self.parts.clock.now());
                Done::Tried(read_beside(&current, current.today(now), now).await.map(drop))
            }
            Job::Act(asked) => {
                let (generations, parts) = (self.generations, self.parts);
                let (paused, schedules) = (self.paused, Schedules::Kept);
                let context = Context { generations, parts, paused, schedules, ledger: None, report: Arc::new(|_, _| {}) };
                let done = perform(&context, asked.act.clone(), &asked.person).await;
                match &done {
                    Ok(done) => tracing::info!(
                        person = asked.person,
                        act = asked.act.word(),
                        run_id = done.run_id(),
                        "A person's act was performed"
                    ),
                    Err(fault) => {
                        tracing::warn!(person = asked.person, act = asked.act.word(), %fault, "A person's act was refused")
                    }
                }
                let has_run = matches!(done, Ok(ActDone::Run(_)));
                let is_home_now = matches!(done, Ok(ActDone::Adopt { .. }));
                // In a task, so that a caller that does not take its answer holds up nobody.
                tokio::spawn(asked.answer(Answer::from(done)));
                Done::Acted { has_run, is_home_now }
            }
        }
    }
}
