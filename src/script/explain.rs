//! Why a condition held or did not: its tree of parts, each with its outcome and the values it saw.
//!
//! Asked for one subject at a time by a person, so clarity goes before speed: parts are parsed anew on every call, and judged by the same
//! engine in the same scope as the whole. Nothing is judged a second way: a tree never says anything else than the condition.

use std::ops::Range;

use rhai::{AST, Dynamic, Engine, Expr, Position, Scope, Token};

use crate::domain::date::Date;
use crate::script::check;
use crate::script::fault::{self, Locate, ScriptFault};
use crate::script::pieces::{chains, collapsed, cut, inside, is_sum, negated, on_one_line, sides, trimmed};
use crate::script::sandbox::AS_OF;
use crate::script::values::{Kind, find_field};

/// The most characters of a value that are shown.
pub const VALUE_SHOWN_MAX: usize = 60;

/// How the parts of a branch make its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// Nothing is below it: a comparison, a call, a field.
    Test,
    /// `&&`: all of them must hold.
    All,
    /// `||`: one of them must hold.
    Any,
    /// `!`: its one part must not hold.
    Not,
}

/// A part of a condition as it came out for one subject, with the parts it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The part as it was written, on one line: `invoice.open >= 5.00`.
    pub text: String,
    /// The same with the values it saw: `invoice.open (3.20) >= 5.00`.
    pub shown: String,
    /// Whether it held.
    pub outcome: Result<bool, ScriptFault>,
    /// Whether the condition comes to it at all: what stands behind the first false part of `&&` is judged here for whoever reads, and
    /// changed nothing.
    pub is_asked: bool,
    /// How its parts make its outcome.
    pub joint: Joint,
    /// What it is made of; empty in a [`Joint::Test`].
    pub parts: Vec<Branch>,
}

impl Branch {
    /// Returns the tests that made the outcome what it is: those that would have to come out otherwise.
    pub fn decisive(&self) -> Vec<&Self> {
        let holds = self.outcome.as_ref().ok().copied();
        let deciding = |part: &&Self| part.is_asked == self.is_asked && part.outcome.as_ref().ok().copied() == holds;
        match (self.joint, holds) {
            (Joint::Test, _) => vec![self],
            (Joint::Not, _) => self.parts.iter().flat_map(Self::decisive).collect(),
            (Joint::All, Some(true)) | (Joint::Any, Some(false)) => self.parts.iter().flat_map(Self::decisive).collect(),
            (Joint::All | Joint::Any, _) => self.parts.iter().find(deciding).map(Self::decisive).unwrap_or_default(),
        }
    }

    /// Returns every branch with itself, from the top, each before its parts.
    pub fn all(&self) -> Vec<&Self> {
        let mut found = vec![self];
        found.extend(self.parts.iter().flat_map(Self::all));
        found
    }
}

/// Judges a condition with every part of it.
pub(crate) fn explain(engine: &Engine, scope: &mut Scope<'_>, variables: &[(&str, Kind)], text: &str, locate: &Locate) -> Branch {
    let mut judge = Judge { engine, scope, variables, whole: text, locate };
    let mut branch = judge.branch(trimmed(text, 0..text.len()));
    mark(&mut branch, true);
    branch
}

/// Marks which branches the condition comes to.
fn mark(branch: &mut Branch, is_asked: bool) {
    branch.is_asked = is_asked;
    let goes_on = |part: &Branch, joint| match joint {
        Joint::All => part.outcome == Ok(true),
        Joint::Any => part.outcome == Ok(false),
        Joint::Not | Joint::Test => true,
    };
    let mut is_asked = is_asked;
    for part in &mut branch.parts {
        mark(part, is_asked);
        is_asked &= goes_on(part, branch.joint);
    }
}

struct Judge<'j, 's> {
    engine: &'j Engine,
    scope: &'j mut Scope<'s>,
    variables: &'j [(&'j str, Kind)],
    whole: &'j str,
    locate: &'j Locate,
}

impl Judge<'_, '_> {
    fn branch(&mut self, range: Range<usize>) -> Branch {
        let text = &self.whole[range.clone()];
        let within = |part: Range<usize>| range.start + part.start..range.start + part.end;
        if let Some(inner) = inside(text) {
            let inner = self.branch(within(inner));
            let shown = if inner.joint == Joint::Test { format!("({})", inner.shown) } else { on_one_line(text) };
            return Branch { text: on_one_line(text), shown, ..inner };
        }
        let (outcome, tree) = self.judged(&range);
        let (joint, ranges) = match tree.as_ref().and_then(check::expression) {
            Some(Expr::And(..)) => (Joint::All, cut(text, "&&")),
            Some(Expr::Or(..)) => (Joint::Any, cut(text, "||")),
            Some(Expr::FnCall(call, _)) if call.op_token == Some(Token::Bang) => {
                (Joint::Not, negated(text).into_iter().collect())
            }
            _ => (Joint::Test, Vec::new()),
        };
        let parts: Vec<Branch> = ranges.into_iter().map(|part| self.branch(within(part))).collect();
        let made = match joint {
            Joint::Test => None,
            Joint::Not => parts.first().map(|part| part.outcome.as_ref().ok().map(|holds| !holds)),
            Joint::All => Some(folded(&parts, true)),
            Joint::Any => Some(folded(&parts, false)),
        };
        let plain = Branch { text: on_one_line(text), shown: String::new(), outcome, is_asked: true, joint, parts };
        // Where the cut and rhai's own tree differ, the tree is right and the text is shown whole.
        if made.is_none_or(|made| made != plain.outcome.as_ref().ok().copied()) {
            let shown = self.shown(&range);
            return Branch { shown, joint: Joint::Test, parts: Vec::new(), ..plain };
        }
        match (joint, &plain.parts[..]) {
            // `!customer.tags.contains("vip")` is one test to whoever reads it.
            (Joint::Not, [part]) if part.joint == Joint::Test => {
                let shown = format!("!{}", part.shown);
                Branch { shown, joint: Joint::Test, parts: Vec::new(), ..plain }
            }
            _ => Branch { shown: plain.text.clone(), ..plain },
        }
    }

