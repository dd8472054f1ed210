//! Phrases: small texts with gaps that stand inside a file of another kind, such as a cell of a paper's layout.
//!
//! They are checked like templates when they load, and filled like them: strictly, within limits, in the convention of one
//! reader. Whoever reads the file they stand in gives each a name, and puts the places of their problems into that file.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::Value;

use crate::domain::id::Language;
use crate::domain::problem::{Problem, nearest};
use crate::template::check::{Check, KnownName};
use crate::template::code::words;
use crate::template::load::{Source, Sources, Templates};
use crate::template::reader::Reader;
use crate::template::render::{Office, TemplateFault, fault_of, filled};

/// The name by which a phrase that is filled for each member of a list knows that member.
pub const ROW: &str = "row";

/// A text with gaps.
#[derive(Clone, Copy, Debug)]
pub struct Phrase<'p> {
    /// Its name, which no other phrase or template has: `rules/papers/statement.yaml#7`.
    pub name: &'p str,
    /// The text.
    pub text: &'p str,
    /// The path of the list whose members it is filled for, one by one, each as [`ROW`].
    pub list: Option<&'p str>,
    /// Names it may use besides the known ones.
    pub further: &'p [&'p str],
}

/// A language to write in, and the convention of its reader.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Which of the languages that were there to choose from it is.
    pub place: usize,
    language: Language,
    office: Arc<Office>,
}

impl Templates {
    /// Compiles and checks a phrase. The places of the problems are those in its text.
    pub fn add_phrase(&mut self, phrase: &Phrase<'_>, known: &[KnownName]) -> Vec<Problem> {
        let source = Source { path: phrase.name.into(), text: phrase.text.into(), made: None };
        if let Err(error) = self.environment.add_template_owned(phrase.name.to_owned(), phrase.text.to_owned()) {
            return vec![fault_of(&error, &Sources::from([(phrase.name.to_owned(), source)])).into()];
        }
        let own = phrase.further.iter().copied().chain(phrase.list.map(|_| ROW));
        let set_names: BTreeSet<String> = own.map(str::to_owned).collect();
        let mut problems = Vec::new();
        let check = Check { templates: self, name: phrase.name, source: &source, known, set_names: &set_names };
        check.run(&mut problems);
        if let Some(list) = phrase.list {
            problems.extend(unknown_parts(&check, list));
        }
        problems
    }

    /// Chooses one of `languages`, of which the first is for everybody else: the reader's own (`pt-br`), or its primary (`pt`).
    pub fn voice(&self, languages: &[Language], wanted: Option<&Language>) -> Voice {
        let tag = wanted.map_or_else(String::new, |language| language.as_str().to_ascii_lowercase());
        let primary = tag.split('-').next().unwrap_or_default();
        let of = |tag: &str| languages.iter().position(|language| language.as_str() == tag);
        let place = of(&tag).or_else(|| of(primary)).unwrap_or(0);
        let language = languages.get(place).cloned().unwrap_or_else(|| Language::new(crate::template::LANGUAGE_DEFAULT));
        // Words and figures are of one language, as in mails.
        let is_same_primary = language.as_str().split('-').next() == Some(primary);
        let office = self.office(&if is_same_primary { Language::new(&tag) } else { language.clone() });
        Voice { place, language, office }
    }
}

impl Voice {
    /// Returns the convention in which values have to be made.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.office.reader
    }

    /// Returns the language of the words.
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Fills a phrase that was added before the voice was chosen.
    ///
    /// # Errors
    /// An undefined name, a filter's complaint or a limit; its place is one in the text.
    pub fn fill(&self, name: &str, context: &Value) -> Result<String, TemplateFault> {
        let environment = &self.office.environment;
        filled(environment, name, context, &Sources::new()).or_else(|fault| {
            // With the text at hand the fault can say which words it is about; the text is fetched only now.
            let Ok(template) = environment.get_template(name) else { return Err(fault) };
            let source = Source { path: name.into(), text: template.source().into(), made: None };
            filled(environment, name, context, &Sources::from([(name.to_owned(), source)]))
        })
    }

    /// Returns the value of a phrase that is one value and nothing else ([`sole_value`]).
    ///
    /// # Errors
    /// As [`Self::fill`], but without a place.
    pub fn value(&self, name: &str, context: &Value) -> Result<Value, TemplateFault> {
        let environment = &self.office.environment;
        let value = environment.get_template(name).and_then(|template| {
            let expression = sole_value(template.source()).unwrap_or_default();
            environment.compile_expression(expression)?.eval(context)
        });
        value.map_err(|error| fault_of(&error, &Sources::new()))
    }
}

