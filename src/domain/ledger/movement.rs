//! Movements: by which steps, and why, what is open of a document came to be what [`Ledger::open_on`] says.
//!
//! Nothing here has an account of its own. The movements of a document up to a day are, added together, what is open of it at
//! the end of that day, for every document and day; so what is made of them adds up with every balance.

use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::ledger::{DocumentIndex, Ledger, PaymentIndex, Source, rest_by_books};

/// Why what is open of a document changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was issued.
    Issue,
    /// A payment was set against it, or paid back.
    Payment(PaymentIndex),
    /// It was set against this document: a credit note against an invoice, or the other way about.
    Application(DocumentIndex),
    /// The books say that it is settled, in whole or part, without saying by what.
    Settlement {
        /// The day, where they say it.
        on: Option<Date>,
    },
}

/// One change of what is open of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The day from whose end on it counts; never before the document was issued.
    pub counts_on: Date,
    /// Why.
    pub cause: Cause,
    /// By how much what the customer owes grew; negative where it shrank.
    pub amount: Decimal,
}

impl Ledger {
    /// Returns the movements of a document, in the order in which they count.
    pub fn movements_of(&self, index: DocumentIndex) -> Vec<Movement> {
        let document = self.document(index);
        let (issued_on, by_books) = (document.issued_on, rest_by_books(document));
        let mut movements = vec![Movement { counts_on: issued_on, cause: Cause::Issue, amount: document.total }];
        let settled = by_books.map_or(Decimal::ZERO, |open| open - document.total);
        if !settled.is_zero() {
            // The books count it already, and do not say from when on.
            movements.push(Movement { counts_on: issued_on, cause: Cause::Settlement { on: None }, amount: settled });
        }
        let counts_until = document.settled_on.map(|settled_on| settled_on.max(issued_on));
        let applications = self.own_applications(index).iter();
        let counted = applications.filter(|application| application.is_expected || by_books.is_none());
        movements.extend(counted.filter(|own| counts_until.is_none_or(|last| own.on <= last)).map(|application| Movement {
            counts_on: application.on.max(issued_on),
            cause: match application.source {
                Source::Payment(payment) => Cause::Payment(payment),
                Source::Document(other) => Cause::Application(other),
            },
            amount: -application.amount,
        }));
        if let Some(counts_on) = counts_until {
            // Whatever the payments and credit notes that the ledger knows of leave open.
            let rest: Decimal = movements.iter().map(|movement| movement.amount).sum();
            if !rest.is_zero() {
                movements.push(Movement { counts_on, cause: Cause::Settlement { on: document.settled_on }, amount: -rest });
            }
        }
        movements
    }
}
