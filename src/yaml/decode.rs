//! Taking a tree of nodes apart: readers that note every problem and go on.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::domain::date::{Date, ISO};
use crate::domain::money::Currency;
use crate::domain::problem::{Place, Problem, nearest};
use crate::domain::variable::Variable;
use crate::yaml::{Entry, Node, Scalar, Span, Style, Value};

/// The longest span of time a value may name.
const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The most values, nested ones included, in one that may be of any kind.
const VALUES_MAX: usize = 1_000;
/// The deepest nesting of one that may be of any kind.
const VALUE_DEPTH_MAX: usize = 8;

/// The problems of one file, and the file's name and text to place them.
#[derive(Debug)]
pub struct Problems<'s> {
    file: Arc<str>,
    source: &'s str,
    list: Vec<Problem>,
}

impl<'s> Problems<'s> {
    /// Returns an empty list for `file`, whose whole text is `source`.
    pub fn new(file: impl Into<Arc<str>>, source: &'s str) -> Self {
        Self { file: file.into(), source: source.strip_prefix('\u{feff}').unwrap_or(source), list: Vec::new() }
    }

    /// Returns the place of `span` in this file.
    pub fn place(&self, span: Span) -> Place {
        Place::within(self.file.clone(), self.source, span.line, span.column, span.width)
    }

    /// Notes an error at `span`.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        let place = self.place(span);
        self.list.push(Problem::error(message).at(place));
    }

    /// Notes an error at `span` with the way out.
    pub fn error_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(span);
        self.list.push(Problem::error(message).at(place).hint(hint));
    }

    /// Notes a warning at `span` with the way out.
    pub fn warning_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(span);
        self.list.push(Problem::warning(message).at(place).hint(hint));
    }

    /// Takes over a problem that was found elsewhere.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Returns whether an error, not only a warning, has been noted.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == crate::domain::problem::Severity::Error)
    }

    /// Returns all problems in the order of the file.
    pub fn into_list(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.line, place.column)));
        self.list
    }
}

/// The keys of a map, asked for one by one; [`Fields::close`] reports those nobody asked for, and those that are missing.
#[derive(Debug)]
pub struct Fields<'n> {
    span: Span,
    what: &'static str,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens `node` as a map; `what` names it in messages ("a level"). Anything else is a problem.
    pub fn open(node: &'n Node, what: &'static str, problems: &mut Problems<'_>) -> Option<Self> {
        match &node.value {
            Value::Map(entries) => Some(Self { span: node.span, what, entries, known: Vec::new(), missing: Vec::new() }),
            other => {
                problems.error_hint(
                    node.span,
                    format!("Expected {what} with keys, found {}", kind(other)),
                    "write `key: value` lines",
                );
                None
            }
        }
    }

    /// Returns where the map starts.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the node under `key` as it stands; a key with nothing behind it counts as absent.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.value.value != Value::Null).then_some(&entry.value)
    }

    /// Returns where the key itself stands.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.span)
    }

    /// Reads `key` if it is there.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&'n Node, &mut Problems<'_>) -> Option<T>,
    ) -> Option<T> {
        read(self.node(key)?, problems)
    }

    /// Reads `key`; its absence is a problem, which [`Fields::close`] reports.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&'n Node, &mut Problems<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.node(key) {
            Some(node) => read(node, problems),
            None => {
                self.missing.push(key);
                None
            }
        }
    }

    /// Returns whether there is a key that was not asked for so far: [`Fields::close`] reports it.
    pub fn has_unknown(&self) -> bool {
        self.entries.iter().any(|entry| !self.known.contains(&entry.key.as_str()))
    }

    /// Reports every key that was not asked for, and every required one that is neither there nor plainly misspelt: one
    /// slip is one problem.
    pub fn close(mut self, problems: &mut Problems<'_>) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let hint = match nearest(&entry.key, self.known.iter().copied()) {
                Some(near) => {
                    self.missing.retain(|missing| *missing != near);
                    format!("did you mean `{near}`?")
                }
                None => format!("{} has: {}", self.what, self.known.join(", ")),
            };
            problems.error_hint(entry.span, format!("Unknown field `{}`", entry.key), hint);
        }
        for key in self.missing {
            problems.error_hint(self.span, format!("{} needs `{key}`", capital(self.what)), format!("add `{key}: …`"));
        }
    }
}

