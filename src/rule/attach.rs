//! What a rule attaches to its mails: the members of `attach`, read and checked.
//!
//! What each of them becomes is not known here: a plugin's program and a document are fetched by the engine, the rest is made
//! from the letter by `message`.

use crate::domain::problem::Problem;
use crate::rule::check::Known;
use crate::rule::file::look_up;
use crate::rule::keys::{REMINDER, STATEMENT};
use crate::template::pattern_problems;
use crate::yaml::{self, Fields, Node, Problems, Span, Value};

/// The most members that `attach` may have.
pub const ENCLOSURES_MAX: usize = 20;

/// One member of `attach`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    /// What is attached.
    pub what: Enclosed,
    /// How its file is called, in the language of templates; `None`: as whoever makes it calls it.
    pub name: Option<String>,
}

/// What a member of `attach` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enclosed {
    /// The files that the program of this plugin makes.
    Plugin(String),
    /// A list of what the mail is about, made from the letter.
    Items(ItemsForm),
    /// A paper in the layout of this name, made from the letter.
    Paper(String),
}

impl Enclosed {
    /// Returns whether it must be there before the mail is composed, since it does not come from the letter itself.
    pub fn is_fetched(&self) -> bool {
        match self {
            Self::Plugin(_) => true,
            Self::Items(_) | Self::Paper(_) => false,
        }
    }
}

/// How a list of items is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemsForm {
    /// CSV as the reader's Excel opens it: their delimiter, decimal mark and dates, with a byte order mark.
    Csv,
    /// CSV for programs: commas, points, ISO dates, UTF-8 without a mark.
    PlainCsv,
}

impl ItemsForm {
    /// The words of a rule, in the order of the documentation.
    pub const WORDS: [(&str, Self); 2] = [("csv", Self::Csv), ("plain_csv", Self::PlainCsv)];
}

/// The keys of which each member has one: what is attached.
const WHATS: [&str; 4] = ["plugin", "items", STATEMENT, REMINDER];
/// The word for a paper.
const PDF: &str = "pdf";

/// What `attach` says.
#[derive(Debug, Default)]
pub(crate) struct Attach {
    pub(crate) enclosures: Vec<Enclosure>,
    /// Where it asks for a document that cannot be made.
    pub(crate) unknown: Option<Span>,
}

/// Reads `attach`: one member, or a list of them.
pub(crate) fn attach(node: &Node, kind: &str, known: &Known, problems: &mut Problems<'_>) -> Attach {
    let members = match &node.value {
        Value::List(members) => members.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if members.len() > ENCLOSURES_MAX {
        problems.error(node.span, format!("{} attachments are named; at most {ENCLOSURES_MAX} are read", members.len()));
    }
    let mut found = Attach::default();
    for member in members {
        if let Value::Map(entries) = &member.value
            && let [entry] = entries.as_slice()
            && entry.key == "document"
        {
            found.unknown = found.unknown.or(Some(node.span));
            continue;
        }
        let Some(enclosure) = enclosure(member, kind, known, problems) else { continue };
        if found.enclosures.contains(&enclosure) {
            problems.error(member.span, "The same is attached twice");
        }
        found.enclosures.push(enclosure);
    }
    found
}

fn enclosure(node: &Node, kind: &str, known: &Known, problems: &mut Problems<'_>) -> Option<Enclosure> {
    let mut fields = Fields::open(node, "an attachment", problems)?;
    let plugin = fields.optional("plugin", problems, |node, problems| plugin(node, known, problems)).map(Enclosed::Plugin);
    let forms = ItemsForm::WORDS.iter().map(|(word, form)| (*word, Some(*form))).chain([(PDF, None)]);
    let items = fields.optional("items", problems, yaml::choice(&forms.collect::<Vec<_>>()));
    let papers = [STATEMENT, REMINDER].map(|what| {
        let found = fields.optional(what, problems, yaml::choice(&[(PDF, what)]))?;
        if kind != what {
            let span = fields.key_span(what).unwrap_or(node.span);
            problems.error_hint(span, format!("A {kind} has no {what} to attach"), "`{ items: pdf }` lists what it is about");
        }
        Some(found)
    });
    let paper = papers.into_iter().flatten().next().or(items.filter(Option::is_none).map(|_| "items"));
    let layout = fields.optional("layout", problems, |node, problems| Some((yaml::text(node, problems)?, node.span)));
    let name = fields.optional("name", problems, |node, problems| name(node, known, problems));
    let written = WHATS.iter().filter(|what| fields.key_span(what).is_some()).count();
    let (span, name_span) = (fields.span(), fields.key_span("name"));
    fields.close(problems);
    if written != 1 {
        let message = format!("An attachment has one of {}", WHATS.map(|what| format!("`{what}`")).join(", "));
        problems.error_hint(span, message, "write each as a member of its own: `attach: [{ items: csv }, { plugin: name }]`");
    }
    if let Some(span) = name_span.filter(|_| plugin.is_some()) {
        problems.error_hint(span, "The program of a plugin names its files itself", "remove `name`");
    }
    if let Some((_, span)) = layout.as_ref().filter(|_| paper.is_none()) {
        problems.error_hint(*span, "Only a paper has a layout", "write `pdf`, or remove `layout`");
    }
    let what = match paper {
        Some(usual) => {
            let (name, span) = layout.unwrap_or_else(|| (usual.to_owned(), span));
            let names = || known.layouts.iter().map(String::as_str);
            look_up(&name, "layout of papers", "rules/papers", names, span, problems).then_some(Enclosed::Paper(name))
        }
        None => plugin.or(items.flatten().map(Enclosed::Items)),
    };
    Some(Enclosure { what: what?, name })
}

fn plugin(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<String> {
    let name = yaml::text(node, problems)?;
    let names = || known.attachment_plugins.iter().map(String::as_str);
    look_up(&name, "plugin for attachments", "plugins/", names, node.span, problems).then_some(name)
}

/// Reads the name of a file, which templates' variables may stand in.
fn name(node: &Node, known: &Known, problems: &mut Problems<'_>) -> Option<String> {
    let pattern = yaml::text(node, problems)?;
    let found = pattern_problems(&pattern, &known.template_names);
    let is_right = found.is_empty();
    for problem in found {
        let place = Some(problems.place(node.span));
        problems.push(Problem { place, ..problem });
    }
    is_right.then_some(pattern)
}
