//! Statements and notices through the whole program: once for each period or event, and right when they go.

use std::sync::Arc;

use dunlin::clock::SystemClock;
use dunlin::domain::date::Date;
use dunlin::engine::generation::RunGenerations;
use dunlin::engine::run::{Cause, Order, commit};
use dunlin::engine::workspace::load;
use dunlin::port::Clock;
use dunlin::store::firings::FiringRow;

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace, counts};

pub const STATEMENT: &str = "id: monthly\nkind: statement\ntemplate: account\nfrom: receivables\nto: [billing]\n";

pub const NOTICE: &str = "id: receipt\nkind: notice\nfor_each: payment\ntemplate: receipt\nfrom: receivables\nto: [billing]\n";

/// Returns a workspace with two customers and one rule.
pub fn workspace(port: u16, rule: &str) -> Workspace {
    let workspace = Workspace::new(port, 2);
    workspace.write("rules/overdue.yaml", rule);
    let payments = "  payments: { csv: payments.csv }\n";
    workspace.write("config.yaml", &Workspace::config(port, payments));
    workspace.write("payments.csv", "customer,invoice,amount,received_on,reference\nC0001,,0.50,2026-02-20,OLD\n");
    workspace.write("rules/templates/account.subject.txt", "Account of {{ period.to.iso }}: {{ statement.balance }}\n");
    workspace.write(
        "rules/templates/account.txt",
        "{% for line in statement.lines %}{{ line.number }} {{ line.open }}\n{% endfor %}= {{ statement.balance }}\n",
    );
    workspace.write("rules/templates/receipt.subject.txt", "Received {{ payment.amount }} {{ payment.reference }}\n");
    workspace.write("rules/templates/receipt.txt", "Thank you, {{ customer.name }}\n");
    workspace
}

fn run(workspace: &Workspace, as_of: &str) -> String {
    counts(&workspace.dunlin(&["run", "--as-of", as_of, "--json"]).json())
}

/// Returns customer, kind, occasion and state of every mail, a line each, with hashes cut short.
fn told(workspace: &Workspace) -> Vec<String> {
    let word = |message: &serde_json::Value, key: &str| message[key].as_str().unwrap().to_owned();
    let line = |message: &serde_json::Value| {
        assert_eq!(message["level"], "");
        let occasion: String = word(message, "occasion").chars().take(21).collect();
        format!("{} {} {occasion} {}", word(message, "customer"), word(message, "kind"), word(message, "state"))
    };
    workspace.outbox().iter().map(line).collect()
}

fn subjects(server: &Server) -> Vec<String> {
    let subject = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        mail_parser::MessageParser::default().parse(text.as_bytes()).unwrap().subject().unwrap().to_owned()
    };
    let mut subjects: Vec<String> = server.taken().iter().map(|message| subject(&message.bytes)).collect();
    subjects.sort();
    subjects
}

