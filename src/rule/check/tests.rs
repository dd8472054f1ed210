//! Rule files: what they become, and every problem with its place.

use super::*;
use crate::domain::date::{Date, DayUnit, Days};
use crate::domain::id::LevelId;
use crate::domain::ledger::{CustomerIndex, DocumentIndex, Ledger};
use crate::domain::money::{Currency, Money};
use crate::domain::variable::Variable;
use crate::rule::keys::{KEYS, KINDS, Owner, REMINDER, rule_keys};
use crate::rule::{Climb, Enclosed, Enclosure, ForEach, ItemsForm, Level, Repeat, Start};
use crate::script::{Account, LevelFacts, RecipientChoice, RecipientName};
use rust_decimal::dec;

mod kinds;

fn known() -> Known {
    Known {
        senders: ["receivables", "head-of-finance"].map(SenderId::new).into(),
        recipient_keys: ["billing", "management", "account_manager"].map(RecipientKey::new).into(),
        templates: ["upcoming", "first", "second", "final", "receipt", "statement"].map(TemplateName::new).into(),
        invoice_attributes: Some(vec!["project".into()]),
        customer_attributes: Some(vec![]),
        disputed_is_mapped: false,
        has_calendar: true,
        limits: Limits { contact_gap: Days::new(3).unwrap().into(), ..Limits::default() },
        ..Known::default()
    }
}

