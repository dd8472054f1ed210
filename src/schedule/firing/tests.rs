//! Firings through both clock changes of named zones, with instants written out from the zones' published rules, and
//! against an oracle that walks the minutes.
//!
//! The rules are those of the IANA time zone database: Berlin (rule EU): last Sunday of March and of October, 01:00 UTC.
//! New York (rule US): second Sunday of March and first Sunday of November, 2:00 on the wall. Lord Howe (rule LH): half an
//! hour, first Sunday of October and of April, 2:00 on the wall. Kolkata: +05:30 throughout. Apia: left out 30 December 2011
//! (from −10 to +14), no summer time since 2021 (+13). Beirut (rule Lebanon): last Sunday of March, at midnight.

use std::collections::BTreeSet;

use jiff::civil::{Weekday, date};

use super::*;
use crate::schedule::{Holiday, HolidayDay, TimeZoneName};

fn zone(name: &str) -> TimeZone {
    TimeZoneName::parse(name).unwrap().zone().clone()
}

/// Returns `local instant` of the first firings after `after`, and the notes of all.
fn firings(cron: &str, zone: &TimeZone, days: BusinessDays, calendar: &Calendar, after: &str, count: usize) -> Vec<Firing> {
    let cron = Cron::parse(cron).unwrap();
    let timetable = Timetable { cron: &cron, zone, days, calendar };
    timetable.between(after.parse().unwrap(), Timestamp::MAX, count)
}

fn words(firings: &[Firing]) -> Vec<String> {
    firings.iter().map(|firing| format!("{} {}", firing.local.strftime("%Y-%m-%dT%H:%M"), firing.at.timestamp())).collect()
}

