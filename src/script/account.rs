//! A customer's account in one currency on one day, alone or with those of its branches: the frame in which conditions and
//! scripts are asked.
//!
//! Its sums walk all documents of the customer, and a rule may ask for them at every invoice. So each is made when it
//! is first asked for and then kept; without that a collective account of 100,000 invoices would cost 10,000,000,000
//! steps. Whoever asks about many documents makes one account for all of them.

use std::cell::OnceCell;

use rust_decimal::Decimal;

use crate::domain::date::Date;
use crate::domain::ledger::{AccountScope, CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::Currency;

/// A customer's account in one currency on one day, with its sums.
#[derive(Clone, Debug)]
pub struct Account<'l> {
    pub(crate) ledger: &'l Ledger,
    pub(crate) customer: CustomerIndex,
    pub(crate) currency: Currency,
    pub(crate) as_of: Date,
    scope: AccountScope,
    balance: OnceCell<Decimal>,
    overdue: OnceCell<Decimal>,
    credit: OnceCell<Decimal>,
}

impl<'l> Account<'l> {
    /// Returns the account of a customer of `ledger` in `currency` at the end of `as_of`; it sums nothing up yet.
    pub fn new(ledger: &'l Ledger, customer: CustomerIndex, currency: Currency, as_of: Date) -> Self {
        let scope = AccountScope::Customer;
        let [balance, overdue, credit] = [OnceCell::new(), OnceCell::new(), OnceCell::new()];
        Self { ledger, customer, currency, as_of, scope, balance, overdue, credit }
    }

    /// Returns the account with its sums over these accounts; nothing was summed up before.
    pub fn over(self, scope: AccountScope) -> Self {
        let Self { ledger, customer, currency, as_of, .. } = self;
        Self { scope, ..Self::new(ledger, customer, currency, as_of) }
    }

    /// Returns the account that `document` stands on.
    pub fn of(ledger: &'l Ledger, document: DocumentIndex, as_of: Date) -> Self {
        let document = ledger.document(document);
        Self::new(ledger, document.customer, document.currency, as_of)
    }

    /// Returns whose account it is.
    pub fn customer(&self) -> CustomerIndex {
        self.customer
    }

    /// Returns the currency of its sums.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Returns what the customer owes: open documents less payments not applied to any.
    pub fn balance(&self) -> Decimal {
        *self.balance.get_or_init(|| self.members().map(|member| self.ledger.balance_on(member, self.currency, self.as_of)).sum())
    }

    /// Returns open credit notes, overpaid invoices and payments not applied to any document, as a positive amount.
    pub(crate) fn credit(&self) -> Decimal {
        *self.credit.get_or_init(|| {
            let credit: Decimal = self.documents().map(|index| -self.ledger.open_on(index, self.as_of).min(Decimal::ZERO)).sum();
            let unapplied = |member| self.ledger.unapplied_on(member, self.currency, self.as_of);
            credit + self.members().map(unapplied).sum::<Decimal>()
        })
    }

    /// Returns what is open on overdue invoices; credits are not set against it.
    pub(crate) fn overdue(&self) -> Decimal {
        *self.overdue.get_or_init(|| {
            let is_overdue = |index: &DocumentIndex| self.ledger.document(*index).days_overdue(self.as_of) > 0;
            let overdue = self.documents().filter(is_overdue);
            overdue.map(|index| self.ledger.open_on(index, self.as_of).max(Decimal::ZERO)).sum()
        })
    }

    fn members(&self) -> impl Iterator<Item = CustomerIndex> {
        self.ledger.members(self.customer, self.scope)
    }

    /// Returns the documents in its currency.
    fn documents(&self) -> impl Iterator<Item = DocumentIndex> {
        let documents =
            self.members().flat_map(|member| self.ledger.documents_of(member)).map(|place| DocumentIndex(place as u32));
        documents.filter(|index| self.ledger.document(*index).currency == self.currency)
    }
}
