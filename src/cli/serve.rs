//! `dunlin serve`: the daemon in the foreground, as a service manager wants it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use crate::cli::print::{fail, say};
use crate::cli::send::runtime;
use crate::cli::session::tell;
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::daemon::{Daemon, Nudge, ServeFault};
use crate::domain::problem::Severity;

/// How long threads that read files may take to end once everything else has.
const THREADS_GRACE: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
#[command(
    after_help = "A saved file is taken up by itself; SIGHUP has the files looked at now. SIGTERM and Ctrl-C end it: mails \
    under way get half a minute to finish, and a second one ends it at once. While it runs, `dunlin run`, `runs` and `outbox` \
    work through it, and its health page is at http://127.0.0.1:9645/ unless config.yaml says otherwise."
)]
pub(crate) struct ServeArgs {}

pub(crate) fn serve(common: &Common, _: &ServeArgs) -> Exit {
    serving(common).unwrap_or_else(|exit| exit)
}

fn serving(common: &Common) -> Result<Exit, Exit> {
    let root = common.workspace.clone();
    let runtime = runtime()?;
    let end = runtime.block_on(async {
        let daemon = Daemon::start(&root, Arc::new(SystemClock)).await.map_err(|fault| refused(&fault))?;
        if let Some(address) = daemon.health_address() {
            say(format!("The health page is at http://{address}/"));
        }
        let (send, nudges) = mpsc::channel(8);
        let signals = tokio::spawn(listen(send));
        daemon.run(nudges).await;
        signals.abort();
        Ok(Exit::Done)
    });
    // A thread that waits for a file that never answers must not hold up the end.
    runtime.shutdown_timeout(THREADS_GRACE);
    end
}

/// Tells why the daemon cannot start.
fn refused(fault: &ServeFault) -> Exit {
    match fault {
        ServeFault::Problems(problems) => {
            tell(problems, Severity::Error);
            return Exit::Problems;
        }
        ServeFault::Start(start) => fail(start.to_string(), start.hint()),
        ServeFault::Store(_) | ServeFault::Door(_) => fail(fault.to_string(), None),
    }
    Exit::Failed
}

/// Turns the system's signals into nudges; the second wish to end ends at once.
async fn listen(nudges: mpsc::Sender<Nudge>) {
    let mut signals = Signals::new();
    let mut is_stopping = false;
    loop {
        let nudge = signals.next().await;
        if nudge == Nudge::Stop && is_stopping {
            say("Ended at once; mails under way become `unknown` at the next start");
            std::process::exit(1);
        }
        is_stopping |= nudge == Nudge::Stop;
        if nudges.send(nudge).await.is_err() && !is_stopping {
            return;
        }
    }
}

/// The signals that mean something to a daemon. Made once: a signal that came between two listeners would be lost.
#[cfg(unix)]
struct Signals {
    hangup: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).inspect_err(|error| tracing::error!(%error, "A signal of the system cannot be listened to")).ok();
        Self {
            hangup: listen(SignalKind::hangup()),
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
        }
    }

    async fn next(&mut self) -> Nudge {
        tokio::select! {
            () = came(&mut self.hangup) => Nudge::Reload,
            () = came(&mut self.terminate) => Nudge::Stop,
            () = came(&mut self.interrupt) => Nudge::Stop,
        }
    }
}

/// Ends when the signal comes; never where it cannot be listened to.
#[cfg(unix)]
async fn came(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> Nudge {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Nudge::Stop
    }
}
