//! The daemon: one loop over one closed list of events, which starts work and takes in what came of it.
//!
//! The loop itself never waits for a disk, a server or a script: reading files, deciding a run and sending are tasks beside
//! it, one of each kind at a time. What they did comes back as an event. It decides nothing about mails; `engine` does.

mod delivery;
mod pruning;
mod tell;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::daemon::delivery::DeliveryTask;
use crate::daemon::work::{Done, Fired, Job, Work};
use crate::domain::date::Timestamp;
use crate::domain::id::RuleId;
use crate::domain::problem::Problem;
use crate::engine::act::{Act, Answer, Done as ActDone};
use crate::engine::agenda::Agenda;
use crate::engine::alert::{AlertBell, AlertWatch, Mailer};
use crate::engine::deliver::DeliveryReport;
use crate::engine::door::{Asked, Door};
use crate::engine::outbox::{StoreError, rules_that_ran};
use crate::engine::readiness::ServiceManager;
use crate::engine::reload::{LiveWorkspace, Look, Reading, Reloaded, Watch};
use crate::engine::retention::Pruned;
use crate::engine::run::{Parts, mode_word, recover};
use crate::engine::status::{BEAT_EVERY, FaultKind, FiringOutcome, Live, PausedRule, RunCause, Source};
use crate::engine::workspace::StartFault;
use crate::outbox::state::State;
use crate::port::Clock;
use crate::web;

/// How often the files are looked at without a hint: a network folder gives none.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// When what failed for a reason outside is tried again: a ledger that cannot be read, a store that cannot be written.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long work that has begun may take to end once a stop is asked for, over and above what sending takes.
const STOP_GRACE: Duration = Duration::from_secs(35);

/// How long an alert that is under way may take to end once a stop is asked for.
const ALERT_GRACE: Duration = Duration::from_secs(5);

/// What a service manager or an operator wants of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// Look at the files now.
    Reload,
    /// End.
    Stop,
}

/// Why the daemon cannot start.
#[derive(Debug, Error)]
pub enum ServeFault {
    /// config.yaml is wrong.
    #[error("The workspace cannot be used")]
    Problems(Vec<Problem>),
    /// The store or a server's settings.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The store fails at the start.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another daemon, or a file in the way.
    #[error("{0}")]
    Door(String),
}

/// Everything that can happen to the daemon.
enum Event {
    /// Time has passed.
    Tick,
    /// The system gave notice of changed files.
    Hint,
    /// A look at the files is over; `None`: nothing had changed.
    Looked(Option<Box<Reading>>),
    /// Somebody asks for something over the socket.
    Asked(Box<Asked>),
    /// A piece of work is done.
    Worked(Done),
    /// What is over has left the database, or could not.
    Pruned(Result<Pruned, String>),
    /// Sending has ended.
    Delivered(Result<DeliveryReport, String>),
    /// The service manager wants something.
    Nudged(Nudge),
}

/// A daemon that has started and not yet run.
pub struct Daemon {
    clock: Arc<dyn Clock>,
    live: Live,
    workspace: LiveWorkspace,
    watch: Watch,
    parts: Parts,
    agenda: Agenda,
    /// Since when the schedules of the generation in force wait to be stored, and when that is tried again.
    agenda_waits: Option<(Timestamp, Timestamp)>,
    door: Door,
    listener: Option<TcpListener>,
    /// Work that waits for its turn.
    jobs: VecDeque<Job>,
    working: Option<JoinHandle<Done>>,
    /// Rules with a firing among the work.
    busy: BTreeSet<RuleId>,
    /// Those of them whose firing is under way.
    in_work: BTreeSet<RuleId>,
    /// Rules whose last try failed, and until when they wait.
    resting: BTreeMap<RuleId, Timestamp>,
    delivery: Option<DeliveryTask>,
    /// Whether something may be queued that no delivery knows of.
    may_have_mail: bool,
    /// Not before then, after a delivery that could do nothing.
    delivery_rests_until: Option<Timestamp>,
    pruning: Option<JoinHandle<Result<Pruned, String>>>,
    pruned_at: Option<Timestamp>,
    /// When the ledger was last tried, no rule having asked.
    ledger_tried_at: Timestamp,
    looking: Option<JoinHandle<Option<Box<Reading>>>>,
    looks_again: bool,
    looked_at: Timestamp,
    told_away: bool,
    told_problems: Vec<Problem>,
    told_paused: Vec<PausedRule>,
    alerts: AlertBell,
}

