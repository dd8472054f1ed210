//! A checked `where`: true or false for one document, payment or account on one day.

use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use rhai::{AST, Engine, Position, Scope};

use crate::domain::date::{Date, shifted};
use crate::domain::ledger::{DocumentIndex, PaymentIndex};
use crate::domain::problem::{Problem, Severity};
use crate::script::Account;
use crate::script::branches::Branches;
use crate::script::brief::Brief;
use crate::script::check::{self, Kinds, Names};
use crate::script::explain::{Branch, explain};
use crate::script::fast::{Test, View};
use crate::script::fault::{self, Blame, Locate, ScriptFault};
use crate::script::sample::Sample;
use crate::script::sandbox::{AS_OF, SOURCE_BYTES_MAX};
use crate::script::values::{CustomerValue, InvoiceValue, Kind, Needs, PaymentValue};

/// What the conditions of a rule are asked about, and so which names they can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// An invoice: `invoice`, `customer`, `as_of`.
    Invoice,
    /// A payment: `payment`, `customer`, `as_of`.
    Payment,
    /// A customer's account in one currency: `customer`, `as_of`.
    Account,
    /// A customer, in no currency, so without `customer.balance` and `customer.overdue`: `customer`, `as_of`.
    Customer,
}

impl Topic {
    /// Returns the names a condition can use.
    fn variables(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::Invoice => &[("invoice", Kind::Invoice), ("customer", Kind::Customer), (AS_OF, Kind::Date)],
            Self::Payment => &[("payment", Kind::Payment), ("customer", Kind::Customer), (AS_OF, Kind::Date)],
            Self::Account | Self::Customer => &[("customer", Kind::Customer), (AS_OF, Kind::Date)],
        }
    }
}

/// The one thing a condition is judged for, beside the account it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A document.
    Document(DocumentIndex),
    /// A payment.
    Payment(PaymentIndex),
    /// Nothing but the account, or the customer, itself.
    Account,
}

/// A checked `where`.
#[derive(Clone)]
pub struct Condition(Arc<Inner>);

struct Inner {
    text: String,
    topic: Topic,
    engine: Arc<Engine>,
    ast: AST,
    fast: Option<Test>,
    brief: Brief,
    needs: Needs,
    asks_disputed: bool,
    asks_day: bool,
    locate: Locate,
    /// What notes the branches that are taken, of a watched condition.
    branches: Option<Branches>,
}

impl Condition {
    /// Checks an expression and tries it on a sample ledger. The second list holds warnings: a fault that the sample
    /// met but other data need not, such as a division by zero.
    ///
    /// # Errors
    /// Everything wrong that can be found without its data: rhai's parser stops at its first fault, the checks after it
    /// do not.
    pub fn compile(text: &str, topic: Topic, names: &Names, locate: &Locate) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        if text.len() > SOURCE_BYTES_MAX {
            let message = format!("The condition has {} bytes; at most {SOURCE_BYTES_MAX} are read", text.len());
            return Err(vec![Problem::error(message).at(locate.whole())]);
        }
        let engine = names.library.engine().clone();
        let mut scope = Scope::new();
        let variables = topic.variables();
        for (name, _) in variables {
            scope.push_constant(*name, ());
        }
        let known: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        let ast =
            engine.compile_expression_with_scope(&scope, text).map_err(|error| vec![fault::syntax(&error, &known, locate)])?;

