//! What somebody changes by hand shows, and what the program changes by right does not.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::id::ServerId;
use crate::outbox::attempt::{Attempt, Outcome, Reply, Stage};
use crate::outbox::intervention::Intervention;
use crate::outbox::retry::Next;
use crate::outbox::state::State;
use crate::store::prune::Kept;
use crate::store::rows::{at, message, run_row};
use crate::store::search::MessageFilter;
use crate::store::texts::{GenerationText, KeptText};
use crate::store::{DecisionRow, MessageRow, RunRow, Store};

fn texts() -> Arc<[GenerationText]> {
    let text = |path: &str, text| GenerationText { path: path.into(), text };
    Arc::new([
        text("config.yaml", KeptText::hash_of("password: secret")),
        text("rules/overdue.yaml", KeptText::Whole("id: overdue\n".into())),
    ])
}

fn attempt(outcome: Outcome) -> Attempt {
    Attempt {
        server: ServerId::new("primary"),
        started_at: at(1),
        duration: Duration::from_millis(20),
        stage: Stage::FinalDot,
        outcome,
        reply: Some(Reply { code: 250, enhanced: Some((2, 0, 0)), text: "2.0.0 queued as 1".into() }),
        fault: None,
        recipients_refused: vec![("a@b.example".into(), Reply { code: 550, enhanced: None, text: "no \"such\" user".into() })],
    }
}

async fn run(store: &Store, seconds: i64, mails: Vec<MessageRow>) {
    let person = (!mails.is_empty()).then(|| "ann".to_owned());
    let row = RunRow { started_at: at(seconds), texts: texts(), person: person.clone(), ..run_row() };
    store
        .write_run(row, move |run| {
            for mail in &mails {
                let message_id = run.add_message(mail)?;
                run.add_decision(&DecisionRow {
                    rule_id: "overdue",
                    customer_id: &mail.message_key,
                    currency: "EUR",
                    document: "",
                    verdict: "due",
                    reason: "level_due",
                    message_id,
                    yields_to: None,
                    trace: None,
                })?;
            }
            run.add_decision(&DecisionRow {
                rule_id: "overdue",
                customer_id: "none",
                currency: "EUR",
                document: "",
                verdict: "declined",
                reason: "not_yet_due",
                message_id: None,
                yields_to: Some("other"),
                trace: Some("R-9 5.00 2027-01-20 not_yet_due"),
            })?;
            person.iter().try_for_each(|person| run.add_asked(person, None))
        })
        .await
        .unwrap();
}

async fn end(store: &Store, id: i64, outcome: Outcome, state: State) {
    store.record_sending(id, at(1)).await.unwrap();
    store.record_attempt(id, attempt(outcome), Next { state, next_attempt_at: None }, at(2)).await.unwrap();
}

/// A database in which everything has happened that changes rows by right.
async fn past(path: &Path) {
    let store = Store::open(path, "test", at(0)).unwrap();
    run(&store, 0, vec![message("k1", "INV-1", State::Queued), message("k2", "INV-2", State::Blocked)]).await;
    end(&store, 1, Outcome::Accepted, State::Accepted).await;
    store.finish_runs(at(3)).await.unwrap();
    // Composed anew in its place, and then refused; a copy; a person's word.
    run(&store, 4, vec![message("k2", "INV-2", State::Queued), message("k3", "INV-3", State::Queued)]).await;
    end(&store, 2, Outcome::Refused, State::Refused).await;
    end(&store, 3, Outcome::Unknown, State::Unknown).await;
    for (verb, id) in [(Intervention::Resend, 1), (Intervention::Accept, 3), (Intervention::Renew, 2)] {
        let chosen = MessageFilter { ids: vec![id], ..MessageFilter::default() };
        store.intervene(verb, chosen, "ann".into(), at(5)).await.unwrap();
    }
    run(&store, 6, vec![message("k4", "INV-4", State::Queued)]).await;
    end(&store, 4, Outcome::Accepted, State::Accepted).await;
}

fn look(path: &Path, expect: Option<&str>) -> Verified {
    verify(path, None, &[], expect, &mut |_, _| {}).unwrap().unwrap()
}

fn faults(path: &Path) -> Vec<String> {
    let verified = look(path, None);
    verified
        .faults
        .iter()
        .map(|fault| format!("{} ({}): {} / {}", fault.what, fault.place, fault.expected, fault.found))
        .collect()
}

