//! Printing: standard output for results, standard error for what is said on the way.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use crate::domain::mailbox::RecipientRole;

/// How wide problems are shown, and tables where no terminal says how wide it is, in columns. A longer line of a file
/// is cut around what is meant; cells of a table are broken.
pub(crate) const WIDTH: usize = 120;

/// The longest text that [`keep_whole`] keeps in one piece, in columns.
const WHOLE_WIDTH: u16 = 40;

/// Writes a result line. A reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn out(text: impl AsRef<str>) {
    out_bytes(format!("{}\n", text.as_ref()).as_bytes());
}

/// Writes result bytes as they are.
pub(crate) fn out_bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // Nobody is left to be told; 141 is what a shell reports for a broken pipe.
        std::process::exit(if error.kind() == io::ErrorKind::BrokenPipe { 141 } else { 1 });
    }
}

/// Writes a line beside the results. If standard error is gone there is nobody to tell.
pub(crate) fn say(text: impl AsRef<str>) {
    drop(writeln!(io::stderr().lock(), "{}", text.as_ref()));
}

/// Writes a failure with the way out.
pub(crate) fn fail(message: impl AsRef<str>, hint: Option<&str>) {
    say(format!("error: {}", message.as_ref()));
    if let Some(hint) = hint {
        say(format!("hint: {hint}"));
    }
}

/// Writes a value as JSON on one line.
pub(crate) fn json(value: &impl serde::Serialize) {
    out(serde_json::to_string(value).expect("views are maps with text keys, lists, texts and numbers"));
}

/// Returns whether results go to a person's terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Returns a table with these headings, as wide as the terminal where there is one, at most [`WIDTH`] elsewhere.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(headings.iter().copied());
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !is_terminal() {
        table.set_width(WIDTH as u16);
    }
    table
}

/// Keeps what stands in these columns (addresses, one a line; amounts) in one piece where the table is wide enough for
/// it: a broken one cannot be read or copied.
pub(crate) fn keep_whole(table: &mut Table, columns: &[usize]) {
    if table.width().is_none_or(|width| usize::from(width) < WIDTH) {
        return;
    }
    let padding = 2;
    let longest = table.column_max_content_widths();
    for place in columns {
        if let (Some(column), Some(longest)) = (table.column_mut(*place), longest.get(*place)) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed((*longest).min(WHOLE_WIDTH) + padding)));
        }
    }
}

/// Returns a cell for a number.
pub(crate) fn number(value: impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(CellAlignment::Right)
}

/// Returns up to `most` names, and how many more there are.
pub(crate) fn few(names: &[String], most: usize) -> String {
    match names.len().checked_sub(most) {
        Some(more) if more > 0 => format!("{} +{more} more", names[..most].join(", ")),
        _ => names.join(", "),
    }
}

/// Returns the word for a recipient's role, as it stands in a mail's head but for its capital.
pub(crate) fn role_word(role: RecipientRole) -> &'static str {
    match role {
        RecipientRole::To => "to",
        RecipientRole::Cc => "cc",
        RecipientRole::Bcc => "bcc",
    }
}

/// Returns `1 mail` or `2 mails`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_table_breaks_words_but_neither_addresses_nor_amounts() {
        let mut rows = table(&["Customer", "Open", "To", "State", "Why"]);
        rows.set_width(WIDTH as u16);
        let addresses = "accounts@a-rather-long-name.example\nsecond@customer.example";
        let words = || Cell::new("many words ".repeat(20));
        rows.add_row([words(), number("1234567.00 EUR"), Cell::new(addresses), words(), words()]);
        keep_whole(&mut rows, &[1, 2]);
        let shown = rows.to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        for whole in ["1234567.00 EUR", "accounts@a-rather-long-name.example", "second@customer.example"] {
            assert!(shown.contains(whole), "{shown}");
        }
    }
}
