//! What a person decides about mails: given back to the next run, closed, or taken for arrived.

use serde_json::{Value, json};

use crate::server::{BreakOff, Server, crooked, reply};
use crate::workspace::{AS_OF, Workspace, counts};

/// Returns every mail as `id state reason`.
fn states(workspace: &Workspace) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |mail: &Value| format!("{} {} {}", mail["id"], word(&mail["state"]), word(&mail["reason"]));
    workspace.outbox().iter().map(line).collect()
}

/// Returns a workspace with `customers` mails that are `unknown`, turned to a server that takes everything.
fn unknown(customers: usize) -> (Workspace, Server) {
    let workspace = Workspace::new(crooked(BreakOff::AfterDot), customers);
    assert_eq!(counts(&workspace.run()), format!("unknown={customers}"));
    let server = Server::willing();
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    (workspace, server)
}

#[test]
fn a_refused_mail_that_is_renewed_goes_to_the_mended_address() {
    let server = Server::start(|address| address.starts_with("ap2@").then(|| reply(550, "5.1.1 no such mailbox")));
    let workspace = Workspace::new(server.port, 2);
    assert_eq!(counts(&workspace.run()), "accepted=1 refused=1");
    workspace.edit("customers.csv", "ap2@customer2.example", "new@customer2.example");
    assert_eq!(counts(&workspace.run()), "", "a mended address alone sends nothing");

    let renewed = workspace.dunlin(&["outbox", "renew", "--state", "refused", "--run", "1", "--json"]);
    assert_eq!(renewed.json(), json!({ "verb": "renew", "ids": [2] }));
    assert_eq!(states(&workspace), ["1 accepted -", "2 withdrawn renewed"]);
    let shown = workspace.dunlin(&["outbox", "show", "2"]).out;
    assert!(shown.starts_with("Mail 2 of run 1: withdrawn: a person gave it back to the next run\n"), "{shown}");

    // Meanwhile another invoice is due: the new mail is another one, and takes the step of the old one.
    workspace.write("invoices.csv", &(workspace.read("invoices.csv") + "INV-9,C0002,2026-02-01,2026-03-02,9.00,\n"));
    assert_eq!(counts(&workspace.run()), "accepted=1");
    let last = server.taken().pop().unwrap();
    assert_eq!(last.recipients, ["new@customer2.example"]);
    assert!(String::from_utf8_lossy(&last.bytes).contains("11.50"), "both invoices");
    assert_eq!(states(&workspace), ["1 accepted -", "2 withdrawn renewed", "3 accepted -"]);
}

#[test]
fn an_unknown_mail_goes_again_only_on_a_persons_word() {
    let (workspace, server) = unknown(2);
    assert_eq!(counts(&workspace.run()), "");
    let shown = workspace.dunlin(&["outbox", "show", "2"]).out;
    assert!(shown.ends_with("What you may decide about it (`dunlin outbox VERB 2`): renew, cancel, accept\n"), "{shown}");
    let renewed = workspace.dunlin(&["outbox", "renew", "2"]);
    assert_eq!(renewed.out, "1 mail renewed; the next run decides anew, with the figures and addresses of its day\n");
    assert!(renewed.err.contains("nobody knew (2); on your word nothing arrived"), "{}", renewed.err);
    assert_eq!(counts(&workspace.run()), "accepted=1");
    let to: Vec<String> = server.taken().iter().flat_map(|mail| mail.recipients.clone()).collect();
    assert_eq!(to, ["ap2@customer2.example"]);
    assert_eq!(states(&workspace), ["1 unknown -", "2 accepted -"]);
}

#[test]
fn an_unknown_mail_that_arrived_counts_and_the_ladder_goes_on() {
    let (workspace, server) = unknown(1);
    workspace.edit(
        "rules/overdue.yaml",
        "start: to_age",
        "  - { id: second, when: 21 days after due, template: note }\nstart: to_age",
    );
    let accepted = workspace.dunlin(&["outbox", "accept", "1"]);
    assert_eq!(accepted.out, "1 mail accepted on your word; the level counts as reached\n");
    assert_eq!(states(&workspace), ["1 accepted by_person"]);
    assert_eq!((counts(&workspace.run()), server.taken().len()), (String::new(), 0), "it is not sent again");
    let later = workspace.dunlin(&["plan", "--as-of", "2026-03-23", "--json"]).json();
    assert_eq!(later["messages"][0]["level"], "second");
}

