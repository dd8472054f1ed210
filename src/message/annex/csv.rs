//! A table as CSV: one as the reader's Excel opens it with a double click, and one for programs.
//!
//! Days are written as `2027-03-08`, which every Excel takes for a date. Texts that a spreadsheet would take for a formula
//! are disarmed. Source: RFC 4180; OWASP, "CSV Injection".

use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO};
use crate::domain::money::plain as plain_amount;
use crate::message::annex::table::{Column, Row, Table};
use crate::message::annex::words::Words;
use crate::template::Reader;

/// Tells Excel that the file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Returns the table in the reader's convention, with headings in their language and, where there is one, a last row with the sum.
pub(crate) fn for_reader(table: &Table, words: &Words, reader: &Reader) -> Vec<u8> {
    let mark = decimal_mark(reader);
    // Where numbers have a comma, Excel parts cells at semicolons.
    let mut writer = Writer { text: BYTE_ORDER_MARK.to_owned(), delimiter: if mark == ',' { ';' } else { ',' }, mark };
    writer.line(Column::ALL.map(|column| words.column(column).to_owned()));
    for row in &table.rows {
        let cells = writer.cells(table, row, words.kind(row.kind));
        writer.line(cells);
    }
    if let Some(open) = table.open {
        let sum = writer.amount(table, open);
        writer.line(Column::ALL.map(|column| match column {
            Column::Kind => words.total.to_owned(),
            Column::Currency => table.currency.to_string(),
            Column::Open => sum.clone(),
            _ => String::new(),
        }));
    }
    writer.text.into_bytes()
}

/// Returns the table for programs: the names of fields as headings, commas, points, and no sum.
pub(crate) fn plain(table: &Table) -> Vec<u8> {
    let mut writer = Writer { text: String::new(), delimiter: ',', mark: '.' };
    writer.line(Column::ALL.map(|column| column.as_str().to_owned()));
    for row in &table.rows {
        let cells = writer.cells(table, row, row.kind.as_str());
        writer.line(cells);
    }
    writer.text.into_bytes()
}

/// Returns what a reader writes before the cents.
fn decimal_mark(reader: &Reader) -> char {
    let half = reader.number(Decimal::new(15, 1));
    half.chars().find(|c| !c.is_numeric()).filter(|mark| ".,".contains(*mark)).unwrap_or('.')
}

/// Returns a text that no spreadsheet takes for a formula: a quote stands before one that begins like it.
///
/// Source: OWASP, "CSV Injection"; the signs in full width count as well.
pub(crate) fn disarmed(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

struct Writer {
    text: String,
    delimiter: char,
    mark: char,
}

impl Writer {
    fn cells(&self, table: &Table, row: &Row, kind: &str) -> [String; Column::ALL.len()] {
        let day = |day: Date| day.strftime(ISO).to_string();
        Column::ALL.map(|column| match column {
            Column::Kind => kind.to_owned(),
            Column::Number => disarmed(&row.number),
            Column::Date => row.date.map_or_else(String::new, day),
            Column::DueOn => row.due_on.map_or_else(String::new, day),
            Column::DaysOverdue => row.days_overdue.map_or_else(String::new, |days| days.to_string()),
            Column::Currency => table.currency.to_string(),
            Column::Total => self.amount(table, row.total),
            Column::Open => row.open.map_or_else(String::new, |open| self.amount(table, open)),
        })
    }

    fn amount(&self, table: &Table, amount: Decimal) -> String {
        plain_amount(amount, table.currency).replace('.', self.mark.encode_utf8(&mut [0; 4]))
    }

    fn line<const COUNT: usize>(&mut self, cells: [String; COUNT]) {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.text.push(self.delimiter);
            }
            match cell.contains([self.delimiter, '"', ';', '\t', '\r', '\n']) {
                true => self.text.push_str(&format!("\"{}\"", cell.replace('"', "\"\""))),
                false => self.text.push_str(cell),
            }
        }
        self.text.push_str("\r\n");
    }
}
