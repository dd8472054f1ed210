//! The schemas under `schemas/` are those of the code, and the files that ship are right by them.
//!
//! `DUNLIN_BLESS=1 cargo test --test schemas` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dunlin::config;
use dunlin::domain::id::{RecipientKey, SenderId, TemplateName};
use dunlin::domain::problem::{Problem, Severity};
use dunlin::engine::init::{Answers, Security, ServerAnswer, files};
use dunlin::engine::plugins::{NewFault, new_plugin, shelf};
use dunlin::engine::schema::{SCHEMAS, SchemaKind};
use dunlin::plugin::{self, PluginFolder};
use dunlin::rule::{self, Known, RuleFile};
use dunlin::rulebook::{Readers, TextFile};
use dunlin::schema::DIALECT;
use dunlin::script::{Names, WorkingWeek};
use dunlin::yaml::{self, Node, Span, Style};
use regex_automata::dfa::regex::Regex;
use serde_json::{Map, Value, json};

fn page(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn schema(word: &str) -> Value {
    (SchemaKind::find(word).unwrap().schema)()
}

#[test]
fn the_schemas_are_current() {
    for kind in SCHEMAS {
        let path = page(kind.path);
        if std::env::var_os("DUNLIN_BLESS").is_some_and(|value| value == "1") {
            fs::create_dir_all(page("schemas")).unwrap();
            fs::write(&path, kind.text()).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == kind.text(), "{} is out of date (DUNLIN_BLESS=1 writes it)", path.display());
    }
}

/// A YAML text as the values that an editor sees, by the core schema of YAML 1.2.
fn value(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::List(items) => items.iter().map(value).collect(),
        yaml::Value::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect::<Map<_, _>>().into()
        }
        yaml::Value::Scalar(scalar) => match (scalar.style, scalar.text.as_str()) {
            (Style::Plain, "true") => json!(true),
            (Style::Plain, "false") => json!(false),
            (Style::Plain, text) if text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) => {
                text.parse::<serde_json::Number>().map_or_else(|_| json!(text), Value::Number)
            }
            (_, text) => json!(text),
        },
    }
}

/// The words of JSON Schema that the checker below knows; what it does not know it would pass over.
const WORDS: &[&str] = &[
    "$schema",
    "title",
    "description",
    "default",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "items",
    "enum",
    "const",
    "pattern",
    "minLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "oneOf",
    "anyOf",
    "not",
    "allOf",
    "if",
    "then",
];

/// Returns whether `pattern` fits in `text`; each pattern is compiled once.
fn is_match(pattern: &str, text: &str) -> bool {
    thread_local!(static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default());
    COMPILED.with_borrow_mut(|compiled| {
        compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
    })
}