    /// Judges a part by itself; its faults have their place in the whole.
    fn judged(&mut self, range: &Range<usize>) -> (Result<bool, ScriptFault>, Option<AST>) {
        let before = &self.whole[..range.start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let (lines, columns) = (before.matches('\n').count(), before[line_start..].chars().count());
        let locate = self.locate.shifted(lines as u32, columns as u32);
        match self.engine.compile_expression_with_scope(self.scope, &self.whole[range.clone()]) {
            Err(error) => {
                let problem = fault::syntax(&error, &[], &locate);
                let place = problem.place.unwrap_or_else(|| locate.whole());
                (Err(ScriptFault { message: problem.message, place }), None)
            }
            Ok(tree) => {
                let outcome = self.engine.eval_ast_with_scope::<bool>(self.scope, &tree);
                (outcome.map_err(|error| fault::runtime(*error, Position::new(1, 1), &locate).0), Some(tree))
            }
        }
    }

    /// Returns a test on one line with the values it saw.
    fn shown(&mut self, range: &Range<usize>) -> String {
        let text = &self.whole[range.clone()];
        let mut notes: Vec<(usize, String)> = Vec::new();
        for (start, links) in chains(text) {
            self.note_chain(text, start, &links, &mut notes);
        }
        if let Some((left, right)) = sides(text) {
            for side in [left, right] {
                let value = if is_sum(&text[side.clone()]) { self.value(&text[side.clone()]) } else { None };
                notes.extend(value.map(|value| (side.end, format!(" = {value}"))));
            }
        }
        notes.sort_by_key(|(place, _)| *place);
        let (mut shown, mut done) = (String::new(), 0);
        for (place, note) in notes {
            shown.push_str(&collapsed(&text[done..place]));
            shown.push_str(&note);
            done = place;
        }
        shown.push_str(&collapsed(&text[done..]));
        shown
    }

    /// Notes the values along a chain: of the first link that is no object any more, and of the whole, unless that is the test itself.
    fn note_chain(&mut self, text: &str, start: usize, links: &[usize], notes: &mut Vec<(usize, String)>) {
        let end = links.last().copied().unwrap_or(start);
        let first = self.first_value(text, start, links);
        let has_more = first != Some(end) && (first.is_some() || text[start..end].contains('('));
        let ends = [first, has_more.then_some(end)];
        for end in ends.into_iter().flatten() {
            let is_all = start == 0 && end == text.len();
            if let (false, Some(value)) = (is_all, self.value(&text[start..end])) {
                notes.push((end, format!(" ({value})")));
            }
        }
    }

    /// Returns where the first link of a field ends that is a plain value: `invoice.due_on` in `invoice.due_on.year`.
    fn first_value(&self, text: &str, start: usize, links: &[usize]) -> Option<usize> {
        let name = &text[start..*links.first()?];
        let (_, mut kind) = *self.variables.iter().find(|(own, _)| *own == name)?;
        if name == AS_OF {
            return links.first().copied();
        }
        let mut before = *links.first()?;
        for end in &links[1..] {
            let word = text[before..*end].trim_start_matches(|c: char| c == '.' || c.is_whitespace());
            if matches!(kind, Kind::InvoiceAttributes | Kind::CustomerAttributes) {
                return Some(*end);
            }
            kind = find_field(kind, word)?.kind;
            if !matches!(kind, Kind::InvoiceAttributes | Kind::CustomerAttributes) {
                return Some(*end);
            }
            before = *end;
        }
        None
    }

    fn value(&mut self, text: &str) -> Option<String> {
        shown_value(self.engine, self.scope, text)
    }
}

/// Returns the value of an expression, as it is read; `None` where it has none by itself, as what a closure is given, and for objects.
pub(crate) fn shown_value(engine: &Engine, scope: &mut Scope<'_>, text: &str) -> Option<String> {
    let value = engine.eval_expression_with_scope::<Dynamic>(scope, text).ok()?;
    if value.is_unit() {
        return Some("none".to_owned());
    }
    if let Ok(text) = value.clone().into_immutable_string() {
        return Some(quoted_value(&text));
    }
    // An object is no value to show.
    let is_object = engine.map_type_name(value.type_name()).starts_with(char::is_uppercase);
    let is_shown = !is_object || value.is_decimal() || value.is::<Date>();
    let shown = is_shown.then(|| engine.eval_expression_with_scope::<String>(scope, &format!("({text}).to_string()")).ok());
    shown.flatten().map(|text| shortened(&text))
}

/// Returns what `&&` (`true`) or `||` (`false`) make of their parts: the first that comes out otherwise; `None` is a fault.
fn folded(parts: &[Branch], neutral: bool) -> Option<bool> {
    let first = parts.iter().find(|part| part.outcome != Ok(neutral));
    first.map_or(Some(neutral), |part| part.outcome.as_ref().ok().copied())
}

/// Returns a text value in quotes, on one line and not too long.
pub(crate) fn quoted_value(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// Returns a value on one line, cut where it is too long.
pub(crate) fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(VALUE_SHOWN_MAX + 1).collect();
    match line.char_indices().nth(VALUE_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
