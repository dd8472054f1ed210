//! The form of dates and amounts, told from all of their cells: a form is known when no other reads as many of them.

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO};
use crate::source::csv::guess::{Cells, Decided, Guess, Question, is_date};
use crate::source::csv::{AmountFormat, DateFormat, DecimalMark, ThousandsMark};

/// The forms of dates that are tried, the plainest first.
const PATTERNS: &[&str] = &[
    ISO,
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%d-%b-%y",
];

/// The forms of amounts that are tried, the plainest first.
const FORMS: &[(DecimalMark, Option<ThousandsMark>)] = &[
    (DecimalMark::Point, None),
    (DecimalMark::Comma, None),
    (DecimalMark::Point, Some(ThousandsMark::Comma)),
    (DecimalMark::Comma, Some(ThousandsMark::Point)),
    (DecimalMark::Point, Some(ThousandsMark::Apostrophe)),
    (DecimalMark::Point, Some(ThousandsMark::Space)),
    (DecimalMark::Comma, Some(ThousandsMark::Space)),
];

/// The digits behind the mark that most currencies have; only to tell `1.234` for what it is.
const MINOR_DIGITS: u32 = 2;

fn formats(decided: &Decided) -> Vec<(&str, DateFormat)> {
    let patterns = decided.dates.as_deref().map_or_else(|| PATTERNS.to_vec(), |pattern| vec![pattern]);
    patterns.into_iter().filter_map(|pattern| Some((pattern, DateFormat::parse(pattern).ok()?))).collect()
}

/// Returns whether at least one cell can be read as a date; a column with a stray word in it is still one of dates.
pub(crate) fn looks_like_dates(cells: &[CompactString], decided: &Decided) -> bool {
    let formats = formats(decided);
    cells
        .iter()
        .filter(|cell| !cell.is_empty())
        .any(|cell| formats.iter().any(|(_, format)| format.read(cell, Date::MIN).is_ok()))
}

/// Returns the forms in which every filled cell is a date.
pub(crate) fn patterns_of(cells: &[CompactString]) -> Vec<&'static str> {
    let reads = |pattern: &str| {
        let mut filled = cells.iter().filter(|cell| !cell.is_empty());
        DateFormat::parse(pattern).is_ok_and(|format| filled.all(|cell| format.read(cell, Date::MIN).is_ok()))
    };
    PATTERNS.iter().copied().filter(|pattern| reads(pattern)).collect()
}

/// Finds the form of the dates.
pub(crate) fn dates(cells: &Cells, decided: &Decided, guess: &mut Guess) {
    let columns: Vec<(&String, &Vec<CompactString>)> = mapped(cells, guess, is_date);
    let all = || columns.iter().flat_map(|(heading, cells)| cells.iter().map(move |cell| (*heading, cell)));
    let filled = || all().filter(|(_, cell)| !cell.is_empty());
    let cell_count = filled().count();
    if cell_count == 0 {
        guess.dates.clone_from(&decided.dates);
        return;
    }
    let formats = formats(decided);
    let read_counts: Vec<usize> =
        formats.iter().map(|(_, format)| filled().filter(|(_, cell)| format.read(cell, Date::MIN).is_ok()).count()).collect();
    let most = read_counts.iter().copied().max().unwrap_or_default();
    let best: Vec<usize> = (0..formats.len()).filter(|index| read_counts[*index] == most && most > 0).collect();
    let Some(first) = best.first() else { return };
    let (pattern, format) = &formats[*first];
    if best.len() > 1 {
        // Also where all forms name the same days, as 05/05/2026 does: tomorrow's export goes by the same setting.
        let differs = |cell: &str| {
            let read = format.read(cell, Date::MIN).ok();
            best.iter().any(|other| formats[*other].1.read(cell, Date::MIN).ok() != read)
        };
        let telling = filled().find(|(_, cell)| differs(cell)).or_else(|| filled().next());
        let patterns = best.iter().filter_map(|index| PATTERNS.iter().find(|own| **own == formats[*index].0).copied()).collect();
        if let Some((heading, cell)) = telling {
            guess.questions.push(Question::Dates { column: heading.clone(), cell: cell.to_string(), patterns });
        }
        return;
    }
    if most < cell_count
        && let Some((heading, cell)) = filled().find(|(_, cell)| format.read(cell, Date::MIN).is_err())
    {
        let count = cell_count - most;
        guess.notes.push(format!(
            "Dates are read as `{pattern}`, which {count} of {cell_count} are not, such as `{cell}` in `{heading}`"
        ));
    }
    guess.dates = Some((*pattern).to_owned());
}

