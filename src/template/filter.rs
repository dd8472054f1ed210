//! The filters and tests Dunlin adds to MiniJinja's own: one table, from which the reference page is made.

use std::sync::Arc;

use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{Environment, Error, ErrorKind};

use crate::domain::money::{Currency, Money};
use crate::domain::variable::Variable;
use crate::template::plural::{PLURAL, plural};
use crate::template::reader::Reader;
use crate::template::value::{
    DateObject, MoneyObject, VALUE_DEPTH_MAX, date_value, exact_date, exact_number, is_empty_variable, variable_of,
    variable_value,
};

/// A filter or test, as the reference page shows it. A test of this module runs every example.
#[derive(Clone, Copy, Debug)]
pub struct Helper {
    /// The name a template calls.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// A piece of template that uses it.
    pub example: &'static str,
    /// What the example prints for an English reader.
    pub english: &'static str,
    /// What the example prints for a German reader.
    pub german: &'static str,
}

/// The filters.
pub const FILTERS: &[Helper] = &[
    Helper {
        name: "money",
        meaning: "An amount with its currency; a number or text needs the currency's code",
        example: r#"{{ "1234.5"|money("EUR") }}"#,
        english: "€1,234.50",
        german: "1.234,50\u{a0}€",
    },
    Helper {
        name: "amount",
        meaning: "An amount without its currency, for columns that name the currency elsewhere",
        example: r#"{{ "1234.5"|amount("EUR") }}"#,
        english: "1,234.50",
        german: "1.234,50",
    },
    Helper {
        name: "number",
        meaning: "A number with all its digits",
        example: r#"{{ "1234.5"|number }}"#,
        english: "1,234.5",
        german: "1.234,5",
    },
    Helper {
        name: "date",
        meaning: "A date in full; a text has to look like 2027-03-08",
        example: r#"{{ "2027-03-08"|date }}"#,
        english: "8 March 2027",
        german: "8. März 2027",
    },
    Helper {
        name: "date_short",
        meaning: "A date as short as it can be without being misread",
        example: r#"{{ "2027-03-08"|date_short }}"#,
        english: "8 Mar 2027",
        german: "08.03.2027",
    },
    Helper {
        name: PLURAL,
        meaning: "The form that a number, or the length of a list, takes in the language of the words (CLDR: `zero`, `one`, \
                  `two`, `few`, `many`, `other`); `{}` stands for the number",
        example: r#"{{ 2|plural(one="{} day", other="{} days") }}"#,
        english: "2 days",
        german: "2 days",
    },
];

/// A filter that another floor lends: templates call it with values and get one back. Functions of plugins come this way.
#[derive(Clone)]
pub struct LentFilter {
    /// The name a template calls.
    pub name: String,
    /// What it does; the words of its fault need no place.
    pub call: LentCall,
}

/// The function behind a [`LentFilter`].
pub type LentCall = Arc<dyn Fn(&[Variable]) -> Result<Variable, String> + Send + Sync>;

impl std::fmt::Debug for LentFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LentFilter({})", self.name)
    }
}

/// Returns whether templates have a filter of that name without any plugin.
pub fn is_filter(name: &str) -> bool {
    FILTERS.iter().any(|filter| filter.name == name) || FILTERS_BUILT_IN.contains(&name)
}

/// Adds lent filters to an environment; what they give is written in the reader's convention.
pub(crate) fn add_lent(environment: &mut Environment<'static>, filters: &[LentFilter], reader: &Arc<Reader>) {
    for filter in filters {
        let (own, call, name) = (Arc::clone(reader), Arc::clone(&filter.call), filter.name.clone());
        environment.add_filter(filter.name.clone(), move |value: Value, more: Rest<Value>| {
            let read =
                |value: &Value| variable_of(value, VALUE_DEPTH_MAX).map_err(|what| wrong(format!("`{name}` is given {what}")));
            let arguments = std::iter::once(&value).chain(more.iter()).map(read).collect::<Result<Vec<_>, _>>()?;
            call(&arguments).map(|given| variable_value(&given, &own)).map_err(wrong)
        });
    }
}

