//! What people do with runs: looked at, stopped, started, closed, one reminder by hand, and all of it through the daemon
//! that holds the database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use dunlin::clock::SystemClock;
use dunlin::engine::act::{Act, Answer, Context, perform};
use dunlin::engine::door::Door;
use dunlin::engine::generation::RunGenerations;
use dunlin::engine::recheck::LedgerState;
use dunlin::engine::run::send;
use dunlin::engine::workspace::load;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::server::{Server, key_of, reply};
use crate::workspace::{AS_OF, Workspace, counts};

/// Returns the one run that `runs --json` lists, as `state counts`.
fn run_line(workspace: &Workspace) -> String {
    let run = workspace.dunlin(&["runs", "--json"]).json();
    format!("{} {}", run["state"].as_str().unwrap(), counts(&run))
}

/// Returns the acts of `what` (`runs` or `outbox`) `id` as `act detail`, having checked that each says who and when.
fn acts(workspace: &Workspace, what: &str, id: &str) -> Vec<String> {
    let shown = workspace.dunlin(&[what, "show", id, "--json"]).json();
    let line = |act: &Value| {
        assert!(!act["person"].as_str().unwrap().is_empty() && act["at"].as_str().unwrap().ends_with('Z'), "{act}");
        format!("{} {}", act["act"].as_str().unwrap(), act["detail"].as_str().unwrap_or("-"))
    };
    shown["acts"].as_array().unwrap().iter().map(line).collect()
}

/// Returns a workspace whose server puts everything off until it is told otherwise; two mails of run 1 are queued.
fn put_off() -> (Workspace, Server, Arc<AtomicBool>) {
    let (server, is_busy) = Server::busy();
    let workspace = Workspace::new(server.port, 2);
    let retry = "retry: { first: 1 s, most: 1 s, give_up_after: 1 h }\n";
    workspace.write("config.yaml", &Workspace::config(server.port, retry));
    let run = workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]).json();
    assert_eq!(counts(&run), "queued=2");
    (workspace, server, is_busy)
}

