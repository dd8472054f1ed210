//! What is told is what is shown, every reason has its cause, and nothing of a customer comes through.

use super::*;
use crate::domain::problem::Place;
use crate::outbox::state::State;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A daemon that started at second 0, with its first generation in force.
fn daemon() -> Live {
    let live = Live::new("acme", "live", "0.1.0", at(0));
    live.generation("a1b2", at(1));
    live.reloaded(true, &[], at(1));
    live
}

/// What is said of a daemon a minute after its start, its loop alive, once `tell` has told what happened.
fn reasons(tell: impl FnOnce(&Live)) -> (Health, Vec<(ReasonKind, String)>) {
    let live = daemon();
    live.beat(at(60));
    tell(&live);
    let status = live.snapshot(None, at(60));
    (status.health, status.reasons.into_iter().map(|reason| (reason.kind, reason.words)).collect())
}

#[test]
fn a_daemon_that_does_its_work_is_well() {
    let told = reasons(|live| {
        live.attempt("primary", Outcome::Accepted);
        live.fired("overdue", FiringOutcome::Ran);
        live.next_firings(vec![next("overdue", 61)]);
        live.reloaded(true, &[Problem::warning("Something odd")], at(30));
    });
    assert_eq!(told, (Health::Ok, vec![]));
}

fn next(rule: &str, seconds: i64) -> NextFiring {
    NextFiring { rule: rule.into(), local: "2027-01-15 09:00".into(), time_zone: "Europe/Berlin".into(), at: at(seconds) }
}

#[test]
fn every_reason_has_its_cause_and_its_words() {
    type Case = (fn(&Live), Health, ReasonKind, &'static str);
    let cases: &[Case] = &[
        (|live| live.beat(at(29)), Health::Failing, ReasonKind::LoopStuck, "The loop last moved at 2027-01-15 08:00:29 UTC"),
        (
            |live| live.fault(FaultKind::StoreFailed, "", "database or disk is full", at(2)),
            Health::Failing,
            ReasonKind::StoreFailed,
            "database or disk is full (since 2027-01-15 08:00:02 UTC)",
        ),
        (
            |live| live.fault(FaultKind::ServerFault, "primary", "535 5.7.8 Bad credentials", at(2)),
            Health::Degraded,
            ReasonKind::ServerFault,
            "primary: 535 5.7.8 Bad credentials (since 2027-01-15 08:00:02 UTC). The server does not accept the user and the password. \
             Compare `auth` with what the provider wrote: often the user is the whole address, and the password one made for programs.",
        ),
        (
            |live| live.fault(FaultKind::RefreshTokenUnkept, "primary", "Permission denied", at(2)),
            Health::Degraded,
            ReasonKind::RefreshTokenUnkept,
            "primary: Permission denied (since 2027-01-15 08:00:02 UTC)",
        ),
        (
            |live| live.reloaded(false, &[Problem::error("No")], at(3)),
            Health::Degraded,
            ReasonKind::ReloadRefused,
            "The change of 2027-01-15 08:00:03 UTC is not in force: 1 error",
        ),
        (
            |live| {
                let file = "rules/late.yaml".to_owned();
                live.paused(vec![PausedRule { rule: "late".into(), file, reason: PauseReason::Vanished }]);
            },
            Health::Degraded,
            ReasonKind::RulePaused,
            "late does not run, since rules/late.yaml is gone",
        ),
        (
            |live| {
                live.beat(at(60));
                live.next_firings(vec![next("overdue", -541)]);
            },
            Health::Degraded,
            ReasonKind::FiringLate,
            "overdue was to run at 2027-01-15 09:00 (Europe/Berlin)",
        ),
    ];
    for (tell, health, kind, words) in cases {
        let told = reasons(tell);
        assert_eq!(told, (*health, vec![(*kind, (*words).to_owned())]));
    }
}

#[test]
fn what_is_just_within_its_bound_is_no_reason() {
    let told = reasons(|live| {
        live.beat(at(30));
        live.next_firings(vec![next("overdue", -540)]);
    });
    assert_eq!(told, (Health::Ok, vec![]));
}

#[test]
fn a_beat_from_before_the_clock_was_set_back_proves_nothing() {
    let live = daemon();
    live.beat(at(3_600));
    assert!(!live.is_beating(at(60)));
    live.beat(at(61));
    assert!(live.is_beating(at(62)));
}

#[test]
fn a_fault_keeps_its_beginning_and_ends_when_mended() {
    let told = reasons(|live| {
        live.fault(FaultKind::ServerFault, "primary", "535 no", at(2));
        live.fault(FaultKind::ServerFault, "primary", "554 still no", at(50));
        live.fault(FaultKind::ServerFault, "second", "535 no", at(3));
        live.mended(FaultKind::ServerFault, "second");
    });
    let words = "primary: 554 still no (since 2027-01-15 08:00:02 UTC)".to_owned();
    assert_eq!(told, (Health::Degraded, vec![(ReasonKind::ServerFault, words)]));
}

#[test]
fn the_worst_comes_first_and_decides() {
    let (health, told) = reasons(|live| {
        live.paused(vec![PausedRule { rule: "a".into(), file: "rules/a.yaml".into(), reason: PauseReason::Broken }]);
        live.fault(FaultKind::ServerFault, "primary", "no", at(2));
        live.fault(FaultKind::StoreFailed, "", "full", at(2));
    });
    let kinds: Vec<ReasonKind> = told.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        (health, kinds),
        (Health::Failing, vec![ReasonKind::StoreFailed, ReasonKind::ServerFault, ReasonKind::RulePaused])
    );
}

