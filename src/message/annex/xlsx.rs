//! A table as an Excel workbook: numbers that are numbers, days that are days, headings in the reader's language.
//!
//! A text is written as a text, never read as a formula. Nothing in it comes from a clock: the same table gives the same bytes.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError};

use crate::domain::date::Date;
use crate::message::annex::table::{Column, Table};
use crate::message::annex::words::Words;

/// The year from which Excel knows days.
const YEAR_MIN: i16 = 1900;

/// Returns the workbook, made on `day` by its own account; the sheet is called `title`.
pub(crate) fn workbook(table: &Table, words: &Words, title: &str, day: Date) -> Result<Vec<u8>, String> {
    written(table, words, title, day).map_err(|error| format!("the workbook of the items cannot be made: {error}"))
}

fn written(table: &Table, words: &Words, title: &str, day: Date) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let made_on = excel_day(day).unwrap_or(ExcelDateTime::from_ymd(2000, 1, 1)?);
    workbook.set_properties(&DocProperties::new().set_title(title).set_creation_datetime(&made_on));
    let looks = Looks::of(table);
    let sheet = workbook.add_worksheet();
    // Excel takes 31 characters.
    sheet.set_name(title.chars().take(31).collect::<String>())?;
    for (place, column) in (0..).zip(Column::ALL) {
        sheet.write_string_with_format(0, place, words.column(column), &looks.heading)?;
        sheet.set_column_width(place, width(column))?;
    }
    let mut line = 0;
    for row in &table.rows {
        line += 1;
        for (place, column) in (0..).zip(Column::ALL) {
            match column {
                Column::Kind => text(sheet, line, place, words.kind(row.kind), &looks.text)?,
                Column::Number => text(sheet, line, place, &row.number, &looks.text)?,
                Column::Date => self::day(sheet, line, place, row.date, &looks)?,
                Column::DueOn => self::day(sheet, line, place, row.due_on, &looks)?,
                Column::DaysOverdue => {
                    if let Some(days) = row.days_overdue {
                        sheet.write_number_with_format(line, place, days, &looks.whole)?;
                    }
                }
                Column::Currency => text(sheet, line, place, table.currency.as_str(), &looks.text)?,
                Column::Total => amount(sheet, line, place, row.total, &looks.amount)?,
                Column::Open => {
                    if let Some(open) = row.open {
                        amount(sheet, line, place, open, &looks.amount)?;
                    }
                }
            }
        }
    }
    if let Some(open) = table.open {
        let last = line + 1;
        for (place, column) in (0..).zip(Column::ALL) {
            match column {
                Column::Kind => text(sheet, last, place, words.total, &looks.sum_text)?,
                Column::Currency => text(sheet, last, place, table.currency.as_str(), &looks.sum_text)?,
                Column::Open => amount(sheet, last, place, open, &looks.sum)?,
                _ => text(sheet, last, place, "", &looks.sum_text)?,
            }
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    sheet.set_landscape();
    sheet.set_print_fit_to_pages(1, 0);
    workbook.save_to_buffer()
}

/// How the cells look.
struct Looks {
    heading: Format,
    text: Format,
    day: Format,
    whole: Format,
    amount: Format,
    sum: Format,
    sum_text: Format,
}

impl Looks {
    fn of(table: &Table) -> Self {
        // Format 14 is the short date of whoever opens it; a number's marks are theirs too.
        let cents = "0".repeat(table.currency.minor_digits() as usize);
        let number = if cents.is_empty() { "#,##0".to_owned() } else { format!("#,##0.{cents}") };
        let sum = Format::new().set_bold().set_border_top(FormatBorder::Thin);
        Self {
            heading: Format::new().set_bold().set_border_bottom(FormatBorder::Thin).set_text_wrap().set_align(FormatAlign::Top),
            text: Format::new(),
            day: Format::new().set_num_format_index(14),
            whole: Format::new().set_num_format("0"),
            amount: Format::new().set_num_format(&number),
            sum: sum.clone().set_num_format(&number),
            sum_text: sum,
        }
    }
}

fn text(sheet: &mut Worksheet, line: u32, place: u16, text: &str, look: &Format) -> Result<(), XlsxError> {
    sheet.write_string_with_format(line, place, text, look).map(|_| ())
}

fn day(sheet: &mut Worksheet, line: u32, place: u16, day: Option<Date>, looks: &Looks) -> Result<(), XlsxError> {
    let Some(day) = day else { return Ok(()) };
    match excel_day(day) {
        Some(known) => sheet.write_datetime_with_format(line, place, &known, &looks.day).map(|_| ()),
        None => text(sheet, line, place, &day.to_string(), &looks.text),
    }
}

fn excel_day(day: Date) -> Option<ExcelDateTime> {
    let year = u16::try_from(day.year()).ok().filter(|_| day.year() >= YEAR_MIN)?;
    ExcelDateTime::from_ymd(year, day.month().unsigned_abs(), day.day().unsigned_abs()).ok()
}

/// Writes an amount as a number; one with more digits than Excel's numbers hold, as a text.
fn amount(sheet: &mut Worksheet, line: u32, place: u16, amount: Decimal, look: &Format) -> Result<(), XlsxError> {
    // Excel's numbers are floats of 15 digits; nothing is counted with them here, and what would lose a digit is no number.
    let number = amount.to_f64().filter(|number| number.to_string().parse() == Ok(amount.normalize()));
    match number {
        Some(number) => sheet.write_number_with_format(line, place, number, look).map(|_| ()),
        None => text(sheet, line, place, &amount.to_string(), look),
    }
}

/// Returns the width of a column in characters.
fn width(column: Column) -> f64 {
    match column {
        Column::Number => 22.0,
        Column::Kind | Column::Date | Column::DueOn | Column::Total | Column::Open => 14.0,
        Column::DaysOverdue | Column::Currency => 10.0,
    }
}
