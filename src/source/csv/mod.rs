//! A ledger from CSV files: customers, invoices, credit notes and payments, as a company's bookkeeping exports them.
//!
//! Rows go straight from the read buffer into the ledger, so that a million of them never lie in memory as text. Every
//! bad row is found in one reading, with its line and column; a ledger with a bad row is not given out.
//!
//! Neighbours: `layout` holds the header against the mapping, `record` cuts lines into cells, `date` and `amount` read
//! cells, `row` rows, `load` puts rows into the ledger, `bank` reads a bank's; `guess` tells the settings of a file that has none yet.

pub mod amount;
pub(crate) mod bank;
pub mod date;
mod fault;
pub mod guess;
mod input;
mod layout;
mod load;
mod record;
mod row;
mod table;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use compact_str::CompactString;

use crate::domain::date::{Date, Timestamp};
use crate::domain::ledger::Ledger;
use crate::domain::money::Currency;
use crate::domain::problem::{Place, Problem};
use crate::port::LedgerSource;
pub use crate::source::csv::amount::{AmountFormat, DecimalMark, ThousandsMark};
pub use crate::source::csv::date::DateFormat;
pub use crate::source::csv::fault::LISTED_MAX;
pub use crate::source::csv::input::Encoding;
pub use crate::source::csv::layout::COLUMN_NAME_BYTES_MAX;
pub use crate::source::csv::load::ROWS_MAX;
pub use crate::source::csv::record::{CELL_BYTES_MAX, COLUMNS_MAX, RECORD_BYTES_MAX};
pub use crate::source::csv::row::{ADDRESSES_MAX, KEY_BYTES_MAX, TAGS_MAX};
use crate::source::csv::table::Table;
use crate::source::field::Kind;

/// The files of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvLedger {
    /// The currency of a row that names none.
    pub currency: Currency,
    /// Without it, customers are made from the ids in the invoices.
    pub customers: Option<CsvTable>,
    /// The invoices.
    pub invoices: CsvTable,
    /// The credit notes, if they have a file of their own.
    pub credit_notes: Option<CsvTable>,
    /// The payments. Not needed where the invoices say what is open.
    pub payments: Option<CsvTable>,
}

/// One file and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvTable {
    /// Where it lies.
    pub path: PathBuf,
    /// Its path as problems show it, relative to the workspace.
    pub name: Arc<str>,
    /// The form of its dates.
    pub dates: DateFormat,
    /// What separates whole part and fraction of its amounts.
    pub decimal: DecimalMark,
    /// What stands between the thousands of its amounts, if anything.
    pub thousands: Option<ThousandsMark>,
    /// What separates its cells; `None`: the one of `,` `;` tab `|` that the header has most of.
    pub delimiter: Option<u8>,
    /// How it writes letters.
    pub encoding: Encoding,
    /// Which column holds which field. A field not listed is taken from a column that is spelled like it.
    pub columns: Vec<ColumnName>,
    /// How many lines stand before the header.
    pub lines_before: usize,
}

impl CsvTable {
    /// Returns a table with every default, for a file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: path.to_string_lossy().into(),
            path,
            dates: DateFormat::default(),
            decimal: DecimalMark::default(),
            thousands: None,
            delimiter: None,
            encoding: Encoding::default(),
            columns: vec![],
            lines_before: 0,
        }
    }
}

/// One line of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// A name of [`crate::source::field::fields`], or `contacts.` and a recipient key.
    pub field: String,
    /// The column's name in the header.
    pub column: String,
    /// Where the mapping is written, for problems.
    pub place: Option<Place>,
}

/// The columns that Dunlin has no word for: what scripts reach as `customer.attributes` and `invoice.attributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The further columns of the customers' file.
    pub customers: Vec<CompactString>,
    /// The further columns of the invoices' file.
    pub invoices: Vec<CompactString>,
    /// The further columns of the credit notes' file.
    pub credit_notes: Vec<CompactString>,
}

/// When a file was last written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The file's name in problems.
    pub name: Arc<str>,
    /// Its time of last change, as the file system tells it.
    pub changed_at: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Reads a ledger from CSV files.
#[derive(Clone, Debug)]
pub struct CsvSource {
    files: CsvLedger,
    /// Payments that have not come yet.
    expected: Option<CsvTable>,
    as_of: Date,
}

impl CsvSource {
    /// Returns a source over `files`; `as_of` is the day that relative dates count from.
    pub fn new(files: CsvLedger, as_of: Date) -> Self {
        Self { files, expected: None, as_of }
    }

    /// Returns the source with a file of payments that have not come yet, for looking ahead.
    pub fn expecting(self, expected: CsvTable) -> Self {
        Self { expected: Some(expected), ..self }
    }

    /// Returns the further columns of the files without reading their rows.
    ///
    /// # Errors
    /// Every missing file, and every fault of a header or a mapping.
    pub fn header(&self) -> Result<Header, Vec<Problem>> {
        let mut header = Header::default();
        let mut problems = vec![];
        for (kind, file) in self.tables() {
            let (table, faults) = Table::open(kind, file);
            match (table, kind) {
                (Some(table), Kind::Customers) => header.customers = table.layout.attribute_names(),
                (Some(table), Kind::Invoices) => header.invoices = table.layout.attribute_names(),
                (Some(table), Kind::CreditNotes) => header.credit_notes = table.layout.attribute_names(),
                (_, _) => {}
            }
            problems.extend(faults.into_list());
        }
        if problems.is_empty() { Ok(header) } else { Err(problems) }
    }

    /// Returns when each file was last written to, customers first.
    ///
    /// # Errors
    /// Every file that is not there.
    pub fn changes(&self) -> Result<Vec<FileChange>, Vec<Problem>> {
        let (mut changes, mut problems) = (vec![], vec![]);
        for (_, file) in self.tables() {
            let change = fs::metadata(&file.path).and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
            match change.map(|(changed_at, bytes)| Ok((Timestamp::try_from(changed_at)?, bytes))) {
                Ok(Ok((changed_at, bytes))) => changes.push(FileChange { name: file.name.clone(), changed_at, bytes }),
                Ok::<Result<_, jiff::Error>, _>(Err(error)) => problems.push(table::unreadable(file, &error)),
                Err(error) => problems.push(table::unreadable(file, &error)),
            }
        }
        if problems.is_empty() { Ok(changes) } else { Err(problems) }
    }

    fn tables(&self) -> impl Iterator<Item = (Kind, &CsvTable)> {
        let CsvLedger { customers, invoices, credit_notes, payments, .. } = &self.files;
        let tables = [customers.as_ref(), Some(invoices), credit_notes.as_ref(), payments.as_ref()];
        Kind::ALL.into_iter().zip(tables).filter_map(|(kind, table)| Some((kind, table?)))
    }
}

impl LedgerSource for CsvSource {
    fn read(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Ledger, Vec<Problem>> {
        load::read(&self.files, self.expected.as_ref(), self.as_of, progress)
    }
}

#[cfg(test)]
mod tests;