#[test]
fn nothing_of_a_customer_comes_through() {
    let live = daemon();
    live.fault(FaultKind::ServerFault, "primary", "550 5.7.1\n<bob@customer.example>: Relay access denied", at(2));
    let cell = Problem::error("`1.234,5x` is not an amount").at(Place::within("invoices.csv", "id\nBob;1.234,5x\n", 2, 5, 8));
    let unread = crate::engine::reading::Unread::Problems(vec![cell.clone(), cell]);
    live.fault(unread.kind(), "", &unread.shown(), at(3));
    let config = Problem::error("`bob@customer.example` is not a server").at(Place::within("config.yaml", "a: b", 1, 1, 1));
    live.reloaded(false, &[config], at(4));
    let status = live.snapshot(None, at(5));
    let json = serde_json::to_string(&status).unwrap();
    for private in ["bob", "Bob", "1.234", "customer.example"] {
        assert!(!json.contains(private), "{private} in {json}");
    }
    let words: Vec<&str> = status.faults.iter().map(|fault| fault.words.as_str()).collect();
    assert_eq!(words, ["2 problems, the first at invoices.csv:2:5", "550 5.7.1 (address) Relay access denied"]);
}

#[test]
fn what_is_shown_has_an_end() {
    let live = daemon();
    live.fault(FaultKind::StoreFailed, "", &"ü".repeat(5_000), at(2));
    let many: Vec<Problem> = (0..50).map(|number| Problem::warning(format!("Warning {number}"))).collect();
    live.reloaded(true, &[many, vec![Problem::error("The one error")]].concat(), at(3));
    let status = live.snapshot(None, at(4));
    assert_eq!(status.faults[0].words.chars().count(), WORDS_MAX + 1);
    let reload = status.reload.unwrap();
    assert_eq!((reload.errors, reload.warnings, reload.problems.len()), (1, 50, PROBLEMS_SHOWN_MAX));
    assert_eq!(reload.problems[0].words, "The one error");
}

#[test]
fn counts_are_kept_by_rule_server_and_outcome() {
    let live = daemon();
    for outcome in [Outcome::Accepted, Outcome::Accepted, Outcome::Deferred] {
        live.attempt("primary", outcome);
    }
    live.fired("overdue", FiringOutcome::Ran);
    live.run_finished(RunCause::Schedule);
    live.under_way(3);
    let status = live.clone().snapshot(None, at(2));
    let attempt = |outcome, count| AttemptCount { server: "primary".into(), outcome, count };
    assert_eq!(status.attempts, [attempt("accepted", 2), attempt("deferred", 1)]);
    assert_eq!(status.firings, [FiringCount { rule: "overdue".into(), outcome: FiringOutcome::Ran, count: 1 }]);
    let run = |cause, count| RunCount { cause, count };
    assert_eq!(status.runs, [run(RunCause::Schedule, 1), run(RunCause::Person, 0)]);
    assert_eq!((status.under_way, status.reloads), (3, Reloads { taken: 1, refused: 0 }));
}

/// A database with one message queued and one unknown, both since second 0.
fn outbox() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dunlin.db");
    drop(crate::store::Store::open(&path, "acme", at(0)).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(&format!(
            "insert into run (as_of, mode, generation, started_at_ms) values ('2027-01-15', 'live', 'g', {0});
            insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency, total,
                level_id, level_repeat, as_of, state, sender_id, queued_at_ms, state_at_ms)
            select 'key ' || value, 1, 'live', 'overdue', 'r', 'C1', 'One', 'EUR', '5.00', 'first', 0, '2027-01-15', value, 'ar', {0}, {0}
            from json_each('[\"queued\", \"unknown\"]')",
            at(0).as_millisecond()
        ))
        .unwrap();
    (folder, path)
}

