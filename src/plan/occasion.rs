//! The names of occasions: the period or event that a statement or notice is about, the same on every day.
//!
//! A period's name is its [`crate::domain::period::Interval`]. An invoice and a customer have an id. A payment often has
//! none, so its name is made of what does not change once it is booked. The invoice it is set against is no part of that:
//! it may be found days later, and the customer must not get a second receipt for it.

use std::collections::BTreeMap;

use compact_str::{CompactString, format_compact};

use crate::domain::document::Payment;
use crate::domain::ledger::{CustomerIndex, Ledger};
use crate::plan::key::Parts;
use crate::plan::{Decision, Subject};

/// Returns the occasion of a notice about a customer.
pub(crate) fn of_customer(id: &str) -> CompactString {
    format_compact!("customer:{id}")
}

/// Returns the occasion of a notice about an invoice.
pub(crate) fn of_invoice(number: &str) -> CompactString {
    format_compact!("invoice:{number}")
}

/// Returns the occasions of all payments of a customer, in the ledger's order. Of payments that do not differ in
/// anything, the second is told apart by a number behind its name, and so on.
pub(crate) fn of_payments(ledger: &Ledger, customer: CustomerIndex) -> Vec<CompactString> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let name = |index| {
        let hash = payment_hash(ledger, ledger.payment(index));
        if ledger.is_matched(index) {
            // No mail is about it, and the books' own payments keep their numbers.
            return format_compact!("matched:{hash}");
        }
        let count = counts.entry(hash.clone()).or_default();
        *count += 1;
        if *count == 1 { format_compact!("payment:{hash}") } else { format_compact!("payment:{hash}#{count}") }
    };
    ledger.payment_indexes_of(customer).map(name).collect()
}

fn payment_hash(ledger: &Ledger, payment: &Payment) -> String {
    let mut parts = Parts::default();
    parts.add(ledger.customer(payment.customer).id.as_str());
    parts.add(&payment.received_on.to_string());
    parts.add(payment.currency.as_str());
    // 5 and 5.00 are one amount.
    parts.add(&payment.amount.normalize().to_string());
    parts.add(&payment.reference);
    parts.hex()
}

/// The occasions of decisions, with the last customer's payments kept: decisions come customer by customer.
pub struct Occasions<'l> {
    ledger: &'l Ledger,
    payments: Option<(CustomerIndex, u32, Vec<CompactString>)>,
}

impl<'l> Occasions<'l> {
    /// Returns a reader of occasions of `ledger`.
    pub fn new(ledger: &'l Ledger) -> Self {
        Self { ledger, payments: None }
    }

    /// Returns the event that a notice rule's decision was about; `None` for an account, which has a period instead.
    pub fn of(&mut self, decision: &Decision) -> Option<CompactString> {
        match decision.subject {
            Subject::Account => None,
            Subject::Customer => Some(of_customer(self.ledger.customer(decision.customer).id.as_str())),
            Subject::Invoice(document) => Some(of_invoice(self.ledger.document(document).number.as_str())),
            Subject::Payment(payment) => {
                if self.payments.as_ref().is_none_or(|(customer, ..)| *customer != decision.customer) {
                    let first = self.ledger.payment_indexes_of(decision.customer).next().map_or(0, |first| first.0);
                    self.payments = Some((decision.customer, first, of_payments(self.ledger, decision.customer)));
                }
                let (_, first, names) = self.payments.as_ref()?;
                names.get((payment.0 - first) as usize).cloned()
            }
        }
    }
}