#[test]
fn a_waiting_mail_that_is_cancelled_never_goes_and_its_item_climbs_on() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    workspace.edit("rules/overdue.yaml", "to: [billing]", "to: [billing]\napprove: true");
    workspace.edit(
        "rules/overdue.yaml",
        "start: to_age",
        "  - { id: second, when: 21 days after due, template: note }\nstart: to_age",
    );
    assert_eq!(counts(&workspace.run()), "waiting=2");
    let cancelled = workspace.dunlin(&["outbox", "cancel", "--state", "waiting", "--customer", "C0001", "--json"]);
    assert_eq!(cancelled.json(), json!({ "verb": "cancel", "ids": [1] }));

    let approved = workspace.dunlin(&["runs", "start", "1", "--as-of", AS_OF, "--json"]).json();
    assert_eq!(counts(&approved), "accepted=1 cancelled=1");
    assert_eq!(server.taken().len(), 1);
    assert_eq!(states(&workspace), ["1 cancelled by_person", "2 accepted -"]);
    let later = workspace.dunlin(&["plan", "--as-of", "2026-03-23", "--json"]).json();
    let levels: Vec<&Value> = later["messages"].as_array().unwrap().iter().map(|mail| &mail["level"]).collect();
    assert_eq!(levels, ["second", "second"]);

    // Whoever changes their mind gets it back.
    workspace.dunlin(&["outbox", "renew", "1"]);
    assert_eq!(counts(&workspace.run()), "waiting=1");
}

#[test]
fn one_mail_in_the_wrong_state_leaves_all_of_them_as_they_were() {
    let (workspace, server) = unknown(3);
    assert_eq!(workspace.dunlin(&["outbox", "accept", "3"]).code, Some(0));
    let before = states(&workspace);
    for (arguments, said) in [
        (
            &["accept", "1", "2", "3"][..],
            "error: Nothing was changed: mail 3 is `accepted`\nhint: `accept` takes mails that are unknown\n",
        ),
        (
            &["renew", "1", "3", "7", "8"],
            "error: Nothing was changed: there are no mails 7, 8; mail 3 is `accepted`\nhint: `renew` takes mails that are \
             waiting, queued, refused, unknown, cancelled; `resend` sends a copy of what was accepted\n",
        ),
        (
            &["cancel", "--state", "accepted", "--rule", "overdue"],
            "error: Nothing was changed: mail 3 is `accepted`\nhint: `cancel` takes mails that are waiting, queued, refused, unknown\n",
        ),
        (&["cancel", "--state", "unknown", "--run", "9"], "error: No mail matches\nhint: `dunlin outbox` lists them\n"),
    ] {
        let ran = workspace.dunlin(&[&["outbox"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(1), "", said), "{arguments:?}");
        assert_eq!(states(&workspace), before, "{arguments:?}");
    }
    assert_eq!(server.taken().len(), 0);
}

#[test]
fn nobody_settles_everything_by_accident() {
    let (workspace, _server) = unknown(1);
    for wrong in [
        &["outbox", "accept"][..],
        &["outbox", "accept", "--state", "unknown"],
        &["outbox", "accept", "--run", "1"],
        &["outbox", "accept", "1", "--run", "1"],
        &["outbox", "accept", "1", "--state", "unknown", "--run", "1"],
        &["outbox", "--run", "1", "accept", "1"],
        &["outbox", "--state", "unknown", "show", "1"],
    ] {
        let ran = workspace.dunlin(wrong);
        assert_eq!(ran.code, Some(2), "{wrong:?}: {ran:?}");
    }
    assert_eq!(states(&workspace), ["1 unknown -"]);
}

#[test]
fn nothing_is_decided_beside_a_run_and_no_database_is_made_for_it() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let missing = workspace.dunlin(&["outbox", "renew", "1"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.starts_with("error: Nothing was changed: there is no mail 1\n"), "{}", missing.err);
    assert!(!workspace.path().join("dunlin.db").exists());

    let _lock = {
        workspace.run();
        let file = std::fs::File::options().write(true).open(workspace.path().join("dunlin.db.lock")).unwrap();
        file.lock().unwrap();
        file
    };
    let beside = workspace.dunlin(&["outbox", "renew", "1"]);
    assert_eq!(beside.code, Some(1));
    assert!(beside.err.contains("is in use by another dunlin\nhint: if it is `dunlin run`, wait"), "{}", beside.err);
}