#[test]
fn what_waits_for_a_person_or_for_long_is_said() {
    let (_folder, path) = outbox();
    let reader = crate::store::open_reader(&path).unwrap().unwrap();
    let live = daemon();
    for (second, expected) in [
        (3_600, vec![(ReasonKind::UnknownWaits, "1 mail of run 1 waits for a person to decide")]),
        (
            3_601,
            vec![
                (ReasonKind::UnknownWaits, "1 mail of run 1 waits for a person to decide"),
                (ReasonKind::QueueOld, "1 mail waits in the queue, the oldest since 2027-01-15 08:00:00 UTC"),
            ],
        ),
    ] {
        live.beat(at(second));
        let status = live.snapshot(Some(&reader), at(second));
        let told: Vec<_> = status.reasons.iter().map(|reason| (reason.kind, reason.words.as_str())).collect();
        assert_eq!(told, expected);
    }
}

/// A clock that stands.
struct Stopped(Timestamp);

impl crate::port::Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[test]
fn a_source_reads_the_database_once_it_is_there_and_says_when_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dunlin.db");
    let source = Source::new(daemon(), path.clone(), Arc::new(Stopped(at(2))));
    assert_eq!((source.status().messages, source.status().health), (None, Health::Ok));
    std::fs::write(&path, "this is no database, whatever its name says").unwrap();
    let status = source.status();
    assert_eq!((status.health, status.reasons[0].kind), (Health::Failing, ReasonKind::StoreUnreadable));
    std::fs::remove_file(&path).unwrap();
    drop(crate::store::Store::open(&path, "acme", at(0)).unwrap());
    let states: Vec<State> = source.status().messages.unwrap().into_iter().map(|open| open.state).collect();
    assert_eq!(states, crate::store::status::OPEN_STATES);
    assert!(source.is_alive());
}

#[test]
fn every_reason_is_listed_once_the_worst_first() {
    let mut sorted = ReasonKind::ALL;
    sorted.sort();
    assert_eq!(sorted, ReasonKind::ALL);
    let health: Vec<Health> = ReasonKind::ALL.iter().map(|kind| kind.health()).collect();
    assert!(health.is_sorted_by(|one, other| one >= other), "{health:?}");
}

/// Returns the reasons of kind, subject and words that a database has after `sql`, with the rule `overdue` in force.
fn of_database(sql: &str) -> Vec<(ReasonKind, String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dunlin.db");
    drop(crate::store::Store::open(&path, "acme", at(0)).unwrap());
    let connection = Connection::open(&path).unwrap();
    let now = at(0).as_millisecond();
    let runs = (1..=8).map(|run| {
        format!(
            "insert into run (as_of, mode, generation, started_at_ms) values ('2027-01-15', 'live', 'g', {});",
            now + i64::from(run) * 1_000
        )
    });
    connection.execute_batch(&runs.collect::<String>()).unwrap();
    connection.execute_batch(&sql.replace("NOW", &now.to_string())).unwrap();
    let live = daemon();
    live.beat(at(60));
    live.next_firings(vec![next("overdue", 70)]);
    let status = live.snapshot(Some(&connection), at(60));
    status.reasons.into_iter().map(|reason| (reason.kind, reason.about, reason.words)).collect()
}

fn message(run: i64, state: &str, reason: &str, state_at: i64) -> String {
    format!(
        "insert into message (message_key, run_id, mode, rule_id, rule_revision, customer_id, customer_name, currency, total,
            level_id, level_repeat, as_of, state, reason, sender_id, queued_at_ms, state_at_ms)
        values ('{run} {state} {reason} {state_at}', {run}, 'live', 'overdue', 'r', 'C1', 'One', 'EUR', '5.00', 'first', 0, '2027-01-15',
            '{state}', nullif('{reason}', ''), 'ar', NOW, NOW + {state_at});"
    )
}

/// The rule's runs, one on each of as many days.
fn rule_runs(counts: &[u64]) -> String {
    let of_run = |(place, count): (usize, &u64)| {
        let id = place + 1;
        format!(
            "insert into rule_run values ('live', 'overdue', {id}, {count});
            update run set as_of = date('2027-01-15', '+{place} days') where id = {id};"
        )
    };
    counts.iter().enumerate().map(of_run).collect()
}

