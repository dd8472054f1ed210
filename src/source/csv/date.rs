//! Dates in the form a file writes them. Nothing is guessed: 01/02/2026 is what the file's settings say it is.

use std::fmt;

use jiff::fmt::strtime;

use crate::domain::date::{Date, ISO, shifted};
use crate::source::csv::fault::CellFault;

/// The form of a file's dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// `2026-11-21`, a time of day behind it is left out of account.
    Iso,
    /// A pattern whose parts we read ourselves: month and day as numbers, single characters between.
    Numeric { pattern: String, parts: Vec<Part> },
    /// Any other pattern, read by jiff.
    Named { pattern: String },
    /// Whole days from the as-of day: `-37`, `+12`, `0`.
    Relative,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    Day,
    Literal(u8),
}

/// The most days a relative date may be away from the as-of day: a hundred years.
pub const RELATIVE_DAYS_MAX: i32 = 36_500;

impl Default for DateFormat {
    /// Returns the ISO form, `2026-11-21`.
    fn default() -> Self {
        Self(Form::Iso)
    }
}

impl DateFormat {
    /// Reads a `dates:` setting: a strptime pattern such as `%d/%m/%Y`, or the word `relative`.
    ///
    /// `%y` stands for the years 1969 to 2068. Source: POSIX strptime. `relative` is for samples and tests: cells hold
    /// days from the as-of day.
    ///
    /// # Errors
    /// A sentence on what is wrong, where the pattern is unknown or does not name year, month and day.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "relative" {
            return Ok(Self(Form::Relative));
        }
        if text == ISO {
            return Ok(Self(Form::Iso));
        }
        let pattern = text.to_owned();
        // A pattern that does not bring every one of these back has lost the year, the month or the day.
        for day in [Date::constant(2026, 11, 21), Date::constant(2028, 2, 29), Date::constant(1999, 1, 3)] {
            let written = strtime::format(text, day).map_err(|error| format!("`{text}` is no date pattern: {error}"))?;
            if Date::strptime(text, &written).ok() != Some(day) {
                return Err(format!("`{text}` does not name a year, a month and a day"));
            }
        }
        Ok(Self(numeric_parts(text).map_or(Form::Named { pattern: pattern.clone() }, |parts| Form::Numeric { pattern, parts })))
    }

    /// Returns a date in this form, for hints.
    pub fn example(&self) -> String {
        let day = Date::constant(2026, 11, 21);
        match &self.0 {
            Form::Iso => day.to_string(),
            Form::Numeric { pattern, .. } | Form::Named { pattern } => strtime::format(pattern, day).unwrap_or_default(),
            Form::Relative => "-37".to_owned(),
        }
    }

    /// Reads a cell, which is not empty; `as_of` is the day that relative dates count from.
    pub(crate) fn read(&self, cell: &str, as_of: Date) -> Result<Date, CellFault> {
        let date = match &self.0 {
            Form::Iso => read_iso(cell),
            Form::Numeric { parts, .. } => read_parts(cell.as_bytes(), parts),
            Form::Named { pattern } => Date::strptime(pattern, cell).ok(),
            Form::Relative => read_relative(cell, as_of),
        };
        date.ok_or_else(|| self.fault())
    }

    #[cold]
    fn fault(&self) -> CellFault {
        match self.0 {
            Form::Relative => CellFault::new("is not a number of days", "write days from today, such as -37 or +12"),
            _ => CellFault::new(
                format!("is not a date like {}", self.example()),
                format!("correct the cell, or set `dates:` for this file; now it is `{self}`"),
            ),
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Iso => f.write_str(ISO),
            Form::Numeric { pattern, .. } | Form::Named { pattern } => f.write_str(pattern),
            Form::Relative => f.write_str("relative"),
        }
    }
}

fn numeric_parts(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = vec![];
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        parts.push(match byte {
            b'%' => match bytes.next()? {
                b'Y' => Part::Year,
                b'y' => Part::ShortYear,
                b'm' => Part::Month,
                b'd' => Part::Day,
                _ => return None,
            },
            b'-' | b'/' | b'.' | b',' => Part::Literal(byte),
            _ => return None,
        });
    }
    Some(parts)
}

/// Reads a whole cell. Months and days may have one digit, but not where another number stands right beside them.
fn read_parts(mut cell: &[u8], parts: &[Part]) -> Option<Date> {
    let (mut year, mut month, mut day) = (0, 0, 0);
    for (index, part) in parts.iter().enumerate() {
        let is_number = |part: Option<&Part>| part.is_some_and(|part| !matches!(part, Part::Literal(_)));
        let is_fixed = is_number(parts.get(index + 1)) || index > 0 && is_number(parts.get(index - 1));
        match part {
            Part::Year => year = take_digits(&mut cell, 4, 4)?,
            Part::ShortYear => {
                let short = take_digits(&mut cell, 2, 2)?;
                year = if short >= 69 { 1900 + short } else { 2000 + short };
            }
            Part::Month => month = take_digits(&mut cell, if is_fixed { 2 } else { 1 }, 2)?,
            Part::Day => day = take_digits(&mut cell, if is_fixed { 2 } else { 1 }, 2)?,
            Part::Literal(byte) => cell = cell.strip_prefix(&[*byte])?,
        }
    }
    if cell.is_empty() { Date::new(year, month as i8, day as i8).ok() } else { None }
}

