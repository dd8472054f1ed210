//! The four files put into a ledger, row by row: who refers to whom, and what contradicts it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::customer::Customer;
use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::id::{CustomerId, DocumentNumber};
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger, LedgerBuilder, LedgerError, MissingCustomer};
use crate::domain::money::Currency;
use crate::domain::problem::Problem;
use crate::source::csv::fault::{Faults, quoted};
use crate::source::csv::record::Records;
use crate::source::csv::row::Row;
use crate::source::csv::table::{Table, note_broken};
use crate::source::csv::{CsvLedger, CsvTable};
use crate::source::field::Kind;

/// After how many rows `progress` is called and the references of invoices are checked: few enough to be in the
/// processor's cache, enough to look many up at once.
const ROWS_PER_BLOCK: u32 = 4096;

/// The most rows of one file.
pub const ROWS_MAX: u32 = 20_000_000;

const UNKNOWN_CUSTOMER_HINT: &str = "add the customer, or correct the id";
const UNKNOWN_PARENT_HINT: &str = "add the parent as a customer, correct the id, or leave the cell empty";
const NO_INVOICE_HINT: &str = "add a customers' file to the ledger in config.yaml";
const GROUP_HINT: &str = "a group is one step deep: give every branch the one customer at the head";
const FULL_HINT: &str = "split the ledger";

/// Reads all files, and one of payments that are only `expected`; notes everything wrong with any of them.
pub(crate) fn read(
    files: &CsvLedger,
    expected: Option<&CsvTable>,
    as_of: Date,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Ledger, Vec<Problem>> {
    let mut customers = File::open(Kind::Customers, files.customers.as_ref());
    let mut invoices = File::open(Kind::Invoices, Some(&files.invoices));
    let mut credit_notes = File::open(Kind::CreditNotes, files.credit_notes.as_ref());
    let mut payments = File::open(Kind::Payments, files.payments.as_ref());
    let mut expected = File::open(Kind::Payments, expected);
    let names = |file: &File<'_>| file.table.as_ref().map(|table| table.layout.attribute_names()).unwrap_or_default();
    // The seed is drawn so that nobody can prepare numbers that make the tables slow.
    let builder =
        LedgerBuilder::new(names(&customers), names(&invoices), names(&credit_notes)).with_seed(RandomState::new().hash_one(0));
    let mut loader = Loader {
        builder,
        as_of,
        currency: files.currency,
        customer_lines: Lines::default(),
        parents: Vec::new(),
        document_lines: [Lines::default(), Lines::default()],
        document_files: [
            files.invoices.name.clone(),
            files.credit_notes.as_ref().map(|file| file.name.clone()).unwrap_or_default(),
        ],
        customers_from_invoices: files.customers.is_none(),
        are_customers_whole: true,
        are_invoices_whole: true,
        bytes_done: 0,
        bytes_total: [&customers, &invoices, &credit_notes, &payments, &expected].iter().map(|file| file.bytes()).sum(),
    };
    loader.customers(&mut customers, progress);
    loader.are_customers_whole = customers.faults.is_empty();
    loader.invoices(&mut invoices, progress);
    loader.are_invoices_whole = invoices.faults.is_empty();
    loader.credit_notes(&mut credit_notes, progress);
    loader.payments(&mut payments, LedgerBuilder::add_payment, progress);
    loader.payments(&mut expected, LedgerBuilder::add_expected_payment, progress);
    let problems: Vec<Problem> =
        [customers, invoices, credit_notes, payments, expected].into_iter().flat_map(|file| file.faults.into_list()).collect();
    if problems.is_empty() { Ok(loader.builder.finish()) } else { Err(problems) }
}

/// One of the four files; without a table where there is none, or no header to go by.
struct File<'t> {
    table: Option<Table<'t>>,
    faults: Faults,
}

impl<'t> File<'t> {
    fn open(kind: Kind, settings: Option<&'t CsvTable>) -> Self {
        match settings {
            Some(settings) => {
                let (table, faults) = Table::open(kind, settings);
                Self { table, faults }
            }
            None => Self { table: None, faults: Faults::new("".into()) },
        }
    }

