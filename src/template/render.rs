//! Filling a template for one reader, within limits.

use std::collections::BTreeMap;
use std::fmt;
// An in-memory writer with a limit; nothing leaves the process.
use std::io;
use std::ops::Range;
use std::sync::Arc;

use minijinja::{Environment, Error, ErrorKind, Value};
use thiserror::Error as ThisError;

use crate::domain::id::{Language, TemplateName};
use crate::domain::problem::{Place, Problem};
use crate::template::code::line_and_column;
use crate::template::css::inlined;
use crate::template::image::{Album, Image, ShownImage};
use crate::template::load::{Source, Sources, Variant};
use crate::template::reader::Reader;
use crate::template::text::text_of;
use crate::template::value::EMPTY;

/// How many steps one part of a mail may take; a table row takes about forty, so this is enough for 50,000 invoices.
pub const FUEL_MAX: u64 = 2_000_000;

/// How deep templates may nest: a loop or condition counts 1, a macro or include about 10.
pub const RECURSION_MAX: usize = 200;

/// How many bytes one part of a mail may have: 5 MiB, well below what mail servers take.
pub const OUTPUT_BYTES_MAX: usize = 5 * 1024 * 1024;

/// How many bytes a part is given room for at first; it takes more where it is longer.
const PART_BYTES: usize = 4096;

/// How many characters a subject may have; mail readers show about 70.
pub const SUBJECT_CHARACTERS_MAX: usize = 400;

/// The parts of a mail, filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line without control characters; never empty.
    pub subject: String,
    /// The HTML, where the template has one.
    pub html: Option<String>,
    /// The text: the template's own, or made from the HTML.
    pub text: String,
    /// The images that the HTML shows.
    pub images: Vec<ShownImage>,
    /// The language the template was chosen for.
    pub language: Language,
}

/// Why a template could not be filled; its mail is blocked, the run goes on.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub struct TemplateFault {
    /// What went wrong.
    pub message: String,
    /// Where in the template, if the fault has a place.
    pub place: Option<Place>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Problem::from(self.clone()))
    }
}

impl From<TemplateFault> for Problem {
    fn from(fault: TemplateFault) -> Self {
        let TemplateFault { message, place, hint } = fault;
        Self { place, hint, ..Self::error(message) }
    }
}

/// A reader's convention and the environment whose filters follow it.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) reader: Arc<Reader>,
    pub(crate) environment: Environment<'static>,
}

/// A template in the language chosen for one reader.
#[derive(Debug)]
pub struct Choice<'t> {
    pub(crate) name: TemplateName,
    pub(crate) sources: &'t Sources,
    pub(crate) images: &'t Arc<BTreeMap<String, Image>>,
    pub(crate) variant: &'t Variant,
    pub(crate) office: Arc<Office>,
    pub(crate) language: Language,
}

