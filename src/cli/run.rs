//! `dunlin run`: decide, record, send what is due, and wait until the queue has drained.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::sync::watch;

use crate::cli::outbox::failed as store_failed;
use crate::cli::plan::{block_sentence, customer};
use crate::cli::print::{counted, fail, json, out, say};
use crate::cli::session::{Session, bar, tell};
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::ledger::Ledger;
use crate::domain::problem::Severity;
use crate::engine::act::person;
use crate::engine::deliver::{DeliveryEnd, DeliveryProgress, DeliveryReport};
use crate::engine::generation::RunGenerations;
use crate::engine::outbox::{MessageFilter, Outbox, StoreError, queued_count};
use crate::engine::recheck::LedgerState;
use crate::engine::run::{Cause, Committed, Counts, Order, Parts, approve, commit, counts, recover, send};
use crate::engine::workspace::Workspace;
use crate::rule::RuleSet;

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Only this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Decide for this day instead of today (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
    /// Send what an earlier run holds back for a person (`approve: true`, `run_guard`) and is still due; decide nothing new
    #[arg(long, value_name = "RUN", conflicts_with = "rule")]
    approve: Option<i64>,
    /// Wait at most so many minutes for mails that servers put off; what is queued then goes with the next run
    #[arg(long, value_name = "MINUTES")]
    wait: Option<u64>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct RunView {
    run: i64,
    as_of: Option<Date>,
    end: &'static str,
    /// How the messages of this run stand.
    counts: Counts,
    /// How many attempts of this process led to each state, messages left over from earlier runs among them.
    ended: BTreeMap<&'static str, u64>,
    declined: usize,
    left_over: usize,
    withdrawn: usize,
    interrupted: usize,
    server_faults: Vec<ServerFaultView>,
}

#[derive(Debug, Serialize)]
struct ServerFaultView {
    server: String,
    fault: String,
}

pub(crate) fn run(common: &Common, args: &RunArgs) -> Exit {
    running(common, args).unwrap_or_else(|exit| exit)
}

fn running(common: &Common, args: &RunArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let has_errors = session.has_errors;
    let rules = Arc::new(session.rules(args.rule.as_deref())?);
    let as_of = session.day(args.as_of);
    check_day(as_of, session.day(None), &session.workspace)?;
    tell(&session.workspace.history_problems(), Severity::Warning);
    let (ledger, read_from) = session.ledger_with_state(as_of)?;
    let workspace = Arc::new(session.workspace);
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let parts = workspace.parts(Arc::new(SystemClock)).map_err(|fault| {
            fail(fault.to_string(), fault.hint());
            Exit::Failed
        })?;
        let mut view = RunView {
            run: args.approve.unwrap_or_default(),
            as_of: None,
            end: "",
            counts: Counts(Default::default()),
            ended: BTreeMap::new(),
            declined: 0,
            left_over: 0,
            withdrawn: 0,
            interrupted: 0,
            server_faults: Vec::new(),
        };
        view.interrupted = recover(&parts).await.map_err(store_failed)?;
        tell_interrupted(view.interrupted);
        if let Some(run_id) = args.approve {
            view.withdrawn = release(&workspace, run_id, &ledger, as_of, &parts).await?;
        } else {
            let committed = decide(&workspace, &rules, args.rule.clone(), &ledger, as_of, &parts).await?;
            view.as_of = Some(as_of);
            view.declined = committed.plan.declined_count();
            (view.run, view.left_over) = (committed.run_id, committed.left_over);
            view.withdrawn = committed.withdrawn;
            tell_before_sending(&committed);
        }
        let report = deliver(&workspace, &parts, as_of, read_from, args.wait).await?;
        view.counts = counts(&parts.store, view.run).map_err(store_failed)?;
        view.end = end_word(&report.end);
        view.ended.clone_from(&report.ended);
        view.server_faults = report
            .server_faults
            .iter()
            .map(|(server, fault)| ServerFaultView { server: server.to_string(), fault: fault.clone() })
            .collect();
        if common.json {
            json(&view);
        } else {
            tell_after_sending(&view);
            tell_what_stands_still(&workspace, view.run).map_err(store_failed)?;
        }
        Ok(tell_end(&report))
    })?;
    Ok(if exit == Exit::Done && has_errors { Exit::Problems } else { exit })
}

/// Returns the runtime that sends; two threads are enough, since sending waits far more than it computes.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
        fail(format!("Cannot start the runtime: {error}"), None);
        Exit::Failed
    })
}