fn load_texts(files: &[(&str, &str)], scripts: &[(&str, &str)], known: &Known) -> (RuleSet, Vec<String>) {
    let files: Vec<RuleFile> =
        files.iter().map(|(path, text)| RuleFile { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
    let scripts = scripts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let (set, problems) = load(&files, &scripts, known);
    (set, problems.iter().map(ToString::to_string).collect())
}

/// Returns what is found in one file.
fn problems(text: &str) -> Vec<String> {
    load_texts(&[("rules/a.yaml", text)], &[], &known()).1
}

fn ids(set: &RuleSet) -> Vec<&str> {
    set.rules.iter().map(|rule| rule.id.as_str()).collect()
}

const LEAST: &str =
    "id: a\nkind: reminder\nlevels: [{ id: first, when: 7 days after due, template: first }]\nfrom: receivables\nto: billing\n";

fn reminder(set: &RuleSet) -> &Reminder {
    match &set.rules[0].kind {
        RuleKind::Reminder(reminder) => reminder,
        other => panic!("{other:?}"),
    }
}

fn key(key: &str) -> RecipientName {
    RecipientName::Key(RecipientKey::new(key))
}

fn level(id: &str, offset: i32) -> Level {
    Level {
        id: LevelId::new(id),
        formerly: vec![],
        offset,
        unit: DayUnit::Calendar,
        template: TemplateName::new(id),
        to: None,
        cc: None,
        bcc: None,
        from: None,
        repeat: None,
    }
}

#[test]
fn the_least_rule_has_the_written_defaults() {
    let (set, problems) = load_texts(&[("rules/a.yaml", LEAST)], &[], &known());
    assert_eq!(problems, [""; 0]);
    let rule = reminder(&set);
    assert_eq!((rule.for_each, rule.climb, rule.start), (ForEach::Customer, Climb::OneAtATime, Start::FromNow));
    assert_eq!((&rule.minimum, &rule.levels), (&vec![], &vec![level("first", 7)]));
    let rule = &set.rules[0];
    assert_eq!((&rule.to, &rule.cc, &rule.bcc), (&vec![key("billing")], &vec![], &vec![]));
    assert!(rule.condition.is_none() && rule.script.is_none() && rule.attach.is_empty() && !rule.approve);
    assert_eq!(set.limits.contact_gap, Days::new(3).unwrap().into());
}

#[test]
fn the_shipped_rule_says_what_it_is_read_to_say() {
    let text = include_str!("../../../rules/overdue.yaml");
    let script = include_str!("../../../rules/overdue.rhai");
    let known = Known { disputed_is_mapped: true, ..known() };
    let (set, problems) = load_texts(&[("rules/overdue.yaml", text)], &[("rules/overdue.rhai", script)], &known);
    assert_eq!(problems, [""; 0]);
    let rule = reminder(&set);
    let last = Level {
        to: Some(vec![key("management"), key("billing")]),
        from: Some(SenderId::new("head-of-finance")),
        repeat: Some(Repeat { every: Days::new(14).unwrap(), at_most: 3 }),
        ..level("final", 30)
    };
    let second = Level { cc: Some(vec![key("account_manager")]), ..level("second", 21) };
    assert_eq!(rule.levels, [level("upcoming", -3), level("first", 7), second, last]);
    assert_eq!(rule.minimum, [Money { amount: dec!(20), currency: Currency::parse("EUR").unwrap() }]);
    assert_eq!((rule.climb, rule.start, &set.rules[0].from), (Climb::OneAtATime, Start::ToAge, &SenderId::new("receivables")));
    assert_eq!(set.rules[0].revision.len(), 64);
}

#[test]
fn the_shipped_script_chooses_recipients_and_gives_two_variables() {
    let script = include_str!("../../../rules/overdue.rhai");
    let (script, _) = Script::compile(script, &file::names(&known()), &Locate::file("rules/overdue.rhai", script)).unwrap();
    assert_eq!(script.variable_names().iter().map(String::as_str).collect::<Vec<_>>(), ["greeting_name", "pay_by"]);
    let ledger = two_customers();
    let as_of: Date = "2026-11-21".parse().unwrap();
    let with = |id: &str, number: i64, level: &str| {
        let customer = ledger.find_customer(id).unwrap();
        let items: Vec<DocumentIndex> = ledger.documents_of(customer).map(|place| DocumentIndex(place as u32)).collect();
        let level = LevelFacts { id: level.into(), number, repeat: 0 };
        let choice = script.recipients(&Account::of(&ledger, items[0], as_of), &items, &level).unwrap().unwrap();
        (choice, script.variables(&Account::of(&ledger, items[0], as_of), &items, &level).unwrap())
    };
    let given = |name: &str, day: &str| -> BTreeMap<String, Variable> {
        let day: Date = day.parse().unwrap();
        [("greeting_name".to_owned(), Variable::Text(name.into())), ("pay_by".to_owned(), Variable::Date(day))].into()
    };
    let vip = RecipientChoice { to: Some(vec![key("billing")]), cc: Some(vec![key("account_manager")]), bcc: None };
    let large = RecipientChoice { to: Some(vec![key("billing"), key("management")]), ..RecipientChoice::default() };
    assert_eq!(with("V", 4, "final"), (vip, given("Vip", "2026-11-28")));
    assert_eq!(with("L", 2, "first"), (RecipientChoice::default(), given("Large", "2026-11-28")));
    assert_eq!(with("L", 3, "second"), (large, given("Large", "2026-11-28")));
    assert_eq!(with("L", 1, "upcoming"), (RecipientChoice::default(), given("Large", "2026-11-24")));
}

#[test]
fn levels_in_business_days_need_a_calendar_and_one_unit_on_each_side_of_the_due_date() {
    let levels = |levels: &str| {
        let text = LEAST.replace("[{ id: first, when: 7 days after due, template: first }]", levels);
        move |known: &Known| load_texts(&[("rules/a.yaml", &text)], &[], known)
    };
    let both = levels(
        "\n  - { id: a, when: 3 days before due, template: upcoming }\n  - { id: b, when: 1 business day after due, template: first }\n  \
         - { id: c, when: 5 business days after due, template: second }",
    );
    let (set, problems) = both(&known());
    assert_eq!(problems, [""; 0]);
    let read: Vec<_> = reminder(&set).levels.iter().map(|level| (level.offset, level.unit)).collect();
    assert_eq!(read, [(-3, DayUnit::Calendar), (1, DayUnit::Business), (5, DayUnit::Business)]);
    let (_, problems) = both(&Known { has_calendar: false, ..known() });
    assert_eq!(
        problems,
        ["rules/a.yaml:5:20: `1 business day after due` needs to know which days are business days; add `calendar: { weekend: \
          [sat, sun] }` to config.yaml"]
    );
    let (_, problems) = levels(
        "\n  - { id: b, when: 5 business days after due, template: first }\n  - { id: c, when: 9 days after due, template: second }",
    )(&known());
    assert_eq!(
        problems,
        [
            "rules/a.yaml:5:20: `9 days after due` cannot be put in order with `5 business days after due`; count the levels on one \
          side of the due date all in days, or all in business days"
        ]
    );
    let (_, problems) = levels("[{ id: b, when: 0 business days after due, template: first }]")(&known());
    assert!(problems[0].contains("`0 business days after due` is not a day counted from the due date"), "{problems:?}");
}

#[test]
fn every_problem_of_a_file_is_found_in_one_pass() {
    let text = "\
id: Overdue!
kind: reminder
for_each: custmer
where: |
  invoice.opne >= 5.00 &&
    customer.tags.contans(\"x\")
minimum: { EURO: 20, EUR: -1 }
levels:
  - { id: first, when: -3, template: frist }
  - { id: second, when: due + 7 days, template: second, repeat: { every: 0 days, at_most: 0 } }
  - { id: third, when: 7 days after due, tmplate: first }
climb: slowly
from: recievables
to: [biling, a@@b]
cc: account_manager
colour: red
";
    assert_eq!(
        problems(text),
        [
            "rules/a.yaml:1:5: `Overdue!` is not an id; use small letters, digits, `-` and `_`, a letter or digit first, at most 64 characters",
            "rules/a.yaml:3:11: `custmer` is not known here; did you mean `customer`?",
            "rules/a.yaml:5:11: An invoice has no `opne`; did you mean `open`?",
            "rules/a.yaml:6:19: There is no function `contans`; did you mean `contains`?",
            "rules/a.yaml:7:12: `EURO` is not a currency code; write three letters: EUR",
            "rules/a.yaml:7:27: `-1` is not a least amount; write an amount above zero: 20.00",
            "rules/a.yaml:9:24: `-3` is not a day counted from the due date; write `3 days before due`, `7 days after due` or `5 business days after due`",
            "rules/a.yaml:9:38: There is no template `frist`; did you mean `first`?",
            "rules/a.yaml:10:25: `due + 7 days` is not a day counted from the due date; write `3 days before due`, `7 days after due` or `5 business days after due`",
            "rules/a.yaml:10:74: `0 days` is not a number of days; write `14 days`",
            "rules/a.yaml:10:91: `0` is not a number allowed here; write a whole number from 1 to 100",
            "rules/a.yaml:11:42: Unknown field `tmplate`; did you mean `template`?",
            "rules/a.yaml:12:8: `slowly` is not known here; write one of: one_at_a_time, to_age",
            "rules/a.yaml:13:7: There is no sender `recievables`; did you mean `receivables`?",
            "rules/a.yaml:14:6: There is no recipient key `biling`; did you mean `billing`?",
            "rules/a.yaml:14:14: `a@@b` is not an e-mail address",
            "rules/a.yaml:16:1: Unknown field `colour`; a rule has: id, formerly, description, kind, schedule, approve, give_up_after, for_each, \
             minimum, levels, climb, start, where, from, to, cc, bcc, variables, script, attach, headers",
        ]
    );
}

#[test]
fn what_is_required_is_asked_for() {
    for (key, name) in [("id: a\n", "id"), ("kind: reminder\n", "kind"), ("from: receivables\n", "from"), ("to: billing\n", "to")]
    {
        let text = LEAST.replace(key, "");
        assert_eq!(problems(&text), [format!("rules/a.yaml:1:1: A rule needs `{name}`; add `{name}: …`")]);
    }
    assert_eq!(
        problems("id: a\nkind: reminder\nlevels: []\nfrom: receivables\nto: []\n"),
        [
            "rules/a.yaml:3:9: A reminder needs at least one level; add `- { id: first, when: 7 days after due, template: … }`",
            "rules/a.yaml:5:5: Nobody is addressed; name a recipient key or an address: `to: [billing]`",
        ]
    );
}

#[test]
fn levels_go_from_the_earliest_to_the_latest_under_ids_of_their_own() {
    let text = "\
id: a
kind: reminder
from: receivables
to: billing
levels:
  - { id: zero, when: 1 day before due, template: upcoming }
  - { id: late, when: 9 days after due, template: final, formerly: zero }
  - { id: first, when: 7 days after due, template: first }
  - { id: late, when: 7 days after due, template: second }
";
    assert_eq!(
        problems(text),
        [
            "rules/a.yaml:7:68: `zero` is the id of another level too; a history has one heir",
            "rules/a.yaml:8:24: `7 days after due` does not come after `9 days after due`; order the levels from the earliest to the latest",
            "rules/a.yaml:9:11: `late` is the id of another level too; give every level an id of its own",
            "rules/a.yaml:9:23: `7 days after due` does not come after `7 days after due`; order the levels from the earliest to the latest",
        ]
    );
}

#[test]
fn two_rules_with_one_id_are_both_left_out_and_the_others_stay() {
    let other = LEAST.replace("id: a", "id: other");
    let (set, problems) =
        load_texts(&[("rules/a.yaml", LEAST), ("rules/b.yaml", LEAST), ("rules/c.yaml", &other)], &[], &known());
    assert_eq!(ids(&set), ["other"]);
    assert_eq!(
        problems,
        [
            "rules/a.yaml:1:5: `a` is the id of `rules/b.yaml` too; give the newer rule an id of its own; until then neither runs",
            "rules/b.yaml:1:5: `a` is the id of `rules/a.yaml` too; give the newer rule an id of its own; until then neither runs",
        ]
    );
}

#[test]
fn a_former_id_has_one_heir_and_no_life_of_its_own() {
    let heir = LEAST.replace("id: a\n", "id: heir\nformerly: [a, old]\n");
    let second = LEAST.replace("id: a\n", "id: second\nformerly: old\n");
    let (set, problems) =
        load_texts(&[("rules/a.yaml", LEAST), ("rules/b.yaml", &heir), ("rules/c.yaml", &second)], &[], &known());
    assert_eq!(ids(&set), ["a"]);
    assert_eq!(
        problems,
        [
            "rules/b.yaml:2:12: `a` is still the id of `rules/a.yaml`; a history can be carried on by one rule only",
            "rules/b.yaml:2:15: `old` is named by `rules/c.yaml` too; a history can be carried on by one rule only",
            "rules/c.yaml:2:11: `old` is named by `rules/b.yaml` too; a history can be carried on by one rule only",
        ]
    );
}

#[test]
fn a_broken_file_or_script_stops_its_own_rule_only() {
    let scripted = LEAST.replace("id: a", "id: scripted") + "script: s.rhai\n";
    let missing = LEAST.replace("id: a", "id: missing") + "script: t.rhai\n";
    let files = [("rules/a.yaml", LEAST), ("rules/b.yaml", "id: [\n"), ("rules/c.yaml", &scripted), ("rules/d.yaml", &missing)];
    let scripts = [("rules/s.rhai", "fn selekt(customer, items) { items }"), ("rules/unused.rhai", "")];
    let (set, problems) = load_texts(&files, &scripts, &known());
    assert_eq!(ids(&set), ["a"]);
    assert!(problems[0].starts_with("rules/b.yaml:"), "{problems:?}");
    assert_eq!(
        problems[1..],
        [
            "rules/d.yaml:6:9: There is no script `t.rhai`; did you mean `s.rhai`?",
            "rules/s.rhai:1:4: Nothing calls the function `selekt`; did you mean `select`?",
        ]
    );
}

#[test]
fn a_script_that_no_rule_names_is_a_warning_unless_a_file_could_not_be_read() {
    let scripts = [("rules/unused.rhai", "")];
    let unused = "rules/unused.rhai: No rule uses this script; name it in a rule (`script: …`), or remove it";
    assert_eq!(load_texts(&[("rules/a.yaml", LEAST)], &scripts, &known()).1, [unused]);
    let (_, problems) = load_texts(&[("rules/a.yaml", LEAST), ("rules/b.yaml", "[]")], &scripts, &known());
    assert_eq!(problems, ["rules/b.yaml:1:1: Expected a rule with keys, found a list; write `key: value` lines"]);
}

#[test]
fn what_probably_is_not_meant_is_a_warning_and_the_rule_stays() {
    let mapped = Known { disputed_is_mapped: true, ..known() };
    let script = "fn select(customer, items) { items.filter(|i| !i.disputed) }";
    for (more, expected) in [
        ("", vec!["rules/a.yaml:1:5: Disputed invoices would be reminded too; add `where: \"!invoice.disputed\"`"]),
        (
            "where: invoice.open > 5\n",
            vec!["rules/a.yaml:6:8: Disputed invoices would be reminded too; add `&& !invoice.disputed` to `where`"],
        ),
        ("where: invoice.open > 5 && !invoice.disputed\n", vec![]),
        (
            "where: customer.name != \"disputed\"\n",
            vec!["rules/a.yaml:6:8: Disputed invoices would be reminded too; add `&& !invoice.disputed` to `where`"],
        ),
        ("script: s.rhai\n", vec![]),
        ("where: \"!invoice.disputed\"\nattach: []\napprove: true\n", vec![]),
    ] {
        let text = format!("{LEAST}{more}");
        let (set, mut problems) = load_texts(&[("rules/a.yaml", &text)], &[("rules/s.rhai", script)], &mapped);
        problems.retain(|problem| !problem.contains("No rule uses"));
        assert_eq!(problems, expected, "{more}");
        assert_eq!(ids(&set), ["a"], "{more}");
    }
}

#[test]
fn what_has_errors_of_its_own_is_not_said_to_be_missing() {
    let broken = Broken { layouts: vec!["reminder".into()], plugins: vec!["late-payment".into()] };
    let known = Known { layouts: vec!["items".into()], broken, ..known() };
    for (more, expected) in [
        (
            "attach: [{ reminder: pdf }]",
            "6:10: The layout of papers `reminder` has errors; mend rules/papers/reminder.yaml first",
        ),
        ("attach: [{ plugin: late-payment }]", "6:20: The plugin `late-payment` has errors; mend plugins/late-payment first"),
        (
            "variables: late_payment()",
            "6:12: No plugin without errors has the picker of variables `late_payment`; mend plugins/late-payment first",
        ),
    ] {
        let (set, problems) = load_texts(&[("rules/a.yaml", &format!("{LEAST}{more}\n"))], &[], &known);
        assert_eq!((problems, set.rules.len()), (vec![format!("rules/a.yaml:{expected}")], 0), "{more}");
    }
}

#[test]
fn what_is_attached_is_one_thing_each_under_a_name_that_can_be_made() {
    let known = Known {
        attachment_plugins: vec!["papers".into()],
        layouts: vec!["statement".into(), "items".into(), "reminder".into()],
        documents: Some(vec!["invoice".into()]),
        customer_attributes: Some(vec!["pin".into()]),
        template_names: vec![crate::template::KnownName { path: "customer.id", kind: crate::template::NameKind::Plain }],
        ..known()
    };
    let found = |attach: &str| load_texts(&[("rules/a.yaml", &format!("{LEAST}attach: {attach}\n"))], &[], &known);
    let (set, problems) = found("[{ items: csv, name: \"{{ customer.id }}\" }, { plugin: papers }, { items: plain_csv }]");
    assert_eq!(problems, [""; 0]);
    let items =
        |form, name: Option<&str>| Enclosure { what: Enclosed::Items(form), name: name.map(str::to_owned), is_shared: false };
    let expected = [
        items(ItemsForm::Csv, Some("{{ customer.id }}")),
        Enclosure { what: Enclosed::Plugin { name: "papers".into(), settings: [].into() }, name: None, is_shared: false },
        items(ItemsForm::PlainCsv, None),
    ];
    assert_eq!(set.rules[0].attach, expected);
    assert_eq!(found("{ items: csv }").1, [""; 0]);
    let (set, problems) = found("[{ plugin: papers, settings: { a: 1 } }, { plugin: papers }]");
    assert_eq!(problems, [""; 0]);
    let settings = [("a".to_owned(), Variable::Integer(1))].into();
    assert_eq!(set.rules[0].attach[0].what, Enclosed::Plugin { name: "papers".into(), settings });
    for (attach, expected) in [
        ("[{ items: xls }]", vec!["6:19: `xls` is not known here; did you mean `xlsx`?"]),
        (
            "[{ items: csv, plugin: papers }]",
            vec![
                "6:10: An attachment has one of `plugin`, `document`, `items`, `statement`, `reminder`, `zip`; write each as a member of its own: `attach: [{ items: csv }, { plugin: name }]`",
            ],
        ),
        (
            "[{ name: x }]",
            vec![
                "6:10: An attachment has one of `plugin`, `document`, `items`, `statement`, `reminder`, `zip`; write each as a member of its own: `attach: [{ items: csv }, { plugin: name }]`",
            ],
        ),
        ("[{ items: csv }, { items: csv }]", vec!["6:26: The same is attached twice"]),
        ("[{ reminder: pdf }, { items: pdf }, { items: pdf, layout: reminder }]", vec!["6:45: The same is attached twice"]),
        ("[{ statement: pdf }]", vec!["6:12: A reminder has no statement to attach; `{ items: pdf }` lists what it is about"]),
        ("[{ documnet: invoice }]", vec!["6:12: Unknown field `documnet`; did you mean `document`?"]),
        ("[{ reminder: pdf, layout: remindr }]", vec!["6:35: There is no layout of papers `remindr`; did you mean `reminder`?"]),
        ("[{ items: csv, layout: items }]", vec!["6:32: Only a paper has a layout; write `pdf`, or remove `layout`"]),
        (
            "[{ items: csv, name: \"{{ customer.idd }}\" }]",
            vec!["6:30: Unknown name `customer.idd`; did you mean `customer.id`?"],
        ),
        ("[{ plugin: papers, name: x }]", vec!["6:28: The program of a plugin names its files itself; remove `name`"]),
        ("[{ items: csv, settings: { a: 1 } }]", vec!["6:24: Only a plugin has settings; write `plugin: name` beside them"]),
        ("[{ plugin: papers, settings: 1 }]", vec!["6:38: Expected settings with names; write `{ setting: value }`"]),
        (
            "[{ plugin: papers, settings: { a: 1 } }, { plugin: papers, settings: { a: 1 } }]",
            vec!["6:50: The same is attached twice"],
        ),
        ("[{ document: invoise }]", vec!["6:22: There is no document `invoise`; did you mean `invoice`?"]),
        (
            "[{ items: csv, shared: true }]",
            vec!["6:24: What is made for a mail is nobody else's; `shared` goes with `document` and `plugin`"],
        ),
        ("[{ zip: [] }]", vec!["6:17: The ZIP holds nothing; write `zip: [{ document: invoice }, { items: csv }]`"]),
        (
            "[{ zip: { zip: { items: csv } } }]",
            vec![
                "6:17: The ZIP holds nothing; write `zip: [{ document: invoice }, { items: csv }]`",
                "6:24: A ZIP holds no other ZIP; name both in `attach`",
            ],
        ),
        (
            "[{ items: csv, password: customer.attributes.pin }]",
            vec!["6:24: Only a ZIP has a password; write `zip: […]` beside it"],
        ),
        (
            "[{ zip: { items: csv }, password: hunter2 }]",
            vec![
                "6:43: A password comes from a column of the customers' file; write `password: customer.attributes.zip_password`, with a column of the customers' file",
            ],
        ),
        ("[{ plugin: paper }]", vec!["6:20: There is no plugin for attachments `paper`; did you mean `papers`?"]),
    ] {
        let expected: Vec<String> = expected.iter().map(|problem| format!("rules/a.yaml:{problem}")).collect();
        assert_eq!(found(attach).1, expected, "{attach}");
    }
}

#[test]
fn a_rule_adds_headers_that_do_not_make_a_mail() {
    let (set, found) = load_texts(&[("rules/a.yaml", &format!("{LEAST}headers: {{ X-Level: firm }}\n"))], &[], &known());
    assert_eq!(found, [""; 0]);
    assert_eq!(format!("{:?}", set.rules[0].headers), "[ExtraHeader { name: \"X-Level\", value: \"firm\" }]");
    assert_eq!(
        problems(&format!("{LEAST}headers: {{ Date: today }}\n")),
        [
            "rules/a.yaml:6:12: `Date` cannot be set: it is written by the program or by servers; write a name of your own, such as \
             `X-Campaign`"
        ]
    );
}

#[test]
fn the_table_of_keys_and_the_reader_agree() {
    // The reader lists the keys it asks for when it meets one it does not know.
    let listed = |text: &str| -> BTreeSet<String> {
        let problems = problems(text);
        let list = problems.iter().find_map(|problem| problem.split_once(" has: ")).expect("an unknown key is reported").1;
        list.split(", ").map(str::to_owned).collect()
    };
    for kind in KINDS {
        let table: BTreeSet<String> = rule_keys(kind).map(|key| key.name.to_owned()).collect();
        assert_eq!(listed(&LEAST.replace(REMINDER, kind).replace("id: a", "zzzzzzzz: 1\nid: a")), table, "{kind}");
    }
    for (owner, text) in [
        (Owner::Schedule, format!("{LEAST}schedule: {{ cron: \"@daily\", zzzzzzzz: 1 }}\n")),
        (Owner::Level, LEAST.replace("{ id", "{ zzzzzzzz: 1, id")),
        (Owner::Repeat, LEAST.replace("{ id", "{ repeat: { every: 1 day, at_most: 1, zzzzzzzz: 1 }, id")),
    ] {
        let table: BTreeSet<String> = KEYS.iter().filter(|key| key.owner == owner).map(|key| key.name.to_owned()).collect();
        assert_eq!(listed(&text), table, "{owner:?}");
    }
}

#[test]
fn the_revision_changes_with_the_rule_and_with_its_script() {
    let text = format!("{LEAST}script: s.rhai\n");
    let revision = |text: &str, script: &str| {
        let (set, problems) = load_texts(&[("rules/a.yaml", text)], &[("rules/s.rhai", script)], &known());
        assert_eq!(problems, [""; 0]);
        set.rules[0].revision.clone()
    };
    let script = "fn select(customer, items) { items }";
    let first = revision(&text, script);
    assert_eq!(first, revision(&text, script));
    assert_ne!(first, revision(&format!("{text}# note\n"), script));
    assert_ne!(first, revision(&text, &format!("{script}\n")));
}

#[test]
fn limits_hold_on_levels_recipients_and_rules() {
    let level = |index: usize| format!("{{ id: l{index}, when: {index} days after due, template: first }}");
    let levels: Vec<String> = (0..=crate::rule::LEVELS_MAX).map(level).collect();
    let text = LEAST.replace("[{ id: first, when: 7 days after due, template: first }]", &format!("[{}]", levels.join(", ")));
    assert_eq!(problems(&text), ["rules/a.yaml:3:9: The rule has 51 levels; at most 50 are read"]);
    let text = LEAST.replace("to: billing", &format!("to: [{}]", vec!["billing"; 51].join(", ")));
    assert_eq!(problems(&text), ["rules/a.yaml:5:5: 51 recipients are named; at most 50 are read"]);
    let files = vec![RuleFile { path: "rules/a.yaml".into(), text: String::new() }; RULES_MAX + 1];
    let (_, problems) = load(&files, &BTreeMap::new(), &known());
    assert_eq!(problems[0].to_string(), "rules/a.yaml: There are 1001 rule files; at most 1000 are read");
}

/// A vip and a customer with a large sum, each with one item that is due in three days.
fn two_customers() -> Ledger {
    use crate::domain::customer::{Contacts, Customer};
    use crate::domain::document::{Document, DocumentKind};
    use crate::domain::id::{CustomerId, DocumentNumber};
    use crate::domain::ledger::LedgerBuilder;
    let mut builder = LedgerBuilder::new(vec![], vec![], vec![]);
    for (id, name, tags) in [("V", "Vip", vec!["vip"]), ("L", "Large", vec![])] {
        let tags = tags.into_iter().map(compact_str::CompactString::from).collect();
        let (id, name) = (CustomerId::new(id), name.into());
        let customer = Customer { id, name, language: None, tags, contacts: Contacts::default(), hold_until: None, row: 0 };
        builder.add_customer(customer, [].into_iter()).unwrap();
    }
    for id in ["V", "L"] {
        let customer: CustomerIndex = builder.find_customer(id).unwrap();
        let document = Document {
            number: DocumentNumber::new(format!("INV-{id}")),
            customer,
            kind: DocumentKind::Invoice,
            currency: Currency::parse("EUR").unwrap(),
            issued_on: "2026-10-24".parse().unwrap(),
            due_on: Some("2026-11-24".parse().unwrap()),
            settled_on: None,
            total: dec!(12000.00),
            open: None,
            disputed: false,
            approved: true,
            hold_until: None,
            promised_on: None,
            row: 0,
        };
        builder.add_invoice(document, [].into_iter()).unwrap();
    }
    builder.finish()
}
