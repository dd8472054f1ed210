//! The payment slip: a code that banking programs read, and what stands in it in words beside it.

use minijinja::Value;
use minijinja::value::merge_maps;

use crate::paper::blocks::{CELL_ABOVE, HAIRLINE, filled_pair};
use crate::paper::fault::PaperFault;
use crate::paper::flow::{Flow, Look, Stretch};
use crate::paper::font::Weight;
use crate::paper::layout::Slip;
use crate::paper::length::{Length, millimetres};

/// How many light modules have to stand around the code. Source: ISO/IEC 18004 §9.1.
const QUIET_MODULES: Length = 4;
/// The name by which the texts of a slip know the code that is drawn.
pub(crate) const CODE: &str = "code";
/// The code that is drawn where a layout names none: that for the sum of the mail.
pub(crate) const USUAL: &str = "{{ payment_code if payment_code is defined }}";
/// The space between the code and the words.
const GAP: Length = millimetres(6);

/// A square of dark and light modules, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// How many modules a side has.
    pub size: usize,
    /// Whether each is dark: `size` rows of `size`.
    pub modules: Vec<bool>,
    /// Whether a Swiss cross stands in the middle.
    pub has_cross: bool,
}

impl Code {
    /// Returns the dark modules as stretches of a row: row, first column and how many.
    pub(crate) fn stretches(&self) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        for (row, modules) in self.modules.chunks(self.size.max(1)).enumerate() {
            let mut column = 0;
            for run in modules.chunk_by(|a, b| a == b) {
                if run[0] {
                    found.push((row, column, run.len()));
                }
                column += run.len();
            }
        }
        found
    }
}

/// Puts the slip down, whole on one page; nothing at all where the mail has no code.
pub(crate) fn slip(flow: &mut Flow<'_, '_>, slip: &Slip) -> Result<(), PaperFault> {
    let own = flow.filling.value(&slip.code)?;
    let Some(code) = (flow.filling.code)(&own) else { return Ok(()) };
    let values = merge_maps([Value::from_pairs([(CODE, own)]), flow.filling.values.clone()]);
    let whole = flow.whole_width();
    let quiet = slip.side * QUIET_MODULES / code.size.max(1) as Length;
    let x = whole.x + slip.side + GAP;
    let words = Stretch { x, width: whole.x + whole.width - x };
    let mut texts = Vec::new();
    if let Some(title) = &slip.title {
        let text = flow.filling.text_with(title, &values)?;
        let look = Look { weight: Weight::Bold, ..flow.plain() };
        texts.push(flow.set(text.trim(), words, look)?);
    }
    for pair in &slip.details {
        let Some((label, value)) = filled_pair(flow, pair, Some(&values))? else { continue };
        let muted = Look { size: flow.layout.sheet.size * 82 / 100, colour: flow.layout.colours.muted, ..flow.plain() };
        texts.push(flow.set(label.trim(), words, muted)?);
        let weight = if pair.strong { Weight::Bold } else { Weight::Regular };
        texts.push(flow.set(value.trim(), words, Look { weight, ..flow.plain() })?);
    }
    let text_height: Length = texts.iter().map(|text| text.height()).sum();
    let height = text_height.max(slip.side + 2 * quiet) + 2 * CELL_ABOVE;
    flow.y += millimetres(3);
    flow.make_room(height)?;
    let (top, colour) = (flow.y, flow.layout.colours.line);
    flow.rule(whole, top, HAIRLINE, colour);
    flow.code(&code, whole.x, top + quiet + CELL_ABOVE, slip.side);
    let mut y = top + quiet + CELL_ABOVE;
    for text in texts {
        let height = text.height();
        flow.put(text, y);
        y += height;
    }
    flow.y = top + height + millimetres(2);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_modules_beside_each_other_are_one_stretch() {
        let modules = [1, 1, 0, 0, 0, 0, 1, 0, 1].map(|module| module == 1).to_vec();
        let code = Code { size: 3, modules, has_cross: false };
        assert_eq!(code.stretches(), [(0, 0, 2), (2, 0, 1), (2, 2, 1)]);
    }
}
