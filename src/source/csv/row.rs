//! One row: cells turned into values, each fault noted at its cell, the others still read.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::customer::Contacts;
use crate::domain::date::Date;
use crate::domain::id::Language;
use crate::domain::mailbox::is_address;
use crate::domain::money::Currency;
use crate::source::csv::CsvTable;
use crate::source::csv::amount::AmountFormat;
use crate::source::csv::fault::{Faults, quoted};
use crate::source::csv::layout::Layout;
use crate::source::csv::record::Record;

/// The most bytes of an id, a number, a name, a tag or a reference.
pub const KEY_BYTES_MAX: usize = 255;

/// The most tags of a customer.
pub const TAGS_MAX: usize = 64;

/// The most addresses in one cell.
pub const ADDRESSES_MAX: usize = 50;

/// A row and what is needed to read its cells.
#[derive(Debug)]
pub(crate) struct Row<'r, 'f> {
    pub record: Record<'r>,
    pub layout: &'f Layout,
    pub settings: &'f CsvTable,
    pub faults: &'f mut Faults,
    pub as_of: Date,
    /// Whether no cell had a fault so far.
    pub is_good: bool,
}

impl<'r> Row<'r, '_> {
    /// Notes a fault of a cell.
    #[cold]
    pub(crate) fn fault(&mut self, column: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.cell(&self.record, column, message, hint);
        self.is_good = false;
    }

    /// Notes that the cell's value "is not so", as the end of a sentence.
    #[cold]
    fn value_fault(&mut self, column: usize, why: &str, hint: &str) {
        let message = format!("{} in column {} {why}", quoted(self.record.cell(column)), quoted(&self.layout.names[column]));
        self.fault(column, message, hint);
    }

    /// Returns a cell of free text; empty where nothing is mapped.
    pub(crate) fn text(&mut self, column: Option<usize>) -> &'r str {
        let Some(column) = column else { return "" };
        let text = self.record.cell(column);
        if text.len() > KEY_BYTES_MAX {
            self.value_fault(column, "is too long", &format!("write at most {KEY_BYTES_MAX} bytes"));
        } else if text.bytes().fold(false, |has, byte| has | byte.is_ascii_control()) {
            // A line break in a name would become one in a mail's subject.
            self.value_fault(column, "has a line break or control character", "take it out");
        }
        text
    }

    /// Returns a cell of text that must not be empty.
    pub(crate) fn required(&mut self, column: usize) -> &'r str {
        let text = self.text(Some(column));
        if text.is_empty() {
            let message = format!("The column {} is empty in this row", quoted(&self.layout.names[column]));
            self.fault(column, message, "every row needs a value here");
        }
        text
    }

    /// Returns a date, `None` where the cell is empty or wrong.
    pub(crate) fn date(&mut self, column: Option<usize>) -> Option<Date> {
        let column = column?;
        let text = self.record.cell(column);
        if text.is_empty() {
            return None;
        }
        match self.settings.dates.read(text, self.as_of) {
            Ok(date) => Some(date),
            Err(fault) => {
                self.value_fault(column, &fault.why, &fault.hint);
                None
            }
        }
    }

    /// Returns a date that must be there; some day where it is not, since the row is lost then anyway.
    pub(crate) fn required_date(&mut self, column: usize) -> Date {
        if self.record.cell(column).is_empty() {
            self.required(column);
        }
        self.date(Some(column)).unwrap_or(self.as_of)
    }

    /// Returns an amount, `None` where the cell is empty or wrong.
    pub(crate) fn amount(&mut self, column: Option<usize>, currency: Currency) -> Option<Decimal> {
        let column = column?;
        let text = self.record.cell(column);
        if text.is_empty() {
            return None;
        }
        let format = AmountFormat { decimal: self.settings.decimal, thousands: self.settings.thousands };
        match format.read(text, currency.minor_digits()) {
            Ok(amount) => Some(amount),
            Err(fault) => {
                self.value_fault(column, &fault.why, &fault.hint);
                None
            }
        }
    }

    /// Returns an amount that must be there; zero where it is not, since the row is lost then anyway.
    pub(crate) fn required_amount(&mut self, column: usize, currency: Currency) -> Decimal {
        if self.record.cell(column).is_empty() {
            self.required(column);
        }
        self.amount(Some(column), currency).unwrap_or_default()
    }

    /// Returns the currency, `default` where the cell is empty.
    pub(crate) fn currency(&mut self, column: Option<usize>, default: Currency) -> Currency {
        let Some(column) = column else { return default };
        let text = self.record.cell(column);
        if text.is_empty() {
            return default;
        }
        Currency::parse(text).unwrap_or_else(|| {
            self.value_fault(column, "is not a currency", "write the three letters of ISO 4217, such as EUR");
            default
        })
    }

    /// Returns yes or no; no where the cell is empty.
    pub(crate) fn answer(&mut self, column: Option<usize>) -> bool {
        let Some(column) = column else { return false };
        let text = self.record.cell(column);
        let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if text.is_empty() || is_one_of(&["no", "n", "false", "0", "nein", "non"]) {
            return false;
        }
        if !is_one_of(&["yes", "y", "true", "1", "x", "ja", "oui", "si", "sí"]) {
            let hint = "write yes, y, true, 1, x, ja, oui or si; or no, n, false, 0, nein, non or nothing";
            self.value_fault(column, "is neither yes nor no", hint);
        }
        true
    }

    /// Returns the language in lower case: `pt_BR` becomes `pt-br`.
    pub(crate) fn language(&mut self, column: Option<usize>) -> Option<Language> {
        let column = column?;
        let text = self.record.cell(column);
        if text.is_empty() {
            return None;
        }
        let tag = text.to_ascii_lowercase().replace('_', "-");
        let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let mut parts = tag.split('-');
        let is_language = |part: &str| matches!(part.len(), 2 | 3) && part.bytes().all(|byte| byte.is_ascii_lowercase());
        if parts.next().is_some_and(is_language) && parts.all(is_part) && tag.len() <= 35 {
            return Some(Language::new(tag));
        }
        self.value_fault(column, "is not a language tag", "write en, de, pt-br and so on");
        None
    }

    /// Returns the labels in a cell.
    pub(crate) fn tags(&mut self, column: Option<usize>) -> Box<[CompactString]> {
        let text = self.text(column);
        let mut tags = list_for(text, &[';', ',', '|']);
        tags.extend(parts(text, &[';', ',', '|']).map(CompactString::new));
        if let Some(column) = column.filter(|_| tags.len() > TAGS_MAX) {
            self.value_fault(column, "has too many tags", &format!("write at most {TAGS_MAX}"));
        }
        tags.into()
    }

    /// Returns the addresses by role; a role without any is left out.
    pub(crate) fn contacts(&mut self) -> Contacts {
        let layout = self.layout;
        let mut contacts = Contacts::default();
        for (key, column) in &layout.contacts {
            let addresses = parts(self.record.cell(*column), &[';', ',']);
            for wrong in addresses.clone().filter(|address| !is_address(address)) {
                let message = format!("{} in column {} is not an address", quoted(wrong), quoted(&layout.names[*column]));
                self.fault(*column, message, "write name@company.example alone; several are separated by `;`");
            }
            if addresses.clone().count() > ADDRESSES_MAX {
                self.value_fault(*column, "has too many addresses", &format!("write at most {ADDRESSES_MAX}"));
            }
            // A row with a fault is not taken, whatever is noted here.
            contacts.add(key, addresses);
        }
        contacts
    }

    /// Returns the cells nothing is mapped to.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &'r str> {
        let record = self.record;
        self.layout.attributes.iter().map(move |column| record.cell(*column))
    }
}

/// Returns a list with room for the parts of `text`, no more: most cells hold one, and giving room back costs as much as
/// asking for it.
fn list_for(text: &str, separators: &[char]) -> Vec<CompactString> {
    Vec::with_capacity(if text.is_empty() { 0 } else { 1 + text.matches(separators).count() })
}

fn parts<'t>(text: &'t str, separators: &'static [char]) -> impl Iterator<Item = &'t str> + Clone {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty())
}
