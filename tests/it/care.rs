//! The care of the database by real processes: backups, archives, checks, whatever kills them.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::daemon::Process;
use crate::server::{BreakOff, Server, crooked};
use crate::workspace::{AS_OF, Workspace, counts};

/// A workspace with a database that holds so many decisions of an old run, and bodies of about this size for three old mails.
fn with_past(decisions: usize, body_bytes: usize) -> Workspace {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 3);
    workspace.write(
        "config.yaml",
        &Workspace::config(server.port, "retention: { archive: archive, decisions: 400 days, mails: 400 days }\n"),
    );
    assert_eq!(counts(&workspace.run()), "accepted=3");
    let connection = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    connection
        .execute_batch(&format!(
            "insert into run (id, as_of, rule_id, mode, generation, started_at_ms, finished_at_ms)
                values (0, '2020-01-01', 'overdue', 'live', 'g', 1577880000000, 1577880000000);
            with recursive n(i) as (select 1 union all select i + 1 from n where i < {decisions})
            insert into decision (run_id, rule_id, customer_id, currency, document, verdict, reason)
                select 0, 'overdue', printf('C%06d', i), 'EUR', '', 'declined', 'not_yet_due' from n;
            update run set started_at_ms = 1577880000000 where id = 1; update message set state_at_ms = 1577880000000;
            update message_body set bytes = cast(bytes || hex(zeroblob({body_bytes} / 2)) as blob);"
        ))
        .unwrap();
    workspace
}

/// Returns how often each line stands in the archive's files, checksums left out.
fn archived(workspace: &Workspace) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let Ok(files) = fs::read_dir(workspace.path().join("archive")) else { return found };
    for file in files {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("{\"checksum\"")) {
            *found.entry(line.to_owned()).or_default() += 1;
        }
    }
    found
}

fn left(workspace: &Workspace) -> i64 {
    let connection = Connection::open(workspace.path().join("dunlin.db")).unwrap();
    connection.query_row("select count(*) from decision where run_id = 0", (), |row| row.get(0)).unwrap()
}

