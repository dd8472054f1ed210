//! Cron expressions: five fields or a nickname, checked field by field so that a fault has its place.
//!
//! croner tells which local times an expression names (docs/decisions/0006); its messages have no position and it lets
//! some mistakes through (`*/70`, `31 2`, a comma too many), so the fields are checked here before it sees them. Time
//! zones and clock changes are none of its business: see `crate::schedule::firing`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::domain::problem::nearest;

/// The longest expression read, in characters.
pub const CRON_CHARACTERS_MAX: usize = 200;

/// The nicknames and what they stand for.
const NICKNAMES: [(&str, &str); 6] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * SUN"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A checked cron expression.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
}

/// What is wrong in an expression, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CronFault {
    /// What is wrong, naming the field.
    pub message: String,
    /// The first character meant, from 1.
    pub column: u32,
    /// How many characters are meant, at least 1.
    pub width: u32,
    /// What to write instead.
    pub hint: String,
}

/// One of the five fields: its name, range and names of values.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    Field { name: "day of week", least: 0, most: 7, names: &WEEKDAYS },
];
const DAY_OF_MONTH: usize = 2;
const MONTH: usize = 3;
const DAY_OF_WEEK: usize = 4;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The longest each month gets, February in a leap year.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads five fields (minute, hour, day of month, month, day of week) or one of `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`.
    ///
    /// A field is `*`, a value, a range `1-5`, a list `1,15`, and steps `*/15` or `8-18/2`; months and days of the week have
    /// names (`JAN`, `MON`). Day of month also knows `L` (last), `LW` (last weekday) and `15W` (weekday nearest to the
    /// 15th); day of week knows `MON#1` (first Monday) and `FRI#L` (last Friday). 0 and 7 are Sunday. When both days are
    /// given, either of them fires the rule; with `+` before the day of week (`13 * +FRI`) both must hold.
    ///
    /// # Errors
    /// The first fault, with its column in `text`.
    pub fn parse(text: &str) -> Result<Self, CronFault> {
        let whole = |message: String, hint: &str| {
            let width = text.chars().count().max(1) as u32;
            CronFault { message, column: 1, width, hint: hint.to_owned() }
        };
        if text.chars().count() > CRON_CHARACTERS_MAX {
            let message = format!("A cron expression has at most {CRON_CHARACTERS_MAX} characters");
            return Err(whole(message, "split it over two rules"));
        }
        let fields = if text.trim_start().starts_with('@') { nickname(text)? } else { text };
        let words = words(fields);
        if words.len() != FIELDS.len() {
            return Err(field_count_fault(text, &words));
        }
        for (index, (column, word)) in words.iter().enumerate() {
            check_field(index, word).map_err(|fault| fault.moved(*column))?;
        }
        check_dates(&words)?;
        let pattern = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .year(croner::parser::Year::Disallowed)
            .build()
            .parse(fields);
        let pattern = pattern.map_err(|error| whole(format!("`{text}` is not a cron expression: {error}"), FORM))?;
        let cron = Self { text: text.to_owned(), pattern };
        // The calendar repeats after 400 years, so one search from any day at all answers for every day.
        match cron.next_after(jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err(whole(format!("`{text}` never fires"), "its day of month and day of week never fall on one date")),
        }
    }

    /// Returns the expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether it fires on every day from Monday to Friday, in some month at least.
    pub fn names_every_workday(&self) -> bool {
        let fields = self.fields();
        let upper = fields[DAY_OF_WEEK].1.to_ascii_uppercase();
        fields[DAY_OF_MONTH].1 == "*" && ["*", "MON-FRI", "1-5"].contains(&upper.as_str())
    }

    /// Returns its minute and hour fields: `0 9`.
    pub fn time_fields(&self) -> String {
        let fields = self.fields();
        format!("{} {}", fields[0].1, fields[1].1)
    }

    /// Returns the five fields, a nickname spelt out; `parse` has seen to it that there are five.
    fn fields(&self) -> Vec<(usize, &str)> {
        let nickname = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(self.text.trim()));
        words(nickname.map_or(&self.text, |(_, fields)| fields))
    }

    /// Returns the first local time after `after` that the expression names, or `None` where there is none within the
    /// calendar.
    ///
    /// Local times know no clock changes: 2:30 is named on every day, whether it comes or not.
    pub fn next_after(&self, after: DateTime) -> Option<DateTime> {
        // Every local time exists once in UTC, so croner's own rules about clock changes never apply.
        let after = after.to_zoned(TimeZone::UTC).ok()?;
        self.pattern.find_next_occurrence(&after, false).ok().map(|found| found.datetime())
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

const FORM: &str = "write minute, hour, day of month, month, day of week: `0 9 * * MON-FRI` is 9:00 on workdays";

impl CronFault {
    fn new(message: String, column: usize, part: &str, hint: impl Into<String>) -> Self {
        Self { message, column: column as u32 + 1, width: part.chars().count().max(1) as u32, hint: hint.into() }
    }

    /// Moves the fault right by `columns`.
    fn moved(mut self, columns: usize) -> Self {
        self.column += columns as u32;
        self
    }
}

/// Returns the words of `text` with the column, from 0, each starts at.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut column = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if !word.is_empty() {
            words.push((column, word));
        }
        column += piece.chars().count();
    }
    words
}

