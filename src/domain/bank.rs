//! Money that a bank says has come in, and what a person said it pays.
//!
//! A bank line has an id of its own that is the same in every file it stands in, so that no line is ever applied twice.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::date::{Date, Timestamp};
use crate::domain::hex::hexadecimal;
use crate::domain::money::Currency;

/// The fewest characters by which a person may name a bank line.
pub const LINE_ID_CHARACTERS_MIN: usize = 4;

/// How many characters of a bank line's id are shown.
pub const LINE_ID_CHARACTERS_SHOWN: usize = 10;

/// Money that came in, as one line of a bank's statement says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankLine {
    /// 32 characters in hex, the same wherever the line stands: see [`sealed`].
    pub id: String,
    /// The day the bank booked it.
    pub booked_on: Date,
    /// How much came in, in major units of `currency`; always positive.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: Currency,
    /// Who paid, as the bank names them; may be empty.
    pub payer: String,
    /// The account it came from, without spaces, in capitals; may be empty.
    pub account: String,
    /// What the payer wrote, structured references included; may be empty.
    pub reference: String,
}

impl BankLine {
    /// Returns the beginning of its id, as tables show it.
    pub fn short_id(&self) -> &str {
        &self.id[..self.id.len().min(LINE_ID_CHARACTERS_SHOWN)]
    }
}

/// Gives lines their ids. `own` is the bank's reference of a line, empty where it has none: two lines with one reference and
/// amount are one line in two files. Without it the id is made of all that the line says, and of its place among lines that
/// say the same: a file that holds a day holds all lines of that day.
pub fn sealed(lines: Vec<(BankLine, String)>) -> Vec<BankLine> {
    let mut counts: HashMap<String, u32> = HashMap::new();
    let seal = |(line, own): (BankLine, String)| {
        let (amount, day) = (line.amount.normalize().to_string(), line.booked_on.to_string());
        let facts: &[&str] = match own.is_empty() {
            false => &["own", &own, line.currency.as_str(), &amount],
            true => &["told", &day, line.currency.as_str(), &amount, &line.payer, &line.account, &line.reference],
        };
        let count = counts.entry(hash(facts)).or_default();
        *count += 1;
        let place = count.to_string();
        let id = hash(&[facts, &[&place]].concat());
        BankLine { id, ..line }
    };
    lines.into_iter().map(seal).collect()
}

/// Returns the first 16 bytes of a SHA-256 over texts in hex, each preceded by its length.
fn hash(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hexadecimal(&hash.finalize()[..16])
}

/// What a person said that a bank line pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMatch {
    /// Its id in the database.
    pub id: i64,
    /// The bank line; its day is not after the day on which the match was applied.
    pub line: BankLine,
    /// The customer whose invoices it pays.
    pub customer: String,
    /// The invoices, in the order in which the money goes to them; at least one.
    pub parts: Vec<MatchPart>,
    /// The marks of the customer's payments that the books had then, see `matching::books`.
    pub known: Vec<String>,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Whether the books have shown it.
    pub is_booked: bool,
}

impl AppliedMatch {
    /// Returns what of the line is more than its invoices take.
    pub fn rest(&self) -> Decimal {
        self.line.amount - self.parts.iter().map(|part| part.amount).sum::<Decimal>()
    }
}

/// How much of a bank line pays an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchPart {
    /// The invoice's number.
    pub invoice: String,
    /// How much, in major units of the line's currency.
    pub amount: Decimal,
    /// How much of the invoice the books had as settled when the match was applied, or less if they have taken something
    /// back since; `None` where the books do not say what is open.
    pub settled_before: Option<Decimal>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    fn line(day: i8, amount: Decimal, reference: &str) -> BankLine {
        BankLine {
            id: String::new(),
            booked_on: jiff::civil::date(2026, 3, day),
            amount,
            currency: Currency::parse("EUR").unwrap(),
            payer: "Abc".into(),
            account: String::new(),
            reference: reference.into(),
        }
    }

    #[test]
    fn a_line_has_one_id_in_every_file_it_stands_in() {
        let ids = |lines: &[(BankLine, &str)]| -> Vec<String> {
            let lines = lines.iter().map(|(line, own)| (line.clone(), (*own).to_owned())).collect();
            sealed(lines).into_iter().map(|line| line.id).collect()
        };
        let (first, second) = (line(2, dec!(5), "R-1"), line(3, dec!(5.00), "R-1"));
        let march = ids(&[(first.clone(), ""), (first.clone(), ""), (second.clone(), "")]);
        // Two that say the same are two; 5 and 5.00 are one amount.
        assert_eq!(march.iter().collect::<std::collections::HashSet<_>>().len(), 3);
        // A file that begins a day later has the line with the same id.
        assert_eq!(ids(&[(second, "")]), march[2..]);
        assert_eq!(ids(&[(first.clone(), ""), (line(2, dec!(5.00), "R-1"), "")]), march[..2]);
        // The bank's own reference counts alone, whatever else a file says of the line.
        assert_eq!(ids(&[(first, "B7")]), ids(&[(line(4, dec!(5.0), "other"), "B7")]));
        assert_ne!(ids(&[(line(4, dec!(5), ""), "B7")]), ids(&[(line(4, dec!(6), ""), "B7")]));
        assert!(march.iter().all(|id| id.len() == 32));
    }
}