/// Reads a scalar as text.
pub fn text(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    scalar(node, "a text", problems).map(|scalar| scalar.text.clone())
}

/// Reads `true` or `false`.
pub fn boolean(node: &Node, problems: &mut Problems<'_>) -> Option<bool> {
    let scalar = scalar(node, "true or false", problems)?;
    match (scalar.text.as_str(), scalar.style) {
        ("true", Style::Plain) => Some(true),
        ("false", Style::Plain) => Some(false),
        (other, _) => {
            problems.error_hint(node.span, format!("`{other}` is neither true nor false"), "write `true` or `false`");
            None
        }
    }
}

/// Reads a whole number from `least` to `most`.
pub fn whole(least: u64, most: u64) -> impl Fn(&Node, &mut Problems<'_>) -> Option<u64> {
    move |node, problems| {
        let scalar = scalar(node, "a whole number", problems)?;
        let number = scalar.text.parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let hint = format!("write a whole number from {least} to {most}");
            problems.error_hint(node.span, format!("`{}` is not a number allowed here", scalar.text), hint);
        }
        number
    }
}

/// Reads an exact decimal such as `20.00`.
pub fn decimal(node: &Node, problems: &mut Problems<'_>) -> Option<Decimal> {
    let scalar = scalar(node, "an amount", problems)?;
    let amount = Decimal::from_str_exact(&scalar.text).ok();
    if amount.is_none() {
        problems.error_hint(node.span, format!("`{}` is not an amount", scalar.text), "write digits and a point: 20.00");
    }
    amount
}

/// Reads the three letters of a currency.
pub fn currency(node: &Node, problems: &mut Problems<'_>) -> Option<Currency> {
    let code = text(node, problems)?;
    let currency = Currency::parse(&code);
    if currency.is_none() {
        problems.error_hint(node.span, format!("`{code}` is not a currency code"), "write three letters: EUR");
    }
    currency
}

/// Reads a day: `2026-11-21`.
pub fn day(node: &Node, problems: &mut Problems<'_>) -> Option<Date> {
    let text = text(node, problems)?;
    let day = Date::strptime(ISO, &text).ok();
    if day.is_none() {
        problems.error_hint(node.span, format!("`{text}` is not a day"), "write `2026-11-21`");
    }
    day
}

/// Reads `90 s`, `5 min`, `24 h` or `2 days`, with or without the space.
pub fn duration(node: &Node, problems: &mut Problems<'_>) -> Option<Duration> {
    let written = text(node, problems)?;
    let digits = written.bytes().take_while(u8::is_ascii_digit).count();
    let seconds = match written[digits..].trim_start() {
        "s" => Some(1),
        "min" => Some(60),
        "h" => Some(3_600),
        "day" | "days" => Some(86_400),
        _ => None,
    };
    let total = written[..digits].parse().ok().zip(seconds).and_then(|(count, seconds): (u64, u64)| count.checked_mul(seconds));
    let found = total.map(Duration::from_secs).filter(|found| !found.is_zero() && *found <= DURATION_MAX);
    if found.is_none() {
        let hint = "write a number and s, min, h or days, a year at most: `5 min`, `24 h`";
        problems.error_hint(node.span, format!("`{written}` is not a span of time"), hint);
    }
    found
}

/// Returns a reader of one of a few words.
pub fn choice<T: Clone>(words: &[(&str, T)]) -> impl Fn(&Node, &mut Problems<'_>) -> Option<T> {
    move |node, problems| {
        let written = text(node, problems)?;
        let found = words.iter().find(|(word, _)| *word == written).map(|(_, meant)| meant.clone());
        if found.is_none() {
            unknown_word(node, &written, words.iter().map(|(word, _)| *word), problems);
        }
        found
    }
}