fn nickname(text: &str) -> Result<&'static str, CronFault> {
    let word = text.trim();
    if let Some((_, fields)) = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Ok(fields);
    }
    let names = NICKNAMES.map(|(name, _)| name);
    let hint = match nearest(word, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the nicknames are {}", names.join(", ")),
    };
    let column = text.chars().take_while(|character| character.is_whitespace()).count();
    Err(CronFault::new(format!("`{word}` is not a nickname of a schedule"), column, word, hint))
}

fn field_count_fault(text: &str, words: &[(usize, &str)]) -> CronFault {
    let message = format!("A cron expression has 5 fields, `{text}` has {}", words.len());
    let join = |words: &[(usize, &str)]| words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
    match words {
        [] => CronFault::new("A cron expression is empty".to_owned(), 0, "", FORM),
        [first, rest @ ..] if rest.len() == FIELDS.len() => {
            let hint = format!("a rule has no seconds field: write `{}`", join(rest));
            CronFault::new(message, first.0, first.1, hint)
        }
        [first, rest @ .., _] if rest.len() == FIELDS.len() => {
            let hint = format!("a rule has neither a seconds nor a year field: write `{}`", join(rest));
            CronFault::new(message, first.0, first.1, hint)
        }
        _ => CronFault::new(message, words[0].0, text.trim(), FORM),
    }
}

/// Checks one field; columns of faults count from the field's start.
fn check_field(index: usize, word: &str) -> Result<(), CronFault> {
    let field = &FIELDS[index];
    let list = match word.strip_prefix('+') {
        Some(list) if index == DAY_OF_WEEK && list != "*" => list,
        _ => word,
    };
    let mut column = word.chars().count() - list.chars().count();
    for item in list.split(',') {
        check_item(index, field, item).map_err(|fault| fault.moved(column))?;
        if item == "*" && list != "*" {
            let message = format!("The {} field lists other values beside `*`, which is all of them", field.name);
            return Err(CronFault::new(message, column, item, "write `*` alone, or the other values"));
        }
        column += item.chars().count() + 1;
    }
    Ok(())
}

fn check_item(index: usize, field: &Field, item: &str) -> Result<(), CronFault> {
    let name = field.name;
    if item.is_empty() {
        let message = format!("The {name} field has a comma with nothing beside it");
        return Err(CronFault::new(message, 0, item, "remove the comma"));
    }
    if item.contains('?') {
        let message = format!("The {name} `{item}` is another scheduler's spelling");
        return Err(CronFault::new(message, 0, item, "write `*`"));
    }
    if is_special(index, item) {
        return Ok(());
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last) = check_range(field, item, range)?;
    let Some(step) = step else { return Ok(()) };
    let step_column = range.chars().count() + 1;
    let span = field.most - field.least;
    let Some(step_number) = number(step).filter(|step| *step > 0) else {
        let message = format!("The {name} step `{step}` is not a number from 1");
        return Err(CronFault::new(message, step_column, step, format!("write `{range}/2`, for example")));
    };
    if range == "*" && step_number > span || range != "*" && first < last && step_number > last - first {
        let message = format!("The {name} step `{step}` is larger than the field, so it fires only once in it");
        let hint = format!("write `{first}` if that is meant; a longer interval needs the next field");
        return Err(CronFault::new(message, step_column, step, hint));
    }
    if range != "*" && !range.contains('-') {
        let message = format!("The {name} `{item}` has a step without a range");
        return Err(CronFault::new(message, 0, item, format!("write `{range}-{}/{step}`", field.most)));
    }
    Ok(())
}

