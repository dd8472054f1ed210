//! Doing an act: through the daemon where one holds the database, else here. And asking before much is done.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::outbox::failed as store_failed;
use crate::cli::print::{counted, fail, out, say};
use crate::cli::send::{RunView, WITH_DAEMON, runtime, tell_view};
use crate::cli::session::bar;
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::engine::act::{Act, ActFault, Answer, Context, Done, perform, person, without_database};
use crate::engine::door::{PATIENCE, knock};
use crate::engine::runs::{RunState, Runs};
use crate::engine::workspace::Workspace;

/// How often a run that the daemon sends is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does an act that sends nothing, through the daemon or here.
pub(crate) fn done(workspace: &Arc<Workspace>, act: Act) -> Result<Done, Exit> {
    runtime()?.block_on(async {
        if let Some(done) = by_daemon(workspace, &act).await? {
            return Ok(done);
        }
        let is_adopted = matches!(act, Act::Adopt { .. }) && workspace.away.is_some();
        if act.needs_past() && !workspace.database_path().exists() && !is_adopted {
            // Where nothing has run yet there is nothing to change, and no database to make for it.
            return Err(refused(without_database(&act)));
        }
        let parts = workspace.parts_without_servers(Arc::new(SystemClock)).map_err(store_failed)?;
        perform(&Context::alone(workspace.clone(), parts), act, &person()).await.map_err(refused)
    })
}

/// Hands an act to the daemon; `None` where no daemon runs.
pub(crate) async fn by_daemon(workspace: &Workspace, act: &Act) -> Result<Option<Done>, Exit> {
    match knock(&workspace.database_path(), act, PATIENCE).await {
        Ok(None) => Ok(None),
        Ok(Some(Answer::Done(done))) => Ok(Some(done)),
        Ok(Some(Answer::Failed { message, hint })) => {
            fail(message, hint.as_deref());
            Err(Exit::Failed)
        }
        Err(fault) => {
            fail(
                format!("The daemon gave no answer: {fault}"),
                Some("whether it did what was asked, `dunlin runs` and `dunlin outbox` tell"),
            );
            Err(Exit::Failed)
        }
    }
}

/// Tells why an act was not performed.
pub(crate) fn refused(fault: ActFault) -> Exit {
    fail(fault.to_string(), fault.hint().as_deref());
    Exit::Failed
}

/// Asks a person whether to go on. Where nobody sits at a terminal, the command itself was the answer.
pub(crate) fn ask_yes(question: &str) -> bool {
    if !is_asked() {
        return true;
    }
    say(format!("{question} [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// Returns whether somebody is there to be asked.
pub(crate) fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Tells of a run that the daemon sends; follows it for `wait` minutes, if that is asked for.
pub(crate) async fn following(
    common: &Common,
    workspace: &Workspace,
    mut view: RunView,
    wait: Option<u64>,
) -> Result<Exit, Exit> {
    if let Some(minutes) = wait {
        let patience = Duration::from_secs(minutes.saturating_mul(60));
        // A run that is still going when the time is over is told as it stands.
        drop(tokio::time::timeout(patience, follow(workspace, &mut view)).await);
    }
    // By now the daemon may be done with it.
    if let Some(run) = Runs::open(workspace).ok().flatten().and_then(|runs| runs.find(view.run).ok().flatten()) {
        view.counts = RunView::of(view.run).counts;
        view.counted(&run.run.counts);
    }
    if view.end != WITH_DAEMON {
        tell_view(common, workspace, &view)?;
        return Ok(Exit::Done);
    }
    if !common.json {
        let left: u64 = ["queued", "sending"].iter().filter_map(|state| view.counts.0.get(state)).sum();
        if left > 0 {
            out(format!("Run {}: the daemon sends {}", view.run, counted(left as usize, "mail", "mails")));
        }
    }
    tell_view(common, workspace, &view)?;
    say(format!("hint: `dunlin runs show {}` tells how it goes on", view.run));
    Ok(Exit::Done)
}

/// Looks at a run until nothing of it goes any more by itself.
async fn follow(workspace: &Workspace, view: &mut RunView) {
    let bar = bar("Sending", "{pos} of {len}");
    loop {
        // A database that cannot be read just now may be readable in a moment.
        let run = Runs::open(workspace).ok().flatten().and_then(|runs| runs.find(view.run).ok().flatten());
        if let Some(run) = run.map(|file| file.run) {
            view.counts = RunView::of(view.run).counts;
            view.counted(&run.counts);
            let count = |state: &str| run.counts.get(state).copied().unwrap_or_default();
            let all: u64 = run.counts.values().sum();
            bar.set_length(all);
            bar.set_position(all - count("queued") - count("sending"));
            if run.state != RunState::Sending {
                view.end = run.state.as_str();
                bar.finish_and_clear();
                return;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
