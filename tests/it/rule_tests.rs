//! `dunlin test`: the shipped cases, what it prints and writes, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::workspace::Workspace;

/// A case that is right for the rule of [`Workspace::new`].
const CASE: &str = "cases:
  - name: A week after the due date
    ledger: { invoices: [{ number: A-1, total: 12.00, due_on: day 1 }] }
    history: { started_on: day -30 }
    on: day 8
    expect: { mail: first, items: [A-1], to: billing@c-1.example, text: please pay €12.00 }
";

fn shipped(workspace: &str, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(workspace);
    let output = command.args(["test", "--json", "--workspace"]).arg(path).args(more).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Returns the themes A to G of the complaints that the shipped cases cite.
fn cites(outcome: &Value) -> Vec<String> {
    let cases = outcome["cases"].as_array().unwrap().iter();
    cases.flat_map(|case| case["cites"].as_array().unwrap()).map(|cite| cite.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_shipped_rules_do_what_their_tests_say_and_nothing_of_them_is_untested() {
    let mut citing = 0;
    for (folder, rules) in [("", 4), ("tests/rules", 4)] {
        let (code, outcome) = shipped(folder, &[]);
        assert_eq!(
            (code, &outcome["failed"], &outcome["problems"]),
            (Some(0), &Value::from(0), &Value::from(Vec::<Value>::new()))
        );
        let coverage = outcome["coverage"].as_array().unwrap();
        assert_eq!(coverage.len(), rules, "each rule of `{folder}` has tests");
        for part in
            coverage.iter().flat_map(|rule| ["levels", "functions"].map(|key| rule[key].as_array().unwrap().clone())).flatten()
        {
            assert_eq!(part["reached"], true, "{part}");
        }
        for part in coverage.iter().flat_map(|rule| rule["branches"].as_array().unwrap()) {
            assert_eq!((&part["was_true"], &part["was_false"]), (&true.into(), &true.into()), "{part}");
        }
        citing +=
            outcome["cases"].as_array().unwrap().iter().filter(|case| !case["cites"].as_array().unwrap().is_empty()).count();
        assert!(cites(&outcome).iter().all(|cite| !cite.is_empty()));
    }
    assert!(citing >= 30, "only {citing} cases cite a complaint");
}

#[test]
fn a_case_that_differs_says_what_was_expected_and_what_came() {
    let workspace = Workspace::new(2525, 0);
    workspace.write("rules/overdue.test.yaml", CASE);
    let passed = workspace.dunlin(&["test"]);
    assert!(passed.out.ends_with("\n1 passed, 0 failed\n") && passed.code == Some(0), "{passed:?}");
    assert!(passed.out.contains("level `upcoming`") && passed.out.contains("never false: !customer.tags"), "{passed:?}");
    workspace.edit("rules/overdue.test.yaml", "[A-1], to: billing", "[A-1], total: 13, to: [boss@c-1.example, billing");
    workspace.edit("rules/overdue.test.yaml", "example, text", "example], text");
    let failed = workspace.dunlin(&["test", "overdue"]);
    let expected = "failed: rules/overdue.test.yaml:2:5: A week after the due date
  line 6: on 2026-03-09 (Monday, day 8), the mail `first` to C-1: total
    expected 13.00 EUR
    got      12.00 EUR
  line 6: on 2026-03-09 (Monday, day 8), the mail `first` to C-1: to
    expected boss@c-1.example, billing@c-1.example
    got      billing@c-1.example
";
    assert!(failed.out.starts_with(expected) && failed.out.ends_with("\n0 passed, 1 failed\n"), "{}", failed.out);
    assert_eq!(failed.code, Some(1));
}

#[test]
fn a_mail_that_nobody_expected_or_that_does_not_come_fails_its_case() {
    let workspace = Workspace::new(2525, 0);
    let got = |expect: &str| {
        workspace.write("rules/overdue.test.yaml", CASE);
        workspace.edit(
            "rules/overdue.test.yaml",
            "{ mail: first, items: [A-1], to: billing@c-1.example, text: please pay €12.00 }",
            expect,
        );
        let ran = workspace.dunlin(&["test", "--json"]).json();
        let differences = ran["cases"][0]["differences"].as_array().unwrap().clone();
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        differences.iter().map(|one| format!("{} / {}", text(one, "expected"), text(one, "got"))).collect::<Vec<_>>()
    };
    assert_eq!(got("first"), [""; 0]);
    assert_eq!(got("nothing"), ["nothing / the mail `first` of rule `overdue` to C-1 about A-1, 12.00 EUR"]);
    assert_eq!(got("[first, upcoming]"), ["the mail `upcoming` / nothing"]);
    assert_eq!(
        got("{ nothing: held }"),
        [
            "nothing / the mail `first` of rule `overdue` to C-1 about A-1, 12.00 EUR",
            "held (on hold) / the mail `first` of rule `overdue` to C-1 about A-1, 12.00 EUR",
        ]
    );
    assert_eq!(
        got("{ mail: first, without: please pay }"),
        ["nothing of \"please pay\" / Dear Customer C-1, please pay €12.00."].map(|text| text.replace("Dear", "… Dear") + " …")
    );
    assert_eq!(got("{ mail: first, blocked: suppressed }"), ["suppressed / not blocked"]);
    assert_eq!(got("{ mail: first, variables: { a: 1 } }"), ["1 / no such variable"]);
}

#[test]
fn a_broken_test_is_told_by_test_and_check_and_stops_neither_the_rule_nor_the_other_tests() {
    let workspace = Workspace::new(2525, 0);
    workspace.write("rules/overdue.test.yaml", &CASE.replace("mail: first", "mail: frist"));
    let tested = workspace.dunlin(&["test"]);
    assert_eq!((tested.code, tested.out.lines().last()), (Some(3), Some("0 passed, 0 failed")));
    let words = "error: `frist` is not known here\n --> rules/overdue.test.yaml:6:21\n";
    assert!(tested.err.contains(words) && tested.err.contains("did you mean `first`?"), "{}", tested.err);
    let checked = workspace.dunlin(&["check"]);
    assert!(checked.code == Some(3) && checked.out.contains(words), "{checked:?}");
    // The rule runs on.
    assert_eq!(workspace.dunlin(&["plan"]).code, Some(0));
    workspace.write("rules/overdue.test.yaml", CASE);
    workspace.write("rules/overdeu.test.yaml", CASE);
    let tested = workspace.dunlin(&["test"]);
    assert_eq!((tested.code, tested.out.lines().last()), (Some(3), Some("1 passed, 0 failed")));
    assert!(tested.err.contains("did you mean to name it after `rules/overdue.yaml`?"), "{}", tested.err);
    fs::remove_file(workspace.path().join("rules/overdeu.test.yaml")).unwrap();
    workspace.edit("rules/overdue.yaml", "template: note", "temlate: note");
    let tested = workspace.dunlin(&["test"]);
    assert!(tested.code == Some(3) && tested.err.contains("has errors, so its cases are not run"), "{tested:?}");
    assert_eq!(workspace.dunlin(&["test", "overdue"]).code, Some(3));
    assert_eq!(Workspace::new(2525, 0).dunlin(&["test", "overdeu"]).code, Some(1));
}

#[test]
fn a_file_of_cases_is_no_part_of_the_generation() {
    let workspace = Workspace::new(2525, 1);
    workspace.edit("config.yaml", "instance: test", "instance: test\nmode: dry");
    let generation = || {
        let loaded = dunlin::engine::workspace::load(workspace.path());
        loaded.workspace.unwrap().generation
    };
    let before = generation();
    workspace.write("rules/overdue.test.yaml", CASE);
    assert_eq!(generation(), before);
}

#[test]
fn the_results_are_written_for_build_servers_too() {
    let workspace = Workspace::new(2525, 0);
    workspace
        .write("rules/overdue.test.yaml", &CASE.replace("A week after", "\"<Later> & 'more'\"").replace(" the due date", ""));
    let path = workspace.path().join("results.xml");
    let ran = workspace.dunlin(&["test", "--junit", path.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let xml = workspace.read("results.xml");
    assert!(xml.contains("name=\"&lt;Later&gt; &amp; 'more'\" file=\"rules/overdue.test.yaml\" line=\"2\"/>"), "{xml}");
    let nowhere = workspace.dunlin(&["test", "--junit", "/nowhere/at/all.xml"]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("Cannot write `/nowhere/at/all.xml`"), "{nowhere:?}");
}

#[test]
fn a_saved_file_is_tested_anew_until_the_process_is_ended() {
    let workspace = Workspace::new(2525, 0);
    workspace.write("rules/overdue.test.yaml", CASE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.args(["test", "--watch", "--workspace"]).arg(workspace.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut closing = || lines.find(|line| line.ends_with(" failed")).unwrap();
    assert_eq!(closing(), "1 passed, 0 failed");
    workspace.edit("rules/overdue.test.yaml", "€12.00", "€13.00");
    assert_eq!(closing(), "0 passed, 1 failed");
    workspace.edit("rules/templates/note.html", "{{ total }}", "€13.00");
    assert_eq!(closing(), "1 passed, 0 failed");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A workspace whose customer `C0001` has a history, a part payment, a hold and a script that asks for its columns.
fn lived_in(server: &crate::server::Server) -> Workspace {
    let workspace = Workspace::new(server.port, 2);
    workspace.write(
        "config.yaml",
        &Workspace::config(server.port, "")
            .replace("invoices: { csv: invoices.csv }", "invoices: { csv: invoices.csv }\n  payments: { csv: payments.csv }"),
    );
    workspace.write(
        "customers.csv",
        "id,name,language,tags,billing,Region,Secret\nC0001,Harbour Coffee,en,family;vip,ann@harbour.example,north,s3cr3t\n\
         C0002,Kite,en,,kite@kite.example,south,\n",
    );
    workspace.write(
        "invoices.csv",
        "number,customer,issued_on,due_on,total,Order\nINV-0001,C0001,2026-02-01,2026-03-02,100.50,PO-4711\n\
         INV-0077,C0001,2026-02-10,2026-03-11,70.00,PO-4712\nINV-0002,C0002,2026-02-01,2026-03-02,2.50,\n",
    );
    workspace.write("payments.csv", "invoice,amount,received_on,reference\nINV-0001,40.00,2026-03-03,Bank-90210\n");
    workspace.edit("rules/overdue.yaml", "where: '", "where: 'customer.attributes.Region == \"north\" && ");
    workspace.edit("rules/overdue.yaml", "to: [billing]\n", "to: [billing]\nscript: s.rhai\n");
    workspace
        .write("rules/s.rhai", "fn variables(customer, items, level) { #{ order: items[0].attributes.Order, by: as_of + 7 } }\n");
    workspace
}

#[test]
fn a_recorded_case_passes_at_once_and_tells_nothing_of_the_customer() {
    let server = crate::server::Server::willing();
    let workspace = lived_in(&server);
    let record = |day: &str, days: &str| {
        let printed = workspace.dunlin(&["test", "--record", "C0001", "--as-of", day, "--days", days]);
        assert!(printed.code == Some(0) && printed.err.is_empty(), "{printed:?}");
        let recorded = ["test", "--record", "C0001", "--as-of", day, "--days", days, "--append"];
        let appended = workspace.dunlin(&recorded);
        assert_eq!((appended.code, appended.out.as_str()), (Some(0), "rules/overdue.test.yaml\n"), "{appended:?}");
    };
    record("2026-03-10", "1");
    assert_eq!(workspace.run()["counts"]["accepted"], 1);
    // A hold ends in the future, whatever day it is.
    let until = dunlin::domain::date::shifted(jiff::Zoned::now().date(), 30);
    let held = ["hold", "add", "INV-0077", "--kind=promise", &format!("--until={until}"), "--reason=so"];
    let held = workspace.dunlin(&held);
    assert_eq!(held.code, Some(0), "{held:?}");
    record("2026-03-18", "1");
    record("2026-03-10", "40");
    let text = workspace.read("rules/overdue.test.yaml");
    for original in ["C0001", "Harbour", "harbour", "ann@", "family", "INV-0001", "INV-0077", "4711", "90210", "s3cr3t", "Secret"]
    {
        assert!(!text.contains(original), "{original} in\n{text}");
    }
    for kept in ["100.50", "40.00", "2026-03-03", "north", "xx-1111", &format!("kind: promise, until: {until}"), "mail: upcoming"]
    {
        assert!(text.contains(kept), "no {kept} in\n{text}");
    }
    let tested = workspace.dunlin(&["test"]);
    assert!(tested.code == Some(0) && tested.out.ends_with("3 passed, 0 failed\n"), "{tested:?}\n{text}");
    // What it says is tested: another amount fails.
    workspace.edit("rules/overdue.test.yaml", "amount: 40.00", "amount: 30.00");
    assert_eq!(workspace.dunlin(&["test"]).code, Some(1));
}

#[test]
fn a_case_of_nobody_or_of_an_unsaid_rule_is_not_recorded() {
    let workspace = Workspace::new(2525, 2);
    let unknown = workspace.dunlin(&["test", "--record", "C001"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("did you mean `C0001`?"), "{unknown:?}");
    workspace.write("rules/b.yaml", &workspace.read("rules/overdue.yaml").replace("id: overdue", "id: b"));
    let unsaid = workspace.dunlin(&["test", "--record", "C0001"]);
    assert!(unsaid.code == Some(1) && unsaid.err.contains("the rules are: b, overdue"), "{unsaid:?}");
    let recorded = workspace.dunlin(&["test", "--record", "C0001", "--rule", "b", "--append"]);
    assert_eq!((recorded.code, recorded.out.as_str()), (Some(0), "rules/b.test.yaml\n"), "{recorded:?}");
    // What stands there is not spoilt.
    workspace.write("rules/overdue.test.yaml", "cases: []\n");
    let unfit = workspace.dunlin(&["test", "--record", "C0001", "--rule", "overdue", "--append"]);
    assert!(unfit.code == Some(1) && unfit.err.contains("does not fit behind the last line"), "{unfit:?}");
    assert_eq!(workspace.read("rules/overdue.test.yaml"), "cases: []\n");
}
