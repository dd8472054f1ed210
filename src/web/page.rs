//! The health page as a person sees it: a status in words, made by the server, without a script.

use std::time::Duration;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use crate::domain::date::Timestamp;
use crate::domain::problem::Severity;
use crate::engine::status::{Health, LastRun, NextFiring, OpenMessages, PauseReason, Reason, Status};
use crate::outbox::state::State;

/// What the page looks like.
pub(crate) const STYLE: &str = include_str!("page.css");
/// How often a browser asks again.
const REFRESH: Duration = Duration::from_secs(15);
/// The most next firings that are shown.
const FIRINGS_MAX: usize = 20;

/// Returns the page as HTML, `None` where it cannot be made.
pub(crate) fn page(status: &Status) -> Option<String> {
    // Made anew for each answer, which takes less than the database: nothing is kept between two looks.
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    let now = status.now;
    let problems = status.reload.iter().flat_map(|reload| &reload.problems);
    let reload_at = status.reload.as_ref().map(|reload| reload.at);
    let shown = context! {
        refresh_seconds => REFRESH.as_secs(),
        instance => &status.instance,
        mode => status.mode,
        version => status.version,
        health => status.health.as_str(),
        headline => headline(status.health),
        now => minute(now),
        up => span(status.started_at, now),
        generation => status.generation.chars().take(12).collect::<String>(),
        generation_age => status.generation_at.map(|at| span(at, now)),
        reasons => lines(&status.reasons, reason_line),
        messages => status.messages.as_ref().map(|all| lines(all, |open| message_line(open, now))),
        under_way => status.under_way,
        firings => lines(status.next_firings.iter().take(FIRINGS_MAX), |firing| firing_line(firing, now)),
        firings_more => status.next_firings.len().saturating_sub(FIRINGS_MAX),
        paused => lines(&status.paused, |paused| Value::from((&paused.rule, &paused.file, pause_words(paused.reason)))),
        run => status.last_run.as_ref().map(|run| run_line(run, now)),
        reload_is_taken => status.reload.as_ref().is_none_or(|reload| reload.is_taken),
        reload_age => reload_at.map(|at| span(at, now)),
        problem_count => status.reload.as_ref().map_or(0, |reload| reload.errors + reload.warnings),
        problems => lines(problems, |problem| Value::from((severity(problem.severity), &problem.place, &problem.words))),
        attempts => lines(&status.attempts, |one| Value::from((&one.server, one.outcome, one.count))),
    };
    let made = templates.template_from_named_str("page", include_str!("page.html")).and_then(|page| page.render(shown));
    made.inspect_err(|error| tracing::error!(%error, "The health page could not be made")).ok()
}

fn lines<T>(all: impl IntoIterator<Item = T>, line: impl FnMut(T) -> Value) -> Value {
    Value::from(all.into_iter().map(line).collect::<Vec<Value>>())
}

fn headline(health: Health) -> &'static str {
    match health {
        Health::Ok => "All is well",
        Health::Degraded => "It works, but needs somebody",
        Health::Failing => "It does not do its work",
    }
}

fn reason_line(reason: &Reason) -> Value {
    let advice = reason.kind.advice();
    let health = reason.kind.health().as_str();
    context! { health, words => &reason.words, meaning => advice.meaning, remedy => advice.remedy }
}

fn message_line(open: &OpenMessages, now: Timestamp) -> Value {
    let meaning = match open.state {
        State::Blocked => "could not be composed",
        State::Waiting => "their run waits for a person",
        State::Queued => "to be sent",
        State::Sending => "on the wire",
        State::Refused => "refused for good",
        State::Exhausted => "given up; composed anew by the next run",
        State::Unknown => "nobody knows whether they arrived",
        State::Accepted | State::Withdrawn | State::Cancelled => "done with",
    };
    let oldest = open.oldest_at.map(|at| span(at, now));
    context! { state => open.state.as_str(), meaning, count => open.count, oldest }
}

fn firing_line(firing: &NextFiring, now: Timestamp) -> Value {
    let wait = if firing.at > now { format!("in {}", span(now, firing.at)) } else { "now".to_owned() };
    context! { rule => &firing.rule, local => &firing.local, time_zone => &firing.time_zone, wait }
}

fn run_line(run: &LastRun, now: Timestamp) -> Value {
    context! {
        id => run.id,
        rule => &run.rule,
        as_of => &run.as_of,
        ago => span(run.started_at, now),
        took => run.finished_at.map(|at| span(run.started_at, at)),
        counts => lines(&run.counts, |(state, count)| Value::from((state.as_str(), *count))),
    }
}

fn pause_words(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Broken => "has errors, or a file it needs has",
        PauseReason::Vanished => "is gone",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Returns an instant to the minute, in UTC.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Returns the time between two instants in its two largest units: `3 d 4 h`, `12 min`, `40 s`; `0 s` where they stand
/// the other way round.
fn span(from: Timestamp, until: Timestamp) -> String {
    let seconds = until.duration_since(from).as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        for (seconds, expected) in
            [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_720, "1 h 2 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(at(0), at(seconds)), expected);
        }
    }
}