/// Returns what is wrong with `value` by `schema`: as much of JSON Schema as our schemas use.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(rules) = schema.as_object() else {
        return if schema == &json!(false) { vec![format!("{at}: not known")] } else { found };
    };
    let mut hold = |is_right: bool, rule: &str| {
        if !is_right {
            found.push(format!("{at}: {value} is not right by `{rule}`"));
        }
    };
    let number = value.as_number().map(|number| number.to_string().parse::<rust_decimal::Decimal>().unwrap());
    let limit = |rule: &Value| rule.to_string().parse::<rust_decimal::Decimal>().unwrap();
    let is_type = |word: &str| match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        _ => panic!("{word} is no type"),
    };
    for (word, rule) in rules {
        assert!(WORDS.contains(&word.as_str()), "{at}: teach this test what `{word}` means");
        match word.as_str() {
            "type" => {
                let words = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                hold(words.iter().any(|word| is_type(word.as_str().unwrap())), word);
            }
            "enum" => hold(rule.as_array().unwrap().contains(value), word),
            "const" => hold(rule == value, word),
            "pattern" => {
                hold(value.as_str().is_none_or(|text| is_match(rule.as_str().unwrap(), text)), word);
            }
            "minLength" => hold(value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()), word),
            "minProperties" => hold(value.as_object().is_none_or(|map| map.len() as u64 >= rule.as_u64().unwrap()), word),
            "minimum" => hold(number.is_none_or(|number| number >= limit(rule)), word),
            "maximum" => hold(number.is_none_or(|number| number <= limit(rule)), word),
            "exclusiveMinimum" => hold(number.is_none_or(|number| number > limit(rule)), word),
            "required" => {
                let is_there = |name: &Value| value.as_object().is_none_or(|map| map.contains_key(name.as_str().unwrap()));
                hold(rule.as_array().unwrap().iter().all(is_there), word);
            }
            "not" => hold(!faults(rule, value, at).is_empty(), word),
            "anyOf" => hold(rule.as_array().unwrap().iter().any(|one| faults(one, value, at).is_empty()), word),
            "oneOf" => {
                let fitting = rule.as_array().unwrap().iter().filter(|one| faults(one, value, at).is_empty()).count();
                hold(fitting == 1, word);
            }
            _ => {}
        }
    }
    for one in rules.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        found.extend(faults(one, value, at));
    }
    if let (Some(condition), Some(then)) = (rules.get("if"), rules.get("then"))
        && faults(condition, value, at).is_empty()
    {
        found.extend(faults(then, value, at));
    }
    if let (Some(items), Some(rule)) = (value.as_array(), rules.get("items")) {
        found.extend(items.iter().enumerate().flat_map(|(index, item)| faults(rule, item, &format!("{at}[{index}]"))));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        if let Some(names) = rules.get("propertyNames") {
            found.extend(faults(names, &json!(key), &at));
        }
        match rules.get("properties").and_then(|known| known.get(key)) {
            Some(rule) => found.extend(faults(rule, inner, &at)),
            None => found.extend(rules.get("additionalProperties").map(|rule| faults(rule, inner, &at)).unwrap_or_default()),
        }
    }
    found
}

fn faults_of(word: &str, text: &str) -> Vec<String> {
    faults(&schema(word), &value(&yaml::parse("a.yaml", text).unwrap()), "")
}

/// Returns the YAML files below `folder`, other than those in folders of these names.
fn yaml_files(folder: &Path, besides: &[&str]) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() && !name.starts_with('.') && !besides.contains(&name.as_str()) {
            found.extend(yaml_files(&path, besides));
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            found.push(path);
        }
    }
    found
}

/// Returns the kind of a file that names its schema in the first line, and is right by it.
fn kind_of(file: &Path) -> &'static str {
    let text = fs::read_to_string(file).unwrap();
    let kind = SCHEMAS.iter().find(|kind| text.starts_with(&kind.first_line()));
    let kind = kind.unwrap_or_else(|| panic!("{} names no schema in its first line", file.display()));
    let named = file.parent().unwrap().join(kind.reference);
    let is_current = fs::read_to_string(&named).is_ok_and(|schema| schema == kind.text());
    assert!(is_current, "{}: {} is not its schema", file.display(), named.display());
    assert_eq!(faults_of(kind.word, &text), [""; 0], "{}", file.display());
    kind.word
}

#[test]
fn the_shipped_files_name_their_schema_and_are_right_by_it() {
    // Below `src` and `tests` lie parts of files and wrong ones.
    let files = yaml_files(&page(""), &["src", "tests", "target"]);
    let mut kinds: Vec<&str> = files.iter().map(|file| kind_of(file)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        ["calendar", "config", "paper", "plugin", "plugin-test", "rates", "rule", "rule-test"],
        "there is a file of every kind"
    );
}

#[test]
fn a_new_plugin_is_right_by_the_schemas_that_come_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("first", 6), ("second", 4)] {
        assert_eq!(new_plugin(folder.path(), name).unwrap().len(), count, "the schemas are written once");
    }
    let mut kinds: Vec<&str> = yaml_files(folder.path(), &[]).iter().map(|file| kind_of(file)).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["plugin", "plugin", "plugin-test", "plugin-test"]);
}

