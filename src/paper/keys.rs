//! The one list of the keys of a layout: the reader is tested against it, the reference page and the schema are made from it.

use crate::schema::{Need, Row};

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// The path: `body.[].table.columns.[].title`.
    pub(crate) path: &'static str,
    /// What is written there.
    pub(crate) value: &'static str,
    /// What holds without it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn key(path: &'static str, value: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { path, value, default, meaning }
}

pub(crate) const REQUIRED: &str = "must be given";
/// What a text is written as.
const WORDS: &str = "a text, or one by language";
const LENGTH: &str = "`20 mm`; also `pt`, `in`";
const COLOUR: &str = "a colour: `\"#1a2b3c\"`";
const TRUTH: &str = "`true` or `false`";
const SIDE: &str = "`left`, `middle` or `right`";

/// Every key, in the order a layout is best written.
pub(crate) const KEYS: &[Key] = &[
    key(
        "languages",
        "a list of languages",
        "`[en]`",
        "The languages it has words in. The first is for every reader whose language is not among them",
    ),
    key("title", WORDS, REQUIRED, "The title that the file carries, which its reader's program shows"),
    key("file", WORDS, "the layout's name and `.pdf`", "What the file is called; its text has to end in `.pdf`"),
    key("page", "`a4` or `letter`", "`a4`", "The sheet: 210 × 297 mm, or 8.5 × 11 in"),
    key("margins", "keys", "as below", "What stays empty around the page"),
    key("margins.top", LENGTH, "`15 mm`", "Above"),
    key("margins.right", LENGTH, "`20 mm`", "On the right"),
    key("margins.bottom", LENGTH, "`12 mm`", "Below"),
    key("margins.left", LENGTH, "`25 mm`", "On the left"),
    key("size", LENGTH, "`9 pt`", "The size of the letters, 6 to 18 points; headings and small print follow it"),
    key(
        "fonts",
        "a list of fonts",
        "Liberation Sans",
        "The fonts, each asked for a letter that those before it do not have; Liberation Sans comes last. A letter that none has blocks the mail",
    ),
    key("fonts.[].regular", "a file of `rules/papers`", REQUIRED, "The font's file, TTF or OTF, by its path in `rules/papers`"),
    key("fonts.[].bold", "a file of `rules/papers`", "the regular one", "Its bold letters"),
    key("fonts.[].languages", "a language, or a list", "none", "In these languages it comes before all others: `[ja]`"),
    key("colours", "keys", "as below", "The colours"),
    key("colours.text", COLOUR, "`\"#1a1a1a\"`", "Of texts"),
    key("colours.accent", COLOUR, "`\"#1a1a1a\"`", "Of headings and of the line below a table's titles"),
    key("colours.muted", COLOUR, "`\"#5f6368\"`", "Of small print: labels, header and footer"),
    key("colours.line", COLOUR, "`\"#c9ccd1\"`", "Of the lines between rows"),
    key("archive", "`pdf/a` or `off`", "`pdf/a`", "`pdf/a`: the file is a PDF/A-2b, which archives ask for. `off`: any PDF"),
    key("header", "keys", "none", "What stands at the top of pages"),
    key(
        "header.left",
        WORDS,
        "none",
        "At the beginning of the line. `{{ page }}` and `{{ pages }}` are the page's number and how many there are",
    ),
    key("header.middle", WORDS, "none", "In its middle"),
    key("header.right", WORDS, "none", "At its end"),
    key("header.first_page", TRUTH, "`false`", "Whether the first page has it too"),
    key("footer", "keys", "none", "What stands at the foot of pages"),
    key("footer.left", WORDS, "none", "At the beginning of the line"),
    key("footer.middle", WORDS, "none", "In its middle"),
    key("footer.right", WORDS, "none", "At its end: `\"{{ page }} / {{ pages }}\"`"),
    key("footer.first_page", TRUTH, "`true`", "Whether the first page has it too"),
    key(
        "body",
        "a list of parts",
        REQUIRED,
        "What stands on the paper, from top to bottom; each part has one key, which says what it is",
    ),
    key("body.[].letterhead", "keys", "none", "A logo, and who the paper is from beside it"),
    key(
        "body.[].letterhead.logo",
        "a file of `rules/papers`",
        "none",
        "A picture, PNG or JPEG, by its path in `rules/papers`; 4 million pixels at most",
    ),
    key("body.[].letterhead.height", LENGTH, "`15 mm`", "How high the logo is; its width follows"),
    key("body.[].letterhead.logo_at", SIDE, "`left`", "Where it stands"),
    key("body.[].letterhead.sender", WORDS, "none", "Lines in small letters, at the other side"),
    key("body.[].address", "keys", "none", "Whom the paper is for, and reference lines beside it"),
    key(
        "body.[].address.from_top",
        LENGTH,
        "`45 mm`",
        "How far from the sheet's upper edge it begins at least: where an envelope has its window",
    ),
    key("body.[].address.return_line", WORDS, "none", "One small line above it"),
    key("body.[].address.lines", WORDS, REQUIRED, "The name and the address, line by line"),
    key(
        "body.[].address.details",
        "a list of labels and values",
        "none",
        "Reference lines; one whose value is empty is left out",
    ),
    key("body.[].address.details.[].label", WORDS, REQUIRED, "What it is"),
    key("body.[].address.details.[].value", WORDS, REQUIRED, "The value"),
    key("body.[].address.details.[].strong", TRUTH, "`false`", "Whether it is in bold letters"),
    key("body.[].heading", WORDS, "none", "A heading; never alone at the foot of a page"),
    key("body.[].paragraph", WORDS, "none", "A text; left out where it is empty once it is filled"),
    key("body.[].table", "keys", "none", "A list of the mail, row by row; nothing at all where the list is empty"),
    key(
        "body.[].table.rows",
        "a list of the mail",
        REQUIRED,
        "Which list: `items`, `due_items`, `other_items`, `statement.lines`. Its texts know each member as `row`",
    ),
    key("body.[].table.title", WORDS, "none", "A line above the table"),
    key(
        "body.[].table.columns",
        "a list of columns",
        REQUIRED,
        "The columns in their order, 12 at most; their titles stand on every page",
    ),
    key(
        "body.[].table.columns.[].title",
        WORDS,
        REQUIRED,
        "The column's title; the column is left out where it is empty once it is filled",
    ),
    key("body.[].table.columns.[].value", WORDS, REQUIRED, "What stands in it, for each row: `\"{{ row.open|amount }}\"`"),
    key("body.[].table.columns.[].width", LENGTH, "a share of what is left", "How wide it is"),
    key("body.[].table.columns.[].align", SIDE, "`left`", "Where its texts stand"),
    key(
        "body.[].table.totals",
        "a list of labels and values",
        "none",
        "Sums below the table. They never stand alone on a page: two rows go with them",
    ),
    key("body.[].table.totals.[].label", WORDS, REQUIRED, "What it is"),
    key("body.[].table.totals.[].value", WORDS, REQUIRED, "The sum; left out where it is empty once it is filled"),
    key("body.[].table.totals.[].strong", TRUTH, "`false`", "Whether it is in bold letters, with a line above it"),
    key("body.[].ageing", "keys", "none", "The age columns of a statement, side by side; nothing at all where it has none"),
    key("body.[].ageing.title", WORDS, "none", "A line above them"),
    key("body.[].ageing.label", WORDS, REQUIRED, "What stands over each, which its text knows as `row`: `\"{{ row.label }}\"`"),
    key("body.[].ageing.value", WORDS, REQUIRED, "What stands below it: `\"{{ row.amount }}\"`"),
    key(
        "body.[].ageing.further",
        "a list of labels and values",
        "none",
        "Cells after them, such as unapplied credit and the balance",
    ),
    key("body.[].ageing.further.[].label", WORDS, REQUIRED, "What it is"),
    key(
        "body.[].ageing.further.[].value",
        WORDS,
        REQUIRED,
        "The value; the cell is left out where it is empty once it is filled",
    ),
    key("body.[].ageing.further.[].strong", TRUTH, "`false`", "Whether it is in bold letters"),
    key(
        "body.[].slip",
        "keys",
        "none",
        "A code by which banking programs pay, and words beside it; nothing at all where there is no such code. Its texts know the code as `code`",
    ),
    key("body.[].slip.title", WORDS, "none", "A line above the words"),
    key(
        "body.[].slip.code",
        "one value: `\"{{ payment_code_for(due_total, due_items) }}\"`",
        "`payment_code`",
        "Which code: `payment_code` is the one for the sum of the mail; it asks for the same sum as the mail's own words",
    ),
    key("body.[].slip.code_size", LENGTH, "`46 mm`", "How long a side of the code is, 20 to 60 mm; the Swiss code has 46"),
    key(
        "body.[].slip.details",
        "a list of labels and values",
        "none",
        "Who is paid, on which account, how much; what is empty is left out",
    ),
    key("body.[].slip.details.[].label", WORDS, REQUIRED, "What it is"),
    key("body.[].slip.details.[].value", WORDS, REQUIRED, "The value"),
    key("body.[].slip.details.[].strong", TRUTH, "`false`", "Whether it is in bold letters"),
    key("body.[].space", LENGTH, "none", "Nothing, so high"),
];

/// Returns the rows that the schema is made of.
pub(crate) fn rows() -> Vec<Row<'static>> {
    let row = |key: &'static Key| {
        let need = if key.default == REQUIRED { Need::Required } else { Need::Optional };
        Row { path: key.path.to_owned(), form: key.value, default: key.default, meaning: key.meaning, need }
    };
    KEYS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::form::value_schema;

    #[test]
    fn every_phrase_of_the_table_has_a_meaning() {
        let rows = rows();
        let has_keys = |row: &Row<'_>| rows.iter().any(|other| other.path.starts_with(&format!("{}.", row.path)));
        let unknown: Vec<&str> =
            rows.iter().filter(|row| !has_keys(row) && value_schema(row.form).is_none()).map(|row| row.form).collect();
        assert!(unknown.is_empty(), "give these a meaning in src/schema/form.rs: {unknown:?}");
    }
}
