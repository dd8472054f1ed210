//! What a server sees of a mail beside the letter: signatures, threads, return paths, and a size that fits.

use dunlin::smtp::loopback::Received;
use serde_json::Value;

use crate::daemon::Process;
use crate::server::{Server, key_of};
use crate::verifier::verify;
use crate::workspace::{AS_OF, Workspace, counts};

/// Returns a workspace whose sender has more keys, `more` of them.
fn with_sender(port: u16, more: &str) -> Workspace {
    let workspace = Workspace::new(port, 1);
    workspace.edit("config.yaml", "address: ar@seller.example,", &format!("address: ar@seller.example, {more},"));
    workspace
}

/// Returns a header of a mail, unfolded.
fn header(mail: &Received, name: &str) -> Option<String> {
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
}

/// Adds a level that is due two weeks after the first one's day.
fn add_second_level(workspace: &Workspace) {
    let second = "  - { id: second, when: 21 days after due, template: note }\nstart: to_age";
    workspace.edit("rules/overdue.yaml", "start: to_age", second);
}

#[test]
fn mails_are_signed_as_they_leave_by_the_records_that_are_printed() {
    let server = Server::willing();
    let keys = format!("{}/tests/keys", env!("CARGO_MANIFEST_DIR"));
    let key = |name: &str| format!("{{ domain: seller.example, selector: {name}-2026, key: \"${{file:{keys}/{name}.pem}}\" }}");
    let workspace = with_sender(server.port, &format!("dkim: [{}, {}]", key("rsa"), key("ed25519")));
    let records = workspace.dunlin(&["dkim", "--json"]).json();
    let records: Vec<(String, String)> =
        records.as_array().unwrap().iter().map(|record| (text(&record["name"]), text(&record["text"]))).collect();
    let holds = |mail: &Received| assert_eq!(verify(&mail.bytes, &records), vec![Ok("seller.example".to_owned()); 2]);

    assert_eq!(counts(&workspace.run()), "accepted=1");
    holds(&server.taken()[0]);
    // The record of a long key is written in strings that DNS takes.
    let printed = workspace.dunlin(&["dkim"]).out;
    assert!(printed.contains("; receivables, rsa-sha256\nrsa-2026._domainkey.seller.example. IN TXT ( \"v=DKIM1; k=rsa; p="));
    let strings: Vec<&str> = printed.split('"').skip(1).step_by(2).collect();
    assert_eq!(strings.concat(), records.iter().map(|(_, text)| text.as_str()).collect::<String>());
    assert!(strings.iter().all(|string| string.len() <= 255));

    // The outbox has the letter alone, and a copy is signed anew.
    let kept = workspace.dunlin(&["outbox", "show", "1", "--eml"]).out;
    assert!(kept.starts_with("Date: "), "{kept}");
    assert!(server.taken()[0].bytes.ends_with(kept.as_bytes()));
    workspace.dunlin(&["outbox", "resend", "1"]);
    assert_eq!(counts(&workspace.run()), "");
    server.wait_for(2);
    holds(&server.taken()[1]);
    assert_ne!(key_of(&server.taken()[1].bytes), key_of(&server.taken()[0].bytes));

    // And so is what the program writes of its own: a test, and, as it stops working on a broken rule, an alert.
    assert_eq!(workspace.dunlin(&["smtp", "test", "--send"]).code, Some(0));
    server.wait_for(3);
    holds(&server.taken()[2]);
    let daemon = "alerts: { to: [ops@seller.example] }\ndaemon: { listen: \"127.0.0.1:0\" }\n";
    workspace.write("config.yaml", &(workspace.read("config.yaml") + daemon));
    workspace.edit("rules/overdue.yaml", "kind: reminder", "kind: remnider");
    let mut process = Process::start(&workspace);
    server.wait_for(4);
    holds(&server.taken()[3]);
    assert_eq!(server.taken()[3].recipients, ["ops@seller.example"]);
    process.child.kill().unwrap();
    process.child.wait().unwrap();
}

#[test]
fn no_mail_leaves_unsigned_where_its_key_is_gone() {
    let server = Server::willing();
    let workspace = with_sender(server.port, "dkim: { domain: seller.example, selector: a, key: \"${file:/nowhere/dkim.pem}\" }");
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!((ran.code, server.taken().len()), (Some(1), 0), "{ran:?}");
    assert!(ran.err.contains("Cannot read the secret's file `/nowhere/dkim.pem`"), "{}", ran.err);
    let checked = workspace.dunlin(&["check"]);
    assert!(checked.err.contains("warning: Cannot read the secret's file") || checked.out.contains("Cannot read"), "{checked:?}");
    assert_eq!(workspace.dunlin(&["dkim"]).code, Some(3));
    assert_eq!(workspace.dunlin(&["dkim", "recievables"]).code, Some(1));
}