#[tokio::test]
async fn what_the_program_does_by_right_is_all_right_and_what_is_not_linked_yet_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    past(&path).await;
    let verified = look(&path, None);
    assert_eq!(verified.faults, []);
    let counts = [verified.links, verified.runs, verified.decisions, verified.messages, verified.attempts, verified.acts];
    // The beginning, three runs and one end of sending; k1 to k4 and the copy.
    assert_eq!(counts, [5, 3, 8, 5, 4, 6]);
    // The copy took the fourth id, so the last attempt is its own.
    assert_eq!(verified.since_last_link, Unlinked { attempts: 1, acts: 0, copies: 0 });
    assert_eq!((verified.before_chain, verified.not_at_hand), (Before::default(), NotAtHand::default()));

    let hash = verified.hash.unwrap();
    assert!(look(&path, Some(&hash[..16])).expected_at.is_some());
    let unknown = look(&path, Some("00ff00ff"));
    assert_eq!(unknown.faults.iter().map(|fault| fault.what.as_str()).collect::<Vec<_>>(), ["noted hash"]);
    assert_eq!(crate::store::check::whole(&path).unwrap().faults, Vec::<String>::new());
}

#[tokio::test]
async fn whatever_is_changed_removed_or_added_by_hand_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.db");
    past(&sound).await;
    let tampered = folder.path().join("tampered.db");
    for (sql, named) in [
        ("update run set as_of = '2027-01-16' where id = 2", vec!["run 2"]),
        ("update run set person = 'bob' where id = 1", vec!["run 1"]),
        ("update decision set reason = 'settled' where run_id = 2 and customer_id = 'none'", vec!["decision overdue none EUR"]),
        ("update decision set yields_to = null where run_id = 1", vec!["decision overdue none EUR"]),
        ("update decision set trace_id = null where run_id = 2", vec!["decision overdue none EUR"]),
        ("update message set total = '6.00' where id = 1", vec!["message 1"]),
        ("update message set customer_name = 'Two' where id = 5", vec!["message 5"]),
        ("update message set state = 'refused' where id = 1", vec!["state of message 1"]),
        ("update message set state = 'accepted' where id = 5", vec!["state of message 5"]),
        ("update message_body set bytes = x'00' where message_id = 1", vec!["message 1"]),
        ("update message_body set input = '{\"a\":1}' where message_id = 1", vec!["message 1"]),
        ("update message_item set open = '6.00' where message_id = 1", vec!["message 1"]),
        ("update message_recipient set address = 'b@b.example' where message_id = 1", vec!["message 1"]),
        ("update attempt set reply_text = 'no' where id = 2", vec!["attempt 2"]),
        ("update attempt set started_at_ms = 0 where id = 4", vec!["attempt 4"]),
        ("update act set person = 'bob' where id = 3", vec!["act 3"]),
        ("update text set bytes = x'00'", vec!["text of rules/overdue.yaml"]),
        ("update generation_text set path = 'rules/other.yaml' where is_kept = 1", vec!["list of texts of generation g"]),
        ("update generation set digest = x'00'", vec!["list of texts of generation g", "run 1", "run 2", "run 3"]),
        ("update message_replaced set digest = x'00'", vec!["messages of run 1"]),
        ("update link set at_ms = 0 where id = 3", vec!["link 3"]),
        ("update link set hash = zeroblob(32) where id = 3", vec!["link 3", "link 4"]),
        // The row's own digest with it: then its link says so.
        ("update decision set digest = zeroblob(16) where run_id = 1 and customer_id = 'k1'", vec!["decision overdue k1 EUR"]),
        ("update attempt set digest = null where id = 1", vec!["attempt 1"]),
        ("delete from run where id = 2", vec!["run 2", "decision of run 2"]),
        ("delete from decision where run_id = 2 and customer_id = 'none'", vec!["decisions of run 2"]),
        ("delete from message where id = 3", vec!["message 3", "messages of run 2"]),
        ("delete from message where id = 4", vec!["message 4"]),
        ("delete from message_body where message_id = 1", vec!["message 1"]),
        ("delete from message_item where message_id = 1", vec!["message 1"]),
        ("delete from attempt where id = 2", vec!["attempt 2"]),
        ("delete from act where id = 3", vec!["act 3"]),
        ("delete from text", vec!["text of rules/overdue.yaml"]),
        ("delete from generation_text where is_kept = 1", vec!["list of texts of generation g"]),
        ("delete from link where id = 3", vec!["link 3", "link 4"]),
        ("delete from link where id = 4", vec!["link 4", "link 5", "run 2"]),
        ("delete from message_replaced", vec!["messages of run 1"]),
        ("insert into run (as_of, mode, generation, started_at_ms) values ('2027-01-15', 'live', 'g', 0)", vec!["run 4"]),
        (
            "insert into decision (run_id, rule_id, customer_id, currency, document, verdict, reason)
                values (1, 'overdue', 'new', 'EUR', '', 'declined', 'settled')",
            vec!["decision overdue new EUR", "decisions of run 1"],
        ),
        (
            "insert into message_item (message_id, document, mode, rule_id, level_id, level_repeat, open, claimed)
                values (1, 'INV-9', 'live', 'overdue', 'first', 0, '1.00', 0)",
            vec!["message 1"],
        ),
        (
            "insert into attempt (message_id, server_id, started_at_ms, duration_ms, stage, outcome)
                values (5, 'primary', 0, 0, 'final_dot', 'deferred')",
            vec!["attempt 5"],
        ),
        ("insert into act (at_ms, person, act) values (0, 'bob', 'run')", vec!["act 7"]),
        (
            "insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency, total,
                level_id, level_repeat, as_of, state, sender_id, state_at_ms)
                values ('k9', 1, 'live', 'overdue', 'r', 'C1', 'One', 'EUR', '1', '', 0, '2027-01-15', 'cancelled', 'ar', 0)",
            vec!["message 6", "messages of run 1"],
        ),
    ] {
        std::fs::copy(&sound, &tampered).unwrap();
        Connection::open(&tampered).unwrap().execute_batch(&format!("pragma foreign_keys = off; {sql}")).unwrap();
        let told = faults(&tampered);
        let what: Vec<&str> = told.iter().map(|fault| fault.split(" (").next().unwrap()).collect();
        for name in &named {
            assert!(what.contains(name), "{sql}\n{told:#?}");
        }
        assert!(told.len() <= named.len() + 1, "{sql}: more than it is\n{told:#?}");
    }
    // Every link made anew by who knows how: only a hash that was noted elsewhere tells.
    let noted = look(&sound, None).hash.unwrap();
    std::fs::copy(&sound, &tampered).unwrap();
    let forging = Connection::open(&tampered).unwrap();
    forging.execute("update link set at_ms = at_ms + 1 where id > 2", ()).unwrap();
    let mut links: Vec<Link> = forging
        .prepare(&format!("select {COLUMNS} from link order by id"))
        .unwrap()
        .query_map((), Link::read)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for place in 1..links.len() {
        links[place].hash = links[place].hash_behind(&links[place - 1].hash);
        forging.execute("update link set hash = ?2 where id = ?1", (links[place].id, links[place].hash)).unwrap();
    }
    drop(forging);
    assert_eq!(faults(&tampered), Vec::<String>::new());
    assert_eq!(look(&tampered, Some(&noted)).faults.len(), 1);
}