/// Returns the expression of a phrase that is one value and nothing else: `{{ payment_code }}`.
pub fn sole_value(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!["{{", "}}", "{%", "{#"].iter().any(|sign| inner.contains(sign))).then_some(inner)
}

/// Returns a problem for every part of [`ROW`] that the members of `list` do not have.
fn unknown_parts(check: &Check<'_>, list: &str) -> Vec<Problem> {
    let Ok(template) = check.templates.environment.get_template(check.name) else { return Vec::new() };
    let prefix = format!("{list}[].");
    let parts = || check.known.iter().filter_map(|known| known.path.strip_prefix(&*prefix));
    let paths = template.undeclared_variables(true);
    let unknown = paths.iter().filter_map(|path| {
        let part = path.strip_prefix(ROW)?.strip_prefix('.')?.split('.').next()?;
        let is_there = parts().any(|known| known == "*" || known.split('.').next() == Some(part));
        (!is_there).then(|| format!("{ROW}.{part}"))
    });
    let words = words(&check.source.text);
    let unknown: BTreeSet<String> = unknown.collect();
    let problem = |path: String| {
        let own: Vec<String> = parts().map(|part| format!("{ROW}.{}", part.split('.').next().unwrap_or(part))).collect();
        let hint = match nearest(&path, own.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("see the table of template variables for what `{list}` has"),
        };
        Problem { hint: Some(hint), ..check.unknown_name(&path, &words) }
    };
    unknown.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::NameKind;

    const KNOWN: &[KnownName] = &[
        KnownName { path: "customer", kind: NameKind::Plain },
        KnownName { path: "customer.name", kind: NameKind::Plain },
        KnownName { path: "items", kind: NameKind::Plain },
        KnownName { path: "items[].number", kind: NameKind::Plain },
        KnownName { path: "items[].open", kind: NameKind::Money },
        KnownName { path: "items[].attributes.*", kind: NameKind::Plain },
    ];

    fn problems(text: &str, list: Option<&str>) -> Vec<String> {
        let mut templates = Templates::load(Vec::new(), KNOWN).0;
        let found = templates.add_phrase(&Phrase { name: "p#1", text, list, further: &["page"] }, KNOWN);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_phrase_is_checked_like_a_template_and_its_row_like_the_list() {
        for (text, list, expected) in [
            ("{{ customer.name }} {{ page }}", None, None),
            ("{{ row.number }} {{ row.attributes.order }}", Some("items"), None),
            ("{{ row.number }}", None, Some("p#1:1:4: Unknown name `row`")),
            ("A\n{{ row.numbr }}", Some("items"), Some("p#1:2:4: Unknown name `row.numbr`; did you mean `row.number`?")),
            ("{{ custmer.name }}", None, Some("p#1:1:4: Unknown name `custmer`")),
            ("{{ customer.name|upcase }}", None, Some("p#1:1:18: Unknown filter `upcase`")),
            ("{% if row.open > 5 %}x{% endif %}", Some("items"), Some("p#1:1:16: `open` cannot be compared with `>`")),
            ("{{ customer.name", None, Some("p#1:1")),
        ] {
            let found = problems(text, list);
            match expected {
                None => assert!(found.is_empty(), "{text}: {found:?}"),
                Some(expected) => assert!(found.iter().any(|problem| problem.starts_with(expected)), "{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_voice_is_the_readers_own_language_or_the_first() {
        let templates = Templates::default();
        let languages = ["en", "de", "pt-br"].map(Language::new);
        for (wanted, expected) in [
            (None, (0, "en")),
            (Some("de"), (1, "de")),
            (Some("de-AT"), (1, "de")),
            (Some("pt-br"), (2, "pt-br")),
            (Some("pt"), (0, "en")),
            (Some("ja"), (0, "en")),
        ] {
            let voice = templates.voice(&languages, wanted.map(Language::new).as_ref());
            assert_eq!((voice.place, voice.language().as_str()), expected, "{wanted:?}");
        }
    }
}