/// Returns whether `item` is one of the forms that only the two day fields have.
fn is_special(index: usize, item: &str) -> bool {
    let upper = item.to_ascii_uppercase();
    match index {
        DAY_OF_MONTH => {
            let nearest_weekday = upper.strip_suffix('W').and_then(number);
            upper == "L" || upper == "LW" || nearest_weekday.is_some_and(|day| (1..=31).contains(&day))
        }
        DAY_OF_WEEK => match upper.split_once('#') {
            Some((day, which)) => {
                value(&FIELDS[index], day).is_some()
                    && (which == "L" || number(which).is_some_and(|week| (1..=5).contains(&week)))
            }
            None => upper.strip_suffix('L').is_some_and(|day| value(&FIELDS[index], day).is_some()),
        },
        _ => false,
    }
}

/// Checks `*`, a value or a range of `item`, and returns its ends.
fn check_range(field: &Field, item: &str, range: &str) -> Result<(u32, u32), CronFault> {
    if range == "*" {
        return Ok((field.least, field.most));
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let first_number = value(field, first).ok_or_else(|| value_fault(field, item, first, 0))?;
    let last_column = range.chars().count() - last.chars().count();
    let mut last_number = value(field, last).ok_or_else(|| value_fault(field, item, last, last_column))?;
    // `FRI-SUN` ends on the Sunday after, not before.
    if range.contains('-') && last_number == 0 && field.most == 7 && first_number > 0 {
        last_number = 7;
    }
    if first_number > last_number {
        let message = format!("The {} range `{range}` runs backwards", field.name);
        let hint = format!("write it in two parts: `{first}-{},{}-{last}`", field.most, field.least);
        return Err(CronFault::new(message, 0, range, hint));
    }
    Ok((first_number, last_number))
}

fn value_fault(field: &Field, item: &str, part: &str, column: usize) -> CronFault {
    let Field { name, least, most, names } = field;
    let range = match names.first().zip(names.last()) {
        Some((first, last)) => format!("{least} to {most}, or {first} to {last}"),
        None => format!("{least} to {most}"),
    };
    let upper = part.to_ascii_uppercase();
    let hint = match names.iter().find(|name| upper.starts_with(*name)) {
        Some(short) => format!("write `{short}`"),
        None if item.contains("**") => "write one `*`".to_owned(),
        None => "a field is `*`, a value, a range `1-5`, a list `1,15`, or has steps: `*/15`".to_owned(),
    };
    CronFault::new(format!("The {name} `{part}` is not {range}"), column, part, hint)
}

/// Returns the number `text` stands for in `field`.
fn value(field: &Field, text: &str) -> Option<u32> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|place| place as u32 + field.least);
    named.or_else(|| number(text).filter(|number| (field.least..=field.most).contains(number)))
}

/// Returns up to four digits as a number.
fn number(text: &str) -> Option<u32> {
    (text.len() <= 4 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Refuses dates that no year has, such as 31 February.
fn check_dates(words: &[(usize, &str)]) -> Result<(), CronFault> {
    let ((column, days), (_, months), (_, weekdays)) = (words[DAY_OF_MONTH], words[MONTH], words[DAY_OF_WEEK]);
    // Where a weekday is named too, it fires on those (POSIX: either of the two).
    if weekdays != "*" && !weekdays.starts_with('+') {
        return Ok(());
    }
    let first_day = |item: &str| {
        let start = item.split(['-', '/', 'W', 'w']).next().unwrap_or_default();
        number(start).unwrap_or(1)
    };
    let earliest = days.split(',').map(first_day).min().unwrap_or(1);
    let longest = months.split(',').flat_map(month_range).map(|month| MONTH_DAYS[month as usize - 1]).max().unwrap_or(31);
    if earliest <= longest {
        return Ok(());
    }
    let message = format!("Day of month `{days}` never comes in month `{months}`, which has at most {longest} days");
    Err(CronFault::new(message, column, days, "write `L` for the last day of a month"))
}

/// Returns the months an already checked item takes in, steps left aside.
fn month_range(item: &str) -> std::ops::RangeInclusive<u32> {
    let field = &FIELDS[MONTH];
    let range = item.split('/').next().unwrap_or_default();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    value(field, first).unwrap_or(1)..=value(field, last).unwrap_or(12)
}

#[cfg(test)]
mod tests;
