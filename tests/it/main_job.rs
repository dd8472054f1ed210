//! The main job: decided, recorded, sent once, and told truthfully.

use std::collections::BTreeSet;

use serde_json::json;

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace, counts};

#[test]
fn what_is_due_is_sent_once_and_a_second_run_sends_none() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 5);
    workspace.edit("customers.csv", ",ap3@customer3.example", ",");
    workspace.edit("customers.csv", "Customer 4,en,,", "Customer 4,en,vip;do-not-chase,");

    let run = workspace.run();
    assert_eq!((counts(&run), &run["end"]), ("accepted=3 blocked=1".into(), &"drained".into()));
    let to: BTreeSet<String> = server.taken().iter().flat_map(|message| message.recipients.clone()).collect();
    let expected = ["ap1@customer1.example", "ap2@customer2.example", "ap5@customer5.example"];
    assert_eq!(to.iter().map(String::as_str).collect::<Vec<_>>(), expected);

    let second = workspace.run();
    assert_eq!(counts(&second), "blocked=1", "still no address, and nothing else");
    assert_eq!(server.taken().len(), 3);

    // An address comes in: the blocked mail goes, and only that one.
    workspace.edit("customers.csv", "Customer 3,en,,", "Customer 3,en,,ap3@customer3.example");
    assert_eq!(counts(&workspace.run()), "accepted=1");
    assert_eq!(server.keys().iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(server.taken().len(), 4);
}

#[test]
fn plan_and_run_say_the_same_and_plan_leaves_no_trace() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 4);
    workspace.edit("customers.csv", ",ap2@customer2.example", ",");
    let plan = workspace.dunlin(&["plan", "--as-of", AS_OF, "--json"]).json();
    assert!(!workspace.path().join("dunlin.db").exists(), "a plan stores nothing");
    let planned: Vec<String> = plan["messages"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(
        planned,
        [
            "overdue C0001 first [\"INV-0001\"] EUR 1.50 [\"ap1@customer1.example\"] due level_due",
            "overdue C0002 first [\"INV-0002\"] EUR 2.50 [] blocked recipient_missing",
            "overdue C0003 first [\"INV-0003\"] EUR 3.50 [\"ap3@customer3.example\"] due level_due",
            "overdue C0004 first [\"INV-0004\"] EUR 4.50 [\"ap4@customer4.example\"] due level_due",
        ]
    );
    let preview = workspace.dunlin(&["preview", "C0003", "--as-of", AS_OF, "--json"]).json();
    assert_eq!((&preview["to"], &preview["cc"], &preview["bcc"]), (&plan["messages"][2]["to"], &json!([]), &json!([])));
    workspace.run();
    let after = workspace.dunlin(&["plan", "--as-of", AS_OF, "--json"]).json();
    let declined: Vec<String> =
        after["declined"].as_array().unwrap().iter().map(|line| format!("{} {}", line["customer"], line["reason"])).collect();
    assert_eq!(declined, ["\"C0001\" \"ladder_finished\"", "\"C0003\" \"ladder_finished\"", "\"C0004\" \"ladder_finished\""]);
    assert_eq!(after["messages"].as_array().unwrap().len(), 1, "the blocked one");

    let ids: Vec<String> = workspace
        .outbox()
        .iter()
        .map(|message| format!("{} {} {}", message["customer"], message["state"], message["reason"]))
        .collect();
    assert_eq!(
        ids,
        [
            "\"C0001\" \"accepted\" null",
            "\"C0002\" \"blocked\" \"recipient_missing\"",
            "\"C0003\" \"accepted\" null",
            "\"C0004\" \"accepted\" null"
        ]
    );
}

fn line(message: &serde_json::Value) -> String {
    let word = |key: &str| message[key].as_str().unwrap().to_owned();
    format!(
        "{} {} {} {} {} {} {} {} {}",
        word("rule"),
        word("customer"),
        word("level"),
        message["items"],
        word("currency"),
        word("total"),
        message["to"],
        word("state"),
        word("reason")
    )
}

#[test]
fn the_outbox_keeps_the_exact_bytes_and_every_attempt() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    workspace.run();
    let shown = workspace.dunlin(&["outbox", "show", "1", "--eml"]);
    assert_eq!(shown.out.as_bytes(), server.taken()[0].bytes, "what is kept is what the server got");

    let whole = workspace.dunlin(&["outbox", "show", "1", "--json"]).json();
    let attempt = &whole["attempts"][0];
    assert_eq!(
        (&attempt["server"], &attempt["outcome"], &attempt["stage"], &attempt["code"]),
        (&"primary".into(), &"accepted".into(), &"final_dot".into(), &250.into())
    );
    assert_eq!(whole["items"], serde_json::json!([{ "document": "INV-0001", "level": "first", "repeat": 0, "open": "1.50" }]));

    for (filter, expected) in [
        (["--customer", "C0001"], 1),
        (["--customer", "C0002"], 0),
        (["--rule", "overdue"], 1),
        (["--state", "refused"], 0),
        (["--run", "1"], 1),
    ] {
        let listed = workspace.dunlin(&["outbox", "--json", filter[0], filter[1]]);
        assert_eq!(listed.out.lines().count(), expected, "{filter:?}");
    }
}

