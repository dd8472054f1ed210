//! Tables: titles that stand on every page, rows that are never parted, totals that never stand alone.

use minijinja::Value;
use minijinja::value::merge_maps;

use crate::domain::problem::Place;
use crate::paper::blocks::{CELL_ABOVE, CELL_SIDE, HAIRLINE, filled_pair, title};
use crate::paper::fault::PaperFault;
use crate::paper::flow::{Flow, Look, SetText, Stretch};
use crate::paper::font::Weight;
use crate::paper::layout::{Align, Column, Table};
use crate::paper::length::{Length, POINT, millimetres};
use crate::template::ROW;

/// How many rows go with the totals to the page where these stand, and how many stand at least below the titles.
const ROWS_TOGETHER: usize = 2;

/// A row, its cells set.
type Row = Vec<SetText>;

/// A column that a paper has, and where it stands.
struct Shown<'t> {
    column: &'t Column,
    title: String,
    stretch: Stretch,
}

/// Returns the list at a path of the values.
///
/// # Errors
/// The mail has no such list.
pub(crate) fn list(values: &Value, path: &str, place: &Place) -> Result<Value, PaperFault> {
    let missing = || PaperFault::ListMissing { place: place.clone(), list: path.to_owned() };
    let found = path.split('.').try_fold(values.clone(), |value, part| value.get_attr(part).ok());
    found.filter(|value| !value.is_undefined() && value.try_iter().is_ok()).ok_or_else(missing)
}

/// Returns the values with a member of a list among them.
pub(crate) fn member(values: &Value, member: Value) -> Value {
    merge_maps([Value::from_pairs([(ROW, member)]), values.clone()])
}

/// Puts a table down; nothing at all where its list is empty.
pub(crate) fn table(flow: &mut Flow<'_, '_>, table: &Table) -> Result<(), PaperFault> {
    let list = list(flow.filling.values, &table.rows, &table.place)?;
    let mut members = list.try_iter().into_iter().flatten().peekable();
    if members.peek().is_none() {
        return Ok(());
    }
    let columns = shown(flow, table)?;
    let titles = titles(flow, &columns)?;
    let totals = totals(flow, table)?;
    let totals_height: Length = totals.iter().map(|(_, value, _)| value.height() + CELL_SIDE).sum();
    // The rows that are not put down yet: the last ones may have to go with the totals.
    let mut held: Vec<Row> = Vec::with_capacity(ROWS_TOGETHER + 1);
    for member in members.by_ref().take(ROWS_TOGETHER) {
        held.push(row(flow, &columns, member)?);
    }
    let above = title(flow, table.title.as_ref())?;
    let above_height = above.as_ref().map_or(0, |title| title.height() + millimetres(1));
    let begin: Length = above_height + height(&titles) + held.iter().map(height).sum::<Length>();
    flow.y += millimetres(1);
    if begin <= flow.whole_page() {
        flow.make_room(begin)?;
    }
    if let Some(title) = above {
        let y = flow.y;
        flow.put(title, y);
        flow.y += above_height;
    }
    put_titles(flow, &titles);
    for member in members {
        held.push(row(flow, &columns, member)?);
        let first = held.remove(0);
        put_row(flow, table, &titles, first)?;
    }
    let last: Length = held.iter().map(height).sum();
    if !flow.has_room(last + totals_height) && last + totals_height + height(&titles) <= flow.whole_page() {
        flow.break_page()?;
        put_titles(flow, &titles);
    }
    for row in held {
        put_row(flow, table, &titles, row)?;
    }
    put_totals(flow, totals)?;
    flow.y += millimetres(3);
    Ok(())
}

/// Returns the columns that have a title, those without a width sharing what the others leave.
fn shown<'t>(flow: &Flow<'_, '_>, table: &'t Table) -> Result<Vec<Shown<'t>>, PaperFault> {
    let mut there = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let title = flow.filling.text(&column.title)?;
        if !title.trim().is_empty() {
            there.push((column, title));
        }
    }
    let taken: Length = there.iter().filter_map(|(column, _)| column.width).sum();
    let sharing = there.iter().filter(|(column, _)| column.width.is_none()).count().max(1) as Length;
    let share = (flow.layout.sheet.text_width() - taken) / sharing;
    let mut x = flow.layout.sheet.left;
    let placed = there.into_iter().map(|(column, title)| {
        let width = column.width.unwrap_or(share);
        let stretch = Stretch { x: x + CELL_SIDE, width: width - 2 * CELL_SIDE };
        x += width;
        Shown { column, title, stretch }
    });
    Ok(placed.collect())
}