impl Daemon {
    /// Loads the workspace, opens its store and everything that can fail at the start. Nothing is sent before
    /// [`Daemon::run`].
    ///
    /// # Errors
    /// Why it cannot start.
    pub async fn start(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, ServeFault> {
        let folder = root.to_owned();
        let loaded = tokio::task::spawn_blocking(move || LiveWorkspace::start(&folder)).await;
        let mut workspace = loaded.expect("loading a workspace does not panic").map_err(ServeFault::Problems)?;
        let current = workspace.current();
        let now = clock.now();
        let parts = current.parts(clock.clone())?;
        workspace.miss(rules_that_ran(&parts.store, mode_word(&current.config.mode))?);
        let interrupted = recover(&parts).await?;
        if interrupted > 0 {
            tracing::warn!(count = interrupted, "Mails were under way when the last process ended; they are `unknown`");
        }
        let door = Door::open(&current.database_path()).map_err(|error| ServeFault::Door(error.to_string()))?;
        let listener = match &current.config.daemon.listen {
            // Whoever cannot be looked at still sends: the page is no reason to leave customers without their mail.
            Some(address) => TcpListener::bind(address)
                .await
                .inspect_err(|error| tracing::error!(%address, %error, "There is no health page: its address cannot be used"))
                .ok(),
            None => None,
        };
        let mode = mode_word(&current.config.mode);
        let live = Live::new(current.config.instance.clone(), mode, env!("CARGO_PKG_VERSION"), now);
        live.quiet(current.quiet());
        let mut agenda = Agenda::default();
        agenda.follow(&current, mode, &parts.store, now).await?;
        let watch = Watch::start(root, &current.other_files());
        let alerts = AlertBell::new(Mailer { transports: parts.transports.clone(), signing: parts.signing.clone() });
        let mut daemon = Self {
            clock,
            live,
            workspace,
            watch,
            parts,
            agenda,
            agenda_waits: None,
            door,
            listener,
            jobs: VecDeque::new(),
            working: None,
            busy: BTreeSet::new(),
            in_work: BTreeSet::new(),
            resting: BTreeMap::new(),
            delivery: None,
            may_have_mail: true,
            delivery_rests_until: None,
            pruning: None,
            pruned_at: None,
            ledger_tried_at: now,
            looking: None,
            looks_again: false,
            looked_at: now,
            told_away: false,
            told_problems: Vec::new(),
            told_paused: Vec::new(),
            alerts,
        };
        daemon.tell_generation(now);
        for problem in current.history_problems() {
            tracing::warn!(problem = %problem, "Something was sent under an id that is gone");
        }
        Ok(daemon)
    }

    /// Returns what the health page shows, for whoever runs the daemon in the same process.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Returns the address of the health page.
    pub fn health_address(&self) -> Option<std::net::SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Runs until a [`Nudge::Stop`] comes, or until nobody is left to send one.
    pub async fn run(mut self, mut nudges: mpsc::Receiver<Nudge>) {
        let (stop_page, page_stopped) = oneshot::channel::<()>();
        let source = Arc::new(self.source());
        let mut alerts = tokio::spawn(self.alert_watch(source.clone()).run(self.alerts.clone()));
        let page = self.listener.take().map(|listener| {
            tokio::spawn(web::serve(listener, source, web::Bounds::default(), async move {
                drop(page_stopped.await);
            }))
        });
        let manager = Arc::new(ServiceManager::from_environment());
        let (watched, live, clock) = (manager.clone(), self.live.clone(), self.clock.clone());
        let watchdog = tokio::spawn(async move { watched.keep_alive(&live, &*clock).await });
        manager.ready(&self.status_line());
        tracing::info!(generation = self.workspace.current().generation, "The daemon is ready");

        self.start_delivery(self.clock.now()).await;
        loop {
            let event = self.next_event(&mut nudges).await;
            let now = self.clock.now();
            self.live.beat(now);
            let is_news = !matches!(event, Event::Tick);
            match event {
                Event::Tick => {}
                Event::Hint => self.look(),
                Event::Looked(reading) => {
                    self.looking = None;
                    if let Some(reading) = reading {
                        manager.reloading();
                        self.take_in(*reading, now).await;
                        manager.ready(&self.status_line());
                    }
                    if std::mem::take(&mut self.looks_again) {
                        self.look();
                    }
                }
                Event::Asked(asked) => self.hear(*asked),
                Event::Worked(done) => self.take_work(done, now).await,
                Event::Pruned(result) => self.take_pruned(result, now),
                Event::Delivered(report) => self.take_delivery(report, now).await,
                Event::Nudged(Nudge::Reload) => self.look(),
                Event::Nudged(Nudge::Stop) => break,
            }
            if now.duration_since(self.looked_at).unsigned_abs() >= LOOK_EVERY {
                self.look();
            }
            self.keep_agenda(now).await;
            self.fire(now).await;
            self.try_ledger(now);
            self.start_work();
            self.start_delivery(now).await;
            self.keep_pruned(now);
            // What time alone brings is found by the looks that are taken now and then anyway.
            if is_news {
                self.alerts.ring();
            }
        }
        manager.stopping("mails under way end first");
        tracing::info!("Stopping: mails under way end first");
        self.stop().await;
        self.alerts.stop();
        if tokio::time::timeout(ALERT_GRACE, &mut alerts).await.is_err() {
            alerts.abort();
            tracing::error!("An alert was under way and is cut off; it may be told again");
        }
        watchdog.abort();
        drop(stop_page);
        if let Some(page) = page {
            page.abort();
        }
        tracing::info!("Stopped");
    }

    async fn next_event(&mut self, nudges: &mut mpsc::Receiver<Nudge>) -> Event {
        let pause = self.pause(self.clock.now());
        tokio::select! {
            nudge = nudges.recv() => Event::Nudged(nudge.unwrap_or(Nudge::Stop)),
            done = ended(&mut self.working) => Event::Worked(done.unwrap_or_else(|error| Done::panicked(&error))),
            read = ended(&mut self.looking) => Event::Looked(read.unwrap_or_else(|error| {
                tracing::error!(%error, "Reading the files ended in a panic; the last good generation stays");
                None
            })),
            pruned = ended(&mut self.pruning) => Event::Pruned(pruned.unwrap_or_else(|error| Err(error.to_string()))),
            report = delivery::ended(&mut self.delivery) => Event::Delivered(report),
            asked = self.door.next() => Event::Asked(Box::new(asked)),
            () = self.watch.hinted() => Event::Hint,
            () = tokio::time::sleep(pause) => Event::Tick,
        }
    }

    /// Returns how long there is nothing to do, if nothing happens. Never long: the clock may jump.
    fn pause(&self, now: Timestamp) -> Duration {
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        let next = self.agenda.next_at(&self.left_aside(now)).map(until);
        next.map_or(BEAT_EVERY, |next| next.min(BEAT_EVERY)).max(Duration::from_millis(10))
    }

    /// Returns the rules whose firings are not to be decided now.
    fn left_aside(&self, now: Timestamp) -> BTreeSet<RuleId> {
        let resting = self.resting.iter().filter(|(_, until)| **until > now).map(|(id, _)| id);
        self.workspace.paused().keys().chain(&self.busy).chain(resting).cloned().collect()
    }

    /// Decides the firings that have come: those left out are stored as such, the others become work.
    async fn fire(&mut self, now: Timestamp) {
        let but = self.left_aside(now);
        if self.agenda.next_at(&but).is_none_or(|next| next > now) {
            return;
        }
        let current = self.workspace.current();
        let mut to_run = Vec::new();
        for due in self.agenda.due(&current, mode_word(&current.config.mode), &but, now) {
            if let (Some((first, reason)), Some((last, _))) = (due.left_out.first(), due.left_out.last()) {
                tracing::warn!(
                    rule_id = due.rule_id,
                    count = due.left_out.len(),
                    first = first.local_time,
                    last = last.local_time,
                    reason,
                    "Firings are left out"
                );
                if let Err(error) = self.parts.store.leave_out(due.left_out.clone(), now).await {
                    tracing::error!(rule_id = due.rule_id, %error, "Missed firings could not be stored; it is tried again");
                    self.rest(RuleId::new(&due.rule_id), now);
                    self.live.fault(FaultKind::StoreFailed, "", &error.to_string(), now);
                    continue;
                }
                self.agenda.decided(&current, last);
                due.left_out.iter().for_each(|_| self.live.fired(&due.rule_id, FiringOutcome::Missed));
            }
            to_run.extend(due.to_run);
        }
        if !to_run.is_empty() {
            self.busy.extend(to_run.iter().map(|(firing, _)| RuleId::new(&firing.rule_id)));
            self.jobs.push_back(Job::Fire { workspace: current, firings: to_run });
        }
        self.tell_next();
    }

    fn rest(&mut self, rule: RuleId, now: Timestamp) {
        self.resting.insert(rule, now.saturating_add(RETRY_AFTER).unwrap_or(now));
    }

    /// Tries the ledger now and then while it is at fault: the rule that found it so may not ask again for a month.
    fn try_ledger(&mut self, now: Timestamp) {
        let is_time = now.duration_since(self.ledger_tried_at).unsigned_abs() >= RETRY_AFTER;
        if is_time && self.jobs.is_empty() && self.working.is_none() && self.live.is_ledger_at_fault() {
            self.ledger_tried_at = now;
            self.jobs.push_back(Job::TryLedger);
        }
    }

    /// Begins the next piece of work, if none is under way.
    fn start_work(&mut self) {
        if self.working.is_some() {
            return;
        }
        let waits = |job: &Job| matches!(job, Job::Act(asked) if matches!(asked.act, Act::Run { .. }));
        if self.looking.is_some() && self.jobs.front().is_some_and(waits) {
            return;
        }
        let Some(job) = self.jobs.pop_front() else { return };
        if let Job::Fire { firings, .. } = &job {
            self.in_work = firings.iter().map(|(firing, _)| RuleId::new(&firing.rule_id)).collect();
        }
        let paused = self.workspace.paused().keys().cloned().collect();
        let work = Work { generations: self.workspace.generations().clone(), parts: self.parts.clone(), paused };
        self.working = Some(tokio::spawn(async move { work.perform(job).await }));
    }

    /// Takes in what work led to.
    async fn take_work(&mut self, done: Done, now: Timestamp) {
        let rules = std::mem::take(&mut self.in_work);
        self.working = None;
        for id in rules {
            if matches!(done, Done::Panicked) {
                // Tried again like any failure, but not at once: it may panic each time.
                self.rest(id.clone(), now);
            }
            self.busy.remove(&id);
        }
        match done {
            Done::Tried(tried) => return self.live.looked_at_ledger(tried.as_ref().copied(), now),
            Done::Fired(results) => {
                let current = self.workspace.current();
                for Fired { firing, result } in results {
                    let id = RuleId::new(&firing.rule_id);
                    match result {
                        Ok(fired) => {
                            self.resting.remove(&id);
                            self.agenda.decided(&current, &firing);
                            if let Some(run) = fired {
                                let (run_id, waiting) = (run.run_id, run.count(State::Waiting));
                                tracing::info!(
                                    rule_id = firing.rule_id,
                                    local_time = firing.local_time,
                                    run_id,
                                    waiting,
                                    queued = run.count(State::Queued),
                                    blocked = run.count(State::Blocked),
                                    "A rule fired"
                                );
                                self.live.fired(&firing.rule_id, FiringOutcome::Ran);
                                self.live.run_finished(RunCause::Schedule);
                            }
                            for kind in [FaultKind::LedgerUnreadable, FaultKind::LedgerStale, FaultKind::StoreFailed] {
                                self.live.mended(kind, "");
                            }
                        }
                        Err(fault) => {
                            tracing::error!(
                                rule_id = firing.rule_id,
                                local_time = firing.local_time,
                                fault = fault.words,
                                "A firing could not run; it is tried again"
                            );
                            self.live.fired(&firing.rule_id, FiringOutcome::Failed);
                            self.live.fault(fault.kind, "", &fault.words, now);
                            self.rest(id, now);
                        }
                    }
                }
                self.tell_next();
            }
            Done::Acted { has_run, is_home_now } => {
                if is_home_now {
                    // The mode is another now, though no file has changed.
                    self.workspace.read_anew();
                    self.look();
                }
                if has_run {
                    self.live.run_finished(RunCause::Person);
                }
            }
            Done::Panicked => {}
        }
        self.let_go_generations();
        if let Some(delivery) = &self.delivery {
            delivery.wake();
        }
        self.may_have_mail = true;
        self.delivery_rests_until = None;
    }

    /// Hears somebody at the door: what only asks is answered at once, what changes something takes its turn.
    fn hear(&mut self, asked: Asked) {
        match asked.act {
            Act::Status => {
                let source = self.source();
                tokio::spawn(async move {
                    let status = tokio::task::spawn_blocking(move || source.status()).await;
                    match status.map(serde_json::to_value) {
                        Ok(Ok(status)) => asked.answer(Answer::Done(ActDone::Told { body: status })).await,
                        Ok(Err(error)) => tracing::error!(%error, "The status could not be told"),
                        Err(error) => tracing::error!(%error, "The status could not be told"),
                    }
                });
            }
            Act::Reload => {
                tracing::info!(person = asked.person, "A person asks for a look at the files");
                self.look();
                tokio::spawn(asked.answer(Answer::Done(ActDone::Told { body: serde_json::json!({ "reload": "begun" }) })));
            }
            Act::Prune if self.workspace.current().config.retention.is_some() => {
                tracing::info!(person = asked.person, "A person asks for what is over to be archived");
                self.pruned_at = None;
                self.keep_pruned(self.clock.now());
                tokio::spawn(asked.answer(Answer::Done(ActDone::Told { body: serde_json::json!({ "prune": "begun" }) })));
            }
            // Whoever saved a rule and asks for a run means the rule as it is saved.
            Act::Run { .. } => {
                self.look();
                self.jobs.push_back(Job::Act(Box::new(asked)));
            }
            _ => self.jobs.push_back(Job::Act(Box::new(asked))),
        }
    }

    fn alert_watch(&self, source: Arc<Source>) -> AlertWatch {
        let (live, store, clock) = (self.live.clone(), self.parts.store.clone(), self.clock.clone());
        AlertWatch { source, live, store, generations: self.workspace.generations().clone(), clock }
    }

    fn source(&self) -> Source {
        Source::new(self.live.clone(), self.workspace.current().database_path(), self.clock.clone())
    }

    /// Looks at the files beside the loop; one look at a time.
    fn look(&mut self) {
        if self.looking.is_some() {
            self.looks_again = true;
            return;
        }
        self.looked_at = self.clock.now();
        let look: Look = self.workspace.look();
        self.looking = Some(tokio::spawn(async move {
            tokio::task::spawn_blocking(move || look.take().map(Box::new)).await.unwrap_or_else(|error| {
                tracing::error!(%error, "Reading the files ended in a panic; the last good generation stays");
                None
            })
        }));
    }

    /// Takes in changed files: a new generation if all is right, else the last good one stays, loudly.
    async fn take_in(&mut self, reading: Reading, now: Timestamp) {
        let before = self.workspace.current();
        let outcome = self.workspace.take_in(reading);
        let current = self.workspace.current();
        // A folder that was moved away and made anew is another folder, whether what is in it is right or not.
        self.watch.renew(&current.other_files());
        let has_news = self.told_problems != self.workspace.problems();
        match outcome {
            Reloaded::Unchanged if !has_news => {}
            Reloaded::Refused if !has_news => {}
            Reloaded::Swapped => {
                tracing::info!(generation = current.generation, "A new generation is in force");
            }
            Reloaded::Unchanged => tracing::info!(generation = current.generation, "The files are again as they are in force"),
            Reloaded::Refused => {
                tracing::error!(generation = current.generation, "The changed files have errors; the last good generation stays")
            }
        }
        self.take_back_firings();
        let mode = mode_word(&current.config.mode);
        if outcome == Reloaded::Swapped {
            self.follow(now, now).await;
            if before.config_text != current.config_text || before.config.mode != current.config.mode {
                self.live.mode(mode);
                self.live.quiet(current.quiet());
                self.change_servers(&current);
            }
        }
        if has_news || outcome == Reloaded::Swapped {
            self.tell_generation(now);
        }
    }

    /// Takes back the firings whose work has not begun: the rules as they are now decide about them anew.
    fn take_back_firings(&mut self) {
        let (firings, others) = self.jobs.drain(..).partition::<Vec<Job>, _>(|job| matches!(job, Job::Fire { .. }));
        self.jobs = others.into();
        for job in firings {
            if let Job::Fire { firings, .. } = job {
                for (firing, _) in firings {
                    self.busy.remove(&RuleId::new(&firing.rule_id));
                }
            }
        }
    }

    /// Takes the schedules of the generation in force into the agenda; one seen for the first time counts from `since`.
    async fn follow(&mut self, since: Timestamp, now: Timestamp) {
        let current = self.workspace.current();
        self.agenda_waits = None;
        if let Err(error) = self.agenda.follow(&current, mode_word(&current.config.mode), &self.parts.store, since).await {
            tracing::error!(%error, "The schedules could not be stored; it is tried again");
            self.live.fault(FaultKind::StoreFailed, "", &error.to_string(), now);
            self.agenda_waits = Some((since, now.saturating_add(RETRY_AFTER).unwrap_or(now)));
        }
        self.tell_next();
    }

    /// Follows the schedules again where that failed, or where a clock that ran ahead was set back.
    async fn keep_agenda(&mut self, now: Timestamp) {
        match self.agenda_waits {
            Some((since, again_at)) if again_at <= now => self.follow(since, now).await,
            None if self.agenda.is_ahead(&self.workspace.current(), now) => self.follow(now, now).await,
            _ => {}
        }
    }

    /// Ends everything that is under way, in bounded time.
    async fn stop(&mut self) {
        if let Some(delivery) = &self.delivery {
            delivery.stop();
        }
        // A step that was begun is done anew by the next process.
        if let Some(pruning) = self.pruning.take() {
            pruning.abort();
        }
        let all = async {
            if self.delivery.is_some() {
                drop(delivery::ended(&mut self.delivery).await);
            }
            if let Some(working) = self.working.take() {
                drop(working.await);
            }
        };
        if tokio::time::timeout(STOP_GRACE, all).await.is_err() {
            tracing::error!("Some work did not end in time and is cut off; nothing of it is stored");
        }
    }
}

/// Ends when the task does; never where there is none.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}
