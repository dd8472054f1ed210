//! Scripts: what is refused when they load, what bounds them, and what becomes of their results.

use super::*;
use crate::domain::date::Date;
use crate::domain::ledger::{CustomerIndex, Ledger};
use crate::domain::money::{Currency, Money};
use crate::script::RecipientName;
use jiff::civil::date;
use rust_decimal::dec;

fn names() -> Names {
    let recipient_keys = ["billing", "management"].map(RecipientKey::new).into();
    Names { recipient_keys, ..Names::default() }
}

fn problems(text: &str) -> Vec<String> {
    match Script::compile(text, &names(), &Locate::file("a.rhai", text)) {
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn compile(text: &str) -> Script {
    match Script::compile(text, &names(), &Locate::file("a.rhai", text)) {
        Ok((script, warnings)) if warnings.is_empty() => script,
        _ => panic!("{text}: {:#?}", problems(text)),
    }
}

/// The sample's first customer with its two items.
fn with_first_customer<T>(ask: impl FnOnce(&Ledger, CustomerIndex, &[DocumentIndex], Date) -> T) -> T {
    let sample = Sample::new(&names(), &BTreeSet::new());
    let customer = sample.ledger.find_customer("C-1").unwrap();
    let items: Vec<DocumentIndex> = sample.ledger.documents_of(customer).map(|place| DocumentIndex(place as u32)).collect();
    ask(&sample.ledger, customer, &items, sample.as_of)
}

fn level() -> LevelFacts {
    LevelFacts { id: "second".into(), number: 2, repeat: 0 }
}

#[test]
fn what_is_wrong_with_a_script_is_found_when_it_loads() {
    for (text, expected) in [
        ("fn recipients(customer, items, level) { [\"billing\"] }", vec![]),
        (
            "fn recipeints(customer, items, level) { [\"billing\"] }",
            vec!["a.rhai:1:4: Nothing calls the function `recipeints`; did you mean `recipients`?"],
        ),
        ("fn select(customer) { [] }", vec!["a.rhai:1:4: `select` takes 2 values, not 1; write `fn select(customer, items)`"]),
        (
            "fn variables(customer, items, level) {\n  #{ total: sum_opne(items) }\n}",
            vec!["a.rhai:2:13: There is no function `sum_opne`; did you mean `sum_open`?"],
        ),
        // Neither branch is taken by the trial run.
        (
            "fn select(customer, items) {\n  if customer.id == \"never\" { items.filtre(|i| i.opne > 5) } else { items }\n}",
            vec![
                "a.rhai:2:37: There is no function `filtre`; did you mean `filter`?",
                "a.rhai:2:50: Nothing here has a field `opne`; did you mean `open`?",
            ],
        ),
        (
            "fn select(customer, items) { customer.name = \"x\"; items }",
            vec!["a.rhai:1:30: `customer` cannot be changed; put the new value into a variable of your own: `let x = …`"],
        ),
        (
            "let x = 1;\nfn select(customer, items) { items }",
            vec![
                "a.rhai:1:1: This stands outside all functions, so it would never run; move it into a function, or make it \
                 a `const`, read as `global::NAME`",
            ],
        ),
        ("const TOP = 5;\nfn select(customer, items) { items.filter(|i| i.open > global::TOP) }", vec![]),
        ("fn select(customer, items) { big(items) }\nfn big(items) { items.filter(|i| i.open > 5) }", vec![]),
        ("private fn later() { 1 }\nfn select(customer, items) { items }", vec![]),
        (
            "fn select(customer, items) { big(items, 3) }\nfn big(items) { items }",
            vec!["a.rhai:1:30: `big` takes 1 values, not 2"],
        ),
        ("fn select(customer, items) { itmes }", vec!["a.rhai:1:30: `itmes` is not known here; did you mean `items`?"]),
        (
            "fn select(customer, items) { import \"other\" as o; items }",
            vec!["a.rhai:1:30: Not readable from here on: 'import' is a reserved keyword"],
        ),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn a_script_without_bounds_is_stopped_at_load() {
    for (body, expected) in [
        ("loop { }", "a.rhai:1:4: Stopped after 500000 steps: is there a loop without end?"),
        ("items.filter(|i| { loop { } })", "a.rhai:1:36: Stopped after 500000 steps: is there a loop without end?"),
        ("again(items)", "a.rhai:1:4: Calls are nested deeper than 32"),
        ("let t = \"x\"; loop { t += t; }", &grew("Length of string")),
        ("let l = [1]; loop { l.push(1); }", &grew("Size of array/BLOB")),
        ("let l = [1]; loop { l += l; }", &grew("Size of array/BLOB")),
        ("for i in 0..9000000000 { } items", "a.rhai:1:4: Stopped after 500000 steps: is there a loop without end?"),
        // Bounded by the steps before it is by its size.
        (
            "let m = #{}; let n = 0; loop { m[`k${n}`] = n; n += 1; }",
            "a.rhai:1:4: Stopped after 500000 steps: is there a loop without end?",
        ),
        // A native function counts as one step, so those that run or grow as long as they are told are not offered.
        (
            "for i in range(0, 9000000000) { } items",
            "a.rhai:1:39: There is no function `range`; docs/reference/script-functions.md lists all functions",
        ),
        (
            "\"x\".pad(100000000, \"y\"); items",
            "a.rhai:1:34: There is no function `pad`; docs/reference/script-functions.md lists all functions",
        ),
    ] {
        let text = format!("fn select(customer, items) {{ {body} }}\nprivate fn again(items) {{ again(items) }}");
        assert_eq!(problems(&text), [expected], "{body}");
    }
}

fn grew(what: &str) -> String {
    format!("a.rhai:1:4: {what} grew beyond its limit (texts 65536 bytes, lists 10000 members, maps 1000 entries)")
}

#[test]
fn a_selection_is_of_the_items_given_each_once() {
    for (body, expected) in [
        ("items", Ok("INV-1 INV-2")),
        ("items.filter(|i| i.open > 1000)", Ok("INV-1")),
        ("[]", Ok("")),
        ("items.filter(|i| i.due_on < as_of - 10)", Ok("INV-1")),
        ("let limit = 1000; items.filter(|i| i.open > limit)", Ok("INV-1")),
        ("late(items)", Ok("INV-1")),
        ("items + items", Err("`select` returned an item twice")),
        ("[items[0], customer]", Err("`select` returned a list with the customer; it may hold items only")),
        ("items.len()", Err("`select` returned a whole number, not a list of items")),
        ("if as_of == date(\"2026-11-21\") { [items[1]] } else { [] }", Ok("INV-2")),
    ] {
        let text = format!(
            "fn select(customer, items) {{ if items.len() < 2 {{ return items; }} {body} }}\n\
             private fn late(items) {{ items.filter(|i| i.due_on < as_of - 10) }}"
        );
        let found = match Script::compile(&text, &names(), &Locate::file("a.rhai", &text)) {
            Err(problems) => Err(problems[0].message.clone()),
            Ok((script, _)) => Ok(with_first_customer(|ledger, _, items, as_of| {
                let chosen = script.select(&Account::of(ledger, items[0], as_of), items).unwrap().unwrap();
                chosen.iter().map(|item| ledger.document(*item).number.to_string()).collect::<Vec<_>>().join(" ")
            })),
        };
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{body}");
    }
}

#[test]
fn a_selection_of_a_foreign_item_is_refused() {
    let script = compile("fn select(customer, items) { items }");
    with_first_customer(|ledger, customer, items, as_of| {
        let account = Account::new(ledger, customer, ledger.document(items[0]).currency, as_of);
        let stray = script
            .call("select", &Call { account: &account, items, level: None }, |result| results::selection(result, &items[..1]));
        assert_eq!(stray.unwrap().unwrap_err().0.message, "`select` returned an item it was not given");
    });
}

#[test]
fn recipients_are_known_keys_and_addresses() {
    let key = |key: &str| RecipientName::Key(RecipientKey::new(key));
    let address = RecipientName::Address("cfo@acme.example".into());
    let none = RecipientChoice::default();
    for (body, expected) in [
        ("[\"billing\"]", Ok(RecipientChoice { to: Some(vec![key("billing")]), ..none.clone() })),
        (
            "#{ to: [\"management\", \"cfo@acme.example\"], cc: [] }",
            Ok(RecipientChoice { to: Some(vec![key("management"), address]), cc: Some(vec![]), bcc: None }),
        ),
        ("()", Ok(none.clone())),
        ("[]", Err("`recipients` returned nobody as `to`")),
        ("[\"biling\"]", Err("`recipients` returned `biling` in `to`, which is unknown; did you mean `billing`?")),
        ("[\"a@@b\"]", Err("`recipients` returned `a@@b` in `to`, which is neither a recipient key nor an address")),
        (
            "[\"a@b.example\\r\\nBcc: c@d.example\"]",
            Err(
                "`recipients` returned `a@b.example\r\nBcc: c@d.example` in `to`, which is neither a recipient key nor an address",
            ),
        ),
        ("#{ too: [] }", Err("`recipients` returned a map with `too`; it may hold `to`, `cc` and `bcc`")),
        ("#{ cc: \"billing\" }", Err("`recipients` returned a text as `cc`, not a list")),
        ("5", Err("`recipients` returned a whole number, not a list or a map with `to`, `cc`, `bcc`")),
        (
            "if level.number == 2 { [level.id + \"@acme.example\"] } else { () }",
            Ok(RecipientChoice { to: Some(vec![RecipientName::Address("second@acme.example".into())]), ..none.clone() }),
        ),
    ] {
        let text = format!("fn recipients(customer, items, level) {{ {body} }}");
        let found = match Script::compile(&text, &names(), &Locate::file("a.rhai", &text)) {
            Err(problems) => Err(problems[0].message.clone()),
            Ok((script, _)) => Ok(with_first_customer(|ledger, _, items, as_of| {
                script.recipients(&Account::of(ledger, items[0], as_of), items, &level()).unwrap().unwrap()
            })),
        };
        assert_eq!(found, expected.map_err(str::to_owned), "{body}");
    }
}

#[test]
fn variables_keep_their_exact_kind() {
    let script = compile(
        "fn variables(customer, items, level) {\n  #{ pay_by: as_of + 7, name: customer.name, n: 3, rate: 0.1 + 0.2, flag: true, none: (),\n     \
         fee: money(40, \"EUR\"), list: [1, \"a\"], map: #{ third: 1 / 3 * 3 } }\n}",
    );
    let given =
        with_first_customer(|ledger, _, items, as_of| script.variables(&Account::of(ledger, items[0], as_of), items, &level()));
    let fee = Money { amount: dec!(40), currency: Currency::parse("EUR").unwrap() };
    let expected = [
        ("pay_by", Variable::Date(date(2026, 11, 28))),
        ("name", Variable::Text("Alder Works".into())),
        ("n", Variable::Integer(3)),
        ("rate", Variable::Decimal(dec!(0.3))),
        ("flag", Variable::Boolean(true)),
        ("none", Variable::Nothing),
        ("fee", Variable::Money(fee)),
        ("list", Variable::List(vec![Variable::Integer(1), Variable::Text("a".into())])),
        ("map", Variable::Map([("third".to_owned(), Variable::Decimal(dec!(0.9999999999999999999999999999)))].into())),
    ];
    assert_eq!(given, Ok(expected.map(|(name, value)| (name.to_owned(), value)).into()));
    assert_eq!(
        script.variable_names().iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        "fee flag list map n name none pay_by rate"
    );
}

#[test]
fn a_fault_at_run_time_names_its_line() {
    let text = "fn variables(customer, items, level) {\n  let first = items.find(|i| i.open > 1000);\n  if first == () { return #{}; }\n  \
                #{ share: first.open / (first.days_overdue - 40) }\n}";
    let (script, warnings) = Script::compile(text, &names(), &Locate::file("a.rhai", text)).unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let message = "Division by zero: 1200.00 / 0";
    assert_eq!(
        warnings[0],
        format!("a.rhai:4:24: {message} (met on made-up data); make sure that the real data cannot do the same")
    );
    let fault =
        with_first_customer(|ledger, _, items, as_of| script.variables(&Account::of(ledger, items[0], as_of), items, &level()));
    assert_eq!(
        fault,
        Err(ScriptFault { message: message.into(), place: crate::domain::problem::Place::within("a.rhai", text, 4, 24, 1) })
    );
}

#[test]
fn hooks_that_are_not_defined_change_nothing() {
    let script = compile("fn select(customer, items) { items }");
    with_first_customer(|ledger, _, items, as_of| {
        let account = Account::of(ledger, items[0], as_of);
        assert_eq!(script.recipients(&account, items, &level()), None);
        assert_eq!(script.variables(&account, items, &level()), Ok(BTreeMap::new()));
    });
}