/// Notes that the word at `node` is none of `known`, and which it may have been meant to be.
pub fn unknown_word<'w>(node: &Node, written: &str, known: impl Iterator<Item = &'w str> + Clone, problems: &mut Problems<'_>) {
    let hint = match nearest(written, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of: {}", known.collect::<Vec<_>>().join(", ")),
    };
    problems.error_hint(node.span, format!("`{written}` is not known here"), hint);
}

/// Returns a reader of a list whose members `read` reads; members with problems are left out.
pub fn list<'n, T>(
    mut read: impl FnMut(&'n Node, &mut Problems<'_>) -> Option<T>,
) -> impl FnMut(&'n Node, &mut Problems<'_>) -> Option<Vec<T>> {
    move |node, problems| match &node.value {
        Value::List(items) => Some(items.iter().filter_map(|item| read(item, problems)).collect()),
        other => {
            problems.error_hint(node.span, format!("Expected a list, found {}", kind(other)), "write `[a, b]`, or `- a` lines");
            None
        }
    }
}

/// Returns a reader of a list, or of a single value that stands for a list of one.
pub fn one_or_list<'n, T>(
    mut read: impl FnMut(&'n Node, &mut Problems<'_>) -> Option<T>,
) -> impl FnMut(&'n Node, &mut Problems<'_>) -> Option<Vec<T>> {
    move |node, problems| match &node.value {
        Value::List(items) => Some(items.iter().filter_map(|item| read(item, problems)).collect()),
        _ => read(node, problems).map(|single| vec![single]),
    }
}

/// Returns a reader of a map with free keys; `read` gets each entry, entries with problems are left out.
pub fn map<'n, T>(
    mut read: impl FnMut(&'n Entry, &mut Problems<'_>) -> Option<T>,
) -> impl FnMut(&'n Node, &mut Problems<'_>) -> Option<Vec<T>> {
    move |node, problems| match &node.value {
        Value::Map(entries) => Some(entries.iter().filter_map(|entry| read(entry, problems)).collect()),
        other => {
            problems.error_hint(
                node.span,
                format!("Expected keys with values, found {}", kind(other)),
                "write `key: value` lines",
            );
            None
        }
    }
}

/// Reads a value of any kind: bare digits are numbers, bare dates are days, `true` and `false` what they say, and all else a text.
pub fn variable(node: &Node, problems: &mut Problems<'_>) -> Option<Variable> {
    let mut left = VALUES_MAX;
    let value = within(node, VALUE_DEPTH_MAX, &mut left);
    if value.is_none() {
        let message = format!("More than {VALUES_MAX} values, or nested deeper than {VALUE_DEPTH_MAX} levels");
        problems.error(node.span, message);
    }
    value
}

/// Returns a value; `None` beyond the bounds.
fn within(node: &Node, depth: usize, left: &mut usize) -> Option<Variable> {
    *left = left.checked_sub(1)?;
    Some(match &node.value {
        Value::Null => Variable::Nothing,
        Value::Scalar(scalar) if scalar.style != Style::Plain => Variable::Text(scalar.text.clone()),
        Value::Scalar(scalar) => plain(&scalar.text),
        Value::List(list) => {
            let depth = depth.checked_sub(1)?;
            Variable::List(list.iter().map(|node| within(node, depth, left)).collect::<Option<_>>()?)
        }
        Value::Map(map) => {
            let depth = depth.checked_sub(1)?;
            let entries = map.iter().map(|entry| Some((entry.key.clone(), within(&entry.value, depth, left)?)));
            Variable::Map(entries.collect::<Option<_>>()?)
        }
    })
}

fn plain(text: &str) -> Variable {
    match text {
        "true" => return Variable::Boolean(true),
        "false" => return Variable::Boolean(false),
        _ => {}
    }
    let is_number = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    match (text.parse(), Decimal::from_str_exact(text), Date::strptime(ISO, text)) {
        (Ok(number), _, _) if is_number => Variable::Integer(number),
        (_, Ok(number), _) if is_number => Variable::Decimal(number),
        (_, _, Ok(day)) => Variable::Date(day),
        _ => Variable::Text(text.to_owned()),
    }
}

