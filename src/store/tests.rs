//! The store against real files: what is promised about keys, steps, recovery, groups and locks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::id::{LevelId, RuleId, SenderId, ServerId};
use crate::outbox::attempt::{Attempt, Outcome, Reply, Stage};
use crate::outbox::intervention::Intervention;
use crate::outbox::retry::Next;
use crate::outbox::state::State;
use crate::store::rows::{at, message, run_row};

fn attempt(outcome: Outcome) -> Attempt {
    Attempt {
        server: ServerId::new("primary"),
        started_at: at(1),
        duration: Duration::from_millis(20),
        stage: Stage::FinalDot,
        outcome,
        reply: Some(Reply { code: 250, enhanced: Some((2, 0, 0)), text: "2.0.0 queued as 1".into() }),
        fault: None,
        recipients_refused: vec![],
    }
}

async fn add(store: &Store, row: MessageRow) -> Option<i64> {
    store.write_run(run_row(), move |run| run.add_message(&row)).await.unwrap().1
}

async fn move_to(store: &Store, id: i64, outcome: Outcome, state: State) {
    store.record_sending(id, at(1)).await.unwrap();
    store.record_attempt(id, attempt(outcome), Next { state, next_attempt_at: None }, at(2)).await.unwrap();
}

#[tokio::test]
async fn a_key_or_a_step_is_taken_once_and_only_what_never_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let first = add(&store, message("k1", "INV-1", State::Queued)).await.unwrap();
    assert_eq!(add(&store, message("k1", "INV-1", State::Queued)).await, None, "the same key");
    assert_eq!(add(&store, message("k2", "INV-1", State::Queued)).await, None, "another key, the same step");

    for (outcome, state) in
        [(Outcome::Accepted, State::Accepted), (Outcome::Unknown, State::Unknown), (Outcome::Refused, State::Refused)]
    {
        let key = format!("key-{}", state.as_str());
        let id = add(&store, message(&key, state.as_str(), State::Queued)).await.unwrap();
        move_to(&store, id, outcome, state).await;
        assert_eq!(add(&store, message(&key, state.as_str(), State::Queued)).await, None, "{state:?} may have left");
    }
    move_to(&store, first, Outcome::Deferred, State::Exhausted).await;
    assert_eq!(add(&store, message("k1", "INV-1", State::Queued)).await, Some(first), "exhausted is composed anew in its place");

    let blocked = add(&store, message("k9", "INV-9", State::Blocked)).await.unwrap();
    assert_eq!(add(&store, message("k9", "INV-9", State::Queued)).await, Some(blocked));
    let reader = store.reader().unwrap();
    assert_eq!(search::attempts(&reader, first).unwrap().len(), 1, "attempts stay");
}

#[tokio::test]
async fn a_result_does_not_undo_what_another_process_has_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Store::open(&path, "test", at(0)).unwrap();
    let id = add(&store, message("k1", "INV-1", State::Queued)).await.unwrap();
    // Where locks do not work, another process can have taken the same message from the queue, and be ahead.
    let other = Connection::open(&path).unwrap();
    other.execute("update message set state = 'sending' where id = ?1", (id,)).unwrap();
    for (outcome, state) in [(Outcome::Deferred, State::Queued), (Outcome::Refused, State::Refused)] {
        let next = Next { state, next_attempt_at: Some(at(9)) };
        assert!(store.record_attempt(id, attempt(outcome), next, at(2)).await.is_err(), "{outcome:?}");
    }
    let state: String = other.query_row("select state from message", (), |row| row.get(0)).unwrap();
    assert_eq!(state, "sending");
}

#[tokio::test]
async fn a_process_that_died_while_it_made_the_file_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, left) = (folder.path().join("whole.db"), folder.path().join("left.db"));
    // What lies there in the middle of the very first transaction, as a kill leaves it: a journal to roll back.
    let first = Connection::open(&whole).unwrap();
    first.execute_batch("pragma cache_size = 1; begin; create table a (b); insert into a values (zeroblob(100000))").unwrap();
    for (from, to) in [("whole.db", "left.db"), ("whole.db-journal", "left.db-journal")] {
        std::fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    assert!(open_reader(&left).unwrap().is_none(), "nothing has run yet");
    let store = Store::open(&left, "test", at(0)).unwrap();
    assert!(add(&store, message("k1", "INV-1", State::Queued)).await.is_some());
}

