//! The address of a page where a customer pays: a pattern of config.yaml, filled for one sum.

use crate::domain::money::{Money, plain};
use crate::domain::percent::push_encoded;
use crate::domain::problem::nearest;

/// How many characters an address may have when it is filled; some mail programs cut longer ones.
pub const PAY_URL_CHARACTERS_MAX: usize = 2_000;

/// What a pattern can have between braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    InvoiceNumber,
    InvoiceNumbers,
    CustomerId,
    Amount,
    Currency,
}

/// The names of the placeholders, as config.yaml and its reference write them.
const PLACEHOLDERS: [(&str, Placeholder); 5] = [
    ("invoice_number", Placeholder::InvoiceNumber),
    ("invoice_numbers", Placeholder::InvoiceNumbers),
    ("customer_id", Placeholder::CustomerId),
    ("amount", Placeholder::Amount),
    ("currency", Placeholder::Currency),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// A pattern such as `https://pay.acme.example/{customer_id}?amount={amount}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayUrl(Vec<Piece>);

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayUrlFault {
    /// What is wrong, with the value.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// The sum that an address is for.
#[derive(Clone, Copy, Debug)]
pub struct PaySum<'a> {
    /// The customer's id.
    pub customer_id: &'a str,
    /// The invoices the sum is of; may be empty.
    pub invoice_numbers: &'a [&'a str],
    /// What is to be paid.
    pub money: Money,
}

impl PayUrl {
    /// Reads a pattern: `https` only, and the host is fixed, so that no value decides whom a customer pays.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(written: &str) -> Result<Self, PayUrlFault> {
        let fault = |message: String, hint: &str| Err(PayUrlFault { message, hint: hint.to_owned() });
        let example = "write it like `https://pay.example.com/?invoice={invoice_number}&amount={amount}`";
        let Some(rest) = written.strip_prefix("https://") else {
            return fault(format!("`{written}` is not a page at `https://`"), example);
        };
        if written.chars().count() > PAY_URL_CHARACTERS_MAX {
            return fault(format!("The address has more than {PAY_URL_CHARACTERS_MAX} characters"), example);
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_host_character = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if host.is_empty() || !host.chars().all(is_host_character) {
            let message = format!("`{host}` is not the name of a host; customers would pay wherever a value says");
            return fault(message, "write the host's name as it is, and placeholders only after the `/` behind it");
        }
        if let Some(odd) = rest.chars().find(|c| !c.is_ascii_graphic() || "<>\"\\^`|".contains(*c)) {
            return fault(format!("{odd:?} cannot stand in an address"), "write it as `%` and two digits: a space is `%20`");
        }
        let mut pieces = Vec::new();
        let mut left = written;
        while let Some(open) = left.find(['{', '}']) {
            let Some((name, after)) = left[open..].strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
                return fault(format!("A brace of `{written}` has no other"), "write `{amount}`, or `%7B` for a brace");
            };
            let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
                let names = || PLACEHOLDERS.iter().map(|(known, _)| *known);
                let hint = match nearest(name, names()) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => format!("the placeholders are: {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(PayUrlFault { message: format!("`{{{name}}}` is not a placeholder"), hint });
            };
            pieces.push(Piece::Text(left[..open].to_owned()));
            pieces.push(Piece::Value(*placeholder));
            left = after;
        }
        pieces.push(Piece::Text(left.to_owned()));
        Ok(Self(pieces))
    }

    /// Returns the address for a sum, its values percent-encoded. There is none where the pattern names one invoice and the sum
    /// is not of exactly one, or where it would have more than [`PAY_URL_CHARACTERS_MAX`] characters.
    pub fn fill(&self, sum: &PaySum<'_>) -> Option<String> {
        let mut address = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => address.push_str(text),
                Piece::Value(Placeholder::InvoiceNumber) => match sum.invoice_numbers {
                    [only] => push_encoded(&mut address, only),
                    _ => return None,
                },
                Piece::Value(Placeholder::InvoiceNumbers) => push_encoded(&mut address, &sum.invoice_numbers.join(",")),
                Piece::Value(Placeholder::CustomerId) => push_encoded(&mut address, sum.customer_id),
                Piece::Value(Placeholder::Amount) => address.push_str(&plain(sum.money.amount, sum.money.currency)),
                Piece::Value(Placeholder::Currency) => address.push_str(sum.money.currency.as_str()),
            }
        }
        (address.len() <= PAY_URL_CHARACTERS_MAX).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;
    use rust_decimal::dec;

    fn filled(pattern: &str, invoice_numbers: &[&str]) -> Option<String> {
        let money = Money { amount: dec!(1190), currency: Currency::parse("EUR").unwrap() };
        PayUrl::parse(pattern).unwrap().fill(&PaySum { customer_id: "C/1 ü&x=1", invoice_numbers, money })
    }

    #[test]
    fn a_value_stays_one_value() {
        let all = "https://pay.acme.example/{customer_id}/?i={invoice_number}&a={amount}&c={currency}#top";
        assert_eq!(
            filled(all, &["R#1/7"]).as_deref(),
            Some("https://pay.acme.example/C%2F1%20%C3%BC%26x%3D1/?i=R%231%2F7&a=1190.00&c=EUR#top")
        );
        assert_eq!(filled("https://a.example/{invoice_numbers}", &["1", "2"]).as_deref(), Some("https://a.example/1%2C2"));
        assert_eq!(filled("https://a.example:8443", &[]).as_deref(), Some("https://a.example:8443"));
    }

    #[test]
    fn there_is_no_address_where_it_would_name_the_wrong_invoice_or_grow_too_long() {
        let one = "https://a.example/{invoice_number}";
        assert_eq!((filled(one, &[]), filled(one, &["1", "2"])), (None, None));
        let many = vec!["R-2027-0042"; 200];
        assert_eq!(filled("https://a.example/{invoice_numbers}", &many), None);
    }

    #[test]
    fn a_pattern_that_could_mislead_is_refused() {
        for (pattern, told) in [
            ("http://pay.example/{amount}", "is not a page at `https://`"),
            ("pay.example", "is not a page at `https://`"),
            ("https://{customer_id}.pay.example/", "`{customer_id}.pay.example` is not the name of a host"),
            ("https://pay.example@evil.example/", "`pay.example@evil.example` is not the name of a host"),
            ("https:///{amount}", "`` is not the name of a host"),
            ("https://pay.example/a b", "' ' cannot stand in an address"),
            ("https://pay.example/ü", "'ü' cannot stand in an address"),
            ("https://pay.example/{amount", "has no other"),
            ("https://pay.example/amount}", "has no other"),
            ("https://pay.example/{ammount}", "`{ammount}` is not a placeholder"),
        ] {
            let fault = PayUrl::parse(pattern).unwrap_err();
            assert!(fault.message.contains(told), "{pattern}: {}", fault.message);
        }
        assert_eq!(PayUrl::parse("https://a.example/{ammount}").unwrap_err().hint, "did you mean `{amount}`?");
    }
}
