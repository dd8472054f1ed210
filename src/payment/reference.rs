//! Structured references: what a creditor's books know a payment by.

use crate::domain::iban::mod_97;

/// How many digits a QR reference has. Source: Swiss Implementation Guidelines QR-bill 2.3, annex B.
pub const QR_DIGITS: usize = 27;

/// The reference of a payment, as the creditor's books give it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// There is none: the message alone says what is paid.
    #[default]
    None,
    /// A creditor reference, without spaces: `RF18539007547034`.
    Creditor(String),
    /// A Swiss QR reference: 27 digits.
    Qr(String),
    /// What is neither: a number that only a country knows, such as a Belgian `+++090/9337/55493+++`. Banks take it as text.
    Other(String),
}

impl Reference {
    /// Reads a reference with or without spaces; nothing is refused.
    pub fn parse(written: &str) -> Self {
        let text: String = written.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        if text.is_empty() {
            Self::None
        } else if is_creditor_reference(&text) {
            Self::Creditor(text)
        } else if is_qr_reference(&text) {
            Self::Qr(text)
        } else {
            Self::Other(written.trim().to_owned())
        }
    }

    /// Returns what a text is meant to be whose check digits are wrong: it would go as plain text.
    pub fn mistaken_for(written: &str) -> Option<&'static str> {
        let Self::Other(text) = Self::parse(written) else { return None };
        let text: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match text.strip_prefix("RF") {
            Some(rest) if rest.len() > 2 && rest.get(..2).is_some_and(is_digits) => Some("creditor reference (RF)"),
            _ => (text.len() == QR_DIGITS && is_digits(&text)).then_some("Swiss QR reference"),
        }
    }

    /// Returns the reference as people read it: in groups, from the left of four, a QR reference from the right of five.
    ///
    /// Source: ISO 11649 §5.2; Swiss Implementation Guidelines QR-bill 2.3 §3.5.
    pub fn printed(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Other(text) => text.clone(),
            Self::Creditor(text) => groups(text, 4, 0),
            Self::Qr(text) => groups(text, 5, QR_DIGITS % 5),
        }
    }
}

fn groups(text: &str, width: usize, first: usize) -> String {
    let mut out = String::new();
    for (place, c) in text.chars().enumerate() {
        if place > 0 && place % width == first {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Returns whether a text without spaces is a creditor reference with right check digits.
///
/// Source: ISO 11649 §5: `RF`, two check digits (ISO 7064 MOD 97-10), up to 21 letters and digits.
pub fn is_creditor_reference(text: &str) -> bool {
    let rest = text.strip_prefix("RF").unwrap_or_default();
    (3..=23).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && rest.as_bytes()[..2].iter().all(u8::is_ascii_digit)
        && mod_97(&text[4..], &text[..4]) == 1
}

/// Returns whether a text without spaces is a QR reference with a right check digit.
///
/// Source: Swiss Implementation Guidelines QR-bill 2.3, annex B: 27 digits, the last by modulo 10, recursive.
pub fn is_qr_reference(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
    let (Some((last, first)), true) = (digits.split_last(), digits.iter().all(|digit| *digit < 10)) else { return false };
    digits.len() == QR_DIGITS && check_digit(first) == *last
}

/// Returns the check digit of a run of digits by modulo 10, recursive. Source: as [`is_qr_reference`].
fn check_digit(digits: &[u8]) -> u8 {
    const CARRY: [u8; 10] = [0, 9, 4, 6, 8, 2, 7, 1, 3, 5];
    let carry = digits.iter().fold(0, |carry: u8, digit| CARRY[usize::from((carry + digit) % 10)]);
    (10 - carry) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_with_wrong_check_digits_is_known_for_what_it_was_to_be() {
        for (written, expected) in [
            ("RF00R2007", Some("creditor reference (RF)")),
            ("rf19 5390 0754 7034", Some("creditor reference (RF)")),
            ("21 00000 00003 13947 14300 09018", Some("Swiss QR reference")),
            ("210000000003139471430009017", None),
            ("RF18539007547034", None),
            ("RFQ-2007", None),
            ("2100000000", None),
            ("", None),
        ] {
            assert_eq!(Reference::mistaken_for(written), expected, "{written}");
        }
    }

    #[test]
    fn a_reference_is_what_its_check_digits_say() {
        for (written, expected, printed) in [
            // The examples of the Swiss guidelines and of ISO 11649.
            (
                "210000000003139471430009017",
                Reference::Qr("210000000003139471430009017".into()),
                "21 00000 00003 13947 14300 09017",
            ),
            (
                "21 00000 00003 13947 14300 09017",
                Reference::Qr("210000000003139471430009017".into()),
                "21 00000 00003 13947 14300 09017",
            ),
            ("RF18 5390 0754 7034", Reference::Creditor("RF18539007547034".into()), "RF18 5390 0754 7034"),
            ("rf45 g72uur", Reference::Creditor("RF45G72UUR".into()), "RF45 G72U UR"),
            (" ", Reference::None, ""),
            // One digit off, and one too short.
            (
                "210000000003139471430009018",
                Reference::Other("210000000003139471430009018".into()),
                "210000000003139471430009018",
            ),
            ("21000000000313947143000901", Reference::Other("21000000000313947143000901".into()), "21000000000313947143000901"),
            ("RF19539007547034", Reference::Other("RF19539007547034".into()), "RF19539007547034"),
            ("RF18", Reference::Other("RF18".into()), "RF18"),
            (" +++090/9337/55493+++", Reference::Other("+++090/9337/55493+++".into()), "+++090/9337/55493+++"),
            ("ÄÖÜ", Reference::Other("ÄÖÜ".into()), "ÄÖÜ"),
        ] {
            let found = Reference::parse(written);
            assert_eq!((&found, found.printed().as_str()), (&expected, printed), "{written}");
        }
    }
}
