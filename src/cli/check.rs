//! `dunlin check`: every problem of config, rules, templates, scripts and ledger, all at once.

use clap::Args;
use serde::Serialize;

use crate::cli::print::{WIDTH, counted, is_terminal, json, out};
use crate::cli::problems::{Colour, render};
use crate::cli::session::bar;
use crate::cli::{Common, Exit};
use crate::clock::SystemClock;
use crate::domain::problem::{Problem, Severity};
use crate::engine::rule_tests;
use crate::engine::trial::trial_problems;
use crate::engine::workspace::load;
use crate::port::Clock;

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Leave the rows of the ledger unread
    #[arg(long)]
    pub(crate) no_ledger: bool,
}

#[derive(Debug, Serialize)]
struct CheckView<'p> {
    errors: usize,
    warnings: usize,
    problems: &'p [Problem],
}

pub(crate) fn check(common: &Common, args: &CheckArgs) -> Exit {
    let mut loaded = load(&common.workspace);
    let mut ledger_words = String::new();
    if let Some(workspace) = &loaded.workspace {
        loaded.problems.extend(workspace.history_problems());
        loaded.problems.extend(rule_tests::read(workspace).problems);
        loaded.problems.extend(workspace.schedule_problems(SystemClock.now()));
        if !args.no_ledger {
            let bar = bar("Reading the ledger", "{bytes} of {total_bytes}");
            let read = workspace.read_ledger(workspace.today(SystemClock.now()), &mut |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            match read {
                Ok(ledger) => {
                    let as_of = workspace.today(SystemClock.now());
                    let tried = trial_problems(workspace, &ledger, as_of, SystemClock.now());
                    // What a real mail meets was perhaps foreseen with made-up ones.
                    loaded.problems.retain(|foreseen| {
                        !tried.iter().any(|problem| (&problem.place, &problem.message) == (&foreseen.place, &foreseen.message))
                    });
                    loaded.problems.extend(tried);
                    if ledger.documents().is_empty() {
                        let problem = Problem::warning("The ledger has no invoices");
                        loaded.problems.push(problem.hint("if there should be some, the export is empty or was cut short"));
                    }
                    let customers = counted(ledger.customers().len(), "customer", "customers");
                    ledger_words = format!(", {customers}, {}", counted(ledger.documents().len(), "document", "documents"));
                }
                // A column that is missing was found when the headings were read.
                Err(problems) => {
                    let new: Vec<Problem> = problems.into_iter().filter(|problem| !loaded.problems.contains(problem)).collect();
                    loaded.problems.extend(new);
                }
            }
        }
    }
    let count = |severity| loaded.problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if common.json {
        json(&CheckView { errors, warnings, problems: &loaded.problems });
    } else if !loaded.problems.is_empty() {
        let colour = if is_terminal() { Colour::Always } else { Colour::Never };
        out(render(&loaded.problems, colour, WIDTH).trim_end());
    }
    if errors == 0 && !common.json {
        let rules = loaded.workspace.as_ref().map_or(0, |workspace| workspace.rules.rules.len());
        out(format!("All right: {}{ledger_words}", counted(rules, "rule", "rules")));
    }
    if errors > 0 { Exit::Problems } else { Exit::Done }
}
