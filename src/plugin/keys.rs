//! The one list of keys that plugin.yaml, tables of rates and test.yaml may have: the reader is tested against it, the reference page and the
//! schemas are made from it.

use serde_json::Value;

use crate::schema::{Need, Row, file_schema};

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What is written there.
    pub(crate) value: &'static str,
    /// What holds without it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

const fn key(name: &'static str, value: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, value, default, meaning }
}

const REQUIRED: &str = "must be given";

/// The keys of plugin.yaml.
pub(crate) const PLUGIN: &[Key] = &[
    key("name", "small letters, digits, `-`, `_`", REQUIRED, "The plugin's name, which is its folder's."),
    key("description", "a text", REQUIRED, "What it is for, in a sentence."),
    key("version", "a text", "none", "Its version, as its author counts."),
    key(
        "functions",
        "a .rhai file of the folder, or a list",
        "none",
        "Functions for every rule's `where` and script, and for templates as filters. One marked `private` stays inside.",
    ),
    key(
        "rates",
        "a file in `rates/`, or a list",
        "none",
        "Dated tables of rates for `interest` and `late_payment`: `rates/ecb.yaml` is the table `ecb`, for every rule and plugin.",
    ),
    key(
        "recipients",
        "`{ name: function }`",
        "none",
        "Pickers of recipients: `function(customer, items, level)` gives a list of recipient keys and addresses. A rule names one among its recipients: `to: [billing, name()]`.",
    ),
    key(
        "variables",
        "`{ name: function }`",
        "none",
        "Pickers of variables: `function(customer, items, level)` gives a map of values, at hand in templates as `vars`. A rule names one with `variables: name()`. A fourth parameter, `settings`, is what a rule says beside the name: `variables: { name: { setting: value } }`.",
    ),
    key("attachment", "keys", "none", "A program that makes the files a rule attaches with `attach: [{ plugin: name }]`."),
    key("alert", "keys", "none", "A program that tells a person; named in config.yaml with `alerts: { plugin: name }`."),
];

/// The keys of `attachment` and `alert`.
pub(crate) const PROGRAM: &[Key] = &[
    key(
        "command",
        "a word, or a list",
        REQUIRED,
        "The program and its arguments, started without a shell. `./name` lies in the plugin's folder, a bare name is looked for along `PATH`.",
    ),
    key(
        "timeout",
        "`10 s`, at most 300 s",
        "`10 s`",
        "How long an alert may take, or the next answer about a mail; then it and all it started is killed. One start for attachments ends after an hour in any case.",
    ),
    key("bytes_max", "`10 MB`, at most 25 MB", "`10 MB`", "The most it may answer about one mail or alert."),
    key("count_max", "1 to 20", "5", "The most files for one mail."),
    key(
        "environment",
        "a list of names",
        "none",
        "The variables of the environment it gets, by name; besides them only `PATH`. Secrets belong there, never into plugin.yaml.",
    ),
];

/// The keys of a table of rates.
pub(crate) const RATES: &[Key] = &[
    key("title", "a text", REQUIRED, "What the rates are, in a sentence."),
    key("source", "a text", REQUIRED, "Who publishes them, and where."),
    key(
        "valid_to",
        "a day",
        REQUIRED,
        "The last day for which the table was checked. For a later day there is no rate: that is an error, not the last one.",
    ),
    key("rates", "a list of rates", REQUIRED, "The rates, the oldest first. For a day before it there is no rate."),
];

/// The keys of a rate.
pub(crate) const RATE: &[Key] = &[
    key("from", "a day", REQUIRED, "The first day it holds."),
    key("rate", "percent a year", REQUIRED, "The rate: `2.15`; may be negative."),
];

/// The keys of test.yaml itself.
pub(crate) const CASES: &[Key] = &[key("cases", "a list of cases", REQUIRED, "What the plugin has to do.")];

