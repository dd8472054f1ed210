//! Calendars: what config.yaml says of business days, and the calendar files it names, read to one [`Calendar`].
//!
//! A file's text in, holidays or all its problems out. It opens no file: the rulebook reads those that are named here.

pub(crate) mod keys;

use compact_str::CompactString;
use jiff::civil::Weekday;

use crate::domain::date::Date;
use crate::domain::problem::{Place, Problem};
use crate::rulebook::TextFile;
use crate::schedule::{Calendar, HOLIDAYS_MAX, Holiday, HolidayDay, Years, read_ics};
use crate::yaml::{Fields, Node, Problems, choice, list, one_or_list, parse, text, whole};

/// The most calendar files.
pub const CALENDAR_FILES_MAX: usize = 20;
/// The longest name of a holiday, in characters.
const NAME_CHARACTERS_MAX: usize = 200;
/// The farthest from Easter Sunday that stays in its year, before and after it.
const EASTER_BEFORE_MAX: i32 = 80;
const EASTER_AFTER_MAX: i32 = 250;
/// The days of a week as `calendar.weekend` names them.
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// What stands under `calendar:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarSettings {
    /// The days of the weekend; Saturday and Sunday where it is not said.
    pub weekend: Vec<Weekday>,
    /// The calendar files, relative to the workspace and within it.
    pub holidays: Vec<CompactString>,
    /// Where config.yaml says so.
    pub place: Place,
}

/// A calendar, and which of its files will need new dates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadCalendar {
    /// The business days.
    pub calendar: Calendar,
    /// The files that hold single dates alone, each with its last.
    pub last_dates: Vec<(std::sync::Arc<str>, Date)>,
}

impl CalendarSettings {
    /// Reads the calendar files that [`CalendarSettings::holidays`] names. A file that is missing among `files` has been told of.
    ///
    /// # Errors
    /// Every problem of every file, or that no business day is left.
    pub fn read(&self, files: &[TextFile]) -> Result<ReadCalendar, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut holidays = Vec::new();
        let mut last_dates = Vec::new();
        for file in files {
            let (found, faults) = if file.path.ends_with(".ics") { ics_file(file) } else { yaml_file(file) };
            problems.extend(faults);
            let dates = found.iter().map(|holiday| match holiday.day {
                HolidayDay::On(date) => Some(date),
                HolidayDay::Every { .. } | HolidayDay::Easter { .. } => None,
            });
            // A file in which anything comes again does not run out.
            let last = dates.collect::<Option<Vec<Date>>>().and_then(|dates| dates.into_iter().max());
            last_dates.extend(last.map(|last| (file.path.clone(), last)));
            holidays.extend(found);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let calendar = Calendar::new(&self.weekend, holidays).map_err(|fault| {
            let hint = "shorten `weekend`, or take days out of the calendar files";
            vec![Problem::error(fault.to_string()).at(self.place.clone()).hint(hint)]
        })?;
        Ok(ReadCalendar { calendar, last_dates })
    }
}

/// Reads `calendar:` of config.yaml.
pub(crate) fn calendar(node: &Node, problems: &mut Problems<'_>) -> Option<CalendarSettings> {
    let mut fields = Fields::open(node, "a calendar", problems)?;
    let weekend = fields.optional("weekend", problems, list(choice(&WEEKDAYS)));
    let holidays = fields.optional("holidays", problems, one_or_list(file_path)).unwrap_or_default();
    if holidays.len() > CALENDAR_FILES_MAX {
        let span = fields.key_span("holidays").unwrap_or(node.span);
        problems.error_hint(span, format!("A calendar has at most {CALENDAR_FILES_MAX} files"), "join some of them");
    }
    fields.close(problems);
    let weekend = weekend.unwrap_or_else(|| vec![Weekday::Saturday, Weekday::Sunday]);
    Some(CalendarSettings { weekend, holidays, place: problems.place(node.span) })
}

fn file_path(node: &Node, problems: &mut Problems<'_>) -> Option<CompactString> {
    let written = text(node, problems)?;
    let is_inside =
        !written.starts_with('/') && !written.contains('\\') && written.split('/').all(|part| part != ".." && !part.is_empty());
    if !is_inside {
        problems.error_hint(
            node.span,
            format!("`{written}` is not a file of the workspace"),
            "write a path such as `calendars/de.yaml`",
        );
    } else if !written.ends_with(".yaml") && !written.ends_with(".ics") {
        problems.error_hint(node.span, format!("`{written}` is not a calendar file"), "a calendar ends in .yaml or .ics");
    } else {
        return Some(CompactString::new(written));
    }
    None
}