fn take_digits(cell: &mut &[u8], least: usize, most: usize) -> Option<i16> {
    let count = cell.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = cell.split_at(count);
    *cell = rest;
    (count >= least).then(|| digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
}

fn read_iso(cell: &str) -> Option<Date> {
    let (day, rest) = cell.as_bytes().split_at_checked(10)?;
    let number = |range: std::ops::Range<usize>| {
        let digits = &day[range];
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
    };
    if day[4] != b'-' || day[7] != b'-' || !is_time_of_day(rest) {
        return None;
    }
    Date::new(number(0..4)?, number(5..7)? as i8, number(8..10)? as i8).ok()
}

/// Returns whether `text` is empty or a time without a zone, as databases write behind a date. With a zone the
/// day would depend on who asks, so that is refused.
fn is_time_of_day(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b'T' | b' ', time @ ..] => {
            time.len() >= 5 && time.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
        }
        _ => false,
    }
}

fn read_relative(cell: &str, as_of: Date) -> Option<Date> {
    let days: i32 = cell.parse().ok()?;
    (-RELATIVE_DAYS_MAX..=RELATIVE_DAYS_MAX).contains(&days).then(|| shifted(as_of, days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_cell_is_read_in_the_files_form_or_refused() {
        for (format, cell, expected) in [
            (ISO, "2028-02-29", Some(date(2028, 2, 29))),
            (ISO, "2026-01-02T00:00:00", Some(date(2026, 1, 2))),
            (ISO, "2026-01-02 23:59:59.999", Some(date(2026, 1, 2))),
            (ISO, "2026-01-02T00:00:00Z", None),
            (ISO, "2026-01-02x", None),
            (ISO, "2026-02-29", None),
            (ISO, "2026-1-2", None),
            (ISO, "02/01/2026", None),
            (ISO, "２０２６-01-02", None),
            ("%d/%m/%Y", "21/11/2026", Some(date(2026, 11, 21))),
            ("%d/%m/%Y", "1/2/2026", Some(date(2026, 2, 1))),
            ("%d/%m/%Y", "11/21/2026", None),
            ("%d/%m/%Y", "21/11/26", None),
            ("%d/%m/%Y", "21/11/20261", None),
            ("%m/%d/%Y", "1/2/2026", Some(date(2026, 1, 2))),
            ("%d.%m.%y", "31.12.68", Some(date(2068, 12, 31))),
            ("%d.%m.%y", "01.01.69", Some(date(1969, 1, 1))),
            ("%Y%m%d", "20261121", Some(date(2026, 11, 21))),
            ("%Y%m%d", "2026112", None),
            ("%d-%b-%Y", "21-Nov-2026", Some(date(2026, 11, 21))),
            ("%d-%b-%Y", "21-11-2026", None),
            ("relative", "-37", Some(date(2026, 10, 15))),
            ("relative", "+12", Some(date(2026, 12, 3))),
            ("relative", "0", Some(date(2026, 11, 21))),
            ("relative", "36501", None),
            ("relative", "2026-11-21", None),
        ] {
            let read = DateFormat::parse(format).unwrap().read(cell, date(2026, 11, 21));
            assert_eq!(read.ok(), expected, "{format} {cell}");
        }
    }

    #[test]
    fn our_reader_of_numbers_agrees_with_jiff() {
        for pattern in ["%d/%m/%Y", "%m-%d-%Y", "%d.%m.%y", "%Y/%m/%d"] {
            let format = DateFormat::parse(pattern).unwrap();
            assert!(matches!(format.0, Form::Numeric { .. }), "{pattern}");
            for day in date(1999, 12, 25).series(jiff::Span::new().days(1)).take(900) {
                let written = strtime::format(pattern, day).unwrap();
                assert_eq!(format.read(&written, day).ok(), Some(day), "{pattern} {written}");
            }
        }
    }

    #[test]
    fn a_pattern_must_name_a_whole_date() {
        for bad in ["", "%d/%m", "%Y-%m", "%H:%M", "%q", "%", "dd/mm/yyyy", "%d/%d/%Y"] {
            assert!(DateFormat::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(DateFormat::parse("%Y-%m-%d"), Ok(DateFormat::default()));
    }
}