#[test]
fn what_waits_for_a_person_goes_when_released_unless_it_was_paid_meanwhile() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\napprove: true");
    assert_eq!(counts(&workspace.run()), "waiting=3");
    assert_eq!(counts(&workspace.run()), "", "a second run leaves what waits alone");
    assert_eq!(server.taken().len(), 0);

    workspace.edit("invoices.csv", "2026-03-02,2.50,", "2026-03-02,2.50,2026-03-09");
    let released = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--json"]);
    assert_eq!(counts(&released.json()), "accepted=2 withdrawn=1");
    assert_eq!(server.taken().len(), 2);
    assert_eq!(workspace.dunlin(&["runs", "start", "1"]).code, Some(1), "nothing waits any more");
}

#[test]
fn a_run_for_a_day_long_past_does_not_make_the_backlog_look_new() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.edit("rules/overdue.yaml", "start: to_age", "start: from_now");
    assert_eq!(counts(&workspace.dunlin(&["run", "--as-of", "2020-01-01", "--json"]).json()), "");
    let plan = workspace.dunlin(&["plan", "--json"]).json();
    assert_eq!(plan["declined"][0]["reason"], "backlog", "{plan}");
    let future = workspace.dunlin(&["run", "--as-of", "2999-01-01"]);
    assert_eq!(future.code, Some(1), "{future:?}");
}

#[test]
fn a_run_beyond_the_guard_waits_for_a_person() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.write("config.yaml", &Workspace::config(server.port, "limits: { run_guard: { messages: 2 } }\n"));
    assert_eq!(counts(&workspace.run()), "waiting=3");
    assert_eq!(server.taken().len(), 0);
}

#[test]
fn a_rehearsal_goes_to_one_address_and_does_not_stand_in_the_way_of_the_real_thing() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.write("config.yaml", &Workspace::config(server.port, "mode: redirect\nredirect_to: me@seller.example\n"));
    assert_eq!(counts(&workspace.run()), "accepted=2");
    for (message, meant) in server.taken().iter().zip(["ap1@customer1.example", "ap2@customer2.example"]) {
        assert_eq!(message.recipients, ["me@seller.example"]);
        let text = String::from_utf8_lossy(&message.bytes).into_owned();
        assert!(text.contains("X-Original-To: ap") && !text.contains(&format!("\nTo: {meant}")), "{text}");
    }
    workspace.write("config.yaml", &Workspace::config(server.port, "mode: dry\n"));
    for _ in 0..2 {
        assert_eq!(counts(&workspace.run()), "waiting=2", "a dry run can be repeated");
    }
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    assert_eq!(counts(&workspace.run()), "accepted=2");
    assert_eq!(server.taken().len(), 4);
}

#[test]
fn the_repository_is_a_working_workspace_and_the_demo_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_dunlin"))
            .args(arguments)
            .args(["--workspace", env!("CARGO_MANIFEST_DIR")])
            .output()
            .unwrap()
    };
    let check = run(&["check"]);
    let text = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success() && text.starts_with("All right: "), "{text}");

    let demo = run(&["demo", "--json", "--as-of", "2026-03-10", "--out", out.to_str().unwrap()]);
    assert!(demo.status.success(), "{demo:?}");
    let view: serde_json::Value = serde_json::from_slice(&demo.stdout).unwrap();
    let accepted = view["counts"]["accepted"].as_u64().unwrap();
    let levels: BTreeSet<&str> =
        view["plan"]["messages"].as_array().unwrap().iter().filter_map(|message| message["level"].as_str()).collect();
    assert_eq!(levels.into_iter().collect::<Vec<_>>(), ["final", "first", "second", "upcoming"], "the sample shows every level");
    assert!(accepted >= 15 && view["counts"]["blocked"].as_u64() >= Some(1), "{}", view["counts"]);
    let files = |ending: &str| {
        std::fs::read_dir(&out)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|own| own == ending))
            .count()
    };
    assert_eq!(files("eml") as u64, accepted);
    assert!(std::fs::read_to_string(out.join("index.html")).unwrap().contains("<iframe"));

    // Again into its own folder: fine, and only its own files go. Into somebody's folder: refused, nothing touched.
    let (stale, own) =
        (out.join("099-first-GONE.eml"), [out.join("notes.txt"), out.join("2026-03-10.eml"), out.join("mine/001-a-b.eml")]);
    std::fs::create_dir(out.join("mine")).unwrap();
    own.iter().chain([&stale]).for_each(|path| std::fs::write(path, "x").unwrap());
    assert!(run(&["demo", "--json", "--out", out.to_str().unwrap()]).status.success());
    assert!(
        own.iter().all(|path| path.exists()) && !stale.exists(),
        "{:?}",
        std::fs::read_dir(&out).unwrap().collect::<Vec<_>>()
    );
    std::fs::write(folder.path().join("precious.txt"), "x").unwrap();
    let refused = run(&["demo", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(folder.path().join("precious.txt").exists());
}