#[test]
fn every_local_time_fires_once_at_the_instant_that_the_zones_rules_give() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // Spring in Berlin: 2:00 to 3:00 does not come. A fixed time, a list, a step, every minute.
        ("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00", &["2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-29T02:30 2027-03-29T00:30:00Z"]),
        ("0 1,2,3 * * *", "Europe/Berlin", "2027-03-28T00:00", &["2027-03-28T01:00 2027-03-28T00:00:00Z", "2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-29T01:00 2027-03-28T23:00:00Z"]),
        ("15,45 2 * * *", "Europe/Berlin", "2027-03-27T12:00", &["2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-29T02:15 2027-03-29T00:15:00Z"]),
        ("*/30 * * * *", "Europe/Berlin", "2027-03-28T01:00", &["2027-03-28T01:30 2027-03-28T00:30:00Z", "2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-28T03:30 2027-03-28T01:30:00Z"]),
        ("* * * * *", "Europe/Berlin", "2027-03-28T01:58", &["2027-03-28T01:59 2027-03-28T00:59:00Z", "2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-28T03:01 2027-03-28T01:01:00Z"]),
        ("30 0-4/2 * * *", "Europe/Berlin", "2027-03-28T00:00", &["2027-03-28T00:30 2027-03-27T23:30:00Z", "2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-28T04:30 2027-03-28T02:30:00Z"]),
        // From within the gap: the firing at its end still lies ahead.
        ("30 2 * * *", "Europe/Berlin", "2027-03-28T02:45", &["2027-03-28T03:00 2027-03-28T01:00:00Z", "2027-03-29T02:30 2027-03-29T00:30:00Z"]),
        // Autumn in Berlin: 2:00 to 3:00 comes twice, the first time counts.
        ("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00", &["2027-10-31T02:30 2027-10-31T00:30:00Z", "2027-11-01T02:30 2027-11-01T01:30:00Z"]),
        ("*/30 * * * *", "Europe/Berlin", "2027-10-31T01:30", &["2027-10-31T02:00 2027-10-31T00:00:00Z", "2027-10-31T02:30 2027-10-31T00:30:00Z", "2027-10-31T03:00 2027-10-31T02:00:00Z"]),
        ("@hourly", "Europe/Berlin", "2027-10-31T01:00", &["2027-10-31T02:00 2027-10-31T00:00:00Z", "2027-10-31T03:00 2027-10-31T02:00:00Z"]),
        ("* * * * *", "Europe/Berlin", "2027-10-31T02:58", &["2027-10-31T02:59 2027-10-31T00:59:00Z", "2027-10-31T03:00 2027-10-31T02:00:00Z"]),
        // New York.
        ("30 2 * * *", "America/New_York", "2027-03-13T12:00", &["2027-03-14T03:00 2027-03-14T07:00:00Z", "2027-03-15T02:30 2027-03-15T06:30:00Z"]),
        ("0 */2 * * *", "America/New_York", "2027-03-14T00:00", &["2027-03-14T03:00 2027-03-14T07:00:00Z", "2027-03-14T04:00 2027-03-14T08:00:00Z"]),
        ("30 1 * * *", "America/New_York", "2027-11-06T12:00", &["2027-11-07T01:30 2027-11-07T05:30:00Z", "2027-11-08T01:30 2027-11-08T06:30:00Z"]),
        ("15 1,2 * * *", "America/New_York", "2027-11-07T00:00", &["2027-11-07T01:15 2027-11-07T05:15:00Z", "2027-11-07T02:15 2027-11-07T07:15:00Z"]),
        ("@daily", "America/New_York", "2027-03-13T12:00", &["2027-03-14T00:00 2027-03-14T05:00:00Z", "2027-03-15T00:00 2027-03-15T04:00:00Z"]),
        // Lord Howe: half an hour.
        ("15 2 * * *", "Australia/Lord_Howe", "2027-10-02T12:00", &["2027-10-03T02:30 2027-10-02T15:30:00Z", "2027-10-04T02:15 2027-10-03T15:15:00Z"]),
        ("30 2 * * *", "Australia/Lord_Howe", "2027-10-02T12:00", &["2027-10-03T02:30 2027-10-02T15:30:00Z", "2027-10-04T02:30 2027-10-03T15:30:00Z"]),
        ("*/10 * * * *", "Australia/Lord_Howe", "2027-10-03T01:40", &["2027-10-03T01:50 2027-10-02T15:20:00Z", "2027-10-03T02:30 2027-10-02T15:30:00Z", "2027-10-03T02:40 2027-10-02T15:40:00Z"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2027-04-03T12:00", &["2027-04-04T01:45 2027-04-03T14:45:00Z", "2027-04-05T01:45 2027-04-04T15:15:00Z"]),
        ("*/15 1,2 * * *", "Australia/Lord_Howe", "2027-04-04T01:15", &["2027-04-04T01:30 2027-04-03T14:30:00Z", "2027-04-04T01:45 2027-04-03T14:45:00Z", "2027-04-04T02:00 2027-04-03T15:30:00Z"]),
        // Kolkata: no change on anybody's days.
        ("30 2 * * *", "Asia/Kolkata", "2027-03-28T00:00", &["2027-03-28T02:30 2027-03-27T21:00:00Z", "2027-03-29T02:30 2027-03-28T21:00:00Z"]),
        ("*/30 2 * * *", "Asia/Kolkata", "2027-10-31T00:00", &["2027-10-31T02:00 2027-10-30T20:30:00Z", "2027-10-31T02:30 2027-10-30T21:00:00Z", "2027-11-01T02:00 2027-10-31T20:30:00Z"]),
        // Samoa: a whole day left out; since 2021 no changes.
        ("0 9 * * *", "Pacific/Apia", "2011-12-28T12:00", &["2011-12-29T09:00 2011-12-29T19:00:00Z", "2011-12-31T00:00 2011-12-30T10:00:00Z", "2011-12-31T09:00 2011-12-30T19:00:00Z"]),
        ("0 * * * *", "Pacific/Apia", "2011-12-29T22:00", &["2011-12-29T23:00 2011-12-30T09:00:00Z", "2011-12-31T00:00 2011-12-30T10:00:00Z", "2011-12-31T01:00 2011-12-30T11:00:00Z"]),
        ("0 9 * * FRI", "Pacific/Apia", "2011-12-24T00:00", &["2011-12-31T00:00 2011-12-30T10:00:00Z", "2012-01-06T09:00 2012-01-05T19:00:00Z"]),
        ("30 3 * * *", "Pacific/Apia", "2027-04-03T12:00", &["2027-04-04T03:30 2027-04-03T14:30:00Z", "2027-04-05T03:30 2027-04-04T14:30:00Z"]),
        ("30 3 * * *", "Pacific/Apia", "2021-04-03T12:00", &["2021-04-04T03:30 2021-04-03T13:30:00Z", "2021-04-05T03:30 2021-04-04T14:30:00Z"]),
        // A gap at midnight.
        ("@daily", "Asia/Beirut", "2027-03-27T12:00", &["2027-03-28T01:00 2027-03-27T22:00:00Z", "2027-03-29T00:00 2027-03-28T21:00:00Z"]),
        // Month ends, a leap day, and the nicknames that are left.
        ("0 9 L * *", "Europe/Berlin", "2028-02-01T00:00", &["2028-02-29T09:00 2028-02-29T08:00:00Z", "2028-03-31T09:00 2028-03-31T07:00:00Z", "2028-04-30T09:00 2028-04-30T07:00:00Z"]),
        ("0 9 29 2 *", "America/New_York", "2027-01-01T00:00", &["2028-02-29T09:00 2028-02-29T14:00:00Z", "2032-02-29T09:00 2032-02-29T14:00:00Z"]),
        ("0 9 31 * *", "Asia/Kolkata", "2027-01-31T09:00", &["2027-03-31T09:00 2027-03-31T03:30:00Z", "2027-05-31T09:00 2027-05-31T03:30:00Z"]),
        ("@weekly", "Europe/Berlin", "2027-03-22T00:00", &["2027-03-28T00:00 2027-03-27T23:00:00Z", "2027-04-04T00:00 2027-04-03T22:00:00Z"]),
        ("@monthly", "America/New_York", "2027-02-28T00:00", &["2027-03-01T00:00 2027-03-01T05:00:00Z", "2027-04-01T00:00 2027-04-01T04:00:00Z"]),
        ("@yearly", "Pacific/Apia", "2027-01-01T00:00", &["2028-01-01T00:00 2027-12-31T11:00:00Z"]),
    ];
    for (cron, name, after, expected) in cases {
        let found = firings(cron, &zone(name), BusinessDays::Any, &Calendar::default(), after, expected.len());
        assert_eq!(words(&found), *expected, "{cron} in {name} after {after}");
    }
}

