//! A panic inside the program, at any moment at which it looks at the clock: before a connection, at the gate, between the
//! server's reply and its record, in the daemon's loop. The task it strikes is gone, the others may go on. Half of the time the
//! server misbehaves as well.

use std::collections::BTreeSet;
use std::panic;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dunlin::clock::SystemClock;
use dunlin::daemon::{Daemon, Nudge};
use dunlin::domain::date::Timestamp;
use dunlin::port::Clock;
use tokio::sync::mpsc;

use crate::account::{Books, disagreements};
use crate::chance::Chance;
use crate::kills::queued;
use crate::ledger::{LedgerServer, Misdeed, Mood};
use crate::workspace::{AS_OF, Workspace};

const MAILS: usize = 8;
/// How many moments are tried: every second look at the clock or so, until about all is sent.
const MOMENTS: u64 = 24;
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a daemon is given with a server that misbehaves: it may rest from that one for longer than anybody waits here.
const LITTLE_PATIENCE: Duration = Duration::from_secs(4);
/// What a server does that is over at once: the clock here is the system's, and deadlines are minutes.
const MISDEEDS: [Misdeed; 10] = [
    Misdeed::Goodbye,
    Misdeed::Drop,
    Misdeed::Reset,
    Misdeed::Garbage,
    Misdeed::TakeAndDrop,
    Misdeed::TakeAndReset,
    Misdeed::TakeAndLeave,
    Misdeed::LoseAndDrop,
    Misdeed::CutContent,
    Misdeed::LeaveInContent,
];
const WORDS: &str = "the clock fell off the wall";

/// The system's clock, until it is looked at for the last time.
struct Brittle {
    looks: AtomicU64,
    last: u64,
}

impl Clock for Brittle {
    fn now(&self) -> Timestamp {
        assert!(self.looks.fetch_add(1, Ordering::SeqCst) + 1 != self.last, "{WORDS}");
        SystemClock.now()
    }
}

#[test]
fn a_panic_at_any_moment_doubles_and_loses_nothing_whatever_the_server_does() {
    // The panics are meant; anybody else's are shown.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |told| {
        if !told.payload_as_str().is_some_and(|text| text.contains(WORDS)) {
            usual(told);
        }
    }));
    let next = AtomicU64::new(1);
    let struck = [AtomicU64::new(0), AtomicU64::new(0)];
    let misdeeds = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let moment = next.fetch_add(1, Ordering::SeqCst);
                    if moment > 2 * MOMENTS {
                        return;
                    }
                    let is_ill = moment > MOMENTS;
                    if strike_at(moment, is_ill, &misdeeds) {
                        struck[usize::from(is_ill)].fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let misdeeds = misdeeds.into_inner();
    println!("{misdeeds} misdeeds of the server");
    assert!(misdeeds >= MOMENTS / 2, "only {misdeeds} misdeeds");
    for (struck, server) in struck.into_iter().map(AtomicU64::into_inner).zip(["calm", "ill"]) {
        println!("a panic at {struck} of {MOMENTS} moments beside a server that is {server}");
        assert!(struck >= MOMENTS / 2, "only {struck} panics of {MOMENTS}: the daemon looks at its clock less often than that");
    }
}

/// Lets a daemon send with a clock that panics at one look, to a server that may misbehave; returns whether it did.
fn strike_at(moment: u64, is_ill: bool, misdeeds: &AtomicU64) -> bool {
    let server = LedgerServer::start(moment);
    server.set_mood(Mood::calm());
    let workspace = Workspace::new(server.port, MAILS);
    workspace.write(
        "config.yaml",
        &Workspace::config(server.port, "retry: { first: 1 s, most: 1 s }\ndaemon: { listen: \"127.0.0.1:0\" }\n"),
    );
    workspace.edit("config.yaml", "host: 127.0.0.1", &format!("host: {}", server.host));
    // Decided by a command that dies once its mails are stored; from then on the daemon sends.
    let mut run = program(&workspace).spawn().unwrap();
    assert!(server.wait_for(1, PATIENCE));
    run.kill().unwrap();
    run.wait().unwrap();
    if is_ill {
        server.set_mood(Mood { per_mille: 100, misdeeds: MISDEEDS.to_vec(), turn: 1, ..Mood::calm() });
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clock =
        Arc::new(Brittle { looks: AtomicU64::new(0), last: 2 * (moment % MOMENTS) + 2 + Chance::of(moment, &[]).between(0, 2) });
    let (root, given) = (workspace.path().to_owned(), clock.clone());
    let (nudges, taken) = mpsc::channel(8);
    let daemon = runtime.spawn(async move {
        if let Ok(daemon) = Daemon::start(&root, given).await {
            daemon.run(taken).await;
        }
    });
    let until = Instant::now() + if is_ill { LITTLE_PATIENCE } else { PATIENCE };
    let is_struck = || clock.looks.load(Ordering::SeqCst) >= clock.last;
    while !is_struck() && !daemon.is_finished() && queued(&workspace) > 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    runtime.block_on(async {
        // Where the daemon itself was struck nobody hears this any more.
        nudges.send(Nudge::Stop).await.ok();
        tokio::time::timeout(PATIENCE, daemon).await.expect("the daemon ends").ok();
    });
    runtime.shutdown_timeout(PATIENCE);
    misdeeds.fetch_add(server.misdeeds().values().sum(), Ordering::SeqCst);

    server.set_mood(Mood::calm());
    let ran = program(&workspace).output().unwrap();
    assert!(ran.status.success(), "moment {moment}: {}", String::from_utf8_lossy(&ran.stderr));
    let books = Books::read(&workspace.path().join("dunlin.db"));
    let faults = disagreements(MAILS, &books, &server.taken(), &BTreeSet::new());
    assert!(faults.is_empty(), "moment {moment}: {}", faults.join("\n"));
    is_struck()
}

fn program(workspace: &Workspace) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.args(["run", "--as-of", AS_OF, "--workspace"]).arg(workspace.path()).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}
