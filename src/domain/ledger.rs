//! The ledger: all customers, documents and payments a source knows, able to answer "what was open on that day".
//!
//! A ledger is built once by [`LedgerBuilder`] and then never changes. Customers are sorted by id; a customer's
//! documents lie side by side, by currency, then due date, so that planning walks memory in order.
//! Columns that Dunlin has no word for are kept as attributes in one block of text, since a million rows of
//! maps would not fit.

mod build;
mod group;
mod matched;
mod movement;
mod order;

use std::ops::Range;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::customer::Customer;
use crate::domain::date::{Date, shifted};
use crate::domain::document::{Document, Payment};
pub use crate::domain::ledger::build::{LedgerBuilder, LedgerError, MissingCustomer};
pub use crate::domain::ledger::group::AccountScope;
use crate::domain::ledger::group::Groups;
pub use crate::domain::ledger::movement::{Cause, Movement};
use crate::domain::money::Currency;

/// The place of a customer in [`Ledger::customers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerIndex(pub u32);

/// The place of a document in [`Ledger::documents`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentIndex(pub u32);

/// The place of a payment among all payments of a [`Ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentIndex(pub u32);

/// The text columns of one file that Dunlin has no word of its own for, row after row.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    names: Vec<CompactString>,
    text: String,
    /// Where each value ends in `text`, row after row, column after column.
    ends: Vec<u32>,
}

impl Attributes {
    /// Returns an empty table with these column names.
    pub fn new(names: Vec<CompactString>) -> Self {
        Self { names, text: String::new(), ends: Vec::new() }
    }

    /// Returns the column names in file order.
    pub fn names(&self) -> &[CompactString] {
        &self.names
    }

    /// Appends a row of as many values as there are names and returns its number, or `None` when the table
    /// has reached 4 GiB of text.
    pub fn push<'a>(&mut self, values: impl Iterator<Item = &'a str>) -> Option<u32> {
        let row = u32::try_from(self.ends.len().checked_div(self.names.len()).unwrap_or(0)).ok()?;
        let mut count = 0;
        for value in values.take(self.names.len()) {
            self.text.push_str(value);
            self.ends.push(u32::try_from(self.text.len()).ok()?);
            count += 1;
        }
        for _ in count..self.names.len() {
            self.ends.push(u32::try_from(self.text.len()).ok()?);
        }
        Some(row)
    }

    /// Makes room for so many rows in all, as long as those that are there. A guess is enough; it only saves copying.
    fn reserve(&mut self, rows: usize) {
        let known = self.ends.len().checked_div(self.names.len()).unwrap_or(0);
        let Some(row_bytes) = self.text.len().checked_div(known) else { return };
        let more = rows.saturating_sub(known);
        self.text.reserve(more * row_bytes);
        self.ends.reserve(more * self.names.len());
    }

    /// Gives back memory kept for growing.
    fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Returns the value of column `name` in `row`, or `None` where there is no such column or row.
    pub fn value(&self, row: u32, name: &str) -> Option<&str> {
        let column = self.names.iter().position(|own| own == name)?;
        let cell = row as usize * self.names.len() + column;
        let end = *self.ends.get(cell)? as usize;
        let start = cell.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(&self.text[start..end])
    }
}

/// What lowers a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Payment(PaymentIndex),
    /// A credit note is applied to an invoice: at each of the two, the other.
    Document(DocumentIndex),
}

/// A sum that settles part of a document from a day on.
#[derive(Clone, Copy, Debug)]
struct Application {
    document: DocumentIndex,
    source: Source,
    on: Date,
    amount: Decimal,
    /// Whether it is only expected: the rest by the books of today knows nothing of it.
    is_expected: bool,
}

/// Customers, documents and payments, frozen. See the module's page for the order things lie in.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    customers: Vec<Customer>,
    documents: Vec<Document>,
    /// Where each customer's documents start; one longer than `customers`.
    document_starts: Vec<u32>,
    payments: Vec<Payment>,
    /// How each payment was made; empty where the books say of none.
    payment_methods: Vec<CompactString>,
    /// Where each customer's payments start; one longer than `customers`.
    payment_starts: Vec<u32>,
    /// Which payments the books do not have yet, in order.
    matched: Vec<PaymentIndex>,
    applications: Vec<Application>,
    /// Where each document's applications start; empty where there are no applications at all.
    application_starts: Vec<u32>,
    groups: Groups,
    customer_attributes: Attributes,
    /// Invoices' attributes first, then those of the credit notes' file.
    document_attributes: [Attributes; 2],
    /// The first document row that lives in `document_attributes[1]`.
    credit_note_row_first: u32,
}

