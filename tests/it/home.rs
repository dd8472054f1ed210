//! A database away from home: copied, moved, restored. Whatever happened to it, no customer gets a mail twice, or from a copy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;

use crate::occasions;
use crate::server::{BreakOff, Server, crooked};
use crate::workspace::{AS_OF, Ran, Workspace, counts};

/// Copies the database as it stands at rest, its log included.
fn copy(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let name = format!("dunlin.db{ending}");
        match from.join(&name).exists() {
            true => drop(fs::copy(from.join(&name), to.join(&name)).unwrap()),
            false => drop(fs::remove_file(to.join(&name))),
        }
    }
}

/// A workspace with so many mails queued, since its server greets nobody.
fn with_queued(count: usize) -> Workspace {
    let workspace = Workspace::new(crooked(BreakOff::AtGreeting), count);
    let ran = workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]);
    assert_eq!(counts(&ran.json()), format!("queued={count}"), "{}", ran.err);
    workspace
}

fn to_port(workspace: &Workspace, port: u16, more: &str) {
    workspace.write("config.yaml", &Workspace::config(port, more));
}

fn recipients(server: &Server) -> BTreeSet<String> {
    server.taken().into_iter().flat_map(|message| message.recipients).collect()
}

fn states(workspace: &Workspace, mode: &str) -> String {
    let connection = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    let select = "select group_concat(words, ' ') from (select state || '=' || count(*) || coalesce(':' || reason, '') as words
        from message where mode = ?1 group by state, reason order by state)";
    connection.query_row(select, (mode,), |row| row.get::<_, Option<String>>(0)).unwrap().unwrap_or_default()
}

fn run(workspace: &Workspace) -> Ran {
    workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"])
}

#[test]
fn a_copy_with_twenty_queued_mails_sends_nothing_to_a_customer() {
    let original = with_queued(20);
    // Elsewhere, with the very same settings but for the server, which would take everything.
    let server = Server::willing();
    for redirect in ["", "redirect_to: me@seller.example\nredirect_allow: \"*@customer1.example\"\n"] {
        let elsewhere = Workspace::new(server.port, 20);
        to_port(&elsewhere, server.port, redirect);
        copy(original.path(), elsewhere.path());
        let ran = run(&elsewhere);
        assert!(ran.err.contains("The database is not at home. It belongs at "), "{}", ran.err);
        assert!(ran.err.contains("`dunlin adopt`"), "{}", ran.err);
        let run = ran.json();
        assert_eq!(run["away"]["differences"][0]["difference"], "path");
        assert_eq!(states(&elsewhere, "live"), "queued=20", "what is queued for customers waits");
        if redirect.is_empty() {
            assert!(ran.err.contains("no mail is sent"), "{}", ran.err);
            assert_eq!((counts(&run).as_str(), server.taken().len()), ("", 0), "they are under way there");
        } else {
            assert!(ran.err.contains("every mail goes to me@seller.example"), "{}", ran.err);
            assert_eq!(counts(&run), "accepted=20");
            assert_eq!(recipients(&server), BTreeSet::from(["me@seller.example".to_owned()]), "nobody is allowed there");
        }
        // A copy of a mail that was sent, asked for by hand, does not go either.
        let resent = elsewhere.dunlin(&["outbox", "resend", "1"]);
        assert!(resent.err.contains("The database is not at home"), "{}", resent.err);
    }
}

