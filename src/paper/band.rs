//! Header and footer: one line or more at the top and foot of pages, with the page's number and how many there are.

use minijinja::Value;
use minijinja::value::merge_maps;

use crate::paper::fault::PaperFault;
use crate::paper::flow::{Filling, Flow, Look, SetText, Stretch};
use crate::paper::layout::{Align, Band, Layout};
use crate::paper::length::{Length, millimetres};

/// The name by which a band knows the number of its page.
pub(crate) const PAGE: &str = "page";
/// The name by which a band knows how many pages there are.
pub(crate) const PAGES: &str = "pages";

/// The space between a band and the body.
const GAP: Length = millimetres(4);

/// A number as wide as any that a paper's pages can have.
const WIDEST: usize = 8_888;

/// Returns where the body begins on the first page, and its limits on all others.
///
/// # Errors
/// A band cannot be filled.
pub(crate) fn limits(flow: &mut Flow<'_, '_>, layout: &Layout) -> Result<(Length, (Length, Length)), PaperFault> {
    let sheet = &layout.sheet;
    let mut high = |band: &Option<Band>| -> Result<Length, PaperFault> {
        let Some(band) = band else { return Ok(0) };
        let parts = parts(flow, band, WIDEST, WIDEST)?;
        Ok(parts.iter().map(SetText::height).max().map_or(0, |height| height + GAP))
    };
    let (header, footer) = (high(&layout.header)?, high(&layout.footer)?);
    let is_on_first = layout.header.as_ref().is_some_and(|band| band.on_first_page);
    let first_top = if is_on_first { sheet.top + header } else { sheet.top };
    Ok((first_top, (sheet.top + header, sheet.height - sheet.bottom - footer)))
}

/// Puts header and footer on a page.
///
/// # Errors
/// One cannot be filled.
pub(crate) fn put_bands(flow: &mut Flow<'_, '_>, layout: &Layout, page: usize, pages: usize) -> Result<(), PaperFault> {
    let sheet = &layout.sheet;
    let is_there = |band: &&Band| page > 1 || band.on_first_page;
    if let Some(band) = layout.header.as_ref().filter(is_there) {
        for part in parts(flow, band, page, pages)? {
            flow.put(part, sheet.top);
        }
    }
    if let Some(band) = layout.footer.as_ref().filter(is_there) {
        let parts = parts(flow, band, page, pages)?;
        let height = parts.iter().map(SetText::height).max().unwrap_or(0);
        for part in parts {
            flow.put(part, sheet.height - sheet.bottom - height);
        }
    }
    Ok(())
}

fn parts(flow: &mut Flow<'_, '_>, band: &Band, page: usize, pages: usize) -> Result<Vec<SetText>, PaperFault> {
    let Filling { values, .. } = flow.filling;
    let numbers = Value::from_pairs([(PAGE, Value::from(page)), (PAGES, Value::from(pages))]);
    let values = merge_maps([numbers, values.clone()]);
    let whole = flow.whole_width();
    let look = Look { size: flow.layout.sheet.size * 82 / 100, colour: flow.layout.colours.muted, ..flow.plain() };
    let count = band.parts.iter().flatten().count().max(1) as Length;
    let width = whole.width / count;
    let mut set = Vec::new();
    for (words, align) in band.parts.iter().zip([Align::Left, Align::Middle, Align::Right]) {
        let Some(words) = words else { continue };
        let text = flow.filling.text_with(words, &values)?;
        let x = match align {
            Align::Left => whole.x,
            Align::Middle => whole.x + (whole.width - width) / 2,
            Align::Right => whole.x + whole.width - width,
        };
        set.push(flow.set(text.trim(), Stretch { x, width }, Look { align, ..look })?);
    }
    Ok(set)
}
