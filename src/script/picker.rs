//! A plugin's picker: a function that chooses recipients or computes variables for every rule that names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use compact_str::CompactString;
use rhai::{AST, Array, Dynamic, Position, Scope};

use crate::domain::date::Date;
use crate::domain::id::RecipientKey;
use crate::domain::ledger::DocumentIndex;
use crate::domain::problem::{Place, Problem, Severity};
use crate::domain::variable::Variable;
use crate::script::check::Names;
use crate::script::fault::{self, Blame, Locate, ScriptFault};
use crate::script::library::{Library, LibraryFunction};
use crate::script::results::{self, RECIPIENTS_MAX, kind, recipient_name};
use crate::script::sample::{self, Sample};
use crate::script::sandbox::LIST_ITEMS_MAX;
use crate::script::values::{CustomerValue, InvoiceValue, Needs};
use crate::script::{Account, LevelFacts, RecipientName};

/// What a picker picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickerKind {
    /// A list of recipient keys and addresses.
    Recipients,
    /// A map of named values.
    Variables,
}

/// A picker of a plugin, checked; it carries all it needs.
#[derive(Clone)]
pub struct Picker {
    kind: PickerKind,
    name: CompactString,
    library: Library,
    call: AST,
    place: Place,
    recipient_keys: Vec<RecipientKey>,
    needs: Needs,
    /// What a rule says beside the name; `None` where the function takes nothing of the kind.
    settings: Option<BTreeMap<String, Variable>>,
}

/// What every picker's function is given.
const ARGUMENTS: [&str; 3] = ["customer", "items", "level"];
/// What one is given besides that a rule can say something to.
const SETTINGS: &str = "settings";

impl Picker {
    pub(crate) fn new(kind: PickerKind, name: &str, library: Library, function: &LibraryFunction, names: &Names) -> Self {
        let mut arguments = ARGUMENTS.to_vec();
        let takes_settings = function.parameters.len() > ARGUMENTS.len();
        if takes_settings {
            arguments.push(SETTINGS);
        }
        let mut scope = Scope::new();
        for argument in &arguments {
            scope.push_constant(*argument, ());
        }
        let text = format!("{}({})", function.name, arguments.join(", "));
        let call = library.engine().compile_expression_with_scope(&scope, text).expect("a call of a known function can be read");
        let (place, recipient_keys) = (function.place.clone(), names.recipient_keys.clone());
        let needs = library.needs_of(function);
        Self {
            kind,
            name: name.into(),
            library,
            call,
            place,
            recipient_keys,
            needs,
            settings: takes_settings.then(BTreeMap::new),
        }
    }

    /// Returns whether a rule can say something to it beside its name.
    pub fn takes_settings(&self) -> bool {
        self.settings.is_some()
    }

    /// Returns it with what a rule says to it at `place`, tried on a small made-up ledger. The second list holds warnings.
    ///
    /// # Errors
    /// It takes no settings, or fails with these whatever the data.
    pub fn with_settings(
        mut self,
        settings: BTreeMap<String, Variable>,
        names: &Names,
        place: Place,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        if !self.takes_settings() {
            let problem = Problem::error(format!("`{}` takes no settings", self.name)).at(place);
            return Err(vec![problem.hint(format!("write `{}()`", self.name))]);
        }
        self.settings = Some(settings);
        self.place = place;
        let problems = self.try_on_sample(names);
        match problems.iter().any(|problem| problem.severity == Severity::Error) {
            true => Err(problems),
            false => Ok((self, problems)),
        }
    }

