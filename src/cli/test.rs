//! `dunlin test`: runs the tests of rules, again whenever a file is saved if wanted, and makes cases from real customers.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::junit::junit;
use crate::cli::print::{fail, json, out, out_bytes, say, table};
use crate::cli::send::runtime;
use crate::cli::session::{Session, tell};
use crate::cli::{Common, Exit, day};
use crate::domain::date::Date;
use crate::domain::problem::{Problem, Severity, nearest};
use crate::engine::rule_record::{Asked, RecordFault, Recorded, TestFile, only_rule, record};
use crate::engine::rule_tests::{CaseView, Coverage, Lookout, Outcome, ReachedPart, Tests, read, run};

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// Only the tests of these rules
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Run them again whenever a file is saved, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Write the results into this file too, as JUnit does
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show what the cases reach, also where they reach everything
    #[arg(long)]
    coverage: bool,
    /// Instead: print a case made from this customer, with names, addresses and numbers replaced
    #[arg(long, value_name = "CUSTOMER", conflicts_with_all = ["rules", "watch", "junit", "coverage"])]
    record: Option<String>,
    /// Of which rule the case is a test; not needed where there is only one
    #[arg(long, value_name = "ID", requires = "record")]
    rule: Option<String>,
    /// The day of the case instead of today (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = day, requires = "record")]
    as_of: Option<Date>,
    /// How many days the case goes on for
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=400), requires = "record")]
    days: u32,
    /// Add the case to the rule's test file instead of printing it
    #[arg(long, requires = "record")]
    append: bool,
}

#[derive(Debug, Serialize)]
struct TestView<'v> {
    passed: usize,
    failed: usize,
    problems: &'v [Problem],
    cases: &'v [CaseView],
    coverage: &'v [Coverage],
}

pub(crate) fn test(common: &Common, args: &TestArgs) -> Exit {
    if let Some(customer) = &args.record {
        return recorded(common, args, customer).unwrap_or_else(|exit| exit);
    }
    if args.watch {
        return watched(common, args).unwrap_or_else(|exit| exit);
    }
    tested(common, args).unwrap_or_else(|exit| exit)
}

/// Runs the tests once.
fn tested(common: &Common, args: &TestArgs) -> Result<Exit, Exit> {
    let Session { mut workspace, has_errors } = Session::quiet(common)?;
    let tests = chosen(read(&workspace), &args.rules)?;
    tell(&tests.problems, Severity::Warning);
    let Outcome { cases, coverage } = run(&mut workspace, &tests.suites);
    let failed = cases.iter().filter(|case| !case.passed).count();
    let passed = cases.len() - failed;
    if let Some(path) = &args.junit {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        let errors: Vec<Problem> = tests.problems.iter().filter(is_error).cloned().collect();
        fs::write(path, junit(&cases, &errors)).map_err(|error| {
            fail(format!("Cannot write `{}`: {error}", path.display()), None);
            Exit::Failed
        })?;
    }
    if common.json {
        json(&TestView { passed, failed, problems: &tests.problems, cases: &cases, coverage: &coverage });
    } else {
        if tests.suites.is_empty() {
            say(
                "There are no tests of rules that can be run; `dunlin test --record CUSTOMER` makes a first case, docs/reference/rule-tests.md tells every key",
            );
        }
        cases.iter().filter(|case| !case.passed).for_each(|case| out(failure(case)));
        show_coverage(&coverage, args.coverage);
        if tests.problems.iter().any(|problem| problem.severity == Severity::Error) {
            out("Not everything was run: what has errors is left out");
        }
        out(format!("{passed} passed, {failed} failed"));
    }
    let is_broken = has_errors || tests.problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok(match (is_broken, failed) {
        (true, _) => Exit::Problems,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Failed,
    })
}

