//! `dunlin plugin`: writes, lists, checks and tests plugins.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::print::{WIDTH, counted, fail, is_terminal, json, out, say, table};
use crate::cli::problems::{Colour, render};
use crate::cli::send::runtime;
use crate::cli::session::tell;
use crate::cli::{Common, Exit};
use crate::domain::problem::{Problem, Severity, nearest};
use crate::engine::plugins::{CaseView, NewFault, Shelf, new_plugin, shelf};

#[derive(Args, Debug)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    verb: Option<PluginVerb>,
}

#[derive(Debug, Subcommand)]
enum PluginVerb {
    /// Write a new plugin that works, to start from
    New {
        /// Its name: small letters, digits, `-`, `_`
        name: String,
    },
    /// Show every plugin and what it offers
    List,
    /// Find every problem below plugins/
    Check {
        /// Only this plugin
        name: Option<String>,
    },
    /// Run the cases of each plugin's test.yaml
    Test {
        /// Only this plugin
        name: Option<String>,
    },
}

#[derive(Debug, Serialize)]
struct CheckView<'p> {
    errors: usize,
    warnings: usize,
    problems: &'p [Problem],
}

#[derive(Debug, Serialize)]
struct TestView {
    passed: usize,
    failed: usize,
    cases: Vec<CaseView>,
}

pub(crate) fn plugin(common: &Common, args: &PluginArgs) -> Exit {
    let done = match &args.verb {
        Some(PluginVerb::New { name }) => new(common, name),
        None | Some(PluginVerb::List) => Ok(list(common)),
        Some(PluginVerb::Check { name }) => check(common, name.as_deref()),
        Some(PluginVerb::Test { name }) => test(common, name.as_deref()),
    };
    done.unwrap_or_else(|exit| exit)
}

fn new(common: &Common, name: &str) -> Result<Exit, Exit> {
    let written = new_plugin(&common.workspace, name).map_err(|fault| {
        let hint = match &fault {
            NewFault::Name { .. } => Some("use small letters, digits, `-` and `_`"),
            NewFault::Taken { .. } => Some("choose another name, or remove the folder"),
            NewFault::Write { .. } => None,
        };
        fail(fault.to_string(), hint);
        Exit::Failed
    })?;
    if common.json {
        json(&serde_json::json!({ "files": written }));
    } else {
        out(written.join("\n"));
        say(format!("hint: `dunlin plugin test {name}` runs its cases"));
    }
    Ok(Exit::Done)
}

fn list(common: &Common) -> Exit {
    let shelf = shelf(&common.workspace);
    let views = shelf.views();
    if common.json {
        json(&views);
        return Exit::Done;
    }
    if views.is_empty() {
        say("There are no plugins; `dunlin plugin new NAME` writes one");
        return Exit::Done;
    }
    let mut rows = table(&["Plugin", "Version", "What it is for", "Offers"]);
    for view in &views {
        let meaning = if view.usable { view.description.as_str() } else { "has errors: see `dunlin plugin check`" };
        rows.add_row([view.name.as_str(), &view.version, meaning, &view.offers.join("\n")]);
    }
    out(rows.to_string());
    Exit::Done
}

fn check(common: &Common, name: Option<&str>) -> Result<Exit, Exit> {
    let mut shelf = shelf(&common.workspace);
    known(&shelf, name)?;
    shelf.problems.retain(|problem| is_of(problem, name));
    let count = |severity| shelf.problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if common.json {
        json(&CheckView { errors, warnings, problems: &shelf.problems });
    } else if !shelf.problems.is_empty() {
        let colour = if is_terminal() { Colour::Always } else { Colour::Never };
        out(render(&shelf.problems, colour, WIDTH).trim_end());
    }
    if errors == 0 && !common.json {
        let plugins = if name.is_some() { 1 } else { shelf.folders.len() };
        out(format!("All right: {}", counted(plugins, "plugin", "plugins")));
    }
    Ok(if errors > 0 { Exit::Problems } else { Exit::Done })
}

fn test(common: &Common, name: Option<&str>) -> Result<Exit, Exit> {
    let mut shelf = shelf(&common.workspace);
    known(&shelf, name)?;
    shelf.problems.retain(|problem| is_of(problem, name));
    tell(&shelf.problems, Severity::Error);
    let cases = runtime()?.block_on(shelf.test(name));
    let failed = cases.iter().filter(|case| !case.passed).count();
    let passed = cases.len() - failed;
    let has_errors = shelf.problems.iter().any(|problem| problem.severity == Severity::Error);
    if common.json {
        json(&TestView { passed, failed, cases });
    } else {
        for case in cases.iter().filter(|case| !case.passed) {
            out(format!("failed: {}: {}\n  expected {}\n  got      {}", case.place, case.case, case.expected, case.got));
        }
        out(format!("{passed} passed, {failed} failed"));
    }
    Ok(match (has_errors, failed) {
        (true, _) => Exit::Problems,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Failed,
    })
}

/// Returns whether a problem is one of this plugin or of none, or any is meant.
fn is_of(problem: &Problem, name: Option<&str>) -> bool {
    let Some(name) = name else { return true };
    let folder = format!("plugins/{name}/");
    problem.place.as_ref().is_some_and(|place| place.file.starts_with(&folder) || !place.file.starts_with("plugins/"))
}

/// Tells that there is no such plugin.
fn known(shelf: &Shelf, name: Option<&str>) -> Result<(), Exit> {
    let Some(name) = name.filter(|name| !shelf.folders.iter().any(|folder| folder.name == *name)) else { return Ok(()) };
    let names = || shelf.folders.iter().map(|folder| folder.name.as_str());
    let hint = match nearest(name, names()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => Some(format!("the plugins are: {}", names().collect::<Vec<_>>().join(", "))).filter(|_| names().count() > 0),
    };
    fail(format!("There is no plugin `{name}`"), hint.as_deref());
    Err(Exit::Failed)
}
