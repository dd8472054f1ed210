//! Payments that a person matched to a line of the bank before the books have them, laid over a ledger.

use rust_decimal::Decimal;

use crate::domain::document::Payment;
use crate::domain::ledger::order::{inverse, permute, starts};
use crate::domain::ledger::{Application, DocumentIndex, Ledger, PaymentIndex, Source};

impl Ledger {
    /// Returns the ledger with payments that the books do not have yet; customers and documents are those of this ledger. With
    /// a document they settle that much of it too, also of what the books give as open.
    pub fn with_matched(mut self, matched: Vec<Payment>) -> Self {
        if matched.is_empty() {
            return self;
        }
        let first = self.payments.len() as u32;
        for (place, payment) in (first..).zip(&matched) {
            let source = Source::Payment(PaymentIndex(place));
            let (on, amount) = (payment.received_on, payment.amount);
            let application = |document| Application { document, source, on, amount, is_expected: true };
            self.applications.extend(payment.document.map(application));
        }
        self.payments.extend(matched);
        // What was there comes first among payments of one day.
        let mut order: Vec<u32> = (0..self.payments.len() as u32).collect();
        order.sort_by_key(|old| {
            let payment = &self.payments[*old as usize];
            (payment.customer, payment.received_on, *old)
        });
        let place = inverse(&order);
        permute(&mut self.payments, order);
        let moved = |old: PaymentIndex| PaymentIndex(place[old.0 as usize]);
        let all = self.matched.iter().copied().chain((first..place.len() as u32).map(PaymentIndex));
        self.matched = all.map(moved).collect();
        self.matched.sort_unstable();
        for application in &mut self.applications {
            if let Source::Payment(old) = application.source {
                application.source = Source::Payment(moved(old));
            }
        }
        self.payment_starts = starts(self.customers.len(), self.payments.iter().map(|payment| payment.customer.0));
        self.applications.sort_by_key(|application| (application.document, application.on));
        if !self.applications.is_empty() {
            let documents = self.applications.iter().map(|application| application.document.0);
            self.application_starts = starts(self.documents.len(), documents);
        }
        self
    }

    /// Returns whether a payment is one that a person matched to a line of the bank and the books do not have yet.
    pub fn is_matched(&self, index: PaymentIndex) -> bool {
        !self.matched.is_empty() && self.matched.binary_search(&index).is_ok()
    }

    /// Returns how much of a document is settled by payments that the books do not have yet.
    pub fn matched_of(&self, document: DocumentIndex) -> Decimal {
        let all = self.matched.iter().map(|index| self.payment(*index));
        all.filter(|payment| payment.document == Some(document)).map(|payment| payment.amount).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::customer::Customer;
    use crate::domain::date::Date;
    use crate::domain::document::{Document, DocumentKind};
    use crate::domain::id::DocumentNumber;
    use crate::domain::ledger::{Cause, CustomerIndex, LedgerBuilder};
    use crate::domain::money::Currency;
    use rust_decimal::dec;

    #[test]
    fn what_is_laid_over_is_a_payment_among_the_others_and_a_movement_of_its_invoice() {
        let eur = Currency::parse("EUR").unwrap();
        let day = |day: i8| jiff::civil::date(2026, 3, day);
        let mut builder = LedgerBuilder::default();
        let customers = ["A", "B"].map(|id| builder.add_customer(Customer::from_id(id), [].into_iter()).unwrap());
        for (number, customer, open) in [("R-1", 0, None), ("R-2", 0, Some(dec!(100))), ("R-3", 1, None)] {
            let document = Document {
                number: DocumentNumber::new(number),
                customer: customers[customer],
                kind: DocumentKind::Invoice,
                currency: eur,
                issued_on: day(1),
                due_on: None,
                settled_on: None,
                total: dec!(100),
                open,
                disputed: false,
                approved: true,
                hold_until: None,
                promised_on: None,
                row: 0,
            };
            builder.add_invoice(document, [].into_iter()).unwrap();
        }
        let payment = |customer, document, amount, on: Date, reference: &str| Payment {
            customer,
            document,
            amount,
            currency: eur,
            received_on: on,
            reference: reference.into(),
        };
        for (number, customer, on) in [("R-3", 1, 3), ("R-1", 0, 5)] {
            let document = builder.find_document(number).unwrap();
            builder.add_payment(payment(customers[customer], Some(document), dec!(10), day(on), "books")).unwrap();
        }
        let ledger = builder.finish();
        let find = |number| ledger.find_document(number);
        let [first, second, third] = ["R-1", "R-2", "R-3"].map(find);
        let matched = vec![
            payment(CustomerIndex(0), second, dec!(40), day(4), "bank"),
            payment(CustomerIndex(0), first, dec!(30), day(5), "bank"),
            payment(CustomerIndex(0), None, dec!(7), day(2), "bank"),
        ];
        let (second_matched, rest) = (vec![matched[0].clone()], matched[1..].to_vec());
        // At once, or one after the other: the same.
        for laid_over in [ledger.clone().with_matched(matched), ledger.clone().with_matched(second_matched).with_matched(rest)] {
            let told: Vec<(i8, &str, bool)> = laid_over
                .payment_indexes_of(CustomerIndex(0))
                .map(|index| {
                    let payment = laid_over.payment(index);
                    (payment.received_on.day(), payment.reference.as_str(), laid_over.is_matched(index))
                })
                .collect();
            assert_eq!(told, [(2, "bank", true), (4, "bank", true), (5, "books", false), (5, "bank", true)]);
            let open = |index: Option<DocumentIndex>| laid_over.open_on(index.unwrap(), day(9));
            assert_eq!([open(first), open(second), open(third)], [dec!(60), dec!(60), dec!(90)]);
            assert_eq!(laid_over.balance_on(CustomerIndex(0), eur, day(9)), dec!(113));
            assert_eq!(laid_over.matched_of(first.unwrap()), dec!(30));
            for index in [first, second, third] {
                let movements = laid_over.movements_of(index.unwrap());
                assert_eq!(movements.iter().map(|movement| movement.amount).sum::<Decimal>(), open(index));
                for movement in movements {
                    let Cause::Payment(payment) = movement.cause else { continue };
                    assert_eq!(
                        (laid_over.payment(payment).document, -laid_over.payment(payment).amount),
                        (index, movement.amount)
                    );
                }
            }
        }
    }
}