/// The tests, for `{% if … is … %}`. Comparing an amount with `>` is a problem when the template loads, since
/// templates only know binary floats; these compare exactly.
pub const TESTS: &[Helper] = &[
    Helper {
        name: "above",
        meaning: "Whether an amount or number is greater than another",
        example: r#"{{ "100.01" is above(100) }}"#,
        english: "True",
        german: "True",
    },
    Helper {
        name: "below",
        meaning: "Whether an amount or number is less than another",
        example: r#"{{ "100.01" is below("100.01") }}"#,
        english: "False",
        german: "False",
    },
    Helper {
        name: "after",
        meaning: "Whether a date is later than another",
        example: r#"{{ "2027-03-08" is after("2027-03-07") }}"#,
        english: "True",
        german: "True",
    },
    Helper {
        name: "before",
        meaning: "Whether a date is earlier than another",
        example: r#"{{ "2027-03-08" is before("2027-03-08") }}"#,
        english: "False",
        german: "False",
    },
];

/// MiniJinja's own filters, for "did you mean".
pub(crate) const FILTERS_BUILT_IN: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// MiniJinja's own tests, for "did you mean".
pub(crate) const TESTS_BUILT_IN: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Adds the filters and tests to an environment, for one reader.
pub(crate) fn add_helpers(environment: &mut Environment<'static>, reader: &Arc<Reader>) {
    let own = Arc::clone(reader);
    environment.add_filter("money", move |value: Value, currency: Option<String>| {
        money_of(&value, currency.as_deref()).map(|money| own.money(money))
    });
    let own = Arc::clone(reader);
    environment.add_filter("amount", move |value: Value, currency: Option<String>| {
        money_of(&value, currency.as_deref()).map(|money| own.amount(money))
    });
    let own = Arc::clone(reader);
    environment.add_filter("number", move |value: Value| match exact_number(&value) {
        Some(number) => Ok(own.number(number)),
        None => Err(wrong(format!("`{value}` is not a number"))),
    });
    let own = Arc::clone(reader);
    environment.add_filter("date", move |value: Value| match exact_date(&value) {
        Some(date) => Ok(date_value(date, &own)),
        None if value.is_undefined() => Err(ErrorKind::UndefinedError.into()),
        None => Err(not_a_date(&value)),
    });
    let own = Arc::clone(reader);
    environment.add_filter("date_short", move |value: Value| match exact_date(&value) {
        Some(date) => Ok(own.date_short(date)),
        None => Err(not_a_date(&value)),
    });
    let own = Arc::clone(reader);
    environment.add_filter(PLURAL, move |value: Value, forms: Kwargs| plural(&own, &value, &forms));
    // MiniJinja's own leaves an empty text as it is; here an empty variable counts as one that is not there.
    for name in ["default", "d"] {
        environment.add_filter(name, |value: Value, other: Option<Value>, is_lax: Option<bool>| {
            let is_missing = value.is_undefined() || is_empty_variable(&value) || is_lax == Some(true) && !value.is_true();
            if is_missing { other.unwrap_or_else(|| Value::from("")) } else { value }
        });
    }
    environment.add_test("above", |value: Value, other: Value| Ok::<_, Error>(compare_numbers(&value, &other)?.is_gt()));
    environment.add_test("below", |value: Value, other: Value| Ok::<_, Error>(compare_numbers(&value, &other)?.is_lt()));
    environment.add_test("after", |value: Value, other: Value| Ok::<_, Error>(compare_dates(&value, &other)?.is_gt()));
    environment.add_test("before", |value: Value, other: Value| Ok::<_, Error>(compare_dates(&value, &other)?.is_lt()));
}

