//! Why a condition held or did not: each of its parts, with the values it saw.
//!
//! Asked for one document at a time by a person, so clarity goes before speed: parts are parsed anew on every call.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Engine, Expr, Scope};

use crate::script::check;
use crate::script::fault::{self, Locate, ScriptFault};
use crate::script::sandbox::AS_OF;
use crate::script::values::{Kind, find_field};

/// One part of a condition, as it came out for one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The part as it was written: `invoice.open >= 5.00`.
    pub text: String,
    /// Whether it held.
    pub holds: Result<bool, ScriptFault>,
    /// The fields it asks for, with their values: `("invoice.open", "3.20")`.
    pub values: Vec<(String, String)>,
}

/// Judges every part of a condition: what `&&` joins at the top, or the whole where it is not made so.
pub(crate) fn explain(
    engine: &Engine,
    scope: &mut Scope<'_>,
    variables: &[(&str, Kind)],
    text: &str,
    whole: &AST,
    locate: &Locate,
) -> Vec<Seen> {
    let count = match check::expression(whole) {
        Some(Expr::And(parts, _)) => parts.len(),
        _ => 1,
    };
    let parts = Some(conjuncts(text)).filter(|parts| parts.len() == count);
    // Where the cut and rhai's own tree differ, the tree is right and the text is shown whole.
    let parts = parts.unwrap_or_else(|| vec![Part { start: 0, text }]);
    parts.into_iter().map(|part| part.judged(engine, scope, variables, text, locate)).collect()
}

/// A part of a text and where it starts, in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Part<'t> {
    start: usize,
    text: &'t str,
}

impl Part<'_> {
    fn judged(&self, engine: &Engine, scope: &mut Scope<'_>, variables: &[(&str, Kind)], whole: &str, locate: &Locate) -> Seen {
        let before = &whole[..self.start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let lines = before.matches('\n').count();
        let columns = before[line_start..].chars().count();
        let locate = locate.shifted(lines as u32, columns as u32);
        let text = self.text.to_owned();
        match engine.compile_expression_with_scope(scope, self.text) {
            Err(error) => {
                let problem = fault::syntax(&error, &[], &locate);
                let place = problem.place.unwrap_or_else(|| locate.whole());
                Seen { text, holds: Err(ScriptFault { message: problem.message, place }), values: Vec::new() }
            }
            Ok(ast) => {
                let holds = engine.eval_ast_with_scope::<bool>(scope, &ast);
                let start = rhai::Position::new(1, 1);
                let holds = holds.map_err(|error| fault::runtime(*error, start, &locate).0);
                let shown = |field: String| {
                    let value = engine.eval_expression_with_scope::<rhai::Dynamic>(scope, &field).ok()?;
                    let value = if value.is_unit() { "none".to_owned() } else { value_text(engine, scope, &field)? };
                    Some((field, value))
                };
                let values = fields(&ast, variables).into_iter().filter_map(shown).collect();
                Seen { text, holds, values }
            }
        }
    }
}

fn value_text(engine: &Engine, scope: &mut Scope<'_>, field: &str) -> Option<String> {
    engine.eval_expression_with_scope::<String>(scope, &format!("{field}.to_string()")).ok()
}

/// Returns the fields an expression asks for, each once: `invoice.open`, `customer.attributes.region`, `as_of`.
fn fields(ast: &AST, variables: &[(&str, Kind)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Dot(pair, ..))) => {
                if let Expr::Variable(variable, ..) = &pair.lhs
                    && let Some((name, kind)) = variables.iter().find(|(name, _)| *name == variable.1.as_str())
                {
                    found.insert(field(name, *kind, &pair.rhs));
                }
            }
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) if variable.1 == AS_OF => {
                found.insert(AS_OF.to_owned());
            }
            _ => {}
        }
        true
    });
    found
}

/// Follows properties from a variable, up to the first that is a plain value or a method.
fn field(variable: &str, kind: Kind, rest: &Expr) -> String {
    let (mut text, mut kind, mut rest) = (variable.to_owned(), kind, rest);
    loop {
        let (step, next) = match rest {
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => (&pair.lhs, Some(&pair.rhs)),
            step => (step, None),
        };
        let Expr::Property(name, _) = step else { return text };
        text = format!("{text}.{}", name.2);
        kind = find_field(kind, &name.2).map_or(Kind::Unknown, |field| field.kind);
        match (kind, next) {
            (Kind::InvoiceAttributes | Kind::CustomerAttributes, Some(next)) => rest = next,
            _ => return text,
        }
    }
}

/// Cuts a text at each `&&` outside brackets and quotes.
fn conjuncts(text: &str) -> Vec<Part<'_>> {
    let bytes = text.as_bytes();
    let (mut parts, mut start, mut at, mut depth) = (Vec::new(), 0, 0, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'`' | b'\'') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'&' if depth == 0 && bytes.get(at + 1) == Some(&b'&') => {
                parts.push(trimmed(text, start, at));
                at += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(trimmed(text, start.min(text.len()), text.len()));
    parts
}

fn trimmed(text: &str, start: usize, end: usize) -> Part<'_> {
    let part = &text[start..end];
    Part { start: start + part.len() - part.trim_start().len(), text: part.trim() }
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
            ("&&", vec!["", ""]),
        ] {
            let parts: Vec<&str> = conjuncts(text).iter().map(|part| part.text).collect();
            assert_eq!(parts, expected, "{text}");
        }
    }
}
