//! Documents of the ledger: invoices, credit notes and payments.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::date::{Date, days_between};
use crate::domain::id::DocumentNumber;
use crate::domain::ledger::{CustomerIndex, DocumentIndex};
use crate::domain::money::Currency;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A claim on the customer.
    Invoice,
    /// A claim of the customer; its `total` is negative.
    CreditNote,
}

/// An invoice or a credit note. Amounts are in major units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The printed number.
    pub number: DocumentNumber,
    /// Whose it is.
    pub customer: CustomerIndex,
    /// Invoice or credit note.
    pub kind: DocumentKind,
    /// The currency of every amount of this document.
    pub currency: Currency,
    /// The day from which it exists.
    pub issued_on: Date,
    /// The day up to which payment is in time; overdue starts the day after. Without it the document is never overdue.
    pub due_on: Option<Date>,
    /// The day on which nothing was open any more, where the source knows it.
    pub settled_on: Option<Date>,
    /// The whole amount; negative on a credit note.
    pub total: Decimal,
    /// The rest still open by the source's own account, which then already counts payments and credits.
    pub open: Option<Decimal>,
    /// Whether the source marks it disputed.
    pub disputed: bool,
    /// Whether the books have approved it; nobody is reminded of an invoice that is not.
    pub approved: bool,
    /// No reminder for it goes out up to and including this day.
    pub hold_until: Option<Date>,
    /// The day by which the customer has promised to pay; no reminder for it goes out up to and including that day.
    pub promised_on: Option<Date>,
    /// The row of this document in `Ledger::document_attributes`.
    pub row: u32,
}

impl Document {
    /// Returns the whole days since the due date on `as_of`: 1 on the day after it, 0 or less before, 0 without one.
    pub fn days_overdue(&self, as_of: Date) -> i32 {
        self.due_on.map_or(0, |due_on| days_between(due_on, as_of))
    }
}

/// Money received from a customer, or paid back (negative).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who paid.
    pub customer: CustomerIndex,
    /// The invoice it settles in whole or part; `None`: not yet applied.
    pub document: Option<DocumentIndex>,
    /// How much, in major units of `currency`.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: Currency,
    /// The day it counts from.
    pub received_on: Date,
    /// The source's own id or reference; may be empty.
    pub reference: CompactString,
}
