//! An hour in the life of the daemon, in which everything around it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};

use crate::account::{expected, query, wait_until};
use crate::child::Daemonic;
use crate::sink::Sink;
use crate::workspace::{Cost, Workspace};

const CUSTOMERS: usize = 50;
/// The rules: id, minutes between two firings, zone.
const RULES: [(&str, i8, &str); 3] =
    [("every-minute", 1, "Europe/Berlin"), ("statement", 5, "Australia/Lord_Howe"), ("receipt", 2, "America/New_York")];

fn rule(id: &str, note: &str) -> String {
    let (_, step, zone) = RULES.iter().find(|rule| rule.0 == id).unwrap();
    let schedule = format!("schedule: {{ cron: \"*/{step} * * * *\", time_zone: {zone}, missed: latest }}");
    let schedule = schedule.replace("*/1 ", "* ");
    let ends = "from: ar\nto: [billing]\n";
    match id {
        "every-minute" => Workspace::reminder(id, "* * * * *", zone, note),
        "statement" => format!(
            "id: {id}\nkind: statement\ndescription: {note}\n{schedule}\nwhere: customer.balance != 0\nperiod: month to date\ntemplate: statement\n{ends}"
        ),
        _ => format!(
            "id: {id}\nkind: notice\ndescription: {note}\n{schedule}\nfor_each: payment\nwhere: payment.amount > 0\ntemplate: receipt\n{ends}"
        ),
    }
}

/// What is done to the daemon, one thing after the other, again and again.
const DEEDS: [&str; 18] = [
    "nothing",
    "edit a rule",
    "more invoices and payments",
    "break a rule",
    "mend it",
    "server goes away",
    "more invoices and payments",
    "server comes back",
    "delete a rule",
    "restore it",
    "twenty saves",
    "break the config",
    "mend it",
    "move rules/ away and back",
    "set the clock back 90 s",
    "a ledger that cannot be read",
    "a ledger that can",
    "more invoices and payments",
];

