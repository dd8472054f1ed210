//! Backups of a database that is being written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::outbox::state::State;
use crate::store::home::Difference;
use crate::store::rows::{self, at, run_row};
use crate::store::{Body, MessageRow, Store};

/// A mail large enough that a copy takes its time.
fn message(key: &str) -> MessageRow {
    MessageRow { items: vec![], body: Some(Body::new(vec![b'x'; 20_000], None)), ..rows::message(key, "", State::Accepted) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_others_write_is_one_state_and_knows_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Arc::new(Store::open(&path, "test", at(0)).unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let add = |store: Arc<Store>, run: usize| async move {
        // Each run has three messages: a state in between would show.
        let fill = move |transaction: &mut crate::store::RunTransaction<'_>| {
            (0..3).try_for_each(|number| transaction.add_message(&message(&format!("k-{run}-{number}"))).map(drop))
        };
        store.write_run(run_row(), fill).await.unwrap();
    };
    for run in 0..200 {
        add(store.clone(), run).await;
    }
    let (writer, over) = (store.clone(), is_over.clone());
    let writing = tokio::spawn(async move {
        let mut run = 200;
        while !over.load(Ordering::SeqCst) {
            add(writer.clone(), run).await;
            run += 1;
        }
        run
    });

    let file = folder.path().join("backup.db");
    // What a killed backup left is in nobody's way.
    fs::write(folder.path().join("backup.db.part"), "half").unwrap();
    for _ in 0..2 {
        let mut told = Vec::new();
        let made = back_up(&path, &file, at(5), &mut |done, all| told.push((done, all))).unwrap().unwrap();
        assert_eq!(made.bytes, fs::metadata(&file).unwrap().len());
        assert!(told.len() > 1 && told.last().is_some_and(|(done, all)| done == all), "{told:?}");
    }
    is_over.store(true, Ordering::SeqCst);
    let runs = writing.await.unwrap();
    assert!(runs > 201, "nothing was written meanwhile");

    let copy = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let count = |table: &str| copy.query_row(&format!("select count(*) from {table}"), (), |row| row.get::<_, i64>(0)).unwrap();
    let of_runs = count("run");
    assert!((200..=runs as i64).contains(&of_runs) && count("message") == 3 * of_runs && count("message_body") == 3 * of_runs);
    assert_eq!(check::whole(&file).unwrap().faults, Vec::<String>::new());
    let names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.ends_with(".part")), "{names:?}");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    drop(copy);

    // Wherever it is put, it is known for a backup: here even in the place of the database itself.
    drop(store);
    fs::copy(&file, &path).unwrap();
    let differences = Store::open(&path, "test", at(9)).unwrap().differences();
    assert!(differences.contains(&Difference::Backup { taken_at: at(5) }), "{differences:?}");
}

#[test]
fn what_is_no_backup_is_not_written_over_and_a_backup_that_fails_leaves_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let file = folder.path().join("b.db");
    let back_up = |to: &Path| crate::store::backup::back_up(&path, to, at(5), &mut |_, _| {});
    assert_eq!(back_up(&file).unwrap(), None, "there is nothing yet");
    drop(Store::open(&path, "test", at(0)).unwrap());
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    assert!(matches!(back_up(&notes), Err(StoreError::NotOurs { .. })));
    assert_eq!(fs::read_to_string(&notes).unwrap(), "mine");
    assert!(matches!(back_up(&path), Err(StoreError::Itself { .. })), "the database itself");
    assert!(matches!(back_up(&folder.path().join("nowhere/b.db")), Err(StoreError::File { .. })));

    back_up(&file).unwrap();
    let before = fs::read(&file).unwrap();
    // A mail to be sent that has no bytes: no state that anybody should go back to.
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "insert into run (id, as_of, mode, generation, started_at_ms) values (1, '2026-01-01', 'live', 'g', 1);
            insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency, total,
                level_id, level_repeat, as_of, state, sender_id, state_at_ms)
            values ('k', 1, 'live', 'r', 'r', 'c', 'c', 'EUR', '1', 'l', 0, '2026-01-01', 'queued', 's', 1)",
        )
        .unwrap();
    assert!(matches!(back_up(&file), Err(StoreError::Damaged { .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(!folder.path().join("b.db.part").exists());
}