#[test]
fn a_run_that_is_stopped_sends_nothing_until_it_is_started() {
    let (workspace, server, is_busy) = put_off();
    assert_eq!(run_line(&workspace), "sending queued=2");
    let stopped = workspace.dunlin(&["runs", "stop", "1"]);
    assert_eq!(stopped.out, "Run 1 stopped: 2 mails held back; `dunlin runs start 1` lets them go\n", "{stopped:?}");
    assert_eq!(run_line(&workspace), "stopped waiting=2");
    let again = workspace.dunlin(&["runs", "stop", "1"]);
    assert_eq!(
        (again.code, again.err.as_str()),
        (Some(1), "error: Run 1 has no queued mail\nhint: `dunlin runs show 1` tells how its mails stand\n")
    );

    is_busy.store(false, Ordering::SeqCst);
    let other = workspace.run();
    assert_eq!((counts(&other), &other["checks"]["under_way"]), (String::new(), &json!(2)), "what is held back is under way");
    assert_eq!(server.taken().len(), 0);
    let started = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--json"]);
    assert_eq!(counts(&started.json()), "accepted=2");
    assert_eq!(server.taken().len(), 2);
    assert_eq!(acts(&workspace, "runs", "1"), ["run -", "stop 2 mails", "start 2 mails"]);
    let lines = workspace.dunlin(&["runs", "--state", "finished", "--json"]).out;
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn a_closed_run_stays_closed() {
    let (workspace, server, is_busy) = put_off();
    let closed = workspace.dunlin(&["runs", "close", "1", "--json"]).json();
    assert_eq!(closed, json!({ "done": "close_run", "run": 1, "cancelled": 2, "under_way": 0 }));
    assert_eq!(run_line(&workspace), "closed cancelled=2");
    for verb in ["start", "stop", "close"] {
        let ran = workspace.dunlin(&["runs", verb, "1"]);
        assert_eq!((ran.code, ran.err.contains("error: Run 1 is closed\n")), (Some(1), true), "{verb}: {ran:?}");
    }
    is_busy.store(false, Ordering::SeqCst);
    assert_eq!((counts(&workspace.run()), server.taken().len()), (String::new(), 0), "its level is over");
    assert_eq!(acts(&workspace, "runs", "1"), ["run -", "close 2 mails"]);

    let missing = workspace.dunlin(&["runs", "close", "7"]);
    assert_eq!((missing.code, missing.err.as_str()), (Some(1), "error: There is no run 7\nhint: `dunlin runs` lists them\n"));
}

#[test]
fn a_run_is_shown_with_what_it_decided_and_what_stands_still() {
    let server = Server::start(|address| address.starts_with("ap2@").then(|| reply(550, "5.1.1 no such mailbox")));
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("customers.csv", "ap3@customer3.example", "");
    workspace.run();
    let shown = workspace.dunlin(&["runs", "show", "1"]).out;
    for line in [
        "Run 1: finished, nothing of it goes any more by itself\n",
        "  all rules for 2026-03-10, mode live\n",
        "  mails: 1 accepted, 1 blocked, 1 refused\n",
        "  rule overdue: 2 due\n",
        "  rule overdue: 1 blocked: no address for any of the recipients\n",
        "  blocked C0003 Customer 3: no address",
        "  refused C0002 Customer 2: 5.1.1 no such mailbox\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let whole = workspace.dunlin(&["runs", "show", "1", "--json"]).json();
    assert_eq!(whole["run"]["generation"].as_str().unwrap().len(), 16);
    assert_eq!(
        whole["decisions"][0],
        json!({ "rule": "overdue", "verdict": "due", "reason": "level_due", "yields_to": null, "count": 2 })
    );
    for (filter, expected) in [
        (&["--rule", "overdue"][..], 1),
        (&["--rule", "other"], 0),
        (&["--state", "waiting"], 0),
        (&["--from", "2026-03-10", "--until", "2026-03-10"], 1),
        (&["--from", "2026-03-11"], 0),
        (&["--until", "2026-03-09"], 0),
    ] {
        let listed = workspace.dunlin(&[&["runs", "--json"], filter].concat());
        assert_eq!(listed.out.lines().count(), expected, "{filter:?}");
    }
    let firings = workspace.dunlin(&["runs", "firings"]);
    assert_eq!((firings.code, firings.out.as_str()), (Some(0), "No firing yet\n"));
}

#[test]
fn the_checks_before_a_run_name_what_will_not_go() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 4);
    workspace.edit("customers.csv", "ap2@customer2.example", "");
    let first = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!(
        first.err.lines().nth(1).unwrap(),
        "check: 1 mail is blocked, no address for any of the recipients: C0002 Customer 2"
    );
    let second = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert!(second.err.contains("check: 3 invoices had the mail of the present level in an earlier run\n"), "{}", second.err);
    assert_eq!(
        second.json()["checks"],
        json!({
            "due": 0, "blocked": [{ "reason": "recipient_missing", "customers": [["C0002", "Customer 2"]] }], "not_approved": [],
            "already_sent": 3, "under_way": 0, "undecided": 0, "declined": []
        })
    );
}

#[test]
fn an_invoice_that_is_not_approved_is_named_and_not_reminded() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.edit("invoices.csv", "total,settled_on\n", "total,settled_on,approved\n");
    workspace.edit("invoices.csv", ",1.50,\n", ",1.50,,yes\n");
    workspace.edit("invoices.csv", ",2.50,\n", ",2.50,,\n");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert!(ran.err.contains("check: 1 invoice is not approved, and not reminded: INV-0002\n"), "{}", ran.err);
    assert_eq!((counts(&ran.json()), &ran.json()["checks"]["not_approved"]), ("accepted=1".to_owned(), &json!(["INV-0002"])));
    let shown = workspace.dunlin(&["runs", "show", "1"]).out;
    assert!(shown.contains("  rule overdue: 1 declined: the books have not approved the invoice\n"), "{shown}");
}

