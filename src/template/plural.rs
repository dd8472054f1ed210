//! Plurals: which form of a noun a number takes, by the CLDR's rules for the language of the words.
//!
//! `{{ items|plural(one="{} invoice", other="{} invoices") }}`. English, German, French and Spanish have two forms, Polish four,
//! Arabic six; which ones a language has is known when its templates load.

use icu_plurals::{PluralCategory, PluralOperands, PluralRules};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use rust_decimal::Decimal;

use crate::template::reader::Reader;
use crate::template::value::exact_number;

/// The name of the filter.
pub(crate) const PLURAL: &str = "plural";

/// The forms by their CLDR names. Source: Unicode TS 35 part 3, language plural rules.
pub(crate) const FORMS: [(&str, PluralCategory); 6] = [
    ("zero", PluralCategory::Zero),
    ("one", PluralCategory::One),
    ("two", PluralCategory::Two),
    ("few", PluralCategory::Few),
    ("many", PluralCategory::Many),
    ("other", PluralCategory::Other),
];

/// Up to which number a language's forms are looked for: French and Spanish have one of their own for millions alone, which no
/// template needs to have. Source: CLDR 47, `fr` and `es`, `many`.
const COUNTED_MAX: u64 = 999;

/// Returns the form of a number that is written with all its digits.
pub(crate) fn form_of(rules: &PluralRules, number: Decimal) -> PluralCategory {
    let digits = number.abs().normalize().to_string().parse::<fixed_decimal::Decimal>();
    digits.map_or(PluralCategory::Other, |digits| rules.category_for(PluralOperands::from(&digits)))
}

/// Returns the names of the forms that counting in a language needs.
pub(crate) fn forms_needed(rules: &PluralRules) -> Vec<&'static str> {
    let is_needed =
        |form: PluralCategory| form == PluralCategory::Other || (0..=COUNTED_MAX).any(|count| rules.category_for(count) == form);
    FORMS.into_iter().filter(|(_, form)| is_needed(*form)).map(|(name, _)| name).collect()
}

/// Returns the form of `counted`, a number or a list, among `forms`, with `{}` replaced by the number; a form that is not there
/// is `other`.
pub(crate) fn plural(reader: &Reader, counted: &Value, forms: &Kwargs) -> Result<String, Error> {
    let number = match counted.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => counted.len().map(Decimal::from),
        _ => exact_number(counted),
    };
    let number = number.ok_or_else(|| wrong(format!("`{counted}` is neither a number nor a list")))?;
    let form = form_of(reader.plurals(), number);
    let mut words = None;
    for (name, own) in FORMS {
        let given: Option<String> = forms.get(name)?;
        if own == form || (own == PluralCategory::Other && words.is_none()) {
            words = given;
        }
    }
    forms.assert_all_used()?;
    let words = words.ok_or_else(|| wrong("`plural` needs the form `other`".to_owned()))?;
    Ok(words.replace("{}", &reader.number(number)))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Language;
    use minijinja::{Environment, context};
    use std::sync::Arc;

    fn filled(language: &str, template: &str, counted: Value) -> Result<String, String> {
        let mut environment = Environment::new();
        crate::template::filter::add_helpers(&mut environment, &Arc::new(Reader::new(&Language::new(language))));
        environment.render_str(template, context! { counted }).map_err(|error| error.detail().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_number_takes_the_form_that_its_language_has_for_it() {
        let english = "{{ counted|plural(one=\"{} invoice\", other=\"{} invoices\") }}";
        let french = "{{ counted|plural(one=\"{} facture\", other=\"{} factures\") }}";
        let polish = "{{ counted|plural(one=\"{} faktura\", few=\"{} faktury\", many=\"{} faktur\", other=\"{} faktury\") }}";
        for (language, template, counted, expected) in [
            ("en", english, Value::from(0), "0 invoices"),
            ("en", english, Value::from(1), "1 invoice"),
            ("en", english, Value::from(1234), "1,234 invoices"),
            ("en-us", english, Value::from(vec![1]), "1 invoice"),
            ("fr", french, Value::from(0), "0 facture"),
            ("fr", french, Value::from(1), "1 facture"),
            ("fr", french, Value::from("1.5"), "1,5 facture"),
            ("fr", french, Value::from(2), "2 factures"),
            ("fr", french, Value::from(1_000_000), "1\u{202f}000\u{202f}000 factures"),
            ("es", french, Value::from(0), "0 factures"),
            ("pl", polish, Value::from(1), "1 faktura"),
            ("pl", polish, Value::from(3), "3 faktury"),
            ("pl", polish, Value::from(25), "25 faktur"),
            ("pl", polish, Value::from(22), "22 faktury"),
            ("xx", english, Value::from(2), "2 invoices"),
        ] {
            assert_eq!(filled(language, template, counted.clone()).as_deref(), Ok(expected), "{language} {counted}");
        }
        for (template, expected) in [
            ("{{ counted|plural(one=\"x\") }}", "`plural` needs the form `other`"),
            ("{{ 'many'|plural(other=\"x\") }}", "`many` is neither a number nor a list"),
        ] {
            assert_eq!(filled("en", template, Value::from(2)).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_forms_of_a_language_are_known_before_anything_is_counted() {
        for (language, expected) in [
            ("en", vec!["one", "other"]),
            ("fr", vec!["one", "other"]),
            ("es", vec!["one", "other"]),
            ("ja", vec!["other"]),
            ("pl", vec!["one", "few", "many", "other"]),
            ("ar", vec!["zero", "one", "two", "few", "many", "other"]),
        ] {
            assert_eq!(forms_needed(Reader::new(&Language::new(language)).plurals()), expected, "{language}");
        }
    }
}
