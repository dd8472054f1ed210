//! A rule's script: the closed list of functions it may define for Dunlin to call, their check and their calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rhai::{AST, ASTFlags, CallFnOptions, Dynamic, Engine, FnAccess, Position, Scope, Stmt};

use crate::domain::id::RecipientKey;
use crate::domain::ledger::DocumentIndex;
use crate::domain::problem::{Problem, Severity, nearest};
use crate::domain::variable::Variable;
use crate::script::check::{self, Defined, Names};
use crate::script::fault::{self, Blame, Locate, ScriptFault};
use crate::script::reached::{MARK, Reached, WatchedDay, marked};
use crate::script::results;
use crate::script::sample::{self, Sample};
use crate::script::sandbox::{AS_OF, LIST_ITEMS_MAX, SOURCE_BYTES_MAX};
use crate::script::values::{CustomerValue, InvoiceValue, Kind, Needs};
use crate::script::{Account, LevelFacts, RecipientChoice};

/// What the functions of a script can know by name: their own arguments, and the day.
const KNOWN_IN_FUNCTIONS: [&str; 4] = ["customer", "items", "level", "as_of"];

/// A function that a script may define and Dunlin calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hook {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [&'static str],
    pub(crate) returns: &'static str,
    pub(crate) meaning: &'static str,
}

/// Every hook there is.
pub(crate) const HOOKS: &[Hook] = &[
    Hook {
        name: "select",
        parameters: &["customer", "items"],
        returns: "a list of some of the items it was given, each once",
        meaning: "Which of a customer's items a mail may be about; called after `where`.",
    },
    Hook {
        name: "recipients",
        parameters: &["customer", "items", "level"],
        returns: "a list of recipient keys and addresses (instead of `to`), a map with `to`, `cc` or `bcc`, or `()` for no change",
        meaning: "Who gets the mail. What it leaves out stays as the rule and the level say.",
    },
    Hook {
        name: "variables",
        parameters: &["customer", "items", "level"],
        returns: "a map of named values, or `()` for none",
        meaning: "Values for the template, at hand there as `vars`.",
    },
];

/// Names that mean the same in every function, so that their fields can be checked.
const VARIABLES: [(&str, Kind); 4] =
    [("customer", Kind::Customer), ("invoice", Kind::Invoice), ("level", Kind::Level), (AS_OF, Kind::Date)];

/// A checked script of a rule.
pub struct Script {
    engine: Arc<Engine>,
    ast: AST,
    /// The hooks it defines, with the line of each.
    hooks: BTreeMap<&'static str, Position>,
    recipient_keys: Vec<RecipientKey>,
    needs: Needs,
    asks_disputed: bool,
    variable_names: BTreeSet<String>,
    locate: Locate,
    text: String,
    /// Every function of it.
    functions: BTreeSet<String>,
    /// Where the functions that are entered are noted, of a watched script.
    reached: Option<Reached>,
}

/// What a hook is called with.
struct Call<'c> {
    account: &'c Account<'c>,
    items: &'c [DocumentIndex],
    level: Option<&'c LevelFacts>,
}

impl Script {
    /// Checks a script and tries its hooks on a sample ledger. The second list holds warnings.
    ///
    /// # Errors
    /// Everything wrong that can be found without its data: rhai's parser stops at its first fault, the checks after it
    /// do not.
    pub fn compile(text: &str, names: &Names, locate: &Locate) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        if text.len() > SOURCE_BYTES_MAX {
            let message = format!("The script has {} bytes; at most {SOURCE_BYTES_MAX} are read", text.len());
            return Err(vec![Problem::error(message).at(locate.whole())]);
        }
        let engine = names.library.engine().clone();
        let mut scope = Scope::new();
        scope.push_constant(AS_OF, ());
        let parsed = engine.compile_with_scope(&scope, text);
        let ast = parsed.map_err(|error| vec![fault::syntax(&error, &KNOWN_IN_FUNCTIONS, locate)])?;

