//! Invoice numbers in what payers write: with other separators, spaces, leading zeros or without their prefix, and inside
//! structured creditor references.
//!
//! Only whole words count: `12001` does not name 2001. What was found says how it was found, since a short number may
//! stand there by chance.

use crate::payment::{QR_DIGITS, is_creditor_reference, is_qr_reference};

/// The most runs of letters or digits that a number may be spread over: `R 20 26 / 00 12`.
const RUNS_MAX: usize = 6;

/// The most bytes of a text that are looked at.
const TEXT_BYTES_MAX: usize = 4_096;

/// Words that payers set before a number, glued to it or not.
const PREFIXES: &[&str] = &[
    "RE",
    "RG",
    "R",
    "RN",
    "RNR",
    "RENR",
    "RGNR",
    "RECHNR",
    "RECH",
    "RECHNUNG",
    "RECHNUNGSNR",
    "RECHNUNGSNUMMER",
    "NR",
    "NO",
    "N",
    "INV",
    "INVNO",
    "INVOICE",
    "INVOICENO",
    "BILL",
    "BELEG",
    "BELEGNR",
    "FAC",
    "FACT",
    "FACTURE",
    "FACTURA",
    "FRA",
    "FT",
    "DOC",
];

/// What banks write between the parts of a text: `EREF+`, `SVWZ+`. Source: the German structured `:86:` field.
const BANK_CODES: &[&str] = &["EREF", "KREF", "MREF", "CRED", "DEBT", "SVWZ", "ABWA", "ABWE", "IBAN", "BIC", "PURP"];

/// How a number was found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    /// Without its prefix, or so short that it may stand there by chance.
    Short,
    /// Whole.
    Whole,
    /// In a reference whose check digits are right.
    Reference,
}

/// A run of letters or of digits.
#[derive(Clone, Debug)]
struct Run {
    text: String,
    is_digits: bool,
    /// Whether a word begins or ends with it.
    begins: bool,
    ends: bool,
}

/// Cuts a text into runs of letters and runs of digits, in capitals.
fn runs(text: &str) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    let mut is_inside = false;
    for letter in text.chars() {
        if !letter.is_alphanumeric() {
            if let Some(last) = found.last_mut().filter(|_| is_inside) {
                last.ends = true;
            }
            is_inside = false;
            continue;
        }
        let is_digits = letter.is_ascii_digit();
        match found.last_mut().filter(|last| is_inside && last.is_digits == is_digits) {
            Some(last) => last.text.extend(letter.to_uppercase()),
            None => found.push(Run { text: letter.to_uppercase().collect(), is_digits, begins: !is_inside, ends: false }),
        }
        is_inside = true;
    }
    if let Some(last) = found.last_mut() {
        last.ends = true;
    }
    found
}

/// Returns the two forms in which runs are compared: with each run of digits apart and freed of leading zeros, and with
/// neighbouring runs of digits as one.
fn keys(runs: &[Run]) -> [String; 2] {
    let (mut apart, mut joined) = (String::new(), String::new());
    let mut digits = String::new();
    let end_digits = |digits: &mut String, joined: &mut String| {
        if !digits.is_empty() {
            joined.push('|');
            joined.push_str(without_zeros(digits));
            digits.clear();
        }
    };
    for run in runs {
        apart.push('|');
        if run.is_digits {
            apart.push_str(without_zeros(&run.text));
            digits.push_str(&run.text);
        } else {
            apart.push_str(&run.text);
            end_digits(&mut digits, &mut joined);
            joined.push('|');
            joined.push_str(&run.text);
        }
    }
    end_digits(&mut digits, &mut joined);
    [apart, joined]
}

fn without_zeros(digits: &str) -> &str {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { &digits[..digits.len().min(1)] } else { rest }
}

/// The forms under which an invoice's number is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberKeys {
    /// The whole number.
    pub whole: Vec<String>,
    /// The number without the letters it begins with; empty where it begins with a digit.
    pub bare: Vec<String>,
}