/// Returns the reference of all filters and tests as a Markdown table.
pub fn helper_reference() -> String {
    let mut page = String::new();
    for (title, helpers) in [("Filters", FILTERS), ("Tests", TESTS)] {
        page.push_str(&format!("## {title}\n\n| name | meaning | example | in English | in German |\n|---|---|---|---|---|\n"));
        for Helper { name, meaning, example, english, german } in helpers {
            let german = german.replace('\u{a0}', " ");
            let example = example.replace('|', "\\|");
            page.push_str(&format!("| `{name}` | {meaning}. | `{example}` | {english} | {german} |\n"));
        }
        page.push('\n');
    }
    page
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn not_a_date(value: &Value) -> Error {
    wrong(format!("`{value}` is not a date; a text has to look like 2027-03-08"))
}

fn money_of(value: &Value, code: Option<&str>) -> Result<Money, Error> {
    let currency = match code {
        Some(code) => Some(Currency::parse(code).ok_or_else(|| wrong(format!("`{code}` is not the code of a currency")))?),
        None => None,
    };
    if let Some(own) = value.downcast_object_ref::<MoneyObject>() {
        return match currency {
            Some(other) if other != own.money.currency => {
                Err(wrong(format!("An amount in {} cannot be shown in {other}", own.money.currency)))
            }
            _ => Ok(own.money),
        };
    }
    let amount = exact_number(value).ok_or_else(|| wrong(format!("`{value}` is not an amount")))?;
    let currency = currency.ok_or_else(|| wrong(format!("`{value}` has no currency; write `money(\"EUR\")`")))?;
    Ok(Money { amount, currency })
}

fn compare_numbers(value: &Value, other: &Value) -> Result<std::cmp::Ordering, Error> {
    let pair = (value.downcast_object_ref::<MoneyObject>(), other.downcast_object_ref::<MoneyObject>());
    if let (Some(own), Some(other)) = pair
        && own.money.currency != other.money.currency
    {
        return Err(wrong(format!("Amounts in {} and {} cannot be compared", own.money.currency, other.money.currency)));
    }
    let number = |value: &Value| exact_number(value).ok_or_else(|| wrong(format!("`{value}` is not a number")));
    Ok(number(value)?.cmp(&number(other)?))
}

fn compare_dates(value: &Value, other: &Value) -> Result<std::cmp::Ordering, Error> {
    let date = |value: &Value| match value.downcast_object_ref::<DateObject>() {
        Some(object) => Ok(object.date),
        None => exact_date(value).ok_or_else(|| not_a_date(value)),
    };
    Ok(date(value)?.cmp(&date(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Language;

    fn environment(language: &str) -> Environment<'static> {
        let mut environment = Environment::new();
        add_helpers(&mut environment, &Arc::new(Reader::new(&Language::new(language))));
        environment
    }

    #[test]
    fn every_example_of_the_reference_prints_what_it_says() {
        for helper in FILTERS.iter().chain(TESTS) {
            for (language, expected) in [("en", helper.english), ("de", helper.german)] {
                let printed = environment(language).render_str(helper.example, ());
                assert_eq!(printed.unwrap(), expected, "{} in {language}", helper.example);
            }
        }
    }

    #[test]
    fn every_built_in_name_exists() {
        let environment = Environment::new();
        for name in FILTERS_BUILT_IN {
            assert_eq!(environment.render_str(&format!("{{{{ '{name}' is filter }}}}"), ()).unwrap(), "True", "{name}");
        }
        for name in TESTS_BUILT_IN {
            assert_eq!(environment.render_str(&format!("{{{{ '{name}' is test }}}}"), ()).unwrap(), "True", "{name}");
        }
    }

    #[test]
    fn a_filter_refuses_what_it_cannot_read() {
        for (template, expected) in [
            ("{{ 'x'|money('EUR') }}", "`x` is not an amount"),
            ("{{ 5|money }}", "`5` has no currency; write `money(\"EUR\")`"),
            ("{{ 5|money('EURO') }}", "`EURO` is not the code of a currency"),
            ("{{ 'soon'|date }}", "`soon` is not a date; a text has to look like 2027-03-08"),
            ("{{ 'x' is above(1) }}", "`x` is not a number"),
        ] {
            let fault = environment("en").render_str(template, ()).unwrap_err();
            assert_eq!(fault.detail(), Some(expected), "{template}");
        }
    }
}