#[tokio::test]
async fn a_reminder_goes_on_from_the_last_conversation_about_one_of_its_invoices() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let mail = |key: &str, document: &str, level: &str, header_id: Option<&str>| {
        let mut row = message(key, document, State::Queued);
        row.items[0].level_id = level.into();
        row.header_id = header_id.map(str::to_owned);
        row
    };
    for (second, row, outcome, state) in [
        // Of an earlier release, which did not keep its Message-ID.
        (1, mail("k1", "INV-1", "first", None), Outcome::Accepted, State::Accepted),
        // The sender has moved to another domain, and bounces go to a third.
        (2, mail("k2", "INV-1", "second", Some("k2@new.example")), Outcome::Accepted, State::Accepted),
        (3, mail("k3", "INV-2", "first", Some("k3@new.example")), Outcome::Accepted, State::Accepted),
        (4, mail("k4", "INV-1", "third", Some("k4@new.example")), Outcome::Unknown, State::Unknown),
        (5, mail("k5", "INV-3", "first", Some("k5@new.example")), Outcome::Refused, State::Refused),
        (6, MessageRow { kind: "notice", ..mail("k6", "INV-3", "", Some("k6@new.example")) }, Outcome::Accepted, State::Accepted),
    ] {
        let id = add(&store, row).await.unwrap();
        store.record_sending(id, at(second)).await.unwrap();
        let next = Next { state, next_attempt_at: None };
        assert!(store.record_attempt(id, attempt(outcome), next, at(second)).await.unwrap());
    }
    let reader = store.reader().unwrap();
    for (documents, expected) in [
        (vec!["INV-1"], vec!["k1@seller.example", "k2@new.example"]),
        (vec!["INV-1", "INV-2", "INV-3", "INV-4"], vec!["k3@new.example"]),
        (vec!["INV-3", "INV-4"], vec![]),
        (vec![], vec![]),
    ] {
        assert_eq!(thread::thread(&reader, "live", &documents).unwrap(), expected, "{documents:?}");
    }
    assert_eq!(thread::thread(&reader, "redirect", &["INV-1"]).unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_copy_has_a_return_path_and_a_message_id_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let row = MessageRow {
        envelope_from: Some("bounces+k1@seller.example".into()),
        header_id: Some("k1@seller.example".into()),
        body: Some(Body::new(b"Message-ID: <k1@seller.example>\r\nX-Dunlin-Key: k1\r\n\r\nHello\r\n".to_vec(), None)),
        ..message("k1", "INV-1", State::Queued)
    };
    let first = add(&store, row).await.unwrap();
    move_to(&store, first, Outcome::Accepted, State::Accepted).await;
    let chosen = search::MessageFilter { ids: vec![first], ..Default::default() };
    store.intervene(Intervention::Resend, chosen, "ann".into(), at(9)).await.unwrap();
    let reader = store.reader().unwrap();
    let copy = outbox::outgoing(&reader, first + 1).unwrap().unwrap();
    assert_eq!(copy.envelope_from, "bounces+k1-1@seller.example");
    assert_eq!(&*copy.bytes, b"Message-ID: <k1-1@seller.example>\r\nX-Dunlin-Key: k1-1\r\n\r\nHello\r\n");
    let select = "select header_id from message where id = ?1";
    let header_id: String = reader.query_row(select, (first + 1,), |row| row.get(0)).unwrap();
    assert_eq!(header_id, "k1-1@seller.example");

    // A plan would not make it, stopped and started or not: the re-check leaves it alone.
    for verb in [person::Steer::Stop, person::Steer::Start] {
        assert_eq!(steer(&store, verb, 1).await, person::Steered::Done { changed: 1, under_way: 0 });
    }
    let of_plan = add(&store, message("k2", "INV-2", State::Queued)).await.unwrap();
    let mut left = vec![];
    for run in outbox::leftover_runs(&reader, "live").unwrap() {
        outbox::leftovers(&reader, run.id, |id| left.push(id)).unwrap();
    }
    assert_eq!(left, [of_plan]);
    let select = "select reason from message where id = ?1";
    let reason: String = reader.query_row(select, (first + 1,), |row| row.get(0)).unwrap();
    assert_eq!(reason, "resent");
    assert_eq!(thread::thread(&reader, "live", &["INV-1"]).unwrap(), ["k1@seller.example"]);
}

