//! A template's code, covered with words that readers of HTML and MJML leave alone, and uncovered again.
//!
//! `{% for … %}` between two rows, `{{ … }}` in an attribute and `"` in either would confuse them. What was covered keeps its place
//! in the file that its author wrote, so that a fault found later is told there.

use std::ops::Range;
use std::sync::Arc;

use crate::template::code::tags;

/// What a cover begins with; it is a name of an attribute, a value and a text alike, and the same in small letters.
const COVER: &str = "dunlin-code-";

/// A piece of code: its range in what its author wrote, and the range of its cover.
type CoveredCode = (Range<usize>, Range<usize>);

/// A text whose code is covered.
#[derive(Debug)]
pub(crate) struct Covered {
    pub(crate) text: String,
    /// The code, in the order of the text.
    pub(crate) code: Vec<CoveredCode>,
    /// The number of the first cover.
    first: usize,
}

impl Covered {
    /// Covers the code of `source`, counting from `first`; `None` where the text itself has what a cover begins with.
    pub(crate) fn new(source: &str, first: usize) -> Option<Self> {
        if source.contains(COVER) {
            return None;
        }
        let (mut text, mut code, mut end) = (String::with_capacity(source.len()), Vec::new(), 0);
        let mut spot = Spot::default();
        for (place, tag) in tags(source).into_iter().enumerate() {
            let before = &source[end..tag.start];
            text.push_str(before);
            spot.pass(before);
            // In the place of an attribute it is one by itself: `<td {% if a %}class="b"{% endif %}>`.
            let is_attribute = spot.is_between_attributes() && text.ends_with([' ', '\n', '\t', '"', '\'']);
            if is_attribute && text.ends_with(['"', '\'']) {
                text.push(' ');
            }
            let start = text.len();
            text.push_str(&format!("{COVER}{}-", first + place));
            code.push((tag.clone(), start..text.len()));
            if is_attribute && source[tag.end..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '{') {
                text.push(' ');
            }
            end = tag.end;
        }
        text.push_str(&source[end..]);
        Some(Self { text, code, first })
    }

    /// Returns where an offset of the covered text is in what its author wrote.
    pub(crate) fn offset(&self, covered: usize) -> usize {
        match self.code.iter().rev().find(|(_, cover)| cover.start <= covered) {
            Some((own, cover)) if covered < cover.end => own.start,
            Some((own, cover)) => own.end + (covered - cover.end),
            None => covered,
        }
    }
}

/// Where in the markup a text has come to: between the attributes of a tag, or elsewhere.
#[derive(Debug, Default)]
struct Spot {
    is_in_tag: bool,
    quote: Option<char>,
}

impl Spot {
    fn pass(&mut self, text: &str) {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match (self.is_in_tag, self.quote, c) {
                (false, _, '<') => self.is_in_tag = rest.peek().is_some_and(char::is_ascii_alphabetic),
                (true, None, '>') => self.is_in_tag = false,
                (true, None, '"' | '\'') => self.quote = Some(c),
                (true, Some(open), c) if c == open => self.quote = None,
                _ => {}
            }
        }
    }

    fn is_between_attributes(&self) -> bool {
        self.is_in_tag && self.quote.is_none()
    }
}

/// A file whose code is covered.
#[derive(Debug)]
pub(crate) struct CoveredFile {
    /// The file's name.
    pub(crate) name: String,
    /// What its author wrote.
    pub(crate) source: Arc<str>,
    /// The same, covered.
    pub(crate) covered: Covered,
}

/// A piece of code in a text that was made from other files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Where it stands now.
    pub(crate) made: Range<usize>,
    /// The file it comes from.
    pub(crate) file: String,
    /// Where it starts there.
    pub(crate) at: usize,
}

/// What was made of a template: the text that is filled, and where its code comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) text: String,
    pub(crate) moved: Vec<Moved>,
}

