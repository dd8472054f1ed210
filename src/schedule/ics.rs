//! Holidays from a calendar in iCalendar form (.ics), as other programs export them.
//!
//! Only whole days are read: `VEVENT` with a date, alone or yearly. Whatever else would change which days are closed is a
//! fault, never passed over in silence. Source: RFC 5545.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::domain::date::{days_between, shifted};
use crate::schedule::{HOLIDAYS_MAX, Holiday, HolidayDay, Years};

/// The most days of one event.
const EVENT_DAYS_MAX: i32 = 366;
/// The longest name of a holiday, in characters; the rest is cut off.
const NAME_CHARACTERS_MAX: usize = 200;
/// The components that may stand around or inside an event, one inside the other.
const DEPTH_MAX: usize = 8;

/// What is wrong in a calendar, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcsFault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// A content line, unfolded: `DTSTART;VALUE=DATE:20261225`.
#[derive(Clone, Debug)]
struct Property<'a> {
    line: u32,
    name: String,
    parameters: &'a str,
    value: &'a str,
}

/// What an event says, as far as it matters here.
#[derive(Debug, Default)]
struct Event {
    line: u32,
    start: Option<Date>,
    end: Option<Date>,
    name: Option<String>,
    rule: Option<Rule>,
    left_out: BTreeSet<Date>,
    is_cancelled: bool,
    is_faulty: bool,
}

/// A yearly recurrence.
#[derive(Clone, Copy, Debug)]
struct Rule {
    step: i16,
    count: Option<i16>,
    until: Option<Date>,
    month: Option<i8>,
    day: Option<i8>,
    line: u32,
}

const ONLY_YEARLY: &str = "write such holidays in a .yaml calendar, or export single dates";

/// Returns the holidays of a calendar, and every fault in it.
pub fn read_ics(text: &str) -> (Vec<Holiday>, Vec<IcsFault>) {
    let unfolded = unfold(text);
    let mut reader = Reader { open: Vec::new(), event: None, holidays: Vec::new(), faults: Vec::new() };
    let mut has_calendar = false;
    for (line, content) in &unfolded {
        if content.trim().is_empty() {
            continue;
        }
        let Some(property) = property(*line, content) else {
            let message = format!("`{}` is not a line of a calendar", content.chars().take(40).collect::<String>());
            reader.fault(*line, message, "export the calendar again as .ics (iCalendar)");
            // A file of another kind would give a fault a line.
            break;
        };
        has_calendar |= property.name == "BEGIN" && property.value.eq_ignore_ascii_case("VCALENDAR");
        reader.property(&property);
    }
    if !has_calendar && reader.faults.is_empty() {
        reader.fault(1, "The file has no `BEGIN:VCALENDAR`".to_owned(), "export the calendar again as .ics (iCalendar)");
    } else if !reader.open.is_empty() && reader.faults.is_empty() {
        let last = unfolded.last().map_or(1, |(line, _)| *line);
        let message = format!("The file ends inside `{}`", reader.open.join("` in `"));
        reader.fault(last, message, "it was cut off; copy or export it again");
    }
    (reader.holidays, reader.faults)
}

struct Reader {
    /// The components begun and not ended.
    open: Vec<String>,
    event: Option<Event>,
    holidays: Vec<Holiday>,
    faults: Vec<IcsFault>,
}

impl Reader {
    fn fault(&mut self, line: u32, message: String, hint: &'static str) {
        if let Some(event) = &mut self.event {
            event.is_faulty = true;
        }
        self.faults.push(IcsFault { line, message, hint });
    }

    fn property(&mut self, property: &Property<'_>) {
        match property.name.as_str() {
            "BEGIN" => self.begin(property),
            "END" => self.end(property),
            // Alarms inside an event have properties of the same names.
            _ if self.open.last().is_some_and(|component| component == "VEVENT") => self.event_property(property),
            _ => {}
        }
    }

    fn begin(&mut self, property: &Property<'_>) {
        let component = property.value.trim().to_ascii_uppercase();
        if component == "VEVENT" && self.event.is_none() {
            self.event = Some(Event { line: property.line, ..Event::default() });
        }
        if self.open.len() == DEPTH_MAX {
            return self.fault(property.line, format!("`{component}` is nested too deep"), "export the calendar again");
        }
        self.open.push(component);
    }