#[test]
fn an_older_state_put_in_its_place_sends_nothing_twice_and_goes_on_once_adopted() {
    // Ten mails are queued when the copy is made; then all of them are sent, and a new invoice's mail too.
    let workspace = with_queued(10);
    let safe = tempfile::tempdir().unwrap();
    copy(workspace.path(), safe.path());
    let server = Server::willing();
    to_port(&workspace, server.port, "");
    workspace.write("customers.csv", &(workspace.read("customers.csv") + "C9,Nine,en,,ap9@customer9.example\n"));
    workspace.write("invoices.csv", &(workspace.read("invoices.csv") + "INV-9,C9,2026-02-01,2026-03-02,9.00,\n"));
    let ran = run(&workspace);
    assert_eq!(server.taken().len(), 11, "{}", ran.err);

    // In place, so that even the file is the same one.
    copy(safe.path(), workspace.path());
    let ran = run(&workspace);
    assert!(ran.err.contains("an older state than the one that was here until"), "{}", ran.err);
    assert_eq!(server.taken().len(), 11, "nothing went");
    let refused = workspace.dunlin(&["adopt", "--moved", "--yes"]);
    assert!(refused.err.contains("something may have been sent since"), "{}", refused.err);

    let adopted = workspace.dunlin(&["adopt", "--json", "--yes"]).json();
    assert_eq!((adopted["unknown"].as_u64(), adopted["differences"][0]["difference"].as_str()), (Some(10), Some("older")));
    assert_eq!(states(&workspace, "live"), "unknown=10:restored");
    // The eleventh is not in this state at all: it had come due before, so it waits for a person.
    let ran = run(&workspace);
    assert!(!ran.err.contains("not at home"), "{}", ran.err);
    assert_eq!((counts(&ran.json()).as_str(), server.taken().len()), ("waiting=1", 11));
    assert_eq!(states(&workspace, "live"), "unknown=10:restored waiting=1:restored");
    let shown = workspace.dunlin(&["outbox", "--state", "waiting"]);
    assert!(shown.out.contains("restored"), "{}", shown.out);

    // The person finds all of them in the server's log; what comes due later goes by itself.
    assert_eq!(workspace.dunlin(&["outbox", "accept", "--state", "unknown", "--rule", "overdue"]).code, Some(0));
    assert_eq!(workspace.dunlin(&["outbox", "cancel", "--state", "waiting", "--rule", "overdue"]).code, Some(0));
    // As if it had been adopted the day before: what came due by then still waits, what comes due from then on goes.
    let database = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    let until: String = database.query_row("select doubt_until from home", (), |row| row.get(0)).unwrap();
    assert!(until.as_str() > AS_OF, "{until}");
    database.execute("update home set doubt_until = '2026-03-09'", ()).unwrap();
    drop(database);
    let more = "C7,Seven,en,,ap7@customer7.example\nC8,Eight,en,,ap8@customer8.example\n";
    workspace.write("customers.csv", &(workspace.read("customers.csv") + more));
    let more = "INV-7,C7,2026-02-01,2026-03-02,7.00,\nINV-8,C8,2026-02-01,2026-03-03,8.00,\n";
    workspace.write("invoices.csv", &(workspace.read("invoices.csv") + more));
    assert_eq!(counts(&run(&workspace).json()), "accepted=1 waiting=1");
    assert_eq!(server.taken().last().unwrap().recipients, ["ap8@customer8.example"]);
    let keys = server.keys();
    assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "none twice");
}

#[test]
fn a_level_of_business_days_counts_from_the_day_it_came_due_on_which_is_not_so_many_calendar_days_before() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 0);
    workspace.write("config.yaml", &Workspace::config(server.port, "calendar: { weekend: [sat, sun] }\n"));
    workspace.edit("rules/overdue.yaml", "3 days before due", "3 business days before due");
    workspace.edit("rules/overdue.yaml", "7 days after due", "7 business days after due");
    assert_eq!(counts(&run(&workspace).json()), "");
    // As if it had been adopted on a Wednesday. Three business days before a Monday are that Wednesday, before the Tuesday the
    // day after it.
    let database = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    assert_eq!(database.execute("update home set doubt_until = '2026-03-11'", ()).unwrap(), 1);
    drop(database);
    let rows = "C1,One,en,,ap1@customer1.example\nC2,Two,en,,ap2@customer2.example\n";
    workspace.write("customers.csv", &(workspace.read("customers.csv") + rows));
    let rows = "INV-1,C1,2026-02-01,2026-03-16,1.00,\nINV-2,C2,2026-02-01,2026-03-17,2.00,\n";
    workspace.write("invoices.csv", &(workspace.read("invoices.csv") + rows));
    let ran = workspace.dunlin(&["run", "--as-of", "2026-03-12", "--json"]);
    assert_eq!(counts(&ran.json()), "accepted=1 waiting=1", "{}", ran.err);
    assert_eq!(server.taken().last().unwrap().recipients, ["ap2@customer2.example"]);
}

