//! Which open invoices a bank line pays: proposals with their reasons, and when the books have shown what a person applied.
//!
//! Pure and deterministic. Nothing here applies anything: a proposal is `certain` only where a number (or a structured
//! reference) and the amount agree and nothing else fits as well; all else is for a person. Neighbours: `number` finds invoice
//! numbers in what payers write, `name` holds names against each other, `subset` finds sums, `propose` weighs all of it, and
//! `books` holds applied matches against the ledger so that no payment counts twice.

pub mod books;
mod name;
mod number;
mod propose;
mod subset;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::ledger::{CustomerIndex, DocumentIndex};

pub use crate::matching::propose::{CANDIDATES_MAX, Receivables, propose};

/// How sure a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A number or structured reference and the amount agree, and nothing else fits as well.
    Certain,
    /// Something fits; a person says what.
    Doubtful,
    /// Nothing fits.
    Unmatched,
}

/// What speaks for a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// A structured reference with right check digits holds the invoice's number.
    Reference,
    /// The text names the invoice, or each of several.
    Number,
    /// The amount is what is open of the invoice.
    Amount,
    /// The amount is what is open of these invoices together.
    Sum,
    /// The money came from an account of the customer.
    Account,
    /// The payer has the customer's name.
    Name,
}

impl Ground {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Reference => "structured reference",
            Self::Number => "number",
            Self::Amount => "amount",
            Self::Sum => "sum of these invoices",
            Self::Account => "account",
            Self::Name => "name",
        }
    }

    /// Returns how much it counts.
    fn weight(self) -> i32 {
        match self {
            Self::Reference | Self::Number => 8,
            Self::Amount => 6,
            Self::Sum => 5,
            Self::Account => 4,
            Self::Name => 2,
        }
    }
}

/// What keeps a candidate from being certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// No invoice is named.
    NoNumber,
    /// Only the amount fits.
    AmountOnly,
    /// The number is so short, or without its prefix, that it may stand there by chance.
    NumberShort,
    /// Several invoices have a number that reads like it.
    NumberShared,
    /// The text names invoices of several customers.
    SeveralCustomers,
    /// The text names further invoices.
    FurtherNumbers,
    /// Other invoices fit as well.
    SeveralFit,
    /// Less came in than is open.
    Partial,
    /// More came in than is open.
    Overpaid,
    /// The invoice is in another currency.
    OtherCurrency,
    /// Nothing of the invoice is open.
    NothingOpen,
    /// By account or name the payer is another customer.
    OtherPayer,
    /// Another line fits the same invoice.
    ClaimedTwice,
}

impl Doubt {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoNumber => "no invoice is named",
            Self::AmountOnly => "only the amount fits",
            Self::NumberShort => "the number may stand there by chance",
            Self::NumberShared => "several invoices have such a number",
            Self::SeveralCustomers => "invoices of several customers are named",
            Self::FurtherNumbers => "further invoices are named",
            Self::SeveralFit => "others fit as well",
            Self::Partial => "less than is open",
            Self::Overpaid => "more than is open",
            Self::OtherCurrency => "the invoice is in another currency",
            Self::NothingOpen => "nothing is open",
            Self::OtherPayer => "the payer is another customer",
            Self::ClaimedTwice => "another line fits it too",
        }
    }

    /// Returns how much it counts against.
    fn weight(self) -> i32 {
        match self {
            Self::NoNumber | Self::SeveralFit | Self::FurtherNumbers | Self::ClaimedTwice => 0,
            Self::SeveralCustomers | Self::NumberShared | Self::Overpaid => 1,
            Self::Partial | Self::OtherPayer | Self::AmountOnly => 2,
            Self::NumberShort => 5,
            Self::OtherCurrency => 7,
            Self::NothingOpen => 10,
        }
    }
}

/// What a bank line may pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Whose invoices they are.
    pub customer: CustomerIndex,
    /// The invoices with what of the line goes to each; nothing where it is in another currency or nothing is open.
    pub parts: Vec<(DocumentIndex, Decimal)>,
    /// What is left of the line; positive where more came in than is open.
    pub rest: Decimal,
    /// What speaks for it, the strongest first.
    pub grounds: Vec<Ground>,
    /// What speaks against it; empty: nothing.
    pub doubts: Vec<Doubt>,
}

impl Candidate {
    fn weight(&self) -> i32 {
        let grounds: i32 = self.grounds.iter().map(|ground| ground.weight()).sum();
        grounds - self.doubts.iter().map(|doubt| doubt.weight()).sum::<i32>()
    }

    /// Returns whether a number and the amount agree and nothing speaks against it.
    fn is_certain(&self) -> bool {
        self.doubts.is_empty() && self.has(&[Ground::Reference, Ground::Number]) && self.fits_amount()
    }

    /// Returns whether the line is what is open of its invoices.
    fn fits_amount(&self) -> bool {
        self.has(&[Ground::Amount, Ground::Sum])
    }

    fn has(&self, grounds: &[Ground]) -> bool {
        self.grounds.iter().any(|ground| grounds.contains(ground))
    }

    /// Returns the invoices.
    fn documents(&self) -> Vec<DocumentIndex> {
        self.parts.iter().map(|(index, _)| *index).collect()
    }
}

/// What is proposed for a bank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// How sure it is.
    pub class: Class,
    /// What it may pay, the likeliest first; exactly one where it is certain.
    pub candidates: Vec<Candidate>,
    /// How many more there are than are listed.
    pub more_count: usize,
}

/// Returns an account as it is compared: capitals and digits alone. Empty where it is none.
pub fn account(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests;