#[test]
fn a_firing_that_is_not_when_the_expression_says_tells_why() {
    let notes = |cron: &str, name: &str, after: &str| {
        firings(cron, &zone(name), BusinessDays::Any, &Calendar::default(), after, 1).remove(0).notes
    };
    let gap = "02:30 does not exist on this day (clocks go forward)";
    assert_eq!(notes("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00"), [gap]);
    let gap = "02:00 and later times do not exist on this day (clocks go forward)";
    assert_eq!(notes("*/15 * * * *", "Europe/Berlin", "2027-03-28T01:45"), [gap]);
    assert_eq!(
        notes("0 2,3 * * *", "Europe/Berlin", "2027-03-28T01:45"),
        ["02:00 does not exist on this day (clocks go forward)"]
    );
    let fold = "02:30 comes twice on this day (clocks go back): the first time counts";
    assert_eq!(notes("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00"), [fold]);
    assert_eq!(notes("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00"), ["Fri 30 Dec does not exist in this time zone"]);
    assert_eq!(notes("0 9 * * *", "Europe/Berlin", "2027-03-28T00:00"), [""; 0]);
}

#[test]
fn a_daily_rule_fires_once_for_each_day_of_ten_years() {
    for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Beirut", "Pacific/Apia"] {
        for cron in ["30 2 * * *", "30 1,2 * * *"] {
            let cron = Cron::parse(cron).unwrap();
            let zone = zone(name);
            let timetable = Timetable { cron: &cron, zone: &zone, days: BusinessDays::Any, calendar: &Calendar::default() };
            let (mut local, mut days) = (date(2026, 1, 1).at(0, 0, 0, 0), BTreeSet::new());
            while let Some(firing) = timetable.next_after(local).filter(|firing| firing.local.year() < 2036) {
                assert!(firing.local > local);
                local = firing.local;
                days.insert(local.date());
            }
            assert_eq!(days.len(), 3_652, "{name}");
        }
    }
}

#[test]
fn the_end_of_every_gap_of_every_zone_is_found() {
    let (mut gaps, end) = (0, Timestamp::from_second(2_145_916_800).unwrap());
    for name in jiff::tz::TimeZoneDatabase::bundled().available() {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(name.as_str()).unwrap();
        let start = Timestamp::from_second(0).unwrap();
        for change in zone.following(start).take_while(|change| change.timestamp() < end) {
            let at = change.timestamp();
            let before = zone.to_offset(at.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap());
            if before.seconds() >= change.offset().seconds() {
                continue;
            }
            let (first, after_gap) = (before.to_datetime(at), change.offset().to_datetime(at));
            let last = second_before(after_gap).unwrap();
            for local in [first, last] {
                assert_eq!(gap_at(&zone, local), Some(Gap { start: first, end: after_gap, at }), "{name:?} {at}");
            }
            assert_eq!(gap_at(&zone, after_gap), None);
            gaps += 1;
        }
    }
    assert!(gaps > 10_000, "{gaps}");
}