#[tokio::test]
async fn what_was_under_way_when_the_process_died_becomes_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Store::open(&path, "test", at(0)).unwrap();
    let (sending, queued) =
        (add(&store, message("k1", "1", State::Queued)).await.unwrap(), add(&store, message("k2", "2", State::Queued)).await);
    store.record_sending(sending, at(1)).await.unwrap();
    assert!(store.record_sending(sending, at(1)).await.is_err(), "only a queued message may leave");
    drop(store);

    let store = Store::open(&path, "test", at(9)).unwrap();
    assert_eq!(store.recover(at(9)).await.unwrap(), 1);
    assert_eq!(store.recover(at(9)).await.unwrap(), 0);
    let reader = store.reader().unwrap();
    assert_eq!(outbox::state_counts(&reader).unwrap(), [(State::Queued, 1), (State::Unknown, 1)]);
    let waiting = outbox::queued(&reader, "live", &SenderId::new("ar"), at(9), &[], 10).unwrap();
    assert_eq!(waiting.iter().map(|message| Some(message.id)).collect::<Vec<_>>(), [queued]);
    let on_record: Vec<_> = history::ids_on_record(&reader, "live").unwrap().into_iter().collect();
    assert_eq!(on_record, [(RuleId::new("overdue"), BTreeSet::from([LevelId::new("first")]))]);
}

#[tokio::test]
async fn a_run_is_stored_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let decision = DecisionRow {
        rule_id: "overdue",
        customer_id: "C1",
        currency: "EUR",
        document: "",
        verdict: "declined",
        reason: "held",
        message_id: None,
        yields_to: None,
        trace: Some("INV-1\t12.00\t2026-01-01\theld\n"),
    };
    let twice = store.write_run(run_row(), move |run| {
        run.add_message(&message("k1", "1", State::Queued))?;
        run.add_decision(&decision)?;
        run.add_decision(&decision) // One decision for every subject: the second is refused.
    });
    assert!(twice.await.is_err());
    let reader = store.reader().unwrap();
    for table in ["run", "message", "message_body", "decision", "trace"] {
        let count: i64 = reader.query_row(&format!("select count(*) from {table}"), (), |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[tokio::test]
async fn many_writers_share_commits_and_each_gets_its_own_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap());
    let writers: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let row = message(&format!("k{number}"), &format!("INV-{number}"), State::Queued);
                let id = add(&store, row).await.unwrap();
                let again = store.record_sending(id + 100_000, at(1)).await; // A fault among good neighbours.
                (id, again.is_err())
            })
        })
        .collect();
    let mut ids = vec![];
    for writer in writers {
        let (id, failed) = writer.await.unwrap();
        assert!(failed);
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    assert_eq!(outbox::state_counts(&store.reader().unwrap()).unwrap(), [(State::Queued, 200)]);
}

#[tokio::test]
async fn a_large_mail_is_stored_read_copied_and_checked_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    // No piece of it is like another, and it ends within one.
    let lines: String = (0..200_001).map(|number| format!("line {number}\r\n")).collect();
    let mail = |key: &str| format!("X-Dunlin-Key: {key}\r\n\r\n{lines}").into_bytes();
    let row = MessageRow { body: Some(Body::new(mail("k1"), Some("{}".into()))), ..message("k1", "1", State::Queued) };
    let id = add(&store, row).await.unwrap();
    move_to(&store, id, Outcome::Accepted, State::Accepted).await;
    let chosen = search::MessageFilter { ids: vec![id], ..Default::default() };
    store.intervene(Intervention::Resend, chosen, "ann".into(), at(9)).await.unwrap();
    let reader = store.reader().unwrap();
    for (id, key) in [(id, "k1"), (id + 1, "k1-1")] {
        assert_eq!(*outbox::outgoing(&reader, id).unwrap().unwrap().bytes, *mail(key));
        let read = digest::read_message(&reader, id).unwrap().unwrap();
        assert_eq!(read.stored.unwrap(), read.computed);
    }
    let alter = "update message_body set bytes = cast(substr(bytes, 1, length(bytes) - 3) || '2' || x'0d0a' as blob) where message_id = ?1";
    assert_eq!(store.write(move |connection| Ok(connection.execute(alter, (id,))?)).await.unwrap(), 1);
    let reader = store.reader().unwrap();
    let read = digest::read_message(&reader, id).unwrap().unwrap();
    assert_ne!(read.stored.unwrap(), read.computed, "its last line is another");
}

