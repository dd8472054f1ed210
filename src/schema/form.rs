//! The vocabulary of the tables of keys: what each phrase of "what to write" asks of a value.
//!
//! A phrase of words in code marks (`` `skip`, `latest` or `all` ``) and a range (`1 to 100`) are read; every other phrase
//! stands in [`FORMS`]. No form is stricter than the reader of the value: a schema that underlines what the program takes
//! would teach people not to look. So a number may stand in quotes, and a name may look like a number.

use serde_json::{Map, Value, json};

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Anything.
    Anything,
    /// Any single value: YAML takes `2024` for a number and `true` for a truth where a text is meant.
    Text,
    /// A path or a name: anything but empty.
    Name,
    /// A text of this form. ASCII classes only, so that every engine reads it alike.
    Pattern(&'static str),
    /// A text of this form, which YAML may take for a number or a truth.
    Word(&'static str),
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from this one on.
    From(u32),
    /// A whole number from one to another.
    Between(u32, u32),
    /// `true` or `false`.
    Truth,
    /// A condition: a text, or a bare `true` or `false`.
    Condition,
    /// One such value, or a list of them.
    OneOrMany(&'static Shape),
    /// One of two.
    Either(&'static Shape, &'static Shape),
    /// A list of such values.
    List(&'static Shape),
    /// Such values by names of the given form.
    By(&'static str, &'static Shape),
    /// Such values by any names.
    Each(&'static Shape),
    /// An amount above zero.
    Amount,
    /// An amount.
    Decimal,
    /// A map with these keys and no others.
    Keys(&'static [(&'static str, Shape)]),
}

/// An address: one `@` with something on both sides. What else it must be, the program says.
const ADDRESS: Shape = Shape::Pattern("^[^@ ]+@[^@ ]+$");
/// `90 s`, `5 min`, `24 h`, `2 days`, with or without the space.
const DURATION: Shape = Shape::Pattern("^[0-9]+ *(s|min|h|days?)$");
/// `3 days`, `1 day`.
const DAYS: Shape = Shape::Pattern("^ *[0-9]+ +days? *$");
/// `3 days`, `5 business days`.
const DAY_SPAN: Shape = Shape::Pattern("^ *[0-9]+ +(business +)?days? *$");
/// `60/min`.
const RATE: Shape = Shape::Pattern("^ *[0-9]+ */ *(s|min|h|day) *$");
/// A permanent id of a rule or a level.
const ID: Shape = Shape::Word("^[a-z0-9][a-z0-9_-]{0,63}$");
/// A place of the time zone database, or UTC.
const TIME_ZONE: Shape = Shape::Pattern("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$");
/// A currency.
const CURRENCY: &str = "^[A-Za-z]{3}$";
/// A plugin's picker, which is called as a plugin may be.
const PICKER: Shape = Shape::Pattern("^[a-z0-9][a-z0-9_-]*[(][)]$");
/// A picker with what it is to know.
const SETTINGS: Shape = Shape::By("^[a-z0-9][a-z0-9_-]*$", &Shape::Each(&Shape::Anything));
/// Five fields, or a nickname.
const CRON: Shape = Shape::Pattern("^ *(@[a-z]+|[^ ]+( +[^ ]+){4}) *$");
/// A date pattern with `%d`, or a word.
const DATES: Shape = Shape::Pattern("^(relative|.*%.*)$");
/// A day counted from the due date.
const OFFSET: Shape = Shape::Pattern("^ *[0-9]+ +(business +)?days? +(before|after) +due *$");
/// A business day of the month.
const BUSINESS_DAY: Shape = Shape::Pattern("^ *(first|last|[0-9]+(st|nd|rd|th)) business day *$");
/// A day.
const DAY: Shape = Shape::Pattern("^[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}$");
/// A day of a case: a date, or counted from its first.
const CASE_DAY: Shape = Shape::Pattern("^([0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}|day +-?[0-9]+ *)$");
/// A language tag.
const LANGUAGE: &str = "^[a-z]{2,3}(-[a-z0-9]{2,8})*$";
/// A variable of the environment.
const VARIABLE: Shape = Shape::Word("^[A-Za-z_][A-Za-z0-9_]*$");
/// A secret that is elsewhere.
const SECRET_ELSEWHERE: Shape = Shape::Pattern("^[$][{](env|file|credential):.+[}]$");
/// A member of `attach`.
const ATTACHMENT: Shape = Shape::Keys(&[
    ("plugin", Shape::Name),
    ("settings", SETTINGS),
    ("document", Shape::Name),
    ("items", Shape::Words(ITEMS)),
    ("statement", Shape::Words(&["pdf"])),
    ("reminder", Shape::Words(&["pdf"])),
    ("layout", Shape::Name),
    ("zip", Shape::OneOrMany(&PACKED)),
    ("password", Shape::Pattern(COLUMN)),
    ("shared", Shape::Truth),
    ("name", Shape::Text),
]);
/// An attachment in a ZIP.
const PACKED: Shape = Shape::Keys(&[
    ("plugin", Shape::Name),
    ("settings", SETTINGS),
    ("document", Shape::Name),
    ("items", Shape::Words(ITEMS)),
    ("statement", Shape::Words(&["pdf"])),
    ("reminder", Shape::Words(&["pdf"])),
    ("layout", Shape::Name),
    ("shared", Shape::Truth),
    ("name", Shape::Text),
]);
/// How a list of items is written.
const ITEMS: &[&str] = &["csv", "plain_csv", "xlsx", "pdf"];
/// A column of the customers' file.
const COLUMN: &str = "^customer[.]attributes[.].+$";
/// The time a statement covers.
const PERIOD: Shape = Shape::Pattern("^ *(previous (month|week|quarter|year)|(month|year) to date|[0-9]+ days?) *$");

/// Every phrase that is neither words in code marks nor a range, in the order of the tables.
pub const FORMS: &[(&str, Shape)] = &[
    ("a name", Shape::Word("^[A-Za-z0-9_-]{1,64}$")),
    ("a text", Shape::Text),
    ("one value: `\"{{ payment_code_for(due_total, due_items) }}\"`", Shape::Text),
    ("`terms()` or `{ terms: { setting: value } }`, or a list", Shape::OneOrMany(&Shape::Either(&PICKER, &SETTINGS))),
    ("attachments, or one", Shape::OneOrMany(&ATTACHMENT)),
    ("a layout of papers", Shape::Name),
    ("a document", Shape::Name),
    ("`customer.attributes.zip_password`", Shape::Pattern(COLUMN)),
    ("a path with gaps: `documents/{number}.pdf`", Shape::Name),
    ("an address with gaps: `https://dms.example.com/{number}`", Shape::Name),
    ("a name of a header", Shape::Word("^[A-Za-z0-9-]{1,64}$")),
    ("`10 MB`, at most 100 MB", Shape::Pattern("^[0-9]+ *(B|kB|MB) *$")),
    ("`35 MB`", Shape::Pattern("^[0-9]+ *(B|kB|MB) *$")),
    ("a pattern: `\"{{ customer.id }} {{ as_of.iso }}\"`", Shape::Text),
    ("an address", ADDRESS),
    ("an address, or a list", Shape::OneOrMany(&ADDRESS)),
    ("an address or `\"*@example.com\"`, or a list", Shape::OneOrMany(&ADDRESS)),
    ("a place: `Europe/Berlin`, or `UTC`", TIME_ZONE),
    ("a time zone", TIME_ZONE),
    ("a path", Shape::Name),
    ("a plugin", Shape::Text),
    ("a file", Shape::Name),
    ("a file, or a list", Shape::OneOrMany(&Shape::Name)),
    ("a heading", Shape::Text),
    ("a name or an IP address", Shape::Name),
    ("a host's name", Shape::Name),
    ("`Date` and `Message-ID`, or one", Shape::OneOrMany(&Shape::Words(&["Date", "Message-ID"]))),
    ("`mailto:` and an address, or `https://` and a page", Shape::Pattern("^(mailto:|https://)[^ <>]+$")),
    (
        "`{ domain, selector, key }`, or a list",
        Shape::OneOrMany(&Shape::Keys(&[("domain", Shape::Name), ("selector", Shape::Name), ("key", Shape::Name)])),
    ),
    ("a server, or a list", Shape::OneOrMany(&Shape::Name)),
    ("`\"${env:NAME}\"`, `\"${file:/path}\"`, `\"${credential:name}\"` or the password", Shape::Text),
    ("`\"${file:/path}\"`, `\"${env:NAME}\"` or `\"${credential:name}\"`", SECRET_ELSEWHERE),
    ("an address of the web", Shape::Name),
    ("like `password`", Shape::Text),
    ("`60/min`, or a list; also `/s`, `/h`, `/day`", Shape::OneOrMany(&RATE)),
    ("`true` or `false`", Shape::Truth),
    ("`true`, `false`", Shape::Truth),
    ("three letters: `EUR`", Shape::Pattern(CURRENCY)),
    ("`24 h`", DURATION),
    ("`1 h`", DURATION),
    ("`5 min`", DURATION),
    ("`10 min`", DURATION),
    ("`30 s`", DURATION),
    ("`6 h`, `2 days`", DURATION),
    ("`\"18:00-08:00\"`", Shape::Pattern("^ *[0-9]{2}:[0-9]{2} *- *[0-9]{2}:[0-9]{2} *$")),
    ("`4 h`", DURATION),
    ("`3 days`, `3 business days`", DAY_SPAN),
    ("`10 days`", DAYS),
    ("`14 days`", DAYS),
    ("`400 days`", DAYS),
    ("`800 days`", DAYS),
    ("a pattern: `\"%d.%m.%Y\"`, or `relative`", DATES),
    (
        "`comma`, `point`, `space` or `apostrophe`",
        // The marks themselves are taken too, and one more that nobody writes.
        Shape::Words(&["comma", "point", "space", "apostrophe", "underscore", ",", ".", " ", "'", "_"]),
    ),
    ("a list of `mon` to `sun`", Shape::List(&Shape::Words(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]))),
    ("1 or more", Shape::From(1)),
    ("a whole number from 1", Shape::From(1)),
    ("small letters, digits, `-`, `_`", ID),
    ("a list of ids", Shape::OneOrMany(&ID)),
    ("a cron expression", CRON),
    ("five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`", CRON),
    ("a place: `Europe/Berlin`", TIME_ZONE),
    ("`first business day`, `last business day`, `2nd business day` to `23rd business day`", BUSINESS_DAY),
    ("`24 h`, `3 days`", DURATION),
    ("`customer`, `invoice`; a notice also `payment`", Shape::Words(&["customer", "invoice", "payment"])),
    ("a condition", Shape::Condition),
    ("`{ EUR: 20.00 }`", Shape::By(CURRENCY, &Shape::Amount)),
    ("a sender", Shape::Name),
    ("recipients", Shape::OneOrMany(&Shape::Name)),
    ("a template", Shape::Name),
    ("`{ X-Name: text }`", Shape::By("^[A-Za-z][A-Za-z0-9_-]{0,63}$", &Shape::Text)),
    ("a file beside the rule", Shape::Name),
    ("`previous month`, `previous week`, `month to date`, `30 days`", PERIOD),
    (
        "`{ by: due, days: [30, 60, 90] }`",
        Shape::Keys(&[("by", Shape::Words(&["due", "issued"])), ("days", Shape::List(&Shape::From(1)))]),
    ),
    ("up to 6 whole numbers, ascending", Shape::List(&Shape::From(1))),
    ("`127.0.0.1:9645`, `\"[::1]:9645\"` or `off`", Shape::Pattern("^(off|.+:[0-9]{1,5})$")),
    ("a list of documents", Shape::List(&Shape::By("^[a-z_]+$", &Shape::Text))),
    ("`3 days before due`, `7 days after due`, `5 business days after due`", OFFSET),
    // The company.
    ("two capital letters: `DE`", Shape::Pattern("^[A-Z]{2}$")),
    ("a page: `https://www.example.com`", Shape::Pattern("^https?://[^ <>]+$")),
    ("a page at `https://` with placeholders", Shape::Pattern("^https://[^ <>]+$")),
    ("accounts by currency", Shape::Each(&Shape::Anything)),
    ("an IBAN", Shape::Pattern("^[A-Za-z]{2} *[0-9] *[0-9][A-Za-z0-9 ]+$")),
    ("8 or 11 letters and digits", Shape::Pattern("^[A-Za-z0-9]{8}([A-Za-z0-9]{3})?$")),
    // Calendar files.
    ("a date: `2027-05-06`", Shape::Pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")),
    ("a day of the year: `12-25`", Shape::Pattern("^[0-9]{2}-[0-9]{2}$")),
    // plugin.yaml.
    ("a .rhai file of the folder, or a list", Shape::OneOrMany(&Shape::Pattern("[.]rhai$"))),
    ("a file in `rates/`, or a list", Shape::OneOrMany(&Shape::Pattern("^rates/.+[.]yaml$"))),
    ("percent a year", Shape::Decimal),
    ("`{ name: function }`", Shape::By("^[a-z0-9][a-z0-9_-]{0,63}$", &Shape::Name)),
    ("a word, or a list", Shape::OneOrMany(&Shape::Text)),
    ("`10 s`, at most 300 s", Shape::Pattern("^[0-9]+ *(ms|s|min) *$")),
    ("`10 MB`, at most 25 MB", Shape::Pattern("^[0-9]+ *(B|kB|MB) *$")),
    ("a list of names", Shape::List(&VARIABLE)),
    // test.yaml.
    ("an expression", Shape::Text),
    ("a picker's name", Shape::Text),
    ("`{ severity, title, detail }`", Shape::Each(&Shape::Anything)),
    ("the request", Shape::Each(&Shape::Anything)),
    ("a value, list or map", Shape::Anything),
    ("`{ setting: value }`", Shape::Each(&Shape::Anything)),
    (
        "`{ id, name, language, tags, contacts, attributes }`",
        Shape::Keys(&[
            ("id", Shape::Text),
            ("name", Shape::Text),
            ("language", Shape::Text),
            ("tags", Shape::OneOrMany(&Shape::Text)),
            ("contacts", Shape::OneOrMany(&Shape::Text)),
            ("attributes", Shape::Each(&Shape::Text)),
        ]),
    ),
    (
        "a list of `{ number, open, currency, due_on, disputed, payments, attributes }`",
        Shape::List(&Shape::Keys(&[
            ("number", Shape::Text),
            ("open", Shape::Decimal),
            ("currency", Shape::Pattern(CURRENCY)),
            ("due_on", DAY),
            ("disputed", Shape::Truth),
            ("payments", Shape::List(&Shape::Keys(&[("received_on", DAY), ("amount", Shape::Decimal)]))),
            ("attributes", Shape::Each(&Shape::Text)),
        ])),
    ),
    (
        "`{ id, number, repeat }`",
        Shape::Keys(&[("id", Shape::Text), ("number", Shape::Between(1, 50)), ("repeat", Shape::Between(0, 100))]),
    ),
    ("a day", DAY),
    ("`{ NAME: value }`", Shape::Each(&Shape::Text)),
    // Layouts of papers.
    ("a text, or one by language", Shape::Either(&Shape::Text, &Shape::By(LANGUAGE, &Shape::Text))),
    ("a list of languages", Shape::OneOrMany(&Shape::Pattern(LANGUAGE))),
    ("a language, or a list", Shape::OneOrMany(&Shape::Pattern(LANGUAGE))),
    ("`20 mm`; also `pt`, `in`", Shape::Pattern("^[0-9]+([.][0-9]+)? *(mm|pt|in) *$")),
    ("a colour: `\"#1a2b3c\"`", Shape::Pattern("^#[0-9A-Fa-f]{6}$")),
    ("a file of `rules/papers`", Shape::Name),
    ("`pdf/a` or `off`", Shape::Words(&["pdf/a", "off"])),
    ("a list of the mail", Shape::Pattern("^[a-z_]+([.][a-z_]+)*$")),
    // Tests of rules.
    ("a day: `2026-03-09`, or `day 8`", CASE_DAY),
    ("a text, or a list", Shape::OneOrMany(&Shape::Text)),
    ("a number, or a list", Shape::OneOrMany(&Shape::Text)),
    ("a rule, or a list", Shape::OneOrMany(&Shape::Name)),
    ("a rule", Shape::Name),
    ("a customer's id", Shape::Text),
    ("an invoice's number", Shape::Text),
    ("an amount", Shape::Decimal),
    ("addresses by recipient key", Shape::Each(&Shape::Anything)),
    ("`{ Column: value }`", Shape::Each(&Shape::Text)),
    ("addresses, or `[]`", Shape::OneOrMany(&Shape::Text)),
    ("a level, `statement` or `notice`", Shape::Name),
    ("`[A-1, A-2]`, or `{ A-1: first, A-2: second }`", Shape::Anything),
    ("`{ name: value }`", Shape::Each(&Shape::Anything)),
    ("a reason", Shape::Name),
    ("`{ status, receives }`", Shape::Keys(&[("status", Shape::Between(200, 599)), ("receives", Shape::Text)])),
];

/// Returns the schema of a value that is asked for in these words, `None` for words nobody has given a meaning.
pub fn value_schema(form: &str) -> Option<Map<String, Value>> {
    if let Some((_, shape)) = FORMS.iter().find(|(words, _)| *words == form) {
        return Some(schema(shape));
    }
    let value = match (words(form), range(form)) {
        (Some(words), _) => json!({ "enum": words }),
        (None, Some((least, most))) => whole(least, Some(most)),
        (None, None) => return None,
    };
    value.as_object().cloned()
}

/// Returns the schema of a single value whose text, where it is one, is held to `words`.
///
/// It does not say which types are taken: editors would then propose `true` and `false` for every text.
fn single<const N: usize>(words: [(&str, Value); N]) -> Value {
    let mut value = json!({ "not": { "type": ["object", "array", "null"] } });
    for (word, limit) in words {
        value[word] = limit;
    }
    value
}

/// Returns the schema of a whole number. One in quotes is held to its form alone.
fn whole(least: i64, most: Option<i64>) -> Value {
    let mut value = json!({ "type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$", "minimum": least });
    if let Some(most) = most {
        value["maximum"] = json!(most);
    }
    value
}

fn schema(shape: &Shape) -> Map<String, Value> {
    let inner = |shape: &Shape| Value::Object(schema(shape));
    let value = match shape {
        Shape::Anything => json!({}),
        Shape::Text => single([]),
        Shape::Name => single([("minLength", json!(1))]),
        Shape::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Word(pattern) => single([("pattern", json!(pattern))]),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::From(least) => whole(i64::from(*least), None),
        Shape::Between(least, most) => whole(i64::from(*least), Some(i64::from(*most))),
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::Condition => json!({ "type": ["string", "boolean"] }),
        Shape::OneOrMany(one) => json!({ "oneOf": [inner(one), { "type": "array", "items": inner(one) }] }),
        Shape::Either(one, other) => json!({ "oneOf": [inner(one), inner(other)] }),
        Shape::List(one) => json!({ "type": "array", "items": inner(one) }),
        Shape::By(name, one) => {
            json!({ "type": "object", "propertyNames": { "pattern": name }, "additionalProperties": inner(one) })
        }
        Shape::Each(one) => json!({ "type": "object", "additionalProperties": inner(one) }),
        Shape::Decimal => json!({ "type": ["number", "string"], "pattern": "^[-+]?[0-9_.]+$" }),
        Shape::Amount => {
            json!({ "oneOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "type": "string", "pattern": "^[+]?[0-9_.]+$" }] })
        }
        Shape::Keys(keys) => {
            let properties: Map<String, Value> = keys.iter().map(|(name, shape)| ((*name).to_owned(), inner(shape))).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
    };
    value.as_object().cloned().expect("every arm makes an object")
}

/// Reads `` `a`, `b` or `c` ``. What starts with a digit or a sign is an example of something, not a word.
fn words(form: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = form.split('`').collect();
    let is_list = parts.len() >= 3
        && parts.len() % 2 == 1
        && parts[0].is_empty()
        && parts[parts.len() - 1].is_empty()
        && parts[1..parts.len() - 1].iter().skip(1).step_by(2).all(|between| [", ", " or ", ", or "].contains(between));
    let is_word = |text: &&str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b" _-".contains(&byte))
    };
    let words: Vec<&str> = parts.into_iter().skip(1).step_by(2).collect();
    (is_list && words.iter().all(is_word)).then_some(words)
}

/// Reads `1 to 100`, `-80 to 250`.
fn range(form: &str) -> Option<(i64, i64)> {
    let (least, most) = form.split_once(" to ")?;
    Some((least.parse().ok()?, most.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ranges_are_read_and_other_phrases_are_not_guessed() {
        for (form, expected) in [
            ("`live`, `redirect` or `dry`", Some(json!({ "enum": ["live", "redirect", "dry"] }))),
            ("`a`", Some(json!({ "enum": ["a"] }))),
            (
                "2 to 1000",
                Some(json!({ "type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$", "minimum": 2, "maximum": 1000 })),
            ),
            ("-80 to 250", Some(whole(-80, Some(250)))),
            ("an address", Some(json!({ "type": "string", "pattern": "^[^@ ]+@[^@ ]+$" }))),
            ("`a`; also `b`", None),
            ("`3 h`, `4 days`", None),
            ("`first day` or `off`", Some(json!({ "enum": ["first day", "off"] }))),
            ("something else", None),
            ("one to ten", None),
            ("", None),
        ] {
            assert_eq!(value_schema(form).map(Value::Object), expected, "{form}");
        }
    }

    #[test]
    fn a_phrase_has_one_meaning() {
        for (index, (form, _)) in FORMS.iter().enumerate() {
            assert!(FORMS[..index].iter().all(|(earlier, _)| earlier != form), "{form} stands there twice");
        }
    }
}
