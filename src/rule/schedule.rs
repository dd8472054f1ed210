//! The `schedule:` of a rule: the node is read here, its small languages by `crate::schedule`.
//!
//! It does not decide when to run; that is the daemon's.

use jiff::civil::DateTime;

use crate::schedule::{Calendar, Cron, DayOfMonth, Firing, Missed, TimeZoneName};
use crate::yaml::{Fields, Node, Problems, text, unknown_word};

/// When a rule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSchedule {
    /// At which times.
    pub cron: Cron,
    /// By whose clock; `None`: the one of config.yaml.
    pub time_zone: Option<TimeZoneName>,
    /// What becomes of missed runs.
    pub missed: Missed,
    /// Only on this one of the month's days that `cron` names; `None`: on all of them.
    pub on: Option<DayOfMonth>,
}

impl RuleSchedule {
    /// Returns whose clock it goes by.
    pub fn zone<'a>(&'a self, usual: &'a TimeZoneName) -> &'a TimeZoneName {
        self.time_zone.as_ref().unwrap_or(usual)
    }

    /// Returns the first firing whose local time is after `after`, or `None` where there is none within the calendar.
    pub fn next_after(&self, after: DateTime, usual: &TimeZoneName, _calendar: &Calendar) -> Option<Firing> {
        let zone = self.zone(usual).zone();
        let at = self.cron.next_after(&after.to_zoned(zone.clone()).ok()?)?;
        Some(Firing { local: at.datetime(), at, notes: Vec::new() })
    }

    /// Returns everything that decides when it fires, in one line: another text is another schedule.
    pub fn text(&self) -> String {
        format!("{:?}", self.cron.as_str())
    }

    /// Reads `{ cron, time_zone, missed, on }`, noting every problem; `None` where `cron` is missing or wrong.
    pub fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, "a schedule", problems)?;
        let cron = fields.required("cron", problems, cron);
        let time_zone = fields.optional("time_zone", problems, time_zone);
        let missed = fields.optional("missed", problems, |node, problems| word(node, problems, &Missed::WORDS, Missed::parse));
        let on = fields.optional("on", problems, |node, problems| word(node, problems, &DayOfMonth::WORDS, DayOfMonth::parse));
        fields.close(problems);
        Some(Self { cron: cron?, time_zone, missed: missed.unwrap_or_default(), on })
    }
}

fn cron(node: &Node, problems: &mut Problems<'_>) -> Option<Cron> {
    match Cron::parse(&text(node, problems)?) {
        Ok(cron) => Some(cron),
        Err(fault) => {
            let mut span = node.span_within(1, fault.column);
            span.width = fault.width;
            problems.error_hint(span, fault.message, fault.hint);
            None
        }
    }
}

/// Reads the name of a time zone.
pub(crate) fn time_zone(node: &Node, problems: &mut Problems<'_>) -> Option<TimeZoneName> {
    match TimeZoneName::parse(&text(node, problems)?) {
        Ok(zone) => Some(zone),
        Err(fault) => {
            problems.error_hint(node.span, fault.message, fault.hint);
            None
        }
    }
}

/// Reads one of `words`.
fn word<T>(node: &Node, problems: &mut Problems<'_>, words: &[&str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let written = text(node, problems)?;
    let found = parse(&written);
    if found.is_none() {
        unknown_word(node, &written, words.iter().copied(), problems);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    fn read(source: &str) -> (Option<RuleSchedule>, Vec<String>) {
        let node = parse("rules/a.yaml", source).unwrap();
        let mut problems = Problems::new("rules/a.yaml", source);
        let schedule = RuleSchedule::read(&node, &mut problems);
        (schedule, problems.into_list().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_whole_schedule_is_read_and_the_defaults_are_plain() {
        let whole = "cron: \"0 7 * * *\"\ntime_zone: Europe/Berlin\nmissed: all\non: first business day\n";
        let expected = RuleSchedule {
            cron: Cron::parse("0 7 * * *").unwrap(),
            time_zone: Some(TimeZoneName::parse("Europe/Berlin").unwrap()),
            missed: Missed::All,
            on: Some(DayOfMonth::FirstBusinessDay),
        };
        assert_eq!(read(whole), (Some(expected), vec![]));
        let least = RuleSchedule { cron: Cron::parse("@daily").unwrap(), time_zone: None, missed: Missed::Latest, on: None };
        assert_eq!(read("cron: \"@daily\"\n"), (Some(least), vec![]));
    }

    #[test]
    fn every_fault_has_its_place_down_to_the_cron_field() {
        let (schedule, problems) =
            read("cron: \"0 9 * * MONDAY\"\ntime_zone: Europe/Berln\nmissed: lastest\non: payday\nevery: day\n");
        assert_eq!(schedule, None);
        assert_eq!(
            problems,
            [
                "rules/a.yaml:1:16: The day of week `MONDAY` is not 0 to 7, or SUN to SAT; write `MON`",
                "rules/a.yaml:2:12: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?",
                "rules/a.yaml:3:9: `lastest` is not known here; did you mean `latest`?",
                "rules/a.yaml:4:5: `payday` is not known here; write one of: first business day, last business day",
                "rules/a.yaml:5:1: Unknown field `every`; a schedule has: cron, time_zone, missed, on",
            ]
        );
    }
}