impl Made {
    /// Uncovers the code of `files` in `text`.
    pub(crate) fn uncovered(text: &str, files: &[CoveredFile]) -> Self {
        let mut made = Self::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(COVER) {
            made.text.push_str(before);
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let number: Option<usize> = after[..digits].parse().ok().filter(|_| after[digits..].starts_with('-'));
            rest = after;
            let Some((file, (own, _))) = number.and_then(|number| find(files, number)) else {
                made.text.push_str(COVER);
                continue;
            };
            let start = made.text.len();
            made.text.push_str(&file.source[own.clone()]);
            made.moved.push(Moved { made: start..made.text.len(), file: file.name.clone(), at: own.start });
            rest = &after[digits + 1..];
            // Code in the place of an attribute has no value.
            rest = rest.strip_prefix("=\"\"").unwrap_or(rest);
        }
        made.text.push_str(rest);
        made
    }

    /// Returns the file and the range in it that a range of the made text comes from, where it lies in one piece of code.
    pub(crate) fn origin(&self, range: &Range<usize>) -> Option<(&str, Range<usize>)> {
        let moved = self.moved.iter().find(|moved| moved.made.start <= range.start && range.end <= moved.made.end)?;
        let shift = |offset: usize| moved.at + (offset - moved.made.start);
        Some((&moved.file, shift(range.start)..shift(range.end)))
    }
}

fn find(files: &[CoveredFile], number: usize) -> Option<(&CoveredFile, &CoveredCode)> {
    files.iter().find_map(|file| Some((file, file.covered.code.get(number.checked_sub(file.covered.first)?)?)))
}

/// Returns covered HTML with the covers between tags as comments, which may stand where a text may not: between two rows.
pub(crate) fn commented(covered: &str) -> String {
    let mut out = String::with_capacity(covered.len());
    for piece in pieces(covered) {
        match piece {
            Piece::Text(text) => {
                let mut rest = text;
                while let Some((before, after)) = rest.split_once(COVER) {
                    let end = after.find('-').map_or(after.len(), |at| at + 1);
                    out.push_str(&format!("{before}<!--{COVER}{}-->", &after[..end]));
                    rest = &after[end..];
                }
                out.push_str(rest);
            }
            Piece::Tag(tag) | Piece::Other(tag) => out.push_str(tag),
        }
    }
    out
}

/// Returns what [`commented`] made of covers as it was.
pub(crate) fn uncommented(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let start = format!("<!--{COVER}");
    while let Some((before, after)) = rest.split_once(&start) {
        let end = after.find("-->").unwrap_or(after.len());
        out.push_str(&format!("{before}{COVER}{}", &after[..end]));
        rest = after.get(end + 3..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Returns the tags and covers of an HTML text in their order, without those that readers of HTML add or leave out by themselves.
///
/// Two texts with the same outline have the same elements in the same order.
pub(crate) fn outline(html: &str) -> Vec<String> {
    const FREE: [&str; 16] = [
        "html", "head", "body", "tbody", "style", "colgroup", "/p", "/li", "/td", "/th", "/tr", "/option", "/br", "/img",
        "/meta", "/link",
    ];
    let mut outline = Vec::new();
    for piece in pieces(html) {
        match piece {
            Piece::Tag(tag) => {
                let name: String = tag[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/:-".contains(*c)).collect();
                let name = name.to_ascii_lowercase();
                let name = name.strip_suffix('/').unwrap_or(&name).to_owned();
                if !FREE.contains(&name.as_str()) && !FREE.contains(&name.trim_start_matches('/')) {
                    outline.push(name);
                }
                outline.extend(covers(tag));
            }
            Piece::Text(text) => outline.extend(covers(text)),
            Piece::Other(text) => outline.extend(covers(text)),
        }
    }
    outline
}

fn covers(text: &str) -> impl Iterator<Item = String> {
    text.split(COVER).skip(1).map(|after| after.chars().take_while(char::is_ascii_digit).collect())
}

/// A piece of an HTML text.
enum Piece<'h> {
    /// `<td class="x">`
    Tag(&'h str),
    /// What stands between tags.
    Text(&'h str),
    /// Comments, conditional ones too, the document type, and the contents of elements that hold text alone.
    Other(&'h str),
}

fn pieces<'h>(html: &'h str) -> impl Iterator<Item = Piece<'h>> {
    let mut rest = html;
    // The element whose contents are text alone, while in one.
    let mut within: Option<&'static str> = None;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (length, kind): (usize, fn(&'h str) -> Piece<'h>) = if let Some(end) = within.take() {
            let end = rest.to_ascii_lowercase().find(end).unwrap_or(rest.len());
            (end, Piece::Other)
        } else if rest.starts_with("<!--") {
            (rest.find("-->").map_or(rest.len(), |at| at + 3), Piece::Other)
        } else if rest.starts_with("<!") {
            (rest.find('>').map_or(rest.len(), |at| at + 1), Piece::Other)
        } else if rest.strip_prefix('<').is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')) {
            let length = tag_length(rest);
            within = text_alone(&rest[..length]);
            (length, Piece::Tag)
        } else {
            let skip = rest.chars().next().map_or(0, char::len_utf8);
            (rest[skip..].find('<').map_or(rest.len(), |at| skip + at), Piece::Text)
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(kind(piece))
    })
}