#[test]
fn a_schema_that_cannot_be_written_is_told_and_the_plugin_stays() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("schemas"), "a file").unwrap();
    let fault = new_plugin(folder.path(), "p").unwrap_err();
    assert!(matches!(&fault, NewFault::Write { path, .. } if path == "schemas/plugin.schema.json"), "{fault}");
    assert!(folder.path().join("plugins/p/plugin.yaml").is_file());
}

#[test]
fn a_new_workspace_is_right_by_the_schemas_that_come_with_it() {
    let answers = Answers {
        instance: "acme".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        currency: "EUR".to_owned(),
        sender_name: "2024".to_owned(),
        sender_address: "r@acme.example".to_owned(),
        redirect_to: Some("me@acme.example".to_owned()),
        server: ServerAnswer { host: "mail.example".to_owned(), port: Some(25), security: Security::StartTls, user: None },
        exports: None,
    };
    let files = files(&answers).unwrap();
    let text = |path: &str| files.iter().find(|file| file.path == path).unwrap().text.clone();
    for (path, word) in [("config.yaml", "config"), ("rules/overdue.yaml", "rule")] {
        assert_eq!(faults_of(word, &text(path)), [""; 0], "{path}");
    }
    for kind in SCHEMAS {
        assert_eq!(text(kind.path), kind.text());
    }
}

const CONFIG: &str = "smtp: { a: { host: mail.example, security: starttls } }
senders: { r: { address: r@acme.example } }
recipient_keys: { billing: Billing }
ledger: { currency: EUR, invoices: { csv: i.csv } }
";
const RULE: &str =
    "{ id: a, kind: reminder, from: r, to: [billing], levels: [ { id: b, when: 7 days after due, template: t } ] }";

const CALENDAR: &str = "{ name: Ours, holidays: [ { every: 12-25, name: Christmas Day } ] }";
const PLUGIN: &str = "{ name: p, description: d, alert: { command: ./a } }";