    fn bytes(&self) -> u64 {
        self.table.as_ref().map_or(0, |table| table.records.input().stamp.bytes)
    }
}

/// The line of each row, kept only where it is not the one after the row before.
#[derive(Debug, Default)]
struct Lines {
    jumps: Vec<(u32, u32)>,
    count: u32,
    line: u32,
}

impl Lines {
    fn push(&mut self, line: u32) {
        if line != self.line.saturating_add(1) || self.jumps.is_empty() {
            self.jumps.push((self.count, line));
        }
        self.count += 1;
        self.line = line;
    }

    fn line(&self, row: u32) -> u32 {
        let after = self.jumps.partition_point(|(first, _)| *first <= row);
        after.checked_sub(1).map_or(0, |before| self.jumps[before].1 + (row - self.jumps[before].0))
    }
}

struct Loader {
    builder: LedgerBuilder,
    as_of: Date,
    currency: Currency,
    customer_lines: Lines,
    /// Branches with the ids of their parents, which may stand below them.
    parents: Vec<(CustomerIndex, CompactString)>,
    /// Of invoices and of credit notes.
    document_lines: [Lines; 2],
    document_files: [Arc<str>; 2],
    customers_from_invoices: bool,
    /// Whether every row before was taken. If not, a row that refers to one of them is not blamed for it.
    are_customers_whole: bool,
    are_invoices_whole: bool,
    bytes_done: u64,
    bytes_total: u64,
}

