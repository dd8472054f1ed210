//! `kill -9` in the middle of a run: every message accounted for, none sent twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::server::Server;
use crate::workspace::{AS_OF, Workspace};

/// How many mails a run has here.
const MAILS: usize = 300;
/// The connections of the test's server: how many mails can be under way at once.
const CONNECTIONS: usize = 3;

#[test]
fn after_a_kill_every_mail_is_accounted_for_and_none_is_sent_twice() {
    for killed_after in [1, 7, 100, 299] {
        let server = Server::willing();
        let workspace = Workspace::new(server.port, MAILS);
        let mut child = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
        server.wait_for(killed_after);
        child.kill().unwrap(); // SIGKILL: nothing of the program gets to run after this.
        child.wait().unwrap();

        let run = workspace.run();
        let messages = workspace.outbox();
        let keys_in = |state: &str| -> BTreeSet<String> {
            let of_state = messages.iter().filter(|message| message["state"] == state);
            of_state.map(|message| message["message_key"].as_str().unwrap().to_owned()).collect()
        };
        let (accepted, unknown) = (keys_in("accepted"), keys_in("unknown"));
        let context = format!("killed after {killed_after}: {run}");

        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        for key in server.keys() {
            *sent.entry(key).or_default() += 1;
        }
        let twice: Vec<_> = sent.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{context}: sent twice: {twice:?}");
        assert_eq!(messages.len(), MAILS, "{context}");
        assert_eq!(accepted.len() + unknown.len(), MAILS, "{context}: every mail is accepted or unknown");
        assert!(unknown.len() <= 2 * CONNECTIONS, "{context}: {} unknown", unknown.len());
        let sent: BTreeSet<String> = sent.into_keys().collect();
        assert!(accepted.is_subset(&sent), "{context}: accepted, but the server never took it");
        assert!(sent.iter().all(|key| accepted.contains(key) || unknown.contains(key)), "{context}: the server has more");
    }
}

#[test]
fn a_kill_before_the_commit_leaves_nothing_and_the_next_run_does_it_all() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 20);
    let mut child = workspace.start(&["run", "--as-of", AS_OF, "--json"]);
    child.kill().unwrap(); // At once: before or while it decides.
    child.wait().unwrap();
    workspace.run();
    let states: BTreeSet<String> =
        workspace.outbox().iter().map(|message| message["state"].as_str().unwrap().to_owned()).collect();
    assert!(states.iter().all(|state| state == "accepted" || state == "unknown"), "{states:?}");
    let keys = server.keys();
    assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(workspace.outbox().len(), 20);
}
