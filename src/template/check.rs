//! The check of one file before it is ever filled: are its names, filters, tests and files there, and do its
//! comparisons mean what they say.
//!
//! Names of variables come from MiniJinja's own analysis; everything else from the words of `code.rs`. What only shows
//! with real values (a column of `attributes`, a part of a list's item) is left to the strict filling.

use std::collections::BTreeSet;

use crate::domain::problem::{Place, Problem, nearest};
use crate::template::code::{Word, WordKind, line_and_column, words};
use crate::template::file::{TemplateFile, language_of};
use crate::template::filter::{FILTERS, FILTERS_BUILT_IN, TESTS, TESTS_BUILT_IN};
use crate::template::image::{IMAGE_FUNCTION, image_missing};
use crate::template::load::{Source, Templates};
use crate::template::plural::{FORMS, PLURAL, forms_needed};
use crate::template::reader::Reader;

/// What kind of value a name stands for, as far as comparing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// An amount of money: compared with `is above(…)` and `is below(…)`.
    Money,
    /// A date: compared with `is after(…)` and `is before(…)`.
    Date,
    /// Anything else.
    Plain,
}

/// A name templates may use: `customer.name`, `items[].open`, `vars.*`.
#[derive(Clone, Copy, Debug)]
pub struct KnownName {
    /// The whole path; `[]` after a list, `*` for any name.
    pub path: &'static str,
    /// What kind of value it stands for.
    pub kind: NameKind,
}

/// Returns what is wrong with a line that names may stand in, such as the name of a file; the problems have no place.
pub fn pattern_problems(pattern: &str, names: &[KnownName]) -> Vec<Problem> {
    // A part of other templates, which needs nothing beside it.
    let file = TemplateFile { path: "_pattern.txt".to_owned(), text: pattern.to_owned() };
    let (_, problems) = Templates::load(vec![file], names);
    problems.into_iter().map(|problem| Problem { place: None, ..problem }).collect()
}

/// The check of one file's names, filters, tests and comparisons.
pub(crate) struct Check<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) name: &'a str,
    pub(crate) source: &'a Source,
    pub(crate) known: &'a [KnownName],
    pub(crate) set_names: &'a BTreeSet<String>,
}

/// Names MiniJinja itself gives meaning to.
const NAMES_BUILT_IN: &[&str] = &["loop", "self", "super", "caller", "varargs", "kwargs"];

/// MiniJinja's tests that order or equate.
const TESTS_OF_ORDER: &[&str] =
    &["eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">="];

/// One side of a comparison: the last word of its path, and the first.
struct Side<'a> {
    end: &'a Word<'a>,
    root: &'a str,
}

