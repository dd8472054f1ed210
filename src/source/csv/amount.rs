//! Amounts in the form a file writes them, exact or refused: `1,234` is never guessed to be one or a thousand.

use rust_decimal::Decimal;

use crate::source::csv::fault::CellFault;

/// The most digits before the decimal mark. With [`FRACTION_DIGITS_MAX`] a sum of ten million such amounts stays exact.
pub const WHOLE_DIGITS_MAX: usize = 15;

/// The most digits after the decimal mark.
pub const FRACTION_DIGITS_MAX: usize = 6;

/// What separates the whole part from the fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecimalMark {
    /// `1234.50`
    #[default]
    Point,
    /// `1234,50`
    Comma,
}

/// What stands between groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThousandsMark {
    /// `1,234`
    Comma,
    /// `1.234`
    Point,
    /// `1'234`, with either a straight or a typographic apostrophe.
    Apostrophe,
    /// `1 234`, with a plain, a no-break or a narrow no-break space, which nobody can tell apart by eye.
    Space,
    /// `1_234`
    Underscore,
}

impl ThousandsMark {
    /// Reads a `thousands:` setting: the mark itself, or its name.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "," | "comma" => Self::Comma,
            "." | "point" => Self::Point,
            "'" | "\u{2019}" | "apostrophe" => Self::Apostrophe,
            " " | "\u{a0}" | "\u{202f}" | "space" => Self::Space,
            "_" | "underscore" => Self::Underscore,
            _ => return None,
        })
    }

    fn is(self, c: char) -> bool {
        match self {
            Self::Comma => c == ',',
            Self::Point => c == '.',
            Self::Apostrophe => matches!(c, '\'' | '\u{2019}'),
            Self::Space => matches!(c, ' ' | '\u{a0}' | '\u{202f}'),
            Self::Underscore => c == '_',
        }
    }
}

/// How a file writes amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmountFormat {
    /// The decimal mark.
    pub decimal: DecimalMark,
    /// The mark between thousands, if the file has one; another character than the decimal mark.
    pub thousands: Option<ThousandsMark>,
}

impl AmountFormat {
    /// Returns whether the two marks are the same character, so that nothing could be read.
    pub fn is_contradictory(self) -> bool {
        self.thousands.is_some_and(|mark| mark.is(self.mark() as char))
    }

    /// Returns an amount in this form, for people: `1,234.50`.
    pub fn example(self) -> String {
        let thousands = match self.thousands {
            None => "",
            Some(ThousandsMark::Comma) => ",",
            Some(ThousandsMark::Point) => ".",
            Some(ThousandsMark::Apostrophe) => "'",
            Some(ThousandsMark::Space) => " ",
            Some(ThousandsMark::Underscore) => "_",
        };
        format!("1{thousands}234{}50", char::from(self.mark()))
    }

    fn mark(self) -> u8 {
        match self.decimal {
            DecimalMark::Point => b'.',
            DecimalMark::Comma => b',',
        }
    }

    /// Reads a cell, which is not empty. `minor_digits` is the number of decimals the currency usually has.
    pub(crate) fn read(self, cell: &str, minor_digits: u32) -> Result<Decimal, CellFault> {
        let amount = match self.read_plain(cell.as_bytes()) {
            Some(amount) => amount,
            None => self.read_written(cell).ok_or_else(|| self.fault(cell))?,
        };
        // `1.234` from a file with thousands points but no setting for them would be a thousandth of the debt.
        let could_be_thousands = amount.scale() == 3 && minor_digits != 3 && self.thousands.is_none();
        if could_be_thousands && amount.abs() >= Decimal::ONE && amount.abs() < Decimal::ONE_THOUSAND {
            return Err(self.ambiguous());
        }
        Ok(amount)
    }