#[tokio::test]
async fn the_log_of_a_large_run_is_cut_off_before_the_run_is_told_as_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let log_bytes = || std::fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
    let large = |key: &str, number: &str| {
        let text = vec![b'x'; 3 * LOG_BYTES_MAX as usize];
        MessageRow { body: Some(Body::new(text, None)), ..message(key, number, State::Queued) }
    };
    add(&store, large("k1", "1")).await.unwrap();
    assert_eq!(log_bytes(), 0);

    // Somebody who reads is not waited for; the next commit after they have gone cuts it off.
    let reader = store.reader().unwrap();
    let view = reader.unchecked_transaction().unwrap();
    assert_eq!(outbox::state_counts(&view).unwrap(), [(State::Queued, 1)]);
    add(&store, large("k2", "2")).await.unwrap();
    assert!(log_bytes() > 3 * LOG_BYTES_MAX as u64, "it is still read from");
    drop(view);
    add(&store, message("k3", "3", State::Queued)).await.unwrap();
    assert_eq!(log_bytes(), 0);
}

#[tokio::test]
async fn a_full_disk_is_reported_and_nothing_counts_as_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let id = add(&store, message("k1", "1", State::Queued)).await.unwrap();
    // SQLite's own limit on pages stands for the disk: the error is the same SQLITE_FULL.
    store
        .write(|connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            connection.execute_batch(&format!("pragma max_page_count = {pages}"))?;
            Ok(())
        })
        .await
        .unwrap();
    let mut big = message("k2", "2", State::Queued);
    big.body = Some(Body::new(vec![b'x'; 1 << 20], None));
    let full = store.write_run(run_row(), move |run| run.add_message(&big)).await;
    assert!(full.unwrap_err().to_string().contains("full"));
    assert_eq!(outbox::state_counts(&store.reader().unwrap()).unwrap(), [(State::Queued, 1)]);
    // What needs no new page still works, so that results can be recorded as long as possible.
    store.record_sending(id, at(1)).await.unwrap();
}

#[tokio::test]
async fn every_commit_reaches_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let pragmas = store.write(|connection| {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok((journal, number("synchronous")?, number("foreign_keys")?))
    });
    assert_eq!(pragmas.await.unwrap(), ("wal".to_owned(), 2, 1), "WAL, synchronous=FULL, foreign keys on");
}

#[test]
fn a_second_process_and_a_foreign_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = Store::open(&path, "test", at(0)).unwrap();
    assert!(matches!(Store::open(&path, "test", at(0)), Err(StoreError::InUse { .. })));
    #[cfg(unix)]
    {
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(Store::open(&link, "test", at(0)), Err(StoreError::InUse { .. })), "under another name");
    }
    drop(store);
    let other = Store::open(&path, "other", at(0)).unwrap();
    let difference = Difference::Instance { own: "test".into(), asked: "other".into() };
    assert_eq!(other.differences(), [difference], "it opens, and is not at home");
    drop(other);

    let foreign = folder.path().join("b.db");
    Connection::open(&foreign).unwrap().execute_batch("create table x (y)").unwrap();
    assert!(matches!(Store::open(&foreign, "test", at(0)), Err(StoreError::Foreign { .. })));
    let journal = Connection::open(&foreign).unwrap().pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    assert_eq!(journal.unwrap(), "delete", "a foreign file stays as it is");

    let empty = folder.path().join("d.db");
    std::fs::write(&empty, "").unwrap();
    assert!(open_reader(&empty).unwrap().is_none(), "an empty file is as good as none");

    let newer = folder.path().join("c.db");
    drop(Store::open(&newer, "test", at(0)).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&newer, "test", at(0)), Err(StoreError::Newer { version: 99, .. })));
}

async fn steer(store: &Store, steer: person::Steer, run_id: i64) -> person::Steered {
    store.steer(steer, "live", run_id, "alice".into(), at(5)).await.unwrap()
}

