//! Reads the parts of a layout's body.

use crate::domain::problem::nearest;
use crate::paper::layout::{Address, Ageing, Align, Block, Column, Logo, Pair, Sheet, Slip, Table, Words};
use crate::paper::length::{Length, length, millimetres};
use crate::paper::read::Reading;
use crate::paper::slip::{CODE, USUAL};
use crate::template::sole_value;
use crate::yaml::{self, Fields, Node, Problems, Value};

/// The most parts of a body.
const PARTS_MAX: usize = 100;
/// The most columns of a table.
const COLUMNS_MAX: usize = 12;
/// The most labels and values of one part.
const PAIRS_MAX: usize = 30;
/// The narrowest column: a letter of the largest size fits in it.
const COLUMN_LEAST: Length = millimetres(10);

/// The words for where texts and pictures stand.
const ALIGNS: [(&str, Align); 3] = [("left", Align::Left), ("middle", Align::Middle), ("right", Align::Right)];

/// Reads `body`.
pub(crate) fn blocks(reading: &mut Reading<'_>, node: &Node, sheet: &Sheet, problems: &mut Problems<'_>) -> Option<Vec<Block>> {
    let blocks = yaml::list(|node, problems: &mut Problems<'_>| block(reading, node, sheet, problems))(node, problems)?;
    if let Value::List(all) = &node.value
        && (all.is_empty() || all.len() > PARTS_MAX)
    {
        problems.error(node.span, format!("The body has {} parts; it has to have 1 to {PARTS_MAX}", all.len()));
    }
    Some(blocks)
}

fn block(reading: &mut Reading<'_>, node: &Node, sheet: &Sheet, problems: &mut Problems<'_>) -> Option<Block> {
    if let Value::Map(entries) = &node.value
        && entries.len() != 1
    {
        let message = format!("A part of the body has one key, this one has {}", entries.len());
        problems.error_hint(node.span, message, "begin a new part with `-`");
        return None;
    }
    let mut fields = Fields::open(node, "a part of the body", problems)?;
    let mut found = None;
    found = found.or(fields.optional("letterhead", problems, |node, problems| letterhead(reading, node, sheet, problems)));
    found = found.or(fields.optional("address", problems, |node, problems| address(reading, node, problems)));
    found = found.or(fields.optional("heading", problems, |node, problems| text(reading, node, problems).map(Block::Heading)));
    found =
        found.or(fields.optional("paragraph", problems, |node, problems| text(reading, node, problems).map(Block::Paragraph)));
    found = found.or(fields.optional("table", problems, |node, problems| table(reading, node, sheet, problems)));
    found = found.or(fields.optional("ageing", problems, |node, problems| ageing(reading, node, problems)));
    found = found.or(fields.optional("slip", problems, |node, problems| slip(reading, node, problems)));
    found = found
        .or(fields.optional("space", problems, |node, problems| length(0, millimetres(200))(node, problems).map(Block::Space)));
    fields.close(problems);
    found
}

fn text(reading: &mut Reading<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Words> {
    reading.words(node, None, &[], problems)
}

fn letterhead(reading: &mut Reading<'_>, node: &Node, sheet: &Sheet, problems: &mut Problems<'_>) -> Option<Block> {
    let mut fields = Fields::open(node, "a letterhead", problems)?;
    let picture = fields.optional("logo", problems, |node, problems| reading.picture(node, problems));
    let height = fields.optional("height", problems, length(millimetres(3), millimetres(60))).unwrap_or(millimetres(15));
    let align = fields.optional("logo_at", problems, yaml::choice(&ALIGNS)).unwrap_or(Align::Left);
    let sender = fields.optional("sender", problems, |node, problems| text(reading, node, problems));
    let logo = picture.map(|picture| {
        let (width, pixels) = picture.size();
        Logo { width: height * Length::from(width) / Length::from(pixels), picture, height, align }
    });
    if let Some(logo) = &logo
        && logo.width > sheet.text_width()
    {
        problems.error_hint(node.span, "The logo is wider than the page", "write a smaller `height`");
    }
    fields.close(problems);
    Some(Block::Letterhead { logo, sender })
}

fn address(reading: &mut Reading<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Block> {
    let mut fields = Fields::open(node, "an address", problems)?;
    let from_top = fields.optional("from_top", problems, length(0, millimetres(150))).unwrap_or(millimetres(45));
    let return_line = fields.optional("return_line", problems, |node, problems| text(reading, node, problems));
    let lines = fields.required("lines", problems, |node, problems| text(reading, node, problems));
    let details = pairs(reading, &mut fields, "details", &[], problems);
    fields.close(problems);
    Some(Block::Address(Address { from_top, return_line, lines: lines?, details }))
}

/// Reads labels and values; their texts may use `further` names besides the known ones.
fn pairs(
    reading: &mut Reading<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    further: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<Pair> {
    let read = |node: &Node, problems: &mut Problems<'_>| {
        let mut fields = Fields::open(node, "a label and value", problems)?;
        let label = fields.required("label", problems, |node, problems| reading.words(node, None, further, problems));
        let value = fields.required("value", problems, |node, problems| reading.words(node, None, further, problems));
        let strong = fields.optional("strong", problems, yaml::boolean).unwrap_or(false);
        fields.close(problems);
        Some(Pair { label: label?, value: value?, strong })
    };
    let pairs = fields.optional(key, problems, yaml::list(read)).unwrap_or_default();
    if pairs.len() > PAIRS_MAX {
        let span = fields.key_span(key).unwrap_or(fields.span());
        problems.error(span, format!("`{key}` has {} members; at most {PAIRS_MAX} are read", pairs.len()));
    }
    pairs
}

fn table(reading: &mut Reading<'_>, node: &Node, sheet: &Sheet, problems: &mut Problems<'_>) -> Option<Block> {
    let mut fields = Fields::open(node, "a table", problems)?;
    let place = problems.place(fields.key_span("rows").unwrap_or(node.span));
    let rows = fields.required("rows", problems, |node, problems| rows(reading, node, problems));
    let title = fields.optional("title", problems, |node, problems| text(reading, node, problems));
    let list = rows.clone().unwrap_or_default();
    let columns = fields.required("columns", problems, |node, problems| {
        let known = rows.as_ref().map(|_| list.as_str());
        columns(reading, node, known, sheet, problems)
    });
    let totals = pairs(reading, &mut fields, "totals", &[], problems);
    fields.close(problems);
    Some(Block::Table(Table { rows: rows?, place, title, columns: columns?, totals }))
}

/// Reads the path of a list that mails have.
fn rows(reading: &Reading<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let path = yaml::text(node, problems)?;
    let lists = || reading.known.iter().filter_map(|known| known.path.split_once("[].").map(|(list, _)| list));
    if lists().any(|list| list == path) || EXTRA_LISTS.contains(&path.as_str()) {
        return Some(path);
    }
    let mut all: Vec<&str> = lists().chain(EXTRA_LISTS).collect();
    all.dedup();
    let hint = match nearest(&path, all.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the lists are: {}", all.join(", ")),
    };
    problems.error_hint(node.span, format!("`{path}` is not a list of mails"), hint);
    None
}

/// Lists whose members are those of `items`, which the table of variables describes once.
const EXTRA_LISTS: [&str; 3] = ["due_items", "upcoming_items", "other_items"];

/// Returns the list in the table of variables that has the members of `list`.
fn described(list: &str) -> &str {
    if EXTRA_LISTS.contains(&list) { "items" } else { list }
}

/// A column as far as its own keys tell.
struct Draft {
    title: Option<Words>,
    value: Option<Words>,
    width: Option<Length>,
    align: Align,
}

fn columns(
    reading: &mut Reading<'_>,
    node: &Node,
    list: Option<&str>,
    sheet: &Sheet,
    problems: &mut Problems<'_>,
) -> Option<Vec<Column>> {
    let read = |node: &Node, problems: &mut Problems<'_>| {
        let mut fields = Fields::open(node, "a column", problems)?;
        let title = fields.required("title", problems, |node, problems| text(reading, node, problems));
        let value = fields.required("value", problems, |node, problems| match list {
            Some(list) => reading.words(node, Some(described(list)), &[], problems),
            // What a row has is not known without the list.
            None => None,
        });
        let width = fields.optional("width", problems, length(COLUMN_LEAST, millimetres(200)));
        let align = fields.optional("align", problems, yaml::choice(&ALIGNS)).unwrap_or(Align::Left);
        fields.close(problems);
        Some(Draft { title, value, width, align })
    };
    let drafts = yaml::list(read)(node, problems)?;
    if drafts.is_empty() || drafts.len() > COLUMNS_MAX {
        problems.error(node.span, format!("The table has {} columns; it has to have 1 to {COLUMNS_MAX}", drafts.len()));
        return None;
    }
    let taken: Length = drafts.iter().filter_map(|draft| draft.width).sum();
    let sharing = drafts.iter().filter(|draft| draft.width.is_none()).count() as Length;
    let free = sheet.text_width() - taken;
    if free < sharing * COLUMN_LEAST {
        let (wide, whole) = ((taken + sharing * COLUMN_LEAST) * 127 / 360_000, sheet.text_width() * 127 / 360_000);
        let message = format!("The columns want {wide} mm at least, and the page has {whole} mm between its margins");
        problems.error_hint(node.span, message, "make them narrower, or leave one out");
        return None;
    }
    let column = |draft: Draft| Some(Column { title: draft.title?, value: draft.value?, width: draft.width, align: draft.align });
    drafts.into_iter().map(column).collect()
}

fn slip(reading: &mut Reading<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Block> {
    let mut fields = Fields::open(node, "a payment slip", problems)?;
    let title = fields.optional("title", problems, |node, problems| reading.words(node, None, &[CODE], problems));
    let code = fields.optional("code", problems, |node, problems| code(reading, node, problems));
    let side = fields.optional("code_size", problems, length(millimetres(20), millimetres(60))).unwrap_or(millimetres(46));
    let details = pairs(reading, &mut fields, "details", &[CODE], problems);
    fields.close(problems);
    let code = code.unwrap_or_else(|| reading.plain_words(USUAL, node));
    Some(Block::Slip(Slip { title, code, side, details }))
}

/// Reads which code a slip draws: one value of the mail.
fn code(reading: &mut Reading<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Words> {
    let text = yaml::text(node, problems)?;
    if sole_value(&text).is_none() {
        let hint = "write `\"{{ payment_code_for(due_total, due_items) }}\"`";
        problems.error_hint(node.span, format!("`{text}` is not one value in `{{{{ }}}}`"), hint);
        return None;
    }
    reading.words(node, None, &[], problems)
}

fn ageing(reading: &mut Reading<'_>, node: &Node, problems: &mut Problems<'_>) -> Option<Block> {
    let mut fields = Fields::open(node, "an ageing", problems)?;
    let place = problems.place(node.span);
    let title = fields.optional("title", problems, |node, problems| text(reading, node, problems));
    let own = |node: &Node, problems: &mut Problems<'_>| reading.words(node, Some("ageing"), &[], problems);
    let mut own = own;
    let label = fields.required("label", problems, &mut own);
    let value = fields.required("value", problems, &mut own);
    let further = pairs(reading, &mut fields, "further", &[], problems);
    fields.close(problems);
    Some(Block::Ageing(Ageing { place, title, label: label?, value: value?, further }))
}