    /// Reads the form nearly all files use: `-1234.50`. Returns `None` for everything else, right or wrong.
    fn read_plain(self, cell: &[u8]) -> Option<Decimal> {
        let (digits, is_negative) = match cell {
            [b'-', rest @ ..] => (rest, true),
            rest => (rest, false),
        };
        let (mut number, mut mark_at) = (0_i64, None);
        if digits.len() > WHOLE_DIGITS_MAX {
            return None;
        }
        for (index, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
                _ if *byte == self.mark() && mark_at.is_none() && index > 0 => mark_at = Some(index),
                _ => return None,
            }
        }
        let scale = mark_at.map_or(0, |at| digits.len() - at - 1);
        if digits.is_empty() || mark_at.is_some() && scale == 0 || scale > FRACTION_DIGITS_MAX {
            return None;
        }
        Some(Decimal::new(if is_negative { -number } else { number }, scale as u32))
    }

    /// Reads every form: signs in front or behind, parentheses, thousands marks.
    fn read_written(self, cell: &str) -> Option<Decimal> {
        let (digits, is_negative) = without_sign(cell);
        let (whole, fraction) = digits.split_once(self.mark() as char).unwrap_or((digits, ""));
        let has_mark = whole.len() < digits.len();
        let whole = self.without_thousands(whole)?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_short = whole.len() <= WHOLE_DIGITS_MAX && fraction.len() <= FRACTION_DIGITS_MAX;
        if !is_number(&whole) || !is_number(fraction) || !is_short || has_mark == fraction.is_empty() {
            return None;
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let number = whole.bytes().chain(fraction.bytes()).fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        Some(Decimal::from_i128_with_scale(if is_negative { -number } else { number }, fraction.len() as u32))
    }

    /// Takes the thousands marks out where they stand in groups of three (`12,345,678`) or as in India (`1,23,45,678`).
    fn without_thousands(self, whole: &str) -> Option<String> {
        let Some(mark) = self.thousands else { return Some(whole.to_owned()) };
        let groups: Vec<&str> = whole.split(|c| mark.is(c)).collect();
        if let [first, middle @ .., last] = groups.as_slice() {
            let is_western = (1..=3).contains(&first.len()) && middle.iter().all(|group| group.len() == 3);
            let is_indian = (1..=2).contains(&first.len()) && middle.iter().all(|group| group.len() == 2);
            if groups.len() > 1 && (last.len() != 3 || !is_western && !is_indian) {
                return None;
            }
        }
        Some(groups.concat())
    }

    #[cold]
    fn ambiguous(self) -> CellFault {
        let (mark, other) = (self.mark() as char, if self.mark() == b'.' { "comma" } else { "point" });
        CellFault::new(
            "can be read as a whole number of thousands or as three decimals",
            format!(
                "if `{mark}` marks thousands, set `thousands: \"{mark}\"` and `decimal: {other}` for this file; if it marks \
                 decimals, write two of them"
            ),
        )
    }

    #[cold]
    fn fault(self, cell: &str) -> CellFault {
        let mark = self.mark() as char;
        let other = if mark == '.' { ',' } else { '.' };
        let (digits, _) = without_sign(cell);
        let has_word = digits.chars().any(|c| !c.is_ascii() && !is_any_thousands(c) || c.is_ascii_alphabetic() || c == '$');
        let count = digits.bytes().filter(u8::is_ascii_digit).count();
        let hint = if has_word {
            "write the number alone; the currency has its own column".to_owned()
        } else if count > WHOLE_DIGITS_MAX {
            format!("an amount has at most {WHOLE_DIGITS_MAX} digits before the decimal mark and {FRACTION_DIGITS_MAX} after it")
        } else if digits.contains(other) && !self.thousands.is_some_and(|own| own.is(other)) {
            let word = if other == ',' { "comma" } else { "point" };
            format!("if `{other}` marks decimals, set `decimal: {word}` for this file; if thousands, `thousands: \"{other}\"`")
        } else if self.thousands.is_none() && digits.chars().any(is_any_thousands) {
            "if the file marks thousands, set `thousands:` for it to the mark".to_owned()
        } else {
            format!("write digits and `{mark}`, as in 1234{mark}50")
        };
        CellFault::new("is not an amount", hint)
    }
}

fn is_any_thousands(c: char) -> bool {
    use ThousandsMark::{Apostrophe, Comma, Point, Space, Underscore};
    [Comma, Point, Apostrophe, Space, Underscore].iter().any(|mark| mark.is(c))
}

