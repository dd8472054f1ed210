//! Which branches of a condition cases take: each part between `&&` and `||`, seen true and seen false.
//!
//! The text is cut as rhai's own tree is made; where the two differ, the whole condition is one part. A part behind one that has
//! decided already is not judged, as rhai does not judge it.

use std::sync::{Arc, Mutex, PoisonError};

use rhai::{AST, Engine, Expr, Scope};

use crate::script::check;
use crate::script::pieces::{cut, inside, on_one_line, trimmed};

/// A part of a condition and how cases saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBranch {
    /// The part as it was written.
    pub text: String,
    /// Whether it was true once.
    pub was_true: bool,
    /// Whether it was false once.
    pub was_false: bool,
}

/// Watches the parts of one condition.
#[derive(Clone)]
pub struct Branches(Arc<Watched>);

struct Watched {
    tree: Tree,
    leaves: Vec<AST>,
    seen: Mutex<Vec<SeenBranch>>,
}

enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Leaf(usize),
}

impl Branches {
    /// Returns a watch over `text`, whose tree is `whole`; `scope` knows the names that it can use.
    pub(crate) fn new(engine: &Engine, scope: &Scope<'_>, text: &str, whole: &AST) -> Self {
        let mut leaves = Vec::new();
        let mut tree = tree(text, &mut leaves);
        let count = check::expression(whole).as_ref().map_or(1, count);
        let parsed = |leaves: &[&str]| -> Option<Vec<AST>> {
            leaves.iter().map(|text| engine.compile_expression_with_scope(scope, text).ok()).collect()
        };
        let mut parts = parsed(&leaves).filter(|parts| parts.len() == count);
        if parts.is_none() {
            leaves = vec![text.trim()];
            tree = Tree::Leaf(0);
            parts = parsed(&leaves);
        }
        let branch = |text: &&str| SeenBranch { text: on_one_line(text), was_true: false, was_false: false };
        let seen = Mutex::new(leaves.iter().map(branch).collect());
        Self(Arc::new(Watched { tree, leaves: parts.unwrap_or_default(), seen }))
    }

    /// Judges the parts with the values of `scope`.
    pub(crate) fn judge(&self, engine: &Engine, scope: &mut Scope<'_>) {
        self.0.judge(&self.0.tree, engine, scope);
    }

    /// Returns the parts as they have been seen so far.
    pub fn seen(&self) -> Vec<SeenBranch> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watched {
    /// Returns whether a part holds; `None` where it fails, which ends the judging.
    fn judge(&self, tree: &Tree, engine: &Engine, scope: &mut Scope<'_>) -> Option<bool> {
        match tree {
            Tree::Leaf(place) => {
                let holds = engine.eval_ast_with_scope::<bool>(scope, self.leaves.get(*place)?).ok()?;
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen[*place].was_true |= holds;
                seen[*place].was_false |= !holds;
                Some(holds)
            }
            Tree::All(parts) => {
                for part in parts {
                    if !self.judge(part, engine, scope)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            Tree::Any(parts) => {
                for part in parts {
                    if self.judge(part, engine, scope)? {
                        return Some(true);
                    }
                }
                Some(false)
            }
        }
    }
}

/// Returns how many parts rhai sees.
fn count(expression: &Expr) -> usize {
    match expression {
        Expr::And(parts, _) | Expr::Or(parts, _) => parts.iter().map(count).sum(),
        _ => 1,
    }
}

fn tree<'t>(text: &'t str, leaves: &mut Vec<&'t str>) -> Tree {
    let text = &text[trimmed(text, 0..text.len())];
    if let Some(within) = inside(text) {
        return tree(&text[within], leaves);
    }
    for (operator, join) in [("||", Tree::Any as fn(Vec<Tree>) -> Tree), ("&&", Tree::All)] {
        let parts = cut(text, operator);
        if parts.len() > 1 {
            return join(parts.into_iter().map(|part| tree(&text[part], leaves)).collect());
        }
    }
    leaves.push(text);
    Tree::Leaf(leaves.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_cut_into_its_parts_however_it_is_nested() {
        for (text, expected) in [
            ("a", vec!["a"]),
            ("a && b || c", vec!["a", "b", "c"]),
            ("(a || (b && !c)) && d == \"x || y\"", vec!["a", "b", "!c", "d == \"x || y\""]),
            ("!(a || b) && (c) == (d)", vec!["!(a || b)", "(c) == (d)"]),
            ("f(|x| x && y) && \"\\\" && \" == z", vec!["f(|x| x && y)", "\"\\\" && \" == z"]),
        ] {
            let mut leaves = Vec::new();
            tree(text, &mut leaves);
            assert_eq!(leaves, expected, "{text}");
        }
    }

    #[test]
    fn a_part_is_seen_only_where_the_ones_before_leave_it_open() {
        let engine = crate::script::sandbox::engine();
        let names = ["a", "b", "c"];
        let mut scope = Scope::new();
        names.iter().for_each(|name| {
            scope.push_constant(*name, ());
        });
        let text = "a && (b || c)";
        let whole = engine.compile_expression_with_scope(&scope, text).unwrap();
        let branches = Branches::new(&engine, &scope, text, &whole);
        let told = || -> Vec<(bool, bool)> { branches.seen().iter().map(|one| (one.was_true, one.was_false)).collect() };
        let judge = |values: [bool; 3]| {
            let mut scope = Scope::new();
            names.iter().zip(values).for_each(|(name, value)| {
                scope.push_constant(*name, value);
            });
            branches.judge(&engine, &mut scope);
            told()
        };
        assert_eq!(judge([false, true, true]), [(false, true), (false, false), (false, false)]);
        assert_eq!(judge([true, true, true]), [(true, true), (true, false), (false, false)]);
        assert_eq!(judge([true, false, false]), [(true, true), (true, true), (false, true)]);
    }
}
