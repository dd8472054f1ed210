//! The `schedule:` of a rule: the node is read here, its small languages by `crate::schedule`.
//!
//! It tells when a rule is to run and what becomes of missed runs; it does not run anything, that is the daemon's.

use std::time::Duration;

use jiff::civil::{Date, DateTime};

use crate::domain::date::Timestamp;
use crate::schedule::{
    BusinessDays, Calendar, Cron, DayOfMonth, FIRINGS_MAX, Fate, Firing, Later, MISSED_WITHIN, Missed, Shift, TimeZoneName,
    Timetable, end_of, fates, past_until,
};
use crate::yaml::{Fields, Node, Problems, choice, duration, text, unknown_word};

/// When a rule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSchedule {
    /// At which local times.
    pub cron: Cron,
    /// By whose clock; `None`: the one of config.yaml.
    pub time_zone: Option<TimeZoneName>,
    /// Which days, and where to from days that are no business days.
    pub days: BusinessDays,
    /// What becomes of missed runs.
    pub missed: Missed,
    /// How old a missed run may be to be made up for; `None`: with `missed: skip`, which makes up for none.
    pub missed_within: Option<Duration>,
}

impl RuleSchedule {
    /// Returns whose clock it goes by.
    pub fn zone<'a>(&'a self, usual: &'a TimeZoneName) -> &'a TimeZoneName {
        self.time_zone.as_ref().unwrap_or(usual)
    }

    /// Returns the first firing whose local time is after `after`, or `None` where there is none within the calendar.
    ///
    /// Firings ascend strictly, both in local time and in instant. Source: docs/decisions/0016.
    pub fn next_after(&self, after: DateTime, usual: &TimeZoneName, calendar: &Calendar) -> Option<Firing> {
        self.timetable(usual, calendar).next_after(after)
    }

    /// Returns the first firing of each day after `after`, up to the day `to` by the schedule's own clock.
    pub fn first_of_each_day<'a>(
        &'a self,
        after: DateTime,
        to: Date,
        usual: &'a TimeZoneName,
        calendar: &'a Calendar,
    ) -> impl Iterator<Item = Firing> + 'a {
        let mut last = after;
        std::iter::from_fn(move || {
            let firing = self.next_after(last, usual, calendar)?;
            last = end_of(firing.local.date());
            (firing.local.date() <= to).then_some(firing)
        })
    }

    /// Returns the firings whose local time is after `after` and whose instant is `until` at the latest, in order, at most
    /// `limit` of them and never more than [`FIRINGS_MAX`].
    pub fn firings_between(
        &self,
        after: DateTime,
        until: Timestamp,
        usual: &TimeZoneName,
        calendar: &Calendar,
        limit: usize,
    ) -> Vec<Firing> {
        self.timetable(usual, calendar).between(after, until, limit)
    }

    /// Returns the firings after `mark` that are past at `now`, the oldest [`FIRINGS_MAX`] at most, each with what is to
    /// become of it.
    ///
    /// Where there may be more, the caller moves its mark to the last one's local time and asks again, until there is none.
    pub fn due(&self, mark: DateTime, now: Timestamp, usual: &TimeZoneName, calendar: &Calendar) -> Vec<(Firing, Fate)> {
        let firings = self.firings_between(mark, now, usual, calendar, FIRINGS_MAX);
        let is_full = firings.len() == FIRINGS_MAX;
        let next = firings.last().filter(|_| is_full).and_then(|last| self.next_after(last.local, usual, calendar));
        let later = if next.is_some_and(|next| next.at.timestamp() <= now) { Later::More } else { Later::None };
        fates(firings, later, self.missed, self.missed_within, now)
    }

    /// Returns the mark of a rule that is seen for the first time at `now`: no firing at or before it counts as missed.
    pub fn first_mark(&self, now: Timestamp, usual: &TimeZoneName) -> DateTime {
        past_until(now, self.zone(usual).zone())
    }

    /// Returns everything that decides when it fires, in one line: another text is another schedule.
    ///
    /// The calendar is not part of it: a new holiday moves single firings, and the mark of the rule stays right.
    pub fn text(&self, usual: &TimeZoneName) -> String {
        let fields: Vec<&str> = self.cron.as_str().split_whitespace().collect();
        let days = match self.days {
            BusinessDays::Any => String::new(),
            BusinessDays::On(day) => format!(" on {day}"),
            BusinessDays::Shift(shift) => format!(" shift {}", shift.as_str()),
        };
        format!("{} {}{days}", fields.join(" "), self.zone(usual))
    }

    fn timetable<'a>(&'a self, usual: &'a TimeZoneName, calendar: &'a Calendar) -> Timetable<'a> {
        Timetable { cron: &self.cron, zone: self.zone(usual).zone(), days: self.days, calendar }
    }

    /// Reads `{ cron, time_zone, on, shift, missed, missed_within }`, noting every problem; `None` where a part is wrong.
    pub(crate) fn read(node: &Node, calendar: CalendarKnown, problems: &mut Problems<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, "a schedule", problems)?;
        let cron = fields.required("cron", problems, |node, problems| Some((cron(node, problems)?, node.span)));
        let time_zone = fields.optional("time_zone", problems, time_zone);
        let on = fields.optional("on", problems, |node, problems| word(node, problems, &DayOfMonth::WORDS, DayOfMonth::parse));
        let shift = fields.optional("shift", problems, choice(&Shift::WORDS));
        let missed = fields.optional("missed", problems, |node, problems| word(node, problems, &Missed::WORDS, Missed::parse));
        let missed_within = fields.optional("missed_within", problems, duration);
        let missed = missed.unwrap_or_default();
        if let Some(span) = fields.key_span("missed_within").filter(|_| missed == Missed::Skip) {
            problems.warning_hint(
                span,
                "`missed_within` says nothing with `missed: skip`",
                "remove it, or write `missed: latest`",
            );
        }
        for key in ["on", "shift"] {
            if let Some(span) = fields.key_span(key).filter(|_| calendar == CalendarKnown::No) {
                let hint = "add `calendar: { weekend: [sat, sun] }` to config.yaml";
                problems.error_hint(span, format!("`{key}` needs to know which days are business days"), hint);
            }
        }
        if let (Some(_), Some(span)) = (fields.key_span("on"), fields.key_span("shift")) {
            let hint = "`on` names a business day, so nothing is left to shift: remove one of the two";
            problems.error_hint(span, "A schedule has `on` or `shift`, not both", hint);
        }
        if let (Some((cron, span)), Some(_)) = (&cron, on)
            && !cron.names_every_workday()
        {
            let message = "`on` chooses among the days that `cron` names, and these are not all workdays";
            let hint = format!("write `{} * * *` if every month is meant", cron.time_fields());
            problems.warning_hint(*span, message, hint);
        }
        fields.close(problems);
        let days = match (on, shift) {
            (Some(on), _) => BusinessDays::On(on),
            (None, Some(shift)) => BusinessDays::Shift(shift),
            (None, None) => BusinessDays::Any,
        };
        let missed_within = (missed != Missed::Skip).then(|| missed_within.unwrap_or(MISSED_WITHIN));
        Some(Self { cron: cron?.0, time_zone, days, missed, missed_within })
    }
}

/// Whether config.yaml tells which days are business days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CalendarKnown {
    /// It has a `calendar`.
    Yes,
    /// It has none.
    No,
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
mod tests;
