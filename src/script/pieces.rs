//! An expression's text in pieces: where it can be cut, and what of it has a value of its own.
//!
//! rhai's tree tells where an operator stands, but neither where its operands end nor which brackets were written. So the text is
//! read once more, as far as that needs. What is cut here is compiled and judged again by `explain`, which shows a part whole where the
//! two would differ.

use std::ops::Range;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// A name or a word of the language.
    Word,
    /// A number as it is written.
    Number,
    /// A text in quotes, quotes included.
    Quote,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
    /// An operator, a dot, a comma.
    Symbol,
    /// White space and remarks.
    Space,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'t> {
    pub(crate) kind: PieceKind,
    pub(crate) text: &'t str,
    /// Where it starts, in bytes.
    pub(crate) start: usize,
    /// How many brackets stand open around it; a bracket counts as outside of itself.
    pub(crate) depth: usize,
}

impl Piece<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn is(&self, symbol: &str) -> bool {
        self.kind == PieceKind::Symbol && self.text == symbol
    }
}

/// Symbols of more than one character, the longest first.
const SYMBOLS: [&str; 14] = ["!in", "..=", "&&", "||", "==", "!=", "<=", ">=", "??", "?.", "..", "**", "::", "=>"];
/// What compares.
const COMPARISONS: [&str; 8] = ["==", "!=", "<=", ">=", "<", ">", "in", "!in"];

/// Returns a text's pieces; together they are the text.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0usize);
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = piece(rest, first);
        let length = length.clamp(first.len_utf8(), rest.len());
        if kind == PieceKind::Close {
            depth = depth.saturating_sub(1);
        }
        found.push(Piece { kind, text: &rest[..length], start, depth });
        if kind == PieceKind::Open {
            depth += 1;
        }
        start += length;
    }
    found
}

fn piece(rest: &str, first: char) -> (PieceKind, usize) {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let length_while = |is: &dyn Fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    if rest.starts_with("//") {
        return (PieceKind::Space, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (PieceKind::Space, rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if first.is_whitespace() {
        return (PieceKind::Space, length_while(&char::is_whitespace));
    }
    if first.is_ascii_digit() {
        let whole = length_while(&is_of_word);
        let fraction = rest[whole..].strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let length = fraction.map_or(whole, |rest| whole + 1 + rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
        return (PieceKind::Number, length);
    }
    if is_of_word(first) {
        return (PieceKind::Word, length_while(&is_of_word));
    }
    match first {
        '"' | '`' | '\'' => (PieceKind::Quote, quoted(rest, first)),
        '#' if rest.trim_start_matches('#').starts_with('"') => {
            let fence = "#".repeat(length_while(&|c| c == '#'));
            let inside = &rest[fence.len() + 1..];
            let end = inside.find(&format!("\"{fence}")).map_or(rest.len(), |end| end + 2 * (fence.len() + 1));
            (PieceKind::Quote, end)
        }
        '(' | '[' | '{' => (PieceKind::Open, 1),
        ')' | ']' | '}' => (PieceKind::Close, 1),
        _ => {
            let is_here =
                |symbol: &&&str| rest.starts_with(**symbol) && (**symbol != "!in" || !rest[3..].starts_with(is_of_word));
            (PieceKind::Symbol, SYMBOLS.iter().find(is_here).map_or(first.len_utf8(), |symbol| symbol.len()))
        }
    }
}

/// Returns the length of a text in quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (place, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the range without white space and remarks at both ends.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let pieces = pieces(&text[range.clone()]);
    let mut own = pieces.iter().filter(|piece| piece.kind != PieceKind::Space);
    match (own.next(), own.next_back()) {
        (Some(first), last) => range.start + first.start..range.start + last.unwrap_or(first).end(),
        _ => range.start..range.start,
    }
}

/// Cuts a text at each `symbol` outside brackets and quotes, without it.
pub(crate) fn cut(text: &str, symbol: &str) -> Vec<Range<usize>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for piece in pieces(text).iter().filter(|piece| piece.depth == 0 && piece.is(symbol)) {
        parts.push(trimmed(text, start..piece.start));
        start = piece.end();
    }
    parts.push(trimmed(text, start..text.len()));
    parts
}

/// Returns what stands in the brackets that the whole text is in.
pub(crate) fn inside(text: &str) -> Option<Range<usize>> {
    let pieces = pieces(text);
    let own: Vec<&Piece<'_>> = pieces.iter().filter(|piece| piece.kind != PieceKind::Space).collect();
    let (first, last) = (own.first()?, own.last()?);
    let closes = own.iter().position(|piece| piece.kind == PieceKind::Close && piece.depth == 0)?;
    let is_whole = first.text == "(" && last.text == ")" && closes + 1 == own.len() && own.len() > 2;
    is_whole.then(|| trimmed(text, first.end()..last.start))
}

/// Returns what stands behind the `!` that a text begins with.
pub(crate) fn negated(text: &str) -> Option<Range<usize>> {
    let pieces = pieces(text);
    let first = pieces.iter().find(|piece| piece.kind != PieceKind::Space).filter(|piece| piece.is("!"))?;
    Some(trimmed(text, first.end()..text.len()))
}

/// Returns the two sides of a comparison; `None` where the text is none, or more than one.
pub(crate) fn sides(text: &str) -> Option<(Range<usize>, Range<usize>)> {
    let pieces = pieces(text);
    let compares = |piece: &&Piece<'_>| {
        let is_operator = piece.kind == PieceKind::Symbol || piece.text == "in";
        piece.depth == 0 && is_operator && COMPARISONS.contains(&piece.text)
    };
    let mut found = pieces.iter().filter(compares);
    let (operator, None) = (found.next()?, found.next()) else { return None };
    Some((trimmed(text, 0..operator.start), trimmed(text, operator.end()..text.len())))
}

/// Returns whether a side of a comparison is worked out from several values: `as_of - 7`, and not `-7`.
pub(crate) fn is_sum(text: &str) -> bool {
    let text = inside(text).map_or(text, |inner| &text[inner]);
    let pieces = pieces(text);
    let own = pieces.iter().filter(|piece| piece.kind != PieceKind::Space).skip(1);
    own.into_iter().any(|piece| piece.depth == 0 && ["+", "-", "*", "/", "%", "**"].iter().any(|symbol| piece.is(symbol)))
}

/// Returns where every name with all that follows it (`.field`, `.method(…)`, `[…]`, `(…)`) stands, and where each of its links ends:
/// `customer.tags.contains("vip")` has three. Names inside the brackets of another are found too.
pub(crate) fn chains(text: &str) -> Vec<(usize, Vec<usize>)> {
    let pieces: Vec<Piece<'_>> = pieces(text).into_iter().filter(|piece| piece.kind != PieceKind::Space).collect();
    let mut found = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let follows_dot = place > 0 && (pieces[place - 1].is(".") || pieces[place - 1].is("?."));
        if piece.kind != PieceKind::Word || follows_dot {
            continue;
        }
        let (mut links, mut at) = (vec![piece.end()], place + 1);
        while let Some(next) = pieces.get(at) {
            let closing = |from: usize| {
                pieces[from..]
                    .iter()
                    .position(|piece| piece.kind == PieceKind::Close && piece.depth == next.depth)
                    .map(|own| from + own)
            };
            if next.is(".") && pieces.get(at + 1).is_some_and(|piece| piece.kind == PieceKind::Word) {
                links.push(pieces[at + 1].end());
                at += 2;
            } else if next.kind == PieceKind::Open && next.text != "{" {
                let Some(close) = closing(at + 1) else { break };
                // The brackets of a call belong to its name; those of an index are a link of their own.
                if next.text == "(" {
                    links.pop();
                }
                links.push(pieces[close].end());
                at = close + 1;
            } else {
                break;
            }
        }
        found.push((piece.start, links));
    }
    found
}

