//! `dunlin next`: when the rules run next, and why a day was shifted. Runs and stores nothing, and needs no database.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::cli::print::{json, out, table};
use crate::cli::session::Session;
use crate::cli::{Common, Exit, day};
use crate::clock::SystemClock;
use crate::domain::date::{Date, Timestamp};
use crate::domain::id::RuleId;
use crate::engine::next::{NextRun, NextRuns, Span, next_runs};
use crate::port::Clock;
use crate::rule::schedule::RuleSchedule;
use crate::schedule::{FIRINGS_MAX, Missed, TimeZoneName};

/// How many firings of each rule are shown where nobody says how many.
const COUNT: usize = 5;

#[derive(Args, Debug)]
pub(crate) struct NextArgs {
    /// Only this rule
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// Show at most so many firings of each rule, up to 1000; 5 where neither this nor --until is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=FIRINGS_MAX as i64))]
    count: Option<u16>,
    /// Show the firings up to this day (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Date>,
    /// Start from this instant instead of now (2027-03-28T00:00:00Z)
    #[arg(long, value_name = "TIMESTAMP", value_parser = instant)]
    from: Option<Timestamp>,
}

/// Reads an instant from the command line: with `Z` or an offset, since a local time alone may be none or two.
fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "write the instant with its offset, such as 2027-03-28T00:00:00Z or 2027-03-28T01:00:00+01:00".to_owned())
}

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct NextLine<'a> {
    rule: &'a str,
    /// Absent where the rule does not run by itself, or not in the span.
    at: Option<Timestamp>,
    local: Option<String>,
    offset: Option<String>,
    weekday: Option<String>,
    time_zone: Option<&'a str>,
    notes: &'a [String],
    schedule: Option<String>,
    missed: Option<&'static str>,
    missed_within_s: Option<u64>,
}

pub(crate) fn next(common: &Common, args: &NextArgs) -> Exit {
    next_shown(common, args).unwrap_or_else(|exit| exit)
}

fn next_shown(common: &Common, args: &NextArgs) -> Result<Exit, Exit> {
    let session = Session::open(common)?;
    let rules = session.rules(args.rule.as_deref())?;
    let count = args.count.map_or(if args.until.is_some() { FIRINGS_MAX } else { COUNT }, usize::from);
    let from = args.from.unwrap_or_else(|| SystemClock.now());
    let found = next_runs(&session.workspace, &rules, &Span { from, until: args.until, count });
    let usual = &session.workspace.config.time_zone;
    if common.json {
        print_lines(&found, usual);
    } else {
        print_table(&found, usual);
    }
    Ok(if session.has_errors { Exit::Problems } else { Exit::Done })
}

fn print_lines(found: &NextRuns, usual: &TimeZoneName) {
    let schedule_of = |id: &RuleId| found.schedules.iter().find(|(rule, _)| rule == id).map(|(_, schedule)| schedule);
    let line = |rule: &RuleId, run: Option<&NextRun>| {
        let schedule = schedule_of(rule);
        json(&NextLine {
            rule: rule.as_str(),
            at: run.map(|run| run.at.timestamp()),
            local: run.map(|run| run.at.strftime("%Y-%m-%dT%H:%M").to_string()),
            offset: run.map(|run| run.at.strftime("%:z").to_string()),
            weekday: run.map(|run| run.at.strftime("%A").to_string()),
            time_zone: schedule.map(|schedule| schedule.zone(usual).as_str()),
            notes: run.map_or(&[], |run| &run.notes),
            schedule: schedule.map(|schedule| schedule.text(usual)),
            missed: schedule.map(|schedule| schedule.missed.as_str()),
            missed_within_s: schedule.and_then(|schedule| schedule.missed_within).map(|within| within.as_secs()),
        });
    };
    found.runs.iter().for_each(|run| line(&run.rule, Some(run)));
    found.silent.iter().chain(&found.by_hand).for_each(|rule| line(rule, None));
}

fn print_table(found: &NextRuns, usual: &TimeZoneName) {
    if !found.runs.is_empty() {
        let mut rows = table(&["When", "Time zone", "Rule", "Note"]);
        for NextRun { rule, at, notes } in &found.runs {
            let when = at.strftime("%a %Y-%m-%d %H:%M %:z").to_string();
            let zone = at.time_zone().iana_name().unwrap_or("UTC");
            rows.add_row([when.as_str(), zone, rule.as_str(), &notes.join("; ")]);
        }
        out(rows.to_string());
    }
    for (rule, schedule) in &found.schedules {
        let nothing = if found.silent.contains(rule) { "no firing in this time; " } else { "" };
        out(format!("{rule}: {nothing}{}; {}", schedule.text(usual), missed_words(schedule)));
    }
    for rule in &found.by_hand {
        out(format!("{rule}: only by hand: it has no schedule"));
    }
}

/// Says what becomes of missed runs.
fn missed_words(schedule: &RuleSchedule) -> String {
    let age =
        schedule.missed_within.map_or_else(String::new, |within| format!(" if it is not older than {}", span_words(within)));
    match schedule.missed {
        Missed::Skip => "missed runs are left out".to_owned(),
        Missed::Latest => format!("the last missed run is made up for{age}"),
        Missed::All => format!("each missed run is made up for{age}"),
    }
}

fn span_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        86_400 => (1, "day"),
        _ if seconds.is_multiple_of(86_400) => (seconds / 86_400, "days"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "h"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "min"),
        _ => (seconds, "s"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_largest_whole_unit() {
        for (seconds, words) in
            [(90, "90 s"), (300, "5 min"), (7_200, "2 h"), (86_400, "1 day"), (604_800, "7 days"), (90_000, "25 h")]
        {
            assert_eq!(span_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn an_instant_needs_its_offset() {
        assert!(instant("2027-03-28T00:00:00Z").is_ok() && instant("2027-03-28T01:00:00+01:00").is_ok());
        assert!(instant("2027-03-28T00:00:00").is_err() && instant("2027-03-28").is_err());
    }
}
