//! Guards: what is far more than usual waits, what is refused stops, and a person sees what would go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::daemon::rows;
use crate::server::{Server, reply};
use crate::workspace::{AS_OF, Workspace, counts};

/// A workspace in which one customer falls due on each of five days, and eight on the sixth: `2026-03-13`.
fn six_days(server: &Server) -> Workspace {
    let workspace = Workspace::new(server.port, 13);
    let mut invoices = String::from("number,customer,issued_on,due_on,total,settled_on\n");
    for number in 1..=13 {
        let due_on = format!("2026-03-{:02}", number.min(6));
        invoices.push_str(&format!("INV-{number:04},C{number:04},2026-02-01,{due_on},{number}.50,\n"));
    }
    workspace.write("invoices.csv", &invoices);
    workspace.edit("rules/overdue.yaml", "  - { id: upcoming, when: 3 days before due, template: note }\n", "");
    workspace.write("config.yaml", &Workspace::config(server.port, "limits: { run_guard: { times_usual: 3 } }\n"));
    workspace
}

fn run_on(workspace: &Workspace, day: &str) -> serde_json::Value {
    workspace.dunlin(&["run", "--as-of", day, "--json"]).json()
}

#[test]
fn a_rule_with_far_more_mails_than_usual_waits_and_shows_what_would_go() {
    let server = Server::willing();
    let workspace = six_days(&server);
    for day in 8..=12 {
        let run = run_on(&workspace, &format!("2026-03-{day:02}"));
        assert_eq!(counts(&run), "accepted=1", "{run}");
    }
    // A day without mails does not count for what is usual, nor does one mail by hand.
    assert_eq!(counts(&run_on(&workspace, "2026-03-12")), "");
    workspace.dunlin(&["run", "--only", "C0001", "--as-of", "2026-03-12", "--json"]);
    let run = run_on(&workspace, "2026-03-13");
    assert_eq!(counts(&run), "waiting=8", "{run}");
    assert_eq!(rows(&workspace, "select distinct reason from message where state = 'waiting'"), ["unusual"]);

    let shown = workspace.dunlin(&["runs", "show", "8"]);
    for expected in [
        "Waiting for you: 8 mails",
        "8: its rule has far more mails than it usually has (`run_guard.times_usual`)",
        "│ overdue ┆ first ┆     8 ┆ 80.00 EUR │",
        "together about 80.00 EUR",
        "rule overdue: 8 mails; usually 1",
        "ap13@customer13.example",
    ] {
        assert!(shown.out.contains(expected), "no {expected:?} in\n{}", shown.out);
    }
    let file = workspace.dunlin(&["runs", "show", "8", "--json"]).json();
    assert_eq!((&file["waiting"]["usual"]["overdue"], &file["waiting"]["sums"]["EUR"]), (&1.into(), &"80.00".into()));
    let samples: Vec<&str> =
        file["waiting"]["samples"].as_array().unwrap().iter().map(|sample| sample["customer"].as_str().unwrap()).collect();
    assert_eq!(samples, ["C0013", "C0012", "C0011"]);

    let started = workspace.dunlin(&["runs", "start", "8", "--as-of", "2026-03-13", "--json"]).json();
    assert_eq!(counts(&started), "accepted=8", "{started}");
    assert_eq!(server.taken().len(), 13);
    let after = workspace.dunlin(&["runs", "show", "8", "--json"]).json();
    assert_eq!(after["waiting"], serde_json::Value::Null);
}

