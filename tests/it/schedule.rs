//! Schedules from outside: `dunlin next`, calendars that are read, and what is said of those that are wrong.

use crate::workspace::Workspace;

const GERMANY: &str = include_str!("../../calendars/de.yaml");

/// Returns a workspace with a calendar and three rules: by hand, on business days, through the spring change.
fn scheduled() -> Workspace {
    let workspace = Workspace::new(9, 1);
    workspace.write("config.yaml", &Workspace::config(9, "calendar: { weekend: [sat, sun], holidays: calendars/de.yaml }\n"));
    workspace.write("calendars/de.yaml", GERMANY);
    let rule = workspace.read("rules/overdue.yaml");
    let with = |id: &str, schedule: &str| rule.replace("id: overdue", &format!("id: {id}\nschedule: {schedule}"));
    workspace.write("rules/christmas.yaml", &with("christmas", "{ cron: \"0 9 25 12 *\", shift: after, missed: skip }"));
    let night = "{ cron: \"30 2 * * *\", time_zone: America/New_York, missed: all, missed_within: 12 h }";
    workspace.write("rules/night.yaml", &with("night", night));
    workspace
}

#[test]
fn next_shows_when_every_rule_runs_and_why_a_day_was_shifted() {
    let workspace = scheduled();
    let shown = workspace.dunlin(&["next", "--from", "2027-03-13T00:00:00Z", "--count", "2"]);
    let rows: Vec<Vec<String>> = shown
        .out
        .lines()
        .filter(|line| line.contains(":00 ") || line.contains(":30 "))
        .map(|line| line.trim_matches('│').split('┆').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["Sat 2027-03-13 02:30 -05:00", "America/New_York", "night", ""],
            ["Sun 2027-03-14 03:00 -04:00", "America/New_York", "night", "02:30 does not exist on this day (clocks go forward)"],
            ["Mon 2027-12-27 09:00 +01:00", "Europe/Berlin", "christmas", "Sat 25 Dec is Christmas Day: moved to Mon 27 Dec"],
            ["Wed 2028-12-27 09:00 +01:00", "Europe/Berlin", "christmas", "Mon 25 Dec is Christmas Day: moved to Wed 27 Dec"],
        ]
    );
    let told: Vec<&str> = shown.out.lines().skip_while(|line| !line.starts_with("christmas")).collect();
    assert_eq!(
        told,
        [
            "christmas: 0 9 25 12 * Europe/Berlin shift after; missed runs are left out",
            "night: 30 2 * * * America/New_York; each missed run is made up for if it is not older than 12 h",
            "overdue: only by hand: it has no schedule",
        ]
    );
    assert!(!workspace.path().join("dunlin.db").exists(), "nothing is stored");
}

#[test]
fn next_prints_a_line_of_json_for_every_firing() {
    let workspace = scheduled();
    let shown = workspace.dunlin(&["next", "night", "--from", "2027-11-06T12:00:00Z", "--until", "2027-11-07", "--json"]);
    let expected = "{\"rule\":\"night\",\"at\":\"2027-11-07T07:30:00Z\",\"local\":\"2027-11-07T02:30\",\"offset\":\"-05:00\",\
                    \"weekday\":\"Sunday\",\"time_zone\":\"America/New_York\",\"notes\":[],\"schedule\":\"30 2 * * * America/New_York\",\
                    \"missed\":\"all\",\"missed_within_s\":43200}\n";
    assert_eq!(shown.out, expected);
    let none = workspace.dunlin(&["next", "christmas", "--from", "2027-01-01T00:00:00Z", "--until", "2027-11-07", "--json"]);
    assert!(none.out.starts_with("{\"rule\":\"christmas\",\"at\":null,\"local\":null,"), "{}", none.out);
}

#[test]
fn a_faulty_calendar_stops_the_load_and_one_that_ran_out_is_warned_of() {
    let workspace = scheduled();
    workspace.write("calendars/de.yaml", "holidays:\n  - { date: 2020-12-25, name: Christmas Day }\n");
    let checked = workspace.dunlin(&["check", "--json"]);
    assert!(checked.out.contains("The last holiday of this calendar was 2020-12-25"), "{}", checked.out);
    assert!(checked.out.contains("\"errors\":0"), "{}", checked.out);
    workspace.write("calendars/de.yaml", "holidays:\n  - { date: 25.12.2027, name: Christmas Day }\n");
    let shown = workspace.dunlin(&["next"]);
    assert_eq!(shown.out, "");
    assert!(shown.err.contains("`25.12.2027` is not a date"), "{}", shown.err);
    std::fs::remove_file(workspace.path().join("calendars/de.yaml")).unwrap();
    assert!(workspace.dunlin(&["next"]).err.contains("Cannot open `calendars/de.yaml`"));
}

#[test]
fn a_schedule_that_the_calendar_leaves_without_a_day_is_warned_of() {
    let workspace = scheduled();
    workspace.edit("rules/christmas.yaml", "shift: after", "shift: skip");
    let checked = workspace.dunlin(&["check"]);
    let expected = "The rule `christmas` never runs by itself: the calendar leaves out every day of its schedule";
    assert!(checked.out.contains(expected), "{}", checked.out);
    let shown = workspace.dunlin(&["next", "christmas"]);
    let expected = "christmas: no firing in this time; 0 9 25 12 * Europe/Berlin shift skip; missed runs are left out\n";
    assert_eq!(shown.out, expected);
}

#[test]
fn a_calendar_is_part_of_the_generation() {
    let workspace = scheduled();
    let generation = || dunlin::engine::workspace::load(workspace.path()).workspace.unwrap().generation;
    let before = generation();
    workspace.write("calendars/de.yaml", &format!("{GERMANY}  - {{ every: 01-06, name: Epiphany }}\n"));
    assert_ne!(generation(), before);
    workspace.write("calendars/de.yaml", GERMANY);
    assert_eq!(generation(), before);
}

#[test]
fn business_days_without_a_calendar_are_an_error_that_tells_what_to_add() {
    let workspace = scheduled();
    workspace.write("config.yaml", &Workspace::config(9, ""));
    let checked = workspace.dunlin(&["check"]);
    assert!(checked.out.contains("`shift` needs to know which days are business days"), "{}", checked.out);
    assert!(checked.out.contains("add `calendar: { weekend: [sat, sun] }` to config.yaml"), "{}", checked.out);
}

#[test]
fn statements_so_close_that_no_day_is_left_for_a_reminder_are_warned_of() {
    let statement = |cron: &str| {
        format!(
            "id: monthly\nkind: statement\ntemplate: note\nfrom: receivables\nto: [billing]\nschedule: {{ cron: \"{cron}\" }}\n"
        )
    };
    for (cron, gap, is_crowded) in [
        ("0 6 1 * *", "14 days", false),
        ("0 6 * * 1", "6 days", false),
        ("0 6 * * 1", "7 days", true),
        ("0 6 * * *", "0 days", false),
        ("0 6 * * 1", "5 business days", true),
    ] {
        let workspace = scheduled();
        let more =
            format!("calendar: {{ weekend: [sat, sun], holidays: calendars/de.yaml }}\nlimits: {{ contact_gap: {gap} }}\n");
        workspace.write("config.yaml", &Workspace::config(9, &more));
        workspace.write("rules/monthly.yaml", &statement(cron));
        let checked = workspace.dunlin(&["check"]).out;
        let said = checked.contains("The statements of the rule `monthly` leave no day for a reminder");
        assert_eq!(said, is_crowded, "{cron} {gap}: {checked}");
    }
}
