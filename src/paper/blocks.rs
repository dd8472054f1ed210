//! The parts of a body, each put where it belongs: letterhead, address, heading, paragraph, age columns.

use minijinja::Value;

use crate::paper::fault::PaperFault;
use crate::paper::flow::{Flow, Look, SetText, Stretch, line_height};
use crate::paper::font::Weight;
use crate::paper::layout::{Address, Ageing, Align, Block, Logo, Pair, Words};
use crate::paper::length::{Length, POINT, millimetres};
use crate::paper::slip::slip;
use crate::paper::table::{list, member, table};

/// How wide the window of an envelope is. Source: DIN 5008.
const WINDOW_WIDTH: Length = millimetres(80);
/// How high an address is at least, so that what follows stays below the window. Source: DIN 5008, form B.
const ADDRESS_HEIGHT: Length = millimetres(40);
/// How much room a heading wants below itself: it never stands alone at the foot of a page.
const BELOW_HEADING: Length = millimetres(25);
/// How many lines of a paragraph stay together at its beginning.
const LINES_TOGETHER: usize = 2;
/// How thin the lines between rows are.
pub(crate) const HAIRLINE: Length = POINT / 2;
/// The space on both sides of a cell's text.
pub(crate) const CELL_SIDE: Length = millimetres(1);
/// The space above and below a cell's text: 0.7 mm.
pub(crate) const CELL_ABOVE: Length = millimetres(7) / 10;

/// Puts a part of the body down.
pub(crate) fn block(flow: &mut Flow<'_, '_>, block: &Block) -> Result<(), PaperFault> {
    match block {
        Block::Letterhead { logo, sender } => letterhead(flow, logo.as_ref(), sender.as_ref()),
        Block::Address(own) => address(flow, own),
        Block::Heading(words) => heading(flow, words),
        Block::Paragraph(words) => paragraph(flow, words),
        Block::Table(own) => table(flow, own),
        Block::Ageing(own) => ageing(flow, own),
        Block::Slip(own) => slip(flow, own),
        Block::Space(height) => {
            if flow.has_room(*height) {
                flow.y += height;
            }
            Ok(())
        }
    }
}

fn small(flow: &Flow<'_, '_>, align: Align) -> Look {
    Look { size: flow.layout.sheet.size * 82 / 100, colour: flow.layout.colours.muted, align, ..flow.plain() }
}

fn letterhead(flow: &mut Flow<'_, '_>, logo: Option<&Logo>, sender: Option<&Words>) -> Result<(), PaperFault> {
    let whole = flow.whole_width();
    let mut height = 0;
    if let Some(logo) = logo {
        let free = whole.width - logo.width;
        let x = whole.x
            + match logo.align {
                Align::Left => 0,
                Align::Middle => free / 2,
                Align::Right => free,
            };
        flow.make_room(logo.height)?;
        let y = flow.y;
        flow.picture(logo, x, y);
        height = logo.height;
    }
    if let Some(words) = sender {
        let text = flow.filling.text(words)?;
        // Beside the logo, at the other end of the line.
        let is_logo_right = logo.is_some_and(|logo| logo.align == Align::Right);
        let align = if is_logo_right { Align::Left } else { Align::Right };
        let width = whole.width / 2;
        let x = if is_logo_right { whole.x } else { whole.x + whole.width - width };
        let look = small(flow, align);
        let set = flow.set(&text, Stretch { x, width }, look)?;
        height = height.max(set.height());
        let y = flow.y;
        flow.put(set, y);
    }
    flow.y += height + millimetres(4);
    Ok(())
}

fn address(flow: &mut Flow<'_, '_>, address: &Address) -> Result<(), PaperFault> {
    let whole = flow.whole_width();
    flow.y = flow.y.max(address.from_top);
    let top = flow.y;
    let window = Stretch { x: whole.x, width: WINDOW_WIDTH.min(whole.width / 2) };
    let mut y = top;
    if let Some(words) = &address.return_line {
        let text = flow.filling.text(words)?;
        let look = Look { size: flow.layout.sheet.size * 72 / 100, ..small(flow, Align::Left) };
        let set = flow.set(&text, window, look)?;
        let height = set.height();
        flow.put(set, y);
        y += height + millimetres(2);
    }
    let text = flow.filling.text(&address.lines)?;
    let look = flow.plain();
    let set = flow.set(text.trim(), window, look)?;
    y += set.height();
    let lines_top = y - set.height();
    flow.put(set, lines_top);
    let details = details(flow, &address.details, top)?;
    flow.y = y.max(details).max(top + ADDRESS_HEIGHT) + millimetres(4);
    Ok(())
}

/// Puts the reference lines beside an address and returns where they end.
fn details(flow: &mut Flow<'_, '_>, pairs: &[Pair], top: Length) -> Result<Length, PaperFault> {
    let whole = flow.whole_width();
    let x = whole.x + whole.width * 58 / 100;
    let right = whole.x + whole.width;
    let label_width = (right - x) * 45 / 100;
    let mut y = top;
    for pair in pairs {
        let Some((label, value)) = filled_pair(flow, pair, None)? else { continue };
        let weight = if pair.strong { Weight::Bold } else { Weight::Regular };
        let look = Look { colour: flow.layout.colours.muted, ..flow.plain() };
        let label = flow.set(&label, Stretch { x, width: label_width - CELL_SIDE }, look)?;
        let look = Look { weight, ..flow.plain() };
        let value = flow.set(&value, Stretch { x: x + label_width, width: right - x - label_width }, look)?;
        let height = label.height().max(value.height());
        flow.put(label, y);
        flow.put(value, y);
        y += height;
    }
    Ok(y)
}

