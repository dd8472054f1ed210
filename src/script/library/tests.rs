//! Plugins' functions as their authors meet them: what is refused, what is called, what a fault says.

use super::*;
use crate::script::{Condition, Topic};
use rust_decimal::dec;

fn build(files: &[(&str, &str, &str)]) -> (Library, Vec<String>) {
    let file = |(plugin, path, text): &(&str, &str, &str)| LibraryFile {
        plugin: (*plugin).into(),
        path: format!("plugins/{plugin}/{path}"),
        text: (*text).into(),
    };
    let files: Vec<LibraryFile> = files.iter().map(file).collect();
    let (library, problems) = Library::build(&files, &Names::default(), working_week(), Arc::default());
    (library, problems.iter().map(Problem::to_string).collect())
}

/// Returns a library of one plugin `p` with one file, which is right.
fn library(text: &str) -> Library {
    let (library, problems) = build(&[("p", "a.rhai", text)]);
    assert_eq!(problems, Vec::<String>::new(), "{text}");
    library
}

fn condition(text: &str, library: &Library) -> Result<Condition, Vec<String>> {
    let names = Names { library: library.clone(), ..Names::default() };
    let compiled = Condition::compile(text, Topic::Invoice, &names, &Locate::file("r.yaml", text));
    compiled.map(|(condition, _)| condition).map_err(|found| found.iter().map(Problem::to_string).collect())
}

#[test]
fn a_function_takes_and_gives_every_kind_of_value() {
    let library = library("const TWO = 2; fn same(x) { x } fn twice(x) { by(x, global::TWO) } private fn by(x, y) { x * y }");
    let date = Variable::Date(jiff::civil::date(2026, 11, 21));
    for value in [
        Variable::Nothing,
        Variable::Boolean(true),
        Variable::Integer(7),
        Variable::Decimal(dec!(1.50)),
        date.clone(),
        Variable::Text("a".into()),
        Variable::List(vec![date, Variable::Integer(1)]),
        Variable::Map([("a".to_owned(), Variable::Boolean(false))].into()),
    ] {
        assert_eq!(library.call("same", std::slice::from_ref(&value)), Ok(value));
    }
    assert_eq!(library.evaluate("twice(1.5)"), Ok(Variable::Decimal(dec!(3.0))));
    assert_eq!(library.call("add_business_days", &[Variable::Date(jiff::civil::date(2026, 11, 20)), Variable::Integer(3)]), {
        Ok(Variable::Date(jiff::civil::date(2026, 11, 25)))
    });
}

#[test]
fn everything_wrong_in_a_plugin_is_told_at_its_place_and_leaves_the_others() {
    let (library, problems) = build(&[
        ("a", "a.rhai", "fn good(x) { x }\nfn min(x) { x }\nfn select(x) { x }"),
        ("b", "b.rhai", "fn twice(x) { as_of }"),
        ("c", "c.rhai", "fn once(x) { good(x) }\nlet y = 1;"),
        ("d", "d.rhai", "fn whole(x) { x }\nfn other(x) { whole(x, 1) }"),
        ("e", "e.rhai", "fn fine(x) { fine_too(x) }"),
        ("e", "f.rhai", "fn fine_too(x) { x }"),
        ("g", "g.rhai", "fn fine(x) { x }"),
    ]);
    assert_eq!(
        problems,
        [
            "plugins/b/b.rhai:1:15: `as_of` is not known here; a plugin's function knows only what it is given: add it to the parameters",
            "plugins/a/a.rhai:2:4: `min` is a built-in function; give it a name of its own",
            "plugins/a/a.rhai:3:4: `select` is what a rule's script defines; give it a name of its own",
            "plugins/g/g.rhai:1:4: `fine` is a function of `plugins/e/e.rhai` too; give it a name of its own",
            "plugins/c/c.rhai:1:14: There is no function `good`; docs/reference/script-functions.md lists all functions",
            "plugins/c/c.rhai:2:1: This stands outside all functions, so it would never run; \
             move it into a function, or make it a `const`, read as `global::NAME`",
            "plugins/d/d.rhai:2:15: `whole` takes 1 values, not 2",
        ]
    );
    let names: Vec<&str> = library.functions().iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["fine", "fine_too"]);
    assert_eq!(library.evaluate("fine(1)"), Ok(Variable::Integer(1)));
}

