//! Terms as people write them: what is refused, in which words, and what a template is given.

use rhai::Scope;

use super::*;
use crate::domain::rate_table::{RateStep, RateTable};
use crate::script::library::working_week;
use crate::script::sample::Sample;
use crate::script::sandbox;
use crate::script::values::Needs;
use jiff::civil::date;
use rust_decimal::dec;
use std::collections::BTreeSet;

fn tables() -> Arc<RateTables> {
    let steps = vec![RateStep { from: date(2026, 7, 1), percent: dec!(2.00) }];
    let [name, title, source, file] = ["bank", "Rates", "The bank", "rates/bank.yaml"].map(String::from);
    let table = RateTable { name, title, source, file, steps, valid_to: date(2026, 12, 31) };
    Arc::new(RateTables::from([("bank".to_owned(), Arc::new(table))]))
}

/// Evaluates an expression over the sample's customer C-1 on `as_of`; gives the value in words, or the fault and its blame.
fn eval(text: &str, as_of: Date) -> Result<String, (String, Blame)> {
    let engine = sandbox::build(working_week(), tables());
    let sample = Sample::new(&crate::script::Names::default(), &BTreeSet::from(["default_since".to_owned()]));
    let needs = Needs { attributes: true, payments: true, ..Needs::default() };
    let invoice = |number: &str| {
        let index = sample.ledger.find_document(number).unwrap();
        Dynamic::from(InvoiceValue::new(&sample.ledger, index, as_of, needs))
    };
    let mut scope = Scope::new();
    scope.push_constant("items", ["INV-1", "INV-2"].map(invoice).to_vec());
    scope.push_constant("dollars", invoice("INV-4"));
    scope.push_constant("part_paid", invoice("INV-5"));
    scope.push_constant("level", LevelFacts { id: "second".into(), number: 2, repeat: 0 });
    let locate = crate::script::Locate::file("a.rhai", text);
    let value = engine.eval_with_scope::<Dynamic>(&mut scope, text);
    let value = value.map_err(|error| {
        let (fault, blame) = crate::script::fault::runtime(*error, Position::new(1, 1), &locate);
        (fault.message, blame)
    })?;
    let mut left = 1_000;
    Ok(crate::script::results::variable("result", value, 8, &mut left).map_or_else(|fault| fault, |value| format!("{value:?}")))
}

