//! Money: an exact decimal with its currency. Two currencies are never added.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// An ISO 4217 alphabetic currency code: three capital letters.
///
/// Source: ISO 4217. The code's form is checked, not its presence in the standard's list, so that
/// private codes (XTS, vouchers) work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code that says that no currency is involved. Source: ISO 4217.
    pub const NONE: Self = Self(*b"XXX");

    /// Returns the currency for `code` in any case, or `None` where it is not three ASCII letters.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Self(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    /// Returns the three capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters are valid UTF-8")
    }

    /// Returns how many digits the currency's minor unit has: 2 for most, 0 for JPY, 3 for KWD.
    ///
    /// Source: ISO 4217, list one.
    pub fn minor_digits(&self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX" | b"VND"
            | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let code = String::deserialize(from)?;
        Self::parse(&code).ok_or_else(|| serde::de::Error::custom(format!("`{code}` is not a currency")))
    }
}

/// An amount in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// The amount in major units (euros, not cents), exact.
    pub amount: Decimal,
    /// The currency it is in.
    pub currency: Currency,
}

impl Money {
    /// Returns the sum, or `None` where the currencies differ or the sum leaves the decimal's range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        Some(Self { amount: self.amount.checked_add(other.amount)?, currency: self.currency })
    }
}

impl fmt::Display for Money {
    /// Writes the amount with the currency's digits and the code: `1234.50 EUR`. For people's eyes in their
    /// own convention use the template filter `money`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", plain(self.amount, self.currency), self.currency)
    }
}

/// Returns `amount` as digits with at least the currency's minor digits and no thousands marks: `1234.50`.
pub fn plain(amount: Decimal, currency: Currency) -> String {
    let scale = amount.normalize().scale().max(currency.minor_digits());
    let mut amount = amount;
    amount.rescale(scale);
    amount.to_string()
}

/// Rounds to `digits` after the point, a half away from zero: 2.345 → 2.35, −2.345 → −2.35.
///
/// This is commercial rounding, not the banker's rounding of `Decimal::round_dp`.
pub fn half_up(amount: Decimal, digits: u32) -> Decimal {
    amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn two_currencies_are_never_added() {
        let eur = Money { amount: dec!(1), currency: Currency::parse("eur").unwrap() };
        let usd = Money { amount: dec!(1), currency: Currency::parse("USD").unwrap() };
        assert_eq!(eur.checked_add(usd), None);
        assert_eq!(eur.checked_add(eur).map(|sum| sum.to_string()), Some("2.00 EUR".into()));
    }

    #[test]
    fn a_half_is_rounded_away_from_zero() {
        assert_eq!(half_up(dec!(2.345), 2), dec!(2.35));
        assert_eq!(half_up(dec!(-2.345), 2), dec!(-2.35));
        assert_eq!(half_up(dec!(2.3449), 2), dec!(2.34));
    }

    #[test]
    fn plain_digits_follow_the_currency() {
        for (amount, code, expected) in
            [(dec!(5), "EUR", "5.00"), (dec!(5), "JPY", "5"), (dec!(1.5), "KWD", "1.500"), (dec!(0.1234), "EUR", "0.1234")]
        {
            assert_eq!(plain(amount, Currency::parse(code).unwrap()), expected);
        }
    }

    #[test]
    fn a_code_is_three_letters() {
        for bad in ["", "EU", "EURO", "E1R", "€uro", "ÄÖÜ"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
    }
}
