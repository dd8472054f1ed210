//! What came in by a bank's statement: a CSV file as banks export them, or ISO 20022 camt.053. Told apart by content.
//!
//! A file is read whole or not at all, with every problem at its place. Only booked money that came in is a line; what went
//! out, is not booked yet or was taken back is counted and left alone.

mod camt;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::domain::bank::{BankLine, sealed};
use crate::domain::date::Date;
use crate::domain::money::Currency;
use crate::domain::problem::{Place, Problem};
use crate::source::csv::guess::{Decided, Guess, Question, guess};
use crate::source::csv::{ColumnName, CsvTable, DateFormat, DecimalMark, Encoding, ThousandsMark, bank};
use crate::source::field::Kind;

/// The most lines of money that came in that a file may have.
pub const LINES_MAX: usize = 200_000;

/// The most bytes of what a payer wrote.
pub const REFERENCE_BYTES_MAX: usize = 4_096;

/// How the bank's CSV files are written, as far as config.yaml says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankFormat {
    /// The form of dates, as config.yaml writes it.
    pub dates: Option<String>,
    /// What separates whole part and fraction of amounts.
    pub decimal: Option<DecimalMark>,
    /// What stands between the thousands of amounts.
    pub thousands: Option<ThousandsMark>,
    /// What separates cells.
    pub delimiter: Option<u8>,
    /// How letters are written.
    pub encoding: Option<Encoding>,
    /// Which column holds which field.
    pub columns: Vec<ColumnName>,
}

/// What a bank's file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankFile {
    /// The money that came in, in the order of the file.
    pub lines: Vec<BankLine>,
    /// How many lines say that money went out, or nothing of money.
    pub outgoing_count: usize,
    /// How many lines are not booked yet.
    pub pending_count: usize,
    /// How many lines take something back: a payment returned, or a refund of what was paid.
    pub reversal_count: usize,
    /// How the file was read where nobody has said how, in words; empty where there was nothing to find out.
    pub notes: Vec<String>,
}

impl BankFile {
    /// Takes lines with the bank's own references, and gives them their ids.
    pub(crate) fn take(&mut self, lines: Vec<(BankLine, String)>) {
        self.lines = sealed(lines);
    }
}

/// Reads a bank's file. `currency` is that of lines that name none; `as_of` the day that relative dates count from.
///
/// # Errors
/// Every problem of the file, or what config.yaml has to say about it first.
pub fn read(path: &Path, format: &BankFormat, currency: Currency, as_of: Date) -> Result<BankFile, Vec<Problem>> {
    let name: Arc<str> = path.to_string_lossy().into();
    if is_xml(path, &name)? {
        return camt::read(path, name);
    }
    let (table, notes) = table(path, format)?;
    let mut file = bank::read_bank(&table, currency, as_of)?;
    file.notes = notes;
    Ok(file)
}

/// Returns whether a file begins as XML does.
fn is_xml(path: &Path, name: &Arc<str>) -> Result<bool, Vec<Problem>> {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut first));
    read.map_err(|error| vec![unreadable(name, &error)])?;
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first);
    Ok(text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<'))
}

/// Returns the problem of a file that cannot be opened.
pub(crate) fn unreadable(name: &Arc<str>, error: &std::io::Error) -> Problem {
    let hint = "name the file as you would on the command line, and see that you may read it";
    Problem::error(format!("The file cannot be read: {error}")).at(Place::file(name.clone())).hint(hint)
}

/// Returns how a CSV file is written: what config.yaml says, and for the rest what its own headings and values tell.
fn table(path: &Path, format: &BankFormat) -> Result<(CsvTable, Vec<String>), Vec<Problem>> {
    let decided = Decided {
        columns: format.columns.iter().map(|column| (column.field.clone(), column.column.clone())).collect(),
        dates: format.dates.clone(),
        decimal: format.decimal,
    };
    let found = guess(path, Kind::BankLines, &decided)?;
    let problems: Vec<Problem> = found.questions.iter().map(|question| asked(path, question)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let Guess { columns, dates, amounts, delimiter, encoding, lines_before, .. } = found;
    let placed = |(field, column): (String, String)| {
        let place = format.columns.iter().find(|own| own.field == field).and_then(|own| own.place.clone());
        ColumnName { field, column, place }
    };
    let pattern = format.dates.clone().or(dates);
    let mut notes = Vec::new();
    if *format == BankFormat::default() {
        let named = columns.iter().map(|(field, column)| format!("{field}: {column}")).collect::<Vec<_>>().join(", ");
        notes.push(format!("the columns were told from their headings: {named}"));
        notes.extend(pattern.iter().map(|pattern| format!("dates are read as `{pattern}`, amounts as {}", amounts.example())));
    }
    let table = CsvTable {
        dates: pattern.and_then(|pattern| DateFormat::parse(&pattern).ok()).unwrap_or_default(),
        decimal: format.decimal.unwrap_or(amounts.decimal),
        thousands: format.thousands.or(amounts.thousands.filter(|_| format.decimal.is_none_or(|own| own == amounts.decimal))),
        delimiter: Some(format.delimiter.unwrap_or(delimiter)),
        encoding: format.encoding.unwrap_or(encoding),
        columns: columns.into_iter().map(placed).collect(),
        lines_before,
        ..CsvTable::new(path)
    };
    Ok((table, notes))
}

/// Returns what config.yaml has to say before a file can be read.
fn asked(path: &Path, question: &Question) -> Problem {
    let (message, hint) = match question {
        Question::Column { field, meaning, headings } => (
            format!("No heading tells which column holds `{field}`: {meaning}"),
            format!("write `bank: {{ columns: {{ {field}: … }} }}` in config.yaml; the file has {}", headings.join(", ")),
        ),
        Question::Dates { column, cell, patterns } => (
            format!("`{cell}` in `{column}` can be read as {}", patterns.join(" or ")),
            format!("write which: `bank: {{ dates: \"{}\" }}` in config.yaml", patterns.first().copied().unwrap_or_default()),
        ),
        Question::DateForm { column, cell, pattern, patterns } => {
            let quoted: Vec<String> = patterns.iter().map(|pattern| format!("`dates: \"{pattern}\"`")).collect();
            (
                format!("`{cell}` in `{column}` is not `{pattern}`"),
                format!("write {} under `bank` in config.yaml", quoted.join(" or ")),
            )
        }
        Question::Decimal { column, cell } => (
            format!("`{cell}` in `{column}` can be a thousand or one with three decimals"),
            "write which: `bank: { decimal: comma }` or `point` in config.yaml".to_owned(),
        ),
    };
    Problem::error(message).at(Place::file(path.to_string_lossy())).hint(hint)
}

#[cfg(test)]
mod tests;
