//! A YAML text to a tree of nodes, each with its place.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};

use crate::domain::problem::{Place, Problem};

/// The largest file read, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most nodes a file may have, aliases counted as often as they are used.
pub const NODES_MAX: usize = 50_000;
/// The deepest nesting.
pub const DEPTH_MAX: usize = 32;

/// Where a node stands: line and column from 1, width in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The line.
    pub line: u32,
    /// The column of the first character.
    pub column: u32,
    /// How many characters on that line.
    pub width: u32,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bare.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A `|` or `>` block.
    Block,
}

/// A scalar with its text after YAML's own escapes, before any guess at its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// The place of its first content character, for places inside it.
    content: Span,
    /// Whether line N of the text is line N of the file below `content`.
    keeps_lines: bool,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Any scalar.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map in file order, every key once.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    /// Its value.
    pub value: Node,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it starts.
    pub span: Span,
    /// What it holds.
    pub value: Value,
}

impl Node {
    /// Returns the scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Returns the place in the file of line `line` and column `column` (both from 1) of this scalar's text:
    /// how a position inside a rhai expression becomes one in the YAML file. Folded text gives its start.
    pub fn span_within(&self, line: u32, column: u32) -> Span {
        let Some(scalar) = self.scalar() else { return self.span };
        if !scalar.keeps_lines && line > 1 || column == 0 {
            return scalar.content;
        }
        let start = &scalar.content;
        let column = if line == 1 || scalar.style == Style::Block { start.column + column - 1 } else { column };
        Span { line: start.line + line.max(1) - 1, column, width: 1 }
    }
}

/// Parses one document.
///
/// # Errors
/// One problem: YAML that cannot be read gives no tree to find further ones in.
pub fn parse(file: &str, source: &str) -> Result<Node, Problem> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if source.len() > FILE_BYTES_MAX {
        let size = source.len();
        return Err(Problem::error(format!("The file has {size} bytes; at most {FILE_BYTES_MAX} are read")).at(Place::file(file)));
    }
    let mut tree = Tree { file, source, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    for next in Parser::new_from_str(source) {
        match next {
            Ok((event, span)) => tree.take(event, span)?,
            Err(error) => {
                let at = error.marker();
                let (line, column) = (at.line() as u32, at.col() as u32 + 1);
                let problem = Problem::error(format!("This is not YAML: {}", error.info()));
                let problem = problem.at(Place::within(file, source, line, column, 1));
                return Err(match yaml_hint(source, line) {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                });
            }
        }
    }
    tree.root.ok_or_else(|| Problem::error("The file is empty").at(Place::file(file)))
}

/// Returns advice for the mistakes that YAML's own messages do not explain.
fn yaml_hint(source: &str, line: u32) -> Option<&'static str> {
    let text = source.lines().nth((line as usize).checked_sub(1)?)?;
    let value = text.split_once(": ").map_or("", |(_, value)| value.trim_start());
    if text.starts_with(|first: char| first.is_whitespace()) && text.trim_start_matches(' ').starts_with('\t') {
        Some("indent with spaces, not with tabs")
    } else if value.starts_with(['*', '&', '!', '%', '@', '`']) {
        Some("put the value in double quotes, since its first character means something to YAML")
    } else if value.contains(": ") {
        Some("put the value in double quotes, since it contains a colon and a space")
    } else {
        None
    }
}

/// A list or map that is not closed yet.
enum Open {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<(String, Span)>),
}

