//! Places inside a script, and what rhai reports turned into our own words.

use std::fmt;
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, Map, ParseError, ParseErrorType, Position};

use crate::domain::problem::{Place, Problem, nearest};
use crate::script::functions::is_function;
use crate::script::results::kind;
use crate::script::sandbox::{CALL_LEVELS_MAX, LIST_ITEMS_MAX, MAP_ENTRIES_MAX, OPERATIONS_MAX, TEXT_BYTES_MAX, VARIABLES_MAX};

/// A fault of a script while it ran; a problem of its rule, never the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFault {
    /// What went wrong.
    pub message: String,
    /// Where, in the .rhai file or inside the YAML file.
    pub place: Place,
}

/// Turns a line and column of a script (both from 1) and a width in characters into a place in the file it stands in.
#[derive(Clone)]
pub struct Locate(Arc<dyn Fn(u32, u32, u32) -> Place + Send + Sync>);

impl Locate {
    /// Returns what `place` tells: how an expression inside a YAML file is located.
    pub fn new(place: impl Fn(u32, u32, u32) -> Place + Send + Sync + 'static) -> Self {
        Self(Arc::new(place))
    }

    /// Returns places in a file that is the script as a whole.
    pub fn file(file: &str, source: &str) -> Self {
        let (file, source): (Arc<str>, Arc<str>) = (file.into(), source.into());
        Self::new(move |line, column, width| match line {
            0 => Place::file(file.clone()),
            _ => Place::within(file.clone(), &source, line, column, width),
        })
    }

    /// Returns places for a part of the script that starts so many lines and columns into it.
    pub(crate) fn shifted(&self, lines: u32, columns: u32) -> Self {
        let whole = self.0.clone();
        Self::new(move |line, column, width| {
            let column = if line == 1 && column > 0 { column + columns } else { column };
            whole(if line == 0 { 0 } else { line + lines }, column, width)
        })
    }

    pub(crate) fn place(&self, position: Position, width: usize) -> Place {
        let at = |part: Option<usize>| part.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        (self.0)(at(position.line()), at(position.position()), u32::try_from(width).unwrap_or(1))
    }

    /// Returns the place of the script as a whole.
    pub(crate) fn whole(&self) -> Place {
        self.place(Position::new(1, 1), 1)
    }

    /// Returns an error at `position`.
    pub(crate) fn error(&self, position: Position, width: usize, message: impl Into<String>) -> Problem {
        Problem::error(message).at(self.place(position, width))
    }
}

impl fmt::Debug for Locate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locate")
    }
}

/// Returns the problem that rhai's parser found; it stops at the first.
pub(crate) fn syntax(error: &ParseError, known: &[&str], locate: &Locate) -> Problem {
    let position = error.position();
    match error.err_type() {
        ParseErrorType::VariableUndefined(name) => {
            let problem = locate.error(position, name.chars().count(), format!("`{name}` is not known here"));
            problem.hint(match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are: {}", known.join(", ")),
            })
        }
        ParseErrorType::ExprTooDeep => locate.error(position, 1, "The expression is nested too deep"),
        ParseErrorType::TooManyFunctions => locate.error(position, 1, "The script defines too many functions"),
        other => {
            let text = other.to_string();
            let problem = locate.error(position, 1, format!("Not readable from here on: {}", text.trim_end_matches('.')));
            // What people write who know Excel, SQL or English.
            match text.as_str() {
                text if text.contains("'='") => problem.hint("compare with `==`"),
                text if text.contains("'<>'") => problem.hint("write `!=` for *is not*"),
                text if text.to_lowercase().contains("'and'") => problem.hint("write `&&` for *and*"),
                text if text.to_lowercase().contains("'or'") => problem.hint("write `||` for *or*"),
                _ => problem,
            }
        }
    }
}

/// Whether a fault shows that the script is wrong whatever the data, or may come from the data it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    Script,
    Data,
    /// What made-up data cannot show, such as the day that it is.
    Unproven,
}

/// What a function of ours refuses, with what is to blame; raised as the value of a runtime error.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) blame: Blame,
}

/// Returns the text of a thrown `#{ settings: text }`: how a plugin says that what a rule says to it is wrong, whatever the data.
fn thrown_settings(value: &Dynamic) -> Option<String> {
    let map = value.read_lock::<Map>()?;
    map.get("settings")?.clone().into_string().ok()
}

