//! Calendar files: what is read, every fault with its place, and the files that are shipped.

use jiff::civil::date as day;

use crate::config::calendar::keys::CALENDAR;
use crate::schema::form::value_schema;

use super::*;

fn settings() -> CalendarSettings {
    let place = Place::within("config.yaml", "calendar: {}\n", 1, 11, 2);
    CalendarSettings { weekend: vec![Weekday::Saturday, Weekday::Sunday], holidays: vec![], place }
}

fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.into(), text: text.to_owned() }
}

fn problems(path: &str, text: &str) -> Vec<String> {
    settings().read(&[file(path, text)]).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn files_of_both_forms_join_to_one_calendar() {
    let yaml = "name: Ours\nholidays:\n  - { date: 2027-05-14, name: Bridge }\n  - { every: 12-25, name: Christmas Day, from: 2027, until: 2028 }\n  - { easter: 1, name: Easter Monday }\n";
    let ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20270611\nSUMMARY:Outing\nEND:VEVENT\nEND:VCALENDAR\n";
    let read = settings().read(&[file("calendars/a.yaml", yaml), file("calendars/b.ics", ics)]).unwrap();
    let why = |date| read.calendar.why_not(date).unwrap_or("open").to_owned();
    assert_eq!(
        [day(2027, 5, 14), day(2028, 12, 25), day(2029, 12, 25), day(2027, 3, 29), day(2027, 6, 11), day(2027, 6, 12)].map(why),
        ["Bridge", "Christmas Day", "open", "Easter Monday", "Outing", "weekend"]
    );
    // Only the second holds single dates alone.
    assert_eq!(read.last_dates, [("calendars/b.ics".into(), day(2027, 6, 11))]);
}

#[test]
fn all_problems_of_a_file_come_at_once_with_their_places() {
    let text = "nmae: x\nholidays:\n  - { date: 2027-02-29, name: A }\n  - { every: 02-30, name: B }\n  - { easter: 999, name: C }\n  - { name: D }\n  - { date: 2027-01-01, every: 01-01, name: E }\n  - { date: 2027-01-01, name: F, from: 2020 }\n  - { every: 01-01, name: G, from: 2030, until: 2029 }\n  - { every: 12-25 }\n  - { every: 1-1, name: \"\" }\n";
    let forms = "`date: 2027-05-06` once, `every: 12-25` each year, `easter: 1` the day after Easter Sunday";
    assert_eq!(
        problems("calendars/a.yaml", text),
        [
            "calendars/a.yaml:1:1: Unknown field `nmae`; did you mean `name`?".to_owned(),
            "calendars/a.yaml:3:13: `2027-02-29` is not a date; write year, month and day: 2027-05-06".to_owned(),
            "calendars/a.yaml:4:14: `02-30` is not a day of the year; write month and day: 12-25".to_owned(),
            "calendars/a.yaml:5:15: `999` is not a number of days from Easter; \
             write the days from Easter Sunday: -2 is Good Friday, 1 Easter Monday"
                .to_owned(),
            format!("calendars/a.yaml:6:5: A holiday has one of `date`, `every` and `easter`; {forms}"),
            format!("calendars/a.yaml:7:5: A holiday has one of `date`, `every` and `easter`; {forms}"),
            "calendars/a.yaml:8:34: `from` says nothing of a single date; remove it".to_owned(),
            "calendars/a.yaml:9:42: `until: 2029` lies before `from: 2030`; swap the two".to_owned(),
            "calendars/a.yaml:10:5: A holiday needs `name`; add `name: …`".to_owned(),
            "calendars/a.yaml:11:14: `1-1` is not a day of the year; write month and day: 12-25".to_owned(),
            "calendars/a.yaml:11:25: The name of a holiday is empty, too long or of several lines; write it in one line"
                .to_owned(),
        ]
    );
    let ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20270611T090000\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(
        problems("calendars/b.ics", ics),
        [
            "calendars/b.ics:3:1: `DTSTART:20270611T090000` has a time of day: only whole days are holidays; make it an all-day event"
        ]
    );
}

#[test]
fn a_calendar_without_business_days_is_placed_in_the_config() {
    let days: String = (1..=31).map(|day| format!("  - {{ every: 07-{day:02}, name: Closed }}\n")).collect();
    assert_eq!(
        problems("calendars/a.yaml", &format!("holidays:\n{days}")),
        ["config.yaml:1:11: There is no business day from 1970-07-01 for more than 31 days; \
          shorten `weekend`, or take days out of the calendar files"]
    );
}

#[test]
fn the_shipped_calendars_have_the_days_that_were_published() {
    let read = |path: &str, text: &str| settings().read(&[file(path, text)]).unwrap();
    let open = |read: &ReadCalendar, days: &[Date]| -> Vec<Date> {
        days.iter().copied().filter(|day| read.calendar.is_business_day(*day)).collect()
    };
    // Germany, 2027: Good Friday, Easter Monday, Ascension Day, Whit Monday.
    let germany = read("calendars/de.yaml", include_str!("../../../calendars/de.yaml"));
    let days = [
        day(2027, 1, 1),
        day(2027, 3, 26),
        day(2027, 3, 29),
        day(2027, 5, 6),
        day(2027, 5, 17),
        day(2026, 12, 25),
        day(2028, 5, 1),
        day(2028, 10, 3),
    ];
    assert_eq!((open(&germany, &days), germany.last_dates.len()), (vec![], 0));
    // The Office of Personnel Management, 2027: Juneteenth on a Saturday, Independence Day on a Sunday.
    let us = read("calendars/us-federal.yaml", include_str!("../../../calendars/us-federal.yaml"));
    let days = [
        day(2027, 1, 18),
        day(2027, 5, 31),
        day(2027, 6, 18),
        day(2027, 7, 5),
        day(2027, 11, 25),
        day(2027, 12, 24),
        day(2027, 12, 31),
    ];
    assert_eq!((open(&us, &days), us.last_dates.len()), (vec![], 1));
    // The United Kingdom's government, 2026 to 2028, with substitute days.
    let wales = read("calendars/england-and-wales.yaml", include_str!("../../../calendars/england-and-wales.yaml"));
    let days = [
        day(2026, 12, 28),
        day(2027, 5, 3),
        day(2027, 8, 30),
        day(2027, 12, 27),
        day(2027, 12, 28),
        day(2028, 1, 3),
        day(2028, 5, 29),
    ];
    assert_eq!((open(&wales, &days), wales.last_dates.len()), (vec![], 1));
}

#[test]
fn the_table_of_keys_is_that_of_the_reader() {
    let text = "name: Ours\nholidays:\n- { date: 2027-05-14, name: A }\n- { every: 12-25, name: B, from: 2020, until: 2030 }\n- { easter: -2, name: C }\n";
    assert!(settings().read(&[file("calendars/a.yaml", text)]).is_ok());
    for key in CALENDAR {
        let name = key.path.rsplit('.').next().unwrap_or_default();
        assert!(text.contains(&format!("{name}:")), "{} is not in the test", key.path);
        let is_list = key.path == "holidays";
        assert!(is_list || value_schema(key.form).is_some(), "give `{}` a meaning in src/schema/form.rs", key.form);
    }
    let easter = CALENDAR.iter().find(|key| key.path.ends_with("easter")).unwrap();
    assert_eq!(easter.form, format!("{} to {EASTER_AFTER_MAX}", -EASTER_BEFORE_MAX));
    // A key that the reader knows and the table does not would be named here.
    let problems = problems("calendars/a.yaml", "holidays: []\n\"?\": 1\n");
    assert_eq!(problems, ["calendars/a.yaml:2:1: Unknown field `?`; a calendar file has: name, holidays"]);
    let problems = self::problems("calendars/a.yaml", "holidays: [{ date: 2027-05-14, name: A, \"?\": 1 }]\n");
    let known = "date, every, easter, name, from, until";
    assert_eq!(problems, [format!("calendars/a.yaml:1:41: Unknown field `?`; a holiday has: {known}")]);
    assert!(CALENDAR.len() == 2 + known.split(", ").count());
}