/// The keys of a case in test.yaml.
pub(crate) const CASE: &[Key] = &[
    key("name", "a text", "made from the case", "What the case shows."),
    key("call", "an expression", "", "Calls functions: `next_business_day(date(\"2026-12-24\"))`."),
    key("picker", "a picker's name", "", "Asks a picker about `customer`, `items` and `level`."),
    key("alert", "`{ severity, title, detail }`", "", "Runs the program for alerts."),
    key("attachment", "the request", "", "Runs the program for attachments with these keys as its request."),
    key(
        "gives",
        "a value, list or map",
        "none",
        "What `call` or `picker` gives; for an attachment `{ name, content_type, contains }` of the first file.",
    ),
    key("fails", "a text", "none", "Instead of `gives`: the fault holds this text."),
    key(
        "customer",
        "`{ id, name, language, tags, contacts, attributes }`",
        "an invented one",
        "The picker's customer; `contacts` is a list of recipient keys, `attributes` the further columns.",
    ),
    key(
        "items",
        "a list of `{ number, open, currency, due_on, disputed, payments, attributes }`",
        "none",
        "The picker's items; what `payments`, each with `received_on` and `amount`, have lowered is `open`.",
    ),
    key("settings", "`{ setting: value }`", "none", "What a rule says to the picker."),
    key("level", "`{ id, number, repeat }`", "`{ id: first, number: 1 }`", "The picker's level."),
    key("as_of", "a day", "2026-11-21", "The day the items are seen on."),
    key(
        "environment",
        "`{ NAME: value }`",
        "none",
        "What the program gets instead of Dunlin's own environment; `{http}` becomes the address of `http`.",
    ),
    key(
        "http",
        "`{ status, receives }`",
        "none",
        "A server on this machine that answers one request with `status`; what came to it holds the text `receives`.",
    ),
    key("exits", "0 to 255", "0", "The program's exit code."),
    key("prints", "a text", "none", "Text that its answer or its standard error holds."),
];

/// Returns the JSON Schema of plugin.yaml.
pub fn plugin_schema() -> Value {
    file_schema("Dunlin: a plugin", &plugin_rows())
}

/// Returns the JSON Schema of test.yaml.
pub fn test_schema() -> Value {
    file_schema("Dunlin: the test of a plugin", &test_rows())
}

/// Returns the JSON Schema of a table of rates.
pub fn rates_schema() -> Value {
    file_schema("Dunlin: a table of rates", &rates_rows())
}

fn rates_rows() -> Vec<Row<'static>> {
    RATES.iter().map(|key| row("", key)).chain(RATE.iter().map(|key| row("rates.[].", key))).collect()
}

fn plugin_rows() -> Vec<Row<'static>> {
    let programs = ["attachment.", "alert."];
    let programs = programs.iter().flat_map(|path| PROGRAM.iter().map(|key| row(path, key)));
    PLUGIN.iter().map(|key| row("", key)).chain(programs).collect()
}

fn test_rows() -> Vec<Row<'static>> {
    CASES.iter().map(|key| row("", key)).chain(CASE.iter().map(|key| row("cases.[].", key))).collect()
}

fn row(below: &str, key: &'static Key) -> Row<'static> {
    let need = if key.default == REQUIRED { Need::Required } else { Need::Optional };
    Row { path: format!("{below}{}", key.name), form: key.value, default: key.default, meaning: key.meaning, need }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::form::value_schema;

    #[test]
    fn every_phrase_of_the_tables_has_a_meaning() {
        for rows in [plugin_rows(), test_rows(), rates_rows()] {
            let has_keys = |row: &Row<'_>| rows.iter().any(|other| other.path.starts_with(&format!("{}.", row.path)));
            let unknown: Vec<&str> =
                rows.iter().filter(|row| !has_keys(row) && value_schema(row.form).is_none()).map(|row| row.form).collect();
            assert!(unknown.is_empty(), "give these a meaning in src/schema/form.rs: {unknown:?}");
        }
    }
}
