//! Looks at an export nobody has described yet and tells how it is written: delimiter, letters, which column holds what,
//! and the form of its dates and amounts, by its real values.
//!
//! What the values do not settle is a [`Question`], never a guess: `03/04/2026` is the third of April or the fourth of
//! March, and a wrong one is a wrong reminder. Nothing is asked or written here; `engine::init` does that.

mod values;
mod words;

use std::path::Path;
use std::sync::Arc;

use compact_str::CompactString;

use crate::domain::money::Currency;
use crate::domain::problem::{Place, Problem};
use crate::source::csv::fault::Faults;
use crate::source::csv::guess::values::{amounts, dates, looks_like_dates, patterns_of};
use crate::source::csv::guess::words::{folded, headings, recipient_key};
use crate::source::csv::input::{Input, Mark};
use crate::source::csv::record::{COLUMNS_MAX, RecordError, Records};
use crate::source::csv::table::{detect_delimiter, note_broken, settle_delimiter, unreadable};
use crate::source::csv::{AmountFormat, CsvTable, DateFormat, DecimalMark, Encoding};
use crate::source::field::{CONTACTS, Kind, fields};

/// The most rows looked at. Every row is read when the ledger is; a form that a later row does not fit is told then.
pub const ROWS_LOOKED_AT_MAX: usize = 50_000;

/// The most bytes looked at, whatever the number of rows.
pub const BYTES_LOOKED_AT_MAX: u64 = 16 << 20;

/// How far into a bank's file its header is looked for.
const LINES_BEFORE_MAX: usize = 30;

/// What a person has said about a file, which no value can overrule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Field and heading.
    pub columns: Vec<(String, String)>,
    /// The pattern of the dates.
    pub dates: Option<String>,
    /// What stands before the cents.
    pub decimal: Option<DecimalMark>,
}

/// What only a person can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// No heading tells which column holds a field that must be there.
    Column {
        /// The field.
        field: &'static str,
        /// What it means.
        meaning: &'static str,
        /// The columns that nothing else was found in.
        headings: Vec<String>,
    },
    /// Every date can be read in several forms.
    Dates {
        /// The column of `cell`.
        column: String,
        /// A cell that can be read in all of them.
        cell: String,
        /// The forms.
        patterns: Vec<&'static str>,
    },
    /// The form of dates that was said fits no cell of a column that has a date's heading.
    DateForm {
        /// The column.
        column: String,
        /// Its first cell.
        cell: String,
        /// The form that was said.
        pattern: String,
        /// The forms that its cells have.
        patterns: Vec<&'static str>,
    },
    /// The amounts can be whole numbers with marks between the thousands, or have three decimals.
    Decimal {
        /// The column of `cell`.
        column: String,
        /// Such a cell.
        cell: String,
    },
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// What its rows are.
    pub kind: Kind,
    /// Field and heading, in the order of the fields; addresses as `contacts.<recipient key>`.
    pub columns: Vec<(String, String)>,
    /// The headings that nothing was found for.
    pub other_columns: Vec<String>,
    /// The pattern of the dates; `None` where there are none.
    pub dates: Option<String>,
    /// How amounts are written.
    pub amounts: AmountFormat,
    /// What stands between cells.
    pub delimiter: u8,
    /// How letters are written.
    pub encoding: Encoding,
    /// How many lines stand before the header.
    pub lines_before: usize,
    /// The one currency that every row names.
    pub currency: Option<Currency>,
    /// How many rows were looked at.
    pub row_count: usize,
    /// What is worth a look, in sentences.
    pub notes: Vec<String>,
    /// What is open; with one of them the guess is of no use yet.
    pub questions: Vec<Question>,
}

/// The cells of a file, by column.
struct Cells {
    headings: Vec<String>,
    columns: Vec<Vec<CompactString>>,
    row_count: usize,
    delimiter: u8,
    encoding: Encoding,
    lines_before: usize,
    is_whole: bool,
}

impl Cells {
    fn column(&self, heading: &str) -> Option<usize> {
        self.headings.iter().position(|own| own == heading)
    }
}

