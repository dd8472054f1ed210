//! What is wrong in a workspace is told all at once, each with its place and the way out.

use crate::workspace::{AS_OF, Workspace};

#[test]
fn check_tells_every_problem_of_every_file_at_once() {
    let workspace = Workspace::new(2525, 2);
    workspace.edit("config.yaml", "instance: test", "instance: test\ninstanze: x");
    workspace.write("rules/second.yaml", "id: second\nkind: reminder\nlevels:\n  - { id: a, when: 7 days past due, temlate: note }\nfrom: recievables\nto: [biling]\n");
    workspace.write("rules/templates/bad.html", "<p>{{ custommer.name }}\n{% if %}</p>\n");
    workspace.write("rules/templates/bad.subject.txt", "Hello\n");
    let second = workspace.dunlin(&["check"]);
    assert!(second.out.contains("config.yaml:2:1") && second.out.contains("did you mean `instance`?"), "{}", second.out);
    for expected in [
        "did you mean `template`?",
        "rules/second.yaml:4:",
        "did you mean `receivables`?",
        "rules/second.yaml:5:",
        "did you mean `billing`?",
        "rules/second.yaml:6:",
        "rules/templates/bad.html:2:",
    ] {
        assert!(second.out.contains(expected), "no {expected:?} in:\n{}", second.out);
    }
    assert_eq!(second.code, Some(3));
}

#[test]
fn check_fills_every_template_once_from_the_real_ledger() {
    let workspace = Workspace::new(2525, 2);
    for (name, text, expected) in [
        ("note.html", "<p>{{ due_total + 1 }}</p>\n", "rules/templates/note.html:1:"),
        ("note.html", "\n", "without a word in it"),
        ("note.subject.txt", "one\ntwo\n", "rules/templates/note.subject.txt"),
        ("note.html", "<p>{{ items[9].number }}</p>\n", "rules/templates/note.html:1:"),
    ] {
        let before = workspace.read(&format!("rules/templates/{name}"));
        workspace.write(&format!("rules/templates/{name}"), text);
        let checked = workspace.dunlin(&["check"]);
        assert!(checked.code == Some(3) && checked.out.contains(expected), "{text:?}: {checked:?}");
        workspace.write(&format!("rules/templates/{name}"), &before);
    }
    assert_eq!(workspace.dunlin(&["check"]).code, Some(0));
}

#[test]
fn a_place_inside_a_condition_is_the_place_in_the_yaml_file() {
    let workspace = Workspace::new(2525, 1);
    workspace.edit(
        "rules/overdue.yaml",
        "where: '!customer.tags.contains(\"do-not-chase\")'",
        "where: |\n  invoice.open > 5.00 &&\n    invoice.opne < 9.00",
    );
    let checked = workspace.dunlin(&["check", "--json"]).json();
    let places: Vec<String> = checked["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            format!(
                "{}:{}:{} {}",
                problem["place"]["file"].as_str().unwrap(),
                problem["place"]["line"],
                problem["place"]["column"],
                problem["hint"]
            )
        })
        .collect();
    assert_eq!(places.len(), 1, "{checked}");
    assert!(places[0].starts_with("rules/overdue.yaml:5:13 ") && places[0].contains("open"), "{places:?}");
}

#[test]
fn what_is_there_and_has_errors_is_not_said_to_be_missing() {
    let workspace = Workspace::new(2525, 2);
    workspace.write("rules/templates/note.txt", "{% if x %}\n");
    workspace.write("rules/papers/open.yaml", "nonsense: 1\n");
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\nattach: [{ items: pdf, layout: open }]");
    let out = workspace.dunlin(&["check"]).out;
    assert!(out.contains("Unexpected end of input") && out.contains("The layout of papers `open` has errors"), "{out}");
    assert!(!out.contains("There is no layout") && !out.contains("not there"), "{out}");
    workspace.edit("rules/overdue.yaml", "\nattach: [{ items: pdf, layout: open }]", "");
    let out = workspace.dunlin(&["check"]).out;
    assert!(out.contains("Unexpected end of input") && !out.contains("The mail of level"), "{out}");
}

#[test]
fn a_broken_rule_stops_itself_and_no_other() {
    let server = crate::server::Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.write("rules/broken.yaml", "id: broken\nkind: reminder\nlevels: [\n");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.err.contains("rules/broken.yaml:"), "{ran:?}");
    assert_eq!(server.taken().len(), 2);
}