impl Loader {
    /// Hands every row of a file to `take`.
    fn rows(
        &mut self,
        file: &mut File<'_>,
        progress: &mut dyn FnMut(u64, u64),
        mut take: impl FnMut(&mut Self, &mut Row<'_, '_>),
    ) {
        let Some(mut table) = file.table.take() else { return };
        let faults = &mut file.faults;
        let mut row_count = 0;
        loop {
            let record = match table.records.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => {
                    note_broken(error, faults);
                    break;
                }
            };
            if !table.layout.fits(&record, faults) {
                continue;
            }
            if row_count == ROWS_MAX {
                faults.record(&record, format!("The file has more than {ROWS_MAX} rows"), "split the ledger");
                break;
            }
            let mut row =
                Row { record, layout: &table.layout, settings: table.settings, faults, as_of: self.as_of, is_good: true };
            match record.too_long() {
                None => take(self, &mut row),
                Some(column) => row.fault(column, "This cell is too long", "a quote may be missing its partner"),
            }
            row_count += 1;
            if row_count.is_multiple_of(ROWS_PER_BLOCK) {
                let bytes_read = table.records.input().bytes_read;
                self.check_block(&table, faults);
                if row_count == ROWS_PER_BLOCK {
                    // The rows so far tell about how many there will be.
                    let row_bytes = bytes_read.saturating_sub(table.records.waiting_bytes()) / u64::from(row_count);
                    let rows = table.records.input().stamp.bytes / row_bytes.max(1);
                    let rows = (rows + rows / 16).min(u64::from(ROWS_MAX)) as usize;
                    match table.layout.kind {
                        Kind::Customers => self.builder.reserve_customers(rows),
                        Kind::Invoices => self.builder.reserve_documents(rows),
                        Kind::CreditNotes | Kind::Payments | Kind::BankLines => {}
                    }
                }
                progress(self.bytes_done + bytes_read, self.bytes_total);
            }
        }
        self.check_block(&table, faults);
        self.check_parents(&table, faults);
        self.bytes_done += table.records.input().stamp.bytes;
        progress(self.bytes_done, self.bytes_total);
        if faults.has_later() {
            place_later(&table, faults);
        }
        table.close(faults);
    }

    /// Checks the references of the invoices since the last check.
    fn check_block(&mut self, table: &Table<'_>, faults: &mut Faults) {
        let missing = if self.customers_from_invoices { MissingCustomer::Make } else { MissingCustomer::Refuse };
        for (index, error) in self.builder.check_invoices(missing) {
            let line = self.document_lines[0].line(index.0);
            let (field, message, hint) = match &error {
                LedgerError::CustomerUnknown { .. } if !self.are_customers_whole => continue,
                LedgerError::CustomerUnknown { id } => ("customer", self.unknown_customer(id), UNKNOWN_CUSTOMER_HINT.to_owned()),
                LedgerError::DocumentTwice { number } => ("number", twice(number), self.first_place(number)),
                error => ("number", error.to_string(), FULL_HINT.to_owned()),
            };
            faults.later(line, table.layout.column(field).unwrap_or_default(), message, hint);
        }
    }

    /// Makes groups of the customers that were read.
    fn check_parents(&mut self, table: &Table<'_>, faults: &mut Faults) {
        if table.layout.kind != Kind::Customers {
            return;
        }
        let column = table.layout.column("parent").unwrap_or_default();
        for (branch, id) in std::mem::take(&mut self.parents) {
            let (message, hint) = match self.builder.find_customer(&id).and_then(|parent| self.builder.set_parent(branch, parent))
            {
                Ok(()) => continue,
                // It may be a row that was refused.
                Err(LedgerError::CustomerUnknown { .. }) if !faults.is_empty() => continue,
                Err(LedgerError::CustomerUnknown { .. }) => (self.unknown_customer(&id), UNKNOWN_PARENT_HINT),
                Err(error) => (error.to_string(), GROUP_HINT),
            };
            faults.later(self.customer_lines.line(branch.0), column, message, hint.to_owned());
        }
    }

    fn customers(&mut self, file: &mut File<'_>, progress: &mut dyn FnMut(u64, u64)) {
        let Some(layout) = file.table.as_ref().map(|table| &table.layout) else { return };
        let Some(id) = layout.column("id") else { return };
        let [name, language, tags, hold_until, parent] =
            ["name", "language", "tags", "hold_until", "parent"].map(|field| layout.column(field));
        self.rows(file, progress, |loader, row| {
            let id_text = row.required(id);
            let name = row.text(name);
            let customer = Customer {
                id: CustomerId::new(id_text),
                name: if name.is_empty() { id_text } else { name }.into(),
                language: row.language(language),
                tags: row.tags(tags),
                contacts: row.contacts(),
                hold_until: row.date(hold_until),
                row: 0,
            };
            if let Ok(first) = loader.builder.find_customer(id_text).map(|first| loader.customer_lines.line(first.0)) {
                return row.fault(
                    id,
                    format!("Customer {} is listed twice", quoted(id_text)),
                    format!("it is first on line {first}"),
                );
            }
            if row.is_good {
                match loader.builder.add_customer(customer, row.attributes()) {
                    Ok(index) => {
                        loader.customer_lines.push(row.record.line());
                        let parent = row.text(parent);
                        loader.parents.extend((!parent.is_empty()).then(|| (index, parent.into())));
                    }
                    Err(error) => refuse(row, id, &error),
                }
            }
        });
    }

    fn invoices(&mut self, file: &mut File<'_>, progress: &mut dyn FnMut(u64, u64)) {
        let Some(layout) = file.table.as_ref().map(|table| &table.layout) else { return };
        let required = ["number", "customer", "issued_on", "total"].map(|field| layout.column(field));
        let [Some(number), Some(customer), Some(issued_on), Some(total)] = required else { return };
        let [due_on, open, currency, settled_on, disputed, approved, hold_until, promised_on] =
            ["due_on", "open", "currency", "settled_on", "disputed", "approved", "hold_until", "promised_on"]
                .map(|field| layout.column(field));
        self.rows(file, progress, |loader, row| {
            let number_text = row.required(number);
            let customer_id = row.required(customer);
            let currency = row.currency(currency, loader.currency);
            let document = Document {
                number: DocumentNumber::new(number_text),
                customer: CustomerIndex(0), // Found by `check_invoices`.
                kind: DocumentKind::Invoice,
                currency,
                issued_on: row.required_date(issued_on),
                due_on: row.date(due_on),
                settled_on: row.date(settled_on),
                total: row.required_amount(total, currency),
                open: row.amount(open, currency),
                disputed: row.answer(disputed),
                // Where the books know of no approval, none is missing.
                approved: approved.is_none() || row.answer(approved),
                hold_until: row.date(hold_until),
                promised_on: row.date(promised_on),
                row: 0,
            };
            if row.is_good {
                match loader.builder.add_invoice_unchecked(document, customer_id, row.attributes()) {
                    Ok(_) => loader.document_lines[0].push(row.record.line()),
                    Err(error) => refuse(row, number, &error),
                }
            }
        });
    }

    fn credit_notes(&mut self, file: &mut File<'_>, progress: &mut dyn FnMut(u64, u64)) {
        let Some(layout) = file.table.as_ref().map(|table| &table.layout) else { return };
        let required = ["number", "customer", "issued_on", "total"].map(|field| layout.column(field));
        let [Some(number), Some(customer), Some(issued_on), Some(total)] = required else { return };
        let [currency, invoice, open, settled_on] =
            ["currency", "invoice", "open", "settled_on"].map(|field| layout.column(field));
        self.rows(file, progress, |loader, row| {
            let number_text = row.required(number);
            let currency = row.currency(currency, loader.currency);
            let customer_index = loader.customer(row, customer);
            let applies_to = loader.document(row, invoice);
            let document = Document {
                number: DocumentNumber::new(number_text),
                customer: customer_index.unwrap_or(CustomerIndex(0)),
                kind: DocumentKind::CreditNote,
                currency,
                issued_on: row.required_date(issued_on),
                due_on: None,
                settled_on: row.date(settled_on),
                total: negative(row.required_amount(total, currency)),
                open: row.amount(open, currency).map(negative),
                disputed: false,
                approved: true,
                hold_until: None,
                promised_on: None,
                row: 0,
            };
            loader.check_owner(row, invoice, applies_to, customer_index);
            if row.is_good && customer_index.is_some() {
                match loader.builder.add_credit_note(document, applies_to, row.attributes()) {
                    Ok(_) => loader.document_lines[1].push(row.record.line()),
                    Err(LedgerError::DocumentTwice { number: other }) => {
                        row.fault(number, twice(&other), loader.first_place(&other));
                    }
                    Err(error) => refuse(row, number, &error),
                }
            }
        });
    }

    fn payments(
        &mut self,
        file: &mut File<'_>,
        add: fn(&mut LedgerBuilder, Payment) -> Result<(), LedgerError>,
        progress: &mut dyn FnMut(u64, u64),
    ) {
        let Some(layout) = file.table.as_ref().map(|table| &table.layout) else { return };
        let [Some(amount), Some(received_on)] = ["amount", "received_on"].map(|field| layout.column(field)) else { return };
        let [customer, invoice, currency, reference] =
            ["customer", "invoice", "currency", "reference"].map(|field| layout.column(field));
        let method = layout.column("method");
        let Some(owner_column) = customer.or(invoice) else {
            let message = "No column is mapped to `customer` or `invoice`";
            return file.faults.file(message, "map one of them, so that it is known who paid");
        };
        self.rows(file, progress, |loader, row| {
            let currency = row.currency(currency, loader.currency);
            let has_customer = customer.is_some_and(|column| !row.record.cell(column).is_empty());
            let has_invoice = invoice.is_some_and(|column| !row.record.cell(column).is_empty());
            if !has_customer && !has_invoice {
                row.fault(owner_column, "This row names neither a customer nor an invoice", "fill in one of the two");
            }
            let document = loader.document(row, invoice);
            let named = customer.filter(|_| has_customer).and_then(|column| loader.customer(row, column));
            loader.check_owner(row, invoice, document, named);
            let owner = named.or_else(|| document.map(|document| loader.builder.document(document).customer));
            let payment = Payment {
                customer: owner.unwrap_or(CustomerIndex(0)),
                document,
                amount: row.required_amount(amount, currency),
                currency,
                received_on: row.required_date(received_on),
                reference: row.text(reference).into(),
            };
            let method = row.text(method);
            if row.is_good && owner.is_some() {
                match add(&mut loader.builder, payment) {
                    Ok(()) => loader.builder.note_payment_method(method),
                    Err(error) => refuse(row, invoice.unwrap_or(owner_column), &error),
                }
            }
        });
    }

    /// Finds the customer a cell names.
    fn customer(&self, row: &mut Row<'_, '_>, column: usize) -> Option<CustomerIndex> {
        let id = row.required(column);
        if id.is_empty() {
            return None;
        }
        let found = self.builder.find_customer(id);
        if found.is_err() && self.are_customers_whole {
            let hint = if self.customers_from_invoices { NO_INVOICE_HINT } else { UNKNOWN_CUSTOMER_HINT };
            row.fault(column, self.unknown_customer(id), hint);
        }
        found.ok()
    }

    fn unknown_customer(&self, id: &str) -> String {
        let why = if self.customers_from_invoices { "has no invoice" } else { "is not in the customers' file" };
        format!("Customer {} {why}", quoted(id))
    }

    /// Finds the invoice a cell names, if it names one.
    fn document(&self, row: &mut Row<'_, '_>, column: Option<usize>) -> Option<DocumentIndex> {
        let column = column?;
        let number = row.text(Some(column));
        if number.is_empty() {
            return None;
        }
        let found = self.builder.find_document(number);
        if found.is_err() && self.are_customers_whole && self.are_invoices_whole {
            let message = format!("Invoice {} is not in the invoices' file", quoted(number));
            row.fault(column, message, "add the invoice, or leave the cell empty where nothing is settled yet");
        }
        row.is_good &= found.is_ok();
        found.ok()
    }

    /// Refuses to settle one customer's invoice from another's account: papers of the one would show the other's.
    fn check_owner(
        &self,
        row: &mut Row<'_, '_>,
        column: Option<usize>,
        document: Option<DocumentIndex>,
        customer: Option<CustomerIndex>,
    ) {
        let (Some(column), Some(document), Some(customer)) = (column, document, customer) else { return };
        let document = self.builder.document(document);
        if document.customer != customer {
            let [owner, other] = [document.customer, customer].map(|index| quoted(self.builder.customer(index).id.as_str()));
            let message = format!("Invoice {} belongs to customer {owner}, not to {other}", quoted(document.number.as_str()));
            row.fault(column, message, "correct one of the two cells");
        }
    }

    /// Tells where a document's number stood first.
    #[cold]
    fn first_place(&self, number: &str) -> String {
        let first = self.builder.find_document(number).map_or(0, |index| index.0);
        let (file, line) = match first.checked_sub(self.document_lines[0].count) {
            None => (&self.document_files[0], self.document_lines[0].line(first)),
            Some(credit_note) => (&self.document_files[1], self.document_lines[1].line(credit_note)),
        };
        format!("it is first on line {line} of {file}")
    }
}

