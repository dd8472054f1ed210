//! A checked `where`: true or false for one document on one day.

use std::fmt;
use std::sync::Arc;

use rhai::{AST, Engine, Position, Scope};

use crate::domain::date::Date;
use crate::domain::ledger::{DocumentIndex, Ledger};
use crate::domain::problem::{Problem, Severity};
use crate::script::Account;
use crate::script::check::{self, Kinds, Names};
use crate::script::explain::{Seen, explain};
use crate::script::fast::{Test, View};
use crate::script::fault::{self, Blame, Locate, ScriptFault};
use crate::script::sample::Sample;
use crate::script::sandbox::{AS_OF, SOURCE_BYTES_MAX};
use crate::script::values::{CustomerValue, InvoiceValue, Kind, Needs};

/// The names a condition can use.
const VARIABLES: [(&str, Kind); 3] = [("invoice", Kind::Invoice), ("customer", Kind::Customer), (AS_OF, Kind::Date)];

/// A checked `where`.
#[derive(Clone)]
pub struct Condition(Arc<Inner>);

struct Inner {
    text: String,
    engine: Arc<Engine>,
    ast: AST,
    fast: Option<Test>,
    needs: Needs,
    asks_disputed: bool,
    locate: Locate,
}

impl Condition {
    /// Checks an expression and tries it on a sample ledger. The second list holds warnings: a fault that the sample
    /// met but other data need not, such as a division by zero.
    ///
    /// # Errors
    /// Everything wrong that can be found without its data: rhai's parser stops at its first fault, the checks after it
    /// do not.
    pub fn compile(text: &str, names: &Names, locate: &Locate) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        if text.len() > SOURCE_BYTES_MAX {
            let message = format!("The condition has {} bytes; at most {SOURCE_BYTES_MAX} are read", text.len());
            return Err(vec![Problem::error(message).at(locate.whole())]);
        }
        let engine = names.library.engine().clone();
        let mut scope = Scope::new();
        for (name, _) in VARIABLES {
            scope.push_constant(name, ());
        }
        let known = VARIABLES.map(|(name, _)| name);
        let ast =
            engine.compile_expression_with_scope(&scope, text).map_err(|error| vec![fault::syntax(&error, &known, locate)])?;

        let findings = check::walk(&ast, &VARIABLES, &[], names, locate);
        let expression = check::expression(&ast);
        let mut kinds = Kinds { variables: &VARIABLES, locate, problems: findings.problems };
        if let Some(expression) = &expression {
            let kind = kinds.of(expression);
            kinds.boolean(expression, kind, "A condition is true or false");
        }
        if !kinds.problems.is_empty() {
            return Err(kinds.problems);
        }
        let condition = Self(Arc::new(Inner {
            text: text.to_owned(),
            fast: expression.as_ref().and_then(Test::read),
            engine,
            ast,
            needs: findings.needs,
            asks_disputed: findings.asks_disputed,
            locate: locate.clone(),
        }));
        let problems = condition.try_on(&Sample::new(names, &findings.attributes));
        match problems.iter().any(|problem| problem.severity == Severity::Error) {
            true => Err(problems),
            false => Ok((condition, problems)),
        }
    }

    /// Returns whether the condition holds for a document of `account`, on the account's day.
    ///
    /// # Errors
    /// What the expression met: a day beyond the calendar, a division by zero, a text that is no number.
    pub fn holds(&self, account: &Account<'_>, document: DocumentIndex) -> Result<bool, ScriptFault> {
        match self.0.fast.as_ref().and_then(|test| test.holds(&View::new(account, document))) {
            Some(holds) => Ok(holds),
            None => self.holds_by_rhai(account, document).map_err(|(fault, _)| fault),
        }
    }

    /// Judges every part of the condition for a document on a day, also those after the first that does not hold, and
    /// tells the values each saw: the answer to "why was this invoice not reminded?".
    pub fn explain(&self, ledger: &Ledger, document: DocumentIndex, as_of: Date) -> Vec<Seen> {
        let Inner { text, engine, ast, locate, .. } = &*self.0;
        let account = Account::of(ledger, document, as_of);
        explain(engine, &mut self.scope(&account, document), &VARIABLES, text, ast, locate)
    }

    /// Returns the expression as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns whether it asks for `disputed`.
    pub fn asks_disputed(&self) -> bool {
        self.0.asks_disputed
    }

    fn holds_by_rhai(&self, account: &Account<'_>, document: DocumentIndex) -> Result<bool, (ScriptFault, Blame)> {
        let Inner { engine, ast, locate, .. } = &*self.0;
        let mut scope = self.scope(account, document);
        let start = Position::new(1, 1);
        engine.eval_ast_with_scope::<bool>(&mut scope, ast).map_err(|error| fault::runtime(*error, start, locate))
    }

    fn scope(&self, account: &Account<'_>, document: DocumentIndex) -> Scope<'static> {
        let needs = self.0.needs;
        let mut scope = Scope::new();
        scope.push_constant("invoice", InvoiceValue::new(account.ledger, document, account.as_of, needs));
        scope.push_constant("customer", CustomerValue::new(account, needs));
        scope.push_constant(AS_OF, account.as_of);
        scope
    }

    /// Runs it on every document of the sample and returns each fault once.
    fn try_on(&self, sample: &Sample) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for index in 0..sample.ledger.documents().len() {
            let index = DocumentIndex(index as u32);
            if let Err((fault, blame)) = self.holds_by_rhai(&Account::of(&sample.ledger, index, sample.as_of), index) {
                let problem = Sample::problem(fault, blame, sample.ledger.document(index).due_on.is_none());
                if !problems.iter().any(|known| known.place == problem.place) {
                    problems.push(problem);
                }
            }
        }
        problems
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.0.text)
    }
}

#[cfg(test)]
mod tests;