/// Decides and stores, showing progress.
pub(crate) async fn decide(
    workspace: &Arc<Workspace>,
    rules: &Arc<RuleSet>,
    only_rule: Option<String>,
    ledger: &Arc<Ledger>,
    as_of: Date,
    parts: &Parts,
) -> Result<Committed, Exit> {
    let bar = bar("Composing", "{pos} of {len}");
    let shown = bar.clone();
    let report = Arc::new(move |done: usize, all: usize| {
        shown.set_length(all as u64);
        shown.set_position(done as u64);
    });
    let order = Order {
        rules: rules.clone(),
        only_rule,
        ledger: ledger.clone(),
        as_of,
        scheduled_on: as_of,
        cause: Cause::Person(person()),
    };
    let generations = RunGenerations::new(workspace.clone());
    let committed = commit(&generations, workspace.clone(), order, parts, report).await;
    bar.finish_and_clear();
    committed.map_err(store_failed)
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

/// Refuses to mail customers for a day that has not come, and tells what a day of the past means.
fn check_day(as_of: Date, today: Date, workspace: &Workspace) -> Result<(), Exit> {
    if !workspace.is_live() || as_of == today {
        return Ok(());
    }
    if as_of > today {
        fail(
            format!("{as_of} has not come, and mails for it cannot be sent today"),
            Some("`dunlin plan --as-of`, `mode: redirect` and `mode: dry` look ahead"),
        );
        return Err(Exit::Failed);
    }
    say(format!("note: deciding for {as_of}, not for today ({today}): what was paid since then is not seen"));
    Ok(())
}

/// Releases what a run holds back, and returns how many of its mails were withdrawn as no longer due.
async fn release(workspace: &Arc<Workspace>, run_id: i64, ledger: &Ledger, as_of: Date, parts: &Parts) -> Result<usize, Exit> {
    let (released, withdrawn) =
        approve(&RunGenerations::new(workspace.clone()), run_id, ledger, as_of, parts).await.map_err(store_failed)?;
    if released == 0 {
        fail(
            format!("Run {run_id} holds no waiting mail"),
            Some("`dunlin outbox --state waiting` lists what waits; only mails of the present `mode` can go"),
        );
        return Err(Exit::Failed);
    }
    say(format!("{} of run {run_id} released", counted(released - withdrawn.min(released), "mail", "mails")));
    tell_withdrawn(withdrawn);
    Ok(withdrawn)
}

fn tell_withdrawn(withdrawn: usize) {
    if withdrawn > 0 {
        let mails = counted(withdrawn, "mail", "mails");
        say(format!("note: {mails} of an earlier run withdrawn, since the ledger has changed"));
    }
}

fn tell_interrupted(interrupted: usize) {
    if interrupted > 0 {
        let mails = counted(interrupted, "mail was", "mails were");
        say(format!(
            "warning: {mails} under way when an earlier run ended; nobody knows whether it arrived (`dunlin outbox --state unknown`)"
        ));
    }
}

fn tell_before_sending(committed: &Committed) {
    tell_withdrawn(committed.withdrawn);
    if committed.left_over > 0 {
        say(format!("note: {} left over from earlier runs, sent with this one", counted(committed.left_over, "mail", "mails")));
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
            "hint: look with `dunlin outbox --run {run}`, then `dunlin run --approve {run}` sends what waits",
            run = view.run
        ));
    }
}

/// How many mails that did not go are named one by one.
const NAMED_MAX: usize = 10;

/// Names the mails of a run that did not go, each with its reason or the server's words.
fn tell_what_stands_still(workspace: &Workspace, run_id: i64) -> Result<(), StoreError> {
    let Some(outbox) = Outbox::open(workspace)? else { return Ok(()) };
    let mut still = Vec::new();
    let filter = MessageFilter { run_id: Some(run_id), ..MessageFilter::default() };
    outbox.list(&filter, |mail| {
        if ["blocked", "refused", "unknown", "exhausted"].contains(&mail.state.as_str()) {
            still.push(mail);
        }
    })?;
    still.reverse();
    for mail in still.iter().take(NAMED_MAX) {
        let attempts = outbox.find(mail.id)?.map(|file| file.attempts).unwrap_or_default();
        let words = attempts.last().and_then(|attempt| attempt.reply.clone().or(attempt.fault.clone()));
        let why =
            mail.detail.clone().or(words).or_else(|| mail.reason.as_deref().map(|reason| block_sentence(reason).to_owned()));
        let who = customer(&mail.customer, &mail.customer_name);
        out(format!("  {} {who}: {}", mail.state, why.unwrap_or_else(|| "no answer".to_owned())));
    }
    if still.len() > NAMED_MAX {
        out(format!("  and {} more", still.len() - NAMED_MAX));
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
        fail(
            format!("Server `{server}` takes nothing from us: {fault}"),
            Some("mend it in config.yaml; what is queued stays queued"),
        );
    }
    match &report.end {
        DeliveryEnd::Drained if report.server_faults.is_empty() => Exit::Done,
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