#[test]
fn statements_and_notices_of_the_time_that_is_not_remembered_wait_too_and_go_when_a_person_says_so() {
    let server = Server::willing();
    let workspace = occasions::workspace(server.port, occasions::NOTICE);
    assert_eq!(counts(&workspace.run()), "", "what was there at the first run is not new");
    let safe = tempfile::tempdir().unwrap();
    copy(workspace.path(), safe.path());
    workspace.write("rules/statement.yaml", occasions::STATEMENT);
    workspace.write("payments.csv", &(workspace.read("payments.csv") + "C0002,,0.25,2026-03-10,NEW\n"));
    assert_eq!(counts(&workspace.run()), "accepted=3");
    copy(safe.path(), workspace.path());
    assert_eq!(workspace.dunlin(&["adopt", "--yes"]).code, Some(0));
    let ran = workspace.run();
    assert_eq!((counts(&ran).as_str(), server.taken().len()), ("waiting=3", 3));
    // The server's log shows none of them: the person lets them go.
    let started = workspace.dunlin(&["runs", "start", &ran["run"].to_string(), "--as-of", AS_OF, "--json"]);
    assert_eq!(counts(&started.json()), "accepted=3", "{started:?}");
    assert_eq!(server.taken().len(), 6);
    assert_eq!(counts(&workspace.run()), "");
}

#[test]
fn a_database_that_was_moved_goes_on_where_it_was_once_a_person_vouches_for_it() {
    let original = with_queued(5);
    let server = Server::willing();
    let moved = Workspace::new(server.port, 5);
    copy(original.path(), moved.path());
    fs::copy(original.path().join("dunlin.db.seal"), moved.path().join("dunlin.db.seal")).unwrap();
    run(&moved);
    assert_eq!(server.taken().len(), 0);
    let adopted = moved.dunlin(&["adopt", "--moved", "--yes"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.err);
    let ran = run(&moved);
    assert!(!ran.err.contains("not at home"), "{}", ran.err);
    assert_eq!((states(&moved, "live").as_str(), server.taken().len()), ("accepted=5", 5));
    let again = moved.dunlin(&["adopt", "--yes"]);
    assert!(again.err.contains("at home here"), "{}", again.err);
    let acts = Connection::open(moved.path().join("dunlin.db")).unwrap();
    let (person, detail): (String, String) =
        acts.query_row("select person, detail from act where act = 'adopt'", (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(!person.is_empty() && detail.starts_with("nothing was sent since; It belongs at "), "{person}: {detail}");
}

#[test]
fn another_machine_or_instance_or_a_lost_database_is_noticed() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    let started = |workspace: &Workspace, host: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dunlin"));
        command.args(["run", "--as-of", AS_OF, "--json", "--workspace"]).arg(workspace.path()).env("DUNLIN_HOST", host);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!started(&workspace, "one").contains("not at home"));
    assert_eq!(server.taken().len(), 3);
    let err = started(&workspace, "two");
    assert!(err.contains("It belongs to machine one, and this is two"), "{err}");
    workspace.edit("config.yaml", "instance: test", "instance: staging");
    let err = started(&workspace, "one");
    assert!(err.contains("It belongs to instance `test`, and config.yaml says `staging`"), "{err}");
    workspace.edit("config.yaml", "instance: staging", "instance: test");
    assert!(!started(&workspace, "one").contains("not at home"));

    // Gone, and with it all memory of what was sent: the seal remembers that there was something.
    for ending in ["", "-wal", "-shm"] {
        drop(fs::remove_file(workspace.path().join(format!("dunlin.db{ending}"))));
    }
    for _ in 0..2 {
        let err = started(&workspace, "one");
        assert!(err.contains("Another database was here before"), "{err}");
    }
    // And the other way round: without its seal nobody can tell whether it is the last state.
    assert_eq!(workspace.dunlin(&["adopt", "--yes"]).code, Some(0));
    workspace.edit("config.yaml", "instance: test", "instance: test");
    fs::remove_file(workspace.path().join("dunlin.db.seal")).unwrap();
    let ran = workspace.dunlin(&["plan", "--as-of", AS_OF]);
    assert!(ran.err.contains("The seal that was beside it is gone"), "{}", ran.err);
    assert_eq!(server.taken().len(), 3, "none of it all went to a customer");
}

#[test]
fn in_the_mode_redirect_who_is_allowed_gets_the_mail_and_all_others_go_to_one_address() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    let allow = "mode: redirect\nredirect_to: me@seller.example\nredirect_allow: [\"*@customer2.example\"]\n";
    to_port(&workspace, server.port, allow);
    assert_eq!(counts(&workspace.run()), "accepted=3");
    let mut seen: Vec<(Vec<String>, String, bool)> = server
        .taken()
        .into_iter()
        .map(|message| {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
            (message.recipients.iter().map(ToString::to_string).collect(), subject, text.contains("X-Original-To: "))
        })
        .collect();
    seen.sort();
    let me = || vec!["me@seller.example".to_owned()];
    assert_eq!(
        seen,
        [
            (vec!["ap2@customer2.example".to_owned()], "Invoice INV-0002 of Customer 2".to_owned(), false),
            (me(), "[for ap1@customer1.example] Invoice INV-0001 of Customer 1".to_owned(), true),
            (me(), "[for ap3@customer3.example] Invoice INV-0003 of Customer 3".to_owned(), true),
        ]
    );
}