impl Ledger {
    /// Returns all customers, sorted by id.
    pub fn customers(&self) -> &[Customer] {
        &self.customers
    }

    /// Returns the customer at `index`, which must come from this ledger.
    pub fn customer(&self, index: CustomerIndex) -> &Customer {
        &self.customers[index.0 as usize]
    }

    /// Returns the indexes of all customers, in order.
    pub fn customer_indexes(&self) -> impl Iterator<Item = CustomerIndex> + use<> {
        (0..self.customers.len() as u32).map(CustomerIndex)
    }

    /// Returns the customer with this id.
    pub fn find_customer(&self, id: &str) -> Option<CustomerIndex> {
        self.customers.binary_search_by(|customer| customer.id.as_str().cmp(id)).ok().map(|place| CustomerIndex(place as u32))
    }

    /// Returns all documents, customer by customer.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Returns the document at `index`, which must come from this ledger.
    pub fn document(&self, index: DocumentIndex) -> &Document {
        &self.documents[index.0 as usize]
    }

    /// Returns the document with this number; walks the whole ledger.
    pub fn find_document(&self, number: &str) -> Option<DocumentIndex> {
        self.documents.iter().position(|document| document.number.as_str() == number).map(|place| DocumentIndex(place as u32))
    }

    /// Returns the documents of a customer as a range of [`Ledger::documents`], by currency, then due date.
    pub fn documents_of(&self, customer: CustomerIndex) -> Range<usize> {
        range(&self.document_starts, customer.0)
    }

    /// Returns the payments of a customer, by day.
    pub fn payments_of(&self, customer: CustomerIndex) -> &[Payment] {
        &self.payments[range(&self.payment_starts, customer.0)]
    }

    /// Returns the places of a customer's payments, in the order of [`Ledger::payments_of`].
    pub fn payment_indexes_of(&self, customer: CustomerIndex) -> impl Iterator<Item = PaymentIndex> + use<> {
        range(&self.payment_starts, customer.0).map(|place| PaymentIndex(place as u32))
    }

    /// Returns the payment at `index`, which must come from this ledger.
    pub fn payment(&self, index: PaymentIndex) -> &Payment {
        &self.payments[index.0 as usize]
    }

    /// Returns how a payment was made, in the books' words; empty where they do not say.
    pub fn payment_method(&self, index: PaymentIndex) -> &str {
        self.payment_methods.get(index.0 as usize).map_or("", CompactString::as_str)
    }

    /// Returns every currency in which a customer has a document or a payment, each once, sorted.
    pub fn currencies_of(&self, customer: CustomerIndex) -> Vec<Currency> {
        let documents = self.documents[self.documents_of(customer)].iter().map(|document| document.currency);
        // Documents lie by currency, so that nearly all of them fall away before the sort.
        let mut currencies: Vec<Currency> = Vec::new();
        for currency in documents.chain(self.payments_of(customer).iter().map(|payment| payment.currency)) {
            if currencies.last() != Some(&currency) {
                currencies.push(currency);
            }
        }
        currencies.sort_unstable();
        currencies.dedup();
        currencies
    }

    /// Returns what is open of a document at the end of `as_of`, in its currency: positive for a claim on the
    /// customer, negative for credit, zero before it was issued and from the day it was settled.
    pub fn open_on(&self, index: DocumentIndex, as_of: Date) -> Decimal {
        let document = self.document(index);
        if document.issued_on > as_of || document.settled_on.is_some_and(|settled_on| settled_on <= as_of) {
            return Decimal::ZERO;
        }
        let by_books = rest_by_books(document);
        let whole = by_books.unwrap_or(document.total);
        self.own_applications(index)
            .iter()
            .take_while(|application| application.on <= as_of)
            .filter(|application| application.is_expected || by_books.is_none())
            .fold(whole, |open, application| open - application.amount)
    }

    /// Returns what lowers a document, by day.
    fn own_applications(&self, index: DocumentIndex) -> &[Application] {
        if self.application_starts.is_empty() { &[] } else { &self.applications[range(&self.application_starts, index.0)] }
    }

