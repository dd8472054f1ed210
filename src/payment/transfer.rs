//! One transfer that is asked for: to whom, how much, and what it says.

use rust_decimal::Decimal;

use crate::domain::company::{BankAccount, Company};
use crate::domain::iban::Iban;
use crate::domain::money::Money;
use crate::payment::epc::{EPC_VERSION_MAX, epc_text};
use crate::payment::matrix::Matrix;
use crate::payment::reference::Reference;
use crate::payment::swiss::{SWISS_VERSION_MAX, swiss_text};

/// The least and the most that a code can ask for, in hundredths of EUR or CHF. Source: EPC069-12 §3; Swiss QR-bill 2.3 §4.3.3.
const CENTS: std::ops::RangeInclusive<u64> = 1..=99_999_999_999;
/// How many characters the message of a transfer may have. Source: as for the amounts.
pub const MESSAGE_CHARACTERS_MAX: usize = 140;

/// A payment code's standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// A SEPA credit transfer in euros. Source: EPC069-12.
    Epc,
    /// A Swiss QR-bill, in francs or euros; a Swiss cross stands in its middle. Source: Swiss Implementation Guidelines QR-bill.
    Swiss,
}

/// A transfer that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Who is paid.
    pub company: &'a Company,
    /// On which account; one of the company's, for the currency of `money`.
    pub account: &'a BankAccount,
    /// How much.
    pub money: Money,
    /// What the books know the payment by.
    pub reference: Reference,
    /// What it is for, in one line, in as many ways as may be needed, the best first: the first that fits is taken.
    pub messages: Vec<String>,
}

/// A payment code. Its text is made at once, the modules and the picture that show it when they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentCode {
    kind: CodeKind,
    text: String,
}

impl PaymentCode {
    /// Returns the code for a transfer; `None` where the account has none, the amount is out of bounds or not in whole cents,
    /// or something that has to stand in it has no room.
    pub fn of(transfer: &Transfer<'_>) -> Option<Self> {
        let cents = transfer.money.amount.checked_mul(Decimal::ONE_HUNDRED)?.normalize();
        let is_askable = cents.scale() == 0 && u64::try_from(cents).is_ok_and(|cents| CENTS.contains(&cents));
        if !is_askable || transfer.account.currency != transfer.money.currency {
            return None;
        }
        let kind = kind_of(transfer.account)?;
        let text = match kind {
            CodeKind::Epc => epc_text(transfer)?,
            CodeKind::Swiss => swiss_text(transfer)?,
        };
        Some(Self { kind, text })
    }

    /// Returns its standard.
    pub fn kind(&self) -> CodeKind {
        self.kind
    }

    /// Returns what a banking program reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the account that it pays on, in groups.
    pub fn iban(&self) -> String {
        let iban = self.line(if self.kind == CodeKind::Epc { 6 } else { 3 });
        Iban::parse(iban).map_or_else(|_| iban.to_owned(), |iban| iban.to_string())
    }

    /// Returns what the transfer says, as people type it: its structured reference, else its message.
    pub fn reference(&self) -> String {
        let (reference, message) = if self.kind == CodeKind::Epc { (9, 10) } else { (28, 29) };
        let said = Some(self.line(reference)).filter(|reference| !reference.is_empty());
        Reference::parse(said.unwrap_or_else(|| self.line(message))).printed()
    }

    fn line(&self, place: usize) -> &str {
        self.text.split('\n').map(str::trim).nth(place).unwrap_or_default()
    }

    /// Returns the square that shows it.
    pub fn matrix(&self) -> Matrix {
        let version_max = match self.kind {
            CodeKind::Epc => EPC_VERSION_MAX,
            CodeKind::Swiss => SWISS_VERSION_MAX,
        };
        Matrix::of(&self.text, version_max).expect("a text within its limit of bytes has room in the largest version")
    }

    /// Returns the code as a PNG of two colours; the same code gives the same bytes.
    pub fn png(&self) -> Vec<u8> {
        self.matrix().png(self.kind == CodeKind::Swiss)
    }
}

/// Returns which code an account gets: a Swiss IBAN the Swiss one for francs and euros, any other IBAN the SEPA one for euros.
pub(crate) fn kind_of(account: &BankAccount) -> Option<CodeKind> {
    let country = account.iban.as_ref().map(Iban::country)?;
    match (account.currency.as_str(), country) {
        ("CHF" | "EUR", "CH" | "LI") => Some(CodeKind::Swiss),
        ("EUR", _) => Some(CodeKind::Epc),
        _ => None,
    }
}

/// Returns a text as one line without control characters, without white space at its ends.
pub(crate) fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns an amount with two digits behind the point: `1190.00`.
pub(crate) fn amount_text(amount: Decimal) -> String {
    let mut amount = amount;
    amount.rescale(2);
    amount.to_string()
}