#[test]
fn a_wrong_value_is_found_where_it_stands_and_a_right_one_is_not() {
    let config = |from: &str, to: &str| faults_of("config", &CONFIG.replace(from, to));
    let rule = |from: &str, to: &str| faults_of("rule", &RULE.replace(from, to));
    let calendar = |from: &str, to: &str| faults_of("calendar", &CALENDAR.replace(from, to));
    let plugin = |from: &str, to: &str| faults_of("plugin", &PLUGIN.replace(from, to));
    let case = |more: &str| faults_of("plugin-test", &format!("cases: [{{ name: true, call: f(1), {more} }}]"));
    for right in [
        // The file with which the reader is tested: every key there is.
        faults_of("config", &fs::read_to_string(page("src/config/tests/whole.yaml")).unwrap()),
        config("", ""),
        config("security: starttls", "security: starttls, rate: [2/s, 5000/day], port: 587"),
        config("senders:", "retry: { first: 90 s, most: 4h }\nsenders:"),
        config("senders:", "instance: 2024\nlimits:\nalerts: # none yet\nsenders:"),
        config("security: starttls", "security: starttls, port: \"587\""),
        config("senders:", "time_zone: America/Argentina/Buenos_Aires\nsenders:"),
        rule("", ""),
        rule("to: [billing]", "to: billing, minimum: { EUR: 20.00 }, where: invoice.open > 5"),
        rule("kind: reminder", "kind: reminder, schedule: { cron: '0 9 * * MON-FRI', missed: all }"),
        rule("to: [billing]", "to: [billing, escalation(), 7], cc: a-picker(), variables: a-picker(), where: true"),
        rule("to: [billing]", "to: [billing], variables: [a(), { late_payment: { law: uk, from_level: 2, fees: [1, 2] } }]"),
        calendar("", ""),
        calendar("every: 12-25", "easter: \"-2\", from: \"2020\", until: 2030"),
        plugin("", ""),
        plugin("name: p", "name: 2024"),
        plugin(
            "alert: { command",
            "recipients: { who-else: pick }, attachment: { command: [python3, ./a.py, 1] }, alert: { timeout: 500ms, bytes_max: 5kB, count_max: 20, environment: [A_1], command",
        ),
        case(""),
        case(
            "gives: [a, { b: 1 }], customer: { id: 7, tags: vip, contacts: [billing] }, level: { id: x, number: 50, repeat: 0 }",
        ),
        case(
            "items: [{ number: A, open: -5.00, due_on: 2026-02-01 }, { number: 7, open: \"5\", currency: EUR, disputed: true }]",
        ),
        case(
            "alert: { severity: error, more: [1] }, environment: { A: 1, B: true }, http: { status: 204, receives: x }, exits: 255",
        ),
    ] {
        assert_eq!(right, [""; 0]);
    }
    for (wrong, place) in [
        (config("security: starttls", "security: tls"), ".smtp.a.security: \"tls\""),
        (config("security: starttls", "sekurity: starttls"), ".smtp.a.sekurity: not known"),
        (config("security: starttls", "security: none, port: 70000"), ".smtp.a.port: 70000"),
        (config("currency: EUR", "currency: euro"), ".ledger.currency: \"euro\""),
        (config("r@acme.example", "acme.example"), ".senders.r.address: \"acme.example\""),
        (config("{ billing: Billing }", "{}"), ".recipient_keys: {}"),
        (config("senders:", "retry: { first: soon }\nsenders:"), ".retry.first: \"soon\""),
        (rule("7 days after due", "-7 days"), ".levels[0].when: \"-7 days\""),
        (rule("id: a", "id: A b"), ".id: \"A b\""),
        (rule("to: [billing]", "too: [billing]"), ".too: not known"),
        (rule("kind: reminder", "kind: statement, template: t"), ".levels: \"levels\" is not right by `enum`"),
        (rule("kind: reminder", "kind: reminder, schedule: { cron: 0 9 }"), ".schedule.cron: \"0 9\""),
        (rule("to: [billing]", "to: [[billing]]"), ".to: "),
        (calendar("12-25", "25 December"), ".holidays[0].every: \"25 December\""),
        (calendar("every: 12-25", "easter: 251"), ".holidays[0].easter: 251"),
        (calendar("every: 12-25", "easter: soon"), ".holidays[0].easter: \"soon\""),
        (calendar("every: 12-25", "date: 6.5.2027"), ".holidays[0].date: \"6.5.2027\""),
        (calendar("every", "evry"), ".holidays[0].evry: not known"),
        (calendar("{ every: 12-25, name: Christmas Day }", "{ every: 12-25 }"), ".holidays[0]: "),
        (plugin("name: p", "name: A b"), ".name: \"A b\""),
        (plugin("alert", "alarm"), ".alarm: not known"),
        (plugin("command: ./a", "timeout: 1 h, command: ./a"), ".alert.timeout: \"1 h\""),
        (plugin("command: ./a", "bytes_max: 5 GB, command: ./a"), ".alert.bytes_max: \"5 GB\""),
        (plugin("command: ./a", "timeout: 5 s"), ".alert: "),
        (plugin("alert", "functions: a.js, alert"), ".functions: \"a.js\""),
        (case("exits: 256"), ".cases[0].exits: 256"),
        (case("as_of: tomorrow"), ".cases[0].as_of: \"tomorrow\""),
        (case("level: { number: 0 }"), ".cases[0].level.number: 0"),
        (case("customer: { nmae: A }"), ".cases[0].customer.nmae: not known"),
        (case("http: { status: 99 }"), ".cases[0].http.status: 99"),
        (case("itms: []"), ".cases[0].itms: not known"),
    ] {
        assert!(wrong.iter().any(|fault| fault.starts_with(place)), "{place}: {wrong:?}");
    }
    assert!(!config("currency: EUR, ", "").is_empty() && !rule("from: r, ", "").is_empty(), "what must be there is asked for");
}

