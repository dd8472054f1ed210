//! Whether a figure stands in what a reader sees: the amount whole, not the end of a larger one.
//!
//! The sign and the currency are not looked for: credit is written with a minus sign by one template and in words by another, and
//! a column may name the currency in its head.

/// The longest reference to a character that is replaced: `&#x202f;` has eight.
const REFERENCE_OCTETS_MAX: usize = 12;

/// Returns whether the amount `size`, written without sign and currency, stands in a text. White space is all the same.
pub(crate) fn stands_in(text: &str, size: &str) -> bool {
    let is_alike = |a: char, b: char| a == b || a.is_whitespace() && b.is_whitespace();
    let first = size.chars().next();
    let starts = text.char_indices().filter(|(_, own)| first.is_some_and(|first| is_alike(*own, first)));
    starts.into_iter().any(|(start, _)| {
        let mut rest = text[start..].chars();
        let is_it = size.chars().all(|sought| rest.next().is_some_and(|own| is_alike(own, sought)));
        is_it && !goes_on(text[..start].chars().rev()) && !goes_on(rest)
    })
}

/// Returns whether a number goes on with these characters: a digit, or a separator and a digit. A plain space is none; the spaces
/// that part thousands do not break.
fn goes_on(mut characters: impl Iterator<Item = char>) -> bool {
    const SEPARATORS: &[char] = &['.', ',', '\'', '’', '٫', '٬', '\u{a0}', '\u{202f}'];
    match characters.next() {
        Some(own) if own.is_numeric() => true,
        Some(own) if SEPARATORS.contains(&own) => characters.next().is_some_and(char::is_numeric),
        _ => false,
    }
}

/// Returns the words of an HTML text, without its marks, its head and its comments.
pub(crate) fn visible_words(html: &str) -> String {
    let mut words = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        push_decoded(&mut words, &rest[..start]);
        rest = after_mark(&rest[start..]);
        words.push(' ');
    }
    push_decoded(&mut words, rest);
    words
}

/// Returns what follows a mark, together with what it hides.
fn after_mark(html: &str) -> &str {
    let after = |end: &str, from: &str| from.find(end).map(|place| place + end.len());
    if html.starts_with("<!--") {
        return after("-->", html).map_or("", |end| &html[end..]);
    }
    let name: String = html[1..].chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if ["head", "style", "script", "title"].contains(&name.as_str()) {
        let close = format!("</{name}");
        let end = html
            .char_indices()
            .find(|(place, _)| html.get(*place..*place + close.len()).is_some_and(|own| own.eq_ignore_ascii_case(&close)));
        let inner = end.map_or("", |(place, _)| &html[place..]);
        return after(">", inner).map_or("", |end| &inner[end..]);
    }
    after(">", html).map_or("", |end| &html[end..])
}

/// Adds a text with its references to characters replaced; those of no figure may stay as they are.
fn push_decoded(words: &mut String, text: &str) {
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        words.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(end) = rest.find(';').filter(|end| *end <= REFERENCE_OCTETS_MAX) else {
            words.push('&');
            rest = &rest[1..];
            continue;
        };
        let code = rest[1..end].strip_prefix('#');
        let number = code.and_then(|code| match code.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => code.parse().ok(),
        });
        let decoded = match &rest[1..end] {
            "nbsp" => Some('\u{a0}'),
            "nnbsp" => Some('\u{202f}'),
            "apos" => Some('\''),
            "rsquo" => Some('’'),
            _ => number.and_then(char::from_u32),
        };
        match decoded {
            Some(own) => {
                words.push(own);
                rest = &rest[end + 1..];
            }
            None => {
                words.push('&');
                rest = &rest[1..];
            }
        }
    }
    words.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stands_in_a_text_whole_or_not_at_all() {
        for (text, size, expected) in [
            ("Balance: €1,234.50", "1,234.50", true),
            ("Balance: -€1,234.50.", "1,234.50", true),
            ("Balance: €1,234.50", "234.50", false),
            ("Saldo 1.234,50 €", "234,50", false),
            ("Saldo 234,50 € zum 12.03.2026", "234,50", true),
            ("am 12.03.2026 234,50 €", "234,50", true),
            ("le 1\u{202f}234,50\u{a0}€", "1\u{202f}234,50", true),
            ("le 1\n234,50 €", "1\u{202f}234,50", true),
            ("le 1\u{202f}234,50\u{a0}€", "234,50", false),
            ("¥70", "70", true),
            ("¥70.50", "70", false),
            ("€70.00", "7.00", false),
            ("€70.00", "70.0", false),
            ("€170.00 and €70.00", "70.00", true),
            ("Nothing is open: €0.00", "0.00", true),
            ("€10.00", "0.00", false),
            ("", "0.00", false),
        ] {
            assert_eq!(stands_in(text, size), expected, "{size} in {text:?}");
        }
    }

    #[test]
    fn what_a_reader_does_not_see_shows_no_figure() {
        for (html, size, expected) in [
            ("<p>Balance <b>1&#x27;234.50</b></p>", "1'234.50", true),
            ("<p>1&nbsp;234,50&nbsp;&euro; & more</p>", "1\u{a0}234,50", true),
            ("<p title=\"70.00\">80.00</p>", "70.00", false),
            ("<head><title>70.00</title></head><body>80.00", "70.00", false),
            ("<STYLE>p { width: 70.00 }</STYLE>80.00<!-- 70.00 -->", "70.00", false),
            ("<style>p { width: 70.00 }</style >then 70.00", "70.00", true),
            ("<p>7<b>0.00</b></p>", "70.00", false),
            ("<p", "70.00", false),
        ] {
            assert_eq!(stands_in(&visible_words(html), size), expected, "{size} in {html}");
        }
    }
}