/// Looks at a file of customers or invoices.
///
/// # Errors
/// It cannot be read, it has no header, or a column that was decided on is not there.
pub fn guess(path: &Path, kind: Kind, decided: &Decided) -> Result<Guess, Vec<Problem>> {
    let cells = match read(path, Encoding::Utf8, kind, decided)? {
        Some(cells) => cells,
        // Windows-1252 gives every byte a letter, so this ends.
        None => read(path, Encoding::Windows1252, kind, decided)?
            .ok_or_else(|| vec![at(path, "The file cannot be read as text", "export it as UTF-8")])?,
    };
    let mut guess = Guess {
        kind,
        columns: Vec::new(),
        other_columns: Vec::new(),
        dates: None,
        amounts: AmountFormat::default(),
        delimiter: cells.delimiter,
        encoding: cells.encoding,
        lines_before: cells.lines_before,
        currency: None,
        row_count: cells.row_count,
        notes: Vec::new(),
        questions: Vec::new(),
    };
    if cells.encoding == Encoding::Windows1252 {
        guess.notes.push(letters_note(&cells));
    }
    if cells.lines_before > 0 {
        guess.notes.push(format!("The columns are named in line {}; what stands before is left alone", cells.lines_before + 1));
    }
    if !cells.is_whole {
        guess.notes.push(format!("Only the first {} rows were looked at; the check reads them all", cells.row_count));
    }
    let problems = undecidable(&cells, kind, decided, path);
    if !problems.is_empty() {
        return Err(problems);
    }
    map(&cells, decided, &mut guess);
    dates(&cells, decided, &mut guess);
    amounts(&cells, decided, &mut guess);
    guess.currency = one_currency(&cells, &guess);
    let is_used = |heading: &&String| !guess.columns.iter().any(|(_, own)| own == *heading);
    guess.other_columns = cells.headings.iter().filter(is_used).filter(|heading| !heading.is_empty()).cloned().collect();
    Ok(guess)
}

fn at(path: &Path, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::error(message).at(Place::file(path.to_string_lossy())).hint(hint)
}

/// Reads header and cells; `None` where a byte is not UTF-8.
fn read(path: &Path, encoding: Encoding, kind: Kind, decided: &Decided) -> Result<Option<Cells>, Vec<Problem>> {
    let settings = CsvTable::new(path);
    let (input, mark) = Input::open(path, encoding).map_err(|error| {
        let problem = unreadable(&settings, &error);
        vec![problem.hint("name the file as you would on the command line, and see that you may read it")]
    })?;
    if mark == Mark::Utf16 {
        return Err(vec![at(path, "The file is UTF-16", "export it as UTF-8; in a spreadsheet: \"CSV UTF-8\"")]);
    }
    match cells(&mut Records::new(input), encoding, kind, decided) {
        Ok(Some(cells)) if cells.headings.len() > COLUMNS_MAX => Err(vec![at(
            path,
            format!("The header has {} columns", cells.headings.len()),
            format!("at most {COLUMNS_MAX} are read"),
        )]),
        Ok(Some(cells)) => Ok(Some(cells)),
        Ok(None) => Err(vec![at(path, "The file is empty", "its first line must name the columns")]),
        Err(RecordError::Encoding { .. }) if encoding == Encoding::Utf8 => Ok(None),
        Err(error) => {
            let mut faults = Faults::new(Arc::clone(&settings.name));
            note_broken(error, &mut faults);
            Err(faults.into_list())
        }
    }
}