/// Returns the fault that a run ended with, its innermost place (`start` where rhai tells none), and what is to blame.
pub(crate) fn runtime(error: EvalAltResult, start: Position, locate: &Locate) -> (ScriptFault, Blame) {
    let mut error = error;
    // The place inside the function that was called says more than the place of the call. Where that function is a
    // plugin's, its place is one of another file: the call keeps the place, and the words tell the other.
    let mut within: Option<(String, String, Position)> = None;
    while let EvalAltResult::ErrorInFunctionCall(name, source, inner, position) = error {
        if !source.is_empty() {
            let call = within.map_or(position, |(_, _, call)| call);
            within = Some((name, source, call));
        }
        error = *inner;
    }
    if let Some((name, source, call)) = within {
        let line = error.position().line().map_or_else(String::new, |line| format!(":{line}"));
        let (fault, blame) = runtime(error, start, locate);
        let place = locate.place(if call.is_none() { start } else { call }, 1);
        return (ScriptFault { message: format!("{} (in `{name}`, {source}{line})", fault.message), place }, blame);
    }
    let position = error.position();
    let place = locate.place(if position.is_none() { start } else { position }, 1);
    let blame = match &error {
        EvalAltResult::ErrorRuntime(value, _) if value.is::<Refusal>() => {
            value.read_lock::<Refusal>().map_or(Blame::Data, |refusal| refusal.blame)
        }
        EvalAltResult::ErrorRuntime(value, _) if thrown_settings(value).is_some() => Blame::Script,
        EvalAltResult::ErrorRuntime(..)
        | EvalAltResult::ErrorArithmetic(..)
        | EvalAltResult::ErrorArrayBounds(..)
        | EvalAltResult::ErrorStringBounds(..)
        | EvalAltResult::ErrorIndexNotFound(..) => Blame::Data,
        _ => Blame::Script,
    };
    (ScriptFault { message: message(error), place }, blame)
}

fn message(mut error: EvalAltResult) -> String {
    match &error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => meaningless(signature),
        EvalAltResult::ErrorTooManyOperations(_) => format!("Stopped after {OPERATIONS_MAX} steps: is there a loop without end?"),
        EvalAltResult::ErrorStackOverflow(_) => format!("Calls are nested deeper than {CALL_LEVELS_MAX}"),
        EvalAltResult::ErrorTooManyVariables(_) => format!("More than {VARIABLES_MAX} variables at once"),
        EvalAltResult::ErrorDataTooLarge(what, _) => format!(
            "{} grew beyond its limit (texts {TEXT_BYTES_MAX} bytes, lists {LIST_ITEMS_MAX} members, maps {MAP_ENTRIES_MAX} entries)",
            capital(what)
        ),
        EvalAltResult::ErrorPropertyNotFound(name, _) => format!("There is no `{name}` here"),
        // Only conditions ask for a kind of result.
        EvalAltResult::ErrorMismatchOutputType(_, found, _) => {
            format!("A condition is true or false, but this gave {}", kind(found))
        }
        EvalAltResult::ErrorRuntime(value, _) if value.is_string() => capital(&value.to_string()),
        EvalAltResult::ErrorRuntime(value, _) if value.is_map() => {
            capital(&thrown_settings(value).unwrap_or_else(|| value.to_string()))
        }
        EvalAltResult::ErrorRuntime(value, _) if value.is::<Refusal>() => {
            value.read_lock::<Refusal>().map_or_else(String::new, |refusal| refusal.message.clone())
        }
        _ => {
            // The place is told apart from the text.
            error.clear_position();
            capital(error.to_string().lines().next().unwrap_or_default().trim_end_matches('.'))
        }
    }
}

/// Returns the message for a call that no registered function fits; `signature` is rhai's `name (kind, kind)`.
fn meaningless(signature: &str) -> String {
    let Some((name, operands)) = signature.split_once(" (") else { return format!("There is no function `{signature}`") };
    let operands: Vec<&str> = operands.strip_suffix(')').unwrap_or(operands).split(", ").map(kind).collect();
    if name.contains(char::is_alphanumeric) && !is_function(name) {
        return format!("There is no function `{name}`");
    }
    format!("`{name}` has no meaning for {}", operands.join(" and "))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
