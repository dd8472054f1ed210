//! MJML to HTML, once when the templates load: a mail costs no reading of MJML.
//!
//! The template's code is covered meanwhile and stands in the HTML where it stood in the MJML, so values are escaped like those of any
//! HTML template. `<mj-include path="_part.mjml" />` takes another file of the workspace; nothing else is read, and nothing fetched.

use std::cell::Cell;
use std::collections::HashMap;

use mrml::mjml::Mjml;
use mrml::prelude::parser::loader::{IncludeLoader, IncludeLoaderError};
use mrml::prelude::parser::{Error, Origin, ParserOptions, Span, WarningKind};
use mrml::prelude::render::RenderOptions;

use crate::domain::id::Language;
use crate::domain::problem::{Place, Problem, nearest};
use crate::template::code::line_and_column;
use crate::template::cover::{Covered, CoveredFile, Made};
use crate::template::css::inlined_ahead;
use crate::template::load::{Source, Sources};
use crate::template::mjml_attributes::{attributes, unknown_attribute};

/// How deep elements may nest; mails have about twenty levels.
const DEPTH_MAX: usize = 100;

/// How many files one template may include, the same one again counted again.
const INCLUDES_MAX: usize = 100;

/// A template that was turned into HTML.
#[derive(Debug)]
pub(crate) struct Turned {
    /// The HTML.
    pub(crate) made: Made,
    /// Whether its styles stand in its elements already.
    pub(crate) is_inlined: bool,
}

/// The elements of MJML. Source: documentation.mjml.io.
const ELEMENTS: [&str; 36] = [
    "mjml",
    "mj-head",
    "mj-body",
    "mj-title",
    "mj-preview",
    "mj-style",
    "mj-font",
    "mj-breakpoint",
    "mj-attributes",
    "mj-all",
    "mj-class",
    "mj-include",
    "mj-raw",
    "mj-section",
    "mj-column",
    "mj-group",
    "mj-wrapper",
    "mj-hero",
    "mj-text",
    "mj-table",
    "mj-button",
    "mj-image",
    "mj-divider",
    "mj-spacer",
    "mj-social",
    "mj-social-element",
    "mj-navbar",
    "mj-navbar-link",
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-title",
    "mj-accordion-text",
    "mj-carousel",
    "mj-carousel-image",
    "mj-html-attributes",
    "mj-selector",
];

/// Turns the template `name` among `sources` into HTML in `language`, where it does not say another. Adds what is wrong to
/// `problems`; `None` where it cannot be used.
pub(crate) fn html_of(name: &str, language: &Language, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Turned> {
    let mut files: Vec<CoveredFile> = Vec::new();
    let mut first = 0;
    // The template is the first, and all others are what it may include.
    let own = sources.get_key_value(name).into_iter();
    let others = sources.iter().filter(|(other, _)| other.as_str() != name && other.starts_with('_') && other.ends_with(".mjml"));
    for (other, source) in own.chain(others) {
        let Some(covered) = Covered::new(&source.text, first) else {
            let problem = Problem::error("`dunlin-code-` cannot stand in a template");
            problems.push(problem.at(Place::file(source.path.clone())));
            return None;
        };
        if nesting(&covered.text) > DEPTH_MAX {
            let problem = Problem::error(format!("The elements are nested more than {DEPTH_MAX} deep"));
            problems.push(problem.at(Place::file(source.path.clone())));
            return None;
        }
        problems.extend(unknown_attributes(&covered, source));
        let unknown = unknown_elements(&covered, source);
        let is_whole = unknown.is_empty();
        problems.extend(unknown);
        if !is_whole {
            return None;
        }
        first += covered.code.len();
        files.push(CoveredFile { name: other.clone(), source: source.text.clone(), covered });
    }
    let texts = files.iter().skip(1).map(|file| (file.name.clone(), file.covered.text.clone())).collect();
    let loader = Beside { texts, left: Cell::new(INCLUDES_MAX) };
    let options = ParserOptions { include_loader: Box::new(loader) };
    let pages = Pages { files: &files, sources };
    let mut parsed = match Mjml::parse_with_options(&files[0].covered.text, &options) {
        Ok(parsed) => parsed,
        Err(fault) => {
            problems.push(pages.problem(&fault));
            return None;
        }
    };
    for warning in &parsed.warnings {
        // Styles are inlined below, whichever way they were asked for.
        if warning.kind == WarningKind::UnexpectedAttribute {
            let (place, words) = pages.place(&warning.origin, warning.span);
            problems.push(Problem { place, ..Problem::warning(format!("MJML does not know the attribute `{words}` here")) });
        }
    }
    let lang = &mut parsed.element.attributes.lang;
    *lang = lang.take().or_else(|| Some(language.to_string()));
    // Fonts that MJML knows would be fetched from elsewhere when the mail is read.
    let options = RenderOptions { fonts: HashMap::new(), ..RenderOptions::default() };
    let html = match parsed.element.render(&options) {
        Ok(html) => html,
        Err(fault) => {
            problems.push(Problem::error(format!("No HTML could be made of it: {fault}")).at(pages.file(0)));
            return None;
        }
    };
    let ahead = inlined_ahead(&html);
    let is_inlined = ahead.is_some();
    let made = Made::uncovered(ahead.as_ref().unwrap_or(&html), &files);
    pages.lost(&made, problems).then_some(Turned { made, is_inlined })
}

/// The files of the workspace that a template may include.
#[derive(Debug)]
struct Beside {
    texts: HashMap<String, String>,
    left: Cell<usize>,
}

impl IncludeLoader for Beside {
    fn resolve(&self, path: &str) -> Result<String, IncludeLoaderError> {
        let missing = || IncludeLoaderError::not_found(path);
        let left = self.left.get().checked_sub(1).ok_or_else(|| missing().with_message(TOO_MANY))?;
        self.left.set(left);
        self.texts.get(path).cloned().ok_or_else(missing)
    }
}

/// Marks the fault of an include beyond [`INCLUDES_MAX`].
const TOO_MANY: &str = "too many";

/// The files of a template, to tell places in them.
struct Pages<'a> {
    files: &'a [CoveredFile],
    sources: &'a Sources,
}