const REMINDER: &str = "id: a
formerly: [b]
kind: reminder
description: Ours
schedule: { cron: 0 9 * * *, time_zone: Europe/Berlin, shift: before, missed: all, missed_within: 3 days }
for_each: invoice
where: invoice.open > 5
minimum: { EUR: 20.00 }
climb: to_age
start: first_level
from: r
to: [a]
cc: a
bcc: [escalation()]
approve: true
levels:
- { id: c, formerly: d, when: 7 days after due, template: a, to: a, cc: [a], bcc: a, from: r }
- { id: e, when: 30 days after due, template: a, repeat: { every: 14 days, at_most: 3 } }
";
const STATEMENT: &str = "id: a
kind: statement
schedule: { cron: 0 9 * * *, on: first business day }
from: r
to: a
template: a
period: 30 days
form: open_item
ageing: { by: due, days: [30, 60, 90] }
";

const HOLIDAYS: &str = "name: Ours
holidays:
- { date: 2027-05-06, name: A }
- { every: 12-25, name: B, from: 2020, until: 2030 }
- { easter: 1, name: C }
";

/// Collects the places of all single values that stand on one line.
fn scalars(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        yaml::Value::Null => {}
        yaml::Value::List(items) => items.iter().for_each(|item| scalars(item, found)),
        yaml::Value::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.value, found)),
        yaml::Value::Scalar(scalar) if scalar.style == Style::Block => {}
        yaml::Value::Scalar(_) => found.push(node.span),
    }
}

/// Puts `by` in the place of what stands at `span`.
fn replaced(text: &str, span: Span, by: &str) -> String {
    let line = |(index, line): (usize, &str)| {
        let at = |column: u32| line.char_indices().nth(column as usize).map_or(line.len(), |(at, _)| at);
        match index + 1 == span.line as usize {
            true => format!("{}{by}{}\n", &line[..at(span.column - 1)], &line[at(span.column - 1 + span.width)..]),
            false => format!("{line}\n"),
        }
    };
    text.lines().enumerate().map(line).collect()
}

/// What people write by slip or on purpose: other types, other marks.
const OTHERS: &[&str] = &[
    "7",
    "10 days",
    "9 days before due",
    "11 days  after due",
    "0 9 * * MON",
    "\"@daily\"",
    "3rd business day",
    "month to date",
    "UTC",
    "0",
    "-3",
    "\"7\"",
    "+7",
    "1.5",
    "\"1.5\"",
    "true",
    "yes",
    "x",
    "X-1",
    "\"\"",
    "[]",
    "[7]",
    "{}",
    "a@b.example",
    "EUR",
    "5 min",
    "5min",
    "3 days",
    "2027-05-06",
    "05-06",
    "2024",
    "off",
    "a/b.yaml",
    "p()",
    "1h",
    "1 kB",
    "0x1F",
    "1e3",
    "Null",
    "NO",
    "\" 7 \"",
];

/// Checks that `schema` takes every text that the reader takes, the given one with each value changed in turn.
fn check_not_stricter(word: &str, text: &str, is_right: &dyn Fn(&str) -> bool) {
    assert!(is_right(text), "{text}");
    let mut places = vec![];
    scalars(&yaml::parse("a.yaml", text).unwrap(), &mut places);
    let changed = places.iter().flat_map(|place| OTHERS.iter().map(|other| replaced(text, *place, other)));
    let schema = schema(word);
    let mut taken = 0;
    let mut stricter = vec![];
    for changed in changed.filter(|changed| is_right(changed)) {
        taken += 1;
        stricter.extend(faults(&schema, &value(&yaml::parse("a.yaml", &changed).unwrap()), ""));
    }
    stricter.dedup();
    assert_eq!(stricter, [""; 0], "the schema of {word} underlines what the program takes");
    assert!(taken > places.len() / 2, "too few of the changed texts are right to tell anything: {taken}");
}