#[test]
fn a_run_whose_mails_are_refused_stops_and_goes_on_when_a_person_lets_it() {
    let is_refusing = Arc::new(AtomicBool::new(true));
    let refusing = is_refusing.clone();
    let server = Server::start(move |_| refusing.load(Ordering::SeqCst).then(|| reply(550, "5.1.1 no such user")));
    let workspace = Workspace::new(server.port, 200);
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    // Answers to what was on its way with the twentieth count too.
    let told = ran.err.lines().find_map(|line| line.strip_prefix("error: Run 1 was stopped: "));
    let told = told.unwrap_or_else(|| panic!("{ran:?}"));
    let run = ran.json();
    let (refused, waiting) = (run["counts"]["refused"].as_u64().unwrap(), run["counts"]["waiting"].as_u64().unwrap());
    assert!((20..100).contains(&refused) && refused + waiting == 200, "{run}");
    let acts = rows(&workspace, "select person || ' ' || act || ': ' || detail from act where act = 'stop'");
    assert_eq!(acts, [format!("dunlin stop: {told}")]);
    let shown = workspace.dunlin(&["runs", "show", "1"]);
    assert!(shown.out.contains("Run 1: stopped") && shown.out.contains("too many of its mails were refused"), "{shown:?}");

    // A person who lets it go on knows of those; only what comes after counts.
    is_refusing.store(false, Ordering::SeqCst);
    let started = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--json"]).json();
    assert_eq!((&started["counts"]["accepted"], &started["counts"]["waiting"]), (&waiting.into(), &0.into()), "{started}");
    assert_eq!(server.taken().len() as u64, waiting);
}

#[test]
fn the_backlog_of_a_first_run_is_told_and_counted_and_gets_no_mail() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("rules/overdue.yaml", "start: to_age", "start: from_now");
    let backlog = "was due, or there, before the rule first ran (start: from_now)";
    let planned = workspace.dunlin(&["plan", "--as-of", AS_OF]);
    let line = planned.out.lines().find(|line| line.contains("was due, or there")).unwrap_or_else(|| panic!("{planned:?}"));
    assert!(line.contains('3'), "{line}");
    assert_eq!(counts(&workspace.run()), "");
    let shown = workspace.dunlin(&["runs", "show", "1"]);
    assert!(shown.out.contains(&format!("rule overdue: 3 declined: {backlog}")), "{shown:?}");
    let again = workspace.dunlin(&["plan", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(again["declined"].as_array().unwrap().iter().filter(|line| line["reason"] == "backlog").count(), 3, "{again}");
    assert_eq!(server.taken().len(), 0);
}

#[test]
fn a_mail_that_a_person_let_go_days_later_keeps_others_away_from_the_day_it_left_on() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    workspace.edit(
        "rules/overdue.yaml",
        "template: note }\nstart",
        "template: note, repeat: { every: 7 days, at_most: 3 } }\nstart",
    );
    workspace.edit("rules/overdue.yaml", "kind: reminder\n", "kind: reminder\napprove: true\n");
    assert_eq!(counts(&workspace.run()), "waiting=1");
    // As if its run had been four days ago.
    let database = rusqlite::Connection::open(workspace.path().join("dunlin.db")).unwrap();
    assert_eq!(database.execute("update run set started_at_ms = started_at_ms - 4 * 86400000", ()).unwrap(), 1);
    drop(database);
    let started = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--json"]);
    assert_eq!(server.taken().len(), 1, "{}", started.err);

    workspace.edit("rules/overdue.yaml", "approve: true\n", "");
    let rule = workspace.read("rules/overdue.yaml");
    let second = rule.replace("id: overdue", "id: second").replace(", repeat: { every: 7 days, at_most: 3 }", "");
    workspace.write("rules/second.yaml", &second);
    // It was decided on the tenth and left on the fourteenth.
    let due = |day: &str, rule: &str| counts(&workspace.dunlin(&["run", rule, "--as-of", day, "--json"]).json());
    assert_eq!(due("2026-03-14", "second"), "", "one mail a day");
    workspace.edit("config.yaml", "instance:", "limits: { contact_gap: 3 days }\ninstance:");
    assert_eq!(due("2026-03-16", "second"), "");
    assert_eq!(due("2026-03-17", "second"), "accepted=1");
    workspace.edit("config.yaml", "limits: { contact_gap: 3 days }\n", "");
    assert_eq!(due("2026-03-20", "overdue"), "", "six days after it left");
    assert_eq!(due("2026-03-21", "overdue"), "accepted=1");
    assert_eq!(server.taken().len(), 3);
}