/// Makes a case from a customer, and prints it or adds it to the rule's file.
fn recorded(common: &Common, args: &TestArgs, customer: &str) -> Result<Exit, Exit> {
    let session = Session::quiet(common)?;
    let workspace = &session.workspace;
    let Some(id) = args.rule.clone().or_else(|| only_rule(workspace).map(ToString::to_string)) else {
        let ids: Vec<&str> = workspace.rules.rules.iter().map(|rule| rule.id.as_str()).collect();
        fail("Which rule is the case a test of?", Some(&format!("add `--rule ID`; the rules are: {}", ids.join(", "))));
        return Err(Exit::Failed);
    };
    let rules = session.rules(Some(&id))?;
    let Some(rule) = rules.rules.first() else { return Err(Exit::Failed) };
    let as_of = session.day(args.as_of);
    let ledger = session.ledger(as_of)?;
    let Some(index) = ledger.find_customer(customer) else {
        let near = nearest(customer, ledger.customers().iter().map(|customer| customer.id.as_str()));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        fail(format!("There is no customer `{customer}` in the ledger"), hint.as_deref());
        return Err(Exit::Failed);
    };
    let failed = |message: String, hint: Option<&str>| {
        fail(message, hint);
        Exit::Failed
    };
    let by_hand = "leave out `--append`, and put the case that is printed where it belongs";
    let told = |fault: RecordFault| {
        let hint = matches!(fault, RecordFault::Unfit { .. }).then_some(by_hand);
        failed(fault.to_string(), hint)
    };
    let history = workspace.history().map_err(|error| failed(error.to_string(), None))?;
    let file = TestFile::of(workspace, rule).map_err(told)?;
    let asked = Asked { rule, customer: index, as_of, days: args.days };
    let Recorded { text, differs } = record(workspace, &ledger, &history, asked, &file.names()).map_err(told)?;
    if let Some(real) = differs {
        say(format!("warning: without their real names and values the rule decides otherwise; the customer gets: {real}"));
    }
    if args.append {
        file.append(&text).map_err(told)?;
        out(&file.path);
    } else {
        out_bytes(text.as_bytes());
    }
    Ok(Exit::Done)
}

/// Leaves the tests of the rules that were asked for.
fn chosen(mut tests: Tests, rules: &[String]) -> Result<Tests, Exit> {
    let known = || tests.suites.iter().map(|suite| suite.rule.as_str());
    if let Some(unknown) = rules.iter().find(|rule| !known().any(|known| known == rule.as_str())) {
        // It may be there, and broken.
        tell(&tests.problems, Severity::Error);
        let hint = match nearest(unknown, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("rules with tests are: {}", known().collect::<Vec<_>>().join(", ")),
        };
        fail(format!("There is no test of a rule `{unknown}`"), Some(&hint));
        return Err(if tests.problems.is_empty() { Exit::Failed } else { Exit::Problems });
    }
    if !rules.is_empty() {
        tests.suites.retain(|suite| rules.iter().any(|rule| rule == suite.rule.as_str()));
        let is_of = |problem: &Problem| {
            let file = problem.place.as_ref().map(|place| place.file.clone());
            tests.suites.iter().any(|suite| Some(&suite.file) == file.as_ref())
        };
        tests.problems.retain(is_of);
    }
    Ok(tests)
}

/// Returns what differs of a case, as a person reads it.
fn failure(case: &CaseView) -> String {
    let mut text = format!("failed: {}: {}", case.place, case.case);
    if !case.cites.is_empty() {
        text += &format!(" [{}]", case.cites.join(", "));
    }
    for difference in &case.differences {
        let on = if difference.on.is_empty() { String::new() } else { format!("on {}, ", difference.on) };
        let line = difference.place.line;
        text += &format!("\n  line {line}: {on}{}", difference.about);
        text += &format!("\n    expected {}\n    got      {}", difference.expected, difference.got);
    }
    text + "\n"
}

/// Prints what no case reached, or what all reach if that is wanted.
fn show_coverage(coverage: &[Coverage], is_wanted: bool) {
    let gaps: Vec<(&str, Vec<String>)> = coverage.iter().map(|one| (one.rule.as_str(), one.gaps())).collect();
    if !is_wanted && gaps.iter().all(|(_, gaps)| gaps.is_empty()) {
        return;
    }
    if is_wanted {
        let mut rows = table(&["Rule", "Levels", "Parts of `where`", "Functions"]);
        for one in coverage {
            let of = |reached: usize, all: usize| if all == 0 { "–".to_owned() } else { format!("{reached} of {all}") };
            let count = |parts: &[ReachedPart]| of(parts.iter().filter(|part| part.reached).count(), parts.len());
            let branches = one.branches.iter().map(|branch| usize::from(branch.was_true) + usize::from(branch.was_false)).sum();
            rows.add_row([one.rule.clone(), count(&one.levels), of(branches, 2 * one.branches.len()), count(&one.functions)]);
        }
        out(rows.to_string());
    }
    if gaps.iter().all(|(_, gaps)| gaps.is_empty()) {
        return;
    }
    let mut rows = table(&["Rule", "No case reaches"]);
    for (rule, gaps) in gaps.iter().filter(|(_, gaps)| !gaps.is_empty()) {
        rows.add_row([*rule, &gaps.join("\n")]);
    }
    out(rows.to_string());
}

/// Runs the tests whenever the files have changed, until the process is ended.
fn watched(common: &Common, args: &TestArgs) -> Result<Exit, Exit> {
    let runtime = runtime()?;
    let mut lookout = Lookout::new(&common.workspace);
    loop {
        // Whatever comes of them: the next save may mend it.
        tested(common, args).map_or_else(drop, drop);
        say("\nwaiting for a file to be saved; Ctrl-C ends\n");
        runtime.block_on(lookout.changed());
    }
}
