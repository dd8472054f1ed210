//! Calendars as programs export them: what is read, and everything that is refused with its line.

use jiff::civil::date as day;

use super::*;

/// Wraps lines into an event of a calendar that starts in line 3.
fn event(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        lines.replace('\n', "\r\n")
    )
}

fn faults(text: &str) -> Vec<String> {
    read_ics(text).1.iter().map(|fault| format!("{}: {}; {}", fault.line, fault.message, fault.hint)).collect()
}

fn holidays(lines: &str) -> Vec<Holiday> {
    let (holidays, faults) = read_ics(&event(lines));
    assert_eq!(faults, [], "{lines}");
    holidays
}

fn every(month: i8, day: i8, from: i16, until: Option<i16>, step: i16, name: &str) -> Holiday {
    Holiday { day: HolidayDay::Every { month, day, years: Years { from: Some(from), until, step } }, name: name.into() }
}

fn on(date: Date, name: &str) -> Holiday {
    Holiday { day: HolidayDay::On(date), name: name.into() }
}

#[test]
fn whole_days_are_read_alone_several_and_yearly() {
    let cases: Vec<(&str, Vec<Holiday>)> = vec![
        (
            "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261226\nSUMMARY:Christmas Day",
            vec![on(day(2026, 12, 25), "Christmas Day")],
        ),
        // Without an end; folded; escaped; with an alarm inside, whose lines are not the event's.
        (
            "DTSTART:20261225\nSUMMARY:Christ\n mas\\, the\n\t first\nBEGIN:VALARM\nSUMMARY:Ring\nEND:VALARM",
            vec![on(day(2026, 12, 25), "Christmas, the first")],
        ),
        (
            "DTSTART;VALUE=DATE:20261231\nDTEND;VALUE=DATE:20270102\nSUMMARY:Turn",
            vec![on(day(2026, 12, 31), "Turn"), on(day(2027, 1, 1), "Turn")],
        ),
        ("DTSTART;X-A=\"a:b\";VALUE=DATE:20261225", vec![on(day(2026, 12, 25), "holiday")]),
        ("DTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED", vec![]),
        ("DTSTART;VALUE=DATE:20200501\nSUMMARY:May\nRRULE:FREQ=YEARLY", vec![every(5, 1, 2020, None, 1, "May")]),
        (
            "DTSTART;VALUE=DATE:20200501\nSUMMARY:May\nRRULE:FREQ=YEARLY;COUNT=3;INTERVAL=2;BYMONTH=5;BYMONTHDAY=1",
            vec![every(5, 1, 2020, Some(2024), 2, "May")],
        ),
        (
            "DTSTART;VALUE=DATE:20200501\nSUMMARY:May\nRRULE:FREQ=YEARLY;UNTIL=20250430T235959Z",
            vec![every(5, 1, 2020, Some(2024), 1, "May")],
        ),
        (
            "DTSTART;VALUE=DATE:20200501\nSUMMARY:May\nRRULE:FREQ=YEARLY;UNTIL=20250501",
            vec![every(5, 1, 2020, Some(2025), 1, "May")],
        ),
        (
            "DTSTART;VALUE=DATE:20200501\nSUMMARY:May\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20220501,20240501",
            vec![
                every(5, 1, 2020, Some(2021), 1, "May"),
                every(5, 1, 2023, Some(2023), 1, "May"),
                every(5, 1, 2025, None, 1, "May"),
            ],
        ),
        (
            "DTSTART;VALUE=DATE:20201231\nDTEND;VALUE=DATE:20210102\nSUMMARY:Turn\nRRULE:FREQ=YEARLY;COUNT=2",
            vec![every(12, 31, 2020, Some(2021), 1, "Turn"), every(1, 1, 2021, Some(2022), 1, "Turn")],
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(holidays(lines), expected, "{lines}");
    }
}

#[test]
fn what_would_change_the_days_and_cannot_be_read_is_said_with_its_line() {
    let yearly = "write such holidays in a .yaml calendar, or export single dates";
    let start = "DTSTART;VALUE=DATE:20261225\n";
    for (lines, expected) in [
        (
            "DTSTART:20261225T090000Z".to_owned(),
            "4: `DTSTART:20261225T090000Z` has a time of day: only whole days are holidays; make it an all-day event".to_owned(),
        ),
        ("DTSTART;VALUE=DATE:20261325".to_owned(), "4: `DTSTART:20261325` is not a date; a date is written 20261225".to_owned()),
        ("SUMMARY:Nothing".to_owned(), "3: The event has no `DTSTART`; export the calendar again".to_owned()),
        (
            format!("{start}DTEND;VALUE=DATE:20261225"),
            "3: The event takes 0 days, from 2026-12-25; `DTEND` is the day after the last, a year later at most".to_owned(),
        ),
        (
            format!("{start}RRULE:FREQ=MONTHLY"),
            format!("5: The recurrence `FREQ=MONTHLY` cannot be read: only `FREQ=YEARLY` on one date; {yearly}"),
        ),
        (
            format!("{start}RRULE:FREQ=YEARLY;BYDAY=-1MO"),
            format!("5: The recurrence `BYDAY=-1MO` cannot be read: only `FREQ=YEARLY` on one date; {yearly}"),
        ),
        (
            format!("{start}RRULE:FREQ=YEARLY;BYMONTH=11"),
            format!("5: The event starts on 2026-12-25 and comes again on another day of the year; {yearly}"),
        ),
        (format!("{start}RRULE:COUNT=2"), format!("5: The recurrence has no `FREQ=YEARLY`; {yearly}")),
        (
            "DTSTART:20240229\nRRULE:FREQ=YEARLY;COUNT=2".to_owned(),
            format!("5: `COUNT` cannot be read with 29 February; {yearly}"),
        ),
        (format!("{start}RDATE;VALUE=DATE:20270101"), format!("5: An event with `RDATE` cannot be read as a holiday; {yearly}")),
        (
            format!("{start}RECURRENCE-ID:20270101"),
            format!("5: An event with `RECURRENCE-ID` cannot be read as a holiday; {yearly}"),
        ),
    ] {
        assert_eq!(faults(&event(&lines)), [expected], "{lines}");
    }
}

#[test]
fn a_file_that_is_none_or_was_cut_off_is_refused() {
    assert_eq!(
        faults("<html>\n<body>\n"),
        ["1: `<html>` is not a line of a calendar; export the calendar again as .ics (iCalendar)"]
    );
    assert_eq!(faults(""), ["1: The file has no `BEGIN:VCALENDAR`; export the calendar again as .ics (iCalendar)"]);
    let cut = event("DTSTART:20261225").replace("END:VEVENT\r\nEND:VCALENDAR\r\n", "");
    assert_eq!(faults(&cut), ["5: The file ends inside `VCALENDAR` in `VEVENT`; it was cut off; copy or export it again"]);
    assert_eq!(faults("BEGIN:VCALENDAR\nEND:VEVENT\n")[0], "2: `END:VEVENT` ends what was not begun; export the calendar again");
    let deep = "BEGIN:X\n".repeat(DEPTH_MAX + 1);
    assert_eq!(faults(&format!("BEGIN:VCALENDAR\n{deep}")).len(), 2);
}

#[test]
fn holidays_beyond_the_limit_are_said_once() {
    let one = "BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n";
    let text = |count: usize| format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", one.repeat(count));
    assert_eq!((read_ics(&text(HOLIDAYS_MAX)).0.len(), faults(&text(HOLIDAYS_MAX)).len()), (HOLIDAYS_MAX, 0));
    assert_eq!(faults(&text(HOLIDAYS_MAX + 2)), ["15002: A calendar has at most 5000 holidays; keep the years that matter"]);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(lines in proptest::collection::vec(
        "(BEGIN|END|DTSTART|DTEND|RRULE|EXDATE|SUMMARY)[;:=,A-Z0-9\\\\ \"é]{0,24}|BEGIN:VEVENT|END:VEVENT|RRULE:FREQ=YEARLY(;COUNT=[0-9]{1,5})?|DTSTART:[0-9]{8}|EXDATE:9999[01][0-9]{3}", 0..20,
    )) {
        read_ics(&format!("BEGIN:VCALENDAR\n{}\n", lines.join("\n")));
    }
}