fn ics_file(file: &TextFile) -> (Vec<Holiday>, Vec<Problem>) {
    let (holidays, faults) = read_ics(&file.text);
    let problem = |fault: crate::schedule::IcsFault| {
        let width = file.text.lines().nth(fault.line as usize - 1).map_or(1, |line| line.chars().count() as u32);
        let place = Place::within(file.path.clone(), &file.text, fault.line, 1, width);
        Problem::error(fault.message).at(place).hint(fault.hint)
    };
    (holidays, faults.into_iter().map(problem).collect())
}

fn yaml_file(file: &TextFile) -> (Vec<Holiday>, Vec<Problem>) {
    let mut problems = Problems::new(file.path.clone(), &file.text);
    let found = match parse(&file.path, &file.text) {
        Ok(root) => holidays(&root, &mut problems),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    (found.unwrap_or_default(), problems.into_list())
}

fn holidays(root: &Node, problems: &mut Problems<'_>) -> Option<Vec<Holiday>> {
    let mut fields = Fields::open(root, "a calendar file", problems)?;
    fields.optional("name", problems, text);
    let found = fields.required("holidays", problems, list(holiday));
    fields.close(problems);
    let found = found?;
    if found.len() > HOLIDAYS_MAX {
        problems.error_hint(root.span, format!("A calendar has at most {HOLIDAYS_MAX} holidays"), "keep the years that matter");
    }
    Some(found)
}

/// Reads `{ date: 2026-05-14, name: … }`, `{ every: 12-25, name: … }` or `{ easter: 1, name: … }`.
fn holiday(node: &Node, problems: &mut Problems<'_>) -> Option<Holiday> {
    let mut fields = Fields::open(node, "a holiday", problems)?;
    let date = fields.optional("date", problems, date);
    let every = fields.optional("every", problems, month_and_day);
    let easter = fields.optional("easter", problems, easter_offset);
    let name = fields.required("name", problems, name);
    let year = whole(1, 9_999);
    let from = fields.optional("from", problems, &year).map(|year| year as i16);
    let until = fields.optional("until", problems, &year).map(|year| year as i16);
    let forms = ["date", "every", "easter"].iter().filter(|key| fields.key_span(key).is_some()).count();
    if forms != 1 {
        let hint = "`date: 2027-05-06` once, `every: 12-25` each year, `easter: 1` the day after Easter Sunday";
        problems.error_hint(node.span, "A holiday has one of `date`, `every` and `easter`", hint);
    }
    for key in ["from", "until"] {
        if let (Some(_), Some(span)) = (fields.key_span("date"), fields.key_span(key)) {
            problems.error_hint(span, format!("`{key}` says nothing of a single date"), "remove it");
        }
    }
    if let (Some(first), Some(last), Some(span)) = (from, until, fields.key_span("until"))
        && first > last
    {
        problems.error_hint(span, format!("`until: {last}` lies before `from: {first}`"), "swap the two");
    }
    fields.close(problems);
    let years = Years { from, until, step: 1 };
    let day = match (date, every, easter) {
        (Some(date), _, _) => HolidayDay::On(date),
        (None, Some((month, day)), _) => HolidayDay::Every { month, day, years },
        (None, None, Some(offset)) => HolidayDay::Easter { offset, years },
        (None, None, None) => return None,
    };
    Some(Holiday { day, name: name? })
}

fn date(node: &Node, problems: &mut Problems<'_>) -> Option<Date> {
    let written = text(node, problems)?;
    let found = (written.len() == 10).then(|| written.parse().ok()).flatten();
    if found.is_none() {
        problems.error_hint(node.span, format!("`{written}` is not a date"), "write year, month and day: 2027-05-06");
    }
    found
}

fn month_and_day(node: &Node, problems: &mut Problems<'_>) -> Option<(i8, i8)> {
    let written = text(node, problems)?;
    // 2000 is a leap year, so 29 February counts.
    let found: Option<Date> = (written.len() == 5).then(|| format!("2000-{written}").parse().ok()).flatten();
    if found.is_none() {
        problems.error_hint(node.span, format!("`{written}` is not a day of the year"), "write month and day: 12-25");
    }
    found.map(|date| (date.month(), date.day()))
}

fn easter_offset(node: &Node, problems: &mut Problems<'_>) -> Option<i32> {
    let written = text(node, problems)?;
    let found = written.parse().ok().filter(|offset| (-EASTER_BEFORE_MAX..=EASTER_AFTER_MAX).contains(offset));
    if found.is_none() {
        let hint = "write the days from Easter Sunday: -2 is Good Friday, 1 Easter Monday";
        problems.error_hint(node.span, format!("`{written}` is not a number of days from Easter"), hint);
    }
    found
}

fn name(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let written = text(node, problems)?;
    let is_right =
        !written.trim().is_empty() && written.chars().count() <= NAME_CHARACTERS_MAX && !written.chars().any(char::is_control);
    if !is_right {
        problems.error_hint(node.span, "The name of a holiday is empty, too long or of several lines", "write it in one line");
    }
    is_right.then_some(written)
}

#[cfg(test)]
mod tests;
