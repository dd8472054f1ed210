//! The schemas under `schemas/` are those of the code, and the files that ship are right by them.
//!
//! `DUNLIN_BLESS=1 cargo test --test schemas` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use dunlin::engine::init::{Answers, Security, ServerAnswer, files};
use dunlin::engine::schema::SCHEMAS;
use dunlin::schema::DIALECT;
use dunlin::yaml::{self, Node, Style};
use regex_automata::dfa::regex::Regex;
use serde_json::{Map, Value, json};

fn page(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn schema(word: &str) -> Value {
    let kind = SCHEMAS.iter().find(|kind| kind.word == word).unwrap();
    (kind.schema)()
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
    "allOf",
    "if",
    "then",
];

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
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                hold(value.as_str().is_none_or(|text| pattern.is_match(text)), word);
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

#[test]
fn the_shipped_files_name_their_schema_and_are_right_by_it() {
    let rules = fs::read_dir(page("rules")).unwrap().map(|entry| format!("rules/{}", entry.unwrap().file_name().display()));
    let rules = rules.filter(|file| file.ends_with(".yaml")).map(|file| (file, "rule"));
    for (file, word) in rules.chain([("config.yaml".to_owned(), "config")]) {
        let text = fs::read_to_string(page(&file)).unwrap();
        let kind = SCHEMAS.iter().find(|kind| kind.word == word).unwrap();
        assert!(text.starts_with(&kind.first_line()), "{file} does not begin with {:?}", kind.first_line());
        assert!(page(&file).parent().unwrap().join(kind.reference).is_file(), "{file} names a schema that is not there");
        assert_eq!(faults_of(word, &text), [""; 0], "{file}");
    }
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

#[test]
fn a_wrong_value_is_found_where_it_stands_and_a_right_one_is_not() {
    let config = |from: &str, to: &str| faults_of("config", &CONFIG.replace(from, to));
    let rule = |from: &str, to: &str| faults_of("rule", &RULE.replace(from, to));
    for right in [
        config("", ""),
        config("security: starttls", "security: starttls, rate: [2/s, 5000/day], port: 587"),
        config("senders:", "retry: { first: 90 s, most: 4h }\nsenders:"),
        config("senders:", "time_zone: America/Argentina/Buenos_Aires\nsenders:"),
        rule("", ""),
        rule("to: [billing]", "to: billing, minimum: { EUR: 20.00 }, where: invoice.open > 5"),
        rule("kind: reminder", "kind: reminder, schedule: { cron: '0 9 * * MON-FRI', missed: all }"),
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
    ] {
        assert!(wrong.iter().any(|fault| fault.starts_with(place)), "{place}: {wrong:?}");
    }
    assert!(!config("currency: EUR, ", "").is_empty() && !rule("from: r, ", "").is_empty(), "what must be there is asked for");
}

#[test]
fn no_map_takes_a_key_that_nobody_described() {
    fn look(schema: &Value, at: &str, faults: &mut Vec<String>) {
        if schema["type"] == "object" {
            let further = &schema["additionalProperties"];
            if further != &json!(false) && !further.is_object() {
                faults.push(format!("{at} takes any key"));
            }
        }
        for (key, inner) in schema.as_object().into_iter().flatten() {
            match inner {
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
