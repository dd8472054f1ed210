//! Reading whole files of cases: what is right is read, and every problem is told at its place.

use std::collections::BTreeMap;

use super::*;
use crate::domain::id::{SenderId, TemplateName};
use crate::rule::{self, RuleFile};
use crate::ruletest::ledger::RowReader;
use crate::yaml::{self, Problems};

const RULES: [&str; 2] = [
    "id: overdue\nkind: reminder\nlevels:\n  - { id: first, when: 7 days after due, template: t }\n  \
     - { id: second, when: 21 days after due, template: t }\nfrom: r\nto: [billing]\n",
    "id: monthly\nkind: statement\nperiod: previous month\nform: open_item\ntemplate: t\nfrom: r\nto: [billing]\n",
];

fn rules() -> &'static [Rule] {
    let known = rule::Known {
        senders: vec![SenderId::new("r")],
        recipient_keys: vec![RecipientKey::new("billing")],
        templates: vec![TemplateName::new("t")],
        ..rule::Known::default()
    };
    let file = |(place, text): (usize, &&str)| RuleFile { path: format!("rules/{place}.yaml"), text: (*text).to_owned() };
    let files: Vec<RuleFile> = RULES.iter().enumerate().map(file).collect();
    let (rules, problems) = rule::load(&files, &BTreeMap::new(), &known);
    assert_eq!(rules.rules.len(), 2, "{problems:?}");
    rules.rules.leak()
}

/// Returns what the cases of these tests may name.
pub(crate) fn known() -> Known<'static> {
    let rules = rules();
    Known {
        recipient_keys: vec![RecipientKey::new("billing")],
        senders: vec!["r".to_owned()],
        currency: Currency::parse("EUR").unwrap(),
        rules,
        own: rules.iter().find(|rule| rule.id.as_str() == "overdue").unwrap(),
        broken: vec!["dented".to_owned()],
    }
}

/// Reads rows that are right.
pub(crate) fn rows(text: &str) -> Rows {
    let (known, root) = (known(), yaml::parse("a.yaml", text).unwrap());
    let mut problems = Problems::new("a.yaml", text);
    let rows = RowReader::new(&known, Days::default()).first_rows(&root, &mut problems).unwrap();
    assert_eq!(problems.into_list(), []);
    rows
}

fn told(text: &str) -> Vec<String> {
    read_cases("a.test.yaml", text, &known()).1.iter().map(ToString::to_string).collect()
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let text = "cases:
  - name: One
    ledger: { invoices: [{ number: A-1, total: 1O, due_on: tomorrow }] }
    on: day 8
    expect: frist
  - name: One
    ledger:
      customers: [{ id: A, contacts: { biling: a@b.example } }, { id: B, contacts: { billing: nobody } }, { id: A }]
      invoices: [{ number: A-1, total: 10 }, { number: A-2, customer: C, total: 1 }]
    on: day 8
    expect: { mail: first, items: [A-2], form: r, blocked: no_reason }
  - name: Two
    ledger: { invoices: [{ number: A-1, total: 10, due_on: day 1 }] }
    history: { mails: [{ mail: first, on: day 2 }, { mail: statement, on: day 2, about: x }] }
    days:
      - { on: day 8, expect: { nothing: hold } }
      - { on: day 7, expect: nothing }
      - { through: day 40, paid: A-9, expect: [{ mail: second }, { nothing: held, on: day 50 }] }
      - { form: day 41, expect: nothing }
  - { name: Three, ledger: {}, csv: { invoices: a.csv }, on: day 1, expect: [nothing, first] }
";
    let expected = [
        "a.test.yaml:3:48: `1O` is not an amount; write digits and a point: 20.00",
        "a.test.yaml:3:60: `tomorrow` is not a day; write `2026-03-09`, or `day 8`",
        "a.test.yaml:5:13: `frist` is not known here; did you mean `first`?",
        "a.test.yaml:8:40: `biling` is not known here; did you mean `billing`?",
        "a.test.yaml:8:95: `nobody` is not an address; write `billing@customer.example`",
        "a.test.yaml:8:107: `A` is the id of another customer too; give each an id of its own",
        "a.test.yaml:9:18: An invoice needs `customer`; add `customer: …`",
        "a.test.yaml:9:71: `C` is not known here; did you mean `A`?",
        "a.test.yaml:11:42: Unknown field `form`; did you mean `from`?",
        "a.test.yaml:11:60: `no_reason` is not known here; write one of: recipient_missing, suppressed, sender_unknown, \
         document_missing, document_foreign, password_missing, template_error, script_error, unbalanced",
        "a.test.yaml:14:24: A reminder was about invoices; write `items: [INV-1]`, and no `about`",
        "a.test.yaml:14:60: `statement` is not known here; write one of: first, second",
        "a.test.yaml:16:41: `hold` is not known here; did you mean `held`?",
        "a.test.yaml:17:9: 2026-03-08 is before the last day of the stretch before; write `days` in their order",
        "a.test.yaml:18:34: `A-9` is not known here; did you mean `A-1`?",
        "a.test.yaml:18:48: On which of these days is not said; add `on: day 8`",
        "a.test.yaml:18:66: 2026-04-20 is none of these days; name a day between its first and its last",
        "a.test.yaml:19:9: A stretch is `on` one day, or goes `through` a last one; write `on: day 8`, or `through: day 40`",
        "a.test.yaml:19:11: Unknown field `form`; did you mean `from`?",
        "a.test.yaml:20:5: A case has either `ledger` or `csv`; remove one of the two",
        "a.test.yaml:20:77: `nothing` stands beside a mail; remove one of the two",
    ];
    assert_eq!(told(text), expected);
}

