//! Lengths: whole thousandths of a point, so that a page is the same on every machine.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::yaml::{self, Node, Problems};

/// A length in thousandths of a point; 72 points are an inch.
pub(crate) type Length = i64;

/// A point.
pub(crate) const POINT: Length = 1_000;

/// The units that a length is written in, each with how many thousandths of a point it has, as a fraction.
const UNITS: [(&str, i64, i64); 3] = [("mm", 360_000, 127), ("pt", 1_000, 1), ("in", 72_000, 1)];

/// Returns so many millimetres.
pub(crate) const fn millimetres(count: i64) -> Length {
    count * UNITS[0].1 / UNITS[0].2
}

/// Returns a length as the drawing wants it, in points.
#[expect(clippy::float_arithmetic, reason = "PDF has decimals; this is the one place where ours become such")]
pub(crate) fn points(length: Length) -> f32 {
    length as f32 / 1_000.0
}

/// Returns a reader of a length from `least` to `most`: `20 mm`, `9.5 pt`, `1 in`.
pub(crate) fn length(least: Length, most: Length) -> impl Fn(&Node, &mut Problems<'_>) -> Option<Length> {
    move |node, problems| {
        let written = yaml::text(node, problems)?;
        let found = parsed(&written).filter(|length| (least..=most).contains(length));
        if found.is_none() {
            let hint = format!("write a length from {} to {} mm: `20 mm`, `9 pt`, `1 in`", whole(least), whole(most));
            problems.error_hint(node.span, format!("`{written}` is not a length allowed here"), hint);
        }
        found
    }
}

fn whole(length: Length) -> i64 {
    length * UNITS[0].2 / UNITS[0].1
}

fn parsed(written: &str) -> Option<Length> {
    let digits = written.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (_, times, by) = UNITS.iter().find(|(unit, ..)| *unit == written[digits..].trim())?;
    let number = Decimal::from_str_exact(&written[..digits]).ok().filter(|number| *number < Decimal::from(10_000))?;
    (number * Decimal::from(*times) / Decimal::from(*by)).round().to_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_exactly_in_three_units() {
        for (written, expected) in [
            ("210 mm", Some(595_276)),
            ("20mm", Some(56_693)),
            ("9.5 pt", Some(9_500)),
            ("8.5 in", Some(612_000)),
            ("20", None),
            ("20 cm", None),
            ("-1 mm", None),
            ("1,5 mm", None),
            ("99999999999 mm", None),
        ] {
            assert_eq!(parsed(written), expected, "{written}");
        }
    }
}
