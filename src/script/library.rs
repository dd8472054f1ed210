//! The functions that plugins add to the sandbox: compiled once a generation, known to every check, bounded as
//! everything there.
//!
//! A plugin's function is as pure as a rule's script and knows less: only what it is given, not even `as_of`. It may
//! call the sandbox's own functions and those of its own plugin; so no plugin can break another by a change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, FnAccess, Module, Scope};

use crate::domain::problem::{Place, Problem, Severity};
use crate::domain::rate_table::RateTables;
use crate::domain::variable::Variable;
use crate::script::business_days::{BusinessDays, WorkingWeek};
use crate::script::check::{self, Defined, Names};
use crate::script::fault::{self, Locate};
use crate::script::functions::is_function;
use crate::script::hooks::{HOOKS, definition, loose};
use crate::script::picker::{Picker, PickerKind};
use crate::script::results::{self, VALUE_DEPTH_MAX, VALUES_MAX};
use crate::script::sandbox::{self, SOURCE_BYTES_MAX};
use crate::script::values::{Kind, Needs};

/// The most functions all plugins of a workspace may offer together.
pub const LIBRARY_FUNCTIONS_MAX: usize = 500;

/// The built-in functions that templates may use as filters, beside those of plugins.
const SHARED: [&str; 6] =
    ["add_business_days", "add_days", "business_days_between", "days_between", "is_business_day", "month_end"];

/// Names that mean the same in every function, so that their fields can be checked.
const VARIABLES: [(&str, Kind); 3] = [("customer", Kind::Customer), ("invoice", Kind::Invoice), ("level", Kind::Level)];

/// A .rhai file of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFile {
    /// The plugin's name.
    pub plugin: String,
    /// Its path in the workspace.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A function that a plugin offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFunction {
    /// The plugin's name.
    pub plugin: String,
    /// Its name, as it is called.
    pub name: String,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// Where it is defined.
    pub place: Place,
}

/// What a generation's conditions, scripts and filters can call.
#[derive(Clone)]
pub struct Library(Arc<Shelf>);

struct Shelf {
    engine: Arc<Engine>,
    functions: Vec<LibraryFunction>,
    /// What the functions of each plugin ask of the values they are given. They call no other plugin's.
    needs: BTreeMap<String, Needs>,
    asks_disputed: bool,
}

impl Default for Library {
    /// Returns the sandbox without plugins, in which Monday to Friday are business days.
    fn default() -> Self {
        Self(Arc::new(Shelf { engine: sandbox::engine(), functions: Vec::new(), needs: BTreeMap::new(), asks_disputed: false }))
    }
}

impl Library {
    /// Compiles and checks the files of all plugins. `names` tells the ledger's columns; its own library is not looked
    /// at. `rates` are the plugins' tables of rates.
    ///
    /// A plugin with an error in any file is left out whole, the others stay.
    pub fn build(
        files: &[LibraryFile],
        names: &Names,
        days: Arc<dyn BusinessDays>,
        rates: Arc<RateTables>,
    ) -> (Self, Vec<Problem>) {
        let mut engine = sandbox::build(days, rates);
        let mut problems = Vec::new();
        let mut sheets: Vec<Sheet<'_>> =
            files.iter().filter_map(|file| Sheet::read(&engine, file).map_err(|found| problems.extend(found)).ok()).collect();
        let mut broken: BTreeSet<&str> = BTreeSet::new();
        for file in files.iter().filter(|file| !sheets.iter().any(|sheet| sheet.file.path == file.path)) {
            broken.insert(&file.plugin);
        }
        for problem in clashes(&sheets) {
            broken.insert(&sheets[problem.0].file.plugin);
            problems.push(problem.1);
        }
        let public: Vec<(String, Vec<LibraryFunction>)> =
            sheets.iter().map(|sheet| (sheet.file.path.clone(), sheet.public.clone())).collect();
        let (mut needs, mut asks_disputed) = (BTreeMap::<String, Needs>::new(), false);
        for sheet in &sheets {
            let findings = sheet.check(&public, names);
            if !findings.problems.is_empty() {
                broken.insert(&sheet.file.plugin);
            }
            problems.extend(findings.problems);
            let own = needs.entry(sheet.file.plugin.clone()).or_default();
            *own = own.and(findings.needs);
            asks_disputed |= findings.asks_disputed;
        }
        sheets.retain(|sheet| !broken.contains(sheet.file.plugin.as_str()));
        let mut functions: Vec<LibraryFunction> = Vec::new();
        for sheet in sheets {
            match Module::eval_ast_as_new(Scope::new(), &sheet.ast, &engine) {
                Ok(module) => {
                    engine.register_global_module(module.into());
                    functions.extend(sheet.public);
                }
                Err(error) => {
                    let (found, _) = fault::runtime(*error, rhai::Position::new(1, 1), &sheet.locate);
                    problems.push(Problem::error(found.message).at(found.place));
                }
            }
        }
        if let Some(first) = functions.get(LIBRARY_FUNCTIONS_MAX) {
            let message = format!("The plugins offer {} functions; at most {LIBRARY_FUNCTIONS_MAX} are taken", functions.len());
            problems.push(Problem::error(message).at(first.place.clone()));
        }
        (Self(Arc::new(Shelf { engine: Arc::new(engine), functions, needs, asks_disputed })), problems)
    }