fn titles(flow: &mut Flow<'_, '_>, columns: &[Shown<'_>]) -> Result<Row, PaperFault> {
    let mut cells = Vec::with_capacity(columns.len());
    for Shown { column, title, stretch } in columns {
        let look = Look { weight: Weight::Bold, align: column.align, ..flow.plain() };
        cells.push(flow.set(title.trim(), *stretch, look)?);
    }
    Ok(cells)
}

fn row(flow: &mut Flow<'_, '_>, columns: &[Shown<'_>], own: Value) -> Result<Row, PaperFault> {
    let values = member(flow.filling.values, own);
    let mut cells = Vec::with_capacity(columns.len());
    for Shown { column, stretch, .. } in columns {
        let text = flow.filling.text_with(&column.value, &values)?;
        let look = Look { align: column.align, ..flow.plain() };
        cells.push(flow.set(text.trim(), *stretch, look)?);
    }
    Ok(cells)
}

/// Returns how high a row is, with the space above and below its texts.
fn height(row: &Row) -> Length {
    row.iter().map(SetText::height).max().unwrap_or(0) + 2 * CELL_ABOVE
}

fn put_titles(flow: &mut Flow<'_, '_>, titles: &Row) {
    let height = height(titles);
    let (y, whole, colour) = (flow.y, flow.whole_width(), flow.layout.colours.accent);
    for cell in titles {
        // Titles of one line stand beside the last line of those that have more.
        flow.put(cell.clone(), y + height - CELL_ABOVE - cell.height());
    }
    flow.rule(whole, y + height, POINT, colour);
    flow.y += height + POINT;
}

fn put_row(flow: &mut Flow<'_, '_>, table: &Table, titles: &Row, row: Row) -> Result<(), PaperFault> {
    let height = height(&row);
    if !flow.has_room(height) {
        flow.break_page()?;
        put_titles(flow, titles);
        if !flow.has_room(height) {
            return Err(PaperFault::TooHigh { place: table.place.clone() });
        }
    }
    let (y, whole, colour) = (flow.y, flow.whole_width(), flow.layout.colours.line);
    for cell in row {
        flow.put(cell, y + CELL_ABOVE);
    }
    flow.rule(whole, y + height - HAIRLINE, HAIRLINE, colour);
    flow.y += height;
    Ok(())
}

/// Returns label, value and whether they are strong, of every total that there is.
fn totals(flow: &mut Flow<'_, '_>, table: &Table) -> Result<Vec<(SetText, SetText, bool)>, PaperFault> {
    let whole = flow.whole_width();
    let value_width = whole.width * 30 / 100;
    let (label_x, label_width) = (whole.x + whole.width * 25 / 100, whole.width * 45 / 100 - CELL_SIDE);
    let mut all = Vec::new();
    for pair in &table.totals {
        let Some((label, value)) = filled_pair(flow, pair, None)? else { continue };
        let weight = if pair.strong { Weight::Bold } else { Weight::Regular };
        let look = Look { weight, align: Align::Right, ..flow.plain() };
        let label = flow.set(label.trim(), Stretch { x: label_x, width: label_width }, look)?;
        let stretch = Stretch { x: whole.x + whole.width - value_width, width: value_width - CELL_SIDE };
        let value = flow.set(value.trim(), stretch, look)?;
        all.push((label, value, pair.strong));
    }
    Ok(all)
}

fn put_totals(flow: &mut Flow<'_, '_>, totals: Vec<(SetText, SetText, bool)>) -> Result<(), PaperFault> {
    for (label, value, is_strong) in totals {
        let height = label.height().max(value.height()) + CELL_SIDE;
        flow.make_room(height)?;
        let y = flow.y + CELL_SIDE;
        if is_strong {
            let (whole, colour) = (flow.whole_width(), flow.layout.colours.accent);
            let half = Stretch { x: whole.x + whole.width / 2, width: whole.width / 2 };
            flow.rule(half, flow.y + HAIRLINE, HAIRLINE, colour);
        }
        flow.put(label, y);
        flow.put(value, y);
        flow.y += height;
    }
    Ok(())
}