/// Notes the faults whose rows have gone by with the places they have: the file is read again for them.
#[cold]
fn place_later(table: &Table<'_>, faults: &mut Faults) {
    let mut later = faults.take_later();
    later.sort_by_key(|fault| fault.line);
    let mut later = later.into_iter().peekable();
    let (again, _) = Table::open(table.layout.kind, table.settings);
    let mut records = again.map(|table| table.records);
    while let Some(Ok(Some(record))) = records.as_mut().map(Records::next) {
        while let Some(fault) = later.next_if(|fault| fault.line == record.line()) {
            faults.cell(&record, fault.column, fault.message, fault.hint);
        }
        if later.peek().is_none() {
            return;
        }
    }
    // The file has gone meanwhile; the lines are still right for the one that was read.
    for fault in later {
        faults.place(fault.line, 0, "", fault.message, fault.hint);
    }
}

fn twice(number: &str) -> String {
    format!("Document {} is listed twice", quoted(number))
}

#[cold]
fn refuse(row: &mut Row<'_, '_>, column: usize, error: &LedgerError) {
    row.fault(
        column,
        error.to_string(),
        match error {
            LedgerError::CurrencyDiffers { .. } => "write the currency of the invoice in the row's currency column",
            _ => FULL_HINT,
        },
    );
}

fn negative(amount: Decimal) -> Decimal {
    if amount > Decimal::ZERO { -amount } else { amount }
}