    /// Returns what lowers a document, payments and credit notes alike: from which day on, and by how much.
    pub fn applications_of(&self, index: DocumentIndex) -> impl Iterator<Item = (Date, Decimal)> + '_ {
        self.own_applications(index).iter().map(|application| (application.on, application.amount))
    }

    /// Returns what was open of a document over the days up to `as_of`: from the end of each day on, beginning with the day of
    /// issue; empty where it was issued later.
    ///
    /// It goes backwards from the rest, since books may know that without the payments that led to it. A part whose day is not
    /// known counts as paid from the beginning.
    pub fn open_steps(&self, index: DocumentIndex, as_of: Date) -> Vec<(Date, Decimal)> {
        let document = self.document(index);
        if document.issued_on > as_of {
            return Vec::new();
        }
        let settled_on = document.settled_on.filter(|on| *on <= as_of);
        let last = settled_on.map_or(as_of, |on| shifted(on, -1));
        let mut open = self.open_on(index, last);
        let mut steps: Vec<(Date, Decimal)> = settled_on.map(|on| (on, Decimal::ZERO)).into_iter().collect();
        let applied: Vec<(Date, Decimal)> = self.applications_of(index).filter(|(on, _)| *on <= last).collect();
        for (on, amount) in applied.into_iter().rev() {
            steps.push((on.max(document.issued_on), open));
            open += amount;
        }
        let whole = if document.total > Decimal::ZERO { open.min(document.total) } else { open };
        steps.push((document.issued_on, whole));
        steps.reverse();
        steps
    }

    /// Returns the customer's payments and paybacks not applied to any document by `as_of`, in `currency`.
    pub fn unapplied_on(&self, customer: CustomerIndex, currency: Currency, as_of: Date) -> Decimal {
        self.payments_of(customer)
            .iter()
            .filter(|payment| payment.document.is_none() && payment.currency == currency && payment.received_on <= as_of)
            .map(|payment| payment.amount)
            .sum()
    }

    /// Returns what the customer owes in `currency` at the end of `as_of`: open documents less unapplied payments.
    pub fn balance_on(&self, customer: CustomerIndex, currency: Currency, as_of: Date) -> Decimal {
        let open: Decimal = self
            .documents_of(customer)
            .filter(|place| self.documents[*place].currency == currency)
            .map(|place| self.open_on(DocumentIndex(place as u32), as_of))
            .sum();
        open - self.unapplied_on(customer, currency, as_of)
    }

    /// Returns the days on which anything of a customer is other than on the day before by what the ledger says: documents are
    /// issued and settled, payments come and are applied, holds and promises of the books are over. In no order, some twice.
    pub fn changes_of(&self, customer: CustomerIndex) -> impl Iterator<Item = Date> {
        let places = self.documents_of(customer);
        let after = |day: Option<Date>| day.map(|day| shifted(day, 1));
        let of_documents = self.documents[places.clone()].iter().flat_map(move |document| {
            let Document { issued_on, settled_on, hold_until, promised_on, .. } = document;
            [Some(*issued_on), *settled_on, after(*hold_until), after(*promised_on)]
        });
        let of_customer = [after(self.customer(customer).hold_until)];
        let applied = if self.application_starts.is_empty() { &[] } else { self.applications_within(places) };
        let paid = self.payments_of(customer).iter().map(|payment| payment.received_on);
        let stated = of_documents.chain(of_customer).flatten();
        stated.chain(applied.iter().map(|application| application.on)).chain(paid)
    }

    fn applications_within(&self, documents: Range<usize>) -> &[Application] {
        let start = self.application_starts[documents.start] as usize;
        &self.applications[start..self.application_starts[documents.end] as usize]
    }

    /// Returns the attribute `name` of a customer, `None` where the customers' file has no such column.
    pub fn customer_attribute(&self, customer: CustomerIndex, name: &str) -> Option<&str> {
        self.customer_attributes.value(self.customer(customer).row, name)
    }

    /// Returns the attribute `name` of a document, `None` where its file has no such column.
    pub fn document_attribute(&self, document: DocumentIndex, name: &str) -> Option<&str> {
        let row = self.document(document).row;
        match row.checked_sub(self.credit_note_row_first) {
            Some(row) => self.document_attributes[1].value(row, name),
            None => self.document_attributes[0].value(row, name),
        }
    }

    /// Returns the names of the customers' further columns.
    pub fn customer_attribute_names(&self) -> impl Iterator<Item = &str> {
        self.customer_attributes.names().iter().map(CompactString::as_str)
    }

    /// Returns the names of the documents' further columns; a name in both files comes twice.
    pub fn document_attribute_names(&self) -> impl Iterator<Item = &str> {
        self.document_attributes.iter().flat_map(Attributes::names).map(CompactString::as_str)
    }
}

/// Returns the rest of a document by the books of today, where it tells of other days too: nothing left of what was settled only
/// later says nothing about the day before.
fn rest_by_books(document: &Document) -> Option<Decimal> {
    document.open.filter(|open| !open.is_zero() || document.settled_on.is_none())
}

fn range(starts: &[u32], index: u32) -> Range<usize> {
    let index = index as usize;
    match starts.get(index..index + 2) {
        Some(pair) => pair[0] as usize..pair[1] as usize,
        None => 0..0,
    }
}

#[cfg(test)]
mod tests;