#[test]
fn a_condition_calls_it_and_a_slip_is_told_before_anything_runs() {
    let library = library("fn is_large(customer, limit) { customer.balance > limit }");
    assert!(condition("is_large(customer, 100) || is_large(customer, 5)", &library).is_ok());
    for (text, expected) in [
        ("is_larg(customer, 100)", "r.yaml:1:1: There is no function `is_larg`; did you mean `is_large`?"),
        ("customer.is_large(5)", "r.yaml:1:10: `is_large` is not called behind a point; write `is_large(customer, limit)`"),
        ("is_large(customer)", "r.yaml:1:1: `is_large` takes 2 values, not 1; write `is_large(customer, limit)`"),
    ] {
        assert_eq!(condition(text, &library).unwrap_err(), [expected]);
    }
}

#[test]
fn a_figure_that_only_the_plugin_asks_for_is_there() {
    let library = library("fn owes(customer) { customer.balance > 1000 }");
    let names = Names { library: library.clone(), ..Names::default() };
    let sample = crate::script::sample::Sample::new(&names, &BTreeSet::new());
    let condition = condition("owes(customer)", &library).unwrap();
    let held: Vec<bool> = (0..6)
        .map(|index| {
            let index = crate::domain::ledger::DocumentIndex(index);
            condition.holds(&crate::script::Account::of(&sample.ledger, index, sample.as_of), index).unwrap()
        })
        .collect();
    assert_eq!(held, [true, true, false, true, false, false]);
}

#[test]
fn a_fault_has_the_place_of_the_call_and_tells_the_plugins_line() {
    let library = library("fn share(x) {\n  1 / x\n}");
    let fault = condition("invoice.open >= 0 && \n share(invoice.open - invoice.open) > 1", &library);
    let warned = fault.map(|condition| format!("{condition:?}"));
    assert!(warned.is_ok(), "a division by zero depends on the data: {warned:?}");
    assert_eq!(library.evaluate("share(0)"), Err("1 / 0 has no value (in `share`, plugins/p/a.rhai:2)".into()));
}

#[test]
fn a_function_without_end_is_stopped() {
    let library = library("fn forever(x) { loop { x += 1; } } fn deep(x) { deep(x) } fn wide(x) { loop { x += x; } }");
    for (call, expected) in [
        ("forever(1)", "Stopped after 500000 steps: is there a loop without end?"),
        ("deep(1)", "Calls are nested deeper than 32"),
        ("wide(\"abc\")", "Length of string grew beyond its limit (texts 65536 bytes, lists 10000 members, maps 1000 entries)"),
    ] {
        let fault = library.evaluate(call).unwrap_err();
        assert!(fault.starts_with(expected), "{call}: {fault}");
    }
}

#[test]
fn business_days_are_counted_both_ways_and_within_bounds() {
    for (call, expected) in [
        ("add_business_days(date(\"2026-11-20\"), 0)", "2026-11-20"),
        ("add_business_days(date(\"2026-11-21\"), 0)", "2026-11-23"),
        ("add_business_days(date(\"2026-11-21\"), 1)", "2026-11-23"),
        ("add_business_days(date(\"2026-11-23\"), -1)", "2026-11-20"),
        ("add_business_days(date(\"2028-02-28\"), 2)", "2028-03-01"),
    ] {
        let day = jiff::civil::Date::strptime("%Y-%m-%d", expected).unwrap();
        assert_eq!(Library::default().evaluate(call), Ok(Variable::Date(day)), "{call}");
    }
    for (from, to, expected) in
        [("2026-11-20", "2026-11-23", 1), ("2026-11-23", "2026-11-20", -1), ("2026-11-21", "2026-11-22", 0)]
    {
        let call = format!("business_days_between(date({from:?}), date({to:?}))");
        assert_eq!(Library::default().evaluate(&call), Ok(Variable::Integer(expected)), "{call}");
    }
    for call in ["add_business_days(date(\"2026-11-20\"), 1001)", "business_days_between(date(1990, 1, 1), date(2026, 1, 1))"] {
        assert!(Library::default().evaluate(call).unwrap_err().contains("more than"), "{call}");
    }
}
