//! The `schedule:` of a rule: what is read, every fault with its place, and what the daemon asks of it.

use super::*;
use crate::yaml::parse;

fn read_with(source: &str, calendar: CalendarKnown) -> (Option<RuleSchedule>, Vec<String>) {
    let node = parse("rules/a.yaml", source).unwrap();
    let mut problems = Problems::new("rules/a.yaml", source);
    let schedule = RuleSchedule::read(&node, calendar, &mut problems);
    (schedule, problems.into_list().iter().map(ToString::to_string).collect())
}

fn read(source: &str) -> (Option<RuleSchedule>, Vec<String>) {
    read_with(source, CalendarKnown::Yes)
}

#[test]
fn a_whole_schedule_is_read_and_the_defaults_are_plain() {
    let whole = "cron: \"0 7 * * *\"\ntime_zone: Europe/Berlin\nmissed: all\nmissed_within: 24 h\non: first business day\n";
    let expected = RuleSchedule {
        cron: Cron::parse("0 7 * * *").unwrap(),
        time_zone: Some(TimeZoneName::parse("Europe/Berlin").unwrap()),
        days: BusinessDays::On(DayOfMonth::parse("first business day").unwrap()),
        missed: Missed::All,
        missed_within: Some(Duration::from_secs(86_400)),
    };
    assert_eq!(read(whole), (Some(expected), vec![]));
    let least = RuleSchedule {
        cron: Cron::parse("@daily").unwrap(),
        time_zone: None,
        days: BusinessDays::Any,
        missed: Missed::Latest,
        missed_within: Some(Duration::from_secs(7 * 86_400)),
    };
    assert_eq!(read_with("cron: \"@daily\"\n", CalendarKnown::No), (Some(least), vec![]));
    let (skip, problems) = read("cron: \"@daily\"\nmissed: skip\nshift: after\n");
    let skip = skip.unwrap();
    assert_eq!((skip.days, skip.missed_within, problems), (BusinessDays::Shift(Shift::After), None, vec![]));
}

#[test]
fn every_fault_has_its_place_down_to_the_cron_field() {
    let (schedule, problems) = read(
        "cron: \"0 9 * * MONDAY\"\ntime_zone: Europe/Berln\nmissed: lastest\non: payday\nevery: day\nmissed_within: 1 week\nshift: later\n",
    );
    assert_eq!(schedule, None);
    assert_eq!(
        problems,
        [
            "rules/a.yaml:1:16: The day of week `MONDAY` is not 0 to 7, or SUN to SAT; write `MON`",
            "rules/a.yaml:2:12: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?",
            "rules/a.yaml:3:9: `lastest` is not known here; did you mean `latest`?",
            "rules/a.yaml:4:5: `payday` is not known here; \
             write one of: first business day, last business day, 3rd business day",
            "rules/a.yaml:5:1: Unknown field `every`; a schedule has: cron, time_zone, on, shift, missed, missed_within",
            "rules/a.yaml:6:16: `1 week` is not a span of time; write a number and s, min, h or days, a year at most: `5 min`, `24 h`",
            "rules/a.yaml:7:1: A schedule has `on` or `shift`, not both; \
             `on` names a business day, so nothing is left to shift: remove one of the two",
            "rules/a.yaml:7:8: `later` is not known here; did you mean `after`?",
        ]
    );
}

#[test]
fn business_days_without_a_calendar_are_refused_with_what_to_add() {
    let hint = "add `calendar: { weekend: [sat, sun] }` to config.yaml";
    for key in ["on: last business day", "shift: before"] {
        let (_, problems) = read_with(&format!("cron: \"0 9 * * *\"\n{key}\n"), CalendarKnown::No);
        let name = key.split(':').next().unwrap();
        assert_eq!(problems, [format!("rules/a.yaml:2:1: `{name}` needs to know which days are business days; {hint}")]);
    }
}

#[test]
fn an_expression_that_hardly_meets_the_day_wanted_is_warned_of() {
    let warned = |cron: &str| read(&format!("cron: \"{cron}\"\non: first business day\n")).1;
    let message = "`on` chooses among the days that `cron` names, and these are not all workdays";
    for cron in ["0 7 1 * *", "0 7 * * MON"] {
        assert_eq!(warned(cron), [format!("rules/a.yaml:1:7: {message}; write `0 7 * * *` if every month is meant")]);
    }
    for cron in ["0 7 * * *", "0 7 * * mon-fri", "0 7 * JAN,JUL 1-5", "@daily"] {
        assert_eq!(warned(cron), [""; 0], "{cron}");
    }
    let (_, problems) = read("cron: \"@daily\"\nmissed: skip\nmissed_within: 2 days\n");
    assert_eq!(
        problems,
        ["rules/a.yaml:3:1: `missed_within` says nothing with `missed: skip`; remove it, or write `missed: latest`"]
    );
}

#[test]
fn the_text_is_another_where_the_schedule_is() {
    let berlin = TimeZoneName::parse("Europe/Berlin").unwrap();
    let text = |source: &str, usual: &TimeZoneName| read(source).0.unwrap().text(usual);
    let utc = TimeZoneName::utc();
    assert_eq!(text("cron: \"0  7 * * *\"\n", &utc), "0 7 * * * UTC");
    assert_eq!(text("cron: \"0 7 * * *\"\nmissed: all\n", &berlin), "0 7 * * * Europe/Berlin");
    assert_eq!(text("cron: \"0 7 * * *\"\ntime_zone: europe/berlin\n", &utc), "0 7 * * * Europe/Berlin");
    assert_eq!(text("cron: \"0 7 * * *\"\non: 3rd business day\n", &utc), "0 7 * * * UTC on 3rd business day");
    assert_eq!(text("cron: \"0 7 * * *\"\nshift: skip\n", &utc), "0 7 * * * UTC shift skip");
}

#[test]
fn a_backlog_is_decided_in_parts_and_the_latest_of_all_runs_alone() {
    let schedule = read("cron: \"* * * * *\"\nmissed: latest\n").0.unwrap();
    let (utc, calendar) = (TimeZoneName::utc(), Calendar::default());
    let now: Timestamp = "2027-03-01T20:00:30Z".parse().unwrap();
    let mut mark: DateTime = "2027-03-01T00:00".parse().unwrap();
    let (mut count, mut ran) = (0, vec![]);
    loop {
        let due = schedule.due(mark, now, &utc, &calendar);
        let Some((last, _)) = due.last() else { break };
        mark = last.local;
        count += due.len();
        ran.extend(due.iter().filter(|(_, fate)| *fate == Fate::Run).map(|(firing, _)| firing.local.to_string()));
    }
    assert_eq!((count, ran), (1_200, vec!["2027-03-01T20:00:00".to_owned()]));
}