#[test]
fn terms_that_make_no_sense_are_the_scripts_fault_whatever_the_data() {
    for (terms, expected) in [
        ("#{}", "The terms say no `mode`: \"claim\" asks for the sums, \"mention\" only shows them"),
        ("#{ mode: \"claim\" }", "The terms name one of `rate`, `monthly_rate` and `table`, not none"),
        (
            "#{ mode: \"claim\", rate: 5, table: \"bank\" }",
            "The terms name one of `rate`, `monthly_rate` and `table`, not rate and table",
        ),
        ("#{ mode: \"claim\", rate: 5, points: 8 }", "`points` goes with a `table`, not with `rate`"),
        ("#{ mode: \"demand\", rate: 5 }", "`mode` is \"claim\" or \"mention\", not \"demand\""),
        ("#{ mode: \"claim\", rate: 5, raet: 1 }", "There is no term `raet`; did you mean `rate`?"),
        (
            "#{ mode: \"claim\", rate: 5, percent: 1 }",
            "There is no term `percent`; known are: rate, monthly_rate, table, points, rate_of, \
            rate_at_most, day_count, rounding, mode, from_level, interest_on, interest_at_most, fixed_sum, fees, starts_on, start_column, law, basis",
        ),
        ("#{ mode: \"claim\", table: \"bnak\" }", "There is no table of rates `bnak`; did you mean `bank`?"),
        ("#{ mode: \"claim\", rate: \"five\" }", "`rate` is a number, not `five`"),
        ("#{ mode: \"claim\", rate: -1 }", "`rate` is -1; it cannot be below 0"),
        ("#{ mode: \"claim\", rate: 1001 }", "`rate` is 1001 percent; at most 1000 are taken"),
        (
            "#{ mode: \"claim\", rate: 5, day_count: \"360\" }",
            "`day_count` is \"actual/365\" or \"actual/actual\" or \"30/360\", not \"360\"",
        ),
        ("#{ mode: \"claim\", rate: 5, from_level: 0 }", "`from_level` is a level's number from 1 on, not a whole number"),
        (
            "#{ mode: \"claim\", rate: 5, starts_on: \"2026-01-01\" }",
            "`starts_on` is a day such as date(\"2026-11-21\"), not `2026-01-01`",
        ),
        (
            "#{ mode: \"claim\", rate: 5, fixed_sum: 40 }",
            "`fixed_sum` is amounts by currency, such as `#{ EUR: 40 }` or `#{ GBP: [[0, 40], [1000, 70]] }`, not a whole number",
        ),
        ("#{ mode: \"claim\", rate: 5, fixed_sum: #{ EURO: 40 } }", "`EURO` in `fixed_sum` is not a currency code such as EUR"),
        (
            "#{ mode: \"claim\", rate: 5, fixed_sum: #{ EUR: [[1000, 70], [0, 40]] } }",
            "`fixed_sum` has amounts by currency, such as `#{ EUR: 40 }` or `#{ GBP: [[0, 40], [1000, 70]] }`; what is given for EUR is none",
        ),
        (
            "#{ mode: \"claim\", rate: 5, fees: #{ EUR: [] } }",
            "`fees` has amounts by currency, such as `#{ EUR: [0, 2.50, 5] }`; what is given for EUR is none",
        ),
        ("#{ mode: \"claim\", rate: 5, start_column: \"since\" }", "`start_column`: the documents' files have no column `since`"),
    ] {
        let fault = eval(&format!("late_payment(items, level, {terms})"), date(2026, 11, 21)).unwrap_err();
        assert_eq!(fault, (expected.to_owned(), Blame::Script), "{terms}");
    }
    let mixed = eval("late_payment([items[0], dollars], level, #{ mode: \"claim\", rate: 5 })", date(2026, 11, 21)).unwrap_err();
    assert_eq!(mixed.0, "The items are in EUR and USD; a claim is in one currency");
    let other = eval("surcharge(money(1, \"EUR\"), #{ rate: 5 })", date(2026, 11, 21)).unwrap_err();
    assert_eq!(other.0, "There is no term `rate`; known are: percent, fixed, at_most");
}

#[test]
fn a_day_without_a_rate_is_the_days_fault_and_names_the_table_and_the_invoice() {
    let text = "late_payment(items, level, #{ mode: \"claim\", table: \"bank\", points: 8 })";
    let (message, blame) = eval(text, date(2027, 1, 1)).unwrap_err();
    assert_eq!(blame, Blame::Unproven);
    assert_eq!(
        message,
        "The rates `bank` were checked up to 2026-12-31; there is none for 2027-01-01: add the rates since then, and a later \
         `valid_to` (invoice `INV-1`)"
    );
    let of_data =
        eval("late_payment(dollars, level, #{ mode: \"claim\", rate: 5, fees: #{ EUR: [5] } })", date(2026, 12, 15)).unwrap_err();
    assert_eq!(of_data, ("`fees` has no amount in USD: add one, 0 for none".to_owned(), Blame::Data));
    let in_column = "late_payment(items, level, #{ mode: \"claim\", rate: 5, start_column: \"default_since\" })";
    let (message, blame) = eval(in_column, date(2026, 11, 21)).unwrap_err();
    assert_eq!(
        (message.as_str(), blame),
        ("`sample` in `default_since` of invoice `INV-1` is not a date such as 2026-11-21", Blame::Unproven)
    );
}

