//! The company that is owed: what mails and papers say of it, and the accounts it is paid on.

use crate::domain::iban::{Bic, Iban};
use crate::domain::money::Currency;
use crate::domain::pay_url::PayUrl;

/// The company whose receivables these are. A text that is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// The full name; never empty.
    pub name: String,
    /// Street and number.
    pub street: String,
    /// The town.
    pub city: String,
    /// The state, province or canton.
    pub state: String,
    /// The postal or ZIP code.
    pub postal_code: String,
    /// The country, as letters show it.
    pub country: String,
    /// The country's two capital letters (ISO 3166-1), where something has to be read by machines.
    pub country_code: String,
    /// The address people write to.
    pub email: String,
    /// The telephone number.
    pub phone: String,
    /// The home page.
    pub website: String,
    /// Where customers sign in to their account.
    pub logon_url: String,
    /// The number at the tax office.
    pub tax_number: String,
    /// The number for value added tax.
    pub vat_id: String,
    /// Where the company is registered, and under which number.
    pub registration: String,
    /// Who manages it, as the law asks letters to say.
    pub management: String,
    /// Where customers pay on the web.
    pub pay_url: Option<PayUrl>,
    /// The column of the invoices that holds what the books know a payment by.
    pub payment_reference: String,
    /// The accounts it is paid on, one a currency, in the order of the file.
    pub bank_accounts: Vec<BankAccount>,
}

impl Company {
    /// Returns the account for payments in a currency.
    pub fn bank_account(&self, currency: Currency) -> Option<&BankAccount> {
        self.bank_accounts.iter().find(|account| account.currency == currency)
    }
}

/// An account for payments in one currency. A text that is not known is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankAccount {
    /// The currency of the payments.
    pub currency: Currency,
    /// Whose account it is; at most 70 characters.
    pub holder: String,
    /// The bank's name.
    pub bank: String,
    /// The account's number; either this or `account_number` is there.
    pub iban: Option<Iban>,
    /// The number for payments with a QR reference; `is_qr_iban` holds.
    pub qr_iban: Option<Iban>,
    /// The bank's code.
    pub bic: Option<Bic>,
    /// The account's number where there is no IBAN.
    pub account_number: String,
    /// The bank's number where there is no BIC: routing number, sort code, BSB.
    pub routing_number: String,
}