/// Returns a text on one line, without remarks.
pub(crate) fn on_one_line(text: &str) -> String {
    collapsed(text).trim().to_owned()
}

/// Returns a text with each stretch of white space and remarks as one blank.
pub(crate) fn collapsed(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece.kind {
            PieceKind::Space if line.ends_with(' ') => {}
            PieceKind::Space => line.push(' '),
            _ => line.push_str(piece.text),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_the_top_only() {
        for (text, expected) in [
            ("a && b", vec!["a", "b"]),
            ("a", vec!["a"]),
            ("a &&\n  (b && c) && \"x && y\" == d", vec!["a", "(b && c)", "\"x && y\" == d"]),
            ("f(|x| x && y) && \"\\\" && \" == z && `a && ${b}`", vec!["f(|x| x && y)", "\"\\\" && \" == z", "`a && ${b}`"]),
            ("a // no && here\n && b /* nor && here */", vec!["a", "b"]),
            ("#\"a && \"b\"#.len() > 1 && é", vec!["#\"a && \"b\"#.len() > 1", "é"]),
            ("&&", vec!["", ""]),
        ] {
            let parts: Vec<&str> = cut(text, "&&").into_iter().map(|part| &text[part]).collect();
            assert_eq!(parts, expected, "{text}");
        }
    }

    #[test]
    fn brackets_negations_and_comparisons_are_told_apart() {
        let shown = |range: Option<Range<usize>>, text: &'static str| range.map(|range| &text[range]);
        for (text, expected) in [("( a || b )", Some("a || b")), ("(a) || (b)", None), ("a", None), ("()", None), ("(a).b", None)]
        {
            assert_eq!(shown(inside(text), text), expected, "{text}");
        }
        for (text, expected) in [("! (a)", Some("(a)")), ("!a", Some("a")), ("!in", None), ("a != b", None)] {
            assert_eq!(shown(negated(text), text), expected, "{text}");
        }
        for (text, expected) in [
            ("a >= 5", Some(("a", "5"))),
            ("\"x\" !in b.c", Some(("\"x\"", "b.c"))),
            ("\"x\" in [\"a\", \"b\"]", Some(("\"x\"", "[\"a\", \"b\"]"))),
            ("a == b == c", None),
            ("f(a > b)", None),
            ("a.index", None),
        ] {
            assert_eq!(sides(text).map(|(left, right)| (&text[left], &text[right])), expected, "{text}");
        }
    }

    #[test]
    fn a_chain_ends_where_its_last_link_ends() {
        let shown = |text: &'static str| -> Vec<Vec<&str>> {
            chains(text).into_iter().map(|(start, links)| links.into_iter().map(|end| &text[start..end]).collect()).collect()
        };
        assert_eq!(
            shown("customer.tags.contains(\"vip\")"),
            [vec!["customer", "customer.tags", "customer.tags.contains(\"vip\")"]]
        );
        assert_eq!(shown("round(invoice.open, 2) >= 5.00"), [vec!["round(invoice.open, 2)"], vec!["invoice", "invoice.open"]]);
        assert_eq!(shown("a[\"b\"].c"), [vec!["a", "a[\"b\"]", "a[\"b\"].c"]]);
    }
}
