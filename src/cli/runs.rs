//! `dunlin runs`: every run with its state and counts, one run with all that is kept of it, and starting, stopping and
//! closing runs.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json as object;

use crate::cli::hand::{by_daemon, done as act_done, following, refused};
use crate::cli::outbox::{act_lines, failed, look_at, reason_sentence};
use crate::cli::plan::customer;
use crate::cli::print::{counted, fail, few, json, number, out, say, table};
use crate::cli::send::{
    RunView as SentView, runtime, send_and_tell, tell_interrupted, tell_what_stands_still, tell_withdrawn, words,
};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day, wrong_use};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::engine::act::{Act, Context, Done, perform, person, without_database};
use crate::engine::run::recover;
use crate::engine::runs::{RunFile, RunFilter, RunState, RunView, Runs, WaitingFile};

#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    filter: ListArgs,
    #[command(subcommand)]
    verb: Option<RunsVerb>,
}

/// Which runs are meant.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
struct ListArgs {
    /// Only runs of this rule, alone or among others
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only runs in this state
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<RunState>,
    /// Only runs for this day or a later one
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<Date>,
    /// Only runs for this day or an earlier one
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Date>,
    /// At most so many, the newest first; --json has no limit of its own
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum RunsVerb {
    /// Show one run: what was decided and why, how its mails stand, what people did with it
    Show {
        /// The run's id, as the list shows it
        run: i64,
    },
    /// Let the mails of a run go that wait for a person (`approve: true`, `run_guard`, stopped) and are still due
    Start {
        /// The run's id
        run: i64,
        /// Hold it against the ledger as of this day instead of today (YYYY-MM-DD)
        #[arg(long, value_name = "DATE", value_parser = day)]
        as_of: Option<Date>,
        /// Wait at most so many minutes for mails that servers put off; where a daemon sends, follow the run for so long
        #[arg(long, value_name = "MINUTES")]
        wait: Option<u64>,
    },
    /// Hold back what a run has queued, until it is started or closed; mails on the wire end by themselves
    Stop {
        /// The run's id
        run: i64,
    },
    /// Cancel what a run has not sent, for good; the invoices go on to the next level when its day comes
    Close {
        /// The run's id
        run: i64,
    },
    /// Show what became of every scheduled time: which run it led to, or why it was left out
    Firings {
        /// Only this rule's
        #[arg(long, value_name = "ID")]
        rule: Option<String>,
        /// At most so many, the newest first; --json has no limit of its own
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
    },
}

/// How many lines a list for people shows where nothing else is asked for.
const LIST_DEFAULT: u32 = 100;

pub(crate) fn runs(common: &Common, args: &RunsArgs) -> Exit {
    let none = ListArgs { rule: None, state: None, from: None, until: None, limit: None };
    if args.verb.is_some() && args.filter != none {
        wrong_use("filters of the list cannot stand before a verb; write what belongs to it behind it");
    }
    done(common, args).unwrap_or_else(|exit| exit)
}

fn done(common: &Common, args: &RunsArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    match &args.verb {
        None => look(common, &session, |runs| list(common, runs, &args.filter)),
        Some(RunsVerb::Show { run }) => look(common, &session, |runs| show(common, &session, runs, *run)),
        Some(RunsVerb::Firings { rule, limit }) => look(common, &session, |runs| firings(common, runs, rule.as_deref(), *limit)),
        Some(RunsVerb::Start { run, as_of, wait }) => start(common, session, *run, *as_of, *wait),
        Some(RunsVerb::Stop { run }) => steer(common, session, Act::StopRun { run: *run }),
        Some(RunsVerb::Close { run }) => steer(common, session, Act::CloseRun { run: *run }),
    }
}

/// Lets `at` look at the runs, if there are any.
fn look(common: &Common, session: &Session, at: impl FnOnce(&Runs) -> Result<Exit, Exit>) -> Result<Exit, Exit> {
    look_at(common, Runs::open(&session.workspace).map_err(failed)?, at)
}

fn list(common: &Common, runs: &Runs, args: &ListArgs) -> Result<Exit, Exit> {
    let limit = if common.json { args.limit } else { Some(args.limit.unwrap_or(LIST_DEFAULT)) };
    let filter = RunFilter { id: None, rule_id: args.rule.clone(), state: args.state, from: args.from, until: args.until, limit };
    let found = runs.list(&filter).map_err(failed)?;
    if common.json {
        found.iter().for_each(json);
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        out("No run matches");
        return Ok(Exit::Done);
    }
    let mut rows = table(&["Run", "Rule", "For", "Started", "By", "State", "Mails"]);
    for run in &found {
        rows.add_row([
            number(run.id),
            subject(run).into(),
            run.as_of.clone().into(),
            run.started_at.strftime("%Y-%m-%d %H:%M UTC").to_string().into(),
            cause(run).into(),
            run.state.as_str().into(),
            words(run.counts.iter()).into(),
        ]);
    }
    out(rows.to_string());
    let more = if limit.is_some_and(|limit| found.len() as u32 == limit) { "; --limit shows more" } else { "" };
    out(format!("{}{more}", counted(found.len(), "run", "runs")));
    Ok(Exit::Done)
}

fn show(common: &Common, session: &Session, runs: &Runs, id: i64) -> Result<Exit, Exit> {
    let Some(RunFile { run, decisions, acts, waiting }) = runs.find(id).map_err(failed)? else {
        fail(format!("There is no run {id}"), Some("`dunlin runs` lists them"));
        return Err(Exit::Failed);
    };
    if common.json {
        json(&object!({ "run": run, "decisions": decisions, "acts": acts, "waiting": waiting }));
        return Ok(Exit::Done);
    }
    out(format!("Run {id}: {}, {}", run.state.as_str(), run.state.sentence()));
    out(format!("  {} for {}, mode {}", subject(&run), run.as_of, run.mode));
    out(format!("  asked for by {}", cause(&run)));
    out(format!("  generation {}", run.generation));
    out(format!("  started {}", run.started_at));
    for (word, at) in [("stopped", run.stopped_at), ("closed", run.closed_at), ("finished", run.finished_at)] {
        if let Some(at) = at {
            out(format!("  {word} {at}"));
        }
    }
    let mails = words(run.counts.iter());
    out(format!("  mails: {}", if mails.is_empty() { "none" } else { &mails }));
    for line in &decisions {
        let why = if line.verdict == "due" { String::new() } else { format!(": {}", reason_sentence(&line.reason)) };
        let why = line.yields_to.as_ref().map_or(why.clone(), |rule| format!("{why} (rule {rule})"));
        out(format!("  rule {}: {} {}{why}", line.rule, line.count, line.verdict));
    }
    if !decisions.is_empty() {
        say(format!("hint: `dunlin explain CUSTOMER --run {id}` tells why one customer got a mail or none"));
    }
    act_lines(&acts);
    if let Some(waiting) = &waiting {
        show_waiting(id, waiting);
    }
    tell_what_stands_still(&session.workspace, id, &run.counts).map_err(failed)?;
    Ok(Exit::Done)
}

/// Tells what would go if a person let it.
fn show_waiting(id: i64, waiting: &WaitingFile) {
    let WaitingFile { mails, usual } = waiting;
    let all: u64 = mails.reasons.values().sum();
    let why = mails.reasons.iter().map(|(reason, count)| format!("{count}: {}", reason_sentence(reason)));
    out(format!("\nWaiting for you: {}", counted(all as usize, "mail", "mails")));
    why.for_each(|why| out(format!("  {why}")));
    let mut rows = table(&["Rule", "Level", "Mails", "About"]);
    for group in &mails.groups {
        let level = if group.level.is_empty() { "-" } else { &group.level };
        rows.add_row([
            group.rule.clone().into(),
            level.into(),
            number(group.count),
            number(format!("{} {}", group.sum, group.currency)),
        ]);
    }
    out(rows.to_string());
    let sums: Vec<String> = mails.sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
    out(format!("  together about {}", sums.join(" and ")));
    for rule in &mails.rules {
        let past = match usual.get(&rule.rule) {
            Some(usual) => format!("usually {usual}"),
            None if rule.before.is_empty() => "no run before it had any".to_owned(),
            None => format!("runs before it had {}", few(&rule.before.iter().map(u64::to_string).collect::<Vec<_>>(), 5)),
        };
        out(format!("  rule {}: {}; {past}", rule.rule, counted(rule.count as usize, "mail", "mails")));
    }
    out("The largest:");
    let mut rows = table(&["Mail", "Customer", "Level", "About", "To", "Subject"]);
    for sample in &mails.samples {
        rows.add_row([
            number(sample.id),
            customer(&sample.customer, &sample.customer_name).into(),
            sample.level.clone().into(),
            number(format!("{} {}", sample.total, sample.currency)),
            sample.to.join("\n").into(),
            sample.subject.clone().into(),
        ]);
    }
    out(rows.to_string());
    say(format!(
        "hint: `dunlin outbox show MAIL` shows one whole; `dunlin runs start {id}` lets all go that is still due, `dunlin runs close {id}` none"
    ));
}

fn firings(common: &Common, runs: &Runs, rule: Option<&str>, limit: Option<u32>) -> Result<Exit, Exit> {
    let limit = if common.json { limit } else { Some(limit.unwrap_or(LIST_DEFAULT)) };
    let found = runs.firings(rule, limit).map_err(failed)?;
    if common.json {
        found.iter().for_each(json);
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        out("No firing yet");
        return Ok(Exit::Done);
    }
    let mut rows = table(&["Rule", "Local time", "Zone", "Outcome", "Run", "Why"]);
    for firing in found {
        rows.add_row([
            firing.rule.into(),
            firing.local_time.into(),
            firing.time_zone.into(),
            firing.outcome.into(),
            number(firing.run.map_or_else(String::new, |run| run.to_string())),
            firing.reason.unwrap_or_default().into(),
        ]);
    }
    out(rows.to_string());
    Ok(Exit::Done)
}

/// Releases what waits, and sends it: through the daemon, or here.
fn start(common: &Common, session: Session, run: i64, as_of: Option<Date>, wait: Option<u64>) -> Result<Exit, Exit> {
    let act = Act::StartRun { run, as_of };
    let today = session.day(as_of);
    runtime()?.block_on(async {
        if let Some(done) = by_daemon(&session.workspace, &act).await? {
            let mut view = SentView::of(run);
            view.withdrawn = tell_started(&done);
            return following(common, &session.workspace, view, wait).await;
        }
        if !session.workspace.database_path().exists() {
            return Err(refused(without_database(&act)));
        }
        let (ledger, read_from) = session.ledger_to_send_by(today)?;
        let workspace = Arc::new(session.workspace);
        let parts = workspace.parts(Arc::new(SystemClock)).map_err(|fault| {
            fail(fault.to_string(), fault.hint());
            Exit::Failed
        })?;
        let mut view = SentView::of(run);
        view.interrupted = recover(&parts).await.map_err(failed)?;
        tell_interrupted(view.interrupted);
        let context = Context { ledger: Some(ledger), ..Context::alone(workspace.clone(), parts.clone()) };
        let done = perform(&context, act, &person()).await.map_err(refused)?;
        drop(context);
        view.withdrawn = tell_started(&done);
        send_and_tell(common, &workspace, &parts, (today, read_from), wait, view).await
    })
}

/// Tells what was released, and returns how many mails were withdrawn.
fn tell_started(done: &Done) -> usize {
    let Done::StartRun { run, released, withdrawn } = done else { return 0 };
    say(format!("{} of run {run} released", counted(released - withdrawn.min(released), "mail", "mails")));
    tell_withdrawn(*withdrawn);
    *withdrawn
}

fn steer(common: &Common, session: Session, act: Act) -> Result<Exit, Exit> {
    let done = act_done(&Arc::new(session.workspace), act)?;
    if common.json {
        json(&done);
        return Ok(Exit::Done);
    }
    let under_way = match done {
        Done::StopRun { run, stopped, under_way } => {
            out(format!(
                "Run {run} stopped: {} held back; `dunlin runs start {run}` lets them go",
                counted(stopped, "mail", "mails")
            ));
            under_way
        }
        Done::CloseRun { run, cancelled, under_way } => {
            out(format!("Run {run} closed: {} cancelled", counted(cancelled, "mail", "mails")));
            under_way
        }
        _ => 0,
    };
    if under_way > 0 {
        say(format!("note: {} on the wire, and end by themselves", counted(under_way, "mail is", "mails are")));
    }
    Ok(Exit::Done)
}

/// Returns what a run was about: `overdue`, `all rules`, `overdue, only C1`.
fn subject(run: &RunView) -> String {
    let rule = run.rule.clone().unwrap_or_else(|| "all rules".to_owned());
    let only = run.only.as_ref().and_then(|only| only.as_object()?.values().next()?.as_str());
    only.map_or(rule.clone(), |only| format!("{rule}, only {only}"))
}

/// Returns what a run was made for: a person's name, or its scheduled local time and zone.
fn cause(run: &RunView) -> String {
    match (&run.firing, &run.person) {
        (Some(firing), _) => format!("schedule, {} {}", firing.local_time, firing.time_zone),
        (None, Some(person)) => person.clone(),
        (None, None) => "unknown".to_owned(),
    }
}

fn state(word: &str) -> Result<RunState, String> {
    RunState::parse(word).ok_or_else(|| {
        let words: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        format!("the states are: {}", words.join(", "))
    })
}
