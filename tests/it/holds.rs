//! Whom people leave alone: holds that take back what is queued and end by themselves, promises that are broken, and
//! addresses that nothing is sent to.

use std::sync::Arc;

use dunlin::domain::date::Timestamp;
use dunlin::domain::hold::HoldKind;
use dunlin::engine::act::{Act, ActFault, Context, Done, RunDone, perform};
use dunlin::engine::holds::Outcome;
use dunlin::engine::run::Parts;
use dunlin::engine::status::{Live, ReasonKind};
use dunlin::engine::workspace::load;
use dunlin::port::Clock;
use serde_json::Value;

use crate::server::{Server, reply};
use crate::workspace::{AS_OF, Workspace, counts};

/// A clock that stands still.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Performs an act at nine in the morning of a day, as a process of its own would, and sends nothing.
async fn act(workspace: &Workspace, day: &str, act: Act) -> Result<Done, ActFault> {
    let loaded = Arc::new(load(workspace.path()).workspace.unwrap());
    let clock = Arc::new(At(format!("{day}T08:00:00Z").parse().unwrap()));
    let parts: Parts = loaded.parts_without_servers(clock).unwrap();
    perform(&Context::alone(loaded, parts), act, "alice").await
}

async fn run(workspace: &Workspace, day: &str) -> RunDone {
    match act(workspace, day, Act::Run { rule: None, only: None, as_of: None }).await.unwrap() {
        Done::Run(done) => done,
        other => panic!("{other:?}"),
    }
}

fn hold(subject: &str, kind: HoldKind, until: &str) -> Act {
    Act::AddHold { subject: subject.into(), kind, until: until.parse().unwrap(), reason: "as agreed".into() }
}