#[test]
fn a_reminder_goes_on_from_the_accepted_one_before_it() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 1);
    add_second_level(&workspace);
    assert_eq!(counts(&workspace.run()), "accepted=1");
    // The sender moves to another domain meanwhile.
    workspace.edit("config.yaml", "ar@seller.example", "ar@new.example");
    let later = "2026-03-24";
    let shown = workspace.dunlin(&["preview", "--as-of", later, "--format", "eml"]).out;
    let ran = workspace.dunlin(&["run", "--as-of", later, "--json"]).json();
    assert_eq!(counts(&ran), "accepted=1");
    let taken = server.taken();
    let first = format!("<{}@seller.example>", key_of(&taken[0].bytes));
    assert_eq!(header(&taken[0], "Message-ID").as_ref(), Some(&first));
    assert_eq!((header(&taken[0], "In-Reply-To"), header(&taken[0], "References")), (None, None));
    assert_eq!(header(&taken[1], "Message-ID"), Some(format!("<{}@new.example>", key_of(&taken[1].bytes))));
    assert_eq!(header(&taken[1], "In-Reply-To").as_ref(), Some(&first));
    assert_eq!(header(&taken[1], "References").as_ref(), Some(&first));
    assert!(shown.contains(&format!("References: {first}\r\n")), "{shown}");
}

#[test]
fn a_bounce_names_its_mail() {
    let server = Server::willing();
    let workspace = with_sender(server.port, "return_path: bounces@seller.example, list_help: mailto:help@seller.example");
    workspace.write("rules/overdue.yaml", &(workspace.read("rules/overdue.yaml") + "headers: { X-Campaign: dunning }\n"));
    assert_eq!(counts(&workspace.run()), "accepted=1");
    let mail = &server.taken()[0];
    let key = key_of(&mail.bytes);
    assert_eq!(mail.from, format!("bounces+{key}@seller.example"));
    assert_eq!(header(mail, "From").unwrap(), "\"Seller\" <ar@seller.example>");
    assert_eq!(header(mail, "List-Help").unwrap(), "<mailto:help@seller.example>");
    assert_eq!(header(mail, "X-Campaign").unwrap(), "dunning");
    // Whoever has the bounce finds the mail by what stands in its address.
    let found = workspace.dunlin(&["outbox", "--text", &key, "--json"]).out;
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["id"], 1);
    assert!(workspace.dunlin(&["outbox", "show", "1"]).out.contains(&format!("  key {key}\n")));
    assert_eq!(workspace.dunlin(&["outbox", "--text", "no such key", "--json"]).out, "");
}

/// Returns what an attempt ended with, and the words that came of it.
fn attempts(workspace: &Workspace) -> Vec<(String, String)> {
    let shown = workspace.dunlin(&["outbox", "show", "1", "--json"]).json();
    let attempts = shown["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| (text(&attempt["outcome"]), attempt["fault"].as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn a_mail_too_large_for_one_server_goes_through_the_next_and_is_refused_where_none_is_left() {
    let small = || Server::with(|settings| settings.message_bytes_max = 100);
    let (first, second, large) = (small(), small(), Server::willing());
    let workspace = Workspace::new(first.port, 1);
    let more = [("second", second.port), ("large", large.port)]
        .map(|(name, port)| format!("  {name}: {{ host: 127.0.0.1, port: {port}, security: none }}\n"));
    workspace.edit("config.yaml", "senders:\n", &format!("{}senders:\n", more.concat()));
    workspace.edit("config.yaml", "server: primary", "server: [primary, second, large]");
    assert_eq!(counts(&workspace.run()), "accepted=1");
    assert_eq!((first.taken().len(), second.taken().len(), large.taken().len()), (0, 0, 1));
    let outcomes: Vec<String> = attempts(&workspace).into_iter().map(|(outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["unsuited", "unsuited", "accepted"]);

    let workspace = Workspace::new(first.port, 1);
    workspace.edit("config.yaml", "senders:\n", &format!("{}senders:\n", more[0]));
    workspace.edit("config.yaml", "server: primary", "server: [primary, second]");
    // At once, not after a day of trying.
    assert_eq!(counts(&workspace.run()), "refused=1");
    let attempts = attempts(&workspace);
    assert_eq!(attempts.len(), 2);
    assert!(attempts[1].1.ends_with("bytes and the server takes 100 at most; attach fewer or smaller documents"), "{attempts:?}");
}

#[test]
fn an_address_in_letters_of_its_own_goes_where_a_server_takes_it() {
    let old = Server::with(|settings| settings.smtp_utf8 = false);
    let new = Server::willing();
    let workspace = Workspace::new(old.port, 1);
    workspace.edit("customers.csv", "ap1@customer1.example", "jörg@müller.example");
    assert_eq!(counts(&workspace.run()), "refused=1");
    let words = &attempts(&workspace)[0];
    let expected = "Letters beyond ASCII, which the server does not take (no SMTPUTF8): jörg@xn--mller-kva.example";
    assert_eq!((words.0.as_str(), words.1.as_str()), ("unsuited", expected));

    let workspace = Workspace::new(new.port, 1);
    workspace.edit("customers.csv", "ap1@customer1.example", "jörg@müller.example");
    assert_eq!(counts(&workspace.run()), "accepted=1");
    let mail = &new.taken()[0];
    assert_eq!(
        (mail.recipients.as_slice(), mail.parameters.contains("SMTPUTF8")),
        (&["jörg@xn--mller-kva.example".to_owned()][..], true)
    );
    assert!(String::from_utf8_lossy(&mail.bytes).contains("\r\nTo: jörg@xn--mller-kva.example\r\n"));

    // Where only the domain is in letters of its own, every server takes it.
    let workspace = Workspace::new(old.port, 1);
    workspace.edit("customers.csv", "ap1@customer1.example", "ap1@müller.example");
    assert_eq!(counts(&workspace.run()), "accepted=1");
    assert_eq!(old.taken()[0].recipients, ["ap1@xn--mller-kva.example"]);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