        let defined: Vec<Defined> = ast
            .iter_functions()
            .map(|function| Defined { name: function.name.to_owned(), parameters: function.params.len() })
            .filter(|function| !function.name.starts_with("anon$"))
            .collect();
        let findings = check::walk(&ast, &VARIABLES, &defined, names, locate);
        let mut problems = findings.problems;
        problems.extend(ast.statements().iter().filter_map(|statement| loose(statement, locate)));
        let mut hooks = BTreeMap::new();
        for function in ast.iter_functions().filter(|function| !function.name.starts_with("anon$")) {
            let position = definition(text, function.name);
            if let Some(taken) = names.library.function(function.name) {
                let message = format!("`{}` is a function of the plugin `{}` too", function.name, taken.plugin);
                let problem = locate.error(position, function.name.chars().count(), message);
                problems.push(problem.hint("give it a name of its own"));
                continue;
            }
            match HOOKS.iter().find(|hook| hook.name == function.name) {
                Some(hook) if hook.parameters.len() == function.params.len() => {
                    hooks.insert(hook.name, position);
                }
                Some(hook) => {
                    let form = format!("fn {}({})", hook.name, hook.parameters.join(", "));
                    let message =
                        format!("`{}` takes {} values, not {}", hook.name, hook.parameters.len(), function.params.len());
                    problems.push(locate.error(position, hook.name.len(), message).hint(format!("write `{form}`")));
                }
                None if function.access == FnAccess::Private || findings.called.contains(function.name) => {}
                None => problems.push(never_called(function.name, position, locate)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (needs, asks_disputed) = (findings.needs, findings.asks_disputed);
        let recipient_keys = names.recipient_keys.clone();
        let (locate, variable_names) = (locate.clone(), BTreeSet::new());
        let (text, functions) = (text.to_owned(), defined.into_iter().map(|own| own.name).collect());
        let mut script = Self {
            engine,
            ast,
            hooks,
            recipient_keys,
            needs,
            asks_disputed,
            variable_names,
            locate,
            text,
            functions,
            reached: None,
        };
        let (problems, variable_names) = script.try_on(&Sample::new(names, &findings.attributes));
        match problems.iter().any(|problem| problem.severity == Severity::Error) {
            true => Err(problems),
            false => {
                script.variable_names = variable_names;
                Ok((script, problems))
            }
        }
    }

    /// Calls `select(customer, items)` with items of `account`: which of them stay; `None` where the script does not
    /// define it.
    pub fn select(&self, account: &Account<'_>, items: &[DocumentIndex]) -> Option<Result<Vec<DocumentIndex>, ScriptFault>> {
        let call = Call { account, items, level: None };
        self.call("select", &call, |result| results::selection(result, items)).map(|result| result.map_err(|(fault, _)| fault))
    }

    /// Calls `recipients(customer, items, level)` with items of `account`; `None` where the script does not define it.
    pub fn recipients(
        &self,
        account: &Account<'_>,
        items: &[DocumentIndex],
        level: &LevelFacts,
    ) -> Option<Result<RecipientChoice, ScriptFault>> {
        let call = Call { account, items, level: Some(level) };
        let read = |result| results::recipients(result, &self.recipient_keys);
        self.call("recipients", &call, read).map(|result| result.map_err(|(fault, _)| fault))
    }

    /// Calls `variables(customer, items, level)` with items of `account`; empty where the script does not define it.
    ///
    /// # Errors
    /// What the script met, or a result that is no map of values.
    pub fn variables(
        &self,
        account: &Account<'_>,
        items: &[DocumentIndex],
        level: &LevelFacts,
    ) -> Result<BTreeMap<String, Variable>, ScriptFault> {
        let call = Call { account, items, level: Some(level) };
        match self.call("variables", &call, results::variables) {
            Some(result) => result.map_err(|(fault, _)| fault),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Returns a copy that notes which of its functions are entered; `None` where the script cannot be marked.
    pub fn watched(&self) -> Option<(Self, Reached)> {
        let mut scope = Scope::new();
        scope.push_constant(AS_OF, ());
        let marks = self.functions.iter().map(|name| format!("{MARK}{name}"));
        marks.for_each(|mark| {
            scope.push_constant(mark, ());
        });
        let text = Some(&self.text).filter(|text| !text.contains(MARK))?;
        let ast = self.engine.compile_with_scope(&scope, marked(text, &self.functions)).ok()?;
        let reached = Reached::default();
        let copy = Self {
            engine: self.engine.clone(),
            ast,
            hooks: self.hooks.clone(),
            recipient_keys: self.recipient_keys.clone(),
            needs: self.needs,
            asks_disputed: self.asks_disputed,
            variable_names: self.variable_names.clone(),
            locate: self.locate.clone(),
            text: self.text.clone(),
            functions: self.functions.clone(),
            reached: Some(reached.clone()),
        };
        Some((copy, reached))
    }

    /// Returns the names of all its functions.
    pub fn functions(&self) -> &BTreeSet<String> {
        &self.functions
    }

    /// Returns its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether it asks for `disputed`.
    pub fn asks_disputed(&self) -> bool {
        self.asks_disputed
    }

    /// Returns the names of the values that `variables` gave on the sample ledger: what a template can count on.
    pub fn variable_names(&self) -> &BTreeSet<String> {
        &self.variable_names
    }

    fn call<T>(
        &self,
        hook: &'static str,
        call: &Call<'_>,
        read: impl FnOnce(Dynamic) -> Result<T, String>,
    ) -> Option<Result<T, (ScriptFault, Blame)>> {
        let position = *self.hooks.get(hook)?;
        Some(self.run(hook, position, call).and_then(|result| {
            let here = |message| (ScriptFault { message, place: self.locate.place(position, hook.len()) }, Blame::Script);
            read(result).map_err(here)
        }))
    }

    fn run(&self, hook: &str, position: Position, call: &Call<'_>) -> Result<Dynamic, (ScriptFault, Blame)> {
        let Call { account, items, level } = *call;
        if items.len() > LIST_ITEMS_MAX {
            let message = format!("The mail has {} items; a script is given at most {LIST_ITEMS_MAX}", items.len());
            return Err((ScriptFault { message, place: self.locate.whole() }, Blame::Data));
        }
        let (ledger, as_of) = (account.ledger, account.as_of);
        let invoice = |item: &DocumentIndex| Dynamic::from(InvoiceValue::new(ledger, *item, as_of, self.needs));
        let mut arguments = vec![
            Dynamic::from(CustomerValue::new(account, self.needs)),
            Dynamic::from_array(items.iter().map(invoice).collect()),
        ];
        arguments.extend(level.map(|level| Dynamic::from(level.clone())));
        // Constants of the script are statements that run before the call.
        let options = CallFnOptions::new().eval_ast(!self.ast.statements().is_empty()).with_tag(match &self.reached {
            None => Dynamic::from(as_of),
            Some(reached) => Dynamic::from(WatchedDay { as_of, reached: reached.clone() }),
        });
        let result = self.engine.call_fn_with_options(options, &mut Scope::new(), &self.ast, hook, arguments);
        result.map_err(|error| fault::runtime(*error, position, &self.locate))
    }

    /// Calls `visit` for every customer, currency and some levels of the sample.
    fn on_sample(&self, sample: &Sample, mut visit: impl FnMut(&Call<'_>)) {
        let mut seen = BTreeSet::new();
        sample::for_each_mail(sample, |account, items, level| {
            if seen.insert((account.customer(), account.currency())) {
                visit(&Call { account, items, level: None });
            }
            visit(&Call { account, items, level: Some(level) });
        });
    }

    /// Calls every hook over the sample; returns each fault once, and the names that `variables` gave.
    fn try_on(&self, sample: &Sample) -> (Vec<Problem>, BTreeSet<String>) {
        let mut problems: Vec<Problem> = Vec::new();
        let mut names = BTreeSet::new();
        self.on_sample(sample, |call| {
            let outcomes = match call.level {
                None => vec![self.call("select", call, |result| results::selection(result, call.items).map(drop))],
                Some(_) => vec![
                    self.call("recipients", call, |result| results::recipients(result, &self.recipient_keys).map(drop)),
                    self.call("variables", call, |result| {
                        results::variables(result).map(|given| names.extend(given.into_keys()))
                    }),
                ],
            };
            let is_without_due_date = call.items.iter().any(|item| call.account.ledger.document(*item).due_on.is_none());
            for (fault, blame) in outcomes.into_iter().flatten().filter_map(Result::err) {
                let Some(problem) = Sample::problem(fault, blame, is_without_due_date) else { continue };
                if !problems.iter().any(|known| known.place == problem.place) {
                    problems.push(problem);
                }
            }
        });
        (problems, names)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({:?})", self.hooks.keys().collect::<Vec<_>>())
    }
}

/// Returns the problem that a statement outside all functions is, unless it is a constant.
pub(crate) fn loose(statement: &Stmt, locate: &Locate) -> Option<Problem> {
    match statement {
        Stmt::Noop(_) => None,
        Stmt::Var(_, flags, _) if flags.contains(ASTFlags::CONSTANT) => None,
        other => {
            let problem = locate.error(other.position(), 1, "This stands outside all functions, so it would never run");
            Some(problem.hint("move it into a function, or make it a `const`, read as `global::NAME`"))
        }
    }
}

fn never_called(name: &str, position: Position, locate: &Locate) -> Problem {
    let problem = locate.error(position, name.chars().count(), format!("Nothing calls the function `{name}`"));
    problem.hint(match nearest(name, HOOKS.iter().map(|hook| hook.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let hooks: Vec<&str> = HOOKS.iter().map(|hook| hook.name).collect();
            format!("Dunlin calls {}; remove it, or write `private fn` if it is kept for later", hooks.join(", "))
        }
    })
}

/// Returns where a function's name stands in its definition; rhai keeps no place for it.
pub(crate) fn definition(text: &str, name: &str) -> Position {
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("fn ") {
            let rest = &line[at + 3..];
            let start = rest.len() - rest.trim_start().len();
            let after = rest.trim_start().strip_prefix(name);
            if after.is_some_and(|after| after.trim_start().starts_with('(')) {
                let column = line[..at + 3 + start].chars().count() + 1;
                let bound = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
                return Position::new(bound(index + 1), bound(column));
            }
        }
    }
    Position::NONE
}

#[cfg(test)]
mod tests;