fn scalar<'n>(node: &'n Node, what: &str, problems: &mut Problems<'_>) -> Option<&'n Scalar> {
    let found = node.scalar();
    if found.is_none() {
        problems.error(node.span, format!("Expected {what}, found {}", kind(&node.value)));
    }
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Scalar(_) => "a single value",
        Value::List(_) => "a list",
        Value::Map(_) => "keys with values",
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn all_problems_of_a_file_are_found_at_once() {
        let source = "name: x\ncuont: many\nflag: yes\nprice: 1,5\nnmae: z\n";
        let root = parse("a.yaml", source).unwrap();
        let mut problems = Problems::new("a.yaml", source);
        let mut fields = Fields::open(&root, "a test", &mut problems).unwrap();
        assert_eq!(fields.required("name", &mut problems, text).as_deref(), Some("x"));
        assert_eq!(fields.required("count", &mut problems, whole(1, 9)), None);
        assert_eq!(fields.required("colour", &mut problems, text), None);
        assert_eq!(fields.optional("flag", &mut problems, boolean), None);
        assert_eq!(fields.optional("price", &mut problems, decimal), None);
        fields.close(&mut problems);
        let found: Vec<String> = problems.into_list().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "a.yaml:1:1: A test needs `colour`; add `colour: …`",
                "a.yaml:2:1: Unknown field `cuont`; did you mean `count`?",
                "a.yaml:3:7: `yes` is neither true nor false; write `true` or `false`",
                "a.yaml:4:8: `1,5` is not an amount; write digits and a point: 20.00",
                "a.yaml:5:1: Unknown field `nmae`; did you mean `name`?",
            ]
        );
    }

    #[test]
    fn a_value_of_any_kind_is_what_it_looks_like_and_quotes_make_a_text() {
        let read = |source: &str| {
            let root = parse("a.yaml", source).unwrap();
            let mut problems = Problems::new("a.yaml", source);
            let value = variable(&root, &mut problems);
            value.map(|value| format!("{value:?}")).ok_or_else(|| problems.into_list()[0].to_string())
        };
        for (source, expected) in [
            ("12", "Integer(12)"),
            ("-12", "Integer(-12)"),
            ("1.50", "Decimal(1.50)"),
            ("'12'", "Text(\"12\")"),
            ("true", "Boolean(true)"),
            ("yes", "Text(\"yes\")"),
            ("2026-11-21", "Date(2026-11-21)"),
            ("2026-11-31", "Text(\"2026-11-31\")"),
            ("~", "Nothing"),
            ("[1, a]", "List([Integer(1), Text(\"a\")])"),
            ("{ a: { b: ~ } }", "Map({\"a\": Map({\"b\": Nothing})})"),
            ("+1", "Text(\"+1\")"),
        ] {
            assert_eq!(read(source).as_deref(), Ok(expected), "{source}");
        }
        let deep = format!("{}1{}", "[".repeat(9), "]".repeat(9));
        let fault = "a.yaml:1:1: More than 1000 values, or nested deeper than 8 levels";
        assert_eq!(read(&deep), Err(fault.to_owned()));
        assert_eq!(read(&format!("[{}]", "1, ".repeat(1_000))), Err(fault.to_owned()));
    }

    #[test]
    fn one_value_stands_for_a_list_of_one() {
        let source = "a: x\nb: [x, y]\n";
        let root = parse("a.yaml", source).unwrap();
        let mut problems = Problems::new("a.yaml", source);
        let mut fields = Fields::open(&root, "a test", &mut problems).unwrap();
        assert_eq!(fields.optional("a", &mut problems, one_or_list(text)), Some(vec!["x".to_owned()]));
        assert_eq!(fields.optional("b", &mut problems, one_or_list(text)), Some(vec!["x".to_owned(), "y".to_owned()]));
        assert!(problems.into_list().is_empty());
    }
}
