//! The daemon: rules that fire once whatever the clock does, files that change under it, and what people ask of it while
//! it runs. In this process with a clock of the test's own, or as a real process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use dunlin::daemon::{Daemon, Nudge};
use dunlin::domain::date::Timestamp;
use dunlin::engine::act::{Act, Answer};
use dunlin::engine::door::{PATIENCE, knock};
use dunlin::engine::status::{Live, ReasonKind};
use dunlin::port::Clock;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use crate::server::{LONG, Server, reply};
use crate::workspace::Workspace;

/// A clock that stands still until the test moves it, and how often it was looked at.
pub struct Set(AtomicI64, AtomicI64);

impl Set {
    pub fn at(text: &str) -> Arc<Self> {
        let clock = Arc::new(Self(AtomicI64::new(0), AtomicI64::new(0)));
        clock.to(text);
        clock
    }

    pub fn to(&self, text: &str) {
        self.0.store(text.parse::<Timestamp>().unwrap().as_second(), Ordering::SeqCst);
    }
}

impl Clock for Set {
    fn now(&self) -> Timestamp {
        self.1.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A daemon that runs in this process.
pub struct Running {
    pub clock: Arc<Set>,
    nudges: mpsc::Sender<Nudge>,
    pub live: Live,
    ended: tokio::task::JoinHandle<()>,
}

impl Running {
    pub async fn start(workspace: &Workspace, clock: Arc<Set>) -> Self {
        let daemon = Daemon::start(workspace.path(), clock.clone()).await.unwrap();
        let (nudges, taken) = mpsc::channel(8);
        let live = daemon.live().clone();
        Self { clock, nudges, live, ended: tokio::spawn(daemon.run(taken)) }
    }

    /// Moves the clock and lets the daemon see it.
    pub async fn clock_to(&self, text: &str) {
        self.clock.to(text);
        self.nudge().await;
    }

    pub async fn nudge(&self) {
        self.nudges.send(Nudge::Reload).await.unwrap();
    }

    /// Waits, in the daemon's own time, until its files give what `is_so` asks for.
    pub async fn until(&self, is_so: impl Fn(&dunlin::engine::status::Status) -> bool) {
        come(|| is_so(&self.live.snapshot(None, self.clock.now()))).await;
    }

    pub async fn stop(self) {
        self.nudges.send(Nudge::Stop).await.unwrap();
        self.ended.await.unwrap();
    }
}

/// Ends a test that has waited since `began` for what does not come.
#[track_caller]
pub fn not_in_vain(began: Instant) {
    assert!(began.elapsed() < LONG, "what was waited for does not come");
}

/// Waits for something to come while the daemon's tasks go on.
pub async fn come(is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        not_in_vain(began);
        tokio::task::yield_now().await;
    }
}

/// Returns the rows of a query on a workspace's database, columns joined with blanks.
pub fn rows(workspace: &Workspace, sql: &str) -> Vec<String> {
    let connection = Connection::open_with_flags(workspace.path().join("dunlin.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

pub fn firings(workspace: &Workspace) -> Vec<String> {
    rows(workspace, "select local_time || ' ' || outcome || ' ' || coalesce(reason, '') from firing order by local_time")
}

/// A workspace whose rule fires at nine in Berlin, with a free port for the health page.
pub fn at_nine(port: u16, customers: usize) -> Workspace {
    let workspace = Workspace::new(port, customers);
    workspace.write("config.yaml", &Workspace::config(port, "daemon: { listen: \"127.0.0.1:0\" }\n"));
    workspace.edit("rules/overdue.yaml", "kind: reminder\n", "kind: reminder\nschedule: { cron: \"0 9 * * *\" }\n");
    workspace
}

/// Waits for mails while the daemon's tasks go on.
pub fn arrivals(server: &Server, count: usize) {
    tokio::task::block_in_place(|| server.wait_for(count));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_fires_once_whatever_the_clock_does() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 2);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    assert_eq!(firings(&workspace), Vec::<String>::new());
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    arrivals(&server, 2);
    // Set back to before nine, and on again: the firing is decided, and its mails are sent.
    daemon.clock_to("2026-03-10T07:58:00Z").await;
    daemon.clock_to("2026-03-10T08:00:30Z").await;
    daemon.stop().await;
    // A new process goes on where the last one was.
    let daemon = Running::start(&workspace, Set::at("2026-03-10T08:01:00Z")).await;
    daemon.nudge().await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);
    assert_eq!(server.taken().len(), 2);
    let states = rows(&workspace, "select distinct state from message");
    assert_eq!(states, ["accepted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_decided_by_the_rules_policy_and_each_firing_is_on_record() {
    for (policy, expected) in [
        ("latest", ["2026-03-10T09:00 missed superseded", "2026-03-11T09:00 missed superseded", "2026-03-12T09:00 ran "]),
        ("skip", ["2026-03-10T09:00 missed skip", "2026-03-11T09:00 missed skip", "2026-03-12T09:00 missed skip"]),
        ("all", ["2026-03-10T09:00 ran ", "2026-03-11T09:00 ran ", "2026-03-12T09:00 ran "]),
        (
            "latest, missed_within: 1 h",
            ["2026-03-10T09:00 missed too_old", "2026-03-11T09:00 missed too_old", "2026-03-12T09:00 missed too_old"],
        ),
    ] {
        let server = Server::willing();
        let workspace = at_nine(server.port, 1);
        workspace.edit("rules/overdue.yaml", "* * *\" }", &format!("* * *\", missed: {policy} }}"));
        Running::start(&workspace, Set::at("2026-03-09T20:00:00Z")).await.stop().await;
        let daemon = Running::start(&workspace, Set::at("2026-03-12T12:00:00Z")).await;
        daemon.until(|status| status.firings.iter().map(|firing| firing.count).sum::<u64>() == 3).await;
        daemon.stop().await;
        assert_eq!(firings(&workspace), expected, "{policy}");
        // Made up for, it decides for the day it is: one reminder, whatever the number of firings.
        let runs = rows(&workspace, "select distinct as_of from run");
        assert!(runs.is_empty() || runs == ["2026-03-12"], "{policy}: {runs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firing_that_finds_no_ledger_is_tried_again_and_not_lost() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    let invoices = workspace.read("invoices.csv");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:00Z")).await;
    workspace.write("invoices.csv", "number,customer,issued_on,due_on,total,settled_on\nINV-1,C0001,yesterday,,,\n");
    daemon.clock_to("2026-03-10T08:00:00Z").await;
    daemon.until(|status| !status.faults.is_empty()).await;
    assert_eq!(firings(&workspace), Vec::<String>::new());
    workspace.write("invoices.csv", &invoices);
    daemon.clock_to("2026-03-10T08:01:30Z").await;
    arrivals(&server, 1);
    daemon.until(|status| status.faults.is_empty()).await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_rule_pauses_and_once_mended_makes_up_for_what_it_missed() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    let rule = workspace.read("rules/overdue.yaml");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:00:00Z")).await;
    let before = daemon.live.snapshot(None, daemon.clock.now()).generation;
    workspace.edit("rules/overdue.yaml", "kind: reminder", "kind: remnider");
    daemon.nudge().await;
    daemon.until(|status| status.paused.iter().any(|paused| paused.rule == "overdue")).await;
    daemon.clock_to("2026-03-10T08:00:10Z").await;
    daemon.clock_to("2026-03-10T10:00:00Z").await;
    assert_eq!(firings(&workspace), Vec::<String>::new());
    assert_eq!(daemon.live.snapshot(None, daemon.clock.now()).generation, before);
    workspace.write("rules/overdue.yaml", &rule.replace("start: to_age", "description: mended\nstart: to_age"));
    daemon.nudge().await;
    arrivals(&server, 1);
    daemon.until(|status| status.paused.is_empty() && status.generation != before).await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_ran_ahead_does_not_silence_a_rule() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    Running::start(&workspace, Set::at("2036-03-10T07:00:00Z")).await.stop().await;
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:00:00Z")).await;
    daemon.clock_to("2026-03-10T08:00:00Z").await;
    arrivals(&server, 1);
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_daemon_left_queued_is_held_against_the_ledger_before_the_next_one_sends_it() {
    // Nobody listens there: the mails wait for their next attempt.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let workspace = at_nine(port, 2);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    daemon.until(|status| status.firings.iter().any(|firing| firing.count == 1)).await;
    daemon.stop().await;
    // One of them pays while no daemon runs.
    workspace.edit("invoices.csv", ",1.50,\n", ",1.50,2026-03-10\n");
    let server = Server::willing();
    workspace.edit("config.yaml", &format!("port: {port}"), &format!("port: {}", server.port));
    let daemon = Running::start(&workspace, Set::at("2026-03-10T09:00:00Z")).await;
    arrivals(&server, 1);
    daemon.stop().await;
    let states = rows(&workspace, "select customer_id || ' ' || state from message order by customer_id");
    assert_eq!(states, ["C0001 withdrawn", "C0002 accepted"]);
    assert_eq!(server.taken().len(), 1);
}

/// Runs a statement on a workspace's database, beside the daemon.
pub fn meddle(workspace: &Workspace, sql: &str) {
    Connection::open(workspace.path().join("dunlin.db")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firing_that_cannot_be_stored_is_not_passed_over_by_the_next_one_of_its_rule() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    workspace.edit("rules/overdue.yaml", "* * *\" }", "* * *\", missed: all }");
    Running::start(&workspace, Set::at("2026-03-09T20:00:00Z")).await.stop().await;
    meddle(
        &workspace,
        "create trigger fault before insert on firing when new.local_time like '2026-03-10%'
            begin select raise(abort, 'no room'); end",
    );
    let daemon = Running::start(&workspace, Set::at("2026-03-12T12:00:00Z")).await;
    daemon.until(|status| !status.faults.is_empty()).await;
    meddle(&workspace, "drop trigger fault");
    daemon.clock_to("2026-03-12T12:01:30Z").await;
    daemon.until(|status| status.faults.is_empty()).await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran ", "2026-03-11T09:00 ran ", "2026-03-12T09:00 ran "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_whose_schedule_could_not_be_stored_at_once_fires_all_the_same() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:50:00Z")).await;
    meddle(
        &workspace,
        "create trigger fault before insert on rule_schedule when new.rule_id = 'second'
            begin select raise(abort, 'no room'); end",
    );
    workspace.write("rules/second.yaml", &workspace.read("rules/overdue.yaml").replace("id: overdue", "id: second"));
    daemon.nudge().await;
    daemon.until(|status| !status.faults.is_empty()).await;
    meddle(&workspace, "drop trigger fault");
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    daemon.until(|status| status.firings.iter().filter(|firing| firing.count == 1).count() == 2).await;
    daemon.stop().await;
    let fired = rows(&workspace, "select rule_id || ' ' || local_time || ' ' || outcome from firing order by rule_id");
    assert_eq!(fired, ["overdue 2026-03-10T09:00 ran", "second 2026-03-10T09:00 ran"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_runs_ahead_and_is_set_back_while_the_daemon_runs_silences_no_rule() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:00:00Z")).await;
    daemon.clock_to("2026-05-10T07:00:01Z").await;
    daemon.until(|status| status.firings.iter().any(|firing| firing.outcome.as_str() == "ran")).await;
    daemon.clock_to("2026-03-11T07:00:00Z").await;
    daemon.clock_to("2026-03-11T08:00:01Z").await;
    let is_next = |status: &dunlin::engine::status::Status| {
        status.next_firings.first().is_some_and(|next| next.at.to_string() == "2026-03-12T08:00:00Z")
    };
    daemon.until(is_next).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_somebody_is_still_writing_is_not_read() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:00Z")).await;
    // Three seconds before nine: cut in the middle of its last amount it would look whole.
    let written: Timestamp = "2026-03-10T07:59:57Z".parse().unwrap();
    workspace.changed_at("invoices.csv", written);
    daemon.clock_to("2026-03-10T08:00:00Z").await;
    daemon.until(|status| status.faults.iter().any(|fault| fault.words.contains("may not be whole yet"))).await;
    assert_eq!(firings(&workspace), Vec::<String>::new());
    daemon.clock_to("2026-03-10T08:01:01Z").await;
    arrivals(&server, 1);
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_run_by_hand_nor_the_re_check_takes_an_export_that_somebody_is_still_writing() {
    let (server, is_busy) = Server::busy();
    let workspace = at_nine(server.port, 2);
    workspace.edit("config.yaml", "daemon:", "retry: { first: 1 s, most: 1 s, give_up_after: 2 h }\ndaemon:");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T09:00:00Z")).await;
    let by_hand = || knocked(&workspace, Act::Run { rule: None, only: None, as_of: None });
    let written = |at: &str| workspace.changed_at("invoices.csv", at.parse().unwrap());

    written("2026-03-10T08:59:57Z");
    let Answer::Failed { message, hint } = by_hand().await else { panic!("it was run") };
    assert_eq!(message, "`invoices.csv` was written to a moment ago and may not be whole yet");
    assert_eq!(hint.as_deref(), Some("ask again in ten seconds"));
    assert_eq!(rows(&workspace, "select 'run' from run"), Vec::<String>::new());

    // At rest it is read, and both mails are put off; then somebody begins to write it anew.
    daemon.clock.to("2026-03-10T09:00:07Z");
    assert!(matches!(by_hand().await, Answer::Done(_)));
    daemon.until(|status| status.attempts.iter().map(|attempts| attempts.count).sum::<u64>() == 2).await;
    is_busy.store(false, Ordering::SeqCst);
    workspace.edit("invoices.csv", ",1.50,\n", ",1.50,2026-03-10\n");
    written("2026-03-10T09:01:57Z");
    daemon.clock_to("2026-03-10T09:02:00Z").await;
    daemon.until(|status| status.faults.iter().any(|fault| fault.words.contains("may not be whole yet"))).await;
    assert_eq!(server.taken().len(), 0);
    daemon.clock_to("2026-03-10T09:03:01Z").await;
    // Any act wakes whoever sends, which would otherwise sleep on by the system's clock.
    assert!(matches!(knocked(&workspace, Act::StopRun { run: 99 }).await, Answer::Failed { .. }));
    arrivals(&server, 1);
    daemon.until(|status| status.faults.is_empty()).await;
    daemon.stop().await;
    let states = rows(&workspace, "select customer_id || ' ' || state from message order by customer_id");
    assert_eq!(states, ["C0001 withdrawn", "C0002 accepted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_too_old_stops_runs_and_what_is_queued_and_is_made_up_for_once_it_is_new() {
    let (server, is_busy) = Server::busy();
    let workspace = at_nine(server.port, 1);
    workspace.edit("config.yaml", "daemon:", "retry: { first: 1 s, most: 1 s, give_up_after: 20 days }\ndaemon:");
    workspace.edit("config.yaml", "  currency: EUR", "  currency: EUR\n  max_age: 24 h");
    let written = |at: &str| ["customers.csv", "invoices.csv"].map(|file| workspace.changed_at(file, at.parse().unwrap()));
    let stale = |status: &dunlin::engine::status::Status| {
        status.reasons.iter().any(|reason| {
            reason.kind == ReasonKind::LedgerStale
                && reason
                    .words
                    .contains("`customers.csv` was last written to 2026-03-09 08:00 UTC, more than `ledger.max_age` ago")
        })
    };
    written("2026-03-09T08:00:00Z");
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    // A day to the second is not too old.
    daemon.clock_to("2026-03-10T08:00:00Z").await;
    daemon.until(|status| status.attempts.iter().any(|attempts| attempts.outcome == "deferred")).await;

    // Nobody exports any more: what is queued stays so, and the next firing waits.
    is_busy.store(false, Ordering::SeqCst);
    daemon.clock_to("2026-03-11T08:00:00Z").await;
    daemon.until(stale).await;
    assert!(matches!(knocked(&workspace, Act::Run { rule: None, only: None, as_of: None }).await,
        Answer::Failed { message, .. } if message.starts_with("The ledger is too old: `customers.csv`")));
    assert_eq!(server.taken().len(), 0);
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);

    written("2026-03-11T08:30:00Z");
    daemon.clock_to("2026-03-11T08:31:00Z").await;
    arrivals(&server, 1);
    daemon.until(|status| status.faults.is_empty()).await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran ", "2026-03-11T09:00 ran "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_new_again_is_seen_though_no_rule_asks_for_it() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    workspace.edit("config.yaml", "  currency: EUR", "  currency: EUR\n  max_age: 24 h");
    workspace.edit("rules/overdue.yaml", "* * *\" }", "* * *\", missed: skip }");
    workspace.changed_at("invoices.csv", "2026-03-01T08:00:00Z".parse().unwrap());
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:00Z").await;
    daemon.until(|status| status.faults.iter().any(|fault| fault.kind.as_str() == "ledger_stale")).await;
    // Too late for the firing by now: it is left out, and the rule asks no more today.
    daemon.clock_to("2026-03-10T08:30:00Z").await;
    daemon.until(|status| status.firings.iter().any(|firing| firing.outcome.as_str() == "missed")).await;
    workspace.changed_at("invoices.csv", "2026-03-10T08:40:00Z".parse().unwrap());
    daemon.clock_to("2026-03-10T08:41:00Z").await;
    daemon.until(|status| status.faults.is_empty()).await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 missed skip"]);
}

#[test]
fn a_run_without_a_daemon_takes_no_ledger_that_is_too_old_either() {
    let workspace = Workspace::new(1, 1);
    workspace.edit("config.yaml", "  currency: EUR", "  currency: EUR\n  max_age: 24 h");
    workspace.changed_at("invoices.csv", "2026-03-09T08:00:00Z".parse().unwrap());
    let ran = workspace.dunlin(&["run", "--as-of", crate::workspace::AS_OF, "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("error: The ledger is too old: `invoices.csv` was last written to 2026-03-09 08:00 UTC"), "{ran:?}");
    assert!(!workspace.path().join("dunlin.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_over_midnight_is_planned_again_for_the_new_day() {
    let server = Server::start(|_| Some(reply(451, "4.3.2 later")));
    let workspace = at_nine(server.port, 1);
    workspace.edit("config.yaml", "daemon:", "retry: { first: 1 s, most: 1 s, give_up_after: 2 days }\ndaemon:");
    // On its due date it still goes; from the day after, its words would be untrue.
    let daemon = Running::start(&workspace, Set::at("2026-03-02T07:59:50Z")).await;
    daemon.clock_to("2026-03-02T08:00:01Z").await;
    daemon.until(|status| status.attempts.iter().any(|attempts| attempts.outcome == "deferred")).await;
    let states = || rows(&workspace, "select level_id || ' ' || state from message");
    assert_eq!(states(), ["upcoming queued"]);
    daemon.clock.to("2026-03-02T23:00:01Z");
    assert!(matches!(knocked(&workspace, Act::StopRun { run: 99 }).await, Answer::Failed { .. }));
    come(|| states() == ["upcoming withdrawn"]).await;
    daemon.stop().await;
    assert_eq!(server.taken().len(), 0);
}

/// Returns what the daemon answers to an act.
async fn knocked(workspace: &Workspace, act: Act) -> Answer {
    knock(&workspace.path().join("dunlin.db"), &act, PATIENCE).await.unwrap().expect("the daemon opens")
}

/// The real program as a daemon; its log is read line by line.
pub struct Process {
    pub child: Child,
    log: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Process {
    pub fn start(workspace: &Workspace) -> Self {
        let mut child = workspace.start(&["serve", "-v"]);
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Self { child, log };
        process.wait_for("The daemon is ready");
        process
    }

    /// Reads the log until a line has `words`.
    pub fn wait_for(&mut self, words: &str) -> String {
        let mut seen = String::new();
        for line in self.log.by_ref() {
            let line = line.unwrap();
            if line.contains(words) {
                return line;
            }
            seen += &(line + "\n");
        }
        panic!("the daemon ended without saying {words:?}:\n{seen}");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap().success());
    }
}

#[cfg(unix)]
#[test]
fn while_the_daemon_runs_commands_work_through_it_and_who_asked_is_on_record() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 3);
    let mut daemon = Process::start(&workspace);
    let ran = workspace.dunlin(&["run", "overdue", "--only", "C0002", "--as-of", crate::workspace::AS_OF, "--yes", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    server.wait_for(1);
    assert_eq!(server.taken()[0].recipients, ["ap2@customer2.example"]);
    // Nobody else gets into the database meanwhile, and a second daemon does not start.
    let second = workspace.dunlin(&["serve"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("in use by another dunlin"), "{second:?}");
    let persons = rows(&workspace, "select person from act where act = 'run'");
    assert_eq!(persons.len(), 1);
    assert!(!persons[0].is_empty());
    daemon.signal("HUP");
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    assert!(daemon.child.wait().unwrap().success());
    // The socket goes with it, so the next command works by itself again.
    assert_eq!(workspace.dunlin(&["runs", "--json"]).code, Some(0));
    assert!(!workspace.path().join("dunlin.db.sock").exists());
}

#[cfg(unix)]
#[test]
fn who_saves_a_rule_and_asks_for_a_run_gets_the_rule_as_it_was_saved() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 2);
    let mut daemon = Process::start(&workspace);
    workspace.edit("rules/overdue.yaml", "where: '", "where: 'customer.id != \"C0001\" && ");
    let ran = workspace.dunlin(&["run", "--as-of", crate::workspace::AS_OF, "--yes", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    server.wait_for(1);
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    assert!(daemon.child.wait().unwrap().success());
    assert_eq!(rows(&workspace, "select customer_id from message"), ["C0002"]);
    // What customers are written is for the owner's eyes.
    let mode = std::os::unix::fs::PermissionsExt::mode(&workspace.path().join("dunlin.db").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(unix)]
#[test]
fn a_stop_ends_in_bounded_time_and_what_was_not_sent_stays_queued() {
    // Nobody listens there: the mails wait for their next attempt when the stop comes.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let workspace = at_nine(port, 5);
    let mut daemon = Process::start(&workspace);
    let ran = workspace.dunlin(&["run", "--as-of", crate::workspace::AS_OF, "--yes", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    daemon.wait_for("A server cannot be reached");
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    assert!(daemon.child.wait().unwrap().success());
    assert_eq!(rows(&workspace, "select state || ' ' || count(*) from message group by state"), ["queued 5"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_never_answers_does_not_hold_up_the_stop() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    let mut daemon = Process::start(&workspace);
    let pipes = ["customers.csv", "invoices.csv"].map(|name| workspace.path().join(name));
    for pipe in &pipes {
        std::fs::remove_file(pipe).unwrap();
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    workspace.edit("rules/overdue.yaml", "start: to_age", "description: saved\nstart: to_age");
    daemon.signal("HUP");
    // Opens once the daemon opens the first of them; the second one then keeps it for ever.
    drop(std::fs::OpenOptions::new().write(true).open(&pipes[0]).unwrap());
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    assert!(daemon.child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_of_a_sender_that_is_gone_wait_without_keeping_the_daemon_busy() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let workspace = at_nine(port, 1);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    daemon.until(|status| status.firings.iter().any(|firing| firing.count == 1)).await;
    let before = daemon.live.snapshot(None, daemon.clock.now()).generation;
    workspace.edit("config.yaml", "  receivables: {", "  other: {");
    workspace.edit("rules/overdue.yaml", "from: receivables", "from: other");
    daemon.nudge().await;
    daemon.until(|status| status.generation != before).await;
    daemon.until(|status| status.under_way == 0).await;
    // Each look at the clock is a turn of a loop; a daemon with nothing to do takes few.
    let turns = daemon.clock.1.load(Ordering::SeqCst);
    for _ in 0..10 {
        tokio::task::block_in_place(|| workspace.dunlin(&["outbox", "--json"]));
    }
    assert_eq!(rows(&workspace, "select state from message"), ["queued"]);
    let taken = daemon.clock.1.load(Ordering::SeqCst) - turns;
    assert!(taken < 60, "{taken}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_fire_at_different_hours_send_a_customer_one_reminder_the_highest() {
    let server = Server::willing();
    let workspace = at_nine(server.port, 1);
    // At eight the lower one, at ten the higher one; at nine one that is paused, however high.
    let rule = workspace.read("rules/overdue.yaml");
    let with = |id: &str, hour: &str, level: &str, more: &str| {
        let rule = rule.replace("id: overdue", &format!("id: {id}")).replace("0 9 * * *", &format!("0 {hour} * * *"));
        rule.replace("when: 7 days after due", level) + more
    };
    std::fs::remove_file(workspace.path().join("rules/overdue.yaml")).unwrap();
    workspace.write("rules/low.yaml", &with("low", "8", "when: 7 days after due", ""));
    workspace.write("rules/high.yaml", &with("high", "10", "when: 8 days after due", ""));
    let daemon = Running::start(&workspace, Set::at("2026-03-10T06:59:00Z")).await;
    workspace.write("rules/highest.yaml", &with("highest", "9", "when: 1 days after due", "misspelt: true\n"));
    daemon.nudge().await;

    daemon.clock_to("2026-03-10T07:00:01Z").await;
    daemon.until(|status| status.firings.iter().any(|firing| firing.rule == "low")).await;
    let yields = "select rule_id || ' ' || reason || ' ' || coalesce(yields_to, '') from decision order by run_id";
    assert_eq!(rows(&workspace, yields), ["low outranked high"]);
    daemon.clock_to("2026-03-10T09:00:01Z").await;
    arrivals(&server, 1);
    daemon.until(|status| status.firings.iter().any(|firing| firing.rule == "high")).await;
    assert_eq!(rows(&workspace, yields), ["low outranked high", "high level_due "]);

    // The next day the lower one has its turn.
    daemon.clock_to("2026-03-11T07:00:01Z").await;
    arrivals(&server, 2);
    daemon.stop().await;
    assert_eq!(rows(&workspace, yields)[2], "low level_due ");
}