#[test]
fn a_rule_first_seen_in_the_second_pass_of_an_hour_has_nothing_behind_it() {
    let mark = |name: &str, now: &str| past_until(now.parse().unwrap(), &zone(name)).to_string();
    for (name, now, expected) in [
        ("Europe/Berlin", "2027-10-31T00:10:00Z", "2027-10-31T02:10:00"),
        ("Europe/Berlin", "2027-10-31T01:10:00Z", "2027-10-31T02:59:59"),
        ("Europe/Berlin", "2027-10-31T02:00:00Z", "2027-10-31T03:00:00"),
        ("Australia/Lord_Howe", "2027-04-03T15:10:00Z", "2027-04-04T01:59:59"),
        ("Europe/Berlin", "2027-03-28T01:00:00Z", "2027-03-28T03:00:00"),
        ("Asia/Kolkata", "2027-03-28T01:00:00Z", "2027-03-28T06:30:00"),
    ] {
        assert_eq!(mark(name, now), expected, "{name} {now}");
    }
}

/// Returns whether `local` fits the minute and hour fields, read apart from any cron crate.
fn fits(fields: &str, local: DateTime) -> bool {
    let field = |text: &str, value: i8| {
        text.split(',').any(|item| {
            let (range, step) = item.split_once('/').map_or((item, 1), |(range, step)| (range, step.parse().unwrap()));
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (0, 59),
                Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            (first..=last).contains(&value) && (value - first) % step == 0
        })
    };
    let mut words = fields.split(' ');
    field(words.next().unwrap(), local.minute()) && field(words.next().unwrap(), local.hour())
}

/// Walks the minutes from `start` to `end`: a local time that has not been seen fires when it fits, and so does the first
/// after times that were passed over and fit.
fn walked(fields: &str, zone: &TimeZone, start: Timestamp, end: Timestamp) -> Vec<(DateTime, Timestamp)> {
    let minute = jiff::SignedDuration::from_mins(1);
    let (mut now, mut seen, mut fired) = (start, zone.to_datetime(start), vec![]);
    while now < end {
        now += minute;
        let local = zone.to_datetime(now);
        if local <= seen {
            continue;
        }
        let mut fires = false;
        while seen < local {
            seen = seen.checked_add(minute).unwrap();
            fires |= fits(fields, seen);
        }
        if fires {
            fired.push((local, now));
        }
    }
    fired
}

