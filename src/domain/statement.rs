//! The figures of a statement: what of an account was open at the end of a period, line by line and by age.
//!
//! Open item: everything with a balance on the last day of the period, also what was paid since, and money received
//! and not yet set against anything. Nothing here rounds, so the figures add up exactly or not at all.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::ageing::{AgeBy, Ageing, Bucket};
use crate::domain::date::Date;
use crate::domain::document::DocumentKind;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::Currency;
use crate::domain::period::Interval;

/// What a line of a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A claim on the customer.
    Invoice,
    /// A claim of the customer.
    CreditNote,
    /// Money received or paid back that is not set against a document.
    Payment,
}

impl LineKind {
    /// Returns the word templates ask for.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
            Self::Payment => "payment",
        }
    }
}

/// One line: a document or payment with what is open of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// What it is.
    pub kind: LineKind,
    /// The document, unless it is a payment.
    pub document: Option<DocumentIndex>,
    /// The document's number, or the payment's reference, which may be empty.
    pub number: CompactString,
    /// The day of issue or receipt.
    pub date: Date,
    /// The due date, where one was agreed.
    pub due_on: Option<Date>,
    /// Days past due on the period's last day; 0 or less where it is not overdue, 0 on what is not a claim.
    pub days_overdue: i32,
    /// The whole amount; negative where it is the customer's.
    pub original: Decimal,
    /// What is open of it; negative where it is the customer's.
    pub open: Decimal,
    /// Whether the customer contests it.
    pub disputed: bool,
    /// The place of its age column; `None`: it is credit and stands under `unapplied`.
    pub bucket: Option<usize>,
}

/// An open-item statement of one customer in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenItemStatement {
    /// The days it covers; its figures are those at the end of the last one.
    pub period: Interval,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// Documents by due date, then payments by day.
    pub lines: Vec<StatementLine>,
    /// From which day ages are counted.
    pub aged_by: AgeBy,
    /// What is open in each age column.
    pub ages: Vec<(Bucket, Decimal)>,
    /// Credit: credit notes, overpaid invoices and payments not yet applied, as a negative amount.
    pub unapplied: Decimal,
    /// What the customer owes, by the ledger's own account.
    pub balance: Decimal,
}

impl OpenItemStatement {
    /// Returns the statement of a customer of `ledger` in `currency` at the end of `period`.
    pub fn of(ledger: &Ledger, customer: CustomerIndex, currency: Currency, period: Interval, ageing: &Ageing) -> Self {
        let as_of = period.to;
        let mut ages: Vec<(Bucket, Decimal)> = ageing.buckets().into_iter().map(|bucket| (bucket, Decimal::ZERO)).collect();
        let (mut lines, mut unapplied) = (Vec::new(), Decimal::ZERO);
        for index in ledger.documents_of(customer).map(|place| DocumentIndex(place as u32)) {
            let document = ledger.document(index);
            let open = if document.currency == currency { ledger.open_on(index, as_of) } else { Decimal::ZERO };
            if open.is_zero() {
                continue;
            }
            let is_claim = open > Decimal::ZERO;
            let bucket = is_claim.then(|| ageing.bucket_of(document, as_of));
            match bucket {
                Some(place) => ages[place].1 += open,
                None => unapplied += open,
            }
            lines.push(StatementLine {
                kind: match document.kind {
                    DocumentKind::Invoice => LineKind::Invoice,
                    DocumentKind::CreditNote => LineKind::CreditNote,
                },
                document: Some(index),
                number: CompactString::new(document.number.as_str()),
                date: document.issued_on,
                due_on: document.due_on,
                days_overdue: if is_claim { document.days_overdue(as_of) } else { 0 },
                original: document.total,
                open,
                disputed: document.disputed,
                bucket,
            });
        }
        for payment in ledger.payments_of(customer) {
            let is_of_it = payment.document.is_none() && payment.currency == currency && payment.received_on <= as_of;
            // An export may hold payments of nothing; a line without a balance is none.
            if !is_of_it || payment.amount.is_zero() {
                continue;
            }
            unapplied -= payment.amount;
            lines.push(StatementLine {
                kind: LineKind::Payment,
                document: None,
                number: payment.reference.clone(),
                date: payment.received_on,
                due_on: None,
                days_overdue: 0,
                original: -payment.amount,
                open: -payment.amount,
                disputed: false,
                bucket: None,
            });
        }
        let balance = ledger.balance_on(customer, currency, as_of);
        Self { period, currency, lines, aged_by: ageing.by(), ages, unapplied, balance }
    }

    /// Returns whether the lines, the age columns with the credit, and the balance are one and the same sum.
    pub fn is_balanced(&self) -> bool {
        let lines: Decimal = self.lines.iter().map(|line| line.open).sum();
        let columns: Decimal = self.ages.iter().map(|(_, amount)| *amount).sum();
        lines == self.balance && columns + self.unapplied == self.balance
    }

    /// Returns what is overdue: claims past their due date, credit not set against them.
    pub fn overdue(&self) -> Decimal {
        self.lines.iter().filter(|line| line.days_overdue > 0).map(|line| line.open).sum()
    }

    /// Returns its documents, in the order of its lines.
    pub fn documents(&self) -> impl Iterator<Item = DocumentIndex> {
        self.lines.iter().filter_map(|line| line.document)
    }
}

#[cfg(test)]
mod tests;