/// Takes one sign off: `-5`, `−5`, `+5`, `5-` or `(5)`.
fn without_sign(cell: &str) -> (&str, bool) {
    if let Some(rest) = cell.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return (rest.trim(), true);
    }
    if let Some(rest) = cell.strip_prefix(['-', '\u{2212}']) {
        return (rest.trim_start(), true);
    }
    if let Some(rest) = cell.strip_suffix(['-', '\u{2212}']) {
        return (rest.trim_end(), true);
    }
    (cell.strip_prefix('+').unwrap_or(cell), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    fn format(marks: &str) -> AmountFormat {
        let decimal = if marks.starts_with(',') { DecimalMark::Comma } else { DecimalMark::Point };
        AmountFormat { decimal, thousands: ThousandsMark::parse(&marks[1..]) }
    }

    #[test]
    fn an_amount_is_exact_or_refused() {
        for (marks, cell, expected) in [
            (".", "1234.50", Some(dec!(1234.50))),
            (".", "-0.05", Some(dec!(-0.05))),
            (".", "+7", Some(dec!(7))),
            (".", ".5", Some(dec!(0.5))),
            (".", "(50.00)", Some(dec!(-50))),
            (".", "50.00-", Some(dec!(-50))),
            (".", "\u{2212}50.00", Some(dec!(-50))),
            (".", "1234.5600", Some(dec!(1234.56))),
            (".", "999999999999999.999999", Some(dec!(999999999999999.999999))),
            (".", "1000000000000000", None),
            (".", "0.1234567", None),
            (".", "1,234", None),
            (".", "1.234", None),
            (".", "-999.999", None),
            (".", "0.125", Some(dec!(0.125))),
            (".", "1234.567", Some(dec!(1234.567))),
            (".,", "1,234", Some(dec!(1234))),
            (".,", "1,234.50", Some(dec!(1234.50))),
            (".,", "12,34,567.00", Some(dec!(1234567))),
            (".,", "1,23", None),
            (".,", "1234,567", None),
            (".,", ",234", None),
            (".,", "1,,234", None),
            (".,", "1.5", Some(dec!(1.5))),
            (".,", "1.234", Some(dec!(1.234))),
            (",.", "1.234,56", Some(dec!(1234.56))),
            (",.", "1.234", Some(dec!(1234))),
            (",.", "1,234.56", None),
            (",", "12,5", Some(dec!(12.5))),
            (".'", "1'234.50", Some(dec!(1234.50))),
            (".'", "1\u{2019}234.50", Some(dec!(1234.50))),
            (", ", "1\u{202f}234\u{a0}567,5", Some(dec!(1234567.5))),
            (".", "1 234", None),
            (".", "5.", None),
            (".", "--5", None),
            (".", "(-5)", None),
            (".", "1e5", None),
            (".", "12.50 EUR", None),
            (".", "$5", None),
            (".", "-", None),
            (".", ".", None),
            (".", "1.2.3", None),
            (".", "٣", None),
        ] {
            assert_eq!(format(marks).read(cell, 2).ok(), expected, "{marks:?} {cell:?}");
        }
        assert_eq!(format(".").read("1.234", 3).ok(), Some(dec!(1.234)), "dinars have three decimals");
    }

    #[test]
    fn a_form_reads_its_own_example() {
        for marks in [".", ",", ".,", ",.", ".'", ", ", "._"] {
            let format = format(marks);
            assert_eq!(format.read(&format.example(), 2).ok(), Some(dec!(1234.50)), "{marks:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_setting_that_would_help() {
        for (marks, cell, expected) in [
            (".", "1,234", "if `,` marks decimals, set `decimal: comma` for this file; if thousands, `thousands: \",\"`"),
            (",", "1234.5", "if `.` marks decimals, set `decimal: point` for this file; if thousands, `thousands: \".\"`"),
            (
                ".",
                "1.234",
                "if `.` marks thousands, set `thousands: \".\"` and `decimal: comma` for this file; if it marks decimals, \
                 write two of them",
            ),
            (".", "12 €", "write the number alone; the currency has its own column"),
            (".", "1'234", "if the file marks thousands, set `thousands:` for it to the mark"),
            (".", "1234567890123456", "an amount has at most 15 digits before the decimal mark and 6 after it"),
            (".,", "1,23", "write digits and `.`, as in 1234.50"),
        ] {
            assert_eq!(format(marks).read(cell, 2).unwrap_err().hint, expected, "{marks:?} {cell:?}");
        }
    }

    #[test]
    fn one_character_cannot_be_both_marks() {
        assert!(format(",,").is_contradictory() && format("..").is_contradictory());
        assert!(!format(",.").is_contradictory() && !format(".").is_contradictory());
    }
}