        let findings = check::walk(&ast, variables, &[], names, locate);
        let expression = check::expression(&ast);
        let mut kinds = Kinds { variables, locate, problems: findings.problems };
        if let Some(expression) = &expression {
            let kind = kinds.of(expression);
            kinds.boolean(expression, kind, "A condition is true or false");
        }
        if topic == Topic::Customer && (findings.needs.balance || findings.needs.overdue) {
            let problem = Problem::error("A notice about a customer has no currency, so `balance` and `overdue` mean nothing");
            kinds.problems.push(problem.at(locate.whole()).hint("ask for the customer's tags, language or attributes"));
        }
        if !kinds.problems.is_empty() {
            return Err(kinds.problems);
        }
        let condition = Self(Arc::new(Inner {
            text: text.to_owned(),
            topic,
            // The compiled part stands on a document. The others are asked far less often.
            fast: expression.as_ref().filter(|_| topic == Topic::Invoice).and_then(Test::read),
            brief: Brief::prepare(&engine, &scope, variables, text, topic == Topic::Invoice),
            engine,
            ast,
            needs: findings.needs,
            asks_disputed: findings.asks_disputed,
            asks_day: findings.asks_day,
            locate: locate.clone(),
            branches: None,
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
        if self.0.branches.is_some() {
            return self.holds_about(account, About::Document(document));
        }
        match self.0.fast.as_ref().and_then(|test| test.holds(&View::new(account, document))) {
            Some(holds) => Ok(holds),
            None => self.holds_about(account, About::Document(document)),
        }
    }

    /// Returns the first day after the account's on which the condition may answer otherwise for a document of `account`, as
    /// long as the ledger's figures stay as they are; [`Date::MAX`] where none does.
    pub fn lasts_until(&self, account: &Account<'_>, document: DocumentIndex) -> Date {
        if !self.0.asks_day {
            return Date::MAX;
        }
        match &self.0.fast {
            Some(test) => test.lasts_until(&View::new(account, document)),
            None => shifted(account.as_of, 1),
        }
    }

    /// Returns whether the condition holds for `about`, which belongs to `account`, on the account's day.
    ///
    /// # Errors
    /// What the expression met: a day beyond the calendar, a division by zero, a text that is no number.
    pub fn holds_about(&self, account: &Account<'_>, about: About) -> Result<bool, ScriptFault> {
        if let Some(branches) = &self.0.branches {
            branches.judge(&self.0.engine, &mut self.scope(account, about));
        }
        self.holds_by_rhai(account, about).map_err(|(fault, _)| fault)
    }

    /// Judges the condition with every part of it for `about`, which belongs to `account`, and tells the values each part saw: the answer
    /// to "why was this invoice not reminded?". Parts that the condition does not come to are judged as well, and marked.
    pub fn explain(&self, account: &Account<'_>, about: About) -> Branch {
        let Inner { text, topic, engine, locate, .. } = &*self.0;
        let scope = &mut self.scope(account, about);
        explain(engine, scope, topic.variables(), text, locate)
    }

    /// Returns the first part of the condition that does not hold for `about`, with its values, in brief: cheap enough for every item
    /// of a run. What changes by itself from day to day is left to [`crate::script::filled`].
    pub fn first_false(&self, account: &Account<'_>, about: About) -> Option<CompactString> {
        self.0.brief.first_false(&self.0.engine, account, about, || self.scope(account, about))
    }

    /// Returns a copy that notes which branches are taken.
    pub fn watched(&self) -> (Self, Branches) {
        let Inner { text, topic, engine, ast, needs, asks_disputed, asks_day, locate, .. } = &*self.0;
        let mut scope = Scope::new();
        topic.variables().iter().for_each(|(name, _)| {
            scope.push_constant(*name, ());
        });
        let branches = Branches::new(engine, &scope, text, ast);
        let copy = Self(Arc::new(Inner {
            text: text.clone(),
            topic: *topic,
            engine: engine.clone(),
            ast: ast.clone(),
            fast: None,
            brief: Brief::prepare(engine, &scope, topic.variables(), text, *topic == Topic::Invoice),
            needs: *needs,
            asks_disputed: *asks_disputed,
            asks_day: *asks_day,
            locate: locate.clone(),
            branches: Some(branches.clone()),
        }));
        (copy, branches)
    }

    /// Returns the expression as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns whether it asks for `disputed`.
    pub fn asks_disputed(&self) -> bool {
        self.0.asks_disputed
    }

    fn holds_by_rhai(&self, account: &Account<'_>, about: About) -> Result<bool, (ScriptFault, Blame)> {
        let Inner { engine, ast, locate, .. } = &*self.0;
        let mut scope = self.scope(account, about);
        let start = Position::new(1, 1);
        engine.eval_ast_with_scope::<bool>(&mut scope, ast).map_err(|error| fault::runtime(*error, start, locate))
    }

    fn scope(&self, account: &Account<'_>, about: About) -> Scope<'static> {
        let needs = self.0.needs;
        let mut scope = Scope::new();
        match about {
            About::Document(document) => {
                let invoice = InvoiceValue::new(account.ledger, document, account.as_of, needs);
                scope.push_constant("invoice", invoice);
            }
            About::Payment(payment) => {
                scope.push_constant("payment", PaymentValue::new(account.ledger, payment));
            }
            About::Account => {}
        }
        scope.push_constant("customer", CustomerValue::new(account, needs));
        scope.push_constant(AS_OF, account.as_of);
        scope
    }

    /// Runs it on everything in the sample that it can be about, and returns each fault once.
    fn try_on(&self, sample: &Sample) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for (account, about) in sample.subjects(self.0.topic) {
            if let Err((fault, blame)) = self.holds_by_rhai(&account, about) {
                let is_without_due_date = match about {
                    About::Document(index) => sample.ledger.document(index).due_on.is_none(),
                    About::Payment(_) | About::Account => false,
                };
                let Some(problem) = Sample::problem(fault, blame, is_without_due_date) else { continue };
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