#[test]
fn all_that_needs_a_person_in_the_outbox_is_a_reason_about_its_run_or_rule() {
    let told = of_database(
        &[
            message(3, "waiting", "approval", 1),
            message(3, "waiting", "run_guard", 1),
            message(4, "waiting", "stopped", 1),
            message(5, "waiting", "refusals", 1),
            message(5, "refused", "", 1),
            message(6, "unknown", "interrupted", 1),
            message(7, "blocked", "recipient_missing", 7_000),
            message(7, "blocked", "document_missing", 7_000),
            message(6, "exhausted", "", 9_000),
            // What the rule's last run found no longer due, and left as it was.
            message(2, "blocked", "template_error", 2_000),
            message(2, "exhausted", "", 2_500),
            rule_runs(&[1, 1, 1, 1, 1, 1, 1]),
        ]
        .concat(),
    );
    let told: Vec<_> = told.iter().map(|(kind, about, words)| (*kind, about.as_str(), words.as_str())).collect();
    assert_eq!(
        told,
        [
            (ReasonKind::PluginFailed, "overdue", "1 mail of overdue waits blocked, since a document of theirs is missing"),
            (ReasonKind::RunStopped, "4", "1 mail of run 4 waits, since the run was stopped"),
            (ReasonKind::RunStopped, "5", "1 mail of run 5 waits, since too many of the run were refused"),
            (ReasonKind::ApprovalWaits, "3", "2 mails of run 3 wait for a person to let them go"),
            (ReasonKind::BlockedWaits, "overdue", "1 mail of overdue waits blocked until what is missing is there"),
            (ReasonKind::UnknownWaits, "6", "1 mail of run 6 waits for a person to decide"),
            (ReasonKind::RefusedWaits, "5", "1 mail of run 5 waits for a person to decide: refused"),
            (ReasonKind::GaveUp, "overdue", "1 mail of overdue waits for the next run, given up by this one"),
        ]
    );
}

#[test]
fn a_rule_that_usually_sends_and_has_nothing_is_a_reason_until_it_sends_again() {
    let silent = |counts: &[u64]| !of_database(&rule_runs(counts)).is_empty();
    assert!(silent(&[3, 1, 4, 1, 5, 0]));
    assert!(silent(&[3, 1, 4, 1, 5, 0, 0]));
    assert!(!silent(&[3, 1, 4, 1, 5, 0, 2]));
    assert!(silent(&[3, 1, 0, 1, 5, 0]), "one quiet day does not make it unwatched");
    assert!(!silent(&[3, 1, 4, 1, 0]), "too young to have a usual");
    let again = "insert into run (id, as_of, mode, generation, started_at_ms) values (90, '2027-01-19', 'live', 'g', 9);
        insert into rule_run values ('live', 'overdue', 90, 0);";
    assert!(of_database(&(rule_runs(&[3, 1, 4, 1, 5]) + again)).is_empty(), "a second run of the day finds everything done");
    let told = of_database(&rule_runs(&[3, 1, 4, 1, 5, 0]));
    let words = "overdue had no mail on the day of its run of 2027-01-15 08:00:06 UTC; on most days before it had";
    assert_eq!(told, [(ReasonKind::RuleSilent, "overdue".to_owned(), words.to_owned())]);
}

#[test]
fn a_missed_firing_is_a_reason_until_its_rule_runs() {
    let firing = |decided: i64, outcome: &str| {
        let local = format!("2027-01-15T0{decided}:00");
        let run = if outcome == "ran" { "8" } else { "null" };
        format!(
            "insert into firing values ('live', 'overdue', '{local}', 'Europe/Berlin', NOW, '{outcome}', 'skip', {run}, NOW + {decided}000);"
        )
    };
    let told = of_database(&[rule_runs(&[1]), firing(5, "missed")].concat());
    let words = "overdue did not run at 2027-01-15T05:00 (Europe/Berlin): skip";
    assert_eq!(told, [(ReasonKind::FiringMissed, "overdue".to_owned(), words.to_owned())]);
    for over in [firing(6, "ran"), rule_runs(&[1, 1, 1, 1, 1, 1])] {
        assert_eq!(of_database(&[firing(5, "missed"), over].concat()), []);
    }
}

#[test]
fn every_kind_is_read_back_and_has_words_of_its_own() {
    for kind in ReasonKind::ALL {
        assert_eq!(ReasonKind::parse(kind.as_str()), Some(kind));
        let alike = ReasonKind::ALL.into_iter().filter(|other| other.title() == kind.title() || other.advice() == kind.advice());
        assert_eq!(alike.count(), 1, "{kind:?}");
    }
}
