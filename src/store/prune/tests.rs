//! Moving what is over into the archive: what goes, what stays, and that nothing is lost on the way.

use std::collections::BTreeMap;
use std::fs;

use jiff::civil::date;

use super::*;
use crate::domain::id::ServerId;
use crate::outbox::attempt::{Attempt, Outcome, Stage};
use crate::outbox::retry::Next;
use crate::outbox::state::State;
use crate::store::firings::FiringRow;
use crate::store::rows;
use crate::store::{DecisionRow, MessageRow, RunRow};

const DAY: i64 = 86_400;

/// 1 January 2026, and so many days later.
fn on(day: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + day * DAY).unwrap()
}

fn run_row(day: i64) -> RunRow {
    let as_of = date(2026, 1, 1);
    RunRow { as_of, rule_id: Some("overdue".into()), started_at: on(day), rules_start_on: as_of, ..rows::run_row() }
}

fn message(number: i64) -> MessageRow {
    let document = format!("INV-{number}");
    MessageRow {
        customer_id: format!("C{number}"),
        customer_name: "Käufer".into(),
        subject: Some(format!("Invoice {document}")),
        ..rows::message(&format!("key-{number}"), &document, State::Queued)
    }
}

/// Adds the run of a day: `declined` decisions and, if asked for, a mail that ends in this state.
async fn add_run(store: &Store, day: i64, declined: usize, mail: Option<State>) {
    let firing = FiringRow {
        mode: "live",
        rule_id: "overdue".into(),
        schedule: "0 9 * * *".into(),
        local_time: on(day).strftime("%Y-%m-%dT09:00").to_string(),
        time_zone: "UTC".into(),
        scheduled_at: on(day),
    };
    let (_, id) = store
        .write_run(run_row(day), move |run| {
            let id = if mail.is_some() { run.add_message(&message(day))? } else { None };
            for number in 0..declined {
                let customer_id = format!("D{number:05}");
                run.add_decision(&DecisionRow {
                    rule_id: "overdue",
                    customer_id: &customer_id,
                    currency: "EUR",
                    document: "",
                    verdict: "declined",
                    reason: "not_yet_due",
                    message_id: None,
                    yields_to: None,
                    trace: None,
                })?;
            }
            run.add_firing(&firing)?;
            Ok(id)
        })
        .await
        .unwrap();
    if let (Some(id), Some(state)) = (id, mail)
        && state != State::Queued
    {
        let attempt = Attempt {
            server: ServerId::new("primary"),
            started_at: on(day),
            duration: std::time::Duration::from_millis(20),
            stage: Stage::FinalDot,
            outcome: Outcome::Accepted,
            reply: None,
            fault: None,
            recipients_refused: vec![],
        };
        store.record_sending(id, on(day)).await.unwrap();
        store.record_attempt(id, attempt, Next { state, next_attempt_at: None }, on(day)).await.unwrap();
    }
    store.finish_runs(on(day)).await.unwrap();
}

async fn prune_all(store: &Store, kept: Kept, folder: &Path, before: Timestamp) -> (Moved, usize) {
    let (mut all, mut steps) = (Moved::default(), 0);
    loop {
        let (moved, is_last) = store.prune(kept, folder, before).await.unwrap();
        all.add(moved);
        steps += 1;
        if is_last {
            return (all, steps);
        }
    }
}

fn table_counts(store: &Store) -> BTreeMap<&'static str, i64> {
    let reader = store.reader().unwrap();
    let tables = ["run", "decision", "firing", "message", "message_body", "message_item", "attempt", "rule_schedule"];
    tables.map(|table| (table, reader.query_row(&format!("select count(*) from {table}"), (), |row| row.get(0)).unwrap())).into()
}

/// Returns the lines of each file of the archive that are no checksums.
fn lines(folder: &Path) -> BTreeMap<String, Vec<Value>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let values = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let name = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
        (name, values.filter(|value| value.get("checksum").is_none()).collect())
    };
    files.map(read).collect()
}