/// Days on which the clocks of a zone change, and the day before.
const CHANGES: [(&str, &str); 10] = [
    ("Europe/Berlin", "2027-03-27T05:00:00Z"),
    ("Europe/Berlin", "2027-10-30T05:00:00Z"),
    ("America/New_York", "2027-03-13T12:00:00Z"),
    ("America/New_York", "2027-11-06T12:00:00Z"),
    ("Australia/Lord_Howe", "2027-10-02T00:00:00Z"),
    ("Australia/Lord_Howe", "2027-04-03T00:00:00Z"),
    ("Asia/Kolkata", "2027-03-27T05:00:00Z"),
    ("Pacific/Apia", "2011-12-29T05:00:00Z"),
    ("Asia/Beirut", "2027-03-27T05:00:00Z"),
    ("America/Havana", "2027-11-06T12:00:00Z"),
];

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

    #[test]
    fn firings_are_those_that_walking_the_minutes_finds(
        minute in proptest::sample::select(vec!["*", "*/15", "*/7", "0", "30", "59", "5,35", "10-20", "0-58/2"]),
        hour in proptest::sample::select(vec!["*", "*/2", "2", "1", "0", "23", "1,2,3", "0-4", "1-3/2", "9"]),
        change in 0..CHANGES.len(),
        shift in 0i64..2_880,
    ) {
        let (name, start) = CHANGES[change];
        let zone = zone(name);
        let start: Timestamp = start.parse().unwrap();
        let start = start + jiff::SignedDuration::from_mins(shift);
        let end = start + jiff::SignedDuration::from_hours(60);
        let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
        let timetable = Timetable { cron: &cron, zone: &zone, days: BusinessDays::Any, calendar: &Calendar::default() };
        let (mut found, mut local) = (vec![], past_until(start, &zone));
        while let Some(firing) = timetable.next_after(local).filter(|firing| firing.at.timestamp() <= end) {
            proptest::prop_assert!(firing.local > local, "{} again", local);
            local = firing.local;
            proptest::prop_assert_eq!(firing.at.datetime(), local);
            found.push((local, firing.at.timestamp()));
        }
        // The walk starts from a first pass, the marks from any instant: what the walk saw before `start` is past.
        let before = start - jiff::SignedDuration::from_hours(30);
        let expected: Vec<_> =
            walked(&format!("{minute} {hour}"), &zone, before, end).into_iter().filter(|(_, at)| *at > start).collect();
        proptest::prop_assert_eq!(found, expected);
    }

    #[test]
    fn shifted_firings_are_those_that_moving_each_by_hand_gives(
        cron in proptest::sample::select(vec![
            "0 9 * * *", "0 9,17 * * *", "30 7 1,15 * *", "0 8 * * SAT", "15 6 L * *", "0 9 * * MON-FRI", "0 */6 25,26 12 *",
        ]),
        days in proptest::sample::select(vec![
            BusinessDays::Shift(Shift::Before), BusinessDays::Shift(Shift::After), BusinessDays::Shift(Shift::Skip),
            BusinessDays::On(DayOfMonth::LastBusinessDay), BusinessDays::On(DayOfMonth::parse("first business day").unwrap()),
            BusinessDays::On(DayOfMonth::parse("21st business day").unwrap()),
        ]),
        start in 0i32..800,
        minute in 0i64..1_440,
    ) {
        let (calendar, cron) = (german(), Cron::parse(cron).unwrap());
        let after = shifted(date(2026, 1, 1), start).at(0, 0, 0, 0) + jiff::SignedDuration::from_mins(minute);
        let last = shifted(after.date(), 120);
        let (mut raw, mut expected) = (shifted(after.date(), -40).at(0, 0, 0, 0), BTreeSet::new());
        while raw.date() < shifted(last, 40) {
            raw = cron.next_after(raw).unwrap();
            let date = raw.date();
            let moved = match days {
                BusinessDays::Shift(Shift::Before) => Some(calendar.business_day_on_or_before(date)),
                BusinessDays::Shift(Shift::After) => Some(calendar.business_day_on_or_after(date)),
                BusinessDays::On(DayOfMonth::LastBusinessDay) => calendar.last_business_day_of_month(date).filter(|day| *day == date),
                BusinessDays::On(DayOfMonth::BusinessDay(nth)) => {
                    calendar.business_day_of_month(date, nth.get()).filter(|day| *day == date)
                }
                BusinessDays::Any | BusinessDays::Shift(Shift::Skip) => calendar.is_business_day(date).then_some(date),
            };
            expected.extend(moved.map(|day| day.to_datetime(raw.time())));
        }
        let expected: Vec<DateTime> = expected.into_iter().filter(|local| *local > after && local.date() <= last).collect();
        let timetable = Timetable { cron: &cron, zone: &TimeZone::UTC, days, calendar: &calendar };
        let (mut found, mut local) = (vec![], after);
        while let Some(firing) = timetable.next_after(local).filter(|firing| firing.local.date() <= last) {
            proptest::prop_assert!(firing.local > local, "{} again", local);
            local = firing.local;
            found.push(local);
        }
        proptest::prop_assert_eq!(found, expected);
    }
}

/// Returns weekends and some holidays, two of them beside a weekend.
fn german() -> Calendar {
    let yearly =
        |month, day, name: &str| Holiday { day: HolidayDay::Every { month, day, years: Default::default() }, name: name.into() };
    let easter =
        |offset, name: &str| Holiday { day: HolidayDay::Easter { offset, years: Default::default() }, name: name.into() };
    let holidays = vec![
        yearly(1, 1, "New Year's Day"),
        easter(-2, "Good Friday"),
        easter(1, "Easter Monday"),
        yearly(12, 25, "Christmas Day"),
        yearly(12, 26, "Boxing Day"),
    ];
    Calendar::new(&[Weekday::Saturday, Weekday::Sunday], holidays).unwrap()
}