struct Tree<'s> {
    file: &'s str,
    source: &'s str,
    open: Vec<(Open, Span, usize)>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, at: granit_parser::Span) -> Result<(), Problem> {
        let span = self.span(&at);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.problem(span, "A second document starts here").hint("keep one document in a file; remove the `---`"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return Err(self.problem(span, "Tags such as `!name` are not used here").hint("remove the tag"));
                }
                let node = self.scalar(&text, style, span);
                self.add(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::List(Vec::new()), span, anchor),
            Event::MappingStart(_, anchor, _) => self.begin(Open::Map(Vec::new(), None), span, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let (open, span, anchor) = self.open.pop().expect("the parser closes only what it has opened");
                let value = match open {
                    Open::List(items) => Value::List(items),
                    Open::Map(entries, _) => Value::Map(entries),
                };
                self.add(Node { span, value }, anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.problem(span, "This alias refers to a value that is not complete yet"));
                };
                self.nodes += size(&node);
                self.add(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, span: Span, anchor: usize) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.problem(span, &format!("Values are nested deeper than {DEPTH_MAX} levels")));
        }
        if let Some((Open::Map(_, None), ..)) = self.open.last() {
            return Err(self.problem(span, "A key must be a plain word, not a list or a map"));
        }
        self.open.push((open, span, anchor));
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.problem(node.span, &format!("The file has more than {NODES_MAX} values")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((Open::Map(entries, key @ None), ..)) => {
                let (text, span) = (node.scalar().map(|scalar| scalar.text.clone()), node.span);
                let text = text.unwrap_or_else(|| "null".into());
                if let Some(first) = entries.iter().find(|entry| entry.key == text) {
                    let message = format!("`{text}` is given twice; first on line {}", first.span.line);
                    return Err(self.problem(span, &message).hint("keep one of the two"));
                }
                *key = Some((text, span));
            }
            Some((Open::Map(entries, key), ..)) => {
                let (key, span) = key.take().expect("matched as present above");
                entries.push(Entry { key, span, value: node });
            }
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let style_here = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            _ => Style::Block,
        };
        if style_here == Style::Plain && matches!(text, "" | "~" | "null") {
            return Node { span, value: Value::Null };
        }
        let content = match style_here {
            Style::Plain => span,
            Style::Quoted => Span { column: span.column + 1, ..span },
            Style::Block => self.block_content(span),
        };
        let keeps_lines = matches!(style, ScalarStyle::Literal);
        Node { span, value: Value::Scalar(Scalar { text: text.to_owned(), style: style_here, content, keeps_lines }) }
    }

    /// Returns where the content of a block scalar starts, whose `|` or first content line is at `span`.
    fn block_content(&self, span: Span) -> Span {
        let mut lines = self.source.lines().enumerate().skip(span.line as usize - 1);
        let header = lines.next().map_or("", |(_, line)| line);
        let tail: String = header.chars().skip(span.column as usize - 1).collect();
        let line = if tail.starts_with(['|', '>']) { span.line + 1 } else { span.line };
        let first = self.source.lines().skip(line as usize - 1).find(|line| !line.trim().is_empty()).unwrap_or("");
        let indent = first.chars().take_while(|character| *character == ' ').count() as u32;
        Span { line, column: indent + 1, width: 1 }
    }

    fn span(&self, at: &granit_parser::Span) -> Span {
        let (line, column) = (at.start.line() as u32, at.start.col() as u32 + 1);
        let width = if at.start.line() == at.end.line() { at.end.col().saturating_sub(at.start.col()) } else { 1 };
        Span { line, column, width: (width as u32).max(1) }
    }

    fn problem(&self, span: Span, message: &str) -> Problem {
        Problem::error(message).at(Place::within(self.file, self.source, span.line, span.column, span.width))
    }
}

/// Returns how many nodes a tree has.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(source: &str) -> String {
        parse("a.yaml", source).unwrap_err().to_string()
    }

    fn member<'n>(node: &'n Node, key: &str) -> &'n Node {
        let Value::Map(entries) = &node.value else { panic!("not a map") };
        &entries.iter().find(|entry| entry.key == key).unwrap().value
    }

    #[test]
    fn scalars_keep_their_exact_text_and_place() {
        let root = parse("a.yaml", "number: 0123\namount: 5.00\nflag: no\nname: \"x y\"\n").unwrap();
        for (key, text, line, column) in
            [("number", "0123", 1, 9), ("amount", "5.00", 2, 9), ("flag", "no", 3, 7), ("name", "x y", 4, 7)]
        {
            let node = member(&root, key);
            assert_eq!(node.scalar().unwrap().text, text);
            assert_eq!((node.span.line, node.span.column), (line, column), "{key}");
        }
    }

    #[test]
    fn a_position_inside_a_value_becomes_one_in_the_file() {
        let source = "where: invoice.open > 5\nquoted: \"a + b\"\nblock: |\n    first\n    second + x\nend: 1\n";
        let root = parse("a.yaml", source).unwrap();
        for (key, line, column, expected) in
            [("where", 1, 9, (1, 16)), ("quoted", 1, 3, (2, 12)), ("block", 1, 1, (4, 5)), ("block", 2, 8, (5, 12))]
        {
            let span = member(&root, key).span_within(line, column);
            assert_eq!((span.line, span.column), expected, "{key}");
            let text = source.lines().nth(span.line as usize - 1).unwrap();
            assert!(text.chars().nth(span.column as usize - 1).is_some(), "{key}");
        }
    }

    #[test]
    fn what_is_not_a_plain_tree_is_refused_with_its_place() {
        assert_eq!(fault("a: 1\nb: 2\na: 3\n"), "a.yaml:3:1: `a` is given twice; first on line 1; keep one of the two");
        assert!(fault("a: 1\n---\nb: 2\n").starts_with("a.yaml:2:"));
        assert_eq!(fault(""), "a.yaml: The file is empty");
        assert!(fault("a:\n\t- b\n").contains("a.yaml:2:"));
        assert!(
            fault("cron: */15 * * * *\n")
                .ends_with("put the value in double quotes, since its first character means something to YAML")
        );
        assert!(fault("subject: A: b\n").contains("put the value in double quotes"));
        assert!(fault(&format!("{}1{}", "[".repeat(40), "]".repeat(40))).contains("nested deeper than 32"));
    }

    #[test]
    fn an_alias_bomb_is_stopped_by_the_count_of_values() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let before = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", ")));
        }
        assert!(fault(&bomb).contains("more than 50000 values"));
    }
}