fn has_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

fn file(text: &str) -> TextFile {
    TextFile { path: "a.yaml".into(), text: text.to_owned() }
}

#[test]
fn no_schema_is_stricter_than_the_reader_of_config_yaml() {
    let is_right = |text: &str| !has_error(&config::read(&file(text), Readers::Few).1);
    check_not_stricter("config", &fs::read_to_string(page("src/config/tests/whole.yaml")).unwrap(), &is_right);
}

#[test]
fn no_schema_is_stricter_than_the_readers_of_rules_and_calendars() {
    let settings = config::calendar_settings(&file("calendar: {}")).0.unwrap();
    check_not_stricter("calendar", HOLIDAYS, &|text: &str| settings.read(&[file(text)]).is_ok());
    let names = ["r", "7", "true", "X-1", "a"];
    let known = Known {
        senders: names.iter().map(SenderId::new).collect(),
        recipient_keys: names.iter().map(RecipientKey::new).collect(),
        templates: names.iter().map(TemplateName::new).collect(),
        has_calendar: true,
        pickers: shelf(&page("")).plugins.pickers(),
        ..Known::default()
    };
    for rule in [REMINDER, STATEMENT] {
        let is_right = |text: &str| {
            let file = RuleFile { path: "rules/a.yaml".to_owned(), text: text.to_owned() };
            !has_error(&rule::load(&[file], &BTreeMap::new(), &known).1)
        };
        check_not_stricter("rule", rule, &is_right);
    }
}

#[test]
fn no_schema_is_stricter_than_the_readers_of_plugins() {
    for folder in shelf(&page("")).folders {
        let plugin = |text: &str| {
            let folder = PluginFolder { manifest: Some(text.to_owned()), ..folder.clone() };
            !has_error(&plugin::load(&[folder], &Names::default(), Arc::new(WorkingWeek)).1)
        };
        check_not_stricter("plugin", folder.manifest.as_ref().unwrap(), &plugin);
        let cases = |text: &str| !has_error(&plugin::read_cases("a.yaml", text).1);
        // Each value is changed in turn, so a long file costs by its square and shows no more than its keys.
        let tests = folder.tests.as_ref().unwrap();
        if tests.len() < 4_096 {
            check_not_stricter("plugin-test", tests, &cases);
        }
    }
    check_not_stricter("plugin-test", PICKER_CASE, &|text: &str| !has_error(&plugin::read_cases("a.yaml", text).1));
    let rates = |text: &str| {
        let manifest = Some("name: p\ndescription: d\nrates: rates/a.yaml\n".to_owned());
        let tables = BTreeMap::from([("plugins/p/rates/a.yaml".to_owned(), text.to_owned())]);
        let folder = PluginFolder { name: "p".to_owned(), manifest, tables, ..PluginFolder::default() };
        !has_error(&plugin::load(&[folder], &Names::default(), Arc::new(WorkingWeek)).1)
    };
    check_not_stricter("rates", RATES, &rates);
}

/// What a picker's case may have.
const PICKER_CASE: &str = "cases:
  - picker: late_payment
    settings: { law: uk, fees: { GBP: [0, 2] } }
    customer: { id: A, name: B, language: de, tags: [vip], contacts: [billing], attributes: { Type: x } }
    items: [{ number: A-1, open: 5.00, currency: GBP, due_on: 2025-01-01, disputed: false, payments: [{ received_on: 2025-01-02, amount: 1 }], attributes: { X: y } }]
    level: { id: first, number: 2, repeat: 0 }
    as_of: 2025-02-01
    gives: {}
";

/// A table of rates with every key.
const RATES: &str =
    "title: T\nsource: S\nvalid_to: 2026-06-30\nrates: [{ from: 2025-07-01, rate: 1.27 }, { from: 2026-01-01, rate: -0.88 }]\n";

