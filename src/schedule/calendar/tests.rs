//! Calendars: which days are closed and why, counting by business days, and calendars that nobody could work by.

use jiff::civil::date;

use super::*;

const WEEKEND: [Weekday; 2] = [Weekday::Saturday, Weekday::Sunday];

fn on(date: Date, name: &str) -> Holiday {
    Holiday { day: HolidayDay::On(date), name: name.into() }
}

fn every(month: i8, day: i8, years: Years, name: &str) -> Holiday {
    Holiday { day: HolidayDay::Every { month, day, years }, name: name.into() }
}

fn easter(offset: i32, name: &str) -> Holiday {
    Holiday { day: HolidayDay::Easter { offset, years: Years::default() }, name: name.into() }
}

fn calendar(holidays: Vec<Holiday>) -> Calendar {
    Calendar::new(&WEEKEND, holidays).unwrap()
}

#[test]
fn a_closed_day_says_why() {
    let games = Years { from: Some(2026), until: Some(2034), step: 4 };
    let calendar = calendar(vec![
        on(date(2027, 5, 6), "Ascension Day"),
        every(12, 25, Years::default(), "Christmas Day"),
        every(2, 29, Years::default(), "Leap Day"),
        every(6, 1, games, "Games"),
        easter(-2, "Good Friday"),
        easter(1, "Easter Monday"),
    ]);
    for (day, expected) in [
        (date(2027, 5, 6), Some("Ascension Day")),
        (date(2028, 5, 4), None),
        (date(2027, 5, 7), None),
        (date(2027, 5, 8), Some("weekend")),
        // A holiday on a weekend is named as the holiday.
        (date(2027, 12, 25), Some("Christmas Day")),
        (date(2028, 2, 29), Some("Leap Day")),
        (date(2026, 6, 1), Some("Games")),
        (date(2027, 6, 1), None),
        (date(2030, 6, 1), Some("Games")),
        (date(2038, 6, 1), None),
        (date(2027, 3, 26), Some("Good Friday")),
        (date(2027, 3, 29), Some("Easter Monday")),
    ] {
        assert_eq!((calendar.why_not(day), calendar.is_business_day(day)), (expected, expected.is_none()), "{day}");
    }
    assert_eq!(calendar.last_dated(), Some(date(2027, 5, 6)));
    assert!(Calendar::default().is_business_day(date(2027, 12, 25)));
}

#[test]
fn easter_falls_where_the_published_tables_say() {
    // Source: the tables of Easter dates of the United States Census Bureau; with the earliest and the latest date possible.
    for (year, month, day) in
        [(1818, 3, 22), (1943, 4, 25), (2000, 4, 23), (2024, 3, 31), (2026, 4, 5), (2027, 3, 28), (2038, 4, 25)]
    {
        assert_eq!(easter_sunday(year), Some(date(year, month, day)));
    }
    assert_eq!(easter_sunday(1582), None);
    assert!((1583..=9999).all(|year| easter_sunday(year).is_some_and(|day| day.weekday() == Weekday::Sunday)));
}

#[test]
fn days_are_counted_over_weekends_holidays_and_years() {
    let calendar =
        calendar(vec![every(12, 25, Years::default(), "Christmas Day"), every(1, 1, Years::default(), "New Year's Day")]);
    for (from, count, to) in [
        (date(2026, 12, 23), 1, date(2026, 12, 24)),
        (date(2026, 12, 24), 1, date(2026, 12, 28)),
        (date(2026, 12, 26), 1, date(2026, 12, 28)),
        (date(2026, 12, 26), 0, date(2026, 12, 26)),
        (date(2026, 12, 28), -1, date(2026, 12, 24)),
        (date(2026, 12, 27), -1, date(2026, 12, 24)),
        (date(2026, 12, 24), 10, date(2027, 1, 11)),
    ] {
        assert_eq!(calendar.add_business_days(from, count), to, "{from} {count}");
        if calendar.is_business_day(from) {
            assert_eq!(calendar.business_days_between(from, to), count, "{from} {to}");
        }
    }
    assert_eq!(calendar.business_day_on_or_before(date(2026, 12, 27)), date(2026, 12, 24));
    assert_eq!(calendar.business_day_on_or_after(date(2026, 12, 25)), date(2026, 12, 28));
    assert_eq!(calendar.business_day_of_month(date(2027, 1, 20), 1), Some(date(2027, 1, 4)));
    assert_eq!(calendar.business_day_of_month(date(2027, 2, 1), 21), None);
    assert_eq!(calendar.business_day_of_month(date(2027, 2, 1), 0), None);
    assert_eq!(calendar.last_business_day_of_month(date(2027, 1, 1)), Some(date(2027, 1, 29)));
}

#[test]
fn counting_stops_after_a_hundred_years_and_at_the_ends_of_the_calendar() {
    let calendar = calendar(vec![]);
    assert!(calendar.add_business_days(date(2027, 1, 1), i32::MAX) < date(2168, 1, 1));
    assert_eq!(Calendar::default().add_business_days(date(9999, 12, 31), 5), date(9999, 12, 31));
    assert_eq!(Calendar::default().business_days_between(Date::MIN, Date::MAX), 36_500);
}

#[test]
fn a_calendar_without_business_days_is_refused() {
    let week = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    let all: Vec<Weekday> = week.into_iter().chain(WEEKEND).collect();
    assert_eq!(Calendar::new(&all, vec![]), Err(CalendarFault::NoWeek));
    assert_eq!(Calendar::new(&[Weekday::Sunday; 7], vec![]).map(|calendar| calendar.is_business_day(date(2027, 3, 1))), Ok(true));
    // 2 to 31 August 2026, with the weekend of the first: 31 days, and one more.
    let august = |last: i8| (3..=last).map(|day| on(date(2026, 8, day), "Closed")).collect::<Vec<_>>();
    assert!(Calendar::new(&WEEKEND, august(31)).is_ok());
    let mut longer = august(31);
    longer.push(on(date(2026, 9, 1), "Closed"));
    assert_eq!(Calendar::new(&WEEKEND, longer), Err(CalendarFault::ClosedTooLong { first: date(2026, 8, 1) }));
    let mut yearly: Vec<Holiday> = (1..=31).map(|day| every(7, day, Years::default(), "Closed")).collect();
    assert!(Calendar::new(&[], yearly.clone()).is_ok());
    yearly.push(every(8, 1, Years::default(), "Closed"));
    assert_eq!(Calendar::new(&[], yearly), Err(CalendarFault::ClosedTooLong { first: date(1970, 7, 1) }));
}
