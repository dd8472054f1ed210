//! The plain text of a mail, made from its HTML where nobody wrote one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use html2text::config;
use html2text::render::TextDecorator;

/// How wide a line of the text may get, in characters. Source: RFC 5322 §2.1.1 asks for at most 78.
const WIDTH: usize = 78;

/// Returns the text a reader without HTML gets; a link is followed by its address.
///
/// # Errors
/// The reason, where the HTML cannot be laid out.
pub(crate) fn text_of(html: &str) -> Result<String, String> {
    // Looked for at memory speed: no mail should have any.
    let has_marks = memchr::memchr(MARK_OCTET, html.as_bytes()).is_some();
    let html = if has_marks { Cow::Owned(html.replace(is_mark, "")) } else { Cow::Borrowed(html) };
    let html = without_hidden(&html);
    let html = match html.contains(NO_BREAKS) || html.contains("&nbsp;") {
        true => Cow::Owned(html.replace(NO_BREAKS, BLANK).replace("&nbsp;", BLANK)),
        false => html,
    };
    let plain = Plain::default();
    let addresses = Rc::clone(&plain.addresses);
    let laid_out = config::with_decorator(plain)
        .no_table_borders()
        .allow_width_overflow()
        .min_wrap_width(COLUMN_WIDTH)
        .string_from_read(html.as_bytes(), WIDTH)
        .map_err(|fault| fault.to_string())?;
    let whole = with_addresses(&laid_out, &addresses.borrow());
    Ok(tidy(&whole.replace(BLANK, "\u{a0}")))
}

/// Returns HTML without what nobody sees of it: the first words that mail programs show in their lists, which stand in an element
/// that is not displayed.
fn without_hidden(html: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(html);
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&shown.as_bytes()[from..], b"display:none").map(|found| from + found) {
        from = found + 1;
        let Some(start) = shown[..found].rfind('<').filter(|start| !shown[*start..found].contains('>')) else { continue };
        let Some(name) = ["div", "span", "p"]
            .into_iter()
            .find(|name| shown[start + 1..].strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '\n'])))
        else {
            continue;
        };
        let Some(end) = shown[found..].find(&format!("</{name}>")).map(|end| found + end) else { continue };
        // What holds others of its kind ends elsewhere, and is left alone.
        if !shown[found..end].contains(&format!("<{name}")) {
            shown.to_mut().replace_range(start..end + name.len() + 3, "");
            from = start;
        }
    }
    shown
}

/// How wide a column stays at least if it has so much to say, in characters: an amount or a date is not broken, and five columns fit.
const COLUMN_WIDTH: usize = 14;

/// The spaces at which no line may end: within an amount, and before `:` in French.
const NO_BREAKS: [char; 2] = ['\u{a0}', '\u{202f}'];

/// What stands for them while the text is laid out, since there a narrow column ends a line at them all the same.
const BLANK: &str = "\u{10fffd}";

/// The mark of the first address, in a plane of Unicode that is nobody's; each address has one of its own. An address would be broken where
/// a line ends, and in a narrow cell of a table after a few letters; its mark cannot be.
const MARK: u32 = 0x10_0000;

/// What every mark begins with in UTF-8.
const MARK_OCTET: u8 = 0xf4;

/// How many addresses have marks; there are no more characters.
const MARKS_MAX: u32 = 0xfffc;

fn is_mark(c: char) -> bool {
    c as u32 >= MARK
}

/// Returns a laid out text with the addresses in the place of their marks, on a line of their own where theirs would become too long.
fn with_addresses(text: &str, addresses: &[String]) -> String {
    if addresses.is_empty() {
        return text.to_owned();
    }
    let mut whole = String::with_capacity(text.len());
    let mut width = 0;
    for c in text.chars() {
        let address = (c as u32).checked_sub(MARK).and_then(|place| addresses.get(place as usize));
        let Some(address) = address else {
            width = if c == '\n' { 0 } else { width + 1 };
            whole.push(c);
            continue;
        };
        let length = address.chars().count() + "<>".len();
        if width > 0 {
            let fits = width + 1 + length <= WIDTH;
            whole.push(if fits { ' ' } else { '\n' });
            width = if fits { width + 1 } else { 0 };
        }
        whole.push_str(&format!("<{address}>"));
        width += length;
    }
    whole
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
    /// The mark of each link that is open, if its address is shown.
    open: Vec<Option<char>>,
    /// The addresses that are shown, in the order of their marks; shared by all pieces of a mail.
    addresses: Rc<RefCell<Vec<String>>>,
}

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        // The text of a mailto link is the address already, and a fragment leads nowhere outside the HTML.
        let is_shown = !url.starts_with("mailto:") && !url.starts_with('#');
        let mut addresses = self.addresses.borrow_mut();
        let mark = char::from_u32(MARK + (addresses.len() as u32).min(MARKS_MAX)).filter(|_| is_shown);
        if mark.is_some() {
            addresses.push(url.to_owned());
        }
        self.open.push(mark);
        (String::new(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        self.open.pop().flatten().map_or_else(String::new, String::from)
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
        Self { open: Vec::new(), addresses: Rc::clone(&self.addresses) }
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

    #[test]
    fn an_address_stays_whole_wherever_it_stands() {
        let long = format!("https://pay.example/{}", "x".repeat(80));
        for (html, expected) in [
            ("<table><tr><td><a href=\"URL\">Pay</a></td></tr></table>".to_owned(), format!("Pay\n<{long}>\n")),
            (
                "<p><a href=\"https://a.example/1\">A</a> and <a href=\"https://b.example/2\">B</a>.</p>".to_owned(),
                "A <https://a.example/1> and B <https://b.example/2>.\n".to_owned(),
            ),
            (
                "<p>\u{100000}<a href=\"mailto:a@b.example\">a@b.example</a> <a href=\"#top\">top</a></p>".to_owned(),
                "a@b.example top\n".to_owned(),
            ),
        ] {
            assert_eq!(text_of(&html.replace("URL", &long)).unwrap(), expected);
        }
    }

    #[test]
    fn an_amount_is_not_broken_at_its_spaces() {
        let html = format!("<p>{} 1\u{202f}234\u{202f}567,50\u{a0}€</p>", "x".repeat(74));
        assert!(text_of(&html).unwrap().ends_with("\n1\u{a0}234\u{a0}567,50\u{a0}€\n"));
        let row = format!("<tr><td>{}</td><td>1\u{a0}190,00\u{a0}€</td><td>690,00&nbsp;€</td></tr>", "long words ".repeat(12));
        let text = text_of(&format!("<table>{row}</table>")).unwrap();
        assert!(text.contains("1\u{a0}190,00\u{a0}€") && text.contains("690,00\u{a0}€"), "{text}");
    }

    #[test]
    fn what_nobody_sees_is_not_read_either() {
        let html = "<div style=\"display:none;font-size:1px\">Before</div><p>display:none is a word</p><div style=\"display:none\"><div>x</div></div>";
        assert_eq!(text_of(html).unwrap(), "display:none is a word\n\nx\n");
    }
}