impl Pages<'_> {
    fn file(&self, place: usize) -> Place {
        let name = &self.files[place].name;
        Place::file(self.sources.get(name).map_or_else(|| name.as_str().into(), |source| source.path.clone()))
    }

    /// Returns the place of a span, and what stands there.
    fn place(&self, origin: &Origin, span: Span) -> (Option<Place>, String) {
        let place = match origin {
            Origin::Root => Some(0),
            Origin::Include { path } => self.files.iter().position(|file| file.name == *path),
        };
        let Some(place) = place else { return (None, String::new()) };
        let CoveredFile { source, covered, .. } = &self.files[place];
        let (start, end) =
            (source.floor_char_boundary(covered.offset(span.start)), source.floor_char_boundary(covered.offset(span.end)));
        let words = source.get(start..end).unwrap_or_default().trim();
        let start = start + source.get(start..end).map_or(0, |text| text.len() - text.trim_start().len());
        let words = words.lines().next().unwrap_or_default().chars().take(60).collect::<String>();
        let (line, column) = line_and_column(source, start);
        let width = words.chars().count() as u32;
        (Some(Place::within(self.file(place).file, source, line, column, width)), words)
    }

    fn problem(&self, fault: &Error) -> Problem {
        let at = |origin: &Origin, span: &Span, message: &dyn Fn(&str) -> String| {
            let (place, words) = self.place(origin, *span);
            Problem { place, ..Problem::error(message(&words)) }
        };
        match fault {
            Error::UnexpectedElement { origin, position } => {
                let problem =
                    at(origin, position, &|words| format!("`{}` cannot stand here in MJML", words.trim_matches(['<', '>'])));
                problem.hint("a section holds columns, a column holds `mj-text`, `mj-table` or `mj-image`, and these hold HTML")
            }
            Error::UnexpectedToken { origin, position } => {
                let problem = at(origin, position, &|words| format!("`{words}` cannot stand here in MJML"));
                problem.hint("text and code stand in `mj-text` or `mj-table`; code between sections in `<mj-raw>`")
            }
            Error::MissingAttribute { name, origin, position } => {
                at(origin, position, &|_| format!("The attribute `{name}` is missing here"))
            }
            Error::InvalidAttribute { origin, position } => {
                at(origin, position, &|words| format!("`{words}` is no attribute that fits here"))
            }
            Error::InvalidFormat { origin, position } => {
                at(origin, position, &|words| format!("`{words}` has a form that MJML does not know"))
            }
            Error::EndOfStream { .. } => {
                Problem::error("The file ends within an element").at(self.file(0)).hint("an element has no end")
            }
            Error::ParserError { origin, source } => {
                // The reader below counts lines of the covered text: as many as its author wrote, unless code has line ends in it.
                let text = source.to_string();
                let line = source.pos().row;
                let place = match origin {
                    Origin::Root => Some(0),
                    Origin::Include { path } => self.files.iter().position(|file| file.name == *path),
                };
                let place = place.map(|place| {
                    let file = &self.files[place];
                    let start: usize =
                        file.covered.text.split_inclusive('\n').take((line as usize).saturating_sub(1)).map(str::len).sum();
                    let column = (source.pos().col as usize).saturating_sub(1);
                    let offset = file.covered.offset(file.covered.text.floor_char_boundary(start + column));
                    let (line, column) = line_and_column(&file.source, offset);
                    Place::within(self.file(place).file, &file.source, line, column, 1)
                });
                let reason = text.split(" at ").next().unwrap_or(&text);
                Problem { place, ..Problem::error(format!("This is not well-formed: {reason}")) }
            }
            Error::IncludeLoaderError { origin, position, source } => {
                let name = &source.path;
                let problem = at(origin, position, &|_| match source.message {
                    Some(TOO_MANY) => format!("More than {INCLUDES_MAX} files are included"),
                    _ => format!("Template file `{name}` is not there"),
                });
                let parts = self.files.iter().skip(1).map(|file| file.name.as_str());
                let hint = nearest(name, parts).map(|near| format!("did you mean `{near}`?"));
                Problem {
                    hint: hint.or_else(|| Some("a part is a file like `_header.mjml` in `rules/templates/`".into())),
                    ..problem
                }
            }
            Error::NoRootNode => Problem::error("There is no `<mjml>` in it")
                .at(self.file(0))
                .hint("a template is `<mjml><mj-body>…</mj-body></mjml>`"),
            Error::SizeLimit { .. } => Problem::error("It is too large").at(self.file(0)),
        }
    }

    /// Adds a problem for each piece of the template's own code that is not in what was made, and returns whether there is none.
    fn lost(&self, made: &Made, problems: &mut Vec<Problem>) -> bool {
        let own = &self.files[0];
        let is_there = |at: usize| made.moved.iter().any(|moved| moved.file == own.name && moved.at == at);
        let lost = own.covered.code.iter().filter(|(range, _)| !is_there(range.start));
        let lost: Vec<&std::ops::Range<usize>> =
            lost.map(|(range, _)| range).filter(|range| !own.source[(*range).clone()].starts_with("{#")).collect();
        for range in &lost {
            let code = &own.source[(*range).clone()];
            let (line, column) = line_and_column(&own.source, range.start);
            let place = Place::within(self.file(0).file, &own.source, line, column, code.chars().count() as u32);
            let problem = Problem::error(format!("`{code}` would get lost here")).at(place);
            problems.push(
                problem
                    .hint("MJML reads this attribute or element itself; write the code into `mj-text`, `mj-table` or `mj-raw`"),
            );
        }
        lost.is_empty()
    }
}

