//! From the outbox to the servers: takes what is due, tries it, records what became of it, until nothing is left.
//!
//! Nothing is handed to a transport before it is stored, `sending` is on disk before the final dot may leave, and
//! when a result cannot be stored sending stops (invariants 3, 5, 6). Each sender has a queue of its own here, so
//! that a server that is slow, resting or at fault holds up nobody else's mail.

pub(crate) mod pace;
mod passage;
mod refusals;
mod servers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};

use crate::domain::date::Timestamp;
use crate::domain::id::{SenderId, ServerId};
use crate::engine::deliver::pace::{Pace, Rates};
use crate::engine::deliver::passage::{Passage, PassageFlag, StoreGate};
use crate::engine::deliver::refusals::Refusals;
use crate::engine::deliver::servers::{Choice, Others, Servers, Trouble};
pub(crate) use crate::engine::deliver::servers::{FAULT_RETRY_AFTER, SPENT_RETRY_AFTER};
use crate::engine::signing::Signing;
use crate::outbox::attempt::{Attempt, Outcome, Stage};
use crate::outbox::retry::{Next, RetryPolicy, after};
use crate::outbox::state::State;
use crate::port::{Clock, Pending, Transport};
use crate::schedule::Quiet;
use crate::smtp::verdict::is_over_for_today;
use crate::store::guards::answers;
use crate::store::outbox::{Queued, earliest, outgoing, queued};
use crate::store::{Store, StoreError};

/// How many queued messages of a sender are taken in one read, which goes past all that are under way.
const BATCH: usize = 256;
/// How long mails under way may take to end once a stop is asked for; what is left then becomes `unknown`.
const STOP_GRACE: Duration = Duration::from_secs(30);
/// How long a result is kept and offered again while another process holds the database; less than [`STOP_GRACE`].
const RECORD_GRACE: Duration = Duration::from_secs(20);
/// How often what is queued is held against the clock and the ledger, at most.
const RECHECK_EVERY: Duration = Duration::from_secs(60);
/// How long to wait for a database that another process holds, over and above SQLite's own waiting.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// How long to look away where nothing but the end of an attempt can change anything.
const IDLE_WAIT: Duration = Duration::from_secs(60);

/// Holds what is queued against the receivables as they are now, and withdraws what is no longer due.
pub trait Recheck: Send + Sync {
    /// Does it, if there is reason to; returns whether sending may go on.
    fn recheck(&self, now: Timestamp) -> Pending<'_, Result<Rechecked, StoreError>>;

    /// Returns whether nothing may go before the next re-check. Costs nothing; asked before each mail, and once more at its
    /// gate.
    fn is_due(&self, now: Timestamp) -> bool;
}

/// What a re-check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rechecked {
    /// The receivables have not changed.
    Unchanged,
    /// They have; what was no longer due is withdrawn.
    Changed,
    /// They cannot be read, or are too old, so nothing can be known to be due: nothing may go.
    Unreadable,
}

/// Is told of an attempt, once its result is stored.
pub type OnAttempt = dyn Fn(&Attempt) + Send + Sync;

/// Everything a delivery needs.
pub struct Delivery {
    /// The outbox.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// One for every server.
    pub transports: Vec<Arc<dyn Transport>>,
    /// The keys that mails are signed with.
    pub signing: Arc<Signing>,
    /// The servers of each sender profile, in the order to try them.
    pub routes: BTreeMap<SenderId, Vec<ServerId>>,
    /// How fast servers and senders may go.
    pub rates: Rates,
    /// When no mail may leave.
    pub quiet: Option<Quiet>,
    /// When to try again.
    pub policy: RetryPolicy,
    /// Which mode's messages to send.
    pub mode: &'static str,
    /// A run stops once more than so many in a hundred of its mails were refused.
    pub refused_percent: u64,
    /// Asked now and then while sending goes on.
    pub recheck: Arc<dyn Recheck>,
    /// Rung when something new was queued while sending goes on.
    pub wake: Arc<Notify>,
    /// Is told of every attempt whose result was stored.
    pub on_attempt: Arc<OnAttempt>,
}