#[tokio::test]
async fn what_a_person_did_is_on_record_or_was_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let id = add(&store, message("k1", "1", State::Queued)).await.unwrap();
    let chosen = || search::MessageFilter { ids: vec![id], ..Default::default() };
    assert_eq!(steer(&store, person::Steer::Stop, 1).await, person::Steered::Done { changed: 1, under_way: 0 });
    store.intervene(Intervention::Renew, chosen(), "bob".into(), at(6)).await.unwrap();
    let reader = store.reader().unwrap();
    let view = |person: &str, act: &str, seconds, detail: Option<&str>| acts::ActView {
        at: at(seconds),
        person: person.into(),
        act: act.into(),
        detail: detail.map(str::to_owned),
    };
    assert_eq!(acts::acts_of_run(&reader, 1).unwrap(), [view("alice", "stop", 5, Some("1 mails"))]);
    assert_eq!(acts::acts_of_message(&reader, id).unwrap(), [view("bob", "renew", 6, None)]);

    // An act that cannot be recorded has no effect.
    let next = add(&store, message("k2", "2", State::Queued)).await.unwrap();
    let break_acts = |connection: &Connection| Ok(connection.execute_batch("alter table act rename to act_gone")?);
    store.write(break_acts).await.unwrap();
    let run_id: i64 = reader.query_row("select run_id from message where id = ?1", (next,), |row| row.get(0)).unwrap();
    for verb in [person::Steer::Stop, person::Steer::Close] {
        assert!(store.steer(verb, "live", run_id, "alice".into(), at(7)).await.is_err());
    }
    assert!(
        store
            .intervene(Intervention::Cancel, search::MessageFilter { ids: vec![next], ..Default::default() }, "bob".into(), at(7))
            .await
            .is_err()
    );
    assert_eq!(status::run_counts(&reader, run_id).unwrap(), [(State::Queued, 1)]);
}

#[tokio::test]
async fn a_stop_leaves_what_is_on_the_wire_alone_and_holds_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    let (run_id, ids) = store
        .write_run(run_row(), |run| {
            let ids: Result<Vec<_>, _> =
                ["1", "2", "3"].iter().map(|name| run.add_message(&message(name, name, State::Queued))).collect();
            ids
        })
        .await
        .unwrap();
    let ids: Vec<i64> = ids.into_iter().flatten().collect();
    // One is past its gate, one in the middle of an attempt, one has not begun.
    store.record_sending(ids[0], at(1)).await.unwrap();
    assert_eq!(steer(&store, person::Steer::Stop, run_id).await, person::Steered::Done { changed: 2, under_way: 1 });
    assert!(store.record_sending(ids[1], at(2)).await.is_err(), "the gate is closed to it");
    let later = Next { state: State::Queued, next_attempt_at: Some(at(9)) };
    assert!(!store.record_attempt(ids[1], attempt(Outcome::Deferred), later, at(2)).await.unwrap());
    let accepted = Next { state: State::Accepted, next_attempt_at: None };
    assert!(store.record_attempt(ids[0], attempt(Outcome::Accepted), accepted, at(2)).await.unwrap());
    let reader = store.reader().unwrap();
    assert_eq!(status::run_counts(&reader, run_id).unwrap(), [(State::Waiting, 2), (State::Accepted, 1)]);

    assert_eq!(
        store.steer(person::Steer::Start, "redirect", run_id, "a".into(), at(6)).await.unwrap(),
        person::Steered::OtherMode
    );
    assert_eq!(steer(&store, person::Steer::Start, run_id).await, person::Steered::Done { changed: 2, under_way: 0 });
    let due = || outbox::queued(&reader, "live", &SenderId::new("ar"), at(5), &[], 9).unwrap().len();
    assert_eq!(due(), 0, "a sender at work waits for the re-check");
    store.free(run_id, at(5)).await.unwrap();
    assert_eq!(due(), 2);
    assert_eq!(steer(&store, person::Steer::Close, run_id).await, person::Steered::Done { changed: 2, under_way: 0 });
    assert_eq!(steer(&store, person::Steer::Start, run_id).await, person::Steered::Closed);
    assert_eq!(steer(&store, person::Steer::Stop, 99).await, person::Steered::Missing);
}

#[tokio::test]
async fn a_run_that_has_nothing_to_send_is_finished_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("dunlin.db"), "test", at(0)).unwrap();
    store.write_run(run_row(), |_| Ok(())).await.unwrap();
    add(&store, message("k1", "1", State::Queued)).await.unwrap();
    add(&store, message("k2", "2", State::Blocked)).await.unwrap();
    let reader = store.reader().unwrap();
    let finished = |id: i64| {
        let select = "select finished_at_ms is not null from run where id = ?1";
        reader.query_row(select, (id,), |row| row.get::<_, bool>(0)).unwrap()
    };
    assert_eq!([1, 2, 3].map(finished), [true, false, true]);
    assert_eq!(outbox::runs_with_mails_left(&reader).unwrap(), [2]);
}

