//! The lines of a statement: items with a balance on a day, and movements of a period.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::ageing::Ageing;
use crate::domain::date::Date;
use crate::domain::document::{Document, DocumentKind, Payment};
use crate::domain::ledger::{Cause, CustomerIndex, DocumentIndex, Ledger, Movement, PaymentIndex};
use crate::domain::money::Currency;
use crate::domain::period::Interval;

/// What a line of a statement is about, in the order of lines of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    /// A claim on the customer.
    Invoice,
    /// A claim of the customer.
    CreditNote,
    /// Money received or paid back.
    Payment,
    /// A document is settled by the books, in whole or part, without a payment that they tell of; or one side of a credit note
    /// that is set against an invoice, where the two sides do not count on one day.
    Settlement,
}

impl LineKind {
    /// Returns the word templates ask for.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
            Self::Payment => "payment",
            Self::Settlement => "settlement",
        }
    }

    fn of(document: &Document) -> Self {
        match document.kind {
            DocumentKind::Invoice => Self::Invoice,
            DocumentKind::CreditNote => Self::CreditNote,
        }
    }
}

/// One line: a document or payment with what is open of it, or a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// What it is.
    pub kind: LineKind,
    /// The document, or the one that a payment or settlement is set against.
    pub document: Option<DocumentIndex>,
    /// The payment, if it is one.
    pub payment: Option<PaymentIndex>,
    /// The document's number, or the payment's reference, which may be empty.
    pub number: CompactString,
    /// The day of issue, receipt or settlement; `None` on a settlement of which the books do not tell the day.
    pub date: Option<Date>,
    /// The day from whose end on it counts.
    pub counts_on: Date,
    /// The due date, where one was agreed.
    pub due_on: Option<Date>,
    /// Days past due on the period's last day; 0 or less where it is not overdue, 0 on what is not a claim and on movements.
    pub days_overdue: i32,
    /// The whole amount; negative where it is the customer's.
    pub original: Decimal,
    /// What it adds to the sum of the lines: what is open of it, or by how much it moved the balance.
    pub amount: Decimal,
    /// The place of its age column; `None`: it is credit and stands under `unapplied`, or it is a movement.
    pub bucket: Option<usize>,
}

/// Returns everything of a customer with a balance at the end of `as_of`: documents by due date, then payments by day.
pub(crate) fn open_lines(
    ledger: &Ledger,
    customer: CustomerIndex,
    currency: Currency,
    as_of: Date,
    ageing: &Ageing,
) -> Vec<StatementLine> {
    let mut lines = Vec::new();
    for index in documents_in(ledger, customer, currency) {
        let (document, open) = (ledger.document(index), ledger.open_on(index, as_of));
        if open.is_zero() {
            continue;
        }
        let is_claim = open > Decimal::ZERO;
        lines.push(StatementLine {
            days_overdue: if is_claim { document.days_overdue(as_of) } else { 0 },
            bucket: is_claim.then(|| ageing.bucket_of(document, as_of)),
            amount: open,
            ..document_line(document, index)
        });
    }
    let unapplied = unapplied_in(ledger, customer, currency).filter(|(_, payment)| payment.received_on <= as_of);
    lines.extend(unapplied.map(|(index, payment)| payment_line(payment, index)));
    lines
}

/// Returns what moved a customer's balance in `period`, by the day it counts from.
pub(crate) fn moved_lines(ledger: &Ledger, customer: CustomerIndex, currency: Currency, period: Interval) -> Vec<StatementLine> {
    let is_within = |day: Date| period.from <= day && day <= period.to;
    let mut lines = Vec::new();
    for index in documents_in(ledger, customer, currency) {
        let document = ledger.document(index);
        // Most documents of a long history were issued after the period, or settled before it.
        let is_before = document.settled_on.is_some_and(|settled_on| settled_on.max(document.issued_on) < period.from);
        if document.issued_on > period.to || is_before {
            continue;
        }
        let movements = ledger.movements_of(index);
        let within = movements.iter().filter(|movement| is_within(movement.counts_on) && !movement.amount.is_zero());
        lines.extend(within.filter(|movement| !is_mirrored(ledger, index, movement)).map(|movement| {
            let whole = document_line(document, index);
            let settlement = |on| StatementLine { kind: LineKind::Settlement, date: on, ..whole.clone() };
            let line = match movement.cause {
                Cause::Issue => whole.clone(),
                Cause::Payment(payment) => {
                    StatementLine { document: Some(index), ..payment_line(ledger.payment(payment), payment) }
                }
                Cause::Application(_) => settlement(Some(movement.counts_on)),
                Cause::Settlement { on } => settlement(on),
            };
            let due_on = if movement.cause == Cause::Issue { line.due_on } else { None };
            StatementLine { amount: movement.amount, original: movement.amount, counts_on: movement.counts_on, due_on, ..line }
        }));
    }
    let unapplied = unapplied_in(ledger, customer, currency).filter(|(_, payment)| is_within(payment.received_on));
    lines.extend(unapplied.map(|(index, payment)| payment_line(payment, index)));
    lines.sort_by_key(|line| (line.counts_on, line.kind, line.document, line.payment));
    lines
}

/// Returns whether a movement is one side of a credit note set against an invoice, and the other side undoes it on the same day
/// and account: then neither moves the balance.
fn is_mirrored(ledger: &Ledger, index: DocumentIndex, movement: &Movement) -> bool {
    let Cause::Application(other) = movement.cause else { return false };
    if ledger.document(other).customer != ledger.document(index).customer {
        return false;
    }
    let sides = |of: DocumentIndex, with: DocumentIndex| {
        let movements = ledger.movements_of(of).into_iter();
        let is_side = move |own: &Movement| own.cause == Cause::Application(with) && own.counts_on == movement.counts_on;
        movements.filter(is_side).map(|own| own.amount).sum::<Decimal>()
    };
    (sides(index, other) + sides(other, index)).is_zero()
}

fn documents_in(ledger: &Ledger, customer: CustomerIndex, currency: Currency) -> impl Iterator<Item = DocumentIndex> {
    let documents = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32));
    documents.filter(move |index| ledger.document(*index).currency == currency)
}

/// Returns a customer's payments that are set against no document. An export may hold payments of nothing; they are none.
fn unapplied_in(ledger: &Ledger, customer: CustomerIndex, currency: Currency) -> impl Iterator<Item = (PaymentIndex, &Payment)> {
    let payments = ledger.payment_indexes_of(customer).map(|index| (index, ledger.payment(index)));
    let is_unapplied = |payment: &Payment| payment.document.is_none() && !payment.amount.is_zero();
    payments.filter(move |(_, payment)| payment.currency == currency && is_unapplied(payment))
}

fn document_line(document: &Document, index: DocumentIndex) -> StatementLine {
    StatementLine {
        kind: LineKind::of(document),
        document: Some(index),
        payment: None,
        number: CompactString::new(document.number.as_str()),
        date: Some(document.issued_on),
        counts_on: document.issued_on,
        due_on: document.due_on,
        days_overdue: 0,
        original: document.total,
        amount: document.total,
        bucket: None,
    }
}

fn payment_line(payment: &Payment, index: PaymentIndex) -> StatementLine {
    StatementLine {
        kind: LineKind::Payment,
        document: None,
        payment: Some(index),
        number: payment.reference.clone(),
        date: Some(payment.received_on),
        counts_on: payment.received_on,
        due_on: None,
        days_overdue: 0,
        original: -payment.amount,
        amount: -payment.amount,
        bucket: None,
    }
}