#[test]
fn a_file_removed_or_replaced_under_a_run_ends_it_and_nothing_goes_twice() {
    for is_replaced in [false, true] {
        let place: Arc<OnceLock<PathBuf>> = Arc::default();
        let known = place.clone();
        let server = Server::with(move |settings| {
            let keep = settings.on_received.clone();
            // While the server has the first mail, and before the program knows.
            settings.on_received = Arc::new(move |message| {
                keep(message);
                let folder: &PathBuf = known.get().unwrap();
                if !folder.join("gone.db").exists() {
                    fs::rename(folder.join("dunlin.db"), folder.join("gone.db")).unwrap();
                    if is_replaced {
                        fs::copy(folder.join("older.db"), folder.join("dunlin.db")).unwrap();
                    }
                }
            });
        });
        let workspace = with_queued(5);
        to_port(&workspace, server.port, "");
        workspace.edit("config.yaml", "security: none", "security: none, connections: 1");
        fs::copy(workspace.path().join("dunlin.db"), workspace.path().join("older.db")).unwrap();
        place.set(workspace.path().to_owned()).unwrap();

        let ran = run(&workspace);
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(ran.err.contains("dunlin.db is not at home any more"), "{}", ran.err);
        assert_eq!(server.taken().len(), 1);
        // Whoever begins then finds an older state or none, and sends nothing.
        let ran = run(&workspace);
        assert_eq!(server.taken().len(), 1, "{}", ran.err);

        // Put back, it has lost what was in its log, and the seal tells.
        fs::rename(workspace.path().join("gone.db"), workspace.path().join("dunlin.db")).unwrap();
        let ran = run(&workspace);
        assert!(ran.err.contains("It is an older state than the one that was here"), "{}", ran.err);
        assert_eq!(server.taken().len(), 1);
        // And once a person says that this is the database, what may have gone is left to them.
        let adopted = workspace.dunlin(&["adopt", "--yes"]);
        assert_eq!(adopted.code, Some(0), "{}", adopted.err);
        let ran = run(&workspace);
        assert_eq!(server.taken().len(), 1, "{}", ran.err);
        assert_eq!(states(&workspace, "live"), "unknown=5:restored");
    }
}
