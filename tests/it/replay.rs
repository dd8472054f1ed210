//! Days that really come, replayed with a clock of the test's own: summer time in both directions, two weeks without a daemon, a
//! clock set back by an hour.

use dunlin::domain::date::Timestamp;

use crate::daemon::{Running, Set, arrivals, at_nine, come, firings, rows};
use crate::server::{Server, reply};
use crate::workspace::counts;

/// The night of one change of the clocks.
struct Night {
    zone: &'static str,
    /// Where the replay begins, and how many steps of ten minutes it has.
    from: &'static str,
    steps: i64,
    cron: &'static str,
    /// The firings that are due, each with its instant.
    due: &'static [(&'static str, &'static str)],
}

const NIGHTS: [Night; 6] = [
    // 2:00 to 3:00 does not come.
    Night {
        zone: "Europe/Berlin",
        from: "2026-03-29T00:05:00Z",
        steps: 9,
        cron: "*/30 * * * *",
        due: &[
            ("2026-03-29T01:30", "2026-03-29T00:30:00Z"),
            ("2026-03-29T03:00", "2026-03-29T01:00:00Z"),
            ("2026-03-29T03:30", "2026-03-29T01:30:00Z"),
        ],
    },
    // 2:00 to 3:00 comes twice.
    Night {
        zone: "Europe/Berlin",
        from: "2026-10-24T23:55:00Z",
        steps: 14,
        cron: "*/30 * * * *",
        due: &[
            ("2026-10-25T02:00", "2026-10-25T00:00:00Z"),
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("2026-10-25T03:00", "2026-10-25T02:00:00Z"),
        ],
    },
    Night {
        zone: "America/New_York",
        from: "2026-03-08T06:05:00Z",
        steps: 9,
        cron: "30 1,2,3 * * *",
        due: &[
            ("2026-03-08T01:30", "2026-03-08T06:30:00Z"),
            ("2026-03-08T03:00", "2026-03-08T07:00:00Z"),
            ("2026-03-08T03:30", "2026-03-08T07:30:00Z"),
        ],
    },
    Night {
        zone: "America/New_York",
        from: "2026-11-01T04:55:00Z",
        steps: 15,
        cron: "0,30 1,2 * * *",
        due: &[
            ("2026-11-01T01:00", "2026-11-01T05:00:00Z"),
            ("2026-11-01T01:30", "2026-11-01T05:30:00Z"),
            ("2026-11-01T02:00", "2026-11-01T07:00:00Z"),
        ],
    },
    // Half an hour: 2:00 to 2:30 does not come.
    Night {
        zone: "Australia/Lord_Howe",
        from: "2026-10-03T15:05:00Z",
        steps: 6,
        cron: "*/15 * * * *",
        due: &[
            ("2026-10-04T01:45", "2026-10-03T15:15:00Z"),
            ("2026-10-04T02:30", "2026-10-03T15:30:00Z"),
            ("2026-10-04T02:45", "2026-10-03T15:45:00Z"),
            ("2026-10-04T03:00", "2026-10-03T16:00:00Z"),
        ],
    },
    // 1:30 to 2:00 comes twice.
    Night {
        zone: "Australia/Lord_Howe",
        from: "2026-04-04T14:25:00Z",
        steps: 7,
        cron: "*/15 * * * *",
        due: &[
            ("2026-04-05T01:30", "2026-04-04T14:30:00Z"),
            ("2026-04-05T01:45", "2026-04-04T14:45:00Z"),
            ("2026-04-05T02:00", "2026-04-04T15:30:00Z"),
        ],
    },
];

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_change_of_the_clocks_every_local_time_fires_once_restarts_included() {
    for night in &NIGHTS {
        let server = Server::willing();
        let workspace = at_nine(server.port, 1);
        let schedule = format!("cron: \"{}\", time_zone: {}, missed: all", night.cron, night.zone);
        workspace.edit("rules/overdue.yaml", "cron: \"0 9 * * *\"", &schedule);
        // Due since March in every one of the nights.
        workspace.edit("invoices.csv", "2026-02-01,2026-03-02", "2026-01-02,2026-02-01");
        let mut daemon = Running::start(&workspace, Set::at(night.from)).await;
        for step in 1..=night.steps {
            let now = instant(night.from) + jiff::SignedDuration::from_mins(10 * step);
            daemon.clock_to(&now.to_string()).await;
            let due = night.due.iter().filter(|(_, at)| instant(at) <= now).count();
            come(|| firings(&workspace).len() >= due).await;
            if step % 2 == 0 {
                daemon.stop().await;
                daemon = Running::start(&workspace, Set::at(&now.to_string())).await;
            }
        }
        arrivals(&server, 1);
        daemon.stop().await;
        let expected: Vec<String> = night.due.iter().map(|(local, _)| format!("{local} ran ")).collect();
        assert_eq!(firings(&workspace), expected, "{} from {}", night.zone, night.from);
        assert_eq!(server.taken().len(), 1, "{}: one reminder, however often the rule fires", night.zone);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_two_weeks_without_a_daemon_nobody_gets_what_was_due_then() {
    // Customer 2 is put off, so that its mail is still queued when the daemon goes.
    let reluctant = Server::start(|address| address.starts_with("ap2@").then(|| reply(451, "4.7.1 greylisted")));
    let workspace = at_nine(reluctant.port, 4);
    let (first, second) =
        ("id: first, when: 7 days after due, template: note }\n", "id: second, when: 20 days after due, template: note }\n");
    workspace.edit("rules/overdue.yaml", first, &format!("{first}  - {{ {second}"));
    let invoices = workspace.read("invoices.csv");
    // Customer 4 falls due in the middle of the two weeks.
    workspace.write("invoices.csv", &invoices.replace("C0004,2026-02-01,2026-03-02", "C0004,2026-02-20,2026-03-15"));
    let daemon = Running::start(&workspace, Set::at("2026-03-20T07:59:50Z")).await;
    daemon.clock_to("2026-03-20T08:00:01Z").await;
    arrivals(&reluctant, 2);
    come(|| {
        rows(&workspace, "select customer_id from attempt join message on message.id = message_id").contains(&"C0002".into())
    })
    .await;
    daemon.stop().await;
    let stood = rows(&workspace, "select customer_id || ' ' || level_id || ' ' || state from message order by customer_id");
    assert_eq!(stood, ["C0001 first accepted", "C0002 first queued", "C0003 first accepted"]);

    // Two weeks later, summer time begun meanwhile: customer 3 has paid, the others have gone on.
    workspace.edit("invoices.csv", ",3.50,\n", ",3.50,2026-03-25\n");
    let server = Server::willing();
    workspace.edit("config.yaml", &format!("port: {}", reluctant.port), &format!("port: {}", server.port));
    let daemon = Running::start(&workspace, Set::at("2026-04-03T05:00:00Z")).await;
    arrivals(&server, 3);
    daemon.stop().await;

    // All are on record: six a week old or more, six that a later one made up for, and that one, for the day it is.
    let decided = firings(&workspace);
    let ending = |words: &str| decided.iter().filter(|firing| firing.ends_with(words)).count();
    assert_eq!((decided.len(), ending("missed too_old"), ending("missed superseded")), (14, 6, 6), "{decided:?}");
    assert_eq!(decided.last().unwrap(), "2026-04-02T09:00 ran ");
    let stands = rows(
        &workspace,
        "select customer_id || ' ' || level_id || ' ' || state || ' ' || as_of from message order by customer_id, id",
    );
    let expected = [
        "C0001 first accepted 2026-03-20",
        "C0001 second accepted 2026-04-03",
        // It never left and is given up; the mail that goes instead is the one of the item's age.
        "C0002 first exhausted 2026-03-20",
        "C0002 second accepted 2026-04-03",
        "C0003 first accepted 2026-03-20",
        "C0004 first accepted 2026-04-03",
    ];
    assert_eq!(stands, expected);
    assert_eq!(server.taken().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_by_an_hour_neither_repeats_nor_strands_a_mail() {
    let reluctant = Server::start(|address| address.starts_with("ap2@").then(|| reply(451, "4.7.1 greylisted")));
    let workspace = at_nine(reluctant.port, 2);
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:59:50Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    arrivals(&reluctant, 1);
    let attempts =
        "select customer_id || ' ' || outcome from attempt join message on message.id = message_id order by attempt.id";
    come(|| rows(&workspace, attempts).len() >= 2).await;
    // An hour back, and through nine o'clock a second time, with a restart on the way.
    daemon.clock_to("2026-03-10T07:00:05Z").await;
    daemon.clock_to("2026-03-10T07:40:00Z").await;
    daemon.stop().await;
    let daemon = Running::start(&workspace, Set::at("2026-03-10T07:40:10Z")).await;
    daemon.clock_to("2026-03-10T08:00:01Z").await;
    daemon.clock_to("2026-03-10T08:01:00Z").await;
    daemon.stop().await;
    assert_eq!(firings(&workspace), ["2026-03-10T09:00 ran "]);
    // What was put off goes when its time has come by the clock as it is now.
    let server = Server::willing();
    workspace.edit("config.yaml", &format!("port: {}", reluctant.port), &format!("port: {}", server.port));
    let daemon = Running::start(&workspace, Set::at("2026-03-10T08:20:00Z")).await;
    arrivals(&server, 1);
    daemon.stop().await;
    assert_eq!(reluctant.taken().len() + server.taken().len(), 2);
    let states = rows(&workspace, "select customer_id || ' ' || state from message order by customer_id");
    assert_eq!(states, ["C0001 accepted", "C0002 accepted"]);
    assert_eq!(counts(&workspace.run()), "");
}

/// So that the nights above are those of the zones' own rules and not of a mistake made twice.
#[test]
fn the_nights_are_those_on_which_the_clocks_change() {
    for night in &NIGHTS {
        let zone = jiff::tz::TimeZone::get(night.zone).unwrap();
        let end = instant(night.from) + jiff::SignedDuration::from_mins(10 * night.steps);
        assert_ne!(zone.to_offset(instant(night.from)), zone.to_offset(end), "{} {}", night.zone, night.from);
        for (local, at) in night.due {
            assert_eq!(instant(at).to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string(), *local, "{}", night.zone);
        }
    }
}