#[tokio::test]
async fn what_is_over_moves_month_by_month_and_what_the_guarantee_rests_on_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (path, archive) = (folder.path().join("a.db"), folder.path().join("archive"));
    let store = Store::open(&path, "test", on(0)).unwrap();
    // January: a run without a mail, larger than a step; one whose mail was accepted; one whose mail nobody knows of.
    add_run(&store, 0, 2_500, None).await;
    add_run(&store, 1, 1, Some(State::Accepted)).await;
    add_run(&store, 2, 1, Some(State::Unknown)).await;
    // February: one that is still being sent, and one that is done with.
    add_run(&store, 40, 1, Some(State::Queued)).await;
    add_run(&store, 41, 1, Some(State::Accepted)).await;
    // Young.
    add_run(&store, 200, 1, Some(State::Accepted)).await;
    let missed = FiringRow {
        mode: "live",
        rule_id: "overdue".into(),
        schedule: "0 9 * * *".into(),
        local_time: "2026-01-20T09:00".into(),
        time_zone: "UTC".into(),
        scheduled_at: on(19),
    };
    store.leave_out(vec![(missed, "skipped")], on(19)).await.unwrap();

    let (moved, _) = prune_all(&store, Kept::Mails, &archive, on(100)).await;
    assert_eq!(moved, Moved { mails: 2, ..Moved::default() });
    let (moved, steps) = prune_all(&store, Kept::Decisions, &archive, on(100)).await;
    assert_eq!(moved, Moved { decisions: 2_503, firings: 5, runs: 1, mails: 0 });
    assert!(steps >= 4, "{steps}: small steps");
    assert_eq!(prune_all(&store, Kept::Mails, &archive, on(100)).await, (Moved::default(), 1));

    let counts = table_counts(&store);
    let expected = [
        ("attempt", 2), // of the one nobody knows of, and of the young one
        ("decision", 2),
        ("firing", 2),
        ("message", 5),
        ("message_body", 3),
        ("message_item", 5),
        ("rule_schedule", 1),
        ("run", 5),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    // The key and the step of what was archived are taken for ever.
    let (_, again) = store.write_run(run_row(300), |run| run.add_message(&message(1))).await.unwrap();
    assert_eq!(again, None);
    let mut other = message(1);
    other.message_key = "another".into();
    assert_eq!(store.write_run(run_row(300), move |run| run.add_message(&other)).await.unwrap().1, None, "the same step");

    let read = lines(&archive);
    let files: Vec<(&str, usize)> = read.iter().map(|(name, lines)| (name.as_str(), lines.len())).collect();
    assert_eq!(
        files,
        [("decisions-2026-01", 2_502 + 4 + 3), ("decisions-2026-02", 1 + 1 + 1), ("mails-2026-01", 1), ("mails-2026-02", 1)]
    );
    let mail = &read["mails-2026-01"][0]["mail"];
    let words = ["key", "customer_name", "eml", "state"].map(|key| mail[key].as_str().unwrap());
    assert_eq!(words, ["key-1", "Käufer", "Subject: S\r\n\r\nHello\r\n", "accepted"]);
    assert_eq!((mail["attempts"].as_array().unwrap().len(), mail["items"][0]["document"].as_str()), (1, Some("INV-1")));
    assert_eq!(archive_faults(&store.reader().unwrap(), &archive).unwrap(), Vec::<String>::new());
    assert_eq!(crate::store::check::whole(&path).unwrap().faults, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_archived_stays_and_a_killed_step_is_done_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, archive) = (folder.path().join("a.db"), folder.path().join("archive"));
    let store = Store::open(&path, "test", on(0)).unwrap();
    add_run(&store, 0, 3, Some(State::Accepted)).await;
    add_run(&store, 1, 3, None).await;
    add_run(&store, 2, 0, None).await;
    let before = table_counts(&store);
    // A file stands where the folder should be.
    fs::write(&archive, "in the way").unwrap();
    for kept in [Kept::Mails, Kept::Decisions] {
        assert!(matches!(store.prune(kept, &archive, on(100)).await, Err(StoreError::File { .. })));
    }
    assert_eq!(table_counts(&store), before);
    fs::remove_file(&archive).unwrap();

    // A step that died before its commit: the archive has it, the database does too.
    let step = decisions_step(&store.reader().unwrap(), on(100).as_millisecond()).unwrap();
    let id: String = store.reader().unwrap().query_row("select database_id from home", (), |row| row.get(0)).unwrap();
    append(&archive, &format!("{}.{}.jsonl", step.name, &id[..8]), None, &step.lines).unwrap();
    assert_eq!(table_counts(&store), before);
    let (moved, _) = prune_all(&store, Kept::Decisions, &archive, on(100)).await;
    // The last run's row stays, so that its id is not given again.
    assert_eq!(moved, Moved { decisions: 6, firings: 3, runs: 1, mails: 0 });
    assert_eq!(lines(&archive)["decisions-2026-01"].len(), 6 + 3 + 3, "each line once");
    assert_eq!(archive_faults(&store.reader().unwrap(), &archive).unwrap(), Vec::<String>::new());

    // What changed after it was read is not removed.
    let stale = Removal::Mail { id: 1, state: "accepted".into(), state_at_ms: 0, digest: [0; 32] };
    let refused = store.write(move |connection| remove(connection, &stale)).await;
    assert!(refused.unwrap_err().to_string().contains("has changed meanwhile"));
    assert_eq!(table_counts(&store)["message_body"], 1);
}

