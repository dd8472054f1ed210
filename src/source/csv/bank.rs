//! Bank lines from a CSV file: the rows of a bank's export that say that money came in.

use rust_decimal::Decimal;

use crate::domain::bank::BankLine;
use crate::domain::date::Date;
use crate::domain::money::Currency;
use crate::domain::problem::Problem;
use crate::source::bank::{BankFile, LINES_MAX, REFERENCE_BYTES_MAX};
use crate::source::csv::CsvTable;
use crate::source::csv::fault::Faults;
use crate::source::csv::row::Row;
use crate::source::csv::table::{Table, note_broken};
use crate::source::field::Kind;

/// What banks write for money that comes in, and for money that goes out.
const IN: &[&str] = &["c", "cr", "crdt", "credit", "h", "haben", "+", "in"];
const OUT: &[&str] = &["d", "dr", "dbit", "debit", "s", "soll", "-", "out"];

/// Reads a bank's file; `currency` is that of rows that name none, and `as_of` the day that relative dates count from.
///
/// # Errors
/// Every bad row, and every fault of the header or the mapping.
pub(crate) fn read_bank(settings: &CsvTable, currency: Currency, as_of: Date) -> Result<BankFile, Vec<Problem>> {
    let (table, mut faults) = Table::open(Kind::BankLines, settings);
    let mut file = BankFile::default();
    let mut lines = Vec::new();
    if let Some(mut table) = table {
        rows(&mut table, &mut faults, as_of, |row| {
            if lines.len() == LINES_MAX {
                row.fault(0, format!("The file has more than {LINES_MAX} lines of money that came in"), "split it by days");
                return false;
            }
            match line(row, currency) {
                Some(Some(line)) => lines.push(line),
                Some(None) => file.outgoing_count += 1,
                None => {}
            }
            true
        });
        table.close(&mut faults);
    }
    let problems = faults.into_list();
    file.take(lines);
    if problems.is_empty() { Ok(file) } else { Err(problems) }
}

/// Hands every row of a file to `take`, until it answers that it has enough.
fn rows(table: &mut Table<'_>, faults: &mut Faults, as_of: Date, mut take: impl FnMut(&mut Row<'_, '_>) -> bool) {
    loop {
        let record = match table.records.next() {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => return note_broken(error, faults),
        };
        if !table.layout.fits(&record, faults) {
            continue;
        }
        let mut row = Row { record, layout: &table.layout, settings: table.settings, faults, as_of, is_good: true };
        let goes_on = match record.too_long() {
            None => take(&mut row),
            Some(column) => {
                row.fault(column, "This cell is too long", "a quote may be missing its partner");
                true
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// Reads a row: a line and the bank's own reference of it, nothing where no money came in; `None` where it has faults.
fn line(row: &mut Row<'_, '_>, currency: Currency) -> Option<Option<(BankLine, String)>> {
    let layout = row.layout;
    let [Some(booked_on), Some(amount)] = ["booked_on", "amount"].map(|field| layout.column(field)) else { return None };
    let column = |field| layout.column(field);
    let currency = row.currency(column("currency"), currency);
    let booked_on = row.required_date(booked_on);
    // Banks with a column for each direction leave one of them empty.
    let amount = row.amount(Some(amount), currency).unwrap_or_default();
    let is_incoming = direction(row, column("direction"));
    let payer = row.text(column("payer")).to_owned();
    let account = crate::matching::account(row.text(column("account")));
    let own = row.text(column("id")).to_owned();
    let texts = [free_text(row, column("reference")), free_text(row, column("end_to_end"))];
    if !row.is_good {
        return None;
    }
    if amount <= Decimal::ZERO || !is_incoming {
        return Some(None);
    }
    let reference = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    Some(Some((BankLine { id: String::new(), booked_on, amount, currency, payer, account, reference }, own)))
}

/// Returns whether a row says that money came in; where no column says, the sign of the amount does.
fn direction(row: &mut Row<'_, '_>, column: Option<usize>) -> bool {
    let Some(column) = column else { return true };
    let word = row.record.cell(column).to_lowercase();
    let is_known = word.is_empty() || IN.contains(&word.as_str()) || OUT.contains(&word.as_str());
    if !is_known {
        let message = format!("`{word}` says neither that money came in nor that it went out");
        row.fault(column, message, "Dunlin reads C, CRDT, H and + as in; D, DBIT, S and - as out");
    }
    !OUT.contains(&word.as_str())
}

/// Returns a cell of free text on one line: banks break it where their own lines end.
fn free_text(row: &mut Row<'_, '_>, column: Option<usize>) -> String {
    let Some(column) = column else { return String::new() };
    let cell = row.record.cell(column);
    if cell.len() > REFERENCE_BYTES_MAX {
        row.fault(column, "This text is too long", format!("at most {REFERENCE_BYTES_MAX} bytes are read"));
        return String::new();
    }
    one_line(cell)
}

/// Returns a text on one line.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
