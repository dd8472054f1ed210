//! `dunlin run`: check, decide, record, send what is due, and wait until the queue has drained. Where a daemon holds the
//! database, it does so, and this command only asks.

use std::sync::Arc;

use clap::Args;

use crate::cli::hand::{ask_yes, by_daemon, following, refused};
use crate::cli::outbox::failed as store_failed;
use crate::cli::print::{counted, fail, say};
use crate::cli::send::{RunView, composing, runtime, send_and_tell, tell_interrupted, tell_left_over, tell_withdrawn};
use crate::cli::session::{Session, tell};
use crate::cli::{Common, Exit, day, prerun};
use crate::clock::SystemClock;
use crate::domain::date::Date;
use crate::domain::problem::Severity;
use crate::engine::act::{Act, Context, Done, perform, person};
use crate::engine::checks::{Wanted, checks};
use crate::engine::run::recover;
use crate::engine::workspace::Workspace;

#[derive(Args, Debug)]
#[command(after_help = "Before it starts, it tells what is blocked, not approved, sent already or under way. On a terminal it \
    asks before it mails customers. While a daemon runs, the daemon makes the run and sends its mails.")]
pub(crate) struct RunArgs {
    /// Only this rule
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// Only this customer (by id) or invoice (by number), alone: one mail by hand, if it is due
    #[arg(long, value_name = "CUSTOMER|INVOICE")]
    only: Option<String>,
    /// Decide for this day instead of today (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    as_of: Option<Date>,
    /// Do not ask before sending
    #[arg(long)]
    yes: bool,
    /// Wait at most so many minutes for mails that servers put off, which then go with the next run; where a daemon sends,
    /// follow the run for so long
    #[arg(long, value_name = "MINUTES")]
    wait: Option<u64>,
}

pub(crate) fn run(common: &Common, args: &RunArgs) -> Exit {
    running(common, args).unwrap_or_else(|exit| exit)
}

fn running(common: &Common, args: &RunArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let has_errors = session.has_errors;
    let rules = session.rules(args.rule.as_deref())?;
    let as_of = session.day(args.as_of);
    check_day(as_of, session.day(None), &session.workspace)?;
    tell(&session.workspace.history_problems(), Severity::Warning);
    let (ledger, read_from) = session.ledger_to_send_by(as_of)?;
    let workspace = Arc::new(session.workspace);
    let wanted = Wanted { rules: &rules, only: args.only.as_deref(), as_of };
    let found = checks(&workspace, &ledger, &wanted).map_err(refused)?;
    prerun::tell(&found);
    let question = format!("Send {}?", counted(found.due, "mail", "mails"));
    if workspace.is_live() && found.due > 0 && !args.yes && !ask_yes(&question) {
        say("Nothing was sent");
        return Err(Exit::Failed);
    }
    let act = Act::Run { rule: args.rule.clone(), only: args.only.clone(), as_of: args.as_of };
    let exit = runtime()?.block_on(async {
        let mut view = RunView::of(0);
        view.checks = Some(found);
        view.away.clone_from(&workspace.away);
        if let Some(Done::Run(done)) = by_daemon(&workspace, &act).await? {
            view.decided(&done);
            tell_withdrawn(view.withdrawn);
            return following(common, &workspace, view, args.wait).await;
        }
        let parts = workspace.parts(Arc::new(SystemClock)).map_err(|fault| {
            fail(fault.to_string(), fault.hint());
            Exit::Failed
        })?;
        view.interrupted = recover(&parts).await.map_err(store_failed)?;
        tell_interrupted(view.interrupted);
        let (report, end) = composing();
        let context = Context { ledger: Some(ledger), report, ..Context::alone(workspace.clone(), parts.clone()) };
        let done = perform(&context, act, &person()).await;
        end();
        if let Done::Run(done) = done.map_err(refused)? {
            view.decided(&done);
        }
        tell_withdrawn(view.withdrawn);
        tell_left_over(view.left_over);
        drop(context);
        send_and_tell(common, &workspace, &parts, (as_of, read_from), args.wait, view).await
    })?;
    Ok(if exit == Exit::Done && has_errors { Exit::Problems } else { exit })
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