/// Adds a run of a day with a decision about each of these customers that rests on this text.
async fn add_traced(store: &Store, day: i64, customers: &'static [&'static str], text: &'static str) {
    let fill = move |run: &mut crate::store::RunTransaction<'_>| {
        for customer_id in customers {
            let message_id = None;
            let (verdict, reason, yields_to, trace) = ("declined", "held", None, Some(text));
            let (rule_id, currency, document) = ("overdue", "EUR", "");
            run.add_decision(&DecisionRow {
                rule_id,
                customer_id,
                currency,
                document,
                verdict,
                reason,
                message_id,
                yields_to,
                trace,
            })?;
        }
        Ok(())
    };
    store.write_run(run_row(day), fill).await.unwrap();
}

#[tokio::test]
async fn a_trace_is_kept_once_a_month_and_goes_with_the_last_decision_of_its_month() {
    const TEXT: &str = "INV-1\t12.00\t2026-01-01\theld\n";
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let store = Store::open(&folder.path().join("a.db"), "test", on(0)).unwrap();
    let traces = || {
        let reader = store.reader().unwrap();
        let mut statement = reader.prepare("select month - 12 * 2026, text from trace order by id").unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        statement.query_map((), row).unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    for day in [3, 4, 5] {
        add_traced(&store, day, &["C1", "C2"], TEXT).await;
    }
    add_traced(&store, 6, &["C1"], "INV-1\t9.00\t2026-01-01\theld\n").await;
    add_traced(&store, 31, &["C1"], TEXT).await;
    add_traced(&store, 200, &["C1"], TEXT).await;
    assert_eq!(traces().iter().map(|(month, _)| *month).collect::<Vec<_>>(), [0, 0, 1, 6]);

    // A run of January still has its decisions: all of its month's texts stay.
    prune_all(&store, Kept::Decisions, &archive, on(5)).await;
    assert_eq!(traces().len(), 4);
    prune_all(&store, Kept::Decisions, &archive, on(100)).await;
    assert_eq!(traces(), [(6, TEXT.to_owned())]);
    let told = |value: &Value| Some(value["decision"]["trace"].as_str()?.to_owned());
    let archived: Vec<String> = lines(&archive)["decisions-2026-01"].iter().filter_map(told).collect();
    assert_eq!((archived.len(), archived[0].as_str()), (7, TEXT), "{archived:?}");
    assert_eq!(crate::store::check::whole(&folder.path().join("a.db")).unwrap().faults, Vec::<String>::new());

    // The newest run's month stays, since the next run goes on with it.
    prune_all(&store, Kept::Decisions, &archive, on(300)).await;
    assert_eq!(traces().len(), 1);
}
