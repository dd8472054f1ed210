//! Conditions: what they mean, what is refused, and that both ways of judging them agree.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::ledger::{Ledger, LedgerBuilder};
use crate::script::Joint;
use crate::script::LevelFacts;
use crate::script::functions::FUNCTIONS;
use crate::script::sandbox;
use crate::script::values::FIELDS;
use jiff::civil::date;

fn names() -> Names {
    Names {
        recipient_keys: vec![],
        invoice_attributes: Some(vec!["project".into(), "region".into()]),
        customer_attributes: Some(vec!["segment".into()]),
        ..Names::default()
    }
}

fn compile(text: &str) -> Condition {
    let (condition, warnings) =
        Condition::compile(text, Topic::Invoice, &names(), &Locate::file("where", text)).unwrap_or_else(|problems| {
            panic!("{text}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        });
    assert_eq!(warnings, [], "{text}");
    condition
}

fn problems(text: &str) -> Vec<String> {
    match Condition::compile(text, Topic::Invoice, &names(), &Locate::file("where", text)) {
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// Returns the numbers of the sample's documents for which the condition holds.
fn holding(text: &str) -> Vec<String> {
    let sample = Sample::new(&names(), &BTreeSet::new());
    let condition = compile(text);
    let documents = 0..sample.ledger.documents().len() as u32;
    documents
        .map(DocumentIndex)
        .filter(|index| condition.holds(&Account::of(&sample.ledger, *index, sample.as_of), *index).unwrap())
        .map(|index| sample.ledger.document(index).number.to_string())
        .collect()
}

#[test]
fn a_condition_holds_for_the_documents_it_describes() {
    for (text, expected) in [
        ("invoice.open >= 5.00", "INV-1 INV-2 INV-4 INV-5"),
        ("invoice.open >= 5.00 && !invoice.disputed", "INV-1 INV-2 INV-5"),
        ("!customer.tags.contains(\"vip\")", "INV-3 INV-4 INV-5 CN-1"),
        ("\"vip\" in customer.tags", "INV-1 INV-2"),
        ("invoice.currency in [\"USD\", \"CHF\"]", "INV-4"),
        ("invoice.due_on == ()", "INV-5"),
        ("invoice.due_on < as_of - 7", "INV-1 CN-1"),
        ("invoice.due_on != () && as_of - invoice.due_on > 7", "INV-1 CN-1"),
        ("invoice.days_overdue > 0 && !invoice.is_credit_note", "INV-1 INV-2"),
        ("customer.balance > 100", "INV-1 INV-2 INV-4"),
        ("customer.overdue == 1580.5", "INV-1 INV-2"),
        ("customer.language == \"\"", "INV-5 CN-1"),
        ("invoice.attributes.project == \"sample\" && invoice.open < 0", "CN-1"),
        ("invoice.open * 2 == 2400", "INV-1"),
        ("invoice.days_overdue / 2 == 3.5", "INV-2"),
        ("if invoice.open > 1000 { invoice.currency == \"EUR\" } else { false }", "INV-1"),
        ("as_of.weekday == \"saturday\" && invoice.open == -25", "CN-1"),
    ] {
        assert_eq!(holding(text).join(" "), expected, "{text}");
    }
}

#[test]
fn every_problem_of_a_condition_is_found_with_its_place() {
    for (text, expected) in [
        ("invoise.open > 5", vec!["where:1:1: `invoise` is not known here; did you mean `invoice`?"]),
        (
            "invoice.opne > 5 && customer.tag.contains(\"a\")",
            vec![
                "where:1:9: An invoice has no `opne`; did you mean `open`?",
                "where:1:30: A customer has no `tag`; did you mean `tags`?",
            ],
        ),
        (
            "invoice.open > 5 ||\n  custmoer_is_good(customer)",
            vec!["where:2:3: There is no function `custmoer_is_good`; docs/reference/script-functions.md lists all functions"],
        ),
        // In a branch that no trial run takes.
        (
            "if invoice.open > 99999999 { rond_half_up(invoice.open, 2) > 1 } else { true }",
            vec!["where:1:30: There is no function `rond_half_up`; did you mean `round_half_up`?"],
        ),
        (
            "invoice.due_on < \"2026-11-21\"",
            vec!["where:1:16: `<` cannot compare a date, or `()` without one with a text; write a day as `date(\"2026-11-21\")`"],
        ),
        ("invoice.open > \"5\"", vec!["where:1:14: `>` cannot compare a number with a text; write numbers without quotes"]),
        (
            "invoice.open",
            vec!["where:1:1: A condition is true or false, but this is a number; compare it with something: `invoice.open > 0`"],
        ),
        (
            "invoice.disputed && customer.balance",
            vec!["where:1:21: `&&` joins conditions, but this is a number; compare it with something: `invoice.open > 0`"],
        ),
        (
            "invoice.attributes.projct == \"x\"",
            vec!["where:1:20: The documents' files have no column `projct`; did you mean `project`?"],
        ),
        (
            "sleep(1) == timestamp()",
            vec![
                "where:1:1: There is no function `sleep`; docs/reference/script-functions.md lists all functions",
                "where:1:13: There is no function `timestamp`; docs/reference/script-functions.md lists all functions",
            ],
        ),
        (
            "Fn(\"sleep\").call(1) == ()",
            vec![
                "where:1:1: There is no function `Fn`; did you mean `find`?",
                "where:1:13: There is no function `call`; did you mean `all`?",
            ],
        ),
        ("eval(\"1\") == 1", vec!["where:1:1: Not readable from here on: reserved keyword 'eval' is disabled"]),
        // The trial run: an invoice without a due date is an error, a division by zero may never happen.
        (
            "as_of - invoice.due_on > 7",
            vec![
                "where:1:7: `-` has no meaning for a date and nothing; it was tried on an invoice without a due date: \
                 ask for `due_on != ()` first",
            ],
        ),
        (
            "invoice.open / invoice.days_overdue > 1",
            vec![
                "where:1:14: Division by zero: 4.99 / 0 (met on made-up data); \
                 make sure that the real data cannot do the same",
            ],
        ),
        ("if invoice.open > 0 { 5 } else { 6 }", vec!["where:1:1: A condition is true or false, but this gave a whole number"]),
        (
            "round_half_up(invoice.currency, 2) > 0",
            vec!["where:1:1: `round_half_up` has no meaning for a text and a whole number"],
        ),
        ("invoice.open = 5", vec!["where:1:14: Not readable from here on: Unexpected '='; compare with `==`"]),
        (
            "invoice.open > 5 and invoice.disputed",
            vec!["where:1:18: Not readable from here on: Unexpected 'and'; write `&&` for *and*"],
        ),
        ("", vec!["where:1:1: Not readable from here on: Script is incomplete"]),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn every_example_of_the_function_table_holds() {
    let sample = Sample::new(&Names::default(), &BTreeSet::new());
    let engine = sandbox::engine();
    for function in FUNCTIONS {
        let mut scope = Scope::new();
        let needs = Needs { balance: true, overdue: true, attributes: true, payments: true };
        let customer = sample.ledger.find_customer("C-1").unwrap();
        let items: rhai::Array = sample
            .ledger
            .documents_of(customer)
            .map(|place| rhai::Dynamic::from(InvoiceValue::new(&sample.ledger, DocumentIndex(place as u32), sample.as_of, needs)))
            .collect();
        scope.push_constant("customer", CustomerValue::new(&Account::of(&sample.ledger, DocumentIndex(0), sample.as_of), needs));
        scope.push_constant("invoice", items[0].clone());
        scope.push_constant("items", items);
        scope.push_constant("as_of", sample.as_of);
        scope.push_constant("level", LevelFacts { id: "second".into(), number: 2, repeat: 0 });
        let holds = engine.eval_with_scope::<bool>(&mut scope, function.example);
        assert!(matches!(holds, Ok(true)), "{}: {} gave {holds:?}", function.name, function.example);
        assert!(function.example.contains(function.name), "{}", function.name);
    }
}

#[test]
fn every_field_of_the_table_can_be_read() {
    for field in FIELDS {
        let owner = match field.owner {
            Kind::Invoice => "invoice",
            Kind::Customer => "customer",
            Kind::Date => "as_of",
            _ => continue,
        };
        compile(&format!("{owner}.{} == {owner}.{} || true", field.name, field.name));
    }
}

/// Returns a tree as lines: `outcome joint shown`, a part that is not asked in brackets.
fn tree(branch: &Branch, depth: usize, lines: &mut Vec<String>) {
    let outcome = match &branch.outcome {
        Ok(holds) => holds.to_string(),
        Err(fault) => format!("{}: {}", fault.place, fault.message),
    };
    let joint = match branch.joint {
        Joint::Test => "",
        Joint::All => "all ",
        Joint::Any => "any ",
        Joint::Not => "not ",
    };
    let line = format!("{joint}{} → {outcome}", branch.shown);
    lines.push(format!("{}{}", "  ".repeat(depth), if branch.is_asked { line } else { format!("[{line}]") }));
    branch.parts.iter().for_each(|part| tree(part, depth + 1, lines));
}

fn explained(text: &str, number: &str) -> Branch {
    let sample = Sample::new(&names(), &BTreeSet::new());
    let condition = Condition::compile(text, Topic::Invoice, &names(), &Locate::file("where", text)).unwrap().0;
    let document = sample.ledger.find_document(number).unwrap();
    condition.explain(&Account::of(&sample.ledger, document, sample.as_of), About::Document(document))
}

#[test]
fn an_explanation_is_a_tree_of_every_part_with_the_values_it_saw() {
    for (text, number, expected) in [
        ("invoice.open >= 5.00", "INV-3", "invoice.open (4.99) >= 5.00 → false"),
        ("!customer.tags.contains(\"vip\")", "INV-1", "!customer.tags ([\"vip\"]).contains(\"vip\") → false"),
        ("invoice.disputed", "INV-1", "invoice.disputed → false"),
        ("invoice.due_on == ()", "INV-5", "invoice.due_on (none) == () → true"),
        ("\"vip\" in customer.tags", "INV-3", "\"vip\" in customer.tags ([\"net30\", \"export\"]) → false"),
        ("invoice.currency in [\"USD\", \"CHF\"]", "INV-3", "invoice.currency (\"EUR\") in [\"USD\", \"CHF\"] → false"),
        ("customer.attributes.segment == \"x\"", "INV-3", "customer.attributes.segment (\"sample\") == \"x\" → false"),
        ("invoice.open * 2 > -7.5", "INV-3", "invoice.open (4.99) * 2 = 9.98 > -7.5 → true"),
        ("invoice.due_on < as_of - 7", "INV-3", "invoice.due_on (2026-11-21) < as_of (2026-11-21) - 7 = 2026-11-14 → false"),
        ("invoice.issued_on.month == 1", "INV-3", "invoice.issued_on (2026-09-12).month (9) == 1 → false"),
        ("round_half_up(invoice.open, 1) > 6", "INV-3", "round_half_up(invoice.open (4.99), 1) (5.0) > 6 → false"),
        (
            "customer.tags.some(|tag| tag.len > 3)",
            "INV-3",
            "customer.tags ([\"net30\", \"export\"]).some(|tag| tag.len > 3) → true",
        ),
        (
            "invoice.open >= 5.00 && // small change\n  !(customer.tags.contains(\"vip\") || invoice.disputed) && invoice.due_on < as_of",
            "INV-3",
            "all invoice.open >= 5.00 && !(customer.tags.contains(\"vip\") || invoice.disputed) && invoice.due_on < as_of → false
  invoice.open (4.99) >= 5.00 → false
  [not !(customer.tags.contains(\"vip\") || invoice.disputed) → true]
    [any (customer.tags.contains(\"vip\") || invoice.disputed) → false]
      [customer.tags ([\"net30\", \"export\"]).contains(\"vip\") → false]
      [invoice.disputed → false]
  [invoice.due_on (2026-11-21) < as_of (2026-11-21) → false]",
        ),
        (
            "invoice.due_on == () || customer.language == \"\" && invoice.disputed",
            "INV-5",
            "any invoice.due_on == () || customer.language == \"\" && invoice.disputed → true
  invoice.due_on (none) == () → true
  [all customer.language == \"\" && invoice.disputed → false]
    [customer.language (\"\") == \"\" → true]
    [invoice.disputed → false]",
        ),
        // Its own fault at its own place, though `holds` never comes so far.
        (
            "invoice.open > 5 &&\n  invoice.open / invoice.days_overdue > 1",
            "INV-3",
            "all invoice.open > 5 && invoice.open / invoice.days_overdue > 1 → false
  invoice.open (4.99) > 5 → false
  [invoice.open (4.99) / invoice.days_overdue (0) > 1 → where:2:16: Division by zero: 4.99 / 0]",
        ),
        // What cannot be cut is shown whole.
        (
            "if invoice.open > 1000 && invoice.disputed { true } else { false }",
            "INV-3",
            "if invoice.open (4.99) > 1000 && invoice.disputed (false) { true } else { false } → false",
        ),
    ] {
        let mut lines = Vec::new();
        tree(&explained(text, number), 0, &mut lines);
        assert_eq!(lines.join("\n"), expected, "{text}");
    }
}

#[test]
fn the_first_false_part_is_told_in_brief_and_the_same_on_many_days() {
    let sample = Sample::new(&names(), &BTreeSet::new());
    for (text, number, expected) in [
        ("invoice.open >= 5.00", "INV-3", Some("invoice.open (4.99) >= 5.00")),
        ("invoice.open >= 5.00", "INV-1", None),
        (
            "invoice.open > 4 &&\n  !customer.tags.contains(\"net30\") && false",
            "INV-3",
            Some("!customer.tags ([\"net30\", \"export\"]).contains(\"net30\")"),
        ),
        ("invoice.days_overdue > 12", "INV-2", Some("invoice.days_overdue (\u{1}) > 12")),
        ("invoice.due_on < as_of - 7", "INV-3", Some("invoice.due_on (2026-11-21) < as_of (\u{2}) - 7")),
        ("invoice.due_on != ()", "INV-5", Some("invoice.due_on (none) != ()")),
        ("invoice.disputed", "INV-3", Some("invoice.disputed")),
        ("!(invoice.open < 5 || invoice.disputed)", "INV-3", Some("!(invoice.open (4.99) < 5 || invoice.disputed (false))")),
        ("customer.attributes.segment == \"x\"", "INV-3", Some("customer.attributes.segment (\"sample\") == \"x\"")),
        ("round_half_up(invoice.open, 1) > 6", "INV-3", Some("round_half_up(invoice.open (4.99), 1) > 6")),
        ("invoice.issued_on.month == 1", "INV-3", Some("invoice.issued_on (2026-09-12).month == 1")),
        (
            "invoice.disputed || invoice.open > 9 && invoice.open < 99",
            "INV-3",
            Some("invoice.disputed (false) || invoice.open (4.99) > 9 && invoice.open (4.99) < 99"),
        ),
    ] {
        let condition = compile(text);
        let document = sample.ledger.find_document(number).unwrap();
        let account = Account::of(&sample.ledger, document, sample.as_of);
        let brief = condition.first_false(&account, About::Document(document));
        assert_eq!(brief.as_deref(), expected, "{text}");
    }
    let brief = "invoice.days_overdue (\u{1}) > 12 && as_of (\u{2})";
    assert_eq!(
        crate::script::filled(brief, date(2026, 11, 21), Some(date(2026, 11, 11))),
        "invoice.days_overdue (10) > 12 && as_of (2026-11-21)"
    );
}

#[test]
fn the_decisive_tests_are_those_that_made_the_outcome() {
    for (text, number, expected) in [
        ("invoice.open >= 5.00 && invoice.disputed", "INV-3", vec!["invoice.open (4.99) >= 5.00"]),
        ("invoice.open >= 4.00 && invoice.disputed", "INV-3", vec!["invoice.disputed"]),
        ("invoice.open >= 5.00 || invoice.disputed", "INV-3", vec!["invoice.open (4.99) >= 5.00", "invoice.disputed"]),
        ("!(invoice.open < 5.00 && true)", "INV-3", vec!["invoice.open (4.99) < 5.00", "true"]),
        (
            "invoice.open < 5.00 && (invoice.disputed || invoice.open > 9)",
            "INV-3",
            vec!["invoice.disputed", "invoice.open (4.99) > 9"],
        ),
    ] {
        let branch = explained(text, number);
        let shown: Vec<&str> = branch.decisive().into_iter().map(|test| test.shown.as_str()).collect();
        assert_eq!(shown, expected, "{text}");
    }
}

#[test]
fn a_condition_nested_without_end_is_refused() {
    let text = format!("{}true{}", "(".repeat(5_000), ")".repeat(5_000));
    let found = problems(&text);
    assert!(found[0].ends_with("The expression is nested too deep"), "{found:?}");
    let long = format!("true{}", " || true".repeat(SOURCE_BYTES_MAX / 8));
    assert_eq!(problems(&long), ["where:1:1: The condition has 262148 bytes; at most 262144 are read"]);
}

#[test]
fn conditions_and_scripts_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Condition>();
    shared::<crate::script::Script>();
}

proptest! {
    /// The heart of the matter: a text means one thing, whoever judges it.
    #[test]
    fn the_typed_tree_and_rhai_agree(
        text in expressions(),
        documents in proptest::collection::vec((0..3u8, -200..200i64, -60..60i32, any::<bool>(), 0..4u8), 1..5),
        day in -40..40i32,
    ) {
        let ledger = ledger(&documents);
        let as_of = crate::domain::date::shifted(date(2026, 11, 21), day);
        let engine = sandbox::engine();
        let mut scope = Scope::new();
        for (name, _) in Topic::Invoice.variables() {
            scope.push_constant(*name, ());
        }
        let ast = engine.compile_expression_with_scope(&scope, &text).unwrap();
        let fast = check::expression(&ast).as_ref().and_then(Test::read);
        prop_assert!(fast.is_some(), "{} is not in the simple part", text);
        let needs = Needs { balance: true, overdue: true, attributes: true, payments: true };
        let brief = Brief::prepare(&engine, &scope, Topic::Invoice.variables(), &text, true);
        let inner = Inner { text: text.clone(), topic: Topic::Invoice, engine, ast, fast, brief, needs, asks_disputed: false, asks_day: true, branches: None, locate: Locate::file("where", &text) };
        let condition = Condition(Arc::new(inner));
        for index in (0..documents.len() as u32).map(DocumentIndex) {
            let account = Account::of(&ledger, index, as_of);
            let by_rhai = condition.holds_about(&account, About::Document(index));
            let tree = condition.explain(&account, About::Document(index));
            prop_assert_eq!(tree.outcome.as_ref().ok(), by_rhai.as_ref().ok(), "{}: the tree says otherwise", text);
            prop_assert!(!tree.decisive().is_empty(), "{}: nothing decides", text);
            let is_told = condition.first_false(&account, About::Document(index)).is_some();
            prop_assert!(by_rhai.is_err() || is_told == (by_rhai == Ok(false)), "{}: what is false is told in brief", text);
            match condition.0.fast.as_ref().unwrap().holds(&View::new(&account, index)) {
                Some(fast) => prop_assert_eq!(Ok(fast), by_rhai, "{}", text),
                // The typed tree gives up only where rhai meets a fault, and that fault is what the caller gets.
                None => {
                    prop_assert!(by_rhai.is_err(), "{} was given up", text);
                    prop_assert_eq!(condition.holds(&account, index), by_rhai, "{}", text);
                }
            }
        }
    }
}

proptest! {
    /// What a forecast does not ask again has not changed.
    #[test]
    fn a_condition_answers_as_it_does_until_the_day_it_names(
        text in expressions(),
        documents in proptest::collection::vec((0..3u8, -200..200i64, -60..60i32, any::<bool>(), 0..4u8), 1..4),
        // All of them are there: before it was issued a document's figures are others.
        day in -32..60i32,
    ) {
        let ledger = ledger(&documents);
        let as_of = crate::domain::date::shifted(date(2026, 11, 21), day);
        let names = Names { invoice_attributes: Some(vec!["project".into(), "absent".into()]), ..Names::default() };
        let Ok((condition, _)) = Condition::compile(&text, Topic::Invoice, &names, &Locate::file("where", &text)) else { return Ok(()) };
        for index in (0..documents.len() as u32).map(DocumentIndex) {
            let account = Account::of(&ledger, index, as_of);
            let (holds, until) = (condition.holds(&account, index), condition.lasts_until(&account, index));
            prop_assert!(until > as_of);
            for ahead in 1..90 {
                let later = crate::domain::date::shifted(as_of, ahead);
                if later >= until {
                    break;
                }
                let then = condition.holds(&Account::of(&ledger, index, later), index);
                prop_assert_eq!(&then, &holds, "{} on {}, told on {} to last until {}", text, later, as_of, until);
            }
        }
    }
}

#[test]
fn what_turns_on_a_day_is_asked_again_on_that_day() {
    let ledger = ledger(&[(0, 100, -10, false, 0)]);
    let as_of = date(2026, 11, 21);
    for (text, until) in [
        ("invoice.open > 5 && customer.tags.contains(\"vip\")", None),
        ("invoice.days_overdue > 10", Some(date(2026, 11, 22))),
        ("invoice.days_overdue > 14", Some(date(2026, 11, 25))),
        ("invoice.days_overdue > 3", None),
        ("invoice.due_on <= as_of - 14", Some(date(2026, 11, 25))),
        ("invoice.due_on <= as_of - 3", None),
        // One part that is false for good decides, one that is true for good does not.
        ("invoice.days_overdue > 14 && invoice.open > 500", None),
        ("invoice.days_overdue > 14 && invoice.open > 5", Some(date(2026, 11, 25))),
        ("invoice.days_overdue > 14 || invoice.open > 5", None),
        ("customer.overdue > 5", Some(date(2026, 11, 22))),
        // Once the first part comes to the column, it may fail.
        (
            "(invoice.days_overdue < 12 || invoice.attributes.absent == \"x\") && as_of == date(\"2030-01-01\")",
            Some(date(2026, 11, 23)),
        ),
        // rhai judges these: those that calculate with the day are asked each day.
        ("invoice.total - invoice.open < 3", None),
        ("invoice.days_overdue % 7 == 0", Some(date(2026, 11, 22))),
    ] {
        let (condition, _) = Condition::compile(text, Topic::Invoice, &Names::default(), &Locate::file("where", text)).unwrap();
        let account = Account::of(&ledger, DocumentIndex(0), as_of);
        assert_eq!(condition.lasts_until(&account, DocumentIndex(0)), until.unwrap_or(Date::MAX), "{text}");
    }
}

/// Expressions of the simple part, faults included: a column that is not there, a day beyond the calendar.
fn expressions() -> impl Strategy<Value = String> {
    let comparison = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let whole = || prop_oneof![(-70..70i64).prop_map(|value| value.to_string()), Just("invoice.days_overdue".to_owned())];
    let number = || {
        prop_oneof![
            3 => prop::sample::select(vec!["invoice.open", "invoice.total", "customer.balance", "customer.overdue"])
                .prop_map(str::to_owned),
            2 => (-200..200i64, 0..3u32).prop_map(|(value, scale)| rust_decimal::Decimal::new(value, scale).to_string()),
            1 => whole(),
        ]
    };
    let day = || {
        let fixed = prop::sample::select(vec!["as_of", "invoice.issued_on", "date(\"2026-11-14\")"]).prop_map(str::to_owned);
        let shift = prop_oneof![8 => 0..60i64, 1 => Just(9_999_999_999i64), 1 => Just(5_000_000i64)];
        prop_oneof![
            2 => fixed.clone(),
            2 => (fixed, prop::sample::select(vec!["+", "-"]), shift).prop_map(|(day, sign, days)| format!("{day} {sign} {days}")),
            2 => Just("invoice.due_on".to_owned()),
            1 => Just("()".to_owned()),
        ]
    };
    let text = || {
        prop::sample::select(vec![
            "invoice.number",
            "invoice.currency",
            "customer.id",
            "customer.name",
            "customer.language",
            "invoice.attributes.project",
            "customer.attributes.segment",
            "invoice.attributes.absent",
            "\"EUR\"",
            "\"A\"",
            "\"\"",
            "\"vip\"",
        ])
    };
    let leaf = prop_oneof![
        (whole(), comparison(), whole()).prop_map(|(a, c, b)| format!("{a} {c} {b}")),
        (number(), comparison(), number()).prop_map(|(a, c, b)| format!("{a} {c} {b}")),
        (day(), comparison(), day()).prop_map(|(a, c, b)| format!("({a}) {c} ({b})")),
        (text(), comparison(), text()).prop_map(|(a, c, b)| format!("{a} {c} {b}")),
        (text(), prop::sample::select(vec!["contains", "starts_with", "ends_with"]), text())
            .prop_map(|(a, method, b)| format!("{a}.{method}({b})")),
        text().prop_map(|tag| format!("customer.tags.contains({tag})")),
        (text(), text()).prop_map(|(a, b)| format!("{a} in {b}")),
        text().prop_map(|tag| format!("{tag} in customer.tags")),
        text().prop_map(|tag| format!("{tag} !in customer.tags")),
        (text(), proptest::collection::vec(text(), 0..4)).prop_map(|(a, all)| format!("{a} in [{}]", all.join(", "))),
        prop::sample::select(vec!["invoice.disputed", "invoice.is_credit_note", "true", "false"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} || {b} && {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) == ({b})")),
        ]
    })
}

/// Documents as (customer, cents open, days to the due date, disputed, text), spread over three customers.
fn ledger(documents: &[(u8, i64, i32, bool, u8)]) -> Ledger {
    use crate::domain::customer::{Contacts, Customer};
    use crate::domain::document::{Document, DocumentKind};
    use crate::domain::id::{CustomerId, DocumentNumber, Language};
    use crate::domain::money::Currency;
    let mut builder = LedgerBuilder::new(vec!["segment".into()], vec!["project".into()], vec![]);
    for (id, language, tags) in [("A", Some("eur"), vec!["vip"]), ("B", None, vec![]), ("C", Some("de"), vec!["A", "EUR"])] {
        let customer = Customer {
            id: CustomerId::new(id),
            name: format!("{id} vip").into(),
            language: language.map(Language::new),
            tags: tags.into_iter().map(compact_str::CompactString::from).collect(),
            contacts: Contacts::default(),
            hold_until: None,
            row: 0,
        };
        builder.add_customer(customer, ["A"].into_iter()).unwrap();
    }
    for (index, (customer, cents, due, disputed, text)) in documents.iter().enumerate() {
        let due_on = crate::domain::date::shifted(date(2026, 11, 21), *due);
        let document = Document {
            number: DocumentNumber::new(format!("A{index}")),
            customer: builder.find_customer(["A", "B", "C"][usize::from(*customer)]).unwrap(),
            kind: DocumentKind::Invoice,
            currency: Currency::parse(["EUR", "USD"][usize::from(text % 2)]).unwrap(),
            issued_on: date(2026, 10, 20),
            due_on: (*text != 3).then_some(due_on),
            settled_on: None,
            total: rust_decimal::Decimal::new(*cents, 1),
            open: None,
            disputed: *disputed,
            approved: true,
            hold_until: None,
            promised_on: None,
            row: 0,
        };
        builder.add_invoice(document, [["", "A", "vip", "EUR"][usize::from(*text)]].into_iter()).unwrap();
    }
    builder.finish()
}