    /// Returns the functions of all plugins.
    pub fn functions(&self) -> &[LibraryFunction] {
        &self.0.functions
    }

    /// Returns the names that templates may use as filters: the functions of plugins, and the built-in ones about days.
    pub fn filter_names(&self) -> impl Iterator<Item = &str> {
        SHARED.into_iter().chain(self.0.functions.iter().map(|function| function.name.as_str()))
    }

    /// Calls a function with values, as a template's filter does.
    ///
    /// # Errors
    /// What the function met, in words that need no place.
    pub fn call(&self, name: &str, arguments: &[Variable]) -> Result<Variable, String> {
        let mut scope = Scope::new();
        let places: Vec<String> = (1..=arguments.len()).map(|number| format!("value_{number}")).collect();
        for (place, argument) in places.iter().zip(arguments) {
            scope.push_constant_dynamic(place.as_str(), results::dynamic(argument));
        }
        self.evaluated(&format!("{name}({})", places.join(", ")), &mut scope)
    }

    /// Evaluates an expression without any data, such as a test's `next_business_day(date("2026-12-24"))`.
    ///
    /// # Errors
    /// What is wrong with the expression, or what it met.
    pub fn evaluate(&self, text: &str) -> Result<Variable, String> {
        if text.len() > SOURCE_BYTES_MAX {
            return Err(format!("The expression has {} bytes; at most {SOURCE_BYTES_MAX} are read", text.len()));
        }
        let names = Names { library: self.clone(), ..Names::default() };
        let ast = self.0.engine.compile_expression(text).map_err(|error| error.to_string())?;
        let locate = Locate::file("expression", text);
        if let Some(problem) = check::walk(&ast, &VARIABLES, &[], &names, &locate).problems.into_iter().next() {
            let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(format!("{}{hint}", problem.message));
        }
        self.evaluated(text, &mut Scope::new())
    }

    fn evaluated(&self, text: &str, scope: &mut Scope<'_>) -> Result<Variable, String> {
        let outcome = self.0.engine.eval_expression_with_scope::<Dynamic>(scope, text);
        let locate = Locate::file("expression", text);
        let value = outcome.map_err(|error| fault::runtime(*error, rhai::Position::new(1, 1), &locate).0.message)?;
        let mut left = VALUES_MAX;
        results::variable("result", value, VALUE_DEPTH_MAX, &mut left)
    }

    /// Returns a picker that calls `function`, tried on a small made-up ledger. The second list holds warnings.
    ///
    /// # Errors
    /// There is no such function of the plugin, it takes other values, or it fails whatever the data.
    pub fn picker(
        &self,
        kind: PickerKind,
        name: &str,
        plugin: &str,
        function: &str,
        names: &Names,
    ) -> Result<(Picker, Vec<Problem>), Vec<Problem>> {
        let own = || self.0.functions.iter().filter(|known| known.plugin == plugin);
        let Some(found) = own().find(|known| known.name == function) else {
            let problem = Problem::error(format!("The plugin `{plugin}` has no function `{function}`"));
            let near = crate::domain::problem::nearest(function, own().map(|known| known.name.as_str()));
            return Err(vec![match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("write `fn {function}(customer, items, level) {{ … }}` into a file of `functions`")),
            }]);
        };
        let is_fit = match kind {
            PickerKind::Recipients => found.parameters.len() == 3,
            PickerKind::Variables => matches!(found.parameters.len(), 3 | 4),
        };
        if !is_fit {
            let message = format!("`{function}` takes {} values; a picker is given 3", found.parameters.len());
            let hint = match kind {
                PickerKind::Recipients => format!("write `fn {function}(customer, items, level)`"),
                PickerKind::Variables => {
                    format!("write `fn {function}(customer, items, level)`, and `settings` last if a rule is to say more")
                }
            };
            return Err(vec![Problem::error(message).at(found.place.clone()).hint(hint)]);
        }
        let picker = Picker::new(kind, name, self.clone(), found, names);
        if picker.takes_settings() {
            // What a rule will say is not known here: it is tried where a rule names it.
            return Ok((picker, Vec::new()));
        }
        let problems = picker.try_on_sample(names);
        match problems.iter().any(|problem| problem.severity == Severity::Error) {
            true => Err(problems),
            false => Ok((picker, problems)),
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    /// Returns what a function of a plugin may ask of the values it is given.
    pub(crate) fn needs_of(&self, function: &LibraryFunction) -> Needs {
        self.0.needs.get(&function.plugin).copied().unwrap_or_default()
    }

    pub(crate) fn asks_disputed(&self) -> bool {
        self.0.asks_disputed
    }

    pub(crate) fn function(&self, name: &str) -> Option<&LibraryFunction> {
        self.0.functions.iter().find(|function| function.name == name)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({:?})", self.0.functions.iter().map(|function| &function.name).collect::<Vec<_>>())
    }
}