impl Check<'_> {
    /// Adds every problem of the file.
    pub(crate) fn run(&self, problems: &mut Vec<Problem>) {
        let words = words(&self.source.text);
        // A file that does not compile has its problem already; only its words can be looked at.
        if let Ok(template) = self.templates.environment.get_template(self.name) {
            let paths = template.undeclared_variables(true);
            let unknown: BTreeSet<String> = paths.iter().filter_map(|path| self.unknown_part(path)).collect();
            problems.extend(unknown.iter().map(|path| self.unknown_name(path, &words)));
        }
        for index in 0..words.len() {
            self.check_word(index, &words, problems);
        }
    }

    fn check_word(&self, index: usize, words: &[Word<'_>], problems: &mut Vec<Problem>) {
        let word = &words[index];
        let next = |steps: usize| words.get(index + steps).filter(|next| next.tag == word.tag);
        let is_part = index.checked_sub(1).is_some_and(|before| words[before].text == ".");
        match (word.kind, word.text) {
            (WordKind::Sign, "|") => {
                let own = FILTERS.iter().map(|filter| filter.name);
                let own = own.chain(self.templates.lent.iter().map(|filter| filter.name.as_str()));
                self.check_helper("filter", next(1), own.chain(FILTERS_BUILT_IN.iter().copied()), problems);
            }
            (WordKind::Name, "is") if !is_part => {
                let target = if next(1).is_some_and(|not| not.text == "not") { next(2) } else { next(1) };
                let own = TESTS.iter().map(|test| test.name);
                self.check_helper("test", target, own.chain(TESTS_BUILT_IN.iter().copied()), problems);
            }
            (WordKind::Name, PLURAL) if index.checked_sub(1).is_some_and(|before| words[before].text == "|") => {
                self.check_plural(index, words, problems);
            }
            (WordKind::Name, IMAGE_FUNCTION) if !is_part && next(1).is_some_and(|open| open.text == "(") => {
                self.check_image(word, next(2), problems);
            }
            (WordKind::Name, "extends" | "include" | "import" | "from") => {
                let Some(file) = next(1).filter(|file| file.kind == WordKind::Text) else { return };
                if !self.templates.sources.contains_key(file.text) {
                    let near = nearest(file.text, self.templates.sources.keys().map(String::as_str));
                    let problem = Problem::error(format!("Template file `{}` is not there", file.text));
                    let hint = near.map(|near| format!("did you mean `{near}`?"));
                    problems.push(Problem { hint, ..problem.at(self.place(file)) });
                }
            }
            (WordKind::Sign, ">" | "<" | ">=" | "<=" | "==" | "!=") => {
                let in_tag = |other: &&Word<'_>| other.tag == word.tag;
                let is_path = |other: &&Word<'_>| other.kind == WordKind::Name || other.text == ".";
                let before = words[..index].iter().rev().take_while(in_tag);
                let left: Vec<_> = before.clone().take_while(is_path).collect();
                let after = words[index + 1..].iter().take_while(in_tag);
                let right: Vec<_> = after.clone().take_while(is_path).collect();
                let (Some(before), Some(after)) = (before.clone().next(), after.clone().next()) else { return };
                let left = Side { end: before, root: left.last().map_or(before.text, |root| root.text) };
                let right = Side { end: right.last().copied().unwrap_or(after), root: after.text };
                self.check_comparison(&left, word, &right, problems);
            }
            // `items|selectattr("open", "gt", 100)` compares too.
            (WordKind::Text, name) if next(1).is_some_and(|comma| comma.text == ",") => {
                let Some(test) = next(2).filter(|test| test.kind == WordKind::Text) else { return };
                if TESTS_OF_ORDER.contains(&test.text) {
                    self.refuse_comparison(name, test, self.kind_of(name), problems);
                }
            }
            _ => {}
        }
    }

    /// The forms have names that there are, and all that the language of the file counts with.
    fn check_plural(&self, index: usize, words: &[Word<'_>], problems: &mut Vec<Problem>) {
        let word = &words[index];
        let (mut depth, mut given) = (0_usize, Vec::new());
        for pair in words[index + 1..].windows(2).take_while(|pair| pair[0].tag == word.tag) {
            match pair[0].text {
                "(" if pair[0].kind == WordKind::Sign => depth += 1,
                ")" if pair[0].kind == WordKind::Sign => depth = depth.saturating_sub(1),
                _ if depth == 1 && pair[0].kind == WordKind::Name && pair[1].text == "=" => given.push(&pair[0]),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let names = || FORMS.iter().map(|(name, _)| *name);
        for form in given.iter().filter(|form| !names().any(|name| name == form.text)) {
            let problem = Problem::error(format!("Unknown form `{}`", form.text)).at(self.place(form));
            let hint = nearest(form.text, names()).map(|near| format!("did you mean `{near}`?"));
            problems.push(Problem {
                hint: hint.or_else(|| Some(format!("the forms are {}", names().collect::<Vec<_>>().join(", ")))),
                ..problem
            });
        }
        let language = language_of(self.name);
        let needed = match (&language, self.name.starts_with('_')) {
            // A part without a language is used by all of them.
            (None, true) => vec!["other"],
            (language, _) => forms_needed(Reader::new(language.as_ref().unwrap_or(self.templates.language())).plurals()),
        };
        let missing: Vec<String> = needed
            .into_iter()
            .filter(|name| !given.iter().any(|form| form.text == *name))
            .map(|name| format!("`{name}`"))
            .collect();
        if !missing.is_empty() {
            let whose = language.map_or_else(String::new, |language| format!(", with which `{language}` counts"));
            let message = format!("`plural` has no form {}{whose}", missing.join(", "));
            problems.push(Problem::error(message).at(self.place(word)));
        }
    }

    /// An image has to be there, in HTML, and to be told to those who do not see it.
    fn check_image(&self, word: &Word<'_>, wanted: Option<&Word<'_>>, problems: &mut Vec<Problem>) {
        if self.name.ends_with(".txt") {
            let problem = Problem::error("Only HTML can show an image").at(self.place(word));
            return problems.push(problem.hint("take it out of the text"));
        }
        if let Some(file) = wanted.filter(|wanted| wanted.kind == WordKind::Text)
            && !self.templates.images.contains_key(file.text)
            && !self.templates.broken_images.contains(file.text)
        {
            let message = image_missing(file.text, self.templates.images.keys());
            problems.push(Problem::error(message).at(self.place(file)));
        }
        if tag_around(&self.source.text, word.offset).is_some_and(|tag| is_image_without_words(&tag)) {
            let hint = "write `alt=\"…\"` with what it shows, or `alt=\"\"` where it only decorates";
            let problem = Problem::error("The image has no text for those who do not see it");
            problems.push(problem.at(self.place(word)).hint(hint));
        }
    }

    /// Amounts and dates only compare with their like: MiniJinja would order anything else by its kind, silently.
    fn check_comparison(&self, left: &Side<'_>, sign: &Word<'_>, right: &Side<'_>, problems: &mut Vec<Problem>) {
        let kind = |side: &Side<'_>, other: &Side<'_>| match side.end.kind {
            // What a script returned may be an amount; the tests take whole numbers as well.
            WordKind::Name if side.root == "vars" && other.end.kind == WordKind::Number => NameKind::Money,
            WordKind::Name => self.kind_of(side.end.text),
            _ => NameKind::Plain,
        };
        match (kind(left, right), kind(right, left)) {
            (left, right) if left == right => {}
            (NameKind::Plain, right_kind) => self.refuse_comparison(right.end.text, sign, right_kind, problems),
            (left_kind, _) => self.refuse_comparison(left.end.text, sign, left_kind, problems),
        }
    }

    fn refuse_comparison(&self, name: &str, sign: &Word<'_>, kind: NameKind, problems: &mut Vec<Problem>) {
        let hint = match kind {
            NameKind::Money => "`is above(100)` and `is below(100)` compare amounts exactly",
            NameKind::Date => "`is after(\"2027-03-08\")` and `is before(…)` compare dates",
            NameKind::Plain => return,
        };
        let problem = Problem::error(format!("`{name}` cannot be compared with `{}`", sign.text));
        problems.push(problem.at(self.place(sign)).hint(hint));
    }

    fn kind_of(&self, name: &str) -> NameKind {
        if name == "amount" {
            return NameKind::Money;
        }
        let is_last = |known: &&KnownName| known.path.rsplit('.').next() == Some(name);
        self.known.iter().find(is_last).map_or(NameKind::Plain, |known| known.kind)
    }

    fn check_helper<'n>(
        &self,
        what: &str,
        word: Option<&Word<'_>>,
        names: impl Iterator<Item = &'n str> + Clone,
        problems: &mut Vec<Problem>,
    ) {
        let Some(word) = word.filter(|word| word.kind == WordKind::Name) else { return };
        if names.clone().any(|name| name == word.text) {
            return;
        }
        let problem = Problem::error(format!("Unknown {what} `{}`", word.text)).at(self.place(word));
        let hint = nearest(word.text, names).map(|near| format!("did you mean `{near}`?"));
        problems.push(Problem { hint, ..problem });
    }

    /// Returns the part of a path up to the first name that the table does not have, or `None` where it has all.
    fn unknown_part(&self, path: &str) -> Option<String> {
        let mut parts = path.split('.');
        let first = parts.next()?;
        let is_global = self.templates.environment.globals().any(|(name, _)| name == first);
        if is_global || NAMES_BUILT_IN.contains(&first) || first == IMAGE_FUNCTION || self.set_names.contains(first) {
            return None;
        }
        let heads = |known: &KnownName| known.path.split(['.', '[']).next() == Some(first);
        if !self.known.iter().any(heads) {
            return Some(first.to_owned());
        }
        let second = parts.next()?;
        let mut below = self.known.iter().filter_map(|known| known.path.strip_prefix(first)?.strip_prefix('.')).peekable();
        // A list, or a value without parts in the table: its own parts are checked when it is filled.
        below.peek()?;
        let is_there = below.any(|own| own == "*" || own.split('.').next() == Some(second));
        (!is_there).then(|| format!("{first}.{second}"))
    }

    pub(crate) fn unknown_name(&self, path: &str, words: &[Word<'_>]) -> Problem {
        let problem = Problem::error(format!("Unknown name `{path}`"));
        let (first, second) = path.split_once('.').unwrap_or((path, ""));
        let place = words.iter().enumerate().find(|(index, word)| {
            let is_part = index.checked_sub(1).is_some_and(|before| [".", "|"].contains(&words[before].text));
            let follows = |text: &str, offset: usize| words.get(index + offset).is_some_and(|next| next.text == text);
            word.kind == WordKind::Name
                && word.text == first
                && !is_part
                && (second.is_empty() || follows(".", 1) && follows(second, 2))
        });
        let place = match place {
            Some((_, word)) => Place { width: path.chars().count() as u32, ..self.place(word) },
            None => Place::file(self.source.path.clone()),
        };
        let is_short = |known: &&KnownName| known.path.contains('.') != second.is_empty();
        let candidates = self.known.iter().filter(is_short).map(|known| known.path.split('[').next().unwrap_or(known.path));
        let hint = match nearest(path, candidates) {
            Some(near) => format!("did you mean `{near}`?"),
            None if second.is_empty() => format!("what the rule's script returns is `vars.{path}`"),
            None => format!("see the table of template variables for what `{first}` has"),
        };
        problem.at(place).hint(hint)
    }

    fn place(&self, word: &Word<'_>) -> Place {
        let (line, column) = line_and_column(&self.source.text, word.offset);
        let width = word.text.chars().count() + if word.kind == WordKind::Text { 2 } else { 0 };
        Place::within(self.source.path.clone(), &self.source.text, line, column, width as u32)
    }
}

/// Returns the HTML or MJML tag that `offset` stands in, without the template's own code.
fn tag_around(text: &str, offset: usize) -> Option<String> {
    let start = text[..offset].rfind('<')?;
    let mut tag = String::new();
    let mut rest = &text[start..];
    loop {
        let stop = rest.find(['{', '>'])?;
        tag.push_str(&rest[..stop]);
        rest = &rest[stop..];
        let close = match rest.as_bytes().get(..2) {
            Some(b"{{") => "}}",
            Some(b"{%") => "%}",
            Some(b"{#") => "#}",
            _ if rest.starts_with('>') => return (text.len() - rest.len() > offset).then_some(tag),
            _ => {
                tag.push('{');
                rest = &rest[1..];
                continue;
            }
        };
        rest = &rest[rest.find(close)? + close.len()..];
    }
}

/// Returns whether a tag shows an image and says nothing of it.
fn is_image_without_words(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    let is_image = tag.starts_with("<img") || tag.starts_with("<mj-image");
    is_image && !tag.split_ascii_whitespace().any(|word| word.starts_with("alt=") || word == "alt")
}