#[test]
fn one_reminder_by_hand_is_about_that_subject_alone() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.write(
        "invoices.csv",
        &(workspace.read("invoices.csv") + "INV-9,C0002,2026-02-01,2026-03-02,9.00,\nC0003,C0001,2026-02-01,2026-03-02,1.00,\n"),
    );
    workspace.edit(
        "rules/overdue.yaml",
        "start: to_age",
        "  - { id: second, when: 21 days after due, template: note }\nstart: to_age",
    );
    let only = |name: &str| workspace.dunlin(&["run", "overdue", "--only", name, "--as-of", AS_OF, "--json"]);

    assert_eq!(counts(&only("INV-9").json()), "accepted=1");
    let mail = server.taken().pop().unwrap();
    assert_eq!(mail.recipients, ["ap2@customer2.example"]);
    let text = String::from_utf8_lossy(&mail.bytes).into_owned();
    assert!(text.contains("Invoice INV-9 of") && text.contains("9.00") && !text.contains("11.50"), "{text}");

    let again = only("INV-9");
    assert_eq!(counts(&again.json()), "");
    assert!(
        again.err.contains(
            "rule `overdue` sends nothing: the next level's day has not come; as things stand it is due on 2026-03-23\n"
        ),
        "{}",
        again.err
    );
    assert_eq!(counts(&only("C0001").json()), "accepted=1", "a customer with everything that is due");
    assert_eq!(server.taken().len(), 2);
    for (name, said) in [
        ("C9", "error: There is no customer and no invoice `C9` in the ledger\n"),
        (
            "C0003",
            "error: `C0003` is a customer and an invoice of the customer `C0001`\nhint: write `customer:ID` or `invoice:NUMBER`\n",
        ),
    ] {
        let ran = only(name);
        assert_eq!((ran.code, ran.err.contains(said)), (Some(1), true), "{ran:?}");
    }
    assert_eq!(counts(&only("customer:C0003").json()), "accepted=1");
    let run = workspace.dunlin(&["runs", "--limit", "1", "--json"]).json();
    assert_eq!((&run["rule"], &run["only"]), (&json!("overdue"), &json!({ "customer": "C0003" })));
    assert_eq!(counts(&workspace.run()), "", "C0002 has had its reminder of the day");
    let next = workspace.dunlin(&["run", "--as-of", "2026-03-11", "--json"]).json();
    assert_eq!(counts(&next), "accepted=1", "the rest of it goes with everybody's run of the next");
}

#[test]
fn a_reminder_by_hand_does_not_start_a_rule() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.edit("rules/overdue.yaml", "start: to_age", "start: from_now");
    // A rehearsal plays its days as they are given.
    workspace.write("config.yaml", &Workspace::config(server.port, "mode: redirect\nredirect_to: me@seller.example\n"));
    let by_hand = workspace.dunlin(&["run", "--only", "C0001", "--as-of", AS_OF, "--json"]);
    assert_eq!(by_hand.json()["checks"]["declined"][0]["reason"], "backlog");
    // Had it counted as the first run, a level due since then would no longer be backlog on a later day.
    workspace.edit("rules/overdue.yaml", "7 days after due", "9 days after due");
    let later = workspace.dunlin(&["plan", "--as-of", "2026-03-12", "--json"]).json();
    assert_eq!(later["declined"][0]["reason"], "backlog", "{later}");
    assert_eq!(workspace.dunlin(&["runs", "--json"]).json()["only"], json!({ "customer": "C0001" }));
}

#[test]
fn what_was_asked_for_by_hand_is_re_checked_as_it_was_asked() {
    let (workspace, server, is_busy) = put_off();
    workspace.dunlin(&["runs", "close", "1"]);
    workspace.write(
        "invoices.csv",
        &(workspace.read("invoices.csv") + "INV-8,C0002,2026-02-01,2026-03-02,8.00,\nINV-9,C0002,2026-02-01,2026-03-02,9.00,\n"),
    );
    let by_hand = workspace.dunlin(&["run", "--only", "INV-9", "--as-of", AS_OF, "--wait", "0", "--json"]).json();
    assert_eq!(counts(&by_hand), "queued=1");
    is_busy.store(false, Ordering::SeqCst);
    // Planned with everything of the customer's it would be another mail, and this one withdrawn.
    let next = workspace.dunlin(&["run", "--only", "C0001", "--as-of", AS_OF, "--json"]).json();
    assert_eq!((&next["left_over"], &next["withdrawn"]), (&json!(1), &json!(0)));
    let queued = workspace.dunlin(&["outbox", "--text", "INV-9", "--json"]).json();
    assert_eq!((&queued["items"], &queued["reason"]), (&json!(["INV-9"]), &Value::Null));
    drop(server);
}

