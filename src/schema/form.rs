//! The vocabulary of the tables of keys: what each phrase of "what to write" asks of a value.
//!
//! A phrase of words in code marks (`` `skip`, `latest` or `all` ``) and a range (`1 to 100`) are read; every other phrase
//! stands in [`FORMS`]. A pattern is never stricter than the reader of the value: a schema that underlines what the
//! program takes would teach people not to look.

use serde_json::{Map, Value, json};

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Any text; numbers too, since YAML takes `2024` for one where a text is meant.
    Text,
    /// A text that is a number of something, a path, a name: anything but empty.
    Name,
    /// A text of this form. ASCII classes only, so that every engine reads it alike.
    Pattern(&'static str),
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from this one on.
    From(u64),
    /// `true` or `false`.
    Truth,
    /// A condition: a text, or a bare `true` or `false`.
    Condition,
    /// One such value, or a list of them.
    OneOrMany(&'static Shape),
    /// A list of such values.
    List(&'static Shape),
    /// Such values by names of the given form.
    By(&'static str, &'static Shape),
    /// An amount above zero.
    Amount,
    /// A map with these keys and no others.
    Keys(&'static [(&'static str, Shape)]),
}

/// An address: one `@` with something on both sides. What else it must be, the program says.
const ADDRESS: Shape = Shape::Pattern("^[^@ ]+@[^@ ]+$");
/// `90 s`, `5 min`, `24 h`, `2 days`, with or without the space.
const DURATION: Shape = Shape::Pattern("^[0-9]+ *(s|min|h|days?)$");
/// `3 days`, `1 day`.
const DAYS: Shape = Shape::Pattern("^ *[0-9]+ +days? *$");
/// `60/min`.
const RATE: Shape = Shape::Pattern("^ *[0-9]+ */ *(s|min|h|day) *$");
/// A permanent id of a rule or a level.
const ID: Shape = Shape::Pattern("^[a-z0-9][a-z0-9_-]{0,63}$");
/// A place of the time zone database, or UTC.
const TIME_ZONE: Shape = Shape::Pattern("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$");
/// A currency.
const CURRENCY: &str = "^[A-Za-z]{3}$";
/// A plugin's picker.
const PICKER: Shape = Shape::Pattern("^[A-Za-z_][A-Za-z0-9_]*\\(\\)$");
/// Five fields, or a nickname.
const CRON: Shape = Shape::Pattern("^ *(@[a-z]+|[^ ]+( +[^ ]+){4}) *$");
/// A date pattern with `%d`, or a word.
const DATES: Shape = Shape::Pattern("^(relative|.*%.*)$");
/// A day counted from the due date.
const OFFSET: Shape = Shape::Pattern("^ *[0-9]+ +days? +(before|after) +due *$");
/// A business day of the month.
const BUSINESS_DAY: Shape = Shape::Pattern("^ *(first|last|[0-9]+(st|nd|rd|th)) business day *$");
/// The time a statement covers.
const PERIOD: Shape = Shape::Pattern("^ *(previous (month|week|quarter|year)|(month|year) to date|[0-9]+ days?) *$");

/// Every phrase that is neither words in code marks nor a range, in the order of the tables.
pub const FORMS: &[(&str, Shape)] = &[
    ("a name", Shape::Pattern("^[A-Za-z0-9_-]{1,64}$")),
    ("a text", Shape::Text),
    ("`terms()`, or a list", Shape::OneOrMany(&PICKER)),
    ("`[{ plugin: name }]`", Shape::OneOrMany(&Shape::Keys(&[("plugin", Shape::Name)]))),
    ("an address", ADDRESS),
    ("an address, or a list", Shape::OneOrMany(&ADDRESS)),
    ("a place: `Europe/Berlin`, or `UTC`", TIME_ZONE),
    ("a time zone", TIME_ZONE),
    ("a path", Shape::Name),
    ("a file", Shape::Name),
    ("a file, or a list", Shape::OneOrMany(&Shape::Name)),
    ("a heading", Shape::Text),
    ("a name or an IP address", Shape::Name),
    ("a host's name", Shape::Name),
    ("a server, or a list", Shape::OneOrMany(&Shape::Name)),
    ("`\"${env:NAME}\"`, `\"${file:/path}\"` or the password", Shape::Text),
    ("like `password`", Shape::Text),
    ("`60/min`, or a list; also `/s`, `/h`, `/day`", Shape::OneOrMany(&RATE)),
    ("`true` or `false`", Shape::Truth),
    ("`true`, `false`", Shape::Truth),
    ("three letters: `EUR`", Shape::Pattern(CURRENCY)),
    ("`24 h`", DURATION),
    ("`5 min`", DURATION),
    ("`4 h`", DURATION),
    ("`3 days`", DAYS),
    ("`14 days`", DAYS),
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
    ("a file beside the rule", Shape::Name),
    ("`previous month`, `previous week`, `month to date`, `30 days`", PERIOD),
    (
        "`{ by: due, days: [30, 60, 90] }`",
        Shape::Keys(&[("by", Shape::Words(&["due", "issued"])), ("days", Shape::List(&Shape::From(1)))]),
    ),
    ("up to 6 whole numbers, ascending", Shape::List(&Shape::From(1))),
    ("`127.0.0.1:9645`, `\"[::1]:9645\"` or `off`", Shape::Pattern("^(off|.+:[0-9]{1,5})$")),
    ("a list of documents", Shape::List(&Shape::By("^[a-z_]+$", &Shape::Text))),
    ("`3 days before due`, `7 days after due`", OFFSET),
];

/// Returns the schema of a value that is asked for in these words, `None` for words nobody has given a meaning.
pub fn value_schema(form: &str) -> Option<Map<String, Value>> {
    if let Some((_, shape)) = FORMS.iter().find(|(words, _)| *words == form) {
        return Some(schema(shape));
    }
    let value = match (words(form), range(form)) {
        (Some(words), _) => json!({ "enum": words }),
        (None, Some((least, most))) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        (None, None) => return None,
    };
    value.as_object().cloned()
}

fn schema(shape: &Shape) -> Map<String, Value> {
    let inner = |shape: &Shape| Value::Object(schema(shape));
    let value = match shape {
        Shape::Text => json!({ "type": ["string", "number"] }),
        Shape::Name => json!({ "type": "string", "minLength": 1 }),
        Shape::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::From(least) => json!({ "type": "integer", "minimum": least }),
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::Condition => json!({ "type": ["string", "boolean"] }),
        Shape::OneOrMany(one) => json!({ "oneOf": [inner(one), { "type": "array", "items": inner(one) }] }),
        Shape::List(one) => json!({ "type": "array", "items": inner(one) }),
        Shape::By(name, one) => {
            json!({ "type": "object", "propertyNames": { "pattern": name }, "additionalProperties": inner(one) })
        }
        Shape::Amount => {
            json!({ "oneOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "type": "string", "pattern": "^[0-9]+([.][0-9]+)?$" }] })
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

/// Reads `1 to 100`.
fn range(form: &str) -> Option<(u64, u64)> {
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
            ("2 to 1000", Some(json!({ "type": "integer", "minimum": 2, "maximum": 1000 }))),
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
