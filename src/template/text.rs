//! The plain text of a mail, made from its HTML where nobody wrote one.

use html2text::config;
use html2text::render::TextDecorator;

/// How wide a line of the text may get, in characters. Source: RFC 5322 §2.1.1 asks for at most 78.
const WIDTH: usize = 78;

/// Returns the text a reader without HTML gets; a link is followed by its address.
///
/// # Errors
/// The reason, where the HTML cannot be laid out.
pub(crate) fn text_of(html: &str) -> Result<String, String> {
    let laid_out = config::with_decorator(Plain::default())
        .no_table_borders()
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), WIDTH)
        .map_err(|fault| fault.to_string())?;
    Ok(tidy(&laid_out))
}

/// Returns `text` without white space at line ends and with at most one empty line in a row.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut empty_count = 0;
    for line in text.lines().map(str::trim_end) {
        empty_count = if line.is_empty() { empty_count + 1 } else { 0 };
        if empty_count <= 1 && !(line.is_empty() && tidied.is_empty()) {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    tidied.truncate(tidied.trim_end().len());
    tidied.push('\n');
    tidied
}

/// How a mail's plain text looks: words as they are, no marks for headings and emphasis.
#[derive(Clone, Debug, Default)]
struct Plain {
    /// What to write after each link that is open.
    addresses: Vec<String>,
}

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        // The text of a mailto link is the address already, and a fragment leads nowhere outside the HTML.
        let is_shown = !url.starts_with("mailto:") && !url.starts_with('#');
        self.addresses.push(if is_shown { format!(" <{url}>") } else { String::new() });
        (String::new(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        self.addresses.pop().unwrap_or_default()
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, ()) {
        (title.to_owned(), ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".into()
    }

    fn unordered_item_prefix(&self) -> String {
        "- ".into()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_columns_and_a_link_keeps_its_address() {
        let html = "<html><head><style>p{color:red}</style></head><body><h1>Reminder</h1><p>Dear <b>M&uuml;ller</b>,</p>\
            <table><tr><td>R-1</td><td align=right>5,00 €</td></tr><tr><td>R-2</td><td>12,00 €</td></tr></table>\
            <p>See <a href=\"https://pay.example/1\">your account</a>.</p></body></html>";
        let text = text_of(html).unwrap();
        assert_eq!(text, "Reminder\n\nDear Müller,\n\nR-1 5,00 €\nR-2 12,00 €\n\nSee your account <https://pay.example/1>.\n");
    }
}