    /// Returns the faults that it would meet on `day` with a made-up ledger of that day, and that only the day is to blame for:
    /// a table of rates that has ended.
    pub fn faults_on(&self, day: Date, names: &Names) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        let sample = Sample::on(day, names, &BTreeSet::new());
        sample::for_each_mail(&sample, |account, items, level| {
            if self.kind == PickerKind::Variables
                && let Err((fault, Blame::Unproven)) = self.read(account, items, level, |_| Ok(()))
                && problems.is_empty()
            {
                problems.push(Problem::warning(fault.message).at(fault.place));
            }
        });
        problems
    }

    /// Returns the name that rules call it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it picks.
    pub fn kind(&self) -> PickerKind {
        self.kind
    }

    /// Returns whom it picks for a mail about items of `account`; nobody is an answer too.
    ///
    /// # Errors
    /// What the function met, or a result that is no list of recipients.
    pub fn recipients(
        &self,
        account: &Account<'_>,
        items: &[DocumentIndex],
        level: &LevelFacts,
    ) -> Result<Vec<RecipientName>, ScriptFault> {
        self.read(account, items, level, |result| self.picked(result)).map_err(|(fault, _)| fault)
    }

    /// Returns the values it computes for a mail about items of `account`.
    ///
    /// # Errors
    /// What the function met, or a result that is no map of values.
    pub fn variables(
        &self,
        account: &Account<'_>,
        items: &[DocumentIndex],
        level: &LevelFacts,
    ) -> Result<BTreeMap<String, Variable>, ScriptFault> {
        self.read(account, items, level, results::variables).map_err(|(fault, _)| fault)
    }

    /// Picks for every customer and some levels of the sample; returns each fault once.
    pub(crate) fn try_on_sample(&self, names: &Names) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        let sample = Sample::new(names, &BTreeSet::new());
        sample::for_each_mail(&sample, |account, items, level| {
            let outcome = match self.kind {
                PickerKind::Recipients => self.read(account, items, level, |result| self.picked(result).map(drop)),
                PickerKind::Variables => self.read(account, items, level, |result| results::variables(result).map(drop)),
            };
            let is_without_due_date = items.iter().any(|item| account.ledger.document(*item).due_on.is_none());
            if let Err((fault, blame)) = outcome {
                let Some(problem) = Sample::problem(fault, blame, is_without_due_date) else { return };
                if !problems.iter().any(|known| known.message == problem.message) {
                    problems.push(problem);
                }
            }
        });
        problems
    }

    fn read<T>(
        &self,
        account: &Account<'_>,
        items: &[DocumentIndex],
        level: &LevelFacts,
        read: impl FnOnce(Dynamic) -> Result<T, String>,
    ) -> Result<T, (ScriptFault, Blame)> {
        let fault = |message: String, blame| (ScriptFault { message, place: self.place.clone() }, blame);
        if items.len() > LIST_ITEMS_MAX {
            let message = format!("The mail has {} items; a script is given at most {LIST_ITEMS_MAX}", items.len());
            return Err(fault(message, Blame::Data));
        }
        let (needs, as_of) = (self.needs, account.as_of);
        let invoice = |item: &DocumentIndex| Dynamic::from(InvoiceValue::new(account.ledger, *item, as_of, needs));
        let mut scope = Scope::new();
        scope.push_constant("customer", CustomerValue::new(account, needs));
        scope.push_constant_dynamic("items", Dynamic::from_array(items.iter().map(invoice).collect::<Array>()));
        scope.push_constant("level", level.clone());
        if let Some(settings) = &self.settings {
            let entries = settings.iter().map(|(name, value)| (name.into(), results::dynamic(value)));
            scope.push_constant_dynamic(SETTINGS, Dynamic::from_map(entries.collect()));
        }
        let result = self.library.engine().eval_ast_with_scope::<Dynamic>(&mut scope, &self.call);
        let place = self.place.clone();
        let locate = Locate::new(move |_, _, _| place.clone());
        let result = result.map_err(|error| fault::runtime(*error, Position::new(1, 1), &locate))?;
        read(result).map_err(|message| fault(message.replace("`variables`", &format!("`{}`", self.name)), Blame::Script))
    }

    fn picked(&self, result: Dynamic) -> Result<Vec<RecipientName>, String> {
        let name = &self.name;
        if result.is_unit() {
            return Ok(Vec::new());
        }
        let returned = result.type_name().to_owned();
        let list = match result.is_string() {
            true => vec![result],
            false => result
                .try_cast::<Array>()
                .ok_or_else(|| format!("`{name}` returned {}, not a list of recipients", kind(&returned)))?,
        };
        if list.len() > RECIPIENTS_MAX {
            return Err(format!("`{name}` returned {} recipients; at most {RECIPIENTS_MAX} are taken", list.len()));
        }
        let member = |member: Dynamic| {
            let returned = member.type_name().to_owned();
            let text = member.into_string().map_err(|_| format!("`{name}` returned {} among its recipients", kind(&returned)))?;
            recipient_name(&text, &self.recipient_keys).map_err(|hint| match hint {
                Some(hint) => format!("`{name}` returned `{text}`, which is unknown; {hint}"),
                None => format!("`{name}` returned `{text}`, which is neither a recipient key nor an address"),
            })
        };
        list.into_iter().map(member).collect()
    }
}

impl PartialEq for Picker {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.place, &self.settings) == (other.kind, &other.name, &other.place, &other.settings)
    }
}

impl Eq for Picker {}

impl fmt::Debug for Picker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picker({}())", self.name)
    }
}