#[test]
fn a_backup_that_is_killed_leaves_the_last_one_and_one_made_while_a_daemon_sends_is_whole() {
    let workspace = with_past(1_000, 12 << 20);
    let file = workspace.path().join("safe.db");
    let path = file.to_str().unwrap().to_owned();
    assert_eq!(workspace.dunlin(&["backup", &path]).code, Some(0));
    // A job in the wrong folder must not look as if it had made one.
    let nothing = Workspace::new(9, 0).dunlin(&["backup", &path]);
    assert!(nothing.code == Some(1) && nothing.err.contains("There is no database at"), "{nothing:?}");
    let before = fs::read(&file).unwrap();
    let part = workspace.path().join("safe.db.part");
    let mut killed = 0;
    for _ in 0..4 {
        let mut child = workspace.start(&["backup", &path]);
        // As soon as it has begun to write.
        while !part.exists() && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(fs::read(&file).unwrap() == before || workspace.dunlin(&["store", "check", &path]).code == Some(0));
    }
    assert!(killed > 0, "each had ended before it could be killed");
    let checked = workspace.dunlin(&["store", "check", &path, "--json"]);
    assert_eq!((checked.code, &checked.json()["faults"]), (Some(0), &json!([])), "{checked:?}");

    // While a daemon sends, as often as there is time for.
    let server = Server::willing();
    let busy = Workspace::new(server.port, 60);
    busy.write("config.yaml", &Workspace::config(server.port, "daemon: { listen: \"127.0.0.1:0\" }\n"));
    let mut daemon = Process::start(&busy);
    assert_eq!(busy.dunlin(&["run", "--as-of", AS_OF, "--yes", "--json"]).code, Some(0));
    let mut backups = 0;
    while server.taken().len() < 60 || backups == 0 {
        let made = busy.dunlin(&["backup", busy.path().join("safe.db").to_str().unwrap(), "--json"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        backups += 1;
    }
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    daemon.child.wait().unwrap();
    let copy = Connection::open(busy.path().join("safe.db")).unwrap();
    assert_eq!(copy.query_row("select count(*) from message", (), |row| row.get::<_, i64>(0)).unwrap(), 60);
    assert_eq!(busy.dunlin(&["store", "check"]).code, Some(0));
}

#[test]
fn a_backup_put_back_is_noticed_even_by_the_commands_that_only_look() {
    let server = Server::willing();
    let workspace = Workspace::new(crooked(BreakOff::AtGreeting), 4);
    assert_eq!(counts(&workspace.dunlin(&["run", "--as-of", AS_OF, "--wait", "0", "--json"]).json()), "queued=4");
    let path = workspace.path().join("safe.db").to_str().unwrap().to_owned();
    workspace.dunlin(&["backup", &path]);
    workspace.write("config.yaml", &Workspace::config(server.port, ""));
    assert_eq!(counts(&workspace.run()), "");
    assert_eq!(server.taken().len(), 4);
    // As the page says: the files beside it are removed first, the seal stays.
    for ending in ["-wal", "-shm"] {
        drop(fs::remove_file(workspace.path().join(format!("dunlin.db{ending}"))));
    }
    fs::copy(&path, workspace.path().join("dunlin.db")).unwrap();
    let looked = workspace.dunlin(&["outbox"]);
    assert!(looked.err.contains("It is a backup of 20"), "{}", looked.err);
    let mut daemon = Process::start(&workspace);
    let told = workspace.dunlin(&["adopt", "--yes"]);
    assert!(told.out.contains("at home here from now on"), "{told:?}");
    daemon.wait_for("The database is at home now");
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    daemon.child.wait().unwrap();
    let states: Vec<Value> = workspace.outbox().into_iter().map(|mail| mail["state"].clone()).collect();
    assert_eq!(states, ["unknown"; 4]);
    assert_eq!(server.taken().len(), 4, "none went twice");
}

#[test]
fn an_archive_that_is_killed_or_finds_the_disk_full_loses_nothing_and_writes_nothing_twice() {
    for kill_at in [1, 3, 6] {
        let workspace = with_past(8_000, 0);
        let mut child = workspace.start(&["store", "prune"]);
        // As soon as so many steps are in the file, or it has ended.
        let size = || {
            let files = fs::read_dir(workspace.path().join("archive")).into_iter().flatten();
            files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
        };
        while size() < kill_at * 130_000 && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let pruned = workspace.dunlin(&["store", "prune", "--json"]);
        assert_eq!(pruned.code, Some(0), "{pruned:?}");
        expect_all(&workspace, &format!("killed at {kill_at}"));
    }
    for kilobytes in [60, 200, 500, 1_100] {
        let workspace = with_past(8_000, 0);
        let limited = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
        let ran = Command::new("bash")
            .args(["-c", &limited, env!("CARGO_BIN_EXE_dunlin"), "store", "prune", "--workspace"])
            .arg(workspace.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!ran.status.success(), "{kilobytes} kB were enough");
        // Whatever is not in the archive is still in the database, and the other way round.
        let written = archived(&workspace).keys().filter(|line| line.starts_with("{\"decision\"")).count() as i64;
        assert!(written + left(&workspace) >= 8_000, "{kilobytes} kB: {written} archived, {} left", left(&workspace));
        assert_eq!(workspace.dunlin(&["store", "check"]).code, Some(0), "{kilobytes} kB");
        assert_eq!(workspace.dunlin(&["store", "prune"]).code, Some(0), "{kilobytes} kB");
        expect_all(&workspace, &format!("{kilobytes} kB"));
    }
}

/// Asserts that all of the past is in the archive once, and not in the database.
fn expect_all(workspace: &Workspace, context: &str) {
    let lines = archived(workspace);
    assert!(lines.values().all(|count| *count == 1), "{context}: some stand twice");
    let of = |kind: &str| lines.keys().filter(|line| line.starts_with(&format!("{{\"{kind}\""))).count();
    // Those of the old run, and the three of the one that sent the mails.
    assert_eq!((of("decision"), of("mail"), left(workspace)), (8_003, 3, 0), "{context}");
    let checked = workspace.dunlin(&["store", "check"]);
    assert_eq!(checked.code, Some(0), "{context}: {checked:?}");
    // It is what a person looks for later: one line, found by the key.
    let mail = lines.keys().find(|line| line.contains("ap1@customer1.example")).unwrap();
    let mail: Value = serde_json::from_str(mail).unwrap();
    assert!(mail["mail"]["eml"].as_str().unwrap().contains("Invoice INV-0001 of Customer 1"));
    let resent = workspace.dunlin(&["outbox", "resend", "1"]);
    assert!(resent.err.contains("in the archive"), "{context}: {resent:?}");
    assert_eq!(counts(&workspace.run()), "", "{context}: nobody is written to again");
}

#[test]
fn two_daemons_never_have_one_database_whatever_name_leads_to_it() {
    let server = Server::willing();
    let listen = "daemon: { listen: \"off\" }\n";
    let workspace = Workspace::new(server.port, 2);
    workspace.write("config.yaml", &Workspace::config(server.port, listen));
    let mut daemon = Process::start(&workspace);
    let names = tempfile::tempdir().unwrap();
    let real = workspace.path().join("dunlin.db");
    symlink(&real, names.path().join("linked.db")).unwrap();
    symlink(workspace.path(), names.path().join("folder")).unwrap();
    let other = Workspace::new(server.port, 2);
    for (name, why) in [("linked.db", "in use by another dunlin"), ("folder/dunlin.db", "in use by another dunlin")] {
        let database = names.path().join(name).display().to_string();
        other.write("config.yaml", &Workspace::config(server.port, &format!("{listen}database: {database}\n")));
        for command in [&["serve"][..], &["run", "--as-of", AS_OF]] {
            let second = other.dunlin(command);
            let through = command[0] == "run" && second.code == Some(0);
            assert!(through || second.code == Some(1) && second.err.contains(why), "{name}: {second:?}");
        }
    }
    daemon.signal("TERM");
    daemon.wait_for("Stopped");
    daemon.child.wait().unwrap();
    // A second name of the file itself has a lock and a log of its own: it is not used at all.
    fs::hard_link(&real, names.path().join("hard.db")).unwrap();
    let refused = workspace.dunlin(&["run", "--as-of", AS_OF]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("has a further name (a hard link)"), "{}", refused.err);
    let keys = server.keys();
    assert!(keys.len() <= 2, "{keys:?}");
}

#[test]
fn a_daemon_on_a_damaged_database_sends_nothing_and_says_what_to_do() {
    let server = Server::willing();
    let workspace = Workspace::new(server.port, 2);
    assert_eq!(counts(&workspace.run()), "accepted=2");
    let path = workspace.path().join("dunlin.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let served = workspace.dunlin(&["serve"]);
    assert_eq!(served.code, Some(1));
    assert!(served.err.contains("is damaged") && served.err.contains("Restoring a backup"), "{}", served.err);
    let checked = workspace.dunlin(&["store", "check"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert_eq!(server.taken().len(), 2);
}