#[test]
fn no_step_of_a_mail_makes_sqlite_make_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { connection, .. } = open_writer(&folder.path().join("dunlin.db"), "test", Timestamp::UNIX_EPOCH).unwrap();
    let steps = [
        runs::INSERT_MESSAGE,
        runs::INSERT_RECIPIENT,
        runs::INSERT_ITEM,
        runs::INSERT_DECISION,
        outbox::TO_SENDING,
        outbox::TO_NEXT,
        outbox::INSERT_ATTEMPT,
    ];
    for step in steps {
        let mut statement = connection.prepare(&format!("explain {step}")).unwrap();
        // Nothing is bound: it is not done, only shown.
        let operations: Vec<String> = statement.raw_query().mapped(|row| row.get(1)).map(Result::unwrap).collect();
        assert!(operations.iter().any(|operation| operation == "MakeRecord"), "{step}");
        assert!(!operations.iter().any(|operation| operation == "OpenEphemeral"), "{step}");
    }
}

#[test]
fn the_conditions_without_lists_refuse_what_the_lists_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Opened { connection, .. } = open_writer(&folder.path().join("dunlin.db"), "test", Timestamp::UNIX_EPOCH).unwrap();
    connection.execute_batch("pragma foreign_keys = off").unwrap();
    let message = "insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency,
        total, level_id, level_repeat, as_of, sender_id, state_at_ms, state, kind)
        values (?1, 1, 'live', 'r', '', 'C', 'C', 'EUR', '1', 'l', 0, '2026-01-01', 's', 0, ?1, ?2)";
    let recipient = "insert into message_recipient (message_id, position, role, address) values (1, ?1, ?2, 'a@b.example')";
    let decision = "insert into decision (run_id, rule_id, customer_id, currency, document, verdict, reason)
        values (1, ?1, 'C', 'EUR', '', ?2, '')";
    for state in State::ALL {
        connection.execute(message, (state.as_str(), "reminder")).unwrap();
    }
    for (place, word) in ["to", "cc", "bcc"].into_iter().enumerate() {
        connection.execute(recipient, (place as i64, word)).unwrap();
    }
    for word in ["due", "blocked", "declined"] {
        connection.execute(decision, (word, word)).unwrap();
    }
    let refused = [
        connection.execute(message, ("sent", "reminder")),
        connection.execute("update message set state = 'sent'", ()),
        connection.execute("update message set kind = 'letter'", ()),
        connection.execute(recipient, (3, "from")),
        connection.execute(decision, ("other", "other")),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation));
    }
}

#[tokio::test]
async fn a_step_that_fails_of_itself_leaves_its_neighbours_and_one_that_sqlite_fails_at_takes_its_group_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), "test", at(0)).unwrap();
    store.write(|connection| Ok(connection.execute_batch("create table word (word text check (word <> 'bad'))")?)).await.unwrap();
    let add = |word: &'static str| {
        move |connection: &Connection| Ok(connection.execute("insert into word (word) values (?1)", (word,))?)
    };
    let words = || -> Vec<String> {
        let reader = store.reader().unwrap();
        let mut statement = reader.prepare("select word from word order by rowid").unwrap();
        statement.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    // Held up, so that what comes next is one group.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let group = |hold: std::sync::mpsc::Receiver<()>| store.write(move |_| Ok(hold.recv().is_ok()));
    let refuse = |_: &Connection| Err::<(), _>(StoreError::NotQueued { id: 7 });
    let (_, first, refused, second, _) =
        tokio::join!(group(held), store.write_step(add("a")), store.write_step(refuse), store.write_step(add("b")), async {
            hold.send(())
        });
    assert!(first.is_ok() && second.is_ok() && matches!(refused, Err(StoreError::NotQueued { id: 7 })));
    assert_eq!(words(), ["a", "b"]);

    let (hold, held) = std::sync::mpsc::channel::<()>();
    let two = |connection: &Connection| {
        connection.execute("insert into word (word) values ('half')", ())?;
        Ok(connection.execute("insert into word (word) values ('bad')", ())?)
    };
    let (_, before, failed, after, _) =
        tokio::join!(group(held), store.write_step(add("c")), store.write_step(two), store.write_step(add("d")), async {
            hold.send(())
        });
    assert!(matches!(before, Err(StoreError::Commit(_))), "{before:?}");
    assert!(matches!(failed, Err(StoreError::Commit(_))), "{failed:?}");
    // The one behind it is of the next group.
    assert!(after.is_ok(), "{after:?}");
    assert_eq!(words(), ["a", "b", "d"], "no half of it is stored");
}