#[test]
fn mails_are_found_by_any_text_people_know_them_by() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 12);
    workspace.edit("customers.csv", "Customer 7,", "M\u{fc}ller 100%_\\,");
    workspace.run();
    let found = |filter: &[&str]| {
        let ran = workspace.dunlin(&[&["outbox", "--json"], filter].concat());
        let ids = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    for (filter, ids) in [
        (&["--text", "INV-0003"][..], "3"),
        (&["--text", "inv-0003"], "3"),
        (&["--text", "@customer5.example"], "5"),
        (&["--text", "c0009"], "9"),
        (&["--text", "ller 100%_\\"], "7"),
        (&["--text", "100_"], ""),
        (&["--text", "of Customer 1"], "12 11 10 1"),
        (&["--text", "of Customer 1", "--customer", "C0011"], "11"),
        (&["--from", "2026-03-10", "--until", "2026-03-10", "--customer", "C0004"], "4"),
        (&["--until", "2026-03-09"], ""),
        (&["--from", "2026-03-11"], ""),
    ] {
        assert_eq!(found(filter), ids, "{filter:?}");
    }
}

#[test]
fn what_was_accepted_can_go_once_more_as_it_was() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.run();
    let wrong = workspace.dunlin(&["outbox", "renew", "1"]);
    assert!(wrong.err.contains("`resend` sends a copy of what was accepted"), "{wrong:?}");
    let asked = workspace.dunlin(&["outbox", "resend", "1"]);
    assert_eq!(asked.out, "1 mail queued once more as it was sent; the daemon or the next run sends it\n", "{asked:?}");
    let twice = workspace.dunlin(&["outbox", "resend", "3"]);
    assert!(twice.err.contains("mail 3 is `queued`"), "{twice:?}");

    // Paid or not: a person asked for this very mail.
    workspace.edit("invoices.csv", ",1.50,\n", ",1.50,2026-03-09\n");
    let next = workspace.run();
    assert_eq!((counts(&next), &next["withdrawn"]), (String::new(), &json!(0)));
    let taken = server.taken();
    assert_eq!(taken.len(), 3);
    let first = taken.iter().find(|mail| mail.recipients == ["ap1@customer1.example"]).unwrap();
    let key = key_of(&first.bytes);
    assert_eq!((key_of(&taken[2].bytes), &taken[2].recipients), (format!("{key}-1"), &first.recipients));
    let body = |bytes: &[u8]| String::from_utf8_lossy(bytes).split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&taken[2].bytes), body(&first.bytes));
    assert_eq!(acts(&workspace, "outbox", "1"), ["resend as mail 3"]);
    let states: Vec<String> =
        workspace.outbox().iter().map(|mail| format!("{} {}", mail["state"].as_str().unwrap(), mail["reason"])).collect();
    assert_eq!(states, ["accepted null", "accepted null", "accepted \"resent\""]);
    assert_eq!(counts(&workspace.run()), "", "a copy takes no step and frees none");
}

/// A daemon as small as can be: it holds the database, performs acts, and sends what they queue.
pub struct Daemon {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Vec<(String, Act)>>>,
}

