//! What is left over or waits is held against the world as it is now, before it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dunlin::domain::date::{Date, Timestamp};
use dunlin::engine::deliver::{DeliveryEnd, Recheck, Rechecked};
use dunlin::engine::generation::RunGenerations;
use dunlin::engine::recheck::{LedgerRecheck, LedgerState, PlanDay, RecheckCounts, recheck};
use dunlin::engine::run::{Cause, Order, commit, counts as run_counts, send};
use dunlin::engine::workspace::load;
use dunlin::port::Clock;

use crate::server::{Server, key_of};
use crate::workspace::{AS_OF, Workspace, counts};

/// How many mails a run has here, of which some are sent before it is killed.
const MAILS: usize = 200;

/// Returns a workspace whose run was killed after some mails, with the server that took them.
fn killed() -> (Server, Workspace) {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, MAILS);
    let mut child = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
    server.wait_for(5);
    child.kill().unwrap();
    child.wait().unwrap();
    (server, workspace)
}

/// Returns the addresses of the mails that later runs sent. What the killed process had already put on the wire may reach
/// the server a moment after its death; those mails are `unknown`, and were not sent by anybody later.
fn sent_later(server: &Server, before: usize, workspace: &Workspace) -> Vec<String> {
    let outbox = workspace.outbox();
    let unknown: Vec<&str> = outbox
        .iter()
        .filter(|message| message["state"] == "unknown")
        .map(|message| message["message_key"].as_str().unwrap())
        .collect();
    let later = server.taken().split_off(before);
    let later = later.into_iter().filter(|message| !unknown.contains(&&*key_of(&message.bytes)));
    later.map(|message| message.recipients[0].clone()).collect()
}

