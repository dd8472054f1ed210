//! Sending from the command line: a run's mails go, with progress, and what became of them is told. Behind `run`,
//! `runs start` and `demo`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::cli::outbox::failed as store_failed;
use crate::cli::plan::{block_sentence, customer};
use crate::cli::print::{counted, fail, few, json, out, say};
use crate::cli::session::bar;
use crate::cli::{Common, Exit};
use crate::domain::date::Date;
use crate::engine::act::RunDone;
use crate::engine::checks::Checks;
use crate::engine::deliver::{DeliveryEnd, DeliveryProgress, DeliveryReport};
use crate::engine::holds::{HoldView, Outcome};
use crate::engine::home::Away;
use crate::engine::outbox::{MessageFilter, Outbox, StoreError, queued_count};
use crate::engine::recheck::LedgerState;
use crate::engine::run::{ComposeProgress, Counts, Parts, counts, send};
use crate::engine::workspace::Workspace;
use crate::outbox::diagnosis::diagnose_words;
use crate::outbox::state::State;

/// How a run ended for this command where the daemon goes on with it.
pub(crate) const WITH_DAEMON: &str = "with_daemon";

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct RunView {
    pub(crate) run: i64,
    pub(crate) as_of: Option<Date>,
    pub(crate) end: &'static str,
    /// How the messages of this run stand.
    pub(crate) counts: Counts,
    /// How many attempts of this process led to each state, messages left over from earlier runs among them.
    pub(crate) ended: BTreeMap<&'static str, u64>,
    pub(crate) declined: usize,
    pub(crate) left_over: usize,
    pub(crate) withdrawn: usize,
    pub(crate) interrupted: usize,
    /// Holds whose day the run found passed.
    pub(crate) ended_holds: Vec<HoldView>,
    /// Matches that the run found in the books.
    pub(crate) booked_matches: Vec<i64>,
    pub(crate) server_faults: Vec<ServerFaultView>,
    /// In what the database is not at home; nothing where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) away: Option<Away>,
    /// What was found before it started; none with `runs start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checks: Option<Checks>,
}

impl RunView {
    /// Returns the view of a run of which nothing is known yet.
    pub(crate) fn of(run: i64) -> Self {
        Self {
            run,
            as_of: None,
            end: WITH_DAEMON,
            counts: Counts(State::ALL.into_iter().map(|state| (state.as_str(), 0)).collect()),
            ended: BTreeMap::new(),
            declined: 0,
            left_over: 0,
            withdrawn: 0,
            interrupted: 0,
            ended_holds: Vec::new(),
            booked_matches: Vec::new(),
            server_faults: Vec::new(),
            away: None,
            checks: None,
        }
    }

    /// Takes in what was decided.
    pub(crate) fn decided(&mut self, done: &RunDone) {
        (self.run, self.as_of) = (done.run, Some(done.as_of));
        (self.declined, self.left_over, self.withdrawn) = (done.declined, done.left_over, done.withdrawn);
        self.ended_holds.clone_from(&done.ended_holds);
        self.booked_matches.clone_from(&done.booked_matches);
        self.counted(&done.counts);
    }

    /// Takes in how the messages stand.
    pub(crate) fn counted<W: AsRef<str>>(&mut self, counts: &BTreeMap<W, u64>) {
        for (state, count) in counts {
            if let Some(state) = State::parse(state.as_ref()) {
                self.counts.0.insert(state.as_str(), *count);
            }
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ServerFaultView {
    server: String,
    fault: String,
}

/// Returns the runtime that sends; two threads are enough, since sending waits far more than it computes.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
        fail(format!("Cannot start the runtime: {error}"), None);
        Exit::Failed
    })
}

/// Returns what shows how composing goes on, and what ends the showing.
pub(crate) fn composing() -> (Arc<ComposeProgress>, impl FnOnce()) {
    let bar = bar("Composing", "{pos} of {len}");
    let shown = bar.clone();
    let report = Arc::new(move |done: usize, all: usize| {
        shown.set_length(all as u64);
        shown.set_position(done as u64);
    });
    (report, move || bar.finish_and_clear())
}

/// Sends what is queued, tells what became of the run, and returns how the command ends.
pub(crate) async fn send_and_tell(
    common: &Common,
    workspace: &Arc<Workspace>,
    parts: &Parts,
    read: (Date, LedgerState),
    wait: Option<u64>,
    mut view: RunView,
) -> Result<Exit, Exit> {
    let (as_of, read_from) = read;
    let report = deliver(workspace, parts, as_of, read_from, wait).await?;
    view.counts = counts(&parts.store, view.run).map_err(store_failed)?;
    view.end = end_word(&report.end);
    view.ended.clone_from(&report.ended);
    view.server_faults = report
        .server_faults
        .iter()
        .map(|(server, fault)| ServerFaultView { server: server.to_string(), fault: fault.clone() })
        .collect();
    tell_view(common, workspace, &view)?;
    Ok(tell_end(&report))
}