/// Returns `customer state reason` of every mail.
fn mails(workspace: &Workspace) -> Vec<String> {
    let line = |mail: &Value| {
        let word = |key: &str| mail[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", word("customer"), word("state"), word("reason"))
    };
    let mut lines: Vec<String> = workspace.outbox().iter().map(line).collect();
    lines.sort();
    lines
}

/// Returns what is asked of a person on the health page.
fn asked(workspace: &Workspace) -> Vec<ReasonKind> {
    let reader = dunlin::store::open_reader(&workspace.path().join("dunlin.db")).unwrap();
    let now = "2026-03-10T08:00:00Z".parse().unwrap();
    let status = Live::new("test", "live", "0", now).snapshot(reader.as_ref(), now);
    let kinds = status.reasons.iter().map(|reason| reason.kind);
    kinds.filter(|kind| [ReasonKind::PromiseBroken, ReasonKind::RecipientSuppressed].contains(kind)).collect()
}

#[tokio::test]
async fn a_hold_takes_back_what_is_queued_and_ends_by_itself() {
    let workspace = Workspace::new(9, 3);
    assert_eq!(run(&workspace, "2026-03-10").await.counts["queued"], 3);
    let dispute = act(&workspace, "2026-03-10", hold("INV-0001", HoldKind::Dispute, "2026-03-11")).await.unwrap();
    assert!(matches!(dispute, Done::AddHold { hold: 1, withdrawn: 1, under_way: 0, .. }), "{dispute:?}");
    let pause = act(&workspace, "2026-03-10", hold("C0002", HoldKind::Pause, "2026-03-12")).await.unwrap();
    assert!(matches!(pause, Done::AddHold { hold: 2, withdrawn: 1, .. }), "{pause:?}");
    let taken_back = ["C0001 withdrawn held", "C0002 withdrawn held", "C0003 queued -"];
    assert_eq!(mails(&workspace), taken_back);

    // On its last day it holds; the day after, the run says that it has ended.
    for day in ["2026-03-10", "2026-03-11"] {
        assert!(run(&workspace, day).await.ended_holds.is_empty());
        assert_eq!(mails(&workspace), taken_back, "{day}");
    }
    let ended = run(&workspace, "2026-03-12").await.ended_holds;
    assert_eq!(ended.iter().map(|hold| (hold.id, hold.outcome)).collect::<Vec<_>>(), [(1, None)]);
    assert_eq!(mails(&workspace), ["C0001 queued -", "C0002 withdrawn held", "C0003 queued -"]);

    // A person may end one before its day; twice is an error.
    act(&workspace, "2026-03-12", Act::EndHold { hold: 2 }).await.unwrap();
    let twice = act(&workspace, "2026-03-12", Act::EndHold { hold: 2 }).await.unwrap_err();
    assert_eq!(twice.to_string(), "Hold 2 has ended");
    run(&workspace, "2026-03-12").await;
    assert_eq!(mails(&workspace), ["C0001 queued -", "C0002 queued -", "C0003 queued -"]);
    assert_eq!(workspace.dunlin(&["hold", "list"]).out, "There is no hold\n");
    let all = workspace.dunlin(&["hold", "list", "--all"]).out;
    for words in ["invoice INV-0001", "ended by itself", "customer C0002", "ended by alice", "as agreed"] {
        assert!(all.contains(words), "{words}\n{all}");
    }
    // What ended by itself a moment ago is told without being asked for.
    crate::daemon::meddle(&workspace, "update hold set until = date('now', '-2 day')");
    let recent = workspace.dunlin(&["hold", "list"]).out;
    assert!(recent.contains("INV-0001") && recent.contains("ended by itself") && !recent.contains("C0002"), "{recent}");
    let named = workspace.dunlin(&["hold", "end", "INV-0001"]);
    assert!(named.err.contains("write the number that `dunlin hold list` shows"), "{}", named.err);
}

#[tokio::test]
async fn a_hold_needs_somebody_who_is_there_a_day_that_has_not_passed_and_a_reason() {
    let workspace = Workspace::new(9, 1);
    let refused = async |asked: Act| act(&workspace, "2026-03-10", asked).await.unwrap_err().to_string();
    let nobody = refused(hold("INV-9", HoldKind::Pause, "2026-03-10")).await;
    assert_eq!(nobody, "There is no customer and no invoice `INV-9` in the ledger");
    let past = refused(hold("INV-0001", HoldKind::Pause, "2026-03-09")).await;
    assert_eq!(past, "2026-03-09 has passed, and a hold up to it would hold nothing");
    let until = "2026-03-10".parse().unwrap();
    let silent = Act::AddHold { subject: "C0001".into(), kind: HoldKind::Pause, until, reason: " \n".into() };
    assert_eq!(refused(silent).await, "No reason was given");
    let long = Act::Suppress { address: "ap1@customer1.example".into(), reason: "x".repeat(501) };
    assert_eq!(refused(long).await, "The reason has 501 characters; at most 500 are kept");
    let bad = Act::Suppress { address: "ap1 at customer1".into(), reason: "gone".into() };
    assert_eq!(refused(bad).await, "`ap1 at customer1` is not an e-mail address");
}

#[tokio::test]
async fn a_broken_promise_is_said_until_somebody_has_seen_to_it() {
    let workspace = Workspace::new(9, 3);
    for (number, until) in [("INV-0001", "2026-03-10"), ("INV-0002", "2026-03-10"), ("C0003", "2026-03-10")] {
        act(&workspace, "2026-03-10", hold(number, HoldKind::Promise, until)).await.unwrap();
    }
    assert_eq!(run(&workspace, "2026-03-10").await.counts.get("queued"), None);
    assert_eq!(asked(&workspace), []);

    // Paid in time, and so said to be kept; the others are reminded again, and asked about.
    workspace.edit("invoices.csv", "2.50,\n", "2.50,2026-03-10\n");
    let done = run(&workspace, "2026-03-11").await;
    let outcomes: Vec<_> = done.ended_holds.iter().map(|hold| hold.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Broken, Outcome::Kept, Outcome::Broken]);
    assert_eq!(done.counts["queued"], 2);
    assert_eq!(asked(&workspace), [ReasonKind::PromiseBroken]);
    assert!(run(&workspace, "2026-03-11").await.ended_holds.is_empty(), "said once");

    let settled = act(&workspace, "2026-03-11", Act::EndHold { hold: 1 }).await.unwrap();
    assert!(matches!(settled, Done::EndHold { settled: true, .. }), "{settled:?}");
    assert_eq!(asked(&workspace), [ReasonKind::PromiseBroken], "the other one");
    // The money comes late.
    workspace.edit("invoices.csv", "3.50,\n", "3.50,2026-03-11\n");
    run(&workspace, "2026-03-12").await;
    assert_eq!(asked(&workspace), []);
}

#[tokio::test]
async fn a_pause_of_a_customer_silences_statements_and_a_dispute_marks_them() {
    let workspace = Workspace::new(9, 2);
    std::fs::remove_file(workspace.path().join("rules/overdue.yaml")).unwrap();
    let rule = "id: monthly\nkind: statement\ntemplate: note\nfrom: receivables\nto: [billing]\n";
    workspace.write("rules/monthly.yaml", rule);
    workspace.write("rules/templates/note.subject.txt", "{{ statement.lines[0].number }}{{ statement.lines[0].disputed }}\n");
    act(&workspace, "2026-03-10", hold("C0001", HoldKind::Pause, "2026-03-20")).await.unwrap();
    act(&workspace, "2026-03-10", hold("INV-0002", HoldKind::Dispute, "2026-03-20")).await.unwrap();
    run(&workspace, "2026-03-10").await;
    let outbox = workspace.outbox();
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0]["subject"], "INV-0002True");
    let shown = workspace.dunlin(&["runs", "show", "1", "--json"]).json();
    assert!(shown["decisions"].to_string().contains("held"), "{shown}");
}