#[test]
fn a_firing_on_a_closed_day_moves_and_says_from_where() {
    let shift = |shift, cron: &str, after: &str, count: usize| -> Vec<String> {
        let found = firings(cron, &zone("Europe/Berlin"), BusinessDays::Shift(shift), &german(), after, count);
        found.iter().map(|firing| format!("{} {}", firing.local, firing.notes.join("; "))).collect()
    };
    // 25 December 2026 is a Friday, 26 a Saturday: the next business day is Monday, 28.
    assert_eq!(
        shift(Shift::After, "0 9 24-26 12 *", "2026-12-01T00:00", 3),
        ["2026-12-24T09:00:00 ", "2026-12-28T09:00:00 Sat 26 Dec is Boxing Day: moved to Mon 28 Dec", "2027-12-24T09:00:00 "]
    );
    assert_eq!(
        shift(Shift::Before, "0 9 27 12 *", "2026-12-01T00:00", 1),
        ["2026-12-24T09:00:00 Sun 27 Dec is weekend: moved to Thu 24 Dec"]
    );
    assert_eq!(
        shift(Shift::After, "0 9 1 * *", "2026-07-31T00:00", 1),
        ["2026-08-03T09:00:00 Sat 1 Aug is weekend: moved to Mon 3 Aug"]
    );
    // One that lands on a day with a firing of its own at that time is that firing.
    assert_eq!(
        shift(Shift::After, "0 9 * * *", "2026-08-07T00:00", 3),
        ["2026-08-07T09:00:00 ", "2026-08-10T09:00:00 ", "2026-08-11T09:00:00 "]
    );
    assert_eq!(shift(Shift::Skip, "0 9 25 12 *", "2026-01-01T00:00", 1), [""; 0]);
    // Clocks and calendar together: Sunday's 2:30 does not exist, but it is moved to Monday first.
    assert_eq!(
        shift(Shift::After, "30 2 28 3 *", "2027-03-27T00:00", 1),
        ["2027-03-30T02:30:00 Sun 28 Mar is weekend: moved to Tue 30 Mar"]
    );
}

#[test]
fn the_business_days_of_a_month_are_found_and_a_month_without_so_many_has_none() {
    let on = |day: &str, after: &str, count: usize| -> Vec<String> {
        let days = BusinessDays::On(DayOfMonth::parse(day).unwrap());
        let found = firings("0 7 * * *", &zone("Europe/Berlin"), days, &german(), after, count);
        found.iter().map(|firing| firing.local.date().to_string()).collect()
    };
    assert_eq!(on("first business day", "2026-12-31T00:00", 4), ["2027-01-04", "2027-02-01", "2027-03-01", "2027-04-01"]);
    assert_eq!(on("last business day", "2027-01-01T00:00", 4), ["2027-01-29", "2027-02-26", "2027-03-31", "2027-04-30"]);
    assert_eq!(on("3rd business day", "2027-01-01T00:00", 2), ["2027-01-06", "2027-02-03"]);
    assert_eq!(on("23rd business day", "2027-01-01T00:00", 2), ["2027-12-31", "2028-03-31"]);
}

#[test]
fn between_keeps_to_both_ends_and_to_its_limit() {
    let cron = Cron::parse("0 * * * *").unwrap();
    let zone = zone("Europe/Berlin");
    let timetable = Timetable { cron: &cron, zone: &zone, days: BusinessDays::Any, calendar: &Calendar::default() };
    let after = "2027-10-31T00:00".parse().unwrap();
    let until = |text: &str| text.parse::<Timestamp>().unwrap();
    let count = |end: &str, limit: usize| timetable.between(after, until(end), limit).len();
    // 1:00 and 2:00 have fired; the second 2:00 is none.
    assert_eq!((count("2027-10-31T00:00:00Z", 9), count("2027-10-31T01:59:59Z", 9), count("2027-10-31T02:00:00Z", 9)), (2, 2, 3));
    assert_eq!((count("2037-10-31T00:00:00Z", 9), count("2037-10-31T00:00:00Z", usize::MAX)), (9, FIRINGS_MAX));
}

#[test]
fn a_search_that_finds_nothing_ends() {
    let never = |cron: &str, days: BusinessDays| firings(cron, &zone("UTC"), days, &german(), "2027-01-01T00:00", 1);
    for (cron, days) in [
        ("0 9 25 12 *", BusinessDays::Shift(Shift::Skip)),
        ("0 9 * * SUN", BusinessDays::Shift(Shift::Skip)),
        ("0 9 1 1 *", BusinessDays::On(DayOfMonth::LastBusinessDay)),
        ("0 9 29 2 +MON", BusinessDays::On(DayOfMonth::parse("first business day").unwrap())),
    ] {
        assert_eq!(never(cron, days), [], "{cron}");
    }
}