/// What a delivery tells while it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryProgress {
    /// How many attempts led to each state so far; a message tried twice counts twice.
    pub ended: BTreeMap<&'static str, u64>,
    /// How many are under way.
    pub under_way: usize,
    /// Until when it waits, having nothing to do before.
    pub waiting_until: Option<Timestamp>,
    /// Servers that take nothing from us as we are, and why.
    pub server_faults: Vec<(ServerId, String)>,
}

/// Why a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// Nothing is queued any more.
    Drained,
    /// Somebody asked it to stop; what is queued stays queued.
    Stopped,
    /// Every server that is left to try needs a person first; what is queued stays queued.
    ServersFaulty,
    /// A result could not be stored, so sending stopped.
    StoreFailed(String),
}

/// What a delivery did.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    /// Why it ended.
    pub end: DeliveryEnd,
    /// How many attempts led to each state, whatever run their message is of.
    pub ended: BTreeMap<&'static str, u64>,
    /// Servers that took nothing from us as we are, and why.
    pub server_faults: Vec<(ServerId, String)>,
    /// Runs that were stopped, since too much of them was refused, and how they stood.
    pub halted: Vec<(i64, String)>,
}

impl DeliveryReport {
    /// Returns whether every server at fault says that we have sent all that we may in a day.
    pub fn is_over_for_today(&self) -> bool {
        self.server_faults.iter().all(|(_, words)| is_over_for_today(words))
    }
}

/// One attempt that has ended.
struct Ended {
    message: Queued,
    server: usize,
    /// What was stored of it; `None` where it was called back, or the message withdrawn, before anything of it left.
    stored: Option<(Attempt, Next)>,
}

struct UnderWay {
    passage: Arc<PassageFlag>,
    /// Calls it back, once its passage has left `Before`.
    recall: Arc<Notify>,
    server: ServerId,
    sender: SenderId,
    started_at: Timestamp,
}

impl UnderWay {
    /// Ends the attempt where nothing has left of its message, which stays queued; else it goes on.
    fn call_back(&self) {
        if self.passage.leave_before(Passage::Stopped) {
            self.recall.notify_one();
        }
    }
}

struct Work<'d> {
    delivery: &'d Delivery,
    reader: Connection,
    servers: Servers<'d>,
    pace: Pace,
    waiting: HashMap<SenderId, VecDeque<Queued>>,
    under_way: HashMap<i64, UnderWay>,
    tasks: JoinSet<Result<Ended, String>>,
    progress: DeliveryProgress,
    /// How often the faults of servers had changed when they were last told.
    told_change: u64,
    rechecked_at: Timestamp,
    /// Whether the last re-check could not read the receivables: nothing may go until one can.
    is_unreadable: bool,
    /// Servers that had trouble of their own with a message, or cannot take it; the sender's next one may.
    turned_away: HashMap<i64, BTreeSet<usize>>,
    /// Which sender is served first this time.
    turn: usize,
    refusals: Refusals,
    /// Runs to stop, and how they stand; nothing more is begun before they are.
    to_halt: Vec<(i64, String)>,
    halted: Vec<(i64, String)>,
}

impl Delivery {
    /// Sends everything that is queued, waiting for later attempts too, until the queue has drained, `stop` becomes
    /// true, or nothing can be sent any more.
    ///
    /// # Errors
    /// The store cannot be read at the start.
    pub async fn deliver(
        &self,
        mut stop: watch::Receiver<bool>,
        report: &mut (dyn FnMut(&DeliveryProgress) + Send),
    ) -> Result<DeliveryReport, StoreError> {
        let reader = self.store.reader()?;
        let mut work = Work {
            delivery: self,
            pace: Pace::new(&self.rates, &reader, self.clock.now())?,
            reader,
            servers: Servers::new(&self.transports, &self.routes, &self.policy),
            waiting: HashMap::new(),
            under_way: HashMap::new(),
            tasks: JoinSet::new(),
            progress: DeliveryProgress::default(),
            told_change: 0,
            // Before anything goes: what is queued may have been decided long ago.
            rechecked_at: Timestamp::MIN,
            is_unreadable: false,
            turned_away: HashMap::new(),
            turn: 0,
            refusals: Refusals::new(self.refused_percent),
            to_halt: Vec::new(),
            halted: Vec::new(),
        };
        let end = match work.run(&mut stop, report).await {
            Ok(end) => end,
            Err(error) => DeliveryEnd::StoreFailed(error.to_string()),
        };
        work.settle().await;
        for transport in &self.transports {
            transport.close().await;
        }
        let server_faults = work.servers.faults();
        Ok(DeliveryReport { end, ended: work.progress.ended, server_faults, halted: work.halted })
    }
}