/// Finds the form of the amounts.
pub(crate) fn amounts(cells: &Cells, decided: &Decided, guess: &mut Guess) {
    let columns = mapped(cells, guess, |field| matches!(field, "total" | "open" | "amount"));
    let all = || columns.iter().flat_map(|(heading, cells)| cells.iter().map(move |cell| (*heading, cell)));
    let filled: Vec<(&String, &CompactString)> = all().filter(|(_, cell)| !cell.is_empty()).collect();
    let has = |mark: char| filled.iter().any(|(_, cell)| cell.contains(mark));
    // A mark between thousands that no cell has needs no setting.
    let is_seen = |mark: Option<ThousandsMark>| match mark {
        None => true,
        Some(ThousandsMark::Comma) => has(','),
        Some(ThousandsMark::Point) => has('.'),
        Some(ThousandsMark::Apostrophe) => has('\'') || has('\u{2019}'),
        Some(ThousandsMark::Space) => has(' ') || has('\u{a0}') || has('\u{202f}'),
        Some(ThousandsMark::Underscore) => has('_'),
    };
    let is_open = |form: &&(DecimalMark, Option<ThousandsMark>)| match decided.decimal {
        Some(decimal) => form.0 == decimal,
        None => is_seen(form.1),
    };
    let formats: Vec<AmountFormat> = FORMS
        .iter()
        .filter(is_open)
        .map(|(decimal, thousands)| AmountFormat { decimal: *decimal, thousands: *thousands })
        .collect();
    let read = |format: AmountFormat| -> Vec<Option<Decimal>> {
        filled.iter().map(|(_, cell)| format.read(cell, MINOR_DIGITS).ok()).collect()
    };
    let read_count = |values: &[Option<Decimal>]| values.iter().flatten().count();
    let mut best: Option<(AmountFormat, usize)> = None;
    for format in formats {
        let count = read_count(&read(format));
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((format, count));
        }
    }
    let Some((format, most)) = best.filter(|(_, most)| *most > 0) else {
        if let Some((heading, cell)) = filled.first() {
            guess.notes.push(format!("No amount in `{heading}` can be read, such as `{cell}`"));
        }
        return;
    };
    // Only groups of three and no decimals anywhere: `1.234` is a thousand or one and a bit, and nothing tells.
    let mark = match format.thousands {
        Some(ThousandsMark::Comma) => Some((',', '.')),
        Some(ThousandsMark::Point) => Some(('.', ',')),
        _ => None,
    };
    if let (Some((thousands, decimal)), None) = (mark, decided.decimal)
        && !has(decimal)
        && !filled.iter().any(|(_, cell)| cell.matches(thousands).count() > 1)
        && let Some((heading, cell)) = filled.iter().find(|(_, cell)| cell.contains(thousands))
    {
        guess.questions.push(Question::Decimal { column: (*heading).clone(), cell: cell.to_string() });
        return;
    }
    if most < filled.len()
        && let Some((heading, cell)) = filled.iter().find(|(_, cell)| format.read(cell, MINOR_DIGITS).is_err())
    {
        let count = filled.len() - most;
        guess.notes.push(format!("{count} of {} amounts cannot be read, such as `{cell}` in `{heading}`", filled.len()));
    }
    guess.amounts = format;
}

/// Returns the mapped columns whose field is asked for.
fn mapped<'c>(cells: &'c Cells, guess: &Guess, is_asked_for: impl Fn(&str) -> bool) -> Vec<(&'c String, &'c Vec<CompactString>)> {
    let columns = guess.columns.iter().filter(|(field, _)| is_asked_for(field)).filter_map(|(_, heading)| cells.column(heading));
    columns.map(|column| (&cells.headings[column], &cells.columns[column])).collect()
}