/// One file, parsed.
struct Sheet<'f> {
    file: &'f LibraryFile,
    ast: AST,
    locate: Locate,
    public: Vec<LibraryFunction>,
    private: Vec<Defined>,
}

impl<'f> Sheet<'f> {
    fn read(engine: &Engine, file: &'f LibraryFile) -> Result<Self, Vec<Problem>> {
        let locate = Locate::file(&file.path, &file.text);
        if file.text.len() > SOURCE_BYTES_MAX {
            let message = format!("The script has {} bytes; at most {SOURCE_BYTES_MAX} are read", file.text.len());
            return Err(vec![Problem::error(message).at(locate.whole())]);
        }
        let mut ast = engine.compile(&file.text).map_err(|error| vec![unknown(fault::syntax(&error, &[], &locate))])?;
        // Faults name the file that they are in by this.
        ast.set_source(file.path.as_str());
        let (mut public, mut private) = (Vec::new(), Vec::new());
        for function in ast.iter_functions().filter(|function| !function.name.starts_with("anon$")) {
            match function.access {
                FnAccess::Private => {
                    private.push(Defined { name: function.name.to_owned(), parameters: function.params.len() });
                }
                _ => {
                    let position = definition(&file.text, function.name);
                    public.push(LibraryFunction {
                        plugin: file.plugin.clone(),
                        name: function.name.to_owned(),
                        parameters: function.params.iter().map(ToString::to_string).collect(),
                        place: locate.place(position, function.name.chars().count()),
                    });
                }
            }
        }
        public.sort_by_key(|function| (function.place.line, function.place.column));
        Ok(Self { file, ast, locate, public, private })
    }

    /// Walks the tree; `public` are the functions of every file, by path.
    fn check(&self, public: &[(String, Vec<LibraryFunction>)], names: &Names) -> check::Findings {
        let mut defined = self.private.clone();
        let of_plugin = public.iter().flat_map(|(_, functions)| functions).filter(|known| known.plugin == self.file.plugin);
        defined.extend(of_plugin.map(|own| Defined { name: own.name.clone(), parameters: own.parameters.len() }));
        let names = Names { library: Library::default(), ..names.clone() };
        let mut findings = check::walk(&self.ast, &VARIABLES, &defined, &names, &self.locate);
        findings.problems.extend(self.ast.statements().iter().filter_map(|statement| loose(statement, &self.locate)));
        findings
    }
}

/// Gives the hint for a name that a function cannot see.
fn unknown(problem: Problem) -> Problem {
    match problem.message.ends_with("is not known here") {
        true => problem.hint("a plugin's function knows only what it is given: add it to the parameters"),
        false => problem,
    }
}

/// Returns a problem for every function whose name is taken, with the place of its sheet in the list.
fn clashes(sheets: &[Sheet<'_>]) -> Vec<(usize, Problem)> {
    let mut taken: BTreeMap<&str, &LibraryFunction> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, function) in sheets.iter().enumerate().flat_map(|(index, sheet)| sheet.public.iter().map(move |own| (index, own)))
    {
        let name = function.name.as_str();
        let problem = |message: String| Problem::error(message).at(function.place.clone()).hint("give it a name of its own");
        if is_function(name) {
            found.push((index, problem(format!("`{name}` is a built-in function"))));
        } else if HOOKS.iter().any(|hook| hook.name == name) {
            found.push((index, problem(format!("`{name}` is what a rule's script defines"))));
        } else if let Some(first) = taken.insert(name, function) {
            found.push((index, problem(format!("`{name}` is a function of `{}` too", first.place.file))));
        }
    }
    found
}

/// The days of business where config.yaml names none: Monday to Friday.
pub(crate) fn working_week() -> Arc<dyn BusinessDays> {
    Arc::new(WorkingWeek)
}

#[cfg(test)]
mod tests;