/// Prints what became of a run.
pub(crate) fn tell_view(common: &Common, workspace: &Workspace, view: &RunView) -> Result<(), Exit> {
    if common.json {
        json(view);
        return Ok(());
    }
    tell_after_sending(view);
    tell_ended_holds(&view.ended_holds);
    tell_booked(&view.booked_matches);
    tell_what_stands_still(workspace, view.run, &view.counts.0).map_err(store_failed)
}

/// Sends until nothing is queued, showing progress. Ctrl-C, a request to end, or the end of `wait_minutes` ends it and
/// leaves the rest queued.
pub(crate) async fn deliver(
    workspace: &Arc<Workspace>,
    parts: &Parts,
    as_of: Date,
    read_from: LedgerState,
    wait_minutes: Option<u64>,
) -> Result<DeliveryReport, Exit> {
    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    let (wants_stop, waits_only) = (stop.clone(), Arc::new(AtomicBool::new(false)));
    let is_waiting = waits_only.clone();
    let listener = tokio::spawn(async move {
        let patience = async {
            match wait_minutes {
                Some(minutes) => tokio::time::sleep(Duration::from_secs(minutes.saturating_mul(60))).await,
                None => std::future::pending().await,
            }
            // Not before everything has been tried once: only waiting has an end.
            while !is_waiting.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = asked_to_end() => say("\nStopping: mails under way end first, the rest stays queued (once more ends at once)"),
            () = patience => say("\nThe time to wait is over; what is queued goes with the next run"),
        }
        if wants_stop.send(true).is_err() {
            return; // The delivery has ended by itself.
        }
        asked_to_end().await;
        say("Ended at once; mails under way become `unknown` at the next start");
        std::process::exit(1);
    });
    let queued = queued_count(&parts.store).map_err(store_failed)?;
    let bar = bar("Sending", "{pos} of {len}");
    bar.set_length(queued);
    let shown = bar.clone();
    let mut told_of_waiting = false;
    let mut report = move |progress: &DeliveryProgress| {
        let ended = progress.ended.iter().filter(|(state, _)| **state != "queued").map(|(_, count)| count).sum();
        shown.set_position(ended);
        waits_only.store(progress.waiting_until.is_some(), Ordering::SeqCst);
        shown.set_message(match progress.waiting_until {
            Some(until) => format!("waiting until {} for the next attempt", until.strftime("%H:%M:%S UTC")),
            None => String::new(),
        });
        if let (Some(until), false) = (progress.waiting_until, told_of_waiting) {
            told_of_waiting = true;
            shown.suspend(|| {
                let until = until.strftime("%H:%M:%S UTC");
                say(format!(
                    "note: what could not be sent is tried again from {until} on; Ctrl-C leaves it queued for the next run"
                ));
            });
        }
    };
    let report = send(workspace, parts, as_of, read_from, stopped, &mut report).await;
    listener.abort();
    drop(stop);
    bar.finish_and_clear();
    report.map_err(store_failed)
}

/// Ends when the person or the system asks the program to end.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub(crate) fn tell_withdrawn(withdrawn: usize) {
    if withdrawn > 0 {
        let mails = counted(withdrawn, "mail", "mails");
        say(format!("note: {mails} withdrawn that had been queued and are no longer due as they were composed"));
    }
}

/// Tells of the holds that a run ended, a line each.
fn tell_ended_holds(holds: &[HoldView]) {
    for hold in holds {
        let what = format!("{} on {} until {}", hold.kind.as_str(), hold.subject, hold.until);
        match hold.outcome {
            Some(Outcome::Broken) => {
                say(format!("warning: a promise was broken: {what}; reminding goes on (hold {}, by {})", hold.id, hold.person));
            }
            Some(Outcome::Kept) => out(format!("A promise was kept: {what} (hold {})", hold.id)),
            None => out(format!("A hold has ended by itself: {what} (hold {}, by {})", hold.id, hold.person)),
        }
    }
}

/// Tells of the matches that a run found in the books.
fn tell_booked(matches: &[i64]) {
    if !matches.is_empty() {
        let ids: Vec<String> = matches.iter().map(ToString::to_string).collect();
        let payments = counted(matches.len(), "matched payment is", "matched payments are");
        out(format!("{payments} in the books now (match {})", few(&ids, NAMED_MAX as usize)));
    }
}

pub(crate) fn tell_interrupted(interrupted: usize) {
    if interrupted > 0 {
        let mails = counted(interrupted, "mail was", "mails were");
        say(format!(
            "warning: {mails} under way when an earlier run ended; nobody knows whether it arrived (`dunlin outbox --state unknown`)"
        ));
    }
}

pub(crate) fn tell_left_over(left_over: usize) {
    if left_over > 0 {
        say(format!("note: {} left over from earlier runs, sent with this one", counted(left_over, "mail", "mails")));
    }
}

