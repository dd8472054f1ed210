//! Holds: what keeps reminders from a customer, or from one invoice, up to and including a day.
//!
//! A person sets them, each with a reason (`crate::store::holds` keeps who and why); the books can name a day of their own
//! (`hold_until`, `promised_on`). Every hold has an end, so that nobody is forgotten.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::date::Date;
use crate::domain::id::{CustomerId, DocumentNumber};

/// Why somebody is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// The customer contests the claim. Statements list it with a mark.
    Dispute,
    /// The customer has promised to pay by the hold's last day. Statements list it with that day.
    Promise,
    /// A person wants quiet: of an invoice no reminder; of a customer no mail of any rule, statements and notices included.
    Pause,
}

impl HoldKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Dispute, Self::Promise, Self::Pause];

    /// Returns the word that commands and the store use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispute => "dispute",
            Self::Promise => "promise",
            Self::Pause => "pause",
        }
    }

    /// Returns the kind behind a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A hold, as far as a decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTerm {
    /// Why.
    pub kind: HoldKind,
    /// The last day it holds.
    pub until: Date,
}

/// All holds that nobody has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    customers: HashMap<CustomerId, Vec<HoldTerm>>,
    invoices: HashMap<DocumentNumber, Vec<HoldTerm>>,
}

impl Holds {
    /// Adds one on a customer.
    pub fn add_customer(&mut self, customer: CustomerId, term: HoldTerm) {
        self.customers.entry(customer).or_default().push(term);
    }

    /// Adds one on an invoice.
    pub fn add_invoice(&mut self, invoice: DocumentNumber, term: HoldTerm) {
        self.invoices.entry(invoice).or_default().push(term);
    }

    /// Returns those in force on `day` for an invoice of a customer, the customer's own included.
    pub fn of_invoice<'h>(
        &'h self,
        customer: &CustomerId,
        invoice: &DocumentNumber,
        day: Date,
    ) -> impl Iterator<Item = HoldTerm> + use<'h> {
        let terms = [self.customers.get(customer), self.invoices.get(invoice)];
        terms.into_iter().flatten().flatten().filter(move |term| day <= term.until).copied()
    }

    /// Returns those on a customer itself, whenever they end.
    pub fn of_customer(&self, customer: &CustomerId) -> impl Iterator<Item = HoldTerm> {
        self.customers.get(customer).into_iter().flatten().copied()
    }

    /// Returns whether a customer is to get no mail at all on `day`.
    pub fn is_silenced(&self, customer: &CustomerId, day: Date) -> bool {
        let terms = self.customers.get(customer).map_or(&[][..], Vec::as_slice);
        terms.iter().any(|term| term.kind == HoldKind::Pause && day <= term.until)
    }

    /// Returns whether an invoice is disputed on `day`, by a hold.
    pub fn is_disputed(&self, customer: &CustomerId, invoice: &DocumentNumber, day: Date) -> bool {
        self.of_invoice(customer, invoice, day).any(|term| term.kind == HoldKind::Dispute)
    }

    /// Returns the day by which payment of an invoice is promised, where that day has not passed on `day`.
    pub fn promised_on(&self, customer: &CustomerId, invoice: &DocumentNumber, day: Date) -> Option<Date> {
        let promises = self.of_invoice(customer, invoice, day).filter(|term| term.kind == HoldKind::Promise);
        promises.map(|term| term.until).max()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty() && self.invoices.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_hold_lasts_up_to_and_including_its_day() {
        let mut holds = Holds::default();
        let (customer, invoice) = (CustomerId::new("C1"), DocumentNumber::new("R-1"));
        holds.add_customer(customer.clone(), HoldTerm { kind: HoldKind::Pause, until: date(2028, 2, 29) });
        holds.add_invoice(invoice.clone(), HoldTerm { kind: HoldKind::Promise, until: date(2028, 3, 1) });
        let kinds = |day| holds.of_invoice(&customer, &invoice, day).map(|term| term.kind).collect::<Vec<_>>();
        assert_eq!(kinds(date(2028, 2, 29)), [HoldKind::Pause, HoldKind::Promise]);
        assert_eq!(kinds(date(2028, 3, 1)), [HoldKind::Promise]);
        assert_eq!(kinds(date(2028, 3, 2)), []);
        assert!(holds.is_silenced(&customer, date(2028, 2, 29)) && !holds.is_silenced(&customer, date(2028, 3, 1)));
        assert_eq!(holds.promised_on(&customer, &invoice, date(2028, 3, 1)), Some(date(2028, 3, 1)));
        assert_eq!(holds.promised_on(&customer, &invoice, date(2028, 3, 2)), None);
    }
}
