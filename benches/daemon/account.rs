//! Holding a daemon to account: what its database says against what should have happened.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags};

/// Waits for something, looking ten times a second.
pub fn wait_until(at_most: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < at_most, "waited {} s in vain", at_most.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Returns the first column of a query on a workspace's database.
pub fn query(root: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open_with_flags(root.join("dunlin.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Returns every local time of `zone` whose minute `step` divides, that came between two instants, each once: what a rule
/// `*/step * * * *` must have decided. Walks the minutes, knowing nothing of how firings are computed.
pub fn expected(zone: &str, step: i8, from: Timestamp, until: Timestamp) -> BTreeSet<String> {
    let zone = TimeZone::get(zone).unwrap();
    let mut minute = Timestamp::from_second(from.as_second().div_euclid(60) * 60).unwrap();
    let mut furthest: Option<DateTime> = None;
    let mut times = BTreeSet::new();
    while minute <= until {
        let local = minute.to_zoned(zone.clone()).datetime();
        if furthest.is_none_or(|furthest| local > furthest) {
            if minute > from && local.minute() % step == 0 {
                times.insert(local.strftime("%Y-%m-%dT%H:%M").to_string());
            }
            furthest = Some(local);
        }
        minute += SignedDuration::from_mins(1);
    }
    times
}