#[tokio::test]
async fn the_chain_holds_over_the_archive_and_no_id_is_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (path, archive) = (folder.path().join("a.db"), folder.path().join("archive"));
    past(&path).await;
    let store = Store::open(&path, "test", at(0)).unwrap();
    run(&store, 7, vec![]).await;
    run(&store, 8, vec![]).await;
    store.finish_runs(at(9)).await.unwrap();
    for kept in [Kept::Mails, Kept::Decisions] {
        while !store.prune(kept, &archive, at(100)).await.unwrap().1 {}
    }
    // Sending goes on: the next attempt is no other's.
    run(&store, 200, vec![message("k9", "INV-9", State::Queued)]).await;
    end(&store, 6, Outcome::Accepted, State::Accepted).await;
    store.finish_runs(at(201)).await.unwrap();
    drop(store);
    let with = |folder: Option<&Path>, files: &[PathBuf]| verify(&path, folder, files, None, &mut |_, _| {}).unwrap().unwrap();
    let whole = with(Some(&archive), &[]);
    assert_eq!((&whole.faults, whole.not_at_hand), (&vec![], NotAtHand::default()));
    let without = with(None, &[]);
    assert_eq!(without.faults, []);
    assert!(without.not_at_hand.runs == 1 && without.not_at_hand.texts > 1, "{:?}", without.not_at_hand);
    assert!(without.not_at_hand.decisions > 2 && without.not_at_hand.attempts > 1, "{:?}", without.not_at_hand);
    assert_eq!(without.hash, whole.hash);

    // With the whole archive at hand, what is nowhere was removed.
    for (sql, named) in [
        ("delete from attempt where id = (select max(id) from attempt)", "attempt "),
        ("delete from decision where run_id = (select max(id) from run)", "decisions of run "),
    ] {
        let sound = std::fs::read(&path).unwrap();
        Connection::open(&path).unwrap().execute(sql, ()).unwrap();
        let found = with(Some(&archive), &[]);
        assert!(found.faults.iter().any(|fault| fault.what.starts_with(named)), "{sql}: {:?}", found.faults);
        std::fs::write(&path, sound).unwrap();
    }

    // Somebody edits the archive.
    let files: Vec<PathBuf> = std::fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(with(None, &files), whole, "given by name");
    for (from, to, named) in [
        ("Hello", "Hullo", "text of message 1"),
        ("queued as 1", "queued as 2", "attempts"),
        ("not_yet_due", "not_yet_ok1", "decisions of run 1"),
        ("\"generation\":\"g\"", "\"generation\":\"h\"", "run 4"),
    ] {
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            std::fs::write(file, text.replace(from, to)).unwrap();
        }
        let told = with(Some(&archive), &[]).faults;
        assert!(told.iter().any(|fault| fault.what == named), "{named}: {told:#?}");
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            std::fs::write(file, text.replace(to, from)).unwrap();
        }
    }
}