/// A case with every key.
const RULE_TEST: &str = "cases:
  - name: One
    cites: [IN#1]
    day_1: 2026-03-02
    with: [monthly-statement]
    ledger:
      customers:
        - { id: A, name: a, language: de, tags: [vip], hold_until: day 3, contacts: { billing: a@b.example }, attributes: { X: y } }
      invoices:
        - number: A-1
          customer: A
          total: 100
          open: 90
          currency: EUR
          issued_on: day 1
          due_on: day 2
          settled_on: 2026-04-02
          disputed: false
          approved: true
          hold_until: day 1
          promised_on: day 1
          attributes: { X: y }
      credit_notes:
        - { number: G-1, customer: A, total: 1, open: 1, currency: EUR, issued_on: day 1, invoice: A-1, settled_on: day 9 }
      payments: [{ customer: A, invoice: A-1, amount: 1, currency: EUR, received_on: day 1, reference: x }]
    history:
      started_on: day -9
      baseline: [x]
      mails:
        - { mail: first, rule: overdue, items: [A-1], repeat: 0, standing: accepted, on: day 1, customer: A, currency: EUR }
        - { mail: statement, about: x, on: day 1, customer: A }
    holds: [{ invoice: A-1, kind: pause, until: day 9 }]
    suppressed: [a@b.example]
    days:
      - on: day 8
        booked: { invoices: [{ number: A-2, total: 1 }] }
        paid: [A-1]
        holds: { customer: A, kind: pause, until: day 9 }
        expect:
          - mail: first
            on: day 8
            rule: overdue
            customer: A
            repeat: 0
            items: [A-1]
            total: 1
            currency: EUR
            from: receivables
            to: [a@b.example]
            cc: []
            bcc: a@b.example
            subject: x
            text: x
            without: x
            variables: { x: 7 }
            blocked: suppressed
          - { nothing: held, on: day 8, customer: A, rule: overdue, invoice: A-1 }
      - { from: day 9, through: day 10, expect: nothing }
  - { name: Two, csv: { customers: a.csv, invoices: b.csv, credit_notes: c.csv, payments: d.csv }, on: day 1, expect: [first] }
";

#[test]
fn no_schema_is_stricter_than_the_reader_of_rules_tests() {
    let workspace = dunlin::engine::workspace::load(&page("")).workspace.unwrap();
    let own = workspace.rules.rules.iter().find(|rule| rule.id.as_str() == "overdue").unwrap();
    let known = dunlin::engine::rule_tests::known(&workspace, own);
    let is_right = |text: &str| {
        let (_, problems) = dunlin::ruletest::read_cases("a.test.yaml", text, &known);
        !has_error(&problems)
    };
    assert!(is_right(RULE_TEST), "{:?}", dunlin::ruletest::read_cases("a.test.yaml", RULE_TEST, &known).1);
    check_not_stricter("rule-test", RULE_TEST, &is_right);
}

#[test]
fn no_map_takes_a_key_that_nobody_described() {
    fn look(schema: &Value, at: &str, faults: &mut Vec<String>) {
        let types = &schema["type"];
        if types == "object" || types == &json!(["object", "null"]) {
            let further = &schema["additionalProperties"];
            if further != &json!(false) && !further.is_object() {
                faults.push(format!("{at} takes any key"));
            }
        }
        for (key, inner) in schema.as_object().into_iter().flatten() {
            match inner {
                _ if key == "not" => {}
                Value::Array(items) => items.iter().for_each(|item| look(item, &format!("{at}/{key}"), faults)),
                Value::Object(_) => look(inner, &format!("{at}/{key}"), faults),
                _ => {}
            }
        }
    }
    for kind in SCHEMAS {
        let schema = (kind.schema)();
        assert_eq!(schema["$schema"], json!(DIALECT));
        let mut faults = Vec::new();
        look(&schema, kind.word, &mut faults);
        assert_eq!(faults, [""; 0]);
    }
}