fn tell_after_sending(view: &RunView) {
    let what = words(view.counts.0.iter());
    out(format!("Run {}: {}", view.run, if what.is_empty() { "nothing was due" } else { &what }));
    let of_others = view.ended.iter().map(|(state, count)| {
        let own = view.counts.0.get(state).copied().unwrap_or_default();
        (*state, count.saturating_sub(own))
    });
    let of_others: BTreeMap<&str, u64> = of_others.filter(|(state, _)| *state != "queued").collect();
    let what = words(of_others.iter());
    if view.left_over > 0 && !what.is_empty() {
        out(format!("Left over from earlier runs: {what}"));
    }
    let count = |state| view.counts.0.get(state).copied().unwrap_or_default();
    if count("blocked") + count("refused") + count("unknown") > 0 {
        say(format!("hint: `dunlin outbox --run {}` shows each with its reason", view.run));
    }
    if count("refused") + count("unknown") > 0 {
        say("hint: refused and unknown mails stand still until you decide: `dunlin outbox renew`, `cancel` or `accept`");
    }
    if count("waiting") > 0 {
        say(format!(
            "hint: look with `dunlin outbox --run {run}`, then `dunlin runs start {run}` sends what waits",
            run = view.run
        ));
    }
}

/// How many mails that did not go are named one by one.
const NAMED_MAX: u32 = 10;

/// Names the mails of a run that did not go, each with its reason or the server's words.
pub(crate) fn tell_what_stands_still(
    workspace: &Workspace,
    run_id: i64,
    counts: &BTreeMap<&'static str, u64>,
) -> Result<(), StoreError> {
    const STILL: [State; 4] = [State::Blocked, State::Refused, State::Unknown, State::Exhausted];
    let Some(outbox) = Outbox::open(workspace)? else { return Ok(()) };
    let count = STILL.iter().map(|state| counts.get(state.as_str()).copied().unwrap_or_default()).sum::<u64>();
    let filter = MessageFilter { run_id: Some(run_id), states: STILL.into(), ..MessageFilter::default() };
    let mut still = Vec::new();
    outbox.list(&filter, Some(NAMED_MAX), |mail| still.push(mail))?;
    for mail in still.iter().rev() {
        let attempts = outbox.find(mail.id)?.map(|file| file.attempts).unwrap_or_default();
        let words = attempts.last().and_then(|attempt| attempt.reply.clone().or(attempt.fault.clone()));
        let why =
            mail.detail.clone().or(words).or_else(|| mail.reason.as_deref().map(|reason| block_sentence(reason).to_owned()));
        let who = customer(&mail.customer, &mail.customer_name);
        out(format!("  {} {who}: {}", mail.state, why.unwrap_or_else(|| "no answer".to_owned())));
    }
    if count > still.len() as u64 {
        out(format!("  and {} more", count - still.len() as u64));
    }
    Ok(())
}

/// Returns `2 accepted, 1 blocked`, leaving out what there is none of.
pub(crate) fn words<'c>(counts: impl Iterator<Item = (&'c &'c str, &'c u64)>) -> String {
    let some: Vec<String> = counts.filter(|(_, count)| **count > 0).map(|(state, count)| format!("{count} {state}")).collect();
    some.join(", ")
}

/// Tells why a delivery ended before the queue had drained, and returns how the command ends.
pub(crate) fn tell_end(report: &DeliveryReport) -> Exit {
    for (server, fault) in &report.server_faults {
        let hint = match diagnose_words(fault) {
            Some(found) => format!("{} {} What is queued stays queued", found.meaning, found.next_step),
            None => "mend it in config.yaml; what is queued stays queued".to_owned(),
        };
        fail(format!("Server `{server}` takes nothing from us: {fault}"), Some(&hint));
    }
    for (run_id, words) in &report.halted {
        fail(
            format!("Run {run_id} was stopped: {words}"),
            Some(&format!(
                "`dunlin runs show {run_id}` tells more; `dunlin runs start {run_id}` lets the rest go, `runs close` does not"
            )),
        );
    }
    match &report.end {
        DeliveryEnd::Drained if report.server_faults.is_empty() && report.halted.is_empty() => Exit::Done,
        DeliveryEnd::Drained => Exit::Failed,
        DeliveryEnd::Stopped => {
            say("note: stopped; what is queued goes with the next run");
            Exit::Failed
        }
        DeliveryEnd::ServersFaulty => Exit::Failed,
        DeliveryEnd::StoreFailed(fault) => {
            fail(
                format!("Sending stopped, since results cannot be stored: {fault}"),
                Some("make room or mend the disk, then run again"),
            );
            Exit::Failed
        }
    }
}

fn end_word(end: &DeliveryEnd) -> &'static str {
    match end {
        DeliveryEnd::Drained => "drained",
        DeliveryEnd::Stopped => "stopped",
        DeliveryEnd::ServersFaulty => "servers_faulty",
        DeliveryEnd::StoreFailed(_) => "store_failed",
    }
}