/// Returns a problem for each element that MJML does not have, and for the first end that ends another than was begun: its reader would
/// take the one for HTML, and the other as it comes.
fn unknown_elements(covered: &Covered, source: &Source) -> Vec<Problem> {
    let (mut problems, mut open, mut end) = (Vec::new(), Vec::new(), 0);
    let problem = |at: usize, name: &str, message: String| {
        let (line, column) = line_and_column(&source.text, covered.offset(at));
        Problem::error(message).at(Place::within(source.path.clone(), &source.text, line, column, name.len() as u32))
    };
    for part in covered.text.split_inclusive('<') {
        end += part.len();
        let after = &covered.text[end..];
        let (is_end, after) = after.strip_prefix('/').map_or((false, after), |after| (true, after));
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(after.len());
        let name = &after[..length];
        if !name.starts_with("mj") {
            continue;
        }
        if !ELEMENTS.contains(&name) {
            let hint = nearest(name, ELEMENTS).map(|near| format!("did you mean `{near}`?"));
            problems.push(Problem { hint, ..problem(end, name, format!("MJML has no element `{name}`")) });
        } else if !is_end {
            let is_closed = after.split_once('>').is_some_and(|(tag, _)| tag.ends_with('/'));
            if !is_closed {
                open.push((end, name));
            }
        } else if let Some((at, begun)) = open.pop().filter(|(_, begun)| *begun != name) {
            let (line, _) = line_and_column(&source.text, covered.offset(at));
            let problem = problem(end, name, format!("`</{name}>` ends what was not begun last"));
            problems.push(problem.hint(format!("`<{begun}>` of line {line} has no end yet: write `</{begun}>` before it")));
            break;
        }
    }
    problems
}

/// Returns a warning for each attribute that its element does not have: it would change nothing.
fn unknown_attributes(covered: &Covered, source: &Source) -> Vec<Problem> {
    let (mut problems, mut end) = (Vec::new(), 0);
    for part in covered.text.split_inclusive('<') {
        end += part.len();
        let after = &covered.text[end..];
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(after.len());
        let (element, rest) = after.split_at(length);
        if !element.starts_with("mj-") {
            continue;
        }
        for (at, attribute) in attributes(rest) {
            let Some(near) = unknown_attribute(element, attribute).filter(|_| !attribute.starts_with("dunlin-code-")) else {
                continue;
            };
            let (line, column) = line_and_column(&source.text, covered.offset(end + length + at));
            let place = Place::within(source.path.clone(), &source.text, line, column, attribute.len() as u32);
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let problem = Problem::warning(format!("`{element}` of MJML has no attribute `{attribute}`")).at(place);
            problems.push(Problem { hint: hint.or_else(|| Some("it changes nothing: take it out".to_owned())), ..problem });
        }
    }
    problems
}

/// Returns how deep the elements of a text nest at most, as far as its tags tell.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for part in text.split('<').skip(1) {
        if part.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let is_closed = part.split_once('>').is_some_and(|(tag, _)| tag.ends_with('/'));
            let is_void = ["br", "img", "hr", "meta", "link", "input"]
                .iter()
                .any(|name| part.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '>', '/', '\n'])));
            depth += usize::from(!is_closed && !is_void);
            deepest = deepest.max(depth);
        }
    }
    deepest
}
