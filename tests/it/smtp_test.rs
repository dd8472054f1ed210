//! `dunlin smtp test`: every step said with its time, failures explained, no secret told, nothing sent unless asked for.

use serde_json::Value;

use dunlin::outbox::attempt::Reply;

use crate::server::{BreakOff, Server, crooked};
use crate::workspace::Workspace;

fn steps(test: &Value) -> Vec<(String, bool)> {
    let steps = test["steps"].as_array().unwrap();
    steps.iter().map(|step| (step["step"].as_str().unwrap().to_owned(), step["is_ok"].as_bool().unwrap())).collect()
}

fn named(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    names.iter().map(|(name, is_ok)| ((*name).to_owned(), *is_ok)).collect()
}

#[test]
fn a_server_is_tried_without_a_mail_and_each_step_is_told() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let ran = workspace.dunlin(&["smtp", "test", "--json"]);
    let test = ran.json();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((&test["server"], &test["is_ok"], &test["sender"]), (&"primary".into(), &true.into(), &Value::Null));
    assert_eq!(steps(&test), named(&[("dns", true), ("connect", true), ("greeting", true), ("hello", true)]));
    assert!(test["steps"][3]["extensions"].as_array().unwrap().contains(&"PIPELINING".into()), "{test}");
    assert!(server.taken().is_empty());
    let told = workspace.dunlin(&["smtp", "test", "primary"]).out;
    assert!(told.contains("primary: 127.0.0.1:") && told.contains("  ok     hello"), "{told}");
}

#[test]
fn a_mail_to_oneself_goes_on_request_and_is_in_no_outbox() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let ran = workspace.dunlin(&["smtp", "test", "--send", "--json"]);
    assert_eq!((ran.code, ran.json()["sender"].as_str()), (Some(0), Some("receivables")), "{ran:?}");
    server.wait_for(1);
    let taken = &server.taken()[0];
    assert_eq!((taken.from.as_str(), taken.recipients.len()), ("ar@seller.example", 1));
    let text = String::from_utf8(taken.bytes.to_vec()).unwrap();
    for line in ["To: ar@seller.example", "From: \"Seller\" <ar@seller.example>", "Auto-Submitted: auto-generated"] {
        assert!(text.lines().any(|found| found == line), "{line:?} is missing in {text}");
    }
    assert!(!workspace.path().join("dunlin.sqlite").exists());
    assert_eq!(workspace.dunlin(&["outbox"]).out.trim(), "Nothing has been sent yet");
}

#[test]
fn what_fails_is_told_with_its_meaning_and_the_next_step() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let workspace = Workspace::new(closed, 1);
    let test = workspace.dunlin(&["smtp", "test", "--json"]);
    assert_eq!(test.code, Some(1));
    assert_eq!(steps(&test.json()), named(&[("dns", true), ("connect", false)]));
    assert_eq!(test.json()["diagnosis"]["meaning"], "Nothing listens on that port.");

    let server = Server::start(|_| Some(Reply { code: 554, enhanced: None, text: "5.7.1 Relay access denied".into() }));
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    let told = workspace.dunlin(&["smtp", "test", "--send"]);
    assert_eq!(told.code, Some(1));
    assert!(told.out.contains("FAILED rcpt_to"), "{}", told.out);
    assert!(told.out.contains("next: Add `auth`"), "{}", told.out);

    workspace.write("config.yaml", &Workspace::config(crooked(BreakOff::AfterDot), ""));
    let told = workspace.dunlin(&["smtp", "test", "--send"]);
    assert!(told.out.contains("FAILED final_dot") && told.out.contains("may have arrived"), "{}", told.out);
}

#[test]
fn a_server_or_sender_that_is_not_there_is_named_before_anything_is_tried() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    let ran = workspace.dunlin(&["smtp", "test", "primry", "other"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("did you mean `primary`?") && ran.err.contains("there are: primary"), "{}", ran.err);
    let ran = workspace.dunlin(&["smtp", "test", "--send", "--from", "receivable"]);
    assert!(ran.err.contains("did you mean `receivables`?"), "{}", ran.err);
    assert_eq!(workspace.dunlin(&["smtp", "test", "--from", "receivables"]).code, Some(2));
    assert!(server.taken().is_empty());
}

#[test]
fn the_outbox_explains_what_a_server_said() {
    let server = Server::start(|_| Some(Reply { code: 550, enhanced: None, text: "5.1.1 No such user".into() }));
    let workspace = Workspace::new(server.port, 1);
    workspace.run();
    let id = workspace.outbox()[0]["id"].to_string();
    let told = workspace.dunlin(&["outbox", "show", &id]).out;
    assert!(told.contains("The recipient's mailbox does not exist. Correct the address in the books."), "{told}");
    let shown = workspace.dunlin(&["outbox", "show", &id, "--json"]).json();
    assert_eq!(shown["attempts"][0]["diagnosis"]["next_step"], "Correct the address in the books.");
}