#[test]
fn a_case_is_short_where_its_rule_needs_little() {
    let text = "cases:
  - name: Paid in part
    cites: OCA#330
    ledger:
      invoices: [{ number: A-1, total: 100, due_on: day 1 }]
      payments: [{ invoice: A-1, amount: 40, received_on: day 3 }]
    on: day 8
    expect: first
";
    let (cases, problems) = read_cases("a.test.yaml", text, &known());
    assert_eq!(problems, []);
    let [case] = cases.as_slice() else { panic!("{cases:?}") };
    assert_eq!((case.cites.as_slice(), case.stretches.len()), (&["OCA#330".to_owned()][..], 1));
    assert_eq!(case.stretches[0].span, Played::Day(jiff::civil::date(2026, 3, 9)));
    let Receivables::Rows(rows) = &case.receivables else { panic!("{case:?}") };
    let addresses: Vec<&str> = rows.customers[0].0.contacts.of("billing").collect();
    assert_eq!(addresses, ["billing@c-1.example"]);
    assert_eq!(rows.invoices[0].document.issued_on, jiff::civil::date(2026, 2, 16));
    assert_eq!(case.stretches[0].expected.mails[0].level, "first");
}

#[test]
fn names_of_cases_are_told_apart_and_a_case_has_a_day() {
    let case = "{ name: One, ledger: {}, on: day 1, expect: nothing }";
    let problems =
        told(&format!("cases: [{case}, {case}, {{ name: Two, ledger: {{}}, days: [] }}, {{ name: Three, ledger: {{}} }}]\n"));
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("`One` is the name of another case too"), "{problems:?}");
    assert!(problems[1..].iter().all(|one| one.contains("No day of the case is said")), "{problems:?}");
}

#[test]
fn a_case_with_a_broken_rule_is_passed_over_with_one_warning() {
    let text = "cases: [{ name: One, with: [monthly, dented], ledger: {}, on: day 1, expect: { mail: x, rule: dented } }]\n";
    let (cases, problems) = read_cases("a.test.yaml", text, &known());
    let told: Vec<String> = problems.iter().map(|problem| format!("{:?} {problem}", problem.severity)).collect();
    assert_eq!((cases.len(), told.len()), (0, 1), "{told:?}");
    assert!(told[0].contains("Warning a.test.yaml:1:38: The rule `dented` has errors, so this case is not run"), "{told:?}");
}

#[test]
fn no_case_is_longer_than_its_limits() {
    let step = |day: i32| format!("{{ on: day {day}, expect: nothing }}");
    let steps = |days: &mut dyn Iterator<Item = i32>| days.map(step).collect::<Vec<_>>().join(", ");
    let case = |steps: String| told(&format!("cases: [{{ name: One, ledger: {{}}, days: [{steps}] }}]\n"));
    assert_eq!(case(steps(&mut (1..=STRETCHES_MAX as i32))), [""; 0]);
    assert!(case(steps(&mut (1..=STRETCHES_MAX as i32 + 1)))[0].contains("at most 400"));
    assert!(case(steps(&mut [1, DAYS_MAX + 2].into_iter()))[0].contains("over 1101 days"));
    let invoices = |count: usize| {
        let all: Vec<String> = (0..count).map(|number| format!("{{ number: {number}, total: 1 }}")).collect();
        told(&format!("cases: [{{ name: One, ledger: {{ invoices: [{}] }}, on: day 1, expect: nothing }}]\n", all.join(", ")))
    };
    assert_eq!(invoices(ROWS_MAX - 1), [""; 0]);
    assert!(invoices(ROWS_MAX)[0].contains("at most 5000"), "{:?}", invoices(ROWS_MAX));
    let many: Vec<String> =
        (0..=CASES_MAX).map(|one| format!("{{ name: {one}, ledger: {{}}, on: day 1, expect: nothing }}")).collect();
    assert!(told(&format!("cases: [{}]\n", many.join(", ")))[0].contains("at most 1000"));
}