#[test]
fn a_statement_goes_once_a_period() {
    let server = Server::willing();
    let workspace = workspace(server.port, STATEMENT);
    let plan = workspace.dunlin(&["plan", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(plan["messages"][0]["occasion"], "2026-02-01/2026-02-28", "{plan}");
    assert_eq!(plan["messages"][0]["reason"], "period_due", "{plan}");
    assert_eq!(run(&workspace, AS_OF), "accepted=2");
    assert_eq!(run(&workspace, AS_OF), "");
    assert_eq!(run(&workspace, "2026-03-31"), "", "it is still March");
    let plan = workspace.dunlin(&["plan", "--as-of", "2026-03-31", "--json"]).json();
    assert_eq!(plan["declined"][0]["reason"], "already_sent", "{plan}");
    workspace.edit("invoices.csv", "2026-03-02,2.50,", "2026-03-02,2.50,2026-03-20");
    assert_eq!(run(&workspace, "2026-04-01"), "accepted=1", "the other account is settled by then");
    assert_eq!(
        told(&workspace),
        [
            "C0001 statement 2026-02-01/2026-02-28 accepted",
            "C0002 statement 2026-02-01/2026-02-28 accepted",
            "C0001 statement 2026-03-01/2026-03-31 accepted",
        ]
    );
    assert_eq!(
        subjects(&server),
        ["Account of 2026-02-28: €1.00", "Account of 2026-02-28: €2.50", "Account of 2026-03-31: €1.00"]
    );
    let preview = workspace.dunlin(&["preview", "C0001", "--level", "statement", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(preview["subject"], "Account of 2026-02-28: €1.00");
}

#[test]
fn a_statement_keeps_reminders_away_for_the_gap_and_no_statement() {
    let server = Server::willing();
    let workspace = workspace(server.port, STATEMENT);
    let payments = "  payments: { csv: payments.csv }\nlimits: { contact_gap: 9 days }\n";
    workspace.write("config.yaml", &Workspace::config(server.port, payments));
    assert_eq!(run(&workspace, AS_OF), "accepted=2");
    let reminder = "id: overdue\nkind: reminder\nlevels: [{ id: first, when: 7 days after due, template: note }]\nstart: to_age\n\
                    from: receivables\nto: [billing]\n";
    workspace.write("rules/reminder.yaml", reminder);
    assert_eq!(run(&workspace, AS_OF), "");
    assert_eq!(run(&workspace, "2026-03-18"), "");
    assert_eq!(run(&workspace, "2026-03-26"), "accepted=2", "no step of a reminder is lost");
    // The other way round: a statement waits for nothing.
    assert_eq!(run(&workspace, "2026-04-01"), "accepted=2");
}

#[test]
fn a_statement_that_waits_stays_right_across_the_end_of_a_month_and_goes_only_as_it_would_be_made_again() {
    for (corrected, expected) in [(false, "accepted=2"), (true, "accepted=1 withdrawn=1")] {
        let server = Server::willing();
        let workspace = workspace(server.port, &format!("{STATEMENT}approve: true\n"));
        assert_eq!(run(&workspace, "2026-03-31"), "waiting=2");
        if corrected {
            // Paid since, which a statement for February does not show; and an invoice dated back, which it does.
            workspace.edit("invoices.csv", "2026-03-02,2.50,", "2026-03-02,2.50,2026-03-30");
            workspace.edit("invoices.csv", "INV-0001", "INV-0009,C0001,2026-02-05,2026-03-02,9.00,\nINV-0001");
        }
        let released = workspace.dunlin(&["runs", "start", "1", "--as-of", "2026-04-02", "--json"]).json();
        assert_eq!(counts(&released), expected, "{released}");
    }
}

#[tokio::test]
async fn a_firing_that_is_made_up_for_covers_the_period_it_was_scheduled_for() {
    let server = Server::willing();
    let folder = workspace(server.port, STATEMENT);
    let workspace = Arc::new(load(folder.path()).workspace.unwrap());
    let (as_of, scheduled_on): (Date, Date) = ("2026-04-02".parse().unwrap(), "2026-03-31".parse().unwrap());
    let ledger = Arc::new(workspace.read_ledger(as_of, &mut |_, _| {}).unwrap());
    let parts = workspace.parts(Arc::new(SystemClock)).unwrap();
    let firing = FiringRow {
        mode: "live",
        rule_id: "monthly".into(),
        schedule: "0 7 * * *".into(),
        local_time: "2026-03-31T07:00".into(),
        time_zone: "Europe/Berlin".into(),
        scheduled_at: SystemClock.now(),
    };
    let rules = Arc::new(workspace.rules.clone());
    let only_rule = Some("monthly".to_owned());
    let order = Order { rules, only_rule, only: None, ledger, as_of, scheduled_on, cause: Cause::Schedule(firing) };
    commit(&RunGenerations::new(workspace.clone()), workspace.clone(), order, &parts, Arc::new(|_, _| {})).await.unwrap();
    drop(parts);
    // The next run re-checks them by their own period, and makes those of March besides.
    assert_eq!(run(&folder, "2026-04-02"), "accepted=2");
    assert_eq!(
        told(&folder),
        [
            "C0001 statement 2026-02-01/2026-02-28 accepted",
            "C0002 statement 2026-02-01/2026-02-28 accepted",
            "C0001 statement 2026-03-01/2026-03-31 accepted",
            "C0002 statement 2026-03-01/2026-03-31 accepted",
        ]
    );
}

#[test]
fn a_notice_goes_once_for_what_is_new_and_never_for_what_was_there() {
    let server = Server::willing();
    let workspace = workspace(server.port, NOTICE);
    let book = |row: &str| workspace.write("payments.csv", &format!("{}{row}\n", workspace.read("payments.csv")));
    let mode = |more: &str| {
        let text = Workspace::config(server.port, &format!("  payments: {{ csv: payments.csv }}\n{more}"));
        workspace.write("config.yaml", &text);
    };
    // A run that only composes leaves nothing behind, and a rehearsal has a first run of its own.
    mode("mode: dry\n");
    assert_eq!(run(&workspace, AS_OF), "");
    book("C0002,,1.00,2026-03-01,FIRST");
    mode("mode: redirect\nredirect_to: me@seller.example\n");
    assert_eq!(run(&workspace, AS_OF), "");
    book("C0002,,1.00,2026-03-02,SECOND");
    assert_eq!(run(&workspace, AS_OF), "accepted=1");
    mode("");
    assert_eq!(run(&workspace, AS_OF), "", "everything booked so far was there when the rule first ran");
    book("C0002,INV-0002,0.50,2026-03-09,THIRD");
    book("C0001,,0.25,2026-03-10,FOURTH");
    book("C0001,,-0.25,2026-03-10,BACK");
    assert_eq!(run(&workspace, AS_OF), "accepted=2");
    assert_eq!(run(&workspace, AS_OF), "");
    // Matched to its invoice later, it is the payment it was.
    workspace.edit("payments.csv", "C0001,,0.25", "C0001,INV-0001,0.25");
    assert_eq!(run(&workspace, AS_OF), "");
    assert_eq!(
        subjects(&server),
        ["Received €0.25 FOURTH", "Received €0.50 THIRD", "[for ap2@customer2.example] Received €1.00 SECOND"]
    );
    assert!(told(&workspace).iter().all(|line| line.contains(" notice payment:")), "{:?}", told(&workspace));
}

#[test]
fn a_first_run_on_an_empty_ledger_is_a_first_run_too() {
    let server = Server::willing();
    let workspace = workspace(server.port, NOTICE);
    let head = "customer,invoice,amount,received_on,reference\n";
    workspace.write("payments.csv", head);
    assert_eq!(run(&workspace, AS_OF), "");
    workspace.write("payments.csv", &format!("{head}C0001,,0.25,2026-03-10,A\n"));
    assert_eq!(run(&workspace, AS_OF), "accepted=1");
}

#[test]
fn a_notice_that_waits_is_withdrawn_when_its_payment_was_booked_wrongly() {
    let server = Server::willing();
    let workspace = workspace(server.port, &format!("{NOTICE}start: all\napprove: true\n"));
    workspace.write("payments.csv", &format!("{}C0002,,1.00,2026-03-01,B\n", workspace.read("payments.csv")));
    assert_eq!(run(&workspace, AS_OF), "waiting=2");
    workspace.edit("payments.csv", "0.50,2026-02-20,OLD", "0.60,2026-02-20,OLD");
    let released = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(counts(&released), "accepted=1 withdrawn=1");
}

#[test]
fn a_template_of_a_statement_that_cannot_be_filled_is_found_by_check() {
    let server = Server::willing();
    let workspace = workspace(server.port, STATEMENT);
    assert_eq!(workspace.dunlin(&["check"]).code, Some(0));
    workspace.write("rules/templates/account.txt", "{{ payment.amount }}\n");
    let checked = workspace.dunlin(&["check"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    assert!(checked.out.contains("The mail of level `statement` fails"), "{}", checked.out);
}