impl Choice<'_> {
    /// Returns the convention in which values have to be made for this template.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.office.reader
    }

    /// Returns the language of the template's words.
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Returns whether somebody wrote the text, which is else made from the HTML.
    pub fn has_own_text(&self) -> bool {
        self.variant.text.is_some()
    }

    /// Returns the function that shows images in one mail, whose own id is `tail`: `key@domain`.
    pub fn album(&self, tail: &str) -> Album {
        Album::new(self.images, tail)
    }

    /// Fills subject, HTML and text with `context`, in which `album` is the function that shows images.
    ///
    /// # Errors
    /// The first part that cannot be filled, with its place: an undefined name, a filter's complaint, a limit, or a
    /// subject that is empty, longer than a line or [`SUBJECT_CHARACTERS_MAX`], or has a control character.
    pub fn render(&self, context: &Value, album: &Album) -> Result<Rendered, TemplateFault> {
        let subject = self.subject(context)?;
        let html = self.variant.html.as_deref().map(|file| self.html(file, context)).transpose()?;
        let text = match (&self.variant.text, &html) {
            (Some(file), _) => self.fill(file, context)?,
            (None, Some(html)) => text_of(html).map_err(|reason| TemplateFault {
                message: format!("No text could be made from the HTML of `{}`: {reason}", self.name),
                place: None,
                hint: Some("write the text as a template of its own, ending in `.txt`".into()),
            })?,
            (None, None) => return Err(self.incomplete("neither an .html or .mjml nor a .txt file")),
        };
        Ok(Rendered { subject, html, text, images: album.shown(), language: self.language.clone() })
    }

    /// Fills one line with `context`: the name of a file. `what` names it in messages.
    ///
    /// # Errors
    /// It cannot be filled.
    pub fn line(&self, what: &str, pattern: &str, context: &Value) -> Result<String, TemplateFault> {
        let source = Source { path: what.into(), text: pattern.into(), made: None };
        let sources = Sources::from([(what.to_owned(), source)]);
        let fault = |error: Error| {
            let TemplateFault { message, hint, .. } = fault_of(&error, &sources);
            TemplateFault { message: format!("{what} cannot be made: {message}"), place: None, hint }
        };
        let template = self.office.environment.template_from_named_str(what, pattern).map_err(fault)?;
        let mut output = Bounded(Vec::new());
        template.render_captured_to(context.clone(), &mut output).map_err(fault)?;
        Ok(String::from_utf8(output.0).expect("MiniJinja writes UTF-8").trim().to_owned())
    }

    fn subject(&self, context: &Value) -> Result<String, TemplateFault> {
        let Some(file) = &self.variant.subject else { return Err(self.incomplete("no subject")) };
        let rendered = self.fill(file, context)?;
        let subject = rendered.trim();
        let place = self.sources.get(file).map(|source| Place::within(source.path.clone(), &source.text, 1, 0, 1));
        let fault = |message: String, hint: &str| Err(TemplateFault { message, place, hint: Some(hint.into()) });
        if subject.is_empty() {
            return fault("The subject is empty".into(), "a subject has one line of text");
        }
        if subject.contains(['\n', '\r']) {
            return fault(format!("The subject has more than one line: {subject:?}"), "a subject has one line of text");
        }
        if let Some(control) = subject.chars().find(|c| c.is_control()) {
            let message = format!("The subject {subject:?} has the control character {:?}", control);
            return fault(message, "look at the values it was filled with");
        }
        let length = subject.chars().count();
        if length > SUBJECT_CHARACTERS_MAX {
            let message = format!("The subject has {length} characters, more than {SUBJECT_CHARACTERS_MAX}");
            return fault(message, "mail readers show about 70");
        }
        Ok(subject.to_owned())
    }

    fn html(&self, file: &str, context: &Value) -> Result<String, TemplateFault> {
        let html = self.fill(file, context)?;
        if !self.variant.has_styles {
            return Ok(html);
        }
        inlined(&html).map_err(|reason| TemplateFault {
            message: format!("The styles of `{}` cannot be written into its elements: {reason}", self.name),
            place: None,
            hint: None,
        })
    }

    fn fill(&self, file: &str, context: &Value) -> Result<String, TemplateFault> {
        filled(&self.office.environment, file, context, self.sources)
    }

    fn incomplete(&self, what: &str) -> TemplateFault {
        let message = format!("Template `{}` has {what}", self.name);
        TemplateFault { message, place: None, hint: None }
    }
}

/// Fills one text of an environment.
pub(crate) fn filled(
    environment: &Environment<'static>,
    name: &str,
    context: &Value,
    sources: &Sources,
) -> Result<String, TemplateFault> {
    let fault = |error: Error| fault_of(&error, sources);
    let template = environment.get_template(name).map_err(fault)?;
    let mut output = Bounded(Vec::with_capacity(PART_BYTES));
    template.render_captured_to(context.clone(), &mut output).map_err(fault)?;
    Ok(String::from_utf8(output.0).expect("MiniJinja writes UTF-8"))
}