    fn end(&mut self, property: &Property<'_>) {
        let component = property.value.trim().to_ascii_uppercase();
        if self.open.pop().is_none_or(|open| open != component) {
            let message = format!("`END:{component}` ends what was not begun");
            return self.fault(property.line, message, "export the calendar again");
        }
        if component == "VEVENT"
            && let Some(event) = self.event.take()
        {
            self.finish(event);
        }
    }

    fn event_property(&mut self, property: &Property<'_>) {
        let line = property.line;
        match property.name.as_str() {
            "DTSTART" => {
                let day = self.day(property, property.value);
                self.change(|event| event.start = day);
            }
            "DTEND" => {
                let day = self.day(property, property.value);
                self.change(|event| event.end = day);
            }
            "SUMMARY" => {
                let name = unescaped(property.value);
                self.change(|event| event.name = Some(name));
            }
            "STATUS" if property.value.trim().eq_ignore_ascii_case("CANCELLED") => {
                self.change(|event| event.is_cancelled = true);
            }
            "RRULE" => match rule(property) {
                Ok(rule) => self.change(|event| event.rule = Some(rule)),
                Err(message) => self.fault(line, message, ONLY_YEARLY),
            },
            "EXDATE" => {
                let days: Vec<Option<Date>> = property.value.split(',').map(|value| self.day(property, value)).collect();
                self.change(|event| event.left_out.extend(days.into_iter().flatten()));
            }
            "DURATION" | "RDATE" | "EXRULE" | "RECURRENCE-ID" => {
                self.fault(line, format!("An event with `{}` cannot be read as a holiday", property.name), ONLY_YEARLY);
            }
            _ => {}
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Event)) {
        if let Some(event) = &mut self.event {
            change(event);
        }
    }

    /// Reads a whole day (RFC 5545 §3.3.4): `20261225`.
    fn day(&mut self, property: &Property<'_>, value: &str) -> Option<Date> {
        let value = value.trim();
        let found = date(value);
        if found.is_none() {
            let is_timed = value.contains('T') || property.parameters.to_ascii_uppercase().contains("VALUE=DATE-TIME");
            let (what, hint) = match is_timed {
                true => ("has a time of day: only whole days are holidays", "make it an all-day event"),
                false => ("is not a date", "a date is written 20261225"),
            };
            self.fault(property.line, format!("`{}:{value}` {what}", property.name), hint);
        }
        found
    }

    /// Turns an event into holidays.
    fn finish(&mut self, event: Event) {
        if event.is_cancelled || event.is_faulty {
            return;
        }
        let Some(start) = event.start else {
            return self.fault(event.line, "The event has no `DTSTART`".to_owned(), "export the calendar again");
        };
        // The end is the day after the last (RFC 5545 §3.6.1); without it, the event takes one day.
        let days = event.end.map_or(1, |end| days_between(start, end));
        if !(1..=EVENT_DAYS_MAX).contains(&days) {
            let message = format!("The event takes {days} days, from {start}");
            return self.fault(event.line, message, "`DTEND` is the day after the last, a year later at most");
        }
        let name = event.name.unwrap_or_else(|| "holiday".to_owned());
        let mut found = Vec::new();
        match event.rule {
            None if event.left_out.contains(&start) => {}
            None => {
                found.extend((0..days).map(|count| Holiday { day: HolidayDay::On(shifted(start, count)), name: name.clone() }));
            }
            Some(rule) => match years(start, &rule, &event.left_out) {
                Ok(all) => {
                    for (day, years) in (0..days).flat_map(|count| all.iter().map(move |years| (shifted(start, count), *years))) {
                        let later = day.year() - start.year();
                        let years = Years {
                            from: years.from.map(|year| year + later),
                            until: years.until.map(|year| year + later),
                            ..years
                        };
                        let day = HolidayDay::Every { month: day.month(), day: day.day(), years };
                        found.push(Holiday { day, name: name.clone() });
                    }
                }
                Err(message) => return self.fault(rule.line, message, ONLY_YEARLY),
            },
        }
        if self.holidays.len() + found.len() > HOLIDAYS_MAX {
            let has_room = self.holidays.len() <= HOLIDAYS_MAX;
            if has_room && !self.faults.iter().any(|fault| fault.message.contains("at most")) {
                self.fault(event.line, format!("A calendar has at most {HOLIDAYS_MAX} holidays"), "keep the years that matter");
            }
            return;
        }
        self.holidays.append(&mut found);
    }
}