fn states(workspace: &Workspace) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for message in workspace.outbox() {
        *states.entry(message["state"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    states
}

#[test]
fn what_a_killed_run_left_is_not_sent_once_it_is_paid_or_no_longer_wanted() {
    for change in ["paid", "tagged", "rule broken", "held"] {
        let (server, workspace) = killed();
        let sent = server.taken().len();
        match change {
            "paid" => workspace.edit("invoices.csv", ".50,\n", ".50,2026-03-09\n"),
            "tagged" => workspace.edit("customers.csv", ",en,,", ",en,do-not-chase,"),
            "rule broken" => workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [biling]"),
            _ => {
                workspace.edit("customers.csv", "tags,billing\n", "tags,billing,hold_until\n");
                workspace.edit("customers.csv", ".example\n", ".example,2026-12-31\n");
            }
        }
        let run = workspace.run();
        assert_eq!((counts(&run), sent_later(&server, sent, &workspace)), (String::new(), vec![]), "{change}: {run}");
        let states = states(&workspace);
        assert!(states["withdrawn"] > 0 && !states.contains_key("queued"), "{change}: {states:?}");
    }
}

#[test]
fn what_a_killed_run_left_goes_to_the_address_that_is_right_now() {
    let (server, workspace) = killed();
    let before = server.taken().len();
    workspace.edit("customers.csv", ",ap", ",new.ap");
    let run = workspace.run();
    let later = sent_later(&server, before, &workspace);
    assert!(!later.is_empty() && later.iter().all(|address| address.starts_with("new.ap")), "{run}: {later:?}");
    assert_eq!(states(&workspace).get("withdrawn"), None, "composed anew in their place");
    let accounted: usize = states(&workspace).values().sum();
    assert_eq!(accounted, MAILS);
}

/// The system's clock, put on by so many seconds.
#[derive(Default)]
struct PutOn(AtomicI64);

impl Clock for PutOn {
    fn now(&self) -> Timestamp {
        Timestamp::now() + jiff::SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn what_is_paid_while_a_run_waits_is_withdrawn_before_it_is_tried_again() {
    let (server, is_busy) = Server::busy();
    let folder = Workspace::new(server.port, 2);
    folder.write("config.yaml", &Workspace::config(server.port, "retry: { first: 1 s, most: 1 s, give_up_after: 1 h }\n"));
    let workspace = Arc::new(load(folder.path()).workspace.unwrap());
    let as_of: Date = AS_OF.parse().unwrap();
    let read_from = LedgerState::of(&workspace, Timestamp::now());
    let ledger = Arc::new(workspace.read_ledger(as_of, &mut |_, _| {}).unwrap());
    let clock = Arc::new(PutOn::default());
    let parts = workspace.parts(clock.clone()).unwrap();
    let rules = Arc::new(workspace.rules.clone());
    let cause = Cause::Person("test".into());
    let order = Order { rules, only_rule: None, only: None, ledger, as_of, scheduled_on: as_of, cause };
    let committed =
        commit(&RunGenerations::new(workspace.clone()), workspace.clone(), order, &parts, Arc::new(|_, _| {})).await.unwrap();

    // Both are put off; while the run waits, one is paid, the server recovers, and two minutes pass.
    let (_stop, never) = tokio::sync::watch::channel(false);
    let mut report = |progress: &dunlin::engine::deliver::DeliveryProgress| {
        if progress.waiting_until.is_some() && is_busy.swap(false, Ordering::SeqCst) {
            folder.edit("invoices.csv", ",1.50,\n", ",1.50,2026-03-09\n");
            clock.0.store(120, Ordering::SeqCst);
        }
    };
    let done = send(&workspace, &parts, as_of, read_from, never, &mut report).await.unwrap();
    assert_eq!(done.end, DeliveryEnd::Drained);
    let counts = run_counts(&parts.store, committed.run_id).unwrap();
    assert_eq!((counts.0["accepted"], counts.0["withdrawn"]), (1, 1), "{counts:?}");
    assert_eq!(server.taken().len(), 1);
    assert_eq!(server.taken()[0].recipients, ["ap2@customer2.example"]);
}

#[tokio::test]
async fn a_rule_that_is_saved_later_does_not_judge_what_an_earlier_one_decided() {
    let folder = Workspace::new(1, 2);
    let decided_with = Arc::new(load(folder.path()).workspace.unwrap());
    let as_of: Date = AS_OF.parse().unwrap();
    let ledger = Arc::new(decided_with.read_ledger(as_of, &mut |_, _| {}).unwrap());
    let clock = Arc::new(PutOn::default());
    let parts = decided_with.parts(clock.clone()).unwrap();
    let rules = Arc::new(decided_with.rules.clone());
    let cause = Cause::Person("test".into());
    let order = Order { rules, only_rule: None, only: None, ledger: ledger.clone(), as_of, scheduled_on: as_of, cause };
    let generations = RunGenerations::new(decided_with.clone());
    commit(&generations, decided_with.clone(), order, &parts, Arc::new(|_, _| {})).await.unwrap();

    // By the rule as it is saved now, nobody is due.
    folder.edit("rules/overdue.yaml", "7 days after due", "70 days after due");
    let saved = Arc::new(load(folder.path()).workspace.unwrap());
    assert_ne!(saved.generation, decided_with.generation);
    generations.swap(saved.clone());
    let judged = |generations: Arc<RunGenerations>| {
        let (ledger, store, now) = (ledger.clone(), parts.store.clone(), clock.now());
        async move { recheck(&generations, &ledger, PlanDay::Fixed(as_of), &store, now).await.unwrap() }
    };
    assert_eq!(judged(generations).await, RecheckCounts { withdrawn: 0, kept: 2 });
    // A process that starts later knows the present texts alone.
    assert_eq!(judged(RunGenerations::new(saved)).await, RecheckCounts { withdrawn: 2, kept: 0 });
}

/// Returns a workspace with these further keys, loaded, whose files were written to at an instant.
fn written_at(server: &Server, more: &str, at: &str) -> (Workspace, Arc<dunlin::engine::workspace::Workspace>) {
    let folder = Workspace::new(server.port, 1);
    let config = Workspace::config(server.port, "").replace("  currency: EUR\n", &format!("  currency: EUR\n{more}"));
    folder.write("config.yaml", &config);
    for file in ["customers.csv", "invoices.csv"] {
        folder.changed_at(file, at.parse().unwrap());
    }
    let loaded = Arc::new(load(folder.path()).workspace.unwrap());
    (folder, loaded)
}

#[tokio::test]
async fn a_reading_holds_until_it_is_old_or_its_files_are_or_another_day_begins() {
    let server = Server::willing();
    // Midnight in Berlin is 23:00 in winter.
    for (more, day, last, over) in [
        ("", PlanDay::Present, "2026-03-10T12:59:59Z", "2026-03-10T13:00:00Z"),
        ("  recheck_after: 30 min\n", PlanDay::Present, "2026-03-10T12:29:59Z", "2026-03-10T12:30:00Z"),
        ("  recheck_after: 2 days\n", PlanDay::Present, "2026-03-10T22:59:59Z", "2026-03-10T23:00:00Z"),
        ("  recheck_after: 2 days\n", PlanDay::Fixed(AS_OF.parse().unwrap()), "2026-03-12T11:59:59Z", "2026-03-12T12:00:00Z"),
        ("  max_age: 24 h\n", PlanDay::Present, "2026-03-10T12:14:59Z", "2026-03-10T12:15:00Z"),
    ] {
        let (_folder, workspace) = written_at(&server, more, "2026-03-09T12:15:00Z");
        let parts = workspace.parts(Arc::new(PutOn::default())).unwrap();
        let generations = RunGenerations::new(workspace.clone());
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let watched = LedgerRecheck::new(generations, parts.store.clone(), day, LedgerState::unread());
        assert!(watched.is_due(at("2026-03-10T12:00:00Z")), "never read");
        assert_eq!(watched.recheck(at("2026-03-10T12:00:00Z")).await.unwrap(), Rechecked::Changed);
        assert!(!watched.is_due(at(last)), "{more}");
        assert_eq!(watched.recheck(at(last)).await.unwrap(), Rechecked::Unchanged, "{more}");
        assert!(watched.is_due(at(over)), "{more}");
        // Set back, the clock tells nothing of how old the reading is.
        assert!(watched.is_due(at("2026-03-10T11:59:00Z")), "{more}");
        let after = at(over) + jiff::SignedDuration::from_secs(1);
        let expected = if more.contains("max_age") { Rechecked::Unreadable } else { Rechecked::Changed };
        assert_eq!(watched.recheck(after).await.unwrap(), expected, "{more}");
        assert_eq!(watched.is_due(after), expected == Rechecked::Unreadable, "{more}");
    }
}

#[tokio::test]
async fn a_mail_whose_reading_grows_old_on_the_way_to_its_gate_is_planned_again_first() {
    let clock = Arc::new(PutOn::default());
    let slow = clock.clone();
    // Two hours pass between the envelope and the content.
    let server = Server::start(move |_| {
        slow.0.store(7_200, Ordering::SeqCst);
        None
    });
    let (folder, workspace) = written_at(&server, "", "2026-03-09T12:00:00Z");
    let as_of: Date = AS_OF.parse().unwrap();
    let ledger = Arc::new(workspace.read_ledger(as_of, &mut |_, _| {}).unwrap());
    let parts = workspace.parts(clock.clone()).unwrap();
    let read_from = LedgerState::of(&workspace, clock.now());
    let rules = Arc::new(workspace.rules.clone());
    let cause = Cause::Person("test".into());
    let order = Order { rules, only_rule: None, only: None, ledger, as_of, scheduled_on: as_of, cause };
    let run_id = commit(&RunGenerations::new(workspace.clone()), workspace.clone(), order, &parts, Arc::new(|_, _| {}))
        .await
        .unwrap()
        .run_id;
    let (_stop, never) = tokio::sync::watch::channel(false);
    let done = send(&workspace, &parts, as_of, read_from, never, &mut |_| {}).await.unwrap();
    assert_eq!(done.end, DeliveryEnd::Drained);
    assert_eq!(run_counts(&parts.store, run_id).unwrap().0["accepted"], 1);
    assert_eq!(server.taken().len(), 1);
    let outcomes = crate::daemon::rows(&folder, "select outcome || ' ' || coalesce(fault, '') from attempt order by id");
    let closed = "not_recorded Nothing was sent, since it could not be recorded: what it was planned on is too old by now";
    assert_eq!(outcomes, [closed, "accepted "]);
}