impl Work<'_> {
    async fn run(
        &mut self,
        stop: &mut watch::Receiver<bool>,
        report: &mut (dyn FnMut(&DeliveryProgress) + Send),
    ) -> Result<DeliveryEnd, StoreError> {
        loop {
            if *stop.borrow() {
                return Ok(DeliveryEnd::Stopped);
            }
            let now = self.delivery.clock.now();
            self.servers.try_again(now);
            let next_at = match self.start_what_is_due(now).await {
                // Somebody else holds the database for a while; nothing is lost by waiting.
                Err(StoreError::Busy) => NextAt::At(now.saturating_add(BUSY_WAIT).unwrap_or(now)),
                other => other?,
            };
            self.progress.under_way = self.under_way.len();
            self.progress.waiting_until = None;
            if self.tasks.is_empty() {
                match next_at {
                    NextAt::Nothing => return Ok(DeliveryEnd::Drained),
                    NextAt::Never => return Ok(DeliveryEnd::ServersFaulty),
                    NextAt::At(instant) => self.progress.waiting_until = Some(instant),
                }
            }
            if self.told_change != self.servers.change_count() {
                self.told_change = self.servers.change_count();
                self.progress.server_faults = self.servers.faults();
            }
            report(&self.progress);
            let pause = match next_at {
                // At least a moment, so that a clock that stands still cannot make this spin.
                NextAt::At(instant) => {
                    let instant = self.servers.next_try().map_or(instant, |next_try| next_try.min(instant));
                    instant.duration_since(now).try_into().unwrap_or(Duration::ZERO).max(Duration::from_millis(5))
                }
                NextAt::Nothing | NextAt::Never => IDLE_WAIT,
            };
            tokio::select! {
                Some(ended) = self.tasks.join_next() => if let Err(fault) = self.take_all(ended) {
                    return Ok(DeliveryEnd::StoreFailed(fault));
                },
                () = asked(stop) => {}
                () = self.delivery.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts attempts as far as servers have room, and tells when there is something to do next.
    async fn start_what_is_due(&mut self, now: Timestamp) -> Result<NextAt, StoreError> {
        self.halt(now).await?;
        let is_time = now.duration_since(self.rechecked_at) >= RECHECK_EVERY.try_into().unwrap_or_default();
        if is_time || (!self.is_unreadable && self.delivery.recheck.is_due(now)) {
            self.rechecked_at = now;
            self.give_up(now).await?;
            let rechecked = self.delivery.recheck.recheck(now).await?;
            self.is_unreadable = rechecked == Rechecked::Unreadable;
            if rechecked != Rechecked::Unchanged {
                self.waiting.clear();
            }
        }
        let mut next_at = self.start_each_sender(now)?;
        if self.tasks.is_empty() && next_at != NextAt::Nothing && self.give_up(now).await? {
            next_at = self.start_each_sender(now)?;
        }
        Ok(next_at)
    }

    /// Stops the runs of which too much was refused: what they have queued waits for a person.
    async fn halt(&mut self, now: Timestamp) -> Result<(), StoreError> {
        while let Some((run_id, words)) = self.to_halt.last().cloned() {
            if self.delivery.store.halt(run_id, words.clone(), now).await? > 0 {
                tracing::error!(run_id, answers = words, "A run is stopped, since too many of its mails are refused");
                self.halted.push((run_id, words));
            }
            self.to_halt.pop();
            self.waiting.clear();
        }
        Ok(())
    }

    /// Starts what is due of all senders, on one view of the database: SQLite would make a new one for every question.
    fn start_each_sender(&mut self, now: Timestamp) -> Result<NextAt, StoreError> {
        self.reader.prepare_cached("begin")?.execute(())?;
        let served = self.serve_each_sender(now);
        self.reader.prepare_cached("commit")?.execute(())?;
        served
    }

    /// Serves the senders in turn, another one first each time, so that a long queue does not keep a shared server.
    fn serve_each_sender(&mut self, now: Timestamp) -> Result<NextAt, StoreError> {
        let senders: Vec<&SenderId> = self.servers.senders().collect();
        self.turn = self.turn.wrapping_add(1);
        let mut next_at = NextAt::Nothing;
        for place in 0..senders.len() {
            let sender = senders[(self.turn.wrapping_add(place)) % senders.len()];
            next_at = next_at.sooner(self.start_for(sender, now)?);
        }
        Ok(next_at)
    }

    /// Starts what is due of one sender.
    fn start_for(&mut self, sender: &SenderId, now: Timestamp) -> Result<NextAt, StoreError> {
        let quiet_until = self.delivery.quiet.as_ref().and_then(|quiet| quiet.until(now));
        loop {
            let at_the_earliest = match self.servers.choose(sender, now, &BTreeSet::new()) {
                _ if quiet_until.is_some() => quiet_until,
                _ if self.is_unreadable => Some(self.rechecked_at.saturating_add(RECHECK_EVERY).unwrap_or(now)),
                Choice::Server(server) => match (self.pace.wait(self.servers.id(server), sender), self.next_due(sender, now)?) {
                    (Some(wait), Some(message)) => {
                        self.waiting.entry(sender.clone()).or_default().push_front(message);
                        Some(now.saturating_add(wait.min(IDLE_WAIT)).unwrap_or(now))
                    }
                    (None, Some(message)) => {
                        let server = match self.turned_away.get(&message.id).map(|away| self.servers.choose(sender, now, away)) {
                            Some(Choice::Server(other)) if self.pace.wait(self.servers.id(other), sender).is_none() => other,
                            _ => server,
                        };
                        self.start(message, server, now)?;
                        continue;
                    }
                    (_, None) => Some(now),
                },
                // Its turn comes when an attempt ends, which wakes the loop anyway.
                Choice::Full => return Ok(NextAt::At(now.saturating_add(IDLE_WAIT).unwrap_or(now))),
                Choice::Rests(until) => Some(until),
                Choice::None => None,
            };
            let first = earliest(&self.reader, self.delivery.mode, sender, &self.under_way_ids())?;
            return Ok(match (first, at_the_earliest) {
                (None, _) => NextAt::Nothing,
                (Some(_), None) => NextAt::Never,
                (Some(first), Some(instant)) => NextAt::At(first.max(instant)),
            });
        }
    }

    fn next_due(&mut self, sender: &SenderId, now: Timestamp) -> Result<Option<Queued>, StoreError> {
        if self.waiting.get(sender).is_none_or(VecDeque::is_empty) {
            let found = queued(&self.reader, self.delivery.mode, sender, now, &self.under_way_ids(), BATCH)?;
            self.waiting.insert(sender.clone(), found.into());
        }
        Ok(self.waiting.get_mut(sender).and_then(VecDeque::pop_front))
    }

    fn under_way_ids(&self) -> Vec<i64> {
        self.under_way.keys().copied().collect()
    }

    /// Gives up the messages whose time has run out, and returns whether there were any.
    async fn give_up(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let given_up = self.delivery.store.exhaust(self.delivery.mode, self.delivery.policy.give_up_after, now).await?;
        if given_up > 0 {
            self.waiting.clear();
            *self.progress.ended.entry(State::Exhausted.as_str()).or_default() += given_up as u64;
        }
        Ok(given_up > 0)
    }

    fn start(&mut self, message: Queued, server: usize, now: Timestamp) -> Result<(), StoreError> {
        let Some(outgoing) = outgoing(&self.reader, message.id)? else {
            return Err(StoreError::Corrupt {
                value: format!("message {} without bytes", message.id),
                expected: "a composed message",
            });
        };
        let mut tried = self.turned_away.get(&message.id).cloned().unwrap_or_default();
        tried.insert(server);
        let others = self.servers.others(&message.sender_id, &tried, now);
        let transport = self.servers.begin(server);
        let (server_id, sender_id) = (transport.server().clone(), message.sender_id.clone());
        self.pace.begin(&server_id, &sender_id);
        let passage = Arc::new(PassageFlag::default());
        let (id, flag) = (message.id, passage.clone());
        let recheck = self.delivery.recheck.clone();
        let (store, clock, policy) = (self.delivery.store.clone(), self.delivery.clock.clone(), self.delivery.policy.clone());
        let (signing, to) = (self.delivery.signing.clone(), server_id.clone());
        let recall = Arc::new(Notify::new());
        let recalled = recall.clone();
        self.tasks.spawn(async move {
            let outgoing = signing.signed(&message.sender_id, &to, outgoing);
            let gate = StoreGate { store: &store, clock: &*clock, recheck: &*recheck, passage: &flag, id: message.id };
            let attempt = tokio::select! {
                biased;
                attempt = transport.attempt(&outgoing, &gate) => attempt,
                // Whoever calls it back has shut its gate before.
                () = recalled.notified() => return Ok(Ended { message, server, stored: None }),
            };
            // From here on a stop waits for the result to be stored.
            flag.leave_before(Passage::Ended);
            if flag.get() == Passage::Gone {
                return Ok(Ended { message, server, stored: None });
            }
            let now = clock.now();
            // What one server cannot take, another may: it is refused only where none is left to ask.
            let outcome = match (attempt.outcome, others) {
                (Outcome::Unsuited, Others::Now | Others::Later) => Outcome::Deferred,
                (outcome, _) => outcome,
            };
            let mut next = after(message.entry, outcome, now, &policy);
            // Trouble of a server is no fault of the message: the sender's next one may take it now. Never once the final
            // dot may have left: what a server said to that is its word on the message.
            if others == Others::Now && is_servers_alone(&attempt) && next.state == State::Queued {
                next.next_attempt_at = Some(now);
            }
            let is_stored = record(&store, message.id, &attempt, next, now).await.map_err(|error| error.to_string())?;
            match attempt.outcome {
                _ if !is_stored => Ok(Ended { message, server, stored: None }),
                Outcome::NotRecorded if flag.get() != Passage::Busy => Err(attempt.fault.unwrap_or_default()),
                _ => Ok(Ended { message, server, stored: Some((attempt, next)) }),
            }
        });
        self.under_way.insert(id, UnderWay { passage, recall, server: server_id, sender: sender_id, started_at: now });
        Ok(())
    }

    /// Takes note of an attempt that has ended and of all others that have by now: one look at the queue serves them all.
    fn take_all(&mut self, first: Result<Result<Ended, String>, JoinError>) -> Result<(), String> {
        self.take(first)?;
        while let Some(ended) = self.tasks.try_join_next() {
            self.take(ended)?;
        }
        Ok(())
    }

    /// Takes note of an attempt that has ended, or returns why sending must stop.
    fn take(&mut self, ended: Result<Result<Ended, String>, JoinError>) -> Result<(), String> {
        let ended = ended.map_err(|error| error.to_string())??;
        if let Some(under_way) = self.under_way.remove(&ended.message.id) {
            self.pace.end(&under_way.server, &under_way.sender, ended.stored.as_ref().map(|(attempt, _)| attempt));
        }
        self.servers.end(ended.server);
        if let Some((attempt, next)) = &ended.stored {
            (self.delivery.on_attempt)(attempt);
            *self.progress.ended.entry(next.state.as_str()).or_default() += 1;
            let now = self.delivery.clock.now();
            self.servers.learn(ended.server, &ended.message, attempt, now);
            if self.servers.takes_nothing(ended.server, now) {
                self.recall_from(&attempt.server);
            }
            let run_id = ended.message.run_id;
            let over = self.refusals.take(run_id, next.state, || answers(&self.reader, run_id));
            if let Some(answers) = over.map_err(|error| error.to_string())? {
                let words = format!("{} of {} mails refused", answers.refused, answers.accepted + answers.refused);
                self.to_halt.push((run_id, words));
            }
            self.note_turned_away(&ended, attempt, *next);
        }
        Ok(())
    }

    /// Calls back what is in the line of a server that takes nothing, and has not passed its gate: it stays queued, and
    /// none of its attempts is spent.
    fn recall_from(&self, server: &ServerId) {
        self.under_way.values().filter(|under_way| under_way.server == *server).for_each(UnderWay::call_back);
    }

    /// Keeps which servers turned a message away, until each of its sender's has: then the round begins anew.
    fn note_turned_away(&mut self, ended: &Ended, attempt: &Attempt, next: Next) {
        let id = ended.message.id;
        if !is_servers_alone(attempt) || next.state != State::Queued {
            self.turned_away.remove(&id);
            return;
        }
        let now = self.delivery.clock.now();
        let away = self.turned_away.entry(id).or_default();
        away.insert(ended.server);
        if self.servers.others(&ended.message.sender_id, away, now) == Others::None {
            self.turned_away.remove(&id);
        }
    }

    /// Ends what has not passed its gate, and waits for the rest a bounded time; what then is without an answer is
    /// `unknown`.
    async fn settle(&mut self) {
        self.under_way.values().for_each(UnderWay::call_back);
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                match ended {
                    Ok(Ok(Ended { stored: Some((_, next)), .. })) => {
                        *self.progress.ended.entry(next.state.as_str()).or_default() += 1;
                    }
                    Ok(Ok(_)) => {}
                    Ok(Err(fault)) => tracing::error!(fault, "The result of an attempt could not be stored"),
                    Err(error) => tracing::error!(%error, "An attempt ended in a panic"),
                }
            }
        };
        if tokio::time::timeout(STOP_GRACE, all).await.is_err() {
            self.tasks.shutdown().await;
            self.record_cut_off().await;
        }
        match self.delivery.store.recover(self.delivery.clock.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::error!(count, "Mails were cut off after their final dot may have left; they are `unknown`"),
            Err(error) => {
                tracing::error!(%error, "The store cannot be written; the next start turns mails under way into `unknown`")
            }
        }
    }
}