pub fn soak(minutes: u64) {
    // Lord Howe goes forward by half an hour on 3 October 2027 at 2:00 (15:30 UTC the day before), Berlin goes back on 31 October at
    // 3:00 (1:00 UTC), New York on 7 November at 2:00 (6:00 UTC).
    let changes: [Timestamp; 3] =
        ["2027-10-02T15:30:00Z", "2027-10-31T01:00:00Z", "2027-11-07T06:00:00Z"].map(|instant| instant.parse().unwrap());
    let mut sink = Sink::start();
    let today = date(2027, 10, 2);
    let workspace = Workspace::new(sink.port, CUSTOMERS, today);
    for (id, ..) in RULES {
        workspace.write(&format!("rules/{id}.yaml"), &rule(id, "At first."));
    }
    let began_at = changes[0] - SignedDuration::from_mins(3);
    let put_on = began_at.duration_since(Timestamp::now()).as_secs();
    let log = std::env::temp_dir().join("dunlin-soak.log");
    let mut daemon = Daemonic::start(workspace.path(), put_on, &log);
    let marks: BTreeMap<String, String> = query(workspace.path(), "select rule_id || ' ' || decided_until from rule_schedule")
        .iter()
        .map(|row| row.split_once(' ').map(|(id, until)| (id.to_owned(), until.to_owned())).unwrap())
        .collect();
    println!("daemon {} at {}; log {}; marks {marks:?}", daemon.id(), daemon.address, log.display());
    println!("minute  daemon's clock        resident MiB  own MiB  files  mails  deed");

    let (began, mut turn, mut each, mut payments) =
        (Instant::now(), 0, 1, String::from("customer,invoice,amount,received_on,reference\n"));
    let mut costs = Vec::new();
    let span = Duration::from_secs(minutes * 60);
    let mut next_change = 1;
    while began.elapsed() < span {
        // Over the changes of the year: a third of the time around each.
        if next_change < changes.len() && began.elapsed() > span * next_change as u32 / 3 {
            daemon.put_clock(changes[next_change] - SignedDuration::from_mins(3));
            next_change += 1;
        }
        let deed = DEEDS[turn % DEEDS.len()];
        turn += 1;
        let now = daemon.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        match deed {
            "edit a rule" => {
                workspace.write("rules/every-minute.yaml", &rule("every-minute", &format!("Edited in turn {turn}.")))
            }
            "more invoices and payments" => {
                each += 1;
                payments += &format!("C00001,,1.00,{now},turn {turn}\nC00002,INV-00002-1,0.10,{now},turn {turn}\n");
                workspace.write("invoices.csv", &Workspace::invoices(CUSTOMERS, each, today));
                workspace.write("payments.csv", &payments);
            }
            "break a rule" => workspace.write("rules/every-minute.yaml", "id: every-minute\nkind: remnider\n"),
            "mend it" => {
                workspace.write("rules/every-minute.yaml", &rule("every-minute", &format!("Mended in turn {turn}.")));
                workspace.write("config.yaml", &Workspace::config(sink.port));
            }
            "server goes away" => sink.go(),
            "server comes back" => sink.come(),
            "delete a rule" => fs::remove_file(workspace.path().join("rules/statement.yaml")).unwrap(),
            "restore it" => workspace.write("rules/statement.yaml", &rule("statement", &format!("Restored in turn {turn}."))),
            "twenty saves" => {
                for save in 0..20 {
                    workspace.write("rules/receipt.yaml", &rule("receipt", &format!("Save {save} of turn {turn}.")));
                    sleep(Duration::from_millis(200));
                }
            }
            "break the config" => workspace.write("config.yaml", "instance: [\n"),
            "move rules/ away and back" => {
                let (here, there) = (workspace.path().join("rules"), workspace.path().join("rules-away"));
                fs::rename(&here, &there).unwrap();
                sleep(Duration::from_secs(2));
                fs::rename(&there, &here).unwrap();
            }
            "set the clock back 90 s" => {
                let back = daemon.now() - SignedDuration::from_secs(90);
                daemon.put_clock(back);
            }
            "a ledger that cannot be read" => workspace.write("payments.csv", "customer,amount\n\"C00001,1.00\n"),
            "a ledger that can" => workspace.write("payments.csv", &payments),
            _ => {}
        }
        sleep(Duration::from_secs(20));
        let cost = Cost::of(daemon.id());
        costs.push(cost);
        println!(
            "{:>6}  {}  {:>12.1}  {:>7.1}  {:>5}  {:>5}  {deed}",
            began.elapsed().as_secs() / 60,
            daemon.now().strftime("%Y-%m-%d %H:%M:%S"),
            cost.resident_kib as f64 / 1024.0,
            cost.anonymous_kib as f64 / 1024.0,
            cost.open_files,
            sink.taken().len(),
        );
    }

    // Everything right again, and time for what is left.
    workspace.write("config.yaml", &Workspace::config(sink.port));
    workspace.write("payments.csv", &payments);
    for (id, ..) in RULES {
        workspace.write(&format!("rules/{id}.yaml"), &rule(id, "At last."));
    }
    if DEEDS[..turn % DEEDS.len()].iter().rfind(|deed| deed.starts_with("server")).is_some_and(|deed| *deed == "server goes away")
    {
        sink.come();
    }
    sleep(Duration::from_secs(200));
    wait_until(Duration::from_secs(900), || {
        query(workspace.path(), "select cast(count(*) as text) from message where state in ('queued', 'sending')") == ["0"]
    });
    let ended_at = daemon.now();
    daemon.stop();

    let mut is_right = true;
    for (id, step, zone) in RULES {
        let zone_of = jiff::tz::TimeZone::get(zone).unwrap();
        let mark: jiff::civil::DateTime = jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M", &marks[id]).unwrap();
        let from = mark.to_zoned(zone_of).unwrap().timestamp();
        let decided =
            query(workspace.path(), &format!("select local_time from firing where rule_id = '{id}' order by local_time"));
        let set: BTreeSet<String> = decided.iter().cloned().collect();
        let wanted = expected(zone, step, from, ended_at);
        let missing: Vec<&String> = wanted.difference(&set).collect();
        let surplus: Vec<&String> = set.difference(&wanted).collect();
        let by_outcome = query(
            workspace.path(),
            &format!(
                "select outcome || ' ' || coalesce(reason, '') || ' ' || count(*) from firing where rule_id = '{id}' group by outcome, reason"
            ),
        );
        println!("{id}: {} firings expected, {} decided ({})", wanted.len(), decided.len(), by_outcome.join(", "));
        // The very last minute may have been under way when the daemon was stopped.
        if missing.iter().any(|time| Some(*time) != wanted.last()) || !surplus.is_empty() {
            println!("  missing: {missing:?}\n  surplus: {surplus:?}");
            is_right = false;
        }
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for id in sink.taken() {
        *seen.entry(id).or_default() += 1;
    }
    let twice = seen.values().filter(|count| **count > 1).count();
    let states = query(workspace.path(), "select kind || ' ' || state || ' ' || count(*) from message group by kind, state");
    let accepted: usize =
        query(workspace.path(), "select cast(count(*) as text) from message where state = 'accepted'")[0].parse().unwrap();
    println!("outbox: {}", states.join(", "));
    println!("the server has {} different mails, {twice} of them twice; {accepted} are accepted", seen.len());
    is_right &= twice == 0 && seen.len() >= accepted;
    let part = costs.len() / 4;
    let mean = |costs: &[Cost]| costs.iter().map(|cost| cost.anonymous_kib).sum::<u64>() / costs.len().max(1) as u64;
    println!(
        "own memory: {} KiB in the first quarter after the start, {} KiB in the last; open files {} and {}",
        mean(&costs[part.min(2)..part.max(3)]),
        mean(&costs[costs.len() - part.max(1)..]),
        costs[2].open_files,
        costs[costs.len() - 1].open_files
    );
    println!("{}", if is_right { "every firing is accounted for once, every mail came once" } else { "NOT RIGHT" });
    assert!(is_right);
}
