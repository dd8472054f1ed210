//! What is open is counted, what is settled costs nothing, and the plan of the query proves it.

use super::*;
use crate::store::outbox::recover_update;
use crate::store::{MIGRATIONS, open_reader};

/// A database of the newest schema with one run and these messages: state, queued at, in its state since (milliseconds).
fn database(messages: &[(&str, &str, Option<i64>, i64)]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for migration in MIGRATIONS {
        connection.execute_batch(migration).unwrap();
    }
    let run = "insert into run (as_of, rule_id, mode, generation, started_at_ms, finished_at_ms)
        values ('2027-03-15', 'overdue', 'live', 'g', 5000, null), ('2027-03-16', null, 'dry', 'g', 6000, 7000)";
    connection.execute(run, ()).unwrap();
    for (number, (mode, state, queued_at_ms, state_at_ms)) in messages.iter().enumerate() {
        let insert = "insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name,
                currency, total, level_id, level_repeat, as_of, state, sender_id, queued_at_ms, state_at_ms)
            values (?1, 1, ?2, 'overdue', 'r', 'C1', 'One', 'EUR', '5.00', 'first', 0, '2027-03-15', ?3, 'ar', ?4, ?5)";
        connection.execute(insert, (format!("key {number}"), mode, state, queued_at_ms, state_at_ms)).unwrap();
    }
    connection
}

#[test]
fn each_open_state_tells_its_count_and_since_when() {
    let connection = database(&[
        // Tried again at 9 s: it has waited since 1 s all the same.
        ("live", "queued", Some(1_000), 9_000),
        ("live", "queued", Some(2_000), 2_000),
        ("live", "unknown", Some(500), 3_000),
        ("live", "accepted", Some(500), 3_000),
        ("live", "withdrawn", Some(500), 3_000),
        ("live", "cancelled", Some(500), 3_000),
        ("dry", "waiting", None, 4_000),
    ]);
    let open = |state, count, at_ms: Option<i64>| OpenMessages { state, count, oldest_at: at_ms.map(timestamp) };
    let expected = [
        open(State::Blocked, 0, None),
        open(State::Waiting, 0, None),
        open(State::Queued, 2, Some(1_000)),
        open(State::Sending, 0, None),
        open(State::Refused, 0, None),
        open(State::Exhausted, 0, None),
        open(State::Unknown, 1, Some(3_000)),
    ];
    assert_eq!(open_messages(&connection, "live").unwrap(), expected);
    let waiting = open_messages(&connection, "dry").unwrap().into_iter().find(|open| open.count > 0);
    assert_eq!(waiting, Some(open(State::Waiting, 1, Some(4_000))));
}

#[test]
fn the_last_run_is_the_modes_own() {
    let connection =
        database(&[("live", "queued", Some(1), 1), ("live", "accepted", Some(1), 1), ("live", "accepted", Some(1), 1)]);
    let expected = LastRun {
        id: 1,
        rule: Some("overdue".into()),
        as_of: "2027-03-15".into(),
        started_at: timestamp(5_000),
        finished_at: None,
        counts: vec![(State::Queued, 1), (State::Accepted, 2)],
    };
    assert_eq!(last_run(&connection, "live").unwrap(), Some(expected));
    assert_eq!(last_run(&connection, "redirect").unwrap(), None);
}

#[test]
fn a_look_costs_what_is_open_and_not_what_was_sent() {
    let connection = database(&[]);
    let plan = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(&format!("explain query plan {query}")).unwrap();
        statement.query_map(["1"], |row| row.get(3)).unwrap().map(Result::unwrap).collect()
    };
    for (query, expected) in [
        (open_messages_select().as_str(), "SEARCH message USING COVERING INDEX message_open (mode=?)"),
        (open_messages_select().as_str(), "SEARCH message USING COVERING INDEX message_queue (mode=?)"),
        (LAST_RUN, "SEARCH run USING INDEX run_by_mode (mode=?)"),
        (RUN_COUNTS, "SEARCH message USING COVERING INDEX message_by_run (run_id=?)"),
        (&recover_update(), "SEARCH message USING INDEX message_open (mode=? AND state=?)"),
    ] {
        let found: Vec<String> =
            plan(query).into_iter().filter(|step| step.contains("message") || step.contains("run")).collect();
        assert!(
            found.iter().any(|step| step == expected) && !found.iter().any(|step| step.contains("SCAN")),
            "{query}: {found:?}"
        );
    }
}

#[test]
fn the_open_states_are_those_of_the_index() {
    let others = State::ALL.into_iter().filter(|state| !OPEN_STATES.contains(state) || *state == State::Queued);
    let words: Vec<String> = others.map(|state| format!("state <> '{}'", state.as_str())).collect();
    let mut said: Vec<&str> = IS_OPEN.split(" and ").collect();
    said.sort_unstable_by_key(|word| words.iter().position(|own| own == word));
    assert_eq!(said, words);
    let migrations = MIGRATIONS.concat();
    assert!(migrations.contains(&format!("where {IS_OPEN};")), "the index has another condition");
}

#[test]
fn no_database_is_no_reader() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open_reader(&folder.path().join("dunlin.db")).unwrap().is_none());
}