impl Work<'_> {
    /// Keeps for every mail that was cut off behind its gate which server had it and since when: what a person asks
    /// the server's administrator about.
    async fn record_cut_off(&mut self) {
        let now = self.delivery.clock.now();
        for (id, under_way) in std::mem::take(&mut self.under_way) {
            if under_way.passage.get() != Passage::Through {
                continue;
            }
            let attempt = Attempt {
                server: under_way.server,
                started_at: under_way.started_at,
                duration: now.duration_since(under_way.started_at).try_into().unwrap_or_default(),
                stage: Stage::FinalDot,
                outcome: Outcome::Unknown,
                reply: None,
                fault: Some("Stopped while waiting for the server's answer".to_owned()),
                recipients_refused: Vec::new(),
            };
            let next = Next { state: State::Unknown, next_attempt_at: None };
            // A mail whose result was stored after all is no longer `sending`, and says so by an error.
            if let Err(error) = self.delivery.store.record_attempt(id, attempt, next, now).await {
                tracing::debug!(message_id = id, %error, "A mail under way had ended by itself");
            }
        }
    }
}

/// Returns whether an attempt failed by its server alone, before the final dot could have left.
fn is_servers_alone(attempt: &Attempt) -> bool {
    let is_turned_away = matches!(attempt.outcome, Outcome::ServerFault | Outcome::Unsuited);
    attempt.stage < Stage::FinalDot && (is_turned_away || Trouble::of(attempt).is_some())
}

/// Stores a result, offering it again while another process holds the database.
async fn record(store: &Store, id: i64, attempt: &Attempt, next: Next, now: Timestamp) -> Result<bool, StoreError> {
    let offered = async {
        loop {
            match store.record_attempt(id, attempt.clone(), next, now).await {
                Err(StoreError::Busy) => tokio::time::sleep(Duration::from_millis(250)).await,
                other => return other,
            }
        }
    };
    tokio::time::timeout(RECORD_GRACE, offered).await.unwrap_or(Err(StoreError::Busy))
}

/// Ends when the wish to stop changes; never where nobody is left to wish it.
async fn asked(stop: &mut watch::Receiver<bool>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// When there is something to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextAt {
    /// Nothing is queued.
    Nothing,
    /// Something is queued, but no server will take it.
    Never,
    /// Then.
    At(Timestamp),
}

impl NextAt {
    fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::At(a), _) | (_, Self::At(a)) => Self::At(a),
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            _ => Self::Nothing,
        }
    }
}