#[tokio::test]
async fn a_suppressed_address_is_left_out_or_blocks_and_is_never_skipped() {
    let workspace = Workspace::new(9, 3);
    workspace.edit("customers.csv", "ap1@customer1.example", "ap1@customer1.example;boss@customer1.example");
    let suppress = |address: &str| Act::Suppress { address: address.into(), reason: "left".into() };
    for address in ["AP1@customer1.example", "ap2@customer2.example"] {
        act(&workspace, "2026-03-10", suppress(address)).await.unwrap();
    }
    let done = run(&workspace, "2026-03-10").await;
    assert_eq!((done.counts["queued"], done.counts["blocked"]), (2, 1));
    assert_eq!(mails(&workspace), ["C0001 queued -", "C0002 blocked suppressed", "C0003 queued -"]);
    let outbox = workspace.outbox();
    let of = |customer: &str| outbox.iter().find(|mail| mail["customer"] == customer).unwrap();
    assert_eq!(of("C0001")["to"], serde_json::json!(["boss@customer1.example"]));
    assert_eq!(of("C0001")["detail"], "left out, since suppressed: ap1@customer1.example");
    assert_eq!(asked(&workspace), [ReasonKind::RecipientSuppressed]);

    // What is queued for an address goes back, and is blocked by the next run.
    let done = act(&workspace, "2026-03-10", suppress("ap3@customer3.example")).await.unwrap();
    assert!(matches!(done, Done::Suppress { withdrawn: 1, .. }), "{done:?}");
    assert_eq!(mails(&workspace)[2], "C0003 withdrawn suppressed");
    run(&workspace, "2026-03-10").await;
    assert_eq!(mails(&workspace)[2], "C0003 blocked suppressed");
    let again = act(&workspace, "2026-03-10", suppress("ap3@customer3.example")).await.unwrap_err();
    assert_eq!(again.to_string(), "`ap3@customer3.example` is suppressed already");

    for address in ["ap2@customer2.example", "AP3@customer3.example"] {
        act(&workspace, "2026-03-10", Act::Unsuppress { address: address.into() }).await.unwrap();
    }
    run(&workspace, "2026-03-11").await;
    assert_eq!(mails(&workspace), ["C0001 queued -", "C0002 queued -", "C0003 queued -"]);
    assert_eq!(asked(&workspace), []);
    assert!(workspace.dunlin(&["suppress", "list"]).out.contains("ap1@customer1.example"));
}

#[test]
fn an_address_that_a_server_does_not_know_is_offered_for_suppression() {
    let server = Server::start(|address| match address {
        "ap1@customer1.example" | "second@customer2.example" => Some(reply(550, "5.1.1 no such user")),
        "ap3@customer3.example" => Some(reply(550, "5.7.1 not welcome")),
        _ => None,
    });
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("customers.csv", "ap2@customer2.example", "ap2@customer2.example;second@customer2.example");
    assert_eq!(counts(&workspace.run()), "accepted=1 refused=2");
    let listed = |workspace: &Workspace| {
        let list = workspace.dunlin(&["suppress", "list", "--json"]).json();
        let unknown = list["unknown"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap().to_owned());
        unknown.collect::<Vec<_>>()
    };
    assert_eq!(listed(&workspace), ["ap1@customer1.example", "second@customer2.example"]);
    let added = workspace.dunlin(&["suppress", "add", "ap1@customer1.example", "--reason", "bounced"]);
    assert_eq!((added.code, added.out.as_str()), (Some(0), "Nothing is sent to ap1@customer1.example any more\n"));
    assert_eq!(listed(&workspace), ["second@customer2.example"]);
    let plan = workspace.dunlin(&["plan", "--as-of", AS_OF]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
}

#[test]
fn a_dispute_is_noted_however_old_the_ledger_is() {
    let workspace = Workspace::new(9, 1);
    workspace.edit("config.yaml", "  currency: EUR", "  currency: EUR\n  max_age: 24 h");
    for file in ["customers.csv", "invoices.csv"] {
        workspace.changed_at(file, "2026-01-01T00:00:00Z".parse().unwrap());
    }
    let run = workspace.dunlin(&["run", "--wait", "0"]);
    assert!(run.err.contains("The ledger is too old"), "{}", run.err);
    let held = ["hold", "add", "INV-0001", "--kind=dispute", "--until=2999-01-01", "--reason=phoned"];
    let added = workspace.dunlin(&held);
    assert!(added.code == Some(0) && added.out.starts_with("Hold 1: dispute on invoice INV-0001"), "{added:?}");
    // Who is meant is found in it all the same.
    assert_eq!(workspace.dunlin(&["hold", "add", "INV-7", "--kind=dispute", "--until=2999-01-01", "--reason=x"]).code, Some(1));
}