fn cells(records: &mut Records<Input>, encoding: Encoding, kind: Kind, decided: &Decided) -> Result<Option<Cells>, RecordError> {
    let lines_before = if kind == Kind::BankLines { lines_before(records.peek()?, decided) } else { 0 };
    records.skip_lines(lines_before)?;
    let delimiter = settle_delimiter(records, None)?;
    let Some(header) = records.next()?.filter(|header| !header.is_blank()) else { return Ok(None) };
    let headings: Vec<String> = (0..header.len()).map(|column| header.cell(column).to_owned()).collect();
    let mut columns = vec![Vec::new(); headings.len()];
    let mut row_count = 0;
    while row_count < ROWS_LOOKED_AT_MAX && records.input().bytes_read < BYTES_LOOKED_AT_MAX {
        let Some(record) = records.next()? else {
            return Ok(Some(Cells { headings, columns, row_count, delimiter, encoding, lines_before, is_whole: true }));
        };
        if record.is_blank() {
            continue;
        }
        for (column, cells) in columns.iter_mut().enumerate() {
            cells.push(CompactString::new(record.cell(column)));
        }
        row_count += 1;
    }
    Ok(Some(Cells { headings, columns, row_count, delimiter, encoding, lines_before, is_whole: false }))
}

/// Returns how many lines stand before a bank's header: many banks put the account and the period there. None where no line near
/// the beginning names a day and an amount, or all columns that were decided on.
fn lines_before(text: &[u8], decided: &Decided) -> usize {
    let is_header = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let cells: Vec<&str> = text.split(char::from(detect_delimiter(line))).map(|cell| cell.trim().trim_matches('"')).collect();
        let is_decided = |field: &str| decided.columns.iter().any(|(own, _)| own == field);
        let names = |field: &str| {
            is_decided(field) || cells.iter().any(|cell| headings(Kind::BankLines, field).contains(&folded(cell).as_str()))
        };
        let has = |(_, heading): &(String, String)| cells.contains(&heading.as_str());
        cells.len() > 2 && decided.columns.iter().all(has) && names("booked_on") && names("amount")
    };
    text.split(|byte| *byte == b'\n').take(LINES_BEFORE_MAX + 1).position(is_header).unwrap_or(0)
}

/// Returns what was decided and cannot be: fields and columns that are not there, a pattern that is none.
fn undecidable(cells: &Cells, kind: Kind, decided: &Decided, path: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (field, heading) in &decided.columns {
        let is_field = fields(kind).iter().any(|spec| spec.name == field && spec.name != CONTACTS);
        let is_contact = kind == Kind::Customers && field.starts_with("contacts.");
        if !is_field && !is_contact {
            let names: Vec<&str> = fields(kind).iter().map(|spec| spec.name).collect();
            let message = format!("`{field}` is no field of {}", kind.key());
            problems.push(at(path, message, format!("the fields are {}", names.join(", "))));
        }
        if cells.column(heading).is_none() {
            let hint = format!("its columns are {}", cells.headings.join(", "));
            problems.push(at(path, format!("The file has no column `{heading}`"), hint));
        }
    }
    if let Some(Err(message)) = decided.dates.as_deref().map(DateFormat::parse) {
        problems.push(at(path, message, "write `%d`, `%m` and `%Y` with what stands between them: `%d/%m/%Y`"));
    }
    problems
}

/// Finds the column of every field, and those with addresses.
fn map(cells: &Cells, decided: &Decided, guess: &mut Guess) {
    let mut taken: Vec<usize> = decided.columns.iter().filter_map(|(_, heading)| cells.column(heading)).collect();
    let folded: Vec<String> = cells.headings.iter().map(|heading| folded(heading)).collect();
    for spec in fields(guess.kind).iter().filter(|spec| spec.name != CONTACTS) {
        if let Some((_, heading)) = decided.columns.iter().find(|(field, _)| field == spec.name) {
            guess.columns.push((spec.name.to_owned(), heading.clone()));
            continue;
        }
        let words = headings(guess.kind, spec.name).iter();
        let candidates = words.filter_map(|word| folded.iter().position(|own| own == word));
        let (mut found, mut unfit) = (None, None);
        for column in candidates.filter(|column| !taken.contains(column)) {
            let (heading, cells) = (&cells.headings[column], &cells.columns[column]);
            match not_a_date(spec.name, cells, decided) {
                None => {
                    found = Some((column, heading));
                    break;
                }
                Some(cell) => {
                    unfit = unfit.or_else(|| date_form(heading, cells, decided));
                    guess.notes.push(format!(
                        "The column `{heading}` was not taken for `{}`: `{cell}` is not a date Dunlin can read",
                        spec.name
                    ));
                }
            }
        }
        match found {
            Some((column, heading)) => {
                taken.push(column);
                guess.columns.push((spec.name.to_owned(), heading.clone()));
            }
            None if spec.required && unfit.is_some() => guess.questions.extend(unfit),
            None if spec.required => {
                guess.questions.push(Question::Column { field: spec.name, meaning: spec.meaning, headings: Vec::new() });
            }
            None => {}
        }
    }
    if guess.kind == Kind::Customers {
        contacts(cells, decided, &taken, guess);
    }
    let free: Vec<String> =
        cells.headings.iter().filter(|heading| !guess.columns.iter().any(|(_, own)| own == *heading)).cloned().collect();
    for question in &mut guess.questions {
        if let Question::Column { headings, .. } = question {
            headings.clone_from(&free);
        }
    }
}

