//! The whole program against real servers: runs that are put off, cut off and tried out.

use std::collections::{BTreeMap, BTreeSet};

use crate::authority::{Authority, Leaf};
use crate::premises::wait_until;
use crate::server::{INBOX, PASSWORD, PostfixExtra, Server, USER, dovecot, exim, postfix};
use crate::workspace::{AS_OF, Workspace, counts};

/// Returns a workspace with so many customers at `customer.example`, that sends through `server`.
fn workspace(authority: &Authority, server: &Server, customers: usize, retry: &str) -> Workspace {
    let workspace = Workspace::new(server.port, customers);
    workspace.write("ca.pem", &authority.root_pem);
    workspace.write("password", PASSWORD);
    let rows: String = (1..=customers).map(|n| format!("C{n:04},Customer {n},en,,ap{n}@customer.example\n")).collect();
    workspace.write("customers.csv", &format!("id,name,language,tags,billing\n{rows}"));
    workspace.edit(
        "config.yaml",
        "security: none",
        &format!(
            "security: starttls, ca_file: ca.pem, connections: 2, auth: {{ user: {USER}, password: \"${{file:{}}}\" }}",
            workspace.path().join("password").display()
        ),
    );
    workspace.write("config.yaml", &format!("{}{retry}", workspace.read("config.yaml")));
    workspace
}

const HASTY: &str = "retry: { first: 1 s, most: 1 s, give_up_after: 1 h }\n";

/// Returns how often the server took each message that is in the mailbox: by the ids of its queue, since a server that is ended while it
/// puts a mail into the mailbox puts it there again, which is its own doing.
fn taken(server: &Server) -> BTreeMap<String, usize> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mail in server.premises.mails(INBOX) {
        let text = String::from_utf8_lossy(&mail).replace("\r\n", "\n");
        let (head, _) = text.split_once("\n\n").unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("X-Dunlin-Key: ")).unwrap().to_owned();
        let received = head.split_once("Received: ").unwrap().1;
        let id = received.split_whitespace().skip_while(|word| *word != "id").nth(1).unwrap().trim_end_matches(';');
        ids.entry(key).or_default().insert(id.to_owned());
    }
    ids.into_iter().map(|(key, ids)| (key, ids.len())).collect()
}

#[test]
#[ignore = "needs tests/servers/fetch.sh"]
fn what_a_rate_limit_puts_off_is_tried_again_and_goes_once() {
    let authority = Authority::new();
    let server = postfix(&authority, PostfixExtra { main: "smtpd_client_message_rate_limit = 4\nanvil_rate_time_unit = 2s" });
    let workspace = workspace(&authority, &server, 10, HASTY);
    assert_eq!(counts(&workspace.run()), "accepted=10");
    server.premises.wait_for_mails(INBOX, 10);
    let found = taken(&server);
    assert_eq!((found.len(), found.values().sum::<usize>()), (10, 10));
    let tries: i64 = workspace.outbox().iter().map(|message| message["attempts"].as_i64().unwrap()).sum();
    assert!(tries > 10, "the limit was never met");
}

#[test]
#[ignore = "needs tests/servers/fetch.sh"]
fn a_server_restarted_in_the_middle_of_a_queue_gets_every_mail_once() {
    let authority = Authority::new();
    let mut server = postfix(&authority, PostfixExtra::default());
    let workspace = workspace(&authority, &server, 60, HASTY);
    let running = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
    wait_until("the first mails", || server.premises.mails(INBOX).len() >= 5);
    server.restart_postfix();
    let output = running.wait_with_output().unwrap();
    let messages = workspace.outbox();
    let in_state = |state: &str| messages.iter().filter(|message| message["state"] == state).count();
    let (accepted, unknown) = (in_state("accepted"), in_state("unknown"));
    // A mail whose dot was under way when the server ended may have arrived or not; nobody sends it again.
    assert_eq!(accepted + unknown, 60, "{}", String::from_utf8_lossy(&output.stderr));
    wait_until("every mail that was taken", || taken(&server).len() >= accepted);
    let found = taken(&server);
    assert!(found.values().all(|count| *count == 1), "{found:?}");
    for message in messages.iter().filter(|message| message["state"] == "accepted") {
        assert!(found.contains_key(message["message_key"].as_str().unwrap()), "{message} was lost");
    }
}

#[test]
#[ignore = "needs tests/servers/fetch.sh"]
fn smtp_test_tells_each_real_server_step_by_step() {
    let authority = Authority::new();
    let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (name, server) in [
        ("Postfix", postfix(&authority, PostfixExtra::default())),
        ("Exim", exim(&authority, "")),
        ("Dovecot", dovecot(&authority, sink.local_addr().unwrap().port(), Leaf::Good)),
    ] {
        let workspace = workspace(&authority, &server, 1, "");
        let ran = workspace.dunlin(&["smtp", "test", "--json"]);
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        let test = ran.json();
        let steps: Vec<&str> = test["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
        let expected = ["dns", "connect", "greeting", "hello", "certificate", "tls", "hello", "auth"];
        assert_eq!(steps, expected, "{name}: {test}");
        assert_eq!(test["steps"][4]["certificate"]["issuer"], "Test intermediate", "{name}");
        assert!(test["steps"][5]["words"].as_str().unwrap().starts_with("TLS 1.3"), "{name}: {test}");
        assert_eq!(test["steps"][7]["words"], "signed in by PLAIN", "{name}");
        assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD), "{name}");
        // Without the root's certificate the issuer is told all the same.
        workspace.edit("config.yaml", "ca_file: ca.pem, ", "");
        let ran = workspace.dunlin(&["smtp", "test"]);
        assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
        assert!(ran.out.contains("issued by Test intermediate") && ran.out.contains("`ca_file`"), "{name}: {}", ran.out);
    }
}