/// Fills a label and its value; `None` where the value is empty.
pub(crate) fn filled_pair(
    flow: &Flow<'_, '_>,
    pair: &Pair,
    values: Option<&Value>,
) -> Result<Option<(String, String)>, PaperFault> {
    let values = values.unwrap_or(flow.filling.values);
    let value = flow.filling.text_with(&pair.value, values)?;
    if value.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some((flow.filling.text_with(&pair.label, values)?, value)))
}

fn heading(flow: &mut Flow<'_, '_>, words: &Words) -> Result<(), PaperFault> {
    let text = flow.filling.text(words)?;
    if text.trim().is_empty() {
        return Ok(());
    }
    let size = flow.layout.sheet.size * 150 / 100;
    let look = Look { weight: Weight::Bold, size, colour: flow.layout.colours.accent, align: Align::Left };
    let set = flow.set(text.trim(), flow.whole_width(), look)?;
    let height = set.height() + millimetres(2);
    flow.make_room(height + BELOW_HEADING)?;
    let y = flow.y;
    flow.put(set, y);
    flow.y += height;
    Ok(())
}

/// Puts a title above a table or the age columns.
pub(crate) fn title(flow: &mut Flow<'_, '_>, words: Option<&Words>) -> Result<Option<SetText>, PaperFault> {
    let Some(words) = words else { return Ok(None) };
    let text = flow.filling.text(words)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let look = Look { weight: Weight::Bold, ..flow.plain() };
    flow.set(text.trim(), flow.whole_width(), look).map(Some)
}

/// Puts a paragraph down; one that begins near the foot of a page goes to the next, a long one goes over pages line by line.
fn paragraph(flow: &mut Flow<'_, '_>, words: &Words) -> Result<(), PaperFault> {
    let text = flow.filling.text(words)?;
    if text.trim().is_empty() {
        return Ok(());
    }
    let look = flow.plain();
    let set = flow.set(text.trim(), flow.whole_width(), look)?;
    let step = line_height(look.size);
    flow.make_room(step * set.lines.len().min(LINES_TOGETHER) as Length)?;
    for line in set.lines {
        if !flow.has_room(step) {
            flow.break_page()?;
        }
        let y = flow.y;
        flow.put(SetText { lines: vec![line], look, stretch: set.stretch }, y);
        flow.y += step;
    }
    flow.y += millimetres(2);
    Ok(())
}

/// Puts the age columns side by side, and what belongs beside them.
fn ageing(flow: &mut Flow<'_, '_>, ageing: &Ageing) -> Result<(), PaperFault> {
    let ages = list(flow.filling.values, "ageing", &ageing.place)?;
    let mut cells = Vec::new();
    for age in ages.try_iter().into_iter().flatten() {
        let values = member(flow.filling.values, age);
        let label = flow.filling.text_with(&ageing.label, &values)?;
        cells.push((label, flow.filling.text_with(&ageing.value, &values)?, Weight::Regular));
    }
    if cells.is_empty() {
        return Ok(());
    }
    for pair in &ageing.further {
        let weight = if pair.strong { Weight::Bold } else { Weight::Regular };
        cells.extend(filled_pair(flow, pair, None)?.map(|(label, value)| (label, value, weight)));
    }
    let whole = flow.whole_width();
    let count = cells.len().max(1) as Length;
    let width = whole.width / count;
    let mut set = Vec::new();
    for (place, (label, value, weight)) in cells.into_iter().enumerate() {
        let stretch = Stretch { x: whole.x + place as Length * width + CELL_SIDE, width: width - 2 * CELL_SIDE };
        let label = flow.set(&label, stretch, small(flow, Align::Right))?;
        let value = flow.set(&value, stretch, Look { weight, align: Align::Right, ..flow.plain() })?;
        set.push((label, value));
    }
    let title = title(flow, ageing.title.as_ref())?;
    let title_height = title.as_ref().map_or(0, |title| title.height() + millimetres(1));
    let label_height = set.iter().map(|(label, _)| label.height()).max().unwrap_or(0);
    let value_height = set.iter().map(|(_, value)| value.height()).max().unwrap_or(0);
    let height = label_height + value_height + 2 * CELL_SIDE;
    flow.y += millimetres(2);
    flow.make_room(title_height + height)?;
    if let Some(title) = title {
        let y = flow.y;
        flow.put(title, y);
        flow.y += title_height;
    }
    let (y, colour) = (flow.y, flow.layout.colours.line);
    flow.rule(whole, y, HAIRLINE, colour);
    for (label, value) in set {
        flow.put(label, y + CELL_SIDE);
        flow.put(value, y + CELL_SIDE + label_height);
    }
    flow.rule(whole, y + height, HAIRLINE, colour);
    flow.y = y + height + millimetres(3);
    Ok(())
}