/// Returns the forms of a number; none of one without a digit.
pub(crate) fn number_keys(number: &str) -> NumberKeys {
    let all = runs(number);
    let mut found = NumberKeys { whole: Vec::new(), bare: Vec::new() };
    if all.iter().all(|run| !run.is_digits) || all.len() > RUNS_MAX {
        return found;
    }
    found.whole = distinct(keys(&all));
    let first_digits = all.iter().position(|run| run.is_digits).unwrap_or_default();
    if first_digits > 0 {
        found.bare = distinct(keys(&all[first_digits..]));
    }
    found
}

fn distinct([apart, joined]: [String; 2]) -> Vec<String> {
    if apart == joined { vec![apart] } else { vec![apart, joined] }
}

/// Returns whether a number that is written so can hardly stand in a text by chance; `key` is the form it is compared in.
fn is_telling(written: &[Run], key: &str) -> bool {
    match written.iter().any(|run| !run.is_digits) {
        // With its letters, zeros in front tell too.
        true => written.iter().filter(|run| run.is_digits).map(|run| run.text.len()).sum::<usize>() >= 3,
        // A year, a postcode, a street's number: four digits are everywhere.
        false => key.chars().filter(char::is_ascii_digit).count() >= 5,
    }
}

/// Calls `named` for each form of a number that stands in a text, with how it was found: whole forms and bare ones. It
/// answers whether there is such a number; the longest of several that overlap counts.
pub(crate) fn named_in(text: &str, mut named: impl FnMut(&str, Form, Found) -> bool) {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut text = text[..end].to_owned();
    for code in BANK_CODES {
        let marked = format!("{code}+");
        if text.contains(&marked) {
            text = text.replace(&marked, &format!(" {marked} "));
        }
    }
    let all = runs(&text);
    let mut at = 0;
    while at < all.len() {
        if let Some((payload, count)) = reference_at(&all[at..]) {
            // It holds one number, and its digits are no other's.
            held_in(&payload, &mut named);
            at += count;
            continue;
        }
        at += longest_at(&all, at, &mut named).max(1);
    }
}

/// Looks for the number that a structured reference holds: all of it, or what stands behind the zeros of a field.
fn held_in(payload: &str, named: &mut impl FnMut(&str, Form, Found) -> bool) {
    let whole = distinct(keys(&runs(payload)));
    let ends = ends_of(payload).map(|end| format!("|{end}"));
    for key in whole.into_iter().chain(ends) {
        if named(&key, Form::Whole, Found::Reference) || named(&key, Form::Bare, Found::Reference) {
            return;
        }
    }
}

/// The forms of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// With its prefix.
    Whole,
    /// Without it.
    Bare,
}

/// Tries the windows that begin at a run, the longest first; returns how many runs the one that names a number has.
fn longest_at(all: &[Run], at: usize, named: &mut impl FnMut(&str, Form, Found) -> bool) -> usize {
    let is_prefixed = !all[at].begins && at > 0 && all[at - 1].begins && PREFIXES.contains(&all[at - 1].text.as_str());
    if !all[at].begins && !is_prefixed {
        return 0;
    }
    for count in (1..=RUNS_MAX.min(all.len() - at)).rev() {
        let window = &all[at..at + count];
        if !window[count - 1].ends {
            continue;
        }
        for key in distinct(keys(window)) {
            let strength = if is_telling(window, &key) { Found::Whole } else { Found::Short };
            if named(&key, Form::Whole, strength) || named(&key, Form::Bare, strength) {
                return count;
            }
        }
    }
    0
}