#[test]
fn bad_rows_of_the_ledger_stop_a_run_with_their_lines() {
    let server = crate::server::Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("invoices.csv", "2026-03-02,1.50", "02/03/2026,1.50");
    workspace.edit("invoices.csv", ",3.50,", ",\"3,50\",");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("invoices.csv:2:") && ran.err.contains("invoices.csv:4:"), "{}", ran.err);
    assert_eq!(server.taken().len(), 0, "a ledger with a bad row is no ledger");
}

#[test]
fn every_command_explains_itself_and_wrong_use_ends_with_2() {
    let workspace = Workspace::new(2525, 1);
    for verb in ["demo", "check", "plan", "preview", "run", "outbox"] {
        let help = workspace.dunlin(&[verb, "--help"]);
        assert_eq!(help.code, Some(0), "{verb}");
        assert!(help.out.contains("--workspace") && help.out.contains("--json"), "{verb}: {}", help.out);
    }
    for wrong in [&["plan", "--as-of", "10.03.2026"][..], &["outbox", "--state", "sent"], &["paln"], &["run", "--no-such"]] {
        let ran = workspace.dunlin(wrong);
        assert_eq!(ran.code, Some(2), "{wrong:?}: {ran:?}");
    }
    let unknown = workspace.dunlin(&["plan", "--rule", "overdu"]);
    assert_eq!((unknown.code, unknown.err.contains("did you mean `overdue`?")), (Some(1), true), "{unknown:?}");
}

#[test]
fn a_rule_that_is_asked_for_and_has_errors_is_said_to_have_them() {
    let workspace = Workspace::new(2525, 1);
    workspace.write("rules/another.yaml", "id: broken\nkind: reminder\nlevels: []\nfrom: receivables\nto: [billing]\n");
    for (rule, code, said) in [
        (
            "broken",
            3,
            "error: The rule `broken` has errors and is left out\nhint: mend rules/another.yaml; its errors are above\n",
        ),
        ("brokn", 1, "error: There is no rule `brokn`\nhint: did you mean `broken`?\n"),
        ("banana", 1, "error: There is no rule `banana`\nhint: the rules are: overdue\n"),
    ] {
        for line in [&["plan", "--rule", rule][..], &["run", rule], &["preview", "--rule", rule]] {
            let ran = workspace.dunlin(line);
            assert_eq!((ran.code, ran.err.ends_with(said)), (Some(code), true), "{line:?}: {ran:?}");
        }
    }
    // A rule whose script is broken is left out as well; where no rule is left, no empty list is offered.
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\nscript: overdue.rhai");
    workspace.write("rules/overdue.rhai", "fn variables(customer, items, level) {\n");
    let ran = workspace.dunlin(&["plan", "--rule", "overdue"]);
    assert_eq!((ran.code, ran.err.contains("mend rules/overdue.yaml")), (Some(3), true), "{ran:?}");
    let ran = workspace.dunlin(&["preview", "C0001"]);
    let said = "hint: left out since they have errors: the rule `broken`, the rule `overdue`; `dunlin check` tells them\n";
    assert!(ran.err.contains("No mail is due for C0001") && ran.err.ends_with(said), "{ran:?}");
    let ran = workspace.dunlin(&["plan", "--rule", "banana"]);
    assert_eq!((ran.code, ran.err.ends_with("error: There is no rule `banana`\n")), (Some(1), true), "{ran:?}");
}

#[test]
fn a_rule_or_level_with_a_history_that_is_gone_is_warned_of() {
    let server = crate::server::Server::willing();
    let workspace = Workspace::new(server.port, 1);
    workspace.run();
    workspace.edit("rules/overdue.yaml", "id: first", "id: friendly");
    let checked = workspace.dunlin(&["check"]);
    assert!(checked.out.contains("The level `first` of the rule `overdue` has sent mails"), "{}", checked.out);
    workspace.edit("rules/overdue.yaml", "id: friendly", "id: friendly, formerly: [first]");
    assert!(!workspace.dunlin(&["check"]).out.contains("has sent mails"));
    workspace.edit("rules/overdue.yaml", "id: overdue\n", "id: late\n");
    assert!(workspace.dunlin(&["check"]).out.contains("The rule `overdue` has sent mails"));
    workspace.edit("rules/overdue.yaml", "id: late\n", "id: late\nformerly: [overdue]\n");
    assert!(!workspace.dunlin(&["check"]).out.contains("has sent mails"));
    // And nobody is mailed again under the new name.
    assert_eq!(crate::workspace::counts(&workspace.run()), "");
}