/// Returns the stretches of years in which a yearly event that starts on `start` comes.
fn years(start: Date, rule: &Rule, left_out: &BTreeSet<Date>) -> Result<Vec<Years>, String> {
    if rule.month.is_some_and(|month| month != start.month()) || rule.day.is_some_and(|day| day != start.day()) {
        return Err(format!("The event starts on {start} and comes again on another day of the year"));
    }
    if rule.count.is_some() && (start.month(), start.day()) == (2, 29) {
        return Err("`COUNT` cannot be read with 29 February".to_owned());
    }
    let counted = rule.count.map(|count| start.year().saturating_add((count - 1).saturating_mul(rule.step)));
    let until = rule.until.map(|until| {
        let is_reached = (until.month(), until.day()) >= (start.month(), start.day());
        until.year() - i16::from(!is_reached)
    });
    let last = counted.into_iter().chain(until).min();
    let mut found = Vec::new();
    let mut from = start.year();
    for day in left_out.iter().filter(|day| (day.month(), day.day()) == (start.month(), start.day())) {
        let is_of_rule = day.year() >= from && (day.year() - from) % rule.step == 0;
        if is_of_rule {
            found.push(Years { from: Some(from), until: Some(day.year() - 1), step: rule.step });
            from = day.year().saturating_add(rule.step);
        }
    }
    found.push(Years { from: Some(from), until: last, step: rule.step });
    Ok(found)
}

/// Reads a recurrence (RFC 5545 §3.3.10), which must be a yearly one on the day the event starts.
fn rule(property: &Property<'_>) -> Result<Rule, String> {
    let mut rule = Rule { step: 1, count: None, until: None, month: None, day: None, line: property.line };
    let mut is_yearly = false;
    for part in property.value.trim().split(';').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let number = |most: i16| value.parse::<i16>().ok().filter(|number| (1..=most).contains(number));
        let is_read = match key.to_ascii_uppercase().as_str() {
            "FREQ" => {
                is_yearly = value.eq_ignore_ascii_case("YEARLY");
                is_yearly
            }
            "INTERVAL" => number(1_000).is_some_and(|step| {
                rule.step = step;
                true
            }),
            "COUNT" => {
                rule.count = number(1_000);
                rule.count.is_some()
            }
            "UNTIL" => {
                rule.until = date(value.get(..8).unwrap_or_default());
                rule.until.is_some()
            }
            "BYMONTH" => {
                rule.month = number(12).map(|month| month as i8);
                rule.month.is_some()
            }
            "BYMONTHDAY" => {
                rule.day = number(31).map(|day| day as i8);
                rule.day.is_some()
            }
            // The first day of a week matters only to weeks.
            "WKST" => true,
            _ => false,
        };
        if !is_read {
            return Err(format!("The recurrence `{part}` cannot be read: only `FREQ=YEARLY` on one date"));
        }
    }
    is_yearly.then_some(rule).ok_or_else(|| "The recurrence has no `FREQ=YEARLY`".to_owned())
}

/// Joins lines that were folded (RFC 5545 §3.1), each with the number of its first.
fn unfold(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    for (place, line) in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        match (line.strip_prefix([' ', '\t']), found.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ => found.push((place as u32 + 1, line.to_owned())),
        }
    }
    found
}

/// Takes a content line apart; a colon in a quoted parameter does not end the parameters.
fn property(line: u32, content: &str) -> Option<Property<'_>> {
    let mut is_quoted = false;
    let colon = content.find(|character| {
        is_quoted ^= character == '"';
        character == ':' && !is_quoted
    })?;
    let (head, value) = (&content[..colon], &content[colon + 1..]);
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name.then(|| Property { line, name: name.to_ascii_uppercase(), parameters, value })
}

fn date(text: &str) -> Option<Date> {
    let is_date = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_date.then(|| Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok())?
}

/// Reads a text (RFC 5545 §3.3.11) as one line.
fn unescaped(text: &str) -> String {
    let mut found = String::new();
    let mut letters = text.trim().chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') | None => found.push(' '),
                Some(other) => found.push(other),
            },
            other if other.is_control() => found.push(' '),
            other => found.push(other),
        }
    }
    found.chars().take(NAME_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests;