/// Returns what a structured reference that begins here holds, and over how many runs it goes.
fn reference_at(all: &[Run]) -> Option<(String, usize)> {
    if !all[0].begins {
        return None;
    }
    let (mut text, mut best) = (String::new(), None);
    for (place, run) in all.iter().enumerate() {
        text.push_str(&run.text);
        if text.len() > QR_DIGITS || !text.is_ascii() {
            break;
        }
        if !run.ends {
            continue;
        }
        if is_creditor_reference(&text) {
            best = Some((text[4..].to_owned(), place + 1));
        } else if is_qr_reference(&text) && text.bytes().any(|digit| digit != b'0') {
            best = Some((text[..QR_DIGITS - 1].to_owned(), place + 1));
        }
    }
    best
}

/// Returns the ends of a reference's digits that stand behind a zero: a field of a fixed width, filled up in front.
fn ends_of(payload: &str) -> impl Iterator<Item = &str> {
    let places = payload.char_indices().filter(|(_, letter)| *letter == '0').map(|(at, _)| &payload[at + 1..]);
    places.filter(|end| end.len() >= 3 && !end.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how `number` is found in a text.
    fn found(number: &str, text: &str) -> Option<Found> {
        let keys = number_keys(number);
        let mut best = None;
        named_in(text, |key, form, found| {
            let is_it = match form {
                Form::Whole => keys.whole.iter().any(|own| own == key),
                Form::Bare => keys.bare.iter().any(|own| own == key),
            };
            best = best.max(is_it.then_some(found));
            is_it
        });
        best
    }

    #[test]
    fn a_number_is_found_however_payers_write_it() {
        for (number, text, expected) in [
            ("R-2001", "Rechnung R-2001 vom 3.2.", Some(Found::Whole)),
            ("R-2001", "r2001", Some(Found::Whole)),
            ("R-2001", "R 20 01", Some(Found::Whole)),
            ("R-2001", "R-002001", Some(Found::Whole)),
            ("R-2001", "inv. R.2001/12", Some(Found::Whole)),
            ("R-2001", "2001", Some(Found::Short)),
            ("R-2001", "RE2001", Some(Found::Short)),
            ("R-2001", "KD2001", None),
            ("R-2001", "R-20011", None),
            ("R-2001", "R-12001", None),
            ("R-2001", "XR-2001", Some(Found::Short)),
            ("R-2001", "R-2001A", None),
            ("2026/00123", "2026-123", Some(Found::Whole)),
            ("2026/00123", "202600123", Some(Found::Whole)),
            ("2026/00123", "2026 00123", Some(Found::Whole)),
            ("2026/00123", "123", None),
            ("INV-0007", "INV 7", Some(Found::Short)),
            ("INV-0007", "INV-0007", Some(Found::Whole)),
            ("12", "000012", Some(Found::Short)),
            ("12", "12 pieces", Some(Found::Short)),
            ("R-2001", "EREF+R-2001MREF+X SVWZ+thanks", Some(Found::Whole)),
            ("Ä-2001", "ä 2001", Some(Found::Whole)),
        ] {
            assert_eq!(found(number, text), expected, "{number} in {text}");
        }
    }

    #[test]
    fn a_structured_reference_holds_the_number_and_a_wrong_check_digit_does_not() {
        // Source of the first: the example of ISO 11649 as RF's users quote it.
        assert!(is_creditor_reference("RF18539007547034"));
        assert!(!is_creditor_reference("RF19539007547034"));
        // Source: the example of the Swiss Implementation Guidelines QR-bill.
        assert!(is_qr_reference("210000000003139471430009017"));
        assert!(!is_qr_reference("210000000003139471430009018"));
        assert_eq!(found("539007547034", "RF18 5390 0754 7034"), Some(Found::Reference));
        assert_eq!(found("539007547034", "RF19 5390 0754 7034"), Some(Found::Whole));
        // A customer's number in front, the invoice's behind its zeros.
        assert_eq!(found("R-31394", "00 00000 00000 00000 00003 13940"), None);
        let payload = "00000004711000000000031394";
        let digit = (0..10).map(|digit| format!("{payload}{digit}")).find(|text| is_qr_reference(text)).unwrap();
        assert_eq!(found("R-31394", &digit), Some(Found::Reference));
    }
}