#[test]
fn figures_can_be_looked_into_and_go_to_templates_whole() {
    let as_of = date(2026, 11, 21);
    let claim = "let c = late_payment(items, level, #{ mode: \"claim\", table: \"bank\", points: 7, fees: #{ EUR: [0, 5] } });";
    // INV-1, 1,200.00, 40 days at 9 %: 11.84; INV-2, 380.50, 7 days: 0.66.
    for (ask, expected) in [
        ("c.interest == money(12.50, \"EUR\")", "Boolean(true)"),
        ("c.fee == money(5, \"EUR\") && c.total == money(17.50, \"EUR\")", "Boolean(true)"),
        ("c.amount_asked == money(1598.00, \"EUR\")", "Boolean(true)"),
        ("c.items.len()", "Integer(2)"),
        ("c.items[0].lines[0].rate", "Decimal(9)"),
        ("c.items[1].lines[0].days", "Integer(7)"),
        ("c.items.map(|i| i.number)[1]", "Text(\"INV-2\")"),
    ] {
        assert_eq!(eval(&format!("{claim} {ask}"), as_of).as_deref(), Ok(expected), "{ask}");
    }
    assert_eq!(eval(&format!("{claim} c.intrest"), as_of).unwrap_err().0, "There is no `intrest` here");
    let whole = eval(&format!("{claim} c"), as_of).unwrap();
    assert!(whole.starts_with("Map({\"amount_asked\": Money(Money { amount: 1598.00, currency: EUR })"), "{whole}");
    // Nothing is late: nothing.
    assert_eq!(eval(&format!("{claim} c"), date(2026, 10, 1)).as_deref(), Ok("Nothing"));
    assert_eq!(eval("late_payment([], level, #{ mode: \"claim\", rate: 5 })", as_of).as_deref(), Ok("Nothing"));
    // Without a due date an invoice is late only from a day that is said.
    assert_eq!(eval("late_payment(part_paid, level, #{ mode: \"claim\", rate: 5 })", as_of).as_deref(), Ok("Nothing"));
    let since = "late_payment(part_paid, level, #{ mode: \"claim\", rate: 10, starts_on: date(\"2026-10-24\") })";
    // 100.00 for 10 days, 60.00 for 19: 0.2740 + 0.3123 = 0.59.
    assert_eq!(eval(&format!("{since}.interest == money(0.59, \"EUR\")"), as_of).as_deref(), Ok("Boolean(true)"));
    assert_eq!(eval("part_paid.payments.len()", as_of).as_deref(), Ok("Integer(1)"));
    assert_eq!(eval("part_paid.payments[0].received_on == date(\"2026-11-02\")", as_of).as_deref(), Ok("Boolean(true)"));
    assert_eq!(eval("part_paid.payments.len()", date(2026, 11, 1)).as_deref(), Ok("Integer(0)"));
}

#[test]
fn every_term_of_the_table_is_read() {
    // A value of a wrong kind is refused by each term that is read; one that nothing reads would pass.
    for Term { taker, name, .. } in TERMS {
        let usual = if ["rate", "monthly_rate", "table"].contains(name) { "" } else { "rate: 5, " };
        let usual = if ["points", "rate_of"].contains(name) { "table: \"bank\", " } else { usual };
        let mode = if *name == "mode" { "" } else { "mode: \"claim\", " };
        let call = match taker {
            Taker::Interest => {
                format!("interest(money(1, \"EUR\"), date(2026, 7, 1), date(2026, 7, 2), #{{ {usual}{name}: true }})")
            }
            Taker::Claim => format!("late_payment(items, level, #{{ {usual}{mode}{name}: true }})"),
            Taker::Surcharge => format!("surcharge(money(1, \"EUR\"), #{{ {name}: true }})"),
        };
        let fault = eval(&call, date(2026, 11, 21)).expect_err(&call).0;
        assert!(fault.starts_with(&format!("`{name}` is ")), "{call}: {fault}");
    }
}