/// A writer that takes at most [`OUTPUT_BYTES_MAX`] bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::other("the part is too big"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what MiniJinja complains of in our words, with its place.
pub(crate) fn fault_of(error: &Error, sources: &Sources) -> TemplateFault {
    // A fault in a layout arrives wrapped in "could not include"; the reader needs the innermost one.
    let mut innermost = error;
    while let Some(inner) = std::error::Error::source(innermost).and_then(|source| source.downcast_ref::<Error>()) {
        innermost = inner;
    }
    let located = if innermost.line().is_some() { innermost } else { error };
    let (source, range) = match (located.name().and_then(|name| sources.get(name)), located.range()) {
        // What is filled is not what its author wrote: the place is looked up where the code comes from.
        (Some(Source { made: Some(made), .. }), range) => match range.and_then(|range| made.origin(&range)) {
            Some((file, range)) => (sources.get(file), Some(range)),
            None => (located.name().and_then(|name| sources.get(name)), None),
        },
        found => found,
    };
    let is_made = source.is_some_and(|source| source.made.is_some());
    let range = range.filter(|range| source.is_some_and(|source| source.text.get(range.clone()).is_some()));
    let range = range.map(|range| match source {
        Some(source) => whole_path(&source.text, range),
        None => range,
    });
    let (place, code) = match (source, range, located.line()) {
        (Some(source), Some(range), _) => {
            let (line, column) = line_and_column(&source.text, range.start);
            let code = source.text[range].lines().next().unwrap_or_default().trim_end();
            let width = code.chars().count() as u32;
            (Some(Place::within(source.path.clone(), &source.text, line, column, width)), Some(code))
        }
        (Some(source), None, Some(line)) if !is_made => {
            (Some(Place::within(source.path.clone(), &source.text, line as u32, 0, 1)), None)
        }
        (Some(source), None, _) => (Some(Place::file(source.path.clone())), None),
        (None, ..) => (None, None),
    };
    let detail = innermost.detail().map(str::to_owned);
    let (message, hint) = match innermost.kind() {
        ErrorKind::InvalidOperation if detail.as_deref() == Some(EMPTY) => {
            let message = match code.filter(|code| code.len() <= 80) {
                Some(code) => format!("`{code}` is empty, and the template prints it"),
                None => "The template prints a variable that is empty".to_owned(),
            };
            let hint = "fill it in; or write `{% if … %}` around it, or `|default(\"\")` behind it, where nothing may stand";
            (message, Some(hint.to_owned()))
        }
        ErrorKind::UndefinedError => {
            let message = match code.filter(|code| code.len() <= 80) {
                Some(code) => format!("`{code}` is not defined"),
                None => "A value is not defined".to_owned(),
            };
            (message, Some("a column that may be missing is asked for with `is defined`".to_owned()))
        }
        ErrorKind::OutOfFuel => {
            let message = format!("The template takes more than {FUEL_MAX} steps");
            (message, Some("a loop may be endless".to_owned()))
        }
        ErrorKind::WriteFailure => {
            let message = format!("The template writes more than {} MiB", OUTPUT_BYTES_MAX / 1024 / 1024);
            (message, Some("a loop may be endless".to_owned()))
        }
        ErrorKind::TemplateNotFound => {
            // MiniJinja says: template "_layout.html" does not exist.
            let name = detail.as_deref().and_then(|detail| detail.split('"').nth(1)).unwrap_or_default();
            match sources.contains_key(name) {
                true => (format!("Template file `{name}` has errors"), Some("`dunlin check` tells them".to_owned())),
                false => {
                    let message = format!("Template file `{name}` is not there");
                    (message, Some("layouts and parts are named with their ending: `_layout.html`".to_owned()))
                }
            }
        }
        _ if detail.as_deref() == Some("recursion limit exceeded") => ("The template calls itself too deeply".into(), None),
        kind => (capital(&detail.unwrap_or_else(|| kind.to_string())), None),
    };
    TemplateFault { message, place, hint }
}

/// Returns `range` from the start of the name it belongs to: MiniJinja points at `.region` of `customer.region` only.
fn whole_path(text: &str, range: Range<usize>) -> Range<usize> {
    if !text[range.clone()].starts_with(['.', '[']) {
        return range;
    }
    let is_path = |c: char| c.is_alphanumeric() || "_.[]".contains(c);
    let start = text[..range.start].rfind(|c| !is_path(c)).map_or(0, |at| text.ceil_char_boundary(at + 1));
    start..range.end
}

fn capital(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