/// Returns the end of an element whose contents are text alone, where `tag` begins one.
fn text_alone(tag: &str) -> Option<&'static str> {
    let tag = tag.to_ascii_lowercase();
    [("<style", "</style"), ("<title", "</title"), ("<script", "</script"), ("<textarea", "</textarea")]
        .into_iter()
        .find_map(|(start, end)| tag.starts_with(start).then_some(end))
}

/// Returns the length of the tag that `rest` begins with; `>` within quotes does not end it.
fn tag_length(rest: &str) -> usize {
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(source: &str) -> CoveredFile {
        CoveredFile { name: "a.mjml".into(), source: source.into(), covered: Covered::new(source, 7).unwrap() }
    }

    #[test]
    fn code_is_covered_and_comes_back_with_its_place() {
        let source = "<td {% if a %}class=\"x\"{% endif %} b=\"{{ c(\"}}\") }}\">ü{# no #}{{ d }}</td>";
        let file = file(source);
        assert_eq!(
            file.covered.text,
            "<td dunlin-code-7- class=\"x\" dunlin-code-8- b=\"dunlin-code-9-\">üdunlin-code-10-dunlin-code-11-</td>"
        );
        let text = file.covered.text.clone();
        let made = Made::uncovered(&text, &[file]);
        // Code between attributes stands by itself.
        assert_eq!(made.text, source.replace("%}class", "%} class").replace("\"{%", "\" {%"));
        let code = |moved: &Moved| made.text[moved.made.clone()] == source[moved.at..moved.at + moved.made.len()];
        assert!(made.moved.len() == 5 && made.moved.iter().all(code), "{:?}", made.moved);
        assert!(Covered::new("dunlin-code-", 0).is_none());
    }

    #[test]
    fn covers_become_comments_only_where_a_text_stands() {
        let covered = "<!--[if mso]>dunlin-code-0-<![endif]--><title>dunlin-code-1-</title><table>dunlin-code-2-<tr a=\"dunlin-code-3-\">\
            <td>1 < 2 dunlin-code-4-</td></tr></table>";
        let commented = commented(covered);
        assert_eq!(
            commented,
            "<!--[if mso]>dunlin-code-0-<![endif]--><title>dunlin-code-1-</title><table><!--dunlin-code-2---><tr a=\"dunlin-code-3-\">\
             <td>1 < 2 <!--dunlin-code-4---></td></tr></table>"
        );
        assert_eq!(uncommented(&commented), covered);
        assert_eq!(outline(&commented), ["0", "title", "1", "/title", "table", "2", "tr", "3", "td", "4", "/table"]);
    }
}
