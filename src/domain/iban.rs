//! The numbers of bank accounts and banks: IBAN and BIC, checked as far as their form can be.

use std::fmt;

/// The longest IBAN. Source: ISO 13616-1 §6.
const IBAN_CHARACTERS_MAX: usize = 34;
/// The shortest IBAN in use: Norway's.
const IBAN_CHARACTERS_MIN: usize = 15;

/// How long the IBANs of each country are. A country that is not here is held to the standard's bounds alone.
///
/// Source: the IBAN registry that SWIFT keeps for ISO 13616-2.
const LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
];

/// An international bank account number: capital letters and digits, no spaces, its check digits right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iban(String);

impl Iban {
    /// Reads an IBAN, written with or without spaces, in letters of any case.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that names it: "has 21 characters; those of DE have 22".
    ///
    /// Source: ISO 13616-1 (form), ISO 7064 MOD 97-10 (check digits).
    pub fn parse(written: &str) -> Result<Self, String> {
        let text: String = written.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
        let bytes = text.as_bytes();
        let has_form = bytes.len() >= 4
            && bytes.iter().all(u8::is_ascii_alphanumeric)
            && bytes[..2].iter().all(u8::is_ascii_uppercase)
            && bytes[2..4].iter().all(u8::is_ascii_digit);
        if !has_form {
            return Err("is not an IBAN, which is two letters, two digits, and further letters and digits".to_owned());
        }
        let country = &text[..2];
        match LENGTHS.iter().find(|(known, _)| *known == country) {
            Some((_, length)) if bytes.len() != *length => {
                return Err(format!("has {} characters; an IBAN that begins with {country} has {length}", bytes.len()));
            }
            None if !(IBAN_CHARACTERS_MIN..=IBAN_CHARACTERS_MAX).contains(&bytes.len()) => {
                return Err(format!(
                    "has {} characters; an IBAN has {IBAN_CHARACTERS_MIN} to {IBAN_CHARACTERS_MAX}",
                    bytes.len()
                ));
            }
            _ => {}
        }
        if mod_97(&text[4..], &text[..4]) != 1 {
            return Err("is mistyped somewhere: its check digits do not fit the rest".to_owned());
        }
        Ok(Self(text))
    }

    /// Returns it without spaces, as machines read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the two letters of its country.
    pub fn country(&self) -> &str {
        &self.0[..2]
    }

    /// Returns whether it is a QR-IBAN: of Switzerland or Liechtenstein, its bank's number from 30000 to 31999. Payments to
    /// one carry a QR reference, and only they do.
    ///
    /// Source: Swiss Implementation Guidelines QR-bill 2.3 §4.3.1.
    pub fn is_qr_iban(&self) -> bool {
        let is_here = matches!(self.country(), "CH" | "LI");
        is_here && self.0[4..9].parse::<u32>().is_ok_and(|bank| (30_000..=31_999).contains(&bank))
    }
}

impl fmt::Display for Iban {
    /// Writes it in groups of four, as people read it. Source: ISO 13616-1 §6.2.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).expect("ASCII by parse"));
        f.write_str(&groups.collect::<Vec<_>>().join(" "))
    }
}

/// Returns the remainder of `first` followed by `then` by 97, each letter standing for two digits: A is 10, Z is 35. Both hold
/// ASCII letters and digits alone.
///
/// Source: ISO 7064 MOD 97-10, as ISO 13616 (IBAN) and ISO 11649 (creditor references) use it.
pub(crate) fn mod_97(first: &str, then: &str) -> u32 {
    first.bytes().chain(then.bytes()).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    })
}

/// A bank's code: eight characters, or eleven with the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bic(String);

impl Bic {
    /// Reads a BIC in letters of any case, `None` where it has not its form. Source: ISO 9362 §5.
    pub fn parse(written: &str) -> Option<Self> {
        let text = written.to_ascii_uppercase();
        let bytes = text.as_bytes();
        let is_right = matches!(bytes.len(), 8 | 11)
            && bytes.iter().all(u8::is_ascii_alphanumeric)
            && bytes[4..6].iter().all(u8::is_ascii_uppercase);
        is_right.then_some(Self(text))
    }

    /// Returns its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the IBAN registry, and a QR-IBAN of the Swiss guidelines.
    #[test]
    fn published_ibans_are_right_and_one_wrong_character_is_seen() {
        for (written, is_qr) in [
            ("DE89 3704 0044 0532 0130 00", false),
            ("AT61 1904 3002 3457 3201", false),
            ("BE68 5390 0754 7034", false),
            ("CH93 0076 2011 6238 5295 7", false),
            ("CH44 3199 9123 0008 8901 2", true),
            ("ES91 2100 0418 4502 0005 1332", false),
            ("FR14 2004 1010 0505 0001 3M02 606", false),
            ("GB29 NWBK 6016 1331 9268 19", false),
            ("IT60 X054 2811 1010 0000 0123 456", false),
            ("LI21 0881 0000 2324 013A A", false),
            ("NL91 ABNA 0417 1643 00", false),
            ("NO93 8601 1117 947", false),
        ] {
            let iban = Iban::parse(&written.to_lowercase()).unwrap();
            assert_eq!((iban.to_string().as_str(), iban.is_qr_iban()), (written, is_qr));
            for place in 4..iban.as_str().len() {
                let mut wrong = iban.as_str().to_owned().into_bytes();
                wrong[place] = if wrong[place] == b'7' { b'8' } else { b'7' };
                assert!(Iban::parse(std::str::from_utf8(&wrong).unwrap()).is_err(), "{wrong:?}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_an_iban_is_said() {
        for (written, told) in [
            ("", "is not an IBAN"),
            ("0532013000", "is not an IBAN"),
            ("DE8937040044053201300", "has 21 characters; an IBAN that begins with DE has 22"),
            ("DE88370400440532013000", "is mistyped somewhere"),
            ("ZZ0012345678", "has 12 characters; an IBAN has 15 to 34"),
            ("DE89-3704-0044-0532-0130-00", "is not an IBAN"),
            ("ÄÖ89370400440532013000", "is not an IBAN"),
        ] {
            let fault = Iban::parse(written).unwrap_err();
            assert!(fault.starts_with(told), "{written}: {fault}");
        }
    }

    #[test]
    fn a_bic_has_eight_or_eleven_characters_and_a_country() {
        for (written, is_right) in [
            ("COBADEFFXXX", true),
            ("bhbldehh", true),
            ("1DEMDEFF", true),
            ("COBADE", false),
            ("COBADEFFXX", false),
            ("COBA12FF", false),
            ("COBADEF-", false),
        ] {
            assert_eq!(Bic::parse(written).is_some(), is_right, "{written}");
        }
    }
}