impl Daemon {
    pub fn start(folder: &Workspace) -> Self {
        let workspace = Arc::new(load(folder.path()).workspace.unwrap());
        let (stop, mut stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async move {
                let parts = workspace.parts(Arc::new(SystemClock)).unwrap();
                let mut door = Door::open(&workspace.database_path()).unwrap();
                ready.send(()).unwrap();
                let mut heard = Vec::new();
                loop {
                    let asked = tokio::select! {
                        asked = door.next() => asked,
                        _ = &mut stopped => return heard,
                    };
                    heard.push((asked.person.clone(), asked.act.clone()));
                    let context = Context {
                        generations: RunGenerations::new(workspace.clone()),
                        paused: BTreeSet::new(),
                        schedules: dunlin::engine::act::Schedules::Kept,
                        parts: parts.clone(),
                        ledger: None,
                        report: Arc::new(|_, _| {}),
                    };
                    let answer = perform(&context, asked.act.clone(), &asked.person).await;
                    let is_to_send = answer.is_ok() && matches!(asked.act, Act::Run { .. } | Act::StartRun { .. });
                    asked.answer(Answer::from(answer)).await;
                    if is_to_send {
                        let (_stop, never) = watch::channel(false);
                        let as_of = AS_OF.parse().unwrap();
                        send(&workspace, &parts, as_of, LedgerState::of(&workspace, parts.clock.now()), never, &mut |_| {})
                            .await
                            .unwrap();
                    }
                }
            })
        });
        is_ready.recv().unwrap();
        Self { stop: Some(stop), thread: Some(thread) }
    }

    /// Stops it and returns what it was asked, and by whom.
    pub fn stop(mut self) -> Vec<(String, Act)> {
        self.stop.take().unwrap().send(()).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn while_a_daemon_runs_everything_goes_through_it() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\napprove: true");
    let daemon = Daemon::start(&workspace);

    let run = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]).json();
    assert_eq!((&run["run"], &run["end"], counts(&run)), (&json!(1), &json!("with_daemon"), "waiting=3".to_owned()));
    assert_eq!(workspace.dunlin(&["outbox", "cancel", "2", "--json"]).json(), json!({ "verb": "cancel", "ids": [2] }));
    let refused = workspace.dunlin(&["outbox", "accept", "1"]);
    assert_eq!(
        (refused.code, refused.err.as_str()),
        (Some(1), "error: Nothing was changed: mail 1 is `waiting`\nhint: `accept` takes mails that are unknown\n")
    );
    let stop = workspace.dunlin(&["runs", "stop", "1"]);
    assert!(stop.err.starts_with("error: Run 1 has no queued mail\n"), "{stop:?}");
    let started = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--wait", "5", "--json"]).json();
    assert_eq!((&started["end"], counts(&started)), (&json!("finished"), "accepted=2 cancelled=1".to_owned()));
    assert_eq!(server.taken().len(), 2);
    let by_hand = workspace.dunlin(&["run", "--only", "C0001", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(counts(&by_hand), "");
    let closed = workspace.dunlin(&["runs", "close", "2", "--json"]).json();
    assert_eq!(closed["done"], "close_run");
    assert_eq!(acts(&workspace, "runs", "1"), ["run -", "start 2 mails"]);

    let heard = daemon.stop();
    assert_eq!(heard.len(), 7, "{heard:?}");
    let person = &heard[0].0;
    assert!(heard.iter().all(|(who, _)| who == person));
    let kept = workspace.dunlin(&["runs", "show", "1", "--json"]).json();
    assert_eq!(kept["run"]["person"], json!(person), "the run keeps who asked");
    assert!(!workspace.path().join("dunlin.db.sock").exists());
    assert_eq!(workspace.dunlin(&["runs", "close", "1"]).code, Some(0), "and without a daemon the command does it itself");
}

#[test]
fn a_database_that_is_held_without_a_daemon_is_in_use() {
    let (workspace, _server, _) = put_off();
    let file = std::fs::File::options().write(true).open(workspace.path().join("dunlin.db.lock")).unwrap();
    file.lock().unwrap();
    for line in [&["runs", "stop", "1"][..], &["outbox", "renew", "1"], &["run", "--as-of", AS_OF]] {
        let ran = workspace.dunlin(line);
        assert_eq!((ran.code, ran.err.contains("is in use by another dunlin\n")), (Some(1), true), "{line:?}: {ran:?}");
    }
}
