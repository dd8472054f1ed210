//! The words of a template's code: what stands between `{{ … }}` and `{% … %}`, with places.
//!
//! MiniJinja tells neither where a variable stands nor, before it runs, whether a filter exists. This reader of words
//! (not a parser: MiniJinja's own has passed the text before) is enough to check both when a template loads.

use std::ops::Range;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// A name or keyword.
    Name,
    /// A number.
    Number,
    /// A text in quotes; the word is what stands between them.
    Text,
    /// Anything else; comparisons of two characters are one word.
    Sign,
}

/// One word of a template's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) kind: WordKind,
    pub(crate) text: &'a str,
    /// Where it starts, in bytes of the whole template.
    pub(crate) offset: usize,
    /// Which `{{ … }}` or `{% … %}` it stands in, from 0.
    pub(crate) tag: usize,
}

/// Returns where the code of `source` stands, tag by tag, comments included and with their marks.
pub(crate) fn tags(source: &str) -> Vec<Range<usize>> {
    let (mut tags, mut at, mut ignored) = (Vec::new(), 0, Vec::new());
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        at = match source.as_bytes().get(open + 1) {
            Some(b'#') => source[open..].find("#}").map_or(source.len(), |found| open + found + 2),
            Some(b'{') => read_tag(source, open + 2, "}}", 0, &mut ignored),
            Some(b'%') => read_tag(source, open + 2, "%}", 0, &mut ignored),
            _ => {
                at = open + 1;
                continue;
            }
        };
        tags.push(open..at);
    }
    tags
}

/// Returns the words of all code in `source`; comments and `{% raw %}` parts are left out.
pub(crate) fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut at, mut tag) = (0, 0);
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        let end = match source.as_bytes().get(open + 1) {
            Some(b'#') => source[open..].find("#}").map_or(source.len(), |found| open + found + 2),
            Some(b'{') => read_tag(source, open + 2, "}}", tag, &mut words),
            Some(b'%') => read_tag(source, open + 2, "%}", tag, &mut words),
            _ => {
                at = open + 1;
                continue;
            }
        };
        let is_raw = words.last().is_some_and(|word| word.tag == tag && word.text == "raw" && word.kind == WordKind::Name)
            && words.iter().rev().take_while(|word| word.tag == tag).filter(|word| word.kind == WordKind::Name).count() == 1;
        at = match is_raw {
            true => source[end..].find("endraw").map_or(source.len(), |found| end + found),
            false => end,
        };
        tag += 1;
    }
    words
}

/// Appends the words from `at` up to `close`, and returns the offset after it.
fn read_tag<'a>(source: &'a str, mut at: usize, close: &str, tag: usize, words: &mut Vec<Word<'a>>) -> usize {
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        if rest.starts_with(close) {
            return at + close.len();
        }
        let (kind, length) = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' | '\'' => {
                let length = text_length(rest, first);
                let inner = rest[1..length].strip_suffix(first).unwrap_or(&rest[1..length]);
                words.push(Word { kind: WordKind::Text, text: inner, offset: at, tag });
                at += length;
                continue;
            }
            c if c.is_alphabetic() || c == '_' => {
                (WordKind::Name, rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()))
            }
            c if c.is_ascii_digit() => (WordKind::Number, number_length(rest)),
            _ if [">=", "<=", "==", "!=", "//", "**"].iter().any(|pair| rest.starts_with(pair)) => (WordKind::Sign, 2),
            c => (WordKind::Sign, c.len_utf8()),
        };
        words.push(Word { kind, text: &rest[..length], offset: at, tag });
        at += length;
    }
    source.len()
}

fn text_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

fn number_length(rest: &str) -> usize {
    let whole = rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
    let Some(fraction) = rest[whole..].strip_prefix('.') else { return whole };
    let digits = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    if digits == 0 { whole } else { whole + 1 + digits }
}

/// Returns line and column, both from 1 and in characters, of a byte offset.
pub(crate) fn line_and_column(source: &str, offset: usize) -> (u32, u32) {
    let before = &source[..source.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() as u32 + 1, before[line_start..].chars().count() as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        words(source).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn only_code_has_words() {
        for (source, expected) in [
            ("Hello {{ name }}, {not code} {# no {{ comment }} #}", vec!["name"]),
            ("{%- if a.b >= 10.5 -%}x{% endif %}", vec!["-", "if", "a", ".", "b", ">=", "10.5", "-", "endif"]),
            ("{{ \"}} it's\" ~ x }}", vec!["}} it's", "~", "x"]),
            ("{{ 'a\\'b' }}", vec!["a\\'b"]),
            ("{% raw %}{{ x }}{% endraw %}{{ y }}", vec!["raw", "y"]),
            ("{{ unclosed", vec!["unclosed"]),
            ("{", vec![]),
            ("ß{{ größe|first }}", vec!["größe", "|", "first"]),
        ] {
            assert_eq!(texts(source), expected, "{source}");
        }
    }

    #[test]
    fn a_place_counts_characters() {
        assert_eq!(line_and_column("ab\nüü{{ x }}", 10), (2, 6));
        assert_eq!(line_and_column("", 5), (1, 1));
    }
}