/// Returns a cell that tells that a column of a date's heading holds none.
fn not_a_date<'c>(field: &str, cells: &'c [CompactString], decided: &Decided) -> Option<&'c CompactString> {
    let filled = cells.iter().find(|cell| !cell.is_empty())?;
    (is_date(field) && !looks_like_dates(cells, decided)).then_some(filled)
}

/// Returns the question about a form of dates that was said and fits no cell, where another form does.
fn date_form(heading: &str, cells: &[CompactString], decided: &Decided) -> Option<Question> {
    let pattern = decided.dates.clone()?;
    let cell = cells.iter().find(|cell| !cell.is_empty())?.to_string();
    let patterns = patterns_of(cells);
    (!patterns.is_empty()).then(|| Question::DateForm { column: heading.to_owned(), cell, pattern, patterns })
}

/// Returns whether a field holds a day.
fn is_date(field: &str) -> bool {
    field.ends_with("_on") || field == "hold_until"
}

/// Takes every further column whose cells are addresses for a recipient key.
fn contacts(cells: &Cells, decided: &Decided, taken: &[usize], guess: &mut Guess) {
    let said = decided.columns.iter().filter(|(field, _)| field.starts_with("contacts."));
    guess.columns.extend(said.cloned());
    for (column, heading) in cells.headings.iter().enumerate().filter(|(column, _)| !taken.contains(column)) {
        let mut filled = cells.columns[column].iter().filter(|cell| !cell.is_empty()).peekable();
        if filled.peek().is_none() || !filled.all(|cell| cell.contains('@')) {
            continue;
        }
        let key = recipient_key(heading);
        let mut field = format!("{CONTACTS}.{key}");
        let mut count = 2;
        while guess.columns.iter().any(|(own, _)| *own == field) {
            field = format!("{CONTACTS}.{key}_{count}");
            count += 1;
        }
        guess.columns.push((field, heading.clone()));
    }
    if !guess.columns.iter().any(|(field, _)| field.starts_with("contacts.")) {
        guess.notes.push("No column holds e-mail addresses: every mail will be blocked until one does".to_owned());
    }
}

fn one_currency(cells: &Cells, guess: &Guess) -> Option<Currency> {
    let (_, heading) = guess.columns.iter().find(|(field, _)| field == "currency")?;
    let column = &cells.columns[cells.column(heading)?];
    let first = column.first()?;
    column.iter().all(|cell| cell == first).then(|| Currency::parse(first))?
}

/// Says what a file that is no UTF-8 was taken for, with a cell by which a person sees whether that is right.
fn letters_note(cells: &Cells) -> String {
    let odd = cells.headings.iter().map(String::as_str).chain(cells.columns.iter().flatten().map(CompactString::as_str));
    let example = odd.into_iter().find(|text| !text.is_ascii()).unwrap_or_default();
    format!("The file is not UTF-8; read as Windows-1252 it has `{example}`. If that looks wrong, export it as UTF-8")
}

#[cfg(test)]
mod tests;
