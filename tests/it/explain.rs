//! `dunlin explain`: why not, by the present ledger and by what runs of the past have stored.

use std::process::Command;

use serde_json::Value;

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace, counts};

/// Returns what `explain` prints of `C0001`, which must be told without a fault.
fn explained(workspace: &Workspace, more: &[&str]) -> String {
    let ran = workspace.dunlin(&[&["explain", "C0001", "--as-of", AS_OF], more].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out
}

const DUE: &str = "C0001 Customer 1, as of 2026-03-10

overdue: a mail: due for `first`, 1.50 EUR (INV-0001)
  INV-0001  1.50 EUR, due 2026-03-02, 8 days overdue: in the mail, at `first`
      where   yes !customer.tags ([]).contains(\"do-not-chase\")
      upcoming  2026-02-27  lapsed: the due date has passed
      first     2026-03-09  due
  Next mail, if nothing else changes: none within 120 days
";

const TAGGED: &str = "C0001 Customer 1, as of 2026-03-10

overdue: no mail: the rule's `where` does not hold
  INV-0001  1.50 EUR, due 2026-03-02, 8 days overdue: the rule's `where` does not hold
      where   no  all of these:
                  yes invoice.open (1.50) > 1
                  no  !customer.tags ([\"vip\", \"do-not-chase\"]).contains(\"do-not-chase\")
                  no  one of these:  (not asked)
                      no  invoice.disputed  (not asked)
                      no  invoice.open (1.50) > 100.00  (not asked)
      upcoming  2026-02-27  lapsed: the due date has passed
      first     2026-03-09  its day has come
  What would change it:
      INV-0001: `!customer.tags ([\"vip\", \"do-not-chase\"]).contains(\"do-not-chase\")` would have to be true and (`invoice.disputed` would have to be true or `invoice.open (1.50) > 100.00` would have to be true)
  Next mail, if nothing else changes: none within 120 days
";

const MINIMUM: &str = "C0001 Customer 1, as of 2026-03-10

overdue: no mail: below the rule's minimum
  INV-0001  1.50 EUR, due 2026-03-02, 8 days overdue: below the rule's minimum
      where   yes !customer.tags ([]).contains(\"do-not-chase\")
      upcoming  2026-02-27  lapsed: the due date has passed
      first     2026-03-09  its day has come
  minimum of the mail: 20.00 EUR; it comes to 1.50 EUR
  What would change it:
      18.50 EUR more
  Next mail, if nothing else changes: none within 120 days
";

const PROMISED: &str = "C0001 Customer 1, as of 2026-03-10

overdue: no mail: payment is promised for a day that has not passed
  INV-0001  1.50 EUR, due 2026-03-02, 8 days overdue: payment is promised for a day that has not passed
      where   yes !customer.tags ([]).contains(\"do-not-chase\")
      hold    promise by a person, up to and including 2999-03-12
      upcoming  2026-02-27  lapsed: the due date has passed
      first     2026-03-09  its day has come
  What would change it:
      INV-0001: promise by a person, up to and including 2999-03-12; reminders go on from 2999-03-13
  Next mail, if nothing else changes: none within 120 days

Hold 1: promise on customer C0001 up to and including 2999-03-12, by PERSON: pays late
";

#[test]
fn each_answer_is_told_with_what_it_rests_on() {
    let workspace = Workspace::new(9, 2);
    assert_eq!(explained(&workspace, &[]), DUE);

    workspace.edit("rules/overdue.yaml", "where: '!customer", "where: 'invoice.open > 1 && !customer");
    workspace.edit("rules/overdue.yaml", "\")'", "\") && (invoice.disputed || invoice.open > 100.00)'");
    workspace.edit("customers.csv", "Customer 1,en,,", "Customer 1,en,vip;do-not-chase,");
    assert_eq!(explained(&workspace, &[]), TAGGED);

    let workspace = Workspace::new(9, 1);
    workspace.edit("rules/overdue.yaml", "start:", "minimum: { EUR: 20.00 }\nstart:");
    assert_eq!(explained(&workspace, &["--rule", "overdue"]), MINIMUM);

    let workspace = Workspace::new(9, 1);
    let hold = ["hold", "add", "C0001", "--kind", "promise", "--until", "2999-03-12", "--reason", "pays late"];
    assert_eq!(workspace.dunlin(&hold).code, Some(0));
    let told = explained(&workspace, &[]);
    let person = told.rsplit_once(", by ").unwrap().1.split(':').next().unwrap().to_owned();
    assert_eq!(told, PROMISED.replace("PERSON", &person));
}

#[test]
fn a_past_run_is_told_from_what_is_stored_whatever_the_ledger_says_now() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("rules/overdue.yaml", "where: '", "where: 'invoice.open > 2.00 && ");
    assert_eq!(counts(&workspace.run()), "accepted=2");
    const NO: &str = "C0001 Customer 1, as of 2026-03-10

So run 1 decided for 2026-03-10, by what is stored of it:

overdue (EUR): no mail: the rule's `where` does not hold
  INV-0001  1.50 EUR, due 2026-03-02: the rule's `where` does not hold
      was false: invoice.open (1.50) > 2.00
";
    assert_eq!(explained(&workspace, &[]), NO, "of a past day with a run, its decisions");

    // A correction comes in, and a payment: by today's ledger the run would have decided otherwise.
    workspace.edit("invoices.csv", "2026-03-02,1.50,", "2026-03-02,7.50,");
    workspace.edit("invoices.csv", "2026-03-02,2.50,", "2026-03-02,2.50,2026-03-05");
    let otherwise = "  By today's ledger and rules it would be otherwise: a mail would be due, about INV-0001\n";
    assert_eq!(explained(&workspace, &[]), format!("{NO}{otherwise}"));
    let of_run = workspace.dunlin(&["explain", "INV-0001", "--run", "1"]);
    assert!(of_run.out.contains("was false: invoice.open (1.50) > 2.00\n") && of_run.out.ends_with(otherwise), "{of_run:?}");
    let paid = workspace.dunlin(&["explain", "C0002", "--run", "1"]).out;
    let expected = "overdue (EUR): a mail: due for `first`
  mail 1, 2.50 EUR: accepted
  INV-0002  2.50 EUR: in the mail, at `first`
  By today's ledger and rules it would be otherwise: nothing is open of it now as of that day
";
    assert!(paid.ends_with(expected), "{paid}");
    // What was sent by then does not count against it: nothing has changed for the third.
    let same = workspace.dunlin(&["explain", "C0003", "--run", "1", "--json"]).json();
    assert_eq!(same["stored"][0]["otherwise"], Value::Null, "{same}");
    assert_eq!(same["stored"][0]["mail"]["state"], "accepted");
    // On a day without a run it is planned, with what was sent since.
    let planned = workspace.dunlin(&["explain", "C0003", "--as-of", "2026-03-11"]).out;
    assert_eq!(planned.lines().nth(2), Some("overdue: no mail: every level was sent"), "{planned}");
    let sent = workspace.dunlin(&["explain", "C0003", "--as-of", "2026-03-11", "--json"]).json();
    assert_eq!(sent["stored"], Value::Null);
    assert_eq!(sent["answers"][0]["items"][0]["ladder"][1]["standing"], "reached");

    for (arguments, error, hint) in [
        (["C0001", "--run", "9"], "There is no run 9", "`dunlin runs` lists the runs"),
        (["Customer 2", "--as-of", AS_OF], "There is no customer and no invoice `Customer 2`", "`C0002` (Customer 2)"),
        (["C000l", "--as-of", AS_OF], "There is no customer and no invoice `C000l`", "did you mean `C0001` (Customer 1)"),
        (["C0001", "--rule", "overdeu"], "There is no rule `overdeu`", "did you mean `overdue`?"),
    ] {
        let ran = workspace.dunlin(&["explain", arguments[0], arguments[1], arguments[2]]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains(error) && ran.err.contains(hint), "{ran:?}");
    }
}

#[test]
fn a_rule_with_errors_is_named_as_left_out() {
    let workspace = Workspace::new(9, 1);
    workspace.write("rules/broken.yaml", "id: broken\nkind: remnider\n");
    let ran = workspace.dunlin(&["explain", "C0001", "--as-of", AS_OF]);
    assert_eq!(ran.code, Some(3));
    let expected = "\nbroken: not known: the rule has errors and is left out (`dunlin check` tells them)\n";
    assert!(ran.out.ends_with(expected) && ran.out.contains("\noverdue: a mail: due for `first`"), "{ran:?}");
}

/// Compares every answer of `explain` with what `plan` says, over the rules and receivables of the repository.
#[test]
fn explain_and_plan_agree_on_the_sample_of_this_folder() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        let output = command.args(arguments).args(["--json", "--workspace", env!("CARGO_MANIFEST_DIR")]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    // A statement's first business day, and a day in the month.
    for day in ["2999-03-01", "2999-03-13"] {
        let plan = run(&["plan", "--as-of", day]);
        let lines = |key: &str| plan[key].as_array().unwrap().clone();
        let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let mut planned: Vec<String> = Vec::new();
        for line in lines("messages").iter().chain(&lines("declined")) {
            let state = if line["state"].is_null() { "declined".to_owned() } else { word(line, "state") };
            planned.push(format!(
                "{} {} {state} {} {}",
                word(line, "rule"),
                word(line, "customer"),
                word(line, "reason"),
                word(line, "yields_to")
            ));
        }
        let mut customers: Vec<String> = planned.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        customers.sort();
        customers.dedup();
        let mut said: Vec<String> = Vec::new();
        for customer in &customers {
            let explained = run(&["explain", &format!("customer:{customer}"), "--as-of", day]);
            for answer in explained["answers"].as_array().unwrap() {
                said.push(format!(
                    "{} {customer} {} {} {}",
                    word(answer, "rule"),
                    word(answer, "verdict"),
                    word(answer, "reason"),
                    word(answer, "yields_to")
                ));
            }
        }
        planned.sort();
        said.sort();
        assert!(planned.len() > 60, "{}", planned.len());
        assert_eq!(said, planned, "{day}");
    }
}
